//! Images below a directory of a tar, and packages of other tools: zarf, hauler, cosign, directories that were packed.

use serde_json::json;

use crate::common::build::{self, Files, Image, digest};
use crate::common::pack::Pack;
use crate::common::run::Room;

fn app() -> Image {
    build::image("registry.test/team/app:1")
        .layer("d etc | f etc/a one")
        .layer("f etc/b two")
}

fn tool() -> Image {
    build::image("tool:2").layer("f x hello")
}

/// Hexadecimal digits of a SHA-256 digest.
fn sum(bytes: &[u8]) -> String {
    digest(bytes)["sha256:".len()..].to_owned()
}

/// A package as zarf writes it: an OCI layout in `images`, and a list of checksums of everything else.
fn zarf() -> Files {
    let mut files = build::oci(&[&app(), &tool()]).below("images");
    files.add("components/base.tar", "a component");
    files.add("sboms.tar", "bills of materials");
    let names = files.names();
    let lines = names
        .iter()
        .map(|name| format!("{} {name}\n", sum(files.get(name))));
    let list: String = lines.collect();
    let package = format!(
        "kind: ZarfPackageConfig\nmetadata:\n  name: demo\n  aggregateChecksum: {}\n",
        sum(list.as_bytes())
    );
    files.add("checksums.txt", list);
    files.add("zarf.yaml", package);
    files
}

#[test]
fn an_image_below_a_directory_is_read_like_one_at_the_top() {
    let room = Room::new();
    for (name, image) in [
        ("oci", build::oci(&[&app(), &tool()])),
        ("docker", build::docker(&[&app(), &tool()])),
        ("both", build::docker25(&[&app(), &tool()])),
        ("dir", build::dir(&app())),
    ] {
        let top = format!("{name}.tar");
        room.write(&top, &image.tar());
        let below = image.below("a/b/c");
        room.write("below.tar", &below.tar());
        room.write("below.tar.zst", &Pack::Zstd.pack(&below.tar()));
        for line in [
            "imgls --format {{.Repository}}:{{.Tag}}@{{.Digest}},{{.ID}},{{.SizeBytes}} {}",
            "imginspect --format {{.Id}}{{.RepoTags}}{{.RootFS}} {}",
            "imghistory --no-trunc {}",
            "imgsave -o - {}",
        ] {
            let wanted = room.run(&line.replace("{}", &top));
            for place in ["below.tar", "below.tar.zst"] {
                let found = room.run(&line.replace("{}", place));
                assert_eq!(found.code, wanted.code, "{found}");
                assert!(
                    found.stdout == wanted.stdout,
                    "{name}: {line}: {found}{wanted}"
                );
            }
        }
        let run = room.run("imgverify below.tar");
        run.code(0);
        assert!(run.out().contains("below-directory"), "{run}");
    }
    // A damaged one is told where a directory is searched, too.
    let mut damaged = build::oci(&[&app()]).below("images");
    *damaged.bytes("images/index.json") = b"{".to_vec();
    std::fs::create_dir(room.path("several")).expect("a directory");
    room.write("several/damaged.tar", &damaged.tar());
    room.write("several/notes", b"");
    room.run("imgls several")
        .code(2)
        .complains("several/damaged.tar: ");
    // One level deeper, and below two directories, it is told where images are.
    room.write("deep.tar", &build::docker(&[&app()]).below("a/b/c/d").tar());
    room.run("imgls deep.tar").code(2);
    let mut two = build::dir(&app()).below("one");
    two.extend(build::docker(&[&tool()]).below("two"));
    room.write("two.tar", &two.tar());
    room.run("imgls two.tar")
        .code(2)
        .complains("one/manifest.json");
}

/// Engines load images at the top; and a root filesystem is no image because of a layout in it.
#[test]
fn images_at_the_top_come_first() {
    let mut files = build::docker(&[&tool()]);
    files.extend(build::oci(&[&app()]).below("images"));
    let room = Room::with("a.tar", &files);
    let id = room.run("imgls -q a.tar");
    room.write("tool.tar", &build::docker(&[&tool()]).tar());
    assert_eq!(id.code(0).stdout, room.run("imgls -q tool.tar").stdout);
    let mut root = build::oci(&[&app()]).below("srv/images");
    root.add("etc/hostname", "a");
    root.add("usr/bin/a", "a");
    room.write("root.tar", &root.tar());
    room.run("imgls root.tar")
        .code(2)
        .complains("imgimport root.tar NAME");
}

