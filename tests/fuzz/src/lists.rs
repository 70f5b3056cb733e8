//! Lists of images.

use imgkit::limits::Limits;
use imgkit::lists::{Listed, Reading, parse};
use imgkit::spec::Reference;

fn read(data: &[u8], any_string: Option<&dyn Fn(&Reference) -> bool>) -> Option<Vec<Listed>> {
    let limits = Limits::default();
    let reading = Reading {
        limits: &limits,
        any_string,
    };
    parse("list", data, reading).ok()
}

/// Text, YAML and JSON.
pub fn list(data: &[u8]) {
    let Some(listed) = read(data, None) else {
        return;
    };
    // A lone carriage return ends a line of YAML, too.
    let ends = data.iter().filter(|byte| b"\n\r".contains(byte)).count();
    assert!(listed.is_sorted_by_key(|listed| listed.line));
    for one in &listed {
        assert!((1..=ends + 1).contains(&one.line), "{one:?}");
        assert!(!one.is_string);
        if let Ok(reference) = &one.meaning {
            let again = Reference::parse(&reference.to_string()).expect("a reference");
            assert!(again.same_as(reference), "{one:?}");
            assert!(reference.tag_or_latest().is_some() || reference.digest().is_some());
        }
    }
    let wanted = |reference: &Reference| reference.path().len().is_multiple_of(2);
    if let Some(more) = read(data, Some(&wanted)) {
        let (strings, images): (Vec<Listed>, _) = more.into_iter().partition(|one| one.is_string);
        assert_eq!(images, listed);
        for one in strings {
            assert!(one.meaning.as_ref().is_ok_and(wanted), "{one:?}");
        }
    }
    // Whatever is before it, a document at the end is read.
    let more = [data, b"\n---\nimage: the/last:1\n"].concat();
    if let Some(more) = read(&more, None) {
        assert!(more.iter().any(|one| one.text.contains("the/last:1")));
    }
}
