//! Receipts as programs take and give them.

use std::io::{BufRead, BufReader, Cursor};
use std::path::Path;

use super::args::Common;
use super::image::{ImageArg, Place, is_descriptor};
use crate::blob::{Compression, Decoder, Input, Meter, ReadAhead, write_atomically};
use crate::bundle::{Form, Receipt};
use crate::error::{At, During, Error, Result};
use crate::limits::Limits;

/// Maximum length of a label in bytes.
const LABEL: usize = 200;

/// Options for the form of a receipt.
#[derive(Debug, Clone, clap::Args)]
pub struct ReceiptForm {
    /// Add the names of images to the receipt
    #[arg(long, requires = "receipt", hide_short_help = true)]
    names: bool,
    /// Cut the digests of the receipt to 32 digits
    #[arg(long, requires = "receipt", hide_short_help = true)]
    brief: bool,
    /// Label of the receipt, as the name of a site
    #[arg(long, value_name = "LABEL", requires = "receipt", value_parser = label_arg, hide_short_help = true)]
    label: Option<String>,
}

impl ReceiptForm {
    /// Returns the form.
    pub fn form(&self) -> Form {
        Form {
            label: self.label.clone(),
            names: self.names,
            brief: self.brief,
        }
    }
}

/// Checks a label.
///
/// # Errors
/// A message for the user.
pub fn label_arg(text: &str) -> Result<String, String> {
    match text.len() {
        1..=LABEL if !text.chars().any(char::is_control) => Ok(text.to_owned()),
        _ => Err(format!(
            "expected 1 to {LABEL} bytes without control characters"
        )),
    }
}

/// Writes a receipt to a file, which is replaced when the receipt is complete.
///
/// # Errors
/// `Io`, with the path as context.
pub fn write_receipt(receipt: &Receipt, path: &Path) -> Result<()> {
    write_atomically(path, &receipt.text())
}

/// Reads a receipt or a list of digests from a file or a pipe, compressed or not, or makes the receipt of an archive or of
/// images in the store.
///
/// # Errors
/// As [`Receipt::read`] and [`ImageArg::open`], with the input as context; `Usage` for a request.
pub fn read_receipt(argument: &ImageArg, common: &Common) -> Result<Receipt> {
    let receipt = any_receipt(argument, common)?;
    match receipt.is_request {
        true => Err(Error::usage("a request for blobs, not a receipt").at(argument.text())),
        false => Ok(receipt),
    }
}

/// Parses a receipt or a list of digests, compressed or not, whose bytes were verified.
///
/// # Errors
/// As [`read_receipt`], without context.
pub fn parse_receipt(bytes: Vec<u8>, common: &Common) -> Result<Receipt> {
    let limits = common.limits();
    let input = Input::Stream(ReadAhead::new(Cursor::new(bytes)));
    let receipt = Receipt::read(decoded(input, &limits)?.0, &limits)?;
    match receipt.is_request {
        true => Err(Error::usage("a request for blobs, not a receipt")),
        false => Ok(receipt),
    }
}

/// Reads a request for blobs, or a list of digests.
///
/// # Errors
/// As [`read_receipt`]; `Usage` for a receipt.
pub fn read_request(argument: &ImageArg, common: &Common) -> Result<Receipt> {
    let request = any_receipt(argument, common)?;
    match request.is_request || request.is_list() {
        true => Ok(request),
        false => {
            let why = "a receipt, not a request: imgload --missing writes requests";
            Err(Error::usage(why).at(argument.text()))
        }
    }
}

fn any_receipt(argument: &ImageArg, common: &Common) -> Result<Receipt> {
    let limits = common.limits();
    let place = || argument.text().to_owned();
    let input = match argument.parse()? {
        (Place::Stdin, None, _) => Some(Input::stdin().at(place)?),
        (Place::Path(path), None, _) if path.is_file() || is_descriptor(&path) => {
            Some(Input::path(&path).at(place)?)
        }
        _ => None,
    };
    if let Some(input) = input {
        let is_stream = matches!(input, Input::Stream(_));
        let (text, is_receipt) = decoded(input, &limits).at(place)?;
        if is_receipt || is_stream {
            return Receipt::read(text, &limits).at(place);
        }
    }
    let opened = argument.open(common, &Meter::default())?;
    let mut receipt = Receipt::default();
    receipt
        .add_images(&opened.archive, &opened.everything()?)
        .at(place)?;
    Ok(receipt)
}

/// Returns the decoded bytes of an input, and true if they begin like a receipt.
fn decoded(input: Input, limits: &Limits) -> Result<(Box<dyn BufRead>, bool)> {
    let mut stream = input.read();
    let compression = Compression::sniff(stream.fill_buf().during("read")?);
    let mut text: Box<dyn BufRead> = match compression {
        Compression::None => Box::new(stream),
        codec => Box::new(BufReader::new(Decoder::new(stream, codec, limits.decode)?)),
    };
    // What does not decode is reported by the reader of archives.
    let is_receipt = text.fill_buf().is_ok_and(Receipt::is_one);
    Ok((text, is_receipt))
}
