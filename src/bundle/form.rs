//! Forms of receipts.

/// Schema of a receipt.
pub(super) const RECEIPT: &str = "imgkit-receipt/1";

/// Schema of a request for blobs.
pub(super) const REQUEST: &str = "imgkit-request/1";

/// Form of a receipt.
#[derive(Debug, Clone, Default)]
pub struct Form {
    /// Text for people, as the name of the site.
    pub label: Option<String>,
    /// True with the names of images.
    pub names: bool,
    /// True with digests cut to 32 digits.
    pub brief: bool,
}
