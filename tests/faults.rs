//! Programs that are killed, that find no room, and that run at the same time: what is left is as before or complete.
//!
//! What a store or target holds is told by this file's own reading of `index.json` and by its own hashing, and by
//! imgverify beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::build::{self, Files, Image};
use crate::common::pack::Pack;
use crate::common::run::{Room, clean, program};

// ------------------------------------------------------------------------------------------------------- the images

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// A layer with one file that does not compress; the same for the same number.
fn noise(number: u64, size: usize) -> Vec<u8> {
    let mut random = Random(number * 2 + 1);
    let bytes: Vec<u8> = (0..size / 8)
        .flat_map(|_| {
            random
                .next()
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .to_le_bytes()
        })
        .collect();
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    let name = format!("noise-{number}");
    tar.append_data(&mut header, name, &bytes[..])
        .expect("a tar in memory");
    tar.into_inner().expect("a tar in memory")
}

/// An image of those layers, of 96 kB each.
fn image(name: &str, layers: impl IntoIterator<Item = u64>) -> Image {
    let layers = layers.into_iter();
    layers.fold(build::image(name), |image, number| {
        image.layer_bytes(noise(number, 96 << 10))
    })
}

fn app() -> Image {
    image("app:1", 1..=6).named("app:latest")
}

/// It shares half of its layers with `app`.
fn tool() -> Image {
    image("tool:2", 4..=9)
}

// ------------------------------------------------------------------------------------------------- what is left over

/// All files below a folder by their paths, hashed.
fn tree(top: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut work = vec![top.to_owned()];
    while let Some(folder) = work.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                work.push(path);
                continue;
            }
            let name = path
                .strip_prefix(top)
                .expect("below")
                .to_string_lossy()
                .into_owned();
            files.insert(name, build::digest(&fs::read(&path).expect("a file")));
        }
    }
    files
}

fn document(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a store lists: names with what they stand for. `None` for a store without `index.json`.
fn listed(store: &Path) -> Option<BTreeSet<(String, String)>> {
    let index = store.join("index.json");
    index.exists().then(|| {
        let index = document(&index);
        let entries = index["manifests"].as_array().expect("a list").iter();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let entries = entries.map(|entry| {
            let name = &entry["annotations"]["org.opencontainers.image.ref.name"];
            (text(name), text(&entry["digest"]))
        });
        entries.collect()
    })
}

/// Every blob that a store's index leads to, each of which is there and is what it is called by.
fn reachable(store: &Path) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut work: Vec<Value> = match store.join("index.json").exists() {
        true => vec![document(&store.join("index.json"))],
        false => Vec::new(),
    };
    while let Some(node) = work.pop() {
        let lists = ["manifests", "layers"].map(|list| node[list].as_array().cloned());
        let one = (!node["config"].is_null()).then(|| node["config"].clone());
        for descriptor in lists.into_iter().flatten().flatten().chain(one) {
            let digest = descriptor["digest"].as_str().expect("a digest").to_owned();
            let path = store.join(build::blob_name(&digest));
            let bytes =
                fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert_eq!(build::digest(&bytes), digest);
            assert_eq!(descriptor["size"], bytes.len());
            let is_manifest = |kind: &str| kind.contains("manifest") || kind.contains("index");
            if seen.insert(digest) && descriptor["mediaType"].as_str().is_some_and(is_manifest) {
                work.push(serde_json::from_slice(&bytes).expect("a document"));
            }
        }
    }
    seen
}

/// The store holds what it needs and nothing else.
#[track_caller]
fn exact(store: &Path, what: &str) {
    let mut expected: BTreeSet<String> = reachable(store)
        .iter()
        .map(|digest| build::blob_name(digest))
        .collect();
    let found: BTreeSet<String> = tree(store).into_keys().collect();
    let documents = ["index.json", "oci-layout"].map(str::to_owned);
    expected.extend(documents.into_iter().filter(|name| found.contains(name)));
    assert_eq!(found, expected, "{what}");
}

