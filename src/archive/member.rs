//! Members of the tar that holds an archive.

use super::content::Content;
use crate::layer::Mtime;

/// Member of the outer tar.
#[derive(Debug)]
pub struct Member {
    /// Name as written.
    pub name: Vec<u8>,
    /// Kind, with content or target.
    pub kind: MemberKind,
    /// Offset in bytes of its header from the start of the tar.
    pub offset: u64,
    /// Modification time of its header.
    pub mtime: Mtime,
}

/// Kinds of members.
#[derive(Debug)]
pub enum MemberKind {
    /// Regular file.
    File(Content),
    /// Symbolic link; the target is relative to the member's directory.
    Symlink(Vec<u8>),
    /// Hard link; the target is a member's name.
    HardLink(Vec<u8>),
    /// Directory.
    Directory,
    /// Sparse file, which archive writers do not make and most readers refuse.
    Sparse,
    /// Device, FIFO, or unknown type.
    Other,
}

/// Resolves `link` relative to `directory`; `None` if it leads out of the archive.
pub(super) fn resolve(directory: &[u8], link: &[u8]) -> Option<Vec<u8>> {
    let mut parts: Vec<&[u8]> = directory
        .split(|&byte| byte == b'/')
        .filter(|part| !part.is_empty())
        .collect();
    for part in link.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn resolved_links_stay_inside() {
        assert_eq!(
            resolve(b"a", b"../b/layer.tar").as_deref(),
            Some(&b"b/layer.tar"[..])
        );
        assert_eq!(resolve(b"", b"./x/./y").as_deref(), Some(&b"x/y"[..]));
        assert_eq!(resolve(b"a", b"../../etc/passwd"), None);
        assert_eq!(resolve(b"", b".."), None);
    }
}
