//! `admin new|key|sign|revoke|list|invite`: an admin's work on any computer, without an exit and without its configuration.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use burstmesh_core::identity::{CommunityId, CommunityKeys, NodeId, PublicKey};
use burstmesh_core::wire::admission::{AdminKey, Revocations};
use burstmesh_core::wire::invitation::Invitation;
use burstmesh_core::wire::text::{key_from_text, key_to_text};
use clap::{Args, Subcommand};

use super::table;
use super::time::{Lifetime, lifetime};
use crate::admin::{self, Change};
use crate::leases::unix;
use crate::store::now;

pub const AFTER: &str = "\
For a community whose exit is somewhere else, or that has none:
  burstmesh-proxy admin new elm.key
  burstmesh-proxy admin invite --key elm.key invitation
  burstmesh-proxy admin sign --key elm.key --community invitation MEMBER-KEY
  burstmesh-proxy admin revoke --key elm.key --community invitation \\
      --list elm.revoked MEMBER-KEY
The signed line is `option certificate` of that router. The list goes to any one
router as /etc/burstmesh/key.revoked (then reload it), or to an exit
(`community revocations`). An exit that keeps the admin's key itself
(`community certify`) needs none of this.";

#[derive(Subcommand)]
pub enum Command {
    /// Make an admin's key in a new file that only you may read; prints its public half
    New {
        /// The file to make
        file: PathBuf,
    },
    /// Print the public half of an admin's key: `option admin_key` of routers by hand
    Key {
        /// The file with the key
        file: PathBuf,
    },
    /// Sign a member's certificate: prints the line that the member pastes
    Sign {
        #[command(flatten)]
        whose: Whose,
        /// The member's public key: what `burstmesh pubkey` or the router's page shows
        member: String,
        /// How long it holds: 30d, 52w, or never (it does not end)
        #[arg(long, default_value = "never", value_parser = lifetime, value_name = "TIME")]
        expires: Lifetime,
    },
    /// Remove members: writes the next list of removed members, and prints it
    ///
    /// Whatever gateway or exit gets the list hands it on, and within seconds nobody makes a session with those on it. A
    /// list names at most 64.
    Revoke {
        #[command(flatten)]
        whose: Whose,
        /// The file with the list so far; made if it is not there
        #[arg(long, value_name = "FILE")]
        list: PathBuf,
        /// Take them off the list again instead
        #[arg(long)]
        undo: bool,
        /// Public keys, or node ids (16 digits)
        #[arg(required = true)]
        members: Vec<String>,
    },
    /// Show a list of removed members: its number, whose it is, and who is on it
    List {
        /// The file with the list, or - for standard input
        file: PathBuf,
        /// Check that this admin signed it: the public key
        #[arg(long, value_name = "KEY", requires = "community")]
        admin: Option<String>,
        /// ... for this community: its id, or a file with an invitation to it
        #[arg(long, value_name = "ID|FILE")]
        community: Option<String>,
    },
    /// Put the admin's public key into an invitation: who joins with it takes certified members only
    Invite {
        /// The file with the admin's key
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// The file with the invitation, or - for standard input
        invitation: PathBuf,
    },
}

#[derive(Args)]
pub struct Whose {
    /// The file with the admin's key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The community: its id (`community list` shows it), or a file with an invitation to it
    #[arg(long, value_name = "ID|FILE")]
    community: String,
}

pub fn run(command: &Command) -> Result<()> {
    match command {
        Command::New { file } => {
            println!("{}", shown(&admin::create(file)?.public()));
            eprintln!(
                "The key is in {}: whoever has it says who is a member. Keep a copy where it cannot get lost.",
                file.display()
            );
        }
        Command::Key { file } => println!("{}", shown(&admin::open(file)?.public())),
        Command::Sign {
            whose,
            member,
            expires,
        } => {
            let secret = admin::open(&whose.key)?;
            let community = community(&whose.community)?;
            let end = expires.after(now()).and_then(|end| u64::try_from(end).ok());
            let certificate = secret.certify(community, &key(member)?, unix(), end.unwrap_or(0));
            println!("{}", certificate.to_text());
        }
        Command::Revoke {
            whose,
            list,
            undo,
            members,
        } => revoke(whose, list, *undo, members)?,
        Command::List {
            file,
            admin,
            community,
        } => show(file, admin.as_deref(), community.as_deref())?,
        Command::Invite { key, invitation } => {
            let mut invitation = Invitation::decode(&admin::read(invitation)?)
                .map_err(|e| anyhow!("the invitation {e}"))?;
            invitation.admin = Some(admin::open(key)?.public());
            let text = invitation.encode();
            println!("{}", text.map_err(|e| anyhow!("the invitation {e}"))?);
        }
    }
    Ok(())
}

