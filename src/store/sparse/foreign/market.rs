//! Matrix Market: text, cut into lines and read on all cores.

use super::{Placing, PutEntries};
use crate::array::{Bits, Complex64};
use crate::error::{Error, ErrorKind, Result};
use crate::format::mtx::{self, Counts, Field, FieldValue, Form, Header, LineError, Symmetry};
use crate::store::{Context, join};
use crate::sys::{Advice, Device};

/// Bytes of text that a thread reads at a time, at most.
const PIECE_BYTES: u64 = 1 << 20;

/// The longest line of an entry that is read in any budget, as the format has it. Larger budgets read longer ones.
const LONGEST_LINE_BYTES: u64 = 1 << 10;

/// The least text that a thread reads at a time, but for a line that is longer.
const LEAST_PIECE_BYTES: u64 = 64;

/// Values of an array file that are given their places at a time.
const ARRAY_VALUES: usize = 64;

pub(super) fn read<W: Bits>(
    header: &Header,
    placing: Placing,
    device: &dyn Device,
    context: &Context,
    put: &mut PutEntries<'_, W>,
) -> Result<()> {
    match header.field {
        Field::Integer => read_as::<i64, W>(header, placing, device, context, put),
        Field::Unsigned => read_as::<u64, W>(header, placing, device, context, put),
        Field::Pattern | Field::Real => read_as::<f64, W>(header, placing, device, context, put),
        Field::Complex => read_as::<Complex64, W>(header, placing, device, context, put),
    }
}

/// What a thread makes of a piece of text.
#[derive(Debug)]
struct Piece<T> {
    keys: Vec<u64>,
    values: Vec<T>,
    read: Result<Counts, LineError>,
}

impl<T> Default for Piece<T> {
    fn default() -> Self {
        Self { keys: Vec::new(), values: Vec::new(), read: Ok(Counts::default()) }
    }
}

impl<T> Piece<T> {
    /// Makes room for what `bytes` of text may become: a vector that grows by itself may take twice that.
    fn make_room(&mut self, header: &Header, bytes: usize) {
        let lines = bytes / header.least_line_bytes() as usize + 1;
        match header.form {
            Form::Coordinate => {
                self.keys.reserve_exact(lines * entries_of_line(header));
                self.values.reserve_exact(lines * entries_of_line(header));
            }
            Form::Array => self.values.reserve_exact(lines),
        }
    }
}

fn read_as<T: FieldValue, W: Bits>(
    header: &Header,
    placing: Placing,
    device: &dyn Device,
    context: &Context,
    put: &mut PutEntries<'_, W>,
) -> Result<()> {
    let placing_bytes = match header.form {
        Form::Coordinate => 0,
        Form::Array => (ARRAY_VALUES * 2 * (size_of::<u64>() + size_of::<T>())) as u64,
    };
    let _placing = context.reserve(placing_bytes)?;
    let sizes = Sizes::new::<T>(header, context);
    let _memory = context.reserve(sizes.memory_bytes)?;
    let mut reader = Reader::<T>::new(header, placing, context, sizes);
    device.advise(Advice::Sequential);
    let mut at = header.data_offset;
    while at < device.len() {
        let end = device.len().min(at + sizes.batch_bytes() + LONGEST_LINE_BYTES);
        let mut used = 0;
        device.with(at..end, &mut |text| {
            used = reader.take(text, end == device.len(), put)? as u64;
            Ok(())
        })?;
        at += used;
        context.advance(used)?;
    }
    reader.finish(put)
}

/// How much text is read at a time.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    pieces: u64,
    piece_bytes: u64,
    /// What reading takes, text and entries.
    memory_bytes: u64,
}

impl Sizes {
    fn new<T>(header: &Header, context: &Context) -> Self {
        // Two pieces for each thread, and as many again whose entries are being placed meanwhile.
        let taken = 1 + 2 * bytes_per_byte::<T>(header);
        let share = context.available_bytes().saturating_sub(LONGEST_LINE_BYTES) / taken;
        let pieces = (2 * context.threads() as u64).clamp(1, (share / LONGEST_LINE_BYTES).max(1));
        let piece_bytes = (share / pieces).clamp(LEAST_PIECE_BYTES, PIECE_BYTES);
        let memory_bytes = LONGEST_LINE_BYTES + piece_bytes * pieces * taken;
        Self { pieces, piece_bytes, memory_bytes }
    }

    /// Bytes of lines that are read together, but for a line that is longer.
    fn batch_bytes(&self) -> u64 {
        self.pieces * self.piece_bytes
    }
}

