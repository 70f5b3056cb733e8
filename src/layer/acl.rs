//! Access control lists as GNU tar and star write them: PAX records `SCHILY.acl.access` and `SCHILY.acl.default`, both
//! text. Entries keep them as attributes of these names, byte for byte; this module converts the text for file systems.

/// Prefix of the keys of such records.
pub(crate) const PREFIX: &[u8] = b"SCHILY.acl.";

/// Reports whether an attribute is an access control list, as text or in the form of file systems.
pub(crate) fn is_acl(name: &[u8]) -> bool {
    name.starts_with(PREFIX) || name.starts_with(b"system.posix_acl_")
}

/// Converts an access control list to the name and value of a file system attribute. `None` for lists that Linux file
/// systems do not accept: NFSv4 lists, malformed ones, and user names without a number, which may differ on this host.
pub(crate) fn attribute(name: &[u8], text: &[u8]) -> Option<(&'static str, Vec<u8>)> {
    let name = match name.strip_prefix(PREFIX)? {
        b"access" => "system.posix_acl_access",
        b"default" => "system.posix_acl_default",
        _ => return None,
    };
    let text = std::str::from_utf8(text).ok()?;
    let mut rows: Vec<(u16, u32, u16)> = Vec::new();
    for line in text.split(['\n', ',']) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let fields: Vec<&str> = line.split(':').map(str::trim).collect();
        let (who, name, allowed) = match fields[..] {
            // `mask::rw-` and, of Solaris, `mask:rw-`.
            [who, allowed] => (who, "", allowed),
            [who, name, allowed, ..] => (who, name, allowed),
            _ => return None,
        };
        // star adds the number after the permissions.
        let number = fields.get(3).copied().unwrap_or(name);
        let tag = match (who, name.is_empty()) {
            ("user" | "u", true) => 0x01,
            ("user" | "u", false) => 0x02,
            ("group" | "g", true) => 0x04,
            ("group" | "g", false) => 0x08,
            ("mask" | "m", true) => 0x10,
            ("other" | "o", true) => 0x20,
            _ => return None,
        };
        let id = match name {
            "" => u32::MAX,
            _ => number.parse().ok()?,
        };
        rows.push((tag, id, permissions(allowed)?));
    }
    rows.sort_unstable();
    let mut value = 2_u32.to_le_bytes().to_vec();
    for (tag, id, allowed) in rows {
        value.extend_from_slice(&tag.to_le_bytes());
        value.extend_from_slice(&allowed.to_le_bytes());
        value.extend_from_slice(&id.to_le_bytes());
    }
    Some((name, value))
}

fn permissions(text: &str) -> Option<u16> {
    text.chars().try_fold(0, |bits, letter| {
        Some(
            bits | match letter {
                'r' => 4,
                'w' => 2,
                'x' => 1,
                '-' => 0,
                _ => return None,
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_kernel_attributes() {
        let text = b"user::rw-\nuser:1000:rw-\ngroup::r--\nmask::rw-\nother::r--\n";
        let (name, value) = attribute(b"SCHILY.acl.access", text).expect("a list");
        assert_eq!(name, "system.posix_acl_access");
        // As setfacl -m u:1000:rw stores it.
        let expected = "0200000001000600ffffffff02000600e803000004000400ffffffff10000600ffffffff20000400ffffffff";
        assert_eq!(hex::encode(value), expected);
        let star = attribute(b"SCHILY.acl.default", b"user::rwx,user:lisa:r-x:502");
        assert!(star.is_some_and(|(_, value)| value.ends_with(&[2, 0, 5, 0, 246, 1, 0, 0])));
        for bad in ["user:lisa:rwx", "user", "user::rwz", "who::r--"] {
            assert!(
                attribute(b"SCHILY.acl.access", bad.as_bytes()).is_none(),
                "{bad}"
            );
        }
        assert!(attribute(b"SCHILY.acl.ace", text).is_none());
    }
}
