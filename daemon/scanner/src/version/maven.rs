//! Maven's `ComparableVersion`, of Maven 4: numbers, qualifiers and nested lists.
//!
//! Words for a release (`ga`, `final`, `release`) equal nothing, but keep their place: Maven 3 dropped them, and read
//! `6.4.2.Final-vendor-3` as `6.4.2-vendor-3`.
//!
//! The parser follows the class step by step (numbered below), because its special cases (a `-` that opens a list,
//! zeros dropped before qualifiers, `X-1` read as `X1`) define the order. The order is not transitive everywhere,
//! which is why there is no key. Numbers are digits of any length. The nesting is limited by the text's length, which
//! the caller limits.

use std::cmp::Ordering;

use super::key::KeyWriter;

use super::key::split_digits;

/// A parsed Maven version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MavenVersion {
    items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    /// Digits without leading zeros; empty is zero.
    Number(String),
    Qualifier(String),
    /// A qualifier with its number, such as `rc1`.
    Combination(String, String),
    List(Vec<Item>),
}

impl MavenVersion {
    pub(super) fn parse(text: &str) -> Self {
        Parser::default().run(&text.to_lowercase())
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        compare_lists(&self.items, &other.items)
    }
}

/// The open lists; each one becomes the last item of the previous one when it is closed.
#[derive(Debug)]
struct Parser {
    open: Vec<Vec<Item>>,
}

impl Default for Parser {
    fn default() -> Self {
        Self {
            open: vec![Vec::new()],
        }
    }
}

impl Parser {
    fn run(mut self, text: &str) -> MavenVersion {
        let bytes = text.as_bytes();
        let (mut start, mut is_digit, mut is_combination) = (0_usize, false, false);
        let slice = |from: usize, to: usize| text.get(from..to).unwrap_or("");
        for (i, byte) in bytes.iter().copied().enumerate() {
            match byte {
                // 1. A dot ends an item; an empty one is zero.
                b'.' => {
                    if i == start {
                        self.push(Item::Number(String::new()));
                    } else {
                        self.push(item(is_combination, is_digit, slice(start, i)));
                    }
                    is_combination = false;
                    start = i + 1;
                }
                // 2. A hyphen ends an item and opens a list, except in `X-1`, which reads as `X1`.
                b'-' => {
                    if i == start {
                        self.push(Item::Number(String::new()));
                    } else {
                        if !is_digit && bytes.get(i + 1).is_some_and(u8::is_ascii_digit) {
                            is_combination = true;
                            continue;
                        }
                        self.push(item(is_combination, is_digit, slice(start, i)));
                    }
                    start = i + 1;
                    self.open_list_if_filled();
                    is_combination = false;
                }
                // 3. From letters to digits: a combination, in a list of its own.
                b'0'..=b'9' => {
                    if !is_digit && i > start {
                        is_combination = true;
                        self.open_list_if_filled();
                    }
                    is_digit = true;
                }
                // 4. From digits to letters: the number ends and a list opens.
                _ => {
                    if is_digit && i > start {
                        self.push(item(is_combination, true, slice(start, i)));
                        start = i;
                        self.open.push(Vec::new());
                        is_combination = false;
                    }
                    is_digit = false;
                }
            }
        }
        if bytes.len() > start {
            // 5. A qualifier at the end is read as if a hyphen was before it.
            if !is_digit {
                self.open_list_if_filled();
            }
            self.push(item(is_combination, is_digit, slice(start, bytes.len())));
        }
        // 6. Innermost first, so that an outer list sees its inner lists without padding.
        let mut inner: Option<Vec<Item>> = None;
        while let Some(mut list) = self.open.pop() {
            list.extend(inner.take().map(Item::List));
            normalise(&mut list);
            inner = Some(list);
        }
        MavenVersion {
            items: inner.unwrap_or_default(),
        }
    }

    fn push(&mut self, item: Item) {
        if let Some(list) = self.open.last_mut() {
            list.push(item);
        }
    }

    fn open_list_if_filled(&mut self) {
        if self.open.last().is_some_and(|list| !list.is_empty()) {
            self.open.push(Vec::new());
        }
    }
}

fn item(is_combination: bool, is_digit: bool, text: &str) -> Item {
    if is_combination {
        let text = text.replace('-', "");
        let letters = text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len());
        let (qualifier, number) = text.split_at(letters);
        let qualifier = expand_shorthand(qualifier, true);
        return Item::Combination(
            qualifier,
            split_digits(number).0.trim_start_matches('0').to_owned(),
        );
    }
    if is_digit {
        return Item::Number(text.trim_start_matches('0').to_owned());
    }
    Item::Qualifier(expand_shorthand(text, false))
}

