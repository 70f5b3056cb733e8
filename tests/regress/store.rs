//! Names, removal and listing in the local store.

use serde_json::{Value, json};

use crate::common::build::{self, Image};
use crate::common::run::{Output, Room};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn app() -> Image {
    build::image("app:1").layer("f a a")
}

fn store(room: &Room, line: &str) -> Output {
    room.command(line).env("IMGKIT_STORE", "store").run()
}

fn loaded(images: &[&Image]) -> Room {
    let room = Room::with("app.tar", &build::oci(images));
    store(&room, "imgload -q app.tar").code(0);
    room
}

/// A store with `multi:1`, an index of linux/amd64 and linux/arm64.
fn multi() -> (Room, Image, Image) {
    let amd = build::image("multi:1").layer("f a a").layer("f amd a");
    let arm = build::image("multi:1")
        .layer("f a a")
        .layer("f arm a")
        .platform("linux/arm64");
    let room = Room::with("multi.tar", &build::multi("multi:1", &[&amd, &arm], &[]));
    store(&room, "imgload -q multi.tar").code(0);
    (room, amd, arm)
}

fn index(room: &Room) -> Value {
    let bytes = std::fs::read(room.path("store/index.json")).expect("index.json");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// What index.json lists: digests with the name that skopeo goes by.
fn listed(room: &Room) -> Vec<(String, Option<String>)> {
    let index = index(room);
    let items = index["manifests"].as_array().expect("a list");
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let listed = items.iter().map(|item| {
        let name = text(&item["annotations"]["org.opencontainers.image.ref.name"]);
        (text(&item["digest"]).expect("a digest"), name)
    });
    listed.collect()
}

fn has(room: &Room, digest: &str) -> bool {
    room.path(&format!("store/{}", build::blob_name(digest)))
        .exists()
}

fn put(room: &Room, bytes: &[u8]) -> String {
    let digest = build::digest(bytes);
    let path = room.path(&format!("store/{}", build::blob_name(&digest)));
    std::fs::write(path, bytes).expect("a blob");
    digest
}

/// Puts a manifest into the store as another tool would; `config` is the media type of its config. Returns its digest.
fn referrer(room: &Room, subject: Option<&str>, config: &str, name: Option<&str>) -> String {
    let layer = format!("signature of {subject:?} {name:?}");
    put(room, layer.as_bytes());
    put(room, b"{}");
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": build::descriptor(config, b"{}"),
        "layers": [build::descriptor("application/vnd.dev.cosign.simplesigning.v1+json", layer.as_bytes())],
    });
    if let Some(subject) = subject {
        let path = room.path(&format!("store/{}", build::blob_name(subject)));
        let bytes = std::fs::read(path).expect("the subject");
        manifest["subject"] = build::descriptor(MANIFEST, &bytes);
    }
    let bytes = manifest.to_string();
    let digest = put(room, bytes.as_bytes());
    let mut item = build::descriptor(MANIFEST, bytes.as_bytes());
    if let Some(name) = name {
        item["annotations"] = json!({"org.opencontainers.image.ref.name": name});
    }
    let mut index = index(room);
    index["manifests"]
        .as_array_mut()
        .expect("a list")
        .push(item);
    room.write("store/index.json", index.to_string().as_bytes());
    digest
}

const IMAGE: &str = "application/vnd.oci.image.config.v1+json";
const OTHER: &str = "application/vnd.example.sbom";

/// `imgrm --platform` removed the index with all its images. docker 28 removes that image, and nothing is untagged.
#[test]
fn one_platform_is_removed_from_an_index() {
    let (room, amd, arm) = multi();
    let before = listed(&room);
    store(&room, "imgrm --platform linux/s390x multi:1")
        .code(2)
        .complains("no such image 'linux/s390x': available: linux/amd64 and linux/arm64");
    store(&room, "imgrm --platform linux/amd64 multi:1").ok(&format!("Deleted: {}\n", amd.id()));
    assert_eq!(listed(&room), before, "the index stays as it is");
    for (image, is_there) in [(&amd, false), (&arm, true)] {
        for digest in [
            image.manifest_digest(),
            image.id(),
            image.diff_ids()[1].clone(),
        ] {
            assert_eq!(has(&room, &digest), is_there, "{digest}");
        }
    }
    // The layer that the other platform has, too.
    assert!(has(&room, &arm.diff_ids()[0]));
    room.run("imgverify -q store").code(0);
    store(
        &room,
        "imginspect --platform linux/arm64 --format '{{.Id}}' multi:1",
    )
    .ok(&format!("{}\n", arm.id()));
    // With its last image the name goes, too.
    store(&room, "imgrm --platform linux/arm64 multi:1")
        .ok(&format!("Untagged: multi:1\nDeleted: {}\n", arm.id()));
    assert_eq!(listed(&room), []);
}

