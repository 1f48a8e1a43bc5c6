//! Heat maps and the dashboard of the layers.

use super::{history::History, statistic::Statistic};
use crate::{
    callback::Context,
    error::Result,
    render::{self, Dashboard, DashboardColumn, DashboardRow, Flag, FlagColor},
    rules::{Finding, Observation, Severity},
    summary::{Image, Summary},
    writer::SummarySink,
};

/// The histories of all statistics.
#[derive(Debug)]
pub(super) struct Pictures {
    histories: Vec<History>,
    /// Whether something was measured since they were drawn.
    is_new: bool,
}

impl Pictures {
    pub fn new() -> Pictures {
        Pictures { histories: Statistic::ALL.map(History::new).into_iter().collect(), is_new: false }
    }

    pub fn add(&mut self, observation: &Observation) {
        self.histories.iter_mut().for_each(|history| history.add(observation));
        self.is_new |= !(observation.layers.is_empty() && observation.params.is_empty());
    }

    /// Draws everything, if something is new.
    pub fn write(
        &mut self,
        cx: &Context<'_>,
        findings: &[&Finding],
        out: &mut dyn SummarySink,
    ) -> Result<()> {
        if !std::mem::take(&mut self.is_new) {
            return Ok(());
        }
        for history in self.histories.iter().filter(|history| !history.is_empty()) {
            let statistic = history.statistic;
            let picture = history.draw(&cx.caption(&format!("{} of the layers", statistic.title())))?;
            let description =
                format!("Layers in the order of depth, over all steps so far: {}.", statistic.meaning());
            let summary = Summary::image(picture).with_description(description);
            out.add(&format!("diagnosis/heat_map/{}", statistic.name()), summary, cx.step())?;
        }
        if let Some(picture) = self.dashboard(cx, findings)? {
            out.add("diagnosis/layers", Summary::image(picture).with_description(LAYERS), cx.step())?;
        }
        Ok(())
    }

    fn dashboard(&self, cx: &Context<'_>, findings: &[&Finding]) -> Result<Option<Image>> {
        let histories: Vec<&History> = self.histories.iter().filter(|history| !history.is_empty()).collect();
        let layers = in_depth_order(&histories);
        if layers.is_empty() {
            return Ok(None);
        }
        let column = |history: &&History| DashboardColumn {
            title: history.statistic.short(),
            meaning: history.statistic.meaning(),
            scale: history.statistic.scale(),
        };
        let row = |layer| DashboardRow {
            layer,
            values: histories.iter().map(|history| history.last(layer)).collect(),
            flags: flags(layer, findings),
        };
        let board = Dashboard {
            columns: histories.iter().map(column).collect(),
            rows: layers.into_iter().map(row).collect(),
        };
        render::dashboard(&board, &cx.caption("layers")).map(Some)
    }
}

const LAYERS: &str = "What was measured last of each layer, and what rules found in it.";

/// All layers that have a number. Outputs first; layers of parameters that are no output come behind the parameters'
/// layer before them.
fn in_depth_order<'h>(histories: &[&'h History]) -> Vec<&'h str> {
    let mut by_count: Vec<&[String]> = histories.iter().map(|history| history.layers()).collect();
    by_count.sort_by_key(|layers| std::cmp::Reverse(layers.len()));
    let mut order: Vec<&str> = Vec::new();
    for layers in by_count {
        let mut next = 0;
        for layer in layers {
            match order.iter().position(|known| known == layer) {
                Some(place) => next = place + 1,
                None => {
                    order.insert(next, layer);
                    next += 1;
                }
            }
        }
    }
    order
}

/// What was found in a layer or in a parameter of it.
fn flags<'f>(layer: &str, findings: &[&'f Finding]) -> Vec<Flag<'f>> {
    let is_here = |subject: &str| {
        subject.strip_prefix(layer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '/']))
    };
    let color = |severity| match severity {
        Severity::Info => FlagColor::Info,
        Severity::Warning => FlagColor::Warning,
        Severity::Critical => FlagColor::Critical,
    };
    let here = findings.iter().filter(|finding| is_here(&finding.subject));
    here.map(|finding| Flag { rule: &finding.rule, color: color(finding.severity) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        arch::Role,
        rules::{LayerObservation, ParamObservation, ParamRole, TensorStats},
    };

    fn stats() -> TensorStats {
        TensorStats { count: 4, l2: 2.0, ..TensorStats::default() }
    }

    #[test]
    fn layers_of_parameters_and_of_outputs_are_one_list() {
        let outputs = ["conv1", "relu1", "conv2", "relu2"];
        let param = |name: &str| ParamObservation {
            gradient: Some(stats()),
            ..ParamObservation::new(name, ParamRole::Weight, stats())
        };
        let observation = Observation {
            layers: outputs.map(|name| LayerObservation::new(name, Role::Relu, stats())).to_vec(),
            params: ["stem.weight", "conv1.weight", "bn1.weight", "conv2.weight", "fc.weight"]
                .map(param)
                .to_vec(),
            ..Observation::default()
        };
        let mut pictures = Pictures::new();
        pictures.add(&observation);
        let histories: Vec<&History> =
            pictures.histories.iter().filter(|history| !history.is_empty()).collect();
        let order = in_depth_order(&histories);
        assert_eq!(order.len(), 7);
        let place = |name: &str| order.iter().position(|layer| *layer == name);
        for pair in
            [["stem", "conv1"], ["conv1", "bn1"], ["bn1", "conv2"], ["conv1", "relu1"], ["relu1", "conv2"]]
        {
            assert!(place(pair[0]) < place(pair[1]), "{pair:?} in {order:?}");
        }
    }
}
