//! `starling keys …`

use clap::{Args, Subcommand};
use starling_api_types::ExitStatus;

use super::Outcome;
use crate::local;
use crate::render;
use crate::session::Session;

/// Manage the site's keys and identity
#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    Show(Show),
    List(List),
    Generate(Generate),
    Export(Export),
}

/// Show the site's identity, epoch and public keys
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling keys show

Exit codes: 0 shown, 2 no site in the folder")]
pub(crate) struct Show {}

/// List the keys in the folder, without their secrets
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling keys list

Exit codes: 0 listed, 2 no keys in the folder")]
pub(crate) struct List {}

/// Create a new operating key and start a new epoch with it, signed by the root key in the folder
#[derive(Debug, Args)]
#[command(after_help = "\
Stop the daemon first. Peers learn the new key from the site's certificates, without action from you. If the home was
restored from a backup, run `starling restore` first, so that the site gets back what its peers hold of it.

Example:
  starling keys generate

Exit codes: 0 created, 2 no site or no root key in the folder, 3 this site was restored and
  lacks data that others hold, 6 a daemon uses the store")]
pub(crate) struct Generate {}

/// Print the site's certificate chain, for `starling sites add --key` at another site
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling keys export --public > site-us-west-1.key

Exit codes: 0 printed, 2 no site in the folder, or --public is missing")]
pub(crate) struct Export {
    /// Export the public half. Secrets are never exported: copy their files instead
    #[arg(long, required = true)]
    public: bool,
}

impl Keys {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let home = session.home();
        match self {
            Self::Show(_) => session.print(&local::identity(home)?, render::identity)?,
            Self::List(_) => session.print(&local::list_keys(home)?, render::keys)?,
            Self::Generate(_) => {
                session.ensure_no_daemon("beginning a new epoch").await?;
                session.print(&local::generate_key(home).await?, render::keys)?;
            }
            Self::Export(Export { public: _ }) => {
                session.print(&local::identity(home)?, |identity| identity.certificates.clone())?;
            }
        }
        Ok(ExitStatus::Pass)
    }
}
