//! Tests of `starling.toml` as a whole.

use std::path::Path;

use super::*;

fn load(text: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("starling.toml");
    std::fs::write(&path, text).unwrap();
    let own = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect::<Vec<_>>()
    };
    Config::load(
        &path,
        own(environment).into_iter(),
        &Overrides { settings: own(flags) },
    )
}

#[test]
fn the_defaults_are_those_that_are_documented() {
    let config = load("[log]\n", &[], &[]).unwrap();
    assert_eq!(config, Config::default());
    let table = toml::Table::try_from(&config).unwrap();
    for key in KEYS {
        let mut value = Some(&toml::Value::Table(table.clone())).cloned();
        for part in key.name.split('.') {
            value = value.and_then(|value| value.get(part).cloned());
        }
        let shown = value.map_or_else(String::new, |value| value.to_string());
        assert_eq!(shown, key.default, "default of {}", key.name);
    }
}

#[test]
fn the_sample_in_deploy_holds_every_key_with_its_default() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/starling.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let config = load(&text, &[], &[]).unwrap();
    for key in KEYS {
        let name = key.name.rsplit('.').next().unwrap();
        let shown = |line: &str| {
            line.trim_start_matches("# ").starts_with(&format!("{name} ="))
                || line == format!("[{}]", key.name)
        };
        assert!(text.lines().any(shown), "{} is missing", key.name);
    }
    let defaults = Config::default();
    assert_eq!(
        (config.store, config.log, config.view, config.network),
        (defaults.store, defaults.log, defaults.view, defaults.network)
    );
}

#[test]
fn file_that_is_empty_or_cut_off_is_refused() {
    for nothing in ["", "\n", "# [scan]\n# fail_on = \"high\"\n"] {
        let error = load(nothing, &[("STARLING_SCAN_FAIL_ON", "high")], &[]).unwrap_err();
        assert!(error.to_string().contains("it is empty"), "{error}");
    }
    let whole = "format = 1\n[scan]\nfail_on = \"high\"\n\n[log]\n[end]\n";
    assert_eq!(
        load(whole, &[], &[]).unwrap().scan.fail_on.as_deref(),
        Some("high")
    );
    for length in 0..whole.len() - 1 {
        assert!(load(&whole[..length], &[], &[]).is_err(), "cut at {length}");
    }
    let error = load("format = 2\n[end]\n", &[], &[]).unwrap_err();
    assert!(error.to_string().contains("its format is 2"), "{error}");
    let dir = tempfile::tempdir().unwrap();
    let error = Config::load(
        &dir.path().join("starling.toml"),
        std::iter::empty(),
        &Overrides::default(),
    );
    assert!(error.unwrap_err().to_string().contains("it is missing"));
}

#[test]
fn a_wrong_key_is_refused_with_its_line() {
    let error = load("[federation]\nenabled = true\nmax_itmes = 5\n", &[], &[])
        .unwrap_err()
        .to_string();
    assert!(error.contains("line 3") && error.contains("max_itmes"), "{error}");
}

#[test]
fn a_wrong_value_is_refused() {
    for text in [
        "[federation]\ncompression_level = 40\n",
        "[federation]\nmax_items = 0\n",
        "[federation.import]\nmax_bundle_size = \"many\"\n",
        "[api]\nlisten = \"0.0.0.0:80\"\n",
        "[store]\nengine = \"rocks\"\n",
        "[store]\ncheck_interval = \"daily\"\n",
        "[store]\ncheck_rate = \"1kB\"\n",
        "[log]\nlevel = \"loud\"\n",
        "[network]\nlisten = [\"localhost\"]\n",
        "[network]\nexternal = [\"localhost\"]\n",
        "[scan]\nfail_on = \"sometimes\"\n",
    ] {
        let said = load(text, &[], &[]).unwrap_err().to_string();
        let key = text.lines().nth(1).unwrap().split(' ').next().unwrap();
        assert!(said.contains("line 2") && said.contains(key), "{text}: {said}");
    }
}

#[test]
fn parsers_words_are_not_shown() {
    for (text, said) in [
        (
            "[federation]\nmax_itmes = 5\n",
            "line 2, column 1: there is no key `max_itmes` here; did you mean `max_items`?",
        ),
        (
            "[federation]\nmax_items = \"many\"\n",
            "line 2, column 13: max_items: expected a whole number, not below 0, got the text \"many\"",
        ),
        (
            "log = 7\n",
            "line 1, column 7: log: expected keys with values, got the number 7",
        ),
        ("[log]\nlevel = \"a\"\nlevel = \"b\"\n", "line 3, column 1: "),
        ("[log\n", "line 1, column "),
    ] {
        let told = load(text, &[], &[]).unwrap_err().to_string();
        assert!(told.contains(said), "{text}: {told}");
        for word in ["TOML parse error", "struct", "untagged", "os error", "\n"] {
            assert!(!told.contains(word), "{text}: {told}");
        }
    }
}

