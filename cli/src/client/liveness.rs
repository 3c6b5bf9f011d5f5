//! Tells a daemon that works for long from one that does not answer at all.

use std::path::Path;
use std::time::Duration;

use http_body_util::Empty;
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use starling_api::BASE_PATH;
use starling_api_types::{ErrorCode, Problem};

use super::http::connect;

/// Longest wait for a daemon.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// Time without an answer after which the daemon is asked for its health.
    quiet: Duration,
    /// Time in which a daemon that works answers that question.
    health: Duration,
}

const PATIENCE: Patience = Patience {
    quiet: Duration::from_secs(20),
    health: Duration::from_secs(10),
};

/// Waits for `work`, as long as the daemon on `socket` answers at all: an import or a scan may take long.
///
/// # Errors
/// `unreachable` if it does not.
pub(super) async fn while_alive<T>(socket: &Path, work: impl Future<Output = T>) -> Result<T, Problem> {
    wait(socket, PATIENCE, work).await
}

async fn wait<T>(socket: &Path, patience: Patience, work: impl Future<Output = T>) -> Result<T, Problem> {
    let mut work = std::pin::pin!(work);
    loop {
        if let Ok(done) = tokio::time::timeout(patience.quiet, &mut work).await {
            return Ok(done);
        }
        let asked = tokio::time::timeout(patience.health, ask(socket));
        tokio::select! {
            biased;
            done = &mut work => return Ok(done),
            answered = asked => if answered.is_err() {
                return Err(silent(socket).await);
            },
        }
    }
}

/// Asks for the daemon's health. Any answer, and any end of the connection, is one: only silence is not.
async fn ask(socket: &Path) {
    let Ok(stream) = connect(socket).await else { return };
    let Ok((mut sender, connection)) = http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await else {
        return;
    };
    let connection = tokio::spawn(connection);
    if let Ok(request) = Request::get(format!("{BASE_PATH}/health"))
        .header(HOST, "localhost")
        .body(Empty::new())
    {
        let _ = sender.send_request(request).await;
    }
    connection.abort();
}

/// Returns the problem of a daemon that does not answer, with its process if the kernel knows it.
async fn silent(socket: &Path) -> Problem {
    let process = match connect(socket).await {
        Ok(stream) => stream.peer_cred().ok().and_then(|peer| peer.pid()),
        Err(_) => None,
    };
    let who = process
        .filter(|pid| *pid > 0)
        .map_or_else(String::new, |pid| format!(" (process {pid})"));
    Problem::new(
        ErrorCode::Unreachable,
        format!(
            "asking the daemon on {}: the daemon{who} does not answer",
            socket.display()
        ),
    )
    .hint("it may be stopped or overloaded; its log says what it does, and restarting it is safe")
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::UnixListener;

    use super::*;

    const SHORT: Patience = Patience {
        quiet: Duration::from_millis(50),
        health: Duration::from_millis(200),
    };

    #[tokio::test]
    async fn silent_daemon_is_given_up_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        // It accepts, as the kernel does for a stopped process, and never answers.
        let _listener = UnixListener::bind(&socket).unwrap();
        let problem = wait(&socket, SHORT, std::future::pending::<()>())
            .await
            .unwrap_err();
        assert_eq!(problem.code, ErrorCode::Unreachable);
        let who = format!("the daemon (process {}) does not answer", std::process::id());
        assert!(problem.detail.ends_with(&who), "{problem}");
    }

    #[tokio::test]
    async fn daemon_that_answers_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let (enough, waited) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            for _ in 0..3 {
                let (mut stream, _) = listener.accept().await.unwrap();
                let busy = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(busy).await.unwrap();
                // Until it is read: a reset connection would be an answer, too.
                let _ = stream.shutdown().await;
            }
            enough.send(()).unwrap();
            std::future::pending::<()>().await;
        });
        assert_eq!(wait(&socket, SHORT, waited).await.unwrap(), Ok(()));
    }
}