#[test]
fn directories_of_images_in_a_tar_are_trees() {
    let room = Room::new();
    let mut synced = build::dir(&app()).below("app:1");
    synced.extend(build::dir(&tool()).below("host.test/team/tool:2"));
    synced.write_to(&room.path("sync"));
    room.write("sync.tar", &synced.tar());
    let mut zot = build::oci(&[&app()]).below("team/app");
    zot.extend(build::oci(&[&tool()]).below("tool"));
    zot.add("cache.db", "bolt");
    zot.write_to(&room.path("zot"));
    room.write("zot.tar", &zot.tar());
    for name in ["sync", "zot"] {
        for line in [
            "imgls --format {{.Repository}}:{{.Tag}}@{{.Digest}},{{.ID}},{{.SizeBytes}} {}",
            "imgsave -o - {}:@1",
        ] {
            let wanted = room.run(&line.replace("{}", name));
            let found = room.run(&line.replace("{}", &format!("{name}.tar")));
            assert!(
                found.code(0).stdout == wanted.code(0).stdout,
                "{line}: {found}{wanted}"
            );
        }
        room.run(&format!("imgverify {name}.tar")).code(0);
    }
    // With a prefix also if there is anything else.
    synced.add("notes", "");
    room.write("more.tar", &synced.tar());
    room.run("imgls more.tar").code(2);
    let found = room.run("imgls -q dir-tree:more.tar");
    assert_eq!(found.code(0).stdout, room.run("imgls -q sync").stdout);
    room.run("imgls layout-tree:more.tar").code(2);
    room.run("imgls registry-tree:more.tar").code(2);
}

#[test]
fn packages_of_zarf_are_compared_with_their_checksums() {
    let good = zarf();
    let room = Room::with("zarf-package-demo-amd64.tar", &good);
    let packed = Pack::Zstd.pack(&good.tar());
    room.write("demo.tar.zst", &packed);
    for place in ["zarf-package-demo-amd64.tar", "demo.tar.zst"] {
        let names = room.run(&format!("imgls --format {{{{.Repository}}}} {place}"));
        names.ok("registry.test/team/app\ntool\n");
        room.run(&format!("imgverify {place}")).code(0);
    }
    let verify = |edit: &dyn Fn(&mut Files), status: i32, words: &[&str]| {
        let mut files = zarf();
        edit(&mut files);
        let room = Room::with("p.tar", &files);
        let piped = room.command("imgverify -").pipe(&files.tar()).run();
        for run in [room.run("imgverify p.tar"), piped] {
            run.code(status);
            for word in words {
                assert!(run.out().contains(word), "{word}: {run}");
            }
        }
    };
    verify(
        &|files| files.bytes("components/base.tar").push(b'!'),
        1,
        &["components/base.tar", "digest-mismatch"],
    );
    verify(
        &|files| {
            files.remove("sboms.tar");
        },
        1,
        &["sboms.tar"],
    );
    verify(
        &|files| {
            files
                .bytes("checksums.txt")
                .extend_from_slice(b"no digest\n")
        },
        1,
        &["checksum-mismatch", "checksum-line"],
    );
    verify(
        &|files| {
            let blob = format!("images/{}", build::blob_name(&tool().manifest_digest()));
            files.remove(&blob);
        },
        1,
        &["images/blobs"],
    );
    // Older versions wrote the name where the base belongs; elsewhere it is the base's.
    let mut old = zarf();
    old.edit("images/index.json", |index| {
        index["manifests"][0]["annotations"] =
            json!({"org.opencontainers.image.base.name": "registry.test/old:3"});
    });
    let room = Room::with("old.tar", &old);
    let first = room.run("imgls --format {{.Repository}}:{{.Tag}} old.tar");
    assert!(
        first.code(0).out().contains("registry.test/old:3"),
        "{first}"
    );
    room.run("imginspect old.tar:registry.test/old:3").code(0);
    old.remove("zarf.yaml");
    room.write("old.tar", &old.tar());
    let first = room.run("imgls --format {{.Repository}}:{{.Tag}} old.tar");
    assert!(!first.code(0).out().contains("old:3"), "{first}");
}

