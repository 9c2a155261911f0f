//! Trial protocol v1 on the wire: JSON lines between the harness and a trial program
//! (docs/trial-protocol-v1.md).
//!
//! Owns the messages and their text. Knows nothing of who speaks them.

use std::io::{self, BufRead, Read, Write};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::array::{Axis, Selection};
use crate::error::{Error, ErrorKind, Result};
use crate::record;

/// No line of the protocol is longer: a list of [`MAX_LISTED_ROWS`] row indices fits.
pub(super) const MAX_LINE_BYTES: u64 = 16 << 20;

/// The most rows that a request lists: seven digits and a comma each.
pub(super) const MAX_LISTED_ROWS: usize = 2_000_000;
const _: () = assert!(8 * MAX_LISTED_ROWS as u64 + 4096 < MAX_LINE_BYTES);

/// What the harness says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Request {
    /// What is to be done; once, first.
    Trial { trial: Box<TrialRequest> },
    /// Do it: the sample of this number.
    Go { go: u32 },
    /// Leave the sample's answer here; and with `values`, every value at the same path with `.values` appended, or with
    /// `sparse_values`, as a sparse file, with `.values.npz`.
    Answer {
        answer: PathBuf,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        values: bool,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        sparse_values: bool,
    },
    /// There are no more samples.
    End { end: bool },
}

/// What a trial is to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct TrialRequest {
    pub data: record::Data,
    /// One of this crate's backends; a peer's own name for a peer.
    pub backend: String,
    pub workload: String,
    pub regime: String,
    /// The file to read, or to make.
    pub path: PathBuf,
    pub seed: u64,
    /// Bytes that it may take for its own buffers.
    pub memory: u64,
    /// Bytes that the whole process may take, the page cache that it fills included; null where nothing bounds it.
    #[serde(default)]
    pub limit: Option<u64>,
    pub threads: usize,
    /// A Fortran-order `.npy`, or for our own backends a CSC `.npz`, whose columns are the values to fill with; null where
    /// they are generated.
    pub input: Option<PathBuf>,
    /// Which rows an extract takes; null is all of them.
    pub rows: Option<WireAxis>,
    /// Which columns.
    pub columns: Option<WireAxis>,
    /// A dense `.npy` that a peer is to make the file or folder at `path` from before it is ready; null where it is there, or is
    /// to be filled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub make_from: Option<PathBuf>,
}

/// Some indices along an axis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum WireAxis {
    Range { start: usize, stop: usize, step: usize },
    Indices(Vec<usize>),
}

impl WireAxis {
    pub(super) fn of(axis: &Axis) -> Option<Self> {
        match axis {
            Axis::All => None,
            &Axis::Range { start, stop, step } => Some(Self::Range { start, stop, step }),
            Axis::Indices(indices) => Some(Self::Indices(indices.clone())),
        }
    }

    fn axis(wire: Option<&Self>) -> Axis {
        match wire {
            None => Axis::All,
            Some(&Self::Range { start, stop, step }) => Axis::Range { start, stop, step },
            Some(Self::Indices(indices)) => Axis::Indices(indices.clone()),
        }
    }
}

impl TrialRequest {
    /// The cells that an extract takes.
    pub(super) fn selection(&self) -> Selection {
        Selection {
            rows: WireAxis::axis(self.rows.as_ref()),
            cols: WireAxis::axis(self.columns.as_ref()),
        }
    }
}

/// What a trial program says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Reply {
    /// It can do the trial; nothing is opened yet.
    Ready(Ready),
    /// It does not do this, for this reason.
    Unsupported(String),
    /// A sample is done and every file closed.
    Done(Done),
    /// The answer lies where it was asked for.
    Answered(bool),
    /// It went wrong, for this reason; the program ends.
    Failed(String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Ready {
    pub version: String,
    /// Whether it leaves all values of a visit as a sparse file, if it is asked to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sparse_values: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Done {
    /// From open until durable, or until the values are in the caller's memory.
    pub seconds: f64,
    /// The part of it spent making it durable; null but for a fill.
    pub durable_seconds: Option<f64>,
    /// How long the clock stood meanwhile, for values to fill with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stood_seconds: Option<f64>,
    /// What cannot be counted from outside, to be added to what can.
    #[serde(flatten)]
    pub uncounted: Uncounted,
}

/// Reads and writes that the kernel does not count as calls of the process: io_uring's, for instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Uncounted {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_calls: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_calls: Option<u64>,
}

