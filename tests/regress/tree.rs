//! Layers applied, imports and commits.

use std::io::Read;
use std::os::unix::fs::symlink;

use crate::common::build::{self, layer};
use crate::common::pack::Pack;
use crate::common::run::Room;

/// Gives a tar's first header another type.
fn retype(tar: &mut [u8], kind: u8) {
    tar[156] = kind;
    let bytes = tar[..148].iter().chain(&tar[156..512]);
    let sum: u32 = bytes.map(|byte| u32::from(*byte)).sum();
    tar[148..156].copy_from_slice(format!("{:06o}\0 ", sum + 256).as_bytes());
}

/// The entries of a tar, sorted: `d etc | f etc/a one | h etc/b>etc/a | l c etc/a`.
fn words(bytes: &[u8]) -> String {
    let mut archive = tar::Archive::new(bytes);
    let mut words = Vec::new();
    for entry in archive.entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let kind = entry.header().entry_type();
        let path = String::from_utf8(entry.path_bytes().into_owned()).expect("a name");
        let link = entry.link_name_bytes().unwrap_or_default().into_owned();
        let link = String::from_utf8(link).expect("a name");
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("text");
        let path = path.trim_end_matches('/');
        words.push(match kind {
            tar::EntryType::Directory => format!("d {path}"),
            tar::EntryType::Symlink => format!("l {path} {link}"),
            tar::EntryType::Link => format!("h {path}>{link}"),
            _ => format!("f {path} {text}"),
        });
    }
    words.sort();
    words.join(" | ")
}

fn image(layers: &[&str]) -> build::Image {
    let image = build::image("demo:1");
    layers.iter().fold(image, |image, line| image.layer(line))
}

/// Layers that write below a symbolic link or a file of a lower layer, or below a link of their own, were refused and
/// called damaged. The values are those of docker 20.10 with overlay2: docker load, create, export.
#[test]
fn a_parent_that_is_no_directory_is_as_docker_has_it() {
    for (layers, expected) in [
        (
            &["f usr/bin/a A | l bin usr/bin", "f bin/x X"][..],
            "d bin | d usr | d usr/bin | f bin/x X | f usr/bin/a A",
        ),
        (
            &["f usr/bin/a A | l bin /usr/bin", "w bin/a"],
            "d bin | d usr | d usr/bin | f usr/bin/a A",
        ),
        (
            &["f usr/bin/a A | l bin usr/bin", "o bin"],
            "d bin | d usr | d usr/bin | f usr/bin/a A",
        ),
        (
            &[
                "f usr/bin/a A | l bin usr/bin",
                "f usr/bin/y Y | l bin usr/bin | f bin/x X",
            ],
            "d usr | d usr/bin | f usr/bin/a A | f usr/bin/x X | f usr/bin/y Y | l bin usr/bin",
        ),
        (
            &[
                "f usr/bin/a A | l bin usr/bin",
                "f usr/bin/y Y | l bin usr/bin | w bin/a",
            ],
            "d usr | d usr/bin | f usr/bin/y Y | l bin usr/bin",
        ),
        (
            &["f usr/bin/a A | l bin usr/bin | f bin/x X"],
            "d usr | d usr/bin | f usr/bin/a A | f usr/bin/x X | l bin usr/bin",
        ),
        (
            &["f usr/bin/a A | l bin ../../../usr/bin | f bin/x X"],
            "d usr | d usr/bin | f usr/bin/a A | f usr/bin/x X | l bin ../../../usr/bin",
        ),
        (&["l etc ../../.. | f etc/x X"], "f x X | l etc ../../.."),
        (
            &["d t | l a t | l b a | l c b | f c/s/x X"],
            "d t | d t/s | f t/s/x X | l a t | l b a | l c b",
        ),
        (&["f q A", "f q/x X"], "d q | f q/x X"),
        (&["p q", "f q/x X"], "d q | f q/x X"),
        (
            &["f a/x X | l b a", "d a", "f b/y Y"],
            "d a | d b | f a/x X | f b/y Y",
        ),
        (
            &["d t | f t/f F | l a t | h a/g a/f"],
            "d t | f t/f F | h t/g>t/f | l a t",
        ),
        (
            &["d d1/d2 | l d1/l d2 | f d1/l/x X"],
            "d d1 | d d1/d2 | f d1/d2/x X | l d1/l d2",
        ),
    ] {
        for files in [
            build::docker(&[&image(layers)]),
            build::oci(&[&image(layers).packed(Pack::Gzip)]),
        ] {
            let room = Room::with("app.tar", &files);
            let run = room.run("imgexport app.tar");
            assert_eq!(words(&run.stdout), expected, "{layers:?} {run}");
            room.run("imgverify app.tar")
                .code(0)
                .says("[parent-not-directory]");
            // What is squashed is whole in itself.
            room.run("imgcommit -q --squash app.tar -o one.tar one:1")
                .code(0);
            let run = room.run("imgexport one.tar");
            assert_eq!(words(&run.stdout), expected, "{layers:?} {run}");
        }
    }
}

