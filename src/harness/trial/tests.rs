//! The worker, spoken to through memory over dense backends.

use std::io;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::*;
use crate::array::{DType, Shape};
use crate::workload::Generated;

/// What is said to these requests, and how it ends.
fn dialogue(requests: &[Json]) -> (Vec<Json>, Result<()>) {
    hearing(lines(requests).as_bytes())
}

/// What is said to these bytes, and how it ends.
fn hearing(mut input: &[u8]) -> (Vec<Json>, Result<()>) {
    let mut output = Vec::new();
    let ended = serve(&mut input, &mut output, None);
    let replies = String::from_utf8(output).unwrap();
    (replies.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), ended)
}

fn lines(requests: &[Json]) -> String {
    requests.iter().map(|request| format!("{request}\n")).collect()
}

/// Checks that after `good` replies one line told what went wrong, with all of `words`; and that so did the error.
fn must_fail((said, ended): (Vec<Json>, Result<()>), good: usize, words: &[&str]) {
    assert_eq!(said.len(), good + 1, "{said:?}");
    let told = said[good]["failed"].as_str().unwrap_or_else(|| panic!("{said:?}"));
    assert_eq!(told, ended.unwrap_err().to_string());
    assert_eq!(told.lines().count(), 1, "{told}");
    for word in words {
        assert!(told.contains(word), "{told:?} does not say {word:?}");
    }
}

fn trial(backend: &str, workload: &str, path: &Path) -> Json {
    let data = json!({ "shape": [40, 6], "dtype": "f64", "order": "c", "density": 1.0,
        "layout": null, "bytes_on_disk": null });
    json!({ "trial": { "data": data, "backend": backend, "workload": workload, "regime": "warm",
        "path": path, "seed": 3, "memory": 1 << 20, "threads": 1, "input": null,
        "rows": [39, 0, 39], "columns": { "start": 1, "stop": 6, "step": 2 } } })
}

fn values(path: &Path) -> Vec<f64> {
    bytemuck::pod_collect_to_vec(&std::fs::read(path).unwrap())
}

