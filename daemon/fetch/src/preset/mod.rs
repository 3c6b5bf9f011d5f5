//! Presets: the sources whose plans are known.

mod distributions;
mod ecosystems;
mod general;
mod make;
mod table;
#[cfg(test)]
mod tests;

use crate::error::PlanError;
use crate::plan::Plan;

use make::Ask;

/// A source whose plan is known.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Preset {
    /// Its name, as `feeds add` takes it.
    pub name: &'static str,
    /// The kind of its documents, as `--kind` takes it.
    pub kind: &'static str,
    /// The source that its records belong to, unless the operator names another.
    pub source: &'static str,
    /// A short description.
    pub title: &'static str,
    /// The default schedule: a span such as `2h`.
    pub schedule: &'static str,
    /// Its address, or a description of the address that the operator has to give.
    pub address: &'static str,
    /// The way to reach it.
    pub access: Access,
    /// The meaning of the parameter, if it has one.
    pub parameter: Option<&'static str>,
    /// The licence of the data, in a few words; "not stated" if the source says none.
    pub licence: &'static str,
    /// Notes for operators: limits, keys, and what is not verified.
    pub notes: &'static str,
    make: fn(&Ask<'_>) -> Result<Plan, PlanError>,
}

/// The way to reach a preset's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// By anyone.
    Open,
    /// By anyone, and faster with a key.
    KeyHelps,
    /// With a key alone.
    KeyNeeded,
    /// The operator has to give the address of a provider.
    AddressNeeded,
    /// Only after a login by a person: from a local folder.
    LocalOnly,
}

/// Returns every preset, sorted by name.
#[must_use]
pub fn presets() -> &'static [Preset] {
    &table::PRESETS
}

/// Finds a preset by its name.
#[must_use]
pub fn preset(name: &str) -> Option<&'static Preset> {
    presets().iter().find(|preset| preset.name == name)
}

/// Finds the preset whose document has the name that an address ends in, such as that of the catalogue of exploited
/// vulnerabilities. Names that several sources give are of none.
#[must_use]
pub fn preset_of_file(address: &str) -> Option<&'static Preset> {
    let last = |address: &str| {
        let path = address.split(['?', '#']).next().unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase()
    };
    let name = last(address);
    let mut same = presets().iter().filter(|preset| last(preset.address) == name);
    let found = same.next().filter(|_| name.contains('.'))?;
    same.next().is_none().then_some(found)
}

impl Preset {
    /// Makes the plan of the preset.
    ///
    /// `address` replaces the default base address, for a mirror or a local folder that is laid out as the source is
    /// (`docs/sources` says how). A local folder in any other layout is read by [`Plan::of_address`].
    /// `parameter` chooses a part of the source, such as an ecosystem.
    ///
    /// # Errors
    /// If the address cannot be fetched, or is missing where one is needed, or the parameter is not taken.
    pub fn plan(&self, address: Option<&str>, parameter: Option<&str>) -> Result<Plan, PlanError> {
        let parameter = parameter.map(str::trim).filter(|parameter| !parameter.is_empty());
        let ask = Ask::new(self, address, parameter)?;
        if parameter.is_some() && self.parameter.is_none() {
            return Err(ask.wrong("it takes none"));
        }
        (self.make)(&ask)
    }
}
