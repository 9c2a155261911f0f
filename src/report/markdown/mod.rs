//! The whole report as Markdown: the verdict first, every sample last.

mod details;
mod run;
mod table;

use std::fmt::Write;

use self::table::{Align, MarkdownTable, escaped};
use super::growth::{self, Curve};
use super::model::{
    Cell, Column, DataSet, Model, Row, Standing, Timed, never_met_its_limit, undone,
};
use super::number::{self, UNKNOWN};
use super::reasons::Reasons;
use super::verdict::{self, capitalised};

pub(super) fn render(model: &Model<'_>) -> String {
    let mut out = format!("# {}\n\n## Verdict\n\n", escaped(&title(model)));
    for sentence in verdict::sentences(model) {
        let _ = writeln!(out, "- {}", escaped(&sentence));
    }
    if !model.sets.is_empty() {
        out += "\n## Times\n\nMedian of the samples, the median's interval, and the ratio to the best \
                of the row; ≈ where the intervals overlap, so that the difference may be noise.\n";
        for set in &model.sets {
            times(set, &mut out);
        }
    }
    growth(model, &mut out);
    reasons(model, &mut out);
    undone_trials(model, &mut out);
    if !model.sets.is_empty() {
        out += "\n## Where time and bytes went\n\n";
        out += details::LEGEND;
        for set in &model.sets {
            details::costs(set, &mut out);
        }
    }
    run::method(model, &mut out);
    run::environments(model, &mut out);
    if !model.sets.is_empty() {
        out += "\n## Every sample\n";
        for set in &model.sets {
            details::samples(set, &mut out);
        }
    }
    out
}

fn title(model: &Model<'_>) -> String {
    let mut forms: Vec<_> = model
        .sets
        .iter()
        .map(|set| match set.data.source.as_deref() {
            Some(source) if source != "generated" => format!("{source} ({})", set.form()),
            _ => set.form(),
        })
        .collect();
    forms.dedup();
    if forms.is_empty() {
        "Backends compared".to_owned()
    } else {
        format!("Backends compared: {}", number::listed(&forms))
    }
}

fn times(set: &DataSet<'_>, out: &mut String) {
    let _ = write!(out, "\n### {}\n", escaped(&set.title()));
    for regime in set.regimes() {
        let labels = set.columns.iter().map(|column| (column.label.as_str(), Align::Right));
        let mut table =
            MarkdownTable::new(std::iter::once(("workload", Align::Left)).chain(labels));
        for row in set.rows_of(regime) {
            let cells = row.cells.iter().map(time);
            table.row(std::iter::once(escaped(row.workload)).chain(cells));
        }
        let sizes = set.columns.iter().map(|column| size(column, set));
        table.row(std::iter::once("*bytes on disk*".to_owned()).chain(sizes));
        let unmet = set.rows_of(regime).flat_map(|row| row.cells.iter());
        let mut unmet = unmet.filter_map(Cell::timed).filter(|it| never_met_its_limit(it.trial));
        let note = match unmet.next() {
            Some(_) => "○: the limit was never reached, so that it made no difference.\n\n",
            None => "",
        };
        let _ = write!(out, "\n**{}**\n\n{note}{table}", escaped(regime));
    }
}

fn time(cell: &Cell<'_>) -> String {
    let timed = match cell {
        Cell::Absent => return UNKNOWN.to_owned(),
        Cell::Undone(trial) => return undone(trial).0.to_owned(),
        Cell::Timed(timed) => timed,
    };
    let median = number::seconds(timed.summary.median_seconds);
    let median = match timed.standing {
        Standing::Best => format!("**{median}**"),
        _ => median,
    };
    let mut interval = interval(timed);
    if never_met_its_limit(timed.trial) {
        interval += " ○";
    }
    match (timed.standing, timed.ratio) {
        (Standing::Best, _) => format!("{median} {interval} **best**"),
        (Standing::Level, Some(ratio)) => {
            format!("{median} {interval} ≈{}", number::ratio(ratio))
        }
        (Standing::Slower, Some(ratio)) => format!("{median} {interval} {}", number::ratio(ratio)),
        _ => format!("{median} {interval}"),
    }
}

