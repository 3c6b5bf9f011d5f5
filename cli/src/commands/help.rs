//! `starling help …`: commands, and what is true of several of them.

use std::fmt::Write as _;

use clap::{Args, Command, CommandFactory};
use starling_api_types::{ErrorCode, ExitStatus, Problem};
use starling_daemon::config::KEYS;

use super::Outcome;
use crate::args::Cli;
use crate::session::{Session, print};

/// Explain a command or a topic
#[derive(Debug, Args)]
#[command(after_help = "\
Topics: exit-codes, formats, environment, moments, policy-order.

Example:
  starling help scan
  starling help bundle import
  starling help exit-codes

Exit codes: 0 shown, 2 no such command or topic")]
pub(crate) struct Help {
    /// A command such as `bundle import`, or a topic; all commands when absent
    #[arg(value_name = "COMMAND|TOPIC")]
    words: Vec<String>,
}

/// A topic: its name, what it is about, its text.
struct Topic {
    name: &'static str,
    about: &'static str,
    text: fn() -> String,
}

const TOPICS: [Topic; 5] = [
    Topic {
        name: "exit-codes",
        about: "how a command can end",
        text: exit_codes,
    },
    Topic {
        name: "formats",
        about: "what a scan reads and writes",
        text: || FORMATS.to_owned(),
    },
    Topic {
        name: "environment",
        about: "variables that a command looks at",
        text: environment,
    },
    Topic {
        name: "moments",
        about: "how times, spans and cursors are written",
        text: || MOMENTS.to_owned(),
    },
    Topic {
        name: "policy-order",
        about: "what decides about a finding, in which order",
        text: || POLICY_ORDER.to_owned(),
    },
];

const FORMATS: &str = "\
A scan reads, and tells by the content:
  SBOMs       CycloneDX (JSON, XML, protocol buffers), SPDX (JSON, YAML, tag-value, RDF/XML), Syft JSON
  lockfiles   such as Cargo.lock, package-lock.json, yarn.lock, poetry.lock, go.mod, Gemfile.lock, pom.xml
  `starling sbom inspect FILE` shows what is read from a file.

A scan writes, by --format:
  table       for people (the default)
  json        the verdict in its envelope; of several SBOMs, a list (also --json)
  sarif       SARIF 2.1.0, for code scanning
  junit       JUnit XML, for build servers
  cyclonedx   CycloneDX 1.6 with vulnerabilities, for SBOM platforms
  csv         for spreadsheets
  markdown    for job summaries
  html        one page that needs nothing else
  Several at once: --format sarif=scan.sarif --format html=scan.html

A feed is OSV, as JSON or YAML: a file, folder, zip, tar, tar.zst or NDJSON.
What a supplier says (--vex) is OpenVEX, CSAF or CycloneDX, as JSON. A policy is YAML or Rego.
";

const MOMENTS: &str = "\
time      2025-01-15T10:30:00.000Z, with `Z` or an offset
date      2025-01-15: its end, UTC
span      90s, 30m, 36h, 7d or 8w
cursor    2025-01-15T10:30:00.000Z#0042: a place in one site's log, its time and its number;
          SITE@CURSOR where it is another site's (--as-of), SITE=CURSOR for `bundle export -c`
size      512, 64KiB, 100MB

Tables show minutes in UTC (2025-01-15 10:30); --json has every moment in full.
";

const POLICY_ORDER: &str = "\
What decides about a finding, the first that applies:
  1. a rule of the policy, in the order of the file, unless it has expired
  2. a decision of the Rego policy
  3. a mute (`starling mute list`)
  4. a supplier's statement (--vex, `starling vex list`)
  5. the thresholds and conditions that fail, then those that warn
What nothing decides is ignored. --fail-on takes the place of the policy's own threshold.

Then, whatever was found: too few packages judged, knowledge that is missing or stale, each with its exit code
(`starling help exit-codes`). A scan that fails by policy ends with 1, whatever else is the matter.
";

fn exit_codes() -> String {
    let mut text = String::new();
    for status in ExitStatus::ALL {
        let _ = writeln!(text, "{:>3}  {}", status.code(), status.meaning());
    }
    text.push_str(
        "\nThey are the same for every command and stable. 1, 4 and 5 are verdicts: `starling scan --exit-zero` ends with 0\n\
         instead. Each command's --help says what its own mean; --json prints the problem with a code that programs can read.\n",
    );
    text
}

