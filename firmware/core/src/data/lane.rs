//! Lanes: whether a flow is spread over the paths or keeps to one of them.

use crate::data::shape::Shape;

/// What a flow's packets do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lane {
    /// Light flows take the path where they arrive first, bursts are spread.
    #[default]
    Auto,
    /// Spread from the first packet.
    PerPacket,
    /// All by one path while that works.
    PerSession,
}

impl Lane {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Auto, Self::PerPacket, Self::PerSession];

    /// The code point (DSCP) by which the router's firewall says that a rule gives this lane to a packet: of those that
    /// are left to experiments and local use (RFC 2474, 6, pool 2).
    pub const fn code_point(self) -> u8 {
        3 | ((self as u8) << 2)
    }

    /// The lane that a packet with this code point is given; `None` for all that others use.
    pub fn ruled(code_point: u8) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|lane| lane.code_point() == code_point)
    }

    /// Its name in settings and status.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::PerPacket => "per_packet",
            Self::PerSession => "per_session",
        }
    }
}

/// Why a flow is on the path where it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Why {
    /// It keeps to none: a burst, spread over all that are free.
    #[default]
    Spread,
    /// It keeps to none: each packet goes where it arrives first.
    Light,
    /// The best one when it began.
    Began,
    /// The best one when it had become a burst.
    Burst,
    /// The other end sends its part there.
    Followed,
    /// The one before did not answer.
    Silent,
    /// The one before is needed by its owner.
    Owner,
    /// The one before is dearer, and stands by again.
    Cheaper,
    /// The best one, now that the lender of another as good lends only a part of that.
    Lent,
}

impl Why {
    /// In a word or two.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spread => "spread",
            Self::Light => "where it arrives first",
            Self::Began => "best at start",
            Self::Burst => "best for burst",
            Self::Followed => "the exit's choice",
            Self::Silent => "the other fell silent",
            Self::Owner => "the owner needs the other",
            Self::Cheaper => "cheaper than the other",
            Self::Lent => "more is lent there now",
        }
    }
}

/// A flow, as people are told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy {
    /// Where it goes, IPv4 in the last four bytes behind zeros.
    pub far: [u8; 16],
    /// The port there; 0 where there is none.
    pub port: u16,
    /// The transport protocol's number.
    pub protocol: u8,
    /// Packets sent in the last second or so.
    pub packets: u16,
    /// What it sends and gets, bytes a second.
    pub rates: [u32; 2],
    /// What it looks like.
    pub shape: Shape,
    /// What they do.
    pub lane: Lane,
    /// The places of the paths that carry it, a bit each; of what comes, where more comes than goes.
    pub paths: u8,
    /// The place of the path that came second.
    pub second: Option<usize>,
    /// Why it is those paths.
    pub why: Why,
}
