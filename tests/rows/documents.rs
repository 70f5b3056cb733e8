//! Documents: manifests, indexes, configs, digests and names that lie, contradict each other, or have no end.

use serde_json::{Value, json};

use super::Case;
use crate::common::build::{self, Files, Image};
use crate::common::pack::Pack;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn app() -> Image {
    build::image("demo:1").layer("f a one").layer("f b two")
}

/// A layout whose `index.json` was edited.
fn index(edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut files = build::oci(&[&app()]);
    files.edit("index.json", edit);
    files.tar()
}

/// A docker-archive whose `manifest.json` is this text.
fn manifest(text: &[u8]) -> Vec<u8> {
    let mut files = build::docker(&[&app()]);
    files.put("manifest.json", text);
    files.tar()
}

/// A layout whose manifest was edited and stored under its new digest.
fn edited(edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    let app = app();
    let mut files = build::oci(&[&app]);
    let mut document: Value = serde_json::from_slice(&app.manifest()).expect("JSON");
    edit(&mut document);
    restored(&mut files, document.to_string().as_bytes());
    files.tar()
}

/// Stores a manifest and has `index.json` point to it.
fn restored(files: &mut Files, bytes: &[u8]) {
    files.add(&build::blob_name(&build::digest(bytes)), bytes);
    let (digest, size) = (build::digest(bytes), bytes.len());
    files.edit("index.json", |index| {
        index["manifests"][0]["digest"] = digest.into();
        index["manifests"][0]["size"] = size.into();
    });
}

/// Indexes in indexes, `width` times the same on each level.
fn nested(depth: usize, width: usize) -> Vec<u8> {
    let app = app();
    let mut files = build::oci(&[&app]);
    let mut entry = build::descriptor(
        "application/vnd.oci.image.manifest.v1+json",
        &app.manifest(),
    );
    for level in 0..depth {
        let document = json!({
            "schemaVersion": 2, "mediaType": INDEX, "manifests": vec![entry; width],
            "annotations": {"level": level.to_string()},
        });
        let bytes = document.to_string().into_bytes();
        entry = build::descriptor(INDEX, &bytes);
        files.add(&build::blob_name(&build::digest(&bytes)), bytes);
    }
    files.edit("index.json", |index| index["manifests"] = json!([entry]));
    files.tar()
}

