//! Control messages between two gateways, inside sealed frames: who can lend what, and who may relay.
//!
//! postcard (varint encoding, see its specification) behind the record's own length. Every message states what
//! is wanted *now* and is repeated while it holds, so a lost one costs a repetition and nothing else. New
//! variants and new trailing fields are ignored by older versions.

use super::compact;
use super::path::Cost;
use crate::error::Refusal;
use heapless::Vec;
use serde::{Deserialize, Serialize};

/// Most uplinks of one gateway.
pub const MAX_UPLINKS: usize = 4;
/// Most connection IDs that one relay grant covers.
pub const MAX_CIDS: usize = 2;
/// Stands where an uplink's number does, with a number of mesh hops added: not an uplink is asked for, but a way over the
/// mesh to a member, who is so many hops from the lender.
pub const WAY: u8 = 0xf0;
/// Largest encoded control message in bytes.
pub const MAX_LEN: usize = 160;

/// One uplink that can be borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The lender's number for the uplink.
    pub uplink: u8,
    /// What can be lent upwards now, kbit/s; 0 = not stated, whatever is idle.
    pub up_kbit: u32,
    /// The same downwards.
    pub down_kbit: u32,
    /// What its use costs its owner; behind the list, where older versions read no more.
    #[serde(skip)]
    pub cost: Cost,
}

/// Why a lender said no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// The uplink is not lent, or not now.
    NotLent,
    /// The exit is none that this community pinned.
    UnknownExit,
    /// All places for borrowers are taken.
    Full,
    /// The uplink itself is down.
    Down,
    /// The lender's owner refuses this borrower, whatever the uplink. It is said unasked too, behind an empty list of offers.
    Refused,
}

/// A control message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Lender to everyone with a session: what can be borrowed. An empty list takes all offers back.
    Offers(Vec<Offer, MAX_UPLINKS>),
    /// Borrower to lender: forward for me between the mesh and this uplink. Repeated to renew.
    Ask {
        /// The lender's uplink, or [`WAY`] and hops.
        uplink: u8,
        /// The exit's key, first 8 bytes of its BLAKE2s name (node ID); of a way the member's.
        #[serde(with = "crate::bytes")]
        exit: [u8; 8],
        /// Which of the exit's pinned addresses.
        address: u8,
        /// Connection IDs under which the exit will answer the borrower on this path.
        cids: Vec<u32, MAX_CIDS>,
    },
    /// Lender to borrower: granted.
    Grant {
        /// The uplink asked for.
        uplink: u8,
        /// The exit asked for.
        #[serde(with = "crate::bytes")]
        exit: [u8; 8],
        /// The name to put in relay frames.
        relay: u32,
        /// Seconds until it lapses unless renewed.
        seconds: u16,
        /// Most upwards, kbit/s; 0 = no stated limit.
        up_kbit: u32,
        /// Most downwards.
        down_kbit: u32,
    },
    /// Lender to borrower: refused, or taken back.
    Refuse {
        /// The uplink asked for.
        uplink: u8,
        /// The exit asked for.
        #[serde(with = "crate::bytes")]
        exit: [u8; 8],
        /// Why.
        reason: Reason,
    },
    /// The sender is about to stop: forget its offers and grants.
    Bye,
    /// Host to neighbour: sessions may leave at my own line, under its address. Repeated while it holds.
    Host {
        /// The host's uplink, for accounts.
        uplink: u8,
        /// Seconds until it lapses unless said again; 0 takes it back.
        seconds: u16,
        /// What it expects to have over upwards, kbit/s; 0 = not stated.
        up_kbit: u32,
        /// The same downwards.
        down_kbit: u32,
        /// Over IPv6 too.
        ipv6: bool,
        /// What the line's use costs its owner; behind the rest, as in Offers.
        #[serde(skip)]
        cost: Cost,
    },
}

