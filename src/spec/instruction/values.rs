//! Ports, durations, signals and numbers as docker reads them.

use super::model::rejected;
use crate::error::Result;

/// Shortest duration of a health check that docker accepts: a millisecond.
const SHORTEST: i64 = 1_000_000;

/// Parses the duration of a flag in nanoseconds; 0 if empty.
pub(super) fn interval(flag: &str, text: &str) -> Result<i64> {
    if text.is_empty() {
        return Ok(0);
    }
    match duration(text)? {
        0 => Ok(0),
        nanos if nanos < SHORTEST => Err(rejected(format!(
            "Interval {flag:?} cannot be less than 1ms"
        ))),
        nanos => Ok(nanos),
    }
}

/// Parses a duration as Go writes it: `1h2m3.5s`.
fn duration(text: &str) -> Result<i64> {
    let invalid = || rejected(format!("time: invalid duration {text:?}"));
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0i128;
    while !rest.is_empty() {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let whole = digits(rest);
        let mut end = whole;
        let mut fraction = "";
        if rest[whole..].starts_with('.') {
            let length = digits(&rest[whole + 1..]);
            fraction = &rest[whole + 1..whole + 1 + length];
            end += 1 + length;
        }
        if whole == 0 && fraction.is_empty() {
            return Err(invalid());
        }
        let number = match &rest[..whole] {
            "" => 0,
            digits => digits.parse::<i64>().map_err(|_| invalid())?,
        };
        rest = &rest[end..];
        let unit = rest
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (unit, after) = rest.split_at(unit);
        let nanos: i128 = match unit {
            "" => return Err(rejected(format!("time: missing unit in duration {text:?}"))),
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => {
                let why = format!("time: unknown unit {unit:?} in duration {text:?}");
                return Err(rejected(why));
            }
        };
        total += i128::from(number) * nanos;
        let mut scale = nanos;
        for digit in fraction.bytes() {
            scale /= 10;
            total += i128::from(digit - b'0') * scale;
        }
        // Checked at each step, so that no number of parts can overflow the sum.
        i64::try_from(total).map_err(|_| invalid())?;
        rest = after;
    }
    let total = i64::try_from(total).map_err(|_| invalid())?;
    Ok(if negative { -total } else { total })
}

/// Parses `--retries`; 0 if empty.
pub(super) fn retries(text: &str) -> Result<i64> {
    if text.is_empty() {
        return Ok(0);
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        let why = format!("strconv.ParseInt: parsing {text:?}: invalid syntax");
        return Err(rejected(why));
    }
    match text.parse::<i32>() {
        Ok(number) if number < 0 => {
            Err(rejected(format!("--retries cannot be negative ({number})")))
        }
        Ok(number) => Ok(number.into()),
        Err(_) => Err(rejected(format!(
            "strconv.ParseInt: parsing {text:?}: value out of range"
        ))),
    }
}

/// Returns the ports of an argument of `EXPOSE`, as `PORT/PROTOCOL`. A host port as in `docker run -p` is accepted and
/// ignored.
pub(super) fn ports(text: &str) -> Result<Vec<String>> {
    let parts: Vec<&str> = text.split(':').collect();
    let (address, host, port) = match parts[..] {
        [port] => (String::new(), "", port),
        [host, port] => (String::new(), host, port),
        [.., host, port] => (parts[..parts.len() - 2].join(":"), host, port),
        [] => return Ok(Vec::new()),
    };
    check_address(&address)?;
    let (port, protocol) = match port.split_once('/') {
        None => (port, "tcp"),
        Some((port, rest)) => match rest.split('/').next().unwrap_or_default() {
            "" => (port, "tcp"),
            protocol => (port, protocol),
        },
    };
    if port.is_empty() {
        return Err(rejected(format!("No port specified: {text}<empty>")));
    }
    let invalid = |what: &str, text: &str| rejected(format!("Invalid {what}: {text}"));
    let (first, last) = range(port).ok_or_else(|| invalid("containerPort", port))?;
    if !host.is_empty() {
        let (low, high) = range(host).ok_or_else(|| invalid("hostPort", host))?;
        if last - first != high - low && first != last {
            return Err(rejected(format!(
                "Invalid ranges specified for container and host Ports: {port} and {host}"
            )));
        }
    }
    let protocol = protocol.to_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(invalid("proto", &protocol));
    }
    Ok((first..=last)
        .map(|port| format!("{port}/{protocol}"))
        .collect())
}

fn check_address(text: &str) -> Result<()> {
    let bare = match text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
    {
        Some(inner) => inner,
        None if text.contains(':') => {
            let why =
                format!("Invalid ip address {text}: address {text}:: too many colons in address");
            return Err(rejected(why));
        }
        None => text,
    };
    match bare.is_empty() || bare.parse::<std::net::IpAddr>().is_ok() {
        true => Ok(()),
        false => Err(rejected(format!("Invalid ip address: {bare}"))),
    }
}

fn range(text: &str) -> Option<(u16, u16)> {
    let number = |text: &str| {
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| text.parse().ok()).flatten()
    };
    let mut parts = text.split('-');
    let first = number(parts.next()?)?;
    match parts.next() {
        None => Some((first, first)),
        Some(last) => number(last)
            .filter(|last| *last >= first)
            .map(|last| (first, last)),
    }
}

/// Names of signals on Linux, without `SIG`.
const SIGNALS: [&str; 34] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL",
    "PIPE", "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP",
    "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
];

/// Checks the name or number of a signal.
pub(super) fn signal(text: &str) -> Result<()> {
    let name = text.to_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let real_time = || {
        let within = |rest: &str, sign: char, most: u32| match rest.strip_prefix(sign) {
            None => rest.is_empty(),
            Some(n) => !n.starts_with('0') && n.parse().is_ok_and(|n: u32| n <= most),
        };
        name.strip_prefix("RTMIN")
            .is_some_and(|rest| within(rest, '+', 15))
            || name
                .strip_prefix("RTMAX")
                .is_some_and(|rest| within(rest, '-', 14))
    };
    let known = match text.parse::<i64>() {
        Ok(number) => number != 0,
        Err(_) => SIGNALS.contains(&name) || real_time(),
    };
    match known {
        true => Ok(()),
        false => Err(rejected(format!("Invalid signal: {text}"))),
    }
}
