//! Moves a store to another engine.

use std::path::Path;
use std::time::Instant;

use starling_api_types::{ConvertReport, ErrorCode, Problem};
use starling_store::engine::{self, EngineKind};

use crate::config::Overrides;
use crate::home::{Home, config_problem, home_problem};
use crate::opening::{OpeningNews, OpeningWatcher};
use crate::service::{Site, stop, store_problem};
use crate::small_file;

/// Rebuilds the engine of the site in `home` as engine `to`, from the log.
///
/// Keeps the old engine until the new one is complete. `watcher` receives the progress.
///
/// # Errors
/// `daemon_running` or `store_locked`, a full disk, or damage.
pub fn convert_store(home: &Path, to: &str, watcher: OpeningWatcher) -> Result<ConvertReport, Problem> {
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
            "converting a store: the memory engine does not store anything: choose sled or redb",
        ));
    }
    let store = home.store_path();
    let from = match engine::detect(&store) {
        Some(found) => found,
        // Removed; rebuilt from the log when the site is opened.
        None => config.store.engine.parse().map_err(bad)?,
    };
    if from == to {
        return Err(Problem::new(
            ErrorCode::BadRequest,
            format!("converting a store: the store already has the engine {to}"),
        ));
    }
    let size = |site: &Site| {
        let size = site.0.data.store.size_on_disk();
        size.map_err(|error| store_problem("measuring the store", &error))
    };
    let size_before = {
        let site = Site::open(home.clone(), config.clone(), None)?;
        if site.0.data.store.is_read_only() {
            return Err(disk_full("the disk is full, and the site opens read-only").hint(
                "free more space than the engine's size in `starling status`, and try again; nothing was changed",
            ));
        }
        let size = size(&site)?;
        stop(&site);
        // The configuration decides: an engine of another kind is moved aside, and the next start builds the
        // configured one from the log, even if this command is interrupted.
        set_engine(&home, to).map_err(|problem| match problem.code {
            ErrorCode::DiskFull => disk_full("the disk is full, and the configuration cannot be written").hint(
                "free more space than the engine's size in `starling status`, and try again; nothing was changed",
            ),
            _ => problem,
        })?;
        size
    };
    let config = home
        .config(&Overrides::default())
        .map_err(|error| config_problem(&error))?;
    let site = match Site::open_telling(home.clone(), config, &OpeningNews::watched(watcher)) {
        Ok(site) if !site.0.data.store.is_read_only() => site,
        Err(problem) if problem.code != ErrorCode::DiskFull => {
            set_engine(&home, from)?;
            return Err(problem);
        }
        without_room => {
            drop(without_room);
            return Err(go_back(&home, from, to));
        }
    };
    let size_after = size(&site)?;
    let entries = site.0.data.store.log_frames();
    stop(&site);
    Ok(ConvertReport {
        from: from.to_string(),
        to: to.to_string(),
        entries,
        size_before_bytes: size_before.total().0,
        size_after_bytes: size_after.total().0,
        duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

fn disk_full(what: &str) -> Problem {
    Problem::new(ErrorCode::DiskFull, format!("converting a store: {what}"))
}

/// Writes the old engine into the configuration again, because the disk has no room for the new one. Returns the
/// problem.
fn go_back(home: &Home, from: EngineKind, to: EngineKind) -> Problem {
    let problem = disk_full(&format!("the disk has no room for a {to} engine"));
    problem.hint(match set_engine(home, from) {
        Ok(()) => format!(
            "free more space than the engine's size in `starling status`, and try again; the site stays on \
             {from}, which the next command with room rebuilds from the log"
        ),
        Err(_) => format!(
            "free some space; the configuration says {to}, and the next command with enough space builds it from the log"
        ),
    })
}

/// Writes the engine into the configuration, without other changes.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversion_without_space_keeps_the_old_engine() {
        let folder = tempfile::tempdir().unwrap();
        let home = crate::init_site(folder.path(), &"a".parse().unwrap(), "sled").unwrap();
        set_engine(&home, EngineKind::Redb).unwrap();
        let problem = go_back(&home, EngineKind::Sled, EngineKind::Redb);
        assert_eq!(problem.code, ErrorCode::DiskFull);
        assert!(problem.detail.contains("no room for a redb engine"), "{problem}");
        assert!(problem.hint.clone().unwrap().contains("stays on sled"));
        let config = home.config(&Overrides::default()).unwrap();
        assert_eq!(config.store.engine, "sled");
        // If there is no room for that either, the next start builds the new engine.
        std::fs::remove_file(home.config_path()).unwrap();
        std::fs::create_dir(home.config_path()).unwrap();
        let problem = go_back(&home, EngineKind::Sled, EngineKind::Redb);
        assert!(
            problem
                .hint
                .clone()
                .unwrap()
                .contains("the configuration says redb")
        );
    }
}
