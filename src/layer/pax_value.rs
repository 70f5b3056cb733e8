//! Values of PAX records: numbers, times, names and extended attributes.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::acl::PREFIX;
use super::metadata::{Mtime, Xattr};
use crate::error::{Fault, TarFault};

/// libarchive writes base64 without padding, others with.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Value of an overridable field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Setting<T> {
    /// No record: a global record or the header applies.
    #[default]
    Unset,
    /// A record without a value: the header applies, even over a global record.
    Deleted,
    /// A record with a value, which applies.
    Value(T),
}

impl<T: Copy> Setting<T> {
    /// Returns the value of the entry's own record, or else of the global one.
    pub(crate) fn or(self, global: Setting<T>) -> Option<T> {
        match (self, global) {
            (Setting::Value(value), _) | (Setting::Unset, Setting::Value(value)) => Some(value),
            _ => None,
        }
    }

    /// Returns the setting without its value.
    pub(super) fn without_value(self) -> Setting<()> {
        match self {
            Setting::Unset => Setting::Unset,
            Setting::Deleted => Setting::Deleted,
            Setting::Value(_) => Setting::Value(()),
        }
    }
}

/// A text field whose buffer is reused from entry to entry.
#[derive(Debug, Default)]
pub(crate) struct Text {
    pub(super) setting: Setting<()>,
    bytes: Vec<u8>,
}

impl Text {
    /// Returns the field's value.
    pub(crate) fn get(&self) -> Setting<&[u8]> {
        match self.setting {
            Setting::Unset => Setting::Unset,
            Setting::Deleted => Setting::Deleted,
            Setting::Value(()) => Setting::Value(&self.bytes),
        }
    }

    pub(super) fn set(&mut self, value: &[u8]) {
        self.bytes.clear();
        self.bytes.extend_from_slice(value);
        self.setting = match value {
            [] => Setting::Deleted,
            _ => Setting::Value(()),
        };
    }

    pub(super) fn clear(&mut self) {
        self.setting = Setting::Unset;
        self.bytes.clear();
    }
}

/// Error of reading records.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PaxFault {
    /// The rule that a record breaks.
    Record(&'static str),
    /// Name of a limit, the limit, and the number found.
    Limit(&'static str, u64, u64),
}

impl PaxFault {
    /// Converts the error into a fault of the header at `offset`.
    pub(crate) fn at(self, offset: u64) -> Fault {
        match self {
            PaxFault::Record(why) => Fault::Tar {
                offset,
                why: TarFault::PaxRecord { why },
            },
            PaxFault::Limit(what, limit, found) => Fault::Limit { what, limit, found },
        }
    }
}

/// Value of a field, `Deleted` for an empty record.
pub(super) fn setting<T>(
    value: &[u8],
    read: impl Fn(&[u8]) -> Result<T, PaxFault>,
) -> Result<Setting<T>, PaxFault> {
    match value {
        [] => Ok(Setting::Deleted),
        _ => read(value).map(Setting::Value),
    }
}

/// Checks a name, which may hold any byte but NUL.
pub(super) fn name(value: &[u8]) -> Result<&[u8], PaxFault> {
    if value.contains(&0) {
        return Err(PaxFault::Record("NUL in a name"));
    }
    Ok(value)
}

/// Parses decimal digits; at most `i64::MAX`, which every reader can hold.
pub(super) fn decimal(value: &[u8]) -> Result<u64, PaxFault> {
    let fault = PaxFault::Record("invalid decimal number");
    if value.is_empty() {
        return Err(fault);
    }
    let mut number: u64 = 0;
    for &byte in value {
        let digit = byte.wrapping_sub(b'0');
        let next = number
            .checked_mul(10)
            .and_then(|number| number.checked_add(u64::from(digit)));
        match next {
            Some(next) if digit < 10 && i64::try_from(next).is_ok() => number = next,
            _ => return Err(fault),
        }
    }
    Ok(number)
}

/// Parses seconds with any number of decimals, rounded down to nanoseconds.
pub(super) fn time(value: &[u8]) -> Result<Mtime, PaxFault> {
    let fault = || PaxFault::Record("invalid time");
    let (negative, digits) = match value.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, value),
    };
    let mut parts = digits.splitn(2, |&byte| byte == b'.');
    let whole = parts.next().unwrap_or_default();
    let fraction = parts.next().unwrap_or_default();
    if negative && whole == b"9223372036854775808" && fraction.iter().all(|&digit| digit == b'0') {
        return Ok(Mtime {
            seconds: i64::MIN,
            nanos: 0,
        });
    }
    let seconds = decimal(whole)
        .ok()
        .and_then(|seconds| i64::try_from(seconds).ok())
        .ok_or_else(fault)?;
    if !fraction.iter().all(u8::is_ascii_digit) {
        return Err(fault());
    }
    let (near, far) = fraction.split_at(fraction.len().min(9));
    let nanos = (0..9).fold(0, |nanos, at| {
        nanos * 10 + near.get(at).map_or(0, |&digit| u32::from(digit - b'0'))
    });
    if !negative {
        return Ok(Mtime { seconds, nanos });
    }
    let beyond = far.iter().any(|&digit| digit != b'0');
    let nanos = nanos + u32::from(beyond);
    let (seconds, nanos) = match nanos {
        0 => (-seconds, 0),
        _ => (-seconds - 1, 1_000_000_000_u32.saturating_sub(nanos)),
    };
    Ok(Mtime { seconds, nanos })
}

