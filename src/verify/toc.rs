//! zstd:chunked layers: does the table of contents say what the tar says?
//!
//! Who fetches a layer in parts makes files from the table of contents and never sees the tar; everybody else sees the
//! tar only. A layer whose two halves differ is two layers. All is compared in one pass over the tar: each entry with
//! its row, contents with the digests of file and chunks, and every byte with the tar-split. The order has to be the
//! tar's, as all writers have it. Where frames lie is left to whoever fetches them: a wrong place gives a wrong digest.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, sync_channel};

use super::finding::{Found, Severity};
use crate::archive::Content;
use crate::blob::{CHUNK, Compression, DecodeLimits, Decoder, FileRange, Hasher, HashingReader};
use crate::error::{Error, Result};
use crate::layer::{Limits, StreamInput, Walker, clean_path};
use crate::spec::{Descriptor, Timestamp};
use crate::write::chunked::toc::{
    self, CRC, Extent, FOOTER, Footer, MAX_SIZE, Part, Positions, Row, next_part,
};

/// How a table of contents and the tar differ, or why it cannot be read.
pub(super) enum Wrong {
    Differs(String),
    Damaged(String),
    Trouble(Error),
}

impl From<Error> for Wrong {
    fn from(error: Error) -> Self {
        Wrong::Trouble(error)
    }
}

/// Compares a layer that was found sound with its table of contents, if it has one that can be read again.
pub(super) fn check(
    content: &Content,
    descriptors: &[&Descriptor],
    limits: &Limits,
    found: &mut Found,
    at: &[String],
) {
    let range = match content.range() {
        Ok(Some(range)) => range,
        Ok(None) => return,
        Err(error) => return found.error_within(&error, at),
    };
    let mut checked = |positions: Result<Positions, Wrong>, range: &FileRange| {
        let wrong = positions.and_then(|positions| compare(range, &positions, limits));
        let (code, message) = match wrong {
            Ok(()) => return,
            Err(Wrong::Trouble(error)) => return found.error_within(&error, at),
            Err(Wrong::Differs(message)) => ("toc-mismatch", message),
            Err(Wrong::Damaged(message)) => ("toc-damaged", message),
        };
        found.within(Severity::Error, code, at, message);
    };
    let invalid = |text| Wrong::Damaged(format!("'{text}' is no position"));
    let mut stated: Vec<Result<Positions, Wrong>> = descriptors
        .iter()
        .filter_map(|descriptor| Positions::from_annotations(descriptor))
        .map(|positions| positions.map_err(invalid))
        .collect();
    stated.dedup_by(|a, b| matches!((a, b), (Ok(a), Ok(b)) if a == b));
    if stated.is_empty() {
        let length = FOOTER as u64;
        let last = range.slice(range.len().saturating_sub(length), length);
        match last.bytes(length) {
            Ok(last) => stated.extend(Footer::parse(&last).map(|footer| Ok(footer.into()))),
            Err(error) => stated.push(Err(error.into())),
        }
    }
    for positions in stated {
        checked(positions, &range);
    }
}

/// The packed document at a place, after its digest was compared.
fn document(
    range: &FileRange,
    what: &str,
    extent: Extent,
    checksum: Option<&str>,
    max_size: u64,
) -> Result<Decoder<impl BufRead + use<>>, Wrong> {
    let Extent {
        offset,
        compressed_size,
        size,
    } = extent;
    let inside = offset
        .checked_add(compressed_size)
        .is_some_and(|end| end <= range.len());
    if !inside || compressed_size > MAX_SIZE || size > max_size {
        let message =
            format!("no {what} can be at {offset}, of {compressed_size} bytes and unpacked {size}");
        return Err(Wrong::Damaged(message));
    }
    let part = range.slice(offset, compressed_size);
    if let Some(expected) = checksum {
        let mut hashing = HashingReader::new(part.reader(), Hasher::default());
        io::copy(&mut hashing, &mut io::sink()).map_err(|error| Error::io("read", error))?;
        let (found, _) = hashing.finish();
        if found.as_str() != expected {
            let message = format!("the {what}'s digest: expected {expected}, found {found}");
            return Err(Wrong::Damaged(message));
        }
    }
    let limits = DecodeLimits {
        size,
        ratio: u64::MAX,
        ..DecodeLimits::default()
    };
    let reader = BufReader::with_capacity(CHUNK, part.reader());
    Ok(Decoder::new(reader, Compression::Zstd, limits)?)
}

