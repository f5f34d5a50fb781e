//! The written objects that a conversion reads, by kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use ferromesh_config::kind::gateway_api::{
    BackendTlsPolicy, Gateway, GatewayClass, GrpcRoute, HttpRoute, ReferenceGrant, TcpRoute,
    TlsRoute,
};
use ferromesh_config::kind::service_entry::ServiceEntry;
use ferromesh_config::kubernetes::{ConfigMap, Secret, Service};
use ferromesh_config::{Kind, Object, ObjectMeta, Spec};
use ferromesh_types::{Labels, Namespace, Str};
use time::OffsetDateTime;

/// The kinds that are turned into others.
const CONVERTED: [Kind; 8] = [
    Kind::GatewayClass,
    Kind::KubernetesGateway,
    Kind::HttpRoute,
    Kind::GrpcRoute,
    Kind::TlsRoute,
    Kind::TcpRoute,
    Kind::ReferenceGrant,
    Kind::BackendTlsPolicy,
];

/// The kinds that these refer to.
const REFERRED: [Kind; 5] = [
    Kind::Namespace,
    Kind::Secret,
    Kind::ConfigMap,
    Kind::Service,
    Kind::ServiceEntry,
];

type Objects = BTreeMap<(Namespace, Str), Arc<Object>>;

/// What was written.
#[derive(Debug)]
pub(crate) struct Written {
    /// The DNS domain of the cluster.
    pub(crate) domain: Str,
    objects: BTreeMap<Kind, Objects>,
}

/// Who an object is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meta<'a>(&'a ObjectMeta);

/// An object with its typed content.
#[derive(Debug)]
pub(crate) struct Entry<'a, T> {
    pub(crate) meta: Meta<'a>,
    pub(crate) spec: &'a T,
}

impl<T> Clone for Entry<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Entry<'_, T> {}

impl<'a> Meta<'a> {
    pub(crate) fn namespace(self) -> &'a Namespace {
        &self.0.namespace
    }

    pub(crate) fn name(self) -> &'a Str {
        &self.0.name
    }

    pub(crate) fn created(self) -> Option<OffsetDateTime> {
        self.0.creation_timestamp
    }

    /// The order of precedence: the oldest first, then by namespace and name.
    pub(crate) fn age_order(self) -> (i64, &'a Namespace, &'a Str) {
        let created = self.created().map_or(0, OffsetDateTime::unix_timestamp);
        (created, self.namespace(), self.name())
    }
}

macro_rules! readers {
    ($($(#[doc = $doc:literal])+ $name:ident: $variant:ident($spec:ty);)+) => {
        impl Written {
            $($(#[doc = $doc])+
            pub(crate) fn $name(&self) -> Vec<Entry<'_, $spec>> {
                self.of(Kind::$variant, |spec| match spec {
                    Spec::$variant(spec) => Some(&**spec),
                    _ => None,
                })
            })+
        }
    };
}

readers! {
    /// All Gateways, oldest first.
    gateways: KubernetesGateway(Gateway);
    /// All HTTPRoutes, oldest first.
    http_routes: HttpRoute(HttpRoute);
    /// All GRPCRoutes, oldest first.
    grpc_routes: GrpcRoute(GrpcRoute);
    /// All TLSRoutes, oldest first.
    tls_routes: TlsRoute(TlsRoute);
    /// All TCPRoutes, oldest first.
    tcp_routes: TcpRoute(TcpRoute);
    /// All BackendTLSPolicies, oldest first.
    backend_tls_policies: BackendTlsPolicy(BackendTlsPolicy);
}

macro_rules! lookups {
    ($($(#[doc = $doc:literal])+ $name:ident: $variant:ident($spec:ty);)+) => {
        impl Written {
            $($(#[doc = $doc])+
            pub(crate) fn $name(&self, namespace: &Namespace, name: &Str) -> Option<&$spec> {
                match &self.object(Kind::$variant, namespace, name)?.spec {
                    Spec::$variant(spec) => Some(spec),
                    _ => None,
                }
            })+
        }
    };
}

lookups! {
    /// The Service of this namespace and name.
    service: Service(Service);
    /// The ServiceEntry of this namespace and name.
    service_entry: ServiceEntry(ServiceEntry);
    /// The Secret of this namespace and name.
    secret: Secret(Secret);
    /// The ConfigMap of this namespace and name.
    config_map: ConfigMap(ConfigMap);
}

impl Written {
    pub(crate) fn new(domain: Str) -> Self {
        Self {
            domain,
            objects: BTreeMap::new(),
        }
    }

    /// Takes in a change. Gives back whether a conversion reads such objects.
    pub(crate) fn take(&mut self, old: Option<&Arc<Object>>, new: Option<&Arc<Object>>) -> bool {
        let Some(subject) = new.or(old) else {
            return false;
        };
        if !CONVERTED.contains(&subject.kind) && !REFERRED.contains(&subject.kind) {
            return false;
        }
        let of_kind = self.objects.entry(subject.kind).or_default();
        let key = (subject.meta.namespace.clone(), subject.meta.name.clone());
        match new {
            Some(new) => of_kind.insert(key, Arc::clone(new)),
            None => of_kind.remove(&key),
        };
        true
    }

    /// Whether there is nothing to convert.
    pub(crate) fn is_empty(&self) -> bool {
        let of_kind = |kind| self.objects.get(kind).is_none_or(BTreeMap::is_empty);
        CONVERTED.iter().all(of_kind)
    }

    /// The labels of a namespace, with its name among them.
    pub(crate) fn namespace_labels(&self, namespace: &Namespace) -> Labels {
        let name = Str::from(namespace.as_str());
        let object = self.object(Kind::Namespace, &Namespace::default(), &name);
        let written = object
            .into_iter()
            .flat_map(|object| object.meta.labels.iter());
        let own = ("kubernetes.io/metadata.name".into(), name.clone());
        written
            .map(|(key, value)| (key.clone(), value.clone()))
            .chain([own])
            .collect()
    }

    /// The class of this name.
    pub(crate) fn class(&self, name: &Str) -> Option<&GatewayClass> {
        match &self
            .object(Kind::GatewayClass, &Namespace::default(), name)?
            .spec
        {
            Spec::GatewayClass(class) => Some(class),
            _ => None,
        }
    }

    /// The ReferenceGrants of this namespace.
    pub(crate) fn grants(&self, namespace: &Namespace) -> impl Iterator<Item = &ReferenceGrant> {
        let of_kind = self.objects.get(&Kind::ReferenceGrant).into_iter();
        of_kind
            .flat_map(|grants| grants.range((namespace.clone(), Str::default())..))
            .take_while(move |((home, _), _)| home == namespace)
            .filter_map(|(_, object)| match &object.spec {
                Spec::ReferenceGrant(grant) => Some(&**grant),
                _ => None,
            })
    }

    fn object(&self, kind: Kind, namespace: &Namespace, name: &Str) -> Option<&Arc<Object>> {
        let of_kind = self.objects.get(&kind)?;
        of_kind.get(&(namespace.clone(), name.clone()))
    }

    fn of<T>(&self, kind: Kind, pick: impl Fn(&Spec) -> Option<&T>) -> Vec<Entry<'_, T>> {
        let of_kind = self
            .objects
            .get(&kind)
            .into_iter()
            .flat_map(BTreeMap::values);
        let mut all: Vec<_> = of_kind
            .filter_map(|object| {
                Some(Entry {
                    meta: Meta(&object.meta),
                    spec: pick(&object.spec)?,
                })
            })
            .collect();
        all.sort_by(|a, b| a.meta.age_order().cmp(&b.meta.age_order()));
        all
    }
}
