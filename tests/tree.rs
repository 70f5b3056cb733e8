//! Layers applied to one another: each rule by example, and all of them against a slow model.

use std::collections::BTreeMap;
use std::sync::Arc;

use imgkit::layer::clean_path;
use imgkit::tree::{Event, Hides, NodeKind, Reading, Tree, cmp_paths};
use proptest::prelude::*;

use crate::common::build;
pub use crate::fuzz::model::{Thing, model_layer, model_shown};

pub fn apply(layers: &[&str]) -> Tree {
    let list = |line: &&str| {
        let tar = build::layer(line);
        let listing = Reading {
            digests: true,
            ..Reading::default()
        }
        .list_stream(&tar[..]);
        Arc::new(listing.expect("a tar"))
    };
    Tree::apply(layers.iter().map(list).collect()).expect("within limits")
}

/// `KIND PATH@LAYER`, in the order of the walk; a file's names but the first are `h PATH>FIRST@LAYER`.
fn shown(tree: &Tree) -> String {
    let mut out = Vec::new();
    for node in tree.walk().skip(1) {
        let path = String::from_utf8_lossy(&node.path()).into_owned();
        let text = match (node.first_name(), node.kind()) {
            (Some(first), _) => format!("h {path}>{}", String::from_utf8_lossy(&first.path())),
            (None, NodeKind::Directory) if node.is_implied() => format!("i {path}"),
            (None, NodeKind::Directory) => format!("d {path}"),
            (None, NodeKind::File) => format!("f {path}"),
            (None, NodeKind::Symlink) => format!("l {path}"),
            (None, NodeKind::Fifo) => format!("p {path}"),
            (None, _) => format!("? {path}"),
        };
        out.push(format!("{text}@{}", node.layer() + 1));
    }
    out.join(" ")
}

fn faults(tree: &Tree) -> Vec<String> {
    tree.faults().iter().map(ToString::to_string).collect()
}

