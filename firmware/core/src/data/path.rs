//! One path of a tunnel: its numbers, its replay windows, what it carries, and what is on its way.

use super::black_hole::BlackHole;
use super::pace::Pacer;
use super::pool::List;
use super::probe::{Prober, State};
use super::rate::{self, Rate};
use super::replay::ReplayWindow;
use super::runs::Runs;
use super::tunnel::train::Train;
use crate::time::{Duration, Instant};
use crate::wire::feedback::{Feedback, MAX_SAMPLES, Sample, TICK_US};
use crate::wire::path::{Cost, METERED};
use heapless::Deque;

/// The receiver reports at most this often per path,
const REPORT: Duration = Duration::from_millis(20);
/// but so often when there is news: a loss, or many packets.
const NEWS: Duration = Duration::from_millis(4);
/// So many packets are news: a fast path is steered as closely, per packet, as a slow one.
const MANY: u32 = 32;
/// The other end uses a path that has carried something within this time.
const QUIET: Duration = Duration::from_secs(1);
/// A gap counts as a loss when so many later packets have come: sooner the sender could not act.
const AFTER_GAP: u8 = 3;

/// What the owner of the tunnel says about a new path.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Its number in the session, never used before.
    pub id: u16,
    /// The connection ID under which we receive on it.
    pub local_cid: u32,
    /// The connection ID under which the other end receives; the session's until the path's is known.
    pub remote_cid: u32,
    /// Bytes in front of each datagram that belong to a relay header.
    pub headroom: u8,
    /// Bytes of IP and UDP header outside the datagram on the access line: 28 or 48.
    pub outer: u8,
    /// Over somebody else's uplink: yields early.
    pub lent: bool,
    /// A rate remembered from before, bytes per second.
    pub known_rate: Option<u32>,
}

/// Totals of one path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams sent, with path messages.
    pub tx_packets: u32,
    /// Bytes sent with outer IP and UDP headers, low and high word.
    pub tx_bytes: u64,
    /// Datagrams received and authenticated.
    pub rx_packets: u32,
    /// Bytes received with outer headers.
    pub rx_bytes: u64,
    /// Packets of ours that were lost on it.
    pub lost: u32,
    /// Packets of ours that are known to have arrived.
    pub acked: u32,
    /// Packets sent again on it.
    pub repairs: u32,
    /// How often it died.
    pub deaths: u32,
}

/// The receiving side of a path.
#[derive(Clone, Debug, Default)]
pub struct Receiving {
    pub(super) window: ReplayWindow,
    pub(super) messages: ReplayWindow,
    bytes: u32,
    arrival: Instant,
    samples: Deque<(u64, Instant), MAX_SAMPLES>,
    /// Packets since the last report.
    unreported: u32,
    /// Packets until the newest gap is a loss; 0 = no new gap.
    to_loss: u8,
    pub(super) report_at: Option<Instant>,
    reported: Instant,
}

impl Receiving {
    /// A data frame was authentic; `bytes` with outer headers.
    pub(super) fn arrived(&mut self, now: Instant, counter: u64, bytes: usize) {
        self.bytes = self.bytes.wrapping_add(bytes as u32);
        if counter + 1 == self.window.next() {
            self.arrival = now;
        }
        if self
            .samples
            .back()
            .is_none_or(|(_, at)| now.since(*at) > Duration::from_millis(4))
        {
            if self.samples.is_full() {
                self.samples.pop_front();
            }
            let _ = self.samples.push_back((counter, now));
        }
    }

    /// There is something to report: in a while, or soon when it is news. `gap`: some before it are missing.
    pub(super) fn note_news(&mut self, now: Instant, gap: bool) {
        self.report_soon(now);
        self.unreported += 1;
        if gap {
            self.to_loss = AFTER_GAP;
        }
        let lost = self.to_loss == 1;
        self.to_loss = self.to_loss.saturating_sub(1);
        if lost || self.unreported >= MANY {
            let soon = now.max(self.reported + NEWS);
            self.report_at = Some(self.report_at.map_or(soon, |at| at.min(soon)));
        }
    }

    /// A report has something to say although nothing came.
    pub(super) fn report_soon(&mut self, now: Instant) {
        self.report_at
            .get_or_insert(now.max(self.reported + REPORT));
    }

