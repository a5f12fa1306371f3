//! Sending runs of equal-sized datagrams.

use super::UdpSocket;
use super::cmsg::{self, Control};
use crate::error::{Error, Result};
use crate::fd::retry;
use crate::sockaddr::Raw;
use burstmesh_core::data::pieces::Pieces;
use core::net::{IpAddr, SocketAddr};
use heapless::Vec;

/// Most segments the kernel cuts in one call (64 in older kernels, 128 later).
const MAX_SEGMENTS: usize = 64;
/// Most bytes in one call: a UDP datagram before it is cut, with room for the headers of either family.
const MAX_RUN: usize = 65_000;
/// Datagrams per call where the kernel does not cut.
const BATCH: usize = 32;

/// Where a run leaves from, on a socket that is bound to no single address.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// The local address that the peer shall see.
    pub local: IpAddr,
    /// The interface; 0: as the route says.
    pub ifindex: u32,
}

/// Where a run goes.
#[derive(Clone, Copy)]
struct Way {
    to: Option<SocketAddr>,
    source: Option<Source>,
}

impl UdpSocket {
    /// Sends `run` as datagrams of `segment_size` bytes, the last may be shorter. `to` is `None` on a connected
    /// socket. Gives how many datagrams the kernel took: fewer than all when it has no room now.
    ///
    /// `EMSGSIZE`: a datagram is larger than the interface carries. After an error nothing of the run's rest was sent;
    /// an error is given only when nothing at all was.
    pub fn send_run(
        &self,
        run: &[u8],
        segment_size: usize,
        to: Option<SocketAddr>,
    ) -> Result<usize> {
        self.send_pieces(Pieces::of_run(run, segment_size), to)
    }

    /// [`Self::send_run`] from a chosen local address: an answer must leave from where the question went.
    pub fn send_run_from(
        &self,
        run: &[u8],
        segment_size: usize,
        to: SocketAddr,
        source: Source,
    ) -> Result<usize> {
        let way = Way {
            to: Some(to),
            source: Some(source),
        };
        self.send(Pieces::of_run(run, segment_size), way)
    }

    /// [`Self::send_run`] of datagrams that do not stand in one piece: nothing is copied before the kernel takes them.
    pub fn send_pieces(&self, pieces: Pieces<'_>, to: Option<SocketAddr>) -> Result<usize> {
        self.send(pieces, Way { to, source: None })
    }

    fn send(&self, pieces: Pieces<'_>, way: Way) -> Result<usize> {
        let length = pieces.length();
        if pieces.stride == 0 || length == 0 || length > MAX_RUN {
            return Err(Error::new("send datagrams", libc::EINVAL));
        }
        let mut sent = 0;
        for part in pieces.parts((MAX_RUN / length).min(MAX_SEGMENTS)) {
            let count = part.count();
            let taken = match self.send_part(part, way) {
                Ok(taken) => taken,
                Err(error) if sent == 0 => return Err(error),
                Err(_) => break,
            };
            sent += taken;
            if taken < count {
                break;
            }
        }
        Ok(sent)
    }

    /// What fits one call: cut by the kernel if that works, else one by one.
    fn send_part(&self, part: Pieces<'_>, way: Way) -> Result<usize> {
        if part.count() == 1 || !self.gso_enabled() {
            return self.send_singly(part, way);
        }
        match self.send_segmented(part, way) {
            // The interface cannot compute checksums of segments, or the kernel does not know how to cut.
            Err(Error {
                errno: libc::EIO | libc::EOPNOTSUPP | libc::ENOPROTOOPT,
                ..
            }) => {
                self.set_gso(false);
                self.send_singly(part, way)
            }
            // Either not supported, or a segment is too large for the interface: sending singly tells which.
            Err(Error {
                errno: libc::EINVAL | libc::EMSGSIZE,
                ..
            }) => {
                let sent = self.send_singly(part, way)?;
                if sent > 0 {
                    self.set_gso(false);
                }
                Ok(sent)
            }
            other => other,
        }
    }

    fn send_segmented(&self, part: Pieces<'_>, way: Way) -> Result<usize> {
        let mut control: Control = [0; 16];
        let mut target = Target::new(way);
        let mut places: Vec<libc::iovec, { 2 * MAX_SEGMENTS }> = iovecs(part).collect();
        let header = target.header(&mut places, &mut control, way, part.length() as u16);
        // SAFETY: the header points to memory alive until the call returns; the kernel only reads it.
        let sent = retry(|| unsafe {
            libc::sendmsg(
                self.fd.raw(),
                &header,
                libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            )
        });
        if sent >= 0 {
            return Ok(part.count());
        }
        let error = Error::last("send datagrams");
        if error.would_block() {
            Ok(0)
        } else {
            Err(error)
        }
    }

