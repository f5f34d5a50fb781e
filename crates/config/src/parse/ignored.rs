//! Kinds that users keep beside the mesh's own, and what to say about them.

use crate::problem::{Code, Problem, Severity};

/// Kinds that a mesh has nothing to do with.
const OF_NO_USE: &[&str] = &[
    "APIService",
    "CertificateSigningRequest",
    "ClusterRole",
    "ClusterRoleBinding",
    "ControllerRevision",
    "CustomResourceDefinition",
    "Event",
    "FlowSchema",
    "HorizontalPodAutoscaler",
    "IngressClass",
    "Lease",
    "LimitRange",
    "MutatingWebhookConfiguration",
    "NetworkPolicy",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "PodDisruptionBudget",
    "PodSecurityPolicy",
    "PodTemplate",
    "PriorityClass",
    "PriorityLevelConfiguration",
    "ResourceQuota",
    "Role",
    "RoleBinding",
    "RuntimeClass",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
    "VerticalPodAutoscaler",
];

/// Kinds that will mean something, and do not yet.
const NOT_YET: &[&str] = &[
    "CronJob",
    "DaemonSet",
    "DeploymentConfig",
    "Ingress",
    "Job",
    "ListenerSet",
    "ReplicaSet",
    "ReplicationController",
    "StatefulSet",
    "UDPRoute",
];

/// What to say about an object whose kind is not in the table.
pub(crate) fn unread_kind(group: &str, version: &str, kind: &str, known: &[&str]) -> Problem {
    let api = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    if !known.is_empty() {
        let served = known.join(", ");
        let message = format!("no version {version} of {kind}; served are {served}");
        return Problem {
            field: "apiVersion".into(),
            ..Problem::error(Code::UnknownKind, message)
        };
    }
    let platform =
        group.ends_with("k8s.io") || group.ends_with("openshift.io") || !group.contains('.');
    let gateway_api = group.starts_with("gateway.networking.") || group.starts_with("inference.");
    if platform && OF_NO_USE.contains(&kind) {
        let message = format!("{kind} is ignored: the mesh has no use for it");
        return Problem {
            severity: Severity::Info,
            ..Problem::error(Code::Ignored, message)
        };
    }
    if platform && (NOT_YET.contains(&kind) || gateway_api) {
        let message = format!("{kind} ({api}) is accepted, but has no effect yet in this version");
        return Problem {
            severity: Severity::Warning,
            ..Problem::error(Code::NoEffect, message)
        };
    }
    let message = format!("unknown kind {kind} in {api}; check apiVersion and kind");
    Problem {
        field: "kind".into(),
        ..Problem::error(Code::UnknownKind, message)
    }
}
