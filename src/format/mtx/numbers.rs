//! Numbers in text, as fast as a file is read: no token is looked at twice.

use crate::array::{Complex64, Element};

/// What reading a number found wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfit {
    /// It is none.
    NoNumber,
    /// It is one that 64 bits do not hold.
    TooLarge,
    /// It has a fraction or an exponent, where an integer should be.
    Fraction,
}

/// A type that values are read as: one for each [`super::Field`].
pub trait FieldValue: Element {
    /// The number that `text` begins with, and what follows it.
    ///
    /// # Errors
    /// Where it begins with none.
    fn read(text: &[u8]) -> Result<(Self, &[u8]), Misfit>;

    /// What each entry of a pattern is.
    fn one() -> Self;

    /// With the other sign; integers wrap.
    #[must_use]
    fn negated(self) -> Self;

    /// Conjugated.
    #[must_use]
    fn conjugated(self) -> Self {
        self
    }
}

impl FieldValue for f64 {
    #[inline]
    fn read(text: &[u8]) -> Result<(Self, &[u8]), Misfit> {
        match short_decimal(text) {
            Some(found) => Ok(found),
            None => any_real(text),
        }
    }

    fn one() -> Self {
        1.0
    }

    fn negated(self) -> Self {
        -self
    }
}

/// The powers of ten that are exact.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// A number whose digits and power of ten are both exact, so that one operation rounds it rightly (Clinger, 1990): most
/// numbers that are written, in half of the time. None for any other.
#[inline]
fn short_decimal(text: &[u8]) -> Option<(f64, &[u8])> {
    /// Digits that fit in 64 bits.
    const MOST_DIGITS: usize = 18;
    let (is_negative, unsigned) = match text.first() {
        Some(b'-') => (true, &text[1..]),
        _ => (false, text),
    };
    let (whole, mut rest) = digits(unsigned).ok()?;
    let mut used = unsigned.len() - rest.len();
    let (mut value, mut scale) = (whole, 0);
    if let [b'.', fraction @ ..] = rest {
        rest = fraction;
        match digits(fraction) {
            Ok((digits, after)) => {
                scale = fraction.len() - after.len();
                used += scale;
                if used > MOST_DIGITS {
                    return None;
                }
                value = value * TENS[scale] + digits;
                rest = after;
            }
            Err(Misfit::NoNumber) => {}
            Err(_) => return None,
        }
    }
    if used > MOST_DIGITS || value > 1 << 53 {
        return None;
    }
    let mut power = -(scale as i64);
    if let [b'e' | b'E', exponent @ ..] = rest {
        let (is_negative, exponent) = match exponent {
            [b'-', digits @ ..] => (true, digits),
            [b'+', digits @ ..] => (false, digits),
            _ => (false, exponent),
        };
        let (exponent, after) = digits(exponent).ok().filter(|(exponent, _)| *exponent < 100)?;
        power += if is_negative { -(exponent as i64) } else { exponent as i64 };
        rest = after;
    } else if let [b'd' | b'D', ..] = rest {
        return None;
    }
    let scaled = match usize::try_from(power) {
        Ok(power) => value as f64 * POWERS.get(power)?,
        Err(_) => value as f64 / POWERS.get(power.unsigned_abs() as usize)?,
    };
    Some((if is_negative { -scaled } else { scaled }, rest))
}

/// The powers of ten that 64 bits hold.
const TENS: [u64; 20] = {
    let mut tens = [1; 20];
    let mut power = 1;
    while power < tens.len() {
        tens[power] = tens[power - 1] * 10;
        power += 1;
    }
    tens
};

/// Any number, whatever its digits and its exponent.
fn any_real(text: &[u8]) -> Result<(f64, &[u8]), Misfit> {
    let unsigned = text.strip_prefix(b"+").filter(|rest| !rest.starts_with(b"-")).unwrap_or(text);
    let (value, used) =
        fast_float2::parse_partial::<f64, _>(unsigned).map_err(|_| Misfit::NoNumber)?;
    let rest = &unsigned[used..];
    match rest.first() {
        Some(b'd' | b'D') => with_fortran_exponent(unsigned, used),
        Some(b'(') if value.is_nan() => Ok((value, after_parenthesis(rest))),
        _ => Ok((value, rest)),
    }
}

/// What follows the parenthesis in which C may say which NaN it is: `nan(ind)`.
fn after_parenthesis(text: &[u8]) -> &[u8] {
    let is_inside = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let end = text[1..].iter().position(|byte| !is_inside(byte)).map_or(text.len(), |end| 1 + end);
    match &text[end..] {
        [b')', rest @ ..] => rest,
        _ => text,
    }
}

/// A number of which Fortran wrote the exponent, whose letter is at `letter`.
fn with_fortran_exponent(text: &[u8], letter: usize) -> Result<(f64, &[u8]), Misfit> {
    /// No exponent that a number can have is longer.
    const EXPONENT_BYTES: usize = 32;
    let mut copy = text[..text.len().min(letter + EXPONENT_BYTES)].to_vec();
    copy[letter] = b'e';
    match fast_float2::parse_partial::<f64, _>(&copy) {
        Ok((value, used)) if used > letter => Ok((value, &text[used..])),
        _ => Err(Misfit::NoNumber),
    }
}

