//! Damaged and malicious archives: refused or reported by name, never a panic, never a silent yes.

use serde_json::{Value, json};

use crate::common::build::{self, Files, Image, Shared};
use crate::common::pack::Pack;
use crate::common::run::{OPENING, Output, Room, on};

fn app() -> Image {
    build::image("demo:1").layer("f a one").layer("f b two")
}

/// Every shape that a tar can hold, small.
fn shapes() -> Vec<(&'static str, Files)> {
    let (app, tool) = (
        app(),
        build::image("tool:2").layer("f a one").layer("f c x"),
    );
    let packed = build::image("demo:1")
        .layer("f a one")
        .packed(Pack::Gzip)
        .layer("f b two")
        .packed(Pack::Zstd);
    vec![
        ("docker", build::docker(&[&app])),
        (
            "hard links",
            build::docker_sharing(&[&app, &tool], Shared::HardLink),
        ),
        ("docker 25", build::docker25(&[&app])),
        ("OCI", build::oci(&[&app])),
        ("OCI, packed layers", build::oci(&[&packed])),
        (
            "several platforms",
            build::multi("demo:1", &[&app], &["linux/s390x"]),
        ),
        ("before 1.10", build::v1(&[&app])),
    ]
}

/// Where the last byte that is not padding stands: what follows belongs to the end marker.
fn end_of_data(tar: &[u8]) -> usize {
    tar.iter().rposition(|&byte| byte != 0).expect("content") + 1
}

/// imgverify said no, on the stream where that belongs.
#[track_caller]
fn refused(run: &Output) {
    run.no_crash();
    match run.code {
        Some(1) => assert!(run.out().contains("error: "), "{run}"),
        Some(2) => complains_properly(run),
        _ => panic!("exit status 0\n{run}"),
    }
}

/// Every line of standard error is the program's own.
#[track_caller]
fn complains_properly(run: &Output) {
    let is_ours = |line: &str| line.starts_with("img") || line.starts_with("hint: ");
    assert!(
        !run.err().is_empty() && run.err().lines().all(is_ours),
        "{run}"
    );
}

// ----------------------------------------------------------------------------------------------------------- cuts

#[test]
fn an_archive_cut_at_any_block_is_never_sound() {
    for (shape, files) in shapes() {
        let tar = files.tar();
        let end = end_of_data(&tar);
        let room = Room::new();
        let odd = (0..tar.len())
            .step_by(512)
            .map(|cut| cut + 1 + cut / 512 * 37 % 511);
        for cut in (0..tar.len()).step_by(512).chain(odd) {
            room.write("cut.tar", &tar[..cut]);
            let run = room.run("imgverify cut.tar");
            let whole = cut >= end.next_multiple_of(512) + 512;
            assert_eq!(
                run.code == Some(0),
                whole,
                "{shape}: cut at byte {cut} of {end}\n{run}"
            );
            if !whole {
                refused(&run);
            }
        }
    }
}

#[test]
fn an_archive_cut_at_any_block_crashes_no_program() {
    for (_, files) in shapes() {
        let tar = files.tar();
        let room = Room::new();
        for (i, cut) in (0..end_of_data(&tar)).step_by(512).enumerate() {
            let cut = cut + [0, 1, 257, 511][i % 4];
            room.write("cut.tar", &tar[..cut]);
            // Half of those that open images, in turn; what imgverify says is tested below.
            let half = OPENING.into_iter().skip(i % 2).step_by(2);
            for (_, line) in half.filter(|(name, _)| *name != "imgverify") {
                let run = room.run(&on(line, "cut.tar"));
                run.no_crash();
                if run.code == Some(2) {
                    complains_properly(&run);
                }
            }
        }
    }
}

#[test]
fn a_pipe_cut_at_any_block_is_never_sound() {
    for (shape, files) in shapes() {
        let tar = files.tar();
        let end = end_of_data(&tar);
        let room = Room::new();
        for (i, cut) in (0..end).step_by(512).enumerate() {
            let cut = cut + [0, 300][i % 2];
            let run = room.command("imgverify -").pipe(&tar[..cut]).run();
            assert_ne!(
                run.code,
                Some(0),
                "{shape}: cut at byte {cut} of {end}\n{run}"
            );
            refused(&run);
            let name = ["imgls", "imginspect", "imghistory"][i % 3];
            room.command(&format!("{name} -"))
                .pipe(&tar[..cut])
                .run()
                .no_crash();
        }
    }
}

