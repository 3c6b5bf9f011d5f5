//! Lockfiles as inventories: a project's resolved packages, without an SBOM generator.
//!
//! A lockfile has its tool's own format, so each reader only accepts the form that the tool writes. Packages without
//! a registry (local paths, workspace members) become components without package URL.

mod json;
mod lines;
mod node;
mod toml;

use super::collect::Collector;
use super::{Format, Inventory, Lockfile, SbomError};

pub(super) use json::without_trailing_commas;
pub(super) use lines::{is_location, without_comment};
pub(super) use toml::is_python as toml_is_python;

pub(super) fn read(kind: Lockfile, text: &str) -> Result<Inventory, SbomError> {
    let mut collector = Collector::default();
    let format = Format::Lockfile(kind);
    let read = match kind {
        Lockfile::Cargo => toml::read_cargo(text, &mut collector),
        Lockfile::PyLock => toml::read_pylock(text, &mut collector),
        Lockfile::Bun => json::read_bun(text, &mut collector),
        Lockfile::Conan => json::read_conan(text, &mut collector),
        Lockfile::Swift => json::read_swift(text, &mut collector),
        Lockfile::Pods => lines::read_pods(text, &mut collector),
        Lockfile::PythonToml => toml::read_python(text, &mut collector),
        Lockfile::Npm => json::read_npm(text, &mut collector),
        Lockfile::Pipfile => json::read_pipfile(text, &mut collector),
        Lockfile::Composer => json::read_composer(text, &mut collector),
        Lockfile::NuGet => json::read_nuget(text, &mut collector),
        Lockfile::Yarn => node::read_yarn(text, &mut collector),
        Lockfile::Pnpm => node::read_pnpm(text, &mut collector),
        Lockfile::Requirements => lines::read_requirements(text, &mut collector),
        Lockfile::GoMod => lines::read_go_mod(text, &mut collector),
        Lockfile::GoSum => lines::read_go_sum(text, &mut collector),
        Lockfile::Bundler => lines::read_bundler(text, &mut collector),
        Lockfile::Gradle => lines::read_gradle(text, &mut collector),
        Lockfile::Mix => lines::read_mix(text, &mut collector),
        Lockfile::Pub => lines::read_pub(text, &mut collector),
    };
    let spec_version = read.map_err(|(place, reason)| SbomError::Invalid {
        format,
        place,
        reason,
    })?;
    collector.finish(format, &spec_version, "")
}

#[cfg(test)]
mod tests;
