//! Makes one HTTP call over a Unix socket.

use std::error::Error as _;
use std::io;
use std::path::Path;

use bytes::Bytes;
use futures::{FutureExt, StreamExt, TryStreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, BodyStream, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use starling_api::{BASE_PATH, ByteStream, ShortPath};
use starling_api_types::{ErrorCode, Problem};
use tokio::net::UnixStream;

use super::liveness::while_alive;
use super::upload::Sent;
use crate::progress::Step;

/// The request's body.
pub(super) type SentBody = UnsyncBoxBody<Bytes, Problem>;

/// Largest JSON answer, in bytes. The verdict of the largest allowed SBOM fits.
const ANSWER_MAX_BYTES: usize = 512 * 1024 * 1024;
/// Largest problem document, in bytes.
const PROBLEM_MAX_BYTES: usize = 1024 * 1024;

/// Connects to the socket.
///
/// # Errors
/// `daemon_not_running` if no daemon listens, else `unreachable`.
pub(super) async fn connect(socket: &Path) -> Result<UnixStream, Problem> {
    let short = ShortPath::to(socket);
    let connected = match &short {
        Ok(short) => UnixStream::connect(short.path()).await,
        Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
    };
    connected.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Problem::new(
            ErrorCode::DaemonNotRunning,
            format!("asking the daemon: no daemon listens on {}", socket.display()),
        )
        .hint("start it with `starling up`"),
        _ => Problem::new(
            ErrorCode::Unreachable,
            format!("asking the daemon on {}: {error}", socket.display()),
        )
        .hint("only the user that runs the daemon may use the socket"),
    })
}

/// A request under construction.
pub(super) struct Call<'a> {
    socket: &'a Path,
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: SentBody,
}

impl<'a> Call<'a> {
    /// Creates a request without a body; `path` follows the API's base and is percent-encoded.
    pub(super) fn new(socket: &'a Path, method: Method, path: String) -> Self {
        let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
        Self {
            socket,
            method,
            path,
            headers: Vec::new(),
            body,
        }
    }

    /// Adds a query.
    ///
    /// # Errors
    /// If `query` is not a flat structure.
    pub(super) fn query(mut self, query: &impl Serialize) -> Result<Self, Problem> {
        let text = serde_urlencoded::to_string(query)
            .map_err(|error| Problem::internal("writing a query", error))?;
        if !text.is_empty() {
            self.path = format!("{}?{text}", self.path);
        }
        Ok(self)
    }

    /// Adds a header.
    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Adds a JSON body.
    ///
    /// # Errors
    /// If `value` cannot be written as JSON.
    pub(super) fn json_body(self, value: &impl Serialize) -> Result<Self, Problem> {
        let bytes = serde_json::to_vec(value).map_err(|error| Problem::internal("writing a body", error))?;
        Ok(self.content("application/json", Sent::bytes(bytes.into())))
    }

    /// Adds a body.
    pub(super) fn content(mut self, content_type: impl Into<String>, sent: Sent) -> Self {
        self.headers.push((CONTENT_TYPE.as_str(), content_type.into()));
        if let Some(size) = sent.size {
            self.headers.push((CONTENT_LENGTH.as_str(), size.to_string()));
        }
        self.body = sent.body;
        self
    }

    /// Makes the call and parses its JSON answer.
    ///
    /// # Errors
    /// The daemon's problem, or `unreachable`.
    pub(super) async fn json<T: DeserializeOwned>(self) -> Result<T, Problem> {
        let what = format!("{} {}", self.method, self.path);
        let socket = self.socket;
        let response = self.send().await?;
        let answer = while_alive(
            socket,
            Limited::new(response.into_body(), ANSWER_MAX_BYTES).collect(),
        )
        .await?
        .map_err(|error| {
            Problem::new(
                ErrorCode::Unreachable,
                format!("reading the daemon's answer to {what}: {error}"),
            )
        })?;
        serde_json::from_slice(&answer.to_bytes()).map_err(|error| {
            Problem::new(
                ErrorCode::Unreachable,
                format!("reading the daemon's answer to {what}: {error}"),
            )
            .hint("use the same version of the command and the daemon")
        })
    }

