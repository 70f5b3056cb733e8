//! Directories of images, read and written: OCI layouts as zot keeps them, and `dir:` images as skopeo sync writes
//! them. skopeo's opinion: `cross/trees.py`.

use std::os::unix::fs::MetadataExt;

use serde_json::json;

use crate::common::build::{self, Files, Image, blob_name};
use crate::common::run::{Output, Room};

fn app() -> Image {
    build::image("1")
        .layer("d etc | f etc/a one")
        .layer("f etc/b two")
}

fn tool() -> Image {
    build::image("2")
        .layer("d etc | f etc/a one")
        .layer("f x hello")
}

/// A layout of one image that has a bare tag, as zot names it.
fn layout(image: &Image, tag: &str) -> Files {
    let mut files = build::oci(&[image]);
    files.edit("index.json", |index| {
        index["manifests"][0]["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
    });
    files
}

/// `zot` with the repositories `tool` and `team/app`, and the files that zot keeps beside them.
fn zot() -> Room {
    let room = Room::new();
    layout(&app(), "1").write_to(&room.path("zot/team/app"));
    layout(&tool(), "2").write_to(&room.path("zot/tool"));
    std::fs::create_dir_all(room.path("zot/tool/.uploads")).expect("a directory");
    std::fs::create_dir_all(room.path("zot/_trivy/db")).expect("a directory");
    room.write("zot/cache.db", b"bolt");
    room
}

/// `sync` with `dir:` images, as `skopeo sync` writes them with and without `--scoped`, and as they are on FAT.
fn synced() -> Room {
    let room = Room::new();
    build::dir(&app()).write_to(&room.path("sync/app:1"));
    build::dir(&tool()).write_to(&room.path("sync/host.test/team/tool:2"));
    build::dir(&app()).write_to(&room.path("sync/other_3"));
    let digest = tool().manifest_digest();
    build::dir(&tool()).write_to(&room.path(&format!("sync/app@{digest}")));
    room
}

/// Names as imgls shows them.
fn names(run: &Output) -> Vec<String> {
    let lines = run.code(0).json_lines();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let names = lines
        .iter()
        .map(|line| format!("{}:{}", text(&line["Repository"]), text(&line["Tag"])));
    names.collect()
}

#[test]
fn layouts_below_a_directory_are_repositories() {
    let room = zot();
    for tree in ["zot", "layout-tree:zot", "./zot"] {
        let run = room.run(&format!("imgls --format json {tree}"));
        assert_eq!(names(&run), ["team/app:1", "tool:2"], "{tree}");
    }
    for image in ["zot:team/app:1", "layout-tree:zot:team/app:1"] {
        let line = format!("imgexport --format list {image}");
        room.run(&line).code(0).says("etc/b");
    }
    room.run("imginspect --format '{{.Id}}' zot:tool:2")
        .ok(&format!("{}\n", tool().id()));
    room.run("imgverify zot").code(0);
    room.run("imgdiff --stat zot:tool:2 zot:team/app:1").code(1);
    room.run("imgls dir-tree:zot")
        .fails("imgls: zot: not an image archive: no OCI layout or dir: image below it\n");
}

#[test]
fn dir_images_below_a_directory_are_named_by_their_paths() {
    let room = synced();
    let run = room.run("imgls -a --format json sync");
    let mut found = names(&run);
    found.sort();
    assert_eq!(
        found,
        ["app:1", "host.test/team/tool:2", "other:3"],
        "what a digest names has a tag, too"
    );
    room.run("imginspect --format '{{.Id}}' dir-tree:sync:other:3")
        .ok(&format!("{}\n", app().id()));
    // Blobs that several images have are taken once.
    room.run("imgsave -q --format oci -o out.tar sync").code(0);
    let run = room.run("imgls --format json out.tar");
    assert_eq!(run.code(0).json_lines().len(), 3);
    room.run("imgverify out.tar").code(0);
}

/// A directory is a tree only if there is nothing else in it; a search of archives goes on as before.
#[test]
fn other_files_make_it_a_directory_of_archives() {
    let room = zot();
    room.write(
        "zot/more.tar",
        &build::docker(&[&build::image("more:1").layer("f m m")]).tar(),
    );
    let run = room.run("imgls --format json zot");
    assert_eq!(names(&run).len(), 3);
    assert!(names(&run).contains(&"more:1".to_owned()), "{run}");
    // With the prefix the rest is ignored.
    let run = room.run("imgls --format json layout-tree:zot");
    assert_eq!(names(&run), ["team/app:1", "tool:2"]);
    std::fs::remove_file(room.path("zot/more.tar")).expect("removed");
    build::dir(&app()).write_to(&room.path("zot/dir"));
    assert_eq!(
        names(&room.run("imgls --format json layout-tree:zot")).len(),
        2
    );
    assert_eq!(
        names(&room.run("imgls --format json dir-tree:zot")).len(),
        1
    );
    assert_eq!(names(&room.run("imgls --format json zot")).len(), 3);
}

/// A repository may be below another one.
#[test]
fn repositories_are_found_inside_others() {
    let room = zot();
    layout(&app(), "5").write_to(&room.path("zot/tool/inner"));
    let run = room.run("imgls --format json zot");
    assert_eq!(names(&run), ["team/app:1", "tool/inner:5", "tool:2"]);
}

#[test]
fn every_copy_of_a_blob_is_verified() {
    let room = zot();
    layout(&app(), "9").write_to(&room.path("zot/zzz"));
    room.run("imgverify zot").code(0);
    let blob = blob_name(&build::digest(&app().blobs()[0]));
    let path = room.path(&format!("zot/zzz/{blob}"));
    let mut bytes = std::fs::read(&path).expect("a blob");
    bytes[0] ^= 1;
    std::fs::write(&path, &bytes).expect("written");
    let run = room.run("imgverify zot");
    run.code(1)
        .says(&format!("zzz/{blob}: digest mismatch: expected "));
    // The others are read from the first copy.
    room.run("imgexport -o out.tar zot:team/app:1").code(0);
    let first = room.path(&format!("zot/team/app/{blob}"));
    std::fs::write(first, &bytes).expect("written");
    room.run("imgexport -o out.tar zot:team/app:1").code(2);
}

/// Errors named the file inside of its repository only.
#[test]
fn errors_name_the_file_below_the_directory() {
    let image = app();
    let layer = build::digest(&image.blobs()[0]);
    for (room, tree, inside) in [
        (zot(), "zot:team/app:1", "team/app/blobs/sha256/"),
        (synced(), "dir-tree:sync:app:1", "app:1/"),
    ] {
        let top = room.path(
            tree.trim_start_matches("dir-tree:")
                .split(':')
                .next()
                .expect("a path"),
        );
        let damaged = |digest: &str, at: usize, expected: &str| {
            let name = format!("{inside}{}", &digest[7..]);
            let path = top.join(&name);
            let before = std::fs::read(&path).expect("a blob");
            let mut bytes = before.clone();
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes).expect("written");
            for line in [
                "imgsave -q -o out.tar TREE",
                "imgconvert -q TREE oci:out",
                "imgload -q --store store TREE",
                "imgexport -o files.tar TREE",
                "imgpush -q TREE out",
                "imgcommit --squash TREE -o out",
                "imgsave -q --compression zstd -o out.tar TREE",
            ] {
                let run = room.run(&line.replace("TREE", tree));
                run.code(2);
                let place = format!("{name}: {expected}");
                assert!(run.err().contains(&place), "{place}: {run}");
            }
            let run = room.run(&format!("imgverify {tree}"));
            run.code(1).says(&format!("{name}: {expected}"));
            std::fs::write(&path, &before).expect("written");
        };
        // A byte of the first file's header, and one of a document that keeps it valid.
        damaged(&layer, 600, "");
        let config = image.config();
        let at = config.windows(5).position(|bytes| bytes == b"amd64");
        damaged(&image.id(), at.expect("an architecture"), "digest mismatch");
    }
}

