//! Adds, changes and removes feeds in the configuration, which is the only place where they are listed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use starling_api::{ServiceResult, file_problem};
use starling_api_types as types;
use starling_api_types::{ErrorCode, FeedName, Problem};
use starling_protocol::Source;

use super::{Feeds, lock};
use crate::config::feeds::{self, FeedEntry, FeedFault, FeedSpec};
use crate::config::{Config, feed_edit, toml_fault};
use crate::home::home_problem;
use crate::home::{error_chain, write_config};
use crate::service::SiteParts;
use crate::small_file;

/// The new text of a configuration, and the feeds that it lists.
type Edited = (String, Vec<FeedEntry>);

impl SiteParts {
    /// Adds a feed.
    ///
    /// # Errors
    /// `feed_exists`, `feed_invalid`, `file_access` where the configuration cannot be written.
    pub(in crate::service) fn add_feed(&self, add: types::FeedAdd) -> ServiceResult<types::Feed> {
        let entry = entry_of(add)?;
        let name = entry.name.clone();
        if entry.enabled {
            let attempted = format!("adding the feed {name}");
            check_files(&attempted, &entry, self.identity.home.path(), |_| true)?;
        }
        self.edit(&format!("adding the feed {name}"), |text, listed| {
            if listed.iter().any(|other| other.name == name) {
                let detail = format!("adding the feed {name}: it is configured already");
                return Err(Problem::new(ErrorCode::FeedExists, detail)
                    .hint("`--name` gives it another name; `starling feeds remove` takes the other away"));
            }
            let text = feed_edit::add(text, &entry).map_err(|error| unedited(&error))?;
            let feeds = listed.iter().cloned().chain([entry.clone()]);
            Ok((text, feeds.collect()))
        })?;
        self.feed_shown(&name, false)
    }

    /// Changes the given settings of a feed.
    ///
    /// # Errors
    /// `feed_not_found`, `feed_invalid`, `file_access` where the configuration cannot be written.
    pub(in crate::service) fn change_feed(
        &self,
        name: &FeedName,
        change: &types::FeedChange,
    ) -> ServiceResult<types::Feed> {
        self.live.feeds.spec(name)?;
        self.edit(&format!("changing the feed {name}"), |text, listed| {
            let (index, mut entry) = find(listed, name)?;
            let keys = apply(change, &mut entry)?;
            if keys.contains(&"parameter") {
                ensure_ecosystems(&format!("changing the feed {name}"), &entry)?;
            }
            if entry.enabled {
                let attempted = format!("changing the feed {name}");
                let is_new = |key| keys.contains(&key) || keys.contains(&"enabled");
                check_files(&attempted, &entry, self.identity.home.path(), is_new)?;
            }
            let text = feed_edit::set(text, index, &entry, &keys).map_err(|error| unedited(&error))?;
            let mut feeds = listed.to_vec();
            if let Some(place) = feeds.get_mut(index) {
                *place = entry;
            }
            Ok((text, feeds))
        })?;
        if change.enabled == Some(false) {
            self.live.feeds.stop_run(name);
        }
        self.feed_shown(name, false)
    }

    /// Removes a feed and its history of runs. Its records stay. A current run is stopped first; if it already imports, this
    /// waits for its end.
    ///
    /// # Errors
    /// `feed_not_found`, `file_access` where the configuration cannot be written.
    pub(in crate::service) fn remove_feed(&self, name: &FeedName) -> ServiceResult<types::Feed> {
        let shown = self.feed_shown(name, false)?;
        self.edit(&format!("removing the feed {name}"), |text, listed| {
            let (index, _) = find(listed, name)?;
            let text = feed_edit::remove(text, index).map_err(|error| unedited(&error))?;
            let feeds = listed.iter().filter(|other| other.name != *name);
            Ok((text, feeds.cloned().collect()))
        })?;
        // From now on no run of the feed begins.
        if let Some(mut ended) = self.live.feeds.stop_run(name) {
            // The run's task may end without sending a result.
            let _ = futures::executor::block_on(ended.wait_for(Option::is_some));
        }
        lock(&self.live.feeds.memories).remove(name);
        if let Err(error) = self.live.feeds.folder(name).remove() {
            tracing::warn!(feed = %name, %error, "what was kept of a removed feed is still there");
        }
        self.forget_raw(name);
        Ok(shown)
    }

