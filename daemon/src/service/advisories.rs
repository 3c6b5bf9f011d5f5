//! Canonical advisories: by any name, in pages, and as a dump of live records.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use bytes::Bytes;
use starling_api::{ByteStream, ServiceResult};
use starling_api_types as types;
use starling_api_types::wording::nearest_within;
use starling_api_types::{ErrorCode, Problem};
use starling_protocol::{MergeHash, Source};
use starling_scanner::ecosystem::Ecosystem;
use starling_scanner::knowledge::{JudgedAt, StatedEntries};
use starling_scanner::matching::{Subject, evaluate};
use starling_scanner::purl::{PackageUrl, osv};
use starling_store::ViewReader;
use starling_view::{AdvisoryRef, CanonicalAdvisory, EdgeState, FoldMemo, PackageId, Resolution, ViewError};

use tokio_util::sync::CancellationToken;

use super::advisory_shown::summary_of;
use super::problem::{knowledge_problem, store_problem};
use super::view_knowledge::view_knowledge;
use super::{Site, SiteParts};
use crate::clock::now;
use crate::ecosystem_names::nearest_ecosystem;

/// Letters up to which a source's name counts as misspelt.
const MISSPELT_WITHIN: usize = 2;
/// Number of records per read while dumping.
const DUMP_PAGE: usize = 512;

impl SiteParts {
    /// Looks up every advisory that answers to a name. Work and memory grow with the number of its packages, of which
    /// at most [`types::AdvisoryLookup::MOST`] are shown.
    pub(super) fn advisory(
        &self,
        name: &str,
        gone: &CancellationToken,
    ) -> ServiceResult<types::AdvisoryLookup> {
        let reader = self.reader()?;
        let mut redirected_from = None;
        let mut version = None;
        let found = if name.starts_with("pkg:") {
            let wanted = WantedPackage::of(name)?;
            version.clone_from(&wanted.version);
            wanted.advisories(&reader)?
        } else if let Ok(hash) = name.parse::<MergeHash>() {
            match starling_view::resolve(&reader, &hash).map_err(|error| view_problem(&error))? {
                Resolution::Current(advisory) => vec![advisory],
                Resolution::Redirected(advisories) => {
                    redirected_from = Some(hash.into());
                    advisories
                }
                Resolution::Unknown => Vec::new(),
            }
        } else {
            starling_view::advisories_by_id(&reader, name).map_err(|error| view_problem(&error))?
        };
        if found.is_empty() {
            if let Some(problem) = self.silence(&reader, name)? {
                return Err(problem);
            }
            let shown: String = name.chars().take(80).collect();
            return Err(Problem::new(
                ErrorCode::AdvisoryNotFound,
                format!("looking up {shown:?}: no advisory has this name"),
            )
            .hint("expected an id or alias (CVE-…, GHSA-…), a package URL or a merge hash"));
        }
        let mut advisories = Vec::new();
        let mut left_out = 0;
        let memo = FoldMemo::default();
        let knowledge = view_knowledge(&reader)?;
        for (index, advisory) in found.iter().enumerate() {
            if advisories.len() == types::AdvisoryLookup::MOST {
                left_out = (found.len() - index) as u64;
                break;
            }
            still_asked(gone)?;
            let folded = self.folded(&reader, advisory, &memo)?;
            let folded = folded.filter(|folded| is_affected(folded, version.as_deref()));
            let Some(folded) = folded else { continue };
            let mut shown = self.shown_advisory(&reader, &folded);
            let leading = folded.upstream.iter().chain(&folded.related);
            let entry = knowledge
                .exploited(std::iter::once(&folded.vulnerability).chain(leading))
                .map_err(|error| knowledge_problem("looking up an advisory", &error))?;
            shown.exploited = entry.map(|since| types::Exploited { since });
            advisories.push(shown);
        }
        if let (true, Some(version)) = (advisories.is_empty(), version) {
            let detail = format!(
                "looking up {name:?}: {} advisories are about the package, but none affects version {version}",
                found.len()
            );
            return Err(Problem::new(ErrorCode::AdvisoryNotFound, detail)
                .hint("without a version, all advisories about the package are shown"));
        }
        Ok(types::AdvisoryLookup {
            query: name.to_owned(),
            redirected_from,
            advisories,
            left_out,
        })
    }

