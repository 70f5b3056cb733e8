//! Owners and modes of the files of a tree, from a separate file: an mtree specification or a save file of fakeroot.
//!
//! A tree that was unpacked without privileges belongs to the user; the intended owners are stated elsewhere. Of an
//! `mtree(5)` specification the keywords `uid`, `gid`, `uname`, `gname` and `mode` are applied, with `/set` and `/unset`,
//! for relative and full paths; other keywords are ignored. Of the file that `fakeroot -s` writes the lines of files in the
//! directory are applied, device nodes included.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Base;
use super::emulation::Accounts;
use crate::base::rootfs::Kind;
use crate::error::{At, During, Error, Fault, Result};

/// Stated attributes of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Attributes {
    uid: Option<u32>,
    gid: Option<u32>,
    user: Option<String>,
    group: Option<String>,
    mode: Option<u16>,
}

/// A file of owners and modes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerFile(Format);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Format {
    /// Attributes by path.
    Mtree(Vec<(Vec<u8>, Attributes)>),
    /// Entries by device and inode.
    Fakeroot(HashMap<(u64, u64), FakerootEntry>),
}

/// An entry of a save file of fakeroot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FakerootEntry {
    mode: u32,
    uid: u32,
    gid: u32,
    device: u64,
}

fn invalid<T>(line: usize, why: &str) -> Result<T> {
    Err(Fault::Usage(format!("line {line}: {why}")).into())
}

impl OwnerFile {
    /// Parses a file; the format is detected.
    ///
    /// # Errors
    /// `Usage` with the number of the first invalid line.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let is_fakeroot = bytes.starts_with(b"dev=");
        Ok(OwnerFile(match is_fakeroot {
            true => Format::Fakeroot(fakeroot(bytes)?),
            false => Format::Mtree(mtree(bytes)?),
        }))
    }

    /// Applies owners and modes to a tree. `directory` is its source, unless that was an archive. Returns the number of
    /// entries for missing files.
    ///
    /// # Errors
    /// `Usage` for a name without an account in the tree, and for a save file of fakeroot where the source is an archive.
    pub fn apply(&self, base: &mut Base, directory: Option<&Path>) -> Result<usize> {
        match (&self.0, directory) {
            (Format::Mtree(lines), _) => by_path(base, lines),
            (Format::Fakeroot(saved), Some(directory)) => by_inode(base, saved, directory),
            (Format::Fakeroot(_), None) => {
                let why = "a save file of fakeroot requires a directory as input";
                Err(Fault::Usage(why.into()).into())
            }
        }
    }
}

/// Function that returns the number of an account.
type Find = fn(&Accounts, &str) -> Option<u32>;

fn by_path(base: &mut Base, lines: &[(Vec<u8>, Attributes)]) -> Result<usize> {
    let accounts = Accounts::of(&base.rootfs)?;
    let mut unused = 0;
    for (path, attributes) in lines {
        let context = || String::from_utf8_lossy(path).into_owned();
        let unknown = |name: &str| {
            let why = format!("unknown account '{name}': not in the tree's /etc");
            Error::new(Fault::Usage(why))
        };
        let resolved = base.rootfs.resolve(path)?;
        let Some(node) = base.rootfs.get_mut(&resolved) else {
            unused += 1;
            continue;
        };
        let number = |id: Option<u32>, name: &Option<String>, find: Find| match (id, name) {
            (None, Some(name)) => {
                let found = find(&accounts, name).ok_or_else(|| unknown(name));
                found.map(Some).at(context)
            }
            (id, _) => Ok(id),
        };
        let uid = number(attributes.uid, &attributes.user, Accounts::uid)?;
        let gid = number(attributes.gid, &attributes.group, Accounts::gid)?;
        node.uid = uid.unwrap_or(node.uid);
        node.gid = gid.unwrap_or(node.gid);
        // The mode of a link has no meaning, and differs between systems.
        if !matches!(node.kind, Kind::Symlink(_)) {
            node.mode = attributes.mode.unwrap_or(node.mode);
        }
    }
    Ok(unused)
}

