//! Bytes of a tar that no reader shows: behind the ends of texts in headers, in padding, behind the end marker.

use std::io::{self, Cursor, Read};

use super::anomaly::AnomalyKind;
use super::header::{BLOCK, Header, is_header};
use super::input::TarInput;
use super::limits::Limits;
use super::walk::Walker;
use crate::blob::read_full;
use crate::error::Result;

/// Bytes behind the end that are searched at a time for one that is not zero.
const PART: usize = 64 << 10;

/// Place of hidden bytes in a tar.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HiddenPlace<'h> {
    /// Code of the finding.
    pub(crate) code: &'static str,
    /// Offset from the start of the tar.
    pub(crate) offset: u64,
    /// Name of the entry; empty behind the end.
    pub(crate) path: &'h [u8],
}

/// Receives hidden bytes.
pub(crate) type VisitHidden<'v> = dyn FnMut(HiddenPlace<'_>, &mut dyn Read) -> Result<()> + 'v;

/// Passes all hidden bytes of a tar to `visit`, in their order: whole headers with bytes behind their texts, padding that is
/// not only zeros, and what is behind the end marker from its first byte that is not zero. Contents are skipped.
///
/// # Errors
/// Those of the walk, after what lies before; those of `visit`.
pub(crate) fn hidden_bytes(
    input: impl TarInput,
    limits: &Limits,
    visit: &mut VisitHidden<'_>,
) -> Result<()> {
    let seen = Seen {
        inner: input,
        read: Vec::new(),
    };
    let mut walker = Walker::new(seen).within(limits);
    let mut path = Vec::new();
    let mut data_end = None;
    let (end, mut behind) = loop {
        let next = walker.next_entry().map(|entry| {
            let entry = entry?;
            let end = entry.data_offset.saturating_add(entry.stored_size);
            Some((entry.path.clone(), end))
        });
        let ended = walker.end().map_or(u64::MAX, |end| end.offset);
        let mut behind = Vec::new();
        for (offset, bytes) in std::mem::take(&mut walker.input_mut().read) {
            if offset >= ended {
                behind.extend(bytes);
                continue;
            }
            let is_padding = data_end == Some(offset) && bytes.len() < BLOCK;
            let block = bytes.first_chunk().and_then(Header::parse);
            let code = match is_padding {
                true if bytes.iter().any(|byte| *byte != 0) => AnomalyKind::PaddingData.code(),
                false if block.is_some_and(|header| header.has_hidden_bytes()) => {
                    AnomalyKind::HiddenBytes.code()
                }
                _ => continue,
            };
            let path = match (is_padding, &next) {
                (false, Ok(Some((own, _)))) => own,
                _ => &path,
            };
            let place = HiddenPlace { code, offset, path };
            visit(place, &mut &*bytes)?;
        }
        match next? {
            Some((own, end)) => (path, data_end) = (own, Some(end)),
            None => break (ended, behind),
        }
    };
    let mut rest = Rest(walker.into_parts().0.inner);
    let mut offset = end;
    loop {
        if let Some(at) = behind.iter().position(|byte| *byte != 0) {
            let behind = behind.get(at..).unwrap_or_default();
            let place = HiddenPlace {
                code: match at % BLOCK == 0 && is_header(behind) {
                    true => "entries-after-end",
                    false => "trailing-data",
                },
                offset: offset.saturating_add(at as u64),
                path: b"",
            };
            return visit(place, &mut Cursor::new(behind).chain(rest));
        }
        offset = offset.saturating_add(behind.len() as u64);
        behind.resize(PART, 0);
        let read = read_full(&mut rest, &mut behind)?;
        behind.truncate(read);
        if read == 0 {
            return Ok(());
        }
    }
}

/// Input that keeps what is read, and not what is skipped.
struct Seen<I> {
    inner: I,
    /// Offset and bytes of each read.
    read: Vec<(u64, Vec<u8>)>,
}

impl<I: TarInput> TarInput for Seen<I> {
    fn read_full(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let offset = self.inner.position();
        let read = self.inner.read_full(buf)?;
        let bytes = buf.get(..read).unwrap_or_default();
        self.read.push((offset, bytes.to_vec()));
        Ok(read)
    }

    fn skip(&mut self, n: u64) -> io::Result<u64> {
        self.inner.skip(n)
    }

    fn position(&self) -> u64 {
        self.inner.position()
    }
}

/// The rest of an input.
struct Rest<I>(I);

impl<I: TarInput> Read for Rest<I> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read_full(buf)
    }
}
