//! Every section and option of `/etc/config/burstmesh`, in one table.
//!
//! The reader looks names up here and reports by what stands here; `burstmesh help config`, `docs/uci.md` and the shipped
//! file are generated from it or compared with it by tests. A new option is one more [`Field`]: the compiler then asks the
//! reader what to do with it.

/// Mesh interfaces of one gateway.
pub const MESHES: usize = 4;
/// Uplinks of one gateway.
pub const UPLINKS: usize = 4;
/// Exits, those of the invitation included.
pub const EXITS: usize = burstmesh_core::wire::invitation::EXITS;
/// Addresses of one exit.
pub const ADDRESSES: usize = burstmesh_core::wire::invitation::ADDRESSES;
/// Client networks of one gateway.
pub const CLIENTS: usize = 8;
/// Bypass prefixes of all client networks together.
pub const BYPASSES: usize = 32;

/// Members whom one gateway refuses.
pub const REFUSED: usize = burstmesh_core::node::gateway::MAX_REFUSED;

// Members with a weight are as many: one number in the messages.
const _: () = assert!(REFUSED == burstmesh_core::node::gateway::MAX_WEIGHTS);

/// Rules about lanes.
pub const RULES: usize = 16;

/// Parts of the day of one uplink.
pub const HOURS: usize = 4;

mod community;
mod rule;
mod uplink;

/// The port of the mesh protocol.
pub const MESH_PORT: &str = "4454";
/// Where the gateway's private key is kept.
pub const KEY_FILE: &str = "/etc/burstmesh/key";

/// A section type.
#[derive(Debug, PartialEq, Eq)]
pub struct Section {
    /// Which one.
    pub id: SectionId,
    /// The word behind `config`.
    pub kind: &'static str,
    /// Whether sections of this type need a name.
    pub named: bool,
    /// How many there can be.
    pub limit: u8,
    /// What it is for.
    pub doc: &'static str,
    /// Its options, the most important first.
    pub options: &'static [Opt],
}

/// An option or list of a section.
#[derive(Debug, PartialEq, Eq)]
pub struct Opt {
    /// Which one.
    pub field: Field,
    /// Its name.
    pub name: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// Whether it is a `list`.
    pub list: bool,
    /// Whether the section is wrong without it.
    pub required: bool,
    /// What holds when it is not set.
    pub default: Option<&'static str>,
    /// A value that is right.
    pub example: &'static str,
    /// What it does.
    pub doc: &'static str,
}

/// The section types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is described in the table")]
pub enum SectionId {
    Community,
    Mesh,
    Uplink,
    Exit,
    Client,
    Rule,
}

/// The options of all sections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is described in the table")]
pub enum Field {
    Enabled,
    Invitation,
    CommunityName,
    CommunitySecret,
    AdminKey,
    Certificate,
    KeyFile,
    NoUplink,
    NoExit,
    LogLevel,
    ShareStatus,
    ShareLog,
    Lane,
    Refuse,
    Weight,
    MeshIfname,
    MeshPort,
    MeshOpen,
    UplinkIfname,
    Lend,
    ShareAddress,
    LendUp,
    LendDown,
    ReserveUp,
    ReserveDown,
    Default,
    Cap,
    ResetDay,
    Timezone,
    LendHours,
    Metered,
    Cost,
    ExitKey,
    ExitAddress,
    ExitPreference,
    ClientIfname,
    Bypass,
    Gro,
    RuleLane,
    RuleClient,
    RuleDestination,
    RulePort,
    RuleProtocol,
    RuleDscp,
}

/// What values an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `1` or `0`.
    Bool,
    /// A community's name.
    Name,
    /// One of the log levels.
    LogLevel,
    /// A network device.
    Interface,
    /// A UDP port.
    Port,
    /// Bits per second.
    Rate,
    /// A time span.
    Duration,
    /// Bytes.
    Volume,
    /// A day of the month.
    MonthDay,
    /// A distance from UTC.
    Zone,
    /// A part of the day.
    Hours,
    /// A public key.
    Key,
    /// A community's secret.
    Secret,
    /// An invitation.
    Invitation,
    /// A member's certificate.
    Certificate,
    /// A numeric address with a port.
    Address,
    /// An address range.
    Prefix,
    /// An address range, or a name.
    Bypass,
    /// A file.
    Path,
    /// What a flow's packets do.
    Lane,
    /// The same, or that it goes direct.
    RuleLane,
    /// A transport protocol.
    Protocol,
    /// A differentiated services code point.
    CodePoint,
    /// Which is taken first.
    Preference,
    /// What a line's use costs.
    Cost,
    /// A member's name.
    Node,
    /// The same, with how much its part counts.
    Weight,
}

