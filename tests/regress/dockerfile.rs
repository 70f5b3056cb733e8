//! Dockerfiles of other builders.

use serde_json::json;

use crate::common::build;
use crate::common::run::Room;
use crate::dockerfile::{BUILDKIT, SUM, Step, becomes, body, image};

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn nop(text: &str) -> String {
    format!("/bin/sh -c #(nop) {text}")
}

/// buildah's default is one layer a stage, noted on the last entry with the base: all before it was taken for the base's.
#[test]
fn a_stage_of_one_layer_keeps_all_its_instructions() {
    let (copy, run) = (
        nop(&format!("COPY file:{SUM} in /a/x ")),
        "/bin/sh -c mkdir /made",
    );
    let (env, cmd) = (nop("ENV A=1"), nop("CMD [\"/a/x\"]"));
    let steps: &[Step<'_>] = &[
        ("", "Imported from -", "d etc"),
        (&env, "", ""),
        (&copy, "", ""),
        (run, "", ""),
        (
            &cmd,
            "FROM docker.io/library/base:1",
            "d a | f a/x one | d made",
        ),
    ];
    let config =
        json!({"Env": [PATH, "A=1"], "Cmd": ["/a/x"], "Labels": {"io.buildah.version": "1.28.2"}});
    let made = image(config, "", steps);
    let room = Room::with("app.tar", &build::docker(&[&made]));
    let shown = room.run("imghistory --dockerfile app.tar");
    shown.code(0).says("\nFROM docker.io/library/base:1\n");
    let expected = "ENV A=1\nCOPY <file:9bd9f0a1b2c3> /a/x\nRUN mkdir /made\nCMD [\"/a/x\"]";
    assert_eq!(body(shown.out()), expected, "{shown}");
    assert_eq!(shown.err(), "");
    // --extract alone is enough; the files of all steps come together, and no step is done twice.
    room.run("imghistory --extract context app.tar").code(0);
    let text = std::fs::read_to_string(room.path("context/Dockerfile")).expect("a Dockerfile");
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    assert_eq!(
        lines,
        [
            "FROM docker.io/library/base:1",
            "ENV A=1",
            "ADD layers/2.tar /",
            "CMD [\"/a/x\"]"
        ],
        "{text}"
    );
    assert!(
        text.contains("# COPY <file:9bd9f0a1b2c3> /a/x, whose files come with layer 2 below\n")
    );
    assert!(text.contains("# RUN mkdir /made\n"), "{text}");
    assert!(room.path("context/layers/2.tar").is_file());
}

/// Quotes and variables of buildah's entries were taken for parts of the values (values: buildah 1.28.2's).
#[test]
fn buildah_notes_what_was_typed() {
    let config = json!({
        "Env": [PATH, "A=x \"y\"", "C=a b", "D=x \"y\"/12"],
        "Labels": {"one": "single", "io.buildah.version": "1.28.2"},
        "User": "12", "WorkingDir": "/w/12", "ExposedPorts": {"8120/tcp": {}},
        "Volumes": {"/d 1": {}, "/d2": {}},
    });
    let texts = [
        "ARG V",
        "ENV A='x \"y\"' C=a\\ b",
        "ENV D=\"$A/$V\"",
        "LABEL one='single'",
        "USER ${V}",
        "WORKDIR /w/$V",
        "EXPOSE 8${V}0/tcp",
        "VOLUME [\"/d 1\", \"/d2\"]",
    ];
    let entries: Vec<String> = texts.iter().map(|text| nop(text)).collect();
    let steps: Vec<Step<'_>> = entries
        .iter()
        .map(|entry| (entry.as_str(), "FROM 0123456789ab", ""))
        .collect();
    let mut expected = texts;
    // Nothing records it, but the config gives it away.
    expected[0] = "ARG V=12";
    becomes("typed", config.clone(), "", &steps, &expected);
    let room = Room::with("app.tar", &build::docker(&[&image(config, "", &steps)]));
    assert_eq!(room.run("imghistory --dockerfile app.tar").err(), "");
}

