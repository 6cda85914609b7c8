//! Polygons, as Valkey searches in them: on the map as it is, where a side is a straight line between two
//! longitudes and latitudes.

use smallvec::SmallVec;

use super::area::covering;
use super::cell::Edges;
use super::{Cell, Position, degrees, radians};

/// A polygon of three vertices or more, and what follows from them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Polygon {
    vertices: Vec<Position>,
    /// The middle of the vertices on the ball, from which distances are told.
    center: Position,
}

impl Polygon {
    /// Nothing for fewer than three vertices. O(n)
    pub(crate) fn new(vertices: Vec<Position>) -> Option<Self> {
        let center = middle(&vertices);
        (vertices.len() >= 3).then_some(Polygon { vertices, center })
    }

    pub(crate) fn vertices(&self) -> &[Position] {
        &self.vertices
    }

    /// How far a position is from the center, if it lies within: if a line from it to the east crosses an odd
    /// number of sides. O(n)
    pub(crate) fn meters_within(&self, position: Position) -> Option<f64> {
        let Position { longitude, latitude } = position;
        let next = self.vertices.iter().cycle().skip(1);
        let crossed = |(from, to): &(&Position, &Position)| {
            (from.latitude > latitude) != (to.latitude > latitude) && {
                let up = (latitude - from.latitude) / (to.latitude - from.latitude);
                longitude < from.longitude + up * (to.longitude - from.longitude)
            }
        };
        let sides = self.vertices.iter().zip(next).filter(crossed).count();
        (sides % 2 == 1).then(|| self.center.meters_to(position))
    }

    /// The cells that cover it. O(n)
    pub(crate) fn cells(&self) -> SmallVec<[Cell; 9]> {
        let reach = self.vertices.iter().map(|vertex| self.center.meters_to(*vertex)).fold(0.0, f64::max);
        let Position { longitude, latitude } = self.center;
        let start = Edges { west: longitude, east: longitude, south: latitude, north: latitude };
        let bounds = self.vertices.iter().fold(start, |bounds, vertex| Edges {
            west: bounds.west.min(vertex.longitude),
            east: bounds.east.max(vertex.longitude),
            south: bounds.south.min(vertex.latitude),
            north: bounds.north.max(vertex.latitude),
        });
        covering(self.center, reach, bounds)
    }
}

/// Where a line from the earth's center through the mean of all positions in space comes out.
fn middle(positions: &[Position]) -> Position {
    let add = |(x, y, z): (f64, f64, f64), position: &Position| {
        let (longitude, latitude) = (radians(position.longitude), radians(position.latitude));
        (x + latitude.cos() * longitude.cos(), y + latitude.cos() * longitude.sin(), z + latitude.sin())
    };
    let (x, y, z) = positions.iter().fold((0.0, 0.0, 0.0), add);
    let count = positions.len() as f64;
    let (x, y, z) = (x / count, y / count, z / count);
    let middle =
        Position { longitude: degrees(y.atan2(x)), latitude: degrees(z.atan2((x * x + y * y).sqrt())) };
    // No mean of positions that can be stored is further north, but by rounding.
    middle.clamped()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn polygon(vertices: &[(f64, f64)]) -> Option<Polygon> {
        Polygon::new(vertices.iter().map(|&(longitude, latitude)| Position { longitude, latitude }).collect())
    }

    #[test]
    fn a_polygon_may_have_a_bay() {
        let polygon = polygon(&[(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (2.0, 1.0), (0.0, 4.0)]).unwrap();
        let is_within =
            |longitude, latitude| polygon.meters_within(Position { longitude, latitude }).is_some();
        assert!(is_within(1.0, 1.0) && is_within(3.0, 2.0) && is_within(2.0, 0.5));
        assert!(!is_within(2.0, 2.0) && !is_within(5.0, 1.0) && !is_within(-1.0, 1.0));
    }

    #[test]
    fn the_center_is_that_of_the_vertices() {
        let center = polygon(&[(10.0, 35.0), (20.0, 35.0), (15.0, 45.0)]).unwrap().center;
        assert!((center.longitude - 15.0).abs() < 1e-9 && (center.latitude - 38.403_777).abs() < 1e-6);
        assert_eq!(polygon(&[(10.0, 35.0), (20.0, 35.0)]), None);
    }
}
