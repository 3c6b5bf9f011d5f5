//! Access control: the trust of a listener, the admin token, and the hosts that a browser may name.
//!
//! Calls that change the site or use its keys are *admin* calls. The file mode of the local socket admits only its
//! owner, so its callers are admins. Over TCP an admin call needs the bearer token. Over TCP a request must also name
//! this machine in `Host` (and in `Origin`, if present): otherwise a web page could reach the site through a user's
//! browser by DNS rebinding.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use starling_api_types::{ErrorCode, Problem};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::places::Caller;
use crate::reply::ProblemReply;

/// Fewest bytes of an admin token: 128 bits, if it is random hex.
pub const TOKEN_MIN_BYTES: usize = 32;

/// The secret for admin calls over TCP. Never printed; wiped from memory when dropped.
#[derive(Clone)]
pub struct AdminToken(Arc<Zeroizing<Vec<u8>>>);

/// A token that is too short, or that cannot be sent in a header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "reading the admin token: expected at least {TOKEN_MIN_BYTES} printable ASCII characters, got {found} bytes"
)]
pub struct TokenError {
    /// Number of bytes.
    pub found: usize,
}

impl AdminToken {
    /// Stores the secret, without surrounding white space.
    ///
    /// # Errors
    /// If it is shorter than [`TOKEN_MIN_BYTES`] or contains anything but printable ASCII.
    pub fn new(secret: &str) -> Result<Self, TokenError> {
        let secret = secret.trim();
        if secret.len() < TOKEN_MIN_BYTES || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError { found: secret.len() });
        }
        Ok(Self(Arc::new(Zeroizing::new(secret.as_bytes().to_vec()))))
    }

    /// Compares in a time that depends only on the lengths.
    fn admits(&self, given: &[u8]) -> bool {
        self.0.as_slice().ct_eq(given).into()
    }
}

impl std::fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdminToken(..)")
    }
}

/// The trust of a listener.
#[derive(Debug, Clone)]
pub enum Access {
    /// The operating system checked the caller: every call is allowed.
    LocalSocket,
    /// Anyone who can reach the port: admin calls need the token, and are refused if there is none.
    Network {
        /// The token for admin calls.
        token: Option<AdminToken>,
        /// Accepted host names of this machine, besides `localhost` and addresses.
        hosts: Vec<String>,
        /// True if only loopback addresses are accepted as host, for a loopback listener.
        loopback_only: bool,
    },
}

impl Access {
    /// Creates the access of a loopback listener: only loopback names are accepted.
    pub fn loopback(token: Option<AdminToken>) -> Self {
        Self::Network {
            token,
            hosts: Vec::new(),
            loopback_only: true,
        }
    }

    /// Returns the origin of its calls.
    pub(crate) fn caller(&self) -> Caller {
        match self {
            Self::LocalSocket => Caller::Local,
            Self::Network { .. } => Caller::Remote,
        }
    }

    fn check_admin(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Self::Network { token, .. } = self else {
            return Ok(());
        };
        let given = headers.get(AUTHORIZATION).map(axum::http::HeaderValue::as_bytes);
        let (Some(token), Some(given)) = (token, given) else {
            let problem = Problem::new(
                ErrorCode::TokenRequired,
                "making an admin call over TCP without a token",
            );
            return Err(match token {
                Some(_) => {
                    problem.hint("send `Authorization: Bearer TOKEN`, or use the `starling` command here")
                }
                None => {
                    problem.hint("use the `starling` command on this machine, or configure an admin token")
                }
            });
        };
        match bearer(given) {
            Some(given) if token.admits(given) => Ok(()),
            _ => Err(Problem::new(
                ErrorCode::TokenInvalid,
                "making an admin call over TCP: the token differs from this site's token",
            )
            .hint("send `Authorization: Bearer TOKEN` with the token of this site's configuration")),
        }
    }

    fn check_host(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
        let Self::Network {
            hosts, loopback_only, ..
        } = self
        else {
            return Ok(());
        };
        let allowed = |authority: &str| names_this_machine(authority, hosts, *loopback_only);
        let refuse = |checked: &str, found: &str| {
            let found: String = found.chars().take(100).collect();
            Err(Problem::new(
                ErrorCode::HostNotAllowed,
                format!("checking {checked}: `{found}` is not a name of this machine"),
            )
            .hint("call it by 127.0.0.1, [::1] or localhost"))
        };
        let mut named = headers.get_all(HOST).iter();
        let host = match (named.next(), named.next()) {
            (Some(host), None) => host.to_str().unwrap_or_default().to_owned(),
            (None, None) => uri.authority().map(ToString::to_string).unwrap_or_default(),
            _ => return refuse("the `Host` header", "found two Host headers, expected one"),
        };
        if !allowed(&host) {
            return refuse("the `Host` header", &host);
        }
        // An address in the request line takes the place of the header (RFC 9112, 3.2.2).
        if let Some(authority) = uri.authority().filter(|authority| !allowed(authority.as_str())) {
            return refuse("the address in the request line", authority.as_str());
        }
        match headers.get(ORIGIN) {
            None => Ok(()),
            Some(origin) => {
                let origin = origin.to_str().unwrap_or_default();
                match origin.split_once("://") {
                    Some((_, authority)) if allowed(authority) => Ok(()),
                    _ => refuse("the `Origin` header", origin),
                }
            }
        }
    }
}

