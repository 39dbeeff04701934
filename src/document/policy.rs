//! Mistakes in policy documents.
//!
//! The rules are those of the IAM User Guide: "Grammar of the IAM JSON policy language" (`reference_policies_grammar`), and its
//! pages on the single elements (`reference_policies_elements_…`). What these rule out is a mistake. What they do not list, AWS
//! may know all the same: that is a warning.

use serde_json::{Map, Value as Json};

use super::{
    Document,
    inspection::{Inspection, each},
};
use crate::{
    check::{Report, misspelt},
    value::path_of_key,
};

/// What a policy document is attached to, which decides what its statements may say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A role: what it may do.
    Identity,
    /// A role: who may act as it.
    Trust,
    /// A repository: who may use it.
    Repository,
    /// A VPC endpoint: who may do what through it.
    Endpoint,
}

/// Reports what is wrong with the policy document at `path`.
pub fn check(path: &str, document: &Document, kind: Kind, report: &mut Report<'_>) {
    inspect(path, document, kind, report.is_secret(path)).tell(report);
}

/// Whether no mistake is in a document.
pub fn is_sound(document: &Document, kind: Kind) -> bool {
    inspect("", document, kind, true).found.failures.is_empty()
}

fn inspect(path: &str, document: &Document, kind: Kind, secret: bool) -> Inspection {
    let mut policy = Policy { kind, found: Inspection::new("policy document", secret), sids: Vec::new() };
    // What is no document at all has been reported as such.
    if let Ok(Json::Object(map)) = serde_json::from_str(&document.to_text()) {
        policy.document(path, &map);
    }
    policy.found
}

const POLICY: [&str; 3] = ["Version", "Id", "Statement"];
const STATEMENT: [&str; 9] =
    ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
const PRINCIPAL: [&str; 4] = ["AWS", "Federated", "Service", "CanonicalUser"];

/// The versions of the policy language; the first is the current one.
const VERSIONS: [&str; 2] = ["2012-10-17", "2008-10-17"];

/// The actions by which somebody acts as a role.
const TRUST: [&str; 6] = [
    "sts:AssumeRole",
    "sts:AssumeRoleWithSAML",
    "sts:AssumeRoleWithWebIdentity",
    "sts:TagSession",
    "sts:SetSourceIdentity",
    "sts:SetContext",
];

/// The operators of conditions, but for `ForAllValues:` and `ForAnyValue:` before them and `IfExists` after them.
const OPERATORS: [&str; 27] = [
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "Bool",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
    "ArnEquals",
    "ArnNotEquals",
    "ArnLike",
    "ArnNotLike",
    "Null",
];

struct Policy {
    kind: Kind,
    found: Inspection,
    /// The ids of the statements so far.
    sids: Vec<String>,
}

impl Policy {
    fn document(&mut self, path: &str, policy: &Map<String, Json>) {
        let at = |name: &str| path_of_key(path, name);
        let said = self.found.elements(path, policy, &POLICY);
        let version = policy.get("Version").filter(|it| !it.is_null());
        if let Some(it) = version.filter(|it| !VERSIONS.iter().any(|known| *it == known)) {
            let reason = format!("{} {}; use {}, the current version", self.found.is_not(it), VERSIONS.join(" or "), VERSIONS[0]);
            self.found.fail(at("Version"), reason);
        }
        if !said.contains("Statement") {
            self.found.fail(at("Statement"), "is required: the list of what is allowed or denied");
        }
        let statements = policy.get("Statement");
        for (path, it) in statements.map(|it| each(&at("Statement"), it)).unwrap_or_default() {
            if let Some(it) = self.found.map(&path, it) {
                self.statement(&path, it);
            }
        }
        let has_variables = statements.is_some_and(|it| it.to_string().contains("${aws:"));
        if has_variables && !said.contains("Version") || version.is_some_and(|it| has_variables && it == VERSIONS[1]) {
            self.found.warn(
                at("Version"),
                format!("is not {}, so that AWS takes variables such as ${{aws:username}} for plain text", VERSIONS[0]),
            );
        }
    }

