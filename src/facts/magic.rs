//! Kinds of files by their first bytes.

use serde::{Deserialize, Serialize};

/// Kind of a file, by its first bytes. Sources: the formats' own specifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Magic {
    Ar,
    Bzip2,
    Class,
    Elf,
    Gif,
    Gzip,
    Jks,
    Jpeg,
    Macho,
    Pdf,
    Pe,
    Pem,
    Png,
    Rpm,
    Script,
    Sqlite,
    Tar,
    Wasm,
    Xz,
    Zip,
    Zstd,
}

use Magic::{
    Ar, Bzip2, Class, Elf, Gif, Gzip, Jks, Jpeg, Macho, Pdf, Pe, Pem, Png, Rpm, Script, Sqlite,
    Tar, Wasm, Xz, Zip, Zstd,
};

/// Bytes, and where they are.
const TABLE: [(Magic, usize, &[u8]); 29] = [
    (Ar, 0, b"!<arch>\n"),
    (Bzip2, 0, b"BZh"),
    (Elf, 0, b"\x7fELF"),
    (Gif, 0, b"GIF87a"),
    (Gif, 0, b"GIF89a"),
    (Gzip, 0, b"\x1f\x8b\x08"),
    (Jks, 0, b"\xfe\xed\xfe\xed\0\0\0"),
    (Jpeg, 0, b"\xff\xd8\xff"),
    (Macho, 0, b"\xfe\xed\xfa\xce"),
    (Macho, 0, b"\xfe\xed\xfa\xcf"),
    (Macho, 0, b"\xce\xfa\xed\xfe"),
    (Macho, 0, b"\xcf\xfa\xed\xfe"),
    (Pdf, 0, b"%PDF-"),
    (Pe, 0, b"MZ"),
    (Pem, 0, b"-----BEGIN "),
    (Png, 0, b"\x89PNG\r\n\x1a\n"),
    (Rpm, 0, b"\xed\xab\xee\xdb"),
    (Script, 0, b"#!/"),
    (Script, 0, b"#! /"),
    (Sqlite, 0, b"SQLite format 3\0"),
    (Tar, 257, b"ustar\0"),
    (Tar, 257, b"ustar  \0"),
    (Wasm, 0, b"\0asm"),
    (Xz, 0, b"\xfd7zXZ\0"),
    (Zip, 0, b"PK\x03\x04"),
    // Empty, and in parts.
    (Zip, 0, b"PK\x05\x06"),
    (Zip, 0, b"PK\x07\x08"),
    (Zstd, 0, b"\x28\xb5\x2f\xfd"),
    (Pem, 0, b"---- BEGIN SSH2 "),
];

impl Magic {
    /// All kinds, by name.
    pub const ALL: [Magic; 21] = [
        Ar, Bzip2, Class, Elf, Gif, Gzip, Jks, Jpeg, Macho, Pdf, Pe, Pem, Png, Rpm, Script, Sqlite,
        Tar, Wasm, Xz, Zip, Zstd,
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Ar => "ar",
            Bzip2 => "bzip2",
            Class => "class",
            Elf => "elf",
            Gif => "gif",
            Gzip => "gzip",
            Jks => "jks",
            Jpeg => "jpeg",
            Macho => "macho",
            Pdf => "pdf",
            Pe => "pe",
            Pem => "pem",
            Png => "png",
            Rpm => "rpm",
            Script => "script",
            Sqlite => "sqlite",
            Tar => "tar",
            Wasm => "wasm",
            Xz => "xz",
            Zip => "zip",
            Zstd => "zstd",
        }
    }

    /// The kind with a name.
    pub fn of_name(name: &str) -> Option<Self> {
        Magic::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The kind of contents that begin with these bytes.
    pub fn of(head: &[u8]) -> Option<Self> {
        // A class file and a Mach-O file for several machines begin alike: the latter has few of them, and versions of
        // class files begin at 45.
        if head.starts_with(b"\xca\xfe\xba\xbe") {
            let version = head.get(6..8)?;
            let version = u16::from_be_bytes(version.try_into().ok()?);
            return Some(if version >= 45 { Class } else { Macho });
        }
        let found = TABLE.iter().find(|(_, at, bytes)| {
            let own = at
                .checked_add(bytes.len())
                .and_then(|end| head.get(*at..end));
            own == Some(*bytes)
        });
        found.map(|(kind, ..)| *kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_their_first_bytes() {
        for (head, kind) in [
            (&b"\x7fELF\x02"[..], Some(Elf)),
            (b"#!/bin/sh\n", Some(Script)),
            (b"#!bin", None),
            (b"-----BEGIN OPENSSH PRIVATE KEY-----", Some(Pem)),
            (b"\xca\xfe\xba\xbe\0\0\0\x34", Some(Class)),
            (b"\xca\xfe\xba\xbe\0\0\0\x02", Some(Macho)),
            (b"\xca\xfe\xba\xbe", None),
            (b"PK\x05\x06", Some(Zip)),
            (b"", None),
        ] {
            assert_eq!(Magic::of(head), kind, "{head:?}");
        }
        let mut tar = vec![0; 512];
        tar[257..263].copy_from_slice(b"ustar\0");
        assert_eq!(Magic::of(&tar), Some(Tar));
    }

    #[test]
    fn names_are_distinct_and_sorted() {
        let names = Magic::ALL.map(Magic::name);
        assert!(names.is_sorted());
        assert!(
            Magic::ALL
                .iter()
                .all(|kind| Magic::of_name(kind.name()) == Some(*kind))
        );
        for (kind, ..) in TABLE {
            assert!(Magic::ALL.contains(&kind));
        }
    }
}
