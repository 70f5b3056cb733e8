//! Options, limits and variables: each has its effect everywhere, or is refused with a reason.

use crate::common::build;
use crate::common::pack::Pack;
use crate::common::run::Room;

fn app() -> build::Image {
    build::image("demo:1")
        .layer("d etc | f etc/a one | f etc/b two")
        .layer("f etc/a three | w etc/b")
        .layer("f c c")
}

/// What is malformed counted as not set, so that images were of the time of the clock.
#[test]
fn a_malformed_source_date_epoch_is_refused() {
    let room = Room::with("app.tar", &build::docker(&[&app()]));
    std::fs::create_dir(room.path("root")).expect("a directory");
    let lines = [
        "imgls app.tar",
        "imghistory app.tar",
        "imgimport root -o out",
        "imgcommit --base app.tar root -o out",
        "imgconvert --reproducible app.tar out",
        "imgexport --reproducible -o out app.tar",
        "imgbase pack root -o out",
        "imgverify --custody out app.tar",
    ];
    for line in lines {
        let name = line.split(' ').next().expect("a program");
        for value in [
            "abc",
            "-5",
            "1.5",
            " 1",
            "+1",
            "1e9",
            "0x1",
            "253402300800",
            "99999999999999999999",
        ] {
            let run = room.command(line).env("SOURCE_DATE_EPOCH", value).run();
            run.fails(&format!(
                "{name}: SOURCE_DATE_EPOCH: invalid time '{value}': expected whole seconds since 1970, at most 253402300799\n"
            ));
            assert!(!room.path("out").exists(), "{line}");
        }
    }
    // Help does not depend on it.
    let help = room.command("imgls --help").env("SOURCE_DATE_EPOCH", "abc");
    help.run().code(0);
    let time = "imginspect --format '{{.Created}}' out";
    for (value, created) in [
        ("0", "1970-01-01T00:00:00Z"),
        ("007", "1970-01-01T00:00:07Z"),
        ("253402300799", "9999-12-31T23:59:59Z"),
    ] {
        let run = room
            .command("imgimport root -o out")
            .env("SOURCE_DATE_EPOCH", value);
        run.run().code(0);
        room.run(time).ok(&format!("{created}\n"));
    }
    // Empty is not set: the time is that of the clock.
    let run = room
        .command("imgimport root -o out")
        .env("SOURCE_DATE_EPOCH", "");
    run.run().code(0);
    let year: u32 = room.run(time).out()[..4].parse().expect("a year");
    assert!((2025..9999).contains(&year), "{year}");
}

/// The error was about --store, which nobody had typed.
#[test]
fn an_empty_imgkit_store_is_not_set() {
    let room = Room::with("app.tar", &build::docker(&[&app()]));
    let load = room.command("imgload -q app.tar").env("IMGKIT_STORE", "");
    load.run().ok("Loaded image: demo:1\n");
    assert!(room.path("home/.local/share/imgkit/index.json").is_file());
    for line in ["imgls -q", "imgls -q demo:1"] {
        let run = room.command(line).env("IMGKIT_STORE", "").run();
        run.ok(&format!("{}\n", app().short()));
    }
    let base = room
        .command("imgbase pack -t x:1 root")
        .env("IMGKIT_STORE", "");
    std::fs::create_dir(room.path("root")).expect("a directory");
    base.run().code(0);
    // An empty value that was typed is a variable that was not set.
    for line in ["imgls --store ''", "imgls --store="] {
        for value in ["", "store"] {
            let run = room.command(line).env("IMGKIT_STORE", value).run();
            run.code(2)
                .complains("a value is required for '--store <DIR>'");
        }
    }
}

/// `none` was refused by 16 of 23 limits, and no page named the maxima.
#[test]
fn none_lifts_every_limit_but_those_of_recursion() {
    let room = Room::with("app.tar", &build::docker(&[&app()]));
    let help = room.run("imgls --help");
    let (_, limits) = help.out().split_once("Limits:\n").expect("limits");
    let (limits, _) = limits.split_once("\n\n").expect("an end");
    let names: Vec<&str> = limits
        .lines()
        .filter_map(|line| line.trim().split_once('=').map(|(name, _)| name))
        .filter(|name| !name.contains(' '))
        .collect();
    assert_eq!(names.len(), 31, "{names:?}");
    for name in names {
        let run = room.run(&format!("imgexport --limit {name}=none -o out app.tar"));
        match name {
            "json-depth" => run.fails(
                "imgexport: invalid value 'json-depth=none' for '--limit <NAME=VALUE>': json-depth: expected a number from 1 to 120\n\
                 hint: see imgexport --help\n",
            ),
            "nested-depth" => run.code(2).complains("nested-depth: expected a number from 1 to 32"),
            "index-depth" => run.code(2).complains("index-depth: expected a number from 1 to 100"),
            _ => run.ok(""),
        };
    }
    for (name, most) in [("window", "2G"), ("layers", "65535"), ("json-depth", "120")] {
        let line = limits.split(&format!("  {name}=")).nth(1).expect("a limit");
        let meaning: Vec<&str> = line
            .lines()
            .skip(1)
            .take_while(|line| line.starts_with("      "))
            .collect();
        let meaning = meaning.join(" ");
        assert!(meaning.ends_with(&format!("; at most {most}")), "{meaning}");
    }
}

