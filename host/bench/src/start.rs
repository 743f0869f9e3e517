//! From the start of the process to the first answer, with a shop and its usual workflows installed and
//! their machine code in the cache.

use crate::{
    Bench,
    database::Place,
    error::BenchError,
    figures::percentile,
    host::Host,
    report::{Figure, Made, Target, Unit},
};

/// Measures.
pub async fn measure(bench: &Bench<'_>, place: &Place) -> Result<Made, BenchError> {
    let host = Host::with_shop(bench, place).await?;
    for (name, component) in &bench.components.usual {
        host.install(name, component).await?;
    }
    host.stop().await?;
    let mut times = Vec::new();
    for _ in 0..bench.sizes.starts {
        let host = Host::start(bench, place).await?;
        times.push(host.ready_in.as_secs_f64() * 1e3);
        host.stop().await?;
    }
    times.sort_by(f64::total_cmp);
    let mut made = Made::default();
    made.heading(format!(
        "start with {} installations, the median of {}",
        1 + bench.components.usual.len(),
        times.len()
    ));
    let mut add =
        |key: &str, what: &str, value, target| made.add(Figure::new("start", key, what, value, Unit::Millis, target));
    add("ready", "process start to the first answer", percentile(&times, 0.5), Some(Target::below(300.0)));
    add("longest", "the longest", percentile(&times, 1.0), None);
    Ok(made)
}
