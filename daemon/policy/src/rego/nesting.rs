//! Limits the nesting of brackets: the interpreter's own limit does not cover all of its parser.

use crate::terms::DocumentError;

/// Deepest nesting of brackets.
const MAX_NESTING: usize = 32;

/// Refuses a text whose brackets, outside of strings and comments, nest deeper than [`MAX_NESTING`].
pub(super) fn check(text: &str) -> Result<(), DocumentError> {
    let (mut line, mut column, mut depth) = (1_u64, 0_u64, 0_usize);
    let mut within = Within::Code;
    for c in text.chars() {
        if c == '\n' {
            line += 1;
            column = 0;
            // A string ends with its line, closed or not; a raw string continues.
            if within != Within::Raw {
                within = Within::Code;
            }
            continue;
        }
        column += 1;
        within = match (within, c) {
            (Within::Code, '#') => Within::Comment,
            (Within::Code, '"') => Within::Text,
            (Within::Code, '`') => Within::Raw,
            (Within::Text, '\\') => Within::Escape,
            (Within::Escape, _) => Within::Text,
            (Within::Text, '"') | (Within::Raw, '`') => Within::Code,
            (other, _) => other,
        };
        if within == Within::Code {
            match c {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > MAX_NESTING {
                return Err(DocumentError {
                    place: Some((line, column)),
                    text: format!("its brackets nest more than {MAX_NESTING} deep"),
                });
            }
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Code,
    Comment,
    Text,
    Escape,
    Raw,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_strings_and_comments_are_ignored() {
        let open = "[".repeat(MAX_NESTING + 1);
        for text in [
            "[".repeat(MAX_NESTING),
            "[]".repeat(1_000),
            format!("x := \"{open}\""),
            format!("x := \"\\\"{open}\""),
            format!("x := `\n{open}`"),
            format!("# {open}"),
        ] {
            assert_eq!(check(&text), Ok(()), "{text}");
        }
        for text in [
            open.clone(),
            format!("x := `a`\n{open}"),
            format!("# a\n{open}"),
            format!("x := \"\\\\\"\n{open}"),
        ] {
            assert!(check(&text).is_err(), "{text}");
        }
        assert_eq!(check(&format!("\n {open}")).unwrap_err().place, Some((2, 34)));
    }
}
