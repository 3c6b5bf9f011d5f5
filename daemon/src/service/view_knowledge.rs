//! The view as the scanner's knowledge.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use starling_api::ServiceResult;
use starling_protocol::{ContentHash, Source};
use starling_scanner::knowledge::{
    Advisory, Conflict, Knowledge, KnowledgeError, Provenance, Sayer, Statement, Weight,
};
use starling_scanner::osv::{Affected, first_sentence};
use starling_scanner::severity::{StatedSeverity, choose};
use starling_scanner::threat::{Probability, Threat};
use starling_store::ViewReader;
use starling_view::{
    AdvisoryRef, AdvisoryState, CanonicalAdvisory, ContributingRecord, EdgeState, Field, FoldMemo, JsonText,
    RecordKey, VulnerabilityId,
};

use super::problem::store_problem;

/// The source whose records are a catalogue of exploited vulnerabilities.
pub(crate) const KEV_SOURCE: &str = "kev";
/// The severity type that contains the probability of exploitation.
const EPSS_KIND: &str = "EPSS";
/// Vulnerabilities and records that are cached between packages: packages of one project share theirs, and are next
/// to each other.
const REMEMBERED: usize = 4_096;

/// The view, for the scanner.
pub(crate) struct ViewKnowledge<'a> {
    reader: &'a ViewReader<'a>,
    settings: &'a starling_view::Settings,
    memo: FoldMemo,
    known: Mutex<BTreeMap<String, bool>>,
    about: Mutex<BTreeMap<VulnerabilityId, Arc<[ContributingRecord]>>>,
    stated: Mutex<BTreeMap<ContentHash, Arc<[StatedSeverity]>>>,
    /// The source of exploited vulnerabilities, if its catalogue is here, so that absence from it is known.
    kev: Option<Source>,
}

