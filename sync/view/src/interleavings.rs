//! Property tests: for any order of claims, the rows equal a rebuild from the claims alone.

mod steps;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use starling_protocol::{ContentHash, Lane, MergeHash, SiteId, UnixMillis};

use self::steps::{Step, TIGHT, World, any_step};
use crate::codec::{EdgeKey, read_edge_key};
use crate::limits::ComponentLimits;
use crate::update::update_within;
use crate::{
    Action, Changes, Claims, ConflictStrategy, Decisions, MemoryRows, PackageId, RecordKey, Resolution,
    Settings, StatementKind, Table, ViewPolicy, VulnerabilityId, advisories_by_id, canonical_advisory,
    packages_changed, resolve,
};

/// A site that executes the steps and keeps its rows up to date after each.
struct Site {
    world: World,
    settings: Settings,
    limits: ComponentLimits,
    rows: MemoryRows,
    dirty: BTreeSet<RecordKey>,
    /// The advisories that the reported changes amount to.
    reported: BTreeSet<MergeHash>,
    /// The folded advisories after the last update; `None` after a change of settings, which changes
    /// everything.
    folded: Option<Folded>,
}

/// The content of advisories, by package and vulnerability.
type Folded = BTreeMap<(PackageId, VulnerabilityId), String>;

fn author(n: u8) -> SiteId {
    SiteId::from_bytes([n; 32])
}

/// Returns the products of a test's body.
fn products_of(body: &[u8]) -> (BTreeSet<String>, bool) {
    let body = starling_protocol::json::parse(body).unwrap();
    let native = body
        .get("database_specific")
        .and_then(|specific| specific.get("native"));
    let products = native
        .map(|native| crate::extract::list(native, "products"))
        .unwrap_or_default();
    let products = products.iter().filter_map(|product| product.as_str());
    (products.map(str::to_owned).collect(), false)
}

fn settings(strategy: ConflictStrategy) -> Settings {
    let policy = ViewPolicy {
        conflict_strategy: strategy,
        ..ViewPolicy::default()
    };
    Settings {
        policy: policy.compile(author(1)),
        decisions: Decisions::new(),
        normalise_name: |_, name| name.to_owned(),
        products_of,
    }
}

impl Site {
    fn new(limits: ComponentLimits) -> Self {
        Self {
            world: World::default(),
            settings: settings(ConflictStrategy::PreferRemote),
            limits,
            rows: MemoryRows::new(),
            dirty: BTreeSet::new(),
            reported: BTreeSet::new(),
            folded: Some(Folded::new()),
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Set {
                key,
                author: n,
                lane,
                time,
                body,
            } => {
                let bytes = body.bytes(&key.id);
                let content = ContentHash::of(&bytes);
                // A body that returns is news for every record with that content.
                if self.world.bodies.insert(content, bytes).is_none() {
                    let users = self.world.statements.iter().filter(|(_, statements)| {
                        statements
                            .values()
                            .any(|(kind, _)| *kind == StatementKind::Set(content))
                    });
                    self.dirty.extend(users.map(|(key, _)| key.clone()));
                }
                let said = (StatementKind::Set(content), UnixMillis::saturating(*time));
                self.world
                    .statements
                    .entry(key.clone())
                    .or_default()
                    .insert((author(*n), *lane), said);
                self.dirty.insert(key.clone());
            }
            Step::Absent { key, author: n, time } => {
                let said = (StatementKind::Absent, UnixMillis::saturating(*time));
                let statements = self.world.statements.entry(key.clone()).or_default();
                statements.insert((author(*n), Lane::Federation), said);
                self.dirty.insert(key.clone());
            }
            Step::Delete { key, author: n, lane } => {
                if let Some(statements) = self.world.statements.get_mut(key) {
                    statements.remove(&(author(*n), *lane));
                }
                self.dirty.insert(key.clone());
            }
            Step::Decide { key, author: n } => {
                let side = self.world.statements.get(key).and_then(|statements| {
                    statements.iter().find_map(|((who, _), (kind, _))| match kind {
                        StatementKind::Set(content) if *who == author(*n) => Some(*content),
                        _ => None,
                    })
                });
                match side {
                    Some(content) => _ = self.settings.decisions.insert(key.clone(), content),
                    None => _ = self.settings.decisions.remove(key),
                }
                self.dirty.insert(key.clone());
                self.folded = None;
            }
            Step::Policy(strategy) => {
                let decisions = std::mem::take(&mut self.settings.decisions);
                self.settings = Settings {
                    decisions,
                    ..settings(*strategy)
                };
                self.dirty.extend(self.world.statements.keys().cloned());
                self.folded = None;
            }
            Step::Lose { key } => {
                // Only a body without a row may be lost: content that was read stays known.
                let lost = self.world.statements.get(key).and_then(|statements| {
                    statements.values().find_map(|(kind, _)| match kind {
                        StatementKind::Set(content) => Some(*content),
                        StatementKind::Absent => None,
                    })
                });
                if let Some(content) = lost
                    && !self
                        .world
                        .statements
                        .keys()
                        .any(|key| self.has_read(key, &content))
                {
                    self.world.bodies.remove(&content);
                }
            }
            Step::Update { batches, repeat } => self.update(*batches, *repeat),
        }
    }

