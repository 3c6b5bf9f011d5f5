//! `starling feeds set`: changes a feed where it is configured.

use clap::{Args, ValueEnum};
use starling_api_types::{ExitStatus, FeedChange, FeedName, FeedSetting, Problem};

use super::Outcome;
use super::settings::Settings;
use crate::candidates;
use crate::progress::Step;
use crate::render;
use crate::session::Session;

/// Change a feed: its schedule, address, key and so on; options that are not given keep their value
#[derive(Debug, Args)]
#[command(after_help = "\
The lines of the feed in starling.toml change; comments, everything else, owner and mode of the file stay. A running
daemon uses the new settings from the next run on. Another address, or another part of the source, is fetched from its
beginning.

Example:
  starling feeds set nvd --schedule 6h
  starling feeds set nvd --address https://mirror.example.org/nvd/ \\
      --ca-file /etc/ssl/own-ca.pem
  starling feeds set nvd --unset address --unset ca-file
  starling feeds set osv --ecosystem npm --ecosystem PyPI --no-share

Exit codes: 0 changed, or it has these values already; 2 a wrong value or no option, 3 no such feed, 6 not
  reachable or locked")]
pub(crate) struct Set {
    /// The feed
    #[arg(add = candidates::feeds())]
    name: FeedName,
    #[command(flatten)]
    settings: Settings,
    /// The source is only a part of what its name stands for: what is missing from it never becomes absent
    #[arg(long, conflicts_with = "whole")]
    partial: bool,
    /// The source is all of what its name stands for: what is missing from it becomes absent
    #[arg(long)]
    whole: bool,
    /// Let one site of the federation fetch it for all that offer to
    #[arg(long, conflicts_with = "no_share")]
    share: bool,
    /// Fetch it here even if another site of the federation does
    #[arg(long)]
    no_share: bool,
    /// Take a setting out, so that its default applies; may be given several times
    #[arg(long, value_name = "SETTING")]
    unset: Vec<Unset>,
}

/// What can be taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Unset {
    Schedule,
    Address,
    Parameter,
    ApiKeyFile,
    Proxy,
    CaFile,
}

impl From<Unset> for FeedSetting {
    fn from(unset: Unset) -> Self {
        match unset {
            Unset::Schedule => Self::Schedule,
            Unset::Address => Self::Address,
            Unset::Parameter => Self::Parameter,
            Unset::ApiKeyFile => Self::ApiKeyFile,
            Unset::Proxy => Self::Proxy,
            Unset::CaFile => Self::CaFile,
        }
    }
}

impl Set {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let name = self.name.clone();
        let change = self.into_body()?;
        let site = session.site(&Step::silent()).await?;
        let before = site.feed(&name).await?;
        let after = site.change_feed(&name, change.clone()).await?;
        session.print(&after, |after| render::feed_set(&before, after, &change))?;
        Ok(ExitStatus::Pass)
    }

    fn into_body(self) -> Result<FeedChange, Problem> {
        let given = self.settings.given()?;
        Ok(FeedChange {
            enabled: None,
            schedule: given.schedule,
            address: given.address,
            parameter: given.parameter,
            api_key_file: given.api_key_file,
            proxy: given.proxy,
            ca_file: given.ca_file,
            complete: (self.partial || self.whole).then_some(self.whole),
            share_fetch: (self.share || self.no_share).then_some(self.share),
            unset: self.unset.into_iter().map(Into::into).collect(),
        })
    }
}
