//! The workloads over every backend.

fn main() {}
