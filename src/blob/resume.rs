//! Decoding of single pieces.

use std::io::{self, BufRead, Read};

use zlib_rs::{Inflate, InflateFlush, Status};

use super::buffer::CHUNK;
use super::compression::Compression;
use super::decode::{DecodeLimits, Decoder};
use super::deflate::{WINDOW, resume_inflate};
use super::piece::{Piece, PieceMismatch, PieceStart};

impl Piece {
    /// Decodes the piece and passes its uncompressed bytes to `take` in order, each run with its offset in the layer.
    /// `source` starts at [`Piece::compressed_offset`].
    ///
    /// The bytes are verified only once this returns `Ok`.
    ///
    /// # Errors
    /// `PieceMismatch` if the bytes do not decode or have another hash; the first error of `take`, which ends decoding.
    pub fn decode<E: From<PieceMismatch>>(
        &self,
        source: impl BufRead,
        compression: Compression,
        limits: DecodeLimits,
        mut take: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut reader = match &self.start {
            PieceStart::Header => PieceReader::Members(
                Decoder::new(source, compression, limits).map_err(|_| PieceMismatch)?,
            ),
            PieceStart::Block { bits, byte, window } => {
                let window = zstd::bulk::decompress(window, WINDOW).map_err(|_| PieceMismatch)?;
                let inflate = resume_inflate(*bits, *byte, &window)?;
                PieceReader::MemberRest(Some(source), Box::new(inflate), limits)
            }
        };
        let mut hash = blake3::Hasher::new();
        let most = usize::try_from(self.length).map_or(CHUNK, |most| most.min(CHUNK));
        let mut buf = vec![0; most];
        let mut done = 0;
        while done < self.length {
            let wanted = usize::try_from(self.length - done).map_or(most, |left| left.min(most));
            let n = match reader.read(buf.get_mut(..wanted).unwrap_or_default()) {
                Ok(0) => return Err(PieceMismatch.into()),
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Err(PieceMismatch.into()),
            };
            let bytes = buf.get(..n).unwrap_or_default();
            hash.update(bytes);
            take(self.offset + done, bytes)?;
            done += n as u64;
        }
        match hash.finalize() == self.hash {
            true => Ok(()),
            false => Err(PieceMismatch.into()),
        }
    }
}

/// Decoder of a piece: the rest of a gzip member, then whole members or frames.
enum PieceReader<R: BufRead> {
    MemberRest(Option<R>, Box<Inflate>, DecodeLimits),
    Members(Decoder<R>),
}

