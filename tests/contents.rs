//! Contents of the files of many layers: all are read, each once, whatever the storage of the layers.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};

use imgkit::archive::{Archive, Open};
use imgkit::cache::Cache;
use imgkit::contents::{Contents, LayerNo};
use imgkit::tree::{Listing, Reading, Tree};

use crate::common::build::{self, Image};
use crate::common::pack::Pack;
use crate::common::run::Room;
use crate::imgexport::sparse;

/// Two images with a common base and common contents.
fn images(pack: Pack) -> [Image; 2] {
    let base = (0..300).map(|n| format!("f lib/{n} {}", format!("{n} ").repeat(500)));
    let base: Vec<String> = base.collect();
    let base = format!("d lib | {} | f empty ", base.join(" | "));
    ["demo:1", "demo:2"].map(|name| {
        build::image(name)
            .layer(&base)
            .packed(pack)
            .layer("w lib/7 | f lib/8 new | h link lib/9 | f a same | f b same | f a again")
            .packed(pack)
            .layer(&format!(
                "f lib/8 {name} | f c same | d d | f d/e gone | f d late"
            ))
            .packed(pack)
    })
}

fn archive(room: &Room, file: &str) -> Archive {
    Open::default().path(&room.path(file)).expect("an archive")
}

fn images_of(archive: &Archive) -> Vec<&imgkit::archive::Image> {
    archive.images.iter().collect()
}

/// The files of a layer as the tar library reads them: digests by the number of the entry, from 1.
fn files(tar: &[u8]) -> BTreeMap<u64, String> {
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries().expect("a tar").zip(1..);
    entries
        .filter_map(|(entry, number)| {
            let mut entry = entry.expect("an entry");
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("contents");
            let is_file = entry.header().entry_type().is_file();
            is_file.then(|| (number, build::digest(&bytes)))
        })
        .collect()
}

/// Reads everything, and returns the digests of each layer's files and how many contents were read.
fn read_all(
    archive: &Archive,
    reading: &Reading,
    cache: Option<&Cache>,
) -> (Vec<Vec<BTreeMap<u64, String>>>, usize) {
    let mut contents = Contents::new(reading, cache);
    let images = images_of(archive);
    let layers: Vec<Vec<LayerNo>> = images.iter().map(|image| contents.add(image)).collect();
    contents.list();
    for layers in &layers {
        contents.want_all(layers);
    }
    let count = AtomicUsize::new(0);
    let found = contents.read(&|file| {
        count.fetch_add(1, Ordering::Relaxed);
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(|error| imgkit::Error::io("read", error))?;
        assert_eq!(bytes.len() as u64, file.size());
        Ok(Some(build::digest(&bytes)))
    });
    assert!(found.refused().is_empty());
    let of_layer = |layer: &LayerNo, listing: &Listing| {
        let entries = 1..=listing.len() as u64;
        let digest = |entry| Some((entry, found.get((*layer, entry))?.clone()));
        entries.filter_map(digest).collect()
    };
    let all = layers.iter().map(|layers| {
        let listings = contents.listings(layers).expect("listed");
        let pairs = layers.iter().zip(&listings);
        pairs
            .map(|(layer, listing)| of_layer(layer, listing))
            .collect()
    });
    (all.collect(), count.into_inner())
}

