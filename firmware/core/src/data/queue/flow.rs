//! What the sender keeps of a flow.

use crate::data::codel::Codel;
use crate::data::headers::Headers;
use crate::data::lane::{Busy, Lane, Why};
use crate::data::pool::List;
use crate::data::shape::{Pace, Shape};
use crate::time::{Duration, Instant};
use crate::wire::record::Order;

/// What a newly busy flow may send as a light one, bytes.
pub(super) const LIGHT_QUANTUM: i32 = 4_500;
/// Of that a byte comes back in so many us (as a shift): 2 Mbit/s, and all of it in 18 ms.
const REGAINED: u32 = 2;
/// A burst that has sent nothing for so long is none any more.
pub(super) const PAUSE: Duration = Duration::from_millis(250);

/// Sender's state of one flow.
#[derive(Clone, Copy, Debug)]
pub struct TxFlow {
    pub(super) hash: u64,
    pub(super) used: bool,
    pub(super) generation: u8,
    pub(super) next_order: Order,
    pub(super) list: List,
    pub(super) codel: Codel,
    pub(super) deficit: i32,
    /// What it may send before it is no light flow, bytes.
    pub(super) credit: i16,
    /// In which of the two rounds it stands.
    pub(super) stage: Stage,
    pub(super) next: u16,
    pub(super) last: Instant,
    pub(super) ect: bool,
    /// Whose rounds it takes part in from its next turn on: a path's (its place + 1), or nobody's (0).
    pub(super) path: u8,
    /// The next best one when that was chosen.
    pub(super) second: u8,
    pub(super) lane: Lane,
    pub(super) why: Why,
    /// It has outlasted a light flow's quantum, and went on.
    pub(super) burst: bool,
    /// Its path was chosen for a burst.
    pub(super) settled: bool,
    /// Its last packet was an acknowledgement alone.
    pub(super) acks: bool,
    /// And said nothing but how far it has come.
    pub(super) plain: bool,
    /// Where it goes, for people.
    pub(super) far: [u8; 16],
    pub(super) port: u16,
    pub(super) protocol: u8,
    /// The last that a TCP client acknowledged: the next byte it takes.
    pub(super) ack: u32,
    /// For people: what it sends.
    pub(super) pace: Pace,
    /// What the far end remembers.
    pub(super) headers: Headers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Idle,
    Light,
    Bulk,
}

impl TxFlow {
    /// A free slot.
    pub const FREE: Self = Self {
        hash: 0,
        used: false,
        generation: 0,
        next_order: Order(0),
        list: List::new(),
        codel: Codel::new(),
        deficit: 0,
        credit: 0,
        stage: Stage::Idle,
        // Set when it joins a round; until then zero, so that a static table takes no room in the router's binary.
        next: 0,
        last: Instant::ZERO,
        ect: false,
        path: 0,
        second: 0,
        lane: Lane::Auto,
        why: Why::Spread,
        burst: false,
        settled: false,
        acks: false,
        plain: false,
        far: [0; 16],
        port: 0,
        protocol: 0,
        ack: 0,
        pace: Pace::NONE,
        headers: Headers::NONE,
    };

    /// Which lane it has.
    pub fn lane(&self) -> Lane {
        self.lane
    }
    /// The path that it keeps to: its place + 1, or 0.
    pub(in crate::data) fn path(&self) -> u8 {
        self.path
    }
    /// Why it is there.
    pub fn why(&self) -> Why {
        self.why
    }
    /// It sends more than a light flow.
    pub(in crate::data) fn is_burst(&self) -> bool {
        self.burst
    }
    /// A part of its name: enough to find what goes the other way, for people.
    pub(in crate::data) fn name(&self) -> u32 {
        self.hash as u32
    }
    /// What it sends.
    pub(in crate::data) fn pace(&self, now: Instant) -> Pace {
        self.pace.at(now)
    }
    /// What people are told of it, as far as it is known here.
    pub(in crate::data) fn told(&self, now: Instant) -> Busy {
        let pace = self.pace(now);
        Busy {
            far: self.far,
            port: self.port,
            protocol: self.protocol,
            packets: pace.lately(),
            rates: [pace.rate(), 0],
            shape: Shape::Light,
            lane: self.lane,
            paths: self.path.checked_sub(1).map_or(0, |place| 1 << place),
            second: usize::from(self.second).checked_sub(1),
            why: match self.why {
                Why::Spread if !self.burst && self.lane == Lane::Auto => Why::Light,
                why => why,
            },
        }
    }
    /// A packet of `len` bytes joins it, this long after its last one.
    pub(super) fn spend(&mut self, since: Duration, len: usize) {
        let regained = since.min(PAUSE).as_micros() as i32 >> REGAINED;
        let credit = (i32::from(self.credit) + regained).min(LIGHT_QUANTUM) - len as i32;
        self.credit = credit.max(-LIGHT_QUANTUM) as i16;
    }
    /// It has sent more than a light flow may. A TCP flow whose window does not fill the paths runs empty all the time, and is none.
    pub(super) fn exceeds(&self) -> bool {
        self.credit < 0
    }
    /// It sends little, also if it never has anything waiting, and not what waits to be thinned.
    pub(super) fn is_light(&self) -> bool {
        !self.burst && !self.acks && self.credit >= 0
    }
    /// It sends more than a light one may; `true` if its path is to be chosen for that.
    pub(super) fn outlasts(&mut self) -> bool {
        self.burst |= !self.acks;
        self.burst && !self.settled && self.lane == Lane::PerSession
    }
    /// It has been a burst, lately enough to be counted.
    pub(in crate::data) fn weighs(&self, now: Instant) -> bool {
        self.used && self.burst && now.since(self.last) < PAUSE
    }
}
