//! Every setting in one typed struct, read from arguments, the environment, `.env` and `*_FILE`.

pub mod retention;
mod secret;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser};

pub use self::secret::Secret;
use crate::http::base_path::BasePath;
use crate::http::origin::Origin;
use crate::identity::Role;

/// Longest first lock of an account, in seconds.
const MAX_LOCKOUT_SECONDS: i64 = 30 * 24 * 60 * 60;
/// Longest grace for a used refresh token, in seconds.
const MAX_REFRESH_GRACE_SECONDS: i64 = 300;

/// Where the data is: shared by every subcommand that needs a database.
#[derive(Debug, Clone, Args)]
pub struct DatabaseConfig {
    /// Folder for the data of the embedded PostgreSQL, keys and files
    #[arg(long, env = "DATA_DIR", default_value = "./var", value_name = "FOLDER", help_heading = "Data")]
    pub data_dir: PathBuf,

    /// PostgreSQL to use, e.g. postgres://user:password@host/database; if unset, the server runs an
    /// embedded one in DATA_DIR
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL", help_heading = "Data")]
    pub database_url: Option<Secret>,

    /// Database connections of this process; 0 means 2 per processor core, plus 1
    #[arg(long, env = "DATABASE_POOL_SIZE", default_value_t = 0, value_name = "COUNT", help_heading = "Data")]
    pub database_pool_size: usize,

    /// Maximum duration of a single SQL statement
    #[arg(long, env = "STATEMENT_TIMEOUT_SECONDS", default_value_t = 15, value_name = "SECONDS", help_heading = "Data")]
    pub statement_timeout_seconds: u64,

    /// The server runs its own PostgreSQL, so DATA_DIR is a place to keep things.
    #[arg(skip)]
    pub is_embedded: bool,
}

