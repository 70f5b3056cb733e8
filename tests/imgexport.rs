//! imgexport as a user runs it.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use proptest::prelude::*;

use crate::common::build::{self, Image};
use crate::common::pack::Pack;
use crate::common::run::Room;
use crate::tree::{any_layers, model_layer, model_shown};

fn image(layers: &[&str]) -> Image {
    layers
        .iter()
        .fold(build::image("demo:1"), |image, line| image.layer(line))
}

/// Entries of a tar as the `tar` crate reads them: kind, path, and contents or target.
fn told(tar: &[u8]) -> String {
    let mut out = Vec::new();
    let mut archive = tar::Archive::new(tar);
    for entry in archive.entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let path = String::from_utf8_lossy(&entry.path_bytes())
            .trim_end_matches('/')
            .to_owned();
        let target = entry
            .link_name_bytes()
            .map(|name| String::from_utf8_lossy(&name).into_owned());
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("text");
        let kind = match entry.header().entry_type() {
            tar::EntryType::Directory => "d",
            tar::EntryType::Regular => "f",
            tar::EntryType::Symlink => "l",
            tar::EntryType::Link => "h",
            tar::EntryType::Fifo => "p",
            other => panic!("{other:?}"),
        };
        let rest = target.unwrap_or(text);
        out.push(format!("{kind} {path} {rest}").trim_end().to_owned());
    }
    out.join(" | ")
}

/// A tar of one entry with any header.
fn entry(kind: u8, name: &[u8], data: &[u8], change: impl FnOnce(&mut tar::Header)) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_mut_bytes()[..name.len().min(100)].copy_from_slice(&name[..name.len().min(100)]);
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1);
    header.set_size(data.len() as u64);
    change(&mut header);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// A GNU sparse file of `size` bytes, of which the first `data` are stored.
pub(crate) fn sparse(name: &[u8], size: u64, data: &[u8]) -> Vec<u8> {
    entry(b'S', name, data, |header| {
        let bytes = header.as_mut_bytes();
        bytes[386..398].copy_from_slice(b"00000000000\0");
        bytes[398..410].copy_from_slice(format!("{:011o}\0", data.len()).as_bytes());
        bytes[483] = 0x80;
        bytes[484..487].fill(0);
        bytes[487..495].copy_from_slice(&size.to_be_bytes());
    })
}

#[test]
fn export_applies_the_layers() {
    for (layers, expected) in [
        (&["d etc | f etc/a one"][..], "d etc | f etc/a one"),
        (
            &["d etc | f etc/b two | f etc/a one", "w etc/a | f c three"],
            "f c three | d etc | f etc/b two",
        ),
        (
            &["d etc | f etc/a one", "f etc/c x | o etc"],
            "d etc | f etc/c x",
        ),
        (&["l run var/run", "d run | f run/x y"], "d run | f run/x y"),
        (&["d a | f a/b x", "f a file"], "f a file"),
        // Hard links of which other names are replaced or removed.
        (&["f b x | h a b"], "f a x | h b a"),
        (&["f a x | h b a | h c a", "f a y"], "f a y | f b x | h c b"),
        (&["f a x", "h b a | h c b", "w a"], "f b x | h c b"),
        (&["f a/b/c x | p a/p"], "d a | d a/b | f a/b/c x | p a/p"),
        (&["l l /etc/passwd | h m l"], "l l /etc/passwd | h m l"),
        (&["f a x | w b", "o ."], ""),
    ] {
        let room = Room::with("app.tar", &build::docker(&[&image(layers)]));
        let run = room.run("imgexport app.tar");
        assert_eq!(run.code, Some(0), "{run}");
        assert_eq!(told(&run.stdout), expected, "{layers:?}");
    }
}

