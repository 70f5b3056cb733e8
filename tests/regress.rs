//! Bugs that were there once; by kind in the modules, the older ones here.

mod consistency;
mod convert;
mod diff;
mod dockerfile;
mod documents;
mod interrupts;
mod layers;
mod manners;
mod options;
mod pages;
mod schema;
mod store;
mod tree;

use serde_json::json;

use crate::common::build;
use crate::common::pack::Pack;
use crate::common::run::{OPENING, Room, on};

/// clap took `-:REF` for an option, so no image of several could be chosen on standard input.
#[test]
fn one_of_several_images_on_standard_input() {
    let (app, tool) = (
        build::image("demo:1"),
        build::image("tool:2").layer("f a b"),
    );
    let tar = build::docker(&[&app.layer("f a a"), &tool]).tar();
    let room = Room::new();
    room.command("imghistory -:tool:2 --format '{{.ID}} {{.CreatedBy}}'")
        .pipe(&tar)
        .run()
        .ok(&format!("{} COPY layer 1 /\n", tool.short()));
    room.command("imgls -:")
        .pipe(&tar)
        .run()
        .fails("imgls: missing reference after ':'\n");
}

/// A store that was named was an error where it is missing; the default one was empty.
#[test]
fn a_store_that_is_missing_is_empty() {
    let room = Room::new();
    room.run("imgls --store nowhere")
        .ok("REPOSITORY   TAG       IMAGE ID   CREATED   SIZE\n");
    room.run("imgls --store nowhere demo")
        .fails("imgls: 'demo': no such file or image\n");
    room.write("file", b"");
    room.run("imgls --store file")
        .fails("imgls: file: cannot open: not a directory\n");
}

/// Steps without a layer showed `<no value>` in two columns.
#[test]
fn steps_without_a_layer_leave_the_columns_of_layers_empty() {
    let app = build::image("demo:1").layer("f a a").step("CMD x");
    let diff_id = &app.diff_ids()[0][..19];
    let wide = " ".repeat(3);
    Room::with("app.tar", &build::docker(&[&app]))
        .run("imghistory --layers app.tar")
        .ok(&format!(
            "IMAGE          CREATED      CREATED BY       SIZE      COMMENT   LAYER     DIFF ID\n\
             {}   2 days ago   CMD x            0B\n\
             <missing>      2 days ago   COPY layer 1 /   1B     {wide}          1         {diff_id}\n",
            app.short()
        ));
}

/// Two messages of imgverify showed platforms as they were written.
#[test]
fn platforms_in_findings_are_escaped() {
    let app = build::image("demo:1").layer("f a a");
    let files = build::multi("demo:1", &[&app], &["linux/\u{1b}[2J"]);
    let room = Room::with("absent.tar", &files);
    room.run("imgverify absent.tar")
        .code(0)
        .says("(linux/\\x1b[2J) is not in the archive: it is sparse");
    let mut files = build::oci(&[&app]);
    files.edit("index.json", |index| {
        index["manifests"][0]["platform"] = json!({"os": "li\nnux", "architecture": "amd64"});
    });
    Room::with("app.tar", &files)
        .run("imgverify app.tar")
        .code(0)
        .says("the index says li\\nnux/amd64, the config linux/amd64 [platform]");
}

/// In a folder every layer was read twice, as a layer and as a blob, and counted twice.
#[test]
fn imgverify_reads_the_layers_of_a_folder_once() {
    let app = build::image("demo:1").layer("f a a").layer("f b b");
    let room = Room::new();
    build::oci(&[&app]).write_to(&room.path("layout"));
    room.write("app.tar", &build::oci(&[&app]).tar());
    let folder = room.run("imgverify layout");
    folder.ok(&room
        .run("imgverify app.tar")
        .out()
        .replace("app.tar", "layout"));
    folder.says(" 2 layers, ");
}

