//! Names of classes as ends of tags, and which classes have curves.

use crate::{
    arch::did_you_mean,
    classification::class_name,
    error::{Error, Result},
};

/// The end of the tag of each class: its name, with its number behind it where another class has the same.
pub(super) fn class_tags(names: &[String], classes: usize) -> Vec<String> {
    let ends: Vec<String> = (0..classes)
        .map(|class| match class_name(names, class).trim() {
            "" => class.to_string(),
            name => name.to_owned(),
        })
        .collect();
    let is_taken = |end: &String| ends.iter().filter(|other| *other == end).count() > 1;
    let tag =
        |(class, end): (usize, &String)| if is_taken(end) { format!("{end} {class}") } else { end.clone() };
    ends.iter().enumerate().map(tag).collect()
}

/// Which classes have curves of their own: those that are named, else the first ones.
pub(super) fn with_curves(
    names: &[String],
    classes: usize,
    wanted: Option<&[String]>,
    most: usize,
) -> Result<Vec<usize>> {
    let Some(wanted) = wanted else { return Ok((0..classes.min(most)).collect()) };
    let find = |name: &String| {
        let class = (0..classes).find(|&class| class_name(names, class) == *name);
        class.ok_or_else(|| {
            let why = format!(
                "the classifier has no such class{}",
                did_you_mean(name, names.iter().map(String::as_str))
            );
            Error::invalid(format!("curves of class `{name}`"), why)
        })
    };
    wanted.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_a_tag_of_its_own() {
        let names = ["cat", " dog", "cat", "", "T-shirt/top"].map(str::to_owned);
        assert_eq!(class_tags(&names, 6), ["cat 0", "dog", "cat 2", "3", "T-shirt/top", "5"]);
    }

    #[test]
    fn curves_are_of_the_first_classes_or_of_those_named() {
        let names = ["cat", "dog", "bird"].map(str::to_owned);
        assert_eq!(with_curves(&names, 3, None, 2).unwrap(), [0, 1]);
        assert_eq!(with_curves(&names, 3, None, 9).unwrap(), [0, 1, 2]);
        let wanted = ["bird", "dog"].map(str::to_owned);
        assert_eq!(with_curves(&names, 3, Some(&wanted), 1).unwrap(), [2, 1]);
        let error = with_curves(&names, 3, Some(&["bort".to_owned()]), 9).unwrap_err().to_string();
        assert!(error.starts_with("curves of class `bort`: the classifier has no such class"), "{error}");
    }
}