/// Returns the credentials of a `Bearer` header; the scheme's case does not matter (RFC 9110, 11.1).
fn bearer(header: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer ";
    let (scheme, token) = header.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| token.trim_ascii())
}

fn names_this_machine(authority: &str, hosts: &[String], loopback_only: bool) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else {
        return false;
    };
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host();
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        // DNS rebinding needs a name; an address is safe.
        return address.is_loopback() || !loopback_only;
    }
    host.eq_ignore_ascii_case("localhost") || hosts.iter().any(|name| host.eq_ignore_ascii_case(name))
}

/// Refuses requests for another host (middleware).
pub(crate) async fn require_host(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Response {
    match access.check_host(request.headers(), request.uri()) {
        Ok(()) => next.run(request).await,
        Err(problem) => ProblemReply(problem).into_response(),
    }
}

/// Refuses admin calls without admin rights (middleware).
pub(crate) async fn require_admin(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Response {
    match access.check_admin(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => ProblemReply(problem).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn with(name: axum::http::HeaderName, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn short_tokens_are_refused_and_never_printed() {
        assert_eq!(AdminToken::new("secret").unwrap_err(), TokenError { found: 6 });
        assert!(AdminToken::new(&format!(" {SECRET}\n")).is_ok());
        assert!(!format!("{:?}", AdminToken::new(SECRET).unwrap()).contains("0123"));
    }

    #[test]
    fn only_the_complete_token_is_accepted() {
        let access = Access::loopback(Some(AdminToken::new(SECRET).unwrap()));
        let check = |value: &str| {
            access
                .check_admin(&with(AUTHORIZATION, value))
                .map_err(|problem| problem.code)
        };
        assert_eq!(check(&format!("Bearer {SECRET}")), Ok(()));
        assert_eq!(check(&format!("bearer {SECRET}")), Ok(()));
        for bad in [
            SECRET.to_owned(),
            format!("Bearer {}", &SECRET[1..]),
            format!("Basic {SECRET}"),
            "Bearer ".into(),
        ] {
            assert_eq!(check(&bad), Err(ErrorCode::TokenInvalid), "{bad}");
        }
        assert_eq!(
            access.check_admin(&HeaderMap::new()).unwrap_err().code,
            ErrorCode::TokenRequired
        );
        let none = Access::loopback(None);
        let given = with(AUTHORIZATION, &format!("Bearer {SECRET}"));
        assert_eq!(
            none.check_admin(&given).unwrap_err().code,
            ErrorCode::TokenRequired
        );
    }

    #[test]
    fn loopback_listener_accepts_loopback_names_only() {
        let access = Access::loopback(None);
        let check = |host: &str| {
            access
                .check_host(&with(HOST, host), &Uri::from_static("/"))
                .is_ok()
        };
        for good in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "localhost:1",
            "LOCALHOST",
            "[::1]:80",
        ] {
            assert!(check(good), "{good}");
        }
        for bad in [
            "evil.example",
            "localhost.evil.example",
            "10.0.0.1",
            "127.0.0.1.nip.io",
            "",
            "a@localhost",
        ] {
            assert!(!check(bad), "{bad}");
        }
        assert!(
            access
                .check_host(&HeaderMap::new(), &Uri::from_static("/"))
                .is_err()
        );
        assert!(
            access
                .check_host(&HeaderMap::new(), &Uri::from_static("http://127.0.0.1/"))
                .is_ok()
        );
        let foreign = Uri::from_static("http://evil.example/");
        let refused = access.check_host(&with(HOST, "127.0.0.1"), &foreign);
        assert_eq!(refused.unwrap_err().code, ErrorCode::HostNotAllowed);
    }

    #[test]
    fn foreign_origin_is_refused_even_with_the_right_host() {
        let access = Access::loopback(None);
        let mut headers = with(HOST, "127.0.0.1:8080");
        headers.insert(ORIGIN, "http://127.0.0.1:8080".parse().unwrap());
        assert!(access.check_host(&headers, &Uri::from_static("/")).is_ok());
        for bad in ["https://evil.example", "null"] {
            headers.insert(ORIGIN, bad.parse().unwrap());
            assert!(
                access.check_host(&headers, &Uri::from_static("/")).is_err(),
                "{bad}"
            );
        }
    }
}
