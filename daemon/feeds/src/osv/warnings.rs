//! Accepted problems of a record: wrong types of the OSV schema, and typical errors of real sources.
//!
//! Only problems that change the result of a scan or a merge are detected. This is not a validator of the schema.

mod form;

use std::fmt;

use starling_protocol::json::{Object, Value};

use super::about::{COMMITS_ONLY, why_nameless};

/// Most warnings of one record; a completely wrong record has a single further one.
const MAX_WARNINGS: usize = 32;

/// Longest foreign text quoted in a warning, in characters.
const MAX_QUOTED_CHARS: usize = 60;

/// The years in which an advisory can have been written. Sources use year 1 for "unknown".
const PLAUSIBLE_YEARS: std::ops::RangeInclusive<i16> = 1980..=2999;

/// Ecosystems whose registries only allow ASCII in package names, so that another character is a mistake or a
/// look-alike and the name matches nothing. A suffix after `:` does not matter.
const ASCII_ECOSYSTEMS: [&str; 24] = [
    "AlmaLinux",
    "Alpaquita",
    "Alpine",
    "Bioconductor",
    "Bitnami",
    "CRAN",
    "Chainguard",
    "Debian",
    "Go",
    "Hackage",
    "Hex",
    "Julia",
    "Maven",
    "NuGet",
    "Packagist",
    "Pub",
    "PyPI",
    "Red Hat",
    "Rocky Linux",
    "RubyGems",
    "Ubuntu",
    "Wolfi",
    "crates.io",
    "npm",
];

/// One problem of an accepted record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// JSON pointer to the place in the record.
    pub pointer: String,
    /// The problem.
    pub kind: WarningKind,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            write!(f, "{}", self.kind)
        } else {
            write!(f, "{}: {}", self.pointer, self.kind)
        }
    }
}

/// The kinds of problem that a record may have and still be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WarningKind {
    /// A field of the schema has another type; readers treat it as missing.
    #[error("expected {expected}, found {found}")]
    WrongType {
        /// The type in the schema.
        expected: &'static str,
        /// The type found.
        found: &'static str,
    },
    /// The record has a note of joined files, which only a site may write.
    #[error("the record has a note of joined files, which only a site may write: the note was removed")]
    NoteOfParts,
    /// The record has no `modified`.
    #[error("the record has no modification time")]
    NoModified,
    /// A time is not in the form of RFC 3339.
    #[error("{found:?} is not a time")]
    NotATime {
        /// The text.
        found: String,
    },
    /// A time is far outside of the years in which advisories were written.
    #[error("{found:?} is not a plausible time")]
    ImplausibleTime {
        /// The text.
        found: String,
    },
    /// A name is empty, or contains white space, so it equals no other name.
    #[error("{found:?} is empty or contains white space")]
    WhiteSpace {
        /// The text.
        found: String,
    },
    /// A package name contains characters that its registry does not allow.
    #[error("{name:?} is not ASCII, which {ecosystem} names are")]
    NonAsciiName {
        /// The ecosystem as written.
        ecosystem: String,
        /// The name.
        name: String,
    },
    /// An entry of `affected` names no package, beside others that do.
    #[error("nothing looks this entry up, because {why}, unlike other entries of the record")]
    NoPackage {
        /// The missing part.
        why: &'static str,
    },
    /// One range contains the same event twice.
    #[error("the event {event} is repeated in this range")]
    RepeatedEvent {
        /// Kind and version: `fixed 1.2.3`.
        event: String,
    },
    /// A member's name looks like one of the schema.
    #[error("{found:?} is not a member of the schema, and is not read: {known:?} may be meant")]
    Misspelt {
        /// The name.
        found: String,
        /// The member of the schema.
        known: &'static str,
    },
    /// An entry says of no version that it is affected.
    #[error("it has neither ranges nor versions: all versions stay undecided")]
    NoRules,
    /// A range has a type that the schema does not have.
    #[error("{found:?} is not a type of range (SEMVER, ECOSYSTEM or GIT): versions stay undecided")]
    RangeType {
        /// The type.
        found: String,
    },
    /// A range has no type.
    #[error("the range has no type: its versions are compared in the order of the ecosystem")]
    NoRangeType,
    /// A range has no event that begins it.
    #[error("no event says from which version on the range affects: versions before its end stay undecided")]
    NoBeginning,
    /// One object has several events.
    #[error("an object with several events ({found}): each counts")]
    SeveralEvents {
        /// Their kinds.
        found: String,
    },
    /// An object has no event.
    #[error(
        "an object without an event of the schema: versions that the range does not affect stay undecided"
    )]
    NoEvent,
    /// A range has both kinds of end.
    #[error("the range has both fixed and last_affected, which contradict each other")]
    TwoKindsOfEnd,
    /// An entry has the same range twice.
    #[error("the entry has this range twice")]
    RepeatedRange,
    /// Data that a connector could not convert, or found unusual.
    #[error("{0}")]
    Native(String),
    /// There were more warnings than are kept.
    #[error("and {more} more")]
    Truncated {
        /// Number of dropped warnings.
        more: usize,
    },
}

