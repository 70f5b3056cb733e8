//! The inputs of the walk over all options: small, and such that each option has something to do.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use crate::common::build::{self, Files, Image};
use crate::common::pack::Pack;

/// A tar of files: path, contents, mode, owner, time.
fn tar(entries: &[(&str, &str, u32, u64, u64)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text, mode, owner, time) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(*mode);
        header.set_uid(*owner);
        header.set_gid(*owner);
        header.set_mtime(*time);
        header.set_size(text.len() as u64);
        tar.append_data(&mut header, path, text.as_bytes())
            .expect("an entry");
    }
    tar.into_inner().expect("a tar")
}

const STATUS: &str =
    "Package: curl\nStatus: install ok installed\nVersion: 8.1\nArchitecture: amd64\n";
const MOVED: &str = "some contents that were moved elsewhere";
const DAY: u64 = 1_704_067_200;

/// A layer with a compressed file, and with a tar in which it is, too.
fn nest(packed: &[u8], tar: &[u8]) -> Vec<u8> {
    let mut layer = tar::Builder::new(Vec::new());
    let mut inner = tar::Builder::new(Vec::new());
    let put = |tar: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, bytes).expect("a tar");
    };
    put(&mut inner, "a.gz", packed);
    put(&mut layer, "a.gz", packed);
    put(&mut layer, "b.tar", &inner.into_inner().expect("a tar"));
    put(&mut layer, "c.tar", tar);
    layer.into_inner().expect("a tar")
}

/// An image whose texts tell the switches of a search apart, for `error\\s`.
fn texts() -> Image {
    let long = format!("long error {}", "x".repeat(60));
    let lines = [
        "first",
        "none error ",
        "  an error of two error y",
        "myerror z",
        "Error a",
        "error\u{a0}b",
        "crlf error c\r",
        "error\\s",
        "error",
        "after",
        &long,
        "last",
    ];
    build::image("texts:1")
        .layer_bytes(tar(&[
            ("a", &lines.join("\n"), 0o644, 0, DAY),
            ("b", "one error two\nbin\0 error d\n", 0o644, 0, DAY),
            ("c", "error ", 0o644, 0, DAY),
            ("d", "nothing", 0o644, 0, DAY),
        ]))
        .set("config", json!({"Env": ["E=error e"]}))
}

fn base() -> Image {
    build::image("demo:1")
        .layer("d etc | f etc/passwd root:x:0:0::/:/bin/sh\nbin:x:1:1::/:/bin/sh | f etc/motd one")
}

fn old() -> Image {
    let many: Vec<String> = (0..30).map(|n| format!("f many/{n} {n}")).collect();
    base()
        .layer_bytes(tar(&[
            ("usr/bin/tool", "tool", 0o755, 0, DAY),
            ("usr/bin/late", "late", 0o755, 0, DAY),
            ("usr/owned", "owned", 0o644, 0, DAY),
            ("old/name", MOVED, 0o644, 7, DAY + 1_000_000),
            ("var/lib/dpkg/status", STATUS, 0o644, 0, DAY),
        ]))
        .layer(&many.join(" | "))
        .step("CMD [\"/bin/sh\"]")
}

/// Another image with the same first layer; what a builder notes down differs, too.
fn new() -> Image {
    let many: Vec<String> = (0..30).map(|n| format!("f many/{n} -{n}{n}")).collect();
    let status = STATUS.replace("8.1", "8.2");
    base()
        .layer_bytes(tar(&[
            ("etc/motd", "two and some more", 0o644, 0, DAY),
            ("etc/issue", "issue", 0o644, 0, DAY),
            ("usr/bin/tool", "tool", 0o700, 5, DAY + 5),
            ("usr/bin/late", "late", 0o755, 0, DAY + 5),
            ("usr/owned", "owned", 0o644, 5, DAY),
            ("new/name", MOVED, 0o644, 7, DAY + 1_000_000),
            ("var/lib/dpkg/status", &status, 0o644, 0, DAY),
        ]))
        .layer(&many.join(" | "))
        .layer(&many.join(" | "))
        .step("CMD [\"/bin/bash\"]")
        .set(
            "config",
            json!({"Cmd": ["/bin/bash"], "Env": ["PATH=/bin", "A=b"], "Labels": {"a": "b"}}),
        )
        .set("docker_version", json!("20.10"))
}

/// An image on top of `demo:1`.
fn above() -> Image {
    old()
        .named("demo:3")
        .layer("d etc | f etc/motd three | w old/name | f etc/late late")
        .layer_bytes(tar(&[
            ("etc/later", "later", 0o600, 7, DAY + 1_000_000),
            ("old/later", "later", 0o600, 7, DAY + 1_000_000),
            ("usr/later", "later", 0o600, 7, DAY + 1_000_000),
        ]))
}

pub fn written(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    std::fs::write(path, bytes).expect("a file");
}

