"""RedisGroup. The local AWS accepts a change of security groups, windows or parameter group and ignores it, and
adds no cache clusters for new replicas, so this changes none of the former and counts replicas in node groups."""

import re

import urllib.parse

from botocore.exceptions import ClientError
from harness import OWNER, UNREACHABLE, Lifecycle, query_refusal, run, tags

TOKEN = "correct-horse-battery-staple"
OTHER_TOKEN = "wrong-donkey-capacitor-paperclip"


def truth(stack, outputs):
    cache = stack.aws("elasticache")
    try:
        found = cache.describe_replication_groups(ReplicationGroupId=outputs["replicationGroupId"])
    except ClientError as error:
        assert error.response["Error"]["Code"] == "ReplicationGroupNotFoundFault"
        return None
    group = found["ReplicationGroups"][0]
    node = cache.describe_cache_clusters(CacheClusterId=group["MemberClusters"][0])["CacheClusters"][0]
    return {
        "description": group["Description"],
        "type": group["CacheNodeType"],
        "engine": (group["Engine"], node["EngineVersion"]),
        "nodes": [len(it["NodeGroupMembers"]) for it in group["NodeGroups"]],
        "failover": (group["AutomaticFailover"], group["MultiAZ"]),
        "encryption": (group["TransitEncryptionEnabled"], group["AtRestEncryptionEnabled"], group["AuthTokenEnabled"]),
        "snapshots": (group["SnapshotRetentionLimit"], group["SnapshotWindow"]),
        "security groups": [it["SecurityGroupId"] for it in node["SecurityGroups"]],
        "subnet group": node["CacheSubnetGroupName"],
        "tags": tags(cache.list_tags_for_resource(ResourceName=group["ARN"])["TagList"]),
    }


def life(stack):
    ec2 = stack.aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{it}.0/24")["Subnet"]["SubnetId"] for it in (0, 1)]
    security = ec2.create_security_group(GroupName="redis", Description="Redis", VpcId=vpc)["GroupId"]
    subnet_group = {"type": "fargate:RedisSubnetGroup", "properties": {"name": "private", "subnetIds": subnets}}
    return Lifecycle(
        type="RedisGroup",
        fixtures={"subnets": subnet_group},
        properties={
            "nodeType": "cache.t4g.small",
            "engineVersion": "7.1",
            "authToken": TOKEN,
            "subnetGroupName": "${subnets.name}",
            "securityGroupIds": [security],
            "tags": {"stage": "test"},
        },
        truth=truth,
        expected={
            "description": "Managed by Pulumi",
            "type": "cache.t4g.small",
            "engine": ("redis", "7.1"),
            "nodes": [2],
            "failover": ("enabled", "enabled"),
            "encryption": (True, True, True),
            "snapshots": (1, "05:00-06:00"),
            "security groups": [security],
            "subnet group": "private",
            "tags": {"stage": "test"} | OWNER,
        },
        update={
            "description": "The queue",
            "nodeType": "cache.t4g.medium",
            "numCacheClusters": 3,
            "authToken": OTHER_TOKEN,
            "snapshotRetentionLimit": 7,
            "snapshotWindow": "01:00-02:00",
            "tags": {"team": "video"},
        },
        updated={
            "description": "The queue",
            "type": "cache.t4g.medium",
            "nodes": [3],
            "snapshots": (7, "01:00-02:00"),
            "tags": {"team": "video"} | OWNER,
        },
        drift=lambda stack, outputs: stack.aws("elasticache").decrease_replica_count(
            ReplicationGroupId=outputs["replicationGroupId"], NewReplicaCount=1, ApplyImmediately=True
        ),
        replace={"atRestEncryptionEnabled": False, "allowDataLoss": True},
        replaced={"encryption": (True, False, True)},
        import_ids=lambda outputs: [],
        secrets=[TOKEN, OTHER_TOKEN],
    )


def test_redis_group(stack):
    run(stack, life(stack))