/// What docker refuses is refused, and nothing is written.
#[test]
fn a_link_that_leads_to_no_directory_is_refused() {
    for layers in [
        &["l bin nowhere | f bin/x X"][..],
        &["l bin nowhere | f bin/y/x X"],
        &["l a b | l b a | f a/x X"],
        &["f f F | l c f | f c/x X"],
        &["f q A | f q/x X"],
    ] {
        let room = Room::with("app.tar", &build::docker(&[&image(layers)]));
        room.run("imgexport -o out.tar app.tar").code(2);
        assert!(!room.path("out.tar").exists(), "{layers:?}");
        room.run("imgverify app.tar")
            .code(1)
            .says("[does-not-apply]");
        room.write("root.tar", &layer(layers[0]));
        room.run("imgimport -o out.tar root.tar").code(2);
    }
}

/// Nothing that a link leads to is outside the directory that is unpacked into.
#[test]
fn links_on_the_way_stay_inside_the_directory() {
    let line = "d in | l up ../../../.. | f up/escaped X | l abs / | f abs/in/too Y";
    let room = Room::with("app.tar", &build::docker(&[&image(&[line])]));
    std::fs::create_dir(room.path("deep")).expect("a directory");
    room.run("imgexport -q --rootless -C deep/out app.tar")
        .code(0);
    let read = |name: &str| std::fs::read_to_string(room.path(name)).expect("a file");
    assert_eq!(read("deep/out/escaped"), "X");
    assert_eq!(read("deep/out/in/too"), "Y");
    assert!(!room.path("escaped").exists() && !room.path("deep/escaped").exists());
    // The same archive as a root filesystem.
    room.write("root.tar", &layer(line));
    room.run("imgimport -q -o made.tar root.tar made:1").code(0);
    let run = room.run("imgexport made.tar");
    assert_eq!(
        words(&run.stdout),
        "d in | f escaped X | f in/too Y | l abs / | l up ../../../.."
    );
}

/// A hard link to a file that the same layer removes behind it led nowhere; podman and umoci give `y`.
#[test]
fn a_link_comes_before_the_whiteout_behind_it() {
    for (layers, expected) in [
        (&["f x X", "h y x | w x"][..], "f y X"),
        (&["f d/x X", "h y d/x | w d"], "f y X"),
        (&["f d/x X", "h y d/x | o d"], "d d | f y X"),
    ] {
        let room = Room::with("app.tar", &build::docker(&[&image(layers)]));
        let run = room.run("imgexport app.tar");
        assert_eq!(words(&run.stdout), expected, "{layers:?} {run}");
        room.run("imgverify app.tar").code(0);
    }
    // In the other order the file is gone when the link is made: they refuse it, too.
    let room = Room::with(
        "app.tar",
        &build::docker(&[&image(&["f x X", "w x | h y x"])]),
    );
    room.run("imgexport app.tar").code(2);
}

/// --exclude was accepted beside --squash and had no effect, so what was to be left out stayed.
#[test]
fn what_is_squashed_away_is_gone() {
    let layers = ["f a A | f d/secret S | f d/keep K", "f e E | h l e"];
    let room = Room::with("app.tar", &build::docker(&[&image(&layers)]));
    for (line, expected) in [
        (
            "--exclude d/secret",
            "d d | f a A | f d/keep K | f e E | h l>e",
        ),
        (
            "--exclude d --exclude '!d/keep'",
            "d d | f a A | f d/keep K | f e E | h l>e",
        ),
        ("--exclude d --exclude e", "f a A | f l E"),
        (
            "--from 2 --exclude e",
            "d d | f a A | f d/keep K | f d/secret S | f l E",
        ),
    ] {
        room.run(&format!(
            "imgcommit -q --squash app.tar {line} -o out.tar s:1"
        ))
        .code(0);
        let run = room.run("imgexport out.tar");
        assert_eq!(words(&run.stdout), expected, "{line}");
        let bytes = std::fs::read(room.path("out.tar")).expect("an archive");
        let has = |text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
        assert_eq!(has(b"d/secret"), line.starts_with("--from"), "{line}");
        room.run("imgverify out.tar").code(0);
    }
}