fn compare(range: &FileRange, positions: &Positions, limits: &Limits) -> Result<(), Wrong> {
    let open = || {
        let checksum = positions.checksum.as_deref();
        document(
            range,
            "table of contents",
            positions.toc,
            checksum,
            MAX_SIZE,
        )
    };
    let split_digest = parse(open()?, &mut |_| true)?;
    let split = match (positions.split, &split_digest) {
        (Some(place), Some(digest)) => {
            let out = document(range, "tar-split", place, Some(digest), u64::MAX)?;
            Some(Split::new(out))
        }
        (None, Some(_)) => {
            let message = "the table of contents speaks of a tar-split, the descriptor does not";
            return Err(Wrong::Damaged(message.to_owned()));
        }
        // Without a digest nobody believes it.
        (_, None) => None,
    };
    let stored = BufReader::with_capacity(CHUNK, range.reader());
    let plain = Decoder::new(stored, Compression::Zstd, limits.decode)?;
    compare_rows(plain, split, open()?, Style::Chunked, limits)
}

/// Whose table of contents it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Chunked,
    /// It is in the tar and not in itself, and rounds times to seconds.
    Stargz,
}

/// Compares a tar with a table of contents, and with a tar-split if there is one.
pub(super) fn compare_rows<R: BufRead>(
    plain: Decoder<R>,
    split: Option<Split>,
    toc: impl Read + Send,
    style: Style,
    limits: &Limits,
) -> Result<(), Wrong> {
    std::thread::scope(|scope| {
        let (sender, rows) = sync_channel(256);
        let reading = scope.spawn(move || {
            let mut send = |row| sender.send(row).is_ok();
            parse(toc, &mut send).map(|_| ())
        });
        let plain = Watched { plain, split };
        // The rows are dropped before the thread is waited for, which may stand at a full channel.
        let wrong = walk(plain, Rows { rows, next: None }, style, limits);
        let read = reading.join();
        match (wrong, read) {
            (Ok(()), Ok(read)) => read,
            (Err(Wrong::Differs(_)), Ok(Err(damaged))) => Err(damaged),
            (wrong, _) => wrong,
        }
    })
}

/// Rows as they come.
struct Rows {
    rows: Receiver<Row>,
    next: Option<Row>,
}

impl Rows {
    fn peek(&mut self) -> Option<&Row> {
        if self.next.is_none() {
            self.next = self.rows.recv().ok();
        }
        self.next.as_ref()
    }

    fn take(&mut self) -> Option<Row> {
        self.peek();
        self.next.take()
    }
}

fn differs(message: String) -> Wrong {
    Wrong::Differs(message)
}

fn walk<R: BufRead>(
    plain: Watched<R>,
    mut rows: Rows,
    style: Style,
    limits: &Limits,
) -> Result<(), Wrong> {
    let input = StreamInput::new(BufReader::with_capacity(CHUNK, plain));
    let mut walker = Walker::new(input).within(limits);
    let mut buf = vec![0; 64 << 10];
    while let Some(entry) = walker.next_entry()? {
        if style == Style::Stargz && entry.clean_path() == super::estargz::NAME {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path).into_owned();
        let size = entry.stored_size;
        let mut row = rows
            .take()
            .ok_or_else(|| differs(format!("'{name}' is not in the table of contents")))?;
        let entry = walker.entry();
        let Some(expected) = Row::of(entry, walker.header_details()) else {
            let message = format!("'{name}' is an entry that no table of contents can describe");
            return Err(differs(message));
        };
        let exact = walker.header_details().is_some_and(|stated| stated.exact);
        if let Some((what, ours, theirs)) = difference(&expected, &row, exact, style) {
            let message = format!(
                "'{name}': {what}: '{ours}' in the tar, '{theirs}' in the table of contents"
            );
            return Err(differs(message));
        }
        let digest = std::mem::take(&mut row.digest);
        let mut whole = Hasher::default();
        let mut left = size;
        loop {
            let length = match row.chunk_size {
                0 => left,
                length => length.min(left),
            };
            let mut chunk = Hasher::default();
            let mut todo = length;
            while todo > 0 {
                let part = buf.len().min(usize::try_from(todo).unwrap_or(usize::MAX));
                let part = buf.get_mut(..part).unwrap_or_default();
                let read = walker.read_data(part)?;
                if read == 0 {
                    break;
                }
                let bytes = part.get(..read).unwrap_or_default();
                chunk.update(bytes);
                whole.update(bytes);
                todo -= read as u64;
            }
            left -= length - todo;
            let chunk = chunk.finish();
            if length > 0 && !row.chunk_digest.is_empty() && row.chunk_digest != chunk.as_str() {
                let message = format!(
                    "'{name}': the chunk at {}: {chunk} in the tar, {} in the table of contents",
                    row.chunk_offset, row.chunk_digest
                );
                return Err(differs(message));
            }
            match rows.peek() {
                Some(next) if next.kind == "chunk" => row = rows.take().unwrap_or_default(),
                _ => break,
            }
        }
        let whole = whole.finish();
        if left > 0 || (size > 0 || !digest.is_empty()) && digest != whole.as_str() {
            let message = format!(
                "'{name}': contents {whole} in the tar, '{digest}' in the table of contents"
            );
            return Err(differs(message));
        }
    }
    if let Some(row) = rows.peek() {
        return Err(differs(format!(
            "'{}' is in the table of contents only",
            row.name
        )));
    }
    let (input, _) = walker.into_parts();
    let mut rest = input.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(|error| Error::io("read", error))?;
    match rest.into_inner().split {
        Some(split) => split.finish(),
        None => Ok(()),
    }
}

