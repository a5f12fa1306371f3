//! How much of the air announcements take: the core's own announcers, all within hearing of each other, over a lossy channel.

use super::random::Random;
use burstmesh_core::control::announcer::{Announcer, Offer};
use burstmesh_core::identity::{CommunityKeys, PublicKey};
use burstmesh_core::time::{Duration, Instant};
use std::fmt;

/// What is measured: nodes that hear each other, 50 neighbours each.
const NODES: usize = 51;
/// One in so many is lost, for each hearer by himself.
const LOSS: f64 = 0.05;
const MINUTES: u64 = 60;

/// Parts of the time of a channel of 6 Mbit/s, in percent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Air {
    /// Of the busiest node, over all the time; of the busiest one in its busiest minute.
    pub busiest: f64,
    pub worst_minute: f64,
    /// Of all nodes together.
    pub all: f64,
    /// Bytes of an announcement, as UDP payload.
    pub bytes: usize,
}

impl fmt::Display for Air {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "announcements of {} bytes, {NODES} nodes that hear each other, {MINUTES} minutes, of 6 Mbit/s: the busiest node {:.4} % ({:.4} % in its busiest minute), \
             all together {:.3} %",
            self.bytes, self.busiest, self.worst_minute, self.all
        )
    }
}

/// Seconds that a multicast frame takes: distributed wait and mean backoff (34 + 67.5 us), preamble and service bits (20 us + 22
/// bits), and at 6 Mbit/s 802.11s, LLC, IPv6 and UDP headers, payload and check.
fn airtime(payload: usize) -> f64 {
    let bytes = 30 + 8 + 40 + 8 + payload + 4;
    121.5e-6 + (bytes * 8 + 22) as f64 / 6e6
}

/// All begin within a second; nodes are restarted as the model says, every two days each.
pub fn measure() -> Air {
    let mut random = Random::new(101, 6);
    let community = CommunityKeys::derive("street", &[7; 32]);
    let mut epochs = [1u64; NODES];
    let mut nodes: Vec<Announcer<32>> = (0..NODES)
        .map(|n| start(&community, begin(&mut random), n, 1, &mut random))
        .collect();
    let end = Instant::ZERO + Duration::from_secs(MINUTES * 60);
    let mut minutes = vec![[0.0f64; NODES]; MINUTES as usize];
    let mut air = Air::default();
    let mut restart = Instant::ZERO + Duration::from_secs(600);
    loop {
        let (at, node) = (0..NODES)
            .map(|n| (nodes[n].poll_timeout(), n))
            .min()
            .unwrap();
        if at >= end {
            break;
        }
        if at >= restart {
            let node = (random.bits() % NODES as u64) as usize;
            epochs[node] += 1;
            nodes[node] = start(&community, restart, node, epochs[node], &mut random);
            let seconds = random.exponential(2.0 * 86_400.0 / NODES as f64);
            restart += Duration::from_micros((seconds * 1e6) as u64);
            continue;
        }
        nodes[node].handle_timeout(at);
        let mut frame = [0; 1_232];
        while let Some(len) = nodes[node].poll_transmit(&mut frame) {
            air.bytes = len;
            minutes[(at.as_micros() / 60_000_000) as usize][node] += airtime(len);
            for (other, hearer) in nodes.iter_mut().enumerate() {
                if other != node && !random.chance(LOSS) {
                    // What a full table refuses is counted there.
                    let _ = hearer.handle_datagram(at, (), &frame[..len]);
                }
            }
        }
    }
    air.weigh(&minutes)
}

impl Air {
    fn weigh(mut self, minutes: &[[f64; NODES]]) -> Self {
        let of = |node: usize| minutes.iter().map(|m| m[node]).sum::<f64>();
        let percent = 100.0 / (MINUTES * 60) as f64;
        self.busiest = (0..NODES).map(of).fold(0.0, f64::max) * percent;
        self.all = (0..NODES).map(of).sum::<f64>() * percent;
        let worst = minutes.iter().flatten().copied().fold(0.0, f64::max);
        self.worst_minute = worst / 60.0 * 100.0;
        self
    }
}

fn start(
    community: &CommunityKeys,
    now: Instant,
    node: usize,
    epoch: u64,
    random: &mut Random,
) -> Announcer<32> {
    let mut key = [0; 32];
    key[0] = node as u8 + 1;
    let offer = Offer {
        lends: true,
        exit: false,
    };
    let (community, key) = (community.clone(), PublicKey(key));
    Announcer::new(now, community, key, epoch, offer, random.bits())
}

fn begin(random: &mut Random) -> Instant {
    Instant::from_micros((random.unit() * 1e6) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_of_fifty_neighbours_leave_the_air_to_others() {
        let air = measure();
        println!("{air}");
        assert!(air.bytes > 60);
        assert!(air.busiest > 0.0 && air.busiest < 1.0, "{air}");
        assert!(air.worst_minute < 1.0, "{air}");
    }
}
