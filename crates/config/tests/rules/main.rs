//! The rules of each kind, one broken object per row: the field that must be named and a part of
//! the message.

mod gateway_api;
mod servers;
mod workloads;

use ferromesh_config::{Code, parse_all, parse_documents};

/// apiVersion and kind, the spec in flow style, the field, a part of the message.
type Row = (&'static str, &'static str, &'static str, &'static str);

const VS: &str = "networking.istio.io/v1 VirtualService";
const DR: &str = "networking.istio.io/v1 DestinationRule";
const GW: &str = "networking.istio.io/v1 Gateway";
const SE: &str = "networking.istio.io/v1 ServiceEntry";
const SC: &str = "networking.istio.io/v1 Sidecar";
const WE: &str = "networking.istio.io/v1 WorkloadEntry";
const WG: &str = "networking.istio.io/v1 WorkloadGroup";
const EF: &str = "networking.istio.io/v1alpha3 EnvoyFilter";
const PC: &str = "networking.istio.io/v1beta1 ProxyConfig";
const PA: &str = "security.istio.io/v1 PeerAuthentication";
const RA: &str = "security.istio.io/v1 RequestAuthentication";
const AP: &str = "security.istio.io/v1 AuthorizationPolicy";
const TE: &str = "telemetry.istio.io/v1 Telemetry";
const WP: &str = "extensions.istio.io/v1alpha1 WasmPlugin";
const TX: &str = "extensions.istio.io/v1alpha1 TrafficExtension";
const SVC: &str = "v1 Service";

