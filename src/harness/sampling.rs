//! How many samples a trial has: a number, or as many as it takes to know its median.

use super::config::mistake;
use crate::error::Result;
use crate::measure;

/// More samples are not taken, however much they differ.
const MOST: u32 = 15;

/// Least numbers of samples, and how long one must take for that.
const LEAST: [(f64, u32); 3] = [(1.0, 5), (2.0, 4), (f64::INFINITY, 3)];

/// How many samples a trial has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sampling {
    /// So many, at least one.
    Fixed(u32),
    /// Until the median's interval is narrow or the trial has taken long: at least five samples where one takes less than a
    /// second, four where it takes less than two, three else; at most fifteen.
    Until {
        /// The interval's width over the median.
        share: f64,
        /// What the samples take together, in seconds.
        seconds: f64,
    },
}

impl Sampling {
    /// A twentieth of the median, or two seconds.
    pub const USUAL: Self = Self::Until { share: 0.05, seconds: 2.0 };

    /// How many there are at most.
    pub fn most(self) -> u32 {
        match self {
            Self::Fixed(samples) => samples,
            Self::Until { .. } => MOST,
        }
    }

    /// How many there are if all goes well.
    pub fn expected(self) -> u32 {
        match self {
            Self::Fixed(samples) => samples,
            Self::Until { .. } => LEAST[0].1,
        }
    }

    /// Whether samples of these durations are enough.
    pub(super) fn is_enough(self, taken: &[f64], seed: u64) -> bool {
        let (share, seconds) = match self {
            Self::Fixed(samples) => return taken.len() >= samples as usize,
            Self::Until { share, seconds } => (share, seconds),
        };
        let Some((median, interval)) =
            measure::median(taken).zip(measure::median_interval(taken, seed))
        else {
            return false;
        };
        let least = LEAST.iter().find(|(longest, _)| median < *longest).map_or(MOST, |(_, it)| *it);
        let is_narrow = interval.high - interval.low <= share * median;
        let is_long = taken.iter().sum::<f64>() >= seconds;
        taken.len() >= MOST as usize || (taken.len() >= least as usize && (is_narrow || is_long))
    }

    /// Checks what it says.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidArgument`] for what makes no sense.
    pub(super) fn check(self) -> Result<()> {
        match self {
            Self::Fixed(0) => Err(mistake("a trial has at least one sample")),
            Self::Until { share, .. } if share.is_nan() || share <= 0.0 || share > 1.0 => {
                Err(mistake(format!("a precision of {share} is not between 0 and 1")))
            }
            Self::Until { seconds, .. } if seconds.is_nan() || seconds < 0.0 => {
                Err(mistake(format!("a trial cannot take {seconds} seconds")))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNTIL: Sampling = Sampling::USUAL;

    #[test]
    fn a_narrow_interval_ends_a_trial_once_it_has_the_least() {
        let quick = [0.100, 0.101, 0.102, 0.1, 0.1];
        assert!((0..5).all(|taken| !UNTIL.is_enough(&quick[..taken], 1)));
        assert!(UNTIL.is_enough(&quick, 1));
        let slow = [2.1, 2.1, 2.11];
        assert!(!UNTIL.is_enough(&slow[..2], 1) && UNTIL.is_enough(&slow, 1));
    }

    #[test]
    fn a_wide_one_goes_on_until_it_has_taken_long_or_there_are_many() {
        let wide =
            |count| (0..count).map(|at| 0.01 + 0.005 * f64::from(at % 3)).collect::<Vec<_>>();
        assert!(!UNTIL.is_enough(&wide(14), 1));
        assert!(UNTIL.is_enough(&wide(15), 1));
        let long: Vec<f64> = wide(6).iter().map(|seconds| 50.0 * seconds).collect();
        assert!(UNTIL.is_enough(&long, 1));
    }

    #[test]
    fn a_number_is_a_number() {
        let fixed = Sampling::Fixed(3);
        assert!(!fixed.is_enough(&[1.0; 2], 1) && fixed.is_enough(&[1.0, 9.0, 3.0], 1));
        assert_eq!((fixed.most(), fixed.expected(), UNTIL.most(), UNTIL.expected()), (3, 3, 15, 5));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in [
            Sampling::Fixed(0),
            Sampling::Until { share: 0.0, seconds: 1.0 },
            Sampling::Until { share: f64::NAN, seconds: 1.0 },
            Sampling::Until { share: 0.1, seconds: f64::NAN },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
        UNTIL.check().unwrap();
    }
}
