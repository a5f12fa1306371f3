//! The agent's UDP sockets: one per mesh interface, one per uplink and exit address, made when first needed.

use crate::config::Config;
use burstmesh_core::data::pieces::Pieces;
use burstmesh_core::node::Via;
use burstmesh_core::node::gateway::GROUP;
use burstmesh_linux::error::Result;
use burstmesh_linux::poll::{Interest, Poll};
use burstmesh_linux::udp::{Options, UdpSocket};
use burstmesh_linux::{debug, warn};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Most sockets at a time.
pub const MAX: usize = 24;
/// Socket tokens in the poll set start here.
pub const FIRST_TOKEN: u32 = 100;
const BUFFER: u32 = 1 << 20;

/// One socket.
#[derive(Debug)]
pub struct Socket {
    /// What it is for.
    pub via: Via,
    /// The socket.
    pub udp: UdpSocket,
    /// The interface that link-local destinations are on; 0: none.
    scope: u32,
}

/// All sockets. Their places are their poll tokens.
#[derive(Debug, Default)]
pub struct Sockets {
    table: [Option<Socket>; MAX],
    segmentation: bool,
}

impl Sockets {
    /// None yet. `segmentation`: the kernel takes runs of datagrams in one piece.
    pub fn new(segmentation: bool) -> Self {
        Self {
            segmentation,
            ..Self::default()
        }
    }

    /// The socket at a place.
    pub fn at(&self, place: usize) -> Option<&Socket> {
        self.table.get(place).and_then(Option::as_ref)
    }

    /// Opens the socket of a mesh interface: announcements and neighbours.
    pub fn open_mesh(
        &mut self,
        poll: &Poll,
        mesh: u8,
        ifname: &str,
        index: u32,
        port: u16,
    ) -> Result<()> {
        self.close(poll, |via| via == Via::Mesh(mesh));
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        let options = Options {
            device: Some(ifname),
            reuse_address: true,
            gro: true,
            receive_buffer: BUFFER,
            send_buffer: BUFFER,
            ..Options::default()
        };
        let udp = UdpSocket::bind(any, &options)?;
        udp.join_multicast_v6(GROUP, index)?;
        udp.set_multicast_v6(index, 1, false)?;
        self.insert(poll, Via::Mesh(mesh), udp, index)
    }

    /// Sends datagrams; says whether an error means that nobody is there.
    pub fn send(
        &mut self,
        poll: &Poll,
        config: &Config,
        via: Via,
        to: Option<SocketAddr>,
        pieces: Pieces<'_>,
    ) -> Sent {
        if !self.table.iter().flatten().any(|s| s.via == via)
            && let Err(error) = self.open_uplink(poll, config, via)
        {
            debug!("{}: {}", via, error);
            return Sent::Unreachable;
        }
        let Some(socket) = self.table.iter().flatten().find(|s| s.via == via) else {
            return Sent::Unreachable;
        };
        let to = to.map(|mut to| {
            if let (SocketAddr::V6(v6), true) = (&mut to, socket.scope != 0) {
                v6.set_scope_id(socket.scope);
            }
            to
        });
        match socket.udp.send_pieces(pieces, to) {
            Ok(_) => Sent::Done,
            Err(e) if e.is_unreachable() => Sent::Unreachable,
            Err(_) => Sent::Done,
        }
    }

    fn open_uplink(&mut self, poll: &Poll, config: &Config, via: Via) -> Result<()> {
        let Via::Uplink {
            uplink,
            exit,
            address,
        } = via
        else {
            return Ok(());
        };
        let ifname = config
            .uplinks
            .get(usize::from(uplink))
            .map(|u| u.ifname.as_str());
        let to = config
            .exits
            .get(usize::from(exit))
            .and_then(|e| e.addresses.get(usize::from(address)));
        let (Some(ifname), Some(to)) = (ifname, to) else {
            return Ok(());
        };
        let any = if to.is_ipv4() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        } else {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        };
        let open = |device| -> Result<UdpSocket> {
            let options = Options {
                device,
                gro: true,
                receive_buffer: BUFFER,
                send_buffer: BUFFER,
                ..Options::default()
            };
            let udp = UdpSocket::bind(SocketAddr::new(any, 0), &options)?;
            udp.connect(*to)?;
            Ok(udp)
        };
        let mut udp = open(Some(ifname))?;
        // Of an exit on this very router the answers come over the loopback device.
        if udp.local_addr().is_ok_and(|own| own.ip() == to.ip()) {
            udp = open(None)?;
        }
        self.insert(poll, via, udp, 0)
    }

    fn insert(&mut self, poll: &Poll, via: Via, udp: UdpSocket, scope: u32) -> Result<()> {
        if !self.segmentation {
            udp.set_gso(false);
        }
        let Some(place) = self.table.iter().position(Option::is_none) else {
            warn!("all {} sockets are in use; {} has to wait", MAX, via);
            return Ok(());
        };
        poll.add(udp.fd(), FIRST_TOKEN + place as u32, Interest::Read)?;
        if let Some(slot) = self.table.get_mut(place) {
            *slot = Some(Socket { via, udp, scope });
        }
        Ok(())
    }

    /// Hands runs over this uplink one by one from now on, own and relayed: something on it does not carry them.
    pub fn stop_runs(&self, over: u8) {
        let over = |s: &&Socket| matches!(s.via, Via::Uplink { uplink, .. } if uplink == over);
        for socket in self.all().filter(over) {
            socket.udp.set_gso(false);
        }
    }

    /// All sockets.
    pub fn all(&self) -> impl Iterator<Item = &Socket> {
        self.table.iter().flatten()
    }

    /// Closes sockets; those still needed are made anew, with the addresses of today.
    pub fn close(&mut self, poll: &Poll, which: impl Fn(Via) -> bool) {
        for slot in &mut self.table {
            if slot.as_ref().is_some_and(|s| which(s.via))
                && let Some(s) = slot.take()
            {
                let _ = poll.remove(s.udp.fd());
            }
        }
    }
}

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It left, or the queue was full: what is lost on the way is repaired.
    Done,
    /// There is no way, or nobody listens there.
    Unreachable,
}