#[test]
fn same_bytes_from_every_format_to_every_output() {
    let layers = [
        "d a | f a/one 1 | z a/big 3000000 | h a/two a/one",
        "w a/one | f b x | z c 700 | l d a",
    ];
    let packed = |pack| {
        layers.iter().fold(build::image("demo:1"), |image, line| {
            image.layer(line).packed(pack)
        })
    };
    let plain = image(&layers);
    let room = Room::with("app.tar", &build::docker(&[&plain]));
    room.write("25.tar", &build::docker25(&[&plain]).tar());
    room.write("gzip.tar", &build::oci(&[&packed(Pack::Gzip)]).tar());
    room.write("zstd.tar", &build::oci(&[&packed(Pack::Zstd)]).tar());
    std::fs::create_dir(room.path("layout")).expect("a folder");
    build::oci(&[&packed(Pack::Gzip)]).write_to(&room.path("layout"));
    let expected = room.run("imgexport app.tar").stdout;
    assert!(expected.len() > 3_000_000);
    for line in [
        "25.tar",
        "gzip.tar",
        "zstd.tar",
        "layout",
        "-j 1 app.tar",
        "-j 7 gzip.tar",
        "-o - app.tar",
    ] {
        assert!(
            room.run(&format!("imgexport {line}")).stdout == expected,
            "{line}"
        );
        if !line.contains("-o") {
            room.run(&format!("imgexport {line} -o out.tar")).ok("");
            assert!(
                std::fs::read(room.path("out.tar")).expect("out.tar") == expected,
                "{line}"
            );
        }
    }
    for name in ["app.tar", "gzip.tar"] {
        let bytes = std::fs::read(room.path(name)).expect(name);
        let piped = room.command("imgexport -").pipe(&bytes).run();
        assert!(piped.stdout == expected, "{piped}");
        let from_file = room.command("imgexport -").stdin_file(name).run();
        assert!(from_file.stdout == expected, "{from_file}");
    }
    assert_eq!(
        std::fs::metadata(room.path("out.tar"))
            .expect("out.tar")
            .mode()
            & 0o777,
        0o600
    );
}

#[test]
fn selected_layers_raw_and_applied() {
    let layers = [
        "d a | f a/one 1 | f a/two 2",
        "w a/one | f b x",
        "o a | f a/three 3 | w gone | f b y",
    ];
    let app = image(&layers);
    let room = Room::with("app.tar", &build::docker(&[&app]));
    room.write("base.tar", &build::docker(&[&image(&layers[..1])]).tar());
    room.write(
        "gzip.tar",
        &build::oci(&[&layers
            .iter()
            .fold(build::image("x:1"), |i, l| i.layer(l).packed(Pack::Gzip))])
        .tar(),
    );
    for (number, line) in layers.iter().enumerate() {
        let whole = build::layer(line);
        for archive in ["app.tar", "gzip.tar"] {
            let run = room.run(&format!("imgexport --layer {} {archive}", number + 1));
            assert!(run.stdout == whole, "{run}");
        }
        let digest = build::digest(&whole);
        for text in [&digest[..], &digest[7..20]] {
            assert!(
                room.run(&format!("imgexport --layer {text} app.tar"))
                    .stdout
                    == whole
            );
        }
    }
    for (options, expected) in [
        (
            "--layer 2..3",
            "f a/.wh..wh..opq | f a/three 3 | f a/.wh.one | f b y | f .wh.gone",
        ),
        (
            "--layer 2..",
            "f a/.wh..wh..opq | f a/three 3 | f a/.wh.one | f b y | f .wh.gone",
        ),
        (
            "--since base.tar",
            "f a/.wh..wh..opq | f a/three 3 | f a/.wh.one | f b y | f .wh.gone",
        ),
        ("--layer ..2", "d a | f a/.wh.one | f a/two 2 | f b x"),
        ("--layer 1..2 --applied", "d a | f a/two 2 | f b x"),
        ("--since base.tar --applied", "d a | f a/three 3 | f b y"),
        (
            "--layer 3 --exclude gone",
            "f a/.wh..wh..opq | f a/three 3 | f b y",
        ),
        ("--layer 3 --applied", "d a | f a/three 3 | f b y"),
    ] {
        let run = room.run(&format!("imgexport {options} app.tar"));
        assert_eq!(run.code, Some(0), "{run}");
        let mut found: Vec<String> = told(&run.stdout).split(" | ").map(str::to_owned).collect();
        let mut expected: Vec<&str> = expected.split(" | ").collect();
        found.sort();
        expected.sort_unstable();
        assert_eq!(found, expected, "{options}");
    }
    for (options, why) in [
        ("--layer 4", "app.tar: no layer 4: the image has 3 layers"),
        ("--layer 0", "app.tar: no layer 0: the image has 3 layers"),
        ("--layer 3..2", "app.tar: empty range '3..2'"),
        ("--layer x", "app.tar: no layer 'x' in the image"),
        (
            "--layer 99999999",
            "app.tar: no layer '99999999' in the image",
        ),
        ("--since gzip.tar", ""),
    ] {
        let run = room.run(&format!("imgexport {options} app.tar"));
        match why {
            "" => assert_eq!((run.code, told(&run.stdout)), (Some(0), String::new())),
            why => drop(run.fails(&format!("imgexport: {why}\n"))),
        }
    }
    room.write("other.tar", &build::docker(&[&image(&["f x y"])]).tar());
    room.run("imgexport --since other.tar app.tar").fails(
        "imgexport: app.tar: the image does not descend from the base image: layer 1 differs\n",
    );
}

