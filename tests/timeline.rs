//! imghistory --timeline: events, formats of other tools, hostile names.

use std::collections::HashSet;

use imgkit::archive::{Open, Pick};
use imgkit::timeline::{Dialect, Label, TimedImage, unescaped_name};
use imgkit::tree::{Reading, Tree};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::build::{self, Image};
use crate::common::pack::Pack;
use crate::common::run::{Output, Room};
use crate::tree::any_layers;

/// 2024-01-01, the time of all files.
const MADE: i64 = 1_704_067_200;

/// An image whose second layer was made on 2024-02-01, and whose third on 2024-03-01.
fn image() -> Image {
    build::image("demo:1")
        .layer("d etc | f etc/token secret | f etc/a one")
        .layer("f etc/a two | l link etc/a")
        .layer("w etc/token")
        .history(json!([
            {"created": "2024-01-02T00:00:00Z", "created_by": "COPY base /"},
            {"created": "2024-02-01T00:00:00.5Z", "created_by": "RUN make"},
            {"created": "2024-02-02T00:00:00Z", "created_by": "ENV A=b", "empty_layer": true},
            {"created": "2024-03-01T00:00:00+01:00", "created_by": "RUN rm /etc/token"},
        ]))
        .set("created", json!("2024-03-01T00:00:01Z"))
}

fn room() -> Room {
    Room::with("app.tar", &build::docker(&[&image()]))
}

/// `TIME EVENT LAYER MESSAGE` of each row of JSON, without the events of the archive's members.
fn events(output: &Output) -> Vec<String> {
    let rows = output.code(0).json_lines();
    let rows = rows.iter().filter(|row| row["Event"] != "stored");
    rows.map(|row| {
        let text = |key: &str| row[key].as_str().expect("a text").to_owned();
        let layer = row["Layer"]
            .as_u64()
            .map_or("-".to_owned(), |layer| layer.to_string());
        [text("Time"), text("Event"), layer, text("Message")].join(" ")
    })
    .collect()
}

#[test]
fn every_recorded_time_is_an_event() {
    let room = room();
    assert_eq!(
        events(&room.run("imghistory --timeline --format json app.tar")),
        [
            "2024-01-01T00:00:00Z content 1 /etc",
            "2024-01-01T00:00:00Z content 1 /etc/a (layer 1, replaced by 2)",
            "2024-01-01T00:00:00Z content 2 /etc/a",
            "2024-01-01T00:00:00Z content 1 /etc/token (layer 1, removed by 3)",
            "2024-01-01T00:00:00Z content 3 /etc/token (layer 3, entry 1, whiteout)",
            "2024-01-01T00:00:00Z content 2 /link -> etc/a",
            "2024-01-02T00:00:00Z layer 1 layer 1: COPY base /",
            "2024-02-01T00:00:00.5Z layer 2 layer 2: RUN make",
            "2024-02-01T00:00:00.5Z gone 1 /etc/a (layer 1, replaced by 2)",
            "2024-02-02T00:00:00Z layer - step without a layer: ENV A=b",
            "2024-02-29T23:00:00Z layer 3 layer 3: RUN rm /etc/token",
            "2024-02-29T23:00:00Z gone 1 /etc/token (layer 1, removed by 3)",
            "2024-03-01T00:00:01Z config - image created: demo:1",
        ]
    );
    let rows = room
        .run("imghistory --timeline --format json app.tar")
        .json_lines();
    let gone = rows
        .iter()
        .rfind(|row| row["Event"] == "gone")
        .expect("a row");
    assert_eq!(gone["Path"], "etc/token");
    assert_eq!(gone["State"], "removed");
    assert_eq!(gone["By"]["Layer"], 3);
    assert_eq!(gone["Description"], "Content Deletion Time");
    assert_eq!(
        (&gone["MACB"], &gone["Source"]),
        (&json!("C"), &json!("version"))
    );
    assert_eq!(gone["TimeSeconds"], 1_709_247_600);
    let table = room.run("imghistory --timeline app.tar");
    assert!(table.code(0).out().starts_with("TIME"), "{table}");
    table.says("2024-02-29T23:00:00Z     gone      1         /etc/token (layer 1, removed by 3)\n");
    room.run("imghistory --timeline --format '{{.Event}} {{.Path}}' --from 2024-03-01 app.tar")
        .ok("config \n");
}

