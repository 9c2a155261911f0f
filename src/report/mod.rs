//! Records → text: terminal table, verdict, Markdown, CSV, JSON.
//!
//! Owns how results are put before people. Pure: knows no clock, no store, no file system and no
//! terminal; the same records always give the same text. Whatever a trial lacks (samples, counters,
//! a summary) is shown as lacking, never made up.

use crate::record::Line;

/// Whether text carries ANSI colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Style {
    /// Text only.
    Plain,
    /// Text and colours. Nothing is told by colour alone.
    Coloured,
}

/// The records of one run or of several, to be rendered.
#[derive(Debug, Clone)]
pub struct Report<'a> {
    runs: Vec<NamedRun<'a>>,
}

/// The lines of one run and what to call it beside others.
#[derive(Debug, Clone)]
struct NamedRun<'a> {
    name: &'a str,
    lines: &'a [Line],
}

impl<'a> Report<'a> {
    /// The report of one run: its lines as they stand in `results.jsonl`.
    pub fn of(lines: &'a [Line]) -> Self {
        Self::of_runs([("", lines)])
    }

    /// The report of several runs, each with the name that tells it from the others.
    pub fn of_runs(runs: impl IntoIterator<Item = (&'a str, &'a [Line])>) -> Self {
        let runs = runs.into_iter().map(|(name, lines)| NamedRun { name, lines }).collect();
        Self { runs }
    }

    /// Tables for a terminal of `width` columns: for each data set, workloads × backends.
    pub fn terminal(&self, _width: usize, _style: Style) -> String {
        todo!()
    }

    /// What the data say, in a few sentences.
    pub fn verdict(&self) -> Vec<String> {
        todo!()
    }

    /// The whole report as Markdown.
    pub fn markdown(&self) -> String {
        todo!()
    }

    /// Every sample as a row of CSV (RFC 4180), below a header row.
    pub fn csv(&self) -> String {
        todo!()
    }

    /// Every line, as one JSON array.
    pub fn json(&self) -> String {
        todo!()
    }
}
