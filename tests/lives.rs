//! imghistory --path as a user runs it.

use serde_json::{Value, json};

use crate::common::build::{self, Image, digest};
use crate::common::pack::Pack;
use crate::common::run::Room;

/// A file that was written, changed, removed and written again.
fn image(name: &str) -> Image {
    build::image(name)
        .layer("d etc | f etc/passwd one\ntwo\nthree | f etc/other x | d var | f var/a aaaa")
        .layer("f etc/passwd one\n2\nthree | f var/b bb | l link etc/passwd")
        .step("CMD [\"/bin/sh\"]")
        .layer("w etc/passwd | w var")
        .layer("f etc/passwd four | h etc/hard etc/other")
}

fn room() -> Room {
    Room::with("app.tar", &build::docker(&[&image("demo:1")]))
}

fn picked(rows: &[Value], keys: &[&str]) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let row = |row: &Value| {
        let values: Vec<String> = keys.iter().map(|key| text(&row[*key])).collect();
        values.join(" ")
    };
    rows.iter().map(row).collect()
}

#[test]
fn a_path_has_a_row_for_each_layer_that_changed_it() {
    let room = room();
    let output = room.run("imghistory --path /etc/passwd app.tar");
    let out = output.code(0).out();
    let heads = out.lines().next().unwrap_or_default();
    assert_eq!(
        heads.split_whitespace().collect::<Vec<_>>().join(" "),
        "LAYER CREATED DID MODE OWNER SIZE DIGEST CREATED BY",
        "{output}"
    );
    let short = |text: &str| build::short(&digest(text.as_bytes())).to_owned();
    let lines: Vec<Vec<&str>> = out
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines[0][..8],
        ["4", "2", "days", "ago", "added", "0644", "0:0", "4B"]
    );
    assert_eq!(lines[0][8], short("four"));
    assert_eq!(lines[1][..5], ["3", "2", "days", "ago", "removed"]);
    assert_eq!(
        lines[2][..8],
        ["2", "2", "days", "ago", "replaced", "0644", "0:0", "11B"]
    );
    assert_eq!(lines[3][8], short("one\ntwo\nthree"));
    assert_eq!(lines.len(), 4);
    let rows = room
        .run("imghistory --path etc/passwd --format json app.tar")
        .code(0)
        .json_lines();
    assert_eq!(
        picked(
            &rows,
            &[
                "Type",
                "Path",
                "Layer",
                "Did",
                "Kind",
                "Size",
                "Mode",
                "Uid",
                "HardLink",
                "CreatedBy"
            ]
        ),
        [
            "life /etc/passwd 4 added file 4 0644 0 false COPY layer 4 /",
            "life /etc/passwd 3 removed file null null null false COPY layer 3 /",
            "life /etc/passwd 2 replaced file 11 0644 0 false COPY layer 2 /",
            "life /etc/passwd 1 added file 13 0644 0 false COPY layer 1 /",
        ]
    );
    assert_eq!(rows[0]["Digest"], json!(digest(b"four")));
    assert_eq!(rows[1]["Digest"], Value::Null);
    assert_eq!(rows[2]["Fields"], json!(["size", "content"]));
    assert_eq!(rows[0]["Fields"], json!([]));
    assert!(rows[0]["ModTime"].is_string() && rows[1]["ModTime"].is_null());
    // The keys of imgdiff's life have its values.
    let mut lives = room
        .run("imgdiff --format json --blame=etc/passwd app.tar")
        .code(0)
        .json_lines();
    lives.reverse();
    for (row, life) in rows.iter().zip(&lives) {
        for (key, value) in life.as_object().expect("an object") {
            assert_eq!(&row[key], value, "{key}");
        }
    }
    room.run("imghistory --path etc/passwd --format {{.Layer}}:{{.Did}} app.tar")
        .ok("4:added\n3:removed\n2:replaced\n1:added\n");
}

#[test]
fn patches_are_those_of_imgdiff() {
    let image = image("demo:1").layer("f etc/passwd bi\0nary | f var/a aaab");
    let room = Room::with("app.tar", &build::docker(&[&image]));
    let output = room.run("imghistory --path etc/passwd --patch app.tar");
    let out = output.code(0).out();
    let (_, patches) = out.split_once("COPY layer 1 /\n").expect("a table");
    assert_eq!(
        patches,
        "--- a/etc/passwd\tlayer 4\n+++ b/etc/passwd\tlayer 5\nbinary, 4 -> 7 bytes\n\
         --- a/etc/passwd\tlayer 2\n+++ b/etc/passwd\tlayer 4\n@@ -1,3 +1 @@\n-one\n-2\n-three\n\
         \\ No newline at end of file\n+four\n\\ No newline at end of file\n\
         --- a/etc/passwd\tlayer 1\n+++ b/etc/passwd\tlayer 2\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n\
         \\ No newline at end of file\n",
        "{output}"
    );
    let rows = room
        .run("imghistory --path etc/passwd --patch --format json app.tar")
        .code(0)
        .json_lines();
    assert_eq!(
        picked(&rows, &["Contents"]),
        ["binary", "text", "null", "text", "null"]
    );
    // Layer by layer, imgdiff says the same.
    let text = room
        .run("imgdiff --text=/etc/passwd --format json app.tar@..1 app.tar@..2")
        .code(1)
        .json_lines();
    assert_eq!(rows[3]["Patch"], text[0]["Patch"]);
    let large = room.run("imghistory --path etc/passwd --patch --max-text 6 app.tar");
    assert_eq!(
        large.code(0).out().matches("too large to be shown").count(),
        3
    );
    for pack in Pack::ALL {
        let app = build::image("demo:1")
            .layer("f a one\n")
            .packed(pack)
            .layer("f a two\n")
            .packed(pack);
        room.write("packed.tar", &build::oci(&[&app]).tar());
        room.run("imghistory --path a --patch packed.tar")
            .code(0)
            .says("-one\n");
    }
}

