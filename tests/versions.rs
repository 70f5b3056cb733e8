//! Versions: every entry of every layer with its state, by example and against a slow model.

use std::collections::BTreeMap;
use std::sync::Arc;

use imgkit::archive::{Open, Pick};
use imgkit::cli::{Scope, VersionArgs, VersionRecords};
use imgkit::layer::{AnomalyKind, Mtime};
use imgkit::tree::{EntryVersion, NodeKind, Reading, Tree, VersionKind, VersionState};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::build;
use crate::common::pack::Pack;
use crate::common::run::Room;
use crate::tree::{any_layers, apply};

/// `PATH KIND LAYER.ENTRY STATE[ by LAYER]`, layers and entries from 1.
fn shown(version: &EntryVersion<'_>) -> String {
    let kind = match (version.kind(), version.file_kind()) {
        (VersionKind::Whiteout, _) => 'w',
        (VersionKind::Opaque, _) => 'o',
        _ if version.hard_link_target().is_some() => 'h',
        (_, Some(NodeKind::Directory)) => 'd',
        (_, Some(NodeKind::File)) => 'f',
        (_, Some(NodeKind::Symlink)) => 'l',
        (_, Some(NodeKind::Fifo)) => 'p',
        _ => '?',
    };
    let by = version.ended_by();
    format!(
        "{} {kind} {}.{} {}{}",
        String::from_utf8_lossy(&version.path()),
        version.layer() + 1,
        version.entry(),
        version.state().name(),
        by.map_or(String::new(), |by| format!(" by {}", by + 1))
    )
}

fn versions(layers: &[&str]) -> Vec<String> {
    apply(layers)
        .versions()
        .map(|version| shown(&version))
        .collect()
}

