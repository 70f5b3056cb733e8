//! Every form that builders have written, and what must become of it.

use serde_json::json;

use super::*;
use crate::common::{foreign, golden};

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
