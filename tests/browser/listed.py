"""What TensorBoard's server lists: tags of each plugin, and what takes their place on the pages that have none.

    {plugin: {tag: [run, ...]}}

custom_scalars   titles of the charts; they belong to no run
hparams          names of hyperparameters and metrics, and in place of runs the names of the session groups
graphs           nodes of the top level, and in place of a run "RUN" for its graph or "RUN, TAG" for a conceptual one
projector        tensors with their sizes, "NAME, ROWS x COLUMNS"
"""

import re

# Plugins whose route /tags tells {run: {tag: ...}}.
TAGGED = ("scalars", "images", "histograms", "text", "audio", "pr_curves", "mesh")


def listed(server):
    lists = {plugin: by_tag(server.get_json(f"data/plugin/{plugin}/tags")) for plugin in TAGGED}
    lists["custom_scalars"] = charts(server.get_json("data/plugin/custom_scalars/layout"))
    lists["hparams"] = hyperparameters(server)
    lists["graphs"] = graphs(server)
    lists["projector"] = tensors(server)
    return sort_runs(lists)


def sort_runs(lists):
    """The same lists; their order tells nothing."""
    return {plugin: {tag: sorted(runs) for tag, runs in tags.items()} for plugin, tags in lists.items()}


def by_tag(runs):
    tags = {}
    for run, tags_of_run in runs.items():
        for tag in tags_of_run:
            tags.setdefault(tag, []).append(run)
    return tags


def charts(layout):
    return {chart["title"]: [""] for category in layout.get("category", ()) for chart in category["chart"]}


def hyperparameters(server):
    statuses = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]
    if not session_runs(server):
        return {}
    experiment = server.post_json("data/plugin/hparams/experiment", {"experimentName": ""})
    names = [("hparam", info["name"]) for info in experiment["hparamInfos"]]
    names += [("metric", info["name"]) for info in experiment["metricInfos"]]
    columns = [{name_of: name} for name_of, name in names]
    request = {"experimentName": "", "allowedStatuses": statuses, "colParams": columns, "startIndex": 0, "sliceSize": 100}
    groups = server.post_json("data/plugin/hparams/session_groups", request)["sessionGroups"]
    cells = {}
    for group in groups:
        metrics = [value["name"] for value in group["metricValues"]]
        for name in [*group["hparams"], *(".".join(filter(None, (m["group"], m["tag"]))) for m in metrics)]:
            cells.setdefault(name, []).append(group["name"])
    return cells


def session_runs(server):
    return server.get_json("data/plugins_listing")["hparams"]["enabled"]


def graphs(server):
    nodes = {}
    for run, tag in graph_views(server):
        query = {"run": run} if tag is None else {"run": run, "tag": tag, "conceptual": "true"}
        text = server.get("data/plugin/graphs/graph", **query).decode()
        for name in re.findall(r'^  name: "([^"]*)"$', text, re.MULTILINE):
            runs = nodes.setdefault(name.split("/")[0], [])
            if view_name(run, tag) not in runs:
                runs.append(view_name(run, tag))
    return nodes


def graph_views(server):
    """Run and tag of every graph; the tag is None for a run's own graph."""
    views = []
    for run, content in sorted(server.get_json("data/plugin/graphs/info").items()):
        views += [(run, None)] if content["run_graph"] else []
        views += [(run, tag) for tag, has in sorted(content["tags"].items()) if has["conceptual_graph"]]
    return views


def view_name(run, tag):
    return run if tag is None else f"{run}, {tag}"


def tensors(server):
    names = {}
    for run, tensor in tensor_views(server):
        names.setdefault(tensor, []).append(run)
    return names


def tensor_views(server):
    """Run of every tensor, with its name and size."""
    views = []
    for run in sorted(server.get_json("data/plugin/projector/runs")):
        for embedding in server.get_json("data/plugin/projector/info", run=run)["embeddings"]:
            rows, columns = embedding["tensorShape"]
            views.append((run, f"{embedding['tensorName']}, {rows} x {columns}"))
    return views
