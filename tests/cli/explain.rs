//! `explain --analyze --cold`: what plans say comes from the device, and what does.
#![cfg(target_os = "linux")]

use super::Place;

/// Shapes of access: (file, selection). Large enough that what the kernel reads ahead beyond the end is a small part.
const CASES: [(&str, &str); 9] = [
    ("narrow.npy", "--columns 7"),
    ("narrow.npy", "--rows 30000:590000"),
    ("narrow.npy", "--rows 5:600000:3000"),
    ("wide.npy", "--columns 7"),
    ("wide.npy", "--columns 0,5000,19999"),
    ("fortran.npy", "--rows 100:200"),
    ("narrow.npy", "--workload scan"),
    ("narrow.npy", "--workload extract-columns --memory 150MiB"),
    ("narrow.npy", "--workload shuffle-epoch"),
];

#[test]
fn what_comes_from_the_device_is_what_plans_say() {
    // Not in /tmp, which may be kept in memory.
    let place = Place(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
    place.does("create narrow.npy --shape 600000x100 --fill uniform");
    place.does("create wide.npy --shape 3000x20000 --fill uniform");
    place.does("create fortran.npy --shape 20000x3000 --order f --fill uniform");
    for (file, selection) in CASES {
        for backend in ["memmap", "seek"] {
            let arguments =
                format!("explain {file} --backend {backend} {selection} --analyze --cold --json");
            let found = place.json(&arguments);
            let number = |value: &serde_json::Value| value.as_f64().unwrap();
            let share = number(&found["analysis"]["device_bytes"]) / number(&found["bytes_paged"]);
            assert!(
                (share - 1.0).abs() < 0.1,
                "{arguments}: {share} of what was planned\n{found:#}"
            );
        }
    }
}

#[test]
fn a_file_that_is_mapped_by_somebody_is_not_called_cold() {
    let place = Place(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
    place.does("create a.npy --shape 30000x10 --fill uniform");
    let array = arraystore::store::MappedArray::<f32>::open(place.path("a.npy")).unwrap();
    assert!(array.view().sum() > 0.0);
    place.refuses("explain a.npy --analyze --cold", &["stays in the page cache"]);
}

#[test]
fn every_step_of_a_workload_is_planned_and_told_of() {
    let place = Place(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
    place.does("create a.npy --shape 20000x500 --fill uniform");
    // (workload, arguments, its steps, bytes that it writes)
    let cases = [
        ("extract-column", "", vec!["strided gather"], false),
        ("scan", "", vec!["windows"], false),
        ("extract-columns", "--memory 1MiB", vec!["turn blocks", "read the log"], true),
        ("shuffle-epoch", "", vec!["strided gather"], false),
    ];
    for (workload, arguments, steps, writes) in cases {
        let found = place.json(&format!(
            "explain a.npy --workload {workload} {arguments} --analyze --cold --json"
        ));
        let planned = found["steps"].as_array().unwrap();
        let kinds: Vec<_> = planned.iter().map(|step| step["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, steps, "{workload}");
        let spent = |key: &str| -> f64 {
            planned.iter().map(|step| step["spent"][key].as_f64().unwrap()).sum()
        };
        let total = |key: &str| found["analysis"][key].as_f64().unwrap();
        assert!(planned.iter().all(|step| step["spent"]["seconds"].as_f64() > Some(0.0)));
        assert!(spent("seconds") <= total("seconds"), "{workload}: {found:#}");
        assert!(spent("device_bytes") > 0.9 * total("device_bytes"), "{workload}: {found:#}");
        let written: u64 = planned.iter().map(|step| step["bytes_written"].as_u64().unwrap()).sum();
        assert_eq!(written > 0, writes, "{workload}");
        assert!(spent("written_bytes") >= written as f64, "{workload}: {found:#}");
    }
    let planned = place.does("explain a.npy --workload fill-columns --memory 8MiB");
    assert!(planned.contains("log columns") && planned.contains("transpose blocks"), "{planned}");
    place.refuses("explain a.npy --workload fill-columns --analyze", &["overwrite"]);
    place.refuses("explain a.npy --workload scan --columns 1", &["cannot be used with"]);
    place.refuses("explain a.npy --workload sort", &["'sort' is not a workload", "scan"]);
}
