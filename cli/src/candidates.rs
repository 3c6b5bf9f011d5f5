//! Completes names in a shell: the sites, sources and mutes that the site's daemon knows.
//!
//! Asks a running daemon only, with a short timeout: a shell that completes a word must not open a store.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::CommandFactory;
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use starling_api::SiteService;
use starling_api_types::{MuteListQuery, Problem};

use crate::args::Cli;
use crate::client::Client;
use crate::progress::Step;
use crate::session::{Session, resolve_home};

/// The variable that a shell sets to ask for completions.
pub(crate) const VARIABLE: &str = "_STARLING_COMPLETE";
/// Longest wait for a daemon's answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// Answers a shell that asks for completions, then ends the process.
pub(crate) fn answer_shell() {
    if std::env::var_os(VARIABLE).is_some() {
        CompleteEnv::with_factory(Cli::command)
            .var(VARIABLE)
            .bin("starling")
            .complete();
    }
}

/// Returns the names of listed sites.
pub(crate) fn sites() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        asked(async |site: Client| {
            let list = site.sites().await?;
            Ok(list.sites.iter().map(|site| site.site_id.to_string()).collect())
        })
    })
}

/// Returns the sources that the site holds records of.
pub(crate) fn sources() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        asked(async |site: Client| {
            let status = site.status().await?;
            Ok(status.feeds.iter().map(|feed| feed.source.to_string()).collect())
        })
    })
}

/// Feeds that the site fetches.
pub(crate) fn feeds() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        asked(async |site: Client| {
            let list = site.feeds().await?;
            Ok(list.feeds.iter().map(|feed| feed.name.to_string()).collect())
        })
    })
}

/// Sources that this version knows how to fetch.
pub(crate) fn presets() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let presets = crate::local::feed_presets();
        presets
            .into_iter()
            .map(|preset| CompletionCandidate::new(preset.name))
            .collect()
    })
}

/// Returns the ids of the active mutes.
pub(crate) fn mutes() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        asked(async |site: Client| {
            let list = site.mutes(MuteListQuery::default()).await?;
            Ok(list.mutes.iter().map(|mute| mute.id.clone()).collect())
        })
    })
}

/// Returns the daemon's answer; empty if no daemon runs or it takes too long.
fn asked(ask: impl AsyncFnOnce(Client) -> Result<Vec<String>, Problem>) -> Vec<CompletionCandidate> {
    let Ok(home) = resolve_home(home_of(std::env::args_os())) else {
        return Vec::new();
    };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return Vec::new();
    };
    let session = Session::new(home, false);
    let answer = runtime.block_on(async {
        let answering = async { ask(session.daemon(&Step::silent()).await?).await };
        tokio::time::timeout(PATIENCE, answering).await
    });
    match answer {
        Ok(Ok(names)) => names.into_iter().map(CompletionCandidate::new).collect(),
        _ => Vec::new(),
    }
}

/// Returns the folder given by `--home` in the incomplete line, else in the environment.
fn home_of(words: impl Iterator<Item = OsString>) -> Option<PathBuf> {
    let mut words = words.skip_while(|word| word != "--").skip(1);
    while let Some(word) = words.next() {
        if word == "--home" {
            return words.next().map(PathBuf::from);
        }
        if let Some(home) = word.to_str().and_then(|word| word.strip_prefix("--home=")) {
            return Some(PathBuf::from(home));
        }
    }
    std::env::var_os("STARLING_HOME").map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_is_read_from_the_line() {
        let home = |line: &str| home_of(line.split(' ').map(OsString::from));
        assert_eq!(
            home("starling -- starling --home ./west sites show"),
            Some(PathBuf::from("./west"))
        );
        assert_eq!(
            home("starling -- starling --home=/a sites"),
            Some(PathBuf::from("/a"))
        );
    }
}
