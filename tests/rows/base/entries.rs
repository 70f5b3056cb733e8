//! Entries of data archives.

use super::super::tar::{self, entry, file, folder, hard, link, pax, sparse};
use super::{DATA, OUTSIDE, Rows, of, one};

/// D2: entries that are refused.
pub fn refused(rows: &mut Rows) {
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
        ("the top as a link", vec![link(b"./", OUTSIDE)]),
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
            vec![tar::long(b'L', &name), file(b"./n", b"x")]
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
            vec![tar::pax_text(b"99 path=x\n"), file(b"./x", b"1")],
        ),
        ("an unknown kind", vec![entry(b'Z', b"./x", b"").bytes()]),
        (
            "a name for terminals, in an error",
            vec![file(b"./\x1b[2J\n::error::\xff/../../x", b"1")],
        ),
    ] {
        rows.add("D2", what, &one(of(&entries)), DATA, &[]);
    }
}

/// D2: unusual entries that are accepted.
pub fn accepted(rows: &mut Rows) {
    for (what, entries) in [
        ("absolute", vec![file(b"/usr/x", b"1")]),
        (
            "a link that leads out, written through",
            vec![link(b"./l", OUTSIDE), file(b"./l/x", b"1")],
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
        rows.add("D2", what, &one(of(&entries)), "", &[]);
    }
}
