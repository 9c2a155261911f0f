//! Data in a format of a peer's own: the peer makes them from a dense file, and reads back what it filled.
//!
//! Owns these two conversations. Neither is timed, and neither process has a memory limit.

use std::path::{Path, PathBuf};

use super::config::Regime;
use super::entrant::{Entrant, Start};
use super::group::{Runner, absence, unready};
use super::matrix::Absent;
use super::process::TrialProcess;
use super::protocol::{Reply, Request};
use super::sample::{Entry, Stop, unexpected};
use super::verify::{Checker, Found};
use super::{regime, tree, values_path};
use crate::record::Status;
use crate::workload::Workload;

/// The file that a peer leaves its sums in, and beside it all values, when it reads back what it filled.
const READ_BACK: &str = "read-back";

impl Runner<'_> {
    /// The data in the format of `entrant`'s own, for `workload`: made when first wanted.
    pub(super) fn own_data(
        &mut self,
        entrant: Entrant<'_>,
        workload: Workload,
    ) -> Result<PathBuf, Stop> {
        let form = entrant.form();
        if let Some(made) = self.files.made(form) {
            return made.clone().map_err(Stop::from);
        }
        let path = self.files.path(form);
        match self.make(entrant, workload, &path) {
            Ok(()) => self.files.keep(form, Ok(path.clone())),
            Err(stop) => {
                tree::remove(&path)?;
                // What it does not do it may do for another workload. Whatever else went wrong may have taken long.
                if let Stop::Trial { status, reason, .. } = &stop
                    && *status != Status::Unsupported
                {
                    self.files.keep(form, Err(Absent { status: *status, reason: reason.clone() }));
                }
                return Err(stop);
            }
        }
        Ok(path)
    }

    /// Lets a peer make its data at `path`.
    fn make(&mut self, entrant: Entrant<'_>, workload: Workload, path: &Path) -> Result<(), Stop> {
        let source = self
            .files
            .file(self.scope.config.source().into(), self.context)?
            .map_err(Stop::from)?;
        self.observer.doing(&format!("{}, making its own data", entrant.name()));
        let process = self.unlimited(entrant, workload, path, Some(source))?;
        process.end();
        if tree::length(path).is_none() {
            return Err(Stop::failed("says that it is ready, and has made no file"));
        }
        Ok(())
    }

    /// Checks the data that `entry` filled, and the last column that it kept at `kept`: a new process of the same peer
    /// reads them, from the device.
    pub(super) fn read_back(&self, entry: &Entry, kept: &Path) -> Result<Found, Stop> {
        let entrant = Entrant::new(self.scope.config, entry.contender);
        let visit = entrant.visit().ok_or_else(|| Stop::failed("nothing reads it back"))?;
        let is_cold = regime::establish(Regime::Cold, &entry.path).is_ok();
        let answer = self.folder.file(READ_BACK);
        let layout = self.scope.values(entry.form, false);
        let layout = layout.ok_or_else(|| Stop::failed("its values are too many to be checked"))?;
        let silence = self.silence(visit, entry.form, Some(layout));
        let mut process = self.unlimited(entrant, visit, &entry.path, None)?;
        match process.ask(&Request::Go { go: 1 }, silence)? {
            Reply::Done(_) => {}
            other => return Err(unexpected(&other)),
        }
        let request =
            Request::Answer { answer: answer.clone(), values: true, sparse_values: false };
        match process.ask(&request, silence)? {
            Reply::Answered(true) => {}
            other => return Err(unexpected(&other)),
        }
        process.end();
        let values = values_path(&answer, layout);
        let checker = Checker { matrix: self.matrix, context: self.context };
        let mut found = checker.read_back(&values, kept)?;
        let name = entrant.name();
        let device = if is_cold { "" } else { ", from the page cache" };
        found.through = Some(format!("{name} in another process{device}"));
        tree::remove(&answer)?;
        tree::remove(&values)?;
        Ok(found)
    }

    /// A process of `entrant` that is ready for `workload` on the data at `path`, or has made them there from `make_from`.
    fn unlimited(
        &self,
        entrant: Entrant<'_>,
        workload: Workload,
        path: &Path,
        make_from: Option<PathBuf>,
    ) -> Result<TrialProcess, Stop> {
        let form = entrant.form();
        let data = self.matrix.record(form);
        let mut request =
            entrant.request(workload, Regime::Warm, self.matrix.shape, path, None, data);
        request.make_from = make_from;
        let mut process = entrant
            .start(Start::AtOnce, self.folder.path(), self.cancel)
            .map_err(|error| absence(entrant, error))?;
        // As long as a fill may take, of which this is one.
        let silence = self.silence(Workload::FillColumns, form, None);
        let request = Request::Trial { trial: Box::new(request) };
        let reply = process.ask(&request, silence);
        match reply.map_err(|error| unready(entrant, &process, error))? {
            Reply::Ready(_) => Ok(process),
            Reply::Unsupported(reason) => {
                Err(Stop::Trial { status: Status::Unsupported, reason, sample: None })
            }
            other => Err(unexpected(&other)),
        }
    }
}
