//! `starling explain`

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use starling_api_types::{AsOf, ExitStatus, ExplainQuery};

use super::Outcome;
use crate::progress::Step;
use crate::render;
use crate::session::Session;

/// Explain why a vulnerability does or does not affect a package
#[derive(Debug, Args)]
#[command(after_help = "\
Uses the lookup and the rules of a scan. Shows which package was looked up, how versions were compared, and what each
rule says. Without an id, every advisory about the package is listed with its result.

Example:
  starling explain pkg:npm/express@4.17.1
  starling explain pkg:npm/express@4.17.1 CVE-2022-24999
  starling explain 'pkg:deb/debian/curl@7.88.1-10' CVE-2023-38545 \\
      --distro debian-12
  starling explain pkg:npm/express@4.17.1 CVE-2022-24999 --as-of 2025-01-15
  starling explain cpe:2.3:a:busybox:busybox:1.31.1 CVE-2018-1000500

Exit codes: 0 answered, with any conclusion, 2 usage or not a package URL or CPE name, 4 --as-of goes back too far,
  6 not reachable or locked")]
pub(crate) struct Explain {
    /// The package URL or CPE name, with its version
    #[arg(value_name = "PURL")]
    purl: String,
    /// The vulnerability, by any of its ids; without it, every advisory about the package with its result
    #[arg(value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    id: Option<String>,
    /// Distribution on which the package was found, as in debian-12; used if the URL does not name one
    #[arg(long, value_name = "NAME-RELEASE")]
    distro: Option<String>,
    /// Evaluate against what the site knew at this time, date (end of day, UTC) or cursor
    #[arg(long, value_name = "MOMENT")]
    as_of: Option<AsOf>,
}

impl Explain {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        session.ensure_gates_apply().await?;
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