#[test]
fn a_packed_archive_cut_anywhere_is_never_sound() {
    let tar = build::docker(&[&app()]).tar();
    for pack in Pack::ALL {
        let packed = pack.pack(&tar);
        let room = Room::new();
        let near_the_end = packed.len() - 12..packed.len();
        let cuts = (0..packed.len())
            .step_by(packed.len() / 12)
            .chain(near_the_end);
        for (i, cut) in cuts.enumerate() {
            room.write("cut", &packed[..cut]);
            let run = room.run("imgverify cut");
            refused(&run);
            refused(&room.command("imgverify -").pipe(&packed[..cut]).run());
            let name = ["imgls", "imginspect", "imghistory"][i % 3];
            let run = room.run(&format!("{name} cut"));
            run.code(2);
            complains_properly(&run);
        }
    }
}

#[test]
fn a_flipped_bit_in_a_packed_archive_is_found() {
    let tar = build::docker(&[&app()]).tar();
    for pack in Pack::ALL {
        let packed = pack.pack(&tar);
        let room = Room::new();
        let mut harmless = Vec::new();
        for i in 0..40 {
            let mut bytes = packed.clone();
            let at = i * packed.len() / 40;
            bytes[at] ^= 1 << (i % 8);
            room.write("flipped", &bytes);
            let run = room.run("imgverify flipped");
            run.no_crash();
            if run.code == Some(0) {
                harmless.push(at);
            }
        }
        // What a flip may change: the time in the head of a gzip member, the content of zstd's skippable frame.
        let (name, frame) = (10, packed.windows(6).position(|bytes| bytes == b"imgkit"));
        let is_free = |at: usize| match pack {
            Pack::Gzip => {
                at < name || packed[at.saturating_sub(name)..=at].starts_with(&[0x1f, 0x8b])
            }
            Pack::Zstd => frame.is_some_and(|frame| (frame - 8..frame + 6).contains(&at)),
            _ => false,
        };
        let proven: Vec<&usize> = harmless.iter().filter(|at| !is_free(**at)).collect();
        assert!(
            proven.is_empty(),
            "{pack:?}: bytes {proven:?} of {}",
            packed.len()
        );
    }
}

// ----------------------------------------------------------------------------------------------------- flipped bits

/// Members that other members prove, and so have to be found out whatever changes in them.
fn is_proven(shape: &str, name: &str) -> bool {
    let by_digest = name.starts_with("blobs/") || name.ends_with("/layer.tar");
    by_digest && shape != "before 1.10"
}

#[test]
fn a_flipped_bit_in_any_blob_is_found_and_named() {
    for (shape, files) in shapes() {
        let room = Room::new();
        for name in files.names() {
            let size = files.get(&name).len();
            for (at, bit) in [(0, 0), (size / 3, 3), (size / 2, 6), (size - 1, 1)] {
                let mut damaged = files.clone();
                damaged.bytes(&name)[at] ^= 1 << bit;
                room.write("app.tar", &damaged.tar());
                let run = room.run("imgverify app.tar");
                run.no_crash();
                if is_proven(shape, &name) {
                    run.code(1);
                    let named = name.trim_start_matches("blobs/sha256/");
                    let lines = run.out().lines().filter(|line| line.starts_with("error: "));
                    assert!(
                        lines.clone().any(|line| line.contains(named)),
                        "{shape}: {name}\n{run}"
                    );
                    let piped = room.command("imgverify -").pipe(&damaged.tar()).run();
                    piped.code(1).says(named);
                }
                for program in ["imgls", "imginspect", "imghistory"] {
                    let run = room.run(&on(program, "app.tar"));
                    run.no_crash();
                    if run.code == Some(2) {
                        complains_properly(&run);
                    }
                }
            }
        }
    }
}

#[test]
fn a_flipped_bit_in_a_folder_is_found_and_named() {
    let app = app();
    for (shape, files) in [("layout", build::oci(&[&app])), ("dir", build::dir(&app))] {
        let room = Room::new();
        for name in files.names() {
            let mut damaged = files.clone();
            *damaged.bytes(&name).last_mut().expect("bytes") ^= 0x10;
            damaged.write_to(&room.path(shape));
            let run = room.run(&format!("imgverify {shape}"));
            run.no_crash();
            let hex = name.rsplit('/').next().unwrap_or_default();
            if hex.len() == 64 {
                let is_named = |line: &str| line.starts_with("error: ") && line.contains(hex);
                run.code(1);
                assert!(run.out().lines().any(is_named), "{shape}: {name}\n{run}");
            }
            for program in ["imgls", "imginspect", "imghistory"] {
                room.run(&format!("{program} {shape}")).no_crash();
            }
        }
    }
}

