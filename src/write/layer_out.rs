//! A layer in the making: entries and markers go in, a kept blob comes out, hashed while it is written.

use std::io::{Read, Write};
use std::sync::Arc;
use std::thread::JoinHandle;

use super::compress::compress_into;
use super::entry::{END, EntryOut, padding};
use crate::archive::Kept;
use crate::blob::{
    CHUNK, Compression, FeedingWriter, FileRange, Hasher, Meter, NewFile, ReadAhead,
};
use crate::error::{Error, Fault, Result};
use crate::layer::Scan;
use crate::spec::Digest;

/// Writes a layer into a file, plain or packed.
///
/// Nothing is remembered of the entries: their order and whatever links mean are the caller's.
///
/// ```no_run
/// use imgkit::blob::{Meter, NewFile};
/// use imgkit::layer::EntryKind;
/// use imgkit::write::LayerWriter;
/// use imgkit::write::entry::EntryOut;
///
/// let file = NewFile::in_directory(".".as_ref(), 0o644)?;
/// let mut layer = LayerWriter::new(file, &Meter::default());
/// layer.entry(&EntryOut { path: b"etc", kind: EntryKind::Directory, mode: 0o755, ..EntryOut::default() })?;
/// let motd = b"hello\n";
/// let entry = EntryOut { path: b"etc/motd", kind: EntryKind::File, mode: 0o644, size: motd.len() as u64, ..EntryOut::default() };
/// layer.file(&entry, &motd[..])?;
/// layer.whiteout(b"etc/issue")?;
/// let kept = layer.finish()?;
/// println!("{} bytes, diff ID {:?}", kept.scan.size, kept.scan.diff_id);
/// # Ok::<(), imgkit::Error>(())
/// ```
pub struct LayerWriter {
    file: Arc<NewFile>,
    /// Who packs what is written; without it the layer stays plain.
    packing: Option<Packing>,
    buf: Vec<u8>,
    hasher: Hasher,
    count: u64,
    meter: Meter,
}

impl LayerWriter {
    /// Starts a plain layer; `meter` counts its bytes.
    pub fn new(file: NewFile, meter: &Meter) -> Self {
        LayerWriter {
            file: Arc::new(file),
            packing: None,
            buf: Vec::with_capacity(4 * CHUNK),
            hasher: Hasher::default(),
            count: 0,
            meter: meter.clone(),
        }
    }

    /// Starts a layer that is packed while it is made, on all cores: the plain one is never in a file. It has to be
    /// written outside of the pool of threads that packs.
    pub fn packing(file: NewFile, to: Compression, level: Option<i32>, meter: &Meter) -> Self {
        let mut writer = LayerWriter::new(file, meter);
        let file = Arc::clone(&writer.file);
        let (feeder, plain) = ReadAhead::pair();
        let thread = std::thread::spawn(move || compress_into(&file, plain, to, level));
        writer.packing = Some(Packing {
            to,
            feeder: Some(feeder.writer()),
            thread: Some(thread),
        });
        writer
    }

    /// Writes an entry without contents.
    ///
    /// # Errors
    /// `Io`: a full disk.
    pub fn entry(&mut self, entry: &EntryOut<'_>) -> Result<()> {
        entry.header(&mut self.buf);
        self.spill(3 * CHUNK)
    }

    /// Writes an entry with contents, which must be of the size that the entry states.
    ///
    /// # Errors
    /// `Changed` if they are longer or shorter; what reading gives; `Io`.
    pub fn file(&mut self, entry: &EntryOut<'_>, mut contents: impl Read) -> Result<()> {
        self.entry(entry)?;
        let mut left = entry.size;
        loop {
            let start = self.buf.len();
            self.buf.resize(start + CHUNK, 0);
            let read = contents.read(&mut self.buf[start..]);
            self.buf.truncate(start + read.as_ref().map_or(0, |n| *n));
            match read {
                Ok(0) if left == 0 => break,
                Ok(0) => return Err(Fault::Changed.into()),
                Ok(n) => match left.checked_sub(n as u64) {
                    Some(less) => left = less,
                    None => return Err(Fault::Changed.into()),
                },
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("read", error)),
            }
            self.spill(3 * CHUNK)?;
        }
        self.buf.resize(self.buf.len() + padding(entry.size), 0);
        Ok(())
    }

    /// Writes a marker that removes a path of lower layers.
    ///
    /// # Errors
    /// `Io`.
    pub fn whiteout(&mut self, path: &[u8]) -> Result<()> {
        let cut = path.iter().rposition(|byte| *byte == b'/');
        let (folder, name) = path.split_at(cut.map_or(0, |cut| cut + 1));
        self.marker(&[folder, b".wh.", name].concat())
    }

    /// Writes a marker that removes all that lower layers have in a folder.
    ///
    /// # Errors
    /// `Io`.
    pub fn opaque(&mut self, folder: &[u8]) -> Result<()> {
        self.marker(&[folder, b"/.wh..wh..opq"].concat())
    }

    fn marker(&mut self, path: &[u8]) -> Result<()> {
        self.entry(&EntryOut {
            path,
            ..EntryOut::default()
        })
    }

    fn spill(&mut self, most: usize) -> Result<()> {
        if self.buf.len() <= most {
            return Ok(());
        }
        self.hasher.update(&self.buf);
        self.count += self.buf.len() as u64;
        match &mut self.packing {
            None => {
                let written = self.file.file().write_all(&self.buf);
                written.map_err(|error| Error::io("write", error))?;
            }
            Some(packing) => {
                if !packing.takes(&self.buf) {
                    packing.end()?;
                    return Err(Fault::StreamConsumed.into());
                }
            }
        }
        self.meter.add(self.buf.len() as u64);
        self.buf.clear();
        Ok(())
    }

    /// Ends the layer.
    ///
    /// # Errors
    /// `Io`.
    pub fn finish(mut self) -> Result<Kept> {
        self.buf.extend(END);
        self.spill(0)?;
        let diff_id = self.hasher.finish();
        let (to, (digest, size)) = match self.packing {
            None => (Compression::None, (diff_id.clone(), self.count)),
            Some(mut packing) => (packing.to, packing.end()?),
        };
        let scan = Scan::written(digest, size, to, diff_id, self.count);
        let copy = self.file.file().try_clone();
        let range = FileRange::whole(copy.map_err(|error| Error::io("read", error))?)?;
        Ok(Kept {
            file: self.file,
            range,
            scan: Arc::new(scan),
        })
    }
}

