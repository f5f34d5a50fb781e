//! The annotations that steer one pod's injection, read and checked.

use serde_json::Value;

use crate::InjectError;

/// A pod's annotations.
#[derive(Clone, Copy)]
pub(crate) struct Annotations<'a>(pub(crate) Option<&'a Value>);

const PORTS: &str = "a comma-separated list of ports, or `*`";
const PLAIN_PORTS: &str = "a comma-separated list of ports";
const RANGES: &str = "a comma-separated list of address ranges, or `*`";
const PLAIN_RANGES: &str = "a comma-separated list of address ranges";

impl<'a> Annotations<'a> {
    pub(crate) fn of(pod: &'a Value) -> Self {
        Self(pod.pointer("/metadata/annotations"))
    }

    pub(crate) fn text(self, name: &str) -> Option<&'a str> {
        self.0?.get(name)?.as_str()
    }

    pub(crate) fn ports(self, name: &str, star: bool) -> Result<Option<&'a str>, InjectError> {
        let is_port = |word: &str| word.parse::<u16>().is_ok();
        self.list(name, star, is_port, if star { PORTS } else { PLAIN_PORTS })
    }

    pub(crate) fn ranges(self, name: &str, star: bool) -> Result<Option<&'a str>, InjectError> {
        let is_range = |word: &str| {
            let (address, length) = word.split_once('/').unwrap_or((word, "32"));
            address.parse::<std::net::IpAddr>().is_ok_and(|address| {
                let longest = if address.is_ipv4() { 32 } else { 128 };
                length.parse::<u8>().is_ok_and(|length| length <= longest)
            })
        };
        self.list(
            name,
            star,
            is_range,
            if star { RANGES } else { PLAIN_RANGES },
        )
    }

    pub(crate) fn boolean(self, name: &str) -> Result<Option<bool>, InjectError> {
        match self.text(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(refused(name, other, "true or false")),
        }
    }

    /// The proxy configuration of this pod, as JSON (it is written as YAML).
    pub(crate) fn proxy_config(self) -> Result<Option<Value>, InjectError> {
        const NAME: &str = "proxy.istio.io/config";
        let Some(text) = self.text(NAME) else {
            return Ok(None);
        };
        match serde_yaml_ng::from_str::<Value>(text) {
            Ok(value @ Value::Object(_)) => Ok(Some(value)),
            Ok(Value::Null) => Ok(None),
            _ => Err(refused(NAME, text, "a proxy configuration in YAML")),
        }
    }

    fn list(
        self,
        name: &str,
        star: bool,
        valid: impl Fn(&str) -> bool,
        expected: &'static str,
    ) -> Result<Option<&'a str>, InjectError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let fine = (star && text == "*")
            || text
                .split(',')
                .map(str::trim)
                .filter(|word| !word.is_empty())
                .all(valid);
        if fine {
            Ok(Some(text))
        } else {
            Err(refused(name, text, expected))
        }
    }
}

fn refused(annotation: &str, value: &str, expected: &'static str) -> InjectError {
    InjectError::Annotation {
        annotation: annotation.to_owned(),
        value: value.to_owned(),
        expected,
    }
}