#[test]
fn a_directory_tells_what_is_below() {
    let room = room();
    let below = room
        .run("imghistory --path var --format json app.tar")
        .code(0)
        .json_lines();
    assert_eq!(
        picked(&below, &["Layer", "Path", "Did"]),
        [
            "3 /var removed",
            "3 /var/a removed with its parent directory",
            "3 /var/b removed with its parent directory",
            "2 /var/b added",
            "1 /var added",
            "1 /var/a added",
        ]
    );
    room.run("imghistory --path var app.tar")
        .code(0)
        .says("PATH ");
    let sums = room
        .run("imghistory --path / --stat --format json app.tar")
        .code(0)
        .json_lines();
    assert_eq!(
        picked(
            &sums,
            &[
                "Type",
                "Path",
                "Layer",
                "Added",
                "Changed",
                "Deleted",
                "BytesNew",
                "BytesGone"
            ]
        ),
        [
            "stat / 4 2 0 0 4 0",
            "stat / 3 0 0 4 0 17",
            "stat / 2 2 1 0 13 13",
            "stat / 1 6 0 0 18 0",
        ]
    );
    room.run("imghistory --path var --stat app.tar")
        .code(0)
        .says("ADDED ");
}

#[test]
fn patterns_have_a_block_for_each_path() {
    let room = room();
    let output = room.run("imghistory --path /etc/*o* app.tar");
    let blocks: Vec<&str> = output.code(0).out().split("\n\n").collect();
    assert_eq!(blocks.len(), 1, "{output}");
    let output = room.run("imghistory --path etc/[hop]* app.tar");
    let blocks: Vec<&str> = output.code(0).out().split("\n\n").collect();
    let heads: Vec<&str> = blocks
        .iter()
        .filter_map(|block| block.lines().next())
        .collect();
    assert_eq!(
        heads,
        ["/etc/hard", "/etc/other", "/etc/passwd"],
        "{output}"
    );
    // A name is itself before it is a pattern.
    let odd = build::image("odd:1").layer("f a[1] x | f a1 y");
    room.write("odd.tar", &build::docker(&[&odd]).tar());
    let rows = room
        .run("imghistory --path a[1] --format json odd.tar")
        .code(0)
        .json_lines();
    assert_eq!(picked(&rows, &["Path"]), ["/a[1]"]);
}

#[test]
fn images_that_agree_share_a_block() {
    let other = build::image("other:1").layer("d etc | f etc/passwd else");
    let room = Room::with(
        "app.tar",
        &build::docker(&[&image("demo:1"), &image("demo:2"), &other]),
    );
    let output = room.run("imghistory --path etc/passwd app.tar");
    let heads: Vec<&str> = output
        .code(0)
        .out()
        .lines()
        .filter(|line| line.contains(" in "))
        .collect();
    assert_eq!(
        heads,
        ["/etc/passwd in demo:1", "/etc/passwd in other:1"],
        "{output}"
    );
    let one = room.run("imghistory --path etc/passwd app.tar:other:1");
    assert!(!one.code(0).out().contains(" in "));
    // A path of one image alone is no error of the others.
    let rows = room
        .run("imghistory --path var/a --format json app.tar")
        .code(0)
        .json_lines();
    assert!(!rows.is_empty());
}

#[test]
fn a_path_of_no_layer_is_an_error() {
    let room = room();
    room.run("imghistory --path etc/paswd app.tar")
        .fails("imghistory: app.tar: no layer has 'etc/paswd'; the nearest path is /etc/passwd\n");
    room.run("imghistory --path /etc/ssl/private/key app.tar")
        .fails(
            "imghistory: app.tar: no layer has '/etc/ssl/private/key'; the nearest path is /etc\n",
        );
    room.run("imghistory --path nothing app.tar")
        .fails("imghistory: app.tar: no layer has 'nothing'\n");
    room.run("imghistory --path nothing* app.tar").code(2);
    for line in [
        "--patch",
        "--stat",
        "--max-text 1kB",
        "--path a --stat --patch",
        "--path a --layers",
        "--path a --dockerfile",
    ] {
        room.run(&format!("imghistory {line} app.tar")).code(2);
    }
}

#[test]
fn a_damaged_layer_is_told_behind_the_others() {
    let image = image("demo:1").packed(Pack::Gzip);
    let mut files = build::oci(&[&image]);
    let stored = image.blobs()[3].clone();
    let name = files
        .names()
        .into_iter()
        .find(|name| files.get(name) == &stored[..]);
    let blob = files.bytes(&name.expect("the layer"));
    let at = blob.len() / 2;
    blob[at] ^= 0x55;
    let room = Room::with("app.tar", &files);
    let output = room.run("imghistory --path etc/passwd --format {{.Layer}} app.tar");
    assert_eq!(output.code(2).out(), "3\n2\n1\n");
    output.complains("imghistory: app.tar: layer 4 of 4: ");
}
