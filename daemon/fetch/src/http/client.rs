//! Connections: trust, proxy, key, and names that may not resolve into the site's network.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::HeaderValue;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::guard::{Guard, is_special};
use crate::error::FetchError;
use crate::settings::{ProxySettings, Settings};

/// Longest file of a key, in bytes.
const MAX_KEY_BYTES: u64 = 64 << 10;
/// Longest file of certificate authorities, in bytes.
const MAX_CA_BYTES: u64 = 16 << 20;

/// A key that is never shown.
#[derive(Clone)]
pub(crate) struct Secret(HeaderValue);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl Secret {
    /// Reads the key on the first line of a file.
    pub(crate) fn read(path: &Path) -> Result<Self, FetchError> {
        let text = read_bounded(path, MAX_KEY_BYTES, "api_key_file")?;
        let text = String::from_utf8(text).unwrap_or_default();
        let key = text.lines().next().unwrap_or_default().trim();
        if key.is_empty() {
            return Err(settings(format!(
                "api_key_file {} holds no key: expected it on the first line",
                path.display()
            )));
        }
        Self::of(key).ok_or_else(|| {
            settings(format!(
                "api_key_file {} holds a key with characters that no header can carry",
                path.display()
            ))
        })
    }

    fn of(text: &str) -> Option<Self> {
        let mut value = HeaderValue::from_str(text).ok()?;
        value.set_sensitive(true);
        Some(Self(value))
    }

    /// Returns the value of the header: `prefix` and the key.
    pub(crate) fn header(&self, prefix: &str) -> Option<HeaderValue> {
        let key = self.0.to_str().ok()?;
        Self::of(&format!("{prefix}{key}")).map(|secret| secret.0)
    }
}

/// The certificate authorities that connections trust.
#[derive(Debug, Clone)]
pub(crate) struct Trust {
    config: Arc<rustls::ClientConfig>,
    /// Set if the machine has no certificate authorities, so that those of this program are used.
    pub(crate) built_in: bool,
}

