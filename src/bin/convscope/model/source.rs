//! A model that is named on the command line.

use std::{
    convert::Infallible,
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context as _, anyhow};
use convscope::{
    ErrorKind,
    arch::{ModelSpec, zoo},
};

use super::classes;

/// A model of the zoo, or a file.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelSource {
    Zoo(String),
    File(PathBuf),
}

impl FromStr for ModelSource {
    type Err = Infallible;

    /// A file is what looks like one, with a `/` or `.toml` at the end, or is there; but a name of the zoo is that.
    fn from_str(text: &str) -> Result<ModelSource, Infallible> {
        let path = Path::new(text);
        let looks_like_a_file = text.contains(['/', '\\'])
            || path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
        let is_file = looks_like_a_file || (zoo::network(text).is_none() && path.exists());
        Ok(if is_file { ModelSource::File(path.to_owned()) } else { ModelSource::Zoo(text.to_owned()) })
    }
}

impl fmt::Display for ModelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ModelSource::Zoo(name) => f.write_str(name),
            ModelSource::File(path) => path.display().fmt(f),
        }
    }
}

impl ModelSource {
    /// The model, for other images or another number of classes where they are given.
    pub fn load(&self, input: Option<[i64; 3]>, classes: Option<i64>) -> anyhow::Result<ModelSpec> {
        match self {
            ModelSource::Zoo(name) if zoo::network(name).is_some() => zoo::model(name, input, classes)
                .with_context(|| match input {
                    Some([channels, height, width]) => {
                        format!("{name} for images of {channels}x{height}x{width}")
                    }
                    None => name.clone(),
                }),
            ModelSource::Zoo(name) => zoo::model(name, input, classes).map_err(|error| match error.kind() {
                ErrorKind::Model(error) => anyhow!("there is no such file, and {}", error.why),
                _ => error.into(),
            }),
            ModelSource::File(path) => {
                let in_file = || path.display().to_string();
                let spec = ModelSpec::load_with(path, |spec| {
                    spec.input = input.unwrap_or(spec.input);
                    classes.map_or(Ok(()), |classes| classes::set(spec, classes)).with_context(in_file)
                })?;
                classes.map_or(Ok(()), |classes| classes::check(&spec, classes)).with_context(in_file)?;
                Ok(spec)
            }
        }
    }
}

/// `--input`.
pub fn input(text: &str) -> Result<[i64; 3], String> {
    sizes(text, "channels, height and width, such as 3,224,224")
}

/// `--object-size`.
pub fn object_size(text: &str) -> Result<[i64; 2], String> {
    sizes(text, "height and width in pixels, such as 40,60")
}

/// Numbers that are sizes: 1 or more.
fn sizes<const N: usize>(text: &str, wanted: &str) -> Result<[i64; N], String> {
    let sizes: [i64; N] = numbers(text).ok_or_else(|| format!("give {wanted}"))?;
    match sizes.iter().find(|size| **size < 1) {
        Some(size) => Err(format!("sizes are 1 or more, found {size}: give {wanted}")),
        None => Ok(sizes),
    }
}

/// Whole numbers with `,` or, as in the tables, `x` between them.
fn numbers<const N: usize>(text: &str) -> Option<[i64; N]> {
    let numbers: Result<Vec<i64>, _> = text.split([',', 'x']).map(|number| number.trim().parse()).collect();
    numbers.ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_the_zoo_unless_they_look_like_files() {
        for file in ["a.toml", "A.TOML", "./resnet18", "models/net", "src"] {
            assert_eq!(file.parse(), Ok(ModelSource::File(file.into())), "{file}");
        }
        for name in ["resnet18", "ResNet-18", "resnet19", "no_such_file", "toml"] {
            assert_eq!(name.parse(), Ok(ModelSource::Zoo(name.to_owned())), "{name}");
        }
    }

    #[test]
    fn inputs_are_three_numbers() {
        assert_eq!(input("3,224,299"), Ok([3, 224, 299]));
        assert_eq!(input("1x28x28"), Ok([1, 28, 28]));
        for bad in [
            "",
            "3",
            "3,224",
            "3,224,224,1",
            "3,a,4",
            "3,,4",
            "3.5,1,1",
            "3,0,1",
            "3,-1,1",
            "99999999999999999999,1,1",
        ] {
            assert!(input(bad).is_err(), "{bad}");
        }
    }
}
