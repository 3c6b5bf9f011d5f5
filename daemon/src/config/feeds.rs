//! `[[feeds]]`: what the site fetches by itself, as the file has it, checked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use starling_api_types::{FeedName, wording};
use starling_feeds::connectors::Kind;
use starling_fetch::{Plan, Preset, ProxySettings, Settings};
use starling_protocol::{OfferInput, Source};
use starling_scanner::ecosystem::ECOSYSTEMS;

/// Shortest schedule: what is asked for more often is taken for an attack by most sources.
const MIN_SCHEDULE: Duration = Duration::from_secs(60);
/// Schedule of a feed that is no preset's.
const DEFAULT_SCHEDULE: &str = "1d";
/// Most feeds of a site.
const MAX_FEEDS: usize = 1_000;
/// The preset whose parameter lists ecosystems.
const OSV_PRESET: &str = "osv";
/// OSV.dev's name for records that only name commits.
const COMMITS: &str = "GIT";
/// Letters up to which an ecosystem's name counts as misspelt.
const MISSPELT_WITHIN: usize = 2;
/// The value of `proxy` for no proxy.
const NO_PROXY: &str = "none";

/// One feed as the configuration has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedEntry {
    /// Its name, unlike that of every other feed.
    pub name: FeedName,
    /// The preset that it follows; without one, `address` and `source` are needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Where it is fetched from: an address or a path. With a preset, a mirror or a folder in place of its own address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The source that its records are of; by default the preset's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The kind of its documents; by default the preset's, else each document's shape shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// How often it is fetched: a span such as `2h`; by default the preset's, else a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// What of the source is fetched, such as an ecosystem of `osv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// File with the key of the source's interface, absolute or in the site's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_file: Option<PathBuf>,
    /// Address of the proxy, or `none`; by default as the environment says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// File with certificates to trust besides the system's, absolute or in the site's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// True if a fetch of the whole source makes absent what is missing from it.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub complete: bool,
    /// True if the daemon fetches it.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub enabled: bool,
    /// True if one site of the federation fetches it for all that offer to.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub share_fetch: bool,
}

const fn yes() -> bool {
    true
}

// Serde passes a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
const fn is_yes(value: &bool) -> bool {
    *value
}

/// A feed that was checked: everything that running it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FeedSpec {
    pub(crate) entry: FeedEntry,
    pub(crate) source: Source,
    pub(crate) kind: Option<String>,
    pub(crate) every: Duration,
    pub(crate) schedule: String,
    pub(crate) plan: Plan,
}

/// A wrong value of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FeedFault {
    /// The index of the feed in the file, from 0.
    pub(crate) index: usize,
    /// The key, or none for the feed as a whole.
    pub(crate) key: Option<&'static str>,
    /// The error, and the expected value.
    pub(crate) problem: String,
}

impl FeedEntry {
    /// Checks the feed by itself.
    ///
    /// # Errors
    /// The key that is wrong, and why.
    pub(crate) fn spec(&self) -> Result<FeedSpec, (Option<&'static str>, String)> {
        let preset = self.preset()?;
        let source = match (&self.source, preset) {
            (Some(source), _) => source.clone(),
            (None, Some(preset)) => preset
                .source
                .parse::<Source>()
                .map_err(|error| (Some("preset"), format!("its source cannot be used: {error}")))?,
            (None, None) => {
                let problem = "without a preset, `source` must name the source that the records are of";
                return Err((None, problem.to_owned()));
            }
        };
        if let Some(kind) = &self.kind
            && let Err(error) = kind.parse::<Kind>()
        {
            return Err((Some("kind"), error.to_string()));
        }
        let schedule = self.schedule.clone().unwrap_or_else(|| {
            preset
                .map_or(DEFAULT_SCHEDULE, |preset| preset.schedule)
                .to_owned()
        });
        let every = starling_policy::units::parse_span(&schedule)
            .map_err(|error| (Some("schedule"), error.to_string()))?;
        let every = Duration::from_secs(every);
        if every < MIN_SCHEDULE {
            let problem = format!("must be at least {}s, got {schedule:?}", MIN_SCHEDULE.as_secs());
            return Err((Some("schedule"), problem));
        }
        if let Some(address) = &self.address
            && has_user(address)
        {
            let problem = "it holds a user name or a password, which would be shown: put the key into a file that `api_key_file` names";
            return Err((Some("address"), problem.to_owned()));
        }
        if let Some(proxy) = self.proxy.as_deref().filter(|proxy| *proxy != NO_PROXY)
            && !is_proxy(proxy)
        {
            let problem =
                format!("must be http://HOST:PORT, socks5://HOST:PORT or {NO_PROXY:?}, which it is not");
            return Err((Some("proxy"), problem));
        }
        let plan = self.plan(preset)?;
        Ok(FeedSpec {
            kind: self.kind.clone().or_else(|| plan.kind().map(str::to_owned)),
            entry: self.clone(),
            source,
            every,
            schedule,
            plan,
        })
    }

