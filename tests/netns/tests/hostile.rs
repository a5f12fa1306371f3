//! What strangers and lenders can do: nothing but be counted.

use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use burstmesh_netns::community::Community;
use burstmesh_netns::tools::capture::Capture;
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::tools::transfer;
use burstmesh_netns::{Lab, Topology, root};

const PORT: u16 = 4454;

fn refused(status: &serde_json::Value) -> u64 {
    let all = status["refused"].as_object().cloned().unwrap_or_default();
    all.values().filter_map(serde_json::Value::as_u64).sum()
}

/// Junk of every kind at 10 Mbit/s for a while, from the mesh at the gateway's mesh port.
fn flood(
    lab: &Lab,
    from: &str,
    to: Ipv6Addr,
    interface: u32,
    seconds: u64,
) -> Result<std::thread::JoinHandle<u64>> {
    let socket: UdpSocket = lab.ns(from).within(|| UdpSocket::bind("[::]:0"))??;
    let target = SocketAddrV6::new(to, PORT, 0, interface);
    Ok(std::thread::spawn(move || {
        let (begun, mut sent, mut bytes) = (Instant::now(), 0u64, 0u64);
        while begun.elapsed() < Duration::from_secs(seconds) {
            // Wrong version, announcements, handshakes, paths, data, relays, truncated and oversized, all made up.
            let kind = [0x25u8, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x00]
                [(sent % 10) as usize];
            let len = [3usize, 20, 200, 600, 1232, 1400][(sent % 6) as usize];
            let junk: Vec<u8> = (0..len)
                .map(|i| {
                    if i == 0 {
                        kind
                    } else {
                        (sent as usize * 31 + i * 7) as u8
                    }
                })
                .collect();
            let _ = socket.send_to(&junk, target);
            (sent, bytes) = (sent + 1, bytes + len as u64 + 48);
            let due = Duration::from_secs_f64(bytes as f64 * 8.0 / 10e6);
            sleep(due.saturating_sub(begun.elapsed()));
        }
        sent
    }))
}

#[test]
fn junk_at_ten_megabits_is_counted_and_leaves_a_transfer_nine_tenths_of_its_rate() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::up(&Topology::builtin("three-homes")?)?;
    let mut community = Community::up(&lab)?;
    community.wait_all_pooling(Duration::from_secs(10))?;
    let server = HttpServer::start(&lab, "web", 80)?;
    let url = server.publish("file", 400_000_000, lab.link("web")?.v4)?;
    let limit = Duration::from_secs(13);
    let quiet = transfer::download(&lab, "c1", &url, limit)?.rate_after(Duration::from_secs(5));
    let address = lab
        .ns("gw1")
        .run("ip", &["-6", "-o", "addr", "show", "dev", "mesh0"])?;
    let to: Ipv6Addr = address
        .split_whitespace()
        .find_map(|w| w.strip_suffix("/64")?.parse().ok())
        .expect("an address");
    let index: u32 = lab
        .ns("gw3")
        .run("cat", &["/sys/class/net/mesh0/ifindex"])?
        .trim()
        .parse()?;
    let before = refused(&community.status("gw1")?);
    let logged = community.agent("gw1")?.log().len();
    let running = transfer::start_download(&lab, "c1", &url, limit)?;
    let flood = flood(&lab, "gw3", to, index, 12)?;
    let noisy = running.finish()?.rate_after(Duration::from_secs(5));
    let sent = flood.join().expect("the flood ends");
    let counted = refused(&community.status("gw1")?) - before;
    let log = community.agent("gw1")?.log();
    let lines = log.get(logged..).unwrap_or_default().lines().count();
    println!(
        "{:.1} against {:.1} Mbit/s; {sent} sent, {counted} refused, {lines} log lines",
        noisy / 1e6,
        quiet / 1e6
    );
    assert!(counted * 10 >= sent * 9, "{counted} of {sent} counted");
    assert!(noisy >= 0.9 * quiet, "{noisy} against {quiet}");
    assert!((1..=2).contains(&lines), "{lines} log lines:\n{log}");
    Ok(())
}

#[test]
fn a_lender_sees_only_sealed_datagrams_and_a_flipped_or_replayed_one_is_dropped_and_counted()
-> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::up(&Topology::builtin("three-homes")?)?;
    let mut community = Community::up(&lab)?;
    community.wait_all_pooling(Duration::from_secs(10))?;
    let server = HttpServer::start(&lab, "web", 80)?;
    let url = server.publish("file", 8_000_000, lab.link("web")?.v4)?;
    let mesh = Capture::start(&lab, "gw2", "mesh0", "udp port 4454")?;
    let wan = Capture::start(&lab, "gw2", "wan0", "udp port 4454")?;
    let result = transfer::download(&lab, "c1", &url, Duration::from_secs(20))?;
    assert!(result.complete && result.intact);
    let (mesh, wan) = (mesh.stop()?, wan.stop()?);
    let secret = burstmesh_netns::tools::pattern::beginning(64);
    let clear = mesh.iter().chain(&wan).filter(|f| {
        f.bytes.windows(16).any(|w| w == &secret[..16])
            || f.bytes.windows(8).any(|w| w == b"HTTP/1.1")
    });
    assert_eq!(clear.count(), 0, "a lender saw a client's bytes");
    // Data frames (kind 6 or 7) from the exit on the lender's line; Ethernet, IPv4 and UDP headers are 42 bytes.
    let frames: Vec<_> = wan
        .iter()
        .filter(|f| f.bytes.len() > 1200 && matches!(f.bytes.get(42), Some(0x16 | 0x17)))
        .collect();
    assert!(
        frames.len() > 500,
        "only {} data frames on the lender's line",
        frames.len()
    );
    let before = refused(&community.status("gw1")?);
    let exit = lab.link("exit")?.v4;
    let home = lab.link("gw2")?.v4;
    let port = u16::from_be_bytes([frames[0].bytes[36], frames[0].bytes[37]]);
    // From the exit's own address and port (so the exit must be gone), as only somebody on the way could: once as it
    // was, once with a bit flipped.
    community.kill_exit()?;
    let socket: UdpSocket = lab.ns("exit").within(|| UdpSocket::bind((exit, PORT)))??;
    let mut datagram = frames[frames.len() - 1].bytes[42..].to_vec();
    socket.send_to(&datagram, (home, port))?;
    datagram[700] ^= 1;
    socket.send_to(&datagram, (home, port))?;
    sleep(Duration::from_millis(500));
    let counted = refused(&community.status("gw1")?) - before;
    assert!(counted >= 2, "{counted} of two bad datagrams counted");
    Ok(())
}
