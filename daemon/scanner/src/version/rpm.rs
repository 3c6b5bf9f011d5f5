//! RPM's order: epoch, then version and release by `rpmvercmp`: runs of digits or letters, separated by everything
//! else; `~` sorts before the end, `^` right after it, letters below digits.

use super::key::{KeyWriter, is_number, split_digits, split_while};

const TILDE: u8 = 0x01;
const END: u8 = 0x02;
const CARET: u8 = 0x03;
const LETTERS: u8 = 0x04;
const DIGITS: u8 = 0x05;

pub(super) fn write(text: &str, key: &mut KeyWriter) {
    let (epoch, rest) = match text.split_once(':') {
        Some((epoch, rest)) if is_number(epoch) => (epoch, rest),
        // rpm prints a missing epoch as "(none)".
        Some(("(none)" | "", rest)) => ("", rest),
        // A text that is not a number is not an epoch: it belongs to the version, as in rpm.
        Some(_) | None => ("", text),
    };
    let (version, release) = rest.split_once('-').unwrap_or((rest, ""));
    key.number(epoch);
    write_part(version, key);
    write_part(release, key);
}

fn write_part(part: &str, key: &mut KeyWriter) {
    let mut rest = part;
    while let Some(first) = rest.chars().next() {
        rest = match first {
            '~' => {
                key.mark(TILDE);
                rest.get(1..).unwrap_or("")
            }
            '^' => {
                key.mark(CARET);
                rest.get(1..).unwrap_or("")
            }
            c if c.is_ascii_digit() => {
                let (digits, after) = split_digits(rest);
                key.mark(DIGITS);
                key.number(digits);
                after
            }
            c if c.is_ascii_alphabetic() => {
                let (letters, after) = split_while(rest, |c| c.is_ascii_alphabetic());
                key.mark(LETTERS);
                key.text(letters);
                after
            }
            _ => split_while(rest, |c| !c.is_ascii_alphanumeric() && c != '~' && c != '^').1,
        };
    }
    key.mark(END);
}
