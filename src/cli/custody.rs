//! Custody records: who read what, when and with what, whether it changed, and what was written.
//!
//! Keys are only added; [`VERSION`] counts changes in the set of those that all programs write. Records form a chain by
//! `Previous`. The input is hashed before it is opened and after all output is written.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::evidence::{Input, State};
use super::image::ImageArg;
use super::output::option_file;
use super::streams::{Io, is_stdout, now, source_date_epoch};
use crate::blob::{StreamDigester, sha256, write_atomically};
use crate::error::{At, Error, Result};
use crate::limits::JsonLimits;
use crate::render::json as text;
use crate::spec::{Timestamp, json as parser};

/// The version of the record.
pub const VERSION: u32 = 2;

/// Options of what a record says about people and places.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Custody")]
pub struct CustodyArgs {
    /// Write a custody record of the input to FILE (JSON)
    ///
    /// The input is hashed before and after; the record also has digests of what was written. - is standard output,
    /// where nothing else is. See CUSTODY in imgverify(1).
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub custody: Option<PathBuf>,
    /// Case that the record is of (default: $IMGKIT_CASE)
    #[arg(
        long,
        value_name = "TEXT",
        requires = "custody",
        hide_short_help = true
    )]
    pub case: Option<String>,
    /// Exhibit that the record is of (default: $IMGKIT_EXHIBIT)
    #[arg(
        long,
        value_name = "TEXT",
        requires = "custody",
        hide_short_help = true
    )]
    pub exhibit: Option<String>,
    /// Name of the examiner (default: $IMGKIT_OPERATOR)
    ///
    /// Never the login name.
    #[arg(
        long,
        value_name = "TEXT",
        requires = "custody",
        hide_short_help = true
    )]
    pub operator: Option<String>,
    /// Text for the record (default: $IMGKIT_NOTE)
    #[arg(
        long,
        value_name = "TEXT",
        requires = "custody",
        hide_short_help = true
    )]
    pub note: Option<String>,
    /// Record the name of the host, too
    #[arg(long, requires = "custody", hide_short_help = true)]
    pub host: bool,
    /// Chain the record to RECORD, the one before it
    #[arg(
        long,
        value_name = "RECORD",
        requires = "custody",
        hide_short_help = true
    )]
    pub previous: Option<PathBuf>,
}

/// A record that was begun: the input as it was found.
pub struct CustodyRecord<'a> {
    args: &'a CustodyArgs,
    file: &'a Path,
    name: String,
    path: Option<PathBuf>,
    started: Timestamp,
    before: Option<State>,
    previous: Value,
    /// Digests of the input if it is a stream.
    pub tap: StreamDigester,
}

impl CustodyArgs {
    /// Begins the record of an input, if one is requested: reads the input once, to its end.
    ///
    /// # Errors
    /// `Usage` if `--previous` names no record; `Io` for that file. An input that cannot be read has no state, and opening
    /// it says why.
    pub fn begin(&self, images: &[&ImageArg]) -> Result<Option<CustodyRecord<'_>>> {
        let Some(file) = self.custody.as_deref() else {
            return Ok(None);
        };
        let [image] = images else {
            let why = "--custody is a record of one input: name one IMAGE";
            return Err(Error::usage(why));
        };
        let path = image.input_path()?;
        super::reject_same_file(Some(file).filter(|file| !is_stdout(file)), path.as_deref())?;
        let before = path
            .as_deref()
            .and_then(|path| State::of(path).ok().flatten());
        Ok(Some(CustodyRecord {
            args: self,
            file,
            name: image.text().to_owned(),
            previous: self.previous(file)?,
            path,
            started: clock(),
            before,
            tap: StreamDigester::default(),
        }))
    }

    /// Begins the record of a program that writes its results to standard output, where the record cannot be; its digest
    /// is recorded.
    ///
    /// # Errors
    /// Those of [`CustodyArgs::begin`]; `Usage` for a record on standard output, with `hint`.
    pub fn begin_on_stdout(
        &self,
        images: &[&ImageArg],
        hint: &str,
        io: &mut Io,
    ) -> Result<Option<CustodyRecord<'_>>> {
        if self.custody.as_deref().is_some_and(is_stdout) {
            return Err(Error::usage(format!(
                "--custody - requires {hint}: both are on standard output"
            )));
        }
        let record = self.begin(images)?;
        if record.is_some() {
            io.hash_output()?;
        }
        Ok(record)
    }

    /// `File` and `SHA256` of the record before. A file beside the new record is named alone, any other by its whole path.
    fn previous(&self, file: &Path) -> Result<Value> {
        let Some(previous) = &self.previous else {
            return Ok(Value::Null);
        };
        let place = || previous.to_string_lossy().into_owned();
        let bytes = option_file(previous)?;
        let record = parser::parse(&bytes, &JsonLimits::default()).at(place)?;
        if record.get("CustodyVersion").is_none() {
            let why = "not a record of custody: it has no CustodyVersion";
            return Err(Error::usage(why)).at(place);
        }
        let whole = |path: &Path| std::fs::canonicalize(path).ok();
        let directory = |path: &Path| {
            let parent = path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty());
            whole(parent.unwrap_or(".".as_ref()))
        };
        let name = match directory(previous) == directory(file) {
            true => previous.file_name().map(PathBuf::from),
            false => whole(previous),
        };
        let name = name.unwrap_or_else(|| previous.clone());
        Ok(json!({"File": name.to_string_lossy(), "SHA256": sha256(&bytes).as_str()}))
    }
}

