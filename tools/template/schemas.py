"""Cuts CloudFormation's published resource schemas down to what an update of the
stack depends on, for the types that template.yaml comes to once SAM has
transformed it.

    schemas.py template.yaml internal/cloudformation/schemas.json            writes it
    schemas.py --check template.yaml internal/cloudformation/schemas.json    compares

The schemas are those that the Python package cfn-lint ships, of us-east-1.
"""

import importlib.metadata
import importlib.util
import json
import os
import sys

import cfnlint.data.schemas.resources
from cfnlint.data.schemas.providers import us_east_1

HERE = os.path.dirname(os.path.abspath(__file__))


def transformed(path):
    """The template as SAM leaves it: check.py has the transform."""
    spec = importlib.util.spec_from_file_location("check", os.path.join(HERE, "check.py"))
    check = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check)
    return check.transform(path)


def schema(kind):
    folder = os.path.dirname(cfnlint.data.schemas.resources.__file__)
    with open(os.path.join(folder, us_east_1.types[kind] + ".json")) as file:
        full = json.load(file)

    def properties(key):
        return sorted(p.removeprefix("/properties/") for p in full.get(key, []))

    tagging = full.get("tagging", {})
    found = {
        "createOnly": properties("createOnlyProperties"),
        "maybeCreateOnly": properties("conditionalCreateOnlyProperties"),
        "writeOnly": [p for p in properties("writeOnlyProperties") if "/" not in p],
    }
    if tagging.get("taggable"):
        found["tags"] = tagging["tagProperty"].removeprefix("/properties/")
    return {name: value for name, value in found.items() if value}


def main(*args):
    check = args[0] == "--check"
    template, target = args[-2:]
    kinds = sorted({r["Type"] for r in transformed(template)["Resources"].values()})
    text = json.dumps({
        "source": f"CloudFormation's resource schemas of us-east-1, as cfn-lint {importlib.metadata.version('cfn-lint')} ships them",
        "types": {kind: schema(kind) for kind in kinds},
    }, indent=1) + "\n"
    if not check:
        with open(target, "w") as file:
            file.write(text)
        return
    with open(target) as file:
        known = json.load(file)
    if known["source"] != json.loads(text)["source"]:
        print(f"{target} is made of {known['source']}, and not compared with another version")
    elif known["types"] != json.loads(text)["types"]:
        sys.exit(f"{target} is not what the schemas say: run go generate ./internal/cloudformation")
    else:
        print(f"{target} is what the schemas of {len(kinds)} types say")


main(*sys.argv[1:])
