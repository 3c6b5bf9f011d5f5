//! The value of one attribute of a CPE name.

use std::fmt;

/// Wildcards at one end of a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wild {
    /// None.
    #[default]
    None,
    /// `*`: any text.
    Any,
    /// `?` so many times: at most that many characters.
    UpTo(u16),
}

/// The value of one attribute: in lower case, because names are compared without case.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// `*`: any value, or an unknown one.
    #[default]
    Any,
    /// `-`: no value applies.
    Na,
    /// A text, possibly with wildcards around it.
    Text {
        /// The text without escapes; not empty unless both ends have wildcards.
        text: String,
        /// Wildcards before it.
        before: Wild,
        /// Wildcards after it.
        after: Wild,
    },
}

impl Value {
    /// Returns a text without wildcards, in lower case; an empty text is [`Value::Any`].
    pub fn of_text(text: &str) -> Self {
        if text.is_empty() {
            return Self::Any;
        }
        Self::Text {
            text: text.to_lowercase(),
            before: Wild::None,
            after: Wild::None,
        }
    }

    /// Returns the text, if it has no wildcards.
    pub fn plain(&self) -> Option<&str> {
        match self {
            Self::Text {
                text,
                before: Wild::None,
                after: Wild::None,
            } => Some(text),
            _ => None,
        }
    }

    /// Returns true if a text is among those that this value stands for.
    pub fn covers(&self, other: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Na => false,
            Self::Text { text, before, after } => covers(text, *before, *after, other),
        }
    }
}

fn covers(text: &str, before: Wild, after: Wild, other: &str) -> bool {
    let fits = |wild: Wild, rest: &str| match wild {
        Wild::None => rest.is_empty(),
        Wild::Any => true,
        Wild::UpTo(most) => rest.chars().count() <= usize::from(most),
    };
    match (before, after) {
        (Wild::None, after) => other.strip_prefix(text).is_some_and(|rest| fits(after, rest)),
        (before, Wild::None) => other.strip_suffix(text).is_some_and(|rest| fits(before, rest)),
        (before, after) if text.is_empty() => match (before, after) {
            (Wild::UpTo(first), Wild::UpTo(last)) => fits(Wild::UpTo(first.saturating_add(last)), other),
            _ => true,
        },
        // Both ends are open: each place of the text is tried. Values are short.
        (before, after) => other.match_indices(text).any(|(at, _)| {
            fits(before, other.get(..at).unwrap_or_default())
                && fits(after, other.get(at + text.len()..).unwrap_or_default())
        }),
    }
}

/// Writes the value as in a formatted string.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, before, after) = match self {
            Self::Any => return f.write_str("*"),
            Self::Na => return f.write_str("-"),
            Self::Text { text, before, after } => (text, before, after),
        };
        let wild = |f: &mut fmt::Formatter<'_>, wild: &Wild| match wild {
            Wild::None => Ok(()),
            Wild::Any => f.write_str("*"),
            Wild::UpTo(count) => (0..*count).try_for_each(|_| f.write_str("?")),
        };
        wild(f, before)?;
        // A lone hyphen means that no value applies.
        if text == "-" && *before == Wild::None && *after == Wild::None {
            return f.write_str("\\-");
        }
        for character in text.chars() {
            if character.is_ascii_punctuation() && !matches!(character, '_' | '-' | '.') {
                f.write_str("\\")?;
            }
            write!(f, "{character}")?;
        }
        wild(f, after)
    }
}