/// Everything `api serve` can be told. Each setting is also an environment variable, and each variable
/// also one with `_FILE` appended that names a file holding the value.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Address and port to listen on
    #[arg(long, env = "BIND", default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT", help_heading = "Server")]
    pub bind: SocketAddr,

    /// Threads that serve requests; 0 means one per processor core
    #[arg(long, env = "WORKERS", default_value_t = 0, value_name = "COUNT", help_heading = "Server")]
    pub workers: usize,

    /// Maximum duration of a request before it is answered with 503
    #[arg(long, env = "REQUEST_TIMEOUT_SECONDS", default_value_t = 30, value_name = "SECONDS", help_heading = "Server")]
    pub request_timeout_seconds: u64,

    /// Time that running requests have to finish after a stop signal
    #[arg(long, env = "SHUTDOWN_TIMEOUT_SECONDS", default_value_t = 30, value_name = "SECONDS", help_heading = "Server")]
    pub shutdown_timeout_seconds: u64,

    /// Time that the server continues to serve after a stop signal, while /health/ready returns
    /// 503; set it to more than the load balancer needs to notice
    #[arg(long, env = "DRAIN_SECONDS", default_value_t = 0, value_name = "SECONDS", help_heading = "Server")]
    pub drain_seconds: u64,

    /// Networks of trusted proxies, e.g. 10.0.0.0/8,192.168.1.7/32; X-Forwarded-For is accepted
    /// only from these
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',', value_name = "NETWORKS", help_heading = "Server")]
    pub trusted_proxies: Vec<ipnet::IpNet>,

    /// Path of the server on a shared host, e.g. /tracking; requests without it are answered too
    #[arg(long, env = "BASE_PATH", default_value = "", value_name = "PATH", help_heading = "Server")]
    pub base_path: BasePath,

    /// Origins of web pages on other hosts that may use the API, e.g.
    /// `https://app.example.com,https://other.example:8443`; none by default
    #[arg(long, env = "CORS_ALLOWED_ORIGINS", value_delimiter = ',', value_name = "ORIGINS", help_heading = "Server")]
    pub cors_allowed_origins: Vec<Origin>,

    /// Format of the log on standard output: json, text, or auto (text on a terminal)
    #[arg(long, env = "LOG_FORMAT", default_value = "auto", value_name = "FORMAT", help_heading = "Server")]
    pub log_format: LogFormat,

    /// Time zone in which a day begins
    #[arg(long, env = "TIME_ZONE", default_value = "Asia/Kolkata", value_name = "ZONE", help_heading = "Server")]
    pub time_zone: chrono_tz::Tz,

    /// Public address for links in emails, including BASE_PATH if set; the address of the web app
    /// if it is on a separate host; defaults to BIND
    #[arg(long, env = "PUBLIC_URL", value_name = "URL", help_heading = "E-mail")]
    pub public_url: Option<String>,

    /// Sender of emails
    #[arg(long, env = "MAIL_FROM", default_value = "TraitorTrack <traitortrack@localhost>", value_name = "ADDRESS", help_heading = "E-mail")]
    pub mail_from: String,

    /// Mail server, e.g. smtps://user:password@host or smtp://host:587?tls=required; without it and
    /// SENDGRID_API_KEY, emails are written to DATA_DIR/mail
    #[arg(long, env = "SMTP_URL", hide_env_values = true, value_name = "URL", help_heading = "E-mail")]
    pub smtp_url: Option<Secret>,

    /// SendGrid API key, to send emails with SendGrid
    #[arg(long, env = "SENDGRID_API_KEY", hide_env_values = true, value_name = "KEY", help_heading = "E-mail")]
    pub sendgrid_api_key: Option<Secret>,

    /// Address of the SendGrid API
    #[arg(long, env = "SENDGRID_URL", default_value = "https://api.sendgrid.com", value_name = "URL", help_heading = "E-mail")]
    pub sendgrid_url: String,

    #[command(flatten)]
    pub database: DatabaseConfig,

    /// Do not run migrations at the start; run `api migrate` yourself
    #[arg(long, env = "SKIP_MIGRATIONS", help_heading = "Data")]
    pub skip_migrations: bool,

    /// Redis shared by several processes, e.g. redis://host:port; without it, limits and caches
    /// apply to each process separately
    #[arg(long, env = "REDIS_URL", hide_env_values = true, value_name = "URL", help_heading = "Data")]
    pub redis_url: Option<Secret>,

    /// Maximum age of cached totals, searches and bags, which always include the caller's own
    /// writes; 0 turns caching off, as required by several processes without Redis
    #[arg(long, env = "CACHE_SECONDS", default_value_t = 2, value_name = "SECONDS", help_heading = "Data")]
    pub cache_seconds: u64,

    /// Streaming replicas of the database that serve reads, e.g.
    /// postgres://user:password@host/database,postgres://…; none by default
    #[arg(long, env = "READ_REPLICA_URLS", hide_env_values = true, value_delimiter = ',', value_name = "URLS", help_heading = "Data")]
    pub read_replica_urls: Vec<Secret>,

    /// Maximum lag of a replica; a replica with more lag gets no reads
    #[arg(long, env = "REPLICA_MAX_LAG_SECONDS", default_value_t = 10, value_name = "SECONDS", help_heading = "Data")]
    pub replica_max_lag_seconds: u64,

    /// Username of the admin that is created at the start if no admin can sign in; a number is
    /// added if the name is taken
    #[arg(long, env = "ADMIN_USERNAME", default_value = "admin", value_name = "NAME", help_heading = "Sign-in")]
    pub admin_username: String,

    /// Password of that admin; if unset, one is generated, printed once, and must be changed at the
    /// first sign-in
    #[arg(long, env = "ADMIN_PASSWORD", hide_env_values = true, value_name = "PASSWORD", help_heading = "Sign-in")]
    pub admin_password: Option<Secret>,

    /// Key that signs access tokens, at least 32 bytes; if unset, one is generated and stored in
    /// the database
    #[arg(long, env = "JWT_SECRET", hide_env_values = true, value_name = "KEY", help_heading = "Sign-in")]
    pub jwt_secret: Option<Secret>,

    /// Signature algorithm of access tokens: HS256, or EdDSA, whose public keys are at
    /// /.well-known/jwks.json
    #[arg(long, env = "JWT_ALGORITHM", default_value = "HS256", value_name = "ALGORITHM", help_heading = "Sign-in")]
    pub jwt_algorithm: JwtAlgorithm,

    /// Key that encrypts secrets such as those of two-factor authentication, at least 32 bytes; if
    /// unset, one is generated and stored in DATA_DIR, or in the database if DATABASE_URL is set
    #[arg(long, env = "DATA_ENCRYPTION_KEY", hide_env_values = true, value_name = "KEY", help_heading = "Sign-in")]
    pub data_encryption_key: Option<Secret>,

    /// Roles that require two-factor authentication, e.g. biller,admin
    #[arg(long, env = "TWO_FACTOR_REQUIRED_ROLES", value_delimiter = ',', value_parser = role, value_name = "ROLES", help_heading = "Sign-in")]
    pub two_factor_required_roles: Vec<Role>,

    /// Lifetime of a password reset link
    #[arg(long, env = "PASSWORD_RESET_SECONDS", default_value_t = 60 * 60, value_name = "SECONDS", help_heading = "Sign-in")]
    pub password_reset_seconds: i64,

    /// Require a new password at the next sign-in after an admin has set one; turn off only on test
    /// systems with shared accounts
    #[arg(long, env = "REQUIRE_PASSWORD_CHANGE", default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL", help_heading = "Sign-in")]
    pub require_password_change: bool,

    /// Lifetime of an access token
    #[arg(long, env = "ACCESS_TOKEN_SECONDS", default_value_t = 15 * 60, value_name = "SECONDS", help_heading = "Sign-in")]
    pub access_token_seconds: i64,

    /// A session ends after this time without use
    #[arg(long, env = "SESSION_IDLE_SECONDS", default_value_t = 60 * 60, value_name = "SECONDS", help_heading = "Sign-in")]
    pub session_idle_seconds: i64,

    /// Maximum duration of a session
    #[arg(long, env = "SESSION_MAX_SECONDS", default_value_t = 12 * 60 * 60, value_name = "SECONDS", help_heading = "Sign-in")]
    pub session_max_seconds: i64,

    /// Time during which a used refresh token returns the same successor again, for lost responses
    /// and several tabs
    #[arg(long, env = "REFRESH_GRACE_SECONDS", default_value_t = 30, value_name = "SECONDS", help_heading = "Sign-in")]
    pub refresh_grace_seconds: i64,

    /// Number of wrong passwords or codes that lock an account for an address or a known device
    #[arg(long, env = "LOCKOUT_ATTEMPTS", default_value_t = 5, value_name = "COUNT", help_heading = "Sign-in")]
    pub lockout_attempts: i16,

    /// Duration of the first lock; it doubles with each further lock, up to eight times
    #[arg(long, env = "LOCKOUT_SECONDS", default_value_t = 15 * 60, value_name = "SECONDS", help_heading = "Sign-in")]
    pub lockout_seconds: i64,

    /// Send the refresh cookie only over HTTPS (browsers make an exception for localhost); turn off
    /// only for plain HTTP in a closed network
    #[arg(long, env = "COOKIE_SECURE", default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL", help_heading = "Sign-in")]
    pub cookie_secure: bool,

    /// Pages whose requests contain the refresh cookie: strict and lax for pages of the same site
    /// (a.example.com and b.example.com are one), none for pages in CORS_ALLOWED_ORIGINS on any
    /// site, which requires COOKIE_SECURE
    #[arg(long, env = "COOKIE_SAME_SITE", default_value = "strict", value_name = "RULE", help_heading = "Sign-in")]
    pub cookie_same_site: CookieSameSite,

    /// Failed sign-ins per minute from one address for all accounts; successful ones do not count
    #[arg(long, env = "SIGN_IN_LIMIT_PER_MINUTE", default_value_t = 10, value_name = "COUNT", help_heading = "Limits")]
    pub sign_in_limit_per_minute: u32,

    /// Password reset links per hour for one account
    #[arg(long, env = "PASSWORD_RESET_LIMIT_PER_HOUR", default_value_t = 3, value_name = "COUNT", help_heading = "Limits")]
    pub password_reset_limit_per_hour: u32,

    /// Password reset links per hour requested from one address
    #[arg(long, env = "PASSWORD_RESET_LIMIT_PER_ADDRESS", default_value_t = 30, value_name = "COUNT", help_heading = "Limits")]
    pub password_reset_limit_per_address: u32,

    /// Requests per minute of one caller (scans have a separate limit)
    #[arg(long, env = "REQUEST_LIMIT_PER_MINUTE", default_value_t = 10_000, value_name = "COUNT", help_heading = "Limits")]
    pub request_limit_per_minute: u32,

    /// Scan requests per minute of one caller
    #[arg(long, env = "SCAN_LIMIT_PER_MINUTE", default_value_t = 6_000, value_name = "COUNT", help_heading = "Limits")]
    pub scan_limit_per_minute: u32,

    /// Maximum number of open event streams per caller, about one per open page of the web app; all
    /// callers together may use half of the connections that the limit of open files allows
    #[arg(long, env = "EVENT_STREAMS_PER_CALLER", default_value_t = 20, value_name = "COUNT", help_heading = "Limits")]
    pub event_streams_per_caller: usize,

    /// Time during which a scan can be undone
    #[arg(long, env = "UNDO_WINDOW_SECONDS", default_value_t = 60 * 60, value_name = "SECONDS", help_heading = "Scanning")]
    pub undo_window_seconds: i64,

    /// Allow parent bags on a bill that are not completed; the response contains a warning
    #[arg(long, env = "BILL_OPEN_PARENTS", default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL", help_heading = "Bills")]
    pub bill_open_parents: bool,

    /// Days that audit entries stay in the database; older months are moved to files, role changes
    /// and deletions also stay; 0 keeps everything
    #[arg(long, env = "AUDIT_RETENTION_DAYS", default_value_t = 365, value_parser = retention::parse_days, allow_negative_numbers = true, value_name = "DAYS", help_heading = "Audit log")]
    pub audit_retention_days: u32,

    /// Folder for archived months of the audit log; defaults to audit-archive in DATA_DIR
    #[arg(long, env = "AUDIT_ARCHIVE_DIR", value_name = "FOLDER", help_heading = "Audit log")]
    pub audit_archive_dir: Option<PathBuf>,

    /// Time at which the end-of-day summary is sent by email, in TIME_ZONE; `off` for never
    #[arg(long, env = "END_OF_DAY_AT", default_value = "20:00", value_name = "HH:MM", value_parser = time_of_day, help_heading = "Reports")]
    pub end_of_day_at: TimeOfDay,

    /// Roles that receive the end-of-day summary
    #[arg(long, env = "END_OF_DAY_ROLES", default_value = "admin", value_delimiter = ',', value_name = "ROLES", value_parser = role, help_heading = "Reports")]
    pub end_of_day_roles: Vec<Role>,

    /// Maximum number of scans waiting for the scan writer; further scans are answered with 503
    #[arg(long, env = "SCAN_QUEUE_SIZE", default_value_t = 4_096, value_name = "COUNT", help_heading = "Scanning")]
    pub scan_queue_size: usize,

    /// Tasks that write scans, each with a separate database connection
    #[arg(long, env = "SCAN_WRITERS", default_value_t = 2, value_name = "COUNT", help_heading = "Scanning")]
    pub scan_writers: usize,

    /// Maximum number of scans per transaction
    #[arg(long, env = "SCAN_BATCH_SIZE", default_value_t = 256, value_name = "COUNT", help_heading = "Scanning")]
    pub scan_batch_size: usize,

    /// Maximum size of an import file
    #[arg(long, env = "IMPORT_MAX_BYTES", default_value_t = 256 * 1024 * 1024, value_name = "BYTES", help_heading = "Imports")]
    pub import_max_bytes: u64,
}

