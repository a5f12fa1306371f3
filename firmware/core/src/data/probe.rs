//! Is a path there, and how large a datagram does it take? Challenges and answers, sent only as often as needed.

use crate::time::{Duration, Instant};

/// UDP payloads tried for the path MTU (RFC 8899), largest first: Ethernet over IPv4, over IPv6 or PPPoE, a mesh hop
/// with relay header, tunnels on the way, the IPv6 minimum.
const SIZES: [u16; 8] = [1472, 1452, 1435, 1412, 1380, 1340, 1280, 1232];
/// Every network carries this (IPv6 minimum MTU 1280 less IPv6 and UDP headers).
pub const SMALLEST: u16 = 1232;
const OUTSTANDING: usize = 12;
/// Paths that were idle only a moment ago are looked at this often, so that a dead one is known before a burst needs it.
const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// After so many looks in a row at an idle path the pause doubles ...
const LOOKS: u8 = 8;
/// ... so many times, to 16 s: under the half minute after which the hastiest NATs forget a UDP mapping (RFC 4787, REQ-5,
/// asks for two minutes). An idle path then costs some 50 MB a month; looked at every second it would cost 800.
const DOUBLINGS: u8 = 4;
const RETRY: Duration = Duration::from_millis(100);
/// While another path is in doubt a path counts as idle when it was last heard of so long ago.
const HEARD: Duration = Duration::from_millis(150);
const RETRY_DEAD: Duration = Duration::from_millis(1_000);
/// Where volume costs money an idle path is looked at this often, dead or alive: as long as RFC 4787 (REQ-5) asks NATs to
/// keep a mapping.
const RARELY: Duration = Duration::from_secs(120);
/// How long the first round of MTU probes may take before the path is used with what is known.
const MTU_ROUND: Duration = Duration::from_millis(400);
/// Larger sizes are tried again this often: a route may have become wider (RFC 8899, 5.1.1, PMTU_RAISE_TIMER) ...
const RAISE: Duration = Duration::from_secs(600);
/// ... and soon after the sizing, each time twice as late: both probes of a size may have been lost in the bursts with which paths
/// open. The far end, which found the right size, has clients told of it, and no full packet would fit this path for ten minutes.
const FIRST_RAISE: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug)]
struct Sent {
    token: u64,
    at: Instant,
    size: u16,
}

/// Where a path stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No answer yet.
    Opening,
    /// It answers; the MTU is being found.
    Sizing,
    /// In use.
    Live,
    /// It stopped answering.
    Dead,
}

/// Challenges of one path.
#[derive(Clone, Debug)]
pub struct Prober {
    state: State,
    sent: [Option<Sent>; OUTSTANDING],
    next_at: Instant,
    /// Which MTU probe comes next; two rounds of [`SIZES`].
    step: u8,
    raise_at: Instant,
    raise_every: Duration,
    sizing_until: Instant,
    mtu: u16,
    srtt: Duration,
    /// Looks in a row at an idle path.
    looks: u8,
    /// Looks cost money.
    rarely: bool,
    /// When something was last confirmed.
    heard: Instant,
    /// When the oldest thing left that nothing has confirmed since; `None` while all is confirmed.
    unconfirmed: Option<Instant>,
}

impl Prober {
    /// A path that nobody has answered on.
    pub fn new(now: Instant) -> Self {
        Self {
            state: State::Opening,
            sent: [None; OUTSTANDING],
            next_at: now,
            step: 0,
            raise_at: Instant::FAR,
            raise_every: FIRST_RAISE,
            sizing_until: Instant::FAR,
            mtu: SMALLEST,
            srtt: Duration::from_millis(100),
            looks: 0,
            rarely: false,
            heard: now,
            unconfirmed: None,
        }
    }

