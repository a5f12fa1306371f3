//! A client that has every home's line to itself, for the kernel's multipath TCP: one address and one default route a line.

use anyhow::{Context as _, Result};

use crate::lab::Lab;

/// Cables the client of the first home to the gateways of all others, and tells the kernel of client and `server` that
/// connections may have a subflow from each address.
pub fn raise(lab: &Lab, server: &str) -> Result<()> {
    let homes = &lab.topology().homes;
    let (first, others) = homes.split_first().context("no homes")?;
    let client = first.client.as_str();
    for (number, home) in others.iter().enumerate().map(|(i, home)| (i + 1, home)) {
        let (interface, gateway) = (format!("eth{number}"), home.name.as_str());
        lab.cable((gateway, "lan1"), (client, &interface))?;
        let (near, far) = (format!("10.77.{number}.2"), format!("10.77.{number}.1"));
        ip(lab, gateway, &format!("address add {far}/24 dev lan1"))?;
        ip(lab, gateway, "link set lan1 up")?;
        lab.nft(
            gateway,
            "add rule inet home forward iifname lan1 oifname wan0 accept\n",
        )?;
        ip(
            lab,
            client,
            &format!("address add {near}/24 dev {interface}"),
        )?;
        ip(lab, client, &format!("link set {interface} up"))?;
        let table = 100 + number;
        ip(
            lab,
            client,
            &format!("route add default via {far} table {table}"),
        )?;
        ip(lab, client, &format!("rule add from {near} table {table}"))?;
        ip(
            lab,
            client,
            &format!("mptcp endpoint add {near} dev {interface} subflow"),
        )?;
    }
    for end in [client, server] {
        ip(lab, end, "mptcp limits set subflow 8 add_addr_accepted 8")?;
    }
    Ok(())
}

fn ip(lab: &Lab, ns: &str, line: &str) -> Result<()> {
    let words: Vec<&str> = line.split(' ').collect();
    lab.ns(ns).run("ip", &words).map(drop)
}