#[test]
fn spans_scopes_and_layers_narrow_a_timeline() {
    let room = room();
    let shown = |options: &str| {
        events(&room.run(&format!(
            "imghistory --timeline --format json {options} app.tar"
        )))
    };
    assert_eq!(
        shown("--from 2024-01-02 --to 2024-02-01"),
        ["2024-01-02T00:00:00Z layer 1 layer 1: COPY base /"]
    );
    assert_eq!(
        shown("--from 2024-02-01T00:00:00.5Z --to '2024-02-01 00:00:00.5'").len(),
        2
    );
    let past = shown("--scope past");
    assert_eq!(
        past.iter().filter(|row| row.contains(" content ")).count(),
        2
    );
    assert_eq!(
        shown("--layer 3"),
        [
            "2024-01-01T00:00:00Z content 3 /etc/token (layer 3, entry 1, whiteout)",
            "2024-02-29T23:00:00Z layer 3 layer 3: RUN rm /etc/token",
        ]
    );
    let base = build::image("base:1").layer("d etc | f etc/token secret | f etc/a one");
    room.write("base.tar", &build::docker(&[&base]).tar());
    assert_eq!(
        shown("--since base.tar --scope final --to 2024-01-01").len(),
        3
    );
    for (line, why) in [
        (
            "--from soon",
            "invalid --from 'soon': expected a date, or a date and a time, as in 2026-01-02T03:04:05Z",
        ),
        (
            "--from 2024-02-01 --to 2024-01-01",
            "--from is later than --to",
        ),
        (
            "--format timesketch -o out.json",
            "--output out.json: expected a name that ends in .jsonl, by which Timesketch knows the format",
        ),
        (
            "--format timesketch-csv -o out",
            "--output out: expected a name that ends in .csv, by which Timesketch knows the format",
        ),
        ("-o app.tar", "app.tar: the output is the input"),
        ("--layer 4", "app.tar: no layer 4: the image has 3 layers"),
    ] {
        room.run(&format!("imghistory --timeline {line} app.tar"))
            .fails(&format!("imghistory: {why}\n"));
    }
}

#[test]
fn a_file_gets_what_standard_output_would() {
    let room = room();
    for (format, name) in [
        ("bodyfile", "out"),
        ("l2tcsv", "out.txt"),
        ("timesketch", "out.jsonl"),
        ("timesketch-csv", "out.csv"),
        ("json", "out"),
        ("table", "out"),
    ] {
        let line = format!("imghistory --timeline --format {format} app.tar");
        let expected = room.run(&line);
        room.run(&format!("{line} -o {name}")).ok("");
        let written = std::fs::read_to_string(room.path(name)).expect("a file");
        assert_eq!(written, expected.code(0).out(), "{format}");
    }
}

/// Name and PAX records of a file.
type Recorded<'a> = (&'a [u8], &'a [(&'a str, &'a str)]);

/// A tar of files with PAX records.
fn pax(files: &[Recorded<'_>]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, records) in files {
        let records = records.iter().map(|(key, value)| (*key, value.as_bytes()));
        let path = [("path", *name)];
        tar.append_pax_extensions(path.into_iter().chain(records))
            .expect("records");
        let mut header = tar::Header::new_ustar();
        header.set_path("x").expect("a path");
        header.set_size(0);
        header.set_mode(0o4755);
        header.set_uid(1000);
        header.set_gid(7);
        header.set_mtime(u64::try_from(MADE).expect("a time"));
        header.set_cksum();
        tar.append(&header, &b""[..]).expect("an entry");
    }
    tar.into_inner().expect("a tar")
}

