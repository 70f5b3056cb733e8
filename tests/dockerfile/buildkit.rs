//! Entries of BuildKit. Numbers count the forms of entries.

use serde_json::json;

use super::*;

const LAYER: &str = "d app | f app/x one | d etc | f etc/app.conf a\n";

/// Checks the lines of one entry of BuildKit.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let workdir = if text.starts_with("WORKDIR") {
        json!({"WorkingDir": "/app"})
    } else {
        json!({})
    };
    becomes(text, workdir, "", &[(text, BUILDKIT, LAYER)], expected);
}

#[test]
fn workdir_and_run() {
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
    ] {
        check(text, expected);
    }
}

#[test]
fn copies() {
    for (text, expected) in [
        // 32 to 36
        (
            "COPY --chown=a --chmod=755 src app/x # buildkit",
            &["COPY --chown=a --chmod=755 src app/x"][..],
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
        check(text, expected);
    }
}

#[test]
fn secret_mounts() {
    // 37
    becomes(
        "37",
        json!({}),
        "",
        &[(
            "RUN /bin/sh -c cat /run/secrets/key > /app/x # buildkit",
            BUILDKIT,
            LAYER,
        )],
        &[
            "# options of this RUN are not recorded; it probably had --mount=type=secret,id=key",
            "RUN cat /run/secrets/key > /app/x",
        ],
    );
}

#[test]
fn settings() {
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

/// Returns a layer with one file of any text.
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
