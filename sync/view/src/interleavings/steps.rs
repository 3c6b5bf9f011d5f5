//! Claims and bodies as maps, and the random steps that change them.

use std::collections::BTreeMap;
use std::convert::Infallible;

use proptest::prelude::*;
use starling_protocol::{ContentHash, Lane, RecordId, SiteId, Source, UnixMillis};

use crate::limits::ComponentLimits;
use crate::{Bodies, Claims, ConflictStrategy, RecordKey, Statement, StatementKind};

pub(super) const IDS: [&str; 9] = [
    "CVE-2021-1111",
    "CVE-2021-2222",
    "cve-2021-1111",
    "GHSA-2222-3333-4444",
    "GHSA-5555-6666-7777",
    "PYSEC-2021-1",
    "PYSEC-2021-2",
    "A-1",
    "A-2 ",
];
pub(super) const SOURCES: [&str; 3] = ["ghsa", "nvd", "acme"];
pub(super) const AUTHORS: u8 = 3;
/// Bounds that these few ids can exceed.
pub(super) const TIGHT: ComponentLimits = ComponentLimits {
    members: 7,
    pairs: 24,
};

/// The statement of each author about one record, by lane.
pub(super) type Said = BTreeMap<(SiteId, Lane), (StatementKind, UnixMillis)>;

/// Claims and bodies as maps.
#[derive(Default)]
pub(super) struct World {
    pub(super) statements: BTreeMap<RecordKey, Said>,
    pub(super) bodies: BTreeMap<ContentHash, Vec<u8>>,
}

impl Claims for World {
    type Error = Infallible;

    fn statements(&self, source: &Source, id: &RecordId) -> Result<Vec<Statement>, Infallible> {
        let key = RecordKey::new(source.clone(), id.clone());
        Ok(self
            .statements
            .get(&key)
            .into_iter()
            .flatten()
            .map(|((author, lane), (kind, time))| Statement {
                author: *author,
                lane: *lane,
                kind: *kind,
                time: *time,
            })
            .collect())
    }
}

impl Bodies for World {
    type Error = Infallible;

    fn body(&self, content: &ContentHash) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.bodies.get(content).cloned())
    }
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// An author states a record's content.
    Set {
        key: RecordKey,
        author: u8,
        lane: Lane,
        time: u64,
        body: Body,
    },
    /// An author states that the source dropped a record.
    Absent { key: RecordKey, author: u8, time: u64 },
    /// An author retracts its statement.
    Delete { key: RecordKey, author: u8, lane: Lane },
    /// The operator decides for one author.
    Decide { key: RecordKey, author: u8 },
    /// The operator changes the policy.
    Policy(ConflictStrategy),
    /// A body is lost; it returns the next time it is set.
    Lose { key: RecordKey },
    /// The rows are brought up to date, with so many batches, some named twice.
    Update { batches: usize, repeat: bool },
}

#[derive(Debug, Clone)]
pub(super) struct Body {
    aliases: Vec<&'static str>,
    packages: Vec<&'static str>,
    repository: bool,
    withdrawn: bool,
}

impl Body {
    pub(super) fn bytes(&self, id: &RecordId) -> Vec<u8> {
        let mut affected: Vec<String> = self
            .packages
            .iter()
            .map(|name| format!(r#"{{"package":{{"ecosystem":"npm","name":"{name}"}}}}"#))
            .collect();
        if self.repository {
            affected.push(r#"{"ranges":[{"repo":"https://git/x","type":"GIT"}]}"#.to_owned());
        }
        let aliases: Vec<String> = self.aliases.iter().map(|alias| format!("\"{alias}\"")).collect();
        let products: Vec<String> = self
            .packages
            .iter()
            .map(|name| format!("\"a:acme:{name}\""))
            .collect();
        let withdrawn = if self.withdrawn {
            r#","withdrawn":"2024-01-01T00:00:00Z""#
        } else {
            ""
        };
        format!(
            r#"{{"affected":[{}],"aliases":[{}],"database_specific":{{"native":{{"products":[{}]}}}},"id":"{id}"{withdrawn}}}"#,
            affected.join(","),
            aliases.join(","),
            products.join(",")
        )
        .into_bytes()
    }
}

pub(super) fn any_key() -> impl Strategy<Value = RecordKey> {
    (
        prop::sample::select(SOURCES.as_slice()),
        prop::sample::select(IDS.as_slice()),
    )
        .prop_map(|(source, id)| RecordKey::new(source.parse().unwrap(), id.parse().unwrap()))
}

pub(super) fn any_body() -> impl Strategy<Value = Body> {
    (
        prop::sample::subsequence(IDS.to_vec(), 0..4),
        prop::sample::subsequence(vec!["a", "b", "c"], 0..3),
        any::<bool>(),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(aliases, packages, repository, withdrawn)| Body {
            aliases,
            packages,
            repository,
            withdrawn,
        })
}

pub(super) fn any_step() -> impl Strategy<Value = Step> {
    let lane = || prop::sample::select(Lane::ALL.to_vec());
    let strategies: Vec<_> = ConflictStrategy::ALL
        .into_iter()
        .map(|(strategy, _)| strategy)
        .collect();
    prop_oneof![
        8 => (any_key(), 0..AUTHORS, lane(), 0u64..4, any_body())
            .prop_map(|(key, author, lane, time, body)| Step::Set { key, author, lane, time, body }),
        1 => (any_key(), 0..AUTHORS, 0u64..4).prop_map(|(key, author, time)| Step::Absent { key, author, time }),
        2 => (any_key(), 0..AUTHORS, lane()).prop_map(|(key, author, lane)| Step::Delete { key, author, lane }),
        1 => (any_key(), 0..AUTHORS).prop_map(|(key, author)| Step::Decide { key, author }),
        1 => prop::sample::select(strategies).prop_map(Step::Policy),
        1 => any_key().prop_map(|key| Step::Lose { key }),
        4 => (1usize..4, any::<bool>()).prop_map(|(batches, repeat)| Step::Update { batches, repeat }),
    ]
}
