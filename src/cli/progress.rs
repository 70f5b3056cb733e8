//! Progress on standard error, for operations that take longer than half a second; removed at their end.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::ProgressWhen;
use super::interrupt;
use crate::blob::{Meter, Part};
use crate::escape;
use crate::render::human;

/// Time before progress is shown.
const SILENCE: Duration = Duration::from_millis(500);
/// Interval at which bars are drawn.
const REDRAW: Duration = Duration::from_millis(100);
/// Size in bytes of the smallest blob with a bar of its own.
const SHOWN_FROM: u64 = 4 << 20;
/// Interval at which lines are written.
const LINE: Duration = Duration::from_secs(5);

/// Shows the progress of an operation until it is dropped.
pub struct Progress {
    thread: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    pub(super) fn start(
        label: &str,
        total: Option<u64>,
        meter: &Meter,
        when: ProgressWhen,
    ) -> Self {
        let bar = match when {
            ProgressWhen::None => return Progress { thread: None },
            ProgressWhen::Plain => false,
            ProgressWhen::Auto if std::io::stderr().is_terminal() => true,
            ProgressWhen::Auto => return Progress { thread: None },
        };
        let (label, meter) = (label.to_owned(), meter.clone());
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::spawn(move || {
            let wait = |time| stopped.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
            if !wait(SILENCE) {
                return;
            }
            if bar {
                draw(&label, total, &meter, wait)
            } else {
                write_lines(&label, total, &meter, wait)
            }
        });
        Progress {
            thread: Some((stop, thread)),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.thread.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

/// Draws a bar for the operation, and one for each large blob in progress, as docker load does.
fn draw(label: &str, total: Option<u64>, meter: &Meter, wait: impl Fn(Duration) -> bool) {
    let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
    let style = |template| {
        ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ")
    };
    let width = terminal_size::terminal_size_of(std::io::stderr())
        .map_or(80, |(width, _)| usize::from(width.0));
    let start = Instant::now();
    let whole = bars.add(ProgressBar::new(total.unwrap_or_default()));
    whole.set_style(style(match total {
        Some(_) => "{prefix} [{wide_bar}] {msg}",
        None => "{prefix} {spinner} {msg}",
    }));
    whole.set_prefix(fitted(label, width));
    let mut parts: Vec<(Arc<Part>, ProgressBar)> = Vec::new();
    interrupt::drawn(true);
    loop {
        let now = meter.parts();
        parts.retain(|(part, bar)| {
            let here = now.iter().any(|other| Arc::ptr_eq(part, other));
            if !here {
                bar.finish_and_clear();
                bars.remove(bar);
            }
            here
        });
        for part in now {
            let known = parts.iter().any(|(other, _)| Arc::ptr_eq(&part, other));
            if !known && part.total >= SHOWN_FROM {
                let bar = bars.add(ProgressBar::new(part.total));
                bar.set_style(style("  {prefix} [{wide_bar}] {msg}"));
                bar.set_prefix(fitted(&part.label, width));
                parts.push((part, bar));
            }
        }
        for (part, bar) in &parts {
            bar.set_position(part.done());
            bar.set_message(of(part.done(), Some(part.total)));
        }
        whole.set_position(meter.done());
        whole.set_message(state(total, meter, start.elapsed() + SILENCE));
        if !wait(REDRAW) || interrupt::is_ending() {
            break;
        }
    }
    for (_, bar) in &parts {
        bar.finish_and_clear();
    }
    whole.finish_and_clear();
    interrupt::drawn(false);
}

/// Columns reserved for a bar and the numbers after it.
const REST: usize = 50;

/// Cuts a label to leave columns for a bar and its numbers.
fn fitted(label: &str, width: usize) -> String {
    escape::brief_to(label, width.saturating_sub(REST).max(8)).into_owned()
}

/// Bytes done, and the total if known.
fn of(done: u64, total: Option<u64>) -> String {
    match total {
        Some(total) => format!("{}/{}", human::size(done), human::size(total)),
        None => human::size(done),
    }
}

/// Bytes done, bytes read in a second, and the remaining time.
fn state(total: Option<u64>, meter: &Meter, elapsed: Duration) -> String {
    let (done, read) = (meter.done(), meter.read());
    let rate = read as f64 / elapsed.as_secs_f64();
    let mut text = format!("{} {}/s", of(done, total), human::size(rate as u64));
    let left = total.map(|total| total.saturating_sub(done));
    if let Some(left) = left.filter(|_| rate >= 1.0) {
        let seconds = (left as f64 / rate).ceil() as u64;
        let left = match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
            (0, 0, seconds) => format!("{seconds}s"),
            (0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
            (hours, minutes, _) => format!("{hours}h{minutes:02}m"),
        };
        text.push_str(&format!(" {left} left"));
    }
    text
}

fn write_lines(label: &str, total: Option<u64>, meter: &Meter, wait: impl Fn(Duration) -> bool) {
    let start = Instant::now();
    let mut last = 0;
    loop {
        let done = meter.done();
        if done != last {
            let state = state(total, meter, start.elapsed() + SILENCE);
            let _ = writeln!(std::io::stderr(), "{label}: {state}");
            last = done;
        }
        if !wait(LINE) || interrupt::is_ending() {
            return;
        }
    }
}
