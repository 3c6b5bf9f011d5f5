//! Who is believed: a policy as an operator writes it, and the same compiled to total orders.
//!
//! Two orders are all there is. Per (source, id) one statement is chosen by an order over its
//! authors; then fields fold by an order over sources. Ties fall to the content hash, so that no
//! outcome ever depends on which statement came first.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use starling_protocol::{ContentHash, SiteId, Source};

use crate::ports::{Statement, StatementKind};

/// Sources closest to a package's own maintainers: believed first, in this order.
const FIRST_SOURCES: [&str; 14] = [
    "rustsec",
    "pypa",
    "go",
    "rubysec",
    "julia",
    "haskell",
    "psf",
    "rconsortium",
    "drupal",
    "debian",
    "ubuntu",
    "alpine",
    "almalinux",
    "bitnami",
];
/// Sources that gather what others found: believed last, in this order. All else lies between, by name.
const LAST_SOURCES: [&str; 3] = ["ghsa", "osv", "nvd"];

/// How a disagreement between authors about one record is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum ConflictStrategy {
    /// Other sites before this one.
    #[default]
    PreferRemote,
    /// This site before all others.
    PreferLocal,
    /// The statement with the later claim time, by its author's clock.
    PreferNewest,
    /// By the listed order of sites alone.
    PreferSiteOrder,
    /// Not at all: the record is held until an operator decides.
    Fail,
}

impl ConflictStrategy {
    /// Every strategy with its name in configuration files.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::PreferRemote, "prefer_remote"),
        (Self::PreferLocal, "prefer_local"),
        (Self::PreferNewest, "prefer_newest"),
        (Self::PreferSiteOrder, "prefer_site_order"),
        (Self::Fail, "fail"),
    ];

    /// The name in configuration files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PreferRemote => "prefer_remote",
            Self::PreferLocal => "prefer_local",
            Self::PreferNewest => "prefer_newest",
            Self::PreferSiteOrder => "prefer_site_order",
            Self::Fail => "fail",
        }
    }
}

impl fmt::Display for ConflictStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A conflict strategy that is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "reading a conflict strategy: expected prefer_remote, prefer_local, prefer_newest, prefer_site_order or fail, \
     found {found:?}"
)]
pub struct StrategyError {
    /// What was found, shortened to 80 characters.
    pub found: String,
}

impl FromStr for ConflictStrategy {
    type Err = StrategyError;

    /// Reads a strategy's name; `-` may stand for `_`, as command lines write it.
    fn from_str(text: &str) -> Result<Self, StrategyError> {
        let name = text.replace('-', "_");
        Self::ALL
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(strategy, _)| *strategy)
            .ok_or_else(|| StrategyError {
                found: text.chars().take(80).collect(),
            })
    }
}

impl Serialize for ConflictStrategy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for ConflictStrategy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// The view policy as an operator writes it. The default believes other sites first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ViewPolicy {
    /// How a disagreement between authors is settled.
    pub conflict_strategy: ConflictStrategy,
    /// Sites from most to least believed; a site that is not listed comes after, by its id.
    pub site_order: Vec<SiteId>,
    /// Sources from most to least believed; one that is not listed comes after, by the default order.
    pub source_order: Vec<Source>,
    /// Sources that settle their disagreements otherwise.
    pub per_source: BTreeMap<Source, SourcePolicy>,
}

/// How one source settles disagreements between its authors.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SourcePolicy {
    /// In place of the general strategy.
    pub conflict_strategy: ConflictStrategy,
    /// In place of the general order of sites.
    pub site_order: Vec<SiteId>,
}

/// Names a view policy: two sites with equal hashes fold by equal rules.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyHash([u8; 32]);

impl PolicyHash {
    /// The raw 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for PolicyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blake3:{}", blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for PolicyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PolicyHash({self})")
    }
}

impl Serialize for PolicyHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A view policy in the form that the fold works with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompiledPolicy {
    local: SiteId,
    general: AuthorOrder,
    per_source: BTreeMap<Source, AuthorOrder>,
    source_ranks: BTreeMap<Source, usize>,
    hash: PolicyHash,
}

