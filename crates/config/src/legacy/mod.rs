//! Documents of Istio 0.1 (`type: route-rule`, `type: destination-policy`) → VirtualService and
//! DestinationRule.
//!
//! In: the text of files. Out: objects of today's API, and what could not be said in it. Rules of
//! one destination become one VirtualService, in the order of their precedence, with a last route
//! for what no rule matches: in 0.1 such a request went to any version, in a VirtualService it
//! would be answered with 404. A document that cannot be turned into something that does the same
//! is refused as a whole, and named; the others are not held up by it.

mod destination;
mod destination_policy;
mod document;
mod fault;
mod route_rule;
mod subset;

use ferromesh_types::Str;
use serde_json::Value;

use crate::check::Finding;
use crate::problem::{Code, Origin, Problem};
use crate::yaml::{load, split};

use destination::Destinations;
use document::{Legacy, Spec};

/// Collects documents, then writes the objects that they amount to.
#[derive(Debug, Default)]
pub struct Converter {
    destinations: Destinations,
    problems: Vec<Problem>,
}

/// What a set of documents amounts to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Converted {
    /// Objects of today's API, a VirtualService before the DestinationRule of the same host.
    pub objects: Vec<Value>,
    /// What was refused (errors), and what is not quite the same (warnings).
    pub problems: Vec<Problem>,
}

impl Converter {
    /// Reads all documents of a file.
    pub fn read(&mut self, text: &str, file: &str) {
        let file = Str::from(file);
        for segment in split(text) {
            match load(segment) {
                Ok(documents) => {
                    for document in documents.iter().filter(|document| !document.root.is_null()) {
                        self.document(document, &file);
                    }
                }
                Err(error) => self.problems.push(Problem {
                    origin: Some(Origin {
                        file: file.clone(),
                        line: error.line,
                    }),
                    ..Problem::error(Code::Syntax, error.message)
                }),
            }
        }
    }

    fn document(&mut self, document: &crate::yaml::Document, file: &Str) {
        let root = &document.root;
        let place = |field: &str| Origin {
            file: file.clone(),
            line: root.line_of(field),
        };
        if let Some((key, line)) = document.repeated.first() {
            let message = format!("the key \"{key}\" stands twice in the same map");
            self.problems.push(Problem {
                origin: Some(Origin {
                    file: file.clone(),
                    line: *line,
                }),
                ..Problem::error(Code::Syntax, message)
            });
            return;
        }
        let json = root.to_json();
        let mut found = Vec::new();
        match document::read(&json) {
            Ok(legacy) => self.add(legacy, &mut found),
            Err(finding) => found.push(finding),
        }
        let key = document::guess_key(&json);
        self.problems
            .extend(found.into_iter().map(|finding| Problem {
                severity: finding.severity,
                key: Some(key.clone()),
                origin: Some(place(&finding.field)),
                field: finding.field.into(),
                message: finding.message,
                code: finding.code,
            }));
    }

    fn add(&mut self, legacy: Legacy, found: &mut Vec<Finding>) {
        match legacy.spec {
            Spec::RouteRule(rule) => match route_rule::convert(&rule, found) {
                Some(converted) => {
                    let destination = self.destinations.of(&rule.destination, &legacy.namespace);
                    destination.add_rule(rule.precedence, converted);
                }
                None => debug_assert!(found.iter().any(Finding::is_error)),
            },
            Spec::DestinationPolicy(policy) => match destination_policy::convert(&policy, found) {
                Some(policies) => {
                    let host = &policy.destination;
                    let destination = self.destinations.of(host, &legacy.namespace);
                    for policy in policies {
                        destination.add_policy(policy, found);
                    }
                }
                None => debug_assert!(found.iter().any(Finding::is_error)),
            },
        }
    }

    /// Writes the objects.
    pub fn finish(self) -> Converted {
        Converted {
            objects: self.destinations.objects(),
            problems: self.problems,
        }
    }
}

#[cfg(test)]
mod tests;
