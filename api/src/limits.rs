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

/// Most connections open at once on one listener; further ones wait in the kernel's queue.
pub const MAX_CONNECTIONS: usize = 512;

/// Most calls in flight at once, downloads included; further ones are told to come back.
pub const MAX_CONCURRENT_CALLS: usize = 256;

/// Most uploads at once: each may hold a spool file or an SBOM in memory.
pub const MAX_CONCURRENT_UPLOADS: usize = 8;

/// Most scans that are read or judged at once, each with its documents in memory; further ones wait for their turn with
/// their bodies unread, as builds come in crowds and each is soon done.
pub const MAX_CONCURRENT_SCANS: usize = 8;

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

/// How long an upload that was refused is read on and thrown away, so that its sender, who writes before
/// it reads, gets to see the refusal instead of a reset connection.
pub const LINGER: Duration = Duration::from_secs(3);

/// Silence in an event stream after which a comment is sent, so that proxies and clients see that it lives.
pub const EVENT_KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Time that calls in flight get to end once the site stops.
pub const STOP_GRACE: Duration = Duration::from_secs(10);
