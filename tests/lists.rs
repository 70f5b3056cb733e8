//! Lists of images against what archives, directories and trees have. What a list means: `src/lists/tests.rs`.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::json;

use crate::common::build::{self, Image};
use crate::common::pack::Pack;
use crate::common::run::Room;

fn app() -> Image {
    build::image("demo:1").layer("f a one")
}

fn tool() -> Image {
    build::image("registry.example/team/tool:2")
        .named("registry.example/team/tool:latest")
        .layer("f b two")
}

fn arm() -> Image {
    build::image("").platform("linux/arm64").layer("f arm arm")
}

fn amd() -> Image {
    build::image("").layer("f amd amd")
}

/// Archives: two images in one, and an index of two platforms in another, of which a third is missing.
fn room() -> Room {
    let room = Room::with("app.tar", &build::docker25(&[&app(), &tool()]));
    let multi = build::multi("multi:1", &[&amd(), &arm()], &["linux/s390x"]);
    room.write("multi.tar", &multi.tar());
    room
}

fn no_digest() -> String {
    build::digest(b"nothing has this digest")
}

const DEPLOYMENT: &str = "\
kind: Deployment
spec:
  containers:
  - image: demo:1
  - image: docker.io/library/demo:1
  - image: registry.example/team/tool
  - image: other.example/team/tool:2
  - image: demo
---
kind: Pod
spec: {containers: [{image: 'multi:1'}, {image: '{{ .x }}'}, {image: $(X)}]}
";

#[test]
fn missing_images_are_reported_with_file_and_line() {
    let room = room();
    room.write("deploy.yaml", DEPLOYMENT.as_bytes());
    let run = room.run("imgls --check deploy.yaml app.tar multi.tar");
    run.is(
        1,
        "deploy.yaml:7: missing: other.example/team/tool:2\n\
         deploy.yaml:8: missing: demo\n\
         deploy.yaml:11: unresolved: {{ .x }}: template, not rendered\n\
         deploy.yaml:11: unresolved: $(X): variable\n",
        "",
    );
    let run = room.run("imgls --check deploy.yaml --format json app.tar multi.tar");
    assert_eq!(
        run.code(1).json_lines()[2],
        json!({"File": "deploy.yaml", "Line": 11, "Finding": "unresolved", "Reference": "{{ .x }}",
               "Found": ["template, not rendered"]})
    );
    let format = "{{.Line}} {{.Finding}}";
    room.run(&format!(
        "imgls --check deploy.yaml --format '{format}' app.tar multi.tar"
    ))
    .is(
        1,
        "7 missing\n8 missing\n11 unresolved\n11 unresolved\n",
        "",
    );
    room.run(
        "imgls --check deploy.yaml --format 'table {{.Line}}\\t{{.Finding}}' app.tar multi.tar",
    )
    .code(1)
    .says("LINE      FINDING\n7         missing\n");
    // All that is there, in several lists, one of them on a pipe; the archives are searched for in a directory.
    room.write("k3s-images.txt", b"demo:1\nregistry.example/team/tool:2\n");
    std::fs::create_dir(room.path("bundles")).expect("a directory");
    for name in ["app.tar", "multi.tar"] {
        std::fs::rename(room.path(name), room.path("bundles").join(name)).expect("moved");
    }
    room.command("imgls --check k3s-images.txt --check - bundles")
        .pipe(b"image: multi:1\n")
        .run()
        .ok("");
    room.command("imgls --check - bundles")
        .pipe(b"\ngone:1")
        .run()
        .is(1, "-:2: missing: gone:1\n", "");
    // One image of an archive is one image.
    room.run("imgls --check k3s-images.txt bundles/app.tar:demo:1")
        .is(
            1,
            "k3s-images.txt:2: missing: registry.example/team/tool:2\n",
            "",
        );
    // Without an archive, the local store.
    room.run("imgls --check k3s-images.txt").is(
        1,
        "k3s-images.txt:1: missing: demo:1\nk3s-images.txt:2: missing: registry.example/team/tool:2\n",
        "",
    );
    room.run("imgload -q bundles/app.tar").code(0);
    room.run("imgls --check k3s-images.txt").ok("");
}

