"""Compares proto/ with the descriptors that the published Python package `pulumi` carries.

Both sides become a table from a name to all that matters on the wire; every
difference between the tables is printed, and any makes the exit status 1.
"""

import sys
import tempfile
from importlib import resources
from pathlib import Path

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc
from pulumi.runtime.proto import engine_pb2, errors_pb2, provider_pb2, resource_pb2

PROTO = Path(__file__).resolve().parent.parent / "proto"


def ours():
    """The files in proto/, as protoc understands them."""
    names = [str(path.relative_to(PROTO)) for path in sorted(PROTO.rglob("*.proto"))]
    well_known = resources.files("grpc_tools") / "_proto"
    with tempfile.NamedTemporaryFile() as out:
        if protoc.main(["protoc", f"-I{PROTO}", f"-I{well_known}", f"--descriptor_set_out={out.name}", *names]):
            sys.exit("proto/ does not compile")
        return FileDescriptorSet.FromString(Path(out.name).read_bytes()).file


def published():
    """The files that the provider needs and all that they import, but for Google's own."""
    found = {}

    def visit(file):
        if file.name in found or file.name.startswith("google/protobuf/"):
            return
        found[file.name] = FileDescriptorProto.FromString(file.serialized_pb)
        for imported in file.dependencies:
            visit(imported)

    for module in provider_pb2, resource_pb2, engine_pb2, errors_pb2:
        visit(module.DESCRIPTOR)
    return found.values()


def table(files):
    """Everything in `files` that has a meaning on the wire, by kind and full name."""
    rows = {}
    for file in files:
        imports = ", ".join(sorted(file.dependency))
        rows["file", file.name] = f"{file.syntax}, package {file.package}, imports {imports or 'nothing'}"
        for message in file.message_type:
            add_message(rows, message, file.package, file.name)
        for enum in file.enum_type:
            add_enum(rows, enum, file.package, file.name)
        for service in file.service:
            name = f"{file.package}.{service.name}"
            rows["service", name] = f"in {file.name}"
            for method in service.method:
                takes = "stream " * method.client_streaming + method.input_type
                gives = "stream " * method.server_streaming + method.output_type
                rows["method", f"{name}.{method.name}"] = f"({takes}) returns ({gives}){deprecated(method)}"
    return rows


def add_message(rows, message, scope, file):
    name = f"{scope}.{message.name}"
    # A range's end is the first number after it in messages, the last one within it in enums.
    rows["message", name] = f"in {file}{reserved(message, 1)}{deprecated(message)}"
    maps = {f".{name}.{entry.name}": entry for entry in message.nested_type if entry.options.map_entry}
    for field in message.field:
        rows["field", f"{name}.{field.name}"] = shape(field, message, maps)
    for nested in message.nested_type:
        if not nested.options.map_entry:
            add_message(rows, nested, name, file)
    for enum in message.enum_type:
        add_enum(rows, enum, name, file)


def add_enum(rows, enum, scope, file):
    name = f"{scope}.{enum.name}"
    rows["enum", name] = f"in {file}{reserved(enum, 0)}{deprecated(enum)}"
    for value in enum.value:
        rows["value", f"{name}.{value.name}"] = f"= {value.number}{deprecated(value)}"


def shape(field, message, maps):
    """Label, type, number and oneof of one field."""
    if entry := maps.get(field.type_name):
        kind = f"map<{', '.join(type_of(part) for part in entry.field)}>"
    elif field.label == FieldDescriptorProto.LABEL_REPEATED:
        kind = f"repeated {type_of(field)}"
    elif field.proto3_optional:
        kind = f"optional {type_of(field)}"
    else:
        kind = type_of(field)
    oneof = ""
    if field.HasField("oneof_index") and not field.proto3_optional:
        oneof = f" in oneof {message.oneof_decl[field.oneof_index].name}"
    packed = f" packed={field.options.packed}" if field.options.HasField("packed") else ""
    return f"{kind} = {field.number}{oneof}{packed}{deprecated(field)}"


def type_of(field):
    return field.type_name or FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()


def reserved(item, past_the_end):
    ranges = sorted((r.start, r.end - past_the_end) for r in item.reserved_range)
    words = [str(a) if a == b else f"{a} to {b}" for a, b in ranges] + sorted(item.reserved_name)
    return f", reserves {', '.join(words)}" if words else ""


def deprecated(item):
    return ", deprecated" if item.options.deprecated else ""


def main():
    mine, theirs = table(ours()), table(published())
    differences = []
    for kind, name in sorted(mine.keys() | theirs.keys()):
        here, there = mine.get((kind, name)), theirs.get((kind, name))
        if here != there:
            differences.append(f"{kind} {name}\n  proto/:    {here or 'missing'}\n  published: {there or 'missing'}")
    print(*differences, sep="\n", end="\n" if differences else "")
    count = {kind: sum(k == kind for k, _ in theirs) for kind, _ in theirs}
    print(
        f"{count['message']} messages, {count['field']} fields compared, "
        f"with {count['value']} enum values and {count['method']} methods; differences: {len(differences)}"
    )
    sys.exit(bool(differences))


if __name__ == "__main__":
    main()
