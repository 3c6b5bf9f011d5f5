//! Numbers in place of versions, as some databases write them in JSON: `"fixed": 2.10`.
//!
//! As a number it would be 2.1, which is another version. So decimals in place of versions are converted to texts
//! before the document is parsed; whole numbers have the same meaning either way and stay unchanged.

use std::borrow::Cow;

/// Fields that contain a version.
const KEYS: [&[u8]; 4] = [b"introduced", b"fixed", b"last_affected", b"limit"];
/// The list of versions.
const LIST: &[u8] = b"versions";

/// The container of a value.
#[derive(Clone, Copy)]
enum Around {
    /// An object.
    Object,
    /// A list; true for a list of versions.
    List { of_versions: bool },
}

/// Returns the document with decimals in place of versions as texts; unchanged if it has none. Text that is not JSON
/// stays unchanged too.
pub(super) fn versions_as_texts(bytes: &[u8]) -> Cow<'_, [u8]> {
    decimals_as_texts(bytes, |key| KEYS.contains(&key))
}

/// Same as [`versions_as_texts`], for documents in which members of these names are versions.
pub(crate) fn decimals_as_texts(bytes: &[u8], is_version: impl Fn(&[u8]) -> bool) -> Cow<'_, [u8]> {
    let mut out: Vec<u8> = Vec::new();
    // Position up to which `out` contains the document.
    let mut taken = 0;
    let mut around: Vec<Around> = Vec::new();
    let mut key: &[u8] = b"";
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let end = string_end(bytes, at + 1);
                let follows = bytes.get(end..).unwrap_or_default();
                let next = follows.iter().find(|byte| !byte.is_ascii_whitespace());
                if next == Some(&b':') {
                    key = bytes.get(at + 1..end - 1).unwrap_or_default();
                }
                at = end;
                continue;
            }
            b'{' => around.push(Around::Object),
            b'[' => around.push(Around::List {
                of_versions: key == LIST,
            }),
            b'}' | b']' => {
                around.pop();
                key = b"";
            }
            b'-' | b'0'..=b'9' => {
                let length = bytes
                    .get(at..)
                    .unwrap_or_default()
                    .iter()
                    .take_while(|byte| byte.is_ascii_digit() || b"+-.eE".contains(byte))
                    .count();
                let end = at + length;
                let number = bytes.get(at..end).unwrap_or_default();
                let is_version = match around.last() {
                    Some(Around::Object) => is_version(key),
                    Some(Around::List { of_versions }) => *of_versions,
                    None => false,
                };
                if is_version && !number.iter().all(u8::is_ascii_digit) {
                    out.extend_from_slice(bytes.get(taken..at).unwrap_or_default());
                    out.push(b'"');
                    out.extend_from_slice(number);
                    out.push(b'"');
                    taken = end;
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    if taken == 0 {
        return Cow::Borrowed(bytes);
    }
    out.extend_from_slice(bytes.get(taken..).unwrap_or_default());
    Cow::Owned(out)
}

/// Returns the position after the string that continues at `at`.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    loop {
        match bytes.get(at) {
            Some(b'\\') => at += 2,
            Some(b'"') => return at + 1,
            Some(_) => at += 1,
            None => return bytes.len().max(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(document: &str) -> String {
        String::from_utf8(versions_as_texts(document.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn decimal_versions_become_texts() {
        assert_eq!(
            texts(
                r#"{"ranges":[{"events":[{"introduced":0},{"fixed": 2.10 },{"limit":1e3}]}],"versions":[1.10,"1.20",2],"n":1.10}"#
            ),
            r#"{"ranges":[{"events":[{"introduced":0},{"fixed": "2.10" },{"limit":"1e3"}]}],"versions":["1.10","1.20",2],"n":1.10}"#
        );
        for same in [
            r#"{"versions":{"a":1.10},"x":[1.10],"fixed":[1.10],"text":"\"fixed\":1.10"}"#,
            r#"{"fixed":"1.10","a\"":"\\"}"#,
            "not \"json",
            "",
            "1.10",
        ] {
            assert_eq!(texts(same), same);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = versions_as_texts(&bytes);
        }

        #[test]
        fn documents_stay_json(text in r#"\{("fixed":(1\.10|"\\""|0|-1\.5)?,?|\[|\]|"versions":){0,6}\}"#) {
            let before = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            let after = serde_json::from_slice::<serde_json::Value>(&versions_as_texts(text.as_bytes())).is_ok();
            prop_assert!(!before || after, "{}", text);
        }
    }
}
