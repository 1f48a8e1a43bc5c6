//! The callback that explains a network while it is trained.

use tch::{Device, Tensor};

use super::{
    choice::{Choice, cases},
    classifier::Classifier,
    report::Report,
    sample::{Case, Sample},
    study::{Evidence, Study, Subject},
};
use crate::{
    arch::ModelSpec,
    callback::{CONTINUE, Callback, Context, Flow, Metrics, Schedule, TRAIN},
    data::{Dataset, Normalization},
    error::{Error, Result},
    summary::{Step, Summary},
    writer::SummarySink,
};

/// Images of the data that studies of many images may use, and from which the others are chosen.
const MANY: usize = 500;

/// Runs studies ([`Study`]) of the network while it is trained, into the run `train`: what it looks at on fixed images and on
/// those that it answers rightly or wrongly now, and how far to believe it.
///
/// All tags lie below `explain/`; each study's documentation names its own. They need the model
/// ([`Session::model`](crate::Session::model)) and its tap; without a model nothing is written. Training does not notice:
/// no parameter, `.grad`, running statistic or random number of libtorch's is touched. Where the diagnostics are over their
/// share of the time ([`Session::max_overhead`](crate::Session::max_overhead)), explanations wait for the next time that
/// they are due. A study that fails (for too little memory on a device, say) is told in a warning, once, and tried again the
/// next time; only what cannot be written is an error. The text `explain/left_out` says which were not made for this model, and
/// why.
///
/// ```
/// use convscope::{
///     MemorySink, Network, Schedule, Session, arch::ModelSpec, data::{self, Normalization},
///     explain::{Attribute, Explain, Saliency},
/// };
/// use tch::{Device, nn};
///
/// let data = data::bundled()?.validation;
/// let spec = ModelSpec::default_model(10)?;
/// let store = nn::VarStore::new(Device::Cpu);
/// let network = Network::new(&store.root(), &spec)?;
///
/// let explain = Explain::of(&data, &Normalization::of(&data)?, Device::Cpu)?
///     .spec(&spec)
///     .images(2)? // the same two every time
///     .study(Attribute::new(Saliency::new()))
///     .schedule(Schedule::epochs(5));
/// let mut sink = MemorySink::default();
/// let mut session = Session::new(&store, explain, &mut sink)
///     .tap(network.tap())
///     .f_model(|images| network.f_forward_t(images, false));
/// drop(session.begin_step()?); // the network before the first batch is explained now
/// drop(session);
/// assert!(sink.entries.iter().any(|entry| entry.tag.as_str().starts_with("explain/saliency/")));
/// # Ok::<(), convscope::Error>(())
/// ```
pub struct Explain {
    choice: Option<Choice>,
    samples: Vec<Sample>,
    classes: Vec<String>,
    studies: Vec<Box<dyn Study>>,
    schedule: Schedule,
    at_end: bool,
    spec: Option<ModelSpec>,
    memory: Option<u64>,
    seed: u64,
    /// Step at which it was written last, so that an epoch's end does not write it again.
    written: Option<Step>,
    /// What was said to the user once.
    said: Vec<String>,
    /// Which studies were not made, and why, as it was written last.
    left_out: String,
}

impl Explain {
    /// Explains answers for `samples`, the same every time. `classes` are the names of the classes, in their order; empty
    /// where they have none.
    pub fn new(samples: Vec<Sample>, classes: &[String]) -> Explain {
        Explain {
            choice: None,
            samples,
            classes: classes.to_vec(),
            studies: Vec::new(),
            schedule: Schedule::epoch().within_budget(),
            at_end: false,
            spec: None,
            memory: None,
            seed: 0,
            written: None,
            said: Vec::new(),
            left_out: String::new(),
        }
    }

    /// Explains answers for images of `data`, which should not be what the model is trained on: four of different classes,
    /// unless told otherwise. Of a larger data set 500 images are kept, of all classes in turn.
    ///
    /// # Errors
    /// Another number of channels than the normalisation has; an absent device.
    pub fn of(data: &Dataset, normalization: &Normalization, device: Device) -> Result<Explain> {
        let mut choice = Choice::new(data.probe(MANY)?, normalization, device);
        choice.fix(4)?;
        let explain = Explain::new(Vec::new(), data.classes());
        Ok(Explain { choice: Some(choice), ..explain })
    }

    /// The number of images that are explained every time, of different classes as far as there are; the default is 4, and 0
    /// means none.
    ///
    /// # Errors
    /// Too little memory.
    pub fn images(mut self, count: usize) -> Result<Explain> {
        self.of_data("images")?.fix(count)?;
        Ok(self)
    }

    /// Explains also up to `right` images of every class that are answered rightly and up to `wrong` of those that are
    /// answered wrongly, the most confident ones, chosen anew each time. Their tags name class and rank
    /// (`Coat_wrong_1`), their captions the image. The default is 0 of both.
    ///
    /// # Errors
    /// An `Explain` without data.
    pub fn per_class(mut self, right: usize, wrong: usize) -> Result<Explain> {
        let choice = self.of_data("images by answer")?;
        (choice.right, choice.wrong) = (right, wrong);
        Ok(self)
    }

    /// Adds a study. Without any, nothing is done.
    #[must_use]
    pub fn study(mut self, study: impl Study + 'static) -> Explain {
        self.studies.push(Box::new(study));
        self
    }