/// The digest of one manifest, and the ID of one image, removed the index and its name.
#[test]
fn the_digest_of_one_platform_removes_that_alone() {
    for how in ["name@manifest", "name@config", "manifest", "id", "short"] {
        let (room, amd, arm) = multi();
        let wanted = match how {
            "name@manifest" => format!("multi@{}", arm.manifest_digest()),
            "name@config" => format!("multi:1@{}", arm.id()),
            "manifest" => arm.manifest_digest(),
            "id" => arm.id(),
            _ => arm.short(),
        };
        store(&room, &format!("imgrm {wanted}")).ok(&format!("Deleted: {}\n", arm.id()));
        assert!(!has(&room, &arm.manifest_digest()), "{how}");
        assert!(has(&room, &amd.manifest_digest()), "{how}");
        store(&room, "imginspect --format '{{.Id}}' multi:1").ok(&format!("{}\n", amd.id()));
    }
}

/// What other names need is not removed with one name's platform.
#[test]
fn a_platform_that_other_names_lead_to_needs_force() {
    let (room, amd, arm) = multi();
    store(&room, "imgtag multi:1 other:1").ok("");
    store(&room, "imgtag --platform linux/arm64 multi:1 arm:1").ok("");
    let before = listed(&room);
    store(&room, "imgrm --platform linux/arm64 multi:1").fails(
        "imgrm: 'multi:1': its image for linux/arm64 is in multi:1 and other:1 and arm:1 too: use --force to remove it \
         from all of them\n",
    );
    store(&room, &format!("imgrm {}", arm.id())).code(2);
    assert_eq!(listed(&room), before);
    assert!(has(&room, &arm.manifest_digest()));
    store(&room, "imgrm --force --platform linux/arm64 multi:1")
        .ok(&format!("Untagged: arm:1\nDeleted: {}\n", arm.id()));
    assert!(!has(&room, &arm.manifest_digest()));
    store(&room, "imginspect --format '{{.Id}}' other:1").ok(&format!("{}\n", amd.id()));
}

/// `imgprune` removed what is about images that stay: by its subject, directly or over another referrer.
#[test]
fn what_is_about_an_image_that_stays_is_kept() {
    for config in [IMAGE, OTHER] {
        let room = loaded(&[&app()]);
        let signature = referrer(&room, Some(&app().manifest_digest()), config, None);
        let about_it = referrer(&room, Some(&signature), config, None);
        for how in ["", "--filter until=1h", "--all --filter label=none"] {
            store(&room, &format!("imgprune --force {how}")).ok("Total reclaimed space: 0B\n");
        }
        let rows = store(&room, "imgdf --format json").json_lines();
        assert_eq!(rows[0]["ReclaimableBytes"], 0);
        assert!(has(&room, &signature) && has(&room, &about_it));
        // It goes with the image.
        store(&room, "imgrm app:1").ok(&format!(
            "Untagged: app:1\nDeleted: {}\nDeleted: {}\nDeleted: {}\n",
            app().id(),
            referrer_id(config, &signature),
            referrer_id(config, &about_it),
        ));
        assert_eq!(listed(&room), []);
    }
}

/// How a manifest with the config `{}` is called when it is removed.
fn referrer_id(config: &str, manifest: &str) -> String {
    match config {
        IMAGE => build::digest(b"{}"),
        _ => manifest.to_owned(),
    }
}

/// The same where the image lost its name, and one referrer has a name of its own.
#[test]
fn untagged_referrers_go_with_an_untagged_image() {
    let (old, new) = (app(), build::image("app:1").layer("f b b"));
    let room = loaded(&[&old]);
    let unnamed = referrer(&room, Some(&old.manifest_digest()), OTHER, None);
    let named = referrer(&room, Some(&old.manifest_digest()), OTHER, Some("sbom"));
    room.write("new.tar", &build::oci(&[&new]).tar());
    store(&room, "imgload -q new.tar").code(0);
    let gone = format!("{}\n{unnamed}", old.id());
    store(&room, "imgprune --dry-run").code(0).says(&format!(
        "Would Delete Images:\nwould delete: {}\n\nWould reclaim: ",
        gone.replace('\n', "\nwould delete: ")
    ));
    store(&room, "imgprune --force").code(0).says(&format!(
        "Deleted Images:\ndeleted: {}\n\nTotal",
        gone.replace('\n', "\ndeleted: ")
    ));
    assert!(has(&room, &named) && has(&room, &new.manifest_digest()));
    assert_eq!(listed(&room).len(), 2);
}

