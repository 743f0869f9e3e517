//! Personal data out of a bundle, the same value everywhere the same substitute.
//!
//! Every word becomes another of the same length and shape, by a keyed hash of it; the key is random and
//! kept nowhere. So what the program copies, cuts or joins comes out the same from the masked answers as
//! in the masked journal; only where it computes on the characters themselves does a replay differ, and
//! the export says so.
//!
//! - In what the program *was given* (trigger, settings, answers): the fields that hold names, addresses,
//!   numbers and free text are replaced whole.
//! - In what it *made of it* (arguments, ledger, log, outcome), and in all other fields: the words of
//!   names that were found, whole values that were found (mail addresses, numbers, postal addresses),
//!   three or more words in a row of a text that was found, and whatever looks like a mail address or a
//!   telephone number.
//!
//! Ids stay: they name nobody outside of the shop's own systems.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::{TryRng as _, rngs::SysRng};
use sha2::Sha256;
use shopwright_engine::{Entry, LogEntry};

use crate::{
    TrialError,
    bundle::{Bundle, Bytes},
    replay,
    walk::{Piece, walk_json, walk_pack},
};

/// Fields that hold a person's name.
const NAMES: [&str; 10] = [
    "name",
    "first_name",
    "last_name",
    "full_name",
    "author",
    "company",
    "recipient_name",
    "firstName",
    "lastName",
    "assignee",
];
/// Fields whose value is replaced wherever it occurs.
const VALUES: [&str; 20] = [
    "email",
    "phone",
    "mobile",
    "fax",
    "street",
    "line1",
    "line2",
    "address",
    "address1",
    "address2",
    "city",
    "zip",
    "postcode",
    "postal_code",
    "latitude",
    "longitude",
    "birthday",
    "vat_id",
    "ip",
    "recipient",
];
/// Fields that hold free text.
const TEXTS: [&str; 9] = ["text", "body", "message", "subject", "note", "comment", "html", "content", "description"];

/// How far a field's value is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Name,
    Value,
    Text,
    Other,
}

fn field(name: &str) -> Field {
    match name {
        _ if NAMES.contains(&name) => Field::Name,
        _ if VALUES.contains(&name) => Field::Value,
        _ if TEXTS.contains(&name) => Field::Text,
        _ => Field::Other,
    }
}

/// What masking replaces, and by what.
struct Masker {
    key: [u8; 32],
    /// Words of names.
    names: HashSet<String>,
    /// Whole values, the longest first once all are found.
    values: Vec<String>,
    /// Three words in a row of a free text, in lower case.
    triples: HashSet<(String, String, String)>,
    known: HashMap<String, String>,
}

/// The words of a text: (where it begins, the word).
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut begin = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (c.is_alphanumeric(), begin) {
            (true, None) => begin = Some(at),
            (false, Some(from)) => {
                found.push((from, &text[from..at]));
                begin = None;
            }
            _ => {}
        }
    }
    found
}

impl Masker {
    /// A word of the same length and shape.
    fn word(&mut self, word: &str) -> String {
        let lower = word.to_lowercase();
        if !self.known.contains_key(&lower) {
            let mut bytes = Vec::new();
            let mut block = 0_u32;
            while bytes.len() < lower.chars().count() {
                // Any length of key is good for HMAC.
                let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
                mac.update(lower.as_bytes());
                mac.update(&block.to_le_bytes());
                bytes.extend_from_slice(&mac.finalize().into_bytes());
                block += 1;
            }
            let shaped = lower.chars().zip(&bytes).map(|(c, byte)| match c {
                '0'..='9' => char::from(b'0' + byte % 10),
                _ => char::from(b'a' + byte % 26),
            });
            let made: String = shaped.collect();
            self.known.insert(lower.clone(), made);
        }
        let made = &self.known[&lower];
        word.chars()
            .zip(made.chars())
            .map(|(was, is)| if was.is_uppercase() { is.to_ascii_uppercase() } else { is })
            .collect()
    }

