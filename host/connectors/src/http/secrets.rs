//! Secrets: placeholders on the way in, values on the way out, placeholders again in what comes back.
//!
//! `{{secret:NAME}}` stands for a value, `{{basic:USER:PASSWORD}}` for the Base64 text of two of them. Whoever sees a
//! request before or after it is sent sees placeholders; values exist only while a request is written.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use shopwright_model::http::Request;
use shopwright_policy::HostPattern;

use super::{Target, target};

/// A secret's value and where it may go.
#[derive(Clone)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// The value.
    pub value: String,
    /// Hosts that it may be sent to.
    pub hosts: Vec<String>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("name", &self.name).field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

/// The longest name, in bytes.
pub const NAME_BYTES: usize = 64;
/// The shortest and the longest value, in bytes. What is shorter than this could not be told from chance in an
/// answer, and is no secret.
pub const VALUE_BYTES: std::ops::RangeInclusive<usize> = 6..=8192;

/// Whether this can be a secret's name: letters, digits, `-` and `_`.
#[must_use]
pub fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Why a value cannot be kept; none if it can.
#[must_use]
pub fn value_objection(value: &str) -> Option<String> {
    if !VALUE_BYTES.contains(&value.len()) {
        return Some(format!(
            "a value has {} to {} bytes; this one has {}",
            VALUE_BYTES.start(),
            VALUE_BYTES.end(),
            value.len()
        ));
    }
    if value.chars().any(char::is_control) {
        return Some("a value has no line breaks or other control characters: they could not stand in a header".into());
    }
    (value.contains("{{") || value.trim() != value).then(|| "a value has no `{{`, and no space at its ends".into())
}

/// A part of a text: as it is, or a placeholder.
enum Part<'a> {
    Text(&'a [u8]),
    Secret(&'a str),
    Basic(&'a str, &'a str),
}

const MARKS: [&[u8]; 2] = [b"{{secret:", b"{{basic:"];

/// Takes a text apart. What only looks like a placeholder is an error: sent as it is, it would tell the other
/// side what was meant.
fn parts(text: &[u8]) -> Result<Vec<Part<'_>>, String> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        let next = (0..rest.len()).find(|&at| MARKS.iter().any(|mark| rest[at..].starts_with(mark)));
        let Some(at) = next else {
            if !rest.is_empty() {
                found.push(Part::Text(rest));
            }
            return Ok(found);
        };
        if at > 0 {
            found.push(Part::Text(&rest[..at]));
        }
        let basic = rest[at..].starts_with(MARKS[1]);
        let begin = at + MARKS[usize::from(basic)].len();
        let window = &rest[begin..rest.len().min(begin + 2 * NAME_BYTES + 3)];
        let end = window.windows(2).position(|two| two == b"}}");
        let inner = end.and_then(|end| std::str::from_utf8(&window[..end]).ok());
        let part = match (inner, basic) {
            (Some(name), false) if is_name(name) => Some(Part::Secret(name)),
            (Some(inner), true) => inner
                .split_once(':')
                .filter(|(user, password)| is_name(user) && is_name(password))
                .map(|(user, password)| Part::Basic(user, password)),
            _ => None,
        };
        let (Some(part), Some(end)) = (part, end) else {
            return Err("a placeholder is not written as `{{secret:NAME}}` or `{{basic:USER:PASSWORD}}`, \
                        with names of letters, digits, `-` and `_`"
                .into());
        };
        found.push(part);
        rest = &rest[begin + end + 2..];
    }
}

/// The names of the secrets that a request asks for, each once.
///
/// # Errors
/// A placeholder that is badly written, or stands where none may.
pub fn names(request: &Request) -> Result<Vec<String>, String> {
    let mut names: Vec<String> = Vec::new();
    let mut add = |text: &[u8], what: &str, basic_may: bool| -> Result<(), String> {
        for part in parts(text).map_err(|error| format!("in {what}: {error}"))? {
            let new: &[&str] = match part {
                Part::Text(_) => &[],
                Part::Secret(name) => &[name],
                Part::Basic(user, password) if basic_may => &[user, password],
                Part::Basic(..) => return Err(format!("in {what}: `{{{{basic:…}}}}` stands in a header's value only")),
            };
            for name in new {
                if !names.iter().any(|known| known == name) {
                    names.push((*name).to_owned());
                }
            }
        }
        Ok(())
    };
    let (path, query) = request.url.split_once('?').unwrap_or((&request.url, ""));
    add(query.as_bytes(), "the URL's query", false)?;
    for header in &request.headers {
        add(header.value.as_bytes(), &format!("the header `{}`", header.name), true)?;
    }
    add(&request.body, "the body", false)?;
    if has(path.as_bytes()) {
        return Err("in the URL a placeholder stands in the query only".into());
    }
    Ok(names)
}

