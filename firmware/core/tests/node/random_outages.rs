use crate::world::packet::{FAR, leased, packet};
use crate::world::{Line, World};
use std::collections::BTreeSet;

/// Changes something about the network at random.
fn stir(w: &mut World) {
    let (what, g) = (w.random() % 12, w.random() as usize % w.gateways.len());
    match what {
        0 | 1 => w.gateways[g].lines[0].silent = true,
        2..=5 => w.gateways[g].lines[0].silent = false,
        6 => {
            let loss = w.random() % 80_000;
            w.gateways[g].lines[0].both(|d| d.loss_ppm = loss);
        }
        7 => {
            let delay = 2_000 + w.random() % 60_000;
            w.gateways[g].lines[0].both(|d| d.delay = delay);
        }
        8 => w.mesh.channel.loss_ppm = w.random() % 50_000,
        9 => w.mesh.cut = w.random().is_multiple_of(3),
        10 => w.gateways[g].lines[0].rebinds += 1,
        _ => {
            let (now, rate) = (w.now, 250_000 + w.random() % 3_000_000);
            w.gateways[g].lines[0].both(|d| d.set_rate(now, rate));
        }
    }
}

fn at_most_once(ids: &[u32], sent: u32) {
    let unlike: BTreeSet<u32> = ids.iter().copied().collect();
    assert_eq!(unlike.len(), ids.len(), "delivered twice");
    assert!(unlike.last().is_none_or(|last| *last < sent));
}

fn storm(seed: u64) {
    let mut w = World::three();
    w.reseed(seed);
    w.run(3_000);
    let mut next = [0u32; 2];
    for _ in 0..60 {
        stir(&mut w);
        let burst = w.random() % 3;
        w.run_with(500, 2_000, |w| {
            let (now, key) = (w.instant(), w.gateways[0].key());
            for flow in 0..2u16 {
                let n = if flow == 0 { 1 } else { burst * 4 };
                for _ in 0..n {
                    let id = next[usize::from(flow)];
                    next[usize::from(flow)] += 1;
                    let len = 60 + (id as usize * 37) % 1_300;
                    w.gateways[0].send(now, &mut packet(leased(0), FAR, flow, id, len));
                    if let Some(seat) = w.exits[0].seat_of(&key) {
                        w.exits[0].send(now, seat, &mut packet(FAR, leased(0), flow, id, len));
                    }
                }
            }
        });
    }
    // Calm again, everything comes back.
    (w.mesh.cut, w.mesh.channel.loss_ppm) = (false, 0);
    for g in &mut w.gateways {
        g.lines[0] = Line {
            rebinds: g.lines[0].rebinds,
            ..Line::mbit(20, 10)
        };
    }
    w.run_until(15_000, |w| {
        w.gateways.iter().all(|g| g.live_paths() == (1, 2))
    });
    for flow in 0..2u16 {
        let sent = next[usize::from(flow)];
        let (up, down) = (w.exits[0].at(0).flow(flow), w.gateways[0].at.flow(flow));
        println!(
            "seed {seed} flow {flow}: sent {sent} up {} down {}",
            up.len(),
            down.len()
        );
        at_most_once(&up, sent);
        at_most_once(&down, sent);
        // Far more is sent than the lines carry in such weather; most of it the queue drops.
        assert!(up.len() as u32 > sent / 12, "{}", w.describe());
    }
    assert_eq!((w.exits[0].at(0).corrupt, w.gateways[0].at.corrupt), (0, 0));
}

#[test]
fn packets_come_at_most_once_and_unchanged_through_random_outages() {
    (1..=6).for_each(storm);
}