#[test]
fn everything_is_read_once_from_any_storage() {
    for pack in [Pack::Plain, Pack::Gzip, Pack::Zstd, Pack::Xz] {
        let made = images(pack);
        let room = Room::with("oci.tar", &build::oci(&[&made[0], &made[1]]));
        let archive = archive(&room, "oci.tar");
        let expected: Vec<Vec<_>> = made
            .iter()
            .map(|image| (0..3).map(|layer| files(image.layer_tar(layer))).collect())
            .collect();
        let layers: BTreeSet<&[u8]> = made
            .iter()
            .flat_map(|image| (0..3).map(|layer| image.layer_tar(layer)))
            .collect();
        let all: usize = layers.iter().map(|layer| files(layer).len()).sum();
        let digests = layers.iter().flat_map(|layer| files(layer).into_values());
        let distinct = digests.collect::<BTreeSet<_>>().len();
        assert!(all > distinct + 5);
        let cache = Cache::open(&room.path("cache")).expect("a cache");
        for digests in [false, true] {
            let reading = Reading {
                digests,
                ..Reading::default()
            };
            let hashed = Reading {
                digests: true,
                ..Reading::default()
            };
            for cache in [None, Some(&cache), Some(&cache)] {
                let (found, count) = read_all(&archive, &reading, cache);
                assert!(found == expected, "{pack:?} {digests} {}", cache.is_some());
                // Distinct layers once at least.
                assert!((distinct..=all).contains(&count), "{pack:?}: {count}");
                let listing = hashed
                    .list(&images_of(&archive)[0].layers[0])
                    .expect("a layer");
                assert_eq!(listing.len(), 302);
            }
            let is_kept = matches!(pack, Pack::Gzip | Pack::Zstd);
            let has_digests = digests && matches!(pack, Pack::Plain) || is_kept;
            let (_, count) = read_all(&archive, &reading, Some(&cache));
            assert_eq!(
                count,
                if has_digests { distinct } else { all },
                "{pack:?} {digests}"
            );
        }
        assert!(cache.save_error().is_none());
    }
}

#[test]
fn only_what_is_wanted_is_read() {
    for pack in [Pack::Plain, Pack::Gzip] {
        let made = images(pack);
        let room = Room::with("oci.tar", &build::oci(&[&made[0]]));
        let archive = archive(&room, "oci.tar");
        let cache = Cache::open(&room.path("cache")).expect("a cache");
        let reading = Reading::default();
        let _ = read_all(&archive, &reading, Some(&cache));
        let mut contents = Contents::new(&reading, Some(&cache));
        let layers = contents.add(images_of(&archive)[0]);
        assert_eq!(contents.add(images_of(&archive)[0]), layers);
        contents.list();
        assert!(contents.is_listed(&layers));
        let tree = Tree::apply(contents.listings(&layers).expect("listed")).expect("a tree");
        let wanted = ["lib/8", "link", "d/e", "b"];
        let mut places = Vec::new();
        for version in tree.versions() {
            let path = String::from_utf8(version.path()).expect("text");
            if let Some((layer, entry)) = version.contents().filter(|_| wanted.contains(&&*path)) {
                contents.want((layers[layer], entry));
                places.push((path, (layers[layer], entry)));
            }
        }
        let found = contents.read(&|file| {
            let mut text = String::new();
            let read = file.take(12).read_to_string(&mut text);
            Ok(read.is_ok().then_some(text))
        });
        let found: Vec<String> = places
            .iter()
            .map(|(path, place)| format!("{path}={}", found.get(*place).expect("read")))
            .collect();
        let expected = [
            "b=same",
            "d/e=gone",
            "lib/8=8 8 8 8 8 8 ",
            "lib/8=new",
            "lib/8=demo:1",
            "link=9 9 9 9 9 9 ",
        ];
        assert_eq!(found, expected, "{pack:?}");
    }
}

/// What the layers share with a damaged one is read elsewhere.
#[test]
fn a_damaged_layer_keeps_the_others() {
    for pack in [Pack::Gzip, Pack::Zstd] {
        let made = images(pack);
        let files = build::oci(&[&made[0]]);
        let room = Room::with("whole.tar", &files);
        let cache = Cache::open(&room.path("cache")).expect("a cache");
        let reading = Reading::default();
        let whole = archive(&room, "whole.tar");
        let (expected, _) = read_all(&whole, &reading, Some(&cache));
        // A byte in the middle of the largest layer.
        let mut bytes = std::fs::read(room.path("whole.tar")).expect("an archive");
        let stored = images_of(&whole)[0].layers[0]
            .digest()
            .expect("a digest")
            .clone();
        let blob = std::fs::read(room.path("whole.tar")).expect("an archive");
        let name = stored.blob_path();
        let at = blob
            .windows(name.len())
            .position(|part| part == name.as_bytes());
        bytes[at.expect("the blob's header") + 512 + 3000] ^= 0x55;
        room.write("damaged.tar", &bytes);
        let damaged = archive(&room, "damaged.tar");
        for cache in [None, Some(&cache), Some(&cache)] {
            let mut contents = Contents::new(&reading, cache);
            let layers = contents.add(images_of(&damaged)[0]);
            contents.list();
            contents.want_all(&layers);
            let found = contents.read(&|file| {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes)
                    .map_err(|error| imgkit::Error::io("read", error))?;
                Ok(Some(build::digest(&bytes)))
            });
            let error = contents.error(layers[0]).expect("damaged").to_string();
            assert!(error.starts_with("layer 1 of 3: blobs/sha256/"), "{error}");
            assert!(contents.listings(&layers).is_err());
            for layer in 0..3 {
                for (&entry, digest) in &expected[0][layer] {
                    let found = found.get((layers[layer], entry));
                    assert_eq!(
                        found,
                        (layer > 0).then_some(digest),
                        "{pack:?} {layer} {entry}"
                    );
                }
            }
        }
    }
}

