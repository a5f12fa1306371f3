//! A community's admin: whose word makes members, and who is one no more.

use burstmesh_core::identity::NodeId;
use burstmesh_core::wire::admission::{AdminKey, AdminSecret, Revocations};
use rusqlite::{TransactionBehavior, params};

use super::{Community, Store, StoreError, now};

impl Store {
    /// Members of this community are members by the word of this admin from now on; with the secret this exit gives it itself. A list
    /// of another admin is nobody's word any more.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn set_admin(
        &mut self,
        community: &Community,
        admin: Option<AdminKey>,
        secret: Option<&AdminSecret>,
    ) -> Result<(), StoreError> {
        let keeps = community.admin == admin;
        let sql = "UPDATE communities SET admin = ?2, admin_secret = ?3,
                       revocations = CASE WHEN ?4 THEN revocations END
                   WHERE id = ?1";
        let (admin, secret) = (admin.map(|a| a.0), secret.map(AdminSecret::as_bytes));
        self.db
            .execute(sql, params![community.id, admin, secret, keeps])?;
        Ok(())
    }

    /// Takes a list that the community's admin signed, unless there is a newer one; members on it are removed. Says whether it was
    /// newer.
    ///
    /// # Errors
    /// A store that cannot be read or written.
    pub fn take_list(
        &mut self,
        community: &Community,
        list: &Revocations,
    ) -> Result<bool, StoreError> {
        let members = self.members(community)?;
        let work = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let sql = "SELECT revocations FROM communities WHERE id = ?1";
        let held: Option<Vec<u8>> = work.query_row(sql, [community.id], |row| row.get(0))?;
        let held = held.and_then(|bytes| Revocations::parse(&bytes).ok());
        if held.is_some_and(|held| held.number() >= list.number()) {
            return Ok(false);
        }
        let sql = "UPDATE communities SET revocations = ?2 WHERE id = ?1";
        work.execute(sql, params![community.id, list.bytes()])?;
        let on_it = |node: NodeId| list.names(node);
        for member in members.iter().filter(|m| on_it(m.key.node_id())) {
            let sql = "UPDATE members SET revoked = coalesce(revoked, ?3) WHERE community = ?1 AND key = ?2";
            work.execute(sql, params![community.id, member.key.as_bytes(), now()])?;
        }
        work.commit()?;
        Ok(true)
    }
}
