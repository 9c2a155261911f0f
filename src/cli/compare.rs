//! `compare`: the same workloads over all backends, verified; records, a table and a verdict.

use std::ffi::OsStr;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{MAIN_SEPARATOR, Path};
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::args::{Common, CompareArgs};
use super::output::{refuse_existing, write_file};
use super::{Invocation, Outcome, interrupt, peers, progress, report, usage};
use crate::array::{DType, Order, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::format::raw::RawLayout;
use crate::harness::{
    self, Backend, Config, Data, Ending, Estimate, Finding, Lie, Observer, RESULTS, Regime,
    Sampling, Sweep, Swept, Verdict,
};
use crate::record::{Line, Status};
use crate::report::Report;
use crate::store::{Cancel, FileKind, OpenOptions};
use crate::sys::Existing;
use crate::workload::Workload;

/// The recipe: its own size, dense and nearly empty.
const RECIPE: Shape = Shape::new(1_000_000, 100);
const RECIPE_DENSITIES: [f64; 2] = [1.0, 0.01];

/// A small array, for a look and for CI.
const QUICK: Shape = Shape::new(20_000, 50);
const QUICK_DENSITIES: [f64; 2] = [1.0, 0.05];

pub(super) fn run(
    args: &CompareArgs,
    common: &Common,
    invocation: &Invocation,
) -> anyhow::Result<Outcome> {
    let config = config(args, common, invocation)?;
    if args.self_test {
        // Nothing is kept, so nothing is put where results go.
        let data_dir = args.data_dir.clone().unwrap_or_else(|| ".".into());
        return self_test(&Config { data_dir, ..config }, args.json, common);
    }
    let rendered = args.out.join("report.md");
    if config.existing == Existing::Refuse {
        refuse_existing(&rendered)?;
    }
    if args.sweep.is_some() {
        // Before Ctrl-C is listened for: here it ends the program as it does any other.
        ask(&harness::estimate(&config, &Cancel::default())?, args.yes)?;
    }
    let mut bar = Bar::new(common)?;
    let outcome = harness::run(&config, &interrupt::cancel()?, &mut bar)?;
    drop(bar);
    let trials = outcome.lines.iter().filter_map(|line| match line {
        Line::Trial(trial) => Some(trial),
        Line::Run(_) => None,
    });
    if outcome.ending == Ending::Interrupted && trials.clone().next().is_none() {
        let reason = "interrupted before the first sample: nothing is kept";
        return Err(Error::new(ErrorKind::Cancelled, "compare", reason).into());
    }
    let report = Report::of(&outcome.lines);
    write_file(&rendered, &report.markdown(), Existing::Replace)?;
    if args.json {
        io::stdout().lock().write_all(report.json().as_bytes())?;
    } else {
        report::print(&report)?;
        writeln!(io::stdout().lock(), "\nreport: {}", rendered.display())?;
    }
    if outcome.ending == Ending::Interrupted {
        let reason = format!("interrupted: the samples of {} trials are kept", trials.count());
        let path = args.out.join(RESULTS);
        return Err(Error::new(ErrorKind::Cancelled, "compare", reason).at(path).into());
    }
    let mut failed = trials.filter(|trial| trial.status == Status::Failed).peekable();
    if failed.peek().is_none() {
        return Ok(Outcome::Done);
    }
    for trial in failed {
        let reason = trial.reason.as_deref().unwrap_or("no reason given");
        let (backend, workload, regime) = (&trial.backend, &trial.workload, &trial.regime);
        writeln!(io::stderr().lock(), "failed: {backend}, {workload}, {regime}: {reason}")?;
    }
    Ok(Outcome::No)
}

/// Says what a sweep will take, and goes on where that is wanted.
///
/// # Errors
/// Where it is not, or nobody is there to say so.
fn ask(estimate: &Estimate, is_wanted: bool) -> Result<()> {
    let &Estimate { matrices, trials, disk_bytes, seconds } = estimate;
    // To a minute, or to ten seconds: it is no more than about that.
    let step = if seconds > 120.0 { 60.0 } else { 10.0 };
    let time = Duration::from_secs_f64((seconds / step).ceil() * step);
    let (disk, time) = (ByteSize(disk_bytes), humantime::format_duration(time));
    let told = format!("{trials} trials on {matrices} matrices: about {time}, and {disk} of disk");
    let mut err = io::stderr().lock();
    let failed = |error| Error::io("ask", error);
    if is_wanted {
        return writeln!(err, "{told}").map_err(failed);
    }
    let unasked = |reason: &'static str| {
        Error::new(ErrorKind::Cancelled, "compare", reason).hint("give --yes where that is wanted")
    };
    if !io::stdin().is_terminal() || !err.is_terminal() {
        writeln!(err, "{told}").map_err(failed)?;
        return Err(unasked("a sweep is not begun unasked"));
    }
    write!(err, "{told}. Go on? [y/N] ").and_then(|()| err.flush()).map_err(failed)?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(unasked("not begun")),
    }
}

