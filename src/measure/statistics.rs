//! Samples summed up. Outliers stay where they are: nothing is trimmed or dropped.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// Student's t of two to five samples, of which 95 % lie between minus and plus it. With more the bootstrap is used, which of so
/// few says nothing that the smallest and largest do not.
const STUDENT: [f64; 4] = [12.706, 4.303, 3.182, 2.776];

/// A nanosecond.
const LEAST_SECONDS: f64 = 1e-9;

/// How often samples are drawn anew.
const RESAMPLES: usize = 2000;

/// What of the resampled medians lies below and above the interval: 2.5 % each.
const TAIL: f64 = 0.025;

/// Where the median of the population may lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The middle value, or the mean of the two in the middle; none without samples.
pub fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    median_of_sorted(&sorted)
}

fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = sorted[sorted.len() / 2 - 1];
    Some(lower + (upper - lower) / 2.0)
}

/// An interval of the median of samples that were taken in `passes` over a longer time; none without samples.
///
/// From six samples on, the central 95 % of the medians of samples drawn anew by the generator that `seed` begins: passes are
/// drawn with replacement, then samples from each of them (percentile bootstrap: Efron, Tibshirani, An Introduction to
/// the Bootstrap, 1993, chapter 13; of data in groups: Davison, Hinkley, Bootstrap Methods and their Application, 1997,
/// section 3.8). Samples of one pass are alike in what the machine was like then, so that they say less of the
/// next hour than as many would that are apart. With two to five, Student's interval around the median, of the samples' logarithms,
/// as if noise made times so many times longer rather than so many seconds; and no narrower than from the smallest to the largest:
/// of three samples, that alone would tell two of the same population apart in one case of ten. Of one sample nothing is known: the interval is that sample, and nothing is to
/// be concluded from it.
pub fn median_interval(passes: &[Vec<f64>], seed: u64) -> Option<Interval> {
    let passes: Vec<_> = passes.iter().filter(|samples| !samples.is_empty()).collect();
    let samples = || passes.iter().flat_map(|samples| samples.iter().copied());
    let (low, high) = (samples().min_by(f64::total_cmp)?, samples().max_by(f64::total_cmp)?);
    let all: Vec<f64> = samples().collect();
    match all.len() {
        1 => return Some(Interval { low, high }),
        count => {
            if let Some(t) = STUDENT.get(count - 2) {
                let middle = median(&all)?;
                // A clock that told no time has no logarithm: the least that it can tell stands for that.
                let logs: Vec<f64> = all.iter().map(|it| it.max(LEAST_SECONDS).ln()).collect();
                let times = (t * deviation(&logs) / (count as f64).sqrt()).exp();
                return Some(Interval {
                    low: low.min(middle / times),
                    high: high.max(middle * times),
                });
            }
        }
    }
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut drawn = Vec::new();
    let mut medians: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| {
            drawn.clear();
            for _ in 0..passes.len() {
                let pass = passes[random.random_range(0..passes.len())];
                drawn.extend((0..pass.len()).map(|_| pass[random.random_range(0..pass.len())]));
            }
            drawn.sort_unstable_by(f64::total_cmp);
            median_of_sorted(&drawn)
        })
        .collect();
    medians.sort_unstable_by(f64::total_cmp);
    let tail = (RESAMPLES as f64 * TAIL) as usize;
    Some(Interval { low: medians[tail], high: medians[medians.len() - 1 - tail] })
}

/// The standard deviation of the population that samples, at least two, come from.
fn deviation(samples: &[f64]) -> f64 {
    let count = samples.len() as f64;
    let mean = samples.iter().sum::<f64>() / count;
    let squares: f64 = samples.iter().map(|sample| (sample - mean).powi(2)).sum();
    (squares / (count - 1.0)).sqrt()
}

