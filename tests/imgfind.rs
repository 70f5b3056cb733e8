//! imgfind as a user runs it.

use std::io::Read;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::common::build::{self, Image};
use crate::common::pack::Pack;
use crate::common::run::{Output, Room};

/// An image whose first layer loses a file, a directory and a replaced file.
fn image() -> Image {
    build::image("demo:1")
        .layer("d etc | f etc/token ghp_secret | f etc/passwd root:x:0:0::/:/bin/sh | d old | f old/a one | f b/c two")
        .layer("f etc/passwd root:x:0:0::/:/bin/sh\nweb:x:1:1::/: | f old/b three")
        .layer("w etc/token | w old | l link etc/passwd | h hard b/c")
}

fn room() -> Room {
    Room::with("app.tar", &build::docker(&[&image()]))
}

/// Paths that a search prints, with how each ended.
fn found(output: &Output) -> Vec<String> {
    output.out().lines().map(str::to_owned).collect()
}

#[test]
fn every_version_is_found_with_its_end() {
    let room = room();
    let output = room.run("imgfind app.tar");
    let lines = found(output.code(0));
    let paths: Vec<&str> = lines
        .iter()
        .map(|line| line.split('\t').next().unwrap_or(""))
        .collect();
    assert_eq!(
        paths,
        [
            "b",
            "b/c",
            "etc",
            "etc/passwd",
            "etc/passwd",
            "etc/token",
            "etc/token",
            "hard",
            "link",
            "old",
            "old",
            "old/a",
            "old/b",
        ],
        "{output}"
    );
    let ends = |path: &str| -> Vec<String> {
        let lines = lines.iter().filter_map(|line| line.split_once('\t'));
        lines
            .filter(|(own, _)| *own == path)
            .map(|(_, end)| end.to_owned())
            .collect()
    };
    let starts = |path: &str, start: &str| {
        assert!(
            ends(path).iter().any(|end| end.starts_with(start)),
            "{path} {start}: {output}"
        );
    };
    starts("etc/passwd", "layer 1, replaced by 2");
    starts("etc/token", "layer 1, removed by 3");
    starts("etc/token", "layer 3, whiteout");
    starts("old", "layer 1, removed by 3");
    starts("old/a", "layer 1, hidden by 3");
    starts("old/b", "layer 2, hidden by 3");
    assert!(ends("b/c").is_empty() && ends("hard").is_empty());
}

#[test]
fn scopes_and_layers_narrow_the_search() {
    let room = room();
    room.run("imgfind --scope final app.tar")
        .ok("b\nb/c\netc\netc/passwd\nhard\nlink\n");
    room.run("imgfind --scope past -0 app.tar")
        .ok("etc/passwd\0etc/token\0old\0old/a\0old/b\0");
    room.run("imgfind -0 app.tar --layer 2")
        .ok("etc/passwd\0old/b\0");
    room.run("imgfind -0 app.tar -layer ..2 -state hidden")
        .ok("old/a\0old/b\0");
    room.run("imgfind --layer 4 app.tar")
        .fails("imgfind: app.tar: no layer 4: the image has 3 layers\n");
    let base = build::image("base:1").layer("d etc | f etc/token ghp_secret | f etc/passwd root:x:0:0::/:/bin/sh | d old | f old/a one | f b/c two");
    room.write("base.tar", &build::docker(&[&base]).tar());
    room.run("imgfind -0 --since base.tar app.tar -type f,w")
        .ok("etc/passwd\0etc/token\0hard\0old\0old/b\0");
    room.run("imgfind --since app.tar base.tar").fails(
        "imgfind: base.tar: the image does not descend from the base image: layer 2 differs\n",
    );
}

#[test]
fn the_exit_status_tells_if_something_was_found() {
    let room = room();
    room.run("imgfind -q app.tar -name token").ok("");
    room.run("imgfind app.tar -name nothing").is(1, "", "");
    room.run("imgfind -q app.tar -name nothing").is(1, "", "");
    room.run("imgfind app.tar gone.tar -name token -type w").is(
        2,
        "app.tar:demo:1:etc/token\tlayer 3, whiteout\n",
        "imgfind: gone.tar: cannot open: no such file or directory\n",
    );
    room.run("imgfind --verbose app.tar -name token -type f")
        .is(
            0,
            "etc/token\tlayer 1, removed by 3: COPY layer 3 /\n",
            "imgfind: matches by state: 1 removed\n",
        );
}

