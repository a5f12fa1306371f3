//! The draft as a whole: do its parts fit each other?

use burstmesh_core::calendar::Wall;
use burstmesh_core::wire::admission::AdminKey;
use burstmesh_core::wire::invitation::Invitation;
use heapless::Vec;

use super::problem::{Problem, ProblemKind};
use super::read::{Draft, Given};
use super::schema::{self, Field, Opt, SectionId};
use super::values::{Ifname, Label};
use super::{Community, Config, Exit, Expiry, Rule};

/// Devices that a configuration can name.
const DEVICES: usize = schema::MESHES + schema::UPLINKS + schema::CLIENTS;

impl Draft {
    /// Reports the problems of the whole, and gives the community, unless something without which there is none is missing.
    pub(super) fn finish(&mut self, report: &mut dyn FnMut(Problem)) -> Option<Community> {
        self.check_devices(report);
        self.check_exits(report);
        self.take_invited_exits(report);
        self.check_uplinks(report);
        self.check_purpose(report);
        self.check_rules(report);
        self.community(report)
    }

    /// The configuration.
    pub(super) fn config(self, community: Community) -> Config {
        Config {
            community,
            meshes: self.meshes,
            uplinks: self.uplinks,
            exits: self.exits,
            clients: self.clients,
            bypasses: self.bypasses,
            bypasses_names: self.bypasses_names,
            rules: self.rules,
        }
    }

    /// Each device serves one purpose only.
    fn check_devices(&self, report: &mut dyn FnMut(Problem)) {
        let mut seen = Vec::<(&Ifname, u32), DEVICES>::new();
        let meshes = self.meshes.iter().map(|mesh| (&mesh.ifname, mesh.line));
        let uplinks = self
            .uplinks
            .iter()
            .map(|uplink| (&uplink.ifname, uplink.line));
        let clients = self
            .clients
            .iter()
            .map(|client| (&client.ifname, client.line));
        for (ifname, line) in meshes.chain(uplinks).chain(clients) {
            if ifname.is_empty() {
                continue;
            }
            match seen.iter().find(|(other, _)| *other == ifname) {
                Some(&(_, other)) => {
                    let (first, line) = (line.min(other), line.max(other));
                    report(Problem {
                        line,
                        kind: ProblemKind::DeviceTwice {
                            ifname: ifname.clone(),
                            first,
                        },
                    });
                }
                None => {
                    let _ = seen.push((ifname, line));
                }
            }
        }
    }

    fn check_exits(&self, report: &mut dyn FnMut(Problem)) {
        for (i, exit) in self.exits.iter().enumerate() {
            let same = |other: &&Exit| other.key == exit.key && exit.key.0 != [0; 32];
            if let Some(first) = self.exits.iter().take(i).find(same) {
                report(Problem {
                    line: exit.line,
                    kind: ProblemKind::ExitTwice { first: first.line },
                });
            }
        }
    }

    /// Adds the invitation's exits behind those of the file, which take the place of an invited one with the same key.
    fn take_invited_exits(&mut self, report: &mut dyn FnMut(Problem)) {
        let Some(invitation) = &self.community.invitation else {
            return;
        };
        let line = invitation.line;
        let by_hand = self.exits.len();
        for (i, invited) in invitation.value.exits.iter().enumerate() {
            if self
                .exits
                .iter()
                .take(by_hand)
                .any(|exit| exit.key == invited.key)
            {
                continue;
            }
            let exit = Exit {
                name: invited_name(i),
                key: invited.key,
                addresses: invited.addresses.clone(),
                preference: 0,
                line,
            };
            if self.exits.push(exit).is_err() {
                if let Some(section) = schema::section("exit") {
                    report(Problem {
                        line,
                        kind: ProblemKind::TooManySections(section),
                    });
                }
                return;
            }
        }
    }

    /// There is an uplink or a word that there is none; one of them is the default.
    fn check_uplinks(&mut self, report: &mut dyn FnMut(Problem)) {
        let without = self
            .community
            .no_uplink
            .as_ref()
            .filter(|given| given.value);
        match (self.uplinks.first(), without) {
            (None, None) if !self.spoiled.section(SectionId::Uplink) => {
                report(Problem {
                    line: self.end,
                    kind: ProblemKind::NoUplink,
                });
            }
            (Some(uplink), Some(_)) => {
                report(Problem {
                    line: uplink.line,
                    kind: ProblemKind::UplinkAgainstWord,
                });
            }
            _ => {}
        }
        let mut defaults = self.uplinks.iter().filter(|uplink| uplink.default);
        if let Some(first) = defaults.next() {
            for other in defaults {
                report(Problem {
                    line: other.line,
                    kind: ProblemKind::TwoDefaults { first: first.line },
                });
            }
        } else if let Some(first) = self.uplinks.first_mut() {
            first.default = true;
        }
    }

