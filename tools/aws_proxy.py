"""Stands between a program and an AWS: records the calls, changes or refuses what it is told to, and plays what no local
AWS does: deployments that fail, tasks that stop, targets that are unhealthy, connections that break.

A `Script` is a plain structure, as the YAML files of tests/stories hold it:

    calls:                                        # one by one
      - {call: CreateService, nth: 1, refuse: [ThrottlingException, Rate exceeded]}
      - {call: DescribeReplicationGroups, after: ModifyReplicationGroup, for: 2, replace: {available: modifying}}
      - {call: CreateService, nth: 1, cut: after}   # the connection, before or after AWS has done it
      - {call: RunTask, delay: 2}                   # seconds
      - {call: GetLogEvents, answer: {events: []}}  # without asking AWS; text as it is, for services that speak XML
    deployments:                                  # how the n-th deployment of the service goes, a step a look at it
      2:
        - {running: 0, pending: 1}
        - {failed: 1, stopped: "CannotPullContainerError: …", event: was unable to …}
    log: [what the containers wrote]
    tasks:                                        # how the n-th task that runs alone goes, likewise
      1:
        - {state: RUNNING, log: [one line]}
        - {state: STOPPED, exit: 1, log: [another]}   # or `exits: {app: 0, agent: 137}`
"""

import collections
import contextlib
import http.client
import http.server
import json
import re
import socket
import threading
import time
import urllib.parse
from xml.sax.saxutils import escape

HOST = "127.0.0.1"


class Proxy:
    """`url` is where to call it. `answers` maps an operation to a function of its answer's text, which gives another;
    `refusals` maps one that AWS is not to hear of to the text of a refusal, or to a function of what is asked that gives
    that text, or None to let it pass. `script` says all else; with a `pace`, deployments go on by the clock."""

    def __init__(self, target, script=None, pace=None):
        self.counts, self.answers, self.refusals = collections.Counter(), {}, {}
        self.answered = collections.Counter()  # what `counts` has from when it is asked
        self.calls = []  # (when, operation, what was asked)
        self.script = Script(script or {}, pace)
        self.server = http.server.ThreadingHTTPServer((HOST, 0), handler(self, urllib.parse.urlsplit(target).netloc))
        self.server.daemon_threads = True
        self.url = f"http://{HOST}:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()


def handler(proxy, target):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            called = operation(self.path, self.headers, body)
            proxy.counts[called] += 1
            proxy.calls.append((time.monotonic(), called, body.decode(errors="replace")))
            try:
                self.serve(called, body)
            finally:
                proxy.answered[called] += 1

        def serve(self, called, body):
            refusal = proxy.refusals.get(called)
            if refusal := refusal(body.decode()) if callable(refusal) else refusal:
                return self.answer(400, {}, refusal.encode())
            token = found[1] if (found := re.search(r'"clientToken": ?"([^"]+)"', body.decode(errors="replace"))) else None
            faults = proxy.script.faults(called, proxy.counts)
            for fault in faults:
                time.sleep(fault.get("delay", 0))
                if fault.get("cut") == "before":
                    return self.cut()
                if "refuse" in fault:
                    return self.answer(*refused(service(self.headers), called, *fault["refuse"]))
                if "answer" in fault:
                    text = fault["answer"] if isinstance(fault["answer"], str) else json.dumps(fault["answer"])
                    return self.answer(200, {}, text.encode())
            if played := proxy.script.plays(called, body.decode(errors="replace")):
                return self.answer(200, {}, played.encode())
            if token and token in proxy.script.answered:
                return self.answer(200, {}, proxy.script.answered[token])
            upstream = http.client.HTTPConnection(target)
            upstream.request(self.command, self.path, body, dict(self.headers))
            reply = upstream.getresponse()
            answer = reply.read()
            upstream.close()
            if any(fault.get("cut") == "after" for fault in faults):
                # AWS knows a call that comes again by its token; the local one does not.
                proxy.script.answered[token] = proxy.script.changes(called, answer)
                return self.cut()
            if change := proxy.answers.get(called):
                answer = change(answer.decode()).encode()
            for fault in faults:
                for old, new in fault.get("replace", {}).items():
                    answer = answer.replace(str(old).encode(), str(new).encode())
            if reply.status == 200:
                answer = proxy.script.changes(called, answer)
            self.answer(reply.status, dict(reply.getheaders()), answer)

        do_GET = do_POST

        def answer(self, status, headers, body):
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in ("connection", "content-length", "date", "server", "transfer-encoding"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            with contextlib.suppress(ConnectionError):  # nobody waits for it any longer
                self.end_headers()
                self.wfile.write(body)

        def cut(self):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, *_):
            pass

    return Handler


