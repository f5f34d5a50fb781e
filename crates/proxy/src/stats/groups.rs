//! The groups of the data path, with Envoy's names.

use super::group::stat_group;
use crate::cluster::outlier::Cause;

stat_group! {
    /// Of one cluster, under `cluster.<name>.`.
    pub struct ClusterStats {
        counter upstream_cx_total = "upstream_cx_total",
        gauge upstream_cx_active = "upstream_cx_active",
        counter upstream_cx_http1_total = "upstream_cx_http1_total",
        counter upstream_cx_http2_total = "upstream_cx_http2_total",
        counter upstream_cx_connect_fail = "upstream_cx_connect_fail",
        counter upstream_cx_connect_timeout = "upstream_cx_connect_timeout",
        counter upstream_cx_idle_timeout = "upstream_cx_idle_timeout",
        counter upstream_cx_overflow = "upstream_cx_overflow",
        counter upstream_cx_none_healthy = "upstream_cx_none_healthy",
        counter upstream_cx_max_requests = "upstream_cx_max_requests",
        counter upstream_cx_destroy = "upstream_cx_destroy",
        counter upstream_cx_close_notify = "upstream_cx_close_notify",
        counter upstream_cx_protocol_error = "upstream_cx_protocol_error",
        counter upstream_cx_rx_bytes_total = "upstream_cx_rx_bytes_total",
        counter upstream_cx_tx_bytes_total = "upstream_cx_tx_bytes_total",
        histogram upstream_cx_connect_ms = "upstream_cx_connect_ms",
        histogram upstream_cx_length_ms = "upstream_cx_length_ms",
        counter upstream_rq_total = "upstream_rq_total",
        gauge upstream_rq_active = "upstream_rq_active",
        counter upstream_rq_completed = "upstream_rq_completed",
        counter upstream_rq_1xx = "upstream_rq_1xx",
        counter upstream_rq_2xx = "upstream_rq_2xx",
        counter upstream_rq_3xx = "upstream_rq_3xx",
        counter upstream_rq_4xx = "upstream_rq_4xx",
        counter upstream_rq_5xx = "upstream_rq_5xx",
        codes upstream_rq_code = "upstream_rq_",
        histogram upstream_rq_time = "upstream_rq_time",
        counter upstream_rq_pending_total = "upstream_rq_pending_total",
        gauge upstream_rq_pending_active = "upstream_rq_pending_active",
        counter upstream_rq_active_overflow = "upstream_rq_active_overflow",
        counter upstream_rq_pending_overflow = "upstream_rq_pending_overflow",
        counter upstream_rq_pending_failure_eject = "upstream_rq_pending_failure_eject",
        counter upstream_rq_cancelled = "upstream_rq_cancelled",
        counter upstream_rq_timeout = "upstream_rq_timeout",
        counter upstream_rq_per_try_timeout = "upstream_rq_per_try_timeout",
        counter upstream_rq_per_try_idle_timeout = "upstream_rq_per_try_idle_timeout",
        counter upstream_rq_rx_reset = "upstream_rq_rx_reset",
        counter upstream_rq_tx_reset = "upstream_rq_tx_reset",
        counter upstream_rq_retry = "upstream_rq_retry",
        counter upstream_rq_retry_success = "upstream_rq_retry_success",
        counter upstream_rq_retry_overflow = "upstream_rq_retry_overflow",
        counter upstream_rq_retry_limit_exceeded = "upstream_rq_retry_limit_exceeded",
        counter upstream_rq_drop_overload = "upstream_rq_drop_overload",
        counter ssl_handshake = "ssl.handshake",
        counter ssl_connection_error = "ssl.connection_error",
        counter ssl_fail_verify_error = "ssl.fail_verify_error",
        counter ssl_fail_verify_san = "ssl.fail_verify_san",
        gauge membership_total = "membership_total",
        gauge membership_healthy = "membership_healthy",
        gauge membership_degraded = "membership_degraded",
        gauge membership_excluded = "membership_excluded",
        counter membership_change = "membership_change",
        counter update_success = "update_success",
        counter update_failure = "update_failure",
    }
}

impl ClusterStats {
    /// Counts a complete answer: its status, its class and the sum.
    pub fn completed(&self, status: u16) {
        self.upstream_rq_completed().inc();
        self.upstream_rq_code().inc(status);
        match status / 100 {
            1 => self.upstream_rq_1xx().inc(),
            2 => self.upstream_rq_2xx().inc(),
            3 => self.upstream_rq_3xx().inc(),
            4 => self.upstream_rq_4xx().inc(),
            5 => self.upstream_rq_5xx().inc(),
            _ => {}
        }
    }
}