    /// Edits the configuration. The new text must list exactly the intended feeds, and is written completely or not at all.
    fn edit(
        &self,
        attempted: &str,
        change: impl FnOnce(&str, &[FeedEntry]) -> ServiceResult<Edited>,
    ) -> ServiceResult<()> {
        let Feeds { edits, .. } = &self.live.feeds;
        let _one_at_a_time = lock(edits);
        let path = self.identity.home.config_path();
        // If the path is a symbolic link, the file behind it is replaced, not the link.
        let path: PathBuf = path.canonicalize().unwrap_or(path);
        let text = small_file::read_text(&path, small_file::MAX_CONFIG_BYTES)
            .map_err(|error| file_problem("reading the configuration", &path, &error))?;
        let unread = |why: String| {
            Problem::new(
                ErrorCode::ConfigInvalid,
                format!(
                    "{attempted}: the configuration {} cannot be read: {why}",
                    path.display()
                ),
            )
            .hint("nothing was changed; `detail` names the line")
        };
        let before: Config = toml::from_str(&text).map_err(|error| unread(toml_fault(&text, &error)))?;
        let (edited, wanted) = change(&text, &before.feeds)?;
        let specs = feeds::check(&wanted).map_err(|fault| invalid(attempted, &wanted, &fault))?;
        let after: Config = toml::from_str(&edited).map_err(|error| unread(toml_fault(&edited, &error)))?;
        let meant = Config {
            feeds: wanted,
            ..before
        };
        if after != meant {
            let why = "it is written in a way that cannot be edited safely; edit its `[[feeds]]` by hand";
            return Err(unread(why.to_owned()));
        }
        write_config(&path, &edited).map_err(|error| {
            let mut problem = home_problem(&error);
            problem.detail = format!("{attempted}: {}", error_chain(&error));
            problem.hint(
                "nothing was changed; where the configuration is read only, add [[feeds]] where it is managed, and start \
                 the daemon again",
            )
        })?;
        self.live.feeds.set(specs);
        Ok(())
    }
}

fn find(listed: &[FeedEntry], name: &FeedName) -> ServiceResult<(usize, FeedEntry)> {
    let found = listed.iter().enumerate().find(|(_, entry)| entry.name == *name);
    found.map(|(index, entry)| (index, entry.clone())).ok_or_else(|| {
        let detail = format!("looking for the feed {name} in the configuration: it is not there any more");
        Problem::new(ErrorCode::FeedNotFound, detail).hint("`starling feeds list` shows the feeds")
    })
}

fn unedited(error: &feed_edit::EditError) -> Problem {
    Problem::new(
        ErrorCode::ConfigInvalid,
        format!("editing the configuration: {error}"),
    )
    .hint("nothing was changed")
}

fn invalid(attempted: &str, feeds: &[FeedEntry], fault: &FeedFault) -> Problem {
    let name = feeds
        .get(fault.index)
        .map_or_else(String::new, |feed| format!("{}: ", feed.name));
    let key = fault.key.map_or_else(String::new, |key| format!("{key}: "));
    Problem::new(
        ErrorCode::FeedInvalid,
        format!("{attempted}: {name}{key}{}", fault.problem),
    )
    .hint("nothing was changed; docs/operations/feeds.md says what a feed takes")
}

/// Returns the configuration entry of an added feed.
fn entry_of(add: types::FeedAdd) -> ServiceResult<FeedEntry> {
    let refuse = |why: String| Problem::new(ErrorCode::FeedInvalid, format!("adding a feed: {why}"));
    let source = match &add.source {
        Some(source) => Some(Source::try_from(source).map_err(|error| refuse(format!("source: {error}")))?),
        None => None,
    };
    let name = match (&add.name, &add.preset, &add.source) {
        (Some(name), ..) => name.clone(),
        (None, Some(preset), _) => named(preset, add.parameter.as_deref()).ok_or_else(|| {
            refuse(format!(
                "{preset:?} is not the name of a preset; `name` names the feed"
            ))
        })?,
        (None, None, Some(source)) => {
            named(source.as_str(), None).ok_or_else(|| refuse("`name` must name the feed".to_owned()))?
        }
        (None, None, None) => {
            let why = "`preset` or `address` must say what to fetch, and with an address `source` of which source it is";
            return Err(refuse(why.to_owned()));
        }
    };
    let entry = FeedEntry {
        name,
        preset: add.preset,
        address: add.address,
        source,
        kind: add.kind,
        schedule: add.schedule,
        parameter: add.parameter,
        api_key_file: add.api_key_file,
        proxy: add.proxy,
        ca_file: add.ca_file,
        complete: add.complete.unwrap_or(true),
        enabled: add.enabled.unwrap_or(true),
        share_fetch: add.share_fetch.unwrap_or(true),
    };
    // The entry is checked alone first: its own errors are reported before conflicts with other feeds.
    let spec: Result<FeedSpec, _> = entry.spec();
    match spec {
        Ok(_) => ensure_ecosystems("adding a feed", &entry).map(|()| entry),
        Err((key, problem)) => {
            let fault = FeedFault {
                index: 0,
                key,
                problem,
            };
            let feeds = std::slice::from_ref(&entry);
            Err(invalid("adding a feed", feeds, &fault))
        }
    }
}

