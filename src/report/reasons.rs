//! Why one of a row was slower than the best: what it did more of, each told in the time that this machine takes for it.
//!
//! What was counted from outside does not add up to the time: a device reads while a processor works. It is a reason all
//! the same, if it is the largest difference and of the size of what is to be explained.

use super::model::{DataSet, Row, Standing, Timed};
use super::number::{self, median};
use crate::record::{Limits, Sample, Trial};

/// A trial that takes no more than this over the best needs no reason.
const WORTH_TELLING: f64 = 1.25;

/// The share of a difference in time that a reason has to make up.
const LEAST_SHARE: f64 = 0.3;

/// Processor time in either mode that is shorter says nothing: it is counted in steps of commonly a hundredth of a second.
const LEAST_COUNTED_SECONDS: f64 = 0.05;

/// What a machine does whose limits were not measured.
const USUAL: Limits = Limits {
    memcpy_bytes_per_second: Some(8e9),
    memory_read_bytes_per_second: Some(2e10),
    write_sync_bytes_per_second: Some(5e8),
    cold_read_bytes_per_second: Some(1e9),
    random_reads_per_second_depth_1: None,
    random_reads_per_second_depth_32: None,
    page_fault_seconds: Some(1e-6),
};

/// Something that a trial did, and how long this machine takes for it.
#[derive(Debug)]
struct Deed {
    seconds: f64,
    /// "read 97× what was asked for from the device (6.4 GB)".
    words: String,
}

/// Sentences on what is slower than the best of its row by more than noise.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Reasons {
    /// On the slowest of each row.
    pub slowest: Vec<String>,
    /// On each other backend, and on the quickest of each other family of peers: `numpy-memmap` and `numpy-expert` are one.
    pub others: Vec<String>,
}

impl Reasons {
    pub fn of(set: &DataSet<'_>, limits: Option<&Limits>) -> Self {
        let limits = limits.unwrap_or(&USUAL);
        let mut reasons = Self::default();
        for row in &set.rows {
            let mut timed: Vec<_> = row.timed().collect();
            let seconds = |timed: &Timed<'_>| timed.summary.median_seconds;
            timed.sort_by(|(_, one), (_, other)| seconds(one).total_cmp(&seconds(other)));
            let Some(slowest) = timed.pop() else { continue };
            reasons.slowest.extend(sentence(set, row, slowest, limits));
            let mut told = Vec::new();
            for (at, other) in timed {
                let family = family(other.trial);
                if !told.contains(&family) {
                    told.push(family);
                    reasons.others.extend(sentence(set, row, (at, other), limits));
                }
            }
        }
        reasons
    }
}

/// What programs that read by the same library have in common: the first part of their names. Each backend is alone.
fn family(trial: &Trial) -> &str {
    let name = trial.backend.as_str();
    let first = name.split_once('-').map_or(name, |(first, _)| first);
    if trial.peer.is_some() { first } else { name }
}

