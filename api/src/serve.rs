//! The listeners: a local socket for its owner only, and TCP.
//!
//! Binding is separate from serving, so that a daemon reports *ready* only when both are reachable.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio_util::task::TaskTracker;

use crate::access::Access;
use crate::connections::{Calls, Connections, WriteTimeout};
use crate::limits::{HEADER_READ_TIMEOUT, MAX_CONNECTIONS, STOP_GRACE, WRITE_TIMEOUT};
use crate::refusals::{Answering, Worded};
use crate::short_path::{SOCKET_PATH_MAX_BYTES, ShortPath};
use crate::state::Api;

/// Mode of the socket: owner only.
const SOCKET_MODE: u32 = 0o600;
/// Time for a connection that must close to answer a call that has just started.
const CLOSE_GRACE: Duration = Duration::from_secs(2);
/// Pause after the kernel refused a connection because file descriptors or memory ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The reason why a listener cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another process answers on the socket.
    #[error("opening the local socket {}: another daemon answers on it; stop that one first", path.display())]
    SocketInUse {
        /// The socket.
        path: PathBuf,
    },
    /// The path is too long for the operating system.
    #[error(
        "opening the local socket {}: the path has {found} bytes, but the system allows only {SOCKET_PATH_MAX_BYTES}: choose a shorter --home",
        path.display()
    )]
    SocketPathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        found: usize,
    },
    /// A file that is not a socket has that name.
    #[error("opening the local socket {}: a file that is not a socket has that name: move it away", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("listening on {on}: {source}")]
    Io {
        /// The address or path.
        on: String,
        /// The cause.
        source: io::Error,
    },
}

/// An open local socket.
#[derive(Debug)]
pub struct LocalSocket {
    listener: UnixListener,
    path: PathBuf,
}

/// Opens the local socket at `path` with mode 0600; replaces an unused socket.
///
/// Creates the socket in a new private folder and then moves it to its place, so that no other user can connect before
/// its mode is set.
///
/// # Errors
/// See [`ListenError`].
pub async fn bind_unix(path: &Path) -> Result<LocalSocket, ListenError> {
    let failed = |source: io::Error| ListenError::Io {
        on: path.display().to_string(),
        source,
    };
    let short = ShortPath::to(path).map_err(failed)?;
    check_stale(path, &short).await?;
    let parent = short
        .path()
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let private = tempfile::Builder::new()
        .prefix(".s")
        .rand_bytes(6)
        .tempdir_in(parent)
        .map_err(failed)?;
    let fresh = private.path().join("s");
    for short in [short.path(), &fresh] {
        let found = short.as_os_str().len();
        if found > SOCKET_PATH_MAX_BYTES {
            return Err(ListenError::SocketPathTooLong {
                path: path.to_owned(),
                found,
            });
        }
    }
    let listener = UnixListener::bind(&fresh).map_err(failed)?;
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(SOCKET_MODE)).map_err(failed)?;
    std::fs::rename(&fresh, path).map_err(failed)?;
    Ok(LocalSocket {
        listener,
        path: path.to_owned(),
    })
}

async fn check_stale(path: &Path, short: &ShortPath) -> Result<(), ListenError> {
    use std::os::unix::fs::FileTypeExt;
    let Ok(metadata) = std::fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !metadata.file_type().is_socket() {
        return Err(ListenError::NotASocket {
            path: path.to_owned(),
        });
    }
    match UnixStream::connect(short.path()).await {
        Ok(_) => Err(ListenError::SocketInUse {
            path: path.to_owned(),
        }),
        // The earlier listener is gone; the rename replaces its socket.
        Err(_) => Ok(()),
    }
}

/// Opens a TCP port.
///
/// # Errors
/// [`ListenError::Io`].
pub async fn bind_tcp(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ListenError::Io {
            on: address.to_string(),
            source,
        })
}

/// Serves the local socket until the API stops, then removes it. Every call is allowed.
///
/// Returns when calls in progress have ended, or after [`STOP_GRACE`].
pub async fn serve_unix(api: Api, socket: LocalSocket) {
    let router = api.router(Access::LocalSocket);
    let accept = || async { socket.listener.accept().await.map(|(stream, _)| stream) };
    serve(&api, router, accept).await;
    // While this process listens, nobody else can have put another socket there.
    if let Err(error) = std::fs::remove_file(&socket.path) {
        tracing::debug!("removing {}: {error}", socket.path.display());
    }
}

/// Serves a TCP port until the API stops.
///
/// Returns when calls in progress have ended, or after [`STOP_GRACE`].
pub async fn serve_tcp(api: Api, listener: TcpListener, access: Access) {
    let router = api.router(access);
    let accept = || async {
        let (stream, _) = listener.accept().await?;
        // Answers are written at once; waiting for more data would only delay them.
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    serve(&api, router, accept).await;
}

async fn serve<S, A, F>(api: &Api, router: Router, mut accept: A)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: FnMut() -> F,
    F: Future<Output = io::Result<S>>,
{
    let tracker = TaskTracker::new();
    let connections = Connections::new(MAX_CONNECTIONS);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_TIMEOUT);
    loop {
        let next = async {
            let stream = accept().await?;
            Ok::<_, io::Error>((stream, connections.enter().await))
        };
        let (stream, opened) = tokio::select! {
            () = api.stop.cancelled() => break,
            accepted = next => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!("accepting a connection: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        let answering = Answering::default();
        let calls = Calls::new(router.clone(), &opened, answering.clone());
        let stream = Worded::new(WriteTimeout::new(stream, WRITE_TIMEOUT), answering);
        let stream = TokioIo::new(stream);
        let connection = http.serve_connection(stream, calls);
        let stop = api.stop.clone();
        tracker.spawn(async move {
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
                () = opened.closing.cancelled() => {
                    // A call may just have started: it gets its answer.
                    connection.as_mut().graceful_shutdown();
                    let ended = tokio::time::timeout(CLOSE_GRACE, connection).await;
                    ended.unwrap_or(Ok(()))
                }
            };
            if let Err(error) = ended {
                tracing::debug!("a connection ended early: {error}");
            }
            drop(opened);
        });
    }
    tracker.close();
    if tokio::time::timeout(STOP_GRACE, tracker.wait()).await.is_err() {
        tracing::warn!(
            "calls were still in flight {} s after the stop; they were cut",
            STOP_GRACE.as_secs()
        );
    }
}