#[test]
fn paths_and_patterns() {
    let app = image(&[
        "d etc | d etc/ssl | f etc/ssl/a.pem 1 | f etc/passwd x | d usr | d usr/lib | f usr/lib/a.pyc 2 | f usr/lib/b.py 3 | l lib usr/lib | h hard etc/passwd",
    ]);
    let room = Room::with("app.tar", &build::docker(&[&app]));
    for (words, expected) in [
        ("etc/passwd", "d etc | f etc/passwd x"),
        (
            "/etc/ssl/ ./usr/lib/b.py",
            "d etc | d etc/ssl | f etc/ssl/a.pem 1 | d usr | d usr/lib | f usr/lib/b.py 3",
        ),
        (
            "--exclude '*.pyc' usr",
            "d usr | d usr/lib | f usr/lib/b.py 3",
        ),
        (
            "--exclude etc --exclude usr/lib/*",
            "f hard x | l lib usr/lib | d usr | d usr/lib",
        ),
        (
            "--include '**/*.pem' --include usr/lib/b.*",
            "d etc | d etc/ssl | f etc/ssl/a.pem 1 | d usr | d usr/lib | f usr/lib/b.py 3",
        ),
        (
            "--include etc --exclude passwd",
            "d etc | d etc/ssl | f etc/ssl/a.pem 1",
        ),
        ("hard", "f hard x"),
        (
            "hard etc/passwd",
            "d etc | f etc/passwd x | h hard etc/passwd",
        ),
        ("lib", "l lib usr/lib"),
    ] {
        let run = room.run(&format!("imgexport app.tar {words}"));
        assert_eq!(
            (run.code, told(&run.stdout)),
            (Some(0), expected.to_owned()),
            "{words}"
        );
    }
    room.run("imgexport app.tar etc/nothing")
        .fails("imgexport: app.tar: etc/nothing: no such file or directory\n");
    room.run("imgexport app.tar lib/b.py").fails(
        "imgexport: app.tar: lib/b.py: no such file or directory: lib is a symbolic link to 'usr/lib'\n",
    );
    room.run("imgexport --include '[' app.tar")
        .code(2)
        .complains("invalid pattern '['");
}

