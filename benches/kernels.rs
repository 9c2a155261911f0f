//! The hot kernels, each alone.

fn main() {}