/// Bytes of what a byte of text becomes, at most.
fn bytes_per_byte<T>(header: &Header) -> u64 {
    let line_bytes = match header.form {
        Form::Coordinate => entries_of_line(header) * (size_of::<u64>() + size_of::<T>()),
        Form::Array => size_of::<T>(),
    };
    (line_bytes as u64).div_ceil(header.least_line_bytes())
}

/// Entries that a line stands for, at most.
fn entries_of_line(header: &Header) -> usize {
    if header.symmetry == Symmetry::General { 1 } else { 2 }
}

/// What a stretch of text begins with.
enum Next {
    /// Lines that end in it, of so many bytes.
    Lines(usize),
    /// So many bytes that mean nothing: blanks before what counts, or a comment, which may go on behind them.
    Nothing { bytes: usize, in_comment: bool },
    /// A line that counts and does not end.
    TooLong,
}

/// What `text` begins with, which a comment reaches into or not: lines of `most` bytes, or one that is longer. The line's
/// end behind a comment is left: it ends a line like any other.
fn next(text: &[u8], most: usize, is_last: bool, in_comment: bool) -> Next {
    if in_comment {
        let end = text.iter().position(|&byte| byte == b'\n');
        return Next::Nothing { bytes: end.unwrap_or(text.len()), in_comment: end.is_none() };
    }
    let is_end = |&byte: &u8| byte == b'\n';
    let last = text[..text.len().min(most)].iter().rposition(is_end);
    match last.or_else(|| text.iter().position(is_end)) {
        _ if is_last && text.len() <= most => Next::Lines(text.len()),
        Some(end) => Next::Lines(end + 1),
        None if is_last => Next::Lines(text.len()),
        None => match mtx::skip_blanks(text) {
            [b'%', ..] => Next::Nothing { bytes: text.len(), in_comment: true },
            rest if rest.len() < text.len() => {
                Next::Nothing { bytes: text.len() - rest.len(), in_comment: false }
            }
            _ => Next::TooLong,
        },
    }
}

/// Text on its way to entries.
struct Reader<'r, T> {
    header: &'r Header,
    placing: Placing,
    context: &'r Context,
    sizes: Sizes,
    /// What is being read, and what was read before and is being placed.
    pieces: Vec<Piece<T>>,
    ready: Vec<Piece<T>>,
    lines: Lines<'r>,
    /// Whether a comment reaches into what comes next.
    in_comment: bool,
}

impl<'r, T: FieldValue> Reader<'r, T> {
    fn new(header: &'r Header, placing: Placing, context: &'r Context, sizes: Sizes) -> Self {
        let new_pieces = || (0..sizes.pieces).map(|_| Piece::default()).collect();
        let (pieces, ready) = (new_pieces(), new_pieces());
        let lines = Lines::new(header, placing);
        Self { header, placing, context, pieces, ready, lines, in_comment: false, sizes }
    }

    /// Takes what `text` begins with: how many bytes that was.
    fn take<W: Bits>(
        &mut self,
        text: &[u8],
        is_last: bool,
        put: &mut PutEntries<'_, W>,
    ) -> Result<usize> {
        match next(text, self.sizes.batch_bytes() as usize, is_last, self.in_comment) {
            Next::Lines(bytes) => self.read(&text[..bytes], put).map(|()| bytes),
            Next::Nothing { bytes, in_comment } => {
                self.in_comment = in_comment;
                Ok(bytes)
            }
            Next::TooLong => {
                // What came before counts.
                self.lines.place(&mut self.ready, put)?;
                let reason = format!("longer than the {} bytes that a line may have", text.len());
                Err(malformed(self.lines.line, &reason))
            }
        }
    }

    /// Reads whole lines, while what was read before is being placed.
    fn read<W: Bits>(&mut self, text: &[u8], put: &mut PutEntries<'_, W>) -> Result<()> {
        let Self { header, placing, context, sizes, pieces, ready, lines, .. } = self;
        let parts = cut(text, pieces.len());
        let mut placed = Ok(());
        let mut place = || placed = lines.place(ready, put);
        let mut read = || {
            let jobs: Vec<_> = parts.iter().copied().zip(&mut *pieces).collect();
            context.for_each(jobs, |_, (part, piece)| {
                piece.make_room(header, part.len().min(sizes.piece_bytes as usize));
                read_piece(header, *placing, part, piece);
            });
        };
        if text.len() as u64 > PIECE_BYTES / 2 {
            context.install(|| join(&mut place, &mut read));
        } else {
            place();
            read();
        }
        std::mem::swap(pieces, ready);
        placed
    }