/// `ls -lR` in the words of the builder.
fn on_disk(top: &Path) -> String {
    let mut first: BTreeMap<u64, String> = BTreeMap::new();
    let mut out = Vec::new();
    let mut work = vec![top.to_owned()];
    let mut paths = Vec::new();
    while let Some(folder) = work.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.symlink_metadata().expect("there").is_dir() {
                work.push(path.clone());
            }
            paths.push(path);
        }
    }
    let split = |path: &Path| -> Vec<std::ffi::OsString> { path.iter().map(Into::into).collect() };
    paths.sort_by_key(|path| split(path));
    for path in paths {
        let name = path
            .strip_prefix(top)
            .expect("inside")
            .display()
            .to_string();
        let metadata = path.symlink_metadata().expect("there");
        if let Some(first) = first.get(&metadata.ino()) {
            out.push(format!("h {name} {first}"));
            continue;
        }
        if metadata.nlink() > 1 && !metadata.is_dir() {
            first.insert(metadata.ino(), name.clone());
        }
        out.push(if metadata.is_dir() {
            format!("d {name}")
        } else if metadata.is_symlink() {
            format!(
                "l {name} {}",
                std::fs::read_link(&path).expect("a link").display()
            )
        } else if metadata.is_file() {
            format!("f {name} {}", std::fs::read_to_string(&path).expect("text"))
                .trim_end()
                .to_owned()
        } else {
            format!("p {name}")
        });
    }
    out.join(" | ")
}

#[test]
fn unpacking() {
    let line = "d a | f a/one 1 | h b a/one | l c /etc/passwd | p fifo | d e | d e/f | f e/f/g x";
    let mut bytes = build::layer(line);
    bytes.truncate(bytes.len() - 1024);
    bytes.extend(entry(b'5', b"closed/", b"", |header| {
        header.set_mode(0o500)
    }));
    bytes.extend(entry(b'0', b"closed/x", b"text", |header| {
        header.set_mode(0o4751);
        header.set_mtime(1_000_000_000);
    }));
    bytes.extend(sparse(b"holes", 1 << 20, &[b'x'; 512]));
    bytes.extend([0; 1024]);
    let room = Room::with(
        "app.tar",
        &build::docker(&[&build::image("demo:1").layer_bytes(bytes)]),
    );
    room.run("imgexport --rootless -q -C out app.tar").ok("");
    let shown = on_disk(&room.path("out"));
    assert!(shown.starts_with("d a | f a/one 1 | h b a/one | l c /etc/passwd | d closed | f closed/x text | d e | d e/f | f e/f/g x | p fifo | f holes xxx"), "{shown}");
    let closed = std::fs::metadata(room.path("out/closed/x")).expect("there");
    assert_eq!(
        (closed.mode() & 0o7777, closed.mtime()),
        (0o751, 1_000_000_000)
    );
    assert_eq!(
        std::fs::metadata(room.path("out/closed"))
            .expect("there")
            .mode()
            & 0o7777,
        0o500
    );
    let holes = std::fs::metadata(room.path("out/holes")).expect("there");
    assert!(
        holes.len() == 1 << 20 && holes.blocks() < 1000,
        "{} blocks",
        holes.blocks()
    );
    assert_eq!(
        std::fs::metadata(room.path("out")).expect("there").mode() & 0o777,
        0o755
    );

    // Existing files.
    let why = "imgexport: out: directory not empty: --overwrite unpacks into it\n";
    room.run("imgexport -C out app.tar").fails(why);
    std::fs::set_permissions(
        room.path("out/closed"),
        std::fs::Permissions::from_mode(0o700),
    )
    .expect("changed");
    std::fs::remove_dir_all(room.path("out/e")).expect("removed");
    std::os::unix::fs::symlink("../outside", room.path("out/e")).expect("a link");
    std::fs::create_dir(room.path("outside")).expect("a folder");
    std::fs::write(room.path("outside/keep"), "me").expect("written");
    std::fs::remove_file(room.path("out/a/one")).expect("removed");
    std::os::unix::fs::symlink("../../outside/keep", room.path("out/a/one")).expect("a link");
    room.write("out/own", b"mine");
    room.run("imgexport --rootless -q --overwrite -C out app.tar")
        .ok("");
    assert!(on_disk(&room.path("out")).starts_with("d a | f a/one 1 | h b a/one | l c /etc/passwd | d closed | f closed/x text | d e | d e/f | f e/f/g x | p fifo"));
    assert_eq!(
        std::fs::read_to_string(room.path("outside/keep")).expect("there"),
        "me"
    );
    assert_eq!(
        std::fs::read_to_string(room.path("out/own")).expect("there"),
        "mine"
    );
    assert_eq!(
        std::fs::read_dir(room.path("outside"))
            .expect("there")
            .count(),
        1
    );

    std::fs::create_dir(room.path("empty")).expect("a folder");
    room.run("imgexport --rootless -q -C empty app.tar a")
        .ok("");
    assert_eq!(on_disk(&room.path("empty")), "d a | f a/one 1");
    std::fs::remove_file(room.path("empty/a/one")).expect("removed");
    std::fs::create_dir_all(room.path("empty/a/one/two")).expect("folders");
    room.run("imgexport --rootless -q --overwrite -C empty app.tar a")
        .fails("imgexport: empty: a/one: a directory that is not empty has its path\n");
    room.write("file", b"");
    room.run("imgexport -C file app.tar")
        .fails("imgexport: file: exists and is not a directory\n");
    room.run("imgexport -o new/ app.tar")
        .fails("imgexport: new/: cannot create: already exists: a directory\n");
    assert!(!room.path("new").exists(), "-o DIR/ wrote a file");
    room.run("imgexport -C / app.tar")
        .fails("imgexport: /: refusing to unpack into /\n");
    room.run("imgexport -C gone/out app.tar").code(2);
}

