//! Tests with generated and signed mirrors.

use std::fs;
use std::io::Write;

use super::*;
use crate::base::debian::testing::deb;
use crate::blob::sha256;

const NOW: i64 = 1_717_300_000;

struct Mirror(tempfile::TempDir);

impl Mirror {
    fn new() -> Self {
        Mirror(tempfile::tempdir().expect("a directory"))
    }

    fn with(self, name: &str, bytes: &[u8]) -> Self {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("directories");
        fs::write(path, bytes).expect("a write");
        self
    }

    /// Writes a release that lists these files.
    fn release(self, fields: &str, files: &[(&str, &[u8])]) -> Self {
        let mut text = format!("Suite: s\nComponents: main\n{fields}SHA256:\n");
        for (name, bytes) in files {
            text += &format!(" {} {} {name}\n", sha256(bytes).encoded(), bytes.len());
        }
        self.with("dists/s/Release", text.as_bytes())
    }

    fn open(&self, suite: &str, components: &[&str], trust: &Trust) -> Result<Repository> {
        let components: Vec<String> = components.iter().map(|it| (*it).to_owned()).collect();
        let options = RepositoryOptions {
            architectures: &["amd64".to_owned()],
            trust,
            now: NOW,
        };
        Repository::open(self.0.path(), suite, &components, &options)
    }

    fn error(&self, suite: &str, components: &[&str], trust: &Trust) -> String {
        let error = self.open(suite, components, trust).expect_err("an error");
        let root = format!("{}: ", self.0.path().to_string_lossy());
        error.to_string().replace(&root, "")
    }
}

fn names(repository: &Repository) -> Vec<&str> {
    let packages = repository.packages();
    packages.map(|entry| entry.field("Package")).collect()
}

const ONE: &[u8] = b"Package: one\nVersion: 1\nArchitecture: amd64\nFilename: pool/one.deb\nSize: 5\nSHA256: 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\n";
const STEM: &str = "main/binary-amd64/Packages";

fn compressed(suffix: &str) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    gzip.write_all(ONE).expect("memory");
    match suffix {
        "" => ONE.to_vec(),
        ".gz" => gzip.finish().expect("memory"),
        ".zst" => zstd::encode_all(ONE, 3).expect("memory"),
        other => panic!("{other}"),
    }
}

#[test]
fn indices_of_all_compressions_are_read() {
    for suffix in ["", ".gz", ".zst"] {
        let (bytes, name) = (compressed(suffix), format!("{STEM}{suffix}"));
        let listed = [(STEM, ONE), (&name, &bytes)];
        let mirror = Mirror::new().release("", &listed);
        let mirror = mirror.with(&format!("dists/s/{name}"), &bytes);
        let repository = mirror.open("s", &[], &Trust::Anybody).expect(suffix);
        assert_eq!(names(&repository), ["one"]);
        assert_eq!(repository.notes(), [Note::Unsigned]);
        // If only the uncompressed index is listed, its digest is verified.
        let mirror = Mirror::new().release("", &[(STEM, ONE)]);
        let mirror = mirror.with(&format!("dists/s/{name}"), &bytes);
        assert!(mirror.open("s", &[], &Trust::Anybody).is_ok());
        let mirror = Mirror::new().release("", &[(STEM, b"x")]);
        let mirror = mirror.with(&format!("dists/s/{name}"), &bytes);
        assert!(
            mirror
                .error("s", &[], &Trust::Anybody)
                .contains("size mismatch")
        );
        // Index by digest.
        let by_hash = sha256(&bytes);
        let by_hash = format!(
            "dists/s/main/binary-amd64/by-hash/SHA256/{}",
            by_hash.encoded()
        );
        let mirror = Mirror::new().release("Acquire-By-Hash: yes\n", &listed);
        let mirror = mirror
            .with(&by_hash, &bytes)
            .with(&format!("dists/s/{STEM}"), b"old");
        if suffix.is_empty() {
            let repository = mirror
                .open("s", &["main"], &Trust::Anybody)
                .expect("by hash");
            assert_eq!(names(&repository), ["one"]);
        }
    }
}

