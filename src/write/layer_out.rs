//! A layer in the making: entries and markers go in, a kept blob comes out, hashed while it is written.

use std::io::{Read, Write};
use std::sync::Arc;

use super::entry::{END, EntryOut, padding};
use crate::archive::Kept;
use crate::blob::{CHUNK, Compression, FileRange, Hasher, Meter, NewFile};
use crate::error::{Error, Fault, Result};
use crate::layer::Scan;

/// Writes a plain layer into a file.
///
/// Nothing is remembered of the entries: their order and whatever links mean are the caller's.
pub struct LayerWriter {
    file: Arc<NewFile>,
    buf: Vec<u8>,
    hasher: Hasher,
    count: u64,
    meter: Meter,
}

impl LayerWriter {
    /// Starts a layer; `meter` counts its bytes.
    pub fn new(file: NewFile, meter: &Meter) -> Self {
        LayerWriter {
            file: Arc::new(file),
            buf: Vec::with_capacity(4 * CHUNK),
            hasher: Hasher::default(),
            count: 0,
            meter: meter.clone(),
        }
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
        let written = self.file.file().write_all(&self.buf);
        written.map_err(|error| Error::io("write", error))?;
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
        let digest = self.hasher.finish();
        let scan = Scan::made(
            digest.clone(),
            self.count,
            Compression::None,
            digest,
            self.count,
        );
        let copy = self.file.file().try_clone();
        let range = FileRange::whole(copy.map_err(|error| Error::io("read", error))?)?;
        Ok(Kept {
            file: self.file,
            range,
            scan: Arc::new(scan),
        })
    }
}