#[test]
fn each_state_by_example() {
    for (layers, expected) in [
        (
            &["d etc | f etc/a x"][..],
            "etc d 1.1 final; etc/a f 1.2 final",
        ),
        (
            &["f a one", "f a two", "f a three"],
            "a f 1.1 replaced by 2; a f 2.1 replaced by 3; a f 3.1 final",
        ),
        (&["f a one", "w a"], "a f 1.1 removed by 2; a w 2.1 final"),
        // A whiteout spares its own layer, wherever it is.
        (
            &["f a one", "f a two | w a"],
            "a f 1.1 removed by 2; a f 2.1 final; a w 2.2 final",
        ),
        (
            &["d a | d a/b | f a/b/c x", "w a"],
            "a d 1.1 removed by 2; a w 2.1 final; a/b d 1.2 hidden by 2; a/b/c f 1.3 hidden by 2",
        ),
        (
            &["d a | f a/b x", "f a/c y | o a"],
            "a d 1.1 final; a o 2.2 final; a/b f 1.2 hidden by 2; a/c f 2.1 final",
        ),
        (
            &["f a x | d b | f b/c y", "o ."],
            " o 2.1 final; a f 1.1 hidden by 2; b d 1.2 hidden by 2; b/c f 1.3 hidden by 2",
        ),
        (
            &["d a | f a/b x", "f a file", "d a"],
            "a d 1.1 replaced by 2; a f 2.1 replaced by 3; a d 3.1 final; a/b f 1.2 hidden by 2",
        ),
        // A directory that its contents imply takes the place of a file.
        (
            &["f a x", "f a/b y"],
            "a f 1.1 replaced by 2; a/b f 2.1 final",
        ),
        // Of a whiteout and an entry, and of two whiteouts, the one above comes first, whatever their order.
        (
            &["d a | f a/b x", "w a | w a/b | f a/b y"],
            "a d 1.1 removed by 2; a w 2.1 final; a/b f 1.2 hidden by 2; a/b w 2.2 final; a/b f 2.3 final",
        ),
        (
            &["f a x", "w a/b | w a"],
            "a f 1.1 removed by 2; a w 2.2 final; a/b w 2.1 final",
        ),
        // In one layer.
        (
            &["f a one | f a two | f a three"],
            "a f 1.1 repeated by 1; a f 1.2 repeated by 1; a f 1.3 final",
        ),
        (&["d a | d a"], "a d 1.1 repeated by 1; a d 1.2 final"),
        (
            &["d a | f a/b x | f a y"],
            "a d 1.1 repeated by 1; a f 1.3 final; a/b f 1.2 hidden by 1",
        ),
        (
            &["f a one | f a two", "w a"],
            "a f 1.1 repeated by 1; a f 1.2 removed by 2; a w 2.1 final",
        ),
        // Whiteouts are entries, even if they remove nothing or come twice.
        (&["w a/b | w a/b"], "a/b w 1.1 final; a/b w 1.2 final"),
        (
            &["d a", "o a | o a"],
            "a d 1.1 final; a o 2.1 final; a o 2.2 final",
        ),
        // Hard links keep their own state.
        (
            &["f a x | h b a", "w a"],
            "a f 1.1 removed by 2; a w 2.1 final; b h 1.2 final",
        ),
        // Entries that no engine can apply.
        (&["f a x | f a/b y"], "a f 1.1 final; a/b f 1.2 unapplied"),
        (&["h a b | f b x"], "a h 1.1 unapplied; b f 1.2 final"),
        (
            &["f b x | f ../a y | f a/../b z"],
            "../a f 1.2 unapplied; a/../b f 1.3 unapplied; b f 1.1 final",
        ),
        (
            &["f a x", "f .wh. y | d a | f a/.wh... z"],
            ".wh. f 2.1 unapplied; a f 1.1 replaced by 2; a d 2.2 final; a/.wh... f 2.3 unapplied",
        ),
        (&["f . x | d ."], " f 1.1 unapplied;  d 1.2 final"),
        (&["f a x | w a/b/c"], "a f 1.1 final; a/b/c w 1.2 final"),
        (
            &["f a/b x | l b a | w b/c | l c nothing | w c/d"],
            "a/b f 1.1 final; a/c w 1.3 final; b l 1.2 final; c l 1.4 final; c/.wh.d f 1.5 unapplied",
        ),
        // Metadata of aufs is in no image, though links find their contents in it.
        (
            &["f .wh..wh.plnk/1.2 x | h a .wh..wh.plnk/1.2"],
            ".wh..wh.plnk/1.2 f 1.1 unapplied; a h 1.2 final",
        ),
        // Where an entry takes effect is its path.
        (
            &["d a | l b a | f b/c x"],
            "a d 1.1 final; a/c f 1.3 final; b l 1.2 final",
        ),
        // By bytes of whole paths.
        (
            &["d a | f a/b x | f a-b x | f a.b x | f a0 x"],
            "a d 1.1 final; a-b f 1.3 final; a.b f 1.4 final; a/b f 1.2 final; a0 f 1.5 final",
        ),
    ] {
        assert_eq!(versions(layers).join("; "), expected, "{layers:?}");
    }
}

#[test]
fn a_directory_made_again_behind_a_link_is_one_version() {
    // The whiteout comes through the link: it removes nothing of its own layer.
    let tree = apply(&[
        "d x | d x/d | f x/d/old y",
        "d x/d | l s x | w s/d | f x/d/new y",
    ]);
    let all: Vec<String> = tree.versions().map(|version| shown(&version)).collect();
    assert_eq!(
        all.join("; "),
        "s l 2.2 final; x d 1.1 final; x/d d 1.2 removed by 2; x/d d 2.1 final; x/d w 2.3 final; \
         x/d/new f 2.4 final; x/d/old f 1.3 hidden by 2"
    );
    assert_eq!(tree.version_count(), all.len() as u64);
}

#[test]
fn contents_of_past_versions_are_found() {
    let tree = apply(&["f a one | h b a | f c/d gone", "f a other | w c", "h e b"]);
    let digest = |text: &str| build::digest(text.as_bytes());
    let found: Vec<_> = tree
        .versions()
        .filter_map(|version| {
            let digest = format!("sha256:{}", hex::encode(version.digest()?));
            let layer = version.location()?.layer + 1;
            Some((shown(&version), version.size(), layer, digest))
        })
        .collect();
    assert_eq!(
        found,
        [
            ("a f 1.1 replaced by 2".to_owned(), 3, 1, digest("one")),
            ("a f 2.1 final".to_owned(), 5, 2, digest("other")),
            ("b h 1.2 final".to_owned(), 3, 1, digest("one")),
            // A whiteout is a file, too, and could have contents.
            ("c w 2.2 final".to_owned(), 0, 2, digest("")),
            ("c/d f 1.3 hidden by 2".to_owned(), 4, 1, digest("gone")),
            ("e h 3.1 final".to_owned(), 3, 1, digest("one")),
        ]
    );
}

