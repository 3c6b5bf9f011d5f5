//! Limits the servers that a run may contact.
//!
//! The operator chose the base address: it may be anything, also a server on this machine. Every other address comes
//! from outside, out of a list or a redirect, and could point into the site's own network.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::address::Address;
use crate::error::FetchError;
use crate::names::shorten;

/// The servers of a plan.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    own: Vec<Address>,
    named: BTreeSet<String>,
}

impl Guard {
    /// `own` are the addresses that the operator or the preset gave, `named` the hosts that the plan names beside them.
    pub(crate) fn new(own: Vec<Address>, named: &[String]) -> Self {
        Self {
            own,
            named: named.iter().map(|host| host.to_ascii_lowercase()).collect(),
        }
    }

    /// Returns true if `address` is on a server that the operator or the preset gave.
    pub(crate) fn is_own(&self, address: &Address) -> bool {
        self.own.iter().any(|own| own.is_same_origin(address))
    }

    /// Checks an address from a list, a page or a document.
    pub(crate) fn check_listed(&self, address: &Address) -> Result<(), FetchError> {
        if self.is_own(address) {
            return Ok(());
        }
        let Address::Http(url) = address else {
            return Err(forbidden(
                address,
                "a server may not point to a file of this machine",
            ));
        };
        let host = url.host_str().unwrap_or_default();
        if !self.named.contains(&host.to_ascii_lowercase()) {
            return Err(forbidden(
                address,
                &format!("{host} is neither the server of the list nor a host that the feed names"),
            ));
        }
        self.check_public(address, url)
    }

    /// Checks the target of a redirect.
    pub(crate) fn check_redirect(&self, from: &Address, to: &Address) -> Result<(), FetchError> {
        let (Address::Http(before), Address::Http(after)) = (from, to) else {
            return Err(forbidden(to, "a redirect may only lead to a server"));
        };
        if before.scheme() == "https" && after.scheme() != "https" {
            return Err(forbidden(to, "a redirect may not lead from https to http"));
        }
        match self.is_own(to) {
            true => Ok(()),
            false => self.check_public(to, after),
        }
    }

    fn check_public(&self, address: &Address, url: &Url) -> Result<(), FetchError> {
        let is_special = match url.host() {
            Some(Host::Ipv4(ip)) => is_special(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => is_special(IpAddr::V6(ip)),
            Some(Host::Domain(name)) => {
                // The operator's own host may be in a private network, of which only its own port was meant. A move from
                // http to https is the same server.
                let is_secured = url.scheme() == "https" && url.port().is_none() && self.is_plain(name);
                let is_other_port = self.is_own_host(name) && !is_secured;
                is_other_port || name.eq_ignore_ascii_case("localhost") || name.ends_with(".localhost")
            }
            None => true,
        };
        match is_special {
            true => Err(forbidden(
                address,
                "it is an address of this machine or of a private network",
            )),
            false => Ok(()),
        }
    }

    /// Returns true if the operator gave this host with http and its usual port.
    fn is_plain(&self, host: &str) -> bool {
        self.own.iter().any(|own| match own {
            Address::Http(url) => {
                url.scheme() == "http" && url.port().is_none() && url.host_str() == Some(host)
            }
            Address::File(_) => false,
        })
    }

    /// Returns true if the resolved addresses of this host need no check, because the operator chose it.
    pub(crate) fn is_own_host(&self, host: &str) -> bool {
        self.own
            .iter()
            .any(|own| own.host().is_some_and(|own| own.eq_ignore_ascii_case(host)))
    }
}

fn forbidden(address: &Address, why: &str) -> FetchError {
    FetchError::Forbidden {
        address: shorten(&address.to_string()),
        why: why.to_owned(),
    }
}

/// Returns true for addresses that no public server has: this machine, the link, private networks, multicast and
/// others that are reserved.
pub(crate) fn is_special(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_special_v4(ip),
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(ip) => is_special_v4(ip),
            None => is_special_v6(ip),
        },
    }
}

fn is_special_v4(ip: Ipv4Addr) -> bool {
    let [first, second, ..] = ip.octets();
    let is_shared = first == 100 && (64..128).contains(&second);
    let is_test_network = first == 198 && (second == 18 || second == 19);
    ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_broadcast()
        || first == 0
        || first >= 240
        || is_shared
        || is_test_network
}

