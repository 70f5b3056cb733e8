//! `imgverify --slack` and `imgfind --in slack`: each region is where its row says, cut out of the input again.

use std::io::Write;

use serde_json::Value;

use crate::common::build::{self, Image};
use crate::common::pack::Pack;
use crate::common::run::{Output, Room};

/// A layer with bytes in the padding of a file, behind the name in a header, and behind the end.
fn layer() -> Vec<u8> {
    let mut tar = build::layer("f a/one text | f b two");
    // The padding of the first file, and the last byte of the name of the second header.
    tar[512 + 100..512 + 106].copy_from_slice(b"padded");
    tar[1024 + 90..1024 + 96].copy_from_slice(b"hidden");
    let checksum: u32 = tar[1024..1536]
        .iter()
        .enumerate()
        .map(|(at, byte)| match at {
            148..156 => 32,
            _ => u32::from(*byte),
        })
        .sum();
    tar[1024 + 148..1024 + 155].copy_from_slice(format!("{checksum:06o}\0").as_bytes());
    tar.extend([0; 700]);
    tar.extend(build::layer("f gone deleted"));
    tar
}

/// A gzip stream with a name, a comment and an extra field.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::GzBuilder::new()
        .filename("secret.tar")
        .comment("a comment")
        .extra(b"XY\x05\0extra".to_vec())
        .write(Vec::new(), flate2::Compression::default());
    packed.write_all(bytes).expect("memory");
    packed.finish().expect("memory")
}

/// Runs imgverify and returns the rows, each compared with the bytes that it tells of. `stored` are the layers as they are
/// stored.
fn rows(room: &Room, image: &Image, stored: &[Vec<u8>], line: &str) -> Vec<Value> {
    let output = room.run(line);
    checked(room, image, stored, &output)
}

fn checked(room: &Room, image: &Image, stored: &[Vec<u8>], output: &Output) -> Vec<Value> {
    output.no_crash();
    let list = std::fs::read_to_string(room.path("out/slack.ndjson")).expect("a list");
    let rows: Vec<Value> = list
        .lines()
        .map(|line| serde_json::from_str(line).expect("a row"))
        .collect();
    for row in &rows {
        let file = row["File"].as_str().expect("a name");
        let bytes = std::fs::read(room.path(&format!("out/{file}"))).expect(file);
        let length = bytes.len() as u64;
        let hex = build::digest(&bytes).replace("sha256:", "");
        assert_eq!(
            (row["Length"].as_u64(), row["SHA256"].as_str()),
            (Some(length), Some(&*hex))
        );
        let offset = usize::try_from(row["Offset"].as_u64().expect("an offset")).expect("small");
        let layer = row["Layer"]
            .as_u64()
            .map(|layer| usize::try_from(layer - 1).expect("small"));
        let archive = std::fs::read(room.path("app.tar")).expect("the archive");
        let whole = match (row["Of"].as_str().expect("a word"), layer) {
            ("archive", None) => archive.as_slice(),
            ("layer", Some(layer)) => image.layer_tar(layer),
            ("stored", Some(layer)) => &stored[layer],
            ("member", None) => continue,
            other => panic!("{other:?}"),
        };
        assert_eq!(bytes, whole[offset..offset + bytes.len()], "{row}");
        if let Some(at) = row["StoredAt"].as_u64() {
            let at = usize::try_from(at).expect("small");
            assert_eq!(bytes, archive[at..at + bytes.len()], "{row}");
        }
    }
    let files = std::fs::read_dir(room.path("out"))
        .expect("a directory")
        .count();
    assert_eq!(files, rows.len() + 1);
    rows
}

fn told(rows: &[Value]) -> Vec<String> {
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    rows.iter()
        .map(|row| {
            let layer = row["Layer"].as_u64().unwrap_or(0);
            let names = row["Names"].to_string();
            let place = text(row, "Place");
            let place = match place.split_once("sha256/") {
                Some(_) => "BLOB",
                None => &*place,
            };
            format!(
                "{} {layer} {place} {} {names}",
                text(row, "Code"),
                text(row, "Kind")
            )
        })
        .collect()
}

const OF_LAYER: [&str; 3] = [
    "padding-data 1 a/one data []",
    "hidden-bytes 1 b tar [\"b\"]",
    "trailing-data 1  tar [\"gone\"]",
];

