//! Data about a vulnerability besides its severity: publication time, known exploitation, its probability.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// Data about a vulnerability besides its severity. A missing value is unknown, never "no".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Threat {
    /// Its publication time, as written by the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
    /// True if a catalogue of exploited vulnerabilities lists it; missing if no catalogue is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kev: Option<bool>,
    /// The probability of its exploitation in the next 30 days (EPSS).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epss: Option<Probability>,
}

impl Threat {
    /// Fills missing values from `other`.
    pub(crate) fn fill_from(&mut self, other: &Self) {
        if self.published.is_none() {
            self.published.clone_from(&other.published);
        }
        self.kev = match (self.kev, other.kev) {
            (Some(here), Some(there)) => Some(here || there),
            (here, there) => here.or(there),
        };
        self.epss = self.epss.max(other.epss);
    }
}

/// A probability in hundred-thousandths, 0 to 100,000: exact, so that equal input gives equal bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Probability(u32);

/// The reason why a text is not a probability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {0:?} as a probability; write a number from 0 to 1, as in 0.5")]
pub struct ProbabilityError(String);

impl Probability {
    /// Certainty.
    const ONE: u32 = 100_000;
    const DECIMALS: usize = 5;

    /// Returns the probability in hundred-thousandths.
    pub(crate) const fn hundred_thousandths(self) -> u32 {
        self.0
    }

    /// Creates a probability from hundred-thousandths; larger values count as certainty.
    pub(crate) const fn of_hundred_thousandths(count: u32) -> Self {
        Self(if count < Self::ONE { count } else { Self::ONE })
    }
}

impl FromStr for Probability {
    type Err = ProbabilityError;

    /// Parses a plain decimal number; digits after the fifth decimal are cut off.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || ProbabilityError(text.chars().take(40).collect());
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !plain(whole) || !plain(fraction) {
            return Err(refuse());
        }
        let digits = fraction
            .bytes()
            .chain(std::iter::repeat(b'0'))
            .take(Self::DECIMALS);
        let fraction = digits.fold(0_u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
        let whole: u32 = whole.parse().map_err(|_| refuse())?;
        let value = whole
            .checked_mul(Self::ONE)
            .and_then(|value| value.checked_add(fraction));
        value
            .filter(|value| *value <= Self::ONE)
            .map(Self)
            .ok_or_else(refuse)
    }
}

impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:05}", self.0 / Self::ONE, self.0 % Self::ONE)
    }
}

impl Serialize for Probability {
    /// Written as text (`"0.97425"`): the bytes of a float would depend on the writer.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_exact_to_five_decimals() {
        for (text, shown) in [
            ("0", "0.00000"),
            ("1", "1.00000"),
            ("0.5", "0.50000"),
            ("0.974250000", "0.97425"),
            ("0.000019", "0.00001"),
        ] {
            assert_eq!(text.parse::<Probability>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            ".5",
            "1.",
            "1.00001",
            "2",
            "-0.1",
            "1e-3",
            "50%",
            "99999999999",
        ] {
            assert!(text.parse::<Probability>().is_err(), "{text}");
        }
    }

    #[test]
    fn missing_values_are_filled_from_another_source() {
        let mut threat = Threat {
            kev: Some(false),
            ..Threat::default()
        };
        threat.fill_from(&Threat {
            published: Some("2024-01-01T00:00:00Z".into()),
            kev: Some(true),
            epss: "0.5".parse().ok(),
        });
        assert_eq!((threat.kev, threat.epss), (Some(true), "0.5".parse().ok()));
        assert!(threat.published.is_some());
    }
}