#[test]
fn bodyfiles_have_a_line_for_each_version_in_both_dialects() {
    let times = [
        ("atime", "1704067201.5"),
        ("ctime", "1704067202"),
        ("LIBARCHIVE.creationtime", "-5.5"),
    ];
    let layer = pax(&[
        (b"a|b%c\\d\n\xff\xc2\x9b\xe2\x82\xac", &times),
        (b"x (layer 1, removed by 2)", &[("mtime", "-1")]),
        (b"x -> y", &[("mtime", "0")]),
    ]);
    let image = build::image("demo:1").layer_bytes(layer).layer("d x");
    let room = Room::with("app.tar", &build::docker(&[&image]));
    room.run("imghistory --timeline --format bodyfile app.tar").is(
        0,
        "0|/a%7Cb%25c\\\\d\\x0a\\xff\\xc2\\x9b\u{20ac}|1-1|r/rrwsr-xr-x|1000|7|0|1704067201|1704067200|1704067202|1704067200\n\
         0|/x|2-1|d/drwxr-xr-x|0|0|0|-1|1704067200|-1|1704067200\n\
         0|/x\\x20(layer 1, removed by 2)|1-2|r/rrwsr-xr-x|1000|7|0|-1|-1|-1|1704067200\n\
         0|/x\\x20-> y|1-3|r/rrwsr-xr-x|1000|7|0|-1|0|-1|1704067200\n",
        "imghistory: mactime does not show times before 1970: 1 written\n",
    );
    let plaso = room.run("imghistory --timeline --format bodyfile-plaso --hashes md5 app.tar");
    // Of no bytes, by md5sum.
    plaso.says("d41d8cd98f00b204e9800998ecf8427e|/a\\|b%c\\\\d\\x0a\\xff\\xc2\\x9b\u{20ac}|1-1|");
    plaso.says("|0|1704067200|0|1704067200\n");
    plaso.complains("imghistory: plaso takes times of 0 for unknown ones: 1 written\n");
    // Whiteouts, links and several images.
    let other = build::image("tools:1").layer("f x one");
    let room = Room::with("app.tar", &build::docker(&[&self::image(), &other]));
    let body = room.run("imghistory --timeline --format bodyfile app.tar");
    for line in [
        "0|[demo:1] /etc/a (layer 1, replaced by 2)|1-3|r/rrw-r--r--|0|0|3|-1|1704067200|-1|1704153600\n",
        "0|[demo:1] /etc/token (layer 3, entry 1, whiteout)|3-1|w/w---------|0|0|0|-1|1704067200|-1|1709247600\n",
        "0|[demo:1] /link -> etc/a|2-2|l/lrw-r--r--|0|0|0|-1|1704067200|-1|1706745600\n",
        "0|[tools:1] /x|1-1|r/rrw-r--r--|0|0|3|-1|1704067200|-1|1704067200\n",
    ] {
        body.says(line);
    }
}

#[test]
fn digests_are_those_of_md5sum() {
    let room = room();
    let line = "imghistory --timeline --hashes md5 --format";
    let body = room.run(&format!("{line} bodyfile app.tar"));
    for text in [
        "5ebe2294ecd0e0f08eab7690d2a6ee69|/etc/token (layer 1, removed by 3)|",
        "f97c5d29941bfb1b2fdab0874906ab82|/etc/a (layer 1, replaced by 2)|",
        "b8a9f715dbb64fd5c56e7783c6820a61|/etc/a|2-1|",
        "0|/link -> etc/a|",
        "0|/etc/token (layer 3, entry 1, whiteout)|",
    ] {
        body.code(0).says(text);
    }
    room.run(&format!("{line} l2tcsv app.tar")).is(
        2,
        "",
        "imghistory: --hashes has an effect only with --format bodyfile or bodyfile-plaso\n",
    );
    // A layer of which nothing is shown is not asked for.
    let one = room.run(&format!("{line} bodyfile --layer 2 app.tar"));
    one.code(0)
        .says("b8a9f715dbb64fd5c56e7783c6820a61|/etc/a|2-1|");
}

