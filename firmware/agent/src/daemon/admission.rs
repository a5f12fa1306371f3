//! What the router keeps of admission, beside its key: the certificate that an exit gave it, and the list of revocations. Each is
//! a line of text in a file of its own, `KEY.certificate` and `KEY.revoked`; an admin may put a newer list there by hand and reload.

use crate::config::Config;
use crate::config::values::FilePath;
use burstmesh_core::calendar::Wall;
use burstmesh_core::control::admission::Admission;
use burstmesh_core::node::gateway::Gateway;
use burstmesh_core::time::Instant;
use burstmesh_core::wire::admission::{Certificate, LIST_TEXT, Revocations};
use burstmesh_core::wire::handshake::Denial;
use burstmesh_linux::{clock, error, file, info, warn};
use core::fmt::Write;

/// A line for a file, with its end.
type Line = heapless::String<{ LIST_TEXT + 1 }>;

/// A file to be written, by the worker: flash may take a second.
pub struct Page {
    path: FilePath,
    line: Line,
}

/// A page that was written, or not.
pub struct Written {
    path: FilePath,
    result: error::Result<()>,
}

impl Page {
    fn new(config: &Config, kind: &str, line: &str) -> Self {
        let mut page = Self {
            path: path(config, kind),
            line: Line::new(),
        };
        let _ = writeln!(page.line.as_mut_view(), "{line}");
        page
    }

    /// Writes it: the whole line is there afterwards, or the one of before.
    pub fn write(self) -> Written {
        let result = file::write_atomically(&self.path, self.line.as_bytes(), 0o600);
        Written {
            path: self.path,
            result,
        }
    }
}

impl Written {
    /// Says what went wrong.
    pub fn tell(&self) {
        if let Err(why) = &self.result {
            warn!("{}: {}; it will be lost at a restart", self.path, why);
        }
    }
}

/// What is on the disk already, and what was said already.
#[derive(Default)]
pub struct Papers {
    certificate: u64,
    list: u64,
    said: Option<Denial>,
    forged: u32,
}

impl Papers {
    /// Hands the gateway what was kept, and what the configuration has.
    pub fn offer(&mut self, config: &Config, gateway: &mut Gateway<'_>) {
        self.tell_time(gateway);
        let mut line = [0; LIST_TEXT + 1];
        let kept =
            read(config, "certificate", &mut line).and_then(|t| Certificate::from_text(t).ok());
        for certificate in kept.into_iter().chain(config.community.certificate) {
            self.certificate = self.certificate.max(certificate.issued);
            gateway.offer_certificate(certificate);
        }
        let kept = read(config, "revoked", &mut line).and_then(|t| Revocations::from_text(t).ok());
        if let Some(list) = kept {
            self.list = list.number();
            gateway.offer_list(list);
        }
    }

    /// What time it is, as far as this router knows.
    fn tell_time(&self, gateway: &mut Gateway<'_>) {
        let wall = Wall::sane(clock::wall_seconds());
        gateway.set_time(wall.map_or(0, |wall| wall.0.into()));
    }

    /// What is new in the gateway, to be written.
    pub fn keep(&mut self, config: &Config, gateway: &Gateway<'_>) -> Option<Page> {
        if gateway.forged_words() > self.forged {
            self.forged = gateway.forged_words();
            warn!("a certificate or a list of removed members is not the admin's, and is not used");
        }
        let Admission {
            certificate, list, ..
        } = gateway.admission()?;
        if let Some(c) = certificate.filter(|c| c.issued > self.certificate) {
            self.certificate = c.issued;
            info!("has a certificate now: it is a member by the admin's word");
            return Some(Page::new(config, "certificate", &c.to_text()));
        }
        let list = list.as_ref().filter(|l| l.number() > self.list)?;
        self.list = list.number();
        info!(
            "list {} of removed members, {} of them",
            list.number(),
            list.nodes().count()
        );
        Some(Page::new(config, "revoked", &list.to_text()))
    }

    /// Tells the gateway the time; says once why others make no session with us.
    pub fn look(&mut self, now: Instant, gateway: &mut Gateway<'_>) {
        self.tell_time(gateway);
        let denied = gateway.denied(now);
        if denied != self.said
            && let Some(why) = denied
        {
            warn!("{}", advice(why));
        }
        self.said = denied;
    }
}

/// What stands against a session, and who can help.
pub fn advice(why: Denial) -> &'static str {
    match why {
        Denial::NoCertificate => {
            "the community asks for a certificate; ask its admin (burstmesh pubkey shows the key that it is made for)"
        }
        Denial::BadCertificate => {
            "the certificate is not one for this router and community; ask the admin for another (burstmesh pubkey)"
        }
        Denial::Ended => "the certificate has ended; ask the community's admin for another",
        Denial::Revoked => "the admin has removed this router from the community",
    }
}

fn path(config: &Config, kind: &str) -> FilePath {
    let mut path = FilePath::new();
    let _ = write!(path.as_mut_view(), "{}.{kind}", config.community.key_file);
    path
}

fn read<'l>(config: &Config, kind: &str, line: &'l mut [u8]) -> Option<&'l str> {
    let bytes = file::read(&path(config, kind), line).ok()?;
    core::str::from_utf8(bytes).ok()
}