/// cosign's tags say what they are about: they stay with the image and go with it where names go.
#[test]
fn tags_of_referrers_follow_the_image() {
    let old = app().set("created", json!("2023-01-01T00:00:00Z"));
    let kept = build::image("kept:1")
        .layer("f k k")
        .set("config", json!({"Labels": {"keep": "yes"}}));
    let room = loaded(&[&old, &kept]);
    let tag = |image: &Image| format!("{}.sig", image.manifest_digest().replace(':', "-"));
    let of_old = referrer(&room, None, IMAGE, Some(&tag(&old)));
    let of_kept = referrer(&room, None, IMAGE, Some(&tag(&kept)));
    store(&room, "imgprune --force").ok("Total reclaimed space: 0B\n");
    store(&room, "imgprune --all --force --filter 'label!=keep'").code(0);
    assert!(!has(&room, &of_old) && !has(&room, &old.manifest_digest()));
    assert!(has(&room, &of_kept) && has(&room, &kept.manifest_digest()));
}

/// An ID that manifests of several compressions share named none of them.
#[test]
fn an_id_that_two_manifests_share_is_one_image() {
    use crate::common::pack::Pack;
    let plain = build::image("app:1").layer("f a a");
    let gzip = build::image("app:2").layer("f a a").packed(Pack::Gzip);
    assert_eq!(plain.id(), gzip.id());
    let room = loaded(&[&plain]);
    room.write("gzip.tar", &build::oci(&[&gzip]).tar());
    store(&room, "imgload -q gzip.tar").code(0);
    let id = plain.short();
    store(&room, &format!("imginspect --format '{{{{.Id}}}}' {id}"))
        .ok(&format!("{}\n", plain.id()));
    store(&room, &format!("imgexport -o out.tar {id}")).ok("");
    store(&room, &format!("imgsave -o saved.tar {id}")).ok("");
    store(&room, &format!("imgtag {id} x:1")).ok("");
    // Names in several repositories, as docker counts them for one image.
    store(&room, &format!("imgrm {id}"))
        .code(2)
        .complains("has several names (app:1, x:1, app:2)");
    store(&room, "imgrm x:1").ok("Untagged: x:1\n");
    store(&room, &format!("imgrm {id}")).ok(&format!(
        "Untagged: app:1\nUntagged: app:2\nDeleted: {0}\nDeleted: {0}\n",
        plain.id()
    ));
    assert_eq!(listed(&room), []);
}

/// Fewer than four digits were never found; docker takes any start that one image alone has.
#[test]
fn any_unique_start_of_an_id_will_do() {
    let room = loaded(&[&app()]);
    let id = app().id();
    let hex = &id["sha256:".len()..];
    for digits in 1..=5 {
        for prefix in ["", "sha256:"] {
            let wanted = format!("{prefix}{}", &hex[..digits]);
            // The manifest's digest may begin in the same way.
            if app()
                .manifest_digest()
                .contains(&format!(":{}", &hex[..digits]))
            {
                continue;
            }
            store(
                &room,
                &format!("imginspect --format '{{{{.Id}}}}' store:{wanted}"),
            )
            .ok(&format!("{id}\n"));
        }
    }
}

/// A store of more manifests than an archive may have was refused by every program, those that make it smaller included.
#[test]
fn a_store_may_hold_more_than_an_archive() {
    let room = loaded(&[&app()]);
    let mut index = index(&room);
    let items = index["manifests"].as_array_mut().expect("a list");
    for number in 0..10_050 {
        // As loads of sparse archives leave them.
        let mut item = build::descriptor(MANIFEST, format!("{number}").as_bytes());
        item["annotations"] =
            json!({"org.opencontainers.image.ref.name": format!("many:{number}")});
        items.push(item);
    }
    room.write("store/index.json", index.to_string().as_bytes());
    store(&room, "imgls --format '{{.Repository}}' app:1").ok("app\n");
    store(&room, "imgtag app:1 app:2").ok("");
    store(&room, "imgload -q app.tar").code(0);
    store(&room, "imginspect --format '{{.Id}}' app:2").ok(&format!("{}\n", app().id()));
    store(&room, "imgdf").code(0);
    store(&room, "imgprune --force").code(0);
    store(&room, "imgrm many:17").code(0);
    store(&room, "imgrm app:1 app:2").code(0);
    // What is typed holds.
    for program in [
        "imgls",
        "imgdf",
        "imgrm app:1",
        "imgprune --force",
        "imgsave -o o app:1",
    ] {
        store(&room, &format!("{program} --limit manifests=10000"))
            .code(2)
            .complains("hint: --limit manifests=20000 raises it");
    }
}

