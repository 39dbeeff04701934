"""The three programs of examples/, run by the real Pulumi with its state, its plugins and its
settings in a folder of ours."""

import contextlib
import filecmp
import json
import os
import secrets
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import boto3

import local_aws

ROOT = Path(__file__).resolve().parent.parent
TITLES = {
    "a-core": "Sprint A: cluster, repositories, network, execution role",
    "b-web": "Sprint B: the web service behind its load balancer",
    "c-worker": "Sprint C: the queue, the workers and their scaling",
}
CONNECTED = "Sprint B once more: the web service gets its queue"
IMAGES = ["fastapi_app", "celery_worker"]


class Sprints:
    def __init__(self, home, stack):
        self.home, self.stack, self.state = home, stack, home / "state"

    def enter(self, record):
        """From here on this process and its children know this AWS and this state alone."""
        self.state.mkdir(parents=True, exist_ok=True)
        for name in list(os.environ):
            if name.startswith(("AWS_", "PULUMI_")):
                del os.environ[name]
        settings = local_aws.environment(record) | {
            "PULUMI_HOME": str(self.home / "pulumi"),
            "PULUMI_BACKEND_URL": self.state.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": self.stack,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_STACK": self.stack,
        }
        os.environ.update(settings)
        os.environ["PATH"] = f"{ROOT}/.tools/bin:{os.environ['PATH']}"
        lines = [f'export {name}="{value}"' for name, value in settings.items()]
        lines.append(f'export PATH="{ROOT}/.tools/bin:$PATH"')
        (self.home / "env").write_text("\n".join(lines) + "\n")

    def install(self, provider):
        """Puts the provider where Pulumi looks for it, as `pulumi plugin install` would."""
        version = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
        home = self.home / "pulumi"
        target = home / "plugins" / f"resource-fargate-v{version}" / "pulumi-resource-fargate"
        if target.exists() and filecmp.cmp(provider, target):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copy2(provider, target)
        shutil.rmtree(home / "schemas", ignore_errors=True)  # Pulumi's copy of the old one's schema

    def prepare(self, sprint, token=None, **settings):
        """Creates the stack, and gives it the one setting that has no default: the password of Redis."""
        self.pulumi(sprint, "stack", "select", "--create", self.stack, quiet=True)
        known = json.loads(self.pulumi(sprint, "config", "--json", quiet=True))
        if sprint == "c-worker" and (token or "c-worker:redisAuthToken" not in known):
            token = token or secrets.token_hex(16)
            self.pulumi(sprint, "config", "set", "--secret", "redisAuthToken", quiet=True, input=token)
        for name, value in settings.items():
            self.pulumi(sprint, "config", "set", name, str(value), quiet=True)

    def push_images(self, tag="latest"):
        """What a person does with Docker after sprint A: puts an image into each repository. The local AWS runs none of
        them, so an empty one will do. Returns what is there by now."""
        for name in IMAGES:
            push_image(name, tag)
        return [f"{name}:{tag}" for name in IMAGES]

    def delete_images(self):
        """A repository with images in it is not deleted; what a person does about that before sprint A goes away."""
        ecr = boto3.client("ecr")
        for name in IMAGES:
            if ids := ecr.list_images(repositoryName=name)["imageIds"]:
                ecr.batch_delete_image(repositoryName=name, imageIds=ids)

    def exists(self, sprint):
        return self.stack in {one["name"] for one in json.loads(self.pulumi(sprint, "stack", "ls", "--json", quiet=True))}

    def last_changes(self, sprint):
        """What the last update did, in words a reader knows."""
        words = {"same": "unchanged", "create": "created", "update": "updated", "delete": "deleted"}
        history = json.loads(self.pulumi(sprint, "stack", "history", "--json", "--page-size", "1", quiet=True))
        return {words.get(what, what): count for what, count in history[0]["resourceChanges"].items()}

    def pulumi(self, sprint, *arguments, quiet=False, **options):
        command = ["pulumi", "-C", str(ROOT / "examples" / sprint), *arguments]
        done = subprocess.run(command, text=True, capture_output=quiet, check=False, **options)
        if done.returncode != 0:
            said = f"{done.stdout}{done.stderr}\n" if quiet else "\n"
            sys.exit(f"{said}`pulumi {' '.join(arguments)}` failed in examples/{sprint}; what it says is above.")
        return done.stdout

    def forget(self):
        shutil.rmtree(self.state, ignore_errors=True)
        for sprint in TITLES:
            (ROOT / "examples" / sprint / f"Pulumi.{self.stack}.yaml").unlink(missing_ok=True)


def push_image(repository, tag, ecr=None):
    """Puts an image without any layers into a repository, or finds it there. Returns its digest."""
    ecr = ecr or boto3.client("ecr")
    media_type = "application/vnd.oci.image.manifest.v1+json"
    manifest = json.dumps({"schemaVersion": 2, "mediaType": media_type, "annotations": {"image": f"{repository}:{tag}"}})
    with contextlib.suppress(ecr.exceptions.ImageAlreadyExistsException):
        ecr.put_image(repositoryName=repository, imageManifest=manifest, imageTag=tag)
    found = ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])
    return found["imageDetails"][0]["imageDigest"]
