//! Rows and cells of CSV.

use super::*;

#[test]
fn csv_has_one_line_per_finding_with_equal_cells() {
    let text = Format::Csv.render(&report()).unwrap();
    let lines: Vec<&str> = text.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 1 + 3 + 1 + 3);
    for line in lines {
        let cells = cells(line);
        assert_eq!(cells.len(), 18, "{line}");
        for cell in cells {
            assert!(!cell.trim_start().starts_with(['=', '+', '-', '@']), "{line}");
        }
    }
}

#[test]
fn csv_is_never_a_header_alone() {
    let report = Report {
        scans: vec![unjudged("a.json", 3), unjudged("b.json", 0)],
    };
    let text = Format::Csv.render(&report).unwrap();
    let lines: Vec<Vec<String>> = text.split_terminator("\r\n").map(cells).collect();
    let column = |name: &str| lines[0].iter().position(|cell| cell == name).unwrap();
    let shown: Vec<[&str; 5]> = lines[1..]
        .iter()
        .map(|line| {
            ["sbom", "action", "package", "summary", "not_judged"].map(|name| line[column(name)].as_str())
        })
        .collect();
    assert_eq!(
        shown,
        [
            [
                "a.json",
                "not_judged",
                "pkg:npm/left@1.0.0",
                "no source for it at this site",
                "no_knowledge"
            ],
            [
                "a.json",
                "not_judged",
                "",
                "2 more packages were not judged",
                "others"
            ],
            [
                "b.json",
                "none",
                "",
                "no findings; 0 of 0 packages judged, 0 not judged",
                ""
            ],
        ]
    );
}

/// Parses a line by RFC 4180.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' if quoted && rest.peek() == Some(&'"') => {
                rest.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            c => cell.push(c),
        }
    }
    cells.push(cell);
    cells
}
