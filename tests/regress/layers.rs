//! Layers that are not those of the config: shown without hashing, or noticed while they are read.

use std::collections::BTreeMap;
use std::io::Read;

use serde_json::{Value, json};

use crate::common::build::{self, Files, Image, blob_name};
use crate::common::pack::Pack;
use crate::common::run::Room;

/// Three layers of which each replaces `x`, and the second removes `a`: in any other order they give other files.
fn stack(pack: Pack) -> Image {
    build::image("demo:1")
        .layer("f x 1 | f a a")
        .packed(pack)
        .layer("f x 2 | w a | f b b")
        .packed(pack)
        .layer("f x 3 | f c c")
        .packed(pack)
}

/// Changes an image's OCI manifest, and what points to it.
fn edit_manifest(files: &mut Files, image: &Image, edit: impl FnOnce(&mut Value)) {
    let old = image.manifest_digest();
    let mut manifest: Value = serde_json::from_slice(files.get(&blob_name(&old))).expect("JSON");
    edit(&mut manifest);
    let bytes = manifest.to_string().into_bytes();
    files.remove(&blob_name(&old));
    let new = build::digest(&bytes);
    let size = bytes.len();
    files.add(&blob_name(&new), bytes);
    files.edit("index.json", |index| {
        for entry in index["manifests"].as_array_mut().expect("a list") {
            if entry["digest"] == old.as_str() {
                (entry["digest"], entry["size"]) = (new.as_str().into(), size.into());
            }
        }
    });
}

/// Lists the layers in another order: the positions that they had.
fn reorder(order: &[usize]) -> impl FnOnce(&mut Value) + use<> {
    let order = order.to_vec();
    move |manifest| {
        let layers = manifest["layers"].as_array().expect("a list").clone();
        manifest["layers"] = order.iter().map(|&i| layers[i].clone()).collect();
    }
}

/// A change of a manifest.
type Edit = Box<dyn FnOnce(&mut Value)>;

/// The regular files of a tar and their contents.
fn contents(tar: &[u8]) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(tar).entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let path = entry.path().expect("a path").display().to_string();
        let mut text = String::new();
        if entry.header().entry_type().is_file() {
            entry.read_to_string(&mut text).expect("text");
            files.insert(path, text);
        }
    }
    files
}

fn expected() -> BTreeMap<String, String> {
    let files = [("b", "b"), ("c", "c"), ("x", "3")];
    files.map(|(path, text)| (path.into(), text.into())).into()
}