    /// The report that is due, if any.
    pub(super) fn report(&mut self, now: Instant, path: u16, hold: Duration) -> Feedback {
        let largest = self.window.next().saturating_sub(1);
        let mut f = Feedback {
            path,
            largest: largest as u32,
            arrival: self.arrival.as_micros32(),
            delay: ticks(now.since(self.arrival)),
            bytes: self.bytes,
            congested: 0,
            hold: hold.as_millis() as u16,
            ranges: self.window.ranges(1024),
            ..Feedback::default()
        };
        for (counter, at) in &self.samples {
            if *counter < largest {
                let back = (largest - counter).min(u64::from(u16::MAX)) as u16;
                let _ = f.samples.push(Sample {
                    back,
                    earlier: ticks(self.arrival.since(*at)),
                });
            }
        }
        self.samples.clear();
        (self.report_at, self.reported, self.unreported) = (None, now, 0);
        f
    }
}

fn ticks(d: Duration) -> u16 {
    (d.as_micros() / u64::from(TICK_US)).min(u64::from(u16::MAX)) as u16
}

/// A path.
#[derive(Clone, Debug)]
pub struct Path {
    pub(super) setup: Setup,
    pub(super) remote_known: bool,
    pub(super) next_number: u64,
    pub(super) next_message: u32,
    pub(super) in_flight: List,
    pub(super) pacer: Pacer,
    pub(super) rate: Rate,
    pub(super) prober: Prober,
    pub(super) rx: Receiving,
    pub(super) runs: Runs,
    pub(super) answer: Option<Answer>,
    pub(super) counters: Counters,
    pub(super) largest_acked: u64,
    /// Do only small datagrams arrive?
    pub(super) black_hole: BlackHole,
    /// Departure of the oldest packet on its way.
    pub(super) oldest_sent: Option<Instant>,
    /// When feedback last brought news.
    pub(super) progress: Instant,
    /// Its tail had to be rescued: nothing more for it until it answers.
    pub(super) suspect: bool,
    pub(super) train: Train,
    pub(super) opened: Instant,
    /// Later than others, but in use for bursts.
    pub(super) joined: bool,
    /// There was last more to send than the paths' rates allowed.
    pub(super) wanted: Instant,
    /// The lender's own household needs the line: no bursts of ours until then.
    pub(super) yields_until: Instant,
    /// When the path last carried anything for clients, either way.
    pub(super) last_data: Instant,
    /// The most that its lender lets through, sent by us and by the other end, in kbit/s; 0: no limit is known.
    pub(super) limits: [u32; 2],
    /// What its use costs; a metered one is looked at rarely.
    pub(super) cost: Cost,
    /// It is dearer than others that have room.
    pub(super) stands_by: bool,
    /// When the cheaper ones last had no room.
    pub(super) needed: Instant,
    /// So many waiting bytes are left to cheaper paths.
    pub(super) leaves: u32,
    /// What had been sent when it was last looked whether paths have room, bytes; wraps.
    pub(super) looked: u32,
    /// What the other end found that it carries from there, in kbit/s; 0: it has not said.
    pub(super) found: u32,
}

/// An answer that is owed to a challenge.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    pub(super) token: u64,
    pub(super) echo: u32,
    pub(super) size: u16,
}

impl Path {
    /// A path that nothing has been sent on.
    pub fn new(now: Instant, setup: Setup) -> Self {
        let thresholds = if setup.lent { rate::LENT } else { rate::OWN };
        let rate = Rate::new(thresholds, setup.known_rate);
        Self {
            setup,
            remote_known: false,
            next_number: 0,
            next_message: 0,
            in_flight: List::new(),
            pacer: Pacer::new(rate.rate()),
            rate,
            prober: Prober::new(now),
            rx: Receiving::default(),
            runs: Runs::default(),
            answer: None,
            counters: Counters::default(),
            largest_acked: 0,
            black_hole: BlackHole::default(),
            oldest_sent: None,
            progress: now,
            suspect: false,
            train: Train::default(),
            opened: now,
            joined: false,
            wanted: Instant::ZERO,
            yields_until: Instant::ZERO,
            last_data: Instant::ZERO,
            limits: [0; 2],
            cost: Cost::LEAST,
            stands_by: false,
            needed: Instant::ZERO,
            leaves: 0,
            looked: 0,
            found: 0,
        }
    }

