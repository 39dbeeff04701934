//! The one form of a task definition's inputs: programs often take them from what AWS prints, or from files that other launch
//! types share.

use crate::{
    check::{Failure, Findings, Foreign, says_off, within},
    value::{Map, Value},
};

/// What AWS prints of a revision beside what was registered.
const PRINTED: [&str; 9] = [
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
];

/// Properties of ECS that this resource does not have, and why. The sources are the documentation of `RegisterTaskDefinition`
/// in AWS's model of ECS, and "Amazon ECS task definition differences for Fargate" in the Amazon ECS Developer Guide.
pub(super) const FOREIGN: &[Foreign] = &[
    absent("", "ipcMode", NOT_ON_FARGATE),
    absent("", "placementConstraints", NOT_ON_FARGATE),
    absent("", "inferenceAccelerators", NOT_ON_FARGATE),
    absent("", "trustedExecutionConfiguration", NOT_ON_FARGATE),
    absent("", "proxyConfiguration", "belongs to App Mesh, which this provider does not support; use Service Connect"),
    absent(
        CONTAINERS,
        "links",
        "is not supported on Fargate, where the containers of a task reach each other at localhost; remove it",
    ),
    absent(CONTAINERS, "privileged", "is not supported on Fargate; remove it, or set it to false"),
    absent(CONTAINERS, "hostname", NOT_WITH_AWSVPC),
    absent(CONTAINERS, "disableNetworking", NOT_WITH_AWSVPC),
    absent(CONTAINERS, "dnsServers", NOT_WITH_AWSVPC),
    absent(CONTAINERS, "dnsSearchDomains", NOT_WITH_AWSVPC),
    absent(CONTAINERS, "extraHosts", NOT_WITH_AWSVPC),
    absent(CONTAINERS, "dockerSecurityOptions", NOT_ON_FARGATE),
    absent(CONTAINERS, "resourceRequirements", "is not supported on Fargate, which has no GPUs or accelerators; remove it"),
    absent(PORTS, "containerPortRange", "is not supported by this provider; list the ports one by one, as containerPort"),
    absent(LINUX, "devices", NOT_ON_FARGATE),
    absent(LINUX, "sharedMemorySize", NOT_ON_FARGATE),
    absent(LINUX, "maxSwap", NOT_ON_FARGATE),
    absent(LINUX, "swappiness", NOT_ON_FARGATE),
    absent(
        "volumes[]",
        "host",
        "is not supported on Fargate, where a volume has no path on the host; remove it, or use efsVolumeConfiguration",
    ),
    absent("volumes[]", "dockerVolumeConfiguration", "is not supported on Fargate; use efsVolumeConfiguration"),
    absent("volumes[]", "fsxWindowsFileServerVolumeConfiguration", NOT_ON_FARGATE),
    absent("volumes[]", "s3filesVolumeConfiguration", "is not supported by this provider; use efsVolumeConfiguration"),
    absent("volumes[]", "configuredAtLaunch", EBS),
    absent("volumes[]", "configureAtLaunch", EBS),
];
const CONTAINERS: &str = "containerDefinitions[]";
const PORTS: &str = "containerDefinitions[].portMappings[]";
const LINUX: &str = "containerDefinitions[].linuxParameters";
const NOT_ON_FARGATE: &str = "is not supported on Fargate; remove it";
const NOT_WITH_AWSVPC: &str = "is not supported with networkMode awsvpc, the only one of Fargate; remove it";
const EBS: &str = "makes an EBS volume, which this provider does not support; use efsVolumeConfiguration or ephemeralStorage";

const fn absent(within: &'static str, name: &'static str, reason: &'static str) -> Foreign {
    Foreign { within, name, holds: &[], reason }
}

/// Whether AWS prints it of any revision, whatever was registered.
pub(super) fn is_printed(property: &str) -> bool {
    PRINTED.contains(&property)
}

