//! The exit codes of `starling`, the same for every command.

use std::fmt;

/// The exit status of a command; the numbers are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ExitStatus {
    /// Done; for a scan: pass.
    Pass = 0,
    /// A scan failed by policy.
    FailedByPolicy = 1,
    /// The command line, the configuration or the site's folder has an error.
    Usage = 2,
    /// The input was rejected; nothing of it was kept.
    InputRefused = 3,
    /// Knowledge is missing or stale: an unknown advisory, an empty store, a missing body.
    KnowledgeMissing = 4,
    /// A scan checked fewer packages than the policy requires.
    CoverageTooLow = 5,
    /// The site is not reachable, busy, or locked by another process.
    NotReachable = 6,
    /// Part of the input was imported; the answer lists the rest with reasons.
    TakenInPart = 7,
    /// An internal error of Starling.
    Internal = 10,
    /// The store is damaged; `starling doctor` lists the damage.
    StoreDamaged = 11,
    /// No space is left on the disk.
    DiskFull = 12,
}

impl ExitStatus {
    /// All statuses, in order of their codes.
    pub const ALL: [Self; 11] = [
        Self::Pass,
        Self::FailedByPolicy,
        Self::Usage,
        Self::InputRefused,
        Self::KnowledgeMissing,
        Self::CoverageTooLow,
        Self::NotReachable,
        Self::TakenInPart,
        Self::Internal,
        Self::StoreDamaged,
        Self::DiskFull,
    ];

    /// Returns the process exit code.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Returns the code's meaning, as printed in help texts.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::FailedByPolicy => "fail by policy",
            Self::Usage => "usage",
            Self::InputRefused => "input refused",
            Self::KnowledgeMissing => "knowledge missing or stale",
            Self::CoverageTooLow => "coverage too low",
            Self::NotReachable => "not reachable or locked",
            Self::TakenInPart => "partly imported",
            Self::Internal => "internal error",
            Self::StoreDamaged => "store damaged",
            Self::DiskFull => "disk full",
        }
    }

    /// Returns the status with this code, if there is one.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.code(), self.meaning())
    }
}