/// Parses the extended attribute of a record, if it is one.
pub(super) fn attribute(key: &[u8], value: &[u8]) -> Result<Option<Xattr>, PaxFault> {
    let (name, value) = if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
        (name.to_vec(), value.to_vec())
    } else if key.starts_with(PREFIX) && !value.is_empty() {
        (key.to_vec(), value.to_vec())
    } else if let Some(name) = key.strip_prefix(b"LIBARCHIVE.xattr.") {
        let decoded = BASE64
            .decode(value)
            .map_err(|_| PaxFault::Record("the value of an attribute is invalid base64"))?;
        (percent_decoded(name)?, decoded)
    } else {
        return Ok(None);
    };
    if name.is_empty() {
        return Err(PaxFault::Record("the name of an attribute is empty"));
    }
    Ok(Some(Xattr { name, value }))
}

fn percent_decoded(name: &[u8]) -> Result<Vec<u8>, PaxFault> {
    let fault = || PaxFault::Record("the name of an attribute has an invalid '%' escape");
    let hex = |byte: Option<&u8>| {
        byte.and_then(|&byte| char::from(byte).to_digit(16))
            .and_then(|digit| u8::try_from(digit).ok())
            .ok_or_else(fault)
    };
    let mut out = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    while let Some(&byte) = bytes.next() {
        if byte == b'%' {
            let decoded = hex(bytes.next())? << 4 | hex(bytes.next())?;
            if decoded == 0 {
                return Err(PaxFault::Record("NUL in the key"));
            }
            out.push(decoded);
        } else {
            out.push(byte);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_down() {
        for (text, seconds, nanos) in [
            ("0", 0, 0),
            ("1.", 1, 0),
            ("1350244992.023960108", 1_350_244_992, 23_960_108),
            ("1.9999999999999999999999999999999999999999", 1, 999_999_999),
            ("-1", -1, 0),
            ("-1.5", -2, 500_000_000),
            ("-0.0000000001", -1, 999_999_999),
            ("-0.000", 0, 0),
            ("9223372036854775807.1", i64::MAX, 100_000_000),
            ("-9223372036854775807.1", i64::MIN, 900_000_000),
        ] {
            assert_eq!(
                time(text.as_bytes()),
                Ok(Mtime { seconds, nanos }),
                "{text}"
            );
        }
    }
}