#[test]
fn each_rule_by_example() {
    let long = format!("f {}/x text", "d/".repeat(100) + "d");
    for (layers, expected) in [
        (&["d etc | f etc/a one"][..], "d etc@1 f etc/a@1"),
        // Markers speak of lower layers only, wherever they stand.
        (&["f a one | f b two", "w a | f c x"], "f b@1 f c@2"),
        (&["f a one", "w a | f a two"], "f a@2"),
        (&["f a one", "f a two | w a"], "f a@2"),
        (&["w a | f a one"], "f a@1"),
        (&["f a one | w a"], "f a@1"),
        (
            &["d etc | f etc/a one | f etc/b two", "o etc | f etc/c x"],
            "d etc@1 f etc/c@2",
        ),
        (
            &["d etc | f etc/a one | f etc/b two", "f etc/c x | o etc"],
            "d etc@1 f etc/c@2",
        ),
        (
            &["d etc | f etc/a one", "f etc/c x | d etc | o etc"],
            "d etc@2 f etc/c@2",
        ),
        (&["f etc/c x | o etc"], "i etc@1 f etc/c@1"),
        (&["d a | d a/b | f a/b/c x | f d y", "o ."], ""),
        (&["d a | f a/b x", "w a | w a | w a", "d a"], "d a@3"),
        // A folder removed and made again has nothing of the old one.
        (&["d a | f a/b x", "w a", "d a | f a/c x"], "d a@3 f a/c@3"),
        (&["d a | f a/b x", "w a | d a | f a/c x"], "d a@2 f a/c@2"),
        (&["d a | f a/b x", "d a | f a/c x | w a"], "d a@2 f a/c@2"),
        (
            &["d a | d a/b | f a/b/c x", "f a/b/d x | w a"],
            "i a@2 i a/b@2 f a/b/d@2",
        ),
        (
            &["d a | d a/b | f a/b/c x", "w a | f a/b/d x"],
            "i a@2 i a/b@2 f a/b/d@2",
        ),
        (&["d a | f a/b x", "w a | w a/b"], "i a@2"),
        (&["d a | f a/b x", "w a/b | w a"], "i a@2"),
        // Kinds that change.
        (&["d a | f a/b x", "f a file"], "f a@2"),
        (&["d a | f a/b x", "f a file", "d a"], "d a@3"),
        (&["f a file", "d a | f a/b x"], "d a@2 f a/b@2"),
        (&["f a file", "f a/b x | d a"], "d a@2 f a/b@2"),
        (&["f a file", "w a | f a/b x"], "i a@2 f a/b@2"),
        (&["f a/b file", "o a/b | w a"], "i a@2 i a/b@2"),
        (&["l run var/run", "d run | f run/x y"], "d run@2 f run/x@2"),
        (&["d a | f a/b x | f a y | d a | f a/c z"], "d a@1 f a/c@1"),
        (&["d a | l a b | f a x | p a"], "p a@1"),
        // The last of several is the one.
        (&["f a one | f a two | d b | d b"], "f a@1 d b@1"),
        // Folders that no entry speaks of.
        (&["f a/b/c x", "d a/b"], "i a@1 d a/b@2 f a/b/c@1"),
        (&["d a | d a/b", "f a/b/c x"], "d a@1 d a/b@1 f a/b/c@2"),
        (&["f x y", "w a/b/c"], "i a@2 i a/b@2 f x@1"),
        // Names as they come.
        (
            &["d ./etc/ | f ./etc/a x | f /etc/b x | f etc//./c x"],
            "d etc@1 f etc/a@1 f etc/b@1 f etc/c@1",
        ),
        (&["f ./a x", "w ./a"], ""),
        // Hard links.
        (&["f a x | h b a"], "f a@1 h b>a@1"),
        (&["f b x | h a b"], "f a@1 h b>a@1"),
        (&["f a x", "h b a"], "f a@1 h b>a@2"),
        (&["f a x", "h b ./a | w c"], "f a@1 h b>a@2"),
        (&["f a x | h b a | h c b"], "f a@1 h b>a@1 h c>a@1"),
        (&["f a x | h b a", "f a y"], "f a@2 f b@1"),
        (&["f a x | h b a", "w a"], "f b@1"),
        (&["d d | f d/a x | h b d/a", "w d"], "f b@1"),
        (&["f a x | h b a", "w a", "f a z"], "f a@3 f b@1"),
        (
            &[
                "f a/b/foo x | h a/b/bar a/b/foo",
                "h a/b/baz a/b/bar | w a/b/foo",
            ],
            "i a@1 i a/b@1 f a/b/bar@1 h a/b/baz>a/b/bar@2",
        ),
        (&["f a x | h b a | f a y | h c a"], "f a@1 f b@1 h c>a@1"),
        (&["l s t | h b s"], "l b@1 h s>b@1"),
        (
            &["f .wh..wh.plnk/1.2 x | h a .wh..wh.plnk/1.2 | h b .wh..wh.plnk/1.2"],
            "f a@1 h b>a@1",
        ),
        (
            &["f .wh..wh.aufs x | d .wh..wh.orph | f .wh..wh.orph/x y"],
            "",
        ),
        (&["d . | f a x"], "f a@1"),
    ] {
        let tree = apply(layers);
        assert_eq!(faults(&tree), [""; 0], "{layers:?}");
        assert_eq!(shown(&tree), expected, "{layers:?}");
    }
    assert_eq!(apply(&[&long]).walk().count(), 103);
}

