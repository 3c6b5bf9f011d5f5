//! All limits of the API, each with its unit and reason.

use std::time::Duration;

/// Largest JSON body, in bytes. The largest is a site's certificate chain with its addresses.
pub const JSON_BODY_MAX_BYTES: u64 = 256 * 1024;

/// Largest SBOM, in bytes: held in memory while it is scanned. 100,000 components need about 60 MB.
pub const SBOM_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Largest baseline of a scan, in bytes: the verdict for the largest allowed SBOM is smaller.
pub const BASELINE_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Largest policy of a scan, in bytes.
pub const POLICY_MAX_BYTES: u64 = 1024 * 1024;

/// Largest Rego policy of a scan, in bytes.
pub const REGO_MAX_BYTES: u64 = 256 * 1024;

/// Largest VEX document of a scan, in bytes.
pub const VEX_MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Most VEX documents of one scan.
pub const VEX_MAX_DOCUMENTS: usize = 64;

/// Largest total size of one scan's VEX documents, in bytes: they are held in memory together.
pub const VEX_TOTAL_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Largest form of a scan, in bytes: its documents, and space for the lines between them.
pub const SCAN_FORM_MAX_BYTES: u64 =
    SBOM_MAX_BYTES + BASELINE_MAX_BYTES + POLICY_MAX_BYTES + REGO_MAX_BYTES + VEX_TOTAL_MAX_BYTES + 64 * 1024;

/// Largest feed upload, in bytes. It is streamed; the limit prevents endless uploads.
pub const FEED_UPLOAD_MAX_BYTES: u64 = 16 * 1024 * 1024 * 1024;

/// Longest name in an advisory's path, in bytes: a package URL with qualifiers fits.
pub const ADVISORY_NAME_MAX_BYTES: usize = 1024;

/// Most open connections of one listener. For a further one, the connection that has been silent longest is closed.
pub const MAX_CONNECTIONS: usize = 512;

/// Most calls in progress of one listener, downloads included; further calls are refused for the moment.
pub const MAX_CONCURRENT_CALLS: usize = 256;

/// Places of each limited kind that are reserved for the local socket.
pub const KEPT_PLACES: usize = 2;

/// Most uploads at once: each may hold a spool file or an SBOM in memory.
pub const MAX_CONCURRENT_UPLOADS: usize = 8;

/// Most scans evaluated at the same time; further ones wait, because builds often come together and each scan is short.
pub const MAX_CONCURRENT_SCANS: usize = 8;

/// Most simultaneous scans with a possibly slow policy, such as Rego; they wait in a separate queue.
pub const MAX_COSTLY_SCANS: usize = 2;

/// Most simultaneous scans by earlier knowledge: each first restores a state of the past, and they wait in a queue of
/// their own.
pub const MAX_PAST_SCANS: usize = 2;

/// Most bytes of scan documents held in memory while they are read, over all scans; the rest is written to a spool
/// file until its turn.
pub const SCAN_READ_BYTES: usize = 64 * 1024 * 1024;

/// Most bytes of scan documents in spool files; beyond that, calls are refused for the moment.
pub const SCAN_SPOOL_BYTES: usize = 1024 * 1024 * 1024;

/// Largest document of a small scan, in bytes: it does not wait for the memory of large ones.
pub const SMALL_SCAN_BYTES: usize = 1024 * 1024;

/// Most bytes of scan documents evaluated at the same time, and half as many each for small ones, for those that may wait in a queue
/// of their own (forms, and scans by earlier knowledge) and for the local socket.
/// Evaluation takes several times as much memory. A larger document is evaluated alone.
pub const SCAN_JUDGED_BYTES: usize = 48 * 1024 * 1024;

/// Most dumps at the same time: each lasts as long as its client reads.
pub const MAX_CONCURRENT_DUMPS: usize = 16;

/// Longest time that a client may read nothing of an answer.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Time after which an upload must have a minimum rate, in bytes per second over its whole duration.
pub const UPLOAD_GRACE: Duration = Duration::from_secs(10);
/// See [`UPLOAD_GRACE`].
pub const UPLOAD_LEAST_RATE: u64 = 1024;

/// Most event streams at the same time: each stays open.
pub const MAX_EVENT_STREAMS: usize = 64;

/// Time limit of a call that reads or changes little.
pub const QUICK_CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Time limit of a scan, including its upload.
pub const SCAN_TIMEOUT: Duration = Duration::from_secs(300);

/// Longest silence during an upload; the only time limit of imports and exports.
pub const UPLOAD_IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Time limit for a client's request line and headers.
pub const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a request that was refused is read on and thrown away, so that its sender, who writes before
/// it reads, gets to see the refusal instead of a reset connection.
pub const LINGER: Duration = Duration::from_secs(20);

/// Silence of a refused sender after which nothing more is read of it.
pub const LINGER_IDLE: Duration = Duration::from_secs(3);

/// Silence in an event stream after which a comment is sent, so that proxies and clients see a live connection.
pub const EVENT_KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Time for calls in progress when the site stops.
pub const STOP_GRACE: Duration = Duration::from_secs(2);
