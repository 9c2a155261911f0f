//! Tables for a terminal: one for each data set, or a block for each workload where it is narrow.
//!
//! The best of a row is marked in words, colours only repeat it.

use std::fmt::Write;

use comfy_table::{
    Attribute, Cell as TableCell, Color, ContentArrangement, LineStyle, Table, TableStyle,
};

use super::Style;
use super::model::{Cell, DataSet, Model, Row, Standing, Timed, undone};
use super::number::{self, UNKNOWN};

/// How many characters the bar of the slowest has.
const BAR_WIDTH: usize = 8;

/// The terminal's own measure of a narrow place: below it, words are cut rather than wrapped.
const LEAST_WIDTH: usize = 20;

/// What is written beside a time.
const BEST: &str = "best";

pub(super) fn render(model: &Model<'_>, width: usize, style: Style) -> String {
    let width = width.max(LEAST_WIDTH);
    let mut out = String::new();
    let mut notes = Notes::default();
    for run in &model.runs {
        out += &wrapped(&heading(run), width);
    }
    for set in &model.sets {
        out.push('\n');
        out += &bold(&wrapped(&set.title(), width), style);
        let wide = [Bars::Shown, Bars::Hidden].into_iter().find_map(|bars| {
            let mut notes = notes.clone();
            let table = table(set, bars, style, &mut notes);
            (natural_width(&table) <= width).then_some((table, notes))
        });
        match wide {
            Some((table, noted)) => {
                notes = noted;
                for line in table.lines() {
                    out += line.trim_end();
                    out.push('\n');
                }
            }
            None => blocks(set, width, style, &mut notes, &mut out),
        }
    }
    if model.sets.is_empty() {
        out += &wrapped("No trial was recorded.", width);
    }
    if model.sets.iter().flat_map(|set| &set.rows).any(has_level) {
        out.push('\n');
        out += &wrapped("≈ within noise of the best: their intervals overlap", width);
    }
    if !notes.0.is_empty() {
        out.push('\n');
    }
    for (index, note) in notes.0.iter().enumerate() {
        out += &wrapped(&format!("[{}] {note}", index + 1), width);
    }
    out
}

/// A run in one line: what was asked for and where.
fn heading(run: &super::model::RunOf<'_>) -> String {
    let mut parts = Vec::new();
    if let Some(run) = run.run {
        let environment = &run.environment;
        parts.push(number::plural(run.threads, "thread"));
        parts.push(format!("{} budget", number::memory(run.memory_effective_bytes)));
        let machine = [&environment.cpu, &environment.file_system, &environment.device];
        parts.extend(machine.into_iter().filter(|part| !part.is_empty()).cloned());
        parts.push(run.started.clone());
    } else {
        parts.push("how it was run is not recorded".to_owned());
    }
    match run.name {
        "" => parts.join(", "),
        name => format!("{name}: {}", parts.join(", ")),
    }
}

fn has_level(row: &Row<'_>) -> bool {
    row.timed().any(|(_, timed)| timed.standing == Standing::Level)
}

/// The reasons below the tables, each once.
#[derive(Debug, Clone, Default)]
struct Notes(Vec<String>);

impl Notes {
    fn number(&mut self, note: String) -> usize {
        let found = self.0.iter().position(|known| *known == note);
        found.unwrap_or_else(|| {
            self.0.push(note);
            self.0.len() - 1
        }) + 1
    }
}

/// Whether times are shown as bars too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bars {
    Shown,
    Hidden,
}

fn table(set: &DataSet<'_>, bars: Bars, style: Style, notes: &mut Notes) -> Table {
    let mut table = Table::new();
    let line = LineStyle::none().fill('─').junction('─');
    table.load_style(TableStyle::new().header_separator(line));
    table.set_content_arrangement(ContentArrangement::Disabled);
    match style {
        Style::Plain => table.force_no_tty(),
        Style::Coloured => table.force_no_tty().enforce_styling(),
    };
    let labels = set.columns.iter().map(|column| TableCell::new(&column.label));
    let header = std::iter::once(TableCell::new("")).chain(labels);
    table.set_header(header.map(|cell| cell.add_attribute(Attribute::Bold)));
    for regime in set.regimes() {
        table.add_row([TableCell::new(regime).add_attribute(Attribute::Bold)]);
        for row in set.rows_of(regime) {
            let cells = row.cells.iter().map(|cell| {
                let text = cell_text(cell, row, bars, notes);
                let shown = TableCell::new(text);
                match look(cell) {
                    Look::Best => shown.fg(Color::Green).add_attribute(Attribute::Bold),
                    Look::Undone => shown.fg(Color::Red),
                    Look::Plain => shown,
                }
            });
            let name = TableCell::new(format!("  {}", row.workload));
            table.add_row(std::iter::once(name).chain(cells));
        }
    }
    if set.columns.iter().any(|column| column.bytes_on_disk.is_some()) {
        let sizes = sizes(set).into_iter().map(TableCell::new);
        let name = TableCell::new("on disk").add_attribute(Attribute::Bold);
        table.add_row(std::iter::once(name).chain(sizes));
    }
    // With the gap between columns, two spaces part them: four backends fit in 80 characters.
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    table
}

