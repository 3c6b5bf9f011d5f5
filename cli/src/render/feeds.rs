//! Feeds that the site fetches by itself, and their runs.

use std::fmt::Write as _;

use starling_api_types::wording;
use starling_api_types::{
    Feed, FeedChange, FeedList, FeedName, FeedPreset, FeedRun, FeedRunOutcome, FeedSetting, FeedState,
    Timestamp,
};

use super::table::Table;
use super::{Lines, ago, count, counted, cut, duration, list, moment, moment_or, or_dash, plain, size};
use crate::terminal::{self, Tone};

/// Longest text of a run in a table, in characters.
const CELL: usize = 200;
/// The advice if feeds have a schedule, but no daemon runs them.
const NO_DAEMON: &str = "no daemon runs, so no feed is fetched by its schedule: `starling up` starts one, `starling feeds \
                         run` fetches once";

/// `starling feeds list`
pub(crate) fn feed_list(list: &FeedList) -> String {
    if list.feeds.is_empty() {
        return "no feed is configured: `starling feeds add` adds one, `starling feeds presets` lists what it can be\n"
            .to_owned();
    }
    let mut table = Table::new(["FEED", "SOURCE", "FROM", "SCHEDULE", "ENABLED", "STATE"])
        .shrinks("FROM", 20)
        .leaves_out(&["FROM"]);
    for feed in &list.feeds {
        table.row([
            feed.name.to_string(),
            feed.source.to_string(),
            from(feed),
            feed.schedule.clone(),
            if feed.enabled { "yes" } else { "no" }.to_owned(),
            match &feed.fetched_by {
                Some(by) if feed.state == FeedState::StandingBy => {
                    format!("{}: {} fetches", feed.state.as_str(), by.site_id)
                }
                _ => feed.state.as_str().to_owned(),
            },
        ]);
        table.tone("STATE", tone(feed.state));
    }
    table.to_string()
}

/// `starling feeds status`
pub(crate) fn feed_status(list: &FeedList, has_daemon: bool, now: Timestamp) -> String {
    if list.feeds.is_empty() {
        return feed_list(list);
    }
    let mut text = String::new();
    let told = list
        .feeds
        .iter()
        .filter_map(|feed| Some((feed.name.to_string(), feed.attention.clone()?)));
    for matter in wording::grouped("feeds ", &told.collect::<Vec<_>>()) {
        text.push_str(&terminal::wrapped("  ! ", 4, &plain(&matter)));
    }
    if !has_daemon && list.feeds.iter().any(|feed| feed.enabled) {
        text.push_str(&terminal::wrapped("  ! ", 4, NO_DAEMON));
    }
    let _ = write!(text, "{}", feeds(&list.feeds, has_daemon, now));
    text
}

/// Feeds as a table: how each is.
pub(super) fn feeds(feeds: &[Feed], has_daemon: bool, now: Timestamp) -> Table {
    let mut table = Table::new(["FEED", "STATE", "LAST SUCCESS", "AGO", "NEXT RUN", "LAST RUN"])
        .shrinks("LAST RUN", 20)
        .leaves_out(&["AGO", "NEXT RUN"]);
    for feed in feeds {
        let last = feed.last_run.as_ref();
        let words = match feed.progress {
            Some(progress) => format!(
                "{}, {}, {}",
                progress.phase.as_str(),
                documents(progress.documents),
                size(progress.bytes)
            ),
            None => match &feed.fetched_by {
                Some(by) if !by.here => by.detail.clone(),
                _ => last.map_or_else(|| "-".to_owned(), came_of),
            },
        };
        table.row([
            feed.name.to_string(),
            feed.state.as_str().to_owned(),
            moment_or(feed.last_success_at, "never"),
            feed.last_success_at
                .map_or_else(|| "-".to_owned(), |at| ago(at, now)),
            next_run(feed, has_daemon),
            cut(&words, CELL),
        ]);
        table.tone("STATE", tone(feed.state));
    }
    table
}

/// Returns when a feed runs next. Only a daemon keeps a schedule.
fn next_run(feed: &Feed, has_daemon: bool) -> String {
    if feed.enabled && !has_daemon {
        return "no daemon".to_owned();
    }
    moment_or(feed.next_run_at, "-")
}