/// Copies a folder by giving its files further names: no program changes a file in place.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => fs::hard_link(entry.path(), target).expect("a link"),
        }
    }
}

// ----------------------------------------------------------------------------------------------------------- killing

/// A program that is about to be killed: it runs in `work`, which begins as a copy of `before`, and finds archives in
/// the folder above.
struct Trial<'a> {
    room: &'a Room,
    line: &'a str,
    /// What goes through a pipe into standard input.
    stdin: Option<&'a [u8]>,
}

impl Trial<'_> {
    fn spawn(&self) -> Child {
        let mut words = self.line.split(' ');
        let mut command = Command::new(program(words.next().expect("a program")));
        clean(&mut command, &self.room.path("work"));
        command
            .args(words)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command.stdin(if self.stdin.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        });
        command.spawn().expect("a program that starts")
    }

    /// Runs it and kills it after that time, if it still runs then.
    fn run(&self, kill_after: Option<Duration>) -> Output {
        let mut child = self.spawn();
        let pipe = child.stdin.take();
        std::thread::scope(|scope| {
            if let (Some(mut pipe), Some(bytes)) = (pipe, self.stdin) {
                scope.spawn(move || pipe.write_all(bytes));
            }
            if let Some(delay) = kill_after {
                std::thread::sleep(delay);
                child.kill().expect("a program that can be killed");
            }
            child.wait_with_output().expect("a program that ends")
        })
    }

    fn fresh(&self) {
        let work = self.room.path("work");
        let _ = fs::remove_dir_all(&work);
        copy(&self.room.path("before"), &work);
    }

    /// What a store lists, and every other file as it is; leftovers apart.
    fn state(&self) -> BTreeMap<String, String> {
        let work = self.room.path("work");
        let mut files = tree(&work);
        files.retain(|name, _| !name.starts_with("store/") && !name.starts_with(".imgkit-"));
        files.insert("store".into(), format!("{:?}", listed(&work.join("store"))));
        files
    }

    fn leftovers(&self) -> Vec<String> {
        let names = tree(&self.room.path("work")).into_keys();
        names.filter(|name| name.contains(".imgkit-")).collect()
    }

    fn prune(&self) {
        let run = self.room.run("imgprune --force --store work/store");
        run.code(0);
        exact(&self.room.path("work/store"), self.line);
    }

    /// Kills it `times` times at moments spread over its running time.
    #[track_caller]
    fn kill(&self, times: u32) {
        let (room, line, store) = (self.room, self.line, self.room.path("work/store"));
        self.fresh();
        let before = self.state();
        let mut took = Vec::new();
        for _ in 0..5 {
            self.fresh();
            let started = Instant::now();
            let output = self.run(None);
            took.push(started.elapsed());
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{line}: {said}");
        }
        // One that waited for what somebody else wrote to the disk does not count.
        took.sort_unstable();
        let usual = took[2];
        let after = self.state();
        assert_ne!(before, after, "{line}");
        let mut random = Random(
            line.bytes()
                .fold(7, |sum, byte| sum.wrapping_mul(31) + u64::from(byte)),
        );
        let (mut killed, mut changed) = (0, 0);
        for time in 0..times {
            let moment =
                (f64::from(time) + (random.next() % 1000) as f64 / 1000.0) / f64::from(times);
            self.fresh();
            let output = self.run(Some(usual.mul_f64(moment)));
            let what = format!("{line}: killed after {moment:.3} of {usual:?}, kill {time}");
            killed += u32::from(output.status.code().is_none());
            let state = self.state();
            assert!(state == before || state == after, "{what}: {state:#?}");
            changed += u32::from(state == after);
            reachable(&store);
            if store.join("index.json").exists() {
                room.run("imgverify -q work/store").code(0);
            }
            if time % 2 == 1 && store.exists() {
                self.prune();
                assert_eq!(self.state(), state, "{what}");
            }
            let again = self.run(None);
            // What is gone cannot be removed again, and a folder that is there is not written over.
            let once = ["imgrm ", "dir:new", "-o out ", "-C new"]
                .iter()
                .any(|part| line.contains(part));
            let done = once && state == after;
            let said = String::from_utf8_lossy(&again.stderr);
            assert_eq!(
                again.status.code(),
                Some(if done { 2 } else { 0 }),
                "{what}: {said}"
            );
            assert_eq!(self.state(), after, "{what}");
            if store.exists() {
                self.prune();
            }
            assert_eq!(self.leftovers(), [""; 0], "{what}");
        }
        // The moments do lie in its running time; how many of them depends on what else the machine does.
        assert!(killed > 0, "{line}: it was never killed");
        // Shown with --nocapture: a run in which nothing was killed has tested nothing.
        let told = format!("{line}: killed {killed} of {times} times; complete after {changed}\n");
        std::io::stdout().write_all(told.as_bytes()).expect("told");
    }
}

