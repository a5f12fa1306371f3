//! The amounts, in a bounded table. When it is full, the oldest days lose their members first (their sum per uplink stays),
//! and then the oldest day goes.

use crate::calendar::Day;
use crate::error::Refusal;
use crate::identity::NodeId;
use crate::wire::bytes::{Reader, Writer};
use crate::wire::control::MAX_UPLINKS;
use core::cmp::Reverse;
use heapless::{String, Vec};

/// Bytes of a row as it is kept.
const ROW: usize = 27;
/// Bytes of an uplink's name.
pub const NAME: usize = 15;
/// Nobody in particular: the household itself, or members whose rows were added up.
pub const NOBODY: NodeId = NodeId([0; 8]);

/// IP bytes in both directions, as the household sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Towards the Internet.
    pub up: u64,
    /// From the Internet.
    pub down: u64,
}

impl Amount {
    /// What these rows have together.
    pub fn total<'a>(rows: impl Iterator<Item = &'a Row>) -> Self {
        let mut total = Self::default();
        for row in rows {
            total.add(row.amount);
        }
        total
    }
    /// Both directions.
    pub fn sum(self) -> u64 {
        self.up.saturating_add(self.down)
    }
    /// Adds.
    #[inline(never)]
    pub fn add(&mut self, more: Self) {
        self.up = self.up.saturating_add(more.up);
        self.down = self.down.saturating_add(more.down);
    }
}

/// For whom bytes were carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// For the household, over its own uplink.
    Own,
    /// For a member, over our uplink.
    Lent,
    /// For us, over a member's uplink.
    Borrowed,
}

/// One line of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// When.
    pub day: Day,
    /// For whom.
    pub kind: Kind,
    /// Our uplink by its place in the ledger ([`Ledger::name`]); of borrowed bytes the lender's number.
    pub uplink: u8,
    /// Who borrowed or lent.
    pub member: NodeId,
    /// How much.
    pub amount: Amount,
}

impl Row {
    /// What a row is about, in the order in which rows are shown.
    fn place(&self) -> (Reverse<Day>, Kind, u8, NodeId) {
        (Reverse(self.day), self.kind, self.uplink, self.member)
    }
}

/// All that is known, in at most `ROWS` rows of 32 bytes.
#[derive(Clone, Debug, Default)]
pub struct Ledger<const ROWS: usize> {
    names: [String<NAME>; MAX_UPLINKS],
    rows: Vec<Row, ROWS>,
}

impl<const ROWS: usize> Ledger<ROWS> {
    /// Nothing is known.
    pub const fn new() -> Self {
        Self {
            names: [const { String::new() }; MAX_UPLINKS],
            rows: Vec::new(),
        }
    }

    /// All rows, in no order.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// All rows: the newest day first, then the household's own, what was lent, what was borrowed.
    pub fn in_order(&self) -> impl Iterator<Item = &Row> {
        // Shown rarely, so it is not kept sorted: each time the next one is looked for.
        let after = |last: Option<&Row>| {
            let behind = self
                .rows
                .iter()
                .filter(|r| last.is_none_or(|l| r.place() > l.place()));
            behind.min_by_key(|r| r.place())
        };
        core::iter::successors(after(None), move |last| after(Some(last)))
    }

    /// The name of the uplink at a place.
    pub fn name(&self, place: u8) -> &str {
        self.names
            .get(usize::from(place))
            .map_or("", String::as_str)
    }

    /// The place of the uplink with this name, if it has one.
    pub fn find(&self, name: &str) -> Option<u8> {
        let at = self.names.iter().position(|n| n == name)?;
        Some(at as u8)
    }

    /// The place of the uplink with this name: a new one takes a free place, or that of one of which `used` knows nothing.
    pub fn place_of(&mut self, name: &str, used: impl Fn(&str) -> bool) -> Option<u8> {
        if let Some(at) = self.find(name) {
            return Some(at);
        }
        let free = self.names.iter().position(|n| n.is_empty());
        let at = free.or_else(|| self.names.iter().position(|n| !used(n)))?;
        self.rows
            .retain(|r| usize::from(r.uplink) != at || r.kind == Kind::Borrowed);
        *self.names.get_mut(at)? = String::try_from(name).ok()?;
        Some(at as u8)
    }