/// Files whose names begin `.wh.` became deletions of the image without a word.
#[test]
fn real_files_named_like_whiteouts_are_refused() {
    let room = Room::with(
        "base.tar",
        &build::docker(&[&image(&["d sbin | f sbin/init I"])]),
    );
    let why = ": unsupported: file name with the whiteout prefix '.wh.'\n";
    for (name, tar) in [
        (
            "sbin/.wh.init",
            "d sbin | f sbin/init I | f sbin/.wh.init data",
        ),
        (".wh.sbin", "d sbin | f sbin/init I | d .wh.sbin"),
        (".wh.sbin", "d sbin | l .wh.sbin x"),
        (".wh.d/f", "f .wh.d/f x"),
        (".wh.sbin", "d sbin | f .wh.sbin"),
    ] {
        room.write("root.tar", &layer(tar));
        room.run("imgimport -o out.tar root.tar x:1")
            .fails(&format!("imgimport: root.tar: {name}{why}"));
        room.run("imgcommit --base base.tar -o out.tar root.tar x:1")
            .fails(&format!("imgcommit: root.tar: {name}{why}"));
        room.write("root.tar.gz", &Pack::Gzip.pack(&layer(tar)));
        room.run("imgcommit --base base.tar -o out.tar root.tar.gz x:1")
            .fails(&format!("imgcommit: root.tar.gz: {name}{why}"));
        assert!(!room.path("out.tar").exists());
    }
    for kind in ["file", "directory", "link"] {
        let upper = room.path(kind);
        std::fs::create_dir_all(upper.join("sbin")).expect("a directory");
        let marker = upper.join("sbin/.wh.init");
        match kind {
            "file" => std::fs::write(&marker, "data").expect("a file"),
            "directory" => std::fs::create_dir(&marker).expect("a directory"),
            _ => symlink("x", &marker).expect("a link"),
        }
        room.run(&format!(
            "imgcommit --base base.tar --upper {kind} -o out.tar x:1"
        ))
        .fails(&format!("imgcommit: {kind}: sbin/.wh.init{why}"));
    }
    // An empty file is fuse-overlayfs' own marker.
    std::fs::create_dir_all(room.path("upper/sbin")).expect("a directory");
    std::fs::write(room.path("upper/sbin/.wh.init"), "").expect("a file");
    room.run("imgcommit -q --base base.tar --upper upper -o out.tar x:1")
        .code(0);
    let run = room.run("imgexport out.tar");
    assert_eq!(words(&run.stdout), "d sbin");
}

/// Entries of types that no engine unpacks (docker: "unhandled tar header type 68") were imported without a word.
#[test]
fn dump_directories_are_not_imported() {
    let room = Room::with("base.tar", &build::docker(&[&image(&["f a A"])]));
    for kind in [b'D', b'V', b'M'] {
        let mut tar = layer("d sub | f sub/a A");
        retype(&mut tar, kind);
        room.write("root.tar", &tar);
        let why = "root.tar: sub: an entry of a type that no engine unpacks, such as a dump directory of tar -g or a volume label\n";
        room.run("imgimport -o out.tar root.tar x:1")
            .fails(&format!("imgimport: {why}"));
        room.run("imgcommit --base base.tar -o out.tar root.tar x:1")
            .fails(&format!("imgcommit: {why}"));
        assert!(!room.path("out.tar").exists());
    }
}

