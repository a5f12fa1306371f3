//! The first file system of a machine: programs with their libraries, kernel modules, our own programs, the scripts in `guest/`.

use crate::cpio::Archive;
use crate::elf;
use anyhow::{Context as _, Result, bail, ensure};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A machine that tests boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// A MIPS 24K router with Wi-Fi.
    Mipsel,
    /// An ARM Cortex-A router.
    Armhf,
}

impl Platform {
    /// Debian's name of the architecture.
    pub fn architecture(self) -> &'static str {
        match self {
            Self::Mipsel => "mipsel",
            Self::Armhf => "armhf",
        }
    }

    fn multiarch(self) -> &'static str {
        match self {
            Self::Mipsel => "mipsel-linux-gnu",
            Self::Armhf => "arm-linux-gnueabihf",
        }
    }

    /// What every scene uses; see [`Image::tool`] for more.
    fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Mipsel => &["ip", "tc", "nft", "iw", "ethtool", "busybox"],
            Self::Armhf => &["ip", "nft", "busybox"],
        }
    }

    /// Names of kernel modules; a star stands for all that begin so.
    fn modules(self) -> &'static [&'static str] {
        match self {
            Self::Mipsel => &[
                "crc32c_generic",
                "tun",
                "veth",
                "sch_netem",
                "sch_fq_codel",
                "mac80211_hwsim",
                "ccm",
                "wireguard",
                "nf_tables",
                "nft_*",
                "nf_conntrack_netlink",
            ],
            Self::Armhf => &[
                "crc32c_generic",
                "tun",
                "veth",
                "nf_tables",
                "nft_*",
                "nf_conntrack_netlink",
            ],
        }
    }
}

/// What a machine boots.
pub struct Image {
    platform: Platform,
    /// The unpacked packages.
    root: PathBuf,
    archive: Archive,
    folders: BTreeSet<String>,
    files: BTreeSet<String>,
}

/// Scripts of the machine, beside the crate's sources.
const GUEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/guest");