impl Config {
    /// The settings without arguments or environment: what tests and tools start from.
    pub fn defaults() -> Self {
        #[derive(Parser)]
        struct Defaults {
            #[command(flatten)]
            config: Config,
        }
        // Every environment variable is cut off, so that a developer's shell cannot change a test.
        let command = Defaults::command().mut_args(|arg| arg.env(None::<&str>));
        let matches = command.get_matches_from(["defaults"]);
        <Config as clap::FromArgMatches>::from_arg_matches(&matches).expect("every setting has a default")
    }

    /// Longest a request may take.
    pub fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout_seconds)
    }

    /// The number of worker threads.
    pub fn worker_count(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(2, usize::from),
            set => set,
        }
    }

    /// Lifetime of cached responses.
    pub fn cache_lifetime(&self) -> Duration {
        Duration::from_secs(self.cache_seconds)
    }

    /// Checks what single settings can't know of each other.
    ///
    /// # Errors
    /// A sentence that names the setting and what it should be.
    pub fn check(&self) -> Result<(), String> {
        if let Some(secret) = &self.jwt_secret
            && secret.expose().len() < 32
        {
            return Err("JWT_SECRET must be 32 bytes or longer, for example from `openssl rand -base64 48`.".into());
        }
        if self.jwt_secret.is_some() && self.jwt_algorithm != JwtAlgorithm::Hs256 {
            return Err("JWT_SECRET is a key for HS256. Omit it, or set JWT_ALGORITHM=HS256.".into());
        }
        if self.data_encryption_key.as_ref().is_some_and(|key| key.expose().len() < 32) {
            return Err("DATA_ENCRYPTION_KEY must be 32 bytes or longer, for example from `openssl rand -base64 48`.".into());
        }
        if self.cookie_same_site == CookieSameSite::None && !self.cookie_secure {
            return Err("COOKIE_SAME_SITE=none requires COOKIE_SECURE=true: otherwise, browsers drop the cookie.".into());
        }
        if self.smtp_url.is_some() && self.sendgrid_api_key.is_some() {
            return Err("SMTP_URL and SENDGRID_API_KEY are two ways to send emails. Set only one of them.".into());
        }
        if self.password_reset_seconds < 1 || self.password_reset_limit_per_hour == 0 || self.password_reset_limit_per_address == 0 {
            return Err("PASSWORD_RESET_SECONDS, PASSWORD_RESET_LIMIT_PER_HOUR and PASSWORD_RESET_LIMIT_PER_ADDRESS must be 1 or more.".into());
        }
        if self.cache_seconds > 60 {
            return Err("CACHE_SECONDS must be 60 or less: older figures would look wrong.".into());
        }
        if self.scan_writers == 0 || self.scan_batch_size == 0 || self.scan_queue_size == 0 {
            return Err("SCAN_WRITERS, SCAN_BATCH_SIZE and SCAN_QUEUE_SIZE must be 1 or more.".into());
        }
        if self.sign_in_limit_per_minute == 0 || self.request_limit_per_minute == 0 || self.scan_limit_per_minute == 0 {
            return Err("SIGN_IN_LIMIT_PER_MINUTE, REQUEST_LIMIT_PER_MINUTE and SCAN_LIMIT_PER_MINUTE must be 1 or more.".into());
        }
        if self.audit_retention_days > retention::MAX_DAYS {
            return Err(format!("AUDIT_RETENTION_DAYS must be a number of days from 1 to {}; 0 keeps everything.", retention::MAX_DAYS));
        }
        if self.event_streams_per_caller == 0 {
            return Err("EVENT_STREAMS_PER_CALLER must be 1 or more.".into());
        }
        if self.replica_max_lag_seconds == 0 {
            return Err("REPLICA_MAX_LAG_SECONDS must be 1 or more.".into());
        }
        if self.access_token_seconds < 1 || self.session_idle_seconds < 1 || self.session_max_seconds < 1 {
            return Err("ACCESS_TOKEN_SECONDS, SESSION_IDLE_SECONDS and SESSION_MAX_SECONDS must be 1 or more.".into());
        }
        if self.lockout_attempts < 1 || !(1..=MAX_LOCKOUT_SECONDS).contains(&self.lockout_seconds) {
            return Err("LOCKOUT_ATTEMPTS must be 1 or more, and LOCKOUT_SECONDS from 1 to 2592000 (30 days).".into());
        }
        if !(0..=MAX_REFRESH_GRACE_SECONDS).contains(&self.refresh_grace_seconds) {
            return Err("REFRESH_GRACE_SECONDS must be from 0 to 300: a stolen refresh token is accepted for that long.".into());
        }
        Ok(())
    }
}