def operation(path, headers, body):
    """The name of an operation, in each of the ways in which AWS's protocols carry it."""
    if target := headers.get("X-Amz-Target"):
        return target.split(".")[-1]
    if "/operation/" in path:
        return path.split("/")[-1]
    return urllib.parse.parse_qs(body.decode(errors="replace")).get("Action", [path])[0]


def service(headers):
    """The service that a request is signed for."""
    found = re.search(r"Credential=[^/]+/[^/]+/[^/]+/([^/]+)/", headers.get("Authorization") or "")
    return found[1] if found else ""


def refused(signed_for, called, code, text):
    """A refusal, in the protocol of the service: status, headers, body."""
    if signed_for == "ec2":
        return 400, {}, f"<Response><Errors><Error><Code>{code}</Code><Message>{escape(text)}</Message></Error></Errors></Response>".encode()
    if signed_for in ("elasticloadbalancing", "elasticache", "iam", "sts"):
        return 400, {}, f"<ErrorResponse><Error><Code>{code}</Code><Message>{escape(text)}</Message></Error></ErrorResponse>".encode()
    return 400, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps({"__type": code, "message": text}).encode()


# What an entry of `calls`, and a step of a deployment, may say.
CALL = {"call", "nth", "for", "after", "refuse", "cut", "delay", "answer", "replace"}
STEP = {"state", "reason", "desired", "running", "pending", "failed", "event", "stopped", "targets", "breaker", "alarms",
        "status", "why", "rollback", "superseded", "gone"}  # fmt: skip


class Script:
    """What happens, call by call and deployment by deployment."""

    def __init__(self, script, pace):
        unknown = script.keys() - {"calls", "deployments", "log", "tasks"}
        assert not unknown, f"a script has no {', '.join(unknown)}"
        for it in script.get("calls", []):
            assert not (unknown := it.keys() - CALL), f"a call has no {', '.join(unknown)}"
        for it in (step for steps in script.get("deployments", {}).values() for step in steps):
            assert not (unknown := it.keys() - STEP), f"a step of a deployment has no {', '.join(unknown)}"
        self.calls, self.log, self.used = script.get("calls", []), script.get("log", []), collections.Counter()
        self.deployments = Deployments(script.get("deployments", {}), pace)
        self.tasks = Tasks(script.get("tasks", {}))
        self.lock = threading.Lock()
        self.answered = {}  # by client token

    def faults(self, called, counts):
        """The entries of `calls` that this call is for: the `nth` one, or from the first (`after` another one) on, `for`
        a number of times or always."""
        with self.lock:
            hits = []
            for index, it in enumerate(self.calls):
                if it["call"] != called or it.get("after") and not counts[it["after"]]:
                    continue
                self.used[index] += 1
                if "nth" in it and self.used[index] == it["nth"] or "nth" not in it and self.used[index] <= it.get("for", 1e9):
                    hits.append(it)
            return hits

    def unused(self):
        """What of it never happened. A deployment or a task may end before the last of its steps."""
        calls = [it for index, it in enumerate(self.calls) if self.used[index] < it.get("nth", 1)]
        deployments = [it for it in self.deployments.scripts if it > self.deployments.number]
        tasks = [it for it in self.tasks.scripts if it > self.tasks.number]
        return [*map(str, calls), *(f"deployment {it}" for it in deployments), *(f"task {it}" for it in tasks)]

    def plays(self, called, asked):
        """What is answered without AWS, which has no tasks, targets or logs of it."""
        with self.lock:
            state = self.deployments.state
            if called == "ListTasks" and json.loads(asked).get("desiredStatus") == "STOPPED":
                return json.dumps({"taskArns": [it["taskArn"] for it in self.deployments.stopped]})
            if called == "DescribeTasks":
                wanted = json.loads(asked)["tasks"]
                if found := [it for it in self.deployments.stopped if it["taskArn"] in wanted]:
                    return json.dumps({"tasks": found, "failures": []})
            if called == "DescribeServiceDeployments" and self.deployments.id:
                return json.dumps({"serviceDeployments": [self.deployments.service_deployment()]})
            if called == "StopServiceDeployment":
                return json.dumps({"serviceDeploymentArn": json.loads(asked)["serviceDeploymentArn"]})
            if called == "DescribeTargetHealth" and "targets" in state:
                return target_health(state["targets"])
            if called == "GetLogEvents" and (page := self.tasks.log(json.loads(asked))):
                return json.dumps(page)
            if called == "GetLogEvents" and self.log:
                events = [{"timestamp": 1, "message": it} for it in self.log]
                return json.dumps({"events": events, "nextForwardToken": "f/1", "nextBackwardToken": "b/1"})
            return None

    def changes(self, called, answer):
        """The answer of AWS to a call about services or tasks, as the script wants it."""
        if called not in ("CreateService", "UpdateService", "DescribeServices", "RunTask", "DescribeTasks", "StopTask"):
            return answer
        with self.lock:
            answer = json.loads(answer)
            if "Task" in called:
                for it in answer["tasks"] if "tasks" in answer else [answer["task"]]:
                    self.tasks.look(it, called)
            elif called == "DescribeServices":
                self.deployments.look()
                for it in answer["services"]:
                    self.deployments.show(it)
            else:
                self.deployments.begin(answer["service"])
                self.deployments.show(answer["service"])
            return json.dumps(answer).encode()


