//! Moving a store to another engine.

use std::path::Path;
use std::time::Instant;

use starling_api_types::{ConvertReport, ErrorCode, Problem};
use starling_store::engine::{self, ByteCount, EngineKind, EngineOptions, HomeLock, copy_all};

use crate::config::Overrides;
use crate::home::Home;
use crate::home_problem::{config_problem, home_problem};
use crate::service::engine_problem;
use crate::small_file;

/// Copies the store of the site in `home` into engine `to`, then puts the copy in its place.
///
/// The old store is kept until the copy is whole and checked; a crash leaves one of the two in place.
///
/// # Errors
/// `daemon_running` or `store_locked`, a full disk, or damage.
pub fn convert_store(home: &Path, to: &str) -> Result<ConvertReport, Problem> {
    let started = Instant::now();
    let home = Home::open(home).map_err(|error| home_problem(&error))?;
    let config = home
        .config(&Overrides::default())
        .map_err(|error| config_problem(&error))?;
    let bad = |error: engine::UnknownEngine| Problem::new(ErrorCode::BadRequest, error.to_string());
    let to: EngineKind = to.parse().map_err(bad)?;
    if to == EngineKind::Memory {
        return Err(Problem::new(
            ErrorCode::BadRequest,
            "converting a store: the memory engine keeps nothing; choose sled or redb",
        ));
    }
    let store = home.store_path();
    let from = engine::detect(&store).ok_or_else(|| {
        Problem::new(
            ErrorCode::ConfigInvalid,
            format!("converting a store: there is none in {}", store.display()),
        )
    })?;
    if from == to {
        return Err(Problem::new(
            ErrorCode::BadRequest,
            format!("converting a store: it is {to} already"),
        ));
    }
    let mut options = EngineOptions::default();
    options.cache = ByteCount(config.store.cache.0.max(64 << 20));
    let copying = |error| engine_problem("converting a store", &error);
    let aside = home.path().join("store.converting");
    let old = home.path().join("store.old");
    let file = |attempted: &str, path: &Path, error: &std::io::Error| {
        starling_api::file_problem(attempted, path, error)
    };
    let _lock = HomeLock::take(home.path()).map_err(copying)?;
    if aside.exists() {
        std::fs::remove_dir_all(&aside)
            .map_err(|error| file("removing an unfinished copy in", &aside, &error))?;
    }
    let (entries, size_before, size_after) = {
        let source = engine::open(from, &store, &options).map_err(copying)?;
        let target = engine::open(to, &aside, &options).map_err(copying)?;
        let copied = copy_all(source.as_ref(), target.as_ref(), &mut |_| {}).map_err(copying)?;
        let report = target.check().map_err(copying)?;
        if !report.is_sound() {
            let first = report.problems.first().cloned().unwrap_or_default();
            return Err(Problem::internal(
                "converting a store",
                format!("the copy is not sound: {first}"),
            ));
        }
        (
            copied.rows,
            source.size_on_disk().map_err(copying)?.0,
            target.size_on_disk().map_err(copying)?.0,
        )
    };
    std::fs::rename(&store, &old).map_err(|error| file("moving aside", &store, &error))?;
    std::fs::rename(&aside, &store).map_err(|error| file("putting in place", &aside, &error))?;
    set_engine(&home, to)?;
    std::fs::remove_dir_all(&old).map_err(|error| file("removing", &old, &error))?;
    Ok(ConvertReport {
        from: from.to_string(),
        to: to.to_string(),
        entries,
        size_before_bytes: size_before,
        size_after_bytes: size_after,
        duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// Writes the engine into the configuration, leaving everything else in it as it is.
fn set_engine(home: &Home, engine: EngineKind) -> Result<(), Problem> {
    let path = home.config_path();
    let text = match small_file::read_text(&path, small_file::MAX_CONFIG_BYTES) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => {
            return Err(starling_api::file_problem(
                "reading the configuration",
                &path,
                &error,
            ));
        }
    };
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let section = lines.iter().position(|line| line.trim() == "[store]");
    let set = format!("engine = \"{engine}\"");
    match section {
        Some(start) => {
            let key = lines[start + 1..].iter().position(|line| {
                let line = line.trim();
                line.starts_with('[') || line.starts_with("engine")
            });
            match key.map(|offset| start + 1 + offset) {
                Some(at) if lines[at].trim().starts_with("engine") => lines[at] = set,
                _ => lines.insert(start + 1, set),
            }
        }
        None => lines.extend([String::new(), "[store]".to_owned(), set]),
    }
    crate::home::write_config(&path, &(lines.join("\n") + "\n")).map_err(|error| home_problem(&error))
}
