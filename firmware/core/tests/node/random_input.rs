use crate::world::{Arrival, Place, World, mesh_addr};
use burstmesh_core::node::Via;

#[test]
fn random_datagrams_panic_nobody_and_change_nothing() {
    let mut w = World::three();
    w.run(4_000);
    for i in 0..20_000 {
        let len = w.random() as usize % 1_500;
        let mut bytes: Vec<u8> = (0..len).map(|_| w.random() as u8).collect();
        // Most of them begin like a message.
        if let Some(first) = bytes.first_mut().filter(|_| i % 8 != 0) {
            *first = 0x10 | (*first & 15);
        }
        let uplink = Via::Uplink {
            uplink: 0,
            exit: 0,
            address: 0,
        };
        let from = w.exits[0].addr;
        let (to, via, from) = match i % 4 {
            0 => (
                Place::Exit(0),
                Via::Listener(0),
                "203.0.113.0:20000".parse().unwrap(),
            ),
            1 => (Place::Gateway(0), uplink, from),
            2 => (Place::Gateway(1), Via::Mesh(0), mesh_addr(0)),
            _ => (
                Place::Gateway(2),
                Via::Mesh(7),
                "[fe80::bad]:1".parse().unwrap(),
            ),
        };
        w.inject(Arrival {
            to,
            via,
            from,
            bytes,
        });
        if i % 20 == 0 {
            w.run(1);
        }
    }
    w.run(2_000);
    assert!(
        w.gateways.iter().all(|g| g.live_paths() == (1, 2)),
        "{}",
        w.describe()
    );
    assert!(w.gateways.iter().all(|g| g.gw().link().sessions() == 1));
}

#[test]
fn random_packets_from_clients_panic_nobody() {
    let mut w = World::three();
    w.run(4_000);
    let key = w.gateways[0].key();
    for i in 0..20_000 {
        let len = w.random() as usize % 1_600;
        let mut p: Vec<u8> = (0..len).map(|_| w.random() as u8).collect();
        if let Some(first) = p.first_mut() {
            *first = [0x45, 0x60, *first, 0x4f][i % 4];
        }
        if i % 3 == 0 && len > 40 {
            // The length that the header says fits.
            let at = if i % 4 == 1 { 4 } else { 2 };
            let said = if i % 4 == 1 { len - 40 } else { len };
            p[at..at + 2].copy_from_slice(&(said as u16).to_be_bytes());
        }
        let now = w.instant();
        w.gateways[0].send(now, &mut p.clone());
        let seat = w.exits[0].seat_of(&key).unwrap();
        w.exits[0].send(now, seat, &mut p);
        if i % 20 == 0 {
            w.run(1);
        }
    }
    w.run(2_000);
    assert!(
        w.gateways.iter().all(|g| g.live_paths() == (1, 2)),
        "{}",
        w.describe()
    );
}
