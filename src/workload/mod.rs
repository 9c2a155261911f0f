//! What is done: generated data, the workloads and the right answers.
//!
//! Knows stores only through their trait; measures nothing.
