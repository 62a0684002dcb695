//! Weights: safetensors, PyTorch's files, pickles, GGUF.

use std::path::Path;

use anyhow::Result;
use mien_models::llama::{
    GgufHeader, LlamaConfig, LlamaRequirement, Precision, SpmVocabulary, parameters, read_gguf, write_gguf_as,
};
use mien_models::tensor::pickle::Pickle;
use mien_models::tensor::{NamedTensors, write_safetensors};

use super::{Case, Limits, Outcome, Reader, Target, fixtures};
use crate::repair;

/// Tensors of an input that are read.
const MOST: usize = 64;

const FILE: Target = Target {
    name: "",
    reads: "",
    file: "weights.bin",
    text: false,
    framing: None,
    tokens: PICKLE_WORDS,
    repair: repair::nothing,
    longest: 32 << 10,
    limits: Limits { ms: 300, ms_per_kb: 4, memory: 4 << 20, per_byte: 400 },
    seeds: |_| Ok(Vec::new()),
    prepare: |_| Ok(tensors()),
};

/// Instructions and names of pickles.
const PICKLE_WORDS: &[&[u8]] = &[
    b"\x80\x02",
    b"\x80\x05",
    b"}",
    b"]",
    b"(",
    b"t",
    b"R",
    b"b",
    b"s",
    b"u",
    b"e",
    b"a",
    b"0",
    b"1",
    b"2",
    b".",
    b"Q",
    b"q\0",
    b"h\0",
    b"j\0\0\0\0",
    b"r\xff\xff\xff\xff",
    b"\x94",
    b"\x8c\x01a",
    b"X\x01\0\0\0a",
    b"X\xff\xff\xff\x7f",
    b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"J\xff\xff\xff\xff",
    b"K\x01",
    b"M\xff\xff",
    b"\x85",
    b"\x86",
    b"\x87",
    b"\x89",
    b"\x88",
    b"N",
    b")",
    b"\x81",
    b"\x93",
    b"\x95\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"ccollections\nOrderedDict\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ctorch\nFloatStorage\n",
    b"cnumpy\ndtype\n",
    b"cnumpy.core.multiarray\n_reconstruct\n",
];

pub(super) const SAFETENSORS: Target = Target {
    name: "safetensors",
    reads: "safetensors; the length of the header is mended",
    file: "weights.safetensors",
    tokens: &[
        b"{",
        b"}",
        b"[",
        b"]",
        b"\"",
        b":",
        b",",
        b"\"dtype\":\"F32\"",
        b"\"F16\"",
        b"\"BF16\"",
        b"\"I64\"",
        b"\"shape\":[",
        b"\"data_offsets\":[",
        b"__metadata__",
        b"18446744073709551615",
        b"-1",
        b"1e9",
        b"0",
        b"\\u0000",
        b"[[[[[[[[[[[[[[[[",
    ],
    text: true,
    repair: repair::safetensors,
    seeds: |folder| {
        let path = folder.join("seed.safetensors");
        let specs = [("a", vec![2, 3]), ("b.weight", vec![4]), ("c", vec![])]
            .map(|(name, shape)| mien_models::tensor::TensorSpec::required(name, shape));
        write_safetensors(&path, &NamedTensors::formula(7, &specs), &specs, &std::collections::BTreeMap::new())?;
        Ok(vec![std::fs::read(path)?])
    },
    ..FILE
};

pub(super) const TORCH_ZIP: Target = Target {
    name: "torch-zip",
    reads: "PyTorch's zip archives; the checks of stored entries are mended",
    file: "weights.pt",
    repair: repair::zip,
    seeds: |_| {
        let mut files = fixtures("models/tests/fixtures", ".pt")?;
        files.extend(fixtures("models/tests/fixtures", ".pth")?);
        Ok(files.into_iter().filter(|file| file.starts_with(b"PK")).collect())
    },
    ..FILE
};

pub(super) const TORCH_LEGACY: Target = Target {
    name: "torch-legacy",
    reads: "PyTorch's files from before its zip archives",
    file: "weights.pt",
    seeds: |_| {
        let files = fixtures("models/tests/fixtures", ".pt")?;
        Ok(files.into_iter().filter(|file| !file.starts_with(b"PK")).collect())
    },
    ..FILE
};

fn tensors() -> Reader {
    Box::new(|case: &Case<'_>| match NamedTensors::open(case.path) {
        Err(error) => Outcome::refused(error),
        Ok(tensors) => look(&tensors),
    })
}

fn look(tensors: &NamedTensors) -> Outcome {
    let mut refused = None;
    for name in tensors.names().take(MOST) {
        let shape = tensors.shape(name).unwrap_or_default().to_vec();
        match tensors.get(name, &shape) {
            // Integers, NaN and the like.
            Err(error) => refused = Some(error),
            Ok(numbers) => {
                let expected = shape.iter().try_fold(1_usize, |n, side| n.checked_mul(*side));
                if expected != Some(numbers.len()) {
                    return Outcome::Wrong(format!("{} numbers in a tensor of shape {shape:?}", numbers.len()));
                }
            }
        }
    }
    refused.map_or(Outcome::Read, Outcome::refused)
}

