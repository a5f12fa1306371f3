//! What can be wrong with a configuration, each with how to mend it.

use core::fmt;

use heapless::String;

use super::schema::{Opt, SECTIONS, Section};
use super::uci::Syntax;
use super::values::{Ifname, TUNNEL, ValueError};

/// Bytes of foreign text that a message repeats.
const EXCERPT_BYTES: usize = 40;

/// The beginning of a foreign text, fit for one line of a log: control characters are replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt(String<EXCERPT_BYTES>);

impl Excerpt {
    /// Takes as much as fits.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut excerpt = String::new();
        for c in text.chars() {
            let shown = if c.is_control() { '?' } else { c };
            // Room is kept for the mark of a cut.
            if excerpt.len() + shown.len_utf8() > EXCERPT_BYTES - '…'.len_utf8() {
                let _ = excerpt.push('…');
                break;
            }
            let _ = excerpt.push(shown);
        }
        Self(excerpt)
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One thing that is wrong, and where. `Display` writes `WHAT; HOW TO MEND IT`; the caller puts `FILE:LINE: ` before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line it is on, from 1. What is missing from the whole file is on the last line.
    pub line: u32,
    /// What it is.
    pub kind: ProblemKind,
}

/// What can be wrong. Nothing here ever carries a secret or part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProblemKind {
    /// The line is not UCI.
    Syntax(Syntax),
    /// No such section type.
    UnknownSection {
        /// What stands there.
        found: Excerpt,
        /// What was probably meant.
        nearest: Option<&'static str>,
    },
    /// No such option in this section type.
    UnknownOption {
        /// Where.
        section: &'static Section,
        /// What stands there.
        found: Excerpt,
        /// What was probably meant.
        nearest: Option<&'static str>,
    },
    /// `option` where a `list` is expected.
    NotAList(&'static Opt),
    /// `list` where an `option` is expected.
    NotAnOption(&'static Opt),
    /// The same option twice in one section.
    OptionTwice(&'static Opt),
    /// The value is wrong.
    BadValue {
        /// Of which option.
        option: &'static Opt,
        /// What stands there; `None` where it may be secret.
        found: Option<Excerpt>,
        /// Why it is wrong.
        why: ValueError,
    },
    /// A required option is missing.
    Missing {
        /// Where.
        section: &'static Section,
        /// What.
        option: &'static Opt,
    },
    /// The section needs a name.
    NoName(&'static Section),
    /// The section's name is too long.
    LongName(Excerpt),
    /// Two sections have the same name, which UCI would merge into one.
    NameTwice {
        /// The name.
        name: Excerpt,
        /// The line of the first.
        first: u32,
    },
    /// More sections of a type than there is room for.
    TooManySections(&'static Section),
    /// More values in a list than there is room for.
    TooManyValues {
        /// Which list.
        option: &'static Opt,
        /// How many fit.
        limit: u8,
    },
    /// Neither an invitation nor a secret.
    NoSecret,
    /// A secret without a community's name.
    NoCommunityName,
    /// A certificate, and nobody whose word it would be.
    NoAdmin,
    /// The option says something else than the invitation does.
    AgainstInvitation(&'static Opt),
    /// No uplink, and no word that this is meant.
    NoUplink,
    /// An uplink although `no_uplink` is set.
    UplinkAgainstWord,
    /// Two uplinks are marked as the default.
    TwoDefaults {
        /// The line of the first.
        first: u32,
    },
    /// Neither a mesh nor several uplinks: nothing to pool.
    NoMesh,
    /// No exit.
    NoExit,
    /// Neither a client network nor a lent uplink: nothing to do.
    NoClient,
    /// A rule names nothing.
    RuleForAll,
    /// A rule names an IPv4 and an IPv6 address.
    RuleMixes,
    /// Two exits have the same key.
    ExitTwice {
        /// The line of the first.
        first: u32,
    },
    /// Two sections claim the same device.
    DeviceTwice {
        /// The device.
        ifname: Ifname,
        /// The line of the first.
        first: u32,
    },
    /// The exit's key is this gateway's own.
    OwnKey,
    /// The device does not exist now. A note: it may come up later.
    NoDevice(Ifname),
    /// The router's firewall does not know the tunnel, so it refuses what clients send there. A note: it may be told by
    /// other means.
    NoZone,
    /// The key lies where it is not kept. A note: somebody may keep it otherwise.
    KeyElsewhere,
    /// What is lent costs money. A note: the owner may mean it.
    MeteredLent,
    /// A metered line has a cost. A note: it is the dearest as it is.
    MeteredCost,
    /// An address is shared on a line of which nothing is lent. A note: it does nothing.
    SharedNotLent,
    /// The invitation has expired. A note: members stay members.
    Expired,
    /// There is an exit in a community that says it has none. A note: the exit is used.
    ExitAgainstWord,
    /// The mesh's device is a port of a bridge.
    MeshInBridge {
        /// The device.
        ifname: Ifname,
        /// The bridge.
        bridge: Ifname,
    },
    /// An uplink's or a client network's device is a port of a bridge.
    PortOfBridge {
        /// The device.
        ifname: Ifname,
        /// The bridge.
        bridge: Ifname,
    },
}

impl Problem {
    /// Whether the agent must refuse to run. What is not fatal is a note to the reader.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        !matches!(
            self.kind,
            ProblemKind::NoDevice(_)
                | ProblemKind::NoZone
                | ProblemKind::KeyElsewhere
                | ProblemKind::MeteredLent
                | ProblemKind::MeteredCost
                | ProblemKind::SharedNotLent
                | ProblemKind::Expired
                | ProblemKind::ExitAgainstWord
        )
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(syntax) => syntax.fmt(f),
            Self::UnknownSection { found, nearest } => {
                write!(f, "unknown section '{}'; ", found.as_str())?;
                meant(f, *nearest, SECTIONS.iter().map(|section| section.kind))
            }
            Self::UnknownOption {
                section,
                found,
                nearest,
            } => {
                write!(
                    f,
                    "unknown option '{}' in section '{}'; ",
                    found.as_str(),
                    section.kind
                )?;
                meant(
                    f,
                    *nearest,
                    section.options.iter().map(|option| option.name),
                )
            }
            Self::BadValue { option, found, why } => bad_value(f, option, found.as_ref(), *why),
            Self::NotAList(o) => {
                write!(
                    f,
                    "'{0}' is a list; write list {0} '{1}', once per value",
                    o.name, o.example
                )
            }
            Self::NotAnOption(o) => {
                write!(
                    f,
                    "'{0}' takes one value and is no list; write option {0} '{1}'",
                    o.name, o.example
                )
            }
            Self::OptionTwice(o) => {
                write!(
                    f,
                    "option '{}' stands twice in this section; remove one",
                    o.name
                )
            }
            Self::Missing { section, option } => missing(f, section, option),
            _ => self.fmt_section(f),
        }
    }
}

impl ProblemKind {
    /// The problems of whole sections.
    fn fmt_section(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoName(s) => write!(
                f,
                "the {0} section has no name; write config {0} 'name'",
                s.kind
            ),
            Self::LongName(name) => {
                write!(
                    f,
                    "the section name '{}' is too long; use at most 15 characters",
                    name.as_str()
                )
            }
            Self::NameTwice { name, first } => write!(
                f,
                "the section name '{}' is already used on line {first}, and UCI would merge the two; rename one",
                name.as_str()
            ),
            Self::TooManySections(s) => {
                write!(
                    f,
                    "more than {0} sections of type '{1}'; remove all but {0}",
                    s.limit, s.kind
                )
            }
            Self::TooManyValues { option, limit } => {
                write!(
                    f,
                    "more than {limit} values of list '{}'; remove some",
                    option.name
                )
            }
            Self::DeviceTwice { ifname, first } => write!(
                f,
                "device '{ifname}' is already used on line {first}; give every section a device of its own"
            ),
            Self::ExitTwice { first } => write!(
                f,
                "the exit on line {first} has the same key; put all its addresses in one section"
            ),
            Self::TwoDefaults { first } => write!(
                f,
                "two uplinks are marked as the default, the other one on line {first}; leave option default '1' in one of them"
            ),
            Self::AgainstInvitation(o) => write!(
                f,
                "option '{}' and the invitation contradict each other; remove option '{0}' to join by the invitation",
                o.name
            ),
            _ => self.fmt_system(f),
        }
    }

    /// The problems that hang on the router's own devices and key.
    fn fmt_system(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDevice(ifname) => write!(
                f,
                "there is no device '{ifname}' at the moment; if that is not expected, compare with 'ip link'"
            ),
            Self::MeshInBridge { ifname, bridge } => write!(
                f,
                "the mesh device '{ifname}' is a port of bridge '{bridge}': there it joins the households' DHCP and cannot \
                 be bound safely; take it out of '{bridge}' and give it a network of its own without a bridge"
            ),
            Self::PortOfBridge { ifname, bridge } => write!(
                f,
                "device '{ifname}' is a port of bridge '{bridge}' and has no addresses of its own; write option ifname '{bridge}'"
            ),
            _ => f.write_str(self.fixed_text()),
        }
    }

    /// The problems that always read the same.
    const fn fixed_text(&self) -> &'static str {
        match self {
            Self::NoSecret => {
                "the community has no secret; paste an invitation as option invitation 'bm1…' (made by 'burstmesh-proxy invite'), or found a community with option secret, made by 'burstmesh keygen --secret', never invented"
            }
            Self::NoCommunityName => {
                "the community has a secret and no name; add option name, the same on every gateway"
            }
            Self::NoAdmin => {
                "the certificate is nobody's word as long as the community has no admin; add option admin_key, or paste a newer invitation"
            }
            Self::RuleForAll => {
                "the rule is about no connection in particular; name a client, destination, port, protocol or dscp, or set option lane in the community section"
            }
            Self::RuleMixes => {
                "the rule fits nothing: its client and its destination are of IPv4 and of IPv6; write two rules"
            }
            Self::NoUplink => {
                "no uplink is configured; add config uplink 'wan' with option ifname, or say option no_uplink '1' in the community section"
            }
            Self::UplinkAgainstWord => {
                "option no_uplink '1' says that there is no uplink, but here is one; remove one of the two"
            }
            Self::NoMesh => {
                "neither a mesh nor a second uplink is configured, so there is nothing to pool; add config mesh with option ifname 'mesh0'"
            }
            Self::NoExit => {
                "no exit is configured; paste an invitation, add config exit 'name' with option key and list address, or say option no_exit '1' in the community section"
            }
            Self::NoClient => {
                "no client network is configured and nothing is lent; add config client 'lan' with option ifname 'br-lan', or option lend '1' to an uplink"
            }
            Self::OwnKey => {
                "this is the gateway's own key, not an exit's; copy the key that 'burstmesh-proxy' prints on the exit"
            }
            Self::NoZone => {
                "no zone of /etc/config/firewall has the device 'bm0', so pooled connections would be refused; run '/usr/libexec/burstmesh/settings add', or add the zone by hand as docs/firewall.md shows"
            }
            Self::KeyElsewhere => {
                "option key_file is not in /etc/burstmesh, the only folder that is kept over sysupgrade and in which an unprivileged agent can write; move the key there"
            }
            Self::SharedNotLent => {
                "the address is shared, but nothing of the line is lent; add option lend '1', or remove option share_address"
            }
            Self::Expired => {
                "the invitation has expired: members stay, but a router that comes new with it is not admitted; ask whoever runs the exit for another"
            }
            Self::ExitAgainstWord => {
                "an exit despite option no_exit '1'; it is used, and shared addresses are not; remove one of the two"
            }
            Self::MeteredLent => {
                "metered, and lent: neighbours use volume that costs money; without option lend they do not"
            }
            Self::MeteredCost => {
                "metered, and option cost: a metered line is dearer than any cost says; remove one of the two"
            }
            _ => "the configuration is wrong; see 'burstmesh help config'",
        }
    }
}

