//! Meshes: three tags, one shape, and what the page cannot draw.

#![allow(clippy::unwrap_used, clippy::panic)] // in helpers of tests

#[path = "support/system.rs"]
mod system;

use std::{collections::BTreeMap, path::Path};

use convscope::{
    MemorySink, Mesh, Step, SummarySink as _, SummaryWriter,
    proto::{
        DataType, MeshPluginData, TensorProto, event::What, mesh_plugin_data::ContentType,
        summary::value::Value,
    },
    summary::Scene,
};
use prost::Message as _;

const POINTS: [[f32; 3]; 4] = [[0.0; 3], [1.0, 0.0, 0.5], [0.0, 1.0, -2.0], [0.0, 0.0, 1e-3]];
const COLORS: [[u8; 3]; 4] = [[255, 0, 1], [0, 255, 2], [3, 4, 255], [7, 7, 7]];

/// What stands in the file of a run: by tag, the metadata if it is there, and the tensor.
fn written(run: &Path) -> BTreeMap<String, (MeshPluginData, TensorProto)> {
    let mut found = BTreeMap::new();
    for event in system::events(run) {
        let Some(What::Summary(summary)) = event.what else { continue };
        for value in summary.value {
            let plugin = value.metadata.unwrap().plugin_data.unwrap();
            assert_eq!(plugin.plugin_name, "mesh");
            let Some(Value::Tensor(tensor)) = value.value else { panic!("{:?}", value.value) };
            found.insert(value.tag, (MeshPluginData::decode(plugin.content.as_slice()).unwrap(), tensor));
        }
    }
    found
}

fn shape(tensor: &TensorProto) -> Vec<i64> {
    tensor.tensor_shape.as_ref().unwrap().dim.iter().map(|dim| dim.size).collect()
}

#[test]
fn points_colours_and_faces_have_a_tag_each() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::open(dir.path()).unwrap();
    let mesh = Mesh::batch(2, &POINTS).unwrap().with_colors(&COLORS).unwrap();
    let mesh = mesh.with_faces(&[[0, 1, 0], [1, 0, 1], [0, 0, 0], [1, 1, 0]]).unwrap();
    writer.add_mesh("a/shape", &mesh.with_scene(Scene::new().field_of_view(60.0).unwrap()), 0).unwrap();
    writer.close().unwrap();

    let written = written(dir.path());
    let expected: [(&str, ContentType, DataType, Vec<u8>); 3] = [
        ("a/shape_COLOR", ContentType::Color, DataType::DtUint8, COLORS.concat()),
        (
            "a/shape_FACE",
            ContentType::Face,
            DataType::DtInt32,
            [0, 1, 0, 1, 0, 1, 0, 0, 0, 1, 1, 0_i32].iter().flat_map(|point| point.to_le_bytes()).collect(),
        ),
        (
            "a/shape_VERTEX",
            ContentType::Vertex,
            DataType::DtFloat,
            POINTS.concat().iter().flat_map(|x| x.to_le_bytes()).collect(),
        ),
    ];
    assert_eq!(written.len(), expected.len());
    for ((tag, (data, tensor)), (expected_tag, content, data_type, bytes)) in written.iter().zip(expected) {
        assert_eq!((tag.as_str(), data.name.as_str()), (expected_tag, "a/shape"));
        assert_eq!((data.content_type(), tensor.dtype()), (content, data_type));
        assert_eq!(data.components, 0b1110, "all three");
        assert_eq!(data.json_config, r#"{"camera":{"fov":60}}"#);
        assert_eq!((&data.shape[..], &shape(tensor)[..]), (&[2, 2, 3][..], &[2, 2, 3][..]));
        assert_eq!(tensor.tensor_content, bytes);
    }
}

#[test]
fn a_cloud_of_points_has_no_other_tag() {
    let mut memory = MemorySink::default();
    let cloud = Mesh::new(&POINTS).unwrap();
    memory.add_mesh("cloud", &cloud, Step::new(7)).unwrap();
    let [entry] = &memory.entries[..] else { panic!("{memory:?}") };
    assert_eq!((entry.tag.as_str(), entry.step), ("cloud_VERTEX", Step::new(7)));
    assert_eq!(entry.summary.as_mesh(), Some(&cloud));
    assert_eq!((cloud.samples(), cloud.points(), cloud.vertices()), (1, 4, &POINTS[..]));
}

