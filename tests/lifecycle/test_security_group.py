"""SecurityGroup."""

from harness import OWNER, Lifecycle, refusal, run, tags

ANYWHERE = {"protocol": "-1", "cidrBlocks": ["0.0.0.0/0"]}


def rules(permissions):
    """The rules as AWS has them, one for each of those whom they name."""
    flat = []
    for it in permissions:
        ports = (it["IpProtocol"], it.get("FromPort"), it.get("ToPort"))
        flat += [ports + (range["CidrIp"], range.get("Description")) for range in it["IpRanges"]]
        flat += [ports + (range["CidrIpv6"], range.get("Description")) for range in it["Ipv6Ranges"]]
        flat += [ports + (list["PrefixListId"], list.get("Description")) for list in it["PrefixListIds"]]
        flat += [ports + (pair["GroupId"], pair.get("Description")) for pair in it["UserIdGroupPairs"]]
    return sorted(flat, key=str)


def find(stack, id):
    found = stack.aws("ec2").describe_security_groups()["SecurityGroups"]
    return next((it for it in found if it["GroupId"] == id), None)


def truth(stack, outputs):
    group = find(stack, outputs["id"])
    if group is None:
        return None
    named = {outputs["id"]: "itself"} | {it["id"]: name for name, it in stack.resources().items() if name != "it"}

    def shown(permissions):
        return sorted([(*ports, named.get(peer, peer), why) for *ports, peer, why in rules(permissions)], key=str)

    return {
        "description": group["Description"],
        "ingress": shown(group["IpPermissions"]),
        "egress": shown(group["IpPermissionsEgress"]),
        "tags": tags(group["Tags"]),
    }


def drift(stack, outputs):
    client, id = stack.aws("ec2"), outputs["id"]
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    client.authorize_security_group_ingress(GroupId=id, IpPermissions=[ssh])
    https = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
    client.revoke_security_group_egress(GroupId=id, IpPermissions=[https])


def test_security_group(stack):
    life = Lifecycle(
        type="SecurityGroup",
        properties={
            "ingress": [
                {
                    "protocol": "tcp",
                    "fromPort": 8000,
                    "toPort": 8000,
                    "cidrBlocks": ["10.0.0.0/8", "192.168.0.0/16"],
                    "securityGroups": ["${balancer.id}"],
                    "self": True,
                },
                {"protocol": "icmp", "fromPort": -1, "toPort": -1, "cidrBlocks": ["10.0.0.0/8"], "description": "ping"},
            ],
            "tags": {"stage": "test"},
        },
        fixtures={"balancer": {"type": "fargate:SecurityGroup"}},
        truth=truth,
        expected={
            "description": "Managed by Pulumi",
            "ingress": [
                ("icmp", -1, -1, "10.0.0.0/8", "ping"),
                ("tcp", 8000, 8000, "10.0.0.0/8", None),
                ("tcp", 8000, 8000, "192.168.0.0/16", None),
                ("tcp", 8000, 8000, "balancer", None),
                ("tcp", 8000, 8000, "itself", None),
            ],
            "egress": [("-1", None, None, "0.0.0.0/0", None), ("-1", None, None, "::/0", None)],
            "tags": {"stage": "test"} | OWNER,
        },
        update={
            "ingress": [
                {"protocol": "tcp", "fromPort": 8000, "toPort": 8000, "cidrBlocks": ["192.168.0.0/16"]},
                {"protocol": "tcp", "fromPort": 8000, "toPort": 8080, "securityGroups": ["${balancer.id}"]},
            ],
            "egress": [{"protocol": "tcp", "fromPort": 443, "toPort": 443, "cidrBlocks": ["10.0.0.0/8"]}],
            "tags": {"team": "video"},
        },
        updated={
            "ingress": [("tcp", 8000, 8000, "192.168.0.0/16", None), ("tcp", 8000, 8080, "balancer", None)],
            "egress": [("tcp", 443, 443, "10.0.0.0/8", None)],
            "tags": {"team": "video"} | OWNER,
        },
        drift=drift,
        replace={"description": "the app"},
        replaced={"description": "the app"},
        import_ids=lambda outputs: [outputs["id"], outputs["arn"]],
    )
    run(stack, life)


def test_rules_that_mean_the_same_are_no_change(stack):
    def write(ingress, egress):
        properties = {"ingress": ingress, "egress": egress}
        stack.write_program({"it": {"type": "fargate:SecurityGroup", "properties": properties}})

    web = {"protocol": "tcp", "fromPort": 80, "toPort": 80}
    write([web | {"cidrBlocks": ["10.0.0.0/8", "192.168.0.0/16"], "self": True}], [ANYWHERE])
    assert stack.up() == {"create"}
    write([web | {"self": True, "cidrBlocks": ["192.168.0.0/16"]}, web | {"cidrBlocks": ["10.0.0.0/8"]}], [ANYWHERE])
    stack.expect_no_changes()
    stack.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")


