//! The headers that the fetcher uses.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

/// Longest validator that is kept, in bytes.
const MAX_VALIDATOR_BYTES: usize = 512;

/// The used headers of an answer, as text.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Headers {
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) content_encoding: Option<String>,
    pub(crate) content_length: Option<u64>,
    pub(crate) location: Option<String>,
    pub(crate) retry_after: Option<String>,
    pub(crate) rate_remaining: Option<String>,
    pub(crate) rate_reset: Option<String>,
    pub(crate) links: Links,
    /// True if the end of the body can be recognised: by a length, by its last chunk, or by its compression.
    pub(crate) is_bounded: bool,
    /// The server's clock, in milliseconds since 1970.
    pub(crate) date_ms: Option<u64>,
}

impl Headers {
    pub(crate) fn of(map: &reqwest::header::HeaderMap) -> Self {
        let text = |name: &str| {
            map.get(name)
                .and_then(|value| value.to_str().ok())
                .map(|value| value.trim().to_owned())
        };
        let mut links = Links::default();
        for header in map.get_all("link") {
            links.add(&String::from_utf8_lossy(header.as_bytes()));
        }
        let validator =
            |name: &str| text(name).filter(|value| !value.is_empty() && value.len() <= MAX_VALIDATOR_BYTES);
        Self {
            etag: validator("etag"),
            last_modified: validator("last-modified"),
            content_type: text("content-type"),
            content_encoding: text("content-encoding"),
            content_length: text("content-length").and_then(|value| value.parse().ok()),
            location: map
                .get("location")
                .map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned()),
            retry_after: text("retry-after"),
            rate_remaining: text("x-ratelimit-remaining"),
            rate_reset: text("x-ratelimit-reset"),
            links,
            is_bounded: text("content-length").is_some()
                || text("transfer-encoding")
                    .is_some_and(|value| value.to_ascii_lowercase().contains("chunked"))
                || text("content-encoding").is_some_and(|value| value.to_ascii_lowercase().contains("gzip")),
            date_ms: text("date").as_deref().and_then(http_time_ms),
        }
    }

    /// Returns the wait that the server asks for. A time in the past, or 0, means no wait.
    pub(crate) fn wait(&self, now_ms: u64) -> Option<Duration> {
        let stated = self
            .retry_after
            .as_deref()
            .and_then(|text| match text.parse::<u64>() {
                Ok(seconds) => Some(Duration::from_secs(seconds)),
                Err(_) => until(http_time_ms(text)?, now_ms),
            });
        let is_used_up = self.rate_remaining.as_deref() == Some("0");
        let reset = || {
            let seconds: u64 = self.rate_reset.as_deref().filter(|_| is_used_up)?.parse().ok()?;
            until(seconds.saturating_mul(1000), now_ms)
        };
        stated.filter(|wait| !wait.is_zero()).or_else(reset)
    }
}

/// The links to other pages in the `Link` headers of an answer.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Links {
    /// The address of the next page.
    pub(crate) next: Option<String>,
    /// True if an earlier page is named: such a server would name the next one too.
    pub(crate) has_previous: bool,
    /// True if a part of a header is not understood.
    pub(crate) is_odd: bool,
}

impl Links {
    fn add(&mut self, header: &str) {
        let mut rest = header.trim();
        while !rest.is_empty() {
            let Some((address, parameters)) = rest.strip_prefix('<').and_then(|rest| rest.split_once('>'))
            else {
                self.is_odd = true;
                return;
            };
            let (parameters, after) = split_outside_quotes(parameters);
            let relations = relations_of(parameters);
            let is = |name: &str| {
                relations
                    .iter()
                    .any(|relation| relation.eq_ignore_ascii_case(name))
            };
            if is("next") && self.next.is_none() {
                self.next = Some(address.to_owned());
            }
            self.has_previous |= is("prev") || is("previous") || is("first");
            rest = after.trim_start_matches([',', ' ', '\t']);
        }
    }
}

/// Splits a header at the first comma outside of quotes, where the next link begins.
fn split_outside_quotes(text: &str) -> (&str, &str) {
    let mut quote = None;
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (None, '"' | '\'') => quote = Some(letter),
            (None, ',') => return (&text[..at], &text[at..]),
            _ => {}
        }
    }
    (text, "")
}

/// Returns the relations in the parameters of a link: `rel="prev next"`, `rel='next'` or `rel=next`.
fn relations_of(parameters: &str) -> Vec<&str> {
    let rel = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("rel").then(|| value.trim())
    });
    rel.unwrap_or_default()
        .trim_matches(['"', '\''])
        .split_whitespace()
        .collect()
}