/// Lets trials lie, and says whether every lie was found out.
fn self_test(config: &Config, is_json: bool, common: &Common) -> anyhow::Result<Outcome> {
    let mut bar = Bar::new(common)?;
    let findings = harness::self_test(config, &interrupt::cancel()?, &mut bar)?;
    drop(bar);
    let mut out = io::stdout().lock();
    if is_json {
        let finding = |finding: &Finding| {
            json!({
                "lie": finding.lie.map(Lie::id), "control": finding.what, "verdict": finding.verdict.to_string(),
                "said": finding.said,
            })
        };
        let document = json!(findings.iter().map(finding).collect::<Vec<_>>());
        writeln!(out, "{document:#}")?;
    } else {
        for Finding { what, verdict, said, .. } in &findings {
            writeln!(out, "{verdict:<9}  {what}\n           {said}")?;
        }
    }
    let is_wrong = findings.iter().any(|finding| finding.verdict == Verdict::Wrong);
    Ok(if is_wrong { Outcome::No } else { Outcome::Done })
}

/// What the arguments ask for.
fn config(args: &CompareArgs, common: &Common, invocation: &Invocation) -> Result<Config> {
    let context = common.context();
    let mut trial_command = invocation.program.clone();
    trial_command.push("trial".into());
    let peers = peers::read(&args.peers, common)?;
    let data = data(args, common)?;
    let swept = args.sweep.as_ref().map(Sweep::swept);
    for (what, option, is_given) in [
        (Swept::Density, "--density", !args.density.is_empty()),
        (Swept::Memory, "--regimes", !args.regimes.is_empty()),
    ] {
        if swept == Some(what) && is_given {
            return Err(usage(format!("a sweep of {what} takes the place of {option}")));
        }
    }
    let regimes = match args.regimes.is_empty() {
        // A limit that goes by the size would be another at each size.
        true => usual_regimes(&data, args.quick || args.sweep.is_some()),
        false => regimes(&args.regimes)?,
    };
    Ok(Config {
        data,
        order: args.order,
        backends: match args.backends.is_empty() {
            true => Backend::USUAL.to_vec(),
            false => chosen(&args.backends, &Backend::ALL)?,
        },
        peers,
        workloads: match args.workloads.is_empty() {
            true => Workload::USUAL.to_vec(),
            false => chosen(&args.workloads, &Workload::ALL)?,
        },
        regimes,
        samples: sampling(args),
        seed: args.seed,
        columns_read: 1,
        sweep: args.sweep.clone(),
        budget: context.budget(),
        threads: context.threads(),
        is_probed: !args.no_probe && !args.quick,
        silence: None,
        trial_command,
        out: args.out.clone(),
        data_dir: args.data_dir.clone().unwrap_or_else(|| args.out.clone()),
        existing: args.force.existing(),
        arguments: invocation.arguments.iter().map(|argument| recorded(argument)).collect(),
    })
}

