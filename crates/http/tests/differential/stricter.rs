//! Where hyper accepts what we refuse, and why.

/// Why we refuse what hyper accepts: the grammar says so, and another reader behind us may not be as
/// forgiving in the same way.
pub(crate) const STRICTER_REQUESTS: &[&str] = &[
    // RFC 9112 section 2.2 allows to take a bare LF for a line end; not all do.
    "malformed: a line that ends without CR",
    // RFC 9112 section 3.2: exactly one Host, and a valid one.
    "malformed: more than one Host",
    "malformed: a character in Host",
    "malformed: no Host",
    // RFC 9112 section 3.2: the forms of targets.
    "malformed: an asterisk target outside OPTIONS",
    "malformed: the form of the request target",
    "malformed: the target of CONNECT",
    "malformed: a character in the authority",
    // RFC 9112 section 6.3: equal lengths may be merged, but not all do.
    "framing: more than one Content-Length",
    // RFC 9112 section 6.1: a length beside a coding may be ignored, but not all do.
    "twoframings",
    // RFC 9112 section 6.1: codings before chunked are the application's in hyper.
    "coding",
    // RFC 9110 section 7.6.1: not to be named; and a bound.
    "connection",
    // RFC 9112 section 7.1.1: no control characters in extensions.
    "chunk: its size",
];

/// The same for answers, with one more.
pub(crate) const STRICTER_ANSWERS: &[&str] = &[
    "malformed: a line that ends without CR",
    "framing: more than one Content-Length",
    // RFC 9112 section 6.3: a list of equal lengths may be merged, but not all do.
    "framing: a Content-Length that is not a number",
    "twoframings",
    "coding",
    "connection",
    "chunk: its size",
];