def test_without_a_password_it_can_be_imported(stack):
    """AWS never shows the password, so an import cannot know it, and what the program has looks like a change."""
    this = life(stack)
    this.properties["authToken"] = None
    this.expected["encryption"] = (True, True, False)
    this.update["authToken"] = None
    this.replaced["encryption"] = (True, False, False)
    this.import_ids = lambda outputs: [outputs["replicationGroupId"], outputs["arn"]]
    run(stack, this)


def test_down_to_one_node_and_back(stack, proxy):
    this = life(stack)
    stack.write(this, this.properties)
    stack.up()
    # Failover and zones follow the number of nodes.
    stack.write(this, this.properties | {"numCacheClusters": 1})
    changes = recorded(proxy)
    assert stack.up() == {"update"}
    assert changes == ["ModifyReplicationGroup", "DecreaseReplicaCount"], "a node can go once nothing needs it"
    facts = truth(stack, stack.outputs())
    assert (facts["nodes"], facts["failover"]) == ([1], ("disabled", "disabled"))
    changes.clear()
    stack.write(this, this.properties | {"numCacheClusters": 2})
    assert stack.up() == {"update"}
    assert changes == ["IncreaseReplicaCount", "ModifyReplicationGroup"], "failover needs the node first"
    facts = truth(stack, stack.outputs())
    assert (facts["nodes"], facts["failover"]) == ([2], ("enabled", "enabled"))
    stack.expect_no_changes()


def test_only_what_changes_is_sent(stack, proxy):
    this = life(stack)
    stack.write(this, this.properties | {"authToken": None})
    stack.up()
    changes = recorded(proxy)
    stack.write(this, this.properties | {"authToken": None, "tags": {"stage": "live"}})
    assert stack.up() == {"update"}
    assert changes == []
    # A first password has to be the only way in.
    stack.write(this, this.properties | {"tags": {"stage": "live"}})
    assert stack.up() == {"update"}
    assert changes == ["ModifyReplicationGroup"] * 2
    assert truth(stack, stack.outputs())["encryption"] == (True, True, True)
    # Taken away, it would let everybody in.
    stack.write(this, this.properties | {"authToken": None})
    assert "cannot be taken away" in stack.pulumi("preview", fails=True)


def test_cluster_mode(stack):
    this = life(stack)
    stack.write(this, this.properties | {"numNodeGroups": 3, "replicasPerNodeGroup": 1})
    stack.up()
    outputs = stack.outputs()
    assert truth(stack, outputs)["nodes"] == [2, 2, 2]
    assert outputs["configurationEndpointAddress"] and not outputs["primaryEndpointAddress"]
    assert outputs["clusterEnabled"] and len(outputs["memberClusters"]) == 6
    stack.expect_no_changes()


def test_what_aws_could_not_create_is_explained_and_made_anew(stack, proxy):
    def failed(text):
        gone = proxy.counts["DeleteReplicationGroup"]
        return text if gone else text.replace("<Status>available", "<Status>create-failed")

    proxy.answers["DescribeReplicationGroups"] = failed
    proxy.answers["DescribeEvents"] = events("No capacity in us-east-1a")
    this = life(stack)
    stack.write(this, this.properties)
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "AWS could not create replication group it-" in said and ": No capacity in us-east-1a; the next" in said, said
    assert TOKEN not in said
    first = stack.outputs()

    assert stack.up() == {"update"}
    assert proxy.counts["CreateReplicationGroup"] == 2 and stack.outputs()["id"] == first["id"]
    assert truth(stack, stack.outputs()) == this.expected
    stack.expect_no_changes()