/// A layer of files with their times and contents.
fn dated(files: &[(&str, u64, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, seconds, data) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1_704_000_000 + seconds);
        tar.append_data(&mut header, name, data.as_bytes())
            .expect("an entry");
    }
    tar.into_inner().expect("a tar")
}

#[test]
fn files_that_differ_from_their_package_and_are_not_newer_are_told() {
    // By md5sum, of "one" and "two"; the third is of no contents here.
    let sums = "f97c5d29941bfb1b2fdab0874906ab82  usr/bin/a\nb8a9f715dbb64fd5c56e7783c6820a61  usr/bin/b\n\
                7c6e4a2b6e8fdd8a3ba4d7b1a2c3d4e5  usr/bin/c\n";
    let info = "var/lib/dpkg/info/p";
    let below = dated(&[
        ("usr/bin/a", 1, "one"),
        ("usr/bin/b", 500, "two"),
        (
            &format!("{info}.list"),
            0,
            "/usr/bin/a\n/usr/bin/b\n/usr/bin/c\n",
        ),
        (&format!("{info}.md5sums"), 0, sums),
    ]);
    let above = dated(&[
        ("usr/bin/a", 400, "another"),
        ("usr/bin/c", 501, "newer than all"),
        ("usr/bin/d", 2, "of no package"),
    ]);
    let image = build::image("demo:1").layer_bytes(below).layer_bytes(above);
    let room = Room::with("app.tar", &build::docker(&[&image]));
    room.run("imgconvert -q --compression gzip app.tar oci-archive:gz.tar")
        .code(0);
    let flagged = |line: &str| -> Vec<String> {
        let rows = room.run(line).code(0).json_lines();
        let rows = rows.iter().filter(|row| {
            row["Anomalies"]
                .to_string()
                .contains("content-without-time")
        });
        rows.map(|row| format!("{}: {}", row["Message"], row["Reasons"]))
            .collect()
    };
    for options in [
        "app.tar",
        "gz.tar",
        "--cache cache gz.tar",
        "--cache cache gz.tar",
    ] {
        assert_eq!(
            flagged(&format!(
                "imghistory --timeline --anomalies --format json {options}"
            )),
            [
                "\"/usr/bin/a\": \"content-without-time: 2023-12-31T05:26:40Z, contents are not those of its package, \
                 whose other files have at most 2023-12-31T05:28:20Z\""
            ],
            "{options}"
        );
        // Not without the option, which reads all files.
        let none: [String; 0] = [];
        assert_eq!(
            flagged(&format!("imghistory --timeline --format json {options}")),
            none
        );
    }
}

