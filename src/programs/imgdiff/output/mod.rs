//! Output of imgdiff: lines to read and to grep, rows for JSON and templates, tables, HTML pages.

mod account;
mod files;
mod page;
mod tables;
mod text;
mod views;

pub use account::{
    account, config_lines, document_rows, history_lines, packing_lines, summary_row,
};
pub use files::{change_lines, change_row, details, shown_path};
pub use page::{PageOptions, end_page, write_page, write_page_text, write_waste_page};
pub use tables::{TOP, many_rows, many_tables, waste_lines, waste_rows, waste_tables};
pub use text::{text_row, write_text};
pub use views::{
    layer_rows, life_lines, life_rows, package_lines, package_rows, painted, stat_lines, stat_rows,
    write_layers,
};
