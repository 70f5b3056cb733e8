//! Differences, thresholds and options that had no effect.

use serde_json::{Value, json};

use crate::common::build;
use crate::common::run::Room;

/// A room with `a.tar` and `b.tar`.
fn pair(a: &build::Image, b: &build::Image) -> Room {
    let room = Room::with("a.tar", &build::docker(&[a]));
    room.write("b.tar", &build::docker(&[b]).tar());
    room
}

/// Two images that differ in `config` alone.
fn configs(old: &Value, new: &Value) -> Room {
    let image = |config: &Value| {
        let image = build::image("demo:1").layer("f a a");
        image.set("config", config.clone())
    };
    pair(&image(old), &image(new))
}

/// A set's member has no value, and was not seen to come or go; nor was a label or a variable without a text.
#[test]
fn where_the_key_is_what_is_said_an_empty_value_is_a_difference() {
    let map = |key: &str, value: Value| json!({ key: value });
    for (old, new, expected) in [
        (
            map("ExposedPorts", json!({"80/tcp": {}})),
            map("ExposedPorts", json!({"81/tcp": {}})),
            "D config.ExposedPorts.80/tcp\t{}\nA config.ExposedPorts.81/tcp\t{}\n",
        ),
        (
            map("Volumes", json!({"/a": {}})),
            json!({}),
            "D config.Volumes./a\t{}\n",
        ),
        // Go reads null into a set's member, too.
        (
            map("Volumes", Value::Null),
            map("Volumes", json!({"/a": null, "/b.c": {}})),
            "A config.Volumes./a\tnull\nA config.Volumes./b.c\t{}\n",
        ),
        (
            map("Labels", json!({"a": ""})),
            map("Labels", json!({"b": "", "c.d": null})),
            "D config.Labels.a\t\"\"\nA config.Labels.b\t\"\"\nA config.Labels.c.d\tnull\n",
        ),
        (
            map("Env", json!(["A=", "B=1"])),
            map("Env", json!(["B="])),
            "D config.Env.A\t\"\"\nC config.Env.B\t\"1\" -> \"\"\n",
        ),
        // docker kills at once with 0, and after ten seconds without it.
        (
            map("StopTimeout", json!(0)),
            json!({}),
            "D config.StopTimeout\t0\n",
        ),
        (
            map("OnBuild", json!([""])),
            map("OnBuild", json!([])),
            "D config.OnBuild\t[\"\"]\n",
        ),
        (
            map("Healthcheck", json!({"Test": ["NONE"]})),
            map("Healthcheck", json!({"Test": []})),
            "D config.Healthcheck.Test\t[\"NONE\"]\n",
        ),
        // Of a field that nobody here knows it is not known what an empty value says.
        (
            map("Later", json!({"x": {}})),
            map("Later", json!({"y": ""})),
            "D config.Later.x\t{}\nA config.Later.y\t\"\"\n",
        ),
    ] {
        let room = configs(&old, &new);
        room.run("imgdiff --config a.tar b.tar").is(1, expected, "");
        room.run("imgdiff --semantic -q a.tar b.tar").is(1, "", "");
        room.run("imgdiff --fields config -q a.tar b.tar")
            .is(1, "", "");
        room.run("imgdiff --ignore config -q a.tar b.tar")
            .is(0, "", "");
        let run = room.run("imgdiff --format json a.tar b.tar");
        let rows = run.code(1).json_lines();
        let is_config = |row: &&Value| row["Type"] == "config";
        let keys = rows.iter().filter(is_config).count();
        assert_eq!(keys, expected.lines().count(), "{run}");
        room.run("imgdiff -q a.tar a.tar").is(0, "", "");
    }
}

