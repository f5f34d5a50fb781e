//! Refreshing the expected outputs of the translation; look at the difference before committing.

use crate::shell;

pub fn run() -> anyhow::Result<()> {
    let mut cargo = shell::cargo();
    cargo.args([
        "test",
        "--quiet",
        "--package",
        "ferromesh-translate",
        "golden",
    ]);
    shell::run(cargo.env("FERROMESH_GOLDEN", "update"))?;
    shell::run(
        std::process::Command::new("git")
            .current_dir(shell::root())
            .args([
                "--no-pager",
                "diff",
                "--stat",
                "crates/translate/tests/golden",
            ]),
    )
}