    /// All words of a text.
    fn whole(&mut self, text: &str) -> String {
        let all = words(text);
        self.some(text, &all)
    }

    /// These words of a text.
    fn some(&mut self, text: &str, chosen: &[(usize, &str)]) -> String {
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for (at, word) in chosen {
            out.push_str(&text[done..*at]);
            let masked = self.word(word);
            out.push_str(&masked);
            done = at + word.len();
        }
        out.push_str(&text[done..]);
        out
    }

    /// Notes what a field holds, for wherever it is met again.
    fn learn(&mut self, what: Field, text: &str) {
        match what {
            Field::Name => {
                let words = words(text).into_iter().filter(|(_, word)| word.chars().count() > 1);
                self.names.extend(words.map(|(_, word)| word.to_owned()));
            }
            Field::Value => {
                if text.chars().count() > 3 && !self.values.iter().any(|known| known == text) {
                    self.values.push(text.to_owned());
                }
            }
            Field::Text => {
                let lower: Vec<String> = words(text).into_iter().map(|(_, word)| word.to_lowercase()).collect();
                if lower.len() < 3 {
                    // Too short to be known by its words.
                    self.learn(Field::Value, text);
                }
                for three in lower.windows(3) {
                    self.triples.insert((three[0].clone(), three[1].clone(), three[2].clone()));
                }
            }
            Field::Other => {}
        }
    }

    /// A text in which only what was found elsewhere, and what looks like an address or a number, is replaced.
    fn met(&mut self, text: &str) -> String {
        let all = words(text);
        let mut chosen = vec![false; all.len()];
        let mut choose = |from: usize, to: usize| {
            for ((at, word), chosen) in all.iter().zip(&mut chosen) {
                *chosen |= *at >= from && at + word.len() <= to;
            }
        };
        for value in &self.values {
            let lower = text.to_lowercase();
            // Where lower case has another length, places in the two do not agree.
            let (hay, needle) = if lower.len() == text.len() {
                (lower, value.to_lowercase())
            } else {
                (text.to_owned(), value.clone())
            };
            for (at, found) in hay.match_indices(&needle) {
                choose(at, at + found.len());
            }
        }
        for (from, to) in addresses(text).into_iter().chain(numbers(text)) {
            choose(from, to);
        }
        for (n, (_, word)) in all.iter().enumerate() {
            chosen[n] |= self.names.contains(*word);
        }
        if !self.triples.is_empty() {
            let lower: Vec<String> = all.iter().map(|(_, word)| word.to_lowercase()).collect();
            for (n, three) in lower.windows(3).enumerate() {
                if self.triples.contains(&(three[0].clone(), three[1].clone(), three[2].clone())) {
                    chosen[n..n + 3].fill(true);
                }
            }
        }
        let chosen: Vec<(usize, &str)> =
            all.into_iter().zip(chosen).filter(|(_, chosen)| *chosen).map(|(word, _)| word).collect();
        if chosen.is_empty() { text.to_owned() } else { self.some(text, &chosen) }
    }

    fn string(&mut self, text: &str, what: Field, given: bool) -> String {
        let inner = text.trim_start();
        if (inner.starts_with('{') || inner.starts_with('['))
            && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
        {
            return self.json(text, given);
        }
        if given && what != Field::Other { self.whole(text) } else { self.met(text) }
    }

    /// JSON text with its strings replaced, the rest as it was.
    fn json(&mut self, text: &str, given: bool) -> String {
        let mut out = String::with_capacity(text.len());
        walk_json(text, &mut |piece| match piece {
            Piece::Plain(text) => out.push_str(text),
            Piece::Text { raw, text, name } => {
                let masked = self.string(&text, field(name), given);
                if masked == text {
                    out.push_str(raw);
                } else {
                    out.push_str(&serde_json::Value::String(masked).to_string());
                }
            }
        });
        out
    }

    fn learn_json(&mut self, text: &str) {
        walk_json(text, &mut |piece| {
            if let Piece::Text { text, name, .. } = piece {
                self.learn_string(&text, field(name));
            }
        });
    }

