//! Storage trees of a registry, read and written. The real server's opinion: `cross/trees.py`.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use serde_json::{Value, json};

use crate::common::build::{self, Files, Image, digest};
use crate::common::pack::Pack;
use crate::common::registry::{V2, blob, data, link, push, revision, tag};
use crate::common::run::Room;

fn app() -> Image {
    build::image("demo:1")
        .layer("d etc | f etc/a one")
        .packed(Pack::Gzip)
        .layer("f etc/b two")
        .packed(Pack::Gzip)
}

fn tool() -> Image {
    build::image("tool:2")
        .layer("d etc | f etc/a one")
        .packed(Pack::Gzip)
        .layer("f x hello")
        .packed(Pack::Gzip)
}

fn tree() -> Files {
    let mut files = Files::default();
    let digest = push(&mut files, "library/demo", &app());
    tag(&mut files, "library/demo", "1", &digest);
    tag(&mut files, "library/demo", "latest", &digest);
    let digest = push(&mut files, "team/tool", &tool());
    tag(&mut files, "team/tool", "2", &digest);
    files
}

fn room(files: &Files) -> Room {
    let room = Room::new();
    files.write_to(&room.path("tree"));
    room
}

/// Files below a directory, with their contents.
fn contents(top: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut work = vec![top.to_owned()];
    while let Some(path) = work.pop() {
        for entry in std::fs::read_dir(&path).expect("a directory") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => work.push(path),
                false => {
                    let name = path.strip_prefix(top).expect("below").to_string_lossy();
                    found.insert(name.into_owned(), std::fs::read(&path).expect("a file"));
                }
            }
        }
    }
    found.remove(".imgkit.lock");
    found
}

/// Codes of the findings about a tree.
#[track_caller]
fn codes(room: &Room, tree: &str, status: i32) -> Vec<String> {
    let run = room.run(&format!("imgverify --format json {tree}"));
    run.code(status);
    let rows = run
        .out()
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let codes = rows.filter_map(|row: Value| Some(row["Code"].as_str()?.to_owned()));
    codes.collect()
}

const LIST: &str = "--format '{{.Repository}}:{{.Tag}} {{.Digest}}'";

/// Uncompressed layers of archives with manifests were compressed for a tree, which changed the digests.
#[test]
fn manifests_keep_their_digests_beside_images_without_one() {
    let base = || build::image("").layer("f base same");
    let old = base().named("old:1").layer("f a old");
    let new = base().named("new:1").layer("f a new");
    let room = Room::with("old.tar", &build::docker(&[&old]));
    room.write("new.tar", &build::docker25(&[&new]).tar());
    let of_new = format!("new:1 {}", new.manifest_digest());
    for line in [
        "imgpush -q new.tar tree",
        "imgconvert -q new.tar registry-tree:converted",
        "imgpush -q old.tar new.tar both",
    ] {
        room.run(line).code(0);
        let tree = line.rsplit([' ', ':']).next().expect("a tree");
        let listed = room.run(&format!("imgls {LIST} {tree}"));
        listed.code(0).says(&of_new);
        room.run(&format!("imgverify -q {tree}")).code(0);
    }
    // The layer that only the image without a manifest has is compressed.
    let stored = |image: &Image, layer: usize| {
        let data = data(&image.diff_ids()[layer]);
        room.path(&format!("both/{data}")).exists()
    };
    assert!(stored(&new, 0) && stored(&new, 1) && !stored(&old, 1));
}

#[test]
fn a_tree_lists_every_tag_wherever_it_is_entered() {
    let room = room(&tree());
    let (demo, tool) = (app().manifest_digest(), tool().manifest_digest());
    let expected =
        format!("library/demo:1 {demo}\nlibrary/demo:latest {demo}\nteam/tool:2 {tool}\n");
    for path in [
        "tree",
        "tree/docker",
        "tree/docker/registry",
        "tree/docker/registry/v2",
    ] {
        room.run(&format!("imgls {LIST} {path}")).ok(&expected);
        room.run(&format!("imgls {LIST} registry-tree:{path}"))
            .ok(&expected);
    }
    for (name, rows) in [
        ("tree:team/tool", format!("team/tool:2 {tool}\n")),
        ("tree:library/demo:1", format!("library/demo:1 {demo}\n")),
        (&*format!("tree@{tool}"), format!("team/tool:2 {tool}\n")),
        (
            &*format!("registry-tree:tree:team/tool@{tool}"),
            format!("team/tool:2 {tool}\n"),
        ),
    ] {
        room.run(&format!("imgls {LIST} {name}")).ok(&rows);
    }
    room.run("imginspect --format '{{.Id}}' tree:team/tool:2")
        .ok(&format!("{}\n", self::tool().id()));
    room.run("imgverify -q tree").ok("");
    room.run("imgls tree:team/tool:3").code(2);
    room.run("imgls registry-tree:.").code(2);
}

