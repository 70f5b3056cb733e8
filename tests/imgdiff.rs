//! imgdiff, run for real, and its comparison against a slow model.

use std::collections::BTreeMap;

use imgkit::archive::{Open, Pick};
use imgkit::programs::imgdiff::compare::{
    self as diff, ChangeKind, Field, Fields, Input, Loading, Options, Sort,
};
use imgkit::tree::{NodeKind, PathIdx, Reading, Tree};
use proptest::prelude::*;

use crate::common::build;
use crate::common::pack::Pack;
use crate::common::run::{Output, Room};
use crate::tree::{Thing, any_item, model_layer};

/// A room with `a.tar` and `b.tar`.
fn pair(a: &build::Image, b: &build::Image) -> Room {
    let room = Room::with("a.tar", &build::docker(&[a]));
    room.write("b.tar", &build::docker(&[b]).tar());
    room
}

fn layers(lines: &[&str]) -> build::Image {
    let image = build::image("demo:1");
    lines.iter().fold(image, |image, line| image.layer(line))
}

/// The lines of files: those before the empty one.
fn files(output: &Output) -> Vec<String> {
    let lines = output
        .out()
        .lines()
        .take_while(|line| !line.is_empty() && !line.starts_with("verdict"));
    lines
        .filter(|line| line.get(1..2) == Some(" "))
        .map(str::to_owned)
        .collect()
}

/// Path, kind, mode, owner, link target, PAX records, contents.
type Crafted<'a> = (
    &'a str,
    tar::EntryType,
    u32,
    u64,
    &'a str,
    &'a [(&'a str, &'a [u8])],
    &'a [u8],
);

/// A layer with entries whose headers say anything.
fn crafted(entries: &[Crafted<'_>]) -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    for (path, kind, mode, uid, link, pax, data) in entries {
        out.append_pax_extensions(pax.iter().copied()).expect("pax");
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(*kind);
        header.set_mode(*mode);
        header.set_uid(*uid);
        header.set_gid(*uid);
        header.set_mtime(0);
        header.set_size(data.len() as u64);
        if !link.is_empty() {
            header.set_link_name(link).expect("a link");
        }
        header.set_path(path).expect("a path");
        header.set_cksum();
        out.append(&header, *data).expect("an entry");
    }
    out.into_inner().expect("a tar")
}

