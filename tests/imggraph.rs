//! imggraph.

mod formats;
mod packages;

use serde_json::{Value, json};

use crate::common::build::{self, Files};
use crate::common::foreign;
use crate::common::run::Room;

/// Returns a base, two images on it that share one more layer, and one with the layers of the first and one more step.
fn family() -> [build::Image; 4] {
    let base = build::image("base:1").layer("f a one");
    let app = build::image("app:1")
        .layer("f a one")
        .layer("f b two")
        .layer("f c three");
    let web = build::image("web:1")
        .layer("f a one")
        .layer("f b two")
        .layer("f d four")
        .layer("f e five");
    let label = build::image("label:1")
        .layer("f a one")
        .layer("f b two")
        .layer("f c three")
        .step("LABEL x=y");
    [base, app, web, label]
}

fn archive() -> Files {
    let family = family();
    build::docker25(&family.iter().collect::<Vec<_>>())
}

/// Returns the chain IDs of a stack, by the rule of the image specification.
fn chains(image: &build::Image) -> Vec<String> {
    let mut chains: Vec<String> = Vec::new();
    for diff_id in image.diff_ids() {
        chains.push(match chains.last() {
            None => diff_id,
            Some(below) => build::digest(format!("{below} {diff_id}").as_bytes()),
        });
    }
    chains
}

fn by_name<'a>(graph: &'a Value, name: &str) -> &'a Value {
    let nodes = graph["Nodes"].as_array().expect("nodes");
    let found = nodes.iter().find(|node| node["Names"][0] == name);
    found.unwrap_or_else(|| panic!("{name}: {graph:#}"))
}

fn edges(graph: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let edges = graph["Edges"].as_array().expect("edges").iter();
    edges
        .map(|edge| (text(&edge["From"]), text(&edge["To"]), text(&edge["Kind"])))
        .collect()
}

#[test]
fn a_shared_base_is_drawn_once() {
    let room = Room::with("a.tar", &archive());
    let [base, app, web, label] = family();
    let (app_chain, web_chain) = (chains(&app), chains(&web));
    let short = |digest: &str| build::short(digest).to_owned();
    let expected = format!(
        "LAYER OR IMAGE   ID               SIZE    TOTAL   IMAGES   CREATED BY\n\
         layer 1          {}   2.05kB   2.05kB        4   COPY layer 1 /\n\
         ├─ base:1        {}   2.05kB   2.05kB            linux/amd64\n\
         └─ layer 2       {}   2.05kB    4.1kB        3   COPY layer 2 /\n\
         \u{20}  ├─ layer 3    {}   2.05kB   6.14kB        2   COPY layer 3 /\n\
         \u{20}  │  ├─ app:1   {}    4.1kB   6.14kB            linux/amd64\n\
         \u{20}  │  └─ label:1 {}       0B   6.14kB            linux/amd64\n\
         \u{20}  └─ layers 3-4 {}    4.1kB   8.19kB        1   COPY layer 4 /\n\
         \u{20}     └─ web:1   {}   6.14kB   8.19kB            linux/amd64\n\
         4 images, 5 layers: 22.5kB in all, 10.2kB stored once, 12.3kB saved by sharing\n",
        short(&app_chain[0]),
        base.short(),
        short(&app_chain[1]),
        short(&app_chain[2]),
        app.short(),
        label.short(),
        short(&web_chain[3]),
        web.short(),
    );
    // Columns are as wide as their cells.
    let found = room.run("imggraph a.tar");
    let words = |text: &str| -> Vec<Vec<String>> {
        text.lines()
            .map(|line| line.split_whitespace().map(str::to_owned).collect())
            .collect()
    };
    assert_eq!(words(found.out()), words(&expected), "{found}");
    let widths: Vec<usize> = found
        .out()
        .lines()
        .take(9)
        .filter_map(|line| line.find("CREATED BY").or_else(|| line.find("COPY")))
        .collect();
    assert!(!widths.is_empty(), "{found}");
    let ascii = room.run("imggraph --ascii a.tar");
    assert!(ascii.out().is_ascii(), "{ascii}");
    ascii.says("|- base:1");
}

