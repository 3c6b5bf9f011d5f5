//! Fetches the notices of a package repository, which its `repomd.xml` names.

use std::io::BufReader;

use super::Executor;
use super::document::missing;
use super::list::list_error;
use crate::address::Address;
use crate::error::FetchError;
use crate::http::{Answer, Request, blocking};
use crate::list::{self, Updateinfo};
use crate::names::shorten;
use crate::plan::{DocumentStep, Form, RepositoryStep, Validators};
use crate::position::Seen;

/// Longest list of mirrors, in bytes.
const MAX_MIRRORS_BYTES: u64 = 64 << 10;

impl Executor<'_> {
    pub(super) async fn repository_step(&mut self, step: &RepositoryStep) -> Result<(), FetchError> {
        let repository = match step.is_mirror_list {
            true => self.mirror(step).await?,
            false => step.address.clone(),
        };
        let updateinfo = self.updateinfo(&repository).await?;
        let address = repository
            .join(&updateinfo.path)
            .map_err(|why| FetchError::Forbidden {
                address: repository.to_string(),
                why,
            })?;
        let known = self
            .old
            .documents
            .get(&step.id)
            .and_then(|seen| seen.etag.clone());
        let checksum = updateinfo
            .sha256
            .as_ref()
            .map(|digits| format!("sha256:{digits}"));
        let file = updateinfo.path.rsplit('/').next().unwrap_or_default();
        let ending = file.find(".xml").map_or("", |at| &file[at..]);
        let document = DocumentStep {
            address,
            name: format!(
                "{}updateinfo{}",
                step.prefix,
                if ending.is_empty() { ".xml" } else { ending }
            ),
            form: Form::Any,
            validators: Validators::Both,
            beside: None,
            may_be_missing: false,
        };
        if checksum.is_some() && known == checksum {
            self.unsent.push(document);
            return Ok(());
        }
        let request = Request {
            address: document.address.clone(),
            form: document.form,
            seen: None,
        };
        let Answer::Body(body) = self.session.get(&request).await? else {
            return Err(missing(&document.address));
        };
        match &updateinfo.sha256 {
            // The checksum is of the bytes as received, so it cannot be compared after a recompression.
            Some(expected) if body.renamed.is_none() => {
                self.check_sha256(&document.address, &body, expected, false)
                    .await?;
            }
            _ => {
                let text = format!("{}: no checksum was compared", document.address);
                self.session.note(text);
            }
        }
        let hash = body.seen.hash.clone();
        let is_same = self
            .old
            .documents
            .get(&step.id)
            .is_some_and(|seen| seen.hash == hash);
        self.place(&document.address, &document.name, body, is_same)
            .await?;
        let seen = Seen {
            // Compared at the next run, like the `ETag` of a server.
            etag: checksum,
            last_modified: None,
            hash,
        };
        self.new.documents.insert(step.id.clone(), seen);
        Ok(())
    }

    async fn mirror(&mut self, step: &RepositoryStep) -> Result<Address, FetchError> {
        let text = self.small_text(&step.address, MAX_MIRRORS_BYTES).await?;
        let first =
            list::first_mirror(&mut text.as_bytes()).map_err(|fault| list_error(fault, &step.address))?;
        let forbidden = |why: String| FetchError::Forbidden {
            address: step.address.to_string(),
            why: format!("its mirror: {why}"),
        };
        let first = first.ok_or_else(|| forbidden("none is listed".to_owned()))?;
        let address = match (&step.address, Address::parse(&first)) {
            (Address::File(_), Ok(Address::File(_))) | (Address::Http(_), Ok(Address::File(_))) => {
                return Err(forbidden(format!("{:?} is a file", shorten(&first))));
            }
            (_, Ok(address)) => address,
            (_, Err(error)) => return Err(forbidden(error.to_string())),
        };
        self.session.guard.check_listed(&address)?;
        Ok(address)
    }

    async fn updateinfo(&mut self, repository: &Address) -> Result<Updateinfo, FetchError> {
        let address = repository
            .join("repodata/repomd.xml")
            .map_err(|why| FetchError::Forbidden {
                address: repository.to_string(),
                why,
            })?;
        let request = Request {
            address: address.clone(),
            form: Form::Xml,
            seen: None,
        };
        let Answer::Body(body) = self.session.get(&request).await? else {
            return Err(missing(&address));
        };
        let path = body.path.clone();
        let read = blocking(move || list::read_repomd(&mut BufReader::new(std::fs::File::open(&path)?)));
        let found = read.await.map_err(|fault| list_error(fault, &address))?;
        self.remove(vec![body.path]).await?;
        found.ok_or_else(|| FetchError::Inconsistent {
            address: address.to_string(),
            what: "the repository names no updateinfo".to_owned(),
        })
    }
}
