//! How a list of revocations goes from node to node: whoever holds one says so with its first part, and again while the other has
//! not said that it holds it too; the other asks for the rest, part by part. A list counts only once the admin's signature was
//! found right, by the worker.

use crate::control::admission::Admission;
use crate::data::tunnel::Tunnel;
use crate::time::{Duration, Instant};
use crate::wire::Capabilities;
use crate::wire::admission::{Certificate, LIST, Revocations};
use crate::wire::control::MAX_LEN;
use crate::wire::roll::Message;
use heapless::{Deque, Vec};

use super::job::{Check, Word};
use crate::identity::{CommunityId, PublicKey};

/// The place of an exit, where those of neighbours are numbers.
pub const EXIT: u16 = u16::MAX;
/// The place of the node's own owner.
pub const OWNER: u16 = u16::MAX - 1;

/// Nobody waits longer for the next part while another has a list too.
const STALLED: Duration = Duration::from_secs(1);
/// And nobody has longer for all of a list while another has one too: a member that is about to be removed could begin one after the
/// other. A whole list takes 6 s over a mesh that loses a tenth.
const TURN: Duration = Duration::from_secs(10);
/// Who did not say that it holds our list is told again after this.
pub const AGAIN: Duration = Duration::from_secs(2);

/// A message, for one place.
pub type Mail = Vec<u8, MAX_LEN>;

/// Lists on their way. Some 1.9 KB.
#[derive(Debug, Default)]
pub struct Roll {
    /// What came from the exit, or from members at an exit, and was not looked at yet.
    inbox: Deque<(u16, Mail), 3>,
    coming: Option<Coming>,
    /// Whose turns others ended: they wait longer for the next, until a list was good.
    tired: Vec<u16, 8>,
    /// For the worker.
    unchecked: Deque<Word, 2>,
    /// Lists and certificates that no admin signed.
    forged: u32,
}

/// A list of which parts are missing.
#[derive(Debug)]
struct Coming {
    from: u16,
    number: u64,
    total: u16,
    bytes: Vec<u8, LIST>,
    /// When the last part came.
    at: Instant,
    /// When its sender's turn began: with this list, or with one that it gave up for this.
    since: Instant,
}

/// What one end of a session knows of the other's list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    /// The number of the list that it said it holds.
    pub holds: u64,
    /// When it was told of ours.
    at: Instant,
    /// It passed on a list that no admin signed: nothing more is taken from it in this session.
    pub lied: bool,
}

impl Told {
    /// The worker has looked at a list that it passed on.
    pub fn passed_on(&mut self, list: &Revocations, good: bool) {
        if good {
            self.holds = self.holds.max(list.number());
        } else {
            self.lied = true;
        }
    }

    /// Says that we hold this list, if the other end is not known to, and understands.
    pub fn tell<const R: usize>(
        &mut self,
        now: Instant,
        list: &Revocations,
        to: &mut Tunnel<'_, R>,
    ) {
        let lately = self.at != Instant::ZERO && now.since(self.at) < AGAIN;
        let knows = to.capabilities().has(Capabilities::ADMISSION);
        if knows && !lately && self.holds < list.number() {
            self.at = now;
            if let Some(part) = Message::part(list, 0) {
                // If there is no room now, it is said again.
                let _ = to.send_control(&part.emit());
            }
        }
    }
}

impl Roll {
    /// Keeps a message until [`Self::read`]. Too many at once are lost: each is said again.
    pub fn post(&mut self, from: u16, message: &[u8]) {
        if Message::is_one(message)
            && let Ok(message) = Vec::from_slice(message)
        {
            let _ = self.inbox.push_back((from, message));
        }
    }

    /// What was kept.
    pub fn read(&mut self) -> Option<(u16, Mail)> {
        self.inbox.pop_front()
    }

    /// Takes what somebody said of a list, who is told the answer.
    pub fn handle(
        &mut self,
        now: Instant,
        from: u16,
        told: &mut Told,
        message: &Message<'_>,
        admission: &Admission,
    ) -> Option<Mail> {
        let ours = admission.list.as_ref();
        match *message {
            Message::Part { number, .. } if number < admission.number() => {
                // It will hear of ours at once.
                (told.holds, told.at) = (told.holds.max(number), now);
                Message::part(ours?, 0).map(|part| part.emit())
            }
            Message::Part { number, total, .. } if number == admission.number() => {
                told.holds = number;
                Some(Message::From { number, at: total }.emit())
            }
            Message::Part {
                number,
                total,
                at,
                bytes,
            } => {
                let at = self.take(now, from, told, (number, total, at), bytes)?;
                Some(Message::From { number, at }.emit())
            }
            Message::From { number, at } => {
                let list = ours.filter(|list| list.number() == number)?;
                if usize::from(at) >= list.bytes().len() {
                    told.holds = number;
                }
                Message::part(list, at).map(|part| part.emit())
            }
            Message::Member(_) => None,
        }
    }

