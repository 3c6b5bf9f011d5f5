//! Tests of a site's folder, its keys and its identity.

use std::fs;
use std::path::Path;

use starling_protocol::{SiteSlug, UnixMillis};

use super::*;
use crate::config::{Config, Overrides};

fn init(path: &Path, slug: &SiteSlug, engine: Option<&str>) -> Result<Home, HomeError> {
    let home = Home::prepare(path, slug, engine, UnixMillis::EPOCH)?;
    home.finish()?;
    Ok(home)
}

#[test]
fn air_gapped_site_does_not_listen() {
    let dir = tempfile::tempdir().unwrap();
    let slug = "site-a".parse().unwrap();
    let home = Home::prepare_as(dir.path(), &slug, None, Reach::AirGapped, UnixMillis::EPOCH).unwrap();
    let config = Config::load(&home.config_path(), std::iter::empty(), &Overrides::default()).unwrap();
    assert!(!config.federation.enabled);
    assert!(config.network.listen.is_empty() && config.api.listen.is_none());
}

#[test]
fn site_is_created_once_and_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let slug = "site-a".parse().unwrap();
    let home = init(dir.path(), &slug, Some("redb")).unwrap();
    assert!(matches!(
        init(dir.path(), &slug, None),
        Err(HomeError::SiteExists { .. })
    ));
    let again = Home::open(dir.path()).unwrap();
    assert_eq!(again.chain(), home.chain());
    again.operating_key().unwrap();
    let config = again.config(&Overrides::default()).unwrap();
    assert_eq!(
        (config.store.engine.as_str(), config.federation.site_id),
        ("redb", Some(slug))
    );
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(dir.path().join("keys/root.key"))
            .unwrap()
            .permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn failed_write_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("site.chain");
    // A folder with its name is in the way.
    fs::create_dir_all(path.join("full")).unwrap();
    write_durably(&path, b"chain", 0o600).unwrap_err();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn identity_is_read_in_every_printed_form() {
    let dir = tempfile::tempdir().unwrap();
    let home = init(dir.path(), &"a".parse().unwrap(), None).unwrap();
    let identity = home.identity();
    let (site, chain) = read_identity(&identity.certificates).unwrap();
    assert_eq!((site, chain.as_ref()), (home.chain().site(), Some(home.chain())));
    assert_eq!(
        read_identity(&serde_json::to_string(&identity).unwrap())
            .unwrap()
            .0,
        site
    );
    assert_eq!(read_identity(&format!("{site}\n")).unwrap(), (site, None));
    for bad in ["", "x", "starling-site-v1:00", "{}", "blake3:12"] {
        assert!(read_identity(bad).is_err(), "{bad}");
    }
}

#[test]
fn rotated_key_is_used_and_the_old_one_listed() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = init(dir.path(), &"a".parse().unwrap(), None).unwrap();
    let before = home.operating_key().unwrap().public();
    home.rotate(Vec::new(), UnixMillis::EPOCH).unwrap();
    let home = Home::open(dir.path()).unwrap();
    assert_ne!(home.operating_key().unwrap().public(), before);
    assert_eq!(home.keys().keys.len(), 3);
}