/// A folder with archives of both images, and a store with `tool` in `before`.
fn prepared() -> Room {
    let room = Room::with("app.tar", &build::docker(&[&app()]));
    room.write("both.tar", &build::oci(&[&app(), &tool()]).tar());
    room.write("tool.tar", &build::docker25(&[&tool()]).tar());
    fs::create_dir(room.path("before")).expect("a folder");
    room
}

fn with_store(archive: &str) -> Room {
    let room = prepared();
    room.run(&format!("imgload -q --store before/store {archive}"))
        .code(0);
    room
}

#[track_caller]
fn kills(room: &Room, line: &str, times: u32) {
    let stdin = None;
    Trial { room, line, stdin }.kill(times);
}

#[test]
fn imgload_is_killed() {
    kills(
        &with_store("tool.tar"),
        "imgload -q --store store ../app.tar",
        30,
    );
    kills(&prepared(), "imgload -q --store store ../both.tar", 30);
    kills(
        &with_store("tool.tar"),
        "imgload -q --compression zstd --store store ../app.tar",
        20,
    );
}

#[test]
fn imgload_is_killed_while_it_reads_a_pipe() {
    for (room, tar) in [
        (with_store("tool.tar"), build::docker(&[&app()]).tar()),
        (
            prepared(),
            Pack::Gzip.pack(&build::oci(&[&app(), &tool()]).tar()),
        ),
    ] {
        let (line, stdin) = ("imgload -q --store store", Some(&tar[..]));
        let room = &room;
        Trial { room, line, stdin }.kill(30);
    }
}

#[test]
fn imgsave_is_killed() {
    let room = with_store("both.tar");
    kills(&room, "imgsave -q --store store -o new.tar app tool:2", 25);
    // What is there already is replaced, or stays.
    fs::copy(room.path("app.tar"), room.path("before/old.tar")).expect("a copy");
    kills(
        &room,
        "imgsave -q --store store -o old.tar app:1 tool:2",
        25,
    );
    kills(
        &room,
        "imgsave -q --format oci-layout -o out ../both.tar",
        20,
    );
}

#[test]
fn imgconvert_is_killed() {
    let room = with_store("tool.tar");
    kills(
        &room,
        "imgconvert -q --force ../app.tar oci-archive:new.tar",
        20,
    );
    kills(&room, "imgconvert -q ../app.tar oci:new", 20);
    kills(&room, "imgconvert -q ../tool.tar dir:new", 20);
    kills(&room, "imgconvert -q ../app.tar store: --store store", 20);
    // A layout that is there is added to; it is the same as a store.
    kills(
        &room,
        "imgconvert -q --compression gzip ../tool.tar oci:store:more",
        20,
    );
}

