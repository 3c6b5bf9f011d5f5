//! Implements the view's ports with the store: rows in trees, statements from claims, bodies.

use std::ops::ControlFlow;

use starling_protocol::{ClaimKey, ClaimKind, ContentHash, RecordId, SiteId, SiteSlug, Source};
use starling_view::{Bodies, Claims, Rows, RowsMut, Statement, StatementKind, Table, Visitor};

use crate::SiteStore;
use crate::engine::{Direction, Engine, EngineError, Tree};
use crate::error::StoreError;
use crate::rows::txn::Txn;
use crate::rows::{ClaimRow, damaged, split_claim_key};
use crate::site::bodies::BodyStore;
use crate::site::guard::StateReader;
use crate::site::state::State;
use crate::trust::ListedSite;

/// Returns the tree of each table of the view.
pub(crate) const fn tree_of(table: Table) -> Tree {
    match table {
        Table::Records => Tree::View,
        Table::Aliases => Tree::ByAlias,
        Table::Edges => Tree::ByPackage,
        Table::Hashes => Tree::ByMergeHash,
        Table::Held => Tree::Held,
        Table::Products => Tree::ByProduct,
    }
}

impl Rows for Txn<'_> {
    type Error = EngineError;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        Txn::get(self, tree_of(table), key)
    }

    fn scan(&self, table: Table, prefix: &[u8], visit: &mut Visitor<'_>) -> Result<(), EngineError> {
        self.scan_prefix(tree_of(table), prefix, visit)
    }
}

impl RowsMut for Txn<'_> {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), EngineError> {
        Txn::put(self, tree_of(table), key, value.to_vec());
        Ok(())
    }

    fn remove(&mut self, table: Table, key: &[u8]) -> Result<(), EngineError> {
        self.delete(tree_of(table), key);
        Ok(())
    }
}

/// Reads the view, its claims and its bodies at one moment.
///
/// Later changes are not visible, so it may be held through parsing or another process. The memory for its
/// moment is bounded: if too much changes before it is dropped, it fails with [`EngineError::VersionGone`].
pub struct ViewReader<'a> {
    pub(crate) store: &'a SiteStore,
    pub(crate) state: StateReader,
}

impl SiteStore {
    /// Opens the view for reading. It shows exactly the knowledge that the knowledge root covers.
    ///
    /// # Errors
    /// [`StoreError::ViewBehind`] while a replay is due: a partly updated view is never read.
    pub fn view(&self) -> Result<ViewReader<'_>, StoreError> {
        let state = self.read()?;
        if state.view_is_fresh() {
            Ok(ViewReader { store: self, state })
        } else {
            Err(StoreError::ViewBehind)
        }
    }
}

impl ViewReader<'_> {
    /// Returns the hash over the content of this view.
    #[must_use]
    pub fn knowledge_root(&self) -> starling_protocol::KnowledgeRoot {
        self.state.knowledge_root()
    }

    /// Returns the generation of the engine that this view is read from: a rebuilt engine has another one.
    #[must_use]
    pub fn generation(&self) -> [u8; 8] {
        self.store.engine.generation().0
    }

    /// Returns the number of published states: views with equal numbers show the same.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.state.published().number
    }

    /// Returns the log position that this view follows.
    #[must_use]
    pub fn position(&self) -> crate::log::LogPosition {
        self.state.published().position
    }

    /// Returns the hash over this view's records alone, without shared documents.
    #[must_use]
    pub fn records_root(&self) -> starling_protocol::KnowledgeRoot {
        self.state.records_root()
    }

    /// Returns the allow-list, by name.
    pub fn listed_sites(&self) -> impl Iterator<Item = &ListedSite> {
        self.state.listed.values()
    }

    /// Returns the name of a site on the allow-list, or `None` if it is not listed.
    #[must_use]
    pub fn slug_of(&self, site: &SiteId) -> Option<&SiteSlug> {
        self.state.listed_by_site(site).map(|listed| &listed.slug)
    }
}

