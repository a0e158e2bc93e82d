//! Mail servers that keep what they are sent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use traitortrack::config::Secret;

use super::eventually;

/// What was sent, and what to answer before anything is taken.
#[derive(Clone, Default)]
pub struct Inbox {
    mails: Arc<Mutex<Vec<String>>>,
    refusals: Arc<Mutex<VecDeque<String>>>,
}

impl Inbox {
    /// The next mail is answered with this instead of being taken.
    pub fn refuse_next_with(&self, answer: &str) {
        self.refusals.lock().expect("no panic while held").push_back(answer.to_owned());
    }

    fn refusal(&self) -> Option<String> {
        self.refusals.lock().expect("no panic while held").pop_front()
    }

    fn take_in(&self, mail: String) {
        self.mails.lock().expect("no panic while held").push(mail);
    }

    pub fn all(&self) -> Vec<String> {
        self.mails.lock().expect("no panic while held").clone()
    }

    /// Waits until there are this many and returns the last.
    pub async fn nth(&self, count: usize) -> String {
        eventually(&format!("{count} mails arrive"), async || self.all().len() >= count).await;
        self.all()[count - 1].clone()
    }
}

/// A mail server that speaks SMTP without encryption.
pub struct SmtpServer {
    pub inbox: Inbox,
    port: u16,
}

impl SmtpServer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let inbox = Inbox::default();
        let taken = inbox.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, taken.clone()));
            }
        });
        Self { inbox, port }
    }

    pub fn url(&self) -> Option<Secret> {
        Some(Secret::from(format!("smtp://127.0.0.1:{}", self.port)))
    }
}

async fn converse(stream: TcpStream, inbox: Inbox) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read);
    write.write_all(b"220 sink\r\n").await?;
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let answer = match line.get(..4).unwrap_or_default().to_uppercase().as_str() {
            "EHLO" => "250-sink\r\n250 8BITMIME".to_owned(),
            "RCPT" => inbox.refusal().unwrap_or_else(|| "250 ok".to_owned()),
            "QUIT" => return write.write_all(b"221 bye\r\n").await,
            "DATA" => {
                write.write_all(b"354 go on\r\n").await?;
                let mut mail = String::new();
                while !mail.ends_with("\r\n.\r\n") {
                    lines.read_line(&mut mail).await?;
                }
                inbox.take_in(mail);
                "250 taken".to_owned()
            }
            _ => "250 ok".to_owned(),
        };
        write.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}

/// SendGrid's HTTP API, as far as it is used: every mail is the JSON it was sent as, after a line with the head.
pub struct SendGrid {
    pub inbox: Inbox,
    pub url: String,
}

impl SendGrid {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let inbox = Inbox::default();
        let taken = inbox.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer_request(stream, taken.clone()));
            }
        });
        Self { inbox, url }
    }

    /// Waits until there are this many mails; the head of the last request, and its body.
    pub async fn nth(&self, count: usize) -> (String, Value) {
        let request = self.inbox.nth(count).await;
        let (head, body) = request.split_once("\r\n\r\n").expect("head and body");
        (head.to_lowercase(), serde_json::from_str(body).expect("JSON"))
    }
}

async fn answer_request(stream: TcpStream, inbox: Inbox) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        if stream.read_line(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let length = request.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ").and_then(|n| n.parse().ok())).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    request.push_str(&String::from_utf8_lossy(&body));
    let status = match inbox.refusal() {
        Some(status) => status,
        None => {
            inbox.take_in(request);
            "202 Accepted".to_owned()
        }
    };
    stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").as_bytes()).await
}

/// Undoes the quoted-printable encoding (RFC 2045) of an English mail.
pub fn decoded(mail: &str) -> String {
    mail.replace("=\r\n", "").replace("=3D", "=")
}

/// The token in the link of a mail.
pub fn token_in(mail: &str) -> String {
    let after = decoded(mail).split("#token=").nth(1).expect("a link").to_owned();
    after.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect()
}
