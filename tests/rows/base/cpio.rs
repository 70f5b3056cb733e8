//! cpio archives.

use super::super::room::Input;
use super::super::{Case, Kind};
use super::Rows;

const PACK: [(Kind, &str); 3] = [
    (Kind::Root, "imgbase pack {} -o out"),
    (Kind::Root, "imgbase pack - -o out"),
    (Kind::Root, "imgimport {} -o out"),
];

/// D6: archives and their entries.
pub fn archives(rows: &mut Rows) {
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
        rows.0.push(Case::of(
            "D6",
            &format!("cpio: {what}"),
            input,
            &PACK,
            codes,
            &[],
        ));
    }
}
