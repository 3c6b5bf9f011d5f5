//! A server of canned answers, written by hand so that it can break off where a real one would not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The path with its query.
    pub(crate) path: String,
    /// By lower-case name.
    pub(crate) headers: BTreeMap<String, String>,
    /// Number of earlier requests for this path.
    pub(crate) before: usize,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Returns the value of a parameter of the query, as it was sent.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.path.split_once('?')?;
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// With its true length.
    Whole,
    /// With the length of the body and this many bytes of it.
    Cut(usize),
    /// Without any length: the end of the connection is the end of the body.
    Unbounded,
    /// The head and half of the body, then nothing.
    Stall,
    /// The connection is closed without an answer.
    Hangup,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
            how: How::Whole,
        }
    }

    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::new(200, body)
    }

    pub(crate) fn missing() -> Self {
        Self::new(404, "not here")
    }

    pub(crate) fn redirect(to: &str) -> Self {
        Self::new(302, "").header("location", to)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Answers 304 to a client that has this version.
    pub(crate) fn etag(self, asked: &Asked, etag: &str) -> Self {
        match asked.header("if-none-match") == Some(etag) {
            true => Self::new(304, "").header("etag", etag),
            false => self.header("etag", etag),
        }
    }

    /// Sends `bytes` of the body, under its whole length.
    pub(crate) fn cut(mut self, bytes: usize) -> Self {
        self.how = How::Cut(bytes);
        self
    }

    pub(crate) fn unbounded(mut self) -> Self {
        self.how = How::Unbounded;
        self
    }

    pub(crate) fn stall(mut self) -> Self {
        self.how = How::Stall;
        self
    }

    pub(crate) fn hangup() -> Self {
        Self {
            how: How::Hangup,
            ..Self::ok("")
        }
    }
}

type Handler = dyn Fn(&Asked) -> Reply + Send + Sync;

/// A running server. It ends when it is dropped.
pub(crate) struct Server {
    /// `http://127.0.0.1:PORT`
    pub(crate) base: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// True as soon as the server is silent in the middle of an answer.
    pub(crate) is_silent: watch::Receiver<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn start(handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(handler, None).await
    }

    /// Serves encrypted connections.
    pub(crate) async fn start_tls(
        handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
        config: rustls::ServerConfig,
    ) -> Self {
        Self::start_with(handler, Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn start_with(
        handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let base = format!("{scheme}://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (silent, is_silent) = watch::channel(false);
        let handler: Arc<Handler> = Arc::new(handler);
        let log = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (handler, log, silent) = (Arc::clone(&handler), Arc::clone(&log), silent.clone());
                let tls = tls.clone();
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, handler, log, silent).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, handler, log, silent).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            base,
            asked,
            is_silent,
            task,
        }
    }

    /// Serves files by path; an ETag is made of the content.
    pub(crate) async fn files(files: &[(&str, Vec<u8>)]) -> Self {
        let files: BTreeMap<String, Vec<u8>> = files
            .iter()
            .map(|(path, body)| ((*path).to_owned(), body.clone()))
            .collect();
        Self::start(move |asked| file(&files, asked)).await
    }

    /// Returns the paths that were asked for, in order.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.log().into_iter().map(|asked| asked.path).collect()
    }

    pub(crate) fn log(&self) -> Vec<Asked> {
        self.asked.lock().expect("not poisoned").clone()
    }

    pub(crate) fn forget(&self) {
        self.asked.lock().expect("not poisoned").clear();
    }
}

/// Returns the answer of a server of files.
pub(crate) fn file(files: &BTreeMap<String, Vec<u8>>, asked: &Asked) -> Reply {
    match files.get(&asked.path) {
        Some(body) => {
            let etag = format!("\"{}\"", &blake3::hash(body).to_hex()[..16]);
            Reply::ok(body.clone()).etag(asked, &etag)
        }
        None => Reply::missing(),
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    handler: Arc<Handler>,
    log: Arc<Mutex<Vec<Asked>>>,
    silent: watch::Sender<bool>,
) {
    let mut held = Vec::new();
    while let Some(mut asked) = read_request(&mut stream, &mut held).await {
        {
            let mut log = log.lock().expect("not poisoned");
            asked.before = log.iter().filter(|before| before.path == asked.path).count();
            log.push(asked.clone());
        }
        let reply = handler(&asked);
        if reply.how == How::Hangup {
            return;
        }
        let mut head = format!("HTTP/1.1 {} Any\r\n", reply.status);
        if reply.how != How::Unbounded && reply.status != 304 {
            head.push_str(&format!("content-length: {}\r\n", reply.body.len()));
        }
        for (name, value) in &reply.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let sent = match reply.how {
            How::Cut(bytes) => &reply.body[..bytes.min(reply.body.len())],
            How::Stall => &reply.body[..reply.body.len() / 2],
            _ => &reply.body[..],
        };
        let mut bytes = head.into_bytes();
        if reply.status != 304 {
            bytes.extend_from_slice(sent);
        }
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
        match reply.how {
            How::Whole => {}
            How::Stall => {
                let _ = silent.send(true);
                std::future::pending::<()>().await;
            }
            How::Cut(_) | How::Unbounded | How::Hangup => return,
        }
    }
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin), held: &mut Vec<u8>) -> Option<Asked> {
    let end = loop {
        if let Some(at) = held.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => held.extend_from_slice(&buffer[..read]),
        }
    };
    let text = String::from_utf8_lossy(&held[..end]).into_owned();
    held.drain(..end);
    let mut lines = text.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Some(Asked {
        path,
        headers,
        before: 0,
    })
}
