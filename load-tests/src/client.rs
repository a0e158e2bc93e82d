//! A minimal HTTP/1.1 client. The client shares the machine with the server, so every cycle it uses
//! distorts the measurement.
//!
//! Supports only what these measurements need: keep-alive and `Content-Length`; no redirects, no
//! compression, no chunked encoding.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{block_on, process};

/// Latencies in microseconds, with three significant digits.
pub type Latencies = hdrhistogram::Histogram<u64>;

/// An empty histogram for latencies of up to ten minutes.
pub fn latencies() -> Latencies {
    Latencies::new_with_bounds(1, 600_000_000, 3).expect("the bounds are valid")
}

/// The latency at quantile `share`, in milliseconds.
pub fn percentile(latencies: &Latencies, share: f64) -> f64 {
    latencies.value_at_quantile(share) as f64 / 1000.0
}

/// Records a latency.
pub fn note(latencies: &mut Latencies, took: Duration) {
    latencies.saturating_record(took.as_micros().try_into().unwrap_or(u64::MAX));
}

/// A request as sent over the wire. `headers` are complete lines, including line ends.
pub fn request(method: &str, path: &str, token: &str, headers: &str, body: &str) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n{headers}");
    if !body.is_empty() || method == "POST" {
        text.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}

/// A keep-alive connection.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// The range of the last response's body.
    body: std::ops::Range<usize>,
}

impl Connection {
    pub async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024), body: 0..0 })
    }

    /// Sends a request and reads the whole response. Returns its status.
    pub async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<u16> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head_end = loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            self.read().await?;
        };
        let head = std::str::from_utf8(&self.buffer[..head_end]).context("the response head is not text")?;
        let status: u16 = head.get(9..12).context("a response without a status")?.parse()?;
        let length = match header(head, "content-length") {
            Some(length) => length.parse()?,
            None if matches!(status, 204 | 304) => 0,
            None => bail!("a response without a length: {head}"),
        };
        self.body = head_end..head_end + length;
        while self.buffer.len() < self.body.end {
            self.read().await?;
        }
        Ok(status)
    }

    /// Head and body of the last response.
    pub fn head(&self) -> &str {
        std::str::from_utf8(&self.buffer[..self.body.start]).unwrap_or_default()
    }

    pub fn body(&self) -> &[u8] {
        &self.buffer[self.body.clone()]
    }

    async fn read(&mut self) -> anyhow::Result<()> {
        ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the server closed the connection");
        Ok(())
    }
}

/// Value of a header in a response head.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// One request of a load.
pub struct Call {
    pub bytes: Vec<u8>,
    /// The status that counts as success.
    pub expected: u16,
    /// Number of operations in this request.
    pub weight: u64,
}

impl Call {
    /// A GET request that expects 200.
    pub fn get(path: &str, token: &str) -> Self {
        Self { bytes: request("GET", path, token, "", ""), expected: 200, weight: 1 }
    }
}

/// The result of a load.
pub struct Load {
    pub done: u64,
    pub seconds: f64,
    pub latencies: Latencies,
    /// Processor time that this client used, in cores.
    pub client_cores: f64,
}

impl Load {
    /// Operations per second.
    pub fn rate(&self) -> f64 {
        self.done as f64 / self.seconds
    }

    /// Same as [`percentile`].
    pub fn percentile(&self, share: f64) -> f64 {
        percentile(&self.latencies, share)
    }
}

/// Keeps `connections` busy for `seconds`: each sends its next call when the previous one is
/// answered. A response with an unexpected status fails the run.
///
/// `call(connection, n, token)` returns the n-th call of a connection, or `None` if there are no
/// more.
pub fn load(
    address: &str,
    tokens: &[String],
    connections: u32,
    seconds: f64,
    call: impl Fn(u32, u64, &str) -> Option<Call> + Copy,
) -> anyhow::Result<Load> {
    block_on(async {
        let (done, latencies) = (Cell::new(0), RefCell::new(latencies()));
        let cpu_before = process::cpu_seconds(std::process::id())?;
        let started = Instant::now();
        let until = started + Duration::from_secs_f64(seconds);
        let workers = (0..connections).map(async |connection| {
            let token = &tokens[connection as usize % tokens.len()];
            let mut wire = Connection::open(address).await?;
            let mut n = 0;
            while Instant::now() < until {
                let call = call(connection, n, token).context("a connection ran out of prepared calls")?;
                n += 1;
                let sent = Instant::now();
                let status = wire.exchange(&call.bytes).await?;
                note(&mut latencies.borrow_mut(), sent.elapsed());
                if status != call.expected {
                    bail!("{} returned {status}: {}", String::from_utf8_lossy(&call.bytes), String::from_utf8_lossy(wire.body()));
                }
                done.set(done.get() + call.weight);
            }
            Ok(())
        });
        futures_util::future::try_join_all(workers).await?;
        let seconds = started.elapsed().as_secs_f64();
        let client_cores = (process::cpu_seconds(std::process::id())? - cpu_before) / seconds;
        Ok(Load { done: done.get(), seconds, latencies: latencies.into_inner(), client_cores })
    })
}
