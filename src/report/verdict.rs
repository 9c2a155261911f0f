//! What the data say, in words.
//!
//! A difference is claimed only where the intervals of the two medians do not overlap; else the two
//! are not told apart. What failed or was not verified is said too, and counts for nothing.

use super::growth::{self, Curve};
use super::model::{DataSet, Model, Row, Standing, memory_limit, undone};
use super::number::{self, geometric_mean, listed, plural};
use crate::record::Status;

/// Of how many others a sentence speaks.
const MENTIONED: usize = 3;

/// Sizes that differ by less are called the same: headers and padding.
const SAME_SIZE: f64 = 1.01;

pub(super) fn sentences(model: &Model<'_>) -> Vec<String> {
    if model.trials().next().is_none() {
        return vec!["No trial was recorded.".to_owned()];
    }
    // Where something was swept, what it changes is the verdict; what is best at each value is in the tables.
    let curves = growth::curves(model);
    let mut sentences: Vec<_> = curves.iter().filter_map(Curve::sentence).collect();
    sentences.iter_mut().for_each(|text| *text = capitalised(text) + ".");
    let sets = if sentences.is_empty() { &model.sets[..] } else { &[] };
    for set in sets {
        let name = capitalised(&set.name_among(&model.sets));
        if set.rows.iter().all(|row| row.timed().count() < 2) {
            sentences.push(format!("{name}, {}.", nothing_to_compare(set)));
            continue;
        }
        sentences.extend(set.regimes().iter().filter_map(|regime| wins(set, regime, &name)));
        sentences.extend(headlines(set).into_iter().map(|text| format!("{name}, {text}.")));
        sentences.extend(sizes(set).map(|text| format!("{name}, {text}.")));
        sentences.extend(means(set).map(|text| format!("{name}, {text}.")));
    }
    sentences.extend(single_samples(model));
    sentences.extend(disturbed(model));
    sentences.push(verification(model));
    sentences
}

/// Whether other runs were at work beside one of these.
fn disturbed(model: &Model<'_>) -> Option<String> {
    let others = model.runs.iter().filter_map(|run| run.run?.other_runs).max()?;
    let (runs, were) = (plural(others, "other run"), if others == 1 { "was" } else { "were" });
    Some(format!(
        "{runs} {were} at work in the same folder meanwhile: these times are disturbed by that."
    ))
}

fn nothing_to_compare(set: &DataSet<'_>) -> String {
    let timed = |at: &usize| set.rows.iter().any(|row| row.cells[*at].timed().is_some());
    let columns: Vec<_> =
        (0..set.columns.len()).filter(timed).map(|at| &set.columns[at].label).collect();
    match &columns[..] {
        [] => "nothing was timed".to_owned(),
        [one] => format!("only {one} was timed: there is nothing to compare it with"),
        many => format!("{} were timed, but never in the same trial", listed(many)),
    }
}

/// The columns that are not slower than the best of a row.
fn leaders(row: &Row<'_>) -> Vec<usize> {
    row.timed().filter(|(_, timed)| timed.standing != Standing::Slower).map(|(at, _)| at).collect()
}

/// Who wins how many workloads of a regime.
fn wins(set: &DataSet<'_>, regime: &str, name: &str) -> Option<String> {
    let rows: Vec<_> = set.rows_of(regime).filter(|row| row.timed().count() > 1).collect();
    if rows.is_empty() {
        return None;
    }
    let mut won: Vec<(usize, Vec<&str>)> = Vec::new();
    let mut level: Vec<(Vec<usize>, Vec<&str>)> = Vec::new();
    for row in &rows {
        match &leaders(row)[..] {
            [winner] => add(&mut won, *winner, row.workload),
            several => add(&mut level, several.to_vec(), row.workload),
        }
    }
    won.sort_by_key(|(column, workloads)| (usize::MAX - workloads.len(), *column));
    let label = |column: &usize| set.columns[*column].label.as_str();
    let mut clauses = Vec::new();
    for (index, (column, workloads)) in won.iter().enumerate() {
        let (label, many) = (label(column), workloads.len());
        clauses.push(match index {
            0 => {
                let workloads = plural(rows.len(), "workload");
                format!("{label} wins {many} of {workloads} {}", in_words(regime))
            }
            _ => format!("{label} wins {}", listed(workloads)),
        });
    }
    if won.is_empty() {
        clauses.push(format!("none wins a workload {}", in_words(regime)));
    }
    for (columns, workloads) in &level {
        let labels: Vec<_> = columns.iter().map(label).collect();
        clauses.push(format!("{} are not told apart in {}", listed(&labels), listed(workloads)));
    }
    Some(format!("{name}, {}.", clauses.join("; ")))
}

