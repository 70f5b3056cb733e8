//! Progress on standard error: late enough that quick runs stay silent, gone when the work is done.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::ProgressWhen;
use crate::blob::{Meter, Part};
use crate::show::human;

/// How long a job may take before anything is shown.
const SILENCE: Duration = Duration::from_millis(500);
/// How often a bar is drawn.
const REDRAW: Duration = Duration::from_millis(100);
/// Blobs of fewer bytes are done before their bar could be read.
const SHOWN_FROM: u64 = 4 << 20;
/// How often a plain line is written.
const LINE: Duration = Duration::from_secs(5);

/// Shows how far a job is until it is dropped.
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
                tell(&label, total, &meter, wait)
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

/// A bar for the whole, and one for each blob in work, as docker load shows them.
fn draw(label: &str, total: Option<u64>, meter: &Meter, wait: impl Fn(Duration) -> bool) {
    let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
    let style = |template| {
        ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ")
    };
    let whole = bars.add(ProgressBar::new(total.unwrap_or_default()));
    whole.set_style(style(match total {
        Some(_) => {
            "{msg} [{bar:30}] {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}"
        }
        None => "{msg} {spinner} {decimal_bytes} {decimal_bytes_per_sec}",
    }));
    whole.set_message(label.to_owned());
    let mut parts: Vec<(Arc<Part>, ProgressBar)> = Vec::new();
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
                bar.set_style(style(
                    "  {msg} [{bar:30}] {decimal_bytes}/{decimal_total_bytes}",
                ));
                bar.set_message(part.label.clone());
                parts.push((part, bar));
            }
        }
        for (part, bar) in &parts {
            bar.set_position(part.done());
        }
        whole.set_position(meter.done());
        if !wait(REDRAW) {
            break;
        }
    }
    for (_, bar) in &parts {
        bar.finish_and_clear();
    }
    whole.finish_and_clear();
}

fn tell(label: &str, total: Option<u64>, meter: &Meter, wait: impl Fn(Duration) -> bool) {
    let start = Instant::now();
    let mut last = 0;
    loop {
        let done = meter.done();
        if done != last {
            let seconds = (start.elapsed() + SILENCE).as_secs_f64();
            let rate = human::size((done as f64 / seconds) as u64);
            let of = total
                .map(|total| format!(" of {}", human::size(total)))
                .unwrap_or_default();
            let _ = writeln!(
                std::io::stderr(),
                "{label}: {}{of}, {rate}/s",
                human::size(done)
            );
            last = done;
        }
        if !wait(LINE) {
            return;
        }
    }
}
