//! CSAF 2.0 and 2.1: advisories and VEX documents of any provider.
//!
//! One document is one record, named by its tracking id. Products with the URL of a registry's package become entries
//! of `affected`; the product tree and every statement about it are kept in `database_specific.native`. The
//! connectors [`redhat`](super::redhat) and [`suse`](super::suse) add the needs of these distributions; they also use
//! [`document`].

mod extent;
mod form;
mod generic;
mod named;
#[cfg(test)]
mod named_tests;
mod openeuler;
pub(crate) mod status;
#[cfg(test)]
mod tests;
pub(crate) mod tree;

use std::collections::BTreeSet;

use starling_protocol::json::{Number, Value};

use super::Connector;
use super::draft::{Affected, Draft};
use super::form::Form;
use super::output::Output;
use super::severity;
use super::shallow;
use super::shape::Shape;
use super::text::{self, quote};
use super::value::{self, list_of, str_of};
use status::Statements;
use tree::Tree;

/// Reads CSAF documents of any provider.
pub(crate) struct Csaf;

/// Creates entries of `affected` from a document's statements about its products.
pub(crate) type Mapping = for<'v> fn(&mut Draft<'v>, &Tree<'v>, &Statements<'v>) -> Vec<Affected<'v>>;

/// The form of a document.
const FORM: Form = Form {
    lists: &[
        "branches",
        "full_product_names",
        "product_groups",
        "product_paths",
        "relationships",
        "subpaths",
        "vulnerabilities",
        "cwes",
        "ids",
        "metrics",
        "notes",
        "references",
        "remediations",
        "scores",
        "threats",
    ],
    texts: &["group_ids", "product_ids", "purls", "aliases"],
    versions: &[],
};

impl Connector for Csaf {
    fn name(&self) -> &'static str {
        "csaf"
    }

    fn knows(&self, shape: &Shape<'_>) -> bool {
        let is_own = |publisher: String| !is_redhat(&publisher) && !is_suse(&publisher);
        publisher(shape).is_some_and(is_own) && !super::jvn::is_of_interface(shape)
    }

    fn read(&self, bytes: &[u8], _: &str, out: &mut Output<'_>) {
        document(bytes, out, affected);
    }
}

/// Creates entries for packages of registries, for those of openEuler, and for products with a CPE name.
fn affected<'v>(draft: &mut Draft<'v>, tree: &Tree<'v>, statements: &Statements<'v>) -> Vec<Affected<'v>> {
    let mut entries = named::affected(draft, tree, statements);
    entries.extend(openeuler::affected(draft, tree, statements));
    entries
}

/// Reads a document whose products have no versions beside prose: their CPE names say nothing about versions.
pub(crate) fn without_names(bytes: &[u8], out: &mut Output<'_>) {
    document(bytes, out, generic::affected);
}

/// Returns the publisher's namespace if the beginning is that of a CSAF document; empty if it has none.
pub(crate) fn publisher(shape: &Shape<'_>) -> Option<String> {
    let document = shape.value("document")?;
    shallow::member(document, "csaf_version")?;
    let publisher = shallow::member(document, "publisher");
    let namespace = publisher.and_then(|publisher| shallow::member(publisher, "namespace"));
    Some(namespace.and_then(shallow::string).unwrap_or_default())
}

/// Returns true for documents of Red Hat.
pub(crate) fn is_redhat(namespace: &str) -> bool {
    is_of(namespace, "redhat.com")
}

/// Returns true for documents of SUSE.
pub(crate) fn is_suse(namespace: &str) -> bool {
    is_of(namespace, "suse.com") || is_of(namespace, "opensuse.org")
}