/// The order over the authors of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
struct AuthorOrder {
    strategy: ConflictStrategy,
    ranks: BTreeMap<SiteId, usize>,
}

/// What is chosen of all that is stated about one record.
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

impl ViewPolicy {
    /// Compiles the policy for the site whose own id is `local`.
    #[must_use]
    pub fn compile(&self, local: SiteId) -> CompiledPolicy {
        CompiledPolicy {
            local,
            general: AuthorOrder::new(self.conflict_strategy, &self.site_order),
            per_source: self
                .per_source
                .iter()
                .map(|(source, policy)| {
                    (
                        source.clone(),
                        AuthorOrder::new(policy.conflict_strategy, &policy.site_order),
                    )
                })
                .collect(),
            source_ranks: ranks(&self.source_order),
            hash: self.hash(),
        }
    }

    /// Returns the hash that a verdict names the policy by.
    ///
    /// The local site is left out: "this site first" is one rule at every site, and the hash must be
    /// equal where the rules are. Layout: `docs/formats/view.md`.
    #[must_use]
    pub fn hash(&self) -> PolicyHash {
        let mut bytes = Vec::new();
        write_author_order(&mut bytes, self.conflict_strategy, &self.site_order);
        write_count(&mut bytes, self.per_source.len());
        for (source, policy) in &self.per_source {
            write_text(&mut bytes, source.as_str());
            write_author_order(&mut bytes, policy.conflict_strategy, &policy.site_order);
        }
        write_count(&mut bytes, self.source_order.len());
        for source in &self.source_order {
            write_text(&mut bytes, source.as_str());
        }
        let mut hasher = blake3::Hasher::new_derive_key("starling 2026-11 v1 view policy");
        hasher.update(&bytes);
        PolicyHash(*hasher.finalize().as_bytes())
    }
}

impl CompiledPolicy {
    /// The site whose view this is.
    #[must_use]
    pub const fn local(&self) -> SiteId {
        self.local
    }

    /// The hash that a verdict names the policy by.
    #[must_use]
    pub const fn hash(&self) -> PolicyHash {
        self.hash
    }

    /// Chooses among the statements about one record of `source`.
    ///
    /// A decision wins while a statement sets its content. Under [`ConflictStrategy::Fail`] only
    /// differing contents are a conflict: an *absent* beside a *set* does not make knowledge vanish.
    #[must_use]
    pub fn choose(&self, source: &Source, statements: &[Statement], decision: Option<ContentHash>) -> Choice {
        if let Some(decided) = decision
            && statements
                .iter()
                .any(|statement| statement.kind == StatementKind::Set(decided))
        {
            return Choice::Set(decided);
        }
        let order = self.per_source.get(source).unwrap_or(&self.general);
        if order.strategy == ConflictStrategy::Fail {
            return choose_agreed(statements);
        }
        match statements
            .iter()
            .min_by(|a, b| order.compare(&self.local, a, b))
            .map(|statement| statement.kind)
        {
            None => Choice::Nothing,
            Some(StatementKind::Set(content)) => Choice::Set(content),
            Some(StatementKind::Absent) => Choice::Absent,
        }
    }

    /// Orders two sources: the one whose fields win comes first.
    #[must_use]
    pub fn compare_sources(&self, a: &Source, b: &Source) -> Ordering {
        self.source_rank(a)
            .cmp(&self.source_rank(b))
            .then_with(|| a.cmp(b))
    }

    /// Ranks a source: what the operator listed, then the defaults, in three groups.
    fn source_rank(&self, source: &Source) -> (u8, usize) {
        let place = |list: &[&str]| list.iter().position(|name| *name == source.as_str());
        if let Some(rank) = self.source_ranks.get(source) {
            (0, *rank)
        } else if let Some(rank) = place(&FIRST_SOURCES) {
            (1, rank)
        } else if let Some(rank) = place(&LAST_SOURCES) {
            (3, rank)
        } else {
            (2, 0)
        }
    }
}

impl AuthorOrder {
    fn new(strategy: ConflictStrategy, site_order: &[SiteId]) -> Self {
        Self {
            strategy,
            ranks: ranks(site_order),
        }
    }

