//! A layer written entry by entry into a file, and hashed on the way.

use std::io::{Read, Write};
use std::sync::Arc;
use std::thread::JoinHandle;

use super::compress::compress_into;
use super::entry::{END, EntryOut, padding};
use crate::archive::Kept;
use crate::blob::{
    CHUNK, Compression, FeedingWriter, FileRange, Hasher, Meter, NewFile, ReadAhead,
};
use crate::error::{During, Error, Fault, Result};
use crate::layer::Scan;
use crate::spec::Digest;

/// Writer of a layer, compressed or not.
///
/// It does not keep track of entries: their order and the targets of links are up to the caller.
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
    /// The compressor; `None` for an uncompressed layer.
    compressor: Option<Compressor>,
    buf: Vec<u8>,
    hasher: Hasher,
    count: u64,
    meter: Meter,
}

impl LayerWriter {
    /// Starts an uncompressed layer; `meter` counts its bytes.
    pub fn new(file: NewFile, meter: &Meter) -> Self {
        LayerWriter {
            file: Arc::new(file),
            compressor: None,
            buf: Vec::with_capacity(4 * CHUNK),
            hasher: Hasher::default(),
            count: 0,
            meter: meter.clone(),
        }
    }

    /// Starts a layer that is compressed while it is written, on all cores; the uncompressed layer never lies in a
    /// file. Must not be used on a thread of the pool that compresses.
    pub fn compressing(file: NewFile, to: Compression, level: Option<i32>, meter: &Meter) -> Self {
        let mut writer = LayerWriter::new(file, meter);
        let file = Arc::clone(&writer.file);
        let (feeder, tar) = ReadAhead::pair();
        let thread = std::thread::spawn(move || compress_into(&file, tar, to, level));
        writer.compressor = Some(Compressor {
            to,
            feeder: Some(feeder.writer()),
            thread: Some(thread),
        });
        writer
    }

    /// Writes an entry without contents.
    ///
    /// # Errors
    /// `Io` for a full disk.
    pub fn entry(&mut self, entry: &EntryOut<'_>) -> Result<()> {
        entry.header(&mut self.buf);
        self.flush_above(3 * CHUNK)
    }

    /// Writes an entry with contents of the size that the entry states.
    ///
    /// # Errors
    /// `Changed` if the contents are longer or shorter; the errors of reading them; `Io`.
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
            self.flush_above(3 * CHUNK)?;
        }
        self.buf.resize(self.buf.len() + padding(entry.size), 0);
        Ok(())
    }

    /// Writes a whiteout for a path of lower layers.
    ///
    /// # Errors
    /// `Io`.
    pub fn whiteout(&mut self, path: &[u8]) -> Result<()> {
        let cut = path.iter().rposition(|byte| *byte == b'/');
        let (directory, name) = path.split_at(cut.map_or(0, |cut| cut + 1));
        self.marker(&[directory, b".wh.", name].concat())
    }

    /// Writes an opaque whiteout for a directory of lower layers.
    ///
    /// # Errors
    /// `Io`.
    pub fn opaque(&mut self, directory: &[u8]) -> Result<()> {
        self.marker(&[directory, b"/.wh..wh..opq"].concat())
    }

    fn marker(&mut self, path: &[u8]) -> Result<()> {
        self.entry(&EntryOut {
            path,
            ..EntryOut::default()
        })
    }

    fn flush_above(&mut self, limit: usize) -> Result<()> {
        if self.buf.len() <= limit {
            return Ok(());
        }
        self.hasher.update(&self.buf);
        self.count += self.buf.len() as u64;
        match &mut self.compressor {
            None => {
                let written = self.file.file().write_all(&self.buf);
                written.during("write")?;
            }
            Some(compressor) => {
                if !compressor.feed(&self.buf) {
                    compressor.finish()?;
                    return Err(Fault::StreamConsumed.into());
                }
            }
        }
        self.meter.add(self.buf.len() as u64);
        self.buf.clear();
        Ok(())
    }

    /// Writes the end marker and returns the layer.
    ///
    /// # Errors
    /// `Io`.
    pub fn finish(mut self) -> Result<Kept> {
        self.buf.extend(END);
        self.flush_above(0)?;
        let diff_id = self.hasher.finish();
        let (to, (digest, size)) = match self.compressor {
            None => (Compression::None, (diff_id.clone(), self.count)),
            Some(mut compressor) => (compressor.to, compressor.finish()?),
        };
        let scan = Scan::written(digest, size, to, diff_id, self.count);
        let copy = self.file.file().try_clone();
        let range = FileRange::whole(copy.during("read")?)?;
        Ok(Kept {
            file: self.file,
            range,
            scan: Arc::new(scan),
        })
    }
}

/// The compressor, on a thread of its own.
struct Compressor {
    to: Compression,
    feeder: Option<FeedingWriter>,
    thread: Option<JoinHandle<Result<(Digest, u64)>>>,
}

impl Compressor {
    /// Passes bytes on. Returns false if the thread has ended with an error.
    fn feed(&mut self, bytes: &[u8]) -> bool {
        let feeder = self.feeder.as_mut();
        feeder.is_some_and(|feeder| feeder.write_all(bytes).is_ok())
    }

    /// Waits for the end of compression. Returns digest and size.
    fn finish(&mut self) -> Result<(Digest, u64)> {
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

impl Drop for Compressor {
    /// Waits for the thread: an abandoned layer leaves no file behind, even on file systems without anonymous files.
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
        out.whiteout(b"directory/gone").expect("written");
        out.finish().expect("whole")
    }

    #[test]
    fn layers_compressed_on_the_fly_decode_to_the_uncompressed_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = || NewFile::in_directory(directory.path(), 0o600).expect("a file");
        let meter = Meter::default();
        let uncompressed = written(LayerWriter::new(file(), &meter));
        let expected = uncompressed.range.bytes(u64::MAX).expect("read");
        for to in [Compression::Gzip, Compression::Zstd] {
            let compressed = written(LayerWriter::compressing(file(), to, None, &meter));
            assert_eq!(compressed.scan.compression, to);
            assert_eq!(compressed.scan.diff_id, uncompressed.scan.diff_id);
            assert_eq!(compressed.scan.uncompressed_size, expected.len() as u64);
            let stored = compressed.range.bytes(u64::MAX).expect("read");
            assert_eq!(compressed.scan.size, stored.len() as u64);
            assert_eq!(compressed.scan.digest, crate::blob::sha256(&stored));
            let limits = crate::blob::DecodeLimits::default();
            let mut decoder = Decoder::new(&stored[..], to, limits).expect("a decoder");
            let mut decoded = Vec::new();
            decoder.read_to_end(&mut decoded).expect("whole");
            assert!(decoded == expected, "{}", to.name());
        }
    }

    #[test]
    fn errors_of_the_compressor_are_reported() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = NewFile::in_directory(directory.path(), 0o600).expect("a file");
        let mut out =
            LayerWriter::compressing(file, Compression::Gzip, Some(77), &Meter::default());
        let entry = EntryOut {
            path: b"file",
            kind: EntryKind::File,
            size: 1 << 30,
            ..EntryOut::default()
        };
        // More than the pipe holds, so that writing meets the error before the end.
        let error = out.file(&entry, std::io::repeat(0)).expect_err("refused");
        assert!(error.to_string().contains("77"), "{error}");
    }
}