/// Returns true if an address is of this domain.
fn is_of(namespace: &str, domain: &str) -> bool {
    let rest = namespace.split_once("://").map_or(namespace, |(_, rest)| rest);
    let host = rest
        .split(['/', ':'])
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    host.strip_suffix(domain)
        .is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

/// Converts each CSAF document to a record, its products with `mapping`.
pub(crate) fn document(bytes: &[u8], out: &mut Output<'_>, mapping: Mapping) {
    out.json_documents(bytes, &mut |out, pointer, whole| {
        let (whole, odd) = FORM.read(whole);
        one(out, pointer, &whole, odd, mapping);
    });
}

fn one(out: &mut Output<'_>, pointer: String, whole: &Value<'_>, odd: BTreeSet<String>, mapping: Mapping) {
    let Some(about) = whole.get("document") else {
        return out.reject(pointer, "not a CSAF document: it has no member \"document\"");
    };
    let tracking = about.get("tracking").cloned().unwrap_or_default();
    let Some(id) = str_of(&tracking, "id") else {
        return out.reject(pointer, "not a CSAF document: it has no document/tracking/id");
    };
    let mut draft = Draft::of(id);
    draft.warn_of(odd);
    draft.published = draft.time("initial_release_date", str_of(&tracking, "initial_release_date"));
    draft.modified = draft.time("current_release_date", str_of(&tracking, "current_release_date"));
    if is_withdrawn(about, &tracking) {
        let time = draft.modified.clone().or_else(|| draft.published.clone());
        draft.withdrawn = time.or_else(|| {
            draft.warn("a withdrawn document without a time");
            Some("1970-01-01T00:00:00Z".to_owned())
        });
    }
    draft.summary = str_of(about, "title").map(str::to_owned);
    let vulnerabilities = list_of(whole, "vulnerabilities");
    draft.details = note(
        list_of(about, "notes"),
        &["description", "details", "summary", "general"],
    );
    if let ([one], true) = (vulnerabilities, draft.details.is_none() || text::is_cve(id)) {
        let own = note(
            list_of(one, "notes"),
            &["description", "details", "general", "summary"],
        );
        draft.details = own.or(draft.details.take());
    }
    name(&mut draft, vulnerabilities);
    // Other names of the document, not of its vulnerabilities.
    for alias in value::strs_of(&tracking, "aliases")
        .filter(|alias| !alias.contains(|c: char| c.is_whitespace() || c == '/'))
    {
        draft.relate(alias);
    }
    links(&mut draft, list_of(about, "references"));
    for vulnerability in vulnerabilities {
        links(&mut draft, list_of(vulnerability, "references"));
    }
    rate(&mut draft, vulnerabilities);
    if let Some(word) = word(about, vulnerabilities) {
        draft.specific.push(("severity", value::text(word)));
    }
    form::check(&mut draft, whole);
    let tree = Tree::read(whole.get("product_tree"));
    let statements = Statements::read(&mut draft, &tree, vulnerabilities);
    draft.affected = mapping(&mut draft, &tree, &statements);
    let whole_about = value::without(about.clone(), &["title"]);
    draft.keep("document", whole_about);
    for key in ["product_tree", "vulnerabilities"] {
        draft.keep(key, whole.get(key).cloned().unwrap_or_default());
    }
    out.record(pointer, draft);
}

/// Returns true for a document that its provider took back, or replaced by another one.
fn is_withdrawn(about: &Value<'_>, tracking: &Value<'_>) -> bool {
    let is_one_of = |text: Option<&str>, words: &[&str]| {
        let text = text.unwrap_or_default();
        words.iter().any(|word| word.eq_ignore_ascii_case(text))
    };
    is_one_of(str_of(tracking, "status"), &["deleted", "withdrawn"])
        || is_one_of(str_of(about, "category"), &["csaf_withdrawn", "csaf_superseded"])
}

/// The prefixes of other databases' ids.
const DATABASES: [&str; 7] = ["GHSA-", "EUVD-", "GO-", "RUSTSEC-", "PYSEC-", "MAL-", "JVNDB-"];

/// Adds the ids of the vulnerabilities, and their weaknesses.
fn name(draft: &mut Draft<'_>, vulnerabilities: &[Value<'_>]) {
    let mut is_named = false;
    let mut weaknesses: Vec<&str> = Vec::new();
    for vulnerability in vulnerabilities {
        let cve = str_of(vulnerability, "cve");
        match cve {
            Some(cve) if text::is_cve(cve) => {
                draft.derive(cve);
                is_named = true;
            }
            Some(other) => draft.warn(format!("not the id of a CVE record: \"{}\"", quote(other))),
            None => {}
        }
        for id in list_of(vulnerability, "ids") {
            let id = str_of(id, "text").unwrap_or_default();
            let is_id = DATABASES.iter().any(|prefix| id.starts_with(prefix));
            match (is_id && !id.contains(char::is_whitespace), cve) {
                (true, Some(_)) => draft.relate(id),
                // Without a CVE record it is the vulnerability's only name.
                (true, None) => {
                    draft.derive(id);
                    is_named = true;
                }
                (false, _) => {}
            }
        }
        let one = vulnerability.get("cwe").into_iter();
        for weakness in one.chain(list_of(vulnerability, "cwes")) {
            weaknesses.extend(str_of(weakness, "id").filter(|id| id.starts_with("CWE-")));
        }
    }
    if !is_named && !vulnerabilities.is_empty() && !text::is_cve(&draft.id) {
        draft.warn("no vulnerability of the document has the id of a CVE record");
    }
    if !weaknesses.is_empty() {
        let ids = text::distinct(weaknesses);
        draft.specific.push(("cwe_ids", value::texts(ids)));
    }
}

/// Returns the text of the first note in the first existing one of these categories.
fn note(notes: &[Value<'_>], categories: &[&str]) -> Option<String> {
    categories.iter().find_map(|category| {
        let found = notes
            .iter()
            .find(|note| str_of(note, "category") == Some(category))?;
        str_of(found, "text").map(str::to_owned)
    })
}

fn links(draft: &mut Draft<'_>, references: &[Value<'_>]) {
    for reference in references {
        let kind = match str_of(reference, "category") {
            Some("self") => "ADVISORY",
            _ => "WEB",
        };
        if let Some(url) = str_of(reference, "url") {
            draft.link(kind, url);
        }
    }
}

