//! Records about which authors disagree, and operators' decisions.

use std::collections::{BTreeMap, BTreeSet};

use starling_api::ServiceResult;
use starling_api_types as types;
use starling_api_types::{ConflictState, ErrorCode, Problem};
use starling_protocol::{ContentHash, RecordId, SiteId, Source};
use starling_store::{LedgerEntry, ViewReader};
use starling_view::{Claims, RecordKey, Statement, StatementKind, held_records};

use super::SiteParts;
use super::advisories::view_problem;
use super::problem::store_problem;
use crate::clock::now;

/// Longest reason, and longest name of the person who decides, in characters.
const MAX_TEXT_CHARS: usize = 1_000;

/// Most waiting records, and most decisions.
struct KnownOfAll {
    held: BTreeSet<RecordKey>,
    decided: BTreeMap<RecordKey, LedgerEntry>,
}

impl SiteParts {
    pub(super) fn conflicts(&self) -> ServiceResult<types::ConflictList> {
        let reader = self.reader()?;
        let known = self.known_of(&reader)?;
        let mut records: BTreeSet<&RecordKey> = known.held.iter().collect();
        records.extend(reader.settings().decisions.keys());
        let shown = records
            .into_iter()
            .map(|record| self.shown_conflict(&reader, record, &known));
        Ok(types::ConflictList {
            conflicts: shown.collect::<ServiceResult<_>>()?,
        })
    }

    pub(super) fn conflict(&self, query: &types::ConflictQuery) -> ServiceResult<types::RecordConflict> {
        let key = record_key(&query.source, &query.record)?;
        let shown = self.conflict_now(&key)?;
        if shown.claims.is_empty() {
            return Err(not_found(&key));
        }
        Ok(shown)
    }

    pub(super) fn resolve_conflict(
        &self,
        resolve: &types::ConflictResolve,
    ) -> ServiceResult<types::RecordConflict> {
        let _one_at_a_time = self.one_import();
        let key = record_key(&resolve.source, &resolve.record)?;
        let content = self.decided_content(&key, resolve)?;
        let refuse =
            |what: &str| Problem::new(ErrorCode::BadRequest, format!("deciding about {key}: {what}"));
        let reason = resolve.reason.trim();
        let by = resolve.by.as_deref().map(str::trim).filter(|by| !by.is_empty());
        let by = by.map_or_else(|| self.identity.home.chain().slug().to_string(), str::to_owned);
        if reason.is_empty() {
            return Err(refuse("the reason is missing").hint("give a reason for later readers"));
        }
        if reason.chars().count() > MAX_TEXT_CHARS || by.chars().count() > MAX_TEXT_CHARS {
            return Err(refuse(
                "the reason, and the name of the person who decides, may have at most 1,000 characters",
            ));
        }
        let entry = LedgerEntry::Decided {
            at: now(),
            source: key.source.clone(),
            record: key.id.clone(),
            content,
            by,
            reason: reason.to_owned(),
        };
        self.data
            .store
            .decide(&entry)
            .map_err(|error| store_problem("recording a decision", &error))?;
        self.changed();
        self.conflict_now(&key)
    }

    fn conflict_now(&self, key: &RecordKey) -> ServiceResult<types::RecordConflict> {
        let reader = self.reader()?;
        self.shown_conflict(&reader, key, &self.known_of(&reader)?)
    }

    /// Returns the data that all records share.
    fn known_of(&self, reader: &ViewReader<'_>) -> ServiceResult<KnownOfAll> {
        let held = held_records(reader).map_err(|error| view_problem(&error))?;
        let decided = self.data.store.decided();
        Ok(KnownOfAll {
            held: held.into_iter().collect(),
            decided: decided.map_err(|error| store_problem("reading decisions", &error))?,
        })
    }

    /// Returns the chosen content; `None` if a decision is withdrawn.
    fn decided_content(
        &self,
        key: &RecordKey,
        resolve: &types::ConflictResolve,
    ) -> ServiceResult<Option<ContentHash>> {
        let statements = statements_of(&self.reader()?, key)?;
        if statements.is_empty() {
            return Err(not_found(key));
        }
        let refuse =
            |what: String| Problem::new(ErrorCode::BadRequest, format!("deciding about {key}: {what}"));
        let stated = |content: ContentHash| {
            let kind = StatementKind::Set(content);
            statements.iter().any(|statement| statement.kind == kind)
        };
        match (&resolve.site, resolve.content, resolve.reopen) {
            (None, None, true) => Ok(None),
            (None, Some(content), false) => {
                let content = ContentHash::from_bytes(*content.as_bytes());
                if !stated(content) {
                    return Err(refuse(format!("no author states the content {content}"))
                        .hint("`starling conflicts show` lists the contents"));
                }
                Ok(Some(content))
            }
            (Some(name), None, false) => {
                let author = self.author(name)?;
                let of_author = statements.iter().filter(|statement| statement.author == author);
                let newest = of_author.max_by_key(|statement| statement.time);
                match newest.map(|statement| statement.kind) {
                    Some(StatementKind::Set(content)) => Ok(Some(content)),
                    _ => Err(refuse(format!("{name} states no content for it"))
                        .hint("`starling conflicts show` lists each author's content")),
                }
            }
            _ => Err(refuse("expected a site, a content, or reopening".to_owned())),
        }
    }

