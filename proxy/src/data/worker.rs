//! Handshakes on a thread of their own: they need milliseconds of arithmetic, and the store on the disk.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use anyhow::Result;
use burstmesh_core::identity::{CommunityId, PublicKey};
use burstmesh_core::node::job::{Done, Doorkeeper, NotAdmitted, Task};
use burstmesh_core::wire::handshake::Lease;

use crate::config::Dns;
use crate::leases::LeaseBook;

/// The largest inner packet: Ethernet's 1,500 bytes less 58 of overhead.
pub const INNER_MTU: u16 = 1442;

/// The data thread's end.
pub struct Worker {
    tasks: Sender<Task>,
    done: Receiver<Done>,
}

impl Worker {
    /// Starts the thread. `wake` is called when something is done.
    pub fn start(leases: Arc<dyn LeaseBook>, dns: Dns, wake: impl Fn() + Send + 'static) -> Result<Self> {
        let (tasks, todo) = channel::<Task>();
        let (finished, done) = channel();
        thread::Builder::new().name("handshakes".into()).spawn(move || {
            let mut door = Door { leases, dns };
            for task in todo {
                if finished.send(task.run(&mut door)).is_err() {
                    return;
                }
                wake();
            }
        })?;
        Ok(Self { tasks, done })
    }

    /// Gives it work. Lost only if the thread died, which the next handshake repeats.
    pub fn give(&self, task: Task) {
        let _ = self.tasks.send(task);
    }

    /// What is done.
    pub fn take(&self) -> Option<Done> {
        self.done.try_recv().ok()
    }
}

/// Asks the lease book.
struct Door {
    leases: Arc<dyn LeaseBook>,
    dns: Dns,
}

impl Doorkeeper for Door {
    fn admit(&mut self, community: CommunityId, member: &PublicKey) -> Result<Option<Lease>, NotAdmitted> {
        match self.leases.admit(community, member) {
            Ok(lease) => Ok(Some(Lease {
                ipv4: lease.v4.octets(),
                ipv6: lease.v6.unwrap_or(Ipv6Addr::UNSPECIFIED).octets(),
                dns4: self.resolver(|ip| if let IpAddr::V4(v4) = ip { Some(v4.octets()) } else { None }),
                dns6: self.resolver(|ip| if let IpAddr::V6(v6) = ip { Some(v6.octets()) } else { None }),
                mtu: INNER_MTU,
            })),
            Err(why) => {
                tracing::warn!("member {} is not let in: {why}", member.node_id());
                Err(NotAdmitted)
            }
        }
    }
}

impl Door {
    fn resolver<T>(&self, of: impl Fn(IpAddr) -> Option<T>) -> Option<T> {
        let v4 = self.dns.v4.iter().copied().map(IpAddr::V4);
        let v6 = self.dns.v6.iter().copied().map(IpAddr::V6);
        v4.chain(v6).find_map(of)
    }
}
