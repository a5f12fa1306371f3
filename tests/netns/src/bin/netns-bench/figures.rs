//! What was measured, kept between runs: profiles can be measured one at a time.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::cell::{Load, Road};

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Payload over the sum of all lines' IP-level rates, percent.
    pub share: f64,
    /// Jain's fairness over its flows.
    pub jain: f64,
    /// The canary felt nothing.
    pub quiet: bool,
}

/// All measurements, by profile, road and load.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Figures(BTreeMap<String, Figure>);

impl Figures {
    /// Those of earlier runs.
    pub fn read(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(path)?;
        serde_json::from_str(&text).with_context(|| format!("cannot read {}", path.display()))
    }

    /// Keeps them for later runs.
    pub fn write(&self, path: &Path) -> Result<()> {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        fs::write(path, serde_json::to_string_pretty(self)? + "\n")
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// The figure of a cell.
    pub fn get(&self, profile: &str, road: Road, load: &Load) -> Option<Figure> {
        self.0.get(&key(profile, road, load)).copied()
    }

    /// Takes a newer figure of a cell.
    pub fn set(&mut self, profile: &str, road: Road, load: &Load, figure: Figure) {
        self.0.insert(key(profile, road, load), figure);
    }
}

fn key(profile: &str, road: Road, load: &Load) -> String {
    format!("{profile}, {}, {}", road.name(), load.name)
}
