//! Data in documents about a distribution's package besides its URL: the source package, and the module of its build.
//!
//! Advisories of many distributions name source packages. Generators write the source into the URL (`upstream`,
//! `source`), into their own properties (Trivy, Syft), into SPDX's `sourceInfo`, or leave it out if it equals the
//! package's name.

mod vendor;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

pub use self::vendor::Vendor;
pub(crate) use self::vendor::{StatedOrganisation, StatedVendor, with_vendor};
use crate::lenient::{AnyText, Entries, Fields, pass_over};

/// A document's data about the build of a package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The name of its source package.
    pub source: Option<String>,
    /// The version of the source package, with the epoch and the release.
    pub source_version: Option<String>,
    /// Version and release in the name of the source package's file, which has no epoch.
    pub source_file: Option<String>,
    /// The module's label, such as `nodejs:18:8070020230322:b2d4ba77`.
    pub module: Option<String>,
    /// The package's own epoch.
    pub epoch: Option<String>,
    /// The vendor that built it, if that distinguishes packages of one host.
    pub vendor: Option<Vendor>,
    /// True if the generator found it in the list of modules of a Go program, or in `go.mod`, which name no packages.
    pub is_go_module: bool,
}

impl Origin {
    /// Returns the data of a module in a file that lists modules only.
    pub(crate) fn of_go_module() -> Box<Self> {
        Box::new(Self {
            is_go_module: true,
            ..Self::default()
        })
    }
}

/// The prefixes of Trivy's and Syft's properties.
const PREFIXES: [&str; 2] = ["aquasecurity:trivy:", "syft:metadata:"];

/// The property with Syft's type of a package.
const TYPE_OF_SYFT: &str = "syft:package:type";

/// Trivy's name for the type of a package.
const PACKAGE_TYPE: &str = "PkgType";

/// The types of Go modules in Syft and Trivy.
const GO_MODULES: [&str; 3] = ["go-module", "gobinary", "gomod"];

/// The prefix of SPDX's `sourceInfo` with which Trivy names the source.
const BUILT_FROM: &str = "built package from:";

/// The prefix of SPDX's `sourceInfo` with which Syft says that it found a Go module.
const FOUND_IN_GO: &str = "acquired package info from go module information";

/// Collects an [`Origin`] from several fields.
#[derive(Debug, Default)]
pub(crate) struct OriginParts {
    source: String,
    version: String,
    release: String,
    source_epoch: String,
    file: String,
    module: String,
    epoch: String,
    vendor: Option<Vendor>,
    is_go_module: bool,
}

impl OriginParts {
    /// Adds a property if it is about the origin.
    pub(crate) fn take_property(this: &mut Option<Box<Self>>, name: &str, value: &str) {
        let name = name.trim();
        let key = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix));
        let key = key.or_else(|| (name == TYPE_OF_SYFT).then_some(PACKAGE_TYPE));
        if let Some(key) = key {
            Self::take(this, key, value);
        }
    }

    /// Adds a line such as `SrcName: openssl` from Trivy's comments.
    pub(crate) fn take_line(this: &mut Option<Box<Self>>, line: &str) {
        if let Some((key, value)) = line.split_once(':') {
            Self::take(this, key.trim(), value);
        }
    }

    /// Adds a text that names the source: `built package from: openssl 3.0.2-1`.
    pub(crate) fn take_source_info(this: &mut Option<Box<Self>>, text: &str) {
        if text.trim().starts_with(FOUND_IN_GO) {
            this.get_or_insert_default().is_go_module = true;
        }
        let Some(built_from) = text.trim().strip_prefix(BUILT_FROM) else {
            return;
        };
        let mut words = built_from.split_whitespace();
        if let Some(name) = words.next() {
            let parts = this.get_or_insert_default();
            name.clone_into(&mut parts.source);
            words.next().unwrap_or_default().clone_into(&mut parts.version);
        }
    }

    /// Adds the type of a package in Trivy or Syft, if it tells more than its URL.
    pub(crate) fn take_type(this: &mut Option<Box<Self>>, ty: &str) {
        if GO_MODULES.contains(&ty) {
            this.get_or_insert_default().is_go_module = true;
        }
    }

    /// Adds a field by its name in Trivy or Syft.
    pub(crate) fn take(this: &mut Option<Box<Self>>, key: &str, value: &str) {
        let value = value.trim();
        if value.is_empty() || value == "(none)" || value.contains("://") {
            return;
        }
        let mut take = |field: fn(&mut Self) -> &mut String, value: &str| {
            let field = field(this.get_or_insert_default());
            if field.is_empty() {
                value.clone_into(field);
            }
        };
        match key {
            "SrcName" | "originPackage" => take(|parts| &mut parts.source, value),
            // dpkg writes `name (version)` if the versions differ.
            "source" => match value.split_once(" (") {
                Some((name, version)) => {
                    take(|parts| &mut parts.source, name.trim());
                    take(|parts| &mut parts.version, version.trim_end_matches(')').trim());
                }
                None => take(|parts| &mut parts.source, value),
            },
            "sourceRpm" => {
                take(|parts| &mut parts.source, name_of_source_rpm(value));
                take(
                    |parts| &mut parts.file,
                    version_of_source_rpm(value).unwrap_or_default(),
                );
            }
            "SrcVersion" | "sourceVersion" => take(|parts| &mut parts.version, value),
            "SrcRelease" => take(|parts| &mut parts.release, value),
            "SrcEpoch" => take(|parts| &mut parts.source_epoch, value),
            "Modularitylabel" | "ModularityLabel" | "modularityLabel" => {
                take(|parts| &mut parts.module, value);
            }
            "epoch" => take(|parts| &mut parts.epoch, value),
            PACKAGE_TYPE => Self::take_type(this, value),
            "vendor" | "Vendor" => {
                if let Some(vendor) = Vendor::of(value) {
                    this.get_or_insert_default().vendor.get_or_insert(vendor);
                }
            }
            _ => {}
        }
    }

    /// Combines the data of several parts of a document: for each field the first value.
    pub(crate) fn finish_first<'a>(
        parts: impl IntoIterator<Item = &'a Option<Box<Self>>>,
    ) -> Option<Box<Origin>> {
        let mut parts = parts
            .into_iter()
            .filter_map(|parts| Self::finish(parts.as_deref()));
        let mut first = parts.next()?;
        for other in parts {
            if first.source.is_none() {
                (first.source, first.source_version, first.source_file) =
                    (other.source, other.source_version, other.source_file);
            }
            first.module = first.module.take().or(other.module);
            first.epoch = first.epoch.take().or(other.epoch);
            first.vendor = first.vendor.or(other.vendor);
            first.is_go_module |= other.is_go_module;
        }
        Some(first)
    }

    /// Returns the collected data, if any.
    pub(crate) fn finish(parts: Option<&Self>) -> Option<Box<Origin>> {
        let parts = parts?;
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let mut version = String::new();
        if !parts.version.is_empty() {
            if !parts.source_epoch.is_empty() && parts.source_epoch != "0" && !parts.version.contains(':') {
                version = format!("{}:", parts.source_epoch);
            }
            version.push_str(&parts.version);
            if !parts.release.is_empty() {
                version.push('-');
                version.push_str(&parts.release);
            }
        }
        Some(Box::new(Origin {
            source: some(&parts.source),
            source_version: some(&version),
            source_file: some(&parts.file),
            module: some(&parts.module),
            epoch: some(&parts.epoch),
            vendor: parts.vendor,
            is_go_module: parts.is_go_module,
        }))
    }
}

