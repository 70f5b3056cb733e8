//! Packages, and changes of the user.

use serde_json::Value;

use super::{deb, files};
use crate::common::run::Room;

const POSTINST: &str =
    "#!/bin/sh\nset -e\nadduser --system --group --home /var/lib/srv srv\nsrv-keygen --new\n";

/// Makes packages: accounts, a service with an uncovered script, and dpkg for its database.
fn room() -> Room {
    let room = Room::new();
    std::fs::create_dir(room.path("debs")).expect("a directory");
    let packages = [
        (
            "accounts",
            deb(
                "Package: accounts\nVersion: 1\nArchitecture: all\nMaintainer: A B <a@example.org>\n",
                &[],
                &[
                    (
                        "usr/share/base-passwd/passwd.master",
                        0o644,
                        "root:*:0:0:root:/root:/bin/sh\nwww-data:*:33:33::/:\n",
                    ),
                    (
                        "usr/share/base-passwd/group.master",
                        0o644,
                        "root:*:0:\nwww-data:*:33:\n",
                    ),
                ],
            ),
        ),
        (
            "srv",
            deb(
                "Package: srv\nVersion: 2:1.5+b1-1\nArchitecture: all\nDepends: accounts, dpkg\nMaintainer: A B <a@example.org>\n",
                &[("postinst", POSTINST), ("conffiles", "/etc/srv.conf\n")],
                &[
                    ("etc/srv.conf", 0o644, "port 1\n"),
                    ("usr/sbin/srv", 0o755, "srv"),
                ],
            ),
        ),
        (
            "dpkg",
            deb(
                "Package: dpkg\nVersion: 1.21\nArchitecture: all\nMaintainer: A B <a@example.org>\n",
                &[],
                &[("usr/bin/dpkg", 0o755, "dpkg")],
            ),
        ),
    ];
    for (name, bytes) in packages {
        room.write(&format!("debs/{name}.deb"), &bytes);
    }
    room
}

const DEB: &str = "imgbase deb --debs debs --arch amd64 --variant none --include srv -o out.tar";

#[test]
fn accounts_files_and_modes() {
    let room = room();
    room.write("motd", b"hello\n");
    let more = "--user app:2000::/home/app:/bin/app --user web::33 --file motd:/etc/motd:0600 --chmod /etc/motd=640,app:www-data";
    room.run(&format!("{DEB} -q {more}")).code(0);
    let found = files(&room, "out.tar");
    let passwd = &found["etc/passwd"].3;
    assert!(
        passwd.contains("\napp:*:2000:2000::/home/app:/bin/app\n"),
        "{passwd}"
    );
    // The package's script uses 100.
    assert!(
        passwd.contains("\nweb:*:101:33::/nonexistent:/usr/sbin/nologin\n"),
        "{passwd}"
    );
    assert!(found["etc/group"].3.contains("\napp:x:2000:\n"));
    assert_eq!(found["home/app"], (0o755, 2000, 2000, String::new()));
    assert_eq!(found["etc/motd"], (0o640, 2000, 33, "hello\n".to_owned()));

    for (more, expected) in [
        (
            "--user app:33",
            "user 'app': number 33 belongs to 'www-data'",
        ),
        (
            "--user root:5",
            "user 'root' already exists with the numbers 0 and 0",
        ),
        (
            "--user app:2000:2000 --user b:2000",
            "user 'b': number 2000 belongs to 'app'",
        ),
        ("--user app:x", "expected a number, found 'x'"),
        ("--chmod /gone=644", "cannot change '/gone': not found"),
        ("--chmod /etc=644,nobody", "unknown account 'nobody'"),
        ("--file motd:etc", "expected FILE:/PATH[:MODE]"),
    ] {
        std::fs::remove_file(room.path("out.tar")).ok();
        room.run(&format!("{DEB} -q {more}"))
            .code(2)
            .complains(expected);
        assert!(!room.path("out.tar").exists(), "{more}");
    }
}

