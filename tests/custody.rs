//! Custody records: who read what, when and with what; chains of records.

use std::os::unix::fs::MetadataExt;

use serde_json::{Value, json};

use crate::common::build;
use crate::common::run::{Room, program};

fn room() -> Room {
    let image = build::image("demo:1")
        .layer("f a one | f b two")
        .layer("w a");
    Room::with("app.tar", &build::docker(&[&image]))
}

fn record(room: &Room, name: &str) -> Value {
    let bytes = std::fs::read(room.path(name)).expect("a record");
    serde_json::from_slice(&bytes).expect("JSON")
}

fn digest_of(path: &std::path::Path) -> String {
    build::digest(&std::fs::read(path).expect("a file"))
}

/// Lines that write a record `out.json` of `app.tar`.
const LINES: [&str; 3] = [
    "imgverify -q --custody out.json app.tar",
    "imghistory --timeline --format bodyfile -o body --custody out.json app.tar",
    "imgexport --deleted -o body --custody out.json app.tar",
];

#[test]
fn a_record_says_who_read_what_when_and_with_what() {
    for line in LINES {
        let room = room();
        let words = "--case 26-041 --exhibit A1 --operator 'J. Doe' --note 'as received' --host";
        room.run(&format!("{line} {words}")).ok("");
        let json = record(&room, "out.json");
        let metadata = std::fs::metadata(room.path("app.tar")).expect("a file");
        let tar = digest_of(&room.path("app.tar"));
        let name = line.split(' ').next().expect("a program");
        assert_eq!(json["CustodyVersion"], 2);
        assert_eq!(json["Program"]["Name"], name);
        assert_eq!(json["Program"]["SHA256"], digest_of(&program(name)));
        for (key, value) in [
            ("Case", "26-041"),
            ("Exhibit", "A1"),
            ("Operator", "J. Doe"),
            ("Note", "as received"),
        ] {
            assert_eq!(json[key], value);
        }
        assert_eq!(json["Time"], "2024-01-03T00:00:00Z");
        assert_eq!(json["SourceDateEpoch"], 1_704_240_000);
        assert!(json["Started"].as_str() <= json["Ended"].as_str());
        assert!(json["Started"].as_str().expect("a time") > "2025");
        let command: Vec<&str> = json["Command"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        assert!(
            command.contains(&"--custody") && command.contains(&"J. Doe"),
            "{command:?}"
        );
        assert_eq!(json["Host"]["OS"], "Linux");
        assert!(json["Host"]["Name"].is_string());
        assert_eq!(json["Previous"], Value::Null);
        assert_eq!(json["OpenedReadOnly"], true);
        let input = &json["Input"];
        assert_eq!(
            (&input["Name"], &input["Kind"]),
            (&json!("app.tar"), &json!("bytes"))
        );
        assert_eq!(input["SHA256"], tar);
        for state in [&input["Before"], &input["After"]] {
            assert_eq!(state["SHA256"], tar);
            assert_eq!(state["Size"], metadata.len());
            assert_eq!(state["Inode"], metadata.ino());
            assert_eq!(state["Device"], metadata.dev());
        }
        assert_eq!(input["Unchanged"], true);
        let outputs = match name {
            "imgverify" => json!([]),
            _ => {
                let body = std::fs::read(room.path("body")).expect("a file");
                json!([{"Name": "body", "Size": body.len(), "SHA256": build::digest(&body)}])
            }
        };
        assert_eq!(json["Outputs"], outputs);
        // Nothing is known of people and hosts unless it is told.
        room.run(line).ok("");
        let json = record(&room, "out.json");
        for key in ["Case", "Exhibit", "Operator", "Note"] {
            assert_eq!(json[key], Value::Null, "{key}");
        }
        assert!(json["Host"].get("Name").is_none());
        room.command(line)
            .env("IMGKIT_CASE", "26-042")
            .env("IMGKIT_OPERATOR", "")
            .run()
            .ok("");
        let json = record(&room, "out.json");
        assert_eq!(
            (&json["Case"], &json["Operator"]),
            (&json!("26-042"), &Value::Null)
        );
    }
}

#[test]
fn what_is_printed_is_an_output_and_streams_are_inputs() {
    let room = room();
    let tar = std::fs::read(room.path("app.tar")).expect("a file");
    for line in [
        "imghistory --timeline --format l2tcsv --custody out.json",
        "imgfind --format json --custody out.json",
        "imgfind -0 -e . --custody out.json",
    ] {
        let run = room.run(&format!("{line} app.tar"));
        let printed = run.code(0).out();
        let json = record(&room, "out.json");
        let output = json!([{"Name": "-", "Size": printed.len(), "SHA256": build::digest(printed.as_bytes())}]);
        assert_eq!(json["Outputs"], output);
        assert!(!printed.is_empty());
        room.command(&format!("{line} -")).pipe(&tar).run().code(0);
        let json = record(&room, "out.json");
        assert_eq!(json["Input"]["SHA256"], build::digest(&tar));
        for key in ["Before", "After", "Unchanged"] {
            assert_eq!(json["Input"][key], Value::Null);
        }
        room.run("imgverify -q --check-custody out.json app.tar")
            .ok("");
    }
    room.run("imgfind --custody - app.tar")
        .fails("imgfind: --custody - requires a FILE: both are on standard output\n");
    // Nothing found is a result, too.
    room.run("imgfind --custody none.json app.tar -name none")
        .code(1);
    assert_eq!(record(&room, "none.json")["Input"]["Unchanged"], true);
    room.run("imghistory --timeline --custody - app.tar")
        .fails("imghistory: --custody - requires --output FILE: both are on standard output\n");
    room.run("imghistory --timeline --custody app.tar app.tar")
        .fails("imghistory: app.tar: the output is the input\n");
    room.run("imghistory --timeline --custody out.json app.tar app.tar")
        .fails("imghistory: --custody is a record of one input: name one IMAGE\n");
    // A directory of archives.
    std::fs::create_dir_all(room.path("images/deep")).expect("a directory");
    room.write("images/a.tar", &tar);
    room.write("images/deep/b.tar", &tar);
    room.run("imghistory --timeline -o times --custody out.json images")
        .ok("");
    let list =
        ["a.tar", "deep/b.tar"].map(|name| format!("{}  {name}\n", &build::digest(&tar)[7..]));
    let json = record(&room, "out.json");
    assert_eq!(
        json["Input"]["SHA256"],
        build::digest(list.concat().as_bytes())
    );
    room.run("imgverify -q --check-custody out.json images")
        .ok("");
    room.write("images/more", b"x");
    room.run("imgverify -q --check-custody out.json images")
        .code(1);
}

#[test]
fn exports_are_outputs() {
    let room = room();
    room.run("imgexport -C tree --config config --custody out.json app.tar")
        .ok("");
    let list = format!("{}  b\n", &build::digest(b"two")[7..]);
    let config = std::fs::read(room.path("config")).expect("a file");
    assert_eq!(
        record(&room, "out.json")["Outputs"],
        json!([
            {"Name": "tree", "Size": 3, "SHA256": build::digest(list.as_bytes())},
            {"Name": "config", "Size": config.len(), "SHA256": build::digest(&config)},
        ])
    );
    let tar = std::fs::read(room.path("app.tar")).expect("a file");
    room.command("imgexport -o out.tar --custody out.json -")
        .pipe(&tar)
        .run()
        .ok("");
    assert_eq!(
        record(&room, "out.json")["Input"]["SHA256"],
        build::digest(&tar)
    );
    room.run("imgexport --custody out.json app.tar")
        .fails("imgexport: --custody requires --output FILE or -C DIR, which the record is of\n");
}

#[test]
fn records_form_a_chain_that_is_walked() {
    let room = room();
    room.run("imgverify -q --custody 1.json app.tar").ok("");
    room.run("imghistory --timeline -o times --custody 2.json --previous 1.json app.tar")
        .ok("");
    room.run("imgverify -q --custody 3.json --previous 2.json app.tar")
        .ok("");
    let digest = |name: &str| digest_of(&room.path(name));
    assert_eq!(
        record(&room, "3.json")["Previous"],
        json!({"File": "2.json", "SHA256": digest("2.json")})
    );
    let size = std::fs::metadata(room.path("app.tar"))
        .expect("a file")
        .len();
    let check = "imgverify --check-custody 3.json app.tar";
    room.run(check).ok(&format!(
        "app.tar: unchanged: {}, {size} bytes\n2.json: unchanged: {}\n1.json: unchanged: {}\n",
        digest("app.tar"),
        digest("2.json"),
        digest("1.json")
    ));
    // From elsewhere, and with a record elsewhere.
    std::fs::create_dir(room.path("later")).expect("a directory");
    room.run("imgverify -q --custody later/4.json --previous 3.json app.tar")
        .ok("");
    room.run("imgverify -q --check-custody later/4.json app.tar")
        .ok("");
    // A record that was changed, one that is gone, and one of something else.
    let first = std::fs::read_to_string(room.path("1.json")).expect("a record");
    let stated = digest("1.json");
    room.write("1.json", first.replace("\"sound\"", "\"Sound\"").as_bytes());
    let changed = digest("1.json");
    room.run(check).code(1).says(&format!(
        "1.json: not the record before: expected {stated}, found {changed}\n"
    ));
    std::fs::remove_file(room.path("1.json")).expect("a file");
    room.run(check)
        .code(2)
        .complains("imgverify: 1.json: cannot open: no such file or directory\n");
    room.write(
        "other.tar",
        &build::docker(&[&build::image("x:1").layer("f x y")]).tar(),
    );
    room.run("imgverify -q --custody 1.json other.tar").ok("");
    room.run("imgverify -q --custody 5.json --previous 1.json app.tar")
        .ok("");
    room.run("imgverify --check-custody 5.json app.tar")
        .code(1)
        .says("1.json: a record of another input\n");
    room.write("text", b"{}");
    room.run("imgverify --custody 6.json --previous text app.tar")
        .fails("imgverify: text: not a record of custody: it has no CustodyVersion\n");
    assert!(!room.path("6.json").exists());
}
