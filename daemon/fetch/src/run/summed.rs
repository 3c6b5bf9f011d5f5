//! Documents with a checksum file that their list names, as providers of CSAF documents publish them.

use super::Executor;
use super::document::{MAX_BESIDE_BYTES, Outcome, is_missing};
use crate::address::Address;
use crate::clock::Wait;
use crate::error::FetchError;
use crate::http::{Answer, Body, Request, blocking};
use crate::plan::{DocumentStep, Form};
use crate::verify::{self, Digest};

impl Executor<'_> {
    /// Gets a document and compares it with the checksum in the file at `sum`. One that contradicts it is not taken and
    /// named, so that the source is not read to its end; the others are.
    pub(super) async fn summed_document(
        &mut self,
        step: &DocumentStep,
        sum: &Address,
    ) -> Result<Outcome, FetchError> {
        let mut failed = 0;
        loop {
            let request = Request {
                address: step.address.clone(),
                form: step.form,
                seen: None,
            };
            let Answer::Body(body) = self.session.get(&request).await? else {
                return Ok(Outcome::Missing);
            };
            let Some((digest, published)) = self.published(sum).await? else {
                return self.take(step, body).await;
            };
            let found = self.digest_of(&step.address, &body, digest).await?;
            if found == published {
                return self.take(step, body).await;
            }
            self.remove(vec![body.path]).await?;
            // The server may have replaced only one of document and checksum: fetch both again.
            failed += 1;
            if failed >= self.session.limits.max_attempts {
                self.not_read(format!(
                    "{} is damaged: its {digest} is {found}, and {published} is published in {sum}; it was not taken",
                    step.address
                ));
                return Ok(Outcome::Damaged);
            }
            self.session.pause(self.plan.pace.retry, Wait::Retry).await?;
        }
    }

    async fn take(&mut self, step: &DocumentStep, body: Body) -> Result<Outcome, FetchError> {
        let last_modified_ms = body.last_modified_ms;
        self.place(&step.address, &step.name, body, false).await?;
        Ok(Outcome::Taken { last_modified_ms })
    }

    /// Reads a checksum file: digits, and a file's name behind them. None if it is missing or holds no digits, which is
    /// noted.
    async fn published(&mut self, sum: &Address) -> Result<Option<(Digest, String)>, FetchError> {
        let request = Request {
            address: sum.clone(),
            form: Form::Text,
            seen: None,
        };
        let text = match self.session.get(&request).await {
            Ok(Answer::Body(body)) if body.bytes <= MAX_BESIDE_BYTES => self.text_of(body).await?,
            Ok(Answer::Body(body)) => {
                self.remove(vec![body.path]).await?;
                String::new()
            }
            Ok(Answer::Missing | Answer::NotModified) => String::new(),
            Err(error) if is_missing(&error) || matches!(error, FetchError::Unexpected { .. }) => {
                String::new()
            }
            Err(error) => return Err(error),
        };
        let digits = text
            .split(|c: char| !c.is_ascii_alphanumeric())
            .map(str::to_ascii_lowercase)
            .find_map(|word| Digest::of_digits(&word).map(|digest| (digest, word)));
        if digits.is_none() {
            let (count, _) = self.unsummed.get_or_insert_with(|| (0, sum.to_string()));
            *count += 1;
        }
        Ok(digits)
    }

    async fn digest_of(&self, address: &Address, body: &Body, digest: Digest) -> Result<String, FetchError> {
        let (path, stop) = (body.path.clone(), self.session.run.stop.clone());
        let limit = self.session.limits.max_unpacked_bytes;
        let found = blocking(move || verify::digest_of(&path, digest, limit, &stop)).await;
        found.map_err(|fault| fault.of(address))
    }

    /// Reports the checksums that could not be fetched.
    pub(super) fn close_sums(&mut self) {
        if let Some((count, first)) = self.unsummed.take() {
            self.session.note(format!(
                "{count} listed checksums are missing or cannot be read, the first is {first}: their documents were taken \
                 without a check"
            ));
        }
    }
}
