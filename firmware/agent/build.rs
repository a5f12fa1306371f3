//! The defmt build needs a linker script more: it puts the log's texts where their numbers are their places.

use std::{env, fs, path::Path};

fn main() -> std::io::Result<()> {
    println!("cargo:rerun-if-changed=defmt.x");
    println!("cargo:rerun-if-changed=no-unwind.x");
    if env::var_os("CARGO_FEATURE_DEFMT").is_none() {
        return Ok(());
    }
    let mut script = fs::read_to_string("defmt.x")?;
    // Zig's linker reads the last script alone, and this one comes behind those of .cargo/config.toml. Whoever links the router's
    // own C library, as OpenWrt does with GNU's linker, has none of its tables.
    let has = |name: &str, wanted: &str| {
        env::var(name).is_ok_and(|values| values.split(',').any(|value| value == wanted))
    };
    if has("CARGO_CFG_TARGET_ENV", "musl") && has("CARGO_CFG_TARGET_FEATURE", "crt-static") {
        script += &fs::read_to_string("no-unwind.x")?;
    }
    let folder = env::var("OUT_DIR").unwrap_or_default();
    let path = Path::new(&folder).join("log.x");
    fs::write(&path, script)?;
    println!("cargo:rustc-link-arg-bins=-Wl,-T,{}", path.display());
    Ok(())
}
