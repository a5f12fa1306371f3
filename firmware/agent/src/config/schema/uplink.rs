//! The section for the house's own lines.

use super::{Field, Kind, OPTION, Opt, Section, SectionId, UPLINKS};

pub(super) const UPLINK: Section = Section {
    id: SectionId::Uplink,
    kind: "uplink",
    named: true,
    limit: UPLINKS as u8,
    doc: "One Internet connection of this house. Its owner comes first, whatever is lent.",
    options: &[
        Opt {
            field: Field::UplinkIfname,
            name: "ifname",
            kind: Kind::Interface,
            required: true,
            example: "wan",
            doc: "Network device of the connection: the one that has the address, such as `pppoe-wan` and not the modem's port below it.",
            ..OPTION
        },
        Opt {
            field: Field::Lend,
            name: "lend",
            default: Some("0"),
            doc: "Whether the others may use what is idle on it.",
            ..OPTION
        },
        Opt {
            field: Field::ShareAddress,
            name: "share_address",
            default: Some("0"),
            doc: "Whether neighbours' connections may leave here without an exit, under this line's own public address. Only what is lent: see `lend`.",
            ..OPTION
        },
        Opt {
            field: Field::LendUp,
            name: "lend_up",
            kind: Kind::Rate,
            default: Some("0"),
            example: "5Mbit",
            doc: "The most that is lent towards the Internet, to all who borrow together. 0: all that is idle.",
            ..OPTION
        },
        Opt {
            field: Field::LendDown,
            name: "lend_down",
            kind: Kind::Rate,
            default: Some("0"),
            example: "20Mbit",
            doc: "The most that is lent from the Internet, to all who borrow together. 0: all that is idle.",
            ..OPTION
        },
        Opt {
            field: Field::ReserveUp,
            name: "reserve_up",
            kind: Kind::Rate,
            default: Some("0"),
            example: "2Mbit",
            doc: "What is always kept for the household towards the Internet: no more is lent than what the line was seen to carry less this, and nothing before that is known. 0: what yields to the household is enough.",
            ..OPTION
        },
        Opt {
            field: Field::ReserveDown,
            name: "reserve_down",
            kind: Kind::Rate,
            default: Some("0"),
            example: "10Mbit",
            doc: "The same from the Internet.",
            ..OPTION
        },
        Opt {
            field: Field::Default,
            name: "default",
            default: Some("0"),
            doc: "Marks the one uplink that direct traffic prefers. Without a mark it is the first in the file.",
            ..OPTION
        },
        Opt {
            field: Field::Cap,
            name: "cap",
            kind: Kind::Volume,
            default: Some("0"),
            example: "500GB",
            doc: "What the plan allows a month, the household's own use included. Lending slows down from 80 % of it on, in steps, and stops at it; the household itself is never cut. 0: no cap.",
            ..OPTION
        },
        Opt {
            field: Field::ResetDay,
            name: "reset_day",
            kind: Kind::MonthDay,
            default: Some("1"),
            example: "15",
            doc: "The day of the month on which the plan begins anew; in a shorter month its last day.",
            ..OPTION
        },
        Opt {
            field: Field::Timezone,
            name: "timezone",
            kind: Kind::Zone,
            default: Some("0"),
            example: "+01:00",
            doc: "Where midnight is, for the plan, the hours and the ledger's days: hours and minutes east of UTC, all year the same.",
            ..OPTION
        },
        Opt {
            field: Field::LendHours,
            name: "lend_hours",
            kind: Kind::Hours,
            list: true,
            example: "22:00-07:00",
            doc: "When it is lent, up to 4 parts of the day. Without any, always. As long as the router does not know the time, nothing is lent where hours are set.",
            ..OPTION
        },
        Opt {
            field: Field::Cost,
            name: "cost",
            kind: Kind::Cost,
            default: Some("0"),
            doc: "A line with a larger number stands by while those with a smaller one have room, and takes part when they are full: 0 to 3. For the house's connections, and for the neighbours' where it is lent.",
            ..OPTION
        },
        Opt {
            field: Field::Metered,
            name: "metered",
            default: Some("0"),
            doc: "Its volume costs money: connections use it only while no other line carries them, whatever its cost says, and it is looked at every two minutes. Lent only where lend says so.",
            ..OPTION
        },
    ],
};