impl Kind {
    /// The word for it in documents.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Name => "text",
            Self::LogLevel => "log level",
            Self::Interface => "device",
            Self::Port => "port",
            Self::Rate => "rate",
            Self::Duration => "duration",
            Self::Volume => "volume",
            Self::MonthDay => "day of the month",
            Self::Zone => "time zone",
            Self::Hours => "hours",
            Self::Key => "public key",
            Self::Secret => "secret",
            Self::Invitation => "invitation",
            Self::Certificate => "certificate",
            Self::Address => "address:port",
            Self::Prefix => "prefix",
            Self::Bypass => "prefix or name",
            Self::Path => "file",
            Self::Lane => "lane",
            Self::RuleLane => "lane or direct",
            Self::Protocol => "protocol",
            Self::CodePoint => "DSCP",
            Self::Preference => "preference",
            Self::Cost => "cost",
            Self::Node => "node ID",
            Self::Weight => "node ID=weight",
        }
    }

    /// The unit of its numbers, where they have one.
    #[must_use]
    pub const fn unit(self) -> Option<&'static str> {
        match self {
            Self::Rate => Some("bit/s: bit, kbit, Mbit, Gbit"),
            Self::Duration => Some("ms, s, m, h"),
            Self::Volume => Some("bytes: MB, GB, TB"),
            _ => None,
        }
    }

    /// How to write one: the second half of the message about a wrong value.
    #[must_use]
    pub const fn how(self) -> &'static str {
        match self {
            Self::Bool => "write '1' for yes or '0' for no",
            Self::Name => "write 1 to 32 characters, the same on every gateway",
            Self::LogLevel => "write error, warn, info, debug or trace",
            Self::Interface => {
                "write a network device as 'ip link' lists it, such as 'wan' or 'br-lan'"
            }
            Self::Port => "write a number from 1 to 65535",
            Self::Rate => {
                "write bits per second with their unit, such as '20Mbit' or '512kbit', at least 64kbit, or '0'"
            }
            Self::Duration => "write a number with ms, s, m or h, such as '10s', at most '24h'",
            Self::Volume => {
                "write bytes with their unit, such as '500MB' or '1.5TB', at least 50MB, or '0' for no cap"
            }
            Self::MonthDay => "write a number from 1 to 31",
            Self::Zone => {
                "write hours and minutes east of UTC, such as '+01:00' or '-03:30', or '0'; summer time is not followed"
            }
            Self::Hours => "write when it begins and ends, such as '22:00-07:00'",
            Self::Key => {
                "copy the 44 characters that 'burstmesh pubkey' or 'burstmesh-proxy' printed"
            }
            Self::Secret => {
                "paste an invitation instead, or copy the 44 characters made by 'burstmesh keygen --secret'; a secret is generated, never invented"
            }
            Self::Invitation => {
                "copy the whole invitation, from bm1 to its last character, made by 'burstmesh-proxy invite'"
            }
            Self::Certificate => {
                "copy the whole line, from bmc1 to its last character, made by 'burstmesh-proxy admin sign'"
            }
            Self::Address => {
                "write a numeric address and a port, such as '203.0.113.7:4455' or '[2001:db8::7]:4455'"
            }
            Self::Prefix => "write an address range, such as '198.51.100.0/24' or '2001:db8::/32'",
            Self::Bypass => {
                "write an address range or a name, such as '198.51.100.0/24' or 'example.org'"
            }
            Self::Path => "write the full path of a file, at most 128 characters",
            Self::Lane => "write auto, per_packet or per_session",
            Self::RuleLane => "write direct, auto, per_packet or per_session",
            Self::Protocol => "write tcp or udp",
            Self::CodePoint => "write a number from 0 to 63, such as '46'",
            Self::Preference => "write a number from 0 to 9",
            Self::Cost => {
                "write a number from 0 to 3, or option metered '1' for a line whose every byte costs money"
            }
            Self::Node => "copy the neighbour's 16 digits from 'burstmesh status'",
            Self::Weight => "write its 16 digits, '=' and a number from 1 to 9",
        }
    }

    /// Whether its values must never be repeated in a message.
    #[must_use]
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::Secret | Self::Invitation)
    }
}

/// The section type with this name.
#[must_use]
pub fn section(kind: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.kind == kind)
}

