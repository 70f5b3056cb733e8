//! imghistory.

use serde_json::{Value, json};

use crate::common::build::{self, Image, Shared};
use crate::common::pack::Pack;
use crate::common::run::Room;

fn app() -> Image {
    build::image("demo:1")
        .layer("d etc | f etc/a one | f etc/b two")
        .step("CMD [\"/bin/sh\"]")
        .layer("z etc/c 1234567 | o etc")
}

fn table(image: &Image) -> String {
    format!(
        "IMAGE          CREATED      CREATED BY        SIZE      COMMENT\n\
         {}   2 days ago   COPY layer 2 /    1.23MB\n\
         <missing>      2 days ago   CMD [\"/bin/sh\"]   0B\n\
         <missing>      2 days ago   COPY layer 1 /    6B\n",
        image.short()
    )
}

#[test]
fn the_table_is_dockers_in_every_format() {
    let app = app();
    let expected = table(&app);
    let room = Room::new();
    build::oci(&[&app]).write_to(&room.path("layout"));
    build::dir(&app).write_to(&room.path("dir"));
    room.run("imghistory layout").ok(&expected);
    room.run("imghistory dir").ok(&expected);
    for files in [
        build::docker(&[&app]),
        build::docker_sharing(&[&app, &app], Shared::HardLink),
        build::docker25(&[&app]),
        build::oci(&[&app]),
    ] {
        let tar = files.tar();
        room.write("app.tar", &tar);
        room.run("imghistory app.tar:demo:1").ok(&expected);
        room.command("imghistory -:demo:1")
            .pipe(&tar)
            .run()
            .ok(&expected);
        for pack in Pack::ALL {
            room.write("app.tar", &pack.pack(&tar));
            room.run("imghistory app.tar:demo:1").ok(&expected);
        }
    }
}

#[test]
fn layers_may_be_compressed() {
    for pack in Pack::ALL {
        let image = build::image("demo:1")
            .layer("f a one")
            .packed(pack)
            .step("CMD x")
            .layer("f b four")
            .packed(pack);
        let files = build::oci(&[&image]);
        let room = Room::with("app.tar", &files);
        let line = "imghistory --format '{{.Size}} {{.CreatedBy}}'";
        let expected = "4B COPY layer 2 /\n0B CMD x\n3B COPY layer 1 /\n";
        room.run(&format!("{line} app.tar")).ok(expected);
        room.command(&format!("{line} -"))
            .pipe(&files.tar())
            .run()
            .ok(expected);
    }
}

#[test]
fn archives_of_docker_before_1_10() {
    let files = build::v1(&[&build::image("demo:1").layer("f a one").layer("f b four")]);
    let room = Room::with("old.tar", &files);
    let run = room
        .run("imghistory --no-trunc old.tar:demo:1 --format '{{.ID}} {{.Size}} {{.CreatedBy}}'");
    let lines: Vec<&str> = run.out().lines().collect();
    assert_eq!(lines.len(), 2, "{run}");
    assert_eq!(lines[0].split(' ').next().map(str::len), Some(64), "{run}");
    assert!(
        lines[0].ends_with(" 4B COPY layer 2 /") && lines[1] == "<missing> 3B COPY layer 1 /",
        "{run}"
    );
}

#[test]
fn flags() {
    let long = format!("RUN echo {} && done", "very ".repeat(12));
    let image = build::image("demo:1").layer("f a one").history(json!([
        {"created": build::CREATED, "created_by": long, "comment": "by hand"},
    ]));
    let room = Room::with("app.tar", &build::docker(&[&image]));
    let (id, short, diff_id) = (image.id(), image.short(), &image.diff_ids()[0][..19]);
    let cut = format!("{}…", &long[..44]);
    room.run("imghistory app.tar").ok(&format!(
        "IMAGE          CREATED      CREATED BY                                      SIZE      COMMENT\n\
         {short}   2 days ago   {cut}   3B        by hand\n"
    ));
    let (id_gap, by_gap) = (" ".repeat(71 + 3 - 5), " ".repeat(long.len() + 3 - 10));
    room.run("imghistory --no-trunc app.tar").ok(&format!(
        "IMAGE{id_gap}CREATED      CREATED BY{by_gap}SIZE      COMMENT\n\
         {id}   2 days ago   {long}   3B        by hand\n"
    ));
    room.run("imghistory -q app.tar").ok(&format!("{short}\n"));
    room.run("imghistory --quiet --no-trunc app.tar")
        .ok(&format!("{id}\n"));
    for flag in ["-H=false", "--human=false"] {
        room.run(&format!("imghistory {flag} app.tar")).ok(&format!(
            "IMAGE          CREATED AT             CREATED BY                                      SIZE      COMMENT\n\
             {short}   2024-01-01T00:00:00Z   {cut}   3         by hand\n"
        ));
    }
    let human = room.run("imghistory app.tar");
    for flag in ["-H", "-H=true", "--human", "--human=true"] {
        room.run(&format!("imghistory {flag} app.tar"))
            .ok(human.out());
    }
    room.run("imghistory --layers app.tar").ok(&format!(
        "IMAGE          CREATED      CREATED BY                                      SIZE      COMMENT   LAYER     DIFF ID\n\
         {short}   2 days ago   {cut}   3B        by hand   1         {diff_id}\n"
    ));
}

