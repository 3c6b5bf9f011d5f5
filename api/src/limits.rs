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

/// Most simultaneous scans of an earlier time (`as_of`). Each first rebuilds a snapshot of that time; they wait in a
/// separate queue.
pub const MAX_PAST_SCANS: usize = 2;

/// Most bytes of scan documents held in memory while they are read, over all scans; the rest is written to a spool
/// file until its turn.
pub const SCAN_READ_BYTES: usize = 64 * 1024 * 1024;

/// Most bytes of scan documents in spool files; beyond that, calls are refused for the moment.
pub const SCAN_SPOOL_BYTES: usize = 1024 * 1024 * 1024;

/// Largest document of a small scan, in bytes: it does not wait for the memory of large ones.
pub const SMALL_SCAN_BYTES: usize = 1024 * 1024;

/// Most bytes of scan documents that are evaluated at the same time. Evaluation needs several times as much memory.
///
/// Three kinds of scans have a further limit of their own, half as large: small documents, scans that may wait in a
/// separate queue (forms, and scans of an earlier time), and scans over the local socket. A document larger than its limit
/// is evaluated when no other one of its kind is.
pub const SCAN_JUDGED_BYTES: usize = 48 * 1024 * 1024;

/// Most dumps at the same time: each lasts as long as its client reads.
pub const MAX_CONCURRENT_DUMPS: usize = 16;

/// Longest time that a client may read nothing of an answer.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Time after which an upload must have reached [`UPLOAD_LEAST_RATE`].
pub const UPLOAD_GRACE: Duration = Duration::from_secs(10);
/// Minimum rate of an upload, in bytes per second over its whole duration.
pub const UPLOAD_LEAST_RATE: u64 = 1024;

/// Most event streams at the same time: each stays open.
pub const MAX_EVENT_STREAMS: usize = 64;

/// Time limit of a call that reads or changes little.
pub const QUICK_CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Time limit of a scan, including its upload.
pub const SCAN_TIMEOUT: Duration = Duration::from_secs(300);

/// Longest silence during an upload. Imports and exports have no limit on their whole duration: only this one, the minimum
/// rate of uploads ([`UPLOAD_LEAST_RATE`]) and [`WRITE_TIMEOUT`].
pub const UPLOAD_IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Time limit for a client's request line and headers.
pub const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time for which the rest of a refused request is read and discarded. A client writes its whole request before
/// it reads the answer; without this it would see a reset connection instead of the refusal.
pub const LINGER: Duration = Duration::from_secs(20);

/// Silence after which nothing more is read of a refused request.
pub const LINGER_IDLE: Duration = Duration::from_secs(3);

/// Silence in an event stream after which a comment is sent, so that proxies and clients see a live connection.
pub const EVENT_KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Time for calls in progress when the site stops.
pub const STOP_GRACE: Duration = Duration::from_secs(2);