/// What Go reads alike is no difference.
#[test]
fn empty_null_and_missing_fields_are_no_difference() {
    for (old, new) in [
        (
            json!({"Cmd": null, "Entrypoint": [], "Shell": [], "OnBuild": null}),
            json!({}),
        ),
        (
            json!({"User": "", "WorkingDir": "", "StopSignal": "", "Tty": false}),
            json!({}),
        ),
        (
            json!({"ExposedPorts": {}, "Volumes": null, "Labels": {}, "Env": []}),
            json!({"Labels": null, "Env": null}),
        ),
        (
            json!({"Healthcheck": {"Interval": 0, "Test": null}}),
            json!({"Healthcheck": {}}),
        ),
        (
            json!({"ExposedPorts": {"80/tcp": {}}, "Labels": {"a": ""}}),
            json!({"ExposedPorts": {"80/tcp": null}, "Labels": {"a": null}}),
        ),
        (json!({"StopTimeout": null}), json!({})),
    ] {
        let room = configs(&old, &new);
        room.run("imgdiff --config a.tar b.tar").ok("");
        room.run("imgdiff --config --strict -q a.tar b.tar")
            .is(1, "", "");
    }
    let steps = |step: Value| {
        let image = build::image("demo:1").layer("f a a");
        image.history(json!([step]))
    };
    let (a, b) = (
        json!({"created_by": "x"}),
        json!({"created_by": "x", "empty_layer": false, "author": "", "comment": ""}),
    );
    pair(&steps(a), &steps(b))
        .run("imgdiff --history a.tar b.tar")
        .ok("");
}

/// Annotations are keys of a map as well, and one below the time's name is no time.
#[test]
fn annotations_without_a_value_are_a_difference() {
    let image = build::image("demo:1").layer("f a a");
    let with = |annotations: Value| {
        let mut files = build::oci(&[&image]);
        let old = image.manifest_digest();
        let mut manifest: Value = serde_json::from_slice(&image.manifest()).expect("a manifest");
        manifest["annotations"] = annotations;
        let bytes = manifest.to_string().into_bytes();
        files.remove(&build::blob_name(&old));
        files.add(&build::blob_name(&build::digest(&bytes)), bytes.clone());
        files.edit("index.json", |index| {
            index["manifests"][0]["digest"] = build::digest(&bytes).into();
            index["manifests"][0]["size"] = bytes.len().into();
        });
        files.tar()
    };
    let room = Room::new();
    room.write("a.tar", &with(json!({})));
    room.write(
        "b.tar",
        &with(json!({"a": "", "org.opencontainers.image.created": "x"})),
    );
    room.write(
        "c.tar",
        &with(json!({"org.opencontainers.image.created.by": "x"})),
    );
    room.run("imgdiff --config a.tar b.tar")
        .is(1, "A manifest.annotations.a\t\"\"\n", "");
    let by = "A manifest.annotations.org.opencontainers.image.created.by\t\"x\"\n";
    room.run("imgdiff --config a.tar c.tar").is(1, by, "");
}

/// Of more than two images neither config nor history was compared, and the exit status said that nothing differs.
#[test]
fn configs_and_histories_of_many_images_are_compared() {
    let image = |ports: Value, step: &str| {
        let image = build::image("demo:1").layer("f a a").step(step);
        image.set("config", json!({ "ExposedPorts": ports }))
    };
    let a = image(json!({"80/tcp": {}}), "CMD x");
    let b = image(json!({"81/tcp": {}}), "CMD x");
    let c = image(json!({"80/tcp": {}}), "CMD y");
    let room = pair(&a, &b);
    room.write("c.tar", &build::docker(&[&c]).tar());
    let run = room.run("imgdiff --format json a.tar b.tar c.tar");
    let rows = run.code(1).json_lines();
    let of = |kind: &str| -> Vec<Value> {
        let rows = rows.iter().filter(|row| row["Type"] == kind);
        rows.cloned().collect()
    };
    assert_eq!(
        of("config"),
        [
            json!({"Type": "config", "Key": "config.ExposedPorts.80/tcp", "Values": [{}, null, {}]}),
            json!({"Type": "config", "Key": "config.ExposedPorts.81/tcp", "Values": [null, {}, null]}),
        ]
    );
    let step = |text: &str, numbers: Value| json!({"Type": "history", "CreatedBy": text, "EmptyLayer": true, "Numbers": numbers});
    assert_eq!(
        of("history"),
        [
            step("CMD x", json!([2, 2, null])),
            step("CMD y", json!([null, null, 2])),
        ]
    );
    room.run("imgdiff a.tar b.tar c.tar")
        .code(1)
        .says(
            "\nCONFIG                       [1]       [2]       [3]\n\
               config.ExposedPorts.80/tcp   {}        -         {}\n",
        )
        .says("\nHISTORY   [1]       [2]       [3]\nCMD x     2         2         -\n");
    room.run("imgdiff -q a.tar a.tar b.tar").is(1, "", "");
    room.run("imgdiff -q --ignore config a.tar a.tar b.tar")
        .is(0, "", "");
    room.run("imgdiff -q --semantic a.tar a.tar c.tar")
        .is(0, "", "");
    room.run("imgdiff -q a.tar a.tar c.tar").is(1, "", "");
}

