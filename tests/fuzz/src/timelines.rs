//! Names in bodyfiles, and the logs that timelines read.

use imgkit::timeline::{Dialect, Label, installed_by_log, unescaped_name};

use super::Taken;

/// Any names: what is written has no character that ends a field or a line, and gives them back.
pub fn bodyfile(data: &[u8]) {
    for path in [&b"var/log/dpkg.log"[..], b"var/log/apt/history.log"] {
        let found = installed_by_log(path, data);
        assert!(found.len() <= data.len());
    }
    let mut taken = Taken(data);
    let (kind, length) = (taken.byte(), usize::from(taken.byte()));
    let target = taken.bytes(length).to_vec();
    let label = Label {
        prefix: (kind & 1 != 0).then(|| "demo:1".to_owned()),
        path: [b"/", taken.0].concat(),
        ending: match kind & 2 {
            0 => String::new(),
            _ => " (layer 3, removed by 5)".to_owned(),
        },
        target: (kind & 4 != 0).then_some(target),
    };
    for dialect in [Dialect::Mactime, Dialect::Plaso] {
        let name = dialect.name(&label);
        assert!(!name.chars().any(char::is_control), "{name}");
        assert!(dialect == Dialect::Plaso || !name.contains('|'), "{name}");
        let rest = match &label.prefix {
            Some(prefix) => name
                .strip_prefix(&format!("[{prefix}] "))
                .expect("a prefix"),
            None => &name,
        };
        // Neither an ending nor a target can be part of a path.
        let end = [" (layer ", " -> "]
            .iter()
            .filter_map(|mark| rest.find(mark))
            .min();
        let (path, end) = rest.split_at(end.unwrap_or(rest.len()));
        assert_eq!(
            unescaped_name(dialect, path).as_ref(),
            Some(&label.path),
            "{name}"
        );
        let target = end.strip_prefix(&label.ending).expect("an ending");
        let target = target.strip_prefix(" -> ");
        let target = target.map(|target| unescaped_name(dialect, target).expect("a name"));
        assert_eq!(target, label.target, "{name}");
        // Any other text is a name or none.
        let _ = unescaped_name(dialect, &String::from_utf8_lossy(data));
    }
}