#[test]
fn damaged_documents_are_told_and_the_rest_is_read() {
    let room = zot();
    room.write("zot/tool/index.json", b"{");
    let run = room.run("imgls --format json zot");
    assert!(run.err().contains("zot: tool/index.json: "), "{run}");
    assert!(run.out().contains("team/app"), "{run}");
    room.run("imgverify zot").code(1).says("tool/index.json");
    std::fs::remove_file(room.path("zot/tool/index.json")).expect("removed");
    build::fifo(&room.path("zot/tool/index.json"));
    // Without its document a directory is no layout, and with a FIFO it is no directory of images only.
    let run = room.run("imgls --format json layout-tree:zot");
    assert_eq!(names(&run), ["team/app:1"]);
    std::os::unix::fs::symlink("..", room.path("zot/team/loop")).expect("a link");
    let run = room.run("imgls --format json layout-tree:zot");
    assert_eq!(names(&run), ["team/app:1"]);
    room.run("imgls --limit repositories=0 layout-tree:zot")
        .code(2)
        .complains("repositories");
}

#[test]
fn images_are_written_as_layouts_with_bare_tags() {
    let room = Room::new();
    let image = |name| build::image(name).layer("d etc | f etc/a one");
    let one = image("reg.test/team/app:1").layer("f etc/b two");
    let two = image("tool:2").layer("f x hello");
    build::oci(&[&one, &two]).write_to(&room.path("in"));
    room.run("imgconvert -q in layout-tree:out").code(0);
    let index = std::fs::read(room.path("out/team/app/index.json")).expect("an index");
    let index: serde_json::Value = serde_json::from_slice(&index).expect("JSON");
    let annotations = &index["manifests"][0]["annotations"];
    assert_eq!(
        *annotations,
        json!({"org.opencontainers.image.ref.name": "1"})
    );
    assert_eq!(index["manifests"][0]["digest"], one.manifest_digest());
    let run = room.run("imgls --format json out");
    assert!(names(&run).contains(&"team/app:1".to_owned()), "{run}");
    // One file for the layer that both have.
    let blob = blob_name(&build::digest(&one.blobs()[0]));
    let of = |repository: &str| {
        let path = room.path(&format!("out/{repository}/{blob}"));
        std::fs::metadata(path).expect("a blob")
    };
    assert_eq!(of("team/app").ino(), of("library/tool").ino());
    let before = of("library/tool").mtime_nsec();
    room.run("imgconvert -q in layout-tree:out").code(0);
    assert_eq!(of("library/tool").mtime_nsec(), before);
    // A tree is the same after a copy.
    room.run("imgconvert -q out layout-tree:copy").code(0);
    let digests = |tree: &str| {
        room.run(&format!("imgls --digests --no-trunc {tree}"))
            .code(0)
            .out()
            .replace(tree, "")
    };
    assert_eq!(digests("out"), digests("copy"));
    room.run("imgverify out copy").code(0);
    room.write("file", b"");
    room.run("imgconvert in layout-tree:file")
        .fails("imgconvert: file: cannot create: already exists: a file that is not a directory\n");
    room.run("imgconvert in layout-tree:in")
        .fails("imgconvert: in: the output is the input\n");
    build::dir(&one).write_to(&room.path("dir"));
    room.run("imgconvert in layout-tree:dir").fails(
        "imgconvert: dir: cannot create: already exists: an image, not a directory of images\n",
    );
    room.run("imgpush in layout-tree:new").code(2);
    assert!(!room.path("layout-tree:new").exists());
}

