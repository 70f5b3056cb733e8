//! Formats: escaping, positions of boxes, widths of lines, the page.

use serde_json::{Value, json};

use super::{archive, family};
use crate::common::build::{self, Files};
use crate::common::foreign;
use crate::common::run::Room;

/// Texts with a meaning in one of the formats.
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
fn hostile_names_are_escaped_in_all_formats() {
    let room = Room::with("a.tar", &nasty());
    for view in ["layers", "images", "blobs"] {
        for format in ["tree", "dot", "mermaid", "json", "svg", "html"] {
            let run = room.run(&format!("imggraph --view {view} --format {format} a.tar"));
            assert_eq!(run.code, Some(0), "{run}");
            let is_odd = |c: char| {
                // JSON has texts without loss; invisible characters do no harm there.
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
                    assert_eq!(run.out().matches("<script").count(), 3, "{view}");
                    assert_eq!(run.out().matches("</script").count(), 3, "{view}");
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

/// Checks that tags nest, and that texts and values have no `<` and only known entities.
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

/// Checks that each line is a statement with known words outside quotes.
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

/// Checks that quoted texts have no quote, no tag except a line break, no arrow.
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
fn boxes_do_not_overlap_and_bars_are_in_proportion() {
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

/// Returns the number in an attribute of a tag.
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
            // Sizes of blobs are always stored bytes.
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
fn lines_fit_the_requested_width() {
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

#[test]
fn the_page_is_self_contained() {
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
    // Directory, layer, bytes, files.
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