/// A record is enough to cut the contents out of the archive and out of the layer, with no help of ours.
#[test]
fn records_say_where_contents_are() {
    let image = |pack| {
        build::image("demo:1")
            .layer("d etc | f etc/a one | f etc/b two | h c etc/a")
            .packed(pack)
            .step("ENV A=1")
            .layer("w etc/a | f etc/b three | h d c")
            .packed(pack)
    };
    let room = Room::with("plain.tar", &build::docker(&[&image(Pack::Plain)]));
    room.write("gzip.tar", &build::oci(&[&image(Pack::Gzip)]).tar());
    for (file, pack) in [("plain.tar", Pack::Plain), ("gzip.tar", Pack::Gzip)] {
        let archive = Open::default().path(&room.path(file)).expect("an archive");
        let selection = archive.select(&Pick::Only, None).expect("one image");
        let reading = Reading {
            digests: true,
            ..Reading::default()
        };
        let listings = reading.list_all(selection.image()).expect("layers");
        let tree = Tree::apply(listings).expect("within limits");
        let records = VersionRecords::new(&archive, selection.image(), "demo:1", 0);
        let rows: Vec<Value> = tree
            .versions()
            .map(|version| records.record(&version).into())
            .collect();
        let bytes = std::fs::read(room.path(file)).expect("an archive");
        let made = image(pack);
        let cut = |bytes: &[u8], start: &Value, length: &Value| {
            let number = |value: &Value| value.as_u64().and_then(|n| usize::try_from(n).ok());
            let (start, length) = (number(start)?, number(length)?);
            Some(build::digest(&bytes[start..start + length]))
        };
        let mut checked = 0;
        for row in &rows {
            let digest = row["Digest"].as_str().map(str::to_owned);
            let layer = made.layer_tar(row["Layer"].as_u64().expect("a layer") as usize - 1);
            let from_layer = cut(layer, &row["Offset"], &row["Length"]);
            let from_archive = cut(&bytes, &row["StoredAt"], &row["Length"]);
            assert_eq!(row["Length"].is_null(), digest.is_none(), "{row}");
            assert_eq!(
                from_layer.is_some(),
                digest.is_some() && row["Path"] != "d",
                "{row}"
            );
            assert_eq!(
                from_archive.is_some(),
                digest.is_some() && file == "plain.tar",
                "{row}"
            );
            for found in [from_layer, from_archive].into_iter().flatten() {
                assert_eq!(Some(found), digest, "{row}");
                checked += 1;
            }
        }
        assert_eq!(checked, if file == "plain.tar" { 11 } else { 5 });
        let find = |path: &str, layer: u64| {
            let mut rows = rows.iter();
            let row = rows.find(|row| row["Path"] == path && row["Layer"] == layer);
            row.expect("a version").clone()
        };
        let gone = find("etc/a", 1);
        let diff_ids = made.diff_ids();
        assert_eq!(gone["State"], "removed");
        assert_eq!(
            gone["By"],
            json!({"Layer": 2, "DiffID": diff_ids[1], "CreatedBy": "COPY layer 2 /"})
        );
        for (key, value) in [
            ("Archive", json!(room.path(file))),
            ("Image", json!("demo:1")),
            ("ImageID", json!(selection.image().id.to_string())),
            ("Platform", json!("linux/amd64")),
            ("Type", json!("file")),
            ("Entry", json!(2)),
            ("DiffID", json!(diff_ids[0])),
            ("CreatedBy", json!("COPY layer 1 /")),
            ("AccessTime", Value::Null),
            ("Mode", json!("0644")),
            ("Size", json!(3)),
        ] {
            assert_eq!(gone[key], value, "{key}");
        }
        assert_eq!(find("etc/a", 2)["Type"], "whiteout");
        assert_eq!(find("c", 1)["HardLinkTo"], "etc/a");
        assert_eq!(
            (&find("c", 1)["By"], &find("c", 1)["Links"]),
            (&Value::Null, &json!(2))
        );
    }
}

