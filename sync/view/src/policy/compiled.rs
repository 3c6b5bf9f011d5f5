//! The orders to which a policy compiles, and the choice by them.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use starling_protocol::{ContentHash, SiteId, Source};

use super::sources::{FIRST_SOURCES, LATER_SOURCES, authorities, is_named_by};
use super::{ConflictStrategy, PolicyHash, Ranges, ViewPolicy};
use crate::ports::{Statement, StatementKind};

/// A view policy in the form that the fold works with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompiledPolicy {
    local: SiteId,
    general: AuthorOrder,
    per_source: BTreeMap<Source, AuthorOrder>,
    source_ranks: BTreeMap<Source, usize>,
    /// By source, patterns of ecosystems.
    authority: BTreeMap<String, Vec<String>>,
    hash: PolicyHash,
    written: ViewPolicy,
}

/// The order over the authors of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
struct AuthorOrder {
    strategy: ConflictStrategy,
    ranks: BTreeMap<SiteId, usize>,
}

/// The choice among all statements about one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Nothing is stated.
    Nothing,
    /// The record has this content.
    Set(ContentHash),
    /// The source dropped the record.
    Absent,
    /// Authors disagree, the policy is [`ConflictStrategy::Fail`], and no decision applies.
    Unresolved,
}

impl CompiledPolicy {
    pub(super) fn new(policy: &ViewPolicy, local: SiteId) -> Self {
        let per_source = policy.per_source.iter();
        Self {
            local,
            general: AuthorOrder::new(policy.conflict_strategy, &policy.site_order),
            per_source: per_source
                .map(|(source, own)| {
                    (
                        source.clone(),
                        AuthorOrder::new(own.conflict_strategy, &own.site_order),
                    )
                })
                .collect(),
            source_ranks: ranks(&policy.source_order),
            authority: authorities(&policy.authority),
            hash: policy.hash(),
            written: policy.clone(),
        }
    }

    /// Returns the site to which this view belongs.
    #[must_use]
    pub const fn local(&self) -> SiteId {
        self.local
    }

    /// Returns the policy as the operator wrote it.
    #[must_use]
    pub const fn written(&self) -> &ViewPolicy {
        &self.written
    }

    /// Returns the hash that a verdict names the policy by.
    #[must_use]
    pub const fn hash(&self) -> PolicyHash {
        self.hash
    }

    /// Chooses among the statements about one record of `source`.
    ///
    /// A decision wins as long as a statement sets its content. Under [`ConflictStrategy::Fail`] only differing
    /// contents are a conflict: an *absent* beside a *set* does not make knowledge vanish.
    #[must_use]
    pub fn choose(&self, source: &Source, statements: &[Statement], decision: Option<ContentHash>) -> Choice {
        if let Some(decided) = decision
            && statements
                .iter()
                .any(|statement| statement.kind == StatementKind::Set(decided))
        {
            return Choice::Set(decided);
        }
        if self.strategy(source) == ConflictStrategy::Fail {
            return choose_agreed(statements);
        }
        match self.first(source, statements).map(|statement| statement.kind) {
            None => Choice::Nothing,
            Some(StatementKind::Set(content)) => Choice::Set(content),
            Some(StatementKind::Absent) => Choice::Absent,
        }
    }

    /// Returns how disagreements between authors about a source are settled.
    #[must_use]
    pub fn strategy(&self, source: &Source) -> ConflictStrategy {
        self.order(source).strategy
    }

