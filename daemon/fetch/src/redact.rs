//! Secrets in addresses: what follows a `?` is in nothing that a run returns: neither that of an operator's address nor of one
//! that a server gave. Only the plan's own questions are shown.

use std::collections::BTreeSet;

use crate::address::Address;
use crate::error::FetchError;
use crate::fetched::Fetched;
use crate::plan::Plan;

/// The text that replaces a secret.
const HIDDEN: &str = "…";

/// The secret of one plan, and the parameters that are not secret.
#[derive(Clone)]
pub(crate) struct Redaction {
    secret: Option<String>,
    /// The parameters of the plan's own queries.
    asked: BTreeSet<String>,
}

impl Redaction {
    pub(crate) fn of(plan: &Plan) -> Self {
        let secret = match &plan.base {
            Address::Http(url) => url.query().filter(|query| !query.is_empty()).map(str::to_owned),
            Address::File(_) => None,
        };
        Self {
            secret,
            asked: plan.parameters().into_iter().collect(),
        }
    }

    /// Hides secrets in a text: that of the plan's address, and those that an answer put behind a `?` or before an
    /// `@`.
    pub(crate) fn text(&self, text: &mut String) {
        if let Some(secret) = self.secret.as_deref().filter(|secret| text.contains(*secret)) {
            *text = text.replace(secret, HIDDEN);
        }
        if !text.contains("://") {
            return;
        }
        let mut clean = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(at) = rest
            .find("http://")
            .into_iter()
            .chain(rest.find("https://"))
            .min()
        {
            let (before, from) = rest.split_at(at);
            let end = from.find(|letter: char| letter.is_whitespace() || "\"'<>".contains(letter));
            let (address, after) = from.split_at(end.unwrap_or(from.len()));
            clean.push_str(before);
            clean.push_str(&self.address(address));
            rest = after;
        }
        clean.push_str(rest);
        *text = clean;
    }

    /// Returns an address in a text, and the punctuation that follows it.
    fn address(&self, text: &str) -> String {
        let address = text.trim_end_matches([':', ';', ',', '.', ')']);
        let query = address.split_once('?').map(|(_, query)| query);
        let is_own = query.is_some_and(|query| {
            !query.contains('#')
                && query.split('&').all(|pair| {
                    let name = pair.split_once('=').map_or(pair, |(name, _)| name);
                    self.asked.contains(name)
                })
        });
        let shown = if is_own {
            address.to_owned()
        } else {
            shown(address)
        };
        format!("{shown}{}", &text[address.len()..])
    }

    /// Hides the secret in an error.
    pub(crate) fn error(&self, mut error: FetchError) -> FetchError {
        match &mut error {
            FetchError::Settings { what } => self.text(what),
            FetchError::Status { address, .. } | FetchError::NoSpace { address, .. } => self.text(address),
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

    /// Hides the secret in the result of a run, but not in the position, which is never shown.
    pub(crate) fn fetched(&self, mut fetched: Fetched) -> Fetched {
        fetched.notes.iter_mut().for_each(|note| self.text(note));
        fetched.unread.iter_mut().for_each(|unread| self.text(unread));
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

/// Returns an address without its user, query and fragment, which may be secret.
pub(crate) fn shown(address: &str) -> String {
    let end = address.find(['?', '#']).unwrap_or(address.len());
    let (before, after) = address.split_at(end);
    let mut shown = before.to_owned();
    if let Some((scheme, rest)) = before.split_once("//") {
        let host_end = rest.find('/').unwrap_or(rest.len());
        if let Some(at) = rest[..host_end].rfind('@') {
            shown = format!("{scheme}//{HIDDEN}{}", &rest[at..]);
        }
    }
    if !after.is_empty() {
        shown.push('?');
        shown.push_str(HIDDEN);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_shown_without_its_secrets() {
        for (address, expected) in [
            ("https://a.example/x", "https://a.example/x"),
            ("https://a.example/x?sig=1&b=2", "https://a.example/x?…"),
            ("https://a.example/x#token=1", "https://a.example/x?…"),
            ("https://me:pass@a.example/x@y", "https://…@a.example/x@y"),
            ("/x?sig=1", "/x?…"),
            ("//me@a.example", "//…@a.example"),
        ] {
            assert_eq!(shown(address), expected);
        }
    }

    #[test]
    fn addresses_in_a_text_are_cleaned_and_own_questions_stay() {
        let redaction = Redaction {
            secret: None,
            asked: ["page", "size"].map(str::to_owned).into(),
        };
        let mut text = "http://a.example/x?page=1&size=2: from \"https://b.example/?sig=s3cret\", or \
                        https://u:s3cret@b.example/a?page=1&sig=s3cret."
            .to_owned();
        redaction.text(&mut text);
        assert_eq!(
            text,
            "http://a.example/x?page=1&size=2: from \"https://b.example/?…\", or https://…@b.example/a?…."
        );
    }
}
