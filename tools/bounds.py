"""Reads the bounds of inputs off AWS's own service models, which botocore ships, and writes them to src/aws/bounds.json.

    python tools/bounds.py          writes the file
    python tools/bounds.py check    fails if the file is stale, or if a bounded member of AWS's is an input without its bounds

An input is found by the name of the member: `okActions` is `OKActions`. RENAMED has those that are called otherwise.
"""

import gzip
import json
import sys
from pathlib import Path

import botocore

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "src" / "aws" / "bounds.json"

# What creates each resource.
CREATES = {
    "Alarm": ("cloudwatch", "PutMetricAlarm"),
    "Cluster": ("ecs", "CreateCluster"),
    "ElasticIp": ("ec2", "AllocateAddress"),
    "InternetGateway": ("ec2", "CreateInternetGateway"),
    "Listener": ("elbv2", "CreateListener"),
    "ListenerRule": ("elbv2", "CreateRule"),
    "LoadBalancer": ("elbv2", "CreateLoadBalancer"),
    "LogGroup": ("logs", "CreateLogGroup"),
    "NatGateway": ("ec2", "CreateNatGateway"),
    "RedisGroup": ("elasticache", "CreateReplicationGroup"),
    "RedisParameterGroup": ("elasticache", "CreateCacheParameterGroup"),
    "RedisSubnetGroup": ("elasticache", "CreateCacheSubnetGroup"),
    "Repository": ("ecr", "CreateRepository"),
    "Role": ("iam", "CreateRole"),
    "RouteTable": ("ec2", "CreateRouteTable"),
    "ScalableTarget": ("application-autoscaling", "RegisterScalableTarget"),
    "ScalingPolicy": ("application-autoscaling", "PutScalingPolicy"),
    "SecurityGroup": ("ec2", "CreateSecurityGroup"),
    "Service": ("ecs", "CreateService"),
    "Subnet": ("ec2", "CreateSubnet"),
    "TargetGroup": ("elbv2", "CreateTargetGroup"),
    "Task": ("ecs", "RunTask"),
    "TaskDefinition": ("ecs", "RegisterTaskDefinition"),
    "Vpc": ("ec2", "CreateVpc"),
    "VpcEndpoint": ("ec2", "CreateVpcEndpoint"),
}

# The members of AWS's that are inputs by another name, or within another.
RENAMED = {
    "Alarm": {
        "AlarmName": "name",
        "Dimensions[].Name": "dimensions{key}",
        "Dimensions[].Value": "dimensions{value}",
        "EvaluateLowSampleCountPercentile": "evaluateLowSampleCountPercentiles",
        "Metrics[].Id": "metricQueries[].id",
        "Metrics[].Expression": "metricQueries[].expression",
        "Metrics[].Period": "metricQueries[].period",
        "Metrics[].AccountId": "metricQueries[].accountId",
        "Metrics[].MetricStat.Metric.Namespace": "metricQueries[].metric.namespace",
        "Metrics[].MetricStat.Metric.MetricName": "metricQueries[].metric.metricName",
        "Metrics[].MetricStat.Period": "metricQueries[].metric.period",
    },
    "Cluster": {
        "defaultCapacityProviderStrategy[].weight": "defaultCapacityProviderStrategies[].weight",
        "defaultCapacityProviderStrategy[].base": "defaultCapacityProviderStrategies[].base",
    },
    "Listener": {
        f"DefaultActions[].{config}.{member}": f"defaultActions[].{ours}.{member[0].lower()}{member[1:]}"
        for config, ours in [("RedirectConfig", "redirect"), ("FixedResponseConfig", "fixedResponse")]
        for member in ["Protocol", "Host", "Path", "Query", "MessageBody", "StatusCode", "ContentType"]
    },
    "ListenerRule": {
        f"Actions[].{config}.{member}": f"actions[].{ours}.{member[0].lower()}{member[1:]}"
        for config, ours in [("RedirectConfig", "redirect"), ("FixedResponseConfig", "fixedResponse")]
        for member in ["Protocol", "Host", "Path", "Query", "MessageBody", "StatusCode", "ContentType"]
    },
    "LogGroup": {"logGroupName": "name"},
    "Repository": {"repositoryName": "name"},
    "Role": {"RoleName": "name"},
    "ScalingPolicy": {"PolicyName": "name"},
    "Service": {
        "capacityProviderStrategy[].weight": "capacityProviderStrategies[].weight",
        "capacityProviderStrategy[].base": "capacityProviderStrategies[].base",
    },
    "TargetGroup": {
        "HealthCheckPath": "healthCheck.path",
        "HealthCheckIntervalSeconds": "healthCheck.interval",
        "HealthCheckTimeoutSeconds": "healthCheck.timeout",
        "HealthyThresholdCount": "healthCheck.healthyThreshold",
        "UnhealthyThresholdCount": "healthCheck.unhealthyThreshold",
    },
    "Task": {
        "capacityProviderStrategy[].weight": "capacityProviderStrategies[].weight",
        "capacityProviderStrategy[].base": "capacityProviderStrategies[].base",
    },
}

