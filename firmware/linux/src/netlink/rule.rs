//! Policy rules: which table a packet looks in.

use super::message::Message;
use super::route::Prefix;
use super::socket::{ASK, Rtnl};
use super::Family;
use crate::error::Result;
use crate::path::InterfaceName;

const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
const FR_ACT_TO_TBL: u8 = 1;

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
        Self { family, priority, table, mark: None, from_interface: None, from: None, to: None, suppress_prefix_len: None }
    }
}

impl Rtnl {
    /// Adds a rule, unless the same one exists.
    pub fn add_rule(&mut self, rule: &Rule) -> Result<()> {
        let flags = ASK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
        self.0.change("add a routing rule", message(libc::RTM_NEWRULE, flags, rule), &[libc::EEXIST])
    }

    /// Deletes a rule.
    pub fn delete_rule(&mut self, rule: &Rule) -> Result<()> {
        self.0.change("delete a routing rule", message(libc::RTM_DELRULE, ASK, rule), &[libc::ENOENT])
    }

    /// Deletes every rule at `priority`: what an earlier run with another configuration may have left.
    pub fn delete_rules_at(&mut self, family: Family, priority: u32) -> Result<()> {
        // Bounded: somebody may be adding them as fast as we delete.
        for _ in 0..64 {
            let mut message = Message::new(libc::RTM_DELRULE, ASK, &fixed(family, 0, 0, 0));
            message.attribute_u32(FRA_PRIORITY, priority);
            match self.0.change("delete routing rules", message, &[]) {
                Ok(()) => {}
                Err(error) if error.errno == libc::ENOENT => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// family, lengths of destination and source, class, table (in an attribute), two reserved, action, flags
fn fixed(family: Family, to: u8, from: u8, action: u8) -> [u8; 12] {
    [family.number(), to, from, 0, 0, 0, 0, action, 0, 0, 0, 0]
}

fn message(kind: u16, flags: i32, rule: &Rule) -> Message {
    let length = |prefix: Option<Prefix>| prefix.map_or(0, |prefix| prefix.len);
    let mut message = Message::new(kind, flags, &fixed(rule.family, length(rule.to), length(rule.from), FR_ACT_TO_TBL));
    message.attribute_u32(FRA_PRIORITY, rule.priority).attribute_u32(FRA_TABLE, rule.table);
    if let Some((mark, mask)) = rule.mark {
        message.attribute_u32(FRA_FWMARK, mark).attribute_u32(FRA_FWMASK, mask);
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
