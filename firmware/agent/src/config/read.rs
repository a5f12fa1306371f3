//! Statements into a draft: every name, value and count is checked on its own line.

use burstmesh_core::data::lane::Lane;
use burstmesh_core::identity::{NodeId, PublicKey};
use burstmesh_core::node::gateway::Weights;
use burstmesh_core::wire::admission::{AdminKey, Certificate};
use burstmesh_core::wire::invitation::{Invitation, Name, Secret};
use heapless::Vec;

use super::problem::{Excerpt, Problem, ProblemKind};
use super::schema::{self, Field, KEY_FILE, Opt, SECTIONS, Section, SectionId};
use super::suggest::nearest;
use super::uci::{Reader, Statement};
use super::values::{self, FilePath, Ifname, Label, LogLevel, ValueError};
use super::{Bypass, Client, Exit, Mesh, Rule, Uplink};

/// Section names of the largest configuration.
const NAMES: usize = 40;

/// What the file says, before anybody asked whether it makes sense as a whole.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) community: CommunityDraft,
    pub(super) meshes: Vec<Mesh, { schema::MESHES }>,
    pub(super) uplinks: Vec<Uplink, { schema::UPLINKS }>,
    pub(super) exits: Vec<Exit, { schema::EXITS }>,
    pub(super) clients: Vec<Client, { schema::CLIENTS }>,
    pub(super) bypasses: Vec<Bypass, { schema::BYPASSES }>,
    pub(super) bypasses_names: bool,
    pub(super) rules: Vec<Rule, { schema::RULES }>,
    /// Section types whose sections were found wrong: that none is left of them is no news then.
    pub(super) spoiled: Spoiled,
    /// Names of sections and the lines they are on.
    names: Vec<(Label, u32), NAMES>,
    /// The last line.
    pub(super) end: u32,
}

/// The community section so far.
#[derive(Debug)]
pub(super) struct CommunityDraft {
    /// Its line, 0 as long as there is none.
    pub(super) line: u32,
    pub(super) enabled: bool,
    pub(super) name: Option<Given<Name>>,
    pub(super) secret: Option<Given<Secret>>,
    pub(super) invitation: Option<Given<Invitation>>,
    pub(super) admin: Option<Given<AdminKey>>,
    pub(super) certificate: Option<Certificate>,
    pub(super) key_file: FilePath,
    pub(super) no_uplink: Option<Given<bool>>,
    pub(super) no_exit: bool,
    pub(super) log_level: LogLevel,
    pub(super) share_status: bool,
    pub(super) share_log: bool,
    pub(super) lane: Lane,
    pub(super) refused: Vec<NodeId, { schema::REFUSED }>,
    pub(super) weights: Weights,
}

/// A value and the line it is on.
#[derive(Debug)]
pub(super) struct Given<T> {
    pub(super) value: T,
    pub(super) line: u32,
}

/// What was there, but wrong, so that nobody is told that it is missing.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Spoiled {
    pub(super) sections: [bool; SECTIONS.len()],
    pub(super) secret: bool,
    pub(super) name: bool,
    pub(super) exits: bool,
    pub(super) rules: bool,
}

impl Spoiled {
    pub(super) fn section(&self, id: SectionId) -> bool {
        self.sections.get(id as usize).copied().unwrap_or(true)
    }

    fn spoil(&mut self, id: SectionId) {
        if let Some(flag) = self.sections.get_mut(id as usize) {
            *flag = true;
        }
    }
}

/// The section that the options on the following lines belong to.
struct Current {
    section: &'static Section,
    line: u32,
    /// Bit i: option i of the section was seen.
    seen: u32,
}

impl Draft {
    fn new() -> Self {
        Self {
            community: CommunityDraft {
                line: 0,
                enabled: true,
                name: None,
                secret: None,
                invitation: None,
                admin: None,
                certificate: None,
                key_file: FilePath::try_from(KEY_FILE).unwrap_or_default(),
                no_uplink: None,
                no_exit: false,
                log_level: LogLevel::Info,
                share_status: true,
                share_log: false,
                lane: Lane::Auto,
                refused: Vec::new(),
                weights: Vec::new(),
            },
            meshes: Vec::new(),
            uplinks: Vec::new(),
            exits: Vec::new(),
            clients: Vec::new(),
            bypasses: Vec::new(),
            bypasses_names: false,
            rules: Vec::new(),
            spoiled: Spoiled::default(),
            names: Vec::new(),
            end: 1,
        }
    }