fn environment() -> String {
    let mut text = "\
STARLING_HOME    the site's folder, in place of --home
NO_COLOR         no colours, whatever its value (--color always overrules it)
COLUMNS          how wide tables may be, in place of the terminal's width
TMPDIR           where a bundle without a site is unpacked to be checked
XDG_DATA_HOME    where the default folder lies

Every key of starling.toml can be set too; a variable overrules the file, an option overrules both:
"
    .to_owned();
    for key in KEYS {
        let _ = writeln!(text, "  {}", key.variable());
    }
    text
}

impl Help {
    pub(crate) fn run(&self, _session: &Session) -> Outcome {
        print(&self.text()?)?;
        Ok(ExitStatus::Pass)
    }

    fn text(&self) -> Result<String, Problem> {
        let mut root = Cli::command();
        root.build();
        if let [word] = self.words.as_slice()
            && let Some(topic) = TOPICS.iter().find(|topic| topic.name.eq_ignore_ascii_case(word))
        {
            return Ok((topic.text)());
        }
        let mut command = &root;
        for (index, word) in self.words.iter().enumerate() {
            command = command
                .find_subcommand(word)
                .ok_or_else(|| unknown(command, word, index == 0))?;
        }
        let mut text = command.clone().render_long_help().to_string();
        if self.words.is_empty() {
            text.push_str("\nTopics, for `starling help TOPIC`:\n");
            for topic in &TOPICS {
                let _ = writeln!(text, "  {:<13} {}", topic.name, topic.about);
            }
        }
        Ok(text)
    }
}

/// No command and no topic of that name; the nearest is named.
fn unknown(command: &Command, word: &str, top: bool) -> Problem {
    let topics = TOPICS.iter().filter(|_| top).map(|topic| topic.name);
    let names = command.get_subcommands().map(Command::get_name).chain(topics);
    let nearest = names
        .map(|name| (distance(name, word), name))
        .min()
        .filter(|(distance, name)| *distance <= 1 + name.len() / 3);
    let what = if top { "command or topic" } else { "subcommand" };
    let problem = Problem::new(
        ErrorCode::BadRequest,
        format!("showing help: there is no {what} {word:?}"),
    );
    match nearest {
        Some((_, name)) => problem.hint(format!("did you mean `{name}`?")),
        None => problem.hint("`starling help` lists commands and topics"),
    }
}

/// How many letters have to change to make one word of the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (index, x) in a.chars().enumerate() {
        let mut next = vec![index + 1];
        for (place, y) in b.iter().enumerate() {
            let replaced = row.get(place).copied().unwrap_or_default() + usize::from(x != *y);
            let dropped = row.get(place + 1).copied().unwrap_or_default() + 1;
            let added = next.last().copied().unwrap_or_default() + 1;
            next.push(replaced.min(dropped).min(added));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help(words: &[&str]) -> Result<String, Problem> {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Help { words }.text()
    }

    #[test]
    fn topics_and_commands_are_explained() {
        assert!(help(&[]).unwrap().contains("exit-codes"));
        assert!(
            help(&["EXIT-CODES"])
                .unwrap()
                .contains("  4  knowledge missing or stale")
        );
        assert!(help(&["bundle", "import"]).unwrap().contains("--dry-run"));
        assert!(
            help(&["environment"])
                .unwrap()
                .contains("STARLING_FEDERATION_ENABLED")
        );
        for topic in &TOPICS {
            assert!(!(topic.text)().is_empty(), "{}", topic.name);
            let listed = Cli::command();
            let listed = listed.find_subcommand("help").unwrap().get_after_help().unwrap();
            assert!(listed.to_string().contains(topic.name), "{}", topic.name);
        }
    }

    #[test]
    fn unknown_words_name_the_nearest() {
        let hint = |words: &[&str]| help(words).unwrap_err().hint.clone().unwrap();
        assert_eq!(hint(&["scna"]), "did you mean `scan`?");
        assert_eq!(hint(&["exit-code"]), "did you mean `exit-codes`?");
        assert_eq!(hint(&["bundle", "imprt"]), "did you mean `import`?");
        assert!(hint(&["zzzzzzzz"]).contains("starling help"));
    }
}