#[test]
fn mismatches_are_reported_with_path() {
    let other = [ONE, b"X: y\n"].concat();
    let mut same_size = ONE.to_vec();
    same_size[9] = b'x';
    let listed: &[(&str, &[u8])] = &[(STEM, ONE)];
    for (bytes, why) in [(&other, "size mismatch"), (&same_size, "digest mismatch")] {
        let mirror = Mirror::new().release("", listed);
        let mirror = mirror.with(&format!("dists/s/{STEM}"), bytes);
        let error = mirror.error("s", &[], &Trust::Anybody);
        assert!(
            error.starts_with(&format!("dists/s/{STEM}: {why}")),
            "{error}"
        );
    }
    let mirror = Mirror::new().release("", listed);
    let error = mirror.error("s", &[], &Trust::Anybody);
    assert!(error.contains("listed index is missing"), "{error}");
    let error = mirror.error("s", &["contrib"], &Trust::Anybody);
    assert!(
        error.contains("no component 'contrib': available: main"),
        "{error}"
    );
    assert!(
        mirror
            .error("t", &[], &Trust::Anybody)
            .contains("neither InRelease nor Release")
    );
    assert!(
        mirror
            .error("../s", &[], &Trust::Anybody)
            .contains("outside the repository")
    );
    assert!(
        mirror
            .error("s", &[], &Trust::Nobody)
            .contains("no keyring given")
    );
}

#[test]
fn packages_outside_the_mirror_are_refused() {
    let path = |filename: &str| {
        let text = String::from_utf8_lossy(ONE).replace("pool/one.deb", filename);
        let mirror = Mirror::new().release("", &[(STEM, text.as_bytes())]);
        let mirror = mirror.with(&format!("dists/s/{STEM}"), text.as_bytes());
        let repository = mirror
            .open("s", &[], &Trust::Anybody)
            .expect("a repository");
        let entry = repository.packages().next().expect("a package");
        entry.file().map(|file| file.name)
    };
    assert_eq!(path("./pool//one.deb").expect("a path"), "pool/one.deb");
    for filename in ["../one.deb", "/etc/passwd", "pool/../../x", "."] {
        let error = path(filename).expect_err(filename).to_string();
        assert!(error.starts_with("package one: Filename: "), "{error}");
    }
}

#[test]
fn flat_repositories_need_no_release_without_verification() {
    let mirror = Mirror::new().with("Packages", ONE);
    let repository = mirror
        .open("./", &[], &Trust::Anybody)
        .expect("a repository");
    let file = repository.packages().next().expect("a package").file();
    assert_eq!(
        file.expect("a file").path,
        mirror.0.path().join("pool/one.deb")
    );
    assert!(mirror.open("./", &[], &Trust::Nobody).is_err());
    let mirror = Mirror::new().with("sub/Packages.gz", &compressed(".gz"));
    assert_eq!(
        names(&mirror.open("sub/", &[], &Trust::Anybody).expect("one")),
        ["one"]
    );
}