/// Applying layers started from the defaults, so that some limits could only be raised.
#[test]
fn limits_can_be_lowered_wherever_layers_are_applied() {
    let image = app().packed(Pack::Gzip);
    let room = Room::with("app.tar", &build::oci(&[&image]));
    room.write("other.tar", &build::docker(&[&app().layer("f d d")]).tar());
    std::fs::create_dir(room.path("root")).expect("a directory");
    for line in [
        "imgexport -o out app.tar",
        "imgexport -C out app.tar",
        "imgexport --format json app.tar",
        "imgdiff app.tar other.tar",
        "imgdiff --layers app.tar other.tar",
        "imgdiff --waste app.tar",
        "imgdiff --blame=/c app.tar",
        "imgcommit --base app.tar root -o out",
        "imgcommit --squash app.tar -o out",
        "imggraph --view packages app.tar",
    ] {
        for (limit, what) in [
            (
                "paths=2",
                "paths: limit exceeded: expected at most 2, found 3",
            ),
            (
                "path-length=3",
                "path in bytes: limit exceeded: expected at most 3, found 5",
            ),
            ("names-size=2", "limit exceeded: expected at most 2, found "),
            ("entries=1", "limit exceeded: expected at most 1, found 2"),
        ] {
            for cache in ["", " --cache cache"] {
                if !cache.is_empty() && line.starts_with("imggraph") {
                    continue;
                }
                let (program, rest) = line.split_once(' ').expect("options");
                let run = room.run(&format!("{program} --limit {limit}{cache} {rest}"));
                run.code(2).complains(what);
                assert!(!room.path("out").exists(), "{line}");
            }
        }
        let (program, rest) = line.split_once(' ').expect("options");
        if !line.starts_with("imggraph") {
            let run = room.run(&format!("{program} --cache cache {rest}"));
            assert!(matches!(run.code, Some(0 | 1)), "{run}");
        }
        let out = room.path("out");
        let _ = std::fs::remove_file(&out);
        let _ = std::fs::remove_dir_all(&out);
    }
}

/// imgverify alone had `--json`, and all others alone `--format json`.
#[test]
fn json_is_asked_for_in_one_way_everywhere() {
    let room = Room::with("app.tar", &build::docker(&[&app()]));
    room.write("other.tar", &build::docker(&[&app().layer("f d d")]).tar());
    for line in [
        "imgls {} app.tar",
        "imgls {}",
        "imginspect {} app.tar",
        "imghistory {} app.tar",
        "imghistory --dockerfile {} app.tar",
        "imgdf {} app.tar",
        "imgdiff {} app.tar other.tar",
        "imgverify {} app.tar",
        "imggraph {} app.tar",
        "imgexport {} app.tar",
    ] {
        let format = room.run(&line.replace("{}", "--format json"));
        let short = room.run(&line.replace("{}", "--json"));
        assert!(matches!(format.code, Some(0 | 1)), "{format}");
        assert_eq!(
            (short.code, short.out(), short.err()),
            (format.code, format.out(), "")
        );
        if !line.starts_with("imggraph") {
            format.json_lines();
        }
    }
    room.run("imgload --json app.tar")
        .code(0)
        .says("\"Name\":\"demo:1\"");
    // Where formats are others, or there is none, nothing is guessed.
    for line in ["imgsave --json app.tar", "imgls -- --json"] {
        room.run(line).code(2);
    }
    for line in [
        "imgls --json --format table app.tar",
        "imgverify --json --format text app.tar",
        "imgverify -q --format json app.tar",
    ] {
        room.run(line).code(2);
    }
}

