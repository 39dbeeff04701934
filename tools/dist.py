"""Packs a build of the provider as `pulumi plugin install` takes it, with a checksum beside it.

    dist.py target/release/pulumi-resource-fargate dist
"""

import gzip
import hashlib
import platform
import sys
import tarfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = "pulumi-resource-fargate"
ARCHITECTURES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def version():
    return tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]


def platform_of_this_machine():
    """As Pulumi names it, such as `linux-amd64`."""
    return f"{platform.system().lower()}-{ARCHITECTURES[platform.machine()]}"


def pack(provider: Path, folder: Path) -> Path:
    """Writes the archive and its checksum into `folder`. The same build gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / f"{NAME}-v{version()}-{platform_of_this_machine()}.tar.gz"
    with archive.open("wb") as file, gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as zipped:
        with tarfile.open(fileobj=zipped, mode="w") as tar:
            for path, mode in ((provider, 0o755), (ROOT / "LICENSE", 0o644), (ROOT / "README.md", 0o644)):
                member = tarfile.TarInfo(NAME if path == provider else path.name)
                member.size, member.mode = path.stat().st_size, mode
                with path.open("rb") as content:
                    tar.addfile(member, content)
    checksum = hashlib.sha256(archive.read_bytes()).hexdigest()
    archive.with_name(f"{archive.name}.sha256").write_text(f"{checksum}  {archive.name}\n")
    return archive


if __name__ == "__main__":
    packed = pack(Path(sys.argv[1]), Path(sys.argv[2]))
    print(f"{packed}: {packed.stat().st_size / 1e6:.1f} MB")
