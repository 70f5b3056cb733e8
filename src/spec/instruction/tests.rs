//! Instructions by table. Results were recorded from docker 20.10.24.

use serde_json::{Map, Value};

use super::{apply, parse};
use crate::error::Result;

/// The config that instructions make of an empty one.
fn made(text: &str) -> Result<Value> {
    let mut config = Map::new();
    apply(&mut config, &parse(&text.split('\n').collect::<Vec<_>>())?)?;
    Ok(config.into())
}

type Expected = std::result::Result<&'static str, &'static str>;

#[track_caller]
fn check(cases: &[(&str, Expected)]) {
    for (text, expected) in cases {
        match (made(text), expected) {
            (Ok(found), Ok(expected)) => {
                let expected: Value = serde_json::from_str(expected).expect("JSON");
                assert_eq!(found, expected, "{text}");
            }
            (Err(found), Err(expected)) => {
                assert_eq!(found.fault().to_string(), *expected, "{text}");
            }
            (found, expected) => panic!("{text}: expected {expected:?}, found {found:?}"),
        }
    }
}

#[test]
fn results_are_those_of_docker() {
    check(&RECORDED);
}

#[test]
fn newer_versions_of_docker_are_followed() {
    check(&NEWER);
}

#[test]
fn other_fields_are_kept_and_new_ones_have_dockers_order() {
    let base = r#"{"x":1,"Env":["PATH=/bin","A=1"],"cmd":["old"],"Image":"","Labels":{"b":"2"},"StopTimeout":7}"#;
    let mut config: Map<String, Value> = serde_json::from_str(base).expect("JSON");
    let changes = [
        "ENV PATH=$PATH:/usr/bin B=2",
        "LABEL a=1 c=3",
        "USER me",
        "STOPSIGNAL 9",
        "CMD [\"new\"]",
        "EXPOSE 80",
    ];
    apply(&mut config, &parse(&changes).expect("instructions")).expect("a config");
    let expected = r#"{"User":"me","ExposedPorts":{"80/tcp":{}},"x":1,"Env":["PATH=/bin:/usr/bin","A=1","B=2"],"cmd":["new"],"Image":"","Labels":{"a":"1","b":"2","c":"3"},"StopSignal":"9","StopTimeout":7}"#;
    assert_eq!(serde_json::to_string(&config).expect("JSON"), expected);
}

#[test]
fn shell_and_entrypoint_of_the_base_are_used() {
    let base = r#"{"Cmd":["old"],"Entrypoint":["e"],"ArgsEscaped":true,"WorkingDir":"/srv/app","Shell":["/bin/bash","-lc"]}"#;
    for (changes, expected) in [
        (
            &["CMD run"][..],
            r#"{"Cmd":["/bin/bash","-lc","run"],"Entrypoint":["e"],"WorkingDir":"/srv/app","Shell":["/bin/bash","-lc"]}"#,
        ),
        (
            &["ENTRYPOINT [\"f\"]"],
            r#"{"Entrypoint":["f"],"WorkingDir":"/srv/app","Shell":["/bin/bash","-lc"]}"#,
        ),
        (
            &["CMD [\"x\"]", "ENTRYPOINT f", "WORKDIR ../lib"],
            r#"{"Cmd":["x"],"Entrypoint":["/bin/bash","-lc","f"],"WorkingDir":"/srv/lib","Shell":["/bin/bash","-lc"]}"#,
        ),
    ] {
        let mut config: Map<String, Value> = serde_json::from_str(base).expect("JSON");
        apply(&mut config, &parse(changes).expect("instructions")).expect("a config");
        assert_eq!(
            serde_json::to_string(&config).expect("JSON"),
            expected,
            "{changes:?}"
        );
    }
}

