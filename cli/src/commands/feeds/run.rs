//! `starling feeds run` and `approve`: what is taken in now.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use starling_api::SiteService;
use starling_api_types::{
    ContentHash, ExitStatus, FeedApprove, FeedName, FeedPhase, FeedProgress, FeedRun, FeedRunOutcome, Problem,
};

use super::Outcome;
use crate::candidates;
use crate::progress::Step;
use crate::render;
use crate::session::{Session, warn};

/// Between two looks at how far a run is.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Fetch feeds now, and wait until they are taken in
#[derive(Debug, Args)]
#[command(after_help = "\
A running daemon fetches; the command shows how far it is, and ending the command does not end the run. Without a daemon the
command fetches by itself.

Example:
  starling feeds run
  starling feeds run nvd ghsa

Exit codes: 0 taken in or nothing new, 2 no feed is configured, 3 an answer of the source was refused, its input is suspect,
  or no such feed; 6 the source or the site cannot be reached, 12 disk full. Of several, that of the first that failed")]
pub(crate) struct Run {
    /// The feeds; without a name, all that are switched on
    #[arg(value_name = "NAME", add = candidates::feeds())]
    names: Vec<FeedName>,
}

/// Accept the suspect input of a feed, after you looked at what it would take away
#[derive(Debug, Args)]
#[command(after_help = "\
An input that would take away much of a source is kept, and nothing of it is taken in. `starling feeds status NAME` says
what it would take away. This takes in the very input that was kept; nothing is fetched.

Example:
  starling feeds status nvd
  starling feeds approve nvd

Exit codes: 0 taken in, 3 none waits, or it is not the one that --input names; 6 not reachable or locked, 12 disk full")]
pub(crate) struct Approve {
    /// The feed
    #[arg(add = candidates::feeds())]
    name: FeedName,
    /// Hash of the input that you looked at: another one is refused
    #[arg(long, value_name = "HASH")]
    input: Option<ContentHash>,
}

/// Answer of `feeds run`.
#[derive(Debug, Serialize)]
struct Runs {
    runs: Vec<FeedRun>,
}

impl Run {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let step = session.step("Fetching");
        let site = session.site(&step).await?;
        let names: Vec<FeedName> = if self.names.is_empty() {
            let feeds = site.feeds().await?.feeds;
            feeds
                .into_iter()
                .filter(|feed| feed.enabled)
                .map(|feed| feed.name)
                .collect()
        } else {
            for name in &self.names {
                // A wrong name is reported before anything is fetched.
                site.feed(name).await?;
            }
            self.names
        };
        if names.is_empty() {
            drop(step);
            warn("no feed is configured and switched on: `starling feeds add` adds one");
            return Ok(ExitStatus::Usage);
        }
        let mut running = tokio::task::JoinSet::new();
        for (index, name) in names.iter().cloned().enumerate() {
            let site = Arc::clone(&site);
            running.spawn(async move { (index, site.run_feed(&name).await) });
        }
        let mut ended: Vec<Option<Result<FeedRun, Problem>>> = names.iter().map(|_| None).collect();
        while ended.iter().any(Option::is_none) {
            tokio::select! {
                joined = running.join_next() => match joined {
                    Some(Ok((index, run))) => {
                        if let Some(place) = ended.get_mut(index) {
                            *place = Some(run);
                        }
                    }
                    Some(Err(panic)) => return Err(Problem::internal("running feeds", panic)),
                    None => break,
                },
                () = tokio::time::sleep(LOOK_EVERY) => show(&*site, &names, &step).await,
            }
        }
        drop(step);
        let mut runs = Vec::new();
        for run in ended.into_iter().flatten() {
            runs.push(run?);
        }
        tell(session, &*site, Runs { runs }).await
    }
}

impl Approve {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let step = session.step(format!("Taking in {}", self.name));
        let site = session.site(&step).await?;
        let run = site
            .approve_feed(&self.name, FeedApprove { input: self.input })
            .await?;
        drop(step);
        tell(session, &*site, Runs { runs: vec![run] }).await
    }
}

/// Shows the runs; ends as the first that failed.
async fn tell(session: &Session, site: &dyn SiteService, runs: Runs) -> Outcome {
    let mut partial = Vec::new();
    for run in runs
        .runs
        .iter()
        .filter(|run| !run.checked && run.outcome.is_success())
    {
        // A feed that was removed meanwhile is not called partial.
        if site.feed(&run.feed).await.is_ok_and(|feed| !feed.complete) {
            partial.push(run.feed.clone());
        }
    }
    session.print(&runs, |runs| render::feed_runs(&runs.runs, &partial))?;
    let is_new = |run: &FeedRun| run.outcome == FeedRunOutcome::Imported;
    if runs.runs.iter().any(is_new) {
        let index_ms = session.make_ready_to_scan(site).await;
        session.print_text(&render::index_took(&runs.runs, index_ms))?;
    }
    let failed = runs.runs.iter().find(|run| run.exit_status() != ExitStatus::Pass);
    Ok(failed.map_or(ExitStatus::Pass, |run| {
        let (status, number) = (run.exit_status(), runs.runs.len());
        session.close(status, &not_taken_in(run, number));
        status
    }))
}

/// Says why the command does not end with 0, and what to do.
fn not_taken_in(run: &FeedRun, number: usize) -> String {
    let which = if number == 1 {
        format!("the run of {}", run.feed)
    } else {
        format!("of {number} runs, that of {}", run.feed)
    };
    match run.outcome {
        FeedRunOutcome::Suspect => format!(
            "{which} fetched an input that is suspect, and nothing of it was imported: `starling feeds status {0}` shows what \
             it would take away, `starling feeds approve {0}` accepts it",
            run.feed
        ),
        _ => format!(
            "{which} did not import everything, for the reason above: `starling feeds status {0}` shows what comes next, \
             `starling feeds run {0}` tries again",
            run.feed
        ),
    }
}

/// Shows how far the runs are, on a terminal.
async fn show(site: &dyn SiteService, names: &[FeedName], step: &Step) {
    if !step.is_shown() {
        return;
    }
    let Ok(list) = site.feeds().await else { return };
    let running = list
        .feeds
        .iter()
        .filter(|feed| names.contains(&feed.name))
        .filter_map(|feed| Some((&feed.name, feed.progress?)));
    let words: Vec<String> = running.map(|(name, progress)| words(name, progress)).collect();
    if !words.is_empty() {
        step.say(words.join("; "));
    }
}

fn words(name: &FeedName, progress: FeedProgress) -> String {
    match progress.phase {
        FeedPhase::Fetching => format!(
            "{name}: {} documents, {}",
            progress.documents,
            render::size(progress.bytes)
        ),
        phase => format!("{name}: {}", phase.as_str()),
    }
}
