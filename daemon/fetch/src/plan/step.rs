//! The steps of a plan.

use std::path::PathBuf;
use std::time::Duration;

use crate::address::Address;

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Fetches one document or archive at a fixed address.
    Document(DocumentStep),
    /// A document for each year until now.
    Years(YearsStep),
    /// Documents that a list names.
    List(ListStep),
    /// An archive of everything, and a list of the later changes.
    Snapshot(Box<SnapshotStep>),
    /// Pages of an API.
    Pages(PagesStep),
    /// Fetches the pages of an API that is queried for spans of time.
    Windows(WindowsStep),
    /// A provider of CSAF documents.
    Csaf(CsafStep),
    /// The notices of a package repository.
    Repository(RepositoryStep),
    /// Files of a local folder.
    Folder(FolderStep),
}

/// The expected form of a document. A document of another form is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Xml,
    /// CSV or another text without a form of its own.
    Text,
    /// A text that may be empty, such as a list of deleted documents.
    TextOrEmpty,
    /// An HTML page; all other forms refuse one.
    Html,
    /// A document packed with gzip.
    Gzip,
    /// A document packed with bzip2. It is unpacked, because an import does not read it.
    Bzip2,
    Zip,
    /// A tar, uncompressed or packed with gzip, zstd or bzip2. The latter is packed again with zstd.
    Tar,
    /// Any of the above except HTML, recognised by its first bytes.
    Any,
}

impl Form {
    /// Returns true for forms that a server may compress for the transfer.
    pub(crate) fn is_text(self) -> bool {
        matches!(
            self,
            Self::Json | Self::Xml | Self::Text | Self::TextOrEmpty | Self::Html
        )
    }
}

/// The validators of a server that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Validators {
    Both,
    /// The server sends an `ETag`, but ignores it in requests.
    LastModifiedOnly,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DocumentStep {
    pub(crate) address: Address,
    /// Its name in the folder of the run.
    pub(crate) name: String,
    pub(crate) form: Form,
    pub(crate) validators: Validators,
    /// A file beside it with a line `sha256:` for the content of the document.
    pub(crate) beside: Option<Address>,
    /// True if a missing document is normal, such as that of a branch without one.
    pub(crate) may_be_missing: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct YearsStep {
    pub(crate) folder: Address,
    /// The name of a document, with `{year}` in it.
    pub(crate) name: String,
    /// The name of the checksum file beside it, with `{year}` in it.
    pub(crate) checksum: String,
    pub(crate) form: Form,
    pub(crate) from_year: u16,
}

/// The format of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListFormat {
    /// Lines `TIME,ID`, newest first.
    TimeThenId,
    /// Lines `"PATH","TIME"`, in any order.
    PathThenTime,
    /// One path in each line.
    Paths,
    /// A JSON array of objects with `id` and `modified`.
    IdAndModified,
    /// The log of changes of the CVE list.
    CveDeltaLog,
    /// The checksums of JVN iPedia: an array of `url`, `sha256`, `size`, `lastModified`.
    JvnChecksums,
    /// A ROLIE feed.
    Rolie,
    /// The links of a page of HTML that lead to folders below it, each with the documents named in the step.
    HtmlFolders,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListStep {
    /// Names the step in a position.
    pub(crate) id: String,
    pub(crate) address: Address,
    pub(crate) format: ListFormat,
    /// The folder that the rows' paths are below.
    pub(crate) documents: Address,
    /// What to append to a row, such as `.json`.
    pub(crate) suffix: String,
    /// Rows with another ending are skipped; empty accepts all.
    pub(crate) only: String,
    /// Rows with another beginning are skipped; empty accepts all.
    pub(crate) below: String,
    /// The documents of each folder, for [`ListFormat::HtmlFolders`].
    pub(crate) files: Vec<String>,
    /// Put before the name of a document in the folder of the run.
    pub(crate) prefix: String,
    pub(crate) form: Form,
    /// True if a list without a row is normal.
    pub(crate) may_be_empty: bool,
    /// True if rows carry times that order them; else each row's fingerprint is compared.
    pub(crate) by_time: bool,
    /// The span of earlier rows that are read again, because lists are not written in the order of their times.
    pub(crate) overlap: Duration,
}

/// The way to find the name of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pointer {
    /// It is fixed.
    Fixed,
    /// A text file beside the archive contains it.
    TextFile(Address),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SnapshotStep {
    pub(crate) pointer: Pointer,
    /// The archive; with a pointer, its address is the folder.
    pub(crate) whole: DocumentStep,
    /// Its prefix is the archive's stem and the folder in it: a document has one name, whichever way it came.
    pub(crate) changes: ListStep,
    /// A list of documents that were deleted.
    pub(crate) deletions: Option<ListStep>,
    /// With more changes than this, the archive is fetched instead.
    pub(crate) max_changes: usize,
}

/// The way in which an API splits its answer into pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Paging {
    /// By the number of entries to skip.
    Offset {
        start: &'static str,
        size: &'static str,
        total: &'static str,
    },
    /// By the page's number, until a page is empty.
    UntilEmpty {
        page: &'static str,
        size: &'static str,
        first: u64,
    },
    /// By the page's number; the answer says how many there are.
    PageOf {
        page: &'static str,
        size: &'static str,
        pages: &'static str,
    },
    /// The answer contains the address of the next page, at this path of members.
    NextIn(&'static [&'static str]),
    /// A `Link` header contains the address of the next page.
    LinkHeader,
}