#[test]
fn a_program_that_reads_a_blob_refuses_it_damaged() {
    let app = build::image("demo:1").layer("f a one").packed(Pack::Gzip);
    let layer = build::blob_name(&build::digest(&app.blobs()[0]));
    let (manifest, config) = (
        build::blob_name(&app.manifest_digest()),
        build::blob_name(&app.id()),
    );
    for blob in [&layer, &manifest, &config] {
        let mut files = build::oci(&[&app]);
        // Blanks at the end keep the documents readable, so that it is the digest alone that tells.
        match blob == &layer {
            true => *files.bytes(blob).last_mut().expect("bytes") ^= 1,
            false => files.bytes(blob).push(b' '),
        }
        let room = Room::with("app.tar", &files);
        for name in ["imginspect", "imghistory", "imgls"] {
            let run = room.run(&format!("{name} app.tar"));
            run.code(2)
                .complains(&format!("{name}: app.tar: "))
                .complains(blob);
            complains_properly(&run);
        }
    }
}

#[test]
fn the_documents_that_nothing_proves_may_be_anything() {
    // Changed in every byte: whatever that makes of them is answered with a status and a line.
    for (shape, files) in [
        ("docker", build::docker(&[&app()])),
        ("OCI", build::oci(&[&app()])),
    ] {
        let name = if shape == "docker" {
            "manifest.json"
        } else {
            "index.json"
        };
        let room = Room::new();
        for at in 0..files.get(name).len() {
            let mut damaged = files.clone();
            damaged.bytes(name)[at] ^= 1 << (at % 7);
            room.write("app.tar", &damaged.tar());
            let program = OPENING[at % OPENING.len()].1;
            let run = room.run(&on(program, "app.tar"));
            run.no_crash();
            if run.code == Some(2) {
                complains_properly(&run);
            }
        }
    }
}

// -------------------------------------------------------------------------------------------------------- documents

/// What all four programs say of an archive that none of them can read.
#[track_caller]
fn nobody_reads(files: &Files, why: &str) {
    let room = Room::with("app.tar", files);
    for (name, line) in OPENING {
        room.run(&on(line, "app.tar"))
            .fails(&format!("{name}: app.tar: {why}\n"));
        room.command(&on(line, "-"))
            .pipe(&files.tar())
            .run()
            .code(2)
            .complains(why);
    }
}

#[test]
fn two_different_manifests_are_ambiguous() {
    let why =
        "ambiguous: several different members have this name; loaders take the first or the last";
    let mut files = build::docker(&[&app()]);
    files.add("manifest.json", "[]");
    nobody_reads(&files, &format!("manifest.json: {why}"));
    let mut files = build::oci(&[&app()]);
    files.add("./index.json", "{}");
    nobody_reads(&files, &format!("index.json: {why}"));
    // The same twice is odd, and read.
    let mut files = build::docker(&[&app()]);
    let same = files.get("manifest.json").to_vec();
    files.add("./manifest.json", same);
    let room = Room::with("app.tar", &files);
    room.run("imgls -q app.tar")
        .ok(&format!("{}\n", app().short()));
    room.run("imgverify app.tar")
        .code(0)
        .says("warning: app.tar: manifest.json: 2 members have this name and are the same [duplicate-member]\n");
}

#[test]
fn documents_that_readers_would_take_differently() {
    let manifest = |text: &str| {
        let mut files = build::docker(&[&app()]);
        files.put("manifest.json", text);
        files
    };
    for (text, why) in [
        ("", "invalid JSON: "),
        ("[", "invalid JSON: "),
        ("\u{feff}[]", "invalid JSON: "),
        ("[] []", "invalid JSON: "),
        ("[1e999]", "invalid JSON: "),
        ("[NaN]", "invalid JSON: "),
        ("[{\"Config\":\"a\",\"Config\":\"b\"}]", "invalid JSON: "),
        (
            "[{\"Config\":\"a\",\"config\":\"b\"}]",
            "ambiguous: keys 'Config' and 'config' in '[0]' are several spellings of one field",
        ),
        ("[\"\\ud800\"]", "expected "),
        ("null", "not an image archive: manifest.json lists no image"),
        ("[1]", "expected "),
        ("[{}]", "expected "),
        ("[{\"Config\":5}]", "expected "),
        ("[{\"Config\":\"x\",\"Layers\":\"y\"}]", "expected "),
        ("\"text\"", "expected "),
    ] {
        let files = manifest(text);
        let room = Room::with("app.tar", &files);
        for (name, line) in OPENING {
            let run = room.run(&on(line, "app.tar"));
            run.code(2)
                .complains(&format!("{name}: app.tar: manifest.json: "))
                .complains(why);
            assert_eq!(
                (run.out(), run.err().lines().count()),
                ("", 1),
                "{text}\n{run}"
            );
        }
    }
    for depth in [100, 100_000] {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let room = Room::with("app.tar", &manifest(&deep));
        for (_, line) in OPENING {
            let run = room.run(&on(line, "app.tar"));
            run.code(2).complains("app.tar: manifest.json: ");
            assert!(run.err().len() < 300, "{run}");
        }
        room.write("lone.json", deep.as_bytes());
        for (_, line) in OPENING {
            room.run(&on(line, "lone.json"))
                .code(2)
                .complains("lone.json: ");
        }
    }
    let large = format!("[\"{}\"]", "x".repeat(5 << 20));
    let room = Room::with("app.tar", &manifest(&large));
    for (_, line) in OPENING {
        room.run(&on(line, "app.tar"))
            .code(2)
            .complains("expected at most 4194304");
    }
    // Legal, and no image.
    let room = Room::with("app.tar", &manifest("[]"));
    room.run("imgls -q app.tar").ok("");
    room.run("imginspect app.tar").code(2);
}

