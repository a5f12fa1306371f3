//! Who may come in, and with which addresses: the store as the handshake thread sees it.

use std::collections::HashSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Mutex;

use burstmesh_core::identity::{CommunityId, CommunityKeys, PublicKey};
use thiserror::Error;

use crate::ipv6::Leased;
use crate::lifecycle::lock;
use crate::store::{Admission, Community, Store, StoreError};

/// A member's tunnel addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub v4: Ipv4Addr,
    /// `None` where IPv6 is switched off, or has no way out.
    pub v6: Option<Ipv6Addr>,
    /// What the admin calls the member.
    pub name: Option<String>,
}

/// One community as the data engine needs it.
#[derive(Debug, Clone)]
pub struct Served {
    pub name: String,
    pub keys: CommunityKeys,
    /// Who may have a session: everybody else's ends.
    pub members: HashSet<PublicKey>,
}

/// Why a member that proved the community's secret is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    #[error("no such community")]
    UnknownCommunity,
    #[error("the member was removed")]
    Revoked,
    #[error("a new member, and no invitation stands")]
    NotInvited,
    #[error("all leases of the community are given out")]
    Full,
    #[error("the store cannot be read or written")]
    Store,
}

/// Called from the handshake thread, never from the data loop: it may wait for the disk.
pub trait LeaseBook: Send + Sync {
    /// The communities served now.
    ///
    /// # Errors
    /// The store's.
    fn communities(&self) -> Result<Vec<Served>, StoreError>;

    /// The lease of a member whose handshake proved the community's secret: always the same for the same key.
    ///
    /// # Errors
    /// Why it is not let in.
    fn admit(&self, community: CommunityId, member: &PublicKey) -> Result<Lease, Refusal>;
}

/// The book on top of the store.
#[derive(Debug)]
pub struct Book {
    store: Mutex<Store>,
    ipv6: Mutex<Leased>,
}

impl Book {
    /// A book over `store`; `ipv6` says when leases carry IPv6 addresses.
    pub fn new(store: Store, ipv6: Leased) -> Self {
        Self {
            store: Mutex::new(store),
            ipv6: Mutex::new(ipv6),
        }
    }

    /// Whether leases that are given now carry IPv6 addresses.
    pub fn ipv6(&self) -> bool {
        lock(&self.ipv6).now()
    }

    /// Leases given from now on follow this.
    pub fn set_ipv6(&self, ipv6: Leased) {
        *lock(&self.ipv6) = ipv6;
    }

    /// Works with the store itself.
    pub fn with<T>(&self, work: impl FnOnce(&mut Store) -> T) -> T {
        work(&mut lock(&self.store))
    }
}

/// The protocol's name and keys of a stored community.
pub fn keys(community: &Community) -> CommunityKeys {
    CommunityKeys::derive(&community.name, community.secret.bytes())
}

impl LeaseBook for Book {
    fn communities(&self) -> Result<Vec<Served>, StoreError> {
        self.with(|store| {
            let all = store.communities()?.into_iter();
            all.map(|community| {
                let members = store.members(&community)?.into_iter();
                Ok(Served {
                    keys: keys(&community),
                    members: members
                        .filter(|m| m.revoked.is_none())
                        .map(|m| m.key)
                        .collect(),
                    name: community.name,
                })
            })
            .collect()
        })
    }

    fn admit(&self, community: CommunityId, member: &PublicKey) -> Result<Lease, Refusal> {
        let answer = self.with(|store| {
            let all = store.communities()?;
            match all.iter().find(|c| keys(c).id == community) {
                Some(community) => store.admit(community, member).map(Some),
                None => Ok(None),
            }
        });
        let answer: Result<Option<Admission>, StoreError> = answer;
        match answer {
            Ok(Some(Admission::Admitted(member))) => Ok(Lease {
                v4: member.lease.v4,
                v6: self.ipv6().then_some(member.lease.v6),
                name: member.name,
            }),
            Ok(Some(Admission::Revoked)) => Err(Refusal::Revoked),
            Ok(Some(Admission::NotInvited)) => Err(Refusal::NotInvited),
            Ok(Some(Admission::Full)) => Err(Refusal::Full),
            Ok(None) => Err(Refusal::UnknownCommunity),
            Err(error) => {
                tracing::error!("{error}");
                Err(Refusal::Store)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Leases;
    use burstmesh_core::wire::invitation::Secret;

    #[test]
    fn a_member_is_admitted_by_the_communitys_id_on_the_wire() {
        let mut store = Store::in_memory(&Leases::default()).unwrap();
        let home = store.add_community("home", &Secret::new([1; 32])).unwrap();
        store.add_invitation(&home, None).unwrap();
        let book = Book::new(store, Leased::Never);
        let served = book.communities().unwrap();
        let id = CommunityKeys::derive("home", &[1; 32]).id;
        assert_eq!((served.len(), served[0].keys.id), (1, id));

        let lease = book.admit(id, &PublicKey([2; 32])).unwrap();
        assert_eq!((lease.v4, lease.v6), (Ipv4Addr::new(10, 77, 0, 2), None));
        assert_eq!(
            book.admit(CommunityId([0; 8]), &PublicKey([2; 32])),
            Err(Refusal::UnknownCommunity)
        );
        let members = &book.communities().unwrap()[0].members;
        assert!(members.contains(&PublicKey([2; 32])) && members.len() == 1);
        book.with(|s| s.revoke_member(&home, &PublicKey([2; 32])))
            .unwrap();
        assert_eq!(book.admit(id, &PublicKey([2; 32])), Err(Refusal::Revoked));
        assert!(book.communities().unwrap()[0].members.is_empty());
    }
}