class Deployments:
    """The deployments of one service, of which the script says how they go: a step a look, or each `pace` seconds one."""

    def __init__(self, scripts, pace):
        self.scripts, self.pace, self.number, self.id, self.before = scripts, pace, 0, None, None
        self.steps, self.state, self.events, self.stopped = [], {}, [], []
        self.stepped = 0  # when the last step began

    def begin(self, service):
        """A new deployment, if the answer to a call has one."""
        primary = next(it for it in service["deployments"] if it["status"] == "PRIMARY")
        # AWS does not know what the script made of the last one.
        if primary["id"] == self.id and not self.state.keys() & {"rollback", "superseded"}:
            return
        self.number, self.id, self.stopped = self.number + 1, primary["id"], []
        self.steps = list(self.scripts.get(self.number, []))
        self.stepped = time.monotonic()
        self.state = {"state": "IN_PROGRESS"} if self.steps else {}

    def look(self):
        """Somebody looks at the service."""
        if not self.pace:
            self.step(time.monotonic())
        while self.pace and self.steps and self.stepped + self.pace <= time.monotonic():
            self.step(self.stepped + self.pace)

    def step(self, now):
        if not self.steps:
            return
        self.stepped, step = now, dict(self.steps.pop(0))
        if event := step.pop("event", None):
            self.events.insert(0, {"id": str(len(self.events)), "createdAt": time.time(), "message": f"(service web) {event}"})
        stopped = step.pop("stopped", [])
        for it in stopped if isinstance(stopped, list) else [stopped]:
            self.stop(it if isinstance(it, dict) else {"reason": it})
        self.state |= step

    def stop(self, it):
        container = {"name": it.get("container", "app"), "lastStatus": "STOPPED"}
        container |= {key: it[name] for name, key in [("exit", "exitCode"), ("why", "reason")] if name in it}
        number = len(self.stopped) + 1
        self.stopped.append(
            {
                "taskArn": f"arn:aws:ecs:us-east-1:123456789012:task/main/{number:032x}",
                "startedBy": self.id,
                "taskDefinitionArn": self.definition,
                "lastStatus": "STOPPED",
                "stopCode": it.get("code", "EssentialContainerExited" if "exit" in it else "TaskFailedToStart"),
                "stoppedReason": it["reason"],
                "stoppedAt": time.time(),
                "containers": [container],
            }
        )

    def show(self, service):
        """Makes the service look as the script wants it."""
        if service["status"] != "ACTIVE" or not self.id:
            return
        cluster = service["clusterArn"].split("/")[-1]
        self.service = service["serviceArn"]
        arn = self.service.replace(":service/", ":service-deployment/")
        service["currentServiceDeployment"] = self.arn = f"{arn}/{self.id.split('/')[-1]}"
        service["events"] = self.events + service.get("events", [])
        ours = next((it for it in service["deployments"] if it["id"] == self.id), None)
        if ours is None:
            return
        self.definition = ours["taskDefinition"]
        state = self.state
        if not state:
            self.before = dict(ours)
            return
        words = {"state": "rolloutState", "reason": "rolloutStateReason", "desired": "desiredCount", "running": "runningCount",
                 "pending": "pendingCount", "failed": "failedTasks"}  # fmt: skip
        reason = {"COMPLETED": "completed"}.get(state["state"], "in progress")
        ours |= {"runningCount": 0, "pendingCount": 0, "failedTasks": 0, "rolloutStateReason": f"ECS deployment {self.id} {reason}."}
        ours |= {words[key]: it for key, it in state.items() if key in words}
        service |= {"runningCount": ours["runningCount"], "pendingCount": ours["pendingCount"]}
        if "desired" in state:
            service["desiredCount"] = state["desired"]
        others = []
        if by := state.get("superseded"):
            definition = f"{ours['taskDefinition'].rpartition('/')[0]}/{by}"
            others = [ours | {"id": "ecs-svc/of-another", "taskDefinition": definition, "rolloutState": "IN_PROGRESS"}]
            service["taskDefinition"] = definition
            service["currentServiceDeployment"] = f"{arn}/of-another"
        elif state.get("rollback") and self.before:
            others = [self.before | {"id": "ecs-svc/back", "status": "PRIMARY"}]
            service["taskDefinition"] = self.before["taskDefinition"]
        if others:
            ours["status"] = "ACTIVE"
        # AWS may list it no more once it has rolled it back.
        service["deployments"] = others if state.get("gone") else [*others, ours]
        if not others and self.before and self.before["id"] != self.id and state["state"] != "COMPLETED":
            service["deployments"].append(self.before | {"status": "ACTIVE"})

    def service_deployment(self):
        state = self.state
        by_state = {"COMPLETED": "SUCCESSFUL", "FAILED": "ROLLBACK_IN_PROGRESS" if state.get("rollback") else "STOPPED"}
        status = state.get("status") or by_state.get(state.get("state", "COMPLETED"), "IN_PROGRESS")
        told = {"serviceDeploymentArn": self.arn, "serviceArn": self.service, "status": status}
        if "breaker" in state:
            count, threshold = state["breaker"]
            told["deploymentCircuitBreaker"] = {"status": "MONITORING", "failureCount": count, "threshold": threshold}
        if "alarms" in state:
            told["alarms"] = {"status": "TRIGGERED", "alarmNames": state["alarms"], "triggeredAlarmNames": state["alarms"]}
        if "why" in state:
            told["statusReason"] = state["why"]
        return told


