//! A site's folder: configuration, keys, certificates, log, packs, engine and socket.
//!
//! ```text
//! starling.toml          configuration
//! site.chain             the site's certificate chain (public)
//! keys/root.key          root key: signs certificates only; may be kept elsewhere
//! keys/operating-N.key   operating key of epoch N
//! log/                   everything that the site acknowledged, in order; `log/place` notes where the home is
//! packs/                 record bodies by hash
//! store/                 the engine: rows derived from log and packs, rebuilt if missing
//! store.v2/              the old store after a migration, until a daemon stops cleanly
//! match.idx              the match index, rebuilt if missing
//! vex/, policies/        VEX documents stored for every scan, versions of the policy files
//! feeds/NAME/            how the runs of a feed went, and where its source was read to
//! LOCK                   the lock of the folder: one process at a time
//! starling.sock          the API's Unix socket, while a daemon runs
//! ```

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use starling_api_types::{InitReport, KeyInfo, KeyList, KeyRole, PublicIdentity};
use starling_protocol::{
    CertificateChain, CertificateError, LaneResume, PublicKey, Reason, SigningKey, SiteId, SiteSlug,
    UnixMillis,
};

use crate::config::{CONFIG_FORMAT, Config, ConfigError, Overrides};
use crate::small_file;

/// The prefix of a public identity in one line.
const IDENTITY_PREFIX: &str = "starling-site-v1:";
const KEY_PREFIX: &str = "starling-key-v1:";
/// Longest accepted public identity, in bytes.
const MAX_IDENTITY_BYTES: usize = 8 << 20;

/// The reason why a site's folder is not usable.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// The folder does not contain a site.
    #[error(
        "opening the site in {path}: the folder does not contain a site. Create one with `starling init --site-id NAME`, or give another folder with `--home DIR`"
    )]
    NoSite {
        /// The folder.
        path: PathBuf,
    },
    /// The folder already contains a site.
    #[error(
        "creating a site in {path}: the folder already contains the site {slug}. Choose another folder with --home"
    )]
    SiteExists {
        /// The folder.
        path: PathBuf,
        /// Its name.
        slug: String,
    },
    /// A file could not be read or written.
    #[error("{attempted} {path}: {source}")]
    File {
        /// The attempted action.
        attempted: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file has wrong content.
    #[error("reading {path}: {problem}")]
    Content {
        /// The file.
        path: PathBuf,
        /// The problem, and what to do.
        problem: String,
    },
    /// The certificates do not verify.
    #[error("verifying the site's certificates in {path}")]
    Certificates {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: CertificateError,
    },
    /// The configuration has an error.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A public identity is not valid.
    #[error(
        "reading a site's public identity: {problem}; get it with `starling keys export --public` at that site"
    )]
    Identity {
        /// The problem.
        problem: String,
    },
    /// The system did not provide randomness.
    #[error("creating a key: the system did not provide randomness: {cause}")]
    Randomness {
        /// The system's error.
        cause: String,
    },
}

/// The way in which a new site exchanges knowledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It listens for peers and dials them; bundles work too.
    Network,
    /// Only by bundles: it does not listen or dial.
    AirGapped,
}

/// A folder that contains a site.
#[derive(Debug, Clone)]
pub struct Home {
    path: PathBuf,
    chain: CertificateChain,
}

impl Home {
    /// Writes keys and a commented configuration for a new site. The folder becomes a site when
    /// [`finish`](Self::finish) has written its certificates.
    pub(crate) fn prepare_as(
        path: &Path,
        slug: &SiteSlug,
        engine: Option<&str>,
        reach: Reach,
        now: UnixMillis,
    ) -> Result<Self, HomeError> {
        if let Ok(home) = Self::open(path) {
            let slug = home.chain.slug().to_string();
            return Err(HomeError::SiteExists {
                path: path.to_owned(),
                slug,
            });
        }
        if path.join("site.chain").exists() {
            return Err(HomeError::SiteExists {
                path: path.to_owned(),
                slug: "damaged".to_owned(),
            });
        }
        let (root, operating) = (new_key()?, new_key()?);
        let chain = CertificateChain::genesis(slug.clone(), &root, &operating, now);
        let keys = path.join("keys");
        fs::create_dir_all(&keys).map_err(file("creating the folder", &keys))?;
        restrict(path, 0o700)?;
        restrict(&keys, 0o700)?;
        write_secret(&keys.join("root.key"), &root)?;
        write_secret(&keys.join("operating-0.key"), &operating)?;
        let config = path.join("starling.toml");
        if !config.exists() {
            write_durably(&config, sample_config(slug, engine, reach).as_bytes(), 0o600)?;
        }
        Ok(Self {
            path: path.to_owned(),
            chain,
        })
    }

