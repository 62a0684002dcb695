//! What a bundle says of itself, as options.

use clap::Args;
use mien_trainer::export::Label;

#[derive(Debug, Args)]
pub(crate) struct LabelArgs {
    /// The bundle's name [default: the base's, or mien for a bundle from checkpoints]
    #[arg(long)]
    name: Option<String>,
    /// The bundle's version [default: the base's, or this program's for a bundle from checkpoints]
    #[arg(long, value_name = "TEXT")]
    bundle_version: Option<String>,
    /// Say that every network of the bundle is trained; without this the base's word on it stands, and a bundle from
    /// checkpoints says that its scores mean nothing
    #[arg(long)]
    pub(super) trained: bool,
    /// One line that is said on every output [default: the base's]
    #[arg(long, value_name = "TEXT")]
    pub(super) statement: Option<String>,
}

impl LabelArgs {
    pub(crate) fn label(self) -> Label {
        let Self { name, bundle_version: version, trained, statement } = self;
        Label { name, version, trained, statement }
    }
}
