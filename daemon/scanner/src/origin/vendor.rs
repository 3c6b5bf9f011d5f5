//! The vendor of a distribution's package, as RPM has it: it tells packages of EPEL from those of their host.

use serde::{Deserialize, Deserializer};

use super::Origin;
use crate::lenient::{AnyText, Fields};

/// The vendor of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vendor {
    /// The Fedora Project, of which EPEL is part.
    Fedora,
    /// Red Hat or a maker of its system that builds no packages of EPEL: the package is the host's own.
    EnterpriseLinux,
}

/// The beginnings of these makers' names. AlmaLinux and Oracle rebuild packages of EPEL under their own names.
const MAKERS: [&str; 3] = ["centos", "red hat", "rocky"];

impl Vendor {
    /// Returns the vendor with this name; SPDX writes `Organization: ` before it.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let name = name.trim();
        let name = name.strip_prefix("Organization:").unwrap_or(name).trim_start();
        let lower = name.get(..16).unwrap_or(name).to_ascii_lowercase();
        if lower.starts_with("fedora project") || lower.starts_with("fedoraproject") {
            Some(Self::Fedora)
        } else if MAKERS.iter().any(|maker| lower.starts_with(maker)) {
            Some(Self::EnterpriseLinux)
        } else {
            None
        }
    }

    /// Returns its stable name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Fedora => "fedora",
            Self::EnterpriseLinux => "enterprise-linux",
        }
    }
}

/// Adds the vendor to a package's origin, unless that has one. A supplier may be whoever hands the whole system on, so it
/// does not show that a package is the host's own.
pub(crate) fn with_vendor(
    origin: Option<Box<Origin>>,
    publisher: Option<Vendor>,
    supplier: Option<Vendor>,
) -> Option<Box<Origin>> {
    let by_supplier = supplier.filter(|vendor| *vendor == Vendor::Fedora);
    let Some(vendor) = publisher.or(by_supplier) else {
        return origin;
    };
    let mut origin = origin.unwrap_or_default();
    origin.vendor.get_or_insert(vendor);
    Some(origin)
}

/// A field with a vendor's name; any other value is ignored.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StatedVendor(pub(crate) Option<Vendor>);

impl<'de> Deserialize<'de> for StatedVendor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let AnyText(name) = AnyText::deserialize(deserializer)?;
        Ok(Self(Vendor::of(&name)))
    }
}

/// A field with a vendor as an organisation, with its name; any other value is ignored.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StatedOrganisation(pub(crate) Option<Vendor>);

impl<'de> Deserialize<'de> for StatedOrganisation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut found = Self::default();
        deserializer.deserialize_any(Fields(|key: &str, AnyText(name): AnyText<'de>| {
            if key == "name" {
                found.0 = Vendor::of(&name);
            }
        }))?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendor_is_recognised_by_its_rpm_names() {
        for (name, vendor) in [
            ("Fedora Project", Some(Vendor::Fedora)),
            (" Organization: Fedora Project", Some(Vendor::Fedora)),
            (
                "Red Hat, Inc. <http://bugzilla.redhat.com/bugzilla>",
                Some(Vendor::EnterpriseLinux),
            ),
            ("CentOS", Some(Vendor::EnterpriseLinux)),
            (
                "Rocky Enterprise Software Foundation",
                Some(Vendor::EnterpriseLinux),
            ),
            ("AlmaLinux", None),
            ("Oracle America", None),
            ("Remi Collet", None),
            ("Fedora Copr - user", None),
            ("", None),
            ("\u{fedc}\u{fedc}\u{fedc}\u{fedc}\u{fedc}\u{fedc}", None),
        ] {
            assert_eq!(Vendor::of(name), vendor, "{name}");
        }
    }

    #[test]
    fn supplier_shows_only_what_is_not_the_hosts_own() {
        let of = |publisher, supplier| {
            let origin = with_vendor(None, Vendor::of(publisher), Vendor::of(supplier));
            origin.and_then(|origin| origin.vendor)
        };
        assert_eq!(of("Fedora Project", ""), Some(Vendor::Fedora));
        assert_eq!(of("", "Fedora Project"), Some(Vendor::Fedora));
        assert_eq!(of("", "Red Hat"), None);
        assert_eq!(of("Red Hat", "Fedora Project"), Some(Vendor::EnterpriseLinux));
    }

    #[test]
    fn vendor_of_any_form_is_accepted() {
        let texts = [
            "null",
            "7",
            "[]",
            "{\"name\":{}}",
            "[{\"name\":\"Fedora Project\"}]",
        ];
        for shape in texts {
            let stated: StatedVendor = serde_json::from_str(shape).unwrap();
            let organisation: StatedOrganisation = serde_json::from_str(shape).unwrap();
            assert_eq!((stated.0, organisation.0), (None, None), "{shape}");
        }
        let named: StatedOrganisation = serde_json::from_str("{\"name\":\"Fedora Project\"}").unwrap();
        assert_eq!(named.0, Some(Vendor::Fedora));
    }
}