fn interval(timed: &Timed<'_>) -> String {
    if timed.trial.samples.len() < 2 {
        return "(one sample)".to_owned();
    }
    let (low, high) = (timed.summary.low_seconds, timed.summary.high_seconds);
    format!("({} – {})", number::seconds(low), number::seconds(high))
}

fn size(column: &Column, set: &DataSet<'_>) -> String {
    let least = set.columns.iter().filter_map(|column| column.bytes_on_disk).min();
    match (column.bytes_on_disk, least) {
        (Some(bytes), Some(least)) if least > 0 && set.columns.len() > 1 => {
            let ratio = number::ratio(bytes as f64 / least as f64);
            format!("{} {ratio}", number::bytes(bytes))
        }
        (bytes, _) => number::known(bytes, number::bytes),
    }
}

/// How cost grows with what was swept.
fn growth(model: &Model<'_>, out: &mut String) {
    let curves = growth::curves(model);
    let Some(first) = curves.first() else { return };
    let _ = writeln!(out, "\n## How cost grows with {}\n", escaped(first.swept));
    for sentence in curves.iter().filter_map(Curve::sentence) {
        let _ = writeln!(out, "- {}.", escaped(&capitalised(&sentence)));
    }
    for curve in &curves {
        let labels = curve.labels.iter().map(|label| (*label, Align::Right));
        let mut table =
            MarkdownTable::new(std::iter::once((curve.swept, Align::Right)).chain(labels));
        for point in &curve.points {
            let cells = point.cells.iter().map(time);
            table.row(std::iter::once(escaped(&point.value)).chain(cells));
        }
        let grown = curve.growth().into_iter().map(|grown| number::known(grown, number::ratio));
        table.row(std::iter::once("*last : first*".to_owned()).chain(grown));
        let _ = write!(out, "\n**{}**\n\n{table}", escaped(&curve.title()));
    }
}

/// Why the slowest of each row is slower than the best and, folded away, why others are.
fn reasons(model: &Model<'_>, out: &mut String) {
    let limits = model.runs.iter().filter_map(|run| run.run?.limits.as_ref()).next();
    let list = |sentences: &[String]| -> String {
        sentences.iter().map(|sentence| format!("- {}\n", escaped(sentence))).collect()
    };
    let (mut slowest, mut others) = (String::new(), String::new());
    for set in &model.sets {
        let name = escaped(&capitalised(&set.name_among(&model.sets)));
        let reasons = Reasons::of(set, limits);
        if !reasons.slowest.is_empty() {
            let _ = write!(slowest, "\n{name}:\n\n{}", list(&reasons.slowest));
        }
        if !reasons.others.is_empty() {
            let summary = format!("{name}, other backends and the quickest of each other family");
            let _ = write!(
                others,
                "\n<details>\n<summary>{summary}</summary>\n\n{}\n</details>\n",
                list(&reasons.others)
            );
        }
    }
    if !slowest.is_empty() {
        let _ = write!(out, "\n## Why the slowest is slower\n{slowest}{others}");
    }
}

fn undone_trials(model: &Model<'_>, out: &mut String) {
    let mut table = MarkdownTable::new(
        ["data", "workload", "regime", "backend", "what", "why"].map(|name| (name, Align::Left)),
    );
    let mut any = false;
    for set in &model.sets {
        for Row { regime, workload, cells } in &set.rows {
            for (cell, column) in cells.iter().zip(&set.columns) {
                let Cell::Undone(trial) = cell else { continue };
                let (word, reason) = undone(trial);
                any = true;
                let title = set.title();
                let fields = [&title, *workload, *regime, &column.label, word, &reason];
                table.row(fields.map(escaped));
            }
        }
    }
    if any {
        let _ = write!(out, "\n## What was not done\n\n{table}");
    }
}