#[test]
fn operations_of_root_are_recorded() {
    let mut bytes = entry(b'3', b"null", b"", |header| {
        header.set_device_major(1).expect("a GNU header");
        header.set_device_minor(3).expect("a GNU header");
    });
    bytes.extend(entry(b'0', b"owned", b"x", |header| {
        header.set_uid(12345);
        header.set_mode(0o2755);
    }));
    bytes.extend([0; 1024]);
    let room = Room::with(
        "app.tar",
        &build::docker(&[&build::image("demo:1").layer_bytes(bytes)]),
    );
    room.run("imgexport --rootless --record list -C out app.tar")
        .ok("");
    let list = std::fs::read_to_string(room.path("list")).expect("a list");
    let rows: Vec<serde_json::Value> = list
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(rows[0]["Path"], "null");
    assert_eq!(rows[0]["Device"], serde_json::json!([1, 3]));
    assert_eq!(rows[0]["NotApplied"], serde_json::json!(["device"]));
    assert_eq!(rows[1]["NotApplied"], serde_json::json!(["owner", "mode"]));
    assert_eq!(rows[1]["UID"], 12345);
    assert_eq!(on_disk(&room.path("out")), "f owned x");
    room.run("imgexport --rootless -C out2 app.tar")
        .complains("not applied: owner of 1, mode of 1, device of 1");
}