# Inputs that keep bounds of their own, and why AWS's are not theirs.
OWN = {
    "Role.assumeRolePolicy": "a document, whose length is that of the text that AWS gets",
    "Alarm.evaluateLowSampleCountPercentiles": "a list of names",
    "Alarm.treatMissingData": "a list of names",
    "Listener.defaultActions[].redirect.protocol": "a list of names would hide the variable #{protocol}; its own pattern has both",
    "ListenerRule.actions[].redirect.protocol": "the same",
    "Repository.encryptionConfiguration.kmsKey": "the name of a key may be shorter than AWS's model says no more than that of",
}

# What a pattern means, in words. One that is not here is not taken over: a test lists it.
WORDS = {
    "(\\u002F)|(\\u002F[\\u0021-\\u007E]+\\u002F)": "a path that starts and ends with /, such as /video/",
    "[\\w+=,.@-]+": "made of letters, digits and any of +=,.@_-",
    "[\\u0009\\u000A\\u000D\\u0020-\\u007E\\u00A1-\\u00FF]*": "text in Latin-1, without dashes and quotation marks beyond that",
    "[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*(\\/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*)*": "a name such as video/web, in small letters",
    "^[0-9a-zA-Z._*-]{1,128}$": "made of letters, digits and any of ._*-",
    "[\\.\\-_/#A-Za-z0-9]+": "made of letters, digits and any of .-_/#",
    "[^:].*": "text that does not start with a colon",
    "^(HTTPS?|#\\{protocol\\})$": "HTTP, HTTPS or #{protocol}",
    "[a-zA-Z][a-zA-Z0-9\\-]*": "an id of letters, digits and hyphens that starts with a letter",
    "^(2|4|5)\\d\\d$": "a status from 2XX, 4XX or 5XX, such as 404",
}

# Patterns that say no more than a tag's own rule, which src/check.rs has, or nothing at all.
TAG = ("\\p{L}\\p{Z}\\p{N}_.:/=+\\-@",)
ANYTHING = ("\\u0020-\\uD7FF", "\\p{Print}")


def model(service: str) -> dict:
    folder = Path(botocore.__file__).parent / "data" / service
    newest = sorted(it.name for it in folder.iterdir() if it.is_dir())[-1]
    with gzip.open(folder / newest / "service-2.json.gz") as file:
        return json.load(file)


