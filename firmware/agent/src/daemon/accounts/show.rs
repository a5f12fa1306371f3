//! What `burstmesh ledger` shows: a table for people, JSON and CSV for programs.

use super::{Accounts, Ledger};
use crate::daemon::tenths::Tenths;
use crate::json::Quoted;
use burstmesh_core::calendar::Day;
use burstmesh_core::ledger::book::NOBODY;
use burstmesh_core::ledger::{Kind, Row};
use core::fmt::{self, Display, Write};
use heapless::String;

impl Accounts {
    /// Answers one line from the control socket that begins with `ledger`.
    pub fn answer(&mut self, line: &str, out: &mut dyn Write) {
        let _ = match line {
            "ledger" => table(self.ledger, out),
            "ledger json" => json(self.ledger, out),
            "ledger csv" => csv(self.ledger, out),
            _ => match line.strip_prefix("ledger forget ").map(str::parse) {
                Some(Ok(day)) => {
                    self.ledger.forget(Day(day));
                    writeln!(out, "forgotten: {} and all before it", Day(day))
                }
                _ => writeln!(out, "unknown request '{line}'"),
            },
        };
    }
}

/// A text of its own, so that it can be padded.
fn text<const N: usize>(what: impl Display) -> String<N> {
    let mut text = String::new();
    let _ = write!(text, "{what}");
    text
}

fn table(ledger: &Ledger, out: &mut dyn Write) -> fmt::Result {
    writeln!(
        out,
        "{:<10} {:<16} {:<30} {:>14} {:>14}",
        "day", "uplink", "", "up", "down"
    )?;
    for row in ledger.in_order() {
        let who: String<32> = match (row.kind, row.member) {
            (Kind::Own, _) => text("the household"),
            (Kind::Lent, NOBODY) => text("lent"),
            (Kind::Lent, member) => text(format_args!("lent to {member}")),
            (Kind::Borrowed, NOBODY) => text("borrowed"),
            (Kind::Borrowed, member) => text(format_args!("borrowed from {member}")),
        };
        let (day, uplink) = (text::<10>(row.day), uplink(ledger, row));
        let (up, down) = (Tenths::mega(row.amount.up), Tenths::mega(row.amount.down));
        writeln!(
            out,
            "{day:<10} {uplink:<16} {who:<30} {up:>11} MB {down:>11} MB"
        )?;
    }
    Ok(())
}

fn json(ledger: &Ledger, out: &mut dyn Write) -> fmt::Result {
    write!(out, "[")?;
    for (n, row) in ledger.in_order().enumerate() {
        let comma = if n == 0 { "" } else { "," };
        write!(
            out,
            "{comma}{{\"day\":\"{}\",\"kind\":\"{}\",\"uplink\":{},\"member\":\"{}\",\"up_bytes\":{},\"down_bytes\":{}}}",
            row.day,
            word(row.kind),
            Quoted(&uplink(ledger, row)),
            member(row),
            row.amount.up,
            row.amount.down
        )?;
    }
    writeln!(out, "]")
}

fn csv(ledger: &Ledger, out: &mut dyn Write) -> fmt::Result {
    writeln!(out, "day,kind,uplink,member,up_bytes,down_bytes")?;
    for row in ledger.in_order() {
        writeln!(
            out,
            "{},{},{},{},{},{}",
            row.day,
            word(row.kind),
            uplink(ledger, row),
            member(row),
            row.amount.up,
            row.amount.down
        )?;
    }
    Ok(())
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Own => "own",
        Kind::Lent => "lent",
        Kind::Borrowed => "borrowed",
    }
}

/// The name of our uplink; of what was borrowed the lender's number.
fn uplink(ledger: &Ledger, row: &Row) -> String<16> {
    match row.kind {
        Kind::Borrowed => text(row.uplink),
        _ => text(ledger.name(row.uplink)),
    }
}

/// Empty for the household, and where members were added up.
fn member(row: &Row) -> String<16> {
    match row.member {
        NOBODY => String::new(),
        member => text(member),
    }
}