    /// Returns why a record with this name has no advisory, if there is one: the author and the time.
    fn silence(&self, reader: &ViewReader<'_>, name: &str) -> ServiceResult<Option<Problem>> {
        let silent = starling_view::silent_records(reader, name).map_err(|error| view_problem(&error))?;
        let Some((record, state)) = silent.into_iter().next() else {
            return Ok(None);
        };
        let words = reader
            .last_words(&record.source, &record.id)
            .map_err(|error| store_problem("reading the statements", &error))?;
        let said: Vec<String> = words
            .iter()
            .map(|(log, cursor, kind)| {
                let name = self.slug_in(reader, &log.site);
                let name = name.map_or_else(|| log.site.to_string(), |slug| slug.to_string());
                format!("{kind} by {name} at {cursor}")
            })
            .collect();
        let (what, hint) = match state {
            EdgeState::Unresolved => (
                "its authors disagree, and view.conflict_strategy holds it back until one is chosen",
                "another conflict strategy decides automatically",
            ),
            EdgeState::BodyMissing | EdgeState::BodyUnreadable => (
                "its body is missing or cannot be read",
                "`starling doctor` lists missing and damaged data",
            ),
            _ => (
                "the source has dropped it",
                "the source's earlier statement is no longer part of the knowledge",
            ),
        };
        let detail = format!(
            "looking up {name:?}: {what}: {} {}, {}",
            record.source,
            record.id,
            said.join(", ")
        );
        Ok(Some(Problem::new(ErrorCode::AdvisoryNotFound, detail).hint(hint)))
    }

    pub(super) fn advisories(
        &self,
        query: &types::AdvisoryListQuery,
        gone: &CancellationToken,
    ) -> ServiceResult<types::AdvisoryPage> {
        let reader = self.reader()?;
        let limit = query
            .limit
            .unwrap_or(types::AdvisoryListQuery::DEFAULT_LIMIT)
            .clamp(1, types::AdvisoryListQuery::MAX_LIMIT) as usize;
        let after = match &query.after {
            Some(text) => Some(text.parse::<MergeHash>().map_err(|error| {
                Problem::new(ErrorCode::InvalidCursor, format!("reading `after`: {error}"))
                    .hint("use the `next` of the previous page")
            })?),
            None => None,
        };
        let (wanted, version) = self.candidates(&reader, query)?;
        let mut page = Vec::new();
        let mut next = None;
        let mut skipping = after.is_some();
        let memo = FoldMemo::default();
        for advisory in wanted {
            if skipping {
                skipping = Some(advisory.merge_hash) != after;
                continue;
            }
            still_asked(gone)?;
            let Some(folded) = self.folded(&reader, &advisory, &memo)? else {
                continue;
            };
            if !is_affected(&folded, version.as_deref()) {
                continue;
            }
            let shown = summary_of(&folded);
            if !query.q.as_deref().is_none_or(|words| matches(&shown, words)) {
                continue;
            }
            if page.len() == limit {
                next = page
                    .last()
                    .map(|last: &types::AdvisorySummary| last.merge_hash.to_string());
                break;
            }
            page.push(shown);
        }
        if skipping {
            let detail = "reading `after`: no advisory of this list has this merge hash";
            let gone = "begin again without `after`: the last advisory of the previous page may be gone";
            return Err(Problem::new(ErrorCode::InvalidCursor, detail).hint(gone));
        }
        Ok(types::AdvisoryPage {
            advisories: page,
            next,
            as_of: None,
        })
    }

    /// Returns the advisories that match a query, except for its text, and the version that they must affect, if the
    /// query has one.
    fn candidates(
        &self,
        reader: &ViewReader<'_>,
        query: &types::AdvisoryListQuery,
    ) -> ServiceResult<(Vec<AdvisoryRef>, Option<String>)> {
        if query.purl.is_some() && query.package.is_some() {
            let detail = "reading the query: `purl` and `package` both name a package, expected one of them";
            return Err(Problem::new(ErrorCode::BadRequest, detail));
        }
        if let Some(purl) = &query.purl {
            let wanted = WantedPackage::of(purl)?;
            return Ok((wanted.advisories(reader)?, wanted.version));
        }
        if let Some(package) = &query.package {
            let Some((ecosystem, name)) = package.split_once('/') else {
                return Err(
                    Problem::new(ErrorCode::BadRequest, format!("reading package {package:?}"))
                        .hint("write it as ECOSYSTEM/NAME, such as npm/express"),
                );
            };
            return Ok((named_package(reader, ecosystem, name)?, None));
        }
        let mut all = Vec::new();
        starling_view::for_each_advisory(reader, |advisory| {
            all.push(advisory);
            ControlFlow::Continue(())
        })
        .map_err(|error| view_problem(&error))?;
        Ok((all, None))
    }