/// Findings of layers came in the order of their digests.
#[test]
fn findings_of_layers_come_from_the_base_upward() {
    let mut app = build::image("demo:1");
    for number in 0..8 {
        app = app.layer(&format!("f /a {number}"));
    }
    for files in [build::docker(&[&app]), build::oci(&[&app])] {
        let run = Room::with("app.tar", &files).run("imgverify app.tar");
        let lines = run.out().lines().filter(|line| line.starts_with("note: "));
        let order: Vec<String> = lines
            .map(|line| line.split(": ").nth(2).unwrap_or_default().to_owned())
            .collect();
        let expected: Vec<String> = (1..=8).map(|i| format!("layer {i} of 8")).collect();
        assert_eq!(order, expected, "{run}");
    }
}

/// Only a warning was given, so an archive that had lost its last members was sound.
#[test]
fn an_archive_cut_between_two_members_is_damaged() {
    let tar = build::docker(&[&build::image("demo:1").layer("f a a")]).tar();
    let room = Room::new();
    // What is cut off is `repositories`, without which the archive would do, and the end marker.
    room.write("cut.tar", &tar[..tar.len() - 1024 - 1024]);
    room.run("imgverify cut.tar").code(1).says(
        "error: cut.tar: the archive ends without its end marker: it was cut short [truncated]\n",
    );
}

/// A lone document of both kinds was called no image at all.
#[test]
fn a_lone_document_of_both_kinds_is_ambiguous() {
    let room = Room::new();
    room.write(
        "both.json",
        br#"{"schemaVersion":2,"manifests":[],"layers":[],"config":{}}"#,
    );
    room.run("imgls both.json")
        .code(2)
        .complains("both.json: ambiguous: ");
}

/// Nothing behind the end marker was read: neither the checksum of a packed archive nor a second archive.
#[test]
fn archives_are_read_to_their_very_end() {
    let tar = build::docker(&[&build::image("demo:1").layer("f a a")]).tar();
    for pack in Pack::ALL {
        let mut packed = pack.pack(&tar);
        let last = packed.len() - 1;
        packed.truncate(last);
        let room = Room::new();
        room.write("cut", &packed);
        for (_, line) in OPENING {
            room.run(&on(line, "cut"))
                .code(2)
                .complains("cut: damaged ");
        }
    }
    let room = Room::new();
    room.write("two.tar", &[&tar[..], &tar[..]].concat());
    let line = format!(
        "entries follow the tar's end marker, at byte {}; some readers read on [entries-after-end]\n",
        tar.len()
    );
    room.run("imgverify two.tar").code(0).says(&line);
    let bytes = [&tar[..], &tar[..]].concat();
    room.command("imgverify -")
        .pipe(&bytes)
        .run()
        .code(0)
        .says(&line);
}

/// What stopped the decoder was lost on the way, and the archive was called cut short.
#[test]
fn a_limit_that_stops_a_packed_archive_is_said() {
    use imgkit::Fault;
    use imgkit::archive::Open;
    use imgkit::blob::DecodeLimits;
    use imgkit::layer::Limits;

    let tar = build::docker(&[&build::image("demo:1").layer("z zeros 4000000")]).tar();
    let room = Room::new();
    let decode = DecodeLimits {
        size: 1 << 20,
        ..DecodeLimits::default()
    };
    let limits = Limits {
        decode,
        ..Limits::default()
    };
    for pack in Pack::ALL {
        room.write("packed", &pack.pack(&tar));
        let open = Open {
            limits,
            ..Open::default()
        };
        let error = open.path(&room.path("packed")).expect_err("a bomb");
        assert!(
            matches!(
                error.fault(),
                Fault::Limit {
                    limit: 1_048_576,
                    ..
                }
            ),
            "{error}"
        );
    }
}

/// `Parent` was looked for in the config alone, where docker no longer writes it.
#[test]
fn the_parent_that_manifest_json_states_is_shown() {
    let (base, app) = (
        build::image("base:1").layer("f a a"),
        build::image("demo:1").layer("f a a").layer("f b b"),
    );
    let mut files = build::docker(&[&base, &app]);
    files.edit("manifest.json", |items| {
        items[1]["Parent"] = json!(base.id())
    });
    let room = Room::with("app.tar", &files);
    let line = "imginspect --format '{{.Parent}}'";
    room.run(&format!("{line} app.tar:demo:1"))
        .ok(&format!("{}\n", base.id()));
    room.run(&format!("{line} app.tar:base:1")).ok("\n");
}