#[test]
fn what_no_two_engines_agree_on_is_a_fault() {
    let below = "a parent is not a directory";
    for (layers, fault, left) in [
        (
            &["f ../a x | f b y"][..],
            "layer 1 of 1: ../a: path leads outside of the root".to_owned(),
            "f b@1",
        ),
        (
            &["f a/../b x"],
            "layer 1 of 1: a/../b: path leads outside of the root".into(),
            "",
        ),
        (
            &["f . x"],
            "layer 1 of 1: .: the root must be a directory".into(),
            "",
        ),
        (
            &["l / etc"],
            "layer 1 of 1: .: the root must be a directory".into(),
            "",
        ),
        (
            &["f a x", "f .wh. y"],
            "layer 2 of 2: .wh.: whiteout without a name".into(),
            "f a@1",
        ),
        (
            &["d a", "f a/.wh... y"],
            "layer 2 of 2: a/.wh...: whiteout without a name".into(),
            "d a@1",
        ),
        (
            &["f a/../.wh.x y"],
            "layer 1 of 1: a/../.wh.x: path leads outside of the root".into(),
            "",
        ),
        (
            &["f a x | f a/b y"],
            format!("layer 1 of 1: a/b: {below}"),
            "f a@1",
        ),
        (
            &["l a b | f a/b y"],
            "layer 1 of 1: a/b: a parent is a symbolic link to a missing directory".into(),
            "l a@1",
        ),
        (
            &["f f x | l a f | f a/b y"],
            "layer 1 of 1: a/b: a parent is a symbolic link to a missing directory".into(),
            "l a@1 f f@1",
        ),
        (
            &["l a b | l b a | f a/b y"],
            "layer 1 of 1: a/b: too many levels of symbolic links".into(),
            "l a@1 l b@1",
        ),
        (
            &["h a b"],
            "layer 1 of 1: a: link to 'b': no such file".into(),
            "",
        ),
        (
            &["h a b | f b x"],
            "layer 1 of 1: a: link to 'b': no such file".into(),
            "f b@1",
        ),
        (
            &["f b x", "w b", "h a b"],
            "layer 3 of 3: a: link to 'b': no such file".into(),
            "",
        ),
        (
            &["d b | h a b"],
            "layer 1 of 1: a: link to 'b': target is a directory".into(),
            "d b@1",
        ),
        (
            &["h a ."],
            "layer 1 of 1: a: link to '.': target is a directory".into(),
            "",
        ),
        (
            &["f a x | h a a"],
            "layer 1 of 1: a: link to 'a': target is the link itself".into(),
            "f a@1",
        ),
        (
            &["h a a"],
            "layer 1 of 1: a: link to 'a': no such file".into(),
            "",
        ),
        (
            &["d a | f a/b x | h a a/b"],
            "layer 1 of 1: a: link to 'a/b': target is below the link itself".into(),
            "d a@1 f a/b@1",
        ),
        (
            &["h a ../etc/passwd"],
            "layer 1 of 1: a: link to '../etc/passwd': target is outside of the root".into(),
            "",
        ),
        (
            &["l s s | d d | f d/x y | h a s/x"],
            "layer 1 of 1: a: link to 's/x': too many levels of symbolic links".into(),
            "d d@1 f d/x@1 l s@1",
        ),
    ] {
        let tree = apply(layers);
        assert_eq!(faults(&tree), [fault], "{layers:?}");
        assert_eq!(shown(&tree), left, "{layers:?}");
        assert!(tree.checked().is_err());
    }
}

#[test]
fn lives_are_told() {
    let tree = apply(&[
        "d a | f a/b one | f c x | h l a/b",
        "f a/b three | w c",
        "w a",
        "d a | f a/b again | f c y",
        "o a | f c z",
        "f a file",
    ]);
    let life = |path: &str| {
        let past = tree.history(path.as_bytes()).expect("spoken of");
        let step = |step: &imgkit::tree::Step<'_>| (step.layer + 1, step.event, step.size());
        past.steps().iter().map(step).collect::<Vec<_>>()
    };
    assert_eq!(
        life("a/b"),
        [
            (1, Event::Added, 3),
            (2, Event::Replaced, 5),
            (3, Event::Hidden, 5),
            (4, Event::Added, 5),
            (5, Event::Hidden, 5)
        ]
    );
    assert_eq!(
        life("c"),
        [
            (1, Event::Added, 1),
            (2, Event::Removed, 1),
            (4, Event::Added, 1),
            (5, Event::Replaced, 1)
        ]
    );
    assert_eq!(
        life("a"),
        [
            (1, Event::Added, 0),
            (3, Event::Removed, 0),
            (4, Event::Added, 0),
            (6, Event::Replaced, 4)
        ]
    );
    let link = tree.get(b"l").expect("there");
    assert_eq!(
        (
            link.size(),
            link.link_count(),
            link.location().map(|place| place.layer)
        ),
        (3, 1, Some(0))
    );
    assert!(tree.history(b"nothing").is_none());
}

