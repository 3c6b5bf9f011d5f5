//! A site's public identity, and the forms in which an operator can give another site's.

use starling_api_types::{PublicIdentity, secrets, wording};
use starling_protocol::{CertificateChain, SiteId};

use super::{Home, HomeError, error_chain};

/// The prefix of a public identity in one line.
const IDENTITY_PREFIX: &str = "starling-site-v1:";

/// Longest accepted public identity, in bytes.
const MAX_IDENTITY_BYTES: usize = 8 << 20;

/// Parses the identity of another site: a site id, the line of `starling keys export --public`, or its JSON.
///
/// # Errors
/// [`HomeError::Identity`].
pub fn read_identity(text: &str) -> Result<(SiteId, Option<CertificateChain>), HomeError> {
    let refuse = |problem: String| HomeError::Identity { problem };
    let text = text.trim();
    if text.len() > MAX_IDENTITY_BYTES {
        return Err(refuse(format!("expected at most {MAX_IDENTITY_BYTES} bytes")));
    }
    if secrets::has_private_key(text) {
        return Err(refuse(
            "it is a private key, which must stay with its site".to_owned(),
        ));
    }
    if text.starts_with('{') {
        let identity: PublicIdentity = serde_json::from_str(text).map_err(|error| {
            refuse(format!(
                "it is not JSON of the expected form: {}",
                wording::json(&error)
            ))
        })?;
        return read_identity(&identity.certificates);
    }
    if let Some(digits) = text.strip_prefix(IDENTITY_PREFIX) {
        let bytes = hex::decode(digits.trim())
            .map_err(|error| refuse(format!("its digits are not valid hex: {error}")))?;
        let chain = CertificateChain::from_bytes(&bytes)
            .map_err(|error| refuse(format!("its certificates do not verify: {}", error_chain(&error))))?;
        return Ok((chain.site(), Some(chain)));
    }
    let site: SiteId = text.parse().map_err(|_| {
        refuse(format!(
            "expected `{IDENTITY_PREFIX}…`, `blake3:…` or JSON, found {:?}",
            text.chars().take(60).collect::<String>()
        ))
    })?;
    Ok((site, None))
}

impl Home {
    /// Returns the site's identity, and the text with which others list it.
    #[must_use]
    pub fn identity(&self) -> PublicIdentity {
        let body = self.chain.current().body();
        PublicIdentity {
            site_id: self.chain.slug().into(),
            site: self.chain.site().into(),
            epoch: u64::from(body.epoch),
            root_key: body.root_key.into(),
            operating_key: body.operating_key.into(),
            peer_id: crate::net::peer_id(&body.operating_key)
                .map(|id| id.to_string())
                .unwrap_or_default(),
            certificates: format!("{IDENTITY_PREFIX}{}", hex::encode(self.chain.to_bytes())),
        }
    }
}
