//! Conan: parts separated by dots, then a pre-release after `-` and a build after `+`, both made of parts. Trailing
//! zeros do not matter.
//!
//! Conan compares a number with a mixed part (`3` with `22a`) as texts, which is not transitive. Here a part is its
//! leading number and then its text, which agrees with all of Conan's own test cases.

use super::Reason;
use super::key::{KeyWriter, split_digits};

const END: u8 = 0x00;
const NUMBERED: u8 = 0x01;
const TEXT: u8 = 0x02;
const BUILD: u8 = 0x01;
/// "No pre-release": after every pre-release's first mark.
const RELEASE: u8 = 0xff;

pub(super) fn write(text: &str, key: &mut KeyWriter) -> Result<(), Reason> {
    let (rest, build) = match text.split_once('+') {
        Some((rest, build)) => (rest, Some(build)),
        None => (text, None),
    };
    let (core, pre) = match rest.split_once('-') {
        Some((core, pre)) => (core, Some(pre)),
        None => (rest, None),
    };
    if core.is_empty() || core.contains(char::is_whitespace) {
        return Err("it does not start with parts between dots");
    }
    write_parts(core, key);
    match pre {
        None => key.mark(RELEASE),
        Some(pre) => write_parts(pre, key),
    }
    match build {
        None => key.mark(END),
        Some(build) => {
            key.mark(BUILD);
            write_parts(build, key);
        }
    }
    Ok(())
}

fn write_parts(list: &str, key: &mut KeyWriter) {
    let parts: Vec<&str> = list.split('.').collect();
    let is_zero = |part: &&str| !part.is_empty() && part.bytes().all(|b| b == b'0');
    let keep = parts
        .iter()
        .rposition(|part| !is_zero(part))
        .map_or(0, |last| last + 1);
    for part in parts.iter().take(keep).filter(|part| !part.is_empty()) {
        let (digits, rest) = split_digits(part);
        if digits.is_empty() {
            key.mark(TEXT);
        } else {
            key.mark(NUMBERED);
            key.number(digits);
        }
        key.text(rest);
    }
    key.mark(END);
}
