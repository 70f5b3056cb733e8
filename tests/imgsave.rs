//! imgsave as a user runs it.

use crate::common::build::{self, Image};
use crate::common::foreign;
use crate::common::run::{Output, Room};

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

fn store(room: &Room, line: &str) -> Output {
    room.command(line).env("IMGKIT_STORE", "store").run()
}

fn loaded() -> Room {
    let room = Room::with("app.tar", &build::oci(&[&app(), &tool()]));
    store(&room, "imgload app.tar").code(0);
    room
}

#[track_caller]
fn same(room: &Room, a: &str, b: &str) {
    let read = |name: &str| std::fs::read(room.path(name)).expect(name);
    assert!(read(a) == read(b), "{a} and {b} differ");
}

#[test]
fn archive_to_store_to_archive_keeps_every_byte() {
    let room = loaded();
    store(&room, "imgsave -o a.tar demo tool:2").ok("");
    store(&room, "imgsave -o b.tar a.tar").ok("");
    same(&room, "a.tar", "b.tar");
    room.run("imgload -q --store other a.tar").code(0);
    room.run("imgsave --store other -o c.tar demo tool:2")
        .ok("");
    same(&room, "a.tar", "c.tar");
    let run = store(&room, "imgsave demo tool:2");
    let whole = std::fs::read(room.path("a.tar")).expect("a.tar");
    assert!(
        run.code == Some(0) && run.stdout == whole,
        "the stream differs"
    );
    let ids = "--format '{{.Repository}}:{{.Tag}} {{.ImageID}} {{.Digest}}'";
    let before = room.run(&format!("imgls {ids} app.tar"));
    let after = room.run(&format!("imgls {ids} a.tar"));
    assert_eq!(before.out(), after.out());
    room.run("imgverify -q a.tar").ok("");
}

#[test]
fn formats_and_back() {
    let room = loaded();
    store(&room, "imgsave -o docker.tar demo:1").ok("");
    store(&room, "imgsave --format oci -o oci.tar docker.tar").ok("");
    store(&room, "imgsave -o again.tar oci.tar").ok("");
    same(&room, "docker.tar", "again.tar");
    store(
        &room,
        "imgsave --format docker-legacy -o legacy.tar docker.tar",
    )
    .ok("");
    store(&room, "imgsave --format oci-layout -o layout docker.tar").ok("");
    store(&room, "imgsave --format dir -o dir docker.tar").ok("");
    for archive in ["docker.tar", "oci.tar", "legacy.tar", "layout", "dir"] {
        room.run(&format!("imgls -q {archive}"))
            .ok(&format!("{}\n", app().short()));
        room.run(&format!("imgverify -q {archive}")).ok("");
    }
    let mode = std::fs::metadata(room.path("docker.tar"))
        .expect("a file")
        .permissions();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777,
        0o600
    );
}

#[test]
fn shared_blobs_are_written_once() {
    let room = Room::with("one.tar", &build::docker(&[&app()]));
    room.write("two.tar", &build::oci(&[&tool()]).tar());
    store(&room, "imgsave -o both.tar one.tar two.tar").ok("");
    let tar = std::fs::read(room.path("both.tar")).expect("both.tar");
    let shared = build::digest(&app().blobs()[0]);
    let name = build::blob_name(&shared);
    let mut archive = tar::Archive::new(&tar[..]);
    let members: Vec<String> = archive
        .entries()
        .expect("a tar")
        .map(|entry| String::from_utf8_lossy(&entry.expect("an entry").path_bytes()).into_owned())
        .collect();
    assert_eq!(
        members.iter().filter(|member| **member == name).count(),
        1,
        "{members:?}"
    );
    room.run("imgls -q both.tar")
        .ok(&format!("{0}\n{0}\n{1}\n", app().short(), tool().short()));
}

#[test]
fn names_of_docker_save() {
    let room = loaded();
    let names = "imgls --format '{{.Repository}}:{{.Tag}}' out.tar";
    for (images, kept) in [
        ("demo", "demo:1\ndemo:latest\n"),
        ("demo:latest", "demo:latest\n"),
        ("demo:1 tool:2", "demo:1\ntool:2\n"),
    ] {
        store(&room, &format!("imgsave -o out.tar {images}")).ok("");
        room.run(names).ok(kept);
    }
    store(&room, &format!("imgsave -o out.tar {}", tool().short())).ok("");
    room.run(names).ok("<none>:<none>\n");
    store(&room, "imgsave --name other -o out.tar tool:2").ok("");
    room.run(names).ok("other:latest\n");
}

#[test]
fn same_bytes_with_any_number_of_threads() {
    let room = loaded();
    for compression in ["keep", "none", "gzip", "zstd"] {
        store(
            &room,
            &format!("imgsave -j 1 --compression {compression} -o one.tar demo tool:3"),
        )
        .code(2);
        store(
            &room,
            &format!("imgsave -j 1 --compression {compression} -o one.tar demo tool:2"),
        )
        .ok("");
        store(
            &room,
            &format!("imgsave -j 8 --compression {compression} -o eight.tar demo tool:2"),
        )
        .ok("");
        same(&room, "one.tar", "eight.tar");
        room.run("imgverify -q one.tar").ok("");
    }
}