/// `starling feeds status NAME`
pub(crate) fn feed(feed: &Feed, has_daemon: bool, now: Timestamp) -> String {
    let mut text = String::new();
    if let Some(matter) = &feed.attention {
        text.push_str(&terminal::wrapped("  ! ", 4, &plain(matter)));
    }
    let counts = feed.counts;
    let last_success = feed.last_success_at.map_or_else(
        || "never".to_owned(),
        |at| format!("{} ({})", moment(at), ago(at, now)),
    );
    let mut lines = Lines::default()
        .add("feed", &feed.name)
        .add("state", feed.state.as_str())
        .add("source", &feed.source)
        .add("from", from(feed))
        .add("kind", or_dash(feed.kind.as_ref()))
        .add("schedule", &feed.schedule)
        .add(
            "complete",
            if feed.complete {
                "yes: what the whole source lacks becomes absent"
            } else {
                "no: a part of its source, which is never checked as a whole"
            },
        )
        .add("last success", last_success)
        .add("next run", next_run(feed, has_daemon))
        .add(
            "runs",
            format!(
                "{} imported, {} unchanged, {} suspect, {} failed",
                count(counts.imported),
                count(counts.unchanged),
                count(counts.suspect),
                count(counts.failed)
            ),
        );
    if let Some(by) = &feed.fetched_by {
        lines = lines.add("fetched by", format!("{}: {}", by.site_id, plain(&by.detail)));
    } else if !feed.share_fetch {
        lines = lines.add("fetched by", "this site, whoever else does");
    }
    if feed.rejected > 0 {
        lines = lines.add("rejected", documents(feed.rejected));
    }
    if let Some(suspect) = &feed.suspect {
        lines = lines
            .add("suspect input", suspect.input)
            .add("fetched", moment(suspect.fetched_at))
            .add(
                "holds",
                format!("{}, {}", documents(suspect.documents), size(suspect.bytes)),
            );
    }
    let _ = write!(text, "{lines}");
    if let Some(run) = &feed.last_run {
        let _ = write!(text, "\n{}", run_lines(run, !feed.complete));
    }
    text
}

/// `starling feeds run` and `approve`
///
/// `partial` are the feeds that fetch a part of their source on purpose.
pub(crate) fn feed_runs(runs: &[FeedRun], partial: &[FeedName]) -> String {
    let lines = runs.iter().map(|run| run_lines(run, partial.contains(&run.feed)));
    let lines: Vec<String> = lines.collect();
    lines.join("\n")
}

fn documents(number: u64) -> String {
    counted(number, "document", "documents")
}

/// Returns what a run means for the source: if it was checked, and if not, what ends that.
fn meaning(run: &FeedRun, is_partial: bool) -> String {
    let (feed, source) = (&run.feed, &run.source);
    match (run.checked, run.outcome.is_success()) {
        (true, _) => format!("the source {source} is checked as of now"),
        (false, true) if is_partial => format!(
            "what was fetched is imported. The feed is partial, so that nothing becomes absent and {source} is not checked; \
             if it fetches all of {source}: `starling feeds set {feed} --whole`, then `starling feeds run {feed}`"
        ),
        (false, true) => format!(
            "what was fetched is imported. {source} is checked when it is read to its end: the next run goes on, and \
             `starling feeds history {feed}` shows how far it is"
        ),
        (false, false) if run.stored + run.absent > 0 => format!(
            "what was fetched is imported. {source} is not checked, because not all of it could be read; the next run tries \
             the rest again"
        ),
        (false, false) => "nothing was changed".to_owned(),
    }
}