/// Returns `openssl` for `openssl-3.0.7-1.el9.src.rpm`; a text of another form is the name itself.
pub(crate) fn name_of_source_rpm(text: &str) -> &str {
    let name = stem_of_source_rpm(text).and_then(|nvr| nvr.rsplitn(3, '-').nth(2));
    name.unwrap_or(text)
}

/// Returns `3.0.7-1.el9` for `openssl-3.0.7-1.el9.src.rpm`; `None` for a text of another form.
pub(crate) fn version_of_source_rpm(text: &str) -> Option<&str> {
    let stem = stem_of_source_rpm(text)?;
    stem.strip_prefix(name_of_source_rpm(text))?.strip_prefix('-')
}

fn stem_of_source_rpm(text: &str) -> Option<&str> {
    let mut ends = [".src.rpm", ".nosrc.rpm"].iter();
    ends.find_map(|end| text.strip_suffix(end))
}

/// A list of properties (`name`, `value`), of which only those about the origin are kept. Properties of any form are
/// accepted: anybody may define them.
#[derive(Debug, Default)]
pub(crate) struct Properties(pub(crate) Option<Box<OriginParts>>);

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut found = None;
        let take = |Property { name, value }: Property<'de>| {
            OriginParts::take_property(&mut found, &name.0, &value.0);
        };
        deserializer.deserialize_any(Entries(take, PhantomData))?;
        Ok(Self(found))
    }
}

/// One property; empty if its form is unknown.
#[derive(Default)]
struct Property<'a> {
    name: AnyText<'a>,
    value: AnyText<'a>,
}

impl<'de> Deserialize<'de> for Property<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut property = Self::default();
        deserializer.deserialize_any(Fields(|key: &str, value: AnyText<'de>| match key {
            "name" => property.name = value,
            "value" => property.value = value,
            _ => {}
        }))?;
        Ok(property)
    }
}

/// Syft's own metadata of a package.
#[derive(Debug, Default)]
pub(crate) struct SyftMetadata(pub(crate) Option<Box<OriginParts>>);

impl<'de> Deserialize<'de> for SyftMetadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut found = None;
        deserializer.deserialize_any(Fields(|key: &str, value: AnyText<'de>| {
            OriginParts::take(&mut found, key, &value.0);
        }))?;
        Ok(Self(found))
    }
}

/// SPDX's `sourceInfo`; kept only if it names a source.
#[derive(Debug, Default)]
pub(crate) struct SourceInfo(pub(crate) Option<Box<OriginParts>>);

impl<'de> Deserialize<'de> for SourceInfo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = AnyText::deserialize(deserializer)?;
        let mut found = None;
        OriginParts::take_source_info(&mut found, &text.0);
        Ok(Self(found))
    }
}