/// The first thing that a row has otherwise than the tar. Writers differ in how they spell the same name and in
/// whether they keep file types in modes and fractions of seconds.
fn difference(
    ours: &Row,
    theirs: &Row,
    exact: bool,
    style: Style,
) -> Option<(&'static str, String, String)> {
    let path = |name: &str| String::from_utf8_lossy(&clean_path(name.as_bytes()).path).into_owned();
    let link = |row: &Row| match row.kind.as_str() {
        "hardlink" => path(&row.link_name),
        _ => row.link_name.clone(),
    };
    let time = |text: &Option<String>| {
        let at = text.as_deref().and_then(Timestamp::parse);
        at.map(|at| at.nanoseconds())
            .filter(|&at| at != 0 && at != -62_135_596_800_000_000_000)
    };
    let same_time = |a: &Option<String>, b: &Option<String>| {
        let (a, b) = (time(a), time(b));
        let second = 1_000_000_000;
        let rounded = |at: i128| (at + second / 2).div_euclid(second) * second;
        a == b
            || style == Style::Stargz && a.map(rounded) == b
            || b.is_some_and(|b| b % second == 0)
                && a.map(|a| a.div_euclid(second)) == b.map(|b| b / second)
    };
    let shown = |text: &Option<String>| text.clone().unwrap_or_default();
    let texts = [
        ("type", ours.kind.clone(), theirs.kind.clone()),
        ("name", path(&ours.name), path(&theirs.name)),
        ("link target", link(ours), link(theirs)),
    ];
    let octal = |row: &Row| format!("{:o}", row.mode & 0o7777);
    let device = |row: &Row| format!("{}:{}", row.dev_major, row.dev_minor);
    let owner = |row: &Row| format!("{}:{}", row.uid, row.gid);
    let numbers = [
        ("mode", octal(ours), octal(theirs)),
        ("size", ours.size.to_string(), theirs.size.to_string()),
        ("owner", owner(ours), owner(theirs)),
        ("device", device(ours), device(theirs)),
    ];
    if let Some(found) = texts.into_iter().chain(numbers).find(|(_, a, b)| a != b) {
        return Some(found);
    }
    if !exact {
        return None;
    }
    if !same_time(&ours.mod_time, &theirs.mod_time) {
        return Some(("time", shown(&ours.mod_time), shown(&theirs.mod_time)));
    }
    let names = |row: &Row| row.xattrs.keys().cloned().collect::<Vec<_>>().join(" ");
    (ours.xattrs != theirs.xattrs).then(|| ("extended attributes", names(ours), names(theirs)))
}

/// Plain bytes that are compared with a tar-split on their way.
struct Watched<R: BufRead> {
    plain: Decoder<R>,
    split: Option<Split>,
}

impl<R: BufRead> Read for Watched<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.plain.read(buf)?;
        if let Some(split) = &mut self.split {
            split.feed(buf.get(..read).unwrap_or_default());
        }
        Ok(read)
    }
}

/// A tar-split, compared line by line with the bytes it stands for.
pub(super) struct Split {
    lines: Box<dyn BufRead + Send>,
    now: Now,
    /// Bytes compared.
    at: u64,
    wrong: Option<Wrong>,
}

/// What the current line still wants.
enum Now {
    Bytes(Vec<u8>, usize),
    Contents(
        u64,
        crc::Digest<'static, u64, crc::Table<16>>,
        Option<Vec<u8>>,
    ),
    End,
}