    fn statement(&mut self, path: &str, statement: &Map<String, Json>) {
        let at = |name: &str| path_of_key(path, name);
        let said = self.found.elements(path, statement, &STATEMENT);
        match statement.get("Effect") {
            Some(it) => self.effect(&at("Effect"), it),
            None if said.contains("Effect") => {}
            None => self.found.fail(at("Effect"), "is required: Allow or Deny"),
        }
        for (one, other) in [("Principal", "NotPrincipal"), ("Action", "NotAction"), ("Resource", "NotResource")] {
            if statement.contains_key(one) && statement.contains_key(other) {
                self.found.fail(at(other), format!("is set beside {one}; a statement has one of them"));
            }
        }
        let says = |one: &str| {
            let says = |name: &str| said.contains(name) && !statement.get(name).is_some_and(|it| *it == Json::Array(Vec::new()));
            says(one) || says(&format!("Not{one}"))
        };
        if !says("Action") {
            let example = if self.kind == Kind::Trust { TRUST[0] } else { "s3:GetObject" };
            self.found.fail(at("Action"), format!("is required: the actions, such as {example}"));
        }
        for name in ["Action", "NotAction"] {
            for (at, action) in statement.get(name).map(|it| self.found.texts(&at(name), it)).unwrap_or_default() {
                self.action(&at, action);
            }
        }
        self.principals(path, statement, says("Principal"));
        self.resources(path, statement, says("Resource"));
        if let Some(it) = statement.get("Sid") {
            self.sid(&at("Sid"), it);
        }
        if let Some(it) = statement.get("Condition") {
            self.condition(&at("Condition"), it);
        }
    }

    fn effect(&mut self, at: &str, effect: &Json) {
        if effect.is_null() || ["Allow", "Deny"].iter().any(|it| effect == it) {
            return;
        }
        let near = effect.as_str().and_then(|it| misspelt(it, &["Allow", "Deny"]));
        let near = near.map(|it| format!("; did you mean {it}?")).unwrap_or_default();
        let reason = format!("{} Allow or Deny{near}", self.found.is_not(effect));
        self.found.fail(at, reason);
    }

    /// Who a statement is about, which it has to say where the policy is not that of a role alone.
    fn principals(&mut self, path: &str, statement: &Map<String, Json>, said: bool) {
        let at = |name: &str| path_of_key(path, name);
        let principals = ["Principal", "NotPrincipal"].into_iter().filter_map(|name| Some((at(name), statement.get(name)?)));
        match self.kind {
            Kind::Identity => {
                for (at, _) in principals {
                    let reason = "does not belong to a policy of what a role may do; remove it: who may act as the role is said \
                                  in assumeRolePolicy";
                    self.found.fail(at, reason);
                }
            }
            Kind::Trust | Kind::Repository | Kind::Endpoint => {
                if !said {
                    let example = match self.kind {
                        Kind::Trust => r#"for tasks, {"Service": "ecs-tasks.amazonaws.com"}"#,
                        _ => r#"for instance, {"AWS": "123456789012"}, an account"#,
                    };
                    self.found.fail(at("Principal"), format!("is required: who the statement is about; {example}"));
                }
                principals.for_each(|(at, it)| self.principal(&at, it));
            }
        }
    }

    /// What the actions of a statement are done to, which it says where that is not what the policy is attached to.
    fn resources(&mut self, path: &str, statement: &Map<String, Json>, said: bool) {
        let at = |name: &str| path_of_key(path, name);
        let resources = ["Resource", "NotResource"].into_iter().filter_map(|name| Some((at(name), statement.get(name)?)));
        match self.kind {
            Kind::Identity => {
                if !said {
                    self.found.fail(at("Resource"), "is required: the ARNs of what the actions may be done to, or *");
                }
                for (at, it) in resources {
                    self.arns(&at, it);
                }
            }
            Kind::Endpoint if !said => {
                self.found.fail(at("Resource"), "is required: the ARNs of what the actions may be done to, or *");
            }
            Kind::Endpoint => {}
            Kind::Trust => {
                for (at, _) in resources {
                    self.found.fail(at, "does not belong to a trust policy, whose resource is the role itself; remove it");
                }
            }
            Kind::Repository => {
                for (at, _) in resources {
                    let reason = "is in the policy of a repository, which is the resource itself; AWS most likely refuses it \
                                  as \"Invalid repository policy provided\": remove it";
                    self.found.warn(at, reason);
                }
            }
        }
    }

