//! Tests that each strategy chooses as its name says, and that hashes identify the rules.

use std::cmp::Ordering;

use starling_protocol::{ContentHash, Lane, SiteId, Source, UnixMillis};

use super::*;
use crate::ports::{Statement, StatementKind};

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

/// Chooses from the statements in every possible order; all results must agree.
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
fn tie_prefers_lesser_content_hash() {
    let policy = policy(ConflictStrategy::PreferNewest, &[]);
    assert_eq!(
        choose(&policy, &[set(9, 2, 10), set(8, 3, 10)], None),
        Choice::Set(content(2))
    );
}

#[test]
fn absent_by_chosen_author_drops_the_record() {
    let policy = policy(ConflictStrategy::PreferLocal, &[]);
    assert_eq!(
        choose(&policy, &[absent(LOCAL, 1), set(6, 2, 30)], None),
        Choice::Absent
    );
    assert_eq!(choose(&policy, &[], None), Choice::Nothing);
}

#[test]
fn fail_holds_only_differing_contents() {
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
fn decision_applies_while_its_content_is_stated() {
    let policy = policy(ConflictStrategy::Fail, &[]);
    let both = [set(6, 2, 1), set(7, 3, 2)];
    assert_eq!(choose(&policy, &both, Some(3)), Choice::Set(content(3)));
    assert_eq!(choose(&policy, &both, Some(9)), Choice::Unresolved);
}

#[test]
fn source_may_override_the_strategy() {
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
fn sources_that_no_order_names_come_last() {
    let names = ["nvd", "osv", "zed", "ghsa", "acme", "pypa", "rustsec"];
    let mut sources: Vec<Source> = names.into_iter().map(source).collect();
    let default = ViewPolicy::default().compile(site(LOCAL));
    sources.sort_by(|a, b| default.compare_sources(a, b));
    let sorted: Vec<&str> = sources.iter().map(Source::as_str).collect();
    assert_eq!(sorted, ["rustsec", "pypa", "ghsa", "osv", "nvd", "acme", "zed"]);
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
fn policy_hash_does_not_depend_on_the_site() {
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
    let preferred = ViewPolicy {
        ranges: Ranges::Preferred,
        ..policy.clone()
    };
    let of_acme = ViewPolicy {
        authority: [(source("acme"), vec!["npm".to_owned()])].into(),
        ..policy.clone()
    };
    for other in [preferred, of_acme] {
        assert_ne!(policy.hash(), other.hash());
    }
    // Pinned: a verdict names its policy by this hash.
    assert_eq!(
        ViewPolicy::default().hash().to_string(),
        "blake3:bc9be987ef5cc2969b0fdb7cb5c44b643e85331a2f323a3ad0e61af817993852"
    );
}

#[test]
fn strategy_names_round_trip() {
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