#[test]
fn every_kind_of_change_is_told() {
    for (a, b, expected) in [
        (&["f a one"][..], &["f a one"][..], &[][..]),
        (&["f a one"], &["f a one | f b two"], &["A /b"]),
        (
            &["f a one | d d | f d/e x"],
            &["f a one"],
            &["D /d", "D /d/e"],
        ),
        // Contents of one size, in lower and upper layers.
        (&["f a one"], &["f a two"], &["C /a\tcontent"]),
        (
            &["f a one", "f b x"],
            &["f a one", "f a two | f b x"],
            &["C /a\tcontent"],
        ),
        (
            &["f a one"],
            &["f a three"],
            &["C /a\tsize 3B -> 5B, content"],
        ),
        (&["l a b"], &["l a c"], &["C /a\ttarget b -> c"]),
        (&["f a x"], &["l a x"], &["C /a\ttype file -> symlink"]),
        (
            &["f a x"],
            &["d a | f a/b y"],
            &["C /a\ttype file -> directory, mode 0644 -> 0755", "A /a/b"],
        ),
        (
            &["d a | f a/b y"],
            &["f a x"],
            &["C /a\ttype directory -> file, mode 0755 -> 0644", "D /a/b"],
        ),
        (&["p a"], &["f a x"], &["C /a\ttype fifo -> file"]),
        // Hard links: what became one file, and what stopped being one.
        (
            &["f a x | f b x"],
            &["f a x | h b a"],
            &["C /b\tlinks none -> /a"],
        ),
        (
            &["f a x | h b a"],
            &["f a x | f b x"],
            &["C /b\tlinks /a -> none"],
        ),
        (&["f a x | h b a | h c a"], &["f a x | h b a"], &["D /c"]),
        (&["f a x | h b a"], &["f b x"], &["D /a"]),
        (&["f b x"], &["f a x | h b a"], &["A /a"]),
        // Whiteouts of nothing, and opaque markers before and after what is beside them.
        (&["f a x"], &["f a x", "w nothing"], &[]),
        (
            &["d e | f e/a x"],
            &["d e | f e/a x", "o e | f e/b y"],
            &["D /e/a", "A /e/b"],
        ),
        (
            &["d e | f e/a x"],
            &["d e | f e/a x", "f e/b y | o e"],
            &["D /e/a", "A /e/b"],
        ),
        (
            &["d e | f e/a x"],
            &["d e | f e/a x", "w e"],
            &["D /e", "D /e/a"],
        ),
        (
            &["d e | f e/a x", "w e"],
            &["d e | f e/a x"],
            &["A /e", "A /e/a"],
        ),
        // Sorted by the bytes of the whole path.
        (
            &["f z x"],
            &["f z x | d a | f a/b x | f a-b x"],
            &["A /a", "A /a-b", "A /a/b"],
        ),
    ] {
        let (a, b) = (layers(a), layers(b));
        let room = pair(&a, &b);
        let run = room.run("imgdiff --ignore history a.tar b.tar");
        assert_eq!(files(&run), expected, "{run}");
        run.code(i32::from(!expected.is_empty()));
        // Packed the same is told.
        room.write("c.tar", &build::oci(&[&b.packed(Pack::Gzip)]).tar());
        let packed = room.run("imgdiff --ignore history a.tar c.tar");
        assert_eq!(files(&packed), expected, "{packed}");
    }
}