def test_a_rule_is_reworded_in_place(stack):
    stack.use_moto("ec2")  # ministack cannot change descriptions

    def write(why):
        https = {"protocol": "tcp", "fromPort": 443, "toPort": 443, "cidrBlocks": ["10.0.0.0/8"], "description": why}
        stack.write_program({"it": {"type": "fargate:SecurityGroup", "properties": {"ingress": [https], "egress": [https]}}})

    write("why not")
    stack.up()
    write("because")
    assert stack.up() == {"update"}
    group = find(stack, stack.outputs()["id"])
    because = [("tcp", 443, 443, "10.0.0.0/8", "because")]
    assert rules(group["IpPermissions"]) == because
    assert rules(group["IpPermissionsEgress"]) == because
    stack.pulumi("destroy", "--yes", "--skip-preview")
    assert find(stack, group["GroupId"]) is None


def test_no_egress_is_none_at_all(stack):
    stack.write_program({"it": {"type": "fargate:SecurityGroup", "properties": {"egress": []}}})
    stack.up()
    group = stack.outputs()["id"]
    assert find(stack, group)["IpPermissionsEgress"] == []
    stack.expect_no_changes()
    stack.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    # And an import must not fall back to the default, which allows all.
    importing = stack.other("import")
    it = {"type": "fargate:SecurityGroup", "properties": {"egress": [], "name": stack.outputs()["name"]}}
    importing.write_program({"it": it | {"options": {"import": group}}})
    assert importing.up() == {"import"}
    importing.expect_no_changes()
    stack.write_program({"it": {"type": "fargate:SecurityGroup"}})
    assert stack.up() == {"update"}
    everyone = [("-1", None, None, "0.0.0.0/0", None), ("-1", None, None, "::/0", None)]
    assert rules(find(stack, group)["IpPermissionsEgress"]) == everyone


def test_all_mistakes_at_once(stack):
    ingress = [
        {"protocol": "tcp", "cidrBlocks": ["0.0.0.0/0"]},
        {"protocol": "all", "cidrBlocks": ["10.0.0.1/8"]},
        {"protocol": "tcp", "fromPort": 80, "toPort": 79},
    ]
    properties = {"name": "sg-mine", "ingress": ingress}
    stack.write_program({"it": {"type": "fargate:SecurityGroup", "properties": properties}})
    told = stack.pulumi("preview", fails=True)
    for mistake in [
        "name begins with sg-",
        "ingress[0].fromPort is missing",
        "ingress[1].protocol",
        "ingress[1].cidrBlocks[0]",
        "10.0.0.0/8",
        "ingress[2] names nobody",
        "ingress[2].toPort is 79, less than fromPort, which is 80",
    ]:
        assert mistake in told, f"{mistake} is not in {told}"


def test_traffic_is_let_in_before_other_traffic_is_shut_out(stack, proxy):
    calls = []
    for operation in ["AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"]:
        proxy.answers[operation] = lambda answer, operation=operation: calls.append(operation) or answer
    rule = {"protocol": "tcp", "cidrBlocks": ["10.0.0.0/8"]}
    for port in [80, 8080]:
        ingress = [rule | {"fromPort": port, "toPort": port}]
        stack.write_program({"it": {"type": "fargate:SecurityGroup", "properties": {"ingress": ingress}}})
        stack.up()
    authorize, revoke = "AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"
    assert calls == [authorize, authorize, revoke]


def test_destroy_names_who_uses_the_group(stack, proxy):
    """The local AWS deletes a group whoever uses it; AWS does not."""
    stack.write_program({"it": {"type": "fargate:SecurityGroup", "options": {"customTimeouts": {"delete": "4s"}}}})
    stack.up()
    group, client = stack.outputs()["id"], stack.aws("ec2")
    balancer = {"Groups": [group], "Description": "ELB app/web/50dc6c495c0c9188"}
    interface = client.create_network_interface(
        SubnetId=client.describe_subnets()["Subnets"][0]["SubnetId"], **balancer
    )["NetworkInterface"]["NetworkInterfaceId"]
    database = client.create_security_group(GroupName="database", Description="not ours")["GroupId"]
    client.authorize_security_group_ingress(
        GroupId=database, IpPermissions=[{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}]
    )
    proxy.refusals["DeleteSecurityGroup"] = refusal("DependencyViolation", f"resource {group} has a dependent object")
    said = stack.pulumi("destroy", "--yes", "--skip-preview", fails=True)
    assert f"({group}) is still used by load balancer web ({interface})" in said
    assert f"an ingress rule of security group database ({database})" in said
    assert find(stack, group), "it is still there"

    proxy.refusals.clear()
    stack.pulumi("destroy", "--yes", "--skip-preview")
    assert find(stack, group) is None
