use proptest::prelude::*;

use super::testing::{NOW, Sample};
use super::*;
use crate::error::{Error, Result};

pub(super) fn parse(text: &str) -> Result<Expression> {
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    Expression::parse(&words, NOW)
}

/// Result of an expression for a version, and what it wrote; `print` is written as `P`.
fn run(text: &str, sample: &Sample) -> (Outcome, String) {
    let mut out = String::new();
    let expression = parse(text).expect(text);
    let outcome = expression.evaluate(sample, |action| {
        match action {
            Action::Print => out.push('P'),
            Action::Print0 => out.push('0'),
            Action::Write(bytes) => out.push_str(&String::from_utf8_lossy(bytes)),
        }
        Ok(())
    });
    (outcome.expect(text), out)
}

pub(super) fn matches(text: &str, sample: &Sample) -> bool {
    run(text, sample).0.is_match
}

/// Expressions that match a key.
const OF_A_KEY: &[&str] = &[
    "",
    "-name id_*",
    "-name *rsa",
    "-iname ID_R?A",
    "-path /root/*",
    "-path */id_rsa",
    "-path root*rsa",
    "-path ./root/*",
    "-wholename /root/.ssh/id_rsa",
    "-ipath /ROOT/*",
    "-regex /root/.*",
    "-regex ./root/.*",
    "-regex .*/id_(rsa|dsa)",
    "-iregex .*RSA",
    "-regextype posix-basic -regex .*/id_\\(rsa\\|dsa\\)",
    "-type f",
    "-type d,f",
    "-size 2",
    "-size -2k",
    "-size 1000c",
    "-links 3",
    "-links +2",
    "-uid 1",
    "-uid -2",
    "-gid 2",
    "-user daemon",
    "-user 1",
    "-group bin",
    "-perm 4600",
    "-perm -u+s",
    "-perm /6000",
    "-mtime 0",
    "-mtime -1",
    "-mmin +59",
    "-mmin -61",
    "-newermt @1799990000",
    "-newer /etc/passwd",
    "-newermm etc/passwd",
    "-samefile /root/.ssh/id_rsa",
    "-duplicate",
    "-layer 2",
    "-layer ..2",
    "-layer 2..",
    "-layer sha256:abcd01",
    "-state removed",
    "-state final,removed",
    "-step COPY*",
    "-gone-by *rm*",
    "-cap",
    "-cap net_raw",
    "-cap CAP_NET_RAW",
    "-xattr user.note",
    "-xattr user.note=draft*",
    "-digest sha256:AABBCCDD",
    "-true",
    "-mindepth 3 -maxdepth 3",
    "-cap -name id_rsa",
    "-daystart -mtime -2",
];

/// Expressions that do not.
const OF_NO_KEY: &[&str] = &[
    "-name id_",
    "-name root/*",
    "-name .ssh*",
    "-path /ssh/*",
    "-path ssh*",
    "-regex root",
    "-regex .*/id",
    "-lname *",
    "-type d",
    "-type h",
    "-type l,d",
    "-size 1",
    "-size -2",
    "-empty",
    "-links 1",
    "-uid +1",
    "-gid 1",
    "-user bin",
    "-user 2",
    "-user nobody",
    "-nouser",
    "-nogroup",
    "-perm 600",
    "-perm /022",
    "-mtime +0",
    "-mmin -59",
    "-atime 0",
    "-ctime -9",
    "-newermt 2999-01-01",
    "-samefile /etc/passwd",
    "-layer 3..",
    "-layer 1",
    "-layer sha256:abce",
    "-state final",
    "-step RUN*",
    "-gone-by rm*",
    "-cap net_admin",
    "-xattr user.other",
    "-xattr user.note=final*",
    "-digest sha256:aabbccde",
    "-false",
    "-maxdepth 2",
    "-mindepth 4",
];

#[test]
fn each_word_tests_its_fact() {
    let key = Sample {
        mode: 0o4600,
        state: "removed",
        xattrs: vec![
            ("user.note", b"draft 1".to_vec()),
            (
                "security.capability",
                vec![
                    1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                ],
            ),
        ],
        links: 3,
        ..Sample::file("root/.ssh/id_rsa")
    };
    let link = Sample {
        kind: Kind::Symlink,
        target: "../lib/libz.so.1",
        ..Sample::file("usr/lib/libz.so")
    };
    for (sample, yes, no) in [
        (&key, OF_A_KEY, OF_NO_KEY),
        (
            &link,
            &[
                "-type l",
                "-lname *libz*",
                "-ilname *LIBZ.SO.?",
                "-name libz.so",
            ],
            &[
                "-type f",
                "-empty",
                "-duplicate",
                "-lname libz*",
                "-cap",
                "-gone-by *",
            ],
        ),
    ] {
        for text in yes {
            assert!(matches(text, sample), "{text}");
        }
        for text in no {
            assert!(!matches(text, sample), "{text}");
        }
    }
    let hard = Sample {
        is_hard_link: true,
        ..Sample::file("a")
    };
    assert!(matches("-type h", &hard) && matches("-type f", &hard));
    assert!(matches("-empty", &Sample::directory("empty")));
    assert!(!matches("-empty", &Sample::directory("full")));
}