/// The problems of a record.
pub(super) struct Checked {
    /// In the order of the checks.
    pub(super) warnings: Vec<Warning>,
    /// True if only the orders of versions and the scales of severities show whether it has more.
    pub(super) needs_orders: bool,
}

/// Checks a record. The form of its rules is checked only of a document: records that a connector made have it.
pub(super) fn check(record: &Object<'_>, is_document: bool) -> Checked {
    let mut checker = Checker {
        is_document,
        ..Checker::default()
    };
    checker.record(record);
    if checker.dropped > 0 {
        let kind = WarningKind::Truncated {
            more: checker.dropped,
        };
        checker.warnings.push(Warning {
            pointer: String::new(),
            kind,
        });
    }
    Checked {
        warnings: checker.warnings,
        needs_orders: is_document && form::needs_orders(record),
    }
}

/// Collects warnings and tracks the current place.
#[derive(Default)]
struct Checker {
    warnings: Vec<Warning>,
    dropped: usize,
    place: Vec<Segment>,
    /// True if the record stands in a document as it is.
    is_document: bool,
}

enum Segment {
    /// The schema's own keys need no escaping in a pointer.
    Key(&'static str),
    Index(usize),
}

impl Checker {
    fn warn(&mut self, kind: WarningKind) {
        if self.warnings.len() >= MAX_WARNINGS {
            self.dropped += 1;
            return;
        }
        let mut pointer = String::new();
        for segment in &self.place {
            pointer.push('/');
            match segment {
                Segment::Key(key) => pointer.push_str(key),
                Segment::Index(index) => pointer.push_str(&index.to_string()),
            }
        }
        self.warnings.push(Warning { pointer, kind });
    }

    fn at(&mut self, segment: Segment, look: impl FnOnce(&mut Self)) {
        self.place.push(segment);
        look(self);
        self.place.pop();
    }

    /// Checks the member `key` if it exists and `pick` accepts it; otherwise warns about its type.
    fn member<'v, 'a, T>(
        &mut self,
        object: &'v Object<'a>,
        key: &'static str,
        expected: &'static str,
        pick: impl FnOnce(&'v Value<'a>) -> Option<T>,
        look: impl FnOnce(&mut Self, T),
    ) {
        let Some(value) = object.get(key) else { return };
        self.at(Segment::Key(key), |checker| match pick(value) {
            Some(picked) => look(checker, picked),
            None => checker.warn(WarningKind::WrongType {
                expected,
                found: value.type_name(),
            }),
        });
    }

    /// Checks each item of the list `key` that `pick` accepts; warns about the type of others.
    fn items<'v, 'a, T>(
        &mut self,
        object: &'v Object<'a>,
        key: &'static str,
        expected_item: &'static str,
        pick: impl Fn(&'v Value<'a>) -> Option<T>,
        look: impl Fn(&mut Self, T),
    ) {
        self.member(object, key, "an array", Value::as_array, |checker, items| {
            for (index, item) in items.iter().enumerate() {
                checker.at(Segment::Index(index), |checker| match pick(item) {
                    Some(picked) => look(checker, picked),
                    None => {
                        checker.warn(WarningKind::WrongType {
                            expected: expected_item,
                            found: item.type_name(),
                        });
                    }
                });
            }
        });
    }

    fn text(&mut self, object: &Object<'_>, keys: &[&'static str]) {
        for key in keys {
            self.member(object, key, "a string", Value::as_str, |_, _| {});
        }
    }

