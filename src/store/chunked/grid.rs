//! Where a matrix's cells lie in a grid of chunks. Pure: knows no bytes.

use crate::array::Picks;

/// A grid of equal blocks over an array of any number of axes, seen as a matrix: its first axis × all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grid {
    pub rows: usize,
    pub cols: usize,
    /// Rows of a chunk: those of its first axis.
    pub height: usize,
    /// Cells of a chunk's row: its other axes together.
    pub width: usize,
    /// Chunks of a band, which is a row of the grid.
    pub stripes: usize,
    /// The other axes.
    axes: Vec<Axis>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Axis {
    length: usize,
    chunk: usize,
    chunks: usize,
}

/// Columns that lie one behind the other, in a chunk and in what is selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// Which chunk of a band.
    pub stripe: usize,
    /// The first one's cell in a chunk's row.
    pub within: usize,
    /// Its place among the selected.
    pub at: usize,
    pub len: usize,
}

/// A selected row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    pub row: usize,
    /// Its place among the selected.
    pub at: usize,
}

impl Grid {
    /// Chunks of `chunk` over an array of `shape`.
    pub fn new(shape: &[usize], chunk: &[usize]) -> Self {
        let axis = |(&length, &chunk): (&usize, &usize)| Axis {
            length,
            chunk,
            chunks: length.div_ceil(chunk),
        };
        let mut axes: Vec<_> = shape.iter().zip(chunk).map(axis).collect();
        // A scalar is a matrix of one cell.
        let first =
            if axes.is_empty() { Axis { length: 1, chunk: 1, chunks: 1 } } else { axes.remove(0) };
        let product = |part: fn(&Axis) -> usize| axes.iter().map(part).product();
        Self {
            rows: first.length,
            cols: product(|axis| axis.length),
            height: first.chunk,
            width: product(|axis| axis.chunk),
            stripes: product(|axis| axis.chunks),
            axes,
        }
    }

    /// Which chunk of a band holds column `col`, and in which cell of each of its rows.
    fn column(&self, col: usize) -> (usize, usize) {
        let (mut rest, mut stripe, mut within) = (col, 0, 0);
        let (mut chunks, mut cells) = (1, 1);
        for axis in self.axes.iter().rev() {
            let at = rest % axis.length;
            rest /= axis.length;
            stripe += at / axis.chunk * chunks;
            within += at % axis.chunk * cells;
            chunks *= axis.chunks;
            cells *= axis.chunk;
        }
        (stripe, within)
    }

    /// The selected columns by the chunks that hold them.
    pub fn runs(&self, cols: &Picks<'_>) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for (at, col) in cols.iter().enumerate() {
            let (stripe, within) = self.column(col);
            match runs.last_mut() {
                Some(run) if run.stripe == stripe && run.within + run.len == within => run.len += 1,
                _ => runs.push(Run { stripe, within, at, len: 1 }),
            }
        }
        runs.sort_by_key(|run| run.stripe);
        runs
    }

    /// How many runs `count` columns make at most: neighbours, or others.
    pub fn most_runs(&self, count: usize, are_neighbours: bool) -> usize {
        match self.axes.last() {
            // Each row of the last axis is cut by its chunks.
            Some(axis) if are_neighbours => {
                (count / axis.length.max(1) + 2).saturating_mul(axis.chunks).min(count)
            }
            _ => count,
        }
    }

    /// The selected rows from the first to the last.
    pub fn lines(&self, rows: &Picks<'_>) -> Vec<Line> {
        let mut lines: Vec<_> = rows.iter().enumerate().map(|(at, row)| Line { row, at }).collect();
        lines.sort_by_key(|line| line.row);
        lines
    }

    /// How often each chunk is decoded where `rows` rows are shown at a time, from the first on.
    pub fn passes_by_rows(&self, rows: usize) -> u64 {
        passes(self.height, rows)
    }

    /// The same of columns.
    pub fn passes_by_columns(&self, cols: usize) -> u64 {
        // Where several axes make up the columns, those of a chunk do not lie together.
        let inner = self.axes.last().map_or(1, |axis| axis.chunk);
        let outer = (self.width / inner.max(1)).max(1);
        passes(inner, cols).saturating_mul(outer as u64).min(self.cols.div_ceil(cols.max(1)) as u64)
    }

    /// `rows`, or as many fewer as make whole chunks.
    pub fn whole_rows(&self, rows: usize) -> usize {
        whole(self.height, rows)
    }

    /// The same of columns.
    pub fn whole_columns(&self, cols: usize) -> usize {
        whole(self.axes.last().map_or(1, |axis| axis.chunk), cols)
    }
}

fn whole(chunk: usize, lines: usize) -> usize {
    if lines > chunk { lines - lines % chunk } else { lines.max(1) }
}

/// How many groups of `lines` a chunk of `chunk` is met in at most.
fn passes(chunk: usize, lines: usize) -> u64 {
    if lines.is_multiple_of(chunk) { 1 } else { chunk.div_ceil(lines.max(1)) as u64 + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_lie_where_their_axes_say() {
        let grid = Grid::new(&[10, 4, 6], &[3, 2, 4]);
        assert_eq!(
            (grid.rows, grid.cols, grid.height, grid.width, grid.stripes),
            (10, 24, 3, 8, 4)
        );
        // Column 15 is [2, 3]: chunk (1, 0), cell (0, 3); column 17 is [2, 5]: chunk (1, 1), cell (0, 1).
        assert_eq!(grid.column(15), (2, 3));
        assert_eq!(grid.column(17), (3, 1));
        let runs = grid.runs(&Picks::Range { start: 0, step: 1, count: 24 });
        assert_eq!(runs.iter().map(|run| run.len).sum::<usize>(), 24);
        assert_eq!(runs[0], Run { stripe: 0, within: 0, at: 0, len: 4 });
        assert_eq!(runs[1], Run { stripe: 0, within: 4, at: 6, len: 4 });
    }

    #[test]
    fn lists_keep_the_place_of_each() {
        let grid = Grid::new(&[10, 6], &[4, 4]);
        let lines = grid.lines(&Picks::List(&[7, 2, 7]));
        assert_eq!(
            lines.iter().map(|line| (line.row, line.at)).collect::<Vec<_>>(),
            [(2, 1), (7, 0), (7, 2)]
        );
        let runs = grid.runs(&Picks::List(&[5, 0, 1]));
        let told: Vec<_> =
            runs.iter().map(|run| (run.stripe, run.within, run.at, run.len)).collect();
        assert_eq!(told, [(0, 0, 1, 2), (1, 1, 0, 1)]);
    }

    #[test]
    fn scalars_and_vectors_are_matrices_too() {
        let scalar = Grid::new(&[], &[]);
        assert_eq!((scalar.rows, scalar.cols, scalar.width, scalar.stripes), (1, 1, 1, 1));
        let vector = Grid::new(&[10], &[4]);
        assert_eq!((vector.rows, vector.cols, vector.height, vector.width), (10, 1, 4, 1));
    }

    #[test]
    fn whole_chunks_are_met_once() {
        let grid = Grid::new(&[100, 100], &[10, 20]);
        assert_eq!((grid.whole_rows(35), grid.whole_rows(7), grid.whole_rows(0)), (30, 7, 1));
        assert_eq!((grid.passes_by_rows(30), grid.passes_by_rows(7)), (1, 3));
        assert_eq!((grid.passes_by_columns(40), grid.passes_by_columns(1)), (1, 21));
    }
}
