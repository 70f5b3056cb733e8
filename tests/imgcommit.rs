//! imgcommit as a user runs it.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::{Value, json};

use crate::common::build::{self, Image, digest, layer};
use crate::common::pack::Pack;
use crate::common::run::{Output, Room};

fn store(room: &Room, line: &str) -> Output {
    room.command(line).env("IMGKIT_STORE", "store").run()
}

/// Entries of a layer in the builder's line language: `d etc | f etc/a one | w etc/b`.
fn words(bytes: &[u8]) -> String {
    let mut archive = tar::Archive::new(bytes);
    let mut words = Vec::new();
    for entry in archive.entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let mut text = String::new();
        let kind = entry.header().entry_type();
        let path = String::from_utf8(entry.path_bytes().into_owned()).expect("a name");
        let link = entry.link_name_bytes().unwrap_or_default().into_owned();
        let link = String::from_utf8(link).expect("a name");
        entry.read_to_string(&mut text).expect("text");
        let path = path.trim_end_matches('/');
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        words.push(match (kind, name.strip_prefix(".wh.")) {
            (_, Some(".wh..opq")) => format!("o {folder}"),
            (_, Some(name)) if folder.is_empty() => format!("w {name}"),
            (_, Some(name)) => format!("w {folder}/{name}"),
            (tar::EntryType::Directory, _) => format!("d {path}"),
            (tar::EntryType::Symlink, _) => format!("l {path} {link}"),
            (tar::EntryType::Link, _) => format!("h {path} {link}"),
            (tar::EntryType::Fifo, _) => format!("p {path}"),
            (_, _) => format!("f {path} {text}"),
        });
    }
    words.join(" | ")
}

/// Returns the layer that changes an image of these layers into a tree.
fn changes(base: &[&str], tree: &str) -> String {
    let room = Room::new();
    let mut image = build::image("base:1");
    for line in base {
        image = image.layer(line);
    }
    room.write("base.tar", &build::docker(&[&image]).tar());
    room.write("tree.tar", &layer(tree));
    let run = room.run("imgcommit --base base.tar --layer-out layer.tar tree.tar");
    assert_eq!((run.code, run.err()), (Some(0), ""), "{run}");
    let bytes = std::fs::read(room.path("layer.tar")).expect("a layer");
    assert_eq!(run.out(), format!("{}\n", digest(&bytes)));
    words(&bytes)
}

