//! The form of a document's beginning, from which its source can be detected.

use std::borrow::Cow;

use super::shallow;

/// Most members of the outermost object that are examined.
const MAX_MEMBERS: usize = 32;
/// A member that identifies a record of the OSV schema and ends the examination.
const OSV_ONLY: &str = "affected";

/// The beginning of a document, as far as it was read.
#[derive(Debug)]
pub(crate) enum Shape<'a> {
    /// A JSON object, or a list of them by its first item.
    Json {
        /// Keys and values; the last value may be missing if the beginning ends there.
        members: Vec<(Cow<'a, str>, &'a [u8])>,
        /// True if it is a list.
        is_list: bool,
    },
    /// XML.
    Xml {
        /// The outermost element, without its prefix.
        root: &'a str,
        /// The text that was read.
        head: &'a [u8],
    },
    /// Another text.
    Text {
        /// The text that was read.
        head: &'a [u8],
    },
}

impl<'a> Shape<'a> {
    /// Examines the beginning of a document.
    pub(crate) fn of(head: &'a [u8]) -> Self {
        let body = crate::osv::strip_byte_order_mark(head).trim_ascii_start();
        match body.first() {
            Some(b'{') => Self::Json {
                members: members(body),
                is_list: false,
            },
            Some(b'[')
                if matches!(
                    body.get(1..).map(<[u8]>::trim_ascii_start),
                    Some([b'{' | b']', ..])
                ) =>
            {
                let first = body.get(1..).unwrap_or_default().trim_ascii_start();
                Self::Json {
                    members: members(first),
                    is_list: true,
                }
            }
            Some(b'<') => Self::Xml {
                root: root(body).unwrap_or_default(),
                head: body,
            },
            _ => Self::Text { head: body },
        }
    }

    /// Returns true if the outermost JSON object has this member.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// Returns true if it is a single JSON object with all of these members.
    pub(crate) fn is_object_with(&self, keys: &[&str]) -> bool {
        matches!(self, Self::Json { is_list: false, .. }) && keys.iter().all(|key| self.has(key))
    }

    /// Returns the bytes of a member of the outermost JSON object, as far as they were read.
    pub(crate) fn value(&self, key: &str) -> Option<&'a [u8]> {
        match self {
            Self::Json { members, .. } => members
                .iter()
                .find(|(own, _)| own == key)
                .map(|(_, value)| *value),
            _ => None,
        }
    }

    /// Returns true for a JSON list or object whose members are all among these.
    pub(crate) fn has_only(&self, of_list: bool, keys: &[&str]) -> bool {
        match self {
            Self::Json { members, is_list } => {
                let is_known = members.iter().all(|(key, _)| keys.contains(&key.as_ref()));
                *is_list == of_list && !members.is_empty() && is_known
            }
            _ => false,
        }
    }

    /// Returns the first member of the outermost JSON object.
    pub(crate) fn first(&self) -> Option<(&str, &'a [u8])> {
        match self {
            Self::Json {
                members,
                is_list: false,
            } => members.first().map(|(key, value)| (key.as_ref(), *value)),
            _ => None,
        }
    }

    /// Returns true if it is XML whose outermost element has this name.
    pub(crate) fn is_xml(&self, name: &str) -> bool {
        matches!(self, Self::Xml { root, .. } if *root == name)
    }

    /// Returns true for XML that contains these bytes in the part that was read.
    pub(crate) fn xml_holds(&self, text: &str) -> bool {
        match self {
            Self::Xml { head, .. } => {
                let near = head.get(..head.len().min(64 << 10)).unwrap_or_default();
                memchr::memmem::find(near, text.as_bytes()).is_some()
            }
            _ => false,
        }
    }

    /// Returns the beginning of a text that is neither JSON nor XML.
    pub(crate) fn text(&self) -> Option<&'a str> {
        let Self::Text { head } = self else { return None };
        let near = head.get(..head.len().min(4_096)).unwrap_or_default();
        match std::str::from_utf8(near) {
            Ok(text) => Some(text),
            Err(error) => std::str::from_utf8(near.get(..error.valid_up_to())?).ok(),
        }
    }
}

fn members(body: &[u8]) -> Vec<(Cow<'_, str>, &[u8])> {
    let mut found = Vec::new();
    let Some(mut walk) = shallow::members(body) else {
        return found;
    };
    while found.len() < MAX_MEMBERS {
        let rest = walk.rest();
        match walk.next() {
            Some(Ok((key, value))) => {
                let is_osv = key == OSV_ONLY;
                found.push((key, value));
                if is_osv {
                    break;
                }
            }
            // The value continues after the part that was read: its beginning is enough.
            Some(Err(_)) => {
                found.extend(begun(rest));
                break;
            }
            None => break,
        }
    }
    found
}

/// Returns the truncated member at the end of a text.
fn begun(rest: &[u8]) -> Option<(Cow<'_, str>, &[u8])> {
    let rest = rest.trim_ascii_start();
    let rest = rest
        .strip_prefix(b",")
        .unwrap_or(rest)
        .trim_ascii_start()
        .strip_prefix(b"\"")?;
    let end = memchr::memchr(b'"', rest)?;
    let key = std::str::from_utf8(rest.get(..end)?).ok()?;
    let value = rest.get(end + 1..)?.trim_ascii_start().strip_prefix(b":")?;
    Some((Cow::Borrowed(key), value.trim_ascii_start()))
}

/// Returns the name of the outermost element, without its prefix.
fn root(body: &[u8]) -> Option<&str> {
    let mut rest = body;
    loop {
        rest = rest.get(memchr::memchr(b'<', rest)? + 1..)?;
        if let Some(comment) = rest.strip_prefix(b"!--") {
            rest = comment.get(memchr::memmem::find(comment, b"-->")?..)?;
        } else if !rest.starts_with(b"?") && !rest.starts_with(b"!") {
            let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(byte);
            let end = rest.iter().position(|byte| !is_name(byte)).unwrap_or(rest.len());
            return std::str::from_utf8(rest.get(..end)?).ok()?.rsplit(':').next();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn forms_are_detected_from_the_beginning() {
        let shape = Shape::of(b"\xEF\xBB\xBF {\"a\":1,\"b\":[{\"x");
        assert!(shape.is_object_with(&["a", "b"]));
        assert_eq!(shape.value("b"), Some(&b"[{\"x"[..]));
        assert_eq!(shape.first(), Some(("a", &b"1"[..])));
        let shape = Shape::of(b"[ {\"a\":1}, 7");
        assert!(shape.has("a") && !shape.is_object_with(&["a"]));
        assert!(Shape::of(b"<?xml?><!-- <x> --><!DOCTYPE y><n:root>").is_xml("root"));
        assert_eq!(Shape::of(b"cve,epss\n").text(), Some("cve,epss\n"));
    }

    proptest! {
        #[test]
        fn any_beginning_has_a_shape(bytes in prop::collection::vec(any::<u8>(), 0..100), text in "[\\[{<][\\[{}\\]\":,a<>!?-]{0,40}") {
            let _ = Shape::of(&bytes);
            let _ = Shape::of(text.as_bytes());
        }
    }
}
