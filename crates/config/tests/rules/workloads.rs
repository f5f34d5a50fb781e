//! The rules of what is outside of the cluster: ServiceEntries, WorkloadEntries, WorkloadGroups.

use super::{Row, SE, WE, WG};

pub(super) const ROWS: &[Row] = &[
    (
        SE,
        "{ports: [{number: 1, name: a}]}",
        "spec.hosts",
        "Required",
    ),
    (SE, "{hosts: ['*']}", "spec.hosts[0]", "cannot be wildcard"),
    (
        SE,
        "{hosts: [a.b], addresses: [x]}",
        "spec.addresses[0]",
        "x",
    ),
    (
        SE,
        "{hosts: [a.b], ports: [{number: 0, name: a}]}",
        "spec.ports[0].number",
        "1-65535",
    ),
    (
        SE,
        "{hosts: [a.b], ports: [{number: 1, name: a}, {number: 2, name: a}]}",
        "spec.ports[1]",
        "Duplicate",
    ),
    (
        SE,
        "{hosts: [a.b], ports: [{number: 1, name: a}, {number: 1, name: b}]}",
        "spec.ports",
        "cannot be duplicated",
    ),
    (
        SE,
        "{hosts: [a.b], ports: [{number: 1, name: a, targetPort: 70000}]}",
        "spec.ports[0].targetPort",
        "1-65535",
    ),
    (
        SE,
        "{hosts: [a.b], resolution: STATIC, workloadSelector: {labels: {a: b}}, \
         endpoints: [{address: 1.1.1.1}]}",
        "spec",
        "only one of",
    ),
    (
        SE,
        "{hosts: [a.b], resolution: DNS_ROUND_ROBIN, endpoints: [{address: a.a}, {address: b.b}]}",
        "spec",
        "multiple endpoints",
    ),
    (
        SE,
        "{hosts: [a.b], location: MESH_EXTERNAL, resolution: DYNAMIC_DNS}",
        "spec.hosts",
        "wildcard hosts",
    ),
    (
        SE,
        "{hosts: ['*.b'], location: MESH_INTERNAL, resolution: DYNAMIC_DNS}",
        "spec.location",
        "MESH_EXTERNAL",
    ),
    (
        WE,
        "{address: 'unix:///a', ports: {a: 1}}",
        "spec",
        "may not include ports",
    ),
    (
        WE,
        "{address: 1.1.1.1, ports: {a: 70000}}",
        "spec.ports.a",
        "1-65535",
    ),
    (
        WE,
        "{address: 1.1.1.1, labels: {a: 'b c'}}",
        "spec.labels.a",
        "b c",
    ),
    (
        WG,
        "{template: {ports: {a: 0}}}",
        "spec.template.ports.a",
        "1-65535",
    ),
    (
        WG,
        "{template: {}, metadata: {labels: {a: 'b c'}}}",
        "spec.metadata.labels.a",
        "b c",
    ),
    (
        WG,
        "{template: {}, probe: {httpGet: {path: /}}}",
        "spec.probe.httpGet.port",
        "Required",
    ),
    (
        WG,
        "{template: {}, probe: {httpGet: {port: 80, scheme: FTP}}}",
        "spec.probe.httpGet.scheme",
        "HTTP, HTTPS",
    ),
    (
        WG,
        "{template: {}, probe: {tcpSocket: {port: 0}}}",
        "spec.probe.tcpSocket.port",
        "1-65535",
    ),
    (
        WG,
        "{template: {}, probe: {exec: {}}}",
        "spec.probe.exec.command",
        "Required",
    ),
];
