//! Splits a document with many records: NDJSON lines of any kind, the items of a JSON list, or the `vulns` of an OSV API answer
//! are passed on one by one while they are read, so that memory does not limit their number.
//!
//! Only the structure is followed here: brackets, strings and commas. The parser checks if an item is valid JSON, and
//! a bad item does not affect its neighbours.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use super::classify::{Expectation, NotARecord};
use super::walk::{Step, Walk};
use super::wide::is_utf_16;
use super::{Document, Found, InputErrorKind, Unreadable};
use crate::connectors::{Kind, MAX_LINE_BYTES};
use crate::osv::NEXT_PAGE;

/// Buffer for documents that are longer than one record, in bytes.
const BUFFER_BYTES: usize = 64 << 10;

/// Number of bytes that are read of a file to detect a document of another kind.
const FOREIGN_HEAD_BYTES: u64 = 64 << 10;

/// The way in which a document contains records. Offsets are after the list's bracket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Single,
    Lines,
    List(usize),
    Vulns(usize),
}

impl Walk<'_> {
    /// Passes on the records of one document.
    pub(super) fn split(&mut self, name: &str, reader: &mut dyn Read, expectation: Expectation) -> Step {
        let limit = self.limits.max_record_bytes;
        let mut head = Vec::new();
        let read = (&mut *reader).take(limit as u64 + 1).read_to_end(&mut head);
        read.map_err(|error| self.fail_read(name, error))?;
        if is_utf_16(&head) {
            return self.wide(name, &mut Cursor::new(head).chain(reader), Some(expectation));
        }
        if let Some(kind) = self.kind_of(&head, expectation == Expectation::Stated) {
            return match shape(&head) {
                Shape::Lines => self.lines(name, head, reader, kind),
                _ => self.whole(name, head, reader, kind),
            };
        }
        if let Some(kind) = self.kind.filter(|kind| *kind != Kind::OSV) {
            return self.ignored(name, NotARecord::NotOfKind(kind.name()));
        }
        if crate::osv::strip_byte_order_mark(&head)
            .trim_ascii_start()
            .starts_with(b"<")
        {
            let name = name.to_owned();
            let reason = Unreadable::UnknownKind;
            return self.show(Found::Rejected { name, reason });
        }
        match shape(&head) {
            // A text that begins with a bracket by chance needs no stream.
            Shape::List(_) if expectation == Expectation::Guessed && head.len() <= limit => {
                self.document(name.to_owned(), head, expectation)
            }
            Shape::List(start) => self.items(name, "#", start, head, reader),
            Shape::Vulns(start) => self.items(name, "#/vulns", start, head, reader),
            Shape::Lines => self.lines(name, head, reader, Kind::OSV),
            Shape::Single if head.len() > limit => {
                io::copy(reader, &mut io::sink()).map_err(|error| self.fail_read(name, error))?;
                self.too_large(name)
            }
            Shape::Single => self.document(name.to_owned(), head, expectation),
        }
    }

    /// Passes on a file of a folder or archive that is not named as JSON or YAML and does not begin like JSON, if it
    /// is a document of another kind.
    pub(super) fn foreign(&mut self, name: &str, reader: &mut dyn Read) -> Step {
        let mut head = Vec::new();
        let read = (&mut *reader).take(FOREIGN_HEAD_BYTES).read_to_end(&mut head);
        read.map_err(|error| self.fail_read(name, error))?;
        match (self.kind_of(&head, false), self.kind) {
            (Some(kind), _) => self.whole(name, head, reader, kind),
            (None, Some(kind)) if kind != Kind::OSV => self.ignored(name, NotARecord::NotOfKind(kind.name())),
            (None, _) => self.ignored(name, NotARecord::OtherKind),
        }
    }

    /// Returns the kind of a document other than OSV. A requested kind is trusted if the document must be a record.
    fn kind_of(&self, head: &[u8], is_stated: bool) -> Option<Kind> {
        match self.kind {
            Some(kind) if kind == Kind::OSV => None,
            Some(kind) => (is_stated || kind.knows(head)).then_some(kind),
            None => Kind::detect(head),
        }
    }

    /// Passes on a document of another kind than OSV, of which `head` was read.
    fn whole(&mut self, name: &str, mut head: Vec<u8>, reader: &mut dyn Read, kind: Kind) -> Step {
        let limit = self.limits.max_document_bytes;
        let more = (limit as u64 + 1).saturating_sub(head.len() as u64);
        let read = (&mut *reader).take(more).read_to_end(&mut head);
        read.map_err(|error| self.fail_read(name, error))?;
        if head.len() > limit {
            io::copy(reader, &mut io::sink()).map_err(|error| self.fail_read(name, error))?;
            let reason = Unreadable::TooLarge { limit };
            return self.show(Found::Rejected {
                name: name.to_owned(),
                reason,
            });
        }
        self.show(Found::Document(Document {
            name: name.to_owned(),
            bytes: head,
            expectation: Expectation::Stated,
            kind,
        }))
    }

    /// Passes on each line as a document of this kind.
    fn lines(&mut self, name: &str, head: Vec<u8>, rest: &mut dyn Read, kind: Kind) -> Step {
        let limit = match kind == Kind::OSV {
            true => self.limits.max_record_bytes,
            false => self.limits.max_document_bytes.min(MAX_LINE_BYTES),
        };
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(head).chain(rest));
        let mut number = 0u64;
        loop {
            number += 1;
            let mut line = Vec::new();
            let read = Read::by_ref(&mut reader)
                .take(limit as u64 + 2)
                .read_until(b'\n', &mut line);
            if read.map_err(|error| self.fail_read(name, error))? == 0 {
                return Ok(());
            }
            let name = format!("{name}:{number}");
            let ended = line.pop_if(|byte| *byte == b'\n').is_some();
            if line.len() > limit {
                if !ended {
                    reader
                        .skip_until(b'\n')
                        .map_err(|error| self.fail_read(&name, error))?;
                }
                let reason = Unreadable::TooLarge { limit };
                self.show(Found::Rejected { name, reason })?;
                continue;
            }
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            if !ended && !Scan::default().is_whole(&line) {
                return Err(self.fail(&name, InputErrorKind::Truncated));
            }
            self.show(Found::Document(Document {
                name,
                bytes: line,
                expectation: Expectation::Stated,
                kind,
            }))?;
        }
    }

    fn items(
        &mut self,
        name: &str,
        list: &str,
        start: usize,
        mut head: Vec<u8>,
        rest: &mut dyn Read,
    ) -> Step {
        head.drain(..start);
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(head).chain(rest));
        let mut index = 0u64;
        loop {
            let item_name = format!("{name}{list}/{index}");
            let (item, end) = self.item(&item_name, &mut reader)?;
            let is_blank = item
                .as_ref()
                .is_some_and(|item| item.iter().all(u8::is_ascii_whitespace));
            match item {
                // An empty list is passed on as a document.
                Some(_) if is_blank && index == 0 && end == ItemEnd::List => {
                    self.document(name.to_owned(), b"[]".to_vec(), Expectation::Stated)?;
                }
                Some(item) => self.document(item_name, item, Expectation::Stated)?,
                None => self.too_large(item_name)?,
            }
            if end == ItemEnd::List {
                break;
            }
            index += 1;
        }
        let rest = self.after_list(name, &mut reader, list == "#")?;
        // The rest of an answer, without its records.
        if memchr::memmem::find(&rest, NEXT_PAGE.as_bytes()).is_some() {
            let answer = [b"{\"vulns\":[]", rest.as_slice()].concat();
            self.document(name.to_owned(), answer, Expectation::Guessed)?;
        }
        Ok(())
    }

    /// Reads one item; `None` if it is longer than a record may be.
    fn item(
        &mut self,
        name: &str,
        reader: &mut impl BufRead,
    ) -> Result<(Option<Vec<u8>>, ItemEnd), super::walk::Halt> {
        let mut item = Some(Vec::new());
        let mut scan = Scan::default();
        loop {
            let chunk = reader.fill_buf().map_err(|error| self.fail_read(name, error))?;
            if chunk.is_empty() {
                return Err(self.fail(name, InputErrorKind::Truncated));
            }
            let end = scan.item_end(chunk);
            let taken = end.map_or(chunk.len(), |(at, _)| at);
            if let Some(bytes) = &mut item {
                bytes.extend_from_slice(&chunk[..taken]);
            }
            item = item.filter(|bytes| bytes.len() <= self.limits.max_record_bytes);
            reader.consume(taken + usize::from(end.is_some()));
            match end {
                Some((_, ItemEnd::Broken)) => {
                    let what = "a bracket closes what was not opened".to_owned();
                    return Err(self.fail(name, InputErrorKind::Damaged { what }));
                }
                Some((_, end)) => return Ok((item, end)),
                None => {}
            }
        }
    }

    /// Checks the text after the list: nothing, or the rest of the object around it, of which the beginning is returned.
    fn after_list(
        &mut self,
        name: &str,
        reader: &mut impl BufRead,
        alone: bool,
    ) -> Result<Vec<u8>, super::walk::Halt> {
        let mut rest = Vec::new();
        let mut scan = Scan {
            open: u64::from(!alone),
            ..Scan::default()
        };
        loop {
            let chunk = reader.fill_buf().map_err(|error| self.fail_read(name, error))?;
            if chunk.is_empty() {
                break;
            }
            let is_outside = scan.open == 0 && !chunk.iter().all(u8::is_ascii_whitespace);
            if is_outside || scan.item_end(chunk).is_some() {
                let what = "something follows the list of records".to_owned();
                return Err(self.fail(name, InputErrorKind::Damaged { what }));
            }
            let bytes = chunk.len();
            let room = BUFFER_BYTES.saturating_sub(rest.len());
            rest.extend_from_slice(chunk.get(..bytes.min(room)).unwrap_or_default());
            reader.consume(bytes);
        }
        if scan.is_closed() {
            Ok(rest)
        } else {
            Err(self.fail(name, InputErrorKind::Truncated))
        }
    }
}

