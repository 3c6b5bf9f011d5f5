//! `starling explain`

use clap::Args;
use starling_api_types::{AsOf, ExitStatus, ExplainQuery};

use super::Outcome;
use crate::progress::Step;
use crate::render;
use crate::session::Session;

/// Say why a package is, or is not, affected by a vulnerability
#[derive(Debug, Args)]
#[command(after_help = "\
The lookup and the rules are a scan's own: which package was looked up, in which order versions were compared,
and what each rule says.

Example:
  starling explain pkg:npm/express@4.17.1 CVE-2022-24999
  starling explain 'pkg:deb/debian/curl@7.88.1-10' CVE-2023-38545 --distro debian-12
  starling explain pkg:npm/express@4.17.1 CVE-2022-24999 --as-of 2025-01-15

Exit codes: 0 answered, whatever the answer, 2 usage or not a package URL, 4 the moment is no longer known,
  6 not reachable or locked")]
pub(crate) struct Explain {
    /// The package URL, with its version
    #[arg(value_name = "PURL")]
    purl: String,
    /// The vulnerability, by any of its ids
    #[arg(value_name = "ID")]
    id: String,
    /// The distribution that the package was found on, as in debian-12; the URL's own wins
    #[arg(long, value_name = "NAME-RELEASE")]
    distro: Option<String>,
    /// By what the site knew at this moment: a time, a date (its end, UTC) or a cursor
    #[arg(long, value_name = "MOMENT")]
    as_of: Option<AsOf>,
}

impl Explain {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let site = session.site(&Step::silent()).await?;
        let query = ExplainQuery {
            purl: self.purl,
            id: self.id,
            distro: self.distro,
            as_of: self.as_of,
        };
        session.print(&site.explain(query).await?, render::explanation)?;
        Ok(ExitStatus::Pass)
    }
}
