//! The view as the scanner's knowledge: folds on demand, and caches what neighbouring packages share.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use starling_protocol::{ContentHash, Source};
use starling_scanner::cpe::CPE_ECOSYSTEM;
use starling_scanner::knowledge::{Advisory, JudgedAt, Knowledge, KnowledgeError, WithdrawnRating};
use starling_scanner::severity::{StatedSeverity, choose};
use starling_view::{
    AdvisoryRef, Bodies, CanonicalAdvisory, Claims, ContributingRecord, EdgeState, FoldMemo, RecordKey, Rows,
    Settings, VulnerabilityId,
};

use crate::advisory::{advisory_for_scan, withdrawal_of};
use crate::products::ConfigurationsCache;
use crate::ratings::{add_from_elsewhere, epss_of, has_rated, listed, rates, worst_first};
use crate::withdrawn_ratings::{Relation, withdrawn_rating};

/// The source whose records are a catalogue of exploited vulnerabilities.
pub const KEV_SOURCE: &str = "kev";
/// Vulnerabilities and records that are cached between packages: packages of one project share theirs, and are next
/// to each other.
const REMEMBERED: usize = 4_096;

/// The view, for the scanner. `R` reads its rows, claims and bodies.
pub struct ViewKnowledge<'a, R> {
    pub(crate) reader: &'a R,
    pub(crate) settings: &'a Settings,
    pub(crate) memo: FoldMemo,
    known: Mutex<BTreeMap<String, bool>>,
    about: Mutex<BTreeMap<VulnerabilityId, Arc<[ContributingRecord]>>>,
    stated: Mutex<BTreeMap<ContentHash, Arc<StatedRating>>>,
    pub(crate) configurations: ConfigurationsCache,
    /// The source of exploited vulnerabilities, if its catalogue is here, so that absence from it is known.
    kev: Option<Source>,
}

impl<'a, R: Rows + Claims + Bodies> ViewKnowledge<'a, R> {
    /// Returns the knowledge of a view that was folded with `settings`. `kev` is the source of exploited
    /// vulnerabilities ([`KEV_SOURCE`]), if its catalogue is in the view.
    pub fn new(reader: &'a R, settings: &'a Settings, kev: Option<Source>) -> Self {
        Self {
            settings,
            reader,
            memo: FoldMemo::default(),
            known: Mutex::default(),
            about: Mutex::default(),
            stated: Mutex::default(),
            configurations: ConfigurationsCache::default(),
            kev,
        }
    }
}

/// A record's statement about the severity of its vulnerability.
struct StatedRating {
    severities: Vec<StatedSeverity>,
    /// The time of the record's withdrawal, if it is withdrawn by one.
    until: Option<JudgedAt>,
}

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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

/// Returns the day on which a vulnerability was added to the catalogue, as the catalogue writes it.
fn day_added(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let added = body.pointer("/database_specific/native/dateAdded");
    let day = added.and_then(serde_json::Value::as_str).map(str::to_owned);
    day.or_else(|| Some(body.get("modified")?.as_str()?.get(..10)?.to_owned()))
}

