//! The lab is checked on plain lines before anything is measured with it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use burstmesh_netns::canary::measure_quietly;
use burstmesh_netns::emulator::Way;
use burstmesh_netns::tools::capture::Capture;
use burstmesh_netns::tools::echo::Echo;
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::tools::iperf::{self, Iperf, IperfReport};
use burstmesh_netns::tools::{ping, transfer};
use burstmesh_netns::topology::plan;
use burstmesh_netns::units::{Loss, Rate};
use burstmesh_netns::{Lab, Topology, root};

const ATTEMPTS: u32 = 4;
/// IP packet over payload for full packets: TCP with timestamps, and UDP of 1472 bytes, over IPv4.
const TCP: f64 = 1500.0 / 1448.0;
const UDP: f64 = 1500.0 / 1472.0;
const TEN_MS: Duration = Duration::from_millis(10);

fn lab() -> Result<Option<Lab>> {
    if root::skip() {
        Ok(None)
    } else {
        Ok(Some(Lab::up(&Topology::builtin("calibration")?)?))
    }
}

#[test]
fn the_round_trip_is_twice_the_delay() -> Result<()> {
    let Some(lab) = lab()? else { return Ok(()) };
    for (client, delays_ms) in [("c1", 20.0), ("c3", 10.0)] {
        for target in [
            IpAddr::from(lab.link("web")?.v4),
            lab.link("web")?.v6.into(),
        ] {
            let report = measure_quietly(&lab, ATTEMPTS, || {
                ping::ping(&lab, client, target, 100, TEN_MS)
            })?;
            let (least, median) = (report.min(), report.percentile(50.0));
            println!(
                "{client} to {target}: least {least:.2} ms, median {median:.2}, p99 {:.2}",
                report.percentile(99.0)
            );
            ensure!(report.lost() == 0, "{} pings lost", report.lost());
            ensure!(
                (delays_ms..delays_ms + 0.5).contains(&least),
                "least round trip {least} ms, delays {delays_ms}"
            );
            ensure!(median < delays_ms + 1.0, "median round trip {median} ms");
        }
    }
    Ok(())
}

#[test]
fn datagrams_at_irregular_times_find_the_same_round_trip() -> Result<()> {
    let Some(lab) = lab()? else { return Ok(()) };
    let web = lab.link("web")?.v4;
    let median = measure_quietly(&lab, ATTEMPTS, || {
        let echo = Echo::start(&lab, "c1", "web", web)?;
        std::thread::sleep(Duration::from_secs(3));
        echo.stop()
    })?;
    println!("median {median:.2} ms");
    ensure!((20.0..21.0).contains(&median), "round trip {median} ms");
    Ok(())
}

#[test]
fn tcp_and_udp_fill_lines_of_20_50_and_100_mbit() -> Result<()> {
    let Some(lab) = lab()? else { return Ok(()) };
    // UDP on the narrowest line upwards and on the widest down.
    for (client, rate, reverse, with_udp) in [
        ("c1", 20, false, true),
        ("c1", 20, true, false),
        ("c2", 50, true, false),
        ("c3", 100, true, true),
    ] {
        let rate = Rate::mbit(rate);
        let tcp = Iperf {
            seconds: 4,
            omit: 2,
            reverse,
            ..Iperf::default()
        };
        let (found, wire) = measure_quietly(&lab, ATTEMPTS, || run_and_watch(&lab, client, &tcp))?;
        check_rate("TCP", client, found.received * TCP, rate, 0.97..1.03)?;
        check_rate("the line under TCP", client, wire, rate, 0.99..1.005)?;
        if !with_udp {
            continue;
        }
        let udp = Iperf {
            udp: Some(Rate::bits(rate.bits_per_second() * 11 / 10)),
            ..tcp
        };
        let (found, wire) = measure_quietly(&lab, ATTEMPTS, || run_and_watch(&lab, client, &udp))?;
        check_rate("UDP", client, found.received * UDP, rate, 0.99..1.005)?;
        check_rate("the line under UDP", client, wire, rate, 0.99..1.005)?;
    }
    Ok(())
}

/// Runs iperf3 and reads the line's own counters in the middle of it: two witnesses that share nothing.
fn run_and_watch(lab: &Lab, client: &str, how: &Iperf) -> Result<(IperfReport, f64)> {
    let line = lab.line(&client.replace('c', "gw"));
    let way = if how.reverse { Way::Down } else { Way::Up };
    let web = lab.link("web")?.v4;
    std::thread::scope(|scope| {
        let run = scope.spawn(|| iperf::run(lab, client, "web", web, how));
        std::thread::sleep(Duration::from_secs(3));
        let (begun, before) = (Instant::now(), line.traffic(way).delivered.bytes);
        std::thread::sleep(Duration::from_secs(2));
        let carried = line.traffic(way).delivered.bytes - before;
        let wire = carried as f64 * 8.0 / begun.elapsed().as_secs_f64();
        let report = run.join().map_err(|_| anyhow::anyhow!("panicked"))??;
        Ok((report, wire))
    })
}

