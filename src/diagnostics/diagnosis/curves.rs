//! Curves of the layers, and how the page Custom Scalars groups them.

use super::statistic::Statistic;
use crate::{
    callback::{Preset, TRAIN},
    error::Result,
    render::spread,
    rules::Observation,
    summary::{Category, Chart, Layout, Step, Summary, layer_tag},
    writer::SummarySink,
};

/// Which layers have curves.
#[derive(Debug)]
pub(super) struct Curves {
    most: usize,
    /// By statistic: chosen where it is measured first.
    chosen: Vec<(Statistic, Vec<String>)>,
    written: Option<Step>,
}

impl Curves {
    pub fn new(preset: Preset) -> Curves {
        Curves { most: preset.layers(), chosen: Vec::new(), written: None }
    }

    pub fn write(&mut self, observation: &Observation, out: &mut dyn SummarySink) -> Result<()> {
        if self.most == 0 || self.written == Some(observation.step) {
            return Ok(());
        }
        let out = &mut out.sub_run(TRAIN);
        for statistic in Statistic::ALL {
            let measured = statistic.of(observation);
            if measured.is_empty() {
                continue;
            }
            self.written = Some(observation.step);
            let chosen = self.chosen(statistic, &measured);
            for (layer, value) in measured.iter().filter(|(layer, _)| chosen.iter().any(|name| name == layer))
            {
                let tag = format!("layers/{}/{}", statistic.name(), layer_tag(layer));
                let value = if value.is_infinite() { f64::NAN } else { *value };
                let summary = Summary::scalar(value).with_description(statistic.meaning());
                out.add(&tag, summary, observation.step)?;
            }
        }
        Ok(())
    }

    fn chosen(&mut self, statistic: Statistic, measured: &[(&str, f64)]) -> &[String] {
        let place = self.chosen.iter().position(|(known, _)| *known == statistic).unwrap_or_else(|| {
            let layers: Vec<String> = measured.iter().map(|(layer, _)| (*layer).to_owned()).collect();
            self.chosen.push((statistic, spread(&layers, self.most)));
            self.chosen.len() - 1
        });
        &self.chosen[place].1
    }

    /// Writes the layout into the run `train`: TensorBoard joins it with one that the run itself may have.
    pub fn write_layout(&self, out: &mut dyn SummarySink) -> Result<()> {
        let rules = Chart::multiline("Rules: 0 fine, 1 warning, 2 critical", ["diagnosis/[a-z0-9_]+$"]);
        let mut categories = vec![Category::new("Diagnosis", vec![rules])];
        if self.most > 0 {
            let chart = |statistic: Statistic| {
                Chart::multiline(
                    format!("{} of the layers", statistic.title()),
                    [format!("layers/{}/", statistic.name())],
                )
            };
            categories.push(Category::new("Layers", Statistic::ALL.map(chart).to_vec()));
        }
        out.sub_run(TRAIN).add_custom_scalars(&Layout::new(categories)?)
    }
}