    fn action(&mut self, at: &str, action: &str) {
        let is_not = self.found.is_not(&Json::from(action));
        let near = misspelt(action, &TRUST).or_else(|| {
            let name = |it: &&'static str| misspelt(action, &[it.trim_start_matches("sts:")]).is_some();
            TRUST.into_iter().find(name)
        });
        let near = near.filter(|_| self.kind == Kind::Trust).map(|it| format!("; did you mean {it}?")).unwrap_or_default();
        let parts: Vec<_> = action.split(':').collect();
        let (service, name) = match parts[..] {
            ["*"] => return,
            [service, name] if !service.is_empty() && !name.is_empty() => (service, name),
            _ => {
                return self
                    .found
                    .fail(at, format!("{is_not} an action, which is service:Name, such as s3:GetObject, or *{near}"));
            }
        };
        if self.kind != Kind::Trust || service.contains(['*', '?']) {
            return;
        }
        if !service.eq_ignore_ascii_case("sts") {
            let fix = if near.is_empty() { "; what the role may do belongs into inlinePolicies" } else { &near };
            self.found.fail(at, format!("{is_not} one of the actions of sts, the only ones in a trust policy{fix}"));
        } else if !name.contains(['*', '?']) && !TRUST.iter().any(|it| it.eq_ignore_ascii_case(action)) {
            let reason = format!("{is_not} an action that lets anyone act as a role; there are {}{near}", TRUST.join(", "));
            if near.is_empty() { self.found.warn(at, reason) } else { self.found.fail(at, reason) }
        }
    }