/// How many samples each trial has: a number, or until it is known well.
fn sampling(args: &CompareArgs) -> Sampling {
    let Sampling::Until { share, seconds } = Sampling::USUAL else { unreachable!("it adapts") };
    match (args.samples, args.precision, args.trial_time) {
        (Some(samples), ..) => Sampling::Fixed(samples),
        (None, None, None) if args.quick => Sampling::Fixed(1),
        (None, precision, time) => Sampling::Until {
            share: precision.map_or(share, |percent| percent / 100.0),
            seconds: time.unwrap_or(seconds),
        },
    }
}

/// The names in `names`, each once and in the order of `all`; all where none is given.
fn chosen<T>(names: &[String], all: &[T]) -> Result<Vec<T>>
where
    T: FromStr<Err = Error> + Copy + PartialEq,
{
    let named: Vec<T> = names.iter().map(|name| name.trim().parse()).collect::<Result<_>>()?;
    let takes_part = |choice: &T| names.is_empty() || named.contains(choice);
    Ok(all.iter().copied().filter(takes_part).collect())
}

/// The regimes in `names`, each once, limits from small to large.
fn regimes(names: &[String]) -> Result<Vec<Regime>> {
    let mut named: Vec<Regime> =
        names.iter().map(|name| name.trim().parse()).collect::<Result<_>>()?;
    named.sort_unstable();
    named.dedup();
    Ok(named)
}

/// Warm, cold, and within two fifths of the array where a trial can live in these.
fn usual_regimes(data: &Data, is_unlimited: bool) -> Vec<Regime> {
    let array_bytes = match data {
        Data::Generated { shape, dtype, .. } => {
            shape.dense_bytes(dtype.item_size()).map_or(u64::MAX, |bytes| bytes as u64)
        }
        // What is missing is refused later, by name.
        Data::Input { path, .. } => path.metadata().map_or(0, |metadata| metadata.len()),
    };
    let bytes = (array_bytes / 5 * 2) >> 20 << 20;
    let limited =
        (!is_unlimited && bytes >= Regime::LEAST_LIMIT_BYTES).then_some(Regime::Limited { bytes });
    Regime::USUAL.into_iter().chain(limited).collect()
}

fn data(args: &CompareArgs, common: &Common) -> Result<Data> {
    let Some(path) = &args.input else {
        if args.offset != 0 {
            return Err(usage("--offset says where the data of an --input begin"));
        }
        let (shape, densities) =
            if args.quick { (QUICK, QUICK_DENSITIES) } else { (RECIPE, RECIPE_DENSITIES) };
        return Ok(Data::Generated {
            shape: args.shape.unwrap_or(shape),
            dtype: args.dtype.unwrap_or(DType::F32),
            densities: if args.density.is_empty() {
                densities.into()
            } else {
                args.density.clone()
            },
        });
    };
    if !args.density.is_empty() {
        return Err(usage("an --input has the density that it has: leave --density out"));
    }
    let raw = match (FileKind::of(path), args.shape, args.dtype) {
        (FileKind::Raw, Some(shape), Some(dtype)) => Some(raw_layout(args, shape, dtype)),
        (FileKind::Raw, ..) => {
            path.metadata().map_err(|error| Error::io("open", error).at(path))?;
            let reason = "a file without a header needs its shape and dtype";
            return Err(usage(reason)
                .at(path)
                .hint("give --shape ROWSxCOLS and --dtype (and --order, --offset)"));
        }
        (_, None, None) if args.offset == 0 => None,
        _ => {
            let reason = "says itself what it holds: leave --shape, --dtype and --offset out";
            return Err(usage(reason).at(path));
        }
    };
    let options = OpenOptions { raw, context: common.context(), ..OpenOptions::default() };
    Ok(Data::Input { path: path.clone(), options: Box::new(options) })
}

