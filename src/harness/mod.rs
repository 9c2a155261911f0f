//! The plan backend × workload × regime, carried out: a process for each trial, its handshake, proof of
//! the regime, counters from outside, records. Knows no report.