/// kaniko notes what was typed, too.
#[test]
fn kaniko_notes_what_was_typed() {
    let config = json!({"Env": [PATH, "A=x \"y\"", "D=x \"y\"/b"]});
    becomes(
        "kaniko",
        config,
        "kaniko",
        &[
            ("ENV A='x \"y\"'", "", ""),
            ("ENV D=\"$A/b\"", "", ""),
            ("RUN [\"touch\", \"/a b\"]", "", "f x 1"),
        ],
        &[
            "ENV A='x \"y\"'",
            "ENV D=\"$A/b\"",
            "RUN [\"touch\",\"/a b\"]",
        ],
    );
}

/// A PATH with a variable was written with `\$`, so commands were no longer found.
#[test]
fn a_path_that_was_typed_stays_one() {
    let path = "PATH=/x:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/bin";
    let (first, second) = (nop("ENV PATH=$PATH:/opt/bin"), nop("ENV PATH=\"/x:$PATH\""));
    becomes(
        "path",
        json!({"Env": [path]}),
        "",
        &[
            (&first, "FROM 0123456789ab", ""),
            ("/bin/sh -c tool", "FROM 0123456789ab", "f x 1"),
            (&second, "FROM 0123456789ab", ""),
        ],
        &[
            "ENV PATH=$PATH:/opt/bin",
            "RUN tool",
            "ENV PATH=\"/x:$PATH\"",
        ],
    );
}

/// buildah notes the exec form and options of RUN behind `/bin/sh -c`, whatever SHELL says.
#[test]
fn commands_of_buildah_have_their_form() {
    let shell = nop("SHELL [\"/bin/bash\", \"-o\", \"pipefail\", \"-c\"]");
    let from = "FROM 0123456789ab";
    becomes(
        "commands",
        json!({"Shell": ["/bin/bash", "-o", "pipefail", "-c"]}),
        "",
        &[
            ("/bin/sh -c [\"touch\", \"/a b\"]", from, "f a 1"),
            (
                "/bin/sh -c --mount=type=cache,target=/c make",
                from,
                "f b 1",
            ),
            (&shell, from, ""),
            ("/bin/sh -c [[ a = a ]] && a=(1 2)", from, "f c 1"),
        ],
        &[
            "RUN [\"touch\",\"/a b\"]",
            "RUN --mount=type=cache,target=/c make",
            "SHELL [\"/bin/bash\",\"-o\",\"pipefail\",\"-c\"]",
            "RUN [[ a = a ]] && a=(1 2)",
        ],
    );
    // What another stage held is not here: the layer stands for the command, and a warning says so.
    let lost = image(
        json!({}),
        "",
        &[
            ("/bin/sh -c true", from, "f b 1"),
            (
                "/bin/sh -c --mount=type=bind,from=t,target=/m cp /m/x /x",
                from,
                "f x 1",
            ),
        ],
    );
    let room = Room::with("app.tar", &build::docker(&[&lost]));
    let run = room.run("imghistory --extract context app.tar");
    assert_eq!(
        run.err(),
        "imghistory: warning: app.tar: entry 2: RUN read from another stage or image by --mount, which this image does \
         not hold\n"
    );
    let text = std::fs::read_to_string(room.path("context/Dockerfile")).expect("a Dockerfile");
    assert!(text.contains("\nADD layers/2.tar /\n"), "{text}");
}

/// ARG got values that were never there: the builder's own, an empty one, that of an ENV.
#[test]
fn arguments_get_only_values_they_were_given() {
    let from = "FROM 0123456789ab";
    let entries = [
        "ARG A",
        "ARG A TARGETARCH",
        "ARG A TARGETARCH X",
        "ENV Y=7",
        "ARG A TARGETARCH X Y",
    ];
    let entries: Vec<String> = entries.iter().map(|text| nop(text)).collect();
    let mut steps: Vec<Step<'_>> = entries
        .iter()
        .map(|entry| (entry.as_str(), from, ""))
        .collect();
    steps.push((
        "|4 A=1 TARGETARCH=amd64 X= Y=7 /bin/sh -c make",
        from,
        "f x 1",
    ));
    becomes(
        "arguments",
        json!({"Env": ["Y=7"]}),
        "",
        &steps,
        &[
            "ARG A=1",
            "ARG TARGETARCH",
            "ARG X",
            "ENV Y=7",
            "ARG Y",
            "# build-args: A=1, TARGETARCH=amd64, X=, Y=7",
            "RUN make",
        ],
    );
}

