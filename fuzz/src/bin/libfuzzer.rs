//! The targets for libFuzzer: `FERROMESH_FUZZ_TARGET` names the one to run.

#![no_main]

use std::sync::OnceLock;

use ferromesh_fuzz::Target;

static CHOSEN: OnceLock<&'static Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let target = CHOSEN.get_or_init(|| {
        let name = std::env::var("FERROMESH_FUZZ_TARGET").unwrap_or_default();
        ferromesh_fuzz::find(&name).unwrap_or_else(|| {
            panic!("FERROMESH_FUZZ_TARGET={name:?}: see `cargo xtask fuzz --list`")
        })
    });
    (target.run)(bytes);
});
