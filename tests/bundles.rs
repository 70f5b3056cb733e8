//! Receipts and bundles: what is omitted, what completes it, and what is refused.
//!
//! Receipts are compared with text that is written here, and three sites with a model that keeps sets of blobs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::build::{self, Files, Image};
use crate::common::pack::Pack;
use crate::common::receipt::{blobs_of, receipt};
use crate::common::run::Room;

/// The local store of a room.
const STORE: &str = "home/.local/share/imgkit";

fn base() -> Image {
    build::image("base:1").layer("d etc | f etc/os debian")
}

/// The base layer, and a compressed one.
fn app() -> Image {
    build::image("app:1")
        .layer("d etc | f etc/os debian")
        .layer("f app one | f data 0123456789")
        .packed(Pack::Gzip)
}

fn id_of(receipt: &str) -> String {
    let last: Value = serde_json::from_str(receipt.lines().last().expect("a line")).expect("JSON");
    last["sha256"].as_str().expect("a text").to_owned()
}

/// The files of a tar by name, read by the `tar` crate.
fn members(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut tar = tar::Archive::new(fs::File::open(path).expect("a tar"));
    let mut found = Vec::new();
    for entry in tar.entries().expect("entries") {
        let mut entry = entry.expect("an entry");
        let name = entry.path().expect("a path").to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).expect("bytes");
        if !name.ends_with('/') {
            found.push((name, bytes));
        }
    }
    found
}

fn blob_names(path: &Path) -> BTreeSet<String> {
    let names = members(path).into_iter().map(|(name, _)| name);
    names
        .filter_map(|name| Some(format!("sha256:{}", name.strip_prefix("blobs/sha256/")?)))
        .collect()
}

fn record(path: &Path) -> Value {
    let members = members(path);
    let record = members
        .iter()
        .find(|(name, _)| name == "imgkit-bundle.json");
    serde_json::from_slice(&record.expect("a record").1).expect("JSON")
}

/// All files of a store but those below `ingest/`.
fn files(store: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut work = vec![store.to_owned()];
    while let Some(directory) = work.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            let name = path
                .strip_prefix(store)
                .expect("below")
                .to_string_lossy()
                .into_owned();
            match path.is_dir() {
                true if name == "ingest" => {}
                true => work.push(path),
                false => drop(found.insert(name, fs::read(&path).expect("a file"))),
            }
        }
    }
    found
}

/// `app.tar` with both images, `base.tar` with one; the receipt of the base in `base.receipt`.
fn room() -> Room {
    let room = Room::with("app.tar", &build::oci(&[&base(), &app()]));
    room.write("base.tar", &build::oci(&[&base()]).tar());
    room.write("base.receipt", receipt(&[&base()], "", &[]).as_bytes());
    room
}

#[test]
fn receipts_are_as_specified_for_every_format() {
    let room = room();
    let expected = receipt(&[&base(), &app()], "", &[]);
    room.run("imgls --receipt app.tar").ok(&expected);
    room.run("imgload -q app.tar").code(0);
    room.run("imgls --receipt").ok(&expected);
    fs::create_dir(room.path("layout")).expect("a directory");
    build::oci(&[&base(), &app()]).write_to(&room.path("layout"));
    room.run("imgls --receipt layout").ok(&expected);
    room.run("imgls --receipt base.tar app.tar:app:1")
        .ok(&expected);
    room.run("imgpush -q app.tar tree").code(0);
    room.run("imgls --receipt tree").ok(&expected);
    // The options of the form.
    let labelled = receipt(&[&base()], ",\"label\":\"site \\\"7\\\"\"", &[]);
    room.run("imgls --receipt --label 'site \"7\"' base.tar")
        .ok(&labelled);
    let name = format!(
        "{{\"image\":\"{}\",\"name\":\"base:1\"}}",
        base().manifest_digest()
    );
    room.run("imgls --receipt --names base.tar")
        .ok(&receipt(&[&base()], "", &[name]));
    let brief = room.run("imgls --receipt --brief app.tar");
    let brief = brief
        .code(0)
        .out()
        .lines()
        .filter(|line| line.contains("digest"));
    let full = blobs_of(&[&base(), &app()]);
    let cut = full.iter().map(|(digest, (size, diff_id))| {
        let diff_id = diff_id
            .as_ref()
            .map(|id| format!(",\"diff_id\":\"{}\"", &id[..39]));
        format!(
            "{{\"digest\":\"{}\",\"size\":{size}{}}}",
            &digest[..39],
            diff_id.unwrap_or_default()
        )
    });
    assert_eq!(
        brief.map(str::to_owned).collect::<Vec<_>>(),
        cut.collect::<Vec<_>>()
    );
    // Verified: every byte is compared with its digest.
    let verified = receipt(&[&base(), &app()], ",\"verified\":true", &[]);
    room.run("imgverify --receipt verified app.tar").code(0);
    assert_eq!(
        fs::read_to_string(room.path("verified")).expect("a file"),
        verified
    );
    room.run("imgload -q --receipt after base.tar").code(0);
    assert_eq!(
        fs::read_to_string(room.path("after")).expect("a file"),
        expected
    );
    // A docker-archive without manifests has its config and its layers.
    room.write("docker.tar", &build::docker(&[&base()]).tar());
    let docker = room.run("imgls --receipt docker.tar");
    let lines = docker
        .code(0)
        .out()
        .lines()
        .filter(|line| line.contains("digest"))
        .count();
    assert_eq!(lines, 2);
    docker.says(&base().id()).says(&base().diff_ids()[0]);
    for refused in [
        "--names",
        "--label x",
        "--brief",
        "--receipt --tree",
        "--receipt --check base.receipt",
    ] {
        room.run(&format!("imgls {refused} app.tar")).code(2);
    }
}

#[test]
fn what_is_damaged_or_missing_is_in_no_receipt() {
    let room = room();
    let layer = build::digest(&app().blobs()[1]);
    let mut files = build::oci(&[&app()]);
    files.bytes(&build::blob_name(&layer))[20] ^= 1;
    room.write("damaged.tar", &files.tar());
    room.run("imgverify -q --receipt damaged damaged.tar")
        .code(1);
    let text = fs::read_to_string(room.path("damaged")).expect("a file");
    assert!(
        !text.contains(&layer) && text.contains(&app().id()),
        "{text}"
    );
    assert!(
        text.contains("\"complete\":false,\"verified\":true"),
        "{text}"
    );
    files.remove(&build::blob_name(&layer));
    room.write("missing.tar", &files.tar());
    let found = room.run("imgls --receipt missing.tar");
    found.code(0).says("\"complete\":false").says(&app().id());
    assert!(
        !found.out().contains(&format!("\"digest\":\"{layer}\"")),
        "{}",
        found.out()
    );
}

