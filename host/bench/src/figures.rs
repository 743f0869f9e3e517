//! The host's own counters: `/metrics`, read twice and subtracted.

use std::collections::HashMap;

/// What `/metrics` said.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    values: HashMap<String, f64>,
}

impl Figures {
    /// Reads Prometheus text.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let values = lines.filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Self { values: values.collect() }
    }

    /// The sum of a metric over those of its labels that contain `label` (all, if it is empty).
    pub fn sum(&self, name: &str, label: &str) -> f64 {
        let values = self.values.iter().filter(|(full, _)| {
            let (own, labels) = full.split_once('{').unwrap_or((full, ""));
            own.strip_prefix("shopwright_") == Some(name) && labels.contains(label)
        });
        values.map(|(_, value)| value).sum()
    }

    /// How much it has grown since `before`.
    pub fn since(&self, before: &Self, name: &str, label: &str) -> f64 {
        self.sum(name, label) - before.sum(name, label)
    }
}

/// The value below which a share of the sorted values lies (nearest rank); 0 for none.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_summed_and_other_metrics_left_out() {
        let figures = Figures::parse(
            "# HELP x y\nshopwright_runs_ended_total{workflow=\"react\",state=\"done\"} 5\n\
             shopwright_runs_ended_total{workflow=\"react\",state=\"failed\"} 1\nshopwright_runs_ended_total_more 9\n\
             shopwright_store_commits 7\n",
        );
        assert_eq!(figures.sum("runs_ended_total", ""), 6.0);
        assert_eq!(figures.sum("runs_ended_total", "state=\"done\""), 5.0);
        assert_eq!(figures.since(&Figures::default(), "store_commits", ""), 7.0);
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!((percentile(&values, 0.5), percentile(&values, 0.99)), (100.0, 198.0));
        assert_eq!((percentile(&values, 1.0), percentile(&[], 0.5)), (200.0, 0.0));
    }
}