impl Image {
    /// The system without any program of ours.
    pub fn new(platform: Platform) -> Result<Self> {
        let machines = std::env::var_os("BURSTMESH_MACHINES").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/machines"),
            PathBuf::from,
        );
        let root = machines.join(platform.architecture()).join("root");
        ensure!(
            root.is_dir(),
            "there is no {}; cargo xtask test --only qemu makes it",
            root.display()
        );
        let mut image = Self {
            platform,
            root,
            archive: Archive::default(),
            folders: BTreeSet::new(),
            files: BTreeSet::new(),
        };
        image.base()?;
        Ok(image)
    }

    /// Which machine it is for.
    pub fn platform(&self) -> Platform {
        self.platform
    }

    /// The kernel to boot it with.
    pub fn kernel(&self) -> Result<PathBuf> {
        let boot = self.root.join("boot");
        let kernel = entries(&boot)?.into_iter().find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("vmlinu")
        });
        kernel.with_context(|| format!("no kernel in {}", boot.display()))
    }

    /// Adds a program of Debian's with its libraries.
    pub fn tool(&mut self, program: &str) -> Result<()> {
        let place = self.find(program)?;
        let content = fs::read(self.root.join(&place))?;
        self.put(&format!("/{place}"), 0o755, &content);
        self.libraries(&content)
    }

    /// Adds a program of ours as `/bin/NAME`.
    pub fn program(&mut self, name: &str, from: &Path) -> Result<()> {
        let content = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
        self.put(&format!("/bin/{name}"), 0o755, &content);
        Ok(())
    }

    /// The archive.
    pub fn finish(self) -> Vec<u8> {
        self.archive.finish()
    }

    fn base(&mut self) -> Result<()> {
        for folder in ["/proc", "/sys", "/dev", "/tmp", "/run", "/sbin", "/etc"] {
            self.folder(folder);
        }
        self.archive.device("/dev/console", 5, 1);
        self.archive.device("/dev/null", 1, 3);
        self.put("/etc/passwd", 0o644, b"root:x:0:0:root:/:/bin/sh\n");
        for program in self.platform.programs() {
            self.tool(program)?;
        }
        // Not in a folder that busybox fills, where it would hide programs of the same name.
        self.archive.link("/bin/sh", "busybox");
        self.modules()?;
        for script in entries(Path::new(GUEST))? {
            let name = script.file_name().unwrap_or_default().to_string_lossy();
            let place = if name == "init" {
                "/init".to_owned()
            } else {
                format!("/bin/{name}")
            };
            self.put(&place, 0o755, &fs::read(&script)?);
        }
        Ok(())
    }

    /// Where the packages have the program.
    fn find(&self, program: &str) -> Result<String> {
        ["bin", "sbin", "usr/bin", "usr/sbin"]
            .iter()
            .map(|folder| format!("{folder}/{program}"))
            .find(|path| self.root.join(path).is_file())
            .with_context(|| format!("no {program} in {}", self.root.display()))
    }

    fn libraries(&mut self, program: &[u8]) -> Result<()> {
        for name in elf::needed(program) {
            let place = if name.starts_with('/') {
                name.clone()
            } else {
                format!("/lib/{name}")
            };
            if self.files.contains(&place) {
                continue;
            }
            let content = self.library(&name)?;
            self.put(&place, 0o755, &content);
            self.libraries(&content)?;
        }
        Ok(())
    }

    /// Links are followed here: inside, a library has one name and one place.
    fn library(&self, name: &str) -> Result<Vec<u8>> {
        let multiarch = self.platform.multiarch();
        let base = Path::new(name).file_name().unwrap_or_default();
        for folder in [
            format!("lib/{multiarch}"),
            format!("usr/lib/{multiarch}"),
            "lib".to_owned(),
        ] {
            let mut path = self.root.join(folder).join(base);
            if let Ok(to) = fs::read_link(&path)
                && to.is_absolute()
            {
                path = self.root.join(to.strip_prefix("/")?);
            }
            if let Ok(content) = fs::read(&path) {
                return Ok(content);
            }
        }
        bail!("no library {name} in {}", self.root.display())
    }

    /// The wanted modules, those that they depend on, and what the lists that `modprobe` reads say of them: the whole lists are as
    /// large as the modules, and each loading reads them.
    fn modules(&mut self) -> Result<()> {
        let all = self.root.join("lib/modules");
        let release = entries(&all)?.into_iter().next().context("no modules")?;
        let name = release.file_name().unwrap_or_default().to_string_lossy();
        let inside = format!("/lib/modules/{name}");
        let depends = fs::read_to_string(release.join("modules.dep"))?;
        let wanted = wanted(self.platform, &depends);
        for path in &wanted {
            let content = fs::read(release.join(path))?;
            self.put(&format!("{inside}/{path}"), 0o644, &content);
        }
        let names: BTreeSet<String> = wanted.iter().map(|path| module(path)).collect();
        for list in ["modules.dep", "modules.alias", "modules.symbols"] {
            let content = fs::read_to_string(release.join(list))?;
            let of_ours = |line: &&str| match line.split_once(':') {
                Some((path, _)) if list == "modules.dep" => wanted.contains(path),
                _ => names.contains(line.rsplit(' ').next().unwrap_or_default()),
            };
            let lines: Vec<&str> = content.lines().filter(of_ours).collect();
            let text = lines.join("\n") + "\n";
            self.put(&format!("{inside}/{list}"), 0o644, text.as_bytes());
        }
        let built_in = fs::read(release.join("modules.builtin"))?;
        self.put(&format!("{inside}/modules.builtin"), 0o644, &built_in);
        Ok(())
    }

    fn put(&mut self, place: &str, mode: u32, content: &[u8]) {
        if let Some((folder, _)) = place.rsplit_once('/') {
            self.folder(folder);
        }
        if self.files.insert(place.to_owned()) {
            self.archive.file(place, mode, content);
        }
    }

    fn folder(&mut self, path: &str) {
        if path.is_empty() || !self.folders.insert(path.to_owned()) {
            return;
        }
        if let Some((above, _)) = path.rsplit_once('/') {
            self.folder(above);
        }
        self.archive.folder(path);
    }
}

/// Paths of the modules that a platform wants and of those that they depend on, by `modules.dep`. What is no module is built in, and
/// what is neither is missed by whoever loads it.
fn wanted(platform: Platform, depends: &str) -> BTreeSet<&str> {
    let named = |path: &str| {
        let name = module(path);
        platform
            .modules()
            .iter()
            .any(|wanted| match wanted.strip_suffix('*') {
                Some(begin) => name.starts_with(begin),
                None => name == *wanted,
            })
    };
    let lines = depends.lines().filter_map(|line| line.split_once(':'));
    lines
        .filter(|(path, _)| named(path))
        .flat_map(|(path, others)| others.split_whitespace().chain([path]))
        .collect()
}

/// A module's name, as the kernel writes it.
fn module(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.trim_end_matches(".ko").replace('-', "_")
}

/// What is in a folder, by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let found = fs::read_dir(folder).with_context(|| format!("no folder {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = found.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    Ok(paths)
}
