//! The OpenAPI document: paths and bodies from the handlers, errors from one table.

use std::collections::BTreeMap;

use starling_api_types::{
    AuthorFrozen, CanonicalImported, ErrorCode, EventAction, EventId, EventRecord, FeedRan, MuteAction,
    MuteChanged, Problem, ProblemBody, RestoreAction, SiteRestored, SitesDiffer,
};
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{OpenApi, PartialSchema, ToSchema};

use ErrorCode as E;

/// Bytes that are not JSON.
pub(crate) struct Binary;

impl PartialSchema for Binary {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
            .into()
    }
}

impl ToSchema for Binary {}

/// The parts that are not in the handlers: the document's head, and the types of errors and events.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Starling",
        description = "One site of a Starling federation: advisories, scans, allow-list, bundles. Served on a local \
            socket, where every call is allowed, and on loopback TCP, where calls marked `admin` need the bearer token. \
            Before a call is known, a request can also get the problems `bad_request` (400, not HTTP/1.1), \
            `route_not_found` (404), `method_not_allowed` (405), `uri_too_long` (414) and `headers_too_large` (431).",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(
        ProblemBody, ErrorCode, CanonicalImported, MuteChanged, AuthorFrozen, SitesDiffer, SiteRestored, FeedRan, RestoreAction, MuteAction, EventAction, EventRecord, EventId
    )),
    tags(
        (name = "site", description = "The site itself."),
        (name = "scan", description = "Scanning SBOMs."),
        (name = "advisories", description = "Canonical advisories and the records behind them."),
        (name = "sites", description = "The allow-list."),
        (name = "conflicts", description = "Records about which authors disagree."),
        (name = "mutes", description = "Muted findings: a document that all sites write."),
        (name = "federation", description = "Bundles and synchronisation."),
        (name = "feeds", description = "Importing advisories, and feeds that the site fetches by itself."),
        (name = "events", description = "Events when they happen."),
    )
)]
pub(crate) struct Document;

/// Name of the admin token in the document.
const TOKEN_SCHEME: &str = "admin_token";

/// Errors of every call.
const ANY: &[ErrorCode] = &[
    E::BadRequest,
    E::HostNotAllowed,
    E::Busy,
    E::ShuttingDown,
    E::StoreDamaged,
    E::Internal,
];
/// Errors of a call that needs admin rights.
const ADMIN: &[ErrorCode] = &[E::TokenRequired, E::TokenInvalid];
/// Errors of a call with a bundle.
const BUNDLE_UPLOAD: &[ErrorCode] = &[
    E::UnsupportedMediaType,
    E::BundleTooLarge,
    E::UploadInterrupted,
    E::DiskFull,
];
/// Errors of a question about the past.
const PAST: &[ErrorCode] = &[
    E::InvalidCursor,
    E::SiteNotFound,
    E::HistoryExpired,
    E::NotAccepted,
];
/// Errors of a call that signs claims.
const SIGNING: &[ErrorCode] = &[E::SiteRestored, E::SiteSuperseded];
/// Errors of a call that changes the feeds of the configuration.
const FEED_EDIT: &[ErrorCode] = &[
    E::BadJson,
    E::UnsupportedMediaType,
    E::BodyTooLarge,
    E::FeedInvalid,
    E::ConfigInvalid,
    E::FileAccess,
    E::DiskFull,
];
/// Errors of a lookup of a listed site.
const SITE: &[ErrorCode] = &[E::SiteNotFound, E::TimedOut];

