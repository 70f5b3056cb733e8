//! imgtag, imgrm, imgprune and imgdf as a user runs them.

use crate::common::build::{self, Image};
use crate::common::run::{Output, Room};

fn app() -> Image {
    build::image("demo:1")
        .layer("d etc | f etc/a one")
        .layer("f etc/b two")
}

/// An image that shares its first layer with [`app`].
fn tool() -> Image {
    build::image("tool:2")
        .layer("d etc | f etc/a one")
        .layer("f x hello")
}

fn store(room: &Room, line: &str) -> Output {
    room.command(line).env("IMGKIT_STORE", "store").run()
}

fn loaded() -> Room {
    let room = Room::with("app.tar", &build::oci(&[&app(), &tool()]));
    store(&room, "imgload app.tar").code(0);
    room
}

#[track_caller]
fn names(room: &Room, expected: &str) {
    store(room, "imgls --format '{{.Repository}}:{{.Tag}}'").ok(expected);
    room.run("imgverify -q store").ok("");
}

#[test]
fn tag() {
    let room = loaded();
    store(&room, "imgtag demo:1 other").ok("");
    store(&room, "imgtag demo:1 demo:1").ok("");
    names(&room, "demo:1\nother:latest\ntool:2\n");
    // A tag moves to another image; IDs and archives are accepted, too.
    store(&room, &format!("imgtag {} other", tool().short())).ok("");
    names(&room, "demo:1\ntool:2\nother:latest\n");
    store(&room, "imgtag app.tar:demo:1 fresh:3").ok("");
    store(&room, "imginspect --format '{{.Id}}' fresh:3").ok(&format!("{}\n", app().id()));
    for (line, why) in [
        ("imgtag gone x", "'gone': no such file or image"),
        (
            "imgtag demo:1 X",
            "invalid image reference 'X': a repository name must be in lower case",
        ),
        (
            "imgtag demo:1",
            "the following required arguments were not provided: <NEW>\nhint: see imgtag --help",
        ),
    ] {
        store(&room, line).fails(&format!("imgtag: {why}\n"));
    }
    let digest = app().manifest_digest();
    store(&room, &format!("imgtag demo:1 x@{digest}")).fails(&format!(
        "imgtag: invalid image reference 'x@{digest}': a name with a digest cannot be given to an image\n"
    ));
}

#[test]
fn remove() {
    let room = loaded();
    store(&room, "imgtag demo:1 other").ok("");
    store(&room, "imgrm demo:1").ok("Untagged: demo:1\n");
    store(&room, "imgrm gone other").fails("imgrm: 'gone': no such file or image\n");
    names(&room, "tool:2\nother:latest\n");
    store(&room, "imgtag other:latest more").ok("");
    store(&room, &format!("imgrm {}", app().short())).fails(&format!(
        "imgrm: '{}' has several names (other:latest, more:latest): name one of them, or use --force\n",
        app().short()
    ));
    store(&room, &format!("imgrm --force {}", app().short())).ok(&format!(
        "Untagged: other:latest\nUntagged: more:latest\nDeleted: {}\n",
        app().id()
    ));
    // The layer that the other image needs is kept.
    names(&room, "tool:2\n");
    store(&room, "imgrm tool:2").ok(&format!("Untagged: tool:2\nDeleted: {}\n", tool().id()));
    let blobs = std::fs::read_dir(room.path("store/blobs/sha256")).expect("blobs");
    assert_eq!(blobs.count(), 0);
    Room::new()
        .run("imgrm x")
        .fails("imgrm: 'x': no such file or image\n");
}

