"""Cuts the layer's botocore down to what the library calls: the models of all of AWS are 25 MB.

``python trim_botocore.py FOLDER``, with the folder that holds ``botocore`` and ``pipeline_triggers``. An operation
stays if its Python name is a word of the library, so nobody keeps a list. A test compares that with the grants of the
functions' roles.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def main(folder: Path) -> None:
    """Trim the models of the services that have a client, and remove all others."""
    sys.path.insert(0, str(folder))
    library = folder / "pipeline_triggers"
    words = {word for file in library.rglob("*.py") for word in re.findall(r"\w+", file.read_text(encoding="utf-8"))}
    services = set(re.findall(r'_client\("([a-z0-9]+)"', (library / "aws.py").read_text(encoding="utf-8")))
    data = folder / "botocore" / "data"
    for service in filter(Path.is_dir, data.iterdir()):
        if service.name not in services:
            shutil.rmtree(service)
    prefixes = {trim_service(data / service, words) for service in sorted(services)}
    trim_endpoints(data / "endpoints.json", prefixes)


def trim_service(service: Path, words: set[str]) -> str:
    """Keep the operations whose Python names are among the words; return the name that endpoints.json has for it."""
    from botocore import xform_name

    *older, newest = sorted(service.iterdir())
    for version in older:
        shutil.rmtree(version)
    model = read(newest / "service-2")
    operations = {name: model["operations"][name] for name in model["operations"] if xform_name(name) in words}
    model["operations"] = operations
    model["shapes"] = reachable(operations, model["shapes"])
    kept = {"service-2": undocumented(model), "endpoint-rule-set-1": read(newest / "endpoint-rule-set-1")}
    if any(newest.glob("paginators-1.json*")):
        pages = read(newest / "paginators-1")["pagination"]
        kept["paginators-1"] = {"pagination": {name: pages[name] for name in pages if name in operations}}
    # What botocore itself adds to these files stays as it is.
    for file in newest.iterdir():
        if not file.name.endswith(".sdk-extras.json"):
            file.unlink()
    for name, content in kept.items():
        (newest / f"{name}.json").write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")
    prefix: str = model["metadata"]["endpointPrefix"]
    return prefix


def read(path: Path) -> Any:
    """Read a file of botocore's data, which may be compressed."""
    compressed = path.with_name(f"{path.name}.json.gz")
    if compressed.exists():
        return json.loads(gzip.decompress(compressed.read_bytes()))
    return json.loads(path.with_name(f"{path.name}.json").read_text(encoding="utf-8"))


def reachable(operations: Mapping[str, Any], shapes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the shapes that operations use, directly or within others."""
    waiting, used = list(references(operations)), {}
    while waiting:
        name = waiting.pop()
        if name not in used:
            used[name] = shapes[name]
            waiting += references(shapes[name])
    return {name: used[name] for name in sorted(used)}


def references(node: Any) -> list[str]:
    """Return the names of the shapes that a part of a model refers to."""
    if isinstance(node, list):
        return [name for item in node for name in references(item)]
    if not isinstance(node, dict):
        return []
    own = [node["shape"]] if isinstance(node.get("shape"), str) else []
    return own + [name for item in node.values() for name in references(item)]


def undocumented(node: Any) -> Any:
    """Return a model without its documentation, but for that of client context parameters, which botocore reads."""
    if isinstance(node, list):
        return [undocumented(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        name: item if name == "clientContextParams" else undocumented(item)
        for name, item in node.items()
        if not (name == "documentation" and isinstance(item, str))
    }


def trim_endpoints(file: Path, prefixes: set[str]) -> None:
    """Keep the endpoints of these services."""
    endpoints = json.loads(file.read_text(encoding="utf-8"))
    for partition in endpoints["partitions"]:
        services = partition["services"]
        partition["services"] = {name: services[name] for name in services if name in prefixes}
    file.write_text(json.dumps(endpoints, separators=(",", ":")), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