impl Rows for ViewReader<'_> {
    type Error = EngineError;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.state.rows().get(tree_of(table), key)
    }

    fn scan(&self, table: Table, prefix: &[u8], visit: &mut Visitor<'_>) -> Result<(), EngineError> {
        self.state
            .rows()
            .scan_prefix(tree_of(table), prefix, Direction::Forward, visit)
    }
}

impl Claims for ViewReader<'_> {
    type Error = StoreError;

    fn statements(&self, source: &Source, id: &RecordId) -> Result<Vec<Statement>, StoreError> {
        statements(self.state.rows(), &self.state, source, id)
    }
}

impl Bodies for ViewReader<'_> {
    type Error = StoreError;

    fn body(&self, content: &ContentHash) -> Result<Option<Vec<u8>>, StoreError> {
        let body = self.store.bodies.get(content)?;
        // Raised before bodies are dropped, so it must be checked after one is missed.
        let dropped = self
            .store
            .bodies_dropped
            .load(std::sync::atomic::Ordering::SeqCst);
        if body.is_none() && dropped != self.state.published().bodies_dropped {
            // It was here when this view was opened: it must not look as if it had never existed.
            return Err(EngineError::VersionGone.into());
        }
        Ok(body)
    }
}

/// Claims and bodies while the state is being changed.
pub(crate) struct Ports<'a> {
    pub(crate) engine: &'a dyn Engine,
    pub(crate) bodies: &'a BodyStore,
    pub(crate) state: &'a State,
}

impl Claims for Ports<'_> {
    type Error = StoreError;

    fn statements(&self, source: &Source, id: &RecordId) -> Result<Vec<Statement>, StoreError> {
        statements(self.engine, self.state, source, id)
    }
}

impl Bodies for Ports<'_> {
    type Error = StoreError;

    fn body(&self, content: &ContentHash) -> Result<Option<Vec<u8>>, StoreError> {
        self.bodies.get(content)
    }
}

/// Returns every accepted statement in scope about one record.
fn statements(
    engine: &dyn Engine,
    state: &State,
    source: &Source,
    id: &RecordId,
) -> Result<Vec<Statement>, StoreError> {
    let key = ClaimKey::record(source, id);
    let mut statements = Vec::new();
    let mut bad = None;
    let mut prefix = key.as_bytes().to_vec();
    prefix.push(0);
    let row_length = prefix.len() + 3;
    engine.scan_prefix(Tree::Claims, &prefix, Direction::Forward, &mut |row_key, row| {
        // A longer row belongs to another key that begins with this one.
        if row_key.len() != row_length {
            return ControlFlow::Continue(());
        }
        match statement(state, source, row_key, row) {
            Ok(Some(found)) => statements.push(found),
            Ok(None) => {}
            Err(error) => bad = Some(error),
        }
        ControlFlow::Continue(())
    })?;
    bad.map_or(Ok(statements), Err)
}

/// Returns the accepted statement in scope that a row holds.
pub(crate) fn statement(
    state: &State,
    source: &Source,
    row_key: &[u8],
    row: &[u8],
) -> Result<Option<Statement>, StoreError> {
    let bad = || damaged(Tree::Claims, row_key, "a claim");
    let (_, number) = split_claim_key(row_key).ok_or_else(bad)?;
    let id = state.log_id(number).ok_or_else(bad)?;
    if !state.in_scope(&id.site, Some(source)) {
        return Ok(None);
    }
    let accepted = state
        .logs
        .get(&id)
        .and_then(|log| log.sources.get(&Some(source.clone())))
        .map_or(starling_protocol::ClaimNumber::NONE, |row| row.accepted);
    let row = ClaimRow::decode(row).ok_or_else(bad)?;
    let Some(row) = row.accepted_at(accepted) else {
        return Ok(None);
    };
    let (kind, tombstone, content, time) = row.kind_and_content().ok_or_else(bad)?;
    let kind = match (kind, content) {
        _ if tombstone => return Ok(None),
        (ClaimKind::SET, Some(content)) => StatementKind::Set(content),
        (ClaimKind::ABSENT, _) => StatementKind::Absent,
        // An unknown kind has no effect on the view.
        _ => return Ok(None),
    };
    Ok(Some(Statement {
        author: id.site,
        lane: id.lane,
        kind,
        time,
    }))
}
