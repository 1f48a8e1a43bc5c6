//! From where a mesh is seen, in which light.

use std::fmt::Write as _;

use crate::error::{Error, Result};

/// Camera, light and material of the page Mesh. What is not set is as the page has it: a camera with an angle of 75
/// degrees that has everything in view, white light from all sides and some from the front, gray surfaces. Points are
/// a hundredth of the first cloud of the tag, so that they are seen.
///
/// ```
/// use convscope::{Mesh, summary::Scene};
///
/// let scene = Scene::new().camera_at([2.0, 2.0, 4.0])?.look_at([0.0, 0.0, 0.0])?.point_size(0.05)?;
/// let cloud = Mesh::new(&[[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])?.with_scene(scene);
/// assert!(Scene::new().point_size(f32::NAN).is_err());
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scene {
    field_of_view: Option<f32>,
    position: Option<[f32; 3]>,
    target: Option<[f32; 3]>,
    point_size: Option<f32>,
    two_sided: bool,
    wireframe: bool,
    lights: Vec<Light>,
}

#[derive(Debug, Clone, PartialEq)]
struct Light {
    color: [u8; 3],
    intensity: f32,
    /// From where it shines; from all sides where there is none.
    position: Option<[f32; 3]>,
}

impl Scene {
    /// The page's own.
    pub fn new() -> Scene {
        Scene::default()
    }

    /// Vertical angle of the camera in degrees, between 0 and 180.
    ///
    /// # Errors
    /// An angle outside.
    pub fn field_of_view(mut self, degrees: f32) -> Result<Scene> {
        if !(degrees > 0.0 && degrees < 180.0) {
            return Err(Error::invalid(
                "field of view of the scene",
                format!("{degrees} found, an angle between 0 and 180 degrees expected"),
            ));
        }
        self.field_of_view = Some(degrees);
        Ok(self)
    }

    /// Where the camera is. The page moves the middle of a surface of triangles to 0, 0, 0.
    ///
    /// # Errors
    /// A coordinate that is not finite.
    pub fn camera_at(mut self, position: [f32; 3]) -> Result<Scene> {
        self.position = Some(finite("camera position of the scene", position)?);
        Ok(self)
    }

    /// Where the camera looks. The default is the middle of the mesh.
    ///
    /// # Errors
    /// A coordinate that is not finite.
    pub fn look_at(mut self, target: [f32; 3]) -> Result<Scene> {
        self.target = Some(finite("camera target of the scene", target)?);
        Ok(self)
    }

    /// Size of the points of a cloud, in the units of its coordinates: greater than 0.
    ///
    /// # Errors
    /// A size that is not.
    pub fn point_size(mut self, size: f32) -> Result<Scene> {
        if !(size > 0.0 && size.is_finite()) {
            return Err(Error::invalid(
                "point size of the scene",
                format!("{size} found, more than 0 expected"),
            ));
        }
        self.point_size = Some(size);
        Ok(self)
    }

    /// Draws triangles from behind too.
    #[must_use]
    pub fn two_sided(mut self) -> Scene {
        self.two_sided = true;
        self
    }

    /// Draws the edges of the triangles alone.
    #[must_use]
    pub fn wireframe(mut self) -> Scene {
        self.wireframe = true;
        self
    }

    /// Adds light of a colour (red, green, blue) from all sides. The first light takes the place of the page's own.
    ///
    /// # Errors
    /// An intensity that is negative or not finite.
    pub fn ambient_light(self, color: [u8; 3], intensity: f32) -> Result<Scene> {
        self.light(color, intensity, None)
    }

    /// Adds light that shines from a place towards 0, 0, 0. The first light takes the place of the page's own.
    ///
    /// # Errors
    /// An intensity that is negative or not finite; a coordinate that is not finite.
    pub fn light_from(self, position: [f32; 3], color: [u8; 3], intensity: f32) -> Result<Scene> {
        let position = finite("light of the scene", position)?;
        self.light(color, intensity, Some(position))
    }

    fn light(mut self, color: [u8; 3], intensity: f32, position: Option<[f32; 3]>) -> Result<Scene> {
        if !(0.0..=f32::MAX).contains(&intensity) {
            let why = format!("intensity {intensity} found, 0 or greater expected");
            return Err(Error::invalid("light of the scene", why));
        }
        self.lights.push(Light { color, intensity, position });
        Ok(self)
    }

    /// As the page reads it: classes and fields of the library THREE.js. Empty where everything is the page's own.
    pub(super) fn to_json(&self, default_point_size: Option<f32>) -> String {
        let camera = object([
            self.field_of_view.map(|degrees| format!(r#""fov":{degrees}"#)),
            self.position.map(|at| format!(r#""position":{}"#, array(at))),
            self.target.map(|at| format!(r#""lookAt":{}"#, array(at))),
        ]);
        let material = object([
            self.point_size.or(default_point_size).map(|size| format!(r#""size":{size}"#)),
            self.two_sided.then(|| r#""side":2"#.to_owned()),
            self.wireframe.then(|| r#""wireframe":true"#.to_owned()),
        ]);
        let lights: Vec<String> = self.lights.iter().map(Light::to_json).collect();
        object([
            camera.map(|camera| format!(r#""camera":{camera}"#)),
            (!lights.is_empty()).then(|| format!(r#""lights":[{}]"#, lights.join(","))),
            material.map(|material| format!(r#""material":{material}"#)),
        ])
        .unwrap_or_default()
    }
}

impl Light {
    fn to_json(&self) -> String {
        let class = if self.position.is_some() { "DirectionalLight" } else { "AmbientLight" };
        let [red, green, blue] = self.color;
        let mut json = format!(
            r##"{{"cls":"{class}","color":"#{red:02x}{green:02x}{blue:02x}","intensity":{}"##,
            self.intensity
        );
        if let Some(position) = self.position {
            // Writing to a text cannot fail.
            let _ = write!(json, r#","position":{}"#, array(position));
        }
        json + "}"
    }
}

/// The fields that there are.
fn object<const N: usize>(fields: [Option<String>; N]) -> Option<String> {
    let fields: Vec<String> = fields.into_iter().flatten().collect();
    (!fields.is_empty()).then(|| format!("{{{}}}", fields.join(",")))
}

fn array([x, y, z]: [f32; 3]) -> String {
    format!("[{x},{y},{z}]")
}

fn finite(what: &str, point: [f32; 3]) -> Result<[f32; 3]> {
    if point.iter().all(|x| x.is_finite()) {
        return Ok(point);
    }
    Err(Error::invalid(what, format!("{point:?} found, finite coordinates expected")))
}
