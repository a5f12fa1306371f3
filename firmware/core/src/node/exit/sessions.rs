//! Handshakes at an exit.

use super::seat::{Address, Seat, Session};
use super::{Exit, Question};
use crate::control::cookie::Verdict;
use crate::control::handshake::{Lifetime, RespondJob};
use crate::data::replay::ReplayWindow;
use crate::data::tunnel::{MAX_PATHS, Tunnel};
use crate::error::Refusal;
use crate::identity::{PublicKey, SecretKey};
use crate::node::bucket::Bucket;
use crate::node::job::{Done, Outcome, Owner, Responded, Task, Work};
use crate::node::roll::Told;
use crate::node::{INSIDE_KBIT, Letter, Via, address_bytes};
use crate::time::Instant;
use crate::wire::Capabilities;
use crate::wire::handshake::{Datagram, Init};
use core::net::SocketAddr;
use heapless::Vec;

/// A member is told so many times of a certificate that was made for it; at its next handshake it gets another.
const GIFTS: u8 = 3;

impl Exit<'_> {
    pub(super) fn handle_init(
        &mut self,
        now: Instant,
        via: Via,
        from: SocketAddr,
        d: &[u8],
    ) -> Result<(), Refusal> {
        let (init, _) = Init::parse(d)?;
        let waiting = self.questions.len() as u32;
        let served = self
            .communities
            .iter_mut()
            .find(|c| c.credentials.community.id == init.community);
        let mut reply = [0; 64];
        // The gatekeeper counts its refusals itself.
        let verdict = served.ok_or(Refusal::Unknown)?.gatekeeper.check(
            now,
            d,
            &address_bytes(from),
            waiting,
            &mut reply,
        );
        match verdict {
            Ok(Verdict::Admit) => {
                let datagram = Datagram::from_slice(d).map_err(|_| Refusal::Malformed)?;
                let q = Question {
                    community: init.community,
                    datagram,
                    via,
                    from,
                };
                self.questions.push_back(q).map_err(|_| Refusal::Full)
            }
            Ok(Verdict::Challenge(n)) => {
                self.post(via, from, reply.get(..n).unwrap_or_default());
                Ok(())
            }
            Err(_) => Ok(()),
        }
    }

    pub(super) fn post(&mut self, via: Via, to: SocketAddr, bytes: &[u8]) {
        if let Ok(bytes) = Vec::from_slice(bytes) {
            let _ = self.letters.push_back(Letter {
                via,
                to: Some(to),
                bytes,
            });
        }
    }

    /// Work for the worker, if there is some. `entropy` fills 32 bytes with fresh entropy of the system.
    pub fn poll_task(&mut self, mut entropy: impl FnMut(&mut [u8; 32])) -> Option<Task> {
        if let Some(work) = self.next_check() {
            return Some(Task {
                owner: Owner::Admission,
                work,
            });
        }
        let q = self.questions.pop_front()?;
        let served = self
            .communities
            .iter()
            .find(|c| c.credentials.community.id == q.community)?;
        let mut seed = [0; 32];
        entropy(&mut seed);
        let job = RespondJob {
            credentials: served.credentials.clone(),
            ephemeral: SecretKey::from_bytes(seed),
            datagram: q.datagram,
            admission: served.admission.clone(),
        };
        let cid = self.draw.cid();
        Some(Task {
            owner: Owner::Stranger {
                via: q.via,
                from: q.from,
            },
            work: Work::Respond { job, cid },
        })
    }

    /// Takes what the worker has done. Returns the seat whose session is new or renewed: its lease may be new.
    pub fn handle_done(&mut self, now: Instant, done: Done) -> Option<usize> {
        let (via, from, r) = match (done.owner, done.outcome) {
            (Owner::Stranger { via, from }, Outcome::Responded(Ok(r))) => (via, from, r),
            (_, Outcome::Checked(check, good)) => {
                self.handle_checked(&check, good);
                return None;
            }
            _ => return None,
        };
        let key = r.answered.remote;
        if let Some(why) = r.denial {
            self.count_denied(r.community, why);
            self.post(via, from, &r.answered.datagram);
            return None;
        }
        let at = self.seat_for(&r, key)?;
        let secret = self.draw.secret();
        let seat = self.seats.get_mut(at).and_then(Option::as_mut)?;
        if seat.last.0 == key && (r.hello.epoch, r.hello.counter) <= (seat.last.1, seat.last.2) {
            self.refusals.count(Refusal::Replayed);
            return None;
        }
        seat.last = (key, r.hello.epoch, r.hello.counter);
        let renews = seat
            .session
            .as_ref()
            .is_some_and(|s| r.hello.rekey_of.is_some_and(|cid| s.is_for(cid)));
        if renews {
            seat.renew(now, &r);
        } else {
            seat.begin(now, &r, secret)?;
        }
        self.post(via, from, &r.answered.datagram);
        Some(at)
    }

    /// The member's seat, or that of a member that is gone, or one that has no packet memory yet.
    fn seat_for(&mut self, r: &Responded, key: PublicKey) -> Option<usize> {
        let same = |s: &Seat<'_>| {
            s.last.0 == key
                && s.session
                    .as_ref()
                    .is_none_or(|session| session.community == r.community)
        };
        if let Some(at) = self.seats.iter().position(|s| s.as_ref().is_some_and(same)) {
            return Some(at);
        }
        let left = |s: &Option<Seat<'_>>| s.as_ref().is_some_and(|s| s.session.is_none());
        let at = self.seats.iter().position(left);
        let at = at.or_else(|| self.seats.iter().position(Option::is_none));
        let Some(at) = at else {
            self.refusals.count(Refusal::Full);
            return None;
        };
        let place = self.seats.get_mut(at)?;
        if place.is_none() {
            let tunnel = Tunnel::new((self.memory)(), self.draw.secret());
            *place = Some(Seat {
                tunnel,
                session: None,
                last: (PublicKey([0; 32]), 0, 0),
            });
            self.used = self.used.max(at + 1);
        }
        Some(at)
    }
}