#[test]
fn images_are_written_as_dirs_by_name() {
    let room = zot();
    room.run("imgconvert -q zot dir-tree:out").code(0);
    let mut found = names(&room.run("imgls --format json out"));
    found.sort();
    assert_eq!(found, ["team/app:1", "tool:2"]);
    let manifest = std::fs::read(room.path("out/team/app:1/manifest.json")).expect("a manifest");
    assert_eq!(manifest, app().manifest());
    room.run("imgconvert -q zot dir-tree:out").code(0);
    let other = build::image("team/app:1").layer("f x other");
    build::oci(&[&other]).write_to(&room.path("other"));
    let run = room.run("imgconvert -q other dir-tree:out:team/app:1");
    run.fails("imgconvert: out/team/app:1: cannot create: already exists: another image\n");
}

#[test]
fn tags_of_trees_are_changed() {
    for kind in ["layout-tree", "dir-tree"] {
        let room = zot();
        room.run(&format!("imgconvert -q zot {kind}:t")).code(0);
        room.run(&format!("imgtag {kind}:t:tool:2 new/tool:3"))
            .ok("");
        let mut found = names(&room.run("imgls --format json t"));
        found.sort();
        assert_eq!(found, ["new/tool:3", "team/app:1", "tool:2"], "{kind}");
        room.run(&format!("imgrm {kind}:t:tool:2"))
            .ok(&format!("Untagged: tool:2\nDeleted: {}\n", tool().id()));
        room.run(&format!("imgrm {kind}:t:tool:2")).code(2);
        room.run(&format!("imgrm {kind}:t")).code(2);
        room.run("imgverify t").code(0);
        let found = names(&room.run(&format!("imgls --format json {kind}:t")));
        assert_eq!(found, ["new/tool:3", "team/app:1"], "{kind}");
        let run = room.run(&format!("imgprune --all --force {kind}:t"));
        match kind {
            "layout-tree" => {
                run.code(0).says("untagged: team/app:1\n");
            }
            _ => {
                run.code(2);
            }
        }
    }
    // A name in the store is never taken for a directory.
    let room = zot();
    room.run("imgrm zot:tool:2").code(2);
    assert!(room.path("zot/tool/index.json").exists());
}

