//! Reads a server-sent event stream (WHATWG HTML, 9.2.6), in the form that this API writes.

use futures::StreamExt;
use starling_api::{ByteStream, EventStream, PROBLEM_EVENT};
use starling_api_types::{
    AuthorFrozen, CanonicalImported, ErrorCode, EventId, EventRecord, FeedRan, MuteChanged, Problem,
    SiteEvent, SiteRestored, SitesDiffer,
};

/// Longest line, in bytes; an event's data is one line.
const LINE_MAX_BYTES: usize = 1024 * 1024;

/// Reads the events in `bytes`, as they arrive.
pub(super) fn read_events(bytes: ByteStream) -> EventStream {
    let state = Reading {
        bytes,
        parser: Parser::default(),
        ready: Vec::new().into_iter(),
        ended: false,
    };
    Box::pin(futures::stream::unfold(state, |mut state| async move {
        state.next().await.map(|item| (item, state))
    }))
}

struct Reading {
    bytes: ByteStream,
    parser: Parser,
    ready: std::vec::IntoIter<Result<EventRecord, Problem>>,
    ended: bool,
}

impl Reading {
    async fn next(&mut self) -> Option<Result<EventRecord, Problem>> {
        loop {
            if let Some(item) = self.ready.next() {
                self.ended |= item.is_err();
                return Some(item);
            }
            if self.ended {
                return None;
            }
            match self.bytes.next().await? {
                Ok(chunk) => self.ready = self.parser.push(&chunk).into_iter(),
                Err(problem) => self.ready = vec![Err(problem)].into_iter(),
            }
        }
    }
}

/// The current event, as far as it was read.
#[derive(Default)]
struct Parser {
    line: Vec<u8>,
    id: Option<EventId>,
    name: String,
    data: String,
}

impl Parser {
    /// Adds a chunk, which may end anywhere, and returns the events that it completes.
    fn push(&mut self, chunk: &[u8]) -> Vec<Result<EventRecord, Problem>> {
        let mut events = Vec::new();
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + piece.len() > LINE_MAX_BYTES {
                events.push(Err(refuse(&format!(
                    "a line is longer than {LINE_MAX_BYTES} bytes"
                ))));
                return events;
            }
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                let line = String::from_utf8_lossy(&line);
                events.extend(self.line(line.trim_end_matches(['\n', '\r'])));
            }
        }
        events
    }

    fn line(&mut self, line: &str) -> Option<Result<EventRecord, Problem>> {
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.id = value.parse().ok(),
            "event" => value.clone_into(&mut self.name),
            "data" => self.data.push_str(value),
            // A comment keeps the connection alive. Other fields are not used here.
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<Result<EventRecord, Problem>> {
        let (id, name, data) = (
            self.id.take(),
            std::mem::take(&mut self.name),
            std::mem::take(&mut self.data),
        );
        match name.as_str() {
            CanonicalImported::EVENT_NAME => {
                Some(record(id, serde_json::from_str(&data).map(SiteEvent::Canonical)))
            }
            AuthorFrozen::EVENT_NAME => Some(record(id, serde_json::from_str(&data).map(SiteEvent::Frozen))),
            SiteRestored::EVENT_NAME => {
                Some(record(id, serde_json::from_str(&data).map(SiteEvent::Restored)))
            }
            SitesDiffer::EVENT_NAME => Some(record(id, serde_json::from_str(&data).map(SiteEvent::Differ))),
            FeedRan::EVENT_NAME => Some(record(id, serde_json::from_str(&data).map(SiteEvent::FeedRun))),
            MuteChanged::EVENT_NAME => Some(record(id, serde_json::from_str(&data).map(SiteEvent::Mute))),
            PROBLEM_EVENT => Some(Err(
                serde_json::from_str(&data).unwrap_or_else(|error| refuse(&error.to_string()))
            )),
            // An event kind of a later version.
            _ => None,
        }
    }
}

fn record(id: Option<EventId>, event: serde_json::Result<SiteEvent>) -> Result<EventRecord, Problem> {
    match (id, event) {
        (Some(id), Ok(event)) => Ok(EventRecord { id, event }),
        (None, _) => Err(refuse("an event has no id")),
        (_, Err(error)) => Err(refuse(&error.to_string())),
    }
}

fn refuse(found: &str) -> Problem {
    Problem::new(
        ErrorCode::Unreachable,
        format!("reading the event stream: {found}"),
    )
    .hint("use the same version of the command and the daemon")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Vec<u8> {
        let hash = format!("blake3:{}", "ab".repeat(32));
        let data = format!(
            r#"{{"canonical_id":"{hash}","cve":null,"affects_key":"pkg:npm/a","merge_hash":"{hash}","action":"Created","bundle_hash":null,"site_id":"s","imported_at":"2025-01-15T10:30:00.000Z"}}"#
        );
        format!(
            ": keep alive\n\nid: 7\nevent: canonical-imported\ndata: {data}\n\nevent: later\ndata: {{}}\n\nid: 8\r\nevent: canonical-imported\r\ndata: {data}\r\n\r\n"
        )
        .into_bytes()
    }

    #[test]
    fn events_are_read_across_chunk_borders() {
        let bytes = stream();
        for size in [1, 2, 3, 7, 64, bytes.len()] {
            let mut parser = Parser::default();
            let ids: Vec<_> = bytes
                .chunks(size)
                .flat_map(|chunk| parser.push(chunk))
                .map(|event| event.unwrap().id.number)
                .collect();
            assert_eq!(ids, [7, 8], "chunks of {size}");
        }
    }

    #[test]
    fn endless_line_and_bad_data_are_refused() {
        let mut parser = Parser::default();
        let long = vec![b'x'; LINE_MAX_BYTES + 1];
        assert!(parser.push(&long).pop().unwrap().is_err());
        let mut parser = Parser::default();
        let events = parser.push(b"id: 1\nevent: canonical-imported\ndata: {}\n\n");
        assert_eq!(events[0].as_ref().unwrap_err().code, ErrorCode::Unreachable);
    }

    #[test]
    fn problem_event_is_returned_as_that_problem() {
        let problem = Problem::new(ErrorCode::ShuttingDown, "stopping");
        let text = format!(
            "event: problem\ndata: {}\n\n",
            serde_json::to_string(&problem).unwrap()
        );
        assert_eq!(Parser::default().push(text.as_bytes()), [Err(problem)]);
    }
}
