//! What is stated of a source: by this site's own log, or by all authors whose statements make the view.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use starling_protocol::{
    Claim, ClaimKey, ClaimKind, ClaimNumber, ContentHash, KeyRef, KnowledgeRoot, Lane, RecordId, RestsOn,
    SiteId, Source, UnixMillis,
};
use starling_view::{Claims, CompiledPolicy, Statement, StatementKind};

use crate::SiteStore;
use crate::engine::{Direction, Tree};
use crate::error::StoreError;
use crate::rows::{ClaimRow, LogNumber, damaged, split_claim_key};
use crate::site::guard::StateReader;
use crate::site::state::LogId;
use crate::view::rows::{ViewReader, statement};

/// Takes the key of a row, the record and the log that it is of, and the row.
type ClaimVisitor<'v> = dyn FnMut(&[u8], RecordId, LogNumber, &[u8]) -> Result<(), StoreError> + 'v;

/// The statements with which an input is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FeedBase {
    /// This site's own log: afterwards it states the whole source by itself.
    #[default]
    Own,
    /// The accepted statements of all authors, as the view policy chooses among them: this site states what differs,
    /// later than all that it replaces.
    View,
}

/// The statement about one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// Its content; none if it is absent.
    pub content: Option<ContentHash>,
    /// The author.
    pub author: SiteId,
    /// The latest time of all statements that a new one has to come after.
    pub latest: Option<UnixMillis>,
    /// The author of the statement with that time.
    pub latest_by: Option<SiteId>,
}

impl Said {
    /// Returns the time of a new statement in the place of this one: never before it, whatever the clocks of the
    /// authors say. None if there is no later time.
    #[must_use]
    pub fn time_after(said: Option<&Self>, now: UnixMillis) -> Option<UnixMillis> {
        match said.and_then(|said| said.latest) {
            Some(latest) if latest >= UnixMillis::MAX => None,
            Some(latest) => Some(now.max(latest.plus_millis(1))),
            None => Some(now),
        }
    }

    /// Chooses among the statements about one record that stand in `lane`: those of another lane are not for everyone.
    /// A new statement of `own` comes after all of them, but for the one in whose place it stands in the site's own log.
    fn of(
        policy: &CompiledPolicy,
        source: &Source,
        lane: Lane,
        own: SiteId,
        statements: &[Statement],
    ) -> Option<Self> {
        let stays = |stated: &&Statement| stated.author != own || stated.lane != lane;
        let latest = statements.iter().filter(stays).max_by_key(|stated| stated.time);
        let in_lane: Vec<Statement> = statements
            .iter()
            .filter(|stated| stated.lane == lane)
            .cloned()
            .collect();
        let first = policy.first(source, &in_lane).or(statements.first())?;
        let is_set = |first: &&Statement| first.lane == lane;
        let content = Some(first).filter(is_set).and_then(|first| match first.kind {
            StatementKind::Set(content) => Some(content),
            StatementKind::Absent => None,
        });
        Some(Self {
            content,
            author: first.author,
            latest: latest.map(|stated| stated.time),
            latest_by: latest.map(|stated| stated.author),
        })
    }
}

impl StateReader {
    /// Returns what is stated of each record of a source.
    pub(super) fn said(
        &self,
        source: &Source,
        lane: Lane,
        base: FeedBase,
    ) -> Result<BTreeMap<RecordId, Said>, StoreError> {
        match base {
            FeedBase::Own => self.said_by_own(source, lane),
            FeedBase::View => self.said_by_view(source, lane),
        }
    }

    fn said_by_own(&self, source: &Source, lane: Lane) -> Result<BTreeMap<RecordId, Said>, StoreError> {
        let site = self.site;
        let own = self.logs.get(&LogId { site, lane }).map(|log| log.number);
        let mut said = BTreeMap::new();
        self.each_claim(source, &mut |key, id, log, row| {
            if Some(log) != own {
                return Ok(());
            }
            let row = ClaimRow::decode(row).and_then(|row| row.kind_and_content());
            let (kind, _, content, _) =
                row.ok_or_else(|| damaged(Tree::Claims, key, "a claim of this site"))?;
            let own = Said {
                content: content.filter(|_| kind == ClaimKind::SET),
                author: site,
                latest: None,
                latest_by: None,
            };
            said.insert(id, own);
            Ok(())
        })?;
        Ok(said)
    }

