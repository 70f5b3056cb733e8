//! Bugs that were there once.

use serde_json::json;

use crate::common::build;
use crate::common::pack::Pack;
use crate::common::run::{PROGRAMS, Room};

/// clap took `-:REF` for an option, so no image of several could be chosen on standard input.
#[test]
fn one_of_several_images_on_standard_input() {
    let (app, tool) = (
        build::image("demo:1"),
        build::image("tool:2").layer("f a b"),
    );
    let tar = build::docker(&[&app.layer("f a a"), &tool]).tar();
    let room = Room::new();
    room.command("imghistory -:tool:2 --format '{{.ID}} {{.CreatedBy}}'")
        .pipe(&tar)
        .run()
        .ok(&format!("{} COPY layer 1 /\n", tool.short()));
    room.command("imgls -:")
        .pipe(&tar)
        .run()
        .fails("imgls: a reference is missing after ':'\n");
}

/// The error came from a kind alone, and said `entity not found`.
#[test]
fn a_store_that_is_not_there_is_said_in_the_words_of_the_system() {
    let wanted = "imgls: nowhere: cannot open: no such file or directory\n";
    Room::new().run("imgls --store nowhere").fails(wanted);
    Room::new().run("imgls --store nowhere demo").fails(wanted);
}

/// Steps without a layer showed `<no value>` in two columns.
#[test]
fn steps_without_a_layer_leave_the_columns_of_layers_empty() {
    let app = build::image("demo:1").layer("f a a").step("CMD x");
    let diff_id = &app.diff_ids()[0][..19];
    let wide = " ".repeat(3);
    Room::with("app.tar", &build::docker(&[&app]))
        .run("imghistory --layers app.tar")
        .ok(&format!(
            "IMAGE          CREATED      CREATED BY       SIZE      COMMENT   LAYER     DIFF ID\n\
             {}   2 days ago   CMD x            0B                            \n\
             <missing>      2 days ago   COPY layer 1 /   1B     {wide}          1         {diff_id}\n",
            app.short()
        ));
}

/// Two messages of imgverify showed platforms as they were written.
#[test]
fn platforms_in_findings_are_escaped() {
    let app = build::image("demo:1").layer("f a a");
    let files = build::multi("demo:1", &[&app], &["linux/\u{1b}[2J"]);
    let room = Room::with("absent.tar", &files);
    room.run("imgverify absent.tar")
        .code(0)
        .says("(linux/\\x1b[2J) is not in the archive: it is sparse");
    let mut files = build::oci(&[&app]);
    files.edit("index.json", |index| {
        index["manifests"][0]["platform"] = json!({"os": "li\nnux", "architecture": "amd64"});
    });
    Room::with("app.tar", &files)
        .run("imgverify app.tar")
        .code(0)
        .says("the index says li\\nnux/amd64, the config linux/amd64 [platform]");
}

/// In a folder every layer was read twice, as a layer and as a blob, and counted twice.
#[test]
fn imgverify_reads_the_layers_of_a_folder_once() {
    let app = build::image("demo:1").layer("f a a").layer("f b b");
    let room = Room::new();
    build::oci(&[&app]).write_to(&room.path("layout"));
    room.write("app.tar", &build::oci(&[&app]).tar());
    let folder = room.run("imgverify layout");
    folder.ok(&room
        .run("imgverify app.tar")
        .out()
        .replace("app.tar", "layout"));
    folder.says(" 2 layers, ");
}

/// Findings of layers came in the order of their digests.
#[test]
fn findings_of_layers_come_from_the_base_upward() {
    let mut app = build::image("demo:1");
    for number in 0..8 {
        app = app.layer(&format!("f /a {number}"));
    }
    for files in [build::docker(&[&app]), build::oci(&[&app])] {
        let run = Room::with("app.tar", &files).run("imgverify app.tar");
        let lines = run.out().lines().filter(|line| line.starts_with("note: "));
        let order: Vec<String> = lines
            .map(|line| line.split(": ").nth(2).unwrap_or_default().to_owned())
            .collect();
        let expected: Vec<String> = (1..=8).map(|i| format!("layer {i} of 8")).collect();
        assert_eq!(order, expected, "{run}");
    }
}