/// Fails unless `found` bits per second are within `bounds` of the rate.
///
/// What TCP reads after its start may have come before it, held back by a hole, and what came before the end may be read
/// after it for the same reason: its bounds are wider, both ways. What the line carries meanwhile has the narrow ones.
fn check_rate(
    what: &str,
    client: &str,
    found: f64,
    rate: Rate,
    bounds: std::ops::Range<f64>,
) -> Result<()> {
    let part = found / rate.bits_per_second() as f64;
    println!("{what} of {client} over {rate}: {:.2} %", part * 100.0);
    ensure!(
        bounds.contains(&part),
        "{what} of {client}: {part:.4} of {rate}"
    );
    Ok(())
}

#[test]
fn a_loss_of_one_percent_is_one_percent() -> Result<()> {
    let Some(lab) = lab()? else { return Ok(()) };
    lab.line("gw1").set_loss(Way::Up, Loss::percent(1.0))?;
    let how = Iperf {
        seconds: 7,
        udp: Some(Rate::mbit(18)),
        length: 500,
        ..Iperf::default()
    };
    let before = lab.line("gw1").traffic(Way::Up);
    let report = measure_quietly(&lab, ATTEMPTS, || {
        iperf::run(&lab, "c1", "web", lab.link("web")?.v4, &how)
    })?;
    let after = lab.line("gw1").traffic(Way::Up);
    println!(
        "{} packets, {:.3} % lost",
        report.packets,
        report.lost * 100.0
    );
    ensure!((0.008..=0.012).contains(&report.lost), "{report:?}");
    ensure!(
        after.lost.packets > before.lost.packets && after.queue_full == before.queue_full,
        "{after:?}"
    );
    Ok(())
}

#[test]
fn a_download_and_an_upload_are_recorded_at_the_receiver() -> Result<()> {
    let Some(lab) = lab()? else { return Ok(()) };
    let server = Arc::new(HttpServer::start(&lab, "web", 80)?);
    let link = lab.link("web")?;
    let url = server.publish("file", 18_000_000, link.v4)?;
    let limit = Duration::from_secs(30);
    let down = measure_quietly(&lab, ATTEMPTS, || {
        transfer::download(&lab, "c1", &url, limit)
    })?;
    check_transfer("download", &down, 18_000_000)?;
    let url = server.url(link.v6, "up/file");
    let up = measure_quietly(&lab, ATTEMPTS, || {
        transfer::upload(&lab, "c1", &server, &url, 18_000_000, limit)
    })?;
    check_transfer("upload", &up, 18_000_000)?;
    let carried = lab.line("gw1").traffic(Way::Up).delivered.bytes;
    ensure!(
        carried > 18_000_000 * 1500 / 1448,
        "the line's counter shows only {carried} bytes"
    );
    Ok(())
}

fn check_transfer(what: &str, transfer: &transfer::Transfer, bytes: u64) -> Result<()> {
    let share = transfer::share(transfer, &[Rate::mbit(20)]);
    println!(
        "{what}: share {:.1} %, longest gap {:?}, {:?}",
        share * 100.0,
        transfer.longest_gap,
        transfer.duration
    );
    ensure!(
        transfer.complete && transfer.intact && transfer.bytes == bytes,
        "{what}: {transfer:?}"
    );
    // What waited behind a lost packet as the counted time began was received in it.
    let counted = transfer.duration.saturating_sub(transfer::START);
    let held = transfer.longest_gap.as_secs_f64() / counted.as_secs_f64();
    ensure!(
        (0.93..0.97 + held).contains(&share),
        "{what}: a share of {share}"
    );
    ensure!(
        transfer.longest_gap < Duration::from_millis(500),
        "{what}: a gap of {:?}",
        transfer.longest_gap
    );
    Ok(())
}

