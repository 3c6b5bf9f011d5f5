//! Runs scenarios and prints what they showed: `simulate --scenario simulations/scenarios/relay-line.toml`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use starling_simulations::{Scenario, run, run_twice};

/// Run worlds of many sites under a seed and check the invariants.
#[derive(Debug, Parser)]
struct Arguments {
    /// Scenario files (TOML).
    #[arg(long = "scenario", required = true, num_args = 1..)]
    scenarios: Vec<PathBuf>,
    /// First seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds, from the first on.
    #[arg(long, default_value_t = 1)]
    runs: u64,
    /// Run each seed twice and compare the two runs.
    #[arg(long)]
    twice: bool,
    /// Print one JSON object per run.
    #[arg(long)]
    json: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let mut failed = 0;
    for path in &arguments.scenarios {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let scenario = Scenario::parse(&text).with_context(|| format!("reading {}", path.display()))?;
        for seed in arguments.seed..arguments.seed.saturating_add(arguments.runs) {
            let report = if arguments.twice {
                run_twice(&scenario, seed)
            } else {
                run(&scenario, seed)
            };
            let report = report.map_err(anyhow::Error::msg)?;
            if arguments.json {
                println!("{}", serde_json::to_string(&report)?);
            } else {
                println!("{report}");
                for (name, count) in &report.notices {
                    println!("    {count:>8} {name}");
                }
            }
            failed += usize::from(!report.passed());
        }
    }
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
