//! Counts and sizes of layers.

use super::super::testing::Tar;
use super::super::*;

fn content_size(tar: Tar) -> (u64, u64) {
    let tar = tar.end();
    let mut walker = Walker::new(StreamInput::new(&tar[..]));
    let summary = LayerSummary::of(&mut walker).expect("readable");
    (summary.content_size, summary.repeated)
}

#[test]
fn the_content_size_is_that_of_the_extracted_layer() {
    let base = || Tar::default().entry(b'5', "d/", b"").file("d/a", b"12345");
    assert_eq!(content_size(base()), (5, 0));
    assert_eq!(content_size(base().link(b'2', "l", "d/a")), (8, 0));
    // Hard links share an inode; a link to a file of another layer has no size.
    assert_eq!(content_size(base().link(b'1', "b", "./d/a")), (5, 0));
    assert_eq!(content_size(base().link(b'1', "b", "usr/bin/x")), (5, 0));
    // Whiteouts, devices and directories have no size.
    let none = base()
        .file("d/.wh.x", b"zz")
        .file(".wh..wh..opq", b"zz")
        .entry(b'3', "n", b"");
    assert_eq!(content_size(none), (5, 0));
    // The last entry of a path counts, also if the path is written differently.
    assert_eq!(content_size(base().file("./d//a", b"12")), (2, 1));
    assert_eq!(content_size(base().entry(b'5', "d", b"")), (5, 1));
    assert_eq!(content_size(base().entry(b'5', "d/a", b"")), (0, 1));
    // A hard link keeps the contents when the first name is replaced.
    let kept = base().link(b'1', "b", "d/a").file("d/a", b"12");
    assert_eq!(content_size(kept), (7, 1));
    // A replaced directory loses its contents, but not later ones.
    let replaced = base().file("d/x/y", b"123").file("d", b"1");
    assert_eq!(content_size(replaced), (1, 1));
    let again = base()
        .file("d/x/y", b"123")
        .file("d", b"1")
        .entry(b'5', "d", b"")
        .file("d/x/z", b"12");
    assert_eq!(content_size(again), (2, 2));
}

#[test]
fn a_summary_counts_each_entry_once() {
    let tar = Tar::default()
        .entry(b'5', "d/", b"")
        .file("d/a", b"12345")
        .link(b'1', "b", "d/a")
        .link(b'2', "l", "d/a")
        .entry(b'6', "fifo", b"")
        .file("d/.wh.x", b"")
        .file("d/.wh..wh..opq", b"")
        .file(".wh..wh.plnk/1.2", b"123")
        .end();
    let mut walker = Walker::new(StreamInput::new(&tar[..]));
    let expected = LayerSummary {
        entries: 8,
        files: 1,
        directories: 1,
        symlinks: 1,
        hard_links: 1,
        specials: 1,
        whiteouts: 1,
        opaque_whiteouts: 1,
        ignored: 1,
        repeated: 0,
        content_size: 8,
        file_size: 5,
        tar_size: tar.len() as u64,
    };
    assert_eq!(LayerSummary::of(&mut walker).expect("readable"), expected);
}

#[test]
fn many_paths_are_distinguished() {
    let mut tar = Tar::default();
    for n in 0..3000 {
        tar = tar.file(&format!("d{}/{n}", n % 7), b"1");
    }
    assert_eq!(content_size(tar), (3000, 0));
}
