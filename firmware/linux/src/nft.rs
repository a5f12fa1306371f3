//! Firewall rules, applied by the `nft` tool: one script is one transaction.

use crate::error::Error;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure<'a> {
    /// The tool could not be run.
    Run(Error),
    /// The tool refused, with these words.
    Refused(&'a str),
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(error) => write!(f, "cannot run nft: {error}"),
            Self::Refused(words) => write!(f, "nft refused: {}", words.trim_ascii_end()),
        }
    }
}

/// Applies `script`; on refusal `complaint` holds the tool's words.
pub fn apply<'a>(script: &[u8], complaint: &'a mut [u8]) -> core::result::Result<(), Failure<'a>> {
    let arguments = [
        c"nft".as_ptr(),
        c"-f".as_ptr(),
        c"-".as_ptr(),
        core::ptr::null(),
    ];
    let done = tool::run(&PLACES, &arguments, script).map_err(Failure::Run)?;
    if done.status == 0 {
        return Ok(());
    }
    Err(Failure::Refused(done.words(complaint)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{in_namespace, run as shell};

    #[test]
    fn a_script_is_applied_whole() {
        in_namespace(|| {
            let mut script = String::from("table inet t {\nchain c {\n");
            for port in 1..5000 {
                script += &format!("tcp dport {port} accept\n");
            }
            script += "}\n}\n";
            assert_eq!(apply(script.as_bytes(), &mut [0; 64]), Ok(()));
            assert_eq!(shell("nft list ruleset | grep -c accept").trim(), "4999");
        });
    }

    #[test]
    fn a_refused_script_gives_the_tools_words_and_changes_nothing() {
        in_namespace(|| {
            let mut complaint = [0; 400];
            let failure =
                apply(b"add table inet t\nadd chain nowhere x y\n", &mut complaint).unwrap_err();
            assert!(
                failure
                    .to_string()
                    .starts_with("nft refused: /dev/stdin:2:"),
                "{failure}"
            );
            assert_eq!(shell("nft list ruleset"), "");
            let mut little = [0; 5];
            assert_eq!(
                apply(b"nonsense\n", &mut little),
                Err(Failure::Refused("/dev/"))
            );
        });
    }
}
