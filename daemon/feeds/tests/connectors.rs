//! Reads every sample of the corpus's feeds with its connector: accepted and rejected items, and a table of ids,
//! packages, ranges and severities that were determined by each source's own rules.
//!
//! Needs the corpus in `STARLING_CORPUS`; without it the test prints that it is skipped.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a test reads files, and fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::Path;

use serde_json::Value as Json;
use starling_feeds::input::{Limits, Source};
use starling_feeds::pipeline::{ItemResult, run};

mod table;

/// The results of an archive's samples.
#[derive(Default)]
struct Taken {
    accepted: usize,
    /// Canonical bytes of all of them.
    bytes: usize,
    /// Records by id; if several have the same id, all.
    records: BTreeMap<String, Vec<Json>>,
    /// The reason of each rejected item.
    refused: Vec<String>,
}

fn read(archive: &Path) -> Taken {
    let mut taken = Taken::default();
    take(&mut taken, Source::path(archive), "/raw/");
    // Nested archives are separate inputs.
    let file = std::fs::File::open(archive).expect("the archive");
    let decoder = zstd::Decoder::new(file).expect("zstd");
    for entry in tar::Archive::new(decoder).entries().expect("a tar") {
        let mut entry = entry.expect("a member");
        let name = entry.path().expect("a name").to_string_lossy().into_owned();
        let is_archive = [".tar.gz", ".tar.zst", ".zip"]
            .iter()
            .any(|end| name.ends_with(end));
        if name.contains("/raw/") && is_archive {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("a member");
            take(&mut taken, Source::stream(name, Cursor::new(bytes)), "");
        }
    }
    taken
}

/// Adds the results of an input, for items with `part` in their names.
fn take(taken: &mut Taken, source: Source, part: &str) {
    let workers = NonZeroUsize::new(2).expect("two");
    let report = run(source, &Limits::default(), workers, &mut |item| {
        if !item.name.contains(part) {
            return ControlFlow::Continue(());
        }
        match item.result {
            ItemResult::Accepted(record) => {
                let json: Json = serde_json::from_slice(&record.canonical).expect("canonical JSON is JSON");
                assert_eq!(json["id"], record.id.as_str(), "{}", item.name);
                taken.accepted += 1;
                taken.bytes += record.canonical.len();
                taken
                    .records
                    .entry(record.id.as_str().to_owned())
                    .or_default()
                    .push(json);
            }
            ItemResult::Rejected(why) => taken.refused.push(format!("{}: {why}", item.name)),
            ItemResult::Ignored(_) | ItemResult::Noted(_) | ItemResult::Page(_) => {}
        }
        ControlFlow::Continue(())
    });
    if let Err(error) = report.ending {
        taken.refused.push(error.to_string());
    }
}

/// Returns a record's facts, one per line: `ecosystem name introduced=… fixed=…`, `severity …`, `alias …`, `upstream
/// …`, `withdrawn`, `state ecosystem name word`.
fn said(record: &Json) -> BTreeSet<String> {
    let mut said = BTreeSet::new();
    let texts = |value: &Json| -> Vec<String> {
        let list = value.as_array().into_iter().flatten();
        list.filter_map(Json::as_str).map(str::to_owned).collect()
    };
    for alias in texts(&record["aliases"]) {
        said.insert(format!("alias {alias}"));
    }
    for id in texts(&record["upstream"]) {
        said.insert(format!("upstream {id}"));
    }
    for severity in record["severity"].as_array().into_iter().flatten() {
        said.insert(format!(
            "severity {}",
            severity["score"].as_str().unwrap_or_default()
        ));
    }
    if let Some(word) = record["database_specific"]["severity"].as_str() {
        said.insert(format!("word {word}"));
    }
    if record["withdrawn"].is_string() {
        said.insert("withdrawn".to_owned());
    }
    if record["affected"].as_array().is_none_or(Vec::is_empty) {
        said.insert("nothing affected".to_owned());
    }
    for entry in record["affected"].as_array().into_iter().flatten() {
        let text = |value: &Json| value.as_str().unwrap_or("-").to_owned();
        let package = format!(
            "{} {}",
            text(&entry["package"]["ecosystem"]),
            text(&entry["package"]["name"])
        );
        for range in entry["ranges"].as_array().into_iter().flatten() {
            let mut line = package.clone();
            for event in range["events"].as_array().into_iter().flatten() {
                for (kind, version) in event.as_object().into_iter().flatten() {
                    line.push_str(&format!(" {kind}={}", text(version)));
                }
            }
            said.insert(line);
        }
        for version in texts(&entry["versions"]) {
            said.insert(format!("{package} =={version}"));
        }
        if let Some(state) = entry["database_specific"]["fix_state"].as_str() {
            said.insert(format!("state {package} {state}"));
        }
    }
    said
}

#[test]
fn samples_are_read_by_their_connectors() {
    let Ok(corpus) = std::env::var("STARLING_CORPUS") else {
        eprintln!("skipped: STARLING_CORPUS does not name the corpus");
        return;
    };
    let mut wrong = Vec::new();
    let mut taken = BTreeMap::new();
    for (name, accepted, rejected) in table::COUNTS {
        let archive = Path::new(&corpus).join("feeds").join(format!("{name}.tar.zst"));
        let read = read(&archive);
        let found = (read.accepted, read.refused.len());
        println!("{name}: {} records, {} bytes", read.accepted, read.bytes);
        if found != (*accepted, *rejected) {
            wrong.push(format!(
                "{name}: {found:?} were taken and refused, expected {:?}",
                (accepted, rejected)
            ));
            wrong.extend(read.refused.iter().map(|why| format!("    {why}")));
        }
        taken.insert(*name, read);
    }
    for (name, id, facts) in table::FACTS {
        let records = taken.get(name).and_then(|taken| taken.records.get(*id));
        let Some(records) = records else {
            wrong.push(format!("{name}: no record {id}"));
            continue;
        };
        // A sample may be in several files; each fact must be in one of them.
        let all: BTreeSet<String> = records.iter().flat_map(said).collect();
        for fact in *facts {
            let is_there = match fact.strip_prefix("not ") {
                Some(absent) => !all.iter().any(|line| line.starts_with(absent)),
                None => all.contains(*fact),
            };
            if !is_there {
                wrong.push(format!("{name} {id}: expected \"{fact}\""));
                wrong.extend(all.iter().take(40).map(|line| format!("    {line}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
