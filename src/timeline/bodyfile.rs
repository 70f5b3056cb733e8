//! Bodyfiles of The Sleuth Kit 3: `MD5|name|inode|mode|UID|GID|size|atime|mtime|ctime|crtime`, one line for a version.
//!
//! No file is read alike by mactime and by plaso, so there are two dialects. mactime decodes `%XX` in every field and
//! splits at each bar; plaso takes a bar behind a backslash for a part of the name, and a time of 0 for one that is not
//! known, where mactime wants -1. Both dialects write backslashes as `\\`, and control characters and bytes that are
//! no UTF-8 as `\xNN`, one byte each.
//!
//! Names are unique, because mactime shows size and mode of the last line of a name for all of them. So what could pass for
//! an ending, or for a target, is escaped where a file has it in its name.

use std::fmt::Write;

use super::image::TimedImage;
use super::label::Label;
use crate::layer::Mtime;
use crate::tree::{EntryVersion, NodeKind, VersionKind};

/// Reader of a bodyfile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// The Sleuth Kit's mactime.
    Mactime,
    /// plaso.
    Plaso,
}

/// Part of a line that a reader does not show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Times before 1970, which mactime leaves out.
    pub before_1970: u64,
    /// Times of 0, which plaso takes for unknown ones.
    pub zeros: u64,
}

impl Dialect {
    /// Appends the line of a version. `crtime` is the time of its layer.
    pub fn line(
        self,
        out: &mut String,
        image: &TimedImage<'_>,
        version: &EntryVersion<'_>,
        crtime: Option<Mtime>,
    ) -> Written {
        let (meta, others) = (version.meta(), version.other_times());
        let name = self.name(&Label::of(image, version));
        let times = [others.access, Some(meta.mtime), others.change, crtime];
        let mut written = Written::default();
        let md5 = (image.md5)(version).map_or_else(|| "0".to_owned(), hex::encode);
        let _ = write!(
            out,
            "{md5}|{name}|{}-{}|{}|{}|{}|{}",
            version.layer() + 1,
            version.entry(),
            mode(version, meta.mode),
            meta.owner.uid,
            meta.owner.gid,
            version.size(),
        );
        for time in times {
            let seconds = match (time, self) {
                (Some(time), _) => {
                    written.before_1970 += u64::from(time.seconds < 0);
                    written.zeros += u64::from(time.seconds == 0);
                    time.seconds
                }
                (None, Dialect::Mactime) => -1,
                (None, Dialect::Plaso) => 0,
            };
            let _ = write!(out, "|{seconds}");
        }
        out.push('\n');
        written
    }

    /// The name of a version, escaped.
    pub fn name(self, label: &Label) -> String {
        let mut out = String::new();
        if let Some(prefix) = &label.prefix {
            out.push('[');
            self.escape(&mut out, prefix.as_bytes());
            out.push_str("] ");
        }
        self.escape(&mut out, &label.path);
        out.push_str(&label.ending);
        if let Some(target) = &label.target {
            out.push_str(" -> ");
            self.escape(&mut out, target);
        }
        out
    }

    fn escape(self, out: &mut String, bytes: &[u8]) {
        let hex = |out: &mut String, bytes: &[u8]| {
            for byte in bytes {
                let _ = write!(out, "\\x{byte:02x}");
            }
        };
        for chunk in bytes.utf8_chunks() {
            let valid = chunk.valid();
            for (at, c) in valid.char_indices() {
                let after = valid.get(at + 1..).unwrap_or_default();
                match (c, self) {
                    ('|', Dialect::Mactime) => out.push_str("%7C"),
                    ('%', Dialect::Mactime) => out.push_str("%25"),
                    ('|', Dialect::Plaso) => out.push_str("\\|"),
                    ('\\', _) => out.push_str("\\\\"),
                    (' ', _) if is_mark(after) => hex(out, b" "),
                    (c, _) if c.is_control() => {
                        hex(out, c.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                    (c, _) => out.push(c),
                }
            }
            hex(out, chunk.invalid());
        }
    }
}

/// Tests if what follows a blank reads as an ending or a target, maybe with what is written behind it.
fn is_mark(after: &str) -> bool {
    after.starts_with("(layer") || after.starts_with("->")
}

/// Type and mode as The Sleuth Kit writes them: `r/rrwxr-xr-x`.
fn mode(version: &EntryVersion<'_>, mode: u16) -> String {
    let kind = match (version.kind(), version.file_kind()) {
        (VersionKind::Whiteout | VersionKind::Opaque, _) => return "w/w---------".to_owned(),
        (_, Some(NodeKind::File)) => 'r',
        (_, Some(NodeKind::Directory)) => 'd',
        (_, Some(NodeKind::Symlink)) => 'l',
        (_, Some(NodeKind::CharDevice)) => 'c',
        (_, Some(NodeKind::BlockDevice)) => 'b',
        (_, Some(NodeKind::Fifo)) => 'p',
        (_, None) => '-',
    };
    let mut out = format!("{kind}/{kind}");
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        out.push(if bits & 4 == 0 { '-' } else { 'r' });
        out.push(if bits & 2 == 0 { '-' } else { 'w' });
        out.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    out
}

/// The bytes of an escaped name, by the rules of its dialect; `None` for a text that the dialect does not write.
pub fn unescaped_name(dialect: Dialect, name: &str) -> Option<Vec<u8>> {
    let digits = |rest: &str| u8::from_str_radix(rest.get(..2)?, 16).ok();
    let mut out = Vec::new();
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..)?;
        rest = match (c, dialect, after.chars().next()) {
            ('\\', _, Some('\\')) => {
                out.push(b'\\');
                after.get(1..)?
            }
            ('\\', Dialect::Plaso, Some('|')) => {
                out.push(b'|');
                after.get(1..)?
            }
            ('\\', _, Some('x')) => {
                out.push(digits(after.get(1..)?)?);
                after.get(3..)?
            }
            ('%', Dialect::Mactime, _) => {
                out.push(digits(after)?);
                after.get(2..)?
            }
            ('\\' | '|', ..) => return None,
            (c, ..) if c.is_control() => return None,
            (c, ..) => {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                after
            }
        };
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_ends_as_a_mark_begins_is_not_another_one() {
        let label = |path: &str, target: Option<&str>| Label {
            prefix: None,
            path: path.as_bytes().to_vec(),
            ending: String::new(),
            target: target.map(|target| target.as_bytes().to_vec()),
        };
        for dialect in [Dialect::Mactime, Dialect::Plaso] {
            let name = |path, target| dialect.name(&label(path, target));
            assert_eq!(name("/a ->", Some("t")), "/a\\x20-> -> t");
            assert_eq!(name("/a", Some("-> t")), "/a -> -> t");
            assert_eq!(name("/a (layer", None), "/a\\x20(layer");
            assert_eq!(name("/a ", Some(" t")), "/a  ->  t");
        }
    }
}
