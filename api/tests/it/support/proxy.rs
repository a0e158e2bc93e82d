//! A TCP proxy in front of a PostgreSQL, whose connections can go silent.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// When the existing connections go silent.
#[derive(Debug, Clone, Copy)]
pub enum Moment {
    /// Instead of passing this chunk from the clients on, counted from 0.
    ClientChunk(usize),
    /// Instead of passing this chunk from the server on.
    ServerChunk(usize),
    /// Instead of passing a client's chunk on that contains this text: the server never receives
    /// it.
    Before(&'static str),
    /// After such a chunk was passed on: the server receives it, its response is lost.
    After(&'static str),
}

/// Forwards between its port and the socket of a PostgreSQL. A silent connection stays open and
/// forwards nothing in either direction, as when a network drops packets: no side is notified.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    target: Mutex<PathBuf>,
    /// Connections of earlier generations are silent.
    generation: watch::Sender<u64>,
    moment: Mutex<Option<Moment>>,
    are_new_silent: Mutex<bool>,
}

impl Shared {
    fn go_silent(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }

    /// Whether a chunk is passed on.
    fn passes(&self, from_client: bool, chunk: &[u8]) -> bool {
        let mut moment = self.moment.lock().expect("no panic while held");
        let holds = |text: &str| from_client && chunk.windows(text.len()).any(|part| part == text.as_bytes());
        let passes = match &mut *moment {
            Some(Moment::ClientChunk(left)) if from_client => count_down(left),
            Some(Moment::ServerChunk(left)) if !from_client => count_down(left),
            Some(Moment::Before(text)) if holds(text) => Some(false),
            Some(Moment::After(text)) if holds(text) => Some(true),
            _ => None,
        };
        if passes.is_some() {
            *moment = None;
            self.go_silent();
        }
        passes.unwrap_or(true)
    }
}

fn count_down(left: &mut usize) -> Option<bool> {
    if *left == 0 {
        return Some(false);
    }
    *left -= 1;
    None
}

impl Proxy {
    /// In front of the server of a URL that names a private socket.
    pub async fn start(database_url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            target: Mutex::new(socket_of(database_url)),
            generation: watch::Sender::new(0),
            moment: Mutex::default(),
            are_new_silent: Mutex::default(),
        });
        let accepting = tokio::spawn({
            let shared = shared.clone();
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(pass_on(client, shared.clone()));
                }
            }
        });
        Self { address, shared, accepting }
    }

    /// The same database by way of the proxy.
    pub fn url(&self, database_url: &str) -> String {
        let (user, rest) = database_url.split_once('@').expect("a user");
        format!("{user}@{}/{}", self.address, rest.split_once('/').expect("a database").1)
    }

    /// Existing connections go silent; new ones work.
    pub fn go_silent(&self) {
        self.shared.go_silent();
    }

    /// As [`Self::go_silent`], at a later moment.
    pub fn go_silent_at(&self, moment: Moment) {
        *self.shared.moment.lock().expect("no panic while held") = Some(moment);
    }

    /// Whether the moment has come.
    pub fn has_gone_silent(&self) -> bool {
        self.shared.moment.lock().expect("no panic while held").is_none()
    }

    /// Whether new connections are accepted but silent, as with a frozen machine.
    pub fn silence_new(&self, are_silent: bool) {
        *self.shared.are_new_silent.lock().expect("no panic while held") = are_silent;
    }

    /// New connections lead to the server of this URL.
    pub fn lead_to(&self, database_url: &str) {
        *self.shared.target.lock().expect("no panic while held") = socket_of(database_url);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        // Ends forwarding.
        self.shared.go_silent();
    }
}

/// `postgres://user@%2Fsome%2Ffolder/database` → `/some/folder/.s.PGSQL.5432`
fn socket_of(database_url: &str) -> PathBuf {
    let host = database_url.split(['@', '/']).find(|part| part.starts_with("%2F")).expect("the folder of a socket");
    let folder = percent_encoding::percent_decode_str(host).decode_utf8().expect("text");
    PathBuf::from(folder.into_owned()).join(".s.PGSQL.5432")
}

async fn pass_on(client: TcpStream, shared: Arc<Shared>) {
    let mut generation = shared.generation.subscribe();
    let own = *generation.borrow_and_update();
    let target = shared.target.lock().expect("no panic while held").clone();
    let (mut from_client, mut to_client) = client.into_split();
    let Ok(server) = UnixStream::connect(&target).await else { return };
    let (mut from_server, mut to_server) = server.into_split();
    let are_new_silent = *shared.are_new_silent.lock().expect("no panic while held");
    if !are_new_silent {
        let is_over = tokio::select! {
            () = copy(&mut from_client, &mut to_server, &shared, true) => true,
            () = copy(&mut from_server, &mut to_client, &shared, false) => true,
            _ = generation.wait_for(|now| *now > own) => false,
        };
        if is_over && *shared.generation.borrow() == own {
            return;
        }
    }
    // Data of the client is discarded, and the server does not see when the client closes the
    // connection.
    let _lost = tokio::io::copy(&mut from_client, &mut tokio::io::sink()).await;
    let _never = generation.wait_for(|now| *now == u64::MAX).await;
}

async fn copy(from: &mut (impl AsyncReadExt + Unpin), to: &mut (impl AsyncWriteExt + Unpin), shared: &Shared, from_client: bool) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let passes = shared.passes(from_client, &buffer[..length]);
        if !passes || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
