//! Aligned rows, as Markdown.

/// Prints a table. The first column is text, the others are figures.
pub(crate) fn print(title: &str, heads: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count());
        cells.chain([heads[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = cells
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| match column {
                0 => format!(" {cell:<width$} "),
                _ => format!(" {cell:>width$} "),
            });
        format!("|{}|", padded.collect::<Vec<_>>().join("|"))
    };
    println!("{title}\n");
    println!("{}", line(&mut heads.iter().copied()));
    let rules: Vec<String> = widths
        .iter()
        .enumerate()
        .map(|(column, width)| rule(column, *width))
        .collect();
    println!("|{}|", rules.join("|"));
    for row in rows {
        println!("{}", line(&mut row.iter().map(String::as_str)));
    }
    println!();
}

fn rule(column: usize, width: usize) -> String {
    let dashes = "-".repeat(width + 1);
    if column == 0 {
        format!("{dashes}-")
    } else {
        format!("{dashes}:")
    }
}

/// Megabytes (10^6) with two decimals below ten.
pub(crate) fn megabytes(bytes: u64) -> String {
    let megabytes = bytes as f64 / 1e6;
    if megabytes < 10.0 {
        format!("{megabytes:.2}")
    } else {
        format!("{megabytes:.1}")
    }
}

/// Thousands of something per second.
pub(crate) fn rate(count: u64, seconds: f64) -> String {
    format!("{:.0}", count as f64 / seconds)
}