#[test]
fn layer_holds_exactly_the_changes() {
    for (base, tree, expected) in [
        // No change.
        (
            &["d a | f a/x 1 | l a/l x"][..],
            "d a | f a/x 1 | l a/l x",
            "",
        ),
        // Order and layers of the base do not matter.
        (
            &["d a | f a/x 0", "f a/x 1 | f y 2"],
            "f y 2 | d a | f a/x 1",
            "",
        ),
        // Contents of the same size, mode and time.
        (
            &["d a | f a/x 1 | f a/y 2"],
            "d a | f a/x 3 | f a/y 2",
            "d a | f a/x 3",
        ),
        (
            &["f x 1"],
            "f x 1 | d n | d n/m | f n/m/z 5",
            "d n | d n/m | f n/m/z 5",
        ),
        // A removed directory gets one whiteout.
        (&["d a | d a/b | f a/b/c 1 | f k 1"], "f k 1", "w a"),
        (
            &["d a | d a/b | f a/b/c 1 | f a/k 1"],
            "d a | f a/k 1",
            "d a | w a/b",
        ),
        // Whiteouts precede the other entries of their directory.
        (
            &["d a | f a/a 1 | f a/z 1 | f a/k 1"],
            "d a | f a/k 1 | f a/b 2",
            "d a | w a/a | w a/z | f a/b 2",
        ),
        // One opaque whiteout if nothing stays; never for the root directory, and not for one name.
        (
            &["d a | f a/x 1 | f a/y 1"],
            "d a | f a/z 1",
            "d a | o a | f a/z 1",
        ),
        (&["d a | f a/x 1 | f a/y 1"], "d a", "d a | o a"),
        (&["d a | f a/x 1"], "d a", "d a | w a/x"),
        (&["f x 1 | f y 1"], "f z 1", "w x | w y | f z 1"),
        (
            &["d a | d a/b | f a/b/x 1 | f a/b/y 1 | f a/z 1"],
            "d a | d a/b",
            "d a | o a | d a/b",
        ),
        (
            &["d a | d a/b | f a/b/x 1 | f a/b/y 1 | f a/k 1"],
            "d a | d a/b | f a/k 1",
            "d a | d a/b | o a/b",
        ),
        (
            &["d a | f a/x 1 | f a/y 1 | f a/k 1"],
            "d a | f a/k 2",
            "d a | o a | f a/k 2",
        ),
        // Changes of the kind.
        (&["d a | f a/x 1 | f a/y 1"], "f a 1", "f a 1"),
        (&["f a 1"], "d a | f a/x 1", "d a | f a/x 1"),
        (&["l a b | d b"], "d a | d b", "d a"),
        (&["f a b"], "p a", "p a"),
        // Hard links.
        (&["f a 1 | h b a | f c 1"], "f a 1 | h b a | f c 1", ""),
        (&["f a 1 | h b a"], "f b 1 | h a b", ""),
        (&["f a 1 | h b a"], "f a 1", "w b"),
        (&["f a 1 | h b a"], "f b 1", "w a"),
        (&["f a 1 | h b a"], "f a 2 | h b a", "f a 2 | h b a"),
        (&["f a 1"], "f a 1 | h b a", "f a 1 | h b a"),
        (&["f a 1 | f b 1"], "f a 1 | h b a", "f a 1 | h b a"),
        (&["f a 1 | h b a"], "f a 1 | f b 1", "f b 1"),
        (&["f a 1 | h b a | h c a"], "f a 1 | h b a | f c 2", "f c 2"),
        (
            &["f a 1 | h b a | h c a | h d a"],
            "f a 1 | h b a | f c 1 | h d c",
            "f c 1 | h d c",
        ),
        // Directories without an entry.
        (&["f a/b/c 1"], "f a/b/c 1", ""),
        (
            &["f a/b/c 1"],
            "d a | f a/b/c 1 | f a/b/d 2",
            "d a | d a/b | f a/b/d 2",
        ),
    ] {
        assert_eq!(changes(base, tree), expected, "{base:?} -> {tree}");
    }
}

#[test]
fn files_of_docker_in_containers_are_left_out() {
    let room = Room::new();
    let base = build::image("base:1").layer("d etc | f etc/hosts base | f etc/k 1 | d dev");
    room.write("base.tar", &build::docker(&[&base]).tar());
    let tree = "z .dockerenv 0 | d etc | z etc/hosts 0 | f etc/k 2 | d dev | d dev/pts | z dev/console 0 | d proc";
    room.write("tree.tar", &layer(tree));
    let run = room.run("imgcommit --base base.tar --layer-out layer.tar tree.tar");
    run.code(0).complains("the tree is that of a container");
    let bytes = std::fs::read(room.path("layer.tar")).expect("a layer");
    assert_eq!(words(&bytes), "d etc | f etc/k 2");
}

/// A root filesystem in a slow model: for each path a kind, contents or target, and the number of the file.
type Model = BTreeMap<String, (char, String, usize)>;

