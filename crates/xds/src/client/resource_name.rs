//! The name of a resource that came without one: in state of the world a resource is a bare `Any`.
//!
//! Every Envoy type that is served by name keeps the name in its first field (`Cluster.name`,
//! `ClusterLoadAssignment.cluster_name`, `Secret.name` …), so that no type needs decoding here.

use bytes::Buf;
use prost::encoding::{WireType, decode_key, decode_varint};

/// Reads field 1 of `message` when it is a string; empty otherwise.
pub(super) fn name_in(message: &[u8]) -> String {
    let mut rest = message;
    while let Ok((number, wire)) = decode_key(&mut rest) {
        let length = match wire {
            WireType::LengthDelimited => decode_varint(&mut rest).unwrap_or(u64::MAX) as usize,
            WireType::Varint => {
                if decode_varint(&mut rest).is_err() {
                    break;
                }
                0
            }
            WireType::ThirtyTwoBit => 4,
            WireType::SixtyFourBit => 8,
            WireType::StartGroup | WireType::EndGroup => break,
        };
        if length > rest.len() {
            break;
        }
        if number == 1 {
            return std::str::from_utf8(&rest[..length])
                .unwrap_or_default()
                .to_owned();
        }
        rest.advance(length);
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferromesh_proto::envoy::config::cluster::v3::Cluster;
    use prost::Message as _;

    #[test]
    fn the_name_of_a_cluster_is_its_first_field() {
        let cluster = Cluster {
            name: "outbound|80||a".into(),
            alt_stat_name: "x".into(),
            ..Cluster::default()
        };
        assert_eq!(name_in(&cluster.encode_to_vec()), "outbound|80||a");
        assert_eq!(name_in(&[]), "");
        assert_eq!(name_in(&[0xff, 0xff]), "");
    }
}
