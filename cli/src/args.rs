//! Defines the command line: arguments and help, no behaviour.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands::{
    advisory, bundle, completions, conflicts, cvss, doctor, events, explain, feeds, help, init, keys, man,
    mute, policy, purl, quickstart, restore, sbom, scan, selftest, sites, status, store, up, version, vex,
};
use crate::terminal::ColorWhen;

/// Gives every site of an organisation the same vulnerability knowledge, online or air-gapped.
#[derive(Debug, Parser)]
#[command(name = "starling", version, propagate_version = true, after_help = OVERVIEW, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const OVERVIEW: &str = "\
A first look:
  starling quickstart

A site by hand:
  starling --home ./west init --site-id site-us-west-1
  starling --home ./west feeds import ghsa.zip --source ghsa
  starling --home ./west scan sbom.json --fail-on high

Exit codes of every command:
  0 pass, 1 fail by policy, 2 usage, 3 input refused, 4 knowledge missing or stale,
  5 coverage too low, 6 not reachable or locked, 7 partly imported, 10 internal error,
  11 store damaged, 12 disk full";

/// The heading of the options that every command has, below its own.
const EVERYWHERE: &str = "Options of every command";

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// The site's folder [default: $XDG_DATA_HOME/starling, else ~/.local/share/starling]
    #[arg(
        long,
        global = true,
        env = "STARLING_HOME",
        value_name = "DIR",
        hide_env_values = true,
        help_heading = EVERYWHERE
    )]
    pub(crate) home: Option<PathBuf>,
    /// Print one JSON document instead of text. Errors are JSON too, on standard error
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) json: bool,
    /// When to use colours
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value = "auto",
        help_heading = EVERYWHERE
    )]
    pub(crate) color: ColorWhen,
    /// Show all columns in full, even if the terminal is too narrow for them
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) wide: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Quickstart(quickstart::Quickstart),
    Init(init::Init),
    #[command(subcommand)]
    Keys(keys::Keys),
    Up(up::Up),
    Status(status::Status),
    #[command(subcommand)]
    Sites(sites::Sites),
    #[command(subcommand)]
    Feeds(feeds::Feeds),
    #[command(subcommand, visible_alias = "canonical")]
    Advisory(advisory::Advisory),
    #[command(subcommand)]
    Bundle(bundle::Bundle),
    Scan(scan::Scan),
    Explain(explain::Explain),
    #[command(subcommand)]
    Version(version::Version),
    #[command(subcommand)]
    Purl(purl::Purl),
    Cvss(cvss::Cvss),
    #[command(subcommand)]
    Sbom(sbom::Sbom),
    Selftest(selftest::Selftest),
    #[command(subcommand)]
    Policy(policy::Policy),
    #[command(subcommand)]
    Mute(mute::Mute),
    #[command(subcommand)]
    Conflicts(conflicts::Conflicts),
    #[command(subcommand)]
    Vex(vex::Vex),
    Events(events::Events),
    Doctor(doctor::Doctor),
    Restore(restore::Restore),
    #[command(subcommand)]
    Store(store::Store),
    Completions(completions::Completions),
    Man(man::Man),
    Help(help::Help),
}