#[test]
fn a_bundle_has_documents_and_new_layers() {
    let room = room();
    room.run("imgsave --since base.receipt -o bundle.tar app.tar")
        .ok("");
    let bundle = room.path("bundle.tar");
    let shared = build::digest(&base().blobs()[0]);
    let all: BTreeSet<String> = blobs_of(&[&base(), &app()]).into_keys().collect();
    let carried: BTreeSet<String> = all
        .iter()
        .filter(|digest| **digest != shared)
        .cloned()
        .collect();
    assert_eq!(blob_names(&bundle), carried);
    let bytes: usize = blobs_of(&[&base(), &app()])
        .iter()
        .filter(|(digest, _)| **digest != shared)
        .map(|(_, (size, _))| size)
        .sum();
    assert_eq!(
        record(&bundle),
        json!({
            "schema": "imgkit-bundle/1",
            "since": [id_of(&receipt(&[&base()], "", &[]))],
            "names": {"base:1": base().manifest_digest(), "app:1": app().manifest_digest()},
            "omitted": [{"digest": shared, "size": base().blobs()[0].len()}],
            "blobs": carried.len(),
            "bytes": bytes,
            "after": id_of(&receipt(&[&base(), &app()], "", &[])),
        })
    );
    let names: Vec<String> = members(&bundle).into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names[..3],
        ["oci-layout", "index.json", "imgkit-bundle.json"]
    );
    // The same from the same, to a pipe, and from the archive itself instead of its receipt.
    let bytes = fs::read(&bundle).expect("a file");
    let piped = room.run("imgsave --since base.receipt app.tar");
    assert!(piped.code(0).stdout == bytes);
    room.run("imgsave --since base.tar -o other.tar app.tar")
        .ok("");
    assert!(fs::read(room.path("other.tar")).expect("a file") == bytes);
    room.run("imgsave --since base.receipt --format oci-layout -o layout app.tar")
        .ok("");
    room.run("imgload -q base.tar").code(0);
    room.run("imgload layout")
        .ok("Loaded image: base:1\nLoaded image: app:1\n");
    for format in ["docker", "docker-legacy", "dir"] {
        room.run(&format!(
            "imgsave --since base.receipt --format {format} -o x app.tar"
        ))
        .fails(
            "imgsave: a bundle is an OCI archive or layout: expected --format oci or oci-layout\n",
        );
    }
}

#[test]
fn a_plan_lists_the_largest_new_layers() {
    let room = room();
    let layer = build::digest(&app().blobs()[1]);
    let size = app().blobs()[1].len();
    let plan = room.run("imgsave --since base.receipt --dry-run --json app.tar:app:1");
    let plan = plan.code(0).json();
    assert_eq!(
        plan["Layers"],
        json!([{"Digest": layer, "Size": size, "Images": ["app:1"]}])
    );
    assert_eq!(
        (&plan["Blobs"], &plan["BlobsNew"], &plan["BlobsOmitted"]),
        (&json!(3), &json!(3), &json!(1))
    );
    let plan = room.run("imgsave --since base.receipt --dry-run app.tar:app:1");
    plan.code(0)
        .says("omitted: 1 blob,")
        .says(&format!("{}  app:1\n", build::short(&layer)));
    // Nothing is new: an archive with names, and a note.
    room.run("imgsave --since app.tar -o none.tar app.tar:app:1")
        .is(
            0,
            "",
            "imgsave: none.tar: nothing new: only names and documents\n",
        );
    room.run("imgsave --dry-run app.tar")
        .code(0)
        .says("omitted: 0 blobs, 0B\n");
    room.run("imgsave --label x -o y.tar app.tar")
        .fails("imgsave: --label has no effect without --since or --ledger\n");
}

/// `load(bundle(since R))` onto a store that has R is `load` of the full archive, to the byte.
#[test]
fn a_completed_bundle_is_the_full_archive() {
    let room = room();
    room.run("imgsave --since base.receipt -o bundle.tar app.tar")
        .ok("");
    room.run("imgload -q --store full base.tar").code(0);
    room.run("imgload -q --store part base.tar").code(0);
    let loaded = room.run("imgload --store full app.tar");
    room.run("imgload --store part bundle.tar")
        .ok(loaded.code(0).out());
    assert_eq!(files(&room.path("part")), files(&room.path("full")));
    room.run("imgverify -q part").ok("");
    // Through a pipe.
    room.run("imgload -q --store pipe base.tar").code(0);
    let bundle = fs::read(room.path("bundle.tar")).expect("a file");
    room.command("imgload -q --store pipe")
        .pipe(&bundle)
        .run()
        .code(0);
    assert_eq!(files(&room.path("pipe")), files(&room.path("full")));
    // From other archives instead of the store, and in any order.
    for line in [
        "--with base.tar bundle.tar",
        "--with app.tar:base:1 bundle.tar",
        "bundle.tar base.tar",
    ] {
        room.run(&format!("imgload -q --store new {line}")).code(0);
        room.run("imgverify -q new").ok("");
        fs::remove_dir_all(room.path("new")).expect("removed");
    }
    // With other layers: those of the store are read for it.
    room.run("imgload -q --store part2 base.tar").code(0);
    room.run("imgload -q --store part2 --compression zstd bundle.tar")
        .code(0);
    room.run("imgverify -q part2").ok("");
}