    /// Books an amount.
    pub fn book(&mut self, row: Row) {
        if row.amount == Amount::default() {
            return;
        }
        match self.rows.iter_mut().find(|r| r.place() == row.place()) {
            Some(known) => known.amount.add(row.amount),
            None => {
                while self.rows.is_full() {
                    self.make_room();
                }
                let _ = self.rows.push(row);
            }
        }
    }

    /// Now it is known which day it is, at each uplink (it depends on the time zone): what was booked under none belongs to
    /// it.
    pub fn date_unknown(&mut self, today: impl Fn(&Row) -> Day) {
        while let Some(at) = self.rows.iter().position(|r| r.day == Day::UNKNOWN) {
            let row = self.rows.swap_remove(at);
            let day = today(&row).max(Day(1));
            self.book(Row { day, ..row });
        }
    }

    /// What went over an uplink of ours since a day, unknown days included.
    pub fn total(&self, uplink: u8, since: Day) -> Amount {
        let counts = |r: &&Row| {
            r.uplink == uplink
                && r.kind != Kind::Borrowed
                && (r.day >= since || r.day == Day::UNKNOWN)
        };
        let mut sum = Amount::default();
        self.rows
            .iter()
            .filter(counts)
            .for_each(|r| sum.add(r.amount));
        sum
    }

    /// Forgets a day and all days before it.
    pub fn forget(&mut self, through: Day) {
        self.rows.retain(|r| r.day > through);
    }

    /// Adds up a member's row of the oldest day that has one; without any, drops the oldest day.
    fn make_room(&mut self) {
        let named = self
            .rows
            .iter()
            .enumerate()
            .filter(|(_, r)| r.member != NOBODY);
        if let Some(at) = named.min_by_key(|(_, r)| r.day).map(|(at, _)| at) {
            let row = self.rows.swap_remove(at);
            let member = NOBODY;
            return self.book(Row { member, ..row });
        }
        if let Some(oldest) = self.rows.iter().map(|r| r.day).min() {
            self.forget(oldest);
        }
    }

    /// Writes everything: names, then rows.
    pub fn emit(&self, out: &mut Writer<'_>) -> Result<(), Refusal> {
        for name in &self.names {
            let mut field = [0; NAME];
            let bytes = name.as_bytes();
            field
                .get_mut(..bytes.len())
                .ok_or(Refusal::Full)?
                .copy_from_slice(bytes);
            out.put(&field)?;
        }
        out.u16(self.rows.len() as u16)?;
        for r in &self.rows {
            out.u16(r.day.0)?;
            let kind = match r.kind {
                Kind::Own => 0,
                Kind::Lent => 1,
                Kind::Borrowed => 2,
            };
            out.u8(kind << 4 | (r.uplink & 15))?;
            out.put(&r.member.0)?;
            out.u64(r.amount.up)?;
            out.u64(r.amount.down)?;
        }
        Ok(())
    }

    /// Reads what [`Self::emit`] wrote. A build with fewer rows keeps the newest.
    pub fn read(&mut self, from: &mut Reader<'_>) -> Result<(), Refusal> {
        *self = Self::new();
        for name in &mut self.names {
            let field: [u8; NAME] = from.array()?;
            let end = field.iter().position(|b| *b == 0).unwrap_or(NAME);
            let text = core::str::from_utf8(field.get(..end).unwrap_or_default());
            *name = text
                .ok()
                .and_then(|t| String::try_from(t).ok())
                .ok_or(Refusal::Malformed)?;
        }
        for _ in 0..from.u16()? {
            let day = Day(from.u16()?);
            let (kind, uplink) = match from.u8()? {
                n @ 0..16 => (Kind::Own, n),
                n @ 16..32 => (Kind::Lent, n - 16),
                n @ 32..48 => (Kind::Borrowed, n - 32),
                _ => return Err(Refusal::Malformed),
            };
            let member = NodeId(from.array()?);
            let (up, down) = (from.u64()?, from.u64()?);
            self.book(Row {
                day,
                kind,
                uplink,
                member,
                amount: Amount { up, down },
            });
        }
        Ok(())
    }

    /// Most bytes that [`Self::emit`] writes.
    pub const EMITTED: usize = NAME * MAX_UPLINKS + 2 + ROW * ROWS;
}

#[cfg(test)]
mod tests;
