//! Bytes ↔ headers and extents: npy, npz, raw.
//!
//! Owns parsing and writing of headers. Knows no store and opens no file: it is handed bytes or readers
//! and gives back where values lie and what they are.
