//! Resources as they come over the wire. The first byte chooses the type; the rest is the message.

use super::xds::{KINDS, check, golden};
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "xds_decode",
    about: "any bytes are accepted, or refused with a reason; twice the same; no panic in use",
    run,
    seeds,
    words: &[
        "type.googleapis.com/",
        "\n\0",
        "\u{12}\u{2}",
        "%REQ(",
        "0.0.0.0",
        "*",
        "\u{1a}\0",
    ],
};

fn run(bytes: &[u8]) {
    let Some((kind, message)) = bytes.split_first() else {
        return;
    };
    let kind = KINDS[usize::from(*kind) % KINDS.len()];
    check(kind, message);
}

fn seeds() -> Vec<Vec<u8>> {
    let each = |(kind, message): &(usize, Vec<u8>)| [&[*kind as u8], message.as_slice()].concat();
    golden().iter().map(each).collect()
}
