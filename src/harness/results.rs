//! `results.jsonl`: a line as each trial's first pass ends and all lines anew with each further pass, so that an
//! interrupted run keeps what it has.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, ErrorKind, Result};
use crate::record::{self, Limits, Line};
use crate::sys::{Existing, NewFile};

/// The file's name in the output folder.
pub const RESULTS: &str = "results.jsonl";

/// What the results of an earlier run are called while a new run replaces them.
const OLD: &str = "results.jsonl.old";

/// Held while results are written, and kept by who ends the process: nobody writes after that what became of trials that it ended.
static WRITING: Mutex<()> = Mutex::new(());

/// Lets no results be written any more.
pub(super) fn freeze() {
    std::mem::forget(WRITING.lock().unwrap_or_else(PoisonError::into_inner));
}

/// The results being written.
///
/// Results of an earlier run are kept beside the new ones until those are whole: an interrupted run leaves
/// both.
#[derive(Debug)]
pub(super) struct Results {
    file: File,
    path: PathBuf,
    lines: Vec<Line>,
    /// Whether a line is no longer as it lies in the file.
    is_changed: bool,
}

/// Refuses to begin where results stand that are not to be replaced.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`].
pub(super) fn check(folder: &Path, existing: Existing) -> Result<()> {
    let path = folder.join(RESULTS);
    if existing == Existing::Refuse && path.symlink_metadata().is_ok() {
        return Err(Error::new(ErrorKind::AlreadyExists, "create", "exists already")
            .at(path)
            .hint("give --force to replace it, or another --out"));
    }
    Ok(())
}

impl Results {
    /// An empty file in `folder`, which exists; older results are moved aside.
    ///
    /// # Errors
    /// Where they may not be, or nothing can be written there.
    pub(super) fn create(folder: &Path, existing: Existing) -> Result<Self> {
        check(folder, existing)?;
        let (path, old) = (folder.join(RESULTS), folder.join(OLD));
        // Where older results were moved aside already, those that stand are an interrupted run's.
        if path.exists() && !old.exists() {
            fs::rename(&path, &old).map_err(|error| Error::io("move", error).at(&path))?;
        }
        let file = File::create(&path).map_err(|error| Error::io("create", error).at(&path))?;
        Ok(Self { file, path, lines: Vec::new(), is_changed: false })
    }

    /// Appends a line, whole, and hands it to the system: its place.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(super) fn append(&mut self, line: Line) -> Result<usize> {
        let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        let at = |error| Error::io("write", error).at(&self.path);
        // One call for one line: whoever reads meanwhile sees whole lines.
        self.file.write_all(&text(&line).map_err(at)?).map_err(at)?;
        self.lines.push(line);
        Ok(self.lines.len() - 1)
    }

    /// The line at a place.
    pub(super) fn line(&self, place: usize) -> &Line {
        &self.lines[place]
    }

    /// Puts another line at the place of one; the file has it once it is [`Results::settle`]d.
    pub(super) fn replace(&mut self, place: usize, line: Line) {
        self.lines[place] = line;
        self.is_changed = true;
    }

    /// Changes the trial at a place; the file has it once it is [`Results::settle`]d.
    pub(super) fn change(&mut self, place: usize, change: impl FnOnce(&mut record::Trial)) {
        if let Some(Line::Trial(trial)) = self.lines.get_mut(place) {
            change(trial);
            self.is_changed = true;
        }
    }

    /// Notes that so many other runs were at work in the same folder just now.
    pub(super) fn seen(&mut self, others: usize) {
        if let Some(Line::Run(run)) = self.lines.first_mut()
            && others > run.other_runs.unwrap_or(0)
        {
            run.other_runs = Some(others);
            self.is_changed = true;
        }
    }

    /// Has the file hold the lines as they are now.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(super) fn settle(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.is_changed) {
            return Ok(());
        }
        self.rewrite()?;
        let file = File::options().append(true).open(&self.path);
        self.file = file.map_err(|error| Error::io("open", error).at(&self.path))?;
        Ok(())
    }

    /// The run is whole, and the machine's limits are now `after`: results of earlier runs go.
    ///
    /// # Errors
    /// Where the lines cannot be made durable or the old results cannot be removed.
    pub(super) fn finish(mut self, after: Option<Limits>) -> Result<Vec<Line>> {
        if let (Some(Line::Run(run)), Some(_)) = (self.lines.first_mut(), after) {
            run.limits_after = after;
            self.is_changed = true;
        }
        self.settle()?;
        self.file.sync_all().map_err(|error| Error::io("write", error).at(&self.path))?;
        super::tree::remove(&self.path.with_file_name(OLD))?;
        Ok(self.lines)
    }

    /// All lines once more, in a file that takes the place of the one before when it is whole and durable.
    fn rewrite(&self) -> Result<()> {
        let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        let at = |error| Error::io("write", error).at(&self.path);
        let mut file = NewFile::create(&self.path, Existing::Replace)?;
        for line in &self.lines {
            file.write_all(&text(line).map_err(at)?).map_err(at)?;
        }
        file.publish()
    }

    /// The run ends early: what there is. Where no trial has ended, everything is as it was before.
    ///
    /// # Errors
    /// Where that cannot be brought about.
    pub(super) fn abandon(mut self) -> Result<Vec<Line>> {
        self.settle()?;
        let Self { file, path, lines, .. } = self;
        drop(file);
        if !lines.iter().any(|line| matches!(line, Line::Trial(_))) {
            super::tree::remove(&path)?;
            let old = path.with_file_name(OLD);
            if old.exists() {
                fs::rename(&old, &path).map_err(|error| Error::io("move", error).at(&old))?;
            }
        }
        Ok(lines)
    }
}

