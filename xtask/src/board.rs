//! Router models: `board-configs/*.toml`. The schema is described in `board-configs/README.md`.

use crate::process;
use crate::targets;
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// One router model.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Board {
    /// Name of the file without its extension; how commands call the board.
    #[serde(skip)]
    pub file: String,
    pub name: String,
    pub openwrt: OpenWrt,
    pub rust: Rust,
    pub hardware: Hardware,
    pub limits: Profile,
    #[serde(default)]
    pub radio: Vec<Radio>,
    pub ports: Ports,
    pub lend: Lend,
}

/// How OpenWrt calls it.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OpenWrt {
    pub target: String,
    pub profile: String,
    pub package_arch: String,
}

/// How Rust calls it.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rust {
    pub target: String,
    pub cpu: String,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Hardware {
    pub soc: String,
    pub endian: Endian,
    pub ram_mb: u32,
    pub flash_mb: u32,
}

#[derive(Deserialize, Debug, PartialEq, Eq, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub enum Endian {
    Big,
    Little,
}

/// Capacities of the build, by the memory they are made for.
#[derive(Deserialize, Debug, PartialEq, Eq, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    Tiny,
    Small,
    Large,
}

impl Profile {
    /// The feature of the agent that chooses it.
    pub fn feature(self) -> Option<&'static str> {
        match self {
            Self::Tiny => Some("tiny"),
            Self::Small => None,
            Self::Large => Some("large"),
        }
    }

    /// The most memory in bytes that a binary may take before it does anything.
    pub fn static_memory(self) -> u64 {
        let mb = match self {
            Self::Tiny => 3,
            Self::Small => 4,
            Self::Large => 20,
        };
        mb << 20
    }

    /// The least memory the profile is made for, in MB.
    fn least_ram_mb(self) -> u32 {
        match self {
            Self::Tiny => 64,
            Self::Small => 128,
            Self::Large => 256,
        }
    }

    /// The largest profile that fits.
    fn for_ram(ram_mb: u32) -> Option<Self> {
        [Self::Large, Self::Small, Self::Tiny]
            .into_iter()
            .find(|profile| ram_mb >= profile.least_ram_mb())
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tiny => "tiny",
            Self::Small => "small",
            Self::Large => "large",
        })
    }
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Radio {
    pub uci: String,
    pub band: Band,
    pub driver: String,
    /// Whether the mesh should be on this radio.
    #[serde(default)]
    pub mesh: bool,
}

impl Radio {
    fn describe(&self) -> String {
        let band = match self.band {
            Band::TwoGigahertz => "2.4",
            Band::FiveGigahertz => "5",
        };
        let mesh = if self.mesh { " mesh" } else { "" };
        format!("{} {} GHz {}{mesh}", self.uci, band, self.driver)
    }
}

