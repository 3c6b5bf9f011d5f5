//! The open elements of a document, and the fields of a component while they are read.

use super::super::super::{ComponentKind, Place};
use super::super::strict;
use crate::origin::{OriginParts, Vendor};

/// An open element, as far as it is relevant.
pub(super) enum Frame {
    Bom,
    Metadata,
    Components,
    /// A component; it is added when it closes, at the place where it opened.
    Component {
        raw: Box<Fields>,
        kind: ComponentKind,
        place: Place,
        slot: usize,
    },
    /// A field of the component on the stack.
    Field(Field),
    /// The properties of the component on the stack.
    Properties,
    /// The supplier of the component on the stack.
    Supplier,
    /// What the component on the stack is made from: its pedigree, the list in it, and an entry of that.
    Pedigree,
    Ancestors,
    Ancestor,
    /// A text about it.
    About {
        text: String,
        what: About,
    },
    /// One property, by its name.
    Property {
        name: String,
        value: String,
    },
    /// A text that is checked at its end, and its start position.
    Checked {
        check: Check,
        text: String,
        place: Place,
    },
    /// A list of licences or one expression.
    Licenses {
        licenses: usize,
        expressions: usize,
        place: Place,
    },
    /// A licence, by id or name.
    License {
        ids: usize,
        names: usize,
        place: Place,
    },
    /// A composition's statement about its completeness, and its start position.
    Aggregate {
        text: String,
        place: Place,
    },
    /// Any other element, with its content.
    Other,
}

/// The meaning of a text about a component.
#[derive(Clone, Copy)]
pub(super) enum About {
    Publisher,
    Supplier,
    /// The package URL of what it is made from.
    Ancestor,
}

#[derive(Clone, Copy)]
pub(super) enum Field {
    Group,
    Name,
    Version,
    VersionRange,
    Purl,
    Cpe,
}

/// A component's fields while they are read.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) kind: String,
    pub(super) group: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) version_range: String,
    pub(super) purl: String,
    pub(super) cpe: String,
    pub(super) publisher: Option<Vendor>,
    pub(super) supplier: Option<Vendor>,
    pub(super) ancestor: Option<String>,
    pub(super) origin: Option<Box<OriginParts>>,
}

impl Fields {
    pub(super) fn text_of(&self, field: Field) -> &str {
        match field {
            Field::Group => &self.group,
            Field::Name => &self.name,
            Field::Version => &self.version,
            Field::VersionRange => &self.version_range,
            Field::Purl => &self.purl,
            Field::Cpe => &self.cpe,
        }
    }

    pub(super) fn text_mut(&mut self, field: Field) -> &mut String {
        match field {
            Field::Group => &mut self.group,
            Field::Name => &mut self.name,
            Field::Version => &mut self.version,
            Field::VersionRange => &mut self.version_range,
            Field::Purl => &mut self.purl,
            Field::Cpe => &mut self.cpe,
        }
    }
}

impl Frame {
    /// Returns the frame of an element in a component.
    pub(super) fn of_component(name: &str, place: &Place) -> Self {
        match name {
            "components" => Self::Components,
            "group" => Self::Field(Field::Group),
            "name" => Self::Field(Field::Name),
            "version" => Self::Field(Field::Version),
            "versionRange" => Self::Field(Field::VersionRange),
            "purl" => Self::Field(Field::Purl),
            "cpe" => Self::Field(Field::Cpe),
            "properties" => Self::Properties,
            "publisher" => Self::about(About::Publisher),
            "pedigree" => Self::Pedigree,
            "supplier" => Self::Supplier,
            "scope" => Self::checked(strict::scope, place),
            "hash" => Self::checked(strict::hash_content, place),
            "licenses" => Self::licenses(place),
            _ => Self::Other,
        }
    }

    pub(super) fn about(what: About) -> Self {
        Self::About {
            text: String::new(),
            what,
        }
    }

    pub(super) fn licenses(place: &Place) -> Self {
        Self::Licenses {
            licenses: 0,
            expressions: 0,
            place: place.clone(),
        }
    }

    pub(super) fn checked(check: Check, place: &Place) -> Self {
        Self::Checked {
            check,
            text: String::new(),
            place: place.clone(),
        }
    }
}

/// The check of an attribute's value.
pub(super) type Check = fn(&str) -> Result<(), String>;
