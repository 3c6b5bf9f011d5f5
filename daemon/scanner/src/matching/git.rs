//! Ranges of commits, as far as they can be evaluated without the repository: for a commit that an event names.

use super::WhyNot;
use super::range::{Inside, Outside};
use crate::osv::{Event, Range};
use crate::purl::PackageUrl;

/// Fewest hexadecimal digits of a commit.
const LEAST_DIGITS: usize = 7;

/// The state of a repository from which a package was built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Revision {
    /// The commit's digits, in lower case.
    pub(super) commit: Option<String>,
    /// A tag.
    pub(super) tag: Option<String>,
}

/// Returns true for a text that can only be a commit's complete hash.
pub(super) fn is_hash(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && is_hexadecimal(text)
}

fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Revision {
    /// Returns the revision of a package's URL: its version if that is a commit, else the end of its `vcs_url`
    /// (`git+https://host/repository@v1.2.3`).
    pub(super) fn of(purl: &PackageUrl, version: Option<&str>) -> Option<Box<Self>> {
        let is_repository = matches!(purl.ty(), "github" | "gitlab" | "bitbucket" | "git");
        let is_commit = |text: &str| {
            is_hash(text) || (is_repository && text.len() >= LEAST_DIGITS && is_hexadecimal(text))
        };
        if let Some(version) = version.filter(|version| is_commit(version)) {
            return Some(Box::new(Self {
                commit: Some(version.to_ascii_lowercase()),
                tag: None,
            }));
        }
        let address = purl.qualifier("vcs_url")?;
        let address = address.split_once('#').map_or(address, |(address, _)| address);
        // An `@` before the end of the path belongs to a user.
        let (path, reference) = address.rsplit_once('@')?;
        let path = path.split_once("://").map_or(path, |(_, path)| path);
        if reference.is_empty() || !path.contains('/') {
            return None;
        }
        let reference = reference.strip_prefix("refs/tags/").unwrap_or(reference);
        let names_commit = reference.len() >= LEAST_DIGITS
            && is_hexadecimal(reference)
            && (is_hash(reference) || reference.bytes().any(|byte| byte.is_ascii_alphabetic()));
        Some(Box::new(if names_commit {
            Self {
                commit: Some(reference.to_ascii_lowercase()),
                tag: None,
            }
        } else {
            Self {
                commit: None,
                tag: Some(reference.to_owned()),
            }
        }))
    }
}

/// Evaluates a range of commits for a commit. `alone` is true if the package has no version, so that no other rule
/// covers it.
pub(super) fn evaluate(range: &Range, commit: Option<&str>, alone: bool) -> Result<Inside, Outside> {
    let Some(commit) = commit else {
        return Err((WhyNot::NeedsCommitGraph, Vec::new()));
    };
    let mut opening = None;
    let mut closing = None;
    for event in &range.events {
        match event {
            Event::Introduced(text) | Event::LastAffected(text) if is_same(text, commit) => {
                opening = Some((event, text));
            }
            Event::Fixed(text) | Event::Limit(text) if is_same(text, commit) => closing = Some(event),
            _ => {}
        }
    }
    match (opening, closing) {
        (Some((event, text)), None) => {
            let ends = |event: &&Event| matches!(event, Event::Fixed(_) | Event::LastAffected(_));
            let introduced = range.events.iter().find_map(|event| match event {
                Event::Introduced(text) => Some(text.clone()),
                _ => None,
            });
            Ok(Inside {
                introduced: match event {
                    Event::Introduced(_) => Some(text.clone()),
                    _ => introduced,
                },
                until: match event {
                    Event::LastAffected(_) => Some(event.clone()),
                    _ => range.events.iter().find(ends).cloned(),
                },
                fixed: Vec::new(),
            })
        }
        (None, Some(event)) => {
            let why = WhyNot::Outside {
                closed_by: Some(event.clone()),
                next_introduced: None,
            };
            Err((why, Vec::new()))
        }
        _ if alone => Err((WhyNot::CommitNotPlaced, Vec::new())),
        _ => Err((WhyNot::NeedsCommitGraph, Vec::new())),
    }
}

/// Returns true if an event names the commit; either may be shortened to its first digits.
fn is_same(event: &str, commit: &str) -> bool {
    let event = event.trim();
    let (short, long) = if event.len() < commit.len() {
        (event, commit)
    } else {
        (commit, event)
    };
    short.len() >= LEAST_DIGITS
        && is_hexadecimal(short)
        && long
            .get(..short.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(short))
}
