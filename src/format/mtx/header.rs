//! The banner and the sizes.

use std::io::{BufRead, Read};

use super::error::MtxError;
use crate::array::{DType, Shape};
use crate::error::{Error, Result};

/// The longest banner, or line of sizes. The specification has 1024.
const MAX_LINE_BYTES: u64 = 4096;

/// How values are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// An entry in each line: its row, its column, its value.
    Coordinate,
    /// Every value, column by column.
    Array,
}

/// What values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// None is stated: each entry is 1.
    Pattern,
    /// Integers of 64 bits.
    Integer,
    /// Integers of 64 bits, not negative.
    Unsigned,
    /// Real numbers.
    Real,
    /// Complex numbers: two reals.
    Complex,
}

impl Field {
    /// The element type that its values are read as, which is SciPy's choice.
    pub fn dtype(self) -> DType {
        match self {
            Self::Integer => DType::I64,
            Self::Unsigned => DType::U64,
            Self::Pattern | Self::Real => DType::F64,
            Self::Complex => DType::Complex128,
        }
    }

    /// The field that values of `dtype` are written as.
    pub fn of(dtype: DType) -> Self {
        match dtype {
            DType::Bool | DType::I8 | DType::I16 | DType::I32 | DType::I64 => Self::Integer,
            DType::U8 | DType::U16 | DType::U32 => Self::Integer,
            DType::U64 => Self::Unsigned,
            DType::F16 | DType::F32 | DType::F64 => Self::Real,
            DType::Complex64 | DType::Complex128 => Self::Complex,
        }
    }

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pattern => "pattern",
            Self::Integer => "integer",
            Self::Unsigned => "unsigned-integer",
            Self::Real => "real",
            Self::Complex => "complex",
        }
    }
}

/// What the half above the diagonal is, where it is not stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Symmetry {
    /// All values are stated.
    General,
    /// The same as below.
    Symmetric,
    /// What is below, with the other sign.
    SkewSymmetric,
    /// What is below, conjugated.
    Hermitian,
}

impl Symmetry {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::General => "general",
            Self::Symmetric => "symmetric",
            Self::SkewSymmetric => "skew-symmetric",
            Self::Hermitian => "hermitian",
        }
    }
}

/// What a Matrix Market file holds, and where its values begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// How values are listed.
    pub form: Form,
    /// What they are.
    pub field: Field,
    /// Which of them are stated.
    pub symmetry: Symmetry,
    /// Rows and columns.
    pub shape: Shape,
    /// Entries, or values, that are stated.
    pub stated: u64,
    /// Where the first of them begins, in bytes from the file's begin.
    pub data_offset: u64,
    /// The line in which it is; the first line is 1.
    pub data_line: u64,
}

impl Header {
    /// The most entries that the matrix can have: those above the diagonal too.
    pub fn most_entries(&self) -> u64 {
        match self.symmetry {
            Symmetry::General => self.stated,
            _ => self.stated.saturating_mul(2),
        }
    }
}

/// Reads what the file of `file_bytes` behind `reader` holds. Takes a few kilobytes of memory, however long a comment
/// is.
///
/// # Errors
/// [`crate::ErrorKind::Malformed`] where it is no Matrix Market file, or its sizes make no matrix;
/// [`crate::ErrorKind::Truncated`] where the file is too short to hold what they promise; what reading fails with.
pub fn read_header(reader: &mut impl BufRead, file_bytes: u64) -> Result<Header> {
    let mut line = Vec::new();
    let mut end = read_line(reader, &mut line)?;
    let (form, field, symmetry) = banner(&line)?;
    let mut number = 2;
    loop {
        let bytes = read_line(reader, &mut line)?;
        if bytes == 0 {
            return Err(MtxError::NoSizes.into());
        }
        end += bytes;
        let text = line.trim_ascii();
        if !text.is_empty() && text[0] != b'%' {
            break;
        }
        number += 1;
    }
    if line.len() as u64 == MAX_LINE_BYTES && !line.ends_with(b"\n") {
        return Err(MtxError::Long(number).into());
    }
    let (shape, stated) = sizes(&line, number, form, symmetry)?;
    let header =
        Header { form, field, symmetry, shape, stated, data_offset: end, data_line: number + 1 };
    header.check_length(file_bytes)?;
    Ok(header)
}

/// Reads a line, of which `line` gets the begin, without the blanks before it: how many bytes it is long.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> Result<u64> {
    line.clear();
    let mut bytes = skip(reader, |byte| matches!(byte, b' ' | b'\t' | b'\r'))?;
    reader.take(MAX_LINE_BYTES).read_until(b'\n', line).map_err(failed)?;
    bytes += line.len() as u64;
    if line.len() as u64 == MAX_LINE_BYTES && !line.ends_with(b"\n") {
        // The rest of it is skipped: comments may be of any length.
        bytes += skip(reader, |byte| byte != b'\n')?;
        bytes += reader.take(1).read_until(b'\n', &mut Vec::new()).map_err(failed)? as u64;
    }
    Ok(bytes)
}

/// Skips bytes that are of this kind: how many they are.
fn skip(reader: &mut impl BufRead, is_skipped: impl Fn(u8) -> bool) -> Result<u64> {
    let mut bytes = 0;
    loop {
        let buffer = reader.fill_buf().map_err(failed)?;
        let rest = buffer.iter().position(|&byte| !is_skipped(byte));
        let skipped = rest.unwrap_or(buffer.len());
        let is_end = rest.is_some() || buffer.is_empty();
        reader.consume(skipped);
        bytes += skipped as u64;
        if is_end {
            return Ok(bytes);
        }
    }
}

