"""Repository, and the functions on its images."""

import base64
import json

from harness import OWNER, Lifecycle, run, tags


def lifecycle(days):
    selection = {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": days}
    return {"rules": [{"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}]}


def access(action):
    statement = {"Sid": "build", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": action}
    return {"Version": "2012-10-17", "Statement": [statement]}


def truth(stack, outputs):
    ecr = stack.aws("ecr")
    name = outputs["name"]
    try:
        found = ecr.describe_repositories(repositoryNames=[name])["repositories"][0]
    except ecr.exceptions.RepositoryNotFoundException:
        return None

    def policy(read, text, missing):
        try:
            return json.loads(read(repositoryName=name)[text])
        except missing:
            return None

    return {
        "outputs": (found["repositoryArn"], found["repositoryUri"]) == (outputs["arn"], outputs["repositoryUrl"]),
        "mutability": found["imageTagMutability"],
        "scan": found["imageScanningConfiguration"].get("scanOnPush", False),
        "encryption": found["encryptionConfiguration"]["encryptionType"],
        "lifecycle": policy(
            ecr.get_lifecycle_policy, "lifecyclePolicyText", ecr.exceptions.LifecyclePolicyNotFoundException
        ),
        "policy": policy(ecr.get_repository_policy, "policyText", ecr.exceptions.RepositoryPolicyNotFoundException),
        "tags": tags(ecr.list_tags_for_resource(resourceArn=found["repositoryArn"])["tags"]),
    }


def drift(stack, outputs):
    ecr, name = stack.aws("ecr"), outputs["name"]
    ecr.put_image_tag_mutability(repositoryName=name, imageTagMutability="MUTABLE")
    ecr.delete_lifecycle_policy(repositoryName=name)
    ecr.set_repository_policy(repositoryName=name, policyText=json.dumps(access("ecr:*")))


def test_repository(stack):
    life = Lifecycle(
        type="Repository",
        properties={"policy": access("ecr:BatchGetImage"), "lifecyclePolicy": lifecycle(14), "tags": {"stage": "test"}},
        truth=truth,
        expected={
            "outputs": True,
            "mutability": "MUTABLE",
            "scan": True,
            "encryption": "AES256",
            "lifecycle": lifecycle(14),
            "policy": access("ecr:BatchGetImage"),
            "tags": {"stage": "test"} | OWNER,
        },
        update={
            "imageTagMutability": "IMMUTABLE",
            "imageScanningConfiguration": {"scanOnPush": False},
            "lifecyclePolicy": json.dumps(lifecycle(30)),
            "policy": None,
            "tags": {"team": "video"},
        },
        updated={
            "mutability": "IMMUTABLE",
            "scan": False,
            "lifecycle": lifecycle(30),
            "policy": None,
            "tags": {"team": "video"} | OWNER,
        },
        drift=drift,
        replace={"encryptionConfiguration": {"encryptionType": "KMS"}, "forceDelete": True},
        replaced={"encryption": "KMS"},
        import_ids=lambda outputs: [outputs["name"], outputs["arn"], outputs["repositoryUrl"]],
    )
    run(stack, life)


def push(stack, name, tag):
    manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "tag": tag})
    image = stack.aws("ecr").put_image(repositoryName=name, imageManifest=manifest, imageTag=tag)["image"]
    return image["imageId"]["imageDigest"]


def test_images_go_with_it_only_by_force(stack):
    program = {"it": {"type": "fargate:Repository", "properties": {"name": "app"}}}
    stack.write_program(program)
    stack.up()
    push(stack, "app", "latest")
    said = stack.pulumi("destroy", "--yes", "--skip-preview", fails=True)
    assert "there are images in repository app; delete them, or set `forceDelete` to true and run `pulumi up` first" in said
    program["it"]["properties"]["forceDelete"] = True
    stack.write_program(program)
    assert stack.up() == {"update"}
    stack.pulumi("destroy", "--yes", "--skip-preview")
    assert truth(stack, {"name": "app"}) is None


def test_a_preview_refuses_a_replacement_that_loses_images(stack):
    def write(**properties):
        stack.write_program({"it": {"type": "fargate:Repository", "properties": properties}})

    write(name="app")
    stack.up()
    push(stack, "app", "latest")
    write(name="web")
    said = stack.pulumi("preview", fails=True)
    assert 'name cannot change without data loss: it was "app" and is "web" now' in said and "set forceDelete to true" in said, said
    write(name="web", forceDelete=True)
    assert "forceDelete was false in the last `pulumi up`" in stack.pulumi("preview")
    write(name="app", forceDelete=True)
    assert stack.up() == {"update"}
    write(name="web", forceDelete=True)
    said = stack.pulumi("up", "--yes", "--skip-preview")
    assert "repository app is deleted with all images in it, for forceDelete is true" in said, said
    assert truth(stack, {"name": "app"}) is None and truth(stack, {"name": "web"} | stack.outputs())


def test_what_says_nothing_is_no_policy(stack, proxy):
    for nothing in ["", {}, "{}"]:
        properties = {"name": "app", "policy": nothing, "lifecyclePolicy": nothing}
        stack.write_program({"it": {"type": "fargate:Repository", "properties": properties}})
        stack.up()
        stack.expect_no_changes("--refresh")
    assert proxy.counts["PutLifecyclePolicy"] == proxy.counts["SetRepositoryPolicy"] == 0


def invoke(stack, function, **arguments):
    """The answer of a function, as a program gets it."""
    program = json.loads((stack.folder / "Pulumi.yaml").read_text())
    program["variables"] = {"answer": {"fn::invoke": {"function": f"fargate:{function}", "arguments": arguments}}}
    program["outputs"] = {"answer": "${answer}"}
    (stack.folder / "Pulumi.yaml").write_text(json.dumps(program))


def test_get_image(stack):
    ecr = stack.aws("ecr")
    url = ecr.create_repository(repositoryName="app")["repository"]["repositoryUri"]
    digest = push(stack, "app", "v1")
    for arguments in [{"imageTag": "v1"}, {"imageDigest": digest}, {"mostRecent": True}]:
        invoke(stack, "getImage", repositoryName="app", **arguments)
        stack.pulumi("up", "--yes", "--skip-preview")
        answer = json.loads(stack.pulumi("stack", "output", "--json"))["answer"]
        assert answer["imageDigest"] == digest and answer["imageUri"] == f"{url}@{digest}"
        assert answer["imageTags"] == ["v1"] and answer["imagePushedAt"].startswith("20")

    for arguments, mistake in [
        ({"repositoryName": "app", "imageTag": "v2"}, "there is no image tagged v2 in repository app; push it first"),
        ({"repositoryName": "web", "imageTag": "v1"}, "repositoryName: there is no repository web"),
        ({"repositoryName": "app"}, "say which image of app: `imageTag` or `imageDigest`, or else `mostRecent`"),
    ]:
        invoke(stack, "getImage", **arguments)
        assert mistake in stack.pulumi("preview", fails=True)


def test_the_most_recent_image_has_a_tag(stack, proxy):
    stack.aws("ecr").create_repository(repositoryName="app")
    push(stack, "app", "v1")
    # Neither local AWS leaves out what the filter does.
    asked = []
    proxy.refusals["DescribeImages"] = asked.append
    for arguments in [{"mostRecent": True}, {"imageTag": "v1"}]:
        invoke(stack, "getImage", repositoryName="app", **arguments)
        stack.pulumi("preview")
    assert [json.loads(it).get("filter") for it in asked] == [{"tagStatus": "TAGGED"}, None]


def test_get_authorization_token(stack):
    invoke(stack, "getAuthorizationToken")
    stack.pulumi("up", "--yes", "--skip-preview")
    said = stack.pulumi("stack", "export")
    answer = json.loads(stack.pulumi("stack", "output", "--json", "--show-secrets"))["answer"]
    token = stack.aws("ecr").get_authorization_token()["authorizationData"][0]
    user, password = base64.b64decode(answer["authorizationToken"]).decode().split(":", 1)
    assert (answer["userName"], answer["password"]) == (user, password) and user == "AWS"
    assert answer["proxyEndpoint"] == token["proxyEndpoint"] and answer["expiresAt"].startswith("20")
    assert answer["password"] not in said and answer["authorizationToken"] not in said
