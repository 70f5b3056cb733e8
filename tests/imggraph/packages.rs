//! The view of packages.

use serde_json::json;

use super::{by_name, edges};
use crate::common::build;
use crate::common::repository;
use crate::common::run::Room;

/// Returns a layer with files of any bytes.
fn layer(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, *bytes)
            .expect("an entry");
    }
    tar.into_inner().expect("a tar")
}

#[test]
fn packages_of_every_manager() {
    let status = "Package: app\nStatus: install ok installed\nVersion: 1.0\nArchitecture: amd64\nInstalled-Size: 3\n\
        Depends: libc6 (>= 2), mta | mail-server, gone\n\nPackage: libc6\nStatus: install ok installed\nVersion: 2.36\n\
        Architecture: amd64\nInstalled-Size: 10\nDepends: libgcc\n\nPackage: libgcc\nStatus: install ok installed\n\
        Version: 12\nDepends: libc6\n\nPackage: exim\nStatus: install ok installed\nVersion: 4\nProvides: mail-server\n";
    let rpmdb =
        std::fs::read(repository("testdata/packages/rpmdb.sqlite")).expect("an RPM database");
    let lower = layer(&[
        (
            "var/lib/dpkg/status",
            b"Package: old\nStatus: install ok installed\nVersion: 0\n",
        ),
        (
            "var/lib/dpkg/status.d/tzdata",
            b"Package: tzdata\nVersion: 2024a\n",
        ),
    ]);
    let upper = layer(&[
        ("var/lib/dpkg/status", status.as_bytes()),
        (
            "lib/apk/db/installed",
            b"P:musl\nV:1\nI:100\np:so:libc.so=1\n\nP:busybox\nV:2\nI:50\nD:so:libc.so\n",
        ),
        ("var/lib/rpm/rpmdb.sqlite", &rpmdb),
        (
            "usr/lib/python3/six-1.dist-info/METADATA",
            b"Name: six\nVersion: 1\n\n",
        ),
        (
            "usr/lib/python3/Dash_ed-2.dist-info/METADATA",
            b"Name: Dash_ed\nVersion: 2\nRequires-Dist: Six>=1\n\n",
        ),
        (
            "app/node_modules/a/package.json",
            br#"{"name":"a","version":"1.0.0","dependencies":{"b":"1"}}"#,
        ),
        (
            "app/node_modules/b/package.json",
            br#"{"name":"b","version":"2.0.0"}"#,
        ),
        (
            "app/node_modules/a/node_modules/b/package.json",
            br#"{"name":"b","version":"1.0.0"}"#,
        ),
    ]);
    let image = build::image("demo:1")
        .layer_bytes(lower)
        .layer_bytes(upper)
        .packed(crate::common::pack::Pack::Gzip);
    let files = build::oci(&[&image]);
    let room = Room::with("a.tar", &files);
    let graph = room
        .run("imggraph --view packages --format json a.tar")
        .json();
    let short = |id: &str| id.strip_prefix("package:").expect("a package").to_owned();
    let mut found: Vec<String> = edges(&graph)
        .iter()
        .map(|(from, to, _)| format!("{} > {}", short(from), short(to)))
        .collect();
    found.sort();
    // The RPM lines are from queries of rpm, see testdata/README.md.
    let expected = [
        "apk:busybox:2 > apk:musl:1",
        "dpkg:app:amd64:1.0 > dpkg:exim:4",
        "dpkg:app:amd64:1.0 > dpkg:libc6:amd64:2.36",
        "dpkg:libc6:amd64:2.36 > dpkg:libgcc:12",
        "dpkg:libgcc:12 > dpkg:libc6:amd64:2.36",
        "npm:a:1.0.0 > npm:b:1.0.0",
        "pip:Dash_ed:2 > pip:six:1",
        "rpm:app:noarch:0.9-1 > rpm:base:noarch:1.0-1",
        "rpm:app:noarch:0.9-1 > rpm:libfoo:noarch:2:3.1-1",
        "rpm:libfoo:noarch:2:3.1-1 > rpm:base:noarch:1.0-1",
    ];
    assert_eq!(found, expected, "{graph:#}");
    let app = by_name(&graph, "app");
    assert_eq!(app["Facts"]["unmet"], json!(["gone"]));
    assert_eq!(
        (
            app["SizeBytes"].as_u64(),
            by_name(&graph, "libc6")["SharedBy"].as_u64()
        ),
        (Some(3072), Some(2))
    );
    assert!(!graph.to_string().contains("\"old\""));
    let down = room.run("imggraph --view packages --down libgcc --ascii a.tar");
    down.code(0).says("app").says("libc6 (*)");
    let piped = room
        .command("imggraph --view packages --format json -")
        .pipe(&files.tar())
        .run();
    assert_eq!(piped.json()["Edges"], graph["Edges"]);
}

#[test]
fn damaged_package_databases_are_reported_and_others_read() {
    let rpmdb =
        std::fs::read(repository("testdata/packages/rpmdb.sqlite")).expect("an RPM database");
    // Each byte of the structure in turn: a result or an error, never a crash.
    for at in (0..rpmdb.len()).step_by(97) {
        let mut bytes = rpmdb.clone();
        bytes[at] ^= 0xff;
        let mut packages = imgkit::packages::Packages::default();
        let read = packages.add(
            imgkit::packages::DatabaseKind::RpmSqlite,
            b"rpmdb.sqlite",
            &bytes,
        );
        assert!(read.is_ok(), "{read:?}");
        let mut packages = imgkit::packages::Packages::default();
        let _ = packages.add(
            imgkit::packages::DatabaseKind::RpmSqlite,
            b"rpmdb.sqlite",
            &rpmdb[..at],
        );
        assert!(packages.list.len() <= 3);
    }
    let files = layer(&[
        ("lib/apk/db/installed", b"P:musl\nV:1\n"),
        ("var/lib/rpm/rpmdb.sqlite", &rpmdb[..700]),
        ("usr/lib/sysimage/rpm/Packages.db", b"RpmP"),
    ]);
    let room = Room::with(
        "a.tar",
        &build::docker(&[&build::image("demo:1").layer_bytes(files)]),
    );
    let run = room.run("imggraph --view packages a.tar");
    run.code(2)
        .says("musl")
        .complains("var/lib/rpm/rpmdb.sqlite")
        .complains("not in SQLite");
}
