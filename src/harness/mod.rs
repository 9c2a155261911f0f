//! To come.

mod process;
mod protocol;
