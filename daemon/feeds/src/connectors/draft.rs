//! A record under construction in a connector, and its conversion to canonical bytes.

use std::borrow::Cow;
use std::collections::BTreeSet;

use starling_protocol::json::Value;
use starling_protocol::limits::{MAX_JSON_DEPTH, MAX_RECORD_BYTES};

use super::severity::Severity;
use super::text::{is_cve, quote};
use super::value;
use crate::osv::{self, FeedRecord, Rejected, Warning, WarningKind};

/// Most warnings that a connector adds to one record.
const MAX_WARNINGS: usize = 32;

/// The parts of an OSV record, as found by a connector.
#[derive(Debug, Default)]
pub(crate) struct Draft<'a> {
    pub(crate) id: String,
    pub(crate) modified: Option<String>,
    pub(crate) published: Option<String>,
    pub(crate) withdrawn: Option<String>,
    pub(crate) aliases: Vec<String>,
    pub(crate) upstream: Vec<String>,
    pub(crate) related: Vec<String>,
    pub(crate) summary: Option<String>,
    pub(crate) details: Option<String>,
    pub(crate) severity: Vec<Severity>,
    pub(crate) references: Vec<(&'static str, String)>,
    pub(crate) affected: Vec<Affected<'a>>,
    /// Members of `database_specific` beside `native`.
    pub(crate) specific: Vec<(&'static str, Value<'a>)>,
    /// Data of the native document without a place in OSV.
    pub(crate) native: Vec<(Cow<'a, str>, Value<'a>)>,
    /// True for sources without modification times; their records get no warning about it.
    pub(crate) is_without_time: bool,
    warnings: Vec<String>,
    more_warnings: usize,
    /// The ids of each list, and the addresses of links: a record may have very many.
    known: [BTreeSet<String>; 4],
}

/// Places in [`Draft::known`].
const ALIASES: usize = 0;
const UPSTREAM: usize = 1;
const RELATED: usize = 2;
const LINKS: usize = 3;

/// One entry of `affected`.
#[derive(Debug, Default, Clone)]
pub(crate) struct Affected<'a> {
    pub(crate) ecosystem: String,
    pub(crate) name: String,
    pub(crate) purl: Option<String>,
    pub(crate) severity: Vec<Severity>,
    pub(crate) ranges: Vec<Range>,
    pub(crate) versions: Vec<String>,
    /// Members of `ecosystem_specific`.
    pub(crate) ecosystem_specific: Vec<(&'static str, Value<'a>)>,
    /// Members of `database_specific`.
    pub(crate) specific: Vec<(&'static str, Value<'a>)>,
}

/// One range of versions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Range {
    /// `ECOSYSTEM`, `SEMVER`, `GIT`.
    pub(crate) kind: &'static str,
    /// The repository of a `GIT` range.
    pub(crate) repo: Option<String>,
    /// Kind and version of each event.
    pub(crate) events: Vec<(&'static str, String)>,
}

impl Range {
    /// Returns the range of the ecosystem's own order from `introduced` on.
    pub(crate) fn from(introduced: impl Into<String>) -> Self {
        Self {
            kind: "ECOSYSTEM",
            repo: None,
            events: vec![("introduced", introduced.into())],
        }
    }

    /// Returns the range of the ecosystem's own order of all versions before `fixed`.
    pub(crate) fn before(fixed: impl Into<String>) -> Self {
        Self::from("0").and("fixed", fixed)
    }

    /// Returns a range without events, which a scan leaves undecided.
    pub(crate) fn undecided() -> Self {
        Self {
            kind: "ECOSYSTEM",
            repo: None,
            events: Vec::new(),
        }
    }

    /// Adds an event.
    pub(crate) fn and(mut self, kind: &'static str, version: impl Into<String>) -> Self {
        self.events.push((kind, version.into()));
        self
    }

    fn into_value(self) -> Value<'static> {
        let events = self
            .events
            .into_iter()
            .map(|(kind, version)| value::object([(kind, value::text(version))]));
        let events = Value::Array(events.collect());
        let mut members = vec![("type", value::text(self.kind)), ("events", events)];
        if let Some(repo) = self.repo {
            members.push(("repo", value::text(repo)));
        }
        value::object(members)
    }
}