impl Section {
    /// The option with this name.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&'static Opt> {
        self.options.iter().find(|option| option.name == name)
    }
}

/// A plain option that need not be set.
const OPTION: Opt = Opt {
    field: Field::Enabled,
    name: "",
    kind: Kind::Bool,
    list: false,
    required: false,
    default: None,
    example: "1",
    doc: "",
};

/// The whole configuration.
pub const SECTIONS: &[Section] = &[
    community::COMMUNITY,
    uplink::UPLINK,
    CLIENT,
    MESH,
    EXIT,
    rule::RULE,
];

const MESH: Section = Section {
    id: SectionId::Mesh,
    kind: "mesh",
    named: false,
    limit: MESHES as u8,
    doc: "An interface on which the gateways hear each other: 802.11s, ad hoc, or a cable. It must not be in a bridge with clients.",
    options: &[
        Opt {
            field: Field::MeshIfname,
            name: "ifname",
            kind: Kind::Interface,
            required: true,
            example: "mesh0",
            doc: "Network device of the mesh.",
            ..OPTION
        },
        Opt {
            field: Field::MeshPort,
            name: "port",
            kind: Kind::Port,
            default: Some(MESH_PORT),
            example: "4460",
            doc: "UDP port of the mesh protocol, the same on every gateway.",
            ..OPTION
        },
        Opt {
            field: Field::MeshOpen,
            name: "open",
            default: Some("0"),
            doc: "Whether the mesh may reach more of this router than the agent. 0: whatever else comes in over it, to the router or through it, is dropped and counted, but for answers, ping and IPv6 housekeeping. 1: the router's own firewall decides, for whoever runs other services on the mesh.",
            ..OPTION
        },
    ],
};

const EXIT: Section = Section {
    id: SectionId::Exit,
    kind: "exit",
    named: true,
    limit: EXITS as u8,
    doc: "An exit, where pooled traffic meets the Internet. The invitation brings its own; one with the same key here takes its place.",
    options: &[
        Opt {
            field: Field::ExitKey,
            name: "key",
            kind: Kind::Key,
            required: true,
            example: "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08=",
            doc: "The exit's public key. An exit is believed by its key alone.",
            ..OPTION
        },
        Opt {
            field: Field::ExitAddress,
            name: "address",
            kind: Kind::Address,
            list: true,
            required: true,
            example: "203.0.113.7:4455",
            doc: "Where it listens, numeric, the best first, up to 4; IPv6 in brackets.",
            ..OPTION
        },
        Opt {
            field: Field::ExitPreference,
            name: "preference",
            kind: Kind::Preference,
            default: Some("0"),
            doc: "Of several exits the one with the smallest number is used while it answers; of equals the nearest.",
            ..OPTION
        },
    ],
};

const CLIENT: Section = Section {
    id: SectionId::Client,
    kind: "client",
    named: true,
    limit: CLIENTS as u8,
    doc: "A network of this house whose devices get the pool.",
    options: &[
        Opt {
            field: Field::ClientIfname,
            name: "ifname",
            kind: Kind::Interface,
            required: true,
            example: "br-lan",
            doc: "Network device of the client network; of a bridge its own name, such as `br-lan`.",
            ..OPTION
        },
        Opt {
            field: Field::Bypass,
            name: "bypass",
            kind: Kind::Bypass,
            list: true,
            example: "example.org",
            doc: "Destinations that go direct: address ranges always, up to 32 in all client sections together; names, with all below them and for all client networks, where no rule fits. Names need dnsmasq-full.",
            ..OPTION
        },
        Opt {
            field: Field::Gro,
            name: "gro",
            default: Some("1"),
            doc: "Whether the agent switches on GRO at the network's ports where the driver can: the kernel then hands over large segments, which saves a slow router much of its work. Put back when the agent stops.",
            ..OPTION
        },
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_has_a_name_a_sentence_and_an_example() {
        for section in SECTIONS {
            for option in section.options {
                assert!(
                    !option.name.is_empty() && option.name.len() <= 16,
                    "{option:?}"
                );
                assert!(
                    option.doc.ends_with('.') && !option.example.is_empty(),
                    "{option:?}"
                );
                assert!(!(option.required && option.default.is_some()), "{option:?}");
            }
        }
    }

    #[test]
    fn no_name_stands_twice() {
        for section in SECTIONS {
            assert_eq!(super::section(section.kind), Some(section));
            for option in section.options {
                assert_eq!(section.option(option.name), Some(option));
            }
        }
    }
}
