//! Secrets in addresses: what follows the `?` of an operator's address is in nothing that a run returns.

use crate::address::Address;
use crate::error::FetchError;
use crate::fetched::Fetched;

/// What is put in the place of a secret.
const HIDDEN: &str = "…";

/// Knows the secret of one plan.
#[derive(Clone)]
pub(crate) struct Redaction(Option<String>);

impl Redaction {
    pub(crate) fn of(base: &Address) -> Self {
        match base {
            Address::Http(url) => Self(url.query().filter(|query| !query.is_empty()).map(str::to_owned)),
            Address::File(_) => Self(None),
        }
    }

    /// Hides the secret in a text.
    pub(crate) fn text(&self, text: &mut String) {
        if let Some(secret) = self.0.as_deref().filter(|secret| text.contains(*secret)) {
            *text = text.replace(secret, HIDDEN);
        }
    }

    /// Hides the secret in an error.
    pub(crate) fn error(&self, mut error: FetchError) -> FetchError {
        match &mut error {
            FetchError::Settings { what } => self.text(what),
            FetchError::Status { address, .. } => self.text(address),
            FetchError::Unreachable { address, what }
            | FetchError::Certificate { address, what }
            | FetchError::Stalled { address, what }
            | FetchError::Truncated { address, what }
            | FetchError::Damaged { address, what }
            | FetchError::Inconsistent { address, what }
            | FetchError::Limit { address, what } => {
                self.text(address);
                self.text(what);
            }
            FetchError::Unexpected { address, found, .. } => {
                self.text(address);
                self.text(found);
            }
            FetchError::Forbidden { address, why } => {
                self.text(address);
                self.text(why);
            }
            FetchError::Disk { .. } | FetchError::Stopped => {}
        }
        error
    }

    /// Hides the secret in what a run brought. The position keeps it: it is not shown.
    pub(crate) fn fetched(&self, mut fetched: Fetched) -> Fetched {
        fetched.notes.iter_mut().for_each(|note| self.text(note));
        for document in &mut fetched.documents {
            self.text(&mut document.address);
        }
        for gone in &mut fetched.gone {
            self.text(&mut gone.address);
            self.text(&mut gone.reason);
        }
        fetched.unfinished = fetched.unfinished.map(|error| self.error(error));
        fetched
    }
}