/// Detects from the beginning of a document how it contains records.
fn shape(head: &[u8]) -> Shape {
    let white = |bytes: &[u8]| bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let body = crate::osv::strip_byte_order_mark(head).trim_ascii_start();
    let start = head.len() - body.len();
    match body.first() {
        Some(b'[') => return Shape::List(start + 1),
        Some(b'{') => {}
        _ => return Shape::Single,
    }
    let mut at = 1;
    for expected in [&b"\"vulns\""[..], b":", b"["] {
        at += white(&body[at..]);
        if !body[at..].starts_with(expected) {
            at = 0;
            break;
        }
        at += expected.len();
    }
    if at > 0 {
        return Shape::Vulns(start + at);
    }
    // Only in NDJSON, a line with a complete object is followed by another object.
    let Some(line_end) = body.iter().position(|&byte| byte == b'\n') else {
        return Shape::Single;
    };
    let (line, rest) = body.split_at(line_end);
    if line.trim_ascii_end().ends_with(b"}") && rest.trim_ascii_start().starts_with(b"{") {
        Shape::Lines
    } else {
        Shape::Single
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ItemEnd {
    /// A comma: another item follows.
    Item,
    /// The list's closing bracket.
    List,
    /// A bracket that closes nothing.
    Broken,
}

/// Tracks the structure of JSON text: the number of open brackets, and strings.
#[derive(Default)]
struct Scan {
    open: u64,
    in_string: bool,
    escaped: bool,
}

impl Scan {
    /// Finds the end of the current item.
    fn item_end(&mut self, chunk: &[u8]) -> Option<(usize, ItemEnd)> {
        for (at, &byte) in chunk.iter().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.open += 1,
                b'}' | b']' if self.open > 0 => self.open -= 1,
                b']' => return Some((at, ItemEnd::List)),
                b'}' => return Some((at, ItemEnd::Broken)),
                b',' if self.open == 0 => return Some((at, ItemEnd::Item)),
                _ => {}
            }
        }
        None
    }

    /// Returns true if nothing is open at the end of `text`.
    fn is_whole(&mut self, text: &[u8]) -> bool {
        self.item_end(text);
        self.is_closed()
    }

    fn is_closed(&self) -> bool {
        self.open == 0 && !self.in_string
    }
}