impl<R: BufRead> Read for PieceReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let (slot, inflate, limits) = match self {
                PieceReader::Members(decoder) => return decoder.read(buf),
                PieceReader::MemberRest(slot, inflate, limits) => (slot, inflate, *limits),
            };
            let Some(source) = slot else { return Ok(0) };
            let input = source.fill_buf()?;
            let is_over = input.is_empty();
            let (total_in, total_out) = (inflate.total_in(), inflate.total_out());
            let status = inflate
                .decompress(input, buf, InflateFlush::NoFlush)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.as_str()))?;
            let taken = usize::try_from(inflate.total_in() - total_in).unwrap_or(usize::MAX);
            let given = usize::try_from(inflate.total_out() - total_out).unwrap_or(usize::MAX);
            source.consume(taken);
            if status == Status::StreamEnd
                && let Some(mut source) = slot.take()
            {
                // The member's checksum and length cover all of it, so they cannot be compared with a part.
                source.read_exact(&mut [0; 8])?;
                let decoder = Decoder::new(source, Compression::Gzip, limits);
                *self = PieceReader::Members(decoder.map_err(crate::error::Error::into_io)?);
            } else if given == 0 && is_over {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if given > 0 {
                return Ok(given);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::PieceLog;
    use std::io::Write;

    /// Text that compresses about as well as real files, mixed with incompressible bytes.
    fn sample(length: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let mut out = Vec::with_capacity(length + 64);
        while out.len() < length {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let n = state >> 33;
            match n % 97 {
                0 => out.extend((0..5000).map(|i| (state.rotate_left(i) >> 7) as u8)),
                _ => out.extend_from_slice(format!("{n:x} {}, ", n % 31).as_bytes()),
            }
        }
        out.truncate(length);
        out
    }

    fn indexed(stored: &[u8]) -> (Vec<u8>, Vec<Piece>) {
        let log = PieceLog::new();
        let compression = Compression::sniff(stored);
        let limits = DecodeLimits::default();
        let mut decoder = Decoder::indexing(
            stored,
            compression,
            limits,
            stored.len() as u64,
            log.clone(),
        )
        .expect("a decoder");
        // Block boundaries are searched once per read, so reads are as long as those of the programs.
        let (mut out, mut buf) = (Vec::new(), vec![0; crate::blob::CHUNK]);
        loop {
            match decoder.read(&mut buf).expect("decoded") {
                0 => return (out, log.take()),
                n => out.extend_from_slice(&buf[..n]),
            }
        }
    }

    fn decoded(piece: &Piece, stored: &[u8]) -> Result<Vec<u8>, PieceMismatch> {
        let mut out = Vec::new();
        let from = stored
            .get(piece.compressed_offset as usize..)
            .unwrap_or_default();
        piece.decode(
            from,
            Compression::sniff(stored),
            DecodeLimits::default(),
            |at, bytes| {
                assert_eq!(at, piece.offset + out.len() as u64);
                out.extend_from_slice(bytes);
                Ok::<(), PieceMismatch>(())
            },
        )?;
        Ok(out)
    }

    fn check(uncompressed: &[u8], stored: &[u8], least: usize) {
        let (out, pieces) = indexed(stored);
        assert!(out == uncompressed);
        assert!(pieces.len() >= least, "{} pieces", pieces.len());
        let mut at = 0;
        for piece in &pieces {
            assert_eq!(piece.offset, at);
            let end = at + piece.length;
            let expected = &uncompressed[at as usize..end as usize];
            assert!(
                decoded(piece, stored).expect("verified") == expected,
                "piece at {at}"
            );
            at = end;
        }
        assert_eq!(at, uncompressed.len() as u64);
    }

    fn gzipped(data: &[u8], level: u32) -> Vec<u8> {
        let mut encoder =
            flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
        encoder.write_all(data).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn pieces_of_one_member_hold_its_bytes() {
        let data = sample(9 << 20);
        // Level 0 has stored blocks, which begin at whole bytes wherever the one before ended; level 1 is one block.
        for (level, least) in [(0, 7), (1, 1), (6, 7), (9, 7)] {
            check(&data, &gzipped(&data, level), least);
        }
    }

    #[test]
    fn blocks_are_found_at_every_bit() {
        let data = sample(40 << 20);
        let stored = gzipped(&data, 6);
        let (_, pieces) = indexed(&stored);
        let mut seen = [false; 8];
        for piece in &pieces {
            if let PieceStart::Block { bits, .. } = piece.start {
                seen[usize::from(bits)] = true;
            }
        }
        assert!(seen.iter().filter(|seen| **seen).count() >= 6, "{seen:?}");
        check(&data, &stored, 30);
    }

    #[test]
    fn members_and_frames_start_pieces() {
        let data = sample(6 << 20);
        let halves = data.split_at(data.len() / 2 + 77);
        let members = [gzipped(halves.0, 6), gzipped(halves.1, 1), gzipped(b"", 6)].concat();
        check(&data, &members, 4);
        let small: Vec<u8> = data
            .chunks(300_000)
            .flat_map(|part| gzipped(part, 6))
            .collect();
        check(&data, &small, 4);
        let padded = [&members[..], &[0; 512]].concat();
        check(&data, &padded, 4);
        let frames: Vec<u8> = data
            .chunks(300_000)
            .flat_map(|part| zstd::encode_all(part, 3).expect("memory"))
            .collect();
        check(&data, &frames, 4);
        // One frame is one piece.
        let frame = zstd::encode_all(&data[..], 3).expect("memory");
        assert_eq!(indexed(&frame).1.len(), 1);
        check(&data, &frame, 1);
    }

    #[test]
    fn changed_bytes_are_a_mismatch() {
        let data = sample(4 << 20);
        let stored = gzipped(&data, 6);
        let (_, pieces) = indexed(&stored);
        for piece in &pieces {
            let mut other = stored.clone();
            let at = piece.compressed_offset as usize + 50_000;
            other[at] ^= 0x10;
            assert_eq!(decoded(piece, &other), Err(PieceMismatch));
            assert_eq!(decoded(piece, &stored[..at]), Err(PieceMismatch));
            let mut wrong = piece.clone();
            if let PieceStart::Block { bits, .. } = &mut wrong.start {
                *bits = (*bits + 1) % 8;
                assert_eq!(decoded(&wrong, &stored), Err(PieceMismatch));
            }
        }
    }

    #[test]
    fn damage_is_an_error_while_indexing() {
        let data = sample(300_000);
        for stored in [
            gzipped(&data, 6),
            zstd::encode_all(&data[..], 3).expect("memory"),
        ] {
            for end in [stored.len() - 1, stored.len() / 2, 9] {
                let compression = Compression::sniff(&stored);
                let log = PieceLog::new();
                let limits = DecodeLimits::default();
                let mut decoder = Decoder::indexing(&stored[..end], compression, limits, 0, log)
                    .expect("a decoder");
                assert!(io::copy(&mut decoder, &mut io::sink()).is_err(), "{end}");
            }
        }
    }
}