    /// There is something to pool, somebody to do it for, and a place where it leaves.
    fn check_purpose(&self, report: &mut dyn FnMut(Problem)) {
        let mut tell = |kind| {
            report(Problem {
                line: self.end,
                kind,
            })
        };
        let spoiled = |id| self.spoiled.section(id);
        if self.meshes.is_empty() && self.uplinks.len() < 2 && !spoiled(SectionId::Mesh) {
            tell(ProblemKind::NoMesh);
        }
        let lends = self.uplinks.iter().any(|uplink| uplink.lend);
        if self.clients.is_empty() && !lends && !spoiled(SectionId::Client) {
            tell(ProblemKind::NoClient);
        }
        // Whoever has not joined yet is told to paste an invitation, which brings the exits.
        let joined = self.community.invitation.is_some() || self.community.secret.is_some();
        // One that brings none is to a community without an exit.
        let none = self.community.no_exit || self.community.invitation.is_some();
        let needed = joined && !none;
        if self.exits.is_empty() && needed && !self.spoiled.exits && !spoiled(SectionId::Exit) {
            tell(ProblemKind::NoExit);
        }
        if let Some(exit) = self.exits.first().filter(|_| self.community.no_exit) {
            report(Problem {
                line: exit.line,
                kind: ProblemKind::ExitAgainstWord,
            });
        }
    }

    /// A rule is about some connections: neither about all nor about none.
    fn check_rules(&self, report: &mut dyn FnMut(Problem)) {
        for rule in &self.rules {
            let line = rule.line;
            if !rule.fits(false) && !rule.fits(true) {
                report(Problem {
                    line,
                    kind: ProblemKind::RuleMixes,
                });
            }
            let about_all = Rule {
                lane: rule.lane,
                ..Rule::new(line)
            };
            if *rule == about_all && !self.spoiled.rules {
                report(Problem {
                    line,
                    kind: ProblemKind::RuleForAll,
                });
            }
        }
    }

    /// Name and secret, from the invitation or by hand, never from both unless they agree.
    fn community(&self, report: &mut dyn FnMut(Problem)) -> Option<Community> {
        let draft = &self.community;
        let line = if draft.line > 0 { draft.line } else { self.end };
        let invitation = draft.invitation.as_ref().map(|given| &given.value);
        let against = invitation
            .into_iter()
            .flat_map(|invitation| self.contradictions(invitation));
        for (option, line) in against {
            report(Problem {
                line,
                kind: ProblemKind::AgainstInvitation(option),
            });
        }
        let by_hand = draft.secret.as_ref().map(|given| &given.value);
        let secret = invitation.map(|invitation| &invitation.secret).or(by_hand);
        let by_hand = draft.name.as_ref().map(|given| &given.value);
        let name = invitation.map(|invitation| &invitation.name).or(by_hand);
        if !self.spoiled.section(SectionId::Community) {
            if secret.is_none() && !self.spoiled.secret {
                report(Problem {
                    line,
                    kind: ProblemKind::NoSecret,
                });
            } else if name.is_none() && !self.spoiled.name {
                report(Problem {
                    line,
                    kind: ProblemKind::NoCommunityName,
                });
            }
        }
        Some(Community {
            line: draft.line,
            enabled: draft.enabled,
            name: name?.clone(),
            secret: secret?.clone(),
            key_file: draft.key_file.clone(),
            log_level: draft.log_level,
            share_status: draft.share_status,
            share_log: draft.share_log,
            lane: draft.lane,
            refused: draft.refused.clone(),
            weights: draft.weights.clone(),
            expires: self.expiry(),
            admission: invitation.and_then(|invitation| invitation.admission.clone()),
            admin: self.admin(report),
            certificate: draft.certificate,
        })
    }

    /// What is beyond the clocks of routers never comes.
    fn expiry(&self) -> Option<Expiry> {
        let given = self.community.invitation.as_ref()?;
        let at = Wall(u32::try_from(given.value.expires?).ok()?);
        Some(Expiry {
            at,
            line: given.line,
        })
    }

    /// The admin's key, from the invitation or by hand. Without one a certificate is nobody's word.
    fn admin(&self, report: &mut dyn FnMut(Problem)) -> Option<AdminKey> {
        let draft = &self.community;
        let invitation = draft.invitation.as_ref();
        let by_hand = draft.admin.as_ref().map(|given| given.value);
        let admin = invitation.and_then(|i| i.value.admin).or(by_hand);
        if admin.is_none() && draft.certificate.is_some() {
            report(Problem {
                line: self.end,
                kind: ProblemKind::NoAdmin,
            });
        }
        admin
    }

    /// The options that say something else than the invitation, with their lines.
    fn contradictions(
        &self,
        invitation: &Invitation,
    ) -> impl Iterator<Item = (&'static Opt, u32)> + use<> {
        let draft = &self.community;
        let name = draft
            .name
            .as_ref()
            .filter(|given| given.value != invitation.name)
            .map(|given| given.line);
        let secret = draft
            .secret
            .as_ref()
            .filter(|given| given.value != invitation.secret)
            .map(|given| given.line);
        let other = |given: &&Given<AdminKey>| invitation.admin.is_some_and(|a| a != given.value);
        let admin = draft.admin.as_ref().filter(other).map(|given| given.line);
        let option = |field, line: Option<u32>| {
            let options = schema::section("community").map_or(&[][..], |section| section.options);
            options
                .iter()
                .find(|option| option.field == field)
                .zip(line)
        };
        option(Field::CommunityName, name)
            .into_iter()
            .chain(option(Field::CommunitySecret, secret))
            .chain(option(Field::AdminKey, admin))
    }
}

/// `invited1` for the first exit of the invitation.
fn invited_name(index: usize) -> Label {
    let mut name = Label::new();
    let digit = u8::try_from(index + 1)
        .ok()
        .filter(|n| *n < 10)
        .map_or('x', |n| char::from(b'0' + n));
    let _ = name.push_str("invited").and_then(|()| name.push(digit));
    name
}
