//! Bundles of files that programs expect beside their libraries.

use super::closure::{Builder, needs};
use super::search::triplet;
use crate::base::rootfs::Node;
use crate::error::{Fault, Result};

/// Default number of a user, as in other images for unprivileged programs.
const DEFAULT_UID: u32 = 65532;

/// Accounts of every system.
const PASSWD: &str =
    "root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nnogroup:x:65534:\n";
const NSSWITCH: &str = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files\n";

/// A bundle of `--with`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bundle {
    /// Name lookup: accounts, `nsswitch.conf`, the libraries of name services.
    Nss,
    /// Time zones.
    Tz,
    /// Certificates of authorities.
    Ca,
    /// Conversions between character sets.
    Gconv,
    /// A user: name and number.
    User(String, u32),
    /// A world-writable `/tmp`.
    Tmp,
}

impl Bundle {
    /// Parses a value of `--with`.
    ///
    /// # Errors
    /// A message for the user.
    pub fn parse(text: &str) -> Result<Self, String> {
        let allowed = "unknown bundle: expected nss, tz, ca, gconv, tmp or user=NAME[:UID]";
        let user = |text: &str| -> Option<Bundle> {
            let (name, uid) = match text.split_once(':') {
                Some((name, uid)) => (name, uid.parse().ok()?),
                None => (text, DEFAULT_UID),
            };
            let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
            let is_valid =
                !name.is_empty() && name.chars().all(is_name) && uid != 0 && uid != u32::MAX;
            is_valid.then(|| Bundle::User(name.to_owned(), uid))
        };
        match text {
            "nss" => Some(Bundle::Nss),
            "tz" => Some(Bundle::Tz),
            "ca" => Some(Bundle::Ca),
            "gconv" => Some(Bundle::Gconv),
            "tmp" => Some(Bundle::Tmp),
            _ => text.strip_prefix("user=").and_then(user),
        }
        .ok_or_else(|| allowed.to_owned())
    }
}

/// Copies the files of a bundle.
pub(super) fn add(builder: &mut Builder<'_>, bundle: &Bundle) -> Result<()> {
    match bundle {
        Bundle::Nss => nss(builder),
        Bundle::Tz => zones(builder),
        Bundle::Ca => certificates(builder),
        Bundle::Gconv => conversions(builder),
        Bundle::Tmp => builder.put("tmp", Node::directory(0o1777)),
        Bundle::User(..) => Ok(()),
    }
}

/// Returns the directories of the machine's libraries in the root.
fn library_directories(builder: &Builder<'_>) -> Vec<String> {
    let targets = builder.objects.first().map(|object| object.elf.target);
    let mut directories = Vec::new();
    if let Some(triplet) = targets.and_then(triplet) {
        directories.push(format!("/usr/lib/{triplet}"));
        directories.push(format!("/lib/{triplet}"));
    }
    directories.extend(["/usr/lib64", "/lib64", "/usr/lib", "/lib"].map(str::to_owned));
    directories
}

fn nss(builder: &mut Builder<'_>) -> Result<()> {
    builder.put("etc/nsswitch.conf", Node::file(0o644, NSSWITCH))?;
    for path in ["/etc/protocols", "/etc/services"] {
        builder.take(path.as_bytes(), 0, None)?;
    }
    for library in ["libnss_files.so.2", "libnss_dns.so.2"] {
        for directory in library_directories(builder) {
            if builder.take(format!("{directory}/{library}").as_bytes(), 0, None)? {
                break;
            }
        }
    }
    Ok(())
}

fn zones(builder: &mut Builder<'_>) -> Result<()> {
    let directory = b"/usr/share/zoneinfo";
    let outside = builder
        .root
        .resolve(directory)?
        .map(|resolved| builder.root.outside(&resolved.path));
    let Some(outside) = outside.filter(|outside| outside.is_dir()) else {
        return Err(needs(directory, "not found, needed for --with tz"));
    };
    builder.directory(&outside, directory)?;
    let link = Node::symlink("/usr/share/zoneinfo/Etc/UTC");
    builder.put("etc/localtime", link)
}

