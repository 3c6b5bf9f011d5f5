//! Approval of a suspect input: imports exactly the kept input, which is identified by its hash.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use starling_api::ServiceResult;
use starling_api_types::{ContentHash, ErrorCode, FeedApprove, FeedName, FeedRun, Problem};

use super::Trigger;
use super::rejected::Documents;
use super::run::Input;
use super::run_result::RunResult;
use super::state::{KeptInput, hash_of};
use crate::clock::now;
use crate::config::feeds::FeedSpec;
use crate::home::home_problem;
use crate::service::{Site, SiteParts};

impl Site {
    /// Imports the input of a feed that waits for approval.
    ///
    /// # Errors
    /// `feed_not_found`, `feed_not_suspect`, `busy` while the feed runs.
    pub(in crate::service) async fn approve_input(
        &self,
        name: &FeedName,
        approve: FeedApprove,
    ) -> ServiceResult<FeedRun> {
        self.0.live.feeds.spec(name)?;
        let kept = self.0.live.feeds.memory(name).suspect;
        let Some(kept) = kept else {
            let detail = format!("approving the input of {name}: none waits for approval");
            return Err(Problem::new(ErrorCode::FeedNotSuspect, detail)
                .hint("`starling feeds status` shows which feeds wait"));
        };
        if let Some(looked_at) = approve.input.filter(|input| *input != kept.shown.input) {
            let detail = format!(
                "approving the input {looked_at} of {name}: another one is kept by now, {}",
                kept.shown.input
            );
            return Err(Problem::new(ErrorCode::FeedNotSuspect, detail)
                .hint("`starling feeds status` says what that one would take away"));
        }
        self.run_feed_now(name, Trigger::Approval(kept.shown.input)).await
    }
}

impl SiteParts {
    /// Imports the waiting input.
    pub(super) fn take_suspect(&self, spec: &FeedSpec, approved: &ContentHash, result: &mut RunResult) {
        let memory = self.live.feeds.memory(spec.name());
        let taken = match memory.suspect {
            Some(kept) if kept.shown.input != *approved => Err(gone(
                spec,
                "another input is kept by now than the one that was approved",
            )),
            Some(kept) => self.take_kept(spec, &kept, result),
            None => Err(gone(spec, "none waits")),
        };
        if let Err(problem) = taken {
            result.fail_by(&problem);
        }
    }

    fn take_kept(&self, spec: &FeedSpec, kept: &KeptInput, result: &mut RunResult) -> ServiceResult<()> {
        if kept.place != spec.place() {
            return Err(gone(spec, "the feed fetches from another place since"));
        }
        let folder = self.live.feeds.folder(spec.name());
        let path = folder.suspect().join(&kept.input);
        let found = hash_of(&path, kept.whole, &kept.gone)
            .map_err(|error| starling_api::file_problem("reading", &path, &error))?;
        if found != kept.shown.input {
            return Err(gone(spec, "the files that were kept are not what they were"));
        }
        let after = folder.suspect_read_to();
        let mut after = after
            .ok()
            .flatten()
            .ok_or_else(|| gone(spec, "its position cannot be read"))?;
        if kept.whole && kept.read_to_end {
            after.whole_at = Some(now().into());
        }
        after.imports = self.live.feeds.imports_of(&spec.source);
        result.run.whole = kept.whole;
        result.run.documents = kept.shown.documents;
        result.run.bytes = kept.shown.bytes;
        let input = Input {
            path: &path,
            whole: kept.whole,
            more: kept.more,
            is_cut: false,
            read_to_end: kept.read_to_end,
            documents: kept_documents(&path, &kept.pages),
            gone: kept.gone.clone(),
            approved: true,
            raw: None,
            missing: None,
        };
        let is_anew = self.read_to(spec)?.0.position.is_empty();
        self.take_input(spec, &input, &mut after, result);
        if !kept.whole && is_anew && result.run.outcome.is_success() {
            // The round that it belongs to was given up meanwhile.
            let again = after.again("the input that was approved was a part of what is not known any more");
            folder
                .write_read_to(&again)
                .map_err(|error| home_problem(&error))?;
        }
        if result.run.outcome.is_success() && self.keeps_raw() {
            result.note("the documents of an approved input are not kept as they were fetched");
        }
        Ok(())
    }
}

/// Lists the files of a kept input.
fn kept_documents(input: &Path, pages: &BTreeSet<String>) -> Documents {
    let mut documents = Documents::default();
    let mut folders = vec![input.to_owned()];
    while let Some(folder) = folders.pop() {
        // Files that cannot be listed stay rejected; the import reports them.
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(path),
                Ok(_) => {
                    let name = path.strip_prefix(input).unwrap_or(&path);
                    let name = name.to_string_lossy().into_owned();
                    let is_page = pages.contains(&name);
                    documents.add(name, is_page);
                }
                Err(_) => {}
            }
        }
    }
    documents
}

fn gone(spec: &FeedSpec, why: &str) -> Problem {
    let detail = format!("approving the input of {}: {why}", spec.name());
    Problem::new(ErrorCode::FeedNotSuspect, detail)
        .hint("`starling feeds run` fetches it again, and says again what it would take away")
}
