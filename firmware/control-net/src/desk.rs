//! One connection: a question that is answered here, or one of ours.

use crate::net::Service;
use crate::once;
use burstmesh_core::identity::NodeId;
use burstmesh_core::time::{Duration, Instant};
use burstmesh_core::wire::inside::{self, Item, MAX_LEN, PORT, Question};
use core::task::Poll;
use embassy_net::tcp::{State, TcpSocket};
use embassy_net::{IpAddress, IpEndpoint, Ipv6Address};
use heapless::Vec;

/// Who has not asked, or not taken his answer, for so long goes.
const LINGER: Duration = Duration::from_secs(8);

/// Bytes of a message that is not whole yet, or not sent yet.
type Part = Vec<u8, { MAX_LEN + 1 }>;

/// Answers questions, one connection after the other.
pub struct Server {
    pub socket: TcpSocket<'static>,
    part: Part,
    asked: Option<Question>,
    /// How far the answer is; `None` once its end is written.
    cursor: Option<u32>,
    until: Instant,
}

impl Server {
    pub fn new(socket: TcpSocket<'static>) -> Self {
        Self {
            socket,
            part: Vec::new(),
            asked: None,
            cursor: Some(0),
            until: Instant::FAR,
        }
    }

    /// When it wants to be looked at.
    pub fn poll_timeout(&self) -> Instant {
        self.until
    }

    /// Does what can be done now. True: something was done, look again.
    pub fn serve(&mut self, now: Instant, service: &mut impl Service) -> bool {
        match self.socket.state() {
            State::Closed | State::TimeWait => {
                self.begin_anew();
                return false;
            }
            // Half open: the stack's own timeout ends it.
            State::Listen | State::SynReceived => return false,
            _ => {}
        }
        if self.until == Instant::FAR {
            self.until = now + LINGER;
        }
        if now >= self.until {
            self.socket.abort();
            return true;
        }
        match self.asked {
            None => self.listen(),
            Some(question) => self.answer(now, question, service),
        }
    }

    fn begin_anew(&mut self) {
        self.part.clear();
        (self.asked, self.cursor, self.until) = (None, Some(0), Instant::FAR);
        let _ = once(self.socket.accept(PORT));
    }

    fn listen(&mut self) -> bool {
        let more = read_into(&mut self.socket, &mut self.part);
        match inside::parse::<Question>(&self.part) {
            Ok(None) if more != Read::Over => more == Read::Some,
            Ok(Some((Some(question), _))) => {
                self.asked = Some(question);
                self.part.clear();
                true
            }
            // No question that is known here.
            _ => {
                self.socket.abort();
                true
            }
        }
    }

    fn answer(&mut self, now: Instant, question: Question, service: &mut impl Service) -> bool {
        if self.part.is_empty() {
            let Some(cursor) = &mut self.cursor else {
                // All of it has arrived: nobody needs to wait for a FIN to be answered.
                if self.socket.send_queue() == 0 {
                    self.socket.abort();
                    return true;
                }
                return false;
            };
            let asker = self.socket.remote_endpoint();
            let asker = asker.and_then(|end| node_of(end.addr));
            let item = asker.and_then(|who| service.item(now, question, who, cursor));
            let item = item.unwrap_or(Item::End);
            if item == Item::End {
                self.cursor = None;
            }
            let mut room = [0; MAX_LEN + 1];
            let bytes = inside::emit(&item, &mut room).unwrap_or_default();
            let _ = self.part.extend_from_slice(bytes);
        }
        match once(self.socket.write(&self.part)) {
            Poll::Ready(Ok(sent)) => {
                drop_front(&mut self.part, sent);
                self.until = now + LINGER;
                true
            }
            Poll::Ready(Err(_)) => {
                self.socket.abort();
                true
            }
            Poll::Pending => false,
        }
    }
}

/// So long a member may say nothing at first.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// And so long once it has begun to answer: the stack sends what is lost again after one second, two more and four more.
const PATIENCE_BEGUN: Duration = Duration::from_millis(7_500);
/// Without an answer a question is asked anew after this, and each time half as late again, up to where a member beyond two
/// satellites answers: sooner than the stack repeats what was lost, and for a member that has turned us away because others ask it.
const ANEW: Duration = Duration::from_millis(400);