/// Writes what all runs read into `inputs`, and what each changes into `fresh`. Returns the ID of the image `demo:1`.
pub fn write(inputs: &Path, fresh: &Path) -> String {
    std::fs::create_dir_all(inputs).expect("a directory");
    std::fs::create_dir_all(fresh).expect("a directory");
    let (old, new) = (old(), new());
    let put = |name: &str, files: &Files| written(inputs, name, &files.tar());
    put("a.tar", &build::docker(&[&old]));
    put("b.tar", &build::docker(&[&new]));
    let above = above();
    let mut files = build::docker(&[&above]);
    files.remove("repositories");
    files.edit("manifest.json", |items| {
        items[0]["RepoTags"] = json!(["demo:3"])
    });
    put("c.tar", &files);
    files.add("stray", build::layer("f stray s"));
    put("stray.tar", &files);
    put("texts.tar", &build::docker(&[&texts()]));
    let zipped = build::layer(&format!("f inner.tar {}", "a".repeat(10)));
    let zipped = build::image("zipped:1").layer_bytes(nest(&Pack::Gzip.pack(b"a\n"), &zipped));
    put("zipped.tar", &build::docker(&[&zipped]));
    let zipped = build::image("demo:1")
        .layer("f a a")
        .packed(Pack::Gzip)
        .layer("f b b")
        .packed(Pack::Gzip);
    put("gzip.tar", &build::oci(&[&zipped]));
    let other = build::image("other:2")
        .layer("f x x")
        .set("created", json!("2023-01-01T00:00:00Z"));
    put("two.tar", &build::docker(&[&old, &other]));
    let arm = build::image("").platform("linux/arm64").layer("f arm arm");
    put(
        "multi.tar",
        &build::multi("multi:1", &[&old, &arm], &["linux/s390x"]),
    );
    // A layer that is not what its digest says, which only a look at all of it shows.
    let mut bad = build::oci(&[&old]);
    let layer = build::blob_name(&old.diff_ids()[2]);
    let bytes = bad.bytes(&layer);
    bytes[512] ^= 1;
    put("bad.tar", &bad);
    // One that lists a manifest that it does not hold.
    let mut sparse = build::oci(&[&old]);
    sparse.edit("index.json", |index| {
        let mut entry = build::descriptor("application/vnd.oci.image.manifest.v1+json", b"missing");
        entry["platform"] = json!({"os": "linux", "architecture": "amd64"});
        index["manifests"]
            .as_array_mut()
            .expect("a list")
            .push(entry);
    });
    put("sparse.tar", &sparse);
    // A bundle without the first layer, which lone.tar has, and no store.
    let lone = build::image("lone:1").layer("f lone lone").layer("f b b");
    put("lone.tar", &build::oci(&[&lone]));
    let mut bundle = build::oci(&[&lone]);
    let (first, size) = (&lone.diff_ids()[0], lone.blobs()[0].len());
    bundle.remove(&build::blob_name(first));
    let record = json!({
        "schema": "imgkit-bundle/1", "since": [], "names": {},
        "omitted": [{"digest": first, "size": size}], "blobs": 4, "bytes": 0,
    });
    bundle.put("imgkit-bundle.json", record.to_string());
    put("bundle.tar", &bundle);
    for (name, bytes) in [
        (
            "site.receipt",
            &include_bytes!("../../testdata/receipts/site.receipt")[..],
        ),
        (
            "site.receipt.sig",
            include_bytes!("../../testdata/receipts/site.receipt.sig"),
        ),
        (
            "site.gpg",
            include_bytes!("../../testdata/receipts/site.gpg"),
        ),
        (
            "stranger",
            include_bytes!("../../testdata/receipts/site.receipt.stranger"),
        ),
    ] {
        written(inputs, name, bytes);
    }
    written(inputs, "digests", old.diff_ids()[0].as_bytes());
    written(inputs, "globs", b"etc\n");
    written(inputs, "list", b"demo:1\n");
    written(inputs, "first", b"first\n");
    written(inputs, "strings", b"a: [--x=demo:1]\nimage: other:2\n");
    written(inputs, "patterns", b"etc\n");
    written(inputs, "config.json", br#"{"architecture":"amd64","os":"linux","config":{"Env":["X=y"]},"rootfs":{"type":"layers","diff_ids":[]}}"#);
    written(
        inputs,
        "root.tar",
        &build::layer("d etc | f etc/motd three | f new n"),
    );
    for (name, text) in [("etc/motd", "three"), ("bin/new", "n"), ("skip/me", "s")] {
        written(&inputs.join("root"), name, text.as_bytes());
        written(&inputs.join("upper"), name, text.as_bytes());
    }
    for name in ["root", "upper"] {
        let path = inputs.join(name).join("bin/new");
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("a mode");
    }
    if rustix::process::geteuid().is_root() {
        let path = inputs.join("root/etc/motd");
        std::os::unix::fs::chown(path, Some(3), Some(3)).expect("an owner");
    }
    written(fresh, "have.tar", b"something");
    written(fresh, "full/x", b"x");
    written(inputs, "white.tar", &build::layer("f a a | w a | f b b"));
    written(
        inputs,
        "owners",
        b"#mtree\n./etc/motd type=file uid=9 gid=9 mode=0600\n",
    );
    for (path, text) in [
        ("usr/share/doc/a/README", "read"),
        ("var/lib/dpkg/status", STATUS),
        ("etc/motd", "x"),
        ("usr/bin/curl", "curl"),
        ("var/lib/dpkg/info/curl.list", "/usr/bin/curl\n"),
    ] {
        written(&inputs.join("packages"), path, text.as_bytes());
    }
    super::debian::write(inputs);
    old.id()
}