/// docker 25.0.0 listed the layers of several-layer images in another order in the OCI manifest, its release candidates
/// none or with sizes of 7. docker load and skopeo read manifest.json: `x` is "3". `imgexport` of the file gave "2" with
/// status 0, and what imgload and imgsave made of it was damaged.
#[test]
fn manifest_json_is_read_where_the_oci_manifest_contradicts_the_config() {
    for pack in [Pack::Plain, Pack::Gzip, Pack::Zstd] {
        let image = stack(pack);
        let wrong: [(&str, Edit); 4] = [
            ("C, A, B", Box::new(reorder(&[2, 0, 1]))),
            ("C, B, A", Box::new(reorder(&[2, 1, 0]))),
            ("none", Box::new(|manifest| manifest["layers"] = json!([]))),
            (
                "sizes",
                Box::new(|manifest| {
                    for layer in manifest["layers"].as_array_mut().expect("a list") {
                        layer["size"] = 7.into();
                    }
                }),
            ),
        ];
        for (what, edit) in wrong {
            let mut files = build::docker25(&[&image]);
            edit_manifest(&mut files, &image, edit);
            let room = Room::with("i.tar", &files);
            room.write("sound.tar", &build::docker25(&[&image]).tar());
            let warning = "using manifest.json";
            let what = format!("{what}, {pack:?}");

            let run = room.run("imgexport i.tar");
            run.code(0).complains(warning);
            assert_eq!(contents(&run.stdout), expected(), "{what}");
            let tar = files.tar();
            let piped = room.command("imgexport -").pipe(&tar).run();
            piped.code(0).complains(warning);
            assert_eq!(piped.stdout, run.stdout, "{what}");
            files.write_to(&room.path("layout"));
            assert_eq!(
                room.run("imgexport layout").code(0).stdout,
                run.stdout,
                "{what}"
            );
            room.run("imgexport -C out i.tar").code(0);
            assert_eq!(
                std::fs::read(room.path("out/x")).expect("x"),
                b"3",
                "{what}"
            );
            room.run("imgdiff --verify sound.tar i.tar").code(0);
            room.run("imgls i.tar").code(0).complains(warning);
            room.run("imgcommit -q --squash i.tar -o squashed.tar s:1")
                .code(0);
            for line in [
                "imgsave -q -o out.tar i.tar",
                "imgconvert -q --force i.tar oci-archive:out.tar",
            ] {
                room.run(line).code(0).complains(warning);
                room.run("imgverify -q out.tar").code(0);
                let again = room.run("imgexport out.tar");
                assert_eq!(again.code(0).stdout, run.stdout, "{what}: {line}");
            }
            room.run("imgload -q --store store i.tar").code(0);
            room.run("imgverify -q store").code(0);
            let stored = room.run("imgexport --store store demo:1");
            assert_eq!(stored.code(0).stdout, run.stdout, "{what}");
            let squashed = room.run("imgexport squashed.tar");
            assert_eq!(contents(&squashed.stdout), expected(), "{what}");
            // Who asks for the OCI half alone gets no other one.
            room.run("imgexport oci-archive:i.tar").code(2);
            room.run("imgverify -q i.tar").code(1);
        }
    }
}

/// Where manifest.json is wrong as well there is nothing to read.
#[test]
fn two_wrong_halves_are_refused() {
    let image = stack(Pack::Plain);
    let mut files = build::docker25(&[&image]);
    edit_manifest(&mut files, &image, reorder(&[2, 0, 1]));
    files.edit("manifest.json", |items| {
        items[0]["Layers"]
            .as_array_mut()
            .expect("a list")
            .swap(0, 1);
    });
    let room = Room::with("i.tar", &files);
    for line in [
        "imgexport i.tar",
        "imgsave -o out.tar i.tar",
        "imgload --store store i.tar",
    ] {
        room.run(line).code(2).complains("mismatch");
    }
}

/// A right OCI half is read beside a wrong manifest.json, as before.
#[test]
fn a_wrong_manifest_json_beside_a_right_index_is_not_read() {
    let image = stack(Pack::Plain);
    let mut files = build::docker25(&[&image]);
    files.edit("manifest.json", |items| {
        items[0]["Layers"]
            .as_array_mut()
            .expect("a list")
            .swap(0, 1);
    });
    let room = Room::with("i.tar", &files);
    let run = room.run("imgexport i.tar");
    assert_eq!(contents(&run.code(0).stdout), expected());
}

/// Programs that read or pass on what is in layers, on `i.tar`; those that make something make `out`.
const READERS: [&str; 21] = [
    "imgexport i.tar",
    "imgexport -o out i.tar",
    "imgexport -C out i.tar",
    "imgexport --layer 1..2 i.tar",
    "imgexport --layer 2 i.tar",
    "imgexport i.tar x",
    "imgexport --format json i.tar",
    "imgexport --format json --digests i.tar",
    "imgdiff sound.tar i.tar",
    "imgdiff i.tar sound.tar",
    "imgdiff --layers sound.tar i.tar",
    "imgdiff --waste i.tar",
    "imgcommit --squash i.tar -o out s:1",
    "imgcommit --base i.tar -o out root.tar s:1",
    "imghistory --dockerfile i.tar",
    "imghistory --dockerfile --extract out i.tar",
    "imgsave -o out i.tar",
    "imgconvert i.tar oci-archive:out",
    "imgconvert i.tar oci:out",
    "imgconvert i.tar dir:out",
    "imgload --store out i.tar",
];

