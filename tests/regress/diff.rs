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
            "--fields size|--ignore mode|--ignore-path a|--strict|--semantic|--parents|-M|--sort size",
        ),
        (
            "--config",
            "--ignore-path a|--parents|--renames|--sort path|--all",
        ),
        (
            "--history",
            "--ignore-path a|--parents|--renames|--sort path|--all",
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