/// Access control lists of GNU tar were lost by whatever wrote a tar, and nothing showed them; the mode alone gives the
/// group more than the list does.
#[test]
fn access_control_lists_in_words_are_kept() {
    let text = "user::rw-\nuser:1000:rw-\ngroup::r--\nmask::rw-\nother::r--\n";
    let mut record = format!("SCHILY.acl.access={text}\n");
    let length = record.len() + 3;
    record = format!("{length} {record}");
    assert_eq!(record.len(), length);
    // An extension header before the file, made of a file's.
    // The builder takes blanks at the end away.
    let mut tar = layer(&format!("f x {}..", record.trim_end()));
    tar.truncate(1024);
    tar[512..][record.len() - 2..record.len()].fill(b'\n');
    retype(&mut tar, b'x');
    tar.extend(layer("f shared S"));
    let image = build::image("demo:1").layer_bytes(tar.clone());
    let room = Room::with("app.tar", &build::docker(&[&image]));
    let holds = |bytes: &[u8]| {
        bytes
            .windows(record.len())
            .any(|part| part == record.as_bytes())
    };
    assert!(holds(&room.run("imgexport app.tar").stdout));
    room.run("imgcommit -q --squash app.tar -o one.tar one:1")
        .code(0);
    assert!(holds(
        &std::fs::read(room.path("one.tar")).expect("an archive")
    ));
    room.write("root.tar", &tar);
    room.run("imgimport -q -o made.tar root.tar made:1").code(0);
    assert!(holds(&room.run("imgexport made.tar").stdout));
    room.write(
        "base.tar",
        &build::docker(&[&build::image("base:1").layer("f a A")]).tar(),
    );
    room.run("imgcommit -q --base base.tar -o new.tar root.tar new:1")
        .code(0);
    assert!(holds(&room.run("imgexport new.tar").stdout));
    room.run("imgexport --format json app.tar")
        .says("SCHILY.acl.access");
    room.run("imgverify app.tar")
        .code(0)
        .says("1 entry with an access control list: shared [access-list]");
    // One that came or went is a difference.
    room.run("imgcommit -q --base app.tar -o gone.tar root.tar x:1")
        .code(0);
    room.write("bare.tar", &layer("f shared S"));
    let run = room.run("imgcommit --base app.tar --layer-out layer.tar bare.tar");
    run.code(0);
    let bytes = std::fs::read(room.path("layer.tar")).expect("a layer");
    assert_eq!(words(&bytes), "f shared S");
}

/// The earliest second was refused, though a header in base 256 could say it.
#[test]
fn the_earliest_time_is_read() {
    let mut tar = layer("f x 33 mtime=-9223372036854775808.0");
    tar.truncate(1024);
    let record = b"30 mtime=-9223372036854775808\n";
    assert_eq!(record.len(), 30);
    tar[512..].fill(0);
    tar[512..542].copy_from_slice(record);
    tar[124..136].copy_from_slice(b"00000000036\0");
    retype(&mut tar, b'x');
    tar.extend(layer("f old O"));
    let room = Room::new();
    room.write("root.tar", &tar);
    room.run("imgimport -q -o app.tar root.tar a:1").code(0);
    room.run("imgverify app.tar").code(0);
    room.run("imgexport -o out.tar app.tar").code(0);
}

/// Limits of paths could be raised and not lowered where layers are applied.
#[test]
fn limits_of_paths_can_be_lowered() {
    let room = Room::with("app.tar", &build::docker(&[&image(&["f a/b/c/d/e x"])]));
    room.run("imgexport --limit paths=3 -o out.tar app.tar")
        .code(2)
        .complains("limit exceeded");
    room.run("imgexport --limit path-length=5 -o out.tar app.tar")
        .code(2)
        .complains("limit exceeded");
    room.write("root.tar", &layer("f a x"));
    room.run("imgcommit --limit paths=3 --base app.tar -o out.tar root.tar x:1")
        .code(2)
        .complains("limit exceeded");
    room.run("imgdiff --limit paths=3 app.tar root.tar")
        .code(2)
        .complains("limit exceeded");
    assert!(!room.path("out.tar").exists());
    for limit in ["paths=6", "path-length=9"] {
        room.run(&format!("imgexport --limit {limit} -o out.tar app.tar"))
            .code(0);
    }
}

/// The name of an image was taken for the file, and said not to be found.
#[test]
fn a_name_before_the_file_is_told() {
    let room = Room::new();
    room.write("root.tar", &layer("f a A"));
    room.run("imgimport app:1 root.tar")
        .fails("imgimport: no such file 'app:1': the file comes first: imgimport root.tar app:1\n");
}

