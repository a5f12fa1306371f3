//! Asymmetric cryptography outside the data loop: some 10 ms a multiplication on a 580 MHz router.
//!
//! A node gives a [`Task`]; the shell runs it wherever it likes (a thread of low priority) and brings [`Done`] back.

use crate::control::handshake::{
    Answered, Established, FinishJob, HandshakeError, InitiateJob, Initiated, RespondJob,
};
use crate::identity::{CommunityId, PublicKey};
use crate::wire::Capabilities;
use crate::wire::handshake::{Hello, Lease, Welcome};
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
    /// The lease for this member (`None` inside: welcome, but without lease), or `Err(())`: not let in.
    fn admit(
        &mut self,
        community: CommunityId,
        member: &PublicKey,
    ) -> Result<Option<Lease>, NotAdmitted>;
}

/// The member is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAdmitted;

/// A gateway lets in whoever proved the community's secret, and leases nothing.
#[derive(Clone, Copy, Debug)]
pub struct Anyone;

impl Doorkeeper for Anyone {
    fn admit(&mut self, _: CommunityId, _: &PublicKey) -> Result<Option<Lease>, NotAdmitted> {
        Ok(None)
    }
}

impl Task {
    /// Does the work.
    pub fn run(self, door: &mut impl Doorkeeper) -> Done {
        let outcome = match self.work {
            Work::Initiate(job) => Outcome::Initiated(job.run()),
            Work::Finish(job) => Outcome::Finished(job.run()),
            Work::Respond { job, cid } => Outcome::Responded(respond(job, cid, door)),
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
    let lease = door
        .admit(community, &opened.initiator)
        .map_err(|NotAdmitted| HandshakeError::Unauthentic)?;
    let welcome = Welcome {
        caps: Capabilities::OURS,
        minor: crate::wire::MINOR,
        lease,
    };
    let answered = opened.respond(&welcome, cid)?;
    Ok(Responded {
        answered,
        hello,
        lease,
        community,
    })
}
