//! imgbase deb and explain on repositories.
//!
//! The repository was made by apt-ftparchive, dpkg-deb and gpg, see testdata/debian/make-repository. Hostile packages are
//! tested in the unit tests of unpacking, and in the rows of hostile input.

use std::fs;
use std::path::Path;

use crate::common::run::{Output, Room};

const SELECTION: &str = "--repo r --suite suite --arch amd64 --variant none";
const KEYRING: &str = "--keyring r/keyring.gpg";
const INDEX: &str = "r/dists/suite/main/binary-amd64/Packages";
const TOOL: [&str; 3] = ["core\t1\tall", "service\t1\tall", "tool\t2\tall"];

fn room() -> Room {
    let room = Room::new();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/debian/repository");
    let mut work = vec![(from, room.path("r"))];
    while let Some((from, to)) = work.pop() {
        fs::create_dir(&to).expect("a directory");
        for entry in fs::read_dir(from).expect("a directory") {
            let entry = entry.expect("an entry");
            let to = to.join(entry.file_name());
            match entry.path().is_dir() {
                true => work.push((entry.path(), to)),
                false => drop(fs::copy(entry.path(), to).expect("a copy")),
            }
        }
    }
    room
}

/// Runs `imgbase deb` on the repository, with `out` as output.
fn deb(room: &Room, rest: &str) -> Output {
    room.run(&format!("imgbase deb {SELECTION} {rest} -o out"))
}

/// Expects exit status 2, an error of one line and perhaps a hint, and no output file.
#[track_caller]
fn refused(room: &Room, output: &Output, line: &str) {
    output.code(2);
    let mut said = output.err().lines();
    assert_eq!(said.next(), Some(line), "\n{output}");
    assert!(
        said.all(|line| line.starts_with("hint: ")) && output.out().is_empty(),
        "\n{output}"
    );
    let names: Vec<_> = fs::read_dir(room.path("."))
        .expect("the room")
        .map(|entry| entry.expect("an entry").file_name())
        .filter(|name| !["r", "lock", "debs"].iter().any(|known| name == known))
        .collect();
    assert!(names.is_empty(), "{names:?} left\n{output}");
}

fn change(room: &Room, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(room.path(name)).expect(name);
    change(&mut bytes);
    room.write(name, &bytes);
}

#[track_caller]
fn id(output: &Output) -> String {
    output.code(0);
    let line = output.out().trim_end();
    assert!(
        line.starts_with("sha256:") && line.len() == 71,
        "\n{output}"
    );
    line.to_owned()
}

#[test]
fn packages_of_a_signed_repository_become_an_image() {
    let room = room();
    let output = deb(&room, &format!("{KEYRING} --include tool"));
    output.is(0, output.out(), "");
    id(&output);
    room.run("imgverify out").code(0);
    let listed = room.command("imgexport -o tree out").run();
    listed.code(0);
    let mut tree = tar::Archive::new(fs::File::open(room.path("tree")).expect("a tar"));
    let mut texts = Vec::new();
    for entry in tree.entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let name = entry.path().expect("a path").display().to_string();
        if name.ends_with("/version") {
            let mut text = String::new();
            std::io::Read::read_to_string(&mut entry, &mut text).expect("a text");
            assert_eq!(entry.header().uid().ok(), Some(0));
            texts.push(text);
        }
    }
    texts.sort();
    assert_eq!(texts, ["core 1\n", "service 1\n", "tool 2\n"]);
}

#[test]
fn selected_packages_are_printed_in_the_order_of_installation() {
    let room = room();
    let list = |rest: &str| deb(&room, &format!("{KEYRING} --dry-run {rest}"));
    list("--include tool").ok(&format!("{}\n", TOOL.join("\n")));
    list("--include tool=1").says("tool\t1\tall\n");
    // A real package is preferred to packages that provide its name.
    list("--include tool --exclude service").ok("core\t1\tall\ngiver\t1\tall\ntool\t2\tall\n");
    assert!(!room.path("out").exists());
    // Suite and components may follow the repository; the only ones are the default.
    for how in [
        "--repo r",
        "--repo 'file:///{} suite main'",
        "--repo 'r suite'",
    ] {
        let root = room.path("r").display().to_string();
        let how = how.replace("/{}", &root);
        let line = format!("imgbase deb {how} {KEYRING} --arch amd64 --variant none");
        room.run(&format!("{line} --include tool --dry-run"))
            .ok(&format!("{}\n", TOOL.join("\n")));
    }
}

