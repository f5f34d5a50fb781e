//! The filter that counts gRPC requests by method.

use std::collections::HashSet;
use std::mem::take;
use std::sync::Mutex;

use ferromesh_proto::envoy::extensions::filters::http::grpc_stats::v3::FilterConfig;
use ferromesh_proto::envoy::extensions::filters::http::grpc_stats::v3::filter_config::PerMethodStatSpecifier;

use super::super::refusal::{Refusal, nothing_left};
use crate::compiled::{GrpcMethods, GrpcStatsFilter};
use crate::stats::Stats;

pub(super) fn compile(mut value: FilterConfig, stats: &Stats) -> Result<GrpcStatsFilter, Refusal> {
    let methods = match value.per_method_stat_specifier.take() {
        Some(PerMethodStatSpecifier::StatsForAllMethods(all)) if all.value => GrpcMethods::All,
        Some(PerMethodStatSpecifier::IndividualMethodStatsAllowlist(list)) => {
            let mut listed = HashSet::new();
            for service in list.services {
                for method in service.method_names {
                    listed.insert((service.name.as_str().into(), method.into()));
                }
            }
            GrpcMethods::Listed(listed)
        }
        _ => GrpcMethods::Merged,
    };
    // The counts for filters and logs that come later: none here reads them.
    value.emit_filter_state = false;
    let compiled = GrpcStatsFilter {
        methods,
        times: take(&mut value.enable_upstream_stats),
        replace_dots: take(&mut value.replace_dots_in_grpc_service_name),
        stats: stats.clone(),
        groups: Mutex::default(),
    };
    nothing_left(&value)?;
    Ok(compiled)
}