#[test]
fn versions_are_chosen_by_scope_and_layer() {
    let lines = [
        "d etc | f etc/a one",
        "w etc/a | f etc/b two",
        "f etc/b three",
    ];
    let [base, app] = [&lines[..1], &lines].map(|lines| {
        let image = build::image(&format!("demo:{}", lines.len()));
        lines.iter().fold(image, |image, line| image.layer(line))
    });
    let room = Room::with("app.tar", &build::docker(&[&base, &app]));
    let archive = Open::default()
        .path(&room.path("app.tar"))
        .expect("an archive");
    let select = |name: &str| {
        let selection = archive.select(&Pick::Name(name.to_owned()), None);
        selection.expect("an image").image().clone()
    };
    let (base, app) = (select("demo:1"), select("demo:3"));
    let tree = Tree::apply(Reading::default().list_all(&app).expect("layers"));
    let tree = tree.expect("within limits");
    for (scope, layer, since, expected) in [
        (Scope::All, None, false, "etc etc/a etc/a etc/b etc/b"),
        (Scope::Final, None, false, "etc etc/a etc/b"),
        (Scope::Past, None, false, "etc/a etc/b"),
        (Scope::All, Some("1"), false, "etc etc/a"),
        (Scope::All, Some("2..3"), false, "etc/a etc/b etc/b"),
        (Scope::Past, Some("2..3"), false, "etc/b"),
        (Scope::All, None, true, "etc/a etc/b etc/b"),
        (Scope::Past, None, true, "etc/b"),
    ] {
        let args = VersionArgs {
            scope,
            layer: layer.map(str::to_owned),
            since: None,
        };
        let choice = args.choice(&app, since.then_some(&base)).expect("a choice");
        let chosen = tree.versions().filter(|version| choice.includes(version));
        let found: Vec<_> = chosen
            .map(|version| String::from_utf8(version.path()).expect("text"))
            .collect();
        assert_eq!(found.join(" "), expected, "{scope:?} {layer:?} {since}");
    }
    let args = |layer: Option<&str>| VersionArgs {
        scope: Scope::All,
        layer: layer.map(str::to_owned),
        since: None,
    };
    let wrong = args(Some("4"))
        .choice(&app, None)
        .expect_err("three layers");
    assert_eq!(wrong.to_string(), "no layer 4: the image has 3 layers");
    assert!(args(None).choice(&base, Some(&app)).is_err());
}

/// Times that only PAX records have, and headers before an entry.
#[test]
fn times_and_headers_of_records_are_told() {
    let mut tar = tar::Builder::new(Vec::new());
    let records = [
        ("atime", &b"1700000000.5"[..]),
        ("ctime", b"1700000001"),
        ("LIBARCHIVE.creationtime", b"1600000000"),
    ];
    tar.append_pax_extensions(records).expect("memory");
    let mut header = tar::Header::new_ustar();
    header.set_size(1);
    header.set_mode(0o600);
    header.set_cksum();
    tar.append_data(&mut header.clone(), "a", &b"x"[..])
        .expect("memory");
    tar.append_data(&mut header, "b", &b"y"[..])
        .expect("memory");
    let bytes = tar.into_inner().expect("memory");
    let listing = Reading::default().list_stream(&bytes[..]).expect("a tar");
    let tree = Tree::apply(vec![Arc::new(listing)]).expect("within limits");
    let all: Vec<_> = tree.versions().collect();
    let seconds = |time: Option<Mtime>| time.map(|time| time.seconds);
    let times = all[0].other_times();
    assert_eq!(seconds(times.access), Some(1_700_000_000));
    assert_eq!(times.access.map(|time| time.nanos), Some(500_000_000));
    assert_eq!(seconds(times.change), Some(1_700_000_001));
    assert_eq!(seconds(times.birth), Some(1_600_000_000));
    assert!(all[1].other_times().is_empty());
    assert_eq!(all[0].headers(), Some((0, 1024)));
    assert_eq!(all[1].headers(), Some((2048, 2048)));
    let odd = apply(&["f a x | f /b y | d c"]);
    let anomalies: Vec<_> = odd
        .versions()
        .map(|version| version.anomalies().collect::<Vec<_>>())
        .collect();
    assert_eq!(anomalies, [vec![], vec![AnomalyKind::AbsolutePath], vec![]]);
}

