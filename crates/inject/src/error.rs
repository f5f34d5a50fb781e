//! Why a pod cannot be injected. The pod is then refused as a whole: a pod that should have a
//! proxy and runs without one would be open.

use thiserror::Error;

/// Why a pod cannot be injected.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum InjectError {
    /// An annotation holds something else than it should.
    #[error("annotation {annotation}: {value:?} is not {expected}")]
    Annotation {
        /// Which.
        annotation: String,
        /// What it says.
        value: String,
        /// What it may say.
        expected: &'static str,
    },
    /// A template that does not exist.
    #[error(
        "annotation inject.istio.io/templates: there is no template {0:?}; use sidecar or gateway"
    )]
    UnknownTemplate(String),
    /// The pod is no object with a spec and containers.
    #[error("the pod has no {0}")]
    Incomplete(&'static str),
}
