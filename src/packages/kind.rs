//! Files that describe installed packages, by their paths.

/// Maximum size in bytes of one database or metadata file.
pub const MAX_FILE_SIZE: u64 = 256 << 20;

/// Kind of a file that describes packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseKind {
    /// Paragraphs of installed packages, one or many.
    Dpkg,
    /// apk's database.
    Apk,
    /// An RPM database in SQLite.
    RpmSqlite,
    /// An RPM database in another format, which is unsupported.
    RpmOther,
    /// The metadata of a Python distribution.
    Python,
    /// The description of an npm package.
    Npm,
}

impl DatabaseKind {
    /// Returns the kind of a file by its path from the root, without a leading `/`.
    pub fn of(path: &[u8]) -> Option<Self> {
        let path = std::str::from_utf8(path).ok()?;
        let (directory, name) = path.rsplit_once('/')?;
        let parent = directory.rsplit('/').next().unwrap_or(directory);
        let is_python = match name {
            "METADATA" => parent.ends_with(".dist-info"),
            "PKG-INFO" => parent.ends_with(".egg-info") || parent == "EGG-INFO",
            _ => name.ends_with(".egg-info"),
        };
        let mut parts = directory.rsplit('/').skip(1);
        let above = parts.next().unwrap_or_default();
        let scoped = above.starts_with('@') && parts.next() == Some("node_modules");
        let is_npm = name == "package.json" && (above == "node_modules" || scoped);
        Some(match (directory, name) {
            ("var/lib/dpkg" | "usr/lib/opkg" | "var/lib/opkg", "status") => DatabaseKind::Dpkg,
            ("var/lib/dpkg/status.d", name)
                if !name.ends_with(".md5sums") && !name.starts_with('.') =>
            {
                DatabaseKind::Dpkg
            }
            ("lib/apk/db" | "usr/lib/apk/db", "installed") => DatabaseKind::Apk,
            ("var/lib/rpm" | "usr/lib/sysimage/rpm" | "usr/share/rpm", name) => match name {
                "rpmdb.sqlite" => DatabaseKind::RpmSqlite,
                "Packages" | "Packages.db" => DatabaseKind::RpmOther,
                _ => return None,
            },
            _ if is_python => DatabaseKind::Python,
            _ if is_npm => DatabaseKind::Npm,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_files() {
        for (path, expected) in [
            ("var/lib/dpkg/status", Some(DatabaseKind::Dpkg)),
            ("var/lib/dpkg/status-old", None),
            ("var/lib/dpkg/status.d/base-files", Some(DatabaseKind::Dpkg)),
            ("var/lib/dpkg/status.d/base-files.md5sums", None),
            ("lib/apk/db/installed", Some(DatabaseKind::Apk)),
            ("usr/lib/apk/db/installed", Some(DatabaseKind::Apk)),
            ("var/lib/rpm/rpmdb.sqlite", Some(DatabaseKind::RpmSqlite)),
            (
                "usr/lib/sysimage/rpm/Packages.db",
                Some(DatabaseKind::RpmOther),
            ),
            (
                "usr/lib/python3/dist-packages/six-1.16.0.dist-info/METADATA",
                Some(DatabaseKind::Python),
            ),
            (
                "usr/lib/python3/dist-packages/six-1.16.0.egg-info",
                Some(DatabaseKind::Python),
            ),
            ("x/METADATA", None),
            (
                "app/node_modules/left-pad/package.json",
                Some(DatabaseKind::Npm),
            ),
            (
                "app/node_modules/@babel/core/package.json",
                Some(DatabaseKind::Npm),
            ),
            ("app/node_modules/left-pad/lib/package.json", None),
            ("app/package.json", None),
        ] {
            assert_eq!(DatabaseKind::of(path.as_bytes()), expected, "{path}");
        }
    }
}
