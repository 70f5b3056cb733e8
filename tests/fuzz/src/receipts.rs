//! Receipts and records of bundles.

use imgkit::bundle::{Receipt, Record};
use imgkit::limits::Limits;
use imgkit::spec::Digest;

/// Receipts, lists of digests, and records.
pub fn receipt(data: &[u8]) {
    let limits = Limits::default();
    if let Ok(record) = Record::parse(data, &limits) {
        let again = Record::parse(&record.text(), &limits).expect("what was written");
        assert_eq!(again, record);
    }
    let Ok(mut receipt) = Receipt::read(data, &limits) else {
        return;
    };
    let text = receipt.text();
    let again = Receipt::read(&text[..], &limits).expect("what was written");
    assert!(receipt.form.brief || again.blobs() == receipt.blobs());
    assert_eq!(again.text(), text);
    // One byte less or another one is an error.
    let cut = text.get(..text.len() - 2).unwrap_or_default();
    assert!(Receipt::read(cut, &limits).is_err());
    for (key, held) in again.blobs() {
        if let (Ok(digest), Some(size)) = (key.digest(), held.size) {
            assert!(receipt.has(&digest, size));
            assert!(!receipt.has(&digest, size.wrapping_add(1)));
        }
    }
    let more = Digest::from_hex("sha256", &"ab".repeat(32)).expect("a digest");
    receipt.add(&more, 7, None);
    assert!(receipt.has(&more, 7));
}
