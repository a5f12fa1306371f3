//! What of a changed configuration a running exit takes over. Leases, addresses and interfaces are in members' hands by
//! then: rules for other ones would shut out everybody who is there.

use super::Config;

impl Config {
    /// This configuration with what can change while the exit runs as `new` has it.
    #[must_use]
    pub fn taking_over(&self, new: &Self) -> Self {
        let mut taken = self.clone();
        taken.nat.uplink = new.nat.uplink.clone();
        taken.nat.nat44 = new.nat.nat44;
        taken.nat.block_ports.clone_from(&new.nat.block_ports);
        taken.nat.deny.clone_from(&new.nat.deny);
        taken.nat.neighbours = new.nat.neighbours;
        taken
    }

    /// The options that `new` has otherwise and that only a restart changes.
    pub fn needs_restart(&self, new: &Self) -> Vec<&'static str> {
        let options = [
            ("listen", self.listen.get_ref() != new.listen.get_ref()),
            ("state_dir", self.state_dir != new.state_dir),
            ("control", self.control != new.control),
            ("metrics", self.metrics != new.metrics),
            ("dashboard", self.dashboard != new.dashboard),
            ("[tun]", self.tun.name.get_ref() != new.tun.name.get_ref()),
            ("[leases]", self.leases.get_ref() != new.leases.get_ref()),
            ("[limits]", self.limits.get_ref() != new.limits.get_ref()),
            (
                "ipv6 of [nat]",
                self.nat.ipv6.get_ref() != new.nat.ipv6.get_ref(),
            ),
            ("[dns]", self.dns != new.dns),
        ];
        let changed = options.into_iter().filter(|(_, changed)| *changed);
        changed.map(|(name, _)| name).collect()
    }
}