#[test]
fn digests_and_platforms_count() {
    let room = room();
    let (right, wrong) = (app().manifest_digest(), no_digest());
    let list = format!(
        "demo:1@{right}\nelsewhere.example/x@{right}\ndemo:1@{wrong}\ngone:1@{wrong}\n\
         multi@{}\nmulti:1\n",
        arm().manifest_digest()
    );
    room.write("list", list.as_bytes());
    room.run("imgls --check list app.tar multi.tar").is(
        1,
        &format!(
            "list:3: digest-differs: demo:1@{wrong}: {right}\nlist:4: missing: gone:1@{wrong}\n"
        ),
        "",
    );
    room.write("list", b"multi:1\ndemo:1\n");
    room.run("imgls --check list --platform linux/arm64 app.tar multi.tar")
        .is(1, "list:2: other-platform: demo:1: linux/amd64\n", "");
    room.run("imgls --check list --platform linux/s390x app.tar multi.tar")
        .is(
            1,
            "list:1: other-platform: multi:1: linux/amd64, linux/arm64\n\
             list:2: other-platform: demo:1: linux/amd64\n",
            "",
        );
    // An image of which something is missing is not present, nor is one without a manifest under a digest.
    let mut half = build::oci(&[&app()]);
    half.remove(&build::blob_name(&app().diff_ids()[0]));
    room.write("half.tar", &half.tar());
    let run = room.run("imgls --check list half.tar multi.tar");
    assert_eq!(run.out(), "list:2: missing: demo:1\n", "{run}");
    room.write("old.tar", &build::docker(&[&app()]).tar());
    room.write("list", format!("demo:1\ndemo:1@{right}\n").as_bytes());
    room.run("imgls --check list old.tar").is(
        1,
        &format!("list:2: digest-differs: demo:1@{right}: no manifest\n"),
        "",
    );
}

#[test]
fn names_of_trees_have_no_host() {
    let room = room();
    room.run("imgpush -q -a app.tar tree").code(0);
    room.run("imgpush -q -a --keep-host app.tar hosts").code(0);
    let list = "demo:1\nregistry.example/team/tool:2\nquay.io/team/tool:2\nquay.io/demo:1\nquay.io/other/tool:2\n";
    room.write("list", list.as_bytes());
    room.run("imgls --check list tree")
        .is(1, "list:5: missing: quay.io/other/tool:2\n", "");
    let run = room
        .run("imgls --check list hosts")
        .code(1)
        .out()
        .to_owned();
    assert!(
        run.contains("list:3: missing: quay.io/team/tool:2\n"),
        "{run}"
    );
    assert!(!run.contains("registry.example"), "{run}");
}

#[test]
fn strings_count_if_asked_to() {
    let room = room();
    let yaml = "args: ['--sidecar=demo:1', '--port=80']\nimage: demo:1\n";
    room.write("list.yaml", yaml.as_bytes());
    room.run("imgls --check list.yaml app.tar").ok("");
    room.run("imgls --check list.yaml --any-string app.tar")
        .ok("list.yaml:1: present: demo:1\n");
    let format = "--format '{{.Repository}}:{{.Tag}}'";
    room.write("list.yaml", b"args: ['--sidecar=demo:1']\n");
    room.run(&format!("imgls --unused-by list.yaml {format} app.tar"))
        .is(
            0,
            "demo:1\nregistry.example/team/tool:2\nregistry.example/team/tool:latest\n",
            "imgls: list.yaml: the list names no image\n",
        );
    room.run(&format!(
        "imgls --unused-by list.yaml --any-string {format} app.tar"
    ))
    .ok("registry.example/team/tool:2\nregistry.example/team/tool:latest\n");
    room.run("imgls --any-string app.tar")
        .fails("imgls: --any-string has no effect without --check or --unused-by\n");
}

