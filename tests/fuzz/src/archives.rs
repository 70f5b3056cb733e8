//! Archives in every shape, and what the programs do with the images in them.

use std::cell::RefCell;
use std::io::{Cursor, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use imgkit::archive;
use imgkit::archive::{Archive, Half, Open, Pick};
use imgkit::blob::Meter;
use imgkit::layer::Limits;
use imgkit::programs::imghistory::dockerfile::dockerfile;
use imgkit::programs::imghistory::dockerfile_text;
use imgkit::programs::imginspect::inspect;
use imgkit::programs::imginspect::raw::{self, RawArg};
use imgkit::programs::imgls::list::{self, ListOptions};
use imgkit::tree::{Reading, Tree};
use imgkit::verify::{VerifyReport, slack, verify};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::streams::limits;
use super::{Taken, sha256};

pub(super) fn open(examine: bool, only: Option<Half>) -> Open {
    Open {
        limits: limits(),
        examine,
        only,
        ..Open::default()
    }
}

/// A file with those bytes; each thread has one.
pub(super) fn file(bytes: &[u8]) -> PathBuf {
    thread_local! {
        static FILE: RefCell<Option<NamedTempFile>> = const { RefCell::new(None) };
    }
    FILE.with_borrow_mut(|slot| {
        let file = slot.get_or_insert_with(|| NamedTempFile::new().expect("a file"));
        let _ = file.as_raw_fd();
        file.as_file_mut().set_len(0).expect("a file");
        file.seek(SeekFrom::Start(0)).expect("a file");
        file.write_all(bytes).expect("a file");
        file.path().to_owned()
    })
}

/// What an archive holds, in words.
pub(super) fn told(archive: &Archive) -> Vec<String> {
    let mut told = vec![archive.format.to_string()];
    for root in &archive.roots {
        told.push(format!(
            "{:?} {:?} {:?}",
            root.names,
            root.ref_names,
            archive.images_of(root)
        ));
    }
    for image in &archive.images {
        let layers: Vec<_> = image
            .layers
            .iter()
            .map(|layer| {
                (
                    &layer.diff_id,
                    &layer.member,
                    layer.content().map(|content| content.len()),
                )
            })
            .collect();
        told.push(format!("{} {} {layers:?}", image.id, image.platform));
    }
    told
}

/// Looks at all that is small.
pub(super) fn looked(archive: &Archive, limits: &Limits) {
    let _ = archive.container.names(limits);
    let _ = archive.all_faults().map(ToString::to_string).count();
    let _ = archive.check_complete();
    let roots: Vec<_> = archive.roots.iter().collect();
    let images: Vec<_> = archive.images.indices().collect();
    let sizes = archive::measure(archive, &images, limits, &Meter::default());
    let options = ListOptions {
        all: true,
        tree: false,
        platform: None,
    };
    for root in &roots {
        let _ = format!("{:?}", list::list(archive, root, &sizes, options));
    }
    let _ = list::tree(archive, &roots, &sizes);
    for pick in [Pick::Only, Pick::Position(0)] {
        if let Ok(selection) = archive.find(&pick, None) {
            let _ = inspect::inspect(&selection, &sizes);
        }
        for document in [RawArg::Manifest, RawArg::Config, RawArg::Index] {
            let _ = raw::document(archive, &pick, None, document);
        }
    }
    let _ = imgkit::store::usage(&[(archive, None)], limits);
}

/// An archive in a file, to be used and to be examined.
pub fn file_(data: &[u8]) {
    let path = file(data);
    for only in [None, Some(Half::Docker), Some(Half::Oci)] {
        let strict = open(false, only).path(&path);
        let lenient = open(true, only).path(&path);
        match (&strict, &lenient) {
            (Ok(strict), Ok(lenient)) => assert_eq!(told(strict), told(lenient), "examined"),
            (Ok(_), Err(error)) => panic!("it can be used and not examined: {error}"),
            _ => {}
        }
        if let (Ok(archive), None) = (&lenient, only) {
            looked(archive, &limits());
            // Bytes that no image shows are read to their end.
            let shown = slack(archive, &limits(), &mut |_, bytes| {
                std::io::copy(bytes, &mut std::io::sink()).expect("bytes");
                Ok(())
            });
            drop(shown);
            let report = verify(archive, &limits(), &Meter::default());
            let again = verify(archive, &limits(), &Meter::default());
            // Several threads find them; their order says nothing.
            let sorted = |report: &VerifyReport| {
                let findings = report.findings.iter();
                let mut found: Vec<String> = findings.map(|one| format!("{one:?}")).collect();
                found.sort_unstable();
                found
            };
            assert_eq!(sorted(&report), sorted(&again));
            if strict.is_err() {
                assert!(!report.is_sound(), "unusable and sound");
            }
        }
    }
}

/// An archive on a stream, beside the same in a file.
pub fn stream(data: &[u8]) {
    let streamed = open(false, None).stream(Cursor::new(data.to_vec()));
    if let Ok(archive) = &open(true, None).stream(Cursor::new(data.to_vec())) {
        looked(archive, &limits());
    }
    let filed = open(false, None).path(&file(data));
    if let (Ok(streamed), Ok(filed)) = (&streamed, &filed) {
        let (streamed, filed) = (told(streamed), told(filed));
        assert_eq!(streamed, filed, "stream and file");
    }
}

/// A folder: names and contents, of which one letter says whether it is a file, a folder or a link.
pub fn folder(data: &[u8]) {
    let top = tempfile::tempdir().expect("a folder");
    let mut taken = Taken(data);
    let mut count = 0;
    while !taken.0.is_empty() && count < 40 {
        count += 1;
        let kind = taken.byte();
        let name = String::from_utf8_lossy(taken.until(0)).into_owned();
        let clean: Vec<&str> = name
            .split('/')
            .filter(|part| !matches!(*part, "" | "." | ".."))
            .collect();
        if clean.is_empty() || clean.len() > 6 || clean.iter().any(|part| part.len() > 200) {
            continue;
        }
        let path = top.path().join(clean.join("/"));
        if let Some(parent) = path.parent() {
            let _ = std::fs::create_dir_all(parent);
        }
        // What cannot be made is not there.
        let _ = match kind {
            b'd' => std::fs::create_dir(&path),
            b'l' => {
                let target = String::from_utf8_lossy(taken.until(0)).into_owned();
                std::os::unix::fs::symlink(target, &path)
            }
            _ => std::fs::write(&path, taken.part()),
        };
    }
    for examine in [false, true] {
        for only in [None, Some(Half::Docker), Some(Half::Oci), Some(Half::Dir)] {
            if let Ok(archive) = open(examine, only).path(top.path()) {
                looked(&archive, &limits());
                let _ = verify(&archive, &limits(), &Meter::default());
            }
        }
    }
}

/// An OCI layout as a tar, of one image with those documents and layers; what is named by a digest has that digest.
fn layout(config: &[u8], layers: &[(&[u8], &str, Value)]) -> Vec<u8> {
    let mut out = Members::default();
    let describe = |bytes: &[u8], kind: &str| {
        let digest = sha256(bytes);
        (
            format!("blobs/sha256/{}", &digest[7..]),
            json!({"mediaType": kind, "digest": digest, "size": bytes.len()}),
        )
    };
    let (name, config_descriptor) = describe(config, "application/vnd.oci.image.config.v1+json");
    out.add(&name, config);
    let mut listed = Vec::new();
    for (bytes, kind, annotations) in layers {
        let (name, mut descriptor) = describe(bytes, kind);
        out.add(&name, bytes);
        if annotations.is_object() {
            descriptor["annotations"] = annotations.clone();
        }
        listed.push(descriptor);
    }
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({"schemaVersion": 2, "mediaType": kind, "config": config_descriptor, "layers": listed});
    let manifest = manifest.to_string();
    let (name, descriptor) = describe(manifest.as_bytes(), kind);
    out.add(&name, manifest.as_bytes());
    let index = json!({"schemaVersion": 2, "manifests": [descriptor]});
    out.add("index.json", index.to_string().as_bytes());
    out.add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    out.done()
}

/// A tar of plain members.
#[derive(Default)]
pub(super) struct Members {
    tar: Vec<u8>,
    names: std::collections::BTreeSet<String>,
}

impl Members {
    /// Adds a file, once by each name. Returns false for a name that has no place in a header.
    pub(super) fn add(&mut self, name: &str, bytes: &[u8]) -> bool {
        let parts = match name.len() {
            0..=100 => Some(("", name)),
            _ => name.match_indices('/').find_map(|(at, _)| {
                let (prefix, base) = (&name[..at], &name[at + 1..]);
                (prefix.len() <= 155 && base.len() <= 100).then_some((prefix, base))
            }),
        };
        let Some((prefix, base)) = parts else {
            return false;
        };
        if !self.names.insert(name.to_owned()) {
            return true;
        }
        let mut block = [0; 512];
        block[..base.len()].copy_from_slice(base.as_bytes());
        block[345..345 + prefix.len()].copy_from_slice(prefix.as_bytes());
        block[100..108].copy_from_slice(b"0000644\0");
        block[124..136].copy_from_slice(format!("{:011o}\0", bytes.len()).as_bytes());
        block[136..148].copy_from_slice(b"00000000001\0");
        block[148..157].copy_from_slice(b"        0");
        block[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.tar.extend(block);
        self.tar.extend(bytes);
        self.tar.resize(self.tar.len().next_multiple_of(512), 0);
        true
    }

    pub(super) fn done(mut self) -> Vec<u8> {
        self.tar.extend([0; 1024]);
        self.tar
    }
}

/// The digest of the plain layer, which the programs compare before they use what is in it.
fn diff_id(layer: &[u8]) -> String {
    let scan = imgkit::layer::scan(
        layer,
        imgkit::blob::Hasher::default(),
        &limits(),
        &Meter::default(),
    );
    match scan.ok().and_then(|scan| scan.diff_id) {
        Some(digest) => digest.to_string(),
        None => sha256(layer),
    }
}

/// A config and two layers, put together so that all digests hold, and what every program makes of the image.
pub fn image(data: &[u8]) {
    let mut taken = Taken(data);
    let flags = taken.byte();
    let config = taken.part();
    let first = taken.part();
    let second = taken.0;
    let layers: Vec<&[u8]> = [first, second]
        .into_iter()
        .filter(|layer| !layer.is_empty())
        .collect();
    let mut config = config.to_vec();
    if flags & 1 == 0
        && let Ok(mut value @ Value::Object(_)) = serde_json::from_slice::<Value>(&config)
    {
        let diff_ids: Vec<String> = layers.iter().map(|layer| diff_id(layer)).collect();
        value["rootfs"] = json!({"type": "layers", "diff_ids": diff_ids});
        config = value.to_string().into_bytes();
    }
    let tar = if flags & 2 == 0 {
        let kind = [
            "application/vnd.oci.image.layer.v1.tar",
            "application/vnd.oci.image.layer.v1.tar+gzip",
        ];
        let layers: Vec<_> = layers
            .iter()
            .map(|layer| {
                (
                    *layer,
                    kind[usize::from(layer.starts_with(&[0x1f, 0x8b]))],
                    Value::Null,
                )
            })
            .collect();
        layout(&config, &layers)
    } else {
        let mut out = Members::default();
        let name = format!("{}.json", &sha256(&config)[7..]);
        out.add(&name, &config);
        let names: Vec<String> = (0..layers.len())
            .map(|i| format!("{i}/layer.tar"))
            .collect();
        for (name, layer) in names.iter().zip(&layers) {
            out.add(name, layer);
        }
        let manifest = json!([{"Config": name, "RepoTags": ["app:1"], "Layers": names}]);
        out.add("manifest.json", manifest.to_string().as_bytes());
        out.done()
    };
    let Ok(archive) = open(false, None).path(&file(&tar)) else {
        return;
    };
    let (limits, meter) = (limits(), Meter::default());
    looked(&archive, &limits);
    let report = verify(&archive, &limits, &meter);
    let images: Vec<_> = archive.images.indices().collect();
    let sizes = archive::measure(&archive, &images, &limits, &meter);
    for image in &archive.images {
        let history = imgkit::programs::imghistory::history::history(image, &sizes);
        assert!(history.rows.len() >= image.config.history.len());
        if let Ok(file) = dockerfile(image, &[], &limits, &meter) {
            for annotate in [false, true] {
                let text = dockerfile_text::dockerfile(
                    &file,
                    dockerfile_text::Layout {
                        annotate,
                        safe: true,
                    },
                );
                let bad = text
                    .chars()
                    .find(|c| c.is_control() && !matches!(c, '\n' | '\t'));
                assert_eq!(bad, None, "{text:?}");
            }
            let _ = dockerfile_text::dockerfile_rows(&file).count();
        }
        let reading = Reading {
            limits,
            ..Reading::default()
        };
        let tree = reading.list_all(image).and_then(Tree::apply);
        if let Ok(tree) = &tree {
            for past in tree.all_paths() {
                let _ = (past.path(), past.steps());
            }
        } else {
            assert!(!report.is_sound() || image.layers.iter().any(|layer| !layer.is_filesystem()));
        }
        let _ = imgkit::programs::imggraph::installed::installed(image, &limits, &meter);
        if let Ok(export) = imgkit::programs::imgexport::export::Export::listing(
            image,
            &Default::default(),
            &reading,
            None,
        ) {
            assert!(export.items().count() == export.len());
        }
    }
}

/// A layer with a table of contents: the tar, the table, and the tar-split, each as it is before it is packed.
pub fn chunked(data: &[u8]) {
    const PREFIX: &str = "io.github.containers.zstd-chunked";
    let mut taken = Taken(data);
    let flags = taken.byte();
    let table = taken.part();
    let split = taken.part();
    let tar = taken.0;
    let pack = |bytes: &[u8]| zstd::bulk::compress(bytes, 1).expect("bytes in memory");
    let mut blob = pack(tar);
    let mut skippable = |bytes: &[u8]| {
        blob.extend([0x50, 0x2a, 0x4d, 0x18]);
        blob.extend(u32::try_from(bytes.len()).expect("few bytes").to_le_bytes());
        let at = blob.len();
        blob.extend(bytes);
        at
    };
    // The table names the digest of the packed tar-split.
    let packed_split = pack(split);
    let mut table = table.to_vec();
    if let Ok(mut value @ Value::Object(_)) = serde_json::from_slice::<Value>(&table)
        && flags & 1 == 0
    {
        value["tarSplitDigest"] = sha256(&packed_split).into();
        table = value.to_string().into_bytes();
    }
    let packed_table = pack(&table);
    let table_at = skippable(&packed_table);
    let split_at = skippable(&packed_split);
    let mut footer = Vec::new();
    for number in [
        table_at,
        packed_table.len(),
        table.len(),
        1,
        split_at,
        packed_split.len(),
        split.len(),
    ] {
        footer.extend((number as u64).to_le_bytes());
    }
    footer.extend(b"GNUlInUx");
    skippable(&footer);
    let annotations = if flags & 2 == 0 {
        json!({
            format!("{PREFIX}.manifest-checksum"): sha256(&packed_table),
            format!("{PREFIX}.manifest-position"): format!("{table_at}:{}:{}:1", packed_table.len(), table.len()),
            format!("{PREFIX}.tarsplit-position"): format!("{split_at}:{}:{}", packed_split.len(), split.len()),
        })
    } else {
        Value::Null
    };
    let config = json!({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [sha256(tar)]}});
    let kind = "application/vnd.oci.image.layer.v1.tar+zstd";
    let tar = layout(config.to_string().as_bytes(), &[(&blob, kind, annotations)]);
    if let Ok(archive) = open(true, None).path(&file(&tar)) {
        let _ = verify(&archive, &limits(), &Meter::default());
    }
}
