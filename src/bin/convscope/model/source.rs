//! A model that is named on the command line.

use std::{
    convert::Infallible,
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::Context as _;
use convscope::arch::{ModelSpec, zoo};

use super::classes::with_classes;

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
        let is_file = looks_like_a_file || (!is_in_zoo(text) && path.exists());
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
            ModelSource::Zoo(name) => {
                let spec = zoo::model(name, input, classes);
                if is_in_zoo(name) {
                    return Ok(spec?);
                }
                spec.with_context(|| {
                    format!("`{name}` is neither a file that is there nor in `convscope model --list`")
                })
            }
            ModelSource::File(path) => {
                let mut spec = ModelSpec::load(path)?;
                spec.input = input.unwrap_or(spec.input);
                let spec = match classes {
                    Some(classes) => with_classes(spec, classes),
                    None => spec.validate().map(|()| spec).map_err(anyhow::Error::from),
                };
                spec.with_context(|| path.display().to_string())
            }
        }
    }
}

/// Whether the zoo has a model of this name. Case, `-` and `_` do not count.
fn is_in_zoo(name: &str) -> bool {
    let plain = |name: &str| name.replace(['-', '_'], "").to_lowercase();
    zoo::NAMES.iter().any(|known| plain(known) == plain(name))
}

/// `--input`.
pub fn input(text: &str) -> Result<[i64; 3], String> {
    numbers(text).ok_or_else(|| "give channels, height and width, such as 3,224,224".to_owned())
}

/// `--object-size`.
pub fn object_size(text: &str) -> Result<[i64; 2], String> {
    let size: Option<[i64; 2]> = numbers(text);
    size.filter(|size| size.iter().all(|side| *side > 0))
        .ok_or_else(|| "give height and width in pixels, such as 40,60".to_owned())
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
        for bad in ["", "3", "3,224", "3,224,224,1", "3,a,4", "3,,4", "3.5,1,1", "99999999999999999999,1,1"] {
            assert!(input(bad).is_err(), "{bad}");
        }
    }
}
