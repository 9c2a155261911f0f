//! `report`: the records of one run or several, rendered again.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use super::args::{Common, ReportArgs, ReportFormat};
use super::output::{self, write_file};
use super::{Outcome, usage};
use crate::error::{Error, ErrorKind, Result};
use crate::harness::RESULTS;
use crate::record::{Line, read_lines};
use crate::report::{Report, Style, wrapped};
use crate::sys::Existing;

/// The most that is read of a file of records: some 400 000 trials.
const MOST_BYTES: u64 = 512 << 20;

/// How wide tables are where no terminal says.
const DEFAULT_WIDTH: usize = 100;

pub(super) fn run(args: &ReportArgs, common: &Common) -> anyhow::Result<Outcome> {
    let mut formats = args.format.clone();
    formats.dedup();
    if args.out.is_none() && formats.len() > 1 {
        return Err(usage("several formats need a folder to be written to: give --out DIR").into());
    }
    let mut runs = Vec::new();
    for path in &args.runs {
        runs.push(read(path, common)?);
    }
    let names = names(&args.runs);
    let named = names.iter().zip(&runs).map(|(name, lines)| (&**name, &**lines));
    let report = if runs.len() > 1 { Report::of_runs(named) } else { Report::of(&runs[0]) };
    match (&args.out, &formats[..]) {
        (Some(folder), formats) => write(&report, folder, formats, args.force.existing(), common)?,
        (None, [format, ..]) => io::stdout().lock().write_all(text(&report, *format).as_bytes())?,
        (None, []) => print(&report)?,
    }
    Ok(Outcome::Done)
}

/// Prints the tables and the verdict, as wide as the terminal is.
pub(super) fn print(report: &Report<'_>) -> io::Result<()> {
    let (width, style) = (width(), style());
    let mut out = io::stdout().lock();
    writeln!(out, "{}", report.terminal(width, style))?;
    for sentence in report.verdict() {
        out.write_all(wrapped(&sentence, width).as_bytes())?;
    }
    Ok(())
}

/// Writes `report` to `folder` in `formats`, all of them where none is named.
pub(super) fn write(
    report: &Report<'_>,
    folder: &Path,
    formats: &[ReportFormat],
    existing: Existing,
    common: &Common,
) -> anyhow::Result<()> {
    let all = [ReportFormat::Md, ReportFormat::Csv, ReportFormat::Json];
    let formats = if formats.is_empty() { &all } else { formats };
    let path = |format: ReportFormat| folder.join(format!("report.{}", extension(format)));
    // Asked for all before any is written, so that a refusal leaves nothing behind.
    if existing == Existing::Refuse {
        for &format in formats {
            output::refuse_existing(&path(format))?;
        }
    }
    fs::create_dir_all(folder).map_err(|error| Error::io("create", error).at(folder))?;
    for &format in formats {
        let path = path(format);
        write_file(&path, &text(report, format), existing)?;
        if !common.quiet {
            writeln!(io::stderr().lock(), "wrote {}", path.display())?;
        }
    }
    Ok(())
}

fn text(report: &Report<'_>, format: ReportFormat) -> String {
    match format {
        ReportFormat::Md => report.markdown(),
        ReportFormat::Csv => report.csv(),
        ReportFormat::Json => report.json(),
    }
}

fn extension(format: ReportFormat) -> &'static str {
    match format {
        ReportFormat::Md => "md",
        ReportFormat::Csv => "csv",
        ReportFormat::Json => "json",
    }
}

/// The records in the folder at `path`, or in the file at `path`.
fn read(path: &Path, common: &Common) -> anyhow::Result<Vec<Line>> {
    let metadata = fs::metadata(path).map_err(|error| Error::io("open", error).at(path))?;
    let path = if metadata.is_dir() { path.join(RESULTS) } else { path.to_owned() };
    let text = read_text(&path)?;
    let records = read_lines(&text).map_err(|error| error.at(&path))?;
    if records.lines.is_empty() {
        return Err(Error::new(ErrorKind::Malformed, "read", "holds no records").at(&path).into());
    }
    if let (Some(number), false) = (records.unfinished, common.quiet) {
        let path = path.display();
        writeln!(
            io::stderr().lock(),
            "note: {path}: line {number} is unfinished and left out: the run was interrupted"
        )?;
    }
    Ok(records.lines)
}

fn read_text(path: &Path) -> Result<String> {
    let at = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Error::io("open", error)
            .at(path)
            .hint(format!("a run's folder has a {RESULTS}: compare makes one")),
        io::ErrorKind::InvalidData => {
            Error::new(ErrorKind::Malformed, "read", "is not UTF-8 text").at(path)
        }
        _ => Error::io("read", error).at(path),
    };
    let file = File::open(path).map_err(at)?;
    if !file.metadata().map_err(at)?.is_file() {
        let reason = "is not a regular file";
        return Err(Error::new(ErrorKind::InvalidArgument, "open", reason).at(path));
    }
    let mut text = String::new();
    file.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(at)?;
    if text.len() as u64 > MOST_BYTES {
        let reason = format!("is longer than the {MOST_BYTES} bytes that are read");
        return Err(Error::new(ErrorKind::Unsupported, "read", reason).at(path));
    }
    Ok(text)
}

/// What to call each run: its folder's own name, or all of its path where two share a name.
fn names(paths: &[PathBuf]) -> Vec<String> {
    let own = |path: &PathBuf| {
        // `.` and `..` have names too.
        let whole = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        let folder = if whole.is_file() { whole.parent().map(Path::to_owned) } else { None };
        let name = folder.unwrap_or(whole).file_name().map(|name| name.display().to_string());
        name.unwrap_or_else(|| path.display().to_string())
    };
    let names: Vec<_> = paths.iter().map(own).collect();
    if names.iter().collect::<HashSet<_>>().len() == names.len() {
        return names;
    }
    paths.iter().map(|path| path.display().to_string()).collect()
}

/// The terminal's width, or a usual one where the output is no terminal.
fn width() -> usize {
    // A table without a width of its own takes that of the terminal on stdout.
    comfy_table::Table::new().width().map_or(DEFAULT_WIDTH, usize::from)
}

/// Colours for a terminal that has them, unless <https://no-color.org> asks for none.
fn style() -> Style {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    if io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb {
        Style::Coloured
    } else {
        Style::Plain
    }
}
