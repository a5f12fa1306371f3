//! Lanes: whether a flow is spread over the paths or keeps to one of them.

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
    /// It keeps to none.
    #[default]
    Spread,
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
}

impl Why {
    /// In a word or two.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spread => "spread",
            Self::Began => "best at start",
            Self::Burst => "best for burst",
            Self::Followed => "as the exit",
            Self::Silent => "path silent",
            Self::Owner => "owner's turn",
        }
    }
}
