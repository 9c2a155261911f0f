//! The program: everything is in the library's `cli` room.

use std::process::ExitCode;

use arraystore::cli::{self, Invocation};

fn main() -> ExitCode {
    match Invocation::of_process() {
        Ok(invocation) => cli::run(&invocation).into(),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
