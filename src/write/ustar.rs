//! Blocks of a ustar header.

/// Size in bytes of a block. Contents are padded with zeros to a whole number of blocks.
pub const BLOCK: u64 = 512;

/// The end marker of a tar.
pub const END: [u8; 1024] = [0; 1024];

/// Returns the number of zeros after contents of `size` bytes.
pub fn padding(size: u64) -> usize {
    // Less than a block.
    ((BLOCK - size % BLOCK) % BLOCK) as usize
}

/// Details of headers that readers ignore. Each kind of output keeps its own, so that its bytes stay the same from
/// version to version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderStyle {
    /// Layers and root filesystems: a checksum of six digits, a NUL and a space.
    Layer,
    /// Image archives: a checksum of seven digits and a NUL. A path in a PAX record has its prefix in the header, too.
    ImageArchive,
}

/// A header that is being filled in.
pub(super) struct Block([u8; BLOCK as usize]);

impl Default for Block {
    fn default() -> Self {
        Block([0; BLOCK as usize])
    }
}

impl Block {
    /// Copies bytes to an offset.
    pub(super) fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(to) = self.0.get_mut(at..at + bytes.len()) {
            to.copy_from_slice(bytes);
        }
    }

    /// Writes octal digits and a NUL. Returns false if the number does not fit; 0 is written in its place.
    pub(super) fn put_octal(&mut self, at: usize, width: usize, value: u64) -> bool {
        let digits = width - 1;
        let fits = value >> (3 * digits) == 0;
        let text = format!("{:0digits$o}\0", if fits { value } else { 0 });
        self.put(at, text.as_bytes());
        fits
    }

    /// Adds type flag, magic number and checksum.
    pub(super) fn finish(mut self, type_flag: u8, style: HeaderStyle) -> [u8; BLOCK as usize] {
        self.put(156, &[type_flag]);
        self.put(257, b"ustar\x0000");
        self.put(148, b"        ");
        let sum: u32 = self.0.iter().map(|&byte| u32::from(byte)).sum();
        let text = match style {
            HeaderStyle::Layer => format!("{sum:06o}\0 "),
            HeaderStyle::ImageArchive => format!("{sum:07o}\0"),
        };
        self.put(148, text.as_bytes());
        self.0
    }
}

/// Splits a path into prefix and name, so that both fit their fields; `None` if no `/` allows it.
pub(super) fn split_path(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= 100 {
        return Some((b"", path));
    }
    let prefix = longest_prefix(path)?;
    let name = path.get(prefix.len() + 1..)?;
    (!prefix.is_empty() && name.len() <= 100).then_some((prefix, name))
}

/// Returns the longest parent directory that fits the prefix field; a closing slash belongs to the name.
pub(super) fn longest_prefix(path: &[u8]) -> Option<&[u8]> {
    let limit = path.len().min(156).min(path.len().saturating_sub(1));
    let slash = path.get(..limit)?.iter().rposition(|&byte| byte == b'/')?;
    path.get(..slash)
}
