//! Lists of images in YAML and JSON, read as events.
//!
//! Nothing is built of a document but the fields of the mappings that are open, and those of mappings with an anchor.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::collect::{Collector, Unresolved};
use super::mapping::{Field, Fields, Role};
use super::text;
use crate::error::{Error, Fault, Result, within};

/// Deepest nesting of a document.
const MAX_DEPTH: u64 = 100;
/// Keys above lists of images: of kustomize, zarf, hauler and charts, of Operator Lifecycle Manager, and of oc-mirror.
const LISTS: [&str; 4] = [
    "images",
    "relatedImages",
    "additionalImages",
    "artifacthub.io/images",
];
/// Length in bytes of a value above which only its beginning is kept: it is no part of a reference.
const KEPT: usize = 4096;
/// The most nodes with anchors.
const MAX_ANCHORS: u64 = 100_000;
/// The most lines that are indented for [`with_indented_brackets`], and the blanks that each of them gets.
const MAX_BRACKETS: usize = 100_000;
const INDENTATION: usize = 64;
/// Text that stands for a template in a reference.
const TEMPLATE: &str = "{{ … }}";

/// Reads all documents of a text.
///
/// # Errors
/// `List` for invalid YAML; `Limit`.
pub(super) fn read(text: &str, collector: &mut Collector<'_>) -> Result<()> {
    // A bracket may open a key, so that all up to its end is read before the first event of it.
    let items = text.bytes().filter(|byte| b"[{,".contains(byte)).count();
    let most = collector.reading.limits.json.items;
    within("JSON items", most, items as u64)?;
    let read = Reader::new(collector, 0, Role::Other).documents(text);
    if let Err(error) = &read
        && matches!(error.fault(), Fault::List { .. })
        && let Some(text) = with_indented_brackets(text)
    {
        collector.clear();
        let again = Reader::new(collector, 0, Role::Other).documents(&text);
        return again.or(read);
    }
    read
}

/// Returns the text with closing brackets at the start of lines indented; `None` if there are none, or too many.
///
/// By the specification they must be further right than the key of the brackets; other parsers do not mind.
fn with_indented_brackets(text: &str) -> Option<String> {
    let closes = |line: &str| line.trim_start_matches(' ').starts_with([']', '}']);
    let number = text.lines().filter(|line| closes(line)).count();
    if !(1..=MAX_BRACKETS).contains(&number) {
        return None;
    }
    let lines = text.split_inclusive('\n');
    let indented = lines.map(|line| match closes(line) {
        true => format!("{}{line}", " ".repeat(INDENTATION)),
        false => line.to_owned(),
    });
    Some(indented.collect())
}

fn invalid(error: &ScanError, offset: usize, is_template: bool) -> Error {
    Error::new(Fault::List {
        line: Some(error.marker().line() + offset),
        why: error.info().to_owned(),
        is_template,
    })
}

/// An open mapping or sequence.
struct Frame {
    role: Role,
    /// Number of its anchor; 0 for none.
    anchor: usize,
    /// Position of its first character.
    start: usize,
    kind: Kind,
}

enum Kind {
    Sequence,
    Mapping {
        /// Key whose value comes next; `None` if a key does.
        key: Option<Arc<str>>,
        fields: Fields,
        is_empty: bool,
    },
}

/// Node with an anchor.
#[derive(Clone)]
enum Anchored {
    Scalar(Scalar),
    Mapping(Role, Fields),
    Sequence(Role),
}

#[derive(Clone)]
struct Scalar {
    text: Arc<str>,
    style: ScalarStyle,
    /// Number of its line, or of that of its alias.
    line: usize,
    /// Number of the first line of its text.
    first: usize,
}

impl Scalar {
    /// Creates a scalar from an event in this line; `has_properties` is true if it has an anchor or a tag.
    fn new(text: &str, style: ScalarStyle, line: usize, has_properties: bool) -> Self {
        let mut scalar = Scalar {
            text: Arc::from(text),
            style,
            line,
            first: line,
        };
        if scalar.is_block() {
            // The position of the event is that of the properties, or of the first line that is not blank.
            let blank = text.bytes().take_while(|byte| *byte == b'\n').count();
            scalar.first = match has_properties {
                true => line + 1,
                false => line.saturating_sub(blank).max(1),
            };
        }
        scalar
    }

