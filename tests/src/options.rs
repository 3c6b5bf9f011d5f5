//! Reads the command line of the fault-finding checks.

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The options of a run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The number of rounds; `--seconds` may end the run earlier.
    pub rounds: u32,
    /// The engine of the sites: `sled` or `redb`.
    pub engine: String,
    /// All random choices of the run follow from it.
    pub seed: u64,
    /// Begin no round after this time.
    pub seconds: Option<u64>,
    /// Run only this round.
    pub only: Option<u32>,
    /// Keep the homes of failed rounds in this folder.
    pub keep: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments of this process. `rounds` is the default number.
    ///
    /// # Panics
    /// If an argument is unknown or its value cannot be read; the message lists the arguments.
    #[must_use]
    pub fn of_process(rounds: u32) -> Self {
        let mut options = Self {
            rounds,
            engine: "sled".to_owned(),
            seed: fastrand::u64(..),
            seconds: None,
            only: None,
            keep: None,
        };
        let mut args = std::env::args().skip(1);
        while let Some(name) = args.next() {
            let value = args.next().unwrap_or_else(|| panic!("{name} needs a value"));
            match name.as_str() {
                "--rounds" => options.rounds = value.parse().expect("a number of rounds"),
                "--engine" => options.engine = value,
                "--seed" => options.seed = value.parse().expect("a seed"),
                "--seconds" => options.seconds = Some(value.parse().expect("a number of seconds")),
                "--only" => options.only = Some(value.parse().expect("a round's number")),
                "--keep" => options.keep = Some(value.into()),
                _ => panic!(
                    "unknown option {name}; there are --rounds, --engine, --seed, --seconds, --only and --keep"
                ),
            }
        }
        options
    }

    /// Returns the numbers of the rounds to do, until the time is over.
    pub fn rounds(&self) -> impl Iterator<Item = u32> + use<> {
        let end = self
            .seconds
            .map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let (first, last) = match self.only {
            Some(only) => (only, only),
            None => (1, self.rounds),
        };
        (first..=last).take_while(move |_| end.is_none_or(|end| Instant::now() < end))
    }

    /// Returns the choices of one round: the same whichever rounds came before.
    #[must_use]
    pub fn rng(&self, round: u32) -> fastrand::Rng {
        let mut seeds = fastrand::Rng::with_seed(self.seed);
        let of_run = seeds.u64(..);
        fastrand::Rng::with_seed(of_run ^ u64::from(round).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Returns the command that repeats the run.
    #[must_use]
    pub fn again(&self, check: &str) -> String {
        format!("{check}: engine {}, --seed {}", self.engine, self.seed)
    }
}