    /// Says which name in the parameter is not an ecosystem that this version knows, and which was meant: for a misspelt
    /// one there is nothing to fetch. OSV.dev may have newer ones, so such a feed is refused only when it is added.
    pub(crate) fn unknown_ecosystem(&self) -> Option<String> {
        if self.preset.as_deref() != Some(OSV_PRESET) {
            return None;
        }
        let names = self
            .parameter
            .as_deref()
            .unwrap_or_default()
            .split(',')
            .map(str::trim);
        let known = ECOSYSTEMS.iter().map(|ecosystem| ecosystem.name);
        let is_known = |name: &str| name == COMMITS || known.clone().any(|known| known == name);
        let unknown = names
            .filter(|name| !name.is_empty())
            .find(|name| !is_known(name))?;
        let meant = match wording::nearest_within(unknown, known.clone(), |_| MISSPELT_WITHIN) {
            Some(meant) => format!("did you mean {meant}?"),
            None => "docs/ecosystems.md lists them, and without a parameter all are fetched".to_owned(),
        };
        Some(format!("{unknown:?} is not an ecosystem of OSV.dev: {meant}"))
    }

    fn preset(&self) -> Result<Option<&'static Preset>, (Option<&'static str>, String)> {
        let Some(name) = &self.preset else {
            return Ok(None);
        };
        match starling_fetch::preset(name) {
            Some(preset) => Ok(Some(preset)),
            None => {
                let names = starling_fetch::presets().iter().map(|preset| preset.name);
                let meant = wording::nearest(name, names)
                    .map_or_else(String::new, |near| format!(": did you mean {near}?"));
                let end = if meant.is_empty() { ";" } else { "" };
                let problem = format!(
                    "there is no preset {name:?}{meant}{end} `starling feeds presets` lists them all"
                );
                Err((Some("preset"), problem))
            }
        }
    }

    fn plan(&self, preset: Option<&'static Preset>) -> Result<Plan, (Option<&'static str>, String)> {
        let address = self.address.as_deref();
        let planned = match (preset, address) {
            (Some(preset), address) => preset.plan(address, self.parameter.as_deref()),
            (None, Some(address)) => {
                if self.parameter.is_some() {
                    let problem = "only presets take a parameter";
                    return Err((Some("parameter"), problem.to_owned()));
                }
                Plan::of_address(self.kind.as_deref(), address)
            }
            (None, None) => {
                let problem = "`preset` or `address` must say what to fetch";
                return Err((None, problem.to_owned()));
            }
        };
        planned.map_err(|error| {
            let key = match &error {
                starling_fetch::PlanError::Parameter { .. } => Some("parameter"),
                starling_fetch::PlanError::Kind(_) => Some("kind"),
                _ if self.address.is_some() => Some("address"),
                _ => None,
            };
            (key, error.to_string())
        })
    }
}

/// Returns true if a fetcher can use a proxy's address. It is not repeated: it may hold a password.
fn is_proxy(address: &str) -> bool {
    let settings = Settings {
        proxy: ProxySettings::Address(address.to_owned()),
        ..Settings::default()
    };
    starling_fetch::Fetcher::new(settings).is_ok()
}

impl FeedSpec {
    /// Returns the name.
    pub(crate) const fn name(&self) -> &FeedName {
        &self.entry.name
    }

    /// Returns how often it is fetched, in milliseconds.
    pub(crate) fn every_ms(&self) -> u64 {
        u64::try_from(self.every.as_millis()).unwrap_or(u64::MAX)
    }