#[test]
fn images_are_pulled_out_of_trees() {
    let room = zot();
    room.run("imgpull --store store zot:tool:2").code(0);
    room.run("imgload -q --store store layout-tree:zot").code(0);
    let mut found = names(&room.run("imgls --format json --store store"));
    found.sort();
    assert_eq!(found, ["team/app:1", "tool:2"]);
    room.run("imgpush -q zot registry").code(0);
    let mut found = names(&room.run("imgls --format json registry"));
    found.sort();
    assert_eq!(found, ["team/app:1", "tool:2"]);
}

/// All of a tree was saved, loaded, converted and pushed without what was damaged, with exit status 0.
#[test]
fn a_damaged_part_is_not_left_out_of_the_whole() {
    let room = zot();
    room.run("imgpush -q zot registry").code(0);
    let link = "registry/docker/registry/v2/repositories/tool/_manifests/tags/2/current/link";
    room.write(link, b"garbage");
    room.write("zot/tool/index.json", b"{");
    for tree in ["zot", "registry"] {
        for line in [
            "imgsave -q -o out.tar TREE",
            "imgload -q --store store TREE",
            "imgconvert -q TREE oci:out",
            "imgpush -q TREE out",
            "imgpull -q --store store TREE",
            "imgpull -q --store store TREE:tool:2",
            "imgsave -q -o out.tar TREE:tool",
            "imgdf TREE",
        ] {
            let run = room.run(&line.replace("TREE", tree));
            run.code(2);
            let why = if tree == "zot" {
                "tool/index.json"
            } else {
                "current/link"
            };
            assert!(run.err().contains(why), "{run}");
        }
        let prefix = if tree == "zot" { "layout-tree:" } else { "" };
        room.run(&format!("imgtag {prefix}{tree} new:1")).code(2);
        // Other images are read.
        room.run(&format!(
            "imgsave -q -o other.tar --format docker {tree}:team/app"
        ))
        .code(0);
        std::fs::remove_file(room.path("other.tar")).expect("removed");
        room.run(&format!("imgexport -o files.tar {tree}:team/app:1"))
            .code(0);
        room.run(&format!("imginspect {tree}:team/app:1")).code(0);
        room.run(&format!("imgverify -q {tree}:team/app:1")).ok("");
        room.run(&format!("imgpull -q --store pulled {tree}:team/app:1"))
            .code(0);
        for line in ["imggraph TREE", "imginspect TREE", "imgls TREE"] {
            let run = room.run(&line.replace("TREE", tree));
            assert!(run.code != Some(0), "{run}");
        }
    }
    for left in ["out.tar", "out", "store"] {
        assert!(!room.path(left).exists(), "{left}");
    }
}

