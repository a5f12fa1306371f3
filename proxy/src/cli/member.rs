//! `member list|add|rename|remove|restore|forget`. A member is named by its name, its key, or the beginning of its key
//! or node id.

use anyhow::{Result, anyhow};
use burstmesh_core::identity::PublicKey;
use burstmesh_core::wire::text::{key_from_text, key_to_text};
use clap::{Args, Subcommand};

use super::{Context, table};
use crate::store::{Community, Member, Store, StoreError, now};

#[derive(Subcommand)]
pub enum Command {
    /// Show the members of a community with their leases
    List { community: String },
    /// Enter a member by its public key before it first connects: it needs no invitation that stands
    Add {
        community: String,
        /// What `burstmesh keygen` or the router's page shows
        key: String,
        /// What to call it
        #[arg(long)]
        name: Option<String>,
    },
    /// Call a member something else
    Rename {
        #[command(flatten)]
        who: Who,
        name: String,
    },
    /// Shut a member out, and end its session; its lease stays reserved
    Remove(Who),
    /// Let a removed member in again, with the lease it had
    Restore(Who),
    /// Forget a member and free its lease; with an invitation it may come again
    Forget(Who),
}

#[derive(Args)]
pub struct Who {
    community: String,
    /// Name, key, or the beginning of its key or node id
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
        }
        Command::Rename { who, name } => {
            let (community, member) = who.find(&store)?;
            store.rename_member(&community, &member.key, name)?;
        }
        Command::Remove(who) => {
            let (community, member) = who.find(&store)?;
            store.revoke_member(&community, &member.key)?;
            println!("{} is shut out of {}", called(&member), community.name);
        }
        Command::Restore(who) => {
            let (community, member) = who.find(&store)?;
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
    }
    context.refresh();
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

fn list(context: &Context, store: &Store, community: &str) -> Result<()> {
    let ipv6 = *context.config.nat.ipv6.get_ref() != crate::config::Ipv6Mode::Off;
    let members = store.members(&store.community(community)?)?;
    let ago = |time: i64| table::age(u64::try_from(now() - time).unwrap_or(0)) + " ago";
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
            m.last_seen.map_or_else(|| "never".into(), ago),
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