#[test]
fn a_hard_link_to_what_went_away_with_its_folder_has_no_size() {
    let gone = "z d/a 123 | z d 1 | h x d/a";
    let room = Room::with(
        "app.tar",
        &build::oci(&[&build::image("demo:1").layer(gone)]),
    );
    room.run("imginspect -f '{{.Size}}' app.tar").ok("1\n");
}

// ------------------------------------------------------------------------------------------------- imgverify, fooled

fn pair() -> (build::Image, build::Image) {
    let app = build::image("demo:1").layer("f a one").layer("f b two");
    (app, build::image("tool:2").layer("f c three"))
}

/// What imgverify finds: exit status, and the codes of all errors and warnings.
fn verdict(files: &build::Files) -> (i32, Vec<String>) {
    let room = Room::with("app.tar", files);
    let run = room.run("imgverify --json app.tar");
    let codes = run
        .json_lines()
        .into_iter()
        .filter(|line| line["Severity"] == "error" || line["Severity"] == "warning")
        .map(|line| line["Code"].as_str().expect("a code").to_owned())
        .collect();
    (run.code.expect("a status"), codes)
}

#[track_caller]
fn damaged(files: &build::Files, code: &str) {
    let (status, codes) = verdict(files);
    assert!(
        status == 1 && codes.iter().any(|c| c == code),
        "{status} {codes:?}, not {code}"
    );
}

/// Of the layers in manifest.json that are no blobs only the first one was compared.
#[test]
fn every_layer_of_the_docker_half_is_verified() {
    let (app, tool) = pair();
    let mut files = build::docker25(&[&app]);
    files.add("l0", app.blobs()[0].as_slice());
    files.add("l1", tool.blobs()[0].as_slice());
    files.edit("manifest.json", |m| m[0]["Layers"] = json!(["l0", "l1"]));
    files.remove("repositories");
    damaged(&files, "halves-disagree");
    files.remove("l1");
    damaged(&files, "member-absent");
    files.add("l1", app.blobs()[1].as_slice());
    assert_eq!(verdict(&files), (0, vec![]));
}

/// A second item with the same config was never looked at.
#[test]
fn two_items_of_one_config_have_the_same_layers() {
    let (app, tool) = pair();
    let mut files = build::docker(&[&app]);
    files.remove("repositories");
    files.add("x", tool.blobs()[0].as_slice());
    files.edit("manifest.json", |m| {
        let mut item = m[0].clone();
        item["RepoTags"] = json!(["evil:1"]);
        item["Layers"][1] = json!("x");
        m.as_array_mut().expect("items").push(item);
    });
    damaged(&files, "ambiguous");
    files.remove("x");
    damaged(&files, "member-absent");
}

/// Total loss below an index was called sparse, and hid what other images had lost.
#[test]
fn an_archive_without_a_whole_image_is_not_sparse() {
    let (app, tool) = pair();
    let gone = build::multi("demo:1", &[&app], &["linux/s390x"]);
    let mut files = gone.clone();
    files.remove(&build::blob_name(&app.manifest_digest()));
    damaged(&files, "blob-absent");
    let mut files = gone.clone();
    for id in app.diff_ids() {
        files.remove(&build::blob_name(&id));
    }
    damaged(&files, "blob-absent");
    // One image of the index is hollow, which is allowed; another one, beside the index, has lost its config.
    let mut files = build::multi("demo:1", &[&app, &tool], &[]);
    for blob in [&tool.id(), &tool.diff_ids()[0]] {
        files.remove(&build::blob_name(blob));
    }
    assert_eq!(verdict(&files).0, 0);
    let other = build::image("other:1").layer("f a one");
    let manifest = other.manifest();
    files.add(
        &build::blob_name(&other.manifest_digest()),
        manifest.clone(),
    );
    files.edit("index.json", |index| {
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let entry = build::descriptor(kind, &manifest);
        index["manifests"]
            .as_array_mut()
            .expect("a list")
            .push(entry);
    });
    let room = Room::with("app.tar", &files);
    room.run("imgverify app.tar").code(1).says(&format!(
        "config: blob {} is not in the archive [blob-absent]",
        other.id()
    ));
}

