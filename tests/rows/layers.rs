//! Layers: names and links that lead elsewhere, headers that readers take differently or that ask for too much.

use crate::common::build;

use super::room::Input;
use super::tar::{entry, file, folder, hard, link, long, pax, pax_text, sparse, whole};
use super::{Case, Kind, ROOT};

/// An absolute path that leads out of the folder in which a program runs.
const OUTSIDE: &[u8] = b"/proc/self/cwd/../outside";

/// The layer on top of a good one in an image, and as a tar of files.
fn layer(
    cases: &mut Vec<Case>,
    row: &'static str,
    what: &str,
    tar: Vec<u8>,
    codes: [&'static str; 2],
    says: &[&str],
) {
    let image = build::image("demo:1")
        .layer_bytes(tar.clone())
        .layer("f good x");
    cases.push(Case::image(
        row,
        what,
        build::docker25(&[&image]).tar(),
        codes[0],
        says,
    ));
    let root = Case::of(
        row,
        &format!("{what}, as a tar of files"),
        Input::File(tar),
        &ROOT,
        codes[1],
        says,
    );
    cases.push(root);
}

/// Two layers, the first below.
fn two(
    cases: &mut Vec<Case>,
    row: &'static str,
    what: &str,
    lower: Vec<u8>,
    upper: Vec<u8>,
    codes: &'static str,
    says: &[&str],
) {
    let image = build::image("demo:1").layer_bytes(lower).layer_bytes(upper);
    cases.push(Case::image(
        row,
        what,
        build::docker25(&[&image]).tar(),
        codes,
        says,
    ));
}

/// P1 to P13.
pub fn paths() -> Vec<Case> {
    let mut cases = Vec::new();
    let c = &mut cases;
    let out = |name: &str| [OUTSIDE, b"/", name.as_bytes()].concat();
    let refused = ["verify=01 apply=2", "*=2"];
    // What is below a link goes where that leads within the tree: packages need it so. Which is which, the golden file says.
    let below_link = ["verify=01 apply=2", "*=2 imgbase=02"];
    let leads_nowhere = ["a parent is a symbolic link", "directory"];

    for name in [
        "../outside/x",
        "a/../../outside/x",
        "..",
        "a/b/../../..",
        "./../outside/x",
    ] {
        layer(
            c,
            "P1",
            name,
            whole(&[file(name.as_bytes(), b"evil")]),
            refused,
            &["leads outside of the root", "escapes the root directory"],
        );
    }
    let both = whole(&[
        folder(b"../outside/d/"),
        link(b"../outside/l", b"x"),
        entry(b'6', b"../outside/p", b"").bytes(),
    ]);
    layer(
        c,
        "P1",
        "folders, links and FIFOs",
        both,
        refused,
        &["leads outside of the root", "escapes the root directory"],
    );

    for name in ["//etc/x", "/etc/x", "\\etc\\x", "C:\\x", "C:x"] {
        layer(
            c,
            "P2",
            name,
            whole(&[file(name.as_bytes(), b"text")]),
            ["", ""],
            &[],
        );
    }
    layer(
        c,
        "P2",
        "an absolute path that leads out",
        whole(&[file(&out("x"), b"evil")]),
        refused,
        &["leads outside of the root", "escapes the root directory"],
    );

    for (what, target) in [
        ("outside", &b"../../outside"[..]),
        ("absolute", OUTSIDE),
        ("the top", b"/"),
    ] {
        let below = whole(&[link(b"link", target), file(b"link/x", b"evil")]);
        // Inside the tree nothing is outside it: there the first two lead to nothing, and the last to the top.
        let (codes, says) = match target {
            b"/" => (["", ""], &[][..]),
            _ => (below_link, &leads_nowhere[..]),
        };
        layer(c, "P3", what, below, codes, says);
        let below = whole(&[link(b"link", target), folder(b"link/d/")]);
        layer(
            c,
            "P3",
            &format!("{what}, a folder below"),
            below,
            codes,
            says,
        );
        let lower = whole(&[link(b"link", target)]);
        two(
            c,
            "P4",
            what,
            lower,
            whole(&[file(b"link/x", b"evil")]),
            // A directory takes the link's place.
            "",
            &[],
        );
    }
    // The folder that is unpacked into is as a first run could have left it.
    for (what, entries) in [
        ("a second run, below a link", "d link | f link/x evil"),
        (
            "a second run, below a link without an entry",
            "f link/x evil",
        ),
        ("a second run, over a link", "f file evil"),
        ("a second run, a folder over a link", "d link"),
    ] {
        let tar = build::docker25(&[&build::image("demo:1").layer(entries)]).tar();
        let files = vec![
            ("in.tar".to_owned(), tar),
            ("out/file".to_owned(), b"-> ../../outside/canary".to_vec()),
            ("out/link".to_owned(), b"-> ../../outside".to_vec()),
        ];
        let line = "imgexport -C out --overwrite in.tar";
        let input = Input::Files("in.tar", files);
        c.push(Case::of(
            "P4",
            what,
            input,
            &[(Kind::Apply, line)],
            "*=0",
            &[],
        ));
    }
    let climbs = whole(&[
        link(b"s", b"."),
        link(b"t", b"s/s/s/../../.."),
        file(b"t/outside/x", b"evil"),
    ]);
    layer(c, "P5", "a chain that climbs", climbs, ["", ""], &[]);
    layer(
        c,
        "P5",
        "stored alone",
        whole(&[link(b"t", b"s/s/../../../outside")]),
        ["", ""],
        &[],
    );

    for (what, target) in [
        ("absolute", &out("canary")[..]),
        ("climbs", b"../../outside/canary"),
        ("passwd", b"/etc/passwd"),
        ("itself", b"h"),
        ("a later entry", b"later"),
        ("nothing", b"nothing"),
        ("a folder", b"d"),
    ] {
        let tar = whole(&[folder(b"d/"), hard(b"h", target), file(b"later", b"x")]);
        layer(
            c,
            "P6",
            what,
            tar,
            refused,
            &["link to", "path contains '..'"],
        );
    }
    let tar = whole(&[
        link(b"s", &out("canary")),
        hard(b"h", b"s"),
        file(b"x", b"x"),
    ]);
    layer(c, "P6", "a symbolic link", tar, ["", ""], &[]);
    let tar = whole(&[
        link(b"s", &out("canary")),
        hard(b"h", b"s"),
        file(b"h", b"evil"),
    ]);
    layer(
        c,
        "P6",
        "a symbolic link, written through",
        tar,
        ["", ""],
        &[],
    );

    for (kind, what) in [
        (b'2', "a link"),
        (b'0', "a file"),
        (b'6', "a FIFO"),
        (b'1', "a hard link"),
    ] {
        for name in [".", "./", "/", "", "./."] {
            let top = entry(kind, name.as_bytes(), b"").to(&out(""));
            let tar = whole(&[file(b"a", b"x"), top.bytes()]);
            layer(
                c,
                "P7",
                &format!("{what} called '{name}'"),
                tar,
                ["verify=01 apply=02", "*=02"],
                &[],
            );
        }
    }

    let poison = whole(&[folder(b"d/"), link(b"d", &out("")), file(b"d/x", b"evil")]);
    layer(
        c,
        "P8",
        "folder, link, file below",
        poison,
        below_link,
        &leads_nowhere,
    );
    let poison = whole(&[
        folder(b"d/"),
        file(b"d/x", b"one"),
        link(b"d", &out("")),
        file(b"d/x", b"evil"),
    ]);
    layer(
        c,
        "P8",
        "with a file before",
        poison,
        below_link,
        &leads_nowhere,
    );

    let open = entry(b'5', b"d/", b"").put(100, b"0000777\0").bytes();
    let through = whole(&[link(b"d", OUTSIDE), open.clone()]);
    layer(
        c,
        "P9",
        "a mode through a link",
        through,
        ["", "imgbase=2"],
        &[],
    );
    let canary = entry(b'0', b"f", b"x")
        .put(100, b"0000777\0")
        .octal(136, 12, 1)
        .bytes();
    layer(
        c,
        "P9",
        "mode and time of a file through a link",
        whole(&[link(b"f", &out("canary")), canary.clone()]),
        ["", ""],
        &[],
    );
    two(
        c,
        "P9",
        "over two layers",
        whole(&[link(b"d", OUTSIDE), link(b"f", &out("canary"))]),
        whole(&[open, canary]),
        "",
        &[],
    );
    let attributed = [
        pax(&[(b"SCHILY.xattr.user.evil", b"1")]),
        link(b"s", &out("canary")),
    ]
    .concat();
    layer(
        c,
        "P9",
        "attributes of a link",
        whole(&[attributed]),
        ["", ""],
        &[],
    );

    for name in [
        ".wh..",
        ".wh...",
        ".wh.",
        "a/.wh..",
        "../.wh.x",
        "../outside/.wh.canary",
        ".wh.a/b",
        "a/.wh.../x",
    ] {
        let lower = build::layer("d a | f a/b x");
        two(
            c,
            "P10",
            name,
            lower,
            whole(&[file(name.as_bytes(), b"")]),
            "verify=01 apply=02",
            &[],
        );
    }
    two(
        c,
        "P10",
        "below a link",
        whole(&[link(b"link", OUTSIDE)]),
        whole(&[file(b"link/.wh.canary", b"")]),
        "",
        &[],
    );
    two(
        c,
        "P10",
        "opaque below a link",
        whole(&[link(b"link", OUTSIDE)]),
        whole(&[file(b"link/.wh..wh..opq", b"")]),
        "",
        &[],
    );

    let lower = build::layer("d a | f a/b x | f c y");
    two(
        c,
        "P11",
        "at the top",
        lower.clone(),
        whole(&[file(b".wh..wh..opq", b"")]),
        "",
        &[],
    );
    two(
        c,
        "P11",
        "a folder of that name",
        lower.clone(),
        whole(&[folder(b"a/.wh..wh..opq/")]),
        "verify=01 apply=02",
        &[],
    );
    let many: Vec<Vec<u8>> = (0..3000).map(|_| file(b"a/.wh..wh..opq", b"")).collect();
    two(c, "P11", "thousands of them", lower, whole(&many), "", &[]);

    let twins = whole(&[
        file(b"Name", b"1"),
        file(b"name", b"2"),
        file("caf\u{e9}".as_bytes(), b"3"),
        file("cafe\u{301}".as_bytes(), b"4"),
        file(b"dot.", b"5"),
        file(b"dot", b"6"),
        file(b"space ", b"7"),
        file(b"space", b"8"),
        file(b"PROGRA~1", b"9"),
    ]);
    layer(c, "P12", "twins on other systems", twins, ["", ""], &[]);

    let special = whole(&[
        entry(b'3', b"dev-null", b"")
            .octal(329, 8, 1)
            .octal(337, 8, 3)
            .bytes(),
        entry(b'4', b"dev-sda", b"")
            .octal(329, 8, 8)
            .octal(337, 8, 0)
            .bytes(),
        entry(b'6', b"fifo", b"").bytes(),
        entry(b'0', b"setuid", b"x").put(100, b"0006755\0").bytes(),
        [
            pax(&[(
                b"SCHILY.xattr.security.capability",
                b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            )]),
            file(b"capable", b"x"),
        ]
        .concat(),
        [
            pax(&[(b"SCHILY.xattr.trusted.overlay.opaque", b"y")]),
            folder(b"overlay/"),
        ]
        .concat(),
    ]);
    layer(
        c,
        "P13",
        "devices, FIFOs, setuid, capabilities",
        special,
        ["", ""],
        &[],
    );
    cases
}

/// T1 to T15.
pub fn headers() -> Vec<Case> {
    let mut cases = Vec::new();
    let c = &mut cases;
    let damaged = ["verify=1 size=02 apply=2 recode=02 raw=2", "*=2"];

    // An archive inside: whoever takes the smaller size sees the inner entries.
    let inner = whole(&[file(b"../../outside/inner", b"evil")]);
    let smuggled = [
        pax(&[(b"size", inner.len().to_string().as_bytes())]),
        entry(b'0', b"outer", &inner).says(0).bytes(),
    ];
    layer(c, "T1", "PAX larger", whole(&smuggled), ["", ""], &[]);
    let smaller = [
        pax(&[(b"size", b"0")]),
        entry(b'0', b"outer", b"").says(512).bytes(),
        file(b"next", b"x"),
    ];
    layer(c, "T1", "PAX smaller", whole(&smaller), ["", ""], &[]);

    for (what, text) in [
        ("length past the end", &b"99 path=x\n"[..]),
        ("no newline", b"9 path=xy"),
        ("no equals sign", b"8 pathx\n"),
        ("no length", b"path=x\n"),
        ("length 0", b"0 path=x\n"),
        ("a sign", b"+9 path=x\n"),
        ("a huge length", b"99999999999999999999999 path=x\n"),
        ("NUL in a path", b"11 path=x\0y\n"),
        ("NUL in a key", b"11 pa\0th=xy\n"),
        ("an empty key", b"5 =x\n"),
    ] {
        let tar = whole(&[pax_text(text), file(b"a", b"x"), file(b"b", b"x")]);
        layer(
            c,
            "T2",
            what,
            tar,
            damaged,
            &["invalid PAX record", "damaged tar"],
        );
    }

    let names = whole(&[
        pax(&[(b"path", b"one")]),
        pax(&[(b"path", b"two")]),
        file(b"a", b"x"),
    ]);
    layer(
        c,
        "T3",
        "two x headers",
        names,
        ["verify=01 apply=02 size=02 recode=02", "*=02"],
        &[],
    );
    let names = whole(&[
        pax(&[(b"path", b"one")]),
        long(b'L', b"two"),
        file(b"a", b"x"),
    ]);
    layer(
        c,
        "T3",
        "x and L disagree",
        names,
        ["verify=01 apply=02 size=02 recode=02", "*=02"],
        &[],
    );
    let dangling = whole(&[file(b"a", b"x"), pax(&[(b"path", b"one")])]);
    layer(
        c,
        "T3",
        "x before the end",
        dangling,
        damaged,
        &["extension header without an entry"],
    );

    let negative = entry(b'0', b"a", b"").put(124, &[0xff; 12]).bytes();
    layer(
        c,
        "T4",
        "a negative size",
        whole(&[negative, file(b"b", b"x")]),
        damaged,
        &["invalid number"],
    );
    let mut huge = [0xff; 12];
    huge[0] = 0x80;
    let overflow = entry(b'0', b"a", b"").put(124, &huge).bytes();
    layer(
        c,
        "T4",
        "a size that overflows",
        whole(&[overflow, file(b"b", b"x")]),
        damaged,
        &["invalid number"],
    );
    let edge = entry(b'0', b"a", b"").says((1 << 63) - 1).bytes();
    layer(
        c,
        "T4",
        "a size at the edge",
        whole(&[edge, file(b"b", b"x")]),
        damaged,
        &["damaged tar", "truncated", "invalid number"],
    );
    let garbage = entry(b'0', b"a", b"").put(124, b"0000008x000\0").bytes();
    layer(
        c,
        "T4",
        "no octal",
        whole(&[garbage, file(b"b", b"x")]),
        damaged,
        &["invalid number"],
    );
    let mut wrong = file(b"b", b"x");
    wrong[0] = b'c';
    layer(
        c,
        "T4",
        "a wrong checksum",
        whole(&[file(b"a", b"x"), wrong]),
        damaged,
        &["checksum mismatch"],
    );

    let lie = entry(b'0', b"lie", b"").says(16 << 30).bytes();
    layer(
        c,
        "T5",
        "16 GiB and nothing",
        whole(&[lie]),
        damaged,
        &["unexpected end", "truncated"],
    );
    let mut cut = whole(&[file(b"a", b"x"), file(b"b", &[b'x'; 3000])]);
    cut.truncate(1024 + 512 + 700);
    layer(
        c,
        "T5",
        "a truncated member",
        cut,
        damaged,
        &["unexpected end", "truncated"],
    );

    let holes = whole(&[sparse(b"bomb", 60 << 30, &[b'x'; 512])]);
    layer(
        c,
        "T6",
        "60 GiB of holes",
        holes,
        [
            "imgexport_-o=2 imgexport_-C=2 imgexport_--format_cpio=2 imgcommit_--squash=2 recode=02 imgfind=2",
            "imgimport=0 *=02",
        ],
        &["limit exceeded", "a sparse file"],
    );
    let map = |text: &[u8]| {
        pax(&[
            (b"GNU.sparse.major", b"0"),
            (b"GNU.sparse.minor", b"1"),
            (b"GNU.sparse.size", b"4096"),
            (b"GNU.sparse.map", text),
        ])
    };
    for (what, text) in [
        ("overlapping", &b"0,600,512,424"[..]),
        ("backwards", b"2048,512,0,512"),
        ("outside", b"4000,1024"),
        ("overflowing", b"18446744073709551615,1024"),
        ("odd", b"0,512,1024"),
    ] {
        let tar = whole(&[map(text), file(b"a", &[b'x'; 1024]), file(b"b", b"x")]);
        layer(
            c,
            "T6",
            what,
            tar,
            damaged,
            &["invalid sparse map", "invalid PAX record"],
        );
    }
    let many = "0,0,".repeat(150_000) + "0,1024";
    let tar = whole(&[map(many.as_bytes()), file(b"a", &[b'x'; 1024])]);
    layer(
        c,
        "T6",
        "150,000 segments",
        tar,
        ["verify=2 size=02 apply=2 recode=02 raw=2", "*=2"],
        &[
            "hint: --limit sparse-segments=",
            "hint: --limit header-size=",
        ],
    );
    let text = format!("4000000000\n{}", "0\n".repeat(300));
    let mut data = text.into_bytes();
    data.resize(data.len().next_multiple_of(512), 0);
    let records = pax(&[
        (b"GNU.sparse.major", b"1"),
        (b"GNU.sparse.minor", b"0"),
        (b"GNU.sparse.realsize", b"4096"),
    ]);
    let tar = whole(&[records, file(b"a", &data)]);
    layer(
        c,
        "T6",
        "4,000,000,000 segments in the data",
        tar,
        ["verify=2 size=02 apply=2 recode=02 raw=2", "*=2"],
        &["sparse segments: limit exceeded"],
    );

    let twice = [whole(&[file(b"a", b"x")]), whole(&[file(b"b", b"evil")])].concat();
    layer(c, "T7", "a second archive", twice, ["", ""], &[]);
    let garbage = [whole(&[file(b"a", b"x")]), b"garbage".repeat(99)].concat();
    layer(c, "T7", "garbage behind the end", garbage, ["", ""], &[]);

    let odd = whole(&[
        entry(b'V', b"label", b"").bytes(),
        entry(b'M', b"more", b"x").bytes(),
        entry(b'N', b"names", b"x").bytes(),
        entry(b'Z', b"unknown", b"xyz").bytes(),
        entry(b'5', b"d/", b"").says(512).bytes(),
        entry(b'2', b"l", b"").to(b"a").says(512).bytes(),
        file(b"a", b"x"),
    ]);
    layer(
        c,
        "T8",
        "odd types and sizes",
        odd,
        ["verify=01 apply=02 size=02 recode=02", "*=02"],
        &[],
    );

    let again: Vec<Vec<u8>> = (0..2000)
        .map(|i| file(b"same", format!("{i}").as_bytes()))
        .collect();
    layer(
        c,
        "T9",
        "one path 2,000 times",
        whole(&again),
        ["", ""],
        &[],
    );
    let both = whole(&[
        file(b"x", b"file"),
        folder(b"x/"),
        file(b"x/y", b"1"),
        file(b"x", b"file"),
    ]);
    layer(
        c,
        "T9",
        "file and folder of one name",
        both,
        ["verify=01 apply=02", "*=02"],
        &[],
    );
    let below = whole(&[file(b"x", b"file"), file(b"x/y", b"evil")]);
    layer(
        c,
        "T9",
        "below a file",
        below,
        ["verify=01 apply=2", "*=2"],
        &["directory"],
    );

    layer(
        c,
        "T10",
        "an empty name",
        whole(&[file(b"", b"x"), file(b"a", b"x")]),
        ["verify=01 apply=02", "*=02"],
        &[],
    );
    let dots = "./".repeat(40) + ".";
    layer(
        c,
        "T10",
        "dots alone",
        whole(&[file(dots.as_bytes(), b"x")]),
        ["verify=01 apply=02", "*=02"],
        &[],
    );
    let long_name = |length: usize| whole(&[long(b'L', &vec![b'n'; length]), file(b"n", b"x")]);
    let limit = ["verify=2 size=02 apply=2 recode=02 raw=2", "*=2"];
    layer(
        c,
        "T10",
        "a name of 100 KB",
        long_name(100_000),
        limit,
        &["hint: --limit name-length="],
    );
    layer(
        c,
        "T10",
        "a name of 2 MB",
        long_name(2_000_000),
        limit,
        &["hint: --limit header-size="],
    );
    layer(
        c,
        "T10",
        "a name of 60 KB",
        long_name(60_000),
        ["apply=2", "*=2"],
        &["path in bytes: limit exceeded"],
    );
    let parts = "p/".repeat(10_000) + "x";
    let deep = whole(&[long(b'L', parts.as_bytes()), file(b"n", b"x")]);
    layer(
        c,
        "T10",
        "10,000 parts",
        deep,
        ["apply=2", "*=2"],
        &["hint: --limit path-length=32K "],
    );

    let names: Vec<Vec<u8>> = [
        &b"new\nline"[..],
        b"::set-output name=x::y",
        b"cr\rlf\r\n",
        b"\x1b[2Jescape\x07",
        b"\x9b1m",
        "\u{202e}txt.exe\u{2066}".as_bytes(),
        "\u{200b}\u{feff}zero".as_bytes(),
        "\u{2028}line\u{85}".as_bytes(),
        b"\xff\xfe no utf-8",
        b"%s%n%x 100%",
        b"'quote' \"double\" <b>&amp;</b> `tick` $(id) {{.}}",
        b"-rf",
        b"--help",
    ]
    .iter()
    .map(|name| file(name, b"x"))
    .collect();
    layer(c, "T11", "names of all kinds", whole(&names), ["", ""], &[]);
    let evil = b"a\n\x1b[31m::error::\xff\xe2\x80\xae";
    layer(
        c,
        "T11",
        "in errors",
        whole(&[hard(evil, evil)]),
        refused_link(),
        &["link to"],
    );

    let many: Vec<Vec<u8>> = (0..60_000)
        .map(|i| file(format!("d/{i}").as_bytes(), b""))
        .collect();
    let packed = crate::common::pack::Pack::Gzip;
    let image = build::image("demo:1")
        .layer_bytes(whole(&many))
        .packed(packed);
    let only = |case: Case, keep: &[&str], more: &str| {
        let mut case = case;
        case.lines
            .retain(|(_, line)| keep.iter().any(|start| line.starts_with(start)));
        for (_, line) in &mut case.lines {
            line.push_str(more);
        }
        case
    };
    let crowd = || build::oci(&[&image]).tar();
    let readers = [
        "imgls {}",
        "imgverify",
        "imgexport -o",
        "imgexport --format json",
        "imgdiff",
        "imgsave --comp",
        "imggraph --view",
        "imgload {}",
        "imgcommit --squash",
    ];
    c.push(only(
        Case::image("T12", "60,000 empty entries", crowd(), "imgdiff=1", &[]),
        &readers,
        "",
    ));
    c.push(only(
        Case::image(
            "T12",
            "more entries than are accepted",
            crowd(),
            "verify=2 size=2 apply=2 copy=02 recode=02 raw=2",
            &["hint: --limit entries=2000 "],
        ),
        &readers,
        " --limit entries=1000",
    ));

    let times = whole(&[
        entry(b'0', b"future", b"x")
            .put(136, b"77777777777\0")
            .bytes(),
        entry(b'0', b"past", b"x")
            .put(136, &[0xff, 0xff, 0xff, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0])
            .bytes(),
        [pax(&[(b"mtime", b"-1.5")]), file(b"negative", b"x")].concat(),
        [
            pax(&[(b"mtime", b"1.0000000000000000000000000000000000000001")]),
            file(b"fraction", b"x"),
        ]
        .concat(),
        [
            pax(&[(b"mtime", b"9223372036854775807")]),
            file(b"last", b"x"),
        ]
        .concat(),
        [
            pax(&[(b"mtime", b"-9223372036854775808")]),
            file(b"first", b"x"),
        ]
        .concat(),
    ]);
    layer(
        c,
        "T13",
        "times",
        times,
        ["size=02 verify=01 apply=02 recode=02 raw=02", "*=02"],
        &[],
    );

    let owners = whole(&[
        entry(b'0', b"a", b"x")
            .put(108, &[0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff])
            .bytes(),
        [pax(&[(b"uid", b"4294967296")]), file(b"b", b"x")].concat(),
        [pax(&[(b"gid", b"18446744073709551615")]), file(b"c", b"x")].concat(),
    ]);
    layer(
        c,
        "T14",
        "large owners",
        owners,
        ["size=02 verify=01 apply=02 recode=02 raw=02", "*=02"],
        &[],
    );
    let minus = whole(&[entry(b'0', b"a", b"x").put(108, &[0xff; 8]).bytes()]);
    layer(
        c,
        "T14",
        "a negative owner",
        minus,
        ["size=02 verify=01 apply=02 recode=02 raw=02", "*=02"],
        &[],
    );

    let many: Vec<Vec<u8>> = (0..300)
        .map(|i| format!("SCHILY.xattr.user.a{i}").into_bytes())
        .collect();
    let records: Vec<(&[u8], &[u8])> = many.iter().map(|key| (key.as_slice(), &b"v"[..])).collect();
    layer(
        c,
        "T15",
        "300 attributes",
        whole(&[pax(&records), file(b"a", b"x")]),
        limit,
        &["hint: --limit xattrs=512 "],
    );
    let value = vec![b'v'; 100_000];
    let tar = whole(&[pax(&[(b"SCHILY.xattr.user.a", &value)]), file(b"a", b"x")]);
    layer(
        c,
        "T15",
        "100 KB in one",
        tar,
        limit,
        &["hint: --limit xattr-size=128K "],
    );
    let value = vec![b'v'; 1_200_000];
    let tar = whole(&[pax(&[(b"SCHILY.xattr.user.a", &value)]), file(b"a", b"x")]);
    layer(
        c,
        "T15",
        "1.2 MB in one",
        tar,
        limit,
        &["hint: --limit header-size="],
    );
    let tar = whole(&[pax(&[(b"SCHILY.xattr.nothing", b"x")]), file(b"a", b"x")]);
    layer(
        c,
        "T15",
        "a key without a namespace",
        tar,
        ["imgexport_-C=02", ""],
        &[],
    );
    cases
}

fn refused_link() -> [&'static str; 2] {
    ["verify=01 apply=2", "*=2"]
}