impl Message {
    /// Reads a message; trailing bytes are left for later versions.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let (mut message, behind) = compact::read_first(body)?;
        let mut costs = behind.iter().map(|level| Cost::new(*level));
        match &mut message {
            Self::Offers(offers) => offers.iter_mut().zip(costs).for_each(|(o, c)| o.cost = c),
            Self::Host { cost, .. } => *cost = costs.next().unwrap_or_default(),
            _ => {}
        }
        Ok(message)
    }
    /// Writes the message; returns its length.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, Refusal> {
        let len = compact::write(self, out)?.len();
        let mut costs = Vec::<u8, MAX_UPLINKS>::new();
        match self {
            Self::Offers(offers) => costs.extend(offers.iter().map(|o| o.cost.level())),
            Self::Host { cost, .. } => costs.extend([cost.level()]),
            _ => {}
        }
        if costs.iter().all(|level| *level == 0) {
            return Ok(len);
        }
        let end = len + costs.len();
        let behind = out.get_mut(len..end).ok_or(Refusal::Full)?;
        behind.copy_from_slice(&costs);
        Ok(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::examples;
    use proptest::prelude::*;

    #[test]
    fn the_documents_examples_are_what_is_written_and_read() {
        let exit = [0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7];
        let offer = Offer {
            uplink: 0,
            up_kbit: 5_000,
            down_kbit: 0,
            cost: Cost::LEAST,
        };
        let messages = [
            (
                "control-offers",
                Message::Offers(Vec::from_slice(&[offer]).unwrap()),
            ),
            (
                "control-ask",
                Message::Ask {
                    uplink: 0,
                    exit,
                    address: 1,
                    cids: Vec::from_slice(&[0x1a1b_1c1d, 7]).unwrap(),
                },
            ),
            (
                "control-grant",
                Message::Grant {
                    uplink: 0,
                    exit,
                    relay: 0x0102_0304,
                    seconds: 30,
                    up_kbit: 5_000,
                    down_kbit: 0,
                },
            ),
            (
                "control-refuse",
                Message::Refuse {
                    uplink: 0,
                    exit,
                    reason: Reason::Full,
                },
            ),
            ("control-bye", Message::Bye),
            (
                "control-host",
                Message::Host {
                    uplink: 0,
                    seconds: 30,
                    up_kbit: 5_000,
                    down_kbit: 0,
                    ipv6: true,
                    cost: Cost::LEAST,
                },
            ),
        ];
        for (name, message) in messages {
            let mut out = [0; MAX_LEN];
            let len = message.emit(&mut out).unwrap();
            examples::check(name, &out[..len]);
            assert_eq!(Message::parse(&examples::bytes(name)), Ok(message));
        }
    }

    #[test]
    fn costs_stand_behind_the_offers_and_a_hosts_behind_its_word() {
        let offer = |uplink, cost| Offer {
            uplink,
            up_kbit: 5_000,
            down_kbit: 0,
            cost: Cost::new(cost),
        };
        let offers = Message::Offers(Vec::from_slice(&[offer(0, 0), offer(1, 2)]).unwrap());
        let host = Message::Host {
            uplink: 0,
            seconds: 30,
            up_kbit: 5_000,
            down_kbit: 0,
            ipv6: true,
            cost: Cost::METERED,
        };
        for (name, message) in [("control-offers-cost", offers), ("control-host-cost", host)] {
            let mut out = [0; MAX_LEN];
            let len = message.emit(&mut out).unwrap();
            examples::check(name, &out[..len]);
            assert_eq!(Message::parse(&examples::bytes(name)), Ok(message));
        }
    }

    #[test]
    fn a_way_is_asked_for_in_place_of_an_uplink() {
        let ask = Message::Ask {
            uplink: WAY | 1,
            exit: [0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7],
            address: 0,
            cids: Vec::from_slice(&[7]).unwrap(),
        };
        let mut out = [0; MAX_LEN];
        let len = ask.emit(&mut out).unwrap();
        examples::check("control-ask-way", &out[..len]);
        assert_eq!(Message::parse(&out[..len]), Ok(ask));
    }

    #[test]
    fn the_largest_message_fits() {
        let offer = Offer {
            uplink: 255,
            up_kbit: u32::MAX,
            down_kbit: u32::MAX,
            cost: Cost::METERED,
        };
        let m = Message::Offers(Vec::from_slice(&[offer; MAX_UPLINKS]).unwrap());
        let mut out = [0u8; MAX_LEN];
        let n = m.emit(&mut out).unwrap();
        assert_eq!(Message::parse(&out[..n]), Ok(m));
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_are_malformed(body in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(message) = Message::parse(&body) {
                let mut out = [0; MAX_LEN];
                let len = message.emit(&mut out).unwrap();
                prop_assert_eq!(Message::parse(&out[..len]), Ok(message));
            }
        }

        #[test]
        fn offers_are_read_as_they_were_written_and_without_costs_where_those_are_cut_off(
            costs in proptest::collection::vec(any::<u8>(), 0..=MAX_UPLINKS)
        ) {
            let offers = costs.iter().zip(0..).map(|(cost, uplink)| Offer {
                uplink,
                up_kbit: 300,
                down_kbit: 0,
                cost: Cost::new(*cost),
            });
            let message = Message::Offers(offers.collect());
            let mut out = [0; MAX_LEN];
            let len = message.emit(&mut out).unwrap();
            prop_assert_eq!(Message::parse(&out[..len]), Ok(message));
            let free = Message::parse(&out[..1 + 1 + 4 * costs.len()]);
            prop_assert!(matches!(free, Ok(Message::Offers(o)) if o.iter().all(|o| o.cost == Cost::LEAST)));
        }
    }
}