    fn send_singly(&self, part: Pieces<'_>, way: Way) -> Result<usize> {
        let mut control: Control = [0; 16];
        let mut target = Target::new(way);
        let mut sent = 0;
        for batch in part.parts(BATCH) {
            // SAFETY: plain old data; zero is valid.
            let (mut places, mut headers): ([[libc::iovec; 2]; BATCH], [libc::mmsghdr; BATCH]) =
                unsafe { core::mem::zeroed() };
            let mut count = 0;
            for (one, (places, header)) in batch
                .parts(1)
                .zip(places.iter_mut().zip(headers.iter_mut()))
            {
                let mut used = 0;
                for (to, place) in places.iter_mut().zip(iovecs(one)) {
                    *to = place;
                    used += 1;
                }
                let places = places.get_mut(..used).unwrap_or_default();
                header.msg_hdr = target.header(places, &mut control, way, 0);
                count += 1;
            }
            let (fd, first, flags) = (
                self.fd.raw(),
                headers.as_mut_ptr(),
                libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            );
            // SAFETY: `count` headers, each pointing to memory alive until the call returns.
            let taken =
                retry(|| unsafe { libc::sendmmsg(fd, first, count, flags as _) } as libc::ssize_t);
            if taken < 0 {
                let error = Error::last("send datagrams");
                return if sent > 0 || error.would_block() {
                    Ok(sent)
                } else {
                    Err(error)
                };
            }
            sent += taken as usize;
            if (taken as libc::c_uint) < count {
                break;
            }
        }
        Ok(sent)
    }
}

/// Where the kernel finds them, one after the other.
fn iovecs(pieces: Pieces<'_>) -> impl Iterator<Item = libc::iovec> {
    let whole = pieces.head == 0 && pieces.skip == 0;
    let many = if whole { pieces.count() } else { 1 };
    pieces.parts(many).flat_map(|one| {
        let body = one.bodies.get(one.skip..).unwrap_or_default();
        [one.heads, body].into_iter().filter_map(iovec)
    })
}

fn iovec(bytes: &[u8]) -> Option<libc::iovec> {
    (!bytes.is_empty()).then(|| libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    })
}

/// The kernel's form of the destination, kept where headers can point to it.
struct Target {
    raw: Raw,
    length: libc::socklen_t,
}

impl Target {
    fn new(way: Way) -> Self {
        let (raw, length) = way.to.map_or((Raw::empty(), 0), Raw::new);
        Self { raw, length }
    }

    /// A message header; `segment` 0 asks for no cutting.
    fn header(
        &mut self,
        places: &mut [libc::iovec],
        control: &mut Control,
        way: Way,
        segment: u16,
    ) -> libc::msghdr {
        // SAFETY: plain old data; zero is valid.
        let mut header: libc::msghdr = unsafe { core::mem::zeroed() };
        if self.length > 0 {
            header.msg_name = (&raw mut self.raw).cast();
            header.msg_namelen = self.length;
        }
        header.msg_iov = places.as_mut_ptr();
        header.msg_iovlen = places.len() as _;
        header.msg_control = control.as_mut_ptr().cast();
        let mut used = 0;
        // SAFETY: the control buffer was zeroed, is only ever written with this same content, and holds both messages.
        unsafe {
            match way.source {
                Some(Source {
                    local: IpAddr::V4(local),
                    ifindex,
                }) => {
                    let mut info: libc::in_pktinfo = core::mem::zeroed();
                    info.ipi_ifindex = ifindex as _;
                    info.ipi_spec_dst.s_addr = u32::from_ne_bytes(local.octets());
                    cmsg::push(
                        &mut header,
                        &mut used,
                        libc::IPPROTO_IP,
                        libc::IP_PKTINFO,
                        info,
                    );
                }
                Some(Source {
                    local: IpAddr::V6(local),
                    ifindex,
                }) => {
                    let mut info: libc::in6_pktinfo = core::mem::zeroed();
                    info.ipi6_ifindex = ifindex as _;
                    info.ipi6_addr.s6_addr = local.octets();
                    cmsg::push(
                        &mut header,
                        &mut used,
                        libc::IPPROTO_IPV6,
                        libc::IPV6_PKTINFO,
                        info,
                    );
                }
                None => {}
            }
            if segment != 0 {
                cmsg::push(
                    &mut header,
                    &mut used,
                    libc::SOL_UDP,
                    libc::UDP_SEGMENT,
                    segment,
                );
            }
        }
        if used == 0 {
            header.msg_control = core::ptr::null_mut();
        }
        header
    }
}
