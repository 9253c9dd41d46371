"""Transforms template.yaml as CloudFormation would, and holds the outcome against
AWS's own rules (those of Control Tower, for cfn-guard).

    check.py template.yaml build/package [directory of the npm package cdk-validator-cfnguard]

In the second are what `make package` has made of it, which has to be the same as
what SAM makes of it, but for what is written at `packaged`; and under cdk/, where
there is one, what the CDK has made of that by docs/examples/cdk.

The transform is that of SAM itself (the Python package aws-sam-translator). The
rules read a template as it is written, and take a condition for a fault; so they
get it as it is deployed: for each environment of samconfig.toml, with the
conditions decided and the parameters filled in. Its own rules have to hold for
each too. A finding is passed over where
the resource's Metadata says so (guard: SuppressedRules), with the why beside it.
"""

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import tomllib

PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::AccountId": "123456789012",
    "AWS::StackName": "stack",
    "AWS::URLSuffix": "amazonaws.com",
}
NOTHING = object()  # what AWS::NoValue is


def load(path):
    from cfnlint.decode import cfn_yaml

    return json.loads(json.dumps(cfn_yaml.load(path)))


def transform(path):
    os.environ.setdefault("AWS_DEFAULT_REGION", PSEUDO["AWS::Region"])  # the translator looks for one
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    template = load(path)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket-{region}/key.zip"  # as packaging leaves it
    return Translator({}, Parser()).translate(template, {})


def packaged(path):
    """The packaged template as SAM would have it, were it as SAM's."""
    template = load(path)
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Lambda::Function":
            # SAM's takes a bucket's name alone.
            code = resource["Properties"]["Code"]
            if code["S3Bucket"] != {"Fn::Sub": "bucket-${AWS::Region}"}:
                yield f"{name}: the code is in {code['S3Bucket']}"
            code["S3Bucket"] = "bucket-{region}"
            # For `sam build`, and without a meaning in a stack.
            resource["Metadata"]["BuildMethod"] = "makefile"
        if resource["Type"] == "AWS::Lambda::EventInvokeConfig":
            # SAM puts in the region that it runs for, and copies the metadata of
            # the function.
            for destination in resource["Properties"]["DestinationConfig"].values():
                destination["Destination"] = json.loads(re.sub(
                    r"\$\{(AWS::(?:Partition|Region))\}", lambda m: PSEUDO[m[1]], json.dumps(destination["Destination"])))
            resource["Metadata"] = template["Resources"][name.removesuffix("EventInvokeConfig")]["Metadata"]
    yield template


def differences(path, want):
    *faults, got = packaged(path)
    yield from faults
    for section in sorted(got.keys() | want.keys()):
        if section != "Resources" and got.get(section) != want.get(section):
            yield f"the section {section}"
    for name in sorted(got["Resources"].keys() | want["Resources"].keys()):
        if got["Resources"].get(name) != want["Resources"].get(name):
            yield f"the resource {name}"


def environments():
    with open("samconfig.toml", "rb") as file:
        config = tomllib.load(file)
    for name, section in config.items():
        overrides = section.get("deploy", {}).get("parameters", {}).get("parameter_overrides") if name != "version" else None
        if overrides:
            yield name, dict(item.split("=", 1) for item in overrides)


class Deployed:
    """A template with its parameters filled in and its conditions decided."""

    def __init__(self, template, overrides):
        self.template = template
        self.parameters = {name: overrides.get(name, p.get("Default")) for name, p in template["Parameters"].items()}

    def resources(self):
        return {
            name: self.value({k: v for k, v in r.items() if k not in ("Condition", "Metadata")})
            for name, r in self.template["Resources"].items()
            if "Condition" not in r or self.condition(r["Condition"])
        }

    def broken_rules(self):
        for name, rule in self.template.get("Rules", {}).items():
            if self.value(rule.get("RuleCondition", True)):
                for assertion in rule["Assertions"]:
                    if not self.value(assertion["Assert"]):
                        yield f"{name}: {assertion['AssertDescription']}"

    def condition(self, name):
        return self.value(self.template["Conditions"][name])

    def value(self, v):
        if isinstance(v, list):
            return [x for x in map(self.value, v) if x is not NOTHING]
        if not isinstance(v, dict):
            return v
        if len(v) == 1:
            key, arg = next(iter(v.items()))
            if key == "Ref" or key.startswith("Fn::"):
                return self.function(key, arg)
        pairs = ((k, self.value(x)) for k, x in v.items())
        return {k: x for k, x in pairs if x is not NOTHING}

    def function(self, key, arg):
        if key == "Ref":
            if arg == "AWS::NoValue":
                return NOTHING
            return self.parameters.get(arg, PSEUDO.get(arg, {key: arg}))
        if key == "Fn::If":
            return self.value(arg[1] if self.condition(arg[0]) else arg[2])
        if key == "Fn::Sub":
            text, names = (arg, {}) if isinstance(arg, str) else (arg[0], self.value(arg[1]))
            return re.sub(r"\$\{([^}!]+)\}", lambda m: str(names.get(m[1], self.function("Ref", m[1]))), text)
        args = self.value(arg)
        if key == "Fn::Equals":
            return str(args[0]) == str(args[1])
        if key == "Fn::Not":
            return not args[0]
        if key == "Fn::And":
            return all(args)
        if key == "Fn::Or":
            return any(args)
        if key == "Fn::Join":
            return args[0].join(map(str, args[1]))
        if key == "Fn::Split":
            return str(args[1]).split(args[0])
        if key == "Fn::Select":
            return args[1][int(args[0])]
        return {key: args}


