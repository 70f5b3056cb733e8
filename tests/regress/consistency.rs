//! One option, one syntax and one kind of output for the same thing in all programs.

use serde_json::Value;

use crate::common::build;
use crate::common::run::Room;

/// An archive `app.tar` of `demo:1` with two layers, a directory `root`, a tar of it `root.tar`.
fn room() -> Room {
    let image = build::image("demo:1")
        .layer("d etc | f etc/passwd root | f etc/a.pyc a")
        .layer("d lib | f lib/b.pyc b | f c.pyc c | f keep.pyc k | f late l");
    let room = Room::with("app.tar", &build::docker(&[&image]));
    room.run("imgexport -o root.tar app.tar").code(0);
    room.run("imgexport -C root app.tar").code(0);
    room
}

/// `--tag` was `--name` in imgsave, a part of the destination in imgconvert, and an operand elsewhere; most programs
/// reported what they had made as text only.
#[test]
fn every_program_that_makes_an_image_has_tag_and_json() {
    for (line, output) in [
        ("imgsave -o out app.tar", Some("out")),
        ("imgsave -o out --format oci-layout app.tar", Some("out")),
        ("imgload --store store app.tar", None),
        ("imgconvert app.tar docker-archive:out", Some("out")),
        ("imgconvert app.tar oci:out", Some("out")),
        ("imgconvert --store store app.tar store:", None),
        ("imgimport --store store root.tar", None),
        ("imgimport -o out root", Some("out")),
        ("imgcommit --store store --base app.tar root", None),
        ("imgcommit --squash app.tar -o out", Some("out")),
        ("imgbase pack -o out root", Some("out")),
        ("imgtag --store store app.tar", None),
    ] {
        let room = room();
        for json in ["--json", "--format json"] {
            let is_archive_format = line.starts_with("imgsave");
            if is_archive_format && json != "--json" {
                continue;
            }
            let force = if line.starts_with("imgconvert") {
                " --force"
            } else {
                ""
            };
            if line.contains("oci") {
                let _ = std::fs::remove_dir_all(room.path("out"));
            }
            let run = room.run(&format!("{line}{force} --tag new:1 {json}"));
            let report = run.code(0).json();
            assert_eq!(report["Name"], "new:1", "{run}");
            if !line.starts_with("imgload") {
                assert_eq!(
                    report["Output"],
                    output.map_or(Value::Null, Value::from),
                    "{run}"
                );
            }
            let store = output.unwrap_or("--store store");
            let list = room.run(&format!("imgls --no-trunc --digests --json {store}"));
            let images = list.code(0).json_lines();
            let named = images
                .iter()
                .find(|image| image["Tag"] == "1" && image["Repository"] == "new");
            let named = named.unwrap_or_else(|| panic!("{line}: {list}"));
            assert_eq!(named["ID"], report["ID"], "{run}");
            assert_eq!(named["Digest"], report["Digest"], "{run}");
        }
    }
}

#[test]
fn a_name_is_given_once_and_to_one_image() {
    let room = room();
    let other = build::image("other:1").layer("f o o");
    let demo = build::image("demo:1").layer("f a a");
    room.write("two.tar", &build::docker(&[&demo, &other]).tar());
    for line in [
        "imgimport -t a:1 root.tar b:1",
        "imgcommit -t a:1 --base app.tar root b:1",
        "imgcommit -t a:1 --squash app.tar b:1",
        "imgtag -t a:1 app.tar b:1",
        "imgconvert -t a:1 app.tar oci:out:b",
        "imgconvert -t a:1 app.tar dir:out",
        "imgsave -t a:1 --rename demo:1=b:1 -o out app.tar",
        "imgload -t a:1 --rename demo:1=b:1 app.tar",
        "imgsave -t a:1 -o out two.tar",
        "imgload -t a:1 two.tar",
        "imgconvert -t a:1 two.tar docker-archive:out",
        "imgsave --rename nosuch:1=a:1 -o out app.tar",
        "imgsave --rename demo:1=other:1 -o out two.tar",
        "imgsave --json app.tar",
        "imgconvert --json app.tar -",
    ] {
        let run = room.run(&format!("{line} --store store"));
        run.code(2);
        assert!(!room.path("out").exists() && run.stdout.is_empty(), "{run}");
    }
    room.run("imgsave --rename demo:1=new:1 -o out two.tar")
        .ok("");
    room.run("imgls --format {{.Repository}}:{{.Tag}} out")
        .ok("new:1\nother:1\n");
    // The old spelling.
    room.run("imgsave --name old:1 -o out app.tar").ok("");
    room.run("imgls --format {{.Repository}}:{{.Tag}} out")
        .ok("old:1\n");
}

