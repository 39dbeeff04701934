"""ElasticIp."""

from harness import OWNER, Lifecycle, run, tags


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
