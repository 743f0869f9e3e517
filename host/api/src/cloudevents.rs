//! CloudEvents 1.0 over HTTP: structured, binary and batch mode, read into the engine's events.
//!
//! On the way of every event, so the text is scanned once for the envelope, and the data stays text.
//! All that is wrong with a call is found before anything is accepted, each with its place.

use axum::http::HeaderMap;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use shopwright_engine::IncomingEvent;
use shopwright_model::{Millis, kinds};

use crate::{
    extract::{bare_message, is_json, media_type},
    problem::{Fault, Problem, Result, codes},
};

/// The most events in a batch.
pub const MAX_BATCH: usize = 1_000;
/// The most faults that are told at once.
const MAX_FAULTS: usize = 100;

const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

/// The attributes, each still as text: what is wrong with one hides nothing of the others.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    specversion: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    source: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    time: Option<&'a RawValue>,
    #[serde(borrow, default)]
    datacontenttype: Option<&'a RawValue>,
    #[serde(borrow, default)]
    concerns: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data_base64: Option<&'a RawValue>,
}

/// Reads the events of a request, all or none.
///
/// # Errors
/// `unsupported-media-type`, `invalid-json`, `batch-too-large`, and `invalid-event` with a pointer for
/// everything that is wrong (`/3/type` in a batch).
pub fn read(headers: &HeaderMap, body: &Bytes) -> Result<Vec<IncomingEvent>> {
    let kind = media_type(headers);
    let mut faults = Vec::new();
    let events = match &*kind {
        STRUCTURED => vec![structured(text_of(body)?, "", &mut faults)?],
        BATCH => batch(text_of(body)?, &mut faults)?,
        other if other.starts_with("application/cloudevents") => {
            let detail = format!("Of the CloudEvents formats `{STRUCTURED}` and `{BATCH}` are taken, not `{other}`.");
            return Err(Problem::new(codes::MEDIA_TYPE, detail));
        }
        other if headers.contains_key("ce-specversion") || headers.contains_key("ce-id") => {
            vec![binary(headers, other, body, &mut faults)?]
        }
        other => {
            let given = if other.is_empty() { "no media type".to_owned() } else { format!("`{other}`") };
            let detail = format!(
                "The request has {given} and no `ce-` headers, so it is no CloudEvent; send `{STRUCTURED}`, `{BATCH}`, or \
                 the data with `ce-specversion`, `ce-id`, `ce-source` and `ce-type` as headers."
            );
            return Err(Problem::new(codes::MEDIA_TYPE, detail));
        }
    };
    if faults.is_empty() {
        return Ok(events);
    }
    let more = faults.len().saturating_sub(MAX_FAULTS);
    let first = &faults[0];
    let mut detail = format!("At {}: {}.", first.pointer, first.detail);
    match faults.len() {
        1 => {}
        n => detail.push_str(&format!(
            " There are {} more faults{}.",
            n - 1,
            if more > 0 { "; not all are listed" } else { "" }
        )),
    }
    faults.truncate(MAX_FAULTS);
    Err(Problem::new(codes::INVALID_EVENT, detail).with(faults))
}

fn text_of(body: &Bytes) -> Result<&str> {
    std::str::from_utf8(body).map_err(|error| {
        let at = error.valid_up_to();
        Problem::new(codes::INVALID_JSON, format!("The body is not UTF-8: byte {at} does not belong there."))
            .at("", format!("byte {at} is not UTF-8"))
    })
}

fn no_json(error: &serde_json::Error) -> Problem {
    let reason = bare_message(error);
    let (line, column) = (error.line() as u64, error.column() as u64);
    let code = if error.is_data() { codes::INVALID_EVENT } else { codes::INVALID_JSON };
    let detail = format!("The body cannot be read: {reason} at line {line}, column {column}.");
    Problem::new(code, detail).with(vec![Fault {
        pointer: String::new(),
        detail: reason,
        line: Some(line),
        column: Some(column),
    }])
}

fn batch(text: &str, faults: &mut Vec<Fault>) -> Result<Vec<IncomingEvent>> {
    let raw: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| no_json(&error))?;
    if raw.len() > MAX_BATCH {
        return Err(Problem::new(
            codes::BATCH_TOO_LARGE,
            format!("The batch has {} events; at most {MAX_BATCH} are taken at once.", raw.len()),
        ));
    }
    let mut events = Vec::with_capacity(raw.len());
    for (n, raw) in raw.into_iter().enumerate() {
        let place = format!("/{n}");
        match structured(raw.get(), &place, faults) {
            Ok(event) => events.push(event),
            // The text as a whole was JSON, so it is the shape.
            Err(problem) => {
                let detail = problem.faults().first().map_or_else(|| problem.detail().to_owned(), |f| f.detail.clone());
                faults.push(Fault::at(place, detail));
            }
        }
    }
    Ok(events)
}

