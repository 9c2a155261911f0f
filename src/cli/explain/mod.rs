//! `explain`: how a selection would be read or a workload done, and with `--analyze` what doing it came to.

mod analysis;

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use bytesize::ByteSize;
use serde_json::{Value, json};

use self::analysis::{Analysis, Spent, Steps};
use super::args::{Common, ExplainArgs};
use super::parts::{for_each_part, parts};
use super::{Outcome, files, progress, usage};
use crate::array::{Selection, Shape};
use crate::error::Result;
use crate::store::{Access, AnyElement, AnyStore, ArrayStore, Context, Plan, Step};
use crate::sys::{self, Advice, Mode};
use crate::with_store;
use crate::workload::Workload;

/// Less of a cold file than this is resident.
const COLD_SHARE: f64 = 0.01;

/// Of workloads that choose rows at random.
const SEED: u64 = 0;

/// What is explained.
enum Subject {
    Selection(Selection),
    Workload(Workload),
}

pub(super) fn run(args: &ExplainArgs, common: &Common) -> anyhow::Result<Outcome> {
    let context = progress::context(common)?;
    let steps = args.analyze.then(Arc::<Steps>::default);
    let context = match &steps {
        Some(steps) => context.with_observer(Arc::clone(steps) as _),
        None => context,
    };
    if args.cold {
        make_cold(&args.file)?;
    }
    files::refuse_unused(&args.raw, [args.file.as_path()])?;
    let store = files::open(&args.file, &args.access, &args.raw, Mode::Read, &context)?;
    let shape = store.spec().shape;
    let subject = subject(args, &store)?;
    let (plan, parts) = with_store!(&store, store => plan(&**store, &subject, &context))?;
    let analysis = match steps {
        Some(steps) => Some(Analysis::of(
            &steps,
            || with_store!(&store, store => carry_out(&**store, &subject, &context)),
        )?),
        None => None,
    };
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{:#}", document(&plan, parts, analysis.as_ref()))?;
        return Ok(Outcome::Done);
    }
    let of = format!("{shape} {}", store.spec().dtype);
    match &subject {
        Subject::Selection(selection) => writeln!(out, "reads {} of {of}", selection.shape(shape)?),
        Subject::Workload(workload) => writeln!(out, "{workload} of {of}"),
    }?;
    if parts > 1 {
        writeln!(out, "in {parts} parts, since the budget does not hold it")?;
    }
    write_plan(&mut out, &plan, analysis.as_ref(), &context)?;
    if let Some(analysis) = analysis {
        write_analysis(&mut out, &analysis, &plan)?;
    }
    Ok(Outcome::Done)
}