#[test]
fn signed_mirrors_are_verified_with_notes() {
    let read = |name: &str| {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/debian/signed");
        fs::read(directory.join(name)).expect("test data")
    };
    let trust = Trust::Keyring(Keyring::parse(&read("keyring.gpg")).expect("a keyring"));
    let index = "dists/bookworm/main/binary-amd64/Packages";
    let mirror = || Mirror::new().with(index, &read("Packages"));
    let signed = mirror().with("dists/bookworm/InRelease", &read("InRelease.two"));
    let repository = signed
        .open("bookworm", &["main"], &trust)
        .expect("a repository");
    assert_eq!(repository.signers().len(), 1);
    assert!(matches!(repository.notes(), [Note::BadSignature(_)]));
    assert_eq!(names(&repository), ["one"]);
    let detached = mirror().with("dists/bookworm/Release", &read("Release"));
    let error = detached.error("bookworm", &[], &trust);
    assert_eq!(
        error,
        "dists/bookworm/Release: no valid signature: missing signature"
    );
    let detached = detached.with("dists/bookworm/Release.gpg", &read("Release.gpg.armored"));
    assert!(detached.open("bookworm", &[], &trust).is_ok());
    let stranger = mirror().with("dists/bookworm/InRelease", &read("InRelease.stranger"));
    assert!(
        stranger
            .error("bookworm", &[], &trust)
            .contains("key not in the keyring")
    );
    assert!(stranger.open("bookworm", &[], &Trust::Anybody).is_ok());
    // Unsigned text as InRelease.
    let unsigned = mirror().with("dists/bookworm/InRelease", &read("Release"));
    assert!(
        unsigned
            .error("bookworm", &[], &trust)
            .contains("missing signature")
    );

    let late = |suite: &str, now| {
        let mirror = Mirror::new()
            .with(
                &format!("dists/{suite}/main/binary-amd64/Packages"),
                &read("Packages"),
            )
            .with(&format!("dists/{suite}/InRelease"), &read("InRelease.good"));
        let options = RepositoryOptions {
            architectures: &["amd64".to_owned()],
            trust: &trust,
            now,
        };
        let repository = Repository::open(mirror.0.path(), suite, &[], &options);
        repository.expect("a repository").notes().to_vec()
    };
    assert_eq!(
        late("bookworm", NOW + 30 * 86_400),
        [Note::Expired(1_717_804_800)]
    );
    assert_eq!(late("stable", 0), [Note::NotYet(1_717_200_000)]);
    assert_eq!(
        late("trixie", NOW),
        [Note::OtherSuite("bookworm".to_owned())]
    );
}

#[test]
fn files_and_directories_of_packages_are_a_repository() {
    let make = |name: &str| {
        deb(
            &format!(
                "Package: {name}\nVersion: 1:2\nArchitecture: all\nSize: 1\nFilename: /x\n\
                SHA256: {0}\nsha512: {0}{0}\n",
                "0".repeat(64)
            ),
            "",
            "",
        )
    };
    let mirror = Mirror::new()
        .with("debs/b.deb", &make("b"))
        .with("debs/a.deb", &make("a"))
        .with("debs/readme", b"x")
        .with("c", &make("c"));
    let paths = ["debs", "c"].map(|name| mirror.0.path().join(name));
    let repository = Repository::from_debs(&paths).expect("a repository");
    assert_eq!(names(&repository), ["a", "b", "c"]);
    for entry in repository.packages() {
        let file = entry.file().expect("a file");
        let bytes = fs::read(&file.path).expect("a package");
        // Its own fields are ignored, and the data is not read for the digest.
        assert_eq!((file.size, file.digest), (bytes.len() as u64, None));
        assert_eq!(entry.field("Filename"), "");
    }
    let mut lock = crate::base::debian::Lock::new("all", "none", std::slice::from_ref(&repository));
    let entry = repository.packages().next().expect("a package");
    lock.push(&entry, 0, false).expect("a package");
    let error = lock.to_text().expect_err("a lock without a digest");
    assert!(
        error.to_string().starts_with("package a: digest: "),
        "{error}"
    );
    lock.complete(&[crate::base::debian::Unpacked {
        digest: Some(sha256(b"x")),
        ..Default::default()
    }]);
    let locked = crate::base::debian::Lock::parse(&lock.to_text().expect("text")).expect("a lock");
    assert_eq!(locked.packages[0].digest, sha256(b"x").to_string());
    let damaged = mirror.with("debs/d.deb", b"!<arch>\n");
    assert!(Repository::from_debs(&[damaged.0.path().join("debs")]).is_err());
}