fn tags() -> Room {
    let made = |name: &str, file: &str, created: &str| {
        build::image(name)
            .layer(&format!("f {file} x"))
            .set("created", json!(created))
    };
    let images = [
        made("foo:x", "a", "2023-01-01T00:00:00Z"),
        made("foo:y", "b", "2023-03-01T00:00:00Z"),
        made("bar:1", "c", "2023-02-01T00:00:00Z"),
    ];
    loaded(&[&images[0], &images[1], &images[2]])
}

const NAMES: &str = "--format '{{.Repository}}:{{.Tag}}'";

/// docker lists the newest first; the order was that of index.json.
#[test]
fn the_store_is_listed_from_the_newest() {
    let room = tags();
    store(&room, &format!("imgls {NAMES}")).ok("foo:y\nbar:1\nfoo:x\n");
    store(&room, &format!("imgls {NAMES} foo")).ok("foo:y\nfoo:x\n");
    // An archive has its order.
    store(&room, &format!("imgls {NAMES} app.tar")).ok("foo:x\nfoo:y\nbar:1\n");
}

/// As `docker images NAME` and `docker images NAME:TAG`.
#[test]
fn a_repository_is_all_its_tags() {
    let room = tags();
    store(&room, "imgtag foo:x foo:z").ok("");
    for (wanted, names) in [
        ("foo", "foo:y\nfoo:x\nfoo:z\n"),
        ("docker.io/library/foo", "foo:y\nfoo:x\nfoo:z\n"),
        ("foo:z", "foo:z\n"),
        ("app.tar:foo", "foo:x\nfoo:y\n"),
        ("app.tar:foo:y", "foo:y\n"),
    ] {
        store(&room, &format!("imgls {NAMES} {wanted}")).ok(names);
    }
    for (wanted, names) in [
        ("foo", "foo:x\nfoo:z\nfoo:y\n"),
        ("app.tar:foo", "foo:x\nfoo:y\n"),
    ] {
        store(&room, &format!("imgsave -o o.tar {wanted}")).ok("");
        room.run(&format!("imgls {NAMES} o.tar")).ok(names);
    }
    // Other programs take one image, and imgrm removes no more than was named.
    store(&room, "imginspect foo").code(2);
    store(&room, "imgrm foo").code(2);
    store(&room, "imgls fooo:x")
        .code(2)
        .complains("hint: the closest name in the store is foo:x");
}

/// A filter left nothing for the next one to find its image in.
#[test]
fn filters_do_not_depend_on_one_another() {
    let room = tags();
    for (filters, names) in [
        ("-f reference=foo -f since=bar:1", "foo:y\n"),
        ("-f since=bar:1 -f reference=foo", "foo:y\n"),
        (
            "-f since=foo:x -f until=2023-02-15T00:00:00Z -f before=foo:y",
            "bar:1\n",
        ),
        ("-f before=bar:1", "foo:x\n"),
        ("foo -f before=bar", "foo:x\n"),
    ] {
        let filters = filters.replace("before=bar ", "before=bar:1 ");
        let filters = match filters.ends_with("before=bar") {
            true => format!("{filters}:1"),
            false => filters,
        };
        store(&room, &format!("imgls {NAMES} {filters}")).ok(names);
    }
    store(&room, "imgls -f since=nope")
        .code(2)
        .complains("no such image 'nope'");
}

/// Names with the default host matched nothing; keys were taken as they were typed.
#[test]
fn filters_are_read_as_docker_reads_them() {
    let room = tags();
    for (filter, names) in [
        ("reference=docker.io/library/foo", "foo:y\nfoo:x\n"),
        ("reference=docker.io/library/foo:*", "foo:y\nfoo:x\n"),
        ("reference=docker.io/foo", "foo:y\nfoo:x\n"),
        ("reference=foo:*", "foo:y\nfoo:x\n"),
        ("'Reference = foo:x'", "foo:x\n"),
        ("Dangling=false", "foo:y\nbar:1\nfoo:x\n"),
        ("'dangling = true'", ""),
    ] {
        store(&room, &format!("imgls {NAMES} -f {filter}")).ok(names);
    }
}

