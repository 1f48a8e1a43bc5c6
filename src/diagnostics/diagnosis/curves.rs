//! Curves of the layers, and how the page Custom Scalars groups them.

use super::statistic::{Measured, Statistic};
use crate::{
    callback::{Preset, TRAIN},
    error::Result,
    render::spread,
    summary::{Category, Chart, LAYOUT_TAG, Layout, Step, Summary, layer_tag},
    writer::{SubRun, SummarySink},
};

/// More curves in a chart could not be told apart.
const MOST_IN_CHART: usize = 7;

/// Which layers have curves.
#[derive(Debug)]
pub(super) struct Curves {
    most: usize,
    /// By statistic, in the order of depth.
    chosen: Vec<(Statistic, Vec<String>)>,
    written: Option<Step>,
    /// That was written last.
    layout: Option<Layout>,
}

impl Curves {
    pub fn new(preset: Preset) -> Curves {
        Curves { most: preset.layers(), chosen: Vec::new(), written: None, layout: None }
    }

    pub fn write(&mut self, step: Step, measured: &Measured<'_>, out: &mut dyn SummarySink) -> Result<()> {
        let out = &mut out.sub_run(TRAIN);
        if self.most > 0 && self.written != Some(step) {
            self.write_curves(step, measured, out)?;
        }
        self.write_layout(step, out)
    }

    fn write_curves(&mut self, step: Step, measured: &Measured<'_>, out: &mut SubRun<'_>) -> Result<()> {
        for (statistic, layers) in measured.iter() {
            self.written = Some(step);
            let chosen = self.choose(statistic, layers);
            for (layer, value) in layers.iter().filter(|(layer, _)| chosen.iter().any(|name| name == layer)) {
                let value = if value.is_infinite() { f64::NAN } else { *value };
                let summary = Summary::scalar(value).with_description(statistic.meaning());
                out.add(&tag(statistic, layer), summary, step)?;
            }
        }
        Ok(())
    }

    /// The layers with curves. They stay; while there is room, layers that come later, because they were frozen, join
    /// them.
    fn choose(&mut self, statistic: Statistic, measured: &[(&str, f64)]) -> &[String] {
        let place = self.chosen.iter().position(|(known, _)| *known == statistic).unwrap_or_else(|| {
            self.chosen.push((statistic, Vec::new()));
            self.chosen.len() - 1
        });
        let chosen = &mut self.chosen[place].1;
        let room = self.most.saturating_sub(chosen.len());
        if room > 0 && measured.iter().any(|(layer, _)| !chosen.iter().any(|known| known == layer)) {
            let new: Vec<&str> = measured.iter().map(|(layer, _)| *layer).collect();
            let new: Vec<&str> =
                new.into_iter().filter(|layer| !chosen.iter().any(|known| known == layer)).collect();
            let new = spread(&new, room);
            let is_chosen = |layer: &str| chosen.iter().any(|known| known == layer) || new.contains(&layer);
            let mut all: Vec<String> = measured
                .iter()
                .filter(|(layer, _)| is_chosen(layer))
                .map(|(layer, _)| (*layer).to_owned())
                .collect();
            // What is not measured now, because it was frozen meanwhile.
            all.extend(
                chosen.iter().filter(|known| !measured.iter().any(|(layer, _)| layer == known)).cloned(),
            );
            *chosen = all;
        }
        chosen
    }

    /// Writes the layout where it is new. It stands in the run `train`: TensorBoard joins it with one that the run itself
    /// may have. All charts are there from the first time on: of several runs' layouts it would lose categories and charts
    /// that only a later one has.
    fn write_layout(&mut self, step: Step, out: &mut SubRun<'_>) -> Result<()> {
        let rules = Chart::multiline("Rules: 0 fine, 1 warning, 2 critical", ["diagnosis/[a-z0-9_]+$"]);
        let mut categories = vec![Category::new("Diagnosis", vec![rules])];
        let layers: Vec<Chart> =
            Statistic::ALL.into_iter().filter_map(|statistic| self.chart(statistic)).collect();
        if !layers.is_empty() {
            categories.push(Category::new("Layers", layers));
        }
        let layout = Layout::new(categories)?;
        if self.layout.as_ref() != Some(&layout) {
            out.add(LAYOUT_TAG, Summary::custom_scalars(&layout), step)?;
            self.layout = Some(layout);
        }
        Ok(())
    }

    fn chart(&self, statistic: Statistic) -> Option<Chart> {
        let of = |statistic| self.chosen.iter().find(|(known, _)| *known == statistic);
        // Windows of units close late; they are those of the layers that can be silent.
        let (_, layers) = of(statistic)
            .or_else(|| of(Statistic::ZeroFraction).filter(|_| statistic == Statistic::DeadShare))?;
        let shown = spread(layers, MOST_IN_CHART);
        let title = format!("{} of the layers", statistic.title());
        let title = if shown.len() < layers.len() {
            format!("{title}: {} of them, the heat map has all", shown.len())
        } else {
            title
        };
        Some(Chart::tags(title, shown.iter().map(|layer| tag(statistic, layer))))
    }
}

fn tag(statistic: Statistic, layer: &str) -> String {
    format!("layers/{}/{}", statistic.name(), layer_tag(layer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curves(most: usize) -> Curves {
        Curves { most, ..Curves::new(Preset::Standard) }
    }

    #[test]
    fn layers_that_are_unfrozen_join_while_there_is_room() {
        let mut curves = curves(4);
        let measured = |names: &[&'static str]| names.iter().map(|name| (*name, 1.0)).collect::<Vec<_>>();
        assert_eq!(curves.choose(Statistic::GradientRms, &measured(&["e", "f"])), ["e", "f"]);
        let all = measured(&["a", "b", "c", "d", "e", "f"]);
        assert_eq!(curves.choose(Statistic::GradientRms, &all), ["a", "d", "e", "f"]);
        let more = measured(&["x", "a", "b", "c", "d", "e", "f"]);
        assert_eq!(curves.choose(Statistic::GradientRms, &more), ["a", "d", "e", "f"]);
    }

    #[test]
    fn charts_have_seven_curves_at_most_and_say_so() {
        let mut curves = curves(16);
        let names: Vec<String> = (0..16).map(|n| format!("conv{n:02}")).collect();
        let measured: Vec<(&str, f64)> = names.iter().map(|name| (name.as_str(), 1.0)).collect();
        curves.choose(Statistic::GradientRms, &measured);
        curves.choose(Statistic::UpdateRatio, &measured[..7]);
        let chart = |statistic| format!("{:?}", curves.chart(statistic));
        let gradients = chart(Statistic::GradientRms);
        assert_eq!(gradients.matches("conv").count(), 7, "{gradients}");
        assert!(
            gradients.contains("7 of them") && gradients.contains("conv00") && gradients.contains("conv15")
        );
        let updates = chart(Statistic::UpdateRatio);
        assert!(updates.matches("conv").count() == 7 && !updates.contains("of them"), "{updates}");
    }
}