    /// Same as [`prepare_as`](Self::prepare_as), for a site with a network.
    #[cfg(test)]
    pub(crate) fn prepare(
        path: &Path,
        slug: &SiteSlug,
        engine: Option<&str>,
        now: UnixMillis,
    ) -> Result<Self, HomeError> {
        Self::prepare_as(path, slug, engine, Reach::Network, now)
    }

    /// Writes the certificates of a new site, as the last step: a folder without certificates is not a site yet and
    /// can be initialised again.
    pub(crate) fn finish(&self) -> Result<(), HomeError> {
        write_durably(&self.path.join("site.chain"), &self.chain.to_bytes(), 0o644)
    }

    /// Opens a site's folder and verifies its certificates.
    ///
    /// # Errors
    /// [`HomeError::NoSite`], or a damage error.
    pub fn open(path: &Path) -> Result<Self, HomeError> {
        let file_path = path.join("site.chain");
        let bytes = match small_file::read(&file_path, small_file::MAX_CHAIN_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(HomeError::NoSite {
                    path: path.to_owned(),
                });
            }
            Err(source) => return Err(file("reading", &file_path)(source)),
        };
        let chain = CertificateChain::from_bytes(&bytes).map_err(|source| HomeError::Certificates {
            path: file_path,
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            chain,
        })
    }

    /// Returns the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the site's certificates.
    #[must_use]
    pub fn chain(&self) -> &CertificateChain {
        &self.chain
    }

    /// Returns the folder of the store.
    #[must_use]
    pub fn store_path(&self) -> PathBuf {
        self.path.join("store")
    }

    /// Returns the API's Unix socket.
    #[must_use]
    pub fn socket_path(&self) -> PathBuf {
        socket_path(&self.path)
    }

    /// Returns the configuration file.
    #[must_use]
    pub fn config_path(&self) -> PathBuf {
        self.path.join("starling.toml")
    }

    /// Reads the configuration, with environment and flags applied.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn config(&self, overrides: &Overrides) -> Result<Config, ConfigError> {
        Config::load(&self.config_path(), std::env::vars(), overrides)
    }

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
        let root = self.root_key()?;
        let operating = new_key()?;
        let chain_path = self.path.join("site.chain");
        let chain = chain
            .next_epoch(&root, &operating, lanes, reason, now)
            .map_err(|source| HomeError::Certificates {
                path: chain_path.clone(),
                source,
            })?;
        write_secret(&self.operating_key_path(chain.epoch()), &operating)?;
        write_durably(&chain_path, &chain.to_bytes(), 0o644)?;
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

    /// Returns the report of `starling init`.
    #[must_use]
    pub fn report(&self, engine: &str) -> InitReport {
        InitReport {
            home: self.path.clone(),
            config: self.config_path(),
            engine: engine.to_owned(),
            identity: self.identity(),
        }
    }
}

/// Returns the path of the API's Unix socket for the site in a folder.
#[must_use]
pub fn socket_path(home: &Path) -> PathBuf {
    home.join("starling.sock")
}

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
    if text.starts_with('{') {
        let identity: PublicIdentity = serde_json::from_str(text)
            .map_err(|error| refuse(format!("it is not JSON of the expected form: {error}")))?;
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

/// Returns an error and all its causes on one line.
#[must_use]
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

fn new_key() -> Result<SigningKey, HomeError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| HomeError::Randomness {
        cause: error.to_string(),
    })?;
    Ok(SigningKey::from_seed(&seed))
}

fn write_secret(path: &Path, key: &SigningKey) -> Result<(), HomeError> {
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

/// Writes a file under a temporary name, syncs it, and renames it: it appears complete or not at all.
pub(crate) fn write_durably(path: &Path, bytes: &[u8], mode: u32) -> Result<(), HomeError> {
    use std::os::unix::fs::OpenOptionsExt;
    let temporary = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let _ = fs::remove_file(&temporary);
        let mut out = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&temporary)?;
        out.write_all(bytes)?;
        out.sync_all()?;
        fs::rename(&temporary, path)?;
        match path.parent() {
            Some(parent) => fs::File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    };
    write()
        .inspect_err(|_| {
            // On a full disk it would stay, empty.
            let _ = fs::remove_file(&temporary);
        })
        .map_err(file("writing", path))
}

/// Writes the configuration file, completely or not at all.
pub(crate) fn write_config(path: &Path, text: &str) -> Result<(), HomeError> {
    write_durably(path, text.as_bytes(), 0o600)
}

fn restrict(path: &Path, mode: u32) -> Result<(), HomeError> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(file("restricting access to", path))
}

fn file(attempted: &'static str, path: &Path) -> impl Fn(std::io::Error) -> HomeError + use<> {
    let path = path.to_owned();
    move |source| HomeError::File {
        attempted,
        path: path.clone(),
        source,
    }
}

