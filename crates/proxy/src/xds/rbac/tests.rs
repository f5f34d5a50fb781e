use ferromesh_authz::Condition;
use ferromesh_proto::json::message_from_json;
use serde_json::{Value, json};

use super::*;

fn compiled(policy: &Value, subject: Subject) -> Result<RuleSet, Refusal> {
    let value = json!({"policies": {"p": policy}});
    rule_set(message_from_json(&value).expect("an RBAC message"), subject)
}

fn permission(rule: &Value, subject: Subject) -> Result<Condition, Refusal> {
    let any = json!([{"any": true}]);
    let rules = compiled(&json!({"permissions": [rule], "principals": any}), subject)?;
    Ok(rules.policies()[0].permissions.clone())
}

fn refused(rule: &Value) -> String {
    let refusal = permission(rule, Subject::Request).expect_err("to be refused");
    refusal.to_string()
}

#[test]
fn what_can_never_be_known_is_refused_by_name() {
    assert_eq!(
        refused(&json!({"matcher": {"name": "own"}})),
        "policies[p].permissions[0].matcher: the extension own is not supported"
    );
    assert_eq!(
        refused(&json!({"and_rules": {"rules": [{"any": true}, {"any": false}]}})),
        "policies[p].permissions[0].and_rules.rules[1].any: must be true"
    );
    let any = json!([{"any": true}]);
    let principal = json!([{"filter_state": {"key": "k", "string_match": {"exact": "v"}}}]);
    let policy = json!({"permissions": any, "principals": principal});
    let refusal = compiled(&policy, Subject::Request).expect_err("to be refused");
    assert_eq!(refusal.path(), "policies[p].principals[0].filter_state");
    let policy = json!({"permissions": any, "principals": any, "condition": {"id": 1}});
    let refusal = compiled(&policy, Subject::Request).expect_err("to be refused");
    assert_eq!(refusal.path(), "policies[p].condition");
    assert!(compiled(&json!({"permissions": any}), Subject::Request).is_err());
}

#[test]
fn a_connection_has_no_header_whatever_the_rule_asks() {
    let connection = |rule: Value| {
        let condition = permission(&rule, Subject::Connection).expect("supported");
        match condition {
            Condition::Always => true,
            Condition::Any(list) if list.is_empty() => false,
            other => panic!("a constant: {other:?}"),
        }
    };
    assert!(!connection(
        json!({"header": {"name": ":path", "present_match": true}})
    ));
    assert!(connection(
        json!({"header": {"name": "x", "present_match": false}})
    ));
    assert!(!connection(
        json!({"header": {"name": "x", "exact_match": "y"}})
    ));
    assert!(!connection(json!({"url_path": {"path": {"prefix": ""}}})));
}

#[test]
fn ports_and_path_templates_are_checked() {
    assert!(refused(&json!({"destination_port_range": {"start": 9, "end": 9}})).contains("below"));
    let template = |text: &str| {
        json!({"uri_template": {"name": "t", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig",
            "path_template": text,
        }}})
    };
    assert!(permission(&template("/a/*/**"), Subject::Request).is_ok());
    assert!(refused(&template("/a/**/*")).contains("no wildcard may follow"));
}