#[test]
fn attributes_are_told_in_words() {
    use tar::EntryType as T;
    let cap: &[u8] = &[
        1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    let xattr = "SCHILY.xattr.security.capability";
    let a = crafted(&[
        ("a", T::Regular, 0o644, 0, "", &[], b"x"),
        ("b", T::Regular, 0o644, 0, "", &[], b"x"),
        ("d", T::Directory, 0o755, 0, "", &[], b""),
    ]);
    let b = crafted(&[
        (
            "a",
            T::Regular,
            0o4755,
            1000,
            "",
            &[("mtime", b"5.5")],
            b"x",
        ),
        (
            "b",
            T::Regular,
            0o644,
            0,
            "",
            &[(xattr, cap), ("SCHILY.xattr.user.k", b"v")],
            b"x",
        ),
        ("d", T::Directory, 0o700, 0, "", &[("uname", b"me")], b""),
    ]);
    let room = pair(
        &build::image("demo:1").layer_bytes(a),
        &build::image("demo:1").layer_bytes(b),
    );
    let run = room.run("imgdiff a.tar b.tar");
    assert_eq!(
        files(&run),
        [
            "C /a\tmode 0644 -> 4755, owner 0:0 -> 1000:1000",
            "C /b\txattr security.capability none -> cap_net_raw=ep, xattr user.k added",
            "C /d\tmode 0755 -> 0700",
        ],
        "{run}"
    );
    run.says("verdict: same files, different metadata (attributes, times, owner names)");
    let run = room.run("imgdiff --fields mtime,names a.tar b.tar");
    assert_eq!(
        files(&run),
        [
            "C /a\tmtime 1970-01-01T00:00:00Z -> 1970-01-01T00:00:05.5Z",
            "C /d\tnames : -> me:",
        ],
        "{run}"
    );
    let run = room.run("imgdiff --ignore mode --ignore owner --ignore xattrs a.tar b.tar");
    assert_eq!(files(&run), [""; 0], "{run}");
    run.code(0);
    let rows = room.run("imgdiff --format json a.tar b.tar").json_lines();
    let row = &rows[1];
    assert_eq!(row["Path"], "/b");
    assert_eq!(row["Fields"], serde_json::json!(["xattrs"]));
    assert_eq!(row["New"]["Xattrs"][0]["Capabilities"], "cap_net_raw=ep");
    assert_eq!(
        rows.last().map(|row| row["Type"].clone()),
        Some("summary".into())
    );
}

#[test]
fn verdicts_name_causes() {
    let plain = layers(&["d etc | f etc/a one | f etc/b two"]);
    let room = pair(&plain, &plain);
    room.run("imgdiff a.tar b.tar").ok("verdict: same digest\n");
    room.run("imgdiff --strict a.tar b.tar")
        .ok("verdict: same digest\n");
    room.write(
        "c.tar",
        &build::oci(&[&plain.clone().packed(Pack::Zstd)]).tar(),
    );
    room.run("imgdiff a.tar c.tar")
        .ok("verdict: same layers, other compression (compression)\n");
    room.run("imgdiff --strict a.tar c.tar").is(
        1,
        "layer 1 1: compression\nverdict: same layers, other compression (compression)\n",
        "",
    );
    let ordered = layers(&["d etc | f etc/b two | f etc/a one"]);
    room.write("d.tar", &build::docker(&[&ordered]).tar());
    room.run("imgdiff a.tar d.tar")
        .code(0)
        .says("verdict: same files, different metadata (order)\n");
    room.run("imgdiff --strict -q a.tar d.tar").is(1, "", "");
    let later = plain.clone().set("created", "2025-01-01T00:00:00Z".into());
    room.write("e.tar", &build::docker(&[&later]).tar());
    room.run("imgdiff a.tar e.tar")
        .code(0)
        .says("verdict: same but times (times)\n");
    let other = layers(&["d etc | f etc/a one | f etc/b six"]);
    room.write("f.tar", &build::docker(&[&other]).tar());
    room.run("imgdiff a.tar f.tar")
        .code(1)
        .says("verdict: different (files)\n");
}

#[test]
fn configs_and_histories_are_told() {
    let a = layers(&["f a x"]).step("ENV A=1");
    let b = layers(&["f a x"]).step("ENV A=2").set(
        "config",
        serde_json::json!({"Cmd": ["/bin/sh"], "Env": ["A=2", "PATH=/bin"], "Volumes": null}),
    );
    let room = pair(&a, &b);
    room.run("imgdiff --config a.tar b.tar")
        .is(1, "A config.Env.A\t\"2\"\n", "");
    room.run("imgdiff --history a.tar b.tar").is(
        1,
        "D step 2 (no layer)\tENV A=1\nA step 2 (no layer)\tENV A=2\n",
        "",
    );
    room.run("imgdiff a.tar b.tar").is(
        1,
        "config: config.Env.A\nhistory: 1 steps removed, 1 added\n\
         verdict: same files, different metadata (config, history)\n",
        "",
    );
    room.run("imgdiff --semantic --ignore config -q a.tar b.tar")
        .is(0, "", "");
}

#[test]
fn paths_can_be_left_out() {
    let a = layers(&[
        "d var | d var/log | f var/log/x one | f a.pyc x | d lib | f lib/b.pyc x | f c x",
    ]);
    let b = layers(&[
        "d var | d var/log | f var/log/x two | f a.pyc y | d lib | f lib/b.pyc y | f c y",
    ]);
    let room = pair(&a, &b);
    let told = |line: &str| {
        files(&room.run(&format!("imgdiff --ignore history {line} a.tar b.tar")))
            .join(" ")
            .replace("\tcontent", "")
    };
    assert_eq!(told(""), "C /a.pyc C /c C /lib/b.pyc C /var/log/x");
    assert_eq!(told("--exclude *.pyc"), "C /c C /var/log/x");
    assert_eq!(
        told("--ignore-path /*.pyc --exclude var/log"),
        "C /c C /lib/b.pyc"
    );
    room.write("list", b"# what is not looked at\n\n/var/**\nlib/\n");
    assert_eq!(told("--exclude-from list"), "C /a.pyc C /c");
    room.run("imgdiff --exclude [ a.tar b.tar")
        .code(2)
        .complains("invalid pattern '['");
    room.run("imgdiff --ignore nothing a.tar b.tar")
        .code(2)
        .complains("no field 'nothing'");
}

#[test]
fn folders_are_told_as_docker_does() {
    let a = layers(&[
        "d opt | d usr | d usr/share | d usr/share/x | f usr/share/x/y z | f usr/share/x/z z",
    ]);
    let b = a.clone().layer("w usr/share/x | d opt/a | d opt/a/b");
    let room = pair(&a, &b);
    let run = room.run("imgdiff --parents a.tar b.tar");
    assert_eq!(
        files(&run),
        [
            "C /opt",
            "A /opt/a",
            "A /opt/a/b",
            "C /usr",
            "C /usr/share",
            "D /usr/share/x"
        ]
    );
}

#[test]
fn moved_files_are_found() {
    let a = layers(&["d old | f old/name one | f old/x same | f old/y same"]);
    let b = layers(&["d new | f new/name one | f new/y same | f new/z same"]);
    let room = pair(&a, &b);
    let run = room.run("imgdiff -M a.tar b.tar");
    assert_eq!(
        files(&run),
        [
            "A /new",
            "R /old/name -> /new/name",
            "R /old/y -> /new/y",
            "R /old/x -> /new/z",
            "D /old"
        ],
        "{run}"
    );
}

#[test]
fn parts_tars_and_folders_are_compared() {
    let image = layers(&["f a one", "f b two", "f c three"]);
    let room = pair(&image, &image);
    let told = |line: &str| files(&room.run(&format!("imgdiff {line}"))).join(" ");
    assert_eq!(told("a.tar@..2 a.tar"), "A /c");
    assert_eq!(told("a.tar@1..1 a.tar@1..2"), "A /b");
    assert_eq!(told("a.tar@2..3 a.tar@2.."), "");
    room.run("imgdiff a.tar@5..6 a.tar")
        .code(2)
        .complains("the image has 3");
    room.run("imgdiff a.tar@3..2 a.tar")
        .code(2)
        .complains("expected numbers from 1");
    let tar = build::layer("f a one | f b two | f c tree");
    room.write("root.tar", &tar);
    room.write("root.tar.gz", &Pack::Gzip.pack(&tar));
    assert_eq!(told("a.tar root.tar"), "C /c\tsize 5B -> 4B, content");
    assert_eq!(told("a.tar root.tar.gz"), "C /c\tsize 5B -> 4B, content");
    room.run("imgdiff --strict root.tar root.tar")
        .ok("verdict: same digest\n");
    std::fs::create_dir(room.path("root")).expect("a folder");
    for (name, text) in [("a", "one"), ("b", "owt"), ("c", "three")] {
        room.write(&format!("root/{name}"), text.as_bytes());
    }
    assert_eq!(
        told("--fields type,size,content a.tar root"),
        "C /b\tcontent"
    );
    room.run("imgdiff a.tar gone.tar").code(2);
    room.run("imgdiff a.tar")
        .code(2)
        .complains("two images are required");
}

#[test]
fn layers_are_aligned() {
    let a = layers(&["f a one", "f b two", "f c three"]);
    let room = Room::with("a.tar", &build::docker(&[&a]));
    let b = layers(&["f a one", "f x new", "f b six", "f c three"]).history(serde_json::json!([
        {"created_by": "COPY layer 1 /"}, {"created_by": "COPY new /"},
        {"created_by": "COPY layer 2 /"}, {"created_by": "COPY layer 3 /"},
    ]));
    room.write("b.tar", &build::docker(&[&b]).tar());
    let out = room.run("imgdiff --layers a.tar b.tar");
    let lines: Vec<String> = out
        .code(1)
        .out()
        .lines()
        .map(|line| match line.starts_with(' ') {
            true => line.to_owned(),
            false => line.split('\t').next().unwrap_or_default().to_owned(),
        })
        .collect();
    assert_eq!(
        lines,
        [
            "= layer 1 1",
            "+ layer - 2",
            "  A /x",
            "! layer 2 3",
            "  C /b\tcontent",
            "= layer 3 4"
        ]
    );
}

#[test]
fn texts_are_told_line_by_line() {
    let text = |lines: &[&str]| {
        crafted(&[(
            "etc/conf",
            tar::EntryType::Regular,
            0o644,
            0,
            "",
            &[],
            lines.join("\n").as_bytes(),
        )])
    };
    let a = build::image("demo:1")
        .layer_bytes(text(&["one", "two", "three", ""]))
        .packed(Pack::Gzip);
    let b = build::image("demo:1")
        .layer_bytes(text(&["one", "2\u{1b}[m\tx", "three", ""]))
        .packed(Pack::Gzip);
    let room = Room::with("a.tar", &build::oci(&[&a]));
    room.write("b.tar", &build::oci(&[&b]).tar());
    let expected =
        "--- a/etc/conf\n+++ b/etc/conf\n@@ -1,3 +1,3 @@\n one\n-two\n+2\\x1b[m\tx\n three\n";
    for line in [
        "--text a.tar b.tar",
        "--text=/etc a.tar b.tar",
        "--text etc/conf a.tar b.tar",
    ] {
        room.run(&format!("imgdiff {line}")).is(1, expected, "");
    }
    room.run("imgdiff --text=/usr a.tar b.tar")
        .fails("imgdiff: no such path in either image: '/usr'\n");
    room.run("imgdiff --text --max-text 3 a.tar b.tar").is(
        1,
        "Files a/etc/conf and b/etc/conf differ: too large to be shown (17B)\n",
        "",
    );
}

#[test]
fn who_did_it_is_told() {
    let a = layers(&["d etc | f etc/a one | f etc/b two"]);
    let b = a.clone().layer("f etc/a 1").layer("w etc/b | f etc/a 2");
    let room = pair(&a, &b);
    let run = room.run("imgdiff --blame a.tar b.tar");
    assert_eq!(
        files(&run),
        [
            "C /etc/a\tsize 3B -> 1B, content\tlayer 3: COPY layer 3 /",
            "D /etc/b\t\tlayer 3: COPY layer 3 /",
        ],
        "{run}"
    );
    let life = "layer 1\tadded file 3B 0644 0:0\tCOPY layer 1 /\n\
                layer 2\treplaced file 1B 0644 0:0\tCOPY layer 2 /\n\
                layer 3\treplaced file 1B 0644 0:0\tCOPY layer 3 /\nnow\tfile\n";
    room.run("imgdiff --blame /etc/a b.tar").ok(life);
    room.run("imgdiff --blame=etc/a b.tar").ok(life);
    room.run("imgdiff --blame=etc/none b.tar")
        .code(2)
        .complains("no layer of b.tar has 'etc/none'");
}

#[test]
fn waste_adds_up() {
    // 1000 bytes rewritten, 100 deleted, 10 rewritten as they were, 5 there twice; 1006 + 10 + 5 seen.
    let image = layers(&[
        "z a 1000 | z b 100 | f c 0123456789 | f d 12345",
        "z a 1006 | f c 0123456789 | w b | f e 12345",
    ]);
    let room = Room::with("a.tar", &build::docker(&[&image]));
    let rows = room
        .run("imgdiff --waste --format json a.tar")
        .code(0)
        .json_lines();
    let last = rows.last().expect("a summary");
    for (key, bytes) in [
        ("FileBytes", 1000 + 100 + 10 + 5 + 1006 + 10 + 5),
        ("ShadowedBytes", 1000),
        ("DeletedBytes", 100),
        ("MetadataBytes", 10),
        ("DuplicateBytes", 5),
        ("WastedBytes", 1115),
        // Both copies of what is there twice, and nothing of what is deleted but the copy that was.
        ("DiveWastedBytes", 1000 + 1006 + 100 + 20),
    ] {
        assert_eq!(last[key], bytes, "{key}: {last}");
    }
    let score = last["Score"].as_f64().expect("a number");
    assert!((score - (1.0 - 1115.0 / 2136.0)).abs() < 1e-9, "{last}");
    let dive = last["DiveEfficiency"].as_f64().expect("a number");
    assert!((dive - 1020.0 / 2136.0).abs() < 1e-9, "{last}");
    room.run("imgdiff -q --waste --max-waste 1115 a.tar")
        .is(0, "", "");
    room.run("imgdiff -q --waste --max-waste 1.1kB a.tar").is(
        1,
        "",
        "imgdiff: wasted 1.11kB exceeds --max-waste 1.1kB\n",
    );
    room.run("imgdiff -q --waste --min-score 0.5 a.tar").is(
        1,
        "",
        "imgdiff: score 0.4780 is below --min-score 0.5\n",
    );
    room.run("imgdiff -q --waste --min-score 0.4 a.tar")
        .is(0, "", "");
    room.run("imgdiff --waste a.tar a.tar")
        .code(2)
        .complains("--waste is about one image");
}

#[test]
fn many_images_make_tables() {
    let a = layers(&["f same x | f one x"]);
    let b = layers(&["f same x | f one y"]);
    let c = layers(&["f same x"]);
    let room = pair(&a, &b);
    room.write("c.tar", &build::docker(&[&c]).tar());
    let rows = room
        .run("imgdiff --format json a.tar b.tar c.tar a.tar")
        .code(1)
        .json_lines();
    let paths: Vec<_> = rows.iter().filter(|row| row["Type"] == "path").collect();
    assert_eq!(paths.len(), 1);
    assert_eq!(paths[0]["Path"], "/one");
    assert_eq!(paths[0]["Versions"], serde_json::json!([1, 2, null, 1]));
    room.run("imgdiff a.tar b.tar c.tar")
        .code(1)
        .says("/one      1B a      1B b      -\n");
    room.run("imgdiff -q a.tar a.tar a.tar").is(0, "", "");
}

#[test]
fn packages_are_told() {
    let status = |versions: &[(&str, &str)]| -> Vec<u8> {
        let mut text = String::new();
        for (name, version) in versions {
            text.push_str(&format!(
                "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n"
            ));
        }
        crafted(&[(
            "var/lib/dpkg/status",
            tar::EntryType::Regular,
            0o644,
            0,
            "",
            &[],
            text.as_bytes(),
        )])
    };
    let a = build::image("demo:1").layer_bytes(status(&[
        ("curl", "8.1"),
        ("gone", "1"),
        ("same", "1"),
    ]));
    let b =
        build::image("demo:1").layer_bytes(status(&[("curl", "8.2"), ("new", "2"), ("same", "1")]));
    let room = pair(&a, &b);
    room.run("imgdiff --packages a.tar b.tar").is(
        1,
        "C dpkg curl:amd64\t8.1 -> 8.2\nD dpkg gone:amd64\t1\nA dpkg new:amd64\t2\n",
        "",
    );
    room.run("imgdiff --packages a.tar a.tar").ok("");
}

#[test]
fn hostile_names_are_escaped_and_lossless() {
    let a = layers(&["f a x"]);
    let b = layers(&["f a x | f \u{1b}[31m\t<b> y"]);
    let room = pair(&a, &b);
    let run = room.run("imgdiff a.tar b.tar");
    assert_eq!(files(&run), ["A /\\x1b[31m\\t<b>"]);
    let rows = room.run("imgdiff --format json a.tar b.tar").json_lines();
    assert_eq!(rows[0]["Path"], "/\u{1b}[31m\t<b>");
    let page = room.run("imgdiff --format html a.tar b.tar");
    // In the data of the page, where no tag can begin.
    page.code(1).says("\"\\\\x1b[31m\\\\t\\u003cb\\u003e\"");
}

#[test]
fn output_is_the_same_on_any_number_of_threads() {
    let many: Vec<String> = (0..300).map(|i| format!("f d/{i} text{i}")).collect();
    let other: Vec<String> = (0..300)
        .map(|i| format!("f d/{i} text{}", i + i % 3))
        .collect();
    let a = layers(&[&many.join(" | ")]);
    let b = layers(&[&other.join(" | ")]).packed(Pack::Gzip);
    let room = Room::with("a.tar", &build::docker(&[&a]));
    room.write("b.tar", &build::oci(&[&b]).tar());
    let first = room.run("imgdiff -j 1 -M a.tar b.tar");
    for jobs in [2, 3, 8] {
        let again = room.run(&format!("imgdiff -j {jobs} -M a.tar b.tar"));
        assert_eq!(again.out(), first.out());
    }
}

// -------------------------------------------------------------------------------------------------- the slow model

/// Paths, each with its kind, its text and the names that are the same file.
type Model = BTreeMap<String, Option<(char, usize, String)>>;

fn model(lines: &[String]) -> (Model, bool) {
    let mut map = BTreeMap::new();
    let mut inodes = 0;
    let mut good = true;
    for line in lines {
        good &= model_layer(&mut map, line, &mut inodes);
    }
    let plain = map.into_iter().map(|(path, thing)| match thing {
        Thing::Folder(_) => (path, None),
        Thing::File(kind, inode, text) => (path, Some((kind, inode, text))),
    });
    (plain.collect(), good)
}

/// The same whatever the numbers of files are.
fn canonical(model: &Model) -> Vec<String> {
    let mut first: BTreeMap<usize, &String> = BTreeMap::new();
    model
        .iter()
        .map(|(path, thing)| match thing {
            None => format!("d {path}"),
            Some((kind, inode, text)) => {
                let first = *first.entry(*inode).or_insert(path);
                format!("{kind} {path} {first} {text}")
            }
        })
        .collect()
}

/// Takes one side's word for what differs, and only that.
fn apply(model: &mut Model, report: &diff::Report) {
    let [a, b] = &report.sides;
    let text = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    let other = |tree: &Tree, index: PathIdx| -> Option<String> {
        let node = tree.at(index)?;
        let other = tree
            .names_of(node.inode()?)
            .find(|name| name.index() != index)?;
        Some(text(&other.path()))
    };
    let mut linked = Vec::new();
    let mut next = 1_000_000;
    for change in &report.compared.changes {
        if change.kind == ChangeKind::Deleted {
            model.remove(&text(&change.before(&a.tree).expect("a node").path()));
            continue;
        }
        let node = change.after(&b.tree).expect("a node");
        let path = text(&node.path());
        let added = change.kind == ChangeKind::Added || change.what.has(Field::Type);
        let contents = String::from_utf8_lossy(&read(&report.sides[1], &node)).into_owned();
        next += 1;
        if added {
            let kind = match node.kind() {
                NodeKind::Directory => None,
                NodeKind::Symlink => Some(('l', next, contents)),
                _ => Some(('f', next, contents)),
            };
            model.insert(path.clone(), kind);
            linked.push((path, other(&b.tree, node.index())));
            continue;
        }
        let Some(Some(file)) = model.get_mut(&path) else {
            continue;
        };
        if change.what.has(Field::Content) || change.what.has(Field::Target) {
            file.2 = contents;
        }
        if change.what.has(Field::Links) {
            file.1 = next;
            linked.push((path, other(&b.tree, node.index())));
        }
    }
    for (path, other) in linked {
        let (Some(Some(own)), Some(Some(target))) = (
            model.get(&path).cloned(),
            other.and_then(|other| model.get(&other).cloned()),
        ) else {
            continue;
        };
        for thing in model.values_mut().flatten() {
            if thing.1 == own.1 {
                thing.1 = target.1;
            }
        }
    }
}

/// A file's bytes, or a link's target, from the layer's plain tar as the test wrote it.
fn read(side: &diff::Side, node: &imgkit::tree::Node<'_>) -> Vec<u8> {
    if node.kind() == NodeKind::Symlink {
        return node.link_target().to_vec();
    }
    let Some(place) = node.location() else {
        return Vec::new();
    };
    let plain = side.layers[place.layer]
        .plain
        .as_ref()
        .expect("a plain layer");
    plain
        .slice(place.offset, place.stored)
        .bytes(1 << 20)
        .expect("bytes")
}

fn any_stack(most: usize) -> impl Strategy<Value = Vec<String>> {
    let layer = prop::collection::vec(any_item(), 0..8).prop_map(|items| items.join(" | "));
    prop::collection::vec(layer, 0..most)
}

fn options() -> Options {
    Options {
        fields: Fields::usual(),
        ignored: imgkit::disk::Patterns::default(),
        strict: false,
        renames: false,
        parents: false,
        sort: Sort::Path,
        loading: Loading {
            reading: Reading::default(),
            temp_dir: std::env::temp_dir(),
            digests: true,
            cache: None,
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400,
        max_global_rejects: 100_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn differences_applied_to_one_give_the_other(shared in any_stack(3), a in any_stack(3), b in any_stack(3), packed in any::<bool>()) {
        let (a, b) = ([&shared[..], &a].concat(), [&shared[..], &b].concat());
        let ((mut old, good), (new, also)) = (model(&a), model(&b));
        prop_assume!(good && also);
        let room = Room::new();
        let mut inputs = Vec::new();
        for (name, lines) in [("a.tar", &a), ("b.tar", &b)] {
            let mut image = build::image("demo:1");
            for line in lines {
                image = image.layer(line);
            }
            room.write(name, &build::docker(&[&image]).tar());
            let archive = Open::default().path(&room.path(name)).expect("an archive");
            let selection = archive.select(&Pick::Only, None).expect("an image");
            inputs.push(Input::image(name.into(), &archive, selection.image(), None).expect("an input"));
            if packed && name == "a.tar" && !lines.is_empty() {
                inputs.pop();
                let mut image = build::image("demo:1");
                for line in lines {
                    image = image.layer(line).packed(Pack::Gzip);
                }
                room.write("a.oci", &build::oci(&[&image]).tar());
                let archive = Open::default().path(&room.path("a.oci")).expect("an archive");
                let selection = archive.select(&Pick::Only, None).expect("an image");
                inputs.push(Input::image(name.into(), &archive, selection.image(), None).expect("an input"));
            }
        }
        let second = inputs.pop().expect("two");
        let first = inputs.pop().expect("two");
        let report = diff::diff(first, second, &options()).expect("a report");
        let same = canonical(&old) == canonical(&new);
        prop_assert_eq!(report.compared.changes.is_empty(), same);
        apply(&mut old, &report);
        prop_assert_eq!(canonical(&old), canonical(&new));
    }
}

#[test]
fn a_page_is_made_of_two_images_or_of_waste_and_of_nothing_else() {
    let room = Room::with(
        "a.tar",
        &build::docker(&[&build::image("a:1").layer("f x one")]),
    );
    let why = "imgdiff: --format html is for the comparison of two images and for --waste\n";
    for line in ["a.tar a.tar a.tar", "--blame=x a.tar"] {
        room.run(&format!("imgdiff --format html {line}"))
            .fails(why);
    }
}
