//! Asking the kernel and waiting for its answer.

use super::message::{Message, Messages, u32_at};
use crate::error::{Error, Result, check};
use crate::fd::{Fd, socket};

/// The kernel answers at once; a kernel that does not is not waited for for ever.
const PATIENCE_MS: i32 = 2_000;
/// More than the kernel puts into one datagram of a dump.
pub(super) const BUFFER: usize = 16 * 1024;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

/// A connection to the kernel's routing configuration.
#[derive(Debug)]
pub struct Rtnl(pub(super) Socket);

impl Rtnl {
    /// Opens it.
    pub fn open() -> Result<Self> {
        Socket::open(libc::NETLINK_ROUTE, 0).map(Self)
    }
}

/// A netlink socket.
#[derive(Debug)]
pub(super) struct Socket {
    pub fd: Fd,
    sequence: u32,
}

impl Socket {
    /// Bound, so that answers find it; hears the multicast `groups`.
    pub fn open(protocol: i32, groups: u32) -> Result<Self> {
        let fd = socket(
            "open a netlink socket",
            libc::AF_NETLINK,
            libc::SOCK_RAW,
            protocol,
        )?;
        // SAFETY: plain old data.
        let mut addr: libc::sockaddr_nl = unsafe { core::mem::zeroed() };
        addr.nl_family = libc::AF_NETLINK as _;
        addr.nl_groups = groups;
        let length = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
        // SAFETY: an address of that length.
        check("bind a netlink socket", unsafe {
            libc::bind(fd.raw(), (&raw const addr).cast(), length)
        })?;
        Ok(Self { fd, sequence: 0 })
    }

    /// Makes a change; the kernel's refusal is the error. `harmless` refusals mean that it is already so.
    pub fn change(&mut self, op: &'static str, message: Message, harmless: &[i32]) -> Result<()> {
        match self.query(op, message, |_, _| {}) {
            Err(error) if harmless.contains(&error.errno) => Ok(()),
            other => other,
        }
    }

    /// Asks, and hands every answer (its kind and payload) to `each`.
    pub fn query(
        &mut self,
        op: &'static str,
        message: Message,
        mut each: impl FnMut(u16, &[u8]),
    ) -> Result<()> {
        self.query_while(op, message, |kind, payload| {
            each(kind, payload);
            true
        })
    }

    /// The same as long as `each` says so; a socket on which it said no is of no more use.
    pub fn query_while(
        &mut self,
        op: &'static str,
        mut message: Message,
        mut each: impl FnMut(u16, &[u8]) -> bool,
    ) -> Result<()> {
        self.converse(op, &mut message, &mut each)
    }

    // One for all that is asked.
    #[inline(never)]
    fn converse(
        &mut self,
        op: &'static str,
        message: &mut Message,
        each: &mut dyn FnMut(u16, &[u8]) -> bool,
    ) -> Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let request = message.finish(self.sequence)?;
        // SAFETY: the request is readable for its length.
        let sent = unsafe { libc::send(self.fd.raw(), request.as_ptr().cast(), request.len(), 0) };
        if sent < 0 {
            return Err(Error::last(op));
        }
        let mut buf = [0u8; BUFFER];
        loop {
            if !self.fd.wait_readable(PATIENCE_MS)? {
                return Err(Error::new(op, libc::ETIMEDOUT));
            }
            let Some(length) = self.fd.read(&mut buf)? else {
                continue;
            };
            for received in Messages(buf.get(..length).unwrap_or(&[])) {
                if received.sequence != self.sequence {
                    continue;
                }
                match received.kind {
                    // An error of 0 is the acknowledgement; the end of a dump may carry one, too.
                    NLMSG_ERROR | NLMSG_DONE => {
                        let code = u32_at(received.payload, 0).unwrap_or(0) as i32;
                        return if code < 0 {
                            Err(Error::new(op, -code))
                        } else {
                            Ok(())
                        };
                    }
                    kind if each(kind, received.payload) => {}
                    _ => return Ok(()),
                }
            }
        }
    }
}

/// Flags of a request for one thing, or for a change.
pub(super) const ASK: i32 = libc::NLM_F_REQUEST | libc::NLM_F_ACK;
/// Flags of a request for all.
pub(super) const LIST: i32 = libc::NLM_F_REQUEST | libc::NLM_F_DUMP;
