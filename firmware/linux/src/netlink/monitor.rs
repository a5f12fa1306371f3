//! Hearing that the network's configuration changed.

use super::message::Messages;
use super::socket::{BUFFER, Socket};
use crate::error::Result;
use crate::fd::Fd;

/// Links, and addresses and routes of both families.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

/// What changed since it was asked last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// An interface came, went, or went up or down.
    pub links: bool,
    /// An address came or went.
    pub addresses: bool,
    /// A route came or went.
    pub routes: bool,
}

impl Changes {
    const ALL: Self = Self {
        links: true,
        addresses: true,
        routes: true,
    };

    /// Anything at all?
    pub const fn any(self) -> bool {
        self.links || self.addresses || self.routes
    }
}

/// Hears of changes; what exactly changed is to be asked of [`super::Rtnl`].
#[derive(Debug)]
pub struct Monitor(Socket);

impl Monitor {
    /// Hears from now on.
    pub fn open() -> Result<Self> {
        Socket::open(libc::NETLINK_ROUTE, GROUPS).map(Self)
    }

    /// To wait on.
    pub fn fd(&self) -> &Fd {
        &self.0.fd
    }

    /// Everything that changed up to now.
    pub fn drain(&mut self) -> Result<Changes> {
        let mut changes = Changes::default();
        let mut buf = [0u8; BUFFER];
        loop {
            match self.0.fd.read(&mut buf) {
                Ok(None | Some(0)) => return Ok(changes),
                Ok(Some(length)) => {
                    Messages(buf.get(..length).unwrap_or(&[])).for_each(|message| {
                        match message.kind {
                            libc::RTM_NEWLINK | libc::RTM_DELLINK => changes.links = true,
                            libc::RTM_NEWADDR | libc::RTM_DELADDR => changes.addresses = true,
                            libc::RTM_NEWROUTE | libc::RTM_DELROUTE => changes.routes = true,
                            _ => {}
                        }
                    })
                }
                // There were more than the socket could hold: all of it may have changed.
                Err(error) if error.errno == libc::ENOBUFS => changes = Changes::ALL,
                Err(error) => return Err(error),
            }
        }
    }
}
