//! The folder itself: created, opened, and its paths.

use std::fs;
use std::path::{Path, PathBuf};

use starling_api_types::InitReport;
use starling_protocol::{CertificateChain, SiteSlug, UnixMillis};

use super::error::file;
use super::keys::{new_key, write_secret};
use super::sample::sample_config;
use super::write::{restrict, write_durably};
use super::{HomeError, Reach};
use crate::config::{Config, ConfigError, Overrides};
use crate::small_file;

/// A folder that contains a site.
#[derive(Debug, Clone)]
pub struct Home {
    pub(super) path: PathBuf,
    pub(super) chain: CertificateChain,
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
