//! What the values of the flags mean.

use std::{fs, path::PathBuf, str::FromStr};

use anyhow::{Context as _, ensure};
use convscope::{
    data::{Normalization, Resize},
    explain,
};

/// `--classes`.
#[derive(Debug, Clone, PartialEq)]
pub enum Classes {
    Count(i64),
    Names(Vec<String>),
    File(PathBuf),
}

impl FromStr for Classes {
    type Err = String;

    fn from_str(text: &str) -> Result<Classes, String> {
        if let Ok(count) = text.parse() {
            return if (1..=1_000_000).contains(&count) {
                Ok(Classes::Count(count))
            } else {
                Err("give a number from 1".to_owned())
            };
        }
        if !text.contains(',') {
            return Ok(Classes::File(text.into()));
        }
        let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        if names.iter().any(String::is_empty) {
            Err("a name is empty".to_owned())
        } else {
            Ok(Classes::Names(names))
        }
    }
}

impl Classes {
    /// How many, and their names where they are known.
    pub fn load(&self) -> anyhow::Result<(i64, Vec<String>)> {
        let names = match self {
            Classes::Count(count) => return Ok((*count, Vec::new())),
            Classes::Names(names) => names.clone(),
            Classes::File(path) => {
                let text = fs::read_to_string(path).with_context(|| {
                    format!("cannot read the names of the classes, one a line, from {}", path.display())
                })?;
                let names: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
                ensure!(
                    !names.is_empty() && !names.iter().any(String::is_empty),
                    "{}: a name of a class in every line is expected",
                    path.display()
                );
                names
            }
        };
        Ok((names.len() as i64, names))
    }
}

/// `--target`: the class that is explained.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    Predicted,
    Label,
    Class(String),
}

impl FromStr for Target {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Target, Self::Err> {
        Ok(match text {
            "predicted" => Target::Predicted,
            "label" => Target::Label,
            class => Target::Class(class.to_owned()),
        })
    }
}

/// A class by its number or name, among `count` classes.
pub fn class(text: &str, names: &[String], count: i64) -> anyhow::Result<i64> {
    const MOST: usize = 20;
    let same = |name: &&String| name.to_lowercase() == text.to_lowercase();
    let by_name = names.iter().position(|name| name == text).or_else(|| {
        // Whatever the case, where that leaves no doubt.
        let found = names.iter().filter(same).count();
        if found == 1 { names.iter().position(|name| same(&name)) } else { None }
    });
    if let Some(place) = by_name {
        return Ok(place as i64);
    }
    let number = text.parse().ok().filter(|class| (0..count).contains(class));
    let known = || match names {
        [] => String::new(),
        names if names.len() <= MOST => format!(", or one of {}", names.join(", ")),
        names => format!(", or a name such as {}", names[..MOST].join(", ")),
    };
    number.with_context(|| {
        format!("there is no class `{text}`: give a number from 0 to {}{}", count - 1, known())
    })
}

/// `--resize`.
pub fn resize(text: &str) -> Result<Resize, String> {
    match sides(text).as_deref() {
        _ if text == "keep" => Ok(Resize::Keep),
        Some(&[side]) => Ok(Resize::ShorterSide(side)),
        Some(&[rows, columns]) => Ok(Resize::Exact([rows, columns])),
        _ => Err("give the pixels of the shorter side, such as 256, or rows and columns, such as 224,224, or `keep`".to_owned()),
    }
}

/// `--crop`: one number for a square.
pub fn crop(text: &str) -> Result<[u32; 2], String> {
    match sides(text).as_deref() {
        Some(&[side]) => Ok([side, side]),
        Some(&[rows, columns]) => Ok([rows, columns]),
        _ => Err("give the side of a square, such as 224, or rows and columns, such as 224,160".to_owned()),
    }
}

/// `--fill`.
#[derive(Debug, Clone, PartialEq)]
pub enum Fill {
    /// From 0 to 1.
    Brightness(f64),
    Other(explain::Fill),
}

impl Fill {
    /// In images that are normalised so.
    pub fn of(&self, normalization: &Normalization) -> explain::Fill {
        match self {
            Fill::Brightness(brightness) => explain::Fill::brightness(*brightness, normalization),
            Fill::Other(fill) => fill.clone(),
        }
    }
}

