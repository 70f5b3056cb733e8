//! imgload as a user runs it.

use std::path::Path;

use serde_json::json;

use crate::common::build::{self, Files, Image};
use crate::common::foreign;
use crate::common::run::{Output, Room, clean, program};

fn app() -> Image {
    build::image("demo:1")
        .named("demo:latest")
        .layer("d etc | f etc/a one")
        .layer("f etc/b two")
}

fn tool() -> Image {
    build::image("tool:2")
        .layer("d etc | f etc/a one")
        .layer("f x hello")
}

fn untagged() -> Image {
    build::image("").layer("f x y")
}

fn store(room: &Room, line: &str) -> Output {
    room.command(line).env("IMGKIT_STORE", "store").run()
}

/// Names of the blobs of a store and of its other files.
fn files_in(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut work = vec![folder.to_owned()];
    while let Some(folder) = work.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.path().is_dir() {
                true => work.push(entry.path()),
                false => names.push(entry.file_name().to_string_lossy().into_owned()),
            }
        }
    }
    names.sort_unstable();
    names
}

#[test]
fn output_of_docker_load() {
    let images = [&app(), &tool(), &untagged()];
    let said = format!(
        "Loaded image: demo:1\nLoaded image: demo:latest\nLoaded image: tool:2\nLoaded image ID: {}\n",
        untagged().id()
    );
    for (shape, files) in [
        ("docker", build::docker(&images)),
        ("docker25", build::docker25(&images)),
        ("oci", build::oci(&images)),
    ] {
        let room = Room::with("app.tar", &files);
        for line in [
            "imgload -i app.tar",
            "imgload app.tar",
            "imgload -q -i app.tar",
        ] {
            store(&room, line).ok(&said);
        }
        let tar = files.tar();
        let room = Room::new();
        for line in ["imgload", "imgload -", "imgload -i -"] {
            room.command(line)
                .env("IMGKIT_STORE", "store")
                .pipe(&tar)
                .run()
                .ok(&said);
        }
        store(
            &room,
            "imgls --format '{{.Repository}}:{{.Tag}} {{.ImageID}}'",
        )
        .ok(&format!(
            "demo:1 {0}\ndemo:latest {0}\ntool:2 {1}\n<none>:<none> {2}\n",
            app().id(),
            tool().id(),
            untagged().id()
        ));
        room.run("imgverify -q store").ok("");
        // Five layers of which one is there twice, three configs, three manifests, two documents; no temporary file.
        let left = files_in(&room.path("store"));
        assert_eq!(left.len(), 4 + 3 + 3 + 2, "{shape}: {left:?}");
    }
}

#[test]
fn json_output() {
    let room = Room::with("a.tar", &build::oci(&[&app()]));
    let mut other = app();
    other = other.layer("f more z");
    room.write("b.tar", &build::oci(&[&other]).tar());
    store(&room, "imgload a.tar").code(0);
    let rows = store(&room, "imgload --format json b.tar").json_lines();
    assert_eq!(
        rows[0],
        json!({"Name": "demo:1", "ID": other.id(), "Digest": other.manifest_digest(), "Replaced": app().manifest_digest(), "ReplacedID": app().id(), "Kept": false})
    );
    let rows = store(&room, "imgload --format json --no-clobber a.tar").json_lines();
    assert_eq!(rows[0]["Kept"], true);
}

#[test]
fn existing_tags() {
    let room = Room::with("a.tar", &build::oci(&[&app()]));
    let other = app().layer("f more z");
    room.write("b.tar", &build::oci(&[&other]).tar());
    store(&room, "imgload a.tar").code(0);
    store(&room, "imgload --no-clobber b.tar").is(
        1,
        "",
        "imgload: demo:1: tag exists for another image, not overwritten\n\
         imgload: demo:latest: tag exists for another image, not overwritten\n",
    );
    // The tag of the same image is no conflict.
    store(&room, "imgload --no-clobber a.tar")
        .ok("Loaded image: demo:1\nLoaded image: demo:latest\n");
    let old = app().id();
    store(&room, "imgload --only demo:1 b.tar").is(
        0,
        "Loaded image: demo:1\n",
        &format!("imgload: demo:1 moved from {old}\n"),
    );
    store(&room, "imgls -q demo:1").ok(&format!("{}\n", other.short()));
    store(&room, "imgls -q demo:latest").ok(&format!("{}\n", app().short()));
}