stat_group! {
    /// Of one HTTP connection manager, under `http.<stat prefix>.`.
    pub struct HttpStats {
        counter downstream_cx_total = "downstream_cx_total",
        gauge downstream_cx_active = "downstream_cx_active",
        counter downstream_cx_destroy = "downstream_cx_destroy",
        counter downstream_cx_http1_total = "downstream_cx_http1_total",
        gauge downstream_cx_http1_active = "downstream_cx_http1_active",
        counter downstream_cx_http2_total = "downstream_cx_http2_total",
        gauge downstream_cx_http2_active = "downstream_cx_http2_active",
        counter downstream_cx_ssl_total = "downstream_cx_ssl_total",
        gauge downstream_cx_ssl_active = "downstream_cx_ssl_active",
        counter downstream_cx_upgrades_total = "downstream_cx_upgrades_total",
        gauge downstream_cx_upgrades_active = "downstream_cx_upgrades_active",
        counter downstream_cx_protocol_error = "downstream_cx_protocol_error",
        counter downstream_cx_idle_timeout = "downstream_cx_idle_timeout",
        counter downstream_cx_max_duration_reached = "downstream_cx_max_duration_reached",
        counter downstream_cx_drain_close = "downstream_cx_drain_close",
        counter downstream_cx_rx_bytes_total = "downstream_cx_rx_bytes_total",
        counter downstream_cx_tx_bytes_total = "downstream_cx_tx_bytes_total",
        histogram downstream_cx_length_ms = "downstream_cx_length_ms",
        counter downstream_rq_total = "downstream_rq_total",
        gauge downstream_rq_active = "downstream_rq_active",
        counter downstream_rq_http1_total = "downstream_rq_http1_total",
        counter downstream_rq_http2_total = "downstream_rq_http2_total",
        counter downstream_rq_completed = "downstream_rq_completed",
        counter downstream_rq_1xx = "downstream_rq_1xx",
        counter downstream_rq_2xx = "downstream_rq_2xx",
        counter downstream_rq_3xx = "downstream_rq_3xx",
        counter downstream_rq_4xx = "downstream_rq_4xx",
        counter downstream_rq_5xx = "downstream_rq_5xx",
        histogram downstream_rq_time = "downstream_rq_time",
        counter downstream_rq_rx_reset = "downstream_rq_rx_reset",
        counter downstream_rq_tx_reset = "downstream_rq_tx_reset",
        counter downstream_rq_timeout = "downstream_rq_timeout",
        counter downstream_rq_idle_timeout = "downstream_rq_idle_timeout",
        counter downstream_rq_header_timeout = "downstream_rq_header_timeout",
        counter downstream_rq_max_duration_reached = "downstream_rq_max_duration_reached",
        counter downstream_rq_too_large = "downstream_rq_too_large",
        counter downstream_rq_overload_close = "downstream_rq_overload_close",
        counter downstream_cx_overload_disable_keepalive =
            "downstream_cx_overload_disable_keepalive",
        counter downstream_rq_non_relative_path = "downstream_rq_non_relative_path",
        counter no_route = "no_route",
        counter no_cluster = "no_cluster",
        counter rq_total = "rq_total",
        counter rq_redirect = "rq_redirect",
        counter rq_direct_response = "rq_direct_response",
    }
}

impl HttpStats {
    /// Counts a complete answer: its class and the sum.
    pub fn completed(&self, status: u16) {
        self.downstream_rq_completed().inc();
        match status / 100 {
            1 => self.downstream_rq_1xx().inc(),
            2 => self.downstream_rq_2xx().inc(),
            3 => self.downstream_rq_3xx().inc(),
            4 => self.downstream_rq_4xx().inc(),
            5 => self.downstream_rq_5xx().inc(),
            _ => {}
        }
    }
}

stat_group! {
    /// Of the outlier detection of one cluster, under `cluster.<name>.outlier_detection.`.
    pub struct OutlierStats {
        gauge ejections_active = "ejections_active",
        counter ejections_enforced_total = "ejections_enforced_total",
        counter ejections_overflow = "ejections_overflow",
        counter enforced_consecutive_5xx = "ejections_enforced_consecutive_5xx",
        counter detected_consecutive_5xx = "ejections_detected_consecutive_5xx",
        counter enforced_gateway = "ejections_enforced_consecutive_gateway_failure",
        counter detected_gateway = "ejections_detected_consecutive_gateway_failure",
        counter enforced_local = "ejections_enforced_consecutive_local_origin_failure",
        counter detected_local = "ejections_detected_consecutive_local_origin_failure",
        counter enforced_success_rate = "ejections_enforced_success_rate",
        counter detected_success_rate = "ejections_detected_success_rate",
        counter enforced_local_success_rate = "ejections_enforced_local_origin_success_rate",
        counter detected_local_success_rate = "ejections_detected_local_origin_success_rate",
        counter enforced_failure_percentage = "ejections_enforced_failure_percentage",
        counter detected_failure_percentage = "ejections_detected_failure_percentage",
        counter enforced_local_failure_percentage =
            "ejections_enforced_failure_percentage_local_origin",
        counter detected_local_failure_percentage =
            "ejections_detected_failure_percentage_local_origin",
    }
}

