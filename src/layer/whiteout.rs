//! Whiteouts (image specification, "Image Layer Filesystem Changeset", Whiteouts).

/// Effect of a path's last component on lower layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whiteout<'a> {
    /// No effect: an ordinary name.
    None,
    /// `.wh.NAME`: removes NAME in the whiteout's directory from lower layers.
    Removes(&'a [u8]),
    /// `.wh..wh..opq`: removes all contents of the whiteout's directory from lower layers.
    Opaque,
    /// `.wh..wh.plnk`, `.wh..wh.aufs` or `.wh..wh.orph`, or a path below one: metadata of the AUFS storage driver.
    Aufs,
    /// A whiteout without a name (`.wh.`), or of the directory itself or its parent (`.wh..`, `.wh...`).
    Invalid,
}

impl<'a> Whiteout<'a> {
    /// Parses a clean path (see [`clean_path`](super::clean_path)). The kind of the entry does not matter.
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
    fn whiteouts_are_recognised_by_the_last_component() {
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