#[test]
fn expressions_follow_the_images() {
    let room = room();
    let hint = "hint: the order is imgfind [OPTIONS] IMAGE... EXPRESSION\n";
    room.run("imgfind -name token app.tar").fails(&format!(
        "imgfind: -name: images must precede the expression\n{hint}"
    ));
    room.run("imgfind").fails("imgfind: the following required arguments were not provided: <IMAGE>...\nhint: see imgfind --help\n");
    room.run("imgfind app.tar -exec rm {} ;")
        .fails("imgfind: -exec: runs and changes nothing\nhint: pipe -print0, or take files out with imgexport\n");
    room.run("imgfind app.tar --scope final ( -name link -o -name hard ) -print0")
        .ok("hard\0link\0");
    room.run("imgfind app.tar -name link --scope final")
        .fails("imgfind: --scope: unknown word\n");
    room.run("imgfind gone.tar -name")
        .fails("imgfind: -name: missing argument\n");
    room.run("imgfind --format '{{.Nothing' app.tar").code(2);
}

#[test]
fn flow_words_act_as_in_find() {
    let room = room();
    room.run("imgfind --scope final app.tar -name etc -prune -o -print")
        .ok("b\nb/c\nhard\nlink\n");
    room.run("imgfind --scope final app.tar -depth")
        .ok("b/c\nb\netc/passwd\netc\nhard\nlink\n");
    room.run("imgfind --scope final app.tar -depth -name etc -prune -o -print")
        .ok("b/c\nb\netc/passwd\nhard\nlink\n");
    room.run("imgfind --scope final app.tar -type f -print -quit")
        .ok("b/c\n");
    room.run("imgfind --scope final app.tar -maxdepth 1")
        .ok("b\netc\nhard\nlink\n");
    room.run("imgfind --scope final app.tar -mindepth 2")
        .ok("b/c\netc/passwd\n");
    room.run("imgfind app.tar -name passwd -printf '%p %s %u:%g %i %T@\\n'")
        .code(0);
}

#[test]
fn tests_see_the_image() {
    let room = room();
    // Users are those of etc/passwd as it is after the layer.
    let owned = build::image("demo:1")
        .layer("f etc/passwd a:x:0:0: | f one 1")
        .layer("f etc/passwd b:x:0:0: | f two 2 | f etc/group c:x:0:");
    room.write("owned.tar", &build::docker(&[&owned]).tar());
    room.run("imgfind --scope final owned.tar -user a")
        .ok("etc\none\n");
    room.run("imgfind --scope final owned.tar -user b -name two")
        .ok("two\n");
    room.run("imgfind --scope final owned.tar -nogroup -name one")
        .ok("one\n");
    room.run("imgfind --scope final owned.tar -name two -printf %u:%g\\n")
        .ok("b:c\n");
    room.run("imgfind --scope final app.tar -samefile /b/c")
        .ok("b/c\nhard\n");
    room.run("imgfind --scope final app.tar -links 2")
        .ok("b\nb/c\netc\nhard\n");
    room.run("imgfind app.tar -type h").ok("hard\n");
    room.run("imgfind --scope final app.tar -lname *passwd -printf '%p %l\\n'")
        .ok("link etc/passwd\n");
    room.run("imgfind app.tar -samefile gone")
        .fails("imgfind: app.tar: no file 'gone' in the image\n");
    let digest = hex::encode(Sha256::digest("ghp_secret"));
    room.run(&format!("imgfind -0 app.tar -digest {digest}"))
        .ok("etc/token\0");
    room.run(&format!(
        "imgfind -0 app.tar -digest sha256:{}",
        &digest[..8]
    ))
    .ok("etc/token\0");
    room.run("imgfind -0 app.tar -duplicate").ok("b/c\0hard\0");
    let empty = build::image("demo:1")
        .layer("d a | d a/b | d c | f c/x x | z e 0")
        .layer("w a/b | w c");
    room.write("empty.tar", &build::docker(&[&empty]).tar());
    room.run("imgfind -0 empty.tar -empty").ok("a\0a/b\0e\0");
}

