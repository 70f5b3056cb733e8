//! imgfind's words about contents. On real trees, git, file and readelf are asked in tests/cross/facts.py.

use crate::common::build::{self, Image};
use crate::common::pack::Pack;
use crate::common::run::Room;

/// Libraries that gcc made, what later layers did to them, and texts.
fn image(pack: Pack) -> Image {
    let libraries = std::fs::read("testdata/elf/tree.tar").expect("a tar");
    build::image("demo:1")
        .layer_bytes(libraries)
        .packed(pack)
        .layer("d b | f b/run #!/bin/sh\n | f b/key -----BEGIN PRIVATE KEY-----\n | f b/empty  | z b/zeros 9 | w usr/bin/prog | f opt/lib/libfake.so.1 gone")
        .packed(pack)
        .layer("f b/copy #!/bin/sh\n | h b/hard b/copy | l b/link run | w b/key")
        .packed(pack)
}

#[test]
fn contents_are_tested_in_all_forms_of_storage() {
    for pack in [Pack::Plain, Pack::Gzip, Pack::Zstd] {
        let room = Room::with("app.tar", &build::oci(&[&image(pack)]));
        for cache in ["", "--cache=cache", "--cache=cache"] {
            let run = |words: &str| room.run(&format!("imgfind {cache} app.tar {words}"));
            run("-text -path /b/*")
                .ok("b/copy\nb/hard\nb/key\tlayer 2, removed by 3: COPY layer 3 /\nb/run\n");
            run("-path /b/* -not -text -type f").ok("b/empty\nb/zeros\n");
            run("-magic script").ok("b/copy\nb/hard\nb/run\n");
            run("-magic pem").ok("b/key\tlayer 2, removed by 3: COPY layer 3 /\n");
            run("-interp /lib64/ld-linux*")
                .ok("usr/bin/prog\tlayer 1, removed by 2: COPY layer 2 /\n");
            run("-soname libopens* -o -interp * -needed libfake.so.1").ok(
                "usr/bin/prog\tlayer 1, removed by 2: COPY layer 2 /\nusr/lib/x86_64-linux-gnu/libopens.so.2\n",
            );
            run("-elf -path /opt/*")
                .ok("opt/lib/libfake.so.1\tlayer 1, replaced by 2: COPY layer 2 /\n");
            run("-build-id 00000000").code(1);
        }
    }
}

#[test]
fn what_is_tested_is_searched_as_well() {
    for pack in [Pack::Plain, Pack::Gzip] {
        let room = Room::with("app.tar", &build::oci(&[&image(pack)]));
        room.run("imgfind -n -e bin/sh app.tar -magic script")
            .ok("b/copy:1:#!/bin/sh\nb/hard:1:#!/bin/sh\nb/run:1:#!/bin/sh\n");
        room.run("imgfind -l -a -e libfake app.tar -interp * -needed libfake.so.1")
            .ok("usr/bin/prog\tlayer 1, removed by 2: COPY layer 2 /\n");
        room.run("imgfind -c -a -e libfake app.tar -elf -name libfake.so.1.2")
            .ok("usr/lib/x86_64-linux-gnu/libfake.so.1.2:1\n");
    }
}

#[test]
fn flow_words_act_on_what_contents_say() {
    let room = Room::with("app.tar", &build::oci(&[&image(Pack::Gzip)]));
    room.run("imgfind --scope final app.tar -path /usr -prune -o -text -print -quit")
        .ok("b/copy\n");
    room.run("imgfind --scope final app.tar -path /b -prune -o -magic script")
        .ok("b\n");
    // The first file that is text ends the search, not the first one that is asked about.
    room.run("imgfind --scope final app.tar -path /b/* -type f -print -magic pem -quit")
        .ok("b/copy\nb/empty\nb/hard\nb/run\nb/zeros\n");
}

#[test]
fn contents_that_cannot_be_read_are_told() {
    let mut files = build::oci(&[&image(Pack::Gzip)]);
    let blobs = image(Pack::Gzip).blobs();
    let second = blobs.get(blobs.len() - 2).expect("a layer");
    let name = build::blob_name(&build::digest(second));
    let half = second.len() / 2;
    files.bytes(&name)[half] ^= 0x55;
    let room = Room::with("app.tar", &files);
    let output = room.run("imgfind app.tar -magic script");
    output.code(2);
    assert_eq!(output.out(), "b/copy\nb/hard\n", "{output}");
    assert!(
        output.err().starts_with("imgfind: app.tar: layer 2 of 3: "),
        "{output}"
    );
}

