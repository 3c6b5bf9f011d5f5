//! Plans: what to fetch from where, as data.

use crate::error::PlanError;

/// What to fetch of one source, and in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    title: String,
    kind: Option<String>,
    address: String,
}

impl Plan {
    /// Makes the plan of a document, an archive or a local folder of documents at `address`.
    ///
    /// `address` is an `https:` or `http:` address, a `file:` address or an absolute path. The whole source is fetched
    /// each time that it changed; of a folder, the files that changed.
    ///
    /// # Errors
    /// If `address` cannot be fetched or `kind` is not a kind of document.
    pub fn of_address(kind: Option<&str>, address: &str) -> Result<Self, PlanError> {
        Ok(Self {
            title: address.to_owned(),
            kind: kind.map(str::to_owned),
            address: address.to_owned(),
        })
    }

    /// Returns the kind of the documents, as `--kind` takes it. None: each shows it by its shape.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// Returns what the plan fetches, for messages.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Returns the first address of the plan, without any key.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}
