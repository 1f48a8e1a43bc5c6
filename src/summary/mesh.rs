//! Values of the page Mesh: points in space, and the triangles between them.

use std::{fmt, sync::Arc};

use prost::Message as _;

use super::{Scene, tensor};
use crate::{
    error::{Error, Result},
    proto::{DataClass, DataType, MeshPluginData, mesh_plugin_data::ContentType, summary::value::Value},
};

pub(super) const PLUGIN: &str = "mesh";
pub(super) const DATA_CLASS: DataClass = DataClass::Tensor;

/// Vertices that faces can name: TensorBoard's page keeps 16 bits of their numbers.
const NAMED: usize = 1 << 16;

/// A cloud of points, or a surface of triangles between them, perhaps several of one step. Cheap to clone.
///
/// The first value of a tag decides for all its steps whether there are colours and faces, how many samples a step has,
/// and from where they are seen; later values that differ in this are refused. The numbers of points and faces may
/// change.
///
/// ```
/// use convscope::Mesh;
///
/// let corners = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
/// let tetrahedron = Mesh::new(&corners)?
///     .with_colors(&[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]])?
///     .with_faces(&[[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])?;
/// assert_eq!((tetrahedron.samples(), tetrahedron.points()), (1, 4));
///
/// let error = Mesh::new(&corners)?.with_faces(&[[0, 1, 4]]).unwrap_err();
/// assert_eq!(error.to_string(), "face 0 of the mesh: point 4 found, the last one is 3");
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Mesh(Arc<Inner>);

#[derive(Clone, PartialEq)]
struct Inner {
    samples: usize,
    vertices: Vec<[f32; 3]>,
    colors: Option<Vec<[u8; 3]>>,
    faces: Option<Vec<[u32; 3]>>,
    scene: Scene,
}

impl Mesh {
    /// One cloud of points at x, y, z. The page fits them into view.
    ///
    /// # Errors
    /// No point; a coordinate that is not finite.
    pub fn new(vertices: &[[f32; 3]]) -> Result<Mesh> {
        Mesh::batch(1, vertices)
    }

    /// Several samples of one step, a card each: the points of the first, then those of the second, and so on, the
    /// same number for each.
    ///
    /// # Errors
    /// No sample, no point; a number of points that is no multiple of `samples`; a coordinate that is not finite.
    pub fn batch(samples: usize, vertices: &[[f32; 3]]) -> Result<Mesh> {
        check_rows("points", samples, vertices.len())?;
        if let Some(at) = vertices.iter().position(|point| !point.iter().all(|x| x.is_finite())) {
            let why = format!("{:?} found, finite coordinates expected", vertices[at]);
            return Err(Error::invalid(format!("point {at} of the mesh"), why));
        }
        let vertices = vertices.to_vec();
        Ok(Mesh(Arc::new(Inner { samples, vertices, colors: None, faces: None, scene: Scene::default() })))
    }

    /// A colour for each point: red, green, blue. Without, the page draws points in the colour of the run and surfaces
    /// in gray.
    ///
    /// # Errors
    /// A number of colours that is not that of the points.
    pub fn with_colors(mut self, colors: &[[u8; 3]]) -> Result<Mesh> {
        if colors.len() != self.0.vertices.len() {
            let why = format!("{} found for {} points", colors.len(), self.0.vertices.len());
            return Err(Error::invalid("colours of the mesh", why));
        }
        Arc::make_mut(&mut self.0).colors = Some(colors.to_vec());
        Ok(self)
    }

    /// Triangles between points, which are named by their number in their sample, from 0. Seen from outside, the points
    /// of a triangle go round against the clock; from behind, the page does not draw it. For a
    /// [batch](Mesh::batch): the triangles of the first sample, then those of the second, the same number for each.
    ///
    /// # Errors
    /// No triangle; a number of them that is no multiple of the samples; a point that is not there; more than 65,536
    /// points, which the page would mix up.
    pub fn with_faces(mut self, faces: &[[u32; 3]]) -> Result<Mesh> {
        check_rows("faces", self.0.samples, faces.len())?;
        let points = self.points();
        if points > NAMED {
            let why = format!(
                "{points} found, TensorBoard's page draws faces between {NAMED} at most; split it into several meshes"
            );
            return Err(Error::invalid("points of the mesh", why));
        }
        let outside = |face: &[u32; 3]| face.iter().copied().find(|&point| point as usize >= points);
        if let Some((at, point)) = faces.iter().enumerate().find_map(|(at, face)| Some((at, outside(face)?)))
        {
            let why = format!("point {point} found, the last one is {}", points - 1);
            return Err(Error::invalid(format!("face {at} of the mesh"), why));
        }
        Arc::make_mut(&mut self.0).faces = Some(faces.to_vec());
        Ok(self)
    }

    /// Camera, light and material. The default is the page's: everything in view.
    #[must_use]
    pub fn with_scene(mut self, scene: Scene) -> Mesh {
        Arc::make_mut(&mut self.0).scene = scene;
        self
    }

    /// Samples of one step, at least 1.
    pub fn samples(&self) -> usize {
        self.0.samples
    }

    /// Points of each sample, at least 1.
    pub fn points(&self) -> usize {
        self.0.vertices.len() / self.0.samples
    }

    /// All points, sample by sample.
    pub fn vertices(&self) -> &[[f32; 3]] {
        &self.0.vertices
    }