def test_a_node_that_cannot_get_well_ends_the_wait(stack, proxy):
    proxy.answers["DescribeReplicationGroups"] = lambda text: text.replace("<Status>available", "<Status>creating")
    proxy.answers["DescribeCacheClusters"] = lambda text: text.replace(
        "<CacheClusterStatus>available", "<CacheClusterStatus>incompatible-network"
    )
    proxy.answers["DescribeEvents"] = events("No address is free in the subnets")
    this = life(stack)
    stack.write(this, this.properties)
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "is in state incompatible-network, which does not pass by itself: No address is free in the subnets" in said, said
    proxy.answers.clear()
    assert stack.up() == {"update"}
    stack.expect_no_changes()


def test_progress_is_shown(stack, proxy):
    def creating(text):
        return text if proxy.counts["DescribeCacheClusters"] else text.replace("<Status>available", "<Status>creating")

    def one_by_one(text):
        looks.append(min(re.findall("<CacheClusterId>([^<]*)", text)))
        starting = looks[-1] == looks[0] and looks.count(looks[0]) < 3
        return text.replace("<CacheClusterStatus>available", "<CacheClusterStatus>creating", 1) if starting else text

    looks = []

    proxy.answers["DescribeReplicationGroups"] = creating
    proxy.answers["DescribeCacheClusters"] = one_by_one
    this = life(stack)
    stack.write(this, this.properties | {"replicationGroupId": "queue"})
    said = stack.pulumi("up", "--yes", "--skip-preview")
    assert "queue: creating, 1 of 2 nodes available" in said, said
    assert "queue: available, 1 of 2 nodes available" in said, "it is not, while a node is not"


def test_a_busy_group_is_waited_for(stack, proxy):
    this = life(stack)
    stack.write(this, this.properties)
    stack.up()
    busy = query_refusal("InvalidReplicationGroupState", "Replication group is not in available state")
    proxy.counts.clear()
    operations = ["ModifyReplicationGroup", "ListTagsForResource", "AddTagsToResource"]
    for operation in operations:
        proxy.refusals[operation] = lambda _, operation=operation: busy if proxy.counts[operation] == 1 else None
    stack.write(this, this.properties | {"description": "The queue", "tags": {"stage": "live"}})
    assert stack.up() == {"update"}
    assert all(proxy.counts[it] > 1 for it in operations)
    facts = truth(stack, stack.outputs())
    assert (facts["description"], facts["tags"]) == ("The queue", {"stage": "live"} | OWNER)


def test_what_aws_is_about_to_change_is_waited_for(stack, proxy):
    def about_to(text):
        pending = "<PendingModifiedValues><AutomaticFailoverStatus>disabled</AutomaticFailoverStatus></PendingModifiedValues>"
        begun = proxy.counts["DescribeReplicationGroups"] - looks > 2
        return text if begun else text.replace("<Status>available", f"{pending}<Status>available")

    this = life(stack)
    stack.write(this, this.properties | {"replicationGroupId": "queue"})
    stack.up()
    looks = proxy.counts["DescribeReplicationGroups"]
    proxy.answers["DescribeReplicationGroups"] = about_to
    stack.write(this, this.properties | {"replicationGroupId": "queue", "description": "The queue"})
    said = stack.pulumi("up", "--yes", "--skip-preview")
    assert "queue: about to change" in said, said


def test_more_node_groups_need_cluster_mode(stack):
    this = life(stack)
    stack.write(this, this.properties)
    stack.up()
    stack.write(this, this.properties | {"numNodeGroups": 2, "replicasPerNodeGroup": 1})
    said = stack.pulumi("preview", fails=True)
    assert "is not in cluster mode, which AWS does not change here" in said and "pulumi up --replace" in said, said
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "is not in cluster mode, which AWS does not change here" in said and "pulumi up --replace" in said, said