    fn has_read(&self, key: &RecordKey, content: &ContentHash) -> bool {
        crate::reading::record_row(&self.rows, key)
            .unwrap()
            // Without a decision, every statement was read.
            .is_some_and(|row| row.content == Some(*content) || row.is_unresolved())
    }

    fn update(&mut self, batches: usize, repeat: bool) {
        let dirty: Vec<_> = std::mem::take(&mut self.dirty).into_iter().collect();
        let mut told = BTreeSet::new();
        for batch in 0..batches {
            let part = dirty.iter().skip(batch).step_by(batches).cloned().collect();
            for _ in 0..=usize::from(repeat) {
                let Self {
                    world,
                    settings,
                    limits,
                    rows,
                    ..
                } = &mut *self;
                let changes = update_within(rows, world, world, settings, &part, *limits).unwrap();
                told.extend(packages_changed(&self.rows, &part, &changes).unwrap().unwrap());
                self.note(&changes);
            }
        }
        // Folding does not support tighter bounds.
        if self.limits.members == ComponentLimits::DEFAULT.members {
            self.check_told(&told);
        }
    }

    /// Checks that every advisory with a changed fold belongs to a reported package.
    fn check_told(&mut self, told: &BTreeSet<PackageId>) {
        let mut folded = Folded::new();
        for (key, _) in self.rows.iter(Table::Edges) {
            let edge = read_edge_key(key).unwrap();
            let (world, settings) = (&self.world, &self.settings);
            let (id, package) = (&edge.vulnerability, &edge.package);
            let fold = canonical_advisory(&self.rows, world, world, settings, id, package)
                .unwrap()
                .unwrap();
            let said = (
                fold.aliases,
                fold.other_vulnerabilities,
                fold.edges,
                fold.fields,
                fold.state,
            );
            folded.insert((edge.package, edge.vulnerability), format!("{said:?}"));
        }
        if let Some(before) = &self.folded {
            for name in before.keys().chain(folded.keys()) {
                let differs = before.get(name) != folded.get(name);
                assert!(!differs || told.contains(&name.0), "{name:?} was not told");
            }
        }
        self.folded = Some(folded);
    }

