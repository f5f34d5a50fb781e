//! The PROXY protocol, versions 1 and 2.

use ferromesh_net::{ProxyHeader, ProxyVersion, parse_proxy_header, proxy_header};

use crate::Target;
use crate::prefix::verdict_stays;

pub(crate) const TARGET: Target = Target {
    name: "proxy_protocol",
    about: "more bytes never change a verdict; the header lies in the bytes; what is written is read again",
    run,
    seeds,
    words: &[
        "PROXY ",
        "TCP4 ",
        "TCP6 ",
        "UNKNOWN",
        "\r\n",
        "10.0.0.1 ",
        "::1 ",
        "65535",
        "65536",
        "\r\n\r\n\0\r\nQUIT\n",
        "\u{21}\u{11}",
        "\u{21}\u{21}",
        "\u{20}\0",
        "\0\u{c}",
        "\0$",
    ],
};

/// Longest header of version 2: its fixed part and what two bytes can count.
const LONGEST: usize = 16 + 65_535;

fn run(bytes: &[u8]) {
    let verdict = verdict_stays(bytes, &ProxyHeader::Incomplete, parse_proxy_header);
    match verdict {
        ProxyHeader::Incomplete => assert!(bytes.len() < LONGEST, "never decided"),
        ProxyHeader::Present {
            length, addresses, ..
        } => {
            assert!(length <= bytes.len() && length >= 8);
            for version in [ProxyVersion::V1, ProxyVersion::V2] {
                let written = proxy_header(version, addresses);
                let again = ProxyHeader::Present {
                    version,
                    length: written.len(),
                    addresses,
                };
                assert_eq!(parse_proxy_header(&written), again);
            }
        }
        ProxyHeader::Absent | ProxyHeader::Invalid => {}
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let version2 = |command: u8, family: u8, body: &[u8]| {
        let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
        bytes.extend([command, family, 0, body.len() as u8]);
        bytes.extend(body);
        bytes
    };
    vec![
        version2(0x21, 0x11, &[10, 0, 0, 1, 10, 0, 0, 2, 3, 232, 0, 80]),
        version2(0x21, 0x21, &[1; 36]),
        version2(
            0x21,
            0x11,
            &[10, 0, 0, 1, 10, 0, 0, 2, 3, 232, 0, 80, 2, 0, 1, b'a'],
        ),
        version2(0x20, 0, &[]),
        version2(0x21, 0x31, &[0; 216]),
    ]
}
