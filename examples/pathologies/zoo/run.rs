//! What a training of the zoo is given: data, a seed, and the diagnosis that is attached to it.

use std::sync::{Arc, Mutex, PoisonError};

use convscope::{
    Callback, Context, MemorySink, Metrics, Needs, Network, Session, SummarySink, SummaryWriter, Trainer,
    arch::ModelSpec,
    callback::{CONTINUE, Flow, Position},
    data::{self, Dataset, Split},
    diagnostics::Observer,
    rules::{Examiner, Finding, Observation, RuleSet},
};
use tch::{Device, nn};

use super::Outcome;

/// Anything that goes wrong in a training that should not.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// One training of the zoo while it runs.
pub struct Run {
    /// Seed of the parameters, of dropout and of the order of the images.
    pub seed: u64,
    writer: Option<SummaryWriter>,
    raised: Arc<Mutex<(i64, Vec<(i64, Finding)>)>>,
}

impl Run {
    /// A run that writes to `writer`, or nothing.
    pub fn new(seed: u64, writer: Option<SummaryWriter>) -> Run {
        tch::manual_seed(seed as i64);
        Run { seed, writer, raised: Arc::default() }
    }

    /// The first images of the bundled data, as many of each class.
    pub fn data(&self, train: usize, validation: usize) -> Result<Split> {
        let all = data::bundled()?;
        Ok(Split::new(all.train.probe(train)?, all.validation.probe(validation)?)?)
    }

    /// An empty store of parameters. The zoo is small: it trains on the CPU.
    pub fn store(&self) -> nn::VarStore {
        nn::VarStore::new(Device::Cpu)
    }

    /// A trainer with the diagnosis attached.
    pub fn trainer<'a>(
        &self,
        network: &'a Network,
        store: &'a nn::VarStore,
        optimizer: &'a mut nn::Optimizer,
    ) -> Trainer<'a> {
        let trainer = Trainer::of_network(network, store, optimizer)
            .callbacks(self.diagnosis(Some(network.spec())))
            .seed(self.seed);
        match &self.writer {
            Some(writer) => trainer.sink(writer.clone()),
            None => trainer,
        }
    }

    /// A session with the diagnosis attached, for an own loop.
    pub fn session<'a>(&self, store: &'a nn::VarStore) -> Session<'a> {
        match &self.writer {
            Some(writer) => Session::new(store, self.diagnosis(None), writer.clone()),
            None => Session::new(store, self.diagnosis(None), MemorySink::default()),
        }
    }

    fn diagnosis(&self, spec: Option<&ModelSpec>) -> impl Callback + use<> {
        let mut observer = Observer::new();
        if let Some(spec) = spec {
            observer = observer.spec(spec);
        }
        Watch { observer, examiner: Examiner::new(RuleSet::standard()), raised: self.raised.clone() }
    }

    pub fn outcome(&self, seconds: f64) -> Outcome {
        let (steps, raised) = self.raised.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let lines: Vec<String> = raised
            .iter()
            .map(|(step, f)| {
                format!(
                    "{step} [{:?}] {} {} {}..{} by {:?}: {}",
                    f.severity, f.rule, f.subject, f.since, f.last, f.explained_by, f.message
                )
            })
            .collect();
        Outcome { steps, seconds, raised, verdict: lines.join("\n") }
    }
}

struct Watch {
    observer: Observer,
    examiner: Examiner,
    raised: Arc<Mutex<(i64, Vec<(i64, Finding)>)>>,
}

impl Watch {
    fn look(&mut self, cx: &Context<'_>, observation: Option<Observation>) -> Flow {
        let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        raised.0 = cx.step().get();
        if let Some(o) = observation {
            if std::env::var("DUMP").is_ok() {
                println!("{o:?}");
            }
            let changes = self.examiner.examine(&o);
            raised.1.extend(changes.raised.into_iter().map(|f| (o.step.get(), f)));
        }
        CONTINUE
    }
}

impl Callback for Watch {
    fn needs(&self, p: &Position) -> Needs {
        self.observer.needs(p)
    }
    fn on_before_backward(&mut self, cx: &Context<'_>, _: &mut dyn SummarySink) -> Flow {
        let o = self.observer.before_backward(cx)?;
        self.look(cx, o)
    }
    fn on_after_backward(&mut self, cx: &Context<'_>, _: &mut dyn SummarySink) -> Flow {
        let o = self.observer.after_backward(cx)?;
        self.look(cx, o)
    }
    fn on_batch_end(&mut self, cx: &Context<'_>, _: &mut dyn SummarySink) -> Flow {
        let o = self.observer.batch_end(cx)?;
        self.look(cx, o)
    }
    fn on_validation_end(&mut self, cx: &Context<'_>, m: &Metrics, _: &mut dyn SummarySink) -> Flow {
        let o = self.observer.validation_end(cx, m)?;
        self.look(cx, o)
    }
    fn on_epoch_end(&mut self, cx: &Context<'_>, m: &Metrics, _: &mut dyn SummarySink) -> Flow {
        let o = self.observer.epoch_end(cx, m)?;
        self.look(cx, o)
    }
}

/// The images of `data` with other labels.
pub fn relabelled(data: &Dataset, labels: &[i64]) -> Result<Dataset> {
    Ok(Dataset::new(data.images(), &tch::Tensor::from_slice(labels), data.classes().to_vec())?)
}