    /// Follows the reported changes as a listener would, and checks that each is consistent.
    fn note(&mut self, changes: &Changes) {
        for change in &changes.advisories {
            let hash = change.merge_hash;
            match &change.action {
                Action::Created => assert!(self.reported.insert(hash), "{change:?} was there"),
                Action::Updated | Action::Withdrawn => {
                    assert!(self.reported.contains(&hash), "{change:?} was not there");
                }
                Action::Removed => assert!(self.reported.remove(&hash), "{change:?} was not there"),
                Action::Redirected { to } => {
                    assert!(self.reported.remove(&hash), "{change:?} was not there");
                    // The lookup decides where a hash leads; lookups do not support tighter bounds.
                    if self.limits.members < ComponentLimits::DEFAULT.members {
                        continue;
                    }
                    match resolve(&self.rows, &hash).unwrap() {
                        Resolution::Redirected(heirs) => {
                            let heirs: BTreeSet<_> = heirs.iter().map(|heir| heir.merge_hash).collect();
                            assert_eq!(heirs, to.iter().copied().collect());
                        }
                        other => panic!("{change:?} resolves to {other:?}"),
                    }
                }
            }
        }
    }

    fn rebuilt(&self) -> MemoryRows {
        let mut rows = MemoryRows::new();
        let all = self.world.statements.keys().cloned().collect();
        update_within(
            &mut rows,
            &self.world,
            &self.world,
            &self.settings,
            &all,
            self.limits,
        )
        .unwrap();
        rows
    }
}

fn aliases_of(body: &serde_json::Value) -> BTreeSet<VulnerabilityId> {
    let aliases = body["aliases"].as_array().unwrap().iter();
    aliases
        .map(|alias| VulnerabilityId::of(alias.as_str().unwrap()).unwrap())
        .collect()
}

fn packages_of(key: &RecordKey, body: &serde_json::Value) -> BTreeSet<PackageId> {
    let affected = body["affected"].as_array().unwrap();
    let named = affected
        .iter()
        .filter_map(|entry| entry["package"]["name"].as_str());
    let mut packages: BTreeSet<PackageId> = named
        .map(|name| PackageId::Package {
            ecosystem: "npm".into(),
            name: name.into(),
        })
        .collect();
    if packages.is_empty() && !affected.is_empty() {
        packages.insert(PackageId::Repository {
            repository: "https://git/x".into(),
        });
    }
    if packages.is_empty() {
        packages.insert(PackageId::Record(key.clone()));
    }
    packages
}

/// Returns the edges by the definition of identity, computed directly from bodies.
fn expected_edges(site: &Site) -> BTreeSet<EdgeKey> {
    let mut records = Vec::new();
    for key in site.world.statements.keys() {
        let statements = site.world.statements(&key.source, &key.id).unwrap();
        let decision = site.settings.decisions.get(key).copied();
        let choice = site.settings.policy.choose(&key.source, &statements, decision);
        let contents: BTreeSet<ContentHash> = match choice {
            crate::Choice::Set(content) => BTreeSet::from([content]),
            // Until somebody decides, every statement applies.
            crate::Choice::Unresolved => statements
                .iter()
                .filter_map(|statement| match statement.kind {
                    StatementKind::Set(content) => Some(content),
                    StatementKind::Absent => None,
                })
                .collect(),
            _ => BTreeSet::new(),
        };
        let bodies = contents
            .iter()
            .filter_map(|content| site.world.bodies.get(content));
        let mut bodies: Vec<serde_json::Value> =
            bodies.map(|body| serde_json::from_slice(body).unwrap()).collect();
        // Only names that all contents give are names; a missing body gives none.
        let aliases = bodies
            .iter()
            .map(aliases_of)
            .reduce(|a, b| a.intersection(&b).cloned().collect());
        let aliases = aliases.map(|given| match bodies.len() == contents.len() {
            true => given,
            false => BTreeSet::new(),
        });
        let is_live = |body: &serde_json::Value| body["withdrawn"].as_str().is_none_or(str::is_empty);
        if bodies.iter().any(is_live) {
            bodies.retain(is_live);
        }
        if let Some(aliases) = aliases {
            let packages = bodies.iter().flat_map(|body| packages_of(key, body));
            let own = VulnerabilityId::of_record(&key.id);
            records.push((key.clone(), own, aliases, packages.collect::<BTreeSet<_>>()));
        }
    }
    let mut edges = BTreeSet::new();
    for (key, own, _, packages) in &records {
        let mut reached = BTreeSet::from([own.clone()]);
        if !own.is_cve() {
            loop {
                let known = reached.clone();
                for (_, other, aliases, _) in &records {
                    for alias in aliases {
                        if !other.is_cve() && known.contains(other) {
                            reached.insert(alias.clone());
                        }
                        if !alias.is_cve() && known.contains(alias) {
                            reached.insert(other.clone());
                        }
                    }
                }
                if known == reached {
                    break;
                }
            }
        }
        let cves: Vec<_> = reached.iter().filter(|id| id.is_cve()).cloned().collect();
        let ids = if cves.is_empty() {
            vec![reached.first().unwrap().clone()]
        } else {
            cves
        };
        for vulnerability in ids {
            for package in packages {
                let (package, vulnerability) = (package.clone(), vulnerability.clone());
                edges.insert(EdgeKey {
                    package,
                    vulnerability,
                    record: key.clone(),
                });
            }
        }
    }
    edges
}

