//! Tables of several images, and of an image's waste.

use serde_json::{Map, Value, json};

use super::files::{put_bytes, rooted, shown_path};
use crate::cli::kind_name;
use crate::escape;
use crate::programs::imgdiff::compare::{Bytes, Cell, ManyReport, WasteReport};
use crate::render::{Table, human};
use crate::tree::NodeKind;

/// The most columns of a command in a table.
const COMMAND: usize = 45;
/// The most columns of a value of a config in a table.
const VALUE: usize = 30;
/// Number of paths in a report of waste without `--all`.
pub const TOP: usize = 20;

/// The tables of many images: they themselves, their layers, configs, histories, packages and paths.
pub fn many_tables(report: &ManyReport) -> Vec<Table> {
    let names: Vec<String> = (1..=report.sides.len()).map(|i| format!("[{i}]")).collect();
    let mut images = Table::new(&["", "IMAGE", "ID", "LAYERS", "FILES"]);
    for (i, side) in report.sides.iter().enumerate() {
        let id = side.image.as_ref().map_or("<none>", |image| {
            let hex = image.id.strip_prefix("sha256:").unwrap_or(&image.id);
            hex.get(..12).unwrap_or(hex)
        });
        images.row([
            names[i].as_str(),
            &escape::brief(&side.name),
            id,
            &side.layers.len().to_string(),
            &human::size(report.bytes[i]),
        ]);
    }
    let head = |first: &[&str]| -> Table {
        let all: Vec<&str> = first
            .iter()
            .copied()
            .chain(names.iter().map(String::as_str))
            .collect();
        Table::new(&all)
    };
    let mut tables = vec![images];
    if !report.layers.is_empty() {
        let mut layers = head(&["LAYER", "SIZE", "CREATED BY"]);
        for layer in &report.layers {
            let id = layer
                .diff_id
                .strip_prefix("sha256:")
                .unwrap_or(&layer.diff_id);
            let command = human::ellipsis(&escape::text(&layer.created_by), COMMAND);
            let numbers = layer
                .numbers
                .iter()
                .map(|number| number.map_or("-".into(), |number| number.to_string()));
            let first = [
                id.get(..12).unwrap_or(id).to_owned(),
                human::size(layer.stored),
                command,
            ];
            layers.row(first.into_iter().chain(numbers));
        }
        tables.push(layers);
    }
    if !report.config.is_empty() {
        let mut config = head(&["CONFIG"]);
        for value in &report.config {
            let own = value.values.iter().map(|value| match value {
                None => "-".to_owned(),
                Some(value) => human::ellipsis(&escape::text(&value.to_string()), VALUE),
            });
            let path = escape::text(&value.path).into_owned();
            config.row([path].into_iter().chain(own));
        }
        tables.push(config);
    }
    if !report.history.is_empty() {
        let mut history = head(&["HISTORY"]);
        for step in &report.history {
            let command = human::ellipsis(&escape::text(&step.step.created_by), COMMAND);
            let numbers = step.numbers.iter();
            let numbers =
                numbers.map(|number| number.map_or("-".into(), |number| number.to_string()));
            history.row([command].into_iter().chain(numbers));
        }
        tables.push(history);
    }
    if !report.packages.is_empty() {
        let mut packages = head(&["PACKAGE"]);
        for package in &report.packages {
            let name = format!("{} {}", package.manager.name(), package.name);
            let versions = package
                .versions
                .iter()
                .map(|version| match version.as_str() {
                    "" => "-".to_owned(),
                    version => version.to_owned(),
                });
            packages.row([name].into_iter().chain(versions));
        }
        tables.push(packages);
    }
    if !report.paths.is_empty() {
        let mut paths = head(&["PATH"]);
        for path in &report.paths {
            let cells = path.cells.iter().map(|cell| match cell {
                None => "-".to_owned(),
                Some(cell) => shown(cell),
            });
            paths.row([shown_path(&path.path)].into_iter().chain(cells));
        }
        tables.push(paths);
    }
    tables
}

/// Size or kind, and the version as a letter.
fn shown(cell: &Cell) -> String {
    let what = match cell.kind {
        NodeKind::File => human::size(cell.size),
        other => kind_name(other).to_owned(),
    };
    let letter = match u8::try_from(cell.version - 1) {
        Ok(number) if number < 26 => char::from(b'a' + number).to_string(),
        _ => format!("v{}", cell.version),
    };
    format!("{what} {letter}")
}

/// Rows of a comparison of several images.
pub fn many_rows(report: &ManyReport) -> Vec<Value> {
    let mut rows = Vec::new();
    for (i, side) in report.sides.iter().enumerate() {
        rows.push(json!({
            "Type": "image",
            "Number": i + 1,
            "Name": side.name,
            "ID": side.image.as_ref().map(|image| image.id.clone()),
            "Layers": side.layers.len(),
            "FileBytes": report.bytes[i],
            "StoredBytes": side.stored(),
        }));
    }
    rows.extend(report.layers.iter().map(|layer| {
        json!({
            "Type": "layer",
            "DiffID": layer.diff_id,
            "StoredBytes": layer.stored,
            "CreatedBy": layer.created_by,
            "Numbers": layer.numbers,
        })
    }));
    rows.extend(report.config.iter().map(|value| {
        json!({
            "Type": "config",
            "Key": value.path,
            "Values": value.values,
        })
    }));
    rows.extend(report.history.iter().map(|step| {
        json!({
            "Type": "history",
            "CreatedBy": step.step.created_by,
            "EmptyLayer": step.step.empty_layer,
            "Numbers": step.numbers,
        })
    }));
    rows.extend(report.packages.iter().map(|package| {
        json!({
            "Type": "package",
            "Manager": package.manager.name(),
            "Name": package.name,
            "Versions": package.versions,
        })
    }));
    rows.extend(report.paths.iter().map(|path| {
        let mut row = Map::new();
        row.insert("Type".into(), "path".into());
        put_bytes(&mut row, "Path", &rooted(&path.path));
        let list = |of: fn(&Cell) -> Value| -> Value {
            path.cells
                .iter()
                .map(|cell| cell.as_ref().map_or(Value::Null, of))
                .collect()
        };
        row.insert("Kinds".into(), list(|cell| kind_name(cell.kind).into()));
        row.insert("Sizes".into(), list(|cell| cell.size.into()));
        row.insert("Versions".into(), list(|cell| cell.version.into()));
        Value::Object(row)
    }));
    rows
}