impl<'a> ViewKnowledge<'a> {
    /// Returns the knowledge of `reader`'s view.
    ///
    /// # Errors
    /// A problem of the store.
    pub(crate) fn new(reader: &'a ViewReader<'a>) -> ServiceResult<Self> {
        let failed = |error| store_problem("reading the view", &error);
        // A check alone is not a catalogue: none of its data may have been accepted here.
        let mut sources = reader.sources().map_err(failed)?.into_iter();
        let held = sources.find(|(source, overview)| source.as_str() == KEV_SOURCE && overview.records > 0);
        Ok(Self {
            settings: reader.settings(),
            reader,
            memo: FoldMemo::default(),
            known: Mutex::default(),
            about: Mutex::default(),
            stated: Mutex::default(),
            kev: held.map(|(source, _)| source),
        })
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the cached value, or computes and caches it.
fn remembered<K: Ord + Clone, T: ?Sized>(
    memory: &Mutex<BTreeMap<K, Arc<T>>>,
    key: &K,
    make: impl FnOnce() -> Result<Arc<T>, Failure>,
) -> Result<Arc<T>, Failure> {
    if let Some(known) = locked(memory).get(key) {
        return Ok(Arc::clone(known));
    }
    let made = make()?;
    let mut memory = locked(memory);
    if memory.len() >= REMEMBERED {
        memory.clear();
    }
    memory.insert(key.clone(), Arc::clone(&made));
    Ok(made)
}

impl ViewKnowledge<'_> {
    /// Returns the records about a vulnerability, in fold order.
    fn about(&self, vulnerability: &VulnerabilityId) -> Result<Arc<[ContributingRecord]>, Failure> {
        remembered(&self.about, vulnerability, || {
            Ok(starling_view::records_about(self.reader, &self.settings.policy, vulnerability)?.into())
        })
    }

    /// Returns a record's statement about the severity.
    fn stated_by(&self, record: &ContributingRecord) -> Result<Arc<[StatedSeverity]>, Failure> {
        // Looked up by content only; the caller knows the source.
        remembered(&self.stated, &record.content, || {
            let body = starling_view::Bodies::body(self.reader, &record.content)?;
            let source = &record.record.source;
            let text = body.as_deref().map(starling_view::stated_severity).transpose()?;
            let mut severities = text
                .flatten()
                .map(|text| listed(source, &text))
                .unwrap_or_default();
            let word = body.as_deref().and_then(starling_scanner::severity::in_words);
            severities.extend(word.map(|(kind, value)| StatedSeverity {
                kind,
                source: source.to_string(),
                value,
            }));
            Ok(severities.into())
        })
    }

    fn advisory(&self, folded: &CanonicalAdvisory) -> Result<Advisory, Failure> {
        let about = self.about(&folded.vulnerability)?;
        let mut advisory = advisory_for_scan(folded);
        advisory.threat.kev = self
            .kev
            .as_ref()
            .map(|kev| about.iter().any(|found| found.record.source == *kev));
        let edges = folded.edges.iter();
        let feeding: BTreeSet<RecordKey> = edges
            .filter(|edge| {
                matches!(
                    edge.state,
                    EdgeState::Live | EdgeState::Withdrawn | EdgeState::Unresolved
                )
            })
            .map(|edge| RecordKey::new(edge.source.clone(), edge.id.clone()))
            .collect();
        for record in about.iter() {
            // Its contributing records were already asked, except for severities stated as words outside their list.
            let source = record.record.source.as_str();
            if record.is_unresolved {
                let stated = self.stated_by(record)?;
                advisory
                    .severities
                    .extend(stated.iter().map(|one| StatedSeverity {
                        source: source.to_owned(),
                        ..one.clone()
                    }));
                continue;
            }
            if feeding.contains(&record.record) && has_rated(&advisory, source) {
                continue;
            }
            add_from_elsewhere(
                &mut advisory,
                record.record.source.as_str(),
                &self.stated_by(record)?,
            );
        }
        self.hear_of_related(folded, &mut advisory)?;
        if advisory.unresolved {
            worst_first(&mut advisory.severities, folded);
        }
        // Sources that are not in the order lower no rating of a better source, even for the package itself.
        let is_unnamed = |one: &StatedSeverity| {
            let source = one.source.parse::<Source>();
            source.is_ok_and(|source| !self.settings.policy.names_source(&source))
        };
        if advisory.severities.iter().any(is_unnamed) {
            advisory.severities.sort_by_cached_key(is_unnamed);
        }
        let mut probabilities = advisory.severities.iter().filter_map(epss_of);
        advisory.threat.epss = if advisory.unresolved {
            probabilities.max()
        } else {
            probabilities.next()
        };
        Ok(advisory)
    }
}

impl ViewKnowledge<'_> {
    /// Adds the ratings of vulnerabilities that lead to an advisory without naming it: known exploitation, its
    /// probability, and the severity. Of several ratings of a source, the worst applies.
    fn hear_of_related(&self, folded: &CanonicalAdvisory, advisory: &mut Advisory) -> Result<(), Failure> {
        let mut of_source: BTreeMap<String, Vec<StatedSeverity>> = BTreeMap::new();
        let mut order: Vec<String> = Vec::new();
        for id in folded.upstream.iter().chain(&folded.related) {
            if *id == folded.vulnerability {
                continue;
            }
            for record in self.about(id)?.iter() {
                let source = record.record.source.as_str();
                if self.kev.as_ref().is_some_and(|kev| kev.as_str() == source) {
                    advisory.threat.kev = Some(true);
                }
                let stated = self.stated_by(record)?;
                if !of_source.contains_key(source) {
                    order.push(source.to_owned());
                }
                of_source
                    .entry(source.to_owned())
                    .or_default()
                    .extend(stated.iter().cloned());
            }
        }
        for source in order {
            let mut stated = of_source.remove(&source).unwrap_or_default();
            stated.sort_by_cached_key(|one| {
                let rating = choose(std::slice::from_ref(one), &[]);
                Reverse((epss_of(one), rating.level, rating.score))
            });
            // The first rating is the worst; a milder one of a newer kind would replace it.
            let mut has_rated = false;
            stated.retain(|one| !rates(one) || !std::mem::replace(&mut has_rated, true));
            add_from_elsewhere(advisory, &source, &stated);
        }
        Ok(())
    }
}

/// Returns the probability of exploitation, if this is one.
fn epss_of(stated: &StatedSeverity) -> Option<Probability> {
    (stated.kind == EPSS_KIND)
        .then(|| stated.value.parse().ok())
        .flatten()
}

/// True if a statement rates the severity of the vulnerability.
fn rates(one: &StatedSeverity) -> bool {
    choose(std::slice::from_ref(one), &[]).stated.is_some()
}

/// True if the source rates the severity of the vulnerability.
fn has_rated(advisory: &Advisory, source: &str) -> bool {
    let mut own = advisory.severities.iter().filter(|own| own.source == source);
    own.any(rates)
}

/// Moves a source's worst rating to the front, if no decision exists about the authors of its record.
fn worst_first(severities: &mut [StatedSeverity], folded: &CanonicalAdvisory) {
    let sources: BTreeSet<&str> = folded
        .unresolved
        .iter()
        .map(|record| record.source.as_str())
        .collect();
    for source in sources {
        let places: Vec<usize> = (0..severities.len())
            .filter(|index| severities.get(*index).is_some_and(|one| one.source == source))
            .collect();
        let mut own: Vec<StatedSeverity> = places
            .iter()
            .filter_map(|index| severities.get(*index).cloned())
            .collect();
        own.sort_by_cached_key(|one| {
            let rating = choose(std::slice::from_ref(one), &[]);
            Reverse((epss_of(one), rating.level, rating.score))
        });
        // One rating per source is kept: within a source a newer kind of vector would be chosen, even if it is lower.
        let mut has_rated = false;
        for (index, mut one) in places.into_iter().zip(own) {
            if rates(&one) && std::mem::replace(&mut has_rated, true) {
                one.value.clear();
            }
            if let Some(place) = severities.get_mut(index) {
                *place = one;
            }
        }
    }
}

