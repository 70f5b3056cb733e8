//! What the tests share: images built in code, and programs run for real.

pub mod build;
pub mod deb;
pub mod pack;
pub mod receipt;
pub mod registry;
pub mod run;

use std::path::PathBuf;

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file or folder that another tool wrote.
pub fn foreign(name: &str) -> PathBuf {
    repository("testdata/foreign").join(name)
}

/// Whether files that show rendered output are to be written instead of compared.
pub fn update() -> bool {
    let asked = std::env::var_os("IMGKIT_UPDATE").is_some_and(|value| value == "1");
    assert!(
        !(asked && std::env::var_os("CI").is_some()),
        "golden files are not rewritten on CI"
    );
    asked
}

/// Compares `found` with a file of the repository, or writes the file with `IMGKIT_UPDATE=1`.
#[track_caller]
pub fn golden(path: &str, found: &str) {
    let file = repository(path);
    if update() {
        let folder = file.parent().expect("a file has a folder");
        std::fs::create_dir_all(folder).expect("a folder for golden files");
        std::fs::write(&file, found).expect("a golden file");
        return;
    }
    let expected = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{path}: {error}; IMGKIT_UPDATE=1 writes it"));
    assert_eq!(expected, found, "{path}: IMGKIT_UPDATE=1 rewrites it");
}

/// Kilobytes in three significant digits, as docker prints sizes.
pub fn kilobytes(bytes: usize) -> String {
    let number = bytes as f64 / 1000.0;
    assert!((1.0..100.0).contains(&number), "{bytes} bytes");
    let digits = if number < 9.995 { 2 } else { 1 };
    let text = format!("{number:.digits$}");
    format!("{}kB", text.trim_end_matches('0').trim_end_matches('.'))
}