/// Only imgdiff knew `IMAGE@2..5`; one number was "invalid digest '1': it has no ':'".
#[test]
fn layers_are_chosen_in_one_way() {
    let image = app();
    let room = Room::with("app.tar", &build::docker(&[&image]));
    std::fs::create_dir(room.path("root")).expect("a directory");
    room.run("imgdiff app.tar@1 app.tar@2")
        .code(1)
        .says("etc/a");
    room.run("imgdiff app.tar@2 app.tar@2..2").code(0);
    room.run("imgdiff app.tar:demo:1@1..2 app.tar@..2").code(0);
    // As imgexport --layer, whose layer is known byte for byte.
    for number in 1..=3 {
        let layer = room.run(&format!("imgexport app.tar@{number}"));
        layer.code(0);
        assert_eq!(build::digest(&layer.stdout), image.diff_ids()[number - 1]);
    }
    for (typed, layers) in [
        ("@..2", "..2"),
        ("@2..", "2.."),
        (":@0@1..2", "1..2"),
        (":demo:1@3", "3"),
    ] {
        let short = room.run(&format!("imgexport app.tar{typed}"));
        let long = room.run(&format!("imgexport --layer {layers} app.tar"));
        short.code(0);
        assert_eq!(short.stdout, long.stdout, "{typed}");
    }
    room.run("imgexport --applied app.tar@2..3").code(0);
    room.run("imgcommit --squash app.tar@2.. -o a.tar").code(0);
    room.run("imgcommit --squash app.tar --from 2 -o b.tar")
        .code(0);
    assert_eq!(
        std::fs::read(room.path("a.tar")).ok(),
        std::fs::read(room.path("b.tar")).ok()
    );
    room.run("imgcommit --squash app.tar@1..2 -o c.tar")
        .fails("imgcommit: --squash: cannot merge up to layer 2: the last layer, 3, must be included, as in IMAGE@N..\n");
    room.run("imgexport app.tar@4")
        .code(2)
        .complains("no layer 4: the image has 3 layers");
    room.run("imgexport app.tar@0")
        .code(2)
        .complains("expected numbers from 1");
    room.run("imgexport --layer 1 app.tar@2")
        .code(2)
        .complains("has no effect with --layer");
    room.run("imgexport --since app.tar app.tar@2")
        .code(2)
        .complains("has no effect with --since");
    for line in [
        "imgls app.tar@2",
        "imginspect app.tar@1..2",
        "imghistory app.tar@..2",
        "imgverify app.tar@2",
        "imgsave -o out app.tar@2",
        "imgload app.tar@2",
        "imgconvert app.tar@1.. out",
        "imgexport --since app.tar@1 app.tar",
        "imgcommit --base app.tar@1 root -o out",
        "imgls demo:1@2",
        "imggraph app.tar@1",
    ] {
        room.run(line)
            .code(2)
            .complains("unsupported selection of layers ");
        assert!(!room.path("out").exists(), "{line}");
    }
    // What exists is a path, and a position is one of images.
    room.write("b@2", &build::docker(&[&image]).tar());
    room.run("imgls -q b@2").ok(&format!("{}\n", image.short()));
    room.run("imgls -q app.tar:@0")
        .ok(&format!("{}\n", image.short()));
}

/// Three operands were "this view is about fewer images", though --text took its path that way.
#[test]
fn the_path_of_blame_may_come_first() {
    let room = Room::with("old.tar", &build::docker(&[&app()]));
    let new = app().layer("f etc/a four | f c five");
    room.write("new.tar", &build::docker(&[&new]).tar());
    let own = room.run("imgdiff --blame etc/a old.tar new.tar");
    own.code(1).says("etc/a");
    assert_eq!(
        own.out(),
        room.run("imgdiff --blame=etc/a old.tar new.tar").out()
    );
    room.run("imgdiff --blame nosuch old.tar new.tar")
        .fails("imgdiff: no such path in either image: 'nosuch'\n");
    room.run("imgdiff --blame old.tar new.tar old.tar")
        .fails("imgdiff: this view is about fewer images\n");
    let life = room.run("imgdiff --blame etc/a old.tar");
    life.ok(room.run("imgdiff --blame=etc/a old.tar").out());
}

/// A page of files alone, with text sizes of a desktop, and colours that nobody explained.
#[test]
fn the_page_of_a_comparison_fits_small_screens_and_explains_itself() {
    let room = Room::with("old.tar", &build::docker(&[&app()]));
    room.write("new.tar", &build::docker(&[&app().layer("f d d")]).tar());
    let page = room.run("imgdiff --format html old.tar new.tar");
    page.code(1)
        .says("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">")
        .says("[\"A\",\"added\",\"A\"]")
        .says("[\"D\",\"deleted\",\"D\"]")
        .says("<kbd>/</kbd> filter")
        .says("Where the bytes went");
    // What the policy permits is what the page has.
    use base64::Engine;
    use sha2::Digest;
    let (_, policy) = page
        .out()
        .split_once("Content-Security-Policy")
        .expect("a policy");
    let (policy, _) = policy.split_once('>').expect("its end");
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    let mut allowed = 0;
    for tag in ["style", "script"] {
        let (start, end) = (format!("<{tag}>"), format!("</{tag}>"));
        let parts = page.out().split(&start).skip(1);
        for text in parts.filter_map(|part| part.split(&end).next()) {
            let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(text));
            assert!(policy.contains(&format!("'sha256-{hash}'")), "{text:.80}");
            allowed += 1;
        }
    }
    assert_eq!([allowed, policy.matches("'sha256-").count()], [4, 4]);
    assert!(!page.out().contains("style=\""));
    for view in [
        "--config",
        "--history",
        "--stat",
        "--blame",
        "--layers",
        "--packages",
    ] {
        room.run(&format!("imgdiff --format html {view} old.tar new.tar"))
            .fails(&format!(
                "imgdiff: {view} has no effect with --format html, which is a page of the whole comparison\n"
            ));
    }
}