#[test]
fn other_times_of_files_are_events() {
    let times = [
        ("mtime", "1704067200.25"),
        ("atime", "1704067201.5"),
        ("ctime", "1704067200.25"),
        ("LIBARCHIVE.creationtime", "-5.5"),
    ];
    let image = build::image("demo:1").layer_bytes(pax(&[(b"a", &times)]));
    let room = Room::with("app.tar", &build::docker(&[&image]));
    let rows = events(&room.run("imghistory --timeline --format json app.tar"));
    assert_eq!(
        rows,
        [
            "1969-12-31T23:59:54.5Z birth 1 /a",
            "2024-01-01T00:00:00Z layer 1 layer 1: COPY layer 1 /",
            "2024-01-01T00:00:00Z config - image created: demo:1",
            "2024-01-01T00:00:00.25Z content 1 /a",
            "2024-01-01T00:00:00.25Z change 1 /a",
            "2024-01-01T00:00:01.5Z access 1 /a",
        ]
    );
    let l2t =
        room.run("imghistory --timeline --format l2tcsv --from 2024-01-01T00:00:00.1Z app.tar");
    let lines: Vec<&str> = l2t.code(0).out().lines().collect();
    assert_eq!(lines.len(), 3, "{l2t}");
    assert_eq!(
        lines[0],
        "date,time,timezone,MACB,source,sourcetype,type,user,host,short,desc,version,filename,inode,notes,format,extra"
    );
    let id = image.id();
    let diff_id = &image.diff_ids()[0];
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(
        lines[1],
        format!(
            "01/01/2024,00:00:00,UTC,M.C.,FILE,Image layer 1,Content Modification Time; Metadata Modification Time,1000,demo:1,/a,/a,2,/a,1-1,-,imgkit,\
             created_by: COPY layer 1 /; diff_id: {diff_id}; gid: 7; image_id: {id}; mode: 4755; sha256: {empty}; size: 0; state: final"
        )
    );
    let sketch =
        room.run("imghistory --timeline --format timesketch --from 2024-01-01T00:00:01Z app.tar");
    sketch.ok(&format!(
        "{{\"message\":\"/a\",\"timestamp\":1704067201500000,\"datetime\":\"2024-01-01T00:00:01.500000+00:00\",\
         \"timestamp_desc\":\"Last Access Time\",\"data_type\":\"imgkit:version\",\"image\":\"demo:1\",\"image_id\":\"{id}\",\
         \"layer\":1,\"diff_id\":\"{diff_id}\",\"created_by\":\"COPY layer 1 /\",\"path\":\"/a\",\"state\":\"final\",\
         \"by_layer\":null,\"mode\":\"4755\",\"uid\":1000,\"gid\":7,\"size\":0,\"sha256\":\"{empty}\",\"tag\":[]}}\n"
    ));
    let csv = room
        .run("imghistory --timeline --format timesketch-csv --from 2024-01-01T00:00:01Z app.tar");
    csv.ok(&format!(
        "message,timestamp,datetime,timestamp_desc,data_type,image,image_id,layer,diff_id,created_by,path,state,by_layer,mode,uid,gid,size,sha256,tag\r\n\
         /a,1704067201500000,2024-01-01T00:00:01.500000+00:00,Last Access Time,imgkit:version,demo:1,{id},1,{diff_id},COPY layer 1 /,/a,final,,4755,1000,7,0,{empty},\r\n"
    ));
}

#[test]
fn documents_archives_and_logs_record_times_too() {
    let log = "2024-01-05 10:00:00 startup archives unpack\n2024-01-05 10:00:01 install curl:amd64 <none> 8.5\n";
    let more = format!("{log}2024-01-06 10:00:00 remove curl:amd64 8.5 <none>\n");
    let label = json!({"Labels": {"org.opencontainers.image.created": "2024-01-07T00:00:00Z"}});
    let image = build::image("demo:1")
        .layer(&format!("f var/log/dpkg.log {log}"))
        .packed(Pack::Gzip)
        .layer(&format!("f var/log/dpkg.log {more}"))
        .set("config", label);
    for (name, files) in [
        ("app.tar", build::docker(&[&image])),
        ("oci.tar", build::oci(&[&image])),
    ] {
        let room = Room::with(name, &files);
        let rows = events(&room.run(&format!(
            "imghistory --timeline --format json --from 2024-01-02 {name}"
        )));
        assert_eq!(
            rows,
            [
                "2024-01-05T10:00:01Z package 1 dpkg: install curl:amd64 <none> 8.5",
                "2024-01-06T10:00:00Z package 2 dpkg: remove curl:amd64 8.5 <none>",
                "2024-01-07T00:00:00Z annotation - label: org.opencontainers.image.created",
            ],
            "{name}"
        );
        // With an index of the layer, too.
        let line = format!("imghistory --timeline --format json --cache cache {name}");
        let first = room.run(&line);
        assert_eq!(first.code(0).out(), room.run(&line).out());
        assert_eq!(
            first.out(),
            room.run(&format!("imghistory --timeline --format json {name}"))
                .out()
        );
    }
    let room = Room::with("app.tar", &build::docker(&[&image]));
    let stored = room.run("imghistory --timeline --format '{{.Event}} {{.Path}}' app.tar");
    stored.says("stored manifest.json\n");
}

