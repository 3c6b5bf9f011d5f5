//! SemVer 2.0.0 precedence, as lenient as npm's "loose" mode and Go's short forms.
//!
//! Accepted beyond the standard: a leading `v` or `=`, fewer or more than three numbers (missing ones are zero),
//! leading zeros, and a pre-release without its hyphen (`1.2.3beta1`).

use super::Reason;
use super::key::{KeyWriter, is_number, split_digits};

/// True if build metadata is part of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Build {
    Ignored,
    Counts,
}

const END: u8 = 0x00;
const NUMBER: u8 = 0x01;
const TEXT: u8 = 0x02;
/// "No pre-release": after every pre-release's first mark.
const RELEASE: u8 = 0xff;

pub(super) fn write(text: &str, build: Build, key: &mut KeyWriter) -> Result<(), Reason> {
    let parts = split(text)?;
    write_core(&parts.core, key);
    match parts.pre {
        None => key.mark(RELEASE),
        Some(pre) => write_identifiers(pre, key)?,
    }
    if build == Build::Counts {
        match parts.build {
            None => key.mark(END),
            Some(build) => write_identifiers(build, key)?,
        }
    }
    Ok(())
}

/// Bitnami appends its packaging revision as `-N` or `-rN`; it makes a version newer, not older.
pub(super) fn write_bitnami(text: &str, key: &mut KeyWriter) -> Result<(), Reason> {
    let parts = split(text)?;
    write_core(&parts.core, key);
    let (pre, revision) = match parts.pre {
        None => (None, ""),
        Some(pre) => match pre.rsplit_once('-') {
            _ if is_number(revision_digits(pre)) => (None, revision_digits(pre)),
            Some((head, tail)) if is_number(revision_digits(tail)) => (Some(head), revision_digits(tail)),
            _ => (Some(pre), ""),
        },
    };
    match pre {
        None => key.mark(RELEASE),
        Some(pre) => write_identifiers(pre, key)?,
    }
    key.number(revision);
    Ok(())
}

fn revision_digits(text: &str) -> &str {
    text.strip_prefix('r').unwrap_or(text)
}

struct Parts<'a> {
    core: Vec<&'a str>,
    pre: Option<&'a str>,
    build: Option<&'a str>,
}

fn split(text: &str) -> Result<Parts<'_>, Reason> {
    let text = text.trim_start_matches('=').trim_start();
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text).trim_start();
    let text = without_go_build(text);
    let (text, build) = match text.split_once('+') {
        Some((head, build)) => (head, Some(build)),
        None => (text, None),
    };
    let mut core = Vec::with_capacity(4);
    let mut rest = text;
    loop {
        let (digits, after) = split_digits(rest);
        if digits.is_empty() {
            return Err("a number is missing");
        }
        core.push(digits);
        match after.strip_prefix('.') {
            // `1.2.beta` is the loose form of `1.2-beta`.
            Some(next) if next.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                rest = next;
                break;
            }
            Some(next) => rest = next,
            None => {
                rest = after;
                break;
            }
        }
    }
    let pre = match rest.strip_prefix('-') {
        Some(pre) => Some(pre),
        None if rest.is_empty() => None,
        None if rest.starts_with(|c: char| c.is_ascii_alphabetic()) => Some(rest),
        None => return Err("the numbers are followed by neither '-' nor '+'"),
    };
    Ok(Parts { core, pre, build })
}

/// Returns a release of Go from its toolchain's version: without the prefix `go`, and without the experiments or the
/// packager of the build (`go1.26.6-X:boringcrypto`, `go1.22.5 (Red Hat 1.22.5-1.el9)`).
fn without_go_build(text: &str) -> &str {
    let text = match text.strip_prefix("go") {
        Some(version) if version.starts_with(|c: char| c.is_ascii_digit()) => version,
        _ => text,
    };
    let end = ["-X:", " X:", " ("]
        .iter()
        .filter_map(|mark| text.find(mark))
        .min();
    text.get(..end.unwrap_or(text.len())).unwrap_or(text)
}

/// Writes the numbers without trailing zeros, so that `1`, `1.0` and `1.0.0` are one version.
fn write_core(core: &[&str], key: &mut KeyWriter) {
    let significant = core
        .iter()
        .rposition(|n| n.bytes().any(|b| b != b'0'))
        .map_or(0, |last| last + 1);
    for number in core.iter().take(significant) {
        key.mark(NUMBER);
        key.number(number);
    }
    key.mark(END);
}

/// Clause 11.4: numbers below texts, numbers by value, texts by ASCII, fewer fields below more.
fn write_identifiers(list: &str, key: &mut KeyWriter) -> Result<(), Reason> {
    for identifier in list.split('.') {
        if identifier.is_empty() {
            return Err("a pre-release or build identifier is empty");
        }
        if !identifier
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        {
            return Err("an identifier holds a character other than letters, digits and '-'");
        }
        if is_number(identifier) {
            key.mark(NUMBER);
            key.number(identifier);
        } else {
            key.mark(TEXT);
            key.text(identifier);
        }
    }
    key.mark(END);
    Ok(())
}
