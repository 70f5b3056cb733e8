#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| imgkit_fuzz::run("nested", data));