#[test]
fn an_incomplete_bundle_changes_nothing_and_asks_for_the_rest() {
    let room = room();
    let made_for = &id_of(&receipt(&[&base()], "", &[]))[..12];
    let none = &id_of(&receipt(&[], "", &[]))[..12];
    room.run("imgsave --since base.receipt -o bundle.tar app.tar:app:1")
        .ok("");
    let size = base().blobs()[0].len() as f64 / 1000.0;
    let line = format!(
        "imgload: bundle.tar: 1 of 4 blobs is neither here nor in the store ({}kB): made for receipt {made_for}, this store is at {none}\n",
        size.to_string().get(..4).expect("digits")
    );
    room.run("imgload bundle.tar").is(
        1,
        "",
        &format!("{line}hint: --missing FILE writes a request for them\n"),
    );
    assert!(!room.path(STORE).exists());
    room.run("imgload --missing request bundle.tar")
        .is(1, "", &line);
    let shared = build::digest(&base().blobs()[0]);
    let size = base().blobs()[0].len();
    let request = format!(
        "{{\"schema\":\"imgkit-request/1\",\"blobs\":1,\"complete\":false}}\n{{\"digest\":\"{shared}\",\"size\":{size}}}\n"
    );
    let digest = build::digest(request.as_bytes()).replace("sha256:", "");
    let request = request + &format!("{{\"end\":1,\"sha256\":\"{digest}\"}}\n");
    assert_eq!(
        fs::read_to_string(room.path("request")).expect("a file"),
        request
    );
    // The answer has exactly these blobs, from any format.
    room.write("docker.tar", &build::docker(&[&base()]).tar());
    room.run("imgsave --only-blobs request -o answer.tar docker.tar")
        .ok("");
    assert_eq!(
        blob_names(&room.path("answer.tar")),
        BTreeSet::from([shared.clone()])
    );
    room.run("imgverify -q answer.tar").ok("");
    room.run("imgload --with answer.tar --store with bundle.tar")
        .ok("Loaded image: app:1\n");
    room.run("imgload answer.tar")
        .is(0, "", "imgload: answer.tar: 1 blob kept for 30 days\n");
    room.run("imgprune -f").code(0);
    room.run("imgload bundle.tar").ok("Loaded image: app:1\n");
    room.run("imgverify -q").ok("");
    // A request is no receipt, and a receipt no request.
    room.run("imgsave --since request -o x.tar app.tar")
        .fails("imgsave: request: a request for blobs, not a receipt\n");
    room.run("imgsave --only-blobs base.receipt -o x.tar app.tar")
        .fails(
            "imgsave: base.receipt: a receipt, not a request: imgload --missing writes requests\n",
        );
    // What no archive has is no answer.
    let other = build::oci(&[&build::image("other:1").layer("f other other")]);
    room.write("other.tar", &other.tar());
    room.run("imgsave --only-blobs request -o x.tar other.tar")
        .is(
            1,
            "",
            &format!(
                "imgsave: request: 1 of 1 blobs are in none of the archives, {shared} among them\n"
            ),
        );
    assert!(!room.path("x.tar").exists());
}

#[test]
fn parts_are_kept_until_the_rest_arrives() {
    let room = room();
    room.run("imgsave --since base.receipt -o bundle.tar app.tar:app:1")
        .ok("");
    room.run("imgload --partial bundle.tar")
        .code(1)
        .complains("3 blobs kept for 30 days\n");
    room.run("imgls -q").ok("");
    room.run("imgprune -f -a").code(0);
    let kept = fs::read_dir(room.path(STORE).join("blobs/sha256"))
        .expect("blobs")
        .count();
    assert_eq!(kept, 3);
    assert_eq!(
        fs::read_dir(room.path(STORE).join("ingest"))
            .expect("a directory")
            .count(),
        1
    );
    room.run("imgload base.tar").ok("Loaded image: base:1\n");
    room.run("imgload bundle.tar").ok("Loaded image: app:1\n");
    // Images protect their blobs themselves.
    assert_eq!(
        fs::read_dir(room.path(STORE).join("ingest"))
            .expect("a directory")
            .count(),
        0
    );
    room.run("imgverify -q").ok("");
}

#[test]
fn a_damaged_base_is_found_on_request() {
    let room = room();
    room.run("imgsave --since base.receipt -o bundle.tar app.tar:app:1")
        .ok("");
    room.run("imgload -q base.tar").code(0);
    let shared = build::digest(&base().blobs()[0]);
    let path = room.path(STORE).join(build::blob_name(&shared));
    let mut bytes = fs::read(&path).expect("a blob");
    bytes[700] ^= 1;
    fs::write(&path, bytes).expect("written");
    let run = room.run("imgload --verify-base bundle.tar");
    run.code(1)
        .complains(&format!("warning: {shared} is damaged in the store\n"));
    run.complains("1 of 4 blobs is neither here nor in the store");
    room.run("imgls -q store:app").code(2);
}

/// An answer and `--with` replace damaged blobs of the store, for the images that had them before, too.
#[test]
fn a_damaged_base_is_replaced() {
    let room = room();
    room.run("imgsave --since base.receipt -o bundle.tar app.tar:app:1")
        .ok("");
    let shared = build::digest(&base().blobs()[0]);
    let warning = format!("imgload: warning: {shared} is damaged in the store\n");
    let damage = |store: &str| {
        room.run(&format!("imgload -q --store {store} base.tar"))
            .code(0);
        let path = room.path(store).join(build::blob_name(&shared));
        let mut bytes = fs::read(&path).expect("a blob");
        bytes[700] ^= 1;
        fs::write(&path, bytes).expect("written");
        room.run(&format!("imgverify -q {store}")).code(1);
    };
    damage("a");
    room.run("imgload --store a --verify-base --missing request bundle.tar")
        .code(1)
        .complains(&warning);
    room.run("imgsave --only-blobs request -o answer.tar app.tar")
        .ok("");
    room.run("imgload --store a answer.tar")
        .code(0)
        .complains(&warning);
    room.run("imgverify -q a").ok("");
    room.run("imgload --store a --verify-base bundle.tar")
        .ok("Loaded image: app:1\n");
    for (store, line) in [
        ("b", "--with base.tar bundle.tar"),
        ("c", "--with answer.tar bundle.tar"),
        ("d", "app.tar"),
        ("e", "bundle.tar base.tar"),
    ] {
        damage(store);
        let run = room.run(&format!("imgload --store {store} --verify-base {line}"));
        run.code(0).complains(&warning);
        assert_eq!(run.err().matches("is damaged").count(), 1, "{}", run.err());
        room.run(&format!("imgverify -q {store}")).ok("");
    }
    let layout = room.path("d").join("blobs/sha256");
    let names = fs::read_dir(layout).expect("blobs");
    assert_eq!(names.count(), blobs_of(&[&base(), &app()]).len());
}

