//! Which of our addresses a member talks to, on a socket that hears all of them: answers must leave from there, or a
//! gateway's connected socket and every NAT on the way drop them.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use burstmesh_core::node::Via;

/// Senders remembered in one generation. Anybody can forge senders; whoever is forgotten is known again with its next
/// datagram.
const GENERATION: usize = 8192;

/// The latest senders: two generations, so that forgetting costs nothing and hits the oldest.
#[derive(Debug, Default)]
pub struct Sources {
    young: HashMap<(Via, SocketAddr), IpAddr>,
    old: HashMap<(Via, SocketAddr), IpAddr>,
}

impl Sources {
    /// `from` sent to `local`.
    pub fn note(&mut self, via: Via, from: SocketAddr, local: IpAddr) {
        if let Some(known) = self.young.get_mut(&(via, from)) {
            *known = local;
            return;
        }
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert((via, from), local);
    }

    /// Where an answer to `to` leaves from; `None`: as the route says.
    pub fn of(&self, via: Via, to: SocketAddr) -> Option<IpAddr> {
        let key = (via, to);
        self.young.get(&key).or_else(|| self.old.get(&key)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_forged_senders_takes_bounded_memory_and_forgets_the_oldest() {
        let (mut sources, via) = (Sources::default(), Via::Listener(0));
        let local: IpAddr = "192.0.2.1".parse().unwrap();
        let sender =
            |n: usize| SocketAddr::from(([198, 51, (n >> 8) as u8, n as u8], 1 + (n >> 16) as u16));
        for n in 0..3 * GENERATION {
            sources.note(via, sender(n), local);
        }
        assert!(sources.young.len() + sources.old.len() <= 2 * GENERATION);
        assert_eq!(sources.of(via, sender(0)), None);
        assert_eq!(sources.of(via, sender(3 * GENERATION - 1)), Some(local));
        assert_eq!(
            sources.of(Via::Listener(1), sender(3 * GENERATION - 1)),
            None
        );
        let other: IpAddr = "192.0.2.2".parse().unwrap();
        sources.note(via, sender(3 * GENERATION - 1), other);
        assert_eq!(sources.of(via, sender(3 * GENERATION - 1)), Some(other));
    }
}
