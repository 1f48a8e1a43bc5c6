//! Curves of the layers, and how the page Custom Scalars groups them.

use super::statistic::Statistic;
use crate::{
    callback::{Preset, TRAIN},
    error::Result,
    render::spread,
    rules::Observation,
    summary::{Category, Chart, LAYOUT_TAG, Layout, Step, Summary, layer_tag},
    writer::{SubRun, SummarySink},
};

/// Which layers have curves.
#[derive(Debug)]
pub(super) struct Curves {
    most: usize,
    /// By statistic: chosen where it is measured first.
    chosen: Vec<(Statistic, Vec<String>)>,
    written: Option<Step>,
    /// Charts of the layout that was written last.
    charts: usize,
}

impl Curves {
    pub fn new(preset: Preset) -> Curves {
        Curves { most: preset.layers(), chosen: Vec::new(), written: None, charts: 0 }
    }

    pub fn write(&mut self, observation: &Observation, out: &mut dyn SummarySink) -> Result<()> {
        let out = &mut out.sub_run(TRAIN);
        if self.most > 0 && self.written != Some(observation.step) {
            self.write_curves(observation, out)?;
        }
        self.write_layout(observation.step, out)
    }

    fn write_curves(&mut self, observation: &Observation, out: &mut SubRun<'_>) -> Result<()> {
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

    /// Writes a layout with a chart for each statistic that there is, where there are more than before. It stands in the
    /// run `train`: TensorBoard joins it with one that the run itself may have.
    fn write_layout(&mut self, step: Step, out: &mut SubRun<'_>) -> Result<()> {
        let charts = 1 + self.chosen.len();
        if charts == std::mem::replace(&mut self.charts, charts) {
            return Ok(());
        }
        let rules = Chart::multiline("Rules: 0 fine, 1 warning, 2 critical", ["diagnosis/[a-z0-9_]+$"]);
        let mut categories = vec![Category::new("Diagnosis", vec![rules])];
        let chart = |statistic: Statistic| {
            let title = format!("{} of the layers", statistic.title());
            Chart::multiline(title, [format!("layers/{}/", statistic.name())])
        };
        let known = |statistic: &Statistic| self.chosen.iter().any(|(known, _)| known == statistic);
        let layers: Vec<Chart> = Statistic::ALL.into_iter().filter(known).map(chart).collect();
        if !layers.is_empty() {
            categories.push(Category::new("Layers", layers));
        }
        out.add(LAYOUT_TAG, Summary::custom_scalars(&Layout::new(categories)?), step)
    }
}