    fn objects(&mut self, object: &Object<'_>, keys: &[&'static str]) {
        for key in keys {
            self.member(object, key, "an object", Value::as_object, |_, _| {});
        }
    }

    fn record(&mut self, record: &Object<'_>) {
        if let Some(id) = record.get("id").and_then(Value::as_str) {
            self.at(Segment::Key("id"), |checker| checker.name(id));
        }
        self.text(record, &["schema_version", "summary", "details"]);
        if record.get("modified").is_none() {
            self.warn(WarningKind::NoModified);
        }
        for key in ["modified", "published", "withdrawn"] {
            self.member(record, key, "a string", Value::as_str, Self::time);
        }
        for key in ["aliases", "related", "upstream"] {
            self.items(record, key, "a string", Value::as_str, Self::name);
        }
        self.spelling(record, &form::RECORD);
        for key in ["references", "credits"] {
            self.items(record, key, "an object", Value::as_object, |_, _| {});
        }
        self.items(record, "severity", "an object", Value::as_object, Self::severity);
        self.objects(record, &["database_specific"]);
        self.items(record, "affected", "an object", Value::as_object, Self::affected);
        self.nameless(record);
    }

    /// Warns about entries without a package beside others with one: the record is found, but not what they say.
    fn nameless(&mut self, record: &Object<'_>) {
        let entries = record.get("affected").and_then(Value::as_array);
        let entries: Vec<_> = entries.unwrap_or_default().iter().map(why_nameless).collect();
        if !entries.contains(&None) {
            return;
        }
        self.at(Segment::Key("affected"), |checker| {
            for (index, why) in entries.into_iter().enumerate() {
                if let Some(why) = why.filter(|why| *why != COMMITS_ONLY) {
                    checker.at(Segment::Index(index), |checker| {
                        checker.warn(WarningKind::NoPackage { why });
                    });
                }
            }
        });
    }

    fn affected(&mut self, affected: &Object<'_>) {
        self.member(affected, "package", "an object", Value::as_object, Self::package);
        self.items(
            affected,
            "severity",
            "an object",
            Value::as_object,
            Self::severity,
        );
        self.spelling(affected, &form::AFFECTED);
        self.rules(affected);
        self.items(affected, "ranges", "an object", Value::as_object, Self::range);
        self.items(affected, "versions", "a string", Value::as_str, |_, _| {});
        self.objects(affected, &["ecosystem_specific", "database_specific"]);
    }

    fn package(&mut self, package: &Object<'_>) {
        self.spelling(package, &form::PACKAGE);
        self.text(package, &["ecosystem", "purl"]);
        let ecosystem = package
            .get("ecosystem")
            .and_then(Value::as_str)
            .unwrap_or_default();
        self.member(package, "name", "a string", Value::as_str, |checker, name| {
            let base = ecosystem.split_once(':').map_or(ecosystem, |(base, _)| base);
            if !name.is_ascii() && ASCII_ECOSYSTEMS.contains(&base) {
                checker.warn(WarningKind::NonAsciiName {
                    ecosystem: quote(ecosystem),
                    name: quote(name),
                });
            }
            if name.trim() != name || name.is_empty() {
                checker.warn(WarningKind::WhiteSpace { found: quote(name) });
            }
        });
    }

    fn range(&mut self, range: &Object<'_>) {
        self.text(range, &["type", "repo"]);
        self.objects(range, &["database_specific"]);
        self.form_of_range(range);
        let mut seen: Vec<(&str, &str)> = Vec::new();
        if let Some(events) = range.get("events").and_then(Value::as_array) {
            seen.extend(events.iter().filter_map(Value::as_object).flat_map(|event| {
                event
                    .iter()
                    .filter_map(|(kind, version)| Some((kind, version.as_str()?)))
            }));
        }
        seen.sort_unstable();
        for pair in seen.windows(2).filter(|pair| pair[0] == pair[1]) {
            let (kind, version) = pair[0];
            let event = format!("{} {}", quote(kind), quote(version));
            self.at(Segment::Key("events"), |checker| {
                checker.warn(WarningKind::RepeatedEvent { event });
            });
        }
        self.items(
            range,
            "events",
            "an object",
            Value::as_object,
            |checker, event| {
                checker.text(event, &form::EVENTS);
                checker.form_of_event(event);
            },
        );
    }

    /// Checks an identifier, which is compared as a whole.
    fn name(&mut self, name: &str) {
        if name.is_empty() || name.contains(char::is_whitespace) {
            self.warn(WarningKind::WhiteSpace { found: quote(name) });
        }
    }

    fn time(&mut self, text: &str) {
        match text.parse::<jiff::Timestamp>() {
            Err(_) => self.warn(WarningKind::NotATime { found: quote(text) }),
            Ok(time) => {
                let year = time.to_zoned(jiff::tz::TimeZone::UTC).year();
                if !PLAUSIBLE_YEARS.contains(&year) {
                    self.warn(WarningKind::ImplausibleTime { found: quote(text) });
                }
            }
        }
    }
}

/// Cuts foreign text to a length for a message.
fn quote(text: &str) -> String {
    let mut characters = text.chars();
    let mut quoted: String = characters.by_ref().take(MAX_QUOTED_CHARS).collect();
    if characters.next().is_some() {
        quoted.push('…');
    }
    quoted
}
