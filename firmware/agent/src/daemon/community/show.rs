//! What members answer, for people or for programs. Members' texts are foreign: nothing in them reaches a terminal or breaks JSON.

use crate::daemon::status::{Age, Limit};
use crate::daemon::tenths::Tenths;
use crate::json::Quoted;
use burstmesh_core::identity::NodeId;
use burstmesh_core::wire::inside::Item;
use core::fmt::{self, Display, Write};

/// An answer being shown.
pub struct Page {
    json: bool,
    /// Members shown.
    count: u32,
    /// Something of the member whose turn it is has been shown.
    begun: bool,
    /// The JSON list that is open.
    list: &'static str,
}

impl Page {
    pub fn new(json: bool) -> Self {
        Self {
            json,
            count: 0,
            begun: false,
            list: "",
        }
    }

    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Something of the member whose turn it is has been shown.
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// A member's turn.
    pub fn begin(&mut self, member: NodeId, out: &mut dyn Write) -> fmt::Result {
        if core::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        self.count += 1;
        match (self.json, self.count) {
            (false, _) => write!(out, "{member}"),
            (true, 1) => write!(out, "{{\"members\":[{{\"node\":\"{member}\""),
            (true, _) => write!(out, ",{{\"node\":\"{member}\""),
        }
    }

    /// A part of its answer.
    pub fn item(&mut self, member: NodeId, item: &Item, out: &mut dyn Write) -> fmt::Result {
        if let Item::Log(piece) = item {
            self.begun = true;
            return plain(piece, out);
        }
        self.begin(member, out)?;
        if self.json {
            self.object(item, out)
        } else {
            line(item, out)
        }
    }

    /// The member has said everything, or will not.
    pub fn close(&mut self, state: &str, out: &mut dyn Write) -> fmt::Result {
        self.begun = false;
        if self.json {
            self.open("", out)?;
            write!(out, ",\"state\":\"{state}\"}}")
        } else {
            writeln!(out, "  ({state})")
        }
    }

    /// That was all.
    pub fn end(&self, left_out: u32, out: &mut dyn Write) -> fmt::Result {
        match (self.json, self.count) {
            (true, 0) => writeln!(out, "{{\"members\":[],\"left_out\":{left_out}}}"),
            (true, _) => writeln!(out, "],\"left_out\":{left_out}}}"),
            (false, 0) => writeln!(out, "no member of the community is reached"),
            (false, _) if left_out > 0 => writeln!(out, "and {left_out} more that were not asked"),
            _ => Ok(()),
        }
    }

    /// Goes on in this list.
    pub fn open(&mut self, list: &'static str, out: &mut dyn Write) -> fmt::Result {
        if self.list == list {
            return out.write_str(if list.is_empty() { "" } else { "," });
        }
        if !self.list.is_empty() {
            out.write_char(']')?;
        }
        self.list = list;
        match list {
            "" => Ok(()),
            list => write!(out, ",\"{list}\":["),
        }
    }

    fn object(&mut self, item: &Item, out: &mut dyn Write) -> fmt::Result {
        let list = match item {
            Item::Uplink { .. } => "uplinks",
            Item::Neighbour { .. } => "neighbours",
            Item::Member { .. } => "members",
            _ => "",
        };
        self.open(list, out)?;
        match item {
            Item::About {
                version,
                seconds,
                exit,
                is_exit,
            } => {
                write!(
                    out,
                    ",\"version\":{},\"uptime_s\":{seconds},\"is_exit\":{is_exit}",
                    Quoted(version)
                )?;
                match exit {
                    [0, 0, 0, 0, 0, 0, 0, 0] => Ok(()),
                    exit => write!(out, ",\"exit\":\"{}\"", NodeId(*exit)),
                }
            }
            Item::Uplink {
                name,
                up,
                lent,
                kbit: (up_kbit, down_kbit),
            } => write!(
                out,
                "{{\"name\":{},\"up\":{up},\"lent\":{lent},\"up_kbit\":{up_kbit},\"down_kbit\":{down_kbit}}}",
                Quoted(name)
            ),
            Item::Neighbour {
                member,
                up,
                hops,
                rtt_ms,
            } => write!(
                out,
                "{{\"node\":\"{}\",\"up\":{up},\"hops\":{hops},\"rtt_ms\":{rtt_ms}}}",
                NodeId(*member)
            ),
            Item::Member {
                member,
                answers,
                paths,
                bytes: (up, down),
            } => write!(
                out,
                "{{\"node\":\"{}\",\"answers\":{answers},\"paths\":{paths},\"up_bytes\":{up},\"down_bytes\":{down}}}",
                NodeId(*member)
            ),
            Item::NotShared => out.write_str(",\"shared\":false"),
            Item::Day { .. } | Item::Path { .. } | Item::Log(_) | Item::End => Ok(()),
        }
    }
}

fn line(item: &Item, out: &mut dyn Write) -> fmt::Result {
    let yes = |is: bool, yes: &'static str, no: &'static str| if is { yes } else { no };
    match item {
        Item::About {
            version,
            seconds,
            exit,
            is_exit,
        } => {
            let what = yes(*is_exit, "exit", "gateway");
            let (version, age) = (Clean(version), Age(u64::from(*seconds)));
            write!(out, ", {what}, version {version}, up {age}")?;
            match exit {
                [0, 0, 0, 0, 0, 0, 0, 0] => writeln!(out),
                exit => writeln!(out, ", by exit {}", NodeId(*exit)),
            }
        }
        Item::Uplink {
            name,
            up,
            lent,
            kbit: (up_kbit, down_kbit),
        } => writeln!(
            out,
            "  uplink {:<16} {}, {}, at most {}/{} kbit/s up/down",
            Clean(name),
            yes(*up, "up", "no way out"),
            yes(*lent, "lent", "not lent"),
            Limit(*up_kbit),
            Limit(*down_kbit)
        ),
        Item::Neighbour {
            member,
            up,
            hops,
            rtt_ms,
        } => writeln!(
            out,
            "  neighbour {} {}, hops {hops}, {rtt_ms} ms",
            NodeId(*member),
            yes(*up, "up", "silent")
        ),
        Item::Member {
            member,
            answers,
            paths,
            bytes: (up, down),
        } => writeln!(
            out,
            "  member {} paths {paths}, {} MB up, {} MB down{}",
            NodeId(*member),
            Tenths::mega(*up),
            Tenths::mega(*down),
            yes(*answers, "", ", takes no part in the control network")
        ),
        Item::NotShared => out.write_str(", its owner does not share this\n"),
        Item::Day { .. } | Item::Path { .. } | Item::Log(_) | Item::End => Ok(()),
    }
}

/// A text of somebody else: nothing in it steers a terminal.
struct Clean<'a>(&'a str);

impl Display for Clean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        plain(self.0.as_bytes(), f)
    }
}

/// Lines of plain text of somebody else.
fn plain(text: &[u8], out: &mut dyn Write) -> fmt::Result {
    for &byte in text {
        out.write_char(match byte {
            b' '..=b'~' | b'\n' => byte.into(),
            _ => '?',
        })?;
    }
    Ok(())
}