    /// Tests if it is null.
    fn is_null(&self) -> bool {
        let is_plain = self.style == ScalarStyle::Plain;
        is_plain && matches!(&*self.text, "" | "~" | "null" | "Null" | "NULL")
    }

    /// Tests if it is a text, and neither a number nor true or false.
    fn is_text(&self) -> bool {
        let is_other = || {
            matches!(&*self.text, "true" | "false" | "True" | "False")
                || self.text.parse::<f64>().is_ok()
        };
        !self.is_null() && (self.style != ScalarStyle::Plain || !is_other())
    }

    /// Tests if it is a block of lines, each of which is one of the file.
    fn is_block(&self) -> bool {
        matches!(self.style, ScalarStyle::Literal | ScalarStyle::Folded)
    }
}

struct Reader<'a, 'c> {
    collector: &'a mut Collector<'c>,
    /// Number of lines before the text.
    offset: usize,
    /// Role of documents; [`Role::Texts`] for a document in a value.
    top: Role,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Anchored>,
    aliases: u64,
}

impl<'a, 'c> Reader<'a, 'c> {
    fn new(collector: &'a mut Collector<'c>, offset: usize, top: Role) -> Self {
        Reader {
            collector,
            offset,
            top,
            frames: Vec::new(),
            anchors: HashMap::new(),
            aliases: 0,
        }
    }

    fn documents(&mut self, text: &str) -> Result<()> {
        let mut parser = Parser::new_from_str(text);
        while let Some(event) = parser.next_event() {
            let offset = self.offset;
            let invalid = |error| invalid(&error, offset, text.contains("{{"));
            let (event, span) = event.map_err(invalid)?;
            self.event(event, span)?;
        }
        Ok(())
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<()> {
        let line = span.start.line() + self.offset;
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let has_properties = anchor > 0 || tag.is_some();
                let scalar = Scalar::new(&text, style, line, has_properties);
                self.keep(anchor, Anchored::Scalar(scalar.clone()))?;
                self.collector
                    .string(&scalar.text, scalar.first, scalar.is_block())?;
                self.scalar(&scalar)
            }
            Event::Alias(anchor) => self.alias(anchor, line),
            Event::SequenceStart(anchor, _) => {
                let role = match (self.frames.last(), self.child_role()) {
                    (None, _) => Role::Texts,
                    (_, Role::Item) => Role::Images,
                    (_, role) => role,
                };
                self.open(role, anchor, span, Kind::Sequence)
            }
            Event::MappingStart(anchor, _) => {
                let mut role = self.child_role();
                if self.is_template(span) {
                    self.template(line)?;
                    role = Role::Template;
                }
                let kind = Kind::Mapping {
                    key: None,
                    fields: Fields::default(),
                    is_empty: true,
                };
                self.open(role, anchor, span, kind)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::StreamStart
            | Event::StreamEnd
            | Event::Nothing => Ok(()),
        }
    }

    /// Returns the role of a node that begins here.
    fn child_role(&self) -> Role {
        let Some(frame) = self.frames.last() else {
            return self.top;
        };
        let key = match (&frame.kind, frame.role) {
            (_, Role::Template) => return Role::Template,
            (Kind::Sequence, Role::Images) => return Role::Item,
            (Kind::Sequence, Role::Merge) => return Role::Merge,
            (Kind::Sequence, _) | (Kind::Mapping { key: None, .. }, _) => return Role::Other,
            (Kind::Mapping { key: Some(key), .. }, _) => &**key,
        };
        match key {
            "<<" => Role::Merge,
            key if LISTS.contains(&key) => Role::Images,
            "tags" if frame.role == Role::Images => Role::Images,
            key if key == "image" || key.ends_with("Image") => Role::Image,
            _ if frame.role == Role::Images => Role::Image,
            _ => Role::Other,
        }
    }

