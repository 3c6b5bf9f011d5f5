//! The state of one walk: limits, counters and the visitor.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::rc::Rc;

use crate::connectors::Kind;

use super::classify::{Expectation, NotARecord};
use super::meter::Meter;
use super::{Document, Ending, Found, InputError, InputErrorKind, Limits, Progress, Source, Unreadable};

/// The reason why a walk stops.
pub(super) enum Halt {
    /// The visitor requested it.
    Stopped,
    /// The input has an error.
    Failed(InputError),
}

/// The result of every step of a walk.
pub(super) type Step = Result<(), Halt>;

/// One walk over one input.
pub(super) struct Walk<'v> {
    /// The kind of all documents; `None` to detect each one.
    pub(super) kind: Option<Kind>,
    pub(super) limits: Limits,
    pub(super) meter: Rc<Meter>,
    /// Put before the names of an archive's members: the archive's stem in a folder, with a slash.
    pub(super) prefix: String,
    items: u64,
    visit: &'v mut dyn FnMut(Found) -> ControlFlow<()>,
}

impl<'v> Walk<'v> {
    pub(super) fn new(
        kind: Option<Kind>,
        limits: &Limits,
        visit: &'v mut dyn FnMut(Found) -> ControlFlow<()>,
    ) -> Self {
        Walk {
            kind,
            limits: limits.clone(),
            meter: Meter::new(limits),
            prefix: String::new(),
            items: 0,
            visit,
        }
    }

    pub(super) fn run(mut self, source: Source) -> Result<Ending, InputError> {
        let done = match source {
            Source::Path(path) => self.path(&path),
            Source::Stream { name, reader } => self.stream(&name, reader),
        };
        match done {
            Ok(()) => Ok(Ending::Complete),
            Err(Halt::Stopped) => Ok(Ending::Stopped),
            Err(Halt::Failed(error)) => Err(error),
        }
    }

    fn path(&mut self, path: &Path) -> Step {
        let name = path
            .file_name()
            .map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy());
        let cannot_open =
            |error| Halt::Failed(self.error(&path.to_string_lossy(), InputErrorKind::Open(error)));
        let metadata = path.metadata().map_err(cannot_open)?;
        if metadata.is_dir() {
            return self.folder(path);
        }
        if let Some(what) = endless(path) {
            return Err(self.fail(&path.to_string_lossy(), InputErrorKind::NotAFile { what }));
        }
        let file = open(path).map_err(cannot_open)?;
        self.file(&name, file)
    }

    /// Passes on a document.
    pub(super) fn document(&mut self, name: String, bytes: Vec<u8>, expectation: Expectation) -> Step {
        self.show(Found::Document(Document {
            name,
            bytes,
            expectation,
            kind: Kind::OSV,
        }))
    }

    /// Reports a file without a record.
    pub(super) fn ignored(&mut self, name: impl Into<String>, reason: NotARecord) -> Step {
        self.show(Found::Ignored {
            name: name.into(),
            reason,
        })
    }

    /// Reports a file or record that is too long.
    pub(super) fn too_large(&mut self, name: impl Into<String>) -> Step {
        let reason = Unreadable::TooLarge {
            limit: self.limits.max_record_bytes,
        };
        self.show(Found::Rejected {
            name: name.into(),
            reason,
        })
    }

    pub(super) fn show(&mut self, found: Found) -> Step {
        if self.items >= self.limits.max_items {
            let name = match found {
                Found::Document(Document { name, .. })
                | Found::Ignored { name, .. }
                | Found::Rejected { name, .. } => name,
            };
            return Err(self.fail(
                &name,
                InputErrorKind::TooMany {
                    limit: self.limits.max_items,
                },
            ));
        }
        self.items += 1;
        match (self.visit)(found) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Halt::Stopped),
        }
    }

    /// Ends the walk with an error of the input.
    pub(super) fn fail(&self, name: &str, kind: InputErrorKind) -> Halt {
        Halt::Failed(self.error(name, kind))
    }

    /// Ends the walk with a reader's error: a limit, a missing end, bad compression, or the system.
    pub(super) fn fail_read(&self, name: &str, error: io::Error) -> Halt {
        let kind = match self.meter.take_hit() {
            Some(limit) => limit,
            None => match error.kind() {
                io::ErrorKind::UnexpectedEof => InputErrorKind::Truncated,
                // Decoders report bad bytes with this kind; the system uses its own kinds.
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
                    InputErrorKind::Damaged {
                        what: error.to_string(),
                    }
                }
                _ => InputErrorKind::Read(error),
            },
        };
        self.fail(name, kind)
    }

    fn error(&self, name: &str, kind: InputErrorKind) -> InputError {
        let progress = Progress {
            items: self.items,
            bytes: self.meter.unpacked(),
        };
        InputError {
            name: name.to_owned(),
            kind,
            progress,
        }
    }
}

/// Folders of the files that a process has open already: a pipe there is what a shell passes as `<(…)`.
const OPEN_FILES: [&str; 3] = ["/dev/fd/", "/proc/", "/dev/stdin"];

/// Says what an input is that may never end, or whose opening may wait for ever; `None` for a file or folder.
#[must_use]
pub fn endless(path: &Path) -> Option<&'static str> {
    let kind = path.metadata().ok()?.file_type();
    let is_open = OPEN_FILES.iter().any(|folder| path.starts_with(folder));
    if kind.is_file() || kind.is_dir() {
        None
    } else if kind.is_fifo() {
        (!is_open).then_some("a pipe")
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}

/// Opens a file for reading: the only place of this crate that does.
#[expect(
    clippy::disallowed_methods,
    reason = "walking files is what this module is for"
)]
pub(super) fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}
