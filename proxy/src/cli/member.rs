//! `member list|add|rename|remove|restore|forget|prune`. A member is named by its name, its key, or the beginning of its key
//! or node id.

use anyhow::{Result, anyhow};
use burstmesh_core::identity::PublicKey;
use burstmesh_core::wire::text::{key_from_text, key_to_text};
use clap::{Args, Subcommand};

use super::{Context, table, time};
use crate::admin::{self, Change};
use crate::ipv6::Leased;
use crate::leases;
use crate::store::{Community, Member, Store, StoreError, now};

pub const AFTER: &str = "\
To keep a router out, `remove` it: its key is refused from then on. `forget` and `prune` only tidy up: they free the
address, and the router may come again as a new member while an invitation stands.

  burstmesh-proxy member list \"Elm Street\"
  burstmesh-proxy member remove \"Elm Street\" 3f9a
  burstmesh-proxy member prune \"Elm Street\" --unseen 90d --dry-run";

#[derive(Subcommand)]
pub enum Command {
    /// Show the members of a community: names, addresses, when they were last seen
    List {
        /// The community's name
        community: String,
    },
    /// Let a router in by its public key, before it first connects: it needs no standing invitation
    ///
    /// Where members have certificates, the router's is printed too: only a router without a line of its own needs it, to join
    /// by its neighbours.
    Add {
        /// The community's name
        community: String,
        /// The router's public key: what `burstmesh pubkey` or the router's page shows
        key: String,
        /// What to call it
        #[arg(long)]
        name: Option<String>,
    },
    /// Call a member something else
    Rename {
        #[command(flatten)]
        who: Who,
        /// Its new name, up to 32 bytes
        name: String,
    },
    /// Shut a member out for good: its session ends, its key is refused; its address stays reserved
    Remove(Who),
    /// Let a removed member in again, with the address it had
    Restore(Who),
    /// Forget a member: its session ends, its address is free; with a standing invitation it may come again
    Forget(Who),
    /// Forget all members that were not here for a long time, as `forget` does; removed ones stay removed
    Prune {
        /// The community's name
        community: String,
        /// Not seen for so long: 12h, 90d, 52w
        #[arg(long, value_parser = time::span, value_name = "TIME")]
        unseen: i64,
        /// Only show whom it would be
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Args)]
pub struct Who {
    /// The community's name
    community: String,
    /// The member: its name, its key, or the beginning of its key or node id
    member: String,
}

pub fn run(context: &Context, command: &Command) -> Result<()> {
    let mut store = context.store()?;
    match command {
        Command::List { community } => return list(context, &store, community),
        Command::Add {
            community,
            key,
            name,
        } => {
            let community = store.community(community)?;
            let key = key_from_text(key)
                .map_err(|e| anyhow!("the key {e}: 44 characters of base64 are a key"))?;
            let member = store.add_member(&community, &PublicKey(key), name.as_deref())?;
            println!("{}: lease {}", called(&member), member.lease.v4);
            if let Some(admin) = &community.admin_secret {
                let id = leases::keys(&community).id;
                let certificate = admin.certify(id, &member.key, leases::unix(), 0);
                println!("certificate: {}", certificate.to_text());
            }
        }
        Command::Rename { who, name } => {
            let (community, member) = who.find(&store)?;
            store.rename_member(&community, &member.key, name)?;
        }
        Command::Remove(who) => {
            let (community, member) = who.find(&store)?;
            store.revoke_member(&community, &member.key)?;
            change(&mut store, &community, Change::Remove(member.key.node_id()))?;
            println!("{} is shut out of {}", called(&member), community.name);
        }
        Command::Restore(who) => {
            let (community, member) = who.find(&store)?;
            change(
                &mut store,
                &community,
                Change::Restore(member.key.node_id()),
            )?;
            store.restore_member(&community, &member.key)?;
        }
        Command::Forget(who) => {
            let (community, member) = who.find(&store)?;
            store.forget_member(&community, &member.key)?;
            println!(
                "{} is forgotten; {} is free",
                called(&member),
                member.lease.v4
            );
        }
        Command::Prune {
            community,
            unseen,
            dry_run,
        } => prune(&mut store, community, *unseen, *dry_run)?,
    }
    context.refresh();
    Ok(())
}

/// Where members have certificates, a removal is a list that reaches every router.
fn change(store: &mut Store, community: &Community, change: Change) -> Result<()> {
    let Some(secret) = &community.admin_secret else {
        if community.admin.is_some() {
            eprintln!(
                "At this exit only: the admin's key is not here. Sign a list with `admin revoke`, and hand it in with `community revocations`."
            );
        }
        return Ok(());
    };
    let id = leases::keys(community).id;
    let current = community.revocations.as_ref();
    let list = admin::next_list(secret, id, current, &[change], leases::unix())?;
    store.take_list(community, &list)?;
    Ok(())
}

fn prune(store: &mut Store, community: &str, unseen: i64, dry_run: bool) -> Result<()> {
    let community = store.community(community)?;
    let before = now().saturating_sub(unseen);
    let (gone, what) = if dry_run {
        (store.unseen_members(&community, before)?, "would be")
    } else {
        (store.prune_members(&community, before)?, "is")
    };
    for member in &gone {
        println!(
            "{} {what} forgotten, seen {}; {} {what} free",
            called(member),
            seen(member),
            member.lease.v4
        );
    }
    if gone.is_empty() {
        println!("all members were here lately; none {what} forgotten");
    }
    Ok(())
}

impl Who {
    fn find(&self, store: &Store) -> Result<(Community, Member), StoreError> {
        let community = store.community(&self.community)?;
        let member = store.member(&community, &self.member)?;
        Ok((community, member))
    }
}

fn called(member: &Member) -> String {
    member
        .name
        .clone()
        .unwrap_or_else(|| member.key.node_id().to_string())
}

fn seen(member: &Member) -> String {
    let ago = |time: i64| table::age(u64::try_from(now() - time).unwrap_or(0)) + " ago";
    member.last_seen.map_or_else(|| "never".into(), ago)
}

fn list(context: &Context, store: &Store, community: &str) -> Result<()> {
    let ipv6 = Leased::of(&context.config) != Leased::Never;
    let members = store.members(&store.community(community)?)?;
    let row = |m: &Member| {
        vec![
            m.name.clone().unwrap_or_else(|| "-".into()),
            m.key.node_id().to_string(),
            m.lease.v4.to_string(),
            if ipv6 {
                m.lease.v6.to_string()
            } else {
                "-".into()
            },
            seen(m),
            if m.revoked.is_some() {
                "removed".into()
            } else {
                "-".into()
            },
            key_to_text(m.key.as_bytes()).as_str().into(),
        ]
    };
    let rows: Vec<_> = members.iter().map(row).collect();
    print!(
        "{}",
        table::layout(
            &["NAME", "NODE", "IPV4", "IPV6", "SEEN", "STATE", "KEY"],
            &rows
        )
    );
    Ok(())
}
