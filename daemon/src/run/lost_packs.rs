//! Packs that are deleted under a running daemon: status and the daemon's own look name them.

use std::path::PathBuf;
use std::time::Duration;

use starling_api_types::Status;
use tokio_util::sync::CancellationToken;

use super::test_site::Running;
use crate::upkeep::watch_files;

const RECORD: &str = r#"{"id":"EX-1","modified":"2025-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"npm","name":"x"}}]}"#;

/// Returns the first damage that a status reports.
fn damage(status: &Status) -> Option<&str> {
    let check = status.store.check.as_ref()?;
    check.damaged.first().map(String::as_str)
}

/// Returns a site with one record, and two places for its packs: its own, and one beside it.
async fn site_with_a_pack() -> (Running, PathBuf, PathBuf) {
    let site = Running::start("site-a");
    site.import(RECORD).await;
    let home = site.site.0.identity.home.path();
    let (packs, aside) = (home.join("packs"), home.join("aside"));
    (site, packs, aside)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_names_lost_packs_at_once_and_until_they_are_back() {
    let (site, packs, aside) = site_with_a_pack().await;
    let parts = &site.site.0;
    assert_eq!(damage(&site.status().await), None);
    // The result is kept as long as the folder does not change, so that later status calls need not read the rows
    // that name packs.
    assert!(parts.keeps_its_packs());
    std::fs::rename(&packs, &aside).unwrap();
    assert!(!parts.keeps_its_packs());
    let status = site.status().await;
    assert!(
        damage(&status).unwrap().starts_with("pack 00000001 is missing"),
        "{status:?}"
    );
    assert!(damage(&site.status().await).is_some());
    std::fs::rename(&aside, &packs).unwrap();
    assert_eq!(damage(&site.status().await), None);
    assert!(parts.keeps_its_packs());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packs_deleted_under_a_daemon_are_named_by_its_next_look() {
    let (site, packs, _) = site_with_a_pack().await;
    assert_eq!(site.site.0.look_for_packs(), None);
    let stop = CancellationToken::new();
    let watch = tokio::spawn(watch_files(
        site.site.clone(),
        Duration::from_millis(5),
        stop.clone(),
    ));
    assert_eq!(damage(&site.status().await), None);
    std::fs::remove_dir_all(&packs).unwrap();
    site.until("the lost pack", |status| damage(status).is_some())
        .await;
    stop.cancel();
    watch.await.unwrap();
}
