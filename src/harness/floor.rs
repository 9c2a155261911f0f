//! The least time in which a machine of known limits could do a workload: what must move, over how fast it can.
//!
//! Owns which bytes those are. A bound, not a prediction: nobody who returns the right answer in this regime moves less, but
//! for what a compressed file happens to hold where, which is taken as spread evenly.

use super::Form;
use super::config::Regime;
use crate::array::{Compression, DType, Order, Picks, Shape};
use crate::record::Limits;
use crate::store::Layout;
use crate::workload::{AnswerKind, Choice, Workload};

const PAGE_BYTES: u64 = 4 << 10;

/// What memory moves at once.
const CACHE_LINE_BYTES: u64 = 64;

/// A bound, and how it comes about.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Floor {
    pub seconds: f64,
    pub formula: String,
}

impl Floor {
    /// The same where so much of it was done while the clock stood.
    fn without(self, stood_seconds: f64) -> Self {
        if stood_seconds <= 0.0 {
            return self;
        }
        Self {
            seconds: (self.seconds - stood_seconds).max(0.0),
            formula: format!("{} − {stood_seconds:.3} s for which the clock stood", self.formula),
        }
    }
}

/// A workload on a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task {
    pub workload: Workload,
    pub regime: Regime,
    pub form: Form,
    pub shape: Shape,
    pub dtype: DType,
    pub density: f64,
    pub file_bytes: u64,
    /// For how long its clock stood, in the middle: the disk goes on writing then.
    pub stood_seconds: f64,
    /// Which cells it asks for.
    pub choice: Choice,
}

/// Pieces of a file that are touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Touched {
    pieces: u64,
    /// How many runs of neighbours they are, at least.
    runs: u64,
    /// Pieces from the first to the last of them, at least.
    span: u64,
}

impl Touched {
    /// Pieces that follow one another.
    fn run(pieces: u64) -> Self {
        Self { pieces, runs: 1, span: pieces }
    }
}

impl Task {
    /// The bound within `limits`; none where what it takes was not measured.
    pub(super) fn floor(&self, limits: &Limits) -> Option<Floor> {
        if self.workload.answer() == AnswerKind::File {
            let rate = limits.write_sync_bytes_per_second?;
            let floor = over(self.file_bytes, "written", rate, "writing and syncing")?;
            let written = floor.without(self.stood_seconds);
            // While the clock stands the disk works; but all of it passes through memory once while it does not.
            let copied = limits.memory_read_bytes_per_second;
            let copied =
                copied.and_then(|rate| over(self.file_bytes, "copied", rate, "reading memory"));
            return Some(match copied {
                Some(copied) if copied.seconds > written.seconds => copied,
                _ => written,
            });
        }
        match self.regime {
            Regime::Warm => {
                let bytes = self.touched(CACHE_LINE_BYTES).pieces * CACHE_LINE_BYTES;
                let bytes = bytes.min(self.file_bytes);
                over(bytes, "touched", limits.memory_read_bytes_per_second?, "reading memory")
            }
            Regime::Cold | Regime::Limited { .. } => self.of_device(limits),
        }
    }

    /// What is read of the device: run by run, as many at once as it takes, or all from the first to the last of them in one
    /// go.
    fn of_device(&self, limits: &Limits) -> Option<Floor> {
        let (rate, how) = (limits.cold_read_bytes_per_second?, "reading cold");
        let Touched { pieces, runs, span } = self.touched(PAGE_BYTES);
        let bytes = |pieces: u64| (pieces * PAGE_BYTES).min(self.file_bytes);
        let at_once = over(bytes(span), "in one run", rate, how)?;
        // Who reads with many in flight does no worse than who waits for each.
        let depths =
            [limits.random_reads_per_second_depth_32, limits.random_reads_per_second_depth_1];
        let reads = depths.into_iter().flatten().filter(|rate| *rate > 0.0);
        let Some(reads) = reads.max_by(f64::total_cmp) else { return Some(at_once) };
        let formula = format!("{runs} runs ÷ {reads:.0} random reads a second");
        let apart = Floor { seconds: runs as f64 / reads, formula };
        let moved = over(bytes(pieces), "in pages", rate, how)?;
        // Whichever of the two it is that takes longer.
        let apart = if moved.seconds > apart.seconds { moved } else { apart };
        Some(if runs > 1 && apart.seconds < at_once.seconds { apart } else { at_once })
    }

