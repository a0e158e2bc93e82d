//! The ways an e-mail leaves the house.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use reqwest::StatusCode;
use serde_json::json;
use uuid::Uuid;

use super::templates::Content;
use crate::config::{Config, Secret};
use crate::jobs::JobError;

/// A mail server that has not answered by then counts as away.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Characters of SendGrid's answer that are kept when it refuses.
const MAX_REASON: usize = 500;

/// One e-mail.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Stays the same when sending is tried again, so that mail programs show an e-mail sent twice once.
    pub id: Uuid,
    /// The address of the person.
    pub to: String,
    pub content: Content,
}

/// Sends e-mails.
pub struct Mailer {
    from: Mailbox,
    transport: Transport,
}

enum Transport {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    SendGrid { client: reqwest::Client, url: String, key: Secret },
    Files(PathBuf),
}

impl Mailer {
    /// The way that the settings name.
    ///
    /// # Errors
    /// When MAIL_FROM, SMTP_URL or SENDGRID_URL is malformed.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let from = config.mail_from.parse().context("MAIL_FROM must be an address, as in: TraitorTrack <traitortrack@example.com>")?;
        let transport = if let Some(url) = &config.smtp_url {
            let builder =
                AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose()).context("SMTP_URL must be a URL such as smtps://user:password@host")?;
            tracing::info!("emails are sent with SMTP");
            Transport::Smtp(builder.timeout(Some(TIMEOUT)).build())
        } else if let Some(key) = &config.sendgrid_api_key {
            reqwest::Url::parse(&config.sendgrid_url).context("SENDGRID_URL must be a URL")?;
            tracing::info!("emails are sent with SendGrid");
            let client = reqwest::Client::builder().timeout(TIMEOUT).build()?;
            Transport::SendGrid { client, url: format!("{}/v3/mail/send", config.sendgrid_url.trim_end_matches('/')), key: key.clone() }
        } else {
            let folder = config.database.data_dir.join("mail");
            tracing::warn!(folder = %folder.display(), "emails are not sent but written to files: set SMTP_URL or SENDGRID_API_KEY");
            Transport::Files(folder)
        };
        Ok(Self { from, transport })
    }

    /// Sends an e-mail, to the point where the mail server has taken it.
    ///
    /// # Errors
    /// [`JobError::Permanent`] when it was refused for good (5xx of SMTP, 4xx of SendGrid) or the address is none;
    /// [`JobError::Retry`] when trying again may help.
    pub async fn send(&self, mail: &Mail) -> Result<(), JobError> {
        let to: Mailbox = mail.to.parse().map_err(|error| JobError::Permanent(anyhow!("invalid email address: {error}")))?;
        match &self.transport {
            Transport::Smtp(transport) => match transport.send(self.message(mail, to)?).await {
                Ok(_taken) => Ok(()),
                Err(error) if error.is_permanent() => Err(JobError::Permanent(anyhow!(error).context("the mail server refused the email"))),
                Err(error) => Err(JobError::Retry(anyhow!(error).context("the mail server could not accept the email"))),
            },
            Transport::SendGrid { client, url, key } => {
                let request = client.post(url).bearer_auth(key.expose()).json(&self.sendgrid_body(mail, &to));
                let response = request.send().await.context("SendGrid can't be reached")?;
                let status = response.status();
                if status.is_success() {
                    return Ok(());
                }
                let reason: String = response.text().await.unwrap_or_default().chars().take(MAX_REASON).collect();
                let error = anyhow!("SendGrid returned {status}: {reason}");
                let is_permanent = status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS && status != StatusCode::REQUEST_TIMEOUT;
                Err(if is_permanent { JobError::Permanent(error) } else { JobError::Retry(error) })
            }
            Transport::Files(folder) => {
                let (folder, bytes, id) = (folder.clone(), self.message(mail, to)?.formatted(), mail.id);
                tokio::task::spawn_blocking(move || write_file(&folder, id, &bytes)).await??;
                Ok(())
            }
        }
    }

    /// Do e-mails stay here, as files?
    pub fn keeps_files(&self) -> bool {
        matches!(self.transport, Transport::Files(_))
    }

    /// Deletes the file of an e-mail, where e-mails are files.
    ///
    /// # Errors
    /// When it is there and can't be deleted.
    pub async fn delete_file(&self, id: Uuid) -> std::io::Result<()> {
        let Transport::Files(folder) = &self.transport else { return Ok(()) };
        match tokio::fs::remove_file(folder.join(format!("{id}.eml"))).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn message(&self, mail: &Mail, to: Mailbox) -> Result<Message, JobError> {
        let Content { subject, text, html } = mail.content.clone();
        let mut message = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(subject)
            .message_id(Some(format!("<{}@{}>", mail.id, self.from.email.domain())))
            .multipart(MultiPart::alternative_plain_html(text, html))
            .map_err(|error| JobError::Permanent(anyhow!(error).context("the email could not be written")))?;
        // RFC 3834: answering machines leave it alone.
        message.headers_mut().insert_raw(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".into()));
        Ok(message)
    }

    fn sendgrid_body(&self, mail: &Mail, to: &Mailbox) -> serde_json::Value {
        let Content { subject, text, html } = &mail.content;
        json!({
            "personalizations": [{"to": [{"email": to.email.to_string()}]}],
            "from": {"email": self.from.email.to_string(), "name": self.from.name.as_deref().unwrap_or("TraitorTrack")},
            "subject": subject,
            "content": [{"type": "text/plain", "value": text}, {"type": "text/html", "value": html}],
            "headers": {"Auto-Submitted": "auto-generated"},
            // A link to a new password must not lead through a third party.
            "tracking_settings": {"click_tracking": {"enable": false, "enable_text": false}, "open_tracking": {"enable": false}},
        })
    }
}

/// Readable by the server's own user only: there may be a link to a new password in it.
fn write_file(folder: &Path, id: Uuid, bytes: &[u8]) -> anyhow::Result<()> {
    let path = folder.join(format!("{id}.eml"));
    let write = || {
        std::fs::create_dir_all(folder)?;
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?.write_all(bytes)
    };
    write().with_context(|| format!("{} could not be written", path.display()))?;
    tracing::info!(file = %path.display(), "email written to a file");
    Ok(())
}
