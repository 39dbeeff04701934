"""Role."""

import json

from harness import OWNER, Lifecycle, run, tags

ECR = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"
EXECUTION = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
LOGS = "arn:aws:iam::aws:policy/CloudWatchLogsReadOnlyAccess"


def document(**statement):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow"} | statement]}


def trust(service):
    return document(Principal={"Service": service}, Action="sts:AssumeRole")


def may(action):
    return document(Action=[action], Resource="*")


def truth(stack, outputs):
    iam = stack.aws("iam")
    name = outputs["name"]
    try:
        role = iam.get_role(RoleName=name)["Role"]
    except iam.exceptions.NoSuchEntityException:
        return None
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    inline = iam.list_role_policies(RoleName=name)["PolicyNames"]
    return {
        "arn": role["Arn"] == outputs["arn"],
        "path": role["Path"],
        "trust": role["AssumeRolePolicyDocument"],
        "description": role.get("Description", ""),
        "session": role["MaxSessionDuration"],
        "boundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
        "managed": sorted(it["PolicyArn"] for it in attached),
        "inline": {it: iam.get_role_policy(RoleName=name, PolicyName=it)["PolicyDocument"] for it in inline},
        "tags": tags(role.get("Tags", [])),
    }


def drift(stack, outputs):
    """Somebody gives the role more than the program does, and takes a little away."""
    iam, name = stack.aws("iam"), outputs["name"]
    iam.attach_role_policy(RoleName=name, PolicyArn=ECR)
    iam.put_role_policy(RoleName=name, PolicyName="everything", PolicyDocument=json.dumps(may("*")))
    iam.delete_role_policy(RoleName=name, PolicyName="queue")


def test_role(stack):
    life = Lifecycle(
        type="Role",
        properties={
            "assumeRolePolicy": trust("ecs-tasks.amazonaws.com"),
            "description": "What the tasks may do",
            "managedPolicyArns": [EXECUTION, LOGS],
            "inlinePolicies": {"videos": may("s3:GetObject"), "table": json.dumps(may("dynamodb:GetItem"))},
            "maxSessionDuration": 7200,
            "permissionsBoundary": LOGS,
            "tags": {"stage": "test"},
        },
        truth=truth,
        expected={
            "arn": True,
            "path": "/",
            "trust": trust("ecs-tasks.amazonaws.com"),
            "description": "What the tasks may do",
            "session": 7200,
            "boundary": LOGS,
            "managed": sorted([EXECUTION, LOGS]),
            "inline": {"videos": may("s3:GetObject"), "table": may("dynamodb:GetItem")},
            "tags": {"stage": "test"} | OWNER,
        },
        update={
            "assumeRolePolicy": json.dumps(trust("ecs.amazonaws.com")),
            "description": None,
            "managedPolicyArns": [EXECUTION],
            "inlinePolicies": {"videos": may("s3:PutObject"), "queue": may("sqs:SendMessage")},
            "maxSessionDuration": None,
            "permissionsBoundary": None,
            "tags": {"team": "video"},
        },
        updated={
            "trust": trust("ecs.amazonaws.com"),
            "description": "",
            "session": 3600,
            "boundary": None,
            "managed": [EXECUTION],
            "inline": {"videos": may("s3:PutObject"), "queue": may("sqs:SendMessage")},
            "tags": {"team": "video"} | OWNER,
        },
        drift=drift,
        replace={"path": "/video/"},
        replaced={"path": "/video/"},
        import_ids=lambda outputs: [outputs["name"], outputs["arn"]],
    )
    run(stack, life)


def program(**properties):
    properties |= {"name": "app", "assumeRolePolicy": trust("ecs-tasks.amazonaws.com"), "inlinePolicies": {"own": may("s3:Get*")}}
    return {"it": {"type": "fargate:Role", "properties": properties}}


def test_destroy_takes_along_what_others_put_on_it(stack):
    iam = stack.aws("iam")
    stack.write_program(program())
    stack.up()
    iam.attach_role_policy(RoleName="app", PolicyArn=ECR)
    iam.put_role_policy(RoleName="app", PolicyName="other", PolicyDocument=json.dumps(may("*")))
    iam.create_instance_profile(InstanceProfileName="machine")
    iam.add_role_to_instance_profile(InstanceProfileName="machine", RoleName="app")
    stack.pulumi("destroy", "--yes", "--skip-preview")
    assert truth(stack, {"name": "app"}) is None