/// A cpio archive in the `newc` format of empty directories.
fn newc(names: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for (i, name) in names.iter().chain(&["TRAILER!!!"]).enumerate() {
        let is_trailer = *name == "TRAILER!!!";
        let mode = if is_trailer { 0 } else { 0o040_755 };
        let length = name.len() as u32 + 1;
        let fields = [i as u32 + 1, mode, 0, 0, 2, 0, 0, 0, 0, 0, 0, length, 0];
        out.extend(b"070701");
        for field in fields {
            out.extend(format!("{field:08x}").bytes());
        }
        out.extend(name.bytes());
        out.push(0);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    out
}

/// An initramfs with microcode before it, a compressed archive behind an uncompressed one, was called damaged, as were
/// archives in a row in several codecs. The Linux kernel takes all of them (initramfs buffer format).
#[test]
fn archives_of_an_initramfs_may_differ_in_compression() {
    let early = newc(&["kernel"]);
    let late = newc(&["late"]);
    let codecs = [Pack::Gzip, Pack::Zstd, Pack::Xz, Pack::Bzip2];
    for codec in codecs {
        for padding in [512, 8, 4] {
            let mut bytes = early.clone();
            bytes.resize(bytes.len().next_multiple_of(padding), 0);
            bytes.extend(codec.pack(&late));
            let room = Room::new();
            room.write("initrd", &bytes);
            room.run("imgimport -q -o out.tar initrd x:1").code(0);
            let run = room.run("imgexport out.tar");
            assert_eq!(words(&run.stdout), "d kernel | d late");
            room.command("imgimport -q -o piped.tar - x:1")
                .pipe(&bytes)
                .run()
                .code(0);
            let run = room.run("imgexport piped.tar");
            assert_eq!(words(&run.stdout), "d kernel | d late");
            // Compressed, uncompressed, and in the next codec.
            let mixed: Vec<u8> = [codec.pack(&newc(&["first"])), bytes.clone()]
                .into_iter()
                .chain(codecs.iter().map(|next| next.pack(&newc(&["last"]))))
                .flatten()
                .collect();
            room.write("mixed", &mixed);
            room.run("imgimport -q -o out.tar mixed x:1").code(0);
            let run = room.run("imgexport out.tar");
            assert_eq!(words(&run.stdout), "d first | d kernel | d last | d late");
            room.write("cut", &bytes[..bytes.len() - 5]);
            room.run("imgimport -q -o cut.tar cut x:1").code(2);
            bytes.extend(b"garbage");
            room.write("more", &bytes);
            room.run("imgimport -q -o cut.tar more x:1").code(2);
            assert!(!room.path("cut.tar").exists());
        }
    }
}

/// A layer with a dump directory of `tar -g` was applied as if that were not there: the directory had another owner and
/// mode, with status 0. docker: "unhandled tar header type 68"; podman and umoci refuse the layer, too. Volume labels and
/// the like make nothing.
#[test]
fn layers_with_dump_directories_are_refused() {
    let why = "a dump directory of tar -g, which no engine unpacks";
    let sound = build::docker(&[&image(&["f a A"])]).tar();
    for kind in [b'D', b'V', b'M', b'Z'] {
        let mut tar = layer("d sub | f sub/a A");
        retype(&mut tar, kind);
        for files in [
            build::docker(&[&build::image("x:1").layer_bytes(tar.clone())]),
            build::oci(&[&build::image("x:1")
                .layer_bytes(tar.clone())
                .packed(Pack::Gzip)]),
        ] {
            let room = Room::with("app.tar", &files);
            room.write("sound.tar", &sound);
            if kind != b'D' {
                let run = room.run("imgexport --format mtree app.tar");
                run.code(0).says("./sub/a ");
                room.run("imgverify app.tar").code(0).says("[unknown-type]");
                continue;
            }
            let place = format!("app.tar: layer 1 of 1: sub: {why}\n");
            for line in [
                "imgexport -o out.tar app.tar",
                "imgexport --rootless -C out app.tar",
                "imgdiff app.tar sound.tar",
                "imgdiff --cache cache sound.tar app.tar",
                "imgdiff --cache cache sound.tar app.tar",
                "imgcommit --squash app.tar -o out.tar y:1",
                "imgcommit --base app.tar -o out.tar sound.tar y:1",
            ] {
                room.run(line).code(2).complains(why);
                assert!(
                    !room.path("out.tar").exists() && !room.path("out").exists(),
                    "{line}"
                );
            }
            room.run("imgexport -o out.tar app.tar")
                .fails(&format!("imgexport: {place}"));
            room.run("imgverify app.tar")
                .code(1)
                .says("[does-not-apply]");
            room.run("imgload --store store app.tar")
                .code(0)
                .complains(why);
            room.run("imgload --store other --check app.tar")
                .code(2)
                .complains(why);
        }
    }
}

/// Times of a directory were compared in whole seconds: a file with the very time of its entry was told as changed, and a
/// change of less than a second was not seen.
#[test]
fn directories_are_compared_in_nanoseconds() {
    let mut tar = layer("f x X");
    let record = b"30 mtime=1600000000.123456789\n";
    assert_eq!(record.len(), 30);
    // An extension header, made of a file's.
    let mut extension = layer("f x 012345678901234567890123456789");
    extension.truncate(1024);
    extension[156] = b'x';
    extension[512..542].copy_from_slice(record);
    let sum: u32 = extension[..148]
        .iter()
        .chain(&extension[156..512])
        .map(|byte| u32::from(*byte))
        .sum();
    extension[148..156].copy_from_slice(format!("{:06o}\0 ", sum + 256).as_bytes());
    extension.append(&mut tar);
    let app = build::image("x:1").layer_bytes(extension);
    let room = Room::with("app.tar", &build::docker(&[&app]));
    room.run("imgexport -q --rootless -C tree app.tar").code(0);
    let run = room.run("imgdiff --fields mtime app.tar tree");
    assert!(!run.out().contains("C /x"), "{run}");
    let file = std::fs::File::options()
        .write(true)
        .open(room.path("tree/x"))
        .expect("a file");
    let time = std::time::UNIX_EPOCH + std::time::Duration::new(1_600_000_000, 123_456_790);
    file.set_modified(time).expect("a time");
    room.run("imgdiff --fields mtime app.tar tree")
        .code(1)
        .says("C /x\tmtime 2020-09-13T12:26:40.123456789Z -> 2020-09-13T12:26:40.12345679Z");
    // Layers have whole seconds, as docker writes them.
    room.run("imgimport -q -o one.tar tree y:1").code(0);
    room.run("imgdiff --fields mtime one.tar tree")
        .code(1)
        .says("C /x\tmtime 2020-09-13T12:26:40Z -> ");
}

/// What imgexport unpacks without root, imgcommit and imgimport could not read: directories and files that their owner
/// may not read. umoci opens them for the time being, and gives them their modes back.
#[test]
fn what_its_owner_may_not_read_is_read() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    use std::os::unix::process::CommandExt;
    let room = Room::with(
        "app.tar",
        &build::docker(&[&image(&["d shut/in | f shut/in/x X | f y Y"])]),
    );
    // Root may read everything: the programs run as somebody else then, who can reach them in the room alone.
    let is_root = rustix::process::geteuid().is_root();
    let run_as_owner = |line: &str| {
        let mut words = line.split(' ');
        let name = words.next().expect("a program");
        let program = room.path(name);
        if !program.exists() {
            std::fs::copy(crate::common::run::program(name), &program).expect("a copy");
        }
        let mut command = std::process::Command::new(program);
        crate::common::run::clean(&mut command, &room.path(""));
        command.args(words);
        if is_root {
            command.uid(65534).gid(65534);
        }
        let output = command.output().expect("a run");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {said}");
    };
    if is_root {
        chown(room.path(""), Some(65534), Some(65534)).expect("another owner");
    }
    run_as_owner("imgexport -q --rootless -C tree app.tar");
    let set = |name: &str, mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(room.path(name), mode).expect("a mode");
    };
    std::fs::write(room.path("tree/shut/new"), "N").expect("a file");
    if is_root {
        chown(room.path("tree/shut/new"), Some(65534), Some(65534)).expect("another owner");
    }
    std::fs::hard_link(room.path("tree/y"), room.path("tree/z")).expect("a link");
    for (name, mode) in [
        ("tree/shut/in/x", 0o000),
        ("tree/shut/in", 0o100),
        ("tree/shut", 0),
        ("tree/y", 0o222),
    ] {
        set(name, mode);
    }
    for line in [
        "imgimport -q -o out.tar tree x:1",
        "imgcommit -q --base app.tar --base-owners -o out.tar tree x:1",
    ] {
        run_as_owner(line);
        let run = room.run("imgexport --format mtree out.tar");
        for row in [
            "./shut type=dir mode=0000",
            "./shut/in type=dir mode=0100",
            "./y type=file mode=0222",
            "./z type=file mode=0222",
        ] {
            let (path, rest) = row.split_once(' ').expect("words");
            let line = run
                .out()
                .lines()
                .find(|line| line.starts_with(&format!("{path} ")));
            let line = line.unwrap_or_else(|| panic!("{path}: {run}"));
            for word in rest.split(' ') {
                assert!(line.contains(word), "{line}: {word}");
            }
        }
        let run = room.run("imgexport out.tar");
        assert!(
            words(&run.stdout).contains("f shut/in/x X | f shut/new N"),
            "{run}"
        );
    }
    let mode = |name: &str| {
        let metadata = std::fs::symlink_metadata(room.path(name)).expect("it");
        metadata.mode() & 0o7777
    };
    assert_eq!((mode("tree/y"), mode("tree/shut")), (0o222, 0));
    set("tree/shut", 0o700);
    assert_eq!(mode("tree/shut/in"), 0o100);
    set("tree/shut/in", 0o700);
    assert_eq!(mode("tree/shut/in/x"), 0);
}

