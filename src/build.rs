//! How the programs are linked.

fn main() {
    println!("cargo:rerun-if-changed=src/build.rs");
    let of_target = |name: &str| std::env::var(name).unwrap_or_default();
    let is_gnu =
        of_target("CARGO_CFG_TARGET_OS") == "linux" && of_target("CARGO_CFG_TARGET_ENV") == "gnu";
    if is_gnu {
        // gcc's runtime library from its archive: to find and load the shared one takes each program a sixth of a
        // millisecond, which is a tenth of the time in which most start and end.
        let archive = "-Wl,--push-state,--whole-archive,-lgcc_eh,--pop-state";
        println!("cargo:rustc-link-arg-bins={archive}");
    }
}