#[test]
fn a_part_of_the_layers_says_what_it_does_to_those_below() {
    let tree = apply(&[
        "f a/x y | w b | o c | f d file",
        "w a/x | f b/n y | d d | w e/f",
    ]);
    let removed: Vec<_> = tree
        .all_paths()
        .filter(|past| past.is_removed())
        .map(|past| String::from_utf8_lossy(&past.path()).into_owned())
        .collect();
    assert_eq!(removed, ["a/x", "e/f"]);
    let opaque: Vec<_> = tree
        .walk()
        .filter(|node| node.kind() == NodeKind::Directory && node.hides() != Hides::Nothing)
        .map(|node| String::from_utf8_lossy(&node.path()).into_owned())
        .collect();
    assert_eq!(opaque, ["b", "c", "d"]);
}

#[test]
fn a_chain_of_layers_and_markers_stays_linear() {
    // Each marker over a folder of 20,000 names, and a deep path in each layer.
    let mut big: String = (0..20_000).map(|n| format!("f d/{n} | ")).collect();
    big += "d z";
    let marks: String = (0..20_000).map(|n| format!("w d/x{n} | o d | ")).collect();
    let deep = format!("f {}x y", "z/".repeat(2000));
    let marks = marks + &deep;
    let started = std::time::Instant::now();
    let tree = apply(&[&big, &marks, &marks, &big, &marks]);
    assert_eq!(tree.walk().count(), 2003);
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

// -------------------------------------------------------------------------------------------------------- the model

fn any_path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4)
        .prop_map(|parts| parts.join("/"))
}

pub fn any_item() -> impl Strategy<Value = String> {
    let kind = prop::sample::select(vec!["d", "d", "f", "f", "f", "l", "h", "h", "w", "w", "o"]);
    let leads = prop::sample::select(vec!["", "", "", "/", "../", "../../"]);
    let other = (leads, any_path());
    (kind, any_path(), other, 0..1000u32).prop_map(
        |(kind, path, (leads, other), text)| match kind {
            "h" => format!("h {path} {other}"),
            "l" => format!("l {path} {leads}{other}"),
            "f" => format!("f {path} {text}"),
            _ => format!("{kind} {path}"),
        },
    )
}