#[test]
fn hostile_layers_are_refused() {
    let mut deep = Vec::new();
    for (n, part) in ["d".repeat(99), "e".repeat(300)].iter().enumerate() {
        deep.extend(entry(
            b'L',
            b"././@LongLink",
            format!("{part}\0").as_bytes(),
            |_| (),
        ));
        deep.extend(entry(b'0', format!("x{n}").as_bytes(), b"", |_| ()));
    }
    let far = format!("{}x", "f/".repeat(3000));
    let mut long = entry(
        b'L',
        b"././@LongLink",
        format!("{far}\0").as_bytes(),
        |_| (),
    );
    long.extend(entry(b'0', b"y", b"", |_| ()));
    let lie = entry(b'0', b"lie", b"", |header| header.set_size(1 << 34));
    let raw = |bytes: Vec<u8>| {
        build::image("demo:1")
            .layer("f good x")
            .layer_bytes([bytes, vec![0; 1024]].concat())
    };
    let cases: Vec<(Image, &str)> = vec![
        (
            image(&["f good x", "f ../escape x"]),
            "layer 2 of 2: ../escape: path leads outside of the root",
        ),
        (
            image(&["f a/../../escape x"]),
            "layer 1 of 1: a/../../escape: path leads outside of the root",
        ),
        (
            image(&["l link ../outside | f link/escape x"]),
            "layer 1 of 1: link/escape: a parent is a symbolic link to a missing directory",
        ),
        (
            image(&["f good x | f good/below x"]),
            "layer 1 of 1: good/below: a parent is not a directory",
        ),
        (
            image(&["h x ../../etc/passwd"]),
            "layer 1 of 1: x: link to '../../etc/passwd': target is outside of the root",
        ),
        (
            image(&["h x /etc/passwd"]),
            "layer 1 of 1: x: link to '/etc/passwd': no such file",
        ),
        (
            image(&["h x y | h y x"]),
            "layer 1 of 1: x: link to 'y': no such file",
        ),
        (
            image(&["d d | h x d"]),
            "layer 1 of 1: x: link to 'd': target is a directory",
        ),
        (
            image(&["l . /tmp"]),
            "layer 1 of 1: .: the root must be a directory",
        ),
        (
            image(&["f good x", "f .wh... x"]),
            "layer 2 of 2: .wh...: whiteout without a name",
        ),
        (
            raw(sparse(b"bomb", 60 << 30, &[b'x'; 512])),
            "bomb: expansion ratio of a sparse file: limit exceeded: expected at most 1000, found 125829120",
        ),
        (raw(lie), "layer 2 of 2: "),
    ];
    for (image, why) in cases {
        let room = Room::with("app.tar", &build::docker(&[&image]));
        for out in ["-o out.tar", "-C out", "--format cpio -o out.tar"] {
            let run = room.run(&format!("imgexport {out} app.tar"));
            assert!(run.code == Some(2) && run.stdout.is_empty(), "{run}");
            assert!(
                run.err().starts_with(&format!("imgexport: app.tar: {why}")),
                "{why}\n{run}"
            );
            assert_eq!(run.err().lines().count(), 1, "{run}");
            let left: Vec<_> = std::fs::read_dir(room.path(""))
                .expect("the room")
                .map(|entry| entry.expect("an entry").file_name())
                .collect();
            assert_eq!(left, ["app.tar"], "{run}");
        }
    }
    // Paths that a tar can hold and a file system cannot.
    for (bytes, why) in [
        (
            deep,
            format!(
                "{}: bytes of a name that is unpacked: limit exceeded: expected at most 255, found 300",
                "e".repeat(300)
            ),
        ),
        (
            long,
            "path in bytes: limit exceeded: expected at most 4096, found 6001".to_owned(),
        ),
    ] {
        let room = Room::with("app.tar", &build::docker(&[&raw(bytes)]));
        let run = room.run("imgexport -C out app.tar");
        run.code(2);
        let end = why
            .rsplit(": bytes of")
            .next()
            .expect("an end")
            .trim_start_matches('e');
        assert!(run.err().contains(end), "{run}");
        assert!(!room.path("out").exists());
        room.run("imgexport -o out.tar --limit path-length=8K app.tar")
            .ok("");
    }
    // Damage that is found when the layer is decoded.
    let mut files = build::oci(&[&image(&["f a text"]).packed(Pack::Gzip)]);
    let name = files.tar();
    drop(name);
    let room = Room::new();
    std::fs::create_dir(room.path("layout")).expect("a folder");
    files.put("x", b"".to_vec()).write_to(&room.path("layout"));
    for blob in std::fs::read_dir(room.path("layout/blobs/sha256")).expect("blobs") {
        let path = blob.expect("a blob").path();
        let mut bytes = std::fs::read(&path).expect("bytes");
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            std::fs::write(&path, bytes).expect("written");
        }
    }
    for out in ["-o out.tar", "-C out", "--format json"] {
        let run = room.run(&format!("imgexport {out} layout"));
        run.code(2)
            .complains("imgexport: layout: layer 1 of 1: blobs/sha256/");
        assert!(!room.path("out.tar").exists() && !room.path("out").exists());
    }
}

