//! `starling vex …`

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};
use starling_api::SiteService;
use starling_api::limits::VEX_MAX_BYTES;
use starling_api_types::{ErrorCode, ExitStatus, Problem, VexHash, VexList};

use super::{Outcome, input};
use crate::output::{STANDARD, input_name, write_stream};
use crate::outputs;
use crate::progress::Step;
use crate::render;
use crate::session::Session;

/// Manage suppliers' VEX documents that apply to every scan of this site
#[derive(Debug, Subcommand)]
pub(crate) enum Vex {
    Add(Add),
    List(List),
    Show(Show),
    Remove(Remove),
}

/// Store VEX documents; every later scan of this site uses them
#[derive(Debug, Args)]
#[command(after_help = "\
A document is stored unchanged, named by the hash of its bytes, which verdicts list. It stays at this site and is not
shared. It applies to scans like a document given with `starling scan --vex`. Scans with --as-of use today's documents
too. If one of several files is rejected, the files before it are kept.

Example:
  starling vex add supplier.openvex.json
  starling vex add advisories/*.csaf.json

Exit codes: 0 stored, or already there, 2 usage, 3 not a VEX document, or too many documents, 6 not reachable
  or locked, 12 disk full")]
pub(crate) struct Add {
    /// OpenVEX, CSAF or CycloneDX as JSON; `-` is standard input
    #[arg(value_name = "FILE|-", required = true)]
    files: Vec<PathBuf>,
}

/// List the stored VEX documents
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling vex list

Exit codes: 0 listed, 3 a document is damaged, 6 not reachable or locked")]
pub(crate) struct List {}

/// Write a stored VEX document, byte for byte
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling vex show 5f0c2d8e -o supplier.json

Exit codes: 0 written, 2 several hashes begin like this, or the file cannot be written, 3 no such document, or it is
  damaged, 6 not reachable or locked")]
pub(crate) struct Show {
    /// The document's hash, as `starling vex list` shows it, or at least its first 4 digits
    #[arg(value_name = "HASH")]
    hash: HashStart,
    /// Output file; `-` is standard output
    #[arg(
        long,
        short,
        value_name = "FILE|-",
        default_value = STANDARD
    )]
    output: PathBuf,
}

/// Delete a stored VEX document, even a damaged one
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling vex remove 5f0c2d8e

Exit codes: 0 removed, 2 several hashes begin like this, 3 no such document, or the folder cannot be read, 6 not reachable
  or locked")]
pub(crate) struct Remove {
    /// The document's hash, as `starling vex list` shows it, or at least its first 4 digits
    #[arg(value_name = "HASH")]
    hash: HashStart,
}

impl Vex {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let step = Step::silent();
        match self {
            Self::Add(args) => {
                let site = session.site(&step).await?;
                let mut added = VexList::default();
                for file in &args.files {
                    let document = input::read(file, "the VEX document", VEX_MAX_BYTES).await?;
                    let entry = site.add_vex(document).await.map_err(|mut problem| {
                        problem.detail = format!("adding {}: {}", input_name(file), problem.detail);
                        problem
                    })?;
                    added.documents.push(entry);
                }
                session.print(&added, render::vex_added)?;
            }
            Self::List(List {}) => {
                let site = session.site(&step).await?;
                let list = site.vex().await?;
                session.print(&list, render::vex_list)?;
                if !list.damaged.is_empty() || !list.foreign.is_empty() {
                    return Ok(ExitStatus::InputRefused);
                }
            }
            Self::Show(args) => {
                outputs::check(session.home(), [], [args.output.as_path()])?;
                let site = session.site(&step).await?;
                let document = site.vex_document(&args.hash.of(site.as_ref()).await?).await?;
                write_stream(&args.output, document).await?;
            }
            Self::Remove(args) => {
                let site = session.site(&step).await?;
                let hash = args.hash.of(site.as_ref()).await?;
                session.print(&site.remove_vex(&hash).await?, render::vex_removed)?;
            }
        }
        Ok(ExitStatus::Pass)
    }
}

/// A hash, or the first digits of a hash.
#[derive(Debug, Clone)]
struct HashStart(String);

/// The optional prefix of a hash.
const PREFIX: &str = "blake3:";
/// Number of digits in a hash.
const DIGITS: usize = 64;
/// Fewest digits that identify a document.
const LEAST_DIGITS: usize = 4;

impl FromStr for HashStart {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix(PREFIX).unwrap_or(text);
        let known = digits
            .bytes()
            .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        if known && (LEAST_DIGITS..=DIGITS).contains(&digits.len()) {
            Ok(Self(format!("{PREFIX}{digits}")))
        } else {
            Err(format!(
                "expected `{PREFIX}` and {LEAST_DIGITS} to {DIGITS} lower-case hex digits, or the digits alone"
            ))
        }
    }
}

impl HashStart {
    /// Returns the full hash. A complete hash is not looked up, so that a document that breaks the list can be removed.
    async fn of(&self, site: &dyn SiteService) -> Result<VexHash, Problem> {
        let Self(start) = self;
        if let Ok(whole) = start.parse() {
            return Ok(whole);
        }
        let list = site.vex().await?;
        let whole = list.documents.iter().map(|entry| entry.hash);
        let damaged = list.damaged.iter().map(|damaged| damaged.hash);
        let found: Vec<VexHash> = whole
            .chain(damaged)
            .filter(|hash| hash.to_string().starts_with(start))
            .collect();
        let refused = |code, found: &str| {
            Problem::new(code, format!("looking up the VEX document {start}: {found}"))
                .hint("`starling vex list` shows the stored documents")
        };
        match found.as_slice() {
            [hash] => Ok(*hash),
            [] => Err(refused(
                ErrorCode::VexNotFound,
                "no stored document has a hash that begins like this",
            )),
            several => Err(refused(
                ErrorCode::BadRequest,
                &format!("the hashes of {} documents begin like this", several.len()),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_prefix_has_four_digits_or_more() {
        for (text, start) in [("5f0c", "blake3:5f0c"), ("blake3:5f0c", "blake3:5f0c")] {
            assert_eq!(text.parse::<HashStart>().unwrap().0, start);
        }
        let whole = "0".repeat(DIGITS);
        assert!(whole.parse::<HashStart>().unwrap().0.parse::<VexHash>().is_ok());
        for refused in [
            "",
            "5f0",
            "5F0C",
            "blake3:",
            "blake3:blake3:5f0c",
            "5f0g",
            &format!("{whole}0"),
            "é5f0c",
        ] {
            assert!(refused.parse::<HashStart>().is_err(), "{refused}");
        }
    }
}
