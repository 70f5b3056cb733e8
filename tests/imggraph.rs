//! imggraph: what stands on what.

use serde_json::{Value, json};

use crate::common::build::{self, Files};
use crate::common::run::Room;
use crate::common::{foreign, repository};

/// A base, two images on it that share one more layer, and one that has the layers of the first and one step more.
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

/// The chain IDs of a stack, by the rule of the image specification.
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
    // Columns are as wide as what is in them.
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
fn an_image_is_based_on_the_nearest_whose_stack_starts_its_own() {
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
fn twins_are_not_based_on_each_other() {
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
fn up_is_what_it_stands_on_and_down_what_stands_on_it() {
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
        .complains("the keys are");
    let cut = room.run("imggraph --depth 1 a.tar");
    cut.code(0).says("└─ layer 2 … 5 more");
    assert_eq!(cut.out().lines().count(), 5, "{cut}");
}

#[test]
fn blobs_show_what_names_what_and_what_is_missing() {
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
fn signatures_and_referrers_are_joined_to_what_they_are_about() {
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
    // A signature is no image.
    let images = room
        .run("imggraph --view images --format json a.tar")
        .json();
    assert_eq!(images["Totals"]["Images"], 1);
}

#[test]
fn circles_of_indexes_end_in_an_error_line() {
    // Only indexes whose digests are wrong can name each other.
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
fn folders_are_searched_for_archives_and_layouts() {
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
    // A layout that is named is opened, not searched.
    room.run("imggraph pile/deep/layout").code(0).says("app:1");
    std::fs::create_dir(room.path("empty")).expect("a folder");
    room.run("imggraph empty")
        .code(2)
        .complains("not an image archive");
    // One whose names are all there, and whose end is not.
    let mut cut = build::oci(&[&base]).tar();
    cut.truncate(cut.len() - 1024 - 512);
    room.write("pile/cut.tar", &cut);
    room.run("imggraph pile")
        .code(2)
        .complains("pile/cut.tar")
        .says("web:1");
}

#[test]
fn the_store_is_drawn_when_nothing_is_named() {
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
fn an_image_in_several_archives_is_one() {
    let room = Room::with("a.tar", &archive());
    let [_, app, ..] = family();
    room.write("b.tar", &build::oci(&[&app.named("other:2")]).tar());
    let graph = room.run("imggraph --format json a.tar b.tar").json();
    assert_eq!(graph["Totals"]["Images"], 4);
    let app = by_name(&graph, "app:1");
    assert_eq!(app["Names"], json!(["app:1", "other:2"]));
    assert_eq!(app["Facts"]["archives"], "a.tar, b.tar");
}

/// Texts that mean something in one format or another.
const NASTY: [&str; 10] = [
    "\"]; evil [label=\"",
    "a --> b",
    "</script><script>alert(1)</script>",
    "<svg onload=alert(1)>]]>&amp;",
    "-- \\\" \\n \\",
    "#quot; #35; %% end subgraph",
    "\u{1b}[31mred\u{202e}\u{2028}\u{0}\u{7f}",
    "`tick` **bold** [x](y)",
    "\u{fffe}\u{ffff}\u{feff}",
    "*/ --> <!-- {{7*7}} '",
];

fn nasty() -> Files {
    let mut images = Vec::new();
    for (i, text) in NASTY.iter().enumerate() {
        let history =
            json!([{"created": text, "created_by": text, "author": text, "comment": text}]);
        let image = build::image(text)
            .layer(&format!("f a {i}"))
            .history(history);
        images.push(
            image
                .set("architecture", json!(text))
                .set("created", json!(text)),
        );
    }
    build::oci(&images.iter().collect::<Vec<_>>())
}

#[test]
fn hostile_names_break_no_format() {
    let room = Room::with("a.tar", &nasty());
    for view in ["layers", "images", "blobs"] {
        for format in ["tree", "dot", "mermaid", "json", "svg", "html"] {
            let run = room.run(&format!("imggraph --view {view} --format {format} a.tar"));
            assert_eq!(run.code, Some(0), "{run}");
            let is_odd = |c: char| {
                // JSON carries texts without loss; what is merely invisible does nothing to anybody there.
                c.is_control() && c != '\n'
                    || matches!(c, '\u{202e}' | '\u{2028}')
                    || format != "json" && matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}')
            };
            let odd = run.out().chars().find(|&c| is_odd(c));
            assert_eq!(odd, None, "{view} {format}");
            match format {
                "json" => {
                    let names: Vec<Value> = run.json()["Nodes"]
                        .as_array()
                        .expect("nodes")
                        .iter()
                        .map(|node| node["Names"].clone())
                        .collect();
                    let names = json!(names).to_string();
                    assert!(
                        names.contains("alert(1)") && names.contains("\\u001b[31mred"),
                        "{names}"
                    );
                }
                "svg" => check_xml(run.out()),
                "html" => {
                    assert_eq!(run.out().matches("<script").count(), 2, "{view}");
                    assert_eq!(run.out().matches("</script").count(), 2, "{view}");
                    assert!(!run.out().contains("<svg onload"), "{view}");
                    let start = run.out().find("<svg ").expect("a picture");
                    let end = run.out().find("</svg>").expect("its end") + 6;
                    check_xml(&run.out()[start..end]);
                }
                "dot" => check_dot(run.out()),
                "mermaid" => check_mermaid(run.out()),
                _ => {}
            }
        }
    }
}

/// Well-formed as far as escaping goes: tags nest, and texts and values hold no `<` and only known entities.
fn check_xml(text: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        check_entities(&rest[..start]);
        let end = start
            + rest[start..]
                .find('>')
                .unwrap_or_else(|| panic!("a tag without its end: {rest:.100}"));
        let tag = &rest[start + 1..end];
        assert!(!tag.contains('<'), "{tag}");
        check_entities(tag);
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            open.push(tag.split(' ').next().expect("a name"));
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "{open:?}");
}

fn check_entities(text: &str) {
    for rest in text.split('&').skip(1) {
        let known = ["amp;", "lt;", "gt;", "quot;", "#39;"];
        assert!(
            known.iter().any(|entity| rest.starts_with(entity)),
            "&{rest:.20}"
        );
    }
}

/// Each line is a statement: outside quotes nothing but words of ours.
fn check_dot(text: &str) {
    for line in text.lines() {
        let (mut quoted, mut escaped, mut outside) = (false, false, String::new());
        for c in line.chars() {
            match c {
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                c if !quoted => outside.push(c),
                _ => {}
            }
        }
        assert!(!quoted, "{line}");
        assert!(
            !outside.contains("evil") && !outside.contains("alert"),
            "{line}"
        );
    }
}

/// Between quotes no quote, no tag but a line break, no arrow.
fn check_mermaid(text: &str) {
    for line in text.lines().filter(|line| line.contains('"')) {
        let (_, rest) = line.split_once('"').expect("a quote");
        let (label, _) = rest.rsplit_once('"').expect("a quote");
        let label = label.replace("<br/>", "");
        assert!(
            !label.contains(['"', '<', '>', '`', '[', ']', '{', '}']) && !label.contains("--"),
            "{line}"
        );
    }
}

#[test]
fn boxes_and_labels_lie_apart_and_bars_are_in_proportion() {
    let room = Room::with("a.tar", &archive());
    room.write("n.tar", &nasty().tar());
    let sparse = foreign("containerd-sparse.tar");
    let classic = foreign("docker-classic.tar");
    for line in [
        "a.tar".to_owned(),
        "a.tar n.tar --rankdir TB".to_owned(),
        "a.tar n.tar --rankdir BT --view images".to_owned(),
        format!(
            "--view blobs --rankdir RL n.tar {} {}",
            sparse.display(),
            classic.display()
        ),
        format!("--unfold {}", classic.display()),
    ] {
        let svg = room.run(&format!("imggraph --format svg {line}"));
        // The direction is nothing to JSON.
        let words: Vec<&str> = line.split(' ').collect();
        let mut rest = words.split(|word| *word == "--rankdir");
        let mut line_of_json = rest.next().unwrap_or_default().join(" ");
        for words in rest {
            line_of_json = format!("{line_of_json} {}", words[1..].join(" "));
        }
        let graph = room.run(&format!("imggraph --format json {line_of_json}"));
        let graph = graph.json();
        let nodes = graph["Nodes"].as_array().expect("nodes");
        let cards: Vec<&str> = svg.out().split("<g class=\"node ").skip(1).collect();
        assert_eq!(cards.len(), nodes.len(), "{line}");
        let mut boxes: Vec<[f64; 4]> = Vec::new();
        for (i, card) in cards.iter().enumerate() {
            let place = card
                .split("translate(")
                .nth(1)
                .and_then(|rest| rest.split(')').next());
            let place: Vec<f64> = place
                .expect("a place")
                .split(',')
                .map(|n| n.parse().expect("a number"))
                .collect();
            let rect = card.split("<rect class=\"card\"").nth(1).expect("a card");
            let (width, height) = (attribute(rect, "width"), attribute(rect, "height"));
            boxes.push([place[0], place[1], place[0] + width, place[1] + height]);
            assert!(place[0] >= 0.0 && place[1] >= 56.0, "below the heading");
            // Labels: below each other, and none wider than the card even if each letter were a wide one.
            let mut last = 0.0;
            for label in card.split("<text class=\"").skip(1) {
                let size = if label.starts_with('t') { 12.0 } else { 10.0 };
                let y = attribute(label, "y");
                assert!(y - size >= last - 0.5 && y < 56.0, "{label:.80}");
                last = y;
                let text = label
                    .split('>')
                    .nth(1)
                    .and_then(|rest| rest.split('<').next())
                    .expect("a text");
                let text = text
                    .replace("&amp;", "&")
                    .replace("&lt;", "<")
                    .replace("&gt;", ">")
                    .replace("&quot;", "\"")
                    .replace("&#39;", "'");
                let columns = unicode_width::UnicodeWidthStr::width(text.as_str()) as f64;
                let wide = if size == 12.0 { 0.63 } else { 0.61 } * size;
                assert!(
                    attribute(label, "x") + columns * wide <= width,
                    "{text}: {columns} columns"
                );
            }
            let bar = |kind: &str| {
                card.split(&format!("<rect class=\"{kind}\""))
                    .nth(1)
                    .map(|rest| attribute(rest, "width"))
            };
            let most = nodes
                .iter()
                .map(|node| {
                    node["CumulativeBytes"]
                        .as_u64()
                        .max(node["SizeBytes"].as_u64())
                        .unwrap_or(0)
                })
                .max();
            let most = most.expect("nodes") as f64;
            let own = nodes[i]["SizeBytes"].as_u64().unwrap_or(0) as f64;
            let is_image = nodes[i]["Kind"] == "image" && graph["View"] == "layers";
            if own > 0.0 && !is_image {
                let expected = own / most * (width - 20.0);
                let found = bar("own").unwrap_or(0.0);
                assert!((found - expected).abs() < 0.002, "{found} {expected}");
            }
        }
        for (i, a) in boxes.iter().enumerate() {
            for b in &boxes[i + 1..] {
                let apart = a[2] <= b[0] || b[2] <= a[0] || a[3] <= b[1] || b[3] <= a[1];
                assert!(apart, "{line}: {a:?} {b:?}");
            }
        }
    }
}

/// A number of a tag's attribute.
fn attribute(tag: &str, name: &str) -> f64 {
    let value = tag
        .split(&format!(" {name}=\""))
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    value.expect(name).parse().expect("a number")
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let room = Room::with("a.tar", &archive());
    room.write("n.tar", &nasty().tar());
    for view in ["layers", "images", "blobs"] {
        for format in ["tree", "dot", "mermaid", "json", "svg", "html"] {
            // Sizes of blobs are those stored, whatever is asked for.
            let size = match view {
                "blobs" => "",
                _ => "--size raw",
            };
            let line = format!("{size} --view {view} --format {format} a.tar n.tar");
            let first = room.run(&format!("imggraph {line}"));
            let again = room.run(&format!("imggraph -j 1 {line}"));
            first.code(0);
            assert_eq!(first.stdout, again.stdout, "{view} {format}");
        }
    }
}

#[test]
fn lines_fit_the_width_that_is_asked_for() {
    let room = Room::with("a.tar", &archive());
    room.write("n.tar", &nasty().tar());
    for width in [20, 40, 60, 80, 132] {
        let run = room.run(&format!(
            "imggraph --width {width} --color always a.tar n.tar"
        ));
        let table = run
            .out()
            .lines()
            .take_while(|line| !line.contains(" in all, "));
        for line in table {
            let plain: String = line
                .split('\u{1b}')
                .enumerate()
                .map(|(i, part)| match i {
                    0 => part,
                    _ => part.split_once('m').map_or("", |(_, rest)| rest),
                })
                .collect();
            assert!(
                unicode_width::UnicodeWidthStr::width(plain.as_str()) <= width,
                "{width}: {plain}"
            );
        }
    }
}

/// A layer with files of any bytes.
fn layer(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, *bytes)
            .expect("an entry");
    }
    tar.into_inner().expect("a tar")
}

#[test]
fn packages_of_every_manager() {
    let status = "Package: app\nStatus: install ok installed\nVersion: 1.0\nArchitecture: amd64\nInstalled-Size: 3\n\
        Depends: libc6 (>= 2), mta | mail-server, gone\n\nPackage: libc6\nStatus: install ok installed\nVersion: 2.36\n\
        Architecture: amd64\nInstalled-Size: 10\nDepends: libgcc\n\nPackage: libgcc\nStatus: install ok installed\n\
        Version: 12\nDepends: libc6\n\nPackage: exim\nStatus: install ok installed\nVersion: 4\nProvides: mail-server\n";
    let rpmdb =
        std::fs::read(repository("testdata/packages/rpmdb.sqlite")).expect("an RPM database");
    let lower = layer(&[
        (
            "var/lib/dpkg/status",
            b"Package: old\nStatus: install ok installed\nVersion: 0\n",
        ),
        (
            "var/lib/dpkg/status.d/tzdata",
            b"Package: tzdata\nVersion: 2024a\n",
        ),
    ]);
    let upper = layer(&[
        ("var/lib/dpkg/status", status.as_bytes()),
        (
            "lib/apk/db/installed",
            b"P:musl\nV:1\nI:100\np:so:libc.so=1\n\nP:busybox\nV:2\nI:50\nD:so:libc.so\n",
        ),
        ("var/lib/rpm/rpmdb.sqlite", &rpmdb),
        (
            "usr/lib/python3/six-1.dist-info/METADATA",
            b"Name: six\nVersion: 1\n\n",
        ),
        (
            "usr/lib/python3/Dash_ed-2.dist-info/METADATA",
            b"Name: Dash_ed\nVersion: 2\nRequires-Dist: Six>=1\n\n",
        ),
        (
            "app/node_modules/a/package.json",
            br#"{"name":"a","version":"1.0.0","dependencies":{"b":"1"}}"#,
        ),
        (
            "app/node_modules/b/package.json",
            br#"{"name":"b","version":"2.0.0"}"#,
        ),
        (
            "app/node_modules/a/node_modules/b/package.json",
            br#"{"name":"b","version":"1.0.0"}"#,
        ),
    ]);
    let image = build::image("demo:1")
        .layer_bytes(lower)
        .layer_bytes(upper)
        .packed(crate::common::pack::Pack::Gzip);
    let files = build::oci(&[&image]);
    let room = Room::with("a.tar", &files);
    let graph = room
        .run("imggraph --view packages --format json a.tar")
        .json();
    let short = |id: &str| id.strip_prefix("package:").expect("a package").to_owned();
    let mut found: Vec<String> = edges(&graph)
        .iter()
        .map(|(from, to, _)| format!("{} > {}", short(from), short(to)))
        .collect();
    found.sort();
    // The RPM lines are what rpm's own queries say of the three packages, see testdata/README.md.
    let expected = [
        "apk:busybox:2 > apk:musl:1",
        "dpkg:app:amd64:1.0 > dpkg:exim:4",
        "dpkg:app:amd64:1.0 > dpkg:libc6:amd64:2.36",
        "dpkg:libc6:amd64:2.36 > dpkg:libgcc:12",
        "dpkg:libgcc:12 > dpkg:libc6:amd64:2.36",
        "npm:a:1.0.0 > npm:b:1.0.0",
        "pip:Dash_ed:2 > pip:six:1",
        "rpm:app:noarch:0.9-1 > rpm:base:noarch:1.0-1",
        "rpm:app:noarch:0.9-1 > rpm:libfoo:noarch:2:3.1-1",
        "rpm:libfoo:noarch:2:3.1-1 > rpm:base:noarch:1.0-1",
    ];
    assert_eq!(found, expected, "{graph:#}");
    let app = by_name(&graph, "app");
    assert_eq!(app["Facts"]["unmet"], json!(["gone"]));
    assert_eq!(
        (
            app["SizeBytes"].as_u64(),
            by_name(&graph, "libc6")["SharedBy"].as_u64()
        ),
        (Some(3072), Some(2))
    );
    assert!(!graph.to_string().contains("\"old\""));
    let down = room.run("imggraph --view packages --down libgcc --ascii a.tar");
    down.code(0).says("app").says("libc6 (*)");
    let piped = room
        .command("imggraph --view packages --format json -")
        .pipe(&files.tar())
        .run();
    assert_eq!(piped.json()["Edges"], graph["Edges"]);
}

#[test]
fn damaged_package_databases_are_said_and_the_others_read() {
    let rpmdb =
        std::fs::read(repository("testdata/packages/rpmdb.sqlite")).expect("an RPM database");
    // Every byte of the structure in turn: an answer or an error line, never a crash.
    for at in (0..rpmdb.len()).step_by(97) {
        let mut bytes = rpmdb.clone();
        bytes[at] ^= 0xff;
        let mut packages = imgkit::packages::Packages::default();
        let read = packages.add(
            imgkit::packages::DatabaseKind::RpmSqlite,
            b"rpmdb.sqlite",
            &bytes,
        );
        assert!(read.is_ok(), "{read:?}");
        let mut packages = imgkit::packages::Packages::default();
        let _ = packages.add(
            imgkit::packages::DatabaseKind::RpmSqlite,
            b"rpmdb.sqlite",
            &rpmdb[..at],
        );
        assert!(packages.list.len() <= 3);
    }
    let files = layer(&[
        ("lib/apk/db/installed", b"P:musl\nV:1\n"),
        ("var/lib/rpm/rpmdb.sqlite", &rpmdb[..700]),
        ("usr/lib/sysimage/rpm/Packages.db", b"RpmP"),
    ]);
    let room = Room::with(
        "a.tar",
        &build::docker(&[&build::image("demo:1").layer_bytes(files)]),
    );
    let run = room.run("imggraph --view packages a.tar");
    run.code(2)
        .says("musl")
        .complains("var/lib/rpm/rpmdb.sqlite")
        .complains("not in SQLite");
}

#[test]
fn the_page_has_everything_in_it() {
    let room = Room::with("a.tar", &archive());
    let page = room.run("imggraph --format html a.tar");
    assert_eq!(page.code, Some(0), "{page}");
    for outside in ["src=\"", "href=\"", "@import", "url(http", "fetch("] {
        assert!(!page.out().contains(outside), "{outside}");
    }
    let data = page
        .out()
        .split("id=\"data\">")
        .nth(1)
        .and_then(|rest| rest.split("</script>").next());
    let data: Value = serde_json::from_str(data.expect("data")).expect("JSON");
    assert_eq!(data["nodes"].as_array().map(Vec::len), Some(8));
    assert_eq!(data["maps"].as_array().map(Vec::len), Some(4));
    let [.., web, _] = family();
    let map = data["maps"]
        .as_array()
        .expect("maps")
        .iter()
        .find(|map| map["i"] == web.id().as_str());
    // Folder, layer, bytes, files.
    assert_eq!(
        map.expect("web")["f"],
        json!([["", 0, 3, 1], ["", 1, 3, 1], ["", 2, 4, 1], ["", 3, 4, 1]])
    );
    let script = page
        .out()
        .split("<script>")
        .nth(1)
        .and_then(|rest| rest.split("</script>").next())
        .expect("a script");
    let hash = build::digest(script.as_bytes());
    let hash = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        hex::decode(&hash[7..]).expect("hex"),
    );
    assert!(
        page.out().contains(&format!("script-src 'sha256-{hash}'")),
        "the policy lets no script run"
    );
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
        .complains("about one image");
    room.run("imggraph --view packages a.tar")
        .code(2)
        .complains("several images, expected one");
}
