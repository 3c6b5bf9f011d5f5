//! Package URLs (purl-spec, ECMA-427): parsing, canonical writing, and the rules of each type.
//!
//! [`PackageUrl::parse`] is strict and refuses what the specification refuses; [`PackageUrl::parse_lenient`] accepts
//! what real SBOMs contain (a Julia package without its `uuid`, an upper-case qualifier, surrounding spaces). If both
//! succeed, they give the same canonical value. [`osv`] finds the OSV package of a URL.

mod encoding;
pub mod osv;
mod rules;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use encoding::{decode, encode};
use rules::Namespace;

/// Longest package URL, in bytes. Longer ones are refused, not truncated.
pub const MAX_PURL_BYTES: usize = 8 * 1024;

/// A package URL in canonical form: lower case if its type requires it, without percent-encoding.
///
/// `Display` writes the canonical text; parsing that text gives an equal value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageUrl {
    ty: Cow<'static, str>,
    namespace: Option<String>,
    name: String,
    version: Option<String>,
    qualifiers: BTreeMap<String, String>,
    subpath: Option<String>,
}

/// The reason why a text is not a package URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {text:?} as a package URL: {reason}")]
pub struct PurlError {
    /// The text, shortened to 120 characters.
    pub text: String,
    /// The problem.
    pub reason: &'static str,
}

/// The parts of a package URL before validation and normalisation.
#[derive(Debug, Clone, Default)]
pub struct PurlParts<'a> {
    /// The type, such as `npm`.
    pub ty: &'a str,
    /// Segments joined by `/`, not encoded.
    pub namespace: Option<&'a str>,
    /// The name, not encoded.
    pub name: &'a str,
    /// The version, not encoded.
    pub version: Option<&'a str>,
    /// Qualifier keys and values, not encoded; empty values are dropped.
    pub qualifiers: Vec<(&'a str, &'a str)>,
    /// Segments joined by `/`, not encoded.
    pub subpath: Option<&'a str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Strict,
    Lenient,
}

impl PackageUrl {
    /// Parses a package URL by the specification.
    ///
    /// # Errors
    /// If the text is not a package URL, breaks a rule of its type, or exceeds [`MAX_PURL_BYTES`].
    pub fn parse(text: &str) -> Result<Self, PurlError> {
        read(text, Mode::Strict).map_err(|reason| PurlError::new(text, reason))
    }

    /// Parses a package URL without checking its type's rules.
    ///
    /// # Errors
    /// If scheme, type or name is missing, an escape does not decode to UTF-8, or the text exceeds [`MAX_PURL_BYTES`].
    pub fn parse_lenient(text: &str) -> Result<Self, PurlError> {
        read(text.trim(), Mode::Lenient).map_err(|reason| PurlError::new(text, reason))
    }

    /// Builds a package URL from parts, as the specification demands.
    ///
    /// # Errors
    /// If a part is missing or malformed, or the type's rules forbid it.
    pub fn build(parts: &PurlParts<'_>) -> Result<Self, PurlError> {
        build(parts, Mode::Strict).map_err(|reason| PurlError::new(parts.name, reason))
    }

    /// Returns the type in lower case, such as `npm`.
    pub fn ty(&self) -> &str {
        &self.ty
    }

    /// Returns the namespace, its segments joined by `/`.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the version; never empty.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Returns one qualifier's value by its lower-case key; never empty.
    pub fn qualifier(&self, key: &str) -> Option<&str> {
        self.qualifiers.get(key).map(String::as_str)
    }

    /// Returns all qualifiers, sorted by key.
    pub fn qualifiers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.qualifiers
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Returns the subpath, its segments joined by `/`.
    pub fn subpath(&self) -> Option<&str> {
        self.subpath.as_deref()
    }

    /// Returns the same URL with another version, or with none.
    pub fn with_version(mut self, version: Option<&str>) -> Self {
        self.version = version.filter(|v| !v.is_empty()).map(str::to_owned);
        self
    }

