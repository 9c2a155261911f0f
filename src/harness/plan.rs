//! The plan of a run, as data: which trials, in which groups, in which order. All of it follows from the
//! configuration and its seed; nothing is run.

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;

use super::config::{Config, Contender, Data, Regime};
use crate::error::Result;
use crate::workload::{AnswerKind, Workload};

/// What is run, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// One part for each matrix.
    pub parts: Vec<Part>,
}

/// The trials on one matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Whose choices it follows: the place of a configuration among [`Config::points`].
    pub point: usize,
    /// The density of generated data; none for an input, whose density is counted.
    pub density: Option<f64>,
    /// Groups in order: fills first, since what they leave serves the extracts.
    pub groups: Vec<Group>,
}

/// Trials that differ in their backend only, run side by side, their samples taken in turn: some of them in each pass over all
/// groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What is done.
    pub workload: Workload,
    /// In which state of the page cache, within which memory.
    pub regime: Regime,
    /// Who takes part.
    pub contenders: Vec<Contender>,
    /// For each sample that there may be, the order in which the contenders come, as places in `contenders`.
    pub rounds: Vec<Vec<usize>>,
}

impl Plan {
    /// The plan for `config`.
    ///
    /// # Errors
    /// Where the configuration makes no sense.
    pub fn new(config: &Config) -> Result<Self> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(config.seed);
        let mut parts = Vec::new();
        for (point, config) in config.points()?.iter().enumerate() {
            config.check()?;
            let densities: Vec<_> = match &config.data {
                Data::Generated { densities, .. } => densities.iter().copied().map(Some).collect(),
                Data::Input { .. } => vec![None],
            };
            let part = |density| Part { point, density, groups: groups(config, &mut random) };
            parts.extend(densities.into_iter().map(part));
        }
        Ok(Self { parts })
    }

    /// How many trials there are.
    pub fn trials(&self) -> usize {
        self.groups().map(|group| group.contenders.len()).sum()
    }

    fn groups(&self) -> impl Iterator<Item = &Group> {
        self.parts.iter().flat_map(|part| &part.groups)
    }
}

fn groups(config: &Config, random: &mut Xoshiro256PlusPlus) -> Vec<Group> {
    let contenders = config.contenders();
    let mut groups = Vec::new();
    for &workload in &config.workloads {
        for &regime in &config.regimes {
            let rounds = (0..config.samples.most())
                .map(|_| {
                    let mut order: Vec<_> = (0..contenders.len()).collect();
                    order.shuffle(random);
                    order
                })
                .collect();
            groups.push(Group { workload, regime, contenders: contenders.clone(), rounds });
        }
    }
    groups.shuffle(random);
    // A stable sort: within fills and within the others the shuffled order stays.
    groups.sort_by_key(|group| group.workload.answer() != AnswerKind::File);
    groups
}

#[cfg(test)]
mod tests {
    use super::super::testing::config;
    use super::*;
    use crate::harness::{Backend, Sampling};

    #[test]
    fn everything_is_planned_once_and_fills_come_first() {
        let config = config();
        let plan = Plan::new(&config).unwrap();
        assert_eq!(plan.parts.len(), 2);
        for part in &plan.parts {
            assert_eq!(part.groups.len(), 12);
            let fills =
                part.groups.iter().take_while(|group| group.workload == Workload::FillColumns);
            assert_eq!(fills.count(), 2);
            for &workload in Workload::USUAL {
                for regime in Regime::USUAL {
                    let found = part
                        .groups
                        .iter()
                        .filter(|group| (group.workload, group.regime) == (workload, regime));
                    assert_eq!(found.count(), 1, "{workload} {regime}");
                }
            }
            for group in &part.groups {
                assert_eq!(group.rounds.len(), 3);
                for round in &group.rounds {
                    let mut sorted = round.clone();
                    sorted.sort_unstable();
                    assert_eq!(sorted, [0, 1]);
                }
            }
        }
        assert_eq!(plan.trials(), 48);
    }

    #[test]
    fn the_seed_decides_the_order() {
        let mut config = config();
        config.backends = Backend::USUAL.to_vec();
        let plan = Plan::new(&config).unwrap();
        assert_eq!(Plan::new(&config).unwrap(), plan);
        config.seed += 1;
        assert_ne!(Plan::new(&config).unwrap(), plan);
        let orders: std::collections::HashSet<_> =
            plan.groups().flat_map(|group| group.rounds.clone()).collect();
        assert!(orders.len() > 10, "orders are shuffled: {orders:?}");
    }

    #[test]
    fn plans_that_make_no_sense_are_refused() {
        type Change = fn(&mut Config);
        let changes: [(Change, &str); 7] = [
            (|config| config.backends.clear(), "no backend"),
            (|config| config.backends.push(Backend::Seek), "twice"),
            (|config| config.workloads.clear(), "no workload"),
            (|config| config.regimes.clear(), "no regime"),
            (|config| config.samples = Sampling::Fixed(0), "at least one"),
            (|config| generated(config, 3, f64::NAN), "density NaN"),
            (|config| generated(config, 0, 1.0), "nothing to measure"),
        ];
        for (change, expected) in changes {
            let mut config = config();
            change(&mut config);
            let error = Plan::new(&config).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    fn generated(config: &mut Config, rows: usize, density: f64) {
        let Data::Generated { shape, densities, .. } = &mut config.data else { unreachable!() };
        (shape.rows, *densities) = (rows, vec![density]);
    }
}