/// How a value is written where it stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum As {
    Itself,
    JsonText,
    Percent,
}

/// Fills in; all secrets are there and meant for the host.
fn fill(text: &[u8], secrets: &[Secret], how: As) -> Vec<u8> {
    let value =
        |name: &str| secrets.iter().find(|secret| secret.name == name).map_or("", |secret| secret.value.as_str());
    let mut out = Vec::with_capacity(text.len() + 64);
    for part in parts(text).unwrap_or_default() {
        match part {
            Part::Text(text) => out.extend_from_slice(text),
            Part::Secret(name) => out.extend_from_slice(written(value(name), how).as_bytes()),
            Part::Basic(user, password) => {
                out.extend_from_slice(STANDARD.encode(format!("{}:{}", value(user), value(password))).as_bytes());
            }
        }
    }
    out
}

fn written(value: &str, how: As) -> String {
    match how {
        As::Itself => value.to_owned(),
        As::JsonText => {
            let quoted = serde_json::Value::from(value).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        }
        As::Percent => percent(value),
    }
}

/// All but letters, digits and `-._~` percent-encoded (RFC 3986, 2.3).
fn percent(value: &str) -> String {
    let one = |byte: u8| match byte {
        plain if plain.is_ascii_alphanumeric() || b"-._~".contains(&plain) => char::from(plain).to_string(),
        other => format!("%{other:02X}"),
    };
    value.bytes().map(one).collect()
}

/// Percent-encoded with small hex digits, as some write it.
fn percent_small(value: &str) -> String {
    let mut out = String::new();
    for (n, part) in percent(value).split('%').enumerate() {
        if n == 0 {
            out.push_str(part);
        } else {
            // Two ASCII digits stand behind every percent sign.
            out.push_str(&format!("%{}{}", part[..2].to_ascii_lowercase(), &part[2..]));
        }
    }
    out
}

/// Whether a text has a placeholder.
pub(super) fn has(text: &[u8]) -> bool {
    MARKS.iter().any(|mark| text.windows(mark.len()).any(|window| window == *mark))
}

/// Why one of the secrets may not go there.
pub(super) fn objection(secrets: &[Secret], target: &Target) -> Option<String> {
    let meant = |secret: &&Secret| {
        let hosts: Vec<String> = secret.hosts.clone();
        shopwright_policy::Reach::new(&hosts, Some(&hosts)).objection(target.plain, &target.host, target.port).is_none()
    };
    let wrong = secrets.iter().find(|secret| !meant(secret))?;
    let hosts: Vec<&str> =
        wrong.hosts.iter().filter(|host| HostPattern::parse(host).is_ok()).map(String::as_str).collect();
    Some(format!(
        "the secret `{}` is not meant for {}, only for {}; `shopwright secret set {0} --host …` sets where it goes",
        wrong.name,
        target.authority(),
        hosts.join(", ")
    ))
}

/// A header's value.
pub(super) fn in_header(value: &str, secrets: &[Secret]) -> Vec<u8> {
    fill(value.as_bytes(), secrets, As::Itself)
}

/// A query.
pub(super) fn in_query(target: &target::Target, secrets: &[Secret]) -> target::Target {
    match target.query().map(str::as_bytes) {
        // Placeholders and percent-encoded values are ASCII, and so is a parsed query.
        Some(query) if has(query) => target.with_query(&String::from_utf8_lossy(&fill(query, secrets, As::Percent))),
        _ => target.clone(),
    }
}

/// A body of this media type.
pub(super) fn in_body(body: &[u8], media: &str, secrets: &[Secret]) -> Vec<u8> {
    let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let how = match media.as_str() {
        "application/x-www-form-urlencoded" => As::Percent,
        json if json.ends_with("/json") || json.ends_with("+json") => As::JsonText,
        _ => As::Itself,
    };
    fill(body, secrets, how)
}

