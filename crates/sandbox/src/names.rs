//! Names of what a sandbox makes on the host, and Kubernetes' names of pods.
//!
//! Everything on the host carries the sandbox's name, so that a later run finds what a killed one
//! left: network namespaces start with `fm.<sandbox>.`, interfaces with `fm` and a hash. Interface
//! names have at most 15 bytes (Linux `IFNAMSIZ` minus the end mark).

use std::fmt;

/// Letters and digits of Kubernetes' random suffixes: without vowels, so that no words appear.
const SUFFIX_ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// The name of a sandbox: lower-case letters, digits and `-`, at most 30 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SandboxName(String);

/// A name that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} cannot name a sandbox: use 1 to 30 lower-case letters, digits and `-`, beginning and \
     ending with a letter or digit"
)]
pub struct SandboxNameError(String);

impl SandboxName {
    /// Checks `text`.
    ///
    /// # Errors
    /// When `text` holds other characters or is too long.
    pub fn parse(text: &str) -> Result<Self, SandboxNameError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let edge = |b: Option<&u8>| b.is_some_and(|b| *b != b'-');
        let bytes = text.as_bytes();
        if bytes.len() <= 30
            && bytes.iter().copied().all(allowed)
            && edge(bytes.first())
            && edge(bytes.last())
        {
            return Ok(Self(text.to_owned()));
        }
        Err(SandboxNameError(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The bridge's interface name.
    pub fn bridge(&self) -> String {
        format!("fmbr-{:08x}", fnv32(self.0.as_bytes()))
    }

    /// The host end of the `index`-th pod's veth pair.
    pub fn veth(&self, index: u32) -> String {
        format!("fm{:08x}{:05x}", fnv32(self.0.as_bytes()), index & 0xf_ffff)
    }

    /// What all network namespaces of the sandbox start with.
    pub fn netns_prefix(&self) -> String {
        format!("fm.{}.", self.0)
    }

    /// The network namespace of one pod.
    pub fn netns(&self, namespace: &str, pod: &str) -> String {
        format!("{}{namespace}.{pod}", self.netns_prefix())
    }

    /// A number that spreads sandboxes over address ranges.
    pub fn slot(&self) -> u32 {
        fnv32(self.0.as_bytes())
    }
}

impl fmt::Display for SandboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The 32-bit FNV-1a hash: stable over runs and versions, which `std`'s hasher is not.
pub fn fnv32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

/// The hash of a pod template, in the alphabet of Kubernetes' `pod-template-hash`.
pub fn template_hash(template: &serde_json::Value) -> String {
    // `serde_json` keeps maps sorted by key, so equal templates have equal text.
    let text = template.to_string();
    let (low, high) = (fnv32(text.as_bytes()), fnv32(format!("{text}#").as_bytes()));
    in_suffix_alphabet((u64::from(high) << 32) | u64::from(low), 10)
}

/// The name of a pod of a deployment: `name-hash-random`, with the name cut to fit 63 bytes.
pub fn pod_name(deployment: &str, hash: &str, random: u64) -> String {
    let suffix = in_suffix_alphabet(random, 5);
    let room = 63 - hash.len() - suffix.len() - 2;
    let cut: String = deployment.chars().take(room).collect();
    format!("{}-{hash}-{suffix}", cut.trim_end_matches(['-', '.']))
}

/// A random identifier in the form of a version 4 UUID.
pub fn new_uid(random: u128) -> String {
    let value = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{value:032x}");
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

fn in_suffix_alphabet(mut number: u64, length: usize) -> String {
    let base = SUFFIX_ALPHABET.len() as u64;
    (0..length)
        .map(|_| {
            let letter = SUFFIX_ALPHABET[(number % base) as usize];
            number /= base;
            char::from(letter)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_names_fit_the_kernel_and_differ_between_sandboxes() {
        let a = SandboxName::parse("a-rather-long-name-for-a-mesh").expect("a valid name");
        let b = SandboxName::parse("demo").expect("a valid name");
        for name in [a.bridge(), a.veth(0), a.veth(0xf_ffff), b.bridge()] {
            assert!(name.len() <= 15, "{name}");
        }
        assert_ne!(a.bridge(), b.bridge());
        assert_ne!(a.veth(1), b.veth(1));
    }

    #[test]
    fn a_name_that_could_escape_the_state_directory_is_refused() {
        for bad in ["", "../x", "a/b", "A", "a.b", "-a", "a-", &"x".repeat(31)] {
            assert!(SandboxName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn one_sandbox_never_owns_the_namespaces_of_another() {
        let a = SandboxName::parse("mesh").expect("a valid name");
        let b = SandboxName::parse("mesh-2").expect("a valid name");
        assert!(!b.netns("default", "web").starts_with(&a.netns_prefix()));
    }

    #[test]
    fn pods_are_named_as_kubernetes_names_them() {
        let hash = template_hash(&serde_json::json!({"spec": {"containers": []}}));
        assert_eq!(hash.len(), 10);
        let name = pod_name("catalog-v1", &hash, 12345);
        assert!(name.starts_with(&format!("catalog-v1-{hash}-")), "{name}");
        let long = pod_name(&"x".repeat(80), &hash, 1);
        assert_eq!(long.len(), 63);
    }

    #[test]
    fn a_uid_is_a_version_4_uuid() {
        let uid = new_uid(u128::MAX);
        assert_eq!(uid, "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