#[test]
fn a_document_of_both_kinds_is_refused() {
    let app = app();
    let mut files = build::oci(&[&app]);
    let name = build::blob_name(&app.manifest_digest());
    files.edit(&name, |manifest| manifest["manifests"] = json!([]));
    let both = files.get(&name).to_vec();
    files
        .remove(&name)
        .add(&build::blob_name(&build::digest(&both)), both.clone());
    files.edit("index.json", |index| {
        index["manifests"][0]["digest"] = json!(build::digest(&both));
        index["manifests"][0]["size"] = json!(both.len());
    });
    let room = Room::with("app.tar", &files);
    room.write("lone.json", &both);
    for input in ["app.tar", "lone.json"] {
        for name in ["imginspect", "imghistory"] {
            room.run(&format!("{name} {input}"))
                .code(2)
                .complains("ambiguous: ");
        }
    }
    room.run("imgverify app.tar").code(1).says("[ambiguous]");
}

#[test]
fn digests_lead_nowhere_else() {
    for digest in [
        "sha256:../../../etc/passwd",
        "sha256:",
        "sha256:ABCDEF",
        "../x",
        "sha256:../oci-layout",
        "",
        "sha256",
    ] {
        let mut files = build::oci(&[&app()]);
        files.edit("index.json", |index| {
            index["manifests"][0]["digest"] = json!(digest)
        });
        let room = Room::with("app.tar", &files);
        for (name, line) in OPENING {
            let run = room.run(&on(line, "app.tar"));
            run.code(2)
                .complains(&format!("{name}: app.tar: index.json: "));
            assert_eq!(run.err().lines().count(), 1, "{run}");
        }
    }
    // Well-formed and unknown: carried, but nothing can be said of it.
    let mut files = build::oci(&[&app()]);
    files.edit("index.json", |index| {
        index["manifests"][0]["digest"] = json!("blake9:abcd")
    });
    let room = Room::with("app.tar", &files);
    refused(&room.run("imgverify app.tar"));
    room.run("imginspect app.tar").code(2);
}

#[test]
fn sizes_that_lie() {
    let app = app();
    for size in [
        json!(0),
        json!(1),
        json!(u64::MAX),
        json!(-1),
        json!(1.5),
        json!("9"),
        json!(null),
        json!(1e300),
    ] {
        let mut files = build::oci(&[&app]);
        files.edit("index.json", |index| {
            index["manifests"][0]["size"] = size.clone()
        });
        let room = Room::with("app.tar", &files);
        refused(&room.run("imgverify app.tar"));
        room.run("imginspect app.tar")
            .code(2)
            .complains("imginspect: app.tar: ");
    }
    // A layer's size, with everything above it right.
    for change in [-1_i64, 1, 1 << 40] {
        let mut manifest: Value = serde_json::from_slice(&app.manifest()).expect("JSON");
        let size = manifest["layers"][1]["size"].as_i64().expect("a size");
        manifest["layers"][1]["size"] = json!(size + change);
        let mut files = build::oci(&[&app]);
        put_manifest(&mut files, &app, &manifest);
        let room = Room::with("app.tar", &files);
        room.run("imgverify app.tar")
            .code(1)
            .says("layer 2 of 2: ")
            .says(&format!(
                "size mismatch: expected {} bytes, found {size} [size-mismatch]",
                size + change
            ));
    }
}