fn structured(text: &str, pointer: &str, faults: &mut Vec<Fault>) -> Result<IncomingEvent> {
    let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|error| no_json(&error))?;
    // Serde would take a list for a struct, field by field.
    if !text.trim_start().starts_with('{') {
        return Err(
            Problem::new(codes::INVALID_EVENT, "An event must be a JSON object.").at("", "it must be a JSON object")
        );
    }
    let mut check = Check { place: Place::Body(pointer), faults };
    match envelope.specversion.map(RawValue::get) {
        Some("\"1.0\"") => {}
        Some(other) => check.fault("specversion", format!("it must be \"1.0\", not {}", short(other))),
        None => check.fault("specversion", "it is missing; it must be \"1.0\"".into()),
    }
    let attributes = Attributes {
        id: check.string("id", envelope.id),
        source: check.string("source", envelope.source),
        kind: check.string("type", envelope.kind),
        time: check.string("time", envelope.time),
        concerns: envelope.concerns.map(Concerns::Json),
    };
    let content = check.string("datacontenttype", envelope.datacontenttype);
    let base64 = check.string("data_base64", envelope.data_base64);
    let event = check.event(attributes);
    let data = match (envelope.data, base64) {
        (Some(_), Given::Text(_)) => {
            check.fault("data_base64", "there is `data` as well; one of them must go".into());
            String::new()
        }
        (Some(data), _) => data.get().to_owned(),
        (None, Given::Text(base64)) => check.base64(&base64, content.text()),
        (None, _) => "null".to_owned(),
    };
    Ok(IncomingEvent { data, ..event })
}

fn binary(headers: &HeaderMap, kind: &str, body: &Bytes, faults: &mut Vec<Fault>) -> Result<IncomingEvent> {
    let mut check = Check { place: Place::Headers, faults };
    match check.header(headers, "specversion") {
        Given::Text(version) if version == "1.0" => {}
        Given::Text(other) => check.fault("specversion", format!("it must be 1.0, not {}", short(&other))),
        Given::Wrong => {}
        Given::Nothing => check.fault("specversion", "it is missing; it must be 1.0".into()),
    }
    let concerns = check.header(headers, "concerns");
    let attributes = Attributes {
        id: check.header(headers, "id"),
        source: check.header(headers, "source"),
        kind: check.header(headers, "type"),
        time: check.header(headers, "time"),
        concerns: concerns.text().map(Concerns::Text),
    };
    let event = check.event(attributes);
    let data = if body.is_empty() {
        "null".to_owned()
    } else if kind.is_empty() || is_json(kind) {
        let raw: &RawValue = serde_json::from_str(text_of(body)?).map_err(|error| no_json(&error))?;
        raw.get().to_owned()
    } else if kind.starts_with("text/") {
        // Text is data too: as a JSON string.
        serde_json::to_string(text_of(body)?).map_err(Problem::internal)?
    } else {
        let detail = format!("An event's data must be JSON or text, not `{kind}`.");
        return Err(Problem::new(codes::MEDIA_TYPE, detail));
    };
    Ok(IncomingEvent { data, ..event })
}

/// An attribute as it was found.
enum Given {
    Nothing,
    /// It is no text, which was told.
    Wrong,
    Text(String),
}

impl Given {
    fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

struct Attributes<'a> {
    id: Given,
    source: Given,
    kind: Given,
    time: Given,
    concerns: Option<Concerns<'a>>,
}

enum Concerns<'a> {
    Json(&'a RawValue),
    Text(&'a str),
}

/// Where attributes stand.
enum Place<'a> {
    /// In the body, under this pointer.
    Body(&'a str),
    /// In `ce-` headers.
    Headers,
}

/// Collects what is wrong with one event.
struct Check<'a> {
    place: Place<'a>,
    faults: &'a mut Vec<Fault>,
}