#[test]
fn imgexport_is_killed() {
    let room = with_store("tool.tar");
    fs::copy(room.path("app.tar"), room.path("before/old.tar")).expect("a copy");
    kills(&room, "imgexport -q -o old.tar ../app.tar", 20);
    kills(&room, "imgexport -q -C new ../app.tar", 30);
}

#[test]
fn the_upkeep_is_killed() {
    let room = with_store("both.tar");
    kills(&room, "imgtag --store store app:1 more:3", 30);
    kills(&room, "imgrm --store store app:1 app:latest", 30);
    kills(&room, "imgprune --store store --all --force", 30);
}

// --------------------------------------------------------------------------------------------------------- full disks

/// Runs a program on a file system of `size` kilobytes at `full`, filled with what is in `before` first. Gives its exit
/// status, what it said, and the files that are there then; `None` where nobody may mount.
fn on_small_disk(room: &Room, line: &str, size: u32) -> Option<(i32, String, BTreeSet<String>)> {
    on_disk(room, line, size, ":")
}

/// The same with something done to the file system once it is filled.
fn on_disk(
    room: &Room,
    line: &str,
    size: u32,
    then: &str,
) -> Option<(i32, String, BTreeSet<String>)> {
    let script = format!(
        "mount -t tmpfs -o size=$1k tmpfs full || exit 99; shift; cp -a before/. full/ || exit 98
        {then} || exit 99
        \"$@\" 2>said >/dev/null; code=$?; (cd full && find . -type f) >files; exit $code"
    );
    let script = script.as_str();
    fs::create_dir_all(room.path("full")).expect("a folder");
    let mut words = line.split(' ');
    let program = program(words.next().expect("a program"));
    for how in [&["-rm"][..], &["-m"]] {
        let mut command = Command::new("unshare");
        clean(&mut command, &room.path(""));
        let size = size.to_string();
        command.args(how).args(["sh", "-c", script, "sh", &size]);
        command
            .arg(&program)
            .args(words.clone())
            .stderr(Stdio::null());
        let code = command.status().ok().and_then(|status| status.code());
        match code {
            // unshare itself fails with 1, as does no program here in these tests.
            Some(code @ (0 | 2)) => {
                let read = |name: &str| fs::read_to_string(room.path(name)).expect("a file");
                let files = read("files").lines().map(str::to_owned).collect();
                return Some((code, read("said"), files));
            }
            Some(98) => panic!("{size} kB are too few for what is there before"),
            _ => {}
        }
    }
    None
}