/// Adds the ratings of a record that does not name the package. A source's statement about the package itself has
/// priority: of each source the first rating record applies, and of all sources one probability.
fn add_from_elsewhere(advisory: &mut Advisory, source: &str, stated: &[StatedSeverity]) {
    let has_rated = has_rated(advisory, source);
    let has_epss = advisory.severities.iter().any(|own| epss_of(own).is_some());
    let is_news = |one: &&StatedSeverity| match epss_of(one) {
        Some(_) => !has_epss,
        None => !has_rated && rates(one),
    };
    let news = stated.iter().filter(is_news).map(|one| StatedSeverity {
        source: source.to_owned(),
        ..one.clone()
    });
    advisory.severities.extend(news.collect::<Vec<_>>());
}

impl Knowledge for ViewKnowledge<'_> {
    fn advisories(&self, ecosystem: &str, name: &str) -> Result<Vec<Advisory>, KnowledgeError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| KnowledgeError {
            ecosystem: ecosystem.to_owned(),
            name: name.to_owned(),
            source,
        };
        let found = starling_view::advisories_by_package(self.reader, ecosystem, name)
            .map_err(|error| failed(Box::new(error)))?;
        let mut advisories = Vec::with_capacity(found.len());
        for AdvisoryRef {
            vulnerability,
            package,
            ..
        } in found
        {
            let folded = starling_view::canonical_advisory_remembering(
                self.reader,
                self.reader,
                self.reader,
                self.settings,
                &vulnerability,
                &package,
                &self.memo,
            )
            .map_err(|error| failed(Box::new(error)))?;
            if let Some(folded) = folded {
                advisories.push(self.advisory(&folded).map_err(failed)?);
            }
        }
        Ok(advisories)
    }

    fn repositories(&self, base: &str) -> Result<Vec<String>, KnowledgeError> {
        let mut found =
            starling_view::ecosystems_with_suffix(self.reader, base).map_err(|error| KnowledgeError {
                ecosystem: base.to_owned(),
                name: String::new(),
                source: Box::new(error),
            })?;
        found.retain(|ecosystem| starling_scanner::purl::osv::address_of(ecosystem).is_some());
        Ok(found)
    }

    fn sources_of(&self, base: &str) -> Result<Option<BTreeSet<String>>, KnowledgeError> {
        let sources = starling_view::sources_of_ecosystem(self.reader, base);
        let sources = sources.map_err(|error| about(base, error))?;
        Ok(Some(sources.iter().map(ToString::to_string).collect()))
    }

    fn knows_ecosystem(&self, ecosystem: &str) -> Result<bool, KnowledgeError> {
        if let Some(known) = locked(&self.known).get(ecosystem) {
            return Ok(*known);
        }
        let known =
            starling_view::knows_ecosystem(self.reader, ecosystem).map_err(|error| KnowledgeError {
                ecosystem: ecosystem.to_owned(),
                name: String::new(),
                source: Box::new(error),
            })?;
        locked(&self.known).insert(ecosystem.to_owned(), known);
        Ok(known)
    }
}

/// Returns the unreadable parts of an ecosystem.
fn about(base: &str, error: impl std::error::Error + Send + Sync + 'static) -> KnowledgeError {
    KnowledgeError {
        ecosystem: base.to_owned(),
        name: String::new(),
        source: Box::new(error),
    }
}

/// Converts a folded advisory to the form for matching, with the statements of its records.
pub(super) fn advisory_for_scan(folded: &CanonicalAdvisory) -> Advisory {
    let mut ids = vec![folded.vulnerability.to_string()];
    ids.extend(folded.aliases.iter().map(ToString::to_string));
    ids.extend(folded.upstream.iter().map(ToString::to_string));
    ids.extend(folded.edges.iter().map(|edge| edge.id.to_string()));
    ids.sort();
    ids.dedup();
    let related = folded.related.iter().map(ToString::to_string);
    let related = related.filter(|id| !ids.contains(id)).collect();
    let fields = &folded.fields;
    let text = |field: &Option<Field>| {
        field
            .as_ref()
            .and_then(|field| serde_json::from_str::<String>(field.value.as_str()).ok())
    };
    let withdrawn = (folded.state == AdvisoryState::Withdrawn)
        .then(|| text(&fields.withdrawn).unwrap_or_else(|| "withdrawn".to_owned()));
    let threat = Threat {
        published: text(&fields.published),
        ..Threat::default()
    };
    let (affected, statements) = statements(folded);
    Advisory {
        merge_hash: folded.merge_hash.to_string(),
        vulnerability: folded.vulnerability.to_string(),
        ids,
        related,
        summary: text(&fields.summary)
            .filter(|summary| !summary.trim().is_empty())
            .or_else(|| Some(first_sentence(&text(&fields.details)?)))
            .unwrap_or_default(),
        withdrawn,
        severities: fields.severity.iter().flat_map(stated_severities).collect(),
        threat,
        affected,
        statements,
        unresolved: !folded.unresolved.is_empty(),
        provenance: provenance(folded),
        conflicts: conflicts(folded),
    }
}

