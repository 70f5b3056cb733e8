//! Signals, leftovers, hints and completions.
