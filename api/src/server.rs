//! Builds the application for `main` and tests alike: state, middleware order, routes, graceful shutdown.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_governor::Governor;
use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::{Compress, Condition, from_fn};
use actix_web::{App, HttpServer, web};
use anyhow::Context;
use socket2::SockRef;
use tokio::task::JoinHandle;
use tracing_actix_web::TracingLogger;
use utoipa_actix_web::service_config::ServiceConfig;
use utoipa_actix_web::{AppExt, scope};

use crate::auth::caller::ByCaller;
use crate::auth::data_key::DataKey;
use crate::auth::keys::TokenKeys;
use crate::bag_formats::shared::SharedFormats;
use crate::bags::kept_bags::KeptBags;
use crate::bags::qr_code::BagFormats;
use crate::cache::Cache;
use crate::config::Config;
use crate::db::replicas::Replicas;
use crate::db::{migrations, partitions, pool, pooler};
use crate::http::client::TrustedProxies;
use crate::http::connections::{ConnectionLimit, Connections};
use crate::http::fallback::{RouteTable, fallback};
use crate::http::origin::{KnownOrigins, Origin};
use crate::http::problem_page::get_problem;
use crate::http::rate_limit::{ByAddress, Limiter, limiter};
use crate::http::root_span::RequestSpan;
use crate::http::spa::WebApp;
use crate::http::{base_path, cors, draining, metrics, rate_limit, request_id, security_headers, small_bodies, timeout};
use crate::mail::Mailer;
use crate::redis::Redis;
use crate::scans::record_scans::{ScanWriter, ScanWriterTasks};
use crate::state::{AppState, Parts};
use crate::users::first_admin::{self, CreatedAdmin};
use crate::{
    api_keys, audit, auth, bag_formats, bags, bills, consistency, dispatch_areas, events, exports, health, imports, note_writes, notifications,
    openapi, promotion_requests, reports, scans, search, stats, system, users,
};

/// Connections that wait to be accepted: a shift that starts is hundreds of phones in one second.
const BACKLOG: i32 = 2048;
/// Idle connections of phones are kept this long, so that a scan needs no new handshake.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// A client gets this long to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Right passwords don't count as failures ([`auth::attempts`]), but each takes time to check: so many times the limit of
/// failures are taken from one address in a minute, which is a shift of hundreds.
const SIGN_INS_PER_FAILURE: u32 = 60;

/// Rate limits of this process, shared by all its workers.
#[derive(Clone)]
pub struct Limits {
    sign_in: Limiter<ByAddress>,
    requests: Limiter<ByCaller>,
    scans: Limiter<ByCaller>,
}

impl Limits {
    /// The limits of the settings.
    pub fn new(config: &Config) -> Self {
        Self {
            sign_in: limiter(ByAddress, config.sign_in_limit_per_minute.saturating_mul(SIGN_INS_PER_FAILURE)),
            requests: limiter(ByCaller, config.request_limit_per_minute),
            scans: limiter(ByCaller, config.scan_limit_per_minute),
        }
    }
}

/// Every documented route. The scopes with limits of their own come first: actix takes the first that matches.
pub fn routes(limits: &Limits) -> impl FnOnce(&mut ServiceConfig) + use<> {
    let (sign_in, scan_limit, requests) = (Governor::new(&limits.sign_in), Governor::new(&limits.scans), Governor::new(&limits.requests));
    move |cfg| {
        cfg.configure(health::routes)
            .service(get_problem)
            .service(auth::jwks::get_jwks)
            .service(scope::scope("/api/v1/auth/login").wrap(sign_in).configure(auth::routes::login_routes))
            .service(scope::scope("/api/v1/scans").wrap(scan_limit).configure(scans::routes::routes))
            .service(
                scope::scope("/api/v1")
                    .wrap(requests)
                    // What is asked for most comes first: actix tries one pattern after the other.
                    .configure(bags::routes::routes)
                    .configure(stats::routes::routes)
                    .configure(stats::breakdown_routes::routes)
                    .configure(search::routes)
                    .configure(auth::routes::routes)
                    .configure(users::routes::routes)
                    .configure(users::edit_routes::routes)
                    .configure(users::personal_data::routes)
                    .configure(dispatch_areas::routes)
                    .configure(bag_formats::routes::routes)
                    .configure(bags::edit_routes::routes)
                    .configure(bills::routes::routes)
                    .configure(notifications::routes::routes)
                    .configure(promotion_requests::routes::routes)
                    .configure(audit::routes::routes)
                    .configure(events::routes::routes)
                    .configure(system::routes::routes)
                    .configure(reports::routes::routes)
                    .configure(api_keys::routes::routes)
                    .configure(exports::routes::routes)
                    .configure(imports::routes::routes),
            );
    }
}

/// A server that listens and is ready to run.
pub struct Application {
    server: Server,
    address: SocketAddr,
    state: Arc<AppState>,
    writer_tasks: ScanWriterTasks,
    background: Vec<JoinHandle<()>>,
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
        let formats_kept = formats.clone();
        let parts = Parts {
            config,
            pool: pool.clone(),
            replicas,
            redis,
            token_keys,
            data_key,
            mailer,
            cache,
            kept_bags,
            scan_writer,
            formats,
            connection_limit,
        };
        let state = web::Data::new(AppState::new(parts));
        state.revocations.refresh(&pool).await.map_err(|error| anyhow::anyhow!("{error}"))?;
        let background = vec![
            tokio::spawn({
                let (state, pool) = (state.clone(), pool.clone());
                async move { state.revocations.keep_fresh(pool).await }
            }),
            tokio::spawn(formats_kept.keep_fresh(pool.clone())),
            tokio::spawn({
                let (state, pool) = (state.clone(), pool.clone());
                async move { state.events.clone().keep_telling(&pool, &state.positions).await }
            }),
            tokio::spawn(state.replicas.clone().watch()),
            tokio::spawn({
                let (state, pool) = (state.clone(), pool.clone());
                async move { state.positions.watch(&pool).await }
            }),
            tokio::spawn({
                let state = state.clone();
                async move { state.revocations.listen().await }
            }),
            tokio::spawn({
                let (state, pool) = (state.clone(), pool.clone());
                async move { state.token_keys.keep_fresh(pool).await }
            }),
            tokio::spawn(reports::end_of_day::keep_sending(state.clone())),
            tokio::spawn(crate::jobs::worker::work(state.clone())),
            tokio::spawn(audit::retention::keep_archiving(pool.clone(), state.config.clone())),
            tokio::spawn(system::housekeeping::keep_clean(pool.clone())),
            tokio::spawn(users::erasure::keep_finishing(state.clone())),
            tokio::spawn(health::heartbeat::run(state.scan_writer.clone())),
            tokio::spawn(partitions::keep_ahead(pool)),
            tokio::spawn(keep_metrics()),
        ];
        let server = http_server(state.clone(), listener)?;
        Ok(Self { server, address, state: state.into_inner(), writer_tasks, background, created_admin })
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
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
        for task in self.background {
            task.abort();
            // An aborted task gives its pool and state back only once it has been waited for.
            let _aborted = task.await;
        }
        // The last sender of the scan writer goes with the state; then the queue empties and the tasks end.
        drop(self.state);
        self.writer_tasks.drained().await;
        tracing::info!("stopped; all accepted scans are written");
        served.context("the server failed")
    }
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
            .wrap(from_fn(auth::bearer::middleware))
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

async fn keep_metrics() {
    loop {
        tokio::time::sleep(Duration::from_secs(5)).await;
        metrics::handle().run_upkeep();
    }
}