fn subject(args: &ExplainArgs, store: &AnyStore) -> Result<Subject> {
    match args.workload {
        None => files::selection(&args.selection, store, &args.file).map(Subject::Selection),
        Some(Workload::FillColumns) if args.analyze => {
            let reason = "fill-columns is planned only: to carry it out would overwrite the file";
            Err(usage(reason).hint("measure it: arraystore compare --workloads fill-columns"))
        }
        Some(workload) => Ok(match workload.selection(store.spec().shape, SEED) {
            Some(selection) => Subject::Selection(selection),
            None => Subject::Workload(workload),
        }),
    }
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

/// How the subject is done, all parts of a selection together, and how many there are.
fn plan<T: AnyElement>(
    store: &dyn ArrayStore<Elem = T>,
    subject: &Subject,
    context: &Context,
) -> Result<(Plan, usize)> {
    let selection = match subject {
        Subject::Selection(selection) => selection,
        Subject::Workload(workload) => {
            let access = workload.access(store.spec().shape, SEED);
            return Ok((store.plan(&access, context)?, 1));
        }
    };
    let mut plan = Plan::default();
    let mut count = 0;
    for (_, part) in parts(store, selection, context)? {
        plan = plan.and(store.plan(&Access::Read(part), context)?);
        count += 1;
    }
    Ok((plan.over(store.stats().bytes_on_disk, context.budget()), count))
}

/// Does it, and drops what is read.
fn carry_out<T: AnyElement>(
    store: &dyn ArrayStore<Elem = T>,
    subject: &Subject,
    context: &Context,
) -> anyhow::Result<()> {
    let workload = match subject {
        Subject::Selection(selection) => {
            return for_each_part(store, selection, context, &mut |_, _| Ok(()));
        }
        Subject::Workload(workload) => workload,
    };
    let shape: Shape = store.spec().shape;
    match workload.access(shape, SEED) {
        Access::Visit(order) => store.visit(order, &mut |_| Ok(()), context)?,
        Access::Shuffle { batch } => {
            let order = workload.order(shape, SEED).unwrap_or_default();
            store.visit_rows(&order, batch, &mut |_, _| Ok(()), context)?;
        }
        Access::Read(_) | Access::Write(_) | Access::FillColumns => {}
    }
    Ok(())
}

fn write_plan(
    out: &mut impl Write,
    plan: &Plan,
    analysis: Option<&Analysis>,
    context: &Context,
) -> io::Result<()> {
    for (index, step) in plan.steps.iter().enumerate() {
        writeln!(out, "{}. {}", index + 1, words(step))?;
        if let Some(spent) = analysis.and_then(|analysis| analysis.of_step(step.kind)) {
            writeln!(out, "   took {}", spent_words(spent))?;
        }
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
    if let Some((layout, times)) = plan.cheaper {
        writeln!(
            out,
            "as {layout} it would move about {times} times fewer bytes: arraystore convert --layout {layout}"
        )?;
    }
    match plan.bytes_paged() {
        0 => Ok(()),
        paged => {
            let paged = ByteSize(paged);
            writeln!(out, "where nothing is cached {paged} come from the device, in whole pages")
        }
    }
}

fn words(step: &Step) -> String {
    let mut words = step.kind.name().to_owned();
    if step.times > 1 {
        words += &format!(", {} times", step.times);
    }
    let moves = [("reads", step.bytes_read), ("writes", step.bytes_written)];
    for (verb, bytes) in moves.into_iter().filter(|(_, bytes)| *bytes > 0) {
        words += if words.contains(':') { ", " } else { ": " };
        words += &format!("{verb} {}", ByteSize(bytes));
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

fn spent_words(spent: &Spent) -> String {
    let counters = &spent.counters;
    let mut words = format!(
        "{:.3} s, {} from the device",
        spent.time.as_secs_f64(),
        ByteSize(counters.device_read_bytes)
    );
    if counters.dirtied_bytes > 0 {
        words += &format!(", {} written", ByteSize(counters.dirtied_bytes));
    }
    let calls = counters.read_calls + counters.write_calls;
    words
        + &format!(", {calls} calls, {} page faults", counters.minor_faults + counters.major_faults)
}

fn named(advice: Advice) -> &'static str {
    match advice {
        Advice::Normal => "normal",
        Advice::Sequential => "sequential",
        Advice::Random => "random",
    }
}

fn write_analysis(out: &mut impl Write, analysis: &Analysis, plan: &Plan) -> io::Result<()> {
    let counters = &analysis.total.counters;
    let [device, by_calls] = [counters.device_read_bytes, counters.read_bytes].map(ByteSize);
    let share = counters.device_read_bytes as f64 / plan.bytes_paged().max(1) as f64;
    writeln!(out, "\ntook {:.3} s", analysis.total.time.as_secs_f64())?;
    writeln!(
        out,
        "{device} from the device ({share:.2} of what was planned), the rest was cached"
    )?;
    if counters.dirtied_bytes > 0 {
        writeln!(out, "{} written", ByteSize(counters.dirtied_bytes))?;
    }
    writeln!(
        out,
        "{by_calls} by {} calls, {} page faults without the device, {} with it",
        counters.read_calls, counters.minor_faults, counters.major_faults
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
            "spent": analysis.and_then(|analysis| analysis.of_step(step.kind)).map(spent_value),
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
        "cheaper": plan.cheaper.map(|(layout, times)| json!({
            "layout": layout.to_string(), "times": times,
        })),
        "analysis": analysis.map(|analysis| {
            let mut value = spent_value(&analysis.total);
            value["peak_bytes"] = json!(analysis.peak_bytes);
            value
        }),
    })
}

fn spent_value(spent: &Spent) -> Value {
    let counters = &spent.counters;
    json!({
        "seconds": spent.time.as_secs_f64(),
        "device_bytes": counters.device_read_bytes,
        "written_bytes": counters.dirtied_bytes,
        "call_bytes": counters.read_bytes,
        "calls": counters.read_calls,
        "minor_faults": counters.minor_faults,
        "major_faults": counters.major_faults,
    })
}