#[test]
fn formats() {
    let app = app();
    let room = Room::with("app.tar", &build::oci(&[&app]));
    let (short, layer) = (app.short(), &app.diff_ids()[1]);
    let stored = app.blobs()[1].len();
    let first = format!(
        "{{\"Author\":null,\"Comment\":\"\",\"Created\":\"2024-01-01T00:00:00Z\",\"CreatedAt\":\"2024-01-01T00:00:00Z\",\
         \"CreatedBy\":\"COPY layer 2 /\",\"CreatedSince\":\"2 days ago\",\"DiffID\":\"{layer}\",\"EmptyLayer\":false,\
         \"ID\":\"{short}\",\"Layer\":2,\"LayerDigest\":\"{layer}\",\"Recorded\":true,\"Size\":\"1.23MB\",\
         \"SizeBytes\":1234567,\"StoredBytes\":{stored},\"StoredSize\":\"1.24MB\"}}"
    );
    let second = "{\"Author\":null,\"Comment\":\"\",\"Created\":\"2024-01-01T00:00:00Z\",\"CreatedAt\":\"2024-01-01T00:00:00Z\",\
         \"CreatedBy\":\"CMD [\\\"/bin/sh\\\"]\",\"CreatedSince\":\"2 days ago\",\"DiffID\":null,\"EmptyLayer\":true,\
         \"ID\":\"\\u003cmissing\\u003e\",\"Layer\":null,\"LayerDigest\":null,\"Recorded\":true,\"Size\":\"0B\",\
         \"SizeBytes\":0,\"StoredBytes\":null,\"StoredSize\":\"\"}";
    let run = room.run("imghistory --format json app.tar");
    run.code(0);
    let lines: Vec<&str> = run.out().lines().collect();
    assert_eq!(
        (lines.len(), lines[0], lines[1]),
        (3, first.as_str(), second),
        "{run}"
    );
    room.run("imghistory --format '{{.SizeBytes}} {{.CreatedBy}}' app.tar")
        .ok("1234567 COPY layer 2 /\n0 CMD [\"/bin/sh\"]\n6 COPY layer 1 /\n");
    room.run("imghistory --format 'table {{.Size}}\\t{{.Layer}}' app.tar:demo:1")
        .code(0)
        .says("SIZE      LAYER\n1.23MB    2\n");
    room.run("imghistory --format table app.tar")
        .ok(&table(&app));
}

fn steps(image: &Image) -> (Vec<Value>, String) {
    let room = Room::with("app.tar", &build::docker(&[image]));
    let run = room.run("imghistory --format json app.tar");
    run.code(0);
    let rows = run.json_lines().into_iter().map(|row| {
        json!([
            row["CreatedBy"],
            row["Layer"],
            row["SizeBytes"],
            row["Recorded"]
        ])
    });
    let error = run.err().to_owned();
    (rows.collect(), error)
}

#[test]
fn fewer_entries_than_layers_are_aligned_from_the_top() {
    // As in images built on an imported base without a history.
    let image = build::image("demo:1")
        .layer("f base 1234567")
        .layer("f b 12")
        .layer("f c 1")
        .history(json!([
            {"created_by": "RUN b"},
            {"created_by": "ENV x", "empty_layer": true},
            {"created_by": "RUN c"},
        ]));
    let (rows, error) = steps(&image);
    assert_eq!(
        rows,
        [
            json!(["RUN c", 3, 1, true]),
            json!(["ENV x", null, 0, true]),
            json!(["RUN b", 2, 2, true]),
            json!(["", 1, 7, false])
        ]
    );
    assert_eq!(
        error,
        "imghistory: warning: app.tar: history lists 2 layers, the image has 3: the history is aligned from the top \
         and the lowest layers have no entry\n"
    );
}

#[test]
fn more_entries_than_layers_leave_the_last_ones_without() {
    let image = build::image("demo:1").layer("f a 1").history(json!([
        {"created_by": "RUN a"},
        {"created_by": "RUN b"},
        {"created_by": "ENV x", "empty_layer": true},
        {"created_by": "RUN c"},
    ]));
    let (rows, error) = steps(&image);
    assert_eq!(
        rows,
        [
            json!(["RUN c", null, 0, true]),
            json!(["ENV x", null, 0, true]),
            json!(["RUN b", null, 0, true]),
            json!(["RUN a", 1, 1, true])
        ]
    );
    assert_eq!(
        error,
        "imghistory: warning: app.tar: history lists 3 layers, the image has 1: the last entries have no layer\n"
    );
}