fn is_special_v6(ip: Ipv6Addr) -> bool {
    let first = ip.segments()[0];
    let is_unique_local = first & 0xFE00 == 0xFC00;
    let is_link_local = first & 0xFFC0 == 0xFE80;
    // Addresses that carry one of version 4, which the other side would unpack: NAT64 and 6to4.
    let carries_v4 = (first == 0x64 && ip.segments()[1] == 0xFF9B) || first == 0x2002;
    // The first 96 bits of none: unspecified, loopback and the retired compatible form.
    let is_low = ip.segments()[..6].iter().all(|segment| *segment == 0);
    ip.is_multicast() || is_unique_local || is_link_local || carries_v4 || is_low
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).expect("an address")
    }

    fn guard(own: &str, named: &[&str]) -> Guard {
        let named: Vec<String> = named.iter().map(|host| (*host).to_owned()).collect();
        Guard::new(vec![address(own)], &named)
    }

    #[test]
    fn list_may_point_to_its_own_server_and_to_named_hosts() {
        let guard = guard("https://feed.example/list", &["files.example"]);
        assert!(guard.check_listed(&address("https://feed.example/other")).is_ok());
        assert!(guard.check_listed(&address("https://FILES.example/x")).is_ok());
        assert!(
            guard
                .check_listed(&address("https://elsewhere.example/x"))
                .is_err()
        );
        assert!(
            guard
                .check_listed(&address("https://feed.example:8443/x"))
                .is_err()
        );
        assert!(guard.check_listed(&address("http://feed.example/x")).is_err());
        assert!(guard.check_listed(&address("/etc/passwd")).is_err());
    }

    #[test]
    fn list_may_not_point_into_the_sites_network() {
        let guard = guard(
            "https://feed.example/",
            &["127.0.0.1", "169.254.169.254", "localhost", "[::1]"],
        );
        for text in [
            "http://127.0.0.1/",
            "http://169.254.169.254/latest",
            "http://localhost/",
            "http://[::1]/",
        ] {
            assert!(guard.check_listed(&address(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn own_server_may_be_on_this_machine() {
        let guard = guard("http://127.0.0.1:8080/", &[]);
        assert!(guard.check_listed(&address("http://127.0.0.1:8080/x")).is_ok());
        assert!(guard.check_listed(&address("http://127.0.0.1:9090/x")).is_err());
    }

    #[test]
    fn redirect_may_not_lead_from_https_to_http_or_into_the_network() {
        let guard = guard("https://feed.example/", &[]);
        let from = address("https://feed.example/a");
        assert!(
            guard
                .check_redirect(&from, &address("https://mirror.example/a"))
                .is_ok()
        );
        assert!(
            guard
                .check_redirect(&from, &address("http://feed.example/a"))
                .is_err()
        );
        assert!(
            guard
                .check_redirect(&from, &address("https://10.0.0.1/a"))
                .is_err()
        );
        assert!(guard.check_redirect(&from, &address("/etc/passwd")).is_err());
    }

    #[test]
    fn another_port_of_the_own_host_is_another_server() {
        let guard = guard("http://feeds.internal:8080/", &["feeds.internal"]);
        let from = address("http://feeds.internal:8080/a");
        for (to, is_followed) in [
            ("http://feeds.internal:8080/b", true),
            ("https://feeds.internal/b", false),
            ("http://feeds.internal:9090/b", false),
            ("https://feeds.internal:9090/b", false),
        ] {
            assert_eq!(
                guard.check_redirect(&from, &address(to)).is_ok(),
                is_followed,
                "{to}"
            );
            assert_eq!(guard.check_listed(&address(to)).is_ok(), is_followed, "{to}");
        }
        let plain = Guard::new(vec![address("http://feeds.internal/")], &[]);
        let from = address("http://feeds.internal/a");
        assert!(
            plain
                .check_redirect(&from, &address("https://feeds.internal/a"))
                .is_ok()
        );
    }

    #[test]
    fn special_addresses_are_known() {
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.1.1",
            "0.0.0.0",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
        ] {
            assert!(is_special(text.parse().expect("an address")), "{text}");
        }
        for text in ["1.1.1.1", "93.184.216.34", "2606:4700::1111"] {
            assert!(!is_special(text.parse().expect("an address")), "{text}");
        }
    }
}