    fn learn_string(&mut self, text: &str, what: Field) {
        let inner = text.trim_start();
        if (inner.starts_with('{') || inner.starts_with('['))
            && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
        {
            self.learn_json(text);
        } else {
            self.learn(what, text);
        }
    }

    fn pack(&mut self, bytes: &[u8], given: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        let mut make = |text: &str, name: &str| self.string(text, field(name), given);
        // It was written by the engine; what cannot be read stays as it is and fails to decode as before.
        match walk_pack(bytes, "", &mut out, &mut make) {
            Some(rest) => out.extend_from_slice(rest),
            None => return bytes.to_vec(),
        }
        out
    }

    fn learn_pack(&mut self, bytes: &[u8]) {
        let mut look = |text: &str, name: &str| {
            self.learn_string(text, field(name));
            text.to_owned()
        };
        let _ = walk_pack(bytes, "", &mut Vec::new(), &mut look);
    }
}

/// What looks like a mail address: (from, to).
fn addresses(text: &str) -> Vec<(usize, usize)> {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '%');
    let mut found = Vec::new();
    for (at, _) in text.match_indices('@') {
        let from = text[..at].char_indices().rev().take_while(|(_, c)| part(*c)).last().map_or(at, |(n, _)| n);
        let rest = &text[at + 1..];
        let to = rest.find(|c| !part(c)).unwrap_or(rest.len());
        let host = rest[..to].trim_end_matches('.');
        // `variant@location` is an id of ours: a host has a dot in it.
        if from < at && host.contains('.') {
            found.push((from, at + 1 + host.len()));
        }
    }
    found
}

/// What looks like a telephone number: begins with `+` and has seven digits or more.
fn numbers(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices('+') {
        let rest = &text[at + 1..];
        let to = rest
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, ' ' | '-' | '/' | '(' | ')')))
            .unwrap_or(rest.len());
        if rest[..to].bytes().filter(u8::is_ascii_digit).count() >= 7 {
            found.push((at, at + 1 + to));
        }
    }
    found
}

/// Replaces a bundle's personal data.
///
/// # Errors
/// A journal that cannot be read; no randomness to be had.
pub fn mask(bundle: &Bundle) -> Result<Bundle, TrialError> {
    let mut key = [0; 32];
    SysRng.try_fill_bytes(&mut key).map_err(TrialError::internal)?;
    with_key(bundle, key)
}