/// A platform that nothing is for gave an empty table, and exit status 0.
#[test]
fn a_platform_that_is_missing_is_an_error() {
    let room = tags();
    for line in ["imgls app.tar", "imgls", "imgls foo"] {
        store(&room, &format!("{line} --platform linux/s390x"))
            .code(2)
            .complains("no such image 'linux/s390x': available: linux/amd64");
    }
}

/// What is there and no layout was shown as an empty store, and made one by imgload.
#[test]
fn a_directory_of_other_files_is_no_store() {
    let room = loaded(&[&app()]);
    std::fs::create_dir(room.path("files")).expect("a directory");
    room.write("files/x", b"x");
    for line in [
        "imgls",
        "imgdf",
        "imgrm x",
        "imgprune --force",
        "imgload app.tar",
        "imgtag app.tar x",
    ] {
        room.run(&format!("{line} --store files"))
            .code(2)
            .complains("files: not an image store: directory is neither empty nor an OCI layout");
        assert_eq!(
            std::fs::read_dir(room.path("files")).expect("it").count(),
            1
        );
    }
    std::fs::create_dir(room.path("empty")).expect("a directory");
    room.run("imgload -q --store empty app.tar").code(0);
}

/// Each argument opened and kept the whole store: 16 KB for each image, times the arguments.
#[test]
fn many_names_of_a_store_are_one_opened_store() {
    let room = loaded(&[&app()]);
    let index_before = index(&room);
    let mut names = Vec::new();
    let mut index = index_before;
    for number in 0..250 {
        let image = app().set("author", json!(format!("{number}")));
        put(&room, &image.config());
        put(&room, &image.manifest());
        let mut item = build::descriptor(MANIFEST, &image.manifest());
        item["annotations"] =
            json!({"org.opencontainers.image.ref.name": format!("many:{number}")});
        index["manifests"]
            .as_array_mut()
            .expect("a list")
            .push(item);
        names.push(format!("many:{number}"));
    }
    room.write("store/index.json", index.to_string().as_bytes());
    let names = names.join(" ");
    // 250 opened stores took some 1 GB; threads have stacks that count here, too.
    for program in [
        "imgsave -j 1 -o all.tar",
        "imginspect",
        "imgdf",
        "imgls",
        "imggraph",
    ] {
        let (name, rest) = program.split_once(' ').unwrap_or((program, ""));
        let program = crate::common::run::program(name);
        let line = format!(
            "ulimit -v 400000; exec {} {rest} {names}",
            program.display()
        );
        let mut shell = std::process::Command::new("sh");
        shell.arg("-c").arg(line);
        crate::common::run::clean(&mut shell, &room.path("."));
        let output = shell
            .env("IMGKIT_STORE", "store")
            .output()
            .expect("a shell");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {error}");
    }
}

/// What root wrote into another user's layout or store was root's, so that its owner could not go on with it; umoci gives
/// it to the owner. Run by anyone else the files are one's own, as the directory is.
#[test]
fn a_layout_belongs_to_its_owner() {
    use std::os::unix::fs::{MetadataExt, chown};
    let one = build::image("app:1").layer("f a A");
    let two = build::image("app:2").layer("f b B");
    for line in [
        "imgconvert -q two.tar oci:lay:two",
        "imgload --store lay two.tar",
    ] {
        let room = Room::with("two.tar", &build::docker(&[&two]));
        build::oci(&[&one]).write_to(&room.path("lay"));
        let all = |room: &Room| -> Vec<std::path::PathBuf> {
            let mut found = vec![room.path("lay")];
            let mut at = 0;
            while let Some(path) = found.get(at).cloned() {
                at += 1;
                for entry in std::fs::read_dir(&path).into_iter().flatten() {
                    found.push(entry.expect("an entry").path());
                }
            }
            found
        };
        let before = all(&room);
        for path in &before {
            // Only root can; nobody else has to.
            let _ = chown(path, Some(12345), Some(12346));
        }
        let owner = |path: &std::path::Path| {
            let metadata = std::fs::symlink_metadata(path).expect("it");
            (metadata.uid(), metadata.gid())
        };
        let expected = owner(&room.path("lay"));
        room.run(line).code(0);
        let after = all(&room);
        assert!(after.len() > before.len());
        for path in after {
            assert_eq!(owner(&path), expected, "{line}: {}", path.display());
        }
    }
}