/// Builds a configuration with every key, its meaning and its default, and the site's own name.
#[must_use]
pub fn sample_config(slug: &SiteSlug, engine: Option<&str>, reach: Reach) -> String {
    let mut text = String::from(
        "# Starling's configuration. Every key is shown with its default; environment variables\n\
         # (STARLING_ and the key in capitals, dots as underscores) and flags lie over this file.\n\
         \n# A file with this line must end with `[end]`: one that was cut off is refused.\n",
    );
    text.push_str(&format!("format = {CONFIG_FORMAT}\n"));
    let mut section = "";
    for key in crate::config::KEYS {
        let (in_section, name) = key.name.rsplit_once('.').unwrap_or(("", key.name));
        if in_section != section {
            section = in_section;
            text.push_str(&format!("\n[{section}]\n"));
        }
        let set = match (key.name, engine) {
            ("federation.site_id", _) => Some(format!("\"{slug}\"")),
            ("store.engine", Some(engine)) => Some(format!("\"{engine}\"")),
            // New sites fail closed; existing configurations without these keys keep their behaviour.
            ("scan.min_coverage_percent", _) => Some("90".to_owned()),
            ("scan.require_fresh", _) => Some("true".to_owned()),
            ("federation.enabled", _) if reach == Reach::AirGapped => Some("false".to_owned()),
            ("network.listen", _) if reach == Reach::AirGapped => Some("[]".to_owned()),
            _ => None,
        };
        text.push_str(&format!("# {}\n", key.meaning));
        match set {
            Some(value) => text.push_str(&format!("{name} = {value}\n")),
            None => text.push_str(&format!(
                "# {name} = {}\n",
                if key.default.is_empty() {
                    "…"
                } else {
                    key.default
                }
            )),
        }
    }
    text.push_str("\n[end]\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn init(path: &Path, slug: &SiteSlug, engine: Option<&str>) -> Result<Home, HomeError> {
        let home = Home::prepare(path, slug, engine, UnixMillis::EPOCH)?;
        home.finish()?;
        Ok(home)
    }

    #[test]
    fn air_gapped_site_does_not_listen() {
        let dir = tempfile::tempdir().unwrap();
        let slug = "site-a".parse().unwrap();
        let home = Home::prepare_as(dir.path(), &slug, None, Reach::AirGapped, UnixMillis::EPOCH).unwrap();
        let config = Config::load(&home.config_path(), std::iter::empty(), &Overrides::default()).unwrap();
        assert!(!config.federation.enabled);
        assert!(config.network.listen.is_empty() && config.api.listen.is_none());
    }

    #[test]
    fn site_is_created_once_and_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let slug = "site-a".parse().unwrap();
        let home = init(dir.path(), &slug, Some("redb")).unwrap();
        assert!(matches!(
            init(dir.path(), &slug, None),
            Err(HomeError::SiteExists { .. })
        ));
        let again = Home::open(dir.path()).unwrap();
        assert_eq!(again.chain(), home.chain());
        again.operating_key().unwrap();
        let config = again.config(&Overrides::default()).unwrap();
        assert_eq!(
            (config.store.engine.as_str(), config.federation.site_id),
            ("redb", Some(slug))
        );
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &fs::metadata(dir.path().join("keys/root.key"))
                .unwrap()
                .permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn failed_write_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("site.chain");
        // A folder with its name is in the way.
        fs::create_dir_all(path.join("full")).unwrap();
        write_durably(&path, b"chain", 0o600).unwrap_err();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn identity_is_read_in_every_printed_form() {
        let dir = tempfile::tempdir().unwrap();
        let home = init(dir.path(), &"a".parse().unwrap(), None).unwrap();
        let identity = home.identity();
        let (site, chain) = read_identity(&identity.certificates).unwrap();
        assert_eq!((site, chain.as_ref()), (home.chain().site(), Some(home.chain())));
        assert_eq!(
            read_identity(&serde_json::to_string(&identity).unwrap())
                .unwrap()
                .0,
            site
        );
        assert_eq!(read_identity(&format!("{site}\n")).unwrap(), (site, None));
        for bad in ["", "x", "starling-site-v1:00", "{}", "blake3:12"] {
            assert!(read_identity(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rotated_key_is_used_and_the_old_one_listed() {
        let dir = tempfile::tempdir().unwrap();
        let mut home = init(dir.path(), &"a".parse().unwrap(), None).unwrap();
        let before = home.operating_key().unwrap().public();
        home.rotate(Vec::new(), UnixMillis::EPOCH).unwrap();
        let home = Home::open(dir.path()).unwrap();
        assert_ne!(home.operating_key().unwrap().public(), before);
        assert_eq!(home.keys().keys.len(), 3);
    }
}
