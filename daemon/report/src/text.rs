//! Makes foreign text harmless for every format.

use std::borrow::Cow;

/// Replaces control characters, line ends included, and marks that change the direction of writing with U+FFFD. Text
/// in a file is sooner or later shown on a terminal.
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.contains(is_harmful) {
        Cow::Owned(text.replace(is_harmful, "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// Ends a text with a full stop, if it ends without one: another sentence follows.
pub(crate) fn sentence(text: &str) -> Cow<'_, str> {
    let text = text.trim_end();
    if text.is_empty() || text.ends_with(['.', '!', '?', '…', ':']) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("{text}."))
    }
}

fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
            // Not allowed in XML.
            | '\u{fffe}' | '\u{ffff}')
}

/// Escapes text for HTML, between tags and in quoted attributes.
pub(crate) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in clean(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Escapes text for a cell of a Markdown table, so that it cannot become a link, image, tag, column or mention.
pub(crate) fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in clean(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // An entity ends a mention, or the link that a bare address becomes.
            '@' => out.push_str("&#64;"),
            ':' => out.push_str("&#58;"),
            c if c.is_ascii_punctuation() && !matches!(c, '.' | ',' | '-' | '/') => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// Encodes text as one segment or path of a URI reference: everything except unreserved characters and `/` is
/// percent-encoded, so that no name can become a scheme, a host or a query.
pub(crate) fn uri_path(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    // A path that begins with two slashes would name a host.
    let text = if text.starts_with("//") {
        text.trim_start_matches('/')
    } else {
        text
    };
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Returns the address where a vulnerability is published, if the form of its id is known.
pub(crate) fn published(id: &str) -> Option<String> {
    /// Longest known id, plus some reserve.
    const MAX_ID_BYTES: usize = 100;
    let is_of_an_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if id.len() > MAX_ID_BYTES || !id.contains('-') || !id.chars().all(is_of_an_id) {
        return None;
    }
    let base = if id.starts_with("CVE-") {
        "https://nvd.nist.gov/vuln/detail/"
    } else if id.starts_with("GHSA-") {
        "https://github.com/advisories/"
    } else {
        "https://osv.dev/vulnerability/"
    };
    Some(format!("{base}{id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(
            clean("a\u{1b}[2Jb\u{9b}c\u{202e}d\r\n\0"),
            "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d\u{fffd}\u{fffd}\u{fffd}"
        );
        assert!(matches!(clean("naïve 文字"), Cow::Borrowed(_)));
    }

    #[test]
    fn each_format_escapes_its_special_characters() {
        assert_eq!(html("<a href='x'>&\""), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
        assert_eq!(
            markdown("a|b [x](y) `z` <i> @me https://e.org"),
            "a\\|b \\[x\\]\\(y\\) \\`z\\` &lt;i&gt; &#64;me https&#58;//e.org"
        );
        assert_eq!(uri_path("javascript:alert(1)"), "javascript%3Aalert%281%29");
        assert_eq!(uri_path("//evil.example/x y"), "evil.example/x%20y");
        assert_eq!(uri_path("dir/sbom.json"), "dir/sbom.json");
    }
}