impl<'a> Affected<'a> {
    /// Returns an entry about a package, without any versions.
    pub(crate) fn of(ecosystem: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            ecosystem: ecosystem.into(),
            name: name.into(),
            ..Self::default()
        }
    }

    fn into_value(self) -> Value<'a> {
        let mut members = Vec::new();
        if !self.name.is_empty() {
            let mut package = vec![
                ("ecosystem", value::text(self.ecosystem)),
                ("name", value::text(self.name)),
            ];
            package.extend(self.purl.map(|purl| ("purl", value::text(purl))));
            members.push(("package", value::object(package)));
        }
        if !self.ranges.is_empty() {
            let ranges = self.ranges.into_iter().map(Range::into_value).collect();
            members.push(("ranges", Value::Array(ranges)));
        }
        if !self.versions.is_empty() {
            members.push(("versions", value::texts(self.versions)));
        }
        if !self.severity.is_empty() {
            members.push(("severity", severities(self.severity)));
        }
        if !self.ecosystem_specific.is_empty() {
            members.push(("ecosystem_specific", value::object(self.ecosystem_specific)));
        }
        if !self.specific.is_empty() {
            members.push(("database_specific", value::object(self.specific)));
        }
        value::object(members)
    }
}

fn severities(list: Vec<Severity>) -> Value<'static> {
    let entry =
        |one: Severity| value::object([("type", value::text(one.kind)), ("score", value::text(one.score))]);
    Value::Array(list.into_iter().map(entry).collect())
}