/// Only a warning was given, so an archive that had lost its last members was sound.
#[test]
fn an_archive_cut_between_two_members_is_damaged() {
    let tar = build::docker(&[&build::image("demo:1").layer("f a a")]).tar();
    let room = Room::new();
    // What is cut off is `repositories`, without which the archive would do, and the end marker.
    room.write("cut.tar", &tar[..tar.len() - 1024 - 1024]);
    room.run("imgverify cut.tar").code(1).says(
        "error: cut.tar: the archive ends without its end marker: it was cut short [truncated]\n",
    );
}

/// A lone document of both kinds was called no image at all.
#[test]
fn a_lone_document_of_both_kinds_is_ambiguous() {
    let room = Room::new();
    room.write(
        "both.json",
        br#"{"schemaVersion":2,"manifests":[],"layers":[],"config":{}}"#,
    );
    room.run("imgls both.json")
        .code(2)
        .complains("both.json: ambiguous: ");
}

/// Nothing behind the end marker was read: neither the checksum of a packed archive nor a second archive.
#[test]
fn archives_are_read_to_their_very_end() {
    let tar = build::docker(&[&build::image("demo:1").layer("f a a")]).tar();
    for pack in Pack::ALL {
        let mut packed = pack.pack(&tar);
        let last = packed.len() - 1;
        packed.truncate(last);
        let room = Room::new();
        room.write("cut", &packed);
        for program in PROGRAMS {
            room.run(&format!("{program} cut"))
                .code(2)
                .complains("cut: damaged ");
        }
    }
    let room = Room::new();
    room.write("two.tar", &[&tar[..], &tar[..]].concat());
    let line = format!(
        "data follows the archive's end marker, at byte {}; some readers read on [trailing-data]\n",
        tar.len()
    );
    room.run("imgverify two.tar").code(0).says(&line);
    let bytes = [&tar[..], &tar[..]].concat();
    room.command("imgverify -")
        .pipe(&bytes)
        .run()
        .code(0)
        .says(&line);
}

/// What stopped the decoder was lost on the way, and the archive was called cut short.
#[test]
fn a_limit_that_stops_a_packed_archive_is_said() {
    use imgkit::Fault;
    use imgkit::archive::Open;
    use imgkit::blob::DecodeLimits;
    use imgkit::layer::Limits;

    let tar = build::docker(&[&build::image("demo:1").layer("z zeros 4000000")]).tar();
    let room = Room::new();
    let decode = DecodeLimits {
        size: 1 << 20,
        ..DecodeLimits::default()
    };
    let limits = Limits {
        decode,
        ..Limits::default()
    };
    for pack in Pack::ALL {
        room.write("packed", &pack.pack(&tar));
        let open = Open {
            limits,
            ..Open::default()
        };
        let error = open.path(&room.path("packed")).expect_err("a bomb");
        assert!(
            matches!(
                error.fault(),
                Fault::Limit {
                    limit: 1_048_576,
                    ..
                }
            ),
            "{error}"
        );
    }
}

/// `Parent` was looked for in the config alone, where docker no longer writes it.
#[test]
fn the_parent_that_manifest_json_states_is_shown() {
    let (base, app) = (
        build::image("base:1").layer("f a a"),
        build::image("demo:1").layer("f a a").layer("f b b"),
    );
    let mut files = build::docker(&[&base, &app]);
    files.edit("manifest.json", |items| {
        items[1]["Parent"] = json!(base.id())
    });
    let room = Room::with("app.tar", &files);
    let line = "imginspect --format '{{.Parent}}'";
    room.run(&format!("{line} app.tar:demo:1"))
        .ok(&format!("{}\n", base.id()));
    room.run(&format!("{line} app.tar:base:1")).ok("\n");
}

#[test]
fn a_hard_link_to_what_went_away_with_its_folder_has_no_size() {
    let gone = "z d/a 123 | z d 1 | h x d/a";
    let room = Room::with(
        "app.tar",
        &build::oci(&[&build::image("demo:1").layer(gone)]),
    );
    room.run("imginspect -f '{{.Size}}' app.tar").ok("1\n");
}
