//! Lists tars as this crate's walk sees them, for the cross-check tests/cross/opinions.py: one JSON object per line.
//!
//! Reads paths of tars, one per line, from standard input. Names are bytes: each byte is one character of the JSON
//! text, U+0000 to U+00FF. Contents are digested with their holes, up to a size that a test can have.

use std::io::{self, BufRead, BufReader, Write};

use imgkit::Result;
use imgkit::blob::{Hasher, sha256};
use imgkit::layer::{Entry, EntryKind, StreamInput, Walker};
use serde_json::{Value, json};

/// Contents of more bytes than this are not digested.
const MOST: u64 = 64 << 20;

fn main() -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for path in io::stdin().lock().lines() {
        let file = BufReader::new(std::fs::File::open(path?)?);
        let mut walker = Walker::new(StreamInput::new(file));
        let mut entries = Vec::new();
        let fault = list(&mut walker, &mut entries).err();
        let tail = match fault {
            None => walker.check_tail().ok().and_then(|tail| tail.first_nonzero),
            Some(_) => None,
        };
        let odd: Vec<&str> = walker
            .anomalies()
            .iter()
            .map(|odd| odd.kind.code())
            .collect();
        let line = json!({
            "entries": entries,
            "fault": fault.map(|fault| fault.to_string()),
            "tail": tail,
            "odd": odd,
        });
        writeln!(out, "{line}")?;
    }
    out.flush()
}

fn list<R: BufRead>(walker: &mut Walker<StreamInput<R>>, entries: &mut Vec<Value>) -> Result<()> {
    while let Some(entry) = walker.next_entry()? {
        let entry = entry.clone();
        let digest = match entry.kind {
            EntryKind::File if entry.size <= MOST => digest(walker, &entry)?,
            _ => String::new(),
        };
        entries.push(json!({
            "name": text(&entry.path),
            "kind": kind(entry.kind),
            "size": entry.size,
            "target": text(&entry.link_target),
            "mode": entry.metadata.mode,
            "digest": digest,
            "sparse": entry.sparse.is_some(),
        }));
    }
    Ok(())
}

fn digest<R: BufRead>(walker: &mut Walker<StreamInput<R>>, entry: &Entry) -> Result<String> {
    let mut stored = Vec::new();
    let mut buf = vec![0; 64 << 10];
    loop {
        let read = walker.read_data(&mut buf)?;
        if read == 0 {
            break;
        }
        stored.extend_from_slice(&buf[..read]);
    }
    let Some(map) = &entry.sparse else {
        return Ok(sha256(&stored).encoded().to_owned());
    };
    let mut whole = Hasher::default();
    let (mut at, mut rest) = (0, &stored[..]);
    for segment in map {
        whole.update(&vec![0; usize::try_from(segment.offset - at).unwrap_or(0)]);
        let length = usize::try_from(segment.length).unwrap_or(0).min(rest.len());
        whole.update(&rest[..length]);
        rest = &rest[length..];
        at = segment.offset + segment.length;
    }
    whole.update(&vec![0; usize::try_from(entry.size - at).unwrap_or(0)]);
    Ok(whole.finish().encoded().to_owned())
}

fn kind(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::File => "file",
        EntryKind::HardLink => "hard",
        EntryKind::Symlink => "sym",
        EntryKind::CharDevice => "char",
        EntryKind::BlockDevice => "block",
        EntryKind::Directory => "dir",
        EntryKind::Fifo => "fifo",
        EntryKind::Other(_) => "other",
    }
}

fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}
