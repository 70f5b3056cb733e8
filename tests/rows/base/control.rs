//! Control data and members of control archives.

use super::super::room::Input;
use super::super::tar::{file, folder, link};
use super::super::{Case, Kind};
use super::{BOTH, CONTROL, DATA, OUTSIDE, Rows, good, one, with};

/// D4: fields.
pub fn fields(rows: &mut Rows) {
    let without = |field: &str| {
        let lines = CONTROL.lines().filter(|line| !line.starts_with(field));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    let more = |text: &str| CONTROL.replace("Description", &format!("{text}\nDescription"));
    let many = (0..400_000).fold(CONTROL.to_owned(), |text, i| text + &format!("F{i}: x\n"));
    for (what, text) in [
        ("no package", without("Package")),
        ("no version", without("Version")),
        ("no architecture", without("Architecture")),
        ("nothing", String::new()),
        (
            "a version that is none",
            CONTROL.replace("Version: 1", "Version: 1 2"),
        ),
        ("a field twice", more("version: 2")),
        ("two paragraphs", format!("{CONTROL}\n{CONTROL}")),
        ("no field", more("nothing")),
        ("relations that are none", more("Depends: a b c")),
        ("relations for terminals", more("Depends: \u{1b}[2J")),
        (
            "200,000 relations",
            more(&format!("Depends: {}a", "a, ".repeat(200_000))),
        ),
    ] {
        rows.add("D4", what, &one(with(&text, &[])), BOTH, &[]);
    }
    for (what, text, codes) in [
        (
            "an architecture that climbs",
            CONTROL.replace("Architecture: all", "Architecture: ../all"),
            "imgbase_deb=2",
        ),
        (
            "a name that climbs",
            CONTROL.replace("Package: a", "Package: ../a"),
            "imgbase_deb=2",
        ),
        (
            "what is not there",
            more("Depends: nothing"),
            "imgbase_deb=2",
        ),
        (
            "what it cannot have",
            more("Depends: a (>> 1)"),
            "imgbase_deb=2",
        ),
    ] {
        rows.add("D4", what, &one(with(&text, &[])), codes, &[]);
    }
    let named = with(&CONTROL.replace("Package: a", "Package: a\u{1b}[2J"), &[]);
    rows.add(
        "D4",
        "a name for terminals",
        &[("a.deb", good()), ("b.deb", named)],
        "",
        &[],
    );
    rows.add(
        "D4",
        "400,000 fields",
        &one(with(&many, &[])),
        BOTH,
        &["limit exceeded"],
    );
    for (what, text) in [
        (
            "a line of 10 MB",
            more(&format!("X: {}", "x".repeat(10 << 20))),
        ),
        ("bytes that are no text", more("X: \u{fffd}\u{202e}\u{9b}")),
    ] {
        rows.add("D4", what, &one(with(&text, &[])), "", &[]);
    }
}

/// D4: members of the control archive.
pub fn members(rows: &mut Rows) {
    for (what, members, codes) in [
        ("a link as control", vec![link(b"./control", OUTSIDE)], BOTH),
        (
            "a file below",
            vec![folder(b"./d"), file(b"./d/x", b"1")],
            BOTH,
        ),
        (
            "a member twice",
            vec![file(b"./postinst", b"1"), file(b"./postinst", b"2")],
            BOTH,
        ),
        ("a member that climbs", vec![file(b"../x", b"1")], BOTH),
        (
            "a name for terminals",
            vec![file(b"./\x1b[2J\n", b"1")],
            "",
        ),
        (
            "settings and sums that lead out",
            vec![
                file(b"./conffiles", b"/../../outside/canary\n../x\nnothing\n"),
                file(b"./triggers", b"interest /../../x\nactivate \x1b[2J\n\xff\n"),
            ],
            "",
        ),
        (
            "sums that are wrong",
            vec![file(b"./md5sums", b"00000000000000000000000000000000  usr/a\n")],
            DATA,
        ),
        (
            "a script that nests without end",
            vec![file(
                b"./postinst",
                ("#!/bin/sh\n".to_owned() + &"if true; then ".repeat(100_000)).as_bytes(),
            )],
            "",
        ),
        (
            "a script that leads out",
            vec![file(
                b"./postinst",
                b"#!/bin/sh\nln -s ../../../outside /x\necho evil > /x/canary\nrm -rf /../outside /\nmkdir -p ../../outside/y\n\
                  update-alternatives --install /../outside/a a /usr/a 5\nchmod 777 /../outside/canary\n",
            )],
            "",
        ),
        (
            "a script for terminals",
            vec![file(b"./postinst", "#!/bin/sh\n\u{1b}[2J \u{202e} \u{9b}\r x\n".as_bytes())],
            "",
        ),
    ] {
        rows.add("D4", what, &one(with(CONTROL, &members)), codes, &[]);
    }
    let crowd: Vec<Vec<u8>> = (0..5000)
        .map(|i| file(format!("./{i}").as_bytes(), b""))
        .collect();
    rows.add(
        "D4",
        "5,000 members",
        &one(with(CONTROL, &crowd)),
        BOTH,
        &["limit exceeded"],
    );
}

/// D4: names of essential packages.
pub fn essential_names(rows: &mut Rows) {
    for (what, name) in [
        ("climbs", "../../../x"),
        ("for terminals", "x\u{1b}[2J\u{9b}"),
    ] {
        let text = CONTROL.replace("Package: a", &format!("Package: {name}\nEssential: yes"));
        let files = vec![(
            "in/a.deb".to_owned(),
            with(&text, &[file(b"./postinst", b"#!/bin/sh\nx\n")]),
        )];
        let lines = ["full", "status-d"].map(|how| {
            format!(
                "imgbase deb --debs in --arch amd64 --variant essential --database {how} -o out"
            )
        });
        let lines = [
            (Kind::Root, lines[0].as_str()),
            (Kind::Root, lines[1].as_str()),
        ];
        let input = Input::Files("in/", files);
        rows.0.push(Case::of(
            "D4",
            &format!("an essential name that {what}"),
            input,
            &lines,
            "*=02",
            &[],
        ));
    }
}