/// How tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum JwtAlgorithm {
    /// HMAC with SHA-256: one secret key signs and verifies.
    #[value(name = "HS256")]
    Hs256,
    /// Ed25519: whoever verifies needs only the public key.
    #[value(name = "EdDSA")]
    EdDsa,
}

impl JwtAlgorithm {
    /// The name in settings, tokens and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Hs256, Self::EdDsa].into_iter().find(|algorithm| algorithm.as_str() == name)
    }
}

/// The `SameSite` rule of the refresh cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum CookieSameSite {
    /// Sent only from pages of the same site.
    Strict,
    /// Also along with a link from another site; it leads to no call that reads the cookie.
    Lax,
    /// Sent from pages of any site; which of them are listened to is decided by their origin.
    None,
}

fn role(name: &str) -> Result<Role, String> {
    Role::from_name(name.trim()).ok_or_else(|| format!("there is no role {name:?}: use dispatcher, biller or admin"))
}

/// A time of day, or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeOfDay(pub Option<chrono::NaiveTime>);

fn time_of_day(text: &str) -> Result<TimeOfDay, String> {
    if text == "off" {
        return Ok(TimeOfDay(None));
    }
    chrono::NaiveTime::parse_from_str(text, "%H:%M").map(|time| TimeOfDay(Some(time))).map_err(|_| "use HH:MM, or off".to_owned())
}

