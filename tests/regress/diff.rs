//! Differences, thresholds and options that had no effect.
