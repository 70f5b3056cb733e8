//! dpkg's database of an installed system: installed packages, their files and checksums.
//!
//! Input: the contents of `/var/lib/dpkg/status`, `info/*` and `diversions`, which callers read. Formats: `deb822(5)`,
//! `dpkg-query(1)` and `dpkg-divert(1)`.

use super::{Control, Paragraph, Paragraphs};

pub use crate::packages::{conffiles, diversions, sums};

/// Fields that dpkg adds to the control data of an installed package.
const STATUS_FIELDS: &str = "Status Conffiles Config-Version Triggers-Pending Triggers-Awaited";

/// Returns the paragraphs of installed and configured packages, also with pending triggers.
pub fn installed(status: &Paragraphs) -> impl Iterator<Item = Paragraph<'_>> {
    let states = ["installed", "triggers-pending", "triggers-awaited"];
    let is_in = move |state| states.contains(&state);
    status
        .iter()
        .filter(move |one| state(*one).is_some_and(is_in))
}

/// Returns the paragraphs of unpacked packages, configured or not; also those without a status, as in `status.d`.
pub fn unpacked(status: &Paragraphs) -> impl Iterator<Item = Paragraph<'_>> {
    let states = ["not-installed", "config-files", "half-installed"];
    let is_out = move |state| !states.contains(&state);
    status
        .iter()
        .filter(move |one| state(*one).is_none_or(is_out))
}

/// Returns the state of a package, the third word of its status.
fn state(paragraph: Paragraph<'_>) -> Option<&str> {
    let status = paragraph.get("Status").unwrap_or_default();
    status.split_ascii_whitespace().nth(2)
}

/// Returns the original control data of an installed package.
pub fn control(paragraph: Paragraph<'_>) -> Control {
    let is_own = |field: &str| {
        STATUS_FIELDS
            .split(' ')
            .any(|own| own.eq_ignore_ascii_case(field))
    };
    let fields = paragraph.fields();
    fields.filter(|(field, _)| !is_own(field)).collect()
}

/// Returns the base name of a package's files in `info`, up to the `.`.
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
    fn installed_packages_and_their_conffiles() {
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
