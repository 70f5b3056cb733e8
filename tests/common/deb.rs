//! Packages and trees of files: tars with any owners, and `.deb` files.

use std::path::Path;

/// A time that packages, trees and images have: 2024-01-01T00:00:00Z.
pub const TIME: u64 = 1_704_067_200;

/// A tar of files: path, mode, owner and group, text. A path that ends with `/` is a directory, a text that begins with
/// `->` a link.
pub fn tar_of(entries: &[(&str, u32, (u64, u64), &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, mode, (uid, gid), text) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(*mode);
        header.set_uid(*uid);
        header.set_gid(*gid);
        header.set_mtime(TIME);
        header.set_size(0);
        if let Some(target) = text.strip_prefix("->") {
            header.set_entry_type(tar::EntryType::Symlink);
            tar.append_link(&mut header, path, target).expect("a link");
            continue;
        }
        header.set_entry_type(match path.ends_with('/') {
            true => tar::EntryType::Directory,
            false => tar::EntryType::Regular,
        });
        header.set_size(text.len() as u64);
        tar.append_data(&mut header, path, text.as_bytes())
            .expect("an entry");
    }
    tar.into_inner().expect("a tar")
}

/// A `.deb` of control data, further members of its control archive, and files as root's.
pub fn deb(control: &str, members: &[(&str, &str)], files: &[(&str, u32, &str)]) -> Vec<u8> {
    let mut inside = vec![("./control", 0o644, (0, 0), control)];
    let named: Vec<String> = members
        .iter()
        .map(|(name, _)| format!("./{name}"))
        .collect();
    for (name, (_, text)) in named.iter().zip(members) {
        inside.push((name, 0o755, (0, 0), text));
    }
    let control = tar_of(&inside);
    let mut data = vec![("./".to_owned(), 0o755, "")];
    for (path, mode, text) in files {
        let parts: Vec<&str> = path.split('/').collect();
        for i in 1..parts.len() {
            let folder = format!("./{}/", parts[..i].join("/"));
            if !data.iter().any(|(known, ..)| *known == folder) {
                data.push((folder, 0o755, ""));
            }
        }
        data.push((format!("./{path}"), *mode, text));
    }
    let data: Vec<_> = data
        .iter()
        .map(|(path, mode, text)| (path.as_str(), *mode, (0, 0), *text))
        .collect();
    let data = tar_of(&data);
    let mut ar = b"!<arch>\n".to_vec();
    for (name, bytes) in [
        ("debian-binary", b"2.0\n".as_slice()),
        ("control.tar", &control),
        ("data.tar", &data),
    ] {
        let header = format!(
            "{name:<16}{TIME:<12}0     0     100644  {:<10}`\n",
            bytes.len()
        );
        ar.extend(header.as_bytes());
        ar.extend(bytes);
        if bytes.len() % 2 == 1 {
            ar.push(b'\n');
        }
    }
    ar
}

/// Unpacks a tar into a directory, as whoever runs the test.
pub fn unpack(tar: &[u8], directory: &Path) {
    let mut archive = tar::Archive::new(tar);
    archive.set_preserve_permissions(true);
    archive.set_preserve_mtime(true);
    archive.unpack(directory).expect("a tree");
}
