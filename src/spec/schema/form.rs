//! String formats that the published schemas require.

use base64::Engine;

/// String format: description, and check.
pub(super) struct Form {
    pub expected: &'static str,
    pub fit: fn(&str) -> Fit,
}

/// Result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// Valid.
    Good,
    /// Invalid by the schema, but engines read it.
    Odd,
    /// Engines cannot read it.
    Unreadable,
}

fn odd_unless(good: bool) -> Fit {
    if good { Fit::Good } else { Fit::Odd }
}

/// `type/subtype`, each of letters, digits and some signs, not beginning with a sign, at most 127 characters (RFC 6838,
/// section 4.2).
pub(super) const MEDIA_TYPE: Form = Form {
    expected: "a media type",
    fit: |text| {
        let name = |name: &str| {
            let sign = |b: u8| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b);
            name.len() <= 127
                && name.bytes().all(sign)
                && name
                    .bytes()
                    .next()
                    .is_some_and(|b| b.is_ascii_alphanumeric())
        };
        odd_unless(
            text.split_once('/')
                .is_some_and(|(kind, subtype)| name(kind) && name(subtype)),
        )
    },
};

/// Absolute URI (RFC 3986): a scheme, and only valid characters.
pub(super) const URI: Form = Form {
    expected: "a URI",
    fit: |text| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&b);
        let scheme = |scheme: &str| {
            let rest = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
            scheme.bytes().all(rest)
                && scheme
                    .bytes()
                    .next()
                    .is_some_and(|b| b.is_ascii_alphabetic())
        };
        let escapes = text.split('%').skip(1).all(|rest| {
            let digits = rest.as_bytes().get(..2);
            digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        });
        let is_uri = text.split_once(':').is_some_and(|(name, _)| scheme(name));
        odd_unless(is_uri && escapes && text.bytes().all(allowed))
    },
};

/// Base 64 with padding, which Go decodes into bytes; it ignores line ends.
pub(super) const BASE64: Form = Form {
    expected: "base64 text",
    fit: |text| {
        let is_base64 = |text: &str| {
            base64::engine::general_purpose::STANDARD
                .decode(text)
                .is_ok()
        };
        match is_base64(text) {
            true => Fit::Good,
            false if is_base64(&text.replace(['\r', '\n'], "")) => Fit::Odd,
            false => Fit::Unreadable,
        }
    },
};

/// Variable: a name, `=`, a value.
pub(super) const VARIABLE: Form = Form {
    expected: "NAME=VALUE",
    fit: |text| odd_unless(text.find('=').is_some_and(|at| at > 0)),
};

/// Type of the root filesystem.
pub(super) const LAYERS: Form = Form {
    expected: "'layers'",
    fit: |text| odd_unless(text == "layers"),
};

/// Time (RFC 3339). Other times that Go's decoder accepts are only invalid by the schema.
pub(super) const TIME: Form = Form {
    expected: "a date and time as in RFC 3339",
    fit: time,
};

fn time(text: &str) -> Fit {
    let Some(read) = go_time(text) else {
        return Fit::Unreadable;
    };
    odd_unless(read)
}

/// Parses times as Go's `time.RFC3339`; `Some(true)` if valid by RFC 3339 as well.
fn go_time(text: &str) -> Option<bool> {
    let mut rest = text;
    // Any number of digits; returns their value and number.
    let digits = |rest: &mut &str, least: usize, most: usize| -> Option<(u32, usize)> {
        let count = rest
            .bytes()
            .take(most)
            .take_while(u8::is_ascii_digit)
            .count();
        let number = rest.get(..count).filter(|_| count >= least)?.parse().ok()?;
        *rest = &rest[count..];
        Some((number, count))
    };
    let sign = |rest: &mut &str, sign: char| -> Option<()> {
        *rest = rest.strip_prefix(sign)?;
        Some(())
    };
    let (year, _) = digits(&mut rest, 4, 4)?;
    sign(&mut rest, '-')?;
    let (month, _) = digits(&mut rest, 2, 2)?;
    sign(&mut rest, '-')?;
    let (day, _) = digits(&mut rest, 2, 2)?;
    sign(&mut rest, 'T')?;
    let (hour, width) = digits(&mut rest, 1, 2)?;
    sign(&mut rest, ':')?;
    let (minute, _) = digits(&mut rest, 2, 2)?;
    sign(&mut rest, ':')?;
    let (second, _) = digits(&mut rest, 2, 2)?;
    if !(1..=12).contains(&month) || !(1..=days(year, month)).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut strict = width == 2;
    if let Some(fraction) = rest.strip_prefix(['.', ',']) {
        strict &= rest.starts_with('.');
        let count = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if count == 0 {
            return None;
        }
        rest = &fraction[count..];
    }
    if rest == "Z" {
        return Some(strict);
    }
    rest = rest.strip_prefix(['+', '-'])?;
    let (hours, _) = digits(&mut rest, 2, 2)?;
    sign(&mut rest, ':')?;
    let (minutes, _) = digits(&mut rest, 2, 2)?;
    rest.is_empty()
        .then_some(strict && hours < 24 && minutes < 60)
}

fn days(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Results of docker load.
    #[test]
    fn times_are_parsed_as_in_go() {
        for (text, fit) in [
            ("2020-01-01T00:00:00Z", Fit::Good),
            ("2020-02-29T23:59:59.123456789+01:00", Fit::Good),
            ("0001-01-01T00:00:00Z", Fit::Good),
            ("2020-01-01T00:00:00,5Z", Fit::Odd),
            ("2020-01-01T1:00:00Z", Fit::Odd),
            ("2020-01-01T00:00:00+99:00", Fit::Odd),
            ("", Fit::Unreadable),
            ("yesterday", Fit::Unreadable),
            ("2020-01-01", Fit::Unreadable),
            ("2020-01-01T00:00:00", Fit::Unreadable),
            ("2020-01-01t00:00:00z", Fit::Unreadable),
            ("2020-01-01 00:00:00Z", Fit::Unreadable),
            ("2020-02-30T00:00:00Z", Fit::Unreadable),
            ("2020-01-01T00:00:60Z", Fit::Unreadable),
        ] {
            assert_eq!((TIME.fit)(text), fit, "{text}");
        }
    }

    #[test]
    fn media_types_and_uris_have_a_format() {
        let fits = |form: Form, text: &str| (form.fit)(text) == Fit::Good;
        assert!(fits(
            MEDIA_TYPE,
            "application/vnd.oci.image.layer.v1.tar+gzip"
        ));
        for text in [
            "",
            "x",
            "a/",
            "/b",
            "a/b/c",
            "a/b c",
            "a/b; charset=utf-8",
            "+a/b",
        ] {
            assert!(!fits(MEDIA_TYPE, text), "{text}");
        }
        assert!(fits(URI, "https://example.com/a%20b?c#d"));
        for text in ["", "not a uri", "/a", "a b:c", "1a:b", "a:%2", "a:<b>"] {
            assert!(!fits(URI, text), "{text}");
        }
    }
}
