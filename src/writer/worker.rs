//! The background thread: takes what waits, and writes it, one batch per run.

use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Instant,
};

use super::{
    queue::{Queue, this_is_a_writer_thread},
    run_file::{RunFile, Written},
    runs::RunId,
    stats::StatsLog,
};
use crate::event::{Disk, EventFileOptions, EventFileWriter, Sample};

/// The files of a writer, and how to make more of them.
pub(super) struct Worker {
    queue: Arc<Queue>,
    disk: Arc<dyn Disk>,
    options: EventFileOptions,
    files: Vec<RunFile>,
}

impl Worker {
    /// With the file of the run itself.
    pub(super) fn new(
        queue: Arc<Queue>,
        disk: Arc<dyn Disk>,
        options: EventFileOptions,
        own: EventFileWriter,
    ) -> Worker {
        let own = RunFile::new(queue.path().to_owned(), options.clone(), Some(own));
        Worker { queue, disk, options, files: vec![own] }
    }

    /// Starts the thread.
    pub(super) fn spawn(self) -> io::Result<JoinHandle<()>> {
        thread::Builder::new().name("convscope-writer".to_owned()).spawn(move || self.run())
    }

    fn run(mut self) {
        // However this thread ends, nobody waits for it any longer.
        let _last = Last(self.queue.clone());
        this_is_a_writer_thread();
        let mut stats_log = self.queue.log_stats().map(StatsLog::new);
        let mut spare = Vec::new();
        loop {
            let mut round = self.queue.next_round(self.files.len(), spare, stats_log.as_ref());
            let begin = Instant::now();
            for name in &round.new_runs {
                let dir = self.queue.path().join(&**name);
                self.files.push(RunFile::new(dir, self.options.clone(), None));
            }
            self.sort(&mut round.batch);
            if let Some(step) = stats_log.as_mut().and_then(|log| log.due(round.last_step, round.closing)) {
                self.queue.own_samples(step).into_iter().for_each(|sample| self.files[0].push(sample));
            }
            let write = |file: &mut RunFile| file.write(&*self.disk, round.urgent);
            let mut written: Vec<(RunId, Written)> = self.files.iter_mut().map(write).enumerate().collect();
            if round.closing {
                for (file, (_, written)) in self.files.iter_mut().zip(&mut written) {
                    written.unsynced = file.sync().err();
                }
            }
            self.queue.finish_round(&round, written, begin.elapsed());
            if round.closing {
                return;
            }
            spare = round.batch;
        }
    }

    /// Each value to its run.
    fn sort(&mut self, batch: &mut Vec<(RunId, Sample)>) {
        for (run, sample) in batch.drain(..) {
            self.files[run].push(sample);
        }
    }
}

/// Tells the queue that the thread is at its end, also when it panics.
struct Last(Arc<Queue>);

impl Drop for Last {
    fn drop(&mut self) {
        self.0.finish();
    }
}
