//! The program as people and scripts meet it: arguments in, bytes on stdout and stderr and an exit code out.
#![cfg(feature = "program")]

mod all_peers;
mod append;
mod explain;
mod foreign;
mod happy;
mod refusals;
mod reports;
mod sparse;
mod system;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use arraystore::array::{DType, Element, Order};
use arraystore::format::npy;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_arraystore");

/// A folder of its own, in which the program runs.
struct Place(TempDir);

/// What a run of the program came to.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments.split_whitespace()).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    /// Runs the program with arguments parted by spaces.
    fn run(&self, arguments: &str) -> Ran {
        Ran::of(&mut self.command(arguments))
    }

    /// Runs the program, which must do what it is asked without a word on stderr; gives its stdout.
    fn does(&self, arguments: &str) -> String {
        let ran = self.run(arguments);
        assert_eq!((ran.code, &*ran.stderr), (Some(0), ""), "{arguments}: {ran:?}");
        ran.stdout
    }

    /// Runs the program, whose stdout must be one JSON document.
    fn json(&self, arguments: &str) -> serde_json::Value {
        let stdout = self.does(arguments);
        serde_json::from_str(&stdout)
            .unwrap_or_else(|error| panic!("{arguments}: {error}: {stdout}"))
    }

    /// Runs the program, which must refuse in one line that has all of `words`; gives that line.
    fn refuses(&self, arguments: &str, words: &[&str]) -> String {
        let ran = self.run(arguments);
        ran.must_be_refusal(arguments, words)
    }

    /// Writes an npy file of `rows` × `cols` elements in C order.
    fn npy<T: Element>(&self, name: &str, rows: usize, cols: usize, values: &[T]) {
        assert_eq!(values.len(), rows * cols);
        let header = npy::header_bytes(T::DTYPE, Order::C, &[rows, cols]).unwrap();
        fs::write(self.path(name), [&header, bytemuck::cast_slice(values)].concat()).unwrap();
    }

    /// Writes the 3 × 4 matrix of i32 from 0 to 11.
    fn twelve(&self, name: &str) {
        self.npy::<i32>(name, 3, 4, &std::array::from_fn::<i32, 12, _>(|i| i as i32));
    }

    /// The names of what is in the folder.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Ran {
    fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn must_be_refusal(&self, what: &str, words: &[&str]) -> String {
        assert_eq!(self.code, Some(2), "{what}: {self:?}");
        let errors: Vec<_> =
            self.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        let [line] = errors[..] else { panic!("{what}: not one error line: {self:?}") };
        let others = self.stderr.lines().filter(|other| *other != line);
        for other in others {
            assert!(other.starts_with("hint: "), "{what}: {other:?}");
        }
        assert!(!self.stderr.contains("panicked") && !self.stderr.contains("RUST_BACKTRACE"));
        for word in words {
            assert!(line.contains(word), "{what}: {line:?} does not say {word:?}");
        }
        line.to_owned()
    }
}

/// Every bad golden file of `folder` is refused by its name, and nothing is left, by each of `commands`.
fn refuses_golden(folder: &str, commands: &[&str]) {
    let place = Place::new();
    for path in golden(folder) {
        let path = path.display().to_string();
        let file = path.rsplit('/').next().unwrap();
        for command in commands {
            place.refuses(&command.replace("FILE", &path), &[file]);
        }
    }
    assert_eq!(place.names(), [""; 0]);
}

fn golden(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/files").join(folder);
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

/// Every dtype by name.
fn dtypes() -> impl Iterator<Item = &'static str> {
    DType::ALL.into_iter().map(DType::name)
}