#[test]
fn wrong_feed_is_refused_with_its_line() {
    let entry = "[[feeds]]\nname = \"a\"\nsource = \"x\"\naddress = \"https://example.org/a\"\n";
    assert_eq!(load(entry, &[], &[]).unwrap().feeds.len(), 1);
    for (more, named) in [
        ("shedule = \"2h\"\n", ["line 5", "shedule"]),
        ("schedule = \"now\"\n", ["line 5", "schedule"]),
        (entry, ["line 6", "another feed is named a"]),
        ("complete = \"yes\"\n", ["line 5", "complete"]),
    ] {
        let error = load(&format!("{entry}{more}"), &[], &[]).unwrap_err().to_string();
        assert!(named.iter().all(|word| error.contains(word)), "{error}");
    }
    let error = load("[log]\n", &[("STARLING_FEEDS", "nvd")], &[]).unwrap_err();
    assert!(error.to_string().contains("starling feeds add"), "{error}");
}

#[test]
fn check_interval_of_zero_means_never() {
    let interval = |text: &str| load(text, &[], &[]).unwrap().store.check_interval();
    let hours = |count: u64| Some(std::time::Duration::from_secs(count * 3_600));
    assert_eq!(interval("[log]\n"), hours(24));
    assert_eq!(interval("[store]\ncheck_interval = \"6h\"\n"), hours(6));
    for never in ["0", "0s", "0d"] {
        assert_eq!(
            interval(&format!("[store]\ncheck_interval = \"{never}\"\n")),
            None
        );
    }
}

#[test]
fn environment_lies_over_the_file_and_flags_over_both() {
    let text = "[log]\nlevel = \"warn\"\n[federation]\nmax_items = 7\n";
    let environment = [
        ("STARLING_LOG_LEVEL", "debug"),
        ("STARLING_FEDERATION_MAX_ITEMS", "8"),
    ];
    let config = load(text, &environment, &[("log.level", "trace")]).unwrap();
    assert_eq!(
        (config.log.level.as_str(), config.federation.max_items),
        ("trace", 8)
    );
    assert!(load(text, &[("STARLING_FEDERATION_MAX_ITEMS", "none")], &[]).is_err());
    assert!(load(text, &[], &[("federation.max_itmes", "8")]).is_err());
    let misspelt = load(text, &[("STARLING_FEDERATION_MAX_ITMES", "8")], &[]).unwrap_err();
    assert!(
        misspelt.to_string().contains("STARLING_FEDERATION_MAX_ITEMS"),
        "{misspelt}"
    );
}

#[test]
fn variables_are_checked_without_a_file() {
    let variables = |name: &str, value: &str| {
        Config::variables([(name.to_owned(), value.to_owned())].into_iter())
            .map_err(|error| error.to_string())
    };
    let found = variables("STARLING_SCAN_FAIL_ON", "high").unwrap();
    assert_eq!(
        (found[0].key.as_str(), found[0].value.as_str()),
        ("scan.fail_on", "high")
    );
    assert_eq!(found[0].variable, "STARLING_SCAN_FAIL_ON");
    assert_eq!(variables("STARLING_HOME", "/home").unwrap(), []);
    for (gate, told) in [
        ("STARLING_SCAN_POLICY", "STARLING_SCAN_FAIL_ON"),
        ("STARLING_SCAN_NOSUCH", "STARLING_SCAN_MIN_COVERAGE"),
        ("STARLING_FAIL_ON", "STARLING_SCAN_FAIL_ON is one"),
    ] {
        let refused = variables(gate, "high").unwrap_err().to_string();
        assert!(refused.contains(told), "{refused}");
    }
    assert!(variables("STARLING_CORPUS", "x").unwrap().is_empty());
    assert!(variables("STARLING_SCAN_FAIL_ON", "hihg").is_err());
    let misspelt = variables("STARLING_SCAN_FIAL_ON", "high").unwrap_err();
    assert!(misspelt.contains("STARLING_SCAN_FAIL_ON is one"), "{misspelt}");
}
