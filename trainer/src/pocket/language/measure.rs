//! How well the llama knows the grammar, and how well it repeats; on sentences that it never learned from.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use mien_models::llama::{LayerSet, Llama as OnDevice, LlamaRequirement, LlamaSettings, SpmVocabulary, write_gguf};
use mien_models::tensor::Tensor as Plain;

use super::super::clips::{Clip, ErrorRate};
use super::super::hearing::{correlation, mean};
use super::{Exercise, Exercises, GGUF, LanguageSettings, LanguageStage, NAME, PROMPT, Vocabulary};
use crate::course::Measures;
use crate::draw::Draw;
use crate::train::Stage;
use crate::{Result, TrainerError};

/// Tells these draws from those that are learned from.
const HEARD: u64 = 103;
/// Sentences that tell how often a word comes, and which words follow each other.
const COUNTED: u64 = 20_000;
/// Step numbers that no training reaches: their sentences are counted alone.
const COUNTED_STEP: u64 = 1 << 40;
/// Tokens that are generated at most: twice the longest sentence.
pub(in crate::pocket) const MOST_TOKENS: usize = 40;
/// Exercises that are computed together.
const TOGETHER: usize = 32;

/// Sentences of the validation split, as text and as rows.
pub(super) struct HeldOut {
    texts: Vec<String>,
    read: Vec<Exercise>,
    /// Rows as tokens.
    heard: Vec<Vec<u32>>,
    /// -log of a token's share by how often each comes, the mean over the sentences.
    unigram: f64,
    /// Tokens that follow each other in the grammar.
    pairs: HashSet<(u32, u32)>,
    /// Sentences with their valence.
    judged: Vec<(Vec<u32>, f64)>,
    verdicts: Vec<(u32, f64)>,
}

impl HeldOut {
    pub(super) fn new(exercises: &Exercises, valid: &[&Clip], settings: &LanguageSettings) -> Self {
        let texts: Vec<String> = valid.iter().take(settings.measured).map(|clip| clip.transcript.clone()).collect();
        let read: Vec<Exercise> = texts.iter().map(|text| exercises.read(text)).collect();
        let heard = (0..).zip(&texts).map(|(i, text)| {
            let mut draw = Draw::new(&[settings.pace.seed, HEARD, i]);
            exercises.heard(&exercises.vocabulary().sentence(text), &mut draw)
        });
        let heard = heard.collect();
        let (mut counts, mut pairs) = (HashMap::new(), HashSet::new());
        for i in 0..COUNTED {
            let tokens = exercises.read(&exercises.sentence(COUNTED_STEP, i).text()).tokens;
            pairs.extend(tokens.iter().copied().zip(tokens.iter().copied().skip(1)));
            tokens.into_iter().skip(1).for_each(|token| *counts.entry(token).or_insert(0u64) += 1);
        }
        let all = counts.values().sum::<u64>() as f64;
        let asked: Vec<u32> = read.iter().flat_map(|exercise| exercise.tokens.iter().copied().skip(1)).collect();
        let share = |token: &u32| counts.get(token).map_or(0.5, |&n| n as f64) / all;
        let unigram = asked.iter().map(|token| -share(token).ln()).sum::<f64>() / asked.len().max(1) as f64;
        let judged = |i: u64| {
            let sentence = exercises.sentence(COUNTED_STEP + 1, i);
            let Exercise { mut tokens, .. } = exercises.read(&sentence.text());
            tokens.pop();
            (tokens, sentence.valence())
        };
        let judged = (0..settings.measured as u64).map(judged).collect();
        Self { texts, read, heard, unigram, pairs, judged, verdicts: exercises.verdicts().to_vec() }
    }

