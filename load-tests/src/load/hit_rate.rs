//! How many of the dashboard's questions were answered from the server's cache.

use anyhow::Context;

use crate::say;

/// The least share that is not made anew, in per cent.
pub const LEAST_PERCENT: f64 = 95.0;

/// The dashboard's questions so far, as the server counts them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Asked {
    all: f64,
    made: f64,
}

impl Asked {
    /// Reads the metrics of a server. Behind a load balancer it is one process of several.
    pub async fn of(base: &str) -> anyhow::Result<Self> {
        let metrics = reqwest::get(format!("{}/metrics", base.trim_end_matches('/'))).await?.error_for_status()?.text().await?;
        Self::read(&metrics)
    }

    fn read(metrics: &str) -> anyhow::Result<Self> {
        let mut asked = Self { all: 0.0, made: 0.0 };
        for line in metrics.lines().filter(|line| line.starts_with("cache_requests_total{") && line.contains("topic=\"stats\"")) {
            let (_, count) = line.rsplit_once(' ').with_context(|| format!("not a metric: {line}"))?;
            let count: f64 = count.parse().with_context(|| format!("not a metric: {line}"))?;
            asked.all += count;
            if line.contains("result=\"miss\"") {
                asked.made += count;
            }
        }
        Ok(asked)
    }

    /// The share since `before` that was not made anew, in per cent; `None` when nothing was asked.
    fn hit_percent_since(self, before: Self) -> Option<f64> {
        let (all, made) = (self.all - before.all, self.made - before.made);
        (all > 0.0).then(|| 100.0 * (1.0 - made / all))
    }
}

/// Says the share since `before`, and whether it is too small.
pub async fn judge(base: &str, before: Asked) -> anyhow::Result<Option<String>> {
    let after = Asked::of(base).await?;
    let Some(percent) = after.hit_percent_since(before) else { return Ok(Some("the dashboard was never asked for".into())) };
    say(&format!("{percent:.1} % of {:.0} questions of dashboards were answered from the cache", after.all - before.all));
    Ok((percent < LEAST_PERCENT).then(|| format!("the dashboard's hit rate is {percent:.1} %, not {LEAST_PERCENT} %")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waited_for_a_making_was_not_made_anew() {
        let metrics = "# TYPE cache_requests_total counter\n\
                       cache_requests_total{topic=\"stats\",result=\"hit\"} 90\n\
                       cache_requests_total{topic=\"stats\",result=\"joined\"} 6\n\
                       cache_requests_total{topic=\"stats\",result=\"miss\"} 4\n\
                       cache_requests_total{topic=\"bags\",result=\"miss\"} 1000\n";
        let asked = Asked::read(metrics).unwrap();
        assert_eq!(asked.hit_percent_since(Asked { all: 0.0, made: 0.0 }), Some(96.0));
        assert_eq!(asked.hit_percent_since(Asked { all: 90.0, made: 3.0 }), Some(90.0));
        assert_eq!(asked.hit_percent_since(asked), None);
    }
}
