//! What is done: generated data, the workloads, and the right answers.
//!
//! Owns [`Generated`] (data from a seed, docs/generated-v1.md), [`Workload`] (which cells each asks
//! for), how a store is worked on ([`extract`], [`column_sums`],
//! [`epoch_sums`], [`product`]), where values come from ([`Source`]) and
//! what is right ([`Answers`]). Knows stores only through their trait; opens no file, measures nothing.

mod answers;
mod epoch;
mod generated;
mod kind;
mod source;
mod spmv;
mod stream;
mod sums;
mod survey;
mod value;
mod written;

pub use answers::{Answers, Exactness};
pub use epoch::{BATCH_ROWS, epoch_sums};
pub use generated::Generated;
pub use kind::{AnswerKind, Choice, Workload, extract};
pub use source::Source;
pub use spmv::product;
pub use sums::column_sums;
pub use value::Value;
pub use written::Distribution;
