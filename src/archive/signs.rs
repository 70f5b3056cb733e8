//! Beginnings of member names, which tell the kind of an input.

use std::collections::HashSet;

/// Number of name components that can tell the kind of an input: `ROOT/docker/registry/v2`.
pub(super) const SIGN_DEPTH: usize = 4;

/// Beginnings of names, up to [`SIGN_DEPTH`] components.
#[derive(Debug, Default)]
pub(super) struct Signs(HashSet<Vec<u8>>);

impl Signs {
    pub(super) fn add(&mut self, name: &[u8]) {
        let ends = name
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'/')
            .map(|(i, _)| i);
        for end in ends.chain([name.len()]).take(SIGN_DEPTH) {
            if !self.0.contains(&name[..end]) {
                self.0.insert(name[..end].to_vec());
            }
        }
    }

    /// Tests if there are no names.
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(Vec::is_empty)
    }

    /// Tests if that name is at the top.
    pub(super) fn at_top(&self, name: &str) -> bool {
        self.0.contains(name.as_bytes())
    }

    /// Detects an image archive by names at its top that nothing else has: documents, blobs, and the digits of docker
    /// before 25.
    pub(super) fn of_image(&self) -> bool {
        let documents = ["manifest.json", "index.json", "oci-layout", "blobs/sha256"];
        let is_digits = |name: &[u8]| {
            let name = name.strip_suffix(b".json").unwrap_or(name);
            name.len() == 64 && name.iter().all(u8::is_ascii_hexdigit)
        };
        documents.iter().any(|name| self.at_top(name)) || self.0.iter().any(|name| is_digits(name))
    }

    /// Detects a root filesystem, see [`is_root_filesystem`].
    pub(super) fn of_root_filesystem(&self) -> bool {
        is_root_filesystem(|name| self.at_top(name))
    }

    /// Returns the first document of an image below a directory: the image was added to the tar with its directory.
    pub(super) fn image_below(&self) -> Option<String> {
        // Other programs have a manifest.json, too; the files beside it tell.
        let documents = [
            ("index.json", "oci-layout"),
            ("manifest.json", "repositories"),
            ("manifest.json", "version"),
        ];
        let names = self
            .0
            .iter()
            .filter_map(|name| std::str::from_utf8(name).ok());
        let below = names.filter(|name| {
            name.rsplit_once('/').is_some_and(|(directory, base)| {
                let mut documents = documents.iter().filter(|(document, _)| *document == base);
                documents.any(|(_, beside)| self.at_top(&format!("{directory}/{beside}")))
            })
        });
        below
            .min_by_key(|name| (name.matches('/').count(), *name))
            .map(str::to_owned)
    }

    /// Tests if that path is at the top or below other directories.
    pub(super) fn anywhere(&self, path: &str) -> bool {
        let suffix = format!("/{path}");
        self.at_top(path) || self.0.iter().any(|name| name.ends_with(suffix.as_bytes()))
    }
}

/// Detects a root filesystem by the directories at its top.
pub(super) fn is_root_filesystem(has: impl Fn(&str) -> bool) -> bool {
    let directories = [
        "bin", "dev", "etc", "home", "lib", "opt", "proc", "root", "sbin", "tmp", "usr", "var",
    ];
    let found = directories.into_iter().filter(|name| has(name));
    found.count() >= 2
}