#[test]
fn unused_images_are_those_that_no_list_names() {
    let room = room();
    let format = "--format '{{.Repository}}:{{.Tag}}'";
    room.write("one", b"registry.example/team/tool\n");
    room.write("two", b"demo:1\nmulti:1\n");
    room.run(&format!("imgls --unused-by one {format} app.tar multi.tar"))
        .ok("demo:1\nregistry.example/team/tool:2\nmulti:1\n");
    room.run(&format!(
        "imgls --unused-by one --unused-by two {format} app.tar multi.tar"
    ))
    .ok("registry.example/team/tool:2\n");
    // By its digest, that of a platform too, an image is named with all its names.
    let list = format!(
        "x@{}\ny@{}\n",
        tool().manifest_digest(),
        arm().manifest_digest()
    );
    room.write("digests", list.as_bytes());
    room.run(&format!(
        "imgls --unused-by digests {format} app.tar multi.tar"
    ))
    .ok("demo:1\n");
    // What is unresolved may be any of them.
    room.write("open", b"image: \"{{ .x }}\"\n");
    room.run(&format!("imgls --unused-by open {format} app.tar:demo:1"))
        .is(
            1,
            "demo:1\n",
            "imgls: warning: open:1: unresolved: {{ .x }}: template, not rendered\n",
        );
    room.run("imgls --unused-by one --check two app.tar")
        .code(2);
}

fn write(top: &Path, name: &str, text: &str) {
    let path = top.join(name);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    std::fs::write(path, text).expect("a file");
}

/// A chart with one that it needs, and what is in a chart but no list.
const CHART: [(&str, &str); 8] = [
    (
        "Chart.yaml",
        "name: shop\nannotations:\n  images: |\n    - image: a/annotated:1\n",
    ),
    ("values.yaml", "image: {repository: a/values, tag: 2}\n"),
    ("values-test.yaml", "image: a/test:1\n"),
    ("crds/x/def.yaml", "image: a/crd:3\n"),
    (
        "templates/deploy.yaml",
        "image: {{ .Values.image }}\n{{ end\n",
    ),
    ("templates/NOTES.txt", "not a list\n"),
    ("charts/sub/Chart.yaml", "name: sub\n"),
    ("charts/sub/values.yaml", "image: a/sub:4\n"),
];

fn package(name: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(text.len() as u64);
        tar.append_data(&mut header, format!("{name}/{path}"), text.as_bytes())
            .expect("an entry");
    }
    Pack::Gzip.pack(&tar.into_inner().expect("a tar"))
}

#[test]
fn charts_are_read_but_not_rendered() {
    let room = room();
    let missing = |prefix: &str| {
        [
            ("Chart.yaml:4", "a/annotated:1"),
            ("charts/sub/values.yaml:1", "a/sub:4"),
            ("crds/x/def.yaml:1", "a/crd:3"),
            ("values.yaml:1", "a/values:2"),
        ]
        .map(|(place, text)| format!("{prefix}{place}: missing: {text}\n"))
        .concat()
    };
    for (name, text) in CHART {
        write(&room.path("shop"), name, text);
    }
    let sorted = |text: &str| {
        let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
        lines.sort_unstable();
        lines.concat()
    };
    let run = room.run("imgls --check shop app.tar");
    assert_eq!(sorted(run.code(1).out()), missing("shop/"), "{run}");
    room.write("shop-1.tgz", &package("shop", &CHART));
    let run = room.run("imgls --check shop-1.tgz app.tar");
    assert_eq!(
        sorted(run.code(1).out()),
        missing("shop-1.tgz/shop/"),
        "{run}"
    );
    let run = room
        .command("imgls --check - app.tar")
        .stdin_file("shop-1.tgz")
        .run();
    assert_eq!(sorted(run.code(1).out()), missing("-/shop/"), "{run}");
    // A package in a package, beside links that lead elsewhere.
    let inner = package(
        "dep",
        &[
            ("Chart.yaml", "a: b\n"),
            ("values.yaml", "image: a/dep:5\n"),
        ],
    );
    let charts = room.path("shop/charts");
    std::fs::File::create(charts.join("dep.tgz"))
        .and_then(|mut file| file.write_all(&inner))
        .expect("a package");
    symlink("..", charts.join("loop")).expect("a link");
    let run = room
        .run("imgls --check shop app.tar")
        .code(1)
        .out()
        .to_owned();
    assert!(
        run.contains("shop/charts/dep.tgz/dep/values.yaml:1: missing: a/dep:5\n"),
        "{run}"
    );
    assert_eq!(run.lines().count(), 5, "{run}");
    // A directory of lists and charts.
    for (name, text) in [
        ("all/10.yaml", "image: a/ten:1\n"),
        ("all/sub/9.json", "{\"image\": \"a/nine:1\"}\n"),
        ("all/README.md", "image: a/readme:1\n"),
        ("all/.git/x.yaml", "image: a/git:1\n"),
        ("all/rke2-images.txt", "a/text:1\n"),
    ] {
        write(&room.path(""), name, text);
    }
    std::fs::rename(room.path("shop"), room.path("all/shop")).expect("moved");
    let run = room
        .run("imgls --check all app.tar")
        .code(1)
        .out()
        .to_owned();
    for found in [
        "all/10.yaml:1",
        "all/sub/9.json:1",
        "all/rke2-images.txt:1",
        "all/shop/values.yaml:1",
    ] {
        assert!(run.contains(&format!("{found}: missing")), "{found}: {run}");
    }
    assert!(!run.contains("readme") && !run.contains("git"), "{run}");
}

