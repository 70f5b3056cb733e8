//! l2tcsv: the 17 columns of log2timeline's CSV, without quotes.

use super::collect::EventRef;
use super::timesketch::Row;
use crate::escape;
use crate::spec::Timestamp;

/// Heading of the columns.
pub const HEADING: &str = "date,time,timezone,MACB,source,sourcetype,type,user,host,short,desc,version,filename,inode,notes,format,extra";

/// Length in characters of a short description.
const SHORT: usize = 80;

/// The line of all events that one version or document has at one time.
pub fn line(events: &[EventRef<'_>]) -> Option<String> {
    let first = events.first()?;
    let row = Row::of(first);
    let time = first.event().time;
    let time = Timestamp::from_unix(time.seconds, 0).rfc3339();
    // The year may have a sign.
    let (day, clock) = time.trim_end_matches('Z').rsplit_once('T')?;
    let (rest, date) = day.rsplit_once('-')?;
    let (year, month) = rest.rsplit_once('-')?;
    let letters = |event: &EventRef<'_>| event.event().kind.letter();
    let macb: String = "MACB"
        .chars()
        .map(
            |letter| match events.iter().any(|event| letters(event) == letter) {
                true => letter,
                false => '.',
            },
        )
        .collect();
    let mut descriptions: Vec<&str> = events.iter().map(EventRef::description).collect();
    descriptions.dedup();
    let is_version = first.event().kind.is_of_version();
    let sourcetype = match first.layer() {
        Some(layer) => format!("Image layer {}", layer + 1),
        None => "Image".to_owned(),
    };
    let inode = match first {
        EventRef::Version { version, .. } => format!("{}-{}", version.layer() + 1, version.entry()),
        EventRef::Document { .. } => String::new(),
    };
    let fields = [
        format!("{month}/{date}/{year}"),
        clock.to_owned(),
        "UTC".to_owned(),
        macb,
        if is_version { "FILE" } else { "LOG" }.to_owned(),
        sourcetype,
        descriptions.join("; "),
        row.uid.map(|uid| uid.to_string()).unwrap_or_default(),
        row.image.to_owned(),
        escape::brief_to(&row.message, SHORT).into_owned(),
        row.message.clone(),
        "2".to_owned(),
        row.path.clone(),
        inode,
        codes(events).join(" "),
        "imgkit".to_owned(),
        extra(&row),
    ];
    Some(fields.map(|field| plain(&field)).join(","))
}

/// Codes of the anomalies of events.
fn codes(events: &[EventRef<'_>]) -> Vec<&'static str> {
    let anomalies = events.iter().flat_map(EventRef::anomalies);
    anomalies.map(|anomaly| anomaly.rule.code()).collect()
}

/// `key: value; …`, sorted.
fn extra(row: &Row<'_>) -> String {
    let texts = [
        ("by_layer", row.by_layer.map(|by| by.to_string())),
        ("created_by", row.created_by.clone()),
        ("diff_id", row.diff_id.clone()),
        ("gid", row.gid.map(|gid| gid.to_string())),
        ("image_id", row.image_id.clone()),
        ("mode", row.mode.clone()),
        ("sha256", row.sha256.clone()),
        ("size", row.size.map(|size| size.to_string())),
        ("state", row.state.map(str::to_owned)),
    ];
    let known = texts
        .into_iter()
        .filter_map(|(key, value)| Some(format!("{key}: {}", value?)));
    known.collect::<Vec<_>>().join("; ")
}

/// A field without what would end it or begin a quoted one.
fn plain(field: &str) -> String {
    let field: String = field
        .chars()
        .filter(|c| !matches!(c, '\n' | '\r'))
        .map(|c| match c {
            ',' => ' ',
            '"' => '\'',
            c => c,
        })
        .collect();
    match field.trim().is_empty() {
        true => "-".to_owned(),
        false => field,
    }
}