/// The vectors of a rating, with the version of CVSS if they do not state it.
const VECTORS: [(&str, &str); 3] = [("cvss_v4", "4.0"), ("cvss_v3", "3.1"), ("cvss_v2", "2.0")];

/// Adds the vectors of all vulnerabilities, worst first.
fn rate(draft: &mut Draft<'_>, vulnerabilities: &[Value<'_>]) {
    let mut rated: Vec<(i64, severity::Severity)> = Vec::new();
    for vulnerability in vulnerabilities {
        for score in contents(vulnerability) {
            for (key, version) in VECTORS {
                let Some(cvss) = score.get(key) else { continue };
                let vector = str_of(cvss, "vectorString").unwrap_or_default();
                let stated = cvss
                    .get("baseScore")
                    .and_then(Value::as_number)
                    .map_or(0.0, Number::as_f64);
                match severity::vector_of(vector, str_of(cvss, "version").unwrap_or(version)) {
                    Some(severity) => rated.push((tenths(stated), severity)),
                    None => draft.warn(format!("{key}: not a CVSS vector: \"{}\"", quote(vector))),
                }
            }
        }
    }
    rated.sort_by_key(|(score, _)| -score);
    for (_, severity) in rated {
        draft.rate(severity);
    }
}

/// Returns the ratings of a vulnerability.
fn contents<'v, 'a>(vulnerability: &'v Value<'a>) -> impl Iterator<Item = &'v Value<'a>> {
    let scores = list_of(vulnerability, "scores").iter();
    let metrics = list_of(vulnerability, "metrics")
        .iter()
        .filter_map(|metric| metric.get("content"));
    scores.chain(metrics)
}

fn tenths(score: f64) -> i64 {
    let text = format!("{:.0}", (score * 10.0).clamp(-1_000.0, 1_000.0));
    text.parse().unwrap_or(0)
}

/// Words for a severity, best first.
const WORDS: [&[&str]; 4] = [
    &["low", "niedrig", "negligible"],
    &["moderate", "medium", "mittel"],
    &["important", "high", "hoch"],
    &["critical", "kritisch"],
];

/// Returns the document's own word for its severity, else the worst word for an impact, else that of a rating.
fn word(about: &Value<'_>, vulnerabilities: &[Value<'_>]) -> Option<String> {
    let stated = about
        .pointer("/aggregate_severity/text")
        .and_then(Value::as_str)
        .map(str::trim);
    if let Some(stated) = stated.filter(|stated| !stated.is_empty() && !stated.eq_ignore_ascii_case("none")) {
        // Consumers know the English words.
        let rank = rank(stated).filter(|_| !is_english(stated));
        return Some(
            rank.and_then(|rank| ENGLISH.get(rank))
                .map_or_else(|| stated.to_owned(), ToString::to_string),
        );
    }
    let impacts = vulnerabilities.iter().flat_map(|vulnerability| {
        let threats = list_of(vulnerability, "threats").iter();
        threats
            .filter(|threat| str_of(threat, "category") == Some("impact"))
            .filter_map(|threat| str_of(threat, "details"))
    });
    worst(impacts).or_else(|| worst(vulnerabilities.iter().flat_map(words)))
}

/// Returns the words of the ratings that stand there without a vector that has a score.
fn words<'v>(vulnerability: &'v Value<'_>) -> impl Iterator<Item = &'v str> {
    contents(vulnerability).flat_map(|content| {
        let base = |(key, version)| {
            let cvss = content.get(key)?;
            let version = str_of(cvss, "version").unwrap_or(version);
            let vector = str_of(cvss, "vectorString").unwrap_or_default();
            let has_vector = severity::vector_of(vector, version).is_some();
            str_of(cvss, "baseSeverity").filter(|_| !has_vector)
        };
        let bases = VECTORS.into_iter().filter_map(base);
        let stated = str_of(content, "qualitative_severity_rating");
        stated.into_iter().chain(bases)
    })
}

/// Returns the worst of these words for a severity.
fn worst<'v>(words: impl Iterator<Item = &'v str>) -> Option<String> {
    let mut worst: Option<(usize, &str)> = None;
    for word in words {
        if let Some(rank) = rank(word)
            && worst.is_none_or(|(other, _)| rank > other)
        {
            worst = Some((rank, word));
        }
    }
    worst.map(|(_, word)| word.to_owned())
}

const ENGLISH: [&str; 4] = ["low", "medium", "high", "critical"];

fn rank(word: &str) -> Option<usize> {
    let word = word.to_ascii_lowercase();
    WORDS.iter().position(|words| words.contains(&word.as_str()))
}

fn is_english(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    !matches!(word.as_str(), "niedrig" | "mittel" | "hoch" | "kritisch")
}
