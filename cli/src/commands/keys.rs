//! `starling keys …`

use clap::{Args, Subcommand};
use starling_api_types::ExitStatus;

use super::Outcome;
use crate::local;
use crate::render;
use crate::session::Session;

/// Keys and identity of the site
#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    Show(Show),
    List(List),
    Generate(Generate),
    Export(Export),
}

/// Show who the site is: identity, epoch, public keys
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling keys show

Exit codes: 0 shown, 2 no site in the folder")]
pub(crate) struct Show {}

/// List the keys in the folder; never their secrets
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling keys list

Exit codes: 0 listed, 2 no keys in the folder")]
pub(crate) struct List {}

/// Make a new operating key and begin a new epoch with it; the root key in the folder signs it
#[derive(Debug, Args)]
#[command(after_help = "\
The daemon must not run meanwhile. Peers learn the new key from the site's certificates by themselves. A home that was
put back from a backup takes back what peers hold first: `starling restore`.

Example:
  starling keys generate

Exit codes: 0 made, 2 no site or no root key in the folder, 3 this site was restored and
  lacks what others hold of it, 6 a daemon holds the store")]
pub(crate) struct Generate {}

/// Print the site's certificate chain: what `starling sites add --key` takes at another site
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling keys export --public > site-us-west-1.key

Exit codes: 0 printed, 2 no site in the folder, or --public is missing")]
pub(crate) struct Export {
    /// The public half; secrets are never exported, copy their files instead
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
