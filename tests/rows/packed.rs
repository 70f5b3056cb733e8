//! Compression: bombs, headers without end, bytes behind the end, windows too large, and what is not what it says.

use std::io::{Read, Write};

use super::room::{Input, good};
use super::{Case, ROOT};
use crate::common::build::{self, Image};
use crate::common::pack::Pack;

/// An image in a layout whose one layer is stored as these bytes, the plain tar being `plain`.
fn stored(plain: Vec<u8>, bytes: Vec<u8>) -> Image {
    build::image("demo:1").layer_bytes(plain).stored(bytes)
}

fn layout(plain: Vec<u8>, bytes: Vec<u8>) -> Vec<u8> {
    build::oci(&[&stored(plain, bytes)]).tar()
}

/// The start of a tar with one file of `size` zeros, all of which are there, packed without ever being in memory.
pub fn bomb<W: Write>(size: u64, mut out: W) -> W {
    let header = super::tar::entry(b'0', b"zeros", b"").says(size).bytes();
    out.write_all(&header).expect("memory");
    std::io::copy(&mut std::io::repeat(0).take(size + 1024), &mut out).expect("memory");
    out
}

/// 160 MiB of zeros, which is past what is not counted, in as few bytes as a codec can.
const BOMB: u64 = 160 << 20;

fn gzip_bomb() -> Vec<u8> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(9));
    bomb(BOMB, gzip).finish().expect("memory")
}

fn zstd_bomb() -> Vec<u8> {
    let zstd = zstd::stream::write::Encoder::new(Vec::new(), 3).expect("zstd");
    bomb(BOMB, zstd).finish().expect("memory")
}

fn xz_bomb() -> Vec<u8> {
    let xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    bomb(BOMB, xz).finish().expect("memory")
}

fn bzip2_bomb() -> Vec<u8> {
    let bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::new(9));
    bomb(BOMB, bzip2).finish().expect("memory")
}

/// The same in one zstd frame with a window of 2 to the power of `log`, which is stated and not needed.
pub fn zstd_window(log: u8) -> Vec<u8> {
    // Magic, a descriptor without content size, the window, and one raw last block of one byte.
    let mut bytes = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, (log - 10) << 3];
    bytes.extend([0b0000_1001, 0, 0, b'x']);
    bytes
}

fn gzip_with(flags: u8, extra: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3];
    bytes.extend(extra);
    bytes
}