fn revoke(whose: &Whose, file: &Path, undo: bool, members: &[String]) -> Result<()> {
    let secret = admin::open(&whose.key)?;
    let community = community(&whose.community)?;
    let current = file.exists().then(|| admin::read_list(file)).transpose()?;
    if let Some(list) = &current
        && !list.is_of(&secret.public(), community)
    {
        bail!(
            "{}: not a list of this admin for this community",
            file.display()
        );
    }
    let change = |member: &String| {
        let node = node(member)?;
        Ok(if undo {
            Change::Restore(node)
        } else {
            Change::Remove(node)
        })
    };
    let changes = members.iter().map(change).collect::<Result<Vec<_>>>()?;
    let next = admin::next_list(&secret, community, current.as_ref(), &changes, unix())?;
    write_list(file, &next)?;
    println!("{}", next.to_text());
    eprintln!(
        "List {} names {} removed members. One router or exit that gets it is enough.",
        next.number(),
        next.nodes().count()
    );
    Ok(())
}

/// Beside the file and renamed into place: a power cut leaves the old list or the new one.
fn write_list(file: &Path, list: &Revocations) -> Result<()> {
    let draft = file.with_extension("new");
    let write = || {
        let mut out = std::fs::File::create(&draft)?;
        writeln!(out, "{}", list.to_text())?;
        out.sync_all()?;
        std::fs::rename(&draft, file)
    };
    write().with_context(|| format!("{}", file.display()))
}

fn show(file: &Path, admin: Option<&str>, of: Option<&str>) -> Result<()> {
    let list = admin::read_list(file)?;
    if let (Some(admin), Some(of)) = (admin, of) {
        let admin = AdminKey(key(admin)?.0);
        if !list.is_of(&admin, community(of)?) {
            bail!("not signed by this admin for this community");
        }
        println!("signed by this admin for this community");
    }
    print_list(&list);
    Ok(())
}

/// A list for people.
pub fn print_list(list: &Revocations) {
    let rows: Vec<_> = list.nodes().map(|node| vec![node.to_string()]).collect();
    println!("list {} of removed members", list.number());
    print!("{}", table::layout(&["NODE"], &rows));
}

/// An admin's public key for people.
pub fn shown(key: &AdminKey) -> String {
    key_to_text(&key.0).as_str().to_owned()
}

/// A community by its id, or by a file with an invitation to it.
fn community(text: &str) -> Result<CommunityId> {
    if let Some(id) = digits(text) {
        return Ok(CommunityId(id));
    }
    let what = || format!("{text:?} is neither a community's id (16 digits) nor a file");
    let invitation = Invitation::decode(&admin::read(Path::new(text)).with_context(what)?)
        .map_err(|e| anyhow!("the invitation in {text} {e}"))?;
    Ok(CommunityKeys::derive(&invitation.name, invitation.secret.bytes()).id)
}

/// A member by its key or node id.
fn node(text: &str) -> Result<NodeId> {
    match digits(text) {
        Some(id) => Ok(NodeId(id)),
        None => Ok(key(text)?.node_id()),
    }
}

fn key(text: &str) -> Result<PublicKey> {
    let key = key_from_text(text);
    key.map(PublicKey)
        .map_err(|e| anyhow!("the key {e}: 44 characters of base64 are a key"))
}

/// 16 hexadecimal digits.
fn digits(text: &str) -> Option<[u8; 8]> {
    let number = u64::from_str_radix(text, 16).ok();
    number.filter(|_| text.len() == 16).map(u64::to_be_bytes)
}
