//! `starling init`

use clap::Args;
use starling_api_types::{ExitStatus, SiteSlug};

use super::Outcome;
use crate::local::{self, Engine};
use crate::render;
use crate::session::Session;

/// Create a site in the folder: keys, genesis certificate, starling.toml, an empty store
#[derive(Debug, Args)]
#[command(after_help = "\
Move the root key offline before production use: the daemon never needs it.

Example:
  starling --home ./west init --site-id site-us-west-1
  starling --home ./vault init --site-id site-air-gapped --air-gapped

Exit codes: 0 created, 2 the folder already holds a site or cannot be written")]
pub(crate) struct Init {
    /// Name of the site: a-z, 0-9, `-`, `_`, `.`
    #[arg(long, value_name = "NAME")]
    site_id: SiteSlug,
    /// Storage engine
    #[arg(long, value_enum, default_value = "sled")]
    engine: Engine,
    /// Create a site without a network: it does not listen or dial, and exchanges bundles as files
    #[arg(long)]
    air_gapped: bool,
}

impl Init {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let report = local::init(session.home(), &self.site_id, self.engine, self.air_gapped)?;
        session.print(&report, |report| render::init(report, self.air_gapped))?;
        Ok(ExitStatus::Pass)
    }
}
