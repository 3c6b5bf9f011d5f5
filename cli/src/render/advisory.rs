//! Renders canonical advisories and events.

mod facts;

use std::fmt::Write as _;

use starling_api_types::{
    Advisory, AdvisoryLookup, AdvisoryPage, EventAction, EventRecord, MuteAction, Provenance, RawJson,
    ResolvedField, RestoreAction, SiteEvent,
};

use super::table::Table;
use super::{count, cut, list, moment, on_screen, or_dash, plain, section};
use crate::terminal::Tone;

/// Widest field value shown; `--json` shows it in full.
const VALUE_WIDTH: usize = 100;
/// Widest summary in a list.
const SUMMARY_WIDTH: usize = 60;

/// Renders `starling advisory get`.
pub(crate) fn advisories(lookup: &AdvisoryLookup) -> String {
    let mut text = String::new();
    if let Some(from) = lookup.redirected_from {
        let _ = writeln!(text, "{from} has become what follows.\n");
    }
    for (index, advisory) in lookup.advisories.iter().enumerate() {
        if index > 0 {
            text.push_str("\n---\n\n");
        }
        text.push_str(&one(advisory));
    }
    if lookup.left_out > 0 {
        let _ = writeln!(
            text,
            "\n… and {} more: look up a package URL to see those of one package",
            count(lookup.left_out)
        );
    }
    text
}

fn one(advisory: &Advisory) -> String {
    let mut text = facts::facts(advisory)
        .add("package URL", or_dash(advisory.package.purl.as_ref()))
        .add("merge hash", on_screen(&advisory.merge_hash.to_string()))
        .wrapped();

    let mut fields = Table::new(["FIELD", "FROM", "VALUE"]).shrinks("VALUE", 20);
    for (name, field) in &advisory.fields {
        field_rows(&mut fields, name, field);
    }
    section(&mut text, "Fields", &fields);

    let mut edges = Table::new(["SOURCE", "RECORD", "STATED BY", "STATE", "AT"]).leaves_out(&["AT"]);
    for edge in &advisory.edges {
        edges.row([
            edge.provenance.source.to_string(),
            edge.provenance.record_id.clone(),
            author(&edge.provenance),
            if edge.chosen {
                facts::state(edge.state, edge.withdrawn_from)
            } else {
                format!("{}, not chosen", edge.state.as_str())
            },
            moment(edge.claimed_at),
        ]);
    }
    section(&mut text, "Contributing records", &edges);
    text
}

fn field_rows(table: &mut Table, name: &str, field: &ResolvedField) {
    let value = if field.unresolved {
        "unresolved: awaits a decision".to_owned()
    } else {
        shown(&field.value)
    };
    table.row([name.to_owned(), origin(&field.provenance), value]);
    for loser in &field.losers {
        // Another record is shown by its name, another author of the same record by the author.
        let same = (&loser.provenance.source, &loser.provenance.record_id)
            == (&field.provenance.source, &field.provenance.record_id);
        table.row([
            "  not".to_owned(),
            if same {
                format!("{} by {}", origin(&loser.provenance), author(&loser.provenance))
            } else {
                origin(&loser.provenance)
            },
            shown(&loser.value),
        ]);
    }
}

/// Returns a value for people: a text without its quotes, else the JSON.
fn shown(value: &RawJson) -> String {
    match serde_json::from_str::<String>(value.as_str()) {
        Ok(text) => cut(&text, VALUE_WIDTH),
        Err(_) => cut(value.as_str(), VALUE_WIDTH),
    }
}

fn origin(provenance: &Provenance) -> String {
    format!("{} {}", provenance.source, provenance.record_id)
}

fn author(provenance: &Provenance) -> String {
    super::author(provenance.site_id.as_ref(), &provenance.site)
}

