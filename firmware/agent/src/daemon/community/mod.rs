//! The community seen from inside: members ask each other over the control network (docs/control-network.md).
//!
//! | file | what |
//! |---|---|
//! | `public.rs` | what this gateway tells members who ask |
//! | `survey.rs` | a command line's question: whom to ask, one after the other |
//! | `show.rs` | what they answer, as a table or JSON |
//! | `compare.rs` | their ledger beside ours |
//! | `counted.rs` | what the exit counted beside ours |
//! | `none.rs` | in place of all this in a build without it |

mod compare;
mod counted;
mod public;
mod show;
mod survey;

use super::status::View;
use burstmesh_control_net::{Memory, Net};
use burstmesh_core::identity::NodeId;
use burstmesh_core::time::Instant;
use burstmesh_core::wire::inside::MTU;
use burstmesh_linux::control::{Response, Server};
use core::mem::size_of;
use heapless::{Deque, Vec};
use public::Public;
use static_cell::ConstStaticCell;
use survey::{Step, Survey};

/// Members answered at once.
const SERVERS: usize = 2;

static MEMORY: ConstStaticCell<Memory<{ SERVERS + 1 }>> = ConstStaticCell::new(Memory::new());
static ARRIVED: ConstStaticCell<Arrived> = ConstStaticCell::new(Deque::new());

/// Bytes of static memory.
pub const COST: usize = size_of::<Memory<{ SERVERS + 1 }>>() + size_of::<Arrived>();

/// Packets that wait for their turn in the loop. What finds no room comes again: it is TCP.
type Arrived = Deque<Vec<u8, MTU>, 4>;

/// Packets of the control network that have arrived.
pub struct Inbox(&'static mut Arrived);

impl Inbox {
    pub fn new() -> Self {
        Self(ARRIVED.take())
    }

    pub fn push(&mut self, packet: &[u8]) {
        if let Ok(packet) = Vec::from_slice(packet) {
            let _ = self.0.push_back(packet);
        }
    }
}

/// This gateway in the control network.
pub struct Community {
    net: Option<Net<SERVERS>>,
    survey: Option<Survey>,
}

impl Community {
    // Rare, and with the whole stack in it: apart from who starts everything else.
    #[inline(never)]
    pub fn new(now: Instant, own: NodeId, seed: u64) -> Self {
        Self {
            net: Net::new(now, own, MEMORY.take(), seed),
            survey: None,
        }
    }

    /// When there is something to do, unless something has arrived.
    pub fn poll_timeout(&self) -> Instant {
        let net = self.net.as_ref().map_or(Instant::FAR, Net::poll_timeout);
        let survey = self.survey.as_ref().map(Survey::poll_timeout);
        net.min(survey.unwrap_or(Instant::FAR))
    }

    /// Takes what has arrived, one packet; false when there is none.
    pub fn take(&mut self, inbox: &mut Inbox) -> bool {
        let packet = inbox.0.pop_front();
        if let (Some(packet), Some(net)) = (&packet, &mut self.net) {
            // The network counts what it refuses.
            let _ = net.handle_packet(packet);
        }
        packet.is_some()
    }

    /// The next packet to send, in `room`.
    pub fn poll_transmit<'a>(&mut self, now: Instant, room: &'a mut Room) -> Option<&'a [u8]> {
        let len = self.net.as_mut()?.poll_transmit(now, room)?;
        room.get(..len)
    }

    /// Answers members, and goes on with what the command line asked. True: packets may have to be sent; then call it again.
    pub fn serve(&mut self, now: Instant, view: View<'_>, server: &mut Server) -> bool {
        let Some(net) = &mut self.net else {
            return false;
        };
        let mut public = Public(view);
        let mut done = net.serve(now, &mut public);
        if let Some(survey) = &mut self.survey {
            match survey.go_on(now, net, &mut public, server) {
                Step::Waits => {}
                Step::Went => done = true,
                Step::Over => {
                    net.stop(now);
                    server.end_held();
                    self.survey = None;
                    done = true;
                }
            }
        }
        done
    }

    /// Takes a line of the command line, if it is about the community.
    pub fn begin(
        &mut self,
        now: Instant,
        line: &str,
        view: &View<'_>,
        out: &mut Response<'_>,
    ) -> bool {
        let Some(survey) = Survey::of(line, view, out) else {
            return false;
        };
        if self.survey.is_some() {
            out.write(b"somebody is asking already; try again in some seconds\n");
        } else if let Some(survey) = survey {
            self.survey = Some(survey);
            out.hold();
            if let Some(net) = &mut self.net {
                net.stop(now);
            }
        }
        true
    }
}

/// Room for a packet.
pub type Room = [u8; MTU];
/// An empty one.
pub const ROOM: Room = [0; MTU];
