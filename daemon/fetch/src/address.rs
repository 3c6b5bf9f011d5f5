//! Addresses: of servers and of local files, joined without ever leaving their folder.

use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

use crate::error::PlanError;
use crate::names;

/// Longest address that is taken, in bytes.
const MAX_ADDRESS_BYTES: usize = 4096;

/// Endings of the names of documents that sources publish.
const DOCUMENT_ENDS: [&str; 14] = [
    "bz2", "csv", "gz", "html", "json", "list", "meta", "rdf", "tgz", "txt", "xml", "xz", "zip", "zst",
];

/// Returns true for `HOST:PORT/…`, `HOST/…` and the like: what somebody writes who leaves out `https://`. A path looks the
/// same to a program, so this is asked when there is no such file.
#[must_use]
pub fn lacks_scheme(text: &str) -> bool {
    let is_other = text.contains("://") || text.starts_with(['/', '.', '~']);
    let head = text.split(['/', '?']).next().unwrap_or_default();
    let (host, port) = match head.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (head, None),
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_host = host.split('.').all(is_label) || (host.starts_with('[') && host.ends_with(']'));
    let is_port =
        |port: &str| !port.is_empty() && port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    let is_public = || {
        let ends_in_letters = host
            .rsplit('.')
            .next()
            .is_some_and(|last| last.len() > 1 && last.bytes().all(|byte| byte.is_ascii_alphabetic()));
        let is_document = head == text && DOCUMENT_ENDS.iter().any(|end| host.ends_with(&format!(".{end}")));
        host.contains('.') && ends_in_letters && !is_document
    };
    let is_address_of_4 = || host.parse::<std::net::Ipv4Addr>().is_ok();
    !is_other
        && is_host
        && match port {
            Some(port) => is_port(port),
            None => host == "localhost" || is_address_of_4() || is_public(),
        }
}

/// The origin of bytes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// A server, over HTTP.
    Http(Url),
    /// A file or folder of this machine.
    File(PathBuf),
}

impl Address {
    /// Reads what an operator typed or a preset says.
    pub(crate) fn parse(text: &str) -> Result<Self, PlanError> {
        let wrong = |why: &str| PlanError::Address {
            address: names::shorten(text),
            why: why.to_owned(),
        };
        if text.len() > MAX_ADDRESS_BYTES {
            return Err(wrong("it is too long"));
        }
        if Path::new(text).is_absolute() {
            return Ok(Self::File(PathBuf::from(text)));
        }
        if lacks_scheme(text) {
            return Err(wrong(&format!(
                "it has no scheme: https://{0} or http://{0} is an address",
                names::shorten(text)
            )));
        }
        let url = Url::parse(text).map_err(|error| match text.contains("://") {
            true => wrong(&error.to_string()),
            false => wrong("it is a relative path"),
        })?;
        match url.scheme() {
            "file" => url
                .to_file_path()
                .map(Self::File)
                .map_err(|()| wrong("it names another machine, or no absolute path")),
            "https" | "http" => {
                if !url.username().is_empty() || url.password().is_some() {
                    let mut shown = url;
                    // Not repeated: the message may be logged.
                    let _ = (shown.set_username(""), shown.set_password(None));
                    return Err(PlanError::Address {
                        address: names::shorten(shown.as_str()),
                        why: "it holds a user name or password; put a key into api_key_file".to_owned(),
                    });
                }
                Self::of_url(url).map_err(|why| wrong(&why))
            }
            scheme => Err(wrong(&format!("the scheme {scheme} is not known"))),
        }
    }

