//! Comparing the two observations of a row. A difference without a note is a failure, and so is a
//! note without a difference, and a place that does not show what the row says.

use std::collections::BTreeSet;

use super::observation::Observation;
use super::row::Row;

/// What speaks against the row.
pub fn judge(row: &Row, envoy: &Observation, ours: &Observation) -> Vec<String> {
    let mut found = Vec::new();
    let noted = |place: &str| row.notes.iter().any(|(noted, _)| *noted == place);
    let places: BTreeSet<&String> = envoy.places.keys().chain(ours.places.keys()).collect();
    for place in places {
        let (theirs, our) = (envoy.places.get(place), ours.places.get(place));
        match (theirs == our, noted(place)) {
            (true, true) => found.push(format!("{place}: the note is without a difference")),
            (false, false) => found.push(format!(
                "{place}: Envoy {}, ours {}",
                shown(theirs),
                shown(our)
            )),
            _ => {}
        }
    }
    for (place, value) in &row.shows {
        for (who, observation) in [("Envoy", envoy), ("ours", ours)] {
            let shows = observation.places.get(*place);
            let skipped = noted(place) && who == "Envoy";
            let expected = match *value {
                "" => shows.is_none_or(String::is_empty),
                value => shows.is_some_and(|shows| shows == value),
            };
            if !expected && !skipped {
                found.push(format!(
                    "{place}: expected {value:?}, {who} {}",
                    shown(shows)
                ));
            }
        }
    }
    for (place, _) in &row.notes {
        if !envoy.places.contains_key(*place) && !ours.places.contains_key(*place) {
            found.push(format!("{place}: the note is about nothing"));
        }
    }
    found
}

fn shown(value: Option<&String>) -> String {
    value.map_or("nothing".to_owned(), |value| format!("{value:?}"))
}
