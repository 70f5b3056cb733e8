//! Ways into a file.

/// One step into a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// To what a compressed file holds; it has the name of the file without the suffix of its compression.
    Decoded,
    /// To a member of an archive, by its path.
    Member(Vec<u8>),
}

/// Suffixes of compressed files, and what is left of them in the name of what they hold.
const SUFFIXES: &[(&[u8], &[u8])] = &[
    (b".gz", b""),
    (b".bz2", b""),
    (b".xz", b""),
    (b".zst", b""),
    (b".zstd", b""),
    (b".lz4", b""),
    (b".z", b""),
    (b".svgz", b".svg"),
    (b".tgz", b".tar"),
    (b".tbz", b".tar"),
    (b".tbz2", b".tar"),
    (b".txz", b".tar"),
    (b".tzst", b".tar"),
];

/// Returns the path inside a file, with `!` between its steps: `changelog` for what `doc/changelog.gz` holds.
pub fn inner_path(file: &[u8], steps: &[Step]) -> Vec<u8> {
    let mut last = base_name(file).to_vec();
    let mut path = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        last = match step {
            Step::Decoded => decoded_name(base_name(&last)),
            Step::Member(name) => name.clone(),
        };
        if number > 0 {
            path.push(b'!');
        }
        path.extend_from_slice(&last);
    }
    path
}

fn base_name(path: &[u8]) -> &[u8] {
    let mut components = path.rsplit(|byte| *byte == b'/');
    components.next().unwrap_or(path)
}

fn decoded_name(name: &[u8]) -> Vec<u8> {
    for (suffix, rest) in SUFFIXES {
        let at = name.len().saturating_sub(suffix.len());
        match name.split_at_checked(at) {
            Some((stem, end)) if !stem.is_empty() && end.eq_ignore_ascii_case(suffix) => {
                return [stem, rest].concat();
            }
            _ => {}
        }
    }
    name.to_vec()
}