/// Brings the inputs into that form. What has no place in it is reported, unless it is off.
pub(super) fn normalize(inputs: &mut Map) -> Findings {
    let mut findings = Findings::default();
    for name in PRINTED {
        if inputs.remove(name).is_some_and(|it| !says_off(&it)) {
            let reason = "is ignored: AWS shows it of every revision, and nobody sets it; remove it".to_owned();
            findings.warnings.push(Failure { path: name.to_owned(), reason });
        }
    }
    for (name, unit) in [("cpu", "vCPU"), ("memory", "GB")] {
        if let Some(Value::String(it)) = inputs.get_mut(name).map(Value::plain_mut)
            && let Some(number) = size(it, unit)
        {
            *it = number;
        }
    }
    if let Some(tags) = inputs.get_mut("tags") {
        let map = as_map(tags);
        *tags = map.unwrap_or_else(|| std::mem::take(tags));
    }
    within(inputs, "containerDefinitions[]", "", &mut |container, _| {
        if container.get("linuxParameters").is_some_and(says_off) {
            container.remove("linuxParameters");
        }
        // A log router runs as root whatever the program says, and AWS says so.
        let is_router = !container.get("firelensConfiguration").is_none_or(says_off);
        if is_router && container.get("user").and_then(Value::as_str) == Some("0") {
            container.remove("user");
        }
    });
    within(inputs, "volumes[].efsVolumeConfiguration", "", &mut |efs, _| {
        let Some(Value::Object(authorization)) = efs.get("authorizationConfig").map(Value::plain) else { return };
        let disabled = |(name, it): (&String, &Value)| says_off(it) || name == "iam" && it.as_str() == Some("DISABLED");
        if authorization.iter().all(disabled) {
            efs.remove("authorizationConfig");
        }
    });
    within(inputs, "ephemeralStorage", "", &mut |storage, _| {
        // As AWS spells it.
        if let Some(size) = storage.remove("sizeInGiB") {
            storage.insert("sizeInGib".to_owned(), size);
        }
    });
    findings
}

/// Tags as a map, where they come as AWS lists them.
fn as_map(tags: &Value) -> Option<Value> {
    let Value::List(tags) = tags else { return None };
    let entry = |tag: &Value| match tag {
        Value::Object(tag) => Some((tag.get("key")?.as_str()?.to_owned(), tag.get("value").cloned().unwrap_or_default())),
        _ => None,
    };
    tags.iter().map(entry).collect::<Option<_>>().map(Value::Object)
}

