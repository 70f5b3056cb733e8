//! Archives in volumes: written, joined by other tools, read with pieces missing, and repaired.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::common::build::{self, Image};
use crate::common::run::{Output, Room};

fn image_of(name: &str, lengths: &[usize]) -> Image {
    let layers = lengths.iter().zip(1..);
    layers.fold(build::image(name), |image, (length, seed)| {
        image.layer_bytes(build::noise_layer(*length, seed))
    })
}

/// Two images, of 4.6 MB in all, and the archive of them.
fn room() -> Room {
    let one = image_of("demo:1", &[300_000, 2_500_000, 700_000]);
    let two = image_of("demo:2", &[300_000, 1_100_000]);
    let room = Room::with("in.tar", &build::oci(&[&one, &two]));
    room.run("imgsave -o whole.tar in.tar").ok("");
    room
}

fn shell(room: &Room, script: &str) -> Output {
    let output = Command::new("sh")
        .args(["-c", script])
        .current_dir(room.path("."))
        .output()
        .expect("a shell");
    assert!(
        output.status.success(),
        "{script}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    room.run("imgls --version")
}

/// Names of the volumes, without their tables.
fn volumes(room: &Room, base: &str) -> Vec<String> {
    let entries = std::fs::read_dir(room.path(".")).expect("a directory");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let names = names.map(|name| name.into_string().expect("a name"));
    let names: BTreeSet<String> = names
        .filter(|name| name.starts_with(&format!("{base}.")) && !name.ends_with(".sha256"))
        .collect();
    names.into_iter().collect()
}

fn length(room: &Room, name: &str) -> u64 {
    std::fs::metadata(room.path(name)).expect("a file").len()
}

/// Inverts bytes of a file.
fn damage(room: &Room, name: &str, from: usize, count: usize) {
    let mut bytes = std::fs::read(room.path(name)).expect("a volume");
    let end = (from + count).min(bytes.len());
    for byte in &mut bytes[from..end] {
        *byte = !*byte;
    }
    room.write(name, &bytes);
}

/// Checks that a set reads as the whole archive does.
#[track_caller]
fn reads_as_whole(room: &Room, volume: &str) {
    room.run(&format!("imgsave -o again.tar {volume}")).ok("");
    let again = std::fs::read(room.path("again.tar")).expect("an archive");
    let whole = std::fs::read(room.path("whole.tar")).expect("an archive");
    assert!(again == whole, "{volume} has other images");
}

#[test]
fn other_tools_check_and_join_volumes() {
    let room = room();
    for (name, options) in [
        ("a.tar", ""),
        ("b.tar", "--equal"),
        ("c.tar", "--parity 10%"),
    ] {
        room.run(&format!("imgsave --split 1M {options} -o {name} in.tar"))
            .ok("");
        shell(&room, &format!("sha256sum -c {name}.*.sha256"));
        let joined = format!("cat {name}.[0-9][0-9][0-9] | cmp - whole.tar");
        shell(&room, &joined);
        for volume in volumes(&room, name) {
            assert!(length(&room, &volume) <= 1 << 20, "{volume}");
        }
        reads_as_whole(&room, &format!("{name}.003"));
    }
    // Without parity, volumes of one size but the last.
    let lengths: BTreeSet<u64> = volumes(&room, "b.tar")
        .iter()
        .map(|name| length(&room, name))
        .collect();
    assert!(lengths.len() <= 2, "{lengths:?}");
    // The first comment states the position.
    let table = std::fs::read_to_string(room.path("a.tar.002.sha256")).expect("a table");
    let offset = length(&room, "a.tar.001");
    assert!(
        table.contains(&format!(" number=2 offset={offset} size=")),
        "{table}"
    );
}

#[test]
fn any_program_takes_any_volume_or_the_directory() {
    let room = room();
    std::fs::create_dir(room.path("set")).expect("a directory");
    room.run("imgsave --split 1M -o set/s.tar in.tar").ok("");
    let listed = room.run("imgls --format '{{.Repository}}:{{.Tag}} {{.ID}}' whole.tar");
    for input in ["set/s.tar.001", "set/s.tar.004", "set"] {
        room.run(&format!(
            "imgls --format '{{{{.Repository}}}}:{{{{.Tag}}}} {{{{.ID}}}}' {input}"
        ))
        .ok(listed.out());
        room.run(&format!("imgverify -q {input}")).ok("");
    }
    room.run("imginspect --format '{{.Os}}' set/s.tar.002:demo:2")
        .ok("linux\n");
    room.run("imgload -q set")
        .ok("Loaded image: demo:1\nLoaded image: demo:2\n");
}

#[test]
fn the_first_volume_lists_the_images_by_itself() {
    let room = room();
    room.run("imgsave --split 1M -o s.tar in.tar").ok("");
    std::fs::create_dir(room.path("disc")).expect("a directory");
    shell(&room, "cp s.tar.001 s.tar.001.sha256 disc");
    let note = "disc/s.tar.001: volume 2 is missing\n";
    room.run("imgls --format '{{.Repository}}:{{.Tag}}' disc/s.tar.001")
        .is(0, "demo:1\ndemo:2\n", &format!("imgls: {note}"));
    room.run("imginspect --format '{{.Os}}' disc/s.tar.001:demo:2")
        .complains(&format!("imginspect: {note}"));
    room.run("imgverify disc/s.tar.001")
        .code(1)
        .complains(&format!("imgverify: {note}"));
    room.run("imgverify -q disc/s.tar.001").is(1, "", "");
    room.run("imgload disc/s.tar.001")
        .code(2)
        .complains("volume 2 is missing");
    shell(&room, "cp s.tar.005 s.tar.005.sha256 disc");
    room.run("imgload disc/s.tar.001")
        .fails("imgload: disc/s.tar.001: volumes 2, 3 and 4 of 5 are missing\n");
    assert!(!room.path("store/index.json").exists());
}

/// Each of them was reported as not an image archive, or as a path that does not exist.
#[test]
fn a_directory_without_the_first_volume_is_a_set_with_a_missing_volume() {
    let room = room();
    let make = "mkdir a b && cp s.tar.00[2-5]* a && cp s.tar.* b && rm b/s.tar.001";
    room.run("imgsave --split 1M -o s.tar in.tar").ok("");
    shell(&room, make);
    for input in ["a", "b", "a/s.tar.003", "b/s.tar.003"] {
        for program in ["imgls", "imginspect", "imgverify", "imgload"] {
            room.run(&format!("{program} {input}")).is(
                2,
                "",
                &format!(
                    "{program}: {input}: s.tar: volume 1 of 5 is missing, and the list of images with it\n\
                     hint: imgload --volumes DIR... joins several directories, and keeps volumes until all were seen\n"
                ),
            );
        }
    }
    room.run("imgload --missing request --volumes a").is(
        1,
        "",
        "imgload: s.tar: volume 1 of 5 is missing\n\
         hint: the list of images is missing: no request can name blobs; ask for those volumes again\n",
    );
    assert!(!room.path("request").exists());
}

#[test]
fn a_directory_that_is_not_one_set_names_a_volume() {
    let room = room();
    shell(&room, "mkdir a b c");
    room.run("imgsave --split 1M -o a/s.tar in.tar").ok("");
    room.run("imgsave --split 2M -o b/s.tar in.tar").ok("");
    shell(
        &room,
        "cp a/s.tar.00[1-3]* c && cp a/s.tar.001* b && touch a/README",
    );
    room.run("imghistory a").is(
        2,
        "",
        "imghistory: a: volumes of s.tar beside other files\nhint: name a volume: a/s.tar.001\n",
    );
    room.run("imgsave --split 2M -o c/t.tar in.tar").ok("");
    room.run("imghistory c")
        .code(2)
        .complains("imghistory: c: volumes of several sets: s.tar (")
        .complains("hint: name a volume: c/s.tar.001\n");
    std::fs::write(room.path("b/s.tar.002.sha256"), "# imgkit-volume/1 set=1\n").expect("a table");
    room.run("imgverify b")
        .code(2)
        .complains("b/s.tar.002.sha256: invalid table of a volume: ");
}

#[test]
fn a_blob_that_does_not_fit_is_named() {
    let room = room();
    room.run("imgsave --split 1M --no-blob-cut -o s.tar in.tar")
        .code(2)
        .complains("--no-blob-cut: blobs/sha256/");
    assert_eq!(volumes(&room, "s.tar"), Vec::<String>::new());
    room.run("imgsave --split 3M --no-blob-cut -o s.tar in.tar")
        .ok("");
    for volume in volumes(&room, "s.tar") {
        let table = std::fs::read_to_string(room.path(&format!("{volume}.sha256")));
        assert!(table.expect("a table").contains(" start=member "));
    }
    reads_as_whole(&room, "s.tar.001");
}

#[test]
fn existing_volumes_are_replaced_only_on_request() {
    let room = room();
    room.run("imgsave --split 1M --parity 1 -o s.tar in.tar")
        .ok("");
    let before = volumes(&room, "s.tar");
    assert_eq!(before.len(), 6);
    room.run("imgsave --split 4M -o s.tar in.tar")
        .code(2)
        .complains("imgsave: s.tar: ")
        .complains("already exists: a set of volumes\nhint: --replace");
    assert_eq!(volumes(&room, "s.tar"), before);
    room.run("imgsave --split 4M --replace -o s.tar in.tar")
        .ok("");
    assert_eq!(volumes(&room, "s.tar"), ["s.tar.001", "s.tar.002"]);
    assert!(!room.path("s.tar.003.sha256").exists());
    reads_as_whole(&room, "s.tar.002");
}

#[test]
fn a_command_runs_after_each_volume_and_resume_continues() {
    let room = room();
    let command = "echo $IMGKIT_VOLUME $IMGKIT_VOLUME_NUMBER $IMGKIT_VOLUME_LAST >> log; test $IMGKIT_VOLUME_NUMBER != 2 -o -e disc";
    let line = format!("imgsave --split 1M --on-volume '{command}' -o s.tar in.tar");
    room.run(&line)
        .code(2)
        .complains("--on-volume: the command failed");
    assert_eq!(volumes(&room, "s.tar"), ["s.tar.001", "s.tar.002"]);
    room.write("disc", b"");
    let first = std::fs::metadata(room.path("s.tar.001")).expect("a volume");
    room.run(&line.replace("--split", "--resume --split"))
        .ok("");
    let again = std::fs::metadata(room.path("s.tar.001")).expect("a volume");
    assert_eq!(
        first.modified().expect("a time"),
        again.modified().expect("a time")
    );
    let log = std::fs::read_to_string(room.path("log")).expect("a log");
    let expected = "s.tar.001 1 0\ns.tar.002 2 0\ns.tar.002 2 0\ns.tar.003 3 0\ns.tar.004 4 0\ns.tar.005 5 1\n";
    assert_eq!(log, expected);
    reads_as_whole(&room, "s.tar.001");
    // A volume that was damaged meanwhile is written again.
    damage(&room, "s.tar.003", 1000, 1);
    room.run("imgsave --split 1M --resume -o s.tar in.tar")
        .ok("");
    shell(&room, "sha256sum -c s.tar.*.sha256");
    // Other images are refused.
    room.run("imgsave --split 1M --resume -o s.tar in.tar:demo:1")
        .code(2)
        .complains("volumes do not belong together");
}

#[test]
fn sizes_of_media_have_names() {
    let room = room();
    for size in [
        "fat32", "cd", "dvd", "dvd-dl", "bd", "1048576", "4096K", "1G",
    ] {
        room.run(&format!("imgsave --split {size} --replace -o s.tar in.tar"))
            .ok("");
        reads_as_whole(&room, "s.tar.001");
    }
    for size in ["0", "1023K", "4T", "dvdx", "-1", "99999999999G"] {
        room.run(&format!("imgsave --split={size} -o s.tar in.tar"))
            .code(2);
    }
    room.run("imgsave --split 1M -o - in.tar").code(2);
    room.run("imgsave --split 1M in.tar").code(2);
}

/// Damages or removes parts of a set, and expects it to be read as before and to be repaired.
#[track_caller]
fn survives(room: &Room, first: &str, harm: impl Fn(&Room)) {
    shell(room, "rm -rf kept && mkdir kept && cp p.tar.* kept");
    harm(room);
    reads_as_whole(room, first);
    room.run(&format!("imgverify --volumes -q {first}")).code(1);
    room.run(&format!("imgverify --repair -q {first}")).code(0);
    shell(
        room,
        "for f in kept/p.tar.*; do cmp $f $(basename $f) || exit 1; done",
    );
}

#[test]
fn every_single_chunk_is_repaired() {
    let room = room();
    room.run("imgsave --split 1M --parity 5% -o p.tar in.tar")
        .ok("");
    let chunk = 131_072;
    for volume in volumes(&room, "p.tar") {
        let count = length(&room, &volume).div_ceil(chunk);
        for number in 0..count {
            let at = (number * chunk + 77) as usize;
            survives(&room, "p.tar.001", |room| damage(room, &volume, at, 1));
        }
    }
}

#[test]
fn every_single_volume_is_repaired() {
    let room = room();
    // Five volumes of four columns.
    room.run("imgsave --split 1M --parity 4 -o p.tar in.tar")
        .ok("");
    for volume in volumes(&room, "p.tar") {
        let other = match volume.as_str() {
            "p.tar.002" => "p.tar.004",
            _ => "p.tar.002",
        };
        survives(&room, other, |room| {
            std::fs::remove_file(room.path(&volume)).expect("removed");
        });
    }
    // Its table may be lost, too.
    survives(&room, "p.tar.002", |room| {
        shell(room, "rm p.tar.004 p.tar.004.sha256");
    });
    survives(&room, "p.tar.p01", |room| {
        shell(room, "rm p.tar.005 p.tar.005.sha256");
    });
}

#[test]
fn as_many_columns_as_there_is_parity_are_repaired_and_no_more() {
    let room = room();
    room.run("imgsave --split 1M --parity 3 -o p.tar in.tar")
        .ok("");
    let chunk = 131_072;
    // One row: the first chunk of three columns, which are shorter than two chunks.
    let columns = [("p.tar.001", 0), ("p.tar.003", 0), ("p.tar.004", 0)];
    survives(&room, "p.tar.001", |room| {
        for (volume, at) in columns {
            damage(room, volume, at, chunk);
        }
    });
    for (volume, at) in columns {
        damage(&room, volume, at, 5);
    }
    damage(&room, "p.tar.002", 0, 1);
    room.run("imgsave -o again.tar p.tar.001")
        .code(2)
        .complains(
            "not repairable: 4 columns are damaged or missing, 3 columns of parity are intact",
        );
    room.run("imgverify --repair p.tar.001")
        .code(2)
        .complains("not repairable");
    room.run("imgverify --volumes p.tar.001")
        .code(1)
        .says("p.tar.002: damaged at KiB 0-127\n  dd if=COPY of=p.tar.002 bs=131072 skip=0 seek=0 count=1 conv=notrunc\np.tar.003");
}

#[test]
fn an_archive_in_one_file_has_parity_too() {
    let room = room();
    room.run("imgsave --parity 10% -o p.tar in.tar").ok("");
    shell(
        &room,
        "cmp p.tar whole.tar && sha256sum -c p.tar.sha256 p.tar.p01.sha256",
    );
    shell(&room, "cp p.tar keep.tar");
    damage(&room, "p.tar", 1_000_000, 3000);
    reads_as_whole(&room, "p.tar");
    room.run("imgverify --repair p.tar").code(0);
    shell(&room, "cmp p.tar keep.tar");
    // A new archive under the name has nothing to do with the parity.
    room.run("imgsave -o p.tar in.tar:demo:2").ok("");
    assert_eq!(volumes(&room, "p.tar"), Vec::<String>::new());
    room.run("imgls -q p.tar").code(0);
}

#[test]
fn volumes_that_do_not_belong_together_are_refused() {
    let room = room();
    room.run("imgsave --split 1M -o s.tar in.tar").ok("");
    room.run("imgsave --split 1M -o t.tar in.tar:demo:1").ok("");
    room.run("imgsave --split 2M --parity 2 -o u.tar in.tar")
        .ok("");
    // The second volume of another set, renamed together with its table.
    shell(
        &room,
        "mkdir mix && cp s.tar.* mix && for x in t.tar.002 t.tar.002.sha256; do sed -b 's/t[.]tar[.]002/s.tar.002/' $x > mix/s${x#t}; done",
    );
    room.run("imgls mix/s.tar.001")
        .code(2)
        .complains("volumes do not belong together: s.tar has volumes of several sets");
    let edit = |name: &str, from: &str, to: &str| {
        shell(&room, "rm -rf e && mkdir e && cp s.tar.* u.tar.* e");
        let path = room.path(&format!("e/{name}.sha256"));
        let text = std::fs::read_to_string(&path).expect("a table");
        assert!(text.contains(from), "{text}");
        std::fs::write(&path, text.replacen(from, to, 1)).expect("written");
    };
    for (name, from, to, expected) in [
        ("s.tar.002", "offset=", "offset=1", "begins at byte"),
        (
            "s.tar.002",
            "number=2",
            "number=3",
            "two volumes have number 3",
        ),
        (
            "s.tar.002",
            "size=1048576",
            "size=1048577",
            "expected a digest for each chunk",
        ),
        (
            "s.tar.002",
            "size=1048576",
            "size=9223372036854775807",
            "past the largest file",
        ),
        (
            "s.tar.005",
            "volumes=5",
            "volumes=4",
            "ends before the archive",
        ),
        (
            "s.tar.002",
            "s.tar.002",
            "../s.tar.002",
            "in the same directory",
        ),
        ("s.tar.002", "number=2", "number=0", "missing number"),
        (
            "s.tar.002",
            "number=2",
            "number=18446744073709551615",
            "volumes: limit exceeded: expected at most 10000",
        ),
        ("s.tar.002", "set=", "set=X", "hexadecimal"),
        (
            "u.tar.p01",
            "columns=",
            "columns=6",
            "columns that do not cover",
        ),
        ("u.tar.p01", "volumes=3", "volumes=2", "do not cover"),
    ] {
        edit(name, from, to);
        let first = format!("e/{}001", &name[..6]);
        room.run(&format!("imgls {first}"))
            .code(2)
            .complains(expected);
    }
    room.run("imgls --limit volumes=3 s.tar.001")
        .code(2)
        .complains("--limit volumes=");
}

#[test]
fn pieces_of_other_programs_are_joined_by_name() {
    let room = room();
    shell(
        &room,
        "split -b 1000000 whole.tar a.tar. && split -d -a 3 --numeric-suffixes=1 -b 1000000 whole.tar b.tar. && split -d -b 900000 whole.tar c.tar. && gzip -k whole.tar && split -b 1000000 whole.tar.gz d.tar.gz.",
    );
    for piece in [
        "a.tar.aa",
        "a.tar.ac",
        "b.tar.001",
        "b.tar.003",
        "c.tar.00",
        "c.tar.02",
        "d.tar.gz.aa",
    ] {
        reads_as_whole(&room, piece);
    }
    shell(&room, "rm a.tar.ab b.tar.003");
    for piece in ["a.tar.aa", "a.tar.ac"] {
        room.run(&format!("imgls {piece}"))
            .fails(&format!("imgls: {piece}: missing piece 'a.tar.ab'\n"));
    }
    room.run("imgls b.tar.001")
        .fails("imgls: b.tar.001: missing piece 'b.tar.003'\n");
    // A stale piece of a longer archive.
    shell(
        &room,
        "rm b.tar.*; split -d -a 3 --numeric-suffixes=1 -n 2 whole.tar b.tar.; tail -c 5000 whole.tar > b.tar.003",
    );
    for piece in ["b.tar.001", "b.tar.002", "b.tar.003"] {
        room.run(&format!("imgls {piece}"))
            .code(2)
            .complains("volumes do not belong together: the archive ends before b.tar.003");
    }
    // One file with a number is a file.
    shell(&room, "rm b.tar.*; cp whole.tar b.tar.001");
    reads_as_whole(&room, "b.tar.001");
}

#[test]
fn a_name_may_end_in_anything() {
    let room = room();
    for end in [
        "averyveryverylongend",
        "z",
        "part",
        "p",
        "äöü",
        "99999999999999999999",
    ] {
        let name = format!("in.{end}");
        std::fs::copy(room.path("in.tar"), room.path(&name)).expect("a copy");
        room.run(&format!("imgls -q {name}")).code(0);
    }
}

#[test]
fn archives_whose_names_end_in_a_version_stand_alone() {
    let room = room();
    room.run("imgsave -o one.tar in.tar:demo:1").ok("");
    room.run("imgsave -o two.tar in.tar:demo:2").ok("");
    for (first, second) in [
        ("app-9.10", "app-9.11"),
        ("b.00", "b.01"),
        ("c.001", "c.003"),
        ("d.aa", "d.ab"),
    ] {
        for pack in ["cat", "gzip -c"] {
            shell(
                &room,
                &format!("mkdir d && {pack} one.tar > d/{first} && {pack} two.tar > d/{second}"),
            );
            room.run(&format!("imgls --format {{{{.Tag}}}} d/{first}"))
                .ok("1\n");
            room.run(&format!("imgls --format {{{{.Tag}}}} d/{second}"))
                .ok("2\n");
            room.run("imgls --format {{.Tag}} d").ok("1\n2\n");
            shell(&room, "rm -r d");
        }
    }
}

#[test]
fn a_repair_that_fails_leaves_the_volume() {
    let room = room();
    room.run("imgsave --split 1M --parity 4 -o s.tar in.tar")
        .ok("");
    damage(&room, "s.tar.002", 5000, 10);
    let before = std::fs::read(room.path("s.tar.002")).expect("a volume");
    let path = room.path("s.tar.002.sha256");
    let text = std::fs::read_to_string(&path).expect("a table");
    let sum = text.lines().last().expect("a line")[..64].to_owned();
    let third = room.path("s.tar.003.sha256");
    let follower = std::fs::read_to_string(&third).expect("a table");
    let other = "ab".repeat(32);
    std::fs::write(&path, text.replace(&sum, &other)).expect("written");
    std::fs::write(&third, follower.replace(&sum, &other)).expect("written");
    room.run("imgverify --repair s.tar.001").code(2);
    assert_eq!(
        std::fs::read(room.path("s.tar.002")).expect("a volume"),
        before
    );
}

#[test]
fn the_checksum_of_zarfs_parts_is_compared() {
    let room = room();
    shell(
        &room,
        "split -d -a 3 --numeric-suffixes=1 -b 2000000 whole.tar z.tar.part && sum=$(sha256sum whole.tar | cut -d ' ' -f 1) && printf '{\"sha256Sum\":\"%s\",\"bytes\":%s,\"count\":3}' $sum $(stat -c %s whole.tar) > z.tar.part000",
    );
    reads_as_whole(&room, "z.tar.part000");
    reads_as_whole(&room, "z.tar.part002");
    damage(&room, "z.tar.part003", 100, 1);
    room.run("imgls z.tar.part000")
        .code(2)
        .complains("digest mismatch");
    shell(&room, "rm z.tar.part003");
    room.run("imgls z.tar.part000")
        .code(2)
        .complains("3 parts stated, 2 found");
}

#[test]
fn discs_are_loaded_in_any_order() {
    let room = room();
    room.run("imgsave --split 1M --parity 4 -o s.tar in.tar")
        .ok("");
    shell(
        &room,
        "for n in 001 002 003 004 005 p01; do mkdir disc$n; cp s.tar.$n s.tar.$n.sha256 disc$n; done; mkdir none",
    );
    let missing = |text: &str| format!("imgload: s.tar: {text}\n");
    room.run("imgload --volumes none").ok("");
    room.run("imgload --volumes disc004")
        .is(1, "", &missing("volumes 1, 2, 3 and 5 are missing"));
    // The last volume states the number of all.
    for _ in 0..2 {
        room.run("imgload --volumes disc005 disc001").is(
            1,
            "",
            &missing("volumes 2 and 3 of 5 are missing"),
        );
    }
    // What was kept survives the deletion of unused blobs.
    room.run("imgprune --force").code(0);
    room.run("imgls -q").ok("");
    // A damaged disc is not kept.
    shell(
        &room,
        "cp -r disc002 bad && printf x | dd of=bad/s.tar.002 bs=1 seek=300000 conv=notrunc",
    );
    room.run("imgload --volumes bad")
        .code(1)
        .complains("s.tar.002: damaged at KiB 256-383\n");
    room.run("imgload --volumes disc002")
        .is(1, "", &missing("volume 3 of 5 is missing"));
    room.run("imgload -q --volumes disc003")
        .ok("Loaded image: demo:1\nLoaded image: demo:2\n");
    // A disc of a set that was loaded is not kept again, as long as its images are there.
    for _ in 0..2 {
        room.run("imgload --volumes disc002").is(
            0,
            "",
            "imgload: s.tar: its images are in the store\n",
        );
    }
    let kept =
        std::fs::read_dir(room.path("home/.local/share/imgkit/ingest")).expect("a directory");
    let kept = kept.filter(|entry| entry.as_ref().expect("an entry").path().is_dir());
    assert_eq!(kept.count(), 0);
    room.run("imgverify -q").ok("");
    room.run("imgrm demo:1").code(0);
    room.run("imgload --volumes disc002")
        .code(1)
        .complains("volumes 1 and 3 are missing");
    // The parity stands for one of five.
    for disc in ["disc001", "discp01", "disc002", "disc005"] {
        let missing = room.run(&format!("imgload --volumes --store other {disc}"));
        missing.code(1);
        assert_eq!(missing.err().lines().count(), 1, "{}", missing.err());
    }
    room.run("imgload -q --volumes --store other disc004/s.tar.004")
        .ok("Loaded image: demo:1\nLoaded image: demo:2\n");
    room.run("imgverify -q --store other").ok("");
    room.run("imgload --volumes in.tar").code(2);
}

/// Sizes in bytes of the files below a directory, by their names.
fn sizes(room: &Room, directory: &str) -> std::collections::BTreeMap<String, u64> {
    let entries = std::fs::read_dir(room.path(directory))
        .into_iter()
        .flatten();
    let files = entries.map(|entry| entry.expect("an entry"));
    let sizes = files.map(|file| {
        let name = file.file_name().into_string().expect("a name");
        (name, file.metadata().expect("a file").len())
    });
    sizes.collect()
}

#[test]
fn whole_blobs_of_volumes_go_to_the_store_and_expire_with_their_set() {
    let room = room();
    room.run("imgsave --split 1M -o s.tar in.tar").ok("");
    shell(
        &room,
        "for n in 001 002 003 004 005; do mkdir d$n; mv s.tar.$n* d$n; done",
    );
    let other = build::image("other:1").layer("f other other");
    room.write("other.tar", &build::oci(&[&other]).tar());
    room.run("imgload -q other.tar").code(0);
    let store = "home/.local/share/imgkit";
    // Blobs that are no documents.
    let stored = |blobs: &str| {
        let mut stored = sizes(&room, blobs);
        stored.retain(|_, size| *size >= 65536);
        stored
    };
    let set = || {
        let entries = std::fs::read_dir(room.path(&format!("{store}/ingest")));
        let mut paths = entries
            .expect("entries")
            .map(|entry| entry.expect("an entry").path());
        paths.find(|path| path.is_dir()).expect("a set")
    };
    for n in [1, 4, 5] {
        room.run(&format!("imgload --volumes d00{n}")).code(1);
    }
    // Whole in one volume of these three: the blobs that reach into no other.
    let starts: Vec<u64> = (1..=5)
        .scan(0, |end, n| {
            *end += length(&room, &format!("d00{n}/s.tar.00{n}"));
            Some(*end)
        })
        .collect();
    let cut = |at: usize| blobs_in(&room, &[(starts[at] - 1, starts[at])]);
    let absent = blobs_in(&room, &[(starts[0], starts[2])]);
    let over: BTreeSet<String> = (0..4)
        .flat_map(|at| {
            let after = blobs_in(&room, &[(starts[at], starts[at] + 1)]);
            cut(at).intersection(&after).cloned().collect::<Vec<_>>()
        })
        .collect();
    let all = blobs_in(&room, &[(0, starts[4])]);
    let large = |digest: &&String| {
        let blobs = std::process::Command::new("tar")
            .args([
                "-tvf",
                "whole.tar",
                &digest.replace("sha256:", "blobs/sha256/"),
            ])
            .current_dir(room.path("."))
            .output()
            .expect("tar");
        let line = String::from_utf8(blobs.stdout).expect("text");
        let size = line.split_whitespace().nth(2).expect("a size");
        size.parse::<u64>().expect("a number") >= 65536
    };
    let expected: BTreeSet<String> = all
        .iter()
        .filter(|digest| !absent.contains(*digest) && !over.contains(*digest))
        .filter(large)
        .map(|digest| digest.replace("sha256:", ""))
        .collect();
    let blobs = format!("{store}/blobs/sha256");
    assert!(!expected.is_empty());
    let kept: BTreeSet<String> = stored(&blobs).into_keys().collect();
    assert_eq!(kept, expected);
    let whole: u64 = stored(&blobs).values().sum();
    let rest: u64 = sizes(&room, set().to_str().expect("a path"))
        .iter()
        .filter(|(name, _)| {
            name.ends_with(|last: char| last.is_ascii_digit()) && !name.ends_with("sha256")
        })
        .map(|(_, size)| size)
        .sum();
    let three = starts[0] + starts[4] - starts[2];
    assert_eq!(whole + rest, three);
    // Protected, and no space that could be freed.
    room.run("imgprune -f").code(0);
    room.run("imgdf --format '{{.Reclaimable}}'")
        .ok("0B (0%)\n0B (0%)\n");
    // A volume of which a blob was lost is missing again.
    let lost = expected.first().expect("a blob");
    shell(&room, &format!("mv {blobs}/{lost} {blobs}/../x"));
    room.run("imgload --volumes d002")
        .code(1)
        .complains("are missing");
    shell(&room, &format!("mv {blobs}/../x {blobs}/{lost}"));
    // After 30 days, it goes.
    shell(
        &room,
        &format!("find {store}/ingest -exec touch -d '31 days ago' '{{}}' +"),
    );
    room.run("imgprune -f").code(0);
    assert_eq!(stored(&blobs).len(), 0);
    assert_eq!(sizes(&room, &format!("{store}/ingest")).len(), 0);
    room.run("imgload --volumes d003").is(
        1,
        "",
        "imgload: s.tar: volumes 1, 2 and 4 are missing\n",
    );
    // The last volume completes what is in the store.
    for n in [1, 2, 4] {
        room.run(&format!("imgload --volumes d00{n}")).code(1);
    }
    room.run("imgload -q --volumes d005").ok(BOTH);
    room.run("imgverify -q").ok("");
    room.run("imgload -q --store direct in.tar other.tar")
        .code(0);
    let direct: BTreeSet<String> = sizes(&room, "direct/blobs/sha256").into_keys().collect();
    let kept: BTreeSet<String> = sizes(&room, &blobs).into_keys().collect();
    assert_eq!(kept, direct);
}

/// Blobs of the whole archive of which a byte is in some ranges, as the `tar` crate places them.
fn blobs_in(room: &Room, ranges: &[(u64, u64)]) -> BTreeSet<String> {
    let file = std::fs::File::open(room.path("whole.tar")).expect("an archive");
    let mut tar = tar::Archive::new(file);
    let mut found = BTreeSet::new();
    for entry in tar.entries().expect("entries") {
        let entry = entry.expect("an entry");
        let name = entry.path().expect("a path").to_string_lossy().into_owned();
        let start = entry.raw_file_position();
        let end = start + entry.size();
        let is_in = |(from, to): &(u64, u64)| start < *to && *from < end;
        if let Some(hex) = name.strip_prefix("blobs/sha256/")
            && ranges.iter().any(is_in)
        {
            found.insert(format!("sha256:{hex}"));
        }
    }
    found
}

/// Digests that a request lists.
fn requested(room: &Room, name: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(room.path(name)).expect("a request");
    let lines = text
        .lines()
        .filter_map(|line| line.split_once("digest\":\""));
    lines
        .map(|(_, rest)| rest.split('"').next().expect("a digest").to_owned())
        .collect()
}

const BOTH: &str = "Loaded image: demo:1\nLoaded image: demo:2\n";

#[test]
fn blobs_of_lost_volumes_are_requested_and_complete_the_set() {
    let room = room();
    room.run("imgsave --split 1M -o s.tar in.tar").ok("");
    shell(&room, "mkdir set && mv s.tar.* set");
    let (one, four) = (
        length(&room, "set/s.tar.001"),
        length(&room, "set/s.tar.004"),
    );
    let fourth = 2 * length(&room, "set/s.tar.002") + one;
    shell(&room, "rm set/s.tar.004*");
    let wanted = blobs_in(&room, &[(fourth, fourth + four)]);
    assert!(!wanted.is_empty() && wanted.len() < 4, "{wanted:?}");
    // The store keeps nothing of the request's run that would answer it.
    for (store, line) in [("a", "--volumes set"), ("b", "set/s.tar.002")] {
        room.run(&format!("imgload --store {store} --missing request {line}"))
            .code(1)
            .complains("volume 4 of 5 is missing\n")
            .complains(" neither here nor in the store (");
        assert_eq!(requested(&room, "request"), wanted);
        room.run(&format!("imgls -q --store {store}")).ok("");
    }
    room.run("imgsave --only-blobs request -o answer.tar in.tar")
        .ok("");
    for line in ["--volumes set", "set/s.tar.005"] {
        room.run(&format!("imgload -q --store with --with answer.tar {line}"))
            .ok(BOTH);
        room.run("imgverify -q with").ok("");
        shell(&room, "rm -r with");
    }
    room.run("imgload -q answer.tar").code(0);
    room.run("imgload -q set/s.tar.001").ok(BOTH);
    room.run("imgverify -q").ok("");
    // The volumes first, from several discs, then the answer.
    for volume in ["001", "003", "005"] {
        shell(
            &room,
            &format!("mkdir d{volume} && mv set/s.tar.{volume}* d{volume}"),
        );
        room.run(&format!("imgload -q --volumes --store c d{volume}"))
            .code(1);
    }
    room.run("imgload -q --store c answer.tar").code(0);
    room.run("imgload -q --volumes --store c set").ok(BOTH);
    room.run("imgverify -q c").ok("");
    // Without the first volume nothing is known about the blobs in the others.
    room.run("imgload --volumes --store d --missing none set d003")
        .code(1)
        .complains(
            "imgload: s.tar: volumes 1 and 4 are missing\nhint: the list of images is missing",
        );
    room.run("imgload --store d --missing none set/s.tar.002")
        .code(2)
        .complains("are missing");
    assert!(!room.path("none").exists());
}

#[test]
fn blobs_in_damage_that_cannot_be_repaired_are_requested() {
    let room = room();
    room.run("imgsave --split 1M -o s.tar in.tar").ok("");
    shell(&room, "mkdir set && mv s.tar.* set");
    let one = length(&room, "set/s.tar.001");
    // The last blob of the archive is in the last two volumes, others are not touched.
    damage(&room, "set/s.tar.005", 100_000, 10);
    let fifth = one + 3 * length(&room, "set/s.tar.002");
    let chunk = 1 << 20;
    let wanted = blobs_in(&room, &[(fifth, fifth + chunk)]);
    room.run("imgload --volumes --missing request set")
        .code(1)
        .complains("s.tar.005: damaged at MiB 0");
    assert_eq!(requested(&room, "request"), wanted);
    room.run("imgsave --only-blobs request -o answer.tar in.tar")
        .ok("");
    room.run("imgload -q --volumes --missing again --with answer.tar set")
        .ok(BOTH);
    assert!(!room.path("again").exists());
    room.run("imgverify -q").ok("");
    // Parity repairs what it can, and nothing is requested.
    room.run("imgsave --split 1M --parity 1 -o p.tar in.tar")
        .ok("");
    shell(&room, "mkdir p && mv p.tar.* p");
    damage(&room, "p/p.tar.002", 100_000, 10);
    room.run("imgload -q --volumes --store p2 --missing none p")
        .ok(BOTH);
    assert!(!room.path("none").exists());
    // A whole volume, headers among it: what begins in later volumes is found.
    damage(&room, "p/p.tar.001", 200_000, 10);
    damage(&room, "p/p.tar.002", 0, 1_000_000);
    room.run("imgload -q --volumes --store p3 --missing lost p")
        .code(1);
    let wanted = requested(&room, "lost");
    assert!(!wanted.is_empty() && wanted.len() < 4, "{wanted:?}");
    room.run("imgsave --only-blobs lost -o answer.tar in.tar")
        .ok("");
    room.run("imgload -q --volumes --store p3 --missing none --with answer.tar p")
        .ok(BOTH);
    room.run("imgverify -q p3").ok("");
}

#[test]
fn par2_repairs_volumes() {
    let room = room();
    let is_installed = Path::new("/usr/bin/par2").exists();
    if !is_installed {
        // The script of the cross checks installs it.
        return;
    }
    room.run("imgsave --split 1M -o s.tar in.tar").ok("");
    shell(
        &room,
        "par2 create -q -q -r30 s.par2 s.tar.[0-9][0-9][0-9] && rm s.tar.003 && par2 repair -q -q s.par2",
    );
    reads_as_whole(&room, "s.tar.001");
}

#[test]
fn any_sizes_join_and_survive_the_loss_of_a_column() {
    let sizes = prop::collection::vec(0..1_400_000_usize, 1..4);
    let strategy = (
        sizes,
        1_048_576..3_000_000_u64,
        0..1_000_000_usize,
        any::<bool>(),
    );
    let mut runner = TestRunner::new(Config::with_cases(12));
    let run = runner.run(&strategy, |(sizes, limit, at, equal)| {
        let room = Room::with("in.tar", &build::oci(&[&image_of("demo:1", &sizes)]));
        room.run("imgsave -o whole.tar in.tar").ok("");
        let equal = if equal { "--equal" } else { "" };
        room.run(&format!("imgsave --split {limit} {equal} -o s.tar in.tar"))
            .ok("");
        room.run(&format!(
            "imgsave --split {limit} --parity 1 -o p.tar in.tar"
        ))
        .ok("");
        for name in ["s.tar", "p.tar"] {
            shell(
                &room,
                &format!("cat {name}.[0-9][0-9][0-9] | cmp - whole.tar"),
            );
            shell(&room, &format!("sha256sum --quiet -c {name}.*.sha256"));
            for volume in volumes(&room, name) {
                prop_assert!(length(&room, &volume) <= limit);
            }
        }
        let volume = format!("p.tar.{:03}", 1 + at % (volumes(&room, "p.tar").len() - 1));
        let at = at % length(&room, &volume) as usize;
        survives(&room, "p.tar.001", |room| damage(room, &volume, at, 1));
        Ok(())
    });
    run.expect("every set joins");
}

#[test]
fn damage_beside_a_lost_volume_is_repaired_alone() {
    let room = room();
    room.run("imgsave --split 1M --parity 8 -o p.tar in.tar")
        .ok("");
    shell(&room, "rm p.tar.002 p.tar.002.sha256");
    damage(&room, "p.tar.003", 10, 5);
    damage(&room, "p.tar.004", 300_000, 5);
    // All rows of the lost volume are made again, and kept in a file, before the damaged ones are read, whose other
    // chunks are intact.
    room.run("imgload -q --store new p.tar.001").code(0);
    room.run("imgverify -q new").ok("");
}