    /// How far the likeliest verdicts are from what sentences mean, and how both go together.
    fn judge(&self, stage: &LanguageStage) -> Result<[f64; 2]> {
        let choices = stage.llama.config().vocab_size;
        let mut told = Vec::with_capacity(self.judged.len());
        for (tokens, valence) in &self.judged {
            let states = stage.llama.states(stage.llama.embed(tokens)?, 1)?;
            let last = states.last.narrow(0, tokens.len().saturating_sub(1), 1);
            let scores = stage.llama.logits(last)?.inner().reshape([choices]).try_into_vec_as::<f32>();
            let failed = |e| TrainerError::Engine { action: "read the scores", reason: format!("{e:?}") };
            let scores = scores.map_err(failed)?;
            let score = |word: u32| scores.get(word as usize).copied().unwrap_or(f32::NEG_INFINITY);
            let likeliest = self.verdicts.iter().max_by(|a, b| score(a.0).total_cmp(&score(b.0)));
            told.push((*valence, likeliest.map_or(0.0, |(_, valence)| *valence)));
        }
        Ok([mean(told.iter().map(|(meant, told)| (meant - told).abs())), correlation(&told)])
    }

    /// Perplexity by token beside that of the grammar's word counts; word errors of what the device repeats from
    /// embeddings, and the share of those texts in which all that follows each other does so in the grammar.
    pub(super) fn measure(&self, stage: &LanguageStage, vocabulary: &Vocabulary, scratch: &Path) -> Result<Measures> {
        let (mut sum, mut asked) = (0.0, 0usize);
        for batch in self.read.chunks(TOGETHER) {
            let tokens = batch.iter().map(|exercise| exercise.tokens.len() - exercise.asked_from).sum::<usize>();
            let value = stage.loss(&batch.to_vec())?.value.inner().try_into_scalar::<f64>().unwrap_or(f64::NAN);
            (sum, asked) = (sum + value * tokens as f64, asked + tokens);
        }
        let config = stage.llama.config();
        let tensors = stage.llama.parameters().named()?;
        let path = scratch.join(GGUF);
        write_gguf(&path, config, vocabulary.spm(), &tensors, NAME)?;
        let mut device = open(&path, config.hidden_size)?;
        let layers = LayerSet::single(-4, config.layers)?;
        let table = tensors.get("model.embed_tokens.weight", &[config.vocab_size, config.hidden_size])?;
        let (mut rate, mut formed) = (ErrorRate::default(), 0usize);
        for (text, heard) in self.texts.iter().zip(&self.heard) {
            let rows = heard.iter().flat_map(|&token| {
                table.get(token as usize * config.hidden_size..).unwrap_or_default().iter().take(config.hidden_size)
            });
            let rows = Plain::new([heard.len(), config.hidden_size], rows.copied().collect())?;
            let written = device.simulate(&rows, PROMPT, &layers, MOST_TOKENS)?;
            rate.add_texts(text, &written.transcript);
            let tokens = written.tokens.iter().map(|&token| token.cast_unsigned());
            let ends = [SpmVocabulary::BOS as u32, SpmVocabulary::EOS as u32];
            let whole: Vec<u32> = [ends[0]].into_iter().chain(tokens).chain([ends[1]]).collect();
            formed +=
                usize::from(whole.iter().copied().zip(whole.iter().copied().skip(1)).all(|p| self.pairs.contains(&p)));
        }
        let [off, together] = self.judge(stage)?;
        Ok(Measures::from([
            ("judged_mae".into(), off),
            ("judged_correlation".into(), together),
            ("perplexity".into(), (sum / asked.max(1) as f64).exp()),
            ("perplexity_by_counts".into(), self.unigram.exp()),
            ("repeated_word_errors".into(), rate.rate()),
            ("well_formed".into(), formed as f64 / self.texts.len().max(1) as f64),
        ]))
    }
}

/// The device's llama.
pub(in crate::pocket) fn open(path: &Path, width: usize) -> Result<OnDevice> {
    // One thread: between two of its operations are fewer numbers than a second one is worth.
    let settings = LlamaSettings { n_threads: 1, n_ctx: 1024, n_batch: 512, ..Default::default() };
    Ok(OnDevice::load(path, &LlamaRequirement::width(width), &settings)?)
}
