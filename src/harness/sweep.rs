//! A sweep: the same comparison at several values of one choice, so that it shows how cost grows with that.
//!
//! Owns the names of what may be swept, and the configurations that follow. What the points cost is `space`'s.

use std::fmt;
use std::str::FromStr;

use super::config::{Config, Data, Regime, mistake};
use crate::array::Shape;
use crate::error::{Error, Result};

/// More threads than any machine has to offer are a slip of the pen.
const MOST_THREADS: usize = 1024;

/// What differs between the points of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swept {
    /// Rows of the matrix.
    Rows,
    /// Columns of the matrix.
    Cols,
    /// The share of cells that are not zero.
    Density,
    /// The memory limit around each trial, page cache included.
    Memory,
    /// How many columns `extract-column` reads.
    ColumnsRead,
    /// The threads of a trial.
    Threads,
}

impl Swept {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Rows, Self::Cols, Self::Density, Self::Memory, Self::ColumnsRead, Self::Threads];

    /// The name in records and on the command line.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Cols => "cols",
            Self::Density => "density",
            Self::Memory => "memory",
            Self::ColumnsRead => "columns-read",
            Self::Threads => "threads",
        }
    }
}

/// The points of a sweep, each with its value, from the least to the largest.
#[derive(Debug, Clone, PartialEq)]
pub enum Sweep {
    /// Counts of rows, columns or threads.
    Counts(Swept, Vec<usize>),
    /// Densities.
    Densities(Vec<f64>),
    /// Regimes that differ in their memory limit.
    Limits(Vec<Regime>),
}

impl Sweep {
    /// What differs between its points.
    pub const fn swept(&self) -> Swept {
        match self {
            Self::Counts(swept, _) => *swept,
            Self::Densities(_) => Swept::Density,
            Self::Limits(_) => Swept::Memory,
        }
    }

    /// The configurations of its points, which are `config` but for what is swept. One holds all points where these share a matrix
    /// or are regimes of it: they are parts and groups of one plan then.
    pub(super) fn points(&self, config: &Config) -> Result<Vec<Config>> {
        let config = Config { sweep: None, ..config.clone() };
        let generated = |change: &dyn Fn(&mut Shape, &mut Vec<f64>)| {
            let mut config = config.clone();
            let Data::Generated { shape, densities, .. } = &mut config.data else {
                let what = self.swept().id();
                return Err(mistake(format!("an input has the {what} that it has: no sweep")));
            };
            change(shape, densities);
            Ok(config)
        };
        match self {
            Self::Densities(values) => {
                Ok(vec![generated(&|_, densities| densities.clone_from(values))?])
            }
            Self::Limits(regimes) => Ok(vec![Config { regimes: regimes.clone(), ..config }]),
            Self::Counts(swept, counts) => counts
                .iter()
                .map(|&count| match swept {
                    Swept::Rows => generated(&|shape, _| shape.rows = count),
                    Swept::Cols => generated(&|shape, _| shape.cols = count),
                    Swept::ColumnsRead => match &config.data {
                        Data::Generated { shape, .. } if count > shape.cols => {
                            let cols = shape.cols;
                            Err(mistake(format!("{count} columns cannot be read of {cols}")))
                        }
                        _ => Ok(Config { columns_read: count, ..config.clone() }),
                    },
                    _ => Ok(Config { threads: count, ..config.clone() }),
                })
                .collect(),
        }
    }
}

/// As on the command line: `rows=1e5,1e6`, `density=0.01,0.1`, `memory=160MiB,1GiB`.
impl FromStr for Sweep {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let names = || Swept::ALL.map(Swept::id).join(", ");
        let (name, values) = text.split_once('=').ok_or_else(|| {
            mistake(format!(
                "'{text}' is no sweep: write one of {} = values: rows=1e5,1e6",
                names()
            ))
        })?;
        let swept = Swept::ALL.into_iter().find(|swept| swept.id() == name.trim());
        let swept = swept.ok_or_else(|| {
            mistake(format!("'{name}' cannot be swept: write one of {}", names()))
        })?;
        let values = values.split(',').map(str::trim);
        Ok(match swept {
            Swept::Density => {
                let mut densities =
                    values.map(|value| number(name, value)).collect::<Result<Vec<_>>>()?;
                densities.sort_by(f64::total_cmp);
                densities.dedup();
                Self::Densities(densities)
            }
            Swept::Memory => {
                let limits = values.map(|size| format!("limited:{size}").parse());
                let mut limits = limits.collect::<Result<Vec<Regime>>>()?;
                limits.sort_unstable();
                limits.dedup();
                Self::Limits(limits)
            }
            _ => {
                let mut counts =
                    values.map(|value| count(name, value)).collect::<Result<Vec<_>>>()?;
                if let Some(most) =
                    counts.iter().find(|it| swept == Swept::Threads && **it > MOST_THREADS)
                {
                    return Err(mistake(format!("{most} threads are more than {MOST_THREADS}")));
                }
                counts.sort_unstable();
                counts.dedup();
                Self::Counts(swept, counts)
            }
        })
    }
}

