//! Finds what a parser says within a longer error, and puts it into words.

use super::sentence;

/// Beginnings of messages of `serde` and of the JSON parser.
const BEGINNINGS: [&str; 15] = [
    "invalid type: ",
    "invalid value: ",
    "invalid length ",
    "missing field ",
    "unknown field ",
    "unknown variant ",
    "duplicate field ",
    "EOF while parsing",
    "trailing characters",
    "trailing comma",
    "key must be a string",
    "expected value",
    "expected `",
    "expected ident",
    "control character",
];

/// Returns an error in which the words of a parser are replaced by a sentence. The place that stands behind them, as
/// ` (at /components)` or ` at line 3 column 5`, stays.
#[must_use]
pub fn within(text: &str) -> String {
    let starts = std::iter::once(0).chain(text.match_indices(": ").map(|(at, _)| at + 2));
    let found = starts.into_iter().find_map(|at| {
        let rest = text.get(at..)?;
        let begins = BEGINNINGS.iter().any(|begin| rest.starts_with(begin));
        begins.then(|| (text.get(..at).unwrap_or_default(), rest))
    });
    let Some((before, rest)) = found else {
        return text.to_owned();
    };
    let ends = [" (at ", " at line "];
    let end = ends
        .iter()
        .filter_map(|end| rest.find(end))
        .min()
        .unwrap_or(rest.len());
    let (said, place) = rest.split_at(end);
    let said = sentence(said);
    match place.strip_prefix(" at ") {
        Some(place) => format!(
            "{before}{said} (at {})",
            place.replacen(" column ", ", column ", 1)
        ),
        None => format!("{before}{said}{place}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_parser_become_a_sentence_and_the_place_stays() {
        for (text, expected) in [
            (
                "cannot read the CycloneDX JSON document: invalid type: map, expected a sequence (at /components)",
                "cannot read the CycloneDX JSON document: expected a list, got keys with values (at /components)",
            ),
            (
                "cannot read it: invalid type: string \"x\", expected u64 at line 3 column 5",
                "cannot read it: expected a whole number, not below 0, got the text \"x\" (at line 3, column 5)",
            ),
            (
                "unknown SBOM format: the JSON cannot be read: EOF while parsing an object (at line 1, column 6); expected SPDX",
                "unknown SBOM format: the JSON cannot be read: it ends in the middle: a bracket or a quotation mark is not \
                 closed, or the file was cut off (at line 1, column 6); expected SPDX",
            ),
            (
                "missing field `id` at line 1 column 2",
                "the key `id` is missing (at line 1, column 2)",
            ),
            (
                "components[3].purl: expected pkg:TYPE/…, got x",
                "components[3].purl: expected pkg:TYPE/…, got x",
            ),
        ] {
            assert_eq!(within(text), expected);
        }
    }
}
