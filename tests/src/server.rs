//! A server on the loopback interface that plays the origin of a source: it serves one document with an `ETag`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Longest wait for a state.
const DEADLINE: Duration = Duration::from_secs(120);
/// Longest request that is read, in bytes.
const MAX_REQUEST_BYTES: u64 = 64 << 10;

/// The behaviour of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It answers normally.
    Well,
    /// It answers 503.
    Down,
    /// It sends half of the document, and the rest only after its behaviour changes.
    Hangs,
}

#[derive(Debug)]
struct State {
    document: Vec<u8>,
    /// Counts the versions of the document.
    version: u64,
    manner: Manner,
    /// Number of requests.
    requests: u64,
    /// Number of 304 answers, counted only with [`Manner::Well`].
    unchanged: u64,
    ended: bool,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A server of one document, at any path. Dropping it stops the server.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves a document on a free port.
    ///
    /// # Panics
    /// When no port can be listened on.
    #[must_use]
    pub fn of(document: Vec<u8>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                document,
                version: 1,
                manner: Manner::Well,
                requests: 0,
                unchanged: 0,
                ended: false,
            }),
            changed: Condvar::new(),
        });
        let serving = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.lock().ended {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let shared = Arc::clone(&serving);
                // A client that goes away ends its own thread alone.
                std::thread::spawn(move || answer(&shared, stream));
            }
        });
        Self {
            shared,
            address,
            thread: Some(thread),
        }
    }

    /// Returns the address of a file with this name.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// Publishes another document.
    pub fn publish(&self, document: Vec<u8>) {
        let mut state = self.shared.lock();
        state.document = document;
        state.version += 1;
    }

    /// Changes the behaviour from now on.
    pub fn behave(&self, manner: Manner) {
        self.shared.lock().manner = manner;
        self.shared.changed.notify_all();
    }

    /// Returns the number of 304 answers, counted only with [`Manner::Well`].
    #[must_use]
    pub fn unchanged(&self) -> u64 {
        self.shared.lock().unchanged
    }

    /// Returns the number of requests.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.lock().requests
    }

    /// Waits until more than `before` requests arrived.
    ///
    /// # Panics
    /// If none arrives in time.
    pub fn until_asked(&self, before: u64) {
        let (state, waited) = self
            .shared
            .changed
            .wait_timeout_while(self.shared.lock(), DEADLINE, |state| state.requests <= before)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "nobody asks: {} requests", state.requests);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_all();
        // Wakes the thread that listens.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Answers the first request of a connection, then closes it.
fn answer(shared: &Shared, mut stream: TcpStream) {
    let mut validator = None;
    let Ok(copy) = stream.try_clone() else { return };
    let mut lines = BufReader::new(copy.take(MAX_REQUEST_BYTES)).lines();
    while let Some(Ok(line)) = lines.next() {
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("if-none-match")
        {
            validator = Some(value.trim().to_owned());
        }
    }
    let (manner, document, tag) = {
        let mut state = shared.lock();
        state.requests += 1;
        let tag = format!("\"v{}\"", state.version);
        if state.manner == Manner::Well && validator.as_deref() == Some(tag.as_str()) {
            state.unchanged += 1;
        }
        (state.manner, state.document.clone(), tag)
    };
    shared.changed.notify_all();
    if manner == Manner::Down {
        let _ = stream
            .write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        return;
    }
    if validator.as_deref() == Some(tag.as_str()) {
        let head = format!("HTTP/1.1 304 Not Modified\r\netag: {tag}\r\nconnection: close\r\n\r\n");
        let _ = stream.write_all(head.as_bytes());
        return;
    }
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: {}\r\netag: {tag}\r\nconnection: close\r\n\r\n",
        document.len()
    );
    let half = document.len() / 2;
    let (first, rest) = document.split_at(half);
    if stream.write_all(head.as_bytes()).is_err() || stream.write_all(first).is_err() {
        return;
    }
    if manner == Manner::Hangs {
        let waiting = |state: &mut State| state.manner == Manner::Hangs && !state.ended;
        drop(
            shared
                .changed
                .wait_timeout_while(shared.lock(), DEADLINE, waiting),
        );
    }
    let _ = stream.write_all(rest);
}