def test_a_preview_refuses_what_would_lose_data(stack):
    this = life(stack)
    valkey = {"engine": "valkey", "engineVersion": "8.0"}
    stack.write(this, this.properties | valkey)
    stack.up()
    nobody = {name: UNREACHABLE for name in stack.environment if name.startswith("AWS_ENDPOINT_URL")}
    for change, property, why in [
        ({"engine": "redis", "engineVersion": "7.1"}, "engine", "only where the versions are 7.2 and 7.1"),
        ({"engineVersion": "7.2"}, "engineVersion", "goes back to no lower version"),
        ({"port": 6380}, "port", "does not change this of a group that exists"),
        ({"replicationGroupId": "another"}, "replicationGroupId", "does not change this"),
        ({"atRestEncryptionEnabled": False}, "atRestEncryptionEnabled", "does not change this"),
    ]:
        stack.write(this, this.properties | valkey | change)
        said = stack.pulumi("preview", fails=True, **nobody)
        assert property in said and "cannot change without data loss" in said and why in said, said
        assert "an empty group would take the place of it-" in said and "allowDataLoss to true" in said, said
        stack.write(this, this.properties | valkey | change | {"allowDataLoss": True})
        assert "replace" in stack.pulumi("preview", **nobody)
    # AWS makes what it can in place: a higher version loses nothing.
    stack.write(this, this.properties | valkey | {"engineVersion": "8.1"})
    said = stack.pulumi("preview", **nobody)
    assert "1 to update" in said and "replace" not in said, said


def test_a_renamed_subnet_group_is_refused_and_can_be_undone(stack):
    def write(name, reference="${subnets.name}"):
        this.fixtures["subnets"]["properties"]["name"] = name
        stack.write(this, this.properties | {"subnetGroupName": reference})

    this = life(stack)
    write("private")
    stack.up()
    write("other")
    refusal = 'it was "private" and is "other" now'
    assert refusal in stack.pulumi("preview", fails=True)
    # An id is known only afterwards.
    write("other", "${subnets.id}")
    said = stack.pulumi("preview")
    assert "subnetGroupName will only be known when" in said and 'Set it to "private"' in said, said
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert refusal in said and 'Set it to "private"; or set allowDataLoss' in said, said
    write("private", "private")
    assert "cannot change" not in stack.pulumi("preview")


def test_a_downgrade_that_may_lose_data_replaces_the_group(stack, proxy):
    deletions = asked(proxy, "DeleteReplicationGroup")
    this = life(stack)
    stack.write(this, this.properties | {"engine": "valkey", "engineVersion": "8.0"})
    stack.up()
    first = stack.outputs()
    stack.write(this, this.properties | {"allowDataLoss": True})
    assert stack.up() == {"create-replacement", "replace", "delete-replaced"}
    assert truth(stack, stack.outputs())["engine"] == ("redis", "7.1") and truth(stack, first) is None
    # That data may be lost does not mean that they have to be.
    assert deletions[0]["FinalSnapshotIdentifier"].startswith(f"{first['id']}-final-")


def test_a_minor_version_that_aws_has_installed_stays(stack, proxy):
    this = life(stack)
    older = this.properties | {"replicationGroupId": "queue", "engineVersion": "7.0"}
    stack.write(this, older)
    stack.up()
    installed = lambda text: text.replace("<EngineVersion>7.0", "<EngineVersion>7.1")
    proxy.answers |= {"DescribeCacheClusters": installed}
    changes = asked(proxy, "ModifyReplicationGroup")
    # The state gets to know by an update, or by a refresh; what the program says is of no account in both cases.
    for description, known in [("first", False), ("second", True), ("third", True)]:
        stack.write(this, older | {"description": description, "allowDataLoss": True})
        assert "replace" not in stack.pulumi("preview")
        said = stack.pulumi("up", "--yes", "--skip-preview")
        told = "AWS runs redis 7.1 by now, so engineVersion 7.0 is left out; set engineVersion to 7.1"
        assert (told in said) == known, said
        assert changes[-1]["ReplicationGroupDescription"] == description and "EngineVersion" not in changes[-1]
        if description == "second":
            stack.pulumi("refresh", "--yes", "--skip-preview")
            stack.expect_no_changes()
    stack.write(this, older | {"description": "third", "engineVersion": "7.1"})
    stack.pulumi("up", "--yes", "--skip-preview")
    stack.expect_no_changes("--refresh")


