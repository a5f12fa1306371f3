//! Firewall rules, applied by the `nft` tool: one script is one transaction.

use crate::error::Error;
use crate::fd::Fd;
use crate::tool;
use core::ffi::CStr;
use core::fmt;

/// Where the tool may be, in this order: daemons are often started with a bare PATH.
const PLACES: [&CStr; 4] = [
    c"/usr/sbin/nft",
    c"/sbin/nft",
    c"/usr/bin/nft",
    c"/usr/local/sbin/nft",
];

/// Why a script was not applied; nothing of it was.
#[derive(Debug)]
pub enum Failure {
    /// The tool could not be run.
    Run(Error),
    /// The tool refused.
    Refused(Refused),
}

/// The tool's words.
#[derive(Debug)]
pub struct Refused(tool::Done);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(error) => write!(f, "cannot run nft: {error}"),
            Self::Refused(Refused(done)) => {
                write!(f, "nft refused: {}", done.words().trim_ascii_end())
            }
        }
    }
}

/// A script being applied. One that is dropped is given up.
#[derive(Debug)]
pub struct Running(tool::Running);

impl Running {
    /// To wait on: readable when [`Self::poll`] has something to do.
    pub fn fd(&self) -> &Fd {
        self.0.fd()
    }

    /// What became of the script; `None` while the tool runs.
    pub fn poll(&mut self) -> Option<core::result::Result<(), Failure>> {
        self.0.poll().map(judge)
    }
}

/// Begins to apply `script`. A router's processor takes tens of milliseconds for it: whoever carries packets must not wait.
pub fn start(script: &[u8]) -> core::result::Result<Running, Failure> {
    let arguments = [
        c"nft".as_ptr(),
        c"-f".as_ptr(),
        c"-".as_ptr(),
        core::ptr::null(),
    ];
    let running = tool::start(&PLACES, &arguments, script);
    running.map(Running).map_err(Failure::Run)
}

/// Applies `script`, and waits for it.
pub fn apply(script: &[u8]) -> core::result::Result<(), Failure> {
    judge(start(script)?.0.wait())
}

fn judge(done: crate::Result<tool::Done>) -> core::result::Result<(), Failure> {
    match done.map_err(Failure::Run)? {
        done if done.status == 0 => Ok(()),
        done => Err(Failure::Refused(Refused(done))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{in_namespace, run as shell};

    /// As long as a script may get, so that the tool takes a while.
    fn long_script() -> String {
        let mut script = String::from("table inet t {\nchain c {\n");
        for port in 1..5000 {
            script += &format!("tcp dport {port} accept\n");
        }
        script + "}\n}\n"
    }

    fn rules() -> String {
        shell("nft list ruleset | grep -c accept")
    }

    #[test]
    fn a_script_is_applied_whole() {
        in_namespace(|| {
            apply(long_script().as_bytes()).unwrap();
            assert_eq!(rules().trim(), "4999");
        });
    }

    #[test]
    fn nobody_waits_while_a_script_is_applied() {
        in_namespace(|| {
            let mut running = start(long_script().as_bytes()).unwrap();
            assert!(running.poll().is_none());
            while running.poll().is_none() {
                assert!(running.fd().wait_readable(10_000).unwrap());
            }
            assert_eq!(rules().trim(), "4999");
        });
    }

    #[test]
    fn a_script_that_is_given_up_changes_nothing() {
        in_namespace(|| {
            drop(start(long_script().as_bytes()).unwrap());
            assert_eq!(shell("nft list ruleset"), "");
        });
    }

    #[test]
    fn a_refused_script_gives_the_tools_words_and_changes_nothing() {
        in_namespace(|| {
            let refused = |script: &[u8]| apply(script).unwrap_err().to_string();
            let said = refused(b"add table inet t\nadd chain nowhere x y\n");
            assert!(said.starts_with("nft refused: /dev/stdin:2:"), "{said}");
            assert_eq!(shell("nft list ruleset"), "");
            // Only the beginning of very many words is kept.
            let said = refused("nonsense\n".repeat(9_000).as_bytes());
            assert!(said.starts_with("nft refused: /dev/stdin:1:"), "{said}");
            assert!(said.len() < 200);
        });
    }
}
