//! Service-account tokens: JWTs as a Kubernetes API server would sign them.
//!
//! On Kubernetes the API server issues them. In the sandbox the runner of the pods does, with an ES256
//! key of its own, and the control plane verifies them with the public half.

use std::time::Duration;

use ferromesh_types::Str;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::caller::{Caller, Proof};
use crate::error::{AuthenticationError, MaterialError};

/// The issuer that Kubernetes writes into its tokens.
pub const ISSUER: &str = "https://kubernetes.default.svc";
/// The audience of a token for the control plane.
pub const AUDIENCE: &str = "istio-ca";
/// How far clocks may differ.
const LEEWAY_SECONDS: i64 = 60;
const SUBJECT_PREFIX: &str = "system:serviceaccount:";

/// The claims of a token.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Claims {
    #[serde(default, deserialize_with = "one_or_many")]
    aud: Vec<String>,
    exp: i64,
    #[serde(default)]
    iat: i64,
    #[serde(default)]
    iss: String,
    #[serde(rename = "kubernetes.io", skip_serializing_if = "Option::is_none")]
    kubernetes: Option<KubernetesClaims>,
    #[serde(default)]
    nbf: i64,
    sub: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct KubernetesClaims {
    namespace: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<ObjectClaim>,
    serviceaccount: ObjectClaim,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ObjectClaim {
    name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    uid: String,
}

/// RFC 7519 allows one audience as a plain string.
fn one_or_many<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(from)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    })
}

/// What a token is issued for.
#[derive(Clone, Debug)]
pub struct TokenRequest<'a> {
    /// The namespace of the service account.
    pub namespace: &'a str,
    /// The service account.
    pub service_account: &'a str,
    /// The pod that the token is bound to: name and uid.
    pub pod: Option<(&'a str, &'a str)>,
    /// Whom the token is meant for.
    pub audiences: &'a [&'a str],
    /// How long it is valid.
    pub lifetime: Duration,
}

/// Signs tokens.
pub struct TokenIssuer {
    key: KeyPair,
    encoding: EncodingKey,
}

impl std::fmt::Debug for TokenIssuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenIssuer").finish_non_exhaustive()
    }
}

impl TokenIssuer {
    /// An issuer with a new key.
    pub fn generate() -> Result<Self, MaterialError> {
        let key =
            KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(MaterialError::Generation)?;
        Self::from_key(key)
    }

    /// An issuer with a kept key, PKCS#8 in PEM.
    pub fn from_pem(key: &str) -> Result<Self, MaterialError> {
        Self::from_key(KeyPair::from_pem(key).map_err(MaterialError::Generation)?)
    }

    fn from_key(key: KeyPair) -> Result<Self, MaterialError> {
        let encoding = EncodingKey::from_ec_pem(key.serialize_pem().as_bytes())
            .map_err(|_| MaterialError::Generation(rcgen::Error::CouldNotParseKeyPair))?;
        Ok(Self { key, encoding })
    }

    /// The private key in PEM, to be kept readable by its owner only.
    pub fn private_key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// The public key in PEM, for the verifier.
    pub fn public_key_pem(&self) -> String {
        self.key.public_key_pem()
    }

    /// Signs a token.
    pub fn issue(
        &self,
        request: &TokenRequest<'_>,
        now: OffsetDateTime,
    ) -> Result<String, MaterialError> {
        let start = now.unix_timestamp();
        let claims = Claims {
            aud: request.audiences.iter().map(ToString::to_string).collect(),
            exp: start + request.lifetime.as_secs() as i64,
            iat: start,
            iss: ISSUER.to_owned(),
            kubernetes: Some(KubernetesClaims {
                namespace: request.namespace.to_owned(),
                pod: request.pod.map(|(name, uid)| ObjectClaim {
                    name: name.to_owned(),
                    uid: uid.to_owned(),
                }),
                serviceaccount: ObjectClaim {
                    name: request.service_account.to_owned(),
                    uid: String::new(),
                },
            }),
            nbf: start,
            sub: format!(
                "{SUBJECT_PREFIX}{}:{}",
                request.namespace, request.service_account
            ),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &self.encoding)
            .map_err(|_| MaterialError::Generation(rcgen::Error::RingUnspecified))
    }
}

/// Verifies tokens.
pub struct TokenVerifier {
    key: DecodingKey,
    audiences: Vec<String>,
    trust_domain: Str,
}

impl std::fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenVerifier")
            .field("audiences", &self.audiences)
            .field("trust_domain", &self.trust_domain)
            .finish_non_exhaustive()
    }
}

