//! Handshakes on a thread of their own: they need milliseconds of arithmetic, and the store on the disk.
//!
//! Questions and answers keep their order. So a list of communities always comes after every admission that was made
//! before it was read, and ends those whose member is gone by then.

use std::net::Ipv6Addr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;

use anyhow::{Result, bail};
use burstmesh_core::identity::{CommunityId, PublicKey};
use burstmesh_core::node::job::{Admitted, Done, Doorkeeper, NotAdmitted, Task};
use burstmesh_core::wire::admission::Revocations;
use burstmesh_core::wire::handshake::{Denial, Lease};

use crate::config::Dns;
use crate::leases::{LeaseBook, Served};
use crate::store::StoreError;

/// The largest inner packet: Ethernet's 1,500 bytes less 58 of overhead.
pub const INNER_MTU: u16 = 1442;
/// Handshakes given to the thread at once. The others wait in the core, where a queue is taken for the load that it is.
const AT_ONCE: usize = 8;

enum Question {
    Handshake(Box<Task>),
    Communities,
    /// A member brought a newer list of removed members.
    Keep(CommunityId, Box<Revocations>),
}

/// What the thread found out.
pub enum Answer {
    /// A handshake came to its end, or did not.
    Handshake(Box<Done>),
    /// The communities to serve, or why they cannot be read.
    Communities(Result<Vec<Served>, StoreError>),
}

/// The data thread's end.
pub struct Worker {
    questions: Sender<Question>,
    answers: Receiver<Answer>,
    handshakes: usize,
}

impl Worker {
    /// Starts the thread. `wake` is called when something is done.
    pub fn start(
        leases: Arc<dyn LeaseBook>,
        dns: Dns,
        wake: impl Fn() + Send + 'static,
    ) -> Result<Self> {
        let (questions, asked) = channel();
        let (answered, answers) = channel();
        thread::Builder::new()
            .name("handshakes".into())
            .spawn(move || {
                let mut door = Door { leases, dns };
                for question in asked {
                    if answered.send(door.answer(question)).is_err() {
                        return;
                    }
                    wake();
                }
            })?;
        Ok(Self {
            questions,
            answers,
            handshakes: 0,
        })
    }

    /// Is there room for another handshake?
    pub fn has_room(&self) -> bool {
        self.handshakes < AT_ONCE
    }

    /// Does a handshake's arithmetic. A thread that died is noticed by [`Self::take`].
    pub fn handshake(&mut self, task: Task) {
        self.handshakes += 1;
        let _ = self.questions.send(Question::Handshake(Box::new(task)));
    }

    /// Keeps a list that a member brought; the communities are read anew then.
    pub fn keep(&self, community: CommunityId, list: Revocations) {
        let _ = self
            .questions
            .send(Question::Keep(community, Box::new(list)));
    }

    /// Reads the communities anew.
    pub fn communities(&self) {
        let _ = self.questions.send(Question::Communities);
    }

    /// The next answer that is there.
    ///
    /// # Errors
    /// The thread died.
    pub fn take(&mut self) -> Result<Option<Answer>> {
        match self.answers.try_recv() {
            Ok(answer) => {
                if matches!(answer, Answer::Handshake(_)) {
                    self.handshakes = self.handshakes.saturating_sub(1);
                }
                Ok(Some(answer))
            }
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => bail!("the handshake thread died"),
        }
    }
}

/// Asks the lease book.
struct Door {
    leases: Arc<dyn LeaseBook>,
    dns: Dns,
}

impl Door {
    fn answer(&mut self, question: Question) -> Answer {
        match question {
            Question::Handshake(task) => Answer::Handshake(Box::new(task.run(self))),
            Question::Communities => Answer::Communities(self.leases.communities()),
            Question::Keep(community, list) => {
                let kept = self.leases.keep_list(community, &list);
                Answer::Communities(kept.and_then(|()| self.leases.communities()))
            }
        }
    }
}

impl Doorkeeper for Door {
    fn admit(
        &mut self,
        community: CommunityId,
        member: &PublicKey,
        judged: Result<(), Denial>,
    ) -> Result<Admitted, NotAdmitted> {
        match self.leases.admit(community, member, judged) {
            Ok(lease) => Ok(Admitted {
                lease: Some(Lease {
                    ipv4: lease.v4.octets(),
                    ipv6: lease.v6.unwrap_or(Ipv6Addr::UNSPECIFIED).octets(),
                    dns4: self.dns.v4.list().first().map(|ip| ip.octets()),
                    // One that cannot be reached without IPv6 is none.
                    dns6: lease
                        .v6
                        .and_then(|_| self.dns.v6.list().first().map(|ip| ip.octets())),
                    mtu: INNER_MTU,
                }),
                certificate: lease.certificate,
            }),
            Err(why) => {
                tracing::warn!("member {} is not let in: {why}", member.node_id());
                Err(NotAdmitted(why.told()))
            }
        }
    }
}