def test_destroy_says_what_holds_it_when_it_may_not_take_it_along(stack):
    stack.write_program(program(forceDetachPolicies=False))
    stack.up()
    stack.aws("iam").attach_role_policy(RoleName="app", PolicyArn=ECR)
    said = stack.pulumi("destroy", "--yes", "--skip-preview", fails=True)
    assert f"others have put {ECR} on role app" in said and "set `forceDetachPolicies` to true" in said


def test_a_name_that_is_taken_is_explained(stack):
    stack.aws("iam").create_role(RoleName="app", AssumeRolePolicyDocument=json.dumps(trust("ecs-tasks.amazonaws.com")))
    stack.write_program(program())
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "Role app exists already; set another name, or take it over: `pulumi import" in said


def test_other_spellings_of_what_iam_shows_are_no_change(stack):
    """IAM shows an account as its root user, and one value for a list of one."""
    principal = {"AWS": ["123456789012"], "Service": ["ecs-tasks.amazonaws.com"]}
    said = [{"Sid": "", "Effect": "Allow", "Action": ["sts:AssumeRole"], "Principal": principal, "Condition": {}}]
    shown = {"AWS": "arn:aws:iam::123456789012:root", "Service": "ecs-tasks.amazonaws.com"}
    properties = {"name": "app", "description": "", "assumeRolePolicy": {"Version": "2012-10-17", "Statement": said}}
    stack.write_program({"it": {"type": "fargate:Role", "properties": properties}})
    stack.up()
    policy = document(Action="sts:AssumeRole", Principal=shown)
    stack.aws("iam").update_assume_role_policy(RoleName="app", PolicyDocument=json.dumps(policy))
    stack.expect_no_changes("--refresh")


def test_a_role_that_aws_made_for_itself_is_no_import(stack):
    iam = stack.aws("iam")
    iam.create_role(RoleName="linked", Path="/aws-service-role/ecs.amazonaws.com/", AssumeRolePolicyDocument=json.dumps(trust("ecs.amazonaws.com")))
    said = stack.pulumi("import", "fargate:index:Role", "it", "linked", "--yes", "--skip-preview", "--protect=false", fails=True)
    assert "role linked has the path /aws-service-role/ecs.amazonaws.com/" in said, said


class Refusals(dict):
    """For each operation the refusals to come, in turn; after them, AWS answers."""

    def get(self, operation):
        return self[operation].pop(0) if super().get(operation) else None


def refusal(code, message):
    return f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"


def test_waits_for_what_iam_has_not_heard_of_yet(stack, proxy):
    proxy.refusals = Refusals(
        CreateRole=[refusal("MalformedPolicyDocument", "Invalid principal in policy: it was made just now")] * 2,
        PutRolePolicy=[refusal("NoSuchEntity", "The role with name app cannot be found.")],
        GetRole=[refusal("NoSuchEntity", "The role with name app cannot be found.")],
    )
    stack.write_program(program())
    assert stack.up() == {"create"}
    assert (proxy.counts["CreateRole"], proxy.counts["PutRolePolicy"], proxy.counts["GetRole"]) == (3, 2, 3)
    stack.expect_no_changes()


def test_a_role_without_its_policies_is_in_the_state_and_gets_them_by_the_next_up(stack, proxy):
    proxy.refusals = Refusals(PutRolePolicy=[refusal("MalformedPolicyDocument", "Syntax errors in policy.")])
    stack.write_program(program())
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "inlinePolicies.own: PutRolePolicy: MalformedPolicyDocument: Syntax errors in policy" in said
    assert stack.outputs()["id"] == "app" and truth(stack, stack.outputs())["inline"] == {}
    assert stack.up() == {"update"}
    assert truth(stack, stack.outputs())["inline"] == {"own": may("s3:Get*")} and proxy.counts["CreateRole"] == 1
    stack.expect_no_changes()
