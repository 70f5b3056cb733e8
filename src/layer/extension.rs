//! Extension headers before an entry: PAX records and GNU long names.

use super::header::BLOCK;
use super::input::TarInput;
use super::pax::{Scope, Values};
use super::pax_value::Setting;
use crate::error::{During, Error, Fault, Result, TarFault, within};
use crate::limits::EntryLimits;

/// A GNU long name (`L`) or long link (`K`).
#[derive(Debug, Default)]
pub(crate) struct LongText {
    present: bool,
    bytes: Vec<u8>,
}

/// Extensions since the last entry, and the global records. Buffers are reused.
#[derive(Debug, Default)]
pub(crate) struct Extensions {
    pub(crate) local: Values,
    pub(crate) global: Values,
    long_name: LongText,
    long_link: LongText,
    /// True if there is an `x` header; the next two tell whether it follows the long name and the long link.
    local_present: bool,
    pax_after_name: bool,
    pax_after_link: bool,
    /// Offset of the first extension header since the last entry.
    pub(crate) first: Option<u64>,
    taken: u64,
    scratch: Vec<u8>,
    /// Anomalies that are reported with the entry's name.
    pub(crate) duplicate: bool,
    pub(crate) conflicting: bool,
    pub(crate) nul_in_name: bool,
    /// True if the padding of an extension header holds other bytes than zeros.
    pub(crate) padding_data: bool,
}

impl Extensions {
    /// Sets the limits.
    pub(crate) fn within(&mut self, limits: &EntryLimits) {
        self.local.limits = *limits;
        self.global.limits = *limits;
    }

    /// Offset of the first extension header that waits for its entry.
    pub(crate) fn pending(&self) -> Option<u64> {
        self.first
    }

    /// Clears the extensions of the last entry.
    pub(crate) fn clear(&mut self) {
        if self.first.take().is_none() {
            return;
        }
        self.local.clear();
        self.long_name.present = false;
        self.long_link.present = false;
        self.local_present = false;
        self.taken = 0;
        self.duplicate = false;
        self.conflicting = false;
        self.nul_in_name = false;
        self.padding_data = false;
    }

    /// Reads the contents of the extension header at `offset`. Returns false for other types.
    pub(crate) fn read(
        &mut self,
        type_flag: u8,
        offset: u64,
        size: u64,
        input: &mut impl TarInput,
    ) -> Result<bool> {
        match type_flag {
            b'x' | b'X' => {
                self.fill(offset, size, input)?;
                let before = self.local_present.then(|| self.names());
                self.duplicate |= self.local_present;
                self.local_present = true;
                self.local.clear();
                self.local
                    .read(&self.scratch, Scope::Local)
                    .map_err(|fault| Error::new(fault.at(offset)))?;
                if let Some((path, link)) = before {
                    self.conflicting |= differs(path.as_deref(), self.local.path.get())
                        || differs(link.as_deref(), self.local.link_path.get());
                }
                self.pax_after_name = true;
                self.pax_after_link = true;
            }
            b'g' => {
                // Global headers do not count towards the limit of an entry, and do not wait for one.
                let taken = std::mem::take(&mut self.taken);
                let first = self.first;
                self.fill(offset, size, input)?;
                self.taken = taken;
                self.first = first;
                self.global
                    .read(&self.scratch, Scope::Global)
                    .map_err(|fault| Error::new(fault.at(offset)))?;
            }
            b'L' | b'K' => {
                self.fill(offset, size, input)?;
                let text = match type_flag {
                    b'L' => &mut self.long_name,
                    _ => &mut self.long_link,
                };
                let length = self.scratch.iter().position(|&byte| byte == 0);
                // Python reads past the size, up to a NUL.
                self.nul_in_name |= length.is_none() && self.padding_data;
                let (name, rest) = self.scratch.split_at(length.unwrap_or(self.scratch.len()));
                self.nul_in_name |= rest.iter().any(|&byte| byte != 0);
                self.duplicate |= text.present;
                self.conflicting |= text.present && text.bytes != name;
                text.present = true;
                text.bytes.clear();
                text.bytes.extend_from_slice(name);
                match type_flag {
                    b'L' => self.pax_after_name = false,
                    _ => self.pax_after_link = false,
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn names(&self) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
        let owned = |text: Setting<&[u8]>| text.or(Setting::Unset).map(<[u8]>::to_vec);
        (
            owned(self.local.path.get()),
            owned(self.local.link_path.get()),
        )
    }

    /// Name of the entry, if an extension states it.
    pub(crate) fn path(&mut self) -> Option<&[u8]> {
        let local = self.local.path.get();
        self.conflicting |= self.long_name.conflicts(local);
        pick(
            &self.long_name,
            local,
            self.global.path.get(),
            self.pax_after_name,
        )
    }

    /// Target of the link, if an extension states it.
    pub(crate) fn link_path(&mut self) -> Option<&[u8]> {
        let local = self.local.link_path.get();
        self.conflicting |= self.long_link.conflicts(local);
        pick(
            &self.long_link,
            local,
            self.global.link_path.get(),
            self.pax_after_link,
        )
    }

    /// Reads `size` bytes and their padding into the scratch buffer.
    fn fill(&mut self, offset: u64, size: u64, input: &mut impl TarInput) -> Result<()> {
        self.first = self.first.or(Some(offset));
        self.taken = self.taken.saturating_add(size);
        let limit = self.local.limits.headers;
        within("extension headers of one entry", limit, self.taken)?;
        self.scratch.clear();
        let mut left = size;
        let mut block = [0; BLOCK];
        while left > 0 {
            let read = input.read_full(&mut block).during("read")?;
            if read < BLOCK {
                let missing = left.next_multiple_of(BLOCK as u64) - read as u64;
                return Err(Error::new(Fault::Tar {
                    offset,
                    why: TarFault::UnexpectedEnd { missing },
                }));
            }
            let length = block.len().min(usize::try_from(left).unwrap_or(BLOCK));
            let (content, padding) = block.split_at(length);
            self.scratch.extend_from_slice(content);
            self.padding_data |= padding.iter().any(|&byte| byte != 0);
            left -= length as u64;
        }
        Ok(())
    }
}

impl LongText {
    fn conflicts(&self, pax: Setting<&[u8]>) -> bool {
        matches!(pax, Setting::Value(pax) if self.present && pax != self.bytes)
    }
}

/// Returns the last of a long name and an `x` record, or else the global record.
fn pick<'a>(
    long: &'a LongText,
    local: Setting<&'a [u8]>,
    global: Setting<&'a [u8]>,
    pax_is_last: bool,
) -> Option<&'a [u8]> {
    match local {
        Setting::Value(local) if pax_is_last || !long.present => Some(local),
        _ if long.present => Some(&long.bytes),
        local => local.or(global),
    }
}

fn differs(before: Option<&[u8]>, now: Setting<&[u8]>) -> bool {
    before != now.or(Setting::Unset)
}
