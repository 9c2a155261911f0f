use proptest::prelude::*;

use super::*;
use crate::array::{Complex64, DType, Number, Shape};
use crate::error::{ErrorKind, Result};

fn header(text: &str) -> Result<Header> {
    read_header(&mut text.as_bytes(), text.len() as u64)
}

/// What a coordinate file holds, by the same means as a store.
fn entries<T: FieldValue>(text: &str) -> Result<Vec<(usize, usize, T)>, LineError> {
    // However short the body is: what is wrong with it is to be told by its line.
    let header = read_header(&mut text.as_bytes(), u64::MAX).unwrap();
    let mut entries = Vec::new();
    let body = &text.as_bytes()[header.data_offset as usize..];
    read_entries(&header, body, &mut |row, col, value| entries.push((row, col, value)))?;
    Ok(entries)
}

fn coordinate(words: &str, body: &str) -> String {
    let stated = body.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit())).count();
    format!("%%MatrixMarket matrix coordinate {words}\n%comment\n\n3 3 {stated}\n{body}")
}

#[test]
fn headers_of_every_kind_are_read() {
    let text =
        "%%MatrixMarket matrix coordinate real general\n% a comment\n\n 30 4 2 \n1 1 1\n2 2 2\n";
    let found = header(text).unwrap();
    assert_eq!((found.form, found.field), (Form::Coordinate, Field::Real));
    assert_eq!((found.shape, found.stated), (Shape::new(30, 4), 2));
    assert_eq!(&text[found.data_offset as usize..], "1 1 1\n2 2 2\n");
    assert_eq!(found.data_line, 5);

    let text = "%%matrixmarket MATRIX Array Complex Hermitian\r\n2 2\r\n1 0\r\n2 0\r\n3 0";
    let found = header(text).unwrap();
    assert_eq!((found.form, found.symmetry), (Form::Array, Symmetry::Hermitian));
    assert_eq!((found.field.dtype(), found.stated), (DType::Complex128, 3));

    let skew = "%%MatrixMarket matrix array real skew-symmetric\n3 3\n1\n2\n3\n";
    assert_eq!(header(skew).unwrap().stated, 3);
    let loose = "  %MatrixMarket\tmatrix coordinate real general so to say\n  % a comment\n1 1 0\n";
    assert_eq!(header(loose).unwrap().data_line, 4);
    let empty = "%%MatrixMarket matrix coordinate pattern general\n0 7 0\n";
    assert_eq!(header(empty).unwrap().shape, Shape::new(0, 7));
}