impl<'a> Draft<'a> {
    /// Creates a record with only its id.
    pub(crate) fn of(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            ..Self::default()
        }
    }

    /// Adds a warning about lost or unusual data.
    pub(crate) fn warn(&mut self, what: impl Into<String>) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(what.into());
        } else {
            self.more_warnings += 1;
        }
    }

    /// Adds a warning for each of these.
    pub(crate) fn warn_of(&mut self, all: impl IntoIterator<Item = String>) {
        all.into_iter().for_each(|what| self.warn(what));
    }

    /// Adds a severity, unless it is already there.
    pub(crate) fn rate(&mut self, severity: Severity) {
        if !self.severity.contains(&severity) {
            self.severity.push(severity);
        }
    }

    /// Adds a link, unless its address is already there.
    pub(crate) fn link(&mut self, kind: &'static str, url: &str) {
        let url = url.trim();
        if !url.is_empty() && self.known[LINKS].insert(url.to_owned()) {
            self.references.push((kind, url.to_owned()));
        }
    }

    /// Adds an alias, unless it is the record's own id or already there.
    pub(crate) fn alias(&mut self, id: &str) {
        add(&mut self.aliases, &mut self.known[ALIASES], &self.id, id);
    }

    /// Adds the id of a vulnerability from which the record is derived.
    pub(crate) fn derive(&mut self, id: &str) {
        add(&mut self.upstream, &mut self.known[UPSTREAM], &self.id, id);
    }

    /// Adds other names of a vulnerability in a database. A single CVE record is the same vulnerability; several are
    /// the subject of the entry, so that none of them becomes another's alias.
    /// A placeholder such as `CVE-2024-XXXX` names nothing.
    pub(crate) fn named(&mut self, ids: &[&str]) {
        let spelt = |id: &&str| {
            let large = id.trim().to_ascii_uppercase();
            if is_cve(&large) {
                large
            } else {
                id.trim().to_owned()
            }
        };
        let ids: Vec<String> = ids.iter().map(spelt).collect();
        let cves = ids.iter().filter(|id| is_cve(id));
        let is_of_several = cves.collect::<BTreeSet<_>>().len() > 1;
        for id in ids.iter().map(String::as_str) {
            if bad_id(id).is_some() || (id.starts_with("CVE-") && !is_cve(id)) {
                self.warn(format!("not a name of a vulnerability: \"{}\"", quote(id)));
            } else if is_of_several {
                self.derive(id);
            } else {
                self.alias(id);
            }
        }
    }

    /// Returns true if the record is derived from a vulnerability of this id.
    pub(crate) fn is_derived_from(&self, id: &str) -> bool {
        self.known[UPSTREAM].contains(id)
    }

    /// Adds an id as a link only.
    pub(crate) fn relate(&mut self, id: &str) {
        add(&mut self.related, &mut self.known[RELATED], &self.id, id);
    }

    /// Adds a member of the native document that has no place in OSV, unless it is empty.
    pub(crate) fn keep(&mut self, key: impl Into<Cow<'a, str>>, value: Value<'a>) {
        if !value::is_empty(&value) {
            self.native.push((key.into(), value));
        }
    }

    /// Parses a time of the source; an unreadable one is kept and reported.
    pub(crate) fn time(&mut self, key: &'static str, text: Option<&str>) -> Option<String> {
        let text = text.map(str::trim).filter(|text| !text.is_empty())?;
        let time = super::text::time(text);
        if time.is_none() {
            self.warn(format!("{key} is not a time: \"{}\"", quote(text)));
            self.keep(key, value::text(text.to_owned()));
        }
        time
    }

    /// Returns the record's canonical bytes.
    ///
    /// # Errors
    /// If its id is not valid, or it is too long even without the data that has no place in OSV.
    pub(crate) fn finish(mut self) -> Result<FeedRecord, Rejected> {
        if let Some(why) = bad_id(&self.id) {
            return Err(Rejected::Native(why));
        }
        let mut warnings = std::mem::take(&mut self.warnings);
        let (more, is_without_time) = (self.more_warnings, self.is_without_time);
        let mut value = self.into_value();
        if value::depth(&value) > MAX_JSON_DEPTH {
            return Err(Rejected::Native(format!(
                "nested deeper than {MAX_JSON_DEPTH} levels"
            )));
        }
        if value.to_canonical().len() > MAX_RECORD_BYTES
            && let Some(specific) = value.get("database_specific").cloned()
        {
            warnings.push(
                "what has no place in the schema is left away, as the record would be too long".to_owned(),
            );
            let Value::Object(object) = value else {
                return Err(Rejected::NotAnObject {
                    found: "another value",
                });
            };
            let members = object
                .into_entries()
                .into_iter()
                .filter(|(key, _)| key != "database_specific");
            let rest = value::without(specific, &["native"]);
            value = value::object(members.chain([(Cow::Borrowed("database_specific"), rest)]));
        }
        let mut record = osv::record_of_value(&value)?;
        if is_without_time {
            record
                .warnings
                .retain(|warning| warning.kind != WarningKind::NoModified);
        }
        let own = warnings.into_iter().map(|what| Warning {
            pointer: String::new(),
            kind: WarningKind::Native(what),
        });
        record.warnings.extend(own);
        if more > 0 {
            record.warnings.push(Warning {
                pointer: String::new(),
                kind: WarningKind::Truncated { more },
            });
        }
        Ok(record)
    }

    fn into_value(self) -> Value<'a> {
        let mut members: Vec<(&'static str, Value<'a>)> = vec![
            ("schema_version", value::text("1.7.3")),
            ("id", value::text(self.id)),
        ];
        for (key, text) in [
            ("modified", self.modified),
            ("published", self.published),
            ("withdrawn", self.withdrawn),
            ("summary", self.summary),
            ("details", self.details),
        ] {
            members.extend(text.map(|text| (key, value::text(text))));
        }
        for (key, list) in [
            ("aliases", self.aliases),
            ("upstream", self.upstream),
            ("related", self.related),
        ] {
            if !list.is_empty() {
                members.push((key, value::texts(list)));
            }
        }
        if !self.severity.is_empty() {
            members.push(("severity", severities(self.severity)));
        }
        if !self.affected.is_empty() {
            let affected = self.affected.into_iter().map(Affected::into_value).collect();
            members.push(("affected", Value::Array(affected)));
        }
        if !self.references.is_empty() {
            let link = |(kind, url)| value::object([("type", value::text(kind)), ("url", value::text(url))]);
            let links = self.references.into_iter().map(link).collect();
            members.push(("references", Value::Array(links)));
        }
        let mut specific = self.specific;
        if !self.native.is_empty() {
            specific.push(("native", value::object(self.native)));
        }
        if !specific.is_empty() {
            members.push(("database_specific", value::object(specific)));
        }
        value::object(members)
    }
}