#[test]
fn layers_are_a_trie_of_chain_ids() {
    let room = Room::with("a.tar", &archive());
    let graph = room.run("imggraph --unfold --format json a.tar").json();
    let mut expected: Vec<(String, String)> = Vec::new();
    let mut nodes: Vec<String> = Vec::new();
    for image in &family() {
        let mut below: Option<String> = None;
        for chain in chains(image) {
            let id = format!("layer:{chain}");
            if !nodes.contains(&id) {
                nodes.push(id.clone());
                expected.extend(below.clone().map(|below| (id.clone(), below)));
            }
            below = Some(id);
        }
        let id = format!("image:{}", image.id());
        nodes.push(id.clone());
        expected.extend(below.map(|below| (id, below)));
    }
    let mut found: Vec<(String, String)> = edges(&graph)
        .into_iter()
        .map(|(from, to, _)| (from, to))
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    let ids = graph["Nodes"].as_array().expect("nodes").iter();
    let mut ids: Vec<&str> = ids
        .map(|node| node["ID"].as_str().expect("an ID"))
        .collect();
    ids.sort_unstable();
    nodes.sort();
    assert_eq!(ids, nodes);
}

#[test]
fn the_base_has_the_longest_stack_that_is_a_start() {
    let room = Room::with("a.tar", &archive());
    let graph = room
        .run("imggraph --view images --format json a.tar")
        .json();
    let [base, app, web, label] = family().map(|image| format!("image:{}", image.id()));
    let based = |from: &str, to: &str| (from.to_owned(), to.to_owned(), "is based on".to_owned());
    let mut found = edges(&graph);
    let mut expected = vec![based(&app, &base), based(&web, &base), based(&label, &app)];
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(by_name(&graph, "base:1")["SharedBy"], 4);
    assert_eq!(by_name(&graph, "label:1")["SizeBytes"], 0);
    assert_eq!(
        by_name(&graph, "web:1")["Layers"].as_array().map(Vec::len),
        Some(3)
    );
}

#[test]
fn images_with_one_stack_are_not_bases_of_each_other() {
    let first = build::image("one:1")
        .layer("f a one")
        .set("author", json!("A"));
    let second = build::image("two:1")
        .layer("f a one")
        .set("author", json!("B"));
    let room = Room::with("a.tar", &build::oci(&[&first, &second]));
    let graph = room
        .run("imggraph --view images --format json a.tar")
        .json();
    assert_eq!(graph["Edges"], json!([]));
    assert_eq!(graph["Totals"]["SavedBytes"], graph["Totals"]["OnceBytes"]);
}

#[test]
fn sizes_are_those_of_imghistory() {
    for name in [
        "docker-classic.tar",
        "docker-multi.tar",
        "skopeo-oci.tar",
        "containerd.tar",
        "buildah-oci.tar",
    ] {
        let room = Room::new();
        let path = foreign(name);
        let path = path.display();
        for (size, key) in [("raw", "SizeBytes"), ("compressed", "StoredBytes")] {
            let graph = room
                .run(&format!(
                    "imggraph --unfold --size {size} --format json {path}"
                ))
                .json();
            let nodes = graph["Nodes"].as_array().expect("nodes");
            let images = nodes.iter().filter(|node| node["Kind"] == "image");
            for (i, image) in images.enumerate() {
                let steps = room.run(&format!("imghistory --no-trunc --format json {path}:@{i}"));
                let mut sum = 0;
                for row in steps
                    .json_lines()
                    .iter()
                    .filter(|row| !row["DiffID"].is_null())
                {
                    sum += row[key].as_u64().expect("a size");
                    let layer = nodes.iter().find(|node| {
                        node["Layers"][0]["DiffID"] == row["DiffID"]
                            && node["Layers"][0]["Number"] == row["Layer"]
                    });
                    let layer = layer.unwrap_or_else(|| panic!("{row} in {graph:#}"));
                    assert_eq!(layer["SizeBytes"], row[key], "{name} {size}");
                }
                assert_eq!(image["CumulativeBytes"], sum, "{name} {size}");
            }
        }
    }
}

