//! The packets: between the members' datagrams and the interface to the Internet.

mod inside;
mod members;
mod memory;
mod publish;
mod serve;
mod sockets;
mod sources;
#[cfg(test)]
mod tests;
mod worker;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use burstmesh_core::identity::Identity;
use burstmesh_linux::tun::Tun;

use crate::config::Dns;
use crate::leases::LeaseBook;
use crate::lifecycle::Lifecycle;
use crate::status::Board;

pub use memory::Plan;

/// Everything the data thread is given. By then rules, interface and addresses are in place.
pub struct Engine {
    /// UDP addresses to listen on.
    pub listen: Vec<SocketAddr>,
    /// The exit's own key.
    pub identity: Identity,
    /// Up, with the exit's addresses. See [`crate::tun::set_mtu`].
    pub tun: Tun,
    /// Resolvers to tell members.
    pub dns: Dns,
    /// How many members can be here, with how much memory.
    pub plan: Plan,
    /// Communities, and leases for those who prove to belong to one. To be asked from the handshake thread.
    pub leases: Arc<dyn LeaseBook>,
    /// Where live members and refusals are published once a second.
    pub board: Arc<Board>,
    /// When to stop, when to ask for the communities again; to be told `ready` and, once a second, `alive`.
    pub lifecycle: Arc<Lifecycle>,
}

/// Serves until [`Lifecycle::stopping`].
///
/// # Errors
/// What makes it impossible to serve: an address that cannot be bound.
pub fn run(engine: Engine) -> Result<()> {
    serve::Server::new(engine)?.run()
}