/// Replaces the manifest of the one image of a layout, with all digests right.
fn put_manifest(files: &mut Files, image: &Image, manifest: &Value) {
    let bytes = manifest.to_string().into_bytes();
    files.remove(&build::blob_name(&image.manifest_digest()));
    files.edit("index.json", |index| {
        index["manifests"][0]["digest"] = json!(build::digest(&bytes));
        index["manifests"][0]["size"] = json!(bytes.len());
    });
    files.add(&build::blob_name(&build::digest(&bytes)), bytes);
}

#[test]
fn graphs_that_are_deep_wide_or_a_lattice() {
    const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    let nest = |levels: usize, copies: usize| {
        let mut files = build::oci(&[&app()]);
        let mut entry = build::descriptor(
            "application/vnd.oci.image.manifest.v1+json",
            &app().manifest(),
        );
        for _ in 0..levels {
            let index =
                json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": vec![entry; copies]})
                    .to_string();
            entry = build::descriptor(INDEX, index.as_bytes());
            files.add(&build::blob_name(&build::digest(index.as_bytes())), index);
        }
        files.edit("index.json", |index| index["manifests"] = json!([entry]));
        files
    };
    // 20 to the power of 6 paths, seven documents.
    let room = Room::with("lattice.tar", &nest(6, 20));
    room.run("imgls -q lattice.tar")
        .ok(&format!("{}\n", app().short()));
    room.run("imginspect -f '{{.Id}}' lattice.tar")
        .ok(&format!("{}\n", app().id()));
    room.run("imgverify lattice.tar").code(0);
    room.write("deep.tar", &nest(40, 1).tar());
    for (name, line) in OPENING {
        room.run(&on(line, "deep.tar")).fails(&format!(
            "{name}: deep.tar: depth of indexes: limit exceeded: expected at most 8, found 9\n\
             hint: --limit index-depth=16 raises it, if you trust the input\n"
        ));
    }
    let mut wide = build::oci(&[&app()]);
    wide.edit("index.json", |index| {
        let entry = |i: usize| build::descriptor(INDEX, i.to_string().as_bytes());
        index["manifests"] = (0..10_001).map(entry).collect();
    });
    room.write("wide.tar", &wide.tar());
    for (name, line) in OPENING {
        room.run(&on(line, "wide.tar")).fails(&format!(
            "{name}: wide.tar: manifests: limit exceeded: expected at most 10000, found 10001\n\
             hint: --limit manifests=20000 raises it, if you trust the input\n"
        ));
    }
}

#[test]
fn a_lattice_is_not_unfolded_in_the_tree() {
    const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    let mut files = build::oci(&[&app()]);
    let mut entry = build::descriptor(
        "application/vnd.oci.image.manifest.v1+json",
        &app().manifest(),
    );
    for _ in 0..6 {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": vec![entry; 20]})
            .to_string();
        entry = build::descriptor(INDEX, index.as_bytes());
        files.add(&build::blob_name(&build::digest(index.as_bytes())), index);
    }
    files.edit("index.json", |index| index["manifests"] = json!([entry]));
    let run = Room::with("app.tar", &files).run("imgls --tree app.tar");
    run.no_crash();
    assert!(
        run.out().lines().count() < 10_000,
        "{} lines",
        run.out().lines().count()
    );
}

// ---------------------------------------------------------------------------------------------------------- members

#[test]
fn names_that_climb_are_no_members() {
    let app = app();
    let config = format!("{}.json", app.id().trim_start_matches("sha256:"));
    for (name, wanted) in [
        ("../evil.json", "../evil.json"),
        ("a/../../evil.json", "a/../../evil.json"),
        ("/etc/passwd", "../../../../etc/passwd"),
    ] {
        let mut files = build::docker(&[&app]);
        files.add(name, app.config());
        files.edit("manifest.json", |items| items[0]["Config"] = json!(wanted));
        let room = Room::with("app.tar", &files);
        room.run("imginspect app.tar").fails(&format!(
            "imginspect: app.tar: member '{wanted}' is not in the archive\n"
        ));
        let run = room.run("imgverify app.tar");
        run.code(1).says("[member-absent]");
        if name.contains("..") {
            run.says("the path escapes the root directory with '..' [climbing-path]");
        }
        // In a folder, the file is really there, outside.
        std::fs::create_dir_all(room.path("in/side")).expect("a folder");
        let mut inside = build::docker(&[&app]);
        inside.edit("manifest.json", |items| {
            items[0]["Config"] = json!("../../outside.json")
        });
        inside.write_to(&room.path("in/side"));
        room.write("outside.json", &app.config());
        room.run("imginspect in/side")
            .fails("imginspect: in/side: member '../../outside.json' is not in the archive\n");
    }
    // A leading `./` or `/` is nothing but a spelling.
    let mut files = build::docker(&[&app]);
    let bytes = files.get(&config).to_vec();
    files.remove(&config).add(&format!("./{config}"), bytes);
    Room::with("app.tar", &files)
        .run("imginspect -f '{{.Id}}' app.tar")
        .ok(&format!("{}\n", app.id()));
}

