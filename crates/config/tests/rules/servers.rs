//! The rules of what listens: Gateways and the listeners of Sidecars.

use super::{GW, Row, SC};

pub(super) const ROWS: &[Row] = &[
    (
        GW,
        "{servers: [{hosts: [a]}]}",
        "spec.servers[0].port",
        "Required",
    ),
    (
        GW,
        "{servers: [{port: {number: 70000, name: h, protocol: HTTP}, hosts: [a]}]}",
        "spec.servers[0].port.number",
        "1-65535",
    ),
    (
        GW,
        "{servers: [{port: {number: 80, protocol: HTTP}, hosts: [a]}]}",
        "spec.servers[0].port.name",
        "Required",
    ),
    (
        GW,
        "{servers: [{port: {number: 80, name: h}, hosts: [a]}]}",
        "spec.servers[0].port.protocol",
        "Required",
    ),
    (
        GW,
        "{servers: [{port: {number: 80, name: h, protocol: HTTP, targetPort: 70000}, hosts: [a]}]}",
        "spec.servers[0].port.targetPort",
        "1-65535",
    ),
    (
        GW,
        "{servers: [{port: {number: 80, name: h, protocol: HTTP}, bind: a.b, hosts: [a]}]}",
        "spec.servers[0].bind",
        "a.b",
    ),
    (
        GW,
        "{servers: [{port: {number: 80, name: h, protocol: HTTP}, bind: 'unix:///a', hosts: [a]}]}",
        "spec.servers[0].port.number",
        "must be 0",
    ),
    (
        GW,
        "{servers: [{port: {number: 0, name: h, protocol: HTTP}, bind: 'unix://a', hosts: [a]}]}",
        "spec.servers[0].bind",
        "absolute path",
    ),
    (
        GW,
        "{servers: [{port: {number: 80, name: h, protocol: HTTP}, hosts: ['a b']}]}",
        "spec.servers[0].hosts[0]",
        "not a host",
    ),
    (
        GW,
        "{servers: [{port: {number: 80, name: h, protocol: HTTP}, hosts: [A_B/a]}]}",
        "spec.servers[0].hosts[0]",
        "A_B",
    ),
    (
        GW,
        "{servers: [{name: s, port: {number: 80, name: a, protocol: HTTP}, hosts: [a]}, \
         {name: s, port: {number: 81, name: b, protocol: HTTP}, hosts: [a]}]}",
        "spec.servers[1].name",
        "Duplicate",
    ),
    (
        GW,
        "{servers: [{port: {number: 80, name: h, protocol: HTTP}, hosts: [a]}, \
         {port: {number: 81, name: h, protocol: HTTP}, hosts: [a]}]}",
        "spec.servers[1].port.name",
        "Duplicate",
    ),
    (
        GW,
        "{servers: [{port: {number: 443, name: h, protocol: HTTPS}, hosts: [a], \
         tls: {mode: SIMPLE, credentialName: c, serverCertificate: /c, privateKey: /k}}]}",
        "spec.servers[0].tls",
        "only one of",
    ),
    (
        GW,
        "{servers: [{port: {number: 443, name: h, protocol: HTTPS}, hosts: [a], \
         tls: {mode: SIMPLE, serverCertificate: /c}}]}",
        "spec.servers[0].tls.privateKey",
        "Required",
    ),
    (
        GW,
        "{servers: [{port: {number: 443, name: h, protocol: HTTPS}, hosts: [a], \
         tls: {mode: MUTUAL, serverCertificate: /c, privateKey: /k}}]}",
        "spec.servers[0].tls.caCertificates",
        "to verify clients",
    ),
    (
        GW,
        "{servers: [{port: {number: 443, name: h, protocol: HTTPS}, hosts: [a], \
         tls: {mode: SIMPLE, credentialNames: [a, b, c]}}]}",
        "spec.servers[0].tls.credentialNames",
        "at most 2",
    ),
    (
        GW,
        "{servers: [{port: {number: 443, name: h, protocol: HTTPS}, hosts: [a], \
         tls: {mode: SIMPLE, tlsCertificates: [{serverCertificate: /c}]}}]}",
        "spec.servers[0].tls.tlsCertificates[0].privateKey",
        "Required",
    ),
    (
        GW,
        "{servers: [{port: {number: 443, name: h, protocol: TLS}, hosts: [a], \
         tls: {mode: ISTIO_MUTUAL, credentialName: c}}]}",
        "spec.servers[0].tls.credentialName",
        "ISTIO_MUTUAL",
    ),
    (
        GW,
        "{servers: [{port: {number: 443, name: h, protocol: HTTPS}, hosts: [a], tls: {mode: SIMPLE, \
         credentialName: c, minProtocolVersion: TLSV1_3, maxProtocolVersion: TLSV1_2}}]}",
        "spec.servers[0].tls.maxProtocolVersion",
        "less than minProtocolVersion",
    ),
    (
        GW,
        "{servers: [{port: {number: 443, name: h, protocol: HTTPS}, hosts: [a], tls: {mode: SIMPLE, \
         credentialName: c, cipherSuites: [AES128-SHA, AES128-SHA]}}]}",
        "spec.servers[0].tls.cipherSuites[1]",
        "Duplicate",
    ),
    (
        GW,
        "{servers: [{port: {number: 443, name: h, protocol: HTTPS}, hosts: [a], tls: {mode: SIMPLE, \
         credentialName: c, verifyCertificateSpki: ['?']}}]}",
        "spec.servers[0].tls.verifyCertificateSpki[0]",
        "?",
    ),
    (
        GW,
        "{servers: [{port: {number: 443, name: h, protocol: HTTPS}, hosts: [a], tls: {mode: SIMPLE, \
         credentialName: c, verifyCertificateHash: [xyz]}}]}",
        "spec.servers[0].tls.verifyCertificateHash[0]",
        "xyz",
    ),
    (
        SC,
        "{ingress: [{defaultEndpoint: '127.0.0.1:80'}]}",
        "spec.ingress[0].port",
        "Required",
    ),
    (
        SC,
        "{ingress: [{port: {number: 80}, bind: 'unix:///a', defaultEndpoint: '127.0.0.1:80'}]}",
        "spec.ingress[0].bind",
        "socket file",
    ),
    (
        SC,
        "{ingress: [{port: {number: 80}, defaultEndpoint: '127.0.0.1:80'}, \
         {port: {number: 80}, defaultEndpoint: '127.0.0.1:81'}]}",
        "spec.ingress[1].port.number",
        "must be unique",
    ),
    (
        SC,
        "{ingress: [{port: {number: 443, protocol: HTTPS}, defaultEndpoint: '127.0.0.1:80', \
         tls: {mode: PASSTHROUGH}}]}",
        "spec.ingress[0].tls.mode",
        "only SIMPLE and MUTUAL",
    ),
    (
        SC,
        "{ingress: [{port: {number: 80, protocol: HTTP}, defaultEndpoint: '127.0.0.1:80', \
         tls: {mode: SIMPLE, credentialName: c}}]}",
        "spec.ingress[0].tls",
        "non HTTPS/TLS",
    ),
    (SC, "{egress: [{}]}", "spec.egress[0].hosts", "Required"),
    (
        SC,
        "{egress: [{bind: 'unix:///a', captureMode: IPTABLES, port: {number: 0}, hosts: ['*/*']}]}",
        "spec.egress[0].captureMode",
        "DEFAULT/NONE",
    ),
    (
        SC,
        "{outboundTrafficPolicy: {mode: REGISTRY_ONLY, egressProxy: {host: a.b, port: {number: 1}}}}",
        "spec.outboundTrafficPolicy.egressProxy",
        "ALLOW_ANY",
    ),
    (
        SC,
        "{outboundTrafficPolicy: {egressProxy: {host: a.b}}}",
        "spec.outboundTrafficPolicy.egressProxy.port",
        "Required",
    ),
];
