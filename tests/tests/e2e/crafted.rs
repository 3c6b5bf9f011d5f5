//! Crafted bundles: import, dry run and validation give the same right answer for each.
//!
//! `tests/bundles.sh` lists the right answers. It needs the bundles beside the corpus, and reports missing ones
//! as skipped.

use std::process::Command;

use starling_tests::program::{starling, workspace};

#[test]
fn crafted_bundles_get_their_right_answers() {
    let script = workspace().join("tests/bundles.sh");
    let ended = Command::new("bash").arg(script).arg(starling()).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    println!("{said}");
    assert!(ended.status.success(), "{said}");
}
