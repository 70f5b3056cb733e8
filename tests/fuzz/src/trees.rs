//! Layers applied to one another, against the slow model.

use std::collections::BTreeMap;
use std::sync::Arc;

use imgkit::layer::{Entry, EntryKind};
use imgkit::tree::{Listing, NodeKind, Tree, cmp_paths};

use super::Taken;
use super::model::{Thing, model_layer, model_shown};

/// Each entry is a letter, a path of few names, and for links another one; a zero letter begins the next layer.
pub fn tree(data: &[u8]) {
    let mut taken = Taken(data);
    let mut lines: Vec<Vec<String>> = vec![Vec::new()];
    let mut count = 0;
    while !taken.0.is_empty() && count < 300 && lines.len() < 12 {
        let what = taken.byte();
        count += 1;
        let items = lines.last_mut().expect("one");
        match what % 9 {
            0 => lines.push(Vec::new()),
            1 | 2 => items.push(format!("d {}", path(&mut taken))),
            3 | 4 => items.push(format!("f {} {count}", path(&mut taken))),
            5 => items.push(format!("l {} {}", path(&mut taken), path(&mut taken))),
            6 => items.push(format!("h {} {}", path(&mut taken), path(&mut taken))),
            7 => items.push(format!("w {}", path(&mut taken))),
            _ => items.push(format!("o {}", path(&mut taken))),
        }
    }
    let listings = lines.iter().map(|items| {
        let entries = items.iter().map(|item| Ok(entry(item)));
        Arc::new(Listing::of_entries(entries).expect("few entries"))
    });
    let tree = Tree::apply(listings.collect()).expect("within limits");
    let (mut map, mut inodes, mut good) = (BTreeMap::<String, Thing>::new(), 0, true);
    for items in &lines {
        good &= model_layer(&mut map, &items.join(" | "), &mut inodes);
    }
    let mut shown = Vec::new();
    let mut before: Option<Vec<u8>> = None;
    for node in tree.walk().skip(1) {
        let bytes = node.path();
        assert!(before.is_none_or(|before| cmp_paths(&before, &bytes).is_lt()));
        assert_eq!(
            tree.get(&bytes).map(|found| found.index()),
            Some(node.index())
        );
        assert_eq!(
            node.parent().map(|parent| parent.kind()),
            Some(NodeKind::Directory)
        );
        let path = String::from_utf8_lossy(&bytes).into_owned();
        shown.push(match (node.first_name(), node.kind()) {
            (Some(first), _) => format!("h {path}>{}", String::from_utf8_lossy(&first.path())),
            (None, NodeKind::Directory) if node.is_implied() => format!("i {path}"),
            (None, NodeKind::Directory) => format!("d {path}"),
            (None, NodeKind::File) => format!("f {path}"),
            (None, _) => format!("l {path}"),
        });
        before = Some(bytes);
    }
    // Of layers that cannot be applied nobody reads what there is of the rest.
    if good {
        assert_eq!(shown.join(" "), model_shown(&map), "{lines:?}");
    }
    assert_eq!(
        tree.faults().is_empty(),
        good,
        "{lines:?}: {:?}",
        tree.faults()
    );
    for past in tree.all_paths() {
        let _ = (past.path(), past.steps());
    }
}

/// One to four names out of four.
fn path(taken: &mut Taken<'_>) -> String {
    let byte = taken.byte();
    let mut parts = Vec::new();
    for i in 0..=byte % 3 {
        parts.push(["a", "b", "c", "d"][usize::from(byte >> (2 + 2 * i)) % 4]);
    }
    parts.join("/")
}

fn entry(item: &str) -> Entry {
    let words: Vec<&str> = item.splitn(3, ' ').collect();
    let text = words.get(2).copied().unwrap_or_default();
    let marker = |name: &str| match words[1].rsplit_once('/') {
        Some((folder, last)) => format!("{folder}/.wh.{name}{last}"),
        None => format!(".wh.{name}{}", words[1]),
    };
    let (kind, path) = match words[0] {
        "d" => (EntryKind::Directory, words[1].to_owned()),
        "l" => (EntryKind::Symlink, words[1].to_owned()),
        "h" => (EntryKind::HardLink, words[1].to_owned()),
        "w" => (EntryKind::File, marker("")),
        "o" => (EntryKind::File, format!("{}/.wh..wh..opq", words[1])),
        _ => (EntryKind::File, words[1].to_owned()),
    };
    let mut entry = Entry::named(path.into_bytes());
    entry.kind = kind;
    if matches!(kind, EntryKind::Symlink | EntryKind::HardLink) {
        entry.link_target = text.as_bytes().to_vec();
    }
    entry
}
