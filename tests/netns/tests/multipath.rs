//! The peer that ours is compared with: the kernel's multipath TCP over the same emulated lines.

use std::time::Duration;

use anyhow::Result;
use burstmesh_netns::tools::bulk::{Bulk, jain};
use burstmesh_netns::tools::mptcp;
use burstmesh_netns::{Lab, Topology, root};

#[test]
#[ignore = "the peer of netns-bench, and not ours: cargo xtask test --long"]
fn one_connection_of_multipath_tcp_uses_both_lines_both_ways_and_one_of_tcp_only_the_first()
-> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::up(&Topology::builtin("unequal-homes")?)?;
    mptcp::raise(&lab, "web")?;
    let web = lab.link("web")?.v4;
    let rate = |multipath, down| -> Result<f64> {
        let bulk = Bulk {
            multipath,
            congestion: "cubic",
            flows: 1,
            down,
            start: Duration::from_secs(3),
            length: Duration::from_secs(3),
        };
        let rates = bulk.run(&lab, "c1", "web", web)?;
        assert!(jain(&rates) > 0.99);
        Ok(rates.iter().sum::<f64>() / 1e6)
    };
    let (both, up, one) = (rate(true, true)?, rate(true, false)?, rate(false, true)?);
    println!("{both:.1} down, {up:.1} up, {one:.1} of TCP, Mbit/s");
    // 20 and 10 Mbit/s, of which headers leave 95 %.
    assert!(both > 24.0 && up > 24.0, "{both} {up}");
    assert!((17.0..20.0).contains(&one), "{one}");
    Ok(())
}