/// Which samples lie far from the others: further from the median than three and a half times the median distance from it, which
/// of normal noise one in two thousand does (modified z-score: Iglewicz, Hoaglin, How to Detect and Handle Outliers, 1993).
/// They are flagged and stay.
pub fn outliers(samples: &[f64]) -> Vec<bool> {
    const MOST: f64 = 3.5;
    /// Of normal noise the standard deviation is so many median distances.
    const DEVIATIONS: f64 = 1.4826;
    let Some(middle) = median(samples) else { return Vec::new() };
    let distances: Vec<f64> = samples.iter().map(|sample| (sample - middle).abs()).collect();
    let usual = median(&distances).unwrap_or_default();
    distances.iter().map(|distance| usual > 0.0 && *distance > MOST * DEVIATIONS * usual).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 30.0]), Some(3.0));
    }

    #[test]
    fn few_samples_give_students_interval() {
        let interval = median_interval(&[vec![3.0, 1.0], vec![2.0]], 1).unwrap();
        // e to the power of 4.303 · 0.5556 / √3, the deviation of ln 1, ln 2 and ln 3.
        let times = 3.976;
        assert!((interval.high - 2.0 * times).abs() < 0.01, "{interval:?}");
        assert!((interval.low - 2.0 / times).abs() < 0.01, "{interval:?}");
        let interval = median_interval(&[vec![10.0, 10.2, 10.1]], 1).unwrap();
        assert!((interval.low - 9.8547).abs() < 1e-3, "{interval:?}");
        // No narrower than what was seen.
        let interval = median_interval(&[vec![1.0, 1.0, 1.0, 1.0, 9.0]], 1).unwrap();
        assert!(interval.low > 0.0 && interval.high >= 9.0, "{interval:?}");
        let none = median_interval(&[vec![0.0, 0.0]], 1).unwrap();
        assert_eq!((none.low, none.high), (0.0, 0.0));
        let one = median_interval(&[vec![0.3]], 1).unwrap();
        assert_eq!((one.low, one.high), (0.3, 0.3));
        assert_eq!((median_interval(&[], 1), median_interval(&[vec![]], 1)), (None, None));
    }

    #[test]
    fn the_bootstrap_is_seeded_and_narrows() {
        let samples: Vec<f64> = (0..41).map(|index| f64::from((index * 17) % 41)).collect();
        let samples = [samples];
        let interval = median_interval(&samples, 7).unwrap();
        assert_eq!(median_interval(&samples, 7), Some(interval));
        assert!(interval.low < 20.0 && 20.0 < interval.high, "{interval:?}");
        assert!(interval.low > 0.0 && interval.high < 40.0, "{interval:?}");
        // Order statistics: the 95 % interval of the median of 41 samples is the 14th to the 28th.
        assert!((interval.low - 13.0).abs() <= 3.0 && (interval.high - 27.0).abs() <= 3.0);
    }

    /// As many samples say less where they differ from pass to pass and not within one.
    #[test]
    fn what_differs_from_pass_to_pass_is_in_the_interval() {
        let near = |middle: f64| (-20..=20).map(|at| middle + f64::from(at) / 1000.0).collect();
        let passes: [Vec<f64>; 3] = [near(1.0), near(1.2), near(1.5)];
        let interval = median_interval(&passes, 7).unwrap();
        assert!(interval.low < 1.05 && interval.high > 1.45, "{interval:?}");
        let mixed = median_interval(&[passes.concat()], 7).unwrap();
        assert!(mixed.low > 1.05 && mixed.high < 1.45, "{mixed:?}");
    }

    #[test]
    fn what_lies_far_off_is_flagged() {
        let flags = outliers(&[1.0, 1.1, 0.9, 1.05, 50.0, 0.95]);
        assert_eq!(flags, [false, false, false, false, true, false]);
        assert_eq!(
            outliers(&[1.0, 1.0, 1.0, 2.0]),
            [false; 4],
            "there is no noise to tell it from"
        );
        assert!(outliers(&[]).is_empty());
    }

    #[test]
    fn an_outlier_stays_in_but_does_not_lead() {
        let samples = [1.0, 1.1, 0.9, 1.0, 1.2, 0.8, 50.0];
        assert_eq!(median(&samples), Some(1.0));
        let interval = median_interval(&[samples.to_vec()], 3).unwrap();
        assert!(interval.high < 50.0, "{interval:?}");
    }
}
