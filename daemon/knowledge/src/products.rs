//! The advisories of a product: those of the records whose configurations name it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use starling_protocol::ContentHash;
use starling_scanner::cpe::{Configurations, configurations};
use starling_scanner::knowledge::Advisory;
use starling_view::{AdvisoryRef, Bodies, Claims, ProductAdvisory, Rows};

use crate::view::{Failure, ViewKnowledge, locked};

/// Most nodes and names of cached configurations: some 100 MB if each is long.
const MAX_CACHED: usize = 200_000;

/// Configurations by content: a record with many products is parsed once for all of them.
#[derive(Default)]
pub(crate) struct ConfigurationsCache(Mutex<Cached>);

#[derive(Default)]
struct Cached {
    read: BTreeMap<ContentHash, Arc<Configurations>>,
    size: usize,
}

impl<R: Rows + Claims + Bodies> ViewKnowledge<'_, R> {
    /// Returns the advisories of a product, each with the configurations of one record.
    pub(crate) fn by_product(&self, product: &str) -> Result<Vec<Advisory>, Failure> {
        let mut found = Vec::new();
        for named in starling_view::advisories_by_product(self.reader, product)? {
            let ProductAdvisory {
                advisory:
                    AdvisoryRef {
                        vulnerability,
                        package,
                        ..
                    },
                record,
                contents,
                is_withdrawn,
                ..
            } = named;
            let folded = starling_view::canonical_advisory_remembering(
                self.reader,
                self.reader,
                self.reader,
                self.settings,
                &vulnerability,
                &package,
                &self.memo,
            )?;
            let Some(folded) = folded else { continue };
            let mut advisory = self.advisory(&folded)?;
            for content in &contents {
                advisory
                    .configurations
                    .extend(self.configurations(content)?.about(product));
            }
            // Statements about a package, in this record or another, are not about this product.
            advisory.affected.clear();
            advisory.statements.clear();
            advisory.conflicts.retain(|conflict| conflict.field != "affected");
            advisory
                .provenance
                .retain(|from| from.source == record.source.as_str() && from.record == record.id.as_str());
            // The advisory is about this record alone, however it is withdrawn.
            advisory.withdrawn_statements.retain(|said| {
                said.by.source == record.source.as_str() && said.by.record == record.id.as_str()
            });
            for said in &mut advisory.withdrawn_statements {
                said.entries.clear();
            }
            advisory.withdrawn =
                is_withdrawn.then(|| advisory.withdrawn.unwrap_or_else(|| "withdrawn".to_owned()));
            found.push(advisory);
        }
        Ok(found)
    }

    fn configurations(&self, content: &ContentHash) -> Result<Arc<Configurations>, Failure> {
        if let Some(known) = locked(&self.configurations.0).read.get(content) {
            return Ok(Arc::clone(known));
        }
        let body = Bodies::body(self.reader, content)?;
        let read = Arc::new(body.map(|body| configurations(&body)).unwrap_or_default());
        let mut cached = locked(&self.configurations.0);
        if cached.size + read.size() > MAX_CACHED {
            *cached = Cached::default();
        }
        if cached.read.insert(*content, Arc::clone(&read)).is_none() {
            cached.size += read.size() + 1;
        }
        Ok(read)
    }
}
