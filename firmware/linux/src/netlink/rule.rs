//! Policy rules: which table a packet looks in.

use super::Family;
use super::message::Message;
use super::route::Prefix;
use super::socket::{ASK, Rtnl};
use crate::error::{Error, Result};
use crate::path::InterfaceName;
use crate::tool;
use core::ffi::CStr;
use core::fmt::{self, Write};

const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
const FR_ACT_TO_TBL: u8 = 1;

/// Where the `ip` tool may be.
const IP: [&CStr; 4] = [c"/usr/sbin/ip", c"/sbin/ip", c"/usr/bin/ip", c"/bin/ip"];

/// "Packets with this mark look in that table."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The family it is for.
    pub family: Family,
    /// Its place: lower numbers come first.
    pub priority: u32,
    /// The table.
    pub table: u32,
    /// (mark, mask): only packets with `packet mark & mask == mark`.
    pub mark: Option<(u32, u32)>,
    /// Only packets that came in on this interface.
    pub from_interface: Option<InterfaceName>,
    /// Only packets from here.
    pub from: Option<Prefix>,
    /// Only packets to here.
    pub to: Option<Prefix>,
    /// Routes whose prefix is this short or shorter do not count: 0 leaves out the default route.
    pub suppress_prefix_len: Option<u8>,
}

impl Rule {
    /// Every packet of a family looks in `table`.
    pub const fn new(family: Family, priority: u32, table: u32) -> Self {
        Self {
            family,
            priority,
            table,
            mark: None,
            from_interface: None,
            from: None,
            to: None,
            suppress_prefix_len: None,
        }
    }
}

impl Rtnl {
    /// Adds a rule, unless the same one exists.
    pub fn add_rule(&mut self, rule: &Rule) -> Result<()> {
        let flags = ASK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
        let done = self.0.change(
            "add a routing rule",
            message(libc::RTM_NEWRULE, flags, rule),
            &[libc::EEXIST],
        );
        or_by_tool(done, rule.family, "add", rule)
    }

