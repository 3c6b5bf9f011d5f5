//! Module streams of RPM distributions: one package name, several lines of versions at once.
//!
//! Red Hat Enterprise Linux 8 and its rebuilds publish some packages in modules (`nodejs:18`), of which a system
//! enables one stream. An advisory about a stream says nothing about packages of other streams, or about those of
//! the same name outside of every module, though their versions compare. The stream stands in an advisory's entry or
//! summary, and that a version is a module's in its release (`1.module_el8.7.0+…`); a package's own stream in the
//! qualifier `rpmmod` of its URL.

use crate::osv::{Affected, Event};
use crate::purl::PackageUrl;

/// Qualifiers in which generators write the stream, as `name:stream` and what follows.
const QUALIFIERS: [&str; 2] = ["rpmmod", "modularitylabel"];

/// A module and its stream.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stream {
    name: String,
    stream: String,
}

impl Stream {
    /// The stream that a package was built in, if its URL tells, or the label that a document gives it.
    pub(crate) fn of(purl: &PackageUrl, label: Option<&str>) -> Option<Self> {
        let label = QUALIFIERS.iter().find_map(|key| purl.qualifier(key)).or(label)?;
        let mut parts = label.split(':');
        let (name, stream) = (parts.next()?, parts.next()?);
        (!name.is_empty() && !stream.is_empty()).then(|| Self {
            name: name.to_owned(),
            stream: stream.to_owned(),
        })
    }
}

/// Whether a version is that of a module's package.
fn is_modular(version: &str) -> bool {
    version.contains(".module_") || version.contains(".module+")
}

/// The streams that an advisory's summary names, such as `nodejs:18` in `Important: nodejs:18 security update`.
fn named_in(summary: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_word = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._+-".contains(c))
    };
    summary.split_whitespace().filter_map(move |word| {
        let (name, stream) = word.trim_end_matches([',', ';', '.']).split_once(':')?;
        (is_word(name) && is_word(stream)).then_some((name, stream))
    })
}

/// Whether an entry of an advisory with this summary is about another stream than the package's, or about a
/// module where the package is of none. What cannot be told is no reason to leave it out.
pub(crate) fn is_of_another(
    summary: &str,
    affected: &Affected,
    version: &str,
    stream: Option<&Stream>,
) -> bool {
    // An entry that states its stream needs no summary for it. What follows the stream is of one build: a version, a
    // context, an architecture. A name without a stream says of which module it is, and not more.
    if let Some(stated) = &affected.module {
        let mut parts = stated.split(':');
        let (name, of) = (parts.next().unwrap_or_default(), parts.next());
        return match stream {
            Some(stream) => name != stream.name.as_str() || of.is_some_and(|of| of != stream.stream.as_str()),
            None => !is_modular(version),
        };
    }
    let mut events = affected.ranges.iter().flat_map(|range| &range.events);
    let about_a_module = events.any(|event| match event {
        Event::Fixed(version) | Event::LastAffected(version) => is_modular(version),
        Event::Introduced(_) | Event::Limit(_) => false,
    });
    if !about_a_module {
        return false;
    }
    let Some(stream) = stream else {
        return !is_modular(version);
    };
    let mut named = named_in(summary).peekable();
    named.peek().is_some() && !named.any(|named| named == (stream.name.as_str(), stream.stream.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn affected(fixed: &str) -> Affected {
        let json = serde_json::json!({"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}]});
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn an_advisory_about_a_stream_is_about_that_stream() {
        let modular = "1:18.14.2-2.module_el8.7.0+3447+b2d4ba77";
        let summary = "Important: nodejs:18 security update";
        let label = |text: &str| {
            let purl = format!("pkg:rpm/almalinux/nodejs@1?rpmmod={text}");
            Stream::of(&PackageUrl::parse_lenient(&purl).unwrap(), None)
        };
        let other = |version: &str, stream: Option<Stream>| {
            is_of_another(summary, &affected(modular), version, stream.as_ref())
        };
        assert!(!other(
            "1:18.9.1-1.module_el8.7.0+3343",
            label("nodejs:18:8070020:a")
        ));
        assert!(other("1:16.9.1-1.module_el8.5.0+1", label("nodejs:16:8050020:a")));
        assert!(
            !other("1:16.9.1-1.module_el8.5.0+1", None),
            "the stream is not told"
        );
        assert!(other("1:10.0.0-1.el8", None), "a package of no module");
        assert!(!is_of_another(
            "Important: 389-ds security update",
            &affected(modular),
            "1.module_el8.1",
            label("389-ds:1.4").as_ref()
        ));
        assert!(!is_of_another(summary, &affected("18.0-1.el8"), "10-1.el8", None));
        assert_eq!(label(""), None);
        assert_eq!(label("nodejs"), None);
    }

    #[test]
    fn an_entry_that_states_its_stream_is_about_that_stream() {
        let of = |module: &str| -> Affected {
            let json = serde_json::json!({
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}],
                "ecosystem_specific": {"rpmmod": module},
            });
            serde_json::from_value(json).unwrap()
        };
        let label = |text: &str| {
            let purl = format!("pkg:rpm/redhat/redis@1?rpmmod={text}");
            Stream::of(&PackageUrl::parse_lenient(&purl).unwrap(), None)
        };
        let modular = "6.2-1.module+el8+7";
        let other = |module: &str, stream: Option<Stream>, version: &str| {
            is_of_another("flaw", &of(module), version, stream.as_ref())
        };
        assert!(!other("redis:6", label("redis:6:8100:ctx"), modular));
        assert!(
            other("redis:5", label("redis:6:8100:ctx"), modular),
            "no version tells it"
        );
        assert!(!other("redis:5", None, modular), "the stream is not told");
        assert!(other("redis:5", None, "6.2-1.el8"), "a package of no module");
        let six = || label("redis:6:8100:ctx");
        assert!(!other("redis:6:8070:other", six(), modular), "of one build");
        assert!(!other("redis", six(), modular), "the stream is not stated");
        assert!(other("nodejs", six(), modular));
    }

    #[test]
    fn words_with_a_colon_are_streams_only_where_both_sides_are_names() {
        let found: Vec<_> = named_in(
            "Red Hat Security Advisory: python39:3.9, container-tools:rhel8 and https://x.example a::b",
        )
        .collect();
        assert_eq!(found, [("python39", "3.9"), ("container-tools", "rhel8")]);
    }
}