/// Form of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    Json,
    Text,
}

/// Adds `--setting value` for every setting whose variable is not set but whose `…_FILE` is.
///
/// Secrets mounted as files (Docker, Kubernetes, systemd credentials) thus need no shell around the binary.
///
/// # Errors
/// A sentence naming the file that can't be read.
pub fn with_settings_from_files(command: &clap::Command, mut arguments: Vec<OsString>) -> Result<Vec<OsString>, String> {
    let Some(subcommand) = arguments.get(1).and_then(|name| name.to_str()).and_then(|name| command.find_subcommand(name)) else {
        return Ok(arguments);
    };
    for argument in subcommand.get_arguments() {
        let (Some(variable), Some(long)) = (argument.get_env().and_then(|env| env.to_str()), argument.get_long()) else { continue };
        let file_variable = format!("{variable}_FILE");
        if std::env::var_os(variable).is_some() {
            continue;
        }
        let Some(path) = std::env::var_os(&file_variable) else { continue };
        let value = std::fs::read_to_string(&path)
            .map_err(|error| format!("{file_variable} names {}, which can't be read: {error}", path.to_string_lossy()))?;
        let long = format!("--{long}");
        if arguments.iter().any(|given| given.to_string_lossy().split('=').next() == Some(&long)) {
            continue;
        }
        // Right after the subcommand: what comes last may be a command to run.
        arguments.insert(2, format!("{long}={}", value.trim_end_matches(['\r', '\n'])).into());
    }
    Ok(arguments)
}