#[test]
fn bad_usage_and_missing_images() {
    let room = loaded();
    std::fs::create_dir(room.path("full")).expect("a folder");
    room.write("full/file", b"x");
    for (line, why) in [
        (
            "imgsave",
            "the following required arguments were not provided: <IMAGE>...\nhint: see imgsave --help",
        ),
        ("imgsave gone", "'gone': no such file or image"),
        (
            "imgsave -o out.tar gone.tar",
            "gone.tar: cannot open: no such file or directory",
        ),
        (
            "imgsave --format dir demo:1",
            "missing -o: a directory cannot be written to standard output",
        ),
        (
            "imgsave --format oci-layout -o full demo:1",
            "full: cannot create: file exists",
        ),
        (
            "imgsave --format dir -o full demo:1",
            "full: cannot create: file exists",
        ),
        (
            "imgsave --name X -o out.tar demo:1",
            "invalid image reference 'X': a repository name must be in lower case",
        ),
        (
            "imgsave --level 3 -o out.tar demo:1",
            "--level requires --compression gzip or zstd",
        ),
        (
            "imgsave --compression zstd --level 0 -o out.tar demo:1",
            "invalid --level: expected 1 to 22, found 0",
        ),
        (
            "imgsave -o out.tar --platform linux/s390x demo:1",
            "store: no such image 'linux/s390x': available: linux/amd64",
        ),
    ] {
        store(&room, line).fails(&format!("imgsave: {why}\n"));
        assert!(!room.path("out.tar").exists(), "{line}");
    }
    store(&room, "imgsave --name x -o out.tar app.tar")
        .code(2)
        .complains("several images, expected one");
    assert!(!room.path("out.tar").exists());
}

#[test]
fn damaged_input_gives_no_output() {
    let image = app();
    let good = build::oci(&[&image]);
    for blob in image
        .blobs()
        .into_iter()
        .chain([image.config(), image.manifest()])
    {
        let name = build::blob_name(&build::digest(&blob));
        let mut files = good.clone();
        let bytes = files.bytes(&name);
        let middle = bytes.len() / 3;
        bytes[middle] ^= 1;
        let room = Room::with("app.tar", &files);
        for format in ["docker", "oci", "oci-layout", "dir", "docker-legacy"] {
            let run = room.run(&format!("imgsave --format {format} -o out app.tar"));
            assert_eq!((run.code, run.out()), (Some(2), ""), "{run}");
            assert!(run.err().starts_with("imgsave: app.tar: "), "{run}");
            assert!(!room.path("out").exists(), "{run}");
        }
        room.run("imgsave app.tar").code(2);
        let left: Vec<_> = std::fs::read_dir(room.path(""))
            .expect("a folder")
            .flatten()
            .map(|entry| entry.file_name())
            .collect();
        assert_eq!(left, ["app.tar"], "{left:?}");
    }
}

#[test]
fn output_must_not_be_an_input() {
    let room = Room::with("app.tar", &build::docker(&[&app()]));
    let before = std::fs::read(room.path("app.tar")).expect("an archive");
    let why = "app.tar: the output is the input\n";
    room.run("imgsave -o app.tar app.tar")
        .fails(&format!("imgsave: {why}"));
    room.run("imgconvert app.tar oci-archive:app.tar")
        .fails(&format!("imgconvert: {why}"));
    let after = std::fs::read(room.path("app.tar")).expect("an archive");
    assert!(after == before, "it was written to");
}

/// Archive, store, archive, store: blobs and lists of both stores are equal, in every format that can hold the images.
/// Docker, OCI, Docker: the second archive has the bytes of the first.
#[test]
fn archives_of_other_tools_keep_their_digests_on_round_trips() {
    let files = |store: &std::path::Path| {
        let blobs = std::fs::read_dir(store.join("blobs/sha256")).expect("blobs");
        let mut names: Vec<_> = blobs.flatten().map(|entry| entry.file_name()).collect();
        names.sort_unstable();
        names
    };
    for name in [
        "buildah-oci.tar",
        "containerd-docker-types.tar",
        "containerd.tar",
        "docker-buildkit.tar",
        "docker-classic.tar.zst",
        "docker-import.tar",
        "docker-multi.tar",
        "podman-docker.tar",
        "podman-multi.tar",
        "podman-oci.tar",
        "skopeo-dir",
        "skopeo-oci-dir",
        "skopeo-oci-zstd.tar",
        "skopeo-oci.tar",
        "skopeo-zstdchunked.tar",
        "umoci",
    ] {
        let room = Room::new();
        let source = foreign(name);
        let source = source.display();
        room.run(&format!("imgload -q --store one {source}"))
            .code(0);
        room.run("imgverify -q one").code(0);
        let all = room.run("imgls --store one -q --no-trunc --format '{{.Digest}}'");
        assert!(!all.out().is_empty(), "{name}");
        let ids = "--format '{{.Repository}}:{{.Tag}} {{.ImageID}} {{.Digest}}'";
        for format in ["docker", "oci", "oci-layout"] {
            room.run(&format!("imgsave --format {format} -o {format} oci:one"))
                .ok("");
            room.run(&format!("imgload -q --store {format}-store {format}"))
                .code(0);
            assert_eq!(
                files(&room.path(&format!("{format}-store"))),
                files(&room.path("one")),
                "{name} as {format}"
            );
            let before = room.run(&format!("imgls --store one {ids}"));
            let after = room.run(&format!("imgls --store {format}-store {ids}"));
            assert_eq!(before.out(), after.out(), "{name} as {format}");
        }
        room.run(&format!("imgconvert {source} docker-archive:first"))
            .ok("");
        room.run("imgconvert first oci-archive:second").ok("");
        room.run("imgconvert second docker-archive:third").ok("");
        same(&room, "first", "third");
    }
}