/// The format of a time in a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeText {
    /// `2026-01-31`
    Date,
    /// `2026-01-31T00:00:00.000+00:00`
    Millis,
    /// `2026-01-31..`, as ranges of GitHub are written.
    OpenRange,
}

/// The parameter that limits an API's answer to changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Since {
    pub(crate) parameter: &'static str,
    pub(crate) text: TimeText,
    pub(crate) overlap: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PagesStep {
    pub(crate) id: String,
    pub(crate) address: Address,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) paging: Paging,
    /// The member that holds the entries; empty if the answer is an array.
    pub(crate) items: &'static str,
    /// Number of entries on a page.
    pub(crate) size: u64,
    pub(crate) since: Option<Since>,
    /// Put before the number of a page in its name.
    pub(crate) prefix: String,
}

impl PagesStep {
    /// Returns the step with one entry less on each page, if its query names the size.
    pub(crate) fn one_less(&self) -> Option<Self> {
        let (old, size) = (self.size.to_string(), self.size.checked_sub(1)?);
        let mut step = self.clone();
        let (_, value) = step.query.iter_mut().find(|(_, value)| *value == old)?;
        *value = size.to_string();
        step.size = size;
        Some(step)
    }

    fn parameters(&self) -> Vec<String> {
        let own = match self.paging {
            Paging::Offset { start, size, .. } => vec![start, size],
            Paging::UntilEmpty { page, size, .. } | Paging::PageOf { page, size, .. } => vec![page, size],
            Paging::NextIn(_) | Paging::LinkHeader => Vec::new(),
        };
        let since = self.since.as_ref().map(|since| since.parameter);
        let query = self.query.iter().map(|(name, _)| name.clone());
        own.into_iter()
            .chain(since)
            .map(str::to_owned)
            .chain(query)
            .collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WindowsStep {
    pub(crate) pages: PagesStep,
    pub(crate) from_parameter: &'static str,
    pub(crate) until_parameter: &'static str,
    pub(crate) text: TimeText,
    /// The start of the first window, in milliseconds since 1970.
    pub(crate) begin_ms: u64,
    /// Longest window that the API accepts.
    pub(crate) longest: Duration,
    pub(crate) overlap: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CsafStep {
    pub(crate) id: String,
    /// Of the `provider-metadata.json`.
    pub(crate) address: Address,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RepositoryStep {
    pub(crate) id: String,
    /// A list of mirrors, or the repository itself if its address ends with a slash.
    pub(crate) address: Address,
    /// True if the address is that of a list of mirrors.
    pub(crate) is_mirror_list: bool,
    /// Put before the name of the file in the folder of the run.
    pub(crate) prefix: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FolderStep {
    pub(crate) path: PathBuf,
}

impl Step {
    /// Returns the addresses that the step itself names; their servers are the operator's or the preset's choice.
    pub(crate) fn addresses(&self) -> Vec<Address> {
        match self {
            Self::Document(step) => vec![step.address.clone()],
            Self::Years(step) => vec![step.folder.clone()],
            Self::List(step) => vec![step.address.clone(), step.documents.clone()],
            Self::Snapshot(step) => vec![
                step.whole.address.clone(),
                step.changes.address.clone(),
                step.changes.documents.clone(),
            ],
            Self::Pages(step) => vec![step.address.clone()],
            Self::Windows(step) => vec![step.pages.address.clone()],
            Self::Csaf(step) => vec![step.address.clone()],
            Self::Repository(step) => vec![step.address.clone()],
            Self::Folder(step) => vec![Address::File(step.path.clone())],
        }
    }

    /// Returns the parameters of the step's queries.
    pub(crate) fn parameters(&self) -> Vec<String> {
        match self {
            Self::Pages(step) => step.parameters(),
            Self::Windows(step) => {
                let mut parameters = step.pages.parameters();
                parameters.extend([step.from_parameter, step.until_parameter].map(str::to_owned));
                parameters
            }
            _ => Vec::new(),
        }
    }

    /// Returns the settings of the step besides its addresses.
    pub(crate) fn question(&self) -> String {
        match self {
            Self::List(step) => format!("{} {:?}", step.id, step.files),
            Self::Snapshot(step) => step.changes.id.clone(),
            Self::Pages(step) => format!("{} {:?}", step.id, step.query),
            Self::Windows(step) => format!("{} {:?}", step.pages.id, step.pages.query),
            Self::Repository(step) => step.id.clone(),
            Self::Document(_) | Self::Years(_) | Self::Csaf(_) | Self::Folder(_) => String::new(),
        }
    }
}
