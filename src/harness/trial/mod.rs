//! The other side of the trial protocol: what a trial process of this crate's own backends does.
//!
//! Owns the worker and its dialogue: it opens, works, closes, tells how long that took, and leaves its answer.
//! Knows neither regimes nor right answers: those are the harness's.

mod answer;
mod job;
mod lie;
#[cfg(test)]
mod tests;

use std::io::{BufRead, Write};

use self::answer::Answer;
use self::job::Job;
pub use self::lie::Lie;
use super::protocol::{self, Done, Ready, Reply, Request};
use crate::array::{Compression, Order, dispatch};
use crate::error::{Error, ErrorKind, Result};
use crate::store::Layout;
use crate::workload::Value;

/// Speaks trial protocol v1 until there are no more samples; truthfully, but for `lie`.
///
/// # Errors
/// Where a sample or a message fails; the harness has been told by then.
pub fn serve(input: &mut dyn BufRead, output: &mut dyn Write, lie: Option<Lie>) -> Result<()> {
    let served = speak(input, output, lie);
    if let Err(error) = &served {
        // Where nobody listens any more, the exit code must do.
        let _ = protocol::send(output, &Reply::Failed(error.to_string()));
    }
    served
}

fn speak(input: &mut dyn BufRead, output: &mut dyn Write, lie: Option<Lie>) -> Result<()> {
    let request = match hear(input)? {
        Some(Request::Trial { trial }) => *trial,
        Some(_) => return Err(out_of_turn()),
        None => return Ok(()),
    };
    let job = match Job::new(request, lie) {
        Ok(job) => job,
        Err(error) => return say(output, &Reply::Unsupported(error.to_string())),
    };
    dispatch!(job.dtype, T => take_samples::<T>(&job, input, output))
}

fn take_samples<T: Value>(
    job: &Job,
    input: &mut dyn BufRead,
    output: &mut dyn Write,
) -> Result<()> {
    let version = format!("arraystore {}", env!("CARGO_PKG_VERSION"));
    let _held = job.hold::<T>()?;
    say(output, &Reply::Ready(Ready { version, sparse_values: true }))?;
    if job.lie == Some(Lie::Early) {
        say(output, &Reply::Done(Done { seconds: 1e-6, ..Done::default() }))?;
    }
    let (mut kept, mut _file) = (None, None);
    loop {
        let reply = match hear(input)? {
            Some(Request::Go { .. }) => {
                // The last answer's memory is not this sample's.
                drop(kept.take());
                if job.lie == Some(Lie::Lazy) {
                    Reply::Done(Done { seconds: 1e-6, ..Done::default() })
                } else {
                    let (done, answer) = job.work::<T>()?;
                    kept = Some(answer);
                    _file = job.keep()?;
                    Reply::Done(done)
                }
            }
            Some(Request::Answer { answer: path, values, sparse_values }) => {
                if job.lie == Some(Lie::Lazy) {
                    kept = Some(job.work::<T>()?.1);
                }
                let answer: &Answer<T> = kept.as_ref().ok_or_else(out_of_turn)?;
                answer.write(&path).map_err(|error| Error::io("write", error).at(&path))?;
                if job.lie == Some(Lie::WrongBit) {
                    lie::turn_bit(&path)?;
                }
                let dense = values.then_some(Layout::Dense(Order::Fortran));
                let sparse = sparse_values.then_some(Layout::Sparse(Compression::Csc));
                for layout in dense.into_iter().chain(sparse) {
                    job.write_values::<T>(&super::values_path(&path, layout), layout)?;
                }
                Reply::Answered(true)
            }
            Some(Request::End { .. }) | None => return Ok(()),
            Some(Request::Trial { .. }) => return Err(out_of_turn()),
        };
        say(output, &reply)?;
    }
}

fn hear(input: &mut dyn BufRead) -> Result<Option<Request>> {
    let line = protocol::read_line(input).map_err(|error| Error::io("read a request", error))?;
    line.map(|line| protocol::parse(&line)).transpose()
}

fn say(output: &mut dyn Write, reply: &Reply) -> Result<()> {
    protocol::send(output, reply).map_err(|error| Error::io("reply", error))
}

fn out_of_turn() -> Error {
    Error::new(ErrorKind::InvalidArgument, "serve", "a request out of turn")
}