    fn open(&mut self, role: Role, anchor: usize, span: Span, kind: Kind) -> Result<()> {
        let depth = self.frames.len() as u64 + 1;
        within("depth of a list", MAX_DEPTH, depth)?;
        self.frames.push(Frame {
            role,
            anchor,
            start: span.start.index(),
            kind,
        });
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let Some(frame) = self.frames.pop() else {
            return Ok(());
        };
        let anchored = match frame.kind {
            Kind::Sequence => Anchored::Sequence(frame.role),
            Kind::Mapping { fields, .. } => {
                fields.list(frame.role, self.collector)?;
                Anchored::Mapping(frame.role, fields)
            }
        };
        self.keep(frame.anchor, anchored)?;
        self.complete();
        Ok(())
    }

    /// Keeps a node for its aliases; one without an anchor has the number 0.
    fn keep(&mut self, anchor: usize, node: Anchored) -> Result<()> {
        if anchor > 0 {
            self.anchors.insert(anchor, node);
        }
        let number = self.anchors.len() as u64;
        within("anchors of a list", MAX_ANCHORS, number)
    }

    /// Notes that a node is complete that is no scalar: a value, or a key that matters to nobody.
    fn complete(&mut self) {
        if let Some(Frame {
            kind: Kind::Mapping { key, is_empty, .. },
            ..
        }) = self.frames.last_mut()
        {
            *is_empty = false;
            *key = match key.take() {
                Some(_) => None,
                None => Some("".into()),
            };
        }
    }

    fn scalar(&mut self, scalar: &Scalar) -> Result<()> {
        let Some(frame) = self.frames.last_mut() else {
            return match self.top {
                Role::Texts if scalar.is_text() => self.nested(scalar),
                _ => Ok(()),
            };
        };
        let role = frame.role;
        match &mut frame.kind {
            Kind::Sequence if matches!(role, Role::Images | Role::Texts) => {
                match scalar.is_text() {
                    true => {
                        let text = text::renamed(&scalar.text);
                        self.collector.image(text, scalar.line)
                    }
                    false => Ok(()),
                }
            }
            Kind::Sequence => Ok(()),
            Kind::Mapping { key, is_empty, .. } => {
                *is_empty = false;
                match key.take() {
                    Some(key) => self.value(role, &key, scalar),
                    None => {
                        *key = Some(Arc::clone(&scalar.text));
                        Ok(())
                    }
                }
            }
        }
    }

    /// Takes the value of a key of the innermost mapping.
    fn value(&mut self, role: Role, key: &str, scalar: &Scalar) -> Result<()> {
        if role == Role::Template {
            return Ok(());
        }
        if let Some(known) = Fields::key(key) {
            let is_image = matches!(known, "image" | "name" | "repository");
            let is_empty = scalar.is_null() || is_image && !scalar.is_text();
            let field = Field {
                text: match is_empty {
                    true => "".into(),
                    false if scalar.text.len() > KEPT => {
                        scalar.text.chars().take(KEPT).collect::<String>().into()
                    }
                    false => Arc::clone(&scalar.text),
                },
                line: scalar.line,
                inherited: false,
            };
            if let Some(Frame {
                kind: Kind::Mapping { fields, .. },
                ..
            }) = self.frames.last_mut()
                && let Some(before) = fields.insert(known, field)
                && is_image
            {
                let (text, line) = (&before.text, before.line);
                return self.collector.unresolved(text, line, Unresolved::Repeated);
            }
            return Ok(());
        }
        if LISTS.contains(&key) && scalar.is_text() {
            let has_list = scalar.is_block() || key == "artifacthub.io/images";
            return match has_list && self.top == Role::Other {
                true => self.nested(scalar),
                false => Ok(()),
            };
        }
        match role == Role::Images && scalar.is_text() {
            true => self.collector.perhaps(&scalar.text, scalar.line),
            false => Ok(()),
        }
    }

    /// Reads the list in a text: YAML only if the text is no document of another one.
    fn nested(&mut self, scalar: &Scalar) -> Result<()> {
        let before = self.collector.len();
        let offset = scalar.first.saturating_sub(1);
        match self.top == Role::Other && text::is_yaml(&scalar.text) {
            true => self.nested_documents(scalar, offset)?,
            false => text::read(&scalar.text, offset, self.collector)?,
        }
        if !scalar.is_block() {
            // Its line ends are not those of the file.
            self.collector.move_to(scalar.first, before);
        }
        Ok(())
    }

