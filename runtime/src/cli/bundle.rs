//! `mien bundle`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use mien_models::ModelError;
use mien_models::bundle::{Bundle, DrySize, GraphNumbers, MANIFEST_NAME, Role, archive, make_dry, seal_folder};
use mien_runtime::RuntimeError;
use serde_json::json;

use super::output::{self, Failure};
use super::table::Table;

/// Seed of a dry bundle's formula weights where none is given.
const DRY_SEED: u64 = 7;

#[derive(Args)]
pub(crate) struct BundleArgs {
    #[command(subcommand)]
    command: BundleCommand,
}

#[derive(Subcommand)]
enum BundleCommand {
    /// Hold the manifest against its digest, and every file against its size and SHA-256.
    Verify(PlaceArgs),
    /// Show what a bundle is, what it needs and where its parts come from.
    Info(PlaceArgs),
    /// Write a bundle into one file, an uncompressed tar archive, for a machine that no network reaches.
    Export(ExportArgs),
    /// Install a bundle from such a file; every byte is held against its digest before anything appears.
    Import(ImportArgs),
    /// Put the digest into a manifest that was changed on purpose.
    Seal(PlaceArgs),
    /// Make a bundle of all architectures with formula weights: it proves that everything runs, its scores mean nothing.
    Dry(DryArgs),
}

