//! Entries of buildah, kaniko, commits, imports and other programs, and images of real tools.

use serde_json::json;

use super::*;
use crate::common::{foreign, golden};

#[test]
fn buildah() {
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
}

#[test]
fn commits() {
    let layer = "d app | f app/x one";
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
}

#[test]
fn imports() {
    let layer = "d app | f app/x one";
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
}

#[test]
fn kaniko() {
    let layer = "d app | f app/x one";
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
}

#[test]
fn programs_without_dockerfiles() {
    let layer = "d app | f app/x one";
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
}

#[test]
fn squashed_builds() {
    let nop = |text: &str| format!("/bin/sh -c #(nop) {text}");
    let layer = "d app | f app/x one";
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
        // IDs change with each new build of the archives.
        let text: Vec<&str> = run.out().lines().skip(1).collect();
        let mut text = text.join("\n") + "\n";
        while let Some(at) = text.find("<file:").or_else(|| text.find("<dir:")) {
            let end = text[at..].find('>').expect("an end") + at;
            text.replace_range(at..=end, "SOURCE");
        }
        golden(&format!("tests/golden/dockerfile/{name}.Dockerfile"), &text);
    }
}
