//! Layout of tables at several widths.

use super::*;

struct At<'a>(&'a Table, usize);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, Some(self.1))
    }
}

fn findings() -> Table {
    let mut table = Table::new(["SEVERITY", "VULNERABILITY", "FOUND", "SUMMARY", "PLACE"])
        .numbers(&["FOUND"])
        .shrinks("SUMMARY", 12)
        .leaves_out(&["PLACE"]);
    let row = |summary: &str, found: &str| {
        ["critical", "CVE-2021-44228", found, summary, "/components/0"].map(str::to_owned)
    };
    table.row(row("Remote code injection in Log4j by way of JNDI lookups", "7"));
    table.row(row("short", "1,204"));
    table
}

#[test]
fn columns_line_up_without_trailing_spaces() {
    let mut table = Table::new(["NAME", "COUNT", "NOTE"]).numbers(&["COUNT"]);
    assert!(table.is_empty());
    table.row(["a-long-name".to_owned(), "7".to_owned(), "ü文".to_owned()]);
    table.row(["b".to_owned(), "1,204".to_owned(), String::new()]);
    assert_eq!(
        table.to_string(),
        "NAME         COUNT  NOTE\na-long-name      7  ü文\nb            1,204\n"
    );
}

#[test]
fn cursor_is_cut_at_its_beginning() {
    assert_eq!(cut_beginning("2025-01-15T10:30:00.000Z#0042", 9), "…00Z#0042");
    assert_eq!(cut_beginning("#0042", 9), "#0042");
}

#[test]
fn columns_shrink_before_one_is_left_out() {
    let table = findings();
    let full = table.to_string();
    assert!(full.contains("JNDI lookups  /components/0"), "{full}");
    let cut = At(&table, 80).to_string();
    assert!(cut.contains("/components/0") && cut.contains('…'), "{cut}");
    let left_out = At(&table, 56).to_string();
    assert!(
        !left_out.contains("/components/0") && left_out.contains("(--wide shows PLACE too)"),
        "{left_out}"
    );
    assert!(left_out.contains("CVE-2021-44228"), "{left_out}");
}

#[test]
fn ids_and_names_are_never_cut() {
    let key = format!("ed25519:{}", "0".repeat(64));
    let mut table = Table::new(["ROLE", "PUBLIC KEY", "MADE", "SECRET"])
        .never_cuts("PUBLIC KEY")
        .shrinks("SECRET", 12);
    let file = "/a/long/path/to/the/folder/of/the/site/keys/operating-0.key".to_owned();
    table.row([
        "operating".to_owned(),
        key.clone(),
        "2026-01-15 10:30".to_owned(),
        file,
    ]);
    assert_eq!(At(&table, 200).to_string().lines().count(), 2);
    let text = At(&table, 80).to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        (lines.len(), lines[1], lines[3]),
        (4, "  PUBLIC KEY", &*format!("  {key}")),
        "{text}"
    );
    assert!(
        lines[2].starts_with("operating  2026-01-15 10:30  /a/long/"),
        "{text}"
    );
    for width in 20..80 {
        let text = At(&table, width).to_string();
        assert!(
            text.contains(&key) && !text.contains("--wide shows PUBLIC KEY"),
            "{width}: {text}"
        );
    }
}

#[test]
fn prose_is_wrapped_instead_of_cut() {
    let mut table = Table::new(["MUTE", "WHY"]).never_cuts("MUTE").wraps("WHY", 16);
    table.row(["0a-1".to_owned(), "site-b may not mute here".to_owned()]);
    table.row([
        "0b-2".to_owned(),
        "run `starling sites set site-b` first".to_owned(),
    ]);
    assert_eq!(
        At(&table, 26).to_string(),
        "MUTE  WHY\n0a-1  site-b may not mute\n      here\n0b-2\n    run\n    `starling sites set site-b`\n    first\n"
    );
    assert_eq!(At(&table, 60).to_string().lines().count(), 3);
}

#[test]
fn no_row_is_wider_than_the_terminal() {
    let table = findings();
    for width in 20..160 {
        let text = At(&table, width).to_string();
        for line in text.lines() {
            assert!(measure_text_width(line) <= width, "{width}: {line}");
        }
        assert!(text.contains("critical"), "{width}: {text}");
    }
}

/// One long name moved every other column to the right, or all names below their rows.
#[test]
fn wide_value_of_one_row_moves_no_other() {
    let long = "a".repeat(90);
    let mut table = Table::new(["PACKAGE", "VERSION", "WHY"]).never_cuts("PACKAGE");
    for name in ["npm a", long.as_str(), "npm b"] {
        table.row([name.to_owned(), "1.0".to_owned(), "fails".to_owned()]);
    }
    assert_eq!(
        table.to_string(),
        format!(
            "PACKAGE{gap}  VERSION  WHY\nnpm a{gap}    1.0      fails\n{long}  1.0      fails\nnpm b{gap}    1.0      fails\n",
            gap = " ".repeat(83)
        ),
        "in a pipe every column lines up"
    );
    assert_eq!(
        At(&table, 60).to_string(),
        format!(
            "PACKAGE  VERSION  WHY\nnpm a    1.0      fails\n{long}\n         1.0      fails\nnpm b    1.0      fails\n"
        )
    );
}