impl Split {
    fn new(lines: impl Read + Send + 'static) -> Self {
        Split {
            lines: Box::new(BufReader::with_capacity(CHUNK, lines)),
            now: Now::Bytes(Vec::new(), 0),
            at: 0,
            wrong: None,
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        if self.wrong.is_none()
            && let Err(wrong) = self.compare(bytes)
        {
            self.wrong = Some(wrong);
        }
    }

    fn compare(&mut self, mut bytes: &[u8]) -> Result<(), Wrong> {
        while !bytes.is_empty() {
            let rest = match &mut self.now {
                Now::Bytes(expected, done) if *done < expected.len() => {
                    let expected = expected.get(*done..).unwrap_or_default();
                    let length = expected.len().min(bytes.len());
                    let (now, rest) = bytes.split_at(length);
                    if !expected.starts_with(now) {
                        let message = format!(
                            "the tar-split has other bytes than the tar, after byte {}",
                            self.at
                        );
                        return Err(differs(message));
                    }
                    *done += length;
                    rest
                }
                Now::Contents(left, sum, _) if *left > 0 => {
                    let length = bytes
                        .len()
                        .min(usize::try_from(*left).unwrap_or(usize::MAX));
                    let (now, rest) = bytes.split_at(length);
                    sum.update(now);
                    *left -= length as u64;
                    rest
                }
                Now::End => {
                    return Err(differs(format!(
                        "the tar-split ends at byte {} of the tar",
                        self.at
                    )));
                }
                Now::Bytes(..) | Now::Contents(..) => {
                    self.next()?;
                    continue;
                }
            };
            self.at += (bytes.len() - rest.len()) as u64;
            bytes = rest;
        }
        Ok(())
    }

    /// Goes to the next line once the current one has all it wants.
    fn next(&mut self) -> Result<(), Wrong> {
        if let Now::Contents(0, sum, expected) = std::mem::replace(&mut self.now, Now::End)
            && let Some(expected) = expected
            && sum.finalize().to_be_bytes() != *expected
        {
            let message = format!(
                "the tar-split's checksum of the contents before byte {} is wrong",
                self.at
            );
            return Err(differs(message));
        }
        let part = next_part(&mut self.lines)
            .map_err(|why| Wrong::Damaged(format!("the tar-split cannot be read: {why}")))?;
        match part {
            None => {}
            Some(Part::Bytes(bytes)) => self.now = Now::Bytes(bytes, 0),
            Some(Part::Contents { size, checksum }) => {
                self.now = Now::Contents(size, CRC.digest(), checksum);
            }
        }
        Ok(())
    }

    /// Once all of the tar went by: no line may want more.
    fn finish(mut self) -> Result<(), Wrong> {
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        loop {
            match &self.now {
                Now::Bytes(expected, done) if *done < expected.len() => break,
                Now::Contents(1.., ..) => break,
                Now::End => return Ok(()),
                _ => self.next()?,
            }
        }
        Err(differs(format!(
            "the tar ends at byte {}, the tar-split does not",
            self.at
        )))
    }
}

/// Reads a table of contents row by row, until `send` returns false. Returns the digest of the tar-split.
fn parse(
    toc: impl Read,
    send: &mut (dyn FnMut(Row) -> bool + '_),
) -> Result<Option<String>, Wrong> {
    toc::parse(toc, send)
        .map_err(|error| Wrong::Damaged(format!("the table of contents cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::layer::testing::{Head, Tar};
    use crate::spec::{Digest, MediaType};
    use crate::write::chunked::toc::Annotations;
    use crate::write::chunked::write;

    fn tar() -> Vec<u8> {
        let mut long = vec![7; 3000];
        long.extend(vec![0; 2000]);
        long.extend(vec![8; 3000]);
        Tar::default()
            .head(Head::new("etc/", b'5', 0).put(100, b"0040755\0"))
            .file("etc/passwd", b"root")
            .file("long", &long)
            .link(b'2', "link", "etc/passwd")
            .pax(&[("mtime", b"1.5"), ("SCHILY.xattr.user.a", b"b")])
            .file("fine", b"x")
            .file("empty", b"")
            .end()
    }

    fn findings(blob: &[u8], annotations: &[(String, String)]) -> Vec<String> {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(blob).expect("written");
        let content = Content::Range(FileRange::whole(file).expect("a range"));
        let descriptor = Descriptor {
            media_type: MediaType::new("application/vnd.oci.image.layer.v1.tar+zstd"),
            digest: Digest::from_hex("sha256", &"0".repeat(64)).expect("a digest"),
            size: blob.len() as u64,
            urls: Vec::new(),
            annotations: annotations.to_vec(),
            data: None,
            artifact_type: None,
            platform: None,
        };
        let mut found = Found::default();
        let place = ["layer".to_owned()];
        check(
            &content,
            &[&descriptor],
            &Limits::default(),
            &mut found,
            &place,
        );
        assert!(found.trouble.is_empty(), "{:?}", found.trouble);
        let shown = |finding: &super::super::Finding| format!("{}: {finding}", finding.code);
        found.findings.iter().map(shown).collect()
    }

    fn packed(tar: &[u8]) -> (Vec<u8>, Vec<(String, String)>) {
        let mut blob = Vec::new();
        let annotations: Annotations = write(tar, &mut blob, None, 1000).expect("memory");
        assert_eq!(annotations.len(), 3);
        let owned = |(key, text): (&str, String)| (key.to_owned(), text);
        (blob, annotations.into_iter().map(owned).collect())
    }

    /// The layer with other documents behind its frames, all digests and places right.
    fn edited(edit: impl Fn(&mut String, &mut String)) -> Vec<String> {
        let (blob, annotations) = packed(&tar());
        let numbers = |i: usize| -> Vec<usize> {
            let parts = annotations[i].1.split(':');
            parts.map(|part| part.parse().expect("a number")).collect()
        };
        let text = |place: &[usize]| {
            let part = &blob[place[0]..place[0] + place[1]];
            let text = zstd::stream::decode_all(part).expect("zstd");
            String::from_utf8(text).expect("text")
        };
        let (mut toc, mut split) = (text(&numbers(1)), text(&numbers(2)));
        let old_split = crate::blob::sha256(&blob[numbers(2)[0]..][..numbers(2)[1]]).to_string();
        edit(&mut toc, &mut split);
        let pack = |text: &str| zstd::stream::encode_all(text.as_bytes(), 1).expect("memory");
        let packed_split = pack(&split);
        let toc = toc.replace(&old_split, crate::blob::sha256(&packed_split).as_str());
        let packed_toc = pack(&toc);
        let toc_at = numbers(1)[0];
        let split_at = toc_at + packed_toc.len() + 8;
        let annotation =
            |key: &str, text: String| (format!("io.github.containers.zstd-chunked.{key}"), text);
        // Without the footer: annotations come first.
        let frames = [
            annotation(
                "manifest-checksum",
                crate::blob::sha256(&packed_toc).to_string(),
            ),
            annotation(
                "manifest-position",
                format!("{}:{}:{}:1", toc_at, packed_toc.len(), toc.len()),
            ),
            annotation(
                "tarsplit-position",
                format!("{}:{}:{}", split_at, packed_split.len(), split.len()),
            ),
        ];
        let mut framed = blob[..numbers(1)[0] - 8].to_vec();
        for document in [&packed_toc, &packed_split] {
            framed.extend([0x50, 0x2a, 0x4d, 0x18]);
            framed.extend((document.len() as u32).to_le_bytes());
            framed.extend(document);
        }
        findings(&framed, &frames)
    }

    #[test]
    fn a_layer_that_agrees_has_no_findings() {
        let (blob, annotations) = packed(&tar());
        assert_eq!(findings(&blob, &annotations), [""; 0]);
        assert_eq!(findings(&blob, &[]), [""; 0], "by the footer");
        assert_eq!(edited(|_, _| ()), [""; 0]);
        // As other writers have it: cleaner names, no file types in modes, whole seconds, Go's zero time.
        let other = edited(|toc, _| {
            *toc = toc
                .replace("\"etc/\"", "\"./etc\"")
                .replace("\"mode\":16877", "\"mode\":493")
                .replace("1970-01-01T00:00:01.5Z", "1970-01-01T00:00:01Z")
                .replace(
                    "\"size\":4,",
                    "\"size\":4,\"accesstime\":\"0001-01-01T00:00:00Z\",",
                );
        });
        assert_eq!(other, [""; 0]);
        let plain = zstd::stream::encode_all(&tar()[..], 1).expect("memory");
        assert_eq!(findings(&plain, &[]), [""; 0], "no table at all");
    }

    #[test]
    fn every_lie_is_found() {
        let root = crate::blob::sha256(b"root").to_string();
        let evil = crate::blob::sha256(b"evil").to_string();
        let chunk = crate::blob::sha256(&[7; 3000]).to_string();
        let cases: Vec<(&str, String, String)> = vec![
            ("etc/passwd", root, evil.clone()),
            ("the chunk at 0", chunk, evil),
            ("size", "\"size\":4,".into(), "\"size\":5,".into()),
            ("mode", "\"mode\":16877".into(), "\"mode\":17389".into()),
            (
                "owner",
                "\"size\":4,".into(),
                "\"size\":4,\"uid\":1,".into(),
            ),
            ("type", "\"symlink\"".into(), "\"hardlink\"".into()),
            (
                "link target",
                "\"linkName\":\"etc/passwd\"".into(),
                "\"linkName\":\"etc/shadow\"".into(),
            ),
            (
                "name",
                "\"name\":\"empty\"".into(),
                "\"name\":\"full\"".into(),
            ),
            ("time", "00:00:01.5Z".into(), "00:00:02.5Z".into()),
            ("attributes", "\"user.a\"".into(), "\"user.b\"".into()),
            (
                "device",
                "\"size\":4,".into(),
                "\"size\":4,\"devMajor\":1,".into(),
            ),
            (
                "only",
                "],\"tarSplit".into(),
                ",{\"type\":\"reg\",\"name\":\"more\"}],\"tarSplit".into(),
            ),
            (
                "only",
                ",{\"type\":\"chunk\"".into(),
                ",{\"type\":\"reg\"".into(),
            ),
        ];
        for (what, from, to) in cases {
            let found = edited(|toc, _| {
                assert!(toc.contains(&from), "{from}");
                *toc = toc.replacen(&from, &to, 1);
            });
            assert_eq!(found.len(), 1, "{what}: {found:?}");
            let expected = found[0].starts_with("toc-mismatch: layer: ");
            assert!(
                expected && (found[0].contains(what) || what == "only"),
                "{what}: {found:?}"
            );
        }
        let missing = edited(|toc, _| {
            let last = toc.rfind(",{").expect("a row");
            let end = toc.rfind(']').expect("an end");
            toc.replace_range(last..end, "");
        });
        assert!(
            missing[0].contains("'empty' is not in the table"),
            "{missing:?}"
        );
    }

    #[test]
    fn a_tar_split_that_lies_is_found() {
        let line = |split: &str, n: usize| split.lines().nth(n).expect("a line").to_owned();
        type Edit = fn(&str) -> String;
        let cases: [(&str, usize, Edit); 4] = [
            ("other bytes", 0, |line| line.replacen("AAAA", "AAAB", 1)),
            ("checksum", 3, |line| {
                line.replacen("\"payload\":\"", "\"payload\":\"A", 1)
                    .replacen("=\"", "\"", 1)
            }),
            ("ends", 0, |_| String::new()),
            ("does not", 0, |line| line.to_owned()),
        ];
        for (what, n, edit) in cases {
            let found = edited(|_, split| {
                let old = line(split, n);
                *split = match what {
                    "ends" => split
                        .lines()
                        .take(3)
                        .map(|line| format!("{line}\n"))
                        .collect(),
                    "does not" => format!("{split}{old}\n"),
                    _ => split.replacen(&old, &edit(&old), 1),
                };
            });
            assert_eq!(found.len(), 1, "{what}");
            assert!(
                found[0].starts_with("toc-mismatch: ") && found[0].contains(what),
                "{what}: {found:?}"
            );
        }
    }

    #[test]
    fn documents_that_cannot_be_read_are_damage() {
        let garbage = [
            edited(|toc, _| toc.truncate(100)),
            edited(|toc, _| *toc = toc.replacen('{', "[", 1)),
            edited(|toc, _| *toc = toc.replacen("\"size\":4", "\"size\":-4", 1)),
            edited(|_, split| split.insert(0, 'x')),
            edited(|_, split| *split = split.replacen("\"type\":2", "\"type\":3", 1)),
        ];
        for found in garbage {
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].starts_with("toc-damaged: "), "{found:?}");
        }
        let (blob, annotations) = packed(&tar());
        for (n, to) in [
            (0, "sha256:00"),
            (1, "5:5:5:1"),
            (1, "x"),
            (1, "18446744073709551615:9:9:1"),
            (2, "1:2"),
            (2, "9:9:9"),
        ] {
            let mut annotations = annotations.clone();
            annotations[n].1 = to.to_owned();
            let found = findings(&blob, &annotations);
            assert_eq!(found.len(), 1, "{to}: {found:?}");
            assert!(found[0].starts_with("toc-damaged: "), "{found:?}");
        }
    }
}