#[test]
fn gzip_headers_and_provenance_are_events() {
    let mut packed = Pack::Gzip.pack(build::image("x").layer("f a x").layer_tar(0));
    packed[4..8].copy_from_slice(&1_704_153_600_u32.to_le_bytes());
    let image = build::image("demo:1").layer("f a x").stored(packed);
    let room = Room::with("oci.tar", &build::oci(&[&image]));
    let rows = room
        .run("imghistory --timeline --format json --from 2024-01-02 oci.tar")
        .json_lines();
    let stored: Vec<&Value> = rows.iter().filter(|row| row["Layer"] == 1).collect();
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0]["Message"], "layer 1 compressed with gzip");
    assert_eq!(stored[0]["Description"], "Recorded Time");
}

#[test]
fn what_can_be_read_of_a_damaged_image_is_printed() {
    let mut files = build::docker(&[&image()]);
    let layer = files
        .names()
        .into_iter()
        .find(|name| files.get(name) == image().layer_tar(1));
    let layer = layer.expect("a layer");
    files.bytes(&layer)[0] ^= 0xff;
    let room = Room::with("app.tar", &files);
    let run = room.run("imghistory --timeline --format bodyfile app.tar gone.tar");
    run.code(2)
        .says("0|/etc/token (layer 1, removed by 3)|1-2|");
    run.says("0|/etc/a|1-3|");
    let errors: Vec<&str> = run.err().lines().collect();
    assert_eq!(errors.len(), 2, "{run}");
    assert!(
        errors[0].starts_with("imghistory: gone.tar: cannot open: "),
        "{run}"
    );
    assert!(
        errors[1].starts_with("imghistory: app.tar: layer 2 of 3: "),
        "{run}"
    );
}

/// A tar of files with these times in seconds and nanoseconds.
fn timed(files: &[(&str, &str)]) -> Vec<u8> {
    let files: Vec<_> = files
        .iter()
        .map(|(name, time)| (*name, [("mtime", *time)]))
        .collect();
    let files: Vec<Recorded<'_>> = files
        .iter()
        .map(|(name, records)| (name.as_bytes(), &records[..]))
        .collect();
    pax(&files)
}

/// Runs a line long after all files were made.
fn late(room: &Room, line: &str) -> Output {
    room.command(line)
        .env("SOURCE_DATE_EPOCH", "1800000000")
        .run()
}

/// Messages and reasons of the anomalies of an image.
fn anomalies(image: &Image, options: &str) -> Vec<String> {
    let room = Room::with("app.tar", &build::docker(&[image]));
    let format = "'{{.Message}}: {{.Reasons}}'";
    let line = format!("imghistory --timeline --anomalies --format {format} {options} app.tar");
    let run = late(&room, &line);
    run.code(0).out().lines().map(str::to_owned).collect()
}

#[test]
fn each_anomaly_by_example() {
    let history = |second: &str| {
        json!([
            {"created": "2024-01-01T00:00:00Z", "created_by": "a"},
            {"created": second, "created_by": "b"},
        ])
    };
    let image = |files: &[(&str, &str)], second: &str| {
        build::image("demo:1")
            .layer_bytes(timed(files))
            .layer("d x")
            .history(history(second))
            .set("created", json!("2024-03-01T00:00:00Z"))
    };
    // A day is in the order of things.
    let newer = image(
        &[("a", "1704153600"), ("b", "1704153601")],
        "2024-02-01T00:00:00Z",
    );
    assert_eq!(
        anomalies(&newer, ""),
        ["/b: newer-than-layer: 2024-01-02T00:00:01Z, creation of layer 1 2024-01-01T00:00:00Z"]
    );
    let future = image(
        &[
            ("a", "1709337600"),
            ("b", "1709337601.5"),
            ("c", "1709337601.5"),
            ("d", "1709337601.5"),
            ("e", "1709337601.5"),
            ("f", "1709337601.5"),
            ("g", "1709337601.5"),
            ("h", "1709337601.5"),
            ("i", "1709337601.5"),
            ("j", "1709337601.5"),
        ],
        "2024-02-01T00:00:00Z",
    );
    let found = anomalies(&future, "");
    assert_eq!(found.len(), 9, "{found:?}");
    assert_eq!(
        found[0],
        "/b: future: 2024-03-02T00:00:01.5Z, creation of the image 2024-03-01T00:00:00Z"
    );
    let backwards = image(&[("a", "1704000000")], "2023-12-31T23:59:59Z");
    assert_eq!(
        anomalies(&backwards, ""),
        [
            "layer 2: b: steps-backwards: 2023-12-31T23:59:59Z, creation of the step below 2024-01-01T00:00:00Z"
        ]
    );
    let constants = image(
        &[
            ("a", "0"),
            ("b", "1"),
            ("c", "315532800"),
            ("d", "499162500"),
            ("e", "946684800"),
            ("f", "1.5"),
            ("g", "-1"),
        ],
        "2024-02-01T00:00:00Z",
    );
    let found = anomalies(&constants, "");
    assert_eq!(found.len(), 5, "{found:?}");
    assert_eq!(
        found[3],
        "/d: placeholder: 1985-10-26T08:15:00Z, the constant of npm"
    );
    let far = image(&[("a", "4102444800")], "2024-02-01T00:00:00Z");
    assert_eq!(
        anomalies(&far, ""),
        [
            "/a: newer-than-layer: 2100-01-01T00:00:00Z, creation of layer 1 2024-01-01T00:00:00Z; \
          future: 2100-01-01T00:00:00Z, creation of the image 2024-03-01T00:00:00Z; \
          placeholder: 2100-01-01T00:00:00Z, a year beyond 2100"
        ]
    );
}

