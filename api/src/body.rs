//! Request bodies and parameters, with limits on size and time; errors become problems.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use serde::de::DeserializeOwned;
use starling_api_types::{ErrorCode, Problem, wording};
use tokio::time::Instant;

use crate::limits::{JSON_BODY_MAX_BYTES, UPLOAD_GRACE, UPLOAD_IDLE_TIMEOUT, UPLOAD_LEAST_RATE};
use crate::reply::ProblemReply;
use crate::service::ByteStream;

/// Parses the query string as `T`; unknown and misspelt parameters are refused.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ProblemReply;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ProblemReply> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(QueryRejection::FailedToDeserializeQueryString(error)) => {
                Err(bad_request("reading the query", &error))
            }
            Err(other) => Err(bad_request("reading the query", &other)),
        }
    }
}

/// Parses the path's only parameter as `T`.
pub(crate) struct PathParam<T>(pub(crate) T);

impl<T, S> FromRequestParts<S> for PathParam<T>
where
    T: FromStr<Err: Display> + Send,
    S: Send + Sync,
{
    type Rejection = ProblemReply;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ProblemReply> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|rejection: PathRejection| bad_request("reading the path", &rejection))?;
        text.parse()
            .map(Self)
            .map_err(|error| bad_request("reading the path", &error))
    }
}

fn bad_request(attempted: &str, error: &dyn Display) -> ProblemReply {
    let error: String = error.to_string().chars().take(500).collect();
    Problem::new(ErrorCode::BadRequest, format!("{attempted}: {error}"))
        .hint("GET /api/v1/openapi.json describes every parameter")
        .into()
}

/// Parses a JSON body as `T`, at most [`JSON_BODY_MAX_BYTES`].
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ProblemReply;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ProblemReply> {
        let (parts, body) = request.into_parts();
        require_content_type(&parts.headers, "application/json")?;
        let bytes = read_all(&parts.headers, body, JSON_BODY_MAX_BYTES, ErrorCode::BodyTooLarge).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            Problem::new(
                ErrorCode::BadJson,
                format!("reading the body as JSON: {}", wording::json(&error)),
            )
            .hint("GET /api/v1/openapi.json describes the body")
            .into()
        })
    }
}

/// Refuses a body with another content type; parameters such as `charset` are ignored.
pub(crate) fn require_content_type(headers: &HeaderMap, expected: &str) -> Result<(), Problem> {
    let found = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let essence = found.split(';').next().unwrap_or("").trim();
    if essence.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    let found: String = found.chars().take(100).collect();
    Err(Problem::new(
        ErrorCode::UnsupportedMediaType,
        format!("reading the body: expected the content type `{expected}`, got `{found}`"),
    )
    .hint(format!("send `Content-Type: {expected}`")))
}

/// Refuses a body with a content encoding: the API decompresses nothing.
fn require_plain(headers: &HeaderMap) -> Result<(), Problem> {
    for value in headers.get_all(CONTENT_ENCODING) {
        let text = String::from_utf8_lossy(value.as_bytes());
        let is_plain = |coding: &str| coding.is_empty() || coding.eq_ignore_ascii_case("identity");
        if !text.split(',').map(str::trim).all(is_plain) {
            let found: String = text.chars().take(100).collect();
            return Err(Problem::new(
                ErrorCode::UnsupportedMediaType,
                format!("reading the body: content is taken as it is, found `Content-Encoding: {found}`"),
            )
            .hint("send it uncompressed; archives and compressed feeds are detected without this header"));
        }
    }
    Ok(())
}

/// Largest buffer reserved for an announced size, in bytes; a longer body grows the buffer as it arrives.
const MAX_RESERVED_BYTES: usize = 2 * 1024 * 1024;

/// Reads a complete body into memory, at most `max_bytes`.
pub(crate) async fn read_all(
    headers: &HeaderMap,
    body: Body,
    max_bytes: u64,
    too_large: ErrorCode,
) -> Result<Bytes, Problem> {
    let mut stream = upload_stream(headers, body, max_bytes, too_large)?;
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let mut all = BytesMut::with_capacity(announced.unwrap_or_default().min(MAX_RESERVED_BYTES));
    while let Some(chunk) = stream.next().await {
        all.extend_from_slice(&chunk?);
    }
    Ok(all.freeze())
}

/// Returns a body as a stream of at most `max_bytes` that fails if no data arrives for a while.
///
/// Refuses a body with a content encoding, or with a longer `Content-Length`, before it reads any of it. A body without a
/// length fails when it exceeds the limit.
pub(crate) fn upload_stream(
    headers: &HeaderMap,
    body: Body,
    max_bytes: u64,
    too_large: ErrorCode,
) -> Result<ByteStream, Problem> {
    require_plain(headers)?;
    let upload = Upload {
        rest: Some(body.into_data_stream()),
        left: max_bytes,
        max_bytes,
        too_large,
        began: Instant::now(),
    };
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if let Some(announced) = announced.filter(|announced| *announced > max_bytes) {
        return Err(too_large_problem(
            too_large,
            &format!("it has {announced} bytes"),
            max_bytes,
        ));
    }
    Ok(Box::pin(futures::stream::unfold(
        upload,
        |mut upload| async move {
            let item = upload.next(UPLOAD_IDLE_TIMEOUT).await?;
            Some((item, upload))
        },
    )))
}

/// An upload and its remaining limit.
struct Upload {
    /// The unread part; `None` at the end of the body, or after an error.
    rest: Option<BodyDataStream>,
    left: u64,
    max_bytes: u64,
    too_large: ErrorCode,
    began: Instant,
}

impl Upload {
    async fn next(&mut self, idle: Duration) -> Option<Result<Bytes, Problem>> {
        let problem = match tokio::time::timeout(idle, self.rest.as_mut()?.next()).await {
            Ok(None) => {
                self.rest = None;
                return None;
            }
            Ok(Some(Ok(chunk))) => match self.left.checked_sub(chunk.len() as u64) {
                Some(left) => {
                    self.left = left;
                    let Some(problem) = self.too_slow() else {
                        return Some(Ok(chunk));
                    };
                    problem
                }
                None => too_large_problem(self.too_large, "it has more bytes", self.max_bytes),
            },
            Ok(Some(Err(error))) => interrupted(&format!("reading the body: {error}")),
            Err(_) => interrupted(&format!(
                "reading the body: no data arrived for {} s",
                idle.as_secs()
            )),
        };
        self.rest = None;
        Some(Err(problem))
    }

    /// Returns a problem if the upload is slower than the minimum rate: it would hold a place that others need.
    fn too_slow(&self) -> Option<Problem> {
        let took = self.began.elapsed();
        let received = self.max_bytes - self.left;
        let least = took.as_secs().saturating_mul(UPLOAD_LEAST_RATE);
        (took > UPLOAD_GRACE && received < least).then(|| {
            interrupted(&format!(
                "reading the body: {received} bytes arrived in {} s, expected at least {UPLOAD_LEAST_RATE} per second",
                took.as_secs()
            ))
        })
    }
}

fn interrupted(found: &str) -> Problem {
    Problem::new(ErrorCode::UploadInterrupted, found).hint("nothing of it was kept; send it again")
}

pub(crate) fn too_large_problem(code: ErrorCode, found: &str, max_bytes: u64) -> Problem {
    let problem = Problem::new(
        code,
        format!("reading the upload: {found}, expected at most {max_bytes}"),
    );
    match code {
        ErrorCode::BundleTooLarge => problem.hint(
            "export a smaller range, or raise `import.max_bundle_size` here or `--max-bundle-size` of its site",
        ),
        _ => problem,
    }
}
