//! Logs to standard error, as text or JSON, with a level for each module.
//!
//! A separate thread writes them, so that logging never waits and never fails: not for a full disk, and not for a pipe
//! whose reader is gone or does not read. Lines that could not be written are counted, and the count is logged later.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::Log;

/// Most lines waiting to be written; more are lost, and counted.
const WAITING_LINES: usize = 4_096;
/// Time to write the last lines at the end.
const LAST_LINES: Duration = Duration::from_millis(500);

static LINES: OnceLock<Lines> = OnceLock::new();

/// A message to the writing thread.
enum Message {
    Line(Vec<u8>),
    /// Answered when all earlier lines are written.
    Written(SyncSender<()>),
}

/// The destination of lines.
#[derive(Clone)]
struct Lines {
    messages: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

/// One line under construction; sent when it is dropped.
struct Line {
    lines: Lines,
    bytes: Vec<u8>,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let line = Message::Line(std::mem::take(&mut self.bytes));
        if self.lines.messages.try_send(line).is_err() {
            self.lines.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line {
            lines: self.clone(),
            bytes: Vec::new(),
        }
    }
}

/// Writes lines until all senders are gone.
fn write_all(messages: &Receiver<Message>, lost: &AtomicU64, out: &mut dyn Write) {
    while let Ok(messages) = messages.recv() {
        let line = match messages {
            Message::Line(line) => line,
            Message::Written(answer) => {
                let _ = answer.try_send(());
                continue;
            }
        };
        if out.write_all(&line).is_err() {
            lost.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let missing = lost.swap(0, Ordering::Relaxed);
        if missing > 0 && writeln!(out, "starling: {missing} lines of the log could not be written").is_err()
        {
            lost.fetch_add(missing, Ordering::Relaxed);
        }
    }
}

/// Starts logging for the whole process. A second call does nothing.
pub(crate) fn start(log: &Log) {
    let mut directives = vec![log.level.clone()];
    directives.extend(
        log.modules
            .iter()
            .map(|(module, level)| format!("{module}={level}")),
    );
    let filter = EnvFilter::try_new(directives.join(",")).unwrap_or_else(|_| EnvFilter::new("info"));
    let (messages, receiver) = sync_channel(WAITING_LINES);
    let lost = Arc::new(AtomicU64::new(0));
    let lines = Lines {
        messages,
        lost: lost.clone(),
    };
    let builder = fmt()
        .with_env_filter(filter)
        .log_internal_errors(false)
        .with_writer(lines.clone());
    let started = match log.format.as_str() {
        "json" => builder.json().try_init(),
        _ => builder
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .try_init(),
    };
    if started.is_ok() && LINES.set(lines).is_ok() {
        // Without its thread nothing is logged, but the site works.
        let _ = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(&receiver, &lost, &mut std::io::stderr()));
    }
}

/// Waits a moment until the logged lines are written, before the process ends.
pub(crate) fn finish() {
    let Some(lines) = LINES.get() else { return };
    let (answer, written) = sync_channel(1);
    if lines.messages.try_send(Message::Written(answer)).is_ok() {
        let _ = written.recv_timeout(LAST_LINES);
    }
}

/// Prints a command's progress for a person at a terminal, on standard error; ignores write errors.
pub(crate) fn notice(text: &str) {
    let _ = writeln!(std::io::stderr(), "starling: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number of failures before it writes.
    struct Failing(usize, Vec<u8>);

    impl Write for Failing {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if self.0 > 0 {
                self.0 -= 1;
                return Err(std::io::ErrorKind::StorageFull.into());
            }
            self.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn unwritten_lines_are_counted_and_reported_later() {
        let (messages, receiver) = sync_channel(4);
        let lines = Lines {
            messages,
            lost: Arc::default(),
        };
        // Nobody writes yet: logging does not wait.
        for number in 0..6 {
            let mut line = lines.make_writer();
            writeln!(line, "line {number}").unwrap();
        }
        assert_eq!(lines.lost.load(Ordering::Relaxed), 2);
        let lost = lines.lost.clone();
        drop(lines);
        let mut out = Failing(1, Vec::new());
        write_all(&receiver, &lost, &mut out);
        assert_eq!(
            String::from_utf8(out.1).unwrap(),
            "line 1\nstarling: 3 lines of the log could not be written\nline 2\nline 3\n"
        );
    }
}
