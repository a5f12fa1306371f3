//! The configuration as the gateway takes it, at the start and when it is read again.

use super::{Engine, over_uplink};
use crate::cli::Exit;
use crate::commands::{Loaded, load};
use crate::config::Config;
use crate::daemon::network::{MeshState, UplinkState};
use crate::daemon::reload::Reload;
use crate::daemon::{complain, level, refusing};
use burstmesh_core::control::admission::Admission;
use burstmesh_core::control::handshake::Credentials;
use burstmesh_core::node::Via;
use burstmesh_core::node::gateway::{self, ExitConfig, MAX_EXITS, UplinkConfig};
use burstmesh_linux::{clock, info, log, warn};
use heapless::Vec;

impl Engine {
    /// A new configuration. What cannot change in a running agent is said, and what was there goes on.
    #[inline(never)]
    pub(super) fn reload(&mut self, path: &str) {
        let Loaded::Good(new) = load(path, &mut complain) else {
            return warn!(
                "{} has errors: the settings from before stay in force",
                path
            );
        };
        let now = clock::now();
        let reload = Reload::new(self.config, new);
        if reload.needs_restart(self.config) {
            info!("the new settings need a restart: flows are cut once");
            self.stopping = Some(Exit::Failure);
            return;
        }
        log::set_level(level(reload.new.community.log_level));
        for uplink in reload.replaced_uplinks(self.config) {
            self.road
                .sockets
                .close(&self.parts.poll, over_uplink(uplink));
            self.gateway.replace_uplink(now, uplink);
            if let Some(state) = self.uplinks.get_mut(usize::from(uplink)) {
                *state = UplinkState::default();
            }
        }
        for mesh in reload.replaced_meshes(self.config) {
            self.road
                .sockets
                .close(&self.parts.poll, |via| via == Via::Mesh(mesh));
            if let Some(state) = self.meshes.get_mut(usize::from(mesh)) {
                *state = MeshState::default();
            }
        }
        let exits_moved = reload.exits_differ(self.config);
        self.accounts
            .book(now, self.gateway, &mut self.parts.rtnl, self.config);
        let used = |e: &Self| e.config.exits.get(e.gateway.link().exit()).map(|e| e.key);
        let before = used(self);
        let refused = core::mem::replace(self.config, reload.new)
            .community
            .refused;
        refusing::follow(self.gateway, now, &refused, self.config);
        if exits_moved {
            self.road
                .sockets
                .close(&self.parts.poll, |via| matches!(via, Via::Uplink { .. }));
            self.gateway.set_exits(now, exit_configs(self.config));
            if used(self) == before {
                self.pooler.renumber(self.gateway.link().exit());
            }
        }
        self.gateway.set_lane(self.config.community.lane);
        self.papers.offer(self.config, self.gateway);
        self.lend(now);
        let ports = self.config.meshes.iter().map(|m| m.port).collect();
        self.gateway.set_meshes(now, ports);
        self.pooler.settings_changed();
        self.look_at = now;
        info!("settings reloaded");
    }
}

fn exit_configs(config: &Config) -> Vec<ExitConfig, MAX_EXITS> {
    let exits = config.exits.iter();
    exits
        .map(|e| ExitConfig {
            key: e.key,
            addresses: e.addresses.clone(),
            preference: e.preference,
        })
        .collect()
}

pub(super) fn gateway_config(
    config: &Config,
    credentials: Credentials,
    epoch: u64,
    seed: [u8; 32],
) -> gateway::Config {
    gateway::Config {
        credentials,
        admission: config.community.admin.map(Admission::by),
        epoch,
        exits: exit_configs(config),
        // Nothing is lent before the accounts were looked at.
        uplinks: config
            .uplinks
            .iter()
            .map(|_| UplinkConfig::default())
            .collect(),
        mesh_ports: config.meshes.iter().map(|m| m.port).collect(),
        seed,
    }
}