#[test]
fn a_repository_is_trusted_by_its_signature() {
    let room = room();
    let place = "imgbase: r: dists/suite";
    let take = |rest: &str| deb(&room, &format!("--include core {rest}"));
    let unnamed = format!("{place}/InRelease: no keyring given");
    refused(&room, &take(""), &unnamed);
    let unsigned = take("--allow-unsigned --dry-run");
    unsigned.is(
        0,
        "core\t1\tall\n",
        "imgbase: warning: r: suite: signature not verified\n",
    );
    // A detached signature.
    let inside = fs::read(room.path("r/dists/suite/InRelease")).expect("a release");
    fs::remove_file(room.path("r/dists/suite/InRelease")).expect("a file");
    take(&format!("{KEYRING} --dry-run")).ok("core\t1\tall\n");
    fs::remove_file(room.path("r/dists/suite/Release.gpg")).expect("a file");
    let output = take(KEYRING);
    assert!(
        output
            .err()
            .contains("no valid signature: missing signature"),
        "{output}"
    );
    refused(
        &room,
        &output,
        &format!("{place}/Release: no valid signature: missing signature"),
    );
    // Signed by an unknown key, and changed after signing.
    fs::copy(
        room.path("r/InRelease.stranger"),
        room.path("r/dists/suite/InRelease"),
    )
    .expect("a copy");
    let output = take(KEYRING);
    output
        .code(2)
        .complains("r: dists/suite/InRelease: no valid signature: ");
    let mut changed = inside.clone();
    let at = changed
        .windows(4)
        .position(|it| it == b"code")
        .expect("a name");
    changed[at] = b'C';
    room.write("r/dists/suite/InRelease", &changed);
    let output = take(KEYRING);
    output
        .code(2)
        .complains("r: dists/suite/InRelease: no valid signature: ");
    assert_eq!(output.err().lines().count(), 1, "{output}");
    assert!(!room.path("out").exists());
    // Digests of SHA-512 only.
    fs::copy(
        room.path("r/InRelease.sha512"),
        room.path("r/dists/suite/InRelease"),
    )
    .expect("a copy");
    take(&format!("{KEYRING} --dry-run")).ok("core\t1\tall\n");
}

#[test]
fn a_release_that_has_expired_is_a_warning_and_changes_nothing() {
    let room = room();
    let first = deb(&room, &format!("{KEYRING} --include core"));
    let late = deb(&room, &format!("{KEYRING} --include core --at 2024-01-09"));
    assert_eq!(id(&first), id(&late));
    late.complains("warning: r: suite: release expired at 2024-01-08T00:00:00Z\n");
    assert!(first.err().is_empty(), "{first}");
    deb(
        &room,
        &format!("{KEYRING} --include core --at 2023-12-31 --dry-run"),
    )
    .complains("release is dated in the future: 2024-01-01T00:00:00Z");
}

#[test]
fn mismatches_with_the_release_are_refused() {
    let room = room();
    let take = || deb(&room, &format!("{KEYRING} --include tool"));
    let good = fs::read(room.path(INDEX)).expect("an index");
    change(&room, INDEX, |bytes| bytes[9] = b'C');
    take().code(2).complains(
        "imgbase: r: dists/suite/main/binary-amd64/Packages: digest mismatch: expected sha256:0",
    );
    change(&room, INDEX, |bytes| bytes.push(b'\n'));
    let size = good.len();
    let line = format!(
        "imgbase: r: main/binary-amd64/Packages: size mismatch: expected {size} bytes, found {}",
        size + 1
    );
    let output = take();
    refused(
        &room,
        &output,
        &line.replace("r: main", "r: dists/suite/main"),
    );
    room.write(INDEX, &good);
    // A package that differs from the index.
    let name = "r/pool/service_1_all.deb";
    change(&room, name, |bytes| *bytes.last_mut().expect("a byte") ^= 1);
    let output = take();
    output.code(2).complains(&format!(
        "imgbase: {name}: digest mismatch: expected sha512:"
    ));
    assert_eq!(output.err().lines().count(), 1, "{output}");
    change(&room, name, |bytes| bytes.truncate(500));
    refused(
        &room,
        &take(),
        &format!("imgbase: {name}: size mismatch: expected 724 bytes, found 500"),
    );
    fs::remove_file(room.path(name)).expect("a file");
    refused(
        &room,
        &take(),
        &format!("imgbase: {name}: cannot open: no such file or directory"),
    );
}