/// Adds `item` to what is listed under `key`.
fn add<'a, K: PartialEq>(groups: &mut Vec<(K, Vec<&'a str>)>, key: K, item: &'a str) {
    match groups.iter_mut().find(|(known, _)| *known == key) {
        Some((_, items)) => items.push(item),
        None => groups.push((key, vec![item])),
    }
}

/// How much faster the best is at the recipe's two workloads, or at the first there is.
fn headlines(set: &DataSet<'_>) -> Vec<String> {
    let mut workloads = vec!["fill-columns", "extract-column"];
    if !set.rows.iter().any(|row| workloads.contains(&row.workload)) {
        workloads = set.rows.first().map(|row| row.workload).into_iter().collect();
    }
    let clauses = |workload: &&str| {
        let rows = set.rows.iter().filter(|row| row.workload == *workload);
        let clauses: Vec<_> = rows.filter_map(|row| headline(set, row)).collect();
        (!clauses.is_empty()).then(|| clauses.join("; "))
    };
    workloads.iter().filter_map(clauses).collect()
}

/// "memmap fills 1.31× faster than seek and 12.0× faster than sparse-csr (warm)".
fn headline(set: &DataSet<'_>, row: &Row<'_>) -> Option<String> {
    let mut timed: Vec<_> = row.timed().collect();
    if timed.len() < 2 {
        return None;
    }
    timed.sort_by(|(_, a), (_, b)| {
        f64::total_cmp(&a.summary.median_seconds, &b.summary.median_seconds)
    });
    let label = |column: usize| set.columns[column].label.as_str();
    let best = timed.iter().find(|(_, timed)| timed.standing == Standing::Best)?.0;
    let with = |standing| timed.iter().filter(move |(_, timed)| timed.standing == standing);
    let level: Vec<_> = with(Standing::Level).map(|(column, _)| label(*column)).collect();
    let mut parts = Vec::new();
    if !level.is_empty() {
        parts.push(format!("not measurably faster than {}", listed(&level)));
    }
    let slower = with(Standing::Slower).take(MENTIONED);
    parts.extend(slower.filter_map(|(column, timed)| {
        Some(format!("{} faster than {}", number::ratio(timed.ratio?), label(*column)))
    }));
    Some(format!(
        "{} {} {} ({})",
        label(best),
        verb(row.workload),
        listed(&parts),
        in_words(row.regime)
    ))
}

/// The regime as a sentence has it: `warm`, `limited to 160MiB`.
fn in_words(regime: &str) -> String {
    match memory_limit(regime) {
        Some(size) => format!("limited to {size}"),
        None => regime.to_owned(),
    }
}

fn verb(workload: &str) -> String {
    match workload {
        "fill-columns" => "fills".to_owned(),
        "extract-column" => "extracts a column".to_owned(),
        "extract-columns" => "extracts every column".to_owned(),
        "extract-rows" => "extracts rows".to_owned(),
        "extract-block" => "extracts a block".to_owned(),
        "scan" => "scans".to_owned(),
        other => format!("does {other}"),
    }
}