#[test]
fn prune() {
    let room = loaded();
    store(&room, "imgprune").fails(
        "imgprune: cannot ask for confirmation without a terminal: use --force, or --dry-run to see what would be removed\n",
    );
    store(&room, "imgprune --force").ok("Total reclaimed space: 0B\n");
    // The tag moves to another image, and the old one becomes untagged.
    store(&room, "imgtag demo:1 tool:2").ok("");
    names(&room, "demo:1\ntool:2\n<none>:<none>\n");
    let size: usize = tool().blobs()[1].len() + tool().config().len() + tool().manifest().len();
    let freed = crate::common::kilobytes(size);
    let gone = tool().id();
    store(&room, "imgprune --dry-run").ok(&format!(
        "Would Delete Images:\nwould delete: {gone}\n\nWould reclaim: {freed}\n"
    ));
    store(&room, "imgprune --force").ok(&format!(
        "Deleted Images:\ndeleted: {gone}\n\nTotal reclaimed space: {freed}\n"
    ));
    names(&room, "demo:1\ntool:2\n");
    store(&room, "imgprune --all --force --filter until=1000000h")
        .ok("Total reclaimed space: 0B\n");
    store(&room, "imgprune --all --force --filter label=x").ok("Total reclaimed space: 0B\n");
    for (filter, why) in [
        (
            "size=1",
            "invalid filter 'size=1': expected until, label or label!",
        ),
        (
            "until=soon",
            "filter 'until=soon': expected a time in RFC 3339, seconds, or an age like 24h",
        ),
    ] {
        store(&room, &format!("imgprune --filter {filter}")).fails(&format!("imgprune: {why}\n"));
    }
    store(
        &room,
        "imgprune --all --force --filter until=1h --filter 'label!=x'",
    )
    .code(0)
    .says("Deleted Images:\nuntagged: demo:1\nuntagged: tool:2\n");
    names(&room, "");
}

#[test]
fn disk_usage() {
    let room = loaded();
    let rows = store(&room, "imgdf --format json").json_lines();
    assert_eq!(
        (&rows[0]["TotalCount"], &rows[0]["Active"]),
        (&"2".into(), &"2".into())
    );
    let sum = |image: &Image| -> usize {
        let blobs: usize = image.blobs().iter().map(Vec::len).sum();
        blobs + image.config().len() + image.manifest().len()
    };
    let shared = app().blobs()[0].len();
    let total = sum(&app()) + sum(&tool()) - shared;
    assert_eq!(rows[0]["SizeBytes"], total);
    let rows = store(&room, "imgdf -v --format json").json_lines();
    assert_eq!(rows[0]["SharedBytes"], shared);
    assert_eq!(rows[1]["UniqueBytes"], sum(&tool()) - shared);
    // The same images in an archive beside it need no further space.
    let rows = room.run("imgdf --format json store app.tar").json_lines();
    assert_eq!(rows[0]["SizeBytes"], total);
    store(&room, "imgdf gone").fails("imgdf: 'gone': no such file or image\n");
}

/// `imgtag --platform` tagged the whole index.
#[test]
fn tag_one_platform_of_an_index() {
    let (amd, arm) = (app(), app().platform("linux/arm64/v8"));
    let room = Room::with("app.tar", &build::multi("demo:1", &[&amd, &arm], &[]));
    store(&room, "imgload app.tar").code(0);
    store(&room, "imgtag --platform linux/arm64 demo:1 arm").ok("");
    let run = store(&room, "imgls --format json arm");
    let rows = run.json_lines();
    assert_eq!(rows.len(), 1, "{run}");
    assert_eq!(rows[0]["ImageID"], arm.id());
    let index = std::fs::read(room.path("store/index.json")).expect("index.json");
    let index: serde_json::Value = serde_json::from_slice(&index).expect("JSON");
    assert_eq!(index["manifests"][1]["digest"], arm.manifest_digest());
    store(&room, "imgtag --platform linux/s390x demo:1 s390x")
        .code(2)
        .complains("no such image 'linux/s390x'");
    // The index is removed, and the image with a tag of its own stays.
    store(&room, "imgrm demo:1").code(0);
    room.run("imgverify -q store").ok("");
    store(&room, "imginspect --format '{{.Architecture}}' arm").ok("arm64\n");
}

#[test]
fn tag_an_image_from_a_pipe() {
    let room = Room::new();
    // Too large for memory.
    let image = app().layer(&format!("f big {}", "x".repeat(100_000)));
    let tar = build::docker(&[&image]).tar();
    let run = room.command("imgtag - mine").pipe(&tar);
    run.env("IMGKIT_STORE", "store").run().ok("");
    store(&room, "imginspect --format '{{.Id}}' mine").ok(&format!("{}\n", image.id()));
    room.run("imgverify -q store").ok("");
}