impl CustodyRecord<'_> {
    /// The input as it was found; `None` for a stream.
    pub fn before(&self) -> Option<&Input> {
        self.before.as_ref().map(|before| &before.input)
    }

    /// Completes the record and writes it: the shared keys, then those of the program. `input` is the value of `Input`, by
    /// default the input as it was found; `outputs` are the files that were written.
    ///
    /// # Errors
    /// `Usage` for an image of the store; `Io`.
    pub fn finish(
        self,
        io: &mut Io,
        input: Option<Value>,
        outputs: &[&Path],
        found: Map<String, Value>,
    ) -> Result<()> {
        let after = self.path.as_deref().map(State::of).transpose()?.flatten();
        let seen = self.tap.digests().map(Input::Bytes);
        let own = self.before().or(seen.as_ref());
        let Some(mut input) = input.or_else(|| own.map(|own| own.value(&self.name))) else {
            let why = "unsupported: custody record of an image in the store (name a file, a directory or a stream)";
            return Err(Error::usage(why));
        };
        let state = |state: &Option<State>| state.as_ref().map_or(Value::Null, State::value);
        let (before, after) = (state(&self.before), state(&after));
        let unchanged = match before.is_null() || after.is_null() {
            true => Value::Null,
            false => (before == after).into(),
        };
        if unchanged == false {
            io.warn(&format!(
                "{}: the input changed while it was read",
                self.name
            ));
        }
        if let Some(input) = input.as_object_mut() {
            for (key, value) in [
                ("Before", before),
                ("After", after),
                ("Unchanged", unchanged),
            ] {
                input.insert(key.to_owned(), value);
            }
        }
        let mut record = self.keys(io, input, outputs)?;
        record.extend(found);
        let text = format!("{}\n", text::pretty(&Value::Object(record)));
        match is_stdout(self.file) {
            true => io.line(text.trim_end()),
            false => write_atomically(self.file, text.as_bytes()),
        }
    }

    fn keys(&self, io: &mut Io, input: Value, outputs: &[&Path]) -> Result<Map<String, Value>> {
        let stated = |option: &Option<String>, name: &str| {
            let variable = || std::env::var(name).ok().filter(|text| !text.is_empty());
            option.clone().or_else(variable)
        };
        let own = super::own_path()
            .and_then(|path| digest_of(&path))
            .ok()
            .flatten();
        let mut written = Vec::new();
        for path in outputs {
            let Some((size, digest)) = digest_of(path)? else {
                continue;
            };
            written.push(json!({"Name": path.to_string_lossy(), "Size": size, "SHA256": digest}));
        }
        if let Some((size, digest)) = io.output_digest()? {
            written.push(json!({"Name": "-", "Size": size, "SHA256": digest.as_str()}));
        }
        let args = self.args;
        let command = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned());
        let record = json!({
            "CustodyVersion": VERSION,
            "Program": {
                "Name": io.program(),
                "Version": env!("CARGO_PKG_VERSION"),
                "SHA256": own.map(|(_, digest)| digest),
            },
            "Time": now().rfc3339(),
            "Started": self.started.rfc3339_nano(),
            "Ended": clock().rfc3339_nano(),
            "SourceDateEpoch": source_date_epoch(),
            "Command": command.collect::<Vec<_>>(),
            "Case": stated(&args.case, "IMGKIT_CASE"),
            "Exhibit": stated(&args.exhibit, "IMGKIT_EXHIBIT"),
            "Operator": stated(&args.operator, "IMGKIT_OPERATOR"),
            "Note": stated(&args.note, "IMGKIT_NOTE"),
            "Host": host(args.host),
            "Previous": self.previous,
            "Input": input,
            "OpenedReadOnly": true,
            "Outputs": written,
        });
        match record {
            Value::Object(record) => Ok(record),
            _ => Ok(Map::new()),
        }
    }
}

/// Size in bytes and SHA-256 digest of a file, or of all files of a directory; `None` for devices and pipes.
fn digest_of(path: &Path) -> Result<Option<(u64, String)>> {
    let state = State::of(path)?;
    let identity = state.map(|state| state.input.identity());
    Ok(identity.map(|(size, digest)| (size, digest.to_string())))
}

/// The time of the clock, whatever `SOURCE_DATE_EPOCH`.
fn clock() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let since = since.unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_unix(seconds, since.subsec_nanos())
}

/// System, kernel and time zone, as far as they are known.
fn host(with_name: bool) -> Value {
    let kernel = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).ok();
        text.map(|text| text.trim().to_owned())
    };
    let zone = std::env::var("TZ").ok().filter(|zone| !zone.is_empty());
    let zone = zone.or_else(|| {
        let target = std::fs::read_link("/etc/localtime").ok()?;
        let target = target.to_string_lossy().into_owned();
        Some(target.split_once("zoneinfo/")?.1.to_owned())
    });
    let mut host = json!({"OS": kernel("ostype"), "Kernel": kernel("osrelease"), "Timezone": zone});
    if let (Some(host), true) = (host.as_object_mut(), with_name) {
        host.insert("Name".to_owned(), json!(kernel("hostname")));
    }
    host
}

/// Compared part of a record's input: what it is, and not how it was called or when it was read.
pub fn identity(input: &Value) -> Value {
    let mut input = input.clone();
    if let Some(keys) = input.as_object_mut() {
        for key in ["Name", "Before", "After", "Unchanged"] {
            keys.remove(key);
        }
    }
    input
}