impl OutlierStats {
    /// Counts that an endpoint should be ejected.
    pub fn detected(&self, cause: Cause) {
        match cause {
            Cause::Consecutive5xx => self.detected_consecutive_5xx().inc(),
            Cause::ConsecutiveGateway => self.detected_gateway().inc(),
            Cause::ConsecutiveLocal => self.detected_local().inc(),
            Cause::SuccessRate => self.detected_success_rate().inc(),
            Cause::LocalSuccessRate => self.detected_local_success_rate().inc(),
            Cause::FailurePercentage => self.detected_failure_percentage().inc(),
            Cause::LocalFailurePercentage => self.detected_local_failure_percentage().inc(),
        }
    }

    /// Counts that an endpoint was ejected.
    pub fn enforced(&self, cause: Cause) {
        self.ejections_enforced_total().inc();
        match cause {
            Cause::Consecutive5xx => self.enforced_consecutive_5xx().inc(),
            Cause::ConsecutiveGateway => self.enforced_gateway().inc(),
            Cause::ConsecutiveLocal => self.enforced_local().inc(),
            Cause::SuccessRate => self.enforced_success_rate().inc(),
            Cause::LocalSuccessRate => self.enforced_local_success_rate().inc(),
            Cause::FailurePercentage => self.enforced_failure_percentage().inc(),
            Cause::LocalFailurePercentage => self.enforced_local_failure_percentage().inc(),
        }
    }
}

stat_group! {
    /// Of the health checks of one cluster, under `cluster.<name>.health_check.`.
    pub struct HealthCheckStats {
        counter attempt = "attempt",
        counter success = "success",
        counter failure = "failure",
        counter network_failure = "network_failure",
        gauge healthy = "healthy",
    }
}

stat_group! {
    /// Of the subsets of one cluster, under `cluster.<name>.`.
    pub struct SubsetStats {
        gauge lb_subsets_active = "lb_subsets_active",
        counter lb_subsets_selected = "lb_subsets_selected",
        counter lb_subsets_fallback = "lb_subsets_fallback",
        counter lb_subsets_fallback_panic = "lb_subsets_fallback_panic",
    }
}

stat_group! {
    /// Of a fault filter, under `http.<stat prefix>.fault.`.
    pub struct FaultStats {
        counter aborts_injected = "aborts_injected",
        counter delays_injected = "delays_injected",
        counter faults_overflow = "faults_overflow",
        gauge active_faults = "active_faults",
    }
}

stat_group! {
    /// Of a CORS filter, under `http.<stat prefix>.cors.`.
    pub struct CorsStats {
        counter origin_valid = "origin_valid",
        counter origin_invalid = "origin_invalid",
    }
}

stat_group! {
    /// Of access control, under `http.<stat prefix>.rbac.` or `<stat prefix>rbac.`.
    pub struct RbacStats {
        counter allowed = "allowed",
        counter denied = "denied",
    }
}

stat_group! {
    /// Of access control that is only tried out, under the same.
    pub struct RbacShadowStats {
        counter shadow_allowed = "shadow_allowed",
        counter shadow_denied = "shadow_denied",
    }
}

stat_group! {
    /// Of one policy, under the same and `policy.<name>.`.
    pub struct RbacPolicyStats {
        counter allowed = "allowed",
        counter denied = "denied",
        counter shadow_allowed = "shadow_allowed",
        counter shadow_denied = "shadow_denied",
    }
}

stat_group! {
    /// Of a limit of connections, under `connection_limit.<stat prefix>.`.
    pub struct ConnectionLimitStats {
        counter limited_connections = "limited_connections",
        gauge active_connections = "active_connections",
    }
}

