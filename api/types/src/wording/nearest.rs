//! The known word that a misspelt one was meant to be.

/// Returns the known word nearest to a misspelt one, if one is near enough.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest_within(word, known, |name| 1 + name.chars().count() / 3)
}

/// Returns the known word nearest to a misspelt one, if no more letters differ than `bound` allows for that word.
#[must_use]
pub fn nearest_within<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
    bound: impl Fn(&str) -> usize,
) -> Option<&'a str> {
    let word = word.to_lowercase();
    let near = known
        .into_iter()
        .map(|name| (distance(&name.to_lowercase(), &word), name));
    let (distance, name) = near.min()?;
    (distance <= bound(name)).then_some(name)
}

/// Returns the number of letters to change to turn one word into the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (index, x) in a.chars().take(64).enumerate() {
        let mut next = vec![index + 1];
        for (place, y) in b.iter().enumerate() {
            let replaced = row.get(place).copied().unwrap_or_default() + usize::from(x != *y);
            let dropped = row.get(place + 1).copied().unwrap_or_default() + 1;
            let added = next.last().copied().unwrap_or_default() + 1;
            next.push(replaced.min(dropped).min(added));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
