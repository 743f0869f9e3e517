//! Which articles answer a question, by the words they share.
//!
//! Words are reduced to stems, so that "returning" finds "returns"; words that carry no meaning are left
//! out of the question. A word's weight grows with its rarity among the articles, `1 + log2(articles /
//! having)`, in whole numbers so that the same shop gives the same order on every machine. A word in the
//! title counts in full, in the text half, and a tenth more for every repetition up to three. The score is
//! the share of the question's weight that was found.

use std::collections::{BTreeMap, BTreeSet};

use shopwright_model::{EntityKind, entity::ArticleDoc, support::Article};

use crate::{
    Reader,
    paging::{SCAN_LIMIT, invalid, record},
    surface::ReadFuture,
};

const CHUNK: u32 = 250;
const MOST: u32 = 20;
/// Questions are tickets at times: more words than these add nothing.
const QUESTION_WORDS: usize = 200;

/// Among the first 5,000 articles by id.
pub(super) fn search_articles<'a>(
    reader: &'a dyn Reader,
    (text, limit): (String, u32),
) -> ReadFuture<'a, Vec<Article>> {
    Box::pin(async move {
        if !(1..=MOST).contains(&limit) {
            return Err(invalid(format!("`limit` is {limit}: it must be 1 to {MOST}")));
        }
        let question = question(&text);
        if question.is_empty() {
            return Ok(Vec::new());
        }
        let mut candidates = Vec::new();
        let (mut after, mut examined) = (None::<String>, 0);
        while examined < SCAN_LIMIT {
            let docs = reader.scan(EntityKind::Article, after.as_deref(), CHUNK).await?;
            let ended = docs.len() < CHUNK as usize;
            examined += u32::try_from(docs.len()).unwrap_or(CHUNK);
            after = docs.last().map(|doc| doc.id.clone());
            for doc in docs {
                let article: ArticleDoc = record(EntityKind::Article, &doc.doc)?;
                if let Some(candidate) = Candidate::of(article, &question) {
                    candidates.push(candidate);
                }
            }
            if ended {
                break;
            }
        }
        Ok(best(candidates, &question, examined, limit as usize))
    })
}

/// An article that shares a word with the question, and for each of the question's words how it is
/// found, in tenths.
struct Candidate {
    article: ArticleDoc,
    found: Vec<u64>,
}

impl Candidate {
    fn of(article: ArticleDoc, question: &BTreeSet<String>) -> Option<Self> {
        let title: BTreeSet<String> = stems(&article.title).collect();
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for stem in stems(&article.text) {
            if question.contains(&stem) {
                *counts.entry(stem).or_default() += 1;
            }
        }
        let tenths = |word: &String| match counts.get(word) {
            _ if title.contains(word) => 10,
            Some(count) => 5 + (count - 1).min(3),
            None => 0,
        };
        let found: Vec<u64> = question.iter().map(tenths).collect();
        found.iter().any(|&tenths| tenths > 0).then_some(Self { article, found })
    }
}

fn best(candidates: Vec<Candidate>, question: &BTreeSet<String>, articles: u32, limit: usize) -> Vec<Article> {
    let weights: Vec<u64> = (0..question.len())
        .map(|word| {
            let having = candidates.iter().filter(|candidate| candidate.found[word] > 0).count().max(1) as u64;
            u64::from((u64::from(articles) / having).max(1).ilog2()) + 1
        })
        .collect();
    let whole: u64 = weights.iter().sum::<u64>() * 10;
    let score =
        |candidate: &Candidate| candidate.found.iter().zip(&weights).map(|(found, weight)| found * weight).sum::<u64>();
    let mut scored: Vec<(u64, Candidate)> =
        candidates.into_iter().map(|candidate| (score(&candidate), candidate)).collect();
    scored.sort_by(|(a, x), (b, y)| b.cmp(a).then_with(|| x.article.id.cmp(&y.article.id)));
    scored.truncate(limit);
    scored
        .into_iter()
        .map(|(score, Candidate { article: ArticleDoc { id, title, text, url }, .. })| {
            // Both are far below 2^53.
            #[allow(clippy::cast_precision_loss)]
            Article { id, title, text, url, score: score as f64 / whole as f64 }
        })
        .collect()
}

