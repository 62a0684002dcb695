//! Models in several files, made here by the rules of `llama-gguf-split`, against the whole file that they were made of.

use std::path::Path;

use mien_models::llama::{GgufHeader, GgufModel, LlamaRequirement};

use crate::split::{Told, split};
use crate::{settings, small, write};

fn told(tensors: usize, count: u16) -> Told {
    Told { count, tensors: tensors as i32 }
}

#[test]
fn the_parts_of_a_model_are_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let whole = write(folder.path(), &small(), 7);
    let count = GgufHeader::read(&whole).unwrap().tensors().len();
    let requirement = LlamaRequirement::width(32);
    let expected = GgufHeader::read(&whole).unwrap().check(&requirement).unwrap();
    // Also with a first part that has metadata alone, and with one part.
    for shares in [vec![0..5, 5..6, 6..count], vec![0..0, 0..count], std::iter::once(0..count).collect()] {
        let parts = split(&whole, "a-model", &shares, told(count, shares.len() as u16));
        let model = GgufModel::read(&parts[0]).unwrap();
        assert_eq!(model.header().check(&requirement).unwrap(), expected);
        assert!(model.check_weights().unwrap());
        assert_eq!(model.bytes(), parts.iter().map(|p| p.metadata().unwrap().len()).sum::<u64>());
        if shares.len() > 1 {
            let merged = folder.path().join("merged.gguf");
            model.merge(&merged).unwrap();
            assert_eq!(std::fs::read(&merged).unwrap(), std::fs::read(&whole).unwrap(), "{shares:?}");
        }
        parts.iter().for_each(|part| std::fs::remove_file(part).unwrap());
    }
    let model = GgufModel::read(&whole).unwrap();
    assert_eq!((model.parts(), model.header().check(&requirement).unwrap()), (1, expected));
}

#[test]
fn what_is_wrong_with_parts_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let whole = write(folder.path(), &small(), 7);
    let count = GgufHeader::read(&whole).unwrap().tensors().len();
    let shares = [0..5, 5..6, 6..count];
    let good = || split(&whole, "m", &shares, told(count, 3));
    let refused = |path: &Path| GgufModel::read(path).unwrap_err().to_string();

    let parts = good();
    // One that is not the first, alone where a whole model is needed, under another name, without another.
    let said = refused(&parts[1]);
    assert!(said.contains("give the first part") && said.contains("m-00001-of-00003.gguf"), "{said}");
    for part in &parts[..2] {
        let said = match mien_models::llama::Llama::load(part, &LlamaRequirement::width(32), &settings(64, 64)) {
            Ok(_) => panic!("loaded"),
            Err(error) => error.to_string(),
        };
        if part == &parts[0] {
            assert!(said.contains("part 1 of 3") && said.contains("llama-gguf-split --merge"), "{said}");
            assert!(said.contains("m-00001-of-00003.gguf") && said.contains("m.gguf"), "{said}");
        }
    }
    let renamed = folder.path().join("renamed.gguf");
    std::fs::copy(&parts[0], &renamed).unwrap();
    assert!(refused(&renamed).contains("-00001-of-00003.gguf"), "{}", refused(&renamed));
    std::fs::remove_file(&parts[2]).unwrap();
    let said = refused(&parts[0]);
    assert!(said.contains("m-00003-of-00003.gguf") && said.contains("missing"), "{said}");
    // A part that is another's.
    std::fs::copy(&parts[1], &parts[2]).unwrap();
    assert!(refused(&parts[0]).contains("part 2 of 3"), "{}", refused(&parts[0]));
    std::fs::copy(&whole, &parts[2]).unwrap();
    assert!(refused(&parts[0]).contains("a whole model"), "{}", refused(&parts[0]));
    // Tensors twice, too few, a part cut short.
    let parts = split(&whole, "m", &[0..5, 4..6, 6..count], told(count + 1, 3));
    assert!(refused(&parts[0]).contains("one that an earlier part has"), "{}", refused(&parts[0]));
    let parts = split(&whole, "m", &[0..5, 5..6, 7..count], told(count, 3));
    assert!(refused(&parts[0]).contains("tensors in all parts"), "{}", refused(&parts[0]));
    let parts = good();
    let bytes = std::fs::read(&parts[2]).unwrap();
    std::fs::write(&parts[2], &bytes[..bytes.len() - 40]).unwrap();
    assert!(refused(&parts[0]).contains("cut short"), "{}", refused(&parts[0]));
}
