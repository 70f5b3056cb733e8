//! Archives that other tools wrote, against what those tools said of them (testdata/README.md).

use imgkit::archive::{Archive, Edge, Format, Image, ImageIdx, NodeKind, Open, Pick, Presence};
use imgkit::blob::Meter;
use imgkit::layer::{LayerSummary, Limits};
use serde_json::{Map, Value, json};

use crate::common::build::digest;
use crate::common::foreign;
use crate::common::run::{OPENING, Room, on};

fn expected() -> Map<String, Value> {
    let text = std::fs::read(foreign("expected.json")).expect("expected.json");
    let value: Value = serde_json::from_slice(&text).expect("JSON");
    let all = value.as_object().expect("an object").clone();
    assert!(all.len() >= 26, "{} files", all.len());
    all
}

/// Every file that holds images, with the facts that are its own or those of the file it is the same as.
fn archives() -> Vec<(String, Value, Value)> {
    let all = expected();
    let mut archives = Vec::new();
    for (name, own) in &all {
        let facts = own["same_as"].as_str().map_or(own, |other| &all[other]);
        if own["format"] != "file-system-tar" {
            archives.push((name.clone(), own.clone(), facts.clone()));
        }
    }
    archives
}

fn open(name: &str) -> Archive {
    Open::default()
        .path(&foreign(name))
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn text(value: &Value) -> Option<&str> {
    value.as_str()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn shapes_and_packing() {
    for (name, own, _) in archives() {
        let archive = open(&name);
        let shape = match (text(&own["format"]).expect("a format"), own.get("also")) {
            ("docker-archive", None) => Format::Docker,
            ("docker-archive-v1", None) => Format::DockerV1,
            ("oci-archive", Some(_)) => Format::DockerAndOci,
            ("oci-archive" | "oci-layout", None) => Format::Oci,
            ("dir", None) => Format::Dir,
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(archive.format, shape, "{name}");
        let outer = archive.container.outer.name();
        assert_eq!(outer, text(&own["compression"]).unwrap_or("none"), "{name}");
        let faults: Vec<String> = archive.all_faults().map(ToString::to_string).collect();
        assert!(faults.is_empty(), "{name}: {faults:?}");
    }
}

/// The image that is meant: by its manifest, else by its ID.
fn find<'a>(archive: &'a Archive, wanted: &Value) -> (ImageIdx, &'a Image) {
    let is_meant = |(_, image): &(ImageIdx, &Image)| {
        let node = image
            .node
            .map(|node| archive.nodes[node].descriptor.digest.as_str());
        match text(&wanted["manifest_digest"]) {
            Some(digest) if node.is_some() => node == Some(digest),
            _ => {
                let id = text(&wanted["v1_id"])
                    .or(text(&wanted["config_descriptor_digest"]))
                    .or(text(&wanted["config_digest"]));
                Some(image.id.to_string().as_str()) == id
            }
        }
    };
    let found = archive.images.iter_enumerated().find(is_meant);
    found.unwrap_or_else(|| panic!("{}: no image {wanted}", archive.place))
}

#[test]
fn configs_and_histories() {
    for (name, _, facts) in archives() {
        let archive = open(&name);
        let images = list(&facts["images"]);
        assert_eq!(archive.images.len(), images.len(), "{name}");
        for wanted in images {
            let (_, image) = find(&archive, wanted);
            let config = &image.config;
            let told = json!({
                "os": image.platform.os,
                "architecture": image.platform.architecture,
                "variant": image.platform.variant,
                "created": config.created,
                "author": config.author,
                "config": config.config(),
            });
            for (field, value) in told.as_object().expect("an object") {
                assert_eq!(value, &wanted[field], "{name}: {field}");
            }
            match &image.config_bytes {
                Some(bytes) => {
                    assert_eq!(digest(bytes), wanted["config_digest"], "{name}");
                    assert_eq!(bytes.len(), wanted["config_size"], "{name}");
                    let ids: Vec<&str> = config
                        .diff_ids
                        .iter()
                        .flatten()
                        .map(|id| id.as_str())
                        .collect();
                    assert_eq!(json!(ids), wanted["diff_ids"], "{name}");
                    let history: Vec<Value> = config
                        .history
                        .iter()
                        .map(|entry| {
                            let mut told = Map::new();
                            let mut tell = |key: &str, value: Value| {
                                if !value.is_null() && value != "" && value != false {
                                    told.insert(key.into(), value);
                                }
                            };
                            tell("author", json!(entry.author));
                            tell("comment", json!(entry.comment));
                            tell("created", json!(entry.created));
                            tell("created_by", json!(entry.created_by));
                            tell("empty_layer", json!(entry.empty_layer));
                            told.into()
                        })
                        .collect();
                    assert_eq!(history, list(&wanted["history"]), "{name}");
                }
                None => {
                    let members: Vec<String> = list(&wanted["v1_chain"])
                        .iter()
                        .map(|id| format!("{}/layer.tar", text(id).expect("an ID")))
                        .collect();
                    assert!(!members.is_empty(), "{name}: no config");
                    let found: Vec<&str> = image
                        .layers
                        .iter()
                        .map(|layer| layer.member.as_str())
                        .collect();
                    assert_eq!(found, members, "{name}");
                }
            }
            if let (Some(node), Some(wanted_digest)) =
                (image.node, text(&wanted["manifest_digest"]))
            {
                let descriptor = &archive.nodes[node].descriptor;
                assert_eq!(descriptor.digest.as_str(), wanted_digest, "{name}");
                // umoci's manifests do not say what they are; their descriptors do.
                if let Some(media_type) = text(&wanted["manifest_media_type"]) {
                    assert_eq!(descriptor.media_type.as_str(), media_type, "{name}");
                }
            }
        }
    }
}

#[test]
fn layers_are_as_their_writers_made_them() {
    for (name, _, facts) in archives() {
        let archive = open(&name);
        for wanted in list(&facts["images"]) {
            let (_, image) = find(&archive, wanted);
            let layers = list(&wanted["layers"]);
            if wanted.get("v1_id").is_none() {
                assert_eq!(image.layers.len(), layers.len(), "{name}");
            }
            let members = list(&wanted["layer_members"]);
            for (i, (layer, wanted)) in image.layers.iter().zip(layers).enumerate() {
                let place = format!("{name}: layer {}", i + 1);
                if let Some(member) = members.get(i) {
                    assert_eq!(&json!(layer.member), member, "{place}");
                }
                if let Some(descriptor) = &layer.descriptor {
                    assert_eq!(descriptor.digest.as_str(), wanted["digest"], "{place}");
                    assert_eq!(descriptor.size, wanted["size"], "{place}");
                    assert_eq!(
                        descriptor.media_type.as_str(),
                        wanted["media_type"],
                        "{place}"
                    );
                    assert_eq!(
                        json!(descriptor.urls),
                        wanted.get("urls").cloned().unwrap_or(json!([])),
                        "{place}"
                    );
                }
                let Presence::Present(content) = &layer.presence else {
                    assert_eq!(wanted["present"], false, "{place}");
                    continue;
                };
                assert_eq!(wanted["present"], true, "{place}");
                let descriptor = layer
                    .descriptor
                    .as_ref()
                    .map(|descriptor| &descriptor.digest);
                // What was read once as it went by can be told by sha256 alone.
                let like = descriptor.filter(|_| !archive.container.streamed);
                let scan = content
                    .scan(like, &Limits::default(), &Meter::default())
                    .unwrap_or_else(|error| panic!("{place}: {error}"));
                assert!(scan.fault.is_none(), "{place}: {:?}", scan.fault);
                assert_eq!(scan.size, wanted["size"], "{place}");
                assert_eq!(scan.uncompressed_size, wanted["plain_size"], "{place}");
                assert_eq!(
                    scan.compression.name(),
                    text(&wanted["compression"]).unwrap_or("none"),
                    "{place}"
                );
                assert_eq!(scan.diff_id.as_ref(), layer.diff_id.as_ref(), "{place}");
                let LayerSummary {
                    entries,
                    whiteouts,
                    opaque_whiteouts,
                    ..
                } = scan.summary;
                assert_eq!(entries, wanted["entries"], "{place}");
                assert_eq!(
                    whiteouts + opaque_whiteouts,
                    list(&wanted["whiteouts"]).len() as u64,
                    "{place}"
                );
                let codes: Vec<&str> = scan
                    .anomalies
                    .iter()
                    .map(|anomaly| anomaly.kind.code())
                    .collect();
                assert_eq!(
                    codes.contains(&"missing-end-marker"),
                    wanted["end_marker"] == false,
                    "{place}: {codes:?}"
                );
                assert_eq!(
                    codes.contains(&"missing-padding"),
                    wanted["padded"] == false,
                    "{place}: {codes:?}"
                );
            }
        }
    }
}

#[test]
fn names_select_their_images() {
    let mut names = 0;
    for (name, _, facts) in archives() {
        let archive = open(&name);
        for wanted in list(&facts["images"]) {
            let (index, image) = find(&archive, wanted);
            let tags = list(&wanted["repo_tags"]).iter().filter_map(text);
            let from_index = list(&wanted["oci_names"]).iter();
            let from_index = from_index
                .filter_map(|name| text(&name["containerd_name"]).or(text(&name["ref_name"])));
            for tag in tags.chain(from_index) {
                let picked = archive.select(&Pick::Name(tag.to_owned()), Some(&image.platform));
                let picked = picked.unwrap_or_else(|error| panic!("{name}: {tag}: {error}"));
                assert_eq!(picked.index, index, "{name}: {tag}");
                names += 1;
            }
            if let Some(digest) = text(&wanted["manifest_digest"]).filter(|_| image.node.is_some())
            {
                let digest = imgkit::spec::Digest::parse(digest).expect("a digest");
                let picked = archive
                    .select(&Pick::Digest(digest), None)
                    .expect("an image");
                assert_eq!(picked.index, index, "{name}");
            }
        }
    }
    assert!(names > 30, "{names} names");
}

/// Every descriptor met walking from index.json, depth first, an index as often as it is pointed to.
fn walk(archive: &Archive, edges: &[Edge], depth: u64, met: &mut Vec<Value>) {
    for edge in edges {
        let node = &archive.nodes[edge.node];
        let role = match &node.kind {
            NodeKind::Image(_) => "image",
            NodeKind::Index(_) => "index",
            NodeKind::Attestation(_) => "attestation",
            NodeKind::Artifact(_) => "artifact",
            NodeKind::Missing if edge.is_attestation() => "attestation",
            NodeKind::Missing => "absent",
            NodeKind::Schema1 | NodeKind::Opaque => "unknown",
        };
        let platform = edge.descriptor.platform.as_ref().map(|platform| {
            let mut told = Map::new();
            told.insert("architecture".into(), json!(platform.architecture));
            told.insert("os".into(), json!(platform.os));
            if let Some(version) = &platform.os_version {
                told.insert("os.version".into(), json!(version));
            }
            if let Some(variant) = &platform.variant {
                told.insert("variant".into(), json!(variant));
            }
            told
        });
        met.push(json!({
            "depth": depth,
            "digest": edge.descriptor.digest,
            "media_type": edge.descriptor.media_type.as_str(),
            "size": edge.descriptor.size,
            "present": node.bytes.is_some(),
            "role": role,
            "platform": platform,
            "artifactType": edge.descriptor.artifact_type,
        }));
        if let NodeKind::Index(edges) = &node.kind {
            walk(archive, edges, depth + 1, met);
        }
    }
}

#[test]
fn indexes_lead_to_everything_they_name() {
    let mut files = 0;
    for (name, _, facts) in archives() {
        let wanted = list(&facts["oci"]);
        if wanted.is_empty() {
            continue;
        }
        files += 1;
        let archive = open(&name);
        let mut met = Vec::new();
        let oci = archive.oci.as_ref().expect("an OCI half");
        walk(&archive, &oci.edges, 0, &mut met);
        assert_eq!(met.len(), wanted.len(), "{name}");
        for (met, wanted) in met.iter().zip(wanted) {
            for (key, value) in met.as_object().expect("an object") {
                assert_eq!(value, &wanted[key], "{name}: {key} of {}", wanted["digest"]);
            }
        }
    }
    assert!(files > 10, "{files} files");
}

#[test]
fn all_are_sound_from_file_and_pipe() {
    let room = Room::new();
    for (name, own, _) in archives() {
        let path = foreign(&name);
        let by_path = room.run(&format!("imgverify {}", path.display()));
        by_path.code(0).says(": ok");
        if own["kind"] == "tar" {
            let bytes = std::fs::read(&path).expect("an archive");
            let shown = path.display().to_string();
            let expected = by_path.out().replace(&shown, "-");
            room.command("imgverify -").pipe(&bytes).run().ok(&expected);
            room.command("imgverify -")
                .stdin_file(&path)
                .run()
                .ok(&expected);
        }
    }
}

#[test]
fn every_program_says_the_same_of_file_and_pipe() {
    let room = Room::new();
    for (name, own, facts) in archives() {
        if own["kind"] != "tar" {
            continue;
        }
        let path = foreign(&name);
        let bytes = std::fs::read(&path).expect("an archive");
        let shown = path.display().to_string();
        let images = list(&facts["images"]).len();
        for line in [
            "imgls --format json",
            "imgls --tree -a",
            "imginspect",
            "imghistory --no-trunc",
        ] {
            let by_path = room.run(&format!("{line} {shown}"));
            let code = if images > 1 && !line.starts_with("imgls") {
                2
            } else {
                0
            };
            by_path.code(code);
            let expected = |text: &str| text.replace(&shown, "-");
            let piped = room.command(&format!("{line} -")).pipe(&bytes).run();
            piped.is(code, &expected(by_path.out()), &expected(by_path.err()));
            let redirected = room.command(&format!("{line} -")).stdin_file(&path).run();
            redirected.is(code, &expected(by_path.out()), &expected(by_path.err()));
        }
    }
}

#[test]
fn inspect_and_history_are_dockers_own() {
    let room = Room::new();
    let mut seen = 0;
    for (name, _, facts) in archives() {
        for docker in list(&facts["docker"]) {
            seen += 1;
            let inspect = &docker["inspect"];
            let is_buildkit = name == "docker-buildkit.tar";
            let id = text(&inspect["Id"]).expect("an ID");
            let image = format!("{}@{id}", foreign(&name).display());
            let mut images = list(&facts["images"]).iter();
            let known = images.find(|image| image["config_digest"] == id);
            let known = known.expect("the image");
            let ours = room.run(&format!("imginspect {image}"));
            ours.code(0);
            let ours = &ours.json()[0];
            for (key, value) in inspect.as_object().expect("an object") {
                // What docker found in its own store and not in the archive.
                let unknown = match key.as_str() {
                    "Size" | "VirtualSize" => is_buildkit,
                    "RepoTags" => continue,
                    // Told by the archive only where the parent is in it too.
                    "Parent" => ours[key] == "" && known.get("parent").is_none(),
                    // docker before 27 prints them also where the builder left none.
                    "Container" => value == "" && ours.get(key).is_none(),
                    "ContainerConfig" => is_buildkit && ours.get(key).is_none(),
                    _ => false,
                };
                if !unknown {
                    assert_eq!(&ours[key], value, "{image}: {key}");
                }
            }
            let sorted = |value: &Value| {
                let mut tags: Vec<String> = list(value)
                    .iter()
                    .filter_map(text)
                    .map(str::to_owned)
                    .collect();
                tags.sort_unstable();
                tags
            };
            assert_eq!(
                sorted(&ours["RepoTags"]),
                sorted(&inspect["RepoTags"]),
                "{image}"
            );

            let rows = room.run(&format!("imghistory --no-trunc --format json {image}"));
            rows.code(0);
            let rows = rows.json_lines();
            let history = list(&docker["history"]);
            assert_eq!(rows.len(), history.len(), "{image}");
            for (i, (row, wanted)) in rows.iter().zip(history).enumerate() {
                for (key, value) in wanted.as_object().expect("an object") {
                    let same = match key.as_str() {
                        // The engine knows the images in between, the archive the last one.
                        "ID" if i > 0 => row[key] == "<missing>",
                        // BuildKit counts symbolic links as nothing.
                        "Size" if is_buildkit => continue,
                        _ => &row[key] == value,
                    };
                    assert!(same, "{image}: row {i}: {key}: {} for {value}", row[key]);
                }
            }
        }
    }
    assert!(seen >= 8, "{seen} images that docker told of");
}

#[test]
fn a_root_filesystem_is_no_image() {
    let room = Room::new();
    let path = foreign("rootfs.tar");
    for (_, line) in OPENING {
        room.run(&on(line, &path.to_string_lossy()))
            .code(2)
            .complains("not an image archive: neither manifest.json nor oci-layout found\nhint: looks like a root filesystem");
    }
}
