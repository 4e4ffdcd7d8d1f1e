"""As much of Kustomize as `deploy/` uses: resources, components, generated config maps, the namespace, a removal by patch."""

from pathlib import Path

import yaml

NAMESPACED = {"Namespace", "ClusterRole", "ClusterRoleBinding"}  # these have none


def render(folder):
    """Every object that `kubectl kustomize FOLDER` would give, by (kind, name)."""
    found = _objects(Path(folder), {})
    kustomization = _read(folder)
    for (kind, _), one in found.items():
        if kind not in NAMESPACED and (namespace := kustomization.get("namespace")):
            one["metadata"]["namespace"] = namespace
    return found


def _read(folder):
    return yaml.safe_load((Path(folder) / "kustomization.yaml").read_text())


def _objects(folder, found):
    kustomization = _read(folder)
    unknown = kustomization.keys() - {
        "apiVersion", "kind", "namespace", "resources", "components", "configMapGenerator", "generatorOptions", "images", "patches",
    }  # fmt: skip
    assert not unknown, f"{folder}: teach this about {unknown}"
    for name in kustomization.get("resources", ()):
        path = folder / name
        if path.is_dir():
            _objects(path.resolve(), found)
        else:
            for one in yaml.safe_load_all(path.read_text()):
                key = (one["kind"], one["metadata"]["name"])
                assert key not in found, f"{path}: {key} is there already"
                found[key] = one
    for generated in kustomization.get("configMapGenerator", ()):
        key = ("ConfigMap", generated["name"])
        assert (key in found) == (generated.get("behavior") == "replace"), f"{folder}: {key}"
        data = {name: (folder / name).read_text() for name in generated["files"]}
        found[key] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": generated["name"]}, "data": data}
    for name in kustomization.get("components", ()):
        _objects((folder / name).resolve(), found)
    for patch in kustomization.get("patches", ()):
        for operation in yaml.safe_load(patch["patch"]):
            assert operation["op"] == "remove"
            *parents, last = operation["path"].strip("/").split("/")
            inside = found[patch["target"]["kind"], patch["target"]["name"]]
            for part in parents:
                inside = inside[part]
            del inside[last]
    for image in kustomization.get("images", ()):
        for one in found.values():
            _retag(one, image)
    return found


def _retag(inside, image):
    if isinstance(inside, list):
        for one in inside:
            _retag(one, image)
    elif isinstance(inside, dict):
        if inside.get("image") == image["name"]:
            inside["image"] = f"{image['name']}:{image['newTag']}"
        for one in inside.values():
            _retag(one, image)
