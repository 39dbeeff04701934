"""SecurityGroup."""

from harness import OWNER, Lifecycle, run, tags

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
    shown = lambda permissions: [
        (protocol, first, last, named.get(peer, peer), why) for protocol, first, last, peer, why in rules(permissions)
    ]
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
    assert "8" in stack.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")


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
    importing.forget()
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