#[test]
fn invalid_words_about_contents_are_refused() {
    let room = Room::with("app.tar", &build::docker(&[&image(Pack::Plain)]));
    room.run("imgfind app.tar -magic exe")
        .code(2)
        .complains("-magic: invalid kind 'exe': expected one of ar, bzip2, class, elf,");
    room.run("imgfind app.tar -build-id abc").fails(
        "imgfind: -build-id: invalid build ID 'abc': expected at least 8 hexadecimal digits\n",
    );
    room.run("imgfind app.tar -needed")
        .fails("imgfind: -needed: missing argument\n");
}

/// An image of Debian whose layers change files of packages, install one and remove one.
fn debian(pack: Pack) -> Image {
    // Digests by md5sum(1).
    let status = "Package: a\nStatus: install ok installed\nConffiles:\n /etc/a acbd18db4cc2f85cedef654fccc4a4d8\n";
    let sums =
        "37b51d194a7513e45b56f6524f2d51f2  bin/a\n73feffa4b7f6bb68e44cf984c85f6e88  usr/share/a\n";
    let info = "var/lib/dpkg/info";
    build::image("demo:1")
        .layer(&format!(
            "d usr/bin | l bin usr/bin | f usr/bin/a bar | f usr/share/a baz | f etc/a foo | f etc/own x | f var/lib/dpkg/status {status} \
             | f {info}/a:amd64.list /.\n/bin\n/bin/a\n/etc\n/etc/a\n/usr/share/a\n | f {info}/a:amd64.md5sums {sums}"
        ))
        .packed(pack)
        .layer("f usr/share/a changed | f usr/bin/b b")
        .packed(pack)
        .layer(&format!("f {info}/b.list /usr/bin/b\n | f etc/a changed"))
        .packed(pack)
        .layer(&format!("w usr/bin/b | w {info}/b.list | f usr/share/a baz"))
        .packed(pack)
}

#[test]
fn packages_own_files_as_of_their_layers() {
    for pack in [Pack::Plain, Pack::Gzip] {
        let room = Room::with("app.tar", &build::oci(&[&debian(pack)]));
        for cache in ["", "--cache=cache", "--cache=cache"] {
            let run = |words: &str| room.run(&format!("imgfind {cache} app.tar {words}"));
            run("-package a").ok("bin\netc\netc/a\tlayer 1, replaced by 3: COPY layer 3 /\netc/a\nusr/bin/a\n\
                 usr/share/a\tlayer 1, replaced by 2: COPY layer 2 /\nusr/share/a\tlayer 2, replaced by 4: COPY layer 4 /\nusr/share/a\n");
            // The list came with the layer after the file, and went with it.
            run("-package b").code(1);
            run("-unowned -type f -not -path /var/*")
                .ok("etc/own\nusr/bin/b\tlayer 2, removed by 4: COPY layer 4 /\n");
            run("-altered").ok("etc/a\nusr/share/a\tlayer 2, replaced by 4: COPY layer 4 /\n");
            run("-package [ab] -not -altered -type f -state final").ok("usr/bin/a\nusr/share/a\n");
        }
    }
}

#[test]
fn damaged_lists_of_packages_are_told() {
    let image = build::image("demo:1")
        .layer("f var/lib/rpm/rpmdb.sqlite x | f lib/apk/db/installed P:a\nF:etc\nR:a\nZ:Q1x\n | f etc/a a | f etc/b b");
    let room = Room::with("app.tar", &build::docker(&[&image]));
    let output = room.run("imgfind app.tar -path /etc/* -unowned");
    assert_eq!(output.code(2).out(), "etc/b\n", "{output}");
    output.complains("imgfind: app.tar: var/lib/rpm/rpmdb.sqlite: ");
}

