//! Which stations of a mesh segment a frame goes to.

use std::collections::HashMap;

/// Who a frame goes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Target {
    /// One station.
    Station(usize),
    /// All stations but the sender: a group address, or one not heard of yet.
    Everyone,
}

/// Learns which station has which hardware address.
#[derive(Debug, Default)]
pub struct MacTable {
    known: HashMap<[u8; 6], usize>,
}

impl MacTable {
    /// Learns the source of an Ethernet frame and says where the frame goes; `None` for a runt.
    pub fn route(&mut self, sender: usize, frame: &[u8]) -> Option<Target> {
        let (to, rest) = frame.split_first_chunk::<6>()?;
        let (from, _) = rest.split_first_chunk::<6>()?;
        self.known.insert(*from, sender);
        if to[0] & 1 == 1 {
            return Some(Target::Everyone);
        }
        Some(
            self.known
                .get(to)
                .map_or(Target::Everyone, |station| Target::Station(*station)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(to: u8, from: u8) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from];
        frame.extend([0x86, 0xdd]);
        frame
    }

    #[test]
    fn a_known_address_gets_its_frames_alone() {
        let mut table = MacTable::default();
        assert_eq!(table.route(0, &frame(2, 1)), Some(Target::Everyone));
        assert_eq!(table.route(1, &frame(1, 2)), Some(Target::Station(0)));
        assert_eq!(table.route(0, &frame(2, 1)), Some(Target::Station(1)));
    }

    #[test]
    fn multicast_goes_to_everyone_and_a_runt_to_no_one() {
        let mut table = MacTable::default();
        let mut multicast = frame(1, 1);
        multicast[..2].copy_from_slice(&[0x33, 0x33]);
        assert_eq!(table.route(0, &multicast), Some(Target::Everyone));
        assert_eq!(table.route(0, &[2, 0, 0]), None);
    }
}