    /// Reads the whole file.
    pub(super) fn read(bytes: &[u8], report: &mut dyn FnMut(Problem)) -> Self {
        let mut draft = Self::new();
        let mut reader = Reader::new(bytes);
        let mut current: Option<Current> = None;
        while let Some((line, statement)) = reader.next_statement() {
            let mut tell = |kind| report(Problem { line, kind });
            let mut failed_section = false;
            draft.end = line;
            match statement {
                Err(syntax) => {
                    tell(ProblemKind::Syntax(syntax));
                    failed_section = true;
                }
                Ok(Statement::Package) => {}
                Ok(Statement::Section { kind, name }) => {
                    draft.close(current.take(), report);
                    current = draft.open(kind, name, line, report);
                }
                Ok(Statement::Option { name, value }) => {
                    draft.option(current.as_mut(), (name, value, false), line, &mut tell);
                }
                Ok(Statement::List { name, value }) => {
                    draft.option(current.as_mut(), (name, value, true), line, &mut tell);
                }
            }
            if failed_section && reader.opens_section() {
                // Nobody knows which section it was: its options are skipped, and none is called missing.
                draft.close(current.take(), report);
                draft.spoiled.sections = [true; SECTIONS.len()];
            }
        }
        draft.close(current, report);
        draft
    }

    /// Begins a section. Its options are skipped if it is unknown or one too many.
    fn open(
        &mut self,
        kind: &str,
        name: Option<&str>,
        line: u32,
        report: &mut dyn FnMut(Problem),
    ) -> Option<Current> {
        let mut tell = |kind| report(Problem { line, kind });
        let Some(section) = schema::section(kind) else {
            let nearest = nearest(kind, SECTIONS.iter().map(|section| section.kind));
            // Whoever misspelt the type has configured the thing all the same.
            if let Some(meant) = nearest.and_then(schema::section) {
                self.spoiled.spoil(meant.id);
            }
            tell(ProblemKind::UnknownSection {
                found: Excerpt::of(kind),
                nearest,
            });
            return None;
        };
        let label = self.label(section, name, line, &mut tell);
        if self.push(section.id, label, line) {
            Some(Current {
                section,
                line,
                seen: 0,
            })
        } else {
            tell(ProblemKind::TooManySections(section));
            None
        }
    }

    /// The section's name, checked against all others: UCI merges sections of the same name.
    fn label(
        &mut self,
        section: &'static Section,
        name: Option<&str>,
        line: u32,
        tell: &mut dyn FnMut(ProblemKind),
    ) -> Label {
        let Some(name) = name else {
            if section.named {
                tell(ProblemKind::NoName(section));
            }
            return Label::new();
        };
        let Ok(label) = values::label(name) else {
            tell(ProblemKind::LongName(Excerpt::of(name)));
            return Label::new();
        };
        if let Some((_, first)) = self.names.iter().find(|(other, _)| *other == label) {
            tell(ProblemKind::NameTwice {
                name: Excerpt::of(name),
                first: *first,
            });
        } else {
            // Sections beyond the limits are refused anyhow, so nothing is missed when this is full.
            let _ = self.names.push((label.clone(), line));
        }
        label
    }

    /// Makes room for a section with everything at its default; whether there was room.
    fn push(&mut self, id: SectionId, name: Label, line: u32) -> bool {
        let ifname = Ifname::new();
        match id {
            SectionId::Community if self.community.line > 0 => false,
            SectionId::Community => {
                self.community.line = line;
                true
            }
            SectionId::Mesh => {
                let port = values::port(schema::MESH_PORT).unwrap_or_default();
                self.meshes
                    .push(Mesh {
                        ifname,
                        port,
                        open: false,
                        line,
                    })
                    .is_ok()
            }
            SectionId::Uplink => self.uplinks.push(Uplink::new(name, ifname, line)).is_ok(),
            SectionId::Exit => {
                let (key, addresses) = (PublicKey([0; 32]), Vec::new());
                self.exits
                    .push(Exit {
                        name,
                        key,
                        addresses,
                        preference: 0,
                        line,
                    })
                    .is_ok()
            }
            SectionId::Rule => self.rules.push(Rule::new(line)).is_ok(),
            SectionId::Client => {
                let client = Client {
                    name,
                    ifname,
                    gro: true,
                    line,
                };
                self.clients.push(client).is_ok()
            }
        }
    }

    /// Ends a section: was everything required there?
    fn close(&mut self, current: Option<Current>, report: &mut dyn FnMut(Problem)) {
        let Some(Current {
            section,
            line,
            seen,
        }) = current
        else {
            return;
        };
        for (i, option) in section.options.iter().enumerate() {
            if option.required && seen & (1 << i) == 0 {
                report(Problem {
                    line,
                    kind: ProblemKind::Missing { section, option },
                });
            }
        }
    }

