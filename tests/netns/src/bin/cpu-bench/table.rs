//! The committed table.

use std::fmt::Write as _;

use crate::measure::{Calls, Load, Row};

/// One tunnel in a line, for the terminal.
pub fn line(row: &Row) -> String {
    let load = |l: &Load| {
        format!(
            "{:.2} s/GB ({:.2} user) at {:.0} Mbit/s",
            l.all,
            l.user,
            l.rate / 1e6
        )
    };
    let calls = |c: &Option<Calls>| match c {
        Some(c) => format!("{} ({})", each(c), c.which),
        None => "-".into(),
    };
    format!(
        "{}: up {}; down {}; UDP {}; rtt {:.2} ms beside UDP; calls down {}; calls UDP {}",
        row.tunnel.name(),
        load(&row.up),
        load(&row.down),
        load(&row.udp),
        row.rtt,
        calls(&row.calls),
        calls(&row.udp_calls),
    )
}

fn each(calls: &Calls) -> String {
    let [gateway, exit] = calls.each;
    format!("{gateway:.2} / {exit:.2}")
}

/// The page.
pub fn render(rows: &[Row]) -> String {
    let mut text = String::from(
        "# Processor time\n\n\
         Written by `cargo xtask cpu-bench`: a LAN client, a gateway, an exit and a web server in network namespaces of one machine, joined\n\
         as fast as it goes; each tunnel between gateway and exit in turn. CPU-seconds per GB (10^9 bytes of payload) of both ends' processes\n\
         together, system time included, and in parentheses the part outside the kernel (in steps of the kernel's clock); of UDP the median of five loads. Payload Mbit/s says how fast it went meanwhile.\n\n\
         | tunnel | TCP, 1 flow up | down | UDP 20 Mbit/s up | added delay, ms | system calls per packet, gateway / exit: down | UDP |\n\
         |---|---|---|---|---|---|---|\n",
    );
    let plain = rows.first().map_or(0.0, |row| row.rtt);
    for row in rows {
        let load = |l: &Load| format!("{:.1} ({:.1}), {:.0} Mbit/s", l.all, l.user, l.rate / 1e6);
        let calls = |c: &Option<Calls>| c.as_ref().map_or_else(|| "-".into(), each);
        let udp = format!("{:.1} ({:.1})", row.udp.all, row.udp.user);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {udp} | {:.2} | {} | {} |",
            row.tunnel.name(),
            load(&row.up),
            load(&row.down),
            row.rtt - plain,
            calls(&row.calls),
            calls(&row.udp_calls)
        );
    }
    text += "\nAdded delay: median round trip of single datagrams at irregular times beside the UDP flow, less that without a tunnel. System calls: strace beside the same loads.\n";
    text
}