#[test]
fn no_history_at_all() {
    let image = build::image("demo:1")
        .layer("f a 1")
        .layer("f b 22")
        .history(json!([]));
    let (rows, error) = steps(&image);
    assert_eq!(rows, [json!(["", 2, 2, false]), json!(["", 1, 1, false])]);
    assert_eq!(
        error,
        "imghistory: warning: app.tar: the image has no history, only 2 layers\n"
    );
}

#[test]
fn history_without_layers_and_nothing_of_either() {
    let image = build::image("demo:1").step("CMD x").step("ENV y");
    let (rows, error) = steps(&image);
    assert_eq!(
        rows,
        [
            json!(["ENV y", null, 0, true]),
            json!(["CMD x", null, 0, true])
        ]
    );
    assert_eq!(error, "");
    let room = Room::with("app.tar", &build::docker(&[&build::image("demo:1")]));
    room.run("imghistory app.tar")
        .ok("IMAGE     CREATED   CREATED BY   SIZE      COMMENT\n");
}

#[test]
fn unusual_times_and_texts() {
    let image = build::image("demo:1").layer("f a 1").history(json!([
        {"created_by": "no time", "empty_layer": true},
        {"created": "yesterday", "created_by": "a\tb\nc", "empty_layer": true},
        {"created": "0001-01-01T00:00:00Z", "created_by": "zero", "empty_layer": true},
        {"created": "2024-01-02T23:59:30+00:00", "created_by": "now", "empty_layer": true},
        {"created": "2033-01-01T00:00:00Z", "created_by": "later", "comment": "c", "author": "a"},
    ]));
    let room = Room::with("app.tar", &build::docker(&[&image]));
    let run = room.run("imghistory --format '{{.CreatedBy}}|{{.CreatedSince}}|{{.CreatedAt}}|{{.Comment}}|{{.Author}}' app.tar");
    run.no_crash().code(0);
    let lines: Vec<&str> = run.out().lines().collect();
    assert_eq!(lines.len(), 5, "{run}");
    assert!(lines[0].ends_with("|2033-01-01T00:00:00Z|c|a"), "{run}");
    assert_eq!(
        lines[1], "now|30 seconds ago|2024-01-02T23:59:30Z||<no value>",
        "{run}"
    );
    assert_eq!(lines[3], "a b\\nc|N/A|N/A||<no value>", "{run}");
    assert_eq!(lines[4], "no time|N/A|N/A||<no value>", "{run}");
}

#[test]
fn a_missing_layer_has_no_size() {
    let app = app();
    let mut files = build::oci(&[&app]);
    files.remove(&build::blob_name(&app.diff_ids()[0]));
    Room::with("app.tar", &files)
        .run("imghistory --format '{{.Layer}} {{.Size}} {{.SizeBytes}}' app.tar")
        .ok("2 1.23MB 1234567\n<no value> 0B 0\n1 N/A <no value>\n");
}

#[test]
fn the_platform_of_an_index() {
    let (amd, arm) = (app(), app().platform("linux/arm64/v8").step("ENV arm"));
    let files = build::multi("demo:1", &[&amd, &arm], &["linux/s390x"]);
    let room = Room::with("app.tar", &files);
    room.run("imghistory --platform linux/amd64 app.tar")
        .ok(&table(&amd));
    room.run("imghistory -q --platform linux/arm64 app.tar")
        .ok(&format!(
            "{}\n<missing>\n<missing>\n<missing>\n",
            arm.short()
        ));
    room.run("imghistory --platform linux/s390x app.tar")
        .fails("imghistory: app.tar: no such image 'linux/s390x': available: linux/amd64 and linux/arm64/v8\n");
}

#[test]
fn the_size_rule_in_a_table_of_layers() {
    // Docker counts each inode once, links with the length of their target, whiteouts as 0.
    for (line, size) in [
        ("d a | d a/b", 0),
        ("f a 12345", 5),
        ("f a 123 | h b a | h c a", 3),
        ("l a target", 6),
        ("w a | o b | p fifo", 0),
        ("f a 123 | f a 1", 1),
        ("f d/a 123 | f d/b 1 | f d 12", 2),
        ("f d 12 | d d | f d/a 123", 3),
        ("f a 123 | w a", 3),
        ("f a 12 | h b a | f a 1234", 6),
        ("l a t | f a 1234", 4),
        ("f ./a 12 | f a 1", 1),
    ] {
        let image = build::image("demo:1").layer(line);
        let room = Room::with("app.tar", &build::docker(&[&image]));
        room.run("imghistory --format '{{.SizeBytes}}' app.tar")
            .ok(&format!("{size}\n"));
    }
}
