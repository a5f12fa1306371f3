//! Who is a member, where an admin says it: certificates, and lists of those who are members no more.

use super::{Gateway, Peer};
use crate::control::admission::Admission;
use crate::control::handshake::{Established, HandshakeError};
use crate::error::Refusal;
use crate::node::job::{Check, Word, Work};
use crate::node::roll::{EXIT, OWNER};
use crate::time::{Duration, Instant};
use crate::wire::admission::{Certificate, Revocations};
use crate::wire::handshake::Denial;
use crate::wire::roll::Message;

/// A denial is told to people for so long: it is repeated while it holds.
const RECENT: Duration = Duration::from_secs(90);

impl Gateway<'_> {
    /// A certificate for this node that its owner has: in force once the worker has found it right, unless there is a later one.
    pub fn offer_certificate(&mut self, certificate: Certificate) {
        let key = self.credentials.identity.public();
        if let Some(admission) = &self.admission {
            self.roll.certificate(admission, key, certificate);
        }
    }

    /// A list that the owner has: in force once the worker has found it right, unless there is a later one.
    pub fn offer_list(&mut self, list: Revocations) {
        let number = self.admission.as_ref().map(Admission::number);
        if number.is_some_and(|ours| ours < list.number()) {
            self.roll.check(Word::List(OWNER, list));
        }
    }

    /// What time it is, in Unix seconds; 0: nobody knows.
    pub fn set_time(&mut self, unix: u64) {
        if let Some(admission) = &mut self.admission {
            admission.now = unix;
        }
    }

    /// By whose word members are members, and what is known of it.
    pub fn admission(&self) -> Option<&Admission> {
        self.admission.as_ref()
    }

    /// We cannot show that we are a member: neighbours need not be asked or answered.
    pub(super) fn lacks_certificate(&self) -> bool {
        let admission = self.admission.as_ref();
        admission.is_some_and(|a| a.certificate.is_none())
    }

    /// Why there is no session with somebody: what was said lately, or what is clear without asking.
    pub fn denied(&self, now: Instant) -> Option<Denial> {
        let recent = self.denied.filter(|(_, at)| now.since(*at) < RECENT);
        let lacks = self.lacks_certificate().then_some(Denial::NoCertificate);
        recent.map(|(why, _)| why).or(lacks)
    }

    /// Lists and certificates that came, and that no admin had signed.
    pub fn forged_words(&self) -> u32 {
        self.roll.forged()
    }

    pub(super) fn next_check(&mut self) -> Option<Work> {
        let community = self.credentials.community.id;
        let check = self.roll.next_check(self.admission.as_ref()?, community)?;
        Some(Work::Check(check))
    }

    pub(super) fn note_denial(
        &mut self,
        now: Instant,
        result: &Result<Established, HandshakeError>,
    ) {
        match result {
            Err(HandshakeError::Denied(why)) => self.denied = Some((*why, now)),
            Err(HandshakeError::Unadmitted(why)) => self.gatekeeper.count_denied(*why),
            _ => {}
        }
    }

    /// What a neighbour, or the exit, says.
    pub(super) fn handle_roll(
        &mut self,
        now: Instant,
        from: u16,
        message: &[u8],
    ) -> Result<(), Refusal> {
        let message = Message::parse(message)?;
        let Some(admission) = &self.admission else {
            return Ok(());
        };
        if let (Message::Member(certificate), EXIT) = (&message, from) {
            let key = self.credentials.identity.public();
            self.roll.certificate(admission, key, *certificate);
            return Ok(());
        }
        let mut answer = |told: &mut _| self.roll.handle(now, from, told, &message, admission);
        // If there is no room for an answer now, the question will come again.
        let peer = self.peers.get_mut(usize::from(from));
        if let Some(peer) = peer.and_then(Option::as_mut) {
            if let Some(answer) = answer(&mut peer.told) {
                let _ = peer.tunnel.send_control(&answer);
            }
        } else if from == EXIT
            && let Some(answer) = answer(&mut self.link.told)
        {
            let _ = self.link.tunnel.send_control(&answer);
        }
        Ok(())
    }

    /// What the exit said meanwhile, and what it is to be told.
    pub(super) fn keep_roll(&mut self, now: Instant) {
        while let Some((from, message)) = self.roll.read() {
            if let Err(why) = self.handle_roll(now, from, &message) {
                self.refusals.count(why);
            }
        }
        let list = self.admission.as_ref().and_then(|a| a.list.as_ref());
        if let Some(list) = list.filter(|_| self.link.session.is_some()) {
            self.link.told.tell(now, list, &mut self.link.tunnel);
        }
    }

    /// The worker knows whether it is the admin's word.
    pub(super) fn handle_checked(&mut self, now: Instant, check: &Check, good: bool) {
        let Some(admission) = &mut self.admission else {
            return;
        };
        let newer = self.roll.checked(admission, check, good);
        if let Word::List(from, list) = &check.word {
            let peer = self.peers.get_mut(usize::from(*from));
            let told = match peer.and_then(Option::as_mut) {
                Some(peer) => Some(&mut peer.told),
                None if *from == EXIT => Some(&mut self.link.told),
                None => None,
            };
            if let Some(told) = told {
                told.passed_on(list, good);
            }
        }
        if newer {
            self.end_removed();
        }
        if good {
            self.try_anew(now);
        }
        self.maintain_at = now;
    }

    /// What stood between us and others may be gone.
    fn try_anew(&mut self, now: Instant) {
        self.denied = None;
        self.link.initiator.hurry(now);
        for peer in self.peers.iter_mut().flatten() {
            peer.initiator.hurry(now);
        }
    }

    /// Nothing is left of those whom the admin has removed.
    fn end_removed(&mut self) {
        for place in 0..self.peers.len() {
            let admission = self.admission.as_ref();
            let removed = |p: &Peer| admission.is_some_and(|a| a.has_removed(&p.key));
            let peer = self.peers.get(place).and_then(Option::as_ref);
            if peer.is_some_and(removed) {
                self.forget_place(place as u8);
                if let Some(peer) = self.peers.get_mut(place) {
                    *peer = None;
                }
            }
        }
    }
}
