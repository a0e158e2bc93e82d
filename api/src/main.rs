//! The command line of TraitorTrack.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use embedded_postgres::{EmbeddedError, EmbeddedOptions, EmbeddedPostgres};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use traitortrack::access::keys;
use traitortrack::audit::retention::Retention;
use traitortrack::config::retention::parse_days;
use traitortrack::config::{Config, DatabaseConfig, JwtAlgorithm, LogFormat, Secret, settings_markdown, with_settings_from_files};
use traitortrack::db::{migrations, pool};
use traitortrack::http::base_path::BasePath;
use traitortrack::server::Application;
use traitortrack::users::first_admin::CreatedAdmin;
use traitortrack::{error, maintenance, openapi, seed_demo, telemetry};

mod memory;

/// How long blocking work may continue after the server has stopped.
const BLOCKING_WORK_TIMEOUT: Duration = Duration::from_secs(10);
/// Seconds; for work that takes as long as it takes.
const NO_STATEMENT_TIMEOUT: u64 = 0;

/// Bag tracking for warehouses: JSON REST API and web app in one binary.
///
/// Start with `api serve`. Without settings, it runs an embedded PostgreSQL in ./var, and prints its
/// address and the password of the first admin.
#[derive(Parser)]
#[command(name = "api", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server
    ///
    /// Every setting is also an environment variable (in brackets). It can be a line in a file
    /// `.env`, or be read from a file that is named by the variable with _FILE appended, e.g.
    /// ADMIN_PASSWORD_FILE=/run/secrets/admin.
    Serve(Box<Config>),
    /// Migrate the database to the schema of this version
    Migrate(DatabaseConfig),
    /// Create a new key for access tokens
    ///
    /// Running servers use it within seconds, and sessions continue. Has no effect if JWT_SECRET is
    /// set.
    RotateKeys {
        /// Signature algorithm of access tokens: HS256 or EdDSA, as in the settings of the server
        #[arg(long, env = "JWT_ALGORITHM", default_value = "HS256", value_name = "ALGORITHM")]
        jwt_algorithm: JwtAlgorithm,
        /// Drop all other keys immediately, because one was leaked; access tokens must be refreshed
        #[arg(long)]
        drop_others: bool,
        #[command(flatten)]
        database: DatabaseConfig,
    },
    /// Maintain the database during normal operation: partitions, retention, statistics, indexes
    ///
    /// Creates the partitions of the next months, archives old months of the audit log, deletes
    /// expired rows, analyses every table, repairs invalid indexes and rebuilds bloated ones, without
    /// blocking other sessions. Only one run at a time is possible on a database. Run it every night.
    /// The exit code is 0 if all steps succeeded, and 1 if a step failed or another run is in
    /// progress.
    Maintenance {
        /// List the steps without running them
        #[arg(long)]
        dry_run: bool,
        /// Report the state of partitions and indexes (unused, duplicate, bloated, invalid) only
        #[arg(long, conflicts_with = "dry_run")]
        report: bool,
        /// Days that audit entries stay in the database; older months are moved to files; 0 keeps
        /// everything
        #[arg(long, env = "AUDIT_RETENTION_DAYS", default_value_t = 365, value_parser = parse_days, allow_negative_numbers = true, value_name = "DAYS")]
        audit_retention_days: u32,
        /// Folder for archived months of the audit log; defaults to audit-archive in DATA_DIR
        #[arg(long, env = "AUDIT_ARCHIVE_DIR", value_name = "FOLDER")]
        audit_archive_dir: Option<PathBuf>,
        #[command(flatten)]
        database: DatabaseConfig,
    },
    /// Run a program with access to the database, e.g. for a backup
    ///
    /// Sets DATABASE_URL to the database, and PATH to the tools of its version:
    /// `api with-database -- sh -c 'pg_dump -Fc -f traitortrack.dump "$DATABASE_URL"'`. If a server is
    /// running, the program uses its database; otherwise, the database in DATA_DIR is started, and
    /// stopped at the end. The exit code is 0 if the program succeeds, and 1 otherwise.
    WithDatabase {
        #[command(flatten)]
        database: DatabaseConfig,
        /// The program and its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
    /// Fill an empty database with sample data: people, bags, scans and bills of several weeks
    SeedDemo {
        /// Number of bags, parents and children together
        #[arg(long, value_name = "COUNT", default_value_t = 18_000)]
        bags: u32,
        /// Number of working days, up to 60
        #[arg(long, value_name = "COUNT", default_value_t = 30)]
        days: u32,
        /// Password of every demo user
        #[arg(long, env = "DEMO_PASSWORD", hide_env_values = true, default_value = "Packs-All-Day-1")]
        password: String,
        #[command(flatten)]
        database: DatabaseConfig,
    },
    /// Print the OpenAPI document (openapi.yaml)
    Openapi,
    /// Print the table of problem codes (docs/errors.md)
    Errors,
    /// Print the table of settings (docs/settings.md)
    Settings,
}

