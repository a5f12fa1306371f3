//! A member's ledger beside ours: what it says it lent to us against what we say we borrowed, and the other way round.

use crate::daemon::accounts::Accounts;
use crate::daemon::tenths::Tenths;
use burstmesh_core::calendar::Day;
use burstmesh_core::identity::NodeId;
use burstmesh_core::ledger::{Amount, Kind, Row};
use core::fmt::{self, Write};

/// Bytes by which both may differ without being apart: probes of the MTU that are too long for the mesh are counted where they begin,
/// and nowhere else.
const SLACK: u64 = 256 * 1024;

/// What a member has told so far.
#[derive(Debug, Default)]
pub struct Compared {
    /// The first day that it knows of.
    first: Option<Day>,
    lent: Amount,
    borrowed: Amount,
}

/// What one side says beside what the other says.
pub struct Both {
    pub ours: Amount,
    pub theirs: Amount,
    /// What of the difference was lost on the way, as far as that is known.
    pub lost: Amount,
    /// Both began to count at the same time.
    pub together: bool,
}

impl Compared {
    /// It told of a day, in their order.
    pub fn add(
        &mut self,
        accounts: &Accounts,
        member: NodeId,
        day: Day,
        lent: Amount,
        borrowed: Amount,
    ) {
        if day != Day::UNKNOWN {
            // Days before our first one are none that we could know of.
            match first(accounts, member) {
                Some(ours) if day >= ours => {
                    self.first.get_or_insert(day);
                }
                _ => return,
            }
        }
        self.lent.add(lent);
        self.borrowed.add(borrowed);
    }

    /// What both say, from the first day on that both know of.
    fn both(&self, accounts: &Accounts, member: NodeId, ours: Kind, theirs: Amount) -> Both {
        let from = self.first.unwrap_or(Day(u16::MAX));
        let counts = |r: &&Row| {
            r.member == member && r.kind == ours && (r.day == Day::UNKNOWN || r.day >= from)
        };
        Both {
            ours: Amount::total(accounts.rows().iter().filter(counts)),
            theirs,
            lost: Amount::default(),
            together: true,
        }
    }

    /// Shows it, for people or for programs.
    pub fn show(
        &self,
        accounts: &Accounts,
        member: NodeId,
        json: bool,
        out: &mut dyn Write,
    ) -> fmt::Result {
        match (self.first, json) {
            (Some(day), true) => write!(out, ",\"since\":\"{day}\"")?,
            (Some(day), false) => writeln!(out, ", since {day}")?,
            (None, true) => {}
            (None, false) => writeln!(out)?,
        }
        let lent = self.both(accounts, member, Kind::Lent, self.borrowed);
        let borrowed = self.both(accounts, member, Kind::Borrowed, self.lent);
        for (name, both) in [("lent", lent), ("borrowed", borrowed)] {
            if json {
                write!(out, ",\"{name}\":{{")?;
                both.fields(out)?;
                out.write_char('}')?;
            } else {
                write!(out, "  {name:<24} ")?;
                both.line(out)?;
            }
        }
        Ok(())
    }
}

impl Both {
    /// For programs.
    // Apart from who writes it, as the line is: a copy is hundreds of bytes on a router.
    #[inline(never)]
    pub fn fields(&self, out: &mut dyn Write) -> fmt::Result {
        let Self { ours, theirs, .. } = self;
        write!(
            out,
            "\"up_bytes\":{},\"down_bytes\":{},\"their_up_bytes\":{},\"their_down_bytes\":{},\"apart_percent\":{}",
            ours.up,
            ours.down,
            theirs.up,
            theirs.down,
            Tenths(self.apart())
        )
    }

    /// For people.
    #[inline(never)]
    pub fn line(&self, out: &mut dyn Write) -> fmt::Result {
        let Self { ours, theirs, .. } = self;
        let mega = Tenths::mega;
        write!(
            out,
            "{}/{} MB up/down, it says {}/{}: ",
            mega(ours.up),
            mega(ours.down),
            mega(theirs.up),
            mega(theirs.down)
        )?;
        if !self.together {
            return out.write_str("not since the same time\n");
        }
        let Amount { up, down } = self.lost;
        if up + down >= 100_000 {
            write!(out, "{}/{} lost, ", mega(up), mega(down))?;
        }
        writeln!(out, "{} % apart", Tenths(self.apart()))
    }

    /// How far they are apart without what was lost, in tenths of a per cent of the larger one.
    pub fn apart(&self) -> u64 {
        if !self.together {
            return 0;
        }
        let less = |all: Amount, up, down| Amount {
            up: all.up.saturating_sub(up),
            down: all.down.saturating_sub(down),
        };
        // What is lost on the way up is missing there, and on the way down here.
        let ours = less(self.ours, self.lost.up, 0).sum();
        let theirs = less(self.theirs, 0, self.lost.down).sum();
        // What is too large to be multiplied is divided first.
        let part = (ours.max(theirs) / 1_000).max(1);
        let off = ours.abs_diff(theirs).saturating_sub(SLACK);
        (off / part).min(1_000)
    }
}

/// The first day of ours with this member.
fn first(accounts: &Accounts, member: NodeId) -> Option<Day> {
    let with = |r: &&Row| r.member == member && r.day != Day::UNKNOWN;
    accounts.rows().iter().filter(with).map(|r| r.day).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_is_a_part_of_the_larger_amount() {
        let amount = |(up, down)| Amount { up, down };
        let apart = |ours, theirs| {
            let both = Both {
                ours: amount(ours),
                theirs: amount(theirs),
                lost: Amount::default(),
                together: true,
            };
            both.apart()
        };
        assert_eq!(apart((0, 0), (0, 0)), 0);
        assert_eq!(apart((500_000, 500_000), (1_000_000, 0)), 0);
        assert_eq!(apart((100_000_000, SLACK), (99_000_000, 0)), 9);
        assert_eq!(apart((0, SLACK), (0, 0)), 0);
        assert_eq!(apart((0, 0), (0, 700_000_000)), 999);
        assert_eq!(apart((u64::MAX, u64::MAX), (0, 1)), 999);
    }
}
