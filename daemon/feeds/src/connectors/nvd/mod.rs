//! The National Vulnerability Database: pages of its API 2.0 and its yearly feeds, which have the same form.
//!
//! Affected products are given as configurations of CPE names, not packages: they are kept unchanged in
//! `database_specific.native.configurations`. What entries repeat of the CNAs (`affected`) has the form of CVE records:
//! its packages become entries of `affected`, and its CPE names are kept beside the configurations.

#[cfg(test)]
mod tests;

use starling_protocol::json::{Object, Value};

use super::Connector;
use super::cve;
use super::draft::Draft;
use super::form::Form;
use super::output::Output;
use super::severity;
use super::shallow;
use super::shape::Shape;
use super::text::{self, quote};
use super::value::{self, list_of, str_of, strs_of};

/// Reads documents of the NVD.
pub(crate) struct Nvd;

/// The form of an entry.
const FORM: Form = Form {
    lists: &[
        "configurations",
        "nodes",
        "cpeMatch",
        "affected",
        "affectedData",
        "versions",
        "changes",
        "descriptions",
        "description",
        "weaknesses",
        "references",
        "cvssMetricV40",
        "cvssMetricV31",
        "cvssMetricV30",
        "cvssMetricV2",
    ],
    texts: &["cpes"],
    versions: &cve::VERSIONS,
};

/// The lists of metrics, by CVSS version, newest first.
const METRICS: [(&str, &str); 4] = [
    ("cvssMetricV40", "4.0"),
    ("cvssMetricV31", "3.1"),
    ("cvssMetricV30", "3.0"),
    ("cvssMetricV2", "2.0"),
];

impl Connector for Nvd {
    fn name(&self) -> &'static str {
        "nvd"
    }

    fn knows(&self, shape: &Shape<'_>) -> bool {
        shape.is_object_with(&["resultsPerPage", "vulnerabilities"])
            || shape.is_object_with(&["resultsPerPage", "cveChanges"])
            || shape.is_object_with(&["resultsPerPage", "matchStrings"])
            || shape.is_object_with(&["CVE_data_type", "CVE_Items"])
            || shape.is_object_with(&["feed_name", "cve_items"])
            || shape.is_object_with(&["resultsPerPage", "products"])
            || shape.is_object_with(&["id", "sourceIdentifier", "vulnStatus"])
            || (shape.has("cve")
                && shape
                    .value("cve")
                    .is_some_and(|cve| shallow::member(cve, "sourceIdentifier").is_some()))
    }

    fn read(&self, bytes: &[u8], _: &str, out: &mut Output<'_>) {
        let quoted = FORM.quoted(crate::osv::strip_byte_order_mark(bytes).trim_ascii_start());
        let body = quoted.as_ref();
        let is_one = |key: &str| shallow::member(body, key).is_some();
        if ["cveChanges", "matchStrings", "products"].into_iter().any(is_one) {
            return out.ignore("", "a page of changes or of CPE names, not of vulnerabilities");
        }
        if is_one("CVE_Items") {
            return out.ignore(
                "",
                "a feed in format 1.1, which is retired and not read: fetch format 2.0",
            );
        }
        if is_one("vulnStatus") || is_one("cve") {
            if let Some(item) = out.json(body) {
                entry(out, String::new(), item);
            }
            return;
        }
        let mut count = 0_usize;
        // Feeds that are rebuilt from the interface have another name for the list.
        let rest = out.json_lists(
            body,
            &["vulnerabilities", "cve_items"],
            &mut |out, pointer, item| {
                count += 1;
                entry(out, pointer, item);
            },
        );
        let number = |name: &str| value::count_of(&rest, name);
        out.page(number("totalResults"), number("startIndex"), count, "");
        // Every page except the last one is full; a shorter one is incomplete.
        if let (Some(page), Some(start), Some(total)) = (
            number("resultsPerPage"),
            number("startIndex"),
            number("totalResults"),
        ) && count < page
            && start.saturating_add(count) < total
        {
            out.note(format!(
                "the page is short: it says {page} of {total} from {start} on, and has {count}; fetch it again"
            ));
        }
    }
}