/// Why one of a row takes longer than the best; none where it does not, or by noise only.
fn sentence(
    set: &DataSet<'_>,
    row: &Row<'_>,
    (at, loser): (usize, &Timed<'_>),
    limits: &Limits,
) -> Option<String> {
    let ratio = loser.ratio.filter(|ratio| *ratio >= WORTH_TELLING)?;
    let (best, winner) = row.timed().find(|(_, timed)| timed.standing == Standing::Best)?;
    if loser.standing != Standing::Slower {
        return None;
    }
    let label = |column: usize| set.columns[column].label.as_str();
    let (slow, quick) = (label(at), label(best));
    let head = format!(
        "{}, {}: {slow} takes {} as long as {quick}",
        row.workload,
        row.regime,
        number::ratio(ratio)
    );
    Some(match reason(loser, winner, limits) {
        Some(words) => format!("{head}: it {words}."),
        None => format!("{head}; nothing that was counted says why."),
    })
}

/// What the loser did more of than the winner, if that explains the difference: what it moved, or else what it spent its
/// time with.
fn reason(loser: &Timed<'_>, winner: &Timed<'_>, limits: &Limits) -> Option<String> {
    let difference = loser.summary.median_seconds - winner.summary.median_seconds;
    let most = |mine: Vec<Option<Deed>>, others: Vec<Option<Deed>>| {
        let more = mine.into_iter().zip(others).filter_map(|(mine, other)| {
            let (mine, other) = (mine?, other?);
            let words = format!("{}, where the best {}", mine.words, other.words);
            Some((mine.seconds - other.seconds, words))
        });
        let most = more.max_by(|(one, _), (other, _)| one.total_cmp(other));
        most.filter(|(surplus, _)| *surplus >= LEAST_SHARE * difference).map(|(_, words)| words)
    };
    most(moved(loser, limits), moved(winner, limits)).or_else(|| most(spent(loser), spent(winner)))
}

/// The median of a counter of a trial's samples.
fn of(timed: &Timed<'_>, counter: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
    median(timed.trial.samples.iter().filter_map(counter))
}

/// What a trial moved, in the same order for each; none where it was not counted.
fn moved(timed: &Timed<'_>, limits: &Limits) -> Vec<Option<Deed>> {
    let asked = timed.trial.bytes_requested as f64;
    let size = |bytes: f64| {
        let size = number::bytes(bytes.round() as u64);
        match asked > 0.0 && bytes >= 1.5 * asked {
            true => format!("{size} ({} what was asked for)", number::ratio(bytes / asked)),
            false => size,
        }
    };
    let deed = |bytes: Option<f64>, rate: Option<f64>, verb: &str, how: &str| {
        let (bytes, rate) = (bytes?, rate.filter(|rate| *rate > 0.0)?);
        let what = if bytes == 0.0 { "nothing".to_owned() } else { size(bytes) };
        Some(Deed { seconds: bytes / rate, words: format!("{verb} {what}{how}") })
    };
    let count = |counter: fn(&Sample) -> Option<u64>| of(timed, |it| Some(counter(it)? as f64));
    let faults = of(timed, |it| Some((it.minor_faults? + it.major_faults?) as f64));
    let met = |faults: f64| format!("met {} pages by faults", number::count(faults as u64));
    let fault = |(faults, one): (f64, f64)| Deed { seconds: faults * one, words: met(faults) };
    let Limits {
        cold_read_bytes_per_second: reading, write_sync_bytes_per_second: writing, ..
    } = *limits;
    let copying = limits.memcpy_bytes_per_second;
    vec![
        deed(count(|it| it.device_bytes_read), reading, "read", " from the device"),
        deed(count(|it| it.device_dirtied_bytes), writing, "had the device write", ""),
        deed(count(|it| it.read_bytes), copying, "copied", " by read calls"),
        faults.zip(limits.page_fault_seconds).map(fault),
    ]
}

/// What a trial spent its time with, however many threads it had.
fn spent(timed: &Timed<'_>) -> Vec<Option<Deed>> {
    let wall = timed.summary.median_seconds;
    let (user, system) = (of(timed, |it| it.user_seconds), of(timed, |it| it.system_seconds));
    let counted = user.zip(system).map(|(user, system)| user + system);
    let busy = of(timed, |it| it.busy_seconds).or(counted);
    let side_by_side = busy.map_or(1.0, |busy| (busy / wall).max(1.0));
    let is_counted = counted.is_some_and(|counted| counted >= LEAST_COUNTED_SECONDS);
    let told = |seconds: f64| if is_counted { seconds } else { 0.0 };
    let (user, system) = (user.map(told), system.map(told));
    let deed = |seconds: Option<f64>, verb: &str| {
        let seconds = seconds? / side_by_side;
        let how_long = match seconds {
            0.0 => "too short a time to be counted".to_owned(),
            seconds => number::seconds(seconds),
        };
        Some(Deed { seconds, words: format!("{verb} for {how_long}") })
    };
    let waited = busy.map(|busy| (side_by_side * wall - busy).max(0.0));
    vec![deed(user, "computed"), deed(system, "kept the kernel busy"), deed(waited, "waited")]
}

#[cfg(test)]
mod tests {
    use super::super::NamedRun;
    use super::super::model::Model;
    use super::*;
    use crate::record::{Data, Line, Status, Summary};

    fn trial(backend: &str, seconds: f64, sample: Sample) -> Line {
        let data = Data {
            shape: [1000, 1000],
            dtype: "f32".to_owned(),
            order: Some("c".to_owned()),
            density: 1.0,
            layout: None,
            bytes_on_disk: Some(4_000_128),
            source: None,
        };
        Line::Trial(Box::new(Trial {
            schema: crate::record::SCHEMA,
            backend: backend.to_owned(),
            peer: None,
            workload: "extract-rows".to_owned(),
            regime: "cold".to_owned(),
            data,
            status: Status::Ok,
            reason: None,
            bytes_requested: 1_000_000,
            threads: None,
            columns_read: None,
            limit_seconds: None,
            limit_formula: None,
            samples: vec![Sample { seconds, verified: true, ..sample }; 3],
            summary: Some(Summary {
                median_seconds: seconds,
                low_seconds: seconds * 0.99,
                high_seconds: seconds * 1.01,
            }),
        }))
    }

    fn reasons(lines: &[Line]) -> Reasons {
        let model = Model::of(&[NamedRun { name: "", lines }]);
        Reasons::of(&model.sets[0], None)
    }

    fn told(slow: Sample, quick: Sample) -> Vec<String> {
        let lines = [trial("seek", 1.0, slow), trial("memmap", 0.1, quick)];
        reasons(&lines).slowest
    }

    #[test]
    fn the_quickest_of_each_family_has_a_sentence_and_those_level_with_the_best_have_none() {
        let peer = |name: &str, seconds| {
            let mut line = trial(name, seconds, Sample::default());
            if let Line::Trial(trial) = &mut line {
                trial.peer = Some("1.0".to_owned());
            }
            line
        };
        let ours = |name: &str, seconds| trial(name, seconds, Sample::default());
        let lines = [
            ours("memmap", 0.1),
            ours("seek", 0.11),
            ours("sparse-csr", 0.4),
            ours("sparse-csc", 0.5),
            peer("numpy-expert", 0.2),
            peer("numpy-memmap", 2.0),
            peer("h5py-chunked", 0.7),
            peer("h5py-contiguous", 0.6),
            peer("zarr", 9.0),
        ];
        let Reasons { slowest, others } = reasons(&lines);
        let names = |sentences: &[String]| -> Vec<_> {
            let name = |it: &String| it.split(' ').nth(2).unwrap().to_owned();
            sentences.iter().map(name).collect()
        };
        assert_eq!(names(&slowest), ["zarr"]);
        assert_eq!(names(&others), ["numpy-expert", "sparse-csr", "sparse-csc", "h5py-contiguous"]);
    }

    #[test]
    fn what_was_moved_is_told_before_what_time_went_into() {
        let reads = |bytes| Sample {
            device_bytes_read: Some(bytes),
            user_seconds: Some(0.9),
            system_seconds: Some(0.0),
            ..Sample::default()
        };
        assert_eq!(
            told(reads(970_000_000), reads(1_200_000)),
            [
                "extract-rows, cold: seek takes 10.0× as long as memmap: it read 970 MB (970× what was asked for) from the \
              device, where the best read 1.20 MB from the device."
            ]
        );
    }

    #[test]
    fn without_more_bytes_it_is_time_that_is_told() {
        let took = |user, system| Sample {
            device_bytes_read: Some(0),
            user_seconds: Some(user),
            system_seconds: Some(system),
            ..Sample::default()
        };
        let [computing] = &told(took(1.8, 0.1), took(0.05, 0.01))[..] else { panic!() };
        assert!(
            computing.contains("it computed for 947 ms, where the best computed"),
            "{computing}"
        );
        let [waiting] = &told(took(0.1, 0.1), took(0.05, 0.01))[..] else { panic!() };
        assert!(waiting.contains("it waited for 800 ms"), "{waiting}");
        let [unknown] = &told(Sample::default(), Sample::default())[..] else { panic!() };
        assert!(unknown.ends_with("nothing that was counted says why."), "{unknown}");
    }
}
