//! What a training of the zoo is given: data, a seed, and the diagnosis that is attached to it.

use std::sync::{Arc, Mutex, PoisonError};

use convscope::{
    CallbackList, Context, MemorySink, Network, Session, SummaryWriter, Trainer,
    arch::ModelSpec,
    callback::{CONTINUE, on_batch_end, on_epoch_end},
    data::{self, Dataset, Split},
    diagnostics::Diagnosis,
};
use tch::{Device, nn};

use super::Said;

/// Anything that goes wrong in a training that should not.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// One training of the zoo while it runs.
pub struct Run {
    /// Seed of the parameters, of dropout and of the order of the images.
    pub seed: u64,
    writer: Option<SummaryWriter>,
    said: Arc<Mutex<Said>>,
}

impl Run {
    /// A run that writes to `writer`, or nothing.
    pub fn new(seed: u64, writer: Option<SummaryWriter>) -> Run {
        tch::manual_seed(seed as i64);
        Run { seed, writer, said: Arc::default() }
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

    /// The diagnosis with its standard rules, and behind it a note of what it says.
    fn diagnosis(&self, spec: Option<&ModelSpec>) -> CallbackList<'static> {
        let diagnosis = spec.into_iter().fold(Diagnosis::new(), Diagnosis::spec);
        let verdict = diagnosis.verdict();
        let note = |said: Arc<Mutex<Said>>| {
            move |cx: &Context<'_>| {
                said.lock().unwrap_or_else(PoisonError::into_inner).note(cx.step().get(), verdict.get());
                CONTINUE
            }
        };
        let (of_batch, of_epoch) = (note.clone()(self.said.clone()), note(self.said.clone()));
        CallbackList::new()
            .with(diagnosis)
            .with(on_batch_end(move |cx, _| of_batch(cx)))
            .with(on_epoch_end(move |cx, _, _| of_epoch(cx)))
    }

    /// What was said, after the training.
    pub fn said(&self) -> Said {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The images of `data` with other labels.
pub fn relabelled(data: &Dataset, labels: &[i64]) -> Result<Dataset> {
    Ok(Dataset::new(data.images(), &tch::Tensor::from_slice(labels), data.classes().to_vec())?)
}