fn entry(out: &mut Output<'_>, pointer: String, item: Value<'_>) {
    let cve = match item {
        Value::Object(object) if object.get("cve").is_some() => {
            let members = object.into_entries();
            members
                .into_iter()
                .find(|(key, _)| key == "cve")
                .map(|(_, value)| value)
                .unwrap_or_default()
        }
        other => other,
    };
    let (cve, odd) = FORM.read(cve);
    let id = str_of(&cve, "id").unwrap_or_default();
    if !text::is_cve(id) {
        return out.reject(pointer, format!("not the id of a CVE record: \"{}\"", quote(id)));
    }
    let mut draft = Draft::of(id);
    draft.warn_of(odd);
    draft.published = draft.time("published", str_of(&cve, "published"));
    draft.modified = draft.time("lastModified", str_of(&cve, "lastModified"));
    if str_of(&cve, "vulnStatus").is_some_and(|status| status.eq_ignore_ascii_case("rejected")) {
        draft.withdrawn = draft.modified.clone().or_else(|| draft.published.clone());
        if draft.withdrawn.is_none() {
            draft.warn("rejected without a date");
        }
    }
    draft.details = description(&cve);
    rate(&mut draft, &cve);
    for reference in list_of(&cve, "references") {
        let tags: Vec<&str> = strs_of(reference, "tags").collect();
        if let Some(url) = str_of(reference, "url") {
            draft.link(link_kind(&tags), url);
        }
    }
    let mut said = cve::affected::Said::default();
    for stated in list_of(&cve, "affected") {
        cve::affected::of_products(&mut draft, list_of(stated, "affectedData"), &mut said);
    }
    let cwes = cwes(&cve);
    if !cwes.is_empty() {
        draft.specific.push(("cwe_ids", value::texts(cwes)));
    }
    let is_told = list_of(&cve, "descriptions").len() == 1 && draft.details.is_some();
    let told: &[&str] = if is_told { &["id", "descriptions"] } else { &["id"] };
    if let Value::Object(object) = value::without(cve, told) {
        for (key, value) in object.into_entries() {
            if draft.published.is_some() && key == "published"
                || draft.modified.is_some() && key == "lastModified"
            {
                continue;
            }
            draft.keep(key, value);
        }
    }
    out.record(pointer, draft);
}

/// Returns the English description, else the first.
pub(crate) fn description(cve: &Value<'_>) -> Option<String> {
    let all = list_of(cve, "descriptions");
    let is_english = |one: &&Value<'_>| {
        str_of(one, "lang").is_some_and(|lang| lang.to_ascii_lowercase().starts_with("en"))
    };
    let chosen = all.iter().find(is_english).or_else(|| all.first())?;
    str_of(chosen, "value").map(str::to_owned)
}

/// Adds the vectors: the database's own before others, newer versions of CVSS before older ones.
fn rate(draft: &mut Draft<'_>, cve: &Value<'_>) {
    let Some(metrics) = cve.get("metrics") else { return };
    let is_unread = |key: &str| key.starts_with("cvss") && METRICS.iter().all(|(own, _)| *own != key);
    for (key, _) in metrics.as_object().into_iter().flat_map(Object::iter) {
        if is_unread(key) {
            draft.warn(format!("the ratings under \"{}\" are not understood", quote(key)));
        }
    }
    let mut word = None;
    for is_primary in [true, false] {
        for (key, version) in METRICS {
            for metric in list_of(metrics, key) {
                if (str_of(metric, "type") == Some("Primary")) != is_primary {
                    continue;
                }
                let vector = metric
                    .pointer("/cvssData/vectorString")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                match severity::vector_of(vector, version) {
                    Some(severity) => draft.rate(severity),
                    None => {
                        draft.warn(format!("{key}: not a CVSS vector: \"{}\"", quote(vector)));
                        let stated = metric
                            .get("cvssData")
                            .and_then(|data| str_of(data, "baseSeverity"));
                        word = word.or(stated).or_else(|| str_of(metric, "baseSeverity"));
                    }
                }
            }
        }
    }
    // A rating without its vector.
    if let Some(word) = word.filter(|_| draft.severity.is_empty()) {
        draft.specific.push(("severity", value::text(word.to_owned())));
    }
}

fn cwes(cve: &Value<'_>) -> Vec<String> {
    let weaknesses = list_of(cve, "weaknesses").iter();
    let described = weaknesses.flat_map(|weakness| list_of(weakness, "description"));
    let values = described.filter_map(|one| str_of(one, "value"));
    text::distinct(values.filter(|cwe| cwe.starts_with("CWE-")))
}

/// Returns the type of a link from the words of the database or a CNA.
pub(crate) fn link_kind(tags: &[&str]) -> &'static str {
    let has = |names: &[&str]| {
        tags.iter()
            .any(|tag| names.contains(&tag.to_ascii_lowercase().as_str()))
    };
    if has(&["patch"]) {
        "FIX"
    } else if has(&["exploit"]) {
        "EVIDENCE"
    } else if has(&[
        "vendor advisory",
        "third party advisory",
        "vendor-advisory",
        "third-party-advisory",
        "us government resource",
    ]) {
        "ADVISORY"
    } else if has(&["issue tracking", "issue-tracking"]) {
        "REPORT"
    } else {
        "WEB"
    }
}
