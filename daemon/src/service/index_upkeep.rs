//! Keeps the match index and its marker current: builds a missing index, and notes which log position it is for.

use starling_api::ServiceResult;
use starling_api_types::Problem;

use super::{SiteParts, folding_of, store_problem};
use crate::match_index::ReadyState;

impl SiteParts {
    /// Builds the match index of the current knowledge, if it is missing, and writes its marker. Logs a failure:
    /// scans then read the view.
    ///
    /// Folds every advisory of every package, which takes many times longer than a scan for a complete corpus.
    pub(crate) fn refresh_index(&self) {
        let refreshed = self
            .live
            .indexes
            .refresh(self)
            .map_err(|error| crate::home::error_chain(&error));
        let marked = refreshed.and_then(|stamp| match stamp {
            Some(stamp) => self.mark_ready(stamp).map_err(|problem| problem.to_string()),
            None => Ok(()),
        });
        if let Err(error) = marked {
            tracing::warn!(%error, "building the match index");
        }
    }

    /// Writes the marker if there is an index of the current knowledge and the marker is outdated. Called whenever
    /// the log may have grown, so that after a kill at any moment the marker is current, and as the last action of a
    /// daemon.
    pub(crate) fn keep_ready(&self) {
        let Ok(reader) = self.data.store.view() else {
            return;
        };
        let (position, stamp) = (reader.position(), crate::match_index::stamp_of(&reader));
        drop(reader);
        if self.data.store.is_read_only() || self.live.indexes.ready().is_of(&position, &stamp) {
            return;
        }
        if self.live.indexes.find(&stamp).is_some()
            && let Err(problem) = self.mark_ready(stamp)
        {
            tracing::warn!(%problem, "marking the match index as ready");
        }
    }

    /// Removes a marker whose index was built from other rows than those that are open: the engine was rebuilt since,
    /// perhaps because of damage.
    pub(super) fn drop_mark_of_other_rows(&self) {
        if self.data.store.is_read_only() {
            return;
        }
        let Some(marked) = self.live.indexes.ready().read() else {
            return;
        };
        let stamp = self
            .data
            .store
            .view()
            .ok()
            .map(|reader| crate::match_index::stamp_of(&reader));
        if stamp.is_some_and(|stamp| stamp != marked.stamp) {
            self.live.indexes.ready().remove();
        }
    }

    /// Writes the marker for the index of `stamp`, unless it is already outdated.
    fn mark_ready(&self, stamp: starling_scanner::index::IndexStamp) -> ServiceResult<()> {
        let failed = |error| store_problem("reading the view", &error);
        let reader = self.data.store.view().map_err(failed)?;
        if crate::match_index::stamp_of(&reader) != stamp {
            return Ok(());
        }
        // Changes continue meanwhile: a marker written after a change has an earlier position, and does not apply.
        let state = ReadyState {
            position: reader.position(),
            stamp,
            folding: folding_of(self.identity.home.chain(), &self.identity.config),
            knowledge: self.knowledge_state(&reader)?,
        };
        self.live
            .indexes
            .ready()
            .write(&state)
            .map_err(|error| Problem::internal("marking the match index as ready", error))
    }
}