#[test]
fn links_that_lead_nowhere_good() {
    let app = app();
    let layer = build::docker(&[&app])
        .names()
        .into_iter()
        .find(|name| name.ends_with("/layer.tar"))
        .expect("a layer");
    for (target, hard, why) in [
        ("../../../etc/passwd", false, "leads out of the archive"),
        ("/etc/passwd", false, "leads out of the archive"),
        ("gone", false, "leads to no member"),
        ("layer.tar", false, "too many links in a row"),
        ("../etc/passwd", true, "leads out of the archive"),
        ("gone", true, "leads to no member"),
    ] {
        let mut files = build::docker(&[&app]);
        files.remove(&layer);
        match hard {
            true => files.hard_link(&layer, target),
            false => files.symlink(&layer, target),
        };
        let room = Room::with("app.tar", &files);
        let line = format!("app.tar: {layer}: link to '{target}': {why}");
        for name in ["imginspect", "imghistory"] {
            room.run(&format!("{name} app.tar"))
                .fails(&format!("{name}: {line}\n"));
            room.command(&format!("{name} -"))
                .pipe(&files.tar())
                .run()
                .code(2)
                .complains(why);
        }
        room.run("imgverify app.tar")
            .code(1)
            .says(&format!("error: {line} [bad-link]\n"));
    }
    let mut files = build::docker(&[&app]);
    files
        .remove(&layer)
        .symlink(&layer, "../loop/a")
        .symlink("loop/a", "b")
        .symlink("loop/b", "a");
    Room::with("app.tar", &files)
        .run("imghistory app.tar")
        .code(2)
        .complains("too many links in a row");
    let mut files = build::docker(&[&app]);
    files.remove(&layer).fifo(&layer);
    Room::with("app.tar", &files)
        .run("imghistory app.tar")
        .code(2)
        .complains(": a special file");
}

#[test]
fn layouts_with_links_to_other_places() {
    let app = app();
    let room = Room::new();
    room.write("secret", b"{\"secret\": true}");
    let blob = build::blob_name(&app.id());
    let absolute = room.path("secret");
    let absolute = absolute.to_str().expect("UTF-8");
    for (i, (target, why)) in [
        ("../../../secret", "leads out of the directory"),
        (absolute, "leads out of the directory"),
        ("gone", "leads to no file"),
        (&app.id()[7..], "too many links in a row"),
    ]
    .into_iter()
    .enumerate()
    {
        let folder = format!("layout{i}");
        let mut files = build::oci(&[&app]);
        files.remove(&blob).symlink(&blob, target);
        files.write_to(&room.path(&folder));
        for name in ["imginspect", "imghistory"] {
            let run = room.run(&format!("{name} {folder}"));
            run.code(2)
                .complains(&format!("{name}: {folder}: {blob}: link to '"))
                .complains(why);
            assert!(!run.err().contains("true"), "{run}");
        }
        room.run(&format!("imgverify {folder}"))
            .code(1)
            .says(why)
            .says("[bad-link]");
    }
    // A whole folder elsewhere.
    let files = build::oci(&[&app]);
    files.write_to(&room.path("honest"));
    std::fs::create_dir(room.path("linked")).expect("a folder");
    for name in ["index.json", "oci-layout"] {
        std::fs::copy(
            room.path(&format!("honest/{name}")),
            room.path(&format!("linked/{name}")),
        )
        .expect("a copy");
    }
    std::os::unix::fs::symlink("../honest/blobs", room.path("linked/blobs")).expect("a link");
    room.run("imginspect linked")
        .code(2)
        .complains(": a symbolic link");
    refused(&room.run("imgverify linked"));
    // Special files where documents belong: no waiting, no reading.
    let mut files = build::oci(&[&app]);
    files.remove("index.json").fifo("index.json");
    files.write_to(&room.path("fifo"));
    for (name, line) in OPENING {
        room.run(&on(line, "fifo")).fails(&format!(
            "{name}: fifo: index.json: not a file or directory: a FIFO\n"
        ));
    }
    let mut files = build::oci(&[&app]);
    files.remove(&blob).add(&format!("{blob}/x"), "a folder");
    files.write_to(&room.path("folder"));
    room.run("imginspect folder")
        .code(2)
        .complains("not a file or directory: a directory");
    // The user may name a layout by a link.
    std::os::unix::fs::symlink("honest", room.path("alias")).expect("a link");
    room.run("imgls -q alias").ok(&format!("{}\n", app.short()));
}

