"""What each writer writes: every kind that it has, small."""

import os
import pathlib
import subprocess

import numpy as np


HPARAMS = {"lr": 0.1, "name": "sgd", "nesterov": True, "batch": 32}


def pytorch(logs):
    import torch
    from torch.utils.tensorboard import SummaryWriter

    torch.manual_seed(0)
    writer = SummaryWriter(str(logs))
    same_calls(writer, torch.tensor)
    writer.add_tensor("tensor", torch.arange(6, dtype=torch.int64).reshape(2, 3), 1)
    writer.add_scalar("new_style", 0.5, 1, new_style=True)
    writer.add_scalar("double", 0.1, 1, new_style=True, double_precision=True)
    model = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.ReLU())
    writer.add_graph(model, torch.zeros(1, 4))
    writer.add_hparams(HPARAMS, {"accuracy": 0.9}, run_name="trial")
    writer.close()
    # A resumed run, as its documentation tells to write it.
    for purge_step, steps in [(None, range(4)), (2, range(2, 5))]:
        writer = SummaryWriter(str(logs / "resumed"), purge_step=purge_step)
        for step in steps:
            writer.add_scalar("loss", 1 / (step + 1), step)
        writer.close()


def tensorboardx(logs):
    from tensorboardX import SummaryWriter

    writer = SummaryWriter(str(logs))
    same_calls(writer, np.array)
    writer.add_image_with_boxes("boxes", np.full((3, 8, 8), 0.5), np.array([[1, 1, 6, 6]]), 1)
    writer.add_scalar("with_name", 0.5, 1, display_name="A name", summary_description="*what* it is")
    writer.add_hparams(HPARAMS, {"accuracy": 0.9}, name="trial")
    writer.close()


def same_calls(writer, array):
    """The calls that PyTorch and tensorboardX share."""
    ramp = np.linspace(0, 1, 12, dtype=np.float32)
    for step in (1, 2, 5):
        writer.add_scalar("loss", 1 / step, step)
        normal = array(np.random.standard_normal(50).astype(np.float32))
        writer.add_histogram("normal", normal, step, bins="tensorflow" if step == 1 else "auto")
    writer.add_scalar("not_finite", float("nan"), 1)
    writer.add_scalar("not_finite", float("inf"), 2)
    writer.add_scalar("not_finite", float("-inf"), 3)
    writer.add_scalar("negative_step", -1.5, -3)
    writer.add_histogram("constant", array(np.full(7, 2.5)), 1)
    writer.add_histogram_raw(
        "raw", min=0.0, max=2.0, num=3, sum=3.5, sum_squares=4.5, bucket_limits=[1.0, 2.0], bucket_counts=[1, 2], global_step=1
    )
    writer.add_scalars("both", {"a": 1.0, "b": 2.0}, 1)
    writer.add_image("image", array(ramp.reshape(3, 2, 2)), 1)
    writer.add_images("images", array(ramp.reshape(1, 3, 2, 2).repeat(2, axis=0)), 1)
    writer.add_video("video", array(np.zeros((1, 2, 3, 4, 4), dtype=np.uint8)), 1, fps=2)
    writer.add_audio("audio", array(np.sin(np.arange(40, dtype=np.float32))), 1, sample_rate=8000)
    writer.add_text("text", "**bold** | ünïcode", 1)
    labels, scores = np.array([0, 1, 1, 0, 1]), np.array([0.1, 0.8, 0.6, 0.4, 0.3])
    writer.add_pr_curve("pr", array(labels), array(scores), 1, num_thresholds=5)
    writer.add_pr_curve_raw("pr_raw", [3, 2], [2, 1], [0, 1], [0, 1], [0.6, 0.7], [1.0, 0.7], 1, num_thresholds=2)
    vertices = array(np.arange(9, dtype=np.float32).reshape(1, 3, 3))
    colors, faces = array(np.full((1, 3, 3), 128)), array(np.array([[[0, 1, 2]]]))
    writer.add_mesh("mesh", vertices=vertices, colors=colors, faces=faces, config_dict={"camera": {"fov": 75}}, global_step=1)
    writer.add_custom_scalars({"category": {"chart": ["Multiline", ["loss", "both"]], "band": ["Margin", ["a", "b", "c"]]}})
    writer.add_embedding(array(np.eye(3, dtype=np.float32)), metadata=["x", "y", "z"], tag="points", global_step=1)


