"""`make conformance`: the suite on our provider, with a local AWS for as long as it runs.

    conformance.py target/debug/pulumi-resource-fargate [options of provider-conformance]
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import local_aws

ROOT = Path(__file__).resolve().parent.parent


def main(provider, *options):
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder, local_aws.alone(Path(folder)) as record:
        command = [
            ROOT / "target" / "debug" / "provider-conformance",
            *("--samples", ROOT / "tests" / "conformance" / "samples.yaml"),
            *("--cloud", record["aws"]["url"], "--cloud", f"scaling={record['autoscaling']['url']}"),
            *("--pulumi", ROOT / ".tools" / "bin" / "pulumi"),
            *options,
            provider,
        ]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except local_aws.Failed as failed:
        sys.exit(str(failed))
    except KeyboardInterrupt:
        sys.exit(130)