#[test]
fn files_older_than_what_they_replace_and_times_without_fractions() {
    let replaced = build::image("demo:1")
        .layer_bytes(timed(&[
            ("a", "1704000100"),
            ("b", "1704000100"),
            ("c", "1704000100"),
        ]))
        .layer_bytes({
            let mut tar = tar::Builder::new(Vec::new());
            for (name, data, time) in [
                ("a", "x", 1_704_000_000),
                ("b", "", 1_704_000_000),
                ("c", "x", 1_704_000_200),
            ] {
                let mut header = tar::Header::new_ustar();
                header.set_size(data.len() as u64);
                header.set_mtime(time);
                tar.append_data(&mut header, name, data.as_bytes())
                    .expect("an entry");
            }
            tar.into_inner().expect("a tar")
        })
        .history(json!([
            {"created": "2024-01-01T00:00:00Z", "created_by": "a"},
            {"created": "2024-02-01T00:00:00Z", "created_by": "b"},
        ]))
        .set("created", json!("2024-03-01T00:00:00Z"));
    assert_eq!(
        anomalies(&replaced, ""),
        ["/a: older-than-below: 2023-12-31T05:20:00Z, version of layer 1 2023-12-31T05:21:40Z"]
    );
    // Beyond what is looked at, too.
    assert_eq!(anomalies(&replaced, "--layer 2").len(), 1);
    let names: Vec<String> = (0..25).map(|number| format!("f{number:02}")).collect();
    let mut files: Vec<(&str, String)> = names
        .iter()
        .map(|name| (name.as_str(), format!("{}.5", 1_704_000_000 + name.len())))
        .collect();
    for (number, (_, time)) in files.iter_mut().enumerate() {
        *time = format!("{}.{}", 1_704_000_000 + number, number + 1);
    }
    files[7].1 = "1704000007".to_owned();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, time)| (*name, time.as_str()))
        .collect();
    let image = build::image("demo:1").layer_bytes(timed(&files));
    assert_eq!(
        anomalies(&image, ""),
        [
            "/f07: zero-fraction: 2023-12-31T05:20:07Z, without a fraction, which 95 % of the layer's other files have"
        ]
    );
}

