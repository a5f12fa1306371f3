//! Connections that go direct by the owner's word, or since it is the own line's turn: their mark says why, for whoever asks.

use super::{HOST_MASK, MASK};
use crate::config::{Config, Rule};
use core::fmt::{self, Write};
use heapless::string::StringView;

/// The mark of these, with the reason in the four bits below, where others have their host.
pub const DIRECT: u32 = MASK;
/// The first reason that is a rule, and the last: the rules behind it share it.
const FIRST: usize = 3;
const LAST: usize = 15;

/// Why a connection is direct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A network under `bypass`.
    Network,
    /// A name there.
    Name,
    /// Without an exit each line gets some, and the own one got this.
    Turn,
    /// A rule; by its place among those that send direct.
    Rule(usize),
}

impl Reason {
    fn number(self) -> usize {
        match self {
            Self::Network => 0,
            Self::Name => 1,
            Self::Turn => 2,
            Self::Rule(place) => (FIRST + place).min(LAST),
        }
    }

    /// What the mark of a direct connection says.
    pub fn of(mark: u32) -> Self {
        match (mark >> 24 & 0xf) as usize {
            0 => Self::Network,
            1 => Self::Name,
            2 => Self::Turn,
            number => Self::Rule(number - FIRST),
        }
    }
}

/// The chain that marks connections with this reason.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "why{}", self.number())
    }
}

/// Rules that send direct.
fn rules(config: &Config) -> impl Iterator<Item = (usize, &Rule)> {
    let all = config.rules.iter().enumerate();
    all.filter(|(_, rule)| rule.lane.is_none())
}

/// The number of the rule in the settings, from 1 on, that is the one at this place among those that send direct; `None`: it is one
/// of several.
pub fn rule_at(config: &Config, place: usize) -> Option<usize> {
    let shared = FIRST + place == LAST && rules(config).count() > place + 1;
    let (at, _) = rules(config).nth(place).filter(|_| !shared)?;
    Some(at + 1)
}

/// Some connections may have a reason.
pub fn is_used(config: &Config) -> bool {
    !config.bypasses.is_empty() || config.bypasses_names || rules(config).next().is_some()
}

/// The chains, a line each, of what the settings ask for, and for the own line's turn.
pub fn write_chains(config: &Config, s: &mut StringView) -> fmt::Result {
    let places = rules(config).count().min(LAST + 1 - FIRST);
    let asked = [
        (Reason::Network, !config.bypasses.is_empty()),
        (Reason::Name, config.bypasses_names),
        (Reason::Turn, true),
    ];
    let asked = asked.into_iter().filter(|(_, asked)| *asked);
    let of_rules = (0..places).map(Reason::Rule);
    for reason in asked.map(|(reason, _)| reason).chain(of_rules) {
        let mark = DIRECT | (reason.number() as u32) << 24;
        writeln!(
            s,
            "chain {reason} {{ ct mark set ct mark and {:#x} or {mark:#x}; }}",
            !HOST_MASK
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_says_what_was_written_for_its_reason() {
        let all = [Reason::Network, Reason::Name, Reason::Turn];
        for reason in all.into_iter().chain((0..13).map(Reason::Rule)) {
            let mark = DIRECT | (reason.number() as u32) << 24;
            assert_eq!((Reason::of(mark), mark & MASK), (reason, DIRECT));
        }
        assert_eq!(Reason::Rule(15).number(), LAST);
    }

    #[test]
    fn a_rule_has_its_number_among_all_and_none_where_several_share_a_mark() {
        let head = "config community\n\toption name 'hillside'\n\toption no_uplink '1'\n\
             \toption secret 'AwswVXqfxOkOM1h9osfsETZbgKXK7xQ5XoOozfIXPGE='\n\
             config exit 'e'\n\toption key '3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08='\n\
             \tlist address '203.0.113.7:4455'\nconfig mesh\n\toption ifname 'mesh0'\n\
             config client 'lan'\n\toption ifname 'br-lan'\n";
        let config = |lanes: &[&str]| {
            let rule =
                |lane: &&str| format!("config rule\n\toption lane '{lane}'\n\toption port '1'\n");
            let text = head.to_string() + &lanes.iter().map(rule).collect::<std::string::String>();
            Config::parse(text.as_bytes(), &mut |p| panic!("{p}")).unwrap()
        };
        let few = config(&["auto", "direct", "auto", "direct"]);
        assert_eq!(
            [0, 1, 2].map(|n| rule_at(&few, n)),
            [Some(2), Some(4), None]
        );
        let many = config(&["direct"; 16]);
        assert_eq!(
            [0, 11, 12].map(|n| rule_at(&many, n)),
            [Some(1), Some(12), None]
        );
        let mut script = heapless::String::<2_048>::new();
        write_chains(&many, script.as_mut_view()).unwrap();
        assert_eq!(script.lines().count(), 14);
    }
}