def bounded(shapes: dict, name: str, path: str, above: tuple = ()):
    """Every member below a shape that has bounds: its path, its type and the bounds."""
    shape = shapes[name]
    if any(it in shape for it in ("min", "max", "pattern")):
        yield path, shape["type"], {it: shape[it] for it in ("min", "max", "pattern") if it in shape}
    if name in above:
        return
    above += (name,)
    match shape["type"]:
        case "structure":
            for member, it in shape["members"].items():
                yield from bounded(shapes, it["shape"], f"{path}.{member}" if path else member, above)
        case "list":
            yield from bounded(shapes, shape["member"]["shape"], f"{path}[]", above)
        case "map":
            yield from bounded(shapes, shape["key"]["shape"], f"{path}{{key}}", above)
            yield from bounded(shapes, shape["value"]["shape"], f"{path}{{value}}", above)


def keywords(kind: str, bounds: dict) -> dict:
    """The bounds as a JSON schema has them."""
    least, most = {
        "string": ("minLength", "maxLength"),
        "list": ("minItems", "maxItems"),
        "map": ("minProperties", "maxProperties"),
    }.get(kind, ("minimum", "maximum"))
    found = {}
    # An empty list is one that is left out.
    if bounds.get("min") and least != "minItems":
        found[least] = bounds["min"]
    if "max" in bounds:
        found[most] = bounds["max"]
    pattern = bounds.get("pattern")
    if pattern in WORDS:
        found |= {"pattern": pattern if pattern.startswith("^") else f"^(?:{pattern})$", "expects": WORDS[pattern]}
    return found


def ours(schema: dict, resource: str, member: str) -> str | None:
    """The input that a member of AWS's is, if it is one: its path."""
    path = RENAMED.get(resource, {}).get(member, member)
    spec = {"properties": schema["resources"][f"fargate:index:{resource}"]["inputProperties"]}
    found = []
    for step in path.split("."):
        name, _, rest = step.partition("[" if "[" in step else "{")
        properties = {it.lower(): it for it in spec.get("properties", {})}
        if name.lower() not in properties:
            return None
        name = properties[name.lower()]
        if spec["properties"][name].get("description", "").startswith("Not supported"):
            return None
        spec = spec["properties"][name]
        found.append(name + ("[]" if step.endswith("[]") else f"{{{rest}" if rest.endswith("}") else ""))
        if step.endswith("[]"):
            spec = spec.get("items", {})
        elif rest == "value}":
            spec = spec.get("additionalProperties", {})
        if reference := spec.get("$ref", "").removeprefix("#/types/"):
            spec = schema["types"].get(reference, {})
    return ".".join(found)


def all_bounds() -> tuple[dict, list[str]]:
    """The bounds of each resource's inputs, and the patterns that nobody has put into words."""
    schema = json.loads((ROOT / "schema.json").read_text())
    names = {it.rsplit(":", 1)[-1] for it, spec in schema["resources"].items() if not spec.get("isComponent")}
    assert names == set(CREATES), f"what creates {names ^ set(CREATES)}?"
    bounds, unread = {}, []
    for resource, (service, operation) in CREATES.items():
        definition = model(service)
        request = definition["operations"][operation].get("input", {}).get("shape")
        of = bounds.setdefault(resource, {})
        for member, kind, found in bounded(definition["shapes"], request, "") if request else []:
            if member.lower().startswith("tags"):
                if any(it in found.get("pattern", "") for it in TAG):
                    of["tags"] = {"tagCharacters": "restricted"}
                continue
            path = ours(schema, resource, member)
            if not path or f"{resource}.{path}" in OWN:
                continue
            pattern = found.get("pattern")
            if pattern and pattern not in WORDS and not any(it in pattern for it in ANYTHING):
                unread.append(f"{resource}.{path}: {pattern}")
            if known := keywords(kind, found):
                of[path] = known
    return bounds, unread


def main():
    bounds, unread = all_bounds()
    text = json.dumps(bounds, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if sys.argv[1:] == ["check"]:
        assert FILE.read_text() == text, f"{FILE.relative_to(ROOT)} is stale: run tools/bounds.py"
        assert not unread, f"put these patterns into words, in tools/bounds.py: {unread}"
    else:
        FILE.write_text(text)
        print(*unread, sep="\n")


if __name__ == "__main__":
    main()
