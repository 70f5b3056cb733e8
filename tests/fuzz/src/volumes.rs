//! Tables of volumes, and sets of them.

use std::path::PathBuf;

use imgkit::archive::volumes::{Volume, VolumeSet, VolumeTable};

/// Tables, one after the other, each with a line that has only a dot at its end.
pub fn volumes(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut found = Vec::new();
    for (text, number) in text.split("\n.\n").zip(0_u64..) {
        let Ok(Some(table)) = VolumeTable::parse(text) else {
            continue;
        };
        let again = VolumeTable::parse(&table.text());
        let again = again.expect("what was written").expect("a table");
        assert_eq!(again.text(), table.text());
        assert_eq!((&again.chunks, again.size), (&table.chunks, table.size));
        let path = PathBuf::from(&table.name);
        found.push(Volume {
            path,
            length: (number % 3 != 2).then_some(table.size),
            table,
            parts: Vec::new(),
        });
    }
    let most = 1000;
    let Ok(set) = VolumeSet::of(found, most) else {
        return;
    };
    let (missing, _) = set.missing();
    assert!(missing.len() as u64 <= most + 1);
    assert_eq!(set.missing_error().is_none(), missing.is_empty());
    for number in missing {
        // Names need not have numbers.
        let path = set.path_of(number);
        assert!(path.is_none() || !set.volumes.is_empty() || !set.parity.is_empty());
    }
    let volumes = set.volumes.values().map(|volume| volume.table.size);
    assert!(set.length() >= volumes.sum());
}
