//! `results.jsonl` read back: line by line, without trust.

use super::{Line, SCHEMA};
use crate::error::{Error, ErrorKind, Result};

/// What a `results.jsonl` holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Records {
    /// Its lines, in order.
    pub lines: Vec<Line>,
    /// The number of the last line, where that line is unfinished: the run was interrupted as it was written.
    pub unfinished: Option<usize>,
}

/// Reads the text of a `results.jsonl`: first a run, then trials. Unknown fields are ignored.
///
/// # Errors
/// [`ErrorKind::Malformed`] for a line that is not a record, naming it by its number;
/// [`ErrorKind::Unsupported`] for a record of another schema version.
pub fn read_lines(text: &str) -> Result<Records> {
    let mut records = Records { lines: Vec::new(), unfinished: None };
    let mut rest = text;
    let mut number = 0;
    while !rest.is_empty() {
        number += 1;
        let (line, is_whole) = match rest.split_once('\n') {
            Some((line, after)) => {
                rest = after;
                (line, true)
            }
            None => (std::mem::take(&mut rest), false),
        };
        if line.trim().is_empty() {
            continue;
        }
        match read_line(line) {
            Ok(line) => push(&mut records.lines, line, number)?,
            // Every whole line ends in a line feed: what lacks one was cut off.
            Err(Fault { is_cut: true, .. }) if !is_whole => records.unfinished = Some(number),
            Err(fault) => return Err(fault.at_line(number)),
        }
    }
    Ok(records)
}

fn push(lines: &mut Vec<Line>, line: Line, number: usize) -> Result<()> {
    let reason = match (&line, lines.is_empty()) {
        (Line::Run(_), true) | (Line::Trial(_), false) => {
            lines.push(line);
            return Ok(());
        }
        (Line::Trial(_), true) => "a trial before its run",
        (Line::Run(_), false) => "a second run",
    };
    Err(Error::new(ErrorKind::Malformed, "read", format!("line {number}: {reason}")))
}

/// What is wrong with a line.
struct Fault {
    kind: ErrorKind,
    reason: String,
    /// Whether the text ends before its document does.
    is_cut: bool,
}

impl Fault {
    fn at_line(self, number: usize) -> Error {
        Error::new(self.kind, "read", format!("line {number}: {}", self.reason))
    }
}

fn read_line(line: &str) -> std::result::Result<Line, Fault> {
    let malformed = |error: serde_json::Error| Fault {
        kind: ErrorKind::Malformed,
        reason: reason(&error),
        is_cut: error.is_eof(),
    };
    let value: serde_json::Value = serde_json::from_str(line).map_err(malformed)?;
    let schema = value.get("schema").and_then(serde_json::Value::as_u64);
    match schema {
        Some(schema) if schema == u64::from(SCHEMA) => {}
        Some(schema) => {
            let reason = format!("record schema {schema} where {SCHEMA} is read");
            return Err(Fault { kind: ErrorKind::Unsupported, reason, is_cut: false });
        }
        None => {
            let reason = "no record: it states no schema".to_owned();
            return Err(Fault { kind: ErrorKind::Malformed, reason, is_cut: false });
        }
    }
    serde_json::from_value(value).map_err(malformed)
}

/// serde's words without its own line number, which is always that of the one line.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line 1 column ") {
        Some((reason, column)) => format!("{reason} at column {column}"),
        None => text,
    }
}