/// docker history -H=false has the date in the column of ages, too, and docker images has the format `raw`. The blocks
/// of a template were not checked: what stood behind an `end` too many was left out, with status 0.
#[test]
fn formats_of_listings_are_dockers() {
    let app = image(&["f a A"]);
    let room = Room::with("app.tar", &build::docker(&[&app]));
    room.run("imghistory -H=false --format {{.CreatedSince}} app.tar")
        .ok("2024-01-01T00:00:00Z\n");
    let rows = room
        .run("imghistory -H=false --format json app.tar")
        .json_lines();
    assert_eq!(rows[0]["CreatedSince"], "2024-01-01T00:00:00Z");
    let (short, created) = (app.short(), "created_at: 2024-01-01 00:00:00 +0000 UTC");
    room.run("imgls --format raw app.tar").ok(&format!(
        "repository: demo\ntag: 1\nimage_id: {short}\n{created}\nvirtual_size: 1B\n\n"
    ));
    room.run("imgls -q --format raw app.tar")
        .ok(&format!("image_id: {short}\n"));
    for line in [
        "imgls --store none --format {{end}}",
        "imgls --format {{.ID}}{{end}}x app.tar",
        "imghistory --format {{if.ID}}x app.tar",
        "imginspect --format {{else}} app.tar",
        "imgdf --store none --format {{end}}",
    ] {
        room.run(line).code(2).complains("unexpected");
    }
}