#[test]
fn samples_are_taken_and_answered() {
    let folder = tempfile::tempdir().unwrap();
    let (path, answer) = (folder.path().join("m.npy"), folder.path().join("answer"));
    let ask = json!({ "answer": answer });
    let end = json!({ "end": true });
    let data = Generated { seed: 3, shape: Shape::new(40, 6), dtype: DType::F64, density: 1.0 };
    let cell = |row, col| data.cell::<f64>(row, col);
    for backend in ["memmap", "seek"] {
        let fill = trial(backend, "fill-columns", &path);
        let (said, ended) = dialogue(&[fill, json!({ "go": 1 }), ask.clone(), end.clone()]);
        ended.unwrap();
        assert!(said[0]["ready"]["version"].is_string(), "{said:?}");
        let done = &said[1]["done"];
        assert!(done["durable_seconds"].as_f64() <= done["seconds"].as_f64(), "{done}");
        assert_eq!(said[2], json!({ "answered": true }));
        assert_eq!(values(&answer), (0..40).map(|row| cell(row, 5)).collect::<Vec<_>>());

        let extract = trial(backend, "extract-rows", &path);
        let (said, ended) =
            dialogue(&[extract, json!({ "go": 1 }), json!({ "go": 2 }), ask.clone()]);
        ended.unwrap();
        assert_eq!(said.len(), 4);
        let expected = [39, 0, 39].map(|row| [1, 3, 5].map(|col| cell(row, col)));
        assert_eq!(values(&answer), expected.as_flattened());

        let visit = trial(backend, "extract-columns", &path);
        let all = json!({ "answer": answer, "values": true });
        dialogue(&[visit, json!({ "go": 1 }), all]).1.unwrap();
        let columns = (0..6).map(|col| (0..40).map(move |row| (row, col)));
        let expected: Vec<_> = columns.flatten().map(|(row, col)| cell(row, col)).collect();
        assert_eq!(values(&folder.path().join("answer.values")), expected);
        let sums: Vec<f64> = expected.chunks(40).map(|column| column.iter().sum()).collect();
        assert_eq!(values(&answer), sums);
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn what_is_not_supported_is_said_before_anything_is_opened() {
    let path = Path::new("/nonexistent/m.npy");
    for (name, value) in [
        ("backend", json!("tape")),
        ("workload", json!("sort")),
        ("rows", json!([40])),
        ("columns", json!({ "start": 0, "stop": 6, "step": 0 })),
    ] {
        let mut request = trial("seek", "scan", path);
        request["trial"][name] = value;
        let (said, ended) = dialogue(&[request, json!({ "go": 1 })]);
        ended.unwrap();
        assert_eq!(said.len(), 1);
        assert!(said[0]["unsupported"].is_string(), "{said:?}");
    }
}

#[test]
fn requests_out_of_turn_end_it() {
    let request = trial("seek", "scan", Path::new("/nonexistent/m.npy"));
    for (requests, good) in [
        (vec![json!({ "go": 1 })], 0),
        (vec![json!({ "answer": "a" })], 0),
        (vec![json!({ "end": true })], 0),
        (vec![request.clone(), request.clone()], 1),
        (vec![request.clone(), json!({ "answer": "a" })], 1),
    ] {
        must_fail(dialogue(&requests), good, &["out of turn"]);
    }
}

#[test]
fn lines_that_are_no_requests_end_it_wherever_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.npy");
    let fill = trial("memmap", "fill-columns", &path);
    let mut halved = fill.clone();
    halved["trial"].as_object_mut().unwrap().remove("seed");
    let mut negative = fill.clone();
    negative["trial"]["data"]["shape"] = json!([-1, 6]);
    let begun = [fill.clone(), json!({ "go": 1 })];
    for before in [&begun[..0], &begun[..1], &begun[..2]] {
        for bad in [
            &b"\n"[..],
            b"go\n",
            b"[1]\n",
            b"{\"go\":-1}\n",
            b"{\"go\":1.5}\n",
            b"{\"go\":1,\n",
            b"{\"hello\":1}\n",
            b"\xff\xfe\n",
            "[".repeat(100_000).as_bytes(),
            lines(&[halved.clone()]).as_bytes(),
            lines(&[negative.clone()]).as_bytes(),
        ] {
            let input = [lines(before).as_bytes(), bad, b"{\"end\":true}\n"].concat();
            must_fail(hearing(&input), before.len(), &["not a message of trial protocol v1"]);
            let _ = std::fs::remove_file(&path);
        }
    }
    let endless = vec![b' '; protocol::MAX_LINE_BYTES as usize];
    must_fail(hearing(&endless), 0, &["without an end"]);
}

#[test]
fn input_may_end_between_lines_but_not_within_one() {
    let folder = tempfile::tempdir().unwrap();
    let (path, answer) = (folder.path().join("m.npy"), folder.path().join("answer"));
    let all = [
        trial("seek", "fill-columns", &path),
        json!({ "go": 1 }),
        json!({ "answer": answer }),
        json!({ "end": true }),
    ];
    for count in 0..all.len() {
        let (said, ended) = dialogue(&all[..count]);
        ended.unwrap();
        assert_eq!(said.len(), count);
        assert_eq!(path.exists(), count > 1);
        let _ = std::fs::remove_file(&path);

        let whole = lines(&all[..=count]);
        must_fail(hearing(&whole.as_bytes()[..whole.len() - 2]), count, &["not a message"]);
        let _ = std::fs::remove_file(&path);

        // Only the line's end is missing: it says what it says.
        let (said, ended) = hearing(whole.trim_end().as_bytes());
        ended.unwrap();
        assert_eq!(said.len(), all.len().min(count + 1) - usize::from(count == 3));
        let _ = std::fs::remove_file(&path);
    }
}

#[test]
fn samples_that_fail_end_it_and_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.npy");
    let (go, name) = (json!({ "go": 1 }), path.display().to_string());
    for backend in ["memmap", "seek"] {
        let scan = trial(backend, "scan", &path);
        must_fail(dialogue(&[scan.clone(), go.clone()]), 1, &[&name, "No such file"]);

        let fill = trial(backend, "fill-columns", &path);
        must_fail(dialogue(&[fill.clone(), go.clone(), go.clone()]), 2, &[&name, "exists already"]);

        let mut other = scan.clone();
        other["trial"]["data"]["shape"] = json!([40, 7]);
        must_fail(dialogue(&[other, go.clone()]), 1, &[&name, "40x6", "40x7"]);
        let mut other = scan.clone();
        other["trial"]["data"]["dtype"] = json!("f32");
        must_fail(dialogue(&[other, go.clone()]), 1, &[&name, "f64", "f32"]);
        let mut other = scan.clone();
        other["trial"]["data"]["order"] = json!("f");
        must_fail(dialogue(&[other, go.clone()]), 1, &[&name]);

        let nowhere = json!({ "answer": folder.path().join("none/answer") });
        must_fail(dialogue(&[scan, go.clone(), nowhere]), 2, &["none/answer", "No such file"]);
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn nobody_who_listens_is_an_error_and_no_panic() {
    /// Breaks after so many writes.
    struct Broken(usize);

    impl Write for Broken {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match self.0.checked_sub(1) {
                Some(left) => self.0 = left,
                None => return Err(io::ErrorKind::BrokenPipe.into()),
            }
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let folder = tempfile::tempdir().unwrap();
    let requests =
        [trial("seek", "fill-columns", &folder.path().join("m.npy")), json!({ "go": 1 })];
    for writes in 0..2 {
        let error = serve(&mut lines(&requests).as_bytes(), &mut Broken(writes), None).unwrap_err();
        assert!(error.to_string().contains("cannot reply"), "{error}");
    }
}