/// Every reader of `i.tar` ends with 2, says what, and leaves nothing behind.
#[track_caller]
fn all_refuse(room: &Room, why: &str, except: &[&str]) {
    room.write("root.tar", &build::layer("f x 3 | f new new"));
    for line in READERS.iter().filter(|line| !except.contains(line)) {
        let run = room.run(line);
        run.code(2).complains(why);
        assert!(!room.path("out").exists(), "left behind\n{run}");
        let left = std::fs::read_dir(room.path("")).expect("a directory");
        for entry in left.flatten() {
            let name = entry.file_name();
            assert!(
                !name.to_string_lossy().starts_with(".imgkit"),
                "{name:?}\n{run}"
            );
        }
    }
}

/// No hash is needed to see it: the digest of an uncompressed layer is its diff ID. All gave other files, or passed them
/// on, with status 0; imgdiff against the right image said "same digest".
#[test]
fn uncompressed_layers_in_another_order_than_the_diff_ids_are_refused() {
    let image = stack(Pack::Plain);
    let mut files = build::oci(&[&image]);
    edit_manifest(&mut files, &image, reorder(&[1, 0, 2]));
    let room = Room::with("i.tar", &files);
    room.write("sound.tar", &build::oci(&[&image]).tar());
    all_refuse(&room, "mismatch", &[]);

    // A media type that lies is no way around it.
    let mut files = build::oci(&[&image]);
    edit_manifest(&mut files, &image, |manifest| {
        reorder(&[1, 0, 2])(manifest);
        for layer in manifest["layers"].as_array_mut().expect("a list") {
            layer["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip".into();
        }
    });
    let room = Room::with("i.tar", &files);
    room.write("sound.tar", &build::oci(&[&image]).tar());
    all_refuse(&room, "mismatch", &[]);
}

/// `x` was "evil content" in what `imgcommit --squash` made of an archive in which "good content" had been changed, and
/// nothing showed it any more; imgexport gave it, too.
#[test]
fn a_changed_uncompressed_layer_is_not_squashed_or_exported() {
    let image = build::image("demo:1")
        .layer("f x good content")
        .layer("f y y");
    for mut files in [
        build::docker(&[&image]),
        build::oci(&[&image]),
        build::docker25(&[&image]),
    ] {
        let room = Room::new();
        room.write("sound.tar", &files.tar());
        let names = files.names();
        let changed = names.iter().find(|name| {
            let bytes = files.get(name);
            bytes.windows(12).any(|part| part == b"good content")
        });
        let bytes = files.bytes(changed.expect("the layer"));
        let at = bytes
            .windows(12)
            .position(|part| part == b"good content")
            .expect("it");
        bytes[at..at + 4].copy_from_slice(b"evil");
        room.write("i.tar", &files.tar());
        // What reads headers alone, or single files, says so in its man page and verifies when asked.
        let headers = [
            "imgexport i.tar x",
            "imgexport --format json i.tar",
            "imgexport --layer 2 i.tar",
            "imgdiff sound.tar i.tar",
            "imgdiff i.tar sound.tar",
            "imgdiff --layers sound.tar i.tar",
            "imgdiff --waste i.tar",
            "imghistory --dockerfile i.tar",
        ];
        all_refuse(&room, "mismatch", &headers);
        for line in [
            "imgexport --verify i.tar x",
            "imgexport --verify --format json i.tar",
            "imgdiff --verify sound.tar i.tar",
            "imgdiff --verify --waste i.tar",
        ] {
            room.run(line).code(2).complains("mismatch");
        }
        // The reader of a stream sees all of it, and the exit status tells.
        room.command("imgexport -").pipe(&files.tar()).run().code(2);
    }
}

/// A layer of no bytes whose diff ID is that of a tar with files gave an empty tree, and was passed on.
#[test]
fn a_layer_of_no_bytes_is_no_layer_with_files() {
    let plain = stack(Pack::Plain);
    let gzip = stack(Pack::Gzip);
    let mut docker = build::docker(&[&plain]);
    let member = docker
        .names()
        .into_iter()
        .find(|name| name.ends_with("/layer.tar"))
        .expect("a layer");
    docker.put(&member, "");
    let stated = |image: &Image, gzipped: bool| {
        let mut files = build::oci(&[image]);
        files.put(&blob_name(&build::digest(b"")), "");
        edit_manifest(&mut files, image, |manifest| {
            let layer = &mut manifest["layers"][1];
            layer["digest"] = build::digest(b"").into();
            layer["size"] = 0.into();
            if gzipped {
                layer["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip".into();
            }
        });
        files
    };
    let mut v1 = build::v1(&[&plain]);
    let member = v1
        .names()
        .into_iter()
        .find(|name| name.ends_with("/layer.tar"))
        .expect("a layer");
    v1.put(&member, "");
    for files in [
        docker,
        stated(&plain, false),
        stated(&plain, true),
        stated(&gzip, true),
    ] {
        let room = Room::with("i.tar", &files);
        room.write("sound.tar", &build::oci(&[&plain]).tar());
        all_refuse(&room, "mismatch", &[]);
        room.run("imgverify -q i.tar").code(1);
    }
    let room = Room::with("i.tar", &v1);
    for line in [
        "imgexport i.tar",
        "imgexport -C out i.tar",
        "imgexport --format json i.tar",
    ] {
        room.run(line).code(2).complains("truncated");
    }
}

/// docker load takes a layer of no bytes whose diff ID says so (moby, TestLoadZeroSizeLayer): it has no entries.
#[test]
fn a_layer_of_no_bytes_with_the_diff_id_of_no_bytes_is_empty() {
    let image = build::image("demo:1")
        .layer("f a a")
        .layer_bytes(Vec::new());
    for files in [build::docker(&[&image]), build::oci(&[&image])] {
        let run = Room::with("i.tar", &files).run("imgexport i.tar");
        assert_eq!(contents(&run.code(0).stdout).len(), 1);
    }
}

/// The store had the blobs from before, so nothing of the damaged archive was looked at, and it was "loaded".
#[test]
fn a_damaged_archive_is_refused_by_a_store_that_has_its_blobs() {
    for pack in [Pack::Plain, Pack::Gzip] {
        let image = stack(pack);
        for sound in [build::docker(&[&image]), build::oci(&[&image])] {
            let room = Room::with("sound.tar", &sound);
            room.run("imgload -q --store store sound.tar").code(0);
            room.run("imgload -q --store store sound.tar").code(0);
            let mut files = sound.clone();
            let largest = |name: &String| files.get(name).len();
            let layer = files
                .names()
                .into_iter()
                .max_by_key(largest)
                .expect("a layer");
            let bytes = files.bytes(&layer);
            let at = bytes.len() / 2;
            bytes[at] ^= 1;
            room.write("i.tar", &files.tar());
            room.run("imgload -q --store store i.tar").code(2);
            room.run("imgconvert -q i.tar store:other:1").code(2);
            room.run("imgverify -q store").code(0);
            room.run("imgls -q --store store other:1").code(2);
        }
    }
}

/// `blobs/sha256/` and the mark of a layout stayed behind.
#[test]
fn a_failed_load_leaves_no_new_store_behind() {
    let image = stack(Pack::Plain);
    let mut files = build::oci(&[&image]);
    files.bytes(&blob_name(&image.diff_ids()[1]))[600] ^= 1;
    let room = Room::with("i.tar", &files);
    let tar = files.tar();
    room.run("imgload --store store i.tar").code(2);
    assert!(!room.path("store").exists());
    room.command("imgload --store store -")
        .pipe(&tar)
        .run()
        .code(2);
    assert!(!room.path("store").exists());
    room.run("imgload --store store nowhere.tar").code(2);
    assert!(!room.path("store").exists());
    room.run("imgconvert i.tar store:demo:2").code(2);
    // What was there before stays.
    std::fs::create_dir(room.path("store")).expect("a directory");
    room.run("imgload --store store i.tar").code(2);
    assert!(room.path("store").exists());
    assert!(!room.path("store/blobs").exists());
}

/// A cached index of a layer says nothing of another one under its diff ID.
#[test]
fn a_cache_does_not_hide_that_layers_are_others() {
    for pack in [Pack::Plain, Pack::Gzip, Pack::Zstd] {
        let image = stack(pack);
        let room = Room::with("sound.tar", &build::oci(&[&image]));
        room.run("imgexport --cache cache sound.tar").code(0);
        let mut files = build::oci(&[&image]);
        edit_manifest(&mut files, &image, reorder(&[1, 0, 2]));
        room.write("i.tar", &files.tar());
        for line in [
            "imgexport --cache cache i.tar",
            "imgexport --cache cache --format json i.tar",
            "imgexport --cache cache i.tar x",
            "imgdiff --cache cache --verify sound.tar i.tar",
        ] {
            room.run(line).code(2).complains("mismatch");
        }
    }
}

/// With compressed layers in each other's place the sizes contradict the OCI half, and manifest.json states none: what
/// lies below `blobs/` is compared with its name all the same.
#[test]
fn exchanged_blobs_are_refused_whichever_half_is_read() {
    for pack in [Pack::Plain, Pack::Gzip, Pack::Zstd] {
        let image = stack(pack);
        let mut files = build::docker25(&[&image]);
        let [one, other] = [0, 1].map(|i| blob_name(&build::digest(&image.blobs()[i])));
        let (first, second) = (files.get(&one).to_vec(), files.get(&other).to_vec());
        files.put(&one, second).put(&other, first);
        let room = Room::with("i.tar", &files);
        for line in [
            "imgexport i.tar",
            "imgexport -C out i.tar",
            "imgsave -o out i.tar",
            "imgconvert i.tar dir:out",
            "imgcommit --squash i.tar -o out s:1",
            "imgload --store out i.tar",
            "imgload --store out docker-archive:i.tar",
        ] {
            room.run(line).code(2).complains("mismatch");
            assert!(!room.path("out").exists(), "{line}");
        }
        let tar = files.tar();
        room.command("imgload --store out -")
            .pipe(&tar)
            .run()
            .code(2);
        assert!(!room.path("out").exists());
    }
}

/// A config below `blobs/` that manifest.json alone leads to was another image without a word.
#[test]
fn a_changed_config_below_blobs_is_refused() {
    let image = stack(Pack::Plain);
    let mut files = build::docker25(&[&image]);
    let config = files.bytes(&blob_name(&image.id()));
    let at = config
        .windows(6)
        .position(|part| part == b"/bin/s")
        .expect("it");
    config[at + 5] = b'z';
    let room = Room::with("i.tar", &files);
    for line in [
        "imginspect i.tar",
        "imgexport i.tar",
        "imgsave -o out i.tar",
        "imgexport docker-archive:i.tar",
    ] {
        room.run(line).code(2);
    }
}

/// Only the image's own manifest was looked at, and with a byte of the index changed another platform was the host's.
#[test]
fn an_image_below_a_damaged_index_is_refused() {
    let images =
        ["linux/amd64", "linux/arm64"].map(|platform| stack(Pack::Plain).platform(platform));
    let mut files = build::multi("demo:1", &[&images[0], &images[1]], &[]);
    let index = files
        .names()
        .into_iter()
        .find(|name| {
            name.starts_with("blobs/")
                && String::from_utf8_lossy(files.get(name)).contains("\"manifests\"")
        })
        .expect("the index");
    let text = String::from_utf8_lossy(files.get(&index)).replacen("amd64", "amd65", 1);
    files.put(&index, text);
    let room = Room::with("i.tar", &files);
    for line in [
        "imgexport i.tar",
        "imgexport --platform linux/arm64 i.tar",
        "imgsave -o out i.tar",
    ] {
        room.run(line).code(2).complains("digest mismatch");
    }
}

/// A blob that another image had brought already was not looked at again: with two layers of the second image exchanged
/// in manifest.json, imgload and imgsave ended with 0 and wrote a manifest with wrong sizes.
#[test]
fn layers_that_two_images_share_are_compared_for_both() {
    let first = stack(Pack::Plain);
    let second = build::image("demo:2")
        .layer("f x 1 | f a a")
        .layer("f x 2 | w a | f b b");
    let mut files = build::docker(&[&first, &second]);
    files.edit("manifest.json", |items| {
        items[1]["Layers"]
            .as_array_mut()
            .expect("a list")
            .swap(0, 1);
    });
    let room = Room::with("i.tar", &files);
    let tar = files.tar();
    for line in ["imgload --store out", "imgsave -o out"] {
        room.run(&format!("{line} i.tar"))
            .code(2)
            .complains("mismatch");
        assert!(!room.path("out").exists(), "{line}");
        let piped = room.command(&format!("{line} -")).pipe(&tar).run();
        piped.code(2).complains("mismatch");
        assert!(!room.path("out").exists(), "{line}");
    }
}

/// A listed image whose manifest is not in the archive went on as a name that leads to nothing: imgload said that it was
/// loaded, imgsave and imgconvert ended with 0. skopeo: "no such file or directory". An index that lacks some of its
/// platforms is passed on with the others.
#[test]
fn listed_images_without_a_manifest_are_refused() {
    let app = |name: &str| build::image(name).layer(&format!("f {name} x"));
    let (one, two) = (app("a:1"), app("b:1").layer("f b b"));
    let digests = |files: &Files, name: &str| -> Vec<String> {
        let index: Value = serde_json::from_slice(files.get(name)).expect("JSON");
        let entries = index["manifests"].as_array().expect("a list");
        let digest = |entry: &Value| {
            entry["digest"]
                .as_str()
                .expect("a digest")
                .replace(':', "/")
        };
        entries
            .iter()
            .map(|entry| format!("blobs/{}", digest(entry)))
            .collect()
    };
    let mut files = build::oci(&[&one, &two]);
    let first = digests(&files, "index.json").remove(0);
    files.remove(&first);
    let platforms = [
        app("c:1").platform("linux/amd64"),
        app("d:1").platform("linux/arm64"),
    ];
    let platforms: Vec<&Image> = platforms.iter().collect();
    let sparse = build::multi("demo:1", &platforms, &[]);
    let index = digests(&sparse, "index.json").remove(0);
    let children = digests(&sparse, &index);
    let mut hollow = sparse.clone();
    for child in &children {
        hollow.remove(child);
    }
    for (files, is_folder) in [
        (&files, false),
        (&files, true),
        (&hollow, false),
        (&hollow, true),
    ] {
        let room = Room::new();
        match is_folder {
            true => files.write_to(&room.path("i")),
            false => room.write("i", &files.tar()),
        }
        for line in [
            "imgload -q --store out ./i",
            "imgsave -q -o out ./i",
            "imgconvert -q ./i oci:out",
            "imgconvert -q ./i:@0 oci-archive:out",
            "imgtag --store out ./i:@0 x:1",
        ] {
            room.run(line).code(2).complains(" is not in the archive\n");
            assert!(!room.path("out").exists(), "{line}");
        }
        let run = room
            .command("imgload -q --store out -")
            .pipe(&files.tar())
            .run();
        run.code(2).complains(" is not in the archive\n");
        assert!(!room.path("out").exists(), "{run}");
    }
    // The other image is whole, and so is the other platform.
    let room = Room::with("i", &files);
    room.run("imgsave -q -o out ./i:b:1").code(0);
    room.run("imgverify -q out").code(0);
    let mut sparse = sparse;
    sparse.remove(&children[1]);
    let room = Room::with("i", &sparse);
    room.run("imgsave -q -o out ./i").code(0);
    room.run("imgexport --platform linux/amd64 --format json ./out c:1")
        .code(0);
}

/// A load of a directory in which there is no image left a new store behind.
#[test]
fn a_failed_load_of_a_directory_leaves_no_new_store_behind() {
    let room = Room::new();
    std::fs::create_dir(room.path("i")).expect("a directory");
    room.write("i/version", b"Directory Transport Version: 1.1\n");
    room.run("imgload --store store ./i").code(2);
    assert!(!room.path("store").exists());
}
