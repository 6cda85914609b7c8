"""The checks of cargo-deny that need no advisory database, and the promise of a small default build:
licences, one version of each crate, no source but the registry, at most 30 crates, the number in the README."""

import json
import re
import subprocess
import sys

ALLOWED = {"MIT", "Apache-2.0", "Unicode-3.0", "Zlib", "BSD-2-Clause", "BSD-3-Clause", "ISC", "Unlicense", "BSL-1.0"}
LIMIT = 30
# Of these there may be two versions: ring (feature `tls`) and rusqlite have not moved on.
TWICE = {"getrandom", "hashbrown"}


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], check=True, capture_output=True, text=True).stdout


def tree(*features):
    lines = cargo("tree", "--edges", "normal", "--target", "all", "--prefix", "none", *features).splitlines()
    return {tuple(line.split()[:2]) for line in lines if line.strip()} - {("larder", "v0.1.0")}


def permits(licence):
    alternatives = re.split(r"\s+OR\s+|/", licence.replace("(", "").replace(")", ""))
    return any(set(re.split(r"\s+AND\s+", part)) <= ALLOWED for part in alternatives)


def main():
    faults = []
    packages = json.loads(cargo("metadata", "--format-version", "1", "--all-features"))["packages"]
    by_name = {(package["name"], "v" + package["version"]): package for package in packages}
    everything = tree("--all-features")
    for crate in sorted(everything):
        package = by_name[crate]
        if not permits(package["license"] or ""):
            faults.append(f"{crate[0]}: licence {package['license']}")
        if not (package["source"] or "").startswith("registry+"):
            faults.append(f"{crate[0]}: from {package['source']}")
    here = cargo("tree", "--edges", "normal", "--prefix", "none", "--all-features").splitlines()
    versions = {}
    for name, version in {tuple(line.split()[:2]) for line in here if line.strip()}:
        versions.setdefault(name, set()).add(version)
    faults += [f"{name}: versions {', '.join(sorted(found))}" for name, found in versions.items() if len(found) > (2 if name in TWICE else 1)]
    default = {tuple(line.split()[:2]) for line in cargo("tree", "--edges", "normal", "--prefix", "none").splitlines()}
    count = len({name for name, _ in default if name != "larder"})
    if count > LIMIT:
        faults.append(f"the default build has {count} dependencies, over {LIMIT}")
    if f"{count} crates" not in open("README.md", encoding="utf-8").read():
        faults.append(f"the README does not say that the default build has {count} crates")
    print(f"{len(everything)} crates with all features, {count} in the default build")
    sys.exit("\n".join(faults) or 0)


main()
