//! Reads the file, and lays environment variables and flags over it.

use std::collections::BTreeMap;
use std::path::Path;

use starling_api_types::wording;

use super::{CONFIG_FORMAT, Config, ConfigError, FeedEntry, KEYS, Key, feed_edit, feeds, place};
use crate::small_file;

/// Letters up to which a key counts as misspelt.
const MISSPELT_WITHIN: usize = 3;

impl Config {
    /// Reads a file, then lays environment variables and flags over it.
    ///
    /// A file that is missing, empty or cut off is refused: without it a site would judge by no policy, and say nothing
    /// of that. `environment` is what `std::env::vars` gives.
    ///
    /// # Errors
    /// [`ConfigError`] with the line of a wrong key or value.
    pub fn load(
        path: &Path,
        environment: impl Iterator<Item = (String, String)>,
        overrides: &Overrides,
    ) -> Result<Self, ConfigError> {
        let text = match small_file::read_text(path, small_file::MAX_CONFIG_BYTES) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(ConfigError::File {
                    path: path.to_owned(),
                    problem: format!("it is missing, and {PUT_BACK}"),
                });
            }
            Err(source) => {
                return Err(ConfigError::Read {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        let file_error = |problem: String| ConfigError::File {
            path: path.to_owned(),
            problem,
        };
        // Read as a whole first: only this way does an error carry its line.
        let read: Self = toml::from_str(&text).map_err(|error| file_error(toml_fault(&text, &error)))?;
        read.check().map_err(|(key, problem)| {
            let line = place::line_of(&text, key).map_or_else(String::new, |line| format!("line {line}: "));
            file_error(format!("{line}{key}: {problem}"))
        })?;
        feeds::check(&read.feeds).map_err(|fault| file_error(feed_problem(&text, &read.feeds, &fault)))?;
        let mut table: toml::Table =
            toml::from_str(&text).map_err(|error| file_error(toml_fault(&text, &error)))?;
        check_whole(&table).map_err(&file_error)?;
        let mut settings = environment_settings(environment)?;
        let flags = overrides.settings.iter();
        settings
            .extend(flags.map(|(key, value)| (key.clone(), value.clone(), "the command line".to_owned())));
        lay_over(&mut table, settings)?;
        table
            .try_into()
            .map_err(|error: toml::de::Error| file_error(wording::sentence(error.message())))
    }

    /// Returns the variables that set keys, after checking their names and values. `environment` is what
    /// `std::env::vars` gives.
    ///
    /// # Errors
    /// [`ConfigError::Setting`].
    pub fn variables(
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Vec<SettingVariable>, ConfigError> {
        let settings = environment_settings(environment)?;
        lay_over(&mut toml::Table::new(), settings.clone())?;
        let variable = |key: &str| KEYS.iter().find(|known| known.name == key).map(Key::variable);
        let found = settings.into_iter().filter_map(|(key, value, _)| {
            let variable = variable(&key)?;
            Some(SettingVariable { key, variable, value })
        });
        Ok(found.collect())
    }
}

/// An environment variable that sets a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingVariable {
    /// The dotted key.
    pub key: String,
    /// The variable's name.
    pub variable: String,
    /// Its value.
    pub value: String,
}

/// Says that a key is unknown, and which one was probably meant.
fn no_such_key(key: &str) -> String {
    let bound = |known: &str| MISSPELT_WITHIN.min(known.len().div_ceil(3));
    let meant = wording::nearest_within(key, KEYS.iter().map(|known| known.name), bound);
    let meant = meant.map_or_else(|| ";".to_owned(), |meant| format!(": did you mean {meant}?"));
    format!("there is no such key{meant} `docs/operations/configuration.md` lists them all")
}

/// Sets keys in a table, one after the other, and checks the configuration after each.
fn lay_over(table: &mut toml::Table, settings: Vec<Setting>) -> Result<(), ConfigError> {
    for (key, value, origin) in settings {
        let refuse = |problem: String| ConfigError::Setting {
            key: key.clone(),
            origin: origin.clone(),
            problem,
        };
        if !KEYS.iter().any(|known| known.name == key) && !key.starts_with("log.modules.") {
            return Err(refuse(no_such_key(&key)));
        }
        overlay(table, &key, &value, &refuse)?;
        let merged: Config = table
            .clone()
            .try_into()
            .map_err(|error: toml::de::Error| refuse(wording::sentence(error.message())))?;
        merged.check().map_err(|(_, problem)| refuse(problem))?;
    }
    Ok(())
}

/// Returns what is wrong in a configuration's text, with line, column and key.
pub(crate) fn toml_fault(text: &str, error: &toml::de::Error) -> String {
    let place = error.span().map(|span| wording::place_of(text, span.start));
    wording::in_text(text, place, error.message())
}

/// Settings that lie over the file: flags.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Dotted keys with their values as TOML, or as plain text where a text is wanted.
    pub settings: Vec<(String, String)>,
}

/// The beginning of variables that decide what fails a scan.
const GATES_PREFIX: &str = "STARLING_SCAN_";

/// The variable with which users may try to set feeds.
const FEEDS_VARIABLE: &str = "STARLING_FEEDS";

/// Says which feed of a file is wrong, with its line.
fn feed_problem(text: &str, feeds: &[FeedEntry], fault: &feeds::FeedFault) -> String {
    let line = feed_edit::line_of(text, fault.index, fault.key)
        .map_or_else(String::new, |line| format!("line {line}: "));
    let name = feeds
        .get(fault.index)
        .map_or_else(String::new, |feed| format!("{}: ", feed.name));
    let key = fault.key.map_or_else(String::new, |key| format!("{key}: "));
    format!("{line}feeds: {name}{key}{}", fault.problem)
}

/// A key with its value and the origin of the value.
type Setting = (String, String, String);

/// Finds the keys that variables set.
fn environment_settings(
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Vec<Setting>, ConfigError> {
    let mut settings = Vec::new();
    let known: BTreeMap<String, &Key> = KEYS.iter().map(|key| (key.variable(), key)).collect();
    for (variable, value) in environment {
        if variable == FEEDS_VARIABLE {
            return Err(ConfigError::Setting {
                key: "feeds".to_owned(),
                origin: format!("the environment variable {variable}"),
                problem:
                    "a list of feeds cannot be given by a variable: write [[feeds]] in starling.toml, or use \
                          `starling feeds add`"
                        .to_owned(),
            });
        }
        if let Some(meant) = place::misspelt(&variable) {
            return Err(ConfigError::Setting {
                key: meant.name.to_owned(),
                origin: format!("the environment variable {variable}"),
                problem: format!("there is no such variable; {} is one", meant.variable()),
            });
        }
        if let Some(problem) = gate_in_vain(&variable, &known) {
            return Err(ConfigError::Setting {
                key: "scan".to_owned(),
                origin: format!("the environment variable {variable}"),
                problem,
            });
        }
        if let Some(key) = known.get(&variable) {
            settings.push((
                key.name.to_owned(),
                value,
                format!("the environment variable {variable}"),
            ));
        }
    }
    Ok(settings)
}

/// Returns what is wrong with a variable that looks like a gate of scans and sets none: a build would pass in silence.
fn gate_in_vain(variable: &str, known: &BTreeMap<String, &Key>) -> Option<String> {
    if known.contains_key(variable) {
        return None;
    }
    if variable.starts_with(GATES_PREFIX) {
        let names: Vec<&str> = known.keys().map(String::as_str).collect();
        let gates = names.into_iter().filter(|name| name.starts_with(GATES_PREFIX));
        let gates: Vec<&str> = gates.collect();
        return Some(format!(
            "there is no such variable; these are: {}",
            gates.join(", ")
        ));
    }
    let gate = format!("{GATES_PREFIX}{}", variable.strip_prefix("STARLING_")?);
    known
        .contains_key(&gate)
        .then(|| format!("there is no such variable; {gate} is one"))
}

/// The advice about a missing file.
const PUT_BACK: &str = "without it nobody knows what this site was told to do: put it back, or write one (docs/operations/configuration.md has every key)";

/// Refuses a file that says nothing, or that lacks the end that it says it has.
fn check_whole(table: &toml::Table) -> Result<(), String> {
    if table.is_empty() {
        return Err(format!("it is empty, and {PUT_BACK}"));
    }
    match table.get("format").and_then(toml::Value::as_integer) {
        None => Ok(()),
        Some(found) if found != i64::from(CONFIG_FORMAT) => Err(format!(
            "its format is {found}, and this build reads {CONFIG_FORMAT}"
        )),
        Some(_) if table.contains_key("end") => Ok(()),
        Some(_) => Err(format!(
            "it does not end with `[end]`, so it was cut off, and {PUT_BACK}"
        )),
    }
}

/// Sets one dotted key in a table.
fn overlay(
    table: &mut toml::Table,
    key: &str,
    value: &str,
    refuse: &dyn Fn(String) -> ConfigError,
) -> Result<(), ConfigError> {
    // A value is read as TOML; what is no TOML is a text: `info` need not be written `"info"`.
    let value = match format!("value = {value}").parse::<toml::Table>() {
        Ok(mut parsed) => parsed
            .remove("value")
            .unwrap_or_else(|| toml::Value::String(value.to_owned())),
        Err(_) => toml::Value::String(value.to_owned()),
    };
    let parts: Vec<&str> = key.split('.').collect();
    let Some((last, sections)) = parts.split_last() else {
        return Ok(());
    };
    let mut section = table;
    for part in sections {
        let entry = section
            .entry((*part).to_owned())
            .or_insert_with(|| toml::Value::Table(toml::Table::new()));
        section = match entry {
            toml::Value::Table(table) => table,
            _ => return Err(refuse(format!("{part} is not a section"))),
        };
    }
    section.insert((*last).to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_key_is_answered_with_the_one_that_was_meant() {
        assert!(no_such_key("scan.fail_onn").starts_with("there is no such key: did you mean scan.fail_on?"));
        assert!(!no_such_key("colour").contains("did you mean"));
    }
}