/// C1 to C6.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |row, what: &str, tar: Vec<u8>, codes, says: &[&str]| {
        cases.push(Case::image(row, what, tar, codes, says));
    };
    let plain = || build::layer("f a one");
    let refused = "*=2 verify=2 look=0 imgtag=02 imgdf=02 imggraph=02 copy=02 recode=02";

    let bomb = gzip_bomb();
    add(
        "C1",
        "gzip",
        layout(plain(), bomb.clone()),
        refused,
        &["hint: --limit ratio=2000 ", "mismatch"],
    );
    let image = stored(plain(), zstd_bomb());
    add(
        "C1",
        "zstd",
        build::oci(&[&image]).tar(),
        refused,
        &["hint: --limit ratio=", "mismatch"],
    );
    for (what, packed) in [("xz", xz_bomb()), ("bzip2", bzip2_bomb())] {
        let image = stored(plain(), packed);
        let tar = build::oci(&[&image]).tar();
        add(
            "C1",
            what,
            tar,
            refused,
            &["hint: --limit ratio=", "mismatch", "unsupported:"],
        );
    }
    let nested = Pack::Gzip.pack(&bomb);
    add(
        "C1",
        "gzip in gzip",
        layout(bomb.clone(), nested),
        "*=2 verify=12 look=0 imgtag=0 imgdf=02 imggraph=02 copy=02 recode=02",
        &[],
    );
    let mut files = build::oci(&[&build::image("demo:1").layer("f a one")]);
    files.add(&build::blob_name(&build::digest(&bomb)), bomb.clone());
    add("C1", "that nobody points to", files.tar(), "", &[]);
    let mut outer = Pack::Gzip.pack(&good()[..good().len() - 1024]);
    outer.extend(&bomb);
    add(
        "C1",
        "the archive itself",
        outer.clone(),
        "*=2",
        &["hint: --limit ratio=2000 "],
    );
    add(
        "C1",
        "the archive itself in gzip",
        Pack::Gzip.pack(&Pack::Gzip.pack(good())),
        "*=2",
        &["not an image archive"],
    );

    for (what, bytes) in [
        ("an endless name", gzip_with(8, &vec![b'n'; 300_000])),
        ("an endless comment", gzip_with(16, &vec![b'n'; 300_000])),
        ("extra cut short", gzip_with(4, &[0xff, 0xff, 0])),
        ("reserved flags", gzip_with(0xe0, &[0; 20])),
        ("a wrong checksum", {
            let mut bytes = Pack::Gzip.pack(&plain());
            let end = bytes.len();
            bytes[end - 6] ^= 1;
            bytes
        }),
        ("a wrong length", {
            let mut bytes = Pack::Gzip.pack(&plain());
            let end = bytes.len();
            bytes[end - 2] ^= 1;
            bytes
        }),
        ("cut", {
            let mut bytes = Pack::Gzip.pack(&plain());
            bytes.truncate(bytes.len() - 9);
            bytes
        }),
    ] {
        add(
            "C2",
            what,
            layout(plain(), bytes),
            "*=2 verify=1 look=0 imgtag=02 imgdf=02 imggraph=02 copy=02 recode=02",
            &["damaged gzip data", "mismatch", "unexpected end"],
        );
    }
    let empty = {
        let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(1));
        gzip.finish().expect("memory")
    };
    let mut members = empty.repeat(100_000);
    members.extend(Pack::Gzip.pack(&plain()));
    add(
        "C2",
        "100,000 empty members",
        layout(plain(), members),
        "",
        &[],
    );

    let mut garbage = Pack::Gzip.pack(&plain());
    garbage.extend(b"garbage");
    add(
        "C3",
        "garbage behind the end",
        layout(plain(), garbage),
        "*=2 verify=1 look=0 imgtag=02 imgdf=02 imggraph=02 copy=02 recode=02",
        &["damaged gzip data", "mismatch"],
    );
    let mut zeros = Pack::Gzip.pack(&plain());
    zeros.extend([0; 1000]);
    add(
        "C3",
        "zeros behind the end",
        layout(plain(), zeros),
        "",
        &[],
    );
    let mut garbage = Pack::Gzip.pack(good());
    garbage.extend(b"garbage");
    add(
        "C3",
        "garbage behind the archive",
        garbage,
        "*=2",
        &["damaged gzip data"],
    );

    let damaged = "*=2 verify=12 look=0 imgtag=02 imgdf=02 imggraph=02 copy=02 recode=02";
    add(
        "C4",
        "a window of 1 GiB",
        layout(plain(), zstd_window(30)),
        damaged,
        &["hint: --limit window=1G ", "mismatch"],
    );
    add(
        "C4",
        "the archive's window",
        zstd_window(31),
        "*=2",
        &["hint: --limit window=2G "],
    );
    let mut dictionary = vec![0x28, 0xb5, 0x2f, 0xfd, 0x03, 0x58];
    dictionary.extend([1, 2, 3, 4, 9, 0, 0, b'x']);
    add(
        "C4",
        "a dictionary",
        layout(plain(), dictionary),
        damaged,
        &["damaged zstd data", "mismatch"],
    );
    let mut skippable = vec![0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0xff];
    skippable.extend([0; 100]);
    add(
        "C4",
        "a skippable frame of 4 GB",
        layout(plain(), skippable),
        damaged,
        &["damaged zstd data", "mismatch", "unexpected end"],
    );
    let mut cut = Pack::Zstd.pack(&plain());
    cut.truncate(cut.len() - 5);
    add(
        "C4",
        "a truncated frame",
        layout(plain(), cut),
        damaged,
        &["damaged zstd data", "mismatch", "unexpected end"],
    );

    add(
        "C5",
        "gzip that is zstd",
        layout(plain(), Pack::Zstd.pack(&plain())),
        "*=02 verify=01",
        &[],
    );
    add(
        "C5",
        "gzip that is plain",
        layout(plain(), plain()),
        "*=02 verify=01",
        &[],
    );
    let text = b"this is no tar\n".repeat(100);
    add(
        "C5",
        "no tar at all",
        layout(text.clone(), Pack::Gzip.pack(&text)),
        "*=2 verify=1 look=0 imgtag=0 imgdf=02 imggraph=02 copy=02 recode=02",
        &["not a tar header", "damaged tar"],
    );

    let media = |media_type: &str| {
        let app = build::image("demo:1").layer("f a one");
        let mut document: serde_json::Value =
            serde_json::from_slice(&app.manifest()).expect("JSON");
        let noise: Vec<u8> = (0..2000_u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        document["layers"][0] = build::descriptor(media_type, &noise);
        let bytes = document.to_string().into_bytes();
        let mut files = build::oci(&[&app]);
        files.add(&build::blob_name(&build::digest(&noise)), noise);
        files.add(&build::blob_name(&build::digest(&bytes)), bytes.clone());
        files.edit("index.json", |index| {
            index["manifests"][0]["digest"] = build::digest(&bytes).into();
            index["manifests"][0]["size"] = bytes.len().into();
        });
        files.tar()
    };
    let opaque = "apply=2 raw=02 size=02 recode=02 verify=01 copy=02";
    add(
        "C6",
        "encrypted",
        media("application/vnd.oci.image.layer.v1.tar+gzip+encrypted"),
        opaque,
        &[],
    );
    add(
        "C6",
        "squashfs",
        media("application/vnd.oci.image.layer.squashfs"),
        opaque,
        &[],
    );

    for (what, bytes, says) in [
        ("gzip", bomb.clone(), "hint: --limit ratio=2000 "),
        ("zstd", zstd_bomb(), "hint: --limit ratio="),
        ("window", zstd_window(30), "hint: --limit window=1G "),
    ] {
        let root = Case::of(
            "C1",
            &format!("{what}, as a tar of files"),
            Input::File(bytes),
            &ROOT,
            "*=2",
            &[says],
        );
        cases.push(root);
    }
    cases
}