#[test]
fn a_silent_line_keeps_its_carrier_and_a_pulled_one_does_not() -> Result<()> {
    let Some(lab) = lab()? else { return Ok(()) };
    let web = lab.link("web")?.v4;
    let lost = || ping::ping(&lab, "c1", web, 5, TEN_MS).map(|report| report.lost());
    let carrier = || {
        lab.ns("gw1")
            .run("cat", &["/sys/class/net/wan0/carrier"])
            .map(|text| text.trim().to_owned())
    };
    ensure!(lost()? == 0);
    lab.line("gw1").silent()?;
    ensure!(lost()? == 5 && carrier()? == "1");
    ensure!(lab.line("gw1").traffic(Way::Up).silenced.packets >= 5);
    lab.line("gw1").up()?;
    ensure!(lost()? == 0);
    lab.line("gw1").down()?;
    ensure!(lost()? == 5 && carrier()? == "0");
    lab.line("gw1").up()?;
    // The kernel takes up to a second to believe in a new carrier.
    let begun = Instant::now();
    while lost()? > 0 {
        ensure!(
            begun.elapsed() < Duration::from_secs(3),
            "the line does not come back"
        );
    }
    ensure!(carrier()? == "1");
    Ok(())
}

#[test]
fn a_changed_rate_holds_in_the_middle_of_a_transfer() -> Result<()> {
    let Some(lab) = lab()? else { return Ok(()) };
    let server = HttpServer::start(&lab, "web", 80)?;
    let url = server.publish("file", 40_000_000, lab.link("web")?.v4)?;
    let result = measure_quietly(&lab, ATTEMPTS, || {
        lab.line("gw1").set_rate(Way::Down, Rate::mbit(20))?;
        let running = transfer::start_download(&lab, "c1", &url, Duration::from_secs(8))?;
        std::thread::sleep(Duration::from_secs(4).saturating_sub(running.begun().elapsed()));
        lab.line("gw1").set_rate(Way::Down, Rate::mbit(10))?;
        running.finish()
    })?;
    let second = Duration::from_secs(1);
    let (before, after) = (
        result.rate_between(2 * second, 4 * second),
        result.rate_between(5 * second, 8 * second),
    );
    println!("{:.2} then {:.2} Mbit/s", before / 1e6, after / 1e6);
    ensure!(
        (18.5e6..20e6).contains(&before) && (9.0e6..9.9e6).contains(&after),
        "{before} then {after}"
    );
    ensure!(
        !result.complete && result.exit_code == Some(28) && result.intact,
        "{result:?}"
    );
    Ok(())
}

#[test]
fn multicast_on_the_mesh_reaches_all() -> Result<()> {
    let Some(lab) = lab()? else { return Ok(()) };
    let hearers = ["gw2", "gw3"]
        .map(|ns| Capture::start(&lab, ns, "mesh0", "icmp6[icmp6type] == icmp6-echo"));
    lab.ns("gw1")
        .run("ping", &["-c", "3", "-i", "0.1", "ff02::1%mesh0"])?;
    std::thread::sleep(Duration::from_millis(100));
    for hearer in hearers {
        let frames = hearer?.stop()?;
        let heard = frames
            .iter()
            .filter(|frame| frame.bytes.starts_with(&[0x33, 0x33]))
            .count();
        ensure!(heard == 3, "{heard} of 3 multicasts heard");
    }
    Ok(())
}

#[test]
fn the_mesh_is_one_medium_whose_stations_take_turns() -> Result<()> {
    let Some(lab) = lab()? else { return Ok(()) };
    for (number, gateway) in ["gw1", "gw2", "gw3"].into_iter().enumerate() {
        lab.ns(gateway).run(
            "ip",
            &[
                "address",
                "add",
                &format!("10.9.0.{}/24", number + 1),
                "dev",
                "mesh0",
            ],
        )?;
    }
    let run = |client: &str, server: &str, to: u8, port: u16| {
        let how = Iperf {
            udp: Some(Rate::mbit(80)),
            seconds: 4,
            omit: 1,
            port,
            ..Iperf::default()
        };
        iperf::run(&lab, client, server, Ipv4Addr::new(10, 9, 0, to), &how)
            .map(|report| report.received * UDP / 1e6)
    };
    let (one, two) = measure_quietly(&lab, ATTEMPTS, || {
        std::thread::scope(|scope| {
            let one = scope.spawn(|| run("gw1", "gw2", 2, 5201));
            let two = run("gw3", "gw1", 1, 5202)?;
            Ok((one.join().map_err(|_| anyhow::anyhow!("panicked"))??, two))
        })
    })?;
    println!("two flows on 100 Mbit/s of air: {one:.1} and {two:.1} Mbit/s");
    ensure!(
        (97.0..101.0).contains(&(one + two)) && (one - two).abs() < 5.0,
        "{one} and {two}"
    );
    Ok(())
}