    /// Returns the same URL with a qualifier set; the key must be valid and in lower case.
    pub(crate) fn with_qualifier(mut self, key: &str, value: &str) -> Self {
        self.qualifiers.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Returns the same URL without version, qualifiers and subpath.
    pub fn package_only(&self) -> Self {
        Self {
            ty: self.ty.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            version: None,
            qualifiers: BTreeMap::new(),
            subpath: None,
        }
    }
}

impl PurlError {
    fn new(text: &str, reason: &'static str) -> Self {
        Self {
            text: text.chars().take(120).collect(),
            reason,
        }
    }
}

impl std::str::FromStr for PackageUrl {
    type Err = PurlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for PackageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pkg:{}/", self.ty)?;
        for segment in self.namespace.iter().flat_map(|ns| ns.split('/')) {
            write!(f, "{}/", encode(segment))?;
        }
        if rules::name_has_segments(&self.ty) {
            for (i, segment) in self.name.split('/').enumerate() {
                write!(f, "{}{}", if i == 0 { "" } else { "/" }, encode(segment))?;
            }
        } else {
            write!(f, "{}", encode(&self.name))?;
        }
        if let Some(version) = &self.version {
            write!(f, "@{}", encode(version))?;
        }
        for (i, (key, value)) in self.qualifiers.iter().enumerate() {
            write!(f, "{}{key}={}", if i == 0 { '?' } else { '&' }, encode(value))?;
        }
        for (i, segment) in self.subpath.iter().flat_map(|path| path.split('/')).enumerate() {
            write!(f, "{}{}", if i == 0 { '#' } else { '/' }, encode(segment))?;
        }
        Ok(())
    }
}

type Reason = &'static str;

/// Parses by purl-spec, "How to parse a purl string in its components", from both ends inwards.
fn read(text: &str, mode: Mode) -> Result<PackageUrl, Reason> {
    if text.len() > MAX_PURL_BYTES {
        return Err("it is longer than 8 KiB");
    }
    let (rest, subpath) = split_last(text, b'#');
    let (rest, qualifiers) = split_last(rest, b'?');
    let (scheme, rest) = rest.split_once(':').ok_or("the scheme 'pkg:' is missing")?;
    if !scheme.eq_ignore_ascii_case("pkg") {
        return Err("the scheme is not 'pkg'");
    }
    let rest = rest.trim_matches('/');
    let (ty, rest) = rest.split_once('/').ok_or("the type or the name is missing")?;
    let (rest, version) = split_version(rest);
    let rest = rest.trim_start_matches('/');
    // A slash at the end leaves no name: `pkg:swift/github.com/x/@1`.
    let (namespace, name) = match (rsplit(rest, b'/'), rules::name_has_segments(ty)) {
        // For these types the first segment is the host and the rest is the name.
        (Some(_), true) => rest.split_once('/').unwrap_or(("", rest)),
        (Some((namespace, name)), false) => (namespace, name),
        (None, _) => ("", rest),
    };

    let present = |text: String| Some(text).filter(|text| !text.is_empty());
    let mut purl = PackageUrl {
        ty: read_type(ty)?,
        namespace: present(trimmed(decode_segments(namespace, Dots::Kept, mode)?)),
        name: decode(name, mode)?.into_owned(),
        version: version
            .map(|version| decode(version, mode))
            .transpose()?
            .map(Cow::into_owned)
            .and_then(present),
        qualifiers: BTreeMap::new(),
        subpath: None,
    };
    if let Some(path) = subpath {
        purl.subpath = present(trimmed(decode_segments(path, Dots::Dropped, mode)?));
    }
    for pair in qualifiers.into_iter().flat_map(|list| list.split('&')) {
        let Some((key, value)) = pair.split_once('=') else {
            if pair.is_empty() || mode == Mode::Lenient {
                continue;
            }
            return Err("a qualifier has no '='");
        };
        // The specification's test cases refuse `Arch` and `Platform`, but accept `repositorY_url`.
        if mode == Mode::Strict && key.starts_with(|c: char| c.is_ascii_uppercase()) {
            return Err("a qualifier key starts with a capital");
        }
        take_qualifier(&mut purl.qualifiers, key, decode(value, mode)?, mode)?;
    }
    checked(purl, mode)
}

