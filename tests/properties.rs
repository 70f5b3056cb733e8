//! What holds for generated inputs: short reads, numbers of threads, and the size rule of layers.

use std::collections::BTreeMap;
use std::io::{self, Read};

use imgkit::archive::{Container, Holder, MemberKind, Open};
use imgkit::blob::{Meter, ReadAhead};
use imgkit::layer::{Limits, Scan};
use proptest::prelude::*;

use crate::common::build;
use crate::common::foreign;
use crate::common::pack::Pack;
use crate::common::run::Room;

/// A source that gives as few bytes as it likes and is interrupted now and then.
struct Short {
    bytes: io::Cursor<Vec<u8>>,
    seed: u64,
}

impl Short {
    fn next(&mut self) -> u64 {
        // Marsaglia's xorshift: any sequence will do, as long as the seed tells which.
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed
    }
}

impl Read for Short {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let random = self.next();
        if random.is_multiple_of(11) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let most = match random % 4 {
            0 => 1,
            1 => 13,
            2 => 700,
            _ => 40_000,
        };
        let n = buf
            .len()
            .min(usize::try_from(random >> 8).unwrap_or(0) % most + 1);
        self.bytes.read(&mut buf[..n])
    }
}

/// Every member with what can be known of it: name, kind, and digest, sizes and diff ID of its content.
fn told(container: &Container) -> Vec<String> {
    let Holder::Table(table) = &container.holder else {
        panic!("a table")
    };
    let tell = |kind: &MemberKind| match kind {
        MemberKind::File(content) => {
            let scan = content
                .scan(None, &Limits::default(), &Meter::default())
                .expect("a pass over the member");
            let Scan {
                digest,
                size,
                diff_id,
                ..
            } = &*scan;
            format!("{digest} {size} {diff_id:?} {:?}", scan.summary)
        }
        other => format!("{other:?}"),
    };
    let members = table.members().iter();
    let mut told: Vec<String> = members
        .map(|member| {
            let name = String::from_utf8_lossy(&member.name);
            format!("{name} at {}: {}", member.offset, tell(&member.kind))
        })
        .collect();
    told.push(format!("{:?} {:?}", table.tail, table.fault));
    told
}

/// Whatever the sizes of the reads.
fn by_short_reads(bytes: &[u8], seed: u64) -> Vec<String> {
    let source = Short {
        bytes: io::Cursor::new(bytes.to_vec()),
        seed: seed | 1,
    };
    let container = Container::from_stream(ReadAhead::new(source), &Open::default());
    let container = container.expect("an archive");
    assert!(container.streamed);
    told(&container)
}

#[test]
fn short_reads_change_nothing() {
    let app = build::image("demo:1")
        .layer("d etc | f etc/a one | z etc/big 70000 | l etc/l a | h etc/h etc/a")
        .layer("w etc/a | o etc | f b two");
    let mut inputs = vec![
        build::docker(&[&app]).tar(),
        build::oci(&[&app.clone().packed(Pack::Zstd)]).tar(),
        build::docker25(&[&app.clone().packed(Pack::Gzip)]).tar(),
    ];
    for name in ["podman-docker.tar", "containerd.tar", "docker-classic.tar"] {
        inputs.push(std::fs::read(foreign(name)).expect("an archive"));
    }
    let room = Room::new();
    for (i, bytes) in inputs.iter().enumerate() {
        room.write("app.tar", bytes);
        let file = Container::open(&room.path("app.tar"), &Open::default()).expect("an archive");
        let expected = told(&file);
        assert!(expected.len() > 5, "{expected:?}");
        for seed in 1..4 {
            let random = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed + 10 * i as u64);
            let found = by_short_reads(bytes, random);
            assert_eq!(found, expected, "input {i}, seed {seed}");
            let pack = Pack::ALL[(i + seed as usize) % 4];
            let found = by_short_reads(&pack.pack(bytes), random);
            assert_eq!(found, expected, "input {i}, seed {seed}, {pack:?}");
        }
    }
}

#[test]
fn one_thread_and_many_print_the_same() {
    let mut app = build::image("demo:1");
    for i in 0..12 {
        let pack = [Pack::Plain, Pack::Gzip, Pack::Zstd, Pack::Xz][i % 4];
        app = app
            .layer(&format!(
                "f /a{i} {i} | z zeros {} | f /a{i} again",
                i * 5000
            ))
            .packed(pack);
    }
    let mut damaged = build::oci(&[&app]);
    for name in damaged.names().into_iter().step_by(3) {
        if name.starts_with("blobs/") {
            *damaged.bytes(&name).last_mut().expect("bytes") ^= 1;
        }
    }
    let room = Room::with("app.tar", &build::oci(&[&app]));
    room.write("damaged.tar", &damaged.tar());
    room.write("docker.tar", &build::docker(&[&app]).tar());
    for line in [
        "imgls --format json",
        "imgls --tree",
        "imginspect",
        "imghistory --format json",
        "imgverify",
        "imgverify --json",
    ] {
        for archive in ["app.tar", "damaged.tar", "docker.tar"] {
            let alone = room.run(&format!("{line} -j 1 {archive}"));
            alone.no_crash();
            assert!(!alone.stdout.is_empty() || alone.code == Some(2), "{alone}");
            for jobs in [2, 8] {
                let many = room.run(&format!("{line} -j {jobs} {archive}"));
                many.is(alone.code.expect("a status"), alone.out(), alone.err());
            }
        }
    }
}

