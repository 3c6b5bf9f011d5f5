//! The keys in a site's folder: created, read and compared with the certificates, replaced by a new epoch, listed.

use std::path::{Path, PathBuf};

use starling_api_types::secrets::PRIVATE_KEY_PREFIX as KEY_PREFIX;
use starling_api_types::{KeyInfo, KeyList, KeyRole};
use starling_protocol::{CertificateChain, LaneResume, PublicKey, Reason, SigningKey, UnixMillis};

use super::error::file;
use super::write::write_durably;
use super::{Home, HomeError, error_chain};
use crate::small_file;

impl Home {
    /// Returns the operating key in use.
    ///
    /// # Errors
    /// If its file is missing or damaged, or contains another key.
    pub fn operating_key(&self) -> Result<SigningKey, HomeError> {
        let path = self.operating_key_path(self.chain.epoch());
        let key = read_secret(&path)?;
        self.check_key(&path, &key, self.chain.current().body().operating_key)?;
        Ok(key)
    }

    fn root_key(&self) -> Result<SigningKey, HomeError> {
        let path = self.root_key_path();
        let key = read_secret(&path)?;
        self.check_key(&path, &key, self.chain.current().body().root_key)?;
        Ok(key)
    }

    fn check_key(&self, path: &Path, key: &SigningKey, expected: PublicKey) -> Result<(), HomeError> {
        if key.public() == expected {
            return Ok(());
        }
        Err(HomeError::Content {
            path: path.to_owned(),
            problem: format!(
                "expected the key {expected} of the certificates, got {}",
                key.public()
            ),
        })
    }

    pub(crate) fn root_key_path(&self) -> PathBuf {
        self.path.join("keys").join("root.key")
    }

    fn operating_key_path(&self, epoch: u32) -> PathBuf {
        self.path.join("keys").join(format!("operating-{epoch}.key"))
    }

    /// Reads every key in the folder; returns each key's problem, if any. Only the operating key in use must be in the
    /// folder.
    pub(crate) fn examine_keys(&self) -> Vec<Option<String>> {
        let current = self.chain.epoch();
        let mut found = vec![self.operating_key().err().map(|error| error_chain(&error))];
        let others = self
            .chain
            .certificates()
            .iter()
            .filter(|one| one.body().epoch != current);
        let others = others.map(|one| {
            (
                self.operating_key_path(one.body().epoch),
                one.body().operating_key,
            )
        });
        let root = (self.root_key_path(), self.chain.current().body().root_key);
        for (path, expected) in others.chain([root]).filter(|(path, _)| path.exists()) {
            let checked = read_secret(&path).and_then(|key| self.check_key(&path, &key, expected));
            found.push(checked.err().map(|error| error_chain(&error)));
        }
        found
    }

    /// Starts a new epoch with a new operating key, signed by the root key in this folder.
    ///
    /// `lanes` contains the positions from which the site's logs continue.
    ///
    /// # Errors
    /// If the root key is not here, or a file could not be written.
    #[cfg(test)]
    pub(crate) fn rotate(&mut self, lanes: Vec<LaneResume>, now: UnixMillis) -> Result<(), HomeError> {
        let (chain, _) = self.next_epoch(&self.chain, lanes, Reason::Rotation, now)?;
        self.chain = chain;
        Ok(())
    }

    /// Starts the epoch after `chain`, which may be longer than the chain in this folder. Writes key and certificates.
    pub(crate) fn next_epoch(
        &self,
        chain: &CertificateChain,
        lanes: Vec<LaneResume>,
        reason: Reason,
        now: UnixMillis,
    ) -> Result<(CertificateChain, SigningKey), HomeError> {
        let (chain, operating) = self.sign_next_epoch(chain, lanes, reason, now)?;
        let chain_path = self.path.join("site.chain");
        write_secret(&self.operating_key_path(chain.epoch()), &operating)?;
        write_durably(&chain_path, &chain.to_bytes(), 0o644)?;
        Ok((chain, operating))
    }