/// A line as it lies in the file.
fn text(line: &Line) -> std::io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{run, trial};
    use super::*;

    fn line() -> Line {
        Line::Trial(Box::new(trial()))
    }

    fn count(path: &Path) -> usize {
        fs::read_to_string(path).unwrap().lines().count()
    }

    #[test]
    fn lines_are_there_as_soon_as_they_are_appended() {
        let folder = tempfile::tempdir().unwrap();
        let mut results = Results::create(folder.path(), Existing::Refuse).unwrap();
        for lines in 1..3 {
            results.append(line()).unwrap();
            assert_eq!(count(&folder.path().join(RESULTS)), lines);
        }
        assert_eq!(results.abandon().unwrap().len(), 2);
    }

    #[test]
    fn a_line_that_is_replaced_is_in_the_file_once_it_is_settled_and_lines_follow_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(RESULTS);
        let mut results = Results::create(folder.path(), Existing::Refuse).unwrap();
        let other = || Line::Trial(Box::new(record::Trial { bytes_requested: 1, ..trial() }));
        let place = results.append(line()).unwrap();
        results.append(line()).unwrap();
        results.replace(place, other());
        assert!(fs::read_to_string(&path).unwrap().matches("24000").count() == 2);
        results.settle().unwrap();
        results.append(line()).unwrap();
        assert_eq!((results.line(place), count(&path)), (&other(), 3));
        results.replace(2, other());
        let lines = results.abandon().unwrap();
        assert_eq!(lines, [other(), line(), other()]);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches("\"bytes_requested\":1,").count(), 2, "{text}");
    }

    #[test]
    fn older_results_go_only_when_the_new_ones_are_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join(RESULTS), folder.path().join(OLD));
        fs::write(&path, "1\n2\n3\n").unwrap();
        let error = Results::create(folder.path(), Existing::Refuse).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        for _ in 0..2 {
            let mut results = Results::create(folder.path(), Existing::Replace).unwrap();
            results.append(line()).unwrap();
            results.abandon().unwrap();
            assert_eq!((count(&path), count(&old)), (1, 3));
        }
        let mut results = Results::create(folder.path(), Existing::Replace).unwrap();
        results.append(line()).unwrap();
        results.append(line()).unwrap();
        results.finish(None).unwrap();
        assert_eq!((count(&path), old.exists()), (2, false));
        // What is known last is in the first line.
        let mut results = Results::create(folder.path(), Existing::Replace).unwrap();
        results.append(Line::Run(Box::new(run()))).unwrap();
        results.append(line()).unwrap();
        results.finish(Some(Limits::default())).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.lines().next().unwrap().contains("\"limits_after\""), "{text}");
        assert_eq!((count(&path), old.exists()), (2, false));
        // A run in which no trial ended leaves what was there.
        let results = Results::create(folder.path(), Existing::Replace).unwrap();
        results.abandon().unwrap();
        assert_eq!((count(&path), old.exists()), (2, false));
        fs::remove_file(&path).unwrap();
        Results::create(folder.path(), Existing::Refuse).unwrap().abandon().unwrap();
        assert!(!path.exists() && !old.exists());
    }
}
