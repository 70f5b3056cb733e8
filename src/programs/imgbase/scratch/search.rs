//! Search of libraries as by loaders: `ld.so(8)` of glibc, and musl's `ldso/dynlink.c`.

use crate::elf::{Elf, Libc, Target, machine};
use crate::error::Result;
use crate::programs::imgbase::loader_config;
use crate::programs::imgbase::root::Root;

/// A loaded file.
#[derive(Debug, Clone)]
pub struct Object {
    /// Facts of the ELF file.
    pub elf: Elf,
    /// Directory below the root, the value of `$ORIGIN`.
    pub origin: Vec<u8>,
    /// Directory in the image.
    pub new_origin: Vec<u8>,
    /// Index of the object that needs it; `None` for a program.
    pub loader: Option<usize>,
}

/// A directory of libraries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Path below the root.
    pub path: Vec<u8>,
    /// Path in the image.
    pub new: Vec<u8>,
    /// True if only glibc's `ld.so.conf` names it, so that a loader needs its cache to find it.
    pub by_cache: bool,
}

impl Directory {
    fn same(path: impl Into<Vec<u8>>) -> Self {
        let path = path.into();
        Directory {
            new: path.clone(),
            path,
            by_cache: false,
        }
    }
}

/// Returns the directories in which libraries of `objects[of]` are looked up, in their order.
///
/// # Errors
/// As [`Root::text`], for the loader's configuration.
pub fn directories(
    root: &Root,
    objects: &[Object],
    of: usize,
    libc: Libc,
) -> Result<Vec<Directory>> {
    let mut directories = Vec::new();
    let Some(object) = objects.get(of) else {
        return Ok(directories);
    };
    let mut chain = Vec::new();
    let mut next = Some(of);
    while let Some(i) = next
        && chain.len() < objects.len()
    {
        chain.push(i);
        next = objects.get(i).and_then(|object| object.loader);
    }
    let chain = chain.iter().filter_map(|i| objects.get(*i));
    match libc {
        Libc::Glibc => {
            if object.elf.runpath.is_none() {
                for object in chain.filter(|object| object.elf.runpath.is_none()) {
                    expand(object.elf.rpath.as_deref(), object, &mut directories);
                }
            }
            expand(object.elf.runpath.as_deref(), object, &mut directories);
            let configured = loader_config::directories(root)?;
            let usual = usual(object.elf.target);
            directories.extend(configured.into_iter().map(|path| Directory {
                by_cache: !usual.iter().any(|known| known.as_bytes() == path),
                ..Directory::same(path)
            }));
        }
        Libc::Musl => {
            for object in chain {
                let path = object.elf.runpath.as_deref();
                expand(
                    path.or(object.elf.rpath.as_deref()),
                    object,
                    &mut directories,
                );
            }
            let file = format!("etc/ld-musl-{}.path", platform(object.elf.target));
            let default = b"/lib:/usr/local/lib:/usr/lib".to_vec();
            let path = root.text(file.as_bytes())?.unwrap_or(default);
            let path = path.split(|byte| matches!(byte, b':' | b'\n'));
            directories.extend(path.filter(|path| !path.is_empty()).map(Directory::same));
            return Ok(directories);
        }
    }
    directories.extend(usual(object.elf.target).into_iter().map(Directory::same));
    Ok(directories)
}

/// Returns the built-in directories of a loader.
fn usual(target: Target) -> Vec<String> {
    let mut directories = Vec::new();
    if let Some(triplet) = triplet(target) {
        directories.push(format!("/lib/{triplet}"));
        directories.push(format!("/usr/lib/{triplet}"));
    }
    let wide = match (target.is_64, target.machine) {
        (true, machine::RISCV) => &["lib64/lp64d", "lib64"][..],
        (true, _) => &["lib64"],
        (false, machine::X86_64) => &["libx32"],
        (false, machine::I386) => &["lib32"],
        _ => &[],
    };
    for name in wide.iter().chain([&"lib"]) {
        directories.push(format!("/{name}"));
        directories.push(format!("/usr/{name}"));
    }
    directories
}

/// Returns Debian's name of a machine's library directory.
pub fn triplet(target: Target) -> Option<&'static str> {
    use crate::elf::Abi;
    Some(match (target.machine, target.is_64, target.is_big_endian) {
        (machine::X86_64, true, _) => "x86_64-linux-gnu",
        (machine::X86_64, false, _) => "x86_64-linux-gnux32",
        (machine::I386, ..) => "i386-linux-gnu",
        (machine::AARCH64, _, false) => "aarch64-linux-gnu",
        (machine::ARM, ..) if target.abi() == Abi::SoftFloat => "arm-linux-gnueabi",
        (machine::ARM, ..) => "arm-linux-gnueabihf",
        (machine::PPC64, _, false) => "powerpc64le-linux-gnu",
        (machine::PPC64, _, true) => "powerpc64-linux-gnu",
        (machine::S390, true, _) => "s390x-linux-gnu",
        (machine::RISCV, true, _) => "riscv64-linux-gnu",
        (machine::LOONGARCH, true, _) => "loongarch64-linux-gnu",
        (machine::MIPS, true, false) => "mips64el-linux-gnuabi64",
        (machine::MIPS, false, false) => "mipsel-linux-gnu",
        _ => return None,
    })
}

