//! Records of the CVE list in format 5, and of other publishers with that format.
//!
//! The containers of the CNA and of each ADP stay separate in `database_specific.native`, because they contradict
//! each other. Of their affected products, only packages of a registry and the CNA's repositories become entries of
//! `affected`; the others stay there with their CPE names.

pub(crate) mod affected;
#[cfg(test)]
mod algorithm_tests;
#[cfg(test)]
mod exception_tests;
mod exceptions;
#[cfg(test)]
mod package_tests;
#[cfg(test)]
mod tests;
mod versions;

pub(crate) use affected::package_of_url;
use starling_protocol::json::Value;

use super::Connector;
use super::draft::Draft;
use super::form::Form;
use super::nvd::{description, link_kind};
use super::output::Output;
use super::severity;
use super::shallow;
use super::shape::Shape;
use super::text::{self, quote};
use super::value::{self, list_of, str_of, strs_of};

/// Reads records of the CVE list.
pub(crate) struct Cve;

/// The vectors of one metric, newest version of CVSS first.
const METRICS: [(&str, &str); 4] = [
    ("cvssV4_0", "4.0"),
    ("cvssV3_1", "3.1"),
    ("cvssV3_0", "3.0"),
    ("cvssV2_0", "2.0"),
];

/// The form of a record's containers, which entries of the NVD repeat.
const FORM: Form = Form {
    lists: &[
        "adp",
        "affected",
        "versions",
        "changes",
        "cpeApplicability",
        "nodes",
        "cpeMatch",
        "metrics",
        "descriptions",
        "problemTypes",
        "references",
        "rejectedReasons",
    ],
    texts: &["cpes"],
    versions: &VERSIONS,
};

/// Members that are versions.
pub(crate) const VERSIONS: [&str; 8] = [
    "version",
    "lessThan",
    "lessThanOrEqual",
    "at",
    "versionStartIncluding",
    "versionStartExcluding",
    "versionEndIncluding",
    "versionEndExcluding",
];

impl Connector for Cve {
    fn name(&self) -> &'static str {
        "cve"
    }

    fn knows(&self, shape: &Shape<'_>) -> bool {
        shape.has("cveMetadata")
            || (shape.has("containers") && shape.has("dataType"))
            || (shape.has("fetchTime") && shape.has("numberOfChanges"))
    }

    fn read(&self, bytes: &[u8], _: &str, out: &mut Output<'_>) {
        let quoted = FORM.quoted(crate::osv::strip_byte_order_mark(bytes).trim_ascii_start());
        let body = quoted.as_ref();
        if body.first() == Some(&b'[') {
            return out.json_items("", body, &mut entry);
        }
        if shallow::member(body, "numberOfChanges").is_some() {
            return out.ignore("", "a list of changes, not a record");
        }
        if let Some(record) = out.json(body) {
            entry(out, String::new(), record);
        }
    }
}

fn entry(out: &mut Output<'_>, pointer: String, record: Value<'_>) {
    let (record, odd) = FORM.read(record);
    if record.get("numberOfChanges").is_some() {
        return out.ignore(pointer, "a list of changes, not a record");
    }
    let Some(metadata) = record.get("cveMetadata") else {
        return out.reject(pointer, "the record has no cveMetadata");
    };
    let id = str_of(metadata, "cveId").unwrap_or_default();
    if !text::is_cve(id) {
        return out.reject(pointer, format!("not the id of a CVE record: \"{}\"", quote(id)));
    }
    let mut draft = Draft::of(id);
    draft.warn_of(odd);
    draft.published = draft.time("datePublished", str_of(metadata, "datePublished"));
    draft.modified = draft.time("dateUpdated", str_of(metadata, "dateUpdated"));
    match str_of(metadata, "state") {
        Some("REJECTED") => {
            let when = draft.time("dateRejected", str_of(metadata, "dateRejected"));
            draft.withdrawn = when.or_else(|| draft.modified.clone());
            if draft.withdrawn.is_none() {
                draft.warn("rejected without a date");
            }
        }
        Some("PUBLISHED") => {}
        other => draft.warn(format!("unknown state \"{}\"", quote(other.unwrap_or_default()))),
    }
    let cna = record.pointer("/containers/cna").cloned().unwrap_or_default();
    if cna.is_null() {
        draft.warn("the record has no container of a CNA");
    }
    // Records that were never in the list have no times of their own.
    if draft.published.is_none() {
        draft.published = draft.time("datePublic", str_of(&cna, "datePublic"));
    }
    if draft.modified.is_none() {
        let updated = cna
            .pointer("/providerMetadata/dateUpdated")
            .and_then(Value::as_str);
        draft.modified = draft
            .time("dateUpdated", updated)
            .or_else(|| draft.published.clone());
    }
    draft.summary = str_of(&cna, "title").map(str::to_owned);
    draft.details = description(&cna).or_else(|| rejection(&cna));
    let adps = record
        .pointer("/containers/adp")
        .and_then(Value::as_array)
        .unwrap_or_default();
    let mut word = None;
    for container in std::iter::once(&cna).chain(adps) {
        word = word.or(rate(&mut draft, container));
        for reference in list_of(container, "references") {
            let tags: Vec<&str> = strs_of(reference, "tags").collect();
            if let Some(url) = str_of(reference, "url") {
                draft.link(link_kind(&tags), url);
            }
        }
    }
    if let Some(word) = word {
        draft.specific.push(("severity", value::text(word)));
    }
    let cwes = cwes(&cna);
    if !cwes.is_empty() {
        draft.specific.push(("cwe_ids", value::texts(cwes)));
    }
    let mut said = affected::Said::default();
    affected::of_products(&mut draft, list_of(&cna, "affected"), &mut said);
    for adp in adps {
        affected::of_adp(&mut draft, adp, &mut said);
    }
    keep_containers(&mut draft, &record, metadata, cna, adps);
    out.record(pointer, draft);
}