#[test]
fn what_is_missing_is_said() {
    let app = app();
    let mut files = build::docker(&[&app]);
    let layer = files
        .names()
        .into_iter()
        .find(|name| name.ends_with("/layer.tar"))
        .expect("a layer");
    files.remove(&layer);
    let room = Room::with("app.tar", &files);
    room.run("imgverify app.tar").code(1).says(&format!(
        "error: app.tar: layer 1 of 2: {layer} is not in the archive [blob-absent]\n"
    ));
    let mut files = build::oci(&[&app]);
    files.remove(&build::blob_name(&app.manifest_digest()));
    let room = Room::with("app.tar", &files);
    for name in ["imginspect", "imghistory"] {
        room.run(&format!("{name} app.tar")).fails(&format!(
            "{name}: app.tar: blob {} is not in the archive\n",
            app.manifest_digest()
        ));
    }
    room.run("imgls app.tar").code(0);
}

#[test]
fn parents_that_run_in_circles() {
    let files = build::v1(&[&app()]);
    let ids: Vec<String> = files
        .names()
        .into_iter()
        .filter_map(|name| name.strip_suffix("/json").map(str::to_owned))
        .collect();
    let of = |parent: &str| {
        let mut files = files.clone();
        files.edit(&format!("{}/json", ids[0]), |json| {
            json["parent"] = json!(parent)
        });
        files
    };
    for parent in &ids {
        nobody_reads(
            &of(parent),
            &format!("ambiguous: circular parents of {parent}"),
        );
    }
    let gone = "f".repeat(64);
    nobody_reads(
        &of(&gone),
        &format!("member '{gone}/json' is not in the archive"),
    );
    for (parent, shown) in [
        ("../../x", "../../x"),
        ("a/b", "a/b"),
        ("\u{1b}[2J", "\\x1b[2J"),
    ] {
        nobody_reads(
            &of(parent),
            &format!("parent: expected a v1 image ID, found '{shown}'"),
        );
    }
    for (id, shown) in [("", "an empty string"), ("../x", "'../x'")] {
        let mut files = build::v1(&[&app()]);
        files.edit("repositories", |repositories| {
            repositories["demo"]["1"] = json!(id)
        });
        nobody_reads(
            &files,
            &format!("repositories: demo:1: expected a v1 image ID, found {shown}"),
        );
    }
}

#[test]
fn counts_and_diff_ids_that_do_not_match() {
    let app = app();
    for (ids, found) in [
        (vec![], 0),
        (vec![app.diff_ids()[0].clone()], 1),
        (vec![app.diff_ids()[0].clone(); 3], 3),
    ] {
        let image = app
            .clone()
            .set("rootfs", json!({"type": "layers", "diff_ids": ids}));
        for files in [build::docker(&[&image]), build::oci(&[&image])] {
            let room = Room::with("app.tar", &files);
            let why = format!("layer count mismatch: manifest has 2, config has {found}");
            for name in ["imginspect", "imghistory"] {
                room.run(&format!("{name} app.tar")).code(2).complains(&why);
            }
            room.run("imgverify app.tar")
                .code(1)
                .says(&format!("{why} [layer-count]\n"));
        }
    }
    for ids in [
        json!([1, 2]),
        json!("x"),
        json!([null, null]),
        json!(["sha256:x", "sha256:y"]),
    ] {
        let image = app
            .clone()
            .set("rootfs", json!({"type": "layers", "diff_ids": ids}));
        let room = Room::with("app.tar", &build::oci(&[&image]));
        room.run("imginspect app.tar")
            .code(2)
            .complains("imginspect: app.tar: ");
        refused(&room.run("imgverify app.tar"));
    }
    // A packed layer whose diff ID is another's is refused by whoever unpacks it.
    let packed = build::image("demo:1").layer("f a one").packed(Pack::Zstd);
    let wrong = packed.clone().set(
        "rootfs",
        json!({"type": "layers", "diff_ids": [build::digest(b"")]}),
    );
    let room = Room::with("app.tar", &build::oci(&[&wrong]));
    let why = format!(
        "diff ID mismatch: expected {}, found {}",
        build::digest(b""),
        packed.diff_ids()[0]
    );
    for name in ["imginspect", "imghistory", "imgls"] {
        room.run(&format!("{name} app.tar"))
            .code(2)
            .complains("layer 1 of 1: ")
            .complains(&why);
    }
    room.run("imgverify app.tar").code(1).says(&why);
}

