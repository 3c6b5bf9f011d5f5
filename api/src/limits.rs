//! Every bound of the API in one place, each with its unit and reason.

use std::time::Duration;

/// Largest JSON body, in bytes. The largest is a site's certificate chain with its addresses.
pub const JSON_BODY_MAX_BYTES: u64 = 256 * 1024;

/// Largest SBOM, in bytes: held in memory while it is scanned. 100,000 components need some 60 MB.
pub const SBOM_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Largest baseline of a scan, in bytes: the verdict over an SBOM of the largest size is smaller.
pub const BASELINE_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Largest policy of a scan, in bytes.
pub const POLICY_MAX_BYTES: u64 = 1024 * 1024;

/// Largest Rego policy of a scan, in bytes.
pub const REGO_MAX_BYTES: u64 = 256 * 1024;

/// Largest VEX document of a scan, in bytes.
pub const VEX_MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Most VEX documents of one scan.
pub const VEX_MAX_DOCUMENTS: usize = 64;

/// Most bytes of all VEX documents of one scan: they are held in memory together.
pub const VEX_TOTAL_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Largest form of a scan, in bytes: its documents, and some for the lines between them.
pub const SCAN_FORM_MAX_BYTES: u64 =
    SBOM_MAX_BYTES + BASELINE_MAX_BYTES + POLICY_MAX_BYTES + REGO_MAX_BYTES + VEX_TOTAL_MAX_BYTES + 64 * 1024;

/// Largest feed upload, in bytes. It streams; the bound is there so that nothing is endless.
pub const FEED_UPLOAD_MAX_BYTES: u64 = 16 * 1024 * 1024 * 1024;

/// Longest name in an advisory's path, in bytes: a package URL with qualifiers fits.
pub const ADVISORY_NAME_MAX_BYTES: usize = 1024;

/// Most connections open at once on one listener; for a further one the one that says nothing for longest gives way.
pub const MAX_CONNECTIONS: usize = 512;

/// Most calls in flight at once on one listener, downloads included; further ones are told to come back.
pub const MAX_CONCURRENT_CALLS: usize = 256;

/// Places of each scarce kind that are kept for callers of the local socket.
pub const KEPT_PLACES: usize = 2;

/// Most uploads at once: each may hold a spool file or an SBOM in memory.
pub const MAX_CONCURRENT_UPLOADS: usize = 8;

/// Most scans that are judged at once; further ones wait for their turn, as builds come in crowds and each is soon done.
pub const MAX_CONCURRENT_SCANS: usize = 8;

/// Most scans at once that bring a policy which may take long, such as one in Rego; they wait apart from the others.
pub const MAX_COSTLY_SCANS: usize = 2;

/// Documents of scans that are held in memory while they are read, in bytes, all scans together; what comes beyond
/// that is spooled to a file until its turn comes.
pub const SCAN_READ_BYTES: usize = 64 * 1024 * 1024;

/// Documents of scans that are spooled at once, in bytes; beyond that callers are told to come back.
pub const SCAN_SPOOL_BYTES: usize = 1024 * 1024 * 1024;

/// Documents of the scans that are judged at once, in bytes, all together, and half as many for forms and for the local
/// socket each; judging takes several times as much. A larger
/// one is judged alone.
pub const SCAN_JUDGED_BYTES: usize = 48 * 1024 * 1024;

/// Most dumps at once: each reads on for as long as its client takes it.
pub const MAX_CONCURRENT_DUMPS: usize = 16;

/// How long a client may take nothing of an answer.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Time after which an upload has to come at a least rate, and that rate in bytes per second: of the whole time since
/// it began.
pub const UPLOAD_GRACE: Duration = Duration::from_secs(10);
/// See [`UPLOAD_GRACE`].
pub const UPLOAD_LEAST_RATE: u64 = 1024;

/// Most event streams at once: each stays open.
pub const MAX_EVENT_STREAMS: usize = 64;

/// Time for a call that reads or changes little.
pub const QUICK_CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Time for a scan, its upload included.
pub const SCAN_TIMEOUT: Duration = Duration::from_secs(300);

/// Longest silence within an upload; imports and exports have no total bound, only this.
pub const UPLOAD_IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Time for a client to send its request line and headers.
pub const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a request that was refused is read on and thrown away, so that its sender, who writes before
/// it reads, gets to see the refusal instead of a reset connection.
pub const LINGER: Duration = Duration::from_secs(20);

/// Silence of a refused sender after which nothing more is read of it.
pub const LINGER_IDLE: Duration = Duration::from_secs(3);

/// Silence in an event stream after which a comment is sent, so that proxies and clients see that it lives.
pub const EVENT_KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Time that calls in flight get to end once the site stops.
pub const STOP_GRACE: Duration = Duration::from_secs(2);
