//! Versions for tests.

use std::borrow::Cow;

use super::contents::ContentTest;
use super::facts::{Facts, Kind, Stamp};
use crate::error::{Error, Result};
use crate::facts::ContentFacts;
use crate::glob::Glob;
use crate::layer::Mtime;

/// A version whose facts are fields.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    pub(super) is_hard_link: bool,
    pub(super) size: u64,
    pub(super) mode: u16,
    pub(super) uid: u64,
    pub(super) gid: u64,
    pub(super) mtime: i64,
    pub(super) target: &'static str,
    pub(super) layer: usize,
    pub(super) state: &'static str,
    pub(super) xattrs: Vec<(&'static str, Vec<u8>)>,
    /// Digits of the SHA-256.
    pub(super) digest: &'static str,
    pub(super) links: u64,
    /// Name of the package that lists it.
    pub(super) package: &'static str,
    pub(super) contents: ContentFacts,
}

/// Time that the tests call now.
pub(super) const NOW: i64 = 1_800_000_000;

impl Sample {
    /// A file of 1000 bytes, mode 0644, of user 1 and group 2, an hour old, in layer 2.
    pub(super) fn file(path: &'static str) -> Self {
        Sample {
            path,
            kind: Kind::File,
            is_hard_link: false,
            size: 1000,
            mode: 0o644,
            uid: 1,
            gid: 2,
            mtime: NOW - 3600,
            target: "",
            layer: 2,
            state: "final",
            xattrs: Vec::new(),
            digest: "aabbccdd00112233",
            links: 1,
            package: "",
            contents: ContentFacts::default(),
        }
    }

    pub(super) fn directory(path: &'static str) -> Self {
        Sample {
            kind: Kind::Directory,
            size: 0,
            mode: 0o755,
            ..Sample::file(path)
        }
    }
}

fn id(name: &[u8]) -> Option<u64> {
    match name {
        b"daemon" => Some(1),
        b"bin" => Some(2),
        _ => None,
    }
}

fn name(id: u64) -> Option<Cow<'static, [u8]>> {
    let names: [&[u8]; 3] = [b"root", b"daemon", b"bin"];
    names.get(id as usize).map(|name| Cow::Borrowed(*name))
}

impl Facts for Sample {
    fn path(&self) -> &[u8] {
        self.path.as_bytes()
    }
    fn kind(&self) -> Kind {
        self.kind
    }
    fn is_hard_link(&self) -> bool {
        self.is_hard_link
    }
    fn size(&self) -> u64 {
        self.size
    }
    fn mode(&self) -> u16 {
        self.mode
    }
    fn uid(&self) -> u64 {
        self.uid
    }
    fn gid(&self) -> u64 {
        self.gid
    }
    fn time(&self, stamp: Stamp) -> Option<Mtime> {
        (stamp == Stamp::Modified).then(|| Mtime::from_seconds(self.mtime))
    }
    fn target(&self) -> &[u8] {
        self.target.as_bytes()
    }
    fn entry(&self) -> u64 {
        7
    }
    fn layer(&self) -> usize {
        self.layer
    }
    fn is_in_layer(&self, digits: &str) -> bool {
        "abcd0123".starts_with(digits)
    }
    fn state(&self) -> &'static str {
        self.state
    }
    fn step(&self) -> &str {
        "COPY id_rsa /root/"
    }
    fn gone_by(&self) -> Option<&str> {
        (self.state != "final").then_some("RUN rm -rf /root")
    }
    fn xattr(&self, name: &[u8]) -> Option<&[u8]> {
        let mut xattrs = self.xattrs.iter();
        let found = xattrs.find(|(own, _)| own.as_bytes() == name);
        found.map(|(_, value)| value.as_slice())
    }
    fn user_id(&self, name: &[u8]) -> Result<Option<u64>> {
        Ok(id(name))
    }
    fn group_id(&self, name: &[u8]) -> Result<Option<u64>> {
        Ok(id(name))
    }
    fn user_name(&self) -> Result<Option<Cow<'_, [u8]>>> {
        Ok(name(self.uid))
    }
    fn group_name(&self) -> Result<Option<Cow<'_, [u8]>>> {
        Ok(name(self.gid))
    }
    fn links(&self) -> Result<u64> {
        Ok(self.links)
    }
    fn is_empty_directory(&self) -> Result<bool> {
        Ok(self.path == "empty")
    }
    fn time_of(&self, path: &[u8]) -> Result<Option<Mtime>> {
        match path {
            b"etc/passwd" => Ok(Some(Mtime::from_seconds(NOW - 7200))),
            _ => Err(Error::usage("no such path in the image")),
        }
    }
    fn is_same_file(&self, path: &[u8]) -> Result<bool> {
        Ok(path == self.path.as_bytes())
    }
    fn is_duplicate(&self) -> Result<bool> {
        Ok(self.size == 1000)
    }
    fn has_package(&self, name: &Glob) -> Result<bool> {
        Ok(name.is_match(self.package.as_bytes()))
    }
    fn is_owned(&self) -> Result<bool> {
        Ok(!self.package.is_empty())
    }
    fn is_altered(&self) -> Result<bool> {
        Ok(self.is_owned()? && self.contents.is_text)
    }
    fn is_in_hash_set(&self, number: usize) -> Result<bool> {
        Ok(number == 1)
    }
    fn has_contents(&self, test: &ContentTest, _: usize) -> Result<bool> {
        Ok(test.is_match(&self.contents))
    }
    fn digest(&self) -> Result<Option<String>> {
        let is_known = self.kind == Kind::File;
        Ok(is_known.then(|| format!("{:0<64}", self.digest)))
    }
}
