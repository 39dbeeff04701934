"""The local AWS of the demo and the tests: ministack, and beside it moto for
Application Auto Scaling, which ministack lacks. Both listen on 127.0.0.1 only,
on free ports, and hold everything in memory.

    local_aws.py start|stop|env   one in the background, kept under .demo/
    local_aws.py run              one in the foreground, until stdin closes
"""

import collections
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

HOST = "127.0.0.1"
ACCOUNT = "000000000000"  # ministack's, for any access key that is not twelve digits
REGION = "us-east-1"
HOME = Path(__file__).resolve().parent.parent / ".demo"


class Failed(Exception):
    """The local AWS did not come up; the message says why."""


def environment(record):
    """What a program must have in its environment to talk to this AWS and to no other."""
    return {
        "AWS_ENDPOINT_URL": record["aws"]["url"],
        "AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING": record["autoscaling"]["url"],
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,  # a profile of the user's must not interfere
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": HOST,
        "no_proxy": HOST,
    }


def launch(folder, **popen):
    """Starts both servers and returns their URLs and process ids once they answer."""
    folder.mkdir(parents=True, exist_ok=True)
    port, scaling_port = free_ports(2)
    aws = spawn(
        [sys.executable, "-m", "ministack"],
        folder / "aws.log",
        BIND_HOST=HOST,
        GATEWAY_PORT=str(port),
        IOT_MTLS_ENABLED="0",  # each of these would open a port to the world
        SFTP_ENABLED="0",
        TMPDIR=str(folder),
        **popen,
    )
    url = f"http://{HOST}:{port}"
    scaling = spawn(
        [sys.executable, __file__, "autoscaling", str(scaling_port), url],
        folder / "autoscaling.log",
        **popen,
    )
    try:
        return {
            "aws": await_answer(aws, f"{url}/_ministack/health", url, folder / "aws.log"),
            "autoscaling": await_answer(
                scaling,
                f"http://{HOST}:{scaling_port}/moto-api/",
                f"http://{HOST}:{scaling_port}",
                folder / "autoscaling.log",
            ),
        }
    except Failed:
        for process in (aws, scaling):
            process.terminate()
        raise


def spawn(command, log, start_new_session=False, **env):
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log.open("w"),
        stderr=subprocess.STDOUT,
        env=os.environ | env,
        start_new_session=start_new_session,
    )


def await_answer(process, health, url, log):
    deadline = time.monotonic() + 60
    while not answers(health):
        if process.poll() is not None or time.monotonic() > deadline:
            tail = "\n".join(log.read_text().splitlines()[-20:])
            raise Failed(f"the local AWS did not come up at {url}; the end of {log}:\n{tail}")
        time.sleep(0.1)
    return {"url": url, "pid": process.pid, "health": health}


DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def answers(url):
    try:
        with DIRECT.open(url, timeout=2) as reply:
            return reply.status == 200
    except (urllib.error.URLError, OSError):
        return False


def free_ports(count):
    """Held open together, so that no two are the same."""
    held = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def running(home=HOME):
    """The record of the one in the background, or None when it does not answer."""
    try:
        record = json.loads((home / "aws.json").read_text())
    except FileNotFoundError:
        return None
    return record if all(answers(server["health"]) for server in record.values()) else None


def start(home=HOME):
    """Returns (record, whether it was started just now)."""
    if record := running(home):
        return record, False
    stop(home)
    record = launch(home, start_new_session=True)
    (home / "aws.json").write_text(json.dumps(record, indent=2))
    return record, True


def stop(home=HOME):
    """Ends what `start` started. Returns whether there was anything."""
    file = home / "aws.json"
    if not file.exists():
        return False
    for server in json.loads(file.read_text()).values():
        # Only what still answers is ours: a process id alone may be somebody else's by now.
        if answers(server["health"]):
            os.kill(server["pid"], signal.SIGTERM)
            while answers(server["health"]):
                time.sleep(0.1)
    file.unlink()
    return True


