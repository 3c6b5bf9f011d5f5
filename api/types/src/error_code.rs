//! All errors of a call: stable code, HTTP status, public title, retryable or not, exit code.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::exit::ExitStatus;

/// One row of the table below.
struct Row {
    code: &'static str,
    status: u16,
    title: &'static str,
    retryable: bool,
    exit: ExitStatus,
}

const NO: bool = false;
const YES: bool = true;

const fn row(code: &'static str, status: u16, title: &'static str, retryable: bool, exit: ExitStatus) -> Row {
    Row {
        code,
        status,
        title,
        retryable,
        exit,
    }
}

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident => ($code:literal, $status:literal, $title:literal, $retry:ident, $exit:ident);)*) => {
        /// The reason why a call failed. Codes and titles are stable: programs check the code, people read the title.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)*
        }

        impl ErrorCode {
            /// All codes, in the order of this file.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            const fn row(self) -> Row {
                match self {
                    $(Self::$variant => row($code, $status, $title, $retry, ExitStatus::$exit),)*
                }
            }
        }
    };
}

error_codes! {
    // The request.
    /// A parameter is missing, unknown or unreadable.
    BadRequest => ("bad_request", 400, "Bad request", NO, Usage);
    /// The request body is not the JSON that the call expects.
    BadJson => ("bad_json", 400, "Body is not the JSON expected", NO, Usage);
    /// The cursor cannot be parsed, or names a site or lane that this site does not know.
    InvalidCursor => ("invalid_cursor", 400, "Cursor not valid", NO, Usage);
    /// The path does not exist.
    RouteNotFound => ("route_not_found", 404, "No such path", NO, Usage);
    /// The path exists, but not with this method.
    MethodNotAllowed => ("method_not_allowed", 405, "Method not allowed", NO, Usage);
    /// The request line is longer than the API reads.
    UriTooLong => ("uri_too_long", 414, "Address too long", NO, Usage);
    /// The request's headers are too many or too long.
    HeadersTooLarge => ("headers_too_large", 431, "Headers too large", NO, Usage);
    /// The call does not accept this content type, or this content encoding.
    UnsupportedMediaType => ("unsupported_media_type", 415, "Content type not supported", NO, Usage);
    /// The body is larger than the call allows.
    BodyTooLarge => ("body_too_large", 413, "Body too large", NO, InputRefused);
    /// The upload ended before it was complete.
    UploadInterrupted => ("upload_interrupted", 400, "Upload interrupted", YES, InputRefused);

    // Access.
    /// An admin call arrived over TCP without a token.
    TokenRequired => ("token_required", 401, "Admin call needs the local socket or a token", NO, Usage);
    /// The token differs from the site's token.
    TokenInvalid => ("token_invalid", 401, "Token not valid", NO, Usage);
    /// The `Host` header does not name this machine: a web page may be using DNS rebinding.
    HostNotAllowed => ("host_not_allowed", 421, "Host not allowed", NO, Usage);

    // Advisories and sites.
    /// No canonical advisory has this name.
    AdvisoryNotFound => ("advisory_not_found", 404, "Advisory not found", NO, KnowledgeMissing);
    /// The document that a record came from is not kept at this site.
    RawNotKept => ("raw_not_kept", 404, "Document not kept", NO, KnowledgeMissing);
    /// No site of this name is on the allow-list.
    SiteNotFound => ("site_not_found", 404, "Site not found", NO, InputRefused);
    /// A site of this name or identity is already on the allow-list.
    SiteExists => ("site_exists", 409, "Site already listed", NO, InputRefused);
    /// The key given for a site cannot be used.
    SiteKeyInvalid => ("site_key_invalid", 422, "Site key not valid", NO, InputRefused);
    /// No mute has this id.
    MuteNotFound => ("mute_not_found", 404, "Mute not found", NO, InputRefused);

    // Bundles and deltas.
    /// The site that signed or sealed this is not on the allow-list.
    SiteNotAllowed => ("site_not_allowed", 403, "Site not allowed", NO, InputRefused);
    /// The site that signed or sealed this is on the allow-list, but disabled.
    SiteDisabled => ("site_disabled", 403, "Site disabled", NO, InputRefused);
    /// The bundle is larger than this site, or its entry for the exporter, allows.
    BundleTooLarge => ("bundle_too_large", 413, "Bundle too large", NO, InputRefused);
    /// A signature does not verify against its author's certificate chain.
    SignatureVerificationFailed =>
        ("signature_verification_failed", 422, "Signature verification failed", NO, InputRefused);
    /// The bundle has nothing new: it ends at or before the held position.
    CursorNotAfterCurrent => ("cursor_not_after_current", 409, "Cursor not after current", NO, InputRefused);
    /// The bundle starts after the held position: an earlier bundle is missing.
    BundleGap => ("bundle_gap", 409, "Earlier bundle missing", NO, InputRefused);
    /// The bytes are not a bundle, or were truncated or altered.
    BundleMalformed => ("bundle_malformed", 422, "Bundle not readable", NO, InputRefused);
    /// The bundle has no deltas, and no new certificate or head.
    BundleEmpty => ("bundle_empty", 422, "Bundle empty", NO, InputRefused);
    /// A delta breaks a rule of its log.
    DeltaRefused => ("delta_refused", 422, "Delta breaks a rule", NO, InputRefused);
    /// A delta's state root or count of live entries does not match its log.
    StateRootFalse => ("state_root_false", 422, "State root not true", NO, InputRefused);
    /// A record is not canonical JSON.
    RecordNotCanonical => ("record_not_canonical", 422, "Record not canonical", NO, InputRefused);
    /// A record's size differs from the size in its claim.
    BodySizeFalse => ("body_size_false", 422, "Record size not true", NO, InputRefused);
    /// An author's head contradicts its deltas.
    HeadContradicts => ("head_contradicts", 409, "Head contradicts its log", NO, InputRefused);
    /// Claims are after the end of their epoch, or on a branch that a certificate abandoned.
    EpochClosed => ("epoch_closed", 409, "Epoch closed", NO, InputRefused);
    /// Nothing more is accepted from the author, because it signed two histories.
    AuthorFrozen => ("author_frozen", 409, "Author is frozen", NO, InputRefused);
    /// The site's root key signed two certificates for one epoch.
    CertificateConflict =>
        ("certificate_conflict", 409, "Two certificates for one epoch", NO, InputRefused);
    /// The bundle is sealed with a revoked key.
    KeyRevoked => ("key_revoked", 403, "Key revoked", NO, InputRefused);
    /// The bundle continues this site's own log, which only this site may write.
    OwnLogAhead => ("own_log_ahead", 409, "Own log is behind", NO, InputRefused);
    /// The bundle has a format version that this program does not support.
    BundleVersionUnsupported =>
        ("bundle_version_unsupported", 422, "Bundle version not supported", NO, InputRefused);
    /// A certificate chain does not lead to the site that it is given for.
    CertificateInvalid => ("certificate_invalid", 422, "Certificate chain not valid", NO, InputRefused);
    /// The author signed two different histories. It is frozen until an epoch certificate names one of them.
    ForkDetected => ("fork_detected", 409, "Author signed two histories", NO, InputRefused);
    /// With `on_conflict=fail`, the bundle conflicts with another author.
    ConflictUnresolved => ("conflict_unresolved", 409, "Values conflict", NO, InputRefused);
    /// An export needs a body that this site does not have.
    BodyMissing => ("body_missing", 409, "Record body not held", YES, KnowledgeMissing);
    /// Federation is disabled in this site's configuration.
    FederationDisabled => ("federation_disabled", 409, "Federation is disabled", NO, Usage);

    // Feeds.
    /// The feed input ended early, so it cannot be the complete source.
    FeedTruncated => ("feed_truncated", 422, "Feed input truncated", NO, InputRefused);
    /// A complete import had no record.
    FeedEmpty => ("feed_empty", 422, "Feed input empty", NO, InputRefused);
    /// An import would remove much of what the source stated before.
    FeedSuspect => ("feed_suspect", 422, "Feed input suspect", NO, InputRefused);
    /// A file was rejected, and the import is strict.
    FeedRejected => ("feed_rejected", 422, "Feed input rejected", NO, InputRefused);
    /// The feed input cannot be opened, or its kind is unknown.
    FeedUnreadable => ("feed_unreadable", 422, "Feed input not readable", NO, InputRefused);

    /// No feed of this name is configured.
    FeedNotFound => ("feed_not_found", 404, "Feed not found", NO, InputRefused);
    /// A feed of this name is configured already.
    FeedExists => ("feed_exists", 409, "Feed already configured", NO, InputRefused);
    /// A feed's settings are not valid, or its preset is not known.
    FeedInvalid => ("feed_invalid", 422, "Feed not valid", NO, Usage);
    /// No input of the feed waits for approval, or the waiting input is not the named one.
    FeedNotSuspect => ("feed_not_suspect", 409, "No such input waits for approval", NO, InputRefused);
    /// The feed's address did not answer, or asked the client to try again later.
    FeedUnreachable => ("feed_unreachable", 503, "Feed not reachable", YES, NotReachable);
    /// The answer of the feed's address is not the expected one.
    FeedFetchFailed => ("feed_fetch_failed", 502, "Feed could not be fetched", NO, InputRefused);

    // Scans.
    /// The input of a small tool (a version, a vector, a record, …) cannot be parsed.
    InputUnreadable => ("input_unreadable", 422, "Input not readable", NO, InputRefused);
    /// The document is not an SBOM of a known kind, or breaks its rules.
    SbomUnreadable => ("sbom_unreadable", 422, "SBOM not readable", NO, InputRefused);

    /// The baseline of a scan is not a verdict.
    BaselineUnreadable => ("baseline_unreadable", 422, "Baseline not readable", NO, InputRefused);
    /// The policy has an error.
    PolicyInvalid => ("policy_invalid", 422, "Policy not valid", NO, Usage);
    /// A VEX document's kind is unknown, or it breaks its rules.
    VexUnreadable => ("vex_unreadable", 422, "VEX document not readable", NO, InputRefused);

    /// The site does not store a VEX document with this hash.
    VexNotFound => ("vex_not_found", 404, "VEX document not found", NO, InputRefused);

    // Questions about the past.
    /// The site no longer has its knowledge of the requested time, or did not keep it yet.
    HistoryExpired => ("history_expired", 410, "Moment no longer known", NO, KnowledgeMissing);
    /// The cursor's position is held, but not accepted yet.
    NotAccepted => ("not_accepted", 409, "Not accepted here", YES, KnowledgeMissing);

    // Events.
    /// The events after the given id are no longer kept.
    EventsExpired => ("events_expired", 410, "Events no longer kept", NO, KnowledgeMissing);

    // The state of the site.
    /// The folder does not contain a site.
    NotInitialised => ("not_initialised", 503, "No site in this folder", NO, Usage);
    /// The folder already contains a site.
    AlreadyInitialised => ("already_initialised", 409, "Site already initialised", NO, Usage);
    /// The configuration file or an override has an error.
    ConfigInvalid => ("config_invalid", 500, "Configuration not valid", NO, Usage);
    /// No daemon listens on the site's socket.
    DaemonNotRunning => ("daemon_not_running", 503, "Daemon not running", YES, NotReachable);
    /// A daemon runs, and this command needs exclusive access to the store.
    DaemonRunning => ("daemon_running", 409, "Daemon is running", YES, NotReachable);
    /// Another process uses the store.
    StoreLocked => ("store_locked", 503, "Store locked by another process", YES, NotReachable);
    /// The daemon's socket did not answer as expected.
    Unreachable => ("unreachable", 503, "Site not reachable", YES, NotReachable);
    /// An address of this machine, such as a port, cannot be listened on.
    AddressUnavailable => ("address_unavailable", 503, "Address cannot be listened on", YES, NotReachable);
    /// The site serves as many calls as it can.
    Busy => ("busy", 503, "Too many calls at once", YES, NotReachable);
    /// The call took longer than its limit.
    TimedOut => ("timed_out", 504, "Timed out", YES, NotReachable);
    /// The site is stopping.
    ShuttingDown => ("shutting_down", 503, "Site is stopping", YES, NotReachable);
    /// The home was restored or copied: the site does not sign until it has heard from its peers.
    SiteRestored => ("site_restored", 409, "Site was restored and signs nothing yet", YES, InputRefused);
    /// Another copy of the home started a new epoch: this copy does not sign any more.
    SiteSuperseded => ("site_superseded", 409, "Another copy of the site goes on", NO, InputRefused);
    /// The store failed a check.
    StoreDamaged => ("store_damaged", 500, "Store damaged", NO, StoreDamaged);
    /// The site's store is missing or empty. It must not start again with the old keys.
    StoreMissing => ("store_missing", 500, "Store missing", NO, StoreDamaged);
    /// No space is left for the store or the upload.
    DiskFull => ("disk_full", 507, "Disk full", YES, DiskFull);
    /// A local file cannot be read or written.
    FileAccess => ("file_access", 500, "File not accessible", NO, Usage);
    /// An internal error of Starling.
    Internal => ("internal", 500, "Internal error", NO, Internal);
}