fn raw_layout(args: &CompareArgs, shape: Shape, dtype: DType) -> RawLayout {
    let order: Order = args.order;
    RawLayout { dtype, shape, order, offset: args.offset }
}

/// An argument as the record keeps it: of paths only the last name, since records are shown to others.
fn recorded(argument: &OsStr) -> String {
    let argument = argument.to_string_lossy();
    let (option, value) = match argument.split_once('=') {
        Some((option, value)) if option.starts_with('-') => (format!("{option}="), value),
        _ => (String::new(), &*argument),
    };
    let last_name = |part: &str| match Path::new(part).file_name() {
        Some(name) if part.contains(MAIN_SEPARATOR) => name.to_string_lossy().into_owned(),
        _ => part.to_owned(),
    };
    let values: Vec<_> = value.split(',').map(last_name).collect();
    option + &values.join(",")
}

/// A bar over the planned samples, with what is being done.
struct Bar(ProgressBar);

impl Bar {
    fn new(common: &Common) -> anyhow::Result<Self> {
        if !progress::is_shown(common) {
            return Ok(Self(ProgressBar::hidden()));
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = "{wide_bar} {pos}/{len} samples {elapsed} (eta {eta}) {msg}";
        bar.set_style(ProgressStyle::with_template(style)?);
        bar.enable_steady_tick(std::time::Duration::from_millis(250));
        Ok(Self(bar))
    }
}

impl Observer for Bar {
    fn planned(&mut self, samples: usize) {
        self.0.set_length(samples as u64);
        self.0.reset_eta();
    }

    fn doing(&mut self, what: &str) {
        self.0.set_message(what.to_owned());
    }

    fn passed(&mut self, samples: usize) {
        self.0.inc(samples as u64);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_arguments_name_no_folder() {
        for (argument, expected) in [
            ("compare", "compare"),
            ("/home/me/x.npy", "x.npy"),
            ("--out=/home/me/report", "--out=report"),
            ("--peers=/a/b.json,c/d.json", "--peers=b.json,d.json"),
            ("--shape", "--shape"),
            ("1,0.01", "1,0.01"),
            ("../..", "../.."),
        ] {
            assert_eq!(recorded(OsStr::new(argument)), expected);
        }
    }

    #[test]
    fn names_choose_in_a_fixed_order() {
        let names = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        let found = chosen(&names("seek,memmap,seek"), &Backend::ALL).unwrap();
        assert_eq!(found, [Backend::Memmap, Backend::Seek]);
        assert_eq!(chosen(&[], &Workload::ALL).unwrap(), Workload::ALL);
        assert!(chosen(&names("scan,sort"), &Workload::ALL).is_err());
    }

    #[test]
    fn regimes_are_chosen_in_a_fixed_order_too() {
        let found = |names: &str| {
            let names: Vec<_> = names.split(',').map(str::to_owned).collect();
            let found = regimes(&names).unwrap();
            found.iter().map(Regime::to_string).collect::<Vec<_>>().join(",")
        };
        assert_eq!(found("cold,warm,cold"), "warm,cold");
        let limited = "limited:1GiB,limited:163840KiB,cold,limited:160MiB";
        assert_eq!(found(limited), "cold,limited:160MiB,limited:1GiB");
        assert!(regimes(&["hot".to_owned()]).is_err());
    }

    #[test]
    fn without_a_word_large_arrays_are_limited_too() {
        let found = |rows, is_quick| {
            let shape = Shape::new(rows, 100);
            let data = Data::Generated { shape, dtype: DType::F32, densities: vec![1.0] };
            let found = usual_regimes(&data, is_quick);
            found.iter().map(Regime::to_string).collect::<Vec<_>>().join(",")
        };
        assert_eq!(found(1_000_000, false), "warm,cold,limited:152MiB");
        assert_eq!(found(1_000_000, true), "warm,cold");
        assert_eq!(found(600_000, false), "warm,cold");
    }
}
