//! The committed page.

use std::fmt::Write as _;

use burstmesh_lab::profile::Profile;

use crate::cell::{LOADS, Load, PROFILES, Road};
use crate::figures::{Figure, Figures};

/// What the simulator says, as it is committed.
const SIMULATED: &str = include_str!("../../../../lab/snapshot/long.csv");

const HEAD: &str = "# Kernel TCP over emulated lines

Written by `cargo xtask netns-bench`; do not edit. One machine, network namespaces, real daemons and kernel TCP; lines are emulated in user space. Share: payload
received in 15 s, after a start of 5 s, over the sum of all lines' IP-level rates, in percent. Headers alone allow us 95.1, MPTCP 95.2. Nobody is told a rate; all
lines but the first are lent over one mesh of 200 Mbit/s.

- *MPTCP*: the kernel's multipath TCP on the same lines without tunnel or mesh: a client that has an address on each line.
- *best line alone*: the line with the highest rate, through the same agent, over the sum of *all* lines.
- *simulator*: the same cell of [transport.md](transport.md) (`tests/lab/snapshot/long.csv`); *difference*: ours less that, in points.

A canary beside each run tells whether the machine was quiet. A disturbed run is repeated, twice at most, and never averaged; * marks a figure whose third run was
disturbed as well. A profile of P1 to P7 without rows has not been measured yet.

| profile | flow | ours | MPTCP | best line alone | simulator | difference |
|---|---|---|---|---|---|---|
";

const WHY: &str = "
## Where simulator and kernel differ, and why

- The simulator counts 5 to 25 s, this lab 5 to 20 s: a window that still grows has less of its best time here. The simulator's gateways have the tiny profile's packet
  memory, these the usual one; its mesh has no delay, this one 1 ms.
- Where no window has to grow far (equal delays, or sixteen flows) the two agree within a point or two.
- One CUBIC flow over unlike delays (P2, P3) differs by up to 3 points either way. Both leave slow start when the round trip grows, but not at the same
  moment: the simulator has an imitation of the kernel's rule, and its acknowledgements come evenly. From then on the window grows by the cube of time. (Likely, not proved.)
- P5, one flow: the second line, 90 ms later than the first, joins only when as much waits as the first one sends in that time. Before packets might stand for that
  long the kernel's one flow did not get there, and had less than the first line alone (72.4 of 74.0).
- P6 up: the simulator's tiny packet memory overflows in slow start; the usual one here has more room.
- BBR keeps too little waiting to bring the later lines of P2, P3 and P5 in. It is led to them ten seconds after it began, or twenty ([transport.md](transport.md#which-paths-a-burst-uses)), so
  that at most nine of the 15 s that count have all lines. The rows of P2 and P5 are from before that. The simulator has no BBR.
";

/// The page.
pub fn render(figures: &Figures) -> String {
    let mut text = String::from(HEAD);
    for profile in PROFILES.iter().filter_map(|name| Profile::named(name)) {
        for load in &LOADS {
            let of = |road| figures.get(profile.name, road, load);
            let Some(ours) = of(Road::Ours) else {
                continue;
            };
            let simulated = simulated(profile.name, load);
            let _ = writeln!(
                text,
                "| {} {} | {} | {} | {} | {} | {} | {} |",
                profile.name,
                profile.what,
                load.name,
                cell(Some(ours), load),
                cell(of(Road::Mptcp), load),
                cell(of(Road::Alone), load),
                simulated.map_or_else(|| "-".into(), |share| format!("{share:.1}")),
                simulated.map_or_else(|| "-".into(), |share| format!("{:+.1}", ours.share - share)),
            );
        }
    }
    text + WHY
}

fn cell(figure: Option<Figure>, load: &Load) -> String {
    let Some(figure) = figure else {
        return "-".into();
    };
    let mark = if figure.quiet { "" } else { "*" };
    if load.flows > 1 {
        format!("{:.1}{mark}, Jain {:.2}", figure.share, figure.jain)
    } else {
        format!("{:.1}{mark}", figure.share)
    }
}

/// The simulator's share of a cell.
fn simulated(profile: &str, load: &Load) -> Option<f64> {
    let wanted = [profile, load.simulated?];
    SIMULATED.lines().find_map(|line| {
        let mut words = line.split(',');
        let name = [words.next()?, words.next()?];
        let share = words.next()?.parse().ok();
        share.filter(|_| name == wanted)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_that_the_simulator_is_asked_for_is_in_its_table() {
        for profile in PROFILES {
            for load in LOADS.iter().filter(|load| load.simulated.is_some()) {
                let share = simulated(profile, load).unwrap();
                assert!((50.0..100.0).contains(&share), "{profile} {}", load.name);
            }
        }
    }

    #[test]
    fn a_row_has_all_roads_and_marks_what_was_disturbed() {
        let mut figures = Figures::default();
        let figure = |share, quiet| Figure {
            share,
            jain: 1.0,
            quiet,
        };
        let [down, ..] = &LOADS;
        figures.set("P1", Road::Ours, down, figure(91.0, true));
        figures.set("P1", Road::Mptcp, down, figure(94.0, false));
        let text = render(&figures);
        let row = text.lines().find(|line| line.starts_with("| P1")).unwrap();
        let difference = 91.0 - simulated("P1", down).unwrap();
        assert!(row.contains("| CUBIC down | 91.0 | 94.0* | - |"), "{row}");
        assert!(row.ends_with(&format!("| {difference:+.1} |")), "{row}");
    }
}
