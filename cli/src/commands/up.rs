//! `starling up`

use std::net::SocketAddr;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use starling_api_types::ExitStatus;

use super::{Outcome, confirm, restore};
use crate::local;
use crate::session::Session;

/// Run the site's daemon in the foreground; SIGTERM or Control-C stops it cleanly
#[derive(Debug, Args)]
#[command(after_help = "\
Options override the environment, which overrides starling.toml. With --alone, a home that was restored or
copied continues from what it holds. That cannot be undone: it asks on a terminal, and a script needs --yes. For a home
that is not held back, --alone changes nothing and asks nothing. If a command uses the site, such as an import, the
daemon waits for it, two minutes at most.

Example:
  starling up
  starling --home ./west up --listen /ip4/0.0.0.0/udp/7946/quic-v1 \\
      --api 127.0.0.1:7948

Exit codes: 0 ended cleanly, 2 no site in the folder or its configuration is wrong, 3 --alone without the root key,
  6 another process uses the site, 11 store damaged, 12 disk full")]
pub(crate) struct Up {
    /// Multiaddress to listen on for peers; may be repeated [network.listen]
    #[arg(long, value_name = "MULTIADDR")]
    listen: Vec<String>,
    /// Loopback address to serve the API on over TCP, for CI [api.listen]
    #[arg(long, value_name = "ADDR:PORT", value_parser = parse_api)]
    api: Option<SocketAddr>,
    /// Log level [log.level]
    #[arg(long, value_name = "LEVEL", value_parser = PossibleValuesParser::new(["error", "warn", "info", "debug", "trace"]).map(String::from))]
    log_level: Option<String>,
    /// Only for a restored or copied home: continue from what it holds, without waiting for any peer
    #[arg(long)]
    alone: bool,
    /// Do not ask; a script or a service needs it with --alone
    #[arg(long, requires = "alone")]
    yes: bool,
    /// Any other key of starling.toml, its value as TOML or plain text; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parse_setting)]
    settings: Vec<(String, String)>,
}

fn parse_setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| format!("`{text}` is not KEY=VALUE"))?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// Parses an address with its port.
fn parse_api(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "expected an address and a port, as in 127.0.0.1:7948".to_owned())
}

impl Up {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        if self.alone {
            let (yes, can_ask) = (self.yes, confirm::can_ask(session));
            let agrees = move || {
                confirm::agrees(
                    yes,
                    can_ask,
                    "starling up --alone",
                    restore::ALONE,
                    restore::QUESTION,
                )
            };
            if !local::go_on_alone(session.home(), agrees).await? {
                crate::session::note("nothing was changed");
                return Ok(ExitStatus::Usage);
            }
        }
        local::up(session.home(), self.into_settings()).await?;
        Ok(ExitStatus::Pass)
    }

    /// Converts the options to settings by key. Named options come last, so they override `--set`.
    fn into_settings(self) -> Vec<(String, String)> {
        let mut settings = self.settings;
        let mut set = |key: &str, value: String| settings.push((key.to_owned(), value));
        if !self.listen.is_empty() {
            // A JSON array of plain strings is also a TOML array.
            set("network.listen", serde_json::Value::from(self.listen).to_string());
        }
        if let Some(api) = self.api {
            set("api.listen", api.to_string());
        }
        if let Some(level) = self.log_level {
            set("log.level", level);
        }
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_options_override_set_options() {
        let up = Up {
            listen: vec!["/ip4/127.0.0.1/udp/0/quic-v1".to_owned()],
            api: Some("127.0.0.1:7948".parse().unwrap()),
            log_level: None,
            alone: false,
            yes: false,
            settings: vec![parse_setting("store.cache = 64MiB").unwrap()],
        };
        let settings = up.into_settings();
        let shown: Vec<_> = settings
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        assert_eq!(
            shown,
            [
                "store.cache=64MiB",
                r#"network.listen=["/ip4/127.0.0.1/udp/0/quic-v1"]"#,
                "api.listen=127.0.0.1:7948"
            ]
        );
        assert!(parse_setting("nonsense").is_err());
    }
}
