//! Queries and answers in wire form: what the mesh itself can say to the bytes of a query.

use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::table::{Lookup, NameIndex};

/// Seconds that clients may keep an answer: as long as Istio's agent says.
const TTL: u32 = 30;

/// UDP answers beyond this are cut off unless the client announced more (RFC 1035, 4.2.1).
const DATAGRAM: usize = 512;

/// What becomes of the bytes of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// No query. Nothing is said, not even to a well-formed answer: two servers that answer each
    /// other's answers never stop.
    Silence,
    /// This answer, in wire form.
    Answer(Vec<u8>),
    /// Another server may know it; `failure` is the answer for when none does.
    Forward {
        /// SERVFAIL, in wire form.
        failure: Vec<u8>,
    },
}

/// Says what the name table alone makes of a query. Pure but for the order of the addresses.
pub fn reply(query: &[u8], names: &NameIndex, over_tcp: bool) -> Reply {
    let Ok(query) = Message::from_vec(query) else {
        return Reply::Silence;
    };
    if query.metadata.message_type != MessageType::Query {
        return Reply::Silence;
    }
    let limit = if over_tcp {
        usize::from(u16::MAX)
    } else {
        usize::from(query.max_payload()).max(DATAGRAM)
    };
    let (answer, forward) = match decide(&query, names) {
        Decision::Answer(answer) | Decision::Refuse(answer) => (*answer, false),
        Decision::Forward => (empty(&query, ResponseCode::ServFail), true),
    };
    match (encode(&answer, limit), forward) {
        (Some(failure), true) => Reply::Forward { failure },
        (Some(answer), false) => Reply::Answer(answer),
        (None, _) => Reply::Silence,
    }
}

/// Cuts the records off where they do not fit; the client then asks again over TCP.
fn encode(answer: &Message, limit: usize) -> Option<Vec<u8>> {
    let whole = answer.to_vec().ok()?;
    if whole.len() <= limit {
        return Some(whole);
    }
    answer.truncate().to_vec().ok()
}

/// What to do with a query.
#[derive(Debug)]
enum Decision {
    /// The mesh knows the name.
    Answer(Box<Message>),
    /// Another server may know it.
    Forward,
    /// Not a query that anybody answers.
    Refuse(Box<Message>),
}

/// Decides about a query.
fn decide(query: &Message, names: &NameIndex) -> Decision {
    let [question] = query.queries.as_slice() else {
        // Many questions may be longer than an answer may be, and saying them again helps nobody.
        let mut refusal = empty(query, ResponseCode::FormErr);
        refusal.queries.clear();
        return Decision::Refuse(Box::new(refusal));
    };
    if query.metadata.op_code != OpCode::Query {
        return Decision::Refuse(Box::new(empty(query, ResponseCode::NotImp)));
    }
    let wanted = question.query_type();
    if question.query_class() != DNSClass::IN || !matches!(wanted, RecordType::A | RecordType::AAAA)
    {
        return Decision::Forward;
    }
    let name = question.name().to_lowercase().to_ascii();
    match names.find(name.trim_end_matches('.')) {
        Some(found) => Decision::Answer(Box::new(answer(query, question, &found))),
        None => Decision::Forward,
    }
}

fn answer(query: &Message, question: &Query, found: &Lookup<'_>) -> Message {
    let mut response = empty(query, ResponseCode::NoError);
    response.metadata.authoritative = true;
    let mut owner = question.name().clone();
    if let Some(canonical) = found.canonical.and_then(|name| Name::from_ascii(name).ok()) {
        let mut canonical = canonical;
        canonical.set_fqdn(true);
        let alias = RData::CNAME(CNAME(canonical.clone()));
        response.add_answer(Record::from_rdata(owner, TTL, alias));
        owner = canonical;
    }
    match question.query_type() {
        RecordType::A => {
            let rotated = rotated(found.v4).map(|address: Ipv4Addr| RData::A(A(address)));
            let records = rotated.map(|data| Record::from_rdata(owner.clone(), TTL, data));
            response.add_answers(records.collect::<Vec<_>>());
        }
        _ => {
            let rotated = rotated(found.v6).map(|address: Ipv6Addr| RData::AAAA(AAAA(address)));
            let records = rotated.map(|data| Record::from_rdata(owner.clone(), TTL, data));
            response.add_answers(records.collect::<Vec<_>>());
        }
    }
    response
}