impl<R: Rows + Claims + Bodies> ViewKnowledge<'_, R> {
    /// Returns the records about a vulnerability, in fold order.
    fn about(&self, vulnerability: &VulnerabilityId) -> Result<Arc<[ContributingRecord]>, Failure> {
        remembered(&self.about, vulnerability, || {
            Ok(starling_view::records_about(self.reader, &self.settings.policy, vulnerability)?.into())
        })
    }

    /// Returns a record's statement about the severity.
    fn stated_by(&self, record: &ContributingRecord) -> Result<Arc<StatedRating>, Failure> {
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
            let withdrawn = body
                .as_deref()
                .map(starling_view::stated_withdrawal)
                .transpose()?;
            let until = withdrawn.flatten().and_then(|text| withdrawal_of(&text));
            Ok(Arc::new(StatedRating { severities, until }))
        })
    }

    /// Returns the entry of the catalogue of exploited vulnerabilities about one of these: `None` if it lists none, and
    /// the day since which it does, if it says so.
    ///
    /// # Errors
    /// If the knowledge cannot be read.
    pub fn exploited<'v>(
        &self,
        vulnerabilities: impl IntoIterator<Item = &'v VulnerabilityId>,
    ) -> Result<Option<Option<String>>, KnowledgeError> {
        let Some(kev) = &self.kev else { return Ok(None) };
        let failed = |source: Failure| KnowledgeError {
            ecosystem: KEV_SOURCE.to_owned(),
            name: String::new(),
            source,
        };
        for vulnerability in vulnerabilities {
            let about = self.about(vulnerability).map_err(failed)?;
            let mut entries = about
                .iter()
                .filter(|found| found.record.source == *kev && !found.is_withdrawn);
            let Some(entry) = entries.next() else { continue };
            let body = starling_view::Bodies::body(self.reader, &entry.content)
                .map_err(|error| failed(Box::new(error)))?;
            return Ok(Some(body.as_deref().and_then(day_added)));
        }
        Ok(None)
    }

    pub(crate) fn advisory(&self, folded: &CanonicalAdvisory) -> Result<Advisory, Failure> {
        let about = self.about(&folded.vulnerability)?;
        let mut advisory = advisory_for_scan(folded);
        advisory.threat.kev = self.kev.as_ref().map(|kev| {
            about
                .iter()
                .any(|found| found.record.source == *kev && !found.is_withdrawn)
        });
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
        for record in about.iter().filter(|record| !record.is_withdrawn) {
            // Its contributing records were already asked, except for severities stated as words outside their list.
            let source = record.record.source.as_str();
            if record.is_unresolved {
                let stated = self.stated_by(record)?;
                advisory
                    .severities
                    .extend(stated.severities.iter().map(|one| StatedSeverity {
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
                &self.stated_by(record)?.severities,
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
        self.add_withdrawn_ratings(folded, &about, &feeding, &mut advisory)?;
        Ok(advisory)
    }
}

impl<R: Rows + Claims + Bodies> ViewKnowledge<'_, R> {
    /// Adds the ratings of vulnerabilities that lead to an advisory without naming it: known exploitation, its
    /// probability, and the severity. Of several ratings of a source, the worst applies.
    fn hear_of_related(&self, folded: &CanonicalAdvisory, advisory: &mut Advisory) -> Result<(), Failure> {
        let mut of_source: BTreeMap<String, Vec<StatedSeverity>> = BTreeMap::new();
        let mut order: Vec<String> = Vec::new();
        for id in folded.upstream.iter().chain(&folded.related) {
            if *id == folded.vulnerability {
                continue;
            }
            for record in self.about(id)?.iter().filter(|record| !record.is_withdrawn) {
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
                    .extend(stated.severities.iter().cloned());
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

impl<R: Rows + Claims + Bodies> ViewKnowledge<'_, R> {
    /// Adds the ratings by withdrawn records, which apply until the time of their withdrawal.
    fn add_withdrawn_ratings(
        &self,
        folded: &CanonicalAdvisory,
        about: &[ContributingRecord],
        feeding: &BTreeSet<RecordKey>,
        advisory: &mut Advisory,
    ) -> Result<(), Failure> {
        let mut withdrawn: Vec<(ContributingRecord, Relation)> = Vec::new();
        for record in about.iter().filter(|record| record.is_withdrawn) {
            let relation = if feeding.contains(&record.record) {
                Relation::Contributes
            } else {
                Relation::SameVulnerability
            };
            withdrawn.push((record.clone(), relation));
        }
        for id in folded.upstream.iter().chain(&folded.related) {
            if *id != folded.vulnerability {
                let related = self.about(id)?;
                let related = related.iter().filter(|record| record.is_withdrawn);
                withdrawn.extend(related.map(|record| (record.clone(), Relation::Related)));
            }
        }
        for (record, relation) in withdrawn {
            let stated = self.stated_by(&record)?;
            let source = &record.record.source;
            let rating = withdrawn_rating(
                advisory,
                &self.settings.policy,
                source,
                &stated.severities,
                relation,
            );
            let rating = WithdrawnRating {
                until: stated.until,
                kev: self.kev.as_ref() == Some(source),
                ..rating
            };
            if rating.kev || rating.epss.is_some() || !rating.severities.is_empty() {
                advisory.withdrawn_ratings.push(rating);
            }
        }
        Ok(())
    }
}

impl<R: Rows + Claims + Bodies + Sync> Knowledge for ViewKnowledge<'_, R> {
    fn advisories(&self, ecosystem: &str, name: &str) -> Result<Vec<Advisory>, KnowledgeError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| KnowledgeError {
            ecosystem: ecosystem.to_owned(),
            name: name.to_owned(),
            source,
        };
        if ecosystem == CPE_ECOSYSTEM {
            return self.by_product(name).map_err(failed);
        }
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
        let sources = match base {
            CPE_ECOSYSTEM => starling_view::sources_of_products(self.reader),
            base => starling_view::sources_of_ecosystem(self.reader, base),
        };
        let sources = sources.map_err(|error| about(base, error))?;
        Ok(Some(sources.iter().map(ToString::to_string).collect()))
    }

    fn knows_ecosystem(&self, ecosystem: &str) -> Result<bool, KnowledgeError> {
        if let Some(known) = locked(&self.known).get(ecosystem) {
            return Ok(*known);
        }
        let known = match ecosystem {
            CPE_ECOSYSTEM => starling_view::knows_products(self.reader),
            ecosystem => starling_view::knows_ecosystem(self.reader, ecosystem),
        };
        let known = known.map_err(|error| about(ecosystem, error))?;
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