impl FieldValue for Complex64 {
    fn read(text: &[u8]) -> Result<(Self, &[u8]), Misfit> {
        let (re, rest) = f64::read(text)?;
        let (im, rest) = f64::read(skip_blanks(rest))?;
        Ok((Self::new(re, im), rest))
    }

    fn one() -> Self {
        Self::new(1.0, 0.0)
    }

    fn negated(self) -> Self {
        -self
    }

    fn conjugated(self) -> Self {
        self.conj()
    }
}

impl FieldValue for u64 {
    fn read(text: &[u8]) -> Result<(Self, &[u8]), Misfit> {
        let (value, rest) = digits(text.strip_prefix(b"+").unwrap_or(text))?;
        Ok((value, after_integer(rest)?))
    }

    fn one() -> Self {
        1
    }

    fn negated(self) -> Self {
        self.wrapping_neg()
    }
}

impl FieldValue for i64 {
    fn read(text: &[u8]) -> Result<(Self, &[u8]), Misfit> {
        let (is_negative, unsigned) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let (value, rest) = digits(unsigned)?;
        let value =
            if is_negative { 0i64.checked_sub_unsigned(value) } else { Self::try_from(value).ok() };
        Ok((value.ok_or(Misfit::TooLarge)?, after_integer(rest)?))
    }

    fn one() -> Self {
        1
    }

    fn negated(self) -> Self {
        self.wrapping_neg()
    }
}

/// What follows an integer whose digits end where `text` begins: a fraction of zeros belongs to it.
#[inline]
fn after_integer(text: &[u8]) -> Result<&[u8], Misfit> {
    match text.first() {
        Some(b'.' | b'e' | b'E' | b'd' | b'D') => after_zeros(text),
        _ => Ok(text),
    }
}

#[cold]
fn after_zeros(text: &[u8]) -> Result<&[u8], Misfit> {
    let fraction = text.strip_prefix(b".").ok_or(Misfit::Fraction)?;
    let zeros = fraction.iter().position(|&byte| byte != b'0').unwrap_or(fraction.len());
    match fraction.get(zeros) {
        Some(b'0'..=b'9' | b'e' | b'E' | b'd' | b'D') => Err(Misfit::Fraction),
        _ => Ok(&fraction[zeros..]),
    }
}

/// The digits that `text` begins with, as a number.
#[inline(always)]
pub(super) fn digits(text: &[u8]) -> Result<(u64, &[u8]), Misfit> {
    match up_to_eight(text) {
        Some((value, count @ 1..8)) => return Ok((value, &text[count..])),
        Some((value, 8)) => {
            if let Some((low, count @ ..8)) = up_to_eight(&text[8..]) {
                return Ok((value * TENS[count] + low, &text[8 + count..]));
            }
        }
        _ => {}
    }
    any_digits(text)
}

/// The digits that `text` begins with, eight at most, as a number, and how many they are. None where eight bytes are not
/// there.
#[inline(always)]
fn up_to_eight(text: &[u8]) -> Option<(u64, usize)> {
    let (&eight, _) = text.split_first_chunk::<8>()?;
    // Each byte by itself: what a digit is without its high half, and whether that is more than 9.
    let bytes = u64::from_le_bytes(eight) ^ 0x3030_3030_3030_3030;
    let others = (bytes.wrapping_add(0x7676_7676_7676_7676) | bytes) & 0x8080_8080_8080_8080;
    let count = others.trailing_zeros() as usize / 8;
    // What follows the digits is shifted out.
    let digits = bytes.checked_shl(64 - 8 * count as u32).unwrap_or(0);
    Some((eight_digits(digits), count))
}

/// The number of these eight digits, the first one in the lowest byte: two by two, then four by four.
#[inline(always)]
fn eight_digits(digits: u64) -> u64 {
    let pairs = (digits.wrapping_mul(10) + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100) + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    (fours.wrapping_mul(10_000) + (fours >> 32)) & 0xffff_ffff
}

#[cold]
fn any_digits(text: &[u8]) -> Result<(u64, &[u8]), Misfit> {
    let digit = |byte: &u8| Some(byte.wrapping_sub(b'0')).filter(|&digit| digit < 10);
    let (mut value, mut used) = (0u64, 0);
    while let Some(digit) = text.get(used).and_then(digit) {
        let tens = value.checked_mul(10);
        value = tens.and_then(|tens| tens.checked_add(digit.into())).ok_or(Misfit::TooLarge)?;
        used += 1;
    }
    if used == 0 { Err(Misfit::NoNumber) } else { Ok((value, &text[used..])) }
}

/// What follows the blanks that `text` begins with. A line's end is none.
#[inline]
pub fn skip_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\r'));
    &text[blanks.unwrap_or(text.len())..]
}