#[test]
fn operators_bind_as_in_find() {
    let file = Sample::file("a");
    for (text, expected) in [
        ("-true -o -true -false", true),
        ("( -true -o -true ) -false", false),
        ("! -true -o -true", true),
        ("! ( -true -o -true )", false),
        ("! ! -true", true),
        ("-true , -false", false),
        ("-false , -true", true),
        ("-false -o -false , -true", true),
        ("-true -a -true -and -not -false", true),
        ("-false -or -true", true),
        ("! -daystart -mtime 0", false),
        ("-daystart -not -daystart -false -daystart", true),
        ("-daystart", true),
    ] {
        assert_eq!(matches(text, &file), expected, "{text}");
    }
    for (text, out) in [
        ("-print -o -print0", "P"),
        ("-print -print0", "P0"),
        ("-false -print0", ""),
        ("-false -o -print0", "0"),
        ("! -print0", "0"),
        ("-print0 , -print", "0P"),
        ("-print -quit -print0", "P"),
        ("-quit", ""),
        ("-prune", "P"),
        ("-name b -prune -o -print0", "0"),
    ] {
        assert_eq!(run(text, &file).1, out, "{text}");
    }
}

#[test]
fn directories_are_pruned() {
    let prunes = |text, sample| run(text, &sample).0.is_pruned;
    assert!(prunes("-name a -prune", Sample::directory("a")));
    assert!(!prunes("-name b -prune", Sample::directory("a")));
    assert!(!prunes("-name a -prune", Sample::file("a")));
    assert!(!prunes("-depth -name a -prune", Sample::directory("a")));
    assert!(!prunes("-mindepth 2 -prune", Sample::directory("a")));
    assert!(run("-quit", &Sample::file("a")).0.is_end);
    assert!(parse("-depth").expect("words").is_depth_first());
    let uses_digests = |text| parse(text).expect(text).uses().digests;
    assert!(uses_digests("-name a -o ! -duplicate") && uses_digests("-digest sha256:aabbccdd"));
    assert!(!uses_digests("-name a"));
}

#[test]
fn formats_are_those_of_find() {
    let sample = Sample {
        mode: 0o4755,
        mtime: 1_793_696_882,
        ..Sample::file("usr/bin/s u")
    };
    for (format, text) in [
        ("%p %P %f %h %d", "usr/bin/s u usr/bin/s u s u usr/bin 3"),
        ("%s %b %k", "1000 2 1"),
        ("%m %M", "4755 -rwsr-xr-x"),
        ("%u %U %g %G", "daemon 1 bin 2"),
        ("%y %l %n %i", "f  1 7"),
        ("%t", "Tue Nov  3 09:08:02.0000000000 2026"),
        ("%T@", "1793696882.0000000000"),
        ("%T+", "2026-11-03+09:08:02.0000000000"),
        ("%TY-%Tm-%Td %TT", "2026-11-03 09:08:02.0000000000"),
        (
            "%Ta %TA %Tb %TB %Tj %TH %TI %Tp",
            "Tue Tuesday Nov November 307 09 09 AM",
        ),
        (
            "%Tc|%Tr|%Tx|%TD|%TZ|%Tz",
            "Tue Nov  3 09:08:02 2026|09:08:02 AM|11/03/26|11/03/26|UTC|+0000",
        ),
        ("%TU %TV %TW %Tu %Tw %Tg %TG %Ty %TC", "?"),
        (
            "[%5d][%-5d][%05m][%.2f][%3f]",
            "[    3][3    ][04755][s ][s u]",
        ),
        ("%%\\t\\\\\\n\\101\\07x", "%\t\\\nA\u{7}x"),
    ] {
        let words = ["-printf", format];
        match Expression::parse(&words, NOW) {
            Ok(expression) => {
                let mut out = Vec::new();
                let outcome = expression.evaluate(&sample, |action| {
                    if let Action::Write(bytes) = action {
                        out.extend_from_slice(bytes);
                    }
                    Ok(())
                });
                outcome.expect(format);
                assert_eq!(String::from_utf8_lossy(&out), text, "{format}");
            }
            // `%TC` is none of find's.
            Err(_) => assert_eq!(text, "?", "{format}"),
        }
    }
    let hostile = Sample::file("a\u{1b}[2J\n");
    assert_eq!(run("-printf %p", &hostile).1, "a\\x1b[2J\\n");
    assert_eq!(run("-printf %p\\0", &hostile).1, "a\u{1b}[2J\n\0");
    assert_eq!(
        run("-ls", &sample).1,
        "        7      1 -rwsr-xr-x   1 daemon   bin          1000 Nov  3 09:08 usr/bin/s u\n"
    );
}

