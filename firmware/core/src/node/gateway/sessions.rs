//! Handshakes: what is given to the worker, and what becomes of its results.

use super::parts::weight_of;
use super::{Gateway, Peer};
use crate::control::handshake::{Established, HandshakeError, Initiator, RespondJob};
use crate::identity::{PublicKey, SecretKey};
use crate::node::job::{Done, Outcome, Owner, Responded, Task, Work};
use crate::node::{Letter, Via};
use crate::time::{Duration, Instant};
use crate::wire::handshake::{Datagram, Hello};
use crate::wire::{Capabilities, MINOR};
use core::net::SocketAddr;
use heapless::Vec;

/// Who has not begun a handshake for so long gives up the place where his last one is remembered. Sessions are renewed
/// every two minutes, so it is nobody who is there.
const FORGET_AFTER: Duration = Duration::from_secs(600);

impl Gateway<'_> {
    // Apart from its caller, which would take a large task to pieces and put it together again for each way it comes.
    #[inline(never)]
    pub(super) fn next_task(
        &mut self,
        now: Instant,
        mut entropy: impl FnMut(&mut [u8; 32]),
    ) -> Option<Task> {
        let mut fresh = || {
            let mut bytes = [0; 32];
            entropy(&mut bytes);
            SecretKey::from_bytes(bytes)
        };
        if let Some(work) = self.next_check() {
            return Some(Task {
                owner: Owner::Admission,
                work,
            });
        }
        if let Some((owner, job)) = self.link.reading.take() {
            return Some(Task {
                owner,
                work: Work::Finish(job),
            });
        }
        if let Some((place, mut job)) = self.reading_peers.pop_front() {
            job.admission.clone_from(&self.admission);
            return Some(Task {
                owner: Owner::Peer(place),
                work: Work::Finish(job),
            });
        }
        if let Some(task) = self.next_question_of_ours(now, &mut fresh) {
            return Some(task);
        }
        if self.answering {
            return None;
        }
        let q = self.questions.pop_front()?;
        self.answering = true;
        let job = RespondJob {
            credentials: self.credentials.clone(),
            ephemeral: fresh(),
            datagram: q.datagram,
            admission: self.admission.clone(),
        };
        let cid = self.draw.cid();
        Some(Task {
            owner: Owner::Stranger {
                via: Via::Mesh(q.mesh),
                from: q.from,
            },
            work: Work::Respond { job, cid },
        })
    }

    /// A handshake that we begin or repeat.
    fn next_question_of_ours(
        &mut self,
        now: Instant,
        fresh: &mut impl FnMut() -> SecretKey,
    ) -> Option<Task> {
        let hello = Hello {
            epoch: self.epoch,
            counter: self.hellos + 1,
            caps: Capabilities::OURS,
            minor: MINOR,
            rekey_of: None,
            certificate: self.admission.as_ref().and_then(|a| a.certificate),
        };
        let may = !self.lacks_certificate();
        let peers = self.peers.iter_mut().enumerate().filter(|_| may);
        let peers =
            peers.filter_map(|(i, p)| p.as_mut().map(|p| (Owner::Peer(i as u8), &mut p.initiator)));
        let exit = core::iter::once((Owner::Exit, &mut self.link.initiator));
        let mut all = exit.chain(self.rivals.initiators()).chain(peers);
        let (owner, initiator) = all.find(|(_, initiator)| initiator.wants_initiate(now))?;
        let job = initiator.poll_initiate(now, &self.credentials, hello, fresh())?;
        self.hellos += 1;
        Some(Task {
            owner,
            work: Work::Initiate(job),
        })
    }

    /// Takes what the worker has done.
    pub fn handle_done(&mut self, now: Instant, done: Done) {
        let owner = done.owner;
        match done.outcome {
            Outcome::Initiated(made) => {
                let initiator = self.initiator(owner);
                if let Some(d) = initiator.and_then(|i| i.handle_initiated(now, made)) {
                    self.send_init(owner, &d);
                }
            }
            Outcome::Finished(result) => {
                let rekey = self.link.rekeying;
                self.note_denial(now, &result);
                let initiator = self.initiator(owner);
                if let Some(e) = initiator.and_then(|i| i.handle_finished(now, result)) {
                    self.established(now, owner, rekey, e);
                }
            }
            Outcome::Responded(result) => {
                self.answering = false;
                match (owner, result) {
                    (
                        Owner::Stranger {
                            via: Via::Mesh(mesh),
                            from,
                        },
                        Ok(r),
                    ) => self.answered(now, mesh, from, &r),
                    (_, Err(HandshakeError::Unadmitted(why))) => self.gatekeeper.count_denied(why),
                    _ => {}
                }
            }
            Outcome::Checked(check, good) => self.handle_checked(now, &check, good),
        }
    }

    /// Who asked the question that the work was about.
    fn initiator(&mut self, owner: Owner) -> Option<&mut Initiator> {
        match owner {
            Owner::Exit => Some(&mut self.link.initiator),
            Owner::Rival(exit) => self.rival_initiator(exit),
            Owner::Peer(place) => self.peer(place).map(|p| &mut p.initiator),
            Owner::Stranger { .. } | Owner::Admission => None,
        }
    }

    fn send_init(&mut self, owner: Owner, datagram: &Datagram) {
        match owner {
            Owner::Exit => self.send_init_to_exit(datagram),
            Owner::Rival(exit) => self.send_init_to_rival(exit, datagram),
            Owner::Peer(place) => {
                let Some(peer) = self.peer(place) else {
                    return;
                };
                if peer.near && !peer.rekeying {
                    let (via, to) = (Via::Mesh(peer.mesh), Some(peer.addr));
                    self.post(via, to, datagram);
                } else {
                    self.post_to(place, datagram);
                }
            }
            Owner::Stranger { .. } | Owner::Admission => {}
        }
    }

    fn established(&mut self, now: Instant, owner: Owner, rekey: bool, e: Established) {
        match owner {
            Owner::Exit => {
                let secret = self.draw.secret();
                self.link.establish(now, &e, rekey, secret);
                self.maintain_at = now;
            }
            Owner::Rival(exit) => self.rival_answered(now, exit, e),
            Owner::Peer(place) => self.peer_established(now, place, &e),
            Owner::Stranger { .. } | Owner::Admission => {}
        }
    }

    /// The neighbour at a place.
    fn peer(&mut self, place: u8) -> Option<&mut Peer> {
        self.peers.get_mut(usize::from(place))?.as_mut()
    }

    fn peer_established(&mut self, now: Instant, place: u8, e: &Established) {
        let secret = self.draw.secret();
        let caps = e.welcome.caps.and(Capabilities::OURS);
        if let Some(peer) = self.peer(place) {
            peer.certified = e.certified;
        }
        if let Some(peer) = self.peer(place)
            && peer.rekeying
            && peer.session.is_some()
        {
            peer.rekeying = false;
            return peer.renew(now, &e.keys, true, caps);
        }
        if self.peer(place).is_some_and(|p| p.near) {
            self.go_directly(place);
        }
        self.begin_anew(place);
        if let Some(peer) = self.peer(place) {
            peer.minor = e.welcome.minor;
            peer.establish(now, &e.keys, e.cid, e.remote_cid, true, caps, secret);
        }
    }

    /// We have answered a neighbour's handshake.
    fn answered(&mut self, now: Instant, mesh: u8, from: SocketAddr, r: &Responded) {
        let key: PublicKey = r.answered.remote;
        if self.heard.is_full() {
            self.heard.forget_silent(now, FORGET_AFTER);
        }
        if self
            .heard
            .note(now, key, r.hello.epoch, r.hello.counter)
            .is_err()
        {
            return self.gatekeeper.count_replayed();
        }
        let passed_on = self.was_passed_on(mesh, from, &key);
        if let Some(why) = r.denial {
            self.gatekeeper.count_denied(why);
            // Who came by a way has no place to be answered at.
            if !passed_on {
                self.post(Via::Mesh(mesh), Some(from), &r.answered.datagram);
            }
            return;
        }
        let place = if passed_on {
            let way =
                |p: &Option<Peer>| p.as_ref().is_some_and(|p| p.key == key && p.way.is_some());
            self.peers.iter().position(way)
        } else {
            self.place_for(now, key, from, mesh, true)
        };
        // Who comes by a way that we do not know yet will ask again.
        let Some(place) = place else {
            return;
        };
        let secret = self.draw.secret();
        if passed_on {
            self.post_to(place as u8, &r.answered.datagram);
        } else {
            self.go_directly(place as u8);
            self.post(Via::Mesh(mesh), Some(from), &r.answered.datagram);
        }
        let caps = r.hello.caps.and(Capabilities::OURS);
        let certificate = r.hello.certificate.filter(|_| self.admission.is_some());
        if let Some(peer) = self.peer(place as u8) {
            peer.certified = certificate.map(|c| c.expires);
        }
        if let Some(peer) = self.peer(place as u8)
            && peer
                .session
                .as_ref()
                .is_some_and(|s| r.hello.rekey_of == Some(s.local_cid))
        {
            return peer.renew(now, &r.answered.keys, false, caps);
        }
        self.begin_anew(place as u8);
        if let Some(peer) = self.peer(place as u8) {
            if !passed_on {
                (peer.addr, peer.mesh) = (from, mesh);
            }
            peer.minor = r.hello.minor;
            peer.initiator.cancel();
            let a = &r.answered;
            peer.establish(now, &a.keys, a.cid, a.remote_cid, false, caps, secret);
        }
    }

    /// A session with a neighbour takes the place of the one before: what was granted and borrowed in that is void.
    fn begin_anew(&mut self, place: u8) {
        self.relays.forget_peer(place);
        self.close_paths_over(place);
        self.forget_ways_by(place);
    }

    /// Whoever had this place is gone.
    pub(super) fn forget_place(&mut self, place: u8) {
        self.begin_anew(place);
        self.relays.forget_ways_to(place);
    }

    /// The place of a neighbour, new or known. A full table gives up one without a session, if the new one is near.
    pub(super) fn place_for(
        &mut self,
        now: Instant,
        key: PublicKey,
        addr: SocketAddr,
        mesh: u8,
        near: bool,
    ) -> Option<usize> {
        if let Some(at) = self
            .peers
            .iter()
            .position(|p| p.as_ref().is_some_and(|p| p.key == key))
        {
            return Some(at);
        }
        let admission = self.admission.as_ref();
        if admission.is_some_and(|a| a.has_removed(&key)) {
            return None;
        }
        let at = self.peers.iter().position(Option::is_none).or_else(|| {
            let absent = |p: &Option<Peer>| p.as_ref().is_some_and(|p| p.session.is_none());
            self.peers.iter().position(|p| near && absent(p))
        })?;
        self.forget_place(at as u8);
        let seed = self.draw.u64();
        *self.peers.get_mut(at)? = Some(super::Peer::new(
            now,
            &self.credentials,
            key,
            addr,
            mesh,
            seed,
        ));
        let node = key.node_id();
        let (refused, weight) = (self.refuses(node), weight_of(&self.weights, node));
        if let Some(Some(peer)) = self.peers.get_mut(at) {
            (peer.refused, peer.weight) = (refused, weight);
        }
        Some(at)
    }

    /// Sends a small datagram soon; dropped when too many wait (handshakes repeat themselves).
    pub(super) fn post(&mut self, via: Via, to: Option<SocketAddr>, bytes: &[u8]) {
        if let Ok(bytes) = Vec::from_slice(bytes) {
            let _ = self.letters.push_back(Letter { via, to, bytes });
        }
    }

    /// An Init goes one way at a time, the next one another way.
    fn send_init_to_exit(&mut self, init: &Datagram) {
        let ways = self.ways(self.link.exit);
        let Some(n) = u8::try_from(ways.len()).ok().filter(|n| *n > 0) else {
            return;
        };
        let way = ways.get(usize::from(self.link.turn % n)).copied();
        self.link.turn = self.link.turn.wrapping_add(1);
        if let Some(way) = way {
            self.send_by(self.link.exit as u8, way, init);
        }
    }
}