/// Removes slashes at both ends that were written as escapes.
fn trimmed(path: String) -> String {
    match path.trim_matches('/') {
        trimmed if trimmed.len() == path.len() => path,
        trimmed => trimmed.to_owned(),
    }
}

/// Returns the parts before and after the last occurrence of an ASCII character. Called for every URL of a document.
fn rsplit(text: &str, separator: u8) -> Option<(&str, &str)> {
    let at = memchr::memrchr(separator, text.as_bytes())?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

fn split_last(text: &str, separator: u8) -> (&str, Option<&str>) {
    match rsplit(text, separator) {
        Some((head, tail)) => (head, Some(tail)),
        None => (text, None),
    }
}

/// Returns the parts around the last `@`, which starts the version, unless it starts a segment that others follow: the
/// scope in `npm/@scope/name`.
fn split_version(text: &str) -> (&str, Option<&str>) {
    match rsplit(text, b'@') {
        Some((head, version)) => {
            let starts_segment = head.is_empty() || head.ends_with('/');
            if starts_segment && version.contains('/') {
                (text, None)
            } else {
                (head, Some(version))
            }
        }
        None => (text, None),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dots {
    Kept,
    Dropped,
}

fn decode_segments(path: &str, dots: Dots, mode: Mode) -> Result<String, Reason> {
    let mut out = String::with_capacity(path.len());
    for segment in path.split('/').filter(|s| !s.is_empty()) {
        let segment = decode(segment, mode)?;
        if dots == Dots::Dropped && (segment == "." || segment == "..") {
            continue;
        }
        if !out.is_empty() {
            out.push('/');
        }
        out.push_str(&segment);
    }
    Ok(out)
}

fn build(parts: &PurlParts<'_>, mode: Mode) -> Result<PackageUrl, Reason> {
    let present = |text: Option<&str>| text.filter(|t| !t.is_empty()).map(str::to_owned);
    let mut purl = PackageUrl {
        ty: read_type(parts.ty)?,
        namespace: present(parts.namespace.map(|ns| ns.trim_matches('/'))),
        name: parts.name.to_owned(),
        version: present(parts.version),
        qualifiers: BTreeMap::new(),
        subpath: present(parts.subpath.map(|path| path.trim_matches('/'))),
    };
    for &(key, value) in &parts.qualifiers {
        take_qualifier(&mut purl.qualifiers, key, Cow::Borrowed(value), mode)?;
    }
    checked(purl, mode)
}

/// Types of most documents, which are not copied for each URL.
const COMMON_TYPES: [&str; 14] = [
    "npm", "pypi", "golang", "maven", "cargo", "gem", "nuget", "composer", "deb", "rpm", "apk", "generic",
    "github", "hex",
];

fn read_type(text: &str) -> Result<Cow<'static, str>, Reason> {
    if let Some(known) = COMMON_TYPES.into_iter().find(|known| *known == text) {
        return Ok(Cow::Borrowed(known));
    }
    if text.is_empty() {
        return Err("the type is missing");
    }
    let type_chars = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
    if text.starts_with(|c: char| c.is_ascii_digit()) || !text.bytes().all(type_chars) {
        return Err("the type holds a character that types do not have");
    }
    Ok(Cow::Owned(text.to_ascii_lowercase()))
}

/// Adds a qualifier; drops empty values and, in lenient mode, invalid keys.
fn take_qualifier(
    qualifiers: &mut BTreeMap<String, String>,
    key: &str,
    value: Cow<'_, str>,
    mode: Mode,
) -> Result<(), Reason> {
    let key_chars = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let well_formed =
        !key.is_empty() && !key.starts_with(|c: char| c.is_ascii_digit()) && key.bytes().all(key_chars);
    match (well_formed, mode) {
        (true, _) if value.is_empty() => {}
        (true, _) => {
            qualifiers.insert(key.to_ascii_lowercase(), value.into_owned());
        }
        (false, Mode::Lenient) => {}
        (false, Mode::Strict) => return Err("a qualifier key holds a character that keys do not have"),
    }
    Ok(())
}

/// Normalises decoded parts and checks the rules.
fn checked(mut purl: PackageUrl, mode: Mode) -> Result<PackageUrl, Reason> {
    if purl.name.is_empty() {
        return Err("the name is missing");
    }
    rules::canonicalise(&mut purl);
    if mode == Mode::Strict {
        match (rules::namespace(&purl.ty), &purl.namespace) {
            (Namespace::Required, None) => return Err("its type demands a namespace"),
            (Namespace::Prohibited, Some(_)) => return Err("its type has no namespace"),
            _ => {}
        }
        rules::validate(&purl)?;
    }
    Ok(purl)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_part_is_read_and_written_canonically() {
        let purl = PackageUrl::parse("pkg:NPM/%40Angular/Animation@12.3.1?b=2&a=1%2F2#/x//y/").unwrap();
        assert_eq!(
            (purl.ty(), purl.namespace(), purl.name()),
            ("npm", Some("@Angular"), "animation")
        );
        assert_eq!(purl.version(), Some("12.3.1"));
        assert_eq!(purl.qualifier("a"), Some("1/2"));
        assert_eq!(purl.subpath(), Some("x/y"));
        assert_eq!(
            purl.to_string(),
            "pkg:npm/%40Angular/animation@12.3.1?a=1%2F2&b=2#x/y"
        );
    }

    #[test]
    fn an_unencoded_scope_is_not_a_version() {
        let purl = PackageUrl::parse("pkg:npm/@babel/core").unwrap();
        assert_eq!(
            (purl.namespace(), purl.name(), purl.version()),
            (Some("@babel"), "core", None)
        );
        let purl = PackageUrl::parse("pkg:npm/@babel/core@7.0.0").unwrap();
        assert_eq!(
            (purl.namespace(), purl.name(), purl.version()),
            (Some("@babel"), "core", Some("7.0.0"))
        );
    }

    #[test]
    fn lenient_reading_accepts_what_tools_write() {
        for text in [
            "pkg:julia/Dates",
            " pkg:gem/x@1?Platform=java ",
            "pkg:npm/x?broken",
            "pkg:vcpkg/boost/asio",
        ] {
            assert!(PackageUrl::parse(text.trim()).is_err(), "{text}");
            assert!(PackageUrl::parse_lenient(text).is_ok(), "{text}");
        }
        for text in ["", "pkg:", "npm/x", "pkg:npm", "pkg:npm/", "pkg:npm/x%ff"] {
            assert!(PackageUrl::parse_lenient(text).is_err(), "{text}");
        }
    }

    #[test]
    fn invalid_escape_is_refused_or_kept_if_lenient() {
        for text in [
            "pkg:npm/%zz/x@1",
            "pkg:npm/x%zz@1",
            "pkg:npm/x@1%2",
            "pkg:npm/x@1%",
            "pkg:npm/x?a=1%g0",
            "pkg:npm/x#a/%+1",
        ] {
            let refused = PackageUrl::parse(text).unwrap_err();
            assert!(refused.reason.contains("hexadecimal"), "{text}: {refused}");
            let read = PackageUrl::parse_lenient(text).unwrap();
            assert_eq!(PackageUrl::parse(&read.to_string()), Ok(read), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_the_canonical_text_is_a_fixed_point(
            text in "(pkg:)?[a-z]{0,6}/?[\\PC]{0,40}|pkg:(npm|git|golang|deb|brew)/[a-zA-Z@%/?#&=.:+ 0-9]{0,40}"
        ) {
            if let Ok(purl) = PackageUrl::parse_lenient(&text) {
                let canonical = purl.to_string();
                let again = PackageUrl::parse_lenient(&canonical);
                prop_assert_eq!(again.as_ref(), Ok(&purl), "{}", canonical);
            }
            let _ = PackageUrl::parse(&text);
        }
    }
}
