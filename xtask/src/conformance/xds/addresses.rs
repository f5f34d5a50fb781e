//! Hosts without an address get one of a block that is the control plane's own; which one is its own
//! choice. A recorded state is compared with the addresses that ours chose.

use ferromesh_model::Snapshot;
use ferromesh_types::Hostname;
use serde_json::Value;

/// The block of Istio's choice.
const CHOSEN: &str = "240.240.";

/// The state with our addresses for the same hosts.
pub(super) fn ours(state: &Value, snapshot: &Snapshot) -> Value {
    let mut pairs = Vec::new();
    for (host, about) in state["names"].as_object().into_iter().flatten() {
        let theirs = about["ips"].as_array().into_iter().flatten();
        let mut theirs = theirs.filter_map(Value::as_str);
        let theirs = theirs.find(|address| address.starts_with(CHOSEN));
        let service = snapshot.services().of_host(&Hostname::from(host.as_str()));
        let ours = service
            .first()
            .and_then(|service| service.auto_addresses.first());
        if let (Some(theirs), Some(ours)) = (theirs, ours) {
            pairs.push((theirs.to_owned(), ours.to_string()));
        }
    }
    if pairs.is_empty() {
        return state.clone();
    }
    // Two steps, since an address may be one host's there and another's here.
    let mut text = state.to_string();
    for (at, (theirs, _)) in pairs.iter().enumerate() {
        text = text.replace(theirs, &format!("(address {at})"));
    }
    for (at, (_, ours)) in pairs.iter().enumerate() {
        text = text.replace(&format!("(address {at})"), ours);
    }
    serde_json::from_str(&text).expect("an address for an address keeps the form")
}