#[test]
fn lists_of_apt_are_restricted_to_the_cache() {
    let lists = "var/lib/apt/lists/mirror_debian_dists_s";
    let two = [ONE, b"\nPackage: two\nVersion: 1:2~x\nArchitecture: all\n"].concat();
    let sum = format!(
        "Suite: s\nComponents: main\nSHA256:\n {} {} {STEM}\n",
        sha256(&two).encoded(),
        two.len()
    );
    let host = Mirror::new()
        .with(&format!("{lists}_Release"), sum.as_bytes())
        .with(&format!("{lists}_main_binary-amd64_Packages"), &two)
        .with("var/lib/apt/lists/lock", b"")
        .with("var/cache/apt/archives/two_1%3a2~x_all.deb", b"x");
    let trust = Trust::Anybody;
    let options = RepositoryOptions {
        architectures: &["amd64".to_owned()],
        trust: &trust,
        now: NOW,
    };
    let directory = |name| host.0.path().join(name);
    let directories = (
        directory("var/lib/apt/lists"),
        directory("var/cache/apt/archives"),
    );
    let repositories =
        Repository::from_apt(&directories.0, &directories.1, &options).expect("the host's");
    assert_eq!(repositories.len(), 1);
    assert_eq!(names(&repositories[0]), ["two"]);
    assert_eq!(repositories[0].suite(), "s");
    // Compressed list: an lz4 frame with one uncompressed block.
    let mut compressed = b"\x04\x22\x4d\x18\x60\x40\x82".to_vec();
    let size = u32::try_from(two.len()).expect("a small list") | 0x8000_0000;
    compressed.extend(size.to_le_bytes());
    compressed.extend([&two[..], &[0; 4]].concat());
    let name = format!("{lists}_main_binary-amd64_Packages");
    fs::remove_file(directory(&name)).expect("a file");
    let host = host.with(&format!("{name}.lz4"), &compressed);
    let repositories =
        Repository::from_apt(&directories.0, &directories.1, &options).expect("the host's");
    assert_eq!(names(&repositories[0]), ["two"]);
    *compressed.last_mut().expect("a byte") = 1;
    drop(host.with(&format!("{name}.lz4"), &compressed));
    assert!(Repository::from_apt(&directories.0, &directories.1, &options).is_err());
}

#[test]
fn locks_restore_packages_and_report_mismatches() {
    let mirror = Mirror::new()
        .release("", &[(STEM, ONE)])
        .with(&format!("dists/s/{STEM}"), ONE)
        .with("pool/one.deb", b"hello");
    let repository = mirror
        .open("s", &[], &Trust::Anybody)
        .expect("a repository");
    let mut lock =
        crate::base::debian::Lock::new("amd64", "none", std::slice::from_ref(&repository));
    for entry in repository.packages() {
        lock.push(&entry, 0, true).expect("a package");
    }
    let text = lock.to_text().expect("text");
    let read = crate::base::debian::Lock::parse(&text).expect("a lock");
    assert_eq!(read, lock);
    let roots = [mirror.0.path().to_owned()];
    let file = repository.packages().next().expect("a package").file();
    assert_eq!(read.files(&roots).expect("files"), [file.expect("a file")]);
    assert!(read.mismatches(&roots).expect("files").is_empty());
    assert!(read.files(&[]).is_err());
    let mirror = mirror.with("pool/one.deb", b"other");
    let wrong = read.mismatches(&roots).expect("files");
    assert!(matches!(wrong[0].1.fault(), Fault::DigestMismatch { .. }));
    drop(mirror);
    for (from, to) in [
        ("\"version\": 1,", "\"version\": 2,"),
        ("\"source\": 0", "\"source\": 1"),
        ("\"source\": 0", "\"source\": 0, \"odd\": 1"),
        ("sha256:2c", "sha256:xx"),
    ] {
        assert!(
            crate::base::debian::Lock::parse(&text.replace(from, to)).is_err(),
            "{to}"
        );
    }
    let climbs = text.replace("pool/one.deb", "../one.deb");
    let climbs = crate::base::debian::Lock::parse(&climbs).expect("a lock");
    assert!(climbs.files(&roots).is_err());
}