#[derive(Args)]
struct PlaceArgs {
    /// The bundle's folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// A JSON object instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct ExportArgs {
    /// The bundle's folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The file to make; a language model that lies outside of the folder goes into it
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// A JSON object instead of lines
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct ImportArgs {
    /// The file that `mien bundle export` made
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The folder to make; a bundle that is there is kept as DIR.previous, in the place of an older one
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// A JSON object instead of a line
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct DryArgs {
    /// The folder to make; a bundle that is there is kept as DIR.previous, in the place of an older one
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Sizes of the networks
    #[arg(long, value_enum, default_value_t = Size::Small)]
    size: Size,
    /// Seed of the formula weights
    #[arg(long, default_value_t = DRY_SEED)]
    seed: u64,
    /// A JSON object instead of a line
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Size {
    /// Every architecture at small width, with a small language model.
    Small,
    /// WavLM-Large, MA-Net and the fusion at true size; no language model.
    True,
}

impl BundleArgs {
    /// Whether errors are wanted as objects.
    pub(crate) fn json(&self) -> bool {
        match &self.command {
            BundleCommand::Verify(args) | BundleCommand::Info(args) | BundleCommand::Seal(args) => args.json,
            BundleCommand::Export(args) => args.json,
            BundleCommand::Import(args) => args.json,
            BundleCommand::Dry(args) => args.json,
        }
    }
}

pub(crate) fn run(args: &BundleArgs) -> Result<(), Failure> {
    match &args.command {
        BundleCommand::Verify(place) => verify(place),
        BundleCommand::Info(place) => info(place),
        BundleCommand::Export(args) => export(args),
        BundleCommand::Import(args) => import(args),
        BundleCommand::Seal(place) => seal(place),
        BundleCommand::Dry(dry) => make(dry),
    }
}

fn export(args: &ExportArgs) -> Result<(), Failure> {
    let made = archive::export(&args.folder, &args.file).map_err(RuntimeError::Bundle)?;
    if args.json {
        let (digest, bytes, taken_in) = (&made.digest, made.bytes, &made.taken_in);
        return output::json(&json!({ "digest": digest, "file": args.file, "bytes": bytes, "taken_in": taken_in }));
    }
    output::line(&format!("{}  {}  ({} bytes)", made.digest, args.file.display(), made.bytes))?;
    match &made.taken_in {
        None => Ok(()),
        Some(path) => output::line(&format!(
            "NOTE: the language model at {} lies in the archive; the manifest in it names it there, so the digest is another \
             one than that of {}",
            path.display(),
            args.folder.display()
        )),
    }
}

fn import(args: &ImportArgs) -> Result<(), Failure> {
    // Made absolute before the folder is replaced: a relative path may lead elsewhere afterwards.
    let out = std::path::absolute(&args.folder)
        .map_err(|source| RuntimeError::Write { path: args.folder.clone(), source })?;
    let digest = archive::import(&args.file, &out).map_err(RuntimeError::Bundle)?;
    if args.json {
        return output::json(&json!({ "digest": digest, "folder": out }));
    }
    output::line(&format!("{digest}  {}", out.display()))
}

fn make(args: &DryArgs) -> Result<(), Failure> {
    let size = match args.size {
        Size::Small => DrySize::Small,
        Size::True => DrySize::True,
    };
    // Made absolute before the folder is replaced: a relative path may lead elsewhere afterwards.
    let out =
        std::path::absolute(&args.out).map_err(|source| RuntimeError::Write { path: args.out.clone(), source })?;
    make_dry(&out, size, args.seed).map_err(RuntimeError::Bundle)?;
    let bundle = Bundle::open(&out).map_err(RuntimeError::Bundle)?;
    if args.json {
        return output::json(&json!({ "digest": bundle.digest(), "folder": out }));
    }
    output::line(&format!("{}  {}", bundle.digest(), out.display()))
}

fn seal(args: &PlaceArgs) -> Result<(), Failure> {
    let digest = seal_folder(&args.folder).map_err(RuntimeError::Bundle)?;
    if args.json {
        return output::json(&json!({ "digest": digest, "folder": args.folder }));
    }
    output::line(&format!("{digest}  {}", args.folder.display()))
}

fn verify(args: &PlaceArgs) -> Result<(), Failure> {
    let found = Bundle::verify(&args.folder).map_err(RuntimeError::Bundle)?;
    if args.json {
        let files: Vec<_> = found
            .files()
            .iter()
            .map(|f| {
                let fault = f.fault.as_ref().map(ToString::to_string);
                json!({ "role": f.entry.role, "path": f.entry.path, "bytes": f.entry.bytes, "fault": fault })
            })
            .collect();
        output::json(
            &json!({ "digest": found.digest(), "holds": found.holds(), "files": files, "extra": found.extra_files() }),
        )?;
    } else {
        // It has been held already: a manifest that is not what its first line says is an error.
        output::line(&format!("{MANIFEST_NAME} holds  sha256 {}", found.digest()))?;
        let mut table = Table::new(&["file", "role", "bytes", "verdict"]);
        for file in found.files() {
            let verdict = match &file.fault {
                None => "holds",
                Some(ModelError::Digest { .. }) => "DIFFERS",
                Some(ModelError::Io { .. }) => "NOT READABLE",
                Some(_) => "REFUSED",
            };
            table.row([
                file.entry.path.to_string(),
                file.entry.role.to_string(),
                file.entry.bytes.to_string(),
                verdict.into(),
            ]);
        }
        for extra in found.extra_files() {
            table.row([extra.display().to_string(), "-".into(), "-".into(), "not listed".into()]);
        }
        table.print()?;
    }
    found.into_bundle().map_err(RuntimeError::Bundle)?;
    Ok(())
}

fn info(args: &PlaceArgs) -> Result<(), Failure> {
    let bundle = Bundle::open(&args.folder).map_err(RuntimeError::Bundle)?;
    let m = bundle.manifest();
    let numbers = |role| bundle.graph(role).and_then(GraphNumbers::read).map_err(RuntimeError::Bundle);
    let (voice, face) = (numbers(Role::Wavlm)?, numbers(Role::Manet)?);
    if args.json {
        let products = |n: GraphNumbers| json!({ "bytes": n.bytes, "floats": n.floats });
        let products = json!({ "wavlm": products(voice), "manet": products(face) });
        return output::json(&json!({ "digest": bundle.digest(), "manifest": m, "products": products }));
    }
    output::line(&format!("{} {}  (made by {})", m.name, m.version, m.created_by))?;
    output::line(&format!("sha256   {}", bundle.digest()))?;
    let trained = if m.trained { "yes" } else { "NO: scores mean nothing" };
    output::line(&format!("trained  {trained}"))?;
    if !m.statement.is_empty() {
        output::line(&format!("says     {}", m.statement))?;
    }
    let mebibytes = |bytes: u64| bytes >> 20;
    let with_llm =
        m.memory.with_llm.map_or("no language model".into(), |b| format!("{} MiB with language model", mebibytes(b)));
    let (voice, face) = (mebibytes(m.audio_only_bytes()), mebibytes(m.memory.without_llm));
    output::line(&format!("memory   {voice} MiB for voice alone, {face} MiB for voice and face, {with_llm}"))?;
    output::line(&format!(
        "method   audio layer {}, text layers {:?}, simulated {:?}, MIA {:?} (residual {:?}), padding {:?}",
        m.method.audio_layer,
        m.method.text_layers,
        m.method.simulated_layers,
        m.fusion.mia,
        m.fusion.mia_residual,
        m.fusion.padding
    ))?;
    output::line(&format!("numbers  WavLM {voice}; MA-Net {face}"))?;
    for metric in &m.metrics {
        output::line(&format!(
            "error    {}: MAE {:.4} over {} clips ({})",
            metric.mode, metric.mae, metric.clips, metric.protocol
        ))?;
    }
    output::line("")?;
    let mut table = Table::new(&["file", "role", "bytes", "licence", "source"]);
    for file in &m.files {
        table.row([
            file.path.to_string(),
            file.role.to_string(),
            file.bytes.to_string(),
            file.licence.clone(),
            file.source.clone(),
        ]);
    }
    table.print()
}