/// The width that the table takes unwrapped.
fn natural_width(table: &Table) -> usize {
    let contents: usize = table.column_max_content_widths().iter().copied().map(usize::from).sum();
    let paddings: usize =
        table.column_iter().map(|column| usize::from(column.padding_width())).sum();
    let gaps = table.column_iter().count().saturating_sub(1);
    contents + paddings + gaps
}

enum Look {
    Best,
    Undone,
    Plain,
}

fn look(cell: &Cell<'_>) -> Look {
    match cell {
        Cell::Timed(Timed { standing: Standing::Best, .. }) => Look::Best,
        Cell::Undone(_) => Look::Undone,
        _ => Look::Plain,
    }
}

fn cell_text(cell: &Cell<'_>, row: &Row<'_>, bars: Bars, notes: &mut Notes) -> String {
    match cell {
        Cell::Absent => UNKNOWN.to_owned(),
        Cell::Undone(trial) => {
            let (word, reason) = undone(trial);
            format!("{word} [{}]", notes.number(format!("{word}: {reason}")))
        }
        Cell::Timed(timed) => {
            let mut text = format!("{:>7}", number::seconds(timed.summary.median_seconds));
            let mark = mark(timed);
            if bars == Bars::Shown && timed.standing != Standing::Alone {
                let share = timed.summary.median_seconds / row.slowest_seconds();
                let _ = write!(text, " {mark:<6} {}", bar(share));
            } else if !mark.is_empty() {
                let _ = write!(text, " {mark}");
            }
            text
        }
    }
}

/// What is said beside a time: `best`, or the ratio to the best.
fn mark(timed: &Timed<'_>) -> String {
    match (timed.standing, timed.ratio) {
        (Standing::Alone, _) => String::new(),
        (Standing::Best, _) => BEST.to_owned(),
        (Standing::Level, Some(ratio)) => format!("≈{}", number::ratio(ratio)),
        (Standing::Level, None) => "≈".to_owned(),
        (Standing::Slower, Some(ratio)) => number::ratio(ratio),
        (Standing::Slower, None) => "slower".to_owned(),
    }
}

/// A bar of up to [`BAR_WIDTH`] characters, to an eighth of one; never none at all.
fn bar(share: f64) -> String {
    const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
    let eighths = (share * (8 * BAR_WIDTH) as f64).round().clamp(1.0, (8 * BAR_WIDTH) as f64);
    let eighths = eighths as usize;
    let mut bar = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        bar.push(EIGHTHS[eighths % 8 - 1]);
    }
    bar
}

/// Each column's bytes on disk, and their ratio to the least.
fn sizes(set: &DataSet<'_>) -> Vec<String> {
    let least = set.columns.iter().filter_map(|column| column.bytes_on_disk).min();
    let size = |bytes: Option<u64>| match (bytes, least) {
        (Some(bytes), Some(least)) if least > 0 && set.columns.len() > 1 => {
            let ratio = number::ratio(bytes as f64 / least as f64);
            format!("{:>7} {ratio}", number::bytes(bytes))
        }
        _ => number::known(bytes, |bytes| format!("{:>7}", number::bytes(bytes))),
    };
    set.columns.iter().map(|column| size(column.bytes_on_disk)).collect()
}

/// The data set as a block of lines for each workload, for narrow terminals.
fn blocks(set: &DataSet<'_>, width: usize, style: Style, notes: &mut Notes, out: &mut String) {
    let widest = set.columns.iter().map(|column| column.label.chars().count()).max().unwrap_or(0);
    // A time and its mark, or `unavailable [9]`, take 16 characters; two go before and after the label.
    let label_width = widest.min(width.saturating_sub(20));
    let is_tight = label_width < widest;
    let line = |label: &str, text: &str| {
        if is_tight {
            format!("{}    {}\n", wrapped(&format!("  {label}"), width), text.trim_start())
        } else {
            format!("  {label:<label_width$}  {text}\n")
        }
    };
    for row in &set.rows {
        *out += &bold(&wrapped(&format!("{}, {}", row.workload, row.regime), width), style);
        for (cell, column) in row.cells.iter().zip(&set.columns) {
            let text = line(&column.label, &cell_text(cell, row, Bars::Hidden, notes));
            *out += &match (style, look(cell)) {
                (Style::Coloured, Look::Best) => painted(&text, "1;32"),
                (Style::Coloured, Look::Undone) => painted(&text, "31"),
                _ => text,
            };
        }
    }
    if set.columns.iter().any(|column| column.bytes_on_disk.is_some()) {
        *out += &bold("on disk\n", style);
        for (size, column) in sizes(set).iter().zip(&set.columns) {
            *out += &line(&column.label, size);
        }
    }
}

/// `text`, broken between words so that no line exceeds `width`; ends with a line feed.
pub fn wrapped(text: &str, width: usize) -> String {
    let mut table = Table::new();
    table.load_style(TableStyle::new()).force_no_tty();
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    table.add_row([text]);
    if let Some(column) = table.column_mut(0) {
        column.set_padding((0, 0));
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// `text` line by line in bold, where there is style.
fn bold(text: &str, style: Style) -> String {
    match style {
        Style::Plain => text.to_owned(),
        Style::Coloured => painted(text, "1"),
    }
}

/// Each line of `text` in the colour or weight of an ANSI code.
fn painted(text: &str, code: &str) -> String {
    text.lines().map(|line| format!("\x1b[{code}m{line}\x1b[0m\n")).collect()
}