#[test]
fn errors_name_the_instruction_and_invalid_configs_are_refused() {
    let error = parse(&["USER a", "EXPOSE 80", "ENV x"]).expect_err("no value");
    assert_eq!(error.to_string(), "ENV x: ENV must have two arguments");
    let error = made("USER a\nEXPOSE 80 99999").expect_err("no port");
    assert_eq!(
        error.to_string(),
        "EXPOSE 80 99999: Invalid containerPort: 99999"
    );
    for (base, change) in [
        (r#"{"Env":1}"#, "ENV a=b"),
        (r#"{"Env":[1]}"#, "USER x"),
        (r#"{"Labels":[]}"#, "LABEL a=b"),
        (r#"{"WorkingDir":{}}"#, "WORKDIR a"),
        (r#"{"Shell":"sh"}"#, "CMD x"),
    ] {
        let mut config: Map<String, Value> = serde_json::from_str(base).expect("JSON");
        let changes = parse(&[change]).expect("an instruction");
        assert!(apply(&mut config, &changes).is_err(), "{base} {change}");
    }
}

#[test]
fn nesting_is_bounded() {
    let deep = format!("ENV a={}{}", "${x:-".repeat(100_000), "}".repeat(100_000));
    assert!(made(&deep).is_err());
    assert!(parse(&[format!("{}RUN x", "ONBUILD ".repeat(100_000))]).is_err());
    assert!(parse(&[format!("CMD {}", "[".repeat(100_000))]).is_ok());
}

#[rustfmt::skip]
const RECORDED: [(&str, Expected); 173] = [
    ("CMD [\"a\",\"b\"]", Ok("{\"Cmd\":[\"a\",\"b\"]}")),
    ("CMD a  b", Ok("{\"Cmd\":[\"/bin/sh\",\"-c\",\"a  b\"]}")),
    ("CMD [\"a\"] foo", Ok("{\"Cmd\":[\"a\"]}")),
    ("CMD [1]", Err("when using JSON array syntax, arrays must be comprised of strings only")),
    ("CMD ['a']", Ok("{\"Cmd\":[\"/bin/sh\",\"-c\",\"['a']\"]}")),
    ("CMD []", Ok("{\"Cmd\":[]}")),
    ("ENTRYPOINT", Ok("{}")),
    ("ENTRYPOINT []", Ok("{}")),
    ("ENTRYPOINT [\"x\"]\nCMD y", Ok("{\"Cmd\":[\"/bin/sh\",\"-c\",\"y\"],\"Entrypoint\":[\"x\"]}")),
    ("CMD y\nENTRYPOINT [\"x\"]", Ok("{\"Cmd\":[\"/bin/sh\",\"-c\",\"y\"],\"Entrypoint\":[\"x\"]}")),
    ("CMD --foo bar", Err("Unknown flag: foo")),
    ("CMD -- bar", Ok("{\"Cmd\":[\"/bin/sh\",\"-c\",\"bar\"]}")),
    ("CMD --x=1", Err("Unknown flag: x")),
    ("CMD  [\"a\", \"b\\u0041\"] ", Ok("{\"Cmd\":[\"a\",\"bA\"]}")),
    ("CMD [\"a\",null]", Err("when using JSON array syntax, arrays must be comprised of strings only")),
    ("CMD [\"a\"", Ok("{\"Cmd\":[\"/bin/sh\",\"-c\",\"[\\\"a\\\"\"]}")),
    ("cmd x", Ok("{\"Cmd\":[\"/bin/sh\",\"-c\",\"x\"]}")),
    ("ENV a=b c=\"d e\" f='g h' i=j\\ k", Ok("{\"Env\":[\"a=b\",\"c=d e\",\"f=g h\",\"i=j k\"]}")),
    ("ENV a b c", Ok("{\"Env\":[\"a=b c\"]}")),
    ("ENV a", Err("ENV must have two arguments")),
    ("ENV", Err("ENV requires at least one argument")),
    ("ENV =b", Err("ENV names can not be blank")),
    ("ENV a=b c", Err("Syntax error - can't find = in \"c\". Must be of the form: name=value")),
    ("ENV a=\"b", Err("failed to process \"\\\"b\": unexpected end of statement while looking for matching double-quote")),
    ("ENV a=$PATH:$$ b=${x:-def} c=${x:+def}", Ok("{\"Env\":[\"a=:\",\"b=def\",\"c=\"]}")),
    ("ENV a=1\nENV b=${a}2 a=3 c=$a", Ok("{\"Env\":[\"a=3\",\"b=12\",\"c=1\"]}")),
    ("ENV a=${x?oops}", Err("failed to process \"${x?oops}\": x: oops")),
    ("ENV a=${x:?}", Err("failed to process \"${x:?}\": x: is not allowed to be unset")),
    ("ENV a=${", Err("failed to process \"${\": syntax error: missing '}'")),
    ("ENV a=${}", Err("failed to process \"${}\": syntax error: bad substitution")),
    ("ENV a=$", Ok("{\"Env\":[\"a=$\"]}")),
    ("ENV a=\\$b", Ok("{\"Env\":[\"a=$b\"]}")),
    ("ENV a=\"\\$b\" b=\"x\\\"y\" c=\"x\\y\"", Ok("{\"Env\":[\"a=$b\",\"b=x\\\"y\",\"c=x\\\\y\"]}")),
    ("ENV a='$b'", Ok("{\"Env\":[\"a=$b\"]}")),
    ("ENV a \"q w\"", Ok("{\"Env\":[\"a=q w\"]}")),
    ("ENV a=x=y", Ok("{\"Env\":[\"a=x=y\"]}")),
    ("ENV a=", Ok("{\"Env\":[\"a=\"]}")),
    ("ENV a=1 a=2", Ok("{\"Env\":[\"a=2\"]}")),
    ("ENV \"a b\"=c", Ok("{\"Env\":[\"a b=c\"]}")),
    ("ENV a=b\\", Ok("{\"Env\":[\"a=b\"]}")),
    ("ENV a=b \\\nc=d", Ok("{\"Env\":[\"a=b\",\"c=d\"]}")),
    ("ENV a=1 \\\n# c\nb=2", Ok("{\"Env\":[\"a=1\",\"b=2\"]}")),
    ("ENV a=1 \\\n\nb=2", Ok("{\"Env\":[\"a=1\",\"b=2\"]}")),
    ("ENV a=b\\\\", Ok("{\"Env\":[\"a=b\\\\\"]}")),
    ("EXPOSE 80", Ok("{\"ExposedPorts\":{\"80/tcp\":{}}}")),
    ("EXPOSE 80/tcp 53/udp 8080/TCP", Ok("{\"ExposedPorts\":{\"53/udp\":{},\"80/tcp\":{},\"8080/tcp\":{}}}")),
    ("EXPOSE 80-82", Ok("{\"ExposedPorts\":{\"80/tcp\":{},\"81/tcp\":{},\"82/tcp\":{}}}")),
    ("EXPOSE 82-80", Err("Invalid containerPort: 82-80")),
    ("EXPOSE", Err("EXPOSE requires at least one argument")),
    ("EXPOSE x", Err("Invalid containerPort: x")),
    ("EXPOSE 80/xyz", Err("Invalid proto: xyz")),
    ("EXPOSE 8080:80", Ok("{\"ExposedPorts\":{\"80/tcp\":{}}}")),
    ("EXPOSE 1.2.3.4:8080:80", Ok("{\"ExposedPorts\":{\"80/tcp\":{}}}")),
    ("EXPOSE 70000", Err("Invalid containerPort: 70000")),
    ("ENV p=80\nEXPOSE $p 443", Ok("{\"ExposedPorts\":{\"443/tcp\":{},\"80/tcp\":{}},\"Env\":[\"p=80\"]}")),
    ("ENV p=\"80 81\"\nEXPOSE $p", Ok("{\"ExposedPorts\":{\"80/tcp\":{},\"81/tcp\":{}},\"Env\":[\"p=80 81\"]}")),
    ("EXPOSE \"80\"", Ok("{\"ExposedPorts\":{\"80/tcp\":{}}}")),
    ("EXPOSE 80/", Ok("{\"ExposedPorts\":{\"80/tcp\":{}}}")),
    ("EXPOSE /tcp", Err("No port specified: /tcp<empty>")),
    ("EXPOSE 0", Ok("{\"ExposedPorts\":{\"0/tcp\":{}}}")),
    ("EXPOSE 080", Ok("{\"ExposedPorts\":{\"80/tcp\":{}}}")),
    ("EXPOSE 80,81", Err("Invalid containerPort: 80,81")),
    ("EXPOSE $nope", Ok("{}")),
    ("EXPOSE x:80", Err("Invalid hostPort: x")),
    ("EXPOSE 1.2.3:1:80", Err("Invalid ip address: 1.2.3")),
    ("EXPOSE 1-2:80", Ok("{\"ExposedPorts\":{\"80/tcp\":{}}}")),
    ("EXPOSE 1-2:80-83", Err("Invalid ranges specified for container and host Ports: 80-83 and 1-2")),
    ("EXPOSE [::1]:80:80", Ok("{\"ExposedPorts\":{\"80/tcp\":{}}}")),
    ("EXPOSE ::1:80:80", Err("Invalid ip address ::1: address ::1:: too many colons in address")),
    ("EXPOSE 1-2-3", Ok("{\"ExposedPorts\":{\"1/tcp\":{},\"2/tcp\":{}}}")),
    ("EXPOSE -1", Err("Invalid containerPort: -1")),
    ("EXPOSE +1", Err("Invalid containerPort: +1")),
    ("EXPOSE 80/sctp", Ok("{\"ExposedPorts\":{\"80/sctp\":{}}}")),
    ("EXPOSE 80/tcp/x", Ok("{\"ExposedPorts\":{\"80/tcp\":{}}}")),
    ("HEALTHCHECK NONE", Ok("{\"Healthcheck\":{\"Test\":[\"NONE\"]}}")),
    ("HEALTHCHECK NONE x", Err("HEALTHCHECK NONE takes no arguments")),
    ("HEALTHCHECK CMD curl x", Ok("{\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"curl x\"]}}")),
    ("HEALTHCHECK CMD [\"a\",\"b\"]", Ok("{\"Healthcheck\":{\"Test\":[\"CMD\",\"a\",\"b\"]}}")),
    ("HEALTHCHECK --interval=5m --timeout=3s --start-period=1h2m --retries=4 CMD x", Ok("{\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"x\"],\"Interval\":300000000000,\"Timeout\":3000000000,\"StartPeriod\":3720000000000,\"Retries\":4}}")),
    ("HEALTHCHECK", Err("HEALTHCHECK requires at least one argument")),
    ("HEALTHCHECK CMD", Err("Missing command after HEALTHCHECK CMD")),
    ("HEALTHCHECK FOO x", Err("Unknown type \"FOO\" in HEALTHCHECK (try CMD)")),
    ("HEALTHCHECK --interval=5 CMD x", Err("time: missing unit in duration \"5\"")),
    ("HEALTHCHECK --interval=1us CMD x", Err("Interval \"interval\" cannot be less than 1ms")),
    ("HEALTHCHECK --retries=x CMD x", Err("strconv.ParseInt: parsing \"x\": invalid syntax")),
    ("HEALTHCHECK --foo=1 CMD x", Err("Unknown flag: foo")),
    ("HEALTHCHECK --interval CMD x", Err("Missing a value on flag: interval")),
    ("HEALTHCHECK --interval=1s --interval=2s CMD x", Err("Duplicate flag specified: interval")),
    ("HEALTHCHECK --interval=1.5h CMD x", Ok("{\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"x\"],\"Interval\":5400000000000}}")),
    ("HEALTHCHECK --interval=-1s CMD x", Err("Interval \"interval\" cannot be less than 1ms")),
    ("HEALTHCHECK --interval=1y CMD x", Err("time: unknown unit \"y\" in duration \"1y\"")),
    ("HEALTHCHECK --interval=\"1s\" none", Ok("{\"Healthcheck\":{\"Test\":[\"NONE\"]}}")),
    ("HEALTHCHECK cmd $x", Ok("{\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"$x\"]}}")),
    ("HEALTHCHECK --retries=99999999999 CMD x", Err("strconv.ParseInt: parsing \"99999999999\": value out of range")),
    ("HEALTHCHECK CMD []", Err("Missing command after HEALTHCHECK CMD")),
    ("HEALTHCHECK --interval= CMD x", Ok("{\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"x\"]}}")),
    ("HEALTHCHECK --interval=s CMD x", Err("time: invalid duration \"s\"")),
    ("HEALTHCHECK --interval=9999999999h CMD x", Err("time: invalid duration \"9999999999h\"")),
    ("LABEL a=b c.d=\"e f\"", Ok("{\"Labels\":{\"a\":\"b\",\"c.d\":\"e f\"}}")),
    ("LABEL a b c", Ok("{\"Labels\":{\"a\":\"b c\"}}")),
    ("LABEL a", Err("LABEL must have two arguments")),
    ("LABEL", Err("LABEL requires at least one argument")),
    ("LABEL a=$x\"$x\"", Ok("{\"Labels\":{\"a\":\"\"}}")),
    ("ENV k=key\nLABEL $k=v", Ok("{\"Env\":[\"k=key\"],\"Labels\":{\"key\":\"v\"}}")),
    ("LABEL a=1\nLABEL a=2", Ok("{\"Labels\":{\"a\":\"2\"}}")),
    ("LABEL \"a\"=\"b\"", Ok("{\"Labels\":{\"a\":\"b\"}}")),
    ("LABEL a='$x'", Ok("{\"Labels\":{\"a\":\"$x\"}}")),
    ("LABEL a=\"b\\nc\"", Ok("{\"Labels\":{\"a\":\"b\\\\nc\"}}")),
    ("LABEL =x", Err("LABEL names can not be blank")),
    ("LABEL a=1 \\\n  b=2", Ok("{\"Labels\":{\"a\":\"1\",\"b\":\"2\"}}")),
    ("LABEL \"x y\" z", Err("failed to process \"\\\"x\": unexpected end of statement while looking for matching double-quote")),
    ("ONBUILD RUN x", Ok("{\"OnBuild\":[\"RUN x\"]}")),
    ("ONBUILD", Err("ONBUILD requires at least one argument")),
    ("ONBUILD ONBUILD RUN x", Err("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")),
    ("ONBUILD FROM x", Err("FROM isn't allowed as an ONBUILD trigger")),
    ("ONBUILD MAINTAINER x", Err("MAINTAINER isn't allowed as an ONBUILD trigger")),
    ("onbuild  copy a b", Ok("{\"OnBuild\":[\"copy a b\"]}")),
    ("ONBUILD ENV a", Err("ENV must have two arguments")),
    ("ONBUILD foo bar", Ok("{\"OnBuild\":[\"foo bar\"]}")),
    ("ONBUILD CMD [1]", Err("when using JSON array syntax, arrays must be comprised of strings only")),
    ("ONBUILD RUN --mount=x y", Ok("{\"OnBuild\":[\"RUN --mount=x y\"]}")),
    ("ONBUILD maintainer x", Err("MAINTAINER isn't allowed as an ONBUILD trigger")),
    ("USER root", Ok("{\"User\":\"root\"}")),
    ("USER", Err("USER requires exactly one argument")),
    ("USER a b", Ok("{\"User\":\"a b\"}")),
    ("ENV u=me\nUSER $u:x", Ok("{\"User\":\"me:x\",\"Env\":[\"u=me\"]}")),
    ("USER \"a b\"", Ok("{\"User\":\"a b\"}")),
    ("VOLUME /a /b", Ok("{\"Volumes\":{\"/a\":{},\"/b\":{}}}")),
    ("VOLUME [\"/a\",\"/b c\"]", Ok("{\"Volumes\":{\"/a\":{},\"/b c\":{}}}")),
    ("VOLUME", Err("VOLUME requires at least one argument")),
    ("VOLUME []", Err("VOLUME requires at least one argument")),
    ("VOLUME [\"\"]", Err("VOLUME specified can not be an empty string")),
    ("VOLUME $x", Err("VOLUME specified can not be an empty string")),
    ("VOLUME [1]", Err("when using JSON array syntax, arrays must be comprised of strings only")),
    ("VOLUME \"/a b\"", Err("failed to process \"\\\"/a\": unexpected end of statement while looking for matching double-quote")),
    ("VOLUME [\" /a \"]", Ok("{\"Volumes\":{\"/a\":{}}}")),
    ("VOLUME a/../b", Ok("{\"Volumes\":{\"a/../b\":{}}}")),
    ("WORKDIR /a", Ok("{\"WorkingDir\":\"/a\"}")),
    ("WORKDIR a", Ok("{\"WorkingDir\":\"/a\"}")),
    ("WORKDIR /a\nWORKDIR b/../c\nWORKDIR d", Ok("{\"WorkingDir\":\"/a/c/d\"}")),
    ("WORKDIR", Err("WORKDIR requires exactly one argument")),
    ("WORKDIR /a/../b//c/", Ok("{\"WorkingDir\":\"/a/../b//c/\"}")),
    ("WORKDIR $x", Err("cannot normalize nothing")),
    ("WORKDIR /a b", Ok("{\"WorkingDir\":\"/a b\"}")),
    ("WORKDIR \"/a b\"", Ok("{\"WorkingDir\":\"/a b\"}")),
    ("WORKDIR --x /a", Err("Unknown flag: x")),
    ("RUN x", Err("run is not a valid change command")),
    ("FROM x", Err("from is not a valid change command")),
    ("foo", Err("foo is not a valid change command")),
    ("", Err("file with no instructions")),
    ("# comment", Err("file with no instructions")),
    ("  CMD x  ", Ok("{\"Cmd\":[\"/bin/sh\",\"-c\",\"x\"]}")),
    ("CMD x\nUSER y", Ok("{\"User\":\"y\",\"Cmd\":[\"/bin/sh\",\"-c\",\"x\"]}")),
    ("# escape=`\nENV a=b`\nc=d", Ok("{\"Env\":[\"a=bc=d\"]}")),
    ("# escape=`\nCMD x", Ok("{\"Cmd\":[\"/bin/sh\",\"-c\",\"x\"]}")),
    ("#escape=x\nCMD x", Err("invalid escape token 'x' does not match ` or \\")),
    ("CMD a \\", Ok("{\"Cmd\":[\"/bin/sh\",\"-c\",\"a\"]}")),
    ("SHELL [\"x\"]", Err("shell is not a valid change command")),
    ("ARG x", Err("arg is not a valid change command")),
    ("MAINTAINER x", Err("maintainer is not a valid change command")),
    ("CMD x\nFOO y\nEXPOSE q", Err("foo is not a valid change command")),
    ("COPY a b", Err("copy is not a valid change command")),
    ("CMD <a&b>", Ok("{\"Cmd\":[\"/bin/sh\",\"-c\",\"<a&b>\"]}")),
    ("\tUSER\tx\t", Ok("{\"User\":\"x\"}")),
    ("USER\u{b}x", Ok("{\"User\":\"x\"}")),
    ("ENV\na=b", Err("a=b is not a valid change command")),
    ("CMD é\u{a0}ü", Ok("{\"Cmd\":[\"/bin/sh\",\"-c\",\"é\u{a0}ü\"]}")),
    ("ENV a=é b=日本", Ok("{\"Env\":[\"a=é\",\"b=日本\"]}")),
    ("LABEL a=b\u{a0}c=d", Ok("{\"Labels\":{\"a\":\"b\",\"c\":\"d\"}}")),
    ("ENV a=${x:-${y:-z}}", Ok("{\"Env\":[\"a=z\"]}")),
    ("ENV a=$1b$@c", Ok("{\"Env\":[\"a=bc\"]}")),
    ("ENV a=x$b.y", Ok("{\"Env\":[\"a=x.y\"]}")),
    ("ENV a=${a:-x} \\\n  b=2", Ok("{\"Env\":[\"a=x\",\"b=2\"]}")),
];

#[rustfmt::skip]
const NEWER: [(&str, Expected); 20] = [
    ("STOPSIGNAL SIGTERM", Ok("{\"StopSignal\":\"SIGTERM\"}")),
    ("STOPSIGNAL 9", Ok("{\"StopSignal\":\"9\"}")),
    ("STOPSIGNAL kill", Ok("{\"StopSignal\":\"kill\"}")),
    ("STOPSIGNAL foo", Err("Invalid signal: foo")),
    ("STOPSIGNAL 0", Err("Invalid signal: 0")),
    ("STOPSIGNAL", Err("STOPSIGNAL requires exactly one argument")),
    ("STOPSIGNAL SIGRTMIN+3", Ok("{\"StopSignal\":\"SIGRTMIN+3\"}")),
    ("STOPSIGNAL RTMIN+16", Err("Invalid signal: RTMIN+16")),
    ("STOPSIGNAL SIGRTMAX-14", Ok("{\"StopSignal\":\"SIGRTMAX-14\"}")),
    ("STOPSIGNAL RTMAX", Ok("{\"StopSignal\":\"RTMAX\"}")),
    ("ENV s=9\nSTOPSIGNAL $s", Ok("{\"Env\":[\"s=9\"],\"StopSignal\":\"9\"}")),
    ("CMD", Ok("{\"Cmd\":[]}")),
    ("HEALTHCHECK --interval=0s --retries=0 CMD x", Ok("{\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"x\"]}}")),
    ("HEALTHCHECK --retries=-1 CMD x", Err("--retries cannot be negative (-1)")),
    ("HEALTHCHECK --start-interval=250ms CMD x", Ok("{\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"x\"],\"StartInterval\":250000000}}")),
    ("ENV a=${b!c}", Err("failed to process \"${b!c}\": unsupported modifier (!) in substitution")),
    ("ENV a=${b:c}", Err("failed to process \"${b:c}\": unsupported modifier (:c) in substitution")),
    ("ENV a=${b#c}", Err("failed to process \"${b#c}\": unsupported modifier (#) in substitution")),
    ("ENV a=${a", Err("failed to process \"${a\": syntax error: missing '}'")),
    ("ENV e=\nENV a=${e-1} b=${e:-1} c=${e+1} d=${e:+1} f=${x-\"q}\"}", Ok("{\"Env\":[\"e=\",\"a=\",\"b=1\",\"c=1\",\"d=\",\"f=q}\"]}")),
];
