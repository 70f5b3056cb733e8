//! Whiteouts (image specification, "Image Layer Filesystem Changeset", Whiteouts): names that remove.

/// What a path's last part says about lower layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whiteout<'a> {
    /// Nothing: an ordinary name.
    None,
    /// `.wh.NAME`: the name, beside the marker, that is removed from lower layers.
    Removes(&'a [u8]),
    /// `.wh..wh..opq`: everything lower layers have in the marker's directory is removed.
    Opaque,
    /// `.wh..wh.plnk`, `.wh..wh.aufs` or `.wh..wh.orph`, or something below one: an old storage driver's own notes.
    Aufs,
    /// A marker that names nothing (`.wh.`) or that would name the directory itself or its parent (`.wh..`, `.wh...`).
    Invalid,
}

impl<'a> Whiteout<'a> {
    /// Reads a clean path (see [`clean_path`](super::clean_path)). The kind of the entry does not matter.
    pub fn of(path: &'a [u8]) -> Self {
        // Nearly every path ends here.
        if !path.windows(4).any(|part| part == b".wh.") {
            return Whiteout::None;
        }
        let mut parts = path.rsplit(|&byte| byte == b'/');
        let last = parts.next().unwrap_or_default();
        if is_aufs(last) || parts.any(is_aufs) {
            return Whiteout::Aufs;
        }
        match last.strip_prefix(b".wh.") {
            None => Whiteout::None,
            Some(b"" | b"." | b"..") => Whiteout::Invalid,
            Some(b".wh..opq") => Whiteout::Opaque,
            Some(name) => Whiteout::Removes(name),
        }
    }
}

fn is_aufs(part: &[u8]) -> bool {
    matches!(part, b".wh..wh.plnk" | b".wh..wh.aufs" | b".wh..wh.orph")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_told_by_their_last_part() {
        for (path, expected) in [
            ("etc/passwd", Whiteout::None),
            ("etc/x.wh.y", Whiteout::None),
            ("etc/.wh.d/file", Whiteout::None),
            ("", Whiteout::None),
            (".wh.a", Whiteout::Removes(b"a")),
            ("etc/.wh.passwd", Whiteout::Removes(b"passwd")),
            ("etc/.wh....", Whiteout::Removes(b"...")),
            ("etc/.wh..hidden", Whiteout::Removes(b".hidden")),
            ("etc/.wh..wh.x", Whiteout::Removes(b".wh.x")),
            ("etc/.wh..wh..opq", Whiteout::Opaque),
            (".wh..wh..opq", Whiteout::Opaque),
            (".wh..wh.plnk", Whiteout::Aufs),
            (".wh..wh.plnk/12.34", Whiteout::Aufs),
            (".wh..wh.aufs", Whiteout::Aufs),
            ("x/.wh..wh.orph", Whiteout::Aufs),
            ("etc/.wh.", Whiteout::Invalid),
            (".wh..", Whiteout::Invalid),
            ("a/.wh...", Whiteout::Invalid),
        ] {
            assert_eq!(Whiteout::of(path.as_bytes()), expected, "{path}");
        }
    }
}
