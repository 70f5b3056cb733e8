//! Files that describe installed packages, by their paths.

/// The most bytes of one database or metadata file.
pub const LIMIT: u64 = 256 << 20;

/// A kind of file that tells of packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Paragraphs of installed packages, one or many.
    Dpkg,
    /// apk's database.
    Apk,
    /// An RPM database in SQLite.
    RpmSqlite,
    /// An RPM database of another kind, which is not read.
    RpmOther,
    /// The metadata of a Python distribution.
    Python,
    /// The description of an npm package.
    Npm,
}

impl Wanted {
    /// Whether a file of that path tells of packages. Paths are from the top, without `/` before them.
    pub fn of(path: &[u8]) -> Option<Self> {
        let path = std::str::from_utf8(path).ok()?;
        let (folder, name) = path.rsplit_once('/')?;
        match folder {
            "var/lib/dpkg" | "usr/lib/opkg" | "var/lib/opkg" if name == "status" => {
                return Some(Wanted::Dpkg);
            }
            "var/lib/dpkg/status.d" if !name.ends_with(".md5sums") && !name.starts_with('.') => {
                return Some(Wanted::Dpkg);
            }
            "lib/apk/db" | "usr/lib/apk/db" if name == "installed" => return Some(Wanted::Apk),
            "var/lib/rpm" | "usr/lib/sysimage/rpm" | "usr/share/rpm" => {
                return match name {
                    "rpmdb.sqlite" => Some(Wanted::RpmSqlite),
                    "Packages" | "Packages.db" => Some(Wanted::RpmOther),
                    _ => None,
                };
            }
            _ => {}
        }
        let parent = folder.rsplit('/').next().unwrap_or(folder);
        let is_python = match name {
            "METADATA" => parent.ends_with(".dist-info"),
            "PKG-INFO" => parent.ends_with(".egg-info") || parent == "EGG-INFO",
            _ => name.ends_with(".egg-info"),
        };
        if is_python {
            return Some(Wanted::Python);
        }
        if name == "package.json" {
            let mut parts = folder.rsplit('/').skip(1);
            let above = parts.next().unwrap_or_default();
            let scoped = above.starts_with('@') && parts.next() == Some("node_modules");
            if above == "node_modules" || scoped {
                return Some(Wanted::Npm);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_files() {
        for (path, wanted) in [
            ("var/lib/dpkg/status", Some(Wanted::Dpkg)),
            ("var/lib/dpkg/status-old", None),
            ("var/lib/dpkg/status.d/base-files", Some(Wanted::Dpkg)),
            ("var/lib/dpkg/status.d/base-files.md5sums", None),
            ("lib/apk/db/installed", Some(Wanted::Apk)),
            ("usr/lib/apk/db/installed", Some(Wanted::Apk)),
            ("var/lib/rpm/rpmdb.sqlite", Some(Wanted::RpmSqlite)),
            ("usr/lib/sysimage/rpm/Packages.db", Some(Wanted::RpmOther)),
            (
                "usr/lib/python3/dist-packages/six-1.16.0.dist-info/METADATA",
                Some(Wanted::Python),
            ),
            (
                "usr/lib/python3/dist-packages/six-1.16.0.egg-info",
                Some(Wanted::Python),
            ),
            ("x/METADATA", None),
            ("app/node_modules/left-pad/package.json", Some(Wanted::Npm)),
            (
                "app/node_modules/@babel/core/package.json",
                Some(Wanted::Npm),
            ),
            ("app/node_modules/left-pad/lib/package.json", None),
            ("app/package.json", None),
        ] {
            assert_eq!(Wanted::of(path.as_bytes()), wanted, "{path}");
        }
    }
}
