//! What is in the zoo.

use convscope::{
    arch::zoo,
    summary::{Table, thousands},
};
use serde_json::json;

use super::Format;
use crate::page::Page;

/// A network as it was published.
struct Entry {
    name: &'static str,
    input: [i64; 3],
    params: i64,
    paper: &'static str,
}

/// Prints all names, in the order of their numbers: `resnet18` before `resnet101`.
pub fn list(page: &mut Page, format: Format) -> anyhow::Result<()> {
    let entry = |name: &&'static str| -> anyhow::Result<Entry> {
        let spec = zoo::model(name, None, None)?;
        Ok(Entry { name, input: spec.input, params: spec.param_count()?, paper: paper(name) })
    };
    let mut entries = zoo::NAMES.iter().map(entry).collect::<anyhow::Result<Vec<Entry>>>()?;
    entries.sort_by_key(|entry| family_and_depth(entry.name));
    match format {
        Format::Table => {
            let mut table = Table::new(["name", "input", "parameters", "paper"]);
            for Entry { name, input: [c, h, w], params, paper } in entries {
                table.row([name, &format!("{c}x{h}x{w}"), &thousands(&params), paper]);
            }
            page.table(&table)?;
        }
        Format::Json => {
            let json = |Entry { name, input, params, paper }: &Entry| json!({ "name": name, "input": input, "params": params, "paper": paper });
            page.json(&entries.iter().map(json).collect())?;
        }
        Format::Csv => {
            let mut text = "name,channels,height,width,params,paper\n".to_owned();
            for Entry { name, input: [c, h, w], params, paper } in entries {
                text.push_str(&format!("{name},{c},{h},{w},{params},\"{paper}\"\n"));
            }
            page.text(&text)?;
        }
    }
    Ok(())
}

/// `resnet`, 101 and `_v1` of `resnet101_v1`.
fn family_and_depth(name: &str) -> (&str, u32, &str) {
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let family = name.find(|c: char| c.is_ascii_digit()).unwrap_or(name.len());
    let (family, rest) = name.split_at(family);
    let (depth, rest) = rest.split_at(digits(rest));
    (family, depth.parse().unwrap_or(0), rest)
}

/// Where the network was published.
fn paper(name: &str) -> &'static str {
    const PAPERS: [(&str, &str); 11] = [
        ("alexnet", "Krizhevsky 2014, arXiv:1404.5997"),
        ("default", "none: the small CNN of `convscope train`"),
        ("densenet", "Huang et al. 2017, arXiv:1608.06993"),
        ("dilated_context", "Yu and Koltun 2016, arXiv:1511.07122"),
        ("inception_v3", "Szegedy et al. 2016, arXiv:1512.00567"),
        ("lenet", "LeCun et al. 1998, Proc. IEEE 86(11)"),
        ("mobilenet_v1", "Howard et al. 2017, arXiv:1704.04861"),
        ("mobilenet_v2", "Sandler et al. 2018, arXiv:1801.04381"),
        ("resnet", "He et al. 2016, arXiv:1512.03385"),
        ("squeezenet", "Iandola et al. 2016, arXiv:1602.07360"),
        ("vgg", "Simonyan and Zisserman 2015, arXiv:1409.1556"),
    ];
    PAPERS.iter().find(|(family, _)| name.starts_with(family)).map_or("", |(_, paper)| paper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_has_its_paper() {
        for name in zoo::NAMES {
            assert!(!paper(name).is_empty(), "{name}");
        }
    }

    #[test]
    fn depths_are_numbers() {
        assert!(family_and_depth("resnet18") < family_and_depth("resnet101"));
        assert!(family_and_depth("resnet101") < family_and_depth("resnet101_v1"));
    }
}
