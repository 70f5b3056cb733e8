//! What imgdiff prints: lines to read and to grep, rows for JSON and templates, one page.

mod account;
mod files;

pub use account::{account, config_lines, document_rows, history_lines, summary_row};
pub use files::{change_lines, change_row, details, shown_path};