    /// Its number in the session.
    pub fn id(&self) -> u16 {
        self.setup.id
    }
    /// What was said when it was opened.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }
    /// Where it stands.
    pub fn state(&self) -> State {
        self.prober.state()
    }
    /// It has not opened within this time, or has been dead for that one.
    pub fn given_up(&self, now: Instant, opening: Duration, dead: Duration) -> bool {
        self.prober.given_up(now, opening, dead)
    }
    /// Totals.
    pub fn counters(&self) -> Counters {
        self.counters
    }
    /// How long ago it was opened.
    pub fn age(&self, now: Instant) -> Duration {
        now.since(self.opened)
    }
    /// Datagrams of the other end that have not arrived, by their numbers: lost, or under way.
    pub fn missing(&self) -> u32 {
        let sent = self.rx.window.next() + self.rx.messages.next();
        (sent as u32).wrapping_sub(self.counters.rx_packets)
    }
    /// Measured rate and delay.
    pub fn rate(&self) -> &Rate {
        &self.rate
    }
    /// What it was measured to carry, by us and from the other end by that, in kbit/s; 0: unknown.
    pub fn measured(&self) -> [u32; 2] {
        // A train shows no more than what an own line carries at least: no lender is to be held to that.
        let known = !self.rate.starting() || (!self.setup.lent && self.rate.is_trained());
        [if known { self.rate.rate() / 125 } else { 0 }, self.found]
    }
    /// The most that its lender lets through, sent by us and by the other end, in kbit/s; 0: no limit is known.
    pub fn limits(&self) -> [u32; 2] {
        self.limits
    }
    /// It carries something for clients.
    pub(super) fn carried(&mut self, now: Instant) {
        self.last_data = now;
        self.prober.carried(now);
    }
    /// It has had more to send than its rate allows for some time, and had so lately.
    pub fn presses(&self, now: Instant) -> bool {
        self.in_demand(now) && self.rate.presses(now)
    }
    /// What its use costs.
    pub fn cost(&self) -> Cost {
        self.cost
    }
    /// It carries nothing, though it could, because of this cost: nothing of ours now, and nothing of the other end's lately.
    pub fn stands_by(&self, now: Instant) -> Option<Cost> {
        let rests = self.usable() && self.stands_by && now.since(self.last_data) >= QUIET;
        rests.then_some(self.cost)
    }
    /// What there is to say to the other end: a gateway's limit, an exit's measure.
    pub(super) fn says(&self, gateway: bool) -> u32 {
        let ([_, most], [measured, _]) = (self.limits, self.measured());
        match gateway {
            true if self.cost.is_metered() => most | METERED,
            true => most,
            false => measured,
        }
    }
    /// What it costs, in a gateway's words.
    pub(super) fn says_cost(&self, gateway: bool) -> u16 {
        if gateway { self.cost.level().into() } else { 0 }
    }
    /// The other end said both.
    pub(super) fn told(&mut self, gateway: bool, kbit: u32, cost: u16) {
        let [_, theirs] = self.limits;
        if gateway {
            self.found = kbit;
        } else {
            // A gateway that knows no other cost says that a line is metered.
            let cost = if kbit & METERED != 0 {
                Cost::METERED
            } else {
                Cost::new(cost.min(u16::from(u8::MAX)) as u8)
            };
            self.agree([kbit & !METERED, theirs], cost);
        }
    }
    /// What holds for it from now on; `true` if that is new.
    pub(super) fn agree(&mut self, limits: [u32; 2], cost: Cost) -> bool {
        if cost != self.cost {
            // Found anew, where there is still something cheaper.
            (self.stands_by, self.leaves) = (false, 0);
            self.prober.look_rarely(cost.is_metered());
        }
        let new = (limits, cost) != (self.limits, self.cost);
        if new {
            (self.limits, self.cost) = (limits, cost);
            self.rate.limit(limits[0].saturating_mul(125));
            self.set_pace();
        }
        new
    }
    /// Packets leave at what was measured, and no faster than the lender lets them through: he would drop the rest.
    pub(super) fn set_pace(&mut self) {
        let ([most, _], rate) = (self.limits, self.rate.rate());
        let limit = if most > 0 {
            most.saturating_mul(125)
        } else {
            rate
        };
        self.pacer.set_rate(rate.min(limit));
    }
    /// Its rate is still being looked for, and no lender's limit holds it below.
    pub(super) fn starting(&self) -> bool {
        self.rate.starting() && self.pacer.rate() >= self.rate.rate()
    }
    /// What so many bytes take there without others, a lender's limit aside.
    pub(super) fn time_for(&self, bytes: usize) -> Duration {
        Pacer::new(self.rate.rate()).time_for(bytes)
    }
    /// Whether it carries runs.
    pub fn runs(&self) -> &Runs {
        &self.runs
    }
    /// Round-trip time.
    pub fn srtt(&self) -> Duration {
        self.prober.srtt()
    }
    /// Largest UDP payload.
    pub fn mtu(&self) -> u16 {
        self.prober.mtu()
    }
    /// Packets sent and not yet known to have arrived.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.packets()
    }
    /// May it carry clients' packets?
    pub fn usable(&self) -> bool {
        self.prober.state() == State::Live && self.remote_known && !self.suspect
    }
    /// Is it to carry clients' packets now?
    pub(super) fn carries(&self) -> bool {
        self.usable() && !self.stands_by
    }
    /// May it carry bursts, as far as its owner is concerned?
    pub(super) fn free_for_bursts(&self, now: Instant) -> bool {
        self.carries() && self.yields_until <= now
    }
    /// When packets on their way count as lost although nothing was said about them (a tail-loss probe, RFC 8985, 7).
    pub(super) fn tail_at(&self) -> Option<Instant> {
        let since = self.oldest_sent?.max(self.progress);
        Some(since + self.srtt().times(2) + Duration::from_millis(60))
    }
    /// A datagram of `len` bytes leaves.
    pub(super) fn account_sent(&mut self, now: Instant, len: usize) {
        let outer = len + usize::from(self.setup.outer);
        self.pacer.sent(now, outer);
        self.counters.tx_packets = self.counters.tx_packets.wrapping_add(1);
        self.counters.tx_bytes += outer as u64;
    }
    /// An authentic datagram of `len` bytes came; returns its length with outer headers.
    pub(super) fn account_received(&mut self, len: usize) -> usize {
        let outer = len + usize::from(self.setup.outer);
        self.counters.rx_packets = self.counters.rx_packets.wrapping_add(1);
        self.counters.rx_bytes += outer as u64;
        outer
    }
    /// A challenge is to be answered. Of sizes that come in one go, as jitter and aggregation have it, the largest is: the far end
    /// would take it for lost, and clients' full packets for too big.
    pub(super) fn owe(&mut self, answer: Answer) {
        if self.answer.is_none_or(|owed| owed.size <= answer.size) {
            self.answer = Some(answer);
        }
    }
    /// Its owner has had more to send than it carries, a moment ago.
    pub fn in_demand(&self, now: Instant) -> bool {
        self.usable() && now.since(self.wanted) < Duration::from_millis(1000)
    }
    /// There is more to send than it takes.
    pub(super) fn wants_more(&mut self, now: Instant) {
        self.wanted = now;
        // What a lender's limit lets through says nothing about what the path carries.
        if self.yields_until <= now && self.pacer.rate() >= self.rate.rate() {
            self.rate.was_busy();
        }
    }
    /// Can an inner packet of this length travel on it?
    pub(super) fn fits(&self, inner_len: usize) -> bool {
        inner_len + super::tunnel::FRAME_OVERHEAD <= usize::from(self.mtu())
    }
    /// When a packet sent now would arrive, on the tunnel's scale of one-way delays, in us.
    pub(super) fn arrival(&self, now: Instant) -> i64 {
        let wait = self.pacer.free_at().since(now).as_micros() as i64;
        wait + i64::from(self.rate.delay(now).unwrap_or(0))
    }
    /// By how much the word on the oldest packet that is on its way is late, in us. A path that falls silent or becomes narrow shows
    /// it by that before its samples do, which come from behind its queue.
    pub(super) fn overdue(&self, now: Instant) -> i64 {
        let usual = self.srtt() + REPORT;
        let late = self.oldest_sent.map(|t| now.since(t).saturating_sub(usual));
        late.map_or(0, |late| late.as_micros() as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_on_what_is_on_its_way_is_overdue_after_a_round_trip_and_a_reports_interval() {
        let setup = Setup {
            id: 0,
            local_cid: 1,
            remote_cid: 2,
            headroom: 0,
            outer: 28,
            lent: false,
            known_rate: None,
        };
        let sent = Instant::from_millis(1_000);
        let mut path = Path::new(sent, setup);
        assert_eq!(path.overdue(sent + Duration::from_secs(1)), 0);
        path.oldest_sent = Some(sent);
        let usual = path.srtt() + Duration::from_millis(20);
        let at = |ms| path.overdue(sent + usual + Duration::from_millis(ms));
        assert_eq!([at(0), at(30)], [0, 30_000]);
    }
}