#[test]
fn only_and_rename() {
    let room = Room::with("app.tar", &build::docker(&[&app(), &tool()]));
    store(&room, "imgload app.tar --only tool:2 --rename tool:2=mine")
        .ok("Loaded image: mine:latest\n");
    store(&room, "imgls --format '{{.Repository}}:{{.Tag}}'").ok("mine:latest\n");
    let holds = "available: app.tar:demo:1 and app.tar:tool:2";
    store(&room, "imgload app.tar --only nope").fails(&format!(
        "imgload: app.tar: no such image 'nope': {holds}\n"
    ));
    store(&room, "imgload app.tar --rename tool=x").fails(&format!(
        "imgload: app.tar: no such image 'tool': {holds}\nhint: the closest name is app.tar:tool:2\n"
    ));
    store(&room, "imgload app.tar --rename tool:2=X").fails(
        "imgload: app.tar: invalid image reference 'X': a repository name must be in lower case\n",
    );
    store(&room, "imgload app.tar --rename tool:2").fails(
        "imgload: invalid value 'tool:2' for '--rename <OLD=NEW>': expected OLD=NEW\n\
         hint: see imgload --help\n",
    );
    store(&room, "imgload --id-file ids app.tar:tool:2").ok("Loaded image: tool:2\n");
    let ids = std::fs::read_to_string(room.path("ids")).expect("IDs");
    assert_eq!(ids, format!("{}\n", tool().id()));
}

#[test]
fn bad_usage() {
    let room = Room::with("app.tar", &build::docker(&[&app()]));
    let hint = "hint: see imgload --help\n";
    for (line, why) in [
        (
            "imgload -i app.tar app.tar",
            format!("the argument '--input <FILE>' cannot be used with '[ARCHIVE]...'\n{hint}"),
        ),
        (
            "imgload --format table app.tar",
            format!(
                "invalid value 'table' for '--format <FORMAT>' [possible values: text, json]\n{hint}"
            ),
        ),
        (
            "imgload --level 3 app.tar",
            "--level requires --compression gzip or zstd\n".into(),
        ),
        (
            "imgload --compression gzip --level 13 app.tar",
            "invalid --level: expected 1 to 12, found 13\n".into(),
        ),
        (
            "imgload --platform linux/s390x app.tar",
            "app.tar: no such image 'linux/s390x': available: linux/amd64\n".into(),
        ),
        (
            "imgload gone.tar",
            "gone.tar: cannot open: no such file or directory\n".into(),
        ),
    ] {
        store(&room, line).fails(&format!("imgload: {why}"));
    }
    assert!(!room.path("store/index.json").exists());
}

#[test]
fn damaged_archives_are_not_stored() {
    let image = app();
    for (shape, files) in [
        ("docker", build::docker(&[&image])),
        ("docker25", build::docker25(&[&image])),
        ("oci", build::oci(&[&image])),
    ] {
        let is_ours = |name: &String| name.ends_with("layer.tar") || name.starts_with("blobs/");
        for name in files.names().into_iter().filter(is_ours) {
            let mut damaged = files.clone();
            let bytes = damaged.bytes(&name);
            let middle = bytes.len() / 3;
            bytes[middle] ^= 1;
            let tar = damaged.tar();
            let room = Room::with("app.tar", &damaged);
            let run = store(&room, "imgload app.tar");
            assert_eq!(
                (run.code, run.out()),
                (Some(2), ""),
                "{shape}: {name}\n{run}"
            );
            let run = room
                .command("imgload")
                .env("IMGKIT_STORE", "store")
                .pipe(&tar)
                .run();
            assert_eq!(
                (run.code, run.out()),
                (Some(2), ""),
                "{shape}: {name}\n{run}"
            );
            assert!(!room.path("store/index.json").exists(), "{shape}: {name}");
        }
        let tar = files.tar();
        for cut in (0..tar.len() - 1024).step_by(1536) {
            let room = Room::new();
            room.write("app.tar", &tar[..cut]);
            let run = store(&room, "imgload app.tar");
            assert_eq!(
                run.code,
                Some(2),
                "{shape}: cut at {cut} of {}\n{run}",
                tar.len()
            );
            room.command("imgload")
                .env("IMGKIT_STORE", "store")
                .pipe(&tar[..cut])
                .run()
                .code(2);
            assert!(
                !room.path("store/index.json").exists(),
                "{shape}: cut at {cut}"
            );
        }
    }
}

