//! Where a call ends, in a form that two states can be compared by: what traffic depends on, and no
//! names that only one control plane gives.

use ferromesh_simulate::{End, Forwarding, Share, Walk};

/// What differs between the ends of a call, the first aspect only: what follows is its consequence.
pub(super) fn difference(expected: &Walk, found: &Walk) -> Option<String> {
    let pairs = aspects(expected).into_iter().zip(aspects(found));
    for ((aspect, expected), (_, found)) in pairs {
        if expected != found {
            return Some(format!("{aspect}: expected {expected}, found {found}"));
        }
    }
    None
}

fn aspects(walk: &Walk) -> Vec<(&'static str, String)> {
    let mut aspects = vec![
        ("listener", walk.listener.to_string()),
        ("kind", kind(walk).to_owned()),
        ("virtual host", walk.virtual_host.to_string()),
    ];
    match &walk.end {
        End::Failed(failure) => aspects.push(("failure", failure.to_string())),
        End::Answered { status, body } => {
            let body = String::from_utf8_lossy(body);
            aspects.push(("answer", format!("{status} {body}")));
        }
        End::Redirected { status, location } => {
            aspects.push(("redirect", format!("{status} {location}")));
        }
        End::Said(bytes) => aspects.push(("bytes", String::from_utf8_lossy(bytes).into_owned())),
        End::Forwarded(forwarding) => aspects.extend(forwarded(forwarding)),
    }
    aspects
}

/// What kind of listener and which kind of end.
fn kind(walk: &Walk) -> &'static str {
    match &walk.end {
        End::Failed(failure) => failure.name(),
        End::Answered { .. } => "HTTP, answered",
        End::Redirected { .. } => "HTTP, redirected",
        End::Said(_) => "bytes, answered",
        End::Forwarded(forwarding) if forwarding.request_headers.is_some() => "HTTP, forwarded",
        End::Forwarded(_) => "bytes, forwarded",
    }
}

fn forwarded(forwarding: &Forwarding) -> Vec<(&'static str, String)> {
    let targets = |form: &dyn Fn(&Share) -> String| {
        let mut all: Vec<String> = forwarding.shares.iter().map(form).collect();
        all.sort();
        all.join(", ")
    };
    let clusters = |share: &Share| {
        let exists = if share.target.exists {
            ""
        } else {
            " (unknown)"
        };
        format!("{} × {}{exists}", share.weight, share.target.cluster)
    };
    let endpoints = |share: &Share| format!("{:?}", share.target.endpoints);
    vec![
        ("clusters", targets(&clusters)),
        ("endpoints", targets(&endpoints)),
        ("timeout", format!("{:?}", forwarding.timeout)),
        ("idle timeout", format!("{:?}", forwarding.idle)),
        ("retries", format!("{:?}", forwarding.retries)),
        ("path", forwarding.path.clone()),
        ("authority", forwarding.authority.clone()),
        (
            "request headers",
            format!("{:?}", forwarding.request_headers),
        ),
        ("hash keys", forwarding.hash_keys.to_string()),
        ("status without cluster", forwarding.not_found.to_string()),
    ]
}