    /// Returns what the fetcher is set up with; relative files lie in the site's folder.
    pub(crate) fn settings(&self, home: &Path) -> Settings {
        let settings = Settings::default();
        let entry = &self.entry;
        Settings {
            proxy: match entry.proxy.as_deref() {
                None => ProxySettings::Environment,
                Some(NO_PROXY) => ProxySettings::None,
                Some(address) => ProxySettings::Address(address.to_owned()),
            },
            // Joined with an absolute path, it is that path.
            ca_file: entry.ca_file.as_ref().map(|file| home.join(file)),
            api_key_file: entry.api_key_file.as_ref().map(|file| home.join(file)),
            ..settings
        }
    }

    /// Returns a text that differs where another position is needed: what was fetched is of another place.
    pub(crate) fn place(&self) -> String {
        let entry = &self.entry;
        let part = |part: &Option<String>| part.clone().unwrap_or_default();
        format!(
            "{}\n{}\n{}\n{}\n{}",
            part(&entry.preset),
            part(&entry.address),
            part(&entry.parameter),
            part(&self.kind),
            self.source
        )
    }

    /// Returns what an offer to fetch this names: a mirror of a preset counts as the preset. `Err` says why this is not
    /// shared with other sites.
    pub(crate) fn shared_input(&self) -> Result<OfferInput, &'static str> {
        let entry = &self.entry;
        let address = entry.address.as_deref().unwrap_or_default();
        if !entry.share_fetch {
            return Err("`share_fetch = false`");
        }
        if !entry.complete {
            return Err("it is a part of its source, which is never checked as a whole");
        }
        if !self.plan.is_remote() {
            return Err("it reads files of this machine");
        }
        let kind = self.kind.as_deref().unwrap_or_default();
        match &entry.preset {
            Some(preset) => {
                let parameter = entry.parameter.as_deref().unwrap_or_default();
                Ok(OfferInput::of(&["preset", preset, parameter, kind]))
            }
            // The rest may be a secret, so not even its hash is shown.
            None if address.contains('?') => Err("its address has a query, which may be a secret"),
            None => Ok(OfferInput::of(&["address", address, kind])),
        }
    }

    /// Returns true if something secret is sent to the source.
    pub(crate) fn has_secret(&self) -> bool {
        let address = self.entry.address.as_deref().unwrap_or_default();
        self.entry.api_key_file.is_some() || address.contains('?')
    }

    /// Returns the address as it may be shown: what follows a `?` may be a secret.
    pub(crate) fn shown_address(&self) -> Option<String> {
        let address = self.entry.address.as_deref()?;
        Some(match address.split_once('?') {
            Some((before, _)) => format!("{before}?…"),
            None => address.to_owned(),
        })
    }
}

/// Checks all feeds of a configuration.
///
/// # Errors
/// The first that is wrong.
pub(crate) fn check(feeds: &[FeedEntry]) -> Result<Vec<FeedSpec>, FeedFault> {
    if feeds.len() > MAX_FEEDS {
        return Err(FeedFault {
            index: MAX_FEEDS,
            key: None,
            problem: format!("a site has at most {MAX_FEEDS} feeds, found {}", feeds.len()),
        });
    }
    let mut specs: Vec<FeedSpec> = Vec::with_capacity(feeds.len());
    let mut sources: BTreeMap<Source, usize> = BTreeMap::new();
    for (index, entry) in feeds.iter().enumerate() {
        let fault = |key, problem| FeedFault { index, key, problem };
        if specs.iter().any(|spec| spec.name() == &entry.name) {
            let problem = format!("another feed is named {} already", entry.name);
            return Err(fault(Some("name"), problem));
        }
        let spec = entry.spec().map_err(|(key, problem)| fault(key, problem))?;
        if let Some(other) = sources.insert(spec.source.clone(), index)
            && let Some(other) = specs.get(other)
            && (spec.entry.complete || other.entry.complete)
        {
            let problem = format!(
                "its records are of the source {}, as are those of {}, and a complete fetch of one would take away those of \
                 the other: give each a `source` of its own, or set `complete = false` for both",
                spec.source,
                other.name()
            );
            return Err(fault(None, problem));
        }
        specs.push(spec);
    }
    Ok(specs)
}

/// Returns true if an address has a user name in it.
fn has_user(address: &str) -> bool {
    let Some((_, rest)) = address.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.contains('@')
}

#[cfg(test)]
mod tests;
