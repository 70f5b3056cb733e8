//! File capabilities, as `getcap` writes them.

const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// Tests if there is a capability of that name, which has no `cap_` before it.
pub(crate) fn is_capability(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Reads a `security.capability` value (`vfs_cap_data` of capabilities(7), revisions 1 to 3).
///
/// ```
/// let value = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// assert_eq!(imgkit::layer::capabilities(&value).as_deref(), Some("cap_net_raw=ep"));
/// ```
pub fn capabilities(value: &[u8]) -> Option<String> {
    let word = |at: usize| -> Option<u32> {
        let bytes = value.get(at * 4..at * 4 + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let magic = word(0)?;
    let words = match magic >> 24 {
        1 if value.len() == 12 => 1,
        2 if value.len() == 20 => 2,
        3 if value.len() == 24 => 2,
        _ => return None,
    };
    let effective = magic & 1 != 0;
    let mut permitted = 0u64;
    let mut inheritable = 0u64;
    for i in 0..words {
        permitted |= u64::from(word(1 + 2 * i)?) << (32 * i);
        inheritable |= u64::from(word(2 + 2 * i)?) << (32 * i);
    }
    // One clause for each set of flags that some capability has, as libcap groups them.
    let mut clauses = Vec::new();
    for (in_permitted, in_inheritable) in [(true, true), (true, false), (false, true)] {
        let names: Vec<String> = (0..64)
            .filter(|bit| {
                (permitted >> bit & 1 == 1) == in_permitted
                    && (inheritable >> bit & 1 == 1) == in_inheritable
            })
            .map(|bit| match NAMES.get(bit as usize) {
                Some(name) => format!("cap_{name}"),
                None => format!("{bit}"),
            })
            .collect();
        if names.is_empty() {
            continue;
        }
        let mut flags = String::new();
        for (letter, set) in [('e', effective), ('i', in_inheritable), ('p', in_permitted)] {
            if set {
                flags.push(letter);
            }
        }
        clauses.push(format!("{}={flags}", names.join(",")));
    }
    let mut text = match clauses.is_empty() {
        true => "=".to_owned(),
        false => clauses.join(" "),
    };
    if magic >> 24 == 3 {
        text.push_str(&format!(" [rootid={}]", word(5)?));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::capabilities;

    #[test]
    fn values_are_read_as_getcap_shows_them() {
        let value =
            |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|w| w.to_le_bytes()).collect() };
        for (words, text) in [
            (&[0x0200_0001, 1 << 13, 0, 0, 0][..], Some("cap_net_raw=ep")),
            (
                &[0x0200_0000, 1 << 10, 0, 0, 0],
                Some("cap_net_bind_service=p"),
            ),
            (
                &[0x0200_0001, 1 << 12 | 1 << 13, 1 << 12, 1 << 7, 0],
                Some("cap_net_admin=eip cap_net_raw,cap_bpf=ep"),
            ),
            (
                &[0x0300_0001, 1, 0, 0, 0, 1000],
                Some("cap_chown=ep [rootid=1000]"),
            ),
            (&[0x0200_0000, 0, 0, 0, 0], Some("=")),
            (&[0x0200_0000, 0], None),
            (&[0x0900_0000, 0, 0, 0, 0], None),
        ] {
            assert_eq!(capabilities(&value(words)).as_deref(), text, "{words:x?}");
        }
    }
}
