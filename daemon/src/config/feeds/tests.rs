//! Tests of `[[feeds]]`.

use super::*;

fn feeds(text: &str) -> Vec<FeedEntry> {
    #[derive(Deserialize)]
    struct File {
        feeds: Vec<FeedEntry>,
    }
    toml::from_str::<File>(text).unwrap().feeds
}

fn feed(name: &str, more: &str) -> String {
    format!("[[feeds]]\nname = {name:?}\naddress = \"https://example.org/{name}.zip\"\n{more}\n")
}

#[test]
fn missing_settings_get_their_defaults() {
    let specs = check(&feeds(&feed("a", "source = \"mine\""))).unwrap();
    let [spec] = &specs[..] else { panic!("{specs:?}") };
    assert_eq!(
        (spec.source.as_str(), spec.every, spec.schedule.as_str()),
        ("mine", Duration::from_secs(86_400), "1d")
    );
    assert!(spec.entry.complete && spec.entry.enabled);
}

#[test]
fn wrong_values_are_named_with_their_key() {
    for (text, key, word) in [
        (feed("a", ""), None, "source"),
        (
            feed("a", "source = \"x\"\nschedule = \"often\""),
            Some("schedule"),
            "often",
        ),
        (
            feed("a", "source = \"x\"\nschedule = \"1s\""),
            Some("schedule"),
            "at least 60s",
        ),
        (feed("a", "source = \"x\"\nkind = \"nope\""), Some("kind"), "nope"),
        (
            feed("a", "source = \"x\"\nproxy = \"::bad\""),
            Some("proxy"),
            "http://HOST:PORT",
        ),
        (
            feed("a", "source = \"x\"\nparameter = \"npm\""),
            Some("parameter"),
            "only presets",
        ),
        (
            "[[feeds]]\nname = \"a\"\npreset = \"nope\"\n".to_owned(),
            Some("preset"),
            "feeds presets",
        ),
        (
            "[[feeds]]\nname = \"a\"\nsource = \"x\"\naddress = \"https://me:secret@example.org/\"\n"
                .to_owned(),
            Some("address"),
            "api_key_file",
        ),
    ] {
        let fault = check(&feeds(&text)).unwrap_err();
        assert_eq!(fault.key, key, "{text}");
        assert!(fault.problem.contains(word), "{text}: {}", fault.problem);
    }
}

/// Only the command refused it: the API and the configuration took it.
#[test]
fn unknown_ecosystem_is_named_with_the_nearest() {
    let told = |parameter: &str, preset: &str| {
        let text = format!("[[feeds]]\nname = \"a\"\npreset = {preset:?}\nparameter = {parameter:?}\n");
        feeds(&text)[0].unknown_ecosystem()
    };
    for (parameter, word) in [
        ("npn", "did you mean npm?"),
        ("npm, pypi", "did you mean PyPI?"),
        ("Zzzzzzzz", "docs/ecosystems.md"),
    ] {
        let told = told(parameter, "osv").unwrap();
        assert!(told.contains(word), "{told}");
    }
    assert_eq!(told("npm,GIT, Alpine,", "osv"), None);
    assert_eq!(told("malware", "ghsa-api"), None);
    // A site with such a line continues to work, because OSV.dev may have newer ecosystems.
    let text = "[[feeds]]\nname = \"a\"\npreset = \"osv\"\nparameter = \"Newer\"\n";
    check(&feeds(text)).unwrap();
}

#[test]
fn names_and_complete_sources_are_not_shared() {
    let twice = feed("a", "source = \"x\"") + &feed("a", "source = \"y\"");
    assert_eq!(check(&feeds(&twice)).unwrap_err().key, Some("name"));
    let shared = feed("a", "source = \"x\"") + &feed("b", "source = \"x\"\ncomplete = false");
    let fault = check(&feeds(&shared)).unwrap_err();
    assert!(
        fault.index == 1 && fault.problem.contains("take away"),
        "{fault:?}"
    );
    let parts =
        feed("a", "source = \"x\"\ncomplete = false") + &feed("b", "source = \"x\"\ncomplete = false");
    assert_eq!(check(&feeds(&parts)).unwrap().len(), 2);
}

#[test]
fn preset_that_is_not_one_suggests_the_nearest() {
    let problem = |name: &str| {
        let text = format!("[[feeds]]\nname = \"a\"\npreset = {name:?}\n");
        check(&feeds(&text)).unwrap_err().problem
    };
    assert!(problem("pipa").contains("\"pipa\": did you mean pypa? `starling feeds presets`"));
    assert!(!problem("something-else").contains("did you mean"));
}

#[test]
fn proxies_and_files_become_settings() {
    let text = feed(
        "a",
        "source = \"x\"\nproxy = \"none\"\nca_file = \"own.pem\"\napi_key_file = \"/etc/key\"",
    );
    let specs = check(&feeds(&text)).unwrap();
    let settings = specs[0].settings(Path::new("site"));
    assert_eq!(settings.proxy, ProxySettings::None);
    assert_eq!(settings.ca_file.as_deref(), Some(Path::new("site/own.pem")));
    assert_eq!(settings.api_key_file.as_deref(), Some(Path::new("/etc/key")));
}

#[test]
fn secrets_in_an_address_are_not_shown() {
    let text = "[[feeds]]\nname = \"a\"\nsource = \"x\"\naddress = \"https://example.org/x?key=1\"\n";
    let specs = check(&feeds(text)).unwrap();
    assert_eq!(
        specs[0].shown_address().as_deref(),
        Some("https://example.org/x?…")
    );
}
