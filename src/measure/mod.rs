//! Clock, sampler and statistics. Knows no store.
