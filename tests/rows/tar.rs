//! Tars with whatever in their headers. Written here byte by byte: no library would.

/// An entry in the making.
pub struct Entry {
    block: [u8; 512],
    data: Vec<u8>,
}

/// A ustar entry of a kind, with names as they are, cut to 100 bytes.
pub fn entry(kind: u8, name: &[u8], data: &[u8]) -> Entry {
    let mut block = [0; 512];
    let length = name.len().min(100);
    block[..length].copy_from_slice(&name[..length]);
    let mut entry = Entry {
        block,
        data: data.to_vec(),
    };
    entry.block[100..108].copy_from_slice(if kind == b'5' {
        b"0000755\0"
    } else {
        b"0000644\0"
    });
    entry.block[108..124].copy_from_slice(b"0000000\x000000000\0");
    entry.block[156] = kind;
    entry.block[257..265].copy_from_slice(b"ustar\x0000");
    entry
        .octal(124, 12, data.len() as u64)
        .octal(136, 12, 1_704_067_200)
}

impl Entry {
    /// Bytes anywhere in the header.
    pub fn put(mut self, at: usize, bytes: &[u8]) -> Self {
        self.block[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// A number as ustar writes it.
    pub fn octal(self, at: usize, length: usize, number: u64) -> Self {
        let text = format!("{number:0width$o}\0", width = length - 1);
        self.put(at, text.as_bytes())
    }

    /// Where a link leads to.
    pub fn to(self, target: &[u8]) -> Self {
        self.put(157, &target[..target.len().min(100)])
    }

    /// The dialect of GNU tar.
    pub fn gnu(self) -> Self {
        self.put(257, b"ustar  \0")
    }

    /// The header says this is so long, whatever there is.
    pub fn says(self, size: u64) -> Self {
        match size < 1 << 33 {
            true => self.octal(124, 12, size),
            false => {
                let mut field = [0; 12];
                field[0] = 0x80;
                field[4..].copy_from_slice(&size.to_be_bytes());
                self.put(124, &field)
            }
        }
    }

    /// Header with its checksum, and data to a whole block.
    pub fn bytes(mut self) -> Vec<u8> {
        self.block[148..156].fill(b' ');
        let sum: u32 = self.block.iter().map(|byte| u32::from(*byte)).sum();
        self.block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let mut bytes = self.block.to_vec();
        bytes.extend(&self.data);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }
}

/// A PAX header with these records.
pub fn pax(records: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut text = Vec::new();
    for (key, value) in records {
        text.extend(record(key, value));
    }
    pax_text(&text)
}

/// A PAX header with any text.
pub fn pax_text(text: &[u8]) -> Vec<u8> {
    entry(b'x', b"PaxHeaders/x", text).bytes()
}

fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = [b" ", key, b"=", value, b"\n"].concat();
    let mut length = rest.len() + 1;
    while length.to_string().len() + rest.len() != length {
        length = length.to_string().len() + rest.len();
    }
    [length.to_string().as_bytes(), &rest].concat()
}

/// A GNU long name (`L`) or long link (`K`).
pub fn long(kind: u8, text: &[u8]) -> Vec<u8> {
    entry(kind, b"././@LongLink", &[text, b"\0"].concat())
        .gnu()
        .bytes()
}

/// A plain file.
pub fn file(name: &[u8], data: &[u8]) -> Vec<u8> {
    entry(b'0', name, data).bytes()
}

/// A symbolic link.
pub fn link(name: &[u8], target: &[u8]) -> Vec<u8> {
    entry(b'2', name, b"").to(target).bytes()
}

/// A hard link.
pub fn hard(name: &[u8], target: &[u8]) -> Vec<u8> {
    entry(b'1', name, b"").to(target).bytes()
}

/// A folder.
pub fn folder(name: &[u8]) -> Vec<u8> {
    entry(b'5', name, b"").bytes()
}

/// Parts, and the end marker.
pub fn whole(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = parts.concat();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// A GNU sparse file of `size` bytes, of which the first are stored.
pub fn sparse(name: &[u8], size: u64, data: &[u8]) -> Vec<u8> {
    let mut real = [0; 12];
    real[0] = 0x80;
    real[4..].copy_from_slice(&size.to_be_bytes());
    entry(b'S', name, data)
        .gnu()
        .put(386, b"00000000000\0")
        .octal(398, 12, data.len() as u64)
        .put(483, &real)
        .bytes()
}
