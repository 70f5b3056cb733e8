//! Templates against the output of docker 20.10 for the same image.

use serde_json::json;

use super::*;

/// The parts of `docker image inspect` of an image with everything set, in docker's order.
fn classic() -> Value {
    json!({
        "Id": "sha256:6e5f702b1450f37f23a2f715d8ef1deaf6caec48866c99b35c62705faa70d3bd",
        "RepoTags": ["corpus/classic:1", "corpus/classic:latest"],
        "RepoDigests": [],
        "DockerVersion": "20.10.24+dfsg1",
        "Config": {
            "User": "nobody",
            "ExposedPorts": {"8080/tcp": {}},
            "Env": ["PATH=/usr/local/bin:/usr/bin", "PYTHON_VERSION=3.11"],
            "Cmd": ["-m", "http.server"],
            "Volumes": {"/data": {}},
            "Entrypoint": ["python"],
            "OnBuild": null,
            "Labels": {"maintainer": "corpus"},
            "Healthcheck": {"Test": ["CMD-SHELL", "exit 1"], "Interval": 30_000_000_000_i64}
        },
        "Os": "linux",
        "Size": 231_658_086,
        "GraphDriver": {"Data": null, "Name": "overlay2"}
    })
}

/// Output for an image with a minimal config.
fn web() -> Value {
    json!({
        "Config": {"Entrypoint": null, "OnBuild": null, "Volumes": null, "Labels": null, "Env": []},
        "Big": 18_446_744_073_709_551_615_u64,
        "Round": 1_000_000,
        "Flag": true
    })
}

fn inspect(template: &str, data: &Value) -> Result<String> {
    Template::parse(template, Shape::INSPECT)?.render(data)
}