    /// Where the path stands.
    pub fn state(&self) -> State {
        self.state
    }
    /// Largest UDP payload known to arrive.
    pub fn mtu(&self) -> u16 {
        self.mtu
    }
    /// Smoothed round-trip time of challenges and feedback.
    pub fn srtt(&self) -> Duration {
        self.srtt
    }
    /// When [`Self::poll`] or [`Self::check`] wants to be called next.
    pub fn poll_timeout(&self) -> Instant {
        let death = self
            .unconfirmed
            .filter(|_| self.is_up())
            .map_or(Instant::FAR, |t| t + self.patience());
        self.next_at.min(death)
    }
    /// It has not opened within this time, or has been dead for that one.
    pub fn given_up(&self, now: Instant, opening: Duration, dead: Duration) -> bool {
        let most = match self.state {
            State::Opening => opening,
            State::Dead => dead,
            _ => return false,
        };
        now.since(self.heard) > most
    }
    /// The path answers.
    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Sizing | State::Live)
    }

    /// If a challenge is due: the size of datagram it should have (0 = unpadded).
    pub fn poll(&mut self, now: Instant) -> Option<u16> {
        if now < self.next_at {
            return None;
        }
        if now >= self.raise_at && !self.rarely {
            self.raise_every = self.raise_every.times(2).min(RAISE);
            (self.step, self.raise_at) = (0, now + self.raise_every);
        }
        if self.state == State::Sizing
            || (self.state == State::Live && usize::from(self.step) < 2 * SIZES.len())
        {
            return self.next_size(now);
        }
        let wait = match self.state {
            State::Opening if self.srtt > Duration::from_millis(150) => RETRY_DEAD,
            State::Opening => RETRY.times(2),
            State::Dead if self.rarely => RARELY.shr(3),
            State::Dead => RETRY_DEAD,
            _ if self.unconfirmed.is_some() => RETRY,
            // One lost look says nothing of a path: others follow before patience ends, unless an answer comes.
            _ => {
                self.looks = self.looks.saturating_add(1);
                self.srtt + RETRY
            }
        };
        if self.state == State::Opening {
            // Quick at first, then once a second.
            self.srtt = (self.srtt + Duration::from_millis(10)).min(Duration::from_millis(200));
        }
        self.next_at = now + wait;
        Some(0)
    }

    fn next_size(&mut self, now: Instant) -> Option<u16> {
        while usize::from(self.step) < 2 * SIZES.len() {
            let size = SIZES.get(usize::from(self.step) % SIZES.len()).copied()?;
            self.step += 1;
            if size > self.mtu {
                // The second round comes later, for sizes that were lost by chance.
                let pause = if usize::from(self.step) == SIZES.len() {
                    150
                } else {
                    2
                };
                self.next_at = now + Duration::from_millis(pause);
                return Some(size);
            }
        }
        self.next_at = now + self.keep_alive();
        None
    }

    /// How long an idle path is left alone.
    fn keep_alive(&self) -> Duration {
        if self.rarely {
            return RARELY;
        }
        KEEP_ALIVE.times(1 << (self.looks / LOOKS).min(DOUBLINGS))
    }

    /// Large datagrams do not arrive any more: the sizes are tried from the smallest, and nothing else is sent meanwhile.
    pub fn size_anew(&mut self, now: Instant) {
        self.mtu = SMALLEST;
        self.start_sizing(now);
    }

    fn start_sizing(&mut self, now: Instant) {
        (self.state, self.step) = (State::Sizing, 0);
        self.sizing_until = now + MTU_ROUND.min(self.srtt.times(2) + Duration::from_millis(60));
        self.raise_every = FIRST_RAISE;
        self.raise_at = now + FIRST_RAISE;
        self.next_at = now;
    }

    /// The path carried something for clients, either way.
    pub fn carried(&mut self, now: Instant) {
        if self.looks >= LOOKS {
            self.next_at = self.next_at.min(now + KEEP_ALIVE);
        }
        self.looks = 0;
    }

    /// A challenge is out, and its answer is late.
    pub fn doubtful(&self, now: Instant) -> bool {
        self.is_up() && self.silent_for(now, self.srtt + RETRY.shr(1))
    }

    /// Something left longer ago than this, and nothing has been confirmed since.
    pub fn silent_for(&self, now: Instant, time: Duration) -> bool {
        self.unconfirmed.is_some_and(|t| now.since(t) > time)
    }

    /// Another path of the same exit is in doubt: if this one was not heard of just now, look whether it answers.
    pub fn look_if_idle(&mut self, now: Instant) {
        if self.is_up() && self.unconfirmed.is_none() && now.since(self.heard) > HEARD {
            self.looks = 0;
            self.next_at = now;
        }
    }

    /// A challenge with this token has left.
    pub fn sent(&mut self, now: Instant, token: u64, size: u16) {
        let at = self.sent.iter().position(Option::is_none).or_else(|| {
            let oldest = self
                .sent
                .iter()
                .enumerate()
                .min_by_key(|(_, s)| s.map_or(Instant::ZERO, |s| s.at));
            oldest.map(|(i, _)| i)
        });
        if let Some(slot) = at.and_then(|i| self.sent.get_mut(i)) {
            *slot = Some(Sent {
                token,
                at: now,
                size,
            });
        }
        if size == 0 {
            self.unconfirmed.get_or_insert(now);
        }
    }

    /// An answer. Returns the round-trip time if the token is one of ours.
    pub fn answered(&mut self, now: Instant, token: u64, arrived_size: u16) -> Option<Duration> {
        let slot = self
            .sent
            .iter_mut()
            .find(|s| s.is_some_and(|s| s.token == token))?;
        let sent = slot.take()?;
        if sent.size != 0 {
            self.mtu = self.mtu.max(arrived_size.min(sent.size));
        }
        let rtt = now.since(sent.at);
        self.confirmed(now, Some(rtt));
        Some(rtt)
    }

    /// Something sent on this path is known to have arrived.
    pub fn confirmed(&mut self, now: Instant, rtt: Option<Duration>) {
        (self.unconfirmed, self.heard) = (None, now);
        match (self.state, rtt) {
            (State::Opening, Some(rtt)) => {
                self.srtt = rtt;
                self.start_sizing(now);
            }
            (State::Dead, _) => {
                // What came back may have come by another way.
                (self.state, self.step, self.looks) = (State::Live, 0, 0);
                self.next_at = now + KEEP_ALIVE;
            }
            (_, Some(rtt)) => {
                self.srtt = Duration::from_micros((self.srtt.as_micros() * 7 + rtt.as_micros()) / 8)
            }
            _ => {}
        }
        if self.state == State::Live {
            self.next_at = self.next_at.max(now + self.rest());
        }
    }

    /// How long a path that has just answered is left alone.
    #[inline(never)]
    fn rest(&self) -> Duration {
        let sizes = usize::from(self.step) < 2 * SIZES.len();
        if self.looks == 0 || sizes {
            return KEEP_ALIVE.shr(1);
        }
        self.keep_alive()
    }

    /// Data left on the path: if nothing confirms it, challenges follow quickly.
    pub fn data_sent(&mut self, now: Instant) {
        if self.unconfirmed.is_none() {
            self.unconfirmed = Some(now);
            self.next_at = self.next_at.min(now + self.srtt + RETRY);
        }
    }

    /// How long silence is borne.
    fn patience(&self) -> Duration {
        (self.srtt.times(3) + Duration::from_millis(150))
            .max(Duration::from_millis(350))
            .min(Duration::from_millis(900))
    }

    /// The passing of time. `true` if the path has just died.
    pub fn check(&mut self, now: Instant) -> bool {
        if self.state == State::Sizing && now >= self.sizing_until {
            self.state = State::Live;
        }
        let silent = self
            .unconfirmed
            .is_some_and(|since| now.since(since) >= self.patience());
        if self.is_up() && silent {
            self.die(now);
            return true;
        }
        false
    }

    /// The other end looks at a path: perhaps what was lost of it is back.
    pub fn asked(&mut self, now: Instant) {
        if self.state == State::Dead && self.rarely {
            self.next_at = now;
        }
    }

    /// Whether looks cost money: then an idle path is left alone for long.
    pub fn look_rarely(&mut self, rarely: bool) {
        self.rarely = rarely;
    }

    /// The path is known not to work (an ICMP error, the interface went down).
    pub fn die(&mut self, now: Instant) {
        self.state = State::Dead;
        self.unconfirmed = None;
        self.next_at = now + RETRY;
    }

    /// The shell knows a reason to look at once (an ICMP error, a route change).
    pub fn look_now(&mut self, now: Instant) {
        // What cannot leave is asked for again and again otherwise, without an end: each challenge is refused at once, too.
        let mut sent = self.sent.iter().flatten();
        if !sent.any(|s| now.since(s.at) < RETRY) {
            self.next_at = self.next_at.min(now);
        }
        self.unconfirmed.get_or_insert(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_takes_nothing_is_not_asked_twice_in_one_instant() {
        let mut p = Prober::new(Instant::ZERO);
        let now = Instant::from_millis(20_000);
        let size = p.poll(now).unwrap();
        p.sent(now, 1, size);
        p.look_now(now);
        assert_eq!(p.poll(now), None);
        assert!(p.poll(now + RETRY.times(2)).is_some());
    }

    #[test]
    fn a_path_is_live_with_the_largest_size_that_arrived() {
        let mut p = Prober::new(Instant::ZERO);
        let (mut now, mut token) = (Instant::ZERO, 0);
        while p.state() != State::Live {
            if let Some(size) = p.poll(now) {
                token += 1;
                p.sent(now, token, size);
                if size <= 1452 {
                    p.answered(
                        now + Duration::from_millis(20),
                        token,
                        if size == 0 { 51 } else { size },
                    );
                }
            }
            p.check(now);
            now += Duration::from_millis(1);
        }
        assert_eq!(p.mtu(), 1452);
        assert!(now < Instant::from_millis(300), "{now:?}");
    }

    #[test]
    fn a_size_that_was_lost_by_chance_is_found_soon_after() {
        let mut p = Prober::new(Instant::ZERO);
        let (mut lost, mut token) = (0, 0);
        let mut tried = Vec::new();
        for ms in 0..1_300_000 {
            let now = Instant::from_millis(ms);
            p.check(now);
            let Some(size) = p.poll(now) else { continue };
            token += 1;
            p.sent(now, token, size);
            let arrives = size <= 1452 && (size < 1452 || lost == 2);
            lost += u8::from(size == 1452 && !arrives);
            if size == 1472 {
                tried.push(ms / 1_000);
            }
            if arrives {
                p.answered(now, token, if size == 0 { 51 } else { size });
            }
            if ms == 4_900 {
                assert_eq!(p.mtu(), 1435);
            }
            if ms == 7_000 {
                assert_eq!(p.mtu(), 1452);
            }
        }
        assert_eq!(p.mtu(), 1452);
        // Two probes a round: at first, after 5 s, and ever more rarely, down to every ten minutes.
        assert!((16..=22).contains(&tried.len()), "{tried:?}");
    }

    #[test]
    fn looks_at_an_idle_path_grow_rare_and_traffic_brings_them_back() {
        let mut p = Prober::new(Instant::ZERO);
        p.sent(Instant::ZERO, 1, 0);
        p.answered(Instant::from_millis(20), 1, 51);
        let looks = |p: &mut Prober, from: u64, to: u64| {
            let at = |ms: &u64| {
                let now = Instant::from_millis(*ms);
                p.check(now);
                let challenge = p.poll(now);
                if let Some(size) = challenge {
                    p.sent(now, *ms, size);
                    p.answered(now, *ms, size.max(51));
                }
                challenge == Some(0)
            };
            (from..to).filter(at).count()
        };
        looks(&mut p, 20, 1_000);
        assert!((7..=9).contains(&looks(&mut p, 1_000, 9_000)));
        looks(&mut p, 9_000, 200_000);
        assert!((9..=11).contains(&looks(&mut p, 200_000, 360_000)));
        p.carried(Instant::from_millis(360_000));
        assert!((7..=9).contains(&looks(&mut p, 360_000, 368_000)));
    }

    #[test]
    fn silence_kills_within_a_second_also_when_idle_and_an_answer_revives() {
        let mut p = Prober::new(Instant::ZERO);
        p.sent(Instant::ZERO, 1, 0);
        p.answered(Instant::from_millis(20), 1, 51);
        let (mut now, mut died) = (Instant::from_millis(20), None);
        for _ in 0..2000 {
            if let Some(size) = p.poll(now) {
                p.sent(now, 99, size);
            }
            if p.check(now) {
                died.get_or_insert(now);
            }
            now += Duration::from_millis(1);
        }
        assert!(died.unwrap() < Instant::from_millis(1600), "{died:?}");
        p.confirmed(now, None);
        assert_eq!(p.state(), State::Live);
    }

    #[test]
    fn a_look_that_is_lost_kills_no_idle_path() {
        let mut p = Prober::new(Instant::ZERO);
        p.sent(Instant::ZERO, 1, 0);
        p.answered(Instant::from_millis(20), 1, 51);
        let (mut sent, mut left) = (0, Instant::FAR);
        for ms in 20..200_000 {
            let now = Instant::from_millis(ms);
            assert!(!p.check(now), "dead at {now:?}");
            if let Some(size) = p.poll(now) {
                sent += 1;
                p.sent(now, now.as_micros(), size);
                // Two of three are lost.
                left = if sent % 3 == 0 { now } else { left };
            }
            if now.since(left) == Duration::from_millis(40) {
                p.answered(now, left.as_micros(), 1472);
            }
        }
        assert!(p.is_up() && (60..150).contains(&sent), "{sent}");
    }
}