#[test]
fn listings_and_cpio() {
    let mut bytes = build::layer("d a | f a/one 1 | h b a/one | l c 'x#y'");
    bytes.truncate(bytes.len() - 1024);
    bytes.extend(entry(b'0', b"odd \xff\n", b"text", |_| ()));
    bytes.extend(entry(b'4', b"disk", b"", |header| {
        header.set_device_major(8).expect("a GNU header");
        header.set_device_minor(1).expect("a GNU header");
    }));
    bytes.extend([0; 1024]);
    let room = Room::with(
        "app.tar",
        &build::docker(&[&build::image("demo:1").layer_bytes(bytes)]),
    );
    room.run("imgexport --format mtree --digests app.tar").ok(concat!(
        "#mtree\n",
        "./a type=dir mode=0755 uid=0 gid=0 time=1704067200.000000000\n",
        "./a/one type=file mode=0644 uid=0 gid=0 time=1704067200.000000000 size=1 nlink=2 inode=2 sha256digest=6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b\n",
        "./b type=file mode=0644 uid=0 gid=0 time=1704067200.000000000 size=1 nlink=2 inode=2 sha256digest=6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b\n",
        "./c type=link mode=0644 uid=0 gid=0 time=1704067200.000000000 link='x\\043y'\n",
        "./disk type=block mode=0644 uid=0 gid=0 time=1.000000000 device=linux,8,1\n",
        "./odd\\040\\377\\012 type=file mode=0644 uid=0 gid=0 time=1.000000000 size=4 sha256digest=982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1\n",
    ));
    let run = room.run("imgexport --format json app.tar");
    let rows = run.json_lines();
    assert_eq!(rows[2]["HardLinkTo"], "a/one");
    assert_eq!(rows[4]["Device"], serde_json::json!([8, 1]));
    assert_eq!(rows[5]["PathBytes"], "b2RkIP8K");
    assert_eq!(
        (&rows[5]["Layer"], &rows[5]["Mode"]),
        (&1.into(), &"0644".into())
    );
    assert_eq!(rows[0]["ModTime"], "2024-01-01T00:00:00Z");

    let cpio = room.run("imgexport --format cpio app.tar").stdout;
    let mut at = 0;
    let mut seen = Vec::new();
    loop {
        let field = |n: usize| {
            let text = std::str::from_utf8(&cpio[at + 6 + n * 8..at + 14 + n * 8]).expect("digits");
            usize::from_str_radix(text, 16).expect("a number")
        };
        assert_eq!(&cpio[at..at + 6], b"070701");
        let (name_length, size) = (field(11), field(6));
        let name = String::from_utf8_lossy(&cpio[at + 110..at + 109 + name_length]).into_owned();
        let start = (at + 110 + name_length).next_multiple_of(4);
        seen.push((
            name,
            field(1),
            field(4),
            String::from_utf8_lossy(&cpio[start..start + size]).into_owned(),
        ));
        at = (start + size).next_multiple_of(4);
        if seen.last().is_some_and(|(name, ..)| name == "TRAILER!!!") {
            break;
        }
    }
    let seen: Vec<String> = seen
        .iter()
        .map(|(name, mode, links, text)| format!("{name} {mode:o} {links} {text}"))
        .collect();
    assert_eq!(
        seen,
        [
            "a 40755 2 ",
            "a/one 100644 2 ",
            "b 100644 2 1",
            "c 120644 1 'x#y'",
            "disk 60644 1 ",
            "odd \u{fffd}\n 100644 1 text",
            "TRAILER!!! 0 1 "
        ]
    );
    let size = cpio.len();
    room.run("imgexport --format cpio -o out app.tar").ok("");
    assert!(
        std::fs::read(room.path("out")).expect("out") == cpio,
        "{size}"
    );
}

