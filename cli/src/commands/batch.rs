//! Shared parts of the small tools: one question on the command line, or many on standard input.
//!
//! Each line of standard input is a question: fields between tabs, a JSON array of fields, a JSON object with named
//! fields, or one JSON text. Each line gets one answer line, in order. If a question cannot be answered, the answer
//! says so (`error: …`, or `{"error":…}` with `--json`). Answers are written at once, so a program can ask, read the
//! answer, and ask again.

use std::borrow::Cow;
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::Path;

use clap::Args;
use serde::Serialize;
use serde_json::Value;
use starling_api::file_problem;
use starling_api_types::{ErrorCode, ExitStatus, Problem, secrets};

use super::Outcome;
use crate::render::plain;
use crate::session::Session;

/// Longest question that is read, in bytes. A complete record fits.
const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// Number of bytes per read.
const READ_BYTES: usize = 64 * 1024;

/// The name of standard input, as in other commands.
const STANDARD: &str = "-";

/// The source of the questions.
#[derive(Debug, Args)]
pub(crate) struct Batch {
    /// Answer standard input line by line: tab-separated or JSON; ends with 3 if a line has no answer. Default if no
    /// argument is given
    #[arg(long)]
    batch: bool,
}

/// The fields of one question, by name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fields(Vec<(&'static str, Value)>);

/// An answer that can be written as one line of text or as JSON.
pub(super) trait Answer: Serialize {
    /// Returns the columns of the answer's line, in order.
    fn columns(&self) -> Vec<Cow<'_, str>>;

    /// Returns the answer on one line: tabs between columns, no control characters inside a column.
    fn line(&self) -> String {
        let columns = self.columns();
        let columns: Vec<_> = columns.iter().map(|column| plain(column)).collect();
        columns.join("\t")
    }

    /// Returns the answer to a single question, for people.
    fn text(&self) -> String {
        self.line()
    }
}

impl Fields {
    /// Returns a field's text.
    ///
    /// # Errors
    /// If the field is missing or not text.
    pub(super) fn text(&self, name: &str) -> Result<&str, String> {
        self.find(name)?
            .ok_or_else(|| format!("the field {name} is missing"))
    }

    /// Returns a field's text, or `None` if it is missing or empty.
    ///
    /// # Errors
    /// If the field is not text. Ignoring it would answer another question.
    pub(super) fn find(&self, name: &str) -> Result<Option<&str>, String> {
        match self.value(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(format!("the field {name} is not text")),
        }
    }

