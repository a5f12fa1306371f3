//! The checks that need to look at the router: its devices and its own key.
//!
//! The router is reached through [`System`], so that these checks run on any machine and in tests.

use burstmesh_core::calendar::Wall;
use burstmesh_core::identity::PublicKey;

use super::Config;
use super::problem::{Problem, ProblemKind};
use super::values::Ifname;

/// Where keys and ledger outlive a sysupgrade, as the package says.
const KEYS: &str = "/etc/burstmesh/";

/// What the checks ask the router.
pub trait System {
    /// Whether a network device of this name exists now.
    fn interface_exists(&self, ifname: &str) -> bool;

    /// The bridge that the device is a port of, if any.
    fn bridge_of(&self, ifname: &str) -> Option<Ifname>;

    /// This gateway's public key, if it has been made already.
    fn own_key(&self) -> Option<PublicKey>;

    /// Whether the router's firewall has a word about the tunnel; `None` where it has no such configuration.
    fn firewall_knows_tunnel(&self) -> Option<bool>;

    /// What time it is, where the clock can be right.
    fn wall(&self) -> Option<Wall>;
}

/// Compares the configuration with the router. Every problem goes to `problems`; true if none of them is fatal.
pub fn check(config: &Config, system: &dyn System, problems: &mut dyn FnMut(Problem)) -> bool {
    let mut fine = true;
    let mut report = |problem: Problem| {
        fine &= !problem.is_fatal();
        problems(problem);
    };
    for mesh in &config.meshes {
        device(
            system,
            &mesh.ifname,
            mesh.line,
            &mut report,
            |ifname, bridge| ProblemKind::MeshInBridge { ifname, bridge },
        );
    }
    let uplinks = config
        .uplinks
        .iter()
        .map(|uplink| (&uplink.ifname, uplink.line));
    let clients = config
        .clients
        .iter()
        .map(|client| (&client.ifname, client.line));
    for (ifname, line) in uplinks.chain(clients) {
        device(system, ifname, line, &mut report, |ifname, bridge| {
            ProblemKind::PortOfBridge { ifname, bridge }
        });
    }
    for uplink in &config.uplinks {
        let line = uplink.line;
        for (is_so, kind) in [
            (uplink.metered && uplink.lend, ProblemKind::MeteredLent),
            (uplink.metered && uplink.cost > 0, ProblemKind::MeteredCost),
            (
                uplink.share_address && !uplink.lend,
                ProblemKind::SharedNotLent,
            ),
        ] {
            if is_so {
                report(Problem { line, kind });
            }
        }
    }
    on_openwrt(config, system, &mut report);
    invitation(config, system, &mut report);
    let own = system.own_key();
    for exit in config.exits.iter().filter(|exit| Some(exit.key) == own) {
        report(Problem {
            line: exit.line,
            kind: ProblemKind::OwnKey,
        });
    }
    fine
}

/// What only a router is asked that has OpenWrt's settings.
fn on_openwrt(config: &Config, system: &dyn System, report: &mut dyn FnMut(Problem)) {
    let Some(knows_tunnel) = system.firewall_knows_tunnel() else {
        return;
    };
    if let Some(client) = config.clients.first()
        && !knows_tunnel
    {
        report(Problem {
            line: client.line,
            kind: ProblemKind::NoZone,
        });
    }
    let name = config.community.key_file.strip_prefix(KEYS);
    if name.is_none_or(|name| name.contains('/')) {
        report(Problem {
            line: config.community.line,
            kind: ProblemKind::KeyElsewhere,
        });
    }
}

fn invitation(config: &Config, system: &dyn System, report: &mut dyn FnMut(Problem)) {
    if let Some(end) = config.community.expires
        && config.community.has_expired(system.wall())
    {
        report(Problem {
            line: end.line,
            kind: ProblemKind::Expired,
        });
    }
}

