//! `starling help …`: help for commands, and topics that concern several commands.

use std::fmt::Write as _;

use clap::{Args, Command, CommandFactory};
use starling_api_types::{ErrorCode, ExitStatus, Problem, wording};
use starling_daemon::config::KEYS;

use super::Outcome;
use crate::args::Cli;
use crate::help_text;
use crate::session::{Session, print};
use crate::terminal;

/// Explain a command or a topic
#[derive(Debug, Args)]
#[command(after_help = "\
Topics: exit-codes, formats, environment, moments, policy-file, policy-order, terms.

Example:
  starling help scan
  starling help bundle import
  starling help exit-codes

Exit codes: 0 shown, 2 no such command or topic")]
pub(crate) struct Help {
    /// A command such as `bundle import`, or a topic; without it, all commands
    #[arg(value_name = "COMMAND|TOPIC")]
    words: Vec<String>,
}

/// A topic: its name, summary and text.
struct Topic {
    name: &'static str,
    about: &'static str,
    text: fn() -> String,
}

const TOPICS: [Topic; 7] = [
    Topic {
        name: "exit-codes",
        about: "exit codes of all commands",
        text: exit_codes,
    },
    Topic {
        name: "formats",
        about: "what a scan reads and writes",
        text: || FORMATS.to_owned(),
    },
    Topic {
        name: "environment",
        about: "environment variables that commands read",
        text: environment,
    },
    Topic {
        name: "moments",
        about: "how to write times, spans and cursors",
        text: || MOMENTS.to_owned(),
    },
    Topic {
        name: "policy-file",
        about: "the keys of a policy file, with an example of each",
        text: || POLICY_FILE.to_owned(),
    },
    Topic {
        name: "policy-order",
        about: "what decides about a finding, and in which order",
        text: || POLICY_ORDER.to_owned(),
    },
    Topic {
        name: "terms",
        about: "the words for what sites exchange",
        text: || TERMS.to_owned(),
    },
];

const FORMATS: &str = "\
A scan reads (formats are detected from the content):
  SBOMs       CycloneDX (JSON, XML, protocol buffers), SPDX (JSON, YAML, tag-value, RDF/XML), Syft JSON
  lockfiles   such as Cargo.lock, package-lock.json, yarn.lock, poetry.lock, go.mod, Gemfile.lock, pom.xml
  `starling sbom inspect FILE` shows what a scan reads from a file.

A scan writes, by --format:
  table       for people (the default)
  json        the verdict in its envelope; of several SBOMs, a list (also --json)
  sarif       SARIF 2.1.0, for code scanning
  junit       JUnit XML, for build servers
  cyclonedx   CycloneDX 1.6 with vulnerabilities, for SBOM platforms
  csv         for spreadsheets
  markdown    for job summaries
  html        one page without external resources
  Several at once: --format sarif=scan.sarif --format html=scan.html

A feed is OSV as JSON or YAML, or its source's own format (NVD, CVE, GHSA, KEV, CSAF and more, see docs/sources):
  a file, folder, zip, tar, tar.gz, tar.zst or NDJSON.
VEX documents (--vex) are OpenVEX, CSAF or CycloneDX, as JSON. A policy is YAML or Rego.
";

const MOMENTS: &str = "\
time      2025-01-15T10:30:00.000Z, with `Z` or an offset
date      2025-01-15: the end of that day, UTC
span      90s, 30m, 36h, 7d or 8w
cursor    2025-01-15T10:30:00.000Z#0042: a position in one site's log, as time and number;
          SITE@CURSOR for another site's log (--as-of), SITE=CURSOR for `bundle export -c`
size      512, 64KiB, 100MB

Tables show times to the minute, in UTC (2025-01-15 10:30); --json has them in full.
";

const TERMS: &str = "\
What sites exchange, and the words for it:
  source      where advisories come from, such as ghsa or nvd
  record      one source's advisory, as a document
  advisory    one vulnerability in one package, merged from the records about it
  edge        the tie from an advisory to a record that contributes to it
  claim       what a site states: this record has this content, or the source dropped it
  log         all claims of one site, in order; other sites store and pass on the same bytes
  lane        one of a site's two logs: federation goes to every site, direct to direct peers only
  cursor      a position in a log, as time and number: 2025-01-15T10:30:00.000Z#0042
  head        the newest position of a log, signed by its site, with an end of validity
  high-water  the newest head of a log that this site verified; it never falls
  held        up to here this site stores a log and passes it on
  accepted    up to here a log counts for scans here; the allow-list decides that
  root        a hash of all that is accepted: two sites with equal knowledge roots know the same
  epoch       the time of one signing key of a site
  bundle      a file with logs and records, for a site without a network
  checked     a source is checked when a site imports it as a whole, changed or not
";

const POLICY_FILE: &str = "\
format: starling-policy/1
name: web shop
min_coverage: 95
max_age: 48h
severity_sources: [nvd, ghsa]
expiry_notice: 14d
fail: [{severity: critical}, {severity: high, fix: available}, {kev: true}]
warn: [{severity: medium}]
rules:
  - id: lodash-not-reachable
    action: ignore
    reason: the template functions are not called
    owner: web-team@example.com
    expires: 2026-12-31
    when: {ids: [CVE-2021-23337], package: [lodash]}
examples:
  - name: what is exploited fails
    finding: {id: CVE-2024-0001, severity: low, kev: true}
    expect: fail