#[test]
fn reproducible_times_and_config() {
    let bytes = [
        entry(b'0', b"early", b"", |header| header.set_mtime(5)),
        entry(b'0', b"late", b"", |header| header.set_mtime(2_000_000_000)),
        vec![0; 1024],
    ];
    let room = Room::with(
        "app.tar",
        &build::docker(&[&build::image("demo:1").layer_bytes(bytes.concat())]),
    );
    let times = |line: &str| -> Vec<u64> {
        let run = room.run(line);
        let mut archive = tar::Archive::new(&run.stdout[..]);
        let entries = archive.entries().expect("a tar");
        entries
            .map(|entry| entry.expect("an entry").header().mtime().expect("a time"))
            .collect()
    };
    assert_eq!(times("imgexport app.tar"), [5, 2_000_000_000]);
    assert_eq!(
        times("imgexport --reproducible app.tar"),
        [5, 1_704_240_000]
    );
    room.run("imgexport --config config.json -o out.tar app.tar")
        .ok("");
    let config = std::fs::read(room.path("config.json")).expect("a config");
    let raw = room.run("imginspect --raw config app.tar");
    assert_eq!(config, raw.stdout);
    room.run("imgexport --verify -o out.tar app.tar").ok("");
}

#[test]
fn usage_is_checked_first() {
    let room = Room::new();
    for (line, why) in [
        (
            "--digests x",
            "--digests requires --format list, mtree or json",
        ),
        ("--applied x", "--applied requires --layer or --since"),
    ] {
        room.run(&format!("imgexport {line}"))
            .fails(&format!("imgexport: {why}\n"));
    }
    for line in [
        "-o x -C y z",
        "--overwrite x",
        "--rootless x",
        "--record f x",
        "--format cpio -C y z",
        "--layer 1 --since a b",
    ] {
        room.run(&format!("imgexport {line}")).code(2);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_global_rejects: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Unpacked files, tars and a slow model give the same tree.
    #[test]
    fn exports_are_what_a_slow_model_says(layers in any_layers()) {
        let lines: Vec<&str> = layers.iter().map(String::as_str).collect();
        let mut map = BTreeMap::new();
        let mut inodes = 0;
        let mut good = true;
        for line in &lines {
            good &= model_layer(&mut map, line, &mut inodes);
        }
        prop_assume!(good);
        let room = Room::with("app.tar", &build::docker(&[&image(&lines)]));
        let tar = room.run("imgexport app.tar");
        prop_assert_eq!(tar.code, Some(0), "{}", tar);
        let names = |text: &str| -> Vec<String> {
            let items = text.split(" | ").filter(|item| !item.is_empty());
            items.map(|item| match item.split(' ').collect::<Vec<_>>()[..] {
                ["h", name, first] => format!("h {name}>{first}"),
                [kind, name, ..] => format!("{kind} {name}"),
                _ => panic!("{item}"),
            }).collect()
        };
        let expected = model_shown(&map).replace("i ", "d ");
        prop_assert_eq!(names(&told(&tar.stdout)).join(" "), expected);
        room.run("imgexport --rootless -q -C out app.tar").ok("");
        prop_assert_eq!(on_disk(&room.path("out")), told(&tar.stdout));
    }
}

/// No program listed the files of an image for people.
#[test]
fn list_is_a_listing_for_people() {
    let image = build::image("demo:1")
        .layer("d etc | f etc/passwd root | l etc/link passwd")
        .layer("f etc/new x | h etc/hard etc/passwd");
    let room = Room::with("app.tar", &build::docker(&[&image]));
    let run = room.run("imgexport --format list app.tar etc");
    let lines: Vec<String> = run
        .code(0)
        .out()
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(lines.len(), 5, "{run}");
    assert!(
        lines[0].starts_with("drwxr-xr-x 0:0 0 ") && lines[0].ends_with(" 1 /etc"),
        "{run}"
    );
    assert!(lines[1].ends_with(" 2 /etc/hard"), "{run}");
    assert!(
        lines[2].starts_with('l') && lines[2].ends_with(" 1 /etc/link -> passwd"),
        "{run}"
    );
    assert!(
        lines[4].starts_with("-rw-r--r-- 0:0 4 ")
            && lines[4].ends_with(" 1 /etc/passwd link to /etc/hard"),
        "{run}"
    );
    let digest = build::digest(b"root");
    room.run("imgexport --format list --digests app.tar etc/passwd")
        .code(0)
        .says(&digest);
}
