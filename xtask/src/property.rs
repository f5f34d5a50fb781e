//! Random configs through the whole way: validation, translation, our proxy, a stock Envoy.
//!
//! The check itself is `fuzz-property` in the `fuzz` workspace; this builds and starts it.

use anyhow::bail;

use crate::{fuzz, setup, shell};

/// Settings of `cargo xtask property`.
#[derive(clap::Args)]
#[command(after_help = "\
Each config is a few random objects over a fixed mesh and follows from its number. What validation
accepts is translated for two sidecars and a gateway; our proxy compiles what it would get, and
`envoy --mode validate` looks at what a stock Envoy would get. A refusal or a panic is a failure;
--show prints the config of that number as YAML.")]
pub struct Settings {
    /// How many configs.
    #[arg(long, default_value_t = 10_000)]
    configs: u64,
    /// Which ones.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the config of this number and nothing else.
    #[arg(long)]
    show: Option<u64>,
}

impl Settings {
    /// What each change has to pass: the same configs every time, in less than a minute.
    pub fn check() -> Self {
        Self {
            configs: 2000,
            seed: 21,
            show: None,
        }
    }
}

pub fn run(settings: &Settings) -> anyhow::Result<()> {
    let mut command = fuzz::program("fuzz-property")?;
    if let Some(number) = settings.show {
        return shell::run(command.args(["--show", &number.to_string()]));
    }
    command.args(["--configs", &settings.configs.to_string()]);
    command.args(["--seed", &settings.seed.to_string(), "--folder"]);
    command.arg(shell::target().join("property"));
    match setup::envoy() {
        Ok(envoy) => {
            command.arg("--envoy").arg(envoy);
        }
        Err(error) if shell::is_ci() => bail!("Envoy cannot be fetched: {error:#}"),
        Err(error) => println!("without Envoy, only our proxy looks at the configs: {error:#}"),
    }
    shell::run(&mut command)
}
