//! The study of max pooling.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tch::{Device, Tensor};

use super::{
    counts::RoutingCounts,
    route::{MaxPoolRouting, max_pool_routing},
};
use crate::{
    arch::lecture,
    error::Result,
    explain::{Case, Report, Sample, Study, Subject, sample::class_name},
    render::{self, Routing, number},
    summary::{Step, layer_tag},
    tch_context::TchContext as _,
};

/// Cases with pictures where nothing else is said.
const PICTURES: usize = 3;
/// Channels of a picture.
const CHANNELS: usize = 2;

const EXAMPLE: &str = "Max pooling in small numbers, forward and backward: the largest value of each window goes on, and gets all of \
     the window's gradient. Where windows overlap, gradients add up; of equal values the first one wins.";
const PICTURE: &str = "Max pooling forward and backward, for the channels with the strongest gradient. 1: what is pooled, with a square at \
     the largest value of each window, coloured by its place in the window. 2: that place for each window; hatched windows \
     hold zeros alone, so that the first of them wins by being first. 3: the gradient of the explained logit behind the \
     pooling. 4: the same before it: the winner gets all of its window's gradient, the grey inputs get none; where windows \
     overlap, gradients add up.";

/// Which inputs of each max pooling get a gradient: see [`max_pool_routing`].
///
/// | tag, below `explain/max_pool_routing/<pool>/` | kind |
/// |---|---|
/// | `<image>` | picture: winners, their places, and the gradient behind and before the pooling |
/// | `winner_share`, `gradient_share` | shares of inputs that win a window, and whose gradient is not 0 |
/// | `switch_entropy`, `effective_places` | entropy of the winner's place, in bits; 2 to the power of it |
/// | `all_zero_share`, `tie_share` | shares of windows of zeros, and of other ties |
/// | `switch_stability` | share of windows whose winner is where it was at the last step before, on the same images |
///
/// Before the first run it draws the lecture's [small cases](lecture::max_pooling), once, under
/// `explain/max_pool_routing/example/`. Numbers are taken over all cases; the stability over those that were cases at the last step before, too. A model without a spec is left out: kernel and stride of a pooling cannot be read from
/// a hand-written model.
#[derive(Debug)]
pub struct MaxPoolSwitchStudy {
    pictures: usize,
    /// Whether the small cases were drawn.
    drawn: bool,
    before: Remembered,
    now: Remembered,
}

/// Switches of all cases at one step, on the host.
#[derive(Debug, Default)]
struct Remembered {
    step: Option<Step>,
    /// By pool, place in tags and image: at a place may stand another image the next time.
    switches: BTreeMap<[String; 3], Tensor>,
}

impl Default for MaxPoolSwitchStudy {
    fn default() -> MaxPoolSwitchStudy {
        let [before, now] = Default::default();
        MaxPoolSwitchStudy { pictures: PICTURES, drawn: false, before, now }
    }
}

/// What the cases say of one pool.
#[derive(Default)]
struct Found {
    counts: RoutingCounts,
    stability: Vec<f64>,
}

impl MaxPoolSwitchStudy {
    /// Draws the first 3 cases.
    pub fn new() -> MaxPoolSwitchStudy {
        MaxPoolSwitchStudy::default()
    }

    /// Draws the first so many cases; numbers are always taken over all.
    #[must_use]
    pub fn pictures(mut self, cases: usize) -> MaxPoolSwitchStudy {
        self.pictures = cases;
        self
    }

    /// A step begins: the one before it is what is compared with. The same step again is no other one.
    fn begin(&mut self, step: Step) {
        if self.now.step == Some(step) {
            return;
        }
        self.before = std::mem::take(&mut self.now);
        self.now.step = Some(step);
        if self.before.step > self.now.step {
            self.before = Remembered::default(); // the training began again
        }
    }

    /// Compares with the last step before, and remembers this one.
    fn compare(&mut self, routing: &MaxPoolRouting, sample: &Sample) -> Result<Option<f64>> {
        let key = [routing.pool.clone(), sample.tag(), sample.name.clone()];
        let stability = match self.before.switches.get(&key) {
            Some(before) => routing.stability(before)?,
            None => None,
        };
        let switches = routing.switches()?.f_to_device(Device::Cpu);
        self.now.switches.insert(key, switches.context(|| format!("switches of `{}`", routing.pool))?);
        Ok(stability)
    }
}

