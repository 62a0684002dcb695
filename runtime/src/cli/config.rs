//! `mien config`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use mien_runtime::config::Config;
use serde_json::json;

use super::output::{self, Failure};

#[derive(Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Print a configuration with every setting, its meaning and its default.
    Default,
    /// Print the JSON schema of the configuration.
    Schema,
    /// Check a configuration.
    Check {
        /// The configuration
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Print the whole configuration that results, as one JSON object
        #[arg(long)]
        json: bool,
    },
}

impl ConfigArgs {
    pub(crate) fn json(&self) -> bool {
        matches!(self.command, ConfigCommand::Check { json: true, .. })
    }
}

pub(crate) fn run(args: &ConfigArgs) -> Result<(), Failure> {
    match &args.command {
        ConfigCommand::Default => output::text(&Config::default_text()),
        ConfigCommand::Schema => output::text(&format!("{:#}\n", Config::schema())),
        ConfigCommand::Check { file, json } => {
            let config = Config::read(file)?;
            if *json {
                return output::json(&json!({ "ok": true, "config": config }));
            }
            output::line(&format!("{}: ok", file.display()))
        }
    }
}
