//! Packages that a document lists several times.

use super::*;

/// Knowledge that counts its calls, optionally with a memo.
struct Counting {
    memory: Memory,
    asked: AtomicUsize,
    memo: Option<Memo>,
}

impl Counting {
    fn new(memo: Option<Memo>) -> Self {
        Self {
            memory: Memory::with(&[EXPRESS, EXPRESS_NVD]),
            asked: AtomicUsize::new(0),
            memo,
        }
    }
}

impl Knowledge for Counting {
    fn advisories(&self, ecosystem: &str, name: &str) -> Result<Vec<Advisory>, KnowledgeError> {
        self.memory.advisories(ecosystem, name)
    }

    fn memo(&self) -> Option<&Memo> {
        self.memo.as_ref()
    }

    fn candidates(
        &self,
        ecosystem: &str,
        name: &str,
        _: &Subject,
    ) -> Result<Option<Vec<Advisory>>, KnowledgeError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.advisories(ecosystem, name).map(Some)
    }

    fn knows_ecosystem(&self, ecosystem: &str) -> Result<bool, KnowledgeError> {
        self.memory.knows_ecosystem(ecosystem)
    }
}

#[test]
fn repeated_package_version_adds_only_places() {
    let list: Vec<&str> = [
        "pkg:npm/express@4.0.0",
        "pkg:npm/express@4.1.5",
        "pkg:npm/other@1.0.0",
    ]
    .into_iter()
    .cycle()
    .take(3_000)
    .collect();
    let places = |result: &ScanResult| -> Vec<usize> {
        let findings = result.findings.iter();
        findings.map(|finding| finding.places.len()).collect()
    };
    for memo in [None, Some(Memo::with_slots(1_024))] {
        let knowledge = Counting::new(memo);
        let result = run(&purls(&list), &knowledge);
        let asked = knowledge.asked.load(Ordering::SeqCst);
        assert!(asked <= 6, "each at its first and its second place: {asked}");
        assert_eq!(places(&result), [1_000, 1_000]);
        assert_eq!(result.findings[0].merge_hashes.len(), 2);
        assert_eq!(result.coverage.matched, 3_000);
        // A repeat that only adds its place still has a finding.
        assert_eq!(run(&purls(&list), &knowledge), result);
    }
}

#[test]
fn module_stream_is_part_of_a_package_version() {
    let advisory = |stream: &str| {
        format!(
            r#"{{"id":"ALSA-{stream}","summary":"Important: nodejs:{stream} security update","affected":[{{
            "package":{{"ecosystem":"AlmaLinux:8","name":"nodejs"}},
            "ranges":[{{"type":"ECOSYSTEM","events":[{{"introduced":"0"}},
            {{"fixed":"1:{stream}.9.0-1.module_el8.7.0+1+abc"}}]}}]}}]}}"#
        )
    };
    let records = [advisory("16"), advisory("18")];
    let knowledge = |record: &String| {
        let mut memory = Memory::with(&[record]);
        let summary = Record::from_json(record.as_bytes()).unwrap().summary;
        let rows = memory.rows.values_mut().flatten();
        rows.for_each(|row| row.summary.clone_from(&summary));
        memory
    };
    let package = |stream: &str| {
        format!(
            "pkg:rpm/almalinux/nodejs@16.1.0-1.module_el8.7.0%2B1%2Babc?distro=almalinux-8&epoch=1&rpmmod=nodejs:{stream}"
        )
    };
    let (here, there) = (package("16"), package("18"));
    let list: Vec<&str> = [&here, &there]
        .into_iter()
        .cycle()
        .take(20)
        .map(String::as_str)
        .collect();
    for record in &records {
        let result = run(&purls(&list), &knowledge(record));
        assert_eq!((result.findings.len(), result.findings[0].places.len()), (1, 10));
    }
}
