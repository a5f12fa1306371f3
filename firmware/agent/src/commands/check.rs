//! `burstmesh check`, and reading the configuration for the other commands.

use crate::cli::Exit;
use crate::config::check::{System, check};
use crate::config::values::{Ifname, TUNNEL};
use crate::config::{Config, Problem};
use crate::json::Quoted;
use burstmesh_core::calendar::Wall;
use burstmesh_core::identity::{PublicKey, SecretKey};
use burstmesh_core::wire::text::key_from_text;
use burstmesh_linux::netlink::Rtnl;
use burstmesh_linux::process::Output;
use burstmesh_linux::{clock, file};
use core::cell::RefCell;
use core::fmt::Write;

/// Largest configuration file in bytes.
const MAX_CONFIG: usize = 24 * 1024;

/// OpenWrt's firewall configuration.
const FIREWALL: &str = "/etc/config/firewall";

/// What became of reading the configuration.
#[allow(clippy::large_enum_variant)] // no allocator to box with
pub(crate) enum Loaded {
    /// It can be used.
    Good(Config),
    /// It was read, and something in it is wrong; said already.
    Bad,
    /// It cannot be read; said already.
    Unreadable,
}

/// Reads the configuration and compares it with this router; says what is wrong as `file:line: what; how to mend`.
pub(crate) fn load(path: &str, say: &mut dyn FnMut(&str, &Problem)) -> Loaded {
    let mut buffer = [0; MAX_CONFIG];
    let bytes = match file::read(path, &mut buffer) {
        Ok(bytes) => bytes,
        Err(error) => {
            let _ = writeln!(
                Output::Error,
                "{path}: {error}; give another file with --config"
            );
            return Loaded::Unreadable;
        }
    };
    let Some(config) = Config::parse(bytes, &mut |p| say(path, &p)) else {
        return Loaded::Bad;
    };
    let router = Router {
        key_file: &config.community.key_file,
        rtnl: RefCell::new(Rtnl::open().ok()),
    };
    if check(&config, &router, &mut |p| say(path, &p)) {
        Loaded::Good(config)
    } else {
        Loaded::Bad
    }
}

/// Runs `burstmesh check`.
pub(super) fn run(path: &str, json: bool) -> Exit {
    let mut first = true;
    if json {
        Output::Standard.write(b"[");
    }
    let loaded = load(path, &mut |file, p| {
        if json {
            let comma = if first { "" } else { "," };
            let mut text = heapless::String::<512>::new();
            let _ = write!(text.as_mut_view(), "{p}");
            let _ = write!(
                Output::Standard,
                "{comma}{{\"file\":{},\"line\":{},\"problem\":{},\"fatal\":{}}}",
                Quoted(file),
                p.line,
                Quoted(&text),
                p.is_fatal()
            );
        } else {
            let _ = writeln!(Output::Standard, "{file}:{}: {p}", p.line);
        }
        first = false;
    });
    if json {
        Output::Standard.write(b"]\n");
    }
    match loaded {
        Loaded::Good(_) => {
            if !json {
                let _ = writeln!(Output::Standard, "{path}: good");
            }
            Exit::Success
        }
        Loaded::Bad | Loaded::Unreadable => Exit::Usage,
    }
}

/// Reads a private key file.
pub(crate) fn own_key(path: &str) -> Option<SecretKey> {
    let mut buffer = [0; 128];
    let text = core::str::from_utf8(file::read(path, &mut buffer).ok()?).ok()?;
    key_from_text(text).ok().map(SecretKey::from_bytes)
}

/// The router as the configuration's checks see it.
struct Router<'a> {
    key_file: &'a str,
    rtnl: RefCell<Option<Rtnl>>,
}

impl System for Router<'_> {
    fn interface_exists(&self, ifname: &str) -> bool {
        let mut rtnl = self.rtnl.borrow_mut();
        // Where netlink cannot be asked nothing is claimed to be missing.
        rtnl.as_mut()
            .is_none_or(|r| !matches!(r.link(ifname), Ok(None)))
    }

    fn bridge_of(&self, ifname: &str) -> Option<Ifname> {
        let mut rtnl = self.rtnl.borrow_mut();
        let link = rtnl.as_mut()?.link(ifname).ok()??;
        if !link.bridge_port {
            return None;
        }
        let mut name = Ifname::new();
        let _ = write!(name.as_mut_view(), "#{}", link.master.unwrap_or(0));
        Some(name)
    }

    fn own_key(&self) -> Option<PublicKey> {
        own_key(self.key_file).map(|k| k.public())
    }

    fn wall(&self) -> Option<Wall> {
        Wall::sane(clock::wall_seconds())
    }

    fn firewall_knows_tunnel(&self) -> Option<bool> {
        let mut buffer = [0; MAX_CONFIG];
        let text = file::read(FIREWALL, &mut buffer).ok()?;
        let name = TUNNEL.as_bytes();
        Some(text.windows(name.len()).any(|word| word == name))
    }
}
