//! Folders and files of a site without a network.

use std::path::Path;

use starling_fetch::{FetchError, Plan};

use crate::world::*;

fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
    std::fs::write(path, content).expect("written");
}

fn plan_of(folder: &Path) -> Plan {
    Plan::of_address(Some("osv"), &folder.display().to_string()).expect("a plan")
}

#[tokio::test]
async fn folder_is_fetched_like_a_server() {
    let medium = tempfile::tempdir().expect("a folder");
    write(medium.path(), "a/A.json", record("A", "2026-01-01T00:00:00Z"));
    write(
        medium.path(),
        "all.zip",
        zip_of(&[("B.json", &record("B", "2026-01-01T00:00:00Z"))]),
    );
    write(medium.path(), ".git/config", "hidden");
    let plan = plan_of(medium.path());
    let mut world = World::new();
    let brought = world.import(&plan).await;
    assert_eq!(brought.names(), ["a/A.json", "all.zip"]);
    assert_eq!(brought.imported(), ["a/A.json", "all/B.json"]);
    assert!(brought.fetched.whole);

    let again = world.import(&plan).await;
    assert!(again.fetched.unchanged && again.names().is_empty());

    write(medium.path(), "a/A.json", record("A", "2026-02-02T00:00:00.5Z"));
    std::fs::remove_file(medium.path().join("all.zip")).expect("removed");
    let brought = world.import(&plan).await;
    assert_eq!(
        brought.names(),
        ["a/A.json"],
        "what did not change is not handed on"
    );
    assert_eq!(brought.fetched.gone.len(), 1);
    assert_eq!(brought.fetched.gone[0].name, "all.zip");
}

#[tokio::test]
async fn folder_that_is_gone_is_a_missing_source() {
    let medium = tempfile::tempdir().expect("a folder");
    let plan = plan_of(medium.path());
    drop(medium);
    let error = World::new().run(&plan).await.err().expect("nothing is there");
    assert!(error.is_missing_source(), "{error}");
}

#[tokio::test]
async fn single_file_is_the_whole_source() {
    let medium = tempfile::tempdir().expect("a folder");
    write(
        medium.path(),
        "all.zip",
        zip_of(&[("B.json", &record("B", "2026-01-01T00:00:00Z"))]),
    );
    let address = format!("file://{}", medium.path().join("all.zip").display());
    let brought = World::new()
        .run(&Plan::of_address(None, &address).expect("a plan"))
        .await
        .expect("a good run");
    assert_eq!(brought.names(), ["all.zip"]);
    assert!(brought.fetched.whole);
}

#[tokio::test]
async fn preset_reads_a_folder_that_is_laid_out_as_the_source() {
    let medium = tempfile::tempdir().expect("a folder");
    write(
        medium.path(),
        "npm/all.zip",
        zip_of(&[("B.json", &record("B", "2026-01-01T00:00:00Z"))]),
    );
    write(medium.path(), "npm/modified_id.csv", "2026-01-01T00:00:00Z,B\n");
    let plan = plan_at("osv", &medium.path().display().to_string(), Some("npm"));
    let mut world = World::new();
    let brought = world.import(&plan).await;
    assert!(brought.fetched.whole);
    assert_eq!(brought.imported(), ["npm/all/B.json"]);
    assert!(world.import(&plan).await.fetched.unchanged);
}

#[tokio::test]
async fn folder_that_is_missing_or_empty_is_an_error() {
    let medium = tempfile::tempdir().expect("a folder");
    let error = World::new().fails(&plan_of(medium.path())).await;
    assert!(matches!(error, FetchError::Disk { .. }), "{error}");
    assert!(error.to_string().contains("cannot be found"), "{error}");
    let why = std::error::Error::source(&error).map(ToString::to_string);
    assert_eq!(why.as_deref(), Some("the folder holds no file"));
    assert!(error.is_missing_source(), "as of a medium that is not mounted");
    let error = World::new().fails(&plan_of(&medium.path().join("gone"))).await;
    assert!(matches!(error, FetchError::Disk { .. }), "{error}");
}

#[tokio::test]
async fn file_that_changes_while_it_is_read_is_not_taken() {
    let medium = tempfile::tempdir().expect("a folder");
    write(medium.path(), "A.json", record("A", "2026-01-01T00:00:00Z"));
    let plan = plan_of(medium.path());
    let mut world = World::new();
    let folder = medium.path().to_owned();
    // The free space is asked for between the look at a file and its copy. Each new file says a time of its own: a file
    // system may give two writes at one tick of its clock the same.
    let seconds = std::sync::atomic::AtomicU64::new(4_000_000_000);
    world.free = Box::new(move || {
        write(&folder, "A.json", record("B", "2026-01-01T00:00:00Z"));
        let seconds = seconds.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let later = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        let file = std::fs::File::options().write(true).open(folder.join("A.json"));
        file.and_then(|file| file.set_modified(later)).expect("a time");
        None
    });
    let error = world.fails(&plan).await;
    assert!(matches!(error, FetchError::Truncated { .. }), "{error}");
    assert!(error.to_string().contains("it is being written"), "{error}");
    world.free = Box::new(|| None);
    assert!(world.run(&plan).await.expect("a good run").fetched.whole);
}

