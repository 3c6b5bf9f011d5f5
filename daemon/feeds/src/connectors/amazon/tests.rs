use super::super::Kind;
use super::super::tests::{json_records, ranges, rejected, warnings};

/// Returns a notice with this id and list.
fn notice(id: &str, collection: &str, package: &str) -> String {
    format!(
        "<update type=\"security\"><id>{id}</id><title>Amazon Linux - {id}: important priority package update</title>\
         <issued date=\"2030-02-17 20:41\"/><updated date=\"2030-02-22 23:22\"/><severity>important</severity><description>d</description>\
         <references><reference href=\"https://example.org\" title=\"\" id=\"CVE-2030-0001\" type=\"cve\"/></references>\
         <pkglist><collection short=\"{collection}\"><name>n</name>{package}</collection></pkglist></update>"
    )
}

#[test]
fn release_and_topic_give_ecosystem_and_version_line() {
    let rocket =
        "<package name=\"rocket\" version=\"8.2\" release=\"3.amzn2023.0.2\" epoch=\"0\" arch=\"x86_64\"/>";
    let kernel =
        "<package name=\"kernel\" version=\"5.15.43\" release=\"20.amzn2\" epoch=\"0\" arch=\"x86_64\"/>";
    let document = format!(
        "<?xml version=\"1.0\" ?><updates>{}{}{}{}{}</updates>",
        notice("ALAS2023-2030-001", "amazon-linux-2023", rocket),
        notice(
            "ALAS2KERNEL-5.15-2030-001",
            "amazon-linux-2---kernel-5.15",
            kernel
        ),
        notice("ALAS-2030-1", "amazon-linux-ami", rocket).replace("type=\"cve\"", "type=\"CVE\""),
        notice("ALAS-2030-2", "amazon-linux-2", rocket),
        notice("X-1", "amazon-linux-2", rocket),
    );
    assert_eq!(Kind::detect(document.as_bytes()).map(Kind::name), Some("amazon"));
    let records = json_records("amazon", document.as_bytes());
    let all: Vec<String> = records.iter().flat_map(ranges).collect();
    assert_eq!(
        all,
        [
            "Amazon Linux:2023 rocket introduced=0 fixed=8.2-3.amzn2023.0.2",
            "Amazon Linux:2 kernel introduced=5.15 fixed=5.15.43-20.amzn2",
            "Amazon Linux:1 rocket introduced=0 fixed=8.2-3.amzn2023.0.2",
            "Amazon Linux:2 rocket introduced=0 fixed=8.2-3.amzn2023.0.2",
        ]
    );
    assert_eq!(records[0]["published"], "2030-02-17T20:41:00Z");
    for record in [&records[0], &records[2]] {
        assert_eq!(record["upstream"], serde_json::json!(["CVE-2030-0001"]));
    }
    assert_eq!(records[0]["database_specific"]["severity"], "important");
    assert_eq!(rejected("amazon", document.as_bytes()).len(), 1);
}

#[test]
fn release_of_a_topic_without_a_number_is_the_package_s_own() {
    let package = |release: &str| {
        format!("<package name=\"rocket\" version=\"6\" release=\"{release}\" epoch=\"0\" arch=\"x86_64\"/>")
    };
    let document = format!(
        "<updates>{}{}{}{}</updates>",
        notice("ALASROCKET6-2030-001", "rocket6", &package("1.amzn2.0.1")),
        notice("ALASROCKET6-2030-002", "rocket6", &package("1")),
        notice("ALAS2026-2030-003", "amazon-linux-2026", &package("1.amzn2026")),
        notice("ALAS-2030-4", "x", &package("1")),
    );
    let records = json_records("amazon", document.as_bytes());
    let all: Vec<_> = records
        .iter()
        .map(|record| record["affected"][0]["package"]["ecosystem"].clone())
        .collect();
    let expected = serde_json::json!(["Amazon Linux:2", null, "Amazon Linux:2026", "Amazon Linux:1"]);
    assert_eq!(serde_json::Value::from(all), expected);
    assert!(warnings("amazon", document.as_bytes())[0].contains("of no release that is known"));
}

