//! What the fuzz targets run, and `cargo test` over the cases in `regressions/`.
//!
//! Each target takes any bytes and has to come back: whatever is wrong with them is an error of the library, never a
//! panic. Where there is something to compare with (another way to read the same, what was written read again, a slow
//! model) a difference is a panic here.

mod archives;
mod debian;
mod documents;
mod expressions;
mod inside;
mod installed;
mod lists;
pub mod model;
mod receipts;
mod registries;
mod streams;
mod tars;
mod texts;
mod timelines;
mod trees;
mod volumes;

use std::io::{self, BufRead, Read};

/// A target.
pub type Target = fn(&[u8]);

/// All targets by their names.
pub const TARGETS: [(&str, Target); 34] = [
    ("bodyfile", timelines::bodyfile),
    ("chunked", archives::chunked),
    ("cpio", streams::cpio),
    ("deb", debian::deb),
    ("decode", streams::decode),
    ("documents", documents::documents),
    ("elf", debian::elf),
    ("escape", texts::escape),
    ("exclude", texts::exclude),
    ("file", archives::file_),
    ("find_expression", expressions::find_expression),
    ("folder", archives::folder),
    ("hash_set", inside::hash_set),
    ("image", archives::image),
    ("index", debian::index),
    ("instruction", documents::instruction),
    ("layer", streams::layer),
    ("list", lists::list),
    ("nested", inside::nested),
    ("packages", installed::packages),
    ("pax", tars::pax),
    ("receipt", receipts::receipt),
    ("reference", texts::reference),
    ("registry", registries::registry),
    ("rpm", installed::rpm),
    ("salvage", inside::salvage),
    ("script", debian::script),
    ("signed", debian::signed),
    ("stream", archives::stream),
    ("tar", tars::tar),
    ("template", texts::template),
    ("tree", trees::tree),
    ("volumes", volumes::volumes),
    ("written", tars::written),
];

/// Runs the target of that name.
///
/// # Panics
/// If there is none, or if it finds something.
pub fn run(name: &str, data: &[u8]) {
    let found = TARGETS.iter().find(|(target, _)| *target == name);
    found.expect("a target").1(data);
}

/// Numbers and texts out of the bytes of a case; zeros and nothing once they are used up.
struct Taken<'a>(&'a [u8]);

impl<'a> Taken<'a> {
    fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    fn number(&mut self) -> u64 {
        let length = usize::from(self.byte() % 9);
        let bytes = self.bytes(length).iter();
        bytes.fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
    }

    fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Up to a byte that stands nowhere in it.
    fn until(&mut self, end: u8) -> &'a [u8] {
        let at = self.0.iter().position(|byte| *byte == end);
        let taken = self.bytes(at.unwrap_or(self.0.len()));
        self.bytes(1);
        taken
    }

    /// Of a length that stands before it, in three bytes.
    fn part(&mut self) -> &'a [u8] {
        let length = self.bytes(3).iter();
        let length = length.fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
        self.bytes(length)
    }
}

/// Gives few bytes at a time, and not always the same number.
struct Short<'a> {
    bytes: &'a [u8],
    /// How many of them are there already.
    ready: usize,
    step: usize,
}

impl<'a> Short<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Short {
            bytes,
            ready: 0,
            step: 0,
        }
    }
}

impl Read for Short<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let n = available.len().min(buf.len());
        buf[..n].copy_from_slice(&available[..n]);
        self.consume(n);
        Ok(n)
    }
}

impl BufRead for Short<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        const LENGTHS: [usize; 5] = [511, 1, 513, 7, 4096];
        if self.ready == 0 {
            self.ready = LENGTHS[self.step % LENGTHS.len()].min(self.bytes.len());
            self.step += 1;
        }
        Ok(&self.bytes[..self.ready])
    }

    fn consume(&mut self, n: usize) {
        self.ready -= n;
        self.bytes = &self.bytes[n..];
    }
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    format!("sha256:{}", hex::encode(sha2::Sha256::digest(bytes)))
}