    /// Makes the call. An answer without success becomes its problem.
    ///
    /// # Errors
    /// The daemon's problem, the error of the sent body, or `unreachable`.
    pub(super) async fn send(self) -> Result<Response<Incoming>, Problem> {
        let broke = |error: &hyper::Error| {
            // The error of the sent body explains more than the broken connection.
            match error.source().and_then(|source| source.downcast_ref::<Problem>()) {
                Some(problem) => problem.clone(),
                None => Problem::new(
                    ErrorCode::Unreachable,
                    format!("talking to the daemon on {}: {error}", self.socket.display()),
                )
                .hint("check if the daemon stopped: its log says why"),
            }
        };
        let stream = connect(self.socket).await?;
        let (mut sender, connection) = http1::handshake::<_, SentBody>(TokioIo::new(stream))
            .await
            .map_err(|error| broke(&error))?;
        // This task ends with the answer's body, which also reports its errors.
        let mut connection = tokio::spawn(connection);
        let mut request = Request::builder()
            .method(&self.method)
            .uri(format!("{BASE_PATH}{}", self.path))
            .header(HOST, "localhost");
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let request = request
            .body(self.body)
            .map_err(|error| Problem::internal("writing a request", error))?;
        let mut sending = std::pin::pin!(sender.send_request(request));
        let answered = while_alive(self.socket, async {
            tokio::select! {
                biased;
                answered = &mut sending => Some(answered),
                // A request sent while the connection ends is never answered and never returned.
                _ = &mut connection => (&mut sending).now_or_never(),
            }
        });
        let answered = answered.await?;
        let response = match answered {
            Some(answered) => answered.map_err(|error| broke(&error))?,
            None => {
                let socket = self.socket.display();
                let detail =
                    format!("talking to the daemon on {socket}: the connection ended without an answer");
                return Err(Problem::new(ErrorCode::Unreachable, detail)
                    .hint("check if the daemon stopped: its log says why"));
            }
        };
        if response.status().is_success() {
            return Ok(response);
        }
        Err(stated_problem(response).await)
    }
}

async fn stated_problem(response: Response<Incoming>) -> Problem {
    let status = response.status();
    let body = Limited::new(response.into_body(), PROBLEM_MAX_BYTES)
        .collect()
        .await;
    let bytes = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_else(|_| {
        Problem::new(
            ErrorCode::Unreachable,
            format!("reading the daemon's refusal: status {status} without a reason"),
        )
        .hint("check that Starling listens on this socket")
    })
}

/// Returns an answer's body as it arrives. If it breaks off, or the daemon on `socket` stops answering, it ends with a
/// problem, never like a complete body.
pub(super) fn read_stream(socket: &Path, body: Incoming, step: Step) -> ByteStream {
    let frames = TryStreamExt::map_err(BodyStream::new(body), |error| {
        Problem::new(
            ErrorCode::Unreachable,
            format!("reading the daemon's answer: it ended early: {error}"),
        )
        .hint("the daemon's log says why")
    });
    let bytes = frames
        .try_filter_map(async |frame| Ok(frame.into_data().ok()))
        .inspect_ok(move |chunk| step.add(chunk.len() as u64));
    let start = (socket.to_owned(), Some(Box::pin(bytes)));
    Box::pin(futures::stream::unfold(start, async |(socket, bytes)| {
        let mut bytes = bytes?;
        match while_alive(&socket, bytes.next()).await {
            Ok(chunk) => chunk.map(|chunk| (chunk, (socket, Some(bytes)))),
            Err(problem) => Some((Err(problem), (socket, None))),
        }
    }))
}

/// Percent-encodes everything except RFC 3986's unreserved characters, so that the text is one path segment.
pub(super) fn encode_segment(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_url_becomes_one_path_segment() {
        assert_eq!(
            encode_segment("pkg:npm/@a/b@1?x=ü"),
            "pkg%3Anpm%2F%40a%2Fb%401%3Fx%3D%C3%BC"
        );
        assert_eq!(encode_segment("CVE-2021-44228"), "CVE-2021-44228");
    }
}
