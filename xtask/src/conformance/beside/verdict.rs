//! Comparing the two observations of a row. A difference without a note is a failure, and so is a
//! note without a difference, a place that does not show what the row says, and a number out of its
//! bounds.

use std::collections::BTreeSet;

use super::observation::Observation;
use super::row::Row;

/// What speaks against the row.
pub fn judge(row: &Row, envoy: &Observation, ours: &Observation) -> Vec<String> {
    let mut found = Vec::new();
    let noted = |place: &str| row.notes.iter().any(|(noted, _)| *noted == place);
    let places: BTreeSet<&String> = envoy.places.keys().chain(ours.places.keys()).collect();
    let bounded = |place: &str| row.within.iter().any(|(bounded, ..)| *bounded == place);
    for place in places.into_iter().filter(|place| !bounded(place)) {
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
    found.extend(out_of_bounds(row, envoy, ours));
    for (place, _) in &row.notes {
        if !envoy.places.contains_key(*place) && !ours.places.contains_key(*place) {
            found.push(format!("{place}: the note is about nothing"));
        }
    }
    found
}

fn out_of_bounds(row: &Row, envoy: &Observation, ours: &Observation) -> Vec<String> {
    let mut found = Vec::new();
    for (place, bounds, _) in &row.within {
        for (who, observation) in [("Envoy", envoy), ("ours", ours)] {
            let value = observation.places.get(*place);
            let number = value.and_then(|value| value.parse().ok());
            if !number.is_some_and(|number| bounds.contains(&number)) {
                let shown = shown(value);
                found.push(format!(
                    "{place}: expected within {bounds:?}, {who} {shown}"
                ));
            }
        }
    }
    found
}

fn shown(value: Option<&String>) -> String {
    value.map_or("nothing".to_owned(), |value| format!("{value:?}"))
}