fn failed(source: std::io::Error) -> Error {
    match source.downcast::<Error>() {
        Ok(error) => error,
        Err(source) => Error::io("read header", source),
    }
}

fn banner(line: &[u8]) -> Result<(Form, Field, Symmetry), MtxError> {
    // As SciPy has it, with one percent sign or two, and with words behind those that count.
    let is_banner = |word: &[u8]| {
        let name = word.strip_prefix(b"%").map(|name| name.strip_prefix(b"%").unwrap_or(name));
        name.is_some_and(|name| name.eq_ignore_ascii_case(b"MatrixMarket"))
    };
    if !line.split(u8::is_ascii_whitespace).next().is_some_and(is_banner) {
        return Err(MtxError::Banner(MtxError::shown(&line[..line.len().min(20)])));
    }
    let line = String::from_utf8_lossy(line).to_ascii_lowercase();
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [_, object, form, field, symmetry, ..] = words[..] else {
        return Err(MtxError::Words(words.len()));
    };
    let unknown = |what, word: &str, allowed| MtxError::Word {
        what,
        word: MtxError::shown(word.as_bytes()),
        allowed,
    };
    if object != "matrix" {
        return Err(unknown("object", object, "matrix is read"));
    }
    let form = match form {
        "coordinate" => Form::Coordinate,
        "array" => Form::Array,
        _ => return Err(unknown("format", form, "coordinate, array")),
    };
    let field = match field {
        "pattern" => Field::Pattern,
        "integer" => Field::Integer,
        "unsigned-integer" => Field::Unsigned,
        "real" | "double" => Field::Real,
        "complex" => Field::Complex,
        _ => {
            return Err(unknown(
                "field",
                field,
                "real, integer, unsigned-integer, complex, pattern",
            ));
        }
    };
    let symmetry = match symmetry {
        "general" => Symmetry::General,
        "symmetric" => Symmetry::Symmetric,
        "skew-symmetric" => Symmetry::SkewSymmetric,
        "hermitian" => Symmetry::Hermitian,
        _ => {
            let allowed = "general, symmetric, skew-symmetric, hermitian";
            return Err(unknown("symmetry", symmetry, allowed));
        }
    };
    match (form, field, symmetry) {
        (Form::Array, Field::Pattern, _) => {
            Err(MtxError::Combination("an array has values, it cannot be a pattern"))
        }
        (_, Field::Unsigned, Symmetry::SkewSymmetric) => {
            Err(MtxError::Combination("unsigned integers have no other sign"))
        }
        _ => Ok((form, field, symmetry)),
    }
}

/// The shape, and how many entries or values are stated.
fn sizes(
    line: &[u8],
    number: u64,
    form: Form,
    symmetry: Symmetry,
) -> Result<(Shape, u64), MtxError> {
    let needs = match form {
        Form::Coordinate => "rows, columns and entries",
        Form::Array => "rows and columns",
    };
    let misfit = || MtxError::Sizes { line: number, needs, text: MtxError::shown(line) };
    let text = std::str::from_utf8(line).map_err(|_| misfit())?;
    let sizes: Result<Vec<u64>, _> = text.split_ascii_whitespace().map(str::parse).collect();
    let sizes = sizes.map_err(|_| misfit())?;
    let (rows, cols, stated) = match (form, &sizes[..]) {
        (Form::Coordinate, &[rows, cols, stated]) => (rows, cols, Some(stated)),
        (Form::Array, &[rows, cols]) => (rows, cols, None),
        _ => return Err(misfit()),
    };
    let length =
        |value: u64| i64::try_from(value).ok().and_then(|value| usize::try_from(value).ok());
    let (Some(rows), Some(cols)) = (length(rows), length(cols)) else { return Err(misfit()) };
    if symmetry != Symmetry::General && rows != cols {
        let symmetry = symmetry.name();
        return Err(MtxError::NotSquare { line: number, symmetry, rows, cols });
    }
    let all = (rows as u64).checked_mul(cols as u64);
    let stated = match (stated, symmetry) {
        (Some(stated), _) => Some(stated),
        (None, Symmetry::General) => all,
        (None, Symmetry::SkewSymmetric) => all.map(|all| (all - rows as u64) / 2),
        (None, _) => all.map(|all| (all - rows as u64) / 2 + rows as u64),
    };
    Ok((Shape::new(rows, cols), stated.ok_or_else(misfit)?))
}

impl Header {
    /// Bytes of the shortest line of an entry or a value: each number is a digit at least, and something that keeps it
    /// from the next one.
    pub fn least_line_bytes(&self) -> u64 {
        let numbers = match (self.form, self.field) {
            (Form::Coordinate, Field::Pattern) => 2,
            (Form::Coordinate, Field::Complex) => 4,
            (Form::Coordinate, _) => 3,
            (Form::Array, Field::Complex) => 2,
            (Form::Array, _) => 1,
        };
        2 * numbers
    }

    /// Checks that what follows can hold what is promised: so much need not be allocated to find out.
    fn check_length(&self, file_bytes: u64) -> Result<(), MtxError> {
        let bytes = file_bytes.saturating_sub(self.data_offset);
        // The last line may end without its end.
        if self.stated.checked_mul(self.least_line_bytes()).is_some_and(|least| least <= bytes + 1)
        {
            return Ok(());
        }
        let what = if self.form == Form::Coordinate { "entries" } else { "values" };
        let stated = format!("{} {what}", self.stated);
        Err(MtxError::Promise { line: self.data_line - 1, stated, bytes })
    }
}
