//! Pages, cursors, and queries by condition.

use serde::de::DeserializeOwned;
use shopwright_model::{
    EntityKind,
    types::{Page, ReadError},
};
use shopwright_triggers::{Condition, Root};

use crate::reader::{Cursor, Doc, PriceCursor, Reader};

/// The most documents that one call examines; a query then answers what it found, with `next`.
pub const SCAN_LIMIT: u32 = 5_000;

/// The most items of a page, and how many documents are read at once.
const PAGE_LIMIT: u32 = 250;

/// `read-error.invalid`.
pub(crate) fn invalid(message: impl Into<String>) -> ReadError {
    ReadError::Invalid(message.into())
}

/// Reads a stored document as its record.
///
/// # Errors
/// `unavailable`: the document was checked when it was stored, so this is the host's fault.
pub(crate) fn record<T: DeserializeOwned>(kind: EntityKind, doc: &str) -> Result<T, ReadError> {
    serde_json::from_str(doc)
        .map_err(|error| ReadError::Unavailable(format!("a stored {kind} cannot be read: {error}")))
}

/// A document by id as its record.
pub(crate) async fn by_id<T: DeserializeOwned>(
    reader: &dyn Reader,
    kind: EntityKind,
    id: &str,
) -> Result<Option<T>, ReadError> {
    reader.entity(kind, id).await?.map(|doc| record(kind, &doc)).transpose()
}

/// The page's size.
///
/// # Errors
/// `invalid` outside 1 to 250.
pub(crate) fn limit(page: &Page) -> Result<u32, ReadError> {
    if (1..=PAGE_LIMIT).contains(&page.limit) {
        return Ok(page.limit);
    }
    Err(invalid(format!("`page.limit` is {}: it must be 1 to {PAGE_LIMIT}", page.limit)))
}

/// One letter that says of which sort of list, then the rest in hexadecimal: nothing that a plugin
/// should read or make.
fn seal(sort: char, rest: &str) -> String {
    format!("{sort}{}", hex::encode(rest))
}

fn unseal(sort: char, page: &Page) -> Result<Option<String>, ReadError> {
    let Some(after) = &page.after else { return Ok(None) };
    let rest = after.strip_prefix(sort).and_then(|rest| hex::decode(rest).ok()).and_then(|b| String::from_utf8(b).ok());
    rest.map(Some).ok_or_else(|| bad_cursor(after))
}

fn bad_cursor(after: &str) -> ReadError {
    let shown: String = after.chars().take(40).collect();
    invalid(format!("`page.after` is `{shown}`: it must be the `next` of a page of this list"))
}

/// One page of what an owner has, newest first, with the next page's cursor.
pub(crate) async fn owned_page<T: DeserializeOwned>(
    reader: &dyn Reader,
    kind: EntityKind,
    owner: &str,
    page: &Page,
) -> Result<(Vec<T>, Option<String>), ReadError> {
    let limit = limit(page)?;
    let after = match unseal('o', page)? {
        None => None,
        Some(rest) => {
            let parsed =
                rest.split_once('|').and_then(|(sort, id)| Some(Cursor { sort: sort.parse().ok()?, id: id.into() }));
            Some(parsed.ok_or_else(|| bad_cursor(page.after.as_deref().unwrap_or_default()))?)
        }
    };
    let mut docs = reader.owned(kind, owner, after.as_ref(), limit + 1).await?;
    let more = docs.len() > limit as usize;
    docs.truncate(limit as usize);
    let next = docs.last().filter(|_| more).map(|last| seal('o', &format!("{}|{}", last.sort, last.id)));
    let items = docs.iter().map(|doc| record(kind, &doc.doc)).collect::<Result<_, _>>()?;
    Ok((items, next))
}

/// What an owner has, newest first, as far as `wanted` says yes: at most `most`, of at most
/// [`SCAN_LIMIT`] examined.
pub(crate) async fn owned_where<T: DeserializeOwned>(
    reader: &dyn Reader,
    kind: EntityKind,
    owner: &str,
    most: usize,
    wanted: fn(&T) -> bool,
) -> Result<Vec<T>, ReadError> {
    let mut found = Vec::new();
    let mut after: Option<Cursor> = None;
    let mut examined = 0;
    while examined < SCAN_LIMIT {
        let docs = reader.owned(kind, owner, after.as_ref(), PAGE_LIMIT).await?;
        examined += PAGE_LIMIT;
        for doc in &docs {
            let item: T = record(kind, &doc.doc)?;
            if wanted(&item) {
                found.push(item);
                if found.len() == most {
                    return Ok(found);
                }
            }
        }
        match docs.last() {
            Some(last) if docs.len() == PAGE_LIMIT as usize => {
                after = Some(Cursor { sort: last.sort, id: last.id.clone() });
            }
            _ => break,
        }
    }
    Ok(found)
}

/// One page of a kind's documents that meet a CEL condition over `item`, in the order of ids. Examines at
/// most [`SCAN_LIMIT`]: a page may be short, or empty, and have a next one.
pub(crate) async fn query<T: DeserializeOwned>(
    reader: &dyn Reader,
    kind: EntityKind,
    condition: &str,
    page: &Page,
) -> Result<(Vec<T>, Option<String>), ReadError> {
    let limit = limit(page)? as usize;
    let condition = match condition.trim() {
        "" => None,
        source => {
            Some(Condition::compile(source, Root::Item).map_err(|error| invalid(format!("`condition`: {error}")))?)
        }
    };
    let mut after = unseal('s', page)?;
    let mut items = Vec::new();
    let mut examined = 0;
    while examined < SCAN_LIMIT {
        // One more than the page has room for tells whether there is a next one.
        let chunk = if condition.is_none() { (limit - items.len()) as u32 + 1 } else { PAGE_LIMIT };
        let docs = reader.scan(kind, after.as_deref(), chunk).await?;
        examined += chunk;
        let ended = docs.len() < chunk as usize;
        for doc in docs {
            if items.len() == limit {
                return Ok((items, after.map(|id| seal('s', &id))));
            }
            if meets(condition.as_ref(), kind, &doc)? {
                items.push(record(kind, &doc.doc)?);
            }
            after = Some(doc.id);
        }
        if ended {
            return Ok((items, None));
        }
    }
    Ok((items, after.map(|id| seal('s', &id))))
}

fn meets(condition: Option<&Condition>, kind: EntityKind, doc: &Doc) -> Result<bool, ReadError> {
    let Some(condition) = condition else { return Ok(true) };
    let item: serde_json::Value = record(kind, &doc.doc)?;
    condition.check(&item).map_err(|error| invalid(format!("`condition` on {kind} `{}`: {error}", doc.id)))
}

/// The cursor of a page of price changes.
pub(crate) fn price_cursor(page: &Page) -> Result<Option<PriceCursor>, ReadError> {
    let Some(rest) = unseal('p', page)? else { return Ok(None) };
    let parsed =
        rest.split_once('|').and_then(|(at, row)| Some(PriceCursor { at: at.parse().ok()?, row: row.parse().ok()? }));
    parsed.map(Some).ok_or_else(|| bad_cursor(page.after.as_deref().unwrap_or_default()))
}

/// The `next` of a page of price changes.
pub(crate) fn price_next(last: PriceCursor) -> String {
    seal('p', &format!("{}|{}", last.at, last.row))
}