#[test]
fn files_of_hash_sets_are_found() {
    for pack in [Pack::Plain, Pack::Gzip] {
        let image = build::image("demo:1")
            .layer("f a abc | f b other | f empty  | f c gone")
            .packed(pack)
            .layer("w a | h hard b | f d abc")
            .packed(pack);
        let room = Room::with("app.tar", &build::oci(&[&image]));
        let run = |list: &str, words: &str| {
            room.write("list", list.as_bytes());
            room.run(&format!("imgfind app.tar {words}"))
        };
        let abc = "a\tlayer 1, removed by 2: COPY layer 2 /\nd\n";
        // Digests by md5sum(1), sha1sum(1) and sha256sum(1).
        for digest in [
            "900150983cd24fb0d6963f7d28e17f72",
            "A9993E364706816ABA3E25717850C26C9CD0D89D  x",
            "SHA256 (x) = ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ] {
            run(digest, "-hashset list").ok(abc);
        }
        let sets = "d41d8cd98f00b204e9800998ecf8427e\n795f3202b17cb6bc3d4b771d8c6c9eaf\n";
        run(sets, "-hashset list").ok("b\nhard\n");
        run(sets, "-type f -not -hashset list -path /[a-c]*")
            .ok("a\tlayer 1, removed by 2: COPY layer 2 /\nc\n");
        run("x", "-hashset list")
            .fails("imgfind: -hashset: list: line 1: set of digests: expected lines with MD5, SHA-1 or SHA-256 digests, found another line\n");
        run("SQLite format 3\0", "-hashset list").fails(
            "imgfind: -hashset: list: unsupported: a set of digests in SQLite\n\
             hint: sqlite3 FILE 'SELECT sha256 FROM FILE' >LIST writes those of NSRL as a list\n",
        );
        run("PK\x03\x04", "-hashset list").fails(
            "imgfind: -hashset: list: unsupported: a set of digests in zip\n\
             hint: unzip -p FILE >LIST writes what is in it\n",
        );
        run("", "-hashset gone")
            .fails("imgfind: -hashset: gone: cannot read: no such file or directory\n");
    }
    let image = build::image("demo:1").layer("f a abc");
    let room = Room::with("app.tar", &build::docker(&[&image]));
    let list = b"900150983cd24fb0d6963f7d28e17f72\n";
    room.command("imgfind app.tar -hashset -")
        .pipe(list)
        .run()
        .ok("a\n");
    let both = room.command("imgfind - -hashset -").pipe(list).run();
    both.fails("imgfind: cannot read two inputs from standard input\n");
}

/// Damage that reading would meet shows that nothing is read.
#[test]
fn facts_in_the_cache_are_not_read_again() {
    let image = image(Pack::Gzip);
    let mut files = build::oci(&[&image]);
    let room = Room::with("app.tar", &files);
    let list = "900150983cd24fb0d6963f7d28e17f72";
    room.write("list", list.as_bytes());
    let lines = [
        "-text -path /b/*",
        "-needed libfake.so.1",
        "-build-id 0000000000 -o -magic script",
        "-hashset list",
        "-type f -not -hashset list -path /b/*",
    ];
    let line = |words: &str| format!("imgfind --cache=cache app.tar {words}");
    let first: Vec<_> = lines.iter().map(|words| room.run(&line(words))).collect();
    let of_cache = || {
        let all = std::fs::read_dir(room.path("cache")).expect("a directory");
        let all = all.map(|entry| entry.expect("an entry").path());
        all.filter(|path| path.extension().is_some_and(|suffix| suffix == "facts"))
            .collect::<Vec<_>>()
    };
    assert_eq!(of_cache().len(), 3);
    let sound = files.tar();
    for blob in image.blobs() {
        if blob.starts_with(b"\x1f\x8b") {
            let name = build::blob_name(&build::digest(&blob));
            files.bytes(&name)[10..].fill(0xff);
        }
    }
    room.write("app.tar", &files.tar());
    for (words, first) in lines.iter().zip(&first) {
        let status = i32::from(first.out().is_empty());
        room.run(&line(words)).is(status, first.out(), "");
    }
    // Facts that are not there yet are read.
    room.run(&line("-magic script -altered")).code(2);
    room.write("app.tar", &sound);
    for path in of_cache() {
        let mut bytes = std::fs::read(&path).expect("facts");
        let last = bytes.len() - 3;
        bytes[last] ^= 1;
        std::fs::write(&path, bytes).expect("facts");
    }
    for (words, first) in lines.iter().zip(&first) {
        let status = i32::from(first.out().is_empty());
        room.run(&line(words)).is(status, first.out(), "");
    }
}
