//! The minimum cost of a response with this HTTP library: an actix-web server with a single route
//! that returns prepared bytes, in a separate process, with as many workers as the real server and
//! no middleware.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Context;
use serde::{Deserialize, Serialize};

/// The response to return, in the form in which it is sent to the process.
#[derive(Clone, Serialize, Deserialize)]
struct Answer {
    headers: Vec<(String, String)>,
    body: String,
}

/// The process; it is killed when this is dropped.
pub struct Floor {
    pub address: String,
    process: Child,
}

impl Floor {
    /// Starts the process with the head and body of a response from the real server.
    pub fn start((head, body): &(String, Vec<u8>)) -> anyhow::Result<Self> {
        let set_by_the_library = ["content-length", "date", "connection"];
        let headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let headers = headers.filter(|(name, _)| !set_by_the_library.contains(&name.to_ascii_lowercase().as_str()));
        let answer =
            Answer { headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(), body: String::from_utf8(body.clone())? };
        let mut process = Command::new(std::env::current_exe()?).arg("floor").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut input = process.stdin.take().context("a pipe")?;
        writeln!(input, "{}", serde_json::to_string(&answer)?)?;
        let mut address = String::new();
        BufReader::new(process.stdout.take().context("a pipe")?).read_line(&mut address)?;
        Ok(Self { address: address.trim().to_owned(), process })
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs as that process: reads the response from standard input, and writes its address to standard
/// output.
#[expect(clippy::print_stdout, reason = "the parent process reads it")]
pub fn serve() -> anyhow::Result<()> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    let answer: Answer = serde_json::from_str(&line)?;
    let mut headers = Vec::new();
    for (name, value) in &answer.headers {
        headers.push((HeaderName::try_from(name.as_str())?, HeaderValue::from_str(value)?));
    }
    let body = web::Bytes::from(answer.body);
    actix_web::rt::System::new().block_on(async move {
        let server = HttpServer::new(move || {
            let (headers, body) = (headers.clone(), body.clone());
            App::new().default_service(web::to(move || {
                let mut response = HttpResponse::Ok();
                for header in &headers {
                    response.insert_header(header.clone());
                }
                std::future::ready(response.body(body.clone()))
            }))
        })
        .bind("127.0.0.1:0")?;
        println!("{}", server.addrs()[0]);
        server.run().await
    })?;
    Ok(())
}
