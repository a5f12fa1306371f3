//! `community add|join|list|remove`.

use std::io::Read;

use anyhow::{Context as _, Result, bail};
use burstmesh_core::wire::invitation::Invitation;
use clap::Subcommand;

use super::{Context, table};
use crate::{key, leases};

pub const AFTER: &str = "\
A first community:
  burstmesh-proxy community add \"Elm Street\"
  burstmesh-proxy invite \"Elm Street\"          the string for the neighbours' routers
  burstmesh-proxy member list \"Elm Street\"     who has come";

#[derive(Subcommand)]
pub enum Command {
    /// Start a new community with a secret of its own; `invite` then lets routers in
    Add {
        /// What to call it, up to 32 bytes: members see it
        name: String,
    },
    /// Serve a community that another exit started: give one of its invitations
    Join {
        /// The invitation (bm1...), or - to read it from standard input, where nobody sees it
        invitation: String,
    },
    /// Show the communities: how many members and standing invitations, and their ranges of addresses
    List,
    /// Forget a community: its secret, its members and their addresses; its sessions end. It cannot be undone
    Remove {
        /// Its name, as `community list` shows it
        name: String,
        /// Also when it has members
        #[arg(long)]
        force: bool,
    },
}

pub fn run(context: &Context, command: &Command) -> Result<()> {
    match command {
        Command::Add { name } => add(context, name),
        Command::Join { invitation } => join(context, invitation),
        Command::List => list(context),
        Command::Remove { name, force } => remove(context, name, *force),
    }
}

fn add(context: &Context, name: &str) -> Result<()> {
    let secret = key::new_secret()?;
    let community = context.store()?.add_community(name, &secret)?;
    context.refresh();
    println!(
        "{name}: leases from {} and {}",
        community.share.v4, community.share.v6
    );
    println!("next: burstmesh-proxy invite {name:?}");
    Ok(())
}

fn join(context: &Context, text: &str) -> Result<()> {
    let mut from_stdin = String::new();
    let text = if text == "-" {
        std::io::stdin().read_to_string(&mut from_stdin)?;
        &from_stdin
    } else {
        text
    };
    let invitation = Invitation::decode(text).map_err(|e| anyhow::anyhow!("the invitation {e}"))?;
    let mut store = context.store()?;
    let community = store.add_community(&invitation.name, &invitation.secret)?;
    // Who is invited is the first exit's business: here whoever knows the secret is.
    store.add_invitation(&community, None)?;
    context.refresh();
    println!(
        "{}: leases from {} and {}",
        community.name, community.share.v4, community.share.v6
    );
    Ok(())
}

fn list(context: &Context) -> Result<()> {
    let store = context.store()?;
    let mut rows = Vec::new();
    for community in store.communities()? {
        let members = store.members(&community)?.len();
        rows.push(vec![
            community.name.clone(),
            leases::keys(&community).id.to_string(),
            format!("{members} of {}", community.share.room()),
            store.invitations(&community)?.len().to_string(),
            community.share.v4.to_string(),
            community.share.v6.to_string(),
        ]);
    }
    print!(
        "{}",
        table::layout(
            &[
                "COMMUNITY",
                "ID",
                "MEMBERS",
                "INVITATIONS",
                "IPV4 LEASES",
                "IPV6 LEASES"
            ],
            &rows
        )
    );
    Ok(())
}

fn remove(context: &Context, name: &str, force: bool) -> Result<()> {
    let mut store = context.store()?;
    let community = store.community(name).context("nothing removed")?;
    let members = store.members(&community)?.len();
    if members > 0 && !force {
        bail!(
            "{name:?} has {members} members, who would lose their leases; add --force to remove it all the same"
        );
    }
    store.remove_community(name)?;
    context.refresh();
    Ok(())
}
