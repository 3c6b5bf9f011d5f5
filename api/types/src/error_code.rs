//! Every way a call can fail: stable code, HTTP status, public title, whether to try again, exit code.

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
        /// Why a call failed. Codes and titles are stable: programs branch on the code, people read the title.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)*
        }

        impl ErrorCode {
            /// Every code, in the order of this file.
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
    // What the caller said.
    /// A parameter is missing, unknown or unreadable.
    BadRequest => ("bad_request", 400, "Bad request", NO, Usage);
    /// The request body is not the JSON that the call takes.
    BadJson => ("bad_json", 400, "Body is not the JSON expected", NO, Usage);
    /// A cursor cannot be read, or names a site or lane that this site does not know.
    InvalidCursor => ("invalid_cursor", 400, "Cursor not valid", NO, Usage);
    /// There is no such path.
    RouteNotFound => ("route_not_found", 404, "No such path", NO, Usage);
    /// The path exists, but not for this method.
    MethodNotAllowed => ("method_not_allowed", 405, "Method not allowed", NO, Usage);
    /// The body's content type is not the one that the call takes.
    UnsupportedMediaType => ("unsupported_media_type", 415, "Content type not supported", NO, Usage);
    /// The body is larger than the call allows.
    BodyTooLarge => ("body_too_large", 413, "Body too large", NO, InputRefused);
    /// The upload ended before it was whole.
    UploadInterrupted => ("upload_interrupted", 400, "Upload interrupted", YES, InputRefused);

    // Who may call.
    /// An admin call came over TCP without a token.
    TokenRequired => ("token_required", 401, "Admin call needs the local socket or a token", NO, Usage);
    /// The token is not the site's.
    TokenInvalid => ("token_invalid", 401, "Token not valid", NO, Usage);
    /// The `Host` header does not name this machine: a page in a browser may be rebinding DNS.
    HostNotAllowed => ("host_not_allowed", 421, "Host not allowed", NO, Usage);

    // Advisories and sites.
    /// No canonical advisory answers to this name.
    AdvisoryNotFound => ("advisory_not_found", 404, "Advisory not found", NO, KnowledgeMissing);
    /// No site of this name is on the allow-list.
    SiteNotFound => ("site_not_found", 404, "Site not found", NO, InputRefused);
    /// A site of this name or identity is already on the allow-list.
    SiteExists => ("site_exists", 409, "Site already listed", NO, InputRefused);
    /// The key given for a site cannot be used.
    SiteKeyInvalid => ("site_key_invalid", 422, "Site key not valid", NO, InputRefused);
    /// No mute has this id.
    MuteNotFound => ("mute_not_found", 404, "Mute not found", NO, InputRefused);

    // Bundles and deltas.
    /// The site that made or sealed this is not on the allow-list.
    SiteNotAllowed => ("site_not_allowed", 403, "Site not allowed", NO, InputRefused);
    /// The site that made or sealed this is on the allow-list and disabled.
    SiteDisabled => ("site_disabled", 403, "Site disabled", NO, InputRefused);
    /// The bundle is larger than this site, or its entry for the exporter, allows.
    BundleTooLarge => ("bundle_too_large", 413, "Bundle too large", NO, InputRefused);
    /// A signature does not verify against its author's certificate chain.
    SignatureVerificationFailed =>
        ("signature_verification_failed", 422, "Signature verification failed", NO, InputRefused);
    /// The bundle ends at or before what is already held; nothing in it is new.
    CursorNotAfterCurrent => ("cursor_not_after_current", 409, "Cursor not after current", NO, InputRefused);
    /// The bundle starts after what is held: an earlier one is missing.
    BundleGap => ("bundle_gap", 409, "Earlier bundle missing", NO, InputRefused);
    /// The bytes are not a bundle, or are cut or altered.
    BundleMalformed => ("bundle_malformed", 422, "Bundle not readable", NO, InputRefused);
    /// The bundle holds no deltas, and no certificate or head that is new.
    BundleEmpty => ("bundle_empty", 422, "Bundle empty", NO, InputRefused);
    /// A delta does not follow the one before it as its author must let it.
    DeltaRefused => ("delta_refused", 422, "Delta breaks a rule", NO, InputRefused);
    /// A delta's state root or count of live entries is not that of its log.
    StateRootFalse => ("state_root_false", 422, "State root not true", NO, InputRefused);
    /// A record is not canonical JSON.
    RecordNotCanonical => ("record_not_canonical", 422, "Record not canonical", NO, InputRefused);
    /// A record has another size than its claim says.
    BodySizeFalse => ("body_size_false", 422, "Record size not true", NO, InputRefused);
    /// An author's head contradicts its deltas.
    HeadContradicts => ("head_contradicts", 409, "Head contradicts its log", NO, InputRefused);
    /// Claims lie past the end of their epoch, or on a branch that a certificate gave up.
    EpochClosed => ("epoch_closed", 409, "Epoch closed", NO, InputRefused);
    /// Nothing further of the author is taken, because it signed two histories.
    AuthorFrozen => ("author_frozen", 409, "Author is frozen", NO, InputRefused);
    /// Two certificates of one site for one epoch exist: its root key signed twice.
    CertificateConflict =>
        ("certificate_conflict", 409, "Two certificates for one epoch", NO, InputRefused);
    /// The bundle is sealed with a key that its owner revoked.
    KeyRevoked => ("key_revoked", 403, "Key revoked", NO, InputRefused);
    /// The bundle goes on with this site's own log, which only this site writes.
    OwnLogAhead => ("own_log_ahead", 409, "Own log is behind", NO, InputRefused);
    /// The bundle is of a format version that this program does not know.
    BundleVersionUnsupported =>
        ("bundle_version_unsupported", 422, "Bundle version not supported", NO, InputRefused);
    /// A certificate chain does not lead to the site that it is given for.
    CertificateInvalid => ("certificate_invalid", 422, "Certificate chain not valid", NO, InputRefused);
    /// The author signed two different histories; it is frozen until an epoch certificate names one.
    ForkDetected => ("fork_detected", 409, "Author signed two histories", NO, InputRefused);
    /// `on_conflict=fail` met values that differ.
    ConflictUnresolved => ("conflict_unresolved", 409, "Values conflict", NO, InputRefused);
    /// An export needs a body that this site does not hold.
    BodyMissing => ("body_missing", 409, "Record body not held", YES, KnowledgeMissing);
    /// Federation is switched off in this site's configuration.
    FederationDisabled => ("federation_disabled", 409, "Federation is disabled", NO, Usage);

    // Feeds.
    /// The feed input ended before it was whole, so it cannot be the complete source.
    FeedTruncated => ("feed_truncated", 422, "Feed input truncated", NO, InputRefused);
    /// A complete import held no record at all.
    FeedEmpty => ("feed_empty", 422, "Feed input empty", NO, InputRefused);
    /// An import would take away much of what the source said before.
    FeedSuspect => ("feed_suspect", 422, "Feed input suspect", NO, InputRefused);
    /// A strict import met a file that was rejected.
    FeedRejected => ("feed_rejected", 422, "Feed input rejected", NO, InputRefused);
    /// The feed input cannot be opened or is of no known kind.
    FeedUnreadable => ("feed_unreadable", 422, "Feed input not readable", NO, InputRefused);

    /// No feed of this name is configured.
    FeedNotFound => ("feed_not_found", 404, "Feed not found", NO, InputRefused);
    /// A feed of this name is configured already.
    FeedExists => ("feed_exists", 409, "Feed already configured", NO, InputRefused);
    /// What was said of a feed makes no sense, or its preset is not known.
    FeedInvalid => ("feed_invalid", 422, "Feed not valid", NO, Usage);
    /// No input of the feed waits for approval, or it is another one.
    FeedNotSuspect => ("feed_not_suspect", 409, "No such input waits for approval", NO, InputRefused);
    /// The feed's address did not answer, or said to come back later.
    FeedUnreachable => ("feed_unreachable", 503, "Feed not reachable", YES, NotReachable);
    /// The feed's address answered otherwise than it should.
    FeedFetchFailed => ("feed_fetch_failed", 502, "Feed could not be fetched", NO, InputRefused);

    // Scans.
    /// An input of a small tool (a version, a vector, a record, …) cannot be read.
    InputUnreadable => ("input_unreadable", 422, "Input not readable", NO, InputRefused);
    /// The document is not an SBOM of a known kind, or breaks its rules.
    SbomUnreadable => ("sbom_unreadable", 422, "SBOM not readable", NO, InputRefused);

    /// The baseline of a scan is no verdict.
    BaselineUnreadable => ("baseline_unreadable", 422, "Baseline not readable", NO, InputRefused);
    /// A policy makes no sense.
    PolicyInvalid => ("policy_invalid", 422, "Policy not valid", NO, Usage);
    /// A VEX document is of no known kind, or breaks its rules.
    VexUnreadable => ("vex_unreadable", 422, "VEX document not readable", NO, InputRefused);

    /// The site keeps no VEX document of this hash.
    VexNotFound => ("vex_not_found", 404, "VEX document not found", NO, InputRefused);

    // The past.
    /// The site does not know any more, or did not yet keep, what it knew at the moment asked for.
    HistoryExpired => ("history_expired", 410, "Moment no longer known", NO, KnowledgeMissing);
    /// What a cursor names is held here, and not accepted up to there.
    NotAccepted => ("not_accepted", 409, "Not accepted here", YES, KnowledgeMissing);

    // Events.
    /// The events after the given id are no longer kept.
    EventsExpired => ("events_expired", 410, "Events no longer kept", NO, KnowledgeMissing);

    // The site's condition.
    /// The folder holds no site.
    NotInitialised => ("not_initialised", 503, "No site in this folder", NO, Usage);
    /// The folder already holds a site.
    AlreadyInitialised => ("already_initialised", 409, "Site already initialised", NO, Usage);
    /// The configuration file or an override is wrong.
    ConfigInvalid => ("config_invalid", 500, "Configuration not valid", NO, Usage);
    /// No daemon listens on the site's socket.
    DaemonNotRunning => ("daemon_not_running", 503, "Daemon not running", YES, NotReachable);
    /// A daemon is running, and this command needs the store for itself.
    DaemonRunning => ("daemon_running", 409, "Daemon is running", YES, NotReachable);
    /// Another process holds the store.
    StoreLocked => ("store_locked", 503, "Store locked by another process", YES, NotReachable);
    /// The daemon's socket did not answer as it should.
    Unreachable => ("unreachable", 503, "Site not reachable", YES, NotReachable);
    /// The site serves as many calls as it can.
    Busy => ("busy", 503, "Too many calls at once", YES, NotReachable);
    /// The call took longer than allowed.
    TimedOut => ("timed_out", 504, "Timed out", YES, NotReachable);
    /// The site is stopping.
    ShuttingDown => ("shutting_down", 503, "Site is stopping", YES, NotReachable);
    /// The home was put back from a backup, or copied: the site signs nothing before it heard what its peers hold of it.
    SiteRestored => ("site_restored", 409, "Site was restored and signs nothing yet", YES, InputRefused);
    /// Another copy of the home began a new epoch: this one signs nothing any more.
    SiteSuperseded => ("site_superseded", 409, "Another copy of the site goes on", NO, InputRefused);
    /// The store failed its checks.
    StoreDamaged => ("store_damaged", 500, "Store damaged", NO, StoreDamaged);
    /// The site's store is gone or empty; it must not begin anew under the old keys.
    StoreMissing => ("store_missing", 500, "Store missing", NO, StoreDamaged);
    /// There is no space left for the store or the upload.
    DiskFull => ("disk_full", 507, "Disk full", YES, DiskFull);
    /// A local file cannot be read or written.
    FileAccess => ("file_access", 500, "File not accessible", NO, Usage);
    /// A fault of Starling itself.
    Internal => ("internal", 500, "Internal error", NO, Internal);
}

impl ErrorCode {
    /// The stable code, in snake case.
    pub const fn as_str(self) -> &'static str {
        self.row().code
    }

    /// The HTTP status that carries it.
    pub const fn http_status(self) -> u16 {
        self.row().status
    }

    /// The stable public text.
    pub const fn title(self) -> &'static str {
        self.row().title
    }

    /// Whether the same call may succeed later without any change by the caller.
    pub const fn retryable(self) -> bool {
        self.row().retryable
    }

    /// How a command that meets it ends.
    pub const fn exit_status(self) -> ExitStatus {
        self.row().exit
    }

    /// The code of this name, if this version knows it.
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
    /// A code of a later version reads as `internal`; the problem's own title and detail still say what it is.
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
    fn codes_are_unique_snake_case_and_carry_an_error_status() {
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

    #[test]
    fn promised_titles_are_kept_to_the_letter() {
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
    fn a_code_from_the_future_reads_as_internal() {
        assert_eq!(
            serde_json::from_str::<ErrorCode>("\"warp_core_breach\"").unwrap(),
            ErrorCode::Internal
        );
    }
}