    /// Adds studies, such as those of the [`catalogue`](super::catalogue()).
    #[must_use]
    pub fn studies(mut self, studies: impl IntoIterator<Item = Box<dyn Study>>) -> Explain {
        self.studies.extend(studies);
        self
    }

    /// When to look. The default is [`Schedule::epoch`]. The network before the first batch is explained too, unless the
    /// schedule excludes it or is [`Schedule::never`].
    #[must_use]
    pub fn schedule(mut self, schedule: Schedule) -> Explain {
        self.schedule = schedule.within_budget();
        self
    }

    /// Looks when training has ended, whatever was due before.
    #[must_use]
    pub fn at_end(mut self) -> Explain {
        self.at_end = true;
        self
    }

    /// What the model is made of: some studies need to know.
    #[must_use]
    pub fn spec(mut self, spec: &ModelSpec) -> Explain {
        self.spec = Some(spec.clone());
        self
    }

    /// Bytes for outputs of layers: see [`Classifier::memory`].
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Explain {
        self.memory = Some(bytes);
        self
    }

    /// Seed of the studies' random numbers; the default is 0. They are the same at every step.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Explain {
        self.seed = seed;
        self
    }

    fn of_data(&mut self, what: &str) -> Result<&mut Choice> {
        self.choice.as_mut().ok_or_else(|| {
            let why = format!("{what} are chosen from data, and there is none: begin with `Explain::of`");
            Error::invalid("explanations", why)
        })
    }

    fn write(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Result<()> {
        let Some(classifier) = Classifier::of_context(cx) else {
            let why = "no explanations: the session has no model to run; give it with `Session::model`";
            self.say(why.to_owned());
            return Ok(());
        };
        let classifier = match self.memory {
            Some(bytes) => classifier.memory(bytes),
            None => classifier,
        };
        let variables = sorted(cx);
        let by_answer = match &self.choice {
            Some(choice) => choice.by_answer(&classifier)?,
            None => Vec::new(),
        };
        let fixed = self.choice.iter().flat_map(Choice::fixed);
        let cases = cases(&classifier, self.samples.iter().chain(fixed).chain(&by_answer))?;
        check_names(&cases)?;
        let subject = Subject {
            classifier: &classifier,
            cases: &cases,
            classes: &self.classes,
            data: self
                .choice
                .as_ref()
                .map(|Choice { data, normalization, .. }| Evidence { images: data, normalization }),
            variables: &variables,
            spec: self.spec.as_ref(),
            seed: self.seed,
        };
        let epoch = cx.caption("").epoch;
        let mut out = out.sub_run(TRAIN);
        let mut report = Report::new(&mut out, cx.step(), epoch);
        let mut failed = Vec::new();
        for study in &mut self.studies {
            report.begin(study.name());
            match study.run(&subject, &mut report) {
                // Training is worth more than a picture of it.
                Err(error) if !report.could_not_write() => failed.push((study.name(), error)),
                done => done?,
            }
        }
        let skipped = report.skipped().iter().map(|(study, why)| format!("- `{study}`: {why}\n"));
        let left_out: String = skipped.collect();
        for (study, error) in failed {
            self.say(format!("explanation `{study}` failed: {error}"));
        }
        // Not every explanation is for every model: no warning, but to be found.
        if left_out != self.left_out {
            tracing::info!("explanations left out:\n{left_out}");
            out.add("explain/left_out", Summary::text(&left_out), cx.step())?;
            self.left_out = left_out;
        }
        self.written = Some(cx.step());
        Ok(())
    }

    /// Says it, but not again.
    fn say(&mut self, why: String) {
        if !self.said.contains(&why) {
            tracing::warn!("{why}");
            self.said.push(why);
        }
    }
}

/// Images of one name would be one in TensorBoard.
fn check_names(cases: &[Case<'_>]) -> Result<()> {
    let tags: Vec<String> = cases.iter().map(|case| case.sample.tag()).collect();
    match (1..tags.len()).find(|&later| tags[..later].contains(&tags[later])) {
        None => Ok(()),
        Some(later) => Err(Error::invalid(
            "explanations",
            format!("two images are called `{}` in tags: give each a name of its own", tags[later]),
        )),
    }
}

/// The model's variables by name.
fn sorted(cx: &Context<'_>) -> Vec<(String, Tensor)> {
    let mut variables: Vec<(String, Tensor)> = cx.var_store().variables().into_iter().collect();
    variables.sort_by(|a, b| a.0.cmp(&b.0));
    variables
}

impl Callback for Explain {
    fn on_train_start(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        if self.schedule.includes_start(cx.position()) {
            self.write(cx, out)?;
        }
        CONTINUE
    }

    fn on_batch_end(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        if self.schedule.is_due(cx.position()) {
            self.write(cx, out)?;
        }
        CONTINUE
    }

    fn on_epoch_end(&mut self, cx: &Context<'_>, _: &Metrics, out: &mut dyn SummarySink) -> Flow {
        if self.schedule.epoch_is_due(cx.position()) && self.written != Some(cx.step()) {
            self.write(cx, out)?;
        }
        CONTINUE
    }

    fn on_train_end(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        if self.at_end && self.written != Some(cx.step()) {
            self.write(cx, out)?;
        }
        CONTINUE
    }
}