    pub(super) fn reader(&self) -> ServiceResult<ViewReader<'_>> {
        self.data
            .store
            .view()
            .map_err(|error| store_problem("reading the view", &error))
    }

    /// Folds one advisory of many: `memo` is of this reader alone.
    pub(super) fn folded(
        &self,
        reader: &ViewReader<'_>,
        advisory: &AdvisoryRef,
        memo: &FoldMemo,
    ) -> ServiceResult<Option<CanonicalAdvisory>> {
        starling_view::canonical_advisory_remembering(
            reader,
            reader,
            reader,
            reader.settings(),
            &advisory.vulnerability,
            &advisory.package,
            memo,
        )
        .map_err(|error| view_problem(&error))
    }

    /// Returns canonical bodies of live records after a position in (source, id) order, each with a line end.
    fn dump_page(&self, records: &[starling_protocol::ContentHash]) -> ServiceResult<Bytes> {
        let mut out = Vec::new();
        for hash in records {
            let body = self
                .data
                .store
                .body(hash)
                .map_err(|error| store_problem("reading a record", &error))?;
            let body = body.ok_or_else(|| {
                store_problem(
                    "reading a record",
                    &starling_store::StoreError::MissingBody { hash: *hash },
                )
            })?;
            out.extend_from_slice(&body);
            out.push(b'\n');
        }
        Ok(out.into())
    }

    fn dump_list(&self, query: &types::DumpQuery) -> ServiceResult<Vec<starling_protocol::ContentHash>> {
        let reader = self.reader()?;
        let known = reader
            .sources()
            .map_err(|error| store_problem("reading the view", &error))?;
        let sources: BTreeSet<Source> = match &query.source {
            Some(source) => {
                let wanted = Source::try_from(source).ok();
                let wanted = wanted.filter(|wanted| known.contains_key(wanted));
                BTreeSet::from([wanted.ok_or_else(|| unknown_source(source, known.keys()))?])
            }
            None => known.into_keys().collect(),
        };
        let mut hashes = Vec::new();
        for source in sources {
            let records =
                starling_view::live_records(&reader, &source).map_err(|error| view_problem(&error))?;
            hashes.extend(records.into_iter().map(|record| record.content));
        }
        Ok(hashes)
    }
}

/// Returns the problem of a source of which nothing is known here: a misspelt name is not a source without records.
fn unknown_source<'a>(source: &types::SourceName, known: impl Iterator<Item = &'a Source>) -> Problem {
    let list = "`starling status --all` lists the sources";
    let hint = match nearest_within(source.as_str(), known.map(Source::as_str), |_| MISSPELT_WITHIN) {
        Some(meant) => format!("did you mean {meant}? {list}"),
        None => list.to_owned(),
    };
    let detail = format!("writing records: nothing is known here of a source {source}");
    Problem::new(ErrorCode::AdvisoryNotFound, detail).hint(hint)
}

/// Ends work whose caller is gone.
pub(super) fn still_asked(gone: &CancellationToken) -> ServiceResult<()> {
    if gone.is_cancelled() {
        return Err(Problem::new(
            ErrorCode::TimedOut,
            "reading advisories: the caller is gone",
        ));
    }
    Ok(())
}

/// Returns the live records as a stream. The list is from one point in time; the bodies are content-addressed.
pub(super) async fn dump(site: Site, query: types::DumpQuery) -> ServiceResult<ByteStream> {
    let records = site.blocking(move |parts| parts.dump_list(&query)).await?;
    let start = (site, records, 0_usize);
    Ok(Box::pin(futures::stream::unfold(
        start,
        |(site, records, from)| async move {
            if from >= records.len() {
                return None;
            }
            let to = (from + DUMP_PAGE).min(records.len());
            let page = records[from..to].to_vec();
            let bytes = site.blocking(move |parts| parts.dump_page(&page)).await;
            let next = if bytes.is_ok() { to } else { records.len() };
            Some((bytes, (site, records, next)))
        },
    )))
}

