//! Fetches from a provider of CSAF documents, whose metadata say where the documents are.

use std::collections::BTreeSet;
use std::io::BufReader;
use std::time::Duration;

use super::Executor;
use super::document::missing;
use super::list::list_error;
use crate::address::Address;
use crate::error::FetchError;
use crate::http::{Answer, Request, blocking};
use crate::list::{self, Distribution, Provider};
use crate::plan::{CsafStep, Form, ListFormat, ListStep};

impl Executor<'_> {
    pub(super) async fn csaf_step(&mut self, step: &CsafStep) -> Result<(), FetchError> {
        let provider = self.provider(step).await?;
        for label in &provider.restricted {
            let text = format!("{} is not for everybody and is not read: {label}", step.address);
            self.session.note(text);
        }
        self.compare_distributions(step, &provider);
        let several = provider.distributions.len() > 1;
        for (index, distribution) in provider.distributions.iter().enumerate() {
            let prefix = match several {
                true => format!("{}/", index + 1),
                false => String::new(),
            };
            match distribution {
                Distribution::Rolie(text) => {
                    let address = self.distribution(step, text)?;
                    let list = list_of(step, &address, ListFormat::Rolie, address.parent(), &prefix);
                    self.list_step(&list).await?;
                }
                Distribution::Directory(text) => self.directory(step, text, &prefix).await?,
            }
        }
        Ok(())
    }

    /// Reports the lists that the provider no longer names. They are forgotten when that lasts.
    fn compare_distributions(&mut self, step: &CsafStep, provider: &Provider) {
        let mut now = BTreeSet::new();
        for distribution in &provider.distributions {
            match distribution {
                Distribution::Rolie(text) => {
                    let address = self.distribution(step, text);
                    now.extend(address.map(|address| address.to_string()));
                }
                Distribution::Directory(text) => {
                    let folder = self.distribution(step, text).ok();
                    let files = ["changes.csv", "index.txt"].map(|name| folder.as_ref()?.join(name).ok());
                    now.extend(files.into_iter().flatten().map(|address| address.to_string()));
                }
            }
        }
        let begin = format!("{}:", step.id);
        let known = self.old.rows.keys();
        let lost: Vec<String> = known
            .filter_map(|key| key.strip_prefix(&begin))
            .filter(|address| !now.contains(*address))
            .map(str::to_owned)
            .collect();
        for address in lost {
            if self.is_lasting(&format!("distribution:{address}")) {
                self.new.rows.remove(&format!("{begin}{address}"));
                self.session
                    .note(format!("{} does not name {address} any more", step.address));
            } else {
                self.not_read(format!(
                    "{} does not name {address} any more: not believed unless it stays so for a week",
                    step.address
                ));
            }
        }
    }

    /// Reads `changes.csv`, which says when each document changed; without it `index.txt`.
    async fn directory(&mut self, step: &CsafStep, text: &str, prefix: &str) -> Result<(), FetchError> {
        let folder = self.distribution(step, text)?;
        let join = |name: &str| {
            folder.join(name).map_err(|why| FetchError::Forbidden {
                address: folder.to_string(),
                why,
            })
        };
        let changes = list_of(
            step,
            &join("changes.csv")?,
            ListFormat::PathThenTime,
            folder.clone(),
            prefix,
        );
        if self.try_list(&changes).await? {
            return Ok(());
        }
        let text = format!(
            "{} is missing: index.txt is read, and each document is asked for",
            changes.address
        );
        self.session.note(text);
        let index = list_of(
            step,
            &join("index.txt")?,
            ListFormat::Paths,
            folder.clone(),
            prefix,
        );
        self.list_step(&index).await
    }

    async fn provider(&mut self, step: &CsafStep) -> Result<Provider, FetchError> {
        let request = Request {
            address: step.address.clone(),
            form: Form::Json,
            seen: None,
        };
        let Answer::Body(body) = self.session.get(&request).await? else {
            return Err(missing(&step.address));
        };
        let path = body.path.clone();
        let read = blocking(move || list::read_provider(&mut BufReader::new(std::fs::File::open(&path)?)));
        let provider = read.await.map_err(|fault| list_error(fault, &step.address))?;
        self.remove(vec![body.path]).await?;
        Ok(provider)
    }

    fn distribution(&self, step: &CsafStep, text: &str) -> Result<Address, FetchError> {
        let forbidden = |why: String| FetchError::Forbidden {
            address: crate::names::shorten(text),
            why: format!("a distribution of {}: {why}", step.address),
        };
        let Address::Http(metadata) = &step.address else {
            return Err(forbidden(
                "a local provider-metadata.json leads to a server; give the folder of the documents"
                    .to_owned(),
            ));
        };
        let url = metadata
            .join(text)
            .map_err(|error| forbidden(error.to_string()))?;
        let address = Address::of_url(url).map_err(forbidden)?;
        self.session.guard.check_listed(&address)?;
        Ok(address)
    }
}

fn list_of(
    step: &CsafStep,
    address: &Address,
    format: ListFormat,
    documents: Address,
    prefix: &str,
) -> ListStep {
    ListStep {
        id: format!("{}:{address}", step.id),
        address: address.clone(),
        format,
        documents,
        suffix: String::new(),
        // A folder also holds signatures and checksums; a feed names documents alone.
        only: match format {
            ListFormat::Rolie => String::new(),
            _ => ".json".to_owned(),
        },
        below: String::new(),
        files: Vec::new(),
        prefix: prefix.to_owned(),
        form: Form::Json,
        may_be_empty: false,
        by_time: false,
        overlap: Duration::ZERO,
    }
}
