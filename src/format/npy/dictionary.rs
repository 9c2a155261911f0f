//! The dictionary in an npy header: a strict parser of the little of Python's literals that it may be.
//!
//! One pass over the bytes, without recursion: nothing that may be nested is followed, so neither depth nor
//! length of a hostile header costs more than reading it. Knows no dtype: `descr` stays text.
//!
//! ```text
//! dictionary = "{" [ entry { "," entry } [ "," ] ] "}"
//! entry      = "'descr'" ":" string | "'fortran_order'" ":" ( "True" | "False" ) | "'shape'" ":" shape
//! shape      = "(" ")" | "(" length "," ")" | "(" length "," length { "," length } [ "," ] ")"
//! length     = decimal digits without leading zeros, then "L" if Python 2 wrote it
//! ```

use super::MAX_AXES;
use super::error::{NpyError, excerpt};
use crate::array::Order;

/// What a header's dictionary says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Dictionary {
    pub descr: String,
    pub order: Order,
    pub shape: Vec<usize>,
}

/// Reads the dictionary that `text` is, with whitespace around it and nothing else.
pub(super) fn parse(text: &[u8]) -> Result<Dictionary, NpyError> {
    let mut cursor = Cursor { text, position: 0 };
    let (mut descr, mut order, mut shape) = (None, None, None);
    cursor.expect(b'{', "'{'")?;
    while !cursor.take(b'}') {
        let key = cursor.string("a key")?;
        cursor.expect(b':', "':'")?;
        match key {
            b"descr" => set(&mut descr, "descr", cursor.descr()?)?,
            b"fortran_order" => set(&mut order, "fortran_order", cursor.order()?)?,
            b"shape" => set(&mut shape, "shape", cursor.shape()?)?,
            _ => return Err(NpyError::UnknownKey(excerpt(key))),
        }
        if !cursor.take(b',') {
            cursor.expect(b'}', "',' or '}'")?;
            break;
        }
    }
    cursor.end()?;
    Ok(Dictionary {
        descr: descr.ok_or(NpyError::MissingKey("descr"))?,
        order: order.ok_or(NpyError::MissingKey("fortran_order"))?,
        shape: shape.ok_or(NpyError::MissingKey("shape"))?,
    })
}

fn set<T>(slot: &mut Option<T>, key: &'static str, value: T) -> Result<(), NpyError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(NpyError::DuplicateKey(key)),
    }
}