const ROWS: &[Row] = &[
    (VS, "{hosts: [a]}", "spec", "http, tcp or tls"),
    (
        VS,
        "{http: [{route: [{destination: {host: a}}]}], gateways: [g]}",
        "spec.gateways",
        "no gateways",
    ),
    (
        VS,
        "{hosts: ['*'], http: [{route: [{destination: {host: a}}]}]}",
        "spec.hosts[0]",
        "mesh gateway",
    ),
    (
        VS,
        "{hosts: [a, a], http: [{route: [{destination: {host: a}}]}]}",
        "spec.hosts[1]",
        "Duplicate",
    ),
    (
        VS,
        "{hosts: ['a b'], http: [{route: [{destination: {host: a}}]}]}",
        "spec.hosts[0]",
        "not a host",
    ),
    (VS, "{hosts: [a], http: [{}]}", "spec.http[0]", "required"),
    (
        VS,
        "{hosts: [a], http: [{route: [{}]}]}",
        "spec.http[0].route[0].destination.host",
        "Required",
    ),
    (
        VS,
        "{hosts: [a], http: [{route: [{destination: {host: a}}], redirect: {uri: /}}]}",
        "spec.http[0]",
        "both route and redirect",
    ),
    (
        VS,
        "{hosts: [a], http: [{route: [{destination: {host: a}, weight: 0}, {destination: {host: b}}]}]}",
        "spec.http[0].route",
        "total destination weight",
    ),
    (
        VS,
        "{hosts: [a], http: [{route: [{destination: {host: a}, weight: -1}]}]}",
        "spec.http[0].route[0].weight",
        "-1",
    ),
    (
        VS,
        "{hosts: [a], http: [{route: [{destination: {host: a}, wieght: 1}]}]}",
        "spec.http[0].route[0].wieght",
        "did you mean \"weight\"",
    ),
    (
        VS,
        "{hosts: [a], http: [{route: [{destination: {host: a, port: {number: 0}}}]}]}",
        "spec.http[0].route[0].destination.port.number",
        "1-65535",
    ),
    (
        VS,
        "{hosts: [a], http: [{match: [{uri: {regex: '('}}], route: [{destination: {host: a}}]}]}",
        "spec.http[0].match[0].uri",
        "regular expression",
    ),
    (
        VS,
        "{hosts: [a], http: [{match: [{uri: {exact: a, prefix: b}}], route: [{destination: {host: a}}]}]}",
        "spec.http[0].match[0].uri",
        "at most one",
    ),
    (
        VS,
        "{hosts: [a], http: [{match: [{headers: {'a b': {exact: c}}}], route: [{destination: {host: a}}]}]}",
        "spec.http[0].match[0].headers.a b",
        "header",
    ),
    (
        VS,
        "{hosts: [a], http: [{timeout: 5, route: [{destination: {host: a}}]}]}",
        "spec.http[0].timeout",
        "duration",
    ),
    (
        VS,
        "{hosts: [a], http: [{timeout: 1us, route: [{destination: {host: a}}]}]}",
        "spec.http[0].timeout",
        "1ms",
    ),
    (
        VS,
        "{hosts: [a], http: [{retries: {attempts: 1, retryOn: sometimes}, route: [{destination: {host: a}}]}]}",
        "spec.http[0].retries.retryOn",
        "sometimes",
    ),
    (
        VS,
        "{hosts: [a], http: [{redirect: {}}]}",
        "spec.http[0].redirect",
        "must specify",
    ),
    (
        VS,
        "{hosts: [a], http: [{redirect: {uri: /, redirectCode: 200}}]}",
        "spec.http[0].redirect.redirectCode",
        "301",
    ),
    (
        VS,
        "{hosts: [a], http: [{directResponse: {status: 99}}]}",
        "spec.http[0].directResponse.status",
        "between 200 and 599",
    ),
    (
        VS,
        "{hosts: [a], http: [{fault: {abort: {}}, route: [{destination: {host: a}}]}]}",
        "spec.http[0].fault.abort",
        "httpStatus",
    ),
    (
        VS,
        "{hosts: [a], http: [{mirrorPercentage: {value: 101}, route: [{destination: {host: a}}]}]}",
        "spec.http[0].mirrorPercentage.value",
        "0 and 100",
    ),
    (
        VS,
        "{hosts: [a], tls: [{match: [{sniHosts: [b]}], route: [{destination: {host: a}}]}]}",
        "spec.tls[0].match[0].sniHosts[0]",
        "not one of",
    ),
    (
        VS,
        "{hosts: [a], tcp: [{match: [{destinationSubnets: [x]}], route: [{destination: {host: a}}]}]}",
        "spec.tcp[0].match[0].destinationSubnets[0]",
        "CIDR",
    ),
    (
        VS,
        "{hosts: [a], gateways: [A/b/c], http: [{route: [{destination: {host: a}}]}]}",
        "spec.gateways[0]",
        "A",
    ),
    (
        VS,
        "{hosts: [a], exportTo: ['**'], http: [{route: [{destination: {host: a}}]}]}",
        "spec.exportTo[0]",
        "**",
    ),
    (DR, "{}", "spec.host", "Required"),
    (
        DR,
        "{host: a, subsets: [{name: v1}, {name: v1}]}",
        "spec.subsets[1].name",
        "Duplicate",
    ),
    (
        DR,
        "{host: a, subsets: [{labels: {a: b}}]}",
        "spec.subsets[0].name",
        "Required",
    ),
    (
        DR,
        "{host: a, trafficPolicy: {loadBalancer: {simple: FASTEST}}}",
        "spec.trafficPolicy.loadBalancer.simple",
        "Unsupported value",
    ),
    (
        DR,
        "{host: a, trafficPolicy: {loadBalancer: {simple: RANDOM, consistentHash: {useSourceIp: true}}}}",
        "spec.trafficPolicy.loadBalancer",
        "at most one",
    ),
    (
        DR,
        "{host: a, trafficPolicy: {loadBalancer: {consistentHash: {}}}}",
        "spec.trafficPolicy.loadBalancer.consistentHash",
        "one of",
    ),
    (
        DR,
        "{host: a, trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {b: 50}}]}}}}",
        "spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[0].to",
        "100",
    ),
    (
        DR,
        "{host: a, trafficPolicy: {connectionPool: {}}}",
        "spec.trafficPolicy.connectionPool",
        "at least one",
    ),
    (
        DR,
        "{host: a, trafficPolicy: {outlierDetection: {maxEjectionPercent: 101}}}",
        "spec.trafficPolicy.outlierDetection.maxEjectionPercent",
        "100",
    ),
    (
        DR,
        "{host: a, trafficPolicy: {tls: {mode: MUTUAL}}}",
        "spec.trafficPolicy.tls.clientCertificate",
        "Required",
    ),
    (
        DR,
        "{host: a, trafficPolicy: {portLevelSettings: [{}]}}",
        "spec.trafficPolicy.portLevelSettings[0].port",
        "Required",
    ),
    (GW, "{selector: {a: b}}", "spec.servers", "Required"),
    (
        GW,
        "{servers: [{port: {number: 80, name: h, protocol: HTTP}}]}",
        "spec.servers[0].hosts",
        "Required",
    ),
    (
        GW,
        "{servers: [{port: {number: 80, name: h, protocol: SMTP}, hosts: [a]}]}",
        "spec.servers[0].port.protocol",
        "Unsupported value",
    ),
    (
        GW,
        "{servers: [{port: {number: 443, name: h, protocol: HTTPS}, hosts: [a]}]}",
        "spec.servers[0].tls",
        "TLS settings",
    ),
    (
        GW,
        "{servers: [{port: {number: 443, name: h, protocol: HTTPS}, hosts: [a], tls: {mode: SIMPLE}}]}",
        "spec.servers[0].tls.credentialName",
        "certificate",
    ),
    (
        GW,
        "{servers: [{port: {number: 80, name: h, protocol: HTTP}, hosts: [a], tls: {mode: SIMPLE, credentialName: c}}]}",
        "spec.servers[0].tls",
        "non HTTPS/TLS",
    ),
    (SE, "{hosts: ['*']}", "spec.hosts[0]", "cannot be wildcard"),
    (
        SE,
        "{hosts: [a.b], resolution: NONE, endpoints: [{address: 1.1.1.1}]}",
        "spec",
        "NONE mode",
    ),
    (
        SE,
        "{hosts: [a.b], resolution: STATIC, endpoints: [{address: c.d}]}",
        "spec.endpoints[0].address",
        "IP address",
    ),
    (
        SE,
        "{hosts: [a.b], resolution: DNS, addresses: [10.0.0.0/8]}",
        "spec",
        "CIDR",
    ),
    (
        SE,
        "{hosts: ['*.b'], resolution: DNS}",
        "spec.hosts",
        "FQDN",
    ),
    (
        SE,
        "{hosts: [a.b], ports: [{number: 1, name: a, protocol: X}]}",
        "spec.ports[0].protocol",
        "Unsupported value",
    ),
    (
        SC,
        "{egress: [{hosts: [a]}]}",
        "spec.egress[0].hosts[0]",
        "namespace/dnsName",
    ),
    (SC, "{egress: [{}]}", "spec.egress[0].hosts", "Required"),
    (
        SC,
        "{egress: [{hosts: ['*/*']}, {port: {number: 1}, hosts: ['*/*']}]}",
        "spec.egress[0]",
        "last egress",
    ),
    (
        SC,
        "{ingress: [{port: {number: 80}, defaultEndpoint: 10.0.0.1:80}]}",
        "spec.ingress[0].defaultEndpoint",
        "127.0.0.1",
    ),
    (WE, "{}", "spec", "Address is required"),
    (WE, "{address: '*.a'}", "spec.address", "wildcard"),
    (WE, "{address: 'unix://a'}", "spec.address", "absolute path"),
    (WG, "{}", "spec.template", "Required"),
    (
        WG,
        "{template: {}, probe: {httpGet: {port: 80}, tcpSocket: {port: 80}}}",
        "spec.probe",
        "at most one",
    ),
    (
        EF,
        "{workloadSelector: {labels: {}}, targetRefs: [{kind: Service, name: a}]}",
        "spec",
        "only one of",
    ),
    (
        EF,
        "{configPatches: [{applyTo: SOMETHING}]}",
        "spec.configPatches[0].applyTo",
        "Unsupported value",
    ),
    (
        PC,
        "{concurrency: -1}",
        "spec.concurrency",
        "greater than or equal to 0",
    ),
    (
        PA,
        "{mtls: {mode: MAYBE}}",
        "spec.mtls.mode",
        "Unsupported value",
    ),
    (
        PA,
        "{selector: {matchLabels: {'a*': b}}}",
        "spec.selector.matchLabels",
        "wildcard",
    ),
    (
        RA,
        "{jwtRules: [{}]}",
        "spec.jwtRules[0].issuer",
        "Required",
    ),
    (
        RA,
        "{jwtRules: [{issuer: a, jwks: b, jwksUri: 'http://c'}]}",
        "spec.jwtRules[0]",
        "only one of",
    ),
    (
        RA,
        "{selector: {}, targetRefs: [{kind: Service, name: a}]}",
        "spec",
        "only one of",
    ),
    (AP, "{action: DENY}", "spec.rules", "meaningless"),
    (
        AP,
        "{action: CUSTOM, rules: [{}]}",
        "spec.provider",
        "provider",
    ),
    (
        AP,
        "{rules: [{from: [{source: {}}]}]}",
        "spec.rules[0].from[0].source",
        "at least one",
    ),
    (
        AP,
        "{rules: [{to: [{operation: {ports: [http]}}]}]}",
        "spec.rules[0].to[0].operation.ports[0]",
        "1-65535",
    ),
    (
        AP,
        "{rules: [{when: [{key: source.colour, values: [a]}]}]}",
        "spec.rules[0].when[0].key",
        "unknown attribute",
    ),
    (
        AP,
        "{rules: [{from: [{source: {ipBlocks: [1.2.3]}}]}]}",
        "spec.rules[0].from[0].source.ipBlocks[0]",
        "IP address",
    ),
    (
        TE,
        "{tracing: [{randomSamplingPercentage: 200}]}",
        "spec.tracing[0].randomSamplingPercentage",
        "100",
    ),
    (
        TE,
        "{tracing: [{customTags: {a: {literal: {value: b}, header: {name: c}}}}]}",
        "spec.tracing[0].customTags.a",
        "at most one",
    ),
    (WP, "{}", "spec.url", "Required"),
    (
        WP,
        "{url: 'http://a', vmConfig: {env: [{name: a}, {name: a}]}}",
        "spec.vmConfig.env[1]",
        "Duplicate",
    ),
    (TX, "{}", "spec", "exactly one of"),
    (
        TX,
        "{lua: {inlineCode: ''}}",
        "spec.lua.inlineCode",
        "at least 1 chars",
    ),
    (
        SVC,
        "{ports: [{port: 70000}]}",
        "spec.ports[0].port",
        "1-65535",
    ),
    (SVC, "{type: Magic}", "spec.type", "Unsupported value"),
];

