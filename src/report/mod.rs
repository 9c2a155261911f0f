//! Records → text: terminal table, verdict, Markdown, CSV, JSON.
//!
//! Owns how results are put before people. Pure: knows no clock, no store, no file system and no
//! terminal; the same records always give the same text. Whatever a trial lacks (samples, counters,
//! a summary) is shown as lacking, never made up.

mod csv;
mod growth;
mod limits;
mod markdown;
mod model;
mod number;
mod reasons;
mod terminal;
mod verdict;

#[cfg(test)]
mod tests;

pub use self::limits::limits;
pub use self::number::seconds;
pub use self::terminal::wrapped;

use self::model::Model;
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
    pub fn terminal(&self, width: usize, style: Style) -> String {
        terminal::render(&Model::of(&self.runs), width, style)
    }

    /// What the data say, in a few sentences; see [`wrapped`] to fit them to a terminal.
    pub fn verdict(&self) -> Vec<String> {
        verdict::sentences(&Model::of(&self.runs))
    }

    /// The whole report as Markdown.
    pub fn markdown(&self) -> String {
        markdown::render(&Model::of(&self.runs))
    }

    /// Every sample as a row of CSV (RFC 4180), below a header row.
    pub fn csv(&self) -> String {
        csv::render(&Model::of(&self.runs))
    }

    /// Every line, as one JSON array.
    pub fn json(&self) -> String {
        let lines: Vec<_> = self.runs.iter().flat_map(|run| run.lines).collect();
        let text = serde_json::to_string_pretty(&lines);
        text.expect("records are numbers, text and lists: nothing that JSON lacks") + "\n"
    }
}
