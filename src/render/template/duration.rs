//! Durations as Go prints them.

/// Go's text of a duration in nanoseconds: `30s`, `1m30s`, `1h0m0s`, `1.5ms`, `0s`.
pub(super) fn text(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let all = nanoseconds.unsigned_abs();
    let (unit, name) = match all {
        0 => return "0s".into(),
        1..1_000 => (1, "ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    let (whole, part) = (all / unit, all % unit);
    let mut fraction = String::new();
    if part > 0 {
        let digits = unit.ilog10() as usize;
        fraction = format!(".{part:0digits$}");
        fraction.truncate(fraction.trim_end_matches('0').len());
    }
    match (name, whole / 3600, whole / 60 % 60, whole % 60) {
        ("s", 0, 0, seconds) => format!("{sign}{seconds}{fraction}s"),
        ("s", 0, minutes, seconds) => format!("{sign}{minutes}m{seconds}{fraction}s"),
        ("s", hours, minutes, seconds) => {
            format!("{sign}{hours}h{minutes}m{seconds}{fraction}s")
        }
        _ => format!("{sign}{whole}{fraction}{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn durations_read_as_in_go() {
        // The right side is of Go's own tests of Duration.String.
        for (nanoseconds, expected) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (3_300_000_000, "3.3s"),
            (4 * 60_000_000_000 + 5_000_000_000, "4m5s"),
            (4 * 60_000_000_000 + 5_001_000_000, "4m5.001s"),
            (
                5 * 3_600_000_000_000 + 6 * 60_000_000_000 + 7_001_000_000,
                "5h6m7.001s",
            ),
            (8 * 60_000_000_000 + 1, "8m0.000000001s"),
            (3_600_000_000_000, "1h0m0s"),
            (i64::MAX, "2562047h47m16.854775807s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
            (-1, "-1ns"),
        ] {
            assert_eq!(text(nanoseconds), expected);
        }
    }
}
