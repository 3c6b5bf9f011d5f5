//! A site with claims and bodies in maps, whose view is updated after every step.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use starling_protocol::{ContentHash, Lane, MergeHash, RecordId, SiteId, Source, UnixMillis};
use starling_view::{
    Bodies, CanonicalAdvisory, Changes, Claims, Decisions, MemoryRows, PackageId, RecordKey, Settings,
    Statement, StatementKind, ViewPolicy, VulnerabilityId, canonical_advisory, update,
};

/// The site that the tests look from.
pub(crate) const LOCAL: u8 = 1;

pub(crate) struct Site {
    pub(crate) world: World,
    pub(crate) settings: Settings,
    pub(crate) rows: MemoryRows,
}

#[derive(Default)]
pub(crate) struct World {
    statements: BTreeMap<RecordKey, BTreeMap<SiteId, Statement>>,
    bodies: BTreeMap<ContentHash, Vec<u8>>,
}

impl World {
    /// Removes a body and returns it.
    pub(crate) fn lose(&mut self, body: &[u8]) -> Vec<u8> {
        self.bodies.remove(&ContentHash::of(body)).unwrap()
    }

    /// Brings a body back.
    pub(crate) fn find(&mut self, body: Vec<u8>) {
        self.bodies.insert(ContentHash::of(&body), body);
    }
}

impl Claims for World {
    type Error = Infallible;

    fn statements(&self, source: &Source, id: &RecordId) -> Result<Vec<Statement>, Infallible> {
        let key = RecordKey::new(source.clone(), id.clone());
        Ok(self
            .statements
            .get(&key)
            .into_iter()
            .flat_map(|all| all.values().cloned())
            .collect())
    }
}

impl Bodies for World {
    type Error = Infallible;

    fn body(&self, content: &ContentHash) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.bodies.get(content).cloned())
    }
}

pub(crate) fn author(n: u8) -> SiteId {
    SiteId::from_bytes([n; 32])
}

pub(crate) fn key(source: &str, id: &str) -> RecordKey {
    RecordKey::new(source.parse().unwrap(), id.parse().unwrap())
}

pub(crate) fn vulnerability(id: &str) -> VulnerabilityId {
    VulnerabilityId::of(id).unwrap()
}

pub(crate) fn package(ecosystem: &str, name: &str) -> PackageId {
    PackageId::Package {
        ecosystem: ecosystem.into(),
        name: name.into(),
    }
}

pub(crate) fn merge_hash(id: &str, ecosystem: &str, name: &str) -> MergeHash {
    package(ecosystem, name).merge_hash(&vulnerability(id))
}

/// Returns a record body: the members after the id must come in canonical order.
pub(crate) fn body(members: &str) -> Vec<u8> {
    let text = format!("{{{members}}}");
    starling_protocol::json::canonicalize(text.as_bytes()).unwrap()
}

/// Returns the products that a test's body lists.
fn products_of(body: &[u8]) -> (BTreeSet<String>, bool) {
    let body = starling_protocol::json::parse(body).unwrap();
    let native = body
        .get("database_specific")
        .and_then(|specific| specific.get("native"));
    let listed = native
        .and_then(|native| native.get("products"))
        .and_then(|list| list.as_array());
    let products = listed
        .unwrap_or_default()
        .iter()
        .filter_map(|product| product.as_str());
    (products.map(str::to_owned).collect(), false)
}

/// Returns a record body with aliases and one npm package.
pub(crate) fn npm(aliases: &[&str], name: &str) -> Vec<u8> {
    let aliases: Vec<String> = aliases.iter().map(|alias| format!("\"{alias}\"")).collect();
    body(&format!(
        r#""aliases":[{}],"affected":[{{"package":{{"ecosystem":"npm","name":"{name}"}}}}]"#,
        aliases.join(",")
    ))
}

impl Site {
    pub(crate) fn new(policy: &ViewPolicy) -> Self {
        let settings = Settings {
            policy: policy.compile(author(LOCAL)),
            decisions: Decisions::new(),
            normalise_name: |_, name| name.to_ascii_lowercase(),
            products_of,
        };
        Self {
            world: World::default(),
            settings,
            rows: MemoryRows::new(),
        }
    }

    pub(crate) fn set(&mut self, by: u8, record: &RecordKey, body: &[u8]) -> Changes {
        let content = ContentHash::of(body);
        self.world.bodies.insert(content, body.to_vec());
        self.state(by, record, StatementKind::Set(content));
        self.follow([record])
    }

    pub(crate) fn drop_record(&mut self, by: u8, record: &RecordKey) -> Changes {
        self.state(by, record, StatementKind::Absent);
        self.follow([record])
    }

    pub(crate) fn retract(&mut self, by: u8, record: &RecordKey) -> Changes {
        self.world.statements.get_mut(record).unwrap().remove(&author(by));
        self.follow([record])
    }

    /// Makes a statement without updating the view.
    pub(crate) fn set_quietly(&mut self, by: u8, record: &RecordKey, body: &[u8]) {
        let content = ContentHash::of(body);
        self.world.bodies.insert(content, body.to_vec());
        self.state(by, record, StatementKind::Set(content));
    }

    pub(crate) fn follow<'a>(&mut self, changed: impl IntoIterator<Item = &'a RecordKey>) -> Changes {
        let changed: BTreeSet<RecordKey> = changed.into_iter().cloned().collect();
        update(&mut self.rows, &self.world, &self.world, &self.settings, &changed).unwrap()
    }

    pub(crate) fn fold(&self, id: &str, package: &PackageId) -> Option<CanonicalAdvisory> {
        canonical_advisory(
            &self.rows,
            &self.world,
            &self.world,
            &self.settings,
            &vulnerability(id),
            package,
        )
        .unwrap()
    }

    fn state(&mut self, by: u8, record: &RecordKey, kind: StatementKind) {
        let time = UnixMillis::saturating(1_700_000_000_000);
        let statement = Statement {
            author: author(by),
            lane: Lane::Federation,
            kind,
            time,
        };
        self.world
            .statements
            .entry(record.clone())
            .or_default()
            .insert(author(by), statement);
    }
}