/// The stems of a question, without the words that say nothing; with them where there are no others.
fn question(text: &str) -> BTreeSet<String> {
    let words = || words(text).take(QUESTION_WORDS);
    let meaning: BTreeSet<String> =
        words().filter(|word| !STOP_WORDS.contains(&word.as_str())).map(|w| stem(&w)).collect();
    if meaning.is_empty() { words().map(|word| stem(&word)).collect() } else { meaning }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '\'' | '’')))
        .map(|word| word.replace(['\'', '’'], "").to_lowercase())
        .filter(|word| !word.is_empty())
}

fn stems(text: &str) -> impl Iterator<Item = String> {
    words(text).map(|word| stem(&word))
}

/// Cuts the commonest endings of English and German. It need not give a word, only the same for words that
/// belong together.
fn stem(word: &str) -> String {
    let long = |least: usize, ending: &str| {
        word.strip_suffix(ending).filter(|rest| rest.chars().count() >= least).map(str::to_owned)
    };
    let cut = long(2, "ies")
        .map(|rest| rest + "y")
        .or_else(|| long(3, "ungen").map(|rest| rest + "ung"))
        .or_else(|| long(3, "ing").map(undoubled))
        .or_else(|| long(3, "ed").map(undoubled))
        .or_else(|| {
            ["sses", "shes", "ches", "xes"]
                .into_iter()
                .find_map(|ending| long(2, ending).map(|r| r + &ending[..ending.len() - 2]))
        })
        .or_else(|| long(4, "en"))
        .or_else(|| {
            (!["ss", "us", "is"].into_iter().any(|ending| word.ends_with(ending))).then(|| long(3, "s")).flatten()
        })
        .unwrap_or_else(|| word.to_owned());
    match cut.strip_suffix('e') {
        Some(rest) if rest.chars().count() >= 3 => rest.to_owned(),
        _ => cut,
    }
}

/// `shipp` (of "shipping") is `ship`.
fn undoubled(mut word: String) -> String {
    let mut ends = word.chars().rev();
    if let (Some(last), Some(before)) = (ends.next(), ends.next())
        && last == before
        && !matches!(last, 'l' | 's' | 'e' | 'o')
    {
        word.pop();
    }
    word
}

/// English and German words that say nothing of what a question is about.
const STOP_WORDS: &[&str] = &[
    "a", "about", "all", "am", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "cannot",
    "cant", "could", "did", "do", "does", "doesnt", "dont", "for", "from", "get", "got", "had", "has", "have", "hello",
    "help", "hi", "how", "i", "id", "if", "ill", "im", "in", "is", "isnt", "it", "its", "ive", "just", "like", "me",
    "my", "need", "no", "not", "of", "on", "or", "our", "please", "so", "thank", "thanks", "that", "the", "their",
    "them", "then", "there", "these", "they", "this", "to", "too", "us", "want", "was", "we", "were", "what", "when",
    "where", "which", "who", "why", "will", "with", "would", "you", "your", "aber", "als", "am", "auch", "auf", "aus",
    "bei", "bin", "bitte", "da", "danke", "das", "dass", "dem", "den", "der", "des", "die", "doch", "ein", "eine",
    "einem", "einen", "einer", "er", "es", "für", "habe", "haben", "hallo", "hat", "ich", "ihr", "ihre", "im", "ist",
    "kann", "können", "man", "mein", "meine", "meinen", "mich", "mir", "mit", "nach", "nicht", "noch", "nur", "oder",
    "schon", "sie", "sind", "so", "um", "und", "uns", "von", "wann", "war", "warum", "was", "wenn", "wie", "wir",
    "wird", "wo", "zu", "zum", "zur", "über",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_belong_together_have_one_stem() {
        for group in [
            &["return", "returns", "returned", "returning"][..],
            &["ship", "ships", "shipped", "shipping"],
            &["change", "changes", "changed", "changing"],
            &["policy", "policies"],
            &["address", "addresses"],
            &["box", "boxes"],
            &["rücksendung", "rücksendungen"],
            &["schuh", "schuhe", "schuhen"],
            &["refund", "refunds", "refunded"],
        ] {
            let stems: BTreeSet<String> = group.iter().map(|word| stem(word)).collect();
            assert_eq!(stems.len(), 1, "{group:?} gave {stems:?}");
        }
        assert_ne!(stem("press"), stem("pre"));
    }

    #[test]
    fn words_of_no_meaning_count_only_alone() {
        assert_eq!(question("Where is my ORDER?"), BTreeSet::from(["order".to_owned()]));
        assert_eq!(question("how are you"), BTreeSet::from(["how", "are", "you"].map(stem)));
        assert!(question(" … ").is_empty());
    }
}