#[test]
fn every_program_reads_a_tree() {
    let room = room(&tree());
    room.run("imgsave -o saved.tar tree:team/tool:2").ok("");
    room.run(&format!("imgls {LIST} saved.tar"))
        .ok(&format!("team/tool:2 {}\n", tool().manifest_digest()));
    room.run("imgload --store store tree")
        .ok("Loaded image: demo:1\nLoaded image: demo:latest\nLoaded image: team/tool:2\n");
    room.run("imgdiff -q saved.tar tree:team/tool:2").ok("");
    room.run("imgconvert tree:library/demo:1 oci:layout").ok("");
    room.run("imgverify -q layout").ok("");
    for line in [
        "imgdf tree",
        "imghistory tree:library/demo:1",
        "imggraph tree",
        "imgexport -o root.tar tree:library/demo:1",
        "imgtag tree:library/demo:1 other:1",
    ] {
        room.run(line).code(0);
    }
}

/// In a tar, as oc-mirror writes it, a tree is what it is in a directory, wherever it begins.
#[test]
fn a_tar_of_a_tree_is_read_like_the_tree() {
    let mut files = tree();
    let room = room(&files);
    files.add("working-dir/notes", "of another tool");
    room.write("plain.tar", &files.tar());
    room.write("packed.tar.gz", &Pack::Gzip.pack(&files.tar()));
    let deep = files.below("var/lib/registry");
    room.write("deep.tar", &deep.tar());
    let v2 = Files::of(files.names().iter().filter_map(|name| {
        let inside = name.strip_prefix(&format!("{V2}/"))?;
        Some((inside.to_owned(), files.get(name).to_vec()))
    }));
    room.write("v2.tar", &v2.tar());
    for line in [
        "imgls --format {{.Repository}}:{{.Tag}}@{{.Digest}},{{.ID}},{{.SizeBytes}} {}",
        "imginspect --format {{.Id}}{{.RepoTags}}{{.RootFS}} {}:library/demo:1",
        "imghistory --no-trunc {}:team/tool:2",
        "imgdiff {0}:library/demo {0}:team/tool:2",
        "imgsave -o - {}:library/demo:1",
        "imgexport -o - {}:team/tool:2",
        "imgpull -q --store store {}:team/tool:2",
    ] {
        let of = |place: &str| line.replace("{}", place).replace("{0}", place);
        let wanted = room.run(&of("tree"));
        assert!(
            matches!(wanted.code, Some(0 | 1)) && wanted.err().is_empty(),
            "{wanted}"
        );
        for tar in [
            "plain.tar",
            "packed.tar.gz",
            "deep.tar",
            "v2.tar",
            "registry-tree:plain.tar",
        ] {
            let found = room.run(&of(tar));
            assert!(
                (found.code, &found.stdout) == (wanted.code, &wanted.stdout),
                "{line}: {tar}: {found}{wanted}"
            );
        }
    }
    room.run("imgverify tree").code(0);
    room.run("imgverify plain.tar").code(0);
    let piped = room
        .command("imgls -q -")
        .pipe(&Pack::Zstd.pack(&deep.tar()))
        .run();
    assert_eq!(piped.code(0).stdout, room.run("imgls -q tree").stdout);
    room.command("imgverify -").pipe(&deep.tar()).run().code(0);
    room.run("imgload -q --store pulled plain.tar").code(0);
    let digests = |store: &str| {
        room.run(&format!("imgls --digests {store}"))
            .out()
            .contains(&digest(&app().manifest()))
    };
    assert!(digests("--store pulled"));
}

#[test]
fn damaged_tars_of_trees_are_reported() {
    let mut files = tree();
    let digest = digest(&tool().manifest());
    files.bytes(&data(&digest)).push(b' ');
    let current = format!("{V2}/repositories/library/demo/_manifests/tags/1/current/link");
    *files.bytes(&current) = b"sha256:12".to_vec();
    let room = Room::with("t.tar", &files);
    let run = room.run("imgverify t.tar");
    run.code(1);
    for wanted in [
        "digest-mismatch",
        "library/demo/_manifests/tags/1/current/link",
    ] {
        assert!(run.out().contains(wanted), "{wanted}: {run}");
    }
    room.run("imgload --store store t.tar").code(2);
    room.run("imgls -q --store store").ok("");
    // Which of two would an engine fill?
    let mut two = tree();
    for name in tree().names() {
        two.add(&format!("other/{name}"), tree().get(&name));
    }
    let room = Room::with("t.tar", &two);
    let why = "storages of several registries: docker/registry/v2 and other/docker/registry/v2";
    room.run("imgls t.tar").code(2).complains(why);
    // Links of a tar do not lead to other repositories.
    let mut linked = tree();
    linked.symlink(&format!("{V2}/repositories/copy"), "team/tool");
    let room = Room::with("t.tar", &linked);
    assert_eq!(room.run("imgls -q t.tar").out().lines().count(), 3);
    room.run("imgls -q t.tar:copy:2").code(2);
}

