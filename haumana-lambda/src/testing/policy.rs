//! How API Gateway reads an authorizer's answer.
//!
//! API Gateway gives no reason if a detail of an authorizer's answer is wrong: clients see 500. So
//! the rules are written here, and tests of the authorizer run against them.

use serde_json::{Map, Value};
use std::time::Instant;

/// A kept answer of the authorizer, and until when it is kept.
#[derive(Clone)]
pub(super) struct Allowed {
    /// The first resource of the policy, perhaps with stars.
    pub(super) resource: String,
    /// The authorizer's context, for the functions.
    pub(super) context: Map<String, Value>,
    pub(super) until: Instant,
    /// Whether it permits its resource. Otherwise it denies it.
    pub(super) is_allow: bool,
}

/// Reads an authorizer's answer as strictly as API Gateway: one wrong value makes it an error.
pub(super) fn read_policy(policy: &Value, until: Instant) -> Option<Allowed> {
    policy.get("principalId")?.as_str().filter(|id| !id.is_empty())?;
    let document = policy.get("policyDocument")?;
    let [statement] = document.get("Statement")?.as_array()?.as_slice() else { return None };
    let effect = statement.get("Effect")?.as_str()?;
    let is_policy = matches!(effect, "Allow" | "Deny")
        && has_one(statement.get("Action")?, "execute-api:Invoke")
        && document.get("Version")? == "2012-10-17";
    let resource = match statement.get("Resource")? {
        Value::String(resource) => resource.clone(),
        Value::Array(resources) => resources.first()?.as_str()?.to_owned(),
        _ => return None,
    };
    let mut context = Map::new();
    for (name, value) in policy.get("context")?.as_object()? {
        // API GATEWAY: numbers and booleans arrive as strings, anything else breaks the request.
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(is_true) => is_true.to_string(),
            _ => return None,
        };
        context.insert(name.clone(), value.into());
    }
    let is_allow = effect == "Allow";
    is_policy.then_some(Allowed { resource, context, until, is_allow })
}

fn has_one(value: &Value, wanted: &str) -> bool {
    value == wanted || value.as_array().is_some_and(|all| all.iter().all(|one| one == wanted))
}

/// Whether a resource with stars matches `arn`.
pub(super) fn is_match(resource: &str, arn: &str) -> bool {
    let mut rest = arn;
    let mut parts = resource.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(after) = rest.strip_prefix(first) else { return false };
    rest = after;
    let mut is_open = false;
    for part in parts {
        is_open = part.is_empty();
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    is_open || rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const API: &str = "arn:aws:execute-api:us-west-2:123456789012:a1b2c3d4e5";

    #[test]
    fn stars_of_a_resource_match_as_in_a_policy() {
        let arn = format!("{API}/prod/POST/pieces");
        assert!(is_match(&format!("{API}/prod/*/*"), &arn));
        assert!(is_match(&arn, &arn));
        assert!(!is_match(&format!("{API}/prod/GET/*"), &arn));
        assert!(!is_match(&format!("{API}/dev/*/*"), &arn));
        assert!(!is_match(&format!("{API}/prod/POST/piece"), &arn));
    }

    #[test]
    fn a_context_with_a_null_breaks_the_request() {
        let policy = |context: Value| {
            json!({"principalId": "user", "context": context, "policyDocument": {
                "Version": "2012-10-17",
                "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": "*"}],
            }})
        };
        let read = |context| read_policy(&policy(context), Instant::now());

        assert!(read(json!({"userId": "kai"})).is_some());
        assert!(read(json!({"userId": null})).is_none());
        assert!(read(json!({"userId": ["kai"]})).is_none());
    }
}