    /// Orders two statements about one record: the one to choose comes first. Total: equal only for
    /// statements that are alike in all that is compared, content and author included.
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
        // One author may state a record in both lanes; then its later word counts.
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

/// Chooses what all authors agree on.
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

/// Ranks the members of a list by their first place in it.
fn ranks<T: Clone + Ord>(list: &[T]) -> BTreeMap<T, usize> {
    let mut ranks = BTreeMap::new();
    for (rank, member) in list.iter().enumerate() {
        ranks.entry(member.clone()).or_insert(rank);
    }
    ranks
}

fn write_author_order(out: &mut Vec<u8>, strategy: ConflictStrategy, site_order: &[SiteId]) {
    write_text(out, strategy.name());
    write_count(out, site_order.len());
    for site in site_order {
        out.extend_from_slice(site.as_bytes());
    }
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    write_count(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn write_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&(count as u64).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use starling_protocol::{Lane, UnixMillis};

    const LOCAL: u8 = 5;

    fn site(n: u8) -> SiteId {
        SiteId::from_bytes([n; 32])
    }

    fn content(n: u8) -> ContentHash {
        ContentHash::from_bytes([n; 32])
    }

    fn set(author: u8, body: u8, time: u64) -> Statement {
        Statement {
            author: site(author),
            lane: Lane::Federation,
            kind: StatementKind::Set(content(body)),
            time: UnixMillis::saturating(time),
        }
    }

    fn absent(author: u8, time: u64) -> Statement {
        Statement {
            kind: StatementKind::Absent,
            ..set(author, 0, time)
        }
    }

    fn source(name: &str) -> Source {
        name.parse().unwrap()
    }

    fn policy(strategy: ConflictStrategy, order: &[u8]) -> CompiledPolicy {
        ViewPolicy {
            conflict_strategy: strategy,
            site_order: order.iter().copied().map(site).collect(),
            ..ViewPolicy::default()
        }
        .compile(site(LOCAL))
    }

    /// Chooses from the statements in every order they may be listed in; all must agree.
    fn choose(policy: &CompiledPolicy, statements: &[Statement], decision: Option<u8>) -> Choice {
        let mut statements = statements.to_vec();
        let choice = policy.choose(&source("ghsa"), &statements, decision.map(content));
        for _ in 0..statements.len() {
            statements.rotate_left(1);
            assert_eq!(
                policy.choose(&source("ghsa"), &statements, decision.map(content)),
                choice
            );
        }
        statements.reverse();
        assert_eq!(
            policy.choose(&source("ghsa"), &statements, decision.map(content)),
            choice
        );
        choice
    }

    #[test]
    fn each_strategy_prefers_what_its_name_says() {
        use ConflictStrategy::{Fail, PreferLocal, PreferNewest, PreferRemote, PreferSiteOrder};
        let all = [set(LOCAL, 1, 10), set(6, 2, 30), set(7, 3, 20)];
        for (strategy, order, expected) in [
            (PreferRemote, &[][..], Choice::Set(content(2))),
            (PreferRemote, &[LOCAL, 7][..], Choice::Set(content(3))),
            (PreferLocal, &[7][..], Choice::Set(content(1))),
            (PreferNewest, &[7][..], Choice::Set(content(2))),
            (PreferSiteOrder, &[7, LOCAL][..], Choice::Set(content(3))),
            (PreferSiteOrder, &[][..], Choice::Set(content(1))),
            (Fail, &[7][..], Choice::Unresolved),
        ] {
            assert_eq!(
                choose(&policy(strategy, order), &all, None),
                expected,
                "{strategy} {order:?}"
            );
        }
    }

    #[test]
    fn equal_times_fall_to_the_lesser_content() {
        let policy = policy(ConflictStrategy::PreferNewest, &[]);
        assert_eq!(
            choose(&policy, &[set(9, 2, 10), set(8, 3, 10)], None),
            Choice::Set(content(2))
        );
    }

    #[test]
    fn a_chosen_author_s_absent_drops_the_record() {
        let policy = policy(ConflictStrategy::PreferLocal, &[]);
        assert_eq!(
            choose(&policy, &[absent(LOCAL, 1), set(6, 2, 30)], None),
            Choice::Absent
        );
        assert_eq!(choose(&policy, &[], None), Choice::Nothing);
    }

    #[test]
    fn fail_holds_only_what_differs_in_content() {
        let policy = policy(ConflictStrategy::Fail, &[]);
        assert_eq!(
            choose(&policy, &[set(6, 2, 1), set(7, 2, 2)], None),
            Choice::Set(content(2))
        );
        assert_eq!(
            choose(&policy, &[set(6, 2, 1), absent(7, 2)], None),
            Choice::Set(content(2))
        );
        assert_eq!(choose(&policy, &[absent(7, 2)], None), Choice::Absent);
    }

    #[test]
    fn a_decision_settles_while_its_content_is_stated() {
        let policy = policy(ConflictStrategy::Fail, &[]);
        let both = [set(6, 2, 1), set(7, 3, 2)];
        assert_eq!(choose(&policy, &both, Some(3)), Choice::Set(content(3)));
        assert_eq!(choose(&policy, &both, Some(9)), Choice::Unresolved);
    }

    #[test]
    fn a_source_may_settle_otherwise() {
        let mut policy = ViewPolicy {
            conflict_strategy: ConflictStrategy::Fail,
            ..ViewPolicy::default()
        };
        policy.per_source.insert(
            source("ghsa"),
            SourcePolicy {
                conflict_strategy: ConflictStrategy::PreferLocal,
                site_order: vec![],
            },
        );
        let compiled = policy.compile(site(LOCAL));
        let both = [set(LOCAL, 1, 10), set(6, 2, 30)];
        assert_eq!(
            compiled.choose(&source("ghsa"), &both, None),
            Choice::Set(content(1))
        );
        assert_eq!(compiled.choose(&source("nvd"), &both, None), Choice::Unresolved);
    }

    #[test]
    fn sources_order_native_first_and_nvd_last_unless_listed() {
        let names = ["nvd", "osv", "zed", "ghsa", "acme", "pypa", "rustsec"];
        let mut sources: Vec<Source> = names.into_iter().map(source).collect();
        let default = ViewPolicy::default().compile(site(LOCAL));
        sources.sort_by(|a, b| default.compare_sources(a, b));
        let sorted: Vec<&str> = sources.iter().map(Source::as_str).collect();
        assert_eq!(sorted, ["rustsec", "pypa", "acme", "zed", "ghsa", "osv", "nvd"]);
        let listed = ViewPolicy {
            source_order: vec![source("nvd")],
            ..ViewPolicy::default()
        }
        .compile(site(LOCAL));
        assert_eq!(
            listed.compare_sources(&source("nvd"), &source("rustsec")),
            Ordering::Less
        );
    }

    #[test]
    fn the_hash_names_the_rules_and_not_the_site() {
        let policy = ViewPolicy {
            source_order: vec![source("nvd")],
            ..ViewPolicy::default()
        };
        assert_eq!(policy.compile(site(1)).hash(), policy.compile(site(2)).hash());
        assert_ne!(policy.hash(), ViewPolicy::default().hash());
        let newest = ViewPolicy {
            conflict_strategy: ConflictStrategy::PreferNewest,
            ..policy.clone()
        };
        assert_ne!(policy.hash(), newest.hash());
        // Pinned: a verdict names its policy by this hash.
        assert_eq!(
            ViewPolicy::default().hash().to_string(),
            "blake3:c709d9337156951bcd4a888e33eb2d581b542cdbe4775e46423695334bfd05ff"
        );
    }

    #[test]
    fn strategies_are_read_as_they_are_written() {
        for (strategy, name) in ConflictStrategy::ALL {
            assert_eq!(name.parse::<ConflictStrategy>().unwrap(), strategy);
            assert_eq!(
                name.replace('_', "-").parse::<ConflictStrategy>().unwrap(),
                strategy
            );
            assert_eq!(strategy.to_string(), name);
        }
        assert!(
            "prefer_luck"
                .parse::<ConflictStrategy>()
                .unwrap_err()
                .to_string()
                .contains("prefer_luck")
        );
    }
}
