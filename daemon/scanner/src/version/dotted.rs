//! Plain number lists: R's `package_version` (dots or hyphens) and Haskell's `Data.Version`. The lists are compared
//! element by element; if two start alike, the longer one is newer.

use super::Reason;
use super::key::{KeyWriter, is_number};

const END: u8 = 0x00;
const NUMBER: u8 = 0x01;

pub(super) fn write(text: &str, key: &mut KeyWriter) -> Result<(), Reason> {
    for part in text.split(['.', '-']) {
        if !is_number(part) {
            return Err("it is not numbers between dots");
        }
        key.mark(NUMBER);
        key.number(part);
    }
    key.mark(END);
    Ok(())
}