#[derive(Deserialize, Debug, PartialEq, Eq, Clone, Copy)]
pub enum Band {
    #[serde(rename = "2g")]
    TwoGigahertz,
    #[serde(rename = "5g")]
    FiveGigahertz,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Ports {
    pub lan: Vec<String>,
    pub wan: Vec<String>,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Lend {
    /// Suggested share of the own uplink for others, in percent.
    pub share_percent: u8,
}

/// Package architecture, the Rust target its processors need, and their byte order.
const ARCHITECTURES: [(&str, &str, Endian); 7] = [
    ("mips_24kc", "mips-unknown-linux-musl", Endian::Big),
    ("mipsel_24kc", "mipsel-unknown-linux-musl", Endian::Little),
    (
        "arm_cortex-a7_neon-vfpv4",
        "armv7-unknown-linux-musleabihf",
        Endian::Little,
    ),
    (
        "arm_cortex-a9_vfpv3-d16",
        "armv7-unknown-linux-musleabihf",
        Endian::Little,
    ),
    (
        "arm_cortex-a9",
        "armv7-unknown-linux-musleabi",
        Endian::Little,
    ),
    (
        "aarch64_cortex-a53",
        "aarch64-unknown-linux-musl",
        Endian::Little,
    ),
    ("x86_64", "x86_64-unknown-linux-musl", Endian::Little),
];

impl Board {
    /// Reads and checks one file.
    fn read(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let file = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Self::parse(&text, file.clone()).with_context(|| format!("board-configs/{file}.toml"))
    }

    fn parse(text: &str, file: String) -> Result<Self> {
        let board: Self = toml::from_str(text)?;
        board.check().map_err(|error| match line_of(text, &error) {
            Some(line) => error.context(format!("line {line}")),
            None => error,
        })?;
        Ok(Self { file, ..board })
    }

    /// One line for people.
    pub fn describe(&self) -> String {
        let radios: Vec<String> = self.radio.iter().map(Radio::describe).collect();
        let radios = if radios.is_empty() {
            "no radio".to_owned()
        } else {
            radios.join(", ")
        };
        format!(
            "{} ({}, {} MB memory, {} MB flash; {radios}; limits {}; OpenWrt {} {})",
            self.name,
            self.hardware.soc,
            self.hardware.ram_mb,
            self.hardware.flash_mb,
            self.limits,
            self.openwrt.target,
            self.openwrt.profile,
        )
    }

    /// What the types cannot say.
    fn check(&self) -> Result<()> {
        let arch = &self.openwrt.package_arch;
        let Some((_, target, endian)) = ARCHITECTURES.iter().find(|(name, ..)| name == arch) else {
            bail!(
                "openwrt.package-arch: `{arch}` is unknown; there are {}",
                ARCHITECTURES.map(|(name, ..)| name).join(", ")
            );
        };
        ensure!(
            self.rust.target == *target,
            "rust.target: {arch} needs {target}, not {}",
            self.rust.target
        );
        let cpu = &self.rust.cpu;
        ensure!(
            targets::has_processor(target, cpu)?,
            "rust.cpu: the compiler knows no `{cpu}`; `rustc --print target-cpus --target {target}` has those it knows"
        );
        ensure!(
            self.hardware.endian == *endian,
            "hardware.endian: {arch} has the other byte order"
        );
        ensure!(
            targets::named(target)?.big_endian == (*endian == Endian::Big),
            "hardware.endian: the table of targets disagrees"
        );
        let fitting = Profile::for_ram(self.hardware.ram_mb)
            .context("hardware.ram-mb: less than the tiny profile needs")?;
        ensure!(
            self.limits == fitting,
            "limits: {} MB of memory take `{fitting}`, not `{}`",
            self.hardware.ram_mb,
            self.limits
        );
        ensure!(
            self.openwrt.target.split('/').count() == 2,
            "openwrt.target: must be target/subtarget"
        );
        ensure!(
            self.radio.iter().filter(|radio| radio.mesh).count() <= 1,
            "radio: one mesh radio at most"
        );
        ensure!(
            self.radio.is_empty() || self.radio.iter().any(|radio| radio.mesh),
            "radio: say which one carries the mesh"
        );
        for port in self.ports.lan.iter().chain(&self.ports.wan) {
            // Linux: at most 15 bytes, no slash, no space.
            let valid = (1..=15).contains(&port.len()) && !port.contains(['/', ' ']);
            ensure!(valid, "ports: `{port}` cannot be a device's name");
        }
        ensure!(
            !self.ports.lan.is_empty() && !self.ports.wan.is_empty(),
            "ports: one LAN and one WAN port at least"
        );
        ensure!(
            self.lend.share_percent <= 100,
            "lend.share-percent: at most 100"
        );
        Ok(())
    }
}

/// Where the key or table stands that a check names first, as in `lend.share-percent: at most 100`.
fn line_of(text: &str, error: &anyhow::Error) -> Option<usize> {
    let error = error.to_string();
    let (path, _) = error.split_once(": ")?;
    let (table, key) = path.rsplit_once('.').unwrap_or(("", path));
    let mut within = "";
    let found = text.lines().position(|line| {
        if line.starts_with('[') {
            within = line.trim_matches(['[', ']']);
            return table.is_empty() && within == key;
        }
        let name = line.split_once('=').map(|(name, _)| name.trim());
        within == table && name == Some(key)
    });
    Some(found? + 1)
}

/// The board of that name. What is wrong in another board's file is no matter here.
pub fn load(name: &str) -> Result<Board> {
    let files = files()?;
    let stem = |file: &PathBuf| Some(file.file_stem()?.to_str()?.to_owned());
    match files
        .iter()
        .find(|file| stem(file).as_deref() == Some(name))
    {
        Some(file) => Board::read(file),
        None => bail!(
            "no board `{name}`; there are {}",
            files.iter().filter_map(stem).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// Every board, by name.
pub fn load_all() -> Result<Vec<Board>> {
    files()?.iter().map(|file| Board::read(file)).collect()
}

fn files() -> Result<Vec<PathBuf>> {
    let folder = process::root().join("board-configs");
    let entries = fs::read_dir(&folder).context("cannot list board-configs")?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .collect();
    files.retain(|file| file.extension().is_some_and(|e| e == "toml"));
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_board_file_is_valid() {
        let boards = load_all().unwrap();
        assert!(boards.len() >= 8, "{} boards", boards.len());
        assert!(
            boards
                .iter()
                .any(|board| board.hardware.endian == Endian::Big)
        );
    }

    #[test]
    fn no_two_boards_are_the_same_image() {
        let mut profiles: Vec<String> = load_all()
            .unwrap()
            .into_iter()
            .map(|board| board.openwrt.profile)
            .collect();
        let count = profiles.len();
        profiles.sort();
        profiles.dedup();
        assert_eq!(profiles.len(), count);
    }

    fn example() -> String {
        fs::read_to_string(process::root().join("board-configs/tplink-archer-c7-v5.toml")).unwrap()
    }

    fn error_of(text: &str) -> String {
        format!("{:#}", Board::parse(text, String::new()).unwrap_err())
    }

    #[test]
    fn a_mistake_is_told_with_the_line_of_its_key() {
        let line = |text: &str, key: &str| 1 + text.lines().position(|l| l == key).unwrap();
        for (key, wrong) in [
            ("share-percent = 30", "share-percent = 101"),
            ("target = \"mips-unknown-linux-musl\"", "target = \"mips\""),
            ("target = \"ath79/generic\"", "target = \"ath79\""),
            ("limits = \"small\"", "limits = \"tiny\""),
            ("cpu = \"mips32r2\"", "cpu = \"mips32r9\""),
        ] {
            let text = example().replace(key, wrong);
            let told = format!("line {}: ", line(&text, wrong));
            assert!(error_of(&text).starts_with(&told), "{}", error_of(&text));
        }
        let none = example().replace("wan = [\"eth0.2\"]", "wan = []");
        let told = format!("line {}: ports: ", line(&none, "[ports]"));
        assert!(error_of(&none).starts_with(&told), "{}", error_of(&none));
    }

    #[test]
    fn a_board_that_is_not_there_is_answered_with_those_that_are() {
        let error = load("archer").unwrap_err().to_string();
        assert!(error.contains("tplink-archer-c7-v5"), "{error}");
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        assert!(error_of(&format!("colour = \"blue\"\n{}", example())).contains("colour"));
    }

    #[test]
    fn a_target_of_the_wrong_byte_order_is_refused() {
        assert!(
            error_of(&example().replace("\"mips-unknown", "\"mipsel-unknown"))
                .contains("rust.target")
        );
        assert!(error_of(&example().replace("\"big\"", "\"little\"")).contains("byte order"));
    }

    #[test]
    fn a_profile_that_does_not_fit_the_memory_is_refused() {
        assert!(error_of(&example().replace("\"small\"", "\"large\"")).contains("limits"));
    }
}
