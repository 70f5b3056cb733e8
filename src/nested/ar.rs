//! Members of ar archives: Debian's packages, static libraries.

use std::io::Read;

use super::source::Source;
use super::walk::{Level, Walk};
use crate::blob::{each_chunk, read_full};
use crate::error::{Error, Result, within};
use crate::layer::ar::{HEADER, MAGIC, header};
use crate::limits::EXTENSION;

impl Walk<'_, '_> {
    pub(super) fn ar(&mut self, source: &mut Source<'_>, level: Level) -> Result<()> {
        let mut magic = [0; MAGIC.len()];
        read_full(&mut *source, &mut magic)?;
        let mut archive = Archive {
            long_names: Vec::new(),
            is_package: None,
        };
        while !self.budget.is_over() {
            match self.ar_member(source, &mut archive, level)? {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    self.ended(source, Some(error));
                    break;
                }
            }
        }
        Ok(())
    }

    /// Reads a member; false at the end, and the damage that ends the archive.
    fn ar_member(
        &mut self,
        source: &mut Source<'_>,
        archive: &mut Archive,
        level: Level,
    ) -> Result<std::result::Result<bool, Error>> {
        let mut bytes = [0; HEADER];
        let read = read_full(&mut *source, &mut bytes)?;
        if read == 0 {
            return Ok(Ok(false));
        }
        let Some((name, size)) = header(&bytes).filter(|_| read == HEADER) else {
            return Ok(Err(Error::codec("ar", "damaged header")));
        };
        if let Err(error) = self.budget.add_member() {
            return Ok(Err(error));
        }
        let mut data = (&mut *source).take(size);
        let name = match archive.name(name, &mut data)? {
            Ok(name) => name,
            Err(error) => return Ok(Err(error)),
        };
        if let Some(name) = name {
            let is_package = *(archive.is_package).get_or_insert(name == b"debian-binary");
            let is_part = [&b"control.tar"[..], b"data.tar"]
                .iter()
                .any(|part| name.starts_with(part));
            let level = match is_package && is_part {
                true => level.part(),
                false => level.below(),
            };
            let size = data.limit();
            self.member(&name, &mut Source::new(&mut data, None), Some(size), level)?;
        }
        each_chunk(&mut data, |_| Ok(()))?;
        if data.limit() > 0 {
            let why = format!("member ends {} bytes early", data.limit());
            return Ok(Err(Error::codec("ar", why)));
        }
        read_full(&mut *source, &mut [0; 1][..usize::from(size % 2 == 1)])?;
        Ok(Ok(true))
    }
}

/// An archive that is being read.
struct Archive {
    /// Table of long names, of GNU ar.
    long_names: Vec<u8>,
    /// It begins as Debian's packages do; unknown before the first member.
    is_package: Option<bool>,
}

impl Archive {
    /// Name of a member from that in its header, or from where it points to; `None` for tables of the archive itself.
    fn name(
        &mut self,
        name: &[u8],
        data: &mut impl Read,
    ) -> Result<std::result::Result<Option<Vec<u8>>, Error>> {
        if matches!(name, b"/" | b"/SYM64/" | b"__.SYMDEF" | b"__.SYMDEF SORTED") {
            return Ok(Ok(None));
        }
        let most = EXTENSION as u64;
        if name == b"//" {
            self.long_names.clear();
            let read = data.take(most + 1).read_to_end(&mut self.long_names);
            read.map_err(|error| Error::io("read", error))?;
            let size = self.long_names.len() as u64;
            return Ok(within("bytes of members' names", most, size).map(|()| None));
        }
        let number = |digits: &[u8]| -> Option<usize> { str::from_utf8(digits).ok()?.parse().ok() };
        if let Some(length) = name.strip_prefix(b"#1/").and_then(number) {
            if let Err(error) = within("bytes of a name", most, length as u64) {
                return Ok(Err(error));
            }
            let mut long = vec![0; length];
            let read = read_full(data, &mut long)?;
            long.truncate(read);
            let end = long.iter().position(|byte| *byte == 0);
            long.truncate(end.unwrap_or(read));
            return Ok(Ok(Some(long)));
        }
        let long = name.strip_prefix(b"/").and_then(number);
        let long = long.and_then(|at| self.long_names.get(at..));
        let own = match long {
            Some(long) => long.split(|byte| *byte == b'\n').next().unwrap_or(long),
            None => name,
        };
        let own = own.strip_suffix(b"/").unwrap_or(own);
        Ok(Ok(Some(own.to_vec())))
    }
}