fn run_lines(run: &FeedRun, is_partial: bool) -> String {
    let mut lines = Lines::default()
        .add("run of", &run.feed)
        .add("began", moment(run.started_at))
        .add("outcome", run.outcome.as_str())
        .add(
            "fetched",
            match run.requests {
                // A failed run does not show them.
                0 => format!("{}, {}", documents(run.documents), size(run.bytes)),
                requests => format!(
                    "{}, {}, {}",
                    documents(run.documents),
                    size(run.bytes),
                    counted(requests, "request", "requests")
                ),
            },
        );
    if run.outcome == FeedRunOutcome::Imported || run.stored + run.unchanged + run.absent + run.rejected > 0 {
        lines = lines.add(
            "records",
            format!(
                "{} new or changed, {} unchanged, {} absent, {} rejected",
                count(run.stored),
                count(run.unchanged),
                count(run.absent),
                count(run.rejected)
            ),
        );
    }
    if run.passed_over > 0 {
        lines = lines.add(
            "passed over",
            format!("{} rows or documents, for over a week", count(run.passed_over)),
        );
    }
    lines = lines
        .add("so", meaning(run, is_partial))
        .add("took", duration(run.duration_ms));
    let mut text = lines.to_string();
    if let Some(error) = &run.error {
        text.push_str(&terminal::wrapped("  ! ", 4, &plain(error)));
    }
    for note in &run.notes {
        text.push_str(&terminal::wrapped("  note: ", 8, &plain(note)));
    }
    text
}

/// `starling feeds history`
pub(crate) fn feed_history(history: &[FeedRun]) -> String {
    if history.is_empty() {
        return "the feed was not run yet\n".to_owned();
    }
    let mut table = Table::new(["BEGAN", "OUTCOME", "DOCUMENTS", "SIZE", "TOOK", "WHAT CAME OF IT"])
        .numbers(&["DOCUMENTS", "SIZE", "TOOK"])
        .shrinks("WHAT CAME OF IT", 24)
        .leaves_out(&["SIZE", "TOOK", "DOCUMENTS"]);
    for run in history {
        table.row([
            moment(run.started_at),
            run.outcome.as_str().to_owned(),
            count(run.documents),
            size(run.bytes),
            duration(run.duration_ms),
            cut(&came_of(run), CELL),
        ]);
        let tone = match run.outcome {
            FeedRunOutcome::Imported | FeedRunOutcome::Unchanged => Tone::Good,
            FeedRunOutcome::Suspect | FeedRunOutcome::Stopped => Tone::Warn,
            FeedRunOutcome::Failed | FeedRunOutcome::Unknown => Tone::Worst,
        };
        table.tone("OUTCOME", Some(tone));
    }
    table.to_string()
}

/// `starling feeds add`
pub(crate) fn feed_added(feed: &Feed, has_daemon: bool) -> String {
    let next = match (feed.enabled, has_daemon) {
        (false, _) => format!("it is switched off: `starling feeds enable {}`", feed.name),
        (true, true) => format!("the daemon fetches it now: `starling feeds status {}`", feed.name),
        (true, false) => format!(
            "`starling feeds run {}` fetches it, or a daemon does: `starling up`",
            feed.name
        ),
    };
    let lines = Lines::default()
        .add("added", &feed.name)
        .add("source", &feed.source)
        .add("from", from(feed))
        .add("schedule", &feed.schedule)
        .add("next", next);
    lines.to_string()
}

/// `starling feeds enable` and `disable`
pub(crate) fn feed_changed(feed: &Feed) -> String {
    let is = if feed.enabled {
        "switched on"
    } else {
        "switched off; its records stay"
    };
    format!("{} is {is}\n", feed.name)
}

