//! Module streams of RPM distributions: one package name with several version lines at the same time.
//!
//! Red Hat Enterprise Linux 8 and its rebuilds publish some packages in modules (`nodejs:18`), of which a system
//! enables one stream. An advisory about a stream does not apply to packages of other streams, or of no module,
//! although their versions can be compared. The stream of an advisory is in its entry or summary; a module's version
//! has a mark in its release (`1.module_el8.7.0+…`); a package's own stream is in the qualifier `rpmmod` of its URL.

use std::borrow::Cow;

use crate::osv::{Affected, Event};
use crate::purl::PackageUrl;

/// Qualifiers in which generators write the stream, as `name:stream` plus further parts.
const QUALIFIERS: [&str; 2] = ["rpmmod", "modularitylabel"];

/// A module and its stream.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stream {
    name: String,
    stream: String,
}

impl Stream {
    /// Returns the stream of a package's build, from its URL, or from the label in a document.
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

/// Returns true if a version belongs to a module's package.
fn is_modular(version: &str) -> bool {
    version.contains(".module_") || version.contains(".module+")
}

/// The mark in releases of builds of Rocky Linux' special interest group for clouds. It builds packages of the
/// distribution, such as the kernel, with other changes and advisories of its own (`RXSA-…`), whose versions come after those of the
/// distribution's fixes.
const CLOUD_GROUP: &str = ".cloud";

/// Returns true if all fixes of an entry are in builds of that group.
fn is_of_cloud_group(affected: &Affected) -> bool {
    let events = affected.ranges.iter().flat_map(|range| &range.events);
    let mut fixes = events.filter_map(|event| match event {
        Event::Fixed(version) => Some(version.contains(".el") && version.contains(CLOUD_GROUP)),
        _ => None,
    });
    let first = fixes.next();
    first == Some(true) && fixes.all(|is_of_it| is_of_it)
}

/// Returns a summary with the streams' own names: Rocky Linux writes its name over that of the product from which it is
/// built, in streams too (`go-toolset:Rocky Linux8`).
fn unbranded(summary: &str) -> Cow<'_, str> {
    if summary.contains(":Rocky Linux") {
        Cow::Owned(summary.replace(":Rocky Linux", ":rhel"))
    } else {
        Cow::Borrowed(summary)
    }
}

/// Returns the streams that an advisory's summary names, such as `nodejs:18` in `Important: nodejs:18 security update`.
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

/// Returns true if an entry of an advisory with this summary is about another stream than the package's, or about a
/// module although the package has none, or about builds of a special interest group although it is not one. An unknown stream is not a reason to leave it out.
pub(crate) fn is_of_another(
    summary: &str,
    affected: &Affected,
    version: &str,
    stream: Option<&Stream>,
) -> bool {
    if is_of_cloud_group(affected) && !version.contains(CLOUD_GROUP) {
        return true;
    }
    // An entry with its own stream does not need the summary. The parts after the stream identify a build: version,
    // context, architecture. A name without a stream only identifies the module.
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
    let summary = unbranded(summary);
    let mut named = named_in(&summary).peekable();
    named.peek().is_some() && !named.any(|named| named == (stream.name.as_str(), stream.stream.as_str()))
}

