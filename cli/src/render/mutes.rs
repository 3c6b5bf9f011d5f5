//! Renders mutes.

use starling_api_types::{ChangeProof, Mute, MuteList, MuteState};

use super::table::Table;
use super::{Lines, moment_or, one_line, or_dash, section};

/// Returns a mute's scope, besides the vulnerability.
fn scope(mute: &Mute) -> String {
    let parts = [
        ("", &mute.package),
        ("in ", &mute.ecosystem),
        ("SBOM ", &mute.sbom),
    ];
    let parts = parts
        .iter()
        .filter_map(|(before, text)| Some(format!("{before}{}", text.as_ref()?)));
    let text = parts.collect::<Vec<_>>().join(", ");
    if text.is_empty() {
        "everywhere".to_owned()
    } else {
        text
    }
}

fn site(proof: &ChangeProof) -> String {
    super::author(proof.site_id.as_ref(), &proof.site)
}

/// Describes if a mute applies here.
fn counts(mute: &Mute) -> &'static str {
    match (mute.counts, &mute.remark) {
        (true, None) => "yes",
        (true, Some(_)) => "yes, unconfirmed",
        (false, _) => "no",
    }
}

/// Describes a mute's state at this site: one that is active elsewhere may not count here.
fn state(mute: &Mute) -> String {
    match (mute.state, mute.counts) {
        (MuteState::Active, false) => "not counted here".to_owned(),
        (state, _) => state.to_string(),
    }
}

/// Renders `starling mute list`.
pub(crate) fn mutes(list: &MuteList) -> String {
    let mut text = if list.mutes.is_empty() {
        "nothing is muted; see `starling mute add --help`\n".to_owned()
    } else {
        let mut table = Table::new([
            "MUTE",
            "STATE",
            "COUNTS",
            "VULNERABILITY",
            "WHERE",
            "UNTIL",
            "BY",
            "SITE",
            "REASON",
        ])
        .never_cuts("MUTE")
        .never_cuts("VULNERABILITY")
        .never_cuts("WHERE")
        .wraps("REASON", 16)
        // State and COUNTS tell if a mute does anything: they stay, and ids move to lines of their own before.
        .leaves_out(&["SITE", "BY", "REASON"]);
        for mute in &list.mutes {
            table.row([
                mute.id.clone(),
                state(mute),
                counts(mute).to_owned(),
                mute.vulnerability.clone(),
                scope(mute),
                moment_or(mute.until, "for ever"),
                mute.by.clone(),
                site(&mute.proof),
                one_line(&mute.reason),
            ]);
        }
        table.to_string()
    };
    let mut remarks = Table::new(["MUTE", "COUNTS", "WHY"])
        .never_cuts("MUTE")
        .wraps("WHY", 20);
    for mute in &list.mutes {
        if let Some(remark) = &mute.remark {
            remarks.row([mute.id.clone(), counts(mute).to_owned(), remark.clone()]);
        }
    }
    section(
        &mut text,
        "Mutes that do not count here, or are doubtful",
        &remarks,
    );
    for (title, aside) in [
        ("Changes that wait for others", &list.waiting),
        ("Changes that never count", &list.refused),
    ] {
        let mut table = Table::new(["SITE", "CURSOR", "CHANGE", "WHY"])
            .wraps("WHY", 20)
            .leaves_out(&["CURSOR"]);
        for change in aside {
            table.row([
                site(&change.proof),
                change.proof.cursor.to_string(),
                change.proof.change_hash.chars().take(12).collect(),
                change.why.clone(),
            ]);
        }
        section(&mut text, title, &table);
    }
    text
}

/// Renders `starling mute show`, `add` and `remove`.
pub(crate) fn mute(mute: &Mute) -> String {
    let lines = Lines::default()
        .add("mute", &mute.id)
        .add("state", state(mute))
        .add("counts here", counts(mute))
        .add_if(
            mute.remark.is_some(),
            "because",
            mute.remark.as_deref().unwrap_or_default(),
        )
        .add("vulnerability", &mute.vulnerability)
        .add("package", or_dash(mute.package.as_ref()))
        .add("ecosystem", or_dash(mute.ecosystem.as_ref()))
        .add("sbom", or_dash(mute.sbom.as_ref()))
        .add("until", moment_or(mute.until, "for ever"))
        .add("reason", &mute.reason);
    let mut text = lines.to_string();
    let mut history = Table::new(["AT", "WHAT", "BY", "SITE", "CURSOR", "DELTA", "REASON"])
        .wraps("REASON", 16)
        .leaves_out(&["DELTA", "CURSOR", "SITE"]);
    let mut row = |at: String, what: &str, by: &str, proof: &ChangeProof, reason: &str| {
        history.row([
            at,
            what.to_owned(),
            by.to_owned(),
            site(proof),
            proof.cursor.to_string(),
            proof
                .delta_hash
                .to_string()
                .chars()
                .take("blake3:".len() + 12)
                .collect(),
            one_line(reason),
        ]);
    };
    row(
        mute.created_at.to_string(),
        "muted",
        &mute.by,
        &mute.proof,
        &mute.reason,
    );
    for removal in &mute.removals {
        row(
            removal.removed_at.to_string(),
            "removed",
            &removal.by,
            &removal.proof,
            &removal.reason,
        );
    }
    section(&mut text, "History", &history);
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::terminal;

    #[test]
    fn ignored_mute_is_not_shown_as_active() {
        let proof = json!({"site": format!("blake3:{}", "1".repeat(64)), "site_id": "site-b", "lane": "federation",
            "cursor": "2025-01-15T10:30:00.000Z#0042", "delta_hash": format!("blake3:{}", "2".repeat(64)),
            "change_hash": "3".repeat(64), "epoch": 0, "claimed_at": "2025-01-15T10:30:00.000Z"});
        let list = json!({"mutes": [{"id": "0a-1", "state": "active", "counts": false, "remark": "site-b may not mute here",
            "vulnerability": "CVE-1", "until": "2027-01-01T23:59:59.999Z", "reason": "the parser of the field is switched off here, and everywhere", "by": "ada",
            "created_at": "2025-01-15T10:30:00.000Z", "proof": proof, "removals": []}], "waiting": [], "refused": []});
        let list: MuteList = serde_json::from_value(list).unwrap();
        let text = terminal::at_width(200, || mutes(&list));
        for part in [
            "not counted here",
            "2027-01-01 23:59 ",
            "site-b may not mute here",
            "the parser of the field is switched off here, and everywhere",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(!text.contains("active"), "{text}");
        let narrow = terminal::at_width(60, || mutes(&list));
        for whole in ["0a-1", "CVE-1", "everywhere", "site-b may not mute here"] {
            assert!(narrow.contains(whole), "{whole} is not in\n{narrow}");
        }
        // They say if the mute does anything here.
        let mut long = list.clone();
        long.mutes[0].id = "9f2c41d07ab35e68-12".to_owned();
        long.mutes[0].package = Some("pkg:maven/org.apache.logging.log4j/log4j-core".to_owned());
        for (list, width) in [(&list, 60), (&list, 80), (&long, 80)] {
            let text = terminal::at_width(width, || mutes(list));
            for kept in ["STATE", "COUNTS", "not counted here  no ", "2027-01-01 23:59"] {
                assert!(text.contains(kept), "{kept} is not in\n{text}");
            }
            for line in text.lines() {
                assert!(console::measure_text_width(line) <= width, "{width}: {line}");
            }
        }
        assert!(!narrow.contains('…'), "{narrow}");
    }
}
