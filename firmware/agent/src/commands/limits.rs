//! `burstmesh limits`.

use crate::cli::Exit;
use crate::limits::{BUDGET, PROFILE, TABLE, total};
use burstmesh_linux::process::Output;
use core::fmt::{self, Write};

pub(super) fn run(json: bool) -> Exit {
    let mut out = Output::Standard;
    let written = if json {
        as_json(&mut out)
    } else {
        as_table(&mut out)
    };
    if written.is_ok() {
        Exit::Success
    } else {
        Exit::Failure
    }
}

fn as_table(out: &mut impl Write) -> fmt::Result {
    writeln!(out, "profile {PROFILE}")?;
    writeln!(
        out,
        "{:<28} {:>8} {:>8} {:>10}",
        "", "count", "bytes", "sum"
    )?;
    for line in &TABLE {
        writeln!(
            out,
            "{:<28} {:>8} {:>8} {:>10}",
            line.what,
            line.count,
            line.each,
            line.count * line.each
        )?;
    }
    writeln!(
        out,
        "{:<28} {:>8} {:>8} {:>10} of {BUDGET}",
        "all static memory",
        "",
        "",
        total()
    )
}

fn as_json(out: &mut impl Write) -> fmt::Result {
    write!(
        out,
        "{{\"profile\":\"{PROFILE}\",\"budget\":{BUDGET},\"total\":{},\"parts\":[",
        total()
    )?;
    for (i, l) in TABLE.iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        write!(
            out,
            "{comma}{{\"what\":\"{}\",\"count\":{},\"each\":{}}}",
            l.what, l.count, l.each
        )?;
    }
    writeln!(out, "]}}")
}