#[test]
fn clamped_layers_are_told_once_and_their_times_not_compared() {
    let later = "1706000000";
    let image = build::image("demo:1")
        .layer_bytes(timed(&[
            ("a", later),
            ("b", later),
            ("c", later),
            ("d", later),
        ]))
        .layer_bytes(timed(&[("e", later)]))
        .history(json!([
            {"created": "2024-01-01T00:00:00Z", "created_by": "a"},
            {"created": "2024-01-02T00:00:00Z", "created_by": "b"},
        ]))
        .set("created", json!("2024-03-01T00:00:00Z"));
    let room = Room::with("app.tar", &build::docker(&[&image]));
    late(&room, "imghistory --timeline --anomalies --format '{{.Path}} {{join .Anomalies \" \"}}' app.tar").is(
        0,
        "e newer-than-layer\n",
        "imghistory: app.tar: demo:1: clamped times in layer 1: 90 % of the files have 2024-01-23T08:53:20Z: rules newer-than-layer and older-than-below are off\n",
    );
    let run = late(
        &room,
        "imghistory --timeline --format timesketch --from 2024-01-23 app.tar",
    );
    let tags: Vec<Value> = run
        .code(0)
        .json_lines()
        .iter()
        .map(|row| row["tag"].clone())
        .collect();
    assert_eq!(
        tags.iter()
            .filter(|tag| **tag == json!(["newer-than-layer"]))
            .count(),
        1,
        "{tags:?}"
    );
    let csv = late(
        &room,
        "imghistory --timeline --anomalies --format l2tcsv app.tar",
    );
    csv.says(",/e,2-1,newer-than-layer,imgkit,");
    late(
        &room,
        "imghistory --timeline --anomalies --format bodyfile app.tar",
    )
    .says("0|/e|2-1|");
    // One time for all steps.
    let same = build::image("demo:1")
        .layer_bytes(timed(&[("a", later)]))
        .layer("f b x");
    let room = Room::with("app.tar", &build::docker(&[&same]));
    late(
        &room,
        "imghistory --timeline --anomalies --format '{{.Path}} {{join .Anomalies \" \"}}' app.tar",
    )
    .complains("clamped times in layer 1, 2: all steps of the image have one time: ");
}

#[test]
fn archives_newer_than_their_image_are_anomalies() {
    let mut packed = Pack::Gzip.pack(build::image("x").layer("f a x").layer_tar(0));
    packed[4..8].copy_from_slice(&1_704_153_601_u32.to_le_bytes());
    let image = build::image("demo:1").layer("f a x").stored(packed);
    let room = Room::with("oci.tar", &build::oci(&[&image]));
    let run =
        room.run("imghistory --timeline --anomalies --format '{{.Layer}} {{.Reasons}}' oci.tar");
    run.says("1 stored-later: 2024-01-02T00:00:01Z, creation of the image 2024-01-01T00:00:00Z\n");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn names_in_bodyfiles_are_unique(layers in any_layers()) {
        let mut image = build::image("demo:1");
        for layer in &layers {
            image = image.layer(layer);
        }
        let room = Room::with("app.tar", &build::docker(&[&image]));
        let archive = Open::default().path(&room.path("app.tar")).expect("an archive");
        let selection = archive.select(&Pick::Only, None).expect("an image");
        let listings = Reading::default().list_all(selection.image()).expect("listings");
        let tree = Tree::apply(listings).expect("a tree");
        let image = TimedImage::new(&archive, selection.image(), "demo:1".into(), &tree);
        let mut names = HashSet::new();
        for version in tree.versions() {
            let label = Label::of(&image, &version);
            for dialect in [Dialect::Mactime, Dialect::Plaso] {
                let name = dialect.name(&label);
                prop_assert!(unescaped_name(dialect, &name).is_some(), "{}", name);
                prop_assert!(names.insert((dialect == Dialect::Plaso, name)), "{:?}", label);
            }
        }
    }

    #[test]
    fn escaped_names_come_back(path in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'|'), Just(b'\\'), Just(b'%'), Just(b' '), Just(b'(')], 0..40)) {
        let label = Label { prefix: None, path: path.clone(), ending: String::new(), target: None };
        for dialect in [Dialect::Mactime, Dialect::Plaso] {
            let name = dialect.name(&label);
            let back = unescaped_name(dialect, &name);
            prop_assert_eq!(back.as_ref(), Some(&path), "{}", &name);
            prop_assert!(dialect == Dialect::Plaso || !name.contains('|'));
        }
    }
}