/// A place in the text. Every method skips whitespace first and goes only forward.
struct Cursor<'a> {
    text: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.text[self.position..]
    }

    /// The next byte that is not whitespace; none at the end.
    fn peek(&mut self) -> Option<u8> {
        let space = self.rest().iter().take_while(|byte| b" \t\n\r\x0c".contains(byte)).count();
        self.position += space;
        self.rest().first().copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.position += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), NpyError> {
        if self.take(byte) { Ok(()) } else { Err(self.syntax(expected)) }
    }

    fn end(&mut self) -> Result<(), NpyError> {
        if self.peek().is_none() { Ok(()) } else { Err(self.syntax("nothing more")) }
    }

    fn syntax(&self, expected: &'static str) -> NpyError {
        NpyError::Syntax { position: self.position, expected, found: excerpt(self.rest()) }
    }

    /// The text between two quotes, escapes left as they are: nothing valid here contains one.
    fn string(&mut self, expected: &'static str) -> Result<&'a [u8], NpyError> {
        let quote = match self.peek() {
            Some(quote @ (b'\'' | b'"')) => quote,
            _ => return Err(self.syntax(expected)),
        };
        let inner = &self.rest()[1..];
        let length = inner.iter().position(|&byte| byte == quote || byte == b'\n');
        match length {
            Some(length) if inner[length] == quote => {
                self.position += length + 2;
                Ok(&inner[..length])
            }
            _ => Err(self.syntax("a string with an end")),
        }
    }

    fn descr(&mut self) -> Result<String, NpyError> {
        if matches!(self.peek(), Some(b'[' | b'(')) {
            return Err(NpyError::Structured(excerpt(self.rest())));
        }
        let descr = self.string("a dtype")?;
        Ok(descr.iter().map(|&byte| char::from(byte)).collect())
    }

    fn order(&mut self) -> Result<Order, NpyError> {
        self.peek();
        let word = self.rest().iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let order = match &self.rest()[..word] {
            b"False" => Order::C,
            b"True" => Order::Fortran,
            _ => return Err(self.syntax("True or False")),
        };
        self.position += word;
        Ok(order)
    }

    fn shape(&mut self) -> Result<Vec<usize>, NpyError> {
        let mut shape = Vec::new();
        self.expect(b'(', "a tuple of lengths")?;
        while !self.take(b')') {
            if shape.len() == MAX_AXES {
                return Err(NpyError::TooManyAxes);
            }
            shape.push(self.length()?);
            if !self.take(b',') {
                if shape.len() == 1 {
                    return Err(self.syntax("',' (one length in brackets is not a tuple)"));
                }
                self.expect(b')', "',' or ')'")?;
                break;
            }
        }
        Ok(shape)
    }

    fn length(&mut self) -> Result<usize, NpyError> {
        if self.peek() == Some(b'-') {
            return Err(NpyError::NegativeLength);
        }
        let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, after) = self.rest().split_at(digits);
        // Python 2 read 010 as 8 and Python 3 refuses it: there is no right answer.
        if digits.is_empty() || (digits.len() > 1 && digits[0] == b'0') {
            return Err(self.syntax("a length"));
        }
        let length = digits
            .iter()
            .try_fold(0usize, |sum, digit| {
                sum.checked_mul(10)?.checked_add(usize::from(digit - b'0'))
            })
            .ok_or(NpyError::LengthTooLarge)?;
        self.position += digits.len() + usize::from(after.first() == Some(&b'L'));
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Dictionary, String> {
        parse(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_numpy_accepts_is_read() {
        let expected = Dictionary { descr: "<f4".into(), order: Order::Fortran, shape: vec![3, 4] };
        for text in [
            "{'descr': '<f4', 'fortran_order': True, 'shape': (3, 4), }      \n",
            "{'descr': '<f4', 'fortran_order': True, 'shape': (3, 4)}",
            "{'shape':(3L,4L),'fortran_order':True,'descr':'<f4'}",
            " \t\n{ \"shape\" : ( 3 ,\n4 , ) , 'descr':\"<f4\" ,\r\n'fortran_order' : True , } \n\n",
        ] {
            assert_eq!(parsed(text).as_ref(), Ok(&expected), "{text}");
        }
        let shape = |text: &str| {
            parsed(&format!("{{'descr':'x','fortran_order':False,'shape':{text}}}"))
                .map(|dictionary| dictionary.shape)
        };
        assert_eq!(shape("()"), Ok(vec![]));
        assert_eq!(shape("( )"), Ok(vec![]));
        assert_eq!(shape("(0,)"), Ok(vec![0]));
        assert_eq!(shape("(18446744073709551615,)"), Ok(vec![usize::MAX]));
    }

    #[test]
    fn what_it_does_not_is_refused_with_the_reason() {
        let with = |descr: &str, order: &str, shape: &str| {
            parsed(&format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"))
                .unwrap_err()
        };
        let of_shape = |shape: &str| with("'<f4'", "False", shape);
        assert!(of_shape("(-1, 2)").contains("negative"));
        assert!(of_shape("(18446744073709551616,)").contains("64 bits"));
        assert!(of_shape("(3)").contains("not a tuple"));
        assert!(of_shape(&format!("({})", "1,".repeat(MAX_AXES + 1))).contains("axes"));
        for bad in ["3", "[3, 4]", "(,)", "(3,,4)", "(3 4)", "(3, (4,))", "(3.0,)", "(+3,)"] {
            assert!(of_shape(bad).starts_with("malformed header"), "{bad}");
        }
        for bad in ["(010,)", "(1_0,)", "(0x3,)", "(True,)", "(3LL,)", "(3, 4", "(", "", "'3'"] {
            assert!(of_shape(bad).starts_with("malformed header"), "{bad}");
        }
        for bad in ["1", "true", "Truely", "'True'", "None", ""] {
            assert!(with("'<f4'", bad, "(3,)").contains("True or False"), "{bad}");
        }
        for bad in ["[('a', '<f4')]", "('<f4', (2,))", "[["] {
            assert!(with(bad, "True", "(3,)").contains("structured"), "{bad}");
        }
        for bad in ["None", "'<f4", "'<f\n4'", "b'<f4'", "u'<f4'", "<f4"] {
            assert!(with(bad, "True", "(3,)").starts_with("malformed header"), "{bad}");
        }
    }

    #[test]
    fn keys_are_all_there_once() {
        let entries = ["'descr': '<f4'", "'fortran_order': False", "'shape': (3,)"];
        for missing in 0..3 {
            let mut two = entries.to_vec();
            let key = two.remove(missing).split(':').next().unwrap().to_owned();
            let error = parsed(&format!("{{{}}}", two.join(", "))).unwrap_err();
            assert_eq!(error, format!("malformed header: key {key} is missing"));
        }
        for entry in entries {
            let error = parsed(&format!("{{{}, {entry}}}", entries.join(", "))).unwrap_err();
            assert!(error.contains("appears twice"), "{error}");
        }
        let error = parsed(&format!("{{{}, 'extra': 1}}", entries.join(", "))).unwrap_err();
        assert_eq!(error, "malformed header: unknown key 'extra'");
        assert!(parsed("{}").unwrap_err().contains("is missing"));
    }

    #[test]
    fn nothing_but_a_dictionary_is_one() {
        let good = "{'descr': '<f4', 'fortran_order': True, 'shape': (3, 4), }";
        for bad in [
            String::new(),
            "{".into(),
            "}".into(),
            "{,}".into(),
            "[]".into(),
            format!("{good} x"),
            format!("{good}{good}"),
            format!("{good}\0"),
            format!("({good})"),
            good.replace(',', ""),
            good.replace(", }", ", , }"),
        ] {
            assert!(parsed(&bad).unwrap_err().starts_with("malformed header"), "{bad}");
        }
    }
}
