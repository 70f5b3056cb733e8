//! Fields of files and images that are compared.

use strum::VariantArray;

use crate::error::{Error, Result};

/// One thing that can differ.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, strum::IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "lowercase")]
#[repr(u8)]
pub enum Field {
    /// Kind: file, directory, symbolic link, device, FIFO.
    Type,
    /// Permission bits.
    Mode,
    /// Owner.
    Uid,
    /// Group.
    Gid,
    /// The names of owner and group that the entry states.
    Names,
    /// Size of the contents.
    Size,
    /// The contents.
    Content,
    /// Target of a symbolic link.
    Target,
    /// Which names are one file.
    Links,
    /// Numbers of a device.
    Device,
    /// Extended attributes, capabilities among them.
    Xattrs,
    /// Modification time; of an image, when it and its steps were made.
    Mtime,
    /// Command, environment and platform.
    Config,
    /// The steps that made the image.
    History,
}

impl Field {
    /// Its name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        self.into()
    }

    fn bit(self) -> u16 {
        1 << self as u8
    }
}

/// A set of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fields(u16);

impl Fields {
    /// None of them.
    pub const NONE: Fields = Fields(0);

    /// All of them.
    pub fn all() -> Self {
        Field::VARIANTS
            .iter()
            .copied()
            .fold(Fields(0), Fields::with)
    }

    /// Default fields: all except times and owner names, which add nothing to
    /// the numbers.
    pub fn usual() -> Self {
        Fields::all().without(Field::Mtime).without(Field::Names)
    }

    /// Fields that describe the meaning of files and config, not how they were built.
    pub fn semantic() -> Self {
        Fields::usual().without(Field::History)
    }

    /// These fields and one more.
    #[must_use]
    pub fn with(self, field: Field) -> Self {
        Fields(self.0 | field.bit())
    }

    /// These fields without one.
    #[must_use]
    pub fn without(self, field: Field) -> Self {
        Fields(self.0 & !field.bit())
    }

    /// Those that are in both.
    #[must_use]
    pub fn and(self, other: Fields) -> Self {
        Fields(self.0 & other.0)
    }

    /// Tests if a field is among them.
    pub fn has(self, field: Field) -> bool {
        self.0 & field.bit() != 0
    }

    /// Tests if there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Them, in their order.
    pub fn iter(self) -> impl Iterator<Item = Field> {
        Field::VARIANTS
            .iter()
            .copied()
            .filter(move |field| self.has(*field))
    }

    /// Reads names between commas; `owner` is both of its numbers, `files` all that is not `config` or `history`.
    ///
    /// # Errors
    /// `Usage` for an unknown field.
    pub fn parse(text: &str) -> Result<Self> {
        let mut fields = Fields::NONE;
        for name in text.split(',').map(str::trim) {
            let found = match name {
                "owner" => Fields::NONE.with(Field::Uid).with(Field::Gid),
                "all" => Fields::all(),
                "usual" => Fields::usual(),
                "files" => Fields::all().without(Field::Config).without(Field::History),
                "xattr" => Fields::NONE.with(Field::Xattrs),
                name => match Field::VARIANTS
                    .iter()
                    .copied()
                    .find(|field| field.name() == name)
                {
                    Some(field) => Fields::NONE.with(field),
                    None => {
                        let known: Vec<&str> =
                            Field::VARIANTS.iter().map(|field| field.name()).collect();
                        return Err(Error::usage(format!(
                            "no field '{name}': there are {}",
                            known.join(", ")
                        )));
                    }
                },
            };
            fields = Fields(fields.0 | found.0);
        }
        Ok(fields)
    }
}
