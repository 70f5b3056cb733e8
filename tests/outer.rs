//! What holds an archive: streams to their very end, what follows a tar, odd members, many files.

use crate::common::build::{self, Files};
use crate::common::pack::Pack;
use crate::common::run::Room;

fn archive() -> Files {
    build::docker25(&[&build::image("demo:1").layer("f a one").layer("f b two")])
}

#[test]
fn a_packed_archive_that_lost_its_last_bytes_is_never_sound() {
    let tar = archive().tar();
    for pack in [Pack::Gzip, Pack::Zstd, Pack::Xz, Pack::Bzip2] {
        let whole = pack.pack(&tar);
        for cut in [1, 4, 8] {
            let room = Room::new();
            room.write("cut", &whole[..whole.len() - cut]);
            room.run("imgverify cut").code(2).complains("damaged ");
            room.command("imgls -")
                .pipe(&whole[..whole.len() - cut])
                .run()
                .code(2)
                .complains("damaged ");
        }
    }
}

#[test]
fn a_packed_archive_with_bytes_behind_it_is_refused() {
    let whole = Pack::Gzip.pack(&archive().tar());
    let room = Room::new();
    room.write("more", &[&whole[..], b"more"].concat());
    room.run("imgverify more")
        .code(2)
        .complains("trailing data after the last compressed member");
}

#[test]
fn what_follows_the_end_marker_is_reported() {
    let tar = archive().tar();
    let room = Room::new();
    room.write("two.tar", &[&tar[..], &tar].concat());
    room.run("imgverify two.tar")
        .code(0)
        .says("[entries-after-end]");
    room.command("imgverify -")
        .pipe(&[&tar[..], &tar].concat())
        .run()
        .code(0)
        .says("[entries-after-end]");
    room.write("padded.tar", &[&tar[..], &[0; 20480]].concat());
    let run = room.run("imgverify padded.tar");
    assert!(run.code(0).out().starts_with("padded.tar: ok"), "{run}");
}

#[test]
fn a_member_with_holes_is_refused_by_name() {
    // The header of `manifest.json` becomes one of a GNU sparse file with one segment and a hole behind it.
    let mut tar = archive().tar();
    let at = (0..tar.len())
        .step_by(512)
        .find(|&at| tar[at..].starts_with(b"manifest.json"))
        .expect("a member");
    let header = &mut tar[at..at + 512];
    let size = header[124..136].to_vec();
    header[156] = b'S';
    header[257..265].copy_from_slice(b"ustar  \0");
    header[386..398].copy_from_slice(b"00000000000\0");
    header[398..410].copy_from_slice(&size);
    header[483..495].copy_from_slice(b"00000010000\0");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let room = Room::new();
    room.write("sparse.tar", &tar);
    room.run("imgls sparse.tar").fails(
        "imgls: sparse.tar: manifest.json: unsupported: sparse member: recreate the archive without sparse files\n",
    );
}

#[test]
fn names_in_manifest_json_may_be_written_with_dots_and_slashes() {
    let mut files = build::docker(&[&build::image("demo:1").layer("f a one")]);
    files.edit("manifest.json", |items| {
        let item = &mut items[0];
        item["Config"] = format!("./{}", item["Config"].as_str().expect("a name")).into();
        item["Layers"][0] = format!(".//{}", item["Layers"][0].as_str().expect("a name")).into();
    });
    let room = Room::with("dots.tar", &files);
    room.run("imgverify dots.tar").code(0).says("dots.tar: ok");
}

#[test]
fn a_layout_may_hold_more_files_than_a_program_may_open() {
    let images: Vec<_> = (0..60)
        .map(|i| build::image(&format!("demo:{i}")).layer(&format!("f a {i}")))
        .collect();
    let room = Room::new();
    build::oci(&images.iter().collect::<Vec<_>>()).write_to(&room.path("layout"));
    let program = crate::common::run::program("imgverify");
    let limited = format!("ulimit -n 40; exec {} layout", program.display());
    let run = std::process::Command::new("sh")
        .args(["-c", &limited])
        .current_dir(room.path("."))
        .output()
        .expect("sh");
    let out = String::from_utf8_lossy(&run.stdout);
    assert!(
        run.status.success() && out.contains("layout: ok: OCI layout, 60 images"),
        "{run:?}"
    );
}

#[test]
fn a_document_with_blanks_before_it_is_read_from_a_pipe_too() {
    let mut files = build::docker(&[&build::image("demo:1").layer("f a one")]);
    let name = files
        .names()
        .into_iter()
        .find(|name| name.ends_with(".json") && name.len() > 60)
        .expect("a config");
    let padded = [vec![b' '; 600], files.get(&name).to_vec()].concat();
    files.put(&name, padded);
    let tar = files.tar();
    let room = Room::new();
    room.command("imgls -q -").pipe(&tar).run().code(0);
}