/// The table of settings as Markdown (docs/settings.md), from the same definitions as `api serve --help`.
pub fn settings_markdown() -> String {
    use std::fmt::Write;
    #[derive(Parser)]
    struct Settings {
        #[command(flatten)]
        config: Config,
    }
    let mut text = String::from(
        "# Settings\n\nEvery setting of `api serve` is an argument, an environment variable, a line in `.env`, or a file named by the \
         variable with `_FILE` appended (`ADMIN_PASSWORD_FILE=/run/secrets/admin`). Arguments override variables, variables override `.env`, \
         and all of them override files. All settings are optional. Written by `api settings`; a test checks that it matches the code.\n",
    );
    let command = Settings::command();
    let mut heading = None;
    for argument in command.get_arguments() {
        let (Some(long), Some(variable)) = (argument.get_long(), argument.get_env()) else { continue };
        if argument.get_help_heading() != heading {
            heading = argument.get_help_heading();
            let _ = write!(text, "\n## {}\n\n| variable | argument | default | meaning |\n| --- | --- | --- | --- |\n", heading.unwrap_or("Others"));
        }
        let defaults: Vec<_> =
            argument.get_default_values().iter().filter(|value| !value.is_empty()).map(|value| format!("`{}`", value.to_string_lossy())).collect();
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(text, "| `{}` | `--{long}` | {} | {help} |", variable.to_string_lossy(), defaults.join(", "));
    }
    text
}
