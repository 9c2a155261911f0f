//! Tells the program from which git commit it is built, where it is built in this package's own checkout.

use std::path::Path;
use std::process::Command;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // A copy of the package inside somebody else's checkout has not that one's commit.
    let top = git(root, &["rev-parse", "--show-toplevel"]);
    let is_own =
        top.and_then(|top| Some(Path::new(&top).canonicalize().ok()? == root.canonicalize().ok()?));
    if is_own != Some(true) {
        println!("cargo::rerun-if-changed=build.rs");
        return;
    }
    // The commit changes when HEAD or the branch that it names does; packed or not, one of these is written.
    for name in ["HEAD", "logs/HEAD", "packed-refs"] {
        if let Some(path) = git(root, &["rev-parse", "--git-path", name]) {
            let path = root.join(path);
            if path.exists() {
                println!("cargo::rerun-if-changed={}", path.display());
            }
        }
    }
    // What was changed since is in no commit: then none is told, rather than one that was not built.
    for name in ["src", "build.rs", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={name}");
    }
    let is_changed = git(root, &["status", "--porcelain", "--untracked-files=no"]).is_some();
    if is_changed {
        return;
    }
    if let Some(commit) = git(root, &["rev-parse", "--short=12", "HEAD"]) {
        println!("cargo::rustc-env=ARRAYSTORE_GIT_COMMIT={commit}");
    }
}

/// What git says, if there is a git and it says something.
fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").current_dir(folder).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| output.status.success() && !text.is_empty())
}