/// The query of a package URL.
struct WantedPackage {
    package: osv::OsvPackage,
    version: Option<String>,
}

impl WantedPackage {
    fn of(text: &str) -> ServiceResult<Self> {
        let purl = PackageUrl::parse_lenient(text)
            .map_err(|error| Problem::new(ErrorCode::BadRequest, format!("reading {text:?}: {error}")))?;
        let Some(package) = osv::package_of(&purl) else {
            let detail = format!(
                "looking up {text:?}: no OSV ecosystem has packages of type {}",
                purl.ty()
            );
            return Err(Problem::new(ErrorCode::AdvisoryNotFound, detail));
        };
        let version = osv::version_of(&purl);
        Ok(Self { package, version })
    }

    /// Returns all advisories about the package, in any version.
    fn advisories(&self, reader: &ViewReader<'_>) -> ServiceResult<Vec<AdvisoryRef>> {
        by_package(reader, &self.package.ecosystem, &self.package.name)
    }
}

/// Returns true if the version is affected, by the rules of a scan: a withdrawn advisory affects nothing. Without a
/// version every advisory matches.
fn is_affected(folded: &CanonicalAdvisory, version: Option<&str>) -> bool {
    let Some(version) = version else {
        return true;
    };
    // A package URL without a release stands for all releases, each with its own version order.
    let PackageId::Package { ecosystem, .. } = &folded.package else {
        return false;
    };
    let subject = Subject::new(ecosystem, version);
    let at = JudgedAt::from_unix_millis(now().as_millis());
    let advisory = starling_knowledge::advisory_for_scan(folded).applying_at(at);
    let mut counting = advisory
        .stated()
        .filter(StatedEntries::counts)
        .flat_map(|said| said.entries);
    advisory.withdrawn.is_none() && counting.any(|entry| evaluate(entry, &subject).is_affected())
}

/// Returns the advisories about a package as a person names it; a typing error is not "no advisory".
fn named_package(reader: &ViewReader<'_>, ecosystem: &str, name: &str) -> ServiceResult<Vec<AdvisoryRef>> {
    let found = by_package(reader, ecosystem, name)?;
    if !found.is_empty() || Ecosystem::of(ecosystem).is_some() {
        return Ok(found);
    }
    let Some(respelled) = Ecosystem::respelled(ecosystem) else {
        let detail = format!(
            "reading package {:?}: no ecosystem {ecosystem:?} is known",
            format!("{ecosystem}/{name}")
        );
        let list = "docs/ecosystems.md lists the ecosystems; `--purl` takes a package URL";
        return Err(
            Problem::new(ErrorCode::BadRequest, detail).hint(match nearest_ecosystem(ecosystem) {
                Some(meant) => format!("did you mean {meant}/{name}? {list}"),
                None => list.to_owned(),
            }),
        );
    };
    by_package(reader, &respelled, name)
}

fn by_package(reader: &ViewReader<'_>, ecosystem: &str, name: &str) -> ServiceResult<Vec<AdvisoryRef>> {
    let name = starling_scanner::name::normalise_name(ecosystem, name);
    let found = if ecosystem.contains(':') {
        starling_view::advisories_by_package(reader, ecosystem, &name)
    } else {
        starling_view::advisories_in_any_release(reader, ecosystem, &name)
    };
    found.map_err(|error| view_problem(&error))
}

pub(super) fn view_problem(error: &ViewError) -> Problem {
    super::problem::knowledge_problem("reading the view", error)
}

/// Returns true if every word is in an id, the package's name or the summary; upper and lower case are the same.
fn matches(shown: &types::AdvisorySummary, words: &str) -> bool {
    let mut text = format!("{} {}", shown.vulnerability, shown.package.name);
    for more in shown.aliases.iter().chain(&shown.summary) {
        text.push(' ');
        text.push_str(more);
    }
    let text = text.to_lowercase();
    words
        .split_whitespace()
        .all(|word| text.contains(&word.to_lowercase()))
}
