//! Variable-length numbers and texts of compact records: seven bits per byte, the lowest first.

/// Appends a number.
pub(crate) fn put(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Splits off a number; 0 at the end of the bytes.
pub(crate) fn take_number(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    let mut shift = 0;
    while let Some((&byte, rest)) = bytes.split_first() {
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 || shift > 63 {
            break;
        }
    }
    number
}

/// Splits off a text that follows its length; shorter at the end of the bytes.
pub(crate) fn take_text<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let length = usize::try_from(take_number(bytes)).unwrap_or(usize::MAX);
    let (text, rest) = bytes.split_at(length.min(bytes.len()));
    *bytes = rest;
    text
}
