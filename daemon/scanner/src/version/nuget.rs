//! NuGet: SemVer 2.0 with up to four numbers, short forms, and labels compared without case. As in NuGet.Versioning,
//! numbers are 32-bit and metadata after `+` is ignored.

use super::Reason;
use super::key::{KeyWriter, is_number};

const END: u8 = 0x00;
const NUMBER: u8 = 0x01;
const TEXT: u8 = 0x02;
const RELEASE: u8 = 0xff;

pub(super) fn write(text: &str, key: &mut KeyWriter) -> Result<(), Reason> {
    let (text, metadata) = match text.split_once('+') {
        Some((head, metadata)) => (head, Some(metadata)),
        None => (text, None),
    };
    let (core, labels) = match text.split_once('-') {
        Some((core, labels)) => (core, Some(labels)),
        None => (text, None),
    };
    if let Some(metadata) = metadata {
        check_labels(metadata)?;
    }
    let mut numbers = Vec::with_capacity(4);
    for part in core.split('.') {
        // NuGet uses .NET's integer parser, which skips surrounding white space.
        let part = part.trim();
        if !is_number(part) {
            return Err("a part before '-' is not a number");
        }
        if part
            .parse::<u32>()
            .ok()
            .filter(|n| *n <= i32::MAX.unsigned_abs())
            .is_none()
        {
            return Err("a number does not fit in 31 bits");
        }
        numbers.push(part);
    }
    if numbers.len() > 4 {
        return Err("it has more than four numbers");
    }
    let significant = numbers
        .iter()
        .rposition(|n| n.bytes().any(|b| b != b'0'))
        .map_or(0, |last| last + 1);
    for number in numbers.iter().take(significant) {
        key.mark(NUMBER);
        key.number(number);
    }
    key.mark(END);
    let Some(labels) = labels else {
        key.mark(RELEASE);
        return Ok(());
    };
    check_labels(labels)?;
    for label in labels.split('.') {
        if is_number(label) {
            key.mark(NUMBER);
            key.number(label);
        } else {
            key.mark(TEXT);
            key.text_lower(label);
        }
    }
    key.mark(END);
    Ok(())
}

fn check_labels(labels: &str) -> Result<(), Reason> {
    for label in labels.split('.') {
        if label.is_empty() {
            return Err("a label is empty");
        }
        if !label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err("a label holds a character other than letters, digits and '-'");
        }
    }
    Ok(())
}