    /// The pieces of so many bytes that are touched.
    fn touched(&self, piece: u64) -> Touched {
        let all = Touched::run(self.file_bytes.div_ceil(piece));
        let Some(selection) = self.workload.selection(self.shape, self.choice) else { return all };
        let Ok((rows, cols)) = selection.resolve(self.shape) else { return all };
        let Some(layout) = self.form.layout() else {
            return Touched::run(self.own_share(&all, rows.len(), cols.len()));
        };
        let found = match layout {
            Layout::Dense(Order::C) => self.dense(rows, cols, self.shape.cols, piece),
            Layout::Dense(Order::Fortran) => self.dense(cols, rows, self.shape.rows, piece),
            Layout::Sparse(Compression::Csr) => self.sparse(rows, cols, self.shape, piece),
            Layout::Sparse(Compression::Csc) => {
                let turned = Shape::new(self.shape.cols, self.shape.rows);
                self.sparse(cols, rows, turned, piece)
            }
        };
        let (pieces, span) = (found.pieces.min(all.pieces), found.span.min(all.pieces));
        Touched { pieces, span, runs: found.runs.min(pieces) }
    }

    /// Of a format that is not known: the cells' share of all pieces, in whatever way they lie best for that.
    fn own_share(&self, all: &Touched, rows: usize, cols: usize) -> u64 {
        let cells = self.shape.rows as f64 * self.shape.cols as f64;
        let share = rows as f64 * cols as f64 / cells.max(1.0);
        (all.pieces as f64 * share).ceil().min(all.pieces as f64) as u64
    }

    /// Of lines of `length` elements: positions of whole lines are one run.
    fn dense(&self, lines: Picks<'_>, positions: Picks<'_>, length: usize, piece: u64) -> Touched {
        let item = self.dtype.item_size() as u64;
        let span = positions.span();
        let mut touched = Vec::with_capacity(lines.len());
        for line in lines.iter() {
            let begin = (line * length + span.start) as u64 * item;
            let end = (line * length + span.end) as u64 * item;
            if end > begin {
                touched.push((begin / piece, (end - 1) / piece));
            }
        }
        touched.sort_unstable();
        let begin = touched.first().map(|(first, _)| *first);
        // Rising, and those that meet counted once.
        let (mut pieces, mut runs, mut next) = (0, 0, None::<u64>);
        for (first, last) in touched {
            let begin = next.map_or(first, |next| first.max(next));
            runs += u64::from(next != Some(begin));
            pieces += (last + 1).saturating_sub(begin);
            next = Some(next.map_or(last + 1, |next| next.max(last + 1)));
        }
        let span = next.unwrap_or(0) - begin.unwrap_or(0);
        Touched { pieces, runs, span }
    }

    /// Of compressed lines, `shape.rows` of them, whose entries are spread evenly.
    fn sparse(&self, lines: Picks<'_>, positions: Picks<'_>, shape: Shape, piece: u64) -> Touched {
        let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
        let line_pieces = self.file_bytes as f64 / shape.rows.max(1) as f64 / piece as f64;
        let pieces_of = |lines: usize| (line_pieces * lines as f64).ceil();
        let pieces = pieces_of(lines.len());
        let span = pieces_of(lines.span().len()) as u64;
        let is_run = lines.as_run().is_some();
        if positions.len() == shape.cols {
            let runs = if is_run { 1.0 } else { lines.len() as f64 };
            return Touched { pieces: pieces.max(runs) as u64, runs: runs as u64, span };
        }
        // At least the pieces that the entries which are asked for are in; where lines are short, several are in one.
        let cells = lines.len() as f64 * shape.cols as f64;
        let entries = cells * self.density * share(positions.len(), shape.cols);
        let touched = entries.min(pieces).ceil();
        let is_dense = line_pieces < 1.0 && is_run;
        let runs = if is_dense { 1.0 } else { touched.min(lines.len() as f64) };
        Touched { pieces: touched as u64, runs: runs as u64, span }
    }
}

/// What the machine showed that it can do, in whichever of two measurements it did better: a bound is not loosened by a moment at
/// which the machine, or its host, was busy.
pub(super) fn best_of(one: &Limits, other: &Limits) -> Limits {
    let most = |limit: fn(&Limits) -> Option<f64>| {
        let known = [limit(one), limit(other)].into_iter().flatten();
        known.max_by(f64::total_cmp)
    };
    let page_faults = [one.page_fault_seconds, other.page_fault_seconds].into_iter().flatten();
    Limits {
        memcpy_bytes_per_second: most(|it| it.memcpy_bytes_per_second),
        memory_read_bytes_per_second: most(|it| it.memory_read_bytes_per_second),
        write_sync_bytes_per_second: most(|it| it.write_sync_bytes_per_second),
        cold_read_bytes_per_second: most(|it| it.cold_read_bytes_per_second),
        random_reads_per_second_depth_1: most(|it| it.random_reads_per_second_depth_1),
        random_reads_per_second_depth_32: most(|it| it.random_reads_per_second_depth_32),
        page_fault_seconds: page_faults.min_by(f64::total_cmp),
    }
}

