//! Who may come in, and with which addresses: the store as the handshake thread sees it.

use std::collections::HashSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use burstmesh_core::identity::{CommunityId, CommunityKeys, PublicKey};
use burstmesh_core::node::exit::Rates;
use burstmesh_core::wire::admission::{AdminKey, Certificate, Revocations};
use burstmesh_core::wire::handshake::Denial;
use thiserror::Error;

use crate::ipv6::Leased;
use crate::lifecycle::lock;
use crate::store::{Admission, Community, Store, StoreError, now};

/// A member's tunnel addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub v4: Ipv4Addr,
    /// `None` where IPv6 is switched off, or has no way out.
    pub v6: Option<Ipv6Addr>,
    /// What the admin calls the member.
    pub name: Option<String>,
    /// A certificate, for one that had none where this exit gives them.
    pub certificate: Option<Certificate>,
}

/// One community as the data engine needs it.
#[derive(Debug, Clone)]
pub struct Served {
    pub name: String,
    pub keys: CommunityKeys,
    /// Who may have a session: everybody else's ends.
    pub members: HashSet<PublicKey>,
    /// By whose word they are members.
    pub admin: Option<AdminKey>,
    /// Who is one no more.
    pub revocations: Option<Revocations>,
    /// What its members may carry together.
    pub rates: Rates,
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
    #[error("the community has as many members as `community set --members` lets in")]
    Enough,
    #[error("all leases of the community are given out")]
    Full,
    #[error("the store cannot be read or written")]
    Store,
    #[error("its certificate: {}", words(*.0))]
    Denied(Denial),
}

impl Refusal {
    /// What the member is told, if anything.
    pub fn told(self) -> Option<Denial> {
        match self {
            Self::Revoked => Some(Denial::Revoked),
            Self::Denied(why) => Some(why),
            _ => None,
        }
    }
}

/// What is wrong with a certificate.
fn words(why: Denial) -> &'static str {
    match why {
        Denial::NoCertificate => "it has none",
        Denial::BadCertificate => "it is not the admin's word for this router",
        Denial::Ended => "it has ended",
        Denial::Revoked => "it is on the list of removed members",
    }
}

/// Called from the handshake thread, never from the data loop: it may wait for the disk.
pub trait LeaseBook: Send + Sync {
    /// The communities served now.
    ///
    /// # Errors
    /// The store's.
    fn communities(&self) -> Result<Vec<Served>, StoreError>;

    /// The lease of a member whose handshake proved the community's secret: always the same for the same key. `judged`: whether it
    /// is one by the word of the community's admin.
    ///
    /// # Errors
    /// Why it is not let in.
    fn admit(
        &self,
        community: CommunityId,
        member: &PublicKey,
        judged: Result<(), Denial>,
    ) -> Result<Lease, Refusal>;

    /// Keeps a list of removed members that the community's admin signed.
    ///
    /// # Errors
    /// The store's.
    fn keep_list(&self, community: CommunityId, list: &Revocations) -> Result<(), StoreError>;
}

/// The book on top of the store.
#[derive(Debug)]
pub struct Book {
    store: Mutex<Store>,
    ipv6: Mutex<Leased>,
    /// Newcomers turned away because their community had members enough.
    turned_away: AtomicU32,
}

