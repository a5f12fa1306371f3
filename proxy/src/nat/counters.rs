//! What the firewall counted.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::script::{COUNTERS, REFUSALS, TABLE};

/// One of the firewall's counters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    pub name: String,
    /// What it counts, for people.
    pub about: String,
    /// Whether it counts what was refused, rather than what was forwarded.
    pub refusal: bool,
    pub packets: u64,
    pub bytes: u64,
}

#[derive(Deserialize)]
struct Listing {
    nftables: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    counter: Option<Found>,
}

#[derive(Deserialize)]
struct Found {
    name: String,
    packets: u64,
    bytes: u64,
}

/// Reads the counters from the kernel; in the order of the script.
///
/// # Errors
/// `nft` refuses: the rules are not there, or we may not.
pub fn counters() -> Result<Vec<Counter>> {
    let text = super::nft(&["-j", "list", "counters", "table", "inet", TABLE], "")?;
    parse(&text)
}

fn parse(text: &str) -> Result<Vec<Counter>> {
    let listing: Listing = serde_json::from_str(text)?;
    let found: Vec<Found> = listing
        .nftables
        .into_iter()
        .filter_map(|e| e.counter)
        .collect();
    let known = COUNTERS
        .iter()
        .enumerate()
        .filter_map(|(index, (name, about))| {
            let here = found.iter().find(|f| f.name == *name)?;
            Some(Counter {
                name: (*name).into(),
                about: (*about).into(),
                refusal: index < REFUSALS,
                packets: here.packets,
                bytes: here.bytes,
            })
        });
    Ok(known.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_from_what_nft_lists() {
        let text = r#"{"nftables": [{"metainfo": {"version": "1.0.6"}},
            {"counter": {"family": "inet", "name": "up", "table": "burstmesh_exit", "handle": 9, "packets": 7, "bytes": 420}},
            {"counter": {"family": "inet", "name": "spoofed", "table": "burstmesh_exit", "handle": 1, "packets": 2, "bytes": 80}}]}"#;
        let read = parse(text).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(
            (read[0].name.as_str(), read[0].refusal, read[0].packets),
            ("spoofed", true, 2)
        );
        assert_eq!(
            (read[1].name.as_str(), read[1].refusal, read[1].bytes),
            ("up", false, 420)
        );
    }
}