/// Writes `message` as a line and flushes it.
pub(super) fn send(out: &mut dyn Write, message: &impl Serialize) -> io::Result<()> {
    out.write_all(&line(message)?)?;
    out.flush()
}

/// A request as the line that it is sent as.
///
/// # Errors
/// Where it holds what JSON does not.
pub(super) fn message(request: &Request) -> Result<Vec<u8>> {
    line(request).map_err(|error| Error::io("write", error))
}

fn line(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

/// The next line's text; none at the end.
///
/// # Errors
/// Where reading fails, or a line is longer than any of the protocol.
pub(super) fn read_line(input: &mut dyn BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let taken = input.take(MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
    if taken == 0 {
        return Ok(None);
    }
    if taken as u64 == MAX_LINE_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a line without an end"));
    }
    Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()))
}

/// The message in `line`.
///
/// # Errors
/// [`ErrorKind::Malformed`], with the beginning of the line, where it is none of the protocol.
pub(super) fn parse<M: DeserializeOwned>(line: &str) -> Result<M> {
    serde_json::from_str(line).map_err(|error| {
        let beginning: String = line.chars().take(80).collect();
        let reason = format!("not a message of trial protocol v1: '{beginning}'");
        Error::new(ErrorKind::Malformed, "read", reason).caused_by(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(message: &impl Serialize) -> String {
        serde_json::to_string(message).unwrap()
    }

    #[test]
    fn messages_are_as_the_protocol_fixes_them() {
        assert_eq!(text(&Request::Go { go: 1 }), r#"{"go":1}"#);
        assert_eq!(text(&Request::End { end: true }), r#"{"end":true}"#);
        let answer =
            |values, sparse_values| Request::Answer { answer: "a".into(), values, sparse_values };
        assert_eq!(text(&answer(false, false)), r#"{"answer":"a"}"#);
        assert_eq!(text(&answer(true, false)), r#"{"answer":"a","values":true}"#);
        assert_eq!(text(&answer(false, true)), r#"{"answer":"a","sparse_values":true}"#);
        let done = Done { seconds: 0.5, ..Done::default() };
        assert_eq!(text(&Reply::Done(done)), r#"{"done":{"seconds":0.5,"durable_seconds":null}}"#);
        let told = r#"{"done":{"seconds":1.0,"stood_seconds":2,"read_calls":3,"new":null}}"#;
        let Ok(Reply::Done(done)) = parse(told) else { panic!("{told}") };
        assert_eq!((done.stood_seconds, done.uncounted.read_calls), (Some(2.0), Some(3)));
        let unsupported = Reply::Unsupported("why".into());
        assert_eq!(text(&unsupported), r#"{"unsupported":"why"}"#);
        assert_eq!(parse::<Reply>(r#"{"answered":true}"#).unwrap(), Reply::Answered(true));
        assert_eq!(
            parse::<Reply>(r#"{"ready":{"version":"1","more":2}}"#).unwrap(),
            Reply::Ready(Ready { version: "1".into(), sparse_values: false })
        );
        for message in [
            answer(true, false),
            answer(false, true),
            Request::Go { go: 3 },
            Request::End { end: true },
        ] {
            assert_eq!(parse::<Request>(&text(&message)).unwrap(), message);
        }
    }

    #[test]
    fn axes_cross_the_wire_unchanged() {
        let axes = [
            Axis::All,
            Axis::Range { start: 2, stop: 9, step: 3 },
            Axis::Indices(vec![5, 5, 0]),
            Axis::Indices(vec![]),
        ];
        for axis in axes {
            let sent = serde_json::to_string(&WireAxis::of(&axis)).unwrap();
            let wire: Option<WireAxis> = serde_json::from_str(&sent).unwrap();
            assert_eq!(WireAxis::axis(wire.as_ref()), axis);
        }
    }

    #[test]
    fn what_is_no_message_is_named() {
        for bad in ["", "hello", "{}", r#"{"done":{}}"#, r#"{"done":{"seconds":"1"}}"#, "[1]"] {
            let error = parse::<Reply>(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed);
            assert!(error.to_string().contains(bad), "{error}");
        }
        assert!(parse::<Request>(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn lines_end_somewhere() {
        let mut lines = &b"a\n\nb"[..];
        let mut next = || read_line(&mut lines).unwrap();
        assert_eq!(
            [next(), next(), next(), next()].map(|line| line.unwrap_or("-".into())),
            ["a", "", "b", "-"]
        );
        let endless = io::repeat(b'x');
        assert!(read_line(&mut io::BufReader::new(endless)).is_err());
    }
}
