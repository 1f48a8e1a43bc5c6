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
    /// Where it was published.
    paper: Option<&'static str>,
}

/// Prints all names, in the order of their numbers: `resnet18` before `resnet101`.
pub fn list(page: &mut Page, format: Format) -> anyhow::Result<()> {
    let entry = |network: &zoo::Network| -> anyhow::Result<Entry> {
        let &zoo::Network { name, input, paper, .. } = network;
        Ok(Entry { name, input, params: zoo::model(name, None, None)?.param_count()?, paper })
    };
    let mut entries = zoo::networks().map(entry).collect::<anyhow::Result<Vec<Entry>>>()?;
    entries.sort_by_key(|entry| family_and_depth(entry.name));
    match format {
        Format::Table => {
            let mut table = Table::new(["name", "input", "parameters", "paper"]);
            for Entry { name, input: [c, h, w], params, paper } in entries {
                table.row([name, &format!("{c}x{h}x{w}"), &thousands(&params), paper.unwrap_or("")]);
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
                let paper = paper.map_or_else(String::new, |paper| format!("\"{paper}\""));
                text.push_str(&format!("{name},{c},{h},{w},{params},{paper}\n"));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depths_are_numbers() {
        assert!(family_and_depth("resnet18") < family_and_depth("resnet101"));
        assert!(family_and_depth("resnet101") < family_and_depth("resnet101_v1"));
    }
}
