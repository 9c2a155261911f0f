//! The figures of README's tables are those of the committed records: each row is made from them and looked for.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use arraystore::record::{Line, Status, Trial, read_lines};
use arraystore::report::seconds;

/// The columns of a table: what stands above, and whose times: the least of them.
const COLUMNS: [(&str, &[&str]); 9] = [
    ("memmap", &["memmap"]),
    ("seek", &["seek"]),
    ("sparse-csr", &["sparse-csr"]),
    ("sparse-csc", &["sparse-csc"]),
    ("NumPy", &["numpy-memmap"]),
    ("NumPy expert", &["numpy-expert"]),
    ("h5py", &["h5py-contiguous", "h5py-chunked"]),
    ("SciPy", &["scipy-csr", "scipy-csc"]),
    ("SciPy expert", &["scipy-csr-expert", "scipy-csc-expert"]),
];

const WORKLOADS: [&str; 6] =
    ["fill-columns", "extract-column", "extract-columns", "extract-rows", "extract-block", "scan"];

fn root(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Density in bits, workload, regime, backend.
type Key = (u64, String, String, String);

/// The median of each trial that was done.
fn medians(folder: &str) -> BTreeMap<Key, f64> {
    let text = fs::read_to_string(root(folder).join("results.jsonl")).unwrap();
    let lines = read_lines(&text).unwrap().lines;
    let trials = lines.into_iter().filter_map(|line| match line {
        Line::Trial(trial) => Some(*trial),
        Line::Run(_) => None,
    });
    let median = |trial: Trial| {
        let seconds = trial.summary.filter(|_| trial.status == Status::Ok)?.median_seconds;
        let density = trial.data.density.to_bits();
        Some(((density, trial.workload, trial.regime, trial.backend), seconds))
    };
    trials.filter_map(median).collect()
}

/// The rows of a table of `regimes`, which a cell shows in this order.
fn rows(medians: &BTreeMap<Key, f64>, regimes: &[&str]) -> Vec<String> {
    let mut rows = Vec::new();
    for (density, name) in [(1.0f64, "dense"), (0.01, "1 % non-zeros")] {
        for workload in WORKLOADS {
            let mut row = format!("| {name} | {workload} |");
            for (_, backends) in COLUMNS {
                let of = |regime: &&str| {
                    let key = |backend: &&str| {
                        let names = [workload, regime, backend].map(str::to_owned);
                        let [workload, regime, backend] = names;
                        (density.to_bits(), workload, regime, backend)
                    };
                    let found = backends.iter().filter_map(|it| medians.get(&key(it)).copied());
                    found.min_by(f64::total_cmp).map_or_else(|| "–".to_owned(), seconds)
                };
                let cell: Vec<_> = regimes.iter().map(of).collect();
                write!(row, " {} |", cell.join(" / ")).unwrap();
            }
            rows.push(row);
        }
    }
    rows
}

#[test]
fn the_tables_of_the_recipe_are_cut_from_its_records() {
    let readme = fs::read_to_string(root("README.md")).unwrap();
    let mut medians = medians("reports/recipe");
    medians.extend(self::medians("reports/recipe-sparse"));
    let heads: Vec<_> = COLUMNS.iter().map(|(head, _)| *head).collect();
    let head = format!("| data | workload | {} |", heads.join(" | "));
    let found: Vec<Vec<&str>> = readme.split(&head).skip(1).map(table).collect();
    let expected = [rows(&medians, &["warm", "cold"]), rows(&medians, &["limited:152MiB"])];
    let printed = expected.each_ref().map(|rows| rows.join("\n")).join("\n\n");
    assert!(found == expected, "README's tables are to have these rows, and no others:\n{printed}");
}

/// The rows of the table of which `text` begins behind the head.
fn table(text: &str) -> Vec<&str> {
    let lines = text.trim_start_matches('\n').lines();
    // The first line tells how the columns are aligned.
    lines.skip(1).take_while(|line| line.starts_with('|')).collect()
}