/// An index that does not match is not believed: the layer is decoded, and the index made again.
#[test]
fn a_wrong_index_changes_nothing() {
    let image = build::image("demo:1")
        .layer(&crate::cache::files(900, 1))
        .packed(Pack::Gzip);
    let room = Room::with("oci.tar", &build::oci(&[&image]));
    let archive = archive(&room, "oci.tar");
    let cache = Cache::open(&room.path("cache")).expect("a cache");
    let (expected, _) = read_all(&archive, &Reading::default(), Some(&cache));
    assert_eq!(expected[0][0], files(image.layer_tar(0)));
    let mut kept = std::fs::read_dir(room.path("cache")).expect("a cache");
    let index = kept.next().expect("an index").expect("a file").path();
    let whole = std::fs::read(&index).expect("a file");
    let mut wrong = whole.clone();
    // The last bytes are those of the last window.
    let at = wrong.len() - 5000;
    wrong[at] ^= 0x40;
    std::fs::write(&index, &wrong).expect("written");
    for _ in 0..2 {
        let (found, _) = read_all(&archive, &Reading::default(), Some(&cache));
        assert!(found == expected);
        assert!(std::fs::read(&index).expect("made again") == whole);
    }
}

#[test]
fn sparse_files_are_read_with_their_holes() {
    let mut layer = build::layer("f a one");
    layer.truncate(layer.len() - 1024);
    layer.extend(sparse(b"holes", 1 << 20, &[b'x'; 512]));
    layer.extend(sparse(b"huge", 2 << 30, &[b'x'; 512]));
    layer.extend([0; 1024]);
    for pack in [Pack::Plain, Pack::Gzip] {
        let image = build::image("demo:1")
            .layer_bytes(layer.clone())
            .packed(pack);
        let room = Room::with("oci.tar", &build::oci(&[&image]));
        let archive = archive(&room, "oci.tar");
        let cache = Cache::open(&room.path("cache")).expect("a cache");
        let reading = Reading::default();
        for cache in [None, Some(&cache), Some(&cache)] {
            let mut contents = Contents::new(&reading, cache);
            let layers = contents.add(images_of(&archive)[0]);
            contents.list();
            contents.want_all(&layers);
            let found = contents.read(&|file| {
                let mut bytes = Vec::new();
                let read = file.read_to_end(&mut bytes);
                Ok(read
                    .ok()
                    .map(|size| (size, bytes.iter().filter(|&&byte| byte != 0).count())))
            });
            let place = |entry| (layers[0], entry);
            assert_eq!(found.get(place(1)), Some(&(3, 3)));
            assert_eq!(found.get(place(2)), Some(&(1 << 20, 512)));
            assert_eq!(found.get(place(3)), None);
            let [(refused, error)] = found.refused() else {
                panic!("{:?}", found.refused());
            };
            assert_eq!(*refused, place(3));
            assert!(
                error
                    .to_string()
                    .starts_with("holes of sparse files in bytes: "),
                "{error}"
            );
        }
    }
}

/// Pieces that do not fit into memory are not held there.
#[test]
fn large_pieces_are_read_from_the_start_of_the_layer() {
    let image = build::image("demo:1")
        .layer("f a one | z zeros 40000000 | f b two")
        .packed(Pack::Zstd);
    let room = Room::with("oci.tar", &build::oci(&[&image]));
    let archive = archive(&room, "oci.tar");
    let cache = Cache::open(&room.path("cache")).expect("a cache");
    let expected = files(image.layer_tar(0));
    for _ in 0..3 {
        let (found, count) = read_all(&archive, &Reading::default(), Some(&cache));
        assert_eq!((&found[0][0], count), (&expected, 3));
    }
}
