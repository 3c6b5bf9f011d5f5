//! The schema version and the numbered migrations that lead to it.

use starling_protocol::SiteId;

use crate::engine::{Batch, Engine, Tree};
use crate::error::StoreError;
use crate::rows::{damaged, meta};

/// Version of the rows that this build reads and writes.
pub(crate) const SCHEMA: u32 = 2;

/// A step from the schema version of its place in [`MIGRATIONS`], counted from 1, to the next.
type Migration = fn(&dyn Engine, &mut Batch) -> Result<(), StoreError>;

/// Every migration ever needed, in order; each commits together with its version number.
const MIGRATIONS: [Migration; 1] = [begin_history];

/// Version 2 keeps a history, which begins by itself when the store is opened. The number keeps builds away that
/// would change what is known and tell nothing of it.
fn begin_history(_: &dyn Engine, _: &mut Batch) -> Result<(), StoreError> {
    Ok(())
}

/// Whether there is a schema at all.
pub(crate) fn is_made(engine: &dyn Engine) -> Result<bool, StoreError> {
    Ok(engine.get(Tree::Meta, meta::SCHEMA)?.is_some())
}

/// Brings a store's rows to [`SCHEMA`], or refuses it.
pub(crate) fn migrate(engine: &dyn Engine, site: SiteId) -> Result<(), StoreError> {
    let Some(found) = engine.get(Tree::Meta, meta::SCHEMA)? else {
        let mut batch = Batch::new();
        batch.put(Tree::Meta, meta::SCHEMA, &SCHEMA.to_le_bytes());
        batch.put(Tree::Meta, meta::SITE, site.as_bytes());
        return Ok(engine.commit(&batch)?);
    };
    let found = <[u8; 4]>::try_from(found.as_slice())
        .map(u32::from_le_bytes)
        .map_err(|_| damaged(Tree::Meta, meta::SCHEMA, "the schema version"))?;
    if found > SCHEMA {
        return Err(StoreError::NewerSchema { found, known: SCHEMA });
    }
    let owner = engine.get(Tree::Meta, meta::SITE)?.unwrap_or_default();
    let owner = <[u8; 32]>::try_from(owner.as_slice())
        .map(SiteId::from_bytes)
        .map_err(|_| damaged(Tree::Meta, meta::SITE, "the site's id"))?;
    if owner != site {
        return Err(StoreError::OtherSite {
            expected: site,
            found: owner,
        });
    }
    for (version, migration) in (1..).zip(MIGRATIONS) {
        if version >= found {
            let mut batch = Batch::new();
            migration(engine, &mut batch)?;
            batch.put(Tree::Meta, meta::SCHEMA, &(version + 1_u32).to_le_bytes());
            engine.commit(&batch)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{FaultPlan, MemoryEngine};

    #[test]
    fn every_version_below_the_schema_has_its_migration() {
        assert_eq!(u32::try_from(MIGRATIONS.len()).unwrap() + 1, SCHEMA);
    }

    #[test]
    fn a_store_of_another_site_or_a_newer_schema_is_refused() {
        let engine = MemoryEngine::new(FaultPlan::default());
        assert!(!is_made(&engine).unwrap());
        migrate(&engine, SiteId::from_bytes([1; 32])).unwrap();
        assert!(is_made(&engine).unwrap());
        migrate(&engine, SiteId::from_bytes([1; 32])).unwrap();
        let other = migrate(&engine, SiteId::from_bytes([2; 32]));
        assert!(matches!(other, Err(StoreError::OtherSite { .. })));
        let mut batch = Batch::new();
        batch.put(Tree::Meta, meta::SCHEMA, &99_u32.to_le_bytes());
        engine.commit(&batch).unwrap();
        let newer = migrate(&engine, SiteId::from_bytes([1; 32]));
        assert!(matches!(newer, Err(StoreError::NewerSchema { found: 99, .. })));
    }
}
