//! Asymmetric cryptography outside the data loop: some 10 ms a multiplication on a 580 MHz router.
//!
//! A node gives a [`Task`]; the shell runs it wherever it likes (a thread of low priority) and brings [`Done`] back.

use crate::control::handshake::{
    Answered, Established, FinishJob, HandshakeError, InitiateJob, Initiated, RespondJob,
};
use crate::identity::{CommunityId, PublicKey};
use crate::wire::Capabilities;
use crate::wire::admission::{AdminKey, Certificate, Revocations};
use crate::wire::handshake::{Denial, Hello, Lease, Welcome};
use core::net::SocketAddr;

use super::Via;

/// For whom the work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The session with the exit.
    Exit,
    /// A session with another exit, by its place.
    Rival(u8),
    /// The session with a peer, by its place.
    Peer(u8),
    /// The node itself.
    Admission,
    /// Somebody who asks us.
    Stranger {
        /// Where the question came in.
        via: Via,
        /// Where from.
        from: SocketAddr,
    },
}

/// A piece of work.
#[allow(clippy::large_enum_variant)] // no allocator to box with; a Task is moved twice
#[derive(Debug)]
pub enum Work {
    /// Make an Init.
    Initiate(InitiateJob),
    /// Read a Response.
    Finish(FinishJob),
    /// Read an Init and answer it.
    Respond {
        /// The question.
        job: RespondJob,
        /// Our connection ID for the session.
        cid: u32,
    },
    /// Is this the admin's word?
    Check(Check),
}

/// What an admin may have signed.
#[derive(Clone, Debug)]
pub struct Check {
    /// Whose word it would be.
    pub admin: AdminKey,
    /// For which community.
    pub community: CommunityId,
    /// What is said.
    pub word: Word,
}

/// What an admin says.
#[allow(clippy::large_enum_variant)] // see `Work`
#[derive(Clone, Debug)]
pub enum Word {
    /// A node is a member.
    Certificate(PublicKey, Certificate),
    /// Who is none any more, and from whom we have the list, by his place.
    List(u16, Revocations),
}

/// Work with its owner.
#[derive(Debug)]
pub struct Task {
    /// For whom.
    pub owner: Owner,
    /// What.
    pub work: Work,
}

/// An answered handshake.
#[derive(Debug)]
pub struct Responded {
    /// The answer and the keys.
    pub answered: Answered,
    /// What the initiator said.
    pub hello: Hello,
    /// The lease that was granted, if we are an exit.
    pub lease: Option<Lease>,
    /// A certificate that was made for the initiator, for want of his own.
    pub certificate: Option<Certificate>,
    /// There is no session, and the answer says why.
    pub denial: Option<Denial>,
    /// In which community.
    pub community: CommunityId,
}

/// What came of it.
#[allow(clippy::large_enum_variant)] // see `Work`
#[derive(Debug)]
pub enum Outcome {
    /// An Init, or why not.
    Initiated(Result<Initiated, HandshakeError>),
    /// A session, or why not.
    Finished(Result<Established, HandshakeError>),
    /// An answer, or why not.
    Responded(Result<Responded, HandshakeError>),
    /// What was asked about, and whether it is the admin's word.
    Checked(Check, bool),
}

/// A finished piece of work.
#[derive(Debug)]
pub struct Done {
    /// For whom.
    pub owner: Owner,
    /// What came of it.
    pub outcome: Outcome,
}

/// Who may come in, asked between reading a question and answering it.
pub trait Doorkeeper {
    /// Lets this member in, or not. `judged`: whether it is one by the word of the community's admin; `Ok` also where there is
    /// no admin.
    ///
    /// # Errors
    /// It is not let in.
    fn admit(
        &mut self,
        community: CommunityId,
        member: &PublicKey,
        judged: Result<(), Denial>,
    ) -> Result<Admitted, NotAdmitted>;
}

/// What a member gets who is let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Admitted {
    /// Its addresses, from an exit.
    pub lease: Option<Lease>,
    /// A certificate that was made for it just now.
    pub certificate: Option<Certificate>,
}

/// The member is not let in, and may be told why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAdmitted(pub Option<Denial>);

/// A gateway lets in whoever proved the community's secret and has the admin's word if there is an admin. It leases nothing.
#[derive(Clone, Copy, Debug)]
pub struct Anyone;

impl Doorkeeper for Anyone {
    fn admit(
        &mut self,
        _: CommunityId,
        _: &PublicKey,
        judged: Result<(), Denial>,
    ) -> Result<Admitted, NotAdmitted> {
        let admitted = judged.map(|()| Admitted::default());
        admitted.map_err(|why| NotAdmitted(Some(why)))
    }
}

impl Task {
    /// Does the work.
    pub fn run(self, door: &mut impl Doorkeeper) -> Done {
        let outcome = match self.work {
            Work::Initiate(job) => Outcome::Initiated(job.run()),
            Work::Finish(job) => Outcome::Finished(job.run()),
            Work::Respond { job, cid } => Outcome::Responded(respond(job, cid, door)),
            Work::Check(check) => {
                let good = check.is_good();
                Outcome::Checked(check, good)
            }
        };
        Done {
            owner: self.owner,
            outcome,
        }
    }
}

// Apart, and so are the other jobs: together in one frame their parts are moved many times.
#[inline(never)]
fn respond(
    job: RespondJob,
    cid: u32,
    door: &mut impl Doorkeeper,
) -> Result<Responded, HandshakeError> {
    let community = job.credentials.community.id;
    let opened = job.open()?;
    let hello = opened.hello;
    let (admitted, denial) = match door.admit(community, &opened.initiator, opened.judged) {
        Ok(admitted) => (admitted, None),
        Err(NotAdmitted(why)) => {
            let why = why.ok_or(HandshakeError::Unauthentic)?;
            if !hello.caps.has(Capabilities::ADMISSION) {
                return Err(HandshakeError::Unadmitted(why));
            }
            (Admitted::default(), Some(why))
        }
    };
    let welcome = Welcome {
        caps: Capabilities::OURS,
        minor: crate::wire::MINOR,
        lease: admitted.lease,
    };
    let answered = opened.answer(&welcome, cid, denial)?;
    Ok(Responded {
        answered,
        hello,
        lease: admitted.lease,
        certificate: admitted.certificate,
        denial,
        community,
    })
}

impl Check {
    /// Two scalar multiplications.
    #[inline(never)]
    pub fn is_good(&self) -> bool {
        match &self.word {
            Word::Certificate(member, certificate) => {
                certificate.is_of(&self.admin, self.community, member)
            }
            Word::List(_, list) => list.is_of(&self.admin, self.community),
        }
    }
}