fn by_inode(
    base: &mut Base,
    saved: &HashMap<(u64, u64), FakerootEntry>,
    directory: &Path,
) -> Result<usize> {
    let paths: Vec<Vec<u8>> = base
        .rootfs
        .walk()
        .map(|named| named.path.to_vec())
        .collect();
    let mut used = std::collections::HashSet::new();
    for path in paths {
        let outside = directory.join(std::ffi::OsStr::from_bytes(&path));
        let metadata = std::fs::symlink_metadata(&outside)
            .during("read")
            .at(|| outside.to_string_lossy().into_owned())?;
        let key = (metadata.dev(), metadata.ino());
        let (Some(one), Some(node)) = (saved.get(&key), base.rootfs.get_mut(&path)) else {
            continue;
        };
        used.insert(key);
        (node.uid, node.gid) = (one.uid, one.gid);
        let number = || (rustix::fs::major(one.device), rustix::fs::minor(one.device));
        match one.mode & 0o170_000 {
            0o020_000 => node.kind = Kind::CharDevice(number().0.into(), number().1.into()),
            0o060_000 => node.kind = Kind::BlockDevice(number().0.into(), number().1.into()),
            _ => {}
        }
        if !matches!(node.kind, Kind::Symlink(_)) {
            node.mode = permissions(one.mode);
        }
    }
    Ok(saved.len() - used.len())
}

/// Returns the twelve permission bits of a mode.
fn permissions(mode: u32) -> u16 {
    (mode & 0o7777) as u16
}

/// Parses lines like `dev=fe00,ino=12,mode=100644,uid=0,gid=0,nlink=1,rdev=0`: device numbers are hexadecimal, the mode is
/// octal.
fn fakeroot(bytes: &[u8]) -> Result<HashMap<(u64, u64), FakerootEntry>> {
    let mut all = HashMap::new();
    for (i, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        let text = String::from_utf8_lossy(line);
        let field = |name: &str, radix: u32| -> Option<u64> {
            let fields = text.split(',');
            let mut values = fields.filter_map(|field| field.trim().strip_prefix(name));
            u64::from_str_radix(values.next()?.strip_prefix('=')?, radix).ok()
        };
        let short = |name: &str, radix: u32| u32::try_from(field(name, radix)?).ok();
        let read = || {
            let saved = FakerootEntry {
                mode: short("mode", 8)?,
                uid: short("uid", 10)?,
                gid: short("gid", 10)?,
                device: field("rdev", 16).unwrap_or_default(),
            };
            Some(((field("dev", 16)?, field("ino", 10)?), saved))
        };
        match read() {
            Some((key, saved)) => {
                all.insert(key, saved);
            }
            None => return invalid(i + 1, "expected dev=, ino=, mode=, uid= and gid="),
        }
    }
    Ok(all)
}

fn mtree(bytes: &[u8]) -> Result<Vec<(Vec<u8>, Attributes)>> {
    let mut all = Vec::new();
    let mut set: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
    let mut here: Vec<Vec<u8>> = Vec::new();
    let mut lines = bytes.split(|byte| *byte == b'\n').enumerate();
    while let Some((number, first)) = lines.next() {
        let number = number + 1;
        let mut line = first.trim_ascii().to_vec();
        while line.last() == Some(&b'\\') {
            line.pop();
            let Some((_, next)) = lines.next() else { break };
            line.push(b' ');
            line.extend(next.trim_ascii());
        }
        let mut words = line
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        let Some(name) = words.next().filter(|name| name[0] != b'#') else {
            continue;
        };
        match name {
            b"/set" => {
                set.extend(words.map(pair));
                continue;
            }
            b"/unset" => {
                for word in words {
                    match word {
                        b"all" => set.clear(),
                        word => drop(set.remove(word)),
                    }
                }
                continue;
            }
            b".." => {
                here.pop();
                continue;
            }
            _ => {}
        }
        let own: Vec<(Vec<u8>, Vec<u8>)> = words.map(pair).collect();
        let mut keys = set.clone();
        // A name on the line overrides a default number, and vice versa.
        for (name, other) in [
            ("uname", "uid"),
            ("uid", "uname"),
            ("gname", "gid"),
            ("gid", "gname"),
        ] {
            if own.iter().any(|(key, _)| key == name.as_bytes()) {
                keys.remove(other.as_bytes());
            }
        }
        keys.extend(own);
        let Some(name) = unescape(name) else {
            return invalid(number, "invalid escape in the file name");
        };
        let is_full = name.contains(&b'/');
        let is_directory = keys.get(&b"type"[..]).is_some_and(|kind| kind == b"dir");
        let path = match (is_full, &name[..]) {
            (true, name) => name.to_vec(),
            (false, b".") => here.join(&b'/'),
            (false, name) => {
                let mut parts = here.clone();
                parts.push(name.to_vec());
                parts.join(&b'/')
            }
        };
        if is_directory && !is_full && name != b"." {
            here.push(name);
        }
        let Some(attributes) = attributes(&keys) else {
            return invalid(
                number,
                "invalid value: expected a number for uid and gid, an octal mode",
            );
        };
        let path = crate::layer::clean_path(&path).path.into_owned();
        if attributes != Attributes::default() {
            all.push((path, attributes));
        }
    }
    Ok(all)
}

