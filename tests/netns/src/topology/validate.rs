//! What must hold of a topology before a single interface is made; every error names the place and the cure.

use std::collections::HashSet;

use anyhow::{Result, bail};

use super::plan::{CORE, MOST};
use super::{Home, LanIpv6, LineSpec, ShapeSpec, Topology};

/// "to-" plus a name must fit an interface name of 15 characters.
const LONGEST_NAME: usize = 12;
/// The emulator's frames hold this much IP.
const LARGEST_MTU: u16 = 2000;
/// IPv6 needs this much.
const SMALLEST_MTU: u16 = 1280;

impl Topology {
    /// Checks everything that can be known without building.
    pub fn validate(&self) -> Result<()> {
        self.names()?;
        if [self.homes.len(), self.exits.len(), self.hosts.len()]
            .iter()
            .any(|count| *count > MOST)
        {
            bail!(
                "at most {MOST} homes, exits and hosts each: their number is part of their address"
            );
        }
        for home in &self.homes {
            self.home_is_possible(home)?;
        }
        for host in self.exits.iter().chain(&self.hosts) {
            if let Some(line) = &host.line {
                line_is_possible(line, &host.name)?;
            }
        }
        for link in &self.links {
            let known = |name: &String| self.homes.iter().any(|h| h.name == *name && !h.mesh);
            if !link.between.iter().all(known) {
                bail!(
                    "link {}: name two homes that have mesh = false",
                    link.name()
                );
            }
            line_is_possible(&link.line, &link.name())?;
        }
        if let Some(mesh) = &self.mesh {
            shape_is_possible(&mesh.shape, "mesh")?;
            mtu_is_possible(mesh.mtu, "mesh")?;
        }
        Ok(())
    }

    fn names(&self) -> Result<()> {
        let mut seen = HashSet::from([CORE, "canary-a", "canary-b"]);
        let homes = self
            .homes
            .iter()
            .flat_map(|home| [&home.name, &home.client]);
        for name in homes.chain(self.exits.iter().chain(&self.hosts).map(|host| &host.name)) {
            let plain = name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
            if name.is_empty() || name.len() > LONGEST_NAME || !plain {
                bail!("name \"{name}\": use 1 to {LONGEST_NAME} of a-z, 0-9 and -");
            }
            if !seen.insert(name) {
                bail!(
                    "name \"{name}\" is used twice (\"{CORE}\" and the canary's names are taken)"
                );
            }
        }
        Ok(())
    }

    fn home_is_possible(&self, home: &Home) -> Result<()> {
        let name = &home.name;
        if home.mesh && self.mesh.is_none() {
            bail!(
                "home {name} is on the mesh, but there is no [mesh]; add one or set mesh = false"
            );
        }
        if home.unshaped {
            if home.line.is_some() {
                bail!("home {name} has a line and is unshaped; remove one");
            }
            return Ok(());
        }
        let Some(line) = &home.line else {
            if home.lan_ipv6 == Some(LanIpv6::Global) {
                bail!(
                    "home {name} has no line, so no provider routes a global prefix to it; use lan_ipv6 = \"local\""
                );
            }
            if home.cgnat {
                bail!("home {name} has no line to be translated; remove cgnat");
            }
            return Ok(());
        };
        if !home.ipv4 && !home.ipv6 {
            bail!("home {name} has a line without IPv4 and IPv6; remove [home.line] instead");
        }
        if home.cgnat && !home.ipv4 {
            bail!("home {name}: cgnat translates IPv4, which its line does not have");
        }
        if !home.ipv6 && home.lan_ipv6 == Some(LanIpv6::Global) {
            bail!("home {name} has no IPv6 on its line; use lan_ipv6 = \"local\"");
        }
        line_is_possible(line, name)
    }
}

fn line_is_possible(line: &LineSpec, owner: &str) -> Result<()> {
    mtu_is_possible(line.mtu, owner)?;
    for (way, shape) in [("up", &line.up), ("down", &line.down), ("line", &line.both)] {
        shape_is_possible(shape, &format!("{owner}, {way}"))?;
    }
    for (way, shape) in [("up", line.up()), ("down", line.down())] {
        if shape.rate.is_none() {
            bail!("{owner}, {way}: a line needs a rate");
        }
        if shape.jitter > shape.delay {
            bail!("{owner}, {way}: jitter is larger than the delay it varies");
        }
    }
    Ok(())
}

fn shape_is_possible(shape: &ShapeSpec, place: &str) -> Result<()> {
    if shape
        .largest
        .is_some_and(|largest| largest < u32::from(SMALLEST_MTU))
    {
        bail!("{place}: largest must be at least {SMALLEST_MTU}");
    }
    Ok(())
}

fn mtu_is_possible(mtu: u16, place: &str) -> Result<()> {
    if !(SMALLEST_MTU..=LARGEST_MTU).contains(&mtu) {
        bail!("{place}: mtu must be {SMALLEST_MTU} to {LARGEST_MTU}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::topology::Topology;

    fn refused(text: &str) -> String {
        format!(
            "{:#}",
            Topology::parse(&format!("name = \"t\"\n{text}")).unwrap_err()
        )
    }

    #[test]
    fn two_namespaces_never_share_a_name() {
        let text = "[[home]]\nname = \"a\"\nclient = \"a\"\nmesh = false";
        assert!(refused(text).contains("used twice"));
        assert!(refused("[[host]]\nname = \"core\"").contains("used twice"));
    }

    #[test]
    fn a_mesh_port_needs_a_mesh() {
        assert!(refused("[[home]]\nname = \"a\"\nclient = \"b\"").contains("mesh = false"));
    }

    #[test]
    fn a_mesh_link_joins_two_homes_without_a_port_on_the_common_mesh() {
        let text = "[[home]]\nname = \"a\"\nclient = \"b\"\nmesh = false\n\
                    [[link]]\nbetween = [\"a\", \"c\"]\nrate = \"1Mbit\"";
        assert!(refused(text).contains("link a-c: name two homes"));
    }

    #[test]
    fn an_option_that_does_not_exist_is_refused() {
        assert!(refused("colour = \"red\"").contains("colour"));
    }

    #[test]
    fn a_line_needs_a_rate_in_each_direction() {
        let text = "[[home]]\nname = \"a\"\nclient = \"b\"\nmesh = false\nline = { up = { rate = \"1Mbit\" } }";
        assert!(refused(text).contains("a, down: a line needs a rate"));
    }
}