    /// Returns a field's value.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|(own, _)| *own == name)
            .map(|(_, value)| value)
    }

    /// Builds the fields from command line values, in the order of `names`.
    pub(super) fn given<'a>(names: &[&'static str], values: impl IntoIterator<Item = &'a str>) -> Self {
        let values = values.into_iter().map(|value| Value::String(value.to_owned()));
        Self(names.iter().copied().zip(values).collect())
    }

    /// Reads the fields from a line of standard input.
    #[cfg(test)]
    pub(super) fn of_line(names: &[&'static str], line: &str) -> Result<Self, String> {
        Self::read(names, line)
    }

    fn read(names: &[&'static str], line: &str) -> Result<Self, String> {
        if !line.starts_with(['{', '[', '"']) {
            let found = line.split('\t').count();
            if line.is_empty() {
                return Err(format!("the line is empty: expected {}", names.join(", ")));
            }
            if found > names.len() {
                return Err(format!(
                    "expected at most {} fields ({}), got {found}",
                    names.len(),
                    names.join(", ")
                ));
            }
            return Ok(Self::given(names, line.split('\t')));
        }
        let value: Value =
            serde_json::from_str(line).map_err(|error| format!("the line is not JSON: {error}"))?;
        match value {
            Value::Object(mut object) => Ok(Self(
                names
                    .iter()
                    .filter_map(|name| Some((*name, object.remove(*name)?)))
                    .collect(),
            )),
            Value::Array(list) if list.len() <= names.len() => {
                Ok(Self(names.iter().copied().zip(list).collect()))
            }
            Value::Array(list) => Err(format!(
                "expected at most {} fields, got {}",
                names.len(),
                list.len()
            )),
            one => Ok(Self(names.iter().copied().take(1).zip([one]).collect())),
        }
    }
}

impl Batch {
    /// Returns true if the questions are on standard input.
    pub(super) const fn is_on(&self) -> bool {
        self.batch
    }

    /// Answers the question in `arguments`, or those on standard input if there are no arguments. Ends with 3 if one of
    /// those had no answer.
    ///
    /// # Errors
    /// `input_unreadable` if one question has no answer, `bad_request` if the question is incomplete.
    pub(super) fn run<A: Answer>(
        &self,
        session: &Session,
        names: &[&'static str],
        required: usize,
        arguments: &[String],
        mut answer: impl FnMut(&Fields) -> Result<A, String>,
    ) -> Outcome {
        self.run_with_files(session, names, required, arguments, |fields| {
            answer(fields).map_err(Unanswered::from)
        })
    }

    /// As [`run`](Self::run), for questions that name files.
    ///
    /// # Errors
    /// As [`run`](Self::run), and `file_access` if the file of one question cannot be read.
    pub(super) fn run_with_files<A: Answer>(
        &self,
        session: &Session,
        names: &[&'static str],
        required: usize,
        arguments: &[String],
        mut answer: impl FnMut(&Fields) -> Result<A, Unanswered>,
    ) -> Outcome {
        let nothing = arguments.is_empty() || arguments == [STANDARD];
        if self.batch && !nothing {
            return Err(Problem::new(
                ErrorCode::BadRequest,
                "reading the arguments: with --batch, give the questions on standard input, not as arguments",
            ));
        }
        if self.batch || nothing {
            let stdin = BufReader::with_capacity(READ_BYTES, std::io::stdin().lock());
            let stdout = BufWriter::new(std::io::stdout().lock());
            return answer_lines(stdin, stdout, session.json(), names, answer)
                .map(|all| {
                    if all {
                        ExitStatus::Pass
                    } else {
                        let status = ExitStatus::InputRefused;
                        session.close(
                            status,
                            "not every line has an answer: those without one say why; correct them",
                        );
                        status
                    }
                })
                .map_err(|error| match error.kind() {
                    ErrorKind::StorageFull => {
                        file_problem("answering on", Path::new("standard output"), &error)
                    }
                    _ => Problem::new(ErrorCode::FileAccess, format!("answering line by line: {error}")),
                });
        }
        if arguments.len() < required || arguments.len() > names.len() {
            return Err(Problem::new(
                ErrorCode::BadRequest,
                format!("reading the arguments: expected {}", names.join(", ")),
            ));
        }
        let fields = Fields::given(names, arguments.iter().map(String::as_str));
        one(session, answer(&fields))
    }
}

/// Why a question has no answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// The question, or a document that it names, cannot be understood.
    Question(String),
    /// A file that it names cannot be read.
    File(Problem),
}

impl Unanswered {
    /// Returns the reason, for the answer's line in a batch.
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Question(reason) => reason,
            Self::File(problem) => &problem.detail,
        }
    }
}

impl From<String> for Unanswered {
    fn from(reason: String) -> Self {
        Self::Question(reason)
    }
}

impl From<Problem> for Unanswered {
    /// Only a missing or unreadable file is a fault of the call; everything else is a fault of what the file holds.
    fn from(problem: Problem) -> Self {
        match problem.code {
            ErrorCode::FileAccess => Self::File(problem),
            _ => Self::Question(problem.detail.clone()),
        }
    }
}

/// Prints one question's answer.
///
/// # Errors
/// `input_unreadable` if there is no answer; the file's own problem if a file that the question names cannot be read.
pub(super) fn one<A: Answer>(session: &Session, answer: Result<A, Unanswered>) -> Outcome {
    let answer = answer.map_err(|unanswered| match unanswered {
        Unanswered::Question(reason) => Problem::new(ErrorCode::InputUnreadable, reason),
        Unanswered::File(problem) => problem,
    })?;
    session.print(&answer, Answer::text)?;
    Ok(ExitStatus::Pass)
}

