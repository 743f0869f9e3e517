//! How many requests, how they ended, and how long they took, by route: the API's part of `/metrics`.
//! Routes are patterns, so no shop's or customer's name gets into a label.

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::http::StatusCode;
use parking_lot::RwLock;
use shopwright_engine::Busy;

/// Upper bounds of the histogram, in microseconds.
const BOUNDS: [u64; 10] = [500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 2_500_000];

/// Figures of all routes.
#[derive(Debug, Default)]
pub(crate) struct HttpFigures {
    routes: RwLock<HashMap<String, Arc<Route>>>,
    /// Webhooks whose signature was wrong.
    pub bad_signatures: AtomicU64,
    /// Computing time of requests.
    pub busy: Busy,
}

#[derive(Debug, Default)]
struct Route {
    /// 1xx to 5xx.
    classes: [AtomicU64; 5],
    buckets: [AtomicU64; BOUNDS.len()],
    sum_us: AtomicU64,
}

impl HttpFigures {
    /// Counts a request.
    pub fn count(&self, route: &str, status: StatusCode, took: Duration) {
        let known = self.routes.read().get(route).cloned();
        let figures = known.unwrap_or_else(|| self.routes.write().entry(route.to_owned()).or_default().clone());
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        figures.classes[class].fetch_add(1, Ordering::Relaxed);
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        figures.sum_us.fetch_add(us, Ordering::Relaxed);
        if let Some(bucket) = BOUNDS.iter().position(|bound| us <= *bound) {
            figures.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Prometheus text.
    pub fn render(&self) -> String {
        let read = |n: &AtomicU64| n.load(Ordering::Relaxed);
        let mut routes: Vec<(String, Arc<Route>)> =
            self.routes.read().iter().map(|(name, figures)| (name.clone(), figures.clone())).collect();
        routes.sort_by(|a, b| a.0.cmp(&b.0));
        let mut out = String::new();
        out.push_str("# HELP shopwright_http_requests_total Requests by route and class of status.\n");
        out.push_str("# TYPE shopwright_http_requests_total counter\n");
        for (name, figures) in &routes {
            for (class, count) in figures.classes.iter().enumerate() {
                let (class, count) = (class + 1, read(count));
                if count > 0 {
                    // Writing to a string cannot fail.
                    let _ = writeln!(
                        out,
                        "shopwright_http_requests_total{{route=\"{name}\",status=\"{class}xx\"}} {count}"
                    );
                }
            }
        }
        out.push_str("# HELP shopwright_http_request_seconds Time from the first byte of a request to its answer.\n");
        out.push_str("# TYPE shopwright_http_request_seconds histogram\n");
        for (name, figures) in &routes {
            let total: u64 = figures.classes.iter().map(read).sum();
            let mut below = 0;
            for (bound, count) in BOUNDS.iter().zip(&figures.buckets) {
                below += read(count);
                let bound = *bound as f64 / 1e6;
                let _ =
                    writeln!(out, "shopwright_http_request_seconds_bucket{{route=\"{name}\",le=\"{bound}\"}} {below}");
            }
            let _ = writeln!(out, "shopwright_http_request_seconds_bucket{{route=\"{name}\",le=\"+Inf\"}} {total}");
            let sum = read(&figures.sum_us) as f64 / 1e6;
            let _ = writeln!(out, "shopwright_http_request_seconds_sum{{route=\"{name}\"}} {sum}");
            let _ = writeln!(out, "shopwright_http_request_seconds_count{{route=\"{name}\"}} {total}");
        }
        out.push_str("# HELP shopwright_http_busy_seconds Computing time of requests, reading from and writing to sockets left out.\n");
        out.push_str("# TYPE shopwright_http_busy_seconds gauge\n");
        let _ = writeln!(out, "shopwright_http_busy_seconds {}", self.busy.seconds());
        out.push_str("# HELP shopwright_webhook_bad_signatures_total Webhooks refused for their signature.\n");
        out.push_str("# TYPE shopwright_webhook_bad_signatures_total counter\n");
        let _ = writeln!(out, "shopwright_webhook_bad_signatures_total {}", read(&self.bad_signatures));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_add_up() {
        let figures = HttpFigures::default();
        figures.count("/a/{id}", StatusCode::OK, Duration::from_micros(700));
        figures.count("/a/{id}", StatusCode::NOT_FOUND, Duration::from_secs(9));
        let text = figures.render();
        for line in [
            "shopwright_http_requests_total{route=\"/a/{id}\",status=\"2xx\"} 1",
            "shopwright_http_requests_total{route=\"/a/{id}\",status=\"4xx\"} 1",
            "shopwright_http_request_seconds_bucket{route=\"/a/{id}\",le=\"0.0005\"} 0",
            "shopwright_http_request_seconds_bucket{route=\"/a/{id}\",le=\"0.001\"} 1",
            "shopwright_http_request_seconds_bucket{route=\"/a/{id}\",le=\"+Inf\"} 2",
            "shopwright_http_request_seconds_sum{route=\"/a/{id}\"} 9.0007",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
    }
}
