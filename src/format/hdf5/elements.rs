//! Element types on both sides: HDF5's description of one, as bytes and as the library tells it.

use hdf5_pure::{Datatype, DatatypeByteOrder, FixedPointLayout, FloatingPointLayout};

use super::error::Hdf5Error;
use crate::array::DType;
use crate::format::ByteOrder;

/// The element type and byte order that a dataset's description stands for.
///
/// # Errors
/// Where no element type of ours is stored so.
pub(super) fn dtype_of(datatype: &Datatype) -> Result<(DType, ByteOrder), Hdf5Error> {
    let found = match datatype {
        Datatype::FixedPoint { size, byte_order, layout } => {
            integer(*size, layout).zip(order(*byte_order))
        }
        Datatype::FloatingPoint { size, byte_order, layout } => {
            real(*size, layout).zip(order(*byte_order))
        }
        Datatype::Compound { .. } => complex(datatype),
        Datatype::Enumeration { .. } => boolean(datatype),
        _ => None,
    };
    // A byte has no order.
    let native = |(dtype, order): (DType, ByteOrder)| match dtype.swap_size() {
        1 => (dtype, ByteOrder::Native),
        _ => (dtype, order),
    };
    found.map(native).ok_or_else(|| Hdf5Error::Dtype(name_of(datatype).to_owned()))
}

fn order(order: DatatypeByteOrder) -> Option<ByteOrder> {
    match order {
        DatatypeByteOrder::LittleEndian => Some(ByteOrder::Native),
        DatatypeByteOrder::BigEndian => Some(ByteOrder::Swapped),
        DatatypeByteOrder::Vax => None,
    }
}

/// Integers that fill their bytes; others (of 12 bits, say) are not ours.
fn integer(size: u32, layout: &FixedPointLayout) -> Option<DType> {
    let FixedPointLayout { signed, bit_offset, bit_precision } = *layout;
    if bit_offset != 0 || u32::from(bit_precision) != size.checked_mul(8)? {
        return None;
    }
    Some(match (size, signed) {
        (1, true) => DType::I8,
        (2, true) => DType::I16,
        (4, true) => DType::I32,
        (8, true) => DType::I64,
        (1, false) => DType::U8,
        (2, false) => DType::U16,
        (4, false) => DType::U32,
        (8, false) => DType::U64,
        _ => return None,
    })
}

/// Where IEEE 754 has exponent and mantissa, and the exponent's bias: of 2, 4 and 8 bytes.
const REALS: [(DType, FloatingPointLayout); 3] = [
    (
        DType::F16,
        FloatingPointLayout {
            bit_offset: 0,
            bit_precision: 16,
            exponent_location: 10,
            exponent_size: 5,
            mantissa_location: 0,
            mantissa_size: 10,
            exponent_bias: 15,
        },
    ),
    (DType::F32, FloatingPointLayout::IEEE754_BINARY32),
    (DType::F64, FloatingPointLayout::IEEE754_BINARY64),
];

fn real(size: u32, layout: &FloatingPointLayout) -> Option<DType> {
    let mut known = REALS.iter().filter(|(dtype, _)| dtype.item_size() == size as usize);
    known.find(|(_, known)| known == layout).map(|(dtype, _)| *dtype)
}

/// Complex numbers as h5py keeps them: a compound of `r` and `i`, both real, of the same type.
fn complex(datatype: &Datatype) -> Option<(DType, ByteOrder)> {
    let Datatype::Compound { size, members } = datatype else { return None };
    let [real, imaginary] = &members[..] else { return None };
    let (part, order) = dtype_of(&real.datatype).ok()?;
    let is_pair = dtype_of(&imaginary.datatype).ok()? == (part, order)
        && (&*real.name, &*imaginary.name) == ("r", "i")
        && (real.byte_offset, imaginary.byte_offset) == (0, part.item_size() as u64)
        && *size as usize == 2 * part.item_size();
    let dtype = match part {
        DType::F32 => DType::Complex64,
        DType::F64 => DType::Complex128,
        _ => return None,
    };
    is_pair.then_some((dtype, order))
}

