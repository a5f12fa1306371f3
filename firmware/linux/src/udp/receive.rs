//! Receiving many datagrams in one system call, into memory the caller owns.

use super::UdpSocket;
use super::cmsg::{self, Control, Received};
use crate::error::{Error, Result};
use crate::fd::retry;
use crate::sockaddr::{RAW_LEN, Raw};
use core::mem::MaybeUninit;
use core::net::{IpAddr, SocketAddr};

/// Room for `SLOTS` datagrams of `BYTES` bytes each; holds those of the last receive.
pub struct RecvBatch<const SLOTS: usize = 32, const BYTES: usize = 2048> {
    data: [[u8; BYTES]; SLOTS],
    /// Set for the filled slots alone: so all of it is zero to begin with.
    about: [MaybeUninit<About>; SLOTS],
    filled: usize,
}

#[derive(Clone, Copy)]
struct About {
    from: Option<SocketAddr>,
    length: usize,
    control: Received,
}

/// One received datagram, or several of one size that the kernel glued together.
#[derive(Debug)]
pub struct Datagram<'a> {
    /// The payload, to be opened in place.
    pub bytes: &'a mut [u8],
    /// The sender.
    pub from: SocketAddr,
    /// The interface it came in on; 0 unless asked for.
    pub ifindex: u32,
    /// The local address it was sent to, if asked for.
    pub local: Option<IpAddr>,
    /// Traffic class: DSCP in the upper six bits, ECN in the lower two; 0 unless asked for.
    pub class: u8,
    /// Each `segment_size` bytes are one datagram, the last may be shorter. Never 0.
    pub segment_size: usize,
}

impl Datagram<'_> {
    /// The single datagrams in it.
    pub fn segments(&mut self) -> impl Iterator<Item = &mut [u8]> {
        self.bytes.chunks_mut(self.segment_size)
    }
}

impl<const SLOTS: usize, const BYTES: usize> RecvBatch<SLOTS, BYTES> {
    /// Empty; all zero, so that a static of it costs no space in the binary.
    pub const fn new() -> Self {
        Self {
            data: [[0; BYTES]; SLOTS],
            about: [MaybeUninit::zeroed(); SLOTS],
            filled: 0,
        }
    }

    /// The first slot as working memory; whatever was received is gone.
    pub fn scratch(&mut self) -> &mut [u8] {
        self.filled = 0;
        self.data.first_mut().map_or(&mut [], |slot| slot)
    }

    /// The datagrams received last. Those longer than a slot are cut to its length: nobody takes them for good then, but
    /// they are seen, and counted.
    pub fn datagrams(&mut self) -> impl Iterator<Item = Datagram<'_>> {
        self.data
            .iter_mut()
            .zip(&self.about)
            .take(self.filled)
            .filter_map(|(data, about)| {
                // SAFETY: the last receive filled this slot.
                let about = unsafe { about.assume_init_ref() };
                let segment = if about.control.segment == 0 {
                    about.length.max(1)
                } else {
                    about.control.segment
                };
                Some(Datagram {
                    bytes: data.get_mut(..about.length)?,
                    from: about.from?,
                    ifindex: about.control.ifindex,
                    local: about.control.local,
                    class: about.control.class,
                    segment_size: segment,
                })
            })
    }
}

impl<const SLOTS: usize, const BYTES: usize> Default for RecvBatch<SLOTS, BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

impl UdpSocket {
    /// Receives up to a whole batch, replacing what was in it; how many slots were filled, 0 when nothing waits.
    /// A full batch means that more may wait.
    pub fn recv_batch<const SLOTS: usize, const BYTES: usize>(
        &self,
        batch: &mut RecvBatch<SLOTS, BYTES>,
    ) -> Result<usize> {
        batch.filled = 0;
        let mut names = [const { Raw::empty() }; SLOTS];
        // Left as they are: only what the kernel wrote is read, and clearing costs a small CPU more than the call.
        let mut controls = [const { MaybeUninit::<Control>::uninit() }; SLOTS];
        // SAFETY: plain old data; zero is valid, also in the padding that C libraries put there.
        let (mut pieces, mut headers): ([libc::iovec; SLOTS], [libc::mmsghdr; SLOTS]) =
            unsafe { core::mem::zeroed() };
        let rooms = batch
            .data
            .iter_mut()
            .zip(names.iter_mut().zip(controls.iter_mut()));
        for ((header, piece), (data, (name, control))) in
            headers.iter_mut().zip(pieces.iter_mut()).zip(rooms)
        {
            *piece = libc::iovec {
                iov_base: data.as_mut_ptr().cast(),
                iov_len: BYTES,
            };
            header.msg_hdr.msg_iov = piece;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = (name as *mut Raw).cast();
            header.msg_hdr.msg_namelen = RAW_LEN;
            header.msg_hdr.msg_control = control.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = size_of::<Control>() as _;
        }
        let (fd, first, none) = (self.fd.raw(), headers.as_mut_ptr(), core::ptr::null_mut());
        // SAFETY: SLOTS headers, each pointing to memory that outlives the call.
        let got =
            retry(
                || unsafe { libc::recvmmsg(fd, first, SLOTS as _, libc::MSG_DONTWAIT as _, none) }
                    as libc::ssize_t,
            );
        if got < 0 {
            let error = Error::last("receive datagrams");
            return if error.would_block() {
                Ok(0)
            } else {
                Err(error)
            };
        }
        for ((about, header), name) in batch
            .about
            .iter_mut()
            .zip(&headers)
            .zip(&names)
            .take(got as usize)
        {
            about.write(About {
                from: name.parse(),
                length: header.msg_len as usize,
                // SAFETY: as recvmmsg left it; `controls` is alive.
                control: unsafe { cmsg::parse(&header.msg_hdr) },
            });
        }
        batch.filled = got as usize;
        Ok(batch.filled)
    }
}
