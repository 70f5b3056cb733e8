//! What fuzzing found, run through the functions that the fuzz targets run.

use std::collections::BTreeSet;
use std::fs;

use crate::common::{foreign, repository};
use crate::fuzz::{TARGETS, run};

fn names(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(repository(folder)).into_iter().flatten();
    let names = entries.flatten().map(|entry| entry.file_name());
    names
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

#[test]
fn what_fuzzing_found_stays_away() {
    for target in names("tests/fuzz/regressions") {
        for case in names(&format!("tests/fuzz/regressions/{target}")) {
            let path = repository(&format!("tests/fuzz/regressions/{target}/{case}"));
            let data = fs::read(&path).expect("a case");
            let done = std::panic::catch_unwind(|| run(&target, &data));
            assert!(done.is_ok(), "{}", path.display());
        }
    }
}

#[test]
fn each_target_has_a_program_and_takes_anything() {
    let programs = names("tests/fuzz/fuzz_targets");
    let expected = TARGETS.iter().map(|(name, _)| format!("{name}.rs"));
    assert_eq!(programs, expected.collect());
    let archive = fs::read(foreign("skopeo-oci.tar")).expect("a fixture");
    for (name, target) in TARGETS {
        let cases: [&[u8]; 7] = [
            b"",
            &archive[..1],
            &archive[..700],
            &archive,
            &[0; 2000],
            &[0xff; 700],
            br#"{"schemaVersion":2,"config":{},"layers":[]}"#,
        ];
        for (i, case) in cases.iter().enumerate() {
            let done = std::panic::catch_unwind(|| target(case));
            assert!(done.is_ok(), "{name}: case {i}");
        }
    }
}