/// A dry run says what is loaded, and leaves no trace.
#[test]
fn a_plan_of_loading_writes_nothing() {
    let room = room();
    let all = blobs_of(&[&base(), &app()]);
    let bytes = |digests: &[&str]| -> usize { digests.iter().map(|digest| all[*digest].0).sum() };
    let every: Vec<&str> = all.keys().map(String::as_str).collect();
    let plan = room.run("imgload --dry-run --format json app.tar");
    assert_eq!(
        plan.code(0).json(),
        json!({
            "Archive": "app.tar",
            "Images": [
                {"Name": "base:1", "ID": base().id(), "Digest": base().manifest_digest(), "Replaced": null, "ReplacedID": null, "Kept": false},
                {"Name": "app:1", "ID": app().id(), "Digest": app().manifest_digest(), "Replaced": null, "ReplacedID": null, "Kept": false},
            ],
            "BlobsNew": all.len(), "BytesNew": bytes(&every),
            "BlobsExisting": 0, "BytesExisting": 0, "BlobsMissing": 0, "BytesMissing": 0,
        })
    );
    let piped = fs::read(room.path("app.tar")).expect("a file");
    room.command("imgload --dry-run")
        .pipe(&piped)
        .run()
        .code(0)
        .says("images:   2\n  base:1\n  app:1\nnew:      6 blobs, ")
        .says("\nexisting: 0 blobs, 0B\nmissing:  0 blobs, 0B\n");
    assert!(!room.path(STORE).exists());
    // A bundle without its base, after it in the same run, and with it in the store.
    room.run("imgsave --since base.receipt -o bundle.tar app.tar:app:1")
        .ok("");
    let shared = build::digest(&base().blobs()[0]);
    let plan = room.run("imgload --dry-run --format json bundle.tar");
    let plan = plan
        .code(1)
        .complains("1 of 4 blobs is neither here nor in the store")
        .json();
    assert_eq!(
        (
            &plan["BlobsNew"],
            &plan["BlobsExisting"],
            &plan["BlobsMissing"],
            &plan["BytesMissing"]
        ),
        (&json!(3), &json!(0), &json!(1), &json!(bytes(&[&shared])))
    );
    let plans = room.run("imgload --dry-run --format json base.tar bundle.tar");
    let plans = plans.code(0).json_lines();
    let counts = |plan: &Value| (plan["BlobsNew"].clone(), plan["BlobsExisting"].clone());
    assert_eq!(counts(&plans[0]), (json!(3), json!(0)));
    assert_eq!(counts(&plans[1]), (json!(3), json!(1)));
    assert!(!room.path(STORE).exists());
    room.run("imgload -q base.tar").code(0);
    let before = files(&room.path(STORE));
    let plan = room.run("imgload --dry-run --format json bundle.tar");
    assert_eq!(counts(&plan.code(0).json()), (json!(3), json!(1)));
    // Names that move, and those that do not.
    room.write(
        "other.tar",
        &build::oci(&[&build::image("base:1").layer("f x x")]).tar(),
    );
    room.run("imgload --dry-run other.tar")
        .code(0)
        .says(&format!("  base:1, moves from {}\n", base().id()));
    room.run("imgload --dry-run --no-clobber other.tar")
        .code(1)
        .says("  base:1, tag exists for another image\n");
    room.run("imgload --dry-run --only none:1 app.tar").code(2);
    room.run("imgload --dry-run --missing x bundle.tar").code(2);
    assert_eq!(files(&room.path(STORE)), before);
    // The answer to a request, and volumes.
    room.run("imgload --store other --missing request bundle.tar")
        .code(1);
    room.run("imgsave --only-blobs request -o answer.tar app.tar")
        .ok("");
    let plan = room.run("imgload --store other --dry-run --format json answer.tar");
    assert_eq!(counts(&plan.code(0).json()), (json!(1), json!(0)));
    assert!(!room.path("other").exists());
    room.run("imgsave --split 1M -o s.tar app.tar").ok("");
    fs::create_dir(room.path("disc")).expect("a directory");
    for name in ["s.tar.001", "s.tar.001.sha256"] {
        fs::rename(room.path(name), room.path("disc").join(name)).expect("moved");
    }
    room.run("imgload --store other --volumes --dry-run disc")
        .code(0)
        .says("images:   2\n");
    assert!(!room.path("other").exists());
}

/// A ledger is what the other side has if it loads everything.
#[test]
fn a_ledger_needs_no_way_back() {
    let room = room();
    room.run("imgsave --ledger ledger -o 1.tar app.tar:base:1")
        .ok("");
    assert_eq!(
        fs::read_to_string(room.path("ledger")).expect("a file"),
        receipt(&[&base()], "", &[])
    );
    fs::copy(room.path("ledger"), room.path("old")).expect("copied");
    room.run("imgsave --ledger ledger -o 2.tar app.tar:app:1")
        .ok("");
    let both = receipt(&[&base(), &app()], "", &[]);
    assert_eq!(
        fs::read_to_string(room.path("ledger")).expect("a file"),
        both
    );
    // Loaded one after the other, the far side has just that.
    room.run("imgload -q --store far --receipt far.receipt 1.tar 2.tar")
        .code(0);
    assert_eq!(
        fs::read_to_string(room.path("far.receipt")).expect("a file"),
        both
    );
    // A lost bundle is made again from the old ledger, to the byte.
    room.run("imgsave --since old -o again.tar app.tar:app:1")
        .ok("");
    assert!(
        fs::read(room.path("again.tar")).expect("a file")
            == fs::read(room.path("2.tar")).expect("a file")
    );
    // A failure or a dry run leaves the ledger as it is.
    room.run("imgsave --ledger old --dry-run app.tar:app:1")
        .code(0);
    let mut files = build::oci(&[&app()]);
    files.bytes(&build::blob_name(&build::digest(&app().blobs()[1])))[20] ^= 1;
    room.write("damaged.tar", &files.tar());
    room.run("imgsave --ledger old -o 3.tar damaged.tar")
        .code(2);
    room.run("imgsave --ledger old -o none/3.tar app.tar:app:1")
        .code(2);
    assert_eq!(
        fs::read_to_string(room.path("old")).expect("a file"),
        receipt(&[&base()], "", &[])
    );
    // A label stays, and can be given.
    room.run("imgsave --ledger labelled --label site -o 4.tar app.tar:base:1")
        .ok("");
    let labelled = receipt(&[&base()], ",\"label\":\"site\"", &[]);
    assert_eq!(
        fs::read_to_string(room.path("labelled")).expect("a file"),
        labelled
    );
}