    /// One option or list line: its name, its form, then its value.
    fn option(
        &mut self,
        current: Option<&mut Current>,
        (name, value, is_list): (&str, &str, bool),
        line: u32,
        tell: &mut dyn FnMut(ProblemKind),
    ) {
        let Some(Current { section, seen, .. }) = current else {
            return;
        };
        let Some(at) = section
            .options
            .iter()
            .position(|option| option.name == name)
        else {
            let nearest = nearest(name, section.options.iter().map(|option| option.name));
            return tell(ProblemKind::UnknownOption {
                section,
                found: Excerpt::of(name),
                nearest,
            });
        };
        let Some(option) = section.options.get(at) else {
            return;
        };
        // To UCI an empty value means that the option is not set.
        if value.is_empty() {
            return;
        }
        let first = *seen & (1 << at) == 0;
        *seen |= 1 << at;
        match (option.list, is_list) {
            (true, false) => return tell(ProblemKind::NotAList(option)),
            (false, true) => return tell(ProblemKind::NotAnOption(option)),
            (false, false) if !first => return tell(ProblemKind::OptionTwice(option)),
            _ => {}
        }
        if let Err(error) = self.set(option.field, value, line) {
            self.spoiled.secret |=
                matches!(option.field, Field::CommunitySecret | Field::Invitation);
            self.spoiled.name |= matches!(option.field, Field::CommunityName | Field::Invitation);
            self.spoiled.exits |= matches!(option.field, Field::Invitation);
            self.spoiled.rules |= section.id == SectionId::Rule;
            tell(error.into_problem(option, value));
        }
    }

    /// Sets one field of the section that was opened last. The functions for each kind stay apart: in one, they are 1 KB larger.
    fn set(&mut self, field: Field, text: &str, line: u32) -> Result<(), SetError> {
        match field {
            Field::Enabled
            | Field::Invitation
            | Field::CommunityName
            | Field::CommunitySecret
            | Field::AdminKey
            | Field::Certificate
            | Field::KeyFile
            | Field::NoUplink
            | Field::NoExit
            | Field::LogLevel
            | Field::ShareStatus
            | Field::ShareLog
            | Field::Lane
            | Field::Refuse
            | Field::Weight => self.set_community(field, text, line)?,
            Field::MeshIfname | Field::MeshPort | Field::MeshOpen => {
                self.set_mesh(field, text)?;
            }
            Field::ExitKey | Field::ExitAddress | Field::ExitPreference => {
                self.set_exit(field, text)?;
            }
            Field::ClientIfname | Field::Bypass | Field::Gro => self.set_client(field, text)?,
            Field::RuleLane
            | Field::RuleClient
            | Field::RuleDestination
            | Field::RulePort
            | Field::RuleProtocol
            | Field::RuleDscp => self.set_rule(field, text)?,
            Field::UplinkIfname
            | Field::Lend
            | Field::ShareAddress
            | Field::LendUp
            | Field::LendDown
            | Field::ReserveUp
            | Field::ReserveDown
            | Field::Default
            | Field::Cap
            | Field::ResetDay
            | Field::Timezone
            | Field::LendHours
            | Field::Cost
            | Field::Metered => self.set_uplink(field, text)?,
        }
        Ok(())
    }

    #[inline(never)]
    fn set_community(&mut self, field: Field, text: &str, line: u32) -> Result<(), SetError> {
        let community = &mut self.community;
        match field {
            Field::Enabled | Field::NoExit | Field::ShareStatus | Field::ShareLog => {
                let which = match field {
                    Field::Enabled => &mut community.enabled,
                    Field::NoExit => &mut community.no_exit,
                    Field::ShareStatus => &mut community.share_status,
                    _ => &mut community.share_log,
                };
                *which = values::boolean(text)?;
            }
            Field::Invitation => {
                community.invitation = Some(Given {
                    value: values::invitation(text)?,
                    line,
                })
            }
            Field::CommunityName => {
                community.name = Some(Given {
                    value: values::community_name(text)?,
                    line,
                })
            }
            Field::CommunitySecret => {
                community.secret = Some(Given {
                    value: values::secret(text)?,
                    line,
                })
            }
            Field::AdminKey => {
                community.admin = Some(Given {
                    value: AdminKey(values::key(text)?.0),
                    line,
                })
            }
            Field::Certificate => {
                community.certificate = Some(values::certificate(text)?);
            }
            Field::KeyFile => community.key_file = values::path(text)?,
            Field::NoUplink => {
                community.no_uplink = Some(Given {
                    value: values::boolean(text)?,
                    line,
                })
            }
            Field::LogLevel => community.log_level = values::log_level(text)?,
            Field::Refuse => community
                .refused
                .push(values::node(text)?)
                .map_err(|_| SetError::Full(schema::REFUSED))?,
            Field::Weight => community
                .weights
                .push(values::weight(text)?)
                .map_err(|_| SetError::Full(schema::REFUSED))?,
            _ => community.lane = values::lane(text)?,
        }
        Ok(())
    }

