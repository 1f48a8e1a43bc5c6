//! Heat maps and the dashboard of the layers.

use std::collections::BTreeSet;

use super::{
    history::History,
    statistic::{Measured, Statistic},
};
use crate::{
    callback::{Context, Position},
    error::Result,
    render::{self, Dashboard, DashboardColumn, DashboardRow, Flag, FlagColor},
    rules::{Finding, Severity},
    summary::{Image, Step, Summary, layer_and_part},
    writer::SummarySink,
};

/// The histories of all statistics.
#[derive(Debug)]
pub(super) struct Pictures {
    histories: Vec<History>,
    /// Whether something was measured since they were drawn.
    is_new: bool,
    /// When they were drawn last.
    drawn: Option<Step>,
    /// What was critical in this epoch: rule and subject.
    critical: BTreeSet<(String, String)>,
    /// Whether something was critical ever.
    alarmed: bool,
}

/// Steps between two drawings where no epoch ends.
const EVERY: i64 = 500;
/// Steps between two drawings for critical findings.
const APART: i64 = 100;

/// Why pictures may be due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion<'f> {
    /// A batch was observed, and these critical findings raised.
    Batch(&'f [(String, String)]),
    EpochEnd,
    TrainEnd,
}

impl Pictures {
    pub fn new() -> Pictures {
        Pictures {
            histories: Statistic::ALL.map(History::new).into_iter().collect(),
            is_new: false,
            drawn: None,
            critical: BTreeSet::new(),
            alarmed: false,
        }
    }

    pub fn add(&mut self, step: Step, measured: &Measured<'_>) {
        for history in &mut self.histories {
            history.add(step, measured.get(history.statistic));
        }
        self.is_new |= measured.iter().next().is_some();
    }

    /// Whether they are to be drawn now. Over budget only the last ones are, and those of the first critical finding. A
    /// finding that comes and goes is drawn once in an epoch.
    pub fn is_due(&mut self, occasion: Occasion<'_>, position: &Position) -> bool {
        let within_budget = !position.over_budget;
        let since = position.step.get().saturating_sub(self.drawn.map_or(0, Step::get));
        match occasion {
            Occasion::TrainEnd => true,
            Occasion::EpochEnd => {
                self.critical.clear();
                within_budget
            }
            Occasion::Batch(critical) => {
                let known = self.critical.len();
                self.critical.extend(critical.iter().cloned());
                let first = !critical.is_empty() && !self.alarmed;
                self.alarmed |= first;
                let is_new = self.critical.len() > known && (self.drawn.is_none() || since >= APART);
                let is_late = position.batches.is_none() && since >= EVERY;
                first || within_budget && (is_new || is_late)
            }
        }
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
        self.drawn = Some(cx.step());
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
    // `layer1.weight` is of `layer1`; `layer1.0` and `layer1.0.weight` are of other layers.
    const PARTS: [&str; 4] = ["weight", "bias", "running_mean", "running_var"];
    let is_here = |subject: &str| {
        let (owner, part) = layer_and_part(subject);
        subject == layer || (owner == layer && PARTS.contains(&part))
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
        rules::{LayerObservation, Observation, ParamObservation, ParamRole, TensorStats},
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
        pictures.add(observation.step, &Measured::of(&observation));
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

    fn at(step: i64, over_budget: bool, batches: Option<u64>) -> Position {
        Position { step: Step::new(step), epoch: 1, batch: step as u64, batches, over_budget }
    }

    #[test]
    fn over_budget_only_what_must_be_seen_is_drawn() {
        let mut pictures = Pictures::new();
        let critical = |rule: &str| [(rule.to_owned(), "training".to_owned())];
        assert!(pictures.is_due(Occasion::EpochEnd, &at(5, false, Some(5))));
        assert!(!pictures.is_due(Occasion::EpochEnd, &at(10, true, Some(5))));
        assert!(!pictures.is_due(Occasion::Batch(&[]), &at(900, true, None)));
        assert!(pictures.is_due(Occasion::Batch(&critical("a")), &at(12, true, Some(5)))); // the first
        assert!(!pictures.is_due(Occasion::Batch(&critical("b")), &at(13, true, Some(5))));
        assert!(pictures.is_due(Occasion::TrainEnd, &at(15, true, Some(5))));
    }

    #[test]
    fn a_finding_that_comes_and_goes_is_drawn_once_in_an_epoch() {
        let mut pictures = Pictures::new();
        let critical = |rule: &str| [(rule.to_owned(), "training".to_owned())];
        let mut drawn = Vec::new();
        for step in 1..=1000 {
            let position = at(step, false, Some(1000));
            let rule = if step > 300 { "b" } else { "a" };
            if pictures.is_due(Occasion::Batch(&critical(rule)), &position) {
                pictures.drawn = Some(position.step);
                drawn.push(step);
            }
        }
        assert_eq!(drawn, [1, 301]);
        assert!(pictures.is_due(Occasion::EpochEnd, &at(1000, false, Some(1000))));
        assert!(pictures.is_due(Occasion::Batch(&critical("a")), &at(1001, false, Some(1000))));
        // Another one so soon behind the last pictures has to wait for the end.
        pictures.drawn = Some(Step::new(1001));
        assert!(!pictures.is_due(Occasion::Batch(&critical("c")), &at(1002, false, Some(1000))));
    }

    #[test]
    fn a_loop_without_epochs_has_pictures_now_and_then() {
        let mut pictures = Pictures::new();
        let mut drawn = Vec::new();
        for step in 1..=1200 {
            if pictures.is_due(Occasion::Batch(&[]), &at(step, false, None)) {
                pictures.drawn = Some(Step::new(step));
                drawn.push(step);
            }
        }
        assert_eq!(drawn, [500, 1000]);
    }

    #[test]
    fn flags_stand_at_the_layer_itself() {
        let finding = |subject: &str| Finding {
            rule: "dead_relu".to_owned(),
            subject: subject.to_owned(),
            severity: Severity::Warning,
            since: Step::new(1),
            last: Step::new(1),
            cleared: None,
            value: 1.0,
            threshold: 0.5,
            message: String::new(),
            advice: String::new(),
            explained_by: None,
            recent: Vec::new(),
        };
        let found = [finding("layer1.0.conv1.weight"), finding("layer1.0.conv1"), finding("layer10")];
        let found: Vec<&Finding> = found.iter().collect();
        let count = |layer: &str| flags(layer, &found).len();
        assert_eq!(["layer1.0.conv1", "layer1.0", "layer1", "layer10"].map(count), [2, 0, 0, 1]);
    }
}