/// Applies layers entry by entry, with a full scan for each.
fn applied(layers: &[String]) -> Model {
    let mut tree = Model::new();
    let mut files = 0;
    for line in layers {
        let items: Vec<&str> = line.split(" | ").filter(|item| !item.is_empty()).collect();
        let split = |item: &&str| {
            let mut words = item.splitn(3, ' ').map(str::to_owned);
            let mut next = || words.next().unwrap_or_default();
            (next(), next(), next())
        };
        for (kind, path, _) in items.iter().map(split) {
            let below = format!("{path}/");
            match kind.as_str() {
                "w" => tree.retain(|name, _| *name != path && !name.starts_with(&below)),
                "o" => tree.retain(|name, _| !name.starts_with(&below)),
                _ => {}
            }
        }
        for (kind, path, rest) in items.iter().map(split) {
            let below = format!("{path}/");
            files += 1;
            let new = match kind.as_str() {
                "w" | "o" => continue,
                "d" => ('d', String::new(), 0),
                "h" => tree[&rest].clone(),
                "f" => ('f', rest, files),
                other => (other.chars().next().expect("a kind"), rest, files),
            };
            if new.0 != 'd' {
                tree.retain(|name, _| !name.starts_with(&below));
            }
            tree.insert(path, new);
        }
    }
    tree
}

/// Returns a tree without the numbers of files: with the names that share a file instead.
fn shape(tree: &Model) -> Vec<(String, char, String, Vec<String>)> {
    let names = |number: usize| {
        let names = tree
            .iter()
            .filter(|(_, item)| item.2 == number && number > 0);
        names.map(|(name, _)| name.clone()).collect()
    };
    tree.iter()
        .map(|(name, (kind, text, number))| (name.clone(), *kind, text.clone(), names(*number)))
        .collect()
}

/// Returns a tree as one layer in the builder's line language.
fn line(tree: &Model) -> String {
    let mut first: BTreeMap<usize, &String> = BTreeMap::new();
    let items = tree.iter().map(|(name, (kind, text, number))| match kind {
        'd' => format!("d {name}"),
        _ => match first.get(number) {
            Some(first) => format!("h {name} {first}"),
            None => {
                first.insert(*number, name);
                format!("{kind} {name} {text}")
            }
        },
    });
    items.collect::<Vec<_>>().join(" | ")
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pick<'a>(&mut self, names: &'a [String]) -> &'a String {
        &names[self.roll(names.len() as u64) as usize]
    }

    /// Makes some random changes.
    fn change(&mut self, tree: &mut Model, steps: u64, number: &mut usize) {
        for _ in 0..steps {
            let folders: Vec<String> = tree
                .iter()
                .filter(|(_, item)| item.0 == 'd')
                .map(|(name, _)| format!("{name}/"))
                .chain([String::new()])
                .collect();
            let path = format!(
                "{}{}",
                self.pick(&folders),
                ["a", "b", "c", "d"][self.roll(4) as usize]
            );
            if path.split('/').count() > 4 {
                continue;
            }
            let below = format!("{path}/");
            let dice = self.roll(10);
            if dice != 3 && !(dice == 4 && tree.get(&path).is_some_and(|item| item.0 == 'd')) {
                tree.retain(|name, _| *name != path && !name.starts_with(&below));
            }
            *number += 1;
            let files: Vec<String> = tree
                .iter()
                .filter(|(_, item)| item.0 == 'f')
                .map(|(name, _)| name.clone())
                .collect();
            match dice {
                0 | 1 => {}
                3..=5 => {
                    if tree.get(&path).is_none() {
                        tree.insert(path, ('d', String::new(), 0));
                    }
                }
                6 => {
                    tree.insert(path, ('l', "a".into(), *number));
                }
                7 | 8 if !files.is_empty() => {
                    let file = tree[self.pick(&files)].clone();
                    tree.insert(path, file);
                }
                _ => {
                    tree.insert(path, ('f', self.roll(3).to_string(), *number));
                }
            }
        }
    }
}

