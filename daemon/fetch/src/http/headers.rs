//! Headers that mean something to a fetcher.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

/// Longest validator that is kept, in bytes.
const MAX_VALIDATOR_BYTES: usize = 512;

/// The headers of an answer that are looked at, as text.
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
    pub(crate) link: Option<String>,
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
        let validator =
            |name: &str| text(name).filter(|value| !value.is_empty() && value.len() <= MAX_VALIDATOR_BYTES);
        Self {
            etag: validator("etag"),
            last_modified: validator("last-modified"),
            content_type: text("content-type"),
            content_encoding: text("content-encoding"),
            content_length: text("content-length").and_then(|value| value.parse().ok()),
            location: text("location"),
            retry_after: text("retry-after"),
            rate_remaining: text("x-ratelimit-remaining"),
            rate_reset: text("x-ratelimit-reset"),
            link: text("link"),
            date_ms: text("date").as_deref().and_then(http_time_ms),
        }
    }

    /// How long the server asks to wait. A time in the past, or 0, asks for nothing.
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

    /// The address of the next page.
    pub(crate) fn next_page(&self) -> Option<String> {
        self.link.as_deref()?.split(',').find_map(|link| {
            let (address, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
            let is_next = rest.split(';').any(|parameter| {
                let parameter = parameter.trim();
                parameter == "rel=\"next\"" || parameter == "rel=next"
            });
            is_next.then(|| address.to_owned())
        })
    }
}

fn until(at_ms: u64, now_ms: u64) -> Option<Duration> {
    at_ms.checked_sub(now_ms).map(Duration::from_millis)
}

/// Reads a time of a header, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(crate) fn http_time_ms(text: &str) -> Option<u64> {
    let time: Timestamp = DateTimeParser::new().parse_timestamp(text).ok()?;
    u64::try_from(time.as_millisecond()).ok()
}

/// How long to wait before the attempt after `failed` attempts: it doubles, and a random part keeps sites apart.
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

    #[test]
    fn next_page_is_read_from_the_link_header() {
        let headers = Headers {
            link: Some(
                "<https://a.example/x?before=1>; rel=\"prev\", <https://a.example/x?after=2>; rel=\"next\""
                    .to_owned(),
            ),
            ..Headers::default()
        };
        assert_eq!(
            headers.next_page().as_deref(),
            Some("https://a.example/x?after=2")
        );
        assert_eq!(Headers::default().next_page(), None);
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
