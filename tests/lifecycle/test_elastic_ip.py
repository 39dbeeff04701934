"""ElasticIp."""

from harness import OWNER, Lifecycle, refusal, run, tags


def truth(stack, outputs):
    found = stack.aws("ec2").describe_addresses()["Addresses"]
    address = next((it for it in found if it["AllocationId"] == outputs["allocationId"]), None)
    if address is None:
        return None
    assert address["PublicIp"] == outputs["publicIp"]
    return {"domain": address["Domain"], "tags": tags(address["Tags"])}


def test_elastic_ip(stack):
    life = Lifecycle(
        type="ElasticIp",
        properties={"domain": "vpc", "tags": {"stage": "test"}},
        truth=truth,
        expected={"domain": "vpc", "tags": {"stage": "test"} | OWNER},
        update={"domain": None, "tags": {"team": "video"}},
        updated={"tags": {"team": "video"} | OWNER},
        drift=lambda stack, outputs: stack.aws("ec2").delete_tags(Resources=[outputs["id"]], Tags=[{"Key": "team"}]),
        # AWS gives the address that is asked for; the local AWS gives another one.
        replace={"address": "198.51.100.1"},
        replaced={},
        import_ids=lambda outputs: [outputs["allocationId"], outputs["publicIp"], outputs["arn"]],
    )
    run(stack, life)


def test_destroy_names_who_uses_the_address(stack, proxy):
    """The local AWS releases an address that something uses; AWS does not."""
    stack.write_program({"it": {"type": "fargate:ElasticIp", "options": {"customTimeouts": {"delete": "4s"}}}})
    stack.up()
    it, client = stack.outputs(), stack.aws("ec2")
    gateway = client.create_network_interface(
        SubnetId=client.describe_subnets()["Subnets"][0]["SubnetId"], Description="Interface for NAT Gateway nat-1"
    )["NetworkInterface"]["NetworkInterfaceId"]
    proxy.refusals["ReleaseAddress"] = refusal("AuthFailure", "You do not have permission to access the specified resource.")
    said = stack.pulumi("destroy", "--yes", "--skip-preview", fails=True)
    assert f"address {it['publicIp']} is still used by NAT gateway nat-1 ({gateway})" in said

    proxy.refusals.clear()
    stack.pulumi("destroy", "--yes", "--skip-preview")
    assert truth(stack, it) is None