fn until(at_ms: u64, now_ms: u64) -> Option<Duration> {
    at_ms.checked_sub(now_ms).map(Duration::from_millis)
}

/// Reads a time of a header, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(crate) fn http_time_ms(text: &str) -> Option<u64> {
    let time: Timestamp = DateTimeParser::new().parse_timestamp(text).ok()?;
    u64::try_from(time.as_millisecond()).ok()
}

/// Returns the wait after `failed` attempts. It doubles each time, and a random part spreads the sites.
pub(crate) fn backoff(base: Duration, failed: u32, random: u64) -> Duration {
    const LONGEST: Duration = Duration::from_secs(120);
    let full = base
        .saturating_mul(1 << failed.saturating_sub(1).min(10))
        .min(LONGEST.max(base));
    let half = full / 2;
    let half_ms = u64::try_from(half.as_millis()).unwrap_or(u64::MAX);
    half + Duration::from_millis(random % half_ms.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 784_111_777_000; // Sun, 06 Nov 1994 08:49:37 GMT

    fn wait(retry_after: &str) -> Option<Duration> {
        let headers = Headers {
            retry_after: Some(retry_after.to_owned()),
            ..Headers::default()
        };
        headers.wait(NOW_MS)
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        assert_eq!(wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(
            wait("Sun, 06 Nov 1994 08:50:37 GMT"),
            Some(Duration::from_secs(60))
        );
    }

    #[test]
    fn retry_after_of_zero_or_in_the_past_asks_for_nothing() {
        assert_eq!(wait("0"), None);
        assert_eq!(wait("Sun, 06 Nov 1994 08:00:00 GMT"), None);
        assert_eq!(wait("soon"), None);
    }

    #[test]
    fn used_up_rate_waits_until_its_reset() {
        let mut headers = Headers {
            rate_remaining: Some("0".to_owned()),
            rate_reset: Some((NOW_MS / 1000 + 30).to_string()),
            ..Headers::default()
        };
        assert_eq!(headers.wait(NOW_MS), Some(Duration::from_secs(30)));
        headers.rate_remaining = Some("12".to_owned());
        assert_eq!(headers.wait(NOW_MS), None);
    }

    fn links(headers: &[&[u8]]) -> Links {
        let mut map = reqwest::header::HeaderMap::new();
        for header in headers {
            let value = reqwest::header::HeaderValue::from_bytes(header).expect("a header");
            map.append("link", value);
        }
        Headers::of(&map).links
    }

    #[test]
    fn next_page_is_read_from_any_form_of_link_header() {
        let forms: [&[&[u8]]; 8] = [
            &[b"<https://a.example/x?before=1>; rel=\"prev\", </n>; rel=\"next\""],
            &[b"</p>; rel=\"prev\"", b"</n>; rel=\"next\""],
            &[b"</n>; rel='next'"],
            &[b"</n>;rel=next"],
            &[b"</n>; REL=\"last NEXT\""],
            &[b"</n>; title=\"a, b\"; rel=next"],
            &[b"</p,q>; rel=prev, </n>; rel=next"],
            &[b"</p>; title=\"\xC3\xA9\"; rel=prev,</n>; rel=next"],
        ];
        for form in forms {
            assert_eq!(links(form).next.as_deref(), Some("/n"), "{form:?}");
        }
        assert_eq!(
            links(&[b"</a,b?c=1,2>; rel=next"]).next.as_deref(),
            Some("/a,b?c=1,2")
        );
        assert_eq!(links(&[]), Links::default());
    }

    #[test]
    fn link_header_that_is_not_understood_is_odd() {
        assert!(links(&[b"https://a.example/n; rel=next"]).is_odd);
        let last = links(&[b"</p>; rel=prev"]);
        assert!(last.has_previous && !last.is_odd && last.next.is_none());
    }

    #[test]
    fn backoff_doubles_and_stays_between_half_and_full() {
        let base = Duration::from_secs(2);
        assert_eq!(backoff(base, 1, 0), Duration::from_secs(1));
        assert_eq!(backoff(base, 2, 0), Duration::from_secs(2));
        for (failed, random) in [(1, u64::MAX), (3, 12_345), (40, u64::MAX), (u32::MAX, 7)] {
            let wait = backoff(base, failed, random);
            assert!(
                wait >= Duration::from_secs(1) && wait <= Duration::from_secs(120),
                "{wait:?}"
            );
        }
    }
}
