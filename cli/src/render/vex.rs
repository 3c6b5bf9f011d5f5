//! Renders the site's stored VEX documents.

use starling_api_types::{VexEntry, VexList, VexRemoved};

use super::table::Table;
use super::{count, or_dash, plain, size};

/// Renders `starling vex list`.
pub(crate) fn vex_list(list: &VexList) -> String {
    let none = if list.damaged.is_empty() {
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
    table.to_string()
}
