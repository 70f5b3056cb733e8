//! Properties of generated and damaged tars.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::testing::{Head, Tar, walk};
use super::super::*;
use super::sparse::gnu_sparse;

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Tars of the `tar` crate are read completely, from a stream and from a file.
    #[test]
    fn tars_of_another_writer_are_read(
        files in prop::collection::vec(("[a-z]{1,9}(/[a-zé]{1,40}){0,9}", 0..3000_usize, any::<u32>(), 0..1_u64 << 40), 0..8),
    ) {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, size, uid, mtime) in &files {
            let mut header = tar::Header::new_gnu();
            header.set_size(*size as u64);
            header.set_uid(u64::from(*uid));
            header.set_mtime(*mtime);
            header.set_mode(0o755);
            // Without a type, a long name that is cut after a slash is a directory for Python, which is an anomaly.
            header.set_entry_type(tar::EntryType::Regular);
            builder.append_data(&mut header, path, &vec![b'x'; *size][..]).expect("written");
        }
        let tar = builder.into_inner().expect("written");
        let mut file = tempfile::tempfile().expect("a temporary file");
        std::io::Write::write_all(&mut file, &tar).expect("written");
        let mut from_file = Walker::new(FileInput::new(Arc::new(crate::blob::Backing::File(file)), 0, tar.len() as u64));
        let (entries, anomalies) = walk(&tar).expect("readable");
        prop_assert!(anomalies.is_empty());
        prop_assert_eq!(entries.len(), files.len());
        for (entry, (path, size, uid, mtime)) in entries.iter().zip(&files) {
            prop_assert_eq!(&*entry.path, path.as_bytes());
            prop_assert_eq!((entry.size, entry.metadata.uid), (*size as u64, u64::from(*uid)));
            prop_assert_eq!((entry.metadata.mtime.seconds, entry.metadata.mode), (*mtime as i64, 0o755));
            let other = from_file.next_entry().expect("readable").expect("as many");
            prop_assert_eq!((&other.path, other.data_offset), (&entry.path, entry.data_offset));
        }
        prop_assert!(from_file.next_entry().expect("readable").is_none());
    }

    /// Damage causes no panic and no endless loop, and a walk that succeeds stays within the input.
    #[test]
    fn damage_never_panics_or_hangs(
        hits in prop::collection::vec((0..4096_usize, any::<u8>()), 1..6),
        length in 0..5000_usize,
        fix in any::<bool>(),
    ) {
        let mut tar = Tar::default()
            .pax(&[("path", b"long/name"), ("size", b"3"), ("SCHILY.xattr.user.a", b"b")])
            .file("x", b"123")
            .head(gnu_sparse(&[(0, 512)], 512, false))
            .data(&[b's'; 512])
            .entry(b'L', "L", b"name\0")
            .link(b'2', "l", "target")
            .end();
        for (at, byte) in hits {
            if let Some(hit) = tar.get_mut(at) {
                *hit = byte;
            }
        }
        if fix {
            for at in (0..tar.len()).step_by(512) {
                let block: [u8; 512] = tar[at..at + 512].try_into().expect("whole blocks");
                if block[257..262] == *b"ustar" {
                    tar[at..at + 512].copy_from_slice(&Head(block).done());
                }
            }
        }
        tar.truncate(length.max(1));
        let mut walker = Walker::new(StreamInput::new(&tar[..]));
        let walked = LayerSummary::of(&mut walker);
        if let Ok(summary) = walked {
            prop_assert!(summary.tar_size <= tar.len() as u64);
        }
    }
}
