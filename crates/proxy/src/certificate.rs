//! Certificates as text of one line, for fields and logs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but RFC 3986's unreserved characters (section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Certificates in DER as PEM with percent-encoding.
pub(crate) fn encoded<'a>(chain: impl Iterator<Item = &'a [u8]>) -> String {
    chain.fold(String::new(), |mut out, der| {
        out.extend(utf8_percent_encode(&pem(der), RESERVED));
        out
    })
}

fn pem(der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in encoded.as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_pem_without_line_ends() {
        let text = encoded([b"Ma".as_slice()].into_iter());
        assert_eq!(
            text,
            "-----BEGIN%20CERTIFICATE-----%0ATWE%3D%0A-----END%20CERTIFICATE-----%0A"
        );
    }
}
