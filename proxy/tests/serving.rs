//! The daemon as it runs on a server: what it sets up and takes down, what a reload changes, what it says over HTTP, and
//! that it needs no more rights than its unit gives it.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use burstmesh_core::wire::text::key_to_text;
use common::Namespace;
use common::home::{Home, PROGRAM};

const UNIT: &str = include_str!("../../packaging/burstmesh-proxy.service");

fn everything_is_gone(here: &Namespace, home: &Home) {
    assert_eq!(here.must("nft list ruleset"), "", "rules are left behind");
    assert!(
        !here.run("ip link show bmx0").status.success(),
        "the interface is left behind"
    );
    assert!(!home.dir.path().join("run/control.sock").exists());
    assert_eq!(home.output(&["status"]).status.code(), Some(3));
}

#[test]
fn the_daemon_puts_its_parts_up_and_takes_them_down() {
    let Some(here) = Namespace::new() else { return };
    let home = Home::new();
    home.must(&["community", "add", "home"]);
    let daemon = home.daemon(&here);
    assert!(here.must("nft list ruleset").contains("masquerade"));
    assert!(here.must("ip addr show bmx0").contains("10.77.0.1/16"));
    assert_eq!(here.must("cat /proc/sys/net/ipv4/ip_forward").trim(), "1");
    home.must(&["community", "add", "second"]);
    assert_eq!(home.status()["communities"][1]["name"], "second");
    assert_eq!(home.status()["firewall"][0]["name"], "spoofed");
    let shown = home.must(&["status"]);
    assert!(
        shown.contains("second") && shown.contains("0 of "),
        "{shown}"
    );
    // A second daemon on the same socket is refused.
    let mut other = here.command(PROGRAM);
    let other = other.arg("--config").arg(home.config()).arg("run");
    assert_eq!(other.output().unwrap().status.code(), Some(1));
    assert!(
        here.must("nft list ruleset").contains("masquerade"),
        "the second daemon took the first one's rules away"
    );
    daemon.stop();
    everything_is_gone(&here, &home);
}

#[test]
fn a_reload_changes_the_rules_and_says_what_waits_for_a_restart() {
    let Some(here) = Namespace::new() else { return };
    let home = Home::new();
    let daemon = home.daemon(&here);
    assert_eq!(home.must(&["reload"]), "");
    home.configure(
        "metrics = \"off\"\n[nat]\nuplink = \"lo\"\ndeny = [\"88.0.0.0/8\"]\n\
         [leases]\nv4 = \"10.99.0.0/16\"\n[tun]\nname = \"bmx9\"\n",
    );
    let said = home.must(&["reload"]);
    assert!(
        said.contains("[tun], [leases]: that needs a restart"),
        "{said}"
    );
    let rules = here.must("nft list ruleset");
    assert!(rules.contains("88.0.0.0/8"), "{rules}");
    // Members that are here have addresses of the old pool, behind the old interface.
    assert!(
        rules.contains("ip saddr != 10.77.0.0/16") && !rules.contains("10.99."),
        "{rules}"
    );
    assert!(
        rules.contains("\"bmx0\"") && !rules.contains("bmx9"),
        "{rules}"
    );
    daemon.signal("-HUP");
    sleep(Duration::from_millis(300));
    let log = daemon.log();
    assert_eq!(log.matches("that needs a restart").count(), 2, "{log}");
    home.configure("[nat]\nuplink = \"nosuch0\"\n");
    assert!(home.fails(&["reload"]).1.contains("nosuch0"));
    assert!(here.must("nft list ruleset").contains("88.0.0.0/8"));
    daemon.stop();
    everything_is_gone(&here, &home);
}

#[test]
fn what_the_machine_gives_is_said_by_check_and_in_the_log() {
    let Some(here) = Namespace::new() else { return };
    here.must("ip link add up0 type veth peer name up1; ip link set up0 up; ip link set up1 up");
    let home = Home::new();
    home.configure("metrics = \"off\"\n[nat]\nuplink = \"up0\"\n");
    let mut check = here.command(PROGRAM);
    let check = check.arg("--config").arg(home.config()).arg("check");
    let said = String::from_utf8(check.output().unwrap().stdout).unwrap();
    let daemon = home.daemon(&here);
    let log = daemon.log();
    // A fresh namespace has no way out.
    let lines = [
        "members get no IPv6: up0 has",
        "members are told ",
        "room for ",
    ];
    for line in lines {
        assert!(said.contains(line), "{line} is not in {said}");
        assert!(log.contains(line), "{line} is not in {log}");
    }
    home.must(&["community", "add", "home"]);
    let key = key_to_text(&[7; 32]);
    home.must(&["member", "add", "home", &key]);
    let lease = || home.status()["communities"][0]["members"][0]["lease_v6"].clone();
    assert!(lease().is_null());
    here.must("ip -6 addr add 2a00:88::1/64 dev up0 nodad; ip -6 route add default via 2a00:88::2");
    assert_eq!(lease(), "fd77:6275:7273::2", "IPv6 came");
    daemon.stop();
}