impl fmt::Display for Swept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

fn number(name: &str, text: &str) -> Result<f64> {
    let found = text.parse::<f64>().ok().filter(|number| number.is_finite());
    found.ok_or_else(|| mistake(format!("{name}={text}: not a number")))
}

/// A count from 1 on, which may be written as 1e6.
fn count(name: &str, text: &str) -> Result<usize> {
    // Up to 2⁵³ every whole number is an f64.
    const MOST: f64 = (1u64 << 53) as f64;
    let found = number(name, text)?;
    if found.fract() != 0.0 || !(1.0..=MOST).contains(&found) {
        return Err(mistake(format!("{name}={text}: not a count from 1 on")));
    }
    Ok(found as usize)
}

#[cfg(test)]
mod tests {
    use super::super::testing::config;
    use super::*;
    use crate::harness::Plan;

    fn points(text: &str) -> Vec<Config> {
        text.parse::<Sweep>().unwrap().points(&config()).unwrap()
    }

    #[test]
    fn points_differ_in_what_is_swept_and_rise() {
        let rows = points("rows=1e3, 300,1000");
        let shapes = rows.iter().map(|point| match point.data {
            Data::Generated { shape, .. } => shape,
            Data::Input { .. } => unreachable!(),
        });
        assert_eq!(shapes.collect::<Vec<_>>(), [Shape::new(300, 20), Shape::new(1000, 20)]);
        assert_eq!(
            points("threads=2,1").iter().map(|point| point.threads).collect::<Vec<_>>(),
            [1, 2]
        );
        let read = points("columns-read=1,16");
        assert_eq!(read.iter().map(|point| point.columns_read).collect::<Vec<_>>(), [1, 16]);
        let [limits] = &points("memory=1GiB,160MiB")[..] else { panic!("one matrix") };
        let names: Vec<_> = limits.regimes.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["limited:160MiB", "limited:1GiB"]);
        let [densities] = &points("density=1,0.01")[..] else { panic!("parts of one plan") };
        assert!(
            matches!(&densities.data, Data::Generated { densities, .. } if *densities == [0.01, 1.0])
        );
    }

    #[test]
    fn a_plan_has_the_parts_of_every_point() {
        let sweep = Some("cols=10,20,40".parse().unwrap());
        let plan = Plan::new(&Config { sweep, ..config() }).unwrap();
        let found: Vec<_> = plan.parts.iter().map(|part| (part.point, part.density)).collect();
        let dense = [0, 1, 2].map(|point| [(point, Some(1.0)), (point, Some(0.1))]);
        assert_eq!(found, dense.concat());
    }

    #[test]
    fn what_is_no_sweep_is_told() {
        for (text, told) in [
            ("rows", "is no sweep"),
            ("width=1", "'width' cannot be swept: write one of rows, cols"),
            ("rows=", "rows=: not a number"),
            ("rows=0", "not a count"),
            ("rows=1.5", "not a count"),
            ("threads=-1", "not a count"),
            ("rows=1e300", "not a count"),
            ("density=x", "not a number"),
            ("memory=1MiB", "too small"),
            ("memory=lots", "without a size"),
        ] {
            let error = text.parse::<Sweep>().unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
        let input = Data::Input { path: "a.npy".into(), options: Box::default() };
        let config = Config { data: input, ..config() };
        let error = "rows=1,2".parse::<Sweep>().unwrap().points(&config).unwrap_err();
        assert!(error.to_string().contains("an input has the rows that it has"));
        assert_eq!("threads=1,2".parse::<Sweep>().unwrap().points(&config).unwrap().len(), 2);
    }
}
