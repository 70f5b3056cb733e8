//! Ports, intervals, signals and numbers as docker reads them.

use super::duration::parse_duration;
use super::invalid::invalid;
use crate::error::Result;

/// Nanoseconds of the shortest interval that docker accepts in a health check.
const SHORTEST: u64 = 1_000_000;

/// Returns a flag's duration in nanoseconds; 0 for an empty text.
pub(super) fn interval(flag: &str, text: &str) -> Result<u64> {
    if text.is_empty() {
        return Ok(0);
    }
    match u64::try_from(parse_duration(text)?) {
        Ok(0) => Ok(0),
        Ok(nanos) if nanos >= SHORTEST => Ok(nanos),
        _ => Err(invalid(format!(
            "Interval {flag:?} cannot be less than 1ms"
        ))),
    }
}

/// Returns the number of `--retries`; 0 for an empty text.
pub(super) fn retries(text: &str) -> Result<u64> {
    if text.is_empty() {
        return Ok(0);
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        let why = format!("strconv.ParseInt: parsing {text:?}: invalid syntax");
        return Err(invalid(why));
    }
    match text.parse::<i32>() {
        Ok(number) => u64::try_from(number)
            .map_err(|_| invalid(format!("--retries cannot be negative ({number})"))),
        Err(_) => Err(invalid(format!(
            "strconv.ParseInt: parsing {text:?}: value out of range"
        ))),
    }
}

/// Returns the ports of an argument of `EXPOSE` as `PORT/PROTOCOL`. As for `docker run -p`, a host port may precede; it
/// has no effect.
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
        return Err(invalid(format!("No port specified: {text}<empty>")));
    }
    let malformed = |part: &str, text: &str| invalid(format!("Invalid {part}: {text}"));
    let (first, last) = range(port).ok_or_else(|| malformed("containerPort", port))?;
    if !host.is_empty() {
        let (low, high) = range(host).ok_or_else(|| malformed("hostPort", host))?;
        if last - first != high - low && first != last {
            return Err(invalid(format!(
                "Invalid ranges specified for container and host Ports: {port} and {host}"
            )));
        }
    }
    let protocol = protocol.to_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(malformed("proto", &protocol));
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
            return Err(invalid(why));
        }
        None => text,
    };
    match bare.is_empty() || bare.parse::<std::net::IpAddr>().is_ok() {
        true => Ok(()),
        false => Err(invalid(format!("Invalid ip address: {bare}"))),
    }
}

fn range(text: &str) -> Option<(u16, u16)> {
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| text.parse().ok()).flatten()
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

/// Checks a signal's name or number.
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
        false => Err(invalid(format!("Invalid signal: {text}"))),
    }
}
