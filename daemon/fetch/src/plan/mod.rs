//! Plans: the documents to fetch and their addresses, as data.

mod step;

use std::path::Path;
use std::time::Duration;

use starling_feeds::connectors::Kind;

use crate::address::Address;
use crate::error::PlanError;

pub(crate) use step::{
    CsafStep, DocumentStep, FolderStep, Form, ListFormat, ListStep, PagesStep, Paging, Pointer,
    RepositoryStep, Since, SnapshotStep, Step, TimeText, Validators, WindowsStep, YearsStep,
};

/// The documents to fetch of one source, and their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub(crate) title: String,
    pub(crate) kind: Option<&'static str>,
    /// The address that the operator or the preset gave. Lists may point to its server.
    pub(crate) base: Address,
    /// Other servers that lists and redirects of this plan may lead to.
    pub(crate) hosts: Vec<String>,
    /// The header for the key, if the source takes one.
    pub(crate) key: Option<KeyHeader>,
    pub(crate) pace: Pace,
    /// After this time the complete source is fetched again, because only that shows what it dropped.
    pub(crate) whole_every: Option<Duration>,
    /// If one document changed, the others are fetched as well: only then is the source complete.
    pub(crate) together: bool,
    pub(crate) steps: Vec<Step>,
}

/// The way to send a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyHeader {
    pub(crate) name: &'static str,
    /// The text before the key, such as `Bearer `.
    pub(crate) prefix: &'static str,
}

/// Distances between requests to one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Without a key.
    pub(crate) open: Duration,
    /// With a key.
    pub(crate) keyed: Duration,
    /// The shortest wait before a request is repeated.
    pub(crate) retry: Duration,
    /// True if the source answers 403 to a client that is too fast.
    pub(crate) throttles_by_403: bool,
}

impl Default for Pace {
    /// Ten requests a second at most.
    fn default() -> Self {
        Self {
            open: Duration::from_millis(100),
            keyed: Duration::from_millis(100),
            retry: Duration::from_secs(2),
            throttles_by_403: false,
        }
    }
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
        let base = Address::parse(address)?;
        let step = match &base {
            Address::Http(_) => Step::Document(DocumentStep {
                name: base.file_name("document"),
                address: base.clone(),
                form: Form::Any,
                validators: Validators::Both,
                beside: None,
                may_be_missing: false,
            }),
            Address::File(path) => Step::Folder(FolderStep { path: path.clone() }),
        };
        Self::new(&base.without_query(), kind, base.clone(), vec![step])
    }

    pub(crate) fn new(
        title: &str,
        kind: Option<&str>,
        base: Address,
        steps: Vec<Step>,
    ) -> Result<Self, PlanError> {
        let kind = kind
            .map(|kind| kind.parse::<Kind>().map(Kind::name))
            .transpose()
            .map_err(|error| PlanError::Kind(error.to_string()))?;
        Ok(Self {
            title: title.to_owned(),
            kind,
            base,
            hosts: Vec::new(),
            key: None,
            pace: Pace::default(),
            whole_every: None,
            together: false,
            steps,
        })
    }

    /// Returns the kind of the documents, as `--kind` accepts it; `None` if it is detected from each document.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.kind
    }

    /// Describes the fetched source, for messages.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Returns the base address of the plan without its query, which may be a secret.
    #[must_use]
    pub fn address(&self) -> String {
        self.base.without_query()
    }

    /// Returns true if the plan asks a server; false if it reads files of this machine.
    #[must_use]
    pub const fn is_remote(&self) -> bool {
        matches!(self.base, Address::Http(_))
    }

    /// Returns the file or folder of this machine that the plan reads; `None` if it asks a server.
    #[must_use]
    pub fn local(&self) -> Option<&Path> {
        match &self.base {
            Address::File(path) => Some(path),
            Address::Http(_) => None,
        }
    }

    /// Names the plan by its kind, addresses and questions: a position of another plan is not used.
    pub(crate) fn fingerprint(&self) -> String {
        let addresses: Vec<String> = self.own_addresses().iter().map(Address::to_string).collect();
        let questions: Vec<String> = self.steps.iter().map(Step::question).collect();
        let text = format!(
            "{:?}\n{}\n{}",
            self.kind,
            addresses.join("\n"),
            questions.join("\n")
        );
        blake3::hash(text.as_bytes()).to_hex()[..32].to_owned()
    }

    /// Returns the parameters of the plan's own queries, which are not secret.
    pub(crate) fn parameters(&self) -> Vec<String> {
        self.steps.iter().flat_map(Step::parameters).collect()
    }

    /// Returns the addresses that the operator or the preset gave.
    pub(crate) fn own_addresses(&self) -> Vec<Address> {
        let steps = self.steps.iter().flat_map(Step::addresses);
        std::iter::once(self.base.clone()).chain(steps).collect()
    }

    pub(crate) fn uses_https(&self) -> bool {
        let is_https = |address: &Address| matches!(address, Address::Http(url) if url.scheme() == "https");
        self.own_addresses().iter().any(is_https)
    }
}