#[test]
fn up_selects_ancestors_and_down_descendants() {
    let room = Room::with("a.tar", &archive());
    let names = |line: &str| {
        let graph = room
            .run(&format!("imggraph --format json {line} a.tar"))
            .json();
        let nodes = graph["Nodes"].as_array().expect("nodes").iter();
        let names = nodes
            .filter(|node| node["Kind"] == "image")
            .map(|node| node["Names"][0].as_str().expect("a name").to_owned());
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names("--up label:1"), "base:1 app:1 label:1");
    assert_eq!(names("--up web:1"), "base:1 web:1");
    assert_eq!(names("--down app:1"), "app:1 label:1");
    assert_eq!(names("--down label:1"), "label:1");
    assert_eq!(names("--down base:1"), "base:1 app:1 label:1 web:1");
    assert_eq!(
        names("--down docker.io/library/base:1 --view images"),
        "base:1 app:1 label:1 web:1"
    );
    assert_eq!(names("--up app:1 --down web:1"), "base:1 app:1 web:1");
    let [_, app, ..] = family();
    assert_eq!(names(&format!("--down {}", app.short())), "app:1 label:1");
    // A layer by its diff ID.
    let layer = build::short(&app.diff_ids()[1]).to_owned();
    assert_eq!(names(&format!("--down {layer}")), "app:1 label:1 web:1");
    assert_eq!(names("--filter reference=w*"), "web:1");
    assert_eq!(
        names("--filter reference=w* --filter reference=base"),
        "base:1 web:1"
    );
    assert_eq!(names("--filter dangling=true"), "");
    room.run("imggraph --down gone:1 a.tar")
        .fails("imggraph: no such image 'gone:1': available: base:1, app:1, label:1 and web:1\n");
    room.run("imggraph --filter size=1 a.tar")
        .code(2)
        .complains("unknown key: expected reference");
    let cut = room.run("imggraph --depth 1 a.tar");
    cut.code(0).says("└─ layer 2 … 5 more");
    assert_eq!(cut.out().lines().count(), 5, "{cut}");
}

#[test]
fn blobs_show_references_and_missing_blobs() {
    let room = Room::new();
    let path = foreign("containerd-sparse.tar");
    let graph = room
        .run(&format!(
            "imggraph --view blobs --format json {}",
            path.display()
        ))
        .json();
    let kinds = |kind: &str, absent: bool| {
        let nodes = graph["Nodes"].as_array().expect("nodes").iter();
        nodes
            .filter(|node| node["Kind"] == kind && node["Absent"] == absent)
            .count()
    };
    assert_eq!(
        (
            kinds("index", false),
            kinds("manifest", false),
            kinds("manifest", true)
        ),
        (1, 1, 2)
    );
    let describes = edges(&graph)
        .into_iter()
        .filter(|(_, _, kind)| kind == "describes")
        .count();
    assert_eq!(describes, 1);
    room.run(&format!("imggraph --view blobs {}", path.display()))
        .says("(absent)");
}