/// hauler marks kinds, and leaves `oci-layout` out for containerd; cosign saves an image without a name.
/// An archive as version 1 of oc-mirror writes it: manifests by digest, tags as links, and blobs of all repositories.
fn mirror() -> Files {
    let arm = build::image("x:1").platform("linux/arm64").layer("f x arm");
    let multi = build::multi("multi:1", &[&tool(), &arm], &[]);
    let index = multi.get("index.json");
    let index: serde_json::Value = serde_json::from_slice(index).expect("an index");
    let top = index["manifests"][0]["digest"].as_str().expect("a digest");
    let top = multi.get(&build::blob_name(top)).to_vec();
    let mut files = Files::default();
    files.add("publish/.metadata.json", "{}");
    for (repository, tag, manifests) in [
        ("team/app", "1", vec![app().manifest()]),
        (
            "library/multi",
            "latest",
            vec![top, tool().manifest(), arm.manifest()],
        ),
    ] {
        let directory = format!("v2/{repository}/manifests");
        files.symlink(&format!("{directory}/{tag}"), &digest(&manifests[0]));
        for manifest in manifests {
            files.add(&format!("{directory}/{}", digest(&manifest)), manifest);
        }
    }
    for image in [app(), tool(), arm] {
        for blob in image.blobs().into_iter().chain([image.config()]) {
            files.put(&format!("blobs/{}", digest(&blob)), blob);
        }
    }
    files
}

#[test]
fn mirrors_of_oc_are_trees() {
    let room = Room::new();
    let files = mirror();
    let mut beside = files.clone();
    for name in files.names() {
        if let Some(rest) = name.strip_prefix("blobs/") {
            beside.put(&format!("v2/team/app/blobs/{rest}"), files.get(&name));
            beside.remove(&name);
        }
    }
    files.write_to(&room.path("directory"));
    beside.write_to(&room.path("beside"));
    room.write("mirror.tar", &files.tar());
    room.write("mirror.tar.gz", &Pack::Gzip.pack(&files.tar()));
    let app = app();
    for place in ["directory", "beside", "mirror.tar", "mirror.tar.gz"] {
        let rows = room.run(&format!(
            "imgls --format {{{{.Repository}}}}:{{{{.Tag}}}} {place}"
        ));
        rows.ok("library/multi:latest\nteam/app:1\n");
        room.run(&format!(
            "imginspect --format {{{{.Id}}}} {place}:team/app:1"
        ))
        .ok(&format!("{}\n", app.id()));
        room.run(&format!("imgverify -q {place}")).ok("");
        let saved = format!("imgsave -o saved.tar {place}:team/app:1");
        room.run(&saved).code(0);
        room.run("imgls --format {{.Digest}} saved.tar")
            .ok(&format!("{}\n", app.manifest_digest()));
    }
    // What an earlier archive of the sequence has is missing, and is said to be.
    let mut later = files.clone();
    later.remove(&format!("blobs/{}", digest(&app.blobs()[0])));
    room.write("later.tar", &later.tar());
    room.run("imgls --format {{.Tag}} later.tar:team/app")
        .ok("1\n");
    room.run("imgsave -o saved.tar later.tar:team/app:1")
        .code(2);
    room.run("imgsave -o saved.tar later.tar:library/multi:latest")
        .code(0);
    // A manifest under the digest of another one, and a tag that leads out of the archive.
    let mut damaged = files.clone();
    let name = format!("v2/team/app/manifests/{}", app.manifest_digest());
    damaged.put(&name, tool().manifest());
    damaged.remove("v2/library/multi/manifests/latest");
    damaged.symlink(
        "v2/library/multi/manifests/latest",
        "../../../../../etc/passwd",
    );
    room.write("damaged.tar", &damaged.tar());
    let run = room.run("imgverify damaged.tar");
    run.code(1);
    assert!(run.out().contains("digest mismatch"), "{run}");
    assert!(run.out().contains("manifests/latest"), "{run}");
    room.run("imgsave -o saved.tar damaged.tar").code(2);
}