/// Returns the value of `$PLATFORM`, which is also musl's name of the machine.
fn platform(target: Target) -> &'static str {
    match (target.machine, target.is_64, target.is_big_endian) {
        (machine::X86_64, true, _) => "x86_64",
        (machine::X86_64, false, _) => "x32",
        (machine::I386, ..) => "i386",
        (machine::AARCH64, ..) => "aarch64",
        (machine::ARM, ..) => "armhf",
        (machine::PPC64, _, false) => "powerpc64le",
        (machine::PPC64, _, true) => "powerpc64",
        (machine::S390, ..) => "s390x",
        (machine::RISCV, ..) => "riscv64",
        (machine::LOONGARCH, ..) => "loongarch64",
        (machine::MIPS, true, _) => "mips64",
        (machine::MIPS, ..) => "mips",
        _ => "unknown",
    }
}

/// Adds the directories of `DT_RPATH` or `DT_RUNPATH`, with variables expanded.
fn expand(path: Option<&[u8]>, object: &Object, directories: &mut Vec<Directory>) {
    for part in path.unwrap_or_default().split(|byte| *byte == b':') {
        // An empty part is the current directory of the program, which is unknown.
        if part.is_empty() {
            continue;
        }
        let target = object.elf.target;
        let mut libs = vec![if target.is_64 { "lib64" } else { "lib" }.to_owned()];
        libs.extend(triplet(target).map(|triplet| format!("lib/{triplet}")));
        libs.push("lib".to_owned());
        let has_lib = replace(part, "LIB", b"") != part;
        for lib in libs.iter().take(if has_lib { libs.len() } else { 1 }) {
            let part = replace(part, "LIB", lib.as_bytes());
            let part = replace(&part, "PLATFORM", platform(target).as_bytes());
            directories.push(Directory {
                path: replace(&part, "ORIGIN", &object.origin),
                new: replace(&part, "ORIGIN", &object.new_origin),
                by_cache: false,
            });
        }
    }
}

/// Replaces `$NAME` and `${NAME}`.
fn replace(text: &[u8], name: &str, by: &[u8]) -> Vec<u8> {
    let forms = [format!("${{{name}}}"), format!("${name}")];
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.first() {
        let form = forms.iter().find(|form| {
            let after = rest.strip_prefix(form.as_bytes());
            after.is_some_and(|after| {
                form.ends_with('}') || !after.first().is_some_and(u8::is_ascii_alphanumeric)
            })
        });
        match form {
            Some(form) => {
                out.extend(by);
                rest = &rest[form.len()..];
            }
            None => {
                out.push(*first);
                rest = &rest[1..];
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_paths_are_replaced() {
        for (text, expected) in [
            ("$ORIGIN/../lib", "/opt/../lib"),
            ("${ORIGIN}x", "/optx"),
            ("$ORIGINAL", "$ORIGINAL"),
            ("/a$", "/a$"),
        ] {
            let found = replace(text.as_bytes(), "ORIGIN", b"/opt");
            assert_eq!(String::from_utf8_lossy(&found), expected);
        }
    }

    #[test]
    fn a_runpath_puts_rpaths_out_of_force_and_rpaths_come_down() {
        let object = |rpath: Option<&str>, runpath: Option<&str>, loader| Object {
            elf: Elf {
                rpath: rpath.map(|path| path.as_bytes().to_vec()),
                runpath: runpath.map(|path| path.as_bytes().to_vec()),
                target: Target {
                    is_64: true,
                    machine: machine::X86_64,
                    ..Target::default()
                },
                ..Elf::default()
            },
            origin: b"/o".to_vec(),
            new_origin: b"/n".to_vec(),
            loader,
        };
        let directory = tempfile::tempdir().expect("a directory");
        let root = Root::at(directory.path());
        std::fs::create_dir_all(directory.path().join("etc/d")).expect("a directory");
        std::fs::write(
            directory.path().join("etc/ld.so.conf"),
            "include d/*.conf # x\n",
        )
        .expect("a file");
        std::fs::write(directory.path().join("etc/d/a.conf"), "/opt/lib\n").expect("a file");
        let objects = [
            object(Some("/r"), None, None),
            object(Some("$ORIGIN/s"), None, Some(0)),
            object(Some("/t"), Some("/u"), Some(0)),
        ];
        let display = |of, libc| {
            let directories = directories(&root, &objects, of, libc).expect("directories");
            let texts = directories.iter().map(|directory| {
                let (path, new) = (
                    String::from_utf8_lossy(&directory.path),
                    String::from_utf8_lossy(&directory.new),
                );
                if path == new {
                    path.into_owned()
                } else {
                    format!("{path}={new}")
                }
            });
            texts.collect::<Vec<_>>().join(" ")
        };
        let usual = "/opt/lib /lib/x86_64-linux-gnu /usr/lib/x86_64-linux-gnu /lib64 /usr/lib64 /lib /usr/lib";
        assert_eq!(display(1, Libc::Glibc), format!("/o/s=/n/s /r {usual}"));
        assert_eq!(display(2, Libc::Glibc), format!("/u {usual}"));
        assert_eq!(display(2, Libc::Musl), "/u /r /lib /usr/local/lib /usr/lib");
    }
}
