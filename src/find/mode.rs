//! `-perm`: modes in octal digits, or as of chmod(1).

/// How the bits of a mode are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bits {
    /// `MODE`: exactly these.
    Exactly,
    /// `-MODE`: all of these.
    All,
    /// `/MODE`: any of these.
    Any,
}

/// Test of permission bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Permissions {
    bits: Bits,
    mode: u16,
    /// As `X` means it for directories.
    of_directory: u16,
}

impl Permissions {
    /// Parses the argument of `-perm`; `None` if it is invalid.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let all = text.strip_prefix('-').map(|mode| (Bits::All, mode));
        let any = || text.strip_prefix('/').map(|mode| (Bits::Any, mode));
        let (bits, mode) = all.or_else(any).unwrap_or((Bits::Exactly, text));
        let (mode, of_directory) = match u16::from_str_radix(mode, 8) {
            // The sign that Rust takes is none of find's.
            Ok(number) if !mode.starts_with('+') => (number, number),
            _ => (symbolic(mode, false)?, symbolic(mode, true)?),
        };
        (mode <= 0o7777).then_some(Permissions {
            bits,
            mode,
            of_directory,
        })
    }

    pub(super) fn is_match(&self, mode: u16, is_directory: bool) -> bool {
        let wanted = match is_directory {
            true => self.of_directory,
            false => self.mode,
        };
        match self.bits {
            Bits::Exactly => mode == wanted,
            Bits::All => mode & wanted == wanted,
            Bits::Any => wanted == 0 || mode & wanted != 0,
        }
    }
}

/// Applies changes as of chmod(1), with a umask of 0, to a mode without bits.
fn symbolic(text: &str, is_directory: bool) -> Option<u16> {
    let mut mode = 0;
    for clause in text.split(',') {
        let at = clause.find(['+', '-', '='])?;
        let (who, mut rest) = clause.split_at(at);
        let mut affected = 0;
        for class in who.bytes() {
            affected |= match class {
                b'u' => 0o4700,
                b'g' => 0o2070,
                b'o' => 0o1007,
                b'a' => 0o7777,
                _ => return None,
            };
        }
        if who.is_empty() {
            affected = 0o7777;
        }
        while let Some((operation, after)) = rest.split_at_checked(1) {
            let end = after.find(['+', '-', '=']).unwrap_or(after.len());
            let (letters, next) = after.split_at_checked(end)?;
            let bits = bits_of(letters, mode, is_directory)? & affected;
            mode = match operation {
                "+" => mode | bits,
                "-" => mode & !bits,
                // `=` leaves setuid and setgid of a directory, unless they are named; there are none to leave here.
                _ => mode & !affected | bits,
            };
            rest = next;
        }
    }
    Some(mode)
}

/// Bits that the letters after an operator stand for, in all classes.
fn bits_of(letters: &str, mode: u16, is_directory: bool) -> Option<u16> {
    let copy = |shift: u16| (mode >> shift & 7) * 0o111;
    match letters {
        "u" => return Some(copy(6)),
        "g" => return Some(copy(3)),
        "o" => return Some(copy(0)),
        _ => {}
    }
    let mut bits = 0;
    for letter in letters.bytes() {
        bits |= match letter {
            b'r' => 0o444,
            b'w' => 0o222,
            b'x' => 0o111,
            b'X' if is_directory || mode & 0o111 != 0 => 0o111,
            b'X' => 0,
            b's' => 0o6000,
            b't' => 0o1000,
            _ => return None,
        };
    }
    Some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_those_of_find() {
        // Each as `find FILE -perm ARGUMENT` of GNU find 4.9 decides.
        for (text, yes, no) in [
            ("644", &[0o644][..], &[0o4644, 0o640, 0][..]),
            ("0", &[0], &[1]),
            ("-022", &[0o022, 0o777], &[0o020, 0]),
            ("/022", &[0o020, 0o002, 0o777], &[0o755, 0]),
            ("/0", &[0, 0o777], &[]),
            ("-0", &[0, 0o777], &[]),
            ("u=rw,go=r", &[0o644], &[0o600]),
            ("-u+s", &[0o4000, 0o4755], &[0o2000]),
            ("/u+s,g+s", &[0o4000, 0o2755], &[0o755]),
            ("a=rx", &[0o555], &[0o755]),
            ("=rx", &[0o555], &[0o755]),
            ("+t", &[0o1000], &[0]),
            ("u=rwx,g=u,o=g-w", &[0o775], &[0o777]),
            ("u=rwx-w+s", &[0o4500], &[0o500]),
            ("=", &[0], &[1]),
            ("u+x,a+X", &[0o111], &[0o100]),
            ("a+X", &[0], &[0o111]),
            ("07777", &[0o7777], &[0o777]),
        ] {
            let permissions = Permissions::parse(text).expect(text);
            for mode in yes {
                assert!(permissions.is_match(*mode, false), "{text} {mode:o}");
            }
            for mode in no {
                assert!(!permissions.is_match(*mode, false), "{text} {mode:o}");
            }
        }
        assert!(Permissions::parse("a+X").is_some_and(|it| it.is_match(0o111, true)));
        for text in [
            "", "-", "8", "u", "u+q", ",u=r", "+4", "10000", "u=r,", "0=r", "é",
        ] {
            assert_eq!(Permissions::parse(text), None, "{text}");
        }
    }
}