#[test]
fn recipes_cover_scripts() {
    let room = room();
    let report = || -> Value {
        let bytes = std::fs::read(room.path("report.json")).expect("a report");
        serde_json::from_slice(&bytes).expect("JSON")
    };
    let script = |report: &Value| {
        let all = report["scripts"].as_array().expect("scripts").clone();
        all.into_iter()
            .find(|one| one["package"] == "srv")
            .expect("srv")
    };
    room.run(&format!("{DEB} --report report.json"))
        .code(0)
        .complains("srv: uncovered script: postinst line 4: srv-keygen --new");
    assert_eq!(script(&report())["class"], "uncovered");

    let recipe = |since: &str| {
        format!(
            r#"{{"recipes": [{{"package": "srv", "since": "{since}", "before": "2:2", "answers": ["srv-keygen "],
            "do": [{{"file": "/etc/srv.key", "text": "none\n", "mode": "0600"}}, {{"path": "/etc/srv.key", "chown": "srv"}}]}}]}}"#
        )
    };
    room.write("recipes.json", recipe("2:1.5").as_bytes());
    let line = format!("{DEB} --report report.json --recipe recipes.json --strict");
    assert_eq!(room.run(&line).code(0).err(), "");
    let one = script(&report());
    assert_eq!(one["class"], "covered");
    assert_eq!(one["answered"][0]["command"], "srv-keygen --new");
    assert_eq!(
        files(&room, "out.tar")["etc/srv.key"],
        (0o600, 100, 0, "none\n".to_owned())
    );

    // A recipe for another version is unused, and covers nothing.
    room.write("recipes.json", recipe("2:1.6").as_bytes());
    room.run(&line)
        .code(2)
        .complains("srv: unused recipe: no package with this name and version")
        .complains("--strict: uncovered scripts of srv");
    room.write(
        "recipes.json",
        br#"{"recipes": [{"package": "srv", "answers": [""]}]}"#,
    );
    room.run(&line)
        .code(2)
        .complains("recipes.json: srv: empty answer");
    room.write("recipes.json", b"{}");
    room.run(&line).code(2).complains("recipes.json: ");
}

#[test]
fn scripts_are_left_to_a_container() {
    let room = room();
    room.run(&format!("{DEB} -q --configure emit")).code(0);
    let found = files(&room, "out.tar");
    let program = &found["usr/sbin/imgbase-configure"];
    assert_eq!(program.0, 0o755);
    assert!(program.3.contains("\ndpkg --configure -a\n"));
    assert!(!found.contains_key("etc/srv.conf"));
    assert_eq!(found["etc/srv.conf.dpkg-new"].3, "port 1\n");
    let status = &found["var/lib/dpkg/status"].3;
    assert!(status.contains("Status: install ok unpacked\n"), "{status}");
    assert!(
        status.contains("\n /etc/srv.conf newconffile\n"),
        "{status}"
    );
    assert!(found["etc/passwd"].3.starts_with("root:*:0:0:"));
    room.run(&format!("{DEB} --configure emit --strict"))
        .code(2);
}

#[test]
fn side_files_exist_only_with_the_image() {
    let room = room();
    let line = format!("{DEB} -q --report report.json --sbom spdx sbom.json");
    for more in ["--strict", "--user app:33", "-c 'USER'"] {
        room.run(&format!("{line} {more}")).code(2);
        for name in ["out.tar", "report.json", "sbom.json"] {
            assert!(!room.path(name).exists(), "{more}: {name}");
        }
    }
    // A missing directory of a side file is found in time.
    room.run(&format!("{line} --layers per-package --id-file gone/id"))
        .code(2);
    room.run(&format!("{DEB} -q --report gone/report.json"))
        .code(2);
    assert!(!room.path("report.json").exists());
    room.run(&format!("{DEB} --report x --sbom spdx x"))
        .code(2)
        .complains("x: two outputs have the same path");
    room.run(&format!("{DEB} --report debs"))
        .code(2)
        .complains("debs: cannot write the file: is a directory");
    std::fs::remove_file(room.path("out.tar")).ok();

    room.run(&line).code(0);
    let read = |name: &str| -> Value {
        let bytes = std::fs::read(room.path(name)).expect(name);
        serde_json::from_slice(&bytes).expect("JSON")
    };
    let purl = "pkg:deb/debian/srv@2:1.5%2Bb1-1?arch=all";
    let spdx = read("sbom.json");
    let packages = spdx["packages"].as_array().expect("packages");
    let srv = packages
        .iter()
        .find(|one| one["name"] == "srv")
        .expect("srv");
    assert_eq!(srv["externalRefs"][0]["referenceLocator"], purl);
    room.run(&format!("{DEB} -q --sbom cyclonedx sbom.json"))
        .code(0);
    let cyclonedx = read("sbom.json");
    assert_eq!(cyclonedx["bomFormat"], "CycloneDX");
    assert_eq!(cyclonedx["components"][2]["purl"], purl);
    room.run(&format!("{DEB} --sbom x sbom.json"))
        .code(2)
        .complains("--sbom: unknown format 'x': expected spdx or cyclonedx");
}

#[test]
fn the_division_into_layers_does_not_change_the_tree() {
    let room = room();
    let mut trees = Vec::new();
    for (how, layers) in [("one", 1), ("base,packages,config", 2), ("per-package", 4)] {
        room.run(&format!("{DEB} -q --layers {how}")).code(0);
        let inspected = room.run("imginspect out.tar").json();
        let diff_ids = inspected[0]["RootFS"]["Layers"].as_array().expect("layers");
        assert_eq!(diff_ids.len(), layers, "{how}");
        trees.push(files(&room, "out.tar"));
    }
    assert!(trees[0] == trees[1] && trees[1] == trees[2]);
}
