//! One split of an MMSA pickle.

use std::collections::BTreeMap;

use mien_models::tensor::FileMap;
use mien_models::tensor::pickle::ValueId;

use super::super::corpus::{Clip, Modality};
use super::super::npy::{Extent, Matrix};
use super::super::numpy::{Elements, Objects};
use super::ARRAYS;
use super::arrays::RowArray;

/// Clips of a split and where their rows lie.
#[derive(Debug, Default)]
pub(super) struct MmsaSplit {
    pub(super) clips: Vec<Clip>,
    streams: BTreeMap<Modality, Stream>,
}

/// Rows of a modality.
#[derive(Debug)]
struct Stream {
    array: RowArray,
    lengths: Lengths,
}

/// How many of an array's rows are valid.
#[derive(Debug)]
enum Lengths {
    /// As the file says.
    Stated(Vec<usize>),
    /// Up to the last row that is not zero.
    UntilZeros,
}

impl MmsaSplit {
    /// Reads ids, labels, texts and lengths, and finds the arrays.
    ///
    /// # Errors
    /// A phrase: the key, expected and found.
    pub(super) fn read(objects: &Objects<'_>, dict: ValueId, map: &FileMap) -> Result<Self, String> {
        let key = |name: &str| {
            objects
                .get(dict, name)
                .ok_or_else(|| format!("the key {name} is missing; the split holds {:?}", objects.keys(dict)))
        };
        let ids = objects.texts(key("id")?).map_err(|reason| format!("id: {reason}"))?;
        let labels = objects.numbers(key("regression_labels")?, ids.len());
        let labels =
            labels.ok_or_else(|| format!("regression_labels: expected {} numbers, one for each id", ids.len()))?;
        let texts = match objects.get(dict, "raw_text") {
            None => None,
            Some(id) => Some(objects.texts(id).map_err(|reason| format!("raw_text: {reason}"))?),
        };
        let same = |name: &str, found: usize| {
            if found == ids.len() { Ok(()) } else { Err(format!("{name} has {found} entries for {} ids", ids.len())) }
        };
        same("regression_labels", labels.len())?;
        if let Some(texts) = &texts {
            same("raw_text", texts.len())?;
        }
        let mask = objects.get(dict, "text_bert").and_then(|id| mask_lengths(objects, id, ids.len()));
        let mut streams = BTreeMap::new();
        for (modality, name) in ARRAYS {
            let array = RowArray::read(objects, key(name)?, map).map_err(|reason| format!("{name}: {reason}"))?;
            same(name, array.clips())?;
            let stated = match (modality, objects.get(dict, &format!("{name}_lengths"))) {
                (_, Some(id)) => Some(lengths(objects, id, name, ids.len(), array.rows())?),
                (Modality::Text, None) => mask.clone().filter(|m| m.iter().all(|n| *n <= array.rows())),
                (_, None) => None,
            };
            if let Some(stated) = &stated {
                same(&format!("{name}_lengths"), stated.len())?;
            }
            let lengths = stated.map_or(Lengths::UntilZeros, Lengths::Stated);
            streams.insert(modality, Stream { array, lengths });
        }
        let mut texts = texts.map(Vec::into_iter);
        let clip = |(id, label): (String, f64)| Clip {
            id: id.replace("$_$", "_"),
            label,
            speaker: None,
            transcript: texts.as_mut().and_then(Iterator::next),
        };
        let clips = ids.into_iter().zip(labels).map(clip).collect();
        Ok(Self { clips, streams })
    }

    /// Rows and width of a clip; `None` past the end.
    pub(super) fn extent(&self, map: &FileMap, clip: usize, modality: Modality) -> Option<Extent> {
        let stream = self.streams.get(&modality)?;
        let rows = match &stream.lengths {
            Lengths::Stated(lengths) => *lengths.get(clip)?,
            Lengths::UntilZeros if clip < stream.array.clips() => stream.array.filled_rows(map, clip),
            Lengths::UntilZeros => return None,
        };
        Some(Extent { rows, width: stream.array.width() })
    }

    /// The valid rows of a clip; `None` past the end.
    pub(super) fn rows(&self, map: &FileMap, clip: usize, modality: Modality) -> Option<Matrix> {
        let extent = self.extent(map, clip, modality)?;
        let values = self.streams.get(&modality)?.array.clip(map, clip, extent.rows)?;
        Some(Matrix { values, extent })
    }

    /// Where lengths come from, in words.
    pub(super) fn lengths_from(splits: &[Self; 3]) -> String {
        let from = |modality: Modality| {
            let stated = splits
                .iter()
                .all(|split| split.streams.get(&modality).is_some_and(|s| matches!(s.lengths, Lengths::Stated(_))));
            format!("{modality} {}", if stated { "as the file states" } else { "up to the last that is not zero" })
        };
        ARRAYS.map(|(modality, _)| from(modality)).join(", ")
    }
}

/// Stated lengths, each within the array.
fn lengths(objects: &Objects<'_>, id: ValueId, name: &str, clips: usize, most: usize) -> Result<Vec<usize>, String> {
    let numbers = objects.numbers(id, clips).ok_or_else(|| format!("{name}_lengths: expected {clips} numbers"))?;
    numbers
        .into_iter()
        .map(|n| {
            let whole = n.fract() == 0.0 && (0.0..=most as f64).contains(&n);
            if whole { Ok(n as usize) } else { Err(format!("{name}_lengths holds {n}, expected 0 to {most}")) }
        })
        .collect()
}

/// Lengths from the attention mask, row 1 of `text_bert` [clips, 3, tokens]; `None` where it is absent or no run of ones
/// followed by zeros.
fn mask_lengths(objects: &Objects<'_>, id: ValueId, clips: usize) -> Option<Vec<usize>> {
    let array = objects.array(id)?.ok()?;
    let &[n, 3, tokens] = array.shape.as_slice() else { return None };
    let elements = array.dense()?;
    let clip_bytes = tokens.checked_mul(3)?.checked_mul(elements.dtype.size)?;
    if n != clips || clip_bytes == 0 {
        return None;
    }
    // Clip by clip: numbers take up to eight times the bytes that they are made of.
    let length = |bytes: &[u8]| {
        let clip = Elements { dtype: elements.dtype, bytes }.numbers()?;
        let mask = clip.get(tokens..2 * tokens)?;
        let ones = mask.iter().take_while(|m| **m == 1.0).count();
        (ones > 0 && mask.iter().skip(ones).all(|m| *m == 0.0)).then_some(ones)
    };
    elements.bytes.chunks_exact(clip_bytes).map(length).collect()
}
