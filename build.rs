//! Migrations are embedded: a new file among them must rebuild the crate.
//!
//! What `sqlx::migrate!` would do, by a list that is written here: the macro builds SQLite and
//! sqlx once more, for the machine that compiles.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=migrations");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let list = list(&root.join("migrations"))?;
    let to = PathBuf::from(env::var("OUT_DIR")?).join("migrations.rs");
    Ok(fs::write(to, list)?)
}

/// A constant's value: the version, the description and the statements of each file, as in
/// `0003_identity.sql`.
fn list(directory: &Path) -> Result<String, Box<dyn Error>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            files.push(path);
        }
    }
    files.sort();
    let mut list = String::from("[\n");
    for file in files {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let (version, description) = stem
            .split_once('_')
            .ok_or_else(|| format!("{} has no version in its name", file.display()))?;
        let version: i64 = version.parse()?;
        let description = description.replace('_', " ");
        writeln!(
            list,
            "({version}, {description:?}, include_str!({file:?})),"
        )?;
    }
    list.push_str("]\n");
    Ok(list)
}
