"""The provider's process, asked over gRPC what no program asks it: to list what there is."""

import json
import os
import subprocess
from pathlib import Path

import grpc
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import provider_pb2 as rpc
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderStub


class Plugin:
    def __init__(self, environment: dict):
        [binary] = Path(environment["PULUMI_HOME"]).glob("plugins/*/pulumi-resource-fargate")
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen([binary], env=os.environ | environment, text=True, **streams)
        port = self.process.stdout.readline().strip()
        # A proxy has no business between two processes of one machine.
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)])
        self.provider = ResourceProviderStub(self.channel)
        self.schema = json.loads(self.provider.GetSchema(rpc.GetSchemaRequest()).schema)
        self.provider.Configure(rpc.ConfigureRequest(args=Struct()))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()
        self.process.kill()
        self.process.communicate()

    def queries(self, type: str, outputs: dict) -> list[dict]:
        """Queries that a resource with these outputs is an answer to: the least one, and one with all that can be said."""
        inputs = self.schema["resources"][token(type)]["listInputs"]
        least = {name: outputs[name] for name in inputs["required"]}
        return [least, {name: outputs[name] for name in inputs["properties"] if outputs.get(name)}]

    def list(self, type: str, query: dict, page_size: int = 0) -> list[str]:
        """The ids of all that is listed, which may take several calls."""
        ids, request = [], rpc.ListRequest(token=token(type), query=struct(query), page_size=page_size)
        while True:
            answers = list(self.provider.List(request))
            results = [it.result.id for it in answers if it.HasField("result")]
            last = answers[-1:]
            more = [it.continuation.continuation_token for it in last if it.HasField("continuation")]
            assert len(results) + len(more) == len(answers), "something else than results and where to go on"
            assert page_size == 0 or len(results) <= page_size
            ids += results
            if not more:
                return ids
            assert results, "nothing on this page, and yet there is more"
            [request.continuation_token] = more

    def import_id(self, type: str, id: str) -> str:
        """The id that an import of `id` comes to."""
        urn = f"urn:pulumi:test::test::{token(type)}::it"
        return self.provider.Read(rpc.ReadRequest(id=id, urn=urn)).id


def token(type: str) -> str:
    return f"fargate:index:{type}"


def struct(properties: dict) -> Struct:
    filled = Struct()
    filled.update(properties)
    return filled
