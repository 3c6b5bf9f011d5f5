//! Says in a sentence why a dial failed.

use std::error::Error;
use std::io;

use libp2p::swarm::DialError;
use libp2p::{Multiaddr, PeerId, TransportError};

use super::without_key;

/// Returns a sentence for an operator: the address, what happened there, what to look at.
pub(super) fn sentence(error: &DialError) -> String {
    match error {
        DialError::Transport(failed) => {
            let tried = failed
                .iter()
                .map(|(address, error)| at_address(address, error))
                .collect::<Vec<_>>();
            if tried.is_empty() {
                "none of the peer's addresses can be dialled".to_owned()
            } else {
                tried.join("; ")
            }
        }
        DialError::LocalPeerId { address } => format!(
            "{} is this site's own address: remove it from the peer's addresses",
            without_key(address.clone())
        ),
        DialError::NoAddresses => {
            "the peer has no address to dial: add one with `starling sites set SITE --address …`".to_owned()
        }
        DialError::Aborted => "the attempt was given up".to_owned(),
        DialError::Denied { .. } => "this site has as many connections as it may have".to_owned(),
        DialError::WrongPeerId { address, obtained } => format!(
            "{} answered with the key {}, which is not the peer's",
            without_key(address.clone()),
            key_words(obtained)
        ),
        DialError::DialPeerConditionFalse(_) => "a connection or an attempt exists already".to_owned(),
    }
}

/// Returns the operating key of a libp2p peer id, as `keys list` shows it.
pub(super) fn key_words(peer: &PeerId) -> String {
    super::key_of(peer).map_or_else(|| peer.to_string(), |key| key.to_string())
}

/// Returns why an address can never be dialled; `None` if it can.
pub(crate) fn undialable(address: &Multiaddr) -> Option<String> {
    use libp2p::multiaddr::Protocol;
    let whole = without_key(address.clone());
    let parts: Vec<Protocol<'_>> = whole.iter().collect();
    let is_dialable = matches!(
        parts.as_slice(),
        [
            Protocol::Ip4(_) | Protocol::Ip6(_),
            Protocol::Udp(1..),
            Protocol::QuicV1
        ]
    );
    (!is_dialable).then(|| not_supported(&whole))
}

fn not_supported(address: &Multiaddr) -> String {
    format!("{address} cannot be dialled: expected /ip4/… or /ip6/…, then /udp/PORT/quic-v1")
}

fn at_address(address: &Multiaddr, error: &TransportError<io::Error>) -> String {
    let address = without_key(address.clone());
    match error {
        TransportError::MultiaddrNotSupported(_) => not_supported(&address),
        TransportError::Other(error) => format!("{address}: {}", what_happened(error)),
    }
}

/// Says what happened, by the kind of the innermost I/O error where there is one.
fn what_happened(error: &io::Error) -> String {
    let mut kind = error.kind();
    let mut below: Option<&(dyn Error + 'static)> =
        error.get_ref().map(|inner| inner as &(dyn Error + 'static));
    let mut texts = vec![error.to_string()];
    while let Some(cause) = below {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            kind = io.kind();
        }
        texts.push(cause.to_string());
        below = cause.source();
    }
    let timed_out = texts.iter().any(|text| {
        let text = text.to_ascii_lowercase();
        text.contains("timed out") || text.contains("timeout")
    });
    match kind {
        io::ErrorKind::ConnectionRefused => "nobody listens there: is the peer's daemon running?".to_owned(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "there is no route to it: check the network".to_owned()
        }
        io::ErrorKind::PermissionDenied => "the system does not allow it: check the firewall here".to_owned(),
        io::ErrorKind::TimedOut => NO_ANSWER.to_owned(),
        _ if timed_out => NO_ANSWER.to_owned(),
        _ => {
            let last = texts.into_iter().rev().find(|text| !text.trim().is_empty());
            format!(
                "the attempt failed: {}",
                last.unwrap_or_else(|| format!("{error:?}"))
            )
        }
    }
}

const NO_ANSWER: &str = "no answer: the peer's daemon is down, or a firewall drops UDP";

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(error: io::Error) -> String {
        let address: Multiaddr = "/ip4/192.0.2.7/udp/7946/quic-v1".parse().unwrap();
        sentence(&DialError::Transport(vec![(
            address,
            TransportError::Other(error),
        )]))
    }

    #[test]
    fn silent_address_is_a_sentence_without_library_words() {
        let said = failed(io::Error::other(libp2p::quic::Error::HandshakeTimedOut));
        assert_eq!(
            said,
            "/ip4/192.0.2.7/udp/7946/quic-v1: no answer: the peer's daemon is down, or a firewall drops UDP"
        );
    }

    #[test]
    fn only_quic_over_ip_can_be_dialled() {
        let said = |text: &str| undialable(&text.parse().unwrap());
        for text in [
            "/ip4/192.0.2.7/tcp/7946",
            "/ip4/192.0.2.7/udp/7946",
            "/ip4/192.0.2.7/udp/0/quic-v1",
            "/ip4/192.0.2.7/udp/7946/quic",
            "/dns/example.org/udp/7946/quic-v1",
            "/ip4/192.0.2.7",
        ] {
            let why = said(text).unwrap();
            assert!(why.starts_with(&format!("{text} cannot be dialled: ")), "{why}");
        }
        for text in [
            "/ip4/192.0.2.7/udp/7946/quic-v1",
            "/ip6/2001:db8::7/udp/1/quic-v1",
        ] {
            assert_eq!(said(text), None);
        }
    }

    #[test]
    fn refused_address_asks_for_the_daemon() {
        let said = failed(io::Error::from(io::ErrorKind::ConnectionRefused));
        assert!(
            said.ends_with("nobody listens there: is the peer's daemon running?"),
            "{said}"
        );
    }

    #[test]
    fn unknown_failure_keeps_its_innermost_cause() {
        let said = failed(io::Error::other("no more buffers"));
        assert!(said.ends_with("the attempt failed: no more buffers"), "{said}");
    }
}