    /// The colours of all points.
    pub fn colors(&self) -> Option<&[[u8; 3]]> {
        self.0.colors.as_deref()
    }

    /// All triangles, sample by sample.
    pub fn faces(&self) -> Option<&[[u32; 3]]> {
        self.0.faces.as_deref()
    }

    /// Which tags a mesh takes.
    fn contents(&self) -> Vec<ContentType> {
        let mut contents = vec![ContentType::Vertex];
        contents.extend(self.0.faces.as_ref().map(|_| ContentType::Face));
        contents.extend(self.0.colors.as_ref().map(|_| ContentType::Color));
        contents
    }

    /// The tags and what goes into each.
    pub(super) fn parts(&self, tag: &str) -> Vec<(String, MeshPart)> {
        let part = |content| {
            let part = MeshPart { tag: tag.to_owned(), mesh: self.clone(), content };
            (format!("{tag}_{}", content.as_str_name()), part)
        };
        self.contents().into_iter().map(part).collect()
    }

    /// Size at which the points of a cloud are seen, where none was asked for. The page's own 0.005 units are less than
    /// a pixel for all but the smallest clouds. Looks at every point.
    fn point_size(&self) -> Option<f32> {
        if self.0.faces.is_some() {
            return None;
        }
        let extent = |axis: usize| {
            let along = self.0.vertices.iter().map(|point| point[axis]);
            let (least, most) =
                along.fold((f32::MAX, f32::MIN), |(least, most), x| (least.min(x), most.max(x)));
            most - least
        };
        let largest = extent(0).max(extent(1)).max(extent(2));
        (largest > 0.0 && largest.is_finite()).then_some(largest / 100.0)
    }

    /// Bytes held in memory.
    fn size(&self) -> usize {
        let Inner { vertices, colors, faces, .. } = &*self.0;
        size_of_val(vertices.as_slice())
            + colors.as_deref().map_or(0, size_of_val)
            + faces.as_deref().map_or(0, size_of_val)
    }
}

impl fmt::Debug for Mesh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mesh")
            .field("samples", &self.samples())
            .field("points", &self.points())
            .field("faces", &self.faces().map(<[_]>::len))
            .field("colors", &self.colors().is_some())
            .finish()
    }
}

fn check_rows(what: &str, samples: usize, rows: usize) -> Result<()> {
    let why = match (rows, samples) {
        (_, 0) => "0 samples found, at least 1 expected".to_owned(),
        (0, _) => "none found, at least one expected".to_owned(),
        _ if rows.is_multiple_of(samples) => return Ok(()),
        _ => format!("{rows} found, a multiple of {samples} expected: as many for each sample"),
    };
    Err(Error::invalid(format!("{what} of the mesh"), why))
}

/// Points, colours or faces: each has a tag of its own.
#[derive(Debug, Clone)]
pub(crate) struct MeshPart {
    /// The tag that the user gave.
    tag: String,
    mesh: Mesh,
    content: ContentType,
}

impl MeshPart {
    pub(super) fn mesh(&self) -> &Mesh {
        &self.mesh
    }

    /// Rows of the tensor.
    fn rows(&self) -> usize {
        match self.content {
            ContentType::Face => self.mesh.faces().map_or(0, <[_]>::len),
            _ => self.mesh.0.vertices.len(),
        }
    }

    fn shape(&self) -> [usize; 3] {
        [self.mesh.samples(), self.rows() / self.mesh.samples(), 3]
    }

    /// What readers keep of the first value of the tag.
    pub(super) fn content(&self) -> Vec<u8> {
        self.plugin_data(self.mesh.0.scene.to_json(self.mesh.point_size())).encode_to_vec()
    }

    fn plugin_data(&self, json_config: String) -> MeshPluginData {
        MeshPluginData {
            name: self.tag.clone(),
            content_type: self.content.into(),
            json_config,
            shape: self.shape().iter().map(|&size| i32::try_from(size).unwrap_or(i32::MAX)).collect(),
            components: self.mesh.contents().iter().map(|&content| 1 << content as u32).sum(),
            ..Default::default()
        }
    }

    /// The part of it that later values may not change. Looks at no point: it is asked for with every value, by the
    /// thread that adds it.
    pub(super) fn fixed(&self) -> Vec<u8> {
        let mut content = self.plugin_data(self.mesh.0.scene.to_json(None));
        content.shape.truncate(1);
        content.encode_to_vec()
    }

    pub(super) fn encode(&self) -> Value {
        let Inner { vertices, colors, faces, .. } = &*self.mesh.0;
        let shape = self.shape();
        Value::Tensor(match self.content {
            ContentType::Face => {
                let corners = faces.iter().flatten().flatten();
                tensor::numbers(DataType::DtInt32, corners.map(|point| point.to_le_bytes()), &shape)
            }
            ContentType::Color => {
                let channels = colors.iter().flatten().flatten();
                tensor::numbers(DataType::DtUint8, channels.map(|channel| channel.to_le_bytes()), &shape)
            }
            _ => {
                let coordinates = vertices.iter().flatten();
                tensor::numbers(DataType::DtFloat, coordinates.map(|x| x.to_le_bytes()), &shape)
            }
        })
    }

    /// Bytes held in memory: the mesh is shared by its parts.
    pub(super) fn size(&self) -> usize {
        self.tag.len() + self.mesh.size() / self.mesh.contents().len()
    }
}