#[test]
fn several_images_are_told_apart() {
    let room = Room::new();
    let other = build::image("other:2").layer("f etc/token x");
    room.write("two.tar", &build::docker(&[&image(), &other]).tar());
    let one = "two.tar:demo:1:etc/token\tlayer 3, whiteout\n";
    room.run(
        "imgfind two.tar -name token -type w,f -layer 3.. -o -path /etc/token -size -5c -type f",
    )
    .code(0);
    room.run("imgfind two.tar -name token -type w").ok(one);
    room.run("imgfind --scope final two.tar -name token")
        .ok("two.tar:other:2:etc/token\n");
    room.run("imgfind --scope final two.tar:other:2 -name token")
        .ok("etc/token\n");
    std::fs::create_dir(room.path("images")).expect("a directory");
    room.write("images/a.tar", &build::docker(&[&other]).tar());
    room.run("imgfind images -name token")
        .ok("images/a.tar:other:2:etc/token\n");
    let json = room.run("imgfind --format json two.tar -name token -state removed");
    let row: Value = serde_json::from_str(json.code(0).out()).expect("one line");
    assert_eq!(
        (&row["Image"], &row["State"], &row["By"]["Layer"]),
        (&"demo:1".into(), &"removed".into(), &3.into()),
        "{row}"
    );
}

#[test]
fn records_lead_to_the_bytes_in_the_archive() {
    let room = room();
    let output = room.run("imgfind --format json app.tar -name token -type f");
    let row: Value = serde_json::from_str(output.code(0).out()).expect("one line");
    let number = |key: &str| row[key].as_u64().unwrap_or_else(|| panic!("{key}: {row}")) as usize;
    let bytes = std::fs::read(room.path("app.tar")).expect("the archive");
    let at = number("StoredAt");
    assert_eq!(&bytes[at..at + number("Length")], b"ghp_secret");
    let digest = format!("sha256:{}", hex::encode(Sha256::digest("ghp_secret")));
    assert_eq!(row["Digest"], Value::from(digest));
    let table = room.run("imgfind --format table --scope final app.tar -name link");
    assert!(table.code(0).out().starts_with("PATH "), "{table}");
}

#[test]
fn a_damaged_layer_leaves_the_others() {
    let mut files = build::docker(&[&image()]);
    let name = files
        .names()
        .into_iter()
        .filter(|name| name.ends_with("layer.tar"))
        .nth(1);
    let name = name.unwrap_or_else(|| panic!("{:?}", files.names()));
    files.bytes(&name)[150] ^= 1;
    let room = Room::with("app.tar", &files);
    let output = room.run("imgfind --scope final app.tar -name link");
    assert_eq!((output.code, output.out()), (Some(2), "link\n"), "{output}");
    assert!(
        output.err().starts_with("imgfind: app.tar: layer 2 of 3: "),
        "{output}"
    );
    let gzip = build::image("demo:1")
        .layer("f a one")
        .packed(Pack::Gzip)
        .layer("w a");
    room.write("gzip.tar", &build::oci(&[&gzip]).tar());
    room.run("imgfind gzip.tar -type f").code(0);
    let mut bytes = Vec::new();
    let mut file = std::fs::File::open(room.path("gzip.tar")).expect("the archive");
    file.read_to_end(&mut bytes).expect("the archive");
    room.command("imgfind -0 -").pipe(&bytes).run().ok("a\0");
}

#[test]
fn names_are_escaped_unless_raw() {
    let evil = build::image("demo:1").layer("f a\x1b[2J x");
    let room = Room::with("app.tar", &build::docker(&[&evil]));
    room.run("imgfind app.tar").ok("a\\x1b[2J\n");
    room.run("imgfind -0 app.tar").ok("a\x1b[2J\0");
    room.run("imgfind app.tar -printf %f\\n").ok("a\\x1b[2J\n");
    room.run("imgfind app.tar -print0").ok("a\x1b[2J\0");
}

#[test]
fn a_platform_that_no_input_has_is_an_error() {
    let room = Room::with(
        "a.tar",
        &build::docker(&[&build::image("demo:1").layer("f x one")]),
    );
    let other = build::image("demo:2")
        .layer("f y two")
        .set("architecture", json!("arm64"));
    room.write("b.tar", &build::docker(&[&other]).tar());
    room.run("imgfind --platform linux/arm64 a.tar -name x")
        .code(2)
        .complains("linux/amd64");
    // As in a directory of archives, one input that has it is enough.
    room.run("imgfind --platform linux/arm64 a.tar b.tar -name y -printf %p\\n")
        .ok("y\n");
}
