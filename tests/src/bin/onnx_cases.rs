//! Runs every graph of a bundle on formula inputs and writes inputs and outputs; with SEED, that of a dry bundle's weights,
//! beside them the same networks in standard operators alone, for a check in another ONNX runtime.
//!
//! usage: `onnx_cases BUNDLE OUT [SEED]`

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use mien_models::bundle::{Bundle, Role};
use mien_models::engine::{GraphContract, Input, LoadedGraph};
use mien_models::onnx::Dtype;
use mien_models::tensor::formula::fill;
use mien_models::tensor::{NamedTensors, Tensor, TensorSpec};
use mien_models::{fusion, manet, projector, wavlm};
use safetensors::tensor::{Dtype as StoredDtype, TensorView};

type Stored = BTreeMap<String, (StoredDtype, Vec<usize>, Vec<u8>)>;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(bundle), Some(out)) = (args.next(), args.next()) else {
        return Err("usage: onnx_cases BUNDLE OUT [SEED]".into());
    };
    let seed = args.next().map(|seed| seed.to_string_lossy().parse::<u64>()).transpose()?;
    std::fs::create_dir_all(&out)?;
    let bundle = Bundle::open(&bundle)?;
    let m = bundle.manifest();
    if let Some(seed) = seed {
        standard(&bundle, seed, &out)?;
    }
    let samples = wavlm::waveform::prepare(&fill(7, "input.waveform", &[16_000]))?;
    let wave = Tensor::new([1, samples.len()], samples)?;
    let contract = wavlm::contract(&m.wavlm, &[m.method.audio_layer]);
    write(&bundle.path(Role::Wavlm)?, contract, &[(&wave).into()], &out)?;

    let faces = Tensor::new([2, 3, 224, 224], fill(7, "input.face", &[2, 3, 224, 224]))?;
    write(&bundle.path(Role::Manet)?, manet::contract(&m.manet), &[(&faces).into()], &out)?;

    if m.file(Role::Projector).is_some() {
        let width = m.projector.input_width();
        let rows = Tensor::new([9, width], fill(7, "input.last", &[9, width]))?;
        write(&bundle.path(Role::Projector)?, projector::contract(&m.projector), &[(&rows).into()], &out)?;
    }

    let stream =
        |name: &str, rows: usize, width: usize| Tensor::new([3, rows, width], fill(7, name, &[3, rows, width]));
    let audio = stream("input.audio", 50, m.fusion.audio)?;
    let text = stream("input.text", 12, m.fusion.text)?;
    let video = stream("input.video", 20, m.fusion.video)?;
    // Three clips of different lengths, the last two with text missing: masks and both flows in one batch.
    let mask = |rows: usize, lengths: [usize; 3]| -> Vec<bool> {
        lengths.iter().flat_map(|&n| (0..rows).map(move |i| i < n)).collect()
    };
    let (ma, mt, mv) = (mask(50, [50, 31, 1]), mask(12, [4, 12, 1]), mask(20, [20, 1, 7]));
    let shapes = [[3, 50], [3, 12], [3, 20]];
    let missing = [false, true, true];
    let inputs = [
        (&audio).into(),
        (&text).into(),
        (&video).into(),
        Input::Bool(&shapes[0], &ma),
        Input::Bool(&shapes[1], &mt),
        Input::Bool(&shapes[2], &mv),
        Input::Bool(&[3], &missing),
    ];
    write(&bundle.path(Role::Fusion)?, fusion::contract(&m.fusion), &inputs, &out)
}

/// The bundle's networks in standard operators: encoders built anew from the formula, the others as they are.
fn standard(bundle: &Bundle, seed: u64, out: &Path) -> Result<(), Box<dyn Error>> {
    let m = bundle.manifest();
    let formula = |specs: Vec<TensorSpec>| NamedTensors::formula(seed, &specs);
    let taps = [m.method.audio_layer];
    wavlm::build(&m.wavlm, &formula(wavlm::parameters(&m.wavlm)), &taps, &out.join("wavlm.onnx"))?;
    manet::build(&m.manet, &formula(manet::parameters(&m.manet)), &out.join("manet.onnx"))?;
    for role in [Role::Projector, Role::ProjectorWeights, Role::Fusion, Role::FusionWeights] {
        let file = bundle.path(role)?;
        std::fs::copy(&file, out.join(file.file_name().ok_or("a file without a name")?))?;
    }
    Ok(())
}

/// Runs the graph at `path` and writes `OUT/<stem>.safetensors`.
fn write(path: &Path, contract: GraphContract, inputs: &[Input<'_>], out: &Path) -> Result<(), Box<dyn Error>> {
    let inputs = &inputs[..contract.inputs.len().min(inputs.len())];
    let outputs = LoadedGraph::load(path, contract.clone())?.prepare()?.session()?.run(inputs)?;
    let mut stored = Stored::new();
    for (input, contract) in inputs.iter().zip(&contract.inputs) {
        let value = match *input {
            Input::F32(shape, data) => (StoredDtype::F32, shape.to_vec(), bytes(data)),
            Input::Bool(shape, data) => (StoredDtype::BOOL, shape.to_vec(), data.iter().map(|&b| b.into()).collect()),
        };
        debug_assert!(contract.dtype == Dtype::F32 || contract.dtype == Dtype::Bool);
        stored.insert(format!("input.{}", contract.name), value);
    }
    for (output, contract) in outputs.iter().zip(&contract.outputs) {
        stored.insert(
            format!("output.{}", contract.name),
            (StoredDtype::F32, output.shape().to_vec(), bytes(output.data())),
        );
    }
    let views: BTreeMap<&String, TensorView<'_>> = stored
        .iter()
        .map(|(name, (dtype, shape, data))| Ok((name, TensorView::new(*dtype, shape.clone(), data)?)))
        .collect::<Result<_, safetensors::SafeTensorError>>()?;
    let stem = path.file_stem().ok_or("a graph without a name")?;
    let file = out.join(stem).with_extension("safetensors");
    safetensors::serialize_to_file(views, None, &file)?;
    Ok(())
}

fn bytes(data: &[f32]) -> Vec<u8> {
    data.iter().flat_map(|v| v.to_le_bytes()).collect()
}
