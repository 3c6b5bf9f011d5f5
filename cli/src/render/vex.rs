//! Renders the site's stored VEX documents.

use std::collections::BTreeMap;

use starling_api_types::{VexEntry, VexList, VexRemoved};

use super::table::Table;
use super::{count, counted, or_dash, plain, size};
use crate::terminal;

/// Renders `starling vex list`.
pub(crate) fn vex_list(list: &VexList) -> String {
    let none = if list.damaged.is_empty() && list.foreign.is_empty() {
        "no VEX documents are stored"
    } else {
        "no VEX document can be read"
    };
    let mut text = table(&list.documents, none, |_| "");
    for damaged in &list.damaged {
        text.push_str(&format!(
            "DAMAGED {}: {}\n",
            damaged.hash,
            plain(&damaged.problem)
        ));
    }
    for foreign in &list.foreign {
        text.push_str(&format!("FOREIGN {}\n", plain(&foreign.problem)));
    }
    text
}

/// Renders `starling vex remove`.
pub(crate) fn vex_removed(removed: &VexRemoved) -> String {
    format!("{} was deleted\n", removed.hash)
}

/// Renders `starling vex add`.
pub(crate) fn vex_added(list: &VexList) -> String {
    table(&list.documents, "", |entry| {
        if entry.known { "already stored" } else { "stored" }
    })
}

fn table(entries: &[VexEntry], none: &str, note: impl Fn(&VexEntry) -> &'static str) -> String {
    let mut table = Table::new([
        "HASH",
        "FORMAT",
        "STATEMENTS",
        "NOT USABLE",
        "SIZE",
        "AUTHOR",
        "NOTE",
    ])
    .numbers(&["STATEMENTS", "NOT USABLE", "SIZE"])
    .shrinks("HASH", 16)
    .shrinks("AUTHOR", 12)
    .leaves_out(&["NOT USABLE", "SIZE"]);
    for entry in entries {
        table.row([
            entry.hash.to_string(),
            entry.format.clone(),
            count(entry.statements),
            count(entry.unusable),
            size(entry.size_bytes),
            or_dash(entry.author.as_ref()),
            note(entry).to_owned(),
        ]);
    }
    if table.is_empty() {
        return format!("{none}\n");
    }
    let mut text = table.to_string();
    let mut numbers: BTreeMap<&str, u64> = BTreeMap::new();
    for reason in entries.iter().flat_map(|entry| &entry.unusable_by) {
        *numbers.entry(&reason.reason).or_default() += reason.statements;
    }
    let numbers = numbers.into_iter();
    text.push_str(&unusable(
        numbers
            .map(|(reason, number)| (plain(reason).into_owned(), number))
            .collect(),
    ));
    text
}

/// Says why statements do not apply: a line for each reason, the most frequent first.
pub(super) fn unusable(mut reasons: Vec<(String, u64)>) -> String {
    reasons.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let lines = reasons.into_iter().map(|(reason, number)| {
        let told = format!("{}: {reason}", counted(number, "statement", "statements"));
        terminal::wrapped("  not usable: ", 4, &told)
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_of_unusable_statements_follow_the_table() {
        let hash = format!("blake3:{}", "0".repeat(64));
        let reason =
            |reason: &str, statements: u64| serde_json::json!({"reason": reason, "statements": statements});
        let entry = serde_json::json!({"hash": hash, "format": "OpenVEX", "statements": 1, "unusable": 3, "size_bytes": 9,
            "added_at": "2026-01-01T00:00:00.000Z", "known": false,
            "unusable_by": [reason("no vulnerability", 1), reason("unknown status", 2)]});
        let list: VexList =
            serde_json::from_value(serde_json::json!({"documents": [entry.clone(), entry]})).unwrap();
        let text = vex_added(&list);
        assert!(
            text.ends_with(
                "\n  not usable: 4 statements: unknown status\n  not usable: 2 statements: no vulnerability\n"
            ),
            "{text}"
        );
    }
}