/// Returns the errors of each operation, besides [`ANY`]; `None` for an unlisted operation.
#[expect(clippy::too_many_lines, reason = "a table: one arm for each operation")]
fn errors_of(operation: &str) -> Option<(bool, Vec<&'static [ErrorCode]>)> {
    Some(match operation {
        "health" | "status" | "sync_status" | "list_sites" | "openapi" => (false, vec![&[E::TimedOut]]),
        "scan" => (
            false,
            vec![
                &[
                    E::UnsupportedMediaType,
                    E::BodyTooLarge,
                    E::UploadInterrupted,
                    E::SbomUnreadable,
                    E::BaselineUnreadable,
                    E::PolicyInvalid,
                    E::VexUnreadable,
                    E::FileAccess,
                    E::TimedOut,
                ],
                PAST,
            ],
        ),
        "list_advisories" => (false, vec![&[E::InvalidCursor, E::AdvisoryNotFound, E::TimedOut]]),
        "dump_advisories" => (false, vec![&[E::AdvisoryNotFound, E::TimedOut]]),
        "explain" => (false, vec![&[E::TimedOut], PAST]),
        "get_advisory" => (false, vec![&[E::AdvisoryNotFound, E::TimedOut], PAST]),
        "get_advisory_raw" => (
            true,
            vec![&[E::AdvisoryNotFound, E::RawNotKept, E::FileAccess, E::DiskFull]],
        ),
        "list_vex" => (false, vec![&[E::VexUnreadable, E::FileAccess, E::TimedOut]]),
        "get_vex" => (
            false,
            vec![&[E::VexUnreadable, E::VexNotFound, E::FileAccess, E::TimedOut]],
        ),
        "add_vex" => (
            true,
            vec![&[
                E::UnsupportedMediaType,
                E::BodyTooLarge,
                E::UploadInterrupted,
                E::VexUnreadable,
                E::FileAccess,
                E::DiskFull,
            ]],
        ),
        "remove_vex" => (true, vec![&[E::VexNotFound, E::FileAccess]]),
        "get_site" | "site_history" | "site_status" => (false, vec![SITE]),
        "remove_site" => (true, vec![SITE]),
        "change_site" => (
            true,
            vec![
                SITE,
                &[E::BadJson, E::UnsupportedMediaType, E::BodyTooLarge, E::DiskFull],
            ],
        ),
        "add_site" => (
            true,
            vec![&[
                E::BadJson,
                E::UnsupportedMediaType,
                E::BodyTooLarge,
                E::SiteExists,
                E::SiteKeyInvalid,
                E::CertificateInvalid,
                E::TimedOut,
                E::DiskFull,
            ]],
        ),
        "list_conflicts" => (false, vec![&[E::TimedOut]]),
        "get_conflict" => (false, vec![&[E::AdvisoryNotFound, E::TimedOut]]),
        "resolve_conflict" => (
            true,
            vec![&[
                E::BadJson,
                E::UnsupportedMediaType,
                E::BodyTooLarge,
                E::AdvisoryNotFound,
                E::SiteNotFound,
                E::DiskFull,
            ]],
        ),
        "list_mutes" => (false, vec![&[E::TimedOut]]),
        "get_mute" => (false, vec![&[E::MuteNotFound, E::TimedOut]]),
        "add_mute" => (
            true,
            vec![
                &[
                    E::BadJson,
                    E::UnsupportedMediaType,
                    E::BodyTooLarge,
                    E::ForkDetected,
                    E::DiskFull,
                ],
                SIGNING,
            ],
        ),
        "remove_mute" => (
            true,
            vec![&[E::MuteNotFound, E::ForkDetected, E::DiskFull], SIGNING],
        ),
        "import_bundle" => (
            true,
            vec![
                BUNDLE_UPLOAD,
                &[
                    E::SiteNotAllowed,
                    E::SiteDisabled,
                    E::SignatureVerificationFailed,
                    E::CursorNotAfterCurrent,
                    E::BundleGap,
                    E::BundleMalformed,
                    E::BundleEmpty,
                    E::BundleVersionUnsupported,
                    E::CertificateInvalid,
                    E::CertificateConflict,
                    E::KeyRevoked,
                    E::DeltaRefused,
                    E::StateRootFalse,
                    E::RecordNotCanonical,
                    E::BodySizeFalse,
                    E::HeadContradicts,
                    E::EpochClosed,
                    E::AuthorFrozen,
                    E::OwnLogAhead,
                    E::ForkDetected,
                    E::ConflictUnresolved,
                    E::FederationDisabled,
                ],
            ],
        ),
        "inspect_bundle" => (
            true,
            vec![BUNDLE_UPLOAD, &[E::BundleMalformed, E::BundleVersionUnsupported]],
        ),
        "validate_bundle" => (true, vec![BUNDLE_UPLOAD]),
        "export_bundle" | "export_bundle_get" => (
            true,
            vec![&[
                E::BadJson,
                E::UnsupportedMediaType,
                E::BodyTooLarge,
                E::InvalidCursor,
                E::SiteNotFound,
                E::BundleTooLarge,
                E::BodyMissing,
                E::FederationDisabled,
                E::DiskFull,
            ]],
        ),
        "import_feed" => (
            true,
            vec![
                &[
                    E::UnsupportedMediaType,
                    E::BodyTooLarge,
                    E::UploadInterrupted,
                    E::FeedTruncated,
                    E::FeedEmpty,
                    E::FeedSuspect,
                    E::FeedRejected,
                    E::FeedUnreadable,
                    E::DiskFull,
                ],
                SIGNING,
            ],
        ),
        "list_feeds" => (false, vec![&[E::TimedOut]]),
        "get_feed" => (false, vec![&[E::FeedNotFound, E::TimedOut]]),
        "add_feed" => (true, vec![FEED_EDIT, &[E::FeedExists]]),
        "change_feed" => (true, vec![FEED_EDIT, &[E::FeedNotFound]]),
        "remove_feed" => (
            true,
            vec![&[E::FeedNotFound, E::ConfigInvalid, E::FileAccess, E::DiskFull]],
        ),
        "run_feed" => (true, vec![&[E::FeedNotFound]]),
        "approve_feed" => (
            true,
            vec![&[
                E::BadJson,
                E::UnsupportedMediaType,
                E::BodyTooLarge,
                E::FeedNotFound,
                E::FeedNotSuspect,
            ]],
        ),
        "events" => (false, vec![&[E::EventsExpired, E::TimedOut]]),
        "doctor" => (true, vec![&[E::DiskFull]]),
        "compact_store" => (true, vec![&[E::DiskFull]]),
        _ => return None,
    })
}