impl ErrorCode {
    /// Returns the stable code, in snake case.
    pub const fn as_str(self) -> &'static str {
        self.row().code
    }

    /// Returns its HTTP status.
    pub const fn http_status(self) -> u16 {
        self.row().status
    }

    /// Returns its stable public title.
    pub const fn title(self) -> &'static str {
        self.row().title
    }

    /// Returns true if the same call may succeed later without a change by the caller.
    pub const fn retryable(self) -> bool {
        self.row().retryable
    }

    /// Returns the exit status of a command with this error.
    pub const fn exit_status(self) -> ExitStatus {
        self.row().exit
    }

    /// Returns the code with this name, if this version knows it.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.as_str() == code)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ErrorCode {
    /// Reads an unknown code of a later version as `internal`; the problem's own title and detail still explain it.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        Ok(Self::from_code(&code).unwrap_or(Self::Internal))
    }
}

impl PartialSchema for ErrorCode {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .description(Some("Stable code of an error; later versions may add some."))
            .enum_values(Some(Self::ALL.iter().map(|code| code.as_str())))
            .into()
    }
}

impl ToSchema for ErrorCode {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_snake_case_with_error_status() {
        let mut seen = BTreeSet::new();
        for code in ErrorCode::ALL {
            assert!(seen.insert(code.as_str()), "{code} twice");
            assert!(
                code.as_str()
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                "{code}"
            );
            assert!((400..600).contains(&code.http_status()), "{code}");
            assert_ne!(code.exit_status(), ExitStatus::Pass, "{code}");
            assert_eq!(ErrorCode::from_code(code.as_str()), Some(*code));
        }
    }