#[test]
fn many_changes_of_one_directory_stay_linear() {
    // A directory that comes and goes 5,000 times, with 20,000 paths below it, and unapplied entries among them.
    let turns: String = (0..5000).map(|_| "d d | f d x | ").collect();
    let names: String = (0..20_000).map(|n| format!("f d/{n}/x y | ")).collect();
    let lost: String = (0..5000).map(|n| format!("f ../d/{n} y | ")).collect();
    let marks: String = (0..5000).map(|n| format!("w d/{n} | o d/{n} | ")).collect();
    let deep = format!("f {}x y", "z/".repeat(2000));
    let first = format!("{turns}{names}d z");
    let second = format!("d d | {names}{lost}{deep}");
    let third = format!("{marks}{deep}");
    let started = std::time::Instant::now();
    let tree = apply(&[&first, &second, &third, &second, &third]);
    assert_eq!(tree.versions().count() as u64, tree.version_count());
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

// -------------------------------------------------------------------------------------------------------- the model

/// What is at a path: the number of its entry among all versions, unless only its contents imply it.
struct Present {
    version: Option<usize>,
    is_directory: bool,
    layer: usize,
}

#[derive(Default)]
struct Model {
    present: BTreeMap<String, Present>,
    /// Path, layer, entry, state, and the layer that ended it.
    versions: Vec<(String, usize, usize, VersionState, Option<usize>)>,
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn is_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory)
        .is_some_and(|rest| rest.starts_with('/'))
}

impl Model {
    fn end(&mut self, paths: impl Fn(&str) -> bool, state: VersionState, layer: usize) {
        let versions = &mut self.versions;
        self.present.retain(|path, present| {
            let ends = paths(path);
            if let Some(version) = present.version.filter(|_| ends) {
                (versions[version].3, versions[version].4) = (state, Some(layer));
            }
            !ends
        });
    }

    /// Makes directories on the way to a path. Returns false if another file of the layer is in the way.
    fn enter(&mut self, path: &str, layer: usize) -> bool {
        let ends = path.match_indices('/').map(|(end, _)| end);
        for end in ends.chain([path.len()]).filter(|&end| end > 0) {
            let directory = &path[..end];
            match self.present.get(directory) {
                Some(present) if present.is_directory => continue,
                Some(present) if present.layer == layer => return false,
                _ => self.end(|path| path == directory, VersionState::Replaced, layer),
            }
            let implied = Present {
                version: None,
                is_directory: true,
                layer,
            };
            self.present.insert(directory.to_owned(), implied);
        }
        true
    }

    /// Applies a layer without symbolic links. Returns false for a rule that the model does not have.
    fn layer(&mut self, line: &str, layer: usize) -> bool {
        let items: Vec<Vec<&str>> = line
            .split('|')
            .map(|item| item.trim().splitn(3, ' ').collect())
            .filter(|item: &Vec<&str>| item.len() > 1)
            .collect();
        let marked: Vec<(&str, &str)> = items.iter().map(|item| (item[0], item[1])).collect();
        let marked: Vec<_> = marked
            .into_iter()
            .filter(|item| "wo".contains(item.0))
            .collect();
        for (_, path) in &marked {
            self.end(|other| is_below(other, path), VersionState::Hidden, layer);
        }
        for (_, path) in marked.iter().filter(|item| item.0 == "w") {
            self.end(|other| other == *path, VersionState::Removed, layer);
        }
        for (kind, path) in &marked {
            self.enter(if *kind == "w" { parent(path) } else { path }, layer);
        }
        for (entry, item) in items.iter().enumerate() {
            let (kind, path) = (item[0], item[1]);
            let version = self.versions.len();
            self.versions
                .push((path.to_owned(), layer, entry + 1, VersionState::Final, None));
            if "wo".contains(kind) {
                continue;
            }
            if !self.enter(parent(path), layer) {
                self.versions[version].3 = VersionState::Unapplied;
                continue;
            }
            if kind == "h" {
                let target = item[2].trim_start_matches('/');
                let found = self.present.get(target);
                if found.is_none() && !marked.is_empty() {
                    // A whiteout behind the link may have removed the target.
                    return false;
                }
                let is_file = found.is_some_and(|found| !found.is_directory);
                if !is_file || target == path || is_below(target, path) {
                    self.versions[version].3 = VersionState::Unapplied;
                    continue;
                }
            }
            let is_directory = kind == "d";
            let before = self.present.get(path);
            let own =
                before.is_some_and(|before| before.layer == layer && before.version.is_some());
            if !is_directory || before.is_some_and(|before| !before.is_directory) {
                self.end(|other| is_below(other, path), VersionState::Hidden, layer);
            }
            let state = if own {
                VersionState::Repeated
            } else {
                VersionState::Replaced
            };
            self.end(|other| other == path, state, layer);
            let present = Present {
                version: Some(version),
                is_directory,
                layer,
            };
            self.present.insert(path.to_owned(), present);
        }
        true
    }
}