    /// A part of a newer list; where the next one begins. The end is not said before the list is found good.
    fn take(
        &mut self,
        now: Instant,
        from: u16,
        told: &Told,
        (number, total, at): (u64, u16, u16),
        bytes: &[u8],
    ) -> Option<u16> {
        if told.lied || usize::from(total) > LIST || self.is_checking() {
            return None;
        }
        let same = |c: &&mut Coming| (c.from, c.number, c.total) == (from, number, total);
        if self.coming.as_mut().filter(same).is_none() {
            if at != 0 {
                return None;
            }
            let since = self.turn(now, from)?;
            self.coming = Some(Coming {
                from,
                number,
                total,
                bytes: Vec::new(),
                at: now,
                since,
            });
        }
        let coming = self.coming.as_mut()?;
        if usize::from(at) == coming.bytes.len() {
            coming.bytes.extend_from_slice(bytes).ok()?;
            coming.at = now;
        }
        let have = coming.bytes.len() as u16;
        if have < coming.total {
            return Some(have);
        }
        let list = Revocations::parse(&coming.bytes).ok();
        let list = list.filter(|list| list.number() == number);
        self.coming = None;
        match list {
            Some(list) => self.check(Word::List(from, list)),
            None => self.forged = self.forged.saturating_add(1),
        }
        None
    }

    /// Since when it is the turn of `from`, if it may begin a list. An exit, which is known by its key, waits for nobody.
    fn turn(&mut self, now: Instant, from: u16) -> Option<Instant> {
        let Some(coming) = &self.coming else {
            return Some(now);
        };
        if coming.from == from {
            return Some(coming.since);
        }
        let over = now.since(coming.since) >= TURN;
        let tired = self.tired.contains(&from);
        let quiet = now.since(coming.at) >= if tired { TURN } else { STALLED };
        let may = from == EXIT || quiet || (over && !tired);
        if may && over {
            if self.tired.is_full() {
                self.tired.remove(0);
            }
            let _ = self.tired.push(coming.from);
        }
        may.then_some(now)
    }

    /// Has something looked at by the worker.
    pub fn check(&mut self, word: Word) {
        let _ = self.unchecked.push_back(word);
    }

    fn is_checking(&self) -> bool {
        self.unchecked
            .iter()
            .any(|word| matches!(word, Word::List(..)))
    }

    /// What the worker is to look at.
    pub fn next_check(&mut self, admission: &Admission, community: CommunityId) -> Option<Check> {
        Some(Check {
            admin: admission.admin,
            community,
            word: self.unchecked.pop_front()?,
        })
    }

    /// The worker has looked. `true`: there is a newer list in force.
    pub fn checked(&mut self, admission: &mut Admission, check: &Check, good: bool) -> bool {
        if check.admin != admission.admin {
            return false;
        }
        if !good {
            self.forged = self.forged.saturating_add(1);
            return false;
        }
        match &check.word {
            Word::Certificate(_, certificate) => {
                let newer = |c: Certificate| c.issued < certificate.issued;
                if admission.certificate.is_none_or(newer) {
                    admission.certificate = Some(*certificate);
                }
                false
            }
            Word::List(_, list) => {
                let newer = list.number() > admission.number();
                if newer {
                    admission.list = Some(list.clone());
                    self.tired.clear();
                }
                newer
            }
        }
    }

    /// A certificate for this node, by whomever it came.
    pub fn certificate(&mut self, admission: &Admission, key: PublicKey, word: Certificate) {
        let newer = |ours: Certificate| ours.issued < word.issued;
        if admission.certificate.is_none_or(newer) {
            self.check(Word::Certificate(key, word));
        }
    }

    /// How many lists and certificates no admin had signed.
    pub fn forged(&self) -> u32 {
        self.forged
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::NodeId;
    use crate::wire::admission::AdminSecret;

    #[test]
    fn who_begins_one_list_after_the_other_does_not_keep_another_from_telling_a_true_one() {
        let secret = AdminSecret::new([7; 32]).unwrap();
        let list = secret
            .revoke(CommunityId([0; 8]), 5, &[NodeId([9; 8]); 20])
            .unwrap();
        let admission = Admission::by(secret.public());
        let (mut roll, mut told) = (Roll::default(), [Told::default(); 2]);
        let mut took = None;
        for tenth in 1..200 {
            let now = Instant::ZERO + Duration::from_millis(tenth * 100);
            let fake = Message::Part {
                number: 100 + tenth,
                total: 224,
                at: 0,
                bytes: &[0; 128],
            };
            roll.handle(now, 1, &mut told[0], &fake, &admission);
            if tenth % 20 == 0 {
                let mut at = 0;
                while let Some(part) = Message::part(&list, at) {
                    let answer = roll.handle(now, 2, &mut told[1], &part, &admission);
                    let Some(Message::From { at: next, .. }) =
                        answer.as_deref().and_then(|m| Message::parse(m).ok())
                    else {
                        break;
                    };
                    at = next;
                }
            }
            if roll.is_checking() {
                took = took.or(Some(tenth));
            }
        }
        assert!(took.is_some_and(|tenth| tenth <= 120), "{took:?}");
    }
}
