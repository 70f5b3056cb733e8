//! Documents that engines read otherwise, and texts that are no valid Unicode.

use crate::common::build::{self, Files, Image};
use crate::common::run::{OPENING, Room, on};

fn demo() -> Image {
    build::image("demo:1").layer("f x good")
}

/// The config with a text replaced, in a docker-archive and in a layout.
fn configs(from: &str, to: &[u8]) -> [Files; 2] {
    let image = demo();
    let config = replaced(&image.config(), from, to);
    let mut docker = build::docker(&[&image]);
    let name = format!("{}.json", &image.id()["sha256:".len()..]);
    docker.put(&name, config.clone());
    [docker, with_config(&image, config)]
}

/// A layout of an image whose config is these bytes.
fn with_config(image: &Image, config: Vec<u8>) -> Files {
    let (old, new) = (image.id(), build::digest(&config));
    let manifest = String::from_utf8(image.manifest()).expect("UTF-8");
    let (was, is) = (image.config().len(), config.len());
    let manifest = manifest
        .replace(&old, &new)
        .replace(&format!("\"size\":{was}"), &format!("\"size\":{is}"));
    let mut files = with_manifest(image, manifest.into_bytes());
    files.add(&build::blob_name(&new), config);
    files
}

/// A layout of an image whose manifest is these bytes.
fn with_manifest(image: &Image, manifest: Vec<u8>) -> Files {
    let mut files = build::oci(&[image]);
    let (digest, size) = (build::digest(&manifest), manifest.len());
    files.add(&build::blob_name(&digest), manifest);
    files.edit("index.json", |index| {
        index["manifests"][0]["digest"] = digest.into();
        index["manifests"][0]["size"] = size.into();
    });
    files
}

