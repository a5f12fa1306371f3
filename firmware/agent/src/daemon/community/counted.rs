//! What the exit counted beside what we did: on our own paths, and on those of members that lead over lines of ours.

use super::compare::Both;
use super::show::Page;
use crate::daemon::status::View;
use burstmesh_core::identity::NodeId;
use burstmesh_core::ledger::Amount;
use burstmesh_core::node::gateway::Relay;
use burstmesh_core::wire::inside::Item;
use core::fmt::{self, Display, Write};

/// Longest datagram with its headers: so much is gone with each that was lost.
const LARGEST: u64 = 1_500;
/// Counts that began further apart than this, in seconds, are not compared.
const TOGETHER: u64 = 5;

/// What the exit has said so far of the paths over a line that is lent.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counted {
    amount: Amount,
    lost: [u32; 2],
    /// Seconds since the first of them was opened.
    seconds: u32,
    paths: u32,
}

impl Counted {
    /// It counted this.
    pub fn add(&mut self, item: &Item) {
        if let Item::Path {
            seconds,
            bytes: (up, down),
            lost: (lost_up, lost_down),
            ..
        } = *item
        {
            self.amount.add(Amount { up, down });
            let [ups, downs] = self.lost;
            self.lost = [ups.saturating_add(lost_up), downs.saturating_add(lost_down)];
            self.seconds = self.seconds.max(seconds);
            self.paths += 1;
        }
    }

    fn beside(&self, ours: Amount, seconds: u64) -> Both {
        let theirs = self.amount;
        let [up, down] = self.lost.map(|n| u64::from(n) * LARGEST);
        Both {
            ours,
            theirs,
            lost: Amount {
                up: ours.up.saturating_sub(theirs.up).min(up),
                down: theirs.down.saturating_sub(ours.down).min(down),
            },
            together: seconds.abs_diff(self.seconds.into()) <= TOGETHER,
        }
    }

    /// Shows it beside what was lent, if the exit knows of it.
    pub fn show_lent(
        &self,
        view: &View<'_>,
        relay: &Relay,
        page: &mut Page,
        out: &mut dyn Write,
    ) -> fmt::Result {
        if self.paths == 0 {
            return Ok(());
        }
        let borrower = view.peer(relay.peer).map(|p| p.key.node_id());
        let carried = &relay.carried;
        let ours = Amount {
            up: carried.up_bytes,
            down: carried.down_bytes,
        };
        let both = self.beside(ours, view.now.since(relay.since).as_millis() / 1_000);
        let name = borrower.unwrap_or(NodeId([0; 8]));
        both.show("exit_lent", "lent", &name, page, out)
    }
}

impl Both {
    /// A row of this list.
    fn show(
        &self,
        list: &'static str,
        what: &str,
        with: &dyn Display,
        page: &mut Page,
        out: &mut dyn Write,
    ) -> fmt::Result {
        if !page.is_json() {
            let mut name = heapless::String::<32>::new();
            write!(name, "{what} {with}")?;
            write!(out, "  {name:<24} ")?;
            return self.line(out);
        }
        page.open(list, out)?;
        let Amount { up, down } = self.lost;
        write!(
            out,
            "{{\"with\":\"{with}\",\"lost_up_bytes\":{up},\"lost_down_bytes\":{down},\"same_time\":{},",
            self.together
        )?;
        self.fields(out)?;
        out.write_char('}')
    }
}

/// The exit told of one of our own paths: shows that beside our count of it.
pub fn show_own(view: &View<'_>, item: &Item, page: &mut Page, out: &mut dyn Write) -> fmt::Result {
    let mut counted = Counted::default();
    counted.add(item);
    let mut paths = view.gateway.link().tunnel().paths();
    let same = |id| matches!(*item, Item::Path { id: theirs, .. } if theirs == id);
    // It may know of one longer than we do.
    let Some((at, path)) = paths.find(|(_, p)| same(p.id())) else {
        return Ok(());
    };
    let mut name = heapless::String::<24>::new();
    view.way(at, &mut name)?;
    let c = path.counters();
    let ours = Amount {
        up: c.tx_bytes,
        down: c.rx_bytes,
    };
    // One path has one beginning.
    let both = counted.beside(ours, counted.seconds.into());
    both.show("exit_paths", "by", &name, page, out)
}

/// A loan, as it is known while somebody is asked about it: others come and lapse meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loan {
    /// Its name.
    pub id: u32,
    /// The connection ID of its path.
    pub cid: u32,
}

/// The loans over lines of ours towards the exit in use, with their places among all.
pub fn loans<'a>(view: &View<'a>) -> impl Iterator<Item = (usize, Loan, &'a Relay)> {
    let (used, now) = (view.gateway.link().exit(), view.now);
    let all = view.gateway.relays().enumerate();
    all.filter_map(move |(at, relay)| {
        let (id, cid) = (relay.id, *relay.cids.first()?);
        let counts = relay.exit().map(usize::from) == Some(used) && relay.until >= now;
        counts.then_some((at, Loan { id, cid }, relay))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(seconds: u32, bytes: (u64, u64), lost: (u32, u32)) -> Item {
        Item::Path {
            id: 1,
            seconds,
            bytes,
            lost,
        }
    }

    fn counted(paths: &[Item]) -> Counted {
        let mut all = Counted::default();
        paths.iter().for_each(|path| all.add(path));
        all
    }

    fn amount(up: u64, down: u64) -> Amount {
        Amount { up, down }
    }

    #[test]
    fn what_was_lost_is_told_and_is_not_apart() {
        // 1 MB of ten did not reach the exit, and 2 MB of what it sent did not reach us: that many datagrams were lost.
        let exit = counted(&[path(60, (9_000_000, 10_000_000), (700, 1_400))]);
        let both = exit.beside(amount(10_000_000, 8_000_000), 58);
        assert_eq!(both.lost, amount(1_000_000, 2_000_000));
        assert_eq!((both.apart(), both.together), (0, true));
    }

    #[test]
    fn what_no_lost_datagram_explains_is_apart() {
        // Only 100 are known to be lost.
        let exit = counted(&[path(60, (5_000_000, 0), (100, 0))]);
        let both = exit.beside(amount(10_000_000, 0), 60);
        assert_eq!(both.lost, amount(150_000, 0));
        assert!((450..490).contains(&both.apart()), "{}", both.apart());
        // More than was ever sent: nothing that was lost explains that.
        let both = exit.beside(amount(1_000_000, 0), 60);
        assert_eq!(both.lost, amount(0, 0));
        assert!(both.apart() > 700, "{}", both.apart());
    }

    #[test]
    fn counts_that_began_at_different_times_are_not_compared_and_the_oldest_path_counts() {
        let exit = counted(&[path(60, (1, 2), (0, 1)), path(500, (10, 20), (3, 0))]);
        assert_eq!((exit.amount, exit.lost), (amount(11, 22), [3, 1]));
        assert!(!exit.beside(amount(11, 22), 60).together);
        assert!(exit.beside(amount(11, 22), 498).together);
    }
}