    /// Returns the statement about one record of `source` that comes first, without decisions.
    #[must_use]
    pub fn first<'s>(&self, source: &Source, statements: &'s [Statement]) -> Option<&'s Statement> {
        let order = self.order(source);
        statements.iter().min_by(|a, b| order.compare(&self.local, a, b))
    }

    fn order(&self, source: &Source) -> &AuthorOrder {
        self.per_source.get(source).unwrap_or(&self.general)
    }

    /// Orders two sources: fields of the first one win.
    #[must_use]
    pub fn compare_sources(&self, a: &Source, b: &Source) -> Ordering {
        self.source_rank(a)
            .cmp(&self.source_rank(b))
            .then_with(|| a.cmp(b))
    }

    /// Returns whose statements about a package are judged.
    #[must_use]
    pub const fn ranges(&self) -> Ranges {
        self.written.ranges
    }

    /// Returns true if an order lists the source: the site's own order, or the default one.
    #[must_use]
    pub fn names_source(&self, source: &Source) -> bool {
        self.source_rank(source) < UNNAMED
    }

    /// Returns true if the source has authority over an ecosystem: if it has a statement about a package, it
    /// decides.
    #[must_use]
    pub fn has_authority(&self, source: &Source, ecosystem: &str) -> bool {
        let patterns = self.authority.get(source.as_str());
        patterns.is_some_and(|patterns| patterns.iter().any(|pattern| is_named_by(pattern, ecosystem)))
    }

    /// Ranks a source: listed by the operator, then listed by default, then unlisted.
    fn source_rank(&self, source: &Source) -> (u8, usize) {
        let place = |list: &[&str]| list.iter().position(|name| *name == source.as_str());
        if let Some(rank) = self.source_ranks.get(source) {
            (0, *rank)
        } else if let Some(rank) = place(&FIRST_SOURCES) {
            (1, rank)
        } else if let Some(rank) = place(&LATER_SOURCES) {
            (2, rank)
        } else {
            UNNAMED
        }
    }
}

/// The rank of a source that no order names.
const UNNAMED: (u8, usize) = (3, 0);

impl AuthorOrder {
    fn new(strategy: ConflictStrategy, site_order: &[SiteId]) -> Self {
        Self {
            strategy,
            ranks: ranks(site_order),
        }
    }

    /// Orders two statements about one record: the one to choose comes first. The order is total: statements
    /// are equal only if all compared parts are, content and author included.
    fn compare(&self, local: &SiteId, a: &Statement, b: &Statement) -> Ordering {
        let group = |statement: &Statement| match self.strategy {
            ConflictStrategy::PreferRemote => u8::from(statement.author == *local),
            ConflictStrategy::PreferLocal => u8::from(statement.author != *local),
            ConflictStrategy::PreferNewest | ConflictStrategy::PreferSiteOrder | ConflictStrategy::Fail => 0,
        };
        let rank = |statement: &Statement| match self.strategy {
            ConflictStrategy::PreferNewest => (0, None),
            _ => (
                self.ranks.get(&statement.author).copied().unwrap_or(usize::MAX),
                Some(statement.author),
            ),
        };
        // One author may state a record in both lanes; then its later statement applies.
        let rest = |statement: &Statement| {
            (
                Reverse(statement.time),
                statement.kind,
                statement.author,
                statement.lane,
            )
        };
        (group(a), rank(a))
            .cmp(&(group(b), rank(b)))
            .then_with(|| rest(a).cmp(&rest(b)))
    }
}

/// Chooses the content on which all authors agree.
fn choose_agreed(statements: &[Statement]) -> Choice {
    let mut contents = statements.iter().filter_map(|statement| match statement.kind {
        StatementKind::Set(content) => Some(content),
        StatementKind::Absent => None,
    });
    match contents.next() {
        None if statements.is_empty() => Choice::Nothing,
        None => Choice::Absent,
        Some(first) if contents.all(|other| other == first) => Choice::Set(first),
        Some(_) => Choice::Unresolved,
    }
}

/// Ranks the members of a list by their first position.
fn ranks<T: Clone + Ord>(list: &[T]) -> BTreeMap<T, usize> {
    let mut ranks = BTreeMap::new();
    for (rank, member) in list.iter().enumerate() {
        ranks.entry(member.clone()).or_insert(rank);
    }
    ranks
}
