//! Who is a member, where that takes more than the community's secret: by the word of an admin whose key all know.

use crate::identity::{CommunityId, PublicKey};
use crate::wire::admission::{AdminKey, Certificate, Revocations};
use crate::wire::handshake::Denial;

/// What a handshake goes by. Some 720 bytes.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Whose word counts.
    pub admin: AdminKey,
    /// That word for ourselves, if we have it.
    pub certificate: Option<Certificate>,
    /// Who is a member no more.
    pub list: Option<Revocations>,
    /// Unix seconds; 0: nobody knows.
    pub now: u64,
}

impl Admission {
    /// By this admin's word, of which nothing is known yet.
    #[must_use]
    pub const fn by(admin: AdminKey) -> Self {
        Self {
            admin,
            certificate: None,
            list: None,
            now: 0,
        }
    }

    /// Whether this node is a member of the community, by what it shows. Two scalar multiplications.
    ///
    /// Where the time is not known, a certificate holds whatever its end: a router must come up before it can ask for the time, and
    /// each session shows certificates anew every two minutes. A removal needs no time.
    ///
    /// # Errors
    /// Why it is none.
    pub fn judge(
        &self,
        community: CommunityId,
        member: &PublicKey,
        shown: Option<&Certificate>,
    ) -> Result<(), Denial> {
        if self.has_removed(member) {
            return Err(Denial::Revoked);
        }
        let shown = shown.ok_or(Denial::NoCertificate)?;
        if !shown.is_of(&self.admin, community, member) {
            return Err(Denial::BadCertificate);
        }
        if shown.has_ended(self.now) {
            return Err(Denial::Ended);
        }
        Ok(())
    }

    /// The admin has removed it, whatever it shows.
    #[must_use]
    pub fn has_removed(&self, member: &PublicKey) -> bool {
        let list = self.list.as_ref();
        list.is_some_and(|list| list.names(member.node_id()))
    }

    /// The number of the list in force; 0: there is none.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.list.as_ref().map_or(0, Revocations::number)
    }
}
