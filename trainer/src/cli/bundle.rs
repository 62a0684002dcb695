//! `mien-train bundle build`.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use mien_models::fusion::{Mia, MiaResidual};
use mien_trainer::bundle_build::{self, Built, Llm, PARTS, Part, Placement, Reading, Request, Stated};
use serde_json::{Value, json};

use super::bundle_int8::{self, Int8Args};
use super::fault::Fault;
use super::import::Progress;
use super::label::LabelArgs;
use super::output::{self, shown};
use super::prompt;

/// Make bundles out of published checkpoints.
#[derive(Debug, Args)]
pub(crate) struct Bundle {
    #[command(subcommand)]
    command: BundleCommand,
}

#[derive(Debug, Subcommand)]
enum BundleCommand {
    Build(Build),
}

/// Make a bundle out of WavLM, MA-Net, the projector, the fusion network and a language model, each in its published
/// form; sizes come from the tensors. Nothing is written unless every file is what it must be and every graph runs.
#[derive(Debug, Args)]
struct Build {
    /// WavLM of the transformers library: pytorch_model.bin or model.safetensors
    #[arg(long, value_name = "FILE")]
    wavlm: PathBuf,
    /// WavLM's sizes as the transformers library writes them [default: config.json beside the weights, if there]
    #[arg(long, value_name = "FILE")]
    wavlm_config: Option<PathBuf>,
    /// MA-Net's checkpoint of its authors (.pth)
    #[arg(long, value_name = "FILE")]
    manet: PathBuf,
    /// The SLAM-ASR projector from WavLM-Large to Vicuna-7B (.pt)
    #[arg(long, value_name = "FILE")]
    projector: PathBuf,
    /// The fusion network: its authors' checkpoint (.pt), or weights trained here
    #[arg(long, value_name = "FILE")]
    fusion: PathBuf,
    /// The language model, or the first of its parts; without one, a device scores voice and face only
    #[arg(long, value_name = "FILE.gguf")]
    llm: Option<PathBuf>,
    /// How the bundle gets at the language model's gigabytes; several parts are always merged into it
    #[arg(long, value_enum, default_value_t = Place::Link)]
    llm_place: Place,
    /// The folder to make; a bundle that is there is kept as FOLDER.previous
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// WavLM's block whose output gives the audio rows [default: 20, for a WavLM of 24 blocks]
    #[arg(long, value_name = "N")]
    audio_layer: Option<usize>,
    /// What the language model is asked after it has heard: long or short for the published ones, or a text in which \n is a
    /// line end; that of the projector's training
    #[arg(long, value_name = "long|short|TEXT", default_value = "long", value_parser = prompt::prompt)]
    prompt: String,
    /// Whether the imagination blocks run [default: what the fusion checkpoint tells]
    #[arg(long, value_enum)]
    mia: Option<Switch>,
    /// What the imagination blocks add to their result [default: what the fusion checkpoint tells]
    #[arg(long, value_enum)]
    mia_residual: Option<Residual>,
    #[command(flatten)]
    label: LabelArgs,
    /// Under which terms a part may be passed on, as wavlm=MIT; several times, parts are wavlm, manet, projector,
    /// fusion, llm [default: what its authors state, for parts of published sizes]
    #[arg(long, value_name = "PART=SPDX", value_parser = stated)]
    licence: Vec<(Part, String)>,
    /// Where a part comes from, as wavlm=https://...; several times
    #[arg(long, value_name = "PART=TEXT", value_parser = stated)]
    source: Vec<(Part, String)>,
    #[command(flatten)]
    int8: Int8Args,
    /// A JSON object instead of lines
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Place {
    /// A second name of the same file where the file system can give one, else a copy
    Link,
    /// A copy
    Copy,
    /// The file stays where it is; the bundle names it by its absolute path and digest
    Outside,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Residual {
    Text,
    Transition,
}

fn stated(text: &str) -> Result<(Part, String), String> {
    let (part, value) = text.split_once('=').ok_or("expected PART=TEXT")?;
    if value.trim().is_empty() {
        return Err("expected a text after the sign of equality".into());
    }
    Ok((part.parse()?, value.to_owned()))
}

impl Bundle {
    pub(crate) fn run(self) -> Result<()> {
        let BundleCommand::Build(build) = self.command;
        build.run()
    }
}

impl Build {
    fn run(self) -> Result<()> {
        let LabelArgs { statement, trained, .. } = &self.label;
        if let Some(statement) = statement.as_ref().filter(|s| s.trim().is_empty() && !trained) {
            return Err(
                Fault::usage(format!("--statement {statement:?}: an untrained bundle must say something")).into()
            );
        }
        let as_json = self.json;
        let int8 = self.int8.asked()?;
        let (mut request, out) = self.request();
        request.int8 = int8;
        let progress = Progress::new();
        let built = bundle_build::build(&request, &out, &mut |what, part| {
            let done = PARTS.iter().position(|p| *p == part).unwrap_or(0);
            progress.tell(&format!("{what} {part}"), done, PARTS.len());
        });
        progress.end();
        let built = built?;
        if as_json { output::json(&object(&built)) } else { lines(&built) }
    }

    fn request(self) -> (Request, PathBuf) {
        let request = Request {
            wavlm: self.wavlm,
            wavlm_config: self.wavlm_config,
            manet: self.manet,
            projector: self.projector,
            fusion: self.fusion,
            llm: self.llm,
            placement: match self.llm_place {
                Place::Link => Placement::Link,
                Place::Copy => Placement::Copy,
                Place::Outside => Placement::Outside,
            },
            audio_layer: self.audio_layer,
            prompt: Some(self.prompt),
            mia: self.mia.map(|mia| match mia {
                Switch::On => Mia::On,
                Switch::Off => Mia::Off,
            }),
            mia_residual: self.mia_residual.map(|residual| match residual {
                Residual::Text => MiaResidual::Text,
                Residual::Transition => MiaResidual::Transition,
            }),
            int8: None,
            label: self.label.label(),
            stated: Stated { licences: self.licence.into_iter().collect(), sources: self.source.into_iter().collect() },
        };
        (request, self.out)
    }
}

fn lines(built: &Built) -> Result<()> {
    for reading in &built.readings {
        tell(reading)?;
    }
    if let Some(quantised) = &built.quantised {
        bundle_int8::lines(quantised)?;
    }
    match &built.llm {
        Some((llm, placed)) => tell_llm(llm, placed)?,
        None => output::line("llm        none: a device scores voice and face only")?,
    }
    output::line("")?;
    output::line(&format!("{}  {}", built.digest, built.folder.display()))?;
    let statement = Some(built.manifest.statement.as_str()).filter(|s| !s.is_empty());
    if let Some(statement) = statement {
        output::line(&format!("NOTE: {statement}"))?;
    }
    output::line("every graph was loaded and run; `mien bundle info FOLDER` shows licences and sources")
}

fn tell(reading: &Reading) -> Result<()> {
    let line = |what: &str, text: String| output::line(&shown(&format!("  {what:<8} {text}")));
    output::line(&shown(&format!("{:<10} {}", reading.part, reading.path.display())))?;
    line("is", reading.network.clone())?;
    let format = reading.format.map_or(String::new(), |format| format.to_string());
    let nesting = reading.nesting.as_ref().map_or(String::new(), |keys| format!("; tensors under {keys:?}"));
    line("file", format!("{format}{nesting}; sha256 {}", reading.sha256))?;
    let contents = &reading.contents;
    line(
        "takes",
        format!(
            "{} of {} tensors, {} parameters, {}",
            contents.taken,
            contents.tensors,
            contents.parameters,
            contents.conversion()
        ),
    )?;
    for group in &contents.ignored {
        let names =
            if group.count == 1 { group.example.clone() } else { format!("{} such as {}", group.count, group.example) };
        line("ignores", format!("{names}: {}", group.why))?;
    }
    if !reading.passed_over.is_empty() {
        let beside = reading.passed_over.iter().map(|p| format!("{} ({})", p.key, p.what));
        line("ignores", format!("beside the tensors: {}", beside.collect::<Vec<_>>().join(", ")))?;
    }
    reading.notes.iter().try_for_each(|note| line("note", note.clone()))
}

fn tell_llm(llm: &Llm, placed: &str) -> Result<()> {
    let line = |what: &str, text: String| output::line(&shown(&format!("  {what:<8} {text}")));
    output::line(&shown(&format!("{:<10} {}", Part::Llm, llm.path.display())))?;
    let name = llm.name.as_ref().map_or(String::new(), |name| format!(", calls itself {name:?}"));
    let shape = &llm.shape;
    line(
        "is",
        format!(
            "GGUF llama, {} blocks of width {}, {} tokens, {} tensors{name}",
            shape.block_count, shape.embedding_length, shape.vocab_size, llm.tensors
        ),
    )?;
    line("takes", format!("{} bytes; {placed}", llm.bytes))?;
    llm.warnings.iter().try_for_each(|warning| line("note", warning.clone()))
}

fn object(built: &Built) -> Value {
    let readings = built.readings.iter().map(|r| {
        let ignored: Vec<Value> = r
            .contents
            .ignored
            .iter()
            .map(|group| json!({ "count": group.count, "example": group.example, "why": group.why }))
            .collect();
        let beside: Vec<Value> = r.passed_over.iter().map(|p| json!({ "key": p.key, "what": p.what })).collect();
        json!({
            "part": r.part.name(), "file": r.path, "sha256": r.sha256.to_string(), "network": r.network,
            "published_sizes": r.has_published_sizes, "format": r.format.map(|f| f.to_string()), "nesting": r.nesting,
            "tensors": r.contents.tensors, "taken": r.contents.taken, "parameters": r.contents.parameters,
            "types": r.contents.types, "ignored": ignored, "beside": beside, "notes": r.notes,
        })
    });
    let llm = built.llm.as_ref().map(|(llm, placed)| {
        json!({
            "file": llm.path, "bytes": llm.bytes, "name": llm.name, "tensors": llm.tensors, "placed": placed,
            "warnings": llm.warnings,
        })
    });
    json!({
        "folder": built.folder, "digest": built.digest, "trained": built.manifest.trained,
        "statement": built.manifest.statement, "parts": readings.collect::<Vec<_>>(), "llm": llm,
        "int8": built.quantised.as_ref().map(bundle_int8::object),
    })
}