    fn nested_documents(&mut self, scalar: &Scalar, offset: usize) -> Result<()> {
        let mut reader = Reader::new(self.collector, offset, Role::Texts);
        reader.aliases = self.aliases;
        let read = reader.documents(&scalar.text);
        self.aliases = reader.aliases;
        match read {
            Err(error) if matches!(error.fault(), Fault::List { .. }) => {
                let line = scalar.text.lines().next().unwrap_or_default();
                let why = match scalar.text.contains("{{") {
                    true => Unresolved::Template,
                    false => Unresolved::Invalid,
                };
                self.collector.unresolved(line, offset + 1, why)
            }
            other => other,
        }
    }

    fn alias(&mut self, anchor: usize, line: usize) -> Result<()> {
        self.aliases += 1;
        let most = self.collector.reading.limits.aliases;
        within("aliases", most, self.aliases)?;
        let role = self.child_role();
        match self.anchors.get(&anchor).cloned() {
            Some(Anchored::Scalar(scalar)) => {
                return self.scalar(&Scalar { line, ..scalar });
            }
            Some(Anchored::Mapping(_, fields)) if role == Role::Merge => self.merge(&fields),
            Some(Anchored::Mapping(known, fields))
                if known != role && matches!(role, Role::Item | Role::Image) =>
            {
                fields.aliased(line).list(role, self.collector)?;
            }
            Some(Anchored::Mapping(known, _) | Anchored::Sequence(known))
                if known != role && role == Role::Images && known != Role::Texts =>
            {
                self.collector.unresolved("*", line, Unresolved::Alias)?;
            }
            // A node that contains itself.
            None if matches!(role, Role::Images | Role::Item | Role::Image) => {
                self.collector.unresolved("*", line, Unresolved::Alias)?;
            }
            _ => {}
        }
        self.complete();
        Ok(())
    }

    /// Adds values to the mapping that has the key of a merge.
    fn merge(&mut self, other: &Fields) {
        let mut mappings = self.frames.iter_mut().rev();
        let target = mappings.find_map(|frame| match &mut frame.kind {
            Kind::Mapping { fields, .. } => Some(fields),
            Kind::Sequence => None,
        });
        if let Some(fields) = target {
            fields.merge(other);
        }
    }

    /// Tests if a mapping that begins here is the inner one of two braces, which no YAML has in that place: the
    /// outer one would be a mapping with a mapping as its key.
    fn is_template(&self, span: Span) -> bool {
        let Some(frame) = self.frames.last() else {
            return false;
        };
        let is_first = matches!(
            frame.kind,
            Kind::Mapping {
                key: None,
                is_empty: true,
                ..
            }
        );
        is_first && frame.role != Role::Template && frame.start + 1 == span.start.index()
    }

    /// Takes the innermost mapping for a template, which is a value of what is above it.
    fn template(&mut self, line: usize) -> Result<()> {
        if let Some(frame) = self.frames.last_mut() {
            frame.role = Role::Template;
        }
        let Some(at) = self.frames.len().checked_sub(2) else {
            return Ok(());
        };
        let Some(above) = self.frames.get_mut(at) else {
            return Ok(());
        };
        match &mut above.kind {
            Kind::Mapping {
                key: Some(key),
                fields,
                ..
            } => {
                let field = Field {
                    text: TEMPLATE.into(),
                    line,
                    inherited: false,
                };
                match Fields::key(key) {
                    Some(known) => drop(fields.insert(known, field)),
                    None if LISTS.contains(&&**key) || above.role == Role::Images => {
                        self.collector
                            .unresolved(TEMPLATE, line, Unresolved::Template)?;
                    }
                    None => {}
                }
            }
            Kind::Sequence if matches!(above.role, Role::Images | Role::Texts) => {
                self.collector
                    .unresolved(TEMPLATE, line, Unresolved::Template)?;
            }
            _ => {}
        }
        Ok(())
    }
}
