//! Packets to the DNS proxy. The first byte chooses UDP or TCP.

use std::sync::OnceLock;

use ferromesh_agent::dns::{NameIndex, Reply, reply};
use ferromesh_proto::istio::nds::NameTable;
use ferromesh_proto::istio::nds::name_table::NameInfo;
use hickory_proto::op::{Message, MessageType, Query};
use hickory_proto::rr::{Name, RecordType};

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "dns",
    about: "an answer is well formed, belongs to its query and fits; answers are never answered",
    run,
    seeds,
    words: &[
        "\u{3}www",
        "\u{7}example",
        "\u{3}com\0",
        "\0\u{1}\0\u{1}",
        "\0\u{1c}",
        "\0\0\u{29}",
    ],
};

fn run(bytes: &[u8]) {
    let Some((way, packet)) = bytes.split_first() else {
        return;
    };
    let over_tcp = way % 2 == 1;
    let (answer, forwarded) = match reply(packet, names(), over_tcp) {
        Reply::Silence => return,
        Reply::Answer(answer) => (answer, false),
        Reply::Forward { failure } => (failure, true),
    };
    let query = Message::from_vec(packet).expect("only queries are answered");
    let room = if over_tcp {
        65_535
    } else {
        usize::from(query.max_payload()).max(512)
    };
    assert!(
        answer.len() <= room,
        "{} bytes, room for {room}",
        answer.len()
    );
    let decoded = Message::from_vec(&answer).expect("an answer is well formed");
    assert_eq!(decoded.metadata.id, query.metadata.id);
    assert_eq!(decoded.metadata.message_type, MessageType::Response);
    assert!(!forwarded || decoded.answers.is_empty());
    assert_eq!(reply(&answer, names(), over_tcp), Reply::Silence);
}

fn names() -> &'static NameIndex {
    static NAMES: OnceLock<NameIndex> = OnceLock::new();
    NAMES.get_or_init(|| {
        let entry = |ips: Vec<String>| NameInfo {
            ips,
            ..NameInfo::default()
        };
        let many = (1..=60).map(|last| format!("10.0.0.{last}")).collect();
        let table = [
            (
                "www.example.com".to_owned(),
                entry(vec!["10.0.0.1".into(), "fd00::1".into()]),
            ),
            ("many.example.com".to_owned(), entry(many)),
            ("*.wild.test".to_owned(), entry(vec!["10.0.0.2".into()])),
        ];
        let table = NameTable {
            table: table.into(),
        };
        NameIndex::new(&table, "shop", &["svc.cluster.local".to_owned()])
    })
}

fn seeds() -> Vec<Vec<u8>> {
    let names = [
        ("www.example.com.", RecordType::A),
        ("WWW.example.com.", RecordType::AAAA),
        ("many.example.com.svc.cluster.local.", RecordType::A),
        ("a.b.wild.test.", RecordType::A),
        ("elsewhere.org.", RecordType::MX),
    ];
    let query = |(name, kind): (&str, RecordType)| {
        let mut query = Message::query();
        query.metadata.id = 7;
        query.add_query(Query::query(Name::from_ascii(name).expect("a name"), kind));
        query.to_vec().expect("encoded")
    };
    let packets = names.into_iter().map(query);
    packets
        .flat_map(|packet| [0u8, 1].map(|way| [&[way], packet.as_slice()].concat()))
        .collect()
}