#[test]
fn errors_name_the_word() {
    for (text, expected) in [
        ("-exec ls ;", "-exec: runs and changes nothing"),
        ("-inum 5", "-inum: has no meaning in an archive"),
        ("-foo", "-foo: unknown word"),
        ("-name", "-name: missing argument"),
        ("-name a foo", "foo: images must precede the expression"),
        ("( )", "(): empty parentheses"),
        ("-o -name x", "-o: expected an expression before it"),
        ("-name x -o", "-o: expected an expression after it"),
        ("!", "!: expected an expression after it"),
        ("( -name x", "(: expected a ')' after it"),
        ("( -name x -o )", "-o: expected an expression after it"),
        ("-name x )", "): too many ')'"),
        (")", "): too many ')'"),
        (", -name x", ",: expected an expression before it"),
        (
            "-size 5q",
            "-size: invalid size '5q': expected N, +N or -N and one of cwbkMG",
        ),
        (
            "-type x",
            "-type: invalid type 'x': expected a list of f, d, l, b, c, p, h, w and o",
        ),
        (
            "-perm 8",
            "-perm: invalid mode '8': expected octal digits or changes as of chmod, after - or /",
        ),
        (
            "-maxdepth -1",
            "-maxdepth: invalid depth '-1': expected a number",
        ),
        (
            "-regextype emacs",
            "-regextype: invalid syntax 'emacs': expected posix-extended, posix-basic, rust",
        ),
        (
            "-regex (",
            "-regex: invalid regular expression '(': unclosed group",
        ),
        (
            "-layer 0",
            "-layer: invalid layer '0': expected a number, A..B or a digest",
        ),
        ("-layer 5..3", "-layer: empty range '5..3'"),
        (
            "-state gone",
            "-state: invalid state 'gone': expected a list of final, replaced, removed, hidden, repeated, unapplied",
        ),
        (
            "-digest abc",
            "-digest: invalid digest 'abc': expected 64 hexadecimal digits, or sha256: and at least 8 of them",
        ),
        // An MD5 digest, which listings do not have.
        (
            "-digest d41d8cd98f00b204e9800998ecf8427e",
            "-digest: invalid digest 'd41d8cd98f00b204e9800998ecf8427e': expected 64 hexadecimal digits, or sha256: and at least 8 of them",
        ),
        ("-printf %q", "-printf: unknown directive '%q'"),
        ("-printf \\q", "-printf: unknown escape '\\q'"),
        ("-printf %", "-printf: trailing % in the format"),
        ("-printf %5000p", "-printf: a width above 1000"),
        (
            "-cap foo",
            "-cap: invalid capability 'foo': expected a name like net_raw",
        ),
        ("-name a\\", "-name: invalid pattern 'a\\': trailing \\"),
        (
            "-newermt soon",
            "-newermt: invalid date 'soon': expected a date like 2026-01-31 or 2026-01-31T12:00:00Z, or @SECONDS",
        ),
    ] {
        let error = parse(text).expect_err(text);
        assert_eq!(error.to_string(), expected, "{text}");
    }
    let hint = |text| parse(text).expect_err(text).hint();
    assert_eq!(
        hint("-delete").as_deref(),
        Some("pipe -print0, or take files out with imgexport")
    );
    assert!(hint("-readable").is_some_and(|hint| hint.contains("-perm /444")));
    assert_eq!(hint("-foo"), None);
    let failing: Result<Outcome, Error> = parse("-newer none")
        .expect("words")
        .evaluate(&Sample::file("a"), |_| Ok(()));
    assert!(failing.is_err());
}

#[test]
fn size_and_depth_are_bounded() {
    let nested = |depth: usize| format!("{}-true {}", "( ".repeat(depth), ") ".repeat(depth));
    assert!(parse(&nested(MAX_DEPTH)).is_ok());
    let error = parse(&nested(MAX_DEPTH + 1)).expect_err("nested");
    assert!(error.to_string().contains("nesting of an expression"));
    assert!(parse(&"! ".repeat(MAX_WORDS - 1)).is_err());
    assert!(matches(
        &format!("{}-true", "! ".repeat(MAX_WORDS - 2)),
        &Sample::file("a")
    ));
    let error = parse(&"-true ".repeat(MAX_WORDS + 1)).expect_err("long");
    assert!(error.to_string().contains("words of an expression"));
}