#[test]
fn a_lock_reproduces_the_image_without_an_index() {
    let room = room();
    let first = deb(&room, &format!("{KEYRING} --include tool --lock lock"));
    let lock = fs::read_to_string(room.path("lock")).expect("a lock");
    assert!(lock.contains("BEGIN PGP SIGNED MESSAGE"), "{lock}");
    fs::remove_file(room.path("out")).expect("a file");
    fs::remove_dir_all(room.path("r/dists")).expect("a directory");
    let again = |rest: &str| room.run(&format!("imgbase deb --locked lock {rest} -o out"));
    let second = again(&format!("--repo r {KEYRING}"));
    assert_eq!(id(&first), id(&second));
    fs::remove_file(room.path("out")).expect("a file");
    again("--repo r --dry-run").ok(&format!("{}\n", TOOL.join("\n")));
    // Another mirror of the same packages, whichever is named first.
    fs::create_dir(room.path("debs")).expect("a directory");
    let third = again("--repo debs --repo r");
    assert_eq!(id(&first), id(&third));
    fs::remove_file(room.path("out")).expect("a file");
    let output = again("");
    output.code(2).complains("imgbase: lock: ");
    // The release in the lock is verified with the keyring.
    let other = lock.replace("Codename: code", "Codename: other");
    room.write("lock", other.as_bytes());
    again(&format!("--repo r {KEYRING}"))
        .code(2)
        .complains("imgbase: lock: suite: no valid signature: ");
    room.write("lock", lock.as_bytes());
    change(&room, "r/pool/tool_2_all.deb", |bytes| bytes[700] ^= 1);
    let wrong = "imgbase: r/pool/tool_2_all.deb: digest mismatch: expected sha512:";
    for rest in ["--repo r", "--repo r --dry-run"] {
        again(rest).code(2).complains(wrong);
    }
    // All mismatches are reported: a truncated package, which is found by its size, and one that cannot be unpacked
    // because of its damage.
    change(&room, "r/pool/core_1_all.deb", |bytes| {
        let at = bytes.len() - 20;
        bytes[at] ^= 0xff;
    });
    let first = "imgbase: r/pool/core_1_all.deb: digest mismatch: expected sha512:";
    let second = wrong.replace("imgbase:", "imgbase: warning:");
    for cut in [false, true] {
        let name = "r/pool/service_1_all.deb";
        if cut {
            change(&room, name, |bytes| bytes.truncate(500));
        }
        let output = again("--repo r");
        output.code(2).complains(first).complains(&second);
        assert_eq!(
            output.err().lines().count(),
            2 + usize::from(cut),
            "{output}"
        );
        assert_eq!(output.err().contains("expected 724 bytes, found 500"), cut);
        assert!(
            output
                .err()
                .lines()
                .last()
                .is_some_and(|it| it.starts_with(first))
        );
        assert!(!room.path("out").exists(), "{output}");
    }
    // The lock determines the selection.
    for more in [
        "--include core",
        "--variant minbase",
        "--suite x",
        "--lock l",
    ] {
        again(&format!("--repo r {more}"))
            .code(2)
            .complains("cannot be used with");
    }
}

#[test]
fn package_files_and_repositories_combine() {
    let room = room();
    fs::create_dir(room.path("debs")).expect("a directory");
    let to = |name: &str| room.path(&format!("debs/{name}"));
    fs::rename(room.path("r/pool/tool_2_all.deb"), to("tool_2_all.deb")).expect("a rename");
    change(&room, INDEX, |bytes| {
        let text = String::from_utf8(std::mem::take(bytes)).expect("text");
        let kept: Vec<&str> = text
            .split("\n\n")
            .filter(|it| !it.contains("tool_2"))
            .collect();
        *bytes = kept.join("\n\n").into_bytes();
    });
    fs::remove_file(room.path("r/dists/suite/InRelease")).expect("a file");
    let index = fs::read(room.path(INDEX)).expect("an index");
    let release = format!(
        "Suite: suite\nDate: Mon, 01 Jan 2024 00:00:00 UTC\nComponents: main\nSHA256:\n {} {} main/binary-amd64/Packages\n",
        crate::common::build::digest(&index).trim_start_matches("sha256:"),
        index.len()
    );
    room.write("r/dists/suite/Release", release.as_bytes());
    let whole = "--allow-unsigned --debs debs --include tool --lock lock";
    let first = deb(&room, whole);
    let names = |output: &Output| output.out().to_owned();
    assert_eq!(
        names(&deb(&room, &format!("{whole} --dry-run"))),
        format!("{}\n", TOOL.join("\n"))
    );
    let lock = fs::read_to_string(room.path("lock")).expect("a lock");
    let lock: serde_json::Value = serde_json::from_str(&lock).expect("JSON");
    let bytes = fs::read(to("tool_2_all.deb")).expect("a package");
    let tool = &lock["packages"][2];
    assert_eq!(tool["path"], "debs/tool_2_all.deb");
    assert_eq!(tool["size"], bytes.len());
    assert_eq!(tool["digest"], crate::common::build::digest(&bytes));
    let second = room.run("imgbase deb --locked lock --repo r -o out");
    assert_eq!(id(&first), id(&second));
    // A file that was changed since differs from the lock.
    change(&room, "debs/tool_2_all.deb", |bytes| bytes[700] ^= 1);
    room.run("imgbase deb --locked lock --repo r -o out2")
        .code(2)
        .complains("imgbase: debs/tool_2_all.deb: digest mismatch: expected sha256:");
    // Damaged, without a known digest.
    change(&room, "debs/tool_2_all.deb", |bytes| bytes.truncate(600));
    let output = room.run("imgbase deb --debs debs --arch amd64 -o out2");
    output.fails("imgbase: debs/tool_2_all.deb: invalid Debian package: member exceeds the file\n");
    assert!(!room.path("out2").exists());
}