class Tasks:
    """Tasks that run alone, of which the script says how they go."""

    def __init__(self, scripts):
        self.scripts, self.number, self.known = scripts, 0, {}

    def look(self, task, called):
        """Makes a task look as the script wants it."""
        if called == "RunTask":
            self.number += 1
            if self.number in self.scripts:
                self.known[task["taskArn"]] = ({"log": []}, list(self.scripts[self.number]))
        if task["taskArn"] not in self.known:
            return
        state, steps = self.known[task["taskArn"]]
        if called == "StopTask":
            state |= {"state": "STOPPED", "code": "UserInitiated", "reason": "Task stopped by user", "exit": 137}
            steps.clear()
        elif steps:
            step = steps.pop(0)
            state |= step | {"log": state["log"] + step.get("log", [])}
        if "state" not in state:
            return
        task |= {"lastStatus": state["state"], "stopCode": None, "stoppedReason": None}
        for container in task["containers"]:
            container["lastStatus"] = state["state"]
        if state["state"] == "STOPPED":
            task |= {"desiredStatus": "STOPPED", "stoppedAt": time.time()}
            task["stopCode"] = state.get("code", "EssentialContainerExited" if state.keys() & {"exit", "exits"} else "TaskFailedToStart")
            task["stoppedReason"] = state.get("reason", "Essential container in task exited")
            words = {"exit": "exitCode", "why": "reason"}
            task["containers"][0] |= {words[key]: it for key, it in state.items() if key in words}
            for container in task["containers"]:
                if container["name"] in state.get("exits", {}):
                    container["exitCode"] = state["exits"][container["name"]]

    def log(self, asked):
        """What a container of such a task has written since the last page; None if it is another one's."""
        number = asked["logStreamName"].split("/")[-1]
        state = next((state for arn, (state, _) in self.known.items() if arn.endswith(f"/{number}")), None)
        if state is None:
            return None
        seen = int(asked.get("nextToken", "f/0").split("/")[1])
        events = [{"timestamp": index, "message": it} for index, it in enumerate(state["log"])]
        return {"events": events[seen:], "nextForwardToken": f"f/{len(events)}", "nextBackwardToken": "b/0"}


def target_health(targets):
    """The answer to DescribeTargetHealth; a target is `[state, reason, description]`."""
    members = ""
    for index, (state, *why) in enumerate(targets):
        reason = "".join(f"<{tag}>{escape(it)}</{tag}>" for tag, it in zip(["Reason", "Description"], why, strict=False))
        members += (
            f"<member><Target><Id>10.0.0.{index + 7}</Id><Port>8000</Port></Target>"
            f"<TargetHealth><State>{state}</State>{reason}</TargetHealth></member>"
        )
    return (
        '<DescribeTargetHealthResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/">'
        f"<DescribeTargetHealthResult><TargetHealthDescriptions>{members}</TargetHealthDescriptions></DescribeTargetHealthResult>"
        "</DescribeTargetHealthResponse>"
    )
