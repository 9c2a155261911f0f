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

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = r#"{"kind":"run","schema":1,"version":"0","git_commit":null,"started":"","arguments":[],"seed":0,"memory_requested_bytes":1,"memory_effective_bytes":1,"threads":1,"environment":{},"limits":null,"later":1}"#;
    const TRIAL: &str = r#"{"kind":"trial","schema":1,"backend":"seek","peer":null,"workload":"scan","regime":"warm","data":{"shape":[1,2],"dtype":"u8","order":"c","density":1,"layout":null,"bytes_on_disk":null},"status":"ok","reason":null,"bytes_requested":2,"limit_seconds":null,"samples":[],"summary":null}"#;

    fn refused(text: &str) -> (ErrorKind, String) {
        let error = read_lines(text).unwrap_err();
        (error.kind(), error.to_string())
    }

    #[test]
    fn lines_are_read_and_unknown_fields_ignored() {
        let records = read_lines(&format!("{RUN}\n\n{TRIAL}\r\n{TRIAL}")).unwrap();
        assert_eq!((records.lines.len(), records.unfinished), (3, None));
        assert_eq!(read_lines("").unwrap().lines.len(), 0);
    }

    #[test]
    fn a_last_line_cut_anywhere_is_left_out() {
        for end in 1..TRIAL.len() {
            let records = read_lines(&format!("{RUN}\n{}", &TRIAL[..end])).unwrap();
            assert_eq!((records.lines.len(), records.unfinished), (1, Some(2)), "cut at {end}");
        }
    }

    #[test]
    fn what_is_no_record_is_refused_by_its_line() {
        let (kind, line) = refused(&format!("{RUN}\n{}\n{TRIAL}\n", &TRIAL[..50]));
        assert_eq!(kind, ErrorKind::Malformed);
        assert!(line.starts_with("line 2: EOF while parsing"), "{line}");
        let (_, line) = refused(&format!("{RUN}\n{{}}\n"));
        assert_eq!(line, "line 2: no record: it states no schema");
        let (_, line) = refused(&format!("{RUN}\n{}", TRIAL.replace("\"seek\"", "7")));
        assert!(line.starts_with("line 2: invalid type: integer `7`"), "{line}");
        let (_, line) = refused(&format!("{RUN}\n{}", TRIAL.replace("\"workload\":\"scan\",", "")));
        assert_eq!(line, "line 2: missing field `workload`");
        let (_, line) = refused(&format!("{RUN}\n{}", TRIAL.replace("\"ok\"", "\"fine\"")));
        assert!(line.contains("unknown variant `fine`"), "{line}");
        assert_eq!(refused(TRIAL).1, "line 1: a trial before its run");
        assert_eq!(refused(&format!("{RUN}\n{RUN}\n")).1, "line 2: a second run");
        for text in ["[[[[", "\0", "null\n", "[1]\n", "\"schema\"\n", &"[".repeat(100_000)] {
            let text = format!("{RUN}\n{text}\n");
            assert_eq!(refused(&text).0, ErrorKind::Malformed);
        }
    }

    #[test]
    fn another_schema_is_refused() {
        let (kind, line) = refused(&RUN.replace("\"schema\":1", "\"schema\":2"));
        assert_eq!(
            (kind, &*line),
            (ErrorKind::Unsupported, "line 1: record schema 2 where 1 is read")
        );
    }
}