/// Maps of the config and the health check are shown in docker's order: the one by its keys, the other by its fields.
#[test]
fn imginspect_orders_what_docker_orders() {
    let config = serde_json::json!({
        "Labels": {"z": "1", "a.b": "2"}, "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
        "Healthcheck": {"Retries": 3, "Interval": 1, "Timeout": 0, "Test": ["NONE"]}
    });
    let app = image(&["f a A"]).set("config", config);
    let room = Room::with("app.tar", &build::docker(&[&app]));
    let run = room.run("imginspect app.tar");
    let order = [
        "53/udp",
        "80/tcp",
        "\"Test\"",
        "\"Interval\"",
        "\"Retries\"",
        "a.b",
        "\"z\"",
    ];
    let at: Vec<usize> = order
        .iter()
        .map(|text| run.out().find(text).expect(text))
        .collect();
    assert!(at.is_sorted(), "{run}");
    assert!(!run.out().contains("Timeout"), "{run}");
}

/// Only the descriptor in an index stated the variant, as of images that were built without one, and no platform was
/// found by it; skopeo and containerd go by the descriptor.
#[test]
fn a_variant_that_only_the_index_states_counts() {
    let v6 = build::image("x:1").layer("f six 6").platform("linux/arm");
    let v7 = build::image("x:1").layer("f seven 7").platform("linux/arm");
    let mut files = build::multi("x:1", &[&v6, &v7], &[]);
    let name = files
        .names()
        .into_iter()
        .find(|name| {
            name.starts_with("blobs/")
                && String::from_utf8_lossy(files.get(name)).contains("\"manifests\"")
        })
        .expect("an index");
    let mut index: serde_json::Value = serde_json::from_slice(files.get(&name)).expect("JSON");
    for (manifest, variant) in index["manifests"]
        .as_array_mut()
        .expect("a list")
        .iter_mut()
        .zip(["v6", "v7"])
    {
        manifest["platform"]["variant"] = variant.into();
    }
    let old = build::digest(files.get(&name));
    let bytes = serde_json::to_vec(&index).expect("JSON");
    files.remove(&name);
    files.blob(&bytes);
    files.edit("index.json", |value| {
        for manifest in value["manifests"].as_array_mut().expect("a list") {
            if manifest["digest"] == old.as_str() {
                manifest["digest"] = build::digest(&bytes).into();
                manifest["size"] = bytes.len().into();
            }
        }
    });
    let room = Room::with("app.tar", &files);
    for (platform, expected) in [("linux/arm/v7", "f seven 7"), ("linux/arm/v6", "f six 6")] {
        let run = room.run(&format!("imgexport --platform {platform} app.tar"));
        assert_eq!(words(&run.stdout), expected, "{run}");
    }
}