fn add(list: &mut Vec<String>, known: &mut BTreeSet<String>, own: &str, id: &str) {
    let id = id.trim();
    if !id.is_empty() && id != own && known.insert(id.to_owned()) {
        list.push(id.to_owned());
    }
}

/// Returns why an id is not valid: ids become file names and parts of addresses.
fn bad_id(id: &str) -> Option<String> {
    let shown = quote(id);
    if id.trim().is_empty() {
        Some("the record has no id".to_owned())
    } else if id.contains(['/', '\\']) || id.contains("..") {
        Some(format!("the id \"{shown}\" has parts of a path"))
    } else if id.contains(|c: char| c.is_whitespace() || c.is_control()) {
        Some(format!(
            "the id \"{shown}\" has white space or control characters"
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draft_becomes_a_record_with_its_warnings() {
        let mut draft = Draft::of("X-1");
        draft.modified = Some("2024-01-01T00:00:00Z".to_owned());
        draft.alias("X-1");
        draft.alias("CVE-2024-0001");
        draft.link("WEB", "https://example.org");
        draft.link("WEB", "https://example.org");
        draft.keep("left", value::text("over"));
        draft.keep("nothing", value::text(""));
        let mut affected = Affected::of("Debian:12", "p");
        affected.ranges.push(Range::before("1.2"));
        draft.affected.push(affected);
        draft.warn("odd");
        let record = draft.finish().unwrap();
        assert_eq!(
            String::from_utf8(record.canonical).unwrap(),
            r#"{"affected":[{"package":{"ecosystem":"Debian:12","name":"p"},"ranges":[{"events":[{"introduced":"0"},{"fixed":"1.2"}],"type":"ECOSYSTEM"}]}],"aliases":["CVE-2024-0001"],"database_specific":{"native":{"left":"over"}},"id":"X-1","modified":"2024-01-01T00:00:00Z","references":[{"type":"WEB","url":"https://example.org"}],"schema_version":"1.7.3"}"#
        );
        assert_eq!(record.warnings.len(), 1);
        assert_eq!(record.warnings[0].to_string(), "odd");
    }

    #[test]
    fn only_several_cve_records_are_upstream() {
        let named = |ids: &[&str]| {
            let mut draft = Draft::of("X-1");
            draft.named(ids);
            (
                draft.aliases.join(" "),
                draft.upstream.join(" "),
                draft.warnings.len(),
            )
        };
        let (one, other) = ("CVE-2030-0001", "CVE-2030-0002");
        assert_eq!(
            named(&[one, "X-1", one, "GHSA-1"]),
            (format!("{one} GHSA-1"), String::new(), 0)
        );
        assert_eq!(named(&["cve-2030-0001", one]), (one.to_owned(), String::new(), 0));
        assert_eq!(named(&[one, other]), (String::new(), format!("{one} {other}"), 0));
        assert_eq!(named(&[one, "CVE-2030-XXXX"]), (one.to_owned(), String::new(), 1));
    }

    #[test]
    fn id_that_could_be_a_path_is_refused() {
        for id in ["", " ", "a/b", "a\\b", "..", "CVE-2024/../x", "a b", "a\nb"] {
            assert!(
                matches!(Draft::of(id).finish(), Err(Rejected::Native(_))),
                "{id:?}"
            );
        }
    }

    #[test]
    fn too_long_record_first_drops_native_data() {
        let mut draft = Draft::of("X-1");
        draft.specific.push(("severity", value::text("HIGH")));
        draft.keep("long", value::text("x".repeat(MAX_RECORD_BYTES)));
        let record = draft.finish().unwrap();
        assert!(record.canonical.len() < 200);
        assert!(
            record
                .warnings
                .iter()
                .any(|warning| warning.to_string().contains("too long"))
        );
        let mut draft = Draft::of("X-1");
        draft.details = Some("x".repeat(MAX_RECORD_BYTES));
        assert!(matches!(draft.finish(), Err(Rejected::TooLarge { .. })));
    }
}
