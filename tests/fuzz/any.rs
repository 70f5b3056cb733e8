//! The target that IMGKIT_FUZZ_TARGET names.
#![no_main]

use std::sync::LazyLock;

static TARGET: LazyLock<String> =
    LazyLock::new(|| std::env::var("IMGKIT_FUZZ_TARGET").expect("the name of a target"));

libfuzzer_sys::fuzz_target!(|data: &[u8]| imgkit_fuzz::run(&TARGET, data));