/// Asks one member one question.
pub struct Client {
    pub socket: TcpSocket<'static>,
    part: Part,
    /// What is asked of whom; `None` when nothing is.
    asked: Option<(NodeId, Question)>,
    /// A connection is to be begun; the question is to be said in it.
    connect: bool,
    say: bool,
    /// When it is asked anew: as long as nothing was heard.
    anew_at: Instant,
    pause: Duration,
    until: Instant,
}

/// The connection ended before the answer did, or nothing came for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed;

impl Client {
    pub fn new(socket: TcpSocket<'static>) -> Self {
        Self {
            socket,
            part: Vec::new(),
            asked: None,
            connect: false,
            say: false,
            anew_at: Instant::FAR,
            pause: ANEW,
            until: Instant::FAR,
        }
    }

    pub fn poll_timeout(&self) -> Instant {
        self.until.min(self.anew_at)
    }

    /// Begins to ask.
    pub fn ask(&mut self, now: Instant, whom: NodeId, question: Question) {
        self.asked = Some((whom, question));
        (self.until, self.pause) = (now + PATIENCE, ANEW);
        self.begin(now);
    }

    fn begin(&mut self, now: Instant) {
        self.socket.abort();
        self.part.clear();
        (self.connect, self.say) = (true, true);
        self.anew_at = now + self.pause;
        self.pause = self.pause + self.pause.shr(1);
    }

    /// Connects (the end of the connection before has been said by then), and says the question once there is a connection. True:
    /// it did something.
    pub fn say(&mut self, now: Instant) -> bool {
        let Some((whom, question)) = self.asked else {
            return false;
        };
        if now >= self.anew_at && now < self.until {
            self.begin(now);
            return true;
        }
        if core::mem::take(&mut self.connect) {
            let to = IpAddress::Ipv6(Ipv6Address::from(inside::address(whom)));
            return once(self.socket.connect(IpEndpoint::new(to, PORT))).is_pending();
        }
        if !self.say || self.socket.state() != State::Established {
            return false;
        }
        self.say = false;
        let mut room = [0; 8];
        let bytes = inside::emit(&question, &mut room).unwrap_or_default();
        once(self.socket.write(bytes)).is_ready()
    }

    /// What has come since the last call. Call until it gives nothing.
    pub fn hear(&mut self, now: Instant) -> Option<Result<Item, Failed>> {
        self.asked?;
        loop {
            match inside::parse::<Item>(&self.part) {
                Ok(Some((item, len))) => {
                    drop_front(&mut self.part, len);
                    (self.anew_at, self.until) = (Instant::FAR, now + PATIENCE_BEGUN);
                    let Some(item) = item else { continue };
                    if item == Item::End {
                        self.stop();
                    }
                    return Some(Ok(item));
                }
                Ok(None) => {}
                Err(_) => break,
            }
            let begun = self.anew_at == Instant::FAR;
            match read_into(&mut self.socket, &mut self.part) {
                Read::Some => {}
                Read::None if now < self.until => return None,
                // Not connected yet, or turned away: it is asked anew.
                Read::Over if !begun && now < self.until => return None,
                _ => break,
            }
        }
        self.stop();
        Some(Err(Failed))
    }

    /// Is not interested any more.
    pub fn stop(&mut self) {
        self.socket.abort();
        (self.asked, self.connect) = (None, false);
        (self.anew_at, self.until) = (Instant::FAR, Instant::FAR);
    }
}

#[derive(PartialEq, Eq)]
enum Read {
    Some,
    None,
    Over,
}

/// Reads what there is room for.
fn read_into(socket: &mut TcpSocket<'static>, part: &mut Part) -> Read {
    let mut room = [0; MAX_LEN + 1];
    let room = room.get_mut(part.len()..).unwrap_or_default();
    if room.is_empty() {
        return Read::Over;
    }
    match once(socket.read(room)) {
        Poll::Ready(Ok(0) | Err(_)) => Read::Over,
        Poll::Ready(Ok(n)) => {
            let _ = part.extend_from_slice(room.get(..n).unwrap_or_default());
            Read::Some
        }
        Poll::Pending => Read::None,
    }
}

fn drop_front(part: &mut Part, count: usize) {
    let count = count.min(part.len());
    part.rotate_left(count);
    part.truncate(part.len() - count);
}

fn node_of(address: IpAddress) -> Option<NodeId> {
    match address {
        IpAddress::Ipv6(address) => inside::node_of(&address.octets()),
        // Where others of the program have the stack read IPv4 too.
        #[allow(unreachable_patterns)]
        _ => None,
    }
}