/// The packing of what is written, on a thread of its own.
struct Packing {
    to: Compression,
    feeder: Option<FeedingWriter>,
    thread: Option<JoinHandle<Result<(Digest, u64)>>>,
}

impl Packing {
    /// Passes bytes on; false if nobody takes them any more: whoever packs has an error to tell.
    fn takes(&mut self, bytes: &[u8]) -> bool {
        let feeder = self.feeder.as_mut();
        feeder.is_some_and(|feeder| feeder.write_all(bytes).is_ok())
    }

    /// Waits until all is packed: digest and size.
    fn end(&mut self) -> Result<(Digest, u64)> {
        if let Some(feeder) = self.feeder.take() {
            feeder.finish(Ok(()));
        }
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(written)) => written,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Err(Fault::StreamConsumed.into()),
        }
    }
}

impl Drop for Packing {
    /// A layer that is given up leaves no file behind, not even where files have names from the beginning.
    fn drop(&mut self) {
        drop(self.feeder.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::Decoder;
    use crate::layer::EntryKind;

    fn written(mut out: LayerWriter) -> Kept {
        let contents: Vec<u8> = (0..5_000_000_u32)
            .map(|i| (i.wrapping_mul(i) >> 7) as u8)
            .collect();
        let entry = EntryOut {
            path: b"file",
            kind: EntryKind::File,
            size: contents.len() as u64,
            ..EntryOut::default()
        };
        out.file(&entry, &contents[..]).expect("written");
        out.whiteout(b"folder/gone").expect("written");
        out.finish().expect("whole")
    }

    #[test]
    fn a_layer_packed_while_it_is_made_is_the_plain_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = || NewFile::in_directory(folder.path(), 0o600).expect("a file");
        let meter = Meter::default();
        let plain = written(LayerWriter::new(file(), &meter));
        let expected = plain.range.bytes(u64::MAX).expect("read");
        for to in [Compression::Gzip, Compression::Zstd] {
            let packed = written(LayerWriter::packing(file(), to, None, &meter));
            assert_eq!(packed.scan.compression, to);
            assert_eq!(packed.scan.diff_id, plain.scan.diff_id);
            assert_eq!(packed.scan.uncompressed_size, expected.len() as u64);
            let stored = packed.range.bytes(u64::MAX).expect("read");
            assert_eq!(packed.scan.size, stored.len() as u64);
            assert_eq!(packed.scan.digest, crate::blob::sha256(&stored));
            let limits = crate::blob::DecodeLimits::default();
            let mut decoder = Decoder::new(&stored[..], to, limits).expect("a decoder");
            let mut decoded = Vec::new();
            decoder.read_to_end(&mut decoded).expect("whole");
            assert!(decoded == expected, "{}", to.name());
        }
    }

    #[test]
    fn who_cannot_pack_says_why() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = NewFile::in_directory(folder.path(), 0o600).expect("a file");
        let mut out = LayerWriter::packing(file, Compression::Gzip, Some(77), &Meter::default());
        let entry = EntryOut {
            path: b"file",
            kind: EntryKind::File,
            size: 1 << 30,
            ..EntryOut::default()
        };
        // More than can wait, so that writing meets the error and not only the end.
        let error = out.file(&entry, std::io::repeat(0)).expect_err("refused");
        assert!(error.to_string().contains("77"), "{error}");
    }
}