#[test]
fn base_and_layer_give_the_changed_tree() {
    let room = Room::new();
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let mut number = 0;
        let (mut tree, mut layers) = (Model::new(), Vec::new());
        dice.change(&mut tree, 25, &mut number);
        layers.push(line(&tree));
        // A second layer with whiteouts, as another builder would write it.
        let mut second = Model::new();
        dice.change(&mut second, 6, &mut number);
        let mut upper = line(&second);
        if let Some((name, _)) = tree.iter().next()
            && !second.contains_key(name)
        {
            let marker = format!("w {name}");
            upper = match upper.as_str() {
                "" => marker,
                upper => format!("{upper} | {marker}"),
            };
        }
        layers.push(upper);
        let mut changed = applied(&layers);
        dice.change(&mut changed, 12, &mut number);

        let image = layers.iter().fold(build::image("base:1"), |image, line| {
            let image = image.layer(line);
            // Contents are compared with uncompressed layers, digests with compressed ones.
            match seed % 2 {
                0 => image,
                _ => image.packed(Pack::Gzip),
            }
        });
        room.write("base.tar", &build::docker(&[&image]).tar());
        room.write("tree.tar", &layer(&line(&changed)));
        let run = room.run("imgcommit --base base.tar --layer-out layer.tar tree.tar");
        assert_eq!((run.code, run.err()), (Some(0), ""), "{seed}: {run}");
        let written = words(&std::fs::read(room.path("layer.tar")).expect("a layer"));
        let mut all = layers.clone();
        all.push(written.clone());
        assert_eq!(
            shape(&applied(&all)),
            shape(&changed),
            "{seed}\nbase: {layers:#?}\nchanged: {}\nlayer: {written}",
            line(&changed)
        );
        // An unchanged tree gives no layer.
        room.write("tree.tar", &layer(&line(&applied(&layers))));
        room.run("imgcommit --base base.tar --layer-out layer.tar tree.tar")
            .code(0);
        let written = words(&std::fs::read(room.path("layer.tar")).expect("a layer"));
        assert_eq!(written, "", "{seed}: {layers:#?}");

        // Squashed in full or in part, the tree is the same.
        for from in [1, 2] {
            room.run(&format!(
                "imgcommit --squash base.tar --from {from} -o out.tar"
            ))
            .code(0);
            let blobs = layers_of(&room, "out.tar");
            assert_eq!(blobs.len(), from);
            let squashed: Vec<String> = blobs.iter().map(|blob| words(blob)).collect();
            assert_eq!(
                shape(&applied(&squashed)),
                shape(&applied(&layers)),
                "{seed} {from}: {squashed:#?}"
            );
        }
        room.run("imgverify -q out.tar").ok("");
    }
}

fn members(room: &Room, name: &str) -> BTreeMap<String, Vec<u8>> {
    let bytes = std::fs::read(room.path(name)).expect(name);
    let mut archive = tar::Archive::new(&bytes[..]);
    let mut members = BTreeMap::new();
    for entry in archive.entries().expect("a tar") {
        let mut entry = entry.expect("a member");
        let name = String::from_utf8(entry.path_bytes().into_owned()).expect("a name");
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("its bytes");
        members.insert(name, bytes);
    }
    members
}

fn document(room: &Room, name: &str, field: &str) -> Value {
    let members = members(room, name);
    let manifest: Value = serde_json::from_slice(&members["manifest.json"]).expect("JSON");
    match field {
        "" => manifest[0].clone(),
        field => {
            let name = manifest[0][field].as_str().expect("a name");
            serde_json::from_slice(&members[name]).expect("JSON")
        }
    }
}

fn layers_of(room: &Room, name: &str) -> Vec<Vec<u8>> {
    let members = members(room, name);
    let layers = document(room, name, "")["Layers"].clone();
    let names = layers.as_array().expect("a list").iter();
    names
        .map(|name| members[name.as_str().expect("a name")].clone())
        .collect()
}

fn base() -> Image {
    build::image("base:1")
        .layer("d etc | f etc/a one | f etc/b two")
        .step("CMD x")
        .layer("f c three")
        .set("author", "them".into())
        .set("container_config", json!({"Cmd": ["x"]}))
        .set("x-unknown", json!({"b": 1, "a": 2}))
}