    /// Places what was read last, and checks that nothing is missing.
    fn finish<W: Bits>(mut self, put: &mut PutEntries<'_, W>) -> Result<()> {
        self.lines.place(&mut self.ready, put)?;
        let (stated, promised) = (self.lines.stated, self.header.stated);
        if stated < promised {
            let reason =
                format!("truncated: holds {stated} of the {promised} that its header promises");
            return Err(Error::new(ErrorKind::Truncated, "read", reason));
        }
        Ok(())
    }
}

fn read_piece<T: FieldValue>(header: &Header, placing: Placing, text: &[u8], piece: &mut Piece<T>) {
    let Piece { keys, values, .. } = piece;
    piece.read = match header.form {
        Form::Coordinate => mtx::read_entries(header, text, &mut |row, col, value| {
            keys.push(placing.key(row, col));
            values.push(value);
        }),
        Form::Array => mtx::read_values(text, &mut |value| values.push(value)),
    };
}

/// What came so far.
struct Lines<'h> {
    header: &'h Header,
    /// The number of the next line.
    line: u64,
    stated: u64,
    array: ArrayPlace<'h>,
}

impl<'h> Lines<'h> {
    fn new(header: &'h Header, placing: Placing) -> Self {
        let mut array = ArrayPlace { header, placing, row: 0, col: 0 };
        array.skip_unstated();
        Self { header, line: header.data_line, stated: 0, array }
    }

    /// Hands the entries of `pieces` on, which come next.
    fn place<T: FieldValue, W: Bits>(
        &mut self,
        pieces: &mut [Piece<T>],
        put: &mut PutEntries<'_, W>,
    ) -> Result<()> {
        for piece in pieces {
            let counts = std::mem::replace(&mut piece.read, Ok(Counts::default()))
                .map_err(|LineError { line, reason }| malformed(self.line + line, reason))?;
            self.line += counts.lines;
            self.stated += counts.stated;
            if self.stated > self.header.stated {
                let reason =
                    format!("more than the {} that its header promises", self.header.stated);
                return Err(malformed(self.line - 1, &reason));
            }
            match self.header.form {
                Form::Coordinate => put(&piece.keys, bytemuck::cast_slice(&piece.values))?,
                Form::Array => self.array.place(&piece.values, put)?,
            }
            piece.keys.clear();
            piece.values.clear();
        }
        Ok(())
    }
}

/// The place of the next value of an array file.
struct ArrayPlace<'h> {
    header: &'h Header,
    placing: Placing,
    row: usize,
    col: usize,
}

impl ArrayPlace<'_> {
    /// Passes over what is not stated: the half above the diagonal.
    fn skip_unstated(&mut self) {
        self.row = match self.header.symmetry {
            Symmetry::General => 0,
            Symmetry::SkewSymmetric => self.col + 1,
            _ => self.col,
        };
    }

    /// Hands on the entries that `values` are and, above the diagonal, stand for. Zeros are left out.
    fn place<T: FieldValue, W: Bits>(
        &mut self,
        values: &[T],
        put: &mut PutEntries<'_, W>,
    ) -> Result<()> {
        let (mut keys, mut placed) = (Vec::new(), Vec::new());
        for part in values.chunks(ARRAY_VALUES) {
            for &value in part {
                let (row, col) = self.advance();
                if value.is_zero_bits() {
                    continue;
                }
                keys.push(self.placing.key(row, col));
                placed.push(value);
                let mirrored = mtx::mirrored(self.header.symmetry, value);
                if let Some(mirrored) = mirrored.filter(|_| row != col) {
                    keys.push(self.placing.key(col, row));
                    placed.push(mirrored);
                }
            }
            put(&keys, bytemuck::cast_slice(&placed))?;
            keys.clear();
            placed.clear();
        }
        Ok(())
    }

    /// The place of the next value.
    fn advance(&mut self) -> (usize, usize) {
        while self.row >= self.header.shape.rows && self.col < self.header.shape.cols {
            self.col += 1;
            self.skip_unstated();
        }
        self.row += 1;
        (self.row - 1, self.col)
    }
}

/// Cuts text into `count` pieces of whole lines, about equally long. Some may be empty.
fn cut(text: &[u8], count: usize) -> Vec<&[u8]> {
    let mut left = text;
    (0..count)
        .map(|k| {
            let about = left.len() / (count - k);
            let rest = left[about..].iter().position(|&byte| byte == b'\n');
            let (own, rest) = left.split_at(rest.map_or(left.len(), |end| about + end + 1));
            left = rest;
            own
        })
        .collect()
}

fn malformed(line: u64, reason: &str) -> Error {
    Error::new(ErrorKind::Malformed, "read", format!("line {line}: {reason}"))
}