fn expand_shorthand(qualifier: &str, before_digit: bool) -> String {
    match qualifier {
        "a" if before_digit => "alpha",
        "b" if before_digit => "beta",
        "m" if before_digit => "milestone",
        "cr" => "rc",
        other => other,
    }
    .to_owned()
}

/// Drops items that equal nothing, if nothing or a qualifier follows.
fn normalise(list: &mut Vec<Item>) {
    for i in (0..list.len()).rev() {
        let droppable = list.get(i).is_some_and(Item::is_null)
            && match list.get(i + 1) {
                None | Some(Item::Qualifier(_)) => true,
                Some(Item::List(inner)) => {
                    matches!(inner.first(), Some(Item::Qualifier(_) | Item::Combination(..)))
                }
                Some(_) => false,
            };
        if droppable {
            list.remove(i);
        }
    }
}

/// Returns the position of a qualifier in the published order; unknown ones come after all, by text.
fn qualifier_rank(qualifier: &str) -> (usize, &str) {
    const ORDER: [&str; 7] = ["alpha", "beta", "milestone", "rc", "snapshot", "", "sp"];
    let ranked = match qualifier {
        "ga" | "final" | "release" => "",
        other => other,
    };
    match ORDER.iter().position(|q| *q == ranked) {
        Some(rank) => (rank, ""),
        None => (ORDER.len(), qualifier),
    }
}

fn compare_qualifiers(a: &str, b: &str) -> Ordering {
    qualifier_rank(a).cmp(&qualifier_rank(b))
}

fn compare_numbers(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

impl Item {
    fn is_null(&self) -> bool {
        match self {
            Self::Number(digits) => digits.is_empty(),
            Self::Qualifier(text) => text.is_empty(),
            Self::Combination(..) => false,
            Self::List(items) => items.is_empty(),
        }
    }

    /// Compares with the absence of an item.
    fn compare_to_null(&self) -> Ordering {
        match self {
            Self::Number(digits) => compare_numbers(digits, ""),
            Self::Qualifier(text) | Self::Combination(text, _) => compare_qualifiers(text, ""),
            Self::List(items) => items
                .iter()
                .map(Self::compare_to_null)
                .find(|o| o.is_ne())
                .unwrap_or(Ordering::Equal),
        }
    }

    /// Kinds in their order: `1.qualifier < 1-1 < 1.1`.
    fn rank(&self) -> u8 {
        match self {
            Self::Qualifier(_) | Self::Combination(..) => 0,
            Self::List(_) => 1,
            Self::Number(_) => 2,
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => compare_numbers(a, b),
            (Self::List(a), Self::List(b)) => compare_lists(a, b),
            (Self::Qualifier(a), Self::Qualifier(b)) => compare_qualifiers(a, b),
            (Self::Qualifier(a), Self::Combination(b, _)) => compare_qualifiers(a, b).then(Ordering::Less),
            (Self::Combination(a, _), Self::Qualifier(b)) => compare_qualifiers(a, b).then(Ordering::Greater),
            (Self::Combination(a, m), Self::Combination(b, n)) => {
                compare_qualifiers(a, b).then_with(|| compare_numbers(m, n))
            }
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

fn compare_lists(a: &[Item], b: &[Item]) -> Ordering {
    for i in 0..a.len().max(b.len()) {
        let order = match (a.get(i), b.get(i)) {
            (Some(a), Some(b)) => a.compare(b),
            (Some(a), None) => a.compare_to_null(),
            (None, Some(b)) => b.compare_to_null().reverse(),
            (None, None) => Ordering::Equal,
        };
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}
/// Returns the numbers at the beginning of a version, as bytes in the same order, without trailing zeros. If these
/// differ, they decide, because a number is above anything else in its place. So they give a coarser order of
/// versions, which is transitive even if `ComparableVersion` is not.
pub(super) fn leading_numbers(text: &str) -> Vec<u8> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (numbers, _) = text.split_at(end);
    let mut key = KeyWriter::with_capacity(end + 4);
    let mut zeros = 0;
    // Nothing between two dots is a zero.
    for number in numbers.split('.') {
        if number.bytes().all(|digit| digit == b'0') {
            zeros += 1;
            continue;
        }
        for _ in 0..std::mem::take(&mut zeros) {
            key.number("");
        }
        key.number(number);
    }
    key.finish()
}
