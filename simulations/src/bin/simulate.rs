//! Runs scenarios and prints their results: `simulate --scenario simulations/scenarios/relay-line.toml`.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use anyhow::Context;
use clap::Parser;
use starling_simulations::{Report, Scenario, run, run_twice};

/// Run worlds of many sites under a seed and check the invariants.
#[derive(Debug, Parser)]
struct Arguments {
    /// Scenario files (TOML).
    #[arg(long = "scenario", required = true, num_args = 1..)]
    scenarios: Vec<PathBuf>,
    /// First seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The number of seeds, from the first on.
    #[arg(long, default_value_t = 1)]
    runs: u64,
    /// The number of parallel runs. Each run uses one thread; the number does not affect any run.
    #[arg(long, default_value_t = NonZeroUsize::MIN)]
    jobs: NonZeroUsize,
    /// Run each seed twice and compare the two runs.
    #[arg(long)]
    twice: bool,
    /// Print failed runs only, then one line per scenario.
    #[arg(long, conflicts_with = "json")]
    brief: bool,
    /// Print one JSON object per run.
    #[arg(long)]
    json: bool,
}

/// One run to execute.
#[derive(Debug, Clone, Copy)]
struct Job<'a> {
    scenario: &'a Scenario,
    seed: u64,
}

/// Runs of one scenario.
#[derive(Debug, Default)]
struct Counts {
    runs: u64,
    failed: u64,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let mut scenarios = Vec::new();
    for path in &arguments.scenarios {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let scenario = Scenario::parse(&text).with_context(|| format!("reading {}", path.display()))?;
        scenarios.push(scenario);
    }
    let seeds = arguments.seed..arguments.seed.saturating_add(arguments.runs);
    let jobs: Vec<Job<'_>> = scenarios
        .iter()
        .flat_map(|scenario| seeds.clone().map(move |seed| Job { scenario, seed }))
        .collect();
    let counts = run_all(&arguments, &jobs)?;
    if arguments.brief {
        for (name, Counts { runs, failed }) in &counts {
            println!(
                "{name}: {runs} runs from seed {}, {failed} failed",
                arguments.seed
            );
        }
    }
    Ok(if counts.values().all(|counts| counts.failed == 0) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Executes all runs, several in parallel, and prints them in order.
fn run_all<'a>(arguments: &Arguments, jobs: &[Job<'a>]) -> anyhow::Result<BTreeMap<&'a str, Counts>> {
    let next = AtomicUsize::new(0);
    // The channel has room for all runs, so no worker waits for the printing.
    let (sender, done) = mpsc::sync_channel(jobs.len().max(1));
    let mut counts: BTreeMap<&str, Counts> = BTreeMap::new();
    let mut failed = None;
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs.get() {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(index) else { return };
                    let report = run_one(*job, arguments.twice);
                    if sender.send((index, report)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut waiting = BTreeMap::new();
        let mut printed = 0;
        for (index, report) in done {
            waiting.insert(index, report);
            while let Some(report) = waiting.remove(&printed) {
                let outcome = report.map_err(anyhow::Error::msg).and_then(|report| {
                    let counts = counts.entry(jobs[printed].scenario.name.as_str()).or_default();
                    counts.runs += 1;
                    counts.failed += u64::from(!report.passed());
                    print(arguments, &report)
                });
                printed += 1;
                if let Err(error) = outcome {
                    failed.get_or_insert(error);
                    // The other workers have nothing more to do.
                    next.store(jobs.len(), Ordering::Relaxed);
                }
            }
        }
    });
    failed.map_or(Ok(counts), Err)
}

/// Executes one run. A panic in it is reported with its seed, so that it can be repeated.
fn run_one(job: Job<'_>, twice: bool) -> Result<Report, String> {
    let Job { scenario, seed } = job;
    let report = std::panic::catch_unwind(|| {
        if twice {
            run_twice(scenario, seed)
        } else {
            run(scenario, seed)
        }
    });
    report.unwrap_or_else(|_| Err(format!("scenario {} panicked with seed {seed}", scenario.name)))
}

fn print(arguments: &Arguments, report: &Report) -> anyhow::Result<()> {
    if arguments.json {
        println!("{}", serde_json::to_string(report)?);
    } else if !arguments.brief {
        println!("{report}");
        for (name, count) in &report.notices {
            println!("    {count:>8} {name}");
        }
    } else if !report.passed() {
        println!("{report}");
    }
    Ok(())
}