/// Lines such as `SrcName: openssl`, as texts of a list or as comments of its annotations.
#[derive(Debug, Default)]
pub(crate) struct Remarks(pub(crate) Option<Box<OriginParts>>);

impl<'de> Deserialize<'de> for Remarks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut found = None;
        let take = |Remark(text): Remark<'de>| OriginParts::take_line(&mut found, &text);
        deserializer.deserialize_any(Entries(take, PhantomData))?;
        Ok(Self(found))
    }
}

/// A text, or an annotation's comment; anything else is empty.
struct Remark<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Remark<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Remark<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or an annotation")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Remark<'de>, E> {
                Ok(Remark(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Remark<'de>, E> {
                Ok(Remark(Cow::Owned(text.to_owned())))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Remark<'de>, A::Error> {
                let mut comment = Cow::Borrowed("");
                while let Some((AnyText(key), value)) = map.next_entry::<AnyText<'de>, AnyText<'de>>()? {
                    if key == "comment" {
                        comment = value.0;
                    }
                }
                Ok(Remark(comment))
            }

            pass_over!(Remark(Cow::Borrowed("")); unit scalars list);
        }
        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(properties: &str) -> Option<Box<Origin>> {
        let read: Properties = serde_json::from_str(properties).unwrap();
        OriginParts::finish(read.0.as_deref())
    }

    #[test]
    fn properties_of_trivy_and_syft_name_the_source() {
        let trivy = of(r#"[{"name":"aquasecurity:trivy:SrcName","value":"foo"},
            {"name":"aquasecurity:trivy:SrcVersion","value":"1.2.3"},{"name":"aquasecurity:trivy:SrcRelease","value":"1"},
            {"name":"aquasecurity:trivy:SrcEpoch","value":2},{"name":"aquasecurity:trivy:Modularitylabel","value":"foo:1:2:3"}]"#);
        assert_eq!(
            trivy.as_deref(),
            Some(&Origin {
                source: Some("foo".into()),
                source_version: Some("2:1.2.3-1".into()),
                source_file: None,
                module: Some("foo:1:2:3".into()),
                epoch: None,
                vendor: None,
                is_go_module: false,
            })
        );
        for (syft, source) in [
            (
                r#"[{"name":"syft:metadata:originPackage","value":"foo"}]"#,
                Some("foo"),
            ),
            (
                r#"[{"name":"syft:metadata:sourceRpm","value":"foo-bar-1-2.el9.src.rpm"}]"#,
                Some("foo-bar"),
            ),
            (
                r#"[{"name":"syft:metadata:source","value":"foo (1.0)"}]"#,
                Some("foo"),
            ),
            (
                r#"[{"name":"syft:metadata:source","value":"registry+https://x"}]"#,
                None,
            ),
            (r#"[{"name":"syft:metadata:sourceRpm","value":"(none)"}]"#, None),
            (r#"[{"name":"other:SrcName","value":"foo"}]"#, None),
        ] {
            let found = of(syft);
            let found = found.as_deref().and_then(|origin| origin.source.as_deref());
            assert_eq!(found, source, "{syft}");
        }
    }

    #[test]
    fn type_of_a_package_tells_modules_of_go() {
        for (properties, expected) in [
            (r#"[{"name":"syft:package:type","value":"go-module"}]"#, true),
            (
                r#"[{"name":"aquasecurity:trivy:PkgType","value":"gobinary"}]"#,
                true,
            ),
            (r#"[{"name":"aquasecurity:trivy:PkgType","value":"gomod"}]"#, true),
            (r#"[{"name":"syft:package:type","value":"rpm"}]"#, false),
            (r#"[{"name":"type","value":"go-module"}]"#, false),
        ] {
            let found = of(properties).is_some_and(|origin| origin.is_go_module);
            assert_eq!(found, expected, "{properties}");
        }
    }

    #[test]
    fn properties_of_any_form_are_accepted() {
        for shape in [
            "null",
            "{}",
            "3",
            "\"x\"",
            "true",
            "[1,null,[],{\"name\":{}}]",
            "-1.5",
        ] {
            assert_eq!(of(shape), None, "{shape}");
        }
        let mixed = of(r#"[{"value":[1]},{"name":"aquasecurity:trivy:SrcName","value":"foo"},7]"#);
        assert_eq!(mixed.unwrap().source.as_deref(), Some("foo"));
    }

    #[test]
    fn source_info_is_read_in_one_form_only() {
        let info = |text: &str| {
            let mut parts = None;
            OriginParts::take_source_info(&mut parts, text);
            OriginParts::finish(parts.as_deref()).map(|o| (o.source, o.source_version))
        };
        assert_eq!(
            info("built package from: foo 1:1.2-3"),
            Some((Some("foo".into()), Some("1:1.2-3".into())))
        );
        assert_eq!(info("built package from: foo"), Some((Some("foo".into()), None)));
        assert_eq!(
            info("acquired package info from DPKG DB: /var/lib/dpkg/status"),
            None
        );
        assert_eq!(info("built package from:"), None);
    }
}