/// An image of an index that lacked only its own layers, beside a complete image with which it shares others, was called
/// damaged; one that had kept some of its own was loaded and saved.
#[test]
fn a_sparse_image_lacks_all_layers_of_its_own() {
    let base = || build::image("demo:1").layer("f base same");
    let here = base().layer("f a here").platform("linux/amd64");
    let other = base().layer("f b one").layer("f c two");
    let other = other.platform("linux/arm64");
    let own = &other.diff_ids()[1..];
    let mut files = build::multi("demo:1", &[&here, &other], &[]);
    files.remove(&build::blob_name(&own[0]));
    damaged(&files, "blob-absent");
    let room = Room::with("i", &files);
    for line in [
        "imgload -q --store out ./i",
        "imgsave -q -o out ./i",
        "imgconvert -q ./i oci:out",
    ] {
        let run = room.run(line);
        run.code(2).complains("layer 2 of 3: blob ");
        assert!(!room.path("out").exists(), "{run}");
    }
    files.remove(&build::blob_name(&own[1]));
    let room = Room::with("i", &files);
    room.run("imgverify i").code(0).says("it is sparse");
    room.run("imgsave -q -o out ./i").code(0);
    room.run("imgverify -q out").code(0);
    room.run("imgload -q --store store ./i").code(0);
    room.run("imgverify -q ./store").code(0);
}

/// Names were compared within manifest.json only.
#[test]
fn one_name_is_one_image() {
    let (app, tool) = pair();
    let mut files = build::docker25(&[&app, &tool]);
    files.remove("repositories");
    files.edit("manifest.json", |m| {
        m[0]["RepoTags"] = json!(["tool:2"]);
        m[1]["RepoTags"] = json!(["demo:1"]);
    });
    damaged(&files, "halves-disagree");
    let mut files = build::oci(&[&app, &tool]);
    files.edit("index.json", |index| {
        index["manifests"][1]["annotations"] = index["manifests"][0]["annotations"].clone();
        index["manifests"][1]["platform"].take();
    });
    damaged(&files, "duplicate-name");
    let mut files = build::oci(&[&app]);
    files.edit("index.json", |index| {
        let entry = index["manifests"][0].clone();
        index["manifests"]
            .as_array_mut()
            .expect("a list")
            .push(entry);
    });
    assert_eq!(verdict(&files), (0, vec![]));
}

/// Only the first descriptor of a blob was compared with it, and inline data only where there was no blob.
#[test]
fn every_descriptor_is_checked() {
    let (app, _) = pair();
    let mut files = build::oci(&[&app]);
    files.edit("index.json", |index| {
        let mut entry = index["manifests"][0].clone();
        entry["size"] = json!(7);
        index["manifests"]
            .as_array_mut()
            .expect("a list")
            .push(entry);
    });
    damaged(&files, "size-mismatch");
    let mut files = build::oci(&[&app]);
    files.edit("index.json", |index| {
        index["manifests"][0]["data"] = json!("e30=")
    });
    damaged(&files, "size-mismatch");
    let mut files = build::oci(&[&app]);
    let big = vec![b'z'; 5 << 20];
    files.add(&build::blob_name(&build::digest(&big)), big.clone());
    files.edit("index.json", |index| {
        let mut entry = build::descriptor("application/x-thing", &big);
        entry["size"] = json!(3);
        index["manifests"]
            .as_array_mut()
            .expect("a list")
            .push(entry);
    });
    damaged(&files, "size-mismatch");
}