/// Booleans as h5py keeps them: an enumeration of a byte, FALSE and TRUE.
fn boolean(datatype: &Datatype) -> Option<(DType, ByteOrder)> {
    let Datatype::Enumeration { size: 1, members, .. } = datatype else { return None };
    let mut pairs: Vec<_> =
        members.iter().map(|member| (&*member.value, member.name.as_str())).collect();
    pairs.sort_unstable();
    (pairs == [(&[0u8][..], "FALSE"), (&[1], "TRUE")]).then_some((DType::Bool, ByteOrder::Native))
}

/// What a type that is not ours is called.
fn name_of(datatype: &Datatype) -> &'static str {
    match datatype {
        Datatype::FixedPoint { .. } => "integer of that width",
        Datatype::FloatingPoint { .. } => "real number of that layout",
        Datatype::Time { .. } => "time",
        Datatype::String { .. } => "string",
        Datatype::BitField { .. } => "bit field",
        Datatype::Opaque { .. } => "opaque",
        Datatype::Compound { .. } => "compound",
        Datatype::Reference { .. } => "reference",
        Datatype::Enumeration { .. } => "enumeration",
        Datatype::VariableLength { .. } => "variable-length",
        Datatype::Array { .. } => "array",
        _ => "that is not known",
    }
}

/// The datatype message that describes `dtype`, little-endian, as h5py writes it.
pub(super) fn message_of(dtype: DType) -> Vec<u8> {
    match dtype {
        DType::Bool => {
            let mut message = head(ENUMERATION, [2, 0, 0], 1);
            message.extend(message_of(DType::I8));
            message.extend(b"FALSE\0TRUE\0");
            message.extend([0, 1]);
            message
        }
        DType::Complex64 => pair(DType::F32),
        DType::Complex128 => pair(DType::F64),
        DType::F16 | DType::F32 | DType::F64 => {
            let (_, layout) = REALS.iter().find(|(known, _)| *known == dtype).expect("all three");
            let sign = layout.bit_precision as u8 - 1;
            // The mantissa's first bit is implied.
            let mut message = head(FLOATING_POINT, [0x20, sign, 0], dtype.item_size() as u32);
            message.extend(layout.bit_offset.to_le_bytes());
            message.extend(layout.bit_precision.to_le_bytes());
            message.extend([layout.exponent_location, layout.exponent_size]);
            message.extend([layout.mantissa_location, layout.mantissa_size]);
            message.extend(layout.exponent_bias.to_le_bytes());
            message
        }
        DType::I8 | DType::I16 | DType::I32 | DType::I64 => fixed_point(dtype, 0x08),
        DType::U8 | DType::U16 | DType::U32 | DType::U64 => fixed_point(dtype, 0),
    }
}

/// Class and version of a datatype message.
const FIXED_POINT: u8 = 0x10;
const FLOATING_POINT: u8 = 0x11;
const COMPOUND: u8 = 0x36;
const ENUMERATION: u8 = 0x38;

fn head(class: u8, bits: [u8; 3], size: u32) -> Vec<u8> {
    let mut message = vec![class];
    message.extend(bits);
    message.extend(size.to_le_bytes());
    message
}

fn fixed_point(dtype: DType, sign: u8) -> Vec<u8> {
    let mut message = head(FIXED_POINT, [sign, 0, 0], dtype.item_size() as u32);
    message.extend(0u16.to_le_bytes());
    message.extend((8 * dtype.item_size() as u16).to_le_bytes());
    message
}

/// A compound of two numbers, `r` and `i`.
fn pair(part: DType) -> Vec<u8> {
    let part_bytes = part.item_size() as u8;
    let mut message = head(COMPOUND, [2, 0, 0], 2 * u32::from(part_bytes));
    for (name, offset) in [(b"r\0", 0), (b"i\0", part_bytes)] {
        message.extend(name);
        message.push(offset);
        message.extend(message_of(part));
    }
    message
}
