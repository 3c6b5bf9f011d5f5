//! The settings of a feed's fetches.

use std::path::PathBuf;
use std::time::Duration;

/// The way in which a fetcher reaches servers, and its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The `User-Agent` of every request. Some sources refuse an empty one, or that of a library.
    pub user_agent: String,
    /// The proxy.
    pub proxy: ProxySettings,
    /// A PEM file of certificate authorities to trust beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// A file with the API key of the source, on its first line. It is sent only to the hosts that the plan names, and is
    /// never shown.
    pub api_key_file: Option<PathBuf>,
    /// Bounds of a run.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            user_agent: concat!(
                "starling/",
                env!("CARGO_PKG_VERSION"),
                " (vulnerability feed reader)"
            )
            .to_owned(),
            proxy: ProxySettings::Environment,
            ca_file: None,
            api_key_file: None,
            limits: Limits::default(),
        }
    }
}

/// The proxy for requests.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum ProxySettings {
    /// As in the environment: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`.
    #[default]
    Environment,
    /// No proxy, whatever the environment says.
    None,
    /// Through this one, such as `http://proxy.example:3128`. It may hold a user name and a password, which are never shown.
    Address(String),
}

impl std::fmt::Debug for ProxySettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Environment => "Environment",
            Self::None => "None",
            Self::Address(_) => "Address(hidden)",
        })
    }
}

/// Bounds of one run. All bytes are as received; unpacked sizes have bounds of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Longest document or archive, in bytes.
    pub max_document_bytes: u64,
    /// Most bytes that a packed document or an archive may unpack to.
    pub max_unpacked_bytes: u64,
    /// Most bytes of a run.
    pub max_run_bytes: u64,
    /// Most bytes that the documents of a run may have on the disk, unpacked ones included.
    pub max_written_bytes: u64,
    /// Bytes that stay free on the disk: the store's reserves, and some for the import that follows.
    pub reserve_bytes: u64,
    /// Most pages of one list or window.
    pub max_pages: u64,
    /// Most documents of a run.
    pub max_documents: u64,
    /// Most redirects of one request.
    pub max_redirects: u32,
    /// Attempts for one request, the first one included.
    pub max_attempts: u32,
    /// Longest time without a byte.
    pub silence: Duration,
    /// Least bytes a second, on average over [`Self::silence`] and longer.
    pub min_bytes_per_second: u64,
    /// Longest time for one document.
    pub max_document_time: Duration,
    /// Longest time for a run. Complete windows until then are kept.
    pub max_run_time: Duration,
    /// Longest time that a server may ask to wait (`Retry-After`) before the run gives up and reports it.
    pub max_retry_after: Duration,
    /// Largest share of listed documents that may be missing (404), in percent. More is an outage.
    pub max_missing_percent: u64,
}

impl Default for Limits {
    /// The default fits every preset. The largest archives have some GB; an import accepts archives that unpack to 32
    /// GiB.
    fn default() -> Self {
        Self {
            max_document_bytes: 8 << 30,
            max_unpacked_bytes: 32 << 30,
            max_run_bytes: 16 << 30,
            max_written_bytes: 32 << 30,
            reserve_bytes: 128 << 20,
            max_pages: 20_000,
            max_documents: 500_000,
            max_redirects: 5,
            max_attempts: 5,
            silence: Duration::from_secs(60),
            min_bytes_per_second: 64,
            max_document_time: Duration::from_secs(6 * 3600),
            max_run_time: Duration::from_secs(24 * 3600),
            max_retry_after: Duration::from_secs(15 * 60),
            max_missing_percent: 5,
        }
    }
}