#[test]
fn package_of_another_kernel_begins_at_its_line() {
    let package = |name: &str| {
        format!(
            "<package name=\"{name}\" version=\"6.12.20\" release=\"23.97.amzn2023\" epoch=\"0\" arch=\"x86_64\"/>"
        )
    };
    let list = ["kernel6.12", "perf", "rocket"].map(package).concat();
    let document = format!(
        "<updates>{}{}</updates>",
        notice("ALAS2023-2030-001", "amazon-linux-2023", &list),
        notice("ALAS2023-2030-002", "amazon-linux-2023", &package("perf")),
    );
    let records = json_records("amazon", document.as_bytes());
    assert_eq!(
        ranges(&records[0]),
        [
            "Amazon Linux:2023 kernel6.12 introduced=0 fixed=6.12.20-23.97.amzn2023",
            "Amazon Linux:2023 perf introduced=6.12 fixed=6.12.20-23.97.amzn2023",
            "Amazon Linux:2023 rocket introduced=0 fixed=6.12.20-23.97.amzn2023",
        ]
    );
    assert_eq!(
        ranges(&records[1]),
        ["Amazon Linux:2023 perf introduced=0 fixed=6.12.20-23.97.amzn2023"]
    );
    // With the epoch of all kernels, the first kernel's packages would be within the range.
    let text = document.replace("epoch=\"0\"", "epoch=\"1\"");
    assert_eq!(
        ranges(&json_records("amazon", text.as_bytes())[0])[1],
        "Amazon Linux:2023 perf introduced=1:6.12 fixed=1:6.12.20-23.97.amzn2023"
    );
}

#[test]
fn topic_s_number_is_the_line_of_its_packages() {
    let package = |name: &str, epoch: u32, version: &str| {
        format!(
            "<package name=\"{name}\" version=\"{version}\" release=\"1.amzn2\" epoch=\"{epoch}\" arch=\"x86_64\"/>"
        )
    };
    let of = |topic: &str, package: String| {
        let document = format!(
            "<updates>{}</updates>",
            notice("ALAS2X-2030-001", topic, &package)
        );
        ranges(&json_records("amazon", document.as_bytes())[0]).concat()
    };
    for (topic, package, expected) in [
        (
            "amazon-linux-2---php8.2",
            package("php", 0, "8.2.20"),
            "php introduced=8.2 fixed=8.2.20-1.amzn2",
        ),
        (
            "amazon-linux-2---php8.2",
            package("libzip", 0, "1.3.2"),
            "libzip introduced=0 fixed=1.3.2-1.amzn2",
        ),
        (
            "amazon-linux-2---mariadb10.5",
            package("mariadb", 3, "10.5.10"),
            "mariadb introduced=3:10.5 fixed=3:10.5.10-1.amzn2",
        ),
        (
            "amazon-linux-2---docker",
            package("docker", 0, "20.10.7"),
            "docker introduced=0 fixed=20.10.7-1.amzn2",
        ),
        (
            "amazon-linux-2",
            package("php", 0, "2.20.1"),
            "php introduced=0 fixed=2.20.1-1.amzn2",
        ),
    ] {
        assert_eq!(
            of(topic, package),
            format!("Amazon Linux:2 {expected}"),
            "{topic}"
        );
    }
}

#[test]
fn package_without_a_collection_around_it_is_read() {
    let rocket = "<package name=\"rocket\" version=\"8.2\" release=\"3.amzn2\" epoch=\"0\" arch=\"x86_64\"/>";
    let document = format!(
        "<updates>{}</updates>",
        notice("ALAS2-2030-001", "amazon-linux-2", rocket)
    );
    let bare = document
        .replace("<collection short=\"amazon-linux-2\">", "")
        .replace("</collection>", "");
    let of = |text: &str| json_records("amazon", text.as_bytes())[0]["affected"].clone();
    assert_eq!(of(&bare), of(&document));
}