/// A load replaces a truncated blob and keeps complete ones.
#[test]
fn truncated_blob_is_replaced_by_the_next_load() {
    use std::os::unix::fs::MetadataExt;
    for line in ["imgload", "imgload --compression gzip"] {
        let room = Room::with("app.tar", &build::oci(&[&app()]));
        let load = || {
            room.run(&format!("{line} --store store app.tar")).code(0);
        };
        load();
        let blobs = room.path("store/blobs/sha256");
        let names = files_in(&blobs);
        let inode = |name: &String| blobs.join(name).metadata().expect("a blob").ino();
        for name in &names {
            let path = blobs.join(name);
            let whole = std::fs::read(&path).expect("a blob");
            let before: Vec<u64> = names.iter().map(inode).collect();
            std::fs::write(&path, &whole[..whole.len() / 2]).expect("half a blob");
            // The index lists it, so the store cannot be read meanwhile.
            std::fs::remove_file(room.path("store/index.json")).expect("an index");
            load();
            assert_eq!(std::fs::read(&path).expect("a blob"), whole, "{name}");
            for (other, before) in names.iter().zip(before) {
                assert!(other == name || inode(other) == before, "{other}");
            }
        }
        assert_eq!(files_in(&blobs), names);
    }
}

#[test]
fn index_or_one_platform() {
    let (amd, arm) = (app(), app().platform("linux/arm64/v8"));
    let room = Room::with("app.tar", &build::multi("demo:1", &[&amd, &arm], &[]));
    store(&room, "imgload app.tar").ok("Loaded image: demo:1\n");
    let tree = store(&room, "imgls --tree");
    tree.says("linux/amd64")
        .says("linux/arm64/v8")
        .says("attestation");
    let room = Room::with("app.tar", &build::multi("demo:1", &[&amd, &arm], &[]));
    store(&room, "imgload --platform linux/arm64 app.tar").ok("Loaded image: demo:1\n");
    store(&room, "imgls -q --no-trunc").ok(&format!("{}\n", arm.id()));
}

#[test]
fn same_bytes_with_any_number_of_threads() {
    let packed = app().layer("z big 300000").layer("f last one");
    let room = Room::with("app.tar", &build::docker(&[&packed, &tool()]));
    for (threads, folder) in [("1", "one"), ("8", "eight")] {
        for compression in ["gzip", "zstd"] {
            let line = format!(
                "imgload -j {threads} --compression {compression} --store {folder}-{compression} app.tar"
            );
            std::fs::create_dir(room.path(&format!("{folder}-{compression}"))).expect("a store");
            room.run(&line).code(0);
        }
    }
    for compression in ["gzip", "zstd"] {
        let read = |folder: &str| {
            let top = room.path(&format!("{folder}-{compression}"));
            (
                files_in(&top),
                std::fs::read(top.join("index.json")).expect("an index"),
            )
        };
        assert_eq!(read("one"), read("eight"), "{compression}");
        room.run(&format!("imgverify -q one-{compression}")).ok("");
    }
}

#[test]
fn archives_of_other_tools_keep_their_digests() {
    for name in [
        "buildah-oci.tar",
        "containerd.tar",
        "podman-oci.tar",
        "skopeo-oci.tar",
        "skopeo-oci-zstd.tar",
        "umoci",
        "skopeo-oci-dir",
        "skopeo-dir",
    ] {
        let room = Room::new();
        let path = foreign(name);
        store(&room, &format!("imgload {}", path.display())).code(0);
        let format = "--format '{{.ImageID}} {{.Digest}}'";
        let sorted = |run: Output| {
            let mut lines: Vec<String> = run.out().lines().map(str::to_owned).collect();
            lines.sort_unstable();
            lines
        };
        let before = sorted(room.run(&format!("imgls {format} {}", path.display())));
        let after = sorted(store(&room, &format!("imgls {format}")));
        assert_eq!(before, after, "{name}");
        room.run("imgverify -q store").ok("");
    }
}

