//! Places files in the folder of a run: each gets its name when it is complete, and no name is used twice.

use std::path::PathBuf;

use super::{Executor, Got};
use crate::address::Address;
use crate::error::FetchError;
use crate::fetched::Document;
use crate::http::{Body, blocking};
use crate::names::check_name;

impl Executor<'_> {
    /// Gives a fetched document its name. Returns the name, which differs if the document was packed again.
    pub(super) async fn place(
        &mut self,
        address: &Address,
        name: &str,
        body: Body,
        is_same: bool,
    ) -> Result<String, FetchError> {
        let is_numbered = self.numbered.contains(name);
        let name = body
            .renamed
            .map_or_else(|| name.to_owned(), |renamed| renamed.apply(name));
        check_name(&name).map_err(|why| FetchError::Forbidden {
            address: address.to_string(),
            why,
        })?;
        if !self.names.insert(name.clone()) {
            return Err(FetchError::Inconsistent {
                address: address.to_string(),
                what: format!("two documents are called {name}"),
            });
        }
        let validator = body.validator();
        let target = self.session.run.into.join(&name);
        let (from, to) = (body.path.clone(), target.clone());
        let moved = blocking(move || {
            if let Some(folder) = to.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::rename(&from, &to)
        });
        moved.await.map_err(|source| FetchError::Disk {
            path: target.clone(),
            action: "written",
            source,
        })?;
        self.got.push(Got {
            document: Document {
                path: target,
                address: address.to_string(),
                at_ms: body.at_ms,
                validator,
                bytes: body.bytes,
                is_numbered,
            },
            is_same,
        });
        self.session.progress.documents += 1;
        self.session.report(address);
        self.check_count(address)?;
        Ok(name)
    }

    /// Returns a name that no document of this run has yet, because documents of different addresses can have the
    /// same name.
    pub(super) fn free_name(&mut self, name: &str) -> String {
        if !self.names.contains(name) {
            return name.to_owned();
        }
        let free = format!("{}/{name}", self.names.len() + 1);
        self.numbered.insert(free.clone());
        free
    }

    fn check_count(&self, address: &Address) -> Result<(), FetchError> {
        let limit = self.session.limits.max_documents;
        if self.got.len() as u64 > limit {
            return Err(FetchError::Limit {
                address: address.to_string(),
                what: format!("more than {limit} documents"),
            });
        }
        Ok(())
    }

    /// Removes the documents that did not change.
    pub(super) async fn drop_same(&mut self) -> Result<(), FetchError> {
        let (same, changed): (Vec<Got>, Vec<Got>) = std::mem::take(&mut self.got)
            .into_iter()
            .partition(|got| got.is_same);
        self.got = changed;
        self.remove(same.into_iter().map(|got| got.document.path).collect())
            .await
    }

    /// Removes the documents after the first `keep`, because their list is read again.
    pub(super) async fn drop_after(&mut self, keep: usize) -> Result<(), FetchError> {
        let dropped = self.got.split_off(keep.min(self.got.len()));
        for got in &dropped {
            if let Ok(name) = got.document.path.strip_prefix(self.session.run.into) {
                self.names.remove(name.to_string_lossy().as_ref());
            }
        }
        self.session.progress.documents = self.got.len() as u64;
        self.remove(dropped.into_iter().map(|got| got.document.path).collect())
            .await
    }

    /// Removes files of the run's folder.
    pub(super) async fn remove(&self, paths: Vec<PathBuf>) -> Result<(), FetchError> {
        for path in paths {
            let removed = path.clone();
            blocking(move || std::fs::remove_file(&removed))
                .await
                .map_err(|source| FetchError::Disk {
                    path,
                    action: "removed",
                    source,
                })?;
        }
        Ok(())
    }
}
