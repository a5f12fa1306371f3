//! Connections whose exit or host is lost: their clients are told, so that they begin anew at once.
//!
//! The kernel's tracker alone knows all of them. It keeps them for a moment longer, so that clients can be asked, some times, for
//! the number without which they believe no end (`reset`); all that they send meanwhile is answered with the end.

use super::routing::MASK;
use burstmesh_core::data::reset::{self, Near};
use burstmesh_core::node::Output;
use burstmesh_core::node::gateway::MAX_PEERS;
use burstmesh_core::time::{Duration, Instant};
use burstmesh_linux::netlink::conntrack;
use burstmesh_linux::warn;
use heapless::Vec;

/// Clients are asked so many times, and then the rest is forgotten.
const ROUNDS: u8 = 3;
/// A client answers no oftener (Linux: `tcp_invalid_ratelimit`), and one that sleeps on a radio has woken up by then.
const PAUSE: Duration = Duration::from_millis(500);

/// So many connections are seen to at a time, which takes a slow router some 30 ms: tunnels and neighbours go on meanwhile.
const AT_ONCE: u32 = 256;
const BREATH: Duration = Duration::from_millis(10);

/// All that are under way.
#[derive(Debug, Default)]
pub struct Endings(Vec<Ending, { MAX_PEERS + 1 }>);

#[derive(Debug)]
struct Ending {
    /// The connections' mark.
    mark: u32,
    /// Under which addresses they leave.
    near: Near,
    rounds: u8,
    /// Clients that were asked in this round.
    asked: u32,
    at: Instant,
}

impl Endings {
    /// Connections with this mark that leave under these addresses are lost from now on.
    #[inline(never)]
    pub fn begin(&mut self, now: Instant, mark: u32, near: Near) {
        self.0.retain(|e| e.near != near);
        if self.0.is_full() {
            self.0.remove(0);
        }
        let _ = self.0.push(Ending {
            mark,
            near,
            rounds: ROUNDS,
            asked: 0,
            at: now,
        });
    }

    /// New connections leave under these addresses again: nothing more is ended there once all have been asked.
    pub fn cancel(&mut self, near: Near) {
        self.0
            .retain(|e| e.near.v4 != near.v4 || e.rounds == ROUNDS);
    }

    /// None is under way.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A packet from the tunnel: answered, and nobody else's matter, if its connection is lost.
    #[inline(never)]
    pub fn answer(&self, packet: &[u8], out: &mut impl Output) -> bool {
        let lost = self.0.iter().any(|e| e.near.sends(packet));
        let mut end = [0; reset::LONGEST];
        if let Some(n) = reset::answer(packet, &mut end).filter(|_| lost) {
            out.deliver(end.get(..n).unwrap_or_default());
        }
        lost
    }

    /// When clients are asked next.
    pub fn poll_timeout(&self) -> Instant {
        let all = self.0.iter().map(|e| e.at);
        all.min().unwrap_or(Instant::FAR)
    }

    /// Asks the clients, and forgets what no client waits for.
    #[inline(never)]
    pub fn handle_timeout(&mut self, now: Instant, out: &mut impl Output) {
        for ending in self.0.iter_mut().filter(|e| e.at <= now) {
            if ending.ask(out) {
                (ending.asked, ending.at) = (0, now + PAUSE);
                ending.rounds = ending.rounds.saturating_sub(1);
            } else {
                ending.at = now + BREATH;
            }
        }
        self.0.retain(|e| e.rounds > 0);
    }
}

impl Ending {
    /// False: there are more than can be seen to at once.
    fn ask(&mut self, out: &mut impl Output) -> bool {
        let (mut left, mut skip, mut all) = (AT_ONCE, self.asked, true);
        let (near, last) = (self.near, self.rounds == 1);
        let asked = conntrack::delete_those(self.mark, MASK, |tracked| {
            let back = &tracked.back;
            if !near.is(back.v6, &back.to) {
                return false;
            }
            // They come in the order in which they came before.
            if tracked.is_open_tcp && skip > 0 {
                skip -= 1;
                return false;
            }
            if left == 0 {
                all = false;
                return false;
            }
            left -= 1;
            let mut question = [0; reset::LONGEST];
            if let Some(n) = reset::ask(back, &mut question).filter(|_| tracked.is_open_tcp) {
                out.deliver(question.get(..n).unwrap_or_default());
            }
            let goes = last || !tracked.is_open_tcp;
            self.asked += u32::from(!goes);
            goes
        });
        if let Err(error) = asked {
            warn!("{}", error);
        }
        all
    }
}