#[test]
fn a_tar_of_a_tree_is_not_written_to() {
    let room = Room::with("t.tar", &tree());
    room.run("imgsave -q -o a.tar t.tar:team/tool:2").code(0);
    let before = std::fs::read(room.path("t.tar")).expect("the tar");
    for line in [
        "imgpush -q a.tar t.tar",
        "imgpush -q a.tar registry-tree:t.tar",
        "imgrm t.tar:team/tool:2",
        "imgrm registry-tree:t.tar:team/tool:2",
        "imgrm dir-tree:t.tar:team/tool:2",
        "imgtag layout-tree:t.tar:team/tool:2 team/tool:3",
        "imgprune --force t.tar",
        "imgprune --force registry-tree:t.tar",
        "imgprune --force layout-tree:t.tar",
        "imgconvert a.tar registry-tree:t.tar:x:1",
        "imgconvert a.tar layout-tree:t.tar:x:1",
    ] {
        let run = room.run(line);
        run.code(2);
        assert_eq!(
            std::fs::read(room.path("t.tar")).expect("the tar"),
            before,
            "{line}"
        );
    }
}

#[test]
fn untagged_manifests_are_listed_on_request_and_referrers_go_along() {
    let mut files = tree();
    let old = build::image("").layer("f old old");
    let untagged = push(&mut files, "library/demo", &old);
    let about = build::descriptor(
        "application/vnd.oci.image.manifest.v1+json",
        &app().manifest(),
    );
    let statement = blob(&mut files, b"{}");
    link(&mut files, "library/demo/_layers", &statement);
    let referrer = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "application/vnd.example",
        "config": build::descriptor("application/vnd.oci.empty.v1+json", b"{}"),
        "layers": [],
        "subject": about,
    });
    let referrer = revision(&mut files, "library/demo", referrer.to_string().as_bytes());
    let room = room(&files);
    let rows = room.run(&format!("imgls {LIST} tree"));
    assert_eq!(rows.out().lines().count(), 3, "{rows}");
    room.run(&format!("imgls -a {LIST} tree"))
        .says(&format!("<none>:<none> {untagged}\n"));
    room.run(&format!("imgls -a {LIST} tree")).says(&referrer);
    // A push takes the referrer along, with a tag by which clients find it.
    room.run("imgpush -q tree:library/demo:1 other").code(0);
    let fallback = app().manifest_digest().replace(':', "-");
    let path =
        format!("other/{V2}/repositories/library/demo/_manifests/tags/{fallback}/current/link");
    let index = std::fs::read_to_string(room.path(&path)).expect("the fallback tag");
    let index = std::fs::read(room.path(&format!("other/{}", data(&index)))).expect("an index");
    let index: Value = serde_json::from_slice(&index).expect("JSON");
    assert_eq!(index["manifests"][0]["digest"], *referrer);
    assert_eq!(
        index["manifests"][0]["artifactType"],
        "application/vnd.example"
    );
    room.run("imgpush -q --no-referrers tree:library/demo:1 alone")
        .code(0);
    assert!(!room.path(&path.replacen("other", "alone", 1)).exists());
    room.run("imgverify -q other").ok("");
}