/// Returns the severities of the chosen value, then of the others, each with its source.
pub(super) fn stated_severities(field: &Field) -> Vec<StatedSeverity> {
    let winner = (&field.provenance, &field.value);
    let losers = field.losers.iter().map(|loser| (&loser.provenance, &loser.value));
    std::iter::once(winner)
        .chain(losers)
        .flat_map(|(provenance, value)| listed(&provenance.source, value))
        .collect()
}

/// Returns the severities of one list of this source; none if the list is not valid.
fn listed(source: &Source, list: &JsonText) -> Vec<StatedSeverity> {
    let listed: Vec<starling_scanner::osv::Severity> =
        serde_json::from_str(list.as_str()).unwrap_or_default();
    let stated = listed.into_iter().map(|severity| StatedSeverity {
        source: source.to_string(),
        kind: severity.kind,
        value: severity.score.0,
    });
    stated.collect()
}

/// Returns the package statements of an advisory's records: the entries, and which record each belongs to.
fn statements(folded: &CanonicalAdvisory) -> (Vec<Affected>, Vec<Statement>) {
    if folded.statements.is_empty() {
        let affected = folded.fields.affected.as_ref();
        return (
            affected
                .map(|field| affected_entries(&field.value))
                .unwrap_or_default(),
            Vec::new(),
        );
    }
    let (mut affected, mut statements) = (Vec::new(), Vec::new());
    for stated in &folded.statements {
        let entries = affected_entries(&stated.affected);
        let by = stated.by.iter().map(|record| Sayer {
            record: record.id.to_string(),
            source: record.source.to_string(),
        });
        statements.push(Statement {
            by: by.collect(),
            entries: entries.len(),
            unresolved: stated.is_unresolved,
            weight: match stated.weight {
                starling_view::Weight::Counts => Weight::Counts,
                starling_view::Weight::CountsLast => Weight::CountsLast,
                starling_view::Weight::Outranked => Weight::Outranked,
                starling_view::Weight::Mirrored => Weight::Mirrored,
                starling_view::Weight::NotPreferred => Weight::NotPreferred,
            },
        });
        affected.extend(entries);
    }
    // All records agree and apply, so they need not be distinguished.
    let alone = statements.len() == 1 && statements.iter().all(|statement| statement.weight.counts());
    (affected, if alone { Vec::new() } else { statements })
}

/// Returns the entries of a list of `affected`.
fn affected_entries(list: &JsonText) -> Vec<Affected> {
    // One invalid entry must not hide the others.
    let entries: Vec<serde_json::Value> = serde_json::from_str(list.as_str()).unwrap_or_default();
    entries
        .into_iter()
        .filter_map(|entry| serde_json::from_value(entry).ok())
        .collect()
}

fn provenance(folded: &CanonicalAdvisory) -> Vec<Provenance> {
    let mut records: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for edge in &folded.edges {
        if matches!(
            edge.state,
            EdgeState::Live | EdgeState::Withdrawn | EdgeState::Unresolved
        ) {
            let sites = records
                .entry((edge.source.to_string(), edge.id.to_string()))
                .or_default();
            sites.push(edge.author.to_string());
        }
    }
    records
        .into_iter()
        .map(|((source, record), mut sites)| {
            sites.sort();
            sites.dedup();
            Provenance {
                source,
                record,
                sites,
            }
        })
        .collect()
}

fn conflicts(folded: &CanonicalAdvisory) -> Vec<Conflict> {
    let fields = &folded.fields;
    let named = [
        ("affected", &fields.affected),
        ("severity", &fields.severity),
        ("withdrawn", &fields.withdrawn),
    ];
    let mut conflicts = Vec::new();
    for (name, field) in named {
        if let Some(field) = field.as_ref().filter(|field| !field.losers.is_empty()) {
            let mut lost: Vec<String> = field
                .losers
                .iter()
                .map(|loser| loser.provenance.source.to_string())
                .collect();
            lost.sort();
            lost.dedup();
            let chosen = field.provenance.source.to_string();
            conflicts.push(Conflict {
                field: name.to_owned(),
                chosen,
                lost,
            });
        }
    }
    conflicts
}