#[test]
fn unsatisfiable_requests_are_reported_in_one_line() {
    let room = room();
    let take = |rest: &str| deb(&room, &format!("{KEYRING} {rest}"));
    let output = take("--include lost");
    output.code(2).complains("nowhere (>= 3)");
    assert_eq!(output.err().lines().count(), 1, "{output}");
    let output = take("--include fight");
    output.code(2).complains("service");
    assert_eq!(output.err().lines().count(), 1, "{output}");
    refused(
        &room,
        &take("--include nobody"),
        "imgbase: no such package 'nobody'",
    );
    let explain = |rest: &str| room.run(&format!("imgbase explain {SELECTION} {KEYRING} {rest}"));
    explain("--include tool service giver lost")
        .code(0)
        .says("service 1: Depends: ");
    explain("lost")
        .says("lost: not selected\n")
        .says("nowhere (>= 3)");
}

#[test]
fn invalid_sources_are_bad_usage() {
    let room = room();
    let run = |rest: &str| room.run(&format!("imgbase deb {rest} --arch amd64 -o out"));
    refused(
        &room,
        &run(""),
        "imgbase: no package source given: name a repository with --repo, packages with --debs, or use --apt",
    );
    run("--repo http://mirror/debian")
        .code(2)
        .complains("unsupported scheme 'http': expected DIR");
    run("--repo nowhere").fails("imgbase: nowhere: cannot read: no such file or directory\n");
    run(&format!("--repo r --suite x {KEYRING}"))
        .fails("imgbase: r: dists/x/: invalid Release file: neither InRelease nor Release\n");
    run(&format!("--repo r --components y {KEYRING}"))
        .fails("imgbase: r: invalid Release file: no component 'y': available: main\n");
    run("--repo r --at soon").code(2).complains("invalid date");
}

#[test]
fn apt_packages_are_in_its_lists_and_its_cache() {
    let room = room();
    fs::create_dir(room.path("lists")).expect("a directory");
    fs::create_dir(room.path("debs")).expect("a directory");
    let prefix = "lists/mirror_debian_dists_suite";
    fs::copy(
        room.path("r/dists/suite/InRelease"),
        room.path(&format!("{prefix}_InRelease")),
    )
    .expect("a copy");
    fs::copy(
        room.path(INDEX),
        room.path(&format!("{prefix}_main_binary-amd64_Packages")),
    )
    .expect("a copy");
    for name in ["core_1_all.deb", "service_1_all.deb", "tool_1_all.deb"] {
        fs::copy(
            room.path(&format!("r/pool/{name}")),
            room.path(&format!("debs/{name}")),
        )
        .expect("a copy");
    }
    let line = format!(
        "imgbase deb --apt-lists lists --apt-archives debs {KEYRING} --arch amd64 --variant none"
    );
    let first = room.run(&format!("{line} --include tool -o out --lock lock"));
    id(&first);
    // Version 2 is in the list, but not in the cache.
    room.run(&format!("{line} --include tool --dry-run"))
        .says("tool\t1\tall\n");
    let second = room.run("imgbase deb --locked lock --apt-archives debs -o out");
    assert_eq!(id(&first), id(&second));
}