    fn author(&self, name: &str) -> ServiceResult<SiteId> {
        if name == self.identity.home.chain().slug().as_str() {
            return Ok(self.identity.home.chain().site());
        }
        let listed = self.data.store.listed_sites();
        let listed = listed.map_err(|error| store_problem("reading the allow-list", &error))?;
        let by_name = listed.iter().find(|site| site.slug.as_str() == name);
        let by_id = || name.parse::<SiteId>().ok();
        by_name.map(|site| site.site).or_else(by_id).ok_or_else(|| {
            let shown: String = name.chars().take(80).collect();
            Problem::new(
                ErrorCode::SiteNotFound,
                format!("deciding: no site {shown:?} is on the allow-list"),
            )
        })
    }

    fn shown_conflict(
        &self,
        reader: &ViewReader<'_>,
        key: &RecordKey,
        known: &KnownOfAll,
    ) -> ServiceResult<types::RecordConflict> {
        let statements = statements_of(reader, key)?;
        let decision = match known.decided.get(key) {
            Some(LedgerEntry::Decided {
                at,
                content: Some(content),
                by,
                reason,
                ..
            }) => Some(types::ConflictDecision {
                content: (*content).into(),
                reason: reason.clone(),
                by: by.clone(),
                decided_at: (*at).into(),
            }),
            _ => None,
        };
        let holds = decision.as_ref().is_some_and(|decision| {
            let mut contents = statements.iter().filter_map(|statement| match statement.kind {
                StatementKind::Set(content) => Some(types::ContentHash::from(content)),
                StatementKind::Absent => None,
            });
            contents.any(|content| content == decision.content)
        });
        let state = if holds {
            ConflictState::Decided
        } else if known.held.contains(key) {
            ConflictState::Open
        } else {
            ConflictState::Settled
        };
        let claims = statements
            .iter()
            .map(|statement| self.shown_claim(reader, statement));
        Ok(types::RecordConflict {
            source: (&key.source).into(),
            record: key.id.to_string(),
            state,
            claims: claims.collect::<ServiceResult<_>>()?,
            decision,
        })
    }

    fn shown_claim(
        &self,
        reader: &ViewReader<'_>,
        statement: &Statement,
    ) -> ServiceResult<types::ConflictClaim> {
        let content = match statement.kind {
            StatementKind::Set(content) => Some(content),
            StatementKind::Absent => None,
        };
        let body = match content {
            Some(content) => self.data.store.body(&content),
            None => Ok(None),
        };
        let body = body.map_err(|error| store_problem("reading a record", &error))?;
        let record = body.and_then(|body| starling_scanner::osv::Record::from_json(&body).ok());
        let withdrawn = |record: &starling_scanner::osv::Record| {
            record
                .withdrawn
                .as_deref()
                .is_some_and(|time| !time.trim().is_empty())
        };
        Ok(types::ConflictClaim {
            site: statement.author.into(),
            site_id: self.slug_in(reader, &statement.author),
            content: content.map(Into::into),
            claimed_at: statement.time.into(),
            withdrawn: record.as_ref().is_some_and(withdrawn),
            summary: record
                .map(|record| record.summary_or_details())
                .filter(|summary| !summary.is_empty()),
        })
    }
}

fn statements_of(reader: &ViewReader<'_>, key: &RecordKey) -> ServiceResult<Vec<Statement>> {
    reader
        .statements(&key.source, &key.id)
        .map_err(|error| store_problem("reading the statements", &error))
}

fn record_key(source: &types::SourceName, record: &str) -> ServiceResult<RecordKey> {
    let refuse = |error: &dyn std::fmt::Display| Problem::new(ErrorCode::BadRequest, error.to_string());
    let source = Source::try_from(source).map_err(|error| refuse(&error))?;
    let record: RecordId = record.parse().map_err(|error| refuse(&error))?;
    Ok(RecordKey::new(source, record))
}

fn not_found(key: &RecordKey) -> Problem {
    Problem::new(
        ErrorCode::AdvisoryNotFound,
        format!("looking up {key}: no author in scope states anything about it"),
    )
    .hint("`starling conflicts list` shows the records about which authors disagree")
}