/// Makes the bundle that TLS libraries read from packaged certificates, because the bundle of the host may have been
/// edited.
fn certificates(builder: &mut Builder<'_>) -> Result<()> {
    const BUNDLE: &str = "etc/ssl/certs/ca-certificates.crt";
    let list = builder.root.text(b"etc/ca-certificates.conf")?;
    let mut names: Vec<Vec<u8>> = list
        .unwrap_or_default()
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty() && !matches!(line[0], b'#' | b'!'))
        .map(<[u8]>::to_vec)
        .collect();
    names.sort();
    let mut bundle = Vec::new();
    for name in names {
        let path = [b"usr/share/ca-certificates/".as_slice(), &name].concat();
        if let Some(text) = builder.root.text(&path)? {
            bundle.extend(text);
            if bundle.last() != Some(&b'\n') {
                bundle.push(b'\n');
            }
            builder.taken.insert((path, BUNDLE.into()));
        }
    }
    if bundle.is_empty() {
        let usual = [
            BUNDLE,
            "etc/pki/tls/certs/ca-bundle.crt",
            "etc/ssl/cert.pem",
        ];
        for path in usual {
            if let Some(text) = builder.root.text(path.as_bytes())? {
                bundle = text;
                break;
            }
        }
    }
    if bundle.is_empty() {
        let what = "--with ca for a root without certificates".to_owned();
        return Err(Fault::Unsupported { what }.into());
    }
    builder.put(BUNDLE, Node::file(0o644, bundle))?;
    // Further paths that OpenSSL reads, in Debian and elsewhere.
    for (path, target) in [
        ("usr/lib/ssl/certs", "/etc/ssl/certs"),
        ("usr/lib/ssl/cert.pem", "/etc/ssl/certs/ca-certificates.crt"),
        ("etc/ssl/cert.pem", "certs/ca-certificates.crt"),
    ] {
        builder.put(path, Node::symlink(target))?;
    }
    builder.take(b"/etc/ssl/openssl.cnf", 0, None)?;
    builder.take(b"/usr/lib/ssl/openssl.cnf", 0, None)?;
    Ok(())
}

fn conversions(builder: &mut Builder<'_>) -> Result<()> {
    for directory in library_directories(builder) {
        let directory = format!("{directory}/gconv");
        let names = builder.root.names(directory.as_bytes())?;
        if names.is_empty() {
            continue;
        }
        for name in names {
            let path = [directory.as_bytes(), b"/", &name].concat();
            builder.take(&path, 0, None)?;
        }
        return Ok(());
    }
    Err(needs(
        b"gconv",
        "directory not found, needed for --with gconv",
    ))
}

/// Makes the account files for bundles that need them.
pub(super) fn accounts(builder: &mut Builder<'_>, bundles: &[Bundle]) -> Result<()> {
    let users: Vec<(&str, u32)> = bundles
        .iter()
        .filter_map(|bundle| match bundle {
            Bundle::User(name, uid) => Some((name.as_str(), *uid)),
            _ => None,
        })
        .collect();
    if users.is_empty() && !bundles.contains(&Bundle::Nss) {
        return Ok(());
    }
    let (mut passwd, mut group) = (PASSWD.to_owned(), GROUP.to_owned());
    for (name, uid) in users {
        passwd.push_str(&format!(
            "{name}:x:{uid}:{uid}:{name}:/home/{name}:/sbin/nologin\n"
        ));
        group.push_str(&format!("{name}:x:{uid}:\n"));
        let home = format!("home/{name}");
        builder.put(&home, Node::directory(0o700).owned(uid, uid))?;
    }
    builder.put("etc/passwd", Node::file(0o644, passwd))?;
    builder.put("etc/group", Node::file(0o644, group))
}