/// M1 to M21.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |row, what: &str, tar: Vec<u8>, codes, says: &[&str]| {
        cases.push(Case::image(row, what, tar, codes, says));
    };
    let hex = "a".repeat(64);
    let refused = "*=2 verify=12 imgls=02 imgdf=02 imggraph=02";

    for digest in [
        "sha256:../../outside/canary".to_owned(),
        "sha256:".to_owned(),
        "sha256:abc".to_owned(),
        format!("sha256:{}", hex.to_uppercase()),
        format!("SHA256:{hex}"),
        format!("sha256:{hex}\n"),
        format!("sha256:{}\0", &hex[1..]),
        format!("../{hex}"),
        format!("sha256:{}\u{1b}[2J", &hex[4..]),
    ] {
        let tar = index(|index| index["manifests"][0]["digest"] = digest.as_str().into());
        add("M1", &format!("{digest:?}"), tar, refused, &["digest"]);
        let tar = edited(|document| document["layers"][0]["digest"] = digest.as_str().into());
        add(
            "M1",
            &format!("{digest:?} of a layer"),
            tar,
            refused,
            &["digest"],
        );
    }
    let tar = index(|index| index["manifests"][0]["digest"] = format!("blake3:{hex}").into());
    add("M1", "another algorithm", tar, "*=02 verify=12", &[]);

    let path = "../../outside/canary";
    let image = app().set(
        "config",
        json!({"Labels": {"com.docker.compose.file": path, path: path}}),
    );
    let mut files = build::oci(&[&image]);
    files.edit("index.json", |index| {
        index["manifests"][0]["annotations"] = json!({
            "com.docker.compose.file": path,
            "org.opencontainers.image.title": path,
            "org.opencontainers.image.ref.name": path,
        });
    });
    add(
        "M2",
        "paths in labels and annotations",
        files.tar(),
        "*=02 verify=01",
        &[],
    );
    let mut files = build::docker(&[&app()]);
    files.edit("manifest.json", |items| {
        items[0]["RepoTags"] = json!([path, "/etc/passwd:1"])
    });
    add("M2", "paths as tags", files.tar(), "*=02 verify=01", &[]);
    let mut files = build::docker(&[&app()]);
    files.edit("manifest.json", |items| {
        items[0]["Config"] = json!("../../outside/canary")
    });
    add(
        "M2",
        "a config elsewhere",
        files.tar(),
        refused,
        // A docker-archive has no manifest that could be shown, whatever its config is.
        &["is not in the archive", "has no manifest"],
    );
    let mut files = build::docker(&[&app()]);
    files.edit("manifest.json", |items| {
        items[0]["Layers"][0] = json!("../../outside/canary")
    });
    add("M2", "a layer elsewhere", files.tar(), "*=02 verify=1", &[]);

    for name in ["manifest.json", "index.json", "oci-layout"] {
        let mut files = build::docker25(&[&app()]);
        files.add(name, if name == "oci-layout" { "{}" } else { "[]" });
        let codes = if name == "oci-layout" {
            "*=02 verify=01"
        } else {
            refused
        };
        add(
            "M3",
            &format!("two of {name}"),
            files.tar(),
            codes,
            &["ambiguous", "differ"],
        );
        let mut files = build::docker25(&[&app()]);
        let same = files.get(name).to_vec();
        files.add(&format!("./{name}"), same);
        add(
            "M3",
            &format!("{name} twice the same"),
            files.tar(),
            "",
            &[],
        );
    }
    let mut files = build::docker25(&[&app()]);
    let layer = build::blob_name(&app().diff_ids()[0]);
    files.add(&layer, build::layer("f evil x"));
    add(
        "M3",
        "two of a layer",
        files.tar(),
        "*=02 verify=12 imgexport=02 copy=2",
        &[],
    );
    let config = build::blob_name(&app().id());
    let mut files = build::docker25(&[&app()]);
    files.add(&config, "{}");
    add(
        "M3",
        "two of a config",
        files.tar(),
        refused,
        &["ambiguous", "differ"],
    );

    let other = build::image("demo:1").layer("f evil x");
    let mut files = build::docker25(&[&app()]);
    for (name, bytes) in build::docker25(&[&other])
        .names()
        .iter()
        .map(|name| (name.clone(), build::docker25(&[&other]).get(name).to_vec()))
    {
        if name.starts_with("blobs/") && !files.has(&name) {
            files.add(&name, bytes);
        }
    }
    let its = build::docker25(&[&other]);
    files.put("manifest.json", its.get("manifest.json"));
    add(
        "M4",
        "halves of different images",
        files.tar(),
        "imgtag=2 copy=2 recode=2 imgexport_-=2 imgexport_--layer=2 imgcommit=2 *=02 verify=1",
        &[],
    );

    let tar = edited(|document| document["manifests"] = json!([]));
    add("M5", "manifests and layers", tar, refused, &["ambiguous"]);
    let tar = edited(|document| document["fsLayers"] = json!([]));
    add("M5", "fsLayers and layers", tar, refused, &["ambiguous"]);
    let tar = edited(|document| document["mediaType"] = INDEX.into());
    add(
        "M5",
        "a manifest that calls itself an index",
        tar,
        "*=02 verify=01",
        &[],
    );
    let tar = index(|index| index["manifests"][0]["mediaType"] = INDEX.into());
    add("M5", "a descriptor of an index", tar, "*=02 verify=01", &[]);

    for (what, text) in [
        (
            "twice",
            &br#"[{"Config":"a","Config":"b","Layers":[]}]"#[..],
        ),
        (
            "in two spellings",
            br#"[{"Config":"a","config":"b","Layers":[]}]"#,
        ),
        (
            "escaped",
            br#"[{"Config":"a","\u0043onfig":"b","Layers":[]}]"#,
        ),
    ] {
        add(
            "M6",
            what,
            manifest(text),
            "*=2",
            &["duplicate key", "several spellings"],
        );
    }

    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let huge = format!("[\"{}\"]", "x".repeat(5 << 20));
    let items = format!("[{}0]", "0,".repeat(150_000));
    for (what, text) in [
        ("a mark", &b"\xef\xbb\xbf[]"[..]),
        ("trailing data", b"[] []"),
        ("NaN", b"[NaN]"),
        ("1e999", b"[1e999]"),
        ("a lone surrogate", b"[\"\\ud800\"]"),
        ("no UTF-8", b"[\"\xff\"]"),
        ("a control character", b"[\"\x1b[2J\"]"),
        ("empty", b""),
        ("cut", b"[{\"Config\":"),
        ("depth 100,000", deep.as_bytes()),
        ("5 MB", huge.as_bytes()),
        ("150,000 items", items.as_bytes()),
    ] {
        let says: &[&str] = match what {
            // Go takes both; the item is no object.
            "a lone surrogate" | "no UTF-8" => &["[0]: expected an object"],
            "depth 100,000" => &["hint: --limit json-depth="],
            "5 MB" => &["hint: --limit json-size=8M "],
            "150,000 items" => &["hint: --limit json-list="],
            _ => &["invalid JSON"],
        };
        add("M7", what, manifest(text), "*=2", says);
    }
    for size in [
        "-1",
        "1e3",
        "9223372036854775808",
        "99999999999999999999999",
        "1.5",
        "\"7\"",
        "null",
    ] {
        let mut files = build::oci(&[&app()]);
        let text = String::from_utf8(files.get("index.json").to_vec()).expect("text");
        let at = text.find("\"size\":").expect("a size") + 7;
        let end = at + text[at..].find([',', '}']).expect("an end");
        files.put(
            "index.json",
            format!("{}{size}{}", &text[..at], &text[end..]),
        );
        add("M7", &format!("size {size}"), files.tar(), refused, &[]);
    }

    for (what, size) in [
        ("smaller", 5),
        ("larger", 50_000),
        ("far larger", 1u64 << 60),
    ] {
        let tar = index(|index| index["manifests"][0]["size"] = size.into());
        add(
            "M8",
            &format!("{what} manifest"),
            tar,
            refused,
            &["size mismatch"],
        );
        let tar = edited(|document| document["layers"][0]["size"] = size.into());
        add(
            "M8",
            &format!("{what} layer"),
            tar,
            "*=02 verify=1 copy=2 recode=2 imgexport=02",
            &["size mismatch"],
        );
    }
    let tar = index(|index| {
        index["manifests"][0]
            .as_object_mut()
            .expect("an object")
            .remove("size");
    });
    add("M8", "absent", tar, refused, &["size"]);

    let layer = build::blob_name(&build::digest(&app().blobs()[0]));
    for (what, change) in [
        (
            "changed",
            (|bytes: &mut Vec<u8>| bytes[700] ^= 1) as fn(&mut Vec<u8>),
        ),
        ("empty", Vec::clear),
        ("truncated", |bytes| bytes.truncate(600)),
        ("longer", |bytes| bytes.extend([0; 512])),
    ] {
        let mut files = build::oci(&[&app()]);
        change(files.bytes(&layer));
        add(
            "M9",
            what,
            files.tar(),
            "*=02 verify=1 copy=2 recode=2",
            &["mismatch", "truncated", "unexpected end"],
        );
    }

    let mut files = build::oci(&[&app()]);
    files.remove(&layer);
    add(
        "M10",
        "a layer",
        files.tar(),
        "*=02 verify=1 apply=2 imgexport_--layer=2 recode=2",
        &["is not in the archive", "blob"],
    );
    let mut files = build::oci(&[&app()]);
    files.remove(&build::blob_name(&app().id()));
    add(
        "M10",
        "the config",
        files.tar(),
        "*=2 verify=1",
        &["is not in the archive"],
    );
    let mut files = build::oci(&[&app()]);
    files.remove(&build::blob_name(&app().manifest_digest()));
    add(
        "M10",
        "the manifest",
        files.tar(),
        "*=02 verify=012 copy=02",
        &[],
    );

    let zeros = format!("sha256:{}", "0".repeat(64));
    for (what, rootfs) in [
        (
            "another",
            json!({"type": "layers", "diff_ids": [zeros, zeros]}),
        ),
        ("too few", json!({"type": "layers", "diff_ids": [zeros]})),
        ("no texts", json!({"type": "layers", "diff_ids": [1, 2]})),
        ("null", json!(null)),
    ] {
        let tar = build::oci(&[&app().set("rootfs", rootfs)]).tar();
        add("M11", what, tar, "*=02 verify=012 copy=02 recode=02", &[]);
    }

    let mut files = build::docker(&[&app()]);
    let config = format!("{}.json", &app().id()[7..]);
    let bytes = files.get(&config).to_vec();
    let lie = format!("{hex}.json");
    files.remove(&config).add(&lie, bytes);
    files.edit("manifest.json", |items| {
        items[0]["Config"] = lie.as_str().into()
    });
    add(
        "M12",
        "a name that is another digest",
        files.tar(),
        "*=02 verify=01",
        &[],
    );

    add(
        "M13",
        "40 levels",
        nested(40, 1),
        "*=2",
        &["hint: --limit index-depth=16 "],
    );
    add("M13", "20 to the power of 6 paths", nested(6, 20), "", &[]);
    let wide = index(|index| {
        let entry = |i: usize| build::descriptor(INDEX, i.to_string().as_bytes());
        index["manifests"] = (0..10_001).map(entry).collect();
    });
    add(
        "M13",
        "wide",
        wide,
        "*=2",
        &["hint: --limit manifests=20000 "],
    );

    let v1 = |edit: &dyn Fn(&mut Files, &str)| {
        let mut files = build::v1(&[&app()]);
        let names = files.names();
        let top = names
            .iter()
            .rev()
            .find(|name| name.ends_with("/json"))
            .expect("a layer")
            .clone();
        edit(&mut files, &top);
        files.tar()
    };
    let own = |files: &mut Files, top: &str| {
        let id = top.trim_end_matches("/json").to_owned();
        files.edit(top, |json| json["parent"] = id.into());
    };
    add("M14", "its own parent", v1(&own), "*=2", &["circular"]);
    let missing = |files: &mut Files, top: &str| {
        files.edit(top, |json| json["parent"] = "b".repeat(64).into());
    };
    add(
        "M14",
        "a parent that is not there",
        v1(&missing),
        refused,
        &["is not in the archive"],
    );
    let climbs = |files: &mut Files, top: &str| {
        files.edit(top, |json| json["parent"] = "../../outside".into());
    };
    add(
        "M14",
        "a parent elsewhere",
        v1(&climbs),
        refused,
        &["v1 image ID"],
    );

    for (what, parent) in [
        ("itself", app().id()),
        ("another", zeros.clone()),
        ("no digest", "x\u{1b}".to_owned()),
    ] {
        let mut files = build::docker(&[&app()]);
        files.edit("manifest.json", |items| {
            items[0]["Parent"] = parent.as_str().into()
        });
        add("M15", what, files.tar(), "*=02 verify=01", &[]);
    }

    let tar = edited(|document| {
        document["subject"] = build::descriptor("application/vnd.oci.image.manifest.v1+json", b"x")
    });
    add("M16", "a subject that is not there", tar, "", &[]);
    let ring = index(|index| {
        index["subject"] = index["manifests"][0].clone();
        let again = index["manifests"][0].clone();
        index["manifests"]
            .as_array_mut()
            .expect("a list")
            .push(again);
    });
    add("M16", "a ring", ring, "*=02 verify=01", &[]);

    let packed = build::image("demo:1").layer("f a one").packed(Pack::Zstd);
    let mut document: Value = serde_json::from_slice(&packed.manifest()).expect("JSON");
    document["layers"][0]["annotations"] = json!({
        "io.github.containers.zstd-chunked.manifest-checksum": zeros,
        "io.github.containers.zstd-chunked.manifest-position": "1:18446744073709551615:9223372036854775807:1",
        "io.github.containers.zstd-chunked.tarsplit-position": "99999999:1:1",
        "containerd.io/snapshot/stargz/toc.digest": zeros,
    });
    let mut files = build::oci(&[&packed]);
    restored(&mut files, document.to_string().as_bytes());
    add(
        "M17",
        "a table of contents that is none",
        files.tar(),
        "*=02 verify=01",
        &[],
    );

    let foreign = |url: &str| {
        edited(|document| {
            document["layers"][0]["mediaType"] =
                "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip".into();
            document["layers"][0]["urls"] =
                json!([url, "file:///etc/passwd", "http://127.0.0.1:1/x"]);
        })
    };
    add(
        "M18",
        "urls of a layer",
        foreign("https://127.0.0.1:1/\u{1b}[2J"),
        "*=02 verify=01",
        &[],
    );

    let long = "x".repeat(300);
    for tag in [
        "a b:1",
        "demo:1:2",
        "demo@sha256:abc",
        &long,
        "d\u{435}mo:1",
        "demo:\u{1b}[2J",
        "",
        ":",
        "-rf",
        "UPPER:1",
    ] {
        let mut files = build::docker(&[&app()]);
        files.edit("manifest.json", |items| items[0]["RepoTags"] = json!([tag]));
        add(
            "M19",
            &format!("{tag:?}"),
            files.tar(),
            "*=02 verify=01",
            &[],
        );
        let tar = index(|index| {
            index["manifests"][0]["annotations"] = json!({"org.opencontainers.image.ref.name": tag})
        });
        add(
            "M19",
            &format!("{tag:?} in index.json"),
            tar,
            "*=02 verify=01",
            &[],
        );
    }
    let (one, two) = (app(), build::image("demo:1").layer("f evil x"));
    add(
        "M19",
        "one name for two images",
        build::docker(&[&one, &two]).tar(),
        "*=2 verify=12 imgls=0 imgdf=0 imggraph=02 imginspect=02",
        &[],
    );

    let text = "$(touch ../outside/x) `id` ; rm -rf / \u{1b}]8;;http://x\u{7}link\u{1b}]8;;\u{7}\r\n::error::x\u{202e}\u{85}";
    let hostile = |large: bool| {
        let labels = match large {
            true => (0..300)
                .map(|i| (format!("l{i}"), json!("x".repeat(20_000))))
                .collect(),
            false => serde_json::Map::from_iter([(text.to_owned(), json!(text))]),
        };
        let image = app()
            .set("author", json!(text))
            .set("config", json!({"Labels": labels, "Env": [text, "TOKEN=secret"], "Cmd": ["/bin/sh", "-c", text], "User": text}))
            .history(json!([
                {"created": text, "created_by": text, "comment": text, "author": text},
                {"created": build::CREATED, "created_by": text},
            ]));
        build::docker25(&[&image]).tar()
    };
    add(
        "M20",
        "shell text and control characters",
        hostile(false),
        "*=02 verify=01",
        &[],
    );
    add(
        "M20",
        "6 MB of labels",
        hostile(true),
        "*=02 verify=01",
        &[],
    );
    let large = app().set("config", json!({"Labels": {"x": "y".repeat(9 << 20)}}));
    add(
        "M20",
        "9 MB of labels",
        build::docker25(&[&large]).tar(),
        "*=2 look=02 verify=12 imgls=02 imgdf=02 imggraph=02",
        &["hint: --limit config-size=16M "],
    );

    let mut files = build::oci(&[&app()]);
    let statement = edited_statement();
    let digest = build::digest(&statement);
    let entry = json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": statement.len(),
        "annotations": {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": zeros},
        "platform": {"os": "unknown", "architecture": "unknown"},
    });
    files.add(&build::blob_name(&digest), statement);
    files.edit("index.json", |index| {
        index["manifests"]
            .as_array_mut()
            .expect("a list")
            .push(entry);
    });
    add(
        "M21",
        "a statement about another digest",
        files.tar(),
        "*=02 verify=01",
        &[],
    );
    cases.push(Case::image(
        "M21",
        "an image that calls itself a statement",
        attested(),
        "*=02 verify=01",
        &[],
    ));
    cases
}

/// A statement that has nothing in it.
fn edited_statement() -> Vec<u8> {
    let empty = build::descriptor("application/vnd.oci.empty.v1+json", b"{}");
    json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": empty, "layers": [],
    })
    .to_string()
    .into_bytes()
}

fn attested() -> Vec<u8> {
    index(|index| {
        index["manifests"][0]["annotations"] =
            json!({"vnd.docker.reference.type": "attestation-manifest"});
        index["manifests"][0]["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    })
}