/// Puts placeholders where a text repeats a secret, in any of the forms that it was or could have been written in.
pub(super) fn redact(text: Vec<u8>, secrets: &[Secret]) -> Vec<u8> {
    if secrets.is_empty() {
        return text;
    }
    let mut forms: Vec<(Vec<u8>, String)> = Vec::new();
    for secret in secrets {
        let placeholder = format!("{{{{secret:{}}}}}", secret.name);
        let base64 = STANDARD.encode(&secret.value);
        for form in [
            secret.value.clone(),
            written(&secret.value, As::JsonText),
            secret.value.replace('/', "\\/"),
            percent(&secret.value),
            percent_small(&secret.value),
            percent(&secret.value).replace("%20", "+"),
            secret.value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
            base64.trim_end_matches('=').to_owned(),
            hex::encode(&secret.value),
        ] {
            forms.push((form.into_bytes(), placeholder.clone()));
        }
        for other in secrets {
            let basic = STANDARD.encode(format!("{}:{}", secret.value, other.value));
            forms.push((basic.into_bytes(), format!("{{{{basic:{}:{}}}}}", secret.name, other.name)));
        }
    }
    // The longest first: what holds another is not torn.
    forms.sort_by_key(|(form, _)| std::cmp::Reverse(form.len()));
    forms.dedup();
    let mut starts = [false; 256];
    for (form, _) in &forms {
        starts[usize::from(form[0])] = true;
    }
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let found = starts[usize::from(text[at])]
            .then(|| forms.iter().find(|(form, _)| text[at..].starts_with(form)))
            .flatten();
        match found {
            Some((form, placeholder)) => {
                out.extend_from_slice(placeholder.as_bytes());
                at += form.len();
            }
            None => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use shopwright_model::http::{Header, Method};

    use super::*;

    fn secret(name: &str, value: &str, host: &str) -> Secret {
        Secret { name: name.into(), value: value.into(), hosts: vec![host.into()] }
    }

    fn request(url: &str, header: &str, body: &str) -> Request {
        Request {
            method: Method::Post,
            url: url.into(),
            headers: vec![Header { name: "x".into(), value: header.into() }],
            body: body.as_bytes().to_vec(),
            timeout: None,
            repeatable: false,
            reason: String::new(),
        }
    }

    #[test]
    fn placeholders_are_found_where_they_may_stand() {
        let asks = request("https://a.example/p?k={{secret:K}}", "Basic {{basic:U:P}}", "{\"a\":\"{{secret:K}}\"}");
        assert_eq!(names(&asks).expect("names"), ["K", "U", "P"]);
        assert_eq!(names(&request("https://a.example/{x}", "{{name}}", "{{}}")).expect("none"), Vec::<String>::new());
        for bad in [
            request("https://a.example/{{secret:K}}", "", ""),
            request("https://{{secret:K}}/?x", "", ""),
            request("https://a.example/?{{basic:U:P}}", "", ""),
            request("https://a.example/", "{{secret:K}", ""),
            request("https://a.example/", "{{secret:a b}}", ""),
            request("https://a.example/", "{{basic:U}}", ""),
            request("https://a.example/", "", "{{secret:"),
        ] {
            assert!(names(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_value_is_written_as_the_place_takes_it_and_hidden_in_what_comes_back() {
        let secrets = [secret("K", "a\"b&c d/e", "a.example"), secret("U", "user-name", "a.example")];
        let json = in_body(b"{\"k\":\"{{secret:K}}\"}", "application/json; charset=utf-8", &secrets);
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&json).expect("JSON")["k"], "a\"b&c d/e");
        assert_eq!(in_body(b"k={{secret:K}}", "application/x-www-form-urlencoded", &secrets), b"k=a%22b%26c%20d%2Fe");
        assert_eq!(in_body(b"{{secret:K}}", "text/plain", &secrets), b"a\"b&c d/e");
        assert_eq!(in_header("Basic {{basic:U:K}}", &secrets), b"Basic dXNlci1uYW1lOmEiYiZjIGQvZQ==");
        let target = in_query(&Target::parse("https://a.example/?k={{secret:K}}").expect("a target"), &secrets);
        assert_eq!(target.path(), "/?k=a%22b%26c%20d%2Fe");
        for written in [
            in_header("{{secret:K}}", &secrets),
            json,
            target.path().into_bytes(),
            in_header("{{basic:U:K}}", &secrets),
            STANDARD.encode("a\"b&c d/e").into_bytes(),
        ] {
            let echo = [b"you sent <".to_vec(), written.clone(), b"> to us".to_vec()].concat();
            let said = String::from_utf8(redact(echo, &secrets)).expect("text");
            assert!(said.contains(":K}}") && !said.contains(&*String::from_utf8_lossy(&written)), "{said}");
        }
    }

    #[test]
    fn a_secret_goes_to_its_hosts_alone() {
        let secrets = [secret("K", "abcdefgh", "*.a.example"), secret("L", "abcdefgh", "x.a.example")];
        let at = |url: &str| objection(&secrets, &Target::parse(url).expect("a target"));
        assert_eq!(at("https://x.a.example/"), None);
        assert!(at("https://y.a.example/").is_some_and(|why| why.contains("`L`") && !why.contains("abcdefgh")));
        assert!(at("http://x.a.example/").is_some(), "without TLS only where the secret says so");
        assert!(!format!("{secrets:?}").contains("abcdefgh"));
    }
}
