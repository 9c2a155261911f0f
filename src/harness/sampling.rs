//! How many samples a trial has: a number, or as many as it takes to know its median.

use super::config::mistake;
use crate::error::Result;
use crate::measure;

/// More samples are not taken, however much they differ.
const MOST: u32 = 15;

/// From so many on a number of samples is a slip of the pen.
const MOST_FIXED: u32 = 10_001;

/// In how many passes over all trials their samples are taken: what changes on a machine within minutes, as the speed of a
/// disk that others use too, meets each trial so often.
const PASSES: u32 = 3;

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

    /// In how many passes they are taken.
    pub fn passes(self) -> u32 {
        self.most().min(PASSES)
    }

    /// How many of `samples` there are when `passes` are done.
    pub(super) fn due(self, samples: u32, passes: u32) -> u32 {
        (samples * passes).div_ceil(self.passes())
    }

    /// How many there are if all goes well.
    pub fn expected(self) -> u32 {
        match self {
            Self::Fixed(samples) => samples,
            Self::Until { .. } => LEAST[0].1,
        }
    }

    /// Whether samples of these durations, those of each pass together, are enough for as many passes.
    pub(super) fn is_enough(self, taken: &[Vec<f64>], seed: u64) -> bool {
        let passes = taken.len() as u32;
        let all = taken.concat();
        let has = |samples: u32| all.len() >= self.due(samples, passes) as usize;
        let (share, seconds) = match self {
            Self::Fixed(samples) => return has(samples),
            Self::Until { share, seconds } => (share, seconds),
        };
        let Some((median, interval)) =
            measure::median(&all).zip(measure::median_interval(taken, seed))
        else {
            return false;
        };
        let least = LEAST.iter().find(|(longest, _)| median < *longest).map_or(MOST, |(_, it)| *it);
        let is_narrow = interval.high - interval.low <= share * median;
        let part = f64::from(passes) / f64::from(self.passes());
        let is_long = all.iter().sum::<f64>() >= part * seconds;
        has(MOST) || (has(least) && (is_narrow || is_long))
    }

    /// Checks what it says.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidArgument`] for what makes no sense.
    pub(super) fn check(self) -> Result<()> {
        match self {
            Self::Fixed(samples @ MOST_FIXED..) => {
                Err(mistake(format!("{samples} samples are too many")))
            }
            Self::Fixed(0) => Err(mistake("a trial has at least one sample")),
            Self::Until { share, .. } if share.is_nan() || share <= 0.0 || share > 1.0 => {
                let percent = share * 100.0;
                Err(mistake(format!("a precision of {percent} % is not between 0 and 100 %")))
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
        // Of two samples it is not known yet that they are near.
        let quick = [vec![0.100, 0.101, 0.1], vec![0.102], vec![0.1]];
        let slow = [vec![2.1], vec![2.1], vec![2.11]];
        for taken in [quick, slow] {
            for passes in 1..=3 {
                let (before, last) = (&taken[..passes - 1], &taken[passes - 1]);
                let with = |count: usize| [before, &[last[..count].to_vec()]].concat();
                assert!(UNTIL.is_enough(&with(last.len()), 1));
                assert!(!UNTIL.is_enough(&with(last.len() - 1), 1));
            }
        }
    }

    #[test]
    fn a_wide_one_goes_on_until_it_has_taken_long_or_there_are_many() {
        let wide = |counts: &[u32], times: f64| {
            let pass = |&count| (0..count).map(|at| times * (0.01 + 0.005 * f64::from(at % 3)));
            counts.iter().map(|count| pass(count).collect()).collect::<Vec<Vec<f64>>>()
        };
        for (almost, enough) in [(&[4][..], &[5][..]), (&[5, 4], &[5, 5]), (&[5, 5, 4], &[5; 3])] {
            assert!(!UNTIL.is_enough(&wide(almost, 1.0), 1));
            assert!(UNTIL.is_enough(&wide(enough, 1.0), 1));
        }
        assert!(UNTIL.is_enough(&wide(&[2, 2, 2], 50.0), 1));
    }

    #[test]
    fn a_number_is_a_number() {
        let fixed = Sampling::Fixed(3);
        let enough = [vec![1.0], vec![9.0], vec![3.0]];
        assert!((1..=3).all(|passes| fixed.is_enough(&enough[..passes], 1)));
        assert!(!fixed.is_enough(&[vec![1.0], vec![]], 1));
        assert_eq!((fixed.most(), fixed.expected(), UNTIL.most(), UNTIL.expected()), (3, 3, 15, 5));
        let due = |samples: u32| {
            let fixed = Sampling::Fixed(samples);
            (0..=fixed.passes()).map(|passes| fixed.due(samples, passes)).collect::<Vec<_>>()
        };
        assert_eq!((due(1), due(2)), (vec![0, 1], vec![0, 1, 2]));
        assert_eq!((due(3), due(5)), (vec![0, 1, 2, 3], vec![0, 2, 4, 5]));
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
