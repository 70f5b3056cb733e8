//! dpkg's database of an installed system, as text: what is installed, with which files and sums.
//!
//! In come the bytes of `/var/lib/dpkg/status`, of `info/*` and of `diversions`; reading the files is left to others.
//! The formats are those of `deb822(5)`, `dpkg-query(1)` and `dpkg-divert(1)`.

use super::control::{Control, Paragraph, Paragraphs};

/// What of an installed package's paragraph is about its being installed there.
const OF_THE_SYSTEM: [&str; 5] = [
    "Status",
    "Conffiles",
    "Config-Version",
    "Triggers-Pending",
    "Triggers-Awaited",
];

/// The paragraphs of packages that are installed and configured; triggers may still wait.
pub fn installed(status: &Paragraphs) -> impl Iterator<Item = Paragraph<'_>> {
    status.iter().filter(|paragraph| {
        let state = paragraph.get("Status").unwrap_or_default();
        let state = state.split_ascii_whitespace().nth(2);
        matches!(
            state,
            Some("installed" | "triggers-pending" | "triggers-awaited")
        )
    })
}

/// The paragraphs of packages whose files are there, configured or not; without a status, as in `status.d`, they are.
pub fn unpacked(status: &Paragraphs) -> impl Iterator<Item = Paragraph<'_>> {
    status.iter().filter(|paragraph| {
        let state = paragraph.get("Status").unwrap_or_default();
        let state = state.split_ascii_whitespace().nth(2);
        !matches!(
            state,
            Some("not-installed" | "config-files" | "half-installed")
        )
    })
}

/// The control data of a package as it was before it was installed.
pub fn control(paragraph: Paragraph<'_>) -> Control {
    let mut control = Control::default();
    for (field, value) in paragraph.fields() {
        if !OF_THE_SYSTEM
            .iter()
            .any(|own| own.eq_ignore_ascii_case(field))
        {
            control.push(field, value);
        }
    }
    control
}

/// The settings that a package came with and their MD5 sums, out of the field `Conffiles`: paths as dpkg has them, with
/// a `/` before them. Those that are no more of the package, or not there yet, are left out.
pub fn conffiles(paragraph: Paragraph<'_>) -> impl Iterator<Item = (&str, &str)> {
    let field = paragraph.get("Conffiles").unwrap_or_default();
    field.lines().filter_map(|line| {
        // Paths may hold blanks; what follows them does not.
        let line = line.trim();
        let (path, sum) = line.rsplit_once(' ')?;
        (sum.len() == 32).then_some((path, sum))
    })
}

/// The lines of a file `md5sums`: paths without a `/` before them, and sums.
pub fn sums(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    bytes.split(|byte| *byte == b'\n').filter_map(|line| {
        let (sum, path) = line.split_at_checked(32)?;
        Some((path.strip_prefix(b"  ")?, sum))
    })
}

/// A line of the file `diversions`: what goes elsewhere, where, and the package that it stays for; `:` for none.
pub fn diversions(bytes: &[u8]) -> impl Iterator<Item = [&[u8]; 3]> {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    std::iter::from_fn(move || {
        let from = lines.next().filter(|line| !line.is_empty())?;
        Some([from, lines.next()?, lines.next()?])
    })
}

/// What the files of a package are called in `info`, before the `.`.
pub fn file_name(paragraph: Paragraph<'_>) -> String {
    let name = paragraph.get("Package").unwrap_or_default();
    match paragraph.get("Multi-Arch") {
        Some("same") => {
            let architecture = paragraph.get("Architecture").unwrap_or_default();
            format!("{name}:{architecture}")
        }
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_with_its_settings() {
        let status = "Package: a\nStatus: install ok installed\nArchitecture: amd64\nMulti-Arch: same\nVersion: 1\n\
            Conffiles:\n /etc/a b.conf d41d8cd98f00b204e9800998ecf8427e\n /etc/old d41d8cd98f00b204e9800998ecf8427e obsolete\n \
            /etc/new newconffile\n\nPackage: b\nStatus: deinstall ok config-files\nVersion: 1\n\n\
            Package: c\nStatus: install ok unpacked\nVersion: 1\n\nPackage: d\nStatus: hold ok triggers-pending\nVersion: 1\n";
        let status = Paragraphs::new(status).expect("paragraphs");
        let all: Vec<Paragraph<'_>> = installed(&status).collect();
        let names: Vec<String> = all.iter().map(|one| file_name(*one)).collect();
        assert_eq!(names, ["a:amd64", "d"]);
        let settings: Vec<(&str, &str)> = conffiles(all[0]).collect();
        assert_eq!(
            settings,
            [("/etc/a b.conf", "d41d8cd98f00b204e9800998ecf8427e")]
        );
        let fields = control(all[0]);
        let fields: Vec<&str> = fields.fields().map(|(field, _)| field).collect();
        assert_eq!(fields, ["Package", "Architecture", "Multi-Arch", "Version"]);
    }

    #[test]
    fn sums_and_diversions() {
        let text = b"d41d8cd98f00b204e9800998ecf8427e  usr/a b\nshort\n";
        let all: Vec<(&[u8], &[u8])> = sums(text).collect();
        assert_eq!(
            all,
            [(&b"usr/a b"[..], &b"d41d8cd98f00b204e9800998ecf8427e"[..])]
        );
        let text = b"/bin/sh\n/bin/sh.distrib\ndash\n/x\n/y\n:\n/cut\n";
        let all: Vec<[&[u8]; 3]> = diversions(text).collect();
        assert_eq!(all.len(), 2);
        assert_eq!(all[1], [&b"/x"[..], b"/y", b":"]);
    }
}
