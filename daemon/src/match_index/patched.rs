//! Combines an index of an earlier view with the changes since then: changed packages are read from the view.
//!
//! The store records with each change which packages it affects ([`starling_store::Unindexed`]). So a scan does not
//! have to wait for the next index, and still sees everything in its view.

use std::collections::BTreeSet;

use starling_scanner::cpe::CPE_ECOSYSTEM;
use starling_scanner::knowledge::{Advisory, Knowledge, KnowledgeError};
use starling_scanner::matching::Subject;
use starling_store::ViewReader;

use super::{Indexes, SiteIndex, how_of};
use crate::service::{KEV_SOURCE, ViewKnowledge};

/// A view's knowledge, read through an index that lacks the latest changes.
pub(crate) struct Patched<'a> {
    index: &'a SiteIndex,
    reader: &'a ViewReader<'a>,
    view: ViewKnowledge<'a>,
}

impl<'a> Patched<'a> {
    /// Creates the knowledge of `reader`'s view; [`base`] finds the `index` for it.
    pub(crate) fn new(index: &'a SiteIndex, reader: &'a ViewReader<'a>, view: ViewKnowledge<'a>) -> Self {
        Self { index, reader, view }
    }

    fn is_changed(&self, ecosystem: &str, name: &str) -> Result<bool, KnowledgeError> {
        self.reader
            .is_unindexed(ecosystem, name)
            .map_err(|error| KnowledgeError {
                ecosystem: ecosystem.to_owned(),
                name: name.to_owned(),
                source: Box::new(error),
            })
    }
}

impl Knowledge for Patched<'_> {
    fn advisories(&self, ecosystem: &str, name: &str) -> Result<Vec<Advisory>, KnowledgeError> {
        if self.is_changed(ecosystem, name)? {
            self.view.advisories(ecosystem, name)
        } else {
            self.index.advisories(ecosystem, name)
        }
    }

    fn candidates(
        &self,
        ecosystem: &str,
        name: &str,
        subject: &Subject,
    ) -> Result<Option<Vec<Advisory>>, KnowledgeError> {
        if self.is_changed(ecosystem, name)? {
            Ok(None)
        } else {
            self.index.candidates(ecosystem, name, subject)
        }
    }

    fn knows_package(&self, ecosystem: &str, name: &str) -> Result<bool, KnowledgeError> {
        if self.is_changed(ecosystem, name)? {
            self.view.knows_package(ecosystem, name)
        } else {
            self.index.knows_package(ecosystem, name)
        }
    }

    fn repositories(&self, base: &str) -> Result<Vec<String>, KnowledgeError> {
        // The view would have to be read completely: the index has the earlier ecosystems, and the recorded changes
        // have the later ones. A removed ecosystem has no advisories left, which each package reports.
        let since = self.reader.unindexed_with_suffix(base);
        let mut found = since.map_err(|error| KnowledgeError {
            ecosystem: base.to_owned(),
            name: String::new(),
            source: Box::new(error),
        })?;
        found.extend(self.index.repositories(base)?);
        Ok(found.into_iter().collect())
    }

    fn sources_of(&self, base: &str) -> Result<Option<BTreeSet<String>>, KnowledgeError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| KnowledgeError {
            ecosystem: base.to_owned(),
            name: String::new(),
            source,
        };
        let mut known = self.index.sources_of(base)?.unwrap_or_default();
        // Only a changed source, in a changed package, can have made a first statement about the ecosystem.
        let mut missing = BTreeSet::new();
        for source in self
            .reader
            .sources()
            .map_err(|error| failed(error.into()))?
            .into_keys()
        {
            let changed = self.reader.is_source_unindexed(&source);
            if !known.contains(source.as_str()) && changed.map_err(|error| failed(error.into()))? {
                missing.insert(source);
            }
        }
        if missing.is_empty() {
            return Ok(Some(known));
        }
        let mut found = BTreeSet::new();
        for (ecosystem, name) in self
            .reader
            .unindexed_of(base)
            .map_err(|error| failed(error.into()))?
        {
            if ecosystem == CPE_ECOSYSTEM {
                let sources = starling_view::sources_of_product(self.reader, &name);
                found.extend(sources.map_err(|error| failed(error.into()))?);
            } else {
                starling_view::add_sources_of_package(self.reader, &ecosystem, &name, &mut found)
                    .map_err(|error| failed(error.into()))?;
            }
            if missing.is_subset(&found) {
                break;
            }
        }
        known.extend(found.iter().map(ToString::to_string));
        Ok(Some(known))
    }

    fn knows_ecosystem(&self, ecosystem: &str) -> Result<bool, KnowledgeError> {
        // A source that only the index names may have been removed since.
        self.view.knows_ecosystem(ecosystem)
    }
}

/// Finds the index from which a view's recorded changes continue; `None` if there is none, or if more has changed
/// than is recorded.
///
/// # Errors
/// If the view's rows cannot be read.
pub(crate) fn base(
    indexes: &Indexes,
    reader: &ViewReader<'_>,
) -> Result<Option<std::sync::Arc<SiteIndex>>, starling_store::StoreError> {
    let Some(base) = reader.index_base()? else {
        return Ok(None);
    };
    let Some((stamp, made_how)) = base.split_first_chunk::<32>() else {
        return Ok(None);
    };
    // A catalogue of exploited vulnerabilities affects every advisory.
    let catalogue = KEV_SOURCE.parse().ok();
    if made_how != how_of(reader) {
        return Ok(None);
    }
    if let Some(catalogue) = catalogue
        && reader.is_source_unindexed(&catalogue)?
    {
        return Ok(None);
    }
    Ok(indexes.find(stamp))
}