/// `--fill`.
pub fn fill(text: &str) -> Result<Fill, String> {
    let expected = || {
        "give `mean`, `blur`, `blur:SIGMA` with pixels above 0, or a brightness from 0, black, to 1, white"
            .to_owned()
    };
    if let Ok(brightness) = finite(text) {
        let is_one = (0.0..=1.0).contains(&brightness);
        return is_one.then_some(Fill::Brightness(brightness)).ok_or_else(expected);
    }
    match text.parse() {
        Ok(fill @ (explain::Fill::ChannelMean | explain::Fill::Blur { .. })) => Ok(Fill::Other(fill)),
        _ => Err(expected()),
    }
}

/// `--patch`, `--stride`: one number for a square.
pub fn window(text: &str) -> Result<[i64; 2], String> {
    crop(text)
        .map(|sides| sides.map(i64::from))
        .map_err(|_| "give one number from 1, such as 4, or rows and columns, such as 4,6".to_owned())
}

/// One or more sizes from 1, with `,` or `x` between them.
fn sides(text: &str) -> Option<Vec<u32>> {
    let side = |side: &str| side.trim().parse().ok().filter(|side| (1..=1_000_000).contains(side));
    text.split([',', 'x']).map(side).collect()
}

/// A number that is finite.
pub fn finite(text: &str) -> Result<f64, String> {
    text.trim()
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite())
        .ok_or_else(|| "give a number".to_owned())
}

/// A number that is finite and above 0.
pub fn positive(text: &str) -> Result<f64, String> {
    finite(text).ok().filter(|number| *number > 0.0).ok_or_else(|| "give a number above 0".to_owned())
}

/// A share from 0 up to, but without, 1.
pub fn share(text: &str) -> Result<f64, String> {
    finite(text)
        .ok()
        .filter(|share| (0.0..1.0).contains(share))
        .ok_or_else(|| "give a number from 0 to below 1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_a_number_names_or_a_file() {
        assert_eq!("10".parse(), Ok(Classes::Count(10)));
        assert_eq!("cat, dog".parse(), Ok(Classes::Names(vec!["cat".into(), "dog".into()])));
        assert_eq!("names.txt".parse(), Ok(Classes::File("names.txt".into())));
        for bad in ["0", "-3", "cat,,dog", ","] {
            assert!(bad.parse::<Classes>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_class_is_found_by_name_then_by_number() {
        let names = ["7", "Coat", "coat", "Bag"].map(str::to_owned);
        for (text, place) in [("7", 0), ("Coat", 1), ("coat", 2), ("bag", 3), ("2", 2)] {
            assert_eq!(class(text, &names, 4).unwrap(), place, "{text}");
        }
        let error = class("COAT", &names, 4).unwrap_err().to_string();
        assert!(error.contains("from 0 to 3, or one of 7, Coat, coat, Bag"), "{error}");
        assert!(class("4", &names, 4).is_err());
        assert_eq!(class("4", &[], 5).unwrap(), 4);
    }

    #[test]
    fn sizes() {
        assert_eq!(resize("256"), Ok(Resize::ShorterSide(256)));
        assert_eq!(resize("20,30"), Ok(Resize::Exact([20, 30])));
        assert_eq!(resize("keep"), Ok(Resize::Keep));
        assert_eq!((crop("8"), crop("8x9")), (Ok([8, 8]), Ok([8, 9])));
        assert_eq!(window("4"), Ok([4, 4]));
        for bad in ["", "0", "-1", "1,2,3", "a", "1.5", "4,"] {
            assert!(resize(bad).is_err() && crop(bad).is_err() && window(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_brightness_becomes_what_the_model_sees() {
        let normalization = Normalization { mean: vec![0.5, 0.25], std: vec![0.25, 0.5] };
        for (text, sees) in [
            ("0", explain::Fill::Channels(vec![-2.0, -0.5])),
            ("1", explain::Fill::Channels(vec![2.0, 1.5])),
            ("mean", explain::Fill::ChannelMean),
            ("blur:2.5", explain::Fill::Blur { sigma: 2.5 }),
        ] {
            assert_eq!(fill(text).unwrap().of(&normalization), sees, "{text}");
        }
        for bad in ["-0.1", "1.5", "nan", "blur:0", "blur:-1", "grey", "0,0", ""] {
            assert!(fill(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers() {
        assert!(finite("nan").is_err() && finite("inf").is_err() && finite("x").is_err());
        assert_eq!((finite(" -0.5"), positive("0.2"), share("0")), (Ok(-0.5), Ok(0.2), Ok(0.0)));
        assert!(positive("0").is_err() && share("1").is_err() && share("-0.1").is_err());
    }
}