/// The name before a digest was ignored.
#[test]
fn name_with_a_digest_must_have_that_digest() {
    let room = loaded();
    store(&room, "imgtag demo:1 demo:2").ok("");
    let (demo, tool_id) = (app().manifest_digest(), tool().manifest_digest());
    for (wanted, id) in [
        (format!("demo@{demo}"), app().id()),
        (format!("demo:1@{demo}"), app().id()),
        (format!("docker.io/library/demo:2@{demo}"), app().id()),
        (format!("tool@{tool_id}"), tool().id()),
        (format!("store:tool@{}", tool().id()), tool().id()),
        (format!("@{demo}"), app().id()),
    ] {
        store(
            &room,
            &format!("imginspect --format '{{{{.Id}}}}' {wanted}"),
        )
        .ok(&format!("{id}\n"));
    }
    for wanted in [
        format!("demo@{tool_id}"),
        format!("demo:3@{demo}"),
        format!("nope@{demo}"),
        format!("localhost/demo@{demo}"),
    ] {
        for program in ["imginspect", "imgls", "imgsave", "imgrm"] {
            store(&room, &format!("{program} {wanted}"))
                .fails(&format!("{program}: '{wanted}': no such file or image\n"));
        }
    }
    // All tags of that repository, as in docker.
    store(&room, &format!("imgrm demo@{demo}")).ok(&format!(
        "Untagged: demo:1\nUntagged: demo:2\nDeleted: {}\n",
        app().id()
    ));
    names(&room, "tool:2\n");
}

/// Blobs of a load that was killed before it wrote an index were never found again.
#[test]
fn prune_a_store_without_images() {
    let room = Room::new();
    let blobs = room.path("store/blobs/sha256");
    std::fs::create_dir_all(&blobs).expect("folders");
    let orphan = build::digest(b"orphan");
    std::fs::write(
        room.path(&format!("store/{}", build::blob_name(&orphan))),
        "orphan",
    )
    .expect("a file");
    // A directory without oci-layout may belong to another program.
    store(&room, "imgprune --force").ok("Total reclaimed space: 0B\n");
    room.write("store/oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    std::fs::write(blobs.join(".imgkit-1-2-3"), "half").expect("a file");
    let working = blobs.join(".imgkit-4-5-6");
    std::fs::write(&working, "half").expect("a file");
    let lock = std::fs::File::open(&working).expect("a file");
    lock.lock().expect("a lock");
    store(&room, "imgprune --force").ok("Total reclaimed space: 10B\n");
    // Files of a running program stay.
    let left = |folder| std::fs::read_dir(folder).expect("blobs").count();
    assert_eq!(left(&blobs), 1);
    // Not by closing it: a program that another test starts may hold the same file for a moment.
    lock.unlock().expect("no lock");
    store(&room, "imgprune --force").ok("Total reclaimed space: 4B\n");
    assert_eq!(left(&blobs), 0);
}

#[test]
fn missing_store_is_not_created() {
    let room = Room::new();
    for line in [
        "imgrm x",
        "imgrm --force 000000000000",
        "imgprune --force",
        "imgprune --all --force",
        "imgprune --dry-run",
    ] {
        let code = if line.contains("rm") { 2 } else { 0 };
        for line in [format!("{line} --store nowhere"), line.to_owned()] {
            let output = room.command(&line).env("XDG_DATA_HOME", "data").run();
            output.code(code);
            let left = std::fs::read_dir(room.path(".")).expect("the room").count();
            assert_eq!(left, 0, "{line}\n{output}");
        }
    }
    // A layout without blobs gets no directory for them.
    std::fs::create_dir(room.path("empty")).expect("a folder");
    room.write("empty/oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    room.write("empty/index.json", br#"{"schemaVersion":2,"manifests":[]}"#);
    for how in ["--dry-run", "--force"] {
        room.run(&format!("imgprune {how} --store empty"))
            .code(0)
            .says(": 0B\n");
        assert!(!room.path("empty/blobs").exists(), "{how}");
    }
}