/// Tables of an image's waste: a summary, its layers, and at most `most` paths.
pub fn waste_lines(report: &WasteReport, by_dive: bool) -> Vec<String> {
    let wasted = &report.wasted;
    let mut lines = vec![
        format!(
            "files of all layers: {} ({} bytes)",
            human::size(report.files),
            report.files
        ),
        format!(
            "wasted: {} ({} bytes), about {} as stored",
            human::size(wasted.sum()),
            wasted.sum(),
            human::size(report.stored_wasted())
        ),
    ];
    for (what, bytes) in [
        ("overwritten by a later layer", wasted.shadowed),
        ("deleted by a later layer", wasted.deleted),
        ("metadata-only changes", wasted.metadata),
        ("duplicates", wasted.duplicate),
    ] {
        lines.push(format!("  {what}: {}", human::size(bytes)));
    }
    lines.push(format!("score: {:.4}", report.score()));
    if by_dive {
        lines.push(format!(
            "dive: efficiency {:.4}, wasted bytes {}",
            report.dive.efficiency, report.dive.wasted
        ));
    }
    lines
}

/// Its layers and the paths that waste most; `most` of them.
pub fn waste_tables(report: &WasteReport, most: usize) -> [Table; 2] {
    let mut layers = Table::new(&[
        "LAYER",
        "FILES",
        "WASTED",
        "STORED",
        "WASTED STORED",
        "CREATED BY",
    ]);
    for (i, layer) in report.layers.iter().enumerate() {
        layers.row([
            report.side.number(i).to_string(),
            human::size(layer.files),
            human::size(layer.wasted.sum()),
            human::size(layer.stored),
            human::size(layer.stored_wasted()),
            human::ellipsis(&escape::text(report.side.created_by(i)), COMMAND),
        ]);
    }
    let mut paths = Table::new(&["WASTED", "COPIES", "WHY", "LAYERS", "PATH"]);
    for path in report.paths.iter().take(most) {
        let numbers: Vec<String> = path
            .layers
            .iter()
            .map(|layer| report.side.number(*layer).to_string())
            .collect();
        paths.row([
            human::size(path.wasted.sum()),
            path.copies.to_string(),
            reasons(&path.wasted).join(","),
            numbers.join(","),
            shown_path(&path.path),
        ]);
    }
    [layers, paths]
}

/// Kinds of waste that a path has.
pub(super) fn reasons(wasted: &Bytes) -> Vec<&'static str> {
    [
        ("shadowed", wasted.shadowed),
        ("deleted", wasted.deleted),
        ("metadata", wasted.metadata),
        ("duplicate", wasted.duplicate),
    ]
    .into_iter()
    .filter(|(_, bytes)| *bytes > 0)
    .map(|(reason, _)| reason)
    .collect()
}

/// Rows of an image's waste, the summary last.
pub fn waste_rows(report: &WasteReport) -> Vec<Value> {
    let bytes = |row: &mut Map<String, Value>, wasted: &Bytes| {
        for (key, value) in [
            ("WastedBytes", wasted.sum()),
            ("ShadowedBytes", wasted.shadowed),
            ("DeletedBytes", wasted.deleted),
            ("MetadataBytes", wasted.metadata),
            ("DuplicateBytes", wasted.duplicate),
        ] {
            row.insert(key.into(), value.into());
        }
    };
    let mut rows = Vec::new();
    for (i, layer) in report.layers.iter().enumerate() {
        let mut row = Map::new();
        row.insert("Type".into(), "layer".into());
        row.insert("Layer".into(), report.side.number(i).into());
        row.insert("FileBytes".into(), layer.files.into());
        row.insert("StoredBytes".into(), layer.stored.into());
        row.insert("StoredWastedBytes".into(), layer.stored_wasted().into());
        row.insert("CreatedBy".into(), report.side.created_by(i).into());
        bytes(&mut row, &layer.wasted);
        rows.push(row.into());
    }
    for path in &report.paths {
        let mut row = Map::new();
        row.insert("Type".into(), "path".into());
        put_bytes(&mut row, "Path", &rooted(&path.path));
        row.insert("Copies".into(), path.copies.into());
        let numbers: Vec<usize> = path
            .layers
            .iter()
            .map(|layer| report.side.number(*layer))
            .collect();
        row.insert("Layers".into(), numbers.into());
        bytes(&mut row, &path.wasted);
        rows.push(row.into());
    }
    let mut row = Map::new();
    row.insert("Type".into(), "summary".into());
    row.insert("FileBytes".into(), report.files.into());
    row.insert("StoredWastedBytes".into(), report.stored_wasted().into());
    row.insert("Score".into(), json!(report.score()));
    row.insert("DiveEfficiency".into(), json!(report.dive.efficiency));
    row.insert("DiveWastedBytes".into(), report.dive.wasted.into());
    bytes(&mut row, &report.wasted);
    rows.push(row.into());
    rows
}