/// A copy whose words all came from empty variables lost its files.
#[test]
fn a_copy_of_empty_variables_keeps_its_files() {
    let steps: &[Step<'_>] = &[
        ("WORKDIR /w", BUILDKIT, "d w"),
        ("COPY   # buildkit", BUILDKIT, "d w | f w/x one"),
    ];
    let room = Room::with(
        "app.tar",
        &build::docker(&[&image(json!({"WorkingDir": "/w"}), "", steps)]),
    );
    room.run("imghistory --extract context app.tar").code(0);
    assert!(room.path("context/layers/2/w/x").is_file());
    let text = std::fs::read_to_string(room.path("context/Dockerfile")).expect("a Dockerfile");
    assert!(text.ends_with("COPY layers/2/ /\n"), "{text}");
}

/// A directory in the place of a link needs no command, which an image from scratch could not run.
#[test]
fn a_directory_in_the_place_of_a_link_removes_nothing() {
    let steps: &[Step<'_>] = &[
        ("COPY a / # buildkit", BUILDKIT, "l d elsewhere"),
        ("COPY b / # buildkit", BUILDKIT, "d d | o d | f d/x one"),
    ];
    let room = Room::with("app.tar", &build::docker(&[&image(json!({}), "", steps)]));
    room.run("imghistory --extract context app.tar").code(0);
    let text = std::fs::read_to_string(room.path("context/Dockerfile")).expect("a Dockerfile");
    assert!(!text.contains("RUN"), "{text}");
    assert!(text.contains("layers/2"), "{text}");
}

/// The exec form of docker's classic builder became a comment where no other entry was docker's.
#[test]
fn the_exec_form_is_one_of_docker_whose_marks_the_config_has() {
    let made = image(json!({}), "", &[("touch /a b", "", "f a 1")])
        .set("docker_version", json!("20.10.24"))
        .set("container_config", json!({"Cmd": ["touch", "/a b"]}));
    let room = Room::with("app.tar", &build::docker(&[&made]));
    let run = room.run("imghistory --dockerfile app.tar");
    assert_eq!(body(run.out()), "RUN [\"touch\",\"/a b\"]", "{run}");
}

/// Commands that change nothing are no contradiction, and the builder's own PATH is nobody's ENV.
#[test]
fn an_empty_layer_of_run_is_no_warning() {
    let made = image(
        json!({"Env": [PATH]}),
        "",
        &[
            ("RUN /bin/sh -c true # buildkit", BUILDKIT, "d etc"),
            ("RUN /bin/sh -c ls # buildkit", BUILDKIT, "w gone"),
        ],
    );
    let room = Room::with("app.tar", &build::docker(&[&made]));
    let run = room.run("imghistory --dockerfile app.tar");
    assert_eq!(run.err(), "");
    assert_eq!(body(run.out()), "RUN true\nRUN ls", "{run}");
}

/// An image that adds nothing to its base is FROM alone, not its base's history from scratch.
#[test]
fn an_image_that_is_its_base_is_from_alone() {
    let base = build::image("base:1").layer("f a one");
    let room = Room::with("app.tar", &build::docker(&[&base.clone().named("app:1")]));
    room.write("base.tar", &build::docker(&[&base]).tar());
    let run = room.run("imghistory --dockerfile --base base.tar app.tar");
    run.says("\nFROM base:1\n");
    assert_eq!(body(run.out()), "", "{run}");
}