/// A failed limit ended with 1 and said nothing on either stream.
#[test]
fn a_limit_that_is_exceeded_says_so() {
    let image = build::image("demo:1")
        .layer("f a 0123456789")
        .layer("f a 1");
    let room = Room::with("app.tar", &build::docker(&[&image]));
    let wasted = "imgdiff: wasted 10B exceeds --max-waste 1B\n";
    for options in [
        "--waste --max-waste 1B -q",
        "--max-waste 1B -q",
        "-q --max-waste 1",
    ] {
        room.run(&format!("imgdiff {options} app.tar"))
            .is(1, "", wasted);
    }
    room.run("imgdiff -q --max-waste 10B app.tar").ok("");
    room.run("imgdiff -q --min-score 0.99 app.tar")
        .code(1)
        .complains("imgdiff: score 0.");
}

/// clap drops what an option requires where another option excludes that: a gate never closed.
#[test]
fn options_of_one_view_are_refused_beside_another() {
    let image = build::image("demo:1").layer("f a a");
    let room = Room::with("app.tar", &build::docker(&[&image]));
    for line in [
        "imgdiff --stat --max-waste 0 app.tar app.tar",
        "imgdiff --config --min-score 1 app.tar app.tar",
        "imgdiff --layers --score dive app.tar app.tar",
        "imgdiff --stat --max-text 1 app.tar app.tar",
        "imgdiff --max-text 1 app.tar app.tar",
        "imghistory -q --extract out app.tar",
        "imghistory --layers --annotate app.tar",
        "imghistory --no-trunc --base app.tar app.tar",
        "imgexport --record rec -o out app.tar",
        "imgexport --rootless --format json app.tar",
        "imgexport --overwrite -o out app.tar",
        "imgexport --applied -o out app.tar",
        "imgcommit --base app.tar --from 1 app.tar x:1",
    ] {
        room.run(line).code(2);
        for name in ["out", "rec"] {
            assert!(!room.path(name).exists(), "{line}");
        }
    }
    room.run("imghistory --extract out app.tar").code(0);
    assert!(room.path("out/Dockerfile").is_file());
}

/// A path that neither image has was no difference, and `--blame=PATH` of two images was all of them.
#[test]
fn a_path_of_a_comparison_is_honoured_or_refused() {
    let base = build::image("demo:1").layer("f shared s | f etc/a one | f b one");
    let (old, new) = (
        base.clone(),
        base.named("demo:2").layer("f etc/a two | f b two"),
    );
    let room = Room::with("old.tar", &build::docker(&[&old]));
    room.write("new.tar", &build::docker(&[&new]).tar());
    for view in ["text", "blame"] {
        for path in ["/nosuch", "etc/nosuch", "etc/a/b"] {
            let why = format!("no such path in either image: '{path}'");
            room.run(&format!("imgdiff --{view}={path} old.tar new.tar"))
                .fails(&format!("imgdiff: {why}\n"));
        }
        room.run(&format!("imgdiff --{view}=/shared old.tar new.tar"))
            .ok("");
        let run = room.run(&format!("imgdiff --{view}=etc old.tar new.tar"));
        run.code(1).says("etc/a");
        assert!(!run.out().contains("/b"), "{run}");
    }
    let rows = room.run("imgdiff --blame=/b --format json old.tar new.tar");
    rows.code(1);
    assert_eq!(rows.json_lines().len(), 1, "{rows}");
}

/// Rounded, both were one size: "wasted 2MB exceeds --max-waste 2MB".
#[test]
fn an_exceeded_limit_is_told_in_bytes_where_rounding_hides_it() {
    let big = "x".repeat(2_000_000);
    let image = build::image("demo:1").layer(&format!("f a {big}"));
    let room = Room::with("a.tar", &build::docker(&[&image.layer("f a y")]));
    let said = "imgdiff: wasted 2000000 bytes exceeds --max-waste 1999999 bytes\n";
    room.run("imgdiff -q --waste --max-waste 1999999 a.tar")
        .is(1, "", said);
    room.run("imgdiff -q --waste --max-waste 2000000 a.tar")
        .ok("");
}