def test_a_last_snapshot_is_taken_and_named(stack, proxy):
    deletions = asked(proxy, "DeleteReplicationGroup")
    this = life(stack)
    skip, named = {"skipFinalSnapshot": True}, {"finalSnapshotIdentifier": "the-last"}
    for more, expected in [({}, r"queue-final-\d{8}-\d{6}"), (named, "the-last"), (skip, None)]:
        deletions.clear()
        stack.write(this, this.properties | {"replicationGroupId": "queue"} | more)
        stack.up()
        said = stack.pulumi("destroy", "--yes", "--skip-preview")
        name = deletions[0].get("FinalSnapshotIdentifier")
        assert (name is None) if expected is None else re.fullmatch(expected, name)
        assert ("final snapshot" in said) == (name is not None), said
        assert name is None or f"queue: AWS keeps its data in the final snapshot {name}" in said, said


def test_what_never_was_has_no_last_snapshot(stack, proxy):
    deletions = asked(proxy, "DeleteReplicationGroup")
    proxy.answers["DescribeReplicationGroups"] = lambda text: text.replace("<Status>available", "<Status>create-failed")
    this = life(stack)
    stack.write(this, this.properties)
    stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    stack.pulumi("destroy", "--yes", "--skip-preview")
    assert "FinalSnapshotIdentifier" not in deletions[0]


def test_a_snapshot_that_cannot_be_taken_keeps_the_group(stack, proxy):
    this = life(stack)
    stack.write(this, this.properties | {"finalSnapshotIdentifier": "the-last"})
    stack.up()
    refused = query_refusal("SnapshotAlreadyExistsFault", "Snapshot the-last already exists")
    proxy.refusals["DeleteReplicationGroup"] = refused
    said = stack.pulumi("destroy", "--yes", "--skip-preview", fails=True)
    assert "AWS cannot take the final snapshot the-last" in said and "finalSnapshotIdentifier to another name" in said, said
    assert truth(stack, stack.outputs()) is not None


def test_a_password_is_rotated_in_and_then_the_only_one(stack, proxy):
    changes = asked(proxy, "ModifyReplicationGroup")
    this = life(stack)
    stack.write(this, this.properties)
    stack.up()
    stack.write(this, this.properties | {"authToken": OTHER_TOKEN})
    said = stack.pulumi("up", "--yes", "--skip-preview")
    steps = [(it["AuthTokenUpdateStrategy"], it["AuthToken"]) for it in changes]
    assert steps == [("ROTATE", OTHER_TOKEN)], "tasks that run with the old one would be cut off"
    assert "clients with the password before are still let in" in said and "authTokenUpdateStrategy to SET" in said, said
    assert TOKEN not in said and OTHER_TOKEN not in said
    stack.expect_no_changes()
    stack.write(this, this.properties | {"authToken": OTHER_TOKEN, "authTokenUpdateStrategy": "SET"})
    assert "still let in" not in stack.pulumi("up", "--yes", "--skip-preview")
    steps = [(it["AuthTokenUpdateStrategy"], it["AuthToken"]) for it in changes]
    assert steps == [("ROTATE", OTHER_TOKEN), ("SET", OTHER_TOKEN)]
    # Who asks for SET at once gets both, in the order that AWS takes.
    changes.clear()
    stack.write(this, this.properties | {"authTokenUpdateStrategy": "SET"})
    assert stack.up() == {"update"}
    assert [it["AuthTokenUpdateStrategy"] for it in changes] == ["ROTATE", "SET"]
    stack.expect_no_changes()


