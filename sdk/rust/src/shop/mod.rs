//! The shop: one handle per interface of the WIT. Reads in `reads`, what changes something in `actions`.

mod actions;
mod http;
mod reads;
mod times;

pub use actions::*;
pub use http::{Http, RequestBuilder};
pub use reads::*;

/// What requests and answers are made of.
pub(crate) mod http_types {
    pub use super::http::{Header, HttpError, Method, Request, Response};
}