impl Seat<'_> {
    fn renew(&mut self, now: Instant, r: &Responded) {
        let (a, caps) = (&r.answered, r.hello.caps.and(Capabilities::OURS));
        let confirmed = self.tunnel.keys_confirmed();
        self.tunnel.retire_old_keys();
        self.tunnel
            .install_keys(&a.keys.send, &a.keys.recv, false, caps);
        if let Some(s) = &mut self.session {
            s.lifetime = Lifetime::new(now, false);
            if confirmed {
                s.cid_before = s.local_cid;
            }
            (s.local_cid, s.remote_cid) = (a.cid, a.remote_cid);
            // The gateway takes what it was told last: IPv6 may have come or gone since.
            s.lease = r.lease.unwrap_or(s.lease);
            s.gift = r.certificate.map(|c| (c, GIFTS));
            s.handshakes = s.handshakes.saturating_add(1);
        }
        self.retire_later(now);
    }

    fn begin(&mut self, now: Instant, r: &Responded, secret: [u8; 16]) -> Option<()> {
        let (lease, a) = (r.lease?, &r.answered);
        let caps = r.hello.caps.and(Capabilities::OURS);
        self.tunnel.reset(secret);
        self.tunnel
            .install_keys(&a.keys.send, &a.keys.recv, false, caps);
        self.session = Some(Session {
            community: r.community,
            key: a.remote,
            node: a.remote.node_id(),
            inside: Bucket::new(now, INSIDE_KBIT),
            up: Bucket::UNLIMITED,
            lease,
            gift: r.certificate.map(|c| (c, GIFTS)),
            told: Told::default(),
            gave: Instant::ZERO,
            minor: r.hello.minor,
            since: now,
            handshakes: 1,
            lifetime: Lifetime::new(now, false),
            local_cid: a.cid,
            cid_before: a.cid,
            remote_cid: a.remote_cid,
            opened: ReplayWindow::default(),
            addresses: [Address::default(); MAX_PATHS],
            retire_at: None,
        });
        Some(())
    }
}