/// An artifact type or an annotation turned an image into something whose layers nobody unpacks.
#[test]
fn an_image_is_verified_as_one_whatever_is_said_of_it() {
    let (app, tool) = pair();
    let wrong = tool.diff_ids()[0].clone();
    let app = app.set(
        "rootfs",
        json!({"type": "layers", "diff_ids": [wrong, wrong]}),
    );
    let mut files = build::oci(&[&app]);
    files.edit("index.json", |index| {
        index["manifests"][0]["annotations"]["vnd.docker.reference.type"] =
            json!("attestation-manifest");
        index["manifests"][0]["platform"].take();
    });
    damaged(&files, "diff-id-mismatch");
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&app.manifest()).expect("a manifest");
    manifest["artifactType"] = json!("x/y");
    let manifest = manifest.to_string().into_bytes();
    let mut files = build::oci(&[&app]);
    files.add(
        &build::blob_name(&build::digest(&manifest)),
        manifest.clone(),
    );
    files.edit("index.json", |index| {
        index["manifests"][0]["digest"] = json!(build::digest(&manifest));
        index["manifests"][0]["size"] = json!(manifest.len());
    });
    damaged(&files, "diff-id-mismatch");
}

/// A config without rootfs was accepted from an OCI layout; a diff ID by another algorithm was not checked at all.
#[test]
fn layers_need_diff_ids_that_can_be_checked() {
    let (app, _) = pair();
    let bare = app.clone().set("rootfs", json!(null));
    assert_eq!(
        verdict(&build::oci(&[&bare])),
        (0, vec!["no-diff-ids".to_owned()])
    );
    let ids = |id: String| json!({"type": "layers", "diff_ids": [id, id]});
    let other = app
        .clone()
        .set("rootfs", ids(format!("sha512:{}", "0".repeat(128))));
    damaged(&build::oci(&[&other]), "diff-id-mismatch");
    let other = app.set("rootfs", ids("foo:abc".into()));
    damaged(&build::oci(&[&other]), "unsupported-digest");
}

/// A reader that went away made damage look like a yes.
#[test]
fn a_closed_pipe_does_not_hide_damage() {
    let (app, _) = pair();
    let mut files = build::oci(&[&app]);
    files.remove(&build::blob_name(&app.diff_ids()[0]));
    let room = Room::with("bad.tar", &files);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let file = std::fs::File::from(std::os::fd::OwnedFd::from(writer));
    room.command("imgverify bad.tar bad.tar")
        .stdout(file)
        .run()
        .code(1);
}

/// Either half could be broken, and the other one was not verified.
#[test]
fn a_broken_half_does_not_keep_the_other_from_being_verified() {
    let (app, _) = pair();
    for name in ["manifest.json", "index.json"] {
        let mut files = build::docker25(&[&app]);
        files.put(name, "[broken");
        let run = Room::with("app.tar", &files).run("imgverify app.tar");
        run.code(1).says(&format!("error: app.tar: {name}: "));
        run.says("1 image, 2 layers");
    }
    let mut files = build::v1(&[&pair().0, &pair().1]);
    files.edit("repositories", |value| {
        value["gone"] = json!({"1": "f".repeat(64)})
    });
    let run = Room::with("app.tar", &files).run("imgverify app.tar");
    run.code(1).says("member-absent").says("2 images, 3 layers");
}

/// A tar cut before its manifest.json was trouble, after it damage.
#[test]
fn a_cut_tar_is_damaged_wherever_it_is_cut() {
    let tar = build::docker(&[&pair().0]).tar();
    let room = Room::new();
    room.write("cut.tar", &tar[..2100]);
    room.run("imgverify cut.tar")
        .code(1)
        .says("/json: the member is truncated: expected 119 bytes, found 52 [truncated]");
}