#[test]
fn homes_look_like_homes() -> Result<()> {
    let Some(lab) = lab()? else { return Ok(()) };
    let web = lab.link("web")?;
    // The same private addresses in every home, all masqueraded.
    let server = HttpServer::start(&lab, "web", 80)?;
    for client in ["c1", "c2", "c3"] {
        lab.ns(client)
            .run("curl", &["-sSf", &server.url(web.v4, "")])?;
        lab.ns(client)
            .run("curl", &["-sSf", &server.url(web.v6, "")])?;
    }
    let said = lab.ns("c1").run("curl", &["-sSf", "http://web.test/"])?;
    ensure!(said == "this is web\n", "over the home's DNS: {said}");
    Ok(())
}

#[test]
fn from_the_internet_a_home_is_closed_until_its_owner_opens_something() -> Result<()> {
    let Some(lab) = lab()? else { return Ok(()) };
    let _inside = HttpServer::start(&lab, "c1", 8000)?;
    let home = lab.link("gw1")?.v4;
    let prefix = lab
        .lan_prefix("gw1")?
        .ok_or_else(|| anyhow::anyhow!("no prefix"))?;
    let client6 = plan::in_prefix(prefix, 0x10);
    let urls = [
        format!("http://{home}:8000/"),
        format!("http://[{client6}]:8000/"),
    ];
    for url in &urls {
        ensure!(
            lab.ns("web")
                .run("curl", &["-gsSf", "-m", "0.5", url])
                .is_err(),
            "{url} is open"
        );
    }
    lab.forward_port(
        "gw1",
        8000,
        std::net::SocketAddrV4::new(plan::LAN_CLIENT, 8000),
    )?;
    lab.open_ipv6("gw1", client6, 8000)?;
    for url in &urls {
        ensure!(lab.ns("web").run("curl", &["-gsSf", "-m", "2", url])? == "this is c1\n");
    }
    Ok(())
}

#[test]
fn what_must_not_be_given_away_is_there_for_those_it_belongs_to() -> Result<()> {
    let Some(lab) = lab()? else { return Ok(()) };
    let server = HttpServer::start(&lab, "web", 80)?;
    let _modem = HttpServer::start(&lab, "core", 80)?;
    lab.ns("gw1").run(
        "curl",
        &["-sSf", "-m", "2", &format!("http://{}/", plan::MODEM)],
    )?;
    lab.ns("exit").run(
        "curl",
        &[
            "-sSf",
            "-m",
            "2",
            &server.url(Ipv4Addr::new(10, 66, 0, 1), ""),
        ],
    )?;
    lab.ns("exit").run(
        "curl",
        &[
            "-sSf",
            "-m",
            "2",
            &server.url(Ipv4Addr::new(169, 254, 169, 254), ""),
        ],
    )?;
    Ok(())
}

#[test]
fn a_home_without_a_line_and_lines_of_one_protocol_work() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::up(&Topology::builtin("no-own-line")?)?;
    let (v4, v6) = (lab.link("web")?.v4, lab.link("web")?.v6);
    let reaches = |client: &str, target: IpAddr| {
        lab.ns(client)
            .run("ping", &["-c", "1", "-W", "1", &target.to_string()])
            .is_ok()
    };
    ensure!(
        !reaches("c1", v4.into()) && !reaches("c1", v6.into()),
        "a home without a line"
    );
    ensure!(
        reaches("c2", v4.into()) && !reaches("c2", v6.into()),
        "a translated home with IPv4 only"
    );
    ensure!(
        !reaches("c3", v4.into()) && reaches("c3", v6.into()),
        "a home with IPv6 only"
    );
    lab.rebind_nat("gw2")?;
    ensure!(reaches("c2", v4.into()));
    Ok(())
}

#[test]
fn nothing_is_left_when_a_lab_goes() -> Result<()> {
    let Some(lab) = lab()? else { return Ok(()) };
    let prefix = lab.prefix().to_owned();
    let begun = Instant::now();
    let daemon = lab.daemon("gw1", "sleep", &["100"])?;
    let pid = daemon.pid();
    drop(lab);
    let mut daemon = daemon;
    ensure!(
        daemon.wait(Duration::from_secs(1))?.code().is_none(),
        "process {pid} was not killed"
    );
    let left = std::fs::read_dir("/run/netns")?
        .flatten()
        .map(|entry| entry.file_name());
    let left: Vec<_> = left
        .filter(|name| name.to_string_lossy().starts_with(&prefix))
        .collect();
    ensure!(left.is_empty(), "left: {left:?}");
    println!("taken down in {:?}", begun.elapsed());
    Ok(())
}
