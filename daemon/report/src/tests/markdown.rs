//! The Markdown summary: its tables, and its order.

use super::*;

#[test]
fn markdown_keeps_its_tables_without_foreign_links() {
    let text = Format::Markdown.render(&report()).unwrap();
    assert!(!text.contains("<script"), "{text}");
    for line in text
        .lines()
        .filter(|line| line.starts_with("| fail") || line.starts_with("| warn"))
    {
        assert_eq!(line.replace("\\|", "").matches('|').count(), 8, "{line}");
    }
    assert!(
        text.contains("| a.json | **fail** | 1 | 1 | 1 | 2 of 3 |"),
        "{text}"
    );
}

/// SBOMs stood in the order of the command, so that what fails could be below the cut of a code host, and findings in that of
/// their packages; what to do first was missing.
#[test]
fn markdown_has_the_order_of_the_terminal_and_the_worst_first() {
    let mut fails = body();
    fails["not_judged"] = json!({"packages": [{"name": "x", "purl": "pkg:npm/x@1", "place": "/components/2", "reason": "no_knowledge"}]});
    let mut passes = body();
    passes["outcome"] = json!("pass");
    let mut undecided = body();
    undecided["outcome"] = json!("unknown");
    let scan = |name: &str, body: &serde_json::Value, code| {
        Scan::judged(name, "blake3:44", &body.to_string(), code).unwrap()
    };
    let report = Report {
        scans: vec![
            scan("passes.json", &passes, 0),
            scan("undecided.json", &undecided, 5),
            scan("fails.json", &fails, 1),
        ],
    };
    let text = Format::Markdown.render(&report).unwrap();
    let at = |what: &str| {
        text.find(what)
            .unwrap_or_else(|| panic!("{what} is not in\n{text}"))
    };
    assert!(
        at("| passes.json |") < at("| fails.json |"),
        "the table keeps the order: {text}"
    );
    assert!(
        at("\n## fails.json") < at("\n## undecided.json")
            && at("\n## undecided.json") < at("\n## passes.json")
    );
    let section = &text[at("\n## fails.json")..at("\n## undecided.json")];
    let places = [
        "\n- ",
        "### What to do first",
        "### Findings",
        "### Not judged",
        "\nVerdict ",
    ];
    let places: Vec<usize> = places
        .iter()
        .map(|place| {
            section
                .find(place)
                .unwrap_or_else(|| panic!("{place} is not in\n{section}"))
        })
        .collect();
    assert!(places.is_sorted(), "{places:?}\n{section}");
}
