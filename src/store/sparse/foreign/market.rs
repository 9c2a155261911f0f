//! Matrix Market: text, cut into lines and read on all cores.

use super::{Placing, PutEntries};
use crate::array::{Bits, Complex64};
use crate::error::{Error, ErrorKind, Result};
use crate::format::mtx::{self, Counts, Field, FieldValue, Form, Header, LineError, Symmetry};
use crate::store::{Context, join};
use crate::sys::{Advice, Device};

/// Bytes of text that a thread reads at a time, at most.
const PIECE_BYTES: u64 = 1 << 20;

/// The longest line, as the format has it.
const LONGEST_LINE_BYTES: u64 = 1 << 10;

/// Bytes of what a byte of text becomes: the shortest line of an entry, `1 1 1`, becomes a key and a value.
const BYTES_PER_BYTE: u64 = 6;

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

fn read_as<T: FieldValue, W: Bits>(
    header: &Header,
    placing: Placing,
    device: &dyn Device,
    context: &Context,
    put: &mut PutEntries<'_, W>,
) -> Result<()> {
    // Two pieces for each thread, and as many again whose entries are being placed meanwhile.
    let share = context.available_bytes() / (1 + 2 * BYTES_PER_BYTE);
    let count = (2 * context.threads() as u64).clamp(1, (share / LONGEST_LINE_BYTES).max(1));
    let piece_bytes = (share / count).clamp(LONGEST_LINE_BYTES, PIECE_BYTES);
    let _memory = context.reserve(piece_bytes * count * (1 + 2 * BYTES_PER_BYTE))?;
    let batch_bytes = piece_bytes * count;
    let new_pieces = || (0..count).map(|_| Piece::<T>::default()).collect::<Vec<_>>();
    let (mut pieces, mut ready) = (new_pieces(), new_pieces());
    let mut lines = Lines::new(header, placing);
    device.advise(Advice::Sequential);
    let mut at = header.data_offset;
    while at < device.len() {
        let end = device.len().min(at + batch_bytes);
        let mut whole = 0;
        device.with(at..end, &mut |text| {
            whole = match text.iter().rposition(|&byte| byte == b'\n') {
                _ if end == device.len() => text.len(),
                Some(end) => end + 1,
                None => {
                    // What came before counts.
                    lines.place(&mut ready, put)?;
                    let reason =
                        format!("longer than the {} bytes that a line may have", text.len());
                    return Err(malformed(lines.line, &reason));
                }
            };
            let parts = cut(&text[..whole], pieces.len());
            let mut placed = Ok(());
            let mut place = || placed = lines.place(&mut ready, put);
            let mut read = || {
                let jobs: Vec<_> = parts.iter().copied().zip(&mut pieces).collect();
                context.for_each(jobs, |_, (part, piece)| read_piece(header, placing, part, piece));
            };
            if whole as u64 > PIECE_BYTES / 2 {
                context.install(|| join(&mut place, &mut read));
            } else {
                place();
                read();
            }
            placed
        })?;
        std::mem::swap(&mut pieces, &mut ready);
        at += whole as u64;
        context.advance(whole as u64)?;
    }
    lines.place(&mut ready, put)?;
    if lines.stated < header.stated {
        let Lines { stated, .. } = lines;
        let reason =
            format!("truncated: holds {stated} of the {} that its header promises", header.stated);
        return Err(Error::new(ErrorKind::Truncated, "read", reason));
    }
    Ok(())
}

fn read_piece<T: FieldValue>(header: &Header, placing: Placing, text: &[u8], piece: &mut Piece<T>) {
    let Piece { keys, values, .. } = piece;
    keys.clear();
    values.clear();
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
            if self.header.form == Form::Array {
                self.array.place(piece);
            }
            put(&piece.keys, bytemuck::cast_slice(&piece.values))?;
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

    /// Gives each value of `piece` its key, adds what it stands for above the diagonal, and leaves zeros out.
    fn place<T: FieldValue>(&mut self, piece: &mut Piece<T>) {
        let values = std::mem::take(&mut piece.values);
        for value in values {
            while self.row >= self.header.shape.rows && self.col < self.header.shape.cols {
                self.col += 1;
                self.skip_unstated();
            }
            let (row, col) = (self.row, self.col);
            self.row += 1;
            if value.is_zero_bits() {
                continue;
            }
            piece.keys.push(self.placing.key(row, col));
            piece.values.push(value);
            let mirrored = mtx::mirrored(self.header.symmetry, value).filter(|_| row != col);
            if let Some(mirrored) = mirrored {
                piece.keys.push(self.placing.key(col, row));
                piece.values.push(mirrored);
            }
        }
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