#[test]
fn lists_that_cannot_be_read_are_errors() {
    let room = room();
    for (name, bytes, error) in [
        (
            "latin",
            &b"demo:1\ncaf\xe9:1\n"[..],
            "latin: invalid list: line 2: expected UTF-8",
        ),
        (
            "nul",
            b"image: demo:1\n\0\nimage: gone:1\n",
            "nul: invalid list: line 2: unexpected NUL",
        ),
        (
            "template",
            b"kind: a\n{{- if .x }}\nimage: b\n{{- end }}\n",
            "hint: helm template renders a chart to a list\n",
        ),
        (
            "deep",
            "- ".repeat(200).as_bytes(),
            "deep: depth of a list: limit exceeded: expected at most 100, found 101\n",
        ),
        (
            "other.tgz",
            &package("x", &[("values.yaml", "image: a\n")])[..],
            "other.tgz: invalid list: expected a chart, found no Chart.yaml\n",
        ),
        ("cut.tgz", &package("x", &CHART)[..100], "cut.tgz: "),
    ] {
        room.write(name, bytes);
        let run = room.run(&format!("imgls --check {name} app.tar"));
        run.code(2).complains(error);
        assert_eq!(run.out(), "", "{run}");
    }
    let aliases = "a: &a b\nimages:\n".to_owned() + &"- *a\n".repeat(1001);
    room.write("aliases", aliases.as_bytes());
    room.run("imgls --check aliases app.tar").fails(
        "imgls: aliases: aliases: limit exceeded: expected at most 1000, found 1001\n\
         hint: --limit aliases=2000 raises it, if you trust the input\n",
    );
    room.run("imgls --check aliases --limit aliases=2000 app.tar")
        .code(1);
    room.run("imgls --check aliases --limit list-size=100 app.tar")
        .code(2)
        .complains("aliases: size of a list in bytes: limit exceeded: expected at most 100");
    room.run("imgls --check gone app.tar")
        .fails("imgls: gone: cannot open: no such file or directory\n");
    room.run("imgls --check - -").code(2);
    room.run("imgls --check - --check - app.tar").code(2);
    // Names are escaped.
    room.write("list", "a\u{1b}[2J\u{202e}b\n".as_bytes());
    room.run("imgls --check list app.tar").is(
        1,
        "list:1: unresolved: a\\x1b[2J\\u{202e}b: not an image reference\n",
        "",
    );
}

/// Names that an archive or the store holds.
fn names(room: &Room, input: &str) -> Vec<String> {
    let run = room.run(&format!(
        "imgls --format '{{{{.Repository}}}}:{{{{.Tag}}}}' {input}"
    ));
    let mut names: Vec<String> = run.code(0).out().lines().map(str::to_owned).collect();
    names.sort_unstable();
    names
}