#[test]
fn config_and_history_of_docker_commit() {
    let room = Room::with("base.tar", &build::docker(&[&base()]));
    room.write(
        "tree.tar",
        &layer("d etc | f etc/a 1 | f etc/b two | f c three"),
    );
    let line = "imgcommit --base base.tar -a me -m why -c 'ENV B=2' -c 'CMD run' tree.tar new:1";
    let run = store(&room, line);
    run.code(0);
    store(&room, "imgsave -o out.tar new:1").code(0);
    let config = document(&room, "out.tar", "Config");
    let mut diff_ids = base().diff_ids();
    diff_ids.push(digest(&layers_of(&room, "out.tar")[2]));
    assert_eq!(config["rootfs"]["diff_ids"], json!(diff_ids));
    assert_eq!(config["author"], "me");
    assert_eq!(config["created"], "2024-01-03T00:00:00Z");
    assert_eq!(config["container_config"], Value::Null);
    assert_eq!(config["x-unknown"].to_string(), r#"{"b":1,"a":2}"#);
    let expected = json!({"Cmd": ["/bin/sh", "-c", "run"], "Env": ["PATH=/bin", "B=2"]});
    assert_eq!(config["config"], expected);
    let history = config["history"].as_array().expect("a list");
    assert_eq!(history.len(), 4);
    // docker records the command of the container, which is that of the base.
    let expected = r#"{"created":"2024-01-03T00:00:00Z","author":"me","created_by":"/bin/sh","comment":"why"}"#;
    assert_eq!(history[3].to_string(), expected);
    room.run("imgverify -q store").ok("");
    // The layers of the base are unchanged.
    assert!(layers_of(&room, "out.tar")[..2] == base().blobs());
}

#[test]
fn no_changes_no_layer() {
    let room = Room::with("base.tar", &build::docker(&[&base()]));
    room.write(
        "tree.tar",
        &layer("d etc | f etc/a one | f etc/b two | f c three"),
    );
    let run = room.run("imgcommit --base base.tar -c 'USER me' -o out.tar tree.tar");
    run.code(0)
        .complains("no changes: the image has no new layer");
    let config = document(&room, "out.tar", "Config");
    assert_eq!(config["rootfs"]["diff_ids"], json!(base().diff_ids()));
    assert_eq!(config["history"][3]["empty_layer"], true);
    assert_eq!(config["config"]["User"], "me");
    room.run("imgverify -q out.tar").ok("");
}

#[test]
fn squash_keeps_config_and_marks_history() {
    let room = Room::with("base.tar", &build::docker(&[&base()]));
    room.run("imgcommit --squash base.tar --from 2 -o out.tar small:1")
        .code(0);
    let config = document(&room, "out.tar", "Config");
    assert_eq!(config["rootfs"]["diff_ids"][0], base().diff_ids()[0]);
    assert_eq!(config["author"], "them");
    let before: Value = serde_json::from_slice(&base().config()).expect("JSON");
    assert_eq!(config["config"], before["config"]);
    let history = config["history"].as_array().expect("a list");
    let empty: Vec<bool> = history
        .iter()
        .map(|step| step["empty_layer"] == true)
        .collect();
    assert_eq!(empty, [false, true, true, false]);
    let comment = format!("merge {} from layer 2", base().id());
    assert_eq!(history[3]["comment"], comment.as_str());
    assert_eq!(
        document(&room, "out.tar", "")["RepoTags"],
        json!(["small:1"])
    );
    room.run("imgcommit --squash base.tar -o out.tar").code(0);
    let comment = format!("create new from {}", base().id());
    assert_eq!(
        document(&room, "out.tar", "Config")["history"][3]["comment"],
        comment.as_str()
    );
    room.run("imgcommit --squash base.tar --from 3 -o out.tar")
        .fails("imgcommit: --from 3: no such layer: the image has 2 layers, numbered from 1\n");
}

#[test]
fn all_metadata_of_a_directory_is_compared() {
    let room = Room::new();
    let root = room.path("root");
    std::fs::create_dir_all(root.join("d")).expect("a folder");
    for name in ["a", "b", "d/c"] {
        std::fs::write(root.join(name), name).expect("a file");
    }
    symlink("a", root.join("l")).expect("a link");
    std::fs::hard_link(root.join("a"), root.join("d/h")).expect("a link");
    store(&room, "imgimport root base:1").code(0);
    let commit = |line: &str| {
        store(
            &room,
            &format!("imgcommit --base base:1 --layer-out layer.tar {line}"),
        )
        .code(0);
        words(&std::fs::read(room.path("layer.tar")).expect("a layer"))
    };
    assert_eq!(commit("root"), "");
    let mode = PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(root.join("b"), mode).expect("a mode");
    assert_eq!(commit("root"), "f b b");
    assert_eq!(commit("--exclude b root"), "");
    std::fs::remove_file(root.join("d/c")).expect("gone");
    assert_eq!(commit("root"), "f b b | d d | w d/c");
    // The time of the directory differs only because of ignored files.
    assert_eq!(commit("--exclude d/c --exclude b root"), "");
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(5);
    let file = std::fs::File::options()
        .write(true)
        .open(root.join("a"))
        .expect("it");
    file.set_modified(old).expect("a time");
    assert_eq!(commit("root"), "f a a | f b b | d d | w d/c | h d/h a");
    // The same tree as a tar from other code.
    let made = std::process::Command::new("tar")
        .args([
            "--numeric-owner",
            "-C",
            "root",
            "-cf",
            "root.tar",
            "a",
            "b",
            "d",
            "l",
        ])
        .current_dir(room.path(""))
        .status();
    assert!(made.expect("tar").success());
    assert_eq!(commit("root.tar"), "f a a | f b b | d d | w d/c | h d/h a");
}

#[test]
fn invalid_arguments_are_reported_and_not_stored() {
    let room = Room::with("base.tar", &build::docker(&[&base()]));
    room.write("tree.tar", &layer("f a b"));
    room.write("climbs.tar", &layer("f ../x one"));
    room.write("cut.tar", &layer("z a 2000")[..1000]);
    std::fs::create_dir(room.path("root")).expect("a folder");
    let broken = build::docker(&[&build::image("x:1").layer("f a b | h c nowhere")]);
    room.write("broken.tar", &broken.tar());
    for (line, expected) in [
        (
            "tree.tar",
            "the following required arguments were not provided: --base <IMAGE>\nhint: see imgcommit --help\n",
        ),
        (
            "--base base.tar",
            "missing root filesystem: a directory, a tar archive or -\n",
        ),
        (
            "--base gone:1 tree.tar",
            "'gone:1': no such file or image\n",
        ),
        (
            "--base base.tar gone",
            "gone: cannot open: no such file or directory\n",
        ),
        (
            "--base base.tar -c 'ENV' tree.tar",
            "-c: ENV: ENV requires at least one argument\n",
        ),
        ("--base - -", "cannot read two inputs from standard input\n"),
        (
            "--base base.tar --upper tree.tar",
            "--upper requires a directory\n",
        ),
        (
            "--squash base.tar a b",
            "--squash takes no directory or tar archive, only a name\n",
        ),
        (
            "--base base.tar climbs.tar",
            "climbs.tar: layer 1 of 1: ../x: ",
        ),
        ("--base base.tar cut.tar", "cut.tar: damaged tar: "),
        (
            "--base broken.tar tree.tar",
            "broken.tar: layer 1 of 1: c: ",
        ),
        ("--squash broken.tar", "broken.tar: layer 1 of 1: c: "),
    ] {
        let run = store(&room, &format!("imgcommit {line}"));
        run.code(2);
        let expected = format!("imgcommit: {expected}");
        let same = match expected.ends_with('\n') {
            true => run.err() == expected,
            false => run.err().starts_with(&expected) && run.err().lines().count() == 1,
        };
        assert!(same && run.out().is_empty(), "expected {expected}\n{run}");
        assert!(!room.path("store/index.json").exists(), "{run}");
    }
}