def test_what_waits_for_the_maintenance_window_is_told(stack, proxy):
    def waits():
        return changes and changes[-1]["ApplyImmediately"] == "false"

    def of_group(text):
        return text.replace("cache.t4g.medium", "cache.t4g.small") if waits() else text

    def of_nodes(text):
        waiting = "<PendingModifiedValues><CacheNodeType>cache.t4g.medium</CacheNodeType></PendingModifiedValues>"
        return text.replace("<CacheClusterStatus>", f"{waiting}<CacheClusterStatus>") if waits() else text

    changes = asked(proxy, "ModifyReplicationGroup")
    proxy.answers |= {"DescribeReplicationGroups": of_group, "DescribeCacheClusters": of_nodes}
    this = life(stack)
    later = {"applyImmediately": False}
    stack.write(this, this.properties | later)
    stack.up()
    assert stack.outputs()["pendingModifiedValues"] == {}
    stack.write(this, this.properties | later | {"nodeType": "cache.t4g.medium"})
    said = stack.pulumi("up", "--yes", "--skip-preview")
    assert "nodeType will change in the maintenance window, " in said and "UTC, for applyImmediately is false" in said, said
    assert changes[-1]["ApplyImmediately"] == "false"
    assert stack.outputs()["pendingModifiedValues"] == {"nodeType": "cache.t4g.medium"}
    # It waits: neither a change that was forgotten nor one that somebody else made.
    stack.expect_no_changes()
    stack.expect_no_changes("--refresh")
    stack.pulumi("refresh", "--yes", "--skip-preview")
    stack.expect_no_changes()
    # Whoever does not want to wait any longer need not.
    stack.write(this, this.properties | {"nodeType": "cache.t4g.medium"})
    stack.pulumi("up", "--yes", "--skip-preview")
    assert [(it["CacheNodeType"], it["ApplyImmediately"]) for it in changes] == [
        ("cache.t4g.medium", "false"),
        ("cache.t4g.medium", "true"),
    ]
    assert stack.outputs()["pendingModifiedValues"] == {}
    stack.expect_no_changes("--refresh")


def test_one_node_needs_no_more_words(stack):
    stack.write_program({"it": {"type": "fargate:RedisGroup", "properties": {"nodeType": "cache.t4g.small", "numCacheClusters": 1}}})
    stack.up()
    group = stack.aws("elasticache").describe_replication_groups(ReplicationGroupId=stack.outputs()["id"])["ReplicationGroups"][0]
    assert (group["AutomaticFailover"], group["MultiAZ"]) == ("disabled", "disabled")
    stack.expect_no_changes("--refresh")


def test_logs_change_at_once_and_apart_from_what_waits(stack, proxy):
    """AWS: you must set the apply-immediately parameter for all log delivery modifications."""
    later = {"applyImmediately": False, "maintenanceWindow": "sun:05:00-sun:06:00"}
    log = {"logType": "slow-log", "destinationType": "cloudwatch-logs", "destination": "redis", "logFormat": "json"}
    changes = asked(proxy, "ModifyReplicationGroup")
    this = life(stack)
    stack.write(this, this.properties | later)
    stack.up()
    # The local AWS shows no logs, so there are none to be taken away.
    for logs in [[log], [log | {"logFormat": "text"}]]:
        changes.clear()
        stack.write(this, this.properties | later | {"logDeliveryConfigurations": logs})
        assert stack.up() == {"update"}
        [change] = changes
        assert change["ApplyImmediately"] == "true" and any(it.startswith("LogDeliveryConfigurations") for it in change)
    changes.clear()
    rest = {"description": "The queue", "nodeType": "cache.t4g.medium", "logDeliveryConfigurations": [log], "authToken": OTHER_TOKEN}
    stack.write(this, this.properties | later | rest)
    assert stack.up() == {"update"}
    steps = [(it["ApplyImmediately"], *sorted(set(it) & WATCHED)) for it in changes]
    assert steps == [
        ("false", "ReplicationGroupDescription"),
        ("true", LOG_TYPE),
        ("true", "AuthToken"),
        ("false", "CacheNodeType"),
    ], "what AWS makes at once would make what waits as well"


LOG_TYPE = "LogDeliveryConfigurations.LogDeliveryConfigurationRequest.1.LogType"
WATCHED = {"ReplicationGroupDescription", LOG_TYPE, "AuthToken", "CacheNodeType"}