/// A list without quotes silently became a text for the shell.
#[test]
fn a_list_that_is_none_is_said() {
    let room = Room::new();
    room.write("layer.tar", &build::layer("f a one"));
    room.run("imgimport -c 'CMD [/bin/sh]' -o out.tar layer.tar x:1")
        .code(0)
        .complains("CMD [/bin/sh]");
}

/// BuildKit's lost options of RUN and joined words went without a warning, and a copy that made an empty layer, as where
/// the same file was there before, got one.
#[test]
fn warnings_tell_what_buildkit_does_not_record() {
    let kit = "buildkit.dockerfile.v0";
    let said = |steps: &[Step<'_>], config: serde_json::Value| {
        let app = image(config, "", steps);
        let room = Room::with("app.tar", &build::docker(&[&app]));
        let run = room.run("imghistory --dockerfile app.tar");
        run.code(0).err().to_owned()
    };
    let base = (
        "COPY base /etc/ # buildkit",
        kit,
        "f etc/base B | f bin/sh S",
    );
    for (command, lost) in [
        ("cp /src/app /app", "/src/app"),
        ("set -e; mv /src/app /app && rm -rf /src/app", "/src/app"),
        (". /src/env && make", "/src/env"),
        ("/opt/build/run --all", "/opt/build/run"),
        ("TOKEN=$(cat /run/secrets/token) make", "/run/secrets/token"),
    ] {
        let command = format!("RUN /bin/sh -c {command} # buildkit");
        let steps = [base, (command.as_str(), kit, "f app A")];
        assert_eq!(
            said(&steps, json!({})),
            format!(
                "imghistory: warning: app.tar: entry 2: RUN reads {lost}, which no layer has: it probably had a --mount, \
                 which BuildKit does not record\n"
            )
        );
    }
    for command in [
        "cp /etc/base /app",
        "curl -o /tmp/x.tar http://h/x && tar xf /tmp/x.tar",
        "echo x > /tmp/y/z && cat /tmp/y/z",
        "rm -rf /var/lib/apt/lists",
        "mkdir -p /usr/src/app && cp /usr/src/app /app",
        "cat /etc/resolv.conf",
    ] {
        let command = format!("RUN /bin/sh -c {command} # buildkit");
        let steps = [base, (command.as_str(), kit, "f app A")];
        assert_eq!(said(&steps, json!({})), "", "{command}");
    }
    let exec = [base, ("RUN touch /a b # buildkit", kit, "f a A")];
    assert_eq!(
        said(&exec, json!({})),
        "imghistory: warning: app.tar: entry 2: RUN in the exec form: where its words end is not recorded\n"
    );
    assert_eq!(
        said(&[base], json!({"OnBuild": ["RUN make"]})),
        "imghistory: warning: app.tar: ONBUILD is in the config and in no entry of the history: where it stood is not \
         known\n"
    );
    for layer in ["", "d etc"] {
        let copy = [base, ("COPY base /etc/base # buildkit", kit, layer)];
        assert_eq!(said(&copy, json!({})), "", "{layer}");
    }
}

/// Of `ARG a=1 b` the second name became part of the value, though the commands say that the value had ended.
#[test]
fn several_arguments_of_one_instruction_stay_apart() {
    let kit = "buildkit.dockerfile.v0";
    for (arg, run, expected) in [
        (
            "ARG a=1 b",
            "|1 a=1 /bin/sh -c make",
            &["ARG a=1", "ARG b", "# build-args: a=1", "RUN make"][..],
        ),
        (
            "ARG a=1 b",
            "|2 a=1 b=2 /bin/sh -c make",
            &["ARG a=1", "ARG b=2", "# build-args: a=1, b=2", "RUN make"],
        ),
        (
            "ARG a=1 b",
            "|1 a=1 b /bin/sh -c make",
            &["ARG a=\"1 b\"", "# build-args: a=1 b", "RUN make"],
        ),
    ] {
        let run = format!("RUN {run} # buildkit");
        becomes(
            "arguments in a row",
            json!({}),
            "",
            &[(arg, kit, ""), (&run, kit, "f x 1")],
            expected,
        );
    }
}