/// Writes one answer line for every line of `input`; returns true if every question had an answer. Stops without an error if the reader of the answers is gone.
fn answer_lines<A: Answer>(
    mut input: BufReader<impl Read>,
    mut output: impl Write,
    json: bool,
    names: &[&'static str],
    mut answer: impl FnMut(&Fields) -> Result<A, Unanswered>,
) -> std::io::Result<bool> {
    let mut line = Vec::new();
    let mut all = true;
    // Some editors write a byte order mark before UTF-8.
    if input.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
        input.consume(3);
    }
    loop {
        line.clear();
        let limit = MAX_LINE_BYTES as u64 + 1;
        if input.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
            output.flush()?;
            return Ok(all);
        }
        let whole = line.ends_with(b"\n");
        if whole {
            line.pop();
        }
        if line.ends_with(b"\r") {
            line.pop();
        }
        let found = if line.len() > MAX_LINE_BYTES {
            if !whole {
                skip_line(&mut input)?;
            }
            Err(format!("the line is longer than {MAX_LINE_BYTES} bytes"))
        } else {
            std::str::from_utf8(&line)
                .map_err(|_| "the line is not UTF-8".to_owned())
                .and_then(|line| Fields::read(names, line))
                .and_then(|fields| answer(&fields).map_err(|unanswered| unanswered.reason().to_owned()))
                .map_err(secrets::without_private_keys)
        };
        all &= found.is_ok();
        let mut text = shown(&found, json);
        text.push('\n');
        let written = output.write_all(text.as_bytes()).and_then(|()| {
            // A program that waits for this answer before its next question must see it now.
            if input.buffer().is_empty() {
                output.flush()
            } else {
                Ok(())
            }
        });
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(all),
            other => other?,
        }
    }
}

fn shown<A: Answer>(found: &Result<A, String>, json: bool) -> String {
    #[derive(Serialize)]
    struct Refused<'a> {
        error: &'a str,
    }
    let unwritable = |error: serde_json::Error| format!("{{\"error\":\"writing JSON: {error}\"}}");
    match (found, json) {
        (Ok(answer), true) => serde_json::to_string(answer).unwrap_or_else(unwritable),
        (Ok(answer), false) => answer.line(),
        (Err(error), true) => serde_json::to_string(&Refused { error }).unwrap_or_else(unwritable),
        (Err(error), false) => format!("error: {}", plain(error)),
    }
}

/// Skips to the end of the line.
fn skip_line(input: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |at| at + 1);
        input.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Joined(String);

    impl Answer for Joined {
        fn columns(&self) -> Vec<Cow<'_, str>> {
            self.0.split('+').map(Cow::Borrowed).collect()
        }
    }

    const NAMES: &[&str] = &["a", "b"];

    fn answers(input: &[u8], json: bool) -> Vec<String> {
        let mut output = Vec::new();
        answer_lines(BufReader::new(input), &mut output, json, NAMES, |fields| {
            Ok(Joined(format!(
                "{}+{}",
                fields.text("a")?,
                fields.find("b")?.unwrap_or("-")
            )))
        })
        .unwrap();
        String::from_utf8(output)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn question_is_read_in_every_format() {
        let input = b"1\t2\r\n[\"1\",\"2\"]\n{\"b\":\"2\",\"a\":\"1\",\"more\":0}\n\"1\"\n1\t";
        assert_eq!(answers(input, false), ["1\t2", "1\t2", "1\t2", "1\t-", "1\t-"]);
        assert_eq!(answers(b"1\t2\r\n1\t2\r", false), ["1\t2", "1\t2"]);
    }

    #[test]
    fn columns_contain_no_control_characters() {
        let input = "[\"a\\tb\",\"\\u001b[2J\"]\n";
        assert_eq!(answers(input.as_bytes(), false), ["a\u{fffd}b\t\u{fffd}[2J"]);
        // A single answer, too, must not send control characters from a package URL to a terminal.
        assert_eq!(Joined("a\t+\u{1b}".to_owned()).text(), "a\u{fffd}\t\u{fffd}");
    }

    #[test]
    fn failed_question_gets_its_own_answer_line() {
        let input = b"\n1\t2\t3\n{\"a\":\n\xff\n{}\n1\t2\n";
        let found = answers(input, false);
        assert_eq!(found.len(), 6);
        assert!(
            found[..5].iter().all(|line| line.starts_with("error: ")),
            "{found:?}"
        );
        assert_eq!(found[5], "1\t2");
        let odd = b"{\"a\":1}\n{\"a\":\"1\",\"b\":2}\n{\"a\":\"1\",\"b\":null}\n";
        assert_eq!(
            answers(odd, false),
            [
                "error: the field a is not text",
                "error: the field b is not text",
                "1\t-"
            ]
        );
        assert_eq!(
            answers(b"{}\n1\t2\n", true),
            ["{\"error\":\"the field a is missing\"}", "\"1+2\""]
        );
    }

    #[test]
    fn overlong_line_is_refused_and_next_is_answered() {
        let mut input = vec![b'x'; MAX_LINE_BYTES + 100_000];
        input.extend_from_slice(b"\n1\t2\n");
        let found = answers(&input, false);
        assert!(
            found[0].starts_with("error: the line is longer than"),
            "{}",
            &found[0][..60]
        );
        assert_eq!(found[1..], ["1\t2"]);
    }
}
