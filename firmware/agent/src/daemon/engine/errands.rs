//! What is too slow for the data loop, and done by the worker's thread.

use super::Engine;
use crate::daemon::admission::{Page, Written};
use burstmesh_core::node::job::{Anyone, Done, Task};
use burstmesh_core::time::Instant;
use burstmesh_linux::entropy;
use burstmesh_linux::error::Result;
use burstmesh_linux::worker::{Owner, Worker};

static WORKER: Worker<Errand, Ended> = Worker::new();

/// Asymmetric cryptography, and a small file now and then.
#[allow(clippy::large_enum_variant)] // no allocator to box with
pub enum Errand {
    Task(Task),
    Write(Page),
}

/// What came of it.
#[allow(clippy::large_enum_variant)]
pub enum Ended {
    Task(Done),
    Write(Written),
}

fn work(errand: Errand) -> Ended {
    match errand {
        Errand::Task(task) => Ended::Task(task.run(&mut Anyone)),
        Errand::Write(page) => Ended::Write(page.write()),
    }
}

/// Starts the thread.
pub fn start() -> Result<Owner<Errand, Ended>> {
    WORKER.start(work, 5)
}

impl Engine {
    pub(super) fn handle_ended(&mut self, now: Instant, ended: Ended) {
        match ended {
            Ended::Task(done) => self.gateway.handle_done(now, done),
            Ended::Write(written) => return written.tell(),
        }
        if let Some(page) = self.papers.keep(self.config, self.gateway) {
            self.set_to_work(now, Errand::Write(page));
        }
    }

    fn set_to_work(&mut self, now: Instant, errand: Errand) {
        if let Err(errand) = self.worker.submit(errand) {
            // The worker is behind: do this one here rather than lose it.
            self.handle_ended(now, work(errand));
        }
    }

    pub(super) fn give_work(&mut self, now: Instant) {
        let fresh = |bytes: &mut [u8; 32]| {
            // Without entropy there must be no handshake; the kernel always has some once it is up.
            while entropy::fill(bytes).is_err() {}
        };
        while let Some(task) = self.gateway.poll_task(now, fresh) {
            self.set_to_work(now, Errand::Task(task));
        }
    }
}