/// What is no damage was called so, or said again for every layer.
#[test]
fn what_is_no_damage_is_not_called_so() {
    let (app, _) = pair();
    let room = Room::new();
    room.write("manifest", &app.manifest());
    room.run("imgverify manifest").code(0).says("[document]");
    room.write("app.tar", &build::docker(&[&app]).tar());
    room.run("imgverify app.tar:nosuch:1")
        .code(2)
        .complains("no such image 'nosuch:1'");
    let zeros = build::image("demo:1")
        .layer("z zeros 9000000")
        .packed(crate::common::pack::Pack::Gzip);
    room.write("bomb.tar", &build::oci(&[&zeros]).tar());
    room.run("imgverify --max-size 1000000 bomb.tar")
        .code(2)
        .says("bomb.tar: not verified: ")
        .complains("could not be verified: decoded size in bytes: limit exceeded")
        .complains("hint: --limit layer-size=");
    room.run("imgverify bomb.tar").code(0);
    let run = room.run("imgverify --json gone.tar");
    assert_eq!(run.json_lines()[0]["Type"], "error");
    let mut files = build::docker(&[&app]);
    files.remove("repositories");
    files.put("manifest.json", "[]");
    let run = Room::with("app.tar", &files).run("imgverify app.tar");
    run.code(0).says("it lists no image [no-images]");
}

/// Layers that are no tars were walked as tars.
#[test]
fn layers_that_are_no_tars_are_only_hashed() {
    let image = build::image("demo:1")
        .layer("f a one")
        .layer_bytes(b"squash".repeat(300));
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&image.manifest()).expect("a manifest");
    manifest["layers"][1]["mediaType"] = json!("application/vnd.example.squashfs");
    let manifest = manifest.to_string().into_bytes();
    let mut files = build::oci(&[&image]);
    files.remove(&build::blob_name(&image.manifest_digest()));
    files.add(
        &build::blob_name(&build::digest(&manifest)),
        manifest.clone(),
    );
    files.edit("index.json", |index| {
        index["manifests"][0]["digest"] = json!(build::digest(&manifest));
        index["manifests"][0]["size"] = json!(manifest.len());
    });
    let run = Room::with("app.tar", &files).run("imgverify app.tar");
    run.code(0).says("[not-a-tar-layer]");
}

/// Notes on members came one for each, however many.
#[test]
fn notes_on_unknown_members_end_somewhere() {
    let mut files = build::docker(&[&pair().0]);
    for i in 0..150 {
        files.add(&format!("junk{i}"), "x");
    }
    let run = Room::with("app.tar", &files).run("imgverify app.tar");
    run.code(0)
        .says("and 50 more members that are not part of the image");
    assert_eq!(run.out().lines().count(), 102, "{run}");
}

/// Some files beside the images contradict them without being read by imgkit.
#[test]
fn documents_that_others_read_are_compared() {
    let (app, tool) = pair();
    let mut files = build::oci(&[&app]);
    files.add("manifest.json", tool.manifest());
    damaged(&files, "ambiguous");
    files.put("manifest.json", app.manifest());
    assert_eq!(verdict(&files), (0, vec![]));
    let mut files = build::docker25(&[&app]);
    files.remove("index.json");
    assert!(verdict(&files).1.contains(&"half-missing".to_owned()));
    let mut files = build::docker25(&[&app]);
    files.remove("manifest.json");
    assert!(verdict(&files).1.contains(&"half-missing".to_owned()));
    let mut files = build::docker(&[&app]);
    files.edit("repositories", |value| value["demo"]["1"] = json!(""));
    assert!(
        verdict(&files)
            .1
            .contains(&"repositories-disagree".to_owned())
    );
}

/// A member that cannot be read was said to be absent too, and a broken config to have no rootfs.
#[test]
fn one_defect_is_one_line() {
    let (app, _) = pair();
    let one = |files: &build::Files| {
        let run = Room::with("app.tar", files).run("imgverify app.tar");
        let errors = run.out().lines().filter(|line| line.starts_with("error: "));
        assert_eq!((run.code, errors.count()), (Some(1), 1), "{run}");
    };
    let mut files = build::docker(&[&app]);
    files.edit("manifest.json", |m| m[0]["Layers"][0] = json!("link"));
    files.symlink("link", "../../etc/passwd");
    one(&files);
    let mut files = build::docker(&[&app]);
    files.edit("manifest.json", |m| m[0]["Config"] = json!("broken"));
    files.add("broken", "no JSON");
    one(&files);
    let empty = build::image("demo:1").layer_bytes(Vec::new());
    one(&build::docker(&[&empty]));
}
