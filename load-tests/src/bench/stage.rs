//! The set-up of every measurement: a filled database, its server, and signed-in users.

use anyhow::Context;

use super::Options;
use crate::people::{CHILDREN, PASSWORD, create, login};
use crate::postgres::Tools;
use crate::server::{ADMIN, Data, Server};
use crate::{block_on, say};

const PACKERS: usize = 8;
/// The packers' dispatch area.
pub const AREA: &str = "Lucknow";

pub struct Stage<'a> {
    pub options: &'a Options,
    pub server: Server,
    pub tools: Tools,
    pub bags: u64,
    /// Token of the admin, who sees every bag.
    pub admin: Vec<String>,
    /// Tokens of some packers.
    pub packers: Vec<String>,
    /// Ids of their area and of one of them.
    pub area: u64,
    pub packer: u64,
    /// First and last number of the children's codes, without gaps.
    pub codes: (u64, u64),
    /// Digits that no other run on this database uses in its codes.
    pub run: u64,
    measurements: std::cell::Cell<u32>,
}

impl<'a> Stage<'a> {
    /// Fills a database and starts a server on it.
    pub fn set(options: &'a Options, bags: u64) -> anyhow::Result<Self> {
        say(&format!("filling a database with {bags} bags"));
        let server = Server::start(&options.binary, Data::fill(&options.binary, &options.folder, bags, options.keep)?)?;
        let tools = Tools::on_socket(&server.socket)?;
        let run = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs() % 1_000_000_000;
        let (admin, packers) = sign_in(&server.address, run)?;
        tools.sql(include_str!("scan.sql"))?;
        let area = tools.sql(&format!("SELECT id FROM dispatch_areas WHERE code = '{AREA}'"))?.parse()?;
        let packer = tools.sql("SELECT min(id) FROM users WHERE username LIKE 'bench%'")?.parse()?;
        let codes = tools
            .sql("SELECT min(substr(qr_code, 3)::bigint), min(substr(qr_code, 3)::bigint) + count(*) - 1 FROM bags WHERE qr_code ~ '^CH[0-9]+$'")?;
        let (first, last) = codes.split_once('|').context("two numbers")?;
        let codes = (first.parse()?, last.parse()?);
        Ok(Self { options, server, tools, bags, admin: vec![admin], packers, area, packer, codes, run, measurements: 0.into() })
    }

    /// Code of the n-th child of a connection, in an order that no cache of bags or pages can
    /// benefit from.
    pub fn code(&self, connection: u32, n: u64) -> String {
        let (first, last) = self.codes;
        format!("CH{}", first + (n * 2_654_435_761 + u64::from(connection) * 40_503) % (last - first + 1))
    }

    /// Prefix of the codes of a new set of parents.
    pub fn new_parents(&self) -> String {
        let n = self.measurements.get();
        self.measurements.set(n + 1);
        format!("SB9{:09}{n:03}", self.run)
    }

    /// Opens parents in advance, `each` for every connection, so that only child scans are
    /// measured.
    pub fn open_parents(&self, set: &str, connections: u32, each: u64) -> anyhow::Result<()> {
        self.tools.sql(&format!(
            "INSERT INTO bags (qr_code, kind, status, format_id, capacity, dispatch_area_id) \
             SELECT '{set}' || lpad(c::text, 4, '0') || lpad(k::text, 5, '0'), 'parent', 'open', 1, {CHILDREN}, {} \
             FROM generate_series(0, {connections} - 1) AS c, generate_series(0, {each} - 1) AS k; VACUUM (ANALYZE) bags",
            self.area
        ))?;
        Ok(())
    }
}

/// The k-th parent of a connection in a set.
pub fn parent(set: &str, connection: u32, k: u64) -> String {
    format!("{set}{connection:04}{k:05}")
}

fn sign_in(address: &str, run: u64) -> anyhow::Result<(String, Vec<String>)> {
    block_on(async {
        let (client, base) = (reqwest::Client::new(), format!("http://{address}"));
        let admin = login(&client, &base, ADMIN.0, ADMIN.1).await?;
        let mut packers = Vec::new();
        for n in 0..PACKERS {
            let username = format!("bench{run}-{n}");
            create(&client, &base, &admin, &username, "dispatcher", Some(AREA)).await?;
            packers.push(login(&client, &base, &username, PASSWORD).await?);
        }
        Ok((admin, packers))
    })
}