#[test]
fn imgsave_takes_what_a_list_names() {
    let room = room();
    room.write("list", b"registry.example/team/tool:2\nmulti:1\n");
    room.run("imgsave --list list -o out.tar app.tar multi.tar")
        .ok("");
    let wanted = ["multi:1", "registry.example/team/tool:2"];
    assert_eq!(names(&room, "out.tar"), wanted);
    room.run("imgls --check list out.tar").ok("");
    // The same bytes as those images alone.
    room.run("imgsave -o alone.tar app.tar:registry.example/team/tool:2 multi.tar")
        .ok("");
    let read = |name: &str| std::fs::read(room.path(name)).expect("an archive");
    assert!(read("out.tar") == read("alone.tar"));
    // One that is missing is named, and nothing is written.
    room.write("more", b"# more\ndemo:1\ngone:1\n${X}\n");
    room.run("imgsave --list list --list more -o none.tar app.tar multi.tar")
        .is(
            1,
            "",
            "imgsave: more:3: missing: gone:1\nimgsave: more:4: unresolved: ${X}: variable\n",
        );
    assert!(!room.path("none.tar").exists());
    room.run("imgsave --list list --platform linux/arm64 -o none.tar app.tar multi.tar")
        .is(
            1,
            "",
            "imgsave: list:1: other-platform: registry.example/team/tool:2: linux/amd64\n",
        );
    // By its digest, an image keeps the name of the list, and one below an index is saved alone.
    let list = format!(
        "demo@{}\nx@{}\n",
        app().manifest_digest(),
        arm().manifest_digest()
    );
    room.write("digests", list.as_bytes());
    room.run("imgsave --list digests -o digests.tar app.tar multi.tar")
        .ok("");
    let run = room.run("imgls --format '{{.Repository}}:{{.Tag}} {{.Digest}}' digests.tar");
    let expected = format!(
        "demo:1 {}\n<none>:<none> {}\n",
        app().manifest_digest(),
        arm().manifest_digest()
    );
    run.ok(&expected);
    // Without an image, of the local store.
    room.run("imgload -q app.tar").code(0);
    room.command("imgsave --list - -o store.tar")
        .pipe(b"demo:1")
        .run()
        .ok("");
    assert_eq!(names(&room, "store.tar"), ["demo:1"]);
    room.run("imgsave -o x.tar").code(2);
}

#[test]
fn imgpush_takes_what_a_list_names() {
    let room = room();
    room.write("list", b"registry.example/team/tool:2\n");
    room.run("imgpush -q --list list app.tar multi.tar tree")
        .code(0);
    assert_eq!(names(&room, "tree"), ["team/tool:2"]);
    room.write("more", b"registry.example/team/tool:2\ngone:1\n");
    room.run("imgpush -q --list more app.tar other").is(
        1,
        "",
        "imgpush: more:2: missing: gone:1\n",
    );
    assert!(!room.path("other").exists());
    room.run("imgload -q app.tar").code(0);
    room.run("imgpush -q --list list other").code(0);
    assert_eq!(names(&room, "other"), ["team/tool:2"]);
    room.run("imgpush -q --list list --tree-tar tree.tar")
        .code(0);
    assert!(room.path("tree.tar").exists());
    room.run("imgpush other").code(2);
}

#[test]
fn imgload_takes_what_a_list_names() {
    let room = room();
    room.write("list", b"registry.example/team/tool:2\n");
    room.run("imgload --only-list list app.tar")
        .ok("Loaded image: registry.example/team/tool:2\n");
    assert_eq!(names(&room, ""), ["registry.example/team/tool:2"]);
    // Of one archive all or nothing.
    room.write("more", b"demo:1\nmulti:1\ngone:1\n");
    room.run("imgload --only-list more app.tar").is(
        1,
        "",
        "imgload: more:2: missing: multi:1\nimgload: more:3: missing: gone:1\n",
    );
    assert_eq!(names(&room, ""), ["registry.example/team/tool:2"]);
    // Several need not have the same.
    room.run("imgload -q --only-list more app.tar multi.tar")
        .is(
            1,
            "Loaded image: demo:1\nLoaded image: multi:1\n",
            "imgload: more:3: missing: gone:1\n",
        );
    room.run("imgload --only-list list --only demo:1 app.tar")
        .code(2);
    let list = format!("x@{}\n", arm().manifest_digest());
    room.write("digest", list.as_bytes());
    let run = room.run("imgload --only-list digest multi.tar");
    run.ok(&format!("Loaded image ID: {}\n", arm().id()));
}