/// A link in the place of a `dir:` image was followed when the image was removed.
#[test]
fn links_beside_images_are_not_removed_through() {
    let room = Room::new();
    build::dir(&app()).write_to(&room.path("outside"));
    build::dir(&tool()).write_to(&room.path("t/app_1"));
    std::os::unix::fs::symlink("../outside", room.path("t/app:1")).expect("a link");
    room.run("imgrm dir-tree:t:app:1").code(0);
    assert!(room.path("outside/manifest.json").exists());
    assert!(!room.path("t/app_1").exists());
}

/// A link in a tree that somebody else fills may lead anywhere.
#[test]
fn links_in_a_tree_are_not_written_through() {
    let room = zot();
    build::oci(&[&app()]).write_to(&room.path("app"));
    std::fs::create_dir(room.path("elsewhere")).expect("a directory");
    for link in [
        "out",
        "tool/blobs",
        "tool/index.json",
        "tool/oci-layout",
        "tool/blobs/sha256",
    ] {
        let path = room.path("zot").join(link);
        let kept = path.with_file_name("kept");
        let was_there = path.exists();
        if was_there {
            std::fs::rename(&path, &kept).expect("moved");
        }
        std::os::unix::fs::symlink(room.path("elsewhere"), &path).expect("a link");
        let name = if link == "out" { "out/app:1" } else { "tool:1" };
        room.run(&format!("imgconvert -q app layout-tree:zot:{name}"))
            .code(2)
            .complains(&format!("{link}: not a file or directory: a symbolic link"));
        let left = std::fs::read_dir(room.path("elsewhere")).expect("a directory");
        assert_eq!(left.count(), 0, "{link}");
        std::fs::remove_file(&path).expect("removed");
        if was_there {
            std::fs::rename(&kept, &path).expect("moved");
        }
    }
    std::fs::create_dir(room.path("sync")).expect("a directory");
    std::os::unix::fs::symlink(room.path("elsewhere"), room.path("sync/app:1")).expect("a link");
    room.run("imgconvert -q app dir-tree:sync:app:1").code(2);
    let left = std::fs::read_dir(room.path("elsewhere")).expect("a directory");
    assert_eq!(left.count(), 0);
}

/// A damaged blob of the first repository was linked into the next one.
#[test]
fn damaged_blobs_are_not_linked_into_other_repositories() {
    let room = Room::new();
    let image = app();
    build::oci(&[&image]).write_to(&room.path("app"));
    room.run("imgconvert -q app layout-tree:tree:a/one:1")
        .code(0);
    let layer = blob_name(&build::digest(&image.blobs()[0]));
    let first = room.path("tree/a/one").join(&layer);
    let mut bytes = std::fs::read(&first).expect("a blob");
    bytes[600] ^= 1;
    std::fs::write(&first, &bytes).expect("a blob");
    let mut three = build::oci(&[&image]);
    three.edit("index.json", |index| {
        let entry = index["manifests"][0].take();
        let named = ["a/one:1", "b/two:1", "c/three:1"].map(|name| {
            let mut entry = entry.clone();
            entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
            entry
        });
        index["manifests"] = json!(named);
    });
    three.write_to(&room.path("three"));
    room.run("imgconvert -q three layout-tree:tree").code(0);
    for repository in ["b/two", "c/three"] {
        let path = room.path("tree").join(repository).join(&layer);
        let stored = std::fs::read(path).expect("a blob");
        assert_eq!(build::digest(&stored), build::digest(&image.blobs()[0]));
    }
}

/// Those before the damaged one were pruned.
#[test]
fn nothing_is_pruned_from_a_tree_with_a_damaged_part() {
    let room = zot();
    let untagged = room.path("zot/team/app/index.json");
    let index = std::fs::read_to_string(&untagged).expect("the index");
    let index = index.replace("org.opencontainers.image.ref.name", "other");
    std::fs::write(&untagged, index).expect("the index");
    let blobs = || {
        std::fs::read_dir(room.path("zot/team/app/blobs/sha256"))
            .expect("blobs")
            .count()
    };
    let before = blobs();
    room.write("zot/tool/index.json", b"{");
    room.run("imgprune --force layout-tree:zot").code(2);
    assert_eq!(blobs(), before);
    layout(&tool(), "2").write_to(&room.path("zot/tool"));
    room.run("imgprune --force layout-tree:zot").code(0);
    assert_eq!(blobs(), 0);
}
