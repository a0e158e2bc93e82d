//! The share of dashboard requests that the server answered from its cache.

use anyhow::Context;

use crate::say;

/// The minimum hit rate, in percent.
pub const MIN_PERCENT: f64 = 95.0;

/// The dashboard requests so far, as counted by the server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CacheRequests {
    all: f64,
    missed: f64,
}

impl CacheRequests {
    /// Reads the metrics of a server. Behind a load balancer, they are those of one process of
    /// several.
    pub async fn of(base: &str) -> anyhow::Result<Self> {
        let metrics = reqwest::get(format!("{}/metrics", base.trim_end_matches('/'))).await?.error_for_status()?.text().await?;
        Self::read(&metrics)
    }

    fn read(metrics: &str) -> anyhow::Result<Self> {
        let mut requests = Self { all: 0.0, missed: 0.0 };
        for line in metrics.lines().filter(|line| line.starts_with("cache_requests_total{") && line.contains("topic=\"stats\"")) {
            let (_, count) = line.rsplit_once(' ').with_context(|| format!("not a metric: {line}"))?;
            let count: f64 = count.parse().with_context(|| format!("not a metric: {line}"))?;
            requests.all += count;
            if line.contains("result=\"miss\"") {
                requests.missed += count;
            }
        }
        Ok(requests)
    }

    /// The hit rate since `before`, in percent. `None` if there were no requests.
    fn hit_percent_since(self, before: Self) -> Option<f64> {
        let (all, missed) = (self.all - before.all, self.missed - before.missed);
        (all > 0.0).then(|| 100.0 * (1.0 - missed / all))
    }
}

/// Prints the hit rate since `before`, and returns a message if it is too low.
pub async fn judge(base: &str, before: CacheRequests) -> anyhow::Result<Option<String>> {
    let after = CacheRequests::of(base).await?;
    let Some(percent) = after.hit_percent_since(before) else { return Ok(Some("the dashboard was never requested".into())) };
    say(&format!("{percent:.1} % of {:.0} dashboard requests were answered from the cache", after.all - before.all));
    Ok((percent < MIN_PERCENT).then(|| format!("the dashboard's cache hit rate is {percent:.1} %, not {MIN_PERCENT} %")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_requests_count_as_hits() {
        let metrics = "# TYPE cache_requests_total counter\n\
                       cache_requests_total{topic=\"stats\",result=\"hit\"} 90\n\
                       cache_requests_total{topic=\"stats\",result=\"joined\"} 6\n\
                       cache_requests_total{topic=\"stats\",result=\"miss\"} 4\n\
                       cache_requests_total{topic=\"bags\",result=\"miss\"} 1000\n";
        let requests = CacheRequests::read(metrics).unwrap();
        assert_eq!(requests.hit_percent_since(CacheRequests { all: 0.0, missed: 0.0 }), Some(96.0));
        assert_eq!(requests.hit_percent_since(CacheRequests { all: 90.0, missed: 3.0 }), Some(90.0));
        assert_eq!(requests.hit_percent_since(requests), None);
    }
}
