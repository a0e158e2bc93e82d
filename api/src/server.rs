//! Builds the application for `main` and tests alike: state, middleware order, routes, graceful shutdown.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::{Compress, Condition, from_fn};
use actix_web::{App, HttpServer, web};
use anyhow::Context;
use socket2::SockRef;
use tracing_actix_web::TracingLogger;
use utoipa_actix_web::AppExt;

use crate::access::data_key::DataKey;
use crate::access::keys::TokenKeys;
use crate::access::revocations::Revocations;
use crate::api_keys::key_ring::KeyRing;
use crate::background::Driver;
use crate::bag_formats::qr_code::BagFormats;
use crate::bag_formats::shared::SharedFormats;
use crate::bags::kept_bags::KeptBags;
use crate::cache::Cache;
use crate::config::Config;
use crate::db::replicas::Replicas;
use crate::db::{migrations, partitions, pool, pooler};
use crate::events::hub::Hub;
use crate::events::streams::EventStreams;
use crate::exports::places::ExportPlaces;
use crate::http::address::TrustedProxies;
use crate::http::connections::{ConnectionLimit, Connections};
use crate::http::fallback::{RouteTable, fallback};
use crate::http::origin::{KnownOrigins, Origin};
use crate::http::root_span::RequestSpan;
use crate::http::spa::WebApp;
use crate::http::{base_path, cors, draining, metrics, rate_limit, request_id, security_headers, small_bodies, timeout};
use crate::identity::caller::Authenticator;
use crate::mail::Mailer;
use crate::redis::Redis;
use crate::routes::{Limits, routes};
use crate::scans::record_scans::{ScanWriter, ScanWriterTasks};
use crate::state::{AppState, Parts};
use crate::users::first_admin::{self, CreatedAdmin};
use crate::{access, api_keys, audit, background_tasks, consistency, health, note_writes, openapi};

/// Connections that wait to be accepted: a shift that starts is hundreds of phones in one second.
const BACKLOG: i32 = 2048;
/// Idle connections of phones are kept this long, so that a scan needs no new handshake.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// A client gets this long to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// A server that listens and is ready to run.
pub struct Application {
    server: Server,
    address: SocketAddr,
    state: Arc<AppState>,
    writer_tasks: ScanWriterTasks,
    background: Driver,
    /// The admin that this start created, if it did.
    pub created_admin: Option<CreatedAdmin>,
}

