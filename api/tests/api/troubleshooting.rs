//! The troubleshooting page lists every error code, with the same values as the table of codes.

use starling_api_types::ErrorCode;

const PAGE: &str = include_str!("../../../docs/troubleshooting.md");

#[test]
fn troubleshooting_page_lists_every_code() {
    for code in ErrorCode::ALL {
        let again = if code.retryable() { "yes" } else { "no" };
        let row = format!(
            "| `{code}` | {} | {} | {again} |",
            code.title(),
            code.http_status()
        );
        assert!(
            PAGE.contains(&row),
            "docs/troubleshooting.md lacks a row that begins with\n{row}"
        );
    }
    let rows = PAGE.lines().filter(|line| line.starts_with("| `"));
    assert_eq!(
        rows.count(),
        ErrorCode::ALL.len(),
        "the page has a code that does not exist"
    );
}