impl Book {
    /// A book over `store`; `ipv6` says when leases carry IPv6 addresses.
    pub fn new(store: Store, ipv6: Leased) -> Self {
        Self {
            store: Mutex::new(store),
            ipv6: Mutex::new(ipv6),
            turned_away: AtomicU32::new(0),
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

    /// The community with this name on the wire.
    fn find(&self, id: CommunityId) -> Result<Option<Community>, StoreError> {
        let all = self.with(|store| store.communities())?;
        Ok(all.into_iter().find(|c| keys(c).id == id))
    }

    /// How often somebody new was turned away because the community had members enough.
    pub fn turned_away(&self) -> u32 {
        self.turned_away.load(Ordering::Relaxed)
    }

    /// Works with the store itself.
    pub fn with<T>(&self, work: impl FnOnce(&mut Store) -> T) -> T {
        work(&mut lock(&self.store))
    }
}

/// The time as certificates have it.
pub fn unix() -> u64 {
    u64::try_from(now()).unwrap_or(0)
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
                    admin: community.admin,
                    revocations: community.revocations,
                    rates: community.rates,
                    name: community.name,
                })
            })
            .collect()
        })
    }

    fn admit(
        &self,
        community: CommunityId,
        member: &PublicKey,
        judged: Result<(), Denial>,
    ) -> Result<Lease, Refusal> {
        let said = |error| {
            tracing::error!("{error}");
            Refusal::Store
        };
        let found = self.find(community).map_err(said)?;
        let found = found.ok_or(Refusal::UnknownCommunity)?;
        // For want of a certificate it gets one here, once it is admitted.
        let signs = found.admin_secret.as_ref();
        let signs = signs.filter(|_| judged != Err(Denial::Revoked));
        if let (Err(why), None) = (judged, signs) {
            return Err(Refusal::Denied(why));
        }
        let answer = self.with(|store| store.admit(&found, member));
        match answer.map_err(said)? {
            Admission::Admitted(member) => Ok(Lease {
                v4: member.lease.v4,
                v6: self.ipv6().then_some(member.lease.v6),
                name: member.name,
                certificate: signs
                    .filter(|_| judged.is_err())
                    .map(|admin| admin.certify(community, &member.key, unix(), 0)),
            }),
            Admission::Revoked => Err(Refusal::Revoked),
            Admission::NotInvited => Err(Refusal::NotInvited),
            Admission::Enough => {
                self.turned_away.fetch_add(1, Ordering::Relaxed);
                Err(Refusal::Enough)
            }
            Admission::Full => Err(Refusal::Full),
        }
    }

    fn keep_list(&self, community: CommunityId, list: &Revocations) -> Result<(), StoreError> {
        if let Some(community) = self.find(community)? {
            self.with(|store| store.take_list(&community, list))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Leases;
    use burstmesh_core::wire::admission::AdminSecret;
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

        let lease = book.admit(id, &PublicKey([2; 32]), Ok(())).unwrap();
        assert_eq!((lease.v4, lease.v6), (Ipv4Addr::new(10, 77, 0, 2), None));
        assert_eq!(
            book.admit(CommunityId([0; 8]), &PublicKey([2; 32]), Ok(())),
            Err(Refusal::UnknownCommunity)
        );
        let members = &book.communities().unwrap()[0].members;
        assert!(members.contains(&PublicKey([2; 32])) && members.len() == 1);
        book.with(|s| s.revoke_member(&home, &PublicKey([2; 32])))
            .unwrap();
        assert_eq!(
            book.admit(id, &PublicKey([2; 32]), Ok(())),
            Err(Refusal::Revoked)
        );
        assert!(book.communities().unwrap()[0].members.is_empty());

        book.with(|s| s.set_most(&home, Some(0))).unwrap();
        let refused = book.admit(id, &PublicKey([3; 32]), Ok(()));
        assert_eq!(refused, Err(Refusal::Enough));
        assert_eq!(book.turned_away(), 1);
    }

    /// A book of one community with an admin, whose secret it has or not, and an invitation that stands.
    fn certified(signs: bool) -> (Book, CommunityId, AdminSecret) {
        let admin = AdminSecret::new([7; 32]).unwrap();
        let mut store = Store::in_memory(&Leases::default()).unwrap();
        let home = store.add_community("home", &Secret::new([1; 32])).unwrap();
        store.add_invitation(&home, None).unwrap();
        let secret = signs.then_some(&admin);
        store
            .set_admin(&home, Some(admin.public()), secret)
            .unwrap();
        let book = Book::new(store, Leased::Never);
        let id = book.communities().unwrap()[0].keys.id;
        (book, id, admin)
    }

    #[test]
    fn a_member_without_a_certificate_gets_one_where_the_admins_key_is_and_is_refused_where_not() {
        let (key, none) = (PublicKey([2; 32]), Err(Denial::NoCertificate));
        let (book, id, admin) = certified(true);
        let lease = book.admit(id, &key, none).unwrap();
        let certificate = lease.certificate.unwrap();
        assert!(certificate.is_of(&admin.public(), id, &key));
        // Who has one gets no other.
        assert_eq!(book.admit(id, &key, Ok(())).unwrap().certificate, None);
        let (book, id, _) = certified(false);
        let denied = Refusal::Denied(Denial::NoCertificate);
        assert_eq!(book.admit(id, &key, none), Err(denied));
        // Nothing was leased to it.
        assert!(book.communities().unwrap()[0].members.is_empty());
    }

    #[test]
    fn whoever_is_on_the_list_is_refused_where_the_admins_key_is_too_and_the_list_is_kept() {
        let key = PublicKey([2; 32]);
        let (book, id, admin) = certified(true);
        book.admit(id, &key, Ok(())).unwrap();
        let list = |number, nodes: &[_]| admin.revoke(id, number, nodes).unwrap();
        book.keep_list(id, &list(5, &[key.node_id()])).unwrap();
        let served = &book.communities().unwrap()[0];
        assert!(served.members.is_empty());
        assert_eq!(served.revocations.as_ref().map(|l| l.number()), Some(5));
        let denied = Refusal::Denied(Denial::Revoked);
        assert_eq!(book.admit(id, &key, Err(Denial::Revoked)), Err(denied));
        // An older one is not taken.
        book.keep_list(id, &list(4, &[])).unwrap();
        let served = &book.communities().unwrap()[0];
        assert_eq!(served.revocations.as_ref().map(|l| l.number()), Some(5));
    }
}
