//! dpkg's order (Debian policy 5.6.12): epoch, upstream version and revision, each of the latter two as alternating
//! non-digits and numbers, where `~` sorts before the end, letters before the rest.

use super::Reason;
use super::key::{KeyWriter, is_number, split_digits, split_while};

const TILDE: u8 = 0x01;
const END: u8 = 0x02;

pub(super) fn write(text: &str, key: &mut KeyWriter) -> Result<(), Reason> {
    let (epoch, rest) = match text.split_once(':') {
        Some((epoch, rest)) if is_number(epoch) => (epoch, rest),
        Some(_) => return Err("the epoch before ':' is not a number"),
        None => ("", text),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    key.number(epoch);
    write_part(upstream, key)?;
    write_part(revision, key)
}

/// opam uses the comparison, but has neither epoch nor revision.
pub(super) fn write_opam(text: &str, key: &mut KeyWriter) -> Result<(), Reason> {
    write_part(text, key)
}

fn write_part(part: &str, key: &mut KeyWriter) -> Result<(), Reason> {
    let mut rest = part;
    // A missing number is zero, so "" and "0" are equal: at least one round.
    loop {
        let (other, after) = split_while(rest, |c| !c.is_ascii_digit());
        for byte in other.bytes() {
            key.mark(weight(byte)?);
        }
        key.mark(END);
        let (digits, after) = split_digits(after);
        key.number(digits);
        rest = after;
        if rest.is_empty() {
            key.mark(END);
            return Ok(());
        }
    }
}

fn weight(byte: u8) -> Result<u8, Reason> {
    match byte {
        b'~' => Ok(TILDE),
        b'A'..=b'Z' | b'a'..=b'z' => Ok(byte),
        // After all letters, in ASCII order.
        0x21..=0x7e => Ok(byte | 0x80),
        _ => Err("it holds a character that is not printable ASCII"),
    }
}
