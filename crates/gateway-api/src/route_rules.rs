//! The rules of HTTPRoutes and GRPCRoutes in one form.

use ferromesh_config::kind::gateway_api::ParentReference;
use ferromesh_config::kind::virtual_service::HttpRoute;
use ferromesh_types::Str;

use crate::attach::Attached;
use crate::backend::Source;
use crate::listener::RouteKind;
use crate::written::Meta;

/// The rules of one route, each with one condition.
#[derive(Debug)]
pub(crate) struct RouteRules<'a> {
    pub(crate) attached: Attached<'a>,
    pub(crate) rules: Vec<HttpRoute>,
}

impl<'a> RouteRules<'a> {
    /// The rules of a route of this kind. `rules` come with their names, and `convert` makes the
    /// routes of one of them.
    pub(crate) fn of<R: 'a>(
        kind: RouteKind,
        meta: Meta<'a>,
        parents: &'a [ParentReference],
        hostnames: &'a [Str],
        rules: impl Iterator<Item = (&'a Str, &'a R)>,
        convert: impl Fn(Source<'_>, &Str, &R) -> Vec<HttpRoute>,
    ) -> Self {
        let source = Source {
            kind,
            namespace: meta.namespace(),
        };
        let rules = rules.enumerate().flat_map(|(index, (name, rule))| {
            let name = name_in_logs(meta, name, index);
            convert(source, &name, rule)
        });
        Self {
            rules: rules.collect(),
            attached: Attached {
                kind,
                meta,
                parents,
                hostnames,
            },
        }
    }
}

/// `namespace.route.rule`, where a rule without name has its number.
fn name_in_logs(meta: Meta<'_>, rule: &Str, index: usize) -> Str {
    let (namespace, route) = (meta.namespace(), meta.name());
    if rule.is_empty() {
        format!("{namespace}.{route}.{index}").into()
    } else {
        format!("{namespace}.{route}.{rule}").into()
    }
}