/// Keeps what has no place in the schema, each container by itself.
fn keep_containers<'v>(
    draft: &mut Draft<'v>,
    record: &Value<'v>,
    metadata: &Value<'v>,
    cna: Value<'v>,
    adps: &[Value<'v>],
) {
    draft.keep(
        "cveMetadata",
        value::without(metadata.clone(), &["cveId", "datePublished", "dateUpdated"]),
    );
    if let Some(version) = record.get("dataVersion") {
        draft.keep("dataVersion", version.clone());
    }
    let is_told = list_of(&cna, "descriptions").len() == 1;
    let told: &[&str] = if is_told {
        &["title", "descriptions"]
    } else {
        &["title"]
    };
    draft.keep("cna", value::without(cna, told));
    draft.keep("adp", Value::Array(adps.to_vec()));
}

fn rejection(cna: &Value<'_>) -> Option<String> {
    let reason = list_of(cna, "rejectedReasons").first()?;
    str_of(reason, "value").map(str::to_owned)
}

/// Adds a container's vectors, and returns its first severity as a word.
fn rate(draft: &mut Draft<'_>, container: &Value<'_>) -> Option<String> {
    let mut found = None;
    for metric in list_of(container, "metrics") {
        for (key, version) in METRICS {
            let Some(cvss) = metric.get(key) else { continue };
            let vector = str_of(cvss, "vectorString").unwrap_or_default();
            match severity::vector_of(vector, version) {
                Some(severity) => draft.rate(severity),
                None => {
                    draft.warn(format!("{key}: not a CVSS vector: \"{}\"", quote(vector)));
                    found = found.or_else(|| word_of(cvss.get("baseSeverity")?));
                }
            }
        }
        found = found.or_else(|| other_word(metric));
    }
    found
}

/// Returns the severity of a metric that is a word of the publisher's own scale.
fn other_word(metric: &Value<'_>) -> Option<String> {
    let other = metric.get("other")?;
    let kind = str_of(other, "type").unwrap_or_default();
    if ["ssvc", "kev"].iter().any(|own| kind.eq_ignore_ascii_case(own)) {
        return None;
    }
    let content = other.get("content")?;
    let members = ["text", "value", "level", "severity"].into_iter();
    word_of(content).or_else(|| members.filter_map(|key| word_of(content.get(key)?)).next())
}

/// Returns a text that is a severity.
fn word_of(value: &Value<'_>) -> Option<String> {
    let word = value.as_str()?.trim();
    let is_severity = ["low", "medium", "moderate", "high", "important", "critical"]
        .iter()
        .any(|own| word.eq_ignore_ascii_case(own));
    is_severity.then(|| word.to_owned())
}

fn cwes(cna: &Value<'_>) -> Vec<String> {
    let problems = list_of(cna, "problemTypes").iter();
    let described = problems.flat_map(|problem| list_of(problem, "descriptions"));
    let ids = described.filter_map(|one| str_of(one, "cweId"));
    text::distinct(ids.filter(|cwe| cwe.starts_with("CWE-")))
}