/// Without a way back, blobs are sent again from time to time.
#[test]
fn a_ledger_sends_again_what_is_old() {
    let room = room();
    let shared = build::digest(&base().blobs()[0]);
    let save = |options: &str, day: u64, output: &str| {
        let time = (1_700_000_000 + day * 86_400).to_string();
        let line = format!("imgsave --ledger ledger {options} -o {output} app.tar:base:1");
        room.command(&line)
            .env("SOURCE_DATE_EPOCH", &time)
            .run()
            .code(0);
        blob_names(&room.path(output)).contains(&shared)
    };
    let sent = || -> (u64, Vec<Value>) {
        let text = fs::read_to_string(room.path("ledger")).expect("a ledger");
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        let blob = lines.iter().find(|line| line["digest"] == json!(shared));
        let blob = blob.expect("the blob");
        let bundles = lines[0]["bundles"].as_u64().expect("a number");
        (bundles, vec![blob["sent"].clone(), blob["time"].clone()])
    };
    assert!(save("--resend-after 2", 0, "1.tar"));
    assert_eq!(sent(), (1, vec![json!(1), json!("2023-11-14T22:13:20Z")]));
    assert!(!save("--resend-after 2", 1, "2.tar"));
    // It is remembered without the option, too.
    assert!(!save("", 2, "3.tar"));
    assert_eq!(sent(), (3, vec![json!(1), json!("2023-11-14T22:13:20Z")]));
    assert!(save("--resend-after 2", 3, "4.tar"));
    assert_eq!(sent(), (4, vec![json!(4), json!("2023-11-17T22:13:20Z")]));
    assert!(!save("--resend-after 2", 4, "5.tar"));
    // By its time.
    assert!(!save("--resend-after 2023-11-17", 5, "6.tar"));
    assert!(!save("--resend-after 96h", 6, "7.tar"));
    assert!(save("--resend-after 2023-11-18", 7, "8.tar"));
    assert_eq!(sent().0, 8);
    assert!(save("--resend-after 0", 8, "9.tar"));
    // What a receipt has is there.
    assert!(!save("--resend-after 0 --since base.receipt", 9, "10.tar"));
    // The identity is that of the receipt that the site will have.
    room.run("imgsave --since ledger -o app.tar.1 app.tar:app:1")
        .ok("");
    assert_eq!(
        record(&room.path("app.tar.1"))["since"],
        json!([id_of(&receipt(&[&base()], "", &[]))])
    );
    // A ledger that began without it: nothing is old at once.
    fs::write(room.path("ledger"), receipt(&[&base()], "", &[])).expect("written");
    assert!(!save("--resend-after 1", 0, "11.tar"));
    assert!(!save("--resend-after 1", 0, "12.tar"));
    assert!(save("--resend-after 1", 0, "13.tar"));
    room.run("imgsave --resend-after 1 -o x.tar app.tar")
        .code(2);
    room.run("imgsave --resend-after x --ledger ledger -o x.tar app.tar")
        .code(2)
        .complains("expected a number of bundles");
}

/// A receipt with a signature of gpg; see testdata/receipts/make.
#[test]
#[cfg(feature = "base")]
fn signed_receipts_are_verified() {
    let room = room();
    for (name, bytes) in [
        (
            "r",
            &include_bytes!("../testdata/receipts/site.receipt")[..],
        ),
        (
            "r.sig",
            include_bytes!("../testdata/receipts/site.receipt.sig"),
        ),
        (
            "r.asc",
            include_bytes!("../testdata/receipts/site.receipt.asc"),
        ),
        (
            "expired",
            include_bytes!("../testdata/receipts/site.receipt.expired"),
        ),
        (
            "stranger",
            include_bytes!("../testdata/receipts/site.receipt.stranger"),
        ),
        ("site.gpg", include_bytes!("../testdata/receipts/site.gpg")),
        ("site.asc", include_bytes!("../testdata/receipts/site.asc")),
        ("empty", b""),
    ] {
        room.write(name, bytes);
    }
    for (signature, keyring) in [("r.sig", "site.gpg"), ("r.asc", "site.asc")] {
        room.run(&format!("imgsave --since r --since-signature {signature} --keyring {keyring} -o {signature}.tar app.tar"))
            .ok("");
        assert_eq!(
            record(&room.path(&format!("{signature}.tar")))["since"]
                .as_array()
                .map(Vec::len),
            Some(1)
        );
    }
    // Beside the receipt.
    room.run("imgsave --since r --keyring site.gpg -o beside.tar app.tar")
        .ok("");
    fs::remove_file(room.path("r.asc")).expect("removed");
    room.run("imgsave --since r --keyring site.gpg -o beside.tar app.tar")
        .ok("");
    room.run("imgsave --since site.gpg --keyring site.gpg -o x.tar app.tar")
        .code(2)
        .complains("site.gpg.sig: ");
    let edited = fs::read_to_string(room.path("r")).expect("a receipt");
    room.write("edited", edited.replace("true", "false").as_bytes());
    room.write("r.gz", &Pack::Gzip.pack(edited.as_bytes()));
    for (receipt, signature, why) in [
        ("edited", "r.sig", "does not match the data"),
        ("r.gz", "r.sig", "does not match the data"),
        ("r", "stranger", "key not in the keyring"),
        ("r", "expired", "has expired"),
        ("r", "empty", "empty file"),
        ("r", "none", "no such file"),
        ("r", "r", "no armored block"),
        ("app.tar", "r.sig", "does not match the data"),
    ] {
        room.run(&format!("imgsave --since {receipt} --since-signature {signature} --keyring site.gpg -o x.tar app.tar"))
            .code(2)
            .complains(&format!("imgsave: {signature}: "))
            .complains(why);
        assert!(!room.path("x.tar").exists());
    }
    // It was valid for a day.
    room.command("imgsave --since r --since-signature expired --keyring site.gpg -o x.tar app.tar")
        .env("SOURCE_DATE_EPOCH", "1704200000")
        .run()
        .ok("");
    for line in [
        "--since r --since-signature r.sig",
        "--since r --since r --since-signature r.sig --keyring site.gpg",
        "--since-signature r.sig --keyring site.gpg",
        "--since - --since-signature r.sig --keyring site.gpg",
    ] {
        room.run(&format!("imgsave {line} -o y.tar app.tar"))
            .code(2);
        assert!(!room.path("y.tar").exists());
    }
}

