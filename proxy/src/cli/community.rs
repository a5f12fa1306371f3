//! `community add|join|set|list|remove`.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use burstmesh_core::node::exit::Rates;
use burstmesh_core::wire::admission::{AdminKey, AdminSecret};
use burstmesh_core::wire::invitation::{Invitation, Secret};
use burstmesh_core::wire::text::key_from_text;
use clap::{ArgGroup, Subcommand};

use super::admin::{print_list, shown};
use super::rate::{self, Rate, rate};
use super::{Context, table};
use crate::store::{Community, Share};
use crate::{admin, key, leases};

/// A secret's file is not longer.
const MOST: u64 = 4096;

pub const AFTER: &str = "\
A first community:
  burstmesh-proxy community add \"Elm Street\"
  burstmesh-proxy invite \"Elm Street\"          the string for the neighbours' routers
  burstmesh-proxy member list \"Elm Street\"     who has come
One whose members have certificates, so that one of them can be removed everywhere:
  burstmesh-proxy community certify \"Elm Street\"  then invite anew
A community by hand, without invitations:
  burstmesh keygen --secret > secret           also `option secret` of every router
  burstmesh-proxy community add \"Elm Street\" --secret-file secret";

#[derive(Subcommand)]
pub enum Command {
    /// Start a new community with a secret of its own; `invite` then lets routers in
    Add {
        /// What to call it, up to 32 bytes: members see it
        name: String,
        /// Take its secret from this file (- for standard input) instead of making one: for a community by hand
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
        /// Let in so many members at most
        #[arg(long, value_name = "NUMBER")]
        members: Option<u32>,
    },
    /// Serve a community that another exit started: give one of its invitations
    Join {
        /// The invitation (bm1...); better - to read it from standard input: every user of this machine sees arguments, and this one
        /// holds the community's secret
        invitation: String,
    },
    /// Change what a community may have
    #[command(group(ArgGroup::new("what").args(["members", "down", "up"]).multiple(true).required(true)))]
    Set {
        /// Its name, as `community list` shows it
        name: String,
        /// Let in so many members at most from now on, or as many as there are addresses (any); who is a member stays
        #[arg(long, value_name = "NUMBER", value_parser = most)]
        members: Option<Most>,
        /// Let downloads of all its members together have at most this: 20mbit, or any. Measured on the lines, with all headers
        #[arg(long, value_name = "RATE", value_parser = rate)]
        down: Option<Rate>,
        /// Let uploads of all its members together have at most this: 5mbit, or any. What is more is dropped
        #[arg(long, value_name = "RATE", value_parser = rate)]
        up: Option<Rate>,
    },
    /// Show the communities: how many members and standing invitations, and their ranges of addresses
    List,
    /// Ask members for certificates from now on: nobody else joins with the secret alone, and one member can be removed everywhere
    ///
    /// Without an option this exit makes the admin's key and keeps it: it certifies routers as it admits them, and `member remove`
    /// reaches every router within a minute. Routers learn the admin's key from a new invitation; those that have joined keep theirs
    /// until `option admin_key` or a new invitation tells them to ask.
    Certify {
        /// The community's name
        name: String,
        /// Take the admin's key from this file (- for standard input), as `admin new` made it
        #[arg(long, value_name = "FILE", conflicts_with_all = ["public", "off"])]
        key_file: Option<PathBuf>,
        /// Only ask for certificates; the admin, who has this public key, signs elsewhere
        #[arg(long, value_name = "KEY", conflicts_with = "off")]
        public: Option<String>,
        /// Ask for them no longer; the admin's key is forgotten
        #[arg(long)]
        off: bool,
    },
    /// Show the list of removed members of a community, or take a newer one that the admin signed elsewhere
    Revocations {
        /// The community's name
        name: String,
        /// The file with the list (bmr1...), or - for standard input
        file: Option<PathBuf>,
    },
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
        Command::Add {
            name,
            secret_file,
            members,
        } => {
            match secret_file {
                None => add(context, name)?,
                Some(file) => serve_given(context, name, &secret(file)?)?,
            }
            members.map_or(Ok(()), |most| set_most(context, name, Some(most)))
        }
        Command::Join { invitation } => join(context, invitation),
        Command::Set {
            name,
            members,
            down,
            up,
        } => {
            if let Some(most) = members {
                set_most(context, name, most.0)?;
            }
            set_rates(context, name, *down, *up)
        }
        Command::List => list(context),
        Command::Remove { name, force } => remove(context, name, *force),
        Command::Certify {
            name,
            key_file,
            public,
            off,
        } => certify(context, name, key_file.as_deref(), public.as_deref(), *off),
        Command::Revocations { name, file } => revocations(context, name, file.as_deref()),
    }
}