fn over(bytes: u64, what: &str, rate: f64, how: &str) -> Option<Floor> {
    let formula = format!("{bytes} B {what} ÷ {rate:.0} B/s {how}");
    (rate > 0.0).then(|| Floor { seconds: bytes as f64 / rate, formula })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        memcpy_bytes_per_second: Some(8e9),
        memory_read_bytes_per_second: Some(1e10),
        write_sync_bytes_per_second: Some(4e8),
        cold_read_bytes_per_second: Some(1e9),
        random_reads_per_second_depth_1: Some(1e4),
        random_reads_per_second_depth_32: Some(1e5),
        page_fault_seconds: None,
    };

    fn task(workload: Workload, regime: Regime, form: impl Into<Form>) -> Task {
        let form = form.into();
        let shape = Shape::new(1_000_000, 100);
        let (density, file_bytes) =
            if form.is_sparse() { (0.01, 8_000_000) } else { (1.0, 400_000_000) };
        Task {
            workload,
            regime,
            form,
            shape,
            dtype: DType::F32,
            density,
            file_bytes,
            stood_seconds: 0.0,
            choice: 1.into(),
        }
    }

    fn seconds(workload: Workload, regime: Regime, form: impl Into<Form>) -> f64 {
        task(workload, regime, form).floor(&LIMITS).unwrap().seconds
    }

    const C: Layout = Layout::Dense(Order::C);
    const F: Layout = Layout::Dense(Order::Fortran);
    const CSC: Layout = Layout::Sparse(Compression::Csc);

    #[test]
    fn what_must_move_goes_over_how_fast_it_can() {
        let about = |found: f64, expected: f64| {
            assert!((found / expected - 1.0).abs() < 0.02, "{found} where {expected} is right");
        };
        about(seconds(Workload::FillColumns, Regime::Warm, C), 1.0);
        about(seconds(Workload::Scan, Regime::Cold, C), 0.4);
        about(seconds(Workload::Scan, Regime::Warm, C), 0.04);
        about(seconds(Workload::Scan, Regime::Limited { bytes: 100 << 20 }, CSC), 0.008);
        // A column of rows: every page, in one go; of columns: 4 MB that lie together.
        about(seconds(Workload::ExtractColumn, Regime::Cold, C), 0.4);
        about(seconds(Workload::ExtractColumn, Regime::Cold, F), 0.004);
        about(seconds(Workload::ExtractColumn, Regime::Cold, CSC), 20.0 * 4096.0 / 1e9);
        // Of who knows how: what is asked for.
        about(seconds(Workload::ExtractColumn, Regime::Cold, Form::Own { peer: 0 }), 0.004);
        // In memory a line of the cache for each row.
        about(seconds(Workload::ExtractColumn, Regime::Warm, C), 64e6 / 1e10);
        // A quarter of the rows' middle quarter: compressed rows are short, and lie together.
        let csr = Layout::Sparse(Compression::Csr);
        about(seconds(Workload::ExtractBlock, Regime::Cold, csr), 2e6 / 1e9);
        // 1000 rows or more in pages of their own.
        let rows = task(Workload::ExtractRows, Regime::Cold, C);
        let found = rows.floor(&LIMITS).unwrap();
        let selection = rows.workload.selection(rows.shape, 1).unwrap();
        let count = selection.shape(rows.shape).unwrap().rows as f64;
        assert!(found.seconds >= 0.95 * count / 1e5 && found.seconds < 1.3 * count / 1e5);
        assert!(found.formula.contains("random reads a second"), "{}", found.formula);
    }

    #[test]
    fn what_the_disk_does_while_the_clock_stands_is_not_in_the_bound() {
        let stood =
            |stood_seconds| Task { stood_seconds, ..task(Workload::FillColumns, Regime::Warm, C) };
        let found = stood(0.4).floor(&LIMITS).unwrap();
        assert!((found.seconds - 0.6).abs() < 1e-9, "{found:?}");
        assert!(found.formula.ends_with("− 0.400 s for which the clock stood"), "{found:?}");
        // All of it passes through memory all the same.
        let found = stood(5.0).floor(&LIMITS).unwrap();
        assert!(found.seconds > 0.0 && found.formula.contains("copied"), "{found:?}");
    }

    #[test]
    fn without_a_limit_there_is_no_bound() {
        let task = task(Workload::Scan, Regime::Cold, C);
        assert_eq!(task.floor(&Limits::default()), None);
        let limits = Limits { cold_read_bytes_per_second: Some(0.0), ..LIMITS };
        assert_eq!(task.floor(&limits), None);
    }

    #[test]
    fn the_better_of_two_measurements_bounds() {
        let slow = Limits {
            random_reads_per_second_depth_32: Some(10.0),
            page_fault_seconds: Some(1.0),
            ..LIMITS
        };
        for best in [best_of(&slow, &LIMITS), best_of(&LIMITS, &slow)] {
            assert_eq!(best, Limits { page_fault_seconds: Some(1.0), ..LIMITS });
        }
        assert_eq!(best_of(&LIMITS, &Limits::default()), LIMITS);
    }

    #[test]
    fn formulas_say_what_goes_over_what() {
        let found = task(Workload::Scan, Regime::Cold, C).floor(&LIMITS).unwrap();
        assert_eq!(found.formula, "400000000 B in one run ÷ 1000000000 B/s reading cold");
    }
}