/// The number that AWS makes of a size, which may be in a `unit` of 1024.
fn size(text: &str, unit: &str) -> Option<String> {
    let text = text.trim();
    let end = text.find(|it: char| !it.is_ascii_digit() && it != '.').unwrap_or(text.len());
    let (number, given) = (&text[..end], text[end..].trim());
    if given.is_empty() {
        return Some(number.to_owned());
    }
    let number = number.parse::<f64>().ok()? * 1024.0;
    (given.eq_ignore_ascii_case(unit) && number.fract() == 0.0).then(|| format!("{number:.0}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::check::take_foreign;

    fn normalized(inputs: serde_json::Value) -> (Value, Vec<String>, Vec<String>) {
        let Value::Object(mut inputs) = inputs.into() else { panic!("a map") };
        let absent = take_foreign(&mut inputs, FOREIGN);
        let mut findings = normalize(&mut inputs);
        findings.failures.extend(absent);
        let texts = |it: Vec<Failure>| it.iter().map(Failure::to_string).collect();
        (Value::Object(inputs), texts(findings.failures), texts(findings.warnings))
    }

    #[test]
    fn sizes_become_the_numbers_that_aws_shows() {
        for (text, number) in [("0.5 vCPU", "512"), (".25vcpu", "256"), (" 4 VCPU ", "4096"), ("1024", "1024"), (" 256 ", "256")]
        {
            assert_eq!(size(text, "vCPU").as_deref(), Some(number), "{text}");
        }
        for (text, number) in [("1GB", "1024"), ("0.5 gb", "512"), ("30 GB", "30720"), ("2048", "2048")] {
            assert_eq!(size(text, "GB").as_deref(), Some(number), "{text}");
        }
        for text in ["0.3 vCPU", "1 GB", "vCPU", "one"] {
            assert_eq!(size(text, "vCPU").filter(|it| !it.is_empty()), None, "{text}");
        }
    }

    #[test]
    fn what_fargate_does_not_have_may_be_off() {
        let container = json!({
            "name": "app", "image": "nginx", "links": [], "privileged": false, "hostname": "", "disableNetworking": false,
            "dnsServers": [], "dnsSearchDomains": [], "extraHosts": [], "dockerSecurityOptions": [], "resourceRequirements": [],
            "portMappings": [{ "containerPort": 80, "containerPortRange": "" }],
            "linuxParameters": { "devices": [], "sharedMemorySize": 0, "maxSwap": 0, "swappiness": null, "initProcessEnabled": false },
        });
        let (inputs, failures, warnings) = normalized(json!({
            "ipcMode": "", "placementConstraints": [], "inferenceAccelerators": [], "proxyConfiguration": null,
            "containerDefinitions": [container],
            "volumes": [
                { "name": "v", "host": { "sourcePath": "" }, "configuredAtLaunch": false },
                { "name": "w", "efsVolumeConfiguration": { "fileSystemId": "fs-1", "authorizationConfig": { "iam": "DISABLED" } } },
            ],
            "ephemeralStorage": { "sizeInGiB": 30 }, "revision": 3, "status": "ACTIVE", "compatibilities": ["EC2", "FARGATE"],
            "tags": [{ "key": "team", "value": "web" }],
        }));
        assert!(failures.is_empty(), "{failures:?}");
        assert_eq!(warnings.len(), 3);
        let kept = json!({
            "containerDefinitions": [
                { "name": "app", "image": "nginx", "portMappings": [{ "containerPort": 80 }] },
            ],
            "volumes": [{ "name": "v" }, { "name": "w", "efsVolumeConfiguration": { "fileSystemId": "fs-1" } }],
            "ephemeralStorage": { "sizeInGib": 30 },
            "tags": { "team": "web" },
        });
        assert_eq!(inputs, kept.into());
    }

    #[test]
    fn what_fargate_does_not_have_is_refused_with_the_reason() {
        let (_, failures, _) = normalized(json!({
            "ipcMode": "host",
            "containerDefinitions": [{
                "name": "app", "image": "nginx", "privileged": true, "links": ["db"], "linuxParameters": { "sharedMemorySize": 64 },
            }],
            "volumes": [{ "name": "v", "host": { "sourcePath": "/data" } }],
        }));
        assert_eq!(
            failures,
            [
                "ipcMode is not supported on Fargate; remove it",
                "containerDefinitions[0].links is not supported on Fargate, where the containers of a task reach each other at \
                 localhost; remove it",
                "containerDefinitions[0].privileged is not supported on Fargate; remove it, or set it to false",
                "containerDefinitions[0].linuxParameters.sharedMemorySize is not supported on Fargate; remove it",
                "volumes[0].host is not supported on Fargate, where a volume has no path on the host; remove it, or use \
                 efsVolumeConfiguration",
            ]
        );
    }

    #[test]
    fn a_log_router_is_root_whether_it_says_so_or_not() {
        let router = json!({ "name": "log", "user": "0", "firelensConfiguration": { "type": "fluentbit" } });
        let (inputs, _, _) = normalized(json!({ "containerDefinitions": [router, { "name": "app", "user": "0" }] }));
        let router = json!({ "name": "log", "firelensConfiguration": { "type": "fluentbit" } });
        assert_eq!(inputs, json!({ "containerDefinitions": [router, { "name": "app", "user": "0" }] }).into());
    }
}