/// Options that the chosen view does not look at were taken without a word.
#[test]
fn options_that_do_nothing_in_a_view_are_refused() {
    let image = build::image("demo:1").layer("f a a");
    let room = pair(&image, &image);
    for (view, options) in [
        (
            "--packages",
            "--fields size|--ignore mode|--exclude a|--strict|--semantic|--parents|-M|--sort size",
        ),
        (
            "--config",
            "--exclude a|--parents|--renames|--sort path|--all",
        ),
        (
            "--history",
            "--exclude a|--parents|--renames|--sort path|--all",
        ),
        ("--layers", "--parents|--renames|--all"),
        ("--stat", "--sort size|--all"),
        ("--text", "--parents|--all"),
        ("b.tar", "--strict|--parents|--renames|--sort size|--all"),
    ] {
        for option in options.split('|') {
            room.run(&format!("imgdiff {option} {view} a.tar b.tar"))
                .code(2)
                .complains(" has no effect with");
        }
    }
    for option in [
        "--fields size",
        "--ignore mode",
        "--strict",
        "--parents",
        "--sort size",
    ] {
        room.run(&format!("imgdiff --waste {option} a.tar"))
            .code(2)
            .complains("has no effect with --waste");
    }
}

/// An image whose second layer writes `files` into `srv`, made by `command`.
fn served(command: &str, files: &[(String, String)]) -> build::Image {
    let files: Vec<String> = files
        .iter()
        .map(|(name, text)| format!("f srv/{name} {text}"))
        .collect();
    build::image("demo:1")
        .layer("f base base")
        .layer(&files.join(" | "))
        .history(json!([
            {"created_by": "COPY base /"},
            {"created_by": command},
            {"created_by": "ENV A=b", "empty_layer": true},
        ]))
}

/// The data of a page: of each path, by name, its letter, its differences, its layers, and the number of its text.
fn paths_of(page: &str) -> std::collections::BTreeMap<String, [String; 4]> {
    let (_, data) = page.split_once("id=\"data\">").expect("data");
    let (data, _) = data.split_once("</script>").expect("their end");
    let data: serde_json::Value = serde_json::from_str(data).expect("JSON");
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    let at = |value: &serde_json::Value| value.as_u64().expect("a number") as usize;
    let layer = |value: &serde_json::Value| {
        let layer = &data["layers"][at(value)];
        format!("{}: {}", text(&layer[0]), text(&layer[1]))
    };
    let rows = data["rows"].as_array().expect("rows").iter().map(|row| {
        let above = text(&data["directories"][at(&row[0])]);
        let path = format!("/{above}/{}", text(&row[1])).replace("//", "/");
        let layers = match &row[9] {
            serde_json::Value::Array(layers) => {
                let layers: Vec<String> = layers.iter().map(layer).collect();
                layers.join(", ")
            }
            one if one.as_i64() == Some(-1) => String::new(),
            one => layer(one),
        };
        let letter = text(&data["kinds"][at(&row[2])][0]);
        (path, [letter, text(&row[8]), layers, row[10].to_string()])
    });
    rows.collect()
}

/// Elements of the history that contain `text`, without their markup and with blanks between their parts.
fn steps_with(page: &str, text: &str) -> Vec<String> {
    let (_, steps) = page
        .split_once("<section id=\"history\"")
        .expect("a history");
    let (steps, _) = steps.split_once("</section>").expect("its end");
    let rows = steps.split("<div class=\"row2 find\">").skip(1);
    let rows = rows.filter(|row| row.contains(text)).map(|row| {
        let row = row
            .replace("<del>", "")
            .replace("</del>", "")
            .replace("<ins>", "");
        let row = row.replace("</ins>", "");
        let parts: Vec<&str> = row
            .split('<')
            .map(|part| part.split_once('>').map_or(part, |(_, text)| text))
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .collect();
        parts.join(" ")
    });
    rows.collect()
}