/// All of them, beginning at a random one: clients mostly take the first.
fn rotated<T: Copy>(addresses: &[T]) -> impl Iterator<Item = T> {
    let start = if addresses.is_empty() {
        0
    } else {
        fastrand::usize(..addresses.len())
    };
    let (before, after) = addresses.split_at(start);
    after.iter().chain(before).copied()
}

/// An answer without records.
pub(super) fn empty(query: &Message, code: ResponseCode) -> Message {
    let mut response = Message::response(query.metadata.id, query.metadata.op_code);
    response.metadata.recursion_desired = query.metadata.recursion_desired;
    response.metadata.recursion_available = true;
    response.metadata.response_code = code;
    response.add_queries(query.queries.iter().cloned());
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferromesh_proto::istio::nds::NameTable;
    use ferromesh_proto::istio::nds::name_table::NameInfo;

    fn names() -> NameIndex {
        let entry = NameInfo {
            ips: vec!["10.0.0.1".to_owned(), "10.0.0.2".to_owned()],
            ..NameInfo::default()
        };
        let table = NameTable {
            table: [("api.example.com".to_owned(), entry)].into(),
        };
        NameIndex::new(&table, "shop", &["shop.svc.cluster.local".to_owned()])
    }

    fn ask(name: &str, kind: RecordType) -> Decision {
        let mut query = Message::query();
        query.add_query(Query::query(Name::from_ascii(name).expect("a name"), kind));
        decide(&query, &names())
    }

    #[test]
    fn a_known_name_has_all_its_addresses_whatever_its_case() {
        let Decision::Answer(answer) = ask("API.example.com.", RecordType::A) else {
            panic!("the name is known");
        };
        assert_eq!(answer.answers.len(), 2);
        assert!(answer.answers.iter().all(|record| record.ttl == TTL));
        assert!(answer.metadata.authoritative);
    }

    #[test]
    fn a_known_name_without_addresses_of_the_family_is_answered_empty() {
        let Decision::Answer(answer) = ask("api.example.com.", RecordType::AAAA) else {
            panic!("forwarding it could leak the name or bring a foreign address");
        };
        assert!(answer.answers.is_empty());
        assert_eq!(answer.metadata.response_code, ResponseCode::NoError);
    }

    #[test]
    fn a_name_with_a_search_domain_is_answered_through_its_real_name() {
        let Decision::Answer(answer) =
            ask("api.example.com.shop.svc.cluster.local.", RecordType::A)
        else {
            panic!("the search domain is cut off");
        };
        assert_eq!(answer.answers[0].record_type(), RecordType::CNAME);
        assert_eq!(answer.answers.len(), 3);
    }

    #[test]
    fn an_answer_is_never_answered() {
        let mut query = Message::query();
        let name = Name::from_ascii("api.example.com.").expect("a name");
        query.add_query(Query::query(name, RecordType::A));
        let bytes = query.to_vec().expect("encoded");
        assert!(matches!(
            reply(&bytes, &names(), false),
            Reply::Answer(answer) if reply(&answer, &names(), false) == Reply::Silence
        ));
    }

    #[test]
    fn the_rest_is_forwarded_and_nonsense_refused() {
        assert!(matches!(
            ask("other.org.", RecordType::A),
            Decision::Forward
        ));
        assert!(matches!(
            ask("api.example.com.", RecordType::MX),
            Decision::Forward
        ));
        assert!(matches!(
            decide(&Message::query(), &names()),
            Decision::Refuse(_)
        ));
    }

    #[test]
    fn many_questions_are_refused_in_few_bytes() {
        let mut query = Message::query();
        for number in 0..100 {
            let name = Name::from_ascii(format!("host-{number}.example.")).expect("a name");
            query.add_query(Query::query(name, RecordType::A));
        }
        let packet = query.to_vec().expect("encoded");
        let Reply::Answer(refusal) = reply(&packet, &names(), false) else {
            panic!("not answered");
        };
        assert!(packet.len() > DATAGRAM && refusal.len() <= DATAGRAM);
        let refusal = Message::from_vec(&refusal).expect("decoded");
        assert_eq!(refusal.metadata.response_code, ResponseCode::FormErr);
    }
}