#[test]
fn headers_that_are_none_say_why() {
    let malformed = [
        ("", "not a Matrix Market file"),
        ("\u{7f}ELF", "not a Matrix Market file"),
        ("%%%MatrixMarket matrix coordinate real general\n1 1 0\n", "not a Matrix Market file"),
        ("MatrixMarket matrix coordinate real general\n1 1 0\n", "not a Matrix Market file"),
        ("\n%%MatrixMarket matrix coordinate real general\n1 1 0\n", "not a Matrix Market file"),
        ("%%MatrixMarket matrix coordinate real\n1 1 0\n", "five words"),
        ("%%MatrixMarket vector coordinate real general\n1 0\n", "'vector' is no object"),
        ("%%MatrixMarket matrix triplets real general\n1 1 0\n", "'triplets' is no format"),
        ("%%MatrixMarket matrix coordinate quaternion general\n1 1 0\n", "'quaternion'"),
        ("%%MatrixMarket matrix coordinate real lower\n1 1 0\n", "'lower' is no symmetry"),
        ("%%MatrixMarket matrix array pattern general\n1 1\n", "cannot be a pattern"),
        ("%%MatrixMarket matrix coordinate real general\n1 1\n", "line 2: sizes are rows, columns"),
        ("%%MatrixMarket matrix coordinate real general\n1 1 -1\n", "line 2"),
        ("%%MatrixMarket matrix coordinate real general\n1 1 1e3\n", "line 2"),
        ("%%MatrixMarket matrix coordinate real general\n%\n9223372036854775808 1 0\n", "line 3"),
        ("%%MatrixMarket matrix coordinate real symmetric\n2 3 0\n", "square"),
        ("%%MatrixMarket matrix array real general\n4294967296 4294967296\n1\n", "line 2"),
    ];
    for (text, reason) in malformed {
        let error = header(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{text:?}");
        assert!(error.to_string().contains(reason), "{text:?}: {error}");
    }
    let truncated = [
        "%%MatrixMarket matrix coordinate real general\n",
        "%%MatrixMarket matrix coordinate real general\n%%\n%\n\n",
        "%%MatrixMarket matrix coordinate real general\n9 9 18446744073709551615\n1 1 1\n",
        "%%MatrixMarket matrix coordinate real general\n9 9 2\n1 1 1\n2 2",
        "%%MatrixMarket matrix array real general\n1000000000 1000000000\n1\n",
    ];
    for text in truncated {
        assert_eq!(header(text).unwrap_err().kind(), ErrorKind::Truncated, "{text:?}");
    }
}

#[test]
fn long_comments_and_blanks_are_skipped_and_a_long_line_of_sizes_refused() {
    let banner = "%%MatrixMarket matrix coordinate real general\n";
    let comment = format!("%{}\n", "x".repeat(100_000));
    let blanks = " ".repeat(50_000);
    let text = format!("{banner}{comment}{blanks}{comment}{blanks}\n{blanks}1 1 1\n1 1 5");
    let found = header(&text).unwrap();
    assert_eq!((&text[found.data_offset as usize..], found.data_line), ("1 1 5", 6));
    let error = header(&format!("{banner}1 1 0{blanks}\n")).unwrap_err();
    assert!(error.to_string().contains("line 2 is longer"), "{error}");
}

#[test]
fn entries_of_every_field_and_symmetry_are_read() {
    let text =
        coordinate("real general", "1 1 1.5\n\n% a comment\n  2\t3  -2e3\r\n3 1 +.5 \n3 3 1.0D+02");
    let expected = [(0, 0, 1.5), (1, 2, -2000.0), (2, 0, 0.5), (2, 2, 100.0)];
    assert_eq!(entries::<f64>(&text).unwrap(), expected);
    let text = coordinate("real symmetric", "1 1 1\n2 1 inf\n");
    let infinite = f64::INFINITY;
    assert_eq!(entries::<f64>(&text).unwrap(), [(0, 0, 1.0), (1, 0, infinite), (0, 1, infinite)]);
    let text = coordinate("integer skew-symmetric", "3 1 -9223372036854775808\n2 1 7\n");
    let expected = [(2, 0, i64::MIN), (0, 2, i64::MIN), (1, 0, 7), (0, 1, -7)];
    assert_eq!(entries::<i64>(&text).unwrap(), expected);
    let text = coordinate("complex hermitian", "2 1 3 4\n1 1 5 -0\n");
    let expected = [(1, 0, (3.0, 4.0)), (0, 1, (3.0, -4.0)), (0, 0, (5.0, -0.0))];
    let expected = expected.map(|(row, col, (re, im))| (row, col, Complex64::new(re, im)));
    assert_eq!(entries::<Complex64>(&text).unwrap(), expected);
    let text = coordinate("pattern general", "2 3\n1 1\n");
    assert_eq!(entries::<f64>(&text).unwrap(), [(1, 2, 1.0), (0, 0, 1.0)]);
    let text = coordinate("unsigned-integer general", "2 3 18446744073709551615\n");
    assert_eq!(entries::<u64>(&text).unwrap(), [(1, 2, u64::MAX)]);
}

#[test]
fn lines_that_are_no_entries_are_told_by_their_number() {
    let cases = [
        ("1 1 1\n0 1 1\n", 1, "outside"),
        ("1 1 1\n\n4 1 1\n", 2, "outside"),
        ("1 4 1\n", 0, "outside"),
        ("99999999999999999999999 1 1\n", 0, "outside"),
        ("1 1 x\n", 0, "a value is expected"),
        ("1 1\n", 0, "a value is expected"),
        ("1 1-5\n", 0, "a value is expected"),
        ("1\n2 2 1\n", 0, "a column is expected"),
        ("-1 1 1\n", 0, "a row is expected"),
        ("1 1 1 1\n", 0, "something follows"),
        ("1 1 1e\n", 0, "something follows"),
        ("1 1 0x10\n", 0, "something follows"),
        ("1 1 nan(1\n", 0, "something follows"),
        ("1 1 1 foo % c\n", 0, "something follows"),
        ("1 1 1D\n", 0, "a value is expected"),
        ("%\n%\n1 1 1\n\0\u{1}\n", 3, "a row is expected"),
    ];
    for (body, line, reason) in cases {
        let error = entries::<f64>(&coordinate("real general", body)).unwrap_err();
        assert_eq!(error.line, line, "{body:?}: {error:?}");
        assert!(error.reason.contains(reason), "{body:?}: {error:?}");
    }
    let text = coordinate("integer general", "1 1 9223372036854775807\n1 1 9223372036854775808\n");
    let error = entries::<i64>(&text).unwrap_err();
    assert_eq!((error.line, error.reason), (1, "an integer does not fit in 64 bits"));
    for value in ["1.5", "1e5", "1.0e5", "1.00D2", "-1.01"] {
        let text = coordinate("integer general", &format!("1 1 {value}\n"));
        assert!(entries::<i64>(&text).unwrap_err().reason.contains("fraction"), "{value}");
    }
    let text = coordinate("pattern general", "1 1\n2 2 1\n");
    let error = entries::<f64>(&text).unwrap_err();
    assert!(error.line == 1 && error.reason.contains("pattern"), "{error:?}");
}

#[test]
fn what_loses_nothing_is_read_as_scipy_reads_it() {
    let text = coordinate("real general", "1 1 1 % a comment\n2 2 -nan(ind)%c\n3 3 +1e+5%");
    let read = entries::<f64>(&text).unwrap();
    assert_eq!((read[0], read[2]), ((0, 0, 1.0), (2, 2, 1e5)));
    assert!(read[1].2.is_nan());
    let text = coordinate("pattern general", "1 1 %\n2 3 % 7\n");
    assert_eq!(entries::<f64>(&text).unwrap().len(), 2);
    let text = coordinate("integer general", "1 1 1.0\n1 2 -2.\n1 3 3.000 \n");
    let expected = [(0, 0, 1), (0, 1, -2), (0, 2, 3)];
    assert_eq!(entries::<i64>(&text).unwrap(), expected);
    let text = coordinate("unsigned-integer general", "1 1 7.0\n");
    assert_eq!(entries::<u64>(&text).unwrap(), [(0, 0, 7)]);
}

#[test]
fn values_are_read_in_their_order() {
    let mut values = Vec::new();
    read_values::<f64>(b"1\n2.5\n% no value\n\n-3e2", &mut |value| values.push(value)).unwrap();
    assert_eq!(values, [1.0, 2.5, -300.0]);
    let error = read_values::<f64>(b"1\n2 3\n", &mut |_| {}).unwrap_err();
    assert_eq!((error.line, error.reason), (1, "something follows the value"));
}

#[test]
fn what_is_written_is_read_back() {
    let reals = [0.1, -0.0, 1e300, 5e-324, f64::MAX, 1.0 / 3.0, f64::INFINITY, f64::NAN];
    for value in reals {
        let mut line = Vec::new();
        push_value(&mut line, Number::Real(value), DType::F64);
        let (read, rest) = f64::read(&line).unwrap();
        assert!(read.to_bits() == value.to_bits() || (read.is_nan() && value.is_nan()), "{value}");
        assert_eq!(rest, b"\n");
    }
    let mut line = Vec::new();
    push_entry(&mut line, 6, 0, Number::Real(f64::from(0.1f32)), DType::F32);
    push_entry(&mut line, 0, 1, Number::Complex(1.0, f64::NEG_INFINITY), DType::Complex128);
    push_entry(&mut line, 0, 1, Number::Integer(u64::MAX.into()), DType::U64);
    let text = String::from_utf8(line).unwrap();
    assert_eq!(text, "7 1 0.1\n1 2 1.0 -inf\n1 2 18446744073709551615\n");
    let text = header_lines(Form::Coordinate, DType::F32, Shape::new(3, 2), 5);
    assert_eq!(text, "%%MatrixMarket matrix coordinate real general\n3 2 5\n");
}

#[test]
fn fortran_exponents_follow_any_number_of_digits() {
    for (text, value) in [("1.5D2 ", 150.0), ("1d-3\n", 1e-3)] {
        assert_eq!(f64::read(text.as_bytes()).unwrap().0, value);
    }
    let long = format!("1.{}D+02\n", "25".repeat(60));
    let (value, rest) = f64::read(long.as_bytes()).unwrap();
    assert_eq!((value, rest), (125.252_525_252_525_25, &b"\n"[..]));
}

proptest! {
    /// As the standard library reads them, to the last bit.
    #[test]
    fn reals_are_read_exactly(
        value in prop_oneof![any::<f64>(), -10.0..10.0],
        digits in 0usize..45,
        single: f32,
    ) {
        for text in [
            format!("{value:.digits$}"), format!("{value:.digits$e}"), format!("{value:?}"), format!("{single}"),
        ] {
            let line = format!("{text} 7\n");
            match f64::read(line.as_bytes()) {
                Ok((read, rest)) => {
                    let expected: f64 = text.parse().unwrap();
                    prop_assert!(read.to_bits() == expected.to_bits() || read.is_nan(), "{}", text);
                    prop_assert_eq!(rest, b" 7\n");
                }
                Err(misfit) => prop_assert!(false, "{}: {:?}", text, misfit),
            }
        }
    }

    #[test]
    fn integers_are_read_exactly(value: u64, digits in 1usize..20, after in "[ \n.ex-]{0,9}") {
        let value = value % 10u64.pow(digits as u32);
        let text = format!("{value:0digits$}{after}");
        prop_assert_eq!(super::numbers::digits(text.as_bytes()), Ok((value, after.as_bytes())));
    }
}