    fn said_by_view(&self, source: &Source, lane: Lane) -> Result<BTreeMap<RecordId, Said>, StoreError> {
        let policy = &self.published().settings.policy;
        let mut said = BTreeMap::new();
        // Rows of one record stand together.
        let mut about: Option<(RecordId, Vec<Statement>)> = None;
        let mut close = |about: Option<(RecordId, Vec<Statement>)>| {
            if let Some((id, statements)) = about
                && let Some(found) = Said::of(policy, source, lane, self.site, &statements)
            {
                said.insert(id, found);
            }
        };
        self.each_claim(source, &mut |key, id, _, row| {
            let Some(found) = statement(self, source, key, row)? else {
                return Ok(());
            };
            match &mut about {
                Some((known, statements)) if *known == id => statements.push(found),
                _ => close(about.replace((id, vec![found]))),
            }
            Ok(())
        })?;
        close(about);
        Ok(said)
    }

    /// Reads every claim about records of a source.
    fn each_claim(&self, source: &Source, visit: &mut ClaimVisitor<'_>) -> Result<(), StoreError> {
        let mut failed = None;
        let prefix = ClaimKey::source_prefix(source);
        self.rows()
            .scan_prefix(Tree::Claims, &prefix, Direction::Forward, &mut |key, row| {
                let Some((claim_key, log)) = split_claim_key(key) else {
                    return ControlFlow::Continue(());
                };
                let KeyRef::Record(_, id) = claim_key.parse() else {
                    return ControlFlow::Continue(());
                };
                match visit(key, id, log, row) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => {
                        failed = Some(error);
                        ControlFlow::Break(())
                    }
                }
            })?;
        failed.map_or(Ok(()), Err)
    }

    /// Names what other authors state of a source, as far as it is accepted.
    pub(super) fn others_root(&self, source: &Source) -> KnowledgeRoot {
        self.root_over(|id, about, row| {
            let is_other = id.site != self.site && about == Some(source);
            (is_other && self.in_scope(&id.site, about)).then_some(&row.accepted_state.state)
        })
    }

    /// Returns the other authors of what stays in force after these claims, each with its last accepted claim.
    pub(super) fn rests_on(
        &self,
        source: &Source,
        lane: Lane,
        said: &BTreeMap<RecordId, Said>,
        claims: &[Claim],
    ) -> RestsOn {
        let replaced: BTreeSet<&[u8]> = claims.iter().map(|claim| claim.key().as_bytes()).collect();
        let mut rests_on = RestsOn::new();
        for (id, said) in said {
            let is_other = said.author != self.site && !rests_on.contains_key(&said.author);
            if !is_other || replaced.contains(ClaimKey::record(source, id).as_bytes()) {
                continue;
            }
            let log = self.logs.get(&LogId {
                site: said.author,
                lane,
            });
            let row = log.and_then(|log| log.sources.get(&Some(source.clone())));
            let accepted = row.map_or(ClaimNumber::NONE, |row| row.accepted);
            // One that states something in another lane alone is not built on.
            if accepted > ClaimNumber::NONE {
                rests_on.insert(said.author, accepted);
            }
        }
        rests_on
    }
}

impl SiteStore {
    /// Returns what is stated of each record of a source.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
    pub fn said(
        &self,
        source: &Source,
        lane: Lane,
        base: FeedBase,
    ) -> Result<BTreeMap<RecordId, Said>, StoreError> {
        self.read()?.said(source, lane, base)
    }

    /// Returns what is stated of one record.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
    pub fn said_of(
        &self,
        source: &Source,
        record: &RecordId,
        lane: Lane,
        base: FeedBase,
    ) -> Result<Option<Said>, StoreError> {
        if base == FeedBase::Own {
            let content = self.own_content(source, record, lane)?;
            let author = self.read()?.site;
            return Ok(content.map(|content| Said {
                content: Some(content),
                author,
                latest: None,
                latest_by: None,
            }));
        }
        let view = ViewReader {
            store: self,
            state: self.read()?,
        };
        let statements = view.statements(source, record)?;
        let policy = &view.settings().policy;
        Ok(Said::of(policy, source, lane, view.state.site, &statements))
    }

    /// Names what other authors state of a source: equal names mean that they state the same.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`].
    pub fn others_root(&self, source: &Source) -> Result<KnowledgeRoot, StoreError> {
        Ok(self.read()?.others_root(source))
    }
}
