//! Splits PostgreSQL's protocol into messages.

/// Maximum length of a collected body, in bytes.
const MAX_BODY: usize = 8 * 1024;
/// The tag, and four bytes of length.
const HEADER: usize = 5;

/// Splits a stream of bytes into messages: `tag, length, body`.
#[derive(Debug)]
pub(super) struct Messages {
    /// Tags whose bodies are collected.
    collects: &'static [u8],
    header: [u8; HEADER],
    header_length: usize,
    /// Bytes of the body that have not arrived.
    missing: usize,
    body: Vec<u8>,
}

impl Messages {
    pub fn new(collects: &'static [u8]) -> Self {
        Self { collects, header: [0; HEADER], header_length: 0, missing: 0, body: Vec::new() }
    }

    /// Consumes bytes and calls `on_message` with the tag and the body of each message that they
    /// complete.
    pub fn feed(&mut self, mut bytes: &[u8], mut on_message: impl FnMut(u8, &[u8])) {
        while !bytes.is_empty() {
            if self.header_length < HEADER {
                let (now, later) = bytes.split_at(bytes.len().min(HEADER - self.header_length));
                self.header[self.header_length..][..now.len()].copy_from_slice(now);
                self.header_length += now.len();
                bytes = later;
                if self.header_length < HEADER {
                    return;
                }
                let [_, length @ ..] = self.header;
                // The length counts its own four bytes.
                self.missing = (u32::from_be_bytes(length) as usize).saturating_sub(4);
                self.body.clear();
            }
            let (now, later) = bytes.split_at(bytes.len().min(self.missing));
            if self.collects.contains(&self.header[0]) {
                let room = MAX_BODY.saturating_sub(self.body.len());
                self.body.extend_from_slice(&now[..now.len().min(room)]);
            }
            self.missing -= now.len();
            bytes = later;
            if self.missing == 0 {
                self.header_length = 0;
                on_message(self.header[0], &self.body);
            }
        }
    }

    /// Whether the last message is complete.
    pub const fn is_at_boundary(&self) -> bool {
        self.header_length == 0
    }
}

/// SQLSTATE and message of an ErrorResponse, whose fields are a byte and a zero-terminated string.
pub(super) fn error_fields(body: &[u8]) -> Option<(&str, &str)> {
    let field = |name: u8| {
        let text = body.split(|byte| *byte == 0).find(|field| field.first() == Some(&name))?;
        std::str::from_utf8(&text[1..]).ok()
    };
    Some((field(b'C')?, field(b'M')?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(messages: &[(u8, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (tag, body) in messages {
            bytes.push(*tag);
            bytes.extend_from_slice(&u32::try_from(body.len() + 4).expect("short").to_be_bytes());
            bytes.extend_from_slice(body);
        }
        bytes
    }

    proptest! {
        #[test]
        fn messages_are_found_however_the_bytes_are_cut(
            messages in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..40)), 0..20),
            cuts in prop::collection::vec(1..30_usize, 1..50),
        ) {
            let bytes = encoded(&messages);
            let mut reader = Messages::new(b"EZ");
            let mut found = Vec::new();
            let (mut rest, mut cuts) = (&bytes[..], cuts.into_iter().cycle());
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(cuts.next().expect("endless")));
                reader.feed(now, |tag, body| found.push((tag, body.to_vec())));
                rest = later;
            }
            prop_assert!(reader.is_at_boundary());
            let expected: Vec<(u8, Vec<u8>)> =
                messages.into_iter().map(|(tag, body)| (tag, if b"EZ".contains(&tag) { body } else { Vec::new() })).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn any_body_of_an_error_is_parsed_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..60)) {
            let _any = error_fields(&body);
        }
    }

    #[test]
    fn an_error_has_a_code_and_a_message() {
        let body = b"SFEHLER\0VERROR\0C53100\0Mkein Platz\0Rmdwrite\0\0";
        assert_eq!(error_fields(body), Some(("53100", "kein Platz")));
        assert_eq!(error_fields(b"SERROR\0\0"), None);
    }
}
