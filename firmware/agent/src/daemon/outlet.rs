//! Where the gateway's packets go: clients' packets glued into large segments for the TUN, relayed datagrams in runs for
//! the sockets, or at once as the train in which they came. What is waiting leaves at the end of each round, so nothing is delayed.

use super::community::Inbox;
use super::sockets::{Sent, Sockets};
use crate::config::Config;
use crate::limits::{GLUE_BYTES, GLUE_FLOWS, SEND_BUFFER};
use burstmesh_core::data::coalesce::{self, Coalescer};
use burstmesh_core::data::pieces::Pieces;
use burstmesh_core::data::segment::Offload;
use burstmesh_core::node::{Output, Via};
use burstmesh_linux::poll::Poll;
use burstmesh_linux::tun::Tun;
use core::net::SocketAddr;
use static_cell::ConstStaticCell;

pub type Glue = Coalescer<GLUE_FLOWS, GLUE_BYTES>;

/// So many relayed datagrams that came together leave together, from where they are. A single one is copied, to be joined by those that
/// come next: that costs less than a system call for each.
const TRAIN: usize = 2;

static SEND_MEMORY: ConstStaticCell<[u8; SEND_BUFFER]> = ConstStaticCell::new([0; SEND_BUFFER]);
static GLUE: ConstStaticCell<Glue> = ConstStaticCell::new(Glue::new());

/// What the ways out need between rounds.
pub struct Road {
    pub sockets: Sockets,
    /// A run being sent, or relayed datagrams becoming one.
    pub send: &'static mut [u8; SEND_BUFFER],
    glue: &'static mut Glue,
    run: Run,
    /// Packets of the control network for this node.
    pub inbox: Inbox,
}

/// Relayed datagrams of one length for one destination, in the send buffer.
#[derive(Clone, Copy)]
struct Run {
    via: Via,
    to: Option<SocketAddr>,
    stride: usize,
    len: usize,
}

impl Run {
    const NONE: Self = Self {
        via: Via::Mesh(0),
        to: None,
        stride: 0,
        len: 0,
    };
}

impl Road {
    /// Takes the static buffers: there is one.
    pub fn new(sockets: Sockets, tun: &Tun) -> Self {
        let glue = GLUE.take();
        glue.set_takes(tun.takes());
        Self {
            sockets,
            send: SEND_MEMORY.take(),
            glue,
            run: Run::NONE,
            inbox: Inbox::new(),
        }
    }

    /// Clients' packets, and the writes that delivered them.
    pub fn glued(&self) -> coalesce::Counters {
        self.glue.counters()
    }
}

/// The ways out, in one round.
pub struct Outlet<'a> {
    pub road: &'a mut Road,
    pub tun: &'a Tun,
    pub poll: &'a Poll,
    pub config: &'a Config,
}

impl Outlet<'_> {
    /// Lets everything leave that waits. Before the send buffer is used for anything else.
    pub fn flush(&mut self) {
        let tun = self.tun;
        self.road
            .glue
            .flush(&mut |offload, bytes| write(tun, offload, bytes));
        self.send_run();
    }

    fn send_run(&mut self) {
        let Run {
            via,
            to,
            stride,
            len,
        } = core::mem::replace(&mut self.road.run, Run::NONE);
        if len > 0 {
            let run = self.road.send.get(..len).unwrap_or_default();
            let run = Pieces::of_run(run, stride);
            let _: Sent = self.road.sockets.send(self.poll, self.config, via, to, run);
        }
    }
}

impl Output for Outlet<'_> {
    fn deliver(&mut self, packet: &[u8]) {
        let tun = self.tun;
        self.road
            .glue
            .push(packet, &mut |offload, bytes| write(tun, offload, bytes));
    }

    fn inside(&mut self, packet: &[u8]) {
        self.road.inbox.push(packet);
    }

    fn forward_train(&mut self, via: Via, to: Option<SocketAddr>, train: Pieces<'_>) {
        if train.count() < TRAIN {
            for (header, body) in train.datagrams() {
                self.forward(via, to, header, body);
            }
            return;
        }
        // What came before goes before.
        self.send_run();
        let _: Sent = self
            .road
            .sockets
            .send(self.poll, self.config, via, to, train);
    }

    fn forward(&mut self, via: Via, to: Option<SocketAddr>, header: &[u8], body: &[u8]) {
        let len = header.len() + body.len();
        let run = self.road.run;
        if run.len > 0
            && ((run.via, run.to) != (via, to) || len > run.stride || run.len + len > SEND_BUFFER)
        {
            self.send_run();
        }
        let at = self.road.run.len;
        let Some(room) = self.road.send.get_mut(at..at + len) else {
            return;
        };
        let (head, rest) = room.split_at_mut(header.len());
        head.copy_from_slice(header);
        rest.copy_from_slice(body);
        let stride = if at == 0 { len } else { self.road.run.stride };
        self.road.run = Run {
            via,
            to,
            stride,
            len: at + len,
        };
        // A shorter one is the last of its run.
        if len < stride {
            self.send_run();
        }
    }
}

/// A full device queue drops; the flow's own congestion control answers to that.
fn write(tun: &Tun, offload: Offload, bytes: &[u8]) {
    let _ = tun.write(bytes, offload);
}
