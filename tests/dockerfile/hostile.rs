//! Any history gives a Dockerfile that parses.

use serde_json::json;

use super::*;
use proptest::prelude::*;
use proptest::test_runner::Config;

/// Pieces of entries: all texts with a meaning in any form.
fn piece() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "RUN ",
        "COPY ",
        "ADD ",
        "ENV ",
        "LABEL ",
        "ARG ",
        "CMD ",
        "ENTRYPOINT ",
        "HEALTHCHECK ",
        "ONBUILD ",
        "SHELL ",
        "VOLUME ",
        "EXPOSE ",
        "USER ",
        "WORKDIR ",
        "STOPSIGNAL ",
        "MAINTAINER ",
        "FROM ",
        "CROSS ",
        "/bin/sh -c ",
        "/bin/sh -c #(nop) ",
        "/bin/sh -c #(nop)  ",
        "#(nop)",
        " # buildkit",
        "|1 A=",
        "|2 ",
        "file:abc",
        " in ",
        "--chown=",
        "--from=x ",
        "--",
        "<<EOF",
        "<<",
        "EOF\n",
        "\n",
        "\\",
        "\\\n",
        "\"",
        "'",
        "`",
        "$",
        "${",
        "$(",
        ")",
        "[",
        "]",
        "[\"",
        "\"]",
        "[\"a\" \"b\"]",
        "{",
        "}",
        "&{[",
        "map[",
        "\"30s\"",
        "'\\x03'",
        "Test:[",
        "] Interval:",
        "NONE",
        "&&",
        "    ",
        ";",
        "#",
        "# escape=x",
        "\n# escape=`\n",
        "\t",
        "=",
        "a=b",
        "a",
        "b c",
        "/",
        "/x",
        "\r",
        "\0",
        "\u{1b}[31m",
        "\u{202e}",
        "é",
        "😀",
        "\u{2028}",
        "http://u:p@h/",
        "*",
    ]);
    prop_oneof![6 => words.prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from), 1 => "\\PC{0,8}"]
}

fn entry() -> impl Strategy<Value = (String, usize, bool)> {
    let text = prop::collection::vec(piece(), 0..12).prop_map(|pieces| pieces.concat());
    (text, 0..5_usize, any::<bool>())
}

proptest! {
    #![proptest_config(Config {
        cases: 60, max_shrink_iters: 400, failure_persistence: None, ..Config::default()
    })]

    #[test]
    fn whatever_the_history_holds_parses(
        entries in prop::collection::vec(entry(), 0..25),
        texts in prop::collection::vec(entry(), 8),
        windows in any::<bool>(),
    ) {
        let comments = ["", BUILDKIT, "FROM x\ny", "FROM a/b:c", "merge sha256:a to sha256:b\nRUN x"];
        let steps: Vec<Step<'_>> = entries
            .iter()
            .map(|(text, comment, layer)| (text.as_str(), comments[*comment], if *layer { "f x 1" } else { "" }))
            .collect();
        let t = |i: usize| texts[i].0.clone();
        let mut config = json!({
            "Env": [t(0), format!("A={}", t(1))], "Cmd": [t(2)], "Entrypoint": [t(3), "x"], "User": t(4),
            "WorkingDir": t(5), "StopSignal": t(6), "OnBuild": [t(7), "RUN x"], "Shell": [t(0), "-c"],
            "Healthcheck": {"Test": ["CMD-SHELL", t(1)], "Interval": 5},
        });
        config["Labels"] = json!({t(2): t(3)});
        config["Volumes"] = json!({t(4): {}});
        config["ExposedPorts"] = json!({t(5): {}});
        let mut image = image(config, "", &steps);
        if windows {
            image = image.set("os", "windows".into());
        }
        let room = Room::with("app.tar", &build::docker(&[&image]));
        for line in ["imghistory --dockerfile app.tar", "imghistory --dockerfile --annotate app.tar"] {
            let run = room.run(line);
            run.no_crash().code(0);
            parses(run.out());
            let controls = run.out().chars().any(|c| c.is_control() && c != '\n' && c != '\t');
            prop_assert!(!controls, "{}", run);
        }
        room.run("imghistory --dockerfile --extract out app.tar").no_crash().code(0);
        let text = std::fs::read(room.path("out/Dockerfile")).expect("a Dockerfile");
        parses(std::str::from_utf8(&text).expect("UTF-8"));
    }
}