#[test]
fn signatures_and_referrers_are_joined_to_their_subjects() {
    let app = build::image("app:1").layer("f a one");
    let mut files = build::oci(&[&app]);
    let about = app.manifest_digest();
    let payload = b"{\"critical\":{}}".to_vec();
    let layer = build::descriptor("application/vnd.dev.cosign.simplesigning.v1+json", &payload);
    let config = b"{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}".to_vec();
    let signature = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": build::descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": [layer],
    })
    .to_string();
    let sbom = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "application/spdx+json",
        "config": build::descriptor("application/vnd.oci.empty.v1+json", b"{}"),
        "layers": [],
        "subject": {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": about, "size": app.manifest().len()},
    })
    .to_string();
    for blob in [
        payload.as_slice(),
        &config,
        signature.as_bytes(),
        sbom.as_bytes(),
    ] {
        files.add(&build::blob_name(&build::digest(blob)), blob);
    }
    files.edit("index.json", |index| {
        let manifests = index["manifests"].as_array_mut().expect("manifests");
        let mut one = build::descriptor(
            "application/vnd.oci.image.manifest.v1+json",
            signature.as_bytes(),
        );
        let tag = format!("{}.sig", about.replace(':', "-"));
        one["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
        manifests.push(one);
        manifests.push(build::descriptor(
            "application/vnd.oci.image.manifest.v1+json",
            sbom.as_bytes(),
        ));
    });
    let room = Room::with("a.tar", &files);
    let graph = room.run("imggraph --view blobs --format json a.tar").json();
    let mut found: Vec<(String, String)> = edges(&graph)
        .into_iter()
        .filter(|(_, _, kind)| kind == "describes")
        .map(|(from, to, _)| (from, to))
        .collect();
    found.sort();
    let to = format!("blob:{about}");
    let mut expected = [signature, sbom].map(|text| {
        (
            format!("blob:{}", build::digest(text.as_bytes())),
            to.clone(),
        )
    });
    expected.sort();
    assert_eq!(found, expected);
    let kinds: Vec<&Value> = graph["Nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .map(|node| &node["Kind"])
        .collect();
    assert!(
        kinds.contains(&&json!("signature")) && kinds.contains(&&json!("artifact")),
        "{kinds:?}"
    );
    // A signature is not an image.
    let images = room
        .run("imggraph --view images --format json a.tar")
        .json();
    assert_eq!(images["Totals"]["Images"], 1);
}

#[test]
fn cycles_of_indexes_are_errors() {
    // Only indexes with wrong digests can refer to each other.
    let a = format!("sha256:{}", "a".repeat(64));
    let b = format!("sha256:{}", "b".repeat(64));
    let index = |to: &str| {
        json!({"schemaVersion": 2, "manifests": [
            {"mediaType": "application/vnd.oci.image.index.v1+json", "digest": to, "size": 300}
        ]})
        .to_string()
    };
    let mut files = Files::default();
    files.add("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    files.add("index.json", index(&a));
    files.add(&build::blob_name(&a), index(&b));
    files.add(&build::blob_name(&b), index(&a));
    let room = Room::with("a.tar", &files);
    for line in [
        "",
        "--view images ",
        "--view blobs ",
        "--view blobs --format svg ",
        "--view blobs --depth 2 --format dot ",
    ] {
        let run = room.run(&format!("imggraph {line}a.tar"));
        run.code(2).complains("size mismatch");
    }
}

#[test]
fn directories_are_searched_for_archives_and_layouts() {
    let room = Room::new();
    let [base, app, web, _] = family();
    std::fs::create_dir_all(room.path("pile/deep/er")).expect("folders");
    room.write("pile/x.bin", &build::docker(&[&base]).tar());
    room.write("pile/deep/er/noise.tar", &build::layer("f etc/passwd root"));
    room.write("pile/deep/text.gz", b"\x1f\x8b no gzip");
    build::oci(&[&app]).write_to(&room.path("pile/deep/layout"));
    room.write("pile/deep/web.tar", &build::docker25(&[&web]).tar());
    std::os::unix::fs::symlink("..", room.path("pile/deep/loop")).expect("a link");
    let graph = room.run("imggraph --view images --format json pile").json();
    assert_eq!(graph["Totals"]["Images"], 3);
    assert_eq!(
        by_name(&graph, "app:1")["Facts"]["archives"],
        "pile/deep/layout"
    );
    assert_eq!(by_name(&graph, "app:1")["Facts"]["base"], "base:1");
    // A layout itself is opened, not searched.
    room.run("imggraph pile/deep/layout").code(0).says("app:1");
    std::fs::create_dir(room.path("empty")).expect("a directory");
    room.run("imggraph empty")
        .code(2)
        .complains("not an image archive");
    // A truncated archive with complete names.
    let mut cut = build::oci(&[&base]).tar();
    cut.truncate(cut.len() - 1024 - 512);
    room.write("pile/cut.tar", &cut);
    room.run("imggraph pile")
        .code(2)
        .complains("pile/cut.tar")
        .says("web:1");
}

#[test]
fn the_store_is_the_default() {
    let room = Room::with("a.tar", &archive());
    room.run("imggraph").ok(
        "LAYER OR IMAGE   ID   SIZE   TOTAL   IMAGES   CREATED BY\n0 images, 0 layers: 0B in all, 0B stored once, 0B saved by sharing\n",
    );
    room.run("imgload -q -i a.tar").code(0);
    let graph = room.run("imggraph --view images --format json").json();
    assert_eq!(graph["Totals"]["Images"], 4);
    assert_eq!(by_name(&graph, "label:1")["Facts"]["base"], "app:1");
}

#[test]
fn an_image_in_several_archives_is_one_node() {
    let room = Room::with("a.tar", &archive());
    let [_, app, ..] = family();
    room.write("b.tar", &build::oci(&[&app.named("other:2")]).tar());
    let graph = room.run("imggraph --format json a.tar b.tar").json();
    assert_eq!(graph["Totals"]["Images"], 4);
    let app = by_name(&graph, "app:1");
    assert_eq!(app["Names"], json!(["app:1", "other:2"]));
    assert_eq!(app["Facts"]["archives"], "a.tar, b.tar");
}

#[test]
fn usage_is_checked_before_anything_is_opened() {
    let room = Room::new();
    room.run("imggraph --view packages --filter dangling=true gone.tar")
        .code(2)
        .complains("--filter selects images");
    room.run("imggraph --format pdf gone.tar")
        .code(2)
        .complains("'pdf'");
    room.run("imggraph gone.tar")
        .fails("imggraph: gone.tar: cannot open: no such file or directory\n");
    let room = Room::with("a.tar", &archive());
    room.run("imggraph --view packages a.tar a.tar")
        .code(2)
        .complains("needs one image");
    room.run("imggraph --view packages a.tar")
        .code(2)
        .complains("several images, expected one");
}