fn pair(word: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let cut = word.iter().position(|byte| *byte == b'=');
    let cut = cut.unwrap_or(word.len());
    let value = word.get(cut + 1..).unwrap_or_default();
    (word[..cut].to_vec(), value.to_vec())
}

fn attributes(keys: &HashMap<Vec<u8>, Vec<u8>>) -> Option<Attributes> {
    let text = |name: &str| {
        let value = keys.get(name.as_bytes())?;
        Some(String::from_utf8_lossy(value).into_owned())
    };
    // The largest number means no user to many programs.
    let number = |name: &str| match text(name) {
        None => Some(None),
        Some(text) => Some(Some(text.parse().ok().filter(|id| *id != u32::MAX)?)),
    };
    let mode = match text("mode") {
        None => None,
        Some(text) => Some(permissions(u32::from_str_radix(&text, 8).ok()?)),
    };
    Some(Attributes {
        uid: number("uid")?,
        gid: number("gid")?,
        user: text("uname"),
        group: text("gname"),
        mode,
    })
}

/// Decodes the escapes of `vis(3)` in a name; `None` for an invalid one.
fn unescape(name: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = name;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        let octal = rest.get(..3).and_then(|digits| {
            let text = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(text, 8).ok()
        });
        if let Some(byte) = octal {
            out.push(byte);
            rest = &rest[3..];
            continue;
        }
        let (byte, after) = rest.split_first()?;
        rest = after;
        out.push(match byte {
            b's' => b' ',
            b't' => b'\t',
            b'n' => b'\n',
            b'r' => b'\r',
            b'a' => 7,
            b'b' => 8,
            b'v' => 11,
            b'f' => 12,
            b'\\' | b'#' | b'"' | b'\'' | b'$' | b'*' | b'?' | b'[' => *byte,
            _ => return None,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rootfs::Node;

    fn of(node: Option<&Node>) -> Option<(u32, u32, u16)> {
        node.map(|node| (node.uid, node.gid, node.mode))
    }

    fn base() -> Base {
        let mut base = Base::new(0);
        for path in ["etc/passwd", "etc/group", "bin/a b", "bin/su"] {
            let text = match path {
                "etc/passwd" => "root:x:0:0::/:/bin/sh\nweb:x:33:33::/:/bin/sh\n",
                "etc/group" => "root:x:0:\nshadow:x:42:\n",
                _ => "x",
            };
            let node = Node::file(0o600, text).owned(1000, 1000);
            base.rootfs.put(path.as_bytes(), node).expect("a file");
        }
        base
    }

    #[test]
    fn mtree_paths_are_relative_or_full() {
        let nested = "#mtree\n/set type=file uid=0 gid=0 mode=0755\n.               type=dir\n    bin  type=dir\n\
            a\\040b  mode=0644 \\\n        size=5 sha256digest=ab nochange\n    su  mode=4755 gname=root\n    ..\n..\n";
        let full = "./bin type=dir mode=755 uid=0 gid=0\n./bin/a\\sb type=file uname=root gid=0 mode=0100644\n\
            ./bin/su uid=0 gid=0 mode=4755\n./gone uid=3\n";
        for (text, unused) in [(nested, 0), (full, 1)] {
            let mut base = base();
            let owned = OwnerFile::parse(text.as_bytes()).expect("a specification");
            assert_eq!(owned.apply(&mut base, None).expect("applied"), unused);
            let found = |path: &str| of(base.rootfs.get(path.as_bytes()));
            assert_eq!(found("bin/a b"), Some((0, 0, 0o644)), "{text}");
            assert_eq!(found("bin/su"), Some((0, 0, 0o4755)), "{text}");
            assert_eq!(found("bin"), Some((0, 0, 0o755)), "{text}");
            assert_eq!(found("etc/group"), Some((1000, 1000, 0o600)), "{text}");
        }
    }

    #[test]
    fn errors_state_the_line() {
        for (text, expected) in [
            ("\na uid=x\n", "line 2: invalid value"),
            ("a mode=u+x\n", "line 1: invalid value"),
            ("a\\q uid=0\n", "line 1: invalid escape"),
            ("dev=1,ino=2,mode=9,uid=0,gid=0\n", "line 1: expected dev="),
        ] {
            let error = OwnerFile::parse(text.as_bytes())
                .expect_err("wrong")
                .to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        let owned = OwnerFile::parse(b"bin/su uname=nobody\n").expect("a specification");
        let error = owned.apply(&mut base(), None).expect_err("no account");
        assert!(error.to_string().contains("'nobody'"), "{error}");
        let owned = OwnerFile::parse(b"dev=1,ino=2,mode=100644,uid=0,gid=0,nlink=1,rdev=0\n");
        assert!(owned.expect("saved").apply(&mut base(), None).is_err());
    }
}