fn with_key(bundle: &Bundle, key: [u8; 32]) -> Result<Bundle, TrialError> {
    let mut masker =
        Masker { key, names: HashSet::new(), values: Vec::new(), triples: HashSet::new(), known: HashMap::new() };
    let journal = replay::journal(bundle)?;
    // First all that the program was given is looked through.
    masker.learn_json(&bundle.run.settings);
    for text in [bundle.run.input.as_deref(), bundle.event.as_ref().map(|event| event.data.as_str())] {
        text.into_iter().for_each(|text| masker.learn_string(text, Field::Other));
    }
    for entry in journal.entries() {
        masker.learn_pack(&entry.answer);
    }
    masker.values.sort_by_key(|value| std::cmp::Reverse(value.len()));

    let mut masked = bundle.clone();
    masked.masked = true;
    masked.run.settings = masker.json(&bundle.run.settings, true);
    masked.run.input = bundle.run.input.as_deref().map(|text| masker.string(text, Field::Other, true));
    if let Some(event) = &mut masked.event {
        event.data = masker.string(&event.data, Field::Other, true);
        event.concerns = event.concerns.iter().map(|text| masker.met(text)).collect();
        event.source = masker.met(&event.source);
        event.id = masker.met(&event.id);
    }
    let entries: Vec<Entry> = journal
        .entries()
        .iter()
        .map(|entry| Entry {
            call: Cow::clone(&entry.call),
            args: masker.pack(&entry.args, false),
            answer: masker.pack(&entry.answer, true),
            at: entry.at,
            mark: entry.mark,
        })
        .collect();
    let started = journal.started().unwrap_or(bundle.run.created_at);
    masked.journal = vec![Bytes(replay::chunk(started, entries, journal.logged()))];
    for line in &mut masked.log {
        let LogEntry { message, fields, .. } = line;
        *message = masker.string(message, Field::Other, false);
        *fields = masker.string(fields, Field::Other, false);
    }
    for effect in &mut masked.effects {
        effect.request = masker.json(&effect.request, false);
        effect.subject = masker.met(&effect.subject);
        effect.answer = effect.answer.take().map(|text| masker.string(&text, Field::Other, false));
        effect.error = effect.error.take().map(|text| masker.met(&text));
    }
    let run = &mut masked.run;
    for text in [&mut run.outcome, &mut run.error, &mut run.wait] {
        *text = text.take().map(|text| masker.string(&text, Field::Other, false));
    }
    Ok(masked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masker() -> Masker {
        Masker {
            key: [7; 32],
            names: HashSet::new(),
            values: Vec::new(),
            triples: HashSet::new(),
            known: HashMap::new(),
        }
    }

    #[test]
    fn the_same_word_gives_the_same_substitute_of_the_same_shape() {
        let mut masker = masker();
        let text = masker.whole("Ann Müller-Ann, 10115 ann");
        let words: Vec<&str> = words(&text).into_iter().map(|(_, word)| word).collect();
        assert_eq!(words.len(), 5, "{text}");
        assert_eq!(words[0], words[2]);
        assert_eq!(words[0].to_lowercase(), words[4]);
        assert!(words[0].starts_with(|c: char| c.is_ascii_uppercase()) && words[0] != "Ann");
        assert!(words[3].chars().all(|c| c.is_ascii_digit()) && words[3].len() == 5);
    }

    #[test]
    fn what_was_found_is_replaced_wherever_it_is_met() {
        let mut masker = masker();
        let given = r#"{"id":"42","name":"Ann Lee","email":"Ann@Shop.example","n":[1.50,null],"messages":[{"text":"Where is my parcel 17?"}]}"#;
        masker.learn_json(given);
        let masked = masker.json(given, true);
        for gone in ["Ann", "Lee", "Shop", "parcel", "Where"] {
            assert!(!masked.contains(gone), "{masked}");
        }
        assert!(masked.contains(r#""id":"42""#) && masked.contains("[1.50,null]"), "{masked}");
        let value: serde_json::Value = serde_json::from_str(&masked).expect("JSON");
        let name = value["name"].as_str().expect("a name").to_owned();
        let first = name.split(' ').next().expect("a word").to_owned();
        assert_eq!(masker.met("Hello Ann, welcome"), format!("Hello {first}, welcome"));
        let said = masker.met("they say: where is my parcel, and more");
        assert!(said.starts_with("they say: ") && said.ends_with(", and more") && !said.contains("parcel"), "{said}");
        assert!(!masker.met("to bob@else.example or +49 30 123456-7").contains("bob"));
        assert!(!masker.met("+49 30 123456-7").contains("123456"));
        assert_eq!(masker.met("level v1@berlin, 1 + 2"), "level v1@berlin, 1 + 2");
    }

    #[test]
    fn message_pack_keeps_its_shape() {
        let value =
            serde_json::json!({"ok": {"name": "Ann", "n": [1, -5, 70_000, 1.5, true, null], "long": "x".repeat(300)}});
        let bytes = rmp_serde::to_vec_named(&value).expect("packed");
        let mut masker = masker();
        masker.learn_pack(&bytes);
        let masked: serde_json::Value = rmp_serde::from_slice(&masker.pack(&bytes, true)).expect("unpacked");
        assert_ne!(masked["ok"]["name"], "Ann");
        assert_eq!((&masked["ok"]["n"], &masked["ok"]["long"]), (&value["ok"]["n"], &value["ok"]["long"]));
        for end in 0..bytes.len() {
            // Damage is copied, never a panic.
            assert_eq!(masker.pack(&bytes[..end], true), &bytes[..end]);
        }
    }
}
