//! Installed systems and binaries: trees with a dpkg database, trees with libraries.

use md5::{Digest as _, Md5};
use serde_json::Value;

use super::{deb, files, tar_of, unpack};
use crate::common::run::Room;

const CONF: &str = "colour red\n";

/// Makes a small installed system below `root`, whose package `tool` has an edited file and a missing one.
fn system(room: &Room) {
    let sum = |text: &str| hex::encode(Md5::digest(text.as_bytes()));
    let status = format!(
        "Package: tool\nStatus: install ok installed\nMaintainer: A B <a@example.org>\nArchitecture: all\nVersion: 1.0-1\n\
         Depends: common\nConffiles:\n /etc/tool.conf {}\n\n\
         Package: common\nStatus: install ok installed\nMaintainer: A B <a@example.org>\nArchitecture: all\nVersion: 1\n\n\
         Package: other\nStatus: install ok installed\nMaintainer: A B <a@example.org>\nArchitecture: all\nVersion: 1\n",
        sum(CONF)
    );
    let sums = format!(
        "{}  usr/bin/tool\n{}  usr/lib/tool/data\n",
        sum("tool"),
        sum("data")
    );
    let info = "./var/lib/dpkg/info";
    let (tool, common) = (format!("{info}/tool.list"), format!("{info}/common.list"));
    let (other, tool_sums) = (format!("{info}/other.list"), format!("{info}/tool.md5sums"));
    let tree = [
        ("./etc/passwd", 0o644, (0, 0), "root:x:0:0::/root:/bin/sh\n"),
        ("./etc/group", 0o644, (0, 0), "root:x:0:\n"),
        ("./etc/tool.conf", 0o644, (0, 0), "colour green\n"),
        ("./usr/bin/tool", 0o755, (0, 0), "tool"),
        ("./usr/share/doc/tool/copyright", 0o644, (0, 0), "free"),
        ("./usr/share/doc/tool/README", 0o644, (0, 0), "read"),
        ("./usr/share/common", 0o644, (0, 0), "common"),
        ("./usr/share/other", 0o644, (0, 0), "other"),
        ("./var/lib/dpkg/status", 0o644, (0, 0), status.as_str()),
        (
            tool.as_str(),
            0o644,
            (0, 0),
            "/.\n/etc\n/etc/tool.conf\n/usr\n/usr/bin\n/usr/bin/tool\n/usr/lib/tool/data\n/usr/share/doc/tool/README\n/usr/share/doc/tool/copyright\n",
        ),
        (tool_sums.as_str(), 0o644, (0, 0), sums.as_str()),
        (
            common.as_str(),
            0o644,
            (0, 0),
            "/.\n/usr\n/usr/share\n/usr/share/common\n",
        ),
        (other.as_str(), 0o644, (0, 0), "/.\n/usr/share/other\n"),
    ];
    unpack(room, &tar_of(&tree), "root");
}

const HOST: &str = "imgbase host --root root -o out.tar tool";

#[test]
fn changed_files_are_an_error_or_restored() {
    let room = Room::new();
    system(&room);
    room.run(HOST)
        .code(2)
        .complains("tool: /etc/tool.conf: changed since it was installed");
    assert!(!room.path("out.tar").exists());

    let tool = |version: &str| {
        deb(
            &format!(
                "Package: tool\nVersion: {version}\nArchitecture: all\nMaintainer: A B <a@example.org>\n"
            ),
            &[],
            &[
                ("etc/tool.conf", 0o644, CONF),
                ("usr/lib/tool/data", 0o640, "data"),
            ],
        )
    };
    // A package of another version is not used.
    room.write("tool.deb", &tool("1.0-2"));
    room.run(&format!("{HOST} --debs tool.deb")).code(2);
    room.write("tool.deb", &tool("1.0-1"));
    let line =
        format!("{HOST} --debs tool.deb --report report.json --sbom cyclonedx sbom.json --strict");
    room.run(&line)
        .code(0)
        .complains(
            "tool: /etc/tool.conf: changed since it was installed: restored from its package",
        )
        .complains("tool: /usr/lib/tool/data: missing: restored from its package");
    let found = files(&room, "out.tar");
    assert_eq!(found["etc/tool.conf"].3, CONF);
    assert_eq!(
        (
            found["usr/lib/tool/data"].0,
            found["usr/lib/tool/data"].3.as_str()
        ),
        (0o640, "data")
    );
    assert!(found.contains_key("usr/share/common") && !found.contains_key("usr/share/other"));
    let read = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(room.path(name)).expect(name)).expect("JSON")
    };
    let report = read("report.json");
    assert_eq!(report["changed"][0]["path"], "/etc/tool.conf");
    assert_eq!(report["changed"][0]["pristine"], true);
    assert_eq!(report["packages"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        read("sbom.json")["components"].as_array().map(Vec::len),
        Some(2)
    );
}