fn main() -> ExitCode {
    // A missing .env is normal; a malformed one is worth a word.
    if let Err(error) = dotenvy::dotenv()
        && !error.not_found()
    {
        return failed(&anyhow::anyhow!(".env: {error}"));
    }
    let command = Cli::command();
    let arguments = match with_settings_from_files(&command, std::env::args_os().collect()) {
        Ok(arguments) => arguments,
        Err(sentence) => return failed(&anyhow::anyhow!(sentence)),
    };
    let matches = command.get_matches_from(arguments);
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
    ExitCode::FAILURE
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(config) => serve(*config),
        Command::Migrate(database) => with_database(database, async |url| {
            let ran = migrations::run_pending(&url).await?;
            say(&if ran.is_empty() { "The schema is up to date.".to_owned() } else { format!("Ran: {}", ran.join(", ")) });
            Ok(())
        }),
        Command::RotateKeys { jwt_algorithm, drop_others, database } => with_database(database, async move |url| {
            let mut conn = pool::connect(url, NO_STATEMENT_TIMEOUT).await?;
            let (kid, dropped) = keys::rotate(&mut conn, jwt_algorithm, drop_others).await?;
            say(&format!("The new key {kid} is used within a few seconds. Old keys dropped: {dropped}."));
            Ok(())
        }),
        Command::Maintenance { dry_run, report, audit_retention_days, audit_archive_dir, database } => {
            let retention = Retention::of(audit_retention_days, audit_archive_dir.as_deref(), &database.data_dir);
            with_database(database, async move |url| {
                let mut conn = pool::connect_as_owner(url, NO_STATEMENT_TIMEOUT).await?;
                let options = maintenance::Options { retention, is_dry_run: dry_run, is_report_only: report };
                Ok(maintenance::run(&mut conn, &options, say).await?)
            })
        }
        Command::WithDatabase { database, command } => with_database(database, async move |url| run_program(&command, url).await),
        Command::SeedDemo { bags, days, password, database } => with_database(database, async move |url| {
            migrations::run_pending(&url).await?;
            let mut conn = pool::connect_as_owner(url, NO_STATEMENT_TIMEOUT).await?;
            say(&seed_demo::seed(&mut conn, bags, days, &password).await?.to_string());
            Ok(())
        }),
        Command::Openapi => {
            std::io::stdout().write_all(openapi::yaml()?.as_bytes())?;
            Ok(())
        }
        Command::Errors => {
            std::io::stdout().write_all(error::errors_markdown().as_bytes())?;
            Ok(())
        }
        Command::Settings => {
            std::io::stdout().write_all(settings_markdown().as_bytes())?;
            Ok(())
        }
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the async runtime could not be started")
}

type Start = fn(&EmbeddedOptions) -> Result<EmbeddedPostgres, EmbeddedError>;