proptest! {
    #[test]
    fn rows_equal_a_rebuild_in_any_order(steps in prop::collection::vec(any_step(), 1..60)) {
        let mut site = Site::new(ComponentLimits::DEFAULT);
        for step in &steps {
            site.take(step);
        }
        site.update(1, false);
        prop_assert_eq!(&site.rows, &site.rebuilt());
        let edges: BTreeSet<_> = site.rows.iter(Table::Edges).map(|(key, _)| read_edge_key(key).unwrap()).collect();
        let expected = expected_edges(&site);
        prop_assert_eq!(&edges, &expected);

        // The reported changes add up to the present state, and all of it can be found.
        let advisories: BTreeSet<_> = edges.iter().map(|edge| edge.package.merge_hash(&edge.vulnerability)).collect();
        prop_assert_eq!(&site.reported, &advisories);
        for edge in &edges {
            let hash = edge.package.merge_hash(&edge.vulnerability);
            let Resolution::Current(found) = resolve(&site.rows, &hash).unwrap() else {
                panic!("{edge:?} is not found by its merge hash");
            };
            prop_assert_eq!(found.merge_hash, hash);
            let by_id = advisories_by_id(&site.rows, edge.record.id.as_str()).unwrap();
            prop_assert!(by_id.contains(&found), "{:?} is not found by the id of its record", edge);
            let (world, settings) = (&site.world, &site.settings);
            let folded =
                canonical_advisory(&site.rows, world, world, settings, &edge.vulnerability, &edge.package).unwrap().unwrap();
            let json = folded.to_canonical_json().unwrap();
            prop_assert!(starling_protocol::json::is_canonical(&json));
            for name in &folded.redirected_from {
                prop_assert!(matches!(resolve(&site.rows, name).unwrap(), Resolution::Redirected(heirs) if heirs.contains(&found)));
            }
        }
    }

    #[test]
    fn rows_equal_a_rebuild_beyond_component_bounds(
        steps in prop::collection::vec(any_step(), 1..60),
    ) {
        let mut site = Site::new(TIGHT);
        for step in &steps {
            site.take(step);
        }
        site.update(1, false);
        prop_assert_eq!(&site.rows, &site.rebuilt());
    }

    #[test]
    fn retracting_everything_leaves_no_rows(steps in prop::collection::vec(any_step(), 1..60)) {
        let mut site = Site::new(TIGHT);
        for step in &steps {
            site.take(step);
        }
        site.dirty.extend(site.world.statements.keys().cloned());
        site.world.statements.clear();
        site.update(2, false);
        prop_assert_eq!(&site.rows, &MemoryRows::new());
    }
}
