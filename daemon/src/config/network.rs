//! `[network]`: listening for peers and dialling them.

use serde::{Deserialize, Serialize};

use super::{ByteSize, Refused};

/// Least and most bytes on the way over one connection: some packets, and what no line needs.
const MIN_RECEIVE_WINDOW: ByteSize = ByteSize(16 << 10);

const MAX_RECEIVE_WINDOW: ByteSize = ByteSize(64 << 20);

/// Listening for and dialling peers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// Multiaddresses to listen on.
    pub listen: Vec<String>,
    /// Multiaddresses that others should dial, where they are other than those listened on.
    pub external: Vec<String>,
    /// Most bytes that peers may have on the way to this site over one connection.
    pub receive_window: ByteSize,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            listen: vec!["/ip4/0.0.0.0/udp/7946/quic-v1".to_owned()],
            external: Vec::new(),
            receive_window: ByteSize(128 << 10),
        }
    }
}

impl Network {
    /// Checks the bounds that types alone do not keep; returns the key and its problem.
    pub(super) fn check(&self) -> Result<(), Refused> {
        for (key, addresses) in [
            ("network.listen", &self.listen),
            ("network.external", &self.external),
        ] {
            for address in addresses {
                if let Err(error) = address.parse::<libp2p::Multiaddr>() {
                    return Err((
                        key,
                        format!(
                            "{address:?} is not a multiaddress such as /ip4/0.0.0.0/udp/7946/quic-v1: {error}"
                        ),
                    ));
                }
            }
        }
        let window = self.receive_window;
        if !(MIN_RECEIVE_WINDOW..=MAX_RECEIVE_WINDOW).contains(&window) {
            return Err((
                "network.receive_window",
                format!("{MIN_RECEIVE_WINDOW} to {MAX_RECEIVE_WINDOW} is possible, found {window}"),
            ));
        }
        Ok(())
    }
}
