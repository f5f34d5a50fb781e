//! What the consistent-hash load balancers hash.

use std::time::Duration;

use ferromesh_types::Str;

/// One source of hash input; several are combined in order.
#[derive(Clone, Debug)]
pub struct HashPolicy {
    /// Where the input comes from.
    pub source: HashSource,
    /// Whether a hash found here ends the search.
    pub terminal: bool,
}

/// Where hash input comes from.
#[derive(Clone, Debug)]
pub enum HashSource {
    /// A request header.
    Header(Str),
    /// A cookie; with a lifetime it is made when missing.
    Cookie {
        /// The cookie's name.
        name: Str,
        /// Its path attribute.
        path: Str,
        /// Its lifetime when the proxy makes it, zero for the browser's session; `None` never
        /// makes one.
        lifetime: Option<Duration>,
        /// Further attributes, ready to be appended: `; name=value`.
        attributes: Str,
    },
    /// The client's address.
    SourceIp,
    /// A query parameter.
    QueryParameter(Str),
}

/// The value of `set-cookie` for a cookie that the proxy makes.
pub fn set_cookie(
    name: &str,
    value: &str,
    path: &str,
    lifetime: Duration,
    attributes: &str,
) -> String {
    let mut cookie = format!("{name}=\"{value}\"");
    if !lifetime.is_zero() {
        cookie.push_str(&format!("; Max-Age={}", lifetime.as_secs()));
    }
    if !path.is_empty() {
        cookie.push_str(&format!("; Path={path}"));
    }
    cookie.push_str(attributes);
    cookie.push_str("; HttpOnly");
    cookie
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_says_how_long_and_where() {
        assert_eq!(
            set_cookie(
                "user",
                "1f",
                "/shop",
                Duration::from_mins(1),
                "; SameSite=Lax"
            ),
            "user=\"1f\"; Max-Age=60; Path=/shop; SameSite=Lax; HttpOnly"
        );
        assert_eq!(
            set_cookie("user", "1f", "", Duration::ZERO, ""),
            "user=\"1f\"; HttpOnly"
        );
    }
}