/// The samples of a scrape: name with labels, and value.
fn scrape(here: &Namespace) -> Vec<(String, f64)> {
    let page = here.must(
        "timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/9477; printf \"GET /metrics HTTP/1.0\\r\\n\\r\\n\" >&3; cat <&3'",
    );
    let (head, body) = page.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200 "), "{head}");
    assert!(head.contains("application/openmetrics-text"), "{head}");
    let samples = body.lines().filter(|l| !l.starts_with('#'));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    samples.map(sample).collect()
}

#[test]
fn the_metrics_of_a_running_daemon_say_what_its_status_says() {
    let Some(here) = Namespace::new() else { return };
    let home = Home::new();
    home.configure("[nat]\nuplink = \"lo\"\n");
    home.must(&["community", "add", "home"]);
    home.must(&["community", "add", "empty"]);
    for n in 1..4 {
        home.must(&["member", "add", "home", &key_to_text(&[n; 32])]);
    }
    let daemon = home.daemon(&here);
    for _ in 0..5 {
        here.must("bash -c 'echo nonsense > /dev/udp/127.0.0.1/4500'");
    }
    sleep(Duration::from_millis(1500));
    let (status, metrics) = (home.status(), scrape(&here));
    let value = |name: String| {
        let found = metrics
            .iter()
            .find(|(n, _)| *n == format!("burstmesh_exit_{name}"));
        found
            .unwrap_or_else(|| panic!("{name} is not in {metrics:?}"))
            .1
    };
    let mut refused = 0.0;
    for (reason, n) in status["refusals"].as_object().unwrap() {
        let n = n.as_f64().unwrap();
        assert_eq!(value(format!("refusals_total{{reason=\"{reason}\"}}")), n);
        refused += n;
    }
    assert!(refused >= 5.0, "the nonsense is not counted: {status}");
    for counter in status["firewall"].as_array().unwrap() {
        let kind = if counter["refusal"] == true {
            "refused"
        } else {
            "forwarded"
        };
        let name = counter["name"].as_str().unwrap();
        let there = value(format!("firewall_{kind}_packets_total{{what=\"{name}\"}}"));
        assert_eq!(there, counter["packets"].as_f64().unwrap());
    }
    assert_eq!(value("members{community=\"home\"}".into()), 3.0);
    assert_eq!(value("members{community=\"empty\"}".into()), 0.0);
    assert_eq!(value("members_live{community=\"home\"}".into()), 0.0);
    let most = status["seats"]["most"].as_f64().unwrap();
    assert_eq!(value("seats{which=\"most\"}".into()), most);
    assert!(most >= 1.0 && value("seats{which=\"now\"}".into()) == 0.0);
    assert!(value("uptime_seconds".into()) >= 1.0);
    let key = status["key"].as_str().unwrap();
    let build = metrics
        .iter()
        .find(|(n, _)| n.starts_with("burstmesh_exit_build{"));
    assert!(build.unwrap().0.contains(key));
    daemon.stop();
}

/// What an option of the unit says.
fn of_unit(option: &str) -> &'static str {
    let line = UNIT
        .lines()
        .find_map(|l| l.strip_prefix(option)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("{option} is not in the unit"))
}

