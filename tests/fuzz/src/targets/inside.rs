//! The control network: messages, and packets that reach a stack which listens.

use burstmesh_control_net::{Memory, Net, Service};
use burstmesh_core::identity::NodeId;
use burstmesh_core::time::{Duration, Instant};
use burstmesh_core::wire::inside::{self, Item, MAX_LEN, MTU, Question};
use std::cell::RefCell;

/// Answers with what was asked.
struct Echo;

impl Service for Echo {
    fn item(&mut self, _: Instant, _: Question, asker: NodeId, cursor: &mut u32) -> Option<Item> {
        *cursor += 1;
        (*cursor < 9).then_some(Item::Neighbour {
            member: asker.0,
            up: true,
            hops: 1,
            rtt_ms: *cursor as u16,
        })
    }
}

struct World {
    now: Instant,
    net: Net<2>,
}

thread_local! {
    // One stack for all inputs: it cannot be taken down, as on a router.
    static WORLD: RefCell<World> = RefCell::new(World {
        now: Instant::from_millis(1),
        net: Net::new(Instant::ZERO, NodeId([1; 8]), Box::leak(Box::<Memory<3>>::default()), 7)
            .expect("there is room"),
    });
}

/// A message; and packets, each behind its length (u16). The stack sends nothing but packets from itself, and comes to rest.
pub fn inside(data: &[u8]) {
    if let Ok(Some((Some(item), _))) = inside::parse::<Item>(data) {
        let mut out = [0; MAX_LEN + 1];
        let again = inside::emit(&item, &mut out).unwrap();
        assert_eq!(inside::parse(again), Ok(Some((Some(item), again.len()))));
    }
    let _ = inside::parse::<Question>(data);
    WORLD.with_borrow_mut(|world| {
        let mut rest = data;
        while let Some((len, more)) = rest.split_first_chunk() {
            let len = usize::from(u16::from_be_bytes(*len)).min(more.len());
            let (packet, more) = more.split_at(len);
            let taken = world.net.handle_packet(packet);
            assert!(taken.is_err() || inside::ends(packet).is_ok());
            world.work();
            rest = more;
        }
        // Whoever is half served goes in time.
        for _ in 0..40 {
            let next = world.net.poll_timeout();
            if next == Instant::FAR {
                return;
            }
            world.now = next.max(world.now + Duration::from_millis(200));
            world.work();
        }
    });
}

impl World {
    fn work(&mut self) {
        let mut room = [0; MTU];
        for round in 0.. {
            assert!(round < 1_000, "it does not come to rest");
            while let Some(len) = self.net.poll_transmit(self.now, &mut room) {
                let (from, _) = inside::ends(&room[..len]).expect("a packet of the network");
                assert_eq!(from, NodeId([1; 8]));
            }
            if !self.net.serve(self.now, &mut Echo) {
                return;
            }
        }
    }
}