#[track_caller]
fn replaced(bytes: &[u8], from: &str, to: &[u8]) -> Vec<u8> {
    let at = bytes
        .windows(from.len())
        .position(|window| window == from.as_bytes());
    let at = at.unwrap_or_else(|| panic!("no {from} in {}", String::from_utf8_lossy(bytes)));
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

/// Every program refuses the archive, from a file and from a pipe, and so does imgverify.
#[track_caller]
fn refused(files: &Files, says: &str) {
    let tar = files.tar();
    let room = Room::new();
    room.write("i.tar", &tar);
    for (_, line) in OPENING {
        let run = room.run(&on(line, "i.tar"));
        assert!(run.code != Some(0), "{run}");
        let all = format!("{}{}", run.out(), run.err());
        assert!(all.contains(says), "no {says}\n{run}");
        let run = room.command(&on(line, "-")).pipe(&tar).run();
        assert!(run.code != Some(0), "{run}");
    }
}

/// Go folds the keys to one field and takes the last: docker load and skopeo gave the layer `evil`, imgexport `good`.
#[test]
fn keys_that_fold_to_one_field_are_refused_in_every_document() {
    let image = demo();
    let evil = build::layer("f x evil");
    let mut files = build::docker(&[&image]);
    files.add("evil.tar", evil.clone());
    let tags = "\"RepoTags\":[\"demo:1\"]";
    for (from, to, says) in [
        (
            "[{",
            "[{\"Layer\u{17f}\":[\"evil.tar\"],",
            "'Layer\u{17f}' and 'Layers' in '[0]'",
        ),
        (
            tags,
            "\"RepoTags\":[],\"RepoTag\u{17f}\":[\"a:b\"]",
            "'RepoTags' and 'RepoTag\u{17f}'",
        ),
        (
            tags,
            "\"RepoTags\":[],\"repotags\":[\"a:b\"]",
            "'RepoTags' and 'repotags'",
        ),
    ] {
        let mut files = files.clone();
        let manifest = replaced(files.get("manifest.json"), from, to.as_bytes());
        files.put("manifest.json", manifest);
        refused(&files, says);
    }

    let ids = format!(
        "\"diff_id\u{17f}\":[\"{}\"],\"diff_ids\":",
        build::digest(&evil)
    );
    for (from, to, says) in [
        (
            "\"diff_ids\":",
            ids.as_str(),
            "'diff_id\u{17f}' and 'diff_ids' in 'rootfs'",
        ),
        (
            "\"rootfs\":",
            "\"rootf\u{17f}\":{},\"rootfs\":",
            "'rootf\u{17f}' and 'rootfs'",
        ),
        (
            "\"os\":",
            "\"O\u{17f}\":\"windows\",\"os\":",
            "'O\u{17f}' and 'os'",
        ),
        (
            "\"os\":",
            "\"Architecture\":\"arm64\",\"os\":",
            "'architecture' and 'Architecture'",
        ),
        (
            "\"Cmd\":",
            "\"User\":\"nobody\",\"user\":\"root\",\"Cmd\":",
            "'User' and 'user' in 'config'",
        ),
        (
            "\"Cmd\":",
            "\"ENV\":[\"A=b\"],\"Cmd\":",
            "'ENV' and 'Env' in 'config'",
        ),
        (
            "\"Cmd\":",
            "\"Labels\":{},\"Label\u{17f}\":{},\"Cmd\":",
            "'Labels' and 'Label\u{17f}' in 'config'",
        ),
        (
            "\"Cmd\":",
            "\"Healthcheck\":{\"Test\":[\"NONE\"],\"te\u{17f}t\":[\"CMD\",\"x\"]},\"Cmd\":",
            "'Test' and 'te\u{17f}t' in 'config.Healthcheck'",
        ),
        (
            "\"created_by\":",
            "\"Created_By\":\"x\",\"created_by\":",
            "'Created_By' and 'created_by' in 'history[0]'",
        ),
    ] {
        for files in configs(from, to.as_bytes()) {
            refused(&files, says);
        }
    }

    let other = format!(
        "\"layer\u{17f}\":[{}],\"layers\":",
        build::descriptor("application/vnd.oci.image.layer.v1.tar", &evil)
    );
    for (from, to, says) in [
        ("\"layers\":", other.as_str(), "'layer\u{17f}' and 'layers'"),
        (
            "\"config\":",
            "\"Config\":null,\"config\":",
            "'Config' and 'config'",
        ),
        (
            "\"size\":",
            "\"Size\":1,\"size\":",
            "'Size' and 'size' in 'config'",
        ),
    ] {
        refused(
            &with_manifest(&image, replaced(&image.manifest(), from, to.as_bytes())),
            says,
        );
    }
    for (name, from, to, says) in [
        (
            "index.json",
            "\"manifests\":",
            "\"manifest\u{17f}\":[],\"manifests\":",
            "'manifest\u{17f}' and 'manifests'",
        ),
        (
            "index.json",
            "\"digest\":",
            "\"Digest\":\"x\",\"digest\":",
            "'Digest' and 'digest' in 'manifests[0]'",
        ),
        (
            "oci-layout",
            "{",
            "{\"imageLayoutVer\u{17f}ion\":\"9\",",
            "'imageLayoutVer\u{17f}ion' and 'imageLayoutVersion'",
        ),
    ] {
        let mut files = build::oci(&[&image]);
        let bytes = replaced(files.get(name), from, to.as_bytes());
        files.put(name, bytes);
        refused(&files, says);
    }
    let mut files = build::v1(&[&image]);
    let name = files
        .names()
        .into_iter()
        .find(|name| name.ends_with("/json"));
    let name = name.expect("a v1 json");
    let bytes = replaced(files.get(&name), "\"os\":", b"\"OS\":\"windows\",\"os\":");
    files.put(&name, bytes);
    refused(&files, "'OS' and 'os'");
}

/// In maps keys are exact: nothing is folded there.
#[test]
fn keys_of_maps_may_differ_in_case_alone() {
    let to = "\"Labels\":{\"a\":\"1\",\"A\":\"2\",\"\u{17f}\":\"3\",\"s\":\"4\"},\"Volumes\":{\"/v\":{},\"/V\":{}},\"Cmd\":";
    for files in configs("\"Cmd\":", to.as_bytes()) {
        let room = Room::with("i.tar", &files);
        room.run("imgverify -q i.tar").ok("");
        room.run("imginspect --format '{{len .Config.Labels}} {{len .Config.Volumes}}' i.tar")
            .ok("4 2\n");
    }
    let mut files = build::docker(&[&demo()]);
    files.edit("repositories", |value| {
        value["Demo"] = value["demo"].clone();
    });
    Room::with("i.tar", &files).run("imgverify -q i.tar").ok("");
}

/// A key in another spelling alone is the field, as it is for Go; docker 20.10 gives the same values.
#[test]
fn a_field_in_another_spelling_is_the_field() {
    let image = demo();
    let config = String::from_utf8(image.config()).expect("UTF-8");
    let config = config
        .replace("\"os\"", "\"O\u{17f}\"")
        .replace("\"rootfs\"", "\"ROOTF\u{17f}\"")
        .replace("\"diff_ids\"", "\"Diff_IDs\"")
        .replace("\"config\"", "\"CONFIG\"")
        .replace(
            "\"Cmd\"",
            "\"u\u{17f}er\":\"me\",\"healthchec\u{212a}\":{\"TEST\":[\"CMD\",\"t\"]},\"cmd\"",
        )
        .replace("\"Env\"", "\"env\"")
        .replace("\"history\"", "\"History\"")
        .replace("\"created_by\"", "\"Created_by\"");
    let mut files = with_config(&image, config.into_bytes());
    let room = Room::with("i.tar", &files);
    room.run("imgverify -q i.tar").ok("");
    let fields = "'{{.Os}} {{.Config.User}} {{.Config.Cmd}} {{.Config.Env}} {{json .Config.Healthcheck.Test}}'";
    room.run(&format!("imginspect --format {fields} i.tar"))
        .ok("linux me [/bin/sh] [PATH=/bin] [\"CMD\",\"t\"]\n");
    room.run("imghistory --format '{{.CreatedBy}}' i.tar")
        .ok("COPY layer 1 /\n");
    // Manifest and index too, and what is made of them.
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    let index = files.get("index.json").to_vec();
    let digest = serde_json::from_slice::<serde_json::Value>(&index).expect("JSON");
    let digest = digest["manifests"][0]["digest"]
        .as_str()
        .expect("a digest")
        .to_owned();
    let manifest = text(files.get(&build::blob_name(&digest)))
        .replace("\"layers\"", "\"LAYER\u{17f}\"")
        .replace("\"config\"", "\"Config\"")
        .replace("\"digest\"", "\"Digest\"")
        .replace("\"size\"", "\"\u{17f}ize\"")
        .replace("\"mediaType\"", "\"mediatype\"");
    let new = build::digest(manifest.as_bytes());
    let index = text(&index)
        .replace(&digest, &new)
        .replace("\"manifests\"", "\"Manifest\u{17f}\"")
        .replace("\"size\"", "\"Size\"");
    let mut index: serde_json::Value = serde_json::from_str(&index).expect("JSON");
    index["Manifest\u{17f}"][0]["Size"] = manifest.len().into();
    files.add(&build::blob_name(&new), manifest);
    files.put("index.json", index.to_string());
    let room = Room::with("i.tar", &files);
    room.run("imgverify -q i.tar").ok("");
    for line in [
        "imgconvert -q --force --compression gzip i.tar oci-archive:o.tar:demo:1",
        "imgconvert -q --force --media-types docker i.tar oci-archive:o.tar:demo:1",
        "imgconvert -q --force --reproducible i.tar oci-archive:o.tar:demo:1",
        "imgcommit -q -c 'USER you' --squash i.tar -o o.tar demo:1",
    ] {
        room.command(line)
            .env("SOURCE_DATE_EPOCH", "1")
            .run()
            .code(0);
        room.run("imgverify -q o.tar").ok("");
        let user = if line.contains("you") { "you" } else { "me" };
        room.run("imginspect --format '{{.Os}} {{.Config.User}}' o.tar")
            .ok(&format!("linux {user}\n"));
    }
}

/// Fields of another spelling were another field to imgdiff.
#[test]
fn imgdiff_compares_fields_whatever_their_spelling() {
    let image = demo();
    let config = replaced(&image.config(), "\"Cmd\"", b"\"cmd\"");
    let room = Room::with("a.tar", &build::oci(&[&image]));
    room.write("b.tar", &with_config(&image, config).tar());
    room.run("imgdiff --config a.tar b.tar").code(0);
    let config = replaced(&image.config(), "\"Cmd\":[\"/bin/sh\"]", b"\"cmd\":[\"x\"]");
    room.write("c.tar", &with_config(&image, config).tar());
    room.run("imgdiff --config a.tar c.tar")
        .code(1)
        .says("config.Cmd");
}

/// A docker-archive of two images whose `manifest.json` lists the first; a second one for the other is returned.
fn two() -> (Files, Vec<u8>) {
    let (good, evil) = (demo(), build::image("demo:1").layer("f x evil"));
    let manifest = build::docker(&[&evil]).get("manifest.json").to_vec();
    let mut files = build::docker(&[&good, &evil]);
    files.put(
        "manifest.json",
        build::docker(&[&good]).get("manifest.json"),
    );
    files.remove("repositories");
    (files, manifest)
}

/// docker 20.10 loads `x` with "evil" from each of these; imgexport gave "good" with status 0, and imgverify sound.
#[test]
fn members_that_docker_unpacks_onto_another_are_refused() {
    type Detour = fn(&mut Files, Vec<u8>);
    let detours: [(&str, Detour); 9] = [
        ("s/manifest.json", |files, evil| {
            files.symlink("s", ".").add("s/manifest.json", evil);
        }),
        ("e/manifest.json", |files, evil| {
            files
                .symlink("e", "d/..")
                .add("d/f", "")
                .add("e/manifest.json", evil);
        }),
        ("x/../manifest.json", |files, evil| {
            files.add("x/../manifest.json", evil);
        }),
        ("../manifest.json", |files, evil| {
            files.add("../manifest.json", evil);
        }),
        ("s/manifest.json", |files, evil| {
            files.symlink("s", "/").add("s/manifest.json", evil);
        }),
        ("a/manifest.json", |files, evil| {
            files
                .symlink("a", "b/c")
                .add("b/f", "")
                .symlink("b/c", "..");
            files.add("a/manifest.json", evil);
        }),
        ("s/manifest.json", |files, evil| {
            files
                .add("t", evil)
                .symlink("s", ".")
                .hard_link("s/manifest.json", "t");
        }),
        ("s/manifest.json", |files, evil| {
            files
                .add("t", evil)
                .symlink("s", ".")
                .symlink("s/manifest.json", "t");
        }),
        ("h/manifest.json", |files, evil| {
            files
                .symlink("s", ".")
                .hard_link("h", "s")
                .add("h/manifest.json", evil);
        }),
    ];
    for (member, detour) in detours {
        let (mut files, evil) = two();
        detour(&mut files, evil);
        refused(&files, &format!("extract member '{member}' to this path"));
    }
    // The same of other names that are used: the config, a layer, the index, a blob.
    for (files, name) in [
        (build::oci(&[&demo()]), "index.json".to_owned()),
        (build::oci(&[&demo()]), "oci-layout".to_owned()),
        (build::oci(&[&demo()]), build::blob_name(&demo().id())),
        (
            build::oci(&[&demo()]),
            build::blob_name(&demo().manifest_digest()),
        ),
        (build::docker25(&[&demo()]), build::blob_name(&demo().id())),
    ] {
        let mut files = files;
        files.symlink("s", ".").add(&format!("s/{name}"), "{}");
        refused(&files, &format!("extract member 's/{name}' to this path"));
    }
    for files in [build::oci(&[&demo()]), build::docker25(&[&demo()])] {
        let mut files = files;
        let layer = build::blob_name(&demo().diff_ids()[0]);
        files
            .symlink("s", ".")
            .add(&format!("s/{layer}"), build::layer("f x evil"));
        let room = Room::with("i.tar", &files);
        for line in [
            "imgexport i.tar -o o",
            "imgload i.tar",
            "imgconvert i.tar oci:o",
        ] {
            room.run(line)
                .code(2)
                .complains("to this path, others do not");
        }
        room.run("imgverify i.tar").code(1).says(&format!(
            "error: i.tar: s/{layer}: its path goes through the link 's' of the archive; loaders that unpack it put the \
             member elsewhere [member-through-link]\n"
        ));
    }
}

/// Where nothing is looked up a detour changes nothing, but imgverify tells it.
#[test]
fn members_by_a_detour_that_land_on_no_used_name_are_reported() {
    let mut files = build::docker(&[&demo()]);
    files.symlink("s", ".").add("s/README", "hello");
    let room = Room::with("i.tar", &files);
    room.run("imgverify i.tar")
        .code(1)
        .says("[member-through-link]");
    room.run("imgexport i.tar -o o").code(0);
    let mut files = build::docker(&[&demo()]);
    files.add("x/../README", "hello");
    let room = Room::with("i.tar", &files);
    room.run("imgverify i.tar").code(1).says("[climbing-path]");
    room.run("imgexport i.tar -o o").code(0);
}

/// What docker itself writes: a layer that was there before is a link to it. Names may be spelled with `./`.
#[test]
fn links_as_docker_writes_them_are_followed() {
    let (one, two) = (
        demo(),
        build::image("two:1").layer("f y 1").layer("f x good"),
    );
    for shared in [build::Shared::Symlink, build::Shared::HardLink] {
        let tar = build::docker_sharing(&[&one, &two], shared).tar();
        let room = Room::new();
        room.write("i.tar", &tar);
        room.run("imgverify -q i.tar").ok("");
        room.command("imgverify -q -").pipe(&tar).run().ok("");
        room.run("imgexport -o o i.tar:two:1").code(0);
    }
}

/// A link whose way goes through another link leads elsewhere for docker, which follows the other one first.
#[test]
fn links_through_links_are_refused() {
    let (mut files, evil) = two();
    let good = files.get("manifest.json").to_vec();
    files.remove("manifest.json");
    files
        .add("good/m", good)
        .add("deep/good/m", evil)
        .symlink("s", "deep/dir")
        .add("deep/dir/f", "")
        .symlink("manifest.json", "s/../good/m");
    refused(&files, "passes through another link");
    // A name below a link is not where it says.
    let mut files = build::oci(&[&demo()]);
    let layer = build::blob_name(&demo().diff_ids()[0]);
    let bytes = files.get(&layer).to_vec();
    files.remove(&layer);
    files.add(&layer.replace("blobs/", "others/"), bytes);
    files.symlink("blobs", "others");
    refused(&files, "");
}

/// One half that is ambiguous is no reason to go by the other.
#[test]
fn an_ambiguous_half_beside_another_is_refused() {
    for (name, from, to) in [
        (
            "index.json",
            "\"manifests\":",
            "\"manifest\u{17f}\":[],\"manifests\":",
        ),
        ("oci-layout", "{", "{\"ImageLayoutVersion\":\"9\","),
        ("manifest.json", "[{", "[{\"Layer\u{17f}\":[],"),
    ] {
        let mut files = build::docker25(&[&demo()]);
        let bytes = replaced(files.get(name), from, to.as_bytes());
        files.put(name, bytes);
        refused(&files, "several spellings of one field");
    }
}

/// docker 20.10 loads each and shows U+FFFD: every program stopped with "invalid JSON".
#[test]
fn texts_that_are_no_valid_unicode_are_shown_and_passed_on() {
    let image = demo();
    let config = replaced(
        &image.config(),
        "\"Cmd\":",
        b"\"Labels\":{\"a\":\"\\ud800\",\"b\":\"caf\xe9\"},\"Big\":123456789012345678901234567890.10,\"Cmd\":",
    );
    let config = replaced(&config, "\"Env\":[", b"\"Env\":[\"E=\\uDCE9\",");
    let config = replaced(&config, "\"COPY layer 1 /\"", b"\"COPY \xff /\"");
    let mut files = with_config(&image, config.clone());
    let text = String::from_utf8(files.get("index.json").to_vec()).expect("UTF-8");
    let annotated = text.replace("\"annotations\":{", "\"annotations\":{\"x\":\"\\udfff\",");
    assert_ne!(text, annotated);
    files.put("index.json", annotated);
    let tar = files.tar();
    let room = Room::new();
    room.write("i.tar", &tar);
    for (_, line) in OPENING {
        room.run(&on(line, "i.tar")).code(0);
        room.command(&on(line, "-")).pipe(&tar).run().code(0);
    }
    room.run("imgverify i.tar")
        .code(0)
        .says(
            "warning: i.tar: demo:1: invalid Unicode in config.Labels.a, config.Labels.b, config.Env[0] and 1 more; \
             engines show U+FFFD in its place [invalid-unicode]\n",
        )
        .says("index.json: invalid Unicode in manifests[0].annotations.x;");
    room.run("imginspect --format '{{json .Config.Labels}} {{index .Config.Env 0}}' i.tar")
        .ok("{\"a\":\"\u{fffd}\",\"b\":\"caf\u{fffd}\"} E=\u{fffd}\n");
    room.run("imghistory --format '{{.CreatedBy}}' i.tar")
        .ok("COPY \u{fffd} /\n");
    // The bytes go on as they are.
    for line in [
        "imgconvert -q --force i.tar oci-archive:o.tar:demo:1",
        "imgconvert -q --force i.tar docker-archive:o.tar:demo:1",
        "imgconvert -q --force --compression gzip i.tar oci-archive:o.tar:demo:1",
        "imgconvert -q --force --media-types docker i.tar oci-archive:o.tar:demo:1",
        "imgsave -o o.tar i.tar",
    ] {
        room.run(line).code(0);
        assert_eq!(
            room.command("imginspect --raw config o.tar").run().stdout,
            config,
            "{line}"
        );
    }
    // Of a config that is rewritten every text that stays is as it was written, and so are numbers.
    for line in [
        "imgconvert -q --force --reproducible i.tar oci-archive:o.tar:demo:1",
        "imgcommit -q --squash i.tar -c 'LABEL c=d' -c 'ENV F=g' -o o.tar demo:2",
    ] {
        room.command(line)
            .env("SOURCE_DATE_EPOCH", "1")
            .run()
            .code(0);
        let found = room.command("imginspect --raw config o.tar").run().stdout;
        for bytes in [
            &b"\"a\":\"\\ud800\""[..],
            b"\"b\":\"caf\xe9\"",
            b"\"E=\\uDCE9\"",
            b"\"Big\":123456789012345678901234567890.10,",
            b"\"COPY \xff /\"",
        ] {
            let there = found.windows(bytes.len()).any(|window| window == bytes);
            assert!(there, "{line}: {}", String::from_utf8_lossy(&found));
        }
        room.run("imgverify -q o.tar").ok("");
    }
    // Raw control characters are refused, as docker refuses them.
    for files in configs("\"Cmd\":", b"\"User\":\"\x01\",\"Cmd\":") {
        refused(&files, "control character");
    }
}

/// Two texts that engines show alike are two texts.
#[test]
fn imgdiff_tells_texts_apart_that_are_shown_alike() {
    let image = demo();
    let room = Room::new();
    for (name, label, step) in [("a", &b"\xe9"[..], "\\ud800"), ("b", b"\xe8", "\\ud801")] {
        let label = [b"\"Labels\":{\"l\":\"", label, b"\"},\"Cmd\":"].concat();
        let config = replaced(&image.config(), "\"Cmd\":", &label);
        let config = replaced(&config, "COPY layer 1 /", step.as_bytes());
        room.write(&format!("{name}.tar"), &with_config(&image, config).tar());
    }
    room.run("imgdiff --config a.tar b.tar")
        .code(1)
        .says("config.Labels.l")
        .says("xe9")
        .says("xe8");
    room.run("imgdiff --history a.tar b.tar")
        .code(1)
        .says("ud800")
        .says("ud801");
    room.run("imgdiff -q a.tar a.tar").ok("");
}

/// The store's index keeps what it was given, whatever else is changed in it.
#[test]
fn the_index_of_a_store_keeps_texts_that_are_no_valid_unicode() {
    let room = Room::with("i.tar", &build::oci(&[&demo()]));
    room.run("imgload -q --store s i.tar").code(0);
    let path = room.path("s/index.json");
    let bytes = std::fs::read(&path).expect("an index");
    let bytes = replaced(
        &bytes,
        "\"annotations\":{",
        b"\"annotations\":{\"x\":\"\xe9\\ud800\",\"y\":\"z\",",
    );
    std::fs::write(&path, bytes).expect("an index");
    room.run("imgtag --store s demo:1 other:2").code(0);
    let bytes = std::fs::read(&path).expect("an index");
    let kept = b"\"x\":\"\xe9\\ud800\",\"y\":\"z\"";
    assert!(bytes.windows(kept.len()).any(|window| window == kept));
    room.run("imgls --store s").code(0).says("other");
}

/// A config of 7 MB under 400 spellings of its name, or 400 hard links to it, took more than 1 GB.
#[test]
fn a_document_is_kept_once_however_many_names_lead_to_it() {
    let image = demo();
    let long = format!(
        "\"Labels\":{{\"l\":\"{}\"}},\"Cmd\":",
        "x".repeat(7_000_000)
    );
    let config = replaced(&image.config(), "\"Cmd\":", long.as_bytes());
    let mut files = build::docker(&[&image]);
    files.add("c.json", config.clone());
    let mut items = Vec::new();
    let layer = image.diff_ids();
    assert_eq!(layer.len(), 1);
    let manifest: serde_json::Value =
        serde_json::from_slice(files.get("manifest.json")).expect("JSON");
    for i in 0..100 {
        let mut item = manifest[0].clone();
        item["RepoTags"] = format!("demo:{i}").into();
        item["RepoTags"] = vec![item["RepoTags"].clone()].into();
        item["Config"] = match i % 2 {
            0 => format!("{}c.json", "./".repeat(i + 1)),
            _ => {
                files.hard_link(&format!("h{i}"), "c.json");
                format!("h{i}")
            }
        }
        .into();
        items.push(item);
    }
    files.put("manifest.json", serde_json::Value::from(items).to_string());
    files.remove("repositories");
    let room = Room::with("i.tar", &files);
    let imgls = crate::common::run::program("imgls");
    let run = std::process::Command::new("sh")
        .arg("-c")
        .arg("ulimit -v 300000; exec \"$0\" -j 1 i.tar >out")
        .arg(imgls)
        .current_dir(room.path("."))
        .output()
        .expect("sh");
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    let out = std::fs::read_to_string(room.path("out")).expect("a list");
    assert_eq!(out.lines().count(), 101);

    // Different ones have a limit together.
    let mut files = build::docker(&[&image]);
    let mut items = Vec::new();
    for i in 0..10 {
        let mut item = manifest[0].clone();
        item["Config"] = format!("c{i}.json").into();
        item["RepoTags"] = serde_json::Value::Null;
        files.add(
            &format!("c{i}.json"),
            replaced(
                &config,
                "\"Cmd\":",
                format!("\"User\":\"{i}\",\"Cmd\":").as_bytes(),
            ),
        );
        items.push(item);
    }
    files.put("manifest.json", serde_json::Value::from(items).to_string());
    files.remove("repositories");
    let room = Room::with("i.tar", &files);
    room.run("imgexport -o o i.tar:@9").code(2);
    room.run("imgverify i.tar")
        .code(2)
        .complains("bytes of documents");
    room.run("imgverify -q --limit held-size=100M i.tar")
        .code(0);
}

/// The image of `manifest.json` was taken without a word, and with a manifest that had to be made; the one in `index.json`
/// could not be parsed.
#[test]
fn a_damaged_manifest_is_told_where_the_docker_half_is_selected() {
    let image = demo();
    let mut files = build::docker25(&[&image]);
    let manifest = build::blob_name(&image.manifest_digest());
    let bytes = files.bytes(&manifest);
    let at = bytes.len() / 2;
    bytes[at] ^= 0x80;
    let room = Room::with("app.tar", &files);
    for line in [
        "imgpush -q --as s:1 app.tar:@0 out",
        "imgconvert -q app.tar:@0 oci:lay",
        "imgexport -q -o files.tar app.tar:@0",
    ] {
        let run = room.run(line);
        assert!(run.code(0).err().contains("using manifest.json"), "{run}");
    }
}
