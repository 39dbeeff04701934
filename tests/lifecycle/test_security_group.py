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
        {"protocol": "any", "cidrBlocks": ["10.0.0.1/8"]},
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


def test_any_spelling_stays_when_something_else_changes(stack, proxy):
    def write(tags):
        ingress = [
            {"protocol": "6", "fromPort": 80, "toPort": 80, "cidrBlocks": ["10.0.0.0/8"], "ipv6CidrBlocks": ["FD00::0/8"]},
            {"protocol": "TCP", "fromPort": 443, "toPort": 443, "cidrBlocks": ["10.0.0.0/8"], "description": ""},
            {"protocol": "ICMP", "cidrBlocks": ["10.0.0.0/8"]},
            {"protocol": "all", "self": True},
        ]
        egress = [{"protocol": "-1", "fromPort": 0, "toPort": 65535, "cidrBlocks": ["0.0.0.0/0"], "ipv6CidrBlocks": ["::0/0"]}]
        properties = {"ingress": ingress, "egress": egress, "tags": tags}
        stack.write_program({"it": {"type": "fargate:SecurityGroup", "properties": properties}})

    write({"Name": "a"})
    assert stack.up() == {"create"}
    id = stack.outputs()["id"]
    has = find(stack, id)
    assert ("tcp", 80, 80, "10.0.0.0/8", None) in rules(has["IpPermissions"])
    assert ("icmp", -1, -1, "10.0.0.0/8", None) in rules(has["IpPermissions"])
    assert rules(has["IpPermissionsEgress"]) == [("-1", None, None, it, None) for it in ["0.0.0.0/0", "::/0"]]
    stack.expect_no_changes("--refresh")
    stack.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    proxy.counts.clear()
    write({"Name": "b"})
    assert stack.up() == {"update"}
    assert not [it for it in proxy.counts if it.startswith(("Revoke", "Authorize"))]
    assert rules(find(stack, id)["IpPermissions"]) == rules(has["IpPermissions"])


def test_an_update_takes_back_no_rule_that_the_plan_does_not_show(stack):
    def write(port, tags):
        ingress = [{"protocol": "tcp", "fromPort": port, "toPort": port, "cidrBlocks": ["10.0.0.0/8"]}]
        stack.write_program({"it": {"type": "fargate:SecurityGroup", "properties": {"ingress": ingress, "tags": tags}}})

    ssh = ("tcp", 22, 22, "0.0.0.0/0", None)
    write(3000, {"Name": "a"})
    stack.up()
    id, client = stack.outputs()["id"], stack.aws("ec2")
    permission = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    client.authorize_security_group_ingress(GroupId=id, IpPermissions=[permission])
    both = [ssh, ("tcp", 3000, 3000, "10.0.0.0/8", None)]
    client.create_tags(Resources=[id], Tags=[{"Key": "foreign", "Value": "kept"}])
    for name in ["b", "c"]:
        write(3000, {"Name": name})
        assert stack.up() == {"update"}
        assert rules(find(stack, id)["IpPermissions"]) == both
        assert tags(find(stack, id)["Tags"]) == {"Name": name, "foreign": "kept"} | OWNER
    # A refresh shows it, as an added rule; then it goes.
    said = stack.pulumi("refresh", "--yes", "--skip-preview", "--diff")
    assert [it["fromPort"] for it in stack.outputs()["ingress"]] == [3000, 22]
    assert "[1]" in said and "3000 => 22" not in said, said
    assert stack.up() == {"update"}
    assert rules(find(stack, id)["IpPermissions"]) == [("tcp", 3000, 3000, "10.0.0.0/8", None)]


def test_a_replacement_of_the_same_name_is_refused_in_the_preview(stack):
    def write(**properties):
        stack.write_program({"it": {"type": "fargate:SecurityGroup", "properties": properties}})

    write(name="web", description="a")
    stack.up()
    write(name="web", description="b")
    said = stack.pulumi("preview", fails=True)
    assert 'name stays "web" while description changes, which AWS cannot do in place.' in said
    assert "change name as well, or leave it out" in said
    write(name="website", description="b")
    assert stack.up() == {"create-replacement", "delete-replaced", "replace"}


def test_a_name_that_is_taken(stack):
    stack.use_moto("ec2")
    other = stack.aws("ec2").create_security_group(GroupName="web", Description="not ours")["GroupId"]
    stack.write_program({"it": {"type": "fargate:SecurityGroup", "properties": {"name": "web"}}})
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "SecurityGroup web exists already; set another name, or take it over" in said
    assert f"`pulumi import fargate:index:SecurityGroup <resource> {other}`" in said


def test_names_in_place_of_ids_are_refused(stack):
    network = {"subnets": ["arn:aws:ec2:us-east-1:123456789012:subnet/subnet-1"], "securityGroups": ["app"]}
    service = {"cluster": "main", "taskDefinition": "web:1", "networkConfiguration": network}
    stack.write_program({"it": {"type": "fargate:Service", "properties": service}})
    said = stack.pulumi("preview", fails=True)
    assert 'networkConfiguration.securityGroups[0] is "app", which is not the id of a security group' in said
    assert "to refer to a SecurityGroup of this program, use its id: ${name.id} in YAML" in said
    assert 'networkConfiguration.subnets[0] is "arn:aws:ec2:us-east-1:123456789012:subnet/subnet-1"' in said
