//! Entries of docker's classic builder. Numbers count the forms of entries.

use serde_json::json;

use super::*;

#[test]
fn env() {
    let nop = |text: &str| format!("/bin/sh -c #(nop) {text}");
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
}

#[test]
fn copies() {
    let nop = |text: &str| format!("/bin/sh -c #(nop) {text}");
    let layer = "d app | f app/x one";
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
}

#[test]
fn run() {
    let layer = "d app | f app/x one";
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
}

#[test]
fn build_arguments() {
    let nop = |text: &str| format!("/bin/sh -c #(nop) {text}");
    let layer = "d app | f app/x one";
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
}

#[test]
fn shell() {
    let layer = "d app | f app/x one";
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
}

#[test]
fn commands() {
    let nop = |text: &str| format!("/bin/sh -c #(nop) {text}");
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
        ("ENTRYPOINT ", json!({}), "ENTRYPOINT []"),
        (
            " CMD [/bin/sh -c a b]",
            json!({"Cmd": ["/bin/sh", "-c", "a b"]}),
            "CMD a b",
        ),
    ] {
        becomes("11 to 13", config, "", &[(&nop(text), "", "")], &[expected]);
    }
}

#[test]
fn ports_volumes_users_and_signals() {
    let nop = |text: &str| format!("/bin/sh -c #(nop) {text}");
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
