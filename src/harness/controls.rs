//! Negative controls: trials that lie, each of which has to be found out. A harness that lets one pass cannot be believed in
//! what it lets pass else.

use std::ffi::OsString;
use std::fmt;

use super::Observer;
use super::config::{Backend, Config, Data, Regime};
use super::folder::{DataFolder, LOCK};
use super::run::{Ending, run};
use super::sampling::Sampling;
use super::trial::Lie;
use crate::array::{DType, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{Line, Status, Trial};
use crate::store::Cancel;
use crate::sys::{self, Existing};
use crate::workload::Workload;

/// Small, and large enough for it to show how a file was read.
const SHAPE: Shape = Shape::new(20_000, 50);

/// What is tried, and how it is to end.
struct Control {
    /// None for the trial that tells the truth.
    lie: Option<Lie>,
    what: &'static str,
    workload: Workload,
    regime: Regime,
    status: Status,
    /// What the reason has to say: one of these.
    reasons: &'static [&'static str],
}

const LIMITED: Regime = Regime::Limited { bytes: Regime::LEAST_LIMIT_BYTES };

const CONTROLS: [Control; 13] = [
    honest(Workload::FillColumns, Regime::Warm),
    honest(Workload::ExtractColumn, Regime::Cold),
    honest(Workload::Scan, LIMITED),
    Control {
        lie: Some(Lie::WrongBit),
        what: "one bit of the answer is wrong",
        workload: Workload::ExtractColumn,
        regime: Regime::Warm,
        status: Status::Failed,
        reasons: &["the digest of the selection is"],
    },
    Control {
        lie: Some(Lie::Unsynced),
        what: "a file is not synced",
        workload: Workload::FillColumns,
        regime: Regime::Warm,
        status: Status::Failed,
        reasons: &["not yet on the device"],
    },
    Control {
        lie: Some(Lie::ReadingMap),
        what: "a memory map is read by calls",
        workload: Workload::Scan,
        regime: Regime::Warm,
        status: Status::Failed,
        reasons: &["which a memory map does not"],
    },
    Control {
        lie: Some(Lie::HeldFile),
        what: "a cold file is held in memory",
        workload: Workload::ExtractColumn,
        regime: Regime::Cold,
        status: Status::Unavailable,
        reasons: &["of the file stays in the page cache"],
    },
    Control {
        lie: Some(Lie::Unbound),
        what: "a memory limit does not bind",
        workload: Workload::Scan,
        regime: LIMITED,
        status: Status::Failed,
        reasons: &["left the control group"],
    },
    Control {
        lie: Some(Lie::Early),
        what: "the answer comes before the question",
        workload: Workload::ExtractColumn,
        regime: Regime::Warm,
        status: Status::Failed,
        // Or, where it is heard of late, is taken for the answer to the first question, to which another comes then.
        reasons: &["spoke before it was asked", "an answer out of turn"],
    },
    Control {
        lie: Some(Lie::LateClock),
        what: "the clock begins late",
        workload: Workload::ExtractColumn,
        regime: Regime::Warm,
        status: Status::Failed,
        reasons: &["busy outside of its clock"],
    },
    Control {
        lie: Some(Lie::StandingClock),
        what: "the clock stands while the work is done",
        workload: Workload::ExtractColumn,
        regime: Regime::Warm,
        status: Status::Failed,
        reasons: &["where nothing is to be made"],
    },
    Control {
        lie: Some(Lie::KeptFile),
        what: "the file is open when the work is said to be done",
        workload: Workload::ExtractColumn,
        regime: Regime::Warm,
        status: Status::Failed,
        reasons: &["keeps its file open"],
    },
    Control {
        lie: Some(Lie::Lazy),
        what: "the work is done when the answer is asked for",
        workload: Workload::ExtractColumn,
        regime: Regime::Cold,
        status: Status::Failed,
        reasons: &["after it had said that it was done"],
    },
];

const fn honest(workload: Workload, regime: Regime) -> Control {
    Control {
        lie: None,
        what: "nothing is wrong",
        workload,
        regime,
        status: Status::Ok,
        reasons: &[""],
    }
}

/// What became of a control.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The lie; none where the truth was told.
    pub lie: Option<Lie>,
    /// What was tried, in words, by which workload and in which regime.
    pub what: String,
    /// Whether it was found out.
    pub verdict: Verdict,
    /// What the harness said of it.
    pub said: String,
}

/// How a control ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should: the lie was found out, the truth believed.
    Right,
    /// Otherwise: the harness is not to be believed here.
    Wrong,
    /// Its regime cannot be made here, so nothing was shown.
    NotShown,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Right => "right",
            Self::Wrong => "WRONG",
            Self::NotShown => "not shown",
        })
    }
}