    #[inline(never)]
    fn set_mesh(&mut self, field: Field, text: &str) -> Result<(), SetError> {
        let Some(mesh) = self.meshes.last_mut() else {
            return Ok(());
        };
        match field {
            Field::MeshPort => mesh.port = values::port(text)?,
            Field::MeshOpen => mesh.open = values::boolean(text)?,
            _ => mesh.ifname = values::ifname(text)?,
        }
        Ok(())
    }

    #[inline(never)]
    fn set_uplink(&mut self, field: Field, text: &str) -> Result<(), SetError> {
        let Some(uplink) = self.uplinks.last_mut() else {
            return Ok(());
        };
        match field {
            Field::Lend | Field::ShareAddress | Field::Default | Field::Metered => {
                let which = match field {
                    Field::Lend => &mut uplink.lend,
                    Field::ShareAddress => &mut uplink.share_address,
                    Field::Default => &mut uplink.default,
                    _ => &mut uplink.metered,
                };
                *which = values::boolean(text)?;
            }
            Field::LendUp | Field::LendDown | Field::ReserveUp | Field::ReserveDown => {
                let which = match field {
                    Field::LendUp => &mut uplink.lend_up,
                    Field::LendDown => &mut uplink.lend_down,
                    Field::ReserveUp => &mut uplink.reserve_up,
                    _ => &mut uplink.reserve_down,
                };
                *which = values::rate(text)?;
            }
            Field::Cost => uplink.cost = values::cost(text)?,
            Field::Cap => uplink.cap = values::volume(text)?,
            Field::ResetDay => uplink.reset_day = values::month_day(text)?,
            Field::Timezone => uplink.zone = values::zone(text)?,
            Field::LendHours => {
                let full = uplink.hours.push(values::hours(text)?).is_err();
                if full {
                    return Err(SetError::Full(schema::HOURS));
                }
            }
            _ => uplink.ifname = values::ifname(text)?,
        }
        Ok(())
    }

    #[inline(never)]
    fn set_exit(&mut self, field: Field, text: &str) -> Result<(), SetError> {
        let Some(exit) = self.exits.last_mut() else {
            return Ok(());
        };
        match field {
            Field::ExitAddress => {
                let full = exit.addresses.push(values::address(text)?).is_err();
                if full {
                    return Err(SetError::Full(schema::ADDRESSES));
                }
            }
            Field::ExitPreference => exit.preference = values::preference(text)?,
            _ => exit.key = values::key(text)?,
        }
        Ok(())
    }

    #[inline(never)]
    fn set_client(&mut self, field: Field, text: &str) -> Result<(), SetError> {
        let index = u8::try_from(self.clients.len().saturating_sub(1)).unwrap_or_default();
        let Some(client) = self.clients.last_mut() else {
            return Ok(());
        };
        match field {
            Field::Bypass => {
                let Some(prefix) = values::bypass(text)? else {
                    self.bypasses_names = true;
                    return Ok(());
                };
                let bypass = Bypass {
                    client: index,
                    prefix,
                };
                self.bypasses
                    .push(bypass)
                    .map_err(|_| SetError::Full(schema::BYPASSES))?;
            }
            Field::Gro => client.gro = values::boolean(text)?,
            _ => client.ifname = values::ifname(text)?,
        }
        Ok(())
    }

    #[inline(never)]
    fn set_rule(&mut self, field: Field, text: &str) -> Result<(), SetError> {
        let Some(rule) = self.rules.last_mut() else {
            return Ok(());
        };
        match field {
            Field::RuleClient => rule.client = Some(values::prefix(text)?),
            Field::RuleDestination => rule.destination = Some(values::prefix(text)?),
            Field::RulePort => rule.port = Some(values::port(text)?),
            Field::RuleProtocol => rule.protocol = Some(values::protocol(text)?),
            Field::RuleDscp => rule.code_point = Some(values::code_point(text)?),
            _ => rule.lane = values::rule_lane(text)?,
        }
        Ok(())
    }
}

/// Why a value could not be set.
enum SetError {
    Value(ValueError),
    /// The list is full; how many fit.
    Full(usize),
}

impl From<ValueError> for SetError {
    fn from(error: ValueError) -> Self {
        Self::Value(error)
    }
}

impl SetError {
    fn into_problem(self, option: &'static Opt, text: &str) -> ProblemKind {
        match self {
            Self::Value(why) => {
                let found = (!option.kind.is_secret()).then(|| Excerpt::of(text));
                ProblemKind::BadValue { option, found, why }
            }
            Self::Full(limit) => {
                let limit = u8::try_from(limit).unwrap_or(u8::MAX);
                ProblemKind::TooManyValues { option, limit }
            }
        }
    }
}