/// Each row of the page repeated the command of its layer, so that 500 files of one long RUN made megabytes.
#[test]
fn the_page_has_each_command_once_and_rows_refer_to_it() {
    let command = |word: &str| format!("RUN <b>&\"{}\" {word}", "x".repeat(5000));
    let shown = |word: &str| format!("RUN &lt;b&gt;&amp;&quot;{}&quot; {word}", "x".repeat(5000));
    let files = |count: usize, text: &str| -> Vec<(String, String)> {
        (0..count)
            .map(|n| (format!("{n:03}"), text.to_owned()))
            .collect()
    };
    // 000 to 099 differ; 100 is in the first alone.
    let old = served(&command("old"), &files(101, "one"));
    let new = served(&command("new"), &files(100, "two!"));
    let room = pair(&old, &new);
    let page = room.run("imgdiff --format html a.tar b.tar");
    let page = page.code(1).out();
    // Side by side, with the word that differs marked.
    let marked = |word: &str, tag: &str| {
        let text = shown(word);
        let (text, _) = text.rsplit_once(' ').expect("two words");
        format!("{text} <{tag}>{word}</{tag}>")
    };
    assert_eq!(page.matches(&marked("old", "del")).count(), 1);
    assert_eq!(page.matches(&marked("new", "ins")).count(), 1);
    assert_eq!(
        steps_with(page, "del>"),
        [format!(
            "C step 2, layer 2 {} C step 2, layer 2 {}",
            shown("old"),
            shown("new")
        )]
    );
    assert_eq!(
        steps_with(page, "COPY base /"),
        ["step 1, layer 1 = step 1, layer 1 COPY base /"]
    );
    assert_eq!(steps_with(page, "ENV A=b"), ["step 3 = step 3 ENV A=b"]);
    let paths = paths_of(page);
    assert_eq!(paths.len(), 101);
    assert_eq!(
        paths["/srv/042"],
        ["C", "size 3B -> 4B, content", "n2: layer 2", "43"]
    );
    assert_eq!(paths["/srv/100"], ["D", "", "o2: old layer 2", "0"]);
    for id in ["n2", "o2"] {
        assert_eq!(page.matches(&format!(" id=\"{id}\"")).count(), 1);
    }
    // 100 texts without --text, and no more.
    assert_eq!(page.matches("<details class=\"find\" id=\"t").count(), 100);
    // Linear in the number of files, whatever the length of their command.
    let more = pair(&old, &served(&command("new"), &files(600, "two!")));
    let more = more.run("imgdiff --format html a.tar b.tar");
    let growth = more.code(1).out().len() - page.len();
    assert!(growth < 500 * 200, "{growth} bytes for 500 files");
    more.says("The contents of 1 more file differ, too;");
}

/// Layers that no history entry lists, and layers of a part of an image, have no command to refer to.
#[test]
fn the_page_lists_layers_without_commands() {
    let bare = |text: &str| {
        let image = build::image("demo:1")
            .layer("f a a")
            .layer(&format!("f b {text}"));
        image.history(json!([]))
    };
    let (old, new) = (bare("one"), bare("three"));
    let room = pair(&old, &new);
    let page = room.run("imgdiff --format html a.tar b.tar");
    let page = page.code(1).out();
    let first = build::short(&old.diff_ids()[0]).to_owned();
    // The stacks have it on both sides, the history without a command.
    assert_eq!(page.matches(&first).count(), 2);
    assert_eq!(
        steps_with(page, "layer 1"),
        ["not in the history, layer 1 = not in the history, layer 1"]
    );
    let changed = ["C", "size 3B -> 5B, content", "n2: layer 2", "1"];
    assert_eq!(paths_of(page)["/b"], changed);
    let part = room.run("imgdiff --format html a.tar@2 b.tar@2");
    let part = part.code(1).out();
    assert!(!part.contains(&first));
    assert_eq!(paths_of(part)["/b"], changed);
    // A directory has no steps at all.
    std::fs::create_dir(room.path("dir")).expect("a directory");
    let none = room.run("imgdiff --format html a.tar@2 dir");
    let none = none.code(1).out();
    assert_eq!(paths_of(none)["/b"], ["D", "", "o2: old layer 2", "0"]);
}

