//! Encryption of what must be read again, such as the secrets of second factors: AES-256-GCM under a key of the
//! installation. And authentication codes (HMAC-SHA-256) under another key from the same source.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, anyhow};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::config::Config;
use crate::db::schema::data_keys;

/// Name of the file in DATA_DIR.
const FILE: &str = "encryption.key";

/// Encrypts, decrypts and authenticates.
pub struct DataKey {
    encryption: LessSafeKey,
    authentication: hmac::Key,
}

impl DataKey {
    /// The key of DATA_ENCRYPTION_KEY; else that of DATA_DIR, where the server runs its own PostgreSQL there; else that
    /// of the database, which all processes share. The latter two are made at the first start.
    ///
    /// # Errors
    /// When the file or the database can't be read or written.
    pub async fn load(conn: &mut AsyncPgConnection, config: &Config) -> anyhow::Result<Self> {
        match &config.data_encryption_key {
            Some(configured) => Self::derive(configured.expose().as_bytes()),
            None if config.database.is_embedded => Self::derive(&from_file(&config.database.data_dir)?),
            None => Self::derive(&from_database(conn).await?),
        }
    }

    /// HKDF makes a key of the right length of anything with enough randomness in it (RFC 5869).
    pub(super) fn derive(material: &[u8]) -> anyhow::Result<Self> {
        let failed = |_| anyhow!("the encryption key could not be derived");
        let pseudo_random = Salt::new(HKDF_SHA256, b"traitortrack").extract(material);
        let encryption = pseudo_random.expand(&[b"secrets at rest"], &AES_256_GCM).map_err(failed)?;
        let authentication = pseudo_random.expand(&[b"authentication codes"], HMAC_SHA256).map_err(failed)?;
        Ok(Self { encryption: LessSafeKey::new(UnboundKey::from(encryption)), authentication: hmac::Key::from(authentication) })
    }

    /// A code that only this key makes of these parts for this purpose. All parts but the last have a fixed length.
    pub fn authenticate(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.authentication);
        context.update(purpose.as_bytes());
        context.update(&[0]);
        for part in parts {
            context.update(part);
        }
        context.sign().as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    /// Encrypts. `purpose` says what it is and whose: it is not stored, and decrypting needs the same.
    ///
    /// # Errors
    /// When encryption fails (never for short values).
    pub fn seal(&self, purpose: &str, plain: &[u8]) -> anyhow::Result<Vec<u8>> {
        let nonce: [u8; NONCE_LEN] = std::array::from_fn(|_| rand::random());
        let mut sealed = plain.to_vec();
        self.encryption
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(purpose), &mut sealed)
            .map_err(|_| anyhow!("encryption failed"))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Decrypts what [`DataKey::seal`] made.
    ///
    /// # Errors
    /// When it was made with another key or for another purpose, or is damaged.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> anyhow::Result<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN).context("too short for something encrypted")?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| anyhow!("no nonce"))?;
        let mut buffer = sealed.to_vec();
        let plain = self
            .encryption
            .open_in_place(nonce, Aad::from(purpose), &mut buffer)
            .map_err(|_| anyhow!("a stored secret can't be decrypted: DATA_ENCRYPTION_KEY or the file {FILE} may have changed"))?;
        Ok(plain.to_vec())
    }
}

fn from_file(folder: &Path) -> anyhow::Result<Vec<u8>> {
    let path = folder.join(FILE);
    let named = || format!("{}", path.display());
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let key = STANDARD.decode(text.trim()).with_context(named)?;
            anyhow::ensure!(key.len() == 32, "{} is damaged: it should hold 32 bytes in base64", path.display());
            Ok(key)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key: [u8; 32] = std::array::from_fn(|_| rand::random());
            // Written beside and moved: a crash leaves the whole key or none.
            let beside = folder.join(format!("{FILE}.new"));
            let write = || {
                std::fs::create_dir_all(folder)?;
                let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
                file.write_all(STANDARD.encode(key).as_bytes())?;
                file.sync_all()?;
                std::fs::rename(&beside, &path)
            };
            write().with_context(named)?;
            Ok(key.to_vec())
        }
        Err(error) => Err(error).with_context(named),
    }
}

async fn from_database(conn: &mut AsyncPgConnection) -> anyhow::Result<Vec<u8>> {
    let secret: [u8; 32] = std::array::from_fn(|_| rand::random());
    // Of processes that start together one makes the key, and all read that one.
    diesel::insert_into(data_keys::table).values(data_keys::secret.eq(secret.as_slice())).on_conflict_do_nothing().execute(conn).await?;
    data_keys::table.select(data_keys::secret).first(conn).await.context("the encryption key could not be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_and_purpose_open_what_was_sealed() {
        let key = DataKey::derive(b"a configured key of 32 bytes or more").unwrap();
        let sealed = key.seal("totp of 7", b"secret").unwrap();
        assert_ne!(sealed, key.seal("totp of 7", b"secret").unwrap(), "a nonce of its own each time");
        assert_eq!(key.open("totp of 7", &sealed).unwrap(), b"secret");
        assert!(key.open("totp of 8", &sealed).is_err(), "moved to another person");
        assert!(DataKey::derive(b"another key of 32 bytes or more, too").unwrap().open("totp of 7", &sealed).is_err());
        let mut damaged = sealed.clone();
        damaged[NONCE_LEN] ^= 1;
        assert!(key.open("totp of 7", &damaged).is_err());
        assert!(key.open("totp of 7", b"short").is_err());
    }

    #[test]
    fn the_file_is_made_once_for_the_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = std::env::temp_dir().join(uuid::Uuid::new_v4().to_string());
        let made = from_file(&folder).unwrap();
        assert_eq!(from_file(&folder).unwrap(), made);
        assert_eq!(std::fs::metadata(folder.join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(folder.join(FILE), "c2hvcnQ=").unwrap();
        assert!(from_file(&folder).is_err());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