#[test]
fn expressions_begin_at_words() {
    for word in [
        "(", "!", "-name", "-exec", "-not", "-print0", "-perm", "-xdev",
    ] {
        assert!(starts_expression(word.as_bytes()), "{word}");
    }
    for word in [
        ")", "app.tar", "-n", "-o", "-d", "-L", "-namex", "--name", ",", "",
    ] {
        assert!(!starts_expression(word.as_bytes()), "{word}");
    }
}

/// An expression as its words and, without any order of cost, as a function.
#[derive(Debug, Clone)]
enum Model {
    /// One of [`LEAVES`].
    Leaf(usize),
    Not(Box<Model>),
    And(Box<Model>, Box<Model>),
    Or(Box<Model>, Box<Model>),
    List(Box<Model>, Box<Model>),
}

const LEAVES: [&str; 10] = [
    "-true",
    "-false",
    "-name a*",
    "-type d",
    "-size +1",
    "-regex .*b",
    "-digest sha256:aabbccdd",
    "-links 1",
    "-print",
    "-prune",
];

impl Model {
    fn words(&self) -> String {
        match self {
            Model::Leaf(at) => LEAVES[*at].to_owned(),
            Model::Not(inner) => format!("! ( {} )", inner.words()),
            Model::And(a, b) => format!("( {} ) ( {} )", a.words(), b.words()),
            Model::Or(a, b) => format!("( {} ) -o ( {} )", a.words(), b.words()),
            Model::List(a, b) => format!("( {} ) , ( {} )", a.words(), b.words()),
        }
    }

    fn value(&self, sample: &Sample, effects: &mut (usize, bool)) -> bool {
        match self {
            Model::Leaf(at) => match at {
                0 => true,
                1 => false,
                2 => sample
                    .path
                    .rsplit('/')
                    .next()
                    .is_some_and(|name| name.starts_with('a')),
                3 => sample.kind == Kind::Directory,
                4 => sample.size > 512,
                5 => sample.path.ends_with('b'),
                6 => sample.kind == Kind::File,
                7 => sample.links == 1,
                8 => {
                    effects.0 += 1;
                    true
                }
                _ => {
                    effects.1 |= sample.kind == Kind::Directory;
                    true
                }
            },
            Model::Not(inner) => !inner.value(sample, effects),
            Model::And(a, b) => a.value(sample, effects) && b.value(sample, effects),
            Model::Or(a, b) => a.value(sample, effects) || b.value(sample, effects),
            Model::List(a, b) => {
                a.value(sample, effects);
                b.value(sample, effects)
            }
        }
    }
}

fn models() -> impl Strategy<Value = Model> {
    let leaf = (0..LEAVES.len()).prop_map(Model::Leaf);
    leaf.prop_recursive(6, 40, 2, |inner| {
        let two = || (inner.clone(), inner.clone());
        let both = |make: fn(Box<Model>, Box<Model>) -> Model| {
            move |(a, b): (Model, Model)| make(Box::new(a), Box::new(b))
        };
        prop_oneof![
            inner.clone().prop_map(|inner| Model::Not(Box::new(inner))),
            two().prop_map(both(Model::And)),
            two().prop_map(both(Model::Or)),
            two().prop_map(both(Model::List)),
        ]
    })
}

proptest! {
    #[test]
    fn order_of_cost_changes_no_result(model in models(), path in "[abc]{1,2}(/[abc]{1,2}){0,2}", is_directory: bool, links in 1_u64..3) {
        let path: &'static str = String::leak(path);
        let sample = match is_directory {
            true => Sample::directory(path),
            false => Sample::file(path),
        };
        let sample = Sample { links, ..sample };
        let words = model.words();
        let (outcome, out) = run(&words, &sample);
        let mut effects = (0, false);
        let value = model.value(&sample, &mut effects);
        let prints = match words.contains("-print") {
            true => effects.0,
            false => usize::from(value),
        };
        prop_assert_eq!(outcome.is_match, value, "{}", words);
        prop_assert_eq!(outcome.is_pruned, effects.1, "{}", words);
        prop_assert_eq!(out, "P".repeat(prints), "{}", words);
    }

    #[test]
    fn any_words_are_parsed_or_refused(text in "(\\(|\\)|!|,|-a|-o|-name|-size|-perm|-printf|-regextype|posix-basic|-regex|-true|%T@|\\\\|[^ ]{0,3}| ){0,30}") {
        if let Ok(expression) = parse(&text) {
            let _ = expression.evaluate(&Sample::file("a/b"), |_| Ok(()));
        }
    }
}