/// Lets each control take place, on the file system of `template`'s data, by its trial command; the rest of it is not used.
///
/// # Errors
/// As [`run`]; or where `cancel` is set.
pub fn self_test(
    template: &Config,
    cancel: &Cancel,
    observer: &mut dyn Observer,
) -> Result<Vec<Finding>> {
    let folder = DataFolder::create_in(&template.data_dir)?;
    // Before Linux 6.5 nobody tells what is not on the device yet.
    let unwritten = sys::unwritten_pages(&folder.file(LOCK));
    let tells_unwritten = unwritten.is_ok_and(|pages| pages.is_some());
    let mut findings: Vec<Finding> = Vec::new();
    for control in &CONTROLS {
        let config = Config {
            data: Data::Generated { shape: SHAPE, dtype: DType::F32, densities: vec![1.0] },
            backends: vec![Backend::Memmap],
            peers: Vec::new(),
            workloads: vec![control.workload],
            regimes: vec![control.regime],
            samples: Sampling::Fixed(1),
            is_probed: false,
            trial_command: command(&template.trial_command, control.lie),
            out: folder.file("results"),
            data_dir: folder.path().to_owned(),
            existing: Existing::Replace,
            ..template.clone()
        };
        let outcome = run(&config, cancel, observer)?;
        if outcome.ending == Ending::Interrupted {
            return Err(Error::new(ErrorKind::Cancelled, "compare", "interrupted"));
        }
        let trial = outcome.lines.into_iter().find_map(|line| match line {
            Line::Trial(trial) => Some(trial),
            Line::Run(_) => None,
        });
        let trial = trial.ok_or_else(|| {
            Error::new(ErrorKind::Malformed, "compare", "a control left no record")
        })?;
        findings.push(control.judge(&trial, &findings, tells_unwritten));
    }
    Ok(findings)
}

/// The command of a trial that lies, or does not.
fn command(honest: &[OsString], lie: Option<Lie>) -> Vec<OsString> {
    let lie = lie.map(|lie| ["--lie".into(), lie.id().into()]);
    honest.iter().cloned().chain(lie.into_iter().flatten()).collect()
}

impl Control {
    /// What the record of its trial tells, after what is known of others, and of whether the system tells what is unwritten.
    fn judge(&self, trial: &Trial, others: &[Finding], tells_unwritten: bool) -> Finding {
        let said = match (&trial.reason, trial.status) {
            (Some(reason), _) => reason.clone(),
            (None, Status::Ok) => "verified".to_owned(),
            (None, status) => format!("{status:?}").to_lowercase(),
        };
        // Where not even the truth can be told, nothing is found out.
        let regime = format!("in {}", self.regime);
        let is_there = others.iter().all(|other| {
            other.lie.is_some() || other.verdict == Verdict::Right || !other.what.ends_with(&regime)
        });
        let is_right =
            trial.status == self.status && self.reasons.iter().any(|reason| said.contains(reason));
        let verdict = match (self.lie, trial.status) {
            (None, Status::Unavailable) => Verdict::NotShown,
            (Some(_), _) if !is_there => Verdict::NotShown,
            (Some(Lie::Unsynced), _) if !tells_unwritten => Verdict::NotShown,
            _ if is_right => Verdict::Right,
            _ => Verdict::Wrong,
        };
        let what = format!("{}: {} {regime}", self.what, self.workload);
        Finding { lie: self.lie, what, verdict, said }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::trial;
    use super::*;

    fn record(status: Status, reason: Option<&str>) -> Trial {
        Trial { status, reason: reason.map(str::to_owned), ..trial() }
    }

    #[test]
    fn every_lie_has_a_control_and_every_regime_of_one_the_truth() {
        for lie in Lie::ALL {
            let control = CONTROLS.iter().find(|control| control.lie == Some(lie)).unwrap();
            assert!(CONTROLS.iter().any(|it| it.lie.is_none() && it.regime == control.regime));
            assert_eq!(lie.id().parse::<Lie>().unwrap(), lie);
        }
    }

    #[test]
    fn a_lie_that_is_believed_and_a_truth_that_is_not_are_wrong() {
        for control in &CONTROLS {
            let found_out = record(control.status, Some(&format!("so: {}.", control.reasons[0])));
            let believed = record(Status::Ok, None);
            let for_another_reason = record(Status::Failed, Some("no space is left"));
            let verdict = |trial| control.judge(trial, &[], true).verdict;
            if control.lie.is_none() {
                assert_eq!(verdict(&believed), Verdict::Right);
            } else {
                assert_eq!(verdict(&found_out), Verdict::Right);
                assert_eq!(verdict(&believed), Verdict::Wrong);
            }
            assert_eq!(verdict(&for_another_reason), Verdict::Wrong);
        }
    }

    #[test]
    fn where_a_regime_cannot_be_made_nothing_is_shown() {
        let is_truth = |it: &&Control| it.lie.is_none() && it.regime == LIMITED;
        let truth = CONTROLS.iter().find(is_truth).unwrap();
        let unavailable = record(Status::Unavailable, Some("no control groups here"));
        let finding = truth.judge(&unavailable, &[], true);
        assert_eq!(finding.verdict, Verdict::NotShown);
        let of = |lie| CONTROLS.iter().find(|control| control.lie == Some(lie)).unwrap();
        let limited = of(Lie::Unbound).judge(&unavailable, std::slice::from_ref(&finding), true);
        assert_eq!(limited.verdict, Verdict::NotShown);
        let warm = of(Lie::WrongBit).judge(&record(Status::Ok, None), &[finding], true);
        assert_eq!(warm.verdict, Verdict::Wrong);
        let untold = of(Lie::Unsynced).judge(&record(Status::Ok, None), &[], false);
        assert_eq!(untold.verdict, Verdict::NotShown);
    }
}
