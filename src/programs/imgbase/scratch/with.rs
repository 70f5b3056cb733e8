//! What programs expect to find beside their libraries.

use super::search::triplet;
use super::{Work, needs};
use crate::base::rootfs::Node;
use crate::error::{Fault, Result};

/// The identity of an account that nobody has said one of: as images for programs without rights have it.
const NOBODY_ELSE: u32 = 65532;

/// The accounts that every system has.
const PASSWD: &str =
    "root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nnogroup:x:65534:\n";
const NSSWITCH: &str = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files\n";

/// A bundle of `--with`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum With {
    /// Names of accounts, hosts and services: accounts, `nsswitch.conf`, the libraries of name services.
    Nss,
    /// Time zones.
    Tz,
    /// Certificates of authorities.
    Ca,
    /// Conversions between character sets.
    Gconv,
    /// An account of that name and number.
    User(String, u32),
    /// `/tmp`, where all may write.
    Tmp,
}

impl With {
    /// Reads one of `--with`.
    ///
    /// # Errors
    /// The message for the user.
    pub fn parse(text: &str) -> Result<Self, String> {
        let allowed = "it is one of nss, tz, ca, gconv, tmp, user=NAME[:UID]";
        let user = |text: &str| -> Option<With> {
            let (name, uid) = match text.split_once(':') {
                Some((name, uid)) => (name, uid.parse().ok()?),
                None => (text, NOBODY_ELSE),
            };
            let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
            let good = !name.is_empty() && name.chars().all(is_name) && uid != 0 && uid != u32::MAX;
            good.then(|| With::User(name.to_owned(), uid))
        };
        match text {
            "nss" => Some(With::Nss),
            "tz" => Some(With::Tz),
            "ca" => Some(With::Ca),
            "gconv" => Some(With::Gconv),
            "tmp" => Some(With::Tmp),
            _ => text.strip_prefix("user=").and_then(user),
        }
        .ok_or_else(|| allowed.to_owned())
    }
}

pub(super) fn add(work: &mut Work<'_>, with: &With) -> Result<()> {
    match with {
        With::Nss => nss(work),
        With::Tz => zones(work),
        With::Ca => certificates(work),
        With::Gconv => conversions(work),
        With::Tmp => work.base.rootfs.put(b"tmp", Node::folder(0o1777)).map(drop),
        With::User(..) => Ok(()),
    }
}

/// The folder of the machine's libraries in the root.
fn library_folders(work: &Work<'_>) -> Vec<String> {
    let targets = work.objects.first().map(|object| object.elf.target);
    let mut folders = Vec::new();
    if let Some(triplet) = targets.and_then(triplet) {
        folders.push(format!("/usr/lib/{triplet}"));
        folders.push(format!("/lib/{triplet}"));
    }
    folders.extend(["/usr/lib64", "/lib64", "/usr/lib", "/lib"].map(str::to_owned));
    folders
}

fn nss(work: &mut Work<'_>) -> Result<()> {
    work.base
        .rootfs
        .put(b"etc/nsswitch.conf", Node::file(0o644, NSSWITCH))?;
    for path in ["/etc/protocols", "/etc/services"] {
        work.take(path.as_bytes(), 0, None)?;
    }
    for library in ["libnss_files.so.2", "libnss_dns.so.2"] {
        for folder in library_folders(work) {
            if work.take(format!("{folder}/{library}").as_bytes(), 0, None)? {
                break;
            }
        }
    }
    Ok(())
}

fn zones(work: &mut Work<'_>) -> Result<()> {
    let folder = b"/usr/share/zoneinfo";
    let outside = work
        .root
        .way(folder)?
        .map(|way| work.root.outside(&way.path));
    let Some(outside) = outside.filter(|outside| outside.is_dir()) else {
        return Err(needs(folder, "--with tz takes it, and it is not there"));
    };
    work.folder(&outside, folder)?;
    let link = Node::symlink("/usr/share/zoneinfo/Etc/UTC");
    work.base.rootfs.put(b"etc/localtime", link)?;
    Ok(())
}

/// The bundle that TLS libraries read, from the certificates as they are packaged: a bundle that was edited on the host
/// has no place in an image.
fn certificates(work: &mut Work<'_>) -> Result<()> {
    const BUNDLE: &[u8] = b"etc/ssl/certs/ca-certificates.crt";
    let list = work.root.text(b"etc/ca-certificates.conf")?;
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
        if let Some(text) = work.root.text(&path)? {
            bundle.extend(text);
            if bundle.last() != Some(&b'\n') {
                bundle.push(b'\n');
            }
            work.taken.insert((path, BUNDLE.to_vec()));
        }
    }
    if bundle.is_empty() {
        let usual = [
            "etc/ssl/certs/ca-certificates.crt",
            "etc/pki/tls/certs/ca-bundle.crt",
            "etc/ssl/cert.pem",
        ];
        for path in usual {
            if let Some(text) = work.root.text(path.as_bytes())? {
                bundle = text;
                break;
            }
        }
    }
    if bundle.is_empty() {
        let what = "a root without certificates, which --with ca asks for".to_owned();
        return Err(Fault::Unsupported { what }.into());
    }
    work.base.rootfs.put(BUNDLE, Node::file(0o644, bundle))?;
    // Where OpenSSL looks, besides, in Debian and elsewhere.
    for (path, target) in [
        ("usr/lib/ssl/certs", "/etc/ssl/certs"),
        ("usr/lib/ssl/cert.pem", "/etc/ssl/certs/ca-certificates.crt"),
        ("etc/ssl/cert.pem", "certs/ca-certificates.crt"),
    ] {
        work.base
            .rootfs
            .put(path.as_bytes(), Node::symlink(target))?;
    }
    work.take(b"/etc/ssl/openssl.cnf", 0, None)?;
    work.take(b"/usr/lib/ssl/openssl.cnf", 0, None)?;
    Ok(())
}

fn conversions(work: &mut Work<'_>) -> Result<()> {
    for folder in library_folders(work) {
        let folder = format!("{folder}/gconv");
        let names = work.root.names(folder.as_bytes())?;
        if names.is_empty() {
            continue;
        }
        for name in names {
            let path = [folder.as_bytes(), b"/", &name].concat();
            work.take(&path, 0, None)?;
        }
        return Ok(());
    }
    Err(needs(
        b"gconv",
        "--with gconv takes this folder of libraries, and there is none",
    ))
}

/// Accounts, if something asks for names.
pub(super) fn accounts(work: &mut Work<'_>, with: &[With]) -> Result<()> {
    let users: Vec<(&str, u32)> = with
        .iter()
        .filter_map(|with| match with {
            With::User(name, uid) => Some((name.as_str(), *uid)),
            _ => None,
        })
        .collect();
    if users.is_empty() && !with.contains(&With::Nss) {
        return Ok(());
    }
    let (mut passwd, mut group) = (PASSWD.to_owned(), GROUP.to_owned());
    for (name, uid) in users {
        passwd.push_str(&format!(
            "{name}:x:{uid}:{uid}:{name}:/home/{name}:/sbin/nologin\n"
        ));
        group.push_str(&format!("{name}:x:{uid}:\n"));
        let home = format!("home/{name}");
        work.base
            .rootfs
            .put(home.as_bytes(), Node::folder(0o700).owned(uid, uid))?;
    }
    work.base
        .rootfs
        .put(b"etc/passwd", Node::file(0o644, passwd))?;
    work.base
        .rootfs
        .put(b"etc/group", Node::file(0o644, group))?;
    Ok(())
}