#[test]
fn what_the_page_would_draw_wrongly_is_refused() {
    let message = |result: Result<Mesh, convscope::Error>| result.unwrap_err().to_string();
    assert_eq!(message(Mesh::new(&[])), "points of the mesh: none found, at least one expected");
    assert_eq!(message(Mesh::batch(0, &POINTS)), "points of the mesh: 0 samples found, at least 1 expected");
    assert_eq!(
        message(Mesh::batch(3, &POINTS)),
        "points of the mesh: 4 found, a multiple of 3 expected: as many for each sample"
    );
    assert_eq!(
        message(Mesh::new(&[[0.0; 3], [0.0, f32::NAN, 0.0]])),
        "point 1 of the mesh: [0.0, NaN, 0.0] found, finite coordinates expected"
    );
    let mesh = Mesh::batch(2, &POINTS).unwrap();
    assert_eq!(message(mesh.clone().with_colors(&COLORS[..3])), "colours of the mesh: 3 found for 4 points");
    assert_eq!(
        message(mesh.clone().with_faces(&[[0, 1, 1], [0, 2, 1]])),
        "face 1 of the mesh: point 2 found, the last one is 1"
    );
    assert!(mesh.clone().with_faces(&[[0, 0, 0]]).is_err(), "one face for two samples");
    assert!(mesh.with_faces(&[]).is_err());

    // The page keeps 16 bits of a point's number.
    let face = [[0, 1, 65_535]];
    Mesh::new(&vec![[0.0; 3]; 1 << 16]).unwrap().with_faces(&face).unwrap();
    let large = Mesh::new(&vec![[0.0; 3]; (1 << 16) + 1]).unwrap();
    assert_eq!(
        message(large.with_faces(&face)),
        "points of the mesh: 65537 found, TensorBoard's page draws faces between 65536 at most; split it into several \
         meshes"
    );
}

#[test]
fn later_steps_may_change_numbers_of_points_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::open(dir.path()).unwrap();
    let cloud = |points: usize| Mesh::new(&POINTS[..points]).unwrap();
    writer.add_mesh("cloud", &cloud(4), 0).unwrap();
    writer.add_mesh("cloud", &cloud(2), 1).unwrap();
    let others = [
        Mesh::batch(2, &POINTS).unwrap(),
        cloud(4).with_colors(&COLORS).unwrap(),
        cloud(4).with_faces(&[[0, 1, 2]]).unwrap(),
        cloud(4).with_scene(Scene::new().point_size(0.5).unwrap()),
    ];
    for other in others {
        let error = writer.add_mesh("cloud", &other, 2).unwrap_err().to_string();
        assert!(
            error.starts_with("tag `cloud_VERTEX` of run ``: it differs from the first value"),
            "{error}"
        );
    }
    writer.close().unwrap();
}

#[test]
fn scenes_are_json_that_the_page_reads() {
    let json = |scene: Scene| {
        let mut memory = MemorySink::default();
        memory
            .add_mesh("m", &Mesh::new(&POINTS).unwrap().with_scene(scene.clone()), Step::default())
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut writer = SummaryWriter::open(dir.path()).unwrap();
        for entry in memory.entries {
            convscope::SummarySink::write(&mut writer, entry).unwrap();
        }
        writer.close().unwrap();
        written(dir.path())["m_VERTEX"].0.json_config.clone()
    };
    assert_eq!(json(Scene::new()), r#"{"material":{"size":0.025}}"#, "a hundredth of 2.5 from -2 to 0.5");
    let scene = Scene::new().camera_at([1.0, -2.5, 1e-7]).unwrap().look_at([0.0; 3]).unwrap();
    let scene = scene.point_size(0.25).unwrap().field_of_view(45.5).unwrap().two_sided().wireframe();
    let scene = scene.ambient_light([255, 128, 0], 0.5).unwrap();
    let scene = scene.light_from([0.0, 3.0, 1e10], [1, 2, 3], 2.0).unwrap();
    let found: serde_json::Value = serde_json::from_str(&json(scene)).unwrap();
    let expected = serde_json::json!({
        "camera": {"fov": 45.5, "position": [1, -2.5, 1e-7], "lookAt": [0, 0, 0]},
        "lights": [
            {"cls": "AmbientLight", "color": "#ff8000", "intensity": 0.5},
            {"cls": "DirectionalLight", "color": "#010203", "intensity": 2, "position": [0, 3, 10_000_000_000_i64]},
        ],
        "material": {"size": 0.25, "side": 2, "wireframe": true},
    });
    assert_eq!(found, expected);

    for refused in [
        Scene::new().field_of_view(0.0),
        Scene::new().field_of_view(180.0),
        Scene::new().field_of_view(f32::NAN),
        Scene::new().camera_at([0.0, f32::INFINITY, 0.0]),
        Scene::new().look_at([f32::NAN; 3]),
        Scene::new().point_size(0.0),
        Scene::new().ambient_light([0; 3], -1.0),
        Scene::new().light_from([f32::NAN; 3], [0; 3], 1.0),
    ] {
        refused.unwrap_err();
    }
}