#[test]
fn programs_that_remove_report_as_json() {
    let image = build::image("demo:1").named("demo:2").layer("f a a");
    let room = Room::with("app.tar", &build::docker(&[&image]));
    room.run("imgload -q --store store app.tar").code(0);
    let run = room.run("imgrm --store store --json demo:2");
    run.ok("{\"Untagged\":\"demo:2\"}\n");
    let dry = room.run("imgprune --store store --all --dry-run --json");
    let dry = dry.code(0).json();
    assert_eq!(dry["DryRun"], true);
    let run = room.run("imgprune --store store --all --force --format json");
    let pruned = run.code(0).json();
    assert_eq!(pruned["Untagged"], serde_json::json!(["demo:1"]));
    assert_eq!(pruned["Deleted"], serde_json::json!([image.id()]));
    assert_eq!(pruned["SpaceReclaimed"], dry["SpaceReclaimed"]);
    assert!(pruned["SpaceReclaimed"].as_u64() > Some(2048), "{run}");
}

/// Patterns meant paths from the root in imgimport and imgcommit, and names anywhere in imgexport and imgdiff.
#[test]
fn a_pattern_means_the_same_in_all_programs() {
    for (patterns, expected) in [
        (&["*.pyc", "!keep.pyc"][..], "etc/passwd keep.pyc late"),
        (&["/*.pyc"], "etc/a.pyc etc/passwd late lib/b.pyc"),
        (&["lib/", "etc/[!p]*"], "c.pyc etc/passwd keep.pyc late"),
        (&["{lib,etc}", "./late"], "c.pyc keep.pyc"),
        (&["**/b.pyc"], "c.pyc etc/a.pyc etc/passwd keep.pyc late"),
    ] {
        let room = room();
        let options: Vec<String> = patterns
            .iter()
            .map(|one| format!("--exclude '{one}'"))
            .collect();
        let options = options.join(" ");
        room.write("list", patterns.join("\n").as_bytes());
        let files = |line: &str| {
            room.run(line).code(0);
            let list = room.run("imgexport --format json out");
            let rows = list.code(0).json_lines().into_iter();
            let files = rows.filter(|row| row["Type"] == "file");
            let paths = files.map(|row| {
                row["Path"]
                    .as_str()
                    .expect("a path")
                    .trim_start_matches('/')
                    .to_owned()
            });
            let mut paths: Vec<String> = paths.collect();
            paths.sort();
            paths.join(" ")
        };
        for options in [options.as_str(), "--exclude-from list"] {
            assert_eq!(
                files(&format!("imgimport -o out {options} root")),
                expected,
                "{options}"
            );
            assert_eq!(
                files(&format!("imgbase pack -o out {options} root")),
                expected,
                "{options}"
            );
            let exported = format!("imgexport -o part.tar {options} app.tar");
            room.run(&exported).code(0);
            assert_eq!(files("imgimport -o out part.tar"), expected, "{options}");
            let empty = build::image("empty:1").layer("d x");
            room.write("empty.tar", &build::docker(&[&empty]).tar());
            let diff = format!("imgdiff --json {options} empty.tar app.tar");
            let run = room.run(&diff);
            let mut added: Vec<String> = run
                .code(1)
                .json_lines()
                .into_iter()
                .filter(|row| row["Change"] == "A" && row["New"]["Kind"] == "file")
                .filter_map(|row| Some(row["Path"].as_str()?.trim_start_matches('/').to_owned()))
                .collect();
            added.sort();
            assert_eq!(added.join(" "), expected, "{options}\n{run}");
        }
    }
}

