//! The commands, one file per group: arguments, requests to the site, output.

pub(crate) mod advisory;
mod batch;
pub(crate) mod bundle;
pub(crate) mod completions;
mod confirm;
pub(crate) mod conflicts;
pub(crate) mod cvss;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod feeds;
pub(crate) mod help;
pub(crate) mod init;
mod input;
pub(crate) mod keys;
pub(crate) mod man;
pub(crate) mod mute;
pub(crate) mod policy;
pub(crate) mod purl;
pub(crate) mod quickstart;
pub(crate) mod restore;
pub(crate) mod sbom;
pub(crate) mod scan;
pub(crate) mod selftest;
pub(crate) mod sites;
pub(crate) mod status;
pub(crate) mod store;
pub(crate) mod up;
pub(crate) mod version;
pub(crate) mod vex;

use starling_api_types::{ExitStatus, Problem};

use crate::args::Command;
use crate::session::Session;

/// The exit status of a command that ran, or the problem that stopped it.
pub(crate) type Outcome = Result<ExitStatus, Problem>;

/// Runs a command.
pub(crate) async fn run(session: &Session, command: Command) -> Outcome {
    match command {
        Command::Quickstart(args) => Box::pin(args.run(session)).await,
        Command::Init(args) => args.run(session).await,
        Command::Keys(args) => args.run(session).await,
        Command::Up(args) => args.run(session).await,
        Command::Status(args) => args.run(session).await,
        Command::Sites(args) => args.run(session).await,
        Command::Feeds(args) => args.run(session).await,
        Command::Advisory(args) => args.run(session).await,
        Command::Bundle(args) => args.run(session).await,
        Command::Scan(args) => args.run(session).await,
        Command::Explain(args) => args.run(session).await,
        Command::Version(args) => args.run(session),
        Command::Purl(args) => args.run(session),
        Command::Cvss(args) => args.run(session),
        Command::Sbom(args) => args.run(session).await,
        Command::Selftest(args) => args.run(session),
        Command::Policy(args) => args.run(session).await,
        Command::Conflicts(args) => args.run(session).await,
        Command::Mute(args) => args.run(session).await,
        Command::Vex(args) => args.run(session).await,
        Command::Events(args) => args.run(session).await,
        Command::Doctor(args) => args.run(session).await,
        Command::Restore(args) => args.run(session).await,
        Command::Store(args) => args.run(session).await,
        Command::Completions(args) => args.run(),
        Command::Man(args) => args.run(),
        Command::Help(args) => args.run(session),
    }
}
