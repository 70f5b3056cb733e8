//! Memory that compressed data asks for, read from its headers, for error messages about limits.

/// Window of a zstd frame in bytes; `None` unless the bytes start with a whole frame header.
///
/// RFC 8878, "Frame Header". The window of a single-segment frame is its content.
pub(super) fn of_zstd(frame: &[u8]) -> Option<u64> {
    let header = frame.strip_prefix(&[0x28, 0xb5, 0x2f, 0xfd])?;
    let (&descriptor, header) = header.split_first()?;
    let is_single = descriptor & 0x20 != 0;
    if !is_single {
        let window = *header.first()?;
        let base = 1u64 << (10 + (window >> 3));
        return Some(base + base / 8 * u64::from(window & 7));
    }
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size = header.get(dictionary..)?;
    let number = |len: usize| {
        let bytes = size.get(..len)?.iter().rev();
        Some(bytes.fold(0, |number, &byte| number << 8 | u64::from(byte)))
    };
    match descriptor >> 6 {
        0 => number(1),
        1 => number(2).map(|size| size + 256),
        2 => number(4),
        _ => number(8),
    }
}

/// Dictionary size of the first block of an xz stream in bytes; `None` if the block has none.
///
/// The .xz file format, "Block Header" and "LZMA2".
pub(super) fn of_xz(stream: &[u8]) -> Option<u64> {
    const STREAM_HEADER: usize = 12;
    const LZMA2: u8 = 0x21;
    stream.strip_prefix(&[0xfd, b'7', b'z', b'X', b'Z', 0])?;
    let block = stream.get(STREAM_HEADER..)?;
    let flags = *block.get(1)?;
    let mut at = 2;
    for is_stated in [flags & 0x40 != 0, flags & 0x80 != 0] {
        if is_stated {
            // Variable-length sizes, seven bits per byte.
            at += 1 + block
                .get(at..)?
                .iter()
                .take(9)
                .take_while(|byte| **byte >= 0x80)
                .count();
        }
    }
    for _ in 0..=(flags & 3) {
        let (&id, &len) = (block.get(at)?, block.get(at + 1)?);
        let properties = block.get(at + 2..at + 2 + usize::from(len))?;
        if id == LZMA2 {
            return of_lzma2(*properties.first()?);
        }
        at += 2 + properties.len();
    }
    None
}

fn of_lzma2(property: u8) -> Option<u64> {
    match property {
        0..=39 => Some((2 | u64::from(property & 1)) << (property / 2 + 11)),
        40 => Some(u64::from(u32::MAX)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_from_headers() {
        for log in [10, 20, 27, 31] {
            let mut wide = zstd::stream::write::Encoder::new(Vec::new(), 3).expect("one");
            wide.window_log(log).expect("a window");
            std::io::copy(&mut &[1; 100_000][..], &mut wide).expect("memory");
            let frame = wide.finish().expect("memory");
            assert_eq!(of_zstd(&frame), Some(1 << log));
        }
        // Single-segment frames, with a size of one byte and of two.
        assert_eq!(
            of_zstd(&zstd::bulk::compress(&[7; 200], 3).expect("memory")),
            Some(200)
        );
        assert_eq!(
            of_zstd(&zstd::bulk::compress(&[7; 3000], 3).expect("memory")),
            Some(3000)
        );
        assert_eq!(of_zstd(&[0x28, 0xb5, 0x2f, 0xfd]), None);
        for size in [4096, 1 << 20, 96 << 20] {
            let mut options = liblzma::stream::LzmaOptions::new_preset(0).expect("options");
            options.dict_size(size);
            let mut filters = liblzma::stream::Filters::new();
            filters.lzma2(&options);
            let check = liblzma::stream::Check::Crc32;
            let stream = liblzma::stream::Stream::new_stream_encoder(&filters, check);
            let stream = stream.expect("an encoder");
            let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
            std::io::copy(&mut &b"some bytes"[..], &mut encoder).expect("memory");
            let compressed = encoder.finish().expect("memory");
            assert_eq!(of_xz(&compressed), Some(u64::from(size)));
        }
    }
}
