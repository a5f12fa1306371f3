//! Who is a member, where a community's admin says it.

use super::{Exit, Served};
use crate::control::admission::Admission;
use crate::identity::CommunityId;
use crate::node::job::{Check, Word, Work};
use crate::node::roll::AGAIN;
use crate::time::Instant;
use crate::wire::admission::{AdminKey, Revocations};
use crate::wire::handshake::Denial;
use crate::wire::roll::Message;

impl Exit<'_> {
    /// By whose word members are members of this community from now on, who is none any more, and what time it is (Unix
    /// seconds). The list is taken as the admin's own; an older one than that in force is not. Sessions that this ends end.
    pub fn set_admission(
        &mut self,
        community: CommunityId,
        admin: Option<AdminKey>,
        list: Option<&Revocations>,
        now: u64,
    ) {
        let Some(served) = self.served(community) else {
            return;
        };
        let Some(admin) = admin else {
            served.admission = None;
            return;
        };
        if served.admission.as_ref().is_none_or(|a| a.admin != admin) {
            served.admission = Some(Admission::by(admin));
        }
        if let Some(admission) = &mut served.admission {
            admission.now = now;
            if let Some(list) = list.filter(|l| l.number() > admission.number()) {
                admission.list = Some(list.clone());
            }
        }
        self.end_removed(community);
    }

    /// By whose word members are members of this community, and who is none any more.
    pub fn admission(&self, community: CommunityId) -> Option<&Admission> {
        let mut all = self.communities.iter();
        all.find(|c| c.credentials.community.id == community)
            .and_then(|c| c.admission.as_ref())
    }

    /// What time it is, in Unix seconds; 0: nobody knows.
    pub fn set_time(&mut self, now: u64) {
        for served in &mut self.communities {
            if let Some(admission) = &mut served.admission {
                admission.now = now;
            }
        }
    }

    /// A list that a member brought and that is in force now, to be kept.
    pub fn take_news(&mut self) -> Option<(CommunityId, Revocations)> {
        let served = self.communities.iter_mut().find(|c| c.news)?;
        served.news = false;
        let list = served.admission.as_ref()?.list.clone()?;
        Some((served.credentials.community.id, list))
    }

    pub(super) fn served(&mut self, community: CommunityId) -> Option<&mut Served> {
        let mut all = self.communities.iter_mut();
        all.find(|c| c.credentials.community.id == community)
    }

    pub(super) fn count_denied(&mut self, community: CommunityId, why: Denial) {
        if let Some(served) = self.served(community) {
            served.gatekeeper.count_denied(why);
        }
    }

    pub(super) fn next_check(&mut self) -> Option<Work> {
        let mut all = self.communities.iter_mut();
        all.find_map(|c| {
            let admission = c.admission.as_ref()?;
            c.roll.next_check(admission, c.credentials.community.id)
        })
        .map(Work::Check)
    }

    /// A list that a member had was looked at.
    pub(super) fn handle_checked(&mut self, check: &Check, good: bool) {
        let Some(served) = self.served(check.community) else {
            return;
        };
        let Some(admission) = &mut served.admission else {
            return;
        };
        let newer = served.roll.checked(admission, check, good);
        served.news |= newer;
        if let Word::List(seat, list) = &check.word
            && let Some(Some(seat)) = self.seats.get_mut(usize::from(*seat))
            && let Some(session) = &mut seat.session
        {
            session.told.passed_on(list, good);
        }
        if newer {
            self.end_removed(check.community);
        }
    }

    fn end_removed(&mut self, community: CommunityId) {
        let list = self.admission(community).and_then(|a| a.list.clone());
        if let Some(list) = list {
            self.end_where(|_, s| s.community == community && list.names(s.key.node_id()));
        }
    }

    /// What members said of admission.
    pub(super) fn read_said(&mut self, now: Instant) {
        while let Some((at, message)) = self.inbox.pop_front() {
            self.handle_said(now, at, &message);
        }
    }

    /// What they are to be told of it.
    pub(super) fn tell_members(&mut self, now: Instant) {
        for seat in self.seats.iter_mut().take(self.used).flatten() {
            let Some(session) = &mut seat.session else {
                continue;
            };
            if let Some((certificate, left)) = &mut session.gift
                && seat.tunnel.is_up()
                && (session.gave == Instant::ZERO || now.since(session.gave) >= AGAIN)
            {
                let message = Message::Member(*certificate).emit();
                if seat.tunnel.send_control(&message).is_ok() {
                    session.gave = now;
                    *left -= 1;
                    if *left == 0 {
                        session.gift = None;
                    }
                }
            }
            let mut all = self.communities.iter();
            let served = all.find(|c| c.credentials.community.id == session.community);
            let admission = served.and_then(|c| c.admission.as_ref());
            if let Some(list) = admission.and_then(|a| a.list.as_ref())
                && seat.tunnel.is_up()
            {
                session.told.tell(now, list, &mut seat.tunnel);
            }
        }
    }

    fn handle_said(&mut self, now: Instant, at: u16, message: &[u8]) {
        let message = match Message::parse(message) {
            Ok(message) => message,
            Err(why) => return self.refusals.count(why),
        };
        let Some(Some(seat)) = self.seats.get_mut(usize::from(at)) else {
            return;
        };
        let Some(session) = &mut seat.session else {
            return;
        };
        let mut all = self.communities.iter_mut();
        let served = all.find(|c| c.credentials.community.id == session.community);
        let Some(served) = served else { return };
        let Some(admission) = &served.admission else {
            return;
        };
        let answer = served
            .roll
            .handle(now, at, &mut session.told, &message, admission);
        if let Some(answer) = answer {
            let _ = seat.tunnel.send_control(&answer);
        }
    }
}