def guard(package, resources):
    """The faults that the rules find, as rule and resource."""
    systems, machines = {"Linux": "ubuntu", "Darwin": "macos"}, {"x86_64": "x86_64", "arm64": "aarch64", "aarch64": "aarch64"}
    binary = os.path.join(package, "bin", systems[platform.system()], machines[platform.machine()], "cfn-guard")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"Resources": resources}, file)
        file.flush()
        run = subprocess.run(
            [binary, "validate", "--rules", os.path.join(package, "rules/control-tower/cfn-guard"), "--data", file.name,
             "--structured", "--output-format", "json", "--show-summary", "none"],
            capture_output=True, text=True, check=False)
    if run.returncode not in (0, 19):  # 19: not compliant
        sys.exit(f"cfn-guard ended with {run.returncode}: {run.stderr}")
    report = json.loads(run.stdout)[0]
    if not report["compliant"] + report["not_compliant"]:
        sys.exit("cfn-guard checked nothing")
    for finding in report["not_compliant"]:
        for name in sorted(set(re.findall(r"/Resources/(\w+)", json.dumps(finding)))):
            yield finding["Rule"]["name"], name


def written_long(value):
    """The same with each Fn::GetAtt and DependsOn as a list, which may be texts."""
    if isinstance(value, list):
        return [written_long(x) for x in value]
    if not isinstance(value, dict):
        return value
    value = {k: written_long(v) for k, v in value.items()}
    if isinstance(value.get("Fn::GetAtt"), str):
        value["Fn::GetAtt"] = value["Fn::GetAtt"].split(".", 1)
    if isinstance(value.get("DependsOn"), str):
        value["DependsOn"] = [value["DependsOn"]]
    return value


def by_cdk(directory, want):
    """What the example of the CDK deploys otherwise than the packaged template does,
    with the parameters of prod in samconfig.toml, which the example has too."""
    with open(os.path.join(directory, "cdk/mautic-secret-rotation-prod.template.json")) as file:
        made = json.load(file)
    got = written_long(Deployed(made, {}).resources())
    want = written_long(Deployed(want, dict(environments())["prod"]).resources())
    code = got["RotationFunction"]["Properties"].pop("Code")
    del want["RotationFunction"]["Properties"]["Code"]
    if not code["S3Bucket"].startswith("cdk-") or not code["S3Key"].endswith(".zip"):
        yield f"the code is in {code}"
    for name in sorted(got.keys() | want.keys()):
        if json.dumps(got.get(name), sort_keys=True) != json.dumps(want.get(name), sort_keys=True):
            yield f"the resource {name}"


def main(path, directory, package=None):
    template = transform(path)
    print(f"SAM makes {len(template['Resources'])} resources of the template")
    packaged_path = os.path.join(directory, "template.yaml")
    faults, passed = {f"the packaged template is not SAM's: {what}" for what in differences(packaged_path, template)}, set()
    if os.path.isdir(os.path.join(directory, "cdk")):
        faults.update(f"what the CDK makes is not the packaged template's: {what}" for what in by_cdk(directory, load(packaged_path)))
        print("the CDK synthesizes the same resources from the packaged template")
    for name, overrides in environments():
        deployed = Deployed(template, overrides)
        faults.update(f"{rule} ({name})" for rule in deployed.broken_rules())
        for rule, resource in guard(package, deployed.resources()) if package else []:
            suppressed = template["Resources"][resource].get("Metadata", {}).get("guard", {}).get("SuppressedRules", [])
            (passed if rule in suppressed else faults).add(f"cfn-guard: {rule}: {resource} ({name})")
    for line in sorted(passed):
        print("passed over:", line)
    for line in sorted(faults):
        print("fault:", line)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