def tensorflow(logs):
    import tensorflow as tf
    from tensorboard.plugins.custom_scalar import layout_pb2, summary as custom_scalar
    from tensorboard.plugins.hparams import api as hp
    from tensorboard.plugins.mesh import summary_v2 as mesh
    from tensorboard.plugins.pr_curve import summary as pr_curve

    tf.random.set_seed(0)
    with tf.summary.create_file_writer(str(logs)).as_default():
        for step in (1, 2, 5):
            tf.summary.scalar("loss", 1 / step, step=step, description="*what* it is")
            tf.summary.histogram("normal", np.random.standard_normal(50), step=step)
        tf.summary.scalar("not_finite", float("nan"), step=1)
        tf.summary.histogram("constant", [2.5] * 7, step=1)
        tf.summary.histogram("empty", [], step=1)
        tf.summary.image("image", np.linspace(0, 1, 24).reshape(2, 2, 2, 3), step=1, max_outputs=2)
        tf.summary.audio("audio", np.sin(np.arange(80, dtype=np.float32)).reshape(2, 40, 1), 8000, step=1, encoding="wav")
        tf.summary.text("text", "**bold** | ünïcode", step=1)
        tf.summary.text("table", [["a", "b"], ["c", "d"]], step=1)
        tf.summary.write("own", tf.constant([[1, 2, 3]], tf.int64), step=1, metadata=metadata("own_plugin", b"\x01\x02"))
        mesh.mesh("mesh", np.arange(9, dtype=np.float32).reshape(1, 3, 3), np.full((1, 3, 3), 128), [[[0, 1, 2]]], step=1)
        hp.hparams({"lr": 0.1, "name": "sgd", "nesterov": True}, trial_id="trial", start_time_secs=1.7e9)
        hp.hparams_config([hp.HParam("lr", hp.RealInterval(0.0, 1.0))], [hp.Metric("loss", display_name="Loss")])
        layout = layout_pb2.Layout(category=[layout_pb2.Category(title="category", chart=[layout_pb2.Chart(title="chart")])])
        tf.summary.experimental.write_raw_pb(custom_scalar.pb(layout).SerializeToString(), step=0)
        curve = pr_curve.pb("pr", np.array([False, True, True]), np.array([0.1, 0.8, 0.3]), num_thresholds=5)
        tf.summary.experimental.write_raw_pb(curve.SerializeToString(), step=1)
        tf.summary.graph(graph_of(tf))
        model = tf.keras.Sequential([tf.keras.layers.Input((4,)), tf.keras.layers.Dense(2, name="dense")], name="model")
        keras_model(tf, model)


def metadata(plugin, content):
    from tensorboard.compat.proto import summary_pb2

    data = summary_pb2.SummaryMetadata.PluginData(plugin_name=plugin, content=content)
    return summary_pb2.SummaryMetadata(plugin_data=data, data_class=summary_pb2.DATA_CLASS_TENSOR)


def graph_of(tf):
    with tf.Graph().as_default() as graph:
        tf.add(tf.constant([1.0, 2.0], name="one"), 2.0, name="sum")
    return graph


def keras_model(tf, model):
    from tensorboard.compat.proto import summary_pb2

    data = summary_pb2.SummaryMetadata.PluginData(plugin_name="graph_keras_model", content=b"1")
    tf.summary.write("keras", model.to_json(), step=0, metadata=summary_pb2.SummaryMetadata(plugin_data=data))


def tensorflow1(logs):
    """The summaries of TensorFlow 1, which hold the values of old: `simple_value`, `histo`, `image`, `audio`."""
    import tensorflow.compat.v1 as tf

    tf.disable_eager_execution()
    with tf.Session() as session:
        value = tf.placeholder(tf.float32, ())
        parts = [
            tf.summary.scalar("loss", value),
            tf.summary.histogram("normal", tf.constant(np.random.standard_normal(50))),
            tf.summary.histogram("constant", tf.fill([7], value)),
            tf.summary.image("image", tf.constant(np.linspace(0, 1, 24, dtype=np.float32).reshape(2, 2, 2, 3))),
            tf.summary.audio("audio", tf.constant(np.sin(np.arange(80, dtype=np.float32)).reshape(2, 40, 1)), 8000),
            tf.summary.text("text", tf.constant("**bold**")),
            tf.summary.text("table", tf.constant([["a", "b"], ["c", "d"]])),
            tf.summary.tensor_summary("tensor", tf.constant([[1, 2], [3, 4]])),
        ]
        merged = tf.summary.merge(parts)
        writer = tf.summary.FileWriter(str(logs), session.graph)
        for step in (1, 2, 5):
            writer.add_summary(session.run(merged, {value: 1 / step}), step)
        writer.add_run_metadata(tf.RunMetadata(), "step5", 5)
        writer.add_session_log(tf.SessionLog(status=tf.SessionLog.START), 3)
        writer.add_summary(session.run(merged, {value: 7.0}), 3)
        writer.close()


def tensorboard_rs(logs):
    logs.mkdir()
    command = "cargo test --quiet --no-default-features --features tensorboard-rs --test golden -- --ignored"
    environment = os.environ | {"GOLDEN_FOLDER": str(logs)}
    subprocess.run(command.split(), check=True, cwd=pathlib.Path(__file__).parents[2], env=environment)