fn bad_value(
    f: &mut fmt::Formatter<'_>,
    option: &Opt,
    found: Option<&Excerpt>,
    why: ValueError,
) -> fmt::Result {
    write!(f, "option '{}': ", option.name)?;
    match found {
        Some(found) => write!(f, "'{}' ", found.as_str())?,
        None => write!(f, "the {} ", option.kind.word())?,
    }
    if why == ValueError::ReservedDevice {
        return write!(
            f,
            "is the loopback device or the agent's own tunnel {TUNNEL}; name a network device of the router"
        );
    }
    write!(f, "{why}; {}", option.kind.how())
}

fn missing(f: &mut fmt::Formatter<'_>, section: &Section, option: &Opt) -> fmt::Result {
    let word = if option.list { "list" } else { "option" };
    write!(
        f,
        "the {} section has no '{}'; add {word} {1} '{}'",
        section.kind, option.name, option.example
    )
}

/// The second half of a message about an unknown name.
fn meant(
    f: &mut fmt::Formatter<'_>,
    nearest: Option<&str>,
    known: impl Iterator<Item = &'static str>,
) -> fmt::Result {
    if let Some(nearest) = nearest {
        return write!(f, "did you mean '{nearest}'?");
    }
    f.write_str("known here: ")?;
    for (i, name) in known.enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        f.write_str(name)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_short_and_fit_for_one_line() {
        assert_eq!(Excerpt::of("a\nb\u{1b}[31m").as_str(), "a?b?[31m");
        let long = Excerpt::of(&"ä".repeat(100));
        assert!(long.as_str().ends_with('…') && long.as_str().len() <= EXCERPT_BYTES);
        assert_eq!(Excerpt::of("").as_str(), "");
    }
}