stat_group! {
    /// Of one listener, under `listener.<address>.`.
    pub struct ListenerStats {
        counter downstream_cx_total = "downstream_cx_total",
        gauge downstream_cx_active = "downstream_cx_active",
        counter downstream_cx_destroy = "downstream_cx_destroy",
        counter downstream_cx_overflow = "downstream_cx_overflow",
        counter downstream_global_cx_overflow = "downstream_global_cx_overflow",
        counter downstream_cx_transport_socket_connect_timeout =
            "downstream_cx_transport_socket_connect_timeout",
        histogram downstream_cx_length_ms = "downstream_cx_length_ms",
        counter downstream_pre_cx_overflow = "downstream_pre_cx_overflow",
        gauge downstream_pre_cx_active = "downstream_pre_cx_active",
        counter downstream_pre_cx_timeout = "downstream_pre_cx_timeout",
        counter downstream_listener_filter_error = "downstream_listener_filter_error",
        counter downstream_listener_filter_remote_close = "downstream_listener_filter_remote_close",
        counter no_filter_chain_match = "no_filter_chain_match",
        counter ssl_handshake = "ssl.handshake",
        counter ssl_connection_error = "ssl.connection_error",
        counter ssl_fail_verify_error = "ssl.fail_verify_error",
        counter ssl_fail_verify_no_cert = "ssl.fail_verify_no_cert",
        counter ssl_fail_verify_san = "ssl.fail_verify_san",
        counter ssl_session_reused = "ssl.session_reused",
        counter ssl_no_certificate = "ssl.no_certificate",
    }
}

stat_group! {
    /// Of the proxy as a whole; names are complete.
    pub struct ControlStats {
        gauge workers_started = "listener_manager.workers_started",
        counter lds_update_success = "listener_manager.lds.update_success",
        counter lds_update_rejected = "listener_manager.lds.update_rejected",
        counter cds_update_success = "cluster_manager.cds.update_success",
        counter cds_update_rejected = "cluster_manager.cds.update_rejected",
        gauge connected_state = "control_plane.connected_state",
    }
}

stat_group! {
    /// Of one TCP proxy, under `tcp.<stat prefix>.`.
    pub struct TcpStats {
        counter downstream_cx_total = "downstream_cx_total",
        counter downstream_cx_no_route = "downstream_cx_no_route",
        counter downstream_cx_rx_bytes_total = "downstream_cx_rx_bytes_total",
        counter downstream_cx_tx_bytes_total = "downstream_cx_tx_bytes_total",
        counter idle_timeout = "idle_timeout",
        counter max_downstream_connection_duration = "max_downstream_connection_duration",
    }
}

stat_group! {
    /// Of one cache of names, under `dns_cache.<name>.`.
    pub struct NameCacheStats {
        counter dns_query_attempt = "dns_query_attempt",
        counter dns_query_success = "dns_query_success",
        counter dns_query_failure = "dns_query_failure",
        counter dns_query_timeout = "dns_query_timeout",
        counter dns_address_filter_out = "dns_address_filter_out",
        counter dns_rq_pending_overflow = "dns_rq_pending_overflow",
        counter host_added = "host_added",
        counter host_removed = "host_removed",
        counter host_address_changed = "host_address_changed",
        counter host_overflow = "host_overflow",
        gauge num_hosts = "num_hosts",
    }
}

stat_group! {
    /// Of gRPC methods, under `cluster.<name>.grpc.` and perhaps service and method.
    pub struct GrpcStats {
        counter success = "success",
        counter failure = "failure",
        counter total = "total",
        counter request_message_count = "request_message_count",
        counter response_message_count = "response_message_count",
        counter status_0 = "0",
        counter status_1 = "1",
        counter status_2 = "2",
        counter status_3 = "3",
        counter status_4 = "4",
        counter status_5 = "5",
        counter status_6 = "6",
        counter status_7 = "7",
        counter status_8 = "8",
        counter status_9 = "9",
        counter status_10 = "10",
        counter status_11 = "11",
        counter status_12 = "12",
        counter status_13 = "13",
        counter status_14 = "14",
        counter status_15 = "15",
        counter status_16 = "16",
    }
}

impl GrpcStats {
    /// Counts a status.
    pub fn of_status(&self, status: u32) {
        let counter = match status {
            0 => self.status_0(),
            1 => self.status_1(),
            2 => self.status_2(),
            3 => self.status_3(),
            4 => self.status_4(),
            5 => self.status_5(),
            6 => self.status_6(),
            7 => self.status_7(),
            8 => self.status_8(),
            9 => self.status_9(),
            10 => self.status_10(),
            11 => self.status_11(),
            12 => self.status_12(),
            13 => self.status_13(),
            14 => self.status_14(),
            15 => self.status_15(),
            16 => self.status_16(),
            // No status of gRPC's.
            _ => return,
        };
        counter.inc();
    }
}

stat_group! {
    /// Times of gRPC methods, under the same.
    pub struct GrpcTimeStats {
        histogram upstream_rq_time = "upstream_rq_time",
    }
}