    /// Reads an address of a server.
    pub(crate) fn of_url(mut url: Url) -> Result<Self, String> {
        if !matches!(url.scheme(), "https" | "http") {
            return Err(format!("the scheme {} is not followed", url.scheme()));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err("it names no host".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it holds a user name or password".to_owned());
        }
        url.set_fragment(None);
        Ok(Self::Http(url))
    }

    /// Appends a path such as `8/errata.full.json` to this folder. Each part is taken as a name, never as a way out.
    pub(crate) fn join(&self, path: &str) -> Result<Self, String> {
        if path.is_empty() {
            return Ok(self.clone());
        }
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        for part in &parts {
            names::check_part(part)?;
        }
        match self {
            Self::File(folder) => {
                let mut file = folder.clone();
                file.extend(parts);
                Ok(Self::File(file))
            }
            Self::Http(url) => {
                let mut url = url.clone();
                {
                    let mut segments = url
                        .path_segments_mut()
                        .map_err(|()| "it has no path".to_owned())?;
                    segments.pop_if_empty().extend(parts);
                    if path.ends_with('/') {
                        segments.push("");
                    }
                }
                url.set_query(None);
                Ok(Self::Http(url))
            }
        }
    }

    /// Sets the query. Colons and commas stay as they are: some servers refuse them escaped.
    #[must_use]
    pub(crate) fn with_query(&self, pairs: &[(String, String)]) -> Self {
        match self {
            Self::Http(url) if !pairs.is_empty() => {
                let mut url = url.clone();
                let query: Vec<String> = pairs
                    .iter()
                    .map(|(key, value)| format!("{}={}", escape(key), escape(value)))
                    .collect();
                url.set_query(Some(&query.join("&")));
                Self::Http(url)
            }
            other => other.clone(),
        }
    }

    /// Returns the folder of this document.
    #[must_use]
    pub(crate) fn parent(&self) -> Self {
        match self {
            Self::File(file) => Self::File(file.parent().unwrap_or(file).to_owned()),
            Self::Http(url) => {
                let mut url = url.clone();
                url.set_query(None);
                if let Ok(mut segments) = url.path_segments_mut() {
                    segments.pop().push("");
                }
                Self::Http(url)
            }
        }
    }

    /// Returns the last part of the path as a file name; `fallback` if it cannot be one.
    #[must_use]
    pub(crate) fn file_name(&self, fallback: &str) -> String {
        let last = match self {
            Self::File(file) => file.file_name().map(|name| name.to_string_lossy().into_owned()),
            Self::Http(url) => url
                .path_segments()
                .and_then(|mut segments| segments.next_back())
                .map(str::to_owned),
        };
        match last {
            Some(name) if names::check_part(&name).is_ok() && !name.starts_with('.') => name,
            _ => fallback.to_owned(),
        }
    }

    /// Returns the last part of the path as it is written; empty for a folder that ends in a slash.
    fn last_part(&self) -> String {
        match self {
            Self::File(file) => file.file_name().map(|name| name.to_string_lossy().into_owned()),
            Self::Http(url) => url
                .path_segments()
                .and_then(|mut segments| segments.next_back())
                .map(str::to_owned),
        }
        .unwrap_or_default()
    }

    /// Returns true if the name of the document ends in `.` and `end`.
    #[must_use]
    pub(crate) fn ends_in(&self, end: &str) -> bool {
        let last = self.last_part();
        last.rsplit_once('.')
            .is_some_and(|(name, own)| !name.is_empty() && own.eq_ignore_ascii_case(end))
    }

    /// Returns true if the last part of the path looks like the name of a document, not of a folder.
    #[must_use]
    pub(crate) fn is_file_by_name(&self) -> bool {
        DOCUMENT_ENDS.iter().any(|end| self.ends_in(end))
    }

    /// Returns true if both are on one server and port, or both are local.
    #[must_use]
    pub(crate) fn is_same_origin(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Http(one), Self::Http(other)) => one.origin() == other.origin(),
            (Self::File(_), Self::File(_)) => true,
            _ => false,
        }
    }

    /// Returns true if the address has a query.
    #[must_use]
    pub(crate) fn has_query(&self) -> bool {
        matches!(self, Self::Http(url) if url.query().is_some())
    }

    /// Returns the address without its query.
    #[must_use]
    pub(crate) fn without_query(&self) -> String {
        match self {
            Self::Http(url) => {
                let mut url = url.clone();
                url.set_query(None);
                url.to_string()
            }
            Self::File(path) => path.display().to_string(),
        }
    }

    /// Returns the host, without the port.
    #[must_use]
    pub(crate) fn host(&self) -> Option<&str> {
        match self {
            Self::Http(url) => url.host_str(),
            Self::File(_) => None,
        }
    }
}

impl fmt::Debug for Address {
    /// Shows the address without its query, which may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.without_query())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(url) => f.write_str(url.as_str()),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b',' | b'/' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(base: &str, path: &str) -> Result<String, String> {
        Address::parse(base)
            .expect("an address")
            .join(path)
            .map(|address| address.to_string())
    }

    #[test]
    fn paths_are_appended_below_the_base() {
        assert_eq!(
            joined("https://feed.example/data", "8/a b.json").as_deref(),
            Ok("https://feed.example/data/8/a%20b.json")
        );
        assert_eq!(
            joined("https://feed.example/data/", "Red Hat/all.zip").as_deref(),
            Ok("https://feed.example/data/Red%20Hat/all.zip")
        );
        assert_eq!(
            joined("file:///media/usb", "osv/all.zip").as_deref(),
            Ok("/media/usb/osv/all.zip")
        );
    }

    #[test]
    fn path_that_leaves_its_folder_is_refused() {
        for path in ["../x", "a/../../x", "a/\0b", ".."] {
            assert!(joined("https://feed.example/data", path).is_err(), "{path:?}");
            assert!(joined("/media/usb", path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn colons_of_a_query_stay_and_a_plus_is_escaped() {
        let address = Address::parse("https://feed.example/cves/2.0").expect("an address");
        let pairs = [(
            "lastModStartDate".to_owned(),
            "2026-01-01T00:00:00.000+00:00".to_owned(),
        )];
        let text = address.with_query(&pairs).to_string();
        assert_eq!(
            text,
            "https://feed.example/cves/2.0?lastModStartDate=2026-01-01T00:00:00.000%2B00:00"
        );
    }

    #[test]
    fn password_in_an_address_is_refused_and_not_repeated() {
        let error = Address::parse("https://me:secret@feed.example/").expect_err("a password");
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    /// `HOST:PORT/x` was read as a relative path, or as an address with the scheme HOST.
    #[test]
    fn address_without_scheme_is_distinguished_from_a_path() {
        for text in [
            "127.0.0.1:8080/x.zip",
            "127.0.0.1/x.zip",
            "localhost/x",
            "localhost:80",
            "mirror:8443/osv/",
            "[::1]:80/x",
            "feed.example.org/a.zip",
            "feed.example.org",
        ] {
            assert!(lacks_scheme(text), "{text}");
            let error = Address::parse(text).expect_err(text).to_string();
            assert!(error.contains(&format!("https://{text}")), "{error}");
        }
        for text in [
            "https://feed.example/x",
            "/media/usb/x",
            "./feed.example.org/x",
            "feeds/osv",
            "x.zip",
            "vendor.json",
            "C:/feeds",
            "a:b/x",
            "data.d/osv",
            "osv",
            "",
        ] {
            assert!(!lacks_scheme(text), "{text}");
        }
    }

    #[test]
    fn relative_path_and_unknown_scheme_are_refused() {
        assert!(Address::parse("feeds/osv").is_err());
        assert!(Address::parse("ftp://feed.example/x").is_err());
    }
}