pub(super) const PICKLE: Target = Target {
    name: "pickle",
    reads: "programs of Python's pickle, which nothing executes",
    file: "program.pkl",
    limits: Limits::PARSER,
    seeds: |folder| {
        let mut programs = fixtures("trainer/tests/fixtures/mmsa", ".pkl")?;
        programs.extend(fixtures("models/tests/fixtures", "legacy.pt")?);
        for archive in (TORCH_ZIP.seeds)(folder)? {
            let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive))?;
            let index = archive.file_names_raw().position(|name| name.ends_with(b"data.pkl"));
            if let Some(index) = index {
                let mut program = Vec::new();
                // One of the fixtures has wrong checksums.
                if std::io::Read::read_to_end(&mut archive.by_index(index)?, &mut program).is_ok() {
                    programs.push(program);
                }
            }
        }
        Ok(programs)
    },
    prepare: |_| Ok(Box::new(pickle)),
    ..FILE
};

fn pickle(case: &Case<'_>) -> Outcome {
    match Pickle::parse(case.bytes) {
        Err(reason) => Outcome::Refused(reason),
        Ok(pickle) => {
            let names = pickle.globals().count();
            Outcome::holds(names <= case.bytes.len(), || format!("{names} names in {} bytes", case.bytes.len()))
        }
    }
}

pub(super) const GGUF: Target = Target {
    name: "gguf",
    reads: "GGUF: header, check, weights",
    file: "model.gguf",
    tokens: &[
        b"GGUF",
        b"general.architecture",
        b"general.alignment",
        b"llama",
        b"llama.block_count",
        b"llama.embedding_length",
        b"tokenizer.ggml.tokens",
        b"tokenizer.ggml.scores",
        b"split.count",
        b"blk.0.attn_q.weight",
        b"token_embd.weight",
        b"\x08\0\0\0",
        b"\x09\0\0\0\x08\0\0\0",
        b"\xff\xff\xff\xff\xff\xff\xff\xff",
    ],
    seeds: gguf_seeds,
    prepare: |_| Ok(Box::new(gguf)),
    ..FILE
};

fn gguf_seeds(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let config = LlamaConfig {
        vocab_size: 259,
        hidden_size: 4,
        intermediate_size: 4,
        layers: 1,
        heads: 1,
        kv_heads: 1,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        context_length: 64,
    };
    let path = folder.join("seed.gguf");
    let tensors = NamedTensors::formula(7, &parameters(&config));
    write_gguf_as(&path, &config, &SpmVocabulary::tiny(259)?, &tensors, "seed", Precision::F16)?;
    let whole = std::fs::read(path)?;
    // Keys of every type and no tensor: short, so most changes meet something.
    let mut keys = b"GGUF\x03\0\0\0".to_vec();
    let values: [(u32, &[u8]); 12] = [
        (0, &[1]),
        (2, &[1, 0]),
        (4, &[1, 0, 0, 0]),
        (6, &[0, 0, 0x80, 0x3f]),
        (7, &[1]),
        (8, b"\x03\0\0\0\0\0\0\0abc"),
        (9, b"\x04\0\0\0\x02\0\0\0\0\0\0\0\x01\0\0\0\x02\0\0\0"),
        (9, b"\x08\0\0\0\x02\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0a\x01\0\0\0\0\0\0\0b"),
        (9, b"\x06\0\0\0\x01\0\0\0\0\0\0\0\0\0\x80\x3f"),
        (10, &[1; 8]),
        (11, &[1; 8]),
        (12, &[1; 8]),
    ];
    keys.extend(0_u64.to_le_bytes());
    keys.extend((values.len() as u64).to_le_bytes());
    for (index, (kind, value)) in values.iter().enumerate() {
        let name = format!("general.key{index}");
        keys.extend((name.len() as u64).to_le_bytes());
        keys.extend(name.bytes());
        keys.extend(kind.to_le_bytes());
        keys.extend(*value);
    }
    keys.resize(keys.len().next_multiple_of(32), 0);
    Ok(vec![whole, keys])
}

fn gguf(case: &Case<'_>) -> Outcome {
    let header = match GgufHeader::read(case.path) {
        Ok(header) => header,
        Err(error) => return Outcome::refused(error),
    };
    let end = header.tensors().iter().map(|tensor| tensor.offset.saturating_add(tensor.bytes)).max().unwrap_or(0);
    if end > case.bytes.len() as u64 {
        return Outcome::Wrong(format!("a tensor ends at {end} in a file of {} bytes", case.bytes.len()));
    }
    if let Err(error) = header.check(&LlamaRequirement::width(4)) {
        return Outcome::refused(error);
    }
    match read_gguf(case.path) {
        Ok((_, tensors)) => look(&tensors),
        Err(error) => Outcome::refused(error),
    }
}