#[test]
fn lists_of_digests_are_receipts() {
    let room = room();
    // As oc-mirror writes its history.
    let list: String = blobs_of(&[&base()])
        .keys()
        .map(|digest| format!("{digest}\n"))
        .collect();
    room.write(".history-2026-01-01T00:00:00Z", list.as_bytes());
    room.run("imgsave --since .history-2026-01-01T00:00:00Z -o bundle.tar app.tar:app:1")
        .ok("");
    assert_eq!(blob_names(&room.path("bundle.tar")).len(), 3);
    room.run("imgls --receipt --brief base.tar").code(0);
    let brief = room
        .run("imgls --receipt --brief base.tar")
        .out()
        .to_owned();
    room.write("brief", brief.as_bytes());
    room.run("imgsave --since brief -o brief.tar app.tar:app:1")
        .ok("");
    assert_eq!(blob_names(&room.path("brief.tar")).len(), 3);
    room.write("brief.gz", &Pack::Gzip.pack(brief.as_bytes()));
    room.run("imgsave --since brief.gz -o gz.tar app.tar:app:1")
        .ok("");
    room.command("imgsave --since - -o piped.tar app.tar:app:1")
        .pipe(brief.as_bytes())
        .run()
        .ok("");
    for name in ["gz.tar", "piped.tar"] {
        assert!(
            fs::read(room.path(name)).expect("a file")
                == fs::read(room.path("brief.tar")).expect("a file")
        );
    }
    // A blob of another size is damaged there, and sent again.
    let size = format!("\"size\":{}", base().blobs()[0].len());
    let text = receipt(&[&base()], "", &[]).replace(&size, "\"size\":7");
    let (lines, _) = text.split_once("{\"end\"").expect("an end");
    let digest = build::digest(lines.as_bytes()).replace("sha256:", "");
    room.write(
        "short",
        format!("{lines}{{\"end\":3,\"sha256\":\"{digest}\"}}\n").as_bytes(),
    );
    room.run("imgsave --since short -o short.tar app.tar:app:1")
        .ok("");
    assert_eq!(blob_names(&room.path("short.tar")).len(), 4);
}

/// A sparse archive is the source of a bundle if the receipt has what it lacks.
#[test]
fn bundles_are_made_of_bundles() {
    let room = room();
    room.run("imgsave --since base.receipt -o 1.tar app.tar:app:1")
        .ok("");
    room.run("imgsave --since base.receipt -o 2.tar 1.tar")
        .ok("");
    assert_eq!(record(&room.path("1.tar")), record(&room.path("2.tar")));
    room.write("none.receipt", receipt(&[], "", &[]).as_bytes());
    room.run("imgsave --since none.receipt -o 3.tar 1.tar")
        .code(2)
        .complains("is not in the archive\n");
}

#[test]
fn referrers_are_in_the_bundle() {
    let room = room();
    let mut files = build::oci(&[&base(), &app()]);
    let about = build::descriptor(
        "application/vnd.oci.image.manifest.v1+json",
        &app().manifest(),
    );
    let signature = b"a signature".to_vec();
    files.blob(&signature);
    files.blob(b"{}");
    let referrer = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "application/vnd.example",
        "config": build::descriptor("application/vnd.oci.empty.v1+json", b"{}"),
        "layers": [build::descriptor("application/octet-stream", &signature)],
        "subject": about,
    });
    let referrer = referrer.to_string().into_bytes();
    files.blob(&referrer);
    files.edit("index.json", |index| {
        let entry = build::descriptor("application/vnd.oci.image.manifest.v1+json", &referrer);
        index["manifests"]
            .as_array_mut()
            .expect("a list")
            .push(entry);
    });
    room.write("signed.tar", &files.tar());
    room.run("imgsave --since base.receipt -o bundle.tar signed.tar:app:1")
        .ok("");
    let names = blob_names(&room.path("bundle.tar"));
    for bytes in [&referrer[..], &signature, b"{}"] {
        assert!(names.contains(&build::digest(bytes)));
    }
    room.run("imgload -q base.tar bundle.tar").code(0);
    room.run("imgls -a")
        .says(build::short(&build::digest(&referrer)));
    // Its blobs are omitted like layers, its config never.
    room.run("imgsave --since signed.tar -o none.tar signed.tar:app:1")
        .code(0);
    let names = blob_names(&room.path("none.tar"));
    assert!(!names.contains(&build::digest(&signature)) && names.contains(&build::digest(b"{}")));
    room.run("imgload -q bundle.tar none.tar").code(0);
    room.run("imgverify -q none.tar").ok("");
    room.run("imgverify -q").ok("");
    room.run("imgload -q --store other none.tar").code(1);
}

#[test]
fn bundles_are_verified_against_their_own_list() {
    let room = room();
    room.run("imgsave --since base.receipt -o bundle.tar app.tar:app:1")
        .ok("");
    let made_for = &id_of(&receipt(&[&base()], "", &[]))[..12];
    room.run("imgverify bundle.tar").code(0).says(&format!(
        "note: bundle.tar: imgkit-bundle.json: complete with receipt {made_for}: 1 blob omitted [bundle]\n"
    ));
    let members = members(&room.path("bundle.tar"));
    let files = Files::of(members);
    // What is missing and not omitted is damage, as ever.
    let mut cut = Files::of(
        files
            .names()
            .into_iter()
            .map(|name| (name.clone(), files.get(&name).to_vec())),
    );
    cut.remove(&build::blob_name(&build::digest(&app().blobs()[1])));
    room.write("cut.tar", &cut.tar());
    room.run("imgverify cut.tar").code(1).says("blob-absent");
    room.run("imgload -q base.tar").code(0);
    room.run("imgload cut.tar")
        .code(2)
        .complains("is not in the archive");
    room.run("imgls --receipt bundle.tar")
        .says("\"complete\":false");
    room.run("imgls bundle.tar").says("app");
    room.run("imginspect bundle.tar").code(0).says(&app().id());
}