/// Renders `starling advisory list`.
pub(crate) fn advisory_page(page: &AdvisoryPage) -> String {
    if page.advisories.is_empty() {
        return "no advisory matches".to_owned();
    }
    let mut table = Table::new([
        "VULNERABILITY",
        "ECOSYSTEM",
        "PACKAGE",
        "SEVERITY",
        "STATE",
        "SOURCES",
        "SUMMARY",
    ])
    .never_cuts("VULNERABILITY")
    .never_cuts("PACKAGE")
    .shrinks("SUMMARY", 16)
    .leaves_out(&["STATE", "SOURCES", "SUMMARY"]);
    for row in &page.advisories {
        table.row([
            row.vulnerability.clone(),
            row.package.ecosystem.clone(),
            row.package.name.clone(),
            or_dash(row.severity.as_ref()),
            facts::state(row.state, row.withdrawn_from),
            list(&row.sources),
            cut(row.summary.as_deref().unwrap_or(""), SUMMARY_WIDTH),
        ]);
        let level = row.severity.as_deref().unwrap_or_default();
        table.tone(
            "SEVERITY",
            Tone::of_severity(level.split(' ').next().unwrap_or_default()),
        );
    }
    table.to_string()
}

/// Renders one line of `starling events`.
pub(crate) fn event(record: &EventRecord) -> String {
    let event = match &record.event {
        SiteEvent::Canonical(event) => event,
        SiteEvent::Frozen(event) => {
            let line = format!(
                "{} {} author-frozen {} {}: {}",
                record.id, event.frozen_at, event.site_id, event.lane, event.reason
            );
            return plain(&line).into_owned();
        }
        SiteEvent::Differ(event) => {
            let line = format!(
                "{} {} sites-differ {} {}: {}",
                record.id, event.found_at, event.site_id, event.lane, event.difference
            );
            return plain(&line).into_owned();
        }
        SiteEvent::Restored(event) => {
            let action = match event.restore_action {
                RestoreAction::HeldBack => "held-back",
                RestoreAction::WentOn => "went-on",
                RestoreAction::Superseded => "superseded",
                RestoreAction::Unknown => "unknown",
            };
            let line = format!(
                "{} {} site-restored {} {action}: {}",
                record.id, event.found_at, event.site_id, event.reason
            );
            return plain(&line).into_owned();
        }
        SiteEvent::FeedRun(event) => {
            let line = format!(
                "{} {} feed-run {} {}: {}",
                record.id,
                event.ended_at,
                event.feed,
                event.outcome.as_str(),
                event.detail
            );
            return plain(&line).into_owned();
        }
        SiteEvent::Mute(event) => {
            let action = match event.mute_action {
                MuteAction::Added => "muted",
                MuteAction::Ended => "mute-ended",
                MuteAction::Unknown => "unknown",
            };
            let line = format!(
                "{} {} {action} {} {} from {}",
                record.id, event.imported_at, event.vulnerability, event.mute_id, event.site_id
            );
            return plain(&line).into_owned();
        }
    };
    let action = match event.action {
        EventAction::Created => "created",
        EventAction::Updated => "updated",
        EventAction::Redirected => "redirected",
        EventAction::Withdrawn => "withdrawn",
        EventAction::Removed => "removed",
        EventAction::Unknown => "unknown",
    };
    let name = event.cve.as_deref().unwrap_or("-");
    let line = format!(
        "{} {} {action} {name} {} {} from {}",
        record.id,
        event.imported_at,
        event.affects_key,
        on_screen(&event.merge_hash.to_string()),
        event.site_id
    );
    plain(&line).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::terminal;

    #[test]
    fn ids_and_packages_of_a_list_are_never_cut() {
        let row = |vulnerability: &str, package: &str| {
            json!({"merge_hash": format!("blake3:{}", "0".repeat(64)), "vulnerability": vulnerability, "aliases": [],
                "package": {"ecosystem": "Debian:12", "name": package}, "state": "present",
                "summary": "A buffer is read behind its end", "severity": "high 7.5", "sources": ["debian", "nvd"], "modified": null})
        };
        let long = "golang-github-prometheus-client-golang";
        let page = json!({"advisories": [row("CVE-2025-12345", long), row("DEBIAN-CVE-2025-1234567", "curl")], "next": null});
        let page: AdvisoryPage = serde_json::from_value(page).unwrap();
        for width in [60, 80, 120] {
            let text = terminal::at_width(width, || advisory_page(&page));
            for whole in ["CVE-2025-12345", "DEBIAN-CVE-2025-1234567", long] {
                assert!(text.contains(whole), "{width}: {whole} is not in\n{text}");
            }
            let widest = text.lines().map(console::measure_text_width).max();
            assert!(widest <= Some(width), "{width}:\n{text}");
        }
    }
}