fn device(
    system: &dyn System,
    ifname: &Ifname,
    line: u32,
    report: &mut dyn FnMut(Problem),
    in_bridge: fn(Ifname, Ifname) -> ProblemKind,
) {
    if !system.interface_exists(ifname) {
        report(Problem {
            line,
            kind: ProblemKind::NoDevice(ifname.clone()),
        });
    } else if let Some(bridge) = system.bridge_of(ifname) {
        report(Problem {
            line,
            kind: in_bridge(ifname.clone(), bridge),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::Expiry;
    use super::super::tests::{GOOD, good};
    use super::*;

    /// A router with these devices, some of them in a bridge.
    struct Router {
        devices: &'static [(&'static str, Option<&'static str>)],
        own: Option<PublicKey>,
        zone: Option<bool>,
    }

    impl System for Router {
        fn interface_exists(&self, ifname: &str) -> bool {
            self.devices.iter().any(|(name, _)| *name == ifname)
        }

        fn bridge_of(&self, ifname: &str) -> Option<Ifname> {
            let (_, bridge) = self.devices.iter().find(|(name, _)| *name == ifname)?;
            bridge.map(|bridge| Ifname::try_from(bridge).unwrap())
        }

        fn own_key(&self) -> Option<PublicKey> {
            self.own
        }

        fn firewall_knows_tunnel(&self) -> Option<bool> {
            self.zone
        }

        fn wall(&self) -> Option<Wall> {
            Some(Wall(1_800_000_000))
        }
    }

    fn messages(
        devices: &'static [(&'static str, Option<&'static str>)],
        own: Option<PublicKey>,
    ) -> (bool, std::vec::Vec<String>) {
        let zone = None;
        ask(&Router { devices, own, zone })
    }

    fn ask(router: &Router) -> (bool, std::vec::Vec<String>) {
        let mut all = std::vec::Vec::new();
        let fine = check(&good(), router, &mut |p| {
            all.push(format!("{}: {p}", p.line))
        });
        (fine, all)
    }

    #[test]
    fn a_firewall_without_a_zone_for_the_tunnel_is_noted_where_there_is_one() {
        let devices = &[("mesh0", None), ("wan", None), ("br-lan", None)];
        for (zone, notes) in [(None, 0), (Some(true), 0), (Some(false), 1)] {
            let own = None;
            let (fine, all) = ask(&Router { devices, own, zone });
            assert!(fine && all.len() == notes, "{zone:?}: {all:?}");
            assert!(all.iter().all(|note| note.contains("'bm0'")), "{all:?}");
        }
    }

    #[test]
    fn a_key_that_a_sysupgrade_does_not_keep_is_noted_on_a_router() {
        let devices = &[("mesh0", None), ("wan", None), ("br-lan", None)];
        let own = None;
        let elsewhere = [
            ("/etc/burstmesh/other", Some(true), 0),
            ("/srv/key", Some(true), 1),
            ("/srv/key", None, 0),
        ];
        for (file, zone, notes) in elsewhere {
            let (mut config, mut all) = (good(), std::vec::Vec::new());
            config.community.key_file = file.try_into().unwrap();
            let router = Router { devices, own, zone };
            let fine = check(&config, &router, &mut |p| all.push((p.line, p.to_string())));
            assert!(fine && all.len() == notes, "{file}: {all:?}");
            for (line, note) in all {
                assert!(line == 2 && note.contains("key_file"), "{line}: {note}");
            }
        }
    }

    #[test]
    fn an_address_that_is_shared_without_lending_is_noted() {
        let devices = &[("mesh0", None), ("wan", None), ("br-lan", None)];
        let (own, zone) = (None, None);
        let router = Router { devices, own, zone };
        for (lend, notes) in [(true, 0), (false, 1)] {
            let (mut config, mut all) = (good(), std::vec::Vec::new());
            (
                config.uplinks[0].share_address,
                config.uplinks[0].lend,
                config.uplinks[0].line,
            ) = (true, lend, 7);
            let fine = check(&config, &router, &mut |p| all.push((p.line, p.to_string())));
            assert!(fine && all.len() == notes, "{all:?}");
            for (line, note) in all {
                assert!(line == 7 && note.contains("option lend '1'"), "{note}");
            }
        }
    }

    #[test]
    fn an_invitation_that_has_expired_is_noted_at_its_line() {
        let devices = &[("mesh0", None), ("wan", None), ("br-lan", None)];
        let (own, zone) = (None, None);
        let router = Router { devices, own, zone };
        for (at, notes) in [(1_800_000_000, 1), (1_800_000_001, 0)] {
            let (mut config, mut all) = (good(), std::vec::Vec::new());
            config.community.expires = Some(Expiry {
                at: Wall(at),
                line: 2,
            });
            let fine = check(&config, &router, &mut |p| all.push((p.line, p.to_string())));
            assert!(fine && all.len() == notes, "{all:?}");
            for (line, note) in all {
                assert!(
                    line == 2 && note.contains("ask whoever runs the exit"),
                    "{note}"
                );
            }
        }
        let mut config = good();
        config.community.expires = Some(Expiry {
            at: Wall(0),
            line: 2,
        });
        assert!(
            !config.community.has_expired(None),
            "the clock is not to be believed"
        );
    }

    #[test]
    fn a_metered_line_that_is_lent_is_noted() {
        let devices = &[("mesh0", None), ("wan", None), ("br-lan", None)];
        let (own, zone) = (None, None);
        let router = Router { devices, own, zone };
        for (lend, notes) in [(true, 1), (false, 0)] {
            let (mut config, mut all) = (good(), std::vec::Vec::new());
            (config.uplinks[0].metered, config.uplinks[0].lend) = (true, lend);
            let fine = check(&config, &router, &mut |p| all.push(p.to_string()));
            assert!(fine && all.len() == notes, "{all:?}");
            assert!(all.iter().all(|note| note.starts_with("metered, and lent")));
        }
    }

    #[test]
    fn a_cost_of_a_metered_line_is_noted() {
        let devices = &[("mesh0", None), ("wan", None), ("br-lan", None)];
        let (own, zone) = (None, None);
        let router = Router { devices, own, zone };
        for (metered, cost, notes) in [(true, 1, 1), (true, 0, 0), (false, 3, 0)] {
            let (mut config, mut all) = (good(), std::vec::Vec::new());
            let line = &mut config.uplinks[0];
            (line.lend, line.metered, line.cost) = (false, metered, cost);
            let fine = check(&config, &router, &mut |p| all.push(p.to_string()));
            assert!(fine && all.len() == notes, "{all:?}");
            assert!(
                all.iter()
                    .all(|note| note.starts_with("metered, and option cost"))
            );
        }
    }

    #[test]
    fn a_router_with_all_devices_is_fine() {
        let devices = &[("mesh0", None), ("wan", None), ("br-lan", None)];
        assert_eq!(messages(devices, Some(PublicKey([9; 32]))), (true, vec![]));
    }

    #[test]
    fn a_bridged_mesh_port_is_refused_with_the_reason() {
        let (fine, all) = messages(
            &[("mesh0", Some("br-lan")), ("wan", None), ("br-lan", None)],
            None,
        );
        assert!(!fine);
        assert_eq!(all.len(), 1);
        assert!(
            all[0].contains("'mesh0' is a port of bridge 'br-lan'")
                && all[0].contains("DHCP")
                && all[0].contains("; take it out"),
            "{all:?}"
        );
    }

    #[test]
    fn a_client_port_inside_a_bridge_is_refused_and_the_bridge_named() {
        let (fine, all) = messages(
            &[("mesh0", None), ("wan", None), ("br-lan", Some("br-all"))],
            None,
        );
        assert!(!fine);
        assert!(all[0].ends_with("write option ifname 'br-all'"), "{all:?}");
    }

    #[test]
    fn a_device_that_is_not_up_yet_is_only_a_note() {
        let (fine, all) = messages(&[("wan", None), ("br-lan", None)], None);
        assert!(fine);
        assert!(all[0].contains("no device 'mesh0'"), "{all:?}");
    }

    #[test]
    fn the_own_key_is_no_exit() {
        let devices = &[("mesh0", None), ("wan", None), ("br-lan", None)];
        let (fine, all) = messages(devices, Some(good().exits[0].key));
        assert!(!fine);
        let line = GOOD
            .lines()
            .position(|l| l.starts_with("config exit"))
            .unwrap()
            + 1;
        assert!(
            all[0].starts_with(&format!("{line}: this is the gateway's own key")),
            "{all:?}"
        );
    }
}