/// `--text` was refused with a page, which had no texts.
#[test]
fn the_page_has_the_texts_that_are_asked_for() {
    let image = |motd: &str, other: &str| {
        build::image("demo:1").layer(&format!(
            "f etc/motd {motd} | f etc/<i> {other} | f usr/raw \0{other} | f usr/same same"
        ))
    };
    let room = pair(
        &image("one\n-- <b>\ntwo\n", "x\n"),
        &image("one\nthree\ntwo\n", "yy\n"),
    );
    let page = room.run("imgdiff --format html --text a.tar b.tar");
    let page = page.code(1).out();
    // The rest of the page is there, too.
    assert!(page.contains("<b>different</b>"));
    assert_eq!(
        paths_of(page)["/etc/motd"],
        ["C", "size 14B -> 13B, content", "n1: layer 1", "2"]
    );
    for part in [
        "<details class=\"find\" open id=\"t1\"><summary><span class=\"badge C\">C</span> /etc/&lt;i&gt;</summary>\n\
         <pre><span>--- a/etc/&lt;i&gt;\n</span><span>+++ b/etc/&lt;i&gt;\n</span><span class=\"H\">@@ -1 +1 @@\n</span>\
         <span class=\"D\">-x\n</span><span>\\ No newline at end of file\n</span>\
         <span class=\"A\">+yy\n</span><span>\\ No newline at end of file\n</span></pre></details>",
        "/etc/motd</summary>\n\
         <pre><span>--- a/etc/motd\n</span><span>+++ b/etc/motd\n</span><span class=\"H\">@@ -1,3 +1,3 @@\n</span><span> one\n</span>\
         <span class=\"D\">--- &lt;b&gt;\n</span><span class=\"A\">+three\n</span><span> two\n</span>\
         <span>\\ No newline at end of file\n</span></pre></details>",
        "/usr/raw</summary>\n\
         <pre><span>Binary files a/usr/raw and b/usr/raw differ\n</span></pre></details>",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    // Of a path, nothing but what is below it.
    let page = room.run("imgdiff --format html --text=/etc a.tar b.tar");
    page.code(1).says("<h2>Files below /etc ").says("id=\"t2\"");
    assert!(!page.out().contains("/usr/raw") && !page.out().contains("class=\"verdict"));
    let page = room.run("imgdiff --format html --text --max-text 3B a.tar b.tar");
    page.code(1).says("differ: too large to be shown (14B)");
    let page = room.run("imgdiff --format html --text a.tar a.tar");
    page.code(0).says("No path differs.");
    // Without --text those that both have, if they are text.
    let page = room.run("imgdiff --format html a.tar b.tar");
    let page = page.code(1).out();
    assert_eq!(page.matches("<details class=\"find\"").count(), 2);
    assert!(page.contains("id=\"t2\"") && !page.contains("Binary files"));
}

/// `--waste` was refused with a page.
#[test]
fn waste_is_shown_as_a_page() {
    // 10 bytes are overwritten, 20 deleted, 5 twice.
    let image = build::image("demo:1")
        .layer("f a 0123456789 | f <b> 01234567890123456789 | f c same! | f d same!")
        .layer("f a 012345678 | w <b>")
        .history(json!([{"created_by": "RUN <i>one"}, {"created_by": "RUN two"}]));
    let room = Room::with("a.tar", &build::docker(&[&image]));
    let page = room.run("imgdiff --format html --waste a.tar");
    let page = page.code(0).out();
    assert!(page.contains("<title>imgdiff: waste in a.tar</title>"));
    assert!(page.contains("<h3>wasted</h3><p class=\"big\">35B</p><p class=\"sub\">35 bytes</p>"));
    // The files of the first layer have 10 + 20 + 5 + 5 bytes.
    for (id, size, command) in [
        ("n1", "40B, 35B wasted", "RUN &lt;i&gt;one"),
        ("n2", "9B, 0B wasted", "RUN two"),
    ] {
        let (_, layer) = page
            .split_once(&format!("data-by=\"{id}\""))
            .expect("a layer");
        let (layer, _) = layer.split_once("</button>").expect("its end");
        assert!(
            layer.contains(&format!("<b class=\"size\">{size}</b>")),
            "{layer}"
        );
        assert!(
            layer.ends_with(&format!("<code>{command}</code>")),
            "{layer}"
        );
    }
    let paths = paths_of(page);
    let layer = "n1: layer 1";
    assert_eq!(paths.len(), 3);
    assert_eq!(paths["/<b>"], ["D", "deleted, 1 copy", layer, "0"]);
    assert_eq!(paths["/a"], ["S", "shadowed, 1 copy", layer, "0"]);
    assert_eq!(paths["/d"], ["U", "duplicate, 1 copy", layer, "0"]);
    assert!(!page.contains("dive"));
    room.run("imgdiff --format html --score dive a.tar")
        .code(0)
        .says("<h3>by dive&#39;s formula</h3>")
        .says("efficiency ");
    let limit = room.run("imgdiff --format html --max-waste 34 a.tar");
    limit
        .code(1)
        .complains("wasted 35B exceeds --max-waste 34B");
    assert_eq!(limit.out(), page);
    room.run("imgdiff --format html --waste --all a.tar")
        .fails("imgdiff: --all has no effect with --format html, which has all of it\n");
    room.run("imgdiff --format html --waste a.tar a.tar")
        .fails("imgdiff: --waste is about one image\n");
}