/// The index of an engine that has one platform of two, without the layer that completes it.
#[test]
fn a_sparse_archive_becomes_a_bundle() {
    let room = room();
    let (amd, arm) = (
        base().platform("linux/amd64"),
        app().platform("linux/arm64"),
    );
    let mut files = build::multi("multi:1", &[&amd, &arm], &["linux/s390x"]);
    files.remove(&build::blob_name(&build::digest(&arm.blobs()[1])));
    room.write("sparse.tar", &files.tar());
    room.run("imgverify -q sparse.tar").ok("");
    room.run("imgsave --since base.receipt -o bundle.tar sparse.tar")
        .ok("");
    room.run("imgverify -q bundle.tar").ok("");
    room.run("imgload bundle.tar").code(1);
    room.run("imgload -q base.tar").code(0);
    room.run("imgload bundle.tar").ok("Loaded image: multi:1\n");
    room.run("imgverify -q").ok("");
}

/// Each change of a record, and what is said of it.
#[test]
fn hostile_records_are_refused() {
    let room = room();
    room.run("imgsave --since base.receipt -o bundle.tar app.tar:app:1")
        .ok("");
    let members = members(&room.path("bundle.tar"));
    let shared = build::digest(&base().blobs()[0]);
    let size = base().blobs()[0].len();
    let changed = |name: &str, change: &dyn Fn(&mut Value)| {
        let mut files = Files::of(members.clone());
        files.edit("imgkit-bundle.json", change);
        room.write(name, &files.tar());
    };
    changed("schema.tar", &|record| {
        record["schema"] = json!("imgkit-bundle/2")
    });
    room.run("imgload schema.tar")
        .fails("imgload: schema.tar: imgkit-bundle.json: schema: expected imgkit-bundle/1, found imgkit-bundle/2\n");
    room.run("imgverify schema.tar").code(1).says("[schema]\n");
    changed("size.tar", &|record| {
        record["omitted"][0]["size"] = json!(1)
    });
    room.run("imgload size.tar").fails(&format!(
        "imgload: size.tar: {shared}: size mismatch: expected {size} bytes, found 1\n"
    ));
    room.run("imgverify size.tar")
        .code(1)
        .says("[blob-absent]\n");
    changed("two.tar", &|record| {
        let other = json!({"digest": shared, "size": 1});
        record["omitted"]
            .as_array_mut()
            .expect("a list")
            .push(other);
    });
    room.run("imgload two.tar").fails(&format!(
        "imgload: two.tar: imgkit-bundle.json: ambiguous: {shared} is omitted with the sizes {size} and 1\n"
    ));
    changed("count.tar", &|record| record["blobs"] = json!(1000));
    room.run("imgverify count.tar")
        .code(1)
        .says("[ambiguous]\n");
    changed("path.tar", &|record| {
        record["omitted"][0]["digest"] = json!("sha256:../../etc/passwd")
    });
    room.run("imgload path.tar")
        .code(2)
        .complains("invalid digest");
    // A bundle that omits what nobody has, and what it does not need.
    let nobody = build::digest(b"nobody has this");
    changed("nobody.tar", &|record| {
        let other = json!({"digest": nobody, "size": 15});
        record["omitted"]
            .as_array_mut()
            .expect("a list")
            .push(other);
    });
    room.run("imgload -q nobody.tar").code(1);
    room.run("imgload -q base.tar").code(0);
    room.run("imgload nobody.tar").ok("Loaded image: app:1\n");
    let mut files = Files::of(members.clone());
    files.put(
        "imgkit-bundle.json",
        b"{\"schema\":\"imgkit-bundle/1\",".to_vec(),
    );
    room.write("json.tar", &files.tar());
    room.run("imgload json.tar")
        .code(2)
        .complains("imgkit-bundle.json: invalid JSON");
    room.run("imgload --limit receipt-lines=1 two.tar")
        .code(2)
        .complains("lines of a receipt: limit exceeded");
}

/// Every line of a receipt that is changed, left out or repeated is an error that names a line.
#[test]
fn edited_and_truncated_receipts_name_the_line() {
    let room = room();
    let good = receipt(&[&base()], "", &[]);
    let lines: Vec<&str> = good.lines().collect();
    let refused = |text: &str, line: usize, why: &str| {
        room.write("bad", text.as_bytes());
        let run = room.run("imgsave --since bad -o x.tar app.tar");
        run.code(2);
        let start = format!("imgsave: bad: invalid receipt: line {line}: {why}");
        assert!(run.err().starts_with(&start), "{}\n{start}", run.err());
        assert!(!room.path("x.tar").exists());
    };
    let joined = |lines: &[&str]| {
        lines
            .iter()
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    };
    for end in 1..lines.len() {
        refused(
            &joined(&lines[..end]),
            end + 1,
            "cut off: expected the end line",
        );
    }
    for gone in 1..lines.len() - 1 {
        let mut some = lines.clone();
        some.remove(gone);
        refused(
            &joined(&some),
            lines.len() - 1,
            "edited: expected 3 lines before it, found 2",
        );
    }
    let cut = &good[..lines[0].len() + 30];
    refused(cut, 2, "expected a JSON object");
    let mut twice = lines.clone();
    twice.insert(2, twice[1]);
    refused(&joined(&twice), 3, "sha256:");
    let mut swapped = lines.clone();
    swapped.swap(1, 2);
    refused(
        &joined(&swapped),
        3,
        "the digest is not greater than the one before",
    );
    let size = format!(
        "{},\"size\":1}}",
        lines[1].split_once(",\"size\"").expect("a size").0
    );
    let mut edited = lines.clone();
    edited[1] = &size;
    refused(
        &joined(&edited),
        5,
        "edited: lines 1 to 4 have the SHA-256 ",
    );
    let mut sizes = lines.clone();
    sizes.insert(2, &size);
    let text = joined(&sizes);
    room.write("bad", text.as_bytes());
    room.run("imgsave --since bad -o x.tar app.tar")
        .complains("is listed twice, with the sizes ");
    refused(&(good.clone() + "x\n"), 6, "unexpected line after the end");
    refused(
        "{\"schema\":\"imgkit-receipt/2\"}\n",
        1,
        "schema: expected imgkit-receipt/1, found imgkit-receipt/2",
    );
    let list = format!("{}\nsha256:short\n", base().id());
    refused(&list, 2, "invalid digest 'sha256:short'");
    let long = format!(
        "{{\"schema\":\"imgkit-receipt/1\",\"label\":\"{}\"}}\n",
        "x".repeat(70_000)
    );
    room.write("bad", long.as_bytes());
    room.run("imgsave --since bad -o x.tar app.tar")
        .code(2)
        .complains("line 1: name: limit exceeded");
    room.run("imgsave --limit receipt-lines=2 --since base.receipt -o x.tar app.tar")
        .code(2)
        .complains("lines of a receipt: limit exceeded: expected at most 2, found 3\nhint: --limit receipt-lines=");
}