/// Refuses a feed of an unknown ecosystem.
fn ensure_ecosystems(attempted: &str, entry: &FeedEntry) -> ServiceResult<()> {
    let Some(problem) = entry.unknown_ecosystem() else {
        return Ok(());
    };
    let fault = FeedFault {
        index: 0,
        key: Some("parameter"),
        problem,
    };
    Err(invalid(attempted, std::slice::from_ref(entry), &fault))
}

/// Checks that the files and the folder that an enabled feed names exist and can be read. For a folder that does not exist
/// yet, such as a mount, the feed can be added disabled; it is then checked when it is enabled.
fn check_files(
    attempted: &str,
    entry: &FeedEntry,
    home: &Path,
    is_new: impl Fn(&'static str) -> bool,
) -> ServiceResult<()> {
    let files = [("api_key_file", &entry.api_key_file), ("ca_file", &entry.ca_file)];
    for (key, file) in files {
        let Some(path) = file.as_ref().filter(|_| is_new(key)).map(|file| home.join(file)) else {
            continue;
        };
        if let Err(error) = small_file::read(&path, small_file::MAX_CHAIN_BYTES) {
            return Err(missing(
                attempted,
                key,
                &path,
                &error,
                "nothing was changed; put the file there first",
            ));
        }
    }
    // The check of the feed's settings reports a wrong address.
    let spec = entry.spec().ok();
    let local = spec.as_ref().and_then(|spec| spec.plan.local());
    if let Some(path) = local.filter(|_| is_new("address"))
        && let Err(error) = path.metadata()
    {
        let hint = "nothing was changed; create or mount it first, or add the feed with --disabled and switch it on \
                    (`starling feeds enable NAME`) when it is there";
        return Err(missing(attempted, "address", path, &error, hint));
    }
    Ok(())
}

fn missing(attempted: &str, key: &str, path: &Path, error: &std::io::Error, hint: &str) -> Problem {
    let said = file_problem(&format!("{attempted}: {key}: opening"), path, error);
    Problem::new(ErrorCode::FeedInvalid, said.detail.clone()).hint(hint)
}

/// Returns a name made of a preset and the fetched part of it: `osv` and `npm` become `osv-npm`.
fn named(base: &str, parameter: Option<&str>) -> Option<FeedName> {
    let whole = match parameter {
        Some(parameter) => format!("{base}-{parameter}"),
        None => base.to_owned(),
    };
    let mut name = String::new();
    for c in whole.to_ascii_lowercase().chars() {
        let c = if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') {
            c
        } else {
            '-'
        };
        if !(c == '-' && name.ends_with('-')) {
            name.push(c);
        }
    }
    FeedName::new(name.trim_matches('-')).ok()
}

