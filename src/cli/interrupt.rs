//! Interrupts: a program that is told to end removes what it was making, says so, and dies of the signal.
//!
//! Most programs never need this, so nothing is set up before the first temporary name is taken or the first bar drawn.
//! A second signal ends the program at once; what it leaves is removed by the next run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once, OnceLock};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::{flag, low_level};

use crate::blob;

/// The program's name, for the message.
static PROGRAM: OnceLock<&'static str> = OnceLock::new();
/// Whether the program is about to end by a signal.
static ENDING: AtomicBool = AtomicBool::new(false);
/// Whether a bar is on the terminal.
static DRAWN: AtomicBool = AtomicBool::new(false);

/// Has interrupts heeded as soon as there is something to clean up.
pub(super) fn prepare(program: &'static str) {
    let _ = PROGRAM.set(program);
    blob::before_unfinished(heed);
}

/// Whether the program is about to end by a signal.
pub(super) fn is_ending() -> bool {
    ENDING.load(Ordering::Acquire)
}

/// Notes that a bar is on the terminal, or is not any more.
pub(super) fn drawn(drawn: bool) {
    if drawn {
        heed();
    }
    DRAWN.store(drawn, Ordering::Release);
}

/// Returns at once, or never if the program is about to end by a signal: what fails now fails for that reason.
pub(super) fn hold() {
    while is_ending() {
        std::thread::park();
    }
}

/// Starts to heed signals.
fn heed() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let wanted = heeded();
        let second = Arc::new(AtomicBool::new(false));
        for signal in &wanted {
            // Without this the second signal is heeded as late as the first; nothing is lost.
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

/// The signals that end a program, without those that it was started to ignore, as `nohup` does.
fn heeded() -> Vec<i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let is_heeded = |signal: &i32| match ignored {
        Some(mask) => mask & (1 << (signal - 1)) == 0,
        // Unknown without /proc: the one that is ignored in practice is left alone.
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
    // Whoever draws takes the bar away within a redraw.
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
        // Nobody is there to read it.
        _ => {}
    }
    let _ = low_level::emulate_default_handler(signal);
}