# Only format is needed. fail, warn and rules are lists. A finding fails if any
# condition of fail holds; all keys of one condition must hold. Without warn,
# every other finding warns. max_age: a source of the SBOM's ecosystems that was
# last checked longer ago, or never (only parts were imported), ends the scan
# with 4. `starling policy validate FILE` checks a file,
# `starling policy test FILE` runs its examples.
";

const POLICY_ORDER: &str = "\
The first of these that applies decides about a finding:
  1. a rule of the policy, in the order of the file, unless it has expired
  2. a decision of the Rego policy
  3. a mute (`starling mute list`)
  4. a supplier's statement (--vex, `starling vex list`)
  5. the thresholds and conditions that fail, then those that warn
If none applies, the finding is ignored. --fail-on replaces scan.fail_on: a threshold beside the conditions of the policy,
never in place of them.

After that, for any findings: too few packages checked, and missing or stale knowledge, each with its exit code
(`starling help exit-codes`). A scan that fails by policy always ends with 1.
";

fn exit_codes() -> String {
    let mut text = String::new();
    for status in ExitStatus::ALL {
        let _ = writeln!(text, "{:>3}  {}", status.code(), status.meaning());
    }
    text.push_str(
        "\nSomething that is not there ends with:\n  \
           2  a word of the command line: a command, a topic, a shell\n  \
           3  what a person set up at this site: a listed site, a feed, a mute, a stored VEX document\n  \
           4  what sources state: an advisory, a record. An import or another site may bring it\n\
         \nThey are stable, and the same for every command. 1, 4 and 5 are verdicts: `starling scan --exit-zero` ends with 0\n\
         instead. Each command's --help explains its own codes; with --json, an error has a code for programs.\n",
    );
    text
}

fn environment() -> String {
    let mut text = "\
STARLING_HOME    the site's folder, if --home is not given
NO_COLOR         no colours, for any value (--color always overrides it)
COLUMNS          width of tables, instead of the terminal's width
TMPDIR           folder for unpacking a bundle that is checked without a site
XDG_DATA_HOME    parent of the default folder
HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY
                 how feeds reach their sources, if they have no proxy of their own (--proxy)

Every key of starling.toml can be set too. A variable overrides the file, an option overrides both:
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
        let mut root = help_text::fitted(Cli::command());
        root.build();
        // A topic of two words may be written as such.
        let joined = self.words.join("-");
        if let Some(topic) = TOPICS
            .iter()
            .find(|topic| topic.name.eq_ignore_ascii_case(&joined))
        {
            return Ok(terminal::filled("starling", &(topic.text)()));
        }
        if joined.eq_ignore_ascii_case("topics") {
            return Ok(list_of_topics());
        }
        let mut command = &root;
        for (index, word) in self.words.iter().enumerate() {
            command = command
                .find_subcommand(word)
                .ok_or_else(|| unknown(command, word, index == 0))?;
        }
        let mut text = command.clone().render_long_help().to_string();
        if self.words.is_empty() {
            text.push('\n');
            text.push_str(&list_of_topics());
        }
        Ok(text)
    }
}

fn list_of_topics() -> String {
    let mut text = "Topics, for `starling help TOPIC`:\n".to_owned();
    for topic in &TOPICS {
        let _ = writeln!(text, "  {:<13} {}", topic.name, topic.about);
    }
    text
}

/// Builds the problem for an unknown command or topic; suggests the nearest name.
fn unknown(command: &Command, word: &str, top: bool) -> Problem {
    let topics = TOPICS.iter().filter(|_| top).map(|topic| topic.name);
    let names = command.get_subcommands().map(Command::get_name).chain(topics);
    let nearest = wording::nearest(word, names);
    let what = if top { "command or topic" } else { "subcommand" };
    let problem = Problem::new(
        ErrorCode::BadRequest,
        format!("showing help: there is no {what} {word:?}"),
    );
    match nearest {
        Some(name) => problem.hint(format!("did you mean `{name}`?")),
        None => problem.hint("`starling help` lists commands and topics"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help(words: &[&str]) -> Result<String, Problem> {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Help { words }.text()
    }

    #[test]
    fn help_explains_topics_and_commands() {
        assert!(help(&[]).unwrap().contains("exit-codes"));
        assert!(
            help(&["EXIT-CODES"])
                .unwrap()
                .contains("  4  knowledge missing or stale")
        );
        assert_eq!(help(&["exit", "codes"]), help(&["exit-codes"]));
        assert!(help(&["topics"]).unwrap().contains("exit-codes"));
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
    fn policy_file_of_the_topic_is_valid() {
        let shown = help(&["policy-file"]).unwrap();
        let document = starling_policy::PolicyDocument::read(shown.as_bytes()).unwrap();
        assert_eq!(document.examples.len(), 1);
    }

    #[test]
    fn unknown_word_suggests_the_nearest() {
        let hint = |words: &[&str]| help(words).unwrap_err().hint.clone().unwrap();
        assert_eq!(hint(&["scna"]), "did you mean `scan`?");
        assert_eq!(hint(&["exit-code"]), "did you mean `exit-codes`?");
        assert_eq!(hint(&["bundle", "imprt"]), "did you mean `import`?");
        assert!(hint(&["zzzzzzzz"]).contains("starling help"));
    }
}