/// Returns true if a build and a fix that an entry names for it are of one stream, or both of no module. A stream that is not known
/// may be another one, unless the mark of both is the same: it names one build of one stream.
pub(crate) fn is_of_same_stream(
    summary: &str,
    affected: &Affected,
    (version, fix): (&str, &str),
    stream: Option<&Stream>,
) -> bool {
    match (is_modular(version), is_modular(fix)) {
        (false, false) => return true,
        (true, true) => {}
        _ => return false,
    }
    if version.rsplit(".module").next() == fix.rsplit(".module").next() {
        return true;
    }
    let Some(stream) = stream else {
        return false;
    };
    if let Some(stated) = &affected.module {
        let mut parts = stated.split(':');
        return parts.next() == Some(&stream.name) && parts.next() == Some(&stream.stream);
    }
    let summary = unbranded(summary);
    let mut named = named_in(&summary)
        .filter(|(name, _)| *name == stream.name)
        .peekable();
    named.peek().is_some() && named.all(|(_, named)| named == stream.stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn affected(fixed: &str) -> Affected {
        let json = serde_json::json!({"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}]});
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn advisory_applies_to_its_stream_only() {
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
    fn fix_is_of_the_same_stream_only_if_that_is_known() {
        let of = |module: Option<&str>| -> Affected {
            let specific = module.map(|module| serde_json::json!({"rpmmod": module}));
            serde_json::from_value(serde_json::json!({"ecosystem_specific": specific})).unwrap()
        };
        let six = || {
            let purl = PackageUrl::parse_lenient("pkg:rpm/redhat/x@1?rpmmod=x:6:8040:c").unwrap();
            Stream::of(&purl, None)
        };
        let versions = ("1-2.module+el8.4.0+2+b", "1-1.module+el8.4.0+1+a");
        for (summary, module, stream, expected) in [
            ("x:6 update", None, six(), true),
            ("x:6 and y:6 update", None, six(), true),
            ("x:5 update", None, six(), false),
            ("x:5 and x:6 update", None, six(), false),
            ("update", None, six(), false),
            ("x:6 update", None, None, false),
            ("update", Some("x:6"), six(), true),
            ("x:6 update", Some("x:5"), six(), false),
            ("x:6 update", Some("x"), six(), false),
            ("x:6 update", Some("x:6"), None, false),
        ] {
            let found = is_of_same_stream(summary, &of(module), versions, stream.as_ref());
            assert_eq!(found, expected, "{summary} {module:?} {stream:?}");
        }
        let bare = |versions| is_of_same_stream("x:6 update", &of(None), versions, None);
        assert!(bare(("1-1.el8", "1-1.el8")));
        assert!(bare((versions.1, versions.1)), "one build of a module");
        assert!(!bare((versions.0, "1-1.el8")));
        assert!(!bare(("1-2.el8", versions.1)));
    }

    #[test]
    fn build_of_a_special_interest_group_is_another_package() {
        let of_group = affected("5.14.0-362.8.1.el9_3.cloud");
        let other =
            |version: &str| is_of_another("Important: kernel security update", &of_group, version, None);
        assert!(other("5.14.0-362.8.1.el9_3"), "the distribution's fix");
        assert!(!other("5.14.0-284.1.1.el9_2.cloud"));
        assert!(!is_of_another(
            "",
            &affected("5.14.0-362.8.1.el9_3"),
            "5.14.0-1.el9_3.cloud",
            None
        ));
    }

    #[test]
    fn entry_applies_to_its_stream_only() {
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
    fn stream_under_the_name_of_a_rebuild_is_the_same() {
        let modular = affected("1.19.9-1.module+el8.8.0+1298+7af20600");
        let label = |text: &str| {
            let purl = format!("pkg:rpm/rocky/x@1?rpmmod={text}");
            Stream::of(&PackageUrl::parse_lenient(&purl).unwrap(), None)
        };
        let other = |summary: &str, text: &str| {
            is_of_another(summary, &modular, "1.module+el8.7.0+1", label(text).as_ref())
        };
        let one = "Important: go-toolset:Rocky Linux8 security update";
        assert!(!other(one, "go-toolset:rhel8:8070:ctx"));
        assert!(other(one, "go-toolset:rhel9:8070:ctx"));
        let two = "Moderate: virt:Rocky Linux and virt-devel:Rocky Linux security update";
        assert!(!other(two, "virt-devel:rhel:8070:ctx"));
        assert!(other(two, "virt:8.3:8070:ctx"));
    }

    #[test]
    fn word_with_a_colon_is_a_stream_only_between_names() {
        let found: Vec<_> = named_in(
            "Red Hat Security Advisory: python39:3.9, container-tools:rhel8 and https://x.example a::b",
        )
        .collect();
        assert_eq!(found, [("python39", "3.9"), ("container-tools", "rhel8")]);
    }
}