/// After a kill at any time, the store is as before or after the load.
#[test]
fn killed_load_leaves_a_sound_store() {
    let room = Room::new();
    room.write("old.tar", &build::oci(&[&tool()]).tar());
    store(&room, "imgload old.tar").code(0);
    let mut big = build::image("big:1");
    for layer in 0..8_u32 {
        let mut state = layer + 1;
        let mut bytes = build::layer(&format!("f name{layer} x"));
        let noise: Vec<u8> = (0..2_500_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        let more = noise_layer(&noise);
        bytes.truncate(bytes.len() - 1024);
        bytes.extend(more);
        big = big.layer_bytes(bytes);
    }
    let files: Files = build::oci(&[&big]);
    room.write("big.tar", &files.tar());
    for round in 0..36_u64 {
        let mut command = std::process::Command::new(program("imgload"));
        command.args(["-q", "big.tar"]);
        if round % 3 == 1 {
            command.args(["--compression", "zstd"]);
        }
        clean(&mut command, &room.path(""));
        command.env("IMGKIT_STORE", "store");
        command.stdout(std::process::Stdio::null());
        let mut child = command.spawn().expect("imgload");
        std::thread::sleep(std::time::Duration::from_millis(round * round % 97 * 3));
        let _ = child.kill();
        let _ = child.wait();
        let names = store(&room, "imgls --format '{{.Repository}}:{{.Tag}}'");
        // With another compression it takes the name of the image that was loaded before.
        let known = ["tool:2", "big:1", "<none>:<none>"];
        assert!(
            names.out().lines().all(|line| known.contains(&line)),
            "{names}"
        );
        names.says("tool:2\n");
        let verified = room.run("imgverify store");
        assert_eq!(verified.code, Some(0), "round {round}\n{verified}");
        if round % 6 == 5 {
            store(&room, "imgrm big").no_crash();
            store(&room, "imgprune --force").code(0);
            let left = files_in(&room.path("store"));
            let whole = left
                .iter()
                .all(|name| name.len() == 64 || name == "index.json" || name == "oci-layout");
            assert!(whole, "{left:?}");
        }
    }
    store(&room, "imgload big.tar")
        .code(0)
        .says("Loaded image: big:1\n");
    room.run("imgverify -q store").ok("");
}

/// A file of random bytes at the end of a tar.
fn noise_layer(noise: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_path("noise").expect("a path");
    header.set_size(noise.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    let mut out = tar::Builder::new(Vec::new());
    out.append(&header, noise).expect("a tar");
    out.into_inner().expect("a tar")
}

/// `imgload a.tar b.tar` was no command, and `-i` could not be given twice.
#[test]
fn several_archives_are_loaded_in_their_order() {
    let room = Room::new();
    room.write("a.tar", &build::docker(&[&app()]).tar());
    room.write("b.tar", &build::oci(&[&tool()]).tar());
    room.write("bad.tar", b"nothing");
    let both = "Loaded image: demo:1\nLoaded image: demo:latest\nLoaded image: tool:2\n";
    store(&room, "imgload --id-file ids a.tar b.tar").ok(both);
    let ids = format!("{}\n{}\n", app().id(), tool().id());
    let written = std::fs::read(room.path("ids")).expect("the file of IDs");
    assert_eq!(written, ids.as_bytes());
    store(&room, "imgload -i a.tar -i b.tar").ok(both);
    let run = store(&room, "imgload a.tar bad.tar b.tar");
    run.code(2).complains("bad.tar: ");
    assert_eq!(run.out(), both);
    store(&room, "imgload --tag x:1 a.tar b.tar")
        .fails("imgload: --tag has no effect with several archives\n");
}