#[test]
fn archives_of_a_set_complete_each_other() {
    let room = Room::new();
    // A registry's storage, as version 2 of oc-mirror packs it: all repositories, and a part of the blobs.
    build::oci(&[&app(), &tool()]).write_to(&room.path("layout"));
    room.run("imgpush -q layout tree").code(0);
    let mut whole = Files::default();
    let tar = room.path("whole.tar");
    let packed = std::process::Command::new("tar")
        .args(["-C", &room.path("tree").to_string_lossy(), "-cf"])
        .arg(&tar)
        .arg("docker")
        .status();
    assert!(packed.expect("tar").success());
    whole.extend(mirror());
    let layers =
        [app(), tool()].map(|image| digest(&image.blobs()[0])["sha256:".len()..].to_owned());
    for (at, layer) in layers.iter().enumerate() {
        let part = format!("mirror_{at}.tar");
        std::fs::copy(&tar, room.path(&part)).expect("a copy");
        let blob = format!(
            "docker/registry/v2/blobs/sha256/{}/{layer}/data",
            &layer[..2]
        );
        let deleted = std::process::Command::new("tar")
            .args(["--delete", "-f"])
            .args([room.path(&part).as_os_str(), blob.as_ref()])
            .status();
        assert!(deleted.expect("tar").success(), "{blob}");
        let mut other = whole.clone();
        other.remove(&format!("blobs/sha256:{layer}"));
        room.write(&format!("old_{at}.tar"), &other.tar());
    }
    for (parts, loaded) in [
        ("mirror_0.tar mirror_1.tar", "team/app:1\ntool:2\n"),
        ("old_1.tar old_0.tar", "multi:latest\nteam/app:1\n"),
    ] {
        for part in parts.split(' ') {
            room.run(&format!("imgload -q --store store {part}"))
                .code(1);
            room.run("imgls -q --store store").ok("");
        }
        room.run(&format!("imgload -q --store store {parts}"))
            .code(0);
        let rows = room.run("imgls --store store --format {{.Repository}}:{{.Tag}}");
        let mut rows: Vec<&str> = rows.out().lines().collect();
        rows.sort();
        assert_eq!(rows, loaded.lines().collect::<Vec<_>>(), "{parts}");
        room.run("imgverify -q store").ok("");
        std::fs::remove_dir_all(room.path("store")).expect("the store");
    }
}

#[test]
fn stores_of_hauler_and_cosign_are_layouts() {
    let mut files = build::oci(&[&app()]);
    let mut chart = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.cncf.helm.config.v1+json"},
        "layers": [{"mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip"}],
    });
    for (part, bytes) in [
        ("config", &b"{\"name\":\"demo\"}"[..]),
        ("layers", b"chart"),
    ] {
        files.blob(bytes);
        let descriptor = match part {
            "config" => &mut chart[part],
            _ => &mut chart[part][0],
        };
        descriptor["digest"] = digest(bytes).into();
        descriptor["size"] = bytes.len().into();
    }
    let chart = chart.to_string().into_bytes();
    files.blob(&chart);
    files.edit("index.json", |index| {
        index["manifests"][0]["annotations"] = json!({
            "kind": "dev.hauler/image",
            "io.containerd.image.name": "registry.test/team/app:1",
            "org.opencontainers.image.ref.name": "team/app:1",
        });
        let entry = json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest(&chart),
            "size": chart.len(),
            "annotations": {"kind": "dev.hauler/image", "org.opencontainers.image.ref.name": "hauler/demo:1"},
        });
        index["manifests"].as_array_mut().expect("a list").push(entry);
    });
    files.remove("oci-layout");
    let room = Room::with("haul.tar", &files);
    room.write("haul.tar.zst", &Pack::Zstd.pack(&files.tar()));
    for place in ["haul.tar", "haul.tar.zst"] {
        let line = "imgls --format {{.Repository}}:{{.Tag}}";
        room.run(&format!("{line} {place}"))
            .ok("registry.test/team/app:1\n");
        let all = room.run(&format!("{line} -a {place}"));
        assert!(all.code(0).out().contains("hauler/demo:1"), "{all}");
        room.run(&format!("imgsave -q -o - {place}:registry.test/team/app:1"))
            .code(0);
    }
    let mut saved = build::oci(&[&app()]);
    saved.edit("index.json", |index| {
        index["manifests"][0]["annotations"] = json!({"kind": "dev.cosignproject.cosign/image"});
    });
    saved.write_to(&room.path("saved"));
    room.run("imgls --format {{.Repository}} saved")
        .ok("<none>\n");
    room.run("imgverify saved").code(0);
}
