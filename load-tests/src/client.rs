//! A lean HTTP client: the machine is shared with the server, so what it costs is taken from what is measured.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// One request: method, path with query, body as JSON (empty for none).
pub struct Call {
    pub method: &'static str,
    pub path: String,
    pub body: String,
    /// The status that counts as done.
    pub expected: StatusCode,
    /// How many things are done by it.
    pub weight: u64,
}

/// What a load came to.
pub struct Load {
    pub done: u64,
    pub seconds: f64,
    /// Milliseconds.
    pub latencies: Vec<f64>,
}

impl Load {
    pub fn rate(&self) -> f64 {
        self.done as f64 / self.seconds
    }

    /// The latency that `share` of the requests stay below, in milliseconds.
    pub fn percentile(&mut self, share: f64) -> f64 {
        self.latencies.sort_by(f64::total_cmp);
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get((last as f64 * share) as usize).copied().unwrap_or_default()
    }
}

/// Keeps `connections` busy for `seconds`: each sends its next call when the one before is answered. Every call has to
/// be answered as expected; one that is not fails the run.
///
/// `call(connection, n)` makes the n-th call of a connection, or none when it has no more.
pub fn load(
    address: &str,
    tokens: &[String],
    connections: u32,
    seconds: u64,
    call: impl Fn(u32, u64) -> Option<Call> + Copy,
) -> anyhow::Result<Load> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let done = AtomicU64::new(0);
        let started = Instant::now();
        let until = started + Duration::from_secs(seconds);
        let workers = (0..connections).map(|connection| {
            let token = &tokens[connection as usize % tokens.len()];
            work(address, token, until, &done, move |n| call(connection, n))
        });
        let latencies = futures(workers).await?;
        Ok(Load { done: done.into_inner(), seconds: started.elapsed().as_secs_f64(), latencies })
    })
}

async fn futures(workers: impl Iterator<Item = impl Future<Output = anyhow::Result<Vec<f64>>>>) -> anyhow::Result<Vec<f64>> {
    let mut all = Vec::new();
    for latencies in futures_util::future::try_join_all(workers).await? {
        all.extend(latencies);
    }
    Ok(all)
}

async fn work(address: &str, token: &str, until: Instant, done: &AtomicU64, call: impl Fn(u64) -> Option<Call>) -> anyhow::Result<Vec<f64>> {
    let mut sender = connect(address).await?;
    let mut latencies = Vec::new();
    let mut n = 0;
    while Instant::now() < until {
        let call = call(n).context("a connection ran out of calls: prepare more")?;
        n += 1;
        let sent = Instant::now();
        let (status, body) = send(&mut sender, token, &call).await?;
        ensure!(status == call.expected, "{} {} was answered {status}: {}", call.method, call.path, String::from_utf8_lossy(&body));
        latencies.push(sent.elapsed().as_secs_f64() * 1000.0);
        done.fetch_add(call.weight, Ordering::Relaxed);
    }
    Ok(latencies)
}

async fn connect(address: &str) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn send(sender: &mut SendRequest<Full<Bytes>>, token: &str, call: &Call) -> anyhow::Result<(StatusCode, Bytes)> {
    sender.ready().await?;
    let mut request =
        Request::builder().method(call.method).uri(&call.path).header("host", "localhost").header("authorization", format!("Bearer {token}"));
    if !call.body.is_empty() {
        request = request.header("content-type", "application/json");
    }
    let response = sender.send_request(request.body(Full::from(call.body.clone()))?).await?;
    let status = response.status();
    Ok((status, response.into_body().collect().await?.to_bytes()))
}
