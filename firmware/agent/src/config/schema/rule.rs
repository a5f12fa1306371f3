//! The section for rules about lanes.

use super::{Field, Kind, OPTION, Opt, RULES, Section, SectionId};

pub(super) const RULE: Section = Section {
    id: SectionId::Rule,
    kind: "rule",
    named: false,
    limit: RULES as u8,
    doc: "Which connections go direct, or have another lane than the community's. All that a rule names must be so; of several rules the first that fits counts. What a rule fits leaves without its DSCP.",
    options: &[
        Opt {
            field: Field::RuleLane,
            name: "lane",
            kind: Kind::RuleLane,
            required: true,
            example: "direct",
            doc: "direct: these connections go over the own line. auto, per_packet or per_session: they are pooled, and their packets do this.",
            ..OPTION
        },
        Opt {
            field: Field::RuleClient,
            name: "client",
            kind: Kind::Prefix,
            example: "192.168.1.20",
            doc: "Which devices of this house, by address.",
            ..OPTION
        },
        Opt {
            field: Field::RuleDestination,
            name: "destination",
            kind: Kind::Prefix,
            example: "198.51.100.0/24",
            doc: "Which addresses on the Internet.",
            ..OPTION
        },
        Opt {
            field: Field::RulePort,
            name: "port",
            kind: Kind::Port,
            example: "443",
            doc: "Which port there, of TCP and UDP.",
            ..OPTION
        },
        Opt {
            field: Field::RuleProtocol,
            name: "protocol",
            kind: Kind::Protocol,
            example: "udp",
            doc: "Which protocol: tcp or udp.",
            ..OPTION
        },
        Opt {
            field: Field::RuleDscp,
            name: "dscp",
            kind: Kind::CodePoint,
            example: "46",
            doc: "Which differentiated services code point the device gave its packets.",
            ..OPTION
        },
    ],
};
