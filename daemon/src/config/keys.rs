//! Every configuration key, for documentation, environment variables and checks.

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its dotted name.
    pub name: &'static str,
    /// Its default as TOML; empty when there is none.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

impl Key {
    /// Returns the environment variable that sets it.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("STARLING_{}", self.name.to_ascii_uppercase().replace('.', "_"))
    }
}

const fn key(name: &'static str, default: &'static str, meaning: &'static str) -> Key {
    Key {
        name,
        default,
        meaning,
    }
}

/// All of them, in the order of the file.
pub const KEYS: &[Key] = &[
    key(
        "federation.enabled",
        "true",
        "Whether the site talks to peers at all; bundles by file work either way.",
    ),
    key(
        "federation.site_id",
        "",
        "The site's own name. `starling init` writes it.",
    ),
    key(
        "federation.compression_level",
        "3",
        "zstd level of stored bodies and of the site's own deltas, 1 to 19.",
    ),
    key(
        "federation.max_items",
        "1024",
        "Most claims in one of the site's own deltas, 1 to 1024.",
    ),
    key(
        "federation.require_signature",
        "true",
        "Whether a bundle's seal must verify. Deltas are always verified.",
    ),
    key(
        "federation.head_validity_seconds",
        "86400",
        "How long a head of this site proves that it is current.",
    ),
    key(
        "federation.import.allowed_sites",
        "[\"*\"]",
        "Listed sites whose bundles are taken; `*` is every listed site, an empty list none.",
    ),
    key(
        "federation.import.max_bundle_size",
        "\"100MB\"",
        "Largest bundle that is taken.",
    ),
    key(
        "federation.import.skip_signature_on_trusted_sites",
        "false",
        "Whether the seal of a bundle that names an allowed site may fail to verify.",
    ),
    key(
        "network.listen",
        "[\"/ip4/0.0.0.0/udp/7946/quic-v1\"]",
        "Multiaddresses to listen on for peers.",
    ),
    key(
        "network.external",
        "[]",
        "Multiaddresses that others should dial, where they are other than those listened on.",
    ),
    key(
        "network.receive_window",
        "\"128KiB\"",
        "Most bytes that peers may have on the way to this site over one connection; more is faster over long distances, and lost where the kernel's receive buffer is smaller.",
    ),
    key(
        "api.listen",
        "",
        "Loopback address of the API for CI, such as 127.0.0.1:7948; the Unix socket is always there.",
    ),
    key(
        "api.token_file",
        "",
        "File with the bearer token that lets TCP callers make admin calls; without it none can.",
    ),
    key(
        "store.engine",
        "\"sled\"",
        "`sled` or `redb`; `starling store convert` changes the engine of a store that exists.",
    ),
    key(
        "store.cache",
        "\"8MiB\"",
        "Memory for cached pages; a guide, not a cap.",
    ),
    key(
        "store.retention",
        "\"30d\"",
        "How long what was replaced is kept, so that `--as-of` can ask for it: a span such as 36h, 30d or 8w.",
    ),
    key(
        "store.retention_bytes",
        "\"512MiB\"",
        "Most bytes that what was replaced may take; the oldest goes first.",
    ),
    key(
        "store.check_interval",
        "\"1d\"",
        "How often the daemon reads all of log and packs to find damage: a span such as 12h or 1d; 0 for never.",
    ),
    key(
        "store.check_rate",
        "\"8MiB\"",
        "Most bytes that it reads for that in a second, 16KiB or more.",
    ),
    key(
        "store.raw_bytes",
        "\"256MiB\"",
        "Most bytes that the documents of feeds may take as they were fetched, packed; older versions go first; 0 keeps none.",
    ),
    key(
        "view.conflict_strategy",
        "\"prefer_newest\"",
        "What settles a disagreement between authors: prefer_remote, prefer_local, prefer_newest, prefer_site_order or fail.",
    ),
    key(
        "view.site_order",
        "[]",
        "Listed sites from most to least believed.",
    ),
    key("view.source_order", "[]", "Sources from most to least believed."),
    key(
        "view.ranges",
        "\"any\"",
        "Whose statements about a package are judged: any (each source's by itself) or preferred (the first source's alone).",
    ),
    key(
        "view.authority",
        "{}",
        "Ecosystems over which a source decides when it speaks, in place of its default ones, such as { debian = [\"Debian:*\"] }; by default each distribution's own source.",
    ),
    key(
        "scan.fail_on",
        "",
        "Severity from which a scan fails if the caller names none: any, low, medium, high or critical.",
    ),
    key(
        "scan.min_coverage_percent",
        "",
        "Least share of an SBOM's packages that must be judged, in percent; below it a scan ends with exit code 5. Unset: at least one package.",
    ),
    key(
        "scan.max_age_hours",
        "",
        "Oldest that a source's last check may be, in hours; past it, or if a source was never checked, a scan ends with exit code 4.",
    ),
    key(
        "scan.rhythm",
        "\"7d\"",
        "How long a source may go without a check, or an import of a part, before it is stale, if scan.max_age_hours is not set: a span such as 36h or 7d.",
    ),
    key(
        "scan.rhythms",
        "{}",
        "Sources with a rhythm of their own, such as { nvd = \"2d\" }.",
    ),
    key(
        "scan.require_fresh",
        "false",
        "Whether a scan ends with exit code 4 if a source of the SBOM's ecosystems is stale, which means without news for longer than scan.rhythm, or was never imported as a whole (scan.partial_sources lists exceptions), or the head of a site that states it has expired; else it warns, and notes which sources are known in part.",
    ),
    key(
        "scan.partial_sources",
        "[]",
        "Sources that are held in part on purpose, such as [\"own\"]: with scan.require_fresh, or a greatest age, their last import counts; `*` is every source, for scan.require_fresh alone.",
    ),
    key(
        "scan.policy_file",
        "",
        "The site's policy as YAML, absolute or in the site's folder; its min_coverage and max_age go before the keys above, its conditions add to scan.fail_on.",
    ),
    key(
        "scan.rego_file",
        "",
        "The site's Rego policy, absolute or in the site's folder; it decides after the policy's rules, before VEX.",
    ),
    key(
        "restore.detect",
        "true",
        "Whether a home that was put back from a backup, or copied, signs nothing before it heard its peers; false only where a file system gives files other inodes at each mount.",
    ),
    key(
        "restore.machine_id_file",
        "\"/etc/machine-id\"",
        "File whose content tells machines apart; one that is missing or empty tells nothing.",
    ),
    key(
        "restore.patience_seconds",
        "30",
        "How long a restored site waits for listed sites that it has not heard, once it heard one that holds something of it.",
    ),
    key("log.format", "\"text\"", "`text` or `json`."),
    key(
        "log.level",
        "\"info\"",
        "`error`, `warn`, `info`, `debug` or `trace`.",
    ),
    key(
        "log.modules",
        "{}",
        "Levels of single modules, such as { starling_sync = \"debug\" }.",
    ),
];