#[test]
fn every_region_is_where_its_row_says() {
    let plain = layer();
    let gz = [gzip(&plain), b"behind the stream".to_vec()].concat();
    let whole = gzip(&plain);
    for (stored, extra) in [
        (plain.clone(), &[][..]),
        (Pack::Xz.pack(&plain), &[]),
        (Pack::Zstd.pack(&plain), &["skippable-frame 1  text []"]),
        (
            whole,
            &[
                "gzip-extra 1  text []",
                "gzip-header 1  text []",
                "gzip-header 1  text []",
            ],
        ),
        (
            gz,
            &[
                "gzip-extra 1  text []",
                "gzip-header 1  text []",
                "gzip-header 1  text []",
                "compression 1  text []",
            ],
        ),
    ] {
        let mut image = build::image("demo:1").layer_bytes(plain.clone());
        if stored != plain {
            image = image.stored(stored.clone());
        }
        let mut files = build::oci(&[&image]);
        files.blob(b"unreferenced blob");
        files.add("notes.txt", "a note");
        let room = Room::with("app.tar", &files);
        let mut archive = files.tar();
        archive.extend([0; 1024]);
        archive.extend(b"behind the archive");
        room.write("app.tar", &archive);
        let rows = rows(
            &room,
            &image,
            std::slice::from_ref(&stored),
            "imgverify -q --slack out app.tar",
        );
        let outer = [
            "trailing-data 0  text []",
            "unreferenced-blob 0 BLOB text []",
            "unknown-member 0 notes.txt text []",
        ];
        let expected: Vec<&str> = outer
            .iter()
            .chain(&OF_LAYER)
            .chain(extra)
            .copied()
            .collect();
        assert_eq!(told(&rows), expected);
        let found = room
            .run("imgfind --in slack -e hidden -e behind -e comment -e deleted -e unref app.tar");
        // What is behind the stream is damage of it.
        let lines = found.code(if extra.len() > 3 { 2 } else { 0 }).out();
        let has = |text: &str| lines.lines().any(|line| line.starts_with(text));
        assert!(has("app.tar:slack:/trailing-data/archive/"), "{found}");
        assert!(has("app.tar:slack:/unreferenced-blob/archive/"), "{found}");
        assert!(has("app.tar:slack:/hidden-bytes/layer-1/1024"), "{found}");
        assert_eq!(
            has("app.tar:slack:/gzip-header/stored-1/"),
            extra.len() > 2,
            "{found}"
        );
        assert_eq!(
            has("app.tar:slack:/compression/stored-1/"),
            extra.len() > 3,
            "{found}"
        );
    }
}

#[test]
fn a_pipe_keeps_what_is_in_its_members() {
    let image = build::image("demo:1").layer_bytes(layer());
    let files = build::docker(&[&image]);
    let room = Room::with("app.tar", &files);
    let output = room
        .command("imgverify -q --slack out -")
        .pipe(&files.tar())
        .run();
    output.complains("read as a stream");
    let rows = checked(&room, &image, &[], &output);
    assert_eq!(told(&rows), OF_LAYER);
}

#[test]
fn a_directory_that_is_there_is_refused() {
    let room = Room::with(
        "app.tar",
        &build::docker(&[&build::image("demo:1").layer("f a b")]),
    );
    std::fs::create_dir(room.path("out")).expect("a directory");
    room.write("out/kept", b"x");
    room.run("imgverify --slack out app.tar")
        .fails("imgverify: out: it is there already, and not empty\n");
    room.run("imgverify -q --slack new app.tar").ok("");
    let names = std::fs::read_dir(room.path("new")).expect("a directory");
    let names: Vec<_> = names.map(|one| one.expect("one").file_name()).collect();
    assert_eq!(names, ["slack.ndjson"]);
    room.run("imgverify --slack out").code(2);
}

#[test]
fn damaged_layers_leave_what_lies_before() {
    let mut tar = layer();
    tar.truncate(1400);
    let image = build::image("demo:1").layer_bytes(tar).layer("f a b");
    let room = Room::with("app.tar", &build::docker(&[&image]));
    let output = room.run("imgverify -q --slack out app.tar");
    output.code(1);
    let rows = checked(&room, &image, &[], &output);
    assert_eq!(told(&rows), &OF_LAYER[..1]);
}