    /// The exit code of a `…_not_found` code depends on the kind of name: a route of the API is `usage`, an object that an
    /// operator set up is `input refused`, and an advisory is `knowledge missing`.
    #[test]
    fn not_found_codes_exit_by_their_kind() {
        for code in ErrorCode::ALL {
            let expected = match code.as_str().strip_suffix("_not_found") {
                None => continue,
                Some("route") => ExitStatus::Usage,
                Some("site" | "feed" | "mute" | "vex") => ExitStatus::InputRefused,
                Some("advisory") => ExitStatus::KnowledgeMissing,
                Some(other) => panic!("{other}: which rule of `starling help exit-codes` is it?"),
            };
            assert_eq!(code.exit_status(), expected, "{code}");
        }
    }

    #[test]
    fn documented_titles_are_unchanged() {
        for (code, title) in [
            (ErrorCode::CursorNotAfterCurrent, "Cursor not after current"),
            (
                ErrorCode::SignatureVerificationFailed,
                "Signature verification failed",
            ),
            (ErrorCode::SiteNotAllowed, "Site not allowed"),
            (ErrorCode::BundleTooLarge, "Bundle too large"),
        ] {
            assert_eq!(code.title(), title);
        }
    }

    #[test]
    fn unknown_code_reads_as_internal() {
        assert_eq!(
            serde_json::from_str::<ErrorCode>("\"warp_core_breach\"").unwrap(),
            ErrorCode::Internal
        );
    }
}
