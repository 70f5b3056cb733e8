//! Sparse maps in their four formats.
//!
//! A hostile map could claim contents of many gigabytes, segments that overlap or run backwards, or millions of segments.
//! Maps are limited in segments and bytes, every sum is checked, and no memory is allocated for holes.

use super::entry::Segment;
use super::header::{BLOCK, Block, Dialect, Header, number, part};
use super::input::TarInput;
use super::limits;
use super::pax::SparseRecords;
use crate::error::{During, Error, Fault, Result, TarFault, within};

/// Error for a malformed sparse map of the entry at `offset`.
pub(crate) fn fault(offset: u64, why: &'static str) -> Error {
    let why = TarFault::Sparse { why };
    Error::new(Fault::Tar { offset, why })
}

/// Checks that segments run forward, lie inside `size`, and account for all stored bytes.
pub(crate) fn check(offset: u64, segments: &[Segment], size: u64, stored: u64) -> Result<()> {
    let mut end = 0_u64;
    let mut sum = 0_u64;
    for segment in segments {
        if segment.offset < end {
            return Err(fault(offset, "segments overlap or run backwards"));
        }
        end = segment
            .offset
            .checked_add(segment.length)
            .filter(|&end| end <= size)
            .ok_or_else(|| fault(offset, "a segment lies outside the file"))?;
        // Cannot overflow: the segments do not overlap and lie below `size`.
        sum = sum.saturating_add(segment.length);
    }
    if sum != stored {
        return Err(fault(
            offset,
            "the segments do not add up to the stored bytes",
        ));
    }
    Ok(())
}

fn push(segments: &mut Vec<Segment>, segment: Segment, limit: u64) -> Result<()> {
    within("sparse segments", limit, segments.len() as u64 + 1)?;
    segments.push(segment);
    Ok(())
}

/// Reads the map of a GNU sparse header (type `S`): four segments in the header, 21 in each following block.
pub(crate) fn gnu_map(
    header: &Header<'_>,
    offset: u64,
    input: &mut impl TarInput,
    limit: u64,
) -> Result<Vec<Segment>> {
    if header.dialect != Dialect::Gnu {
        return Err(fault(offset, "GNU map in a header of another dialect"));
    }
    let mut segments = Vec::new();
    let (first, mut more) = header.gnu_sparse();
    let mut open = gnu_segments(first, offset, &mut segments, limit)?;
    let mut block: Block = [0; BLOCK];
    while more {
        read_block(input, &mut block)?;
        if !open {
            return Err(fault(offset, "the map continues after its end"));
        }
        open = gnu_segments(part(&block, 0, 21 * 24), offset, &mut segments, limit)?;
        more = block.get(504).is_some_and(|&flag| flag != 0);
    }
    Ok(segments)
}

/// Reads pairs up to an empty one; returns whether the list may continue.
fn gnu_segments(pairs: &[u8], at: u64, segments: &mut Vec<Segment>, limit: u64) -> Result<bool> {
    for pair in pairs.chunks_exact(24) {
        let (offset, length) = pair.split_at(12);
        if offset.first() == Some(&0) {
            return Ok(false);
        }
        let positive = |field| number(field).and_then(|number| u64::try_from(number).ok());
        let (Some(offset), Some(length)) = (positive(offset), positive(length)) else {
            return Err(fault(at, "invalid offset or length"));
        };
        push(segments, Segment { offset, length }, limit)?;
    }
    Ok(true)
}

/// Format of a sparse file in PAX records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Versions 0.0 and 0.1: the map is in the records.
    Records,
    /// Version 1.0: the map is text in front of the stored contents.
    Data,
}

/// Determines the format; without a version, in the same way as other readers.
pub(crate) fn form(records: &SparseRecords, offset: u64) -> Result<Option<Form>> {
    if !records.seen {
        return Ok(None);
    }
    match (records.major, records.minor) {
        (Some(1), Some(0)) => Ok(Some(Form::Data)),
        (Some(0), Some(0 | 1)) => Ok(Some(Form::Records)),
        (None, None) if !records.map.is_empty() => Ok(Some(Form::Records)),
        (None, None) if records.name.is_empty() && records.real_size.is_none() => Ok(None),
        (None, None) => Err(fault(offset, "missing map")),
        _ => Err(fault(offset, "unknown version")),
    }
}

/// Reads the map of version 0.x from the records.
pub(crate) fn record_map(records: &SparseRecords, offset: u64) -> Result<Vec<Segment>> {
    let pairs = records.map.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return Err(fault(offset, "missing length of the last segment"));
    }
    Ok(pairs
        .filter_map(|pair| match *pair {
            [offset, length] => Some(Segment { offset, length }),
            _ => None,
        })
        .collect())
}

/// Reads the map of version 1.0 from the start of the contents: numbers on lines, padded to a block.
///
/// Also returns its size in bytes, at most `stored`.
pub(crate) fn data_map(
    input: &mut impl TarInput,
    offset: u64,
    stored: u64,
    limit: u64,
) -> Result<(Vec<Segment>, u64)> {
    // Each segment has two numbers of at least two bytes; a larger map has more segments, or leading zeros.
    let most = limits::SPARSE_MAP as u64 * limit.div_ceil(limits::SEGMENTS as u64);
    let mut block: Block = [0; BLOCK];
    let mut taken = 0_u64;
    let mut at = BLOCK;
    // Reads one number, across blocks if necessary.
    let mut next = |taken: &mut u64| -> Result<u64> {
        let mut number: u64 = 0;
        let mut digits = 0;
        loop {
            if at == BLOCK {
                if stored - *taken < BLOCK as u64 {
                    return Err(fault(offset, "the map is longer than the stored contents"));
                }
                if *taken >= most {
                    return Err(Error::limit("sparse map size", most, *taken + BLOCK as u64));
                }
                read_block(input, &mut block)?;
                *taken += BLOCK as u64;
                at = 0;
            }
            let byte = block.get(at).copied().unwrap_or_default();
            at += 1;
            match byte {
                b'\n' if digits > 0 => return Ok(number),
                b'0'..=b'9' => {
                    digits += 1;
                    number = number
                        .checked_mul(10)
                        .and_then(|number| number.checked_add(u64::from(byte - b'0')))
                        .ok_or_else(|| fault(offset, "invalid offset or length"))?;
                }
                _ => return Err(fault(offset, "invalid offset or length")),
            }
        }
    };
    let count = next(&mut taken)?;
    within("sparse segments", limit, count)?;
    let mut segments = Vec::new();
    for _ in 0..count {
        let offset = next(&mut taken)?;
        let length = next(&mut taken)?;
        segments.push(Segment { offset, length });
    }
    Ok((segments, taken))
}

fn read_block(input: &mut impl TarInput, block: &mut Block) -> Result<()> {
    let start = input.position();
    let read = input.read_full(block).during("read")?;
    if read < BLOCK {
        let missing = (BLOCK - read) as u64;
        return Err(Error::new(Fault::Tar {
            offset: start,
            why: TarFault::UnexpectedEnd { missing },
        }));
    }
    Ok(())
}