#[test]
fn inspect_prints_what_docker_printed() {
    for (template, expected) in [
        ("{{.Size}}", "231658086"),
        ("{{truncate .ID 10}}", "sha256:6e5"),
        (r"{{.Os}}\t{{.Size}}", r"linux\t231658086"),
        ("{{.Config.Labels}}", "map[maintainer:corpus]"),
        ("{{json .Config.Labels}}", r#"{"maintainer":"corpus"}"#),
        ("{{.Config.Labels.foo}}", "<no value>"),
        ("{{.Config.Labels.foo.bar}}", "<no value>"),
        ("{{with .Config.Labels}}{{.foo}}{{end}}", "<no value>"),
        (r#"{{index .Config.Labels "foo"}}"#, ""),
        (r#"{{index .Config.Labels "maintainer"}}"#, "corpus"),
        ("{{.GraphDriver.Data.foo}}", "<no value>"),
        ("{{.Config.OnBuild}}{{json .Config.OnBuild}}", "[]null"),
        ("{{.RepoDigests}}{{json .RepoDigests}}", "[][]"),
        ("{{.Config.Shell}}", "[]"),
        ("{{.Variant}}|{{.OsVersion}}", "|"),
        ("{{.Config.Volumes}}", "map[/data:{}]"),
        (
            "{{.Config.ExposedPorts}}{{json .Config.ExposedPorts}}",
            r#"map[8080/tcp:{}]{"8080/tcp":{}}"#,
        ),
        (
            "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}",
            "maintainer=corpus;",
        ),
        (
            "{{range .Config.Env}}{{println .}}{{end}}",
            "PATH=/usr/local/bin:/usr/bin\nPYTHON_VERSION=3.11\n",
        ),
        ("{{json .Config.Cmd}}", r#"["-m","http.server"]"#),
        ("{{.Config.Healthcheck.Test}}", "[CMD-SHELL exit 1]"),
        (
            "{{json .Config.Healthcheck}}",
            r#"{"Test":["CMD-SHELL","exit 1"],"Interval":30000000000}"#,
        ),
        (
            r#"{{join .Config.Env ","}}"#,
            "PATH=/usr/local/bin:/usr/bin,PYTHON_VERSION=3.11",
        ),
        ("{{len .Config.Env}}", "2"),
        ("{{title .Os}}", "Linux"),
        ("{{pad .Os 2 3}}|", "  linux   |"),
        (
            "{{truncate .Id 10}}|{{truncate .Os 0}}|{{truncate .Os 99}}",
            "sha256:6e5||linux",
        ),
        (r#"{{index (split .Id ":") 0}}"#, "sha256"),
        (r#"{{split "a:b" ":"}}{{split "ab" ""}}"#, "[a b][a b]"),
        ("{{slice .Id 7 19}}", "6e5f702b1450"),
        (r#"{{eq .Os "linux"}} {{gt .Size 5}}"#, "true true"),
        (
            r#"{{.DockerVersion | upper | printf "%s!"}}"#,
            "20.10.24+DFSG1!",
        ),
        ("{{print .Size .Os nil 3 4}}", "231658086linux<nil> 3 4"),
        (r#"{{html "<a>"}}{{json "<a>&"}}"#, r#"&lt;a&gt;"<a>&""#),
        (
            r#"{{printf "%v %q %d %s" .Config.Cmd .Os .Size .Os}}"#,
            r#"[-m http.server] "linux" 231658086 linux"#,
        ),
        (
            "{{$c := .Config}}{{$c.User}}{{$.Os}}{{(index .RepoTags 0)}}",
            "nobodylinuxcorpus/classic:1",
        ),
        ("{{(.Config).User}}", "nobody"),
        (
            r#"{{define "x"}}<{{.User}}>{{end}}{{template "x" .Config}}"#,
            "<nobody>",
        ),
        ("{{if .Config.Nope}}x{{end}}{{.Os}}", ""),
    ] {
        match inspect(template, &classic()) {
            Ok(shown) => assert_eq!(shown, expected, "{template}"),
            // docker refuses this one, too.
            Err(_) => assert_eq!(template, "{{if .Config.Nope}}x{{end}}{{.Os}}"),
        }
    }
}

#[test]
fn null_prints_as_go_prints_the_field() {
    for (template, expected) in [
        (
            "{{.Config.Labels}} {{json .Config.Labels}} {{.Config.Labels.foo}}",
            "map[] null <no value>",
        ),
        (
            r#"[{{index .Config.Labels "x"}}] {{len .Config.Labels}}"#,
            "[] 0",
        ),
        (
            "{{.Config.Entrypoint}}{{json .Config.Entrypoint}} {{.Config.Volumes}}",
            "[]null map[]",
        ),
        (
            "{{len .Config.OnBuild}} {{json .Config.Env}} {{json .Config.Shell}}",
            "0 [] null",
        ),
        (
            "{{.Big}} {{.Round}} {{.Flag}} {{json .Big}}",
            "18446744073709551615 1000000 true 18446744073709551615",
        ),
        ("{{if .Config.Healthcheck}}yes{{else}}no{{end}}", "no"),
        (
            "{{json .Config}}",
            r#"{"Entrypoint":null,"OnBuild":null,"Volumes":null,"Labels":null,"Env":[]}"#,
        ),
        ("{{range .Config.Env}}x{{else}}none{{end}}", "none"),
    ] {
        assert_eq!(
            inspect(template, &web()).expect(template),
            expected,
            "{template}"
        );
    }
}

/// Output of docker 20.10 for an image with this health check, these labels and these ports.
#[test]
fn durations_and_maps_print_as_in_go() {
    let data = json!({"Config": {
        "Cmd": ["/bin/sh", "-c", "a b"],
        "Labels": {"z": "1", "a.b": "2", "n": "3"},
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
        "Healthcheck": {"Test": ["CMD", "x"], "Interval": 30_000_000_000_i64, "Retries": 3}
    }});
    for (template, expected) in [
        ("{{.Config.Healthcheck.Interval}}", "30s"),
        (
            "{{.Config.Healthcheck.Timeout}} {{.Config.Healthcheck.Retries}}",
            "0s 3",
        ),
        (
            r#"{{with .Config.Healthcheck}}{{printf "%v %s %q %d" .Interval .Interval .Interval .Interval}}{{end}}"#,
            r#"30s 30s "30s" 30000000000"#,
        ),
        ("{{json .Config.Healthcheck.Interval}}", "30000000000"),
        (
            "{{with .Config.Healthcheck}}{{if .Timeout}}t{{end}}{{if .Interval}}i{{end}}{{not .Timeout}}{{end}}",
            "itrue",
        ),
        (
            "{{with .Config.Healthcheck}}{{eq .Interval 30000000000}} {{gt .Interval 5}} {{.Interval | lt 5}}{{end}}",
            "true true true",
        ),
        ("{{or .Config.Healthcheck.Timeout \"none\"}}", "none"),
        (
            r#"{{printf "%q" .Config.Cmd}}"#,
            r#"["/bin/sh" "-c" "a b"]"#,
        ),
        (
            r#"{{printf "%s|%4s|%x" .Config.Cmd .Config.Cmd .Config.Cmd}}"#,
            "[/bin/sh -c a b]|[/bin/sh   -c  a b]|[2f62696e2f7368 2d63 612062]",
        ),
        (
            r#"{{printf "%q" .Config.Labels}}"#,
            r#"map["a.b":"2" "n":"3" "z":"1"]"#,
        ),
        (
            r#"{{printf "100%% %v" .Config.ExposedPorts}}"#,
            "100% map[53/udp:{} 80/tcp:{}]",
        ),
        ("{{json .Config.Labels}}", r#"{"a.b":"2","n":"3","z":"1"}"#),
        (
            "{{json .Config.ExposedPorts}}",
            r#"{"53/udp":{},"80/tcp":{}}"#,
        ),
    ] {
        assert_eq!(
            inspect(template, &data).expect(template),
            expected,
            "{template}"
        );
    }
}

#[test]
fn json_keeps_the_order_of_keys_and_printing_sorts_them() {
    let data = json!({"z": 1, "a": {"y": [1, {"c": 2, "b": 3}], "x": null}, "m": "<&>"});
    let text = r#"{"z":1,"a":{"y":[1,{"c":2,"b":3}],"x":null},"m":"<&>"}"#;
    assert_eq!(inspect("{{json .}}", &data).expect("json"), text);
    assert_eq!(
        inspect("{{json (index .a.y 1)}}", &data).expect("json"),
        r#"{"c":2,"b":3}"#
    );
    let printed = "map[a:map[x:<nil> y:[1 map[b:3 c:2]]] m:<&> z:1]";
    assert_eq!(inspect("{{.}}", &data).expect("print"), printed);
    assert_eq!(
        inspect("{{range $k, $v := .}}{{$k}}{{end}}", &data).expect("range"),
        "amz"
    );
    assert_eq!(
        inspect("{{json (slice .a.y 1)}}", &data).expect("slice"),
        r#"[{"c":2,"b":3}]"#
    );
}

#[test]
fn texts_are_shown_escaped_and_json_keeps_them() {
    let data = json!({"A": "a\nb\x1b[2J\u{202e}", "Labels": {"k\x1b": "v"}, "T": "{{.A}}"});
    for (template, expected) in [
        ("{{.A}}", r"a\nb\x1b[2J\u{202e}"),
        ("{{json .A}}", r#""a\nb\u001b[2J\u202e""#),
        ("{{.Labels}}", r"map[k\x1b:v]"),
        ("{{json .Labels}}", r#"{"k\u001b":"v"}"#),
        ("{{raw .A}}", "a\nb\x1b[2J\u{202e}"),
        ("{{range $k, $v := .Labels}}{{$k}}{{end}}", r"k\x1b"),
        ("{{.T}}\t\x1b", "{{.A}}\t\x1b"),
    ] {
        assert_eq!(
            inspect(template, &data).expect(template),
            expected,
            "{template}"
        );
    }
}

#[test]
fn what_does_not_fit_is_a_usage_error() {
    for (template, why) in [
        (
            "{{.Foo}}",
            "no field 'Foo': there are Id, RepoTags, RepoDigests, DockerVersion, Config, Os, Size, GraphDriver",
        ),
        (
            "{{.GraphDriver.Foo}}",
            "no field 'Foo': there are Data, Name",
        ),
        (
            "{{range .RepoTags}}{{$.Foo.Bar}}{{end}}",
            "no field 'Foo': there are",
        ),
        ("{{.Os.Foo}}", "can't evaluate field Foo in type string"),
        ("{{nope .Id}}", "function \"nope\" not defined"),
        (
            "{{if false}}{{nope}}{{end}}",
            "function \"nope\" not defined",
        ),
        ("{{.Id", "--format:1:6: unclosed action"),
        ("{{end}}", "--format:1:1: unexpected {{end}}"),
        ("{{.Id}}{{else}}", "--format:1:8: unexpected {{else}}"),
        ("{{if .Id}}x", "--format: unexpected EOF"),
        ("{{$x := 3}}{{$y}}", "undefined variable \"$y\""),
        ("{{truncate .Os -1}}", "truncate: the length is negative"),
        (
            "{{pad .Os 1 100000}}",
            "pad: 100000 is not between 0 and 65536",
        ),
        ("{{upper .Size}}", "expected string; got int"),
        ("{{join .Os \",\"}}", "expected []string; got string"),
        (
            "{{split .Os}}",
            "wrong number of args for split: want 2 got 1",
        ),
        ("{{index .RepoTags 9}}", "index out of range: 9"),
        ("{{template \"x\"}}", "undefined template: x"),
        ("{{.Os 1}}", "can't give argument to non-function"),
        ("{{json}}", "wrong number of args for json: want 1 got 0"),
    ] {
        let error = inspect(template, &classic()).expect_err(template);
        assert!(matches!(error.fault(), Fault::Usage(_)), "{error}");
        assert!(error.to_string().contains(why), "{template}: {error}");
    }
}

#[test]
fn output_is_limited() {
    let data = json!({"A": "x".repeat(1 << 20)});
    let error = inspect("{{range 100}}{{$.A}}{{end}}", &data).expect_err("limit");
    assert!(matches!(error.fault(), Fault::Limit { limit, .. } if *limit == 64 << 20));
    assert!(inspect("{{range 100000000000}}{{end}}", &data).is_err());
}

#[test]
fn one_template_serves_many_threads() {
    let template = Template::parse("{{json .a}}{{.b.c}}", Shape::INSPECT).expect("template");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let template = &template;
            scope.spawn(move || {
                for round in 0..200 {
                    let data = json!({"a": {"z": thread, "y": "\x1b"}, "b": {"c": round}});
                    let expected = format!("{{\"z\":{thread},\"y\":\"\\u001b\"}}{round}");
                    assert_eq!(template.render(&data).expect("render"), expected);
                }
            });
        }
    });
}

#[test]
fn a_template_of_nothing_prints_that() {
    for template in ["", "  \n", "{{/* nothing */}}", "{{define \"x\"}}{{end}} "] {
        let expected = template.split("{{").next().unwrap_or_default();
        let expected = if template.ends_with("}} ") {
            " "
        } else {
            expected
        };
        assert_eq!(inspect(template, &classic()).expect(template), expected);
    }
}

#[test]
fn headings_pass_through_functions() {
    let template = Template::parse(
        "{{lower .A}} {{join .B \",\"}} {{truncate .A 2}} {{.C}}",
        Shape::ROW,
    );
    let header = template
        .expect("template")
        .header([("A", "ONE"), ("B", "TWO")]);
    assert_eq!(header, "ONE TWO ONE <no value>");
}

/// A template of texts and fields is rendered without the engine, with the same result for every kind of value.
#[test]
fn plain_templates_print_what_the_engine_prints() {
    let values = [
        json!(""),
        json!("a\tb\u{1b}[31m\u{202e}é"),
        json!(-7),
        json!(u64::MAX),
        json!(1_500_000_000_i64),
        json!(1e6),
        json!(0.5),
        json!(true),
        json!(null),
        json!([]),
        json!(["a", 1]),
        json!({}),
        json!({"a": 1}),
    ];
    const DURATIONS: Shape = Shape {
        durations: &[("", "X")],
        ..Shape::ROW
    };
    let mut without_engine = 0;
    for shape in [Shape::ROW, Shape::INSPECT, DURATIONS] {
        for text in [
            "",
            "{{.X}}",
            "a {{.X}}\n{{- /* c */ -}} \t{{.Y}}{{.X}}",
            "{{.Z}}",
            "{{.X}} {{.X.Y}}",
            "{{.X}}{{len .Y}}",
            "{{$.X}}",
            r#"{{define "a"}}b{{end}}{{.X}}"#,
        ] {
            let plain = Template::parse(text, shape).expect(text);
            let mut engine = Template::parse(text, shape).expect(text);
            engine.plain = None;
            for value in &values {
                let row = json!({"X": value, "Y": "y"});
                let short = plain.plain.as_ref().and_then(|plain| plain.render(&row));
                without_engine += usize::from(short.is_some());
                let (one, other) = (plain.render(&row), engine.render(&row));
                let shown = |result: Result<String>| result.map_err(|error| error.to_string());
                assert_eq!(shown(one), shown(other), "{text} {value}");
            }
        }
    }
    assert!(without_engine > 25, "{without_engine}");
}