/// `starling feeds set`
pub(crate) fn feed_set(before: &Feed, after: &Feed, change: &FeedChange) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "the default".to_owned());
    let yes = |value: bool| if value { "yes" } else { "no" }.to_owned();
    let shown = [
        ("schedule", before.schedule.clone(), after.schedule.clone()),
        ("address", text(&before.address), text(&after.address)),
        ("parameter", text(&before.parameter), text(&after.parameter)),
        ("whole", yes(before.complete), yes(after.complete)),
        ("shared", yes(before.share_fetch), yes(after.share_fetch)),
    ];
    let mut lines = Lines::default().add("feed", &after.name);
    let mut is_changed = false;
    for (label, old, new) in shown {
        if old != new {
            is_changed = true;
            lines = lines.add(label, format!("{old} -> {new}"));
        }
    }
    // Queries, keys and proxies are not shown; only that they are set.
    let is_hidden = before.address == after.address && after.has_secret;
    for (label, is_given, setting) in [
        ("address", change.address.is_some() && is_hidden, None),
        ("proxy", change.proxy.is_some(), Some(FeedSetting::Proxy)),
        (
            "key file",
            change.api_key_file.is_some(),
            Some(FeedSetting::ApiKeyFile),
        ),
        ("CA file", change.ca_file.is_some(), Some(FeedSetting::CaFile)),
    ] {
        let is_unset = setting.is_some_and(|setting| change.unset.contains(&setting));
        if is_given || is_unset {
            is_changed = true;
            lines = lines.add(label, if is_given { "as given" } else { "the default" });
        }
    }
    if !is_changed {
        return format!("{} is as it was: nothing is changed by that\n", after.name);
    }
    let next = match after.enabled {
        true => format!(
            "from the next run on; `starling feeds run {}` fetches now",
            after.name
        ),
        false => format!("it is switched off: `starling feeds enable {}`", after.name),
    };
    lines.add("next", next).to_string()
}

/// `starling feeds remove`
pub(crate) fn feed_removed(feed: &Feed) -> String {
    format!(
        "{} is removed; the records of {} stay, and nothing here keeps them current any more\n",
        feed.name, feed.source
    )
}

/// `starling feeds presets`
pub(crate) fn feed_presets(presets: &[FeedPreset]) -> String {
    let mut table = Table::new(["PRESET", "WHAT", "ECOSYSTEMS", "SOURCE", "SCHEDULE", "NOTES"])
        .shrinks("NOTES", 48)
        .shrinks("WHAT", 24)
        .shrinks("ECOSYSTEMS", 24)
        .leaves_out(&["SOURCE", "NOTES"]);
    for preset in presets {
        table.row([
            preset.name.clone(),
            preset.title.clone(),
            list(&preset.ecosystems),
            preset.source.clone(),
            preset.schedule.clone(),
            preset.notes.join("; "),
        ]);
    }
    table.to_string()
}

fn from(feed: &Feed) -> String {
    let preset = feed.preset.as_deref().map(|preset| format!("preset {preset}"));
    let parameter = feed.parameter.as_deref().map(str::to_owned);
    let parts = [preset, parameter, feed.address.clone()];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn came_of(run: &FeedRun) -> String {
    match (&run.error, run.outcome) {
        (Some(error), _) => error.clone(),
        (None, FeedRunOutcome::Unchanged) => "nothing new".to_owned(),
        (None, _) => format!(
            "{} new or changed, {} absent, {} rejected",
            count(run.stored),
            count(run.absent),
            count(run.rejected)
        ),
    }
}

fn tone(state: FeedState) -> Option<Tone> {
    match state {
        FeedState::Ok => Some(Tone::Good),
        FeedState::Late | FeedState::Suspect | FeedState::Unknown => Some(Tone::Warn),
        FeedState::Failing => Some(Tone::Worst),
        FeedState::New | FeedState::Running | FeedState::Disabled | FeedState::StandingBy => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unchecked_run_says_how_to_get_a_check() {
        let run = |outcome: &str, checked: bool| -> FeedRun {
            let run = json!({"feed": "mine", "source": "acme", "trigger": "request", "started_at": "2025-01-15T10:30:00.000Z",
                "duration_ms": 5, "outcome": outcome, "whole": true, "checked": checked, "requests": 1, "documents": 1,
                "bytes": 1, "stored": 1, "unchanged": 0, "absent": 0, "rejected": 0});
            serde_json::from_value(run).unwrap()
        };
        let said = |run: FeedRun, partial: &[FeedName]| feed_runs(&[run], partial);
        let partial = said(run("imported", false), &["mine".parse().unwrap()]);
        assert!(partial.contains("`starling feeds set mine --whole`"), "{partial}");
        let part = said(run("imported", false), &[]);
        assert!(
            part.contains("`starling feeds history mine`") && !part.contains("--whole"),
            "{part}"
        );
        let failed = said(run("failed", false), &[]);
        assert!(failed.contains("the next run tries the rest again"), "{failed}");
        assert!(said(run("imported", true), &[]).contains("acme is checked as of now"));
    }
}