pub fn any_layers() -> impl Strategy<Value = Vec<String>> {
    let layer = prop::collection::vec(any_item(), 0..8).prop_map(|items| items.join(" | "));
    prop::collection::vec(layer, 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000,
        max_global_rejects: 100_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Faults are in both or in neither; the trees are compared where there are none, since others are refused.
    #[test]
    fn trees_are_what_a_slow_model_says(layers in any_layers()) {
        let lines: Vec<&str> = layers.iter().map(String::as_str).collect();
        let tree = apply(&lines);
        let mut map = BTreeMap::new();
        let mut inodes = 0;
        let mut good = true;
        for line in &lines {
            good &= model_layer(&mut map, line, &mut inodes);
        }
        let plain: Vec<String> = shown(&tree)
            .split(' ')
            .map(|word| word.split('@').next().unwrap_or_default().to_owned())
            .collect();
        prop_assert_eq!(tree.faults().is_empty(), good, "{:?}", faults(&tree));
        // Links to what a fault left out, and markers behind them, are left out by rules of their own.
        prop_assume!(good);
        prop_assert_eq!(plain.join(" "), model_shown(&map));
        for (path, thing) in &map {
            let node = tree.get(path.as_bytes()).expect("there");
            let life = node.history().steps();
            let last = life.last().expect("a life");
            prop_assert!(matches!(last.event, Event::Added | Event::Replaced), "{} {:?}", path, last.event);
            prop_assert_eq!((last.kind(), last.size()), (node.kind(), node.size()));
            match thing {
                Thing::Folder(_) => prop_assert_eq!(node.kind(), NodeKind::Directory),
                Thing::File('l', _, text) => prop_assert_eq!(node.link_target(), text.as_bytes()),
                Thing::File(_, _, text) => {
                    let digest = hex::encode(node.digest().expect("a digest"));
                    prop_assert_eq!(format!("sha256:{digest}"), build::digest(text.as_bytes()));
                }
            }
        }
        // What is not there in the end went away by some layer.
        for past in tree.all_paths().filter(|past| past.node().is_none()) {
            if let Some(last) = past.steps().last() {
                prop_assert!(matches!(last.event, Event::Removed | Event::Hidden), "{:?}", last.event);
            }
        }
    }

    /// Applying some of the layers, and then what the rest of them amount to, is applying all.
    #[test]
    fn a_part_can_be_told_as_one_layer(layers in any_layers(), cut in 0..4usize) {
        let lines: Vec<&str> = layers.iter().map(String::as_str).collect();
        let all = apply(&lines);
        prop_assume!(all.faults().is_empty());
        let cut = cut.min(lines.len());
        let upper = apply(&lines[cut..]);
        prop_assume!(upper.faults().is_empty());
        let mut told: Vec<String> = Vec::new();
        for past in upper.all_paths() {
            let path = String::from_utf8_lossy(&past.path()).into_owned();
            if path.is_empty() {
                continue;
            }
            let Some(node) = past.node() else {
                if past.is_removed() {
                    told.push(format!("w {path}"));
                }
                continue;
            };
            match node.hides() {
                Hides::Nothing => {}
                Hides::Contents => told.push(format!("o {path}")),
                Hides::Everything => told.push(format!("w {path}")),
            }
            match (node.kind(), node.first_name()) {
                // An implied folder is left to what is in it.
                (NodeKind::Directory, _) if node.is_implied() => told.push(format!("w {path}/none")),
                (NodeKind::Directory, _) => told.push(format!("d {path}")),
                (_, Some(first)) => told.push(format!("h {path} {}", String::from_utf8_lossy(&first.path()))),
                (NodeKind::Symlink, _) => told.push(format!("l {path} {}", String::from_utf8_lossy(node.link_target()))),
                _ => told.push(format!("f {path} {}", "x".repeat(usize::try_from(node.size()).expect("small")))),
            }
        }
        let one = told.join(" | ");
        let mut lower: Vec<&str> = lines[..cut].to_vec();
        lower.push(&one);
        let again = apply(&lower);
        let plain = |tree: &Tree| {
            let strip = |word: &str| word.split('@').next().unwrap_or_default().to_owned();
            shown(tree).split(' ').map(strip).collect::<Vec<_>>()
        };
        prop_assert_eq!(plain(&again), plain(&all), "{}", one);
    }

    #[test]
    fn walks_are_in_the_order_of_paths(layers in any_layers()) {
        let lines: Vec<&str> = layers.iter().map(String::as_str).collect();
        let paths: Vec<Vec<u8>> = apply(&lines).walk().map(|node| node.path()).collect();
        prop_assert!(paths.is_sorted_by(|a, b| cmp_paths(a, b).is_lt()));
        prop_assert!(paths.iter().all(|path| &*clean_path(path).path == path.as_slice()));
    }
}