    /// Deletes every rule at `priority`: what an earlier run with another configuration may have left.
    pub fn delete_rules_at(&mut self, family: Family, priority: u32) -> Result<()> {
        // Bounded: somebody may be adding them as fast as we delete.
        for _ in 0..64 {
            let mut message = Message::new(libc::RTM_DELRULE, ASK, &fixed(family, 0, 0, 0));
            message.attribute_u32(FRA_PRIORITY, priority);
            let done = self.0.change("delete routing rules", message, &[]);
            match or_by_tool(done, family, "del", &format_args!("priority {priority}")) {
                Ok(()) => {}
                Err(error) if error.errno == libc::ENOENT => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The rule in the words of the `ip` tool.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "priority {}", self.priority)?;
        for (word, prefix) in [("from", self.from), ("to", self.to)] {
            if let Some(prefix) = prefix {
                write!(f, " {word} {}/{}", prefix.ip, prefix.len)?;
            }
        }
        if let Some((mark, mask)) = self.mark {
            write!(f, " fwmark {mark:#x}/{mask:#x}")?;
        }
        if let Some(name) = self.from_interface {
            write!(f, " iif {}", name.as_str())?;
        }
        write!(f, " lookup {}", self.table)?;
        match self.suppress_prefix_len {
            Some(length) => write!(f, " suppress_prefixlength {length}"),
            None => Ok(()),
        }
    }
}

/// Some that stand between us and the kernel (user-mode emulators, sandboxes) pass everything about routes but refuse
/// rules: there the system's tool does it.
fn or_by_tool(done: Result<()>, family: Family, verb: &str, rule: &dyn fmt::Display) -> Result<()> {
    match done {
        Err(Error {
            errno: libc::EOPNOTSUPP,
            ..
        }) => by_tool(family, verb, rule),
        done => done,
    }
}

fn by_tool(family: Family, verb: &str, rule: &dyn fmt::Display) -> Result<()> {
    let mut line = heapless::String::<256>::new();
    write!(line.as_mut_view(), "rule {verb} {rule}").map_err(Error::from)?;
    // One line of its batch mode, so that no arguments have to be cut apart.
    let arguments = [
        c"ip",
        if family == Family::V4 { c"-4" } else { c"-6" },
        c"-batch",
        c"-",
    ]
    .map(CStr::as_ptr);
    let [name, family, batch, input] = arguments;
    let done = tool::run(
        &IP,
        &[name, family, batch, input, core::ptr::null()],
        line.as_bytes(),
    )?;
    if done.status == 0 {
        return Ok(());
    }
    let words = done.words();
    match verb {
        "add" if has(words, "File exists") => Ok(()),
        "del" if has(words, "No such file") => {
            Err(Error::new("delete a routing rule", libc::ENOENT))
        }
        _ => Err(Error::new(
            "set a routing rule with the ip tool",
            libc::EINVAL,
        )),
    }
}

/// [`str::contains`] is 1.5 KB.
fn has(words: &str, sought: &str) -> bool {
    let mut places = words.as_bytes().windows(sought.len());
    places.any(|place| place == sought.as_bytes())
}

/// family, lengths of destination and source, class, table (in an attribute), two reserved, action, flags
fn fixed(family: Family, to: u8, from: u8, action: u8) -> [u8; 12] {
    [family.number(), to, from, 0, 0, 0, 0, action, 0, 0, 0, 0]
}

fn message(kind: u16, flags: i32, rule: &Rule) -> Message {
    let length = |prefix: Option<Prefix>| prefix.map_or(0, |prefix| prefix.len);
    let mut message = Message::new(
        kind,
        flags,
        &fixed(
            rule.family,
            length(rule.to),
            length(rule.from),
            FR_ACT_TO_TBL,
        ),
    );
    message
        .attribute_u32(FRA_PRIORITY, rule.priority)
        .attribute_u32(FRA_TABLE, rule.table);
    if let Some((mark, mask)) = rule.mark {
        message
            .attribute_u32(FRA_FWMARK, mark)
            .attribute_u32(FRA_FWMASK, mask);
    }
    if let Some(name) = rule.from_interface {
        message.attribute(FRA_IIFNAME, name.with_zero());
    }
    for (kind, prefix) in [(FRA_DST, rule.to), (FRA_SRC, rule.from)] {
        if let Some(prefix) = prefix.filter(|prefix| prefix.len > 0) {
            message.attribute_ip(kind, prefix.ip);
        }
    }
    if let Some(length) = rule.suppress_prefix_len {
        message.attribute_u32(FRA_SUPPRESS_PREFIXLEN, length.into());
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{in_namespace, run};

    #[test]
    fn the_tool_sets_the_very_rules_that_the_kernel_is_asked_for() {
        in_namespace(|| {
            let mut rtnl = Rtnl::open().unwrap();
            for (family, flag, from) in
                [(Family::V4, "-4", "10.0.0.0"), (Family::V6, "-6", "fd00::")]
            {
                let before = run(&format!("ip {flag} rule"));
                let rule = Rule {
                    mark: Some((0x10000, 0xff_0000)),
                    from: Some(Prefix {
                        ip: from.parse().unwrap(),
                        len: 24,
                    }),
                    from_interface: Some(InterfaceName::new("br-lan").unwrap()),
                    suppress_prefix_len: Some(0),
                    ..Rule::new(family, 900, 7000)
                };
                by_tool(family, "add", &rule).unwrap();
                rtnl.add_rule(&rule).unwrap();
                by_tool(family, "add", &rule).unwrap();
                assert_eq!(
                    run(&format!("ip {flag} rule")).lines().count(),
                    before.lines().count() + 1
                );
                by_tool(family, "del", &rule).unwrap();
                assert_eq!(
                    by_tool(family, "del", &rule).unwrap_err().errno,
                    libc::ENOENT
                );
                assert_eq!(run(&format!("ip {flag} rule")), before);
            }
        });
    }
}