/// An image of some of five layers.
fn image(name: &str, layers: &BTreeSet<u8>) -> Image {
    let layers = layers.iter();
    layers.fold(build::image(name), |image, layer| {
        let image = image.layer(&format!("f file{layer} {layer}"));
        match layer % 2 {
            0 => image.packed(Pack::Gzip),
            _ => image,
        }
    })
}

fn layers() -> impl Strategy<Value = BTreeSet<u8>> {
    prop::collection::btree_set(0..5_u8, 1..4)
}

/// What a site has, as a slow model keeps it.
#[derive(Default)]
struct Model {
    names: BTreeMap<String, String>,
    blobs: BTreeSet<String>,
}

impl Model {
    fn load(&mut self, images: &[Image]) {
        for image in images {
            self.names.insert(image.names[0].clone(), image.id());
            self.blobs.extend(blobs_of(&[image]).into_keys());
        }
    }
}

/// Names and IDs of a store, and its blobs.
fn found(room: &Room, store: &str) -> (BTreeMap<String, String>, BTreeSet<String>) {
    let format = "{{.Repository}}:{{.Tag}} {{.ID}}";
    let run = room.run(&format!(
        "imgls --store {store} --no-trunc --format '{format}' --filter dangling=false"
    ));
    let lines = run.code(0).out().lines();
    let names = lines.filter_map(|line| line.split_once(' '));
    let names = names
        .map(|(name, id)| (name.to_owned(), id.to_owned()))
        .collect();
    let directory = room.path(store).join("blobs/sha256");
    let blobs = fs::read_dir(directory).into_iter().flatten().map(|entry| {
        let name = entry.expect("an entry").file_name();
        format!("sha256:{}", name.to_string_lossy())
    });
    (names, blobs.collect())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 6,
        failure_persistence: None,
        rng_seed: prop::test_runner::RngSeed::Fixed(20_260_101),
        ..ProptestConfig::default()
    })]

    /// Three sites have different images to begin with, and get each round as a bundle for their own receipt, one of them
    /// for a ledger. Bundles are lost, repeated and arrive in the wrong order; in the end all have the same.
    #[test]
    fn three_sites_end_equal(
        start in prop::collection::vec(layers(), 3),
        rounds in prop::collection::vec((0..3_u8, layers()), 2..4),
        lost in prop::collection::vec(any::<bool>(), 4),
        backwards in any::<bool>(),
    ) {
        let room = Room::new();
        let mut model = Model::default();
        let mut last: BTreeMap<String, Image> = BTreeMap::new();
        for (site, layers) in start.iter().enumerate() {
            let first = image(&format!("start{site}:1"), layers);
            room.write("start.tar", &build::oci(&[&first]).tar());
            room.run(&format!("imgload -q --store site{site} start.tar")).code(0);
        }
        room.run("imgls --store site2 --receipt").code(0);
        let ledger = room.run("imgls --store site2 --receipt").out().to_owned();
        room.write("ledger", ledger.as_bytes());
        let mut bundles: Vec<Vec<String>> = vec![Vec::new(); 3];
        for (round, (name, layers)) in rounds.iter().enumerate() {
            let next = image(&format!("app{name}:1"), layers);
            model.load(std::slice::from_ref(&next));
            last.insert(next.names[0].clone(), next);
            let images: Vec<&Image> = last.values().collect();
            room.write("low.tar", &build::oci(&images).tar());
            for (site, bundles) in bundles.iter_mut().enumerate() {
                let bundle = format!("{site}-{round}.tar");
                let since = match site {
                    2 => "--ledger ledger",
                    _ => "--since receipt",
                };
                let receipt = room.run(&format!("imgls --store site{site} --receipt --brief"));
                room.write("receipt", receipt.code(0).out().as_bytes());
                room.run(&format!("imgsave {since} -o {bundle} low.tar"))
                    .code(0);
                // Those for a receipt are complete with the site as it was; those for a ledger need all before them.
                match site != 2 && lost.get(round) == Some(&true) {
                    true => {}
                    false => bundles.push(bundle),
                }
            }
        }
        for (site, bundles) in bundles.iter().enumerate() {
            let mut order: Vec<&str> = bundles.iter().map(String::as_str).collect();
            if backwards {
                order.reverse();
            }
            order.extend(bundles.first().map(String::as_str));
            let all = order.join(" ");
            if !all.is_empty() {
                room.run(&format!("imgload -q --partial --store site{site} {all}")).code(0);
            }
            // The last word: names as they are at the low side now.
            let receipt = room.run(&format!("imgls --store site{site} --receipt"));
            room.write("receipt", receipt.code(0).out().as_bytes());
            room.run("imgsave --since receipt -o last.tar low.tar").code(0);
            room.run(&format!("imgload -q --store site{site} last.tar")).code(0);
            room.run(&format!("imgverify -q site{site}")).ok("");
            let (names, blobs) = found(&room, &format!("site{site}"));
            let mut expected = model.names.clone();
            let first = image(&format!("start{site}:1"), &start[site]);
            expected.insert(first.names[0].clone(), first.id());
            prop_assert_eq!(names, expected);
            let newest: Vec<&Image> = last.values().chain([&first]).collect();
            let needed: BTreeSet<String> = blobs_of(&newest).into_keys().collect();
            prop_assert!(blobs.is_superset(&needed));
            let mut all = model.blobs.clone();
            all.extend(blobs_of(&[&first]).into_keys());
            prop_assert!(blobs.is_subset(&all));
        }
    }
}