impl Application {
    /// Migrates, loads what is kept in memory, binds the port. `config.database.database_url` must be set.
    ///
    /// # Errors
    /// When the settings contradict each other, the database can't be reached or migrated, or the port is taken.
    pub async fn build(mut config: Config) -> anyhow::Result<Self> {
        // What is measured before there is a recorder is lost.
        metrics::handle();
        config.check().map_err(anyhow::Error::msg)?;
        let url = config.database.database_url.as_ref().context("DATABASE_URL is not set")?.expose().to_owned();
        if !config.database.is_embedded {
            anyhow::ensure!(!pooler::shares_transactions(&url).await.context("the database can't be reached")?, pooler::REFUSED);
        }
        if !config.skip_migrations {
            let ran = migrations::run_pending(&url).await.context("the database could not be migrated")?;
            if !ran.is_empty() {
                tracing::info!(migrations = ran.join(", "), "database migrated");
            }
        }
        let pool = pool::create(&url, &config.database)?;
        let mut conn = pool.get().await.context("the database can't be reached")?;
        partitions::ensure_at_start(&mut conn).await;
        let created_admin =
            first_admin::ensure(&mut conn, &config).await.map_err(|error| anyhow::anyhow!("the first admin could not be created: {error}"))?;
        let token_keys = TokenKeys::load(&mut conn, config.jwt_algorithm, config.jwt_secret.as_ref()).await?;
        let data_key = DataKey::load(&mut conn, &config).await?;
        let formats = SharedFormats::new(BagFormats::load(&mut conn).await?);
        drop(conn);
        let replicas = Replicas::new(&url, &config)?;
        let redis = config.redis_url.as_ref().map(|url| Redis::new(url.expose())).transpose()?;
        ::metrics::counter!("db_connections_silent_total").increment(0);
        ::metrics::counter!("restarts_total", "name" => "postgres").increment(0);
        let connection_limit = ConnectionLimit::of_process(database_connections(&config), config.worker_count());

        let listener = TcpListener::bind(config.bind)
            .with_context(|| format!("can't listen on {}: is another server running there? Set BIND to another port", config.bind))?;
        // The standard library listens with a backlog of 128.
        SockRef::from(&listener).listen(BACKLOG)?;
        let address = listener.local_addr()?;
        let public_url = config.public_url.take().unwrap_or_else(|| format!("{}{}", local_url(address), config.base_path));
        config.public_url = Some(public_url.trim_end_matches('/').to_owned());
        let mailer = Mailer::new(&config)?;
        let cache = Cache::new(redis.clone(), config.cache_lifetime());
        let kept_bags = KeptBags::new(cache.clock(), if redis.is_some() { Duration::ZERO } else { config.cache_lifetime() });
        let (scan_writer, writer_tasks) = ScanWriter::start(&url, formats.clone(), kept_bags.clone(), !replicas.is_empty(), &config);
        health::heartbeat::write_first(&scan_writer).await;
        let mut background = Driver::default();
        let background_status = background.status();
        let parts = Parts { config, pool: pool.clone(), replicas, redis, cache, connection_limit, background: background_status };
        let state = with_features(AppState::new(parts)).with(token_keys).with(data_key);
        let state = web::Data::new(state.with(mailer).with(kept_bags).with(scan_writer).with(formats));
        let revocations = state.part::<Revocations>();
        revocations.refresh(&pool).await.map_err(|error| anyhow::anyhow!("{error}"))?;
        background_tasks::register_all(&mut background, &state);
        let server = http_server(state.clone(), listener)?;
        Ok(Self { server, address, state: state.into_inner(), writer_tasks, background, created_admin })
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the program registers background tasks of its own.
    pub fn background(&mut self) -> &mut Driver {
        &mut self.background
    }

    /// Stops the server from elsewhere: no new connections, requests that run are finished.
    pub fn stopper(&self) -> Stopper {
        Stopper { server: self.server.handle(), state: self.state.clone() }
    }

    /// Serves until stopped, then writes every scan that was taken.
    ///
    /// # Errors
    /// When a worker fails.
    pub async fn run(self) -> anyhow::Result<()> {
        let served = self.server.await;
        self.background.stop().await;
        // The last sender of the scan writer goes with the state; then the queue empties and the tasks end.
        drop(self.state);
        self.writer_tasks.drained().await;
        tracing::info!("stopped; all accepted scans are written");
        served.context("the server failed")
    }
}

/// Adds the parts of features that need nothing but the state.
fn with_features(state: AppState) -> AppState {
    let revocations = Revocations::new(state.config.access_token_seconds, state.redis.clone());
    let export_places = ExportPlaces::new(state.pool.status().max_size);
    let event_streams = EventStreams::new(state.config.event_streams_per_caller, state.connection_limit.streams());
    state.with(revocations).with(export_places).with(event_streams).with(KeyRing::default()).with(Hub::default())
}

/// Tells a running server to stop.
pub struct Stopper {
    server: ServerHandle,
    state: Arc<AppState>,
}

impl Stopper {
    /// Readiness says no at once, and the server goes on serving until load balancers have noticed; then requests that run
    /// are finished.
    pub async fn stop(self) {
        self.state.begin_stopping();
        let drain = Duration::from_secs(self.state.config.drain_seconds);
        drop(self.state);
        tokio::time::sleep(drain).await;
        self.server.stop(true).await;
    }
}

/// Maximum number of database connections of this process.
fn database_connections(config: &Config) -> usize {
    let (pool, replicas) = (pool::pool_size(config.database.database_pool_size), config.read_replica_urls.len());
    // One more for each replica's health, one for the primary's position.
    pool * (1 + replicas) + replicas + 1 + config.scan_writers
}

fn http_server(state: web::Data<AppState>, listener: TcpListener) -> anyhow::Result<Server> {
    let limits = Limits::new(&state.config);
    let base_path = state.config.base_path.clone();
    let document = openapi::document_under(&base_path);
    let table = web::Data::new(RouteTable::new(&document));
    let served_document = web::Data::new(openapi::ServedDocument::new(&document)?);
    drop(document);
    let draining = web::Data::new(state.draining.clone());
    let web_app = web::Data::new(WebApp::under(&base_path)?);
    let allowed_origins = state.config.cors_allowed_origins.clone();
    let own_origin = state.config.public_url.as_deref().and_then(Origin::of);
    let known_origins = web::Data::new(KnownOrigins(allowed_origins.iter().cloned().chain(own_origin).collect()));
    let trusted_proxies = web::Data::new(TrustedProxies(state.config.trusted_proxies.clone()));
    let request_timeout = state.config.request_timeout();
    let shutdown_timeout_seconds = state.config.shutdown_timeout_seconds;
    let workers = state.config.worker_count();
    let max_connections = state.connection_limit.of_worker(workers);
    let connections = Connections::new(state.connection_limit);
    let server = HttpServer::new(move || {
        // The one wrapped last runs first.
        App::new()
            .wrap(from_fn(consistency::middleware))
            .wrap(from_fn(note_writes::note_writes))
            .wrap(from_fn(api_keys::bearer::middleware))
            .wrap(from_fn(move |req, next| timeout::within(request_timeout, req, next)))
            .wrap(from_fn(audit::denied::note_denials))
            .wrap(from_fn(small_bodies::keep))
            .wrap(Compress::default())
            .wrap(from_fn(small_bodies::untold))
            .wrap(from_fn(rate_limit::tell_budget))
            .wrap(Condition::new(!allowed_origins.is_empty(), cors::allow(&allowed_origins)))
            .wrap(from_fn(cors::explain_refusals))
            .wrap(from_fn(metrics::middleware))
            .wrap(from_fn(security_headers::middleware))
            .wrap(TracingLogger::<RequestSpan>::new())
            .wrap(from_fn(request_id::middleware))
            .wrap(from_fn(draining::close_connections))
            .wrap(from_fn({
                let base_path = base_path.clone();
                move |req, next| base_path::middleware(base_path.clone(), req, next)
            }))
            .app_data(state.clone())
            .app_data(draining.clone())
            .app_data(Authenticator(access::verify::verify))
            .app_data(table.clone())
            .app_data(trusted_proxies.clone())
            .app_data(known_origins.clone())
            .app_data(web_app.clone())
            .app_data(served_document.clone())
            .into_utoipa_app()
            .openapi(openapi::base())
            .configure(routes(&limits))
            .into_app()
            .configure(health::head_routes)
            .service(openapi::get_openapi_json)
            .service(openapi::get_openapi_yaml)
            .service(openapi::redirect_to_docs)
            .service(openapi::get_swagger_initializer)
            .service(openapi::swagger_ui())
            .default_service(web::to(fallback))
    })
    .on_connect(move |socket, data| connections.register(socket, data))
    .max_connections(max_connections)
    .keep_alive(KEEP_ALIVE)
    // The second part of an answer must not wait for the client to acknowledge the first: that takes 40 ms.
    .tcp_nodelay(true)
    .client_request_timeout(HEAD_TIMEOUT)
    .shutdown_timeout(shutdown_timeout_seconds)
    .disable_signals()
    .workers(workers)
    .listen(listener)?
    .run();
    Ok(server)
}

/// Where a person on this machine finds a server that listens at `address`.
fn local_url(address: SocketAddr) -> String {
    if address.ip().is_unspecified() { format!("http://localhost:{}", address.port()) } else { format!("http://{address}") }
}
