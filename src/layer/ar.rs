//! Headers of ar archives, as Debian's packages and static libraries are.

/// Magic number.
pub(crate) const MAGIC: &[u8] = b"!<arch>\n";
/// Size of a header in bytes.
pub(crate) const HEADER: usize = 60;

/// Returns name and size of a header, the name without the blanks behind it; `None` for a damaged one.
pub(crate) fn header(bytes: &[u8]) -> Option<(&[u8], u64)> {
    let header: &[u8; HEADER] = bytes.first_chunk()?;
    let blanks_off = |field: &'static [usize; 2]| {
        let text = header.get(field[0]..field[1])?;
        let end = text.iter().rposition(|byte| *byte != b' ');
        text.get(..end? + 1)
    };
    let digits = blanks_off(&[48, 58])?;
    let is_number = header.ends_with(b"`\n") && digits.iter().all(u8::is_ascii_digit);
    let size = str::from_utf8(digits).ok().filter(|_| is_number)?;
    Some((blanks_off(&[0, 16])?, size.parse().ok()?))
}
