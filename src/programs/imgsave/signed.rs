//! Receipts with a signature.

use std::path::{Path, PathBuf};

use super::args::SinceArgs;
use crate::blob::{FileRange, open_regular};
use crate::bundle::Receipt;
use crate::cli::{self, Common};
use crate::error::{At, Error, Result, within};

/// Maximum length in bytes of a signature.
const MAX_SIGNATURE: u64 = 1 << 20;

/// Reads the receipts of `--since`, each of which has to have a valid signature. They are parsed from the bytes that were
/// verified.
///
/// # Errors
/// `Usage` for another number of signatures than of receipts; `Signature`, `Keyring`; as [`cli::parse_receipt`].
pub(super) fn receipts(options: &SinceArgs, common: &Common) -> Result<Vec<Receipt>> {
    let (receipts, signatures) = (&options.since, &options.since_signature);
    if !signatures.is_empty() && receipts.len() != signatures.len() {
        let (found, expected) = (signatures.len(), receipts.len());
        let why = format!(
            "--since-signature: expected one for each --since, {expected} in all, found {found}"
        );
        return Err(Error::usage(why));
    }
    let verify = verifier(&options.keyring)?;
    let mut verified = Vec::new();
    for (receipt, index) in receipts.iter().zip(0..) {
        let place = || receipt.text().to_owned();
        let path = receipt.whole_path().filter(|path| path.is_file());
        let no_file = || Error::usage("--keyring: expected the file of a receipt");
        let path = path.ok_or_else(no_file).at(place)?;
        let bytes = read(&path, common.limits().list).at(place)?;
        let signature = signatures.get(index).cloned();
        let signature = &signature.unwrap_or_else(|| beside(&path));
        let detached = read(signature, MAX_SIGNATURE);
        let checked = detached.and_then(|detached| verify(&detached, &bytes));
        checked.at(|| signature.to_string_lossy().into_owned())?;
        verified.push(cli::parse_receipt(bytes, common).at(place)?);
    }
    Ok(verified)
}

/// Returns the usual path of a signature: with `.asc` behind that of the file if it is there, else `.sig`.
fn beside(path: &Path) -> PathBuf {
    let with_end = |end: &str| {
        let mut path = path.as_os_str().to_owned();
        path.push(end);
        PathBuf::from(path)
    };
    let armored = with_end(".asc");
    match armored.is_file() {
        true => armored,
        false => with_end(".sig"),
    }
}

fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let range = FileRange::whole(open_regular(path, true)?)?;
    within("size of a list in bytes", most, range.len())?;
    range.bytes(most).map(|bytes| bytes.to_vec())
}

/// Returns a function that compares a signature with signed bytes.
#[cfg(feature = "base")]
fn verifier(keyrings: &[PathBuf]) -> Result<impl Fn(&[u8], &[u8]) -> Result<()>> {
    let keyring = crate::base::debian::Keyring::read(keyrings)?;
    let now = cli::now().seconds();
    Ok(move |signature: &[u8], signed: &[u8]| {
        keyring.verify_detached(signature, signed, now).map(drop)
    })
}

/// Without the feature `base` no signature is read.
#[cfg(not(feature = "base"))]
fn verifier(_keyrings: &[PathBuf]) -> Result<impl Fn(&[u8], &[u8]) -> Result<()>> {
    let none = |_: &[u8], _: &[u8]| Ok(());
    match cfg!(feature = "base") {
        true => Ok(none),
        false => Err(Error::unsupported(
            "--since-signature: imgkit was built without the feature 'base'",
        )),
    }
}
