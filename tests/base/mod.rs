//! imgbase: changes of the user, ready trees, hosts, binaries, and files beside the image. Sources of packages are tested
//! in `tests/imgbase.rs`.

mod packages;
mod ready;
mod trees;

use std::collections::BTreeMap;
use std::io::Read;

use crate::common::deb::{TIME, deb, tar_of};
use crate::common::run::Room;

/// Mode, owner, group, and the text of a file or link at a path.
type Found = (u32, u64, u64, String);

/// The files of an image, by their paths.
fn files(room: &Room, image: &str) -> BTreeMap<String, Found> {
    let output = room.run(&format!("imgexport {image}"));
    output.code(0);
    listed(&output.stdout)
}

fn listed(tar: &[u8]) -> BTreeMap<String, Found> {
    let mut files = BTreeMap::new();
    let mut archive = tar::Archive::new(tar);
    for entry in archive.entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let path = String::from_utf8(entry.path_bytes().into_owned()).expect("a name");
        let header = entry.header();
        let (mode, uid, gid) = (header.mode(), header.uid(), header.gid());
        let link = entry.link_name_bytes().unwrap_or_default();
        let mut text = String::from_utf8_lossy(&link).into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("its bytes");
        text.push_str(&String::from_utf8_lossy(&bytes));
        let found = (
            mode.expect("a mode") & 0o7777,
            uid.expect("an owner"),
            gid.expect("a group"),
            text,
        );
        let path = path.trim_start_matches("./").trim_end_matches('/');
        files.insert(path.to_owned(), found);
    }
    files
}

/// Unpacks a tar into a directory of the test, as the current user.
fn unpack(room: &Room, tar: &[u8], directory: &str) {
    crate::common::deb::unpack(tar, &room.path(directory));
}