/// What the largest files cost over the smallest.
fn sizes(set: &DataSet<'_>) -> Option<String> {
    let known = || set.columns.iter().filter_map(|column| column.bytes_on_disk);
    let (least, most) = (known().min()?, known().max()?);
    let ratio = most as f64 / least as f64;
    if least == 0 || ratio < SAME_SIZE {
        return None;
    }
    let near = |size: u64| {
        let is_near = move |bytes: u64| {
            let (a, b) = (bytes.max(size) as f64, bytes.min(size) as f64);
            a / b < SAME_SIZE
        };
        let columns = set.columns.iter().filter(|column| column.bytes_on_disk.is_some_and(is_near));
        columns.map(|column| column.label.as_str()).collect::<Vec<_>>()
    };
    let (large, small) = (near(most), near(least));
    Some(format!(
        "{} {} {} the bytes of {} ({} against {})",
        listed(&large),
        if large.len() == 1 { "costs" } else { "cost" },
        number::ratio(ratio),
        listed(&small),
        number::bytes(most),
        number::bytes(least),
    ))
}

/// The geometric mean of each column's ratio to the best, over the rows that every column has. Columns
/// that have less than half of the rows are left out: they would leave none for the others.
fn means(set: &DataSet<'_>) -> Option<String> {
    let ratio = |row: &Row<'_>, column: usize| row.cells[column].timed().and_then(|it| it.ratio);
    let many = |column: &usize| set.rows.iter().filter(|row| ratio(row, *column).is_some()).count();
    let columns = (0..set.columns.len()).filter(|column| 2 * many(column) >= set.rows.len());
    let columns: Vec<usize> = columns.collect();
    let all = |row: &&Row<'_>| columns.iter().all(|column| ratio(row, *column).is_some());
    let rows: Vec<_> = set.rows.iter().filter(all).collect();
    if rows.len() < 2 || columns.len() < 2 {
        return None;
    }
    let mut means: Vec<(&str, f64)> = Vec::new();
    for column in columns {
        let ratios: Vec<_> = rows.iter().filter_map(|row| ratio(row, column)).collect();
        means.push((&set.columns[column].label, geometric_mean(&ratios)?));
    }
    means.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    let means: Vec<_> =
        means.iter().map(|(label, mean)| format!("{} for {label}", number::ratio(*mean))).collect();
    Some(format!(
        "the geometric mean of times over the row's best is {}, where all have been timed ({} rows)",
        listed(&means),
        rows.len(),
    ))
}

fn single_samples(model: &Model<'_>) -> Option<String> {
    let sampled = model.trials().filter(|trial| !trial.samples.is_empty());
    let (single, several): (Vec<_>, Vec<_>) = sampled.partition(|trial| trial.samples.len() == 1);
    match (single.len(), several.len()) {
        (0, _) => None,
        (_, 0) => Some(
            "Each trial has one sample, so that noise cannot be told: differences are a first look."
                .to_owned(),
        ),
        (count, _) => {
            let verb = if count == 1 { "has" } else { "have" };
            Some(format!("{} {verb} one sample, of which nothing is concluded.", plural(count, "trial")))
        }
    }
}

/// What of all this was checked.
fn verification(model: &Model<'_>) -> String {
    let samples = || model.trials().flat_map(|trial| &trial.samples);
    let (all, right) = (samples().count(), samples().filter(|sample| sample.verified).count());
    let mut text = if all == 0 {
        "No sample was taken".to_owned()
    } else if all == right {
        format!("All {} verified", plural(all, "sample"))
    } else {
        format!("{} of {} were NOT verified", all - right, plural(all, "sample"))
    };
    for (status, word) in [
        (Status::Failed, "failed"),
        (Status::Unavailable, "unavailable"),
        (Status::Unsupported, "unsupported"),
    ] {
        let trials: Vec<_> = model.trials().filter(|trial| trial.status == status).collect();
        let Some(first) = trials.first() else { continue };
        let (_, reason) = undone(first);
        let many = plural(trials.len(), "trial");
        text += &format!(
            "; {many} {word} ({}{} {} {}: {reason})",
            if trials.len() > 1 { "first: " } else { "" },
            first.backend,
            first.workload,
            first.regime,
        );
    }
    text + "."
}

pub(super) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}
