//! Encrypted connections and proxies.

use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use starling_fetch::{FetchError, ProxySettings};

use crate::server::{Reply, Server};
use crate::world::*;

const CATALOGUE: &str = r#"{"catalogVersion":"1","vulnerabilities":[]}"#;

/// Returns a server with a certificate that nobody knows, and the file of that certificate.
async fn encrypted(reply: impl Fn() -> Reply + Send + Sync + 'static) -> (Server, tempfile::NamedTempFile) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let ca = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(ca.path(), made.cert.pem()).expect("written");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.key_pair.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a key");
    let server = Server::start_tls(move |_| reply(), config).await;
    (server, ca)
}

#[tokio::test]
async fn certificate_of_an_own_authority_is_trusted_if_it_is_named() {
    let (server, ca) = encrypted(|| Reply::ok(CATALOGUE)).await;
    let mut world = World::new();
    let error = world.fails(&plan_at("wolfi", &server.base, None)).await;
    assert!(matches!(error, FetchError::Certificate { .. }), "{error}");
    assert!(
        error.to_string().contains("set ca_file") && !error.is_temporary(),
        "{error}"
    );
    world.settings.ca_file = Some(ca.path().to_owned());
    let brought = world
        .run(&plan_at("wolfi", &server.base, None))
        .await
        .expect("a good run");
    assert_eq!(brought.content("security.json"), CATALOGUE);
}

#[tokio::test]
async fn redirect_from_https_to_http_is_not_followed() {
    let plain = Server::start(|_| Reply::ok(CATALOGUE)).await;
    let target = format!("{}/security.json", plain.base);
    let (server, ca) = encrypted(move || Reply::redirect(&target)).await;
    let mut world = World::new();
    world.settings.ca_file = Some(ca.path().to_owned());
    let error = world.fails(&plan_at("wolfi", &server.base, None)).await;
    assert!(error.to_string().contains("from https to http"), "{error}");
    assert!(plain.paths().is_empty());
}

#[tokio::test]
async fn requests_go_through_the_proxy_that_is_named() {
    let proxy = Server::start(|_| Reply::ok(CATALOGUE)).await;
    let mut world = World::new();
    let address = proxy.base.replace("http://", "http://me:s3cret@");
    world.settings.proxy = ProxySettings::Address(address);
    let brought = world
        .run(&plan_at("wolfi", "http://feed.example/", None))
        .await
        .expect("a good run");
    assert_eq!(brought.names(), ["security.json"]);
    assert_eq!(proxy.paths(), ["http://feed.example/security.json"]);
    assert!(proxy.log()[0].header("proxy-authorization").is_some());
}

#[tokio::test]
async fn proxy_that_wants_a_password_is_named() {
    let proxy = Server::start(|_| Reply::new(407, "")).await;
    let mut world = World::new();
    world.settings.proxy = ProxySettings::Address(proxy.base.clone());
    let error = world.fails(&plan_at("wolfi", "http://feed.example/", None)).await;
    assert!(
        error.to_string().contains("the proxy needs a user name"),
        "{error}"
    );
}
