//! What weighted cluster, route, virtual host and route table say about a filter.

use ferromesh_route::{Action, FilterSettings};

use crate::compiled::{RouteFilter, RouteFilters};
use crate::http::exchange::Exchange;

impl Exchange<'_> {
    /// The settings for the filter `name`, the most specific level first.
    pub(super) fn filter_settings(&self, name: &str) -> impl Iterator<Item = &RouteFilter> {
        let route = self.route.as_ref();
        let cluster = route.and_then(|route| match &route.action {
            Action::Forward(forward) => forward.cluster.weighted(self.draw),
            Action::Redirect(_) | Action::Respond(_) => None,
        });
        let cluster = cluster.map(|cluster| &cluster.filters);
        let route = route.map(|route| &route.filters);
        let host = self.virtual_host.as_ref().map(|host| &host.filters);
        let table = self.config.route_table(self.manager);
        let table = table.map(|table| &table.filters);
        [cluster, route, host, table]
            .into_iter()
            .flatten()
            .filter_map(FilterSettings::find::<RouteFilters>)
            .filter_map(move |filters| filters.find(name))
    }
}
