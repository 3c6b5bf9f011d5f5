use super::*;

const ALL: Naming<'_> = Naming {
    suffix: "",
    only: "",
    below: "",
    files: &[],
};

fn rows(format: ListFormat, text: &str) -> Rows {
    match read(format, &mut text.as_bytes(), ALL) {
        Ok(rows) => rows,
        Err(fault) => panic!("{fault:?}"),
    }
}

fn names(rows: &Rows) -> Vec<&str> {
    rows.rows.iter().map(|row| row.name.as_str()).collect()
}

#[test]
fn changes_are_read_with_and_without_quotes_in_any_zone() {
    let text = "\"2023/a.json\",\"2024-08-15T11:45:05+00:00\"\r\n2023/b.json,2024-08-15T13:45:05+02:00\n\n\"2023/c.json\",\"2024-08-15T11:45:05\"";
    let rows = rows(ListFormat::PathThenTime, text);
    assert_eq!(names(&rows), ["2023/a.json", "2023/b.json"]);
    assert_eq!(rows.rows[0].time_ms, rows.rows[1].time_ms);
    assert_eq!(rows.odd_count, 1, "a time without a zone is not guessed at");
}

#[test]
fn index_without_a_final_newline_keeps_its_last_row() {
    assert_eq!(
        names(&rows(ListFormat::Paths, "2025/a.json\n2025/b.json")),
        ["2025/a.json", "2025/b.json"]
    );
}

#[test]
fn log_of_changes_gives_each_record_once() {
    let text = r#"[
        {"fetchTime":"2026-01-02T00:00:00Z","new":[{"cveId":"CVE-2026-1234"}],"updated":[{"cveId":"CVE-1999-0001"}],"error":[]},
        {"fetchTime":"2026-01-01T00:00:00Z","new":[],"updated":[{"cveId":"CVE-2026-1234"},{"cveId":"CVE-2026-1234567"},{"cveId":"CVE-2026/../1"}]}]"#;
    let rows = rows(ListFormat::CveDeltaLog, text);
    assert_eq!(
        names(&rows),
        [
            "1999/0xxx/CVE-1999-0001",
            "2026/1234xxx/CVE-2026-1234567",
            "2026/1xxx/CVE-2026-1234"
        ]
    );
    assert_eq!(rows.rows[2].fingerprint, "2026-01-02T00:00:00Z");
    assert_eq!(rows.oldest_ms, time_ms("2026-01-01T00:00:00Z"));
    assert_eq!(rows.odd_count, 1);
}

#[test]
fn page_keeps_counts_numbers_and_links_only() {
    let text = r#"{"totalResults":3,"vulnerabilities":[{"a":[1,2]},{},{}],"links":{"next":"/x","deep":{"deeper":{"a":1}}},"f":1.5,"n":null}"#;
    let page = match read_page(&mut text.as_bytes()) {
        Ok(page) => page,
        Err(fault) => panic!("{fault:?}"),
    };
    assert_eq!(page.number("totalResults"), Some(3));
    assert_eq!(page.items("vulnerabilities"), Some(3));
    assert_eq!(page.items("links"), None);
    assert_eq!(
        page.member(&["links", "next"]),
        Some(&Page::Text("/x".to_owned()))
    );
    assert_eq!(page.member(&["links", "prev"]), None);
    assert_eq!(page.member(&["n"]), Some(&Page::Null));
    assert!(matches!(read_page(&mut &b"[1,2]"[..]), Ok(Page::Items(2))));
    assert!(read_page(&mut &b"{} x"[..]).is_err());
}

#[test]
fn line_without_an_end_is_bounded() {
    let long = "a".repeat(20_000);
    assert!(matches!(
        read(ListFormat::Paths, &mut long.as_bytes(), ALL),
        Err(ListFault::Broken(_))
    ));
}

#[test]
fn no_list_panics_and_no_name_leaves_its_folder() {
    let texts = [
        "",
        "{",
        "[",
        "[]",
        "{}",
        "null",
        "[null]",
        "[{}]",
        "\"",
        ",",
        ",,",
        "\u{FEFF}",
        "\0",
        "a,b",
        "\"a\",\"b\"",
        "{\"feed\":{}}",
        "{\"feed\":{\"entry\":[{}]}}",
        "<a href=",
        "<a href=\"",
        "<a href='//'>",
        "<a href=\"../\">",
        "[{\"id\":\"../x\",\"modified\":\"2026-01-01T00:00:00Z\"}]",
        "[{\"fetchTime\":\"x\"}]",
        "2026-01-01T00:00:00Z,../../x",
    ];
    let formats = [
        ListFormat::TimeThenId,
        ListFormat::PathThenTime,
        ListFormat::Paths,
        ListFormat::IdAndModified,
        ListFormat::CveDeltaLog,
        ListFormat::JvnChecksums,
        ListFormat::Rolie,
        ListFormat::HtmlFolders,
    ];
    let files = ["main.json".to_owned()];
    for text in texts {
        for format in formats {
            let naming = Naming { files: &files, ..ALL };
            if let Ok(rows) = read(format, &mut text.as_bytes(), naming) {
                for row in &rows.rows {
                    assert!(check_name(&row.name).is_ok(), "{text:?}: {row:?}");
                }
            }
        }
        let _ = read_page(&mut text.as_bytes());
        let _ = read_repomd(&mut text.as_bytes());
        let _ = read_provider(&mut text.as_bytes());
        let _ = first_mirror(&mut text.as_bytes());
    }
}