impl TokenVerifier {
    /// Accepts ES256 tokens signed with the key in `public_key` (PEM) for one of `audiences`; their
    /// subjects are identities of `trust_domain`.
    pub fn from_pem(
        public_key: &str,
        audiences: &[&str],
        trust_domain: &str,
    ) -> Result<Self, AuthenticationError> {
        let key = DecodingKey::from_ec_pem(public_key.as_bytes())
            .map_err(|error| AuthenticationError::Token(format!("no EC public key: {error}")))?;
        Ok(Self {
            key,
            audiences: audiences.iter().map(ToString::to_string).collect(),
            trust_domain: trust_domain.into(),
        })
    }

    /// The identity that `token` proves at `now`.
    pub fn verify(&self, token: &str, now: OffsetDateTime) -> Result<Caller, AuthenticationError> {
        let mut validation = Validation::new(Algorithm::ES256);
        // Times and audience are checked below, against the caller's clock and with better words.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        validation.set_issuer(&[ISSUER]);
        let claims = jsonwebtoken::decode::<Claims>(token, &self.key, &validation)
            .map_err(|error| AuthenticationError::Token(error.to_string()))?
            .claims;
        let now = now.unix_timestamp();
        if claims.exp + LEEWAY_SECONDS < now {
            return Err(AuthenticationError::Expired);
        }
        if claims.nbf > now + LEEWAY_SECONDS {
            return Err(AuthenticationError::Token("it is not valid yet".to_owned()));
        }
        if !claims
            .aud
            .iter()
            .any(|found| self.audiences.contains(found))
        {
            return Err(AuthenticationError::Audience {
                found: claims.aud,
                expected: self.audiences.clone(),
            });
        }
        let account = claims
            .sub
            .strip_prefix(SUBJECT_PREFIX)
            .and_then(|rest| rest.split_once(':'))
            .filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty());
        let Some((namespace, service_account)) = account else {
            return Err(AuthenticationError::Subject(claims.sub));
        };
        Ok(Caller {
            trust_domain: self.trust_domain.clone(),
            namespace: namespace.into(),
            service_account: service_account.into(),
            proof: Proof::Token,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn now() -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_800_000_000).expect("a time")
    }

    fn request() -> TokenRequest<'static> {
        TokenRequest {
            namespace: "shop",
            service_account: "web",
            pod: Some(("web-1", "u-1")),
            audiences: &[AUDIENCE],
            lifetime: DAY,
        }
    }

    fn pair() -> (TokenIssuer, TokenVerifier) {
        let issuer = TokenIssuer::generate().expect("a key");
        let public = issuer.public_key_pem();
        let verifier =
            TokenVerifier::from_pem(&public, &[AUDIENCE], "cluster.local").expect("a key");
        (issuer, verifier)
    }

    #[test]
    fn a_token_proves_its_service_account() {
        let (issuer, verifier) = pair();
        let token = issuer.issue(&request(), now()).expect("signed");
        let caller = verifier.verify(&token, now()).expect("verified");
        assert_eq!(caller.spiffe_id(), "spiffe://cluster.local/ns/shop/sa/web");
        assert_eq!(caller.proof, Proof::Token);
    }

    #[test]
    fn a_kept_key_signs_tokens_that_the_same_verifier_takes() {
        let (issuer, verifier) = pair();
        let again = TokenIssuer::from_pem(&issuer.private_key_pem()).expect("read");
        let token = again.issue(&request(), now()).expect("signed");
        assert!(verifier.verify(&token, now()).is_ok());
    }

    #[test]
    fn expired_foreign_and_misdirected_tokens_are_refused_with_the_reason() {
        let (issuer, verifier) = pair();
        let token = issuer.issue(&request(), now()).expect("signed");
        let later = now() + DAY + Duration::from_secs(61);
        assert_eq!(
            verifier.verify(&token, later),
            Err(AuthenticationError::Expired)
        );
        let (stranger, _) = pair();
        let foreign = stranger.issue(&request(), now()).expect("signed");
        let error = verifier.verify(&foreign, now()).expect_err("refused");
        assert!(matches!(error, AuthenticationError::Token(_)), "{error}");
        let misdirected = TokenRequest {
            audiences: &["vault"],
            ..request()
        };
        let token = issuer.issue(&misdirected, now()).expect("signed");
        let error = verifier.verify(&token, now()).expect_err("refused");
        assert!(error.to_string().contains("vault"), "{error}");
        assert!(verifier.verify("not.a.token", now()).is_err());
    }
}