/// `IMAGE@N` was a digest in imgdiff and imgexport, and `--layer` was in imgexport only.
#[test]
fn layers_are_selected_alike() {
    let room = room();
    let digest = room.run("imginspect --format '{{index .RootFS.Layers 1}}' app.tar");
    let digest = digest.code(0).out().trim().to_owned();
    let export = |line: &str| room.run(line).code(0).stdout.clone();
    let layer = export("imgexport --layer 2 app.tar");
    assert!(layer.len() > 1024);
    for same in [
        "app.tar@2",
        "app.tar@2..2",
        "app.tar@2..",
        &format!("--layer {digest} app.tar"),
    ] {
        assert!(export(&format!("imgexport {same}")) == layer, "{same}");
    }
    let diff = room
        .run("imgdiff --json app.tar@2 app.tar@1")
        .code(1)
        .out()
        .to_owned();
    assert!(
        diff.contains("/late") && diff.contains("/etc/passwd"),
        "{diff}"
    );
    let named = room.run("imgdiff --stat --layer 2 app.tar root.tar");
    named.code(2).complains("root.tar");
    let one = room
        .run("imgdiff --waste --layer 2.. app.tar")
        .code(0)
        .out()
        .to_owned();
    assert_eq!(
        room.run("imgdiff --waste app.tar@2..")
            .code(0)
            .out()
            .replace("@2..", ""),
        one
    );
    room.run("imgdiff --layer 1 app.tar@2 app.tar")
        .code(2)
        .complains("--layer");
    let squashed = |line: &str| {
        room.run(line).code(0);
        room.run("imginspect --format '{{.ID}}' out")
            .code(0)
            .out()
            .to_owned()
    };
    let id = squashed("imgcommit --squash app.tar@2.. -o out");
    assert_eq!(
        squashed("imgcommit --squash app.tar --layer 2.. -o out"),
        id
    );
    assert_eq!(squashed("imgcommit --squash app.tar --from 2 -o out"), id);
    room.run("imgcommit --squash app.tar --layer 1 -o out")
        .code(2)
        .complains("the last layer, 2, must be included");
}

/// imgls, imgdf, imgverify and imgload refused a directory of archives that imggraph read; imginspect and imgsave, too.
#[test]
fn programs_that_take_several_images_search_directories() {
    let (one, two) = (
        build::image("one:1").layer("f a a"),
        build::image("two:1").layer("f b b"),
    );
    let three = build::image("three:1").layer("f c c");
    let room = Room::new();
    std::fs::create_dir_all(room.path("pile/deep")).expect("a directory");
    room.write("pile/one.tar", &build::docker(&[&one]).tar());
    room.write("pile/deep/two.tar", &build::docker(&[&two, &three]).tar());
    room.write("pile/note", b"no archive");
    for line in [
        "imgls --format {{.Repository}} pile",
        "imginspect --format '{{index .RepoTags 0}}' pile",
        "imgverify pile",
        "imgdf -v --format {{.Repository}} pile",
        "imggraph --format json pile",
        "imgload --store store pile",
    ] {
        let run = room.run(line);
        run.code(0);
        let names = match line {
            "imgverify pile" => ["pile/one.tar", "pile/deep/two.tar", "2 images"],
            _ => ["one", "two", "three"],
        };
        for name in names {
            run.says(name);
        }
    }
    room.run("imgsave -o all.tar pile").code(0);
    let mut names: Vec<String> = room
        .run("imgls --format {{.Repository}} all.tar")
        .code(0)
        .out()
        .lines()
        .map(str::to_owned)
        .collect();
    names.sort();
    assert_eq!(names, ["one", "three", "two"]);
    room.run("imginspect --raw config pile")
        .code(0)
        .says("rootfs");
}

/// Only archives and images of the store had suggestions.
#[test]
fn a_mistyped_file_has_a_suggestion() {
    let room = room();
    for (typed, hint) in [
        ("ap.tar", "the closest name is app.tar"),
        ("./app.tra", "the closest name is ./app.tar"),
        ("root.tarr", "the closest name is root.tar"),
        ("app.tar:demo:2", "the closest name is app.tar:demo:1"),
    ] {
        let run = room.run(&format!("imgls {typed}"));
        run.code(2);
        assert_eq!(
            run.err().lines().last(),
            Some(&*format!("hint: {hint}")),
            "{run}"
        );
    }
    room.run("imgload -q --store store app.tar").code(0);
    room.run("imgls --store store dmeo:1").fails(
        "imgls: 'dmeo:1': no such file or image\nhint: the closest name in the store is demo:1\n",
    );
    let far = room.run("imgls nothing-like-it.tar");
    far.code(2);
    assert!(!far.err().contains("hint"), "{far}");
}