/// Runs a program that may write files of at most `size` kilobytes each.
fn with_small_files(room: &Room, line: &str, size: u32) -> (i32, String, BTreeSet<String>) {
    let full = room.path("full");
    let _ = fs::remove_dir_all(&full);
    copy(&room.path("before"), &full);
    let script = "trap '' XFSZ; ulimit -f $1; shift; exec \"$@\"";
    let mut words = line.split(' ');
    let mut command = Command::new("sh");
    clean(&mut command, &room.path(""));
    // In blocks of 512 bytes.
    command.args(["-c", script, "sh", &(size * 2).to_string()]);
    command
        .arg(program(words.next().expect("a program")))
        .args(words);
    let output = command.output().expect("sh");
    let files = tree(&full).into_keys().map(|name| format!("./{name}"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (
        output.status.code().expect("an exit status"),
        said,
        files.collect(),
    )
}

/// One line that names the place, exit status 2, and the files of before; nothing else, until there is room.
#[track_caller]
fn no_room(line: &str, why: &str, files: &BTreeSet<String>, run: &(i32, String, BTreeSet<String>)) {
    let (code, said, left) = run;
    let name = line.split(' ').next().expect("a program");
    assert_eq!(*code, 2, "{line}: {said}");
    assert_eq!(said.lines().count(), 1, "{line}: {said}");
    assert!(
        said.starts_with(&format!("{name}: "))
            && said.contains("full")
            && said.ends_with(&format!(": {why}\n")),
        "{line}: {said}"
    );
    let new: Vec<&String> = left
        .difference(files)
        .filter(|name| *name != "./store/oci-layout")
        .collect();
    assert_eq!(new, [""; 0], "{line}");
    assert_eq!(files.difference(left).count(), 0, "{line}");
}

const WRITING: [&str; 9] = [
    "imgload -q --store full/store app.tar",
    "imgload -q --store full/store app.tar.gz",
    "imgload -q --store full/store --compression zstd app.tar",
    "imgsave -q -o full/out.tar app.tar",
    "imgsave -q --format oci-layout -o full/out app.tar",
    "imgsave -q --format docker-legacy -o full/out.tar app.tar",
    "imgconvert -q app.tar oci:full/store:new",
    "imgconvert -q tool.tar dir:full/out",
    "imgtag --store full/store app.tar new",
];

fn for_small_disks() -> (Room, BTreeSet<String>) {
    let room = with_store("tool.tar");
    room.write(
        "app.tar.gz",
        &Pack::Gzip.pack(&build::docker(&[&app()]).tar()),
    );
    let files = tree(&room.path("before"))
        .into_keys()
        .map(|name| format!("./{name}"));
    (room, files.collect())
}

#[test]
fn a_full_disk_is_one_line_and_leaves_nothing() {
    let (room, files) = for_small_disks();
    for line in WRITING {
        let mut failed = 0;
        // What is there before takes 600 kB.
        for size in (640..1600).step_by(60) {
            let Some(run) = on_small_disk(&room, line, size) else {
                let told = b"LEFT OUT: a full disk: nobody may mount one here\n";
                std::io::stderr().write_all(told).expect("told");
                return;
            };
            if run.0 == 0 {
                break;
            }
            failed += 1;
            no_room(line, "no space left on device", &files, &run);
        }
        assert!(
            (2..16).contains(&failed),
            "{line}: {failed} sizes were too small"
        );
    }
}

#[test]
fn a_disk_that_may_not_be_written_is_one_line_and_as_before() {
    let (room, files) = for_small_disks();
    for line in WRITING {
        let then = "mount -o remount,ro full";
        let Some(run) = on_disk(&room, line, 4000, then) else {
            let told = b"LEFT OUT: a read-only disk: nobody may mount one here\n";
            std::io::stderr().write_all(told).expect("told");
            return;
        };
        no_room(line, "read-only file system", &files, &run);
        assert_eq!(run.2, files, "{line}");
    }
}

#[test]
fn a_file_that_may_not_grow_is_one_line_and_leaves_nothing() {
    let (room, files) = for_small_disks();
    for line in WRITING {
        // Of a layer's 98 kB.
        for size in [4, 90] {
            no_room(
                line,
                "file too large",
                &files,
                &with_small_files(&room, line, size),
            );
        }
        let (code, said, _) = with_small_files(&room, line, 10_000);
        assert_eq!((code, said.as_str()), (0, ""), "{line}");
    }
}

// ------------------------------------------------------------------------------------------------------- half a load

/// Archives whose last layer is not what it is called by, but of the right length.
fn damaged() -> Vec<(&'static str, Files)> {
    // `tool` has none of the last three.
    let app = || image("app:1", [4, 5, 1, 2, 3]);
    let last = app().diff_ids().pop().expect("a layer");
    let shapes = [
        ("docker", build::docker(&[&app()])),
        ("docker25", build::docker25(&[&app()])),
        ("oci", build::oci(&[&app()])),
    ];
    let flip = |(shape, mut files): (&'static str, Files)| {
        let bytes = app().blobs().pop().expect("a layer");
        assert_eq!(build::digest(&bytes), last);
        let name = files
            .names()
            .into_iter()
            .find(|name| files.get(name) == bytes);
        files.bytes(&name.expect("the layer"))[700] ^= 1;
        (shape, files)
    };
    shapes.into_iter().map(flip).collect()
}

#[test]
fn a_load_that_fails_half_way_leaves_nothing() {
    for (shape, files) in damaged() {
        let room = with_store("tool.tar");
        room.write("damaged.tar", &files.tar());
        let before = tree(&room.path("before/store"));
        for again in ["", " again"] {
            let run = room.run("imgload -q --store before/store damaged.tar");
            run.code(2).complains("imgload: damaged.tar: blobs/sha256/");
            assert_eq!(tree(&room.path("before/store")), before, "{shape}{again}");
            let run = room
                .command("imgload -q --store before/store")
                .pipe(&files.tar())
                .run();
            // A stream is hashed while it goes by: the layer is known, and not only the blob it would become.
            run.code(2)
                .complains("imgload: -: ")
                .complains("mismatch: expected sha256:");
            assert_eq!(
                tree(&room.path("before/store")),
                before,
                "{shape}{again}: pipe"
            );
        }
        room.run("imgload -q --store before/store both.tar").code(0);
        exact(&room.path("before/store"), shape);
    }
}

/// Who else adds to the store may have found a blob there that a failed load put there, and count on it.
#[test]
fn a_load_that_fails_beside_another_leaves_what_that_may_need() {
    for (shape, files) in damaged() {
        let room = with_store("tool.tar");
        room.write("damaged.tar", &files.tar());
        let before = tree(&room.path("before/store"));
        let other = fs::File::open(room.path("before/store/blobs")).expect("a folder");
        other.lock_shared().expect("a lock");
        room.run("imgload -q --store before/store damaged.tar")
            .code(2);
        let left = tree(&room.path("before/store"));
        assert!(before.keys().all(|name| left.contains_key(name)), "{shape}");
        assert!(
            left.len() > before.len(),
            "{shape}: layers before the damaged one"
        );
        drop(other);
        room.run("imgverify -q before/store").code(0);
        room.run("imgprune --force --store before/store").code(0);
        assert_eq!(tree(&room.path("before/store")), before, "{shape}");
    }
}

// ------------------------------------------------------------------------------------------------- several at a time

/// Eight images; neighbours share layers, and all share the first.
fn crowd() -> Vec<Image> {
    let layers = |i: u64| [1, 10 + i / 2, 20 + i / 4, 30 + i, 40 + i];
    (0..8)
        .map(|i| image(&format!("crowd:{i}"), layers(i)))
        .collect()
}

/// Starts a load of each, every other one through a pipe.
fn load_all(room: &Room) -> Vec<Child> {
    let start = |i: usize| {
        let mut command = Command::new(program("imgload"));
        clean(&mut command, &room.path(""));
        command
            .args(["-q", "--store", "store"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        match i % 2 {
            0 => command.arg(format!("{i}.tar")).stdin(Stdio::null()),
            _ => {
                let mut cat = Command::new("cat");
                let cat = cat
                    .arg(room.path(&format!("{i}.tar")))
                    .stdout(Stdio::piped());
                command.stdin(cat.spawn().expect("cat").stdout.expect("a pipe"))
            }
        };
        command.spawn().expect("imgload")
    };
    (0..8).map(start).collect()
}

#[track_caller]
fn all_succeed(children: Vec<Child>) {
    for (i, child) in children.into_iter().enumerate() {
        let output = child.wait_with_output().expect("a program that ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*said), (Some(0), ""), "load {i}");
    }
}

fn crowded() -> Room {
    let room = Room::new();
    for (i, image) in crowd().iter().enumerate() {
        let files = match i % 3 {
            0 => build::docker(&[image]),
            1 => build::docker25(&[image]),
            _ => build::oci(&[image]),
        };
        room.write(&format!("{i}.tar"), &files.tar());
    }
    room
}

#[test]
fn eight_loads_at_once() {
    for _ in 0..4 {
        let room = crowded();
        all_succeed(load_all(&room));
        let store = room.path("store");
        room.run("imgverify -q store").code(0);
        exact(&store, "eight loads");
        let names: BTreeSet<String> = listed(&store)
            .expect("an index")
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        let expected = (0..8).map(|i| format!("crowd:{i}")).collect();
        assert_eq!(names, expected);
    }
}

#[test]
fn loads_beside_removals() {
    let room = crowded();
    let junk: Vec<Image> = (0..6)
        .map(|i| image(&format!("junk:{i}"), [1, 10 + i, 30 + i, 60 + i]))
        .collect();
    room.write(
        "junk.tar",
        &build::oci(&junk.iter().collect::<Vec<_>>()).tar(),
    );
    for _ in 0..3 {
        room.run("imgload -q --store store junk.tar").code(0);
        let children = load_all(&room);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for i in 0..6 {
                    room.run(&format!("imgrm --store store junk:{i}")).code(0);
                }
            });
            scope.spawn(|| {
                for _ in 0..8 {
                    room.run("imgprune --force --store store").code(0);
                }
            });
            scope.spawn(|| all_succeed(children));
        });
        let store = room.path("store");
        room.run("imgverify -q store").code(0);
        let names: BTreeSet<String> = listed(&store)
            .expect("an index")
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        let expected = (0..8).map(|i| format!("crowd:{i}")).collect();
        assert_eq!(names, expected);
        exact(&store, "loads beside removals");
        room.run("imgrm --store store crowd:0 crowd:1 crowd:2 crowd:3 crowd:4 crowd:5")
            .code(0);
    }
}

/// A hundred programs of all kinds on one store, in no order. What each says depends on who was first; what is left is
/// sound whoever that was.
#[test]
fn a_hundred_programs_at_once() {
    let room = crowded();
    room.run("imgload -q --store store 0.tar").code(0);
    let started = Instant::now();
    let start = |i: usize| {
        let n = i / 10;
        let line = match i % 10 {
            0..4 => format!("imgload -q --store store {}.tar", i % 8),
            4 | 5 => format!("imgtag --store store crowd:{} more:{n}", n % 8),
            6 => format!("imgrm --store store crowd:{}", n % 8),
            7 => format!("imgrm --store store more:{n}"),
            8 => "imgprune --force --store store".to_owned(),
            _ => "imgls --store store".to_owned(),
        };
        let mut words = line.split(' ');
        let mut command = Command::new(program(words.next().expect("a program")));
        clean(&mut command, &room.path(""));
        let child = command
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        (line, child.expect("a program that starts"))
    };
    let children: Vec<(String, Child)> = (0..100).map(start).collect();
    for (line, child) in children {
        let output = child.wait_with_output().expect("a program that ends");
        let said = String::from_utf8_lossy(&output.stderr);
        // Only who names an image can come too late or too early for it.
        let absent = line.starts_with("imgtag") || line.starts_with("imgrm");
        match output.status.code() {
            Some(0) => {}
            Some(2) if absent => assert!(said.contains("no such file or image"), "{line}: {said}"),
            code => panic!("{line}: {code:?}: {said}"),
        }
    }
    assert!(
        started.elapsed() < Duration::from_secs(300),
        "{:?}",
        started.elapsed()
    );
    let store = room.path("store");
    reachable(&store);
    room.run("imgverify -q store").code(0);
    room.run("imgprune --force --store store").code(0);
    exact(&store, "a hundred programs");
    let left = tree(&store)
        .into_keys()
        .find(|name| name.contains(".imgkit-"));
    assert_eq!(left, None);
}

// ------------------------------------------------------------------------------------------ inputs that do not hold still

/// A file that is cut, or written over, while it is read: whatever is made of it, it is an answer, and never a signal.
#[test]
fn a_file_that_changes_while_it_is_read() {
    let room = with_store("tool.tar");
    let archive = fs::read(room.path("both.tar")).expect("an archive");
    let mut random = Random(11);
    for line in [
        "imgload -q --store store ../it.tar",
        "imgconvert -q ../it.tar:app:1 oci:new",
        "imgexport -q -o out.tar ../it.tar:app:1",
        "imgexport -q -C out ../it.tar:app:1",
        "imgverify -q ../it.tar",
        "imgls ../it.tar",
        "imgdiff -q ../it.tar:app:1 ../it.tar:tool:2",
    ] {
        for round in 0..8 {
            let work = room.path("work");
            let _ = fs::remove_dir_all(&work);
            copy(&room.path("before"), &work);
            let path = room.path("it.tar");
            let _ = fs::remove_file(&path);
            fs::write(&path, &archive).expect("a file");
            let (stdin, room) = (None, &room);
            let trial = Trial { room, line, stdin };
            let child = trial.spawn();
            std::thread::sleep(Duration::from_micros(random.next() % 12_000));
            let file = fs::OpenOptions::new()
                .write(true)
                .open(&path)
                .expect("a file");
            let at = random.next() % archive.len() as u64;
            match round % 2 {
                0 => file.set_len(at).expect("a file that is cut"),
                _ => {
                    use std::os::unix::fs::FileExt;
                    file.write_all_at(&[0x55; 50_000], at).expect("a file");
                }
            }
            let output = child.wait_with_output().expect("a program that ends");
            let said = String::from_utf8_lossy(&output.stderr);
            let what = format!("{line}, round {round}: {}: {said}", output.status);
            assert!(output.status.code().is_some_and(|code| code <= 2), "{what}");
            assert!(!said.contains("panicked"), "{what}");
            let store = room.path("work/store");
            let names = listed(&store).expect("an index");
            reachable(&store);
            if line.starts_with("imgload") {
                assert_eq!(
                    names.len(),
                    if output.status.success() { 3 } else { 1 },
                    "{what}"
                );
            }
            if output.status.code() == Some(2) {
                let left: Vec<String> = tree(&work)
                    .into_keys()
                    .filter(|name| !name.starts_with("store/"))
                    .collect();
                assert_eq!(left, [""; 0], "{what}");
            }
        }
    }
}

/// Who writes into the pipe ends half-way: an error, and the store is as before.
#[test]
fn a_pipe_that_ends_early() {
    let room = with_store("tool.tar");
    let before = tree(&room.path("before/store"));
    let whole = build::oci(&[&app(), &tool()]).tar();
    let packed = Pack::Gzip.pack(&whole);
    for bytes in [whole, packed] {
        for part in 1..12 {
            let cut = &bytes[..bytes.len() * part / 12];
            let run = room
                .command("imgload -q --store before/store")
                .pipe(cut)
                .run();
            run.code(2).complains("imgload: ");
            assert_eq!(tree(&room.path("before/store")), before, "{part}");
        }
    }
}

/// A pipe that gives one byte at a time gives the same.
#[test]
fn a_pipe_that_gives_single_bytes() {
    let room = with_store("tool.tar");
    let small = build::image("small:1")
        .layer("d etc | f etc/a one")
        .layer("w etc/a | f b two");
    let tar = build::docker(&[&small]).tar();
    let work = room.path("work");
    copy(&room.path("before"), &work);
    let (room, stdin) = (&room, Some(&[][..]));
    let line = "imgload -q --store store";
    let mut child = Trial { room, line, stdin }.spawn();
    let mut pipe = child.stdin.take().expect("a pipe");
    for (i, byte) in tar.iter().enumerate() {
        pipe.write_all(&[*byte]).expect("a pipe that is read");
        if i % 512 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    drop(pipe);
    let output = child.wait_with_output().expect("a program that ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*said), (Some(0), ""));
    let slow = tree(&room.path("work/store"));
    room.write("small.tar", &tar);
    room.run("imgload -q --store before/store small.tar")
        .code(0);
    assert_eq!(tree(&room.path("before/store")), slow);
}
