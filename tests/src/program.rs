//! Finds the `starling` executable of the profile that the tests were built with.
//!
//! Cargo gives a crate's tests only the paths of its own executables, so this looks beside the test. A missing
//! or outdated executable is built: `cargo test -p starling-tests` alone must not test old code.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// Names another executable to test, such as an installed one; it is used unchanged.
pub const PROGRAM_VARIABLE: &str = "STARLING_TEST_PROGRAM";

/// Folders of the workspace that the executable is made of.
const SOURCES: [&str; 6] = ["protocol", "store", "sync", "daemon", "api", "cli"];
/// Subfolders that are not sources of the program.
const NOT_SOURCES: [&str; 4] = ["tests", "benches", "examples", "fuzz"];

/// Returns the executable. Found once; every later call is free.
///
/// # Panics
/// If it cannot be built.
pub fn starling() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(find)
}

fn find() -> PathBuf {
    if let Some(given) = std::env::var_os(PROGRAM_VARIABLE) {
        return given.into();
    }
    let this = std::env::current_exe().expect("a process knows its own executable");
    // target/PROFILE/deps/e2e-HASH, or target/PROFILE/crash.
    let profile = this
        .ancestors()
        .skip(1)
        .find(|folder| folder.file_name() != Some(OsStr::new("deps")))
        .expect("an executable lies in a folder");
    let program = profile.join("starling");
    let built = program.metadata().and_then(|metadata| metadata.modified()).ok();
    if built.is_none_or(|built| newest_source() > built) {
        build(profile);
    }
    program
}

/// Returns the root of the workspace.
#[must_use]
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate lies in the workspace")
}

fn newest_source() -> SystemTime {
    let mut newest = SystemTime::UNIX_EPOCH;
    let mut folders: Vec<PathBuf> = SOURCES.iter().map(|name| workspace().join(name)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("sources can be listed") {
            let entry = entry.expect("sources can be listed");
            let name = entry.file_name();
            let kind = entry.file_type().expect("sources have a kind");
            if kind.is_dir() && !NOT_SOURCES.iter().any(|not| name == *not) {
                folders.push(entry.path());
            } else if kind.is_file()
                && let Ok(modified) = entry.metadata().and_then(|metadata| metadata.modified())
            {
                newest = newest.max(modified);
            }
        }
    }
    newest
}

fn build(profile: &Path) {
    let target = profile
        .parent()
        .expect("a profile's folder lies in the target folder");
    let name = match profile.file_name().and_then(OsStr::to_str) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "build",
            "--quiet",
            "--package",
            "starling-cli",
            "--bin",
            "starling",
            "--profile",
            name,
        ])
        .arg("--target-dir")
        .arg(target)
        .current_dir(workspace())
        .status()
        .expect("cargo starts");
    assert!(status.success(), "building starling failed: {status}");
}
