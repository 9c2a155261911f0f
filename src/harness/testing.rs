//! Configurations and records for this room's tests.

use std::path::PathBuf;

use super::{Backend, Config, Data, Regime, Sampling};
use crate::array::{DType, Order, Shape};
use crate::record;
use crate::store::Budget;
use crate::sys::Existing;
use crate::workload::Workload;

/// Two backends, all workloads, the usual regimes, two densities, three samples.
pub(super) fn config() -> Config {
    Config {
        data: Data::Generated {
            shape: Shape::new(300, 20),
            dtype: DType::F32,
            densities: vec![1.0, 0.1],
        },
        order: Order::C,
        backends: vec![Backend::Memmap, Backend::Seek],
        peers: Vec::new(),
        workloads: Workload::USUAL.to_vec(),
        regimes: Regime::USUAL.to_vec(),
        samples: Sampling::Fixed(3),
        seed: 7,
        columns_read: 1,
        sweep: None,
        budget: Budget::default(),
        threads: 1,
        is_probed: false,
        silence: None,
        trial_command: Vec::new(),
        out: PathBuf::new(),
        data_dir: PathBuf::new(),
        existing: Existing::Refuse,
        arguments: Vec::new(),
    }
}

/// A run's own record.
pub(super) fn run() -> record::Run {
    record::Run {
        schema: record::SCHEMA,
        version: String::new(),
        git_commit: None,
        started: String::new(),
        arguments: Vec::new(),
        seed: 0,
        memory_requested_bytes: 0,
        memory_effective_bytes: 0,
        threads: 1,
        environment: record::Environment::default(),
        limits: None,
        limits_after: None,
        other_runs: None,
        sweep: None,
    }
}

/// A trial's record without samples.
pub(super) fn trial() -> record::Trial {
    record::Trial {
        schema: record::SCHEMA,
        backend: "memmap".to_owned(),
        peer: None,
        workload: "scan".to_owned(),
        regime: "warm".to_owned(),
        data: record::Data {
            shape: [300, 20],
            dtype: "f32".to_owned(),
            order: Some("c".to_owned()),
            density: 1.0,
            layout: None,
            bytes_on_disk: None,
            source: Some("generated".to_owned()),
        },
        status: record::Status::Unavailable,
        reason: Some("why".to_owned()),
        bytes_requested: 24_000,
        threads: None,
        columns_read: None,
        limit_seconds: None,
        limit_formula: None,
        samples: Vec::new(),
        summary: None,
    }
}