#[test]
fn left_out_files_are_not_missing() {
    let room = Room::new();
    system(&room);
    room.run(&format!(
        "{HOST} -q --modified keep --slim --path-exclude /usr/share/common --user app:5"
    ))
    .code(0);
    let found = files(&room, "out.tar");
    assert!(found.contains_key("usr/share/doc/tool/copyright"));
    assert!(
        !found.contains_key("usr/share/doc/tool/README") && !found.contains_key("usr/share/common")
    );
    assert_eq!(found["etc/tool.conf"].3, "colour green\n");
    assert!(
        found["etc/passwd"].3.contains("app:*:5:5:"),
        "{}",
        found["etc/passwd"].3
    );
    // A changed file that is left out is no error.
    let excluded = "--path-exclude /etc/tool.conf --path-exclude '/usr/lib/tool/*'";
    room.run(&format!("{HOST} -q {excluded}")).code(0);
}

#[test]
fn libraries_that_need_the_cache_get_one() {
    let room = Room::new();
    let tree = crate::common::repository("testdata/elf/tree.tar");
    unpack(&room, &std::fs::read(tree).expect("a tree"), "root");
    let only = "root/usr/lib/x86_64-linux-gnu/libfake.so.1.2";
    let line = "imgbase scratch -q --root root -o out.tar /usr/bin/prog --sbom spdx sbom.json";
    // Any program serves as the loader.
    std::fs::create_dir(room.path("root/lib64")).expect("a directory");
    std::fs::copy(
        room.path("root/usr/bin/static"),
        room.path("root/lib64/ld-linux-x86-64.so.2"),
    )
    .expect("a file");
    // The first directory of ld.so.conf would hide the built-in one.
    std::fs::remove_file(room.path("root/usr/local/lib/libfake.so.1")).expect("a file");
    // Packages without copied files that list the directory that is a link.
    let info = room.path("root/var/lib/dpkg/info");
    std::fs::create_dir_all(&info).expect("a directory");
    let paragraph = |name: &str| {
        format!(
            "Package: {name}\nStatus: install ok installed\nMaintainer: A B <a@example.org>\nArchitecture: amd64\nVersion: 1\n\n"
        )
    };
    std::fs::write(
        room.path("root/var/lib/dpkg/status"),
        paragraph("prog") + &paragraph("bystander"),
    )
    .expect("a file");
    std::fs::write(info.join("prog.list"), "/.\n/lib\n/usr/bin/prog\n").expect("a file");
    std::fs::write(info.join("bystander.list"), "/.\n/lib\n/lib/bystander\n").expect("a file");
    std::fs::write(
        room.path("root/etc/os-release"),
        "ID=debian\nVERSION_ID=\"12\"\n",
    )
    .expect("a file");

    room.run(line).code(0);
    let found = files(&room, "out.tar");
    assert!(!found.contains_key("etc/ld.so.cache"), "{:?}", found.keys());
    let recorded = || -> Vec<String> {
        let found = files(&room, "out.tar");
        let paths = found
            .keys()
            .filter_map(|path| path.strip_prefix("var/lib/dpkg/status.d/"));
        paths.map(str::to_owned).collect()
    };
    assert_eq!(recorded(), ["prog"]);
    let sbom = std::fs::read_to_string(room.path("sbom.json")).expect("a bill");
    assert!(
        sbom.contains("pkg:deb/debian/prog@1?arch=amd64&distro=debian-12"),
        "{sbom}"
    );
    assert!(!sbom.contains("bystander"));

    // Now the library is in a directory that only ld.so.conf names.
    std::fs::remove_file(room.path(only)).expect("a file");
    std::fs::remove_file(room.path("root/usr/lib/libfake.so.1")).expect("a file");
    room.run(line).code(0);
    let found = files(&room, "out.tar");
    assert!(
        found.contains_key("opt/lib/libfake.so.1"),
        "{:?}",
        found.keys()
    );
    assert_eq!(found["etc/ld.so.conf"].3, "/opt/lib\n");
    assert!(
        found["etc/ld.so.cache"]
            .3
            .contains("/opt/lib/libfake.so.1\0")
    );
}