    /// Signs the epoch after `chain` and writes nothing: shows that the root key is here and the certificate valid.
    pub(crate) fn try_next_epoch(
        &self,
        chain: &CertificateChain,
        lanes: Vec<LaneResume>,
        reason: Reason,
        now: UnixMillis,
    ) -> Result<(), HomeError> {
        self.sign_next_epoch(chain, lanes, reason, now).map(|_| ())
    }

    fn sign_next_epoch(
        &self,
        chain: &CertificateChain,
        lanes: Vec<LaneResume>,
        reason: Reason,
        now: UnixMillis,
    ) -> Result<(CertificateChain, SigningKey), HomeError> {
        let root = self.root_key()?;
        let operating = new_key()?;
        let chain = chain
            .next_epoch(&root, &operating, lanes, reason, now)
            .map_err(|source| HomeError::Certificates {
                path: self.path.join("site.chain"),
                source,
            })?;
        Ok((chain, operating))
    }

    /// Adopts a longer chain of the same site, if the operating key of its newest epoch is in this folder. Returns
    /// true if it did.
    pub(crate) fn adopt(&mut self, longer: &CertificateChain) -> Result<bool, HomeError> {
        if longer.epoch() <= self.chain.epoch() || !self.operating_key_path(longer.epoch()).exists() {
            return Ok(false);
        }
        let adopted = Self {
            path: self.path.clone(),
            chain: longer.clone(),
        };
        adopted.operating_key()?;
        write_durably(&self.path.join("site.chain"), &longer.to_bytes(), 0o644)?;
        self.chain = adopted.chain;
        Ok(true)
    }

    /// Returns true if the folder contains a root key.
    pub(crate) fn has_root_key(&self) -> bool {
        self.root_key_path().exists()
    }

    /// Returns the site's keys, without their secrets.
    #[must_use]
    pub fn keys(&self) -> KeyList {
        let current = self.chain.epoch();
        let info = |role, key: PublicKey, epoch: Option<u32>, file: PathBuf, created: UnixMillis| KeyInfo {
            role,
            public_key: key.into(),
            epoch: epoch.map(u64::from),
            secret_present: file.exists(),
            current: epoch.is_none_or(|epoch| epoch == current),
            file: file.exists().then_some(file),
            created_at: Some(created.into()),
        };
        let certificates = self.chain.certificates();
        let genesis = certificates
            .first()
            .map(starling_protocol::VerifiedCertificate::body);
        let mut keys = Vec::new();
        if let Some(body) = genesis {
            keys.push(info(
                KeyRole::Root,
                body.root_key,
                None,
                self.root_key_path(),
                body.issued_at,
            ));
        }
        for certificate in certificates {
            let body = certificate.body();
            let file = self.operating_key_path(body.epoch);
            keys.push(info(
                KeyRole::Operating,
                body.operating_key,
                Some(body.epoch),
                file,
                body.issued_at,
            ));
        }
        KeyList { keys }
    }
}

pub(super) fn new_key() -> Result<SigningKey, HomeError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| HomeError::Randomness {
        cause: error.to_string(),
    })?;
    Ok(SigningKey::from_seed(&seed))
}

pub(super) fn write_secret(path: &Path, key: &SigningKey) -> Result<(), HomeError> {
    let text = format!("{KEY_PREFIX}{}\n", hex::encode(*key.seed()));
    write_durably(path, text.as_bytes(), 0o600)
}

fn read_secret(path: &Path) -> Result<SigningKey, HomeError> {
    let text =
        small_file::read_text(path, small_file::MAX_SECRET_BYTES).map_err(file("reading the key", path))?;
    let problem = |problem: &str| HomeError::Content {
        path: path.to_owned(),
        problem: problem.to_owned(),
    };
    let digits = text
        .trim()
        .strip_prefix(KEY_PREFIX)
        .ok_or_else(|| problem("it is not a starling key"))?;
    let mut seed = [0; 32];
    hex::decode_to_slice(digits, &mut seed).map_err(|_| problem("its digits are damaged"))?;
    let key = SigningKey::from_seed(&seed);
    seed.fill(0);
    Ok(key)
}
