//! Pages of lists: `limit` and an opaque cursor in `after`; the answer's `next` is the cursor of the
//! page behind it.

use axum::{extract::FromRequestParts, http::request::Parts};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    extract::query_pairs,
    problem::{Problem, Result, codes},
};

/// Items of a page when the client does not say.
const DEFAULT_LIMIT: u32 = 50;
/// The most items of a page.
pub const MAX_LIMIT: u32 = 250;

/// A page of a list.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Cursor of the next page: pass it as `after`. Absent: this is the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page of `list` from at most `limit + 1` items: the extra one says that there are more. `key`
    /// gives the place behind an item.
    pub fn cut(list: &str, mut items: Vec<T>, limit: u32, key: impl Fn(&T) -> Vec<String>) -> Self {
        let more = items.len() > limit as usize;
        items.truncate(limit as usize);
        let next = if more { items.last().map(|last| encode(list, &key(last))) } else { None };
        Self { items, next }
    }

    /// A list that is always whole.
    pub fn whole(items: Vec<T>) -> Self {
        Self { items, next: None }
    }

    /// The same page of other items.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(change).collect(), next: self.next }
    }
}

/// `?limit=` and `?after=`, for the API's description.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)] // Read by hand in `Paging`, so that a mistake gets its own code.
pub struct PageParams {
    /// The most items to return, 1 to 250; 50 when absent.
    #[param(minimum = 1, maximum = 250)]
    limit: Option<u32>,
    /// The `next` of the page before.
    after: Option<String>,
}

/// Which page is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paging {
    /// The most items to return.
    pub limit: u32,
    after: Option<String>,
}

impl Paging {
    /// Where the page begins, as `N` parts of a cursor of `list`; none: at the beginning.
    ///
    /// # Errors
    /// `invalid-cursor` for anything that this list did not give out.
    pub fn after<const N: usize>(&self, list: &str) -> Result<Option<[String; N]>> {
        self.after.as_deref().map(|cursor| decode(list, cursor)).transpose()
    }

    /// As [`Paging::after`] for lists whose place is one number.
    ///
    /// # Errors
    /// `invalid-cursor` for anything that this list did not give out.
    pub fn after_number(&self, list: &str) -> Result<Option<i64>> {
        self.after::<1>(list)?.map(|[n]| n.parse().map_err(|_| broken("its place is no number"))).transpose()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Paging {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let mut paging = Self { limit: DEFAULT_LIMIT, after: None };
        for (name, value) in query_pairs(parts.uri.query()) {
            match name.as_ref() {
                "limit" => {
                    paging.limit = value.parse().ok().filter(|n| (1..=MAX_LIMIT).contains(n)).ok_or_else(|| {
                        let detail = format!("`limit` must be a whole number from 1 to {MAX_LIMIT}, not `{value}`.");
                        Problem::new(codes::INVALID_QUERY, detail.clone()).at("limit", detail)
                    })?;
                }
                "after" if value.is_empty() => return Err(broken("it is empty")),
                "after" => paging.after = Some(value.into_owned()),
                _ => {}
            }
        }
        Ok(paging)
    }
}

/// Parts are joined with a character that no id contains.
const SEPARATOR: char = '\u{1f}';

fn encode(list: &str, parts: &[String]) -> String {
    let mut text = String::from(list);
    for part in parts {
        text.push(SEPARATOR);
        text.push_str(part);
    }
    URL_SAFE_NO_PAD.encode(text)
}

fn decode<const N: usize>(list: &str, cursor: &str) -> Result<[String; N]> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| broken("it was not given out by this host"))?;
    let text = String::from_utf8(bytes).map_err(|_| broken("it was not given out by this host"))?;
    let mut parts = text.split(SEPARATOR).map(str::to_owned);
    match parts.next() {
        Some(of) if of == list => {}
        Some(of) if !of.is_empty() && of.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') => {
            return Err(broken(&format!("it belongs to the list `{of}`, not to `{list}`")));
        }
        _ => return Err(broken("it was not given out by this host")),
    }
    parts.collect::<Vec<_>>().try_into().map_err(|_| broken("it was not given out by this host"))
}

fn broken(reason: &str) -> Problem {
    Problem::new(codes::INVALID_CURSOR, format!("The cursor in `after` cannot be used: {reason}.")).at("after", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn paging(uri: &str) -> Result<Paging> {
        let (mut parts, ()) = axum::http::Request::builder().uri(uri).body(()).expect("a request").into_parts();
        Paging::from_request_parts(&mut parts, &()).await
    }

    #[tokio::test]
    async fn a_cursor_leads_to_the_next_page_of_its_own_list_only() {
        let page = Page::cut("runs", vec![5, 4, 3], 2, |n| vec![n.to_string()]);
        assert_eq!(page.items, [5, 4]);
        let next = page.next.expect("there are more");
        let asked = paging(&format!("/x?limit=2&after={next}")).await.expect("good");
        assert_eq!(asked.after_number("runs").expect("its own list"), Some(4));
        let other = asked.after_number("events").expect_err("another list");
        assert_eq!(other.code(), "invalid-cursor");
        assert!(other.detail().contains("`runs`"), "{}", other.detail());
        assert!(Page::cut("runs", vec![1, 2], 2, |n| vec![n.to_string()]).next.is_none());
    }

    #[tokio::test]
    async fn bad_cursors_and_limits_are_named() {
        for after in ["", "%00", "!!!", "aGFsbG8", "cnVucw", "cnVucx9hYmM"] {
            let asked = paging(&format!("/x?after={after}")).await.and_then(|p| p.after_number("runs"));
            assert_eq!(asked.expect_err(after).code(), "invalid-cursor", "{after}");
        }
        for limit in ["0", "251", "-1", "ten", ""] {
            assert_eq!(paging(&format!("/x?limit={limit}")).await.expect_err(limit).code(), "invalid-query");
        }
        assert_eq!(paging("/x?limit=250").await.expect("good").limit, 250);
    }
}
