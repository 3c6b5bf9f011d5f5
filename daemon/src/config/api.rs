//! `[api]`: where the local API listens, and who may make admin calls.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Refused;

/// The local API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Api {
    /// Loopback address for CI, such as `127.0.0.1:7948`; none when absent. The Unix socket is always there.
    pub listen: Option<String>,
    /// File with the bearer token that lets TCP callers make admin calls; none are let when absent.
    pub token_file: Option<PathBuf>,
}

impl Api {
    /// Checks the bounds that types alone do not keep; returns the key and its problem.
    pub(super) fn check(&self) -> Result<(), Refused> {
        if let Some(listen) = &self.listen {
            match listen.parse::<std::net::SocketAddr>() {
                Ok(address) if address.ip().is_loopback() => {}
                Ok(address) => {
                    return Err((
                        "api.listen",
                        format!(
                            "{address} is not a loopback address; put a reverse proxy in front to go further"
                        ),
                    ));
                }
                Err(error) => {
                    return Err((
                        "api.listen",
                        format!("{listen:?} is no address and port: {error}"),
                    ));
                }
            }
        }
        Ok(())
    }
}