fn document(kind: &str, spec: &str) -> String {
    let (api_version, kind) = kind.split_once(' ').expect("two words");
    format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: x}}\nspec: {spec}\n")
}

#[test]
fn each_broken_rule_names_its_field() {
    let mut wrong = Vec::new();
    let tables = [ROWS, gateway_api::ROWS, servers::ROWS, workloads::ROWS];
    for (kind, spec, field, part) in tables.into_iter().flatten() {
        let found: Vec<_> = parse_all(&document(kind, spec), "x.yaml")
            .into_iter()
            .filter_map(Result::err)
            .flat_map(|rejected| rejected.problems)
            .collect();
        let named = found.iter().any(|problem| {
            problem.is_error() && problem.field == *field && problem.message.contains(part)
        });
        if !named {
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            wrong.push(format!(
                "{kind} {spec}: {field}: {part}\n    found {found:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_line_is_that_of_the_field() {
    let text = "# comment\napiVersion: networking.istio.io/v1\nkind: VirtualService\n\
                metadata:\n  name: x\nspec:\n  hosts:\n  - a\n  http:\n  - route:\n    - destination:\n\
                \x20       host: a\n      weight: heavy\n";
    let problem = parse_documents(text, "dir/x.yaml")
        .remove(0)
        .expect_err("not a weight");
    assert_eq!(
        problem.to_string(),
        "dir/x.yaml:13: VirtualService default/x: spec.http[0].route[0].weight: Invalid value: \
         string \"heavy\" must be a whole number between 0 and 4294967295"
    );
}

#[test]
fn objects_that_are_no_objects_are_refused() {
    for (text, code, field) in [
        ("just text", Code::Syntax, "apiVersion"),
        ("apiVersion: v1\nmetadata: {name: a}", Code::Syntax, "kind"),
        (
            "apiVersion: v1\nkind: Gadget\nmetadata: {name: a}",
            Code::UnknownKind,
            "kind",
        ),
        (
            "apiVersion: v2\nkind: Pod\nmetadata: {name: a}",
            Code::UnknownKind,
            "apiVersion",
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {}",
            Code::Invalid,
            "metadata.name",
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: ../a}",
            Code::Invalid,
            "metadata.name",
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a, name: b}",
            Code::Syntax,
            "name",
        ),
        (
            "apiVersion: v1\nkind: Role\nmetadata: {name: a}",
            Code::Ignored,
            "",
        ),
        (
            "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: a}",
            Code::NoEffect,
            "",
        ),
        (
            "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\nspecs: {}",
            Code::UnknownField,
            "specs",
        ),
    ] {
        let problem = parse_documents(text, "x.yaml").remove(0).expect_err(text);
        assert_eq!(
            (problem.code, problem.field.as_str()),
            (code, field),
            "{text}: {problem}"
        );
    }
}

#[test]
fn a_list_is_read_as_its_items() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Namespace\n  \
                metadata: {name: a}\n- apiVersion: v1\n  kind: Service\n  metadata: {name: b}\n";
    let objects: Vec<_> = parse_documents(text, "x.yaml")
        .into_iter()
        .flatten()
        .collect();
    let keys: Vec<String> = objects
        .iter()
        .map(|object| object.key.to_string())
        .collect();
    assert_eq!(keys, ["Namespace a", "Service default/b"]);
    assert_eq!(
        objects[1].origin.as_ref().map(|origin| origin.line),
        Some(7)
    );
}

#[test]
fn what_has_no_effect_is_said_and_does_not_keep_the_object_out() {
    let text = document(AP, "{rules: [{}]}");
    let object = parse_documents(&text, "x.yaml").remove(0).expect("good");
    assert_eq!(object.warnings[0].code, Code::NoEffect);
    assert!(object.warnings[0].to_string().contains("no effect yet"));
}
