//! Restored homes that get their claims back by bundles.

use starling_api_types::{ErrorCode, ImportReport};
use starling_tests::Site;

use crate::bench;
use crate::restores::{back_up, feed, held, put_back};

#[test]
fn bundle_of_an_air_gapped_peer_restores_claims() {
    let bench = bench();
    let [a, b] = ["site-a", "site-b"].map(|name| Site::init(bench.path(), name));
    a.list(&b);
    b.list(&a);
    let _ = a.import("mine", &feed("ONE"), &[]);
    let backup = back_up(&a, "backup");
    let _ = a.import("mine", &feed("TWO"), &[]);
    let _ = b.import_bundle(&a.export("lost.zst", &[]));
    let root = a.root();
    put_back(&a, &backup);

    let path = a.file("feed");
    let import = || {
        let source = "--source".into();
        a.refused([
            "feeds".into(),
            "import".into(),
            path.clone().into_os_string(),
            source,
            "mine".into(),
        ])
    };
    assert_eq!(import().code, ErrorCode::SiteRestored);
    let _ = b.import("theirs", &feed("OWN"), &[]);
    let bundle = b.export("back.zst", &[]);
    let dry: ImportReport = a.json([
        "bundle".into(),
        "import".into(),
        bundle.clone().into_os_string(),
        "--dry-run".into(),
    ]);
    assert!(dry.success, "{dry:?}");
    assert_eq!(import().code, ErrorCode::SiteRestored, "a dry run is not heard");
    let report = a.import_bundle(&bundle);
    assert!(report.success, "{report:?}");
    let told = report
        .warnings
        .iter()
        .any(|warning| warning.contains("goes on under epoch 1"));
    assert!(told, "{report:?}");
    assert!(a.status().restore.is_none());
    assert_eq!(held(&a, &a), (0, 6), "nothing was signed under the new epoch yet");
    assert_ne!(a.root(), root, "it knows what its peer said too");

    let _ = a.import("mine", &feed("LAST"), &[]);
    let _ = b.import_bundle(&a.export("next.zst", &[]));
    assert_eq!(held(&b, &a), (1, 9));
    assert_eq!(a.root(), b.root());
    for site in [&a, &b] {
        site.expect_sound();
    }
}

#[test]
fn bundle_without_news_counts_as_an_answer() {
    let bench = bench();
    let [a, b] = ["site-a", "site-b"].map(|name| Site::init(bench.path(), name));
    a.list(&b);
    b.list(&a);
    let _ = a.import("mine", &feed("ONE"), &[]);
    let _ = b.import_bundle(&a.export("all.zst", &[]));
    let backup = back_up(&a, "backup");
    put_back(&a, &backup);
    let report = a.import_bundle(&b.export("back.zst", &[]));
    assert!(report.success, "{report:?}");
    assert!(a.status().restore.is_none());
    assert_eq!(held(&a, &a), (0, 3), "nothing was signed under the new epoch yet");
    let _ = a.import("mine", &feed("LAST"), &[]);
    assert_eq!(held(&a, &a), (1, 6));
}

#[test]
fn backup_with_old_keys_rejoins_by_bundles() {
    let bench = bench();
    let [a, b] = ["site-a", "site-b"].map(|name| Site::init(bench.path(), name));
    a.list(&b);
    b.list(&a);
    let _ = a.import("mine", &feed("ONE"), &[]);
    let backup = back_up(&a, "backup");
    a.cli(["keys", "generate"]).expect(0);
    let _ = a.import("mine", &feed("TWO"), &[]);
    let _ = b.import_bundle(&a.export("lost.zst", &[]));
    assert_eq!(held(&b, &a), (1, 6));
    put_back(&a, &backup);
    let report = a.import_bundle(&b.export("back.zst", &[]));
    assert!(report.success, "{report:?}");
    assert!(a.status().restore.is_none(), "{report:?}");
    let _ = a.import("mine", &feed("LAST"), &[]);
    assert_eq!(held(&a, &a), (2, 9));
    let _ = b.import_bundle(&a.export("next.zst", &[]));
    assert_eq!(held(&b, &a), (2, 9));
    assert_eq!(a.root(), b.root());
}
