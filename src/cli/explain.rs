//! `explain`: how a selection would be read, and with `--analyze` what reading it came to.

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use bytesize::ByteSize;
use serde_json::{Value, json};

use super::args::{Common, ExplainArgs};
use super::parts::{for_each_part, parts};
use super::{Outcome, files, progress};
use crate::array::Selection;
use crate::measure::PeakSampler;
use crate::store::{Access, AnyElement, ArrayStore, Context, Plan, Step};
use crate::sys::{self, Advice, Mode, ProcessCounters};
use crate::with_store;

/// How often the program's own memory is looked at.
const LOOKING: Duration = Duration::from_millis(1);

/// Less of a cold file than this is resident.
const COLD_SHARE: f64 = 0.01;

/// What reading came to.
struct Analysis {
    seconds: f64,
    device_bytes: u64,
    call_bytes: u64,
    calls: u64,
    minor_faults: u64,
    major_faults: u64,
    peak_bytes: Option<u64>,
}

pub(super) fn run(args: &ExplainArgs, common: &Common) -> anyhow::Result<Outcome> {
    let context = progress::context(common)?;
    if args.cold {
        make_cold(&args.file)?;
    }
    files::refuse_unused(&args.raw, [args.file.as_path()])?;
    let store = files::open(&args.file, &args.access, &args.raw, Mode::Read, &context)?;
    let selection = files::selection(&args.selection, &store, &args.file)?;
    let shape = selection.shape(store.spec().shape)?;
    let (plan, parts) = with_store!(&store, store => plan(&**store, &selection, &context))?;
    let analysis = match args.analyze {
        true => Some(with_store!(&store, store => analyze(&**store, &selection, &context))?),
        false => None,
    };
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{:#}", document(&plan, parts, analysis.as_ref()))?;
        return Ok(Outcome::Done);
    }
    writeln!(out, "reads {shape} of {} {}", store.spec().shape, store.spec().dtype)?;
    if parts > 1 {
        writeln!(out, "in {parts} parts, since the budget does not hold it")?;
    }
    for (index, step) in plan.steps.iter().enumerate() {
        writeln!(out, "{}. {}", index + 1, words(step))?;
    }
    let [asked, moved, held, budget] = [
        plan.bytes_requested,
        plan.bytes_moved(),
        plan.memory_bytes,
        context.budget().effective_bytes(),
    ]
    .map(ByteSize);
    let times = plan.amplification();
    writeln!(out, "asked for {asked}, moves {moved} ({times:.2} times); holds {held} of {budget}")?;
    let paged = ByteSize(plan.bytes_paged());
    writeln!(out, "where nothing is cached {paged} come from the device, in whole pages")?;
    if let Some(analysis) = analysis {
        write(&mut out, &analysis, &plan)?;
    }
    Ok(Outcome::Done)
}

/// Drops the file from the page cache, and makes sure that it is gone.
fn make_cold(path: &Path) -> anyhow::Result<()> {
    sys::evict(path)?;
    let share = sys::residency(path)?.share();
    anyhow::ensure!(
        share < COLD_SHARE,
        "{}: {:.1} % of it stays in the page cache: somebody has it mapped, or it lies in memory",
        path.display(),
        share * 100.0
    );
    Ok(())
}

/// How all parts of the selection are read together, and how many there are.
fn plan<T: AnyElement>(
    store: &dyn ArrayStore<Elem = T>,
    selection: &Selection,
    context: &Context,
) -> crate::Result<(Plan, usize)> {
    let mut plan = Plan { steps: Vec::new(), bytes_requested: 0, memory_bytes: 0 };
    let mut count = 0;
    for (_, part) in parts(store, selection, context)? {
        plan = plan.and(store.plan(&Access::Read(part), context)?);
        count += 1;
    }
    Ok((plan, count))
}

/// Reads the selection and drops it.
fn analyze<T: AnyElement>(
    store: &dyn ArrayStore<Elem = T>,
    selection: &Selection,
    context: &Context,
) -> anyhow::Result<Analysis> {
    let own = std::process::id();
    let sampler = PeakSampler::start(LOOKING, move || sys::anonymous_bytes(own).ok());
    let before = ProcessCounters::of(own)?;
    let begun = Instant::now();
    for_each_part(store, selection, context, &mut |_, _| Ok(()))?;
    let seconds = begun.elapsed().as_secs_f64();
    let after = ProcessCounters::of(own)?;
    Ok(Analysis {
        seconds,
        device_bytes: after.device_read_bytes.saturating_sub(before.device_read_bytes),
        call_bytes: after.read_bytes.saturating_sub(before.read_bytes),
        calls: after.read_calls.saturating_sub(before.read_calls),
        minor_faults: after.minor_faults.saturating_sub(before.minor_faults),
        major_faults: after.major_faults.saturating_sub(before.major_faults),
        peak_bytes: sampler.finish(),
    })
}

fn words(step: &Step) -> String {
    let mut words = step.kind.name().to_owned();
    if step.times > 1 {
        words += &format!(", {} times", step.times);
    }
    if step.bytes_read > 0 {
        words += &format!(": reads {}", ByteSize(step.bytes_read));
    }
    match step.advice {
        Advice::Normal => {}
        advice => words += &format!(", the kernel told that it is {}", named(advice)),
    }
    if step.in_flight > 1 {
        words += &format!(", up to {} at once", step.in_flight);
    }
    words
}

fn named(advice: Advice) -> &'static str {
    match advice {
        Advice::Normal => "normal",
        Advice::Sequential => "sequential",
        Advice::Random => "random",
    }
}

fn write(out: &mut impl Write, analysis: &Analysis, plan: &Plan) -> io::Result<()> {
    let Analysis { seconds, calls, minor_faults, major_faults, .. } = *analysis;
    let [device, by_calls] = [analysis.device_bytes, analysis.call_bytes].map(ByteSize);
    let share = analysis.device_bytes as f64 / plan.bytes_paged().max(1) as f64;
    writeln!(out, "\ntook {:.3} s", seconds)?;
    writeln!(
        out,
        "{device} from the device ({share:.2} of what was planned), the rest was cached"
    )?;
    writeln!(
        out,
        "{by_calls} by {calls} calls, {minor_faults} page faults without the device, {major_faults} with it"
    )?;
    match analysis.peak_bytes {
        Some(peak) => writeln!(out, "own memory at most {}", ByteSize(peak)),
        None => Ok(()),
    }
}

fn document(plan: &Plan, parts: usize, analysis: Option<&Analysis>) -> Value {
    let step = |step: &Step| {
        json!({
            "kind": step.kind.name(),
            "times": step.times,
            "bytes_read": step.bytes_read,
            "bytes_paged": step.bytes_paged,
            "bytes_written": step.bytes_written,
            "advice": named(step.advice),
            "in_flight": step.in_flight,
        })
    };
    json!({
        "steps": plan.steps.iter().map(step).collect::<Vec<_>>(),
        "parts": parts,
        "bytes_requested": plan.bytes_requested,
        "bytes_moved": plan.bytes_moved(),
        "bytes_paged": plan.bytes_paged(),
        "amplification": plan.amplification(),
        "memory_bytes": plan.memory_bytes,
        "analysis": analysis.map(|analysis| json!({
            "seconds": analysis.seconds,
            "device_bytes": analysis.device_bytes,
            "call_bytes": analysis.call_bytes,
            "calls": analysis.calls,
            "minor_faults": analysis.minor_faults,
            "major_faults": analysis.major_faults,
            "peak_bytes": analysis.peak_bytes,
        })),
    })
}
