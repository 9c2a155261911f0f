//! Python with NumPy, SciPy and libraries that write HDF5, for tests that let them check what is written here.
//!
//! Where `python3` has them, it is used; else an environment of its own is made once under `target/python`,
//! from the package registry. Where they cannot be had, `ARRAYSTORE_WITHOUT_PYTHON=1` leaves these tests
//! out; without that, their absence is a failure.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const ADVICE: &str = "install Python 3 with numpy, scipy, h5py, tables and netCDF4, or set ARRAYSTORE_WITHOUT_PYTHON=1";

/// A command that runs the script of this name under tests/python; none where Python was given up on purpose.
pub fn script(name: &str) -> Option<Command> {
    let mut command = Command::new(python()?);
    command
        .arg(Path::new(ROOT).join("tests/python").join(name))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    Some(command)
}

/// The interpreter; none where Python was given up on purpose.
pub fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let given_up =
        || std::env::var_os("ARRAYSTORE_WITHOUT_PYTHON").is_some_and(|value| value == "1");
    PYTHON.get_or_init(|| if given_up() { None } else { Some(find()) }).as_deref()
}

fn find() -> PathBuf {
    let system = PathBuf::from("python3");
    if has_packages(&system) {
        return system;
    }
    let folder = Path::new(ROOT).join("target/python");
    fs::create_dir_all(&folder).unwrap();
    // Test programs may run side by side: one makes the environment, the others wait for it.
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    let own = folder.join("bin/python3");
    if !has_packages(&own) {
        run(&system, ["-m", "venv"].map(OsStr::new).into_iter().chain([folder.as_os_str()]));
        let requirements = Path::new(ROOT).join("tests/python/requirements.txt");
        let install = ["-m", "pip", "install", "--quiet", "-r"].map(OsStr::new);
        run(&own, install.into_iter().chain([requirements.as_os_str()]));
        assert!(has_packages(&own), "packages were installed and are not there: {ADVICE}");
    }
    own
}

fn has_packages(python: &Path) -> bool {
    let output =
        Command::new(python).args(["-c", "import numpy, scipy, h5py, tables, netCDF4"]).output();
    output.is_ok_and(|output| output.status.success())
}

fn run<'a>(program: &Path, arguments: impl Iterator<Item = &'a OsStr>) {
    let output = Command::new(program).args(arguments).output();
    let output = output
        .unwrap_or_else(|error| panic!("{} does not start ({error}): {ADVICE}", program.display()));
    assert!(output.status.success(), "{}: {ADVICE}", String::from_utf8_lossy(&output.stderr));
}
