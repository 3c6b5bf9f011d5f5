//! Commas before a closing bracket, which JSON does not allow and some publishers write (openEuler).

use std::borrow::Cow;

/// Returns a document without the commas that stand before a closing bracket, outside of texts; unchanged if it has none.
pub(crate) fn without_trailing(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut kept: Vec<u8> = Vec::new();
    // Position up to which `kept` has the document.
    let mut taken = 0;
    let mut comma = None;
    let (mut is_text, mut is_escaped) = (false, false);
    for (at, byte) in bytes.iter().enumerate() {
        if is_text {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => is_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b',' => comma = Some(at),
            b']' | b'}' => {
                if let Some(comma) = comma.take() {
                    kept.extend_from_slice(bytes.get(taken..comma).unwrap_or_default());
                    taken = comma + 1;
                }
            }
            _ if byte.is_ascii_whitespace() => {}
            _ => {
                is_text = *byte == b'"';
                comma = None;
            }
        }
    }
    if taken == 0 {
        return Cow::Borrowed(bytes);
    }
    kept.extend_from_slice(bytes.get(taken..).unwrap_or_default());
    Cow::Owned(kept)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use starling_protocol::json;

    use super::*;

    #[test]
    fn only_commas_before_a_bracket_are_left_out() {
        for (text, expected) in [
            (r#"{"a":[1,2,],}"#, r#"{"a":[1,2]}"#),
            ("[1 ,\n ]", "[1 \n ]"),
            (r#"{"a":",]","b":"\",}",}"#, r#"{"a":",]","b":"\",}"}"#),
            // Two are another mistake.
            ("[1,,]", "[1,]"),
            ("[,]", "[]"),
        ] {
            let read = without_trailing(text.as_bytes());
            assert_eq!(String::from_utf8_lossy(&read), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn valid_documents_stay(text in "[\\[\\]{}\",:\\\\0-9a ]{0,40}") {
            if json::parse(text.as_bytes()).is_ok() {
                prop_assert_eq!(without_trailing(text.as_bytes()), Cow::Borrowed(text.as_bytes()));
            }
        }
    }
}
