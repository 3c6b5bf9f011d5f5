//! A minimal HTTP client: one request in HTTP/1.0, whose answer ends with the connection.
//!
//! Version 1.0 on purpose: no chunks, so an event stream is read line by line as it is sent.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;

/// The time for which an answer may be silent.
const SILENCE: Duration = Duration::from_secs(120);

/// A request.
#[derive(Debug, Clone, Default)]
pub struct Request<'a> {
    method: &'a str,
    path: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    body: &'a [u8],
}

impl<'a> Request<'a> {
    /// Returns a request for `path`, below `/api/v1`.
    #[must_use]
    pub fn get(path: &'a str) -> Self {
        Self {
            method: "GET",
            path,
            headers: Vec::new(),
            body: &[],
        }
    }

    /// Returns a request that sends `body` to `path`, below `/api/v1`.
    #[must_use]
    pub fn post(path: &'a str, body: &'a [u8]) -> Self {
        Self {
            method: "POST",
            path,
            headers: Vec::new(),
            body,
        }
    }

    /// Returns the same with a header.
    #[must_use]
    pub fn header(mut self, name: &'a str, value: &'a str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Sends the request to a TCP listener.
    ///
    /// # Panics
    /// If the listener cannot be reached or does not answer with HTTP.
    #[must_use]
    pub fn tcp(&self, address: &str) -> Answer {
        let stream =
            TcpStream::connect(address).unwrap_or_else(|error| panic!("connecting to {address}: {error}"));
        stream
            .set_read_timeout(Some(SILENCE))
            .expect("a time limit can be set");
        let copy = stream.try_clone().expect("a socket can be copied");
        self.send(stream, copy)
            .unwrap_or_else(|error| panic!("{} {}: {error}", self.method, self.path))
    }

    /// Sends the request to a local socket.
    ///
    /// # Errors
    /// If nobody listens there or the answer is not HTTP.
    pub fn unix(&self, socket: &Path) -> std::io::Result<Answer> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(SILENCE))?;
        let copy = stream.try_clone()?;
        self.send(stream, copy)
    }

    fn send<S: Read + Write + 'static, T: Read + 'static>(
        &self,
        mut to: S,
        from: T,
    ) -> std::io::Result<Answer> {
        let mut head = format!(
            "{} /api/v1{} HTTP/1.0\r\nhost: localhost\r\n",
            self.method, self.path
        );
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.method == "POST" {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        to.write_all(head.as_bytes())?;
        // A server may refuse after the head alone and close; its answer is still read.
        let _ = to.write_all(self.body).and_then(|()| to.flush());
        let mut reader: Box<dyn BufRead> = Box::new(BufReader::new(from));
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Err(std::io::Error::other(
                    "the connection ended within the head of the answer",
                ));
            }
            let line = line.trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let status = lines
            .first()
            .and_then(|line| line.split(' ').nth(1))
            .and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| std::io::Error::other(format!("no status line: {lines:?}")))?;
        let headers = lines.iter().skip(1).filter_map(|line| line.split_once(':'));
        let headers = headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Ok(Answer {
            status,
            headers,
            reader,
            _stream: Box::new(to),
        })
    }
}

/// An answer whose body is still to be read.
pub struct Answer {
    /// The status code.
    pub status: u16,
    headers: Vec<(String, String)>,
    reader: Box<dyn BufRead>,
    _stream: Box<dyn std::any::Any>,
}

impl Answer {
    /// Returns a header's value; the name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns the rest of the body.
    ///
    /// # Panics
    /// If the connection breaks.
    #[must_use]
    pub fn bytes(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.reader.read_to_end(&mut bytes).expect("the body can be read");
        bytes
    }

    /// Returns the body as JSON if the status is `status`.
    ///
    /// # Panics
    /// If the status differs, or the body is not a `T`.
    #[must_use]
    pub fn json<T: DeserializeOwned>(self, status: u16) -> T {
        let found = self.status;
        let body = self.bytes();
        let shown = String::from_utf8_lossy(&body);
        assert!(
            found == status,
            "expected status {status}, found {found}: {shown}"
        );
        serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{error}: {shown}"))
    }

    /// Returns the next server-sent event; comments that keep the connection open are skipped.
    ///
    /// # Panics
    /// If the stream ends or stays silent.
    pub fn event(&mut self) -> StreamEvent {
        let mut event = StreamEvent::default();
        loop {
            let mut line = String::new();
            let count = self.reader.read_line(&mut line).expect("the stream goes on");
            assert!(count > 0, "the event stream ended");
            let line = line.trim_end();
            if line.is_empty() {
                if !event.data.is_empty() {
                    return event;
                }
                continue;
            }
            match line.split_once(':') {
                Some(("id", value)) => value.trim().clone_into(&mut event.id),
                Some(("event", value)) => value.trim().clone_into(&mut event.name),
                Some(("data", value)) => event.data.push_str(value.trim()),
                _ => {}
            }
        }
    }
}

/// One server-sent event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamEvent {
    /// Its id, for `Last-Event-ID`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its data.
    pub data: String,
}