/// Checks that hold for all trees.
fn check(tree: &Tree) -> Result<(), TestCaseError> {
    let all: Vec<_> = tree.versions().collect();
    prop_assert_eq!(all.len() as u64, tree.version_count());
    let key = |version: &EntryVersion<'_>| (version.path(), version.layer(), version.entry());
    prop_assert!(all.is_sorted_by(|a, b| key(a) < key(b)));
    let mut entries: Vec<_> = all.iter().map(|v| (v.layer(), v.entry())).collect();
    entries.sort_unstable();
    entries.dedup();
    prop_assert_eq!(entries.len(), all.len());
    // Final files are those of the tree, save directories without an entry.
    let nodes = all.iter().filter_map(|version| version.node());
    let finals: Vec<_> = nodes.map(|node| (node.path(), node.layer())).collect();
    let mut walked: Vec<_> = tree
        .walk()
        .filter(|node| !node.is_implied())
        .map(|node| (node.path(), node.layer()))
        .collect();
    walked.sort();
    prop_assert_eq!(finals, walked);
    for version in &all {
        let node = version.node();
        let is_marker = !matches!(version.kind(), VersionKind::Entry(_));
        prop_assert_eq!(
            version.state() == VersionState::Final,
            is_marker || node.is_some()
        );
        let has_no_end = matches!(
            version.state(),
            VersionState::Final | VersionState::Unapplied
        );
        prop_assert_eq!(version.ended_by().is_none(), has_no_end);
        prop_assert!(version.ended_by().is_none_or(|by| by >= version.layer()));
        if let Some(node) = node {
            prop_assert_eq!(node.path(), version.path());
            prop_assert_eq!(node.layer(), version.layer());
            prop_assert_eq!(
                (Some(node.kind()), node.size()),
                (version.file_kind(), version.size())
            );
            prop_assert_eq!(
                (node.location(), node.digest()),
                (version.location(), version.digest())
            );
            prop_assert_eq!(
                (node.inode(), node.meta()),
                (version.inode(), version.meta())
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000,
        max_global_rejects: 100_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn states_are_what_a_slow_model_says(layers in any_layers()) {
        // Links are left to the other properties.
        let lines: Vec<String> = layers.iter().map(|line| line.replace("l ", "f ")).collect();
        prop_assume!(!lines.iter().any(|line| line.contains("..")));
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let mut model = Model::default();
        for (layer, line) in lines.iter().enumerate() {
            prop_assume!(model.layer(line, layer));
        }
        let tree = apply(&lines);
        let found: Vec<_> = tree
            .versions()
            .map(|version| {
                let path = String::from_utf8(version.path()).expect("text");
                let entry = usize::try_from(version.entry()).expect("small");
                (path, version.layer(), entry, version.state(), version.ended_by())
            })
            .collect();
        let mut expected = model.versions;
        expected.sort();
        prop_assert_eq!(found, expected);
        check(&tree)?;
    }

    #[test]
    fn every_entry_has_one_version(layers in any_layers()) {
        let lines: Vec<&str> = layers.iter().map(String::as_str).collect();
        check(&apply(&lines))?;
    }
}