fn certify(
    context: &Context,
    name: &str,
    key_file: Option<&Path>,
    public: Option<&str>,
    off: bool,
) -> Result<()> {
    let mut store = context.store()?;
    let community = store.community(name)?;
    let secret = match (key_file, public, off) {
        (_, _, true) | (_, Some(_), _) => None,
        (Some(file), ..) => Some(admin::open(file)?),
        // Asked again, it keeps the key that it has.
        (None, None, false) => match &community.admin_secret {
            Some(known) => AdminSecret::new(*known.as_bytes()),
            None => Some(admin::new_secret()?),
        },
    };
    let public = public.map(|text| key_from_text(text).map(AdminKey));
    let public = public.transpose();
    let public = public.map_err(|e| anyhow!("the key {e}: 44 characters of base64 are a key"))?;
    let key = secret.as_ref().map(AdminSecret::public).or(public);
    store.set_admin(&community, key, secret.as_ref())?;
    context.refresh();
    match key {
        Some(key) => println!(
            "admin key: {}\nnext: burstmesh-proxy invite {name:?}",
            shown(&key)
        ),
        None => println!("{name}: whoever has the secret is a member again"),
    }
    Ok(())
}

fn revocations(context: &Context, name: &str, file: Option<&Path>) -> Result<()> {
    let mut store = context.store()?;
    let community = store.community(name)?;
    let Some(file) = file else {
        match &community.revocations {
            Some(list) => print_list(list),
            None => println!("nobody was removed by a list"),
        }
        return Ok(());
    };
    let list = admin::read_list(file)?;
    let admin = community
        .admin
        .with_context(|| format!("{name:?} has no admin: `community certify`"))?;
    if !list.is_of(&admin, leases::keys(&community).id) {
        bail!("the list was not signed by the admin of {name:?}");
    }
    if !store.take_list(&community, &list)? {
        bail!("{name:?} has a list that is as new already");
    }
    context.refresh();
    print_list(&list);
    Ok(())
}

fn add(context: &Context, name: &str) -> Result<()> {
    let community = context.store()?.add_community(name, &key::new_secret()?)?;
    context.refresh();
    say_leases(&community);
    println!("next: burstmesh-proxy invite {name:?}");
    Ok(())
}

/// The most members; `None`: as many as there is room for.
#[derive(Clone, Copy)]
pub struct Most(Option<u32>);

fn most(text: &str) -> Result<Most> {
    if text == "any" {
        return Ok(Most(None));
    }
    let number = text.parse().context("a number of members, or any")?;
    Ok(Most(Some(number)))
}

/// The running exit reads it with the next newcomer.
fn set_most(context: &Context, name: &str, most: Option<u32>) -> Result<()> {
    let mut store = context.store()?;
    let community = store.community(name)?;
    store.set_most(&community, most)?;
    Ok(())
}

fn set_rates(context: &Context, name: &str, down: Option<Rate>, up: Option<Rate>) -> Result<()> {
    if (down, up) == (None, None) {
        return Ok(());
    }
    let mut store = context.store()?;
    let community = store.community(name)?;
    let Rates { down: was, up: had } = community.rates;
    let rates = Rates {
        down: down.map_or(was, |rate| rate.0),
        up: up.map_or(had, |rate| rate.0),
    };
    store.set_rates(&community, rates)?;
    context.refresh();
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
    let invitation = Invitation::decode(text).map_err(|e| anyhow!("the invitation {e}"))?;
    serve_given(context, &invitation.name, &invitation.secret)?;
    if invitation.admin.is_some() {
        let mut store = context.store()?;
        let community = store.community(&invitation.name)?;
        store.set_admin(&community, invitation.admin, None)?;
        context.refresh();
    }
    Ok(())
}

/// Serves a community that was founded elsewhere.
fn serve_given(context: &Context, name: &str, secret: &Secret) -> Result<()> {
    let mut store = context.store()?;
    let community = store.add_community(name, secret)?;
    // Who is invited is the founder's business: here whoever knows the secret is.
    store.add_invitation(&community, None)?;
    context.refresh();
    say_leases(&community);
    Ok(())
}

fn say_leases(community: &Community) {
    let Share { v4, v6, .. } = &community.share;
    println!("{}: leases from {v4} and {v6}", community.name);
}

/// The secret in a file, or on standard input.
fn secret(file: &Path) -> Result<Secret> {
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().take(MOST).read_to_string(&mut text)?;
    } else {
        let opened = File::open(file).and_then(|f| f.take(MOST).read_to_string(&mut text));
        opened.with_context(|| format!("the secret's file {}", file.display()))?;
    }
    const MEND: &str = "make one with `burstmesh keygen --secret`";
    let bytes = key_from_text(text.trim());
    let bytes = bytes.map_err(|_| anyhow!("no secret there (44 characters of base64); {MEND}"))?;
    let secret = Secret::new(bytes);
    if secret.looks_invented() {
        bail!("the secret is invented, not generated, and could be guessed; {MEND}");
    }
    Ok(secret)
}

fn list(context: &Context) -> Result<()> {
    let store = context.store()?;
    let mut rows = Vec::new();
    for community in store.communities()? {
        let members = store.members(&community)?.len();
        rows.push(vec![
            community.name.clone(),
            leases::keys(&community).id.to_string(),
            format!("{members} of {}", community.room()),
            store.invitations(&community)?.len().to_string(),
            community.share.v4.to_string(),
            community.share.v6.to_string(),
            rate::shown(community.rates.down),
            rate::shown(community.rates.up),
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
                "IPV6 LEASES",
                "MOST DOWN",
                "MOST UP"
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