    fn principal(&mut self, at: &str, principal: &Json) {
        let map = match principal {
            Json::Null => return,
            Json::String(it) if it == "*" => return,
            Json::Object(map) => map,
            other => {
                let is_not = self.found.is_not(other);
                let reason = format!(r#"{is_not} * or a map such as {{"Service": "ecs-tasks.amazonaws.com"}}"#);
                return self.found.fail(at, reason);
            }
        };
        self.found.elements(at, map, &PRINCIPAL);
        for (at, it) in map.get("Service").map(|it| self.found.texts(&path_of_key(at, "Service"), it)).unwrap_or_default() {
            self.service(&at, it);
        }
        for (at, it) in map.get("AWS").map(|it| self.found.texts(&path_of_key(at, "AWS"), it)).unwrap_or_default() {
            self.account(&at, it);
        }
    }

    /// A service, as `ecs-tasks.amazonaws.com`.
    fn service(&mut self, at: &str, service: &str) {
        let is_not = self.found.is_not(&Json::from(service));
        let (label, domain) = service.split_once('.').unwrap_or((service, ""));
        let domains = ["amazonaws.com", "amazonaws.com.cn"];
        let is_misspelt = misspelt(label, &["ecs-tasks"]).is_some_and(|it| it != label)
            || label == "ecs-tasks"
                && !domains.contains(&domain)
                && (domain == "amazon.com" || misspelt(domain, &domains).is_some());
        if service.starts_with("arn:") || is_account(service) {
            self.found
                .fail(at, format!("{is_not} a service such as ecs-tasks.amazonaws.com; put an ARN or an account under AWS"));
        } else if is_misspelt {
            self.found.fail(at, format!("{is_not} a service that AWS knows; did you mean ecs-tasks.amazonaws.com?"));
        } else if !domain.contains("amazon") && !domain.contains("aws") || label == "ecs-tasks" && !domains.contains(&domain) {
            self.found.warn(at, format!("{is_not} the name of a service such as ecs-tasks.amazonaws.com, and AWS may refuse it"));
        }
    }

    /// A principal of AWS: an account, a role or a user.
    fn account(&mut self, at: &str, principal: &str) {
        let is_not = self.found.is_not(&Json::from(principal));
        let is_arn = principal.starts_with("arn:");
        // The ids that IAM gives to roles and users, such as AROA….
        let is_id = principal.len() >= 16 && principal.chars().all(|it| it.is_ascii_uppercase() || it.is_ascii_digit());
        if principal.ends_with(".amazonaws.com") {
            self.found.fail(at, format!("{is_not} an account or an ARN; put a service under Service"));
        } else if is_arn && principal.contains(['*', '?']) {
            let fix = "use the number of the account, and limit it by a Condition, ArnLike over aws:PrincipalArn";
            self.found.fail(at, format!("{is_not} one principal, and AWS takes no wildcard within an ARN here; {fix}"));
        } else if principal != "*" && !is_arn && !is_id && !is_account(principal) {
            self.found.warn(at, format!("{is_not} the number of an account, an ARN or *, and AWS may refuse it"));
        }
    }

    fn arns(&mut self, at: &str, resources: &Json) {
        for (at, resource) in self.found.texts(at, resources) {
            let (begins, parts) = (resource.starts_with("arn:"), resource.split(':').count());
            // A wildcard or a variable may stand for several parts.
            let may_have_more = resource.contains(['*', '?', '$']);
            let is_arn = begins && (parts >= 6 || may_have_more && parts < 5) || resource.starts_with(['*', '$']);
            if !is_arn {
                let is_not = self.found.is_not(&Json::from(resource));
                self.found.fail(at, format!("{is_not} an ARN such as arn:aws:s3:::bucket/key, or *"));
            }
        }
    }

    fn sid(&mut self, at: &str, sid: &Json) {
        let Some(text) = sid.as_str() else {
            if !sid.is_null() {
                let is_not = self.found.is_not(sid);
                self.found.fail(at, format!("{is_not} text"));
            }
            return;
        };
        let is_not = self.found.is_not(sid);
        let mut faults = Vec::new();
        if !text.chars().all(|it| it.is_ascii_alphanumeric()) {
            faults.push(format!("{is_not} made of the letters A-Z and a-z and digits alone"));
        }
        if !text.is_empty() && self.sids.iter().any(|it| it == text) {
            faults.push(format!("{is_not} a Sid of its own: an earlier statement has the same"));
        }
        self.sids.push(text.to_owned());
        for reason in faults {
            match self.kind {
                Kind::Identity => self.found.fail(at, reason),
                Kind::Trust => self.found.warn(at, format!("{reason}; AWS may refuse it")),
                // IAM's rules over Sids do not hold for the policies of other services.
                Kind::Repository | Kind::Endpoint => {}
            }
        }
    }

    fn condition(&mut self, at: &str, condition: &Json) {
        let Some(operators) = self.found.map(at, condition) else { return };
        for (operator, keys) in operators {
            let at = if self.found.secret { at.to_owned() } else { path_of_key(at, operator) };
            if !keys.is_object() && !keys.is_null() {
                let example = r#"{"StringEquals": {"aws:SourceAccount": "123456789012"}}"#;
                self.found.fail(at, format!("is not an operator with a map of condition keys, as in {example}"));
                continue;
            }
            let bare = operator.trim_start_matches("ForAllValues:").trim_start_matches("ForAnyValue:");
            let bare = bare.strip_suffix("IfExists").unwrap_or(bare);
            if !OPERATORS.iter().any(|it| it.eq_ignore_ascii_case(bare)) {
                let near = misspelt(bare, &OPERATORS).map(|it| format!("; did you mean {it}?")).unwrap_or_default();
                self.found.warn(at, format!("is not an operator that AWS documents, and AWS may refuse it{near}"));
            }
        }
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.chars().all(|it| it.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Mistakes and warnings, in JSON text as in a map.
    fn found(kind: Kind, policy: &Json) -> (Vec<String>, Vec<String>) {
        let [map, text] = [policy.clone(), Json::from(policy.to_string())].map(|it| {
            let found = inspect("policy", &Document(it), kind, false).found;
            let texts = |of: &[crate::check::Failure]| of.iter().map(ToString::to_string).collect::<Vec<_>>();
            (texts(&found.failures), texts(&found.warnings))
        });
        assert_eq!(map, text);
        map
    }

    /// A statement that is right for a kind of policy, but for `changes`; null takes an element away.
    fn statement(kind: Kind, changes: &Json) -> Json {
        let mut it = match kind {
            Kind::Identity => json!({ "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*" }),
            Kind::Trust => {
                let tasks = json!({ "Service": "ecs-tasks.amazonaws.com" });
                json!({ "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": tasks })
            }
            Kind::Repository => json!({ "Effect": "Allow", "Action": "ecr:BatchGetImage", "Principal": "*" }),
            Kind::Endpoint => json!({ "Effect": "Allow", "Action": "*", "Principal": "*", "Resource": "*" }),
        };
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Json::Null => drop(it.as_object_mut().unwrap().remove(name)),
                value => it[name] = value.clone(),
            }
        }
        it
    }

    fn with(kind: Kind, changes: &Json) -> (Vec<String>, Vec<String>) {
        found(kind, &json!({ "Version": "2012-10-17", "Statement": [statement(kind, changes)] }))
    }

    const ALL: [Kind; 4] = [Kind::Identity, Kind::Trust, Kind::Repository, Kind::Endpoint];

    #[test]
    fn a_mistake_is_told_at_its_path() {
        use Kind::{Endpoint, Identity, Repository, Trust};
        for (kind, changes, at, rule) in [
            (Identity, json!({ "Effect": "allow" }), "Effect", "did you mean Allow?"),
            (Trust, json!({ "Effect": "permit" }), "Effect", "not Allow or Deny"),
            (Identity, json!({ "Effect": null }), "Effect", "is required"),
            (Identity, json!({ "Action": null, "Actions": "s3:Get*" }), "Actions", "did you mean Action?"),
            (Identity, json!({ "Resource": null, "Ressource": "*" }), "Ressource", "did you mean Resource?"),
            (Identity, json!({ "effect": "Allow", "Effect": null }), "effect", "did you mean Effect?"),
            (Identity, json!({ "Action": null }), "Action", "is required"),
            (Identity, json!({ "Action": [] }), "Action", "is required"),
            (Identity, json!({ "Action": "GetObject" }), "Action", "service:Name"),
            (Identity, json!({ "Action": ["s3:*", "s3.GetObject"] }), "Action[1]", "service:Name"),
            (Identity, json!({ "Action": 3 }), "Action", "is a number, not text"),
            (Identity, json!({ "NotAction": "s3:*" }), "NotAction", "is set beside Action"),
            (Identity, json!({ "NotResource": "*" }), "NotResource", "is set beside Resource"),
            (Identity, json!({ "Resource": null }), "Resource", "is required"),
            (Identity, json!({ "Resource": "bucket" }), "Resource", "not an ARN"),
            (Identity, json!({ "Resource": "arn:aws:s3:bucket" }), "Resource", "not an ARN"),
            (Identity, json!({ "Principal": "*" }), "Principal", "assumeRolePolicy"),
            (Identity, json!({ "Sid": "read images" }), "Sid", "A-Z"),
            (Trust, json!({ "Resource": "*" }), "Resource", "trust policy"),
            (Trust, json!({ "Principal": null }), "Principal", "is required"),
            (Trust, json!({ "Principal": "ecs-tasks.amazonaws.com" }), "Principal", "a map such as"),
            (Trust, json!({ "Principal": { "Services": "x.amazonaws.com" } }), "Principal.Services", "did you mean Service?"),
            (Trust, json!({ "Principal": { "Service": "ecs-task.amazonaws.com" } }), "Principal.Service", "did you mean"),
            (Trust, json!({ "Principal": { "Service": ["ecs-tasks.amazon.com"] } }), "Principal.Service[0]", "did you mean"),
            (Trust, json!({ "Principal": { "AWS": "ecs-tasks.amazonaws.com" } }), "Principal.AWS", "under Service"),
            (Trust, json!({ "Principal": { "Service": "123456789012" } }), "Principal.Service", "under AWS"),
            (Trust, json!({ "Principal": { "AWS": "arn:aws:iam::123456789012:role/*" } }), "Principal.AWS", "no wildcard"),
            (Trust, json!({ "Action": "sts:AssumRole" }), "Action", "did you mean sts:AssumeRole?"),
            (Trust, json!({ "Action": "AssumeRole" }), "Action", "did you mean sts:AssumeRole?"),
            (Trust, json!({ "Action": "s3:GetObject" }), "Action", "inlinePolicies"),
            (Repository, json!({ "Principal": null }), "Principal", "is required"),
            (Endpoint, json!({ "Principal": null }), "Principal", "is required"),
            (Endpoint, json!({ "Resource": null }), "Resource", "is required"),
            (Identity, json!({ "Condition": { "aws:SourceAccount": "1" } }), "Condition[\"aws:SourceAccount\"]", "operator"),
        ] {
            let (mistakes, warnings) = with(kind, &changes);
            let told = mistakes.len() == 1 && mistakes[0].starts_with(&format!("policy.Statement[0].{at} "));
            assert!(told && mistakes[0].contains(rule), "{kind:?} {changes}: {mistakes:?}");
            assert_eq!(warnings, Vec::<String>::new(), "{kind:?} {changes}");
        }
    }

    #[test]
    fn what_aws_may_take_is_a_warning() {
        for (kind, changes, at) in [
            (Kind::Identity, json!({ "Comment": "x" }), "Comment"),
            (Kind::Identity, json!({ "Condition": { "StringEqual": { "a:b": "c" } } }), "Condition.StringEqual"),
            (Kind::Trust, json!({ "Action": "sts:ActAsSomeone" }), "Action"),
            (Kind::Trust, json!({ "Sid": "for tasks" }), "Sid"),
            (Kind::Trust, json!({ "Principal": { "Service": "tasks" } }), "Principal.Service"),
            (Kind::Trust, json!({ "Principal": { "AWS": "me" } }), "Principal.AWS"),
            (Kind::Repository, json!({ "Resource": "*" }), "Resource"),
        ] {
            let (mistakes, warnings) = with(kind, &changes);
            assert_eq!(mistakes, Vec::<String>::new(), "{changes}");
            assert!(warnings.len() == 1 && warnings[0].starts_with(&format!("policy.Statement[0].{at} ")), "{warnings:?}");
        }
        let variable = statement(Kind::Identity, &json!({ "Resource": "arn:aws:s3:::home/${aws:username}/*" }));
        let (mistakes, warnings) = found(Kind::Identity, &json!({ "Statement": variable }));
        assert!(mistakes.is_empty() && warnings.len() == 1 && warnings[0].starts_with("policy.Version "), "{warnings:?}");
    }

    #[test]
    fn what_aws_takes_is_not_refused() {
        let none = (Vec::<String>::new(), Vec::<String>::new());
        for kind in ALL {
            assert_eq!(with(kind, &json!({})), none);
            assert_eq!(
                found(kind, &json!({ "Version": "2008-10-17", "Id": "x", "Statement": statement(kind, &json!({})) })),
                none
            );
        }
        let source = json!({ "ForAnyValue:StringLikeIfExists": { "aws:PrincipalOrgID": ["o-1"] }, "bool": { "a:b": true } });
        for (kind, changes) in [
            (Kind::Identity, json!({ "Action": ["S3:getobject", "*:*", "s3-object-lambda:Get*"], "Sid": "" })),
            (Kind::Identity, json!({ "Resource": ["arn:aws:s3:::a", "arn:*:s3:::b", "*"], "Condition": source })),
            (Kind::Identity, json!({ "Resource": null, "NotResource": "arn:aws:s3:::a" })),
            (Kind::Identity, json!({ "Action": null, "NotAction": ["iam:*"] })),
            (Kind::Trust, json!({ "Action": ["sts:assumerole", "sts:TagSession", "sts:*"] })),
            (Kind::Trust, json!({ "Principal": "*" })),
            (
                Kind::Trust,
                json!({ "Principal": { "Service": ["ecs.amazonaws.com", "es.amazonaws.com", "ecs-tasks.amazonaws.com"] } }),
            ),
            (
                Kind::Trust,
                json!({ "Principal": { "AWS": ["*", "123456789012", "arn:aws:iam::123456789012:root", "AROA1234567890123456"] } }),
            ),
            (
                Kind::Trust,
                json!({ "Principal": { "Federated": "cognito-identity.amazonaws.com" }, "Action": "sts:AssumeRoleWithWebIdentity" }),
            ),
            (Kind::Repository, json!({ "Sid": "new statement" })),
        ] {
            assert_eq!(with(kind, &changes), none, "{changes}");
        }
    }

    #[test]
    fn the_document_itself_is_checked() {
        let right = statement(Kind::Identity, &json!({ "Sid": "one" }));
        for (policy, at, rule) in [
            (json!({ "Version": "2012-10-17" }), "policy.Statement", "is required"),
            (json!({ "Statements": [right] }), "policy.Statements", "did you mean Statement?"),
            (json!({ "Version": "2012-10-17T00:00:00Z", "Statement": right }), "policy.Version", "use 2012-10-17"),
            (json!({ "Version": 2012, "Statement": right }), "policy.Version", "use 2012-10-17"),
            (json!({ "Statement": "Allow" }), "policy.Statement", "is text, not a map"),
            (json!({ "Statement": [right, right] }), "policy.Statement[1].Sid", "an earlier statement"),
        ] {
            let (mistakes, warnings) = found(Kind::Identity, &policy);
            assert!(mistakes.len() == 1 && mistakes[0].starts_with(at) && mistakes[0].contains(rule), "{policy}: {mistakes:?}");
            assert_eq!(warnings, Vec::<String>::new());
        }
    }

    #[test]
    fn a_secret_document_is_not_quoted() {
        let policy = json!({ "hidden": 1, "Statement": { "Effect": "hidden", "Action": "hidden", "Sid": "hidden!", "hiden": 1,
            "Principal": { "AWS": "hidden" }, "Resource": "hidden", "Condition": { "hidden": {} } } });
        for kind in ALL {
            let found = inspect("policy", &Document(policy.clone()), kind, true).found;
            assert!(!found.failures.is_empty());
            for it in found.failures.iter().chain(&found.warnings) {
                assert!(!it.to_string().contains("hid"), "{it}");
            }
        }
    }
}
