//! What imgbase reads of strangers: packages as files, archives of files, and programs whose libraries it looks for.

use std::io::Write;

use super::packed::{bomb, zstd_window};
use super::room::Input;
use super::tar::{entry, file, folder, hard, link, pax, sparse, whole};
use super::{Case, Kind};

const DEB: [(Kind, &str); 2] = [
    (
        Kind::Root,
        "imgbase deb --debs in --arch amd64 --variant none --include a -o out",
    ),
    (Kind::Look, "imgbase explain --debs in --arch amd64 a"),
];

const PACK: [(Kind, &str); 3] = [
    (Kind::Root, "imgbase pack {} -o out"),
    (Kind::Root, "imgbase pack - -o out"),
    (Kind::Root, "imgimport {} -o out"),
];

const CONTROL: &str = "Package: a\nVersion: 1\nArchitecture: all\nDescription: x\n";

fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, data) in members {
        let size = data.len();
        writeln!(
            bytes,
            "{name:<16}0           0     0     100644  {size:<10}`"
        )
        .expect("memory");
        bytes.extend(*data);
        bytes.resize(bytes.len().next_multiple_of(2), b'\n');
    }
    bytes
}

/// A package by its tars, which are called what is said.
fn packed(control: (&str, &[u8]), data: (&str, &[u8])) -> Vec<u8> {
    ar(&[("debian-binary", b"2.0\n"), control, data])
}

fn control(text: &str, more: &[Vec<u8>]) -> Vec<u8> {
    whole(&[vec![file(b"./control", text.as_bytes())], more.to_vec()].concat())
}

/// A package of these entries.
fn of(entries: &[Vec<u8>]) -> Vec<u8> {
    packed(
        ("control.tar", &control(CONTROL, &[])),
        ("data.tar", &whole(entries)),
    )
}

/// A package with this control file and further ones.
fn with(text: &str, more: &[Vec<u8>]) -> Vec<u8> {
    packed(
        ("control.tar", &control(text, more)),
        ("data.tar", &whole(&[file(b"./usr/a", b"x")])),
    )
}

fn xz(write: impl FnOnce(&mut dyn Write)) -> Vec<u8> {
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    write(&mut xz);
    xz.finish().expect("memory")
}

fn zstd(write: impl FnOnce(&mut dyn Write)) -> Vec<u8> {
    let mut zstd = zstd::stream::write::Encoder::new(Vec::new(), 3).expect("zstd");
    write(&mut zstd);
    zstd.finish().expect("memory")
}

fn gzip(write: impl FnOnce(&mut dyn Write)) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(9));
    write(&mut gzip);
    gzip.finish().expect("memory")
}

