//! The targets.

mod admission;
mod aead;
mod config;
mod control;
mod curve;
mod headers;
mod inner;
mod inside;
mod large;
mod link;
mod wire;

pub use admission::admission;
pub use aead::aead;
pub use config::{exit_config, invitation, uci};
pub use control::{announcement, handshake};
pub use curve::curve;
pub use headers::headers;
pub use inner::inner;
pub use inside::inside;
pub use large::large;
pub use link::{peer, two_nodes};
/// What the seeds must share with the targets.
pub mod seeding {
    pub use super::admission::{admin, lists};
    pub use super::control::{community, hello, member};
}
pub use wire::{control_message, feedback, frame, path, relay};

/// A target: its name, which is also its folder in the corpus, and its function.
pub struct Target {
    /// As on the command line.
    pub name: &'static str,
    /// Takes any bytes; panics when a promise is broken.
    pub run: fn(&[u8]),
}

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// Every target.
pub const ALL: [Target; 19] = [
    target("frame", frame),
    target("feedback", feedback),
    target("path", path),
    target("relay", relay),
    target("control_message", control_message),
    target("announcement", announcement),
    target("handshake", handshake),
    target("admission", admission),
    target("inner", inner),
    target("large", large),
    target("inside", inside),
    target("headers", headers),
    target("uci", uci),
    target("invitation", invitation),
    target("exit_config", exit_config),
    target("aead", aead),
    target("curve", curve),
    target("peer", peer),
    target("two_nodes", two_nodes),
];

/// The target of that name.
pub fn named(name: &str) -> Option<&'static Target> {
    ALL.iter().find(|target| target.name == name)
}