impl Study for MaxPoolSwitchStudy {
    fn name(&self) -> &'static str {
        "max_pool_routing"
    }

    fn run(&mut self, subject: &Subject<'_>, report: &mut Report<'_>) -> Result<()> {
        if !std::mem::replace(&mut self.drawn, true) {
            report.examples(lecture::max_pooling(report.step())?, EXAMPLE)?;
        }
        let Some(spec) = subject.spec else {
            report.skip("the model has no spec: kernel, stride and padding of its poolings are not known");
            return Ok(());
        };
        if subject.cases.is_empty() {
            report.skip("no images were given");
            return Ok(());
        }
        self.begin(report.step());
        let mut found: Vec<(String, Found)> = Vec::new();
        for (number, case) in subject.cases.iter().enumerate() {
            let pools = max_pool_routing(subject.classifier, spec, &case.sample.input, case.class)?;
            if pools.is_empty() {
                report.skip("the network has no max pooling");
                return Ok(());
            }
            found.resize_with(pools.len(), Default::default);
            for (routing, (pool, sums)) in pools.iter().zip(&mut found) {
                pool.clone_from(&routing.pool);
                sums.counts.add(&routing.counts);
                sums.stability.extend(self.compare(routing, case.sample)?);
                if number < self.pictures {
                    draw(routing, case, subject.classes, report)?;
                }
            }
        }
        found.iter().try_for_each(|(pool, found)| found.write(pool, report))
    }
}

impl Found {
    fn write(&self, pool: &str, report: &mut Report<'_>) -> Result<()> {
        let Found { counts, stability } = self;
        let stability =
            (!stability.is_empty()).then(|| stability.iter().sum::<f64>() / stability.len() as f64);
        let numbers = [
            ("winner_share", counts.winner_share(), "Share of the pooling's inputs that win a window."),
            (
                "gradient_share",
                counts.gradient_share(),
                "Share of inputs whose gradient of the logit is not 0.",
            ),
            (
                "switch_entropy",
                counts.entropy(),
                "Entropy of the winner's place in its window in bits, windows of zeros left out. 0: always the same \
                 place; 2: all of 2x2 equally often.",
            ),
            (
                "effective_places",
                counts.effective_places(),
                "2 to the power of the entropy: so many places win equally often.",
            ),
            (
                "all_zero_share",
                counts.all_zero_share(),
                "Share of windows of zeros, whose first input wins by being first.",
            ),
            ("tie_share", counts.tie_share(), "Share of windows with several equal maxima other than zeros."),
            (
                "switch_stability",
                stability,
                "Share of windows whose winner lies where it lay at the last step before, on the same images; mean of the \
                 images.",
            ),
        ];
        for (name, value, description) in numbers {
            if let Some(value) = value {
                report.scalar(&format!("{}/{name}", layer_tag(pool)), value, description)?;
            }
        }
        report.values(pool, || {
            let mut all: serde_json::Map<String, Value> =
                numbers.iter().map(|(name, value, _)| ((*name).to_owned(), json!(value))).collect();
            let RoutingCounts { inputs, winners, with_gradient, windows, all_zero, ties, nan, empty, places } = counts;
            all.insert(
                "counts".to_owned(),
                json!({
                    "inputs": inputs, "winners": winners, "with_gradient": with_gradient, "windows": windows,
                    "all_zero": all_zero, "ties": ties, "nan": nan, "empty": empty, "places": places,
                }),
            );
            Value::Object(all)
        });
        Ok(())
    }
}

fn draw(
    routing: &MaxPoolRouting,
    case: &Case<'_>,
    classes: &[String],
    report: &mut Report<'_>,
) -> Result<()> {
    let channels = routing.strongest(CHANNELS)?;
    let size = |tensor: &Tensor| {
        let sides = tensor.size();
        [1, 2].map(|axis| sides.get(axis).copied().unwrap_or(0).unsigned_abs() as usize)
    };
    let window = &routing.window;
    let sides = |h: i64, w: i64| [h.max(0) as usize, w.max(0) as usize];
    let unit = format!("d logit of {} / d value", class_name(classes, case.class));
    let picture = Routing {
        input: size(&routing.input),
        output: size(&routing.winners),
        kernel: sides(window.kernel.h, window.kernel.w),
        stride: sides(window.stride.h, window.stride.w),
        dilation: sides(window.dilation.h, window.dilation.w),
        padding: sides(window.padding.top, window.padding.left),
        channels: &channels,
        unit: &unit,
    };
    let note =
        format!("image {}; {}; {}", case.sample.name, case.words(classes), words(routing, channels.len()));
    let title = format!("{}: max pooling {}, stride {}", routing.pool, window.kernel, window.stride);
    let image = render::max_pool_routing(&picture, &note, &report.caption(&title))?;
    report.picture(&format!("{}/{}", layer_tag(&routing.pool), case.sample.tag()), image, PICTURE)
}

/// The numbers of a pooling for its picture.
fn words(routing: &MaxPoolRouting, shown: usize) -> String {
    let RoutingCounts { inputs, winners, with_gradient, .. } = routing.counts;
    let percent = |part: u64| number(100.0 * part as f64 / inputs.max(1) as f64);
    let channels = routing.input.size().first().copied().unwrap_or(0);
    let mut words = format!(
        "all {channels} channels: {} % of inputs win, {} % have a gradient other than 0",
        percent(winners),
        percent(with_gradient)
    );
    if let Some(bits) = routing.counts.entropy() {
        let most = ((routing.window.kernel.h * routing.window.kernel.w) as f64).log2();
        words += &format!("; entropy of the winner's place: {bits:.2} of {} bits", number(most));
    }
    format!("{words}; shown: {shown} with the strongest gradient")
}