/// imgimport and imgcommit named the digest of the manifest that a name moved from; docker and imgload name the ID of the
/// image. imgtag dropped the signatures of a `dir:` without a word.
#[test]
fn names_move_from_image_ids_and_signatures_are_not_dropped_silently() {
    let first = image(&["f a A"]);
    let room = Room::with("app.tar", &build::docker(&[&first]));
    room.run("imgload --store store app.tar").code(0);
    room.write("root.tar", &layer("f b B"));
    room.run("imgimport --store store root.tar demo:1")
        .code(0)
        .complains(&format!("moved from {}", first.id()));
    let mut files = build::dir(&first);
    files.add("signature-1", "s");
    files.write_to(&room.path("signed"));
    room.run("imgtag --store store dir:signed signed:1")
        .code(0)
        .complains("signature-1: ");
}

/// The numbers of dive, which counts nothing for the removal of a directory that the last layer with it has no entry for.
#[test]
fn dives_efficiency_knows_directories_by_their_entries() {
    for (first, second, expected) in [
        (
            "f etc/nginx/nginx.conf 12345678 | f x 12345",
            "f x 54321 | f z 12",
            15.0 / 20.0,
        ),
        (
            "d etc/nginx | f etc/nginx/nginx.conf 12345678 | f x 12345",
            "f x 54321 | f z 12",
            23.0 / 28.0,
        ),
        (
            "d etc/nginx | f etc/nginx/nginx.conf 12345678 | f x 12345",
            "f x 54321 | f etc/nginx/z 12",
            15.0 / 20.0,
        ),
    ] {
        let app = image(&[first, second, "w etc/nginx"]);
        let room = Room::with("app.tar", &build::docker(&[&app]));
        let rows = room
            .run("imgdiff --waste --format json app.tar")
            .json_lines();
        let last = rows.last().expect("a summary");
        let found = last["DiveEfficiency"].as_f64().expect("a number");
        assert!((found - expected).abs() < 1e-9, "{first}: {last}");
    }
}

/// imgcommit's layer was not compressed, whatever the base's layers are; umoci takes the codec of the layer below.
#[test]
fn a_new_layer_is_compressed_as_the_one_below() {
    for (pack, end) in [
        (Pack::Plain, ".tar"),
        (Pack::Gzip, "+gzip"),
        (Pack::Zstd, "+zstd"),
    ] {
        let base = image(&["f a A"]).packed(pack);
        let room = Room::with("base.tar", &build::oci(&[&base]));
        room.write("root.tar", &layer("f a A | f b B"));
        let type_of = |line: &str| {
            room.run(line).code(0);
            let manifest = room.run("imginspect --raw manifest out.tar").json();
            let media_type = manifest["layers"][1]["mediaType"].as_str();
            media_type.expect("a media type").to_owned()
        };
        let follows = type_of("imgcommit -q --base base.tar -o out.tar root.tar x:1");
        assert!(follows.ends_with(end), "{follows}");
        let plain =
            type_of("imgcommit -q --compression none --base base.tar -o out.tar root.tar x:1");
        assert!(plain.ends_with(".tar"), "{plain}");
        room.run("imgverify out.tar").code(0);
        // A layer alone is a tar.
        room.run("imgcommit -q --base base.tar --layer-out l.tar root.tar")
            .code(0);
        let bytes = std::fs::read(room.path("l.tar")).expect("a file");
        assert_eq!(words(&bytes), "f b B");
    }
}