/// D1 to D6.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |row, what: &str, packages: &[(&str, Vec<u8>)], codes, says: &[&str]| {
        let files = packages.iter();
        let files = files.map(|(name, bytes)| (format!("in/{name}"), bytes.clone()));
        let input = Input::Files("in/", files.collect());
        cases.push(Case::of(row, what, input, &DEB, codes, says));
    };
    let one = |bytes: Vec<u8>| [("a.deb", bytes)];
    let good = || of(&[file(b"./usr/bin/a", b"x")]);
    let (both, data) = ("*=2", "root=2");

    add("D1", "good", &one(good()), "", &[]);
    let tar = control(CONTROL, &[]);
    let files = whole(&[file(b"./a", b"x")]);
    let version = ("debian-binary", &b"2.0\n"[..]);
    let (c, d) = (("control.tar", &tar[..]), ("data.tar", &files[..]));
    for (what, bytes) in [
        ("empty", Vec::new()),
        ("no ar archive", b"PK\x03\x04".to_vec()),
        ("nothing in it", b"!<arch>\n".to_vec()),
        ("no version", ar(&[c, d])),
        ("another version", ar(&[("debian-binary", b"3.0\n"), c, d])),
        ("no control archive", ar(&[version, d])),
        ("no data archive", ar(&[version, c])),
        ("data first", ar(&[version, d, c])),
        ("two control archives", ar(&[version, c, c, d])),
        ("two data archives", ar(&[version, c, d, d])),
        (
            "a second data archive in another packing",
            ar(&[version, c, d, ("data.tar.gz", b"x")]),
        ),
        (
            "a member that is not known",
            ar(&[version, ("x", b"y"), c, d]),
        ),
        (
            "a packing that is not known",
            ar(&[version, ("control.tar.br", &tar), d]),
        ),
        (
            "control that is not what its name says",
            ar(&[version, ("control.tar.xz", &tar), d]),
        ),
        ("a member longer than the file", {
            let mut bytes = good();
            bytes[8 + 48..8 + 58].copy_from_slice(b"9999999999");
            bytes
        }),
        ("a negative size", {
            let mut bytes = good();
            bytes[8 + 48..8 + 58].copy_from_slice(b"-4        ");
            bytes
        }),
        ("a header that is none", {
            let mut bytes = good();
            bytes[8 + 58] = b'x';
            bytes
        }),
    ] {
        add(
            "D1",
            what,
            &one(bytes),
            both,
            &["not a Debian package", "package", "damaged"],
        );
    }
    let whole_file = good();
    for at in [3, 30, 70, 100, 130, 400, 700, 2500, 3500] {
        let mut bytes = whole_file.clone();
        bytes.truncate(at.min(bytes.len() - 700));
        add("D1", &format!("cut at {at}"), &one(bytes), both, &[]);
    }
    for (what, name, bytes) in [
        (
            "data that is not what its name says",
            "data.tar.xz",
            files.clone(),
        ),
        ("a cut data archive", "data.tar.xz", {
            let mut bytes = xz(|out| out.write_all(&files).expect("memory"));
            bytes.truncate(bytes.len() - 20);
            bytes
        }),
        ("bytes behind the data archive", "data.tar.zst", {
            let mut bytes = zstd(|out| out.write_all(&files).expect("memory"));
            bytes.extend(b"more");
            bytes
        }),
        ("no tar", "data.tar", b"no tar at all".repeat(99)),
    ] {
        add("D1", what, &one(packed(c, (name, &bytes))), data, &[]);
    }

    let outside = b"/proc/self/cwd/../outside";
    for (what, entries) in [
        ("climbs", vec![file(b"../outside/x", b"evil")]),
        ("climbs inside", vec![file(b"./a/../../outside/x", b"evil")]),
        ("..", vec![folder(b"..")]),
        (
            "a hard link that climbs",
            vec![hard(b"./h", b"../outside/canary")],
        ),
        (
            "a hard link to what is not there",
            vec![hard(b"./h", b"./nothing")],
        ),
        ("a hard link to itself", vec![hard(b"./h", b"./h")]),
        (
            "a hard link to a folder",
            vec![folder(b"./d"), hard(b"./h", b"./d")],
        ),
        ("the top as a link", vec![link(b"./", outside)]),
        ("the top as a file", vec![file(b".", b"x")]),
        (
            "a file below a file",
            vec![file(b"./x", b"1"), file(b"./x/y", b"2")],
        ),
        (
            "a folder over a file",
            vec![file(b"./x", b"1"), folder(b"./x")],
        ),
        (
            "a file over a folder",
            vec![folder(b"./x"), file(b"./x", b"1")],
        ),
        (
            "one file twice",
            vec![file(b"./x", b"1"), file(b"./x", b"2")],
        ),
        (
            "one file twice in other letters",
            vec![file(b"./x", b"1"), file(b"./y/.././/x", b"2")],
        ),
        ("a marker", vec![file(b"./usr/.wh.x", b"")]),
        ("an opaque marker", vec![file(b"./usr/.wh..wh..opq", b"")]),
        (
            "a link that goes round",
            vec![link(b"./a", b"b"), link(b"./b", b"a"), file(b"./a/x", b"1")],
        ),
        ("a long name", {
            let name = [b"./".as_slice(), &[b'n'; 300]].concat();
            vec![super::tar::long(b'L', &name), file(b"./n", b"x")]
        }),
        (
            "an owner past 32 bits",
            vec![pax(&[(b"uid", b"4294967296")]), file(b"./x", b"1")],
        ),
        ("a file with holes", vec![sparse(b"./s", 60 << 30, b"x")]),
        (
            "a size of 2 to the power of 60",
            vec![entry(b'0', b"./x", b"").says(1 << 60).bytes()],
        ),
        (
            "a negative size",
            vec![entry(b'0', b"./x", b"").put(124, &[0xff; 12]).bytes()],
        ),
        (
            "a damaged record",
            vec![super::tar::pax_text(b"99 path=x\n"), file(b"./x", b"1")],
        ),
        ("an unknown kind", vec![entry(b'Z', b"./x", b"").bytes()]),
        (
            "a name for terminals, in an error",
            vec![file(b"./\x1b[2J\n::error::\xff/../../x", b"1")],
        ),
    ] {
        add("D2", what, &one(of(&entries)), data, &[]);
    }
    for (what, entries) in [
        ("absolute", vec![file(b"/usr/x", b"1")]),
        (
            "a link that leads out, written through",
            vec![link(b"./l", outside), file(b"./l/x", b"1")],
        ),
        (
            "a link that climbs, written through",
            vec![link(b"./l", b"../../../outside"), file(b"./l/x", b"1")],
        ),
        (
            "a folder over a link to one",
            vec![folder(b"./d"), link(b"./l", b"d"), folder(b"./l")],
        ),
        (
            "devices, FIFOs, setuid",
            vec![
                entry(b'3', b"./null", b"")
                    .octal(329, 8, 1)
                    .octal(337, 8, 3)
                    .bytes(),
                entry(b'6', b"./fifo", b"").bytes(),
                entry(b'0', b"./su", b"x").put(100, b"0006755\0").bytes(),
            ],
        ),
        (
            "names of all kinds",
            vec![
                file(b"./a\nb", b"1"),
                file(b"./\x1b[2J", b"1"),
                file(b"./\xff", b"1"),
                file("./\u{202e}x".as_bytes(), b"1"),
                file(b"./-rf", b"1"),
            ],
        ),
    ] {
        add("D2", what, &one(of(&entries)), "", &[]);
    }

    let named = |name: &str, more: &str| {
        let text = CONTROL.replace("Package: a\n", &format!("Package: {name}\n{more}"));
        packed(
            ("control.tar", &control(&text, &[])),
            ("data.tar", &whole(&[file(b"./usr/x", name.as_bytes())])),
        )
    };
    let depends = "Depends: b\n";
    add(
        "D3",
        "one file of two packages",
        &[("a.deb", named("a", depends)), ("b.deb", named("b", ""))],
        data,
        &["neither replaces the other"],
    );
    add(
        "D3",
        "one file of two packages, replaced",
        &[
            ("a.deb", named("a", "Depends: b\nReplaces: b\n")),
            ("b.deb", named("b", "")),
        ],
        "",
        &[],
    );
    let crowd = |name: &str, more: &str, suffix: &str| {
        let text = CONTROL.replace("Package: a\n", &format!("Package: {name}\n{more}"));
        let entries: Vec<Vec<u8>> = (0..20_000)
            .map(|i| file(format!("./{i}{suffix}").as_bytes(), b""))
            .collect();
        let data = zstd(|out| out.write_all(&whole(&entries)).expect("memory"));
        packed(
            ("control.tar", &control(&text, &[])),
            ("data.tar.zst", &data),
        )
    };
    let others: String = (0..20_000).map(|i| format!("n{i}, ")).collect();
    add(
        "D3",
        "20,000 files replaced by a package that replaces 20,000 packages",
        &[
            (
                "a.deb",
                crowd("a", &format!("Depends: b\nReplaces: {others}b\n"), ""),
            ),
            ("b.deb", crowd("b", "", "")),
        ],
        "",
        &[],
    );
    add(
        "D3",
        "a link of one package that another is below",
        &[
            ("a.deb", {
                let text = CONTROL.replace("Version", "Depends: b\nVersion");
                packed(
                    ("control.tar", &control(&text, &[])),
                    ("data.tar", &whole(&[file(b"./lib/x", b"1")])),
                )
            }),
            ("b.deb", {
                let text = CONTROL.replace("Package: a", "Package: b");
                packed(
                    ("control.tar", &control(&text, &[])),
                    ("data.tar", &whole(&[link(b"./lib", b"nowhere")])),
                )
            }),
        ],
        data,
        &[],
    );

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
        add("D4", what, &one(with(&text, &[])), both, &[]);
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
        add("D4", what, &one(with(&text, &[])), codes, &[]);
    }
    let named = with(&CONTROL.replace("Package: a", "Package: a\u{1b}[2J"), &[]);
    add(
        "D4",
        "a name for terminals",
        &[("a.deb", good()), ("b.deb", named)],
        "",
        &[],
    );
    add(
        "D4",
        "400,000 fields",
        &one(with(&many, &[])),
        both,
        &["limit exceeded"],
    );
    for (what, text) in [
        (
            "a line of 10 MB",
            more(&format!("X: {}", "x".repeat(10 << 20))),
        ),
        ("bytes that are no text", more("X: \u{fffd}\u{202e}\u{9b}")),
    ] {
        add("D4", what, &one(with(&text, &[])), "", &[]);
    }
    for (what, members, codes) in [
        ("a link as control", vec![link(b"./control", outside)], both),
        (
            "a file below",
            vec![folder(b"./d"), file(b"./d/x", b"1")],
            both,
        ),
        (
            "a member twice",
            vec![file(b"./postinst", b"1"), file(b"./postinst", b"2")],
            both,
        ),
        ("a member that climbs", vec![file(b"../x", b"1")], both),
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
            data,
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
        add("D4", what, &one(with(CONTROL, &members)), codes, &[]);
    }
    let crowd: Vec<Vec<u8>> = (0..5000)
        .map(|i| file(format!("./{i}").as_bytes(), b""))
        .collect();
    add(
        "D4",
        "5,000 members",
        &one(with(CONTROL, &crowd)),
        both,
        &["limit exceeded"],
    );

    let huge = |out: &mut dyn Write| {
        bomb(160 << 20, out);
    };
    for (what, suffix, bytes) in [
        ("xz", ".xz", xz(huge)),
        ("zstd", ".zst", zstd(huge)),
        ("gzip", ".gz", gzip(huge)),
        ("a window", ".zst", zstd_window(31)),
    ] {
        let name = format!("control.tar{suffix}");
        add(
            "D5",
            &format!("{what}, control"),
            &one(packed((&name, &bytes), d)),
            both,
            &["limit exceeded"],
        );
        let name = format!("data.tar{suffix}");
        add(
            "D5",
            &format!("{what}, data"),
            &one(packed(c, (&name, &bytes))),
            data,
            &["limit exceeded"],
        );
    }
    let stored = vec![0; 17 << 20];
    add(
        "D5",
        "a control archive of 17 MiB",
        &one(ar(&[version, ("control.tar", &stored), d])),
        both,
        &["limit exceeded"],
    );

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
        cases.push(Case::of(
            "D4",
            &format!("an essential name that {what}"),
            input,
            &lines,
            "*=02",
            &[],
        ));
    }

    let newc = |name: &[u8], size: u32, name_size: u32, mode: u32, data: &[u8]| {
        let numbers = [1, mode, 0, 0, 1, 1, size, 0, 0, 0, 0, name_size, 0];
        let numbers: String = numbers.iter().map(|n: &u32| format!("{n:08X}")).collect();
        let mut bytes = [b"070701", numbers.as_bytes(), name, b"\0"].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    };
    let plain = |name: &[u8], mode, data: &[u8]| {
        newc(name, data.len() as u32, name.len() as u32 + 1, mode, data)
    };
    let end = || plain(b"TRAILER!!!", 0, b"");
    let reg = 0o100_644;
    for (what, parts, codes) in [
        (
            "climbs",
            vec![plain(b"../outside/x", reg, b"evil"), end()],
            "*=2",
        ),
        (
            "below a link",
            vec![
                plain(b"l", 0o120_777, b"../../outside"),
                plain(b"l/x", reg, b"evil"),
                end(),
            ],
            "*=2 imgbase=0",
        ),
        (
            "a file of 4 GiB and nothing",
            vec![newc(b"a", u32::MAX, 2, reg, b""), end()],
            "*=2",
        ),
        (
            "a name of 4 GiB",
            vec![newc(b"a", 0, u32::MAX, reg, b""), end()],
            "*=2",
        ),
        ("no name", vec![newc(b"", 0, 0, reg, b""), end()], "*=2"),
        (
            "a link of 1 GiB",
            vec![newc(b"l", 1 << 30, 2, 0o120_777, b"x"), end()],
            "*=2",
        ),
        ("no end", vec![plain(b"a", reg, b"x")], "*=2"),
        (
            "no digits",
            vec![b"070701".to_vec(), vec![b'x'; 200]],
            "*=2",
        ),
        (
            "names for terminals",
            vec![plain(b"a\x1b[2J\n", reg, b"x"), end()],
            "",
        ),
    ] {
        let input = Input::File(parts.concat());
        cases.push(Case::of(
            "D6",
            &format!("cpio: {what}"),
            input,
            &PACK,
            codes,
            &[],
        ));
    }
    cases
}