/// One entry of a generated layer.
#[derive(Debug, Clone)]
enum Entry {
    File(&'static str, usize),
    Symlink(&'static str, usize),
    HardLink(&'static str, &'static str),
    Folder(&'static str),
    Fifo(&'static str),
    Whiteout(&'static str),
    Opaque(&'static str),
}

const PATHS: [&str; 9] = ["a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "f/g/h", "f/g"];

fn entry() -> impl Strategy<Value = Entry> {
    let path = || prop::sample::select(&PATHS[..]);
    prop_oneof![
        4 => (path(), 0..2000usize).prop_map(|(path, size)| Entry::File(path, size)),
        2 => (path(), 1..60usize).prop_map(|(path, size)| Entry::Symlink(path, size)),
        2 => (path(), path()).prop_map(|(path, target)| Entry::HardLink(path, target)),
        3 => path().prop_map(Entry::Folder),
        1 => path().prop_map(Entry::Fifo),
        1 => path().prop_map(Entry::Whiteout),
        1 => path().prop_map(Entry::Opaque),
    ]
}

/// The layer's own folder as overlay2 has it: inodes by path, folders without one. Slow and obvious.
#[derive(Default)]
struct Model {
    paths: BTreeMap<String, Option<usize>>,
    inodes: Vec<usize>,
}

impl Model {
    /// Whether something above the path is no folder: then no unpacker could make it.
    fn is_blocked(&self, path: &str) -> bool {
        let above = path.match_indices('/').map(|(at, _)| &path[..at]);
        above
            .into_iter()
            .any(|folder| matches!(self.paths.get(folder), Some(Some(_))))
    }

    fn replace(&mut self, path: &str, inode: Option<usize>) {
        let below = format!("{path}/");
        self.paths.retain(|name, _| !name.starts_with(&below));
        self.paths.insert(path.to_owned(), inode);
    }

    fn create(&mut self, path: &str, size: usize) {
        self.inodes.push(size);
        self.replace(path, Some(self.inodes.len() - 1));
    }

    /// Does what the entry says and writes it into the line; entries that cannot be unpacked are left out.
    fn apply(&mut self, entry: &Entry, line: &mut Vec<String>) {
        let text = match entry {
            Entry::Whiteout(path) => format!("w {path}"),
            Entry::Opaque(path) => format!("o {path}"),
            Entry::File(path, _)
            | Entry::Symlink(path, _)
            | Entry::HardLink(path, _)
            | Entry::Folder(path)
            | Entry::Fifo(path)
                if self.is_blocked(path) =>
            {
                return;
            }
            Entry::File(path, size) => {
                self.create(path, *size);
                format!("z {path} {size}")
            }
            Entry::Symlink(path, size) => {
                self.create(path, *size);
                format!("l {path} {}", "t".repeat(*size))
            }
            Entry::Fifo(path) => {
                self.create(path, 0);
                format!("p {path}")
            }
            Entry::Folder(path) => {
                if !matches!(self.paths.get(*path), Some(None)) {
                    self.paths.insert((*path).to_owned(), None);
                }
                format!("d {path}")
            }
            Entry::HardLink(path, target) => {
                let inside = format!("{path}/");
                let Some(Some(inode)) = self.paths.get(*target).copied() else {
                    return;
                };
                if path == target || target.starts_with(&inside) {
                    return;
                }
                self.replace(path, Some(inode));
                format!("h {path} {target}")
            }
        };
        line.push(text);
    }

    fn size(&self) -> usize {
        let mut inodes: Vec<usize> = self.paths.values().flatten().copied().collect();
        inodes.sort_unstable();
        inodes.dedup();
        inodes.into_iter().map(|inode| self.inodes[inode]).sum()
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        rng_seed: prop::test_runner::RngSeed::Fixed(20_240_101),
        ..ProptestConfig::default()
    })]

    /// The sizes that imghistory shows are those of a model that really keeps the files.
    #[test]
    fn sizes_are_those_of_the_folders_that_layers_unpack_to(
        layers in prop::collection::vec(prop::collection::vec(entry(), 0..14), 1..5)
    ) {
        let mut image = build::image("demo:1");
        let (mut sizes, mut lines) = (Vec::new(), Vec::new());
        for (i, entries) in layers.iter().enumerate() {
            let (mut model, mut line) = (Model::default(), Vec::new());
            for entry in entries {
                model.apply(entry, &mut line);
            }
            let line = line.join(" | ");
            image = image.layer(&line).packed([Pack::Plain, Pack::Gzip][i % 2]);
            sizes.push(model.size());
            lines.push(line);
        }
        let room = Room::with("app.tar", &build::oci(&[&image]));
        let run = room.run("imghistory --format '{{.SizeBytes}}' app.tar");
        let shown: Vec<usize> = run.out().lines().rev().map(|size| size.parse().expect("a number")).collect();
        prop_assert_eq!(shown, sizes.clone(), "{:#?}", lines);
        let inspect = room.run("imginspect -f '{{.Size}}' app.tar");
        prop_assert_eq!(inspect.out(), format!("{}\n", sizes.iter().sum::<usize>()));
    }
}