/// Adds its errors to every operation, and the token to admin operations.
pub(crate) fn complete(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    for item in document.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.post,
            &mut item.put,
            &mut item.patch,
            &mut item.delete,
            &mut item.head,
            &mut item.options,
            &mut item.trace,
        ];
        for operation in operations.into_iter().flatten() {
            add_errors(operation);
        }
    }
    let components = document.components.get_or_insert_default();
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "The admin token of the site's configuration; not needed on the local socket.",
        ))
        .build();
    components.add_security_scheme(TOKEN_SCHEME, SecurityScheme::Http(token));
    document
}

fn add_errors(operation: &mut Operation) {
    let name = operation.operation_id.clone().unwrap_or_default();
    let Some((admin, groups)) = errors_of(&name) else {
        return;
    };
    let admin_errors: &[ErrorCode] = if admin { ADMIN } else { &[] };
    if admin {
        operation.security = Some(vec![SecurityRequirement::new(TOKEN_SCHEME, Vec::<String>::new())]);
    } else {
        // Stated explicitly: everyone who can reach the listener may call it.
        operation.security = Some(Vec::new());
    }
    let mut by_status = BTreeMap::<u16, Vec<ErrorCode>>::new();
    for code in groups.into_iter().flatten().chain(admin_errors).chain(ANY) {
        by_status.entry(code.http_status()).or_default().push(*code);
    }
    for (status, codes) in by_status {
        let said: Vec<String> = codes
            .iter()
            .map(|code| format!("`{code}`: {}", code.title()))
            .collect();
        let problem = Ref::from_schema_name(ProblemBody::name());
        let response = ResponseBuilder::new()
            .description(said.join("; "))
            .content(
                Problem::CONTENT_TYPE,
                ContentBuilder::new().schema(Some(problem)).build(),
            )
            .build();
        operation
            .responses
            .responses
            .insert(status.to_string(), RefOr::T(response));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_lists_its_errors() {
        let document = crate::router::document();
        let mut count = 0;
        for (path, item) in &document.paths.paths {
            let operations = [
                &item.get,
                &item.post,
                &item.put,
                &item.patch,
                &item.delete,
                &item.head,
                &item.options,
                &item.trace,
            ];
            for operation in operations.into_iter().flatten() {
                let name = operation.operation_id.as_deref().unwrap_or("");
                assert!(errors_of(name).is_some(), "{path}: `{name}` is not in the table");
                assert!(operation.responses.responses.contains_key("500"), "{path}");
                count += 1;
            }
        }
        assert!(count >= 20, "only {count} operations");
    }
}
