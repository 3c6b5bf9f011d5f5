//! `starling vex …`

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};
use starling_api::SiteService;
use starling_api::limits::VEX_MAX_BYTES;
use starling_api_types::{ErrorCode, ExitStatus, Problem, VexHash, VexList};

use super::{Outcome, input};
use crate::output::write_stream;
use crate::progress::Step;
use crate::render;
use crate::session::Session;

/// What suppliers say, kept for every scan of this site
#[derive(Debug, Subcommand)]
pub(crate) enum Vex {
    Add(Add),
    List(List),
    Show(Show),
    Remove(Remove),
}

/// Keep documents: from now on every scan of this site takes them into account
#[derive(Debug, Args)]
#[command(after_help = "\
A document is kept as it is, under the hash of its bytes, by which verdicts name it. It stays at this site: it is
not shared with others. It counts in scans as what is given by `starling scan --vex` does, and in those with --as-of
too, whenever it came here: what is kept is of today. Of several files, those before one that is refused are kept.

Example:
  starling vex add supplier.openvex.json
  starling vex add advisories/*.csaf.json

Exit codes: 0 kept, also when it was before, 2 usage, 3 not a VEX document, or one too many, 6 not reachable
  or locked, 12 disk full")]
pub(crate) struct Add {
    /// OpenVEX, CSAF or CycloneDX as JSON; `-` is standard input
    #[arg(value_name = "FILE|-", required = true)]
    files: Vec<PathBuf>,
}

/// List the documents that are kept
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling vex list

Exit codes: 0 listed, 3 a document is not what it was, 6 not reachable or locked")]
pub(crate) struct List {}

/// Write a document as it was given
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling vex show 5f0c2d8e -o supplier.json

Exit codes: 0 written, 2 several documents begin so, or the file cannot be written, 3 no such document, or not what
  it was, 6 not reachable or locked")]
pub(crate) struct Show {
    /// Its hash, as `starling vex list` shows it, or enough of its beginning
    #[arg(value_name = "HASH")]
    hash: HashStart,
    /// Where to; `-` is standard output
    #[arg(
        long,
        short,
        value_name = "FILE|-",
        default_value = "-",
        hide_default_value = true
    )]
    output: PathBuf,
}

/// Keep a document no longer, be it damaged or not
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling vex remove 5f0c2d8e

Exit codes: 0 removed, 2 several documents begin so, 3 no such document, 6 not reachable or locked")]
pub(crate) struct Remove {
    /// Its hash, as `starling vex list` shows it, or enough of its beginning
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
                        problem.detail = format!("adding {}: {}", file.display(), problem.detail);
                        problem
                    })?;
                    added.documents.push(entry);
                }
                session.print(&added, render::vex_added)?;
            }
            Self::List(List {}) => {
                let site = session.site(&step).await?;
                session.print(&site.vex().await?, render::vex_list)?;
            }
            Self::Show(args) => {
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

/// A hash, or digits that it begins with.
#[derive(Debug, Clone)]
struct HashStart(String);

/// What comes before a hash's digits; it may be left out.
const PREFIX: &str = "blake3:";
/// Digits of a whole hash.
const DIGITS: usize = 64;
/// Fewest digits to find a document by.
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
    /// The hash. A whole one is not looked up, so that also a document that stops the list can be taken away.
    async fn of(&self, site: &dyn SiteService) -> Result<VexHash, Problem> {
        let Self(start) = self;
        if let Ok(whole) = start.parse() {
            return Ok(whole);
        }
        let kept = site.vex().await?.documents;
        let found: Vec<VexHash> = kept
            .iter()
            .map(|entry| entry.hash)
            .filter(|hash| hash.to_string().starts_with(start))
            .collect();
        let refused = |code, found: &str| {
            Problem::new(code, format!("looking up the VEX document {start}: {found}"))
                .hint("`starling vex list` shows what is kept")
        };
        match found.as_slice() {
            [hash] => Ok(*hash),
            [] => Err(refused(
                ErrorCode::VexNotFound,
                "this site keeps none whose hash begins so",
            )),
            several => Err(refused(
                ErrorCode::BadRequest,
                &format!("the hashes of {} begin so", several.len()),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_of_a_hash_has_few_digits_or_all_of_them() {
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