#[test]
fn damaged_trees_are_reported() {
    let link_of = |kind: &str, digest: &str| {
        format!(
            "{V2}/repositories/team/tool/{kind}/sha256/{}/link",
            &digest[7..]
        )
    };
    let (config, manifest, blobs) = (tool().id(), tool().manifest_digest(), tool().blobs());
    let layer = digest(&blobs[1]);
    let current = format!("{V2}/repositories/team/tool/_manifests/tags/2/current/link");
    let history = format!(
        "{V2}/repositories/team/tool/_manifests/tags/2/index/sha256/{}/link",
        &manifest[7..]
    );
    type Damage<'a> = Box<dyn Fn(&mut Files) + 'a>;
    let cases: [(&str, i32, Damage<'_>); 8] = [
        (
            "missing-link",
            1,
            Box::new(|files| {
                files.remove(&link_of("_layers", &config));
            }),
        ),
        (
            "missing-link",
            1,
            Box::new(|files| {
                files.remove(&link_of("_manifests/revisions", &manifest));
            }),
        ),
        (
            "dangling-link",
            1,
            Box::new(|files| {
                files.remove(&data(&layer));
            }),
        ),
        (
            "link-mismatch",
            1,
            Box::new(|files| {
                files.put(&link_of("_layers", &layer), config.clone());
            }),
        ),
        (
            "link-newline",
            0,
            Box::new(|files| {
                files.put(&link_of("_layers", &layer), format!("{layer}\n"));
            }),
        ),
        (
            "unlinked-blob",
            0,
            Box::new(|files| {
                blob(files, b"nothing");
            }),
        ),
        (
            "tag-without-index",
            0,
            Box::new(|files| {
                files.remove(&history);
            }),
        ),
        (
            "abandoned-upload",
            0,
            Box::new(|files| {
                let upload = format!("{V2}/repositories/team/tool/_uploads/1/startedat");
                files.add(&upload, "2024-01-01T00:00:00Z");
            }),
        ),
    ];
    for (code, status, damage) in cases {
        let mut files = tree();
        damage(&mut files);
        let room = room(&files);
        let found = codes(&room, "tree", status);
        assert!(found.iter().any(|found| found == code), "{code}: {found:?}");
    }
    for text in ["", "no digest", "sha256:12", &"a".repeat(100_000)] {
        let mut files = tree();
        files.put(&current, text);
        let room = room(&files);
        let run = room.run(&format!("imgls {LIST} tree"));
        run.code(2).says("demo:1");
        assert!(!run.out().contains("tool"), "{run}");
        assert!(run.err().contains("current/link"), "{run}");
    }
}

#[test]
fn hostile_trees_lead_nowhere() {
    let files = tree();
    let room = room(&files);
    let v2 = room.path("tree").join(V2);
    room.write("secret", tool().manifest_digest().as_bytes());
    // A repository that is a loop, a tag that is a link, a link to a link outside, and names that are none.
    symlink("..", v2.join("repositories/loop")).expect("a link");
    symlink(
        "../../../..",
        v2.join("repositories/team/tool/_manifests/tags/up"),
    )
    .expect("a link");
    let tags = v2.join("repositories/team/tool/_manifests/tags");
    std::fs::create_dir_all(tags.join("out/current")).expect("a directory");
    symlink(room.path("secret"), tags.join("out/current/link")).expect("a link");
    std::fs::create_dir_all(tags.join("a b/current")).expect("a directory");
    std::fs::create_dir_all(v2.join("repositories/UPPER/_manifests/tags")).expect("a directory");
    let run = room.run(&format!("imgls {LIST} tree"));
    run.code(2);
    assert_eq!(run.out().lines().count(), 3, "{run}");
    assert!(run.err().contains("tags/out/current/link"), "{run}");
    assert!(
        run.err()
            .contains("repositories/UPPER: invalid name, ignored"),
        "{run}"
    );
    // What is written does not go through a link either.
    std::fs::create_dir(room.path("outside")).expect("a directory");
    symlink(room.path("outside"), v2.join("repositories/gone")).expect("a link");
    room.run("imgpush --as gone:1 tree:library/demo:1 tree")
        .code(2);
    assert!(contents(&room.path("outside")).is_empty());
    // Two million links are enough.
    room.run("imgls --limit links=3 tree").code(2);
    room.run("imgls --limit repositories=1 tree").code(2);
}

#[test]
fn a_push_makes_what_the_server_would_and_a_second_one_nothing() {
    let room = Room::new();
    build::oci(&[&app(), &tool().named("team/tool:2")]).write_to(&room.path("layout"));
    let run = room.run("imgpush layout registry-tree:tree");
    let line = |image: &Image, tag: &str| {
        format!(
            "{tag}: digest: {} size: {}\n",
            image.manifest_digest(),
            image.manifest().len()
        )
    };
    assert_eq!(
        run.out(),
        line(&app(), "1") + &line(&tool(), "2") + &line(&tool(), "2"),
        "{run}"
    );
    assert!(
        run.err()
            .contains("imgpush: The push refers to repository [library/demo]\n"),
        "{run}"
    );
    assert!(run.err().contains(": Pushed\n"), "{run}");
    let mut files = Files::default();
    let digest = push(&mut files, "library/demo", &app());
    tag(&mut files, "library/demo", "1", &digest);
    for repository in ["library/tool", "team/tool"] {
        let digest = push(&mut files, repository, &tool());
        tag(&mut files, repository, "2", &digest);
    }
    let wanted = self::room(&files);
    let first = contents(&room.path("tree"));
    assert_eq!(first, contents(&wanted.path("tree")));
    let inodes = |room: &Room| -> Vec<u64> {
        let names = contents(&room.path("tree")).into_keys();
        names
            .map(|name| {
                std::fs::metadata(room.path("tree").join(name))
                    .expect("a file")
                    .ino()
            })
            .collect()
    };
    let before = inodes(&room);
    let run = room.run("imgpush --format json layout tree");
    for line in run.out().lines() {
        let row: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(
            (&row["BlobsNew"], &row["BytesNew"]),
            (&json!(0), &json!(0)),
            "{run}"
        );
        assert_eq!(row["Replaced"], Value::Null, "{run}");
    }
    assert!(run.err().contains("Layer already exists"), "{run}");
    assert_eq!(
        (inodes(&room), contents(&room.path("tree"))),
        (before, first)
    );
    room.run("imgverify -q tree").ok("");
}

#[test]
fn tags_move_or_stay_and_history_is_kept() {
    let room = Room::new();
    build::oci(&[&app()]).write_to(&room.path("one"));
    let other = build::image("demo:1").layer("f x other").packed(Pack::Gzip);
    build::oci(&[&other]).write_to(&room.path("two"));
    room.run("imgpush -q one tree").code(0);
    let before = contents(&room.path("tree"));
    room.run("imgpush -q --dry-run two tree").code(0);
    assert_eq!(contents(&room.path("tree")), before);
    room.run("imgpush -q --no-clobber two tree").code(1);
    room.run(&format!("imgls {LIST} tree"))
        .ok(&format!("library/demo:1 {}\n", app().manifest_digest()));
    let run = room.run("imgpush -q --format json two tree");
    run.code(0)
        .says(&format!("\"Replaced\":\"{}\"", app().manifest_digest()));
    room.run(&format!("imgls {LIST} tree"))
        .ok(&format!("library/demo:1 {}\n", other.manifest_digest()));
    let history = room
        .path("tree")
        .join(V2)
        .join("repositories/library/demo/_manifests/tags/1/index/sha256");
    assert_eq!(std::fs::read_dir(history).expect("the history").count(), 2);
    // A blob of the wrong size is damage, and nothing is written over it.
    let path = room.path("tree").join(data(&other.id()));
    std::fs::write(&path, "short").expect("a file");
    let run = room.run("imgpush -q two tree");
    run.code(2);
    assert!(run.err().contains("size mismatch"), "{run}");
    assert_eq!(std::fs::read(&path).expect("a file"), b"short");
}

#[test]
fn names_in_a_tree() {
    let room = Room::new();
    build::oci(&[&app()
        .named("quay.io/team/demo:3")
        .named("host.example:5000/x:1")])
    .write_to(&room.path("layout"));
    let pushed = |line: &str, names: &[&str]| {
        let _ = std::fs::remove_dir_all(room.path("tree"));
        room.run(line).code(0);
        let rows = room.run("imgls --format '{{.Repository}}:{{.Tag}}' tree");
        assert_eq!(
            rows.out().lines().collect::<Vec<_>>(),
            names,
            "{line}\n{rows}"
        );
    };
    pushed(
        "imgpush -q layout tree",
        &["library/demo:1", "team/demo:3", "x:1"],
    );
    pushed("imgpush -q --as app:9 layout tree", &["app:9"]);
    pushed(
        "imgpush -q --prefix mirror layout:quay.io/team/demo:3 tree",
        &["mirror/team/demo:3"],
    );
    pushed(
        "imgpush -q --keep-host layout:quay.io/team/demo:3 tree",
        &["quay.io/team/demo:3"],
    );
    pushed(
        "imgconvert -q layout:demo:1 registry-tree:tree:app:7",
        &["app:7"],
    );
    // Names of another tree are exact: app is not library/app.
    room.run("imgpush -q tree copy").code(0);
    assert!(room.path("copy").join(V2).join("repositories/app").is_dir());
    room.run("imgpush -q --keep-host layout tree").code(2);
    room.run("imgpush -q --as UPPER layout tree").code(2);
    // Two images with one name are refused before anything is written.
    build::oci(&[&tool()]).write_to(&room.path("other"));
    room.run("imgpush -q --as one:1 layout other new").code(2);
    assert!(!room.path("new").exists());
    room.write("file", b"text");
    std::fs::create_dir(room.path("full")).expect("a directory");
    room.write("full/file", b"text");
    for target in ["file", "full"] {
        room.run(&format!("imgpush -q layout {target}")).code(2);
    }
}

#[test]
fn a_name_in_a_tree_is_not_one_below_library() {
    let room = Room::new();
    build::oci(&[&app()]).write_to(&room.path("app"));
    build::oci(&[&tool()]).write_to(&room.path("tool"));
    room.run("imgpush -q --as app:1 app tree").code(0);
    room.run("imgpush -q --as library/app:1 tool tree").code(0);
    room.run("imgpush -q tree copy").code(0);
    room.run("imgconvert -q tree layout-tree:layouts").code(0);
    let (app, tool) = (app().id(), tool().id());
    let names = |command: &str| {
        let listed = room.run(&format!(
            "imgls --no-trunc --format '{{{{.Repository}}}}:{{{{.Tag}}}} {{{{.ID}}}}' {command}"
        ));
        let mut lines: Vec<String> = listed.code(0).out().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    for tree in ["tree", "copy", "layouts"] {
        let expected = [format!("app:1 {app}"), format!("library/app:1 {tool}")];
        assert_eq!(names(tree), expected, "{tree}");
        for (name, id) in [("app:1", &app), ("library/app:1", &tool)] {
            let found = room.run(&format!("imginspect --format '{{{{.Id}}}}' {tree}:{name}"));
            assert_eq!(found.code(0).out().trim(), id, "{tree}:{name}");
            let repository = name.trim_end_matches(":1");
            let expected = [format!("{name} {id}")];
            assert_eq!(names(&format!("{tree}:{repository}")), expected, "{tree}");
        }
        // Outside of a tree both are one name.
        room.run(&format!("imgsave -o both.tar {tree}")).code(2);
        let hosted = format!("--registry reg.example:5000/team {tree}");
        room.run(&format!("imgsave -o both.tar {hosted}")).code(0);
        let expected = [
            format!("reg.example:5000/team/app:1 {app}"),
            format!("reg.example:5000/team/library/app:1 {tool}"),
        ];
        assert_eq!(names("both.tar"), expected, "{tree}");
        assert_eq!(names(&hosted), expected, "{tree}");
        for name in ["app:1", "reg.example:5000/team/app:1"] {
            assert_eq!(
                names(&format!("{hosted}:{name}")),
                expected[..1],
                "{tree}:{name}"
            );
        }
    }
    room.run("imgpull -q --registry localhost:5000 tree:app:1")
        .code(0);
    assert_eq!(names(""), [format!("localhost:5000/app:1 {app}")]);
    room.run("imgrm tree:library/app:1").code(0);
    // What is left is meant by docker's name for it.
    for name in ["app:1", "docker.io/library/app:1"] {
        assert_eq!(names(&format!("tree:{name}")), [format!("app:1 {app}")]);
    }
    for host in ["team", "", "a/b", "UPPER/a b"] {
        room.run(&format!("imgls --registry '{host}' tree")).code(2);
    }
}

#[test]
fn indexes_come_with_all_their_platforms() {
    let room = Room::new();
    let (amd, arm) = (app(), tool().platform("linux/arm64"));
    build::multi("multi:1", &[&amd, &arm], &[]).write_to(&room.path("multi"));
    build::multi("multi:1", &[&amd], &["linux/arm64"]).write_to(&room.path("sparse"));
    room.run("imgpush -q multi tree").code(0);
    assert_eq!(codes(&room, "tree", 0), ["gc-would-remove"]);
    let digest = |path: &str| {
        room.run(&format!("imgls --format '{{{{.Digest}}}}' {path}"))
            .out()
            .to_owned()
    };
    assert_eq!(digest("tree"), digest("multi"));
    let run = room.run("imgpush sparse other");
    run.code(0);
    assert!(run.err().contains("is missing"), "{run}");
    room.run("imgpush -q --require-all-platforms sparse third")
        .code(2);
    room.run("imgpush -q --platform linux/arm64 multi fourth")
        .code(0);
    room.run("imgls --format '{{.Digest}}' fourth")
        .ok(&format!("{}\n", arm.manifest_digest()));
}

#[test]
fn blobs_are_linked_on_request_and_verified_first() {
    let room = Room::new();
    let image = app();
    build::oci(&[&image]).write_to(&room.path("layout"));
    let layer = digest(&image.blobs()[0]);
    let in_tree = |tree: &str| room.path(tree).join(data(&layer));
    let blob = |digest: &str| room.path("layout").join(build::blob_name(digest));
    let inode = |path: &Path| path.metadata().expect("a blob").ino();
    room.run("imgpush -q layout copy").code(0);
    assert_ne!(inode(&in_tree("copy")), inode(&blob(&layer)));
    room.run("imgpush -q --link layout tree").code(0);
    assert_eq!(contents(&room.path("tree")), contents(&room.path("copy")));
    for digest in [layer.clone(), image.id(), image.manifest_digest()] {
        let in_tree = room.path("tree").join(data(&digest));
        let is_linked = inode(&in_tree) == inode(&blob(&digest));
        // Documents are in memory.
        assert_eq!(is_linked, digest == layer, "{digest}");
    }
    room.run("imgverify -q tree").ok("");
    room.run("imgpush -q --link --owner 0:0 layout tree")
        .code(2);
    // Parts of an archive have no file of their own.
    room.write("app.tar", &build::oci(&[&image]).tar());
    room.run("imgpush -q --link app.tar other").code(0);
    assert_eq!(contents(&room.path("other")), contents(&room.path("copy")));
    let mut bytes = std::fs::read(blob(&layer)).expect("a layer");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(blob(&layer), bytes).expect("a file");
    room.run("imgpush -q --link layout new").code(2);
    assert!(!room.path("new").exists());
}

#[test]
fn uncompressed_layers_of_docker_archives_are_compressed() {
    let image = build::image("demo:1").layer("f etc/a one");
    let room = Room::with("app.tar", &build::docker(&[&image]));
    room.run("imgpush -q app.tar tree").code(0);
    room.run("imgpush -q --compression none app.tar none")
        .code(0);
    let first = |tree: &str| {
        let layer = room.run(&format!("imginspect --raw manifest {tree}:demo:1"));
        let manifest: Value = serde_json::from_slice(&layer.stdout).expect("a manifest");
        manifest["layers"][0]["mediaType"]
            .as_str()
            .expect("a media type")
            .to_owned()
    };
    assert_eq!(first("tree"), "application/vnd.oci.image.layer.v1.tar+gzip");
    assert_eq!(first("none"), "application/vnd.oci.image.layer.v1.tar");
    room.run("imginspect --format '{{.Id}}' tree:demo:1")
        .ok(&format!("{}\n", image.id()));
}

#[test]
fn pull_adds_to_the_store() {
    let room = room(&tree());
    let digest = tool().manifest_digest();
    let pull = |status: &str| {
        room.run("imgpull --store store tree:team/tool:2")
            .ok(&format!(
                "Digest: {digest}\nStatus: {status} team/tool:2\nteam/tool:2\n"
            ));
    };
    pull("Downloaded newer image for");
    pull("Image is up to date for");
    room.run("imgpull -q --store store tree:library/demo")
        .ok("library/demo:latest\n");
    room.run("imgpull -q -a --store store tree:library/demo")
        .ok("library/demo:1\nlibrary/demo:latest\n");
    let run = room.run("imgpull --store store tree:team/tol:2");
    run.is(
        1,
        "",
        "imgpull: tree: no such image 'team/tol:2': available: tree:library/demo:1 and tree:team/tool:2\nhint: the closest name is tree:team/tool:2\n",
    );
    room.run("imgpull --store store ./none:team/tool:2").code(2);
    room.run("imgverify -q store").ok("");
}

#[test]
fn tags_are_added_and_removed() {
    let room = room(&tree());
    let list = |expected: &str| {
        room.run("imgls --format '{{.Repository}}:{{.Tag}}' tree")
            .ok(expected);
    };
    room.run("imgtag tree:team/tool:2 team/other:3").ok("");
    list("library/demo:1\nlibrary/demo:latest\nteam/other:3\nteam/tool:2\n");
    room.run("imgrm tree:team/tool:2 tree:library/demo")
        .ok("Untagged: team/tool:2\nUntagged: library/demo:latest\n");
    list("library/demo:1\nteam/other:3\n");
    room.run("imgverify -q tree").ok("");
    room.run("imgrm tree:team/tool:2").code(2);
    room.run("imgrm tree").code(2);
}

#[test]
fn a_prune_removes_what_nothing_needs_and_nothing_else() {
    let mut files = tree();
    let old = build::image("").layer("f old old").packed(Pack::Gzip);
    let untagged = push(&mut files, "library/demo", &old);
    blob(&mut files, b"nothing needs this");
    let room = room(&files);
    let blobs = |room: &Room| {
        let files = contents(&room.path("tree")).into_keys();
        files.filter(|name| name.ends_with("/data")).count()
    };
    let before = contents(&room.path("tree"));
    let count = blobs(&room);
    room.run("imgprune --dry-run tree")
        .ok("Would reclaim: 18B\n");
    assert_eq!(contents(&room.path("tree")), before);
    room.run("imgprune --force tree")
        .ok("Total reclaimed space: 18B\n");
    assert_eq!(blobs(&room), count - 1);
    room.run("imgprune --all --force tree")
        .says(&format!("deleted: {untagged}\n"));
    let wanted = contents(&self::room(&tree()).path("tree"));
    assert_eq!(contents(&room.path("tree")), wanted);
    room.run("imgprune --force store").code(2);
}

#[test]
fn a_prune_follows_indexes_and_waits_for_uploads() {
    let room = Room::new();
    let (amd, arm) = (app(), tool().platform("linux/arm64"));
    build::multi("multi:1", &[&amd, &arm], &[]).write_to(&room.path("multi"));
    room.run("imgpush -q multi tree").code(0);
    let before = contents(&room.path("tree"));
    room.run("imgprune --all --force tree")
        .ok("Total reclaimed space: 0B\n");
    assert_eq!(contents(&room.path("tree")), before);
    let upload = room
        .path("tree")
        .join(V2)
        .join("repositories/library/multi/_uploads/1");
    std::fs::create_dir_all(&upload).expect("a directory");
    let waits = |line: &str| {
        let run = room.run(line);
        run.code(2);
        assert!(run.err().contains("an upload may be in work"), "{run}");
    };
    waits("imgprune --dry-run tree");
    room.run("imgprune --force tree").code(0);
    // A directory is as old as its upload; the file in it grows.
    let file = upload.join("data");
    std::fs::write(&file, "a part").expect("a file");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
    let make_old = |path: &Path| {
        let file = std::fs::File::open(path).expect("a file");
        file.set_modified(old).expect("a time");
    };
    make_old(&upload);
    waits("imgprune --dry-run tree");
    make_old(&file);
    room.run("imgprune --dry-run tree").code(0);
    // The age is that which the server wrote down.
    std::fs::write(upload.join("startedat"), "2024-01-01T00:00:00Z").expect("a file");
    room.run("imgverify tree").code(0).says(
        "_uploads/1: upload never finished: begun 2024-01-01 00:00:00 +0000 UTC, 2 days ago [abandoned-upload]\n",
    );
    std::fs::write(upload.join("startedat"), "\u{1b}[2J").expect("a file");
    room.run("imgverify tree")
        .code(0)
        .says("_uploads/1: upload never finished [abandoned-upload]\n");
}

/// Temporary files beside links stayed for good.
#[test]
fn a_prune_removes_what_a_killed_push_left() {
    let room = room(&tree());
    let top = room.path("tree").join(V2);
    let before = contents(&room.path("tree"));
    let left = [
        "repositories/team/tool/_manifests/tags/2/current/.imgkit-1-a-0",
        "repositories/team/new/_layers/sha256/00/.imgkit-1-a-1",
        "blobs/sha256/00/.imgkit-1-a-2",
    ];
    for name in left {
        let path = top.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, "12345").expect("a file");
    }
    room.run("imgprune --dry-run tree")
        .ok("Would reclaim: 15B\n");
    // One that its program still holds.
    let held = std::fs::File::open(top.join(left[0])).expect("a file");
    held.lock().expect("a lock");
    room.run("imgprune --force tree")
        .ok("Total reclaimed space: 10B\n");
    drop(held);
    room.run("imgprune --force tree")
        .ok("Total reclaimed space: 5B\n");
    let mut after = contents(&room.path("tree"));
    after.retain(|name, _| !name.ends_with(".imgkit.lock"));
    assert_eq!(after, before);
}

/// A prune removed a file named `link` outside of the tree if a directory of links led there.
#[test]
fn a_prune_removes_nothing_outside() {
    let room = room(&tree());
    std::fs::create_dir(room.path("outside")).expect("a directory");
    room.write("outside/link", b"kept");
    let layers = room
        .path("tree")
        .join(V2)
        .join("repositories/team/tool/_layers/sha256");
    symlink(room.path("outside"), layers.join("a".repeat(64))).expect("a link");
    room.run("imgprune --force tree")
        .code(2)
        .complains("a symbolic link");
    assert!(room.path("outside/link").exists());
}

#[test]
fn a_tar_of_the_tree_is_a_push() {
    let room = Room::new();
    build::oci(&[&app(), &tool()]).write_to(&room.path("layout"));
    room.run("imgpush -q layout tree").code(0);
    room.run("imgpush -q --tree-tar tree.tar layout").code(0);
    let piped = room.run("imgpush -q --tree-tar - layout");
    assert_eq!(
        piped.code(0).stdout,
        std::fs::read(room.path("tree.tar")).expect("the tar")
    );
    let unpacked = room.path("unpacked");
    let mut tar = tar::Archive::new(&piped.stdout[..]);
    let mut names = Vec::new();
    for entry in tar.entries().expect("entries") {
        let entry = entry.expect("an entry");
        names.push(entry.path().expect("a path").to_string_lossy().into_owned());
    }
    let at = |end: &str| names.iter().rposition(|name| name.ends_with(end));
    assert!(at("/data") < at("/current/link"), "{names:?}");
    std::fs::create_dir_all(&unpacked).expect("a directory");
    tar::Archive::new(&piped.stdout[..])
        .unpack(&unpacked)
        .expect("unpacked");
    assert_eq!(contents(&unpacked), contents(&room.path("tree")));
    room.run("imgpush -q layout").code(2);
}
