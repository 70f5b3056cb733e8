//! imghistory --dockerfile, run for real: every form that builders have written, and what must become of it.

use serde_json::{Value, json};

use crate::common::build::{self, Image};
use crate::common::run::Room;
use crate::common::{foreign, golden};

/// One step: the command, the remark, and the layer it made (none if it is empty).
type Step<'a> = (&'a str, &'a str, &'a str);

const BUILDKIT: &str = "buildkit.dockerfile.v0";
const SUM: &str = "9bd9f0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d";

fn image(config: Value, author: &str, steps: &[Step<'_>]) -> Image {
    let mut image = build::image("demo:1").set("config", config);
    let mut history = Vec::new();
    for (created_by, comment, layer) in steps {
        let mut entry = json!({"created": build::CREATED, "created_by": created_by});
        if !comment.is_empty() {
            entry["comment"] = (*comment).into();
        }
        if !author.is_empty() {
            entry["author"] = author.into();
        }
        if layer.is_empty() {
            entry["empty_layer"] = true.into();
        } else {
            image = image.layer(layer);
        }
        history.push(entry);
    }
    image.history(history.into())
}

/// What stands below FROM, without blank lines.
fn body(output: &str) -> String {
    let lines = output.lines().skip_while(|line| !line.starts_with("FROM "));
    let lines: Vec<&str> = lines.skip(1).filter(|line| !line.is_empty()).collect();
    lines.join("\n")
}

#[track_caller]
fn becomes(what: &str, config: Value, author: &str, steps: &[Step<'_>], expected: &[&str]) {
    let image = image(config, author, steps);
    let room = Room::with("app.tar", &build::docker(&[&image]));
    let run = room.run("imghistory --dockerfile app.tar");
    run.code(0);
    assert_eq!(body(run.out()), expected.join("\n"), "{what}\n{run}");
    parses(run.out());
}

/// The oracle is a parser that others wrote.
#[track_caller]
fn parses(text: &str) {
    if let Err(error) = parse_dockerfile::parse(&without_bodies(text)) {
        panic!("{error}\n{text}");
    }
}

/// A text without heredocs that begin later than with the first word of a RUN, which that parser does not know.
/// BuildKit reads each body up to a line that is its name, and wants that line.
fn without_bodies(text: &str) -> String {
    let mut out = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        // Docker takes an empty list to mean none.
        if matches!(line, "ENTRYPOINT []" | "CMD []") {
            continue;
        }
        let command = line.strip_prefix("RUN ").unwrap_or_default();
        let is_list = command.starts_with('[');
        let names = command
            .split(' ')
            .filter_map(|word| word.strip_prefix("<<"));
        let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
        if command.starts_with("<<") || is_list || names.is_empty() {
            out.push(line.to_owned());
            continue;
        }
        for name in names {
            let name = name.trim_start_matches('-').trim_matches(['"', '\'']);
            let found = lines
                .by_ref()
                .any(|line| line.trim_start_matches('\t') == name);
            assert!(found, "a heredoc without its end: {line}\n{text}");
        }
        out.push(command.replace("<<", "").replacen("", "RUN ", 1));
    }
    out.join("\n") + "\n"
}

#[test]
fn every_form_of_the_classic_builder() {
    let nop = |text: &str| format!("/bin/sh -c #(nop) {text}");
    let layer = "d app | f app/x one";
    // 1
    for (text, env, expected) in [
        (
            " ENV PATH=/a:/b",
            json!(["PATH=/a:/b"]),
            "ENV PATH=\"/a:/b\"",
        ),
        (
            " ENV A=b c D=e",
            json!(["A=b c", "D=e"]),
            "ENV A=\"b c\" D=\"e\"",
        ),
        (" ENV k=v w", json!(["k=v w"]), "ENV k=\"v w\""),
        (
            " ENV Q=\"x\" $y\\z",
            json!(["Q=\"x\" $y\\z"]),
            "ENV Q=\"\\\"x\\\" \\$y\\\\z\"",
        ),
    ] {
        becomes(
            "1",
            json!({"Env": env}),
            "",
            &[(&nop(text), "", "")],
            &[expected],
        );
    }
    // 2 to 6
    for (text, expected) in [
        (format!("ADD file:{SUM} in / "), "ADD <file:9bd9f0a1b2c3> /"),
        (
            format!("COPY dir:{SUM} in /app "),
            "COPY <dir:9bd9f0a1b2c3> /app/",
        ),
        (
            format!("COPY multi:{SUM} in /app/ "),
            "COPY <several-sources> /app/",
        ),
        (
            format!("COPY --chown=1000:1000file:{SUM} in /app/x "),
            "COPY --chown=1000:1000 <file:9bd9f0a1b2c3> /app/x",
        ),
        (
            format!("COPY --chown=1000:1000 file:{SUM} in /app/x "),
            "COPY --chown=1000:1000 <file:9bd9f0a1b2c3> /app/x",
        ),
        (
            format!("ADD tarsum.v1+sha256:{SUM} in /app"),
            "ADD <tarsum:9bd9f0a1b2c3> /app",
        ),
        ("ADD jessie.tar.xz in /".to_owned(), "ADD jessie.tar.xz /"),
    ] {
        becomes(
            "2 to 6",
            json!({}),
            "",
            &[(&nop(&text), "", layer)],
            &[expected],
        );
    }
    // 7
    becomes(
        "7",
        json!({}),
        "",
        &[(
            "/bin/sh -c apt-get update     && apt-get install -y   a \t b;  echo 'x   &&   y'",
            "",
            layer,
        )],
        &[
            "RUN apt-get update \\",
            "    && apt-get install -y a b; \\",
            "    echo 'x   &&   y'",
        ],
    );
    // 8
    becomes(
        "8",
        json!({}),
        "",
        &[
            (&nop(" ARG A"), "", ""),
            (&nop(" ARG B=z"), "", ""),
            ("|2 A=1 B=x y /bin/sh -c make", "", layer),
        ],
        &[
            "ARG A=1",
            "ARG B=\"x y\"",
            "# build-args: A=1, B=x y",
            "RUN make",
        ],
    );
    // 9 and 10
    let bash = "/bin/bash -o pipefail -c";
    becomes(
        "9, 10",
        json!({
            "Shell": ["/bin/bash", "-o", "pipefail", "-c"],
            "Cmd": ["/bin/bash", "-o", "pipefail", "-c", "x"],
        }),
        "",
        &[
            (&format!("{bash} #(nop)  SHELL [{bash}]"), "", ""),
            (&format!("{bash} set -e; make"), "", layer),
            (
                &format!("{bash} #(nop)  CMD [\"/bin/bash\" \"-o\" \"pipefail\" \"-c\" \"x\"]"),
                "",
                "",
            ),
        ],
        &[
            "SHELL [\"/bin/bash\",\"-o\",\"pipefail\",\"-c\"]",
            "RUN set -e; make",
            "CMD x",
        ],
    );
    // 11 to 13
    for (text, config, expected) in [
        (
            r#" CMD ["nginx" "-g" "daemon off;"]"#,
            json!({"Cmd": ["nginx", "-g", "daemon off;"]}),
            r#"CMD ["nginx","-g","daemon off;"]"#,
        ),
        (
            r#" CMD ["a\tb" "\"" "\u00e9"]"#,
            json!({"Cmd": ["a\tb", "\"", "é"]}),
            r#"CMD ["a\tb","\"","é"]"#,
        ),
        (
            r#" CMD ["/bin/sh" "-c" "echo $HOME"]"#,
            json!({"Cmd": ["/bin/sh", "-c", "echo $HOME"]}),
            "CMD echo $HOME",
        ),
        (
            r#" ENTRYPOINT &{["/x"]}"#,
            json!({"Entrypoint": ["/x"]}),
            r#"ENTRYPOINT ["/x"]"#,
        ),
        (" ENTRYPOINT []", json!({}), "ENTRYPOINT []"),
        (
            " CMD [/bin/sh -c a b]",
            json!({"Cmd": ["/bin/sh", "-c", "a b"]}),
            "CMD a b",
        ),
    ] {
        becomes("11 to 13", config, "", &[(&nop(text), "", "")], &[expected]);
    }
    // 14 to 17
    for (text, config, expected) in [
        (
            " EXPOSE map[443/tcp:{} 80/tcp:{}]",
            json!({"ExposedPorts": {"443/tcp": {}, "80/tcp": {}}}),
            "EXPOSE 443/tcp 80/tcp",
        ),
        (
            " EXPOSE 80/tcp 443/tcp",
            json!({"ExposedPorts": {"443/tcp": {}, "80/tcp": {}}}),
            "EXPOSE 80/tcp 443/tcp",
        ),
        (
            " EXPOSE [80/tcp]",
            json!({"ExposedPorts": {"80/tcp": {}}}),
            "EXPOSE 80/tcp",
        ),
        (
            " VOLUME [/data /logs]",
            json!({"Volumes": {"/data": {}, "/logs": {}}}),
            r#"VOLUME ["/data","/logs"]"#,
        ),
        (
            " VOLUME [/my data]",
            json!({"Volumes": {"/my data": {}}}),
            r#"VOLUME ["/my data"]"#,
        ),
        (" USER [jboss]", json!({"User": "jboss"}), "USER jboss"),
        (" USER jboss", json!({"User": "jboss"}), "USER jboss"),
        (
            " STOPSIGNAL [SIGQUIT]",
            json!({"StopSignal": "SIGQUIT"}),
            "STOPSIGNAL SIGQUIT",
        ),
    ] {
        becomes("14 to 17", config, "", &[(&nop(text), "", "")], &[expected]);
    }
}

#[test]
fn health_checks_of_all_generations() {
    let s = 1_000_000_000_u64;
    let curl = json!({"Test": ["CMD-SHELL", "curl -f localhost"], "Interval": 30 * s, "Timeout": 3 * s, "StartPeriod": 5 * s, "Retries": 3});
    let shown = "HEALTHCHECK --interval=30s --timeout=3s --start-period=5s --retries=3 CMD curl -f localhost";
    let of =
        |retries: u64| json!({"Test": ["CMD", "a", "b c"], "Interval": 90 * s, "Retries": retries});
    let short = |retries: u64| {
        format!("HEALTHCHECK --interval=1m30s --retries={retries} CMD [\"a\",\"b c\"]")
    };
    for (text, health, expected) in [
        (
            r#"HEALTHCHECK &{["CMD-SHELL" "curl -f localhost"] "30s" "3s" "5s" "0s" '\x03'}"#,
            curl.clone(),
            shown.to_owned(),
        ),
        (
            r#"HEALTHCHECK &{["CMD-SHELL" "curl -f localhost"] "30s" "3s" "5s" '\x03'}"#,
            curl.clone(),
            shown.to_owned(),
        ),
        (
            r#"HEALTHCHECK &{["CMD" "a" "b c"] "1m30s" "0s" '\n'}"#,
            of(10),
            short(10),
        ),
        (
            r#"HEALTHCHECK &{["CMD" "a" "b c"] "1m30s" "0s" "0s" '\t'}"#,
            of(9),
            short(9),
        ),
        (
            r#"HEALTHCHECK &{["CMD" "a" "b c"] "1m30s" "0s" "0s" ' '}"#,
            of(32),
            short(32),
        ),
        (
            r#"HEALTHCHECK &{["NONE"] "0s" "0s" "0s" '\x00'}"#,
            json!({"Test": ["NONE"]}),
            "HEALTHCHECK NONE".into(),
        ),
        (
            "HEALTHCHECK {Test:[CMD-SHELL curl -f localhost] Interval:30s Timeout:3s StartPeriod:5s StartInterval:0s Retries:3}",
            curl.clone(),
            shown.to_owned(),
        ),
        (
            "HEALTHCHECK {Test:[CMD a b c] Interval:1m30s Timeout:0s StartPeriod:0s StartInterval:0s Retries:7}",
            of(7),
            short(7),
        ),
        (
            "HEALTHCHECK --interval=30s --timeout=3s --start-period=5s --retries=3 CMD curl -f localhost",
            curl.clone(),
            shown.to_owned(),
        ),
    ] {
        let config = json!({"Healthcheck": health});
        becomes(
            "18 to 20",
            config.clone(),
            "",
            &[(&format!("/bin/sh -c #(nop)  {text}"), "", "")],
            &[&expected],
        );
        becomes(
            "18 to 20",
            config,
            "",
            &[(text, BUILDKIT, "")],
            &[&expected],
        );
    }
}

#[test]
fn triggers_labels_and_the_rest_of_the_classic_builder() {
    let nop = |text: &str| format!("/bin/sh -c #(nop)  {text}");
    for (text, config, expected) in [
        (
            "ONBUILD COPY . /app",
            json!({"OnBuild": ["COPY . /app"]}),
            "ONBUILD COPY . /app",
        ),
        (
            "LABEL a=b c maintainer=Kubernetes Authors",
            json!({"Labels": {"a": "b c", "maintainer": "Kubernetes Authors"}}),
            "LABEL a=\"b c\" maintainer=\"Kubernetes Authors\"",
        ),
        (
            "LABEL with blank=1",
            json!({"Labels": {"with blank": "1"}}),
            "LABEL \"with blank\"=\"1\"",
        ),
        ("MAINTAINER X <x@y>", json!({}), "MAINTAINER X <x@y>"),
        ("ARG RELEASE", json!({}), "ARG RELEASE"),
        ("ARG V=1.2", json!({}), "ARG V=1.2"),
        ("ARG V=two words", json!({}), "ARG V=\"two words\""),
        (
            "WORKDIR /app",
            json!({"WorkingDir": "/app"}),
            "WORKDIR /app",
        ),
    ] {
        becomes(
            "21 to 25",
            config.clone(),
            "",
            &[(&nop(text), "", "")],
            &[expected],
        );
        becomes(
            "21 to 25, BuildKit",
            config,
            "",
            &[(text, BUILDKIT, "")],
            &[expected],
        );
    }
    // A trigger that BuildKit does not note.
    becomes(
        "21",
        json!({"OnBuild": ["RUN make"]}),
        "",
        &[("USER u", BUILDKIT, "")],
        &["USER u", "ONBUILD RUN make"],
    );
}

#[test]
fn every_form_of_buildkit() {
    let layer = "d app | f app/x one | d etc | f etc/app.conf a\n";
    for (text, expected) in [
        // 25
        ("WORKDIR /app", &["WORKDIR /app"][..]),
        // 26 to 28
        ("RUN /bin/sh -c make # buildkit", &["RUN make"]),
        (
            "RUN |3 A=1 B= C=x /bin/sh -c make # buildkit",
            &[
                "ARG A=1",
                "ARG B=",
                "ARG C=x",
                "# build-args: A=1, B=, C=x",
                "RUN make",
            ],
        ),
        (
            "RUN apk add curl # buildkit",
            &["RUN [\"apk\",\"add\",\"curl\"]"],
        ),
        (
            "RUN sh -c echo a b # buildkit",
            &["RUN [\"sh\",\"-c\",\"echo a b\"]"],
        ),
        // 29 to 31
        (
            "RUN /bin/sh -c a\nb\n # buildkit",
            &["RUN <<EOF", "a", "b", "EOF"],
        ),
        (
            "RUN /bin/sh -c a\nEOF\n # buildkit",
            &["RUN <<EOF2", "a", "EOF", "EOF2"],
        ),
        (
            "RUN /bin/sh -c cat <<EOF > /x\nhello\nEOF # buildkit",
            &["RUN cat <<EOF > /x", "hello", "EOF"],
        ),
        (
            "RUN /bin/sh -c /dev/pipes/EOF # buildkit",
            &[
                "# the body of this RUN is not recorded (shebang heredoc)",
                "RUN <<EOF",
                "EOF",
            ],
        ),
        // 32 to 36
        (
            "COPY --chown=a --chmod=755 src app/x # buildkit",
            &["COPY --chown=a --chmod=755 src app/x"],
        ),
        (
            "COPY --parents a/b /app/ # buildkit",
            &["COPY --parents a/b /app/"],
        ),
        (
            "COPY /out/bin /app/ # buildkit",
            &[
                "# --from of this COPY is not recorded; its absolute source is probably in another stage",
                "COPY /out/bin /app/",
            ],
        ),
        (
            "COPY  /app/ # buildkit",
            &[
                "# a source of this copy came from a variable that was empty when it was noted",
                "COPY <unknown> /app/",
            ],
        ),
        (
            "ADD https://x/y.tgz /app # buildkit",
            &["ADD https://x/y.tgz /app"],
        ),
    ] {
        let workdir = if text.starts_with("WORKDIR") {
            json!({"WorkingDir": "/app"})
        } else {
            json!({})
        };
        becomes(text, workdir, "", &[(text, BUILDKIT, layer)], expected);
    }
    // 37
    becomes(
        "37",
        json!({}),
        "",
        &[(
            "RUN /bin/sh -c cat /run/secrets/key > /app/x # buildkit",
            BUILDKIT,
            layer,
        )],
        &[
            "# options of this RUN are not recorded; it probably had --mount=type=secret,id=key",
            "RUN cat /run/secrets/key > /app/x",
        ],
    );
    // 38
    for (text, config, expected) in [
        (r#"CMD ["sh"]"#, json!({"Cmd": ["sh"]}), r#"CMD ["sh"]"#),
        ("ENV A=b", json!({"Env": ["A=b"]}), "ENV A=\"b\""),
        ("LABEL a=b", json!({"Labels": {"a": "b"}}), "LABEL a=\"b\""),
        ("USER u", json!({"User": "u"}), "USER u"),
    ] {
        becomes("38", config, "", &[(text, BUILDKIT, "")], &[expected]);
    }
}

/// A layer with one file, whose text may end as it likes.
fn one_file(path: &str, text: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, path, text.as_bytes())
        .expect("an entry");
    tar.into_inner().expect("a tar")
}

#[test]
fn copied_heredocs_get_their_body_from_the_layer() {
    // 35
    for (created_by, path, text, expected) in [
        (
            "COPY <<app.conf /etc/ # buildkit",
            "etc/app.conf",
            "a = $b\n\n",
            "COPY <<\"app.conf\" /etc/\na = $b\napp.conf",
        ),
        (
            "COPY <<-EOF /etc/app.conf # buildkit",
            "etc/app.conf",
            "x\n",
            "COPY <<\"EOF\" /etc/app.conf\nx\nEOF",
        ),
        (
            "COPY <<EOF /etc/app.conf # buildkit",
            "etc/app.conf",
            "EOF\n",
            "# the body of a heredoc is not recorded\nCOPY <heredoc:EOF> /etc/app.conf",
        ),
    ] {
        let image = build::image("demo:1")
            .set("config", json!({}))
            .layer_bytes(one_file(path, text))
            .history(json!([{"created_by": created_by, "comment": BUILDKIT}]));
        let room = Room::with("app.tar", &build::docker(&[&image]));
        let run = room.run("imghistory --dockerfile app.tar");
        assert_eq!(body(run.out()), expected, "{run}");
        parses(run.out());
    }
}

#[test]
fn every_form_of_other_tools() {
    let nop = |text: &str| format!("/bin/sh -c #(nop) {text}");
    let layer = "d app | f app/x one";
    // 39
    becomes(
        "39",
        json!({"WorkingDir": "/app"}),
        "",
        &[
            (&nop("WORKDIR /app"), "", ""),
            (
                &nop(&format!("COPY file:{SUM} in ./x |inheritLabels=false")),
                "FROM abcdef012345",
                layer,
            ),
        ],
        &["WORKDIR /app", "COPY <file:9bd9f0a1b2c3> ./x"],
    );
    // 40
    becomes(
        "40",
        json!({}),
        "",
        &[(&nop("ARG B"), "", ""), (&nop("ARG A B C"), "", "")],
        &["ARG B", "ARG A", "ARG C"],
    );
    // 41
    becomes(
        "41",
        json!({}),
        "",
        &[(&format!("/bin/sh -c make\nbody:sha256:{SUM}"), "", layer)],
        &["RUN make"],
    );
    // 42
    for shell in ["/bin/sh", "bash"] {
        becomes(
            "42",
            json!({}),
            "",
            &[(shell, "by hand", layer)],
            &["# committed container: by hand", "COPY <layer:1> /"],
        );
    }
    let cmd = json!({"Cmd": ["python", "-m", "x"]});
    becomes(
        "42",
        cmd,
        "",
        &[
            (r#"/bin/sh -c #(nop)  CMD ["python" "-m" "x"]"#, "", ""),
            ("python -m x", "", layer),
        ],
        &[
            r#"CMD ["python","-m","x"]"#,
            "# committed container",
            "COPY <layer:1> /",
        ],
    );
    // 43 to 45
    becomes(
        "43",
        json!({}),
        "",
        &[("", "Imported from -", layer)],
        &["# Imported from -", "ADD <import> /"],
    );
    becomes(
        "44",
        json!({"Cmd": ["bash"]}),
        "",
        &[
            (
                "# debian.sh --arch 'amd64' out/ 'bookworm' '@1'",
                "debuerreotype 0.15",
                layer,
            ),
            (r#"/bin/sh -c #(nop)  CMD ["bash"]"#, "", ""),
        ],
        &[
            "# # debian.sh --arch 'amd64' out/ 'bookworm' '@1'",
            "ADD <rootfs> /",
            "CMD [\"bash\"]",
        ],
    );
    becomes(
        "45",
        json!({}),
        "",
        &[(
            "ADD alpine-minirootfs-3.20.0-x86_64.tar.gz / # buildkit",
            BUILDKIT,
            layer,
        )],
        &["ADD alpine-minirootfs-3.20.0-x86_64.tar.gz /"],
    );
    // 46
    becomes(
        "46",
        json!({"Env": ["A=b c"], "Cmd": ["x"]}),
        "kaniko",
        &[("RUN apk add x", "", layer), ("COPY a b app/", "", layer)],
        &[
            "ENV A=\"b c\"",
            "RUN apk add x",
            "COPY a b app/",
            "CMD [\"x\"]",
        ],
    );
    // 47
    for text in [
        "bazel build ...",
        "jib-maven-plugin:3.4.0",
        "apko",
        "ko build ko://x",
        "umoci repack",
        "KIWI 9.25",
        "Application Layer",
    ] {
        becomes(
            "47",
            json!({}),
            "",
            &[(text, "", layer)],
            &[&format!("# {text}"), "COPY <layer:1> /"],
        );
    }
    // 49
    becomes(
        "49",
        json!({"User": "u"}),
        "",
        &[
            ("/bin/sh -c make", "", ""),
            (&nop(" USER u"), "", ""),
            ("", "merge sha256:aa to sha256:bb", layer),
        ],
        &[
            "RUN make",
            "USER u",
            "# squashed: merge sha256:aa to sha256:bb",
            "COPY <layer:1> /",
        ],
    );
}

#[test]
fn windows() {
    // 48
    let steps: &[Step<'_>] = &[
        ("Apply image 10.0.17763.1", "", "d Files"),
        ("cmd /S /C #(nop)  ENV A=C:\\x\\", "", ""),
        ("cmd /S /C echo a && dir C:\\", "", "d Files"),
        (
            "powershell -Command $ErrorActionPreference = 'Stop'; #(nop)  SHELL [powershell -Command $ErrorActionPreference = 'Stop';]",
            "",
            "",
        ),
        (
            "powershell -Command $ErrorActionPreference = 'Stop'; Get-Item   x; y",
            "",
            "d Files",
        ),
    ];
    let config = json!({"Env": ["A=C:\\x\\"], "Shell": ["powershell", "-Command", "$ErrorActionPreference = 'Stop';"]});
    let image = image(config, "", steps).set("os", "windows".into());
    let room = Room::with("app.tar", &build::docker(&[&image]));
    let run = room.run("imghistory --dockerfile app.tar");
    run.code(0);
    assert!(run.out().starts_with("# escape=`\n"), "{run}");
    let expected = [
        "# Apply image 10.0.17763.1",
        "COPY <layer:1> /",
        "ENV A=\"C:\\x\\\"",
        "RUN echo a && dir C:\\",
        "SHELL [\"powershell\",\"-Command\",\"$ErrorActionPreference = 'Stop';\"]",
        "RUN Get-Item   x; y",
    ];
    assert_eq!(body(run.out()), expected.join("\n"), "{run}");
    parses(run.out());
}

#[test]
fn images_of_real_tools() {
    let room = Room::new();
    for name in [
        "docker-classic.tar",
        "docker-buildkit.tar",
        "docker-import.tar",
        "podman-oci.tar",
        "podman-docker.tar",
        "buildah-oci.tar",
    ] {
        let path = foreign(name);
        let run = room.run(&format!("imghistory --dockerfile {}", path.display()));
        run.code(0);
        parses(run.out());
        // IDs change whenever the archives are made anew; what was built does not.
        let text: Vec<&str> = run.out().lines().skip(1).collect();
        let mut text = text.join("\n") + "\n";
        while let Some(at) = text.find("<file:").or_else(|| text.find("<dir:")) {
            let end = text[at..].find('>').expect("an end") + at;
            text.replace_range(at..=end, "SOURCE");
        }
        golden(&format!("tests/golden/dockerfile/{name}.Dockerfile"), &text);
    }
}

fn above(base: &Image, created_by: &str, layer: &str) -> Value {
    let config: Value = serde_json::from_slice(&base.config()).expect("a config");
    let mut history = config["history"].as_array().expect("a history").clone();
    let mut entry = json!({"created": build::CREATED, "created_by": created_by});
    if layer.is_empty() {
        entry["empty_layer"] = true.into();
    }
    history.push(entry);
    history.into()
}

#[test]
fn the_base_is_found_among_other_images() {
    let base = build::image("base:1")
        .set("config", json!({"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"]}))
        .layer("d etc | f etc/a one")
        .history(json!([{"created": build::CREATED, "created_by": "/bin/sh -c #(nop) ADD file:00 in / "},
            {"created": build::CREATED, "created_by": "/bin/sh -c #(nop)  CMD [\"/bin/sh\"]", "empty_layer": true}]));
    let middle = base
        .clone()
        .layer("f b two")
        .history(above(&base, "/bin/sh -c b", "x"));
    let top = middle
        .clone()
        .layer("f c three")
        .history(above(&middle, "/bin/sh -c c", "x"));
    let other = build::image("other:1").layer("f x 1");
    let room = Room::with("app.tar", &build::docker(&[&top]));
    std::fs::create_dir(room.path("images")).expect("a folder");
    room.write("images/a.tar", &build::docker(&[&other, &base]).tar());
    room.write(
        "images/b.tar",
        &build::docker(&[&middle.clone().named("middle:2")]).tar(),
    );
    room.write("images/c.txt", b"no archive");
    room.write("base.tar", &build::docker(&[&base]).tar());
    build::oci(&[&base]).write_to(&room.path("layout"));
    let whole = "ENV PATH=\"/bin\"\nADD <file:00> /\nCMD [\"/bin/sh\"]\nRUN b\nRUN c";
    for (line, from, expected) in [
        ("", "scratch", whole),
        ("--base images/a.tar:other:1", "scratch", whole),
        ("--base base.tar", "base:1", "RUN b\nRUN c"),
        ("--base layout", "base:1", "RUN b\nRUN c"),
        ("--base images", "base:1", "RUN c"),
        (
            "--base base.tar --base images/b.tar:middle:2",
            "base:1",
            "RUN c",
        ),
        ("--base app.tar", "scratch", whole),
    ] {
        let run = room.run(&format!("imghistory --dockerfile {line} app.tar"));
        run.code(0);
        let expected_from = match line.contains("images/b.tar") || line == "--base images" {
            true => "FROM base:1",
            false => &format!("FROM {from}"),
        };
        assert!(
            run.out().lines().any(|line| line == expected_from),
            "{line}\n{run}"
        );
        if expected_from == "FROM scratch" || !line.contains("images") {
            assert_eq!(body(run.out()), expected, "{line}\n{run}");
        } else {
            assert_eq!(body(run.out()), "RUN c", "{line}\n{run}");
        }
        parses(run.out());
    }
    // The store is looked at without being asked for.
    room.run("imgload -q -i base.tar --store store").code(0);
    room.run("imghistory --dockerfile --store store app.tar")
        .says("# FROM: 1 of 3 layers are those of base:1\nFROM base:1\n");
    room.run("imghistory --dockerfile --base gone.tar app.tar")
        .fails("imghistory: gone.tar: cannot open: no such file or directory\n");
}

#[test]
fn the_base_is_named_by_buildah_or_by_annotations() {
    let steps: &[Step<'_>] = &[
        ("/bin/sh -c #(nop) ADD file:00 in / ", "", "d a | f a/x 1"),
        ("/bin/sh -c #(nop)  CMD [\"sh\"]", "", ""),
        (
            "/bin/sh -c make",
            "FROM docker.io/library/debian:12",
            "f b 2",
        ),
        ("/bin/sh -c more", "FROM abcdef012345", "f c 3"),
    ];
    let by_buildah = image(json!({"Cmd": ["sh"]}), "", steps);
    let room = Room::with("app.tar", &build::docker(&[&by_buildah]));
    let run = room.run("imghistory --dockerfile app.tar");
    run.says("# FROM: buildah's comment\nFROM docker.io/library/debian:12\n");
    assert_eq!(body(run.out()), "RUN make\nRUN more", "{run}");

    let steps: Vec<Step<'_>> = steps
        .iter()
        .map(|&(text, _, layer)| (text, "", layer))
        .collect();
    let labels = json!({"org.opencontainers.image.base.name": "docker.io/library/debian:12"});
    let by_label = image(json!({"Cmd": ["sh"], "Labels": labels}), "", &steps);
    let room = Room::with("app.tar", &build::docker(&[&by_label]));
    let run = room.run("imghistory --dockerfile app.tar");
    run.says("FROM docker.io/library/debian:12\n")
        .says("where it ends is a guess");
    assert!(body(run.out()).starts_with("RUN make\nRUN more\n"), "{run}");
}

#[test]
fn lies_are_told() {
    let config = json!({"Env": ["A=1"], "User": "u"});
    let history = json!([
        {"created": "2024-01-02T00:00:00Z", "created_by": "COPY a /srv/a # buildkit", "comment": BUILDKIT},
        {"created": "2024-01-01T00:00:00Z", "created_by": "RUN /bin/sh -c make # buildkit", "comment": BUILDKIT},
        {"created": "2024-01-03T00:00:00Z", "created_by": "ENV A=2", "comment": BUILDKIT, "empty_layer": true},
        {"created": "2024-01-03T00:00:00Z", "created_by": "ENV B=3", "comment": BUILDKIT, "empty_layer": true},
        {"created": "2024-01-03T00:00:00Z", "created_by": "USER root", "comment": BUILDKIT, "empty_layer": true},
    ]);
    let lying = build::image("demo:1")
        .set("config", config)
        .layer("f d 1")
        .layer("d etc | f etc/a x")
        .layer("")
        .history(history);
    let room = Room::with("app.tar", &build::docker(&[&lying]));
    let run = room.run("imghistory --dockerfile app.tar");
    run.code(0);
    let expected = [
        "entry 1: COPY to /srv/a, where its layer has nothing",
        "entry 2: RUN made a layer that is empty",
        "the history speaks of 2 layers, the image has 3: the lowest have no entry",
        "entry 2 says it was made at 2024-01-01T00:00:00Z, before entry 1 below it (2024-01-02T00:00:00Z)",
        "ENV A has another value in the config",
        "ENV B is not in the config",
        "USER root is not what the config has",
    ];
    let warnings: Vec<&str> = run
        .err()
        .lines()
        .filter_map(|line| line.strip_prefix("imghistory: warning: app.tar: "))
        .collect();
    assert_eq!(warnings, expected, "{run}");
    let rows = room
        .run("imghistory --dockerfile --format json app.tar")
        .json_lines();
    let lies: Vec<&Value> = rows.iter().filter(|row| row["Kind"] == "lie").collect();
    assert_eq!(lies.len(), warnings.len(), "{lies:?}");
    let copy = rows
        .iter()
        .find(|row| row["Instruction"] == "COPY" && row["Entry"] == 1)
        .expect("a row");
    assert_eq!(
        copy["Lies"],
        json!(["COPY to /srv/a, where its layer has nothing"])
    );
    // What is true is not doubted: links on the way, a folder that a WORKDIR names.
    let honest = image(
        json!({"WorkingDir": "/var/app"}),
        "",
        &[
            (
                "ADD rootfs.tar / # buildkit",
                BUILDKIT,
                "d usr | d usr/lib | l lib usr/lib | d var | l run /var/run",
            ),
            ("WORKDIR /var/app", BUILDKIT, "d var/app"),
            ("COPY x /lib/x # buildkit", BUILDKIT, "f usr/lib/x 1"),
            ("COPY x . # buildkit", BUILDKIT, "f var/app/x 1"),
            ("COPY x ../y # buildkit", BUILDKIT, "f var/y 1"),
            ("COPY x /run/x # buildkit", BUILDKIT, "f var/run/x 1"),
        ],
    );
    let room = Room::with("app.tar", &build::docker(&[&honest]));
    assert_eq!(room.run("imghistory --dockerfile app.tar").err(), "");
}

#[test]
fn secrets_are_flagged_and_masked() {
    let made = image(
        json!({"Env": ["API_TOKEN=abcdefgh"]}),
        "",
        &[
            ("/bin/sh -c #(nop)  ARG NPM_TOKEN", "", ""),
            (
                "|1 NPM_TOKEN=npm_0123456789abcdef /bin/sh -c make",
                "",
                "f a 1",
            ),
            ("/bin/sh -c #(nop)  ENV API_TOKEN=abcdefgh", "", ""),
        ],
    );
    let room = Room::with("app.tar", &build::docker(&[&made]));
    let run = room.run("imghistory --dockerfile app.tar");
    run.complains("the value of the build argument NPM_TOKEN looks like a secret (a token of npm): np… (20 characters)\n")
        .complains("the value of the ENV API_TOKEN looks like a secret (by its name): ab… (8 characters)\n");
    assert!(!run.err().contains("npm_0123456789abcdef"), "{run}");
    let rows = room
        .run("imghistory --dockerfile --format json app.tar")
        .json_lines();
    assert_eq!(
        rows.iter().filter(|row| row["Kind"] == "secret").count(),
        2,
        "{rows:?}"
    );
}

#[test]
fn annotations_and_rows() {
    let made = image(
        json!({"User": "u"}),
        "",
        &[
            (
                "/bin/sh -c #(nop) COPY dir:0123456789abcdef in /app ",
                "",
                "d app | f app/x one | f app/y four",
            ),
            ("/bin/sh -c #(nop)  USER u", "", ""),
        ],
    );
    let room = Room::with("app.tar", &build::oci(&[&made]));
    let layer = &made.diff_ids()[0];
    let run = room.run("imghistory --dockerfile --annotate app.tar");
    run.code(0).says(&format!(
        "# lost, entry 1, layer 1, {layer}, 7B, 2 files\n\
         # created by: /bin/sh -c #(nop) COPY dir:0123456789abcdef in /app \n\
         # the name of the source is not recorded\n\
         #   /app\n#   /app/x\n#   /app/y\n\
         COPY <dir:0123456789ab> /app/\n"
    ));
    run.says("# exact, entry 2\n# created by: /bin/sh -c #(nop)  USER u\nUSER u\n");
    parses(run.out());
    let rows = room
        .run("imghistory --dockerfile --format json app.tar")
        .json_lines();
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert_eq!(
        rows[1],
        json!({
            "BuildArgs": {}, "Confidence": "lost", "CreatedBy": "/bin/sh -c #(nop) COPY dir:0123456789abcdef in /app ",
            "DiffID": layer, "Entry": 1, "Files": 2, "Instruction": "COPY", "Kind": "instruction", "Layer": 1,
            "LayerDigest": layer, "Lies": [], "Notes": [], "Paths": ["app", "app/x", "app/y"],
            "Remarks": ["the name of the source is not recorded"], "Secrets": [], "SizeBytes": 7,
            "Text": "COPY <dir:0123456789ab> /app/",
        })
    );
    assert_eq!(rows[2]["Confidence"], "exact");
    room.run("imghistory --dockerfile --format '{{.Text}}' app.tar")
        .ok("FROM scratch\nCOPY <dir:0123456789ab> /app/\nUSER u\n");
    for (line, why) in [
        ("imghistory --annotate app.tar", "--dockerfile"),
        ("imghistory --extract x app.tar", "--dockerfile"),
        ("imghistory --dockerfile --layers app.tar", "--layers"),
    ] {
        room.run(line).code(2).complains(why);
    }
}

#[test]
fn contexts_hold_what_copies_brought() {
    let steps: &[Step<'_>] = &[
        (
            "ADD rootfs.tar / # buildkit",
            BUILDKIT,
            "d etc | f etc/a one | f etc/old 1",
        ),
        (
            "COPY conf /etc/ # buildkit",
            BUILDKIT,
            "d etc | f etc/b two | l etc/c b",
        ),
        (
            "COPY x /etc/d # buildkit",
            BUILDKIT,
            "d etc | f etc/d x | h etc/e etc/d",
        ),
        ("/bin/sh", "", "d etc | w etc/old | f etc/new 2 | o srv"),
        ("COPY none /x # buildkit", BUILDKIT, ""),
        ("RUN /bin/sh -c make # buildkit", BUILDKIT, "f made 1"),
    ];
    let mut made = image(json!({"Env": ["A=b"]}), "", steps);
    made = made.set("author", "me".into());
    for (how, files) in [
        ("plain", build::docker(&[&made])),
        ("oci", build::oci(&[&made])),
    ] {
        let room = Room::with("app.tar", &files);
        let run = room.run("imghistory --dockerfile --extract out app.tar");
        run.code(0);
        assert_eq!(run.out(), "", "{how}");
        let text = std::fs::read_to_string(room.path("out/Dockerfile")).expect("a Dockerfile");
        parses(&text);
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect();
        let expected = [
            "FROM scratch",
            "ENV A=\"b\"",
            "COPY layers/1/ /",
            "COPY layers/2/ /",
            "ADD layers/3.tar /",
            "RUN [\"/bin/sh\",\"-c\",\"'rm' '-rf' '--' '/etc/old'; for d in \\\"$@\\\"; do find \\\"$d\\\" -mindepth 1 -delete; done\",\"sh\",\"/srv\"]",
            "ADD layers/4.tar /",
            "RUN make",
        ];
        assert_eq!(lines, expected, "{how}: {text}");
        assert!(
            text.contains("\n# COPY conf /etc/\nCOPY layers/2/ /\n"),
            "{text}"
        );
        let read = |path: &str| std::fs::read_to_string(room.path(path)).expect(path);
        assert_eq!(
            (read("out/layers/2/etc/b"), read("out/layers/2/etc/c")),
            ("two".into(), "two".into())
        );
        // Whiteouts are for engines: ADD would make files of them.
        let list = |path: &str| -> Vec<String> {
            let file = std::fs::File::open(room.path(path)).expect(path);
            let mut tar = tar::Archive::new(file);
            let entries = tar.entries().expect("entries");
            entries
                .map(|entry| {
                    entry
                        .expect("an entry")
                        .path()
                        .expect("a path")
                        .display()
                        .to_string()
                })
                .collect()
        };
        assert_eq!(list("out/layers/4.tar"), ["etc", "etc/new"]);
        assert_eq!(
            std::fs::read(room.path("out/layers/3.tar")).expect("a tar"),
            build::layer("d etc | f etc/d x | h etc/e etc/d")
        );
        // It is not written twice, nor over something.
        let again = room.run("imghistory --dockerfile --extract out app.tar");
        again.fails("imghistory: out: it is there already, and not empty\n");
        std::fs::create_dir(room.path("empty")).expect("a folder");
        room.command("imghistory --dockerfile --extract empty -")
            .pipe(&files.tar())
            .run()
            .code(0);
        assert_eq!(text, read("empty/Dockerfile"));
        assert_eq!(list("empty/layers/4.tar"), ["etc", "etc/new"]);
    }
}

#[test]
fn nothing_is_written_outside_the_context() {
    for layer in [
        "f ../out 1",
        "d a | f a/../../out 1",
        "l a .. | f a/out 1",
        "l a /tmp | d a | f a/out 1",
        "d a | l a .. | f a/out 1",
        "f /out 1 | l b ../../../out",
        "d a | f a 1 | f a/out 1",
        "f a 1 | f a 2",
        "d a/b | f c/d/e 1",
    ] {
        let made = image(json!({}), "", &[("COPY x / # buildkit", BUILDKIT, layer)]);
        let room = Room::with("app.tar", &build::docker(&[&made]));
        let run = room.run("imghistory --dockerfile --extract context app.tar");
        run.no_crash().code(0);
        let mut names: Vec<String> = std::fs::read_dir(room.path(""))
            .expect("the room")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("UTF-8")
            })
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["app.tar", "context"], "{layer}\n{run}");
        let tar = room.path("context/layers/1.tar").exists();
        assert_eq!(tar, !layer.starts_with("f /out"), "{layer}\n{run}");
    }
    // Damage leaves nothing behind.
    let made = image(
        json!({}),
        "",
        &[("COPY x / # buildkit", BUILDKIT, "f a 123")],
    );
    let mut files = build::oci(&[&made]);
    let name = build::blob_name(&made.diff_ids()[0]);
    let bytes = files.bytes(&name);
    let end = bytes.len() - 1;
    bytes[600] = b'9';
    bytes[end] = 0;
    let room = Room::with("app.tar", &files);
    room.run("imghistory --dockerfile --extract context app.tar")
        .no_crash();
}

mod hostile {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::Config;

    /// Pieces of which entries are put together: all that any form gives a meaning to.
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
        #![proptest_config(Config { cases: 60, max_shrink_iters: 400, ..Config::default() })]

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
}