def test_what_waits_and_is_made_together_with_what_does_not_is_told(stack, proxy):
    waiting = "<PendingModifiedValues><CacheNodeType>cache.t4g.medium</CacheNodeType></PendingModifiedValues>"
    this = life(stack)
    later = {"applyImmediately": False, "maintenanceWindow": "sun:05:00-sun:06:00", "replicationGroupId": "queue"}
    stack.write(this, this.properties | later)
    stack.up()
    proxy.answers["DescribeCacheClusters"] = lambda text: text.replace("<CacheClusterStatus>", f"{waiting}<CacheClusterStatus>")
    log = {"logType": "slow-log", "destinationType": "cloudwatch-logs", "destination": "redis", "logFormat": "json"}
    stack.write(this, this.properties | later | {"nodeType": "cache.t4g.medium", "logDeliveryConfigurations": [log]})
    said = stack.pulumi("up", "--yes", "--skip-preview")
    assert "queue: nodeType, which waited for the maintenance window, changes now" in said, said


def test_the_way_back_from_valkey_to_redis(stack, proxy):
    changes = asked(proxy, "ModifyReplicationGroup")
    this = life(stack)
    stack.write(this, this.properties | {"engine": "valkey", "engineVersion": "7.2"})
    stack.up()
    stack.write(this, this.properties)
    assert stack.up() == {"update"}
    assert [(it["Engine"], it["EngineVersion"]) for it in changes] == [("redis", "7.1")]


def test_a_parameter_group_that_is_in_use_is_not_replaced_under_its_name(stack):
    def write(family, **more):
        this.fixtures["parameters"] = {"type": "fargate:RedisParameterGroup", "properties": {"name": "custom", "family": family} | more}
        stack.write(this, this.properties | {"parameterGroupName": "${parameters.name}"})

    this = life(stack)
    write("redis7")
    stack.up()
    write("redis7", description="For the queue")
    said = stack.pulumi("preview", fails=True)
    assert "parameterGroupName is custom, which has to be deleted and created anew, and AWS deletes none that is in use" in said, said
    write("redis6.x")
    assert "refers to custom, and is of family redis6.x, which is not for redis 7.1" in stack.pulumi("preview", fails=True)
    write("redis7", name="other", description="For the queue")
    assert "1 to replace" in stack.pulumi("preview")


def asked(proxy, operation):
    """What is asked of AWS by an operation, call by call, from now on."""
    asked = []
    proxy.refusals[operation] = lambda body: asked.append(dict(urllib.parse.parse_qsl(body))) or None
    return asked


def events(message):
    """What AWS notes of the groups; the local AWS writes dates as AWS does not."""
    return lambda text: re.sub("<Date>[^<]*", "<Date>2026-01-01T00:00:00Z", text.replace("Replication group created", message))


def recorded(proxy):
    """The calls that change the group, in order, from now on."""
    changes = []
    for operation in ("ModifyReplicationGroup", "IncreaseReplicaCount", "DecreaseReplicaCount"):
        proxy.answers[operation] = lambda text, operation=operation: changes.append(operation) or text
    return changes


def test_all_mistakes_at_once_and_no_password_among_them(stack):
    mistakes = {
        "nodeType": "t4g.small",
        "numCacheClusters": 1,
        "automaticFailoverEnabled": True,
        "authToken": "hunter2",
        "maintenanceWindow": "at night",
        "engineVersion": "8.0",
    }
    stack.write_program({"it": {"type": "fargate:RedisGroup", "properties": mistakes}})
    said = stack.pulumi("preview", fails=True)
    for part in [
        "cache.t4g.small",
        "leaves no replica to fail over to",
        "authToken has 7 characters, fewer than 16",
        "sun:05:00-sun:06:00",
        "redis ends with 7.1",
    ]:
        assert part in said, said
    assert "hunter2" not in said