impl Check<'_> {
    fn fault(&mut self, attribute: &str, detail: String) {
        let pointer = match self.place {
            Place::Body(pointer) => format!("{pointer}/{attribute}"),
            Place::Headers => format!("ce-{attribute}"),
        };
        self.faults.push(Fault::at(pointer, detail));
    }

    fn string(&mut self, attribute: &str, raw: Option<&RawValue>) -> Given {
        let Some(raw) = raw else { return Given::Nothing };
        string(raw).map_or_else(
            || {
                self.fault(attribute, format!("it must be a string, not {}", short(raw.get())));
                Given::Wrong
            },
            Given::Text,
        )
    }

    fn header(&mut self, headers: &HeaderMap, attribute: &str) -> Given {
        let Some(value) = headers.get(format!("ce-{attribute}")) else { return Given::Nothing };
        value.to_str().ok().and_then(percent_decoded).map_or_else(
            || {
                self.fault(attribute, "it must be ASCII, with anything else percent-encoded as UTF-8".into());
                Given::Wrong
            },
            Given::Text,
        )
    }

    fn needed(&mut self, name: &str, value: Given, most: usize) -> String {
        match value {
            Given::Nothing => self.fault(name, "it is missing".into()),
            Given::Wrong => {}
            Given::Text(text) if text.is_empty() => self.fault(name, "it must not be empty".into()),
            Given::Text(text) if text.len() > most => {
                self.fault(name, format!("it has {} bytes; at most {most} are allowed", text.len()));
            }
            Given::Text(text) => return text,
        }
        String::new()
    }

    /// The event without its data.
    fn event(&mut self, attributes: Attributes<'_>) -> IncomingEvent {
        let id = self.needed("id", attributes.id, 256);
        let source = self.needed("source", attributes.source, 512);
        let kind = self.needed("type", attributes.kind, 128);
        if !kind.is_empty()
            && let Some(problem) = kinds::problem(&kind)
        {
            self.fault("type", format!("`{}` is no event kind: {problem}", short(&kind)));
        }
        let at = attributes.time.text().filter(|time| !time.is_empty()).and_then(|time| {
            let at = instant(time);
            if at.is_none() {
                self.fault("time", format!("`{}` is no RFC 3339 time such as 2026-03-29T12:00:00Z", short(time)));
            }
            at
        });
        let concerns = attributes.concerns.map(|concerns| self.concerns(&concerns)).unwrap_or_default();
        IncomingEvent { source, id, kind, at, concerns, ..IncomingEvent::default() }
    }

    fn concerns(&mut self, concerns: &Concerns<'_>) -> Vec<String> {
        let (list, split): (Vec<String>, bool) = match concerns {
            Concerns::Json(raw) => match serde_json::from_str::<OneOrMany>(raw.get()) {
                Ok(OneOrMany::Many(list)) => (list, false),
                Ok(OneOrMany::One(text)) => (split(&text), true),
                Err(_) => {
                    self.fault("concerns", format!("it must be an array of strings, not {}", short(raw.get())));
                    return Vec::new();
                }
            },
            Concerns::Text(text) => (split(text), true),
        };
        for (n, concern) in list.iter().enumerate() {
            let good = concern.len() <= 256
                && concern.split_once(':').is_some_and(|(kind, id)| !kind.is_empty() && !id.is_empty());
            if !good {
                let name = if split { "concerns".to_owned() } else { format!("concerns/{n}") };
                self.fault(&name, format!("`{}` is not `type:id`, such as `customer:42`", short(concern)));
            }
        }
        list
    }

    /// Data in base64: JSON where the content type says so or says nothing, else text.
    fn base64(&mut self, base64: &str, content: Option<&str>) -> String {
        let Ok(bytes) = STANDARD.decode(base64) else {
            self.fault("data_base64", "it is not base64".into());
            return String::new();
        };
        let Ok(text) = String::from_utf8(bytes) else {
            self.fault("data_base64", "what it holds is not UTF-8; data must be JSON or text".into());
            return String::new();
        };
        let content = content.map(|content| content.split(';').next().unwrap_or("").trim().to_ascii_lowercase());
        if content.as_deref().is_none_or(is_json) {
            if let Err(error) = serde_json::from_str::<&RawValue>(&text) {
                self.fault("data_base64", format!("what it holds is not JSON: {error}"));
            }
            return text;
        }
        // A string can always be written.
        serde_json::to_string(&text).unwrap_or_default()
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Many(Vec<String>),
    One(String),
}

fn split(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// The content of a JSON string; none for anything else.
fn string(raw: &RawValue) -> Option<String> {
    let text = raw.get();
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(text).ok() } else { Some(inner.to_owned()) }
}

/// RFC 3339 text as milliseconds since the epoch.
fn instant(text: &str) -> Option<Millis> {
    chrono::DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_millis())
}

/// Header values of binary mode are percent-encoded UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            out.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            out.push(*first);
        }
    }
    String::from_utf8(out).ok()
}

/// Enough of a text to recognise it by.
fn short(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