/// Applies a change, and returns the keys that it changes.
fn apply(change: &types::FeedChange, entry: &mut FeedEntry) -> ServiceResult<Vec<&'static str>> {
    let mut keys = BTreeSet::new();
    let mut text = |key: &'static str, new: &Option<String>, old: &mut Option<String>| {
        if let Some(new) = new {
            *old = Some(new.clone());
            keys.insert(key);
        }
    };
    text("schedule", &change.schedule, &mut entry.schedule);
    text("address", &change.address, &mut entry.address);
    text("parameter", &change.parameter, &mut entry.parameter);
    text("proxy", &change.proxy, &mut entry.proxy);
    for (key, new, old) in [
        ("api_key_file", &change.api_key_file, &mut entry.api_key_file),
        ("ca_file", &change.ca_file, &mut entry.ca_file),
    ] {
        if let Some(new) = new {
            *old = Some(new.clone());
            keys.insert(key);
        }
    }
    for (key, new, old) in [
        ("enabled", change.enabled, &mut entry.enabled),
        ("complete", change.complete, &mut entry.complete),
        ("share_fetch", change.share_fetch, &mut entry.share_fetch),
    ] {
        if let Some(new) = new {
            *old = new;
            keys.insert(key);
        }
    }
    let is_given = |setting: &types::FeedSetting| keys.contains(setting.as_str());
    if let Some(twice) = change.unset.iter().find(|setting| is_given(setting)) {
        let detail = format!(
            "changing the feed {}: {} is both given and to be unset",
            entry.name,
            twice.as_str()
        );
        return Err(Problem::new(ErrorCode::FeedInvalid, detail));
    }
    for setting in &change.unset {
        match setting {
            types::FeedSetting::Schedule => entry.schedule = None,
            types::FeedSetting::Address => entry.address = None,
            types::FeedSetting::Parameter => entry.parameter = None,
            types::FeedSetting::ApiKeyFile => entry.api_key_file = None,
            types::FeedSetting::Proxy => entry.proxy = None,
            types::FeedSetting::CaFile => entry.ca_file = None,
        }
        keys.insert(setting.as_str());
    }
    if keys.is_empty() {
        let detail = format!("changing the feed {}: nothing to change is given", entry.name);
        return Err(Problem::new(ErrorCode::FeedInvalid, detail).hint(format!(
            "give what changes, as in `starling feeds set {} --schedule 6h`",
            entry.name
        )));
    }
    Ok(keys.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_made_of_preset_and_parameter() {
        let name = |base, parameter| named(base, parameter).map(|name| name.to_string());
        assert_eq!(name("osv", Some("PyPI")).as_deref(), Some("osv-pypi"));
        assert_eq!(
            name("osv", Some("Rocky Linux:9")).as_deref(),
            Some("osv-rocky-linux-9")
        );
        assert_eq!(name("nvd", None).as_deref(), Some("nvd"));
        assert_eq!(name("???", None), None);
    }

    #[test]
    fn change_affects_only_the_given_settings() {
        let mut entry: FeedEntry =
            toml::from_str("name = \"a\"\naddress = \"https://example.org/a\"\nsource = \"mine\"\n").unwrap();
        let change = types::FeedChange {
            enabled: Some(false),
            schedule: Some("3h".to_owned()),
            ..types::FeedChange::default()
        };
        assert_eq!(apply(&change, &mut entry).unwrap(), ["enabled", "schedule"]);
        assert!(!entry.enabled && entry.schedule.as_deref() == Some("3h"));
        let nothing = apply(&types::FeedChange::default(), &mut entry).unwrap_err();
        assert_eq!(nothing.code, ErrorCode::FeedInvalid);
    }

    #[test]
    fn feed_of_missing_files_is_refused_until_they_are_there() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("usb");
        let mut entry: FeedEntry = toml::from_str(&format!(
            "name = \"a\"\naddress = {:?}\nsource = \"mine\"\nkind = \"osv\"\napi_key_file = \"a.key\"\n",
            folder.to_str().unwrap()
        ))
        .unwrap();
        let check = |entry: &FeedEntry, keys: &[&str]| {
            check_files("adding the feed a", entry, home.path(), |key| keys.contains(&key))
        };
        let told = check(&entry, &["api_key_file", "address"]).unwrap_err();
        assert_eq!(told.code, ErrorCode::FeedInvalid);
        let key = home.path().join("a.key");
        assert_eq!(
            told.detail,
            format!(
                "adding the feed a: api_key_file: opening {}: there is no such file or folder",
                key.display()
            )
        );
        std::fs::write(key, "secret").unwrap();
        let told = check(&entry, &["api_key_file", "address"]).unwrap_err();
        assert!(
            told.detail.starts_with("adding the feed a: address: opening "),
            "{told}"
        );
        assert!(told.hint.as_deref().unwrap().contains("--disabled"), "{told:?}");
        // A change of something else is possible while the folder is not mounted.
        check(&entry, &["schedule"]).unwrap();
        std::fs::create_dir(&folder).unwrap();
        check(&entry, &["api_key_file", "address"]).unwrap();
        entry.address = Some("https://example.org/a".to_owned());
        check(&entry, &["address"]).unwrap();
    }

    #[test]
    fn feed_without_anything_is_refused() {
        for (add, word) in [
            (types::FeedAdd::default(), "preset"),
            (
                types::FeedAdd {
                    preset: Some("no such preset".to_owned()),
                    ..types::FeedAdd::default()
                },
                "feeds presets",
            ),
            (
                types::FeedAdd {
                    preset: Some("osv".to_owned()),
                    parameter: Some("npm,pypi".to_owned()),
                    ..types::FeedAdd::default()
                },
                "parameter: \"pypi\" is not an ecosystem of OSV.dev: did you mean PyPI?",
            ),
            (
                types::FeedAdd {
                    source: "mine".parse().ok(),
                    ..types::FeedAdd::default()
                },
                "address",
            ),
        ] {
            let problem = entry_of(add).unwrap_err();
            assert_eq!(problem.code, ErrorCode::FeedInvalid);
            assert!(problem.detail.contains(word), "{problem}");
        }
    }
}
