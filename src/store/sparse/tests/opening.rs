//! What is made of a file before its first value is used is planned, done once, and moves what was planned.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Mutex;

use super::*;
use crate::array::Selection;
use crate::store::{Access, AnyElement, AnyStore, Observer, OpenOptions, Plan, Step, StepKind};
use crate::sys::{Operation, RecordingMedium};

/// The steps that were carried out.
#[derive(Default)]
struct Heard(Mutex<BTreeSet<&'static str>>);

impl Observer for Heard {
    fn begin(&self, step: StepKind) {
        self.0.lock().unwrap().insert(step.name());
    }

    fn end(&self) {}
}

/// The first step of reading a column of the file `name`, once that was checked against what is then done.
fn first_step<T: AnyElement>(name: &str, bytes: &[u8], budget_bytes: u64) -> Option<Step> {
    let memory = MemoryMedium::new();
    let path = Path::new(name);
    let mut device = memory.create(path, bytes.len() as u64, Existing::Replace).unwrap();
    device.write_at(0, bytes).unwrap();
    device.sync().unwrap();
    drop(device);
    let medium = RecordingMedium::new(Arc::new(memory));
    let heard = Arc::<Heard>::default();
    let context = context(budget_bytes).with_observer(Arc::clone(&heard) as _);
    let options = OpenOptions { context: context.clone(), ..OpenOptions::default() };
    let mut store = AnyStore::open_on(Arc::new(medium.clone()), path, &options).unwrap();
    let store = T::of_any(&mut store).unwrap();
    let access = Access::Read(Selection::column(0));
    let plan = store.plan(&access, &context).unwrap();
    medium.take();
    store.column(0).unwrap();
    let (read, written) = moved(&medium);
    let heard = heard.0.lock().unwrap().clone();
    let rest = store.plan(&access, &context).unwrap();
    assert!(rest.steps.iter().all(|step| !step.kind.is_once()), "it is done: {rest}");
    let Some(first) = plan.steps.first().filter(|step| step.kind.is_once()).cloned() else {
        assert!(heard.is_empty(), "{heard:?}");
        return None;
    };
    assert!(heard.contains(first.kind.name()), "{heard:?}");
    assert!((rest.memory_bytes..=budget_bytes).contains(&plan.memory_bytes), "{plan}");
    let is_near = |planned: u64, moved: u64| planned.abs_diff(moved) <= planned / 10 + 4096;
    let column = rest.steps[0].bytes_read;
    assert!(is_near(first.bytes_read + column, read), "reads {read}: {plan}");
    assert!(is_near(first.bytes_written, written), "writes {written}: {plan}");
    Some(first)
}

/// Bytes read and written.
fn moved(medium: &RecordingMedium) -> (u64, u64) {
    let bytes = |range: Range<u64>| range.end - range.start;
    medium.take().into_iter().fold((0, 0), |(read, written), it| match it.operation {
        Operation::Read(range) => (read + bytes(range), written),
        Operation::Write(range) => (read, written + bytes(range)),
        _ => (read, written),
    })
}

fn lines() -> Vec<Vec<(i64, f32)>> {
    (0..400).map(|line| (0..50).map(|k| (k * 3 + line % 3, line as f32 + 0.5)).collect()).collect()
}

#[test]
fn members_that_cannot_be_used_in_place_are_copied_once() {
    for compression in BOTH {
        let good = Written::of(compression, 160, &lines());
        assert_eq!(first_step::<f32>("a.npz", &good.bytes(), 1 << 20), None);
        for file in [
            Written { method: CompressionMethod::Deflated, ..good.clone() },
            Written { begin: Some(2), ..good.clone() },
            Written { big_endian: true, width: IndexWidth::I64, ..good.clone() },
        ] {
            let step = first_step::<f32>("a.npz", &file.bytes(), 1 << 20).unwrap();
            assert_eq!(step.kind, StepKind::CopyMembers);
            let bytes = 20_000 * (4 + file.width.bytes()) + 401 * file.width.bytes();
            assert!(step.bytes_written.abs_diff(bytes as u64) < 3 * 64, "{step:?}");
            let is_deflated = file.method == CompressionMethod::Deflated;
            assert_eq!(step.bytes_read < step.bytes_written / 2, is_deflated, "{step:?}");
            for budget_bytes in [64 << 10, 3000] {
                let small = first_step::<f32>("a.npz", &file.bytes(), budget_bytes).unwrap();
                assert_eq!(small, step, "in {budget_bytes} bytes");
            }
        }
    }
}

#[test]
fn lists_are_sorted_once_and_put_aside_where_the_memory_does_not_hold_them() {
    // Every cell once, in no order.
    let cells = (0..20_000).map(|k| k * 7919 % 20_000);
    let body: String =
        cells.map(|cell| format!("{} {} {cell}.5\n", 1 + cell / 50, 1 + cell % 50)).collect();
    let text = format!("%%MatrixMarket matrix coordinate real general\n400 50 20000\n{body}");
    let large = first_step::<f64>("a.mtx", text.as_bytes(), 16 << 20).unwrap();
    let small = first_step::<f64>("a.mtx", text.as_bytes(), 256 << 10).unwrap();
    assert_eq!((large.kind, small.kind), (StepKind::SortEntries, StepKind::SortEntries));
    assert_eq!(large.bytes_read, text.len() as u64);
    let logged = 20_000 * 16;
    assert_eq!(small.bytes_read, large.bytes_read + logged);
    assert_eq!(small.bytes_written, large.bytes_written + logged);
}

/// A plan of several reads has it once.
#[test]
fn plans_that_are_joined_have_it_once() {
    let copy = Step::new(StepKind::CopyMembers, 1, 100, 200);
    let read = Step::new(StepKind::SliceLines, 1, 10, 0);
    let plan = Plan { steps: vec![copy.clone(), read], ..Plan::default() };
    let joined = plan.clone().and(plan);
    assert_eq!(joined.steps[0], copy);
    assert_eq!((joined.steps[1].times, joined.steps[1].bytes_read), (2, 20));
}

/// What is done for a visit is done for each, also of a file that had to be sorted before its first value was used.
#[test]
fn turning_is_planned_beside_what_is_done_once() {
    let cells = (0..20_000).map(|cell| format!("{} {} 1.5\n", 1 + cell / 50, 1 + cell % 50));
    let text = format!(
        "%%MatrixMarket matrix coordinate real general\n400 50 20000\n{}",
        cells.collect::<String>()
    );
    let memory = MemoryMedium::new();
    let path = Path::new("a.mtx");
    let mut device = memory.create(path, text.len() as u64, Existing::Replace).unwrap();
    device.write_at(0, text.as_bytes()).unwrap();
    device.sync().unwrap();
    drop(device);
    let context = context(64 << 10);
    let options = OpenOptions { context: context.clone(), ..OpenOptions::default() };
    let mut store = AnyStore::open_on(Arc::new(memory), path, &options).unwrap();
    let store = f64::of_any(&mut store).unwrap();
    let kinds = || -> Vec<StepKind> {
        let plan = store.plan(&Access::Visit(TileOrder::Columns), &context).unwrap();
        plan.steps.iter().map(|step| step.kind).collect()
    };
    let turned = [StepKind::TurnEntries, StepKind::Windows];
    assert_eq!(kinds(), [&[StepKind::SortEntries], &turned[..]].concat());
    store.column(0).unwrap();
    assert_eq!(kinds(), turned);
}