// ------------------------------------------------------------------------------------------------------------ bombs

#[test]
fn bombs_are_not_unpacked_to_the_end() {
    use imgkit::archive::{Open, Pick};
    use imgkit::blob::{DecodeLimits, Meter};
    use imgkit::layer::Limits;
    use imgkit::{Fault, archive, verify};

    let zeros = 8 << 20;
    let limits = Limits {
        decode: DecodeLimits {
            size: 1 << 20,
            ..DecodeLimits::default()
        },
        ..Limits::default()
    };
    for pack in Pack::ALL {
        let image = build::image("demo:1")
            .layer(&format!("z zeros {zeros}"))
            .packed(pack);
        let files = build::oci(&[&image]);
        let room = Room::with("app.tar", &files);
        // Within the usual limits it is an image like any other.
        room.run("imghistory --format '{{.SizeBytes}}' app.tar")
            .ok(&format!("{zeros}\n"));
        let open = Open {
            limits,
            ..Open::default()
        };
        let archive = open.path(&room.path("app.tar")).expect("an archive");
        let image = archive.select(&Pick::Only, None).expect("an image").index;
        let error = archive::measure(&archive, &[image], &limits, &Meter::default())
            .complete()
            .expect_err("a bomb");
        assert!(
            matches!(
                error.fault(),
                Fault::Limit {
                    limit: 1_048_576,
                    ..
                }
            ),
            "{pack:?}: {error}"
        );
        let report = verify::verify(&archive, &limits, &Meter::default());
        let limited = |error: &imgkit::Error| matches!(error.fault(), Fault::Limit { .. });
        assert!(
            !report.is_sound() && !report.is_damaged() && report.trouble.iter().any(limited),
            "{report:?}"
        );
        // The whole archive packed is one layer of wrapping more.
        room.write(
            "packed",
            &pack.pack(
                &build::docker(&[&build::image("demo:1").layer(&format!("z zeros {zeros}"))]).tar(),
            ),
        );
        let error = open.path(&room.path("packed")).expect_err("a bomb");
        assert!(
            matches!(error.fault(), Fault::Limit { .. }),
            "{pack:?}: {error}"
        );
    }
    // Packed twice is not unpacked twice.
    let twice = Pack::Zstd.pack(&Pack::Gzip.pack(&build::docker(&[&app()]).tar()));
    let room = Room::new();
    room.write("twice", &twice);
    for (name, line) in OPENING {
        room.run(&on(line, "twice")).fails(&format!(
            "{name}: twice: not an image archive: neither a tar nor a compressed tar\n"
        ));
    }
}

#[test]
fn limits_on_members_hold() {
    use imgkit::Fault;
    use imgkit::archive::Open;
    use imgkit::layer::Limits;

    let room = Room::with("app.tar", &build::docker(&[&app()]));
    let limits = Limits {
        entries: 3,
        ..Limits::default()
    };
    let open = Open {
        limits,
        ..Open::default()
    };
    let error = open
        .path(&room.path("app.tar"))
        .expect_err("too many members");
    assert!(
        matches!(
            error.fault(),
            Fault::Limit {
                what: "members",
                limit: 3,
                found: 4
            }
        ),
        "{error}"
    );
}

#[test]
fn headers_that_state_what_is_not_there_cost_nothing() {
    // The last member says it has 8 GiB, and 64 blocks of nothing follow.
    let mut tar = build::docker(&[&app()]).tar();
    tar.truncate(tar.len() - 1024);
    let mut header = tar::Header::new_gnu();
    header.set_path("big").expect("a path");
    header.set_size(8 << 30);
    header.set_mode(0o644);
    header.set_cksum();
    tar.extend(header.as_bytes());
    tar.extend([0; 64 * 512]);
    let room = Room::new();
    room.write("app.tar", &tar);
    room.run("imgls -q app.tar").no_crash();
    room.run("imgverify app.tar")
        .code(1)
        .says("big: the member is truncated: expected 8589934592 bytes, found 32768 [truncated]");
    for (name, line) in OPENING {
        let run = room.command(&on(line, "-")).pipe(&tar).run();
        match name {
            // From a pipe as from a file: what is there is checked, and the cut is a finding.
            "imgverify" => run.code(1).says("big: "),
            _ => run.code(2).complains("big: "),
        };
    }
}