#[test]
fn a_user_without_rights_but_those_of_the_unit_runs_the_whole_exit() {
    let Some(here) = Namespace::new() else { return };
    if Command::new("setpriv").arg("--version").output().is_err() {
        eprintln!("SKIPPED: no setpriv here");
        return;
    }
    assert_eq!(of_unit("DynamicUser"), "yes");
    assert_eq!(of_unit("ProtectSystem"), "strict");
    let capabilities = of_unit("AmbientCapabilities");
    assert_eq!(capabilities, of_unit("CapabilityBoundingSet"));
    let capabilities: Vec<_> = capabilities
        .split_whitespace()
        .map(|c| format!("+{}", c.trim_start_matches("CAP_").to_lowercase()))
        .collect();
    let capabilities = format!("-all,{}", capabilities.join(","));
    let home = Home::new();
    let dir = home.dir.path().display().to_string();
    // As systemd has it: everything is read-only but the folders of the service, and /proc and /dev. The tunnel driver is there for
    // everybody, as udev has it; a machine without udev may have it for root alone.
    let restricted = format!(
        "cp {PROGRAM} {dir}/program; chmod 755 {dir} {dir}/program; mkdir {dir}/state {dir}/run
         chown -R 65534:65534 {dir}/state {dir}/run; umask 077
         mount --make-rprivate /; mknod -m 666 {dir}/tun c 10 200; mount --bind {dir}/tun /dev/net/tun
         mount --bind {dir} {dir}; mount -o remount,bind,ro /
         exec setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs \
           --inh-caps {capabilities} --ambient-caps {capabilities} --bounding-set {capabilities} \
           {dir}/program --config {dir}/config.toml run"
    );
    let mut command = here.command("unshare");
    command.args(["-m", "sh", "-ec", &restricted]);
    // A new namespace has what the machine has, and one with containers forwards.
    here.must("echo 0 >/proc/sys/net/ipv4/ip_forward");
    let daemon = home.started(command);
    assert_eq!(here.must("cat /proc/sys/net/ipv4/ip_forward").trim(), "1");
    assert!(here.must("nft list ruleset").contains("masquerade"));
    assert!(here.must("ip addr show bmx0").contains("10.77.0.1/16"));
    let status = home.status();
    assert!(
        status["firewall"].as_array().is_some_and(|c| !c.is_empty()),
        "nft answers"
    );
    home.must(&["community", "add", "home"]);
    home.must(&["reload"]);
    assert!(!daemon.log().contains("WARN not"), "{}", daemon.log());
    daemon.stop();
    everything_is_gone(&here, &home);
}

/// What the page's address answers to a path, with the head of a token if there is one: head and body.
fn page(here: &Namespace, path: &str, token: Option<&str>) -> (String, String) {
    let head = token.map_or_else(String::new, |token| {
        format!("Authorization: Bearer {token}\\r\\n")
    });
    let ask = format!(
        "timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/9478; printf \"GET {path} HTTP/1.0\\r\\n{head}\\r\\n\" >&3; cat <&3'"
    );
    let answer = here.must(&ask);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[test]
fn the_admins_page_shows_the_status_to_whoever_has_the_token_and_to_nobody_else() {
    let Some(here) = Namespace::new() else { return };
    let home = Home::new();
    home.configure("[nat]\nuplink = \"lo\"\n");
    home.must(&["community", "add", "home"]);
    let daemon = home.daemon(&here);
    let link = home.must(&["dashboard"]);
    let token = link.trim().strip_prefix("http://127.0.0.1:9478/#").unwrap();
    assert_eq!(token.len(), 64, "{link}");
    let file = home.dir.path().join("state/dashboard-token");
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    for wrong in [
        None,
        Some("short"),
        Some(&token[..63]),
        Some(&"0".repeat(64)),
    ] {
        for told in ["/status", "/ledger"] {
            let (head, body) = page(&here, told, wrong);
            assert!(head.starts_with("HTTP/1.0 401 "), "{wrong:?}: {head}");
            assert!(body.contains("the token is missing"), "{body}");
        }
    }
    let (head, body) = page(&here, "/ledger", Some(token));
    assert!(head.starts_with("HTTP/1.0 200 ") && body == "[]", "{body}");
    let (head, body) = page(&here, "/status", Some(token));
    assert!(head.starts_with("HTTP/1.0 200 "), "{head}");
    let status: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status["communities"][0]["name"], "home");
    // The page itself is no secret, and every part that it names is there.
    let (head, html) = page(&here, "/", None);
    assert!(
        head.contains("content-security-policy: default-src 'none'"),
        "{head}"
    );
    assert!(!html.contains(token));
    for name in [
        "exit.css",
        "exit.js",
        "show.js",
        "dom.js",
        "graph.js",
        "status.js",
        "text.js",
        "units.js",
    ] {
        let (head, body) = page(&here, &format!("/{name}"), None);
        assert!(
            head.starts_with("HTTP/1.0 200 ") && body.len() > 100,
            "{name}: {head}"
        );
    }
    let (head, _) = page(&here, "/nothing.js", None);
    assert!(head.starts_with("HTTP/1.0 404 "), "{head}");
    daemon.stop();
}

#[test]
fn rules_that_somebody_flushes_come_back_at_once_and_the_log_says_so() {
    let Some(here) = Namespace::new() else { return };
    let home = Home::new();
    home.configure("[nat]\nuplink = \"lo\"\n");
    home.must(&["community", "add", "home"]);
    let daemon = home.daemon(&here);
    let before = here.must("nft -s list ruleset");
    assert!(before.contains("burstmesh_exit"));
    here.must("nft flush ruleset");
    sleep(Duration::from_millis(1500));
    assert_eq!(here.must("nft -s list ruleset"), before);
    assert!(daemon.log().contains("somebody has flushed it"));
    daemon.stop();
    everything_is_gone(&here, &home);
}