@contextlib.contextmanager
def alone(folder):
    """One for the length of a `with` block, also when the block is ended by SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    record = launch(folder)
    try:
        yield record
    finally:
        for server in record.values():
            os.kill(server["pid"], signal.SIGTERM)
            os.waitpid(server["pid"], 0)


def run():
    """For a parent such as a test: everything ends when the parent does."""
    with tempfile.TemporaryDirectory(prefix="local-aws-") as folder, alone(Path(folder)) as record:
        show(record)
        print("ready", flush=True)
        sys.stdin.read()


def show(record, prefix=""):
    for name, value in environment(record).items():
        print(f"{prefix}{name}={value}")


def serve_autoscaling(port, aws_url):
    """moto, asking ministack whether an ECS service exists instead of its own, empty, ECS, and with tags."""
    import boto3
    import flask
    from moto.applicationautoscaling.exceptions import AWSValidationException
    from moto.applicationautoscaling.models import ApplicationAutoscalingBackend
    from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
    from moto.core.exceptions import JsonRESTError
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    def service_exists(self, resource_id):
        _, cluster, service = resource_id.split("/")
        ecs = boto3.client(
            "ecs",
            endpoint_url=aws_url,
            region_name=self.region_name,
            aws_access_key_id=access_key(flask.request.headers.get("Authorization")),
            aws_secret_access_key="test",
        )
        try:
            found = ecs.describe_services(cluster=cluster, services=[service])["services"]
        except ecs.exceptions.ClusterNotFoundException:
            found = []
        if not any(one["status"] == "ACTIVE" for one in found):
            raise AWSValidationException(f"ECS service doesn't exist: {resource_id}")
        return True

    def in_account_of_key(environ, start_response):
        """An access key of twelve digits is the account, as it is for ministack."""
        key = access_key(environ.get("HTTP_AUTHORIZATION"))
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = key if key.isdecimal() else ACCOUNT
        return moto(environ, start_response)

    tags = collections.defaultdict(dict)  # by ARN
    register = ApplicationAutoScalingResponse.register_scalable_target

    def register_with_tags(self):
        answer = register(self)
        tags[json.loads(answer)["ScalableTargetARN"]] |= self._get_param("Tags", {})
        return answer

    def tag_resource(self):
        tags[self._get_param("ResourceARN")] |= self._get_param("Tags")
        return "{}"

    def untag_resource(self):
        for key in self._get_param("TagKeys"):
            tags[self._get_param("ResourceARN")].pop(key, None)
        return "{}"

    def as_aws_says(method):
        """What is missing has a code of its own."""

        def call(*args, **kwargs):
            try:
                return method(*args, **kwargs)
            except AWSValidationException as error:
                if error.message.startswith("No scal"):
                    raise JsonRESTError("ObjectNotFoundException", error.message) from error
                raise

        return call

    for name in ["deregister_scalable_target", "delete_scaling_policy"]:
        setattr(ApplicationAutoscalingBackend, name, as_aws_says(getattr(ApplicationAutoscalingBackend, name)))
    ApplicationAutoscalingBackend._ecs_service_exists_for_target = service_exists
    ApplicationAutoScalingResponse.register_scalable_target = register_with_tags
    ApplicationAutoScalingResponse.tag_resource = tag_resource
    ApplicationAutoScalingResponse.untag_resource = untag_resource
    ApplicationAutoScalingResponse.list_tags_for_resource = lambda self: json.dumps(
        {"Tags": tags[self._get_param("ResourceARN")]}
    )
    moto = DomainDispatcherApplication(create_backend_app)
    make_server(HOST, int(port), in_account_of_key, threaded=True).serve_forever()


def access_key(authorization):
    found = re.search(r"Credential=(\w+)/", authorization or "")
    return found[1] if found else "test"


def main():
    match sys.argv[1:]:
        case ["start"]:
            record, fresh = start()
            print(f"{'started' if fresh else 'already running'}: {record['aws']['url']}")
        case ["stop"]:
            print("stopped" if stop() else "not running")
        case ["env"]:
            record = running()
            if record is None:
                raise Failed("the local AWS is not running; `make demo` starts it")
            show(record, "export ")
        case ["run"]:
            run()
        case ["autoscaling", port, aws_url]:
            serve_autoscaling(port, aws_url)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main()
    except Failed as failed:
        sys.exit(str(failed))
    except KeyboardInterrupt:
        sys.exit(130)
