//! Deflate decoding that starts in the middle of a stream, at any bit of a byte (RFC 1951, section 3.2.3).

use zlib_rs::{Inflate, InflateFlush};

use super::piece::PieceMismatch;

/// Bytes that a deflate block can refer back to.
pub(super) const WINDOW: usize = 32 << 10;

/// Creates a decoder for one gzip member, with its header and checksum.
pub(super) fn gzip_inflate() -> Inflate {
    // 16 more than the base-2 logarithm of the largest window: with gzip's header and checksum.
    Inflate::new(true, 16 + 15)
}

/// Creates a raw deflate decoder whose next block starts in the last `bits` bits of `byte`, after the uncompressed
/// bytes in `window`.
///
/// # Errors
/// `PieceMismatch` if the decoder refuses the state.
pub(super) fn resume_inflate(bits: u8, byte: u8, window: &[u8]) -> Result<Inflate, PieceMismatch> {
    let mut inflate = Inflate::new(false, 15);
    let mut none = [0; 1];
    let lead_in = lead_in(bits, byte);
    let fed = inflate.decompress(&lead_in, &mut none, InflateFlush::NoFlush);
    if fed.is_err() || inflate.total_in() != lead_in.len() as u64 || inflate.total_out() > 0 {
        return Err(PieceMismatch);
    }
    if !window.is_empty() {
        inflate.set_dictionary(window).map_err(|_| PieceMismatch)?;
    }
    Ok(inflate)
}

/// Deflate blocks without contents that end `bits` bits before the end of a byte, followed by the last `bits` bits of
/// `byte`.
///
/// An empty block of fixed codes has 10 bits: a few of them end at every even bit. An empty block of dynamic codes has
/// 91 bits here, for the odd ones.
fn lead_in(bits: u8, byte: u8) -> Vec<u8> {
    if bits == 0 || bits > 7 {
        return Vec::new();
    }
    let mut out = BitWriter::default();
    if bits % 2 == 1 {
        // Not the last block; dynamic codes; 257 literals, 1 distance, 18 lengths of code lengths.
        out.put(0b100, 3);
        out.put(0, 5);
        out.put(0, 5);
        out.put(14, 4);
        // In the order 16, 17, 18, 0, 8, …, 1: one bit for 18 and one for 1, of which 1 comes first.
        for at in 0..18 {
            out.put(u32::from(at == 2 || at == 17), 3);
        }
        // 255 lengths of 0 as 138 and 117; one bit for literal 255, for the end, and for the distance.
        out.put(1 | (138 - 11) << 1, 8);
        out.put(1 | (117 - 11) << 1, 8);
        out.put(0, 3);
        // The end of the block.
        out.put(1, 1);
    }
    while (out.length + u64::from(bits)) % 8 != 0 {
        // Not the last block; fixed codes; the end of the block.
        out.put(0b010, 10);
    }
    out.put(u32::from(byte >> (8 - bits)), bits.into());
    out.bytes
}

/// Writes bits in deflate's order, the lowest first.
#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    /// Number of bits written.
    length: u64,
}

impl BitWriter {
    fn put(&mut self, value: u32, count: u32) {
        for at in 0..count {
            let bit = (self.length % 8) as u32;
            if bit == 0 {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= (((value >> at) & 1) << bit) as u8;
            }
            self.length += 1;
        }
    }
}