#[cfg(unix)]
#[tokio::test]
async fn device_is_neither_a_file_nor_a_folder() {
    let error = World::new()
        .fails(&plan_of(std::path::Path::new("/dev/null")))
        .await;
    let why = std::error::Error::source(&error).map(ToString::to_string);
    assert_eq!(
        why.as_deref(),
        Some("it is neither a file nor a folder"),
        "{error}"
    );
}

#[tokio::test]
async fn file_that_is_not_a_document_does_not_affect_others() {
    let medium = tempfile::tempdir().expect("a folder");
    write(medium.path(), "A.json", record("A", "2026-01-01T00:00:00Z"));
    write(medium.path(), "index.html", "<html></html>");
    let brought = World::new()
        .run(&plan_of(medium.path()))
        .await
        .expect("a good run");
    assert_eq!(brought.names(), ["A.json"]);
    assert!(
        brought.notes("HTML page") && !brought.fetched.whole,
        "{:?}",
        brought.fetched.notes
    );
}

#[cfg(unix)]
#[tokio::test]
async fn links_out_of_the_folder_are_not_followed() {
    let outside = tempfile::tempdir().expect("a folder");
    write(outside.path(), "secret.json", "{}");
    let medium = tempfile::tempdir().expect("a folder");
    write(medium.path(), "A.json", record("A", "2026-01-01T00:00:00Z"));
    std::os::unix::fs::symlink(outside.path().join("secret.json"), medium.path().join("B.json"))
        .expect("linked");
    std::os::unix::fs::symlink(medium.path().join("A.json"), medium.path().join("C.json")).expect("linked");
    let brought = World::new()
        .run(&plan_of(medium.path()))
        .await
        .expect("a good run");
    assert_eq!(brought.names(), ["A.json", "C.json"]);
    assert!(
        brought.notes("not a regular file of this folder"),
        "{:?}",
        brought.fetched.notes
    );
}

#[tokio::test]
async fn archive_without_its_list_is_read_alone() {
    let medium = tempfile::tempdir().expect("a folder");
    write(
        medium.path(),
        "npm/all.zip",
        zip_of(&[("B.json", &record("B", "2026-01-01T00:00:00Z"))]),
    );
    let plan = plan_at("osv", &medium.path().display().to_string(), Some("npm"));
    let mut world = World::new();
    let brought = world.import(&plan).await;
    assert!(
        brought.fetched.whole && brought.notes("the archive alone is read"),
        "{:?}",
        brought.fetched.notes
    );
    assert_eq!(brought.imported(), ["npm/all/B.json"]);
    assert!(world.import(&plan).await.fetched.unchanged);
    write(
        medium.path(),
        "npm/all.zip",
        zip_of(&[("C.json", &record("C", "2026-01-01T00:00:00.5Z"))]),
    );
    let brought = world.import(&plan).await;
    assert!(brought.fetched.whole);
    assert_eq!(brought.imported(), ["npm/all/C.json"]);
}

#[tokio::test]
async fn raw_document_of_a_record_is_found_by_the_name_of_its_import() {
    use starling_fetch::raw::{NewDocument, RawStore};
    let medium = tempfile::tempdir().expect("a folder");
    let text = record("B", "2026-01-01T00:00:00Z");
    write(medium.path(), "npm/all.zip", zip_of(&[("B.json", &text)]));
    let plan = plan_at("osv", &medium.path().display().to_string(), Some("npm"));
    let brought = World::new().run(&plan).await.expect("a good run");
    let home = tempfile::tempdir().expect("a folder");
    let mut store = RawStore::open(home.path(), 1 << 20).expect("a store");
    let document = &brought.fetched.documents[0];
    let kept = NewDocument {
        feed: "osv-npm".to_owned(),
        name: "npm/all.zip".to_owned(),
        address: document.address.clone(),
        at_ms: document.at_ms,
        validator: document.validator.clone(),
    };
    store.keep(&document.path, kept).expect("kept");
    store.commit().expect("committed");
    let name = &brought.imported()[0];
    let entry = store.by_name("osv-npm", name)[0];
    assert_eq!(entry.name, "npm/all.zip");
    let part = store.read_part(&entry.hash, name, 1 << 20).expect("a part");
    assert_eq!(part, text.as_bytes());
}