/// The database of the settings, or the embedded one, started as said.
fn database(config: &DatabaseConfig, start: Start) -> anyhow::Result<(String, Option<EmbeddedPostgres>)> {
    if let Some(url) = &config.database_url {
        return Ok((url.expose().to_owned(), None));
    }
    let options = EmbeddedOptions { data_dir: config.data_dir.clone(), durable: true, extra_settings: Vec::new() };
    let postgres = start(&options)?;
    Ok((postgres.url("traitortrack"), Some(postgres)))
}

fn with_database(config: DatabaseConfig, work: impl AsyncFnOnce(String) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let _log = telemetry::start(LogFormat::Auto);
    let (url, postgres) = database(&config, EmbeddedPostgres::start_or_join)?;
    let done = runtime()?.block_on(work(url));
    stop(postgres)?;
    done
}

/// Runs a program to its end, with the way to the database in its environment.
async fn run_program(command: &[OsString], url: String) -> anyhow::Result<()> {
    let (program, arguments) = command.split_first().context("no command")?;
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(embedded_postgres::tools_folder().into_iter().chain(std::env::split_paths(&folders)))?;
    let named = || program.to_string_lossy().into_owned();
    let status =
        tokio::process::Command::new(program).args(arguments).env("DATABASE_URL", url).env("PATH", path).status().await.with_context(named)?;
    anyhow::ensure!(status.success(), "{} ended with {status}", named());
    Ok(())
}

/// Raises the soft limit of open files to the hard one: each connection takes a file, and the soft
/// limit is often 1,024.
fn raise_open_files_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
}

fn stop(postgres: Option<EmbeddedPostgres>) -> anyhow::Result<()> {
    if let Some(mut postgres) = postgres {
        postgres.stop();
    }
    Ok(())
}

fn serve(mut config: Config) -> anyhow::Result<()> {
    let _log = telemetry::start(config.log_format);
    raise_open_files_limit();
    let (url, mut postgres) = database(&config.database, EmbeddedPostgres::start)?;
    config.database.is_embedded = postgres.is_some();
    config.database.database_url = Some(Secret::from(url));
    let given_up = postgres.as_mut().map(EmbeddedPostgres::given_up);
    let runtime = runtime()?;
    let served = runtime.block_on(async {
        let base_path = config.base_path.clone();
        let mut application = Application::build(config).await?;
        memory::register(application.background());
        greet(&application, &base_path);
        let stopper = application.stopper();
        // Not a registered task: it ends the server, which ends the registered tasks.
        tokio::spawn(async move {
            match stop_signal().await {
                Ok(signal) => tracing::info!(signal, "stopping: running requests are finished first"),
                Err(error) => tracing::error!(%error, "can't wait for signals"),
            }
            stopper.stop().await;
        });
        match given_up {
            None => application.run().await,
            Some(given_up) => tokio::select! {
                served = application.run() => served,
                // The process can't work without its database: the service supervisor restarts it.
                error = given_up => Err(error.into()),
            },
        }
    });
    // Blocking work that is still running waits for the database.
    runtime.shutdown_timeout(BLOCKING_WORK_TIMEOUT);
    stop(postgres)?;
    served
}

/// What a person who started the server by hand needs to know.
fn greet(application: &Application, base_path: &BasePath) {
    let address = application.address();
    let mut lines = format!("\n  TraitorTrack is ready:  http://{address}{base_path}\n  API documentation:      http://{address}{base_path}/docs/\n");
    if let Some(CreatedAdmin { username, password: Some(password) }) = &application.created_admin {
        lines.push_str(&format!("\n  Sign in as:             {username}\n  First password:         {password}\n  It is shown only once and must be changed at the first sign-in.\n"));
    }
    say(&lines);
}

/// For people, beside the log.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Waits for SIGTERM or SIGINT (Ctrl-C).
async fn stop_signal() -> std::io::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}
