//! The file: two slots beside the private key, written by a thread of its own. Flash may take a second for it, and the
//! data loop has none.

use crate::config::values::FilePath;
use crate::daemon::{Failure, because};
use burstmesh_core::error::Refusal;
use burstmesh_core::ledger::slots::{self, BODY, HEAD, SLOT};
use burstmesh_core::time::Duration;
use burstmesh_core::wire::bytes::Writer;
use burstmesh_linux::fd::Fd;
use burstmesh_linux::poll::{Events, Interest, Poll};
use burstmesh_linux::worker::{Owner, Worker};
use burstmesh_linux::{error, file, warn};
use core::fmt::Write;
use static_cell::ConstStaticCell;

static SHEET: ConstStaticCell<[u8; SLOT]> = ConstStaticCell::new([0; SLOT]);
static SCRIBE: Worker<Sheet, Sheet> = Worker::new();

/// A disk that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(3);

/// A slot on its way to the disk, and back.
struct Sheet {
    bytes: &'static mut [u8; SLOT],
    path: FilePath,
    sequence: u32,
    length: usize,
    result: error::Result<()>,
}

/// The scribe's work.
fn write(mut sheet: Sheet) -> Sheet {
    let bytes = sheet.bytes.get(..sheet.length).unwrap_or_default();
    sheet.result = file::write_at(&sheet.path, slots::offset(sheet.sequence), bytes, 0o600);
    sheet
}

/// The file, and who writes it.
pub struct Store {
    scribe: Owner<Sheet, Sheet>,
    /// `None` while the scribe has it.
    sheet: Option<Sheet>,
    /// The number of the last slot that is whole: a failed one is written again, never the good one.
    good: u32,
    complained: bool,
}

impl Store {
    /// Beside the private key; hands `read` the body that was written last.
    pub fn open(key_file: &str, read: impl FnOnce(&[u8])) -> Result<Self, Failure> {
        let mut path = FilePath::new();
        let _ = write!(path, "{key_file}.ledger");
        let bytes = SHEET.take();
        let mut newest = None;
        for slot in 0..2 {
            let found = file::read_at(&path, slots::offset(slot), bytes);
            let sequence = found.ok().and_then(|s| slots::open(s).ok()).map(|s| s.0);
            newest = match (newest, sequence) {
                (Some(a), Some(b)) if !slots::newer(b, a) => newest,
                (_, Some(b)) => Some(b),
                _ => newest,
            };
        }
        if let Some(sequence) = newest
            && let Ok(slot) = file::read_at(&path, slots::offset(sequence), bytes)
            && let Ok((_, body)) = slots::open(slot)
        {
            read(body);
        }
        let scribe = SCRIBE.start(write, 10);
        Ok(Self {
            scribe: scribe.map_err(|e| because("worker", e))?,
            sheet: Some(Sheet {
                bytes,
                path,
                sequence: 0,
                length: 0,
                result: Ok(()),
            }),
            good: newest.unwrap_or(0),
            complained: false,
        })
    }

    /// To wait on: readable when a slot is written.
    pub fn fd(&self) -> &Fd {
        self.scribe.fd()
    }

    /// Has the next slot written, with the body that `emit` makes, unless one is under way ([`Self::is_free`]).
    pub fn write(&mut self, emit: impl FnOnce(&mut Writer<'_>) -> Result<(), Refusal>) {
        let Some(mut sheet) = self.sheet.take() else {
            return;
        };
        let room = sheet.bytes.get_mut(HEAD..HEAD + BODY).unwrap_or_default();
        let mut out = Writer::new(room);
        let fits = emit(&mut out).is_ok();
        let body = out.len();
        debug_assert!(fits);
        sheet.sequence = self.good.wrapping_add(1);
        sheet.length = slots::seal(sheet.bytes, sheet.sequence, body);
        if let Err(sheet) = self.scribe.submit(sheet) {
            self.sheet = Some(sheet);
        }
    }

    /// The scribe may be done; says whether the slot is on the disk now.
    pub fn handle_written(&mut self) -> Option<bool> {
        let sheet = self.scribe.poll()?;
        let written = sheet.result.is_ok();
        if written {
            self.good = sheet.sequence;
        }
        if let Err(why) = &sheet.result
            && !self.complained
        {
            warn!(
                "{}: {}; what is counted will be lost at a restart",
                sheet.path, why
            );
        }
        self.complained = !written;
        self.sheet = Some(sheet);
        Some(written)
    }

    /// Nothing is under way.
    pub fn is_free(&self) -> bool {
        self.sheet.is_some()
    }

    /// Waits until nothing is under way.
    pub fn wait(&mut self) {
        let mut events = Events::<1>::new();
        let poll = Poll::new().and_then(|poll| {
            poll.add(self.scribe.fd(), 0, Interest::Read)?;
            Ok(poll)
        });
        if self.sheet.is_none()
            && let Ok(mut poll) = poll
            && poll.wait(&mut events, Some(PATIENCE)).is_ok()
        {
            self.handle_written();
        }
    }
}