/// With `--squash` a path that a layer below the merged ones holds was still in the image, and the status was 0.
#[test]
fn what_a_kept_layer_holds_cannot_be_left_out() {
    let image = app();
    let room = Room::with("app.tar", &build::docker(&[&image]));
    for (options, layer) in [
        ("--from 2 --exclude etc/a", "layer 1"),
        // Removed by the second layer, and in the first all the same.
        ("--from 3 --exclude etc/b", "layer 1"),
        ("--from 2 --exclude etc", "layer 1"),
    ] {
        room.run(&format!("imgcommit --squash app.tar {options} -o out"))
            .code(2)
            .complains(&format!("{layer} holds it and stays unchanged"));
        assert!(!room.path("out").exists(), "{options}");
    }
    room.run("imgcommit --squash app.tar --from 3 --exclude c -o out")
        .code(0);
    assert_eq!(room.run("imgls -q out").out().lines().count(), 1);
    let left = room.run("imgexport --format json out");
    assert!(!left.out().contains("\"Path\":\"c\""), "{left}");
    left.says("\"Path\":\"etc/a\"");
    // Nor can options that do nothing for an overlay's upper directory.
    room.run("imgcommit --base app.tar --upper --base-owners . -o out2")
        .code(2);
}

/// Programs that make an image printed its ID alone, whatever a script needs.
#[test]
fn a_made_image_is_printed_as_json() {
    let image = app();
    let room = Room::with("app.tar", &build::docker(&[&image]));
    std::fs::create_dir_all(room.path("root/etc")).expect("a directory");
    for (line, name, output) in [
        ("imgimport root x:1", Some("x:1"), None),
        ("imgimport root -o out.tar", None, Some("out.tar")),
        ("imgcommit --base app.tar root x:2", Some("x:2"), None),
        (
            "imgcommit --squash app.tar -o out.tar x:3",
            Some("x:3"),
            Some("out.tar"),
        ),
        ("imgbase pack -t x:4 root", Some("x:4"), None),
    ] {
        let id = room.run(line);
        let made = room.run(&format!("{line} --format json"));
        made.code(0);
        let found = made.json();
        assert_eq!(found["ID"], id.out().trim_end(), "{made}");
        assert_eq!(
            found["Name"],
            name.map_or(serde_json::Value::Null, Into::into),
            "{made}"
        );
        assert_eq!(
            found["Output"],
            output.map_or(serde_json::Value::Null, Into::into),
            "{made}"
        );
        // The manifest is the one of that digest.
        let at = output.or(name).expect("a place");
        let manifest = room.run(&format!("imginspect --raw manifest {at}"));
        assert_eq!(found["Digest"], build::digest(&manifest.stdout), "{made}");
    }
    for line in [
        "imgimport root -o - --format json",
        "imgcommit --base app.tar root --layer-out l --format json",
    ] {
        room.run(line).code(2);
    }
}

/// `imgbase host` took changed files as they were although their package was named, `imgbase explain` ignored a
/// platform, and `imgbase deb` a time zone or a database that it had been told not to make.
#[test]
fn options_of_imgbase_are_honoured_or_refused() {
    let room = Room::new();
    room.run("imgbase host --modified keep --debs debs -o out.tar tool")
        .fails(
            "imgbase: --debs has no effect with --modified keep, which takes changed files unchanged\n",
        );
    room.run("imgbase explain --platform linux/arm64 --debs debs tool")
        .fails("imgbase: --platform has no effect with imgbase explain, which makes no image\n");
    let deb = "imgbase deb --debs debs -o out.tar";
    room.run(&format!(
        "{deb} --time-zone Europe/Berlin --without timezone"
    ))
    .fails("imgbase: --time-zone has no effect with --without timezone\n");
    room.run(&format!("{deb} --database none --without database"))
        .fails("imgbase: --database has no effect with --without database\n");
    for option in [
        "--time-zone Europe/Berlin",
        "--database none",
        "--without pam",
    ] {
        room.run(&format!("{deb} --configure emit {option}"))
            .code(2)
            .complains("cannot be used with");
    }
}
