//! Signals: an interrupted program removes its temporary files, reports the signal, and is killed by it.
//!
//! Handlers are installed with the first temporary file or the first progress bar; most runs have neither. A second
//! signal kills the program at once; the next run removes its temporary files.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once, OnceLock};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::{flag, low_level};

use crate::blob;

/// Name of the program, for messages.
static PROGRAM: OnceLock<&'static str> = OnceLock::new();
/// True after a signal.
static ENDING: AtomicBool = AtomicBool::new(false);
/// True while a progress bar is on the terminal.
static DRAWN: AtomicBool = AtomicBool::new(false);

/// Installs the handlers as soon as there is a temporary file.
pub(super) fn prepare(program: &'static str) {
    let _ = PROGRAM.set(program);
    blob::before_unfinished(heed);
}

/// Tests if the program received a signal.
pub(super) fn is_ending() -> bool {
    ENDING.load(Ordering::Acquire)
}

/// Records that a progress bar is on the terminal, or was removed.
pub(super) fn drawn(drawn: bool) {
    if drawn {
        heed();
    }
    DRAWN.store(drawn, Ordering::Release);
}

/// Returns at once, or never after a signal: errors after a signal are consequences of it.
pub(super) fn hold() {
    while is_ending() {
        std::thread::park();
    }
}

/// Installs the handlers once.
fn heed() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let wanted = heeded();
        let second = Arc::new(AtomicBool::new(false));
        for signal in &wanted {
            // An error only delays the effect of the second signal.
            let _ = flag::register_conditional_default(*signal, Arc::clone(&second));
        }
        let Ok(mut signals) = Signals::new(&wanted) else {
            return;
        };
        std::thread::spawn(move || {
            let Some(signal) = signals.forever().next() else {
                return;
            };
            second.store(true, Ordering::Release);
            end(signal);
        });
    });
}

/// Returns the signals to handle, without those that were ignored at the start, as by `nohup`.
fn heeded() -> Vec<i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let is_heeded = |signal: &i32| match ignored {
        Some(mask) => mask & (1 << (signal - 1)) == 0,
        // Unknown without /proc: only SIGHUP is ignored in practice.
        None => *signal != SIGHUP,
    };
    [SIGINT, SIGTERM, SIGHUP]
        .into_iter()
        .filter(is_heeded)
        .collect()
}

fn end(signal: i32) {
    const WAIT: Duration = Duration::from_millis(5);
    ENDING.store(true, Ordering::Release);
    // The progress bar is removed within one redraw.
    for _ in 0..100 {
        if !DRAWN.load(Ordering::Acquire) {
            break;
        }
        std::thread::sleep(WAIT);
    }
    let left = blob::discard_unfinished();
    let say = |text: String| {
        let program = PROGRAM.get().copied().unwrap_or("imgkit");
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            format!("{program}: {text}\n").as_bytes(),
        );
    };
    for path in left {
        let path = path.to_string_lossy().into_owned();
        say(format!("{}: cannot remove", crate::escape::brief(&path)));
    }
    match signal {
        SIGINT => say("interrupted".into()),
        SIGTERM => say("terminated".into()),
        // No terminal is left.
        _ => {}
    }
    let _ = low_level::emulate_default_handler(signal);
}
