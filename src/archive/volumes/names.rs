//! File names of pieces: of volumes, and of what hauler, zarf, 7-zip and split write.

use std::path::{Path, PathBuf};

/// Kind of a piece's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Member {
    /// `NAME.001`, of volumes, hauler and 7-zip; `NAME.00` of split with `-d`.
    Digits,
    /// `NAME.p01`, of parity.
    Parity,
    /// `NAME.part001`, of zarf.
    Part,
    /// `NAME.aa`, of split.
    Letters,
}

/// A piece's file name in its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberName<'a> {
    /// Kind.
    pub kind: Member,
    /// Name of the whole.
    pub stem: &'a str,
    /// Number of characters of the suffix.
    pub width: usize,
    /// Position: the number, or the letters as a number, from 0.
    pub position: u64,
}

impl<'a> MemberName<'a> {
    /// Splits a file name; `None` for any other name.
    pub fn parse(name: &'a str) -> Option<Self> {
        let (stem, suffix) = name.rsplit_once('.')?;
        if stem.is_empty() {
            return None;
        }
        let digits = |text: &str, least: usize| {
            let all = text.bytes().all(|byte| byte.is_ascii_digit());
            let is_number = all && (least..=9).contains(&text.len());
            is_number.then(|| text.parse::<u64>().ok()).flatten()
        };
        let (kind, suffix, position) = if let Some(number) = digits(suffix, 2) {
            (Member::Digits, suffix, number)
        } else if let Some(rest) = suffix
            .strip_prefix("part")
            .filter(|rest| digits(rest, 1).is_some())
        {
            (Member::Part, rest, digits(rest, 1)?)
        } else if let Some(rest) = suffix
            .strip_prefix('p')
            .filter(|rest| digits(rest, 2).is_some())
        {
            (Member::Parity, rest, digits(rest, 2)?)
        } else {
            let are_letters = suffix.bytes().all(|byte| byte.is_ascii_lowercase());
            // Longer ones are no numbers, and might not fit into one.
            let letters =
                Some(suffix).filter(|text| are_letters && (2..=4).contains(&text.len()))?;
            let number = |sum: u64, byte: u8| sum * 26 + u64::from(byte.saturating_sub(b'a'));
            (Member::Letters, letters, letters.bytes().fold(0, number))
        };
        Some(MemberName {
            kind,
            stem,
            width: suffix.len(),
            position,
        })
    }

    /// Returns the file name at another position.
    pub fn at(&self, position: u64) -> String {
        let MemberName { stem, width, .. } = self;
        match self.kind {
            Member::Digits => format!("{stem}.{position:0width$}"),
            Member::Parity => format!("{stem}.p{position:0width$}"),
            Member::Part => format!("{stem}.part{position:0width$}"),
            Member::Letters => {
                let mut rest = position;
                let mut letters = vec![b'a'; *width];
                for letter in letters.iter_mut().rev() {
                    *letter += (rest % 26) as u8;
                    rest /= 26;
                }
                format!("{stem}.{}", String::from_utf8_lossy(&letters))
            }
        }
    }

    /// Returns the path at another position, beside `path`.
    pub fn path_at(&self, path: &Path, position: u64) -> PathBuf {
        path.with_file_name(self.at(position))
    }
}

/// Tests if a file name is that of a volume, or of parity, of the archive `base`.
pub fn is_volume_of(name: &str, base: &str) -> bool {
    let name = MemberName::parse(name);
    name.is_some_and(|name| {
        let is_wide = name.kind == Member::Parity || name.width >= 3;
        matches!(name.kind, Member::Digits | Member::Parity) && is_wide && name.stem == base
    })
}
