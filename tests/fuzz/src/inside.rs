//! Files inside files, entries of damaged tars, and sets of digests.

use std::collections::BTreeSet;
use std::io::Read;

use imgkit::blob::{FileRange, open_regular};
use imgkit::facts::Digests;
use imgkit::hashset;
use imgkit::layer::{FileInput, Walker, salvaged_entries};
use imgkit::nested::{Nesting, inner_path};

use super::Short;
use super::archives::file;
use super::streams::limits;

/// The most bytes that are inside of one file.
const INSIDE: u64 = 4 << 20;

/// All that is inside of a file: paths, and lengths with sums.
fn opened(contents: &mut dyn Read, size: u64) -> Vec<String> {
    let mut limits = limits();
    limits.nested_size = INSIDE;
    let mut told = Vec::new();
    let mut inside = 0;
    let notes = {
        let nesting = Nesting {
            depth: limits.nested_depth,
            limits: &limits,
            directory: std::env::temp_dir(),
        };
        let notes = nesting.each(contents, size, &mut |steps, _, reader| {
            let (mut buf, mut length, mut sum) = ([0; 4093], 0, 0u64);
            while let Ok(n @ 1..) = reader.read(&mut buf) {
                length += n as u64;
                sum = buf[..n]
                    .iter()
                    .fold(sum, |sum, byte| sum.wrapping_mul(31) + u64::from(*byte));
            }
            inside += if steps.is_empty() { 0 } else { length };
            told.push(format!("{:?} {length} {sum}", inner_path(b"f", steps)));
            Ok(())
        });
        notes.expect("nothing but notes")
    };
    assert!(inside <= INSIDE, "{inside} bytes");
    told.extend(notes.list.iter().map(|note| note.error.to_string()));
    told
}

/// A file is opened to the same members and notes, however it is read.
pub fn nested(data: &[u8]) {
    let size = data.len() as u64;
    assert_eq!(
        opened(&mut &*data, size),
        opened(&mut Short::new(data), size)
    );
}

/// Of a tar without damage, the entries that a walk finds; of any other, such as lie in it in their order.
pub fn salvage(data: &[u8]) {
    let range = open_regular(&file(data), true).and_then(FileRange::whole);
    let range = range.expect("a file");
    let Ok(salvaged) = salvaged_entries(&range, &limits()) else {
        return;
    };
    let mut last = None;
    for entry in &salvaged {
        assert!(last < Some(entry.header_offset), "not in their order");
        assert!(entry.data_offset <= range.len(), "beyond the end");
        last = Some(entry.header_offset);
    }
    let (backing, start) = range.parts();
    let input = FileInput::new(std::sync::Arc::clone(backing), start, range.len());
    let mut walker = Walker::new(input).within(&limits());
    let mut walked = Vec::new();
    loop {
        match walker.next_entry() {
            Ok(Some(entry)) => walked.push(entry.header_offset),
            Ok(None) => break,
            Err(_) => return,
        }
    }
    let salvaged: Vec<u64> = salvaged.iter().map(|entry| entry.header_offset).collect();
    assert_eq!(salvaged, walked);
}

/// A list of bare digests is a set that has them; anything else is one, or an error.
pub fn hash_set(data: &[u8]) {
    let set = hashset::read(data, 1 << 20, limits().decode);
    let lines: BTreeSet<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let digest = |line: &&[u8]| -> Option<[u8; 32]> {
        let mut digest = [0; 32];
        hex::decode_to_slice(line, &mut digest).ok()?;
        Some(digest)
    };
    let lines = lines.iter().filter(|line| !line.is_empty());
    let digests: Option<Vec<[u8; 32]>> = lines.map(digest).collect();
    let Some(digests) = digests.filter(|digests| !digests.is_empty()) else {
        return;
    };
    let set = set.expect("digests");
    for sha256 in digests {
        let digests = Digests {
            sha256: Some(sha256),
            ..Digests::default()
        };
        assert!(set.contains(&digests), "{}", hex::encode(sha256));
    }
}