impl Trust {
    /// Returns the authorities of the system and of `ca_file`. On a machine without any, such as an empty container,
    /// returns those that this program was built with.
    pub(crate) fn load(ca_file: Option<&Path>) -> Result<Self, FetchError> {
        let mut roots = rustls::RootCertStore::empty();
        // A certificate of the system that cannot be read is one that is not trusted.
        let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let built_in = added == 0;
        if built_in {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        if let Some(path) = ca_file {
            let pem = read_bounded(path, MAX_CA_BYTES, "ca_file")?;
            let mut count = 0;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let wrong = |why: String| settings(format!("ca_file {}: {why}", path.display()));
                let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
                count += 1;
            }
            if count == 0 {
                return Err(settings(format!(
                    "ca_file {} holds no certificate: expected PEM",
                    path.display()
                )));
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| settings(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            config: Arc::new(config),
            built_in,
        })
    }

    /// Builds the client of one run.
    pub(crate) fn client(&self, of: &Settings, guard: &Guard) -> Result<reqwest::Client, FetchError> {
        let user_agent = HeaderValue::from_str(&of.user_agent)
            .map_err(|_| settings("user_agent holds characters that no header can carry".to_owned()))?;
        if of.user_agent.trim().is_empty() {
            return Err(settings(
                "user_agent is empty, and some sources refuse that".to_owned(),
            ));
        }
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured((*self.config).clone())
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .user_agent(user_agent)
            .pool_max_idle_per_host(1)
            .http1_only()
            .dns_resolver(Arc::new(PublicNames {
                guard: guard.clone(),
                proxies: proxy_hosts(&of.proxy),
            }));
        match &of.proxy {
            ProxySettings::Environment => {}
            ProxySettings::None => builder = builder.no_proxy(),
            ProxySettings::Address(address) => {
                // The error is not repeated: it would show a password.
                let proxy = reqwest::Proxy::all(address.as_str()).map_err(|_| {
                    settings("the proxy's address cannot be used: expected http://HOST:PORT".to_owned())
                })?;
                builder = builder.proxy(proxy.no_proxy(reqwest::NoProxy::from_env()));
            }
        }
        builder
            .build()
            .map_err(|error| settings(chain(&error.without_url())))
    }
}

/// Returns the hosts of the proxies, which usually are in a private network.
fn proxy_hosts(of: &ProxySettings) -> Vec<String> {
    const VARIABLES: [&str; 6] = [
        "HTTPS_PROXY",
        "https_proxy",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
    ];
    let addresses: Vec<String> = match of {
        ProxySettings::None => Vec::new(),
        ProxySettings::Address(address) => vec![address.clone()],
        ProxySettings::Environment => VARIABLES
            .iter()
            .filter_map(|name| std::env::var(name).ok())
            .collect(),
    };
    let host = |address: &String| {
        let with_scheme = match address.contains("://") {
            true => address.clone(),
            false => format!("http://{address}"),
        };
        url::Url::parse(&with_scheme).ok()?.host_str().map(str::to_owned)
    };
    addresses.iter().filter_map(host).collect()
}

fn settings(what: String) -> FetchError {
    FetchError::Settings { what }
}

fn read_bounded(path: &Path, limit: u64, what: &str) -> Result<Vec<u8>, FetchError> {
    let wrong = |why: String| settings(format!("{what} {} cannot be read: {why}", path.display()));
    crate::read_key_file(path, limit).map_err(|error| wrong(error.to_string()))
}

/// Returns an error with its causes, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// Resolves names as the system does, and leaves out the addresses that no public server has, unless the operator chose
/// the host.
struct PublicNames {
    guard: Guard,
    proxies: Vec<String>,
}

impl Resolve for PublicNames {
    fn resolve(&self, name: Name) -> Resolving {
        let is_own = self.guard.is_own_host(name.as_str())
            || self
                .proxies
                .iter()
                .any(|proxy| proxy.eq_ignore_ascii_case(name.as_str()));
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let all: Vec<SocketAddr> = found.collect();
            let usable: Vec<SocketAddr> = all
                .iter()
                .filter(|address| is_own || !is_special(address.ip()))
                .copied()
                .collect();
            if usable.is_empty() && !all.is_empty() {
                return Err(format!(
                    "{} resolves to an address of this machine or of a private network",
                    name.as_str()
                )
                .into());
            }
            Ok(Box::new(usable.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;

    #[test]
    fn key_is_never_shown() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        std::fs::write(&path, "s3cret\nsecond line\n").expect("written");
        let secret = Secret::read(&path).expect("a key");
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
        let header = secret.header("Bearer ").expect("a header");
        assert!(header.is_sensitive() && !format!("{header:?}").contains("s3cret"));
        assert_eq!(header.to_str().ok(), Some("Bearer s3cret"));
    }

    #[test]
    fn empty_or_missing_key_file_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        assert!(
            Secret::read(&path)
                .expect_err("missing")
                .to_string()
                .contains("api_key_file")
        );
        std::fs::write(&path, "\n").expect("written");
        assert!(
            Secret::read(&path)
                .expect_err("empty")
                .to_string()
                .contains("holds no key")
        );
    }

    #[test]
    fn ca_file_without_a_certificate_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, "nothing\n").expect("written");
        let error = Trust::load(Some(&path)).expect_err("no certificate");
        assert!(error.to_string().contains("holds no certificate"), "{error}");
    }

    #[test]
    fn proxy_password_is_not_in_an_error_or_debug() {
        let of = Settings {
            proxy: ProxySettings::Address("http://me:s3cret@[bad".to_owned()),
            ..Settings::default()
        };
        assert!(!format!("{of:?}").contains("s3cret"));
        let trust = Trust::load(None).expect("trust");
        let guard = Guard::new(Vec::new(), &[]);
        let error = trust.client(&of, &guard).expect_err("a bad proxy");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }

    #[tokio::test]
    async fn name_that_leads_to_this_machine_is_not_followed() {
        let resolve = |own: &str| {
            let names = PublicNames {
                guard: Guard::new(vec![Address::parse(own).expect("an address")], &[]),
                proxies: Vec::new(),
            };
            names.resolve("localhost".parse().expect("a name"))
        };
        let refused = resolve("https://feed.example/").await.err().expect("refused");
        assert!(
            refused.to_string().contains("an address of this machine"),
            "{refused}"
        );
        assert!(
            resolve("http://localhost:8080/").await.is_ok(),
            "the operator named it"
        );
    }

    #[test]
    fn host_of_a_proxy_may_be_in_a_private_network() {
        let of = |text: &str| proxy_hosts(&ProxySettings::Address(text.to_owned()));
        assert_eq!(of("http://me:s3cret@proxy.internal:3128"), ["proxy.internal"]);
        assert_eq!(of("proxy.internal:3128"), ["proxy.internal"]);
        assert!(proxy_hosts(&ProxySettings::None).is_empty());
    }
}
